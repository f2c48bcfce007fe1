"""The chapter's pictures draw and show what the text says; the widget follows its sliders."""

import pytest
import torch

from dlcv.losses import dice_loss, figures, focal_loss, widget


@pytest.mark.parametrize("name", [name for name in figures.__all__ if name.endswith("_figure")])
def test_every_figure_draws(name):
    assert getattr(figures, name)()._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("change", [{"gamma": 0.0}, {"gamma": 5.0}, {"alpha": 0.05}, {"alpha": 0.95}])
def test_the_widget_follows_its_sliders(change):
    assert widget.make()._repr_png_() != widget.make(**change)._repr_png_()


def test_votes_are_the_lectures_numbers():
    assert figures.votes(0) == pytest.approx((1053.6, 23.03), rel=1e-3)
    assert figures.votes(2) == pytest.approx((10.54, 18.65), rel=1e-3)
    easy, hard = figures.votes(2, alpha=0.25)
    assert (easy, hard) == pytest.approx((0.75 * 10.54, 0.25 * 18.65), rel=1e-3)


def test_the_pull_is_minus_the_gradient():
    z = torch.linspace(-4, 4, 9, dtype=torch.float64, requires_grad=True)
    focal_loss(z, torch.ones(9), 2.0, None, "sum").backward()
    torch.testing.assert_close(widget._slope(z.detach().sigmoid(), 2.0), -z.grad)


def test_what_losses_ask_for():
    """The text's numbers: focal loss wants 15% for a share of 1%, and 31% for a tenth."""

    def focal(p, share):
        return share * figures.losses_of(p, 2) + (1 - share) * figures.losses_of(1 - p, 2, target=0)

    def entropy(p, share):
        return share * figures.losses_of(p, 0) + (1 - share) * figures.losses_of(1 - p, 0, target=0)

    shares = torch.tensor([0.01, 0.1, 0.5], dtype=torch.float64)
    assert figures._best(focal, shares).tolist() == pytest.approx([0.15, 0.31, 0.5], abs=0.006)
    assert figures._best(entropy, shares).tolist() == pytest.approx(shares.tolist(), abs=0.001)


def test_dice_asks_for_all_or_nothing_at_half_of_what_it_has_reached():
    """A hundred pixels that look alike, among others for which Dice has got 0.6: the loss itself is asked."""
    thing, nothing = torch.tensor([-20.0, 20.0]), torch.tensor([20.0, -20.0])
    counts = {(1, 1): 6_000, (1, 0): 4_000, (0, 1): 4_000, (0, 0): 400_000}  # predicted, true
    logits = torch.cat([torch.stack([nothing, thing])[p].expand(n, 2) for (p, _), n in counts.items()])
    target = torch.cat([torch.full((n,), t) for (_, t), n in counts.items()])
    for share, best in ((0.1, nothing), (0.25, nothing), (0.35, thing), (0.9, thing)):
        truth = torch.cat([target, (torch.arange(100) < 100 * share).long()])
        loss = {
            name: float(dice_loss(torch.cat([logits, answer.expand(100, 2)]).double(), truth))
            for name, answer in (("nothing", nothing), ("half", torch.zeros(2)), ("thing", thing))
        }
        assert min(loss, key=loss.get) == ("thing" if best is thing else "nothing"), share
