"""Expected, yours and difference, for small maps and large, with what is no number."""

import pytest

from dlcv.checking import picture


@pytest.mark.parametrize(("shape", "drawn"), [((1, 4), "<td"), ((3, 4), "<td"), ((40, 50), "<img alt=")])
def test_small_maps_are_written_and_large_ones_drawn(shape, drawn):
    zeros = [[0.0] * shape[1] for _ in range(shape[0])]
    ones = [[1.0] * shape[1] for _ in range(shape[0])]
    html = picture.html({"expected": zeros, "yours": ones})
    assert html.count("<figure") == 3 and drawn in html


def test_maps_of_two_shapes_have_no_difference():
    assert picture.html({"expected": [[0.0]], "yours": [["nan", "inf"]]}).count("<figure") == 2


@pytest.mark.parametrize("nothing", [{}, {"expected": 1, "yours": [[1]]}, {"expected": [[]], "yours": [[]]}])
def test_what_is_no_picture_is_left_out(nothing):
    assert picture.html(nothing) == ""


@pytest.mark.parametrize("yours", [[["nan", 1.0]], [["inf", "-inf"]]])
def test_what_is_no_number_is_drawn_all_the_same(yours):
    assert picture.html({"expected": [[1.0, 2.0]], "yours": yours}).count("<td") == 6
