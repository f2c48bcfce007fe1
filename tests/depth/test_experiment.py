"""The experiment's parts: sources that lose scale and shift, the nets, and the heads that learn metres."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from dlcv import trials
from dlcv.depth import align_scale_and_shift, experiment, figures, ssi_mse


@pytest.fixture(autouse=True)
def smoke(monkeypatch):
    monkeypatch.setenv("DLCV_SCALE", "smoke")


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLCV_SCALE", "smoke")
        return experiment.compare(show=False)


def test_scenes_know_most_depths_and_streets_go_farther():
    images, depth, known = experiment.scenes(8, "street")
    assert images.shape == (8, 3, 64, 64)
    assert 0 < depth[known].min() < depth[known].max() < 80
    _, inside, seen = experiment.scenes(8, "room")
    assert known.float().mean() > 0.6
    assert seen.float().mean() > 0.8
    assert depth[known].max() > 5 * inside[seen].max()
    for family, (low, high) in experiment.DOMAINS.items():
        _, metres, valid = experiment.scenes(64, family)
        assert low < metres[valid].min() < metres[valid].max() < high


def test_a_source_loses_scale_and_shift_of_each_image_and_nothing_else():
    _, depth, known = experiment.scenes(8)
    target = experiment.sources(depth, known)
    true = 1 / depth.clamp(min=0.1)
    scale, shift = align_scale_and_shift(true, target, known)
    assert ssi_mse(true, target, known) < 1e-9
    assert ((scale > 0.25 - 1e-3) & (scale < 4 + 1e-3)).all()
    assert (shift.abs() <= 1 + 1e-3).all()
    assert len(set(scale.tolist())) == len(scale)
    assert not target[~known].any()
    assert not torch.equal(target, experiment.sources(depth, known, seed=1))


def test_only_one_loss_minds_what_the_sources_lost():
    _, depth, known = experiment.scenes(8)
    true = 1 / depth.clamp(min=0.1)
    target = experiment.sources(depth, known)
    assert experiment.LOSSES["up to scale and shift"](true, target, known) < 1e-5
    assert experiment.LOSSES["as they are"](true, target, known) > 0.05


def test_each_source_has_the_same_say():
    _, depth, known = experiment.scenes(8)
    wrong, target = depth.clone(), experiment.sources(depth, known)
    louder = target * torch.tensor([100.0] + [1.0] * 7)[:, None, None]
    loss = experiment.LOSSES["up to scale and shift"]
    assert_close(loss(wrong, louder, known), loss(wrong, target, known))


def test_both_losses_train_and_are_measured(found):
    assert list(found) == list(experiment.LOSSES)
    for one in found.values():
        assert one.depth.shape == (8, 64, 64)
        assert one.scores["abs_rel"] > 0
        assert 0 <= one.scores["delta1"] <= 1
    assert len(experiment.rows(found).splitlines()) == 2 + len(found)
    assert experiment.maps_figure(found)._repr_png_().startswith(b"\x89PNG")
    again = experiment.compare(show=False)
    assert torch.equal(again["as they are"].depth, found["as they are"].depth)


def test_interrupted_trainings_go_on_where_they_were(monkeypatch, tmp_path):
    monkeypatch.setattr(trials, "scale", lambda: "small")  # at the scale "smoke" nothing is kept
    real, taken = torch.randint, []

    def closed_lid(*what, **how):  # a batch is drawn with it
        taken.append(what)
        if len(taken) in (6, 12):
            raise KeyboardInterrupt
        return real(*what, **how)

    def first(folder):
        return experiment.compare(4, show=False, keep=tmp_path / folder)["up to scale and shift"]

    def second(folder, net):
        return experiment.learn_metres(net, 4, show=False, keep=tmp_path / folder)

    monkeypatch.setattr(torch, "randint", closed_lid)
    with pytest.raises(KeyboardInterrupt, match="after 1 of 4 steps; run the cell again to go on"):
        first("runs")
    resumed = first("runs")
    assert len(taken) == 6 + 3  # of the finished run no step is taken again
    with pytest.raises(KeyboardInterrupt, match="after 2 of 4 steps; run the cell again"):
        second("runs", resumed.net)
    model = second("runs", first("runs").net)
    assert torch.equal(resumed.depth, first("others").depth)
    other = second("others", first("others").net)
    assert_close(dict(model.state_dict()), dict(other.state_dict()), rtol=0, atol=0)


def test_the_lower_the_nearer_is_a_line_through_each_image():
    _, depth, known = experiment.scenes(8, start=experiment.FIRST_UNSEEN)
    errors = []
    for true, valid in zip(depth.double().numpy(), known.numpy(), strict=True):
        rows = np.broadcast_to(np.arange(64.0)[:, None], (64, 64))[valid]
        fitted = np.polyval(np.polyfit(rows, 1 / true[valid], 1), rows)
        metres = np.where(fitted > 0, 1 / np.where(fitted > 0, fitted, 1), np.inf).clip(0.1, 80)
        errors.append(np.abs(metres - true[valid]) / true[valid])
    assert experiment.height_alone()["abs_rel"] == pytest.approx(np.concatenate(errors).mean(), rel=1e-3)


def test_heads_learn_and_the_net_below_stays(found):
    net = found["up to scale and shift"].net
    before = {name: value.clone() for name, value in net.state_dict().items()}
    model = experiment.learn_metres(net, show=False)
    assert_close(dict(model.net.state_dict()), before, rtol=0, atol=0)
    depths, scores = model(experiment.scenes(4)[0])
    assert depths.shape == (4, 2, 64, 64)
    assert scores.shape == (4, 2)
    for head, (low, high) in zip(depths.unbind(1), experiment.DOMAINS.values(), strict=True):
        assert ((head >= low) & (head <= high)).all()
    numbers = experiment.metres(model)
    assert list(numbers) == list(experiment.DOMAINS)
    for one in numbers.values():
        assert min(one["head for rooms"], one["head for streets"]) - 1e-6 <= one["routed"]
        assert one["routed"] <= max(one["head for rooms"], one["head for streets"]) + 1e-6
        assert 0 <= one["routed wrongly"] <= 1
    assert len(experiment.metres_rows(numbers).splitlines()) == 3
    assert experiment.domains_figure(model)._repr_png_().startswith(b"\x89PNG")


def test_the_heads_do_not_see_scale_and_shift_of_what_is_below(found):
    """Relative depth comes in normalised: a net whose last layer is scaled gives the same metres."""
    torch.manual_seed(0)
    model = experiment.Heads(found["up to scale and shift"].net).eval()
    images = experiment.scenes(2)[0]
    before = model(images)[0]
    with torch.no_grad():
        for part in model.net.parts:
            part.weight.mul_(7.0)
            part.bias.mul_(7.0).add_(1.0)
        after = model(images)[0]
        for part in model.net.parts:
            part.bias.sub_(1.0).div_(7.0)
            part.weight.div_(7.0)
    assert_close(after, before, rtol=1e-3, atol=1e-3)


# ---------------------------------------------------------------------------------------- a photograph


@pytest.fixture(scope="module")
def model(found):
    torch.manual_seed(0)
    return experiment.Heads(found["up to scale and shift"].net).eval()


def test_every_reading_of_the_photograph_is_measured_alike(model):
    pair, found = figures.small(), experiment.photograph(model)
    for name, one in found.items():
        assert one.depth.shape == pair.depth.shape, name
        assert ((one.depth > 0) & (one.depth <= 80)).all(), name
        away = ((one.depth - pair.depth).abs() / pair.depth)[pair.valid]
        assert one.scores["abs_rel"] == pytest.approx(float(away.mean()), rel=1e-4), name
    assert len(experiment.photograph_rows(found).splitlines()) == 1 + len(found)
    assert experiment.photograph_figure(found)._repr_png_().startswith(b"\x89PNG")


def test_who_is_aligned_beats_one_disparity_where_it_is_aligned(model):
    """In disparity and in squares, that is: a line can always be level."""
    pair, found = figures.small(), experiment.photograph(model)
    left = {
        name: float((1 / one.depth - 1 / pair.depth)[pair.valid].square().sum())
        for name, one in found.items()
    }
    for name in ("relative, aligned", "metres, aligned", "height in the image"):
        assert left[name] <= left["one disparity"] * (1 + 1e-4), name


def test_an_alignment_undoes_scale_and_shift_of_what_the_net_says(model):
    before = experiment.photograph(model)
    with torch.no_grad():
        for part in model.net.parts:
            part.weight.mul_(3.0)
            part.bias.mul_(3.0).add_(0.5)
        after = experiment.photograph(model)
        for part in model.net.parts:
            part.bias.sub_(0.5).div_(3.0)
            part.weight.div_(3.0)
    for name in ("relative, aligned", "metres, routed", "one disparity"):
        assert_close(after[name].depth, before[name].depth, rtol=1e-2, atol=1e-2)
    assert not torch.allclose(after["relative, as it is"].depth, before["relative, as it is"].depth, rtol=0.1)
