"""The exercises of chapter 01: slips fail and are named, right variants pass, trivial ones earn nothing."""

import pytest
import torch

from dlcv.checking.testing import assert_right, assert_slips_die, assert_trivial_answers_earn_nothing
from dlcv.transposed_convolution.exercises import exercises

names = pytest.mark.parametrize("name", list(exercises))


@names
def test_slips_fail_and_are_told_apart(name):
    assert_slips_die(exercises[name])


@names
def test_trivial_answers_earn_nothing(name):
    assert_trivial_answers_earn_nothing(exercises[name])
