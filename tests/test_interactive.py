"""Pictures follow their controls, and do not fall behind them."""

import asyncio

import pytest
from ipywidgets import IntSlider, SelectionSlider

from dlcv import interactive


class Screen:
    """Stands in for IPython's display: keeps what is shown."""

    def __init__(self):
        self.shown = []

    def __call__(self, value, display_id=False):
        self.shown.append(value)
        return self if display_id else None

    def update(self, value):
        self.shown.append(value)


@pytest.fixture
def screen(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(interactive, "display", screen)
    return screen


def test_controls_stand_above_the_picture_in_rows_that_wrap(screen):
    slider, other = IntSlider(1), IntSlider(5)
    interactive.explore(iter([slider, other]), lambda: slider.value + other.value)
    controls, picture = screen.shown
    assert controls.children == (slider, other)
    assert controls.layout.flex_flow == "row wrap"
    assert picture == 6
    other.value = 7
    assert screen.shown[2:] == [8]


def test_a_saved_notebook_says_how_to_get_its_sliders_back(screen):
    interactive.explore([IntSlider(1)], lambda: None)
    saved = screen.shown[0]._repr_mimebundle_()
    assert saved["text/plain"] == "Run this cell to see its sliders."
    assert "application/vnd.jupyter.widget-view+json" in saved


def test_a_slider_of_long_words_is_wider(screen):
    short = SelectionSlider(options=[2, 128])
    long = SelectionSlider(options=[("nearest", 0), ("corners aligned", 1)])
    interactive.explore([short, long], lambda: None)
    assert short.layout.width is None
    assert long.layout.width == "360px"


def test_without_a_running_loop_each_change_is_drawn_at_once(screen):
    slider, other = IntSlider(1), IntSlider(5)
    interactive.follow([slider, other], lambda: (slider.value, other.value))
    slider.value = 2
    other.value = 6
    assert screen.shown == [(1, 5), (2, 5), (2, 6)]


def test_in_a_kernel_changes_that_come_fast_are_drawn_once_with_the_last_values(screen):
    async def drag():
        slider = IntSlider(0)
        interactive.follow([slider], lambda: slider.value)
        for value in range(1, 20):
            slider.value = value
        await asyncio.sleep(3 * interactive.PAUSE)
        assert screen.shown == [0, 19]
        slider.value = 3  # and it goes on following
        await asyncio.sleep(3 * interactive.PAUSE)

    asyncio.run(drag())
    assert screen.shown == [0, 19, 3]


def test_while_a_slider_is_dragged_the_picture_keeps_moving(screen):
    async def drag():
        slider = IntSlider(0)
        interactive.follow([slider], lambda: slider.value)
        for value in range(1, 30):
            slider.value = value
            await asyncio.sleep(interactive.PAUSE / 2)
        await asyncio.sleep(3 * interactive.PAUSE)

    asyncio.run(drag())
    assert len(screen.shown) >= 5
    assert screen.shown[-1] == 29
    assert screen.shown == sorted(screen.shown)
