"""Where the course computes, how much it computes, and how chance is fixed.

Three questions that every notebook asks once, answered in one place: which device is there, how large
may an experiment be, which seed. `report` says the answers in one line.
"""

from __future__ import annotations

import os
import random
from typing import TypeVar

import numpy as np
import torch

SCALES = ("smoke", "small", "full")

Amount = TypeVar("Amount")


def pick_device() -> torch.device:
    """Return the fastest device that torch can use here: CUDA, else Apple's MPS, else the CPU.

    Examples
    --------
    >>> pick_device().type in ("cuda", "mps", "cpu")
    True
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def seed_everything(seed: int = 0) -> torch.Generator:
    """Seed python, numpy and torch (all devices); return a fresh CPU generator with the same seed.

    Random numbers of different devices differ. Draw on the CPU with the returned generator and move the
    result wherever two machines must see the same numbers.

    Parameters
    ----------
    seed : int
        From 0 up to 2**32 - 1, which is as far as numpy goes.

    Examples
    --------
    >>> a = torch.rand(2, generator=seed_everything(3))
    >>> b = torch.rand(2, generator=seed_everything(3))
    >>> bool((a == b).all())
    True
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be from 0 to 2**32 - 1; got {seed}")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def scale() -> str:
    """Return how large experiments may be: "smoke" (seconds), "small" (two CPU cores) or "full" (a GPU).

    The environment variable ``DLCV_SCALE`` asks; without it the answer is "small". "full" is granted only
    where there is a GPU, because the same cell would take days without one.

    Examples
    --------
    >>> scale() in SCALES
    True
    """
    asked = os.environ.get("DLCV_SCALE", "").strip().lower() or "small"
    if asked not in SCALES:
        raise ValueError(f"DLCV_SCALE must be one of {', '.join(SCALES)}; got {asked!r}")
    if asked == "full" and pick_device().type == "cpu":
        return "small"
    return asked


def at_scale(smoke: Amount, small: Amount, full: Amount) -> Amount:
    """Return the amount that belongs to the present scale.

    Examples
    --------
    >>> steps = at_scale(smoke=2, small=300, full=20_000)
    >>> steps in (2, 300, 20_000)
    True
    """
    return {"smoke": smoke, "small": small, "full": full}[scale()]


def while_grading() -> bool:
    """Return True while nbgrader executes the notebook: experiments skip themselves then."""
    return "NBGRADER_EXECUTION" in os.environ


def describe_device(device: torch.device | None = None) -> str:
    """Return a device in words: ``CPU (2 cores)``, ``CUDA (NVIDIA H200)`` or ``MPS (Apple GPU)``."""
    device = pick_device() if device is None else torch.device(device)
    if device.type == "cuda":
        return f"CUDA ({torch.cuda.get_device_name(device)})"
    if device.type == "mps":
        return "MPS (Apple GPU)"
    cores = usable_cores()
    return f"CPU ({cores} core{'s' if cores != 1 else ''})"


def usable_cores() -> int:
    """Return the number of CPU cores that this process may use (a container may own fewer than there are)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def report() -> None:
    """Print one line that says what was found; the first cell of each notebook calls it."""
    from dlcv import __version__

    version = ".".join(__version__.split(".")[:2])
    torch_version = ".".join(torch.__version__.split("+")[0].split(".")[:2])
    print(f"dlcv {version} · torch {torch_version} · {describe_device()} · scale {scale()}")
