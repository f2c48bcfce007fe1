"""The exercises of chapter 13: slips fail and are named, right variants pass, trivial ones earn nothing."""

import pytest
import sympy
import torch
import torch.nn.functional as F

from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.losses import exercises as chapter

exercises = chapter.exercises
names = pytest.mark.parametrize("name", list(exercises))
DERIVATIONS = [name for name in exercises if exercises[name].kind == "derivation"]


@names
def test_slips_fail_and_are_told_apart(name):
    assert_slips_die(exercises[name])


@names
def test_trivial_answers_earn_nothing(name):
    assert_trivial_answers_earn_nothing(exercises[name])


# ---------------------------------------------------------------------------------------- right variants


def entropy_pixel_by_pixel(logits, target, weight=None, ignore_index=255, reduction="mean"):
    scores, labels = logits.movedim(1, -1).reshape(-1, logits.shape[1]), target.reshape(-1)
    found, total = [], 0.0
    for z, t in zip(scores, labels.tolist(), strict=True):
        if t == ignore_index:
            found.append(0 * z.sum())
            continue
        w = 1.0 if weight is None else weight[t]
        found.append(w * ((z - z.max()).exp().sum().log() - (z[t] - z.max())))
        total = total + w
    out = torch.stack(found).reshape(target.shape) if found else logits.sum(1)
    if reduction == "none":
        return out
    return out.sum() / total if reduction == "mean" and total else out.sum()


def weights_by_hand(counts, kind="inverse"):
    seen = sorted(n for n in counts.tolist() if n)
    half = len(seen) // 2
    median = seen[half] if len(seen) % 2 else (seen[half - 1] + seen[half]) / 2
    common = sum(seen) / len(seen) if kind == "inverse" else median
    return torch.tensor([common / n if n else 0.0 for n in counts.tolist()])


def dice_class_by_class(logits, target, smooth=1.0, ignore_index=255):
    kept = target != ignore_index
    p, scores = logits.softmax(1).movedim(1, -1)[kept], []
    for c in range(logits.shape[1]):
        t = (target[kept] == c).float()
        scores.append((2 * (p[:, c] * t).sum() + smooth) / (p[:, c].sum() + t.sum() + smooth))
    return 1 - torch.stack(scores).mean()


def iou_class_by_class(logits, target, smooth=1.0, ignore_index=255):
    kept = target != ignore_index
    p, scores = logits.softmax(1).movedim(1, -1)[kept], []
    for c in range(logits.shape[1]):
        t = target[kept] == c
        scores.append((p[t, c].sum() + smooth) / (p[~t, c].sum() + t.sum() + smooth))
    return 1 - sum(scores) / len(scores)


def giou_side_by_side(a, b):
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = a.unbind(1), b.unbind(1)
    width = torch.relu(torch.min(ax2, bx2) - torch.max(ax1, bx1))
    height = torch.relu(torch.min(ay2, by2) - torch.max(ay1, by1))
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - width * height
    hull = (torch.max(ax2, bx2) - torch.min(ax1, bx1)) * (torch.max(ay2, by2) - torch.min(ay1, by1))
    return 2 - width * height / union.clamp(min=1e-7) - union.clamp(min=1e-7) / hull.clamp(min=1e-7)


def focal_by_signs(logits, target, gamma=2.0, alpha=0.25, reduction="mean"):
    margin = torch.where(target == 1, logits, -logits)
    out = torch.sigmoid(-margin) ** gamma * F.softplus(-margin)
    if alpha is not None:
        out = torch.where(target == 1, alpha, 1 - alpha) * out
    return {"none": out, "sum": out.sum(), "mean": out.sum() / max(1, out.numel())}[reduction]


def combined_in_two_lines(logits, target, alpha=0.5):
    from dlcv.losses import cross_entropy, dice_loss

    pixels, classes = cross_entropy(logits, target), dice_loss(logits, target)
    return classes + alpha * (pixels - classes)


RIGHT = [
    ("cross_entropy", chapter.right_cross_entropy),
    ("cross_entropy", entropy_pixel_by_pixel),
    ("balanced_weights", chapter.right_weights),
    ("balanced_weights", weights_by_hand),
    ("dice_loss", chapter.right_dice),
    ("dice_loss", dice_class_by_class),
    ("soft_iou_loss", chapter.right_iou),
    ("soft_iou_loss", iou_class_by_class),
    ("giou_loss", chapter.right_giou),
    ("giou_loss", giou_side_by_side),
    ("focal_loss", chapter.right_focal),
    ("focal_loss", focal_by_signs),
    ("combined_loss", chapter.right_combined),
    ("combined_loss", combined_in_two_lines),
]


@pytest.mark.parametrize(
    ("name", "answer"), RIGHT, ids=[f"{name}-{answer.__name__}" for name, answer in RIGHT]
)
def test_right_variants_earn_all_points(name, answer):
    assert_right(exercises[name], in_a_cell(answer))


# ------------------------------------------------------------------------------------------- derivations

p, gamma, a, b, tp, fp, fn, r, s, h = sympy.symbols("p gamma a b tp fp fn r s h")
log, exp = sympy.log, sympy.exp

WAYS = {
    "gamma_zero": [
        [-log(exp(a) / (exp(a) + exp(b))), log(exp(a) + exp(b)) - a],
        [-log(1 / (1 + exp(b - a))), log(1 + exp(b - a))],
        [log((exp(a) + exp(b)) / exp(a)), log(1 + exp(b) * exp(-a))],
    ],
    "below_cross_entropy": [
        [((1 - p) ** gamma - 1) * log(p)],
        [-log(p) + (1 - p) ** gamma * log(p), log(p) * (-1 + (1 - p) ** gamma)],
        [log(1 / p) - (1 - p) ** gamma * log(1 / p), (1 - (1 - p) ** gamma) * -log(p)],
        [(1 - (1 - p) ** gamma) * log(1 / p)],
    ],
    "where_equal": [
        [sympy.Eq((1 - p) ** gamma, 1), sympy.Eq(1 - p, 1), sympy.Eq(p, 0)],
        [sympy.Eq(gamma * log(1 - p), 0), sympy.Eq(1 - p, exp(0)), sympy.Eq(p, 0)],
        [sympy.Eq((1 - p) ** (2 * gamma), 1), sympy.Eq(-gamma * log(1 - p), 0), sympy.Eq(p, 0)],
    ],
    "focal_gradient": [
        [
            sympy.diff(-((1 - p) ** gamma) * log(p), p) * p * (1 - p),
            (1 - p) ** gamma * (p * gamma * log(p) - (1 - p)),
        ],
        [-((1 - p) ** gamma) * (1 - p - gamma * p * log(p))],
        [
            gamma * p * (1 - p) ** gamma * log(p) - (1 - p) * (1 - p) ** gamma,
            (1 - p) ** gamma * (log(p ** (gamma * p)) + p - 1),
        ],
    ],
    "dice_from_counts": [
        [2 * tp / (tp + fp + fn) / (1 + tp / (tp + fp + fn)), 2 * tp / (2 * tp + fp + fn)],
        [tp / (tp + (fp + fn) / 2)],
        [2 / (1 / (tp / (tp + fp + fn)) + 1), 2 * tp / (tp + fp + fn + tp)],
    ],
    "empty_image": [
        [(s / (p + r + s) - s / (p + h + r + s)) / h, s / ((p + r + s) * (p + h + r + s))],
        [s * (1 / (p + r + s) - 1 / (p + h + r + s)) / h, s / ((p + r + s) ** 2 + h * (p + r + s))],
        [s * h / ((p + r + s) * (p + h + r + s)) / h],
    ],
}


@pytest.mark.parametrize(("name", "lines"), [(name, lines) for name, ways in WAYS.items() for lines in ways])
def test_other_ways_to_derive_earn_all_points(name, lines):
    assert_right(exercises[name], lambda *symbols: lines)


@pytest.mark.parametrize("name", DERIVATIONS)
def test_the_question_alone_earns_nothing(name):
    question = exercises[name].reference

    def answer(*symbols):
        return question(*symbols)[:1]

    assert verdict_of(exercises[name], answer).points == 0


@pytest.mark.parametrize("name", DERIVATIONS)
def test_the_question_written_twice_earns_nothing(name):
    question = exercises[name].reference

    def answer(*symbols):
        first = question(*symbols)[0]
        if isinstance(first, sympy.Eq):
            return [first, sympy.Eq(first.rhs, first.lhs, evaluate=False)]
        return [first, sympy.Mul(1, first, evaluate=False), sympy.Add(first, 0, evaluate=False)]

    assert verdict_of(exercises[name], answer).points == 0


WRONG = {
    "gamma_zero": [
        (2, [-log(exp(a) / (exp(a) + exp(b))), -(a - exp(a) - exp(b))]),
        (1, [-gamma * log(exp(a) / (exp(a) + exp(b)))]),
        (2, [log(exp(a) + exp(b)) - a, log(1 + exp(a - b))]),
        (1, [log(exp(a) + exp(b)) - b]),
        (2, [log(exp(a) + exp(b)) - a, b]),
    ],
    "below_cross_entropy": [
        (1, [log(p) * (1 - (1 - p) ** gamma)]),
        (1, [-log(p) * (1 - p**gamma)]),
        (2, [-log(p) + (1 - p) ** gamma * log(p), -log(p) + log(p) ** gamma]),
        (1, [-log(p * (1 - (1 - p) ** gamma))]),
        (1, [-log(p) * (1 - (1 - p)) ** gamma]),
    ],
    "where_equal": [
        (1, [sympy.Eq((1 - p) ** gamma, 0)]),
        (1, [sympy.Eq(p, 1)]),
        (2, [sympy.Eq(gamma * log(1 - p), 0), sympy.Eq(gamma, log(1 - p))]),
        (3, [sympy.Eq(gamma * log(1 - p), 0), sympy.Eq(log(1 - p), 0), sympy.Eq(1 - p, sympy.E)]),
        (1, [sympy.Eq(gamma, gamma, evaluate=False)]),
    ],
    "focal_gradient": [
        (1, [(gamma * (1 - p) ** (gamma - 1) * log(p) - (1 - p) ** gamma / p) * p]),
        (1, [(gamma * (1 - p) ** (gamma - 1) * log(p) + (1 - p) ** gamma / p) * p * (1 - p)]),
        (1, [(1 - p) ** gamma * (gamma * p * log(p) - p)]),
        (1, [(1 - p) ** gamma * (gamma * log(p) + p - 1)]),
        (2, [(gamma * (1 - p) ** (gamma - 1) * log(p) - (1 - p) ** gamma / p) * p * (1 - p), p - 1]),
    ],
    "dice_from_counts": [
        (1, [2 * tp / (2 * tp + 2 * fp + 2 * fn)]),
        (1, [2 * tp / (tp + fp + fn) * (1 + tp / (tp + fp + fn))]),
        (1, [2 * tp / (2 * tp + fp)]),
        (1, [2 * tp / (2 * tp + fp * fn)]),
        (2, [2 * tp / (2 * tp + fp + fn), 1 / (1 + fp + fn)]),
    ],
    "empty_image": [
        (1, [s / (p + r + s) ** 2]),
        (1, [h / ((p + r + s) * (p + h + r + s))]),
        (1, [(1 / (p + r + s) - 1 / (p + h + r + s)) / h]),
        (2, [(s / (p + r + s) - s / (p + h + r + s)) / h, s / h - s / (h * (1 + h))]),
        (1, [-s / ((p + r + s) * (p + h + r + s))]),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "first", "lines"), [(name, *wrong) for name, wrongs in WRONG.items() for wrong in wrongs]
)
def test_the_first_line_that_does_not_follow_is_named(name, first, lines):
    for seed in ("published", "a secret"):
        verdict = verdict_of(exercises[name], lambda *symbols: lines, seed)
        assert verdict.message.startswith(f"line {first} does not follow"), verdict.text()
        assert verdict.points < exercises[name].points


def test_a_line_that_agrees_at_a_few_points_does_not_follow():
    """A polynomial through a hundred points of the curve is not the curve."""
    points = [(k / 100, -sympy.log(sympy.Rational(k, 100)).evalf(40)) for k in range(10, 90, 10)]
    near = sympy.interpolate([(sympy.nsimplify(x), sympy.nsimplify(y, rational=True)) for x, y in points], p)
    lines = [near * (1 - (1 - p) ** gamma)]
    assert verdict_of(exercises["below_cross_entropy"], lambda *symbols: lines).points == 0


# ------------------------------------------------------------------------------------------- forbidden


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("cross_entropy", lambda z, t, *rest, **how: F.cross_entropy(z, t, ignore_index=255)),
        ("cross_entropy", lambda z, t, *rest, **how: -torch.log_softmax(z, 1).gather(1, t[:, None]).mean()),
        ("cross_entropy", lambda z, t, *rest, **how: torch.logsumexp(z, 1).mean()),
    ],
)
def test_ready_made_losses_are_not_counted(name, answer):
    assert verdict_of(exercises[name], answer).kind == "forbidden call"


def test_the_reference_may_not_be_handed_in():
    def answer(logits, target, *rest, **how):
        from dlcv.losses import dice_loss

        return dice_loss(logits, target, *rest, **how)

    assert verdict_of(exercises["dice_loss"], in_a_cell(answer)).kind == "forbidden call"


def test_points_of_the_chapter():
    assert exercises.points == 30  # and two for the essay
