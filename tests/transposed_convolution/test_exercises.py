"""The exercises of chapter 01: slips fail and are named, right variants pass, trivial ones earn nothing."""

import re
from pathlib import Path

import numpy as np
import pytest
import sympy
import torch

from dlcv import transposed_convolution as tc
from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.transposed_convolution import exercises as defined
from dlcv.transposed_convolution.exercises import exercises

SOURCE = Path(__file__).parents[2] / "solutions/01_transposed_convolution/01_transposed_convolution.py"
names = pytest.mark.parametrize("name", list(exercises))


@names
def test_slips_fail_and_are_told_apart(name):
    assert_slips_die(exercises[name])


@names
def test_trivial_answers_earn_nothing(name):
    assert_trivial_answers_earn_nothing(exercises[name])


@names
def test_the_notebooks_solution_is_right(name):
    (cell,) = re.findall(
        rf'^# %% role="solution" name="{name}"\n(.*?)^# %%', SOURCE.read_text("utf-8"), re.M | re.S
    )
    namespace = {"torch": torch, "sympy": sympy, "tc": tc, "__name__": "__main__"}
    exec(compile(cell, "<cell 1>", "exec"), namespace)
    assert_right(exercises[name], namespace[name])


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("conv_transpose1d", defined.painted_row),
        ("output_size", defined.counted),
        ("conv_transpose2d_naive", defined.painted_plane),
        ("convolution_matrix", defined.written_out),
        ("fractionally_strided_convolution", defined.spread_and_slid),
        ("bilinear_kernel", defined.tented),
        ("conv_transpose2d", defined.painted_by_taps),
    ],
)
def test_the_programs_that_slips_are_made_of_are_right(name, program):
    assert_right(exercises[name], in_a_cell(program))


# ------------------------------------------------------------------------------- other ways to be right


def collected_row(x, weight, stride=1):
    """Asks what each output receives instead of where each input goes."""
    out = []
    for o in range((len(x) - 1) * stride + len(weight)):
        reach = [(i, o - i * stride) for i in range(len(x)) if 0 <= o - i * stride < len(weight)]
        out.append(sum((x[i] * weight[k] for i, k in reach), start=x.new_zeros(())))
    return torch.stack(out)


def row_in_double(x, weight, stride=1):
    canvas = torch.zeros((len(x) - 1) * stride + len(weight), dtype=torch.float64)
    for i in range(len(x)):
        canvas[i * stride : i * stride + len(weight)] += x[i] * weight
    return canvas


def size_from_the_plain_formula(size, kernel_size, stride=1, padding=0, output_padding=0, dilation=1):
    """Looks for the smallest convolution input that shrinks to `size`."""
    before = 1
    while (before + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1 < size:
        before += 1
    return before + output_padding


def plane_by_allowed_size(x, weight, stride=1, padding=0):
    """Number by number into the trimmed canvas, its size from the course."""
    height = tc.output_size(x.shape[0], weight.shape[0], stride, padding)
    width = tc.output_size(x.shape[1], weight.shape[1], stride, padding)
    canvas = torch.zeros(height, width)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for k in range(weight.shape[0]):
                for l in range(weight.shape[1]):
                    row, column = i * stride + k - padding, j * stride + l - padding
                    if 0 <= row < height and 0 <= column < width:
                        canvas[row, column] += x[i, j] * weight[k, l]
    return canvas


def matrix_by_kronecker(weight, input_shape, stride=1, padding=0):
    """A plane's matrix is a sum over filter rows of Kronecker products."""

    def one_axis(taps, size, stride, padding):
        rows = (size + 2 * padding - len(taps)) // stride + 1
        matrix = torch.zeros(rows, size + 2 * padding)
        for o in range(rows):
            matrix[o, o * stride : o * stride + len(taps)] = taps
        return matrix[:, padding : padding + size]

    if weight.dim() == 1:
        return one_axis(weight, input_shape[0], stride, padding)
    down = torch.eye(weight.shape[0])
    return sum(
        torch.kron(
            one_axis(down[k], input_shape[0], stride, padding), one_axis(row, input_shape[1], stride, padding)
        )
        for k, row in enumerate(weight)
    )


def spread_by_repeating(x, weight, stride=1, padding=0):
    """Zeros by a mask, the border by cutting a wide one."""
    spread = x.repeat_interleave(stride, 0).repeat_interleave(stride, 1)
    rows, columns = torch.arange(spread.shape[0]), torch.arange(spread.shape[1])
    spread = spread * ((rows % stride == 0)[:, None] & (columns % stride == 0))
    spread = spread[: (x.shape[0] - 1) * stride + 1, : (x.shape[1] - 1) * stride + 1]
    kh, kw = weight.shape
    wide = torch.nn.functional.pad(spread, (kw - 1, kw - 1, kh - 1, kh - 1))
    full = tc.correlate2d(wide, torch.rot90(weight, 2))
    return full[padding : full.shape[0] - padding, padding : full.shape[1] - padding]


def tent_in_numpy(kernel_size):
    factor = (kernel_size + 1) // 2
    up = (np.arange(kernel_size) + (1 if kernel_size % 2 else 0.5)) / factor
    tent = np.minimum(up, up[::-1])
    return tent[:, None] * tent[None, :]


def batch_by_one_product(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """All products at once, then one slice a number of the filter."""
    n, _, h, w = x.shape
    _, _, kh, kw = weight.shape
    stamps = torch.einsum(
        "ngcij,gcokl->ngoijkl", x.unflatten(1, (groups, -1)), weight.unflatten(0, (groups, -1))
    ).flatten(1, 2)
    height = tc.output_size(h, kh, stride, padding, output_padding, dilation)
    width = tc.output_size(w, kw, stride, padding, output_padding, dilation)
    canvas = torch.zeros(n, stamps.shape[1], height + 2 * padding, width + 2 * padding)
    for i in range(h):
        for j in range(w):
            rows = slice(i * stride, i * stride + dilation * (kh - 1) + 1, dilation)
            columns = slice(j * stride, j * stride + dilation * (kw - 1) + 1, dilation)
            canvas[:, :, rows, columns] += stamps[:, :, i, j]
    out = canvas[:, :, padding : padding + height, padding : padding + width]
    return out if bias is None else out + bias.reshape(1, -1, 1, 1)


def solved_by_sympy(i, o, k, s, p, r):
    question = sympy.Eq(o, (i + 2 * p - k - r) / s + 1)
    return [question, sympy.Eq(i, sympy.solve(question, i)[0])]


def collected_by_sympy(a, b, w):
    x, y, z = w
    question = b[0] * (x * a[0] + y * a[1] + z * a[2]) + b[1] * (x * a[2] + y * a[3] + z * a[4])
    return [question, sympy.expand(question), sympy.collect(sympy.expand(question), a)]


def sorted_without_multiplying_out(a, b, w):
    model = in_a_cell(exercises["adjoint_identity"].reference)
    lines = model(a, b, w)
    return [lines[0], lines[-1]]


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("conv_transpose1d", collected_row),
        ("conv_transpose1d", row_in_double),
        ("output_size", size_from_the_plain_formula),
        ("conv_transpose2d_naive", plane_by_allowed_size),
        ("convolution_matrix", matrix_by_kronecker),
        ("fractionally_strided_convolution", spread_by_repeating),
        ("bilinear_kernel", tent_in_numpy),
        ("conv_transpose2d", batch_by_one_product),
        ("size_from_size", solved_by_sympy),
        ("adjoint_identity", collected_by_sympy),
        ("adjoint_identity", sorted_without_multiplying_out),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_other_right_answers_pass(name, program):
    assert_right(exercises[name], program)


# ------------------------------------------------------------------------------------ shortcuts are seen


@pytest.mark.parametrize(
    ("name", "program"),
    [
        (
            "conv_transpose1d",
            lambda x, w, stride=1: torch.nn.functional.conv_transpose1d(
                x[None, None], w[None, None], stride=stride
            )[0, 0],
        ),
        ("conv_transpose1d", lambda x, w, stride=1: tc.conv_transpose1d(x, w, stride)),
        (
            "conv_transpose2d_naive",
            lambda x, w, stride=1, padding=0: torch.nn.functional.conv_transpose2d(
                x[None, None], w[None, None], stride=stride, padding=padding
            )[0, 0],
        ),
        ("convolution_matrix", lambda *args, **settings: tc.convolution_matrix(*args, **settings)),
        ("fractionally_strided_convolution", lambda *args: tc.conv_transpose2d_naive(*args)),
        ("bilinear_kernel", lambda kernel_size: tc.bilinear_kernel(kernel_size)),
        ("conv_transpose2d", lambda *args, **settings: torch.conv_transpose2d(*args, **settings)),
        ("conv_transpose2d", lambda *args, **settings: torch.ops.aten.convolution(*args, **settings)),
    ],
)
def test_ready_made_operations_do_not_count(name, program):
    verdict = verdict_of(exercises[name], program)
    assert verdict.kind in ("forbidden call", "crashed")
    assert verdict.points == 0


def test_points_and_minutes():
    assert exercises.points == 22
    assert sum(exercise.minutes for exercise in exercises.values()) == 98


def test_the_notebook_says_what_the_exercises_say():
    text = SOURCE.read_text("utf-8")
    assert "9 with 22 points, and one question in words with 2" in text
    said = re.findall(r"Difficulty (\d) of 5, about (\d+) minutes, (\d+) points", text)
    known = [(str(e.difficulty), str(e.minutes), f"{e.points:g}") for e in exercises.values()]
    assert said == known
    assert re.findall(r"^# ### Exercise \d+ · (.*)$", text, re.M) == [e.title for e in exercises.values()]
