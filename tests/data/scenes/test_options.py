"""Each option does what it says, measured on the labels."""

import math

import pytest
import torch

from dlcv.data.scenes import CLASSES, STUFF, THINGS, SceneOptions, render
from dlcv.data.scenes.draws import Draws
from dlcv.data.scenes.layout import lay_out
from dlcv.data.scenes.options import LAMP, SKY, TABLE, WALL, WATER

NUMBERS = range(40)


def things(**options):
    """Spheres around the things of some scenes `(n, 4)`, one tensor a scene."""
    layout = lay_out(Draws(0, NUMBERS), SceneOptions(**options), 48, 48)
    return [sphere[sphere[:, 3] > 0] for sphere in layout.sphere], layout


def test_both_families_show_all_their_classes():
    for family in ("room", "street"):
        semantic = render(NUMBERS, 48, family=family).semantic
        assert set(semantic.unique().tolist()) == set(range(len(CLASSES)))


def test_mixed_is_half_and_half():
    layout = lay_out(Draws(0, range(300)), SceneOptions(), 16, 16)
    assert 0.4 < layout.street.double().mean() < 0.6


def test_the_number_of_things():
    spheres_, _ = things(things=(3, 3), family="room")
    counts = [len(sphere) for sphere in spheres_]
    assert max(counts) == 3
    assert sum(counts) > 0.9 * 3 * len(counts)
    assert not (render(range(4), 32, things=(0, 0)).instance > 0).any()


def test_classes_can_be_chosen():
    batch = render(NUMBERS, 48, classes=("cone", "ball"))
    labels = torch.cat(batch.labels)
    assert {CLASSES[label] for label in labels} == {"cone", "ball"}


def test_things_stand_apart_and_on_the_ground():
    spheres_, layout = things(family="room", classes=("ball",))
    for sphere in spheres_:
        assert torch.allclose(sphere[:, 2], sphere[:, 3])  # the middle of a ball is as high as its radius
        distance = torch.cdist(sphere[:, :3], sphere[:, :3]) + 100 * torch.eye(
            len(sphere), dtype=torch.float64
        )
        assert (distance > sphere[:, 3] + sphere[:, None, 3]).all()
    assert layout.solids.centre[layout.solids.thing >= 0][:, 2].min() > 0


def test_crowding_draws_things_together():
    def spread(crowding):
        spheres_, _ = things(crowding=crowding, things=(5, 5))
        return sum(torch.pdist(sphere[:, :2]).mean() for sphere in spheres_ if len(sphere) > 1)

    assert spread(1.0) < 0.75 * spread(0.5) < 0.75 * spread(0.0)


def test_touching_things_touch_and_are_twins():
    spheres_, _ = things(touching=1.0, classes=("ball",), things=(2, 2), family="room")
    touching = [
        math.isclose(torch.pdist(sphere[:, :3]).item(), sphere[:, 3].sum().item())
        for sphere in spheres_
        if len(sphere) == 2
    ]
    assert len(touching) > 10
    assert all(touching)

    def pairs(share):
        """How often two things of one class are neighbours in the image."""
        batch, count = render(NUMBERS, 48, touching=share), 0
        for scene in batch:
            a, b = scene.instance[:, :-1], scene.instance[:, 1:]
            edge = (a > 0) & (b > 0) & (a != b) & (scene.semantic[:, :-1] == scene.semantic[:, 1:])
            count += len((a * 1000 + b)[edge].unique())
        return count

    assert pairs(1.0) > 3 * pairs(0.0)


def test_occlusion_hides_things():
    def visible(occlusion):
        return torch.cat(render(NUMBERS, 48, occlusion=occlusion).visible).mean()

    assert visible(1.0) < visible(0.5) < visible(0.0)
    assert visible(1.0) < visible(0.0) - 0.1


def contrast(batch):
    """Mean difference of a thing's mean colour from that of the stuff around it."""
    differences = []
    for scene in batch:
        for mask in scene.masks:
            ring = torch.nn.functional.max_pool2d(mask[None].float(), 7, 1, 3)[0] > 0
            ring &= scene.instance == 0
            if mask.sum() > 15 and ring.sum() > 15:
                differences.append((scene.image[:, mask].mean(1) - scene.image[:, ring].mean(1)).norm())
    return torch.stack(differences).mean()


def test_camouflage_takes_the_contrast_away():
    plain, hidden = (contrast(render(NUMBERS, 48, camouflage=share)) for share in (0.0, 1.0))
    assert hidden < 0.6 * plain


def test_camouflage_leaves_the_labels_alone():
    plain, hidden = render(range(4), 48), render(range(4), 48, camouflage=1.0)
    assert torch.equal(plain.instance, hidden.instance)


def test_thin_parts_are_thin():
    assert set(torch.cat(render(NUMBERS, 32, thin=1.0).labels).tolist()) == {LAMP, TABLE}

    def thickness(**options):
        """Mean radius of poles and legs: of the parts that are much higher than wide."""
        _, layout = things(family="room", **options)
        size = layout.solids.size[layout.solids.label >= LAMP]
        return size[:, 0][size[:, 2] > 5 * size[:, 0]].mean().item()

    assert thickness(thin=1.0) == pytest.approx(thickness(classes=("lamp", "table")) / 3, rel=0.1)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.3])
def test_the_foreground_has_the_share_that_is_asked_for(share):
    batch = render(range(24), 64, foreground=share)
    measured = torch.tensor([scene.foreground for scene in batch])
    assert measured.mean() == pytest.approx(share, rel=0.25)
    assert (measured > 0).float().mean() > 0.95


def test_water_comes_and_goes():
    assert not (render(NUMBERS, 48, water=0.0).semantic == WATER).any()
    share = (render(NUMBERS, 48, water=1.0).semantic == WATER).flatten(1).any(1).float().mean()
    assert share > 0.8


def colours(batch, chosen):
    """Pixels' colours in 12 steps a channel, and their classes, at the pixels where `chosen` is True."""
    steps = (batch.image * 11.999).long()
    index = (steps[:, 0] * 12 + steps[:, 1]) * 12 + steps[:, 2]
    keep = chosen(batch.semantic)
    return index[keep], batch.semantic[keep]


def test_no_class_of_things_can_be_told_by_colour():
    """The best classifier of single colours, learned from 300 scenes, is little better than guessing."""

    def chosen(semantic):
        return semantic >= len(STUFF)

    index, label = colours(render(range(1000, 1300), 48, shadow_samples=1), chosen)
    table = torch.zeros(12**3, len(CLASSES))
    # Every class counts alike, or the largest would always win.
    share = 1 / torch.bincount(label, minlength=len(CLASSES)).clamp(min=1)
    table.index_put_((index, label), share[label], accumulate=True)
    index, label = colours(render(range(100), 48), chosen)
    right = table.argmax(1)[index] == label
    recall = [right[label == category].float().mean().item() for category in range(len(STUFF), len(CLASSES))]
    assert sum(recall) / len(THINGS) < 0.27  # guessing: 1 / 6 = 0.17


def test_materials_are_drawn_alike_for_all_classes():
    options = SceneOptions()
    draws = Draws(0, range(400))
    layout = lay_out(draws, options, 16, 16)
    kind, colour = layout.solids.label, layout.materials.first[layout.solids.material]
    overall = colour[kind >= len(STUFF)].mean(0)
    for category in range(len(STUFF), len(CLASSES)):
        assert (colour[kind == category].mean(0) - overall).abs().max() < 0.06


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "beach"}, 'family must be "room", "street" or "mixed"; got \'beach\''),
        ({"things": (5, 3)}, r"things must be \(least, most\)"),
        ({"things": (0, 99)}, r"within 0 and 16; got \(0, 99\)"),
        ({"classes": ("ball", "sky")}, "classes must be some of ball, box"),
        ({"classes": ()}, "classes must be some of"),
        ({"camouflage": 1.5}, "camouflage must be from 0 to 1; got 1.5"),
        ({"foreground": 0.0}, "foreground must be from 0.001 to 0.6"),
        ({"supersample": 0}, "supersample must be at least 1; got 0"),
        ({"shadow_samples": 1.5}, r"shadow_samples must be an int; got 1\.5"),
        ({"void": -1}, "void must be at least 0; got -1"),
        ({"noise": float("nan")}, "noise must be a number; got nan"),
        ({"noise": -0.1}, r"noise must be at least 0; got -0\.1"),
        ({"things": 5}, "things must be a sequence of ints; got 5"),
        ({"things": (1, 2, 3)}, r"things must be \(least, most\) within 0 and 16; got \(1, 2, 3\)"),
    ],
)
def test_bad_options_fail_at_the_door(options, message):
    with pytest.raises(ValueError, match=message):
        SceneOptions(**options)


def test_options_survive_as_plain_data():
    options = SceneOptions(family="street", things=(1, 2), camouflage=0.5)
    assert SceneOptions(**options.to_dict()) == options


def test_the_sky_has_no_depth_and_walls_have():
    scene = render([0], 48, family="street")[0]
    assert (scene.depth[scene.semantic == SKY] == 0).all()
    assert (scene.depth[scene.semantic == WALL] > 0).all()


def test_class_names_are_stuff_then_things():
    assert CLASSES == STUFF + THINGS
    assert len(set(CLASSES)) == len(CLASSES)
