import os
import signal

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from dlcv import training
from dlcv.device import seed_everything
from dlcv.training import History, chance, set_chance, smooth, train


def task(seed=0):
    """A network with dropout and batch norm and a shuffled loader: everything that draws random numbers."""
    seed_everything(seed)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 1))
    x = torch.randn(22, 4)
    loader = DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=5, shuffle=True)
    return model, loader


def square(model, x, y):
    return (model(x) - y).square().mean()


def quietly(model, batches, loss=square, **options):
    return train(model, batches, loss, device="cpu", show=False, **{"steps": 13, **options})


def weights(model):
    return torch.cat([value.float().flatten() for value in model.state_dict().values()])


def test_the_loss_falls_and_the_curve_has_one_point_a_step():
    model, loader = task()
    history = quietly(model, loader, steps=200, lr=1e-2)
    assert len(history.losses) == 200
    assert history.stopped == "finished"
    assert np.mean(history.losses[-20:]) < 0.6 * np.mean(history.losses[:20])
    assert not model.training


@pytest.mark.parametrize("at", [1, 4, 5, 9, 12])
def test_a_resumed_run_ends_with_the_same_weights(tmp_path, at):
    whole, loader = task()
    expected = quietly(whole, loader)

    def interrupting(model, *batch):
        calls.append(1)
        if len(calls) == at:
            os.kill(os.getpid(), signal.SIGINT)
        return square(model, *batch)

    calls = []
    first, loader = task()
    history = quietly(first, loader, interrupting, checkpoint=tmp_path / "run.pt")
    assert (history.stopped, len(history.losses)) == ("interrupted", at)

    second, loader = task()
    torch.rand(7), np.random.rand(3)  # chance has moved on between the calls
    history = quietly(second, loader, checkpoint=tmp_path / "run.pt")
    assert history.losses == expected.losses
    assert torch.equal(weights(second), weights(whole))


def test_an_interruption_inside_a_loader_loses_no_finished_step(tmp_path):
    whole, loader = task()
    quietly(whole, loader)

    class Interrupted:
        def __iter__(self):
            for number, batch in enumerate(loader):
                if number == 3:
                    raise KeyboardInterrupt
                yield batch

    first, loader = task()
    history = quietly(first, Interrupted(), checkpoint=tmp_path / "run.pt")
    assert (history.stopped, len(history.losses)) == ("interrupted", 3)
    second, loader = task()
    quietly(second, loader, checkpoint=tmp_path / "run.pt")
    assert torch.equal(weights(second), weights(whole))


def test_a_function_of_the_step_is_called_once_a_step(tmp_path):
    asked = []

    def batches(step):
        asked.append(step)
        x = torch.randn(5, 4, generator=torch.Generator().manual_seed(step))
        return x, x.sum(1, keepdim=True)

    model, _ = task()
    quietly(model, batches, steps=3, checkpoint=tmp_path / "run.pt")
    quietly(model, batches, steps=5, checkpoint=tmp_path / "run.pt")
    assert asked == [0, 1, 2, 3, 4]


def test_a_finished_run_is_only_read_back(tmp_path):
    model, loader = task()
    first = quietly(model, loader, checkpoint=tmp_path / "deep" / "run.pt")
    again, _ = task(seed=5)
    second = quietly(again, [], checkpoint=tmp_path / "deep" / "run.pt")
    assert second.losses == first.losses
    assert torch.equal(weights(again), weights(model))


def test_early_stop_and_the_best_weights():
    scores = iter([0.1, 0.7, 0.5, 0.6, 0.9])
    seen = []

    def evaluate(model):
        assert not model.training
        assert not torch.is_grad_enabled()
        seen.append(weights(model).clone())
        return next(scores)

    model, loader = task()
    history = quietly(model, loader, steps=100, evaluate=evaluate, evaluate_every=4, patience=2)
    assert history.stopped == "no longer improving"
    assert history.scores == [(4, 0.1), (8, 0.7), (12, 0.5), (16, 0.6)]
    assert history.best == 0.7
    assert torch.equal(weights(model), seen[1])


def test_best_weights_and_scores_survive_a_resume(tmp_path):
    def evaluate(model):
        return -square(model, *loader.dataset.tensors).item()

    options = {"evaluate": evaluate, "evaluate_every": 3}
    whole, loader = task()
    expected = quietly(whole, loader, **options)
    part, loader = task()
    calls = []

    def interrupting(model, *batch):
        calls.append(1)
        if len(calls) == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return square(model, *batch)

    quietly(part, loader, interrupting, checkpoint=tmp_path / "run.pt", **options)
    rest, loader = task()
    history = quietly(rest, loader, checkpoint=tmp_path / "run.pt", **options)
    assert history.scores == expected.scores
    assert torch.equal(weights(rest), weights(whole))


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    model, loader = task()
    quietly(model, loader, steps=2, checkpoint=path)
    before = path.read_bytes()

    def half(state, file):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(training.torch, "save", half)
    with pytest.raises(OSError, match="disk full"):
        quietly(model, loader, steps=4, checkpoint=path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_another_models_checkpoint_is_named(tmp_path):
    model, loader = task()
    quietly(model, loader, steps=1, checkpoint=tmp_path / "run.pt")
    other = nn.Linear(4, 1)
    with pytest.raises(ValueError, match=r"another model: .*weight is .* Delete the file"):
        quietly(other, loader, checkpoint=tmp_path / "run.pt")


def test_bad_input_fails_at_the_door():
    model, loader = task()
    with pytest.raises(ValueError, match="batches is empty"):
        quietly(model, [])
    with pytest.raises(ValueError, match="patience needs an evaluate"):
        quietly(model, loader, patience=1)
    with pytest.raises(FloatingPointError, match="the loss is nan at step 1"):
        quietly(model, loader, lambda model, x, y: square(model, x, y) * float("nan"))


def test_nothing_reaches_stderr(capfd):
    model, loader = task()
    train(model, loader, square, steps=3, device="cpu")
    out, err = capfd.readouterr()
    assert "finished: step 3 of 3" in out
    assert err == ""


def test_chance_round_trip():
    seed_everything(1)
    state = chance()
    first = (torch.rand(3), np.random.rand(3))
    set_chance(state)
    assert torch.equal(first[0], torch.rand(3))
    assert np.array_equal(first[1], np.random.rand(3))


def test_the_picture_of_a_history():
    history = History(losses=[3.0, 2.0, 1.0], scores=[(2, 0.5), (3, 0.75)], steps=3, stopped="finished")
    assert len(history.figure().axes) == 2
    assert str(history) == "finished: step 3 of 3 · loss 1.93 · best score 0.75"


def test_smooth_of_a_step():
    # 0.1 * (0.9 * 0 + 1) / (1 - 0.81)
    assert smooth([0.0, 1.0]) == pytest.approx([0.0, 0.1 / 0.19])


@pytest.mark.gpu
def test_on_a_gpu_half_precision_trains_and_resumes(tmp_path):
    model, loader = task()
    seen = []

    def loss(model, x, y):
        out = model(x)
        seen.append((out.dtype, out.device.type))
        return (out.float() - y).square().mean()

    train(model, loader, loss, steps=5, device="cuda", show=False, checkpoint=tmp_path / "run.pt")
    again, loader = task()
    history = train(
        again, loader, loss, steps=60, device="cuda", show=False, lr=1e-2, checkpoint=tmp_path / "run.pt"
    )
    assert set(seen) <= {(torch.bfloat16, "cuda"), (torch.float16, "cuda")}
    assert np.mean(history.losses[-10:]) < np.mean(history.losses[:10])


def test_in_a_notebook_one_line_and_one_picture_remain(monkeypatch, capfd):
    shown = []

    class Handle:
        def __init__(self, value):
            self.value = value
            shown.append(self)

        def update(self, value, raw=False):
            self.value = value

    monkeypatch.setattr(training, "in_notebook", lambda: True)
    monkeypatch.setattr(training, "show_live", lambda value, raw=False: Handle(value))
    monkeypatch.setattr(training.time, "monotonic", iter(range(0, 10**6, 3)).__next__)  # every step is slow
    model, loader = task()
    train(model, loader, square, steps=4, device="cpu")
    line, curve = (handle.value for handle in shown)
    assert line["text/plain"].startswith("finished: step 4 of 4 · loss")
    assert curve.axes[0].get_title() == "loss"
    assert capfd.readouterr() == ("", "")
