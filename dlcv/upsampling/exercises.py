"""What chapter 02 asks: cases, forbidden calls, and the slips that learners really make.

Under most exercises stands one right answer in plain steps; a slip is that answer with a line gone wrong.
"""

from __future__ import annotations

import torch

from dlcv.checking import INTERPOLATION, POOLING, Case, Exercises
from dlcv.checking.derivation import is_sum_of_products, occurrences
from dlcv.upsampling import reference

exercises = Exercises("upsampling")
check = exercises.check


# -------------------------------------------------------------------------------- 1 · nearest neighbour

nearest = exercises.function(
    "upsample_nearest",
    reference.upsample_nearest,
    title="Repeat each pixel",
    points=1,
    difficulty=1,
    minutes=5,
    forbidden=(INTERPOLATION,),
    hints=(
        "Which input row does each output row lie in? Write the answers for all rows as one list of numbers.",
        "With a scale of 2 the rows are 0, 0, 1, 1, 2, 2: a whole division of `torch.arange` gives them.",
        "Index with them: `x[:, :, rows]` picks rows, and `[:, :, :, columns]` picks columns.",
    ),
)


@nearest.cases
def _(draw):
    yield Case(draw.permutation(4).reshape(1, 1, 2, 2).float(), 2, words="2x2, scale 2")
    yield Case(draw.permutation(6).reshape(1, 1, 2, 3).float(), 3, words="2x3, scale 3: not square")
    yield Case(draw.permutation(24).reshape(2, 3, 2, 2).float(), 2, words="two images of three channels")
    yield Case(draw.permutation(4).reshape(1, 1, 2, 2).float(), 1, smoke=True, words="scale 1")
    yield Case(draw.normal((1, 2, 3, 2)), 2, gradient=True, words="gradient: each pixel collects its block")
    for _ in range(draw.count):
        x = draw.normal((draw.integer(1, 2), draw.integer(1, 3), draw.integer(2, 5), draw.integer(2, 5)))
        yield Case(x, draw.integer(2, 4), words="random numbers, sizes and scale")


def repeated_pixels(x, scale):
    rows = torch.arange(x.shape[2] * scale) // scale
    columns = torch.arange(x.shape[3] * scale) // scale
    return x[:, :, rows][:, :, :, columns]


nearest.slip_of(
    repeated_pixels,
    "image repeated, not its pixels",
    "You lay whole copies of the image side by side. Repeat each pixel next to itself: rows 0, 0, 1, 1, not "
    "0, 1, 0, 1.",
    ("x.shape[2] * scale) // scale", "x.shape[2] * scale) % x.shape[2]"),
    ("x.shape[3] * scale) // scale", "x.shape[3] * scale) % x.shape[3]"),
)
nearest.slip_of(
    repeated_pixels,
    "columns only",
    "Only the width has grown. Repeat rows as well as columns.",
    ("torch.arange(x.shape[2] * scale) // scale", "torch.arange(x.shape[2])"),
)
nearest.slip_of(
    repeated_pixels,
    "rounded instead of rounded down",
    "You round the source row to the nearest whole number, which moves the image by half a pixel. An output "
    "pixel lies *in* an input pixel: round down.",
    (
        "x.shape[2] * scale) // scale",
        "x.shape[2] * scale).add(scale // 2).div(scale).long().clamp(max=x.shape[2] - 1)",
    ),
    (
        "x.shape[3] * scale) // scale",
        "x.shape[3] * scale).add(scale // 2).div(scale).long().clamp(max=x.shape[3] - 1)",
    ),
)
nearest.slip_of(
    repeated_pixels,
    "bed of nails",
    "Most of each block is zero: that is the bed of nails, which comes next. Here the whole block gets the value.",
    ("return x[:, :, rows][:, :, :, columns]",
     "y = torch.zeros(*x.shape[:2], len(rows), len(columns))\n"
     "    y[:, :, ::scale, ::scale] = x\n"
     "    return y"),
)  # fmt: skip


# ------------------------------------------------------------------------------------ 2 · bed of nails

nails = exercises.function(
    "bed_of_nails",
    reference.bed_of_nails,
    title="Leave gaps",
    points=1,
    difficulty=1,
    minutes=5,
    forbidden=(INTERPOLATION,),
    hints=(
        "Make a plane of zeros first. How high and wide is it?",
        "Each pixel has a block of `scale` by `scale`, the last one as well: the plane has `scale` times as many rows.",
        "`y[:, :, ::scale, ::scale]` is the top left corner of every block; assign `x` to it.",
    ),
)


@nails.cases
def _(draw):
    yield Case(draw.integers((1, 1, 2, 2), 1, 10), 2, words="2x2, scale 2")
    yield Case(draw.integers((1, 1, 2, 3), 1, 10), 3, words="2x3, scale 3: not square")
    yield Case(draw.integers((2, 3, 2, 2), 1, 10), 2, words="two images of three channels")
    yield Case(draw.integers((1, 1, 2, 2), 1, 10), 1, smoke=True, words="scale 1")
    yield Case(draw.normal((1, 2, 3, 2)), 2, gradient=True, words="gradient: read at the nails")
    for _ in range(draw.count):
        x = draw.normal((draw.integer(1, 2), draw.integer(1, 3), draw.integer(2, 5), draw.integer(2, 5)))
        yield Case(x, draw.integer(2, 4), words="random numbers, sizes and scale")


def nailed(x, scale):
    n, c, h, w = x.shape
    y = torch.zeros(n, c, h * scale, w * scale)
    y[:, :, ::scale, ::scale] = x
    return y


nails.slip_of(
    nailed,
    "no room after the last nail",
    "Your plane ends with the last nail. Each pixel has a whole block, the last one too: `scale` times the height "
    "and the width.",
    ("h * scale, w * scale", "(h - 1) * scale + 1, (w - 1) * scale + 1"),
)
nails.slip_of(
    nailed,
    "nails in the last corner",
    "Your values stand in the bottom right corner of their blocks. The nail is the block's first pixel, top left.",
    ("::scale, ::scale", "scale - 1 :: scale, scale - 1 :: scale"),
)
nails.slip_of(
    nailed,
    "nails in the middle",
    "Your values stand in the middle of their blocks. The nail is the block's first pixel, top left.",
    ("::scale, ::scale", "scale // 2 :: scale, scale // 2 :: scale"),
)
nails.slip_of(
    nailed,
    "gaps filled",
    "You fill the whole block with its value: that is nearest neighbour. Here all of a block but its first pixel "
    "stays zero.",
    ("    y[:, :, ::scale, ::scale] = x",
     "    for i in range(scale):\n"
     "        for j in range(scale):\n"
     "            y[:, :, i::scale, j::scale] = x"),
)  # fmt: skip


# ------------------------------------------------------------------------------- 3 · where a pixel lies

positions = exercises.function(
    "source_positions",
    reference.source_positions,
    title="Where does an output pixel lie?",
    points=2,
    difficulty=2,
    minutes=10,
    hints=(
        "Draw two pixels as two boxes, and four boxes of the same total length under them. Where is each middle?",
        "With `align_corners=False` boxes are scaled: go to the box's edge (+ 0.5), scale, and come back (- 0.5).",
        "With `align_corners=True` centres are scaled: `size - 1` steps become `out_size - 1` steps. A single output "
        "pixel makes no step: divide by at least 1.",
    ),
)


@positions.cases
def _(draw):
    yield Case(2, 4, words="2 pixels become 4")
    yield Case(2, 4, True, words="2 pixels become 4, corners aligned")
    yield Case(6, 3, words="6 pixels become 3: positions between two pixels")
    yield Case(draw.integer(4, 6), 1, words="a single output pixel lies in the middle")
    yield Case(draw.integer(4, 6), 1, True, words="a single output pixel, corners aligned: at 0", smoke=True)
    yield Case(1, 3, words="a single input pixel")
    yield Case(1, 3, align_corners=True, words="a single input pixel, corners aligned: all at 0", smoke=True)
    for _ in range(draw.count):
        size = draw.integer(3, 9)
        yield Case(size, size + draw.integer(1, 9), draw.boolean(), words="random sizes")


def scaled_centres(size, out_size, align_corners=False):
    i = torch.arange(out_size)
    if align_corners:
        return i * (size - 1) / max(out_size - 1, 1)
    return (i + 0.5) * size / out_size - 0.5


positions.slip_of(
    scaled_centres,
    "corners instead of half-pixel centres",
    "You scale the numbers of the pixels, which stand for their corners: the image moves up and to the left. A "
    "pixel's middle is half a pixel further on: add 0.5, scale, take 0.5 away.",
    ("(i + 0.5) * size / out_size - 0.5", "i * size / out_size"),
)
positions.slip_of(
    scaled_centres,
    "numbers scaled, whatever is asked",
    "You scale the numbers of the pixels in both conventions. Without aligned corners a pixel's middle is half a pixel "
    "further on; with them, size - 1 steps become out_size - 1 steps.",
    ("(i + 0.5) * size / out_size - 0.5", "i * size / out_size"),
    ("i * (size - 1) / max(out_size - 1, 1)", "i * size / out_size"),
)
positions.slip_of(
    scaled_centres,
    "align_corners ignored",
    "You place the pixels in the same way whatever `align_corners` says. With it the outermost centres coincide: "
    "size - 1 steps become out_size - 1 steps.",
    ("i * (size - 1) / max(out_size - 1, 1)", "(i + 0.5) * size / out_size - 0.5"),
)
positions.slip_of(
    scaled_centres,
    "half a pixel not taken back",
    "You go to the middle of the output pixel, but the result counts from the input's edge. Coordinates count from "
    "the middle of pixel 0: take 0.5 away at the end.",
    ("out_size - 0.5", "out_size"),
)
positions.slip_of(
    scaled_centres,
    "align_corners confused",
    "You have the two conventions the wrong way round. `align_corners=True` is the one in which the first and last "
    "centres coincide.",
    ("if align_corners", "if not align_corners"),
)
positions.slip_of(
    scaled_centres,
    "scale upside down",
    "You multiply by the factor by which the image grows. From output to input it is divided: `size / out_size`.",
    ("(i + 0.5) * size / out_size - 0.5", "(i + 0.5) * out_size / size - 0.5"),
    ("i * (size - 1) / max(out_size - 1, 1)", "i * (out_size - 1) / max(size - 1, 1)"),
)
positions.slip_of(
    scaled_centres,
    "pixels counted instead of steps",
    "Between n centres there are n - 1 steps. Divide by `out_size - 1`, so that the last centre meets the last one.",
    ("max(out_size - 1, 1)", "out_size"),
)
positions.slip_of(
    scaled_centres,
    "clamped too early",
    "You move positions outside of the centres to the border. That is the next function's choice: bilinear does "
    "it, bicubic must not. Return them as they are.",
    (
        "return (i + 0.5) * size / out_size - 0.5",
        "return ((i + 0.5) * size / out_size - 0.5).clamp(0, size - 1)",
    ),
)


# ------------------------------------------------------------------------------------------ 4 · bilinear

bilinear = exercises.function(
    "upsample_bilinear",
    reference.upsample_bilinear,
    title="Mix two neighbours along each axis",
    points=3,
    difficulty=3,
    minutes=20,
    forbidden=(INTERPOLATION,),
    allowed=("source_positions",),
    hints=(
        "Do one axis at a time: stretch the rows of the image, then treat the result's columns in the same way.",
        "Clamp the positions to 0 ... n - 1. `low = positions.floor()` is one neighbour, `low + 1` the other, and "
        "`t = positions - low` says how far you have gone from the first to the second.",
        "`x.index_select(axis, low)` picks one neighbour for all pixels. The upper one is clamped to n - 1. Down the "
        "rows, `t` needs the shape (out, 1).",
    ),
)


def _images(draw):
    """Cases that bilinear and bicubic share."""
    yield Case(draw.integers((1, 1, 2, 2), 0, 10), (4, 4), words="2x2 becomes 4x4")
    yield Case(draw.integers((1, 1, 2, 2), 0, 10), (4, 4), True, words="2x2 becomes 4x4, corners aligned")
    yield Case(
        draw.integers((1, 1, 3, 2), 0, 10), (4, 7), words="3x2 becomes 4x7: not square, no whole factor"
    )
    yield Case(draw.integers((1, 1, 4, 6), 0, 10), (2, 3), words="4x6 becomes 2x3: smaller")
    yield Case(draw.integers((1, 1, 3, 1), 1, 10), (5, 3), words="a width of 1")
    yield Case(draw.integers((1, 1, 3, 4), 0, 10), (5, 1), True, words="to a width of 1, corners aligned")
    yield Case(draw.normal((1, 2, 3, 2)), (5, 4), gradient=True, words="gradient with respect to the image")
    for number in range(draw.count):
        x = draw.normal((draw.integer(1, 2), draw.integer(1, 3), draw.integer(3, 5), draw.integer(3, 5)))
        size = (draw.integer(6, 9), draw.integer(6, 9))
        yield Case(x, size, number % 2 == 1, words="random numbers and sizes")


@bilinear.cases
def _(draw):
    yield from _images(draw)


def two_neighbours(x, size, align_corners=False):
    for axis, out in ((2, size[0]), (3, size[1])):
        n = x.shape[axis]
        i = torch.arange(out)
        p = (i + 0.5) * n / out - 0.5
        if align_corners:
            p = i * (n - 1) / max(out - 1, 1)
        p = p.clamp(0, n - 1)
        low = p.floor().long()
        high = (low + 1).clamp(max=n - 1)
        t = p - low
        t = t[:, None] if axis == 2 else t
        x = (1 - t) * x.index_select(axis, low) + t * x.index_select(axis, high)
    return x


bilinear.slip_of(
    two_neighbours,
    "corners instead of half-pixel centres",
    "You scale the numbers of the pixels, which stand for their corners: the image moves up and to the left. "
    "Without aligned corners a pixel's middle counts: `(i + 0.5) * n / out - 0.5`.",
    ("(i + 0.5) * n / out - 0.5", "i * n / out"),
)
bilinear.slip_of(
    two_neighbours,
    "align_corners confused",
    "You have the two conventions the wrong way round: you align corners where it is not asked, and only there.",
    ("if align_corners", "if not align_corners"),
)
bilinear.slip_of(
    two_neighbours,
    "align_corners ignored",
    "You answer as if `align_corners` were always False. With True the outermost centres coincide: "
    "`i * (n - 1) / (out - 1)`.",
    ("if align_corners", "if False"),
)
bilinear.slip_of(
    two_neighbours,
    "runs on past the border",
    "At the border you draw the line on beyond the last pixel, and leave the range of the image. Clamp the positions "
    "to 0 ... n - 1, so that the border repeats.",
    ("        p = p.clamp(0, n - 1)\n", ""),
    ("p.floor().long()", "p.floor().long().clamp(0, max(n - 2, 0))"),
)
bilinear.slip_of(
    two_neighbours,
    "weights changed places",
    "The nearer pixel gets the smaller weight. `t` is the way from the lower to the upper neighbour: the lower one "
    "weighs 1 - t.",
    ("(1 - t) * x", "t * x"),
    ("+ t * x", "+ (1 - t) * x"),
)
bilinear.slip_of(
    two_neighbours,
    "width before height",
    "You take `size` as width and height. In (N, C, H, W) the height comes first, and so it does in `size`.",
    ("(2, size[0]), (3, size[1])", "(2, size[1]), (3, size[0])"),
)
bilinear.slip_of(
    two_neighbours,
    "nearest neighbour",
    "You take one pixel, the nearest. Mix the two around the position, by how far it lies from each.",
    ("t = p - low", "t = (p - low > 0.5).float()"),
)


# -------------------------------------------------------------------------- derivation · why it stays inside


def _mix_lines(a, p, q, r, s, t):
    from sympy import Add, Mul, expand

    first = Add(
        Mul(1 - t, (1 - s) * a + s * (a + p), evaluate=False),
        Mul(t, (1 - s) * (a + q) + s * (a + r), evaluate=False),
        evaluate=False,
    )
    return [
        first,
        (1 - t) * (a + s * p) + t * (a + (1 - s) * q + s * r),
        expand(first),
        a + s * (1 - t) * p + (1 - s) * t * q + s * t * r,
    ]


def _one_of_each(line, a, p, q, r, s, t):
    return all(occurrences(line, symbol) == 1 for symbol in (a, p, q, r))


def _sum_of_gains(line, a, p, q, r, s, t):
    return _one_of_each(line, a, p, q, r, s, t) and line.is_Add and a in line.args and len(line.args) == 4


def _multiplied_out(line, *symbols):
    """True behind that step, too: it may be skipped by whoever sorts at once."""
    return is_sum_of_products(line) or _sum_of_gains(line, *symbols)


bilinear_mix = exercises.derivation(
    "bilinear_mix",
    _mix_lines,
    symbols=("a", "p", "q", "r", "s", "t"),
    domain={"s": (0.05, 0.95), "t": (0.05, 0.95)},
    milestones=(
        ("no brackets are left", _multiplied_out),
        ("`a` plus one product for each of `p`, `q` and `r`", _sum_of_gains),
    ),
    title="Bilinear weights sum to one and are not negative",
    points=2,
    difficulty=2,
    minutes=10,
    hints=(
        "Multiply everything out first. `sympy.expand` may do it, but do it by hand once: what happens to `a`?",
        "`a` stands alone: the four weights sum to 1. Now collect all terms with `p`, then those with `q`.",
        "The terms with `p` are `p*s - p*s*t`, which is `p * s * (1 - t)`. Likewise for `q`; `r` has one term only.",
    ),
)


bilinear_mix.slip_of(
    _mix_lines,
    "weights of the lower row changed places",
    "In the lower row, left and right have changed their weights. The left pixel weighs 1 - s in both rows.",
    ("t * (a + (1 - s) * q + s * r)", "t * (a + s * q + (1 - s) * r)"),
)
bilinear_mix.slip_of(
    _mix_lines,
    "a row forgotten",
    "The right pixel of the upper row has the weight s, as if there were only one row. Its row counts 1 - t: the "
    "weight is s (1 - t).",
    ("(1 - t) * (a + s * p) +", "(1 - t) * a + s * p +"),
)
bilinear_mix.slip_of(
    _mix_lines,
    "a counted in each term",
    "You add the smallest pixel once for each of the four. It is multiplied by the four weights, and they sum to 1.",
    (
        "(1 - t) * (a + s * p) + t * (a + (1 - s) * q + s * r)",
        "4 * a + (1 - t) * s * p + t * ((1 - s) * q + s * r)",
    ),
)


# ----------------------------------------------------------------------------------- 5 · weights of a cubic

weights = exercises.function(
    "cubic_weights",
    reference.cubic_weights,
    title="The weights of a cubic",
    points=2,
    difficulty=2,
    minutes=10,
    hints=(
        "Write down the four distances from the position `t` to the neighbours at -1, 0, 1 and 2.",
        "The inner two are at most 1 away and take the first piece of the kernel, the outer two the second.",
        "Stack the four weights along a new last axis with `torch.stack(..., dim=-1)`.",
    ),
)


@weights.cases
def _(draw):
    yield Case(torch.tensor([0.25, 0.75]), words="a quarter and three quarters of the way")
    yield Case(torch.tensor([0.5]), -0.5, words="half-way, with Keys' own a = -1/2")
    yield Case(torch.tensor([0.0, 1.0]), words="on a pixel: that pixel alone counts")
    yield Case(draw.uniform((2, 3)), words="a table of positions")
    yield Case(draw.uniform((3,)), gradient=True, words="gradient with respect to the position")
    for _ in range(draw.count):
        a = draw.choice((-1.0, -0.6, -0.4))
        yield Case(draw.uniform((draw.integer(2, 5),)), a=a, words="random positions, another a")


def four_weights(t, a=-0.75):
    columns = []
    for neighbour in (-1, 0, 1, 2):
        d = (t - neighbour).abs()
        near = (a + 2) * d**3 - (a + 3) * d**2 + 1
        far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
        columns.append(near if neighbour in (0, 1) else far)
    return torch.stack(columns, dim=-1)


weights.slip_of(
    four_weights,
    "one piece for all four",
    "You use the kernel's first piece for all four neighbours. It holds up to a distance of 1; the outer two are "
    "further away and take the second piece.",
    ("near if neighbour in (0, 1) else far", "near"),
)
weights.slip_of(
    four_weights,
    "a is fixed",
    "You use a = -0.75 whatever is passed. The argument `a` says which cubic it is.",
    ("    columns = []", "    a = -0.75\n    columns = []"),
)
weights.slip_of(
    four_weights,
    "neighbours in reverse",
    "Your weights stand in reverse order. The first is that of the neighbour before the pixel that `t` counts from.",
    ("(-1, 0, 1, 2)", "(2, 1, 0, -1)"),
)
weights.slip_of(
    four_weights,
    "neighbours from 0 to 3",
    "Your neighbours stand at 0, 1, 2 and 3. The position lies between the second and the third: they stand at -1, 0, "
    "1 and 2.",
    ("(-1, 0, 1, 2)", "(0, 1, 2, 3)"),
)
weights.slip_of(
    four_weights,
    "distances with a sign",
    "Some of your distances are negative. The kernel is even, but its cubes are not: take the absolute value first.",
    ("(t - neighbour).abs()", "(t - neighbour)"),
)


# --------------------------------------------------------------------------------------------- 6 · bicubic

bicubic = exercises.function(
    "upsample_bicubic",
    reference.upsample_bicubic,
    title="Mix four neighbours along each axis",
    points=3,
    difficulty=3,
    minutes=15,
    forbidden=(INTERPOLATION,),
    allowed=("source_positions", "cubic_weights"),
    hints=(
        "It is the bilinear function with four neighbours instead of two. What stays, what changes?",
        "The neighbours of `low` are `low - 1` to `low + 2`. Clamp these whole numbers, not the position: `t` has to "
        "stay in [0, 1].",
        "Sum `cubic_weights(t, a)[..., k]` times `x.index_select(axis, pixels)` over the four `k`, one axis at a time.",
    ),
)


@bicubic.cases
def _(draw):
    yield from _images(draw)
    yield Case(draw.integers((1, 1, 2, 3), 0, 10), (5, 6), a=-0.5, words="with Keys' own a = -1/2")
    x = draw.integers((1, 1, 1, 2), 0, 2).cumsum(-1) + torch.tensor([0.0, 3.0])
    yield Case(x, (1, 8), words="a step: the result overshoots on both sides")


def four_neighbours(x, size, align_corners=False, a=-0.75):
    for axis, out in ((2, size[0]), (3, size[1])):
        n = x.shape[axis]
        i = torch.arange(out)
        p = (i + 0.5) * n / out - 0.5
        if align_corners:
            p = i * (n - 1) / max(out - 1, 1)
        low = p.floor()
        y = 0
        for k in (-1, 0, 1, 2):
            d = (p - low - k).abs()
            near = (a + 2) * d**3 - (a + 3) * d**2 + 1
            far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
            w = torch.where(d <= 1, near, far)
            pixels = (low + k).clamp(0, n - 1).long()
            y = y + (w[:, None] if axis == 2 else w) * x.index_select(axis, pixels)
        x = y
    return x


bicubic.slip_of(
    four_neighbours,
    "position clamped",
    "You move the position to the border, as bilinear does. Here only the neighbours are clamped; the position "
    "keeps its place, so the border still curves.",
    ("low = p.floor()", "p = p.clamp(0, n - 1)\n        low = p.floor()"),
)
bicubic.slip_of(
    four_neighbours,
    "darkness outside",
    "Neighbours outside of the image count as zero, so the border fades. Replace them by the border pixel next to "
    "them: clamp their numbers.",
    ("w = torch.where(d <= 1, near, far)",
     "w = torch.where(d <= 1, near, far) * ((low + k >= 0) & (low + k < n))"),
)  # fmt: skip
bicubic.slip_of(
    four_neighbours,
    "corners instead of half-pixel centres",
    "You scale the numbers of the pixels, which stand for their corners. Without aligned corners a pixel's middle "
    "counts: `(i + 0.5) * n / out - 0.5`.",
    ("(i + 0.5) * n / out - 0.5", "i * n / out"),
)
bicubic.slip_of(
    four_neighbours,
    "align_corners confused",
    "You have the two conventions the wrong way round: you align corners where it is not asked, and only there.",
    ("if align_corners", "if not align_corners"),
)
bicubic.slip_of(
    four_neighbours,
    "a is fixed",
    "You use a = -0.75 whatever is passed. Hand `a` on to the weights.",
    ("    for axis, out", "    a = -0.75\n    for axis, out"),
)
bicubic.slip_of(
    four_neighbours,
    "overshoot cut off",
    "You cut the result off at the image's own range. A cubic does leave it: that is what the derivation below is "
    "about. Return what the weights give.",
    ("    for axis, out", "    smallest, largest = float(x.min()), float(x.max())\n    for axis, out"),
    ("return x", "return x.clamp(smallest, largest)"),
)
bicubic.slip_of(
    four_neighbours,
    "cut off instead of rounded down",
    "You cut the fraction off. Left of the first centre positions are negative: -0.25 lies after pixel -1, not after "
    "pixel 0. Round down with `floor`.",
    ("p.floor()", "p.trunc()"),
    ("torch.where(d <= 1, near, far)", "torch.where(d <= 1, near, far) * (d < 2)"),
)
bicubic.slip_of(
    four_neighbours,
    "counted from the nearest pixel",
    "You count the four neighbours from the nearest pixel. Count from the one before the position: round down.",
    ("p.floor()", "p.round()"),
)


# ------------------------------------------------------------------------------- derivation · it overshoots


def _overshoot_lines(t, a):
    from sympy import expand

    before = (a + 2) * t**3 - (a + 3) * t**2 + 1
    after = (a + 2) * (1 - t) ** 3 - (a + 3) * (1 - t) ** 2 + 1
    far = a * (2 - t) ** 3 - 5 * a * (2 - t) ** 2 + 8 * a * (2 - t) - 4 * a
    first = before + after + far
    return [first, expand(first), 1 - a * t * (1 - 2 * t + t**2), 1 - a * t * (1 - t) ** 2]


def _one_minus_a_product(line, t, a):
    return occurrences(line, a) == 1 and occurrences(line, t) == 2 and (line - 1).is_Mul


overshoot = exercises.derivation(
    "bicubic_overshoot",
    _overshoot_lines,
    symbols=("t", "a"),
    domain={"t": (0.05, 0.95), "a": (-1.0, -0.1)},
    milestones=(
        (
            "no brackets are left",
            lambda line, t, a: is_sum_of_products(line) or _one_minus_a_product(line, t, a),
        ),
        ("1 minus one product, with `a` once and `t` twice", _one_minus_a_product),
    ),
    title="Bicubic overshoots",
    points=2,
    difficulty=3,
    minutes=10,
    hints=(
        "Multiply out. Most terms cancel; four are left.",
        "Without the 1, every term that is left has the factor `a * t`. Take it out, and look at what stands in the "
        "bracket.",
        "In the bracket stands a square: `1 - 2*t + t**2` is `(1 - t)**2`.",
    ),
)


overshoot.slip_of(
    _overshoot_lines,
    "sign of the product lost",
    "You write 1 plus the product. The terms that are left are - a t + 2 a t² - a t³: the factor is minus a.",
    ("1 - a * t * (1 - 2 * t + t**2)", "1 + a * t * (1 - 2 * t + t**2)"),
)
overshoot.slip_of(
    _overshoot_lines,
    "square forgotten",
    "The bracket 1 - 2t + t² is the square of 1 - t; you have 1 - t once only.",
    ("1 - a * t * (1 - 2 * t + t**2), ", ""),
    ("1 - a * t * (1 - t) ** 2", "1 - a * t * (1 - t)"),
)
overshoot.slip_of(
    _overshoot_lines,
    "t and 1 - t changed places",
    "The weight that is missing is that of the neighbour before, at the distance 1 + t. It is a t (1 - t)²; the one "
    "behind, at 2 - t, is a t² (1 - t).",
    ("1 - a * t * (1 - 2 * t + t**2), ", ""),
    ("1 - a * t * (1 - t) ** 2", "1 - a * t**2 * (1 - t)"),
)
overshoot.slip_of(
    _overshoot_lines,
    "three weights are not four",
    "All four weights sum to one, but here stand only three. What is missing is the weight of the dark pixel.",
    ("1 - a * t * (1 - 2 * t + t**2), ", "before / before, "),
)


# ------------------------------------------------------------------------------- 7 · a pooling that remembers

pool = exercises.function(
    "max_pool2d",
    reference.max_pool2d,
    title="A max pooling that remembers",
    points=3,
    difficulty=3,
    minutes=20,
    forbidden=(POOLING,),
    hints=(
        "Two nested loops over the windows are enough: each step handles one window of all images and channels.",
        "Surround `x` with minus infinity. Flatten a window: `argmax` says which of its pixels is the largest, the "
        "first one where several are.",
        "Pixel number `best` of a window is row `best // kernel_size`, column `best % kernel_size` of it. Add the "
        "window's place, take the padding away, and write row times `w` plus column.",
    ),
)


@pool.cases
def _(draw):
    def distinct(h, w):
        return (draw.permutation(h * w) + 1).reshape(1, 1, h, w).float()

    yield Case(distinct(4, 4), 2, words="4x4, windows of 2")
    yield Case(-distinct(4, 4), 3, 2, 1, words="all values negative, padding 1")
    yield Case(torch.ones(1, 1, 4, 6), 2, words="all values equal: the first of a window counts")
    yield Case(draw.integers((1, 1, 5, 5), 0, 3), 3, 1, words="many ties, overlapping windows")
    yield Case(distinct(5, 7), 2, words="odd sizes: the last row and column are left out")
    yield Case(distinct(4, 7), 2, 3, words="a stride larger than the window: pixels in between are skipped")
    yield Case(draw.normal((2, 3, 4, 6)), 2, words="two images of three channels")
    for _ in range(draw.count):
        kernel = draw.integer(2, 4)
        x = draw.normal((draw.integer(1, 2), draw.integer(1, 2), draw.integer(4, 7), draw.integer(4, 7)))
        stride, padding = draw.integer(1, 3), draw.integer(0, kernel // 2)
        yield Case(x - 1, kernel, stride, padding, words="random numbers, window, stride and padding")


def window_by_window(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    n, c, h, w = x.shape
    padded = torch.full((n, c, h + 2 * padding, w + 2 * padding), -torch.inf)
    padded[:, :, padding : padding + h, padding : padding + w] = x
    rows = (h + 2 * padding - kernel_size) // stride + 1
    columns = (w + 2 * padding - kernel_size) // stride + 1
    values = torch.zeros(n, c, rows, columns)
    indices = torch.zeros(n, c, rows, columns, dtype=torch.int64)
    for a in range(rows):
        for b in range(columns):
            top, left = a * stride, b * stride
            window = padded[:, :, top : top + kernel_size, left : left + kernel_size].flatten(2)
            best = window.argmax(2)
            values[:, :, a, b] = window.amax(2)
            i = top + best // kernel_size - padding
            j = left + best % kernel_size - padding
            indices[:, :, a, b] = i * w + j
    return values, indices


pool.slip_of(
    window_by_window,
    "index within the window",
    "Your indices count inside each window. Unpooling needs the place in the whole plane: row times width plus column.",
    ("indices[:, :, a, b] = i * w + j", "indices[:, :, a, b] = best"),
)
pool.slip_of(
    window_by_window,
    "index in the padded plane",
    "Your indices count the pixels of the padding. The plane that is meant has no padding: take it away from row "
    "and column, and multiply by the width of `x`.",
    ("i * w + j", "(i + padding) * (w + 2 * padding) + j + padding"),
)
pool.slip_of(
    window_by_window,
    "padding not taken away",
    "Your rows and columns count from the corner of the padding. The plane that is meant begins where `x` does: take "
    "the padding away from both.",
    (" // kernel_size - padding", " // kernel_size"),
    (" % kernel_size - padding", " % kernel_size"),
)
pool.slip_of(
    window_by_window,
    "rows as long as the output's",
    "You multiply the row by the width of the pooled map. Places are counted in the plane that was pooled: its rows "
    "are as long as `x` is wide.",
    ("i * w + j", "i * columns + j"),
)
pool.slip_of(
    window_by_window,
    "the last of equal values",
    "Where several pixels are equally large, you name the last. The first one in reading order counts.",
    ("best = window.argmax(2)", "best = kernel_size**2 - 1 - window.flip(2).argmax(2)"),
)
pool.slip_of(
    window_by_window,
    "padded with zeros",
    "Your padding is zero, and zero beats every negative value. Pad with minus infinity, which never wins.",
    ("-torch.inf", "0.0"),
)
pool.slip_of(
    window_by_window,
    "stride 1 by default",
    "Without a stride you move the window by one pixel. Pooling windows lie side by side: the stride is the kernel "
    "size then.",
    ("kernel_size if stride is None", "1 if stride is None"),
)
pool.slip_of(
    window_by_window,
    "counted down the columns",
    "Your indices count down the columns. Planes are read row by row: row times width plus column.",
    ("i * w + j", "j * h + i"),
)


# -------------------------------------------------------------------------------------------- 8 · unpooling

unpool = exercises.function(
    "max_unpool2d",
    reference.max_unpool2d,
    title="Put values back where they were",
    points=2,
    difficulty=2,
    minutes=10,
    forbidden=(POOLING,),
    hints=(
        "An index is a place in a plane that is read row by row. Flatten the planes, and it is a place in a row.",
        "Make zeros of shape (N, C, height * width). `scatter` on the last axis writes values at indices.",
        "`y.scatter(2, indices.flatten(2), x.flatten(2))`, and then back to (N, C, height, width).",
    ),
)


@unpool.cases
def _(draw):
    def pooled(n, c, h, w, kernel, stride=None):
        x = draw.permutation(n * c * h * w).reshape(n, c, h, w).float() + 1
        return reference.max_pool2d(x, kernel, stride)

    values, indices = pooled(1, 1, 4, 4, 2)
    yield Case(values, indices, (4, 4), words="2x2 back to 4x4")
    values, indices = pooled(1, 1, 5, 7, 2)
    yield Case(values, indices, (5, 7), words="2x3 back to 5x7: odd, so only `output_size` knows")
    values, indices = pooled(2, 3, 4, 4, 2)
    yield Case(values, indices, (4, 4), words="two images of three channels, each with its own indices")
    values, indices = pooled(1, 2, 4, 6, 2)
    yield Case(
        draw.normal(values.shape), indices, (4, 6), gradient=True, words="other values; their gradient"
    )
    for _ in range(draw.count):
        size = draw.integer(5, 8), draw.integer(5, 8)
        kernel = draw.integer(2, 3)
        values, indices = pooled(draw.integer(1, 2), draw.integer(1, 2), *size, kernel)
        yield Case(draw.normal(values.shape), indices, size, words="random values, sizes and windows")


def put_back(x, indices, output_size):
    height, width = output_size
    n, c, h, w = x.shape
    y = torch.zeros(n, c, height, width)
    for m in range(n * c):
        for i in range(h):
            for j in range(w):
                place = int(indices[m // c, m % c, i, j])
                row, column = place // width, place % width
                y[m // c, m % c, row, column] = x[m // c, m % c, i, j]
    return y


unpool.slip_of(
    put_back,
    "everything in the top left corner",
    "You put each value into the top left corner of its window: that is the bed of nails. The indices say where the "
    "maximum stood.",
    ("place // width, place % width", "i * (height // h), j * (width // w)"),
)
unpool.slip_of(
    put_back,
    "output size guessed",
    "You take the output to be twice the input. Windows of 2 make 2 pixels of 4 and of 5: only `output_size` knows.",
    ("height, width = output_size", "height, width = 2 * x.shape[2], 2 * x.shape[3]"),
)
unpool.slip_of(
    put_back,
    "one plane's indices for all",
    "You use the indices of the first image's first channel everywhere. Each plane has maxima of its own.",
    ("indices[m // c, m % c, i, j]", "indices[0, 0, i, j]"),
)
unpool.slip_of(
    put_back,
    "divided by the height",
    "You take row and column from the index with the height. A plane is read row by row, and a row is as long as the "
    "plane is wide.",
    ("place // width, place % width", "min(place // height, height - 1), min(place % height, width - 1)"),
)
unpool.slip_of(
    put_back,
    "gaps filled",
    "You fill each window with its value: that is nearest neighbour. Only the place of the maximum gets it, the rest "
    "is zero.",
    ("y[m // c, m % c, row, column] =",
     "y[m // c, m % c, i * (height // h) : (i + 1) * (height // h), j * (width // w) : (j + 1) * (width // w)] ="),
)  # fmt: skip
