"""What chapter 14 asks: cases, forbidden calls, and the slips that learners really make.

Most slips are one wrong line. They stand beside the right program that they are a line of.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from dlcv import depth
from dlcv.checking import Case, Exercises, Forbidden, ModuleCase
from dlcv.checking.derivation import is_solved_for, occurrences
from dlcv.depth import reference

exercises = Exercises("depth")
check = exercises.check

LEAST_SQUARES = Forbidden(
    "a ready-made least squares fit",
    aten=("linalg_lstsq*", "linalg_pinv*", "lstsq*"),
    names=("lstsq", "pinv", "pinverse", "polyfit", "linregress", "curve_fit", "least_squares", "minimize"),
)
DISTRIBUTION = Forbidden("a ready-made binomial distribution", names=("Binomial", "binom", "comb"))


def _maps(draw, *shape, known=0.7):
    """Prediction, target and mask. Unknown targets are NaN, and the prediction is 1000 there; two pixels are known."""
    prediction = draw.normal(shape)
    target = 2 * prediction + 3 + draw.normal(shape)
    mask = draw.uniform(shape) < known
    mask[:, 0, :2] = True
    return prediction.where(mask, 1000.0), target.where(mask, torch.nan), mask


def _known(prediction, target):
    return prediction, target, torch.ones(target.shape, dtype=torch.bool)


def _none(draw, *shape):
    return draw.normal(shape), draw.normal(shape), torch.zeros(shape, dtype=torch.bool)


# --------------------------------------------------------------------------- derivations · normal equations


def _shift_lines(s, t, m, d, y):
    import sympy

    slope = [2 * m[i] * (s * d[i] + t - y[i]) for i in (0, 1)]
    return [
        sympy.Eq(slope[0] + slope[1], 0, evaluate=False),
        sympy.Eq((m[0] + m[1]) * t, m[0] * (y[0] - s * d[0]) + m[1] * (y[1] - s * d[1]), evaluate=False),
        sympy.Eq(t, (m[0] * (y[0] - s * d[0]) + m[1] * (y[1] - s * d[1])) / (m[0] + m[1]), evaluate=False),
    ]


best_shift = exercises.derivation(
    "best_shift",
    _shift_lines,
    symbols=("s", "t", "m0 m1", "d0 d1", "y0 y1"),
    unknown="t",
    milestones=(
        ("`t` stands once", lambda line, s, t, *others: occurrences(line, t) == 1),
        ("`t` stands alone on the left", lambda line, s, t, *others: is_solved_for(line, t)),
    ),
    title="The best shift",
    points=1,
    difficulty=1,
    minutes=6,
    hints=(
        "Both brackets hold `t`. Divide by 2, multiply out, and bring all that has no `t` to the right.",
        "On the left stays `(m[0] + m[1]) * t`. What stays on the right of each pixel?",
        "`m[0] * (y[0] - s * d[0])` and the same for the other pixel, over `m[0] + m[1]`: a weighted mean.",
    ),
)


@best_shift.slip(
    "divided by the number of pixels",
    "You divide by 2, the number of pixels. Divide by the sum of the weights: a pixel that is unknown has weight 0.",
)
def _(s, t, m, d, y):
    import sympy

    return [sympy.Eq(t, (m[0] * (y[0] - s * d[0]) + m[1] * (y[1] - s * d[1])) / 2, evaluate=False)]


@best_shift.slip(
    "sign of the prediction",
    "The scaled prediction changes its sign when it comes over to the right: the shift is what s d falls short of y.",
)
def _(s, t, m, d, y):
    import sympy

    above = m[0] * (y[0] + s * d[0]) + m[1] * (y[1] + s * d[1])
    return [sympy.Eq(t, above / (m[0] + m[1]), evaluate=False)]


@best_shift.slip(
    "all signs turned",
    "Your shift has the wrong sign: it is what brings s d up to y, so y stands first, s d is taken away.",
)
def _(s, t, m, d, y):
    import sympy

    above = m[0] * (s * d[0] - y[0]) + m[1] * (s * d[1] - y[1])
    return [sympy.Eq(t, above / (m[0] + m[1]), evaluate=False)]


@best_shift.slip(
    "scale forgotten",
    "You take the prediction away as it is. What is shifted is the scaled prediction, s d.",
)
def _(s, t, m, d, y):
    import sympy

    above = m[0] * (y[0] - d[0]) + m[1] * (y[1] - d[1])
    return [sympy.Eq(t, above / (m[0] + m[1]), evaluate=False)]


@best_shift.slip(
    "weights only below",
    "The weights are missing above the fraction line: each pixel's difference counts with its weight.",
)
def _(s, t, m, d, y):
    import sympy

    return [sympy.Eq(t, (y[0] - s * d[0] + y[1] - s * d[1]) / (m[0] + m[1]), evaluate=False)]


def _scale_lines(s, n, a, b, p, q):
    import sympy

    return [
        sympy.Eq(a * s + b * ((q - b * s) / n), p, evaluate=False),
        sympy.Eq(n * a * s + b * q - b**2 * s, n * p, evaluate=False),
        sympy.Eq((n * a - b**2) * s, n * p - b * q, evaluate=False),
        sympy.Eq(s, (n * p - b * q) / (n * a - b**2), evaluate=False),
    ]


def _no_fraction(line, *symbols):
    import sympy

    powers = (node for node in sympy.preorder_traversal(line) if isinstance(node, sympy.Pow))
    return not any(node.exp.is_number and node.exp < 0 for node in powers)


best_scale = exercises.derivation(
    "best_scale",
    _scale_lines,
    symbols=("s", "n", "a", "b", "p", "q"),
    unknown="s",
    milestones=(
        ("no fraction is left", lambda line, s, *others: _no_fraction(line) or is_solved_for(line, s)),
        ("`s` stands alone on the left", lambda line, s, *others: is_solved_for(line, s)),
    ),
    title="The best scale",
    points=2,
    difficulty=2,
    minutes=8,
    hints=(
        "Multiply both sides by `n`, every term of them.",
        "Then `s` stands in two terms, `n*a*s` and `-b**2*s`. Take it out.",
        "`(n*a - b**2) * s` on the left, `n*p - b*q` on the right. What you divide by is the determinant.",
    ),
)


@best_scale.slip(
    "multiplied one term only",
    "You multiply by n, but not every term: `a*s` and `p` get the factor n as well.",
)
def _(s, n, a, b, p, q):
    import sympy

    return [sympy.Eq(a * s + b * (q - b * s), p, evaluate=False)]


@best_scale.slip(
    "left side multiplied only",
    "You multiply the left side by n and leave p as it is. Both sides get the factor.",
)
def _(s, n, a, b, p, q):
    import sympy

    return [sympy.Eq(n * a * s + b * q - b**2 * s, p, evaluate=False)]


@best_scale.slip(
    "sign of the determinant",
    "The two terms with s have different signs: n a s and - b^2 s. The determinant is their difference.",
)
def _(s, n, a, b, p, q):
    import sympy

    return [sympy.Eq(s, (n * p - b * q) / (n * a + b**2), evaluate=False)]


@best_scale.slip(
    "scale without a shift",
    "This is the best scale where no shift is allowed. With the shift put in, the means are taken away on both sides.",
)
def _(s, n, a, b, p, q):
    import sympy

    return [sympy.Eq(s, p / a, evaluate=False)]


@best_scale.slip(
    "sign of the target's sum",
    "b q changes its sign when it comes over to the right.",
)
def _(s, n, a, b, p, q):
    import sympy

    return [sympy.Eq(s, (n * p + b * q) / (n * a - b**2), evaluate=False)]


# ------------------------------------------------------------------------------------------- 1 · alignment

align = exercises.function(
    "align_scale_and_shift",
    reference.align_scale_and_shift,
    title="Scale and shift by least squares",
    points=3,
    difficulty=3,
    minutes=18,
    forbidden=(LEAST_SQUARES,),
    tolerance=1e-3,
    hints=(
        "Five sums for each image: of `d * d`, of `d`, of ones, of `d * y` and of `y`, over its valid pixels.",
        "`torch.where(mask, target, 0.0)` first: a NaN times 0 is NaN. Then `.sum((1, 2))` gives one sum an image.",
        "With `det = n * a - b * b`: scale `(n * p - b * q) / det` and shift `(a * q - b * p) / det`. Where `det` is 0 "
        "both are 0; `torch.where` chooses.",
    ),
)


@align.cases
def _(draw):
    d = torch.tensor([[[1.0, 2.0, 4.0]]])
    yield Case(*_known(d, 3 * d + 5), words="the target is 3 d + 5")
    yield Case(*_known(d, torch.tensor([[[1.0, 5.0, 3.0]]])), words="three pixels on no line")
    yield Case(*_maps(draw, 1, 4, 5), words="unknown pixels: NaN in the target, 1000 in the prediction")
    d = draw.integers((3, 3, 4), -4, 5)
    a, b = torch.tensor([1.0, 20.0, 3.0])[:, None, None], torch.tensor([10.0, 0.0, -40.0])[:, None, None]
    yield Case(*_known(d, a * d + b), words="each image has a scale and a shift of its own")
    yield Case(*_known(d, -2 * d), words="a prediction that is upside down: a negative scale")
    mask = torch.ones(3, 3, 4, dtype=torch.bool)
    mask[1], mask[2] = False, False
    mask[2, 1, 1] = True
    yield Case(d, 2 * d + 1, mask, words="an image without a valid pixel and one with one: 0 and 0")
    d = torch.cat([torch.full((1, 3, 4), 2.0), d[1:]])
    yield Case(*_known(d, draw.integers((3, 3, 4), 0, 9)), words="a constant prediction: 0 and 0")
    yield Case(*_maps(draw, 2, 3, 4), gradient=True, words="gradients of both maps")
    for _ in range(draw.count):
        shape = (draw.integer(1, 3), draw.integer(2, 6), draw.integer(3, 6))
        yield Case(*_maps(draw, *shape), words="random maps and masks")


def right_align(prediction, target, mask):
    d = torch.where(mask, prediction, 0.0)
    y = torch.where(mask, target, 0.0)
    n = mask.sum((1, 2))
    a, b = (d * d).sum((1, 2)), d.sum((1, 2))
    p, q = (d * y).sum((1, 2)), y.sum((1, 2))
    det = n * a - b * b
    solvable = det > 1e-6 * n * a
    det = torch.where(solvable, det, 1.0)
    scale = torch.where(solvable, (n * p - b * q) / det, 0.0)
    shift = torch.where(solvable, (a * q - b * p) / det, 0.0)
    return scale, shift


@align.slip(
    "scale only",
    "You fit a scale and no shift. A disparity is known up to both: without the shift, all depths are bent.",
)
def _(prediction, target, mask):
    d, y = torch.where(mask, prediction, 0.0), torch.where(mask, target, 0.0)
    scale = (d * y).sum((1, 2)) / (d * d).sum((1, 2)).clamp(min=1e-9)
    return scale, torch.zeros_like(scale)


@align.slip(
    "one fit for the batch",
    "You fit one scale and one shift to the whole batch. Each image comes from a source of its own: sum over (1, 2).",
)
def _(prediction, target, mask):
    d, y = prediction[mask], target[mask]
    off = d - d.mean()
    scale = (off * (y - y.mean())).sum() / (off * off).sum()
    return scale.expand(len(mask)), (y.mean() - scale * d.mean()).expand(len(mask))


align.slip_of(
    right_align,
    "aligned in depth",
    "You fit depths, one over each value. Scale and shift are those of the disparity: fit the maps as they are given.",
    ("torch.where(mask, prediction, 0.0)", "torch.where(mask, 1 / prediction, 0.0)"),
    ("torch.where(mask, target, 0.0)", "torch.where(mask, 1 / target, 0.0)"),
)
align.slip_of(
    right_align,
    "mask by multiplication",
    "You multiply by the mask, and 0 times NaN is NaN: one unknown pixel spoils the sums. Use `torch.where`.",
    ("torch.where(mask, target, 0.0)", "target * mask"),
)
align.slip_of(
    right_align,
    "predictions at unknown pixels",
    "Your sums over the prediction run over all pixels. Where the target is unknown, the prediction does not count.",
    ("torch.where(mask, prediction, 0.0)", "prediction"),
)
align.slip_of(
    right_align,
    "all pixels counted",
    "You count all pixels of the map. The sum of ones runs over the valid ones, like the others.",
    ("mask.sum((1, 2))", "mask[0].numel()"),
)
align.slip_of(
    right_align,
    "divided by a determinant of 0",
    "A constant prediction, or fewer than two pixels, has determinant 0, and you divide by it. Return 0 and 0 there.",
    ("det = torch.where(solvable, det, 1.0)", "solvable = torch.ones_like(solvable)"),
)
align.slip_of(
    right_align,
    "a shift where there is no solution",
    "For a constant prediction you return the target's mean as the shift. Both are 0 where there is no one solution.",
    (
        "shift = torch.where(solvable, (a * q - b * p) / det, 0.0)",
        "shift = torch.where(solvable, (a * q - b * p) / det, q / n.clamp(min=1))",
    ),
)
align.slip_of(
    right_align,
    "a scale of 1 where there is no solution",
    "Where there is no one solution you leave the prediction as it is. This course returns 0 for both.",
    ("(n * p - b * q) / det, 0.0)", "(n * p - b * q) / det, 1.0)"),
)
align.slip_of(
    right_align,
    "scale from the spreads",
    "You divide the spread of the target by that of the prediction. That is as large as the best scale only where all "
    "pixels lie on a rising line: else the covariance belongs above the fraction line.",
    (
        "return scale, shift",
        "scale = torch.where(solvable, ((n * (y * y).sum((1, 2)) - q * q).clamp(min=0) / det).sqrt(), 0.0)\n"
        "    shift = torch.where(solvable, (q - scale * b) / n.clamp(min=1), 0.0)\n"
        "    return scale, shift",
    ),
)
align.slip_of(
    right_align,
    "scale and shift exchanged",
    "You return the shift first. First comes the scale.",
    ("return scale, shift", "return shift, scale"),
)
align.slip_of(
    right_align,
    "sign in the shift",
    "The shift's numerator is a difference: a q - b p.",
    ("a * q - b * p", "a * q + b * p"),
)
align.slip_of(
    right_align,
    "target aligned to the prediction",
    "You bring the target to the prediction. The prediction is what has no unit: s d + t should meet the target.",
    ("torch.where(mask, prediction, 0.0)", "torch.where(mask, target, 0.0)"),
    ("y = torch.where(mask, target, 0.0)", "y = torch.where(mask, prediction, 0.0)"),
)


@align.slip(
    "as it circulates",
    "You ask for a determinant that is not exactly 0 and multiply by the mask, as a program does that circulates. NaN "
    "times 0 is NaN, and rounding makes a constant map's determinant small, but not 0.",
)
def _(prediction, target, mask):
    a, b, n = (mask * prediction**2).sum((1, 2)), (mask * prediction).sum((1, 2)), mask.sum((1, 2))
    p, q = (mask * prediction * target).sum((1, 2)), (mask * target).sum((1, 2))
    det = a * n - b * b
    scale, shift = torch.zeros_like(p), torch.zeros_like(p)
    fine = det != 0
    scale[fine] = (n * p - b * q)[fine] / det[fine]
    shift[fine] = (a * q - b * p)[fine] / det[fine]
    return scale, shift


# ----------------------------------------------------------------------------------- 2 · error after alignment

mse = exercises.function(
    "ssi_mse",
    reference.ssi_mse,
    title="A loss that ignores scale and shift",
    points=2,
    difficulty=2,
    minutes=8,
    tolerance=1e-3,
    allowed=("align_scale_and_shift",),
    hints=(
        "Align first. Scale and shift are (N,), the maps (N, H, W): `scale[:, None, None]`.",
        "The residual is the aligned prediction minus the target, and 0 where the `mask` is False.",
        "Sum of squares over two times `mask.sum()`, all images together. `clamp(min=1)` for a batch without a pixel.",
    ),
)


@mse.cases
def _(draw):
    d = torch.tensor([[[1.0, 2.0, 4.0, 5.0]]])
    yield Case(*_known(d, torch.tensor([[[1.0, 5.0, 3.0, 9.0]]])), words="four pixels on no line")
    yield Case(*_known(d, 3 * d + 5), smoke=True, words="the target is 3 d + 5: 0")
    yield Case(*_maps(draw, 1, 4, 5), words="unknown pixels: NaN in the target, 1000 in the prediction")
    prediction, target, mask = _maps(draw, 2, 4, 6, known=1.0)
    mask[1, 1:] = False
    yield Case(prediction, target, mask, words="two images that know different numbers of pixels")
    d = draw.integers((2, 3, 4), -4, 5)
    y = torch.tensor([1.0, 30.0])[:, None, None] * d + draw.normal((2, 3, 4))
    yield Case(*_known(d, y), words="each image has a scale of its own")
    yield Case(*_maps(draw, 2, 3, 4), gradient=True, words="gradients of both maps")
    yield Case(*_none(draw, 2, 3, 4), smoke=True, words="no pixel is known: 0")
    for _ in range(draw.count):
        shape = (draw.integer(1, 3), draw.integer(2, 6), draw.integer(3, 6))
        yield Case(*_maps(draw, *shape), words="random maps and masks")


def right_ssi_mse(prediction, target, mask):
    scale, shift = depth.align_scale_and_shift(prediction, target, mask)
    aligned = scale[:, None, None] * prediction + shift[:, None, None]
    residual = torch.where(mask, aligned - target, 0.0)
    return (residual**2).sum() / (2 * mask.sum().clamp(min=1))


mse.slip_of(
    right_ssi_mse,
    "not aligned",
    "You compare the maps as they are. The prediction's scale and shift mean nothing: align it first.",
    ("aligned - target", "prediction - target"),
)
mse.slip_of(
    right_ssi_mse,
    "shift left out",
    "You scale the prediction and do not shift it.",
    (" + shift[:, None, None]", ""),
)
mse.slip_of(
    right_ssi_mse,
    "factor one half",
    "The 2 of 1 / (2M) is missing.",
    ("(2 * mask.sum().clamp(min=1))", "mask.sum().clamp(min=1)"),
)
mse.slip_of(
    right_ssi_mse,
    "divided by all pixels",
    "You divide by all pixels. M counts the valid ones, else a sparse truth gives a small loss.",
    ("mask.sum().clamp(min=1)", "mask.numel()"),
)
mse.slip_of(
    right_ssi_mse,
    "mean of the images' means",
    "You take each image's mean and then the mean of those. M counts the valid pixels of the whole batch, all alike.",
    (
        "(residual**2).sum() / (2 * mask.sum().clamp(min=1))",
        "((residual**2).sum((1, 2)) / (2 * mask.sum((1, 2)).clamp(min=1))).mean()",
    ),
)
mse.slip_of(
    right_ssi_mse,
    "NaN from unknown pixels",
    "You multiply by the mask, and 0 times NaN is NaN. Use `torch.where`.",
    ("torch.where(mask, aligned - target, 0.0)", "mask * (aligned - target)"),
)
mse.slip_of(
    right_ssi_mse,
    "absolute errors",
    "You sum absolute errors. Scale and shift are best for squared ones.",
    ("(residual**2)", "residual.abs()"),
)
mse.slip_of(
    right_ssi_mse,
    "NaN where nothing is known",
    "In a batch without a valid pixel you divide 0 by 0. The loss of nothing is 0.",
    (".clamp(min=1)", ""),
)


# ------------------------------------------------------------------------------------ 3 · median and deviation

normalize = exercises.function(
    "normalize_median",
    reference.normalize_median,
    title="Median 0, deviation 1",
    points=2,
    difficulty=2,
    minutes=10,
    hints=(
        "One image at a time: `x[n][mask[n]]` holds its valid values and nothing else.",
        "The deviation is the mean of the absolute differences from the `median`. Unknown pixels stay 0.",
        "Divide only where the deviation is above 0. An image of one value, or of none, stays 0.",
    ),
)


@normalize.cases
def _(draw):
    x = torch.tensor([[[1.0, 2.0, 6.0, 1000.0]]])
    yield Case(x, x < 100, words="1, 2 and 6, and an unknown pixel")
    x = torch.tensor([[[10.0, 11.0, 13.0, 0.0, 0.0, 0.0, 0.0]]])
    yield Case(x, x > 0, words="more unknown pixels than known ones")
    x = torch.tensor([[[4.0, 1.0, 2.0, 9.0]]])
    yield Case(x, x > 0, words="four values: the lower of the two in the middle")
    x = draw.integers((3, 3, 5), -9, 10) * torch.tensor([1.0, 10.0, 0.1])[:, None, None] + 5
    yield Case(x, torch.ones(3, 3, 5, dtype=torch.bool), words="three images of different scale")
    flat = x.clone()
    flat[1] = 3.0
    yield Case(flat, x == x, words="an image of one value: zeros")
    _, target, mask = _maps(draw, 2, 4, 5)
    yield Case(target, mask, words="unknown pixels are NaN")
    mask = mask.clone()
    mask[0] = False
    yield Case(x[:2, :, :], mask[:, :3, :5], words="an image without a valid pixel: zeros")
    yield Case(draw.normal((2, 3, 3)), mask[:, :3, :3] | True, gradient=True, words="gradient")
    for _ in range(draw.count):
        _, target, mask = _maps(draw, draw.integer(1, 3), draw.integer(2, 5), draw.integer(3, 6))
        yield Case(target, mask, words="random maps and masks")


def right_normalize(x, mask):
    out = torch.zeros_like(x)
    for n in range(len(x)):
        values = x[n][mask[n]]
        if len(values) == 0:
            continue
        away = values - values.median()
        deviation = away.abs().mean()
        if deviation > 0:
            out[n][mask[n]] = away / deviation
    return out


normalize.slip_of(
    right_normalize,
    "median over zeros",
    "You set unknown pixels to 0 and take the median of all. Where many are unknown, it is 0. So does a program that "
    "circulates. Pick the valid pixels first.",
    ("values.median()", "torch.where(mask[n], x[n], 0.0).median()"),
)
normalize.slip_of(
    right_normalize,
    "deviation over all pixels",
    "You divide the sum of the deviations by all pixels of the map. Only the valid ones are in it.",
    ("away.abs().mean()", "away.abs().sum() / mask[n].numel()"),
)
normalize.slip_of(
    right_normalize,
    "mean instead of median",
    "You take the mean away. A few pixels that are far off move it; they do not move the median.",
    ("values.median()", "values.mean()"),
)
normalize.slip_of(
    right_normalize,
    "standard deviation",
    "You divide by the root of the mean square. The deviation here is the mean of absolute values.",
    ("away.abs().mean()", "(away**2).mean().sqrt()"),
)
normalize.slip_of(
    right_normalize,
    "median of the deviations",
    "You divide by the median of the deviations. It is their mean.",
    ("away.abs().mean()", "away.abs().median()"),
)
normalize.slip_of(
    right_normalize,
    "mean of the two in the middle",
    "For an even number you take the mean of the two in the middle. Here the lower counts, as in `torch.median`.",
    ("values.median()", "values.quantile(0.5)"),
)
normalize.slip_of(
    right_normalize,
    "divided by 0",
    "An image of one value has deviation 0, and you divide by it. It stays 0.",
    ("if deviation > 0:", "if True:"),
)
normalize.slip_of(
    right_normalize,
    "only shifted",
    "The median is away, but the deviation is not divided out: a scale is still seen.",
    ("away / deviation", "away"),
)


@normalize.slip(
    "as it circulates",
    "Your median is over zeros: mask times map is 0 where nothing is known, and where that is much, so is the median. "
    "A program that circulates does this. Pick the valid pixels first; at the others the result is 0.",
)
def _(x, mask):
    centre = (mask * x).flatten(1).median(1).values
    away = x - centre[:, None, None]
    spread = ((mask * away.abs()).sum((1, 2)) / mask.sum((1, 2))).clamp(min=1e-6)
    return away / spread[:, None, None]


@normalize.slip(
    "median over zeros, and 0 by 0",
    "Your median is over the zeros at unknown pixels as well: pick the valid ones first. And where an image has one "
    "value, or none, the deviation is 0; do not divide by it.",
)
def _(x, mask):
    known = torch.where(mask, x, 0.0)
    away = torch.where(mask, known - known.flatten(1).median(1).values[:, None, None], 0.0)
    deviation = away.abs().sum((1, 2)) / mask.sum((1, 2))
    return away / deviation[:, None, None]


# ---------------------------------------------------------------------------------------------- 4 · trimming

trimmed = exercises.function(
    "ssi_trimmed_loss",
    reference.ssi_trimmed_loss,
    title="Without the worst fifth",
    points=3,
    difficulty=3,
    minutes=12,
    tolerance=1e-3,
    allowed=("normalize_median",),
    hints=(
        "Normalise both maps and take absolute differences. Then one image at a time.",
        "`sort` returns a pair: `.values` and where they came from. The smallest come first, and they are what stays.",
        "`errors[: int((1 - trim) * len(errors))]`, summed over all images, over two times `mask.sum()`: the trimmed "
        "pixels count below the line.",
    ),
)


@trimmed.cases
def _(draw):
    y = torch.arange(10.0).reshape(1, 2, 5)
    yield Case(*_known(draw.permutation(10).float().reshape(1, 2, 5), y), words="ten pixels: eight count")
    yield Case(*_known(-y, y), words="upside down is wrong")
    yield Case(*_known(2 * y + 7, y), smoke=True, words="another scale and shift: 0")
    fewer = torch.ones(2, 2, 5, dtype=torch.bool)
    fewer[1, 1, :2] = False
    yield Case(
        torch.cat([y, -y]), torch.cat([y + y % 3, y]), fewer,
        words="an image with ten pixels and one with eight, of which six count",
    )  # fmt: skip
    yield Case(*_maps(draw, 1, 4, 6), words="unknown pixels: NaN in the target, 1000 in the prediction")
    d, target, mask = _known(draw.normal((2, 4, 5)), draw.normal((2, 4, 5)))
    d[0] = target[0] + 0.1 * draw.normal((4, 5))
    yield Case(d, target, mask, words="one image good and one bad: each loses a fifth")
    yield Case(d, target, mask, trim=0.5, words="half is left out")
    yield Case(d, target, mask, trim=0.0, words="nothing is left out")
    yield Case(*_maps(draw, 2, 4, 4), gradient=True, words="gradients of both maps")
    yield Case(*_none(draw, 2, 3, 4), smoke=True, words="no pixel is known: 0")
    for _ in range(draw.count):
        shape = (draw.integer(1, 3), draw.integer(3, 6), draw.integer(3, 6))
        yield Case(*_maps(draw, *shape), draw.choice([0.1, 0.2, 0.25]), words="random maps, masks and shares")


def right_trimmed(prediction, target, mask, trim=0.2):
    d, y = depth.normalize_median(prediction, mask), depth.normalize_median(target, mask)
    residual = (d - y).abs()
    total = 0.0
    for n in range(len(mask)):
        errors = residual[n][mask[n]].sort().values
        kept = int((1 - trim) * len(errors))
        total = total + errors[:kept].sum()
    return total / (2 * mask.sum().clamp(min=1))


trimmed.slip_of(
    right_trimmed,
    "trimmed at the wrong end",
    "You drop the smallest residuals and keep the largest. `sort` puts the smallest first: keep the beginning.",
    ("errors[:kept]", "errors[len(errors) - kept :]"),
)
trimmed.slip_of(
    right_trimmed,
    "nothing trimmed",
    "Nothing is left out. Did you slice what `sort` returns? That is a pair (values, indices), and the first 80% of a "
    "pair is its first part, whole. A program that circulates does so.",
    ("errors[:kept]", "errors"),
)
trimmed.slip_of(
    right_trimmed,
    "share kept instead of dropped",
    "You keep the share `trim`. It is the share that is left out.",
    ("int((1 - trim) * len(errors))", "int(trim * len(errors))"),
)
trimmed.slip_of(
    right_trimmed,
    "divided by what is kept",
    "You divide by the pixels that are kept. M counts the trimmed ones, too.",
    ("total = 0.0", "total, count = 0.0, 0"),
    ("total = total + errors[:kept].sum()", "total, count = total + errors[:kept].sum(), count + kept"),
    ("mask.sum().clamp(min=1)", "max(1, count)"),
)
trimmed.slip_of(
    right_trimmed,
    "mean of the images' losses",
    "You divide each image by its own pixels and take the mean. M counts the valid pixels of the whole batch.",
    ("errors[:kept].sum()", "errors[:kept].sum() / (2 * max(1, len(errors)) * len(mask))"),
    ("total / (2 * mask.sum().clamp(min=1))", "total"),
)
trimmed.slip_of(
    right_trimmed,
    "rounded",
    "You round the number of pixels that stay. It is rounded down, as `int` does.",
    ("int((1 - trim)", "round((1 - trim)"),
)
trimmed.slip_of(
    right_trimmed,
    "unknown pixels sorted with the others",
    "You sort all pixels of the map. Unknown ones have residual 0, stay, and let bad ones stay: a share of the valid "
    "ones is left out.",
    ("residual[n][mask[n]].sort()", "residual[n].flatten().sort()"),
)
trimmed.slip_of(
    right_trimmed,
    "up to a quantile",
    "You keep what is below a quantile, which lies between two pixels, or on several equal ones. Count instead: the "
    "smallest int((1 - trim) * M).",
    ("errors[:kept].sum()", "(errors[errors <= errors.quantile(1 - trim)] if len(errors) else errors).sum()"),
)
trimmed.slip_of(
    right_trimmed,
    "factor one half",
    "The 2 of 1 / (2M) is missing.",
    ("(2 * mask.sum().clamp(min=1))", "mask.sum().clamp(min=1)"),
)
trimmed.slip_of(
    right_trimmed,
    "sorted with the sign",
    "You sort residuals with their sign, so that the most negative ones stay. Take absolute values first.",
    ("(d - y).abs()", "d - y"),
    ("errors[:kept].sum()", "errors[:kept].abs().sum()"),
)
trimmed.slip_of(
    right_trimmed,
    "target not normalised",
    "You normalise the prediction and not the target. Its scale and shift are unknown as well.",
    ("depth.normalize_median(target, mask)", "target"),
)
trimmed.slip_of(
    right_trimmed,
    "squared",
    "You square the residuals. This loss takes absolute values, so that outliers weigh less.",
    ("(d - y).abs()", "(d - y) ** 2"),
)


@trimmed.slip(
    "as it circulates",
    "`kept, _ = sort(...)[:n]` slices a pair, values and places. The first n of two things are both, so nothing is "
    "left out, and where n is 0 there is nothing to unpack. Take `.values` and slice those, image by image.",
)
def _(prediction, target, mask, trim=0.2):
    d, y = depth.normalize_median(prediction, mask), depth.normalize_median(target, mask)
    errors = (d - y)[mask].abs()
    kept, _ = torch.sort(errors)[: int((1 - trim) * len(errors))]
    return kept.sum() / (2 * mask.sum())


@trimmed.slip(
    "trimmed over the batch",
    "You sort the pixels of all images together, so that a bad image loses most and a good one nothing. Trim each.",
)
def _(prediction, target, mask, trim=0.2):
    d, y = depth.normalize_median(prediction, mask), depth.normalize_median(target, mask)
    errors = (d - y).abs()[mask].sort().values
    return errors[: int((1 - trim) * len(errors))].sum() / (2 * mask.sum().clamp(min=1))


# ----------------------------------------------------------------------------------------------- 5 · gradients

edges = exercises.function(
    "gradient_matching_loss",
    reference.gradient_matching_loss,
    title="Edges where the truth has them",
    points=3,
    difficulty=3,
    minutes=15,
    hints=(
        "Differences of neighbours, across and down: `r[:, :, 1:] - r[:, :, :-1]` and the same along axis 1.",
        "A difference counts where both pixels are valid: `m[:, :, 1:] & m[:, :, :-1]`. Set unknown pixels to 0 first.",
        "At scale k take `residual[:, ::step, ::step]` with `step = 2**k`, and the mask alike; divide by that mask's "
        "`sum`, and add the scales up.",
    ),
)


@edges.cases
def _(draw):
    step = torch.tensor([[[0.0, 0.0, 3.0, 3.0], [0.0, 0.0, 3.0, 3.0]]])
    full = torch.ones(1, 2, 4, dtype=torch.bool)
    yield Case(step, full, scales=1, words="a step between two columns, one scale")
    yield Case(
        step.mT.contiguous(), full.mT.contiguous(), scales=1, words="a step between two rows, one scale"
    )
    yield Case(
        torch.full((1, 4, 4), 5.0), torch.ones(1, 4, 4) > 0, smoke=True, words="a constant residual: 0"
    )
    ramp = torch.arange(16.0).expand(1, 16, 16).contiguous()
    yield Case(ramp, ramp >= 0, words="a ramp at four scales")
    residual, target, mask = _maps(draw, 2, 9, 11)
    yield Case(target, mask, words="unknown pixels are NaN")
    yield Case(residual, mask, scales=1, words="one scale: unknown pixels are 1000")
    yield Case(*_maps(draw, 1, 3, 7)[1:], words="a map smaller than the coarsest step")
    yield Case(draw.normal((2, 6, 6)), mask[:, :6, :6], gradient=True, words="gradient")
    yield Case(draw.normal((1, 4, 4)), torch.zeros(1, 4, 4) > 0, smoke=True, words="no pixel is known: 0")
    for _ in range(draw.count):
        _, target, mask = _maps(draw, draw.integer(1, 2), draw.integer(5, 12), draw.integer(5, 12))
        yield Case(target, mask, draw.integer(1, 4), words="random maps and scales")


def right_edges(residual, mask, scales=4):
    residual = torch.where(mask, residual, 0.0)
    total = 0.0
    for k in range(scales):
        step = 2**k
        r, m = residual[:, ::step, ::step], mask[:, ::step, ::step]
        across = (r[:, :, 1:] - r[:, :, :-1]).abs() * (m[:, :, 1:] & m[:, :, :-1])
        down = (r[:, 1:] - r[:, :-1]).abs() * (m[:, 1:] & m[:, :-1])
        total = total + (across.sum() + down.sum()) / m.sum().clamp(min=1)
    return total


edges.slip_of(
    right_edges,
    "edges of unknown regions",
    "You count differences between a valid pixel and an unknown one. Both must be valid, else the mask has edges.",
    ("(m[:, :, 1:] & m[:, :, :-1])", "(m[:, :, 1:] | m[:, :, :-1])"),
    ("(m[:, 1:] & m[:, :-1])", "(m[:, 1:] | m[:, :-1])"),
)
edges.slip_of(
    right_edges,
    "steps 1, 2, 3, 4",
    "Your scales take every 1st, 2nd, 3rd and 4th pixel. The step doubles: 1, 2, 4, 8.",
    ("2**k", "k + 1"),
)
edges.slip_of(
    right_edges,
    "far neighbours at every pixel",
    "You compare pixels that are 2^k apart, at every pixel. A scale has only every 2^k-th row and column: thin the map "
    "out, then compare neighbours.",
    ("residual[:, ::step, ::step], mask[:, ::step, ::step]", "residual, mask"),
    ("(r[:, :, 1:] - r[:, :, :-1])", "(r[:, :, step:] - r[:, :, :-step])"),
    ("(m[:, :, 1:] & m[:, :, :-1])", "(m[:, :, step:] & m[:, :, :-step])"),
    ("(r[:, 1:] - r[:, :-1])", "(r[:, step:] - r[:, :-step])"),
    ("(m[:, 1:] & m[:, :-1])", "(m[:, step:] & m[:, :-step])"),
)
edges.slip_of(
    right_edges,
    "pairs counted",
    "You divide by the pairs. M counts the valid pixels of the scale.",
    (
        "m.sum().clamp(min=1)",
        "((m[:, :, 1:] & m[:, :, :-1]).sum() + (m[:, 1:] & m[:, :-1]).sum()).clamp(min=1)",
    ),
)
edges.slip_of(
    right_edges,
    "pixels of the finest scale",
    "You divide every scale by the valid pixels of the whole map. A coarse scale has fewer: take its own mask.",
    ("m.sum().clamp(min=1)", "mask.sum().clamp(min=1)"),
)
edges.slip_of(
    right_edges,
    "mean over the scales",
    "You take the mean over the scales. They are added.",
    ("return total", "return total / scales"),
)
edges.slip_of(
    right_edges,
    "across only",
    "Only differences along a row are in your sum. Add those along a column.",
    ("across.sum() + down.sum()", "across.sum()"),
)
edges.slip_of(
    right_edges,
    "finest scale only",
    "All of your scales are the finest one. Take every `step`-th row and column of residual and mask.",
    ("step = 2**k", "step = 1"),
)
edges.slip_of(
    right_edges,
    "squares",
    "You square the differences. Take absolute values, which allow a sharp edge.",
    ("(r[:, :, 1:] - r[:, :, :-1]).abs()", "(r[:, :, 1:] - r[:, :, :-1]) ** 2"),
    ("(r[:, 1:] - r[:, :-1]).abs()", "(r[:, 1:] - r[:, :-1]) ** 2"),
)
edges.slip_of(
    right_edges,
    "ups and downs cancel",
    "You add differences with their sign, so that an edge up and an edge down cancel. Take absolute values.",
    ("(r[:, :, 1:] - r[:, :, :-1]).abs()", "(r[:, :, 1:] - r[:, :, :-1])"),
    ("(r[:, 1:] - r[:, :-1]).abs()", "(r[:, 1:] - r[:, :-1])"),
)


# ------------------------------------------------------------------------------------------------- 6 · metrics

scores = exercises.function(
    "depth_metrics",
    reference.depth_metrics,
    title="Nine numbers",
    points=3,
    difficulty=2,
    minutes=15,
    hints=(
        "Pick the valid pixels of both maps once; without a `mask` they are those with a finite target above 0.",
        "All logarithms are natural but for `log10`. Errors are relative to the target, not to the prediction.",
        "silog is 100 times the root of the mean square of the log error minus its `mean`. The deltas compare "
        "`torch.maximum(z / true, true / z)` with 1.25, 1.25**2, 1.25**3, and equal is not below.",
    ),
)


@scores.cases
def _(draw):
    def like(*shape):
        target = draw.uniform(shape, 0.5, 10)
        return target * (0.3 * draw.normal(shape)).exp(), target

    z, true = torch.tensor([[[1.0, 2.5, 8.0]]]), torch.tensor([[[1.0, 2.0, 4.0]]])
    yield Case(z, true, words="1, 2.5 and 8 metres for 1, 2 and 4")
    yield Case(true.flip(2), z, words="ratios on both sides of 1")
    yield Case(
        torch.tensor([[[5.0, 4.0, 25.0]]]), torch.tensor([[[4.0, 5.0, 16.0]]]), words="ratios of exactly 1.25"
    )
    z, true = like(2, 3, 4)
    yield Case(3 * true, true, words="wrong by a factor of 3 everywhere")
    mask = draw.uniform((2, 3, 4)) < 0.6
    mask[0, 0, 0], mask[1, 1, 1] = True, False
    yield Case(z.where(mask, 700.0), true.where(mask, 0.01), mask, words="with a mask")
    yield Case(z, true.where(mask, 0.0), words="without a mask: the target is 0 where unknown")
    yield Case(z, true.where(mask, torch.nan), words="without a mask: the target is NaN where unknown")
    yield Case(z, true.where(mask, torch.inf), words="without a mask: the target is infinite where unknown")
    few = torch.ones(2, 3, 4, dtype=torch.bool)
    few[1, 1:] = False
    yield Case(z, true, few, words="two maps that know different numbers of pixels")
    for _ in range(draw.count):
        yield Case(*like(draw.integer(1, 2), draw.integer(2, 5), draw.integer(2, 5)), words="random depths")


def right_metrics(prediction, target, mask=None):
    if mask is None:
        mask = target.isfinite() & (target > 0)
    z, true = prediction[mask], target[mask]
    e = z.log() - true.log()
    ratio = torch.maximum(z / true, true / z)
    return {
        "abs_rel": ((z - true).abs() / true).mean(),
        "sq_rel": ((z - true) ** 2 / true).mean(),
        "rmse": ((z - true) ** 2).mean().sqrt(),
        "rmse_log": (e**2).mean().sqrt(),
        "log10": (z.log10() - true.log10()).abs().mean(),
        "silog": 100 * ((e - e.mean()) ** 2).mean().sqrt(),
        "delta1": (ratio < 1.25).float().mean(),
        "delta2": (ratio < 1.25**2).float().mean(),
        "delta3": (ratio < 1.25**3).float().mean(),
    }


scores.slip_of(
    right_metrics,
    "relative to the prediction",
    "You divide by the prediction. Relative errors are relative to the truth; else predicting far away looks good.",
    ("(z - true).abs() / true", "(z - true).abs() / z"),
    ("(z - true) ** 2 / true", "(z - true) ** 2 / z"),
)
scores.slip_of(
    right_metrics,
    "equal counts as below",
    "A ratio of exactly 1.25 counts as good in yours. The delta is strict: below 1.25.",
    ("ratio < 1.25)", "ratio <= 1.25)"),
    ("ratio < 1.25**2", "ratio <= 1.25**2"),
    ("ratio < 1.25**3", "ratio <= 1.25**3"),
)
scores.slip_of(
    right_metrics,
    "ratio on one side",
    "You look at prediction over truth only, so that anything too near is good. Take the larger of both ratios.",
    ("torch.maximum(z / true, true / z)", "z / true"),
)
scores.slip_of(
    right_metrics,
    "silog is rmse_log",
    "The mean log error is not taken away, so your silog is rmse_log. It should not see one factor everywhere.",
    ("(e - e.mean()) ** 2", "e ** 2"),
)
scores.slip_of(
    right_metrics,
    "silog without root",
    "This is the variance of the log error. silog is 100 times its root.",
    ("((e - e.mean()) ** 2).mean().sqrt()", "((e - e.mean()) ** 2).mean()"),
)
scores.slip_of(
    right_metrics,
    "silog without the 100",
    "silog is given in hundredths, as KITTI does: 100 times the standard deviation of the log error.",
    ("100 * ((e - e.mean())", "((e - e.mean())"),
)
scores.slip_of(
    right_metrics,
    "thresholds not raised",
    "Your thresholds are 1.25, 2.5 and 3.75. They are powers: 1.25, 1.25^2, 1.25^3.",
    ("ratio < 1.25**2", "ratio < 1.25 * 2"),
    ("ratio < 1.25**3", "ratio < 1.25 * 3"),
)
scores.slip_of(
    right_metrics,
    "rmse without root",
    "This is the mean square. Its root is in metres.",
    ("((z - true) ** 2).mean().sqrt()", "((z - true) ** 2).mean()"),
)
scores.slip_of(
    right_metrics,
    "mask not used",
    "You do not use the mask that you are given.",
    ("if mask is None:", "if True:"),
)
scores.slip_of(
    right_metrics,
    "infinite targets counted",
    "Without a mask, you count pixels whose target is infinite, such as the sky. Only a finite target is known.",
    ("target.isfinite() & (target > 0)", "target > 0"),
)
scores.slip_of(
    right_metrics,
    "truth squared, too",
    "Your sq_rel divides by the square of the truth. Only the error is squared: metres squared over metres.",
    ("(z - true) ** 2 / true)", "((z - true) / true) ** 2)"),
)
scores.slip_of(
    right_metrics,
    "silog over one pixel less",
    "`std` divides by the number of pixels less one. silog takes the mean: `unbiased=False`, or the root of the mean "
    "square.",
    ("((e - e.mean()) ** 2).mean().sqrt()", "e.std()"),
)
scores.slip_of(
    right_metrics,
    "natural log10",
    "Your log10 takes natural logarithms. It is the one that does not.",
    ("(z.log10() - true.log10())", "e"),
)


@scores.slip(
    "mean of the images' numbers",
    "You compute the numbers of each map and take their mean, as many benchmarks do. Here all valid pixels count "
    "together.",
)
def _(prediction, target, mask=None):
    mask = target.isfinite() & (target > 0) if mask is None else mask
    found = []
    for z, true in ((p[m], t[m]) for p, t, m in zip(prediction, target, mask, strict=True)):
        e, ratio = (z / true).log(), torch.maximum(z / true, true / z)
        found.append(
            {
                "abs_rel": ((z - true).abs() / true).mean(),
                "sq_rel": ((z - true) ** 2 / true).mean(),
                "rmse": ((z - true) ** 2).mean().sqrt(),
                "rmse_log": (e**2).mean().sqrt(),
                "log10": (z.log10() - true.log10()).abs().mean(),
                "silog": 100 * e.std(unbiased=False),
                **{f"delta{k}": (ratio < 1.25**k).float().mean() for k in (1, 2, 3)},
            }
        )
    return {name: torch.stack([one[name] for one in found]).mean() for name in found[0]}


scores.slip_of(
    right_metrics,
    "unknown pixels counted",
    "Without a mask, you count pixels whose target is 0 or NaN: they are unknown.",
    ("mask = target.isfinite() & (target > 0)", "mask = torch.ones_like(target, dtype=torch.bool)"),
)


# -------------------------------------------------------------------------------------- 7 · centres of bins

centres = exercises.function(
    "bin_centres",
    reference.bin_centres,
    title="Bins from the nearest to the farthest",
    points=2,
    difficulty=2,
    minutes=8,
    hints=(
        "Divide the `widths` by their sum: shares of the way from `min_depth` to `max_depth`.",
        "`cumsum` gives the share up to each bin's far edge. Where is its centre?",
        "`share.cumsum(axis) - share / 2`, times the range, plus `min_depth`. The bins are axis 1 of a map.",
    ),
)


@centres.cases
def _(draw):
    yield Case(torch.tensor([1.0, 1.0, 2.0]), 0.0, 8.0, words="bins of 2, 2 and 4 metres")
    yield Case(torch.tensor([1.0, 3.0]), 2.0, 10.0, words="depths from 2 to 10 metres")
    yield Case(torch.tensor([0.2, 0.0, 0.8]), 1.0, 11.0, words="a bin without width")
    yield Case(draw.uniform((2, 5), 0.1, 1), 0.5, 10.0, words="two rows of bins")
    yield Case(draw.uniform((2, 4, 3, 5), 0.1, 1), 0.5, 80.0, words="maps (N, K, H, W)")
    yield Case(draw.uniform((2, 4), 0.1, 1), 0.5, 10.0, gradient=True, words="gradient")
    for _ in range(draw.count):
        shape = (draw.integer(1, 2), draw.integer(2, 6), draw.integer(2, 3), draw.integer(2, 4))
        low = draw.integer(1, 4)
        yield Case(draw.uniform(shape, 0.1, 3), low, low + draw.integer(1, 50), words="random maps")


def right_centres(widths, min_depth, max_depth):
    axis = min(1, widths.dim() - 1)
    share = widths / widths.sum(axis, keepdim=True)
    return min_depth + (max_depth - min_depth) * (share.cumsum(axis) - share / 2)


centres.slip_of(
    right_centres,
    "far edges",
    "These are the bins' far edges. The centre is half a width before.",
    ("(share.cumsum(axis) - share / 2)", "share.cumsum(axis)"),
)
centres.slip_of(
    right_centres,
    "near edges",
    "These are the bins' near edges. The centre is half a width behind.",
    ("share / 2", "share"),
)
centres.slip_of(
    right_centres,
    "starts at 0",
    "Your bins begin at 0. The first one begins at `min_depth`.",
    ("return min_depth + ", "return "),
)
centres.slip_of(
    right_centres,
    "beyond the farthest",
    "Your bins are `max_depth` long in all, so that they end beyond it. They fill what is between the two depths.",
    ("(max_depth - min_depth)", "max_depth"),
)
centres.slip_of(
    right_centres,
    "widths not divided by their sum",
    "You take the widths as they are. They are shares once they are divided by their sum.",
    (" / widths.sum(axis, keepdim=True)", ""),
)
centres.slip_of(
    right_centres,
    "softmax of the widths",
    "You take a softmax of the widths. They are widths already: divide them by their sum.",
    ("widths / widths.sum(axis, keepdim=True)", "widths.softmax(axis)"),
)
centres.slip_of(
    right_centres,
    "along the last axis",
    "You sum along the last axis, which is a row of the image. The bins of a map are axis 1.",
    ("min(1, widths.dim() - 1)", "-1"),
)


# ------------------------------------------------------------------------------------------ 8 · log-binomial

binomial = exercises.function(
    "log_binomial",
    reference.log_binomial,
    title="A peak over bins",
    points=3,
    difficulty=3,
    minutes=15,
    forbidden=(DISTRIBUTION,),
    hints=(
        "The logarithm of a factorial is `torch.lgamma` of the number plus 1: lgamma(n + 1) = log n!.",
        "`torch.xlogy(k, p)` is k log p, and 0 for k = 0 even where p is 0. `torch.special.xlog1py(n - k, -p)` is the "
        "other term.",
        "Divide all scores by the `temperature` and take `log_softmax` over the bins: axis 1, or 0 where p is a single "
        "number. There are `num_bins - 1` throws, from 0 to num_bins - 1 hits.",
    ),
)


@binomial.cases
def _(draw):
    def p(*shape):
        return draw.uniform(shape, 0.05, 0.95)

    yield Case(torch.tensor(0.5), 3, words="three bins, p = 1/2: a quarter, a half, a quarter")
    yield Case(torch.tensor([0.25, 0.9]), 5, words="two pixels, five bins")
    yield Case(p(4), 6, 0.3, words="temperature 0.3: a sharper peak")
    yield Case(p(4), 6, 5.0, words="temperature 5: a broader peak")
    yield Case(torch.tensor([0.0, 1.0]), 4, words="p = 0 and p = 1: all in the first bin, all in the last")
    yield Case(p(2, 3, 4), 5, words="maps (N, H, W): bins are axis 1")
    yield Case(p(2, 2, 3), 4, draw.uniform((2, 2, 3), 0.5, 3), words="a temperature for each pixel")
    yield Case(p(1, 2), 200, words="200 bins: 199! has 372 digits")
    yield Case(p(3), 5, 2.0, gradient=True, words="gradient")
    for _ in range(draw.count):
        shape = (draw.integer(1, 3), draw.integer(1, 3), draw.integer(1, 4))
        yield Case(p(*shape), draw.integer(2, 9), draw.choice([0.5, 1.0, 2.0]), words="random maps")


def right_binomial(p, num_bins, temperature=1.0):
    axis, n = min(1, p.dim()), num_bins - 1
    k = torch.arange(num_bins, dtype=torch.float32).reshape(num_bins, *[1] * (p.dim() - axis))
    choose = torch.lgamma(torch.tensor(n + 1.0)) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
    q = p.unsqueeze(axis)
    scores = choose + torch.xlogy(k, q) + torch.special.xlog1py(n - k, -q)
    heat = torch.as_tensor(temperature)
    scores = scores / (heat.unsqueeze(axis) if heat.dim() else heat)
    return scores.log_softmax(axis)


binomial.slip_of(
    right_binomial,
    "number of ways forgotten",
    "The binomial coefficient is missing: in how many ways k throws can hit. Without it there is no peak inside.",
    ("choose + torch.xlogy", "torch.xlogy"),
)
binomial.slip_of(
    right_binomial,
    "as many throws as bins",
    "You throw K times. K bins are 0 to K - 1 hits: K - 1 throws.",
    ("num_bins - 1", "num_bins"),
)
binomial.slip_of(
    right_binomial,
    "temperature multiplied",
    "You multiply by the temperature. Divide: below 1 it makes the peak sharper.",
    ("scores = scores / (", "scores = scores * ("),
)
binomial.slip_of(
    right_binomial,
    "not normalised again",
    "With a temperature the probabilities do not sum to 1 any more: `log_softmax` over the bins.",
    ("return scores.log_softmax(axis)", "return scores"),
)
binomial.slip_of(
    right_binomial,
    "near and far exchanged",
    "Your peak is in the first bins for p near 1. k log p: p near 1 wants many hits.",
    (
        "torch.xlogy(k, q) + torch.special.xlog1py(n - k, -q)",
        "torch.xlogy(n - k, q) + torch.special.xlog1py(k, -q)",
    ),
)
binomial.slip_of(
    right_binomial,
    "probabilities",
    "These are the probabilities. Their logarithms are wanted.",
    ("scores.log_softmax(axis)", "scores.softmax(axis)"),
)
binomial.slip_of(
    right_binomial,
    "0 times infinity",
    "Where p is 0 or 1, you have 0 times log 0, which is NaN. `torch.xlogy` knows that it is 0.",
    ("torch.xlogy(k, q) + torch.special.xlog1py(n - k, -q)", "k * q.log() + (n - k) * (1 - q).log()"),
)
binomial.slip_of(
    right_binomial,
    "p kept away from 0 and 1",
    "You keep p away from 0 and 1. `torch.xlogy` needs no such help, and where p is 0, the far bins cannot be.",
    ("q = p.unsqueeze(axis)", "q = p.clamp(1e-4, 1 - 1e-4).unsqueeze(axis)"),
)
binomial.slip_of(
    right_binomial,
    "factorials that overflow",
    "You multiply factorials out, and 199! is infinite in float32. Stay with their logarithms.",
    ("torch.lgamma(torch.tensor(n + 1.0))", "torch.arange(1.0, n + 1).prod().log()"),
)


@binomial.slip(
    "Stirling without the root",
    "n log n - k log k - (n - k) log (n - k) is Stirling's log of n over k without its root, as in a program that "
    "circulates: the first and last bins get too little. Take `torch.lgamma`.",
)
def _(p, num_bins, temperature=1.0):
    axis, n = min(1, p.dim()), num_bins - 1
    k = torch.arange(num_bins, dtype=torch.float32).reshape(num_bins, *[1] * (p.dim() - axis))
    ways = n * torch.tensor(float(n)).log() - torch.xlogy(k, k) - torch.xlogy(n - k, n - k)
    q, heat = p.unsqueeze(axis), torch.as_tensor(temperature)
    scores = ways + k * q.clamp(min=1e-4).log() + (n - k) * (1 - q).clamp(min=1e-4).log()
    return (scores / (heat.unsqueeze(axis) if heat.dim() else heat)).log_softmax(axis)


# ------------------------------------------------------------------------------------- 9 · relative to metric

bins = exercises.module(
    "MetricBins",
    reference.MetricBins,
    title="Relative to metric: a head of bins",
    points=4,
    difficulty=4,
    minutes=25,
    tolerance=1e-3,
    allowed=("bin_centres", "inverse_attractor", "log_binomial"),
    hints=(
        "Each part is `nn.Conv2d(inside, hidden, 1)`, ReLU, `nn.Conv2d(hidden, outside, 1)`. In this order: widths "
        "(`num_bins`, from the coarsest map), one part of `attractors` for each further map, and 2 numbers from the "
        "finest map with `relative` as one more channel.",
        "Start with `bin_centres(widths.softmax(1), min_depth, max_depth)`. For each further map: enlarge the centres "
        "bilinearly, put the points at `min_depth + (max_depth - min_depth) * sigmoid`, and add the `mean` over the "
        "points of `inverse_attractor(points.unsqueeze(2) - centres.unsqueeze(1), alpha, gamma)`.",
        "Of the last two numbers, through a `sigmoid`, the first is p, brought to 1e-4 to 1 - 1e-4, and the second h "
        "gives the temperature 50 ** (2 h - 1). The depth is the sum over the bins of `log_binomial(...).exp()` times "
        "the centres.",
    ),
)


@bins.cases
def _(draw):
    def case(channels, count, sizes, words, n=1, **more):
        features = [draw.normal((n, c, *size)) for c, size in zip(channels, sizes, strict=True)]
        relative = draw.uniform((n, *sizes[-1]))
        return ModuleCase(channels, count, inputs=[features, relative], words=words, hidden=4, **more)

    yield case((2,), 3, [(3, 4)], "one map: no attractors", min_depth=0.5, max_depth=8.0)
    yield case((3, 2), 4, [(2, 2), (2, 2)], "two maps of one size", attractors=2, max_depth=8.0)
    yield case((3, 2), 4, [(2, 3), (4, 6)], "centres are enlarged", attractors=2, max_depth=8.0, n=2)
    yield case((2, 2), 3, [(2, 2), (4, 4)], "another pull", attractors=3, max_depth=4.0, alpha=1.0, gamma=1.0)
    yield case((3, 2, 2), 5, [(1, 2), (2, 4), (4, 8)], "three maps, up to 80 m", attractors=2, min_depth=1.0,
               max_depth=80.0)  # fmt: skip
    for _ in range(max(1, draw.count // 3)):
        more = {"attractors": draw.integer(1, 3), "min_depth": 0.5, "max_depth": float(draw.integer(5, 20))}
        yield case(
            (draw.integer(1, 3), draw.integer(1, 3)), draw.integer(2, 5), [(2, 3), (4, 5)], "random", **more
        )


class RightBins(nn.Module):
    def __init__(self, channels, num_bins=64, min_depth=1e-3, max_depth=10.0, attractors=8, hidden=32, alpha=300.0,
                 gamma=2.0):  # fmt: skip
        super().__init__()

        def part(inside, outside):
            return nn.Sequential(nn.Conv2d(inside, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, outside, 1))

        self.num_bins, self.low, self.high = num_bins, min_depth, max_depth
        self.alpha, self.gamma = alpha, gamma
        self.widths = part(channels[0], num_bins)
        self.pulls = nn.ModuleList([part(count, attractors) for count in channels[1:]])
        self.peak = part(channels[-1] + 1, 2)

    def forward(self, features, relative):
        centres = depth.bin_centres(self.widths(features[0]).softmax(1), self.low, self.high)
        for pull, feature in zip(self.pulls, features[1:], strict=True):
            centres = F.interpolate(centres, size=feature.shape[2:], mode="bilinear")
            points = self.low + (self.high - self.low) * pull(feature).sigmoid()
            away = points.unsqueeze(2) - centres.unsqueeze(1)
            centres = centres + depth.inverse_attractor(away, self.alpha, self.gamma).mean(1)
        p, heat = self.peak(torch.cat([features[-1], relative[:, None]], 1)).sigmoid().unbind(1)
        p = 1e-4 + (1 - 2e-4) * p
        likely = depth.log_binomial(p, self.num_bins, 50 ** (2 * heat - 1)).exp()
        return (likely * centres).sum(1)


bins.slip_of(
    RightBins,
    "attractors added up",
    "You add the pulls of all attractors, so that a centre can be pulled beyond them. Take their mean.",
    ("self.gamma).mean(1)", "self.gamma).sum(1)"),
)
bins.slip_of(
    RightBins,
    "pushed away",
    "Your centres are pushed away. The pull goes from the centre to the point: point minus centre.",
    ("points.unsqueeze(2) - centres.unsqueeze(1)", "centres.unsqueeze(1) - points.unsqueeze(2)"),
)
bins.slip_of(
    RightBins,
    "logarithms as weights",
    "You weigh the centres by log-probabilities. Take `exp` first.",
    ("(2 * heat - 1)).exp()", "(2 * heat - 1))"),
)
bins.slip_of(
    RightBins,
    "most likely bin",
    "You take the centre of the most likely bin: the depth jumps, and p has no gradient. Take the mean of all.",
    ("(likely * centres).sum(1)", "centres.gather(1, likely.argmax(1, keepdim=True)).squeeze(1)"),
)
bins.slip_of(
    RightBins,
    "centres stay",
    "You compute the pull and do not add it: the bins stay where the coarsest map put them.",
    ("centres = centres + depth.inverse", "_ = centres + depth.inverse"),
)
bins.slip_of(
    RightBins,
    "pulled all the way",
    "Your centres jump to the attractors' mean. A far point pulls less: `inverse_attractor` of the distance.",
    ("depth.inverse_attractor(away, self.alpha, self.gamma).mean(1)", "away.mean(1)"),
)
bins.slip_of(
    RightBins,
    "corners on corners",
    "You enlarge with `align_corners=True`. Leave it at False, as everywhere in this course.",
    ('mode="bilinear")', 'mode="bilinear", align_corners=True)'),
)
bins.slip_of(
    RightBins,
    "relative depth in front",
    "You put the relative depth before the channels of the finest map. Its weights are the last ones: put it behind.",
    ("[features[-1], relative[:, None]]", "[relative[:, None], features[-1]]"),
)
bins.slip_of(
    RightBins,
    "alpha and gamma not used",
    "You pull with alpha 300 and gamma 2, whatever the head was made with.",
    ("depth.inverse_attractor(away, self.alpha, self.gamma)", "depth.inverse_attractor(away, 300.0, 2.0)"),
)
bins.slip_of(
    RightBins,
    "temperature fixed",
    "Your peaks are all equally sharp. The second number of `peak` gives each pixel a temperature.",
    (", 50 ** (2 * heat - 1)", ""),
)


# ----------------------------------------------------------------------------------------- 10 · a cloud of points

cloud = exercises.function(
    "backproject",
    reference.backproject,
    title="A cloud of points",
    points=2,
    difficulty=2,
    minutes=10,
    hints=(
        "`K[0, 0]`, `K[1, 1]` are the focal lengths and `K[0, 2]`, `K[1, 2]` the pixel that the optical axis meets.",
        "u counts columns and v rows: `torch.arange` of the width, and of the height as a column `[:, None]`.",
        "`torch.stack([(u - cx) * depth / fx, (v - cy) * depth / fy, depth], -1)`.",
    ),
)


def _camera(fx, fy, cx, cy):
    return torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


@cloud.cases
def _(draw):
    yield Case(torch.full((1, 3), 5.0), _camera(100, 100, 1, 0), words="three pixels at 5 m")
    yield Case(torch.full((3, 1), 5.0), _camera(100, 100, 0, 1), words="the same in a column")
    yield Case(draw.integers((2, 4), 1, 9), _camera(50, 80, 1.5, 0.5), words="fx is not fy")
    yield Case(draw.uniform((5, 4), 1, 9), _camera(10, 12, 0, 4), words="the optical axis meets a corner")
    yield Case(
        draw.integers((3, 3), 0, 2), _camera(10, 10, 0, 0), words="unknown depths are 0: so are the points"
    )
    for _ in range(draw.count):
        focal = draw.integer(5, 20), draw.integer(21, 40)
        h, w = draw.integer(2, 4), draw.integer(5, 7)
        centre = float(draw.uniform((), 0, 7)), float(draw.uniform((), 0, 4))
        yield Case(draw.uniform((h, w), 1, 9), _camera(*focal, *centre), words="random cameras")


def right_cloud(depth, K):
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    u = torch.arange(depth.shape[1]) + 0.0
    v = (torch.arange(depth.shape[0]) + 0.0)[:, None]
    x = (u - cx) * depth / fx
    y = (v - cy) * depth / fy
    return torch.stack([x, y, depth], -1)


cloud.slip_of(
    right_cloud,
    "u and v exchanged",
    "You count rows with u and columns with v. u goes with X, to the right; v with Y, down.",
    ("(u - cx)", "(v - cx)"),
    ("y = (v - cy)", "y = (u - cy)"),
)
cloud.slip_of(
    right_cloud,
    "K of another resolution",
    "You halve K, as for an image of half the size. K belongs to the map as it is: the points come out twice as wide.",
    ("K[0, 0], K[1, 1], K[0, 2], K[1, 2]", "K[0, 0] / 2, K[1, 1] / 2, K[0, 2] / 2, K[1, 2] / 2"),
)
cloud.slip_of(
    right_cloud,
    "centre in the middle of the map",
    "You take the middle of the map for the pixel that the optical axis meets. K says where it is: cx and cy.",
    ("K[0, 2], K[1, 2]", "(depth.shape[1] - 1) / 2, (depth.shape[0] - 1) / 2"),
)
cloud.slip_of(
    right_cloud,
    "half a pixel further",
    "You add half a pixel. In this course, pixel centres lie at whole numbers.",
    ("torch.arange(depth.shape[1]) + 0.0", "torch.arange(depth.shape[1]) + 0.5"),
    ("torch.arange(depth.shape[0]) + 0.0", "torch.arange(depth.shape[0]) + 0.5"),
)
cloud.slip_of(
    right_cloud,
    "depth along the ray",
    "You take the depth for the distance along the ray. It is Z, the part along the optical axis.",
    (
        "return torch.stack([x, y, depth], -1)",
        "ray = torch.stack([x, y, depth], -1)\n"
        "    return ray * (depth / ray.norm(dim=-1).clamp(min=1e-9))[..., None]",
    ),
)
cloud.slip_of(
    right_cloud,
    "one focal length for both",
    "You divide both by fx. Y has a focal length of its own, fy.",
    ("depth / fy", "depth / fx"),
)
cloud.slip_of(
    right_cloud,
    "Y up",
    "Your Y points up. Rows are counted down, and so is Y.",
    ("(v - cy)", "(cy - v)"),
)
cloud.slip_of(
    right_cloud,
    "not times the depth",
    "These are the rays at Z = 1. A pixel twice as far away is twice as far to the side: times Z.",
    ("(u - cx) * depth", "(u - cx) * torch.ones_like(depth)"),
    ("(v - cy) * depth", "(v - cy) * torch.ones_like(depth)"),
)

image = exercises.function(
    "project",
    reference.project,
    title="And back to the image",
    points=1,
    difficulty=1,
    minutes=6,
    hints=(
        "The same two equations, solved for u and v.",
        "`K[0, 0] * x / z + K[0, 2]`, and u before v.",
        "What is not in front of the camera is not seen: `z.masked_fill(z <= 0, torch.nan)` before the division.",
    ),
)


@image.cases
def _(draw):
    camera = _camera(100, 80, 50, 40)
    yield Case(torch.tensor([1.0, -0.5, 5.0]), camera, words="one point")
    behind = torch.tensor([[1.0, 2.0, 4.0], [1.0, 2.0, -4.0], [1.0, 2.0, 0.0]])
    yield Case(behind, camera, words="points in front of the camera, behind it and in its plane")
    points = draw.normal((2, 3, 3)) + torch.tensor([0.0, 0.0, 6.0])
    yield Case(points, camera, words="a map of points")
    for _ in range(draw.count):
        points = draw.normal((draw.integer(2, 5), 3)) + torch.tensor([0.0, 0.0, 6.0])
        yield Case(
            points, _camera(draw.integer(10, 20), draw.integer(21, 40), 3.5, 7.25), words="random points"
        )


def right_project(points, K):
    x, y, z = points.unbind(-1)
    z = torch.where(z > 0, z, torch.nan)
    u = K[0, 0] * x / z + K[0, 2]
    v = K[1, 1] * y / z + K[1, 2]
    return torch.stack([u, v], -1)


image.slip_of(
    right_project,
    "row before column",
    "You return v first. Points of an image are u, v: column, then row.",
    ("torch.stack([u, v], -1)", "torch.stack([v, u], -1)"),
)
image.slip_of(
    right_project,
    "points behind the camera",
    "A point behind the camera appears in your image, turned round. It is not seen: NaN.",
    ("z = torch.where(z > 0, z, torch.nan)", "z = z + 0.0"),
)
image.slip_of(
    right_project,
    "Z kept above 0",
    "You raise Z to a small number, and a point behind the camera lands far outside. It is not seen: NaN.",
    ("torch.where(z > 0, z, torch.nan)", "z.clamp(min=1e-6)"),
)
image.slip_of(
    right_project,
    "not divided by Z",
    "You do not divide by Z: far things would be as large as near ones.",
    ("x / z", "x"),
    ("y / z", "y"),
)
image.slip_of(
    right_project,
    "centre forgotten",
    "You measure from the optical axis. Pixels are counted from the corner: add cx and cy.",
    (" + K[0, 2]", ""),
    (" + K[1, 2]", ""),
)
image.slip_of(
    right_project,
    "divided by the distance",
    "You divide by the distance to the camera's centre. A flat image divides by Z.",
    ("x / z", "x / points.norm(dim=-1)"),
    ("y / z", "y / points.norm(dim=-1)"),
)
