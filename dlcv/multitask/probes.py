"""What this chapter's answers are given, beside tensors."""

from __future__ import annotations

from torch import Tensor

from dlcv.backbones import SmallCNN

__all__ = ["ChangingCNN"]


class ChangingCNN(SmallCNN):
    """A backbone that, in training, answers differently each time, as one with dropout does.

    All heads see the same features if it runs once.
    """

    calls = 0

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the feature maps, and from the second call on larger ones."""
        self.calls += self.training
        return [(1 + 0.5 * max(self.calls - 1, 0)) * feature for feature in super().forward(images)]
