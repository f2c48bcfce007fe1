"""A process that has rehearsed answers as one that has not, only sooner."""

import pytest
import torch
import torch.nn.functional as F

from dlcv.checking import CONVOLUTION, Answer, Request
from dlcv.checking.operators import FastNet
from dlcv.checking.rehearsal import rehearse


@pytest.fixture(scope="module", autouse=True)
def rehearsed():
    rehearse()


@pytest.mark.parametrize(
    "answer",
    [lambda x: F.conv1d(x, x), lambda x: getattr(torch, "conv" + "1d")(x, x)],
    ids=["named", "hidden"],
)
def test_what_is_forbidden_is_seen_after_a_rehearsal(toy, answer):
    request = Request("dlcv.checking.probes:call", (torch.ones(1, 1, 3),), {})
    reply = Answer(answer, toy["paint"].watch).reply(request)
    assert CONVOLUTION.name in {violation.group for violation in reply.violations}


def test_a_rehearsal_leaves_nothing_to_lay_for_the_first_request(toy):
    covered = set(FastNet.lay()._covered)
    request = Request("dlcv.checking.probes:call", (torch.ones(2),), {})
    Answer(lambda x: x + 1, toy["paint"].watch).reply(request)
    assert FastNet.lay()._covered == covered
