"""One thread a process: the tests run in parallel, and a forked grader must not inherit a thread pool.

Tests that need a GPU carry the mark `gpu`; where there is none they are skipped, and say so. Tests that fetch packages
from the index carry the mark `versions`; they run where somebody asks for them.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("MPLBACKEND", "agg")
os.environ["DLCV_PROGRESS"] = ""  # kernels that the tests start are no learner's

import hypothesis
import pytest
import torch

torch.set_num_threads(1)
# A busy machine is no mistake: an example may take as long as it takes.
hypothesis.settings.register_profile("course", deadline=None)
hypothesis.settings.load_profile("course")


def pytest_collection_modifyitems(config, items):
    if not torch.cuda.is_available():
        skip(items, "gpu", "needs a GPU, and torch sees none that speaks CUDA")
    if "versions" not in (config.option.markexpr or ""):
        skip(items, "versions", "asked for by `make test-versions`, or by -m versions")


def skip(items, mark: str, reason: str) -> None:
    for item in items:
        if item.get_closest_marker(mark):
            item.add_marker(pytest.mark.skip(reason=reason))
