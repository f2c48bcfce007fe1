"""The experiment's parts: what it trains on, the net, and how calibration is measured."""

import pytest
import torch

from dlcv import trials
from dlcv.losses import experiment


@pytest.fixture(autouse=True)
def smoke(monkeypatch):
    monkeypatch.setenv("DLCV_SCALE", "smoke")


def test_things_cover_one_pixel_in_a_hundred():
    images, labels = experiment.scenes(16)
    assert images.shape == (16, 3, 64, 64)
    assert set(labels.unique().tolist()) == {0, 1}
    assert labels.float().mean().item() == pytest.approx(0.01, abs=0.002)


def test_the_net_keeps_the_size():
    assert experiment.Net()(torch.rand(2, 3, 64, 48)).shape == (2, 2, 64, 48)


def test_who_means_what_he_says_has_no_calibration_error():
    generator = torch.Generator().manual_seed(0)
    said = torch.rand(200_000, generator=generator, dtype=torch.float64)
    was = (torch.rand(200_000, generator=generator, dtype=torch.float64) < said).long()
    assert experiment.calibration_error(said, was) < 0.01
    assert experiment.calibration_error(said**2, was) > 0.1


def test_calibration_error_by_hand():
    """Two pixels at 0.3 of which none is a thing, six at 0.9 of which three are."""
    said = torch.tensor([0.3] * 2 + [0.9] * 6)
    was = torch.tensor([0, 0, 1, 1, 1, 0, 0, 0])
    assert experiment.calibration_error(said, was) == pytest.approx((2 * 0.3 + 6 * 0.4) / 8)
    assert experiment.calibration_error(torch.tensor([1.0, 0.0]), torch.tensor([1, 0])) == 0


def test_every_loss_trains_and_is_measured():
    found = experiment.compare(show=False)
    assert list(found) == list(experiment.LOSSES)
    for one in found.values():
        assert one.probability.shape == (8, 64, 64)
        assert 0 <= one.mean_iou <= 1
        assert 0 <= one.calibration_error <= 1
    assert len(experiment.rows(found).splitlines()) == 1 + len(found)
    curves = experiment.curves_figure({"Dice": [0.9, 0.5, 0.4]}, list(experiment.LOSSES))
    for figure in (curves, experiment.reliability_figure(found), experiment.maps_figure(found)):
        assert figure._repr_png_().startswith(b"\x89PNG")
    again = experiment.compare(show=False, names=("Dice",))
    assert torch.equal(again["Dice"].probability, found["Dice"].probability)


def test_an_interrupted_comparison_goes_on_where_it_was(monkeypatch, tmp_path):
    monkeypatch.setattr(trials, "scale", lambda: "small")  # at the scale "smoke" nothing is kept
    real, taken = torch.randint, []

    def closed_lid(*what, **how):  # a batch is drawn with it
        taken.append(what)
        if len(taken) == 6:
            raise KeyboardInterrupt
        return real(*what, **how)

    def run(folder):
        names = ("focal, γ = 2", "cross-entropy + Dice")
        found = experiment.compare(4, show=False, names=names, keep=tmp_path / folder)
        return torch.stack([one.probability for one in found.values()])

    monkeypatch.setattr(torch, "randint", closed_lid)
    with pytest.raises(KeyboardInterrupt, match="after 1 of 4 steps; run the cell again to go on"):
        run("runs")
    resumed = run("runs")
    assert len(taken) == 6 + 3  # of the finished run no step is taken again
    assert torch.equal(resumed, run("others"))
    assert len(list((tmp_path / "runs").iterdir())) == 2
