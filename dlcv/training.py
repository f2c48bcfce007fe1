"""A short training loop that survives an interruption and draws its own curve.

    history = train(network, batches, loss, steps=at_scale(2, 300, 20_000), checkpoint="runs/unet.pt")

Close the lid in the middle, open it again, run the cell again: it goes on where it was, with the same random
numbers, and ends with the weights that an uninterrupted run would have had.
"""

from __future__ import annotations

import math
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from dlcv.device import pick_device
from dlcv.plotting import FAINT, Picture, new_figure

Batches = Iterable | Callable[[int], tuple]
"""A collection of batches that can be walked through again and again, or a function of the step."""


@dataclass
class History:
    """What a training run left behind: its curve, and whether it came to its end.

    Attributes
    ----------
    losses : list of float
        One value a step.
    scores : list of (step, score)
        What `evaluate` said, and after how many steps.
    steps : int
        Steps that were asked for.
    seconds : float
        Time spent in training, over all calls.
    stopped : str
        "" while unfinished, else "finished", "interrupted" or "no longer improving".
    """

    losses: list[float] = field(default_factory=list)
    scores: list[tuple[int, float]] = field(default_factory=list)
    steps: int = 0
    seconds: float = 0.0
    stopped: str = ""

    @property
    def best(self) -> float:
        """Return the best score so far, or minus infinity."""
        return max((score for _, score in self.scores), default=-math.inf)

    def figure(self) -> Picture:
        """Draw the loss, pale as it was and dark as it tends, and the scores beside it."""
        figure, axes = new_figure(1, 2 if self.scores else 1, width=9, height=2.8, squeeze=False)
        axis = axes[0, 0]
        steps = np.arange(1, len(self.losses) + 1)
        axis.plot(steps, self.losses, color=FAINT, linewidth=1)
        axis.plot(steps, smooth(self.losses))
        axis.set(xlabel="step", title="loss", xlim=(1, max(2, self.steps)))
        if self.scores:
            axes[0, 1].plot(*zip(*self.scores, strict=True), marker="o", markersize=4)
            axes[0, 1].set(xlabel="step", title="score", xlim=(0, max(2, self.steps)))
        return figure

    def __str__(self) -> str:
        last = f" · loss {smooth(self.losses)[-1]:.3g}" if self.losses else ""
        score = f" · best score {self.best:.3g}" if self.scores else ""
        return f"{self.stopped or 'running'}: step {len(self.losses)} of {self.steps}{last}{score}"


def smooth(values: list[float], memory: float = 0.9) -> list[float]:
    """Return the exponential moving average without the pull of its start towards zero (Adam's correction).

    Examples
    --------
    >>> smooth([2.0, 2.0, 2.0])
    [2.0, 2.0, 2.0]
    """
    average, out = 0.0, []
    for step, value in enumerate(values, start=1):
        average = memory * average + (1 - memory) * value
        out.append(round(average / (1 - memory**step), 12))
    return out


def train(
    model: nn.Module,
    batches: Batches,
    loss: Callable[..., Tensor],
    *,
    steps: int,
    optimizer: torch.optim.Optimizer | None = None,
    lr: float = 1e-3,
    device: torch.device | str | None = None,
    checkpoint: str | Path | None = None,
    save_every: float = 30.0,
    evaluate: Callable[[nn.Module], float] | None = None,
    evaluate_every: int = 100,
    patience: int | None = None,
    show: bool = True,
) -> History:
    """Train a model for a number of steps, or go on with a run that was interrupted.

    Parameters
    ----------
    model : nn.Module
        Is moved to the device and trained in place.
    batches : iterable or function
        Batches are tuples of tensors. An iterable is walked through again when it ends; a function is called
        with the number of the step (from 0) and returns that step's batch.
    loss : function
        ``loss(model, *batch)`` returns the scalar to minimise.
    steps : int
        All steps of the run, those of earlier calls included. See `dlcv.device.at_scale`.
    optimizer : torch.optim.Optimizer
        Adam with learning rate `lr` by default.
    device : torch.device or str
        By default the fastest there is. On CUDA, operations that allow it run in half precision.
    checkpoint : path
        Where the run is kept: every `save_every` seconds, when it is interrupted, and when it ends. If the
        file is there already, the run goes on from it; delete it to begin again.
    evaluate : function
        ``evaluate(model)`` returns a score, larger is better; called every `evaluate_every` steps and at the
        end, in eval mode and without gradients. The model ends with the weights of its best score.
    patience : int
        Stop early after this many evaluations without a better score.
    show : bool
        Show a progress bar, and in a notebook the curve while it grows.

    Returns
    -------
    History

    Notes
    -----
    Interrupting the kernel (or Ctrl-C) ends the step in progress, saves and returns; interrupting again stops
    at once. A resumed run equals an uninterrupted one if the batches do not depend on anything but torch's,
    numpy's and python's global random numbers, whose state is kept too.

    Examples
    --------
    >>> model = nn.Linear(1, 1)
    >>> x = torch.linspace(-1, 1, 8)[:, None]
    >>> history = train(model, [(x, 3 * x)], lambda model, x, y: (model(x) - y).square().mean(),
    ...                 steps=5, device="cpu", show=False)
    >>> len(history.losses), history.stopped
    (5, 'finished')
    """
    if patience is not None and evaluate is None:
        raise ValueError("patience needs an evaluate function: early stopping follows its score")
    device = pick_device() if device is None else torch.device(device)
    model.to(device)
    run = Run(model, optimizer or torch.optim.Adam(model.parameters(), lr=lr), device)
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and path.exists():
        run.load(path)
    history = run.history
    history.steps = steps
    if history.stopped == "interrupted" or (history.stopped == "finished" and len(history.losses) < steps):
        history.stopped = ""
    view = View(history, enabled=show)
    saved = time.monotonic()
    with interruption() as interrupted:
        try:
            feed = None
            while not history.stopped and len(history.losses) < steps:
                feed = run.feed(batches) if feed is None else feed
                started = time.monotonic()
                run.step(next(feed), loss)
                done = len(history.losses)
                if evaluate is not None and (done % evaluate_every == 0 or done == steps):
                    run.judge(evaluate)
                    if patience is not None and run.since_best >= patience:
                        history.stopped = "no longer improving"
                history.seconds += time.monotonic() - started
                view.update()
                if interrupted.is_set() and done < steps:
                    history.stopped = history.stopped or "interrupted"
                if path is not None and time.monotonic() - saved > save_every:
                    run.save(path)
                    saved = time.monotonic()
            history.stopped = history.stopped or "finished"
        except KeyboardInterrupt:  # from a place that does not wait for the end of the step
            history.stopped = "interrupted"
            run.rewind()
        if path is not None:
            run.save(path)
    run.restore_best()
    view.close()
    return history


class Run:
    """The whole state of a training run, as one thing that can be saved and loaded."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self.model, self.optimizer, self.device = model, optimizer, device
        self.half = (
            torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float16
        )
        # Small gradients vanish in float16 unless the loss is scaled up; bfloat16 has float32's range.
        self.scaler = torch.amp.GradScaler(
            device.type, enabled=device.type == "cuda" and self.half is torch.float16
        )
        self.history = History()
        self.best: dict[str, Tensor] | None = None
        self.since_best = 0
        self.position = 0  # batches taken from the present walk through the iterable
        self.walk_chance = chance()  # random state when that walk began
        self.step_chance = chance()  # random state after the last finished step

    def feed(self, batches: Batches) -> Iterator[tuple]:
        """Yield the batch of each step, from where the run stands."""
        if callable(batches):
            while True:
                yield batches(len(self.history.losses))
        skip, now = self.position, self.step_chance
        if skip:
            set_chance(self.walk_chance)  # so that a shuffling loader shuffles as it did
        else:
            set_chance(now)
        while True:
            if not skip:
                self.walk_chance, self.position = chance(), 0
            taken = 0
            for batch in batches:
                taken += 1
                if taken < skip:
                    continue
                if taken == skip:
                    set_chance(now)
                    continue
                self.position = taken
                yield batch
            if not taken:
                raise ValueError("batches is empty: there is nothing to train on")
            skip = 0

    def step(self, batch: tuple, loss: Callable[..., Tensor]) -> None:
        """Take one step down the gradient."""
        batch = tuple(
            part.to(self.device, non_blocking=True) if isinstance(part, Tensor) else part for part in batch
        )
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, dtype=self.half, enabled=self.device.type == "cuda"):
            value = loss(self.model, *batch)
        if not torch.isfinite(value):
            raise FloatingPointError(f"the loss is {value.item()} at step {len(self.history.losses) + 1}")
        self.scaler.scale(value).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.history.losses.append(value.item())
        self.step_chance = chance()

    def judge(self, evaluate: Callable[[nn.Module], float]) -> None:
        """Ask for a score, and keep the weights if there was none better."""
        self.model.eval()
        with torch.no_grad():
            score = float(evaluate(self.model))
        if score > self.history.best:
            self.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
            self.since_best = 0
        else:
            self.since_best += 1
        self.history.scores.append((len(self.history.losses), score))
        self.step_chance = chance()

    def rewind(self) -> None:
        """Forget a batch that was taken but not learned from."""
        set_chance(self.step_chance)

    def restore_best(self) -> None:
        """Give a run that has ended the weights of its best score."""
        if self.best is not None and self.history.stopped in ("finished", "no longer improving"):
            self.model.load_state_dict(self.best)
        self.model.eval()

    def save(self, path: Path) -> None:
        """Write the run to a file, whole or not at all."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": vars(self.history),
            "best": self.best,
            "since_best": self.since_best,
            "position": self.position,
            "walk_chance": self.walk_chance,
            "step_chance": self.step_chance,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            with open(unfinished, "wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)

    def load(self, path: Path) -> None:
        """Read a run back; say so if the file holds another model's run."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        mine = {name: tuple(value.shape) for name, value in self.model.state_dict().items()}
        theirs = {name: tuple(value.shape) for name, value in state["model"].items()}
        if mine != theirs:
            odd = next(name for name in (*mine, *theirs) if mine.get(name) != theirs.get(name))
            raise ValueError(
                f"{path} holds the run of another model: {odd} is {theirs.get(odd, 'missing')} there and "
                f"{mine.get(odd, 'missing')} here. Delete the file to begin again."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.history = History(**state["history"])
        self.history.scores = [tuple(pair) for pair in self.history.scores]
        self.best, self.since_best, self.position = state["best"], state["since_best"], state["position"]
        self.walk_chance, self.step_chance = state["walk_chance"], state["step_chance"]
        set_chance(self.step_chance)


def chance() -> dict:
    """Return the state of python's, numpy's and torch's global random numbers, as plain data and tensors."""
    version, internal, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state()
    state = {
        "python": [version, torch.tensor(internal, dtype=torch.int64), gauss],
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_chance(state: dict) -> None:
    """Put the global random numbers back into a state that `chance` returned."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal.tolist()), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([part.cpu() for part in state["cuda"]])


@contextmanager
def interruption() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a flag, so that a step is never cut in the middle; a second one stops."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def note(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


class View:
    """A progress bar and, in a notebook, the curve; what stays in the saved output is one line and one picture."""

    def __init__(self, history: History, enabled: bool) -> None:
        self.history, self.enabled, self.drawn = history, enabled, time.monotonic()
        self.started, self.before = time.monotonic(), len(history.losses)
        self.notebook = enabled and in_notebook()
        # Standard output, not error: a notebook under nbgrader takes words on stderr for a failure.
        self.bar = tqdm(
            total=history.steps,
            initial=self.before,
            disable=not enabled or self.notebook,
            file=sys.stdout,
            ncols=88,
            mininterval=0.5,
        )
        if self.notebook:
            # Handles, so that a new bar and a new curve take the place of the old ones.
            self.line = show_live({"text/plain": self.progress()}, raw=True)
            self.curve = show_live(history.figure())

    def progress(self) -> str:
        done, spent = len(self.history.losses), time.monotonic() - self.started
        return tqdm.format_meter(done, self.history.steps, spent, ncols=88, initial=self.before)

    def update(self) -> None:
        self.bar.update(len(self.history.losses) - self.bar.n)
        if self.enabled and time.monotonic() - self.drawn > 1.0:
            if self.notebook:
                self.line.update({"text/plain": self.progress()}, raw=True)
                self.curve.update(self.history.figure())
            else:
                self.bar.set_postfix_str(f"loss {smooth(self.history.losses[-50:])[-1]:.3g}")
            self.drawn = time.monotonic()

    def close(self) -> None:
        self.bar.close()
        if self.notebook:
            self.line.update({"text/plain": str(self.history)}, raw=True)
            self.curve.update(self.history.figure())
        elif self.enabled:
            print(self.history)


def in_notebook() -> bool:
    """Return True in a Jupyter kernel, where pictures can be shown."""
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def show_live(value: object, **how):
    """Display something and return the handle by which it can be replaced."""
    from IPython.display import display

    return display(value, display_id=True, **how)
