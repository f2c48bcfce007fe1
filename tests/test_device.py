import random

import numpy as np
import pytest
import torch

from dlcv import device


def test_the_report_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(device, "pick_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(device, "usable_cores", lambda: 2)
    monkeypatch.setattr(torch, "__version__", "2.13.0+cpu")
    monkeypatch.setenv("DLCV_SCALE", "smoke")
    assert device.report() is None
    from dlcv import __version__

    version = ".".join(__version__.split(".")[:2])
    assert capsys.readouterr().out == f"dlcv {version} · torch 2.13 · CPU (2 cores) · scale smoke\n"


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(1, 1, "cuda"), (1, 0, "cuda"), (0, 1, "mps"), (0, 0, "cpu")]
)
def test_the_fastest_device_is_picked(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: bool(mps))
    assert device.pick_device().type == expected


@pytest.mark.parametrize(
    ("asked", "gpu", "expected"),
    [
        (None, True, "small"),
        ("", True, "small"),
        ("smoke", True, "smoke"),
        ("FULL", True, "full"),
        ("full", False, "small"),
    ],
)
def test_full_needs_both_a_wish_and_a_gpu(monkeypatch, asked, gpu, expected):
    monkeypatch.delenv("DLCV_SCALE", raising=False)
    if asked is not None:
        monkeypatch.setenv("DLCV_SCALE", asked)
    monkeypatch.setattr(device, "pick_device", lambda: torch.device("cuda" if gpu else "cpu"))
    assert device.scale() == expected
    assert device.at_scale(smoke="smoke", small="small", full="full") == expected


def test_an_unknown_scale_is_named(monkeypatch):
    monkeypatch.setenv("DLCV_SCALE", "huge")
    with pytest.raises(ValueError, match="smoke, small, full; got 'huge'"):
        device.scale()


def test_one_seed_fixes_all_generators():
    def draw():
        generator = device.seed_everything(7)
        return (
            random.random(),
            np.random.rand(),
            torch.rand(1).item(),
            torch.rand(1, generator=generator).item(),
        )

    assert draw() == draw()
    with pytest.raises(ValueError, match="got -1"):
        device.seed_everything(-1)


def test_while_grading_follows_nbgrader(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    assert not device.while_grading()
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert device.while_grading()


def test_a_device_in_words(monkeypatch):
    monkeypatch.setattr(device, "usable_cores", lambda: 1)
    assert device.describe_device(torch.device("cpu")) == "CPU (1 core)"
    assert device.describe_device(torch.device("mps")) == "MPS (Apple GPU)"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    assert device.describe_device(torch.device("cuda")) == "CUDA (NVIDIA H200)"
