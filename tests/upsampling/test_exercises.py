"""The exercises of chapter 02: slips fail and are named, right variants pass, trivial ones earn nothing."""

import pytest
import torch

from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.upsampling import cubic_weights, source_positions
from dlcv.upsampling import exercises as chapter
from dlcv.upsampling.exercises import exercises

names = pytest.mark.parametrize("name", list(exercises))
STEPS = {
    "upsample_nearest": chapter.repeated_pixels,
    "bed_of_nails": chapter.nailed,
    "source_positions": chapter.scaled_centres,
    "upsample_bilinear": chapter.two_neighbours,
    "cubic_weights": chapter.four_weights,
    "upsample_bicubic": chapter.four_neighbours,
    "max_pool2d": chapter.window_by_window,
    "max_unpool2d": chapter.put_back,
}


@names
def test_slips_fail_and_are_told_apart(name):
    assert_slips_die(exercises[name])


@names
def test_trivial_answers_earn_nothing(name):
    assert_trivial_answers_earn_nothing(exercises[name])


@pytest.mark.parametrize("name", STEPS)
def test_plain_steps_are_right(name):
    assert_right(exercises[name], in_a_cell(STEPS[name]))


# ------------------------------------------------------------------- other ways to write a right answer


def repeat_interleave(x, scale):
    return x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


def expanded(x, scale):
    n, c, h, w = x.shape
    return x[:, :, :, None, :, None].expand(n, c, h, scale, w, scale).reshape(n, c, h * scale, w * scale)


def ones_painted(x, scale):
    from torch.nn import functional

    weight = torch.ones(x.shape[1], 1, scale, scale)
    return functional.conv_transpose2d(x, weight, stride=scale, groups=x.shape[1])


def nails_by_product(x, scale):
    corner = torch.zeros(scale, scale)
    corner[0, 0] = 1
    return torch.stack([torch.stack([torch.kron(plane, corner) for plane in image]) for image in x])


def positions_by_list(size, out_size, align_corners=False):
    found = []
    for i in range(out_size):
        if not align_corners:
            found.append((2 * i + 1) * size / (2 * out_size) - 1 / 2)
        else:
            found.append(0.0 if out_size == 1 else i * (size - 1) / (out_size - 1))
    return torch.tensor(found, dtype=torch.float64)


def tent_matrices(x, size, align_corners=False):
    def matrix(n, out):
        positions = source_positions(n, out, align_corners).clamp(0, n - 1).float()
        return (1 - (positions[:, None] - torch.arange(n)).abs()).clamp(min=0)

    return matrix(x.shape[2], size[0]) @ x @ matrix(x.shape[3], size[1]).T


def four_corners(x, size, align_corners=False):
    h, w = x.shape[2:]
    i = source_positions(h, size[0], align_corners).clamp(0, h - 1)
    j = source_positions(w, size[1], align_corners).clamp(0, w - 1)
    top, left = i.long(), j.long()
    bottom, right = (top + 1).clamp(max=h - 1), (left + 1).clamp(max=w - 1)
    s, t = (i - top)[:, None], j - left
    upper = (1 - t) * x[:, :, top][..., left] + t * x[:, :, top][..., right]
    lower = (1 - t) * x[:, :, bottom][..., left] + t * x[:, :, bottom][..., right]
    return (1 - s) * upper + s * lower


def weights_from_the_sum(t, a=-0.75):
    first = a * t * (1 - t) ** 2
    last = a * t**2 * (1 - t)
    second = (a + 2) * t**3 - (a + 3) * t**2 + 1
    return torch.stack([first, second, 1 - first - second - last, last], -1)


def sixteen_at_once(x, size, align_corners=False, a=-0.75):
    (h, w), (height, width) = x.shape[2:], size
    i, j = source_positions(h, height, align_corners), source_positions(w, width, align_corners)
    steps = torch.arange(-1, 3)
    rows = (i.floor().long()[:, None] + steps).clamp(0, h - 1)
    columns = (j.floor().long()[:, None] + steps).clamp(0, w - 1)
    pixels = x[:, :, rows[:, None, :, None], columns[None, :, None, :]]
    weights = cubic_weights(i - i.floor(), a)[:, None, :, None] * cubic_weights(j - j.floor(), a)[:, None, :]
    return (pixels * weights).sum((-2, -1)).to(x.dtype)


def pooled_by_unfold(x, kernel_size, stride=None, padding=0):
    k, s, p = kernel_size, stride or kernel_size, padding
    padded = torch.nn.functional.pad(x, (p, p, p, p), value=-torch.inf)
    windows = padded.unfold(2, k, s).unfold(3, k, s).flatten(4)
    values, best = windows.max(4)
    rows = torch.arange(values.shape[2])[:, None] * s + best // k - p
    columns = torch.arange(values.shape[3]) * s + best % k - p
    return [values, rows * x.shape[3] + columns]


def pooled_by_scalars(x, kernel_size, stride=None, padding=0):
    stride = stride or kernel_size
    (n, c, h, w), k = x.shape, kernel_size
    out = [(size + 2 * padding - k) // stride + 1 for size in (h, w)]
    values, indices = torch.full((n, c, *out), float("-inf")), torch.zeros(n, c, *out, dtype=torch.int32)
    for m in range(n * c):
        for a in range(out[0]):
            for b in range(out[1]):
                for i in range(a * stride - padding, a * stride - padding + k):
                    for j in range(b * stride - padding, b * stride - padding + k):
                        if 0 <= i < h and 0 <= j < w and x[m // c, m % c, i, j] > values[m // c, m % c, a, b]:
                            values[m // c, m % c, a, b] = x[m // c, m % c, i, j]
                            indices[m // c, m % c, a, b] = i * w + j
    return values, indices


def scattered(x, indices, output_size):
    height, width = output_size
    y = torch.zeros(*x.shape[:2], height * width)
    return y.scatter(2, indices.flatten(2), x.flatten(2)).view(*x.shape[:2], height, width)


def compared(x, indices, output_size):
    height, width = output_size
    hits = indices.flatten(2)[..., None] == torch.arange(height * width)
    return (x.flatten(2)[..., None] * hits).sum(2).view(*x.shape[:2], height, width)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("upsample_nearest", repeat_interleave),
        ("upsample_nearest", expanded),
        ("upsample_nearest", ones_painted),
        ("bed_of_nails", nails_by_product),
        ("source_positions", positions_by_list),
        ("upsample_bilinear", tent_matrices),
        ("upsample_bilinear", four_corners),
        ("cubic_weights", weights_from_the_sum),
        ("upsample_bicubic", sixteen_at_once),
        ("max_pool2d", pooled_by_unfold),
        ("max_pool2d", pooled_by_scalars),
        ("max_unpool2d", scattered),
        ("max_unpool2d", compared),
    ],
)
def test_other_ways_are_right(name, answer):
    assert_right(exercises[name], answer)


# ---------------------------------------------------------------------------------------- derivations


def test_the_model_lines_are_right():
    for name in ("bilinear_mix", "bicubic_overshoot"):
        assert_right(exercises[name], in_a_cell(exercises[name].reference))


def test_the_mix_in_one_step():
    def lines(a, p, q, r, s, t):
        import sympy

        first = (1 - t) * ((1 - s) * a + s * (a + p)) + t * ((1 - s) * (a + q) + s * (a + r))
        return [first, sympy.expand(first), a + (s - s * t) * p + q * (t - s * t) + r * s * t]

    assert_right(exercises["bilinear_mix"], lines)


@pytest.mark.parametrize("name", ["bilinear_mix", "bicubic_overshoot"])
def test_who_sorts_without_multiplying_out_has_derived_it_too(name):
    model = in_a_cell(exercises[name].reference)
    assert_right(exercises[name], lambda *symbols: [model(*symbols)[0], model(*symbols)[-1]])


@pytest.mark.parametrize(("name", "multiplied_out"), [("bilinear_mix", 2), ("bicubic_overshoot", 1)])
def test_part_of_the_way_earns_part_of_the_points(name, multiplied_out):
    exercise, model = exercises[name], in_a_cell(exercises[name].reference)
    assert verdict_of(exercise, lambda *symbols: model(*symbols)[:1]).points == 0
    assert (
        verdict_of(exercise, lambda *symbols: model(*symbols)[: multiplied_out + 1]).points
        == exercise.points / 2
    )


# ----------------------------------------------------------------------------------------- forbidden calls


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("upsample_nearest", lambda x, scale: torch.nn.functional.interpolate(x, scale_factor=scale)),
        ("upsample_bilinear", lambda x, size, align_corners=False: torch.nn.functional.interpolate(
            x, size=size, mode="bilinear", align_corners=align_corners)),
        ("max_pool2d", lambda x, k, s=None, p=0: torch.nn.functional.max_pool2d(x, k, s, p, return_indices=True)),
        ("max_unpool2d", lambda x, indices, size: torch._C._nn.max_unpool2d(x, indices, size)),
    ],
)  # fmt: skip
def test_shortcuts_are_not_counted(name, answer):
    verdict = verdict_of(exercises[name], answer)
    assert verdict.kind == "forbidden call"
    assert verdict.points == 0


def test_points_of_the_chapter():
    assert exercises.points == 21
