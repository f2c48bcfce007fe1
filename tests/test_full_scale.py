"""The comparison at full scale: a plan without a GPU, and the same code in small where a device is named."""

import pytest
import torch
from torch import nn

from dlcv import full_scale
from dlcv.data.scenes import CLASSES
from dlcv.full_scale import FullScale, images_a_second


@pytest.fixture
def networks():
    return {
        "one layer": lambda: nn.Conv2d(3, len(CLASSES), 3, padding=1),
        "one pixel": lambda: nn.Conv2d(3, len(CLASSES), 1),
    }


def test_without_a_gpu_it_says_what_it_would_do(networks, monkeypatch, capsys):
    monkeypatch.setattr(full_scale, "pick_device", lambda: torch.device("cpu"))
    assert FullScale(steps=50, size=96).compare(networks, 1e-3) == {}
    said = capsys.readouterr().out
    assert "trains one layer, one pixel with 3 seeds each: 50 steps of 64 images of 96 x 96" in said
    assert "There is only CPU (" in said and "run that one" in said


def test_on_a_device_it_trains_scores_and_times(networks, capsys):
    small = FullScale(steps=2, batch_size=4, size=32, scenes=8, unseen=4, seeds=2)
    found = small.compare(networks, 1e-3, device="cpu", show=False)
    assert list(found) == list(networks)
    assert all(len(row) == 2 and 0 <= score.mean_iou <= 1 for row in found.values() for score in row)
    said = capsys.readouterr().out
    assert "| one layer |" in said and "±" in said
    assert "images of 32 x 32 a second on CPU" in said


def test_batches_lie_in_memory_as_the_network_does(networks):
    seen = []

    class Spy(nn.Conv2d):
        def forward(self, images):
            seen.append(images.is_contiguous(memory_format=torch.channels_last))
            return super().forward(images)

    FullScale(1, 2, 32, 4, 2, 1).compare(
        {"spy": lambda: Spy(3, len(CLASSES), 3, padding=1)}, 1e-3, "cpu", show=False
    )
    assert seen[0]


def test_speed_counts_images():
    calls = []

    class Counting(nn.Conv2d):
        def forward(self, images):
            calls.append(len(images))
            return super().forward(images)

    assert images_a_second(Counting(3, 2, 1), torch.rand(5, 3, 8, 8), seconds=0) > 0
    assert calls == [5, 5]  # one to warm up, one that counts
