from dlcv.data.scenes import SceneOptions
from dlcv.data.scenes.sheet import ROWS, all_truths, contact_sheet


def test_a_row_for_each_set_of_options():
    for options in ROWS.values():
        SceneOptions(**options)
    rows = {"rooms": {"family": "room"}, "streets": {"family": "street"}}
    figure = contact_sheet(rows, numbers=(0, 1, 2), height=16, shadow_samples=1)
    assert len(figure.axes) == 6
    assert [axis.get_ylabel() for axis in figure.axes] == ["rooms", "", "", "streets", "", ""]


def test_a_row_keeps_its_own_option_when_all_rows_are_changed():
    rows = {"rooms": {"family": "room"}, "streets": {"family": "street"}}
    figure = contact_sheet(rows, numbers=(0,), height=16, family="street")
    room, street = (axis.images[0].get_array() for axis in figure.axes)
    assert (room != street).any()


def test_images_or_labels():
    rows = {"rooms": {"family": "room"}}
    pictures = {
        contact_sheet(rows, numbers=(0,), height=16, labels=labels)._repr_png_() for labels in (False, True)
    }
    assert len(pictures) == 2


def test_all_truths_of_one_scene():
    figure = all_truths(3, height=24)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles[:3] == ["image", "class of each pixel", "things and stuff, with boxes"]
    assert len(titles) == 6
    depth = next(axis for axis in figure.axes if axis.get_title() == "depth").images[0].get_array()
    assert depth.min() > 0  # the sky, which has none, is left blank
