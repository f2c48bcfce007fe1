"""The experiment's parts: what the networks see, what differs between them, and how cost is counted."""

import pytest
import torch
from torch.testing import assert_close

from dlcv import trials
from dlcv.multitask import experiment, normal_loss, scale_invariant_log_loss


@pytest.fixture(autouse=True)
def smoke(monkeypatch):
    monkeypatch.setenv("DLCV_SCALE", "smoke")


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLCV_SCALE", "smoke")
        return experiment.compare(show=False)


def test_truths_agree_with_one_another():
    truth = experiment.scenes(8)
    assert truth.image.shape == truth.normals.shape == (8, 3, 64, 64)
    assert truth.known.float().mean() > 0.6
    assert truth.depth[truth.known].min() > 0.1  # what `depth_of` can say
    assert_close(truth.normals.norm(dim=1)[truth.known], torch.ones(int(truth.known.sum())))


def test_a_head_of_depth_says_logarithms_of_metres():
    assert_close(
        experiment.depth_of(torch.tensor([[[[0.0]]], [[[9.0]]], [[[-9.0]]]])).flatten()[0], torch.tensor(1.0)
    )
    low, high = (float(experiment.depth_of(torch.full((1, 1, 1, 1), x))) for x in (-9.0, 9.0))
    assert (low, high) == (pytest.approx(0.1, abs=0.01), pytest.approx(80, abs=1))


def test_losses_are_the_chapters():
    truth = experiment.scenes(2)
    out = {
        "depth": truth.depth.clamp(min=0.1).log()[:, None] + 0.5,
        "normals": 3 * truth.normals,
        "classes": 20 * torch.nn.functional.one_hot(truth.classes, 10).movedim(-1, 1).float(),
    }
    found = experiment.losses(out, truth)
    assert list(found) == ["depth", "normals", "classes"]
    assert_close(found["depth"], torch.tensor(0.125))  # half of 0.5 squared: a common factor
    assert found["normals"] < 1e-6
    assert found["classes"] < 1e-6
    wrong = experiment.losses({name: -x for name, x in out.items()}, truth)
    assert_close(wrong["normals"], normal_loss(-truth.normals, truth.normals, truth.known))
    assert_close(
        wrong["depth"],
        scale_invariant_log_loss((-out["depth"][:, 0]).exp(), truth.depth, truth.known),
    )


def test_alone_or_together_the_encoder_starts_alike():
    encoders = []
    for tasks in experiment.WAYS.values():
        torch.manual_seed(3)
        encoders.append(experiment.Learner(tasks).network.backbone.state_dict())
    for other in encoders[1:]:
        assert_close(dict(other), dict(encoders[0]), rtol=0, atol=0)


def test_only_the_joint_one_weighs_and_its_weights_learn(found):
    for name, one in found.items():
        moved = one.learner.log_vars.detach().abs().max() > 0
        assert moved == (name == "joint")


def test_every_way_is_measured_by_what_it_was_trained_for(found):
    assert set(found) == set(experiment.WAYS)
    assert set(found["depth alone"].scores) == {"AbsRel"}
    assert set(found["normals alone"].scores) == {"mean angle", "below 11.25"}
    assert set(found["classes alone"].scores) == {"mIoU"}
    assert set(found["joint"].scores) == {"AbsRel", "mean angle", "below 11.25", "mIoU"}
    assert len(experiment.rows(found).splitlines()) == 5
    assert all(f"{task} " in experiment.weights_row(found) for task in experiment.TASKS)
    assert experiment.maps_figure(found)._repr_png_().startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_network(found):
    again = experiment.train_tasks(("normals",), show=False)
    assert_close(dict(again.learner.state_dict()), dict(found["normals alone"].learner.state_dict()))


def test_an_interrupted_training_goes_on_where_it_was(monkeypatch, tmp_path):
    monkeypatch.setattr(trials, "scale", lambda: "small")  # at the scale "smoke" nothing is kept
    real, taken = torch.randint, []

    def closed_lid(*what, **how):  # a batch is drawn with it
        taken.append(what)
        if len(taken) == 3:
            raise KeyboardInterrupt
        return real(*what, **how)

    def run(folder):
        result = experiment.train_tasks(("depth", "normals"), 4, show=False, keep=tmp_path / folder)
        return dict(result.learner.state_dict())

    monkeypatch.setattr(torch, "randint", closed_lid)
    with pytest.raises(KeyboardInterrupt, match="after 2 of 4 steps; run the cell again to go on"):
        run("runs")
    resumed = run("runs")
    assert len(taken) == 3 + 2
    assert_close(resumed, run("others"), rtol=0, atol=0)


def test_one_network_is_cheaper_by_two_encoders(found):
    """Parameters and multiplications of the three are those of the joint one and two encoders more."""
    three, one = experiment.costs(found).values()
    backbone = found["joint"].learner.network.backbone
    encoder = sum(parameter.numel() for parameter in backbone.parameters())
    assert three.parameters - one.parameters == 2 * encoder
    with experiment.FlopCounterMode(display=False) as counter, torch.no_grad():
        backbone(torch.zeros(1, 3, experiment.SIZE, experiment.SIZE))
    assert (
        three.multiplications - one.multiplications == counter.get_total_flops()
    )  # two encoders, two flops each
    assert 1 / 3 < one.kept_bytes / three.kept_bytes < 1
    assert len(experiment.cost_rows(found).splitlines()) == 5


def test_multiplications_by_hand():
    """Images of 64 pixels a side; each layer counted as it is written down."""
    learner = experiment.Learner(("depth",), (2, 3, 4, 3, 5), 1).eval()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    cost = experiment.cost(learner)
    assert_close(dict(learner.state_dict()), before, rtol=0, atol=0)  # its time was taken on a copy
    sizes, channels = (32, 16, 8, 4, 2), (2, 3, 4, 3, 5)
    pairs = zip(sizes, (3, *channels), channels, strict=False)
    encoder = sum(9 * size**2 * after * (before + after) for size, before, after in pairs)
    head = sum(size**2 * count for size, count in zip(sizes, channels, strict=True)) + 32**2 * (9 + 1)
    assert cost.multiplications == encoder + head


def test_memory_by_hand():
    """What a ReLU and a convolution keep is at least the feature maps themselves."""
    learner = experiment.Learner(("depth",), (2, 3, 4, 3, 5), 1)
    cost = experiment.cost(learner.eval())
    maps = 4 * sum(size**2 * count for size, count in zip((32, 16, 8, 4, 2), (2, 3, 4, 3, 5), strict=True))
    assert maps < cost.kept_bytes < 20 * maps
