"""Segmentation trials: scores that mean what they say, batches that can be drawn again, a resumed run."""

import pytest
import torch
from torch import nn

from dlcv import trials
from dlcv.data.scenes import CLASSES, VOID
from dlcv.dilated_convolution import experiment as holes
from dlcv.roi_align import experiment as readers


@pytest.fixture(autouse=True)
def few_scenes(monkeypatch):
    monkeypatch.setenv("DLCV_SCALE", "smoke")


def test_the_truth_scores_one():
    _, labels = trials.unseen_scenes(32)
    found = trials.score(labels, labels)
    assert found.mean_iou == found.boundary_iou == 1
    assert set(found.per_class) == {CLASSES[int(label)] for label in labels.unique() if label != VOID}


def test_void_pixels_do_not_count():
    _, labels = trials.unseen_scenes(32)
    voided = labels.clone()
    voided[:, :8] = VOID
    wrong_there = labels.clone()
    wrong_there[:, :8] = (wrong_there[:, :8] + 1) % len(CLASSES)
    assert trials.score(wrong_there, voided).mean_iou == 1


def test_unseen_scenes_are_others():
    assert not torch.equal(trials.training_scenes(32)[0][:8], trials.unseen_scenes(32)[0])


def test_the_colour_classifier_counts():
    images = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0]]).T.reshape(1, 3, 2, 2)
    labels = torch.tensor([[[2, 2], [3, 5]]])
    guess = trials.colour_classifier(images, labels)
    assert guess(images).tolist() == [[[2, 2], [2, 5]]]
    assert guess(torch.zeros(1, 3, 1, 1)).item() == 2  # a colour that was never seen: the commonest class


def test_classes_are_weighted_by_the_root_of_how_rare_they_are():
    labels = trials.training_scenes(32)[1]
    counts = [int((labels == label).sum()) for label in (0, 1)]
    network = nn.Conv2d(3, len(CLASSES), 1)
    nn.init.zeros_(network.weight)
    surprise = -network.bias.detach().log_softmax(0)  # of each class, at every pixel
    a, b = (1 / count**0.5 for count in counts)
    wanted = (a * surprise[0] + 3 * b * surprise[1]) / (a + 3 * b)
    found = trials.balanced_loss(32)(network, torch.zeros(1, 3, 2, 2), torch.tensor([[[0, 1], [1, 1]]]))
    torch.testing.assert_close(found.detach(), wanted)


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, len(CLASSES), 1)

    def forward(self, images):
        return self.layer(images)


def test_training_lowers_the_loss():
    torch.manual_seed(0)
    network = Linear()
    images, labels = trials.training_scenes(32)
    before = float(trials.segment_loss(network, images, labels).detach())
    trials.train_on_scenes(network, steps=30, size=32, lr=0.1, device="cpu", show=False)
    assert float(trials.segment_loss(network, images, labels).detach()) < before - 0.3
    assert not network.training


def test_a_resumed_run_ends_with_the_same_weights(tmp_path):
    def trained(*stages):
        torch.manual_seed(0)
        network = Linear()
        path = tmp_path / f"{len(stages)}.pt"
        seen = 0

        def loss(model, x, y):
            nonlocal seen
            seen += 1
            if seen in stages:
                raise KeyboardInterrupt
            return trials.segment_loss(model, x, y)

        def run():
            trials.train_on_scenes(
                network, steps=6, size=32, device="cpu", show=False, loss=loss, checkpoint=path
            )

        for stage in stages:
            with pytest.raises(KeyboardInterrupt, match=f"after {stage - 1} of 6 steps; run the cell again"):
                run()
        run()
        return network.layer.weight.detach()

    torch.testing.assert_close(trained(4), trained(), rtol=0, atol=0)


def test_runs_are_kept_by_name_and_scale(monkeypatch, tmp_path):
    assert trials.checkpoint_in(tmp_path, "FCN-8s", 0) is None  # at the scale "smoke"
    monkeypatch.setenv("DLCV_SCALE", "small")
    assert trials.checkpoint_in(tmp_path, "FCN-8s", 0) == tmp_path / "FCN-8s-0-small.pt"
    assert trials.checkpoint_in(None, "FCN-8s", 0) is None


def test_a_table_has_means_and_spread():
    row = [trials.Score(0.5, 0.25, {}), trials.Score(0.7, 0.35, {})]
    assert "| a net | 0.600 ± 0.141 | 0.300 ± 0.071 |" in trials.spread({"a net": row})
    assert "| one | 0.500 | 0.250 |" in trials.spread({"one": row[:1]})


def line(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(2, 1)


def slope(step):
    x = torch.randn(8, 2, generator=torch.Generator().manual_seed(step))
    return x, x.sum(1, keepdim=True)


def squared(model, x, y):
    return (model(x) - y).square().mean()


def test_an_interrupted_training_is_not_taken_for_a_whole_one_and_goes_on(tmp_path):
    how = dict(steps=6, checkpoint=tmp_path / "run.pt", device="cpu", show=False)
    whole = trials.train_whole(line(), slope, squared, **how | dict(checkpoint=None))
    assert not whole.training

    def closed_lid(step):
        if step == 3:
            raise KeyboardInterrupt
        return slope(step)

    with pytest.raises(KeyboardInterrupt, match="after 3 of 6 steps; run the cell again to go on"):
        trials.train_whole(line(), closed_lid, squared, **how)
    with pytest.raises(KeyboardInterrupt, match="nothing is kept"):
        trials.train_whole(line(), closed_lid, squared, **how | dict(checkpoint=None))
    resumed = trials.train_whole(line(seed=1), slope, squared, **how)
    assert torch.equal(resumed.weight, whole.weight)


@pytest.mark.parametrize(
    "experiment",
    [readers.train_readers, holes.compare],
    ids=["04", "03"],
)
def test_runs_of_a_chapter_are_kept_and_read_back(tmp_path, monkeypatch, experiment):
    def run(keep, steps=2):
        return list(experiment(steps=steps, show=False, keep=keep).values())

    assert run(tmp_path) and not list(tmp_path.iterdir())
    monkeypatch.setattr(trials, "scale", lambda: "small")
    first = run(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2

    again = run(tmp_path, steps=1)  # of those two, no step is undone
    for a, b in zip(first, again, strict=True):
        a, b = (x[0] if isinstance(x, tuple) else x.state_dict() for x in (a, b))
        torch.testing.assert_close(b, a, rtol=0, atol=0)
