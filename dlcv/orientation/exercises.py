"""What chapter 00 asks: one warm-up, so that the next chapters can be about their own ideas."""

from __future__ import annotations

import torch

from dlcv.checking import Case, Exercises
from dlcv.orientation import reference

exercises = Exercises("orientation")
check = exercises.check


warm_up = exercises.function(
    "warm_up",
    reference.warm_up,
    title="From scores to a class map",
    points=2,
    difficulty=1,
    minutes=5,
    numpy=True,
    hints=(
        "Look at one pixel. It has one score a class. Along which axis of `scores` do they lie?",
        "The axis over which you look for the largest score disappears. Shape (C, H, W) is to become (H, W).",
        "`argmax` takes the axis as `dim`. Classes lie along the first axis, number 0.",
    ),
)


@warm_up.cases
def _(draw):
    def distinct(c, h, w):
        """No two scores alike, so that no slip is right by luck."""
        return draw.permutation(c * h * w).reshape(c, h, w).float()

    yield Case(distinct(3, 2, 4), words="three classes, two rows, four columns")
    yield Case(distinct(3, 3, 3), words="as many classes as rows and columns: no shape gives a mistake away")
    yield Case(-1 - distinct(4, 3, 2), words="all scores below zero")
    # The four planes are two, each twice: 0 and 3 tie with the highest score, or 1 and 2 do.
    outer, inner = distinct(2, 3, 4)
    yield Case(
        torch.stack([outer, inner, inner, outer]),
        words="two classes tie at each pixel: the first of them wins",
    )
    yield Case(draw.normal((1, 2, 3)), words="a single class: there is nothing to choose", smoke=True)
    yield Case(distinct(7, 5, 1), words="an image one pixel wide")
    for _ in range(draw.count):
        c, h, w = draw.integer(3, 6), draw.integer(2, 6), draw.integer(2, 6)
        yield Case(draw.normal((c, h, w)), words="random scores and size")


def strongest(scores):
    """A right answer, one class after the other; some slips are this with a few words gone wrong."""
    best = scores[0].clone()
    winner = torch.zeros(best.shape, dtype=torch.int64)
    for c in range(1, len(scores)):
        better = scores[c] > best
        winner[better] = c
        best = torch.where(better, scores[c], best)
    return winner


@warm_up.slip(
    "argmax over columns",
    "You look for the largest score along the columns of each row. The classes lie along the first axis: use "
    "`dim=0`.",
)
def _(scores):
    return scores.argmax(dim=-1)


@warm_up.slip(
    "argmax over rows",
    "You look for the largest score along the rows of each column. The classes lie along the first axis: use "
    "`dim=0`.",
)
def _(scores):
    return scores.argmax(dim=1)


@warm_up.slip(
    "the score instead of its class",
    "You return how high the best score is, not which class has it. You want the position of the maximum, not its "
    "value.",
)
def _(scores):
    return scores.amax(dim=0)


@warm_up.slip(
    "score and class together",
    "With an axis, `max` returns two things: the highest scores and their positions. Keep the second, or use "
    "`argmax`.",
)
def _(scores):
    return scores.max(dim=0)


@warm_up.slip(
    "one answer for the whole image",
    "Without an axis, `argmax` looks through all numbers at once and returns one position among all of them. Ask "
    "for one answer a pixel.",
)
def _(scores):
    return scores.argmax()


@warm_up.slip(
    "the image's favourite everywhere",
    "You give every pixel the class that is strongest over the whole image. That is classification; here each pixel "
    "decides for itself.",
)
def _(scores):
    return scores.mean(dim=(1, 2)).argmax().expand(scores.shape[1:])


warm_up.slip_of(
    strongest,
    "the lowest score",
    "You pick the class with the lowest score. A score says how much speaks for a class: the highest wins.",
    ("scores[c] > best", "scores[c] < best"),
)


@warm_up.slip(
    "one-hot",
    "You return a plane of zeros and ones for each class. A class map has one plane, with the class's number at "
    "each pixel.",
)
def _(scores):
    return torch.nn.functional.one_hot(scores.argmax(dim=0), len(scores)).permute(2, 0, 1)


warm_up.slip_of(
    strongest,
    "the last of equals",
    "Where two classes have the same score you take the later one; the first is to win, as in `torch.argmax`.",
    ("scores[c] > best", "scores[c] >= best"),
)


@warm_up.slip("counts from one", "Your classes start at 1. The first class has the number 0.")
def _(scores):
    return scores.argmax(dim=0) + 1
