"""The exercise of chapter 00: slips fail and are named, right variants pass, trivial ones earn nothing."""

import pytest
import torch

from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.orientation.exercises import exercises, strongest

names = pytest.mark.parametrize("name", list(exercises))


@names
def test_slips_fail_and_are_told_apart(name):
    assert_slips_die(exercises[name])


@names
def test_trivial_answers_earn_nothing(name):
    assert_trivial_answers_earn_nothing(exercises[name])


def with_max(scores):
    return scores.max(dim=0).indices


def with_max_of_a_tuple(scores):
    _, winner = torch.max(scores, 0)
    return winner


def with_negative_axis(scores):
    return torch.argmax(scores, dim=-3)


def with_loops(scores):
    winner = torch.zeros(scores.shape[1:], dtype=torch.int64)
    for i in range(scores.shape[1]):
        for j in range(scores.shape[2]):
            for c in range(len(scores)):
                if scores[c, i, j] > scores[winner[i, j], i, j]:
                    winner[i, j] = c
    return winner


def with_softmax_first(scores):
    return scores.double().softmax(0).argmax(0)


def with_permuted_axes(scores):
    return scores.permute(1, 2, 0).argmax(-1)


def in_int32(scores):
    return scores.argmax(0).int()


def in_numpy(scores):
    return torch.from_numpy(scores.numpy().argmax(0))


@pytest.mark.parametrize(
    "answer",
    [
        in_numpy,
        in_int32,
        in_a_cell(strongest),
        with_max,
        with_max_of_a_tuple,
        with_negative_axis,
        with_loops,
        with_softmax_first,
        with_permuted_axes,
    ],
)
def test_right_variants_pass(answer):
    assert_right(exercises["warm_up"], answer)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda scores: scores.argmax(0).float(), None),
        (lambda scores: scores.argmax(dim=3), "crashed"),
        (lambda scores: scores.softmax(0).round(), None),
    ],
    ids=["floats", "no such axis", "probabilities"],
)
def test_other_mistakes_earn_less(answer, kind):
    verdict = verdict_of(exercises["warm_up"], answer)
    assert verdict.points < exercises["warm_up"].points
    assert verdict.message
    if kind:
        assert verdict.kind == kind


def test_the_mistake_that_the_notebook_suggests_is_named():
    verdict = verdict_of(exercises["warm_up"], lambda scores: scores.argmax(dim=-1))
    assert verdict.slip == "argmax over columns"
    assert "dim=0" in verdict.text()
