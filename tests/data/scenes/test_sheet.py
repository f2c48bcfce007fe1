from dlcv.data.scenes import SceneOptions
from dlcv.data.scenes.sheet import ROWS, contact_sheet


def test_a_row_for_each_set_of_options():
    for options in ROWS.values():
        SceneOptions(**options)
    rows = {"rooms": {"family": "room"}, "streets": {"family": "street"}}
    figure = contact_sheet(rows, columns=3, height=16, shadow_samples=1)
    assert len(figure.axes) == 6
    assert [axis.get_ylabel() for axis in figure.axes] == ["rooms", "", "", "streets", "", ""]


def test_images_or_labels():
    rows = {"rooms": {"family": "room"}}
    pictures = {
        contact_sheet(rows, columns=1, height=16, labels=labels)._repr_png_() for labels in (False, True)
    }
    assert len(pictures) == 2
