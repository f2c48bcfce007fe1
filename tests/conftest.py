"""One thread a process: the tests run in parallel, and a forked grader must not inherit a thread pool."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("MPLBACKEND", "agg")

import torch

torch.set_num_threads(1)
