"""Random numbers as a pure function of what they are for.

A generator hands out numbers in the order in which they are asked for, so one more draw changes everything
after it. Here a number depends only on the seed, the scene and the purpose: scene 17 is the same scene alone,
in a batch, on another device, and after somebody has added an option.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

MASK = 0xFFFFFFFF


def mix(bits: Tensor) -> Tensor:
    """Scramble 32-bit numbers held in int64; each input has its own output.

    The constants are those of "lowbias32" in Wellons, "Prospecting for hash functions" (2018).
    """
    bits = ((bits ^ (bits >> 16)) * 0x7FEB352D) & MASK
    bits = ((bits ^ (bits >> 15)) * 0x846CA68B) & MASK
    return bits ^ (bits >> 16)


def mix32(bits: Tensor) -> Tensor:
    """Return what `mix` returns, for and in int32, whose products wrap round by themselves: a third of the time."""
    bits = (bits ^ (bits >> 16).bitwise_and_(0xFFFF)).mul_(0x7FEB352D)
    bits = bits.bitwise_xor_((bits >> 15).bitwise_and_(0x1FFFF)).mul_(0x846CA68B - 2**32)
    return bits.bitwise_xor_((bits >> 16).bitwise_and_(0xFFFF))


class Draws:
    """Random numbers for a batch of scenes.

    Parameters
    ----------
    seed : int
    scenes : (N,) sequence of int
        Numbers of the scenes.

    Examples
    --------
    >>> alone, together = Draws(0, [5]), Draws(0, [4, 5, 6])
    >>> bool((alone.uniform("height")[0] == together.uniform("height")[1]).all())
    True
    """

    def __init__(self, seed: int, scenes: Sequence[int]) -> None:
        numbers = torch.as_tensor(list(scenes), dtype=torch.int64)
        if numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) < 2**32:
            raise ValueError("numbers of scenes must be from 0 to 2**32 - 1")
        self.state = mix(mix(torch.tensor(seed & MASK)) ^ numbers)

    def bits(self, purpose: str, *shape: int) -> Tensor:
        """Return `(N, *shape)` whole numbers of 32 bits."""
        count = 1
        for length in shape:
            count *= length
        stream = mix(self.state ^ zlib.crc32(purpose.encode()))
        return mix(stream[:, None] ^ torch.arange(count)).view(-1, *shape)

    def uniform(self, purpose: str, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return `(N, *shape)` float64 numbers, low <= x < high."""
        return low + (high - low) * (self.bits(purpose, *shape).double() / 2**32)

    def integer(self, purpose: str, *shape: int, low: int, high: int) -> Tensor:
        """Return `(N, *shape)` whole numbers, low <= x < high."""
        return low + (self.uniform(purpose, *shape) * (high - low)).long()

    def chance(self, purpose: str, *shape: int, probability: float) -> Tensor:
        """Return `(N, *shape)` booleans that are True with this probability."""
        return self.uniform(purpose, *shape) < probability
