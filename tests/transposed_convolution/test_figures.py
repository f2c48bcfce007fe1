"""The pictures of chapter 01 draw, and show what their captions say."""

import pytest
import torch

from dlcv import interactive
from dlcv.transposed_convolution import conv_transpose2d_naive, figures, widget


def texts(figure):
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def titles(figure):
    return [axis.get_title() for axis in figure.axes]


@pytest.mark.parametrize("name", figures.__all__)
def test_each_picture_draws(name):
    assert getattr(figures, name)()._repr_png_().startswith(b"\x89PNG")


def test_the_coarse_map_holds_the_numbers_of_the_text():
    assert titles(figures.coarse_figure()) == [
        "the photograph: 352 × 480",
        "decided at stride 32: 11 × 15",
        "wanted: 352 × 480",
    ]
    assert (11 * 15, 352 * 480) == (165, 168_960)


def test_the_matrix_is_the_lectures():
    letters = texts(figures.matrix_figure(stride=2))
    assert [letter.strip() for letter in letters] == [
        *"yz",
        "",
        "",
        "",
        *"xyz",
        *"y",
        "",
        *"zx",
        "",
        *"y",
        "",
        "z",
    ]


def test_the_spread_pictures_equation_holds():
    x, weight = torch.tensor([[1, 2], [3, 4]]), torch.arange(1, 10).reshape(3, 3)
    assert conv_transpose2d_naive(x, weight, stride=2, padding=1)[1, 2] == 8 * 2 + 2 * 4


def test_the_last_step_shows_the_finished_canvas():
    figure = widget.make(step=9, kernel_size=3, stride=2)
    canvas = conv_transpose2d_naive(widget.INPUT, widget.filter_of(3), stride=2)
    shown = [text for text in texts(figure) if text.isdigit()]
    start = 9 + 9 + 9  # input, filter and copy come first
    assert shown[start : start + canvas.numel()] == [f"{value:.0f}" for value in canvas.flatten().tolist()]


def test_the_first_step_is_an_empty_canvas():
    assert "output: an empty canvas" in titles(widget.make(step=0))


@pytest.mark.parametrize(
    ("kernel_size", "stride", "words"),
    [
        (3, 2, "a checkerboard"),
        (4, 2, "all alike inside"),
        (2, 3, "some get none"),
        (3, 1, "all alike inside"),
    ],
)
def test_the_count_map_is_named(kernel_size, stride, words):
    figure = widget.make(kernel_size=kernel_size, stride=stride)
    assert titles(figure)[-1] == f"copies that reach each pixel: {words}"


@pytest.mark.parametrize("kernel_size", [1, 5])
@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("padding", [0, 2])
def test_all_ends_of_the_sliders_draw(kernel_size, stride, padding):
    assert widget.make(4, kernel_size, stride, padding)._repr_png_()


def test_sliders_redraw_the_picture(monkeypatch):
    shown, updates = [], []

    class Handle:
        def update(self, figure):
            updates.append(titles(figure)[3])

    def display(thing, display_id=False):
        shown.append(thing)
        return Handle() if display_id else None

    monkeypatch.setattr(interactive, "display", display)
    widget.painting_widget()
    sliders = {slider.description: slider for slider in shown[0].children}
    assert list(sliders) == ["step", "kernel size", "stride", "padding"]
    sliders["step"].value = 1
    sliders["stride"].value = 3
    sliders["step"].value = 2
    assert updates == [
        "step 1: pixel (0, 0) paints at (0, 0)",
        "step 1: pixel (0, 0) paints at (0, 0)",
        "step 2: pixel (0, 1) paints at (0, 3)",
    ]
