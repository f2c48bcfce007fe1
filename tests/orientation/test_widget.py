"""The pixel inspector says what the labels say, and follows its sliders."""

import pytest
import torch
from ipywidgets import IntSlider

from dlcv import interactive
from dlcv.data.scenes import CLASSES, STUFF, render
from dlcv.orientation import widget
from dlcv.orientation.widget import describe_pixel, direction, label_maps, make


@pytest.fixture(scope="module")
def scene():
    return render([104], size=(48, 60), family="room", things=(7, 10), water=1.0)[0]


def first(mask):
    return [int(index) for index in mask.nonzero()[0]]


def test_a_pixel_of_a_thing(scene):
    row, column = first(scene.instance == 2)
    name = CLASSES[scene.labels[1]]
    said = describe_pixel(scene, row, column)
    assert said["semantic"] == name
    assert said["instance"] == "thing 2"
    assert said["panoptic"] == f"{name}, thing 2"
    assert said["depth"] == f"{scene.depth[row, column].item():.2f} m"
    assert said["normals"].startswith("faces ")


def test_pixels_of_stuff_and_sky(scene):
    said = describe_pixel(scene, *first(scene.semantic == 1))
    assert (said["semantic"], said["instance"]) == ("ground", "nothing to count")
    assert "up" in said["normals"]
    sky = describe_pixel(scene, *first(scene.semantic == 0))
    assert (sky["semantic"], sky["depth"], sky["normals"]) == ("sky", "no surface", "no surface")


@pytest.mark.parametrize(
    ("normal", "words"),
    [([0, 0, 0], "no surface"), ([0.6, 0, -0.8], "faces you and right"), ([0, 1, 0], "faces down")],
)
def test_directions_in_words(normal, words):
    assert direction(normal) == words


def test_there_are_five_label_maps(scene):
    maps = label_maps(scene)
    assert list(maps) == ["semantic", "instance", "panoptic", "depth", "normals"]
    assert torch.equal(maps["depth"].isnan(), scene.semantic == 0)


def test_the_figure_follows_the_pixel(scene):
    figure = make(scene, 20, 30)
    assert figure.axes[0].get_title() == "row 20, column 30"
    assert [axis.get_title().split(":")[0] for axis in figure.axes[1:]] == list(label_maps(scene))
    assert make(scene, 99, -5).axes[0].get_title() == "row 47, column 0"
    assert make(scene, 20, 30)._repr_png_() == figure._repr_png_() != make(scene, 21, 30)._repr_png_()


def test_moving_a_slider_updates_the_picture(scene, monkeypatch):
    shown, updates = [], []

    class Handle:
        def update(self, figure):
            updates.append(figure.axes[0].get_title())

    def display(thing, display_id=False):
        shown.append(thing)
        return Handle()

    monkeypatch.setattr(interactive, "display", display)
    widget.pixel_inspector(scene)
    box, figure = shown
    row, column = box.children
    assert isinstance(row, IntSlider)
    assert figure.axes[0].get_title() == "row 24, column 30"
    row.value, column.value = 3, 4
    assert updates == ["row 3, column 30", "row 3, column 4"]


def test_the_scene_of_the_notebook_has_what_the_notebook_shows():
    """Two cones and two balls, a box in the floor's pattern, a lamp in the wall's, and every kind of stuff."""
    scene = render([104], size=(256, 320), family="room", things=(7, 10), camouflage=0.15, water=1.0)[0]
    names = [CLASSES[label] for label in scene.labels]
    assert names == ["can", "ball", "cone", "box", "cone", "lamp", "ball", "lamp"]
    assert set(scene.semantic.unique().tolist()) >= set(range(len(STUFF)))

    def colour(mask):
        return scene.image[:, mask].mean(1)

    ground, wall = colour(scene.semantic == 1), colour(scene.semantic == 2)
    masks = scene.masks
    assert (colour(masks[3]) - ground).norm() < 0.2
    assert (colour(masks[5]) - wall).norm() < 0.2
    assert (colour(masks[2]) - colour(masks[4])).norm() > 0.25


def test_every_segment_has_its_bar(scene):
    _, segments = scene.panoptic()
    axis = widget.segment_bars(segments).axes[0]
    assert len(axis.patches) == len(segments)
    assert sum(patch.get_width() for patch in axis.patches) == pytest.approx(100)
    words = [text.get_text() for text in axis.texts]
    assert words[0] == f"{CLASSES[scene.labels[0]]}, thing"
    assert words[-1].endswith(", stuff")
