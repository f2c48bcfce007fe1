"""A process that has rehearsed answers as one that has not, only sooner."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import dlcv
from dlcv.checking import CONVOLUTION, Answer, Request, load_exercises
from dlcv.checking.operators import FastNet
from dlcv.checking.rehearsal import rehearse

CHAPTERS = sorted(path.parent.name for path in Path(dlcv.__file__).parent.glob("*/exercises.py"))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_can_be_rehearsed(chapter):
    rehearse(load_exercises(chapter))


def test_what_is_forbidden_is_seen_after_a_rehearsal(toy):
    rehearse(toy)
    x = torch.ones(1, 1, 3)
    request = Request("dlcv.checking.probes:call", (x,), {})
    for answer in (lambda x: F.conv1d(x, x), lambda x: getattr(torch, "conv" + "1d")(x, x)):
        reply = Answer(answer, toy["paint"].watch).reply(request)
        assert CONVOLUTION.name in {violation.group for violation in reply.violations}


def test_a_rehearsal_leaves_nothing_to_do_for_the_first_request(toy):
    rehearse(toy)
    covered = set(FastNet.lay()._covered)
    Answer(lambda x: x + 1, toy["paint"].watch).reply(
        Request("dlcv.checking.probes:call", (torch.ones(2),), {})
    )
    assert FastNet.lay()._covered == covered
