"""What chapter 01 asks: cases, forbidden calls, and the slips that learners really make.

Under most exercises stands one right answer in plain steps; a slip is that answer with a line gone wrong.
"""

from __future__ import annotations

import torch

from dlcv.checking import CONVOLUTION, FFT, INTERPOLATION, MATMUL, UNFOLD, Case, Exercises
from dlcv.checking.derivation import is_solved_for, is_sum_of_products, occurrences
from dlcv.transposed_convolution import reference

exercises = Exercises("transposed_convolution")
check = exercises.check


# ------------------------------------------------------------------------- 1 · paint in one dimension

paint_1d = exercises.function(
    "conv_transpose1d",
    reference.conv_transpose1d,
    title="Paint and add in one dimension",
    points=2,
    difficulty=1,
    minutes=8,
    loops=True,
    hints=(
        "Start from a canvas of zeros. Where does the copy of input number `i` start, and where does it end?",
        "It starts at `i * stride` and is as long as the filter. The last copy says how long the canvas is.",
        "Inside a loop over `i`, add `x[i] * weight` to `canvas[i * stride : i * stride + len(weight)]`.",
    ),
)


@paint_1d.cases
def _(draw):
    def numbers(n):
        return draw.integers((n,), 1, 10)

    yield Case(numbers(2), numbers(3), stride=2, words="two numbers, a filter of three, stride 2")
    yield Case(numbers(4), numbers(3), words="stride 1, where nothing says so: copies overlap most")
    yield Case(numbers(3), numbers(2), stride=3, words="stride 3 over a filter of two: gaps stay empty")
    yield Case(numbers(3), numbers(2), stride=2, words="stride 2 over a filter of two: copies touch")
    yield Case(draw.integers((1,), 2, 10), numbers(4), stride=3, words="a single number: one copy")
    yield Case(
        draw.normal((5,)), draw.normal((4,)), stride=2, gradient=True, words="gradients of input and filter"
    )
    for _ in range(draw.count):
        x, weight = draw.normal((draw.integer(2, 7),)), draw.normal((draw.integer(2, 5),))
        yield Case(x, weight, stride=draw.integer(1, 4), words="random numbers, sizes and stride")


def painted_row(x, weight, stride=1):
    canvas = torch.zeros((len(x) - 1) * stride + len(weight))
    for i in range(len(x)):
        for k in range(len(weight)):
            canvas[i * stride + k] += x[i] * weight[k]
    return canvas


paint_1d.slip_of(
    painted_row,
    "overlaps overwritten",
    "Where two copies meet, you keep the later one and lose the earlier. Copies add up: use `+=` instead of "
    "`=`.",
    ("+=", "="),
)
paint_1d.slip_of(
    painted_row,
    "filter flipped",
    "You paint the filter back to front. Painting takes the filter as it is: its first number lands on the "
    "copy's first pixel. (A flip belongs to the other view, where the filter slides over spread-out pixels.)",
    ("weight[k]", "weight[len(weight) - 1 - k]"),
)
paint_1d.slip_of(
    painted_row,
    "stride forgotten",
    "Your copies start one pixel apart whatever the stride. The stride counts output pixels: start copy `i` "
    "at `i * stride`, and make the canvas long enough for the last one.",
    ("(len(x) - 1) * stride", "len(x) - 1"),
    ("i * stride", "i"),
)
paint_1d.slip_of(
    painted_row,
    "canvas too long",
    "Your canvas has room for a stride after the last copy. Between n copies there are n - 1 steps: "
    "`(len(x) - 1) * stride + len(weight)` pixels.",
    ("(len(x) - 1) * stride", "len(x) * stride"),
)


@paint_1d.slip(
    "plain convolution",
    "You slide the filter over the input and take dot products, so the output shrinks: that is the plain "
    "convolution. Turn it round: each input number scales a copy of the filter, and the copies are added up.",
)
def _(x, weight, stride=1):
    out = torch.zeros(max((len(x) - len(weight)) // stride + 1, 0))
    for o in range(len(out)):
        for k in range(len(weight)):
            out[o] += x[o * stride + k] * weight[k]
    return out


# --------------------------------------------------------------------------------- 2 · size of the output

size = exercises.function(
    "output_size",
    reference.output_size,
    title="How large is the output?",
    points=2,
    difficulty=2,
    minutes=6,
    forbidden=(CONVOLUTION,),
    hints=(
        "Where does the last copy start, and how many pixels does it span when `dilation` spreads its "
        "numbers?",
        "A filter of `kernel_size` numbers with `dilation` spans `dilation * (kernel_size - 1) + 1` pixels.",
        "The last copy starts at `(size - 1) * stride`. Then take away `padding` twice and add "
        "`output_padding` once.",
    ),
)


@size.cases
def _(draw):
    n, k = draw.integer(3, 9), draw.integer(3, 5)
    yield Case(n, k, words="stride 1, nothing trimmed")
    yield Case(n, k, 2, words="stride 2")
    yield Case(n, k, 2, 1, words="stride 2, padding 1")
    yield Case(n, k, 2, 1, 1, words="stride 2, padding 1, output padding 1")
    yield Case(n, 2, draw.integer(3, 5), words="a stride larger than the filter")
    yield Case(n, k, draw.integer(1, 2), 1, 0, draw.integer(3, 4), words="a dilated filter")
    yield Case(1, k, 2, words="a single pixel")
    for _ in range(draw.count):
        stride = draw.integer(2, 4)
        arguments = (
            draw.integer(4, 40),
            draw.integer(2, 7),
            stride,
            draw.integer(1, 2),
            draw.integer(1, stride - 1),
        )
        yield Case(*arguments, dilation=draw.integer(1, 3), words="random arguments")


def counted(size, kernel_size, stride=1, padding=0, output_padding=0, dilation=1):
    start = (size - 1) * stride
    span = dilation * (kernel_size - 1) + 1
    return start + span - 2 * padding + output_padding


@size.slip(
    "size of a plain convolution",
    "This is the size after a plain convolution, which shrinks. Solve that formula for its input size, or "
    "count painted pixels: the last copy's start plus its span.",
)
def _(size, kernel_size, stride=1, padding=0, output_padding=0, dilation=1):
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1


size.slip_of(
    counted,
    "padding added",
    "You add the padding. It is the padding of the convolution that is being transposed: that one adds "
    "zeros, so this one trims pixels. Take it away, once at each end.",
    ("- 2 * padding", "+ 2 * padding"),
)
size.slip_of(
    counted,
    "trims one end",
    "You take the padding away once. It is trimmed from both ends: take it away twice.",
    ("- 2 * padding", "- padding"),
)
size.slip_of(
    counted,
    "output padding at both ends",
    "You add the output padding twice. It grows the far end only: add it once.",
    ("+ output_padding", "+ 2 * output_padding"),
)
size.slip_of(
    counted,
    "one step too many",
    "You count a step of the stride for every pixel. Between n copies there are n - 1 steps: "
    "`(size - 1) * stride`.",
    ("(size - 1) * stride", "size * stride"),
)
size.slip_of(
    counted,
    "dilation forgotten",
    "You count the filter's numbers, not the pixels it spans. With dilation its numbers lie apart: it spans "
    "`dilation * (kernel_size - 1) + 1` pixels.",
    ("dilation * (kernel_size - 1) + 1", "kernel_size"),
)
size.slip_of(
    counted,
    "a step for each number",
    "You count a step of the dilation for each of the filter's numbers. Between k numbers there are k - 1 steps, and "
    "the last number is one pixel more: `dilation * (kernel_size - 1) + 1`.",
    ("dilation * (kernel_size - 1) + 1", "dilation * kernel_size"),
)
size.slip_of(
    counted,
    "last pixel forgotten",
    "Your result is one pixel short. You go from the first pixel to the last and count the steps; the pixel that you "
    "started from is one, too.",
    ("dilation * (kernel_size - 1) + 1", "dilation * (kernel_size - 1)"),
)
size.slip_of(
    counted,
    "output padding forgotten",
    "You leave the output padding out. It grows the far end: add it once.",
    (" + output_padding", ""),
)


# ------------------------------------------------------------------- derivation · size from size


def _size_lines(i, o, k, s, p, r):
    import sympy

    return [
        sympy.Eq(o, (i + 2 * p - k - r) / s + 1, evaluate=False),
        sympy.Eq(o - 1, (i + 2 * p - k - r) / s, evaluate=False),
        sympy.Eq((o - 1) * s, i + 2 * p - k - r, evaluate=False),
        sympy.Eq(i, (o - 1) * s + k - 2 * p + r, evaluate=False),
    ]


def _no_fraction(line, i, o, k, s, p, r):
    import sympy

    powers = (node for node in sympy.preorder_traversal(line) if isinstance(node, sympy.Pow))
    return not any(node.exp.is_number and node.exp < 0 for node in powers)


size_from_size = exercises.derivation(
    "size_from_size",
    _size_lines,
    symbols=("i", "o", "k", "s", "p", "r"),
    unknown="i",
    milestones=(
        ("no fraction is left", _no_fraction),
        ("`i` stands alone on the left", lambda line, i, *others: is_solved_for(line, i)),
    ),
    title="The same formula, derived",
    points=2,
    difficulty=2,
    minutes=8,
    hints=(
        "Undo the formula from the outside in: what was done last to make `o`?",
        "Last came `+ 1`, before it the division by `s`. Take 1 away on both sides, then multiply both "
        "sides by `s`.",
        "You have `(o - 1) * s` on the left. Bring `2 * p`, `k` and `r` over to it; each changes its sign.",
    ),
)


@size_from_size.slip(
    "multiplied before the one was moved",
    "You multiply by s, but the + 1 stays as it is. Every term of a side is multiplied: move the 1 over "
    "first.",
)
def _(i, o, k, s, p, r):
    import sympy

    return [
        sympy.Eq(o, (i + 2 * p - k - r) / s + 1, evaluate=False),
        sympy.Eq(o * s, i + 2 * p - k - r + 1, evaluate=False),
    ]


@size_from_size.slip(
    "padding keeps its sign",
    "The padding comes over to the other side with the sign it had. What a convolution adds, its transpose "
    "trims: - 2p.",
)
def _(i, o, k, s, p, r):
    import sympy

    return [
        sympy.Eq(o, (i + 2 * p - k - r) / s + 1, evaluate=False),
        sympy.Eq(i, (o - 1) * s + k + 2 * p + r, evaluate=False),
    ]


@size_from_size.slip(
    "remainder dropped",
    "The remainder r is gone. Rounding down threw r pixels away; whoever goes back has to say how many: "
    "that is the output padding.",
)
def _(i, o, k, s, p, r):
    import sympy

    return [
        sympy.Eq(o, (i + 2 * p - k - r) / s + 1, evaluate=False),
        sympy.Eq(i, (o - 1) * s + k - 2 * p, evaluate=False),
    ]


@size_from_size.slip(
    "divided again",
    "You divide by s once more. The division is undone by multiplying both sides by s.",
)
def _(i, o, k, s, p, r):
    import sympy

    return [
        sympy.Eq(o, (i + 2 * p - k - r) / s + 1, evaluate=False),
        sympy.Eq((o - 1) / s, i + 2 * p - k - r, evaluate=False),
    ]


# ------------------------------------------------------------------------ 3 · paint in two dimensions

paint_2d = exercises.function(
    "conv_transpose2d_naive",
    reference.conv_transpose2d_naive,
    title="Paint and add in two dimensions",
    points=3,
    difficulty=2,
    minutes=12,
    loops=True,
    allowed=("output_size",),
    hints=(
        "Paint the whole canvas first, as in one dimension, with a row and a column for each copy. Trim at "
        "the end.",
        "The copy of pixel `x[i, j]` covers rows `i * stride` to `i * stride + kernel_height`, columns "
        "alike.",
        "Trim by `canvas[padding : height - padding, padding : width - padding]`, so that `padding` 0 trims "
        "nothing.",
    ),
)


@paint_2d.cases
def _(draw):
    def numbers(h, w):
        return draw.integers((h, w), 1, 10)

    yield Case(numbers(2, 2), numbers(2, 2), words="2x2 under a filter of 2x2, stride 1")
    yield Case(numbers(2, 2), numbers(3, 3), stride=2, words="2x2 under a filter of 3x3, stride 2: 5x5")
    yield Case(numbers(2, 2), numbers(3, 3), stride=2, padding=1, words="the same, trimmed by padding 1: 3x3")
    yield Case(numbers(2, 3), numbers(2, 2), stride=3, words="stride 3 over a filter of 2x2: gaps stay empty")
    yield Case(numbers(2, 4), numbers(3, 2), stride=2, words="neither image nor filter is square")
    yield Case(numbers(3, 2), numbers(2, 3), padding=1, words="padding without a stride")
    yield Case(
        draw.normal((2, 3)), draw.normal((3, 3)), 2, 1, gradient=True, words="gradients of image and filter"
    )
    for _ in range(draw.count):
        x = draw.normal((draw.integer(2, 4), draw.integer(3, 5)))
        weight = draw.normal((draw.integer(3, 4), draw.integer(3, 4)))
        yield Case(
            x, weight, draw.integer(1, 3), draw.integer(0, 1), words="random sizes, stride and padding"
        )


def painted_plane(x, weight, stride=1, padding=0):
    (h, w), (kh, kw) = x.shape, weight.shape
    canvas = torch.zeros((h - 1) * stride + kh, (w - 1) * stride + kw)
    for i in range(h):
        for j in range(w):
            canvas[i * stride : i * stride + kh, j * stride : j * stride + kw] += x[i, j] * weight
    height, width = canvas.shape
    return canvas[padding : height - padding, padding : width - padding]


paint_2d.slip_of(
    painted_plane,
    "overlaps overwritten",
    "Where copies meet, you keep the latest and lose the others. Copies add up: use `+=` instead of `=`.",
    ("+=", "="),
)
paint_2d.slip_of(
    painted_plane,
    "filter flipped",
    "You paint the filter turned by half a circle. Painting takes it as it is: its top left number lands on "
    "the copy's top left pixel.",
    ("x[i, j] * weight", "x[i, j] * weight.flip(0, 1)"),
)
paint_2d.slip_of(
    painted_plane,
    "padding added",
    "You surround the result with zeros. Padding of a transposed convolution trims: cut `padding` rows and "
    "columns off each side of the painted canvas.",
    (
        "canvas[padding : height - padding, padding : width - padding]",
        "torch.nn.functional.pad(canvas, [padding] * 4)",
    ),
)
paint_2d.slip_of(
    painted_plane,
    "trims one side",
    "You trim at the top and at the left only. Padding is cut off all four sides.",
    ("canvas[padding : height - padding, padding : width - padding]", "canvas[padding:, padding:]"),
)
paint_2d.slip_of(
    painted_plane,
    "padding ignored",
    "You return the whole painted canvas. Cut `padding` rows and columns off each side.",
    ("canvas[padding : height - padding, padding : width - padding]", "canvas"),
)
paint_2d.slip_of(
    painted_plane,
    "nothing left without padding",
    "You cut with `[padding:-padding]`. Without padding that is `[0:-0]`, which keeps nothing, because -0 is 0. "
    "Count the end from the front: `[padding : height - padding]`.",
    ("padding : height - padding, padding : width - padding", "padding:-padding, padding:-padding"),
)
paint_2d.slip_of(
    painted_plane,
    "input trimmed",
    "You trim the input before painting. Padding counts output pixels: paint with the whole input, then cut "
    "the canvas.",
    ("    (h, w)", "    x = x[padding : x.shape[0] - padding, padding : x.shape[1] - padding]\n    (h, w)"),
    (
        "torch.zeros((h - 1) * stride + kh, (w - 1) * stride + kw)",
        "torch.zeros(max(h - 1, 0) * stride + kh, max(w - 1, 0) * stride + kw)",
    ),
    ("canvas[padding : height - padding, padding : width - padding]", "canvas"),
)


# ------------------------------------------------------------------------- 4 · matrix of a convolution

matrix = exercises.function(
    "convolution_matrix",
    reference.convolution_matrix,
    title="The matrix of a convolution",
    points=3,
    difficulty=4,
    minutes=18,
    forbidden=(CONVOLUTION, FFT, UNFOLD),
    allowed=("convolution_size",),
    hints=(
        "Begin with one axis. Row `b` belongs to output `b`. On which input does the filter's number `l` stand then?",
        "It stands on input `b * stride + l - padding`. Where that is not a pixel of the input, write nothing.",
        "For two axes, number the pixels row by row: output `(a, b)` is row `a * output_width + b`, input "
        "`(i, j)` is column `i * width + j`. A vector is an image with a single row.",
    ),
)


@matrix.cases
def _(draw):
    def numbers(*shape):
        return draw.integers(shape, 1, 10)

    yield Case(numbers(3), (6,), words="one axis, stride 1, padding 0")
    yield Case(numbers(3), (6,), stride=2, words="one axis, stride 2")
    yield Case(numbers(3), (4,), padding=1, words="one axis, padding 1: columns of padded zeros are dropped")
    yield Case(numbers(3), (4,), stride=2, padding=1, words="one axis, stride 2, padding 1")
    yield Case(
        numbers(2), (7,), stride=3, words="one axis, stride 3 over a filter of two: columns stay empty"
    )
    yield Case(numbers(2, 2), (3, 3), words="two axes, stride 1, padding 0")
    yield Case(numbers(2, 3), (3, 4), words="two axes, neither image nor filter is square")
    yield Case(numbers(3, 2), (4, 5), stride=2, padding=1, words="two axes, stride 2, padding 1")
    for _ in range(draw.count):
        weight, stride, padding = draw.normal((draw.integer(2, 4),)), draw.integer(1, 3), draw.integer(0, 1)
        yield Case(weight, (draw.integer(5, 8),), stride, padding, words="one axis, random")
        weight, stride, padding = draw.normal((draw.integer(2, 3), 3)), draw.integer(1, 2), draw.integer(0, 1)
        yield Case(
            weight, (draw.integer(3, 4), draw.integer(5, 6)), stride, padding, words="two axes, random"
        )


def written_out(weight, input_shape, stride=1, padding=0):
    rows = 0 if weight.dim() == 1 else padding  # a vector is an image with a single row
    h, w = input_shape if weight.dim() == 2 else (1, *input_shape)
    weight = weight if weight.dim() == 2 else weight[None]
    kh, kw = weight.shape
    oh, ow = (h + 2 * rows - kh) // stride + 1, (w + 2 * padding - kw) // stride + 1
    matrix = torch.zeros(oh * ow, h * w)
    for a in range(oh):
        for b in range(ow):
            for k in range(kh):
                for l in range(kw):
                    i, j = a * stride + k - rows, b * stride + l - padding
                    if 0 <= i < h and 0 <= j < w:
                        matrix[a * ow + b, i * w + j] = weight[k, l]
    return matrix


matrix.slip_of(
    written_out,
    "already transposed",
    "You return the transpose: outputs must be rows and inputs columns. The transposed convolution comes "
    "after, as X.T.",
    ("return matrix", "return matrix.T"),
)
matrix.slip_of(
    written_out,
    "filter flipped",
    "You write the filter back to front. Deep learning's convolution does not flip: the filter's first "
    "number stands on the first pixel of its window.",
    ("weight[k, l]", "weight[kh - 1 - k, kw - 1 - l]"),
)
matrix.slip_of(
    written_out,
    "padded columns kept",
    "You keep a column for every padded zero. The matrix acts on the input alone: shift the columns by the "
    "padding and drop those outside.",
    ("    kh, kw", "    h, w, rows, padding = h + 2 * rows, w + 2 * padding, 0, 0\n    kh, kw"),
)
matrix.slip_of(
    written_out,
    "wrapped round the border",
    "Where the filter stands on a padded zero in front, your column number is negative, and Python counts those from "
    "the other end. Write only where the number is at least 0.",
    ("0 <= i < h and 0 <= j < w", "i < h and j < w"),
)
matrix.slip_of(
    written_out,
    "stride ignored",
    "Each row of your matrix moves the filter by one pixel, whatever the stride. Move it by `stride` input "
    "pixels a row, which leaves fewer rows.",
    ("    kh, kw", "    stride = 1\n    kh, kw"),
)
matrix.slip_of(
    written_out,
    "image width forgotten",
    "You lay the filter's rows end to end. In an image read row by row, one row down is `width` columns "
    "further: pixel (i, j) is column `i * width + j`.",
    ("matrix[a * ow + b, i * w + j]", "matrix[a * ow + b, (i - k) * w + (j - l) + k * kw + l]"),
)


# ------------------------------------------------------------------- derivation · adjoint identity


def _adjoint_lines(a, b, w):
    (a0, a1, a2, a3, a4), (b0, b1), (x, y, z) = a, b, w
    return [
        b0 * (x * a0 + y * a1 + z * a2) + b1 * (x * a2 + y * a3 + z * a4),
        b0 * x * a0 + b0 * y * a1 + b0 * z * a2 + b1 * x * a2 + b1 * y * a3 + b1 * z * a4,
        a0 * (x * b0) + a1 * (y * b0) + a2 * (z * b0 + x * b1) + a3 * (y * b1) + a4 * (z * b1),
    ]


def _each_pixel_once(line, a, b, w):
    return all(occurrences(line, pixel) == 1 for pixel in a)


adjoint_identity = exercises.derivation(
    "adjoint_identity",
    _adjoint_lines,
    symbols=("a0 a1 a2 a3 a4", "b0 b1", "x y z"),
    milestones=(
        (
            "all brackets multiplied out",
            lambda line, a, b, w: is_sum_of_products(line) or _each_pixel_once(line, a, b, w),
        ),
        ("each of `a0` to `a4` written once", _each_pixel_once),
    ),
    title="The adjoint identity on one line",
    points=2,
    difficulty=2,
    minutes=8,
    hints=(
        "Nothing but distributing: first multiply out, so that you see six products. Then sort them by the "
        "input pixel.",
        "Two of the six products hold `a[2]`, because both windows cover that pixel. Take it out of both.",
        "The last line is `a[0] * (...) + a[1] * (...) + a[2] * (...) + a[3] * (...) + a[4] * (...)`. The "
        "bracket of `a[2]` is `z * b[0] + x * b[1]`.",
    ),
)


@adjoint_identity.slip(
    "overlap lost",
    "Both windows cover pixel a2, so its bracket has two parts, z b0 and x b1. You kept one of them.",
)
def _(a, b, w):
    (a0, a1, a2, a3, a4), (b0, b1), (x, y, z) = a, b, w
    return [
        b0 * (x * a0 + y * a1 + z * a2) + b1 * (x * a2 + y * a3 + z * a4),
        a0 * x * b0 + a1 * y * b0 + a2 * x * b1 + a3 * y * b1 + a4 * z * b1,
    ]


@adjoint_identity.slip(
    "filter flipped",
    "In your sorted line the filter runs backwards. Nothing was flipped: pixel a0 met only x, and a4 met "
    "only z.",
)
def _(a, b, w):
    (a0, a1, a2, a3, a4), (b0, b1), (x, y, z) = a, b, w
    return [
        b0 * (x * a0 + y * a1 + z * a2) + b1 * (x * a2 + y * a3 + z * a4),
        a0 * z * b0 + a1 * y * b0 + a2 * (x * b0 + z * b1) + a3 * y * b1 + a4 * x * b1,
    ]


@adjoint_identity.slip(
    "stride forgotten",
    "Your second window starts at a1. The stride is 2: it starts at a2.",
)
def _(a, b, w):
    (a0, a1, a2, a3, _), (b0, b1), (x, y, z) = a, b, w
    return [
        b0 * (x * a0 + y * a1 + z * a2) + b1 * (x * a1 + y * a2 + z * a3),
    ]


# ------------------------------------------------------------------------ 5 · zeros in between, and a flip

zeros_between = exercises.function(
    "fractionally_strided_convolution",
    reference.fractionally_strided_convolution,
    title="Spread, flip, slide",
    points=3,
    difficulty=3,
    minutes=12,
    forbidden=(CONVOLUTION, FFT, UNFOLD, MATMUL),
    allowed=("correlate2d",),
    hints=(
        "Three steps: spread the pixels apart, put a border of zeros around them, slide the flipped filter over it.",
        "Make `spread` a plane of zeros with `(height - 1) * stride + 1` rows, columns alike. Its pixels "
        "`spread[::stride, ::stride]` are `x`.",
        "The border is `kernel_height - 1 - padding` rows wide, columns alike: `torch.nn.functional.pad(spread, "
        "(left, left, top, top))` adds it. End with `tc.correlate2d` and `weight.flip(0, 1)`.",
    ),
)


@zeros_between.cases
def _(draw):
    def numbers(h, w):
        return draw.integers((h, w), 1, 10)

    yield Case(numbers(2, 2), numbers(2, 2), words="stride 1: nothing to spread, but the filter is flipped")
    yield Case(numbers(2, 2), numbers(3, 3), stride=2, words="2x2 under a filter of 3x3, stride 2: 5x5")
    yield Case(numbers(3, 3), numbers(3, 3), stride=2, padding=1, words="padding 1: a border of 1 is left")
    yield Case(numbers(2, 3), numbers(2, 2), stride=3, words="stride 3 over a filter of 2x2: gaps stay empty")
    yield Case(numbers(2, 4), numbers(3, 2), stride=2, words="neither image nor filter is square")
    yield Case(
        numbers(3, 2), numbers(2, 3), padding=1, words="padding without a stride: no border at top and bottom"
    )
    yield Case(
        draw.normal((2, 3)), draw.normal((3, 3)), 2, 1, gradient=True, words="gradients of image and filter"
    )
    for _ in range(draw.count):
        x = draw.normal((draw.integer(2, 4), draw.integer(3, 5)))
        weight = draw.normal((draw.integer(3, 4), draw.integer(3, 4)))
        yield Case(
            x, weight, draw.integer(1, 3), draw.integer(0, 1), words="random sizes, stride and padding"
        )


def spread_and_slid(x, weight, stride=1, padding=0):
    (h, w), (kh, kw) = x.shape, weight.shape
    top, left = kh - 1 - padding, kw - 1 - padding
    spread = torch.zeros((h - 1) * stride + 1 + 2 * top, (w - 1) * stride + 1 + 2 * left)
    for i in range(h):
        for j in range(w):
            spread[top + i * stride, left + j * stride] = x[i, j]
    taps = weight.flip(0, 1)
    out = torch.zeros(max(len(spread) - kh + 1, 0), max(spread.shape[1] - kw + 1, 0))
    for a in range(out.shape[0]):
        for b in range(out.shape[1]):
            out[a, b] = (spread[a : a + kh, b : b + kw] * taps).sum()
    return out


zeros_between.slip_of(
    spread_and_slid,
    "not flipped",
    "You slide the filter as it is. Each output pixel meets the filter back to front: flip it along both "
    "axes.",
    ("weight.flip(0, 1)", "weight"),
)
zeros_between.slip_of(
    spread_and_slid,
    "flipped along one axis",
    "You flip the filter's rows but not its columns. Flip both axes: a turn by half a circle.",
    ("weight.flip(0, 1)", "weight.flip(0)"),
)
zeros_between.slip_of(
    spread_and_slid,
    "transposed instead of flipped",
    "You exchange the filter's rows and columns. Flipping turns it by half a circle: `weight.flip(0, 1)`.",
    ("    (h, w)", "    weight = weight.T\n    (h, w)"),
    ("weight.flip(0, 1)", "weight"),
)
zeros_between.slip_of(
    spread_and_slid,
    "border of the padding",
    "Your border is as wide as the padding. Padding trims here: without it the border is `k - 1`, the "
    "filter's overhang, and each pixel of padding takes one away.",
    ("kh - 1 - padding, kw - 1 - padding", "padding, padding"),
)
zeros_between.slip_of(
    spread_and_slid,
    "zeros after the last pixel",
    "You put zeros after the last row and column, too. Zeros go between pixels: `(height - 1) * stride + 1` "
    "rows.",
    (
        "(h - 1) * stride + 1 + 2 * top, (w - 1) * stride + 1 + 2 * left",
        "h * stride + 2 * top, w * stride + 2 * left",
    ),
)
zeros_between.slip_of(
    spread_and_slid,
    "as many zeros as the stride",
    "You put `stride` zeros between neighbours, so they lie `stride + 1` apart. It takes `stride - 1` zeros.",
    ("    (h, w)", "    stride = stride + 1\n    (h, w)"),
)


# --------------------------------------------------------------------------------- 6 · bilinear weights

bilinear = exercises.function(
    "bilinear_kernel",
    reference.bilinear_kernel,
    title="The filter that interpolates",
    points=2,
    difficulty=2,
    minutes=8,
    forbidden=(CONVOLUTION, INTERPOLATION),
    numpy=True,
    hints=(
        "Write the tent of one row first. Where is its middle when there are four numbers?",
        "The middle of `kernel_size` numbers is `(kernel_size - 1) / 2`, which lies between two numbers for "
        "an even size. The tent falls to zero over `(kernel_size + 1) // 2` pixels.",
        "With `tent = 1 - (torch.arange(kernel_size) - centre).abs() / factor`, each number of the filter is the "
        "product of two numbers of the `tent`, one down and one across: `torch.outer` makes them all.",
    ),
)


@bilinear.cases
def _(draw):
    sizes = (3, 4, 5, 6, 2, 7, 8)
    words = {
        3: "3: the answer to the question above",
        4: "4: FCN's filter for stride 2",
        2: "2: copies that only touch",
    }
    for kernel_size in sizes:
        yield Case(kernel_size, words=words.get(kernel_size, str(kernel_size)), smoke=kernel_size == 2)
    yield Case(1, words="1: the tent is one number", smoke=True)
    for _ in range(draw.count):
        yield Case(draw.integer(9, 32), words="a random size")


def tented(kernel_size):
    factor = (kernel_size + 1) // 2
    centre = (kernel_size - 1) / 2
    tent = 1 - (torch.arange(kernel_size) - centre).abs() / factor
    return tent[:, None] * tent[None, :]


bilinear.slip_of(
    tented,
    "normalised",
    "You scale the filter to sum 1, as one does for a blur. Here the copies add up to 1 where they overlap: "
    "do not divide.",
    ("return tent[:, None] * tent[None, :]", "return tent[:, None] * tent[None, :] / tent.sum() ** 2"),
)
bilinear.slip_of(
    tented,
    "centre on a pixel",
    "For an even size your tent peaks on a pixel and is lopsided. The middle of the numbers 0 to K - 1 is "
    "(K - 1) / 2, between two pixels.",
    ("(kernel_size - 1) / 2", "kernel_size // 2"),
)
bilinear.slip_of(
    tented,
    "centre rounded down",
    "You divide by 2 with `//`, which rounds the middle of an even size down to a pixel: your tent is lopsided. The "
    "middle of the numbers 0 to K - 1 is (K - 1) / 2, between two pixels.",
    ("(kernel_size - 1) / 2", "(kernel_size - 1) // 2"),
)
bilinear.slip_of(
    tented,
    "half the size as slope",
    "Your tent reaches zero K / 2 pixels from its centre. It falls over the stride, (K + 1) // 2 pixels, so "
    "that one copy ends where its neighbour peaks.",
    ("(kernel_size + 1) // 2", "kernel_size / 2"),
)
bilinear.slip_of(
    tented,
    "cone",
    "You fall with the distance from the centre, as a cone does. Bilinear means linear along each axis: "
    "multiply two tents, one down and one across.",
    (
        "tent = 1 - (torch.arange(kernel_size) - centre).abs() / factor",
        "k = torch.arange(kernel_size) - centre",
    ),
    ("tent[:, None] * tent[None, :]", "(1 - (k[:, None] ** 2 + k**2).sqrt() / factor).clamp(min=0)"),
)
bilinear.slip_of(
    tented,
    "one row only",
    "You return the tent of one axis. The filter has two: multiply the tent down with the tent across.",
    ("return tent[:, None] * tent[None, :]", "return tent"),
)
bilinear.slip_of(
    tented,
    "sum of tents",
    "You average the two tents. Bilinear weights are their product: a corner is a half of a half, 1/4.",
    ("return tent[:, None] * tent[None, :]", "return (tent[:, None] + tent[None, :]) / 2"),
)
bilinear.slip_of(
    tented,
    "zero at its own ends",
    "Your tent is zero on its own first and last number, which then paint nothing. It falls to zero one step further, "
    "where its neighbour peaks.",
    (
        "tent = 1 - (torch.arange(kernel_size) - centre).abs() / factor",
        "tent = 1 - torch.linspace(-1, 1, kernel_size).abs()",
    ),
)


# ----------------------------------------------------------------------------- 7 · batches and channels


def adjoint_side(answer, b, weight, a, stride, padding, output_padding):
    """Probe: ``<a, answer(b)>``; for a transpose it is ``<conv(a), b>``, which nobody knows beforehand.

    Their difference would be zero for everybody, so that a zero would pass.
    """
    return (a * answer(b, weight, None, stride, padding, output_padding)).sum()


batched = exercises.function(
    "conv_transpose2d",
    reference.conv_transpose2d,
    title="Batches and channels",
    points=3,
    difficulty=4,
    minutes=18,
    forbidden=(CONVOLUTION, FFT, UNFOLD),
    allowed=("output_size",),
    hints=(
        "Forget loops over pixels: loop over the filter's numbers `k, l`. All copies of one number lie on a "
        "regular grid of the canvas, `stride` apart.",
        "The number `weight[:, :, k, l]` is a matrix from input to output channels. `torch.einsum` applies "
        "it to every pixel at once: `torch.einsum('ncij,co->noij', x, weight[:, :, k, l])`.",
        "Those pixels belong on rows `k * dilation`, `k * dilation + stride`, and so on, `h` of them. Make the canvas "
        "large enough for the output padding, and cut `padding` pixels off each side of it. For groups, paint each "
        "slice of channels on a canvas of its own and put the results side by side with `torch.cat`.",
    ),
)


@batched.cases
def _(draw):
    def images(*shape):
        return draw.integers(shape, -4, 5)

    def arguments(**settings):
        return dict(bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1) | settings

    x, weight, bias = images(2, 3, 2, 3), images(3, 2, 3, 3), draw.normal((2,))
    yield Case(x, weight, words="two images, three channels in, two out; stride 1")
    yield Case(x, weight, **arguments(stride=2), words="stride 2")
    yield Case(x, weight, **arguments(bias=bias, stride=2, padding=1), words="bias, stride 2, padding 1")
    yield Case(
        images(1, 2, 2, 2),
        images(2, 2, 2, 2),
        **arguments(bias=bias, stride=3),
        words="gaps show the bias: stride 3, filter 2",
    )
    yield Case(
        x,
        weight,
        **arguments(stride=2, padding=1, output_padding=1),
        words="output padding grows bottom and right only",
    )
    yield Case(
        x, images(3, 2, 2, 3), **arguments(stride=2, dilation=2), words="a dilated filter that is not square"
    )
    yield Case(
        images(2, 4, 2, 3),
        images(4, 3, 3, 3),
        **arguments(stride=2, groups=2),
        words="two groups of channels",
    )
    yield Case(
        images(1, 2, 3, 3), images(2, 2, 3, 3), **arguments(stride=2), words="as many channels out as in"
    )
    yield Case(
        draw.normal((2, 2, 3, 3)), draw.normal((2, 3, 3, 3)), draw.normal((3,)), 2, 1, gradient=True,
        words="gradients of images, weight and bias",
    )  # fmt: skip
    yield Case(
        draw.normal((1, 3, 3, 3)), draw.normal((3, 2, 3, 3)), draw.normal((1, 2, 6, 6)), 2, 1, 1,
        probe=adjoint_side, words="adjoint identity: <convolved a, b> = <a, painted b>",
    )  # fmt: skip
    for _ in range(draw.count):
        groups, stride = draw.integer(1, 3), draw.integer(2, 3)
        x = draw.normal((draw.integer(1, 3), 2 * groups, draw.integer(2, 4), draw.integer(2, 4)))
        weight = draw.normal((2 * groups, draw.integer(1, 3), draw.integer(2, 4), draw.integer(2, 4)))
        settings = dict(
            bias=draw.normal((groups * weight.shape[1],)), stride=stride, padding=draw.integer(0, 1),
            output_padding=draw.integer(0, 1), groups=groups, dilation=draw.integer(1, 2),
        )  # fmt: skip
        yield Case(x, weight, **settings, words="random everything")


def painted_by_taps(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    (n, _, h, w), (kh, kw) = x.shape, weight.shape[2:]
    height = (h - 1) * stride + dilation * (kh - 1) + 1 + output_padding
    width = (w - 1) * stride + dilation * (kw - 1) + 1 + output_padding
    parts = []
    for part, filters in zip(x.chunk(groups, 1), weight.chunk(groups, 0), strict=True):
        canvas = torch.zeros(n, filters.shape[1], height, width)
        for k in range(kh):
            for l in range(kw):
                top, left = k * dilation, l * dilation
                rows = slice(top, top + (h - 1) * stride + 1, stride)
                columns = slice(left, left + (w - 1) * stride + 1, stride)
                canvas[:, :, rows, columns] += torch.einsum("ncij,co->noij", part, filters[:, :, k, l])
        parts.append(canvas)
    out = torch.cat(parts, 1)
    out = out[:, :, padding : height - padding, padding : width - padding]
    return out if bias is None else out + bias[:, None, None]


batched.slip_of(
    painted_by_taps,
    "weight axes swapped",
    "You read the weight as (C_out, C_in, kH, kW), as for a plain convolution. Here input channels come "
    "first: it is the plain convolution's weight, used backwards.",
    ("filters.shape[1]", "filters.shape[0]"),
    ("ncij,co->noij", "ncij,oc->noij"),
)
batched.slip_of(
    painted_by_taps,
    "filter flipped",
    "You paint the filter turned by half a circle. Painting takes it as it is.",
    ("filters[:, :, k, l]", "filters[:, :, kh - 1 - k, kw - 1 - l]"),
)
batched.slip_of(
    painted_by_taps,
    "overlaps overwritten",
    "Where copies meet, you keep the latest and lose the others. Copies add up: use `+=` instead of `=`.",
    ("+=", "="),
)
batched.slip_of(
    painted_by_taps,
    "bias only where painted",
    "You add the bias where a copy landed and leave the gaps at zero. The bias belongs to every output "
    "pixel: add it after painting.",
    ("    parts = []", "    parts, reached = [], torch.zeros(height, width)"),
    (
        "                canvas[:, :, rows",
        "                reached[rows, columns] = 1\n                canvas[:, :, rows",
    ),
    (
        "    out = torch.cat(parts, 1)\n",
        "    out = torch.cat(parts, 1) + (0 if bias is None else bias[:, None, None] * reached)\n",
    ),
    ("return out if bias is None else out + bias[:, None, None]", "return out"),
)
batched.slip_of(
    painted_by_taps,
    "bias with every copy",
    "You add the bias with each painted number, so it piles up where copies overlap. Add it once, after "
    "painting.",
    ("    parts = []", "    parts, reached = [], torch.zeros(height, width)"),
    (
        "                canvas[:, :, rows",
        "                reached[rows, columns] += 1 / groups\n                canvas[:, :, rows",
    ),
    (
        "    out = torch.cat(parts, 1)\n",
        "    out = torch.cat(parts, 1) + (0 if bias is None else bias[:, None, None] * reached)\n",
    ),
    ("return out if bias is None else out + bias[:, None, None]", "return out"),
)
batched.slip_of(
    painted_by_taps,
    "bias forgotten",
    "You leave the bias out. It is added once to every output pixel of its channel.",
    ("return out if bias is None else out + bias[:, None, None]", "return out"),
)
batched.slip_of(
    painted_by_taps,
    "output padding at the top left",
    "Your output padding pushes the picture down and to the right. It adds rows at the bottom and columns at "
    "the right; nothing moves.",
    ("k * dilation, l * dilation", "k * dilation + output_padding, l * dilation + output_padding"),
)
batched.slip_of(
    painted_by_taps,
    "output padding of zeros",
    "You trim first and put zeros into the added rows and columns. What was painted there is part of the "
    "output: output padding takes back some of the trimming at the bottom and at the right.",
    ("    out = torch.cat(parts, 1)\n", "    out, p = torch.cat(parts, 1), padding + output_padding\n"),
    (
        "padding : height - padding, padding : width - padding]",
        "padding : height - p, padding : width - p]\n"
        "    out = torch.nn.functional.pad(out, (0, output_padding, 0, output_padding))",
    ),
)
batched.slip_of(
    painted_by_taps,
    "padding added",
    "You surround the result with zeros. Padding of a transposed convolution trims each side of the canvas.",
    (
        "out[:, :, padding : height - padding, padding : width - padding]",
        "torch.nn.functional.pad(out, [padding] * 4)",
    ),
)
batched.slip_of(
    painted_by_taps,
    "groups see each other",
    "Every output channel sums over all input channels. With groups, an output channel sees the inputs of "
    "its own group only: split the channels, paint each group, put the results side by side.",
    ("x.chunk(groups, 1), weight.chunk(groups, 0)", "[x], [weight.repeat(1, groups, 1, 1)]"),
)
batched.slip_of(
    painted_by_taps,
    "dilation ignored",
    "You paint the filter's numbers side by side. With dilation they lie `dilation` pixels apart.",
    ("    (n, _, h, w)", "    dilation = 1\n    (n, _, h, w)"),
)
