"""The exercises of chapter 14: slips fail and are named, right variants pass, trivial ones earn nothing."""

import math

import pytest
import sympy
import torch
from torch import nn
from torch.nn import functional as F

from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.depth import exercises as chapter

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


def align_image_by_image(prediction, target, mask):
    found = []
    for d, y, m in zip(prediction, target, mask, strict=True):
        d, y = d[m], y[m]
        if len(d) < 2 or (d == d[0]).all():
            found.append(torch.zeros(2))
            continue
        matrix = torch.stack(
            [torch.stack([(d * d).sum(), d.sum()]), torch.stack([d.sum(), d.new_tensor(len(d))])]
        )
        found.append(torch.linalg.solve(matrix, torch.stack([(d * y).sum(), y.sum()])))
    return torch.stack(found).unbind(1)


def align_about_the_means(prediction, target, mask):
    n = mask.sum((1, 2)).clamp(min=1)
    d, y = torch.where(mask, prediction, 0.0), torch.where(mask, target, 0.0)
    mean_d, mean_y = d.sum((1, 2)) / n, y.sum((1, 2)) / n
    off = (d - mean_d[:, None, None]) * mask
    variance = (off * off).sum((1, 2))
    flat = variance < 1e-6
    scale = (off * y).sum((1, 2)) / variance.masked_fill(flat, 1.0)
    return scale.masked_fill(flat, 0.0), (mean_y - scale * mean_d).masked_fill(flat, 0.0)


def mse_by_pixels(prediction, target, mask):
    from dlcv.depth import align_scale_and_shift

    scale, shift = align_scale_and_shift(prediction, target, mask)
    image = mask.nonzero()[:, 0]
    errors = scale[image] * prediction[mask] + shift[image] - target[mask]
    return errors.square().sum() / max(1, 2 * len(errors))


def normalize_by_sorting(x, mask):
    images = []
    for image, valid in zip(x, mask, strict=True):
        values = image[valid].sort().values
        if not len(values) or values[0] == values[-1]:
            images.append(torch.zeros_like(image))
            continue
        middle = values[(len(values) - 1) // 2]
        spread = (values - middle).abs().sum() / len(values)
        images.append(torch.where(valid, (image.nan_to_num() - middle) / spread, 0.0))
    return torch.stack(images)


def trimmed_by_topk(prediction, target, mask, trim=0.2):
    from dlcv.depth import normalize_median

    total = 0.0
    residual = (normalize_median(prediction, mask) - normalize_median(target, mask)).abs()
    for n in range(len(mask)):
        errors = residual[n, mask[n]]
        dropped = len(errors) - int(len(errors) * (1 - trim))
        total = total + errors.sum() - errors.topk(dropped).values.sum()
    return total / max(1, 2 * int(mask.sum()))


def edges_by_shifting(residual, mask, scales=4):
    total = residual[mask].sum() * 0
    for k in range(scales):
        r, m = residual[:, :: 2**k, :: 2**k], mask[:, :: 2**k, :: 2**k]
        for axis in (1, 2):
            size = r.shape[axis] - 1
            near, far = (r.narrow(axis, start, size) for start in (0, 1))
            both = m.narrow(axis, 0, size) & m.narrow(axis, 1, size)
            total = total + (far[both] - near[both]).abs().sum() / max(1, int(m.sum()))
    return total


def metrics_pixel_by_pixel(prediction, target, mask=None):
    pairs = []
    for i, (z, t) in enumerate(zip(prediction.flatten().tolist(), target.flatten().tolist(), strict=True)):
        if (mask is None and 0 < t < math.inf) or (mask is not None and mask.flatten()[i]):
            pairs.append((z, t))
    n, logs = len(pairs), [math.log(z / t) for z, t in pairs]
    mean = sum(logs) / n
    found = {
        "abs_rel": sum(abs(z - t) / t for z, t in pairs) / n,
        "sq_rel": sum((z - t) ** 2 / t for z, t in pairs) / n,
        "rmse": (sum((z - t) ** 2 for z, t in pairs) / n) ** 0.5,
        "rmse_log": (sum(e * e for e in logs) / n) ** 0.5,
        "log10": sum(abs(e) for e in logs) / n / math.log(10),
        "silog": 100 * (sum((e - mean) ** 2 for e in logs) / n) ** 0.5,
    }
    for k in (1, 2, 3):
        found[f"delta{k}"] = sum(max(z / t, t / z) < 1.25**k for z, t in pairs) / n
    return {name: torch.tensor(value) for name, value in found.items()}


def centres_by_edges(widths, min_depth, max_depth):
    bins = widths.movedim(1, -1) if widths.dim() > 1 else widths
    edges = F.pad(bins.cumsum(-1), (1, 0))
    edges = min_depth + (max_depth - min_depth) * edges / edges[..., -1:]
    middle = (edges[..., 1:] + edges[..., :-1]) / 2
    return middle.movedim(-1, 1) if widths.dim() > 1 else middle


def binomial_bin_by_bin(p, num_bins, temperature=1.0):
    rows = []
    for k in range(num_bins):
        ways = math.lgamma(num_bins) - math.lgamma(k + 1) - math.lgamma(num_bins - k)
        hits = k * p.log() if k else torch.zeros_like(p)
        misses = (num_bins - 1 - k) * (1 - p).log() if k < num_bins - 1 else torch.zeros_like(p)
        rows.append((ways + hits + misses) / temperature)
    rows = torch.stack(rows, min(1, p.dim()))
    return rows - rows.logsumexp(min(1, p.dim()), keepdim=True)


class BinsWithOtherNames(nn.Module):
    def __init__(self, channels, num_bins=64, min_depth=1e-3, max_depth=10.0, attractors=8, hidden=32, alpha=300.0,
                 gamma=2.0):  # fmt: skip
        super().__init__()
        self.settings = num_bins, min_depth, max_depth, alpha, gamma
        outputs = [num_bins, *[attractors] * (len(channels) - 1), 2]
        inputs = [*channels, channels[-1] + 1]
        self.first = nn.ModuleList()
        for inside, outside in zip(inputs, outputs, strict=True):
            self.first.append(nn.Conv2d(inside, hidden, 1))
            self.first.append(nn.Conv2d(hidden, outside, 1))

    def part(self, number, x):
        return self.first[2 * number + 1](self.first[2 * number](x).relu())

    def forward(self, features, relative):
        from dlcv.depth import bin_centres, log_binomial

        count, low, high, alpha, gamma = self.settings
        centres = bin_centres(self.part(0, features[0]).softmax(1), low, high)
        for number, feature in enumerate(features[1:], 1):
            centres = F.interpolate(centres, feature.shape[2:], mode="bilinear", align_corners=False)
            points = low + (high - low) * torch.sigmoid(self.part(number, feature))
            moved = 0.0
            for a in range(points.shape[1]):
                away = points[:, a : a + 1] - centres
                moved = moved + away / (1 + alpha * away.abs() ** gamma)
            centres = centres + moved / points.shape[1]
        both = torch.cat([features[-1], relative.unsqueeze(1)], 1)
        p, heat = self.part(len(features), both).sigmoid().unbind(1)
        likely = log_binomial(p * 0.9998 + 0.0001, count, 50 ** (2 * heat - 1)).exp()
        return torch.einsum("nkhw,nkhw->nhw", likely, centres)


def cloud_by_rays(depth, K):
    h, w = depth.shape
    v, u = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    rays = torch.stack([u, v, torch.ones_like(u)], -1).float() @ torch.linalg.inv(K).mT
    return rays * depth[..., None]


def image_by_the_matrix(points, K):
    seen = points @ K.mT
    return torch.where(seen[..., 2:] > 0, seen[..., :2] / seen[..., 2:], torch.nan)


RIGHT = [
    ("align_scale_and_shift", chapter.right_align),
    ("align_scale_and_shift", align_image_by_image),
    ("align_scale_and_shift", align_about_the_means),
    ("ssi_mse", chapter.right_ssi_mse),
    ("ssi_mse", mse_by_pixels),
    ("normalize_median", chapter.right_normalize),
    ("normalize_median", normalize_by_sorting),
    ("ssi_trimmed_loss", chapter.right_trimmed),
    ("ssi_trimmed_loss", trimmed_by_topk),
    ("gradient_matching_loss", chapter.right_edges),
    ("gradient_matching_loss", edges_by_shifting),
    ("depth_metrics", chapter.right_metrics),
    ("depth_metrics", metrics_pixel_by_pixel),
    ("bin_centres", chapter.right_centres),
    ("bin_centres", centres_by_edges),
    ("log_binomial", chapter.right_binomial),
    ("log_binomial", binomial_bin_by_bin),
    ("MetricBins", chapter.RightBins),
    ("MetricBins", BinsWithOtherNames),
    ("backproject", chapter.right_cloud),
    ("project", chapter.right_project),
    ("project", image_by_the_matrix),
]


@pytest.mark.parametrize(
    ("name", "answer"), RIGHT, ids=[f"{name}-{answer.__name__}" for name, answer in RIGHT]
)
def test_right_variants_earn_all_points(name, answer):
    assert_right(exercises[name], in_a_cell(answer))


# ------------------------------------------------------------------------------------------- derivations

s, t, n, a, b, p, q = sympy.symbols("s t n a b p q")
m, d, y = (sympy.symbols(f"{letter}0 {letter}1") for letter in "mdy")
Eq = sympy.Eq

WAYS = {
    "best_shift": [
        [
            Eq(m[0] * (s * d[0] + t - y[0]), -m[1] * (s * d[1] + t - y[1])),
            Eq(m[0] * t + m[1] * t, m[0] * y[0] + m[1] * y[1] - s * (m[0] * d[0] + m[1] * d[1])),
            Eq(t * (m[0] + m[1]), m[0] * y[0] + m[1] * y[1] - s * (m[0] * d[0] + m[1] * d[1])),
            Eq(
                t,
                (m[0] * y[0] + m[1] * y[1]) / (m[0] + m[1]) - s * (m[0] * d[0] + m[1] * d[1]) / (m[0] + m[1]),
            ),
        ],
        [Eq(t, (m[0] * (y[0] - s * d[0]) + m[1] * (y[1] - s * d[1])) / (m[0] + m[1]))],
    ],
    "best_scale": [
        [
            Eq(a * s * n + b * (q - b * s), p * n),
            Eq(s * (a * n - b * b), p * n - b * q),
            Eq(s, (b * q - p * n) / (b * b - a * n)),
        ],
        [Eq((n * a - b**2) * s, n * p - b * q), Eq(s, (p - b * q / n) / (a - b**2 / n))],
        [Eq((a - b**2 / n) * s, p - b * q / n), Eq(s, (p - b * q / n) / (a - b**2 / n))],
        [Eq(s, (n * p - b * q) / (n * a - b**2))],
    ],
}


@pytest.mark.parametrize(("name", "lines"), [(name, lines) for name, ways in WAYS.items() for lines in ways])
def test_other_ways_to_derive_earn_all_points(name, lines):
    assert_right(exercises[name], lambda *symbols: lines)


@pytest.mark.parametrize("name", DERIVATIONS)
def test_the_question_alone_earns_nothing(name):
    question = exercises[name].reference
    assert verdict_of(exercises[name], lambda *symbols: question(*symbols)[:1]).points == 0


@pytest.mark.parametrize("name", DERIVATIONS)
def test_the_question_turned_round_earns_nothing(name):
    def answer(*symbols):
        first = exercises[name].reference(*symbols)[0]
        return [first, Eq(first.rhs, first.lhs, evaluate=False)]

    assert verdict_of(exercises[name], answer).points == 0


WRONG = {
    "best_shift": [
        (1, [Eq(t, y[0] - s * d[0])]),
        (1, [Eq(t, (m[0] * y[0] + m[1] * y[1]) / (m[0] + m[1]))]),
        (2, [Eq((m[0] + m[1]) * t, m[0] * (y[0] - s * d[0]) + m[1] * (y[1] - s * d[1])), Eq(t, m[0] + m[1])]),
        (1, [Eq(m[0] * (s * d[0] + t - y[0]), m[1] * (s * d[1] + t - y[1]))]),
        (1, [Eq(t, t, evaluate=False)]),
    ],
    "best_scale": [
        (1, [Eq(s, p / a - b * q)]),
        (1, [Eq(s, (n * p - b * q) / (n * a - b))]),
        (2, [Eq(n * a * s + b * q - b**2 * s, n * p), Eq((n * a - b**2) * s, n * p)]),
        (1, [Eq(s, (p - b * q) / (a - b**2))]),
        (1, [Eq(p, p, evaluate=False)]),
    ],
}


@pytest.mark.parametrize(
    ("name", "first", "lines"), [(name, *wrong) for name, wrongs in WRONG.items() for wrong in wrongs]
)
def test_the_first_line_that_does_not_follow_is_named(name, first, lines):
    for seed in ("published", "a secret"):
        verdict = verdict_of(exercises[name], lambda *symbols: lines, seed)
        assert verdict.message.startswith(f"line {first} does not follow"), verdict.text()
        assert verdict.points < exercises[name].points


def test_the_derived_formulas_are_those_of_least_squares():
    """What the derivations end with, in numbers, against numpy's fit."""
    import numpy as np

    x, z = np.array([0.3, 1.2, 2.0, 5.0]), np.array([1.0, 0.5, 4.0, 3.0])
    sums = {n: 4, a: (x * x).sum(), b: x.sum(), p: (x * z).sum(), q: z.sum()}
    slope, height = np.polyfit(x, z, 1)
    assert float(exercises["best_scale"].reference(s, n, a, b, p, q)[-1].rhs.subs(sums)) == pytest.approx(
        slope
    )
    x, z = x[:2], z[:2]
    values = {m[0]: 1, m[1]: 1, d[0]: x[0], d[1]: x[1], y[0]: z[0], y[1]: z[1]}
    slope, height = np.polyfit(x, z, 1)
    shift = exercises["best_shift"].reference(s, t, m, d, y)[-1].rhs
    assert float(shift.subs({**values, s: slope})) == pytest.approx(height)


# ------------------------------------------------------------------------------------------- forbidden


def test_a_ready_made_fit_is_not_counted():
    def answer(prediction, target, mask):
        columns = torch.stack([prediction[mask], torch.ones_like(prediction[mask])], 1)
        return torch.linalg.lstsq(columns, target[mask][:, None]).solution.unbind(0)

    assert verdict_of(exercises["align_scale_and_shift"], in_a_cell(answer)).kind == "forbidden call"


def test_the_reference_may_not_be_handed_in():
    def answer(prediction, target, mask):
        from dlcv.depth import ssi_mse

        return ssi_mse(prediction, target, mask)

    assert verdict_of(exercises["ssi_mse"], in_a_cell(answer)).kind == "forbidden call"


def test_points_of_the_chapter():
    assert exercises.points == 31
