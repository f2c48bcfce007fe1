"""The chapter's pictures draw, the widgets follow their sliders, and the experiment learns."""

import pytest
import torch

from dlcv.data.scenes import VOID
from dlcv.deeplab import DeepLabV3Plus, PyramidPooling, experiment, figures, widget
from dlcv.trials import unseen_scenes

FIGURES = [name for name in figures.__all__ if name.endswith("_figure") and name != "sharpened_figure"]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws(name):
    assert getattr(figures, name)()._repr_png_().startswith(b"\x89PNG")


def test_the_widget_follows_its_sliders():
    pictures = {widget.make(side, rate)._repr_png_() for side in (8, 33) for rate in (1, 18)}
    assert len(pictures) == 4


def test_the_title_tells_the_share_that_is_drawn():
    right = widget.make(33, 18).axes[2]
    share = (1 - 2 * 18 / (3 * 33)) ** 2
    assert right.get_title() == f"valid weights: {share:.2f}"
    (dot,) = [line for line in right.lines if line.get_marker() == "o"]
    assert dot.get_ydata()[0] == pytest.approx(share)


def test_the_field_mends_the_outline_of_the_cone():
    before, after = (float(axis.get_title().split()[1][:-1]) for axis in figures.sharpened_figure().axes[2:])
    assert after < before


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLCV_SCALE", "smoke")
        yield experiment.compare(show=False, device="cpu")


@pytest.fixture(autouse=True)
def few_scenes(monkeypatch):
    monkeypatch.setenv("DLCV_SCALE", "smoke")


def test_the_networks_differ_in_their_heads_alone(found):
    assert set(found) == set(experiment.HEADS)
    shapes = {
        head: {name: p.shape for name, p in result.network.named_parameters() if "aspp" not in name}
        for head, result in found.items()
    }
    assert shapes["plain"] == shapes["PPM"] == shapes["ASPP"]
    assert all(isinstance(result.network, DeepLabV3Plus) for result in found.values())
    assert any(isinstance(part, PyramidPooling) for part in found["PPM"].network.modules())


def test_the_backbone_sees_43_pixels():
    x = torch.rand(1, 3, 96, 96, requires_grad=True)
    torch.manual_seed(0)
    experiment.ThreeStages().eval()(x)[-1][0, :, 6, 6].sum().backward()
    rows, columns = x.grad.abs().sum((0, 1)).nonzero().T
    assert int(rows.max() - rows.min()) + 1 <= 43
    assert int(columns.max() - columns.min()) + 1 <= 43


def test_small_things_are_void_and_large_ones_stay():
    _, labels = unseen_scenes()
    kept = experiment.large_things(64, len(labels))
    assert (kept[labels < 4] == labels[labels < 4]).all()  # stuff
    changed = kept != labels
    assert changed.any() and (kept[changed] == VOID).all()


def test_the_truth_scores_one_on_large_things():
    _, labels = unseen_scenes()
    result = experiment.judge(None, labels)
    assert result.large == result.score.mean_iou == 1


def test_the_field_is_judged_on_the_same_scenes(found):
    network = found["ASPP"].network
    before, unchanged = experiment.refined_scores(network, 2, weight=0.0, iterations=0)
    assert before == unchanged
    assert experiment.crf_figure(network, 1)._repr_png_().startswith(b"\x89PNG")
    assert experiment.maps_figure(found, 1)._repr_png_().startswith(b"\x89PNG")


def test_without_a_gpu_the_full_scale_says_what_it_would_do(capsys, monkeypatch):
    monkeypatch.setattr("dlcv.full_scale.pick_device", lambda: torch.device("cpu"))
    assert experiment.full_scale() == {}
    assert "plain, PPM, ASPP" in capsys.readouterr().out


def test_unknown_heads_are_named():
    with pytest.raises(ValueError, match="head must be one of plain, PPM, ASPP; got 'FPN'"):
        experiment.network_with("FPN", experiment.ThreeStages())
