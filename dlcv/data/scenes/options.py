"""What can be asked of a scene."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from numbers import Real

from dlcv.arguments import check_at_least, check_whole, per_axis, several

CLASSES = ("sky", "ground", "wall", "water", "ball", "box", "can", "cone", "lamp", "table")
"""Class names; a class id is a position in this tuple. The first four are stuff, the others things."""

SKY, GROUND, WALL, WATER, BALL, BOX, CAN, CONE, LAMP, TABLE = range(len(CLASSES))
STUFF = CLASSES[:4]
THINGS = CLASSES[4:]
VOID = 255

MOST_THINGS = 16


@dataclass(frozen=True)
class SceneOptions:
    """How scenes are made.

    Attributes
    ----------
    family : "room", "street" or "mixed"
    things : (least, most)
        How many things are put into a scene; some may not find a place, some may be hidden.
    classes : names
        Classes of things that occur.
    crowding : 0 to 1
        How far things are drawn together around one point.
    touching : 0 to 1
        Share of things that stand in contact with a twin of the same class, size and pose.
    occlusion : 0 to 1
        Share of things that are put behind another one, seen from the camera.
    camouflage : 0 to 1
        Share of things that carry the material of the ground or wall behind them.
    thin : 0 to 1
        Share of things that are lamps and tables on legs one third as thick as usual.
    foreground : 0.001 to 0.6, or None
        Share of the pixels that things cover, by sizing the things; None leaves it to chance.
    water : 0 to 1
        Share of scenes with water in them.
    void : int
        Width in pixels of a border between labels that is marked as void (255), as in Pascal VOC.
    supersample : int
        The image averages this number squared of rays a pixel; labels belong to the pixel's centre.
    shadow_samples : int
        Points on the lamp: 1 gives hard shadows, more give soft ones.
    noise : float
        Standard deviation of the camera's noise.
    """

    family: str = "mixed"
    things: tuple[int, int] = (4, 9)
    classes: tuple[str, ...] = THINGS
    crowding: float = 0.0
    touching: float = 0.0
    occlusion: float = 0.0
    camouflage: float = 0.0
    thin: float = 0.0
    foreground: float | None = None
    water: float = 0.6
    void: int = 0
    supersample: int = 1
    shadow_samples: int = 1
    noise: float = 0.01

    def __post_init__(self) -> None:
        if self.family not in ("room", "street", "mixed"):
            raise ValueError(f'family must be "room", "street" or "mixed"; got {self.family!r}')
        things = several("things", self.things)
        if len(things) != 2 or not 0 <= things[0] <= things[1] <= MOST_THINGS:
            raise ValueError(f"things must be (least, most) within 0 and {MOST_THINGS}; got {self.things}")
        unknown = [name for name in self.classes if name not in THINGS]
        if unknown or not self.classes:
            raise ValueError(f"classes must be some of {', '.join(THINGS)}; got {self.classes}")
        for name in ("crowding", "touching", "occlusion", "camouflage", "thin", "water"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1; got {getattr(self, name)}")
        if self.foreground is not None and not 0.001 <= self.foreground <= 0.6:
            raise ValueError(f"foreground must be from 0.001 to 0.6, or None; got {self.foreground}")
        check_whole(1, supersample=self.supersample, shadow_samples=self.shadow_samples)
        check_whole(0, void=self.void)
        check_at_least(0, noise=per_axis("noise", self.noise, 1, Real))

    def to_dict(self) -> dict:
        """Return the options as plain data, for example to name a cache."""
        return asdict(self)
