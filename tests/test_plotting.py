import io
import itertools

import numpy as np
import pytest
import torch
from matplotlib import image as matplotlib_image
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from dlcv import plotting

# Machado, Oliveira and Fernandes (2009), "A physiologically-based model for simulation of color vision
# deficiency", IEEE TVCG 15(6), the matrices for severity 1.0; they act on linear RGB.
VISION = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# Linear sRGB to XYZ under D65, IEC 61966-2-1.
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def cielab(colours, vision):
    """CIELAB (CIE 15:2004) of colours as an eye with this vision sees them."""
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ VISION[vision].T, 0, 1)
    xyz = seen @ TO_XYZ.T / (TO_XYZ @ np.ones(3))
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def closest(colours, vision):
    lab = cielab(colours, vision)
    return min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2))


def test_cielab_of_known_colours():
    white, red = cielab(["#ffffff", "#ff0000"], "all cones")
    assert white == pytest.approx([100, 0, 0], abs=0.01)
    assert red == pytest.approx([53.24, 80.09, 67.20], abs=0.02)


@pytest.mark.parametrize("vision", VISION)
def test_every_two_class_colours_can_be_told_apart(vision):
    assert closest([*plotting.CLASSES, plotting.VOID], vision) > 20


@pytest.mark.parametrize("vision", VISION)
def test_instance_colours_can_be_told_apart(vision):
    assert closest([*plotting.INSTANCES, plotting.BLANK], vision) > 15
    assert closest([plotting.YOURS, plotting.EXPECTED], vision) > 40


def test_things_are_saturated_and_stuff_is_muted():
    chroma = {
        name: np.linalg.norm(cielab(colours, "all cones")[:, 1:], axis=1)
        for name, colours in {"things": plotting.INSTANCES, "stuff": plotting.STUFF}.items()
    }
    assert chroma["stuff"].max() < 25 < 38 < chroma["things"].min()


def test_a_label_map_paints_labels_and_void():
    painted = plotting.label_map(torch.tensor([[0, 1], [255, -1]]), colours=("#ff0000", "#0000ff"))
    assert painted.tolist()[0] == [[1, 0, 0], [0, 0, 1]]
    assert np.allclose(painted[1], to_rgb(plotting.VOID))


def test_labels_beyond_the_palette_go_round():
    painted = plotting.label_map([[0, len(plotting.CLASSES)]])
    assert np.array_equal(painted[0, 0], painted[0, 1])


def test_an_instance_map_leaves_stuff_blank():
    painted = plotting.instance_map([[0, 1, 2]])
    assert [tuple(pixel) for pixel in painted[0]] == [
        to_rgb(colour) for colour in (plotting.BLANK, *plotting.INSTANCES[:2])
    ]


def test_an_overlay_lies_between_image_and_labels():
    image = torch.rand(3, 4, 4)
    labels = torch.zeros(4, 4, dtype=torch.int64)
    assert np.allclose(plotting.overlay(image, labels, alpha=0.0), plotting.as_image(image))
    assert np.allclose(plotting.overlay(image, labels, alpha=1.0), plotting.label_map(labels))
    assert np.allclose(plotting.overlay(image, labels, hide=[0]), plotting.as_image(image))


@pytest.mark.parametrize(
    "image",
    [
        torch.ones(3, 2, 5),
        np.ones((2, 5, 3)),
        torch.ones(1, 2, 5),
        np.full((2, 5, 3), 255, dtype=np.uint8),
    ],
)
def test_images_of_every_layout_are_read(image):
    assert np.array_equal(plotting.as_image(image), np.ones((2, 5, 3)))


def test_half_precision_is_drawn():
    for dtype in (torch.float16, torch.bfloat16):
        assert plotting.as_array(torch.ones(2, 2, dtype=dtype, requires_grad=True)).dtype == np.float32


def test_instances_that_are_numbered_in_each_class_keep_to_their_class():
    semantic, instances = np.array([[4, 4, 5, 5]]), np.array([[1, 2, 1, 2]])
    painted = plotting.panoptic_map(semantic, instances)
    apart = plotting.panoptic_map(semantic, np.array([[1, 2, 3, 4]]))
    np.testing.assert_allclose(painted, apart)


def test_bad_input_fails_at_the_door():
    with pytest.raises(ValueError, match=r"image must be .* got \(4, 2, 5\)"):
        plotting.as_image(np.ones((4, 2, 5)))
    with pytest.raises(ValueError, match="labels must be whole numbers"):
        plotting.label_map(np.ones((2, 2)))
    with pytest.raises(ValueError, match="sizes must agree"):
        plotting.overlay(np.ones((2, 2, 3)), np.ones((3, 3), dtype=int))
    with pytest.raises(ValueError, match=r"instances are \(1, 2\): sizes must agree"):
        plotting.panoptic_map(np.ones((2, 2), dtype=int), np.ones((1, 2), dtype=int))
    with pytest.raises(ValueError, match=r"normals must be \(3, H, W\); got \(4, 4, 3\)"):
        plotting.normal_map(np.ones((4, 4, 3)))
    with pytest.raises(ValueError, match=r"'depth' must be .*; got \(1, 1, 4, 4\)"):
        plotting.show_maps({"depth": np.ones((1, 1, 4, 4))})
    with pytest.raises(ValueError, match=r"a map must be .*; got \(4,\)"):
        plotting.show(plotting.new_figure()[1], np.ones(4))
    with pytest.raises(ValueError, match="at least one map"):
        plotting.show_maps({})
    with pytest.raises(ValueError, match="values must be"):
        plotting.number_grid(plotting.new_figure()[1], np.ones((1, 2, 2)))


def pixels(figure):
    return matplotlib_image.imread(io.BytesIO(figure._repr_png_()))


def test_show_maps_takes_every_kind_and_keeps_nothing_in_pyplot():
    import matplotlib.pyplot as plt

    labels = torch.arange(12).reshape(3, 4) % 3
    figure = plotting.show_maps(
        {
            "image": torch.rand(3, 3, 4),
            "labels": labels,
            "mask": labels == 1,
            "depth": torch.tensor([[1.0, float("inf")]]).repeat(3, 2),
        },
        names=["sky", "ground", "wall", "water"],
    )
    assert isinstance(figure, Figure)
    assert [axis.get_title() for axis in figure.axes[:4]] == ["image", "labels", "mask", "depth"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sky", "ground", "wall"]
    assert pixels(figure).shape[1] == 990
    assert plt.get_fignums() == []


def test_the_same_picture_has_the_same_bytes():
    def draw():
        return plotting.show_maps({"labels": np.eye(3, dtype=int)})._repr_png_()

    assert draw() == draw()


def test_titles_of_panels_that_keep_their_shape_stay_inside():
    figure, axes = plotting.new_figure(1, 4, height=2.5)
    for axis in axes:
        axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        plotting.bare(axis, "a Title")
    shown = pixels(figure)[..., :3]
    assert shown[:2].min() > 0.9
    assert shown[:30].min() < 0.5  # here they are


def test_a_number_grid_writes_every_number():
    figure, axis = plotting.new_figure(width=3)
    plotting.number_grid(axis, [[1, -2.5], [float("nan"), 0.125]], "filter", mark=[(0, 1)])
    assert sorted(text.get_text() for text in axis.texts) == ["0.12", "1", "−2.5"]
    assert len(axis.patches) == 5
    assert pixels(figure).std() > 0


@pytest.mark.parametrize("cmap", ["Blues", "PuOr", "viridis"])
def test_numbers_stay_readable_on_their_cells(cmap):
    _, axis = plotting.new_figure()
    plotting.number_grid(axis, np.linspace(-1, 1, 9), cmap=cmap)
    for text, patch in zip(axis.texts, axis.patches, strict=True):
        ink, cell = cielab([text.get_color(), patch.get_facecolor()[:3]], "all cones")[:, 0]
        assert abs(ink - cell) > 35


def test_a_constant_grid_is_drawn():
    _, axis = plotting.new_figure()
    plotting.number_grid(axis, [3, 3])
    assert [text.get_text() for text in axis.texts] == ["3", "3"]


@pytest.mark.parametrize(
    ("value", "text"), [(-0.001, "0"), (10.0, "10"), (100, "100"), (2.50, "2.5"), (-1, "−1")]
)
def test_short_numbers(value, text):
    assert plotting.short_number(value) == text
