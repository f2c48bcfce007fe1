"""The chapter's pictures draw, the widget follows its sliders, and the experiment learns."""

import pytest
import torch

from dlcv import trials
from dlcv.fcn import experiment, figures, widget
from dlcv.trials import score, segment_loss, unseen_scenes


@pytest.mark.parametrize("name", figures.__all__)
def test_every_figure_draws(name):
    assert getattr(figures, name)()._repr_png_().startswith(b"\x89PNG")


def test_the_widget_follows_its_sliders():
    pictures = {widget.make(variant, number)._repr_png_() for variant in widget.VARIANTS for number in (0, 1)}
    assert len(pictures) == 6


def test_a_finer_stride_is_nearer_to_the_truth():
    _, labels = widget.scene(1)
    wrong = []
    for stride in (32, 16, 8):
        scores = widget.bilinear_upsampling(10, stride)(widget.best_scores(labels, stride))
        wrong.append(float((scores[0].argmax(0) != labels).float().mean()))
    assert wrong == sorted(wrong, reverse=True)


def test_a_cat_is_found_where_it_is():
    _, probability = figures.cat_map(448)
    assert probability.shape == (14, 21)
    assert probability[:, 4:17].mean() > 3 * probability[:, 18:].mean()  # the right edge is background


def test_the_experiment_trains_and_draws(monkeypatch):
    monkeypatch.setenv("DLCV_SCALE", "smoke")
    found = experiment.compare(("32s", "8s"), "from scratch", show=False)
    assert set(found) == {"FCN-32s", "FCN-8s"}
    assert experiment.maps_figure(found, 1)._repr_png_().startswith(b"\x89PNG")
    network = found["FCN-8s"][0][0]
    assert experiment.photograph_figure(network, side=64)._repr_png_().startswith(b"\x89PNG")
    _, labels = unseen_scenes()
    assert torch.isfinite(torch.tensor(score(labels, labels).mean_iou))


def test_an_interrupted_comparison_goes_on_where_it_was(monkeypatch, tmp_path):
    monkeypatch.setenv("DLCV_SCALE", "smoke")
    monkeypatch.setattr(trials, "scale", lambda: "small")  # at the scale "smoke" nothing is kept
    taken = []

    def loss(model, images, labels):
        taken.append(images)
        if len(taken) == 3:
            raise KeyboardInterrupt
        return segment_loss(model, images, labels)

    def run(folder):
        with torch.random.fork_rng():
            found = experiment.compare(
                ("8s",), "from scratch", keep=tmp_path / folder, show=False, steps=4, loss=loss, batch_size=2
            )
        return found["FCN-8s"][0][0].score.weight.detach()

    with pytest.raises(KeyboardInterrupt, match="after 2 of 4 steps; run the cell again to go on"):
        run("runs")
    resumed = run("runs")
    assert len(taken) == 3 + 2
    torch.testing.assert_close(resumed, run("others"), rtol=0, atol=0)
    run("runs")
    assert len(taken) == 3 + 2 + 4  # a finished run is not run again


def test_on_a_cpu_the_full_scale_is_a_plan(monkeypatch, capsys):
    monkeypatch.setattr("dlcv.full_scale.pick_device", lambda: torch.device("cpu"))
    assert experiment.full_scale() == {}
    assert "On a GPU this cell trains FCN-32s, FCN-16s, FCN-8s" in capsys.readouterr().out
