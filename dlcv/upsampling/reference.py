"""Making maps larger without learning: repeat, interpolate, or put values back where the maximum was.

Every interpolation answers one question for each output pixel: where in the input does it lie? Pixels are
squares of side 1, and pixel *i* has its centre at coordinate *i*. `source_positions` is that answer; the rest
is how many neighbours are mixed, and with which weights.

References
----------
.. [1] R. G. Keys, "Cubic convolution interpolation for digital image processing", IEEE Transactions on
   Acoustics, Speech, and Signal Processing 29(6), 1981.
.. [2] M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
.. [3] V. Badrinarayanan, A. Kendall and R. Cipolla, "SegNet: a deep convolutional encoder-decoder
   architecture for image segmentation", PAMI 2017.
.. [4] W. Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel
   convolutional neural network", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import floor
from numbers import Real

import torch
from torch import Tensor

from dlcv.arguments import HALF, check_at_least, check_tensors, check_whole, every, pair

__all__ = [
    "bed_of_nails",
    "cubic_kernel",
    "cubic_weights",
    "max_pool2d",
    "max_pool2d_naive",
    "max_unpool2d",
    "pixel_shuffle",
    "source_positions",
    "upsample_bicubic",
    "upsample_bilinear",
    "upsample_bilinear_naive",
    "upsample_nearest",
]


# --------------------------------------------------------------------------------- repeat, or leave gaps


def upsample_nearest(x: Tensor, scale: float | Sequence[float]) -> Tensor:
    """Give each output pixel the value of the input pixel that it lies in.

    .. math:: y_{ij} = x_{\\lfloor i / s \\rfloor, \\lfloor j / s \\rfloor}

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W)
        Any dtype: no new values are made, so label maps may be scaled, too.
    scale : number or (number, number)
        *s*, down and across; need not be whole.

    Returns
    -------
    Tensor of shape (N, C, floor(H * s), floor(W * s))
        A whole *s* turns each pixel into a block of *s* by *s*.

    Raises
    ------
    ValueError
        If `x` is not (N, C, H, W), or `scale` is not positive or leaves no pixel.

    Notes
    -----
    Equal to ``torch.nn.functional.interpolate(x, scale_factor=scale, mode="nearest")``.

    Examples
    --------
    >>> upsample_nearest(torch.tensor([[[[1, 2], [3, 4]]]]), 2)[0, 0]
    tensor([[1, 1, 2, 2],
            [1, 1, 2, 2],
            [3, 3, 4, 4],
            [3, 3, 4, 4]])
    """
    _check_maps(x)
    down, across = pair("scale", scale, Real)
    check_at_least(0, scale=(down, across))
    for axis, factor in ((-1, across), (-2, down)):
        size = x.shape[axis]
        out_size = floor(size * factor)
        check_at_least(1, **{"size * scale": out_size})
        if out_size in (size, 2 * size):  # as torch does, whatever the factor was before rounding down
            factor = out_size // size
        # Single precision, because torch decides by it where i / s is all but whole.
        pixels = (torch.arange(out_size, dtype=torch.float32, device=x.device) * (1 / factor)).floor().long()
        x = x.index_select(axis, pixels.clamp(max=size - 1))
    return x


def bed_of_nails(x: Tensor, scale: int | Sequence[int]) -> Tensor:
    """Put each value into the top left corner of its block, and leave the rest of the block zero.

    .. math:: y_{i s, j s} = x_{ij}, \\quad 0 \\text{ elsewhere}

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W)
        The maps.
    scale : int or (int, int)
        *s*, down and across.

    Returns
    -------
    Tensor of shape (N, C, H * s, W * s)
        Unlike `dlcv.transposed_convolution.insert_zeros`, each pixel has a whole block, the last ones as well.

    Raises
    ------
    ValueError
        If `x` is not (N, C, H, W), or `scale` is below 1.

    Examples
    --------
    >>> bed_of_nails(torch.tensor([[[[1, 2], [3, 4]]]]), 2)[0, 0]
    tensor([[1, 0, 2, 0],
            [0, 0, 0, 0],
            [3, 0, 4, 0],
            [0, 0, 0, 0]])
    """
    _check_maps(x)
    sy, sx = pair("scale", scale)
    check_at_least(1, scale=(sy, sx))
    y = x.new_zeros(*x.shape[:2], x.shape[2] * sy, x.shape[3] * sx)
    y[:, :, ::sy, ::sx] = x
    return y


# -------------------------------------------------------------------------------------- interpolate


def source_positions(size: int, out_size: int, align_corners: bool = False) -> Tensor:
    """Where the centres of the output pixels of an axis lie, in coordinates of the input.

    .. math:: p_i = (i + \\tfrac12) \\frac{n}{m} - \\tfrac12
              \\qquad\\text{or, with aligned corners,}\\qquad p_i = i \\, \\frac{n - 1}{m - 1}

    Parameters
    ----------
    size, out_size : int
        Pixels on the axis before, *n*, and after, *m*.
    align_corners : bool
        False: input and output are the same stretch of the world, so the *edges* of their outermost pixels
        coincide. True: the *centres* of their outermost pixels coincide.

    Returns
    -------
    Tensor of shape (out_size,), float64
        Positions, not clamped: without aligned corners the first may lie as low as -1/2. A single output
        pixel with aligned corners lies at 0.

    Raises
    ------
    ValueError
        If a size is below 1.

    Examples
    --------
    >>> source_positions(2, 4).tolist()
    [-0.25, 0.25, 0.75, 1.25]
    >>> source_positions(3, 5, align_corners=True).tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0]
    """
    check_whole(1, size=size, out_size=out_size)
    i = torch.arange(out_size, dtype=torch.float64)
    if align_corners:
        return i * ((size - 1) / max(out_size - 1, 1))
    return (i + 0.5) * (size / out_size) - 0.5


def upsample_bilinear(x: Tensor, size: int | Sequence[int], align_corners: bool = False) -> Tensor:
    """Mix the two nearest pixels along each axis, linearly.

    .. math:: y = (1 - t) \\, x_{\\lfloor p \\rfloor} + t \\, x_{\\lfloor p \\rfloor + 1},
              \\qquad t = p - \\lfloor p \\rfloor

    first along the rows, then along the columns: four pixels in all.

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W)
        Floating point.
    size : int or (int, int)
        Height and width of the output; may also be smaller than the input.
    align_corners : bool
        See `source_positions`.

    Returns
    -------
    Tensor of shape (N, C, *size)
        In the dtype of `x`. Positions outside of the centres are moved to the outermost centre, so the border
        repeats. Output values never leave the range of the input's.

    Raises
    ------
    ValueError
        If `x` is not (N, C, H, W) of floating point, or a size is below 1.

    Notes
    -----
    Equal to ``torch.nn.functional.interpolate(..., mode="bilinear")``.

    Examples
    --------
    >>> x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> upsample_bilinear(x, (4, 4))[0, 0, 0]
    tensor([1.0000, 1.2500, 1.7500, 2.0000])
    >>> upsample_bilinear(x, (4, 4), align_corners=True)[0, 0, 0]
    tensor([1.0000, 1.3333, 1.6667, 2.0000])
    """
    _check_maps(x, floating=True)
    y = _exact(x)
    for axis, out_size in zip((-1, -2), reversed(pair("size", size)), strict=True):
        n = y.shape[axis]
        positions = source_positions(n, out_size, align_corners).clamp(0, n - 1)
        low = positions.floor()
        t = positions - low
        y = _mix(y, axis, torch.stack((low, low + 1)), torch.stack((1 - t, t)))
    return y.to(x.dtype)


def upsample_bilinear_naive(x: Tensor, size: int | Sequence[int], align_corners: bool = False) -> Tensor:
    """Interpolate one plane bilinearly, pixel by pixel, in plain loops.

    Parameters
    ----------
    x : Tensor of shape (H, W)
        One channel of one image.
    size, align_corners
        As in `upsample_bilinear`, whose plane this equals.

    Returns
    -------
    Tensor of shape size

    Examples
    --------
    >>> upsample_bilinear_naive(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), (1, 4))
    tensor([[2.0000, 2.2500, 2.7500, 3.0000]])
    """
    check_tensors(x=x)
    if x.dim() != 2 or not x.numel():
        raise ValueError(f"x must be (H, W) and not empty; got {tuple(x.shape)}")
    if not x.is_floating_point():
        raise ValueError(f"x must be of floating point, since new values are made; got {x.dtype}")
    (h, w), (height, width) = x.shape, pair("size", size)
    rows, columns = source_positions(h, height, align_corners), source_positions(w, width, align_corners)
    y = x.new_zeros(height, width)
    for i, j in product(range(height), range(width)):
        p, q = min(max(float(rows[i]), 0), h - 1), min(max(float(columns[j]), 0), w - 1)
        top, left = int(p), int(q)
        bottom, right = min(top + 1, h - 1), min(left + 1, w - 1)
        s, t = p - top, q - left
        above = (1 - t) * x[top, left] + t * x[top, right]
        below = (1 - t) * x[bottom, left] + t * x[bottom, right]
        y[i, j] = (1 - s) * above + s * below
    return y


def cubic_kernel(d: Tensor | float, a: float = -0.75) -> Tensor:
    """Weight of a pixel at distance *d* in cubic interpolation.

    .. math:: u(d) = \\begin{cases}
        (a + 2) |d|^3 - (a + 3) |d|^2 + 1 & |d| \\le 1 \\\\
        a |d|^3 - 5a |d|^2 + 8a |d| - 4a  & 1 < |d| < 2 \\\\
        0                                 & \\text{else} \\end{cases}

    Parameters
    ----------
    d : Tensor, or number
        Signed distances in pixels.
    a : float
        Slope at distance 1. Keys' own choice is -1/2; torch and OpenCV take -3/4.

    Returns
    -------
    Tensor
        Of the shape of `d`.

    Notes
    -----
    Keys [1]_, equation (15), before *a* is chosen.

    Examples
    --------
    >>> cubic_kernel(torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0]))
    tensor([ 1.0000,  0.5938,  0.0000, -0.0938,  0.0000])
    """
    d = torch.as_tensor(d).abs()
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


def cubic_weights(t: Tensor | float, a: float = -0.75) -> Tensor:
    """Weights of the four neighbours of a position that lies *t* after its second one.

    The neighbours stand at -1, 0, 1 and 2, the position at *t*: their distances are 1 + t, t, 1 - t, 2 - t.

    Parameters
    ----------
    t : Tensor of any shape, or number
        In [0, 1].
    a : float
        See `cubic_kernel`.

    Returns
    -------
    Tensor of t's shape with one more axis, of length 4
        They sum to 1. The outer two are negative for ``a < 0`` and 0 < t < 1, so a mix can leave the range of
        the values mixed.

    Examples
    --------
    >>> cubic_weights(0.5)
    tensor([-0.0938,  0.5938,  0.5938, -0.0938])
    >>> cubic_weights(torch.tensor([0.0, 1.0])).abs()
    tensor([[0., 1., 0., 0.],
            [0., 0., 1., 0.]])
    """
    t = torch.as_tensor(t)
    t = t if t.is_floating_point() else t.float()
    return cubic_kernel(torch.stack((1 + t, t, 1 - t, 2 - t), dim=-1), a)


def upsample_bicubic(
    x: Tensor, size: int | Sequence[int], align_corners: bool = False, a: float = -0.75
) -> Tensor:
    """Mix the four nearest pixels along each axis with the weights of a cubic.

    .. math:: y = \\sum_{k=-1}^{2} u(p - \\lfloor p \\rfloor - k) \\; x_{\\lfloor p \\rfloor + k}

    first along the rows, then along the columns: sixteen pixels in all.

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W)
        Floating point.
    size : int or (int, int)
        Height and width of the output.
    align_corners : bool
        See `source_positions`.
    a : float
        See `cubic_kernel`.

    Returns
    -------
    Tensor of shape (N, C, *size)
        In the dtype of `x`. A neighbour outside of the image is replaced by the border pixel next to it. The
        position itself is **not** moved. Values may leave the range of the input's.

    Raises
    ------
    ValueError
        If `x` is not (N, C, H, W) of floating point, or a size is below 1.

    Notes
    -----
    Equal to ``torch.nn.functional.interpolate(..., mode="bicubic")`` where ``a = -0.75``.

    Examples
    --------
    >>> x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> upsample_bicubic(x, (4, 4))[0, 0, 0]
    tensor([0.6836, 1.0156, 1.5625, 1.8945])
    """
    _check_maps(x, floating=True)
    y = _exact(x)
    for axis, out_size in zip((-1, -2), reversed(pair("size", size)), strict=True):
        positions = source_positions(y.shape[axis], out_size, align_corners)
        low = positions.floor()
        neighbours = low + torch.arange(-1, 3)[:, None]
        y = _mix(y, axis, neighbours, cubic_weights(positions - low, a).T)
    return y.to(x.dtype)


def _mix(x: Tensor, axis: int, indices: Tensor, weights: Tensor) -> Tensor:
    """Sum of weight times pixel along one axis; `indices` and `weights` are (neighbours, out_size)."""
    indices = indices.clamp(0, x.shape[axis] - 1).long().to(x.device)
    weights = weights.to(x) if axis == -1 else weights[..., None].to(x)
    y = weights[0] * x.index_select(axis, indices[0])
    for index, weight in zip(indices[1:], weights[1:], strict=True):
        y = torch.addcmul(y, weight, x.index_select(axis, index))
    return y


def _exact(x: Tensor) -> Tensor:
    """Half precision is too coarse for sums of products: compute in single, round once at the end."""
    return x.float() if x.dtype in HALF else x


# ------------------------------------------------------------------------- remember where the maximum was


def max_pool2d(
    x: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
) -> tuple[Tensor, Tensor]:
    """Keep the largest value of each window, and where it stood.

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W)
        The maps; any real dtype. (C, H, W) is one image.
    kernel_size : int or (int, int)
        Height and width of the window.
    stride : int or (int, int), optional
        Pixels between two windows; the kernel size where it is not given.
    padding : int or (int, int)
        Pixels of minus infinity on each side, at most half of the window: they never win.

    Returns
    -------
    values : Tensor of shape (N, C, H_out, W_out)
        The largest values.
    indices : int64 Tensor of the same shape
        Their places, as ``row * W + column`` in the plane **without** padding. Of equal values the first one
        in reading order counts. NaN beats every number.

    Raises
    ------
    ValueError
        If `x` has the wrong number of axes, if the padding is more than half of the window, or if no window
        fits.

    Notes
    -----
    Equal to ``torch.nn.functional.max_pool2d(..., return_indices=True)``.

    Examples
    --------
    >>> x = torch.tensor([[[[1, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]]]])
    >>> values, indices = max_pool2d(x, 2)
    >>> values[0, 0], indices[0, 0]
    (tensor([[5, 6],
            [7, 8]]), tensor([[ 5,  2],
            [12, 15]]))
    """
    check_tensors(x=x)
    if x.dim() not in (3, 4) or not x.shape[-2:].numel():
        raise ValueError(f"x must be (N, C, H, W) or (C, H, W), H and W not 0; got {tuple(x.shape)}")
    if x.dtype == torch.bool or x.is_complex():
        raise ValueError(f"x must be of real numbers; got {x.dtype}")
    kernel, stride, padding = _window(kernel_size, stride, padding)
    indices = _indices_of_maxima(x.detach(), kernel, stride, padding)
    # Reading the values at the indices also sends each gradient to the one pixel that won.
    return x.flatten(-2).gather(-1, indices.flatten(-2)).view_as(indices), indices


def _indices_of_maxima(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]
) -> Tensor:
    """Go through the windows' pixels in reading order, all windows at once; a pixel wins if it is larger."""
    w, (py, px) = x.shape[-1], padding
    rows, columns = (_starts(*axis) for axis in zip(x.shape[-2:], kernel, stride, padding, strict=True))
    lowest = -torch.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    padded = torch.nn.functional.pad(x, (px, px, py, py), value=lowest)
    starts = (rows[:, None] * w + columns).to(x.device)
    # Where all pixels are minus infinity, the first one of the window that lies in the image is named.
    indices = (rows.clamp(min=0)[:, None] * w + columns.clamp(min=0)).to(x.device)
    best = x.new_full((), lowest)
    for k, l in product(range(kernel[0]), range(kernel[1])):
        value = padded[..., every(stride[0], k, len(rows)), every(stride[1], l, len(columns))]
        wins = (value > best) | (value != value)  # only NaN differs from itself
        best, indices = torch.where(wins, value, best), torch.where(wins, starts + (k * w + l), indices)
    return indices


def _starts(size: int, kernel: int, stride: int, padding: int) -> Tensor:
    """First pixel of each window on an axis; negative where the window begins in the padding."""
    count = (size + 2 * padding - kernel) // stride + 1
    if count < 1:
        raise ValueError(f"the window spans {kernel} pixels; the padded axis has only {size + 2 * padding}")
    return torch.arange(count) * stride - padding


def max_pool2d_naive(
    x: Tensor, kernel_size: int, stride: int | None = None, padding: int = 0
) -> tuple[Tensor, Tensor]:
    """Pool one plane window by window, pixel by pixel, in plain loops.

    Parameters
    ----------
    x : Tensor of shape (H, W)
        One channel of one image, without NaN.
    kernel_size, stride, padding
        As in `max_pool2d`, whose planes these equal.

    Returns
    -------
    values, indices : Tensors of shape (H_out, W_out)

    Examples
    --------
    >>> max_pool2d_naive(torch.tensor([[1, 5, 2, 2]]), (1, 2))
    (tensor([[5, 2]]), tensor([[1, 2]]))
    """
    check_tensors(x=x)
    if x.dim() != 2 or not x.numel():
        raise ValueError(f"x must be (H, W) and not empty; got {tuple(x.shape)}")
    kernel, stride, padding = _window(kernel_size, stride, padding)
    h, w = x.shape
    rows, columns = (_starts(*axis).tolist() for axis in zip(x.shape, kernel, stride, padding, strict=True))
    values, indices = x.new_zeros(len(rows), len(columns)), torch.zeros(len(rows), len(columns)).long()
    for (a, top), (b, left) in product(enumerate(rows), enumerate(columns)):
        best = None
        for i, j in product(range(top, top + kernel[0]), range(left, left + kernel[1])):
            if 0 <= i < h and 0 <= j < w and (best is None or x[i, j] > best):
                best, values[a, b], indices[a, b] = x[i, j], x[i, j], i * w + j
    return values, indices


def max_unpool2d(x: Tensor, indices: Tensor, output_size: Sequence[int]) -> Tensor:
    """Put each value where the maximum stood, and zero everywhere else.

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W), or (C, H, W)
        Values: those of the pooling, or what a network made of them since.
    indices : int64 Tensor of the same shape
        Places in the output's planes, as `max_pool2d` returns them.
    output_size : (int, int)
        Height and width of the output. They have to be given: windows of 2 make 2 pixels of 4 **and** of 5.

    Returns
    -------
    Tensor of shape (N, C, *output_size)
        Where overlapping windows name one place twice, one of the values stays.

    Raises
    ------
    ValueError
        If the shapes differ, or an index lies outside of the output.

    Notes
    -----
    Equal to ``torch.nn.functional.max_unpool2d``. Zeiler & Fergus [2]_ turn pooling round in this way to look
    into a network, SegNet [3]_ to decode.

    Examples
    --------
    >>> indices = torch.tensor([[[[5, 2], [12, 15]]]])
    >>> max_unpool2d(torch.tensor([[[[1, 2], [3, 4]]]]), indices, (4, 4))[0, 0]
    tensor([[0, 0, 2, 0],
            [0, 1, 0, 0],
            [0, 0, 0, 0],
            [3, 0, 0, 4]])
    """
    check_tensors(x=x, indices=indices)
    if x.dim() not in (3, 4) or x.shape != indices.shape:
        raise ValueError(
            "x and indices must have one shape, (N, C, H, W) or (C, H, W); "
            f"got {tuple(x.shape)} and {tuple(indices.shape)}"
        )
    if indices.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"indices must be int64; got {indices.dtype}")
    height, width = pair("output_size", output_size)
    check_at_least(0, output_size=(height, width))
    if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < height * width:
        raise ValueError(
            f"indices must lie in 0 ... {height * width - 1}, the pixels of a plane of {height} x {width}; "
            f"got {int(indices.min())} ... {int(indices.max())}"
        )
    y = x.new_zeros(*x.shape[:-2], height * width)
    return y.scatter(-1, indices.flatten(-2), x.flatten(-2)).unflatten(-1, (height, width))


# ------------------------------------------------------------------------------------ channels become pixels


def pixel_shuffle(x: Tensor, factor: int) -> Tensor:
    """Lay *r * r* channels side by side as the blocks of one larger map.

    .. math:: y_{c,\\, i r + k,\\, j r + l} = x_{c r^2 + k r + l,\\, i,\\, j}

    Parameters
    ----------
    x : Tensor of shape (N, C * r * r, H, W)
        The maps; (C * r * r, H, W) is one image.
    factor : int
        *r*.

    Returns
    -------
    Tensor of shape (N, C, H * r, W * r)

    Raises
    ------
    ValueError
        If the number of channels is no multiple of *r * r*.

    Notes
    -----
    Shi et al. [4]_, equation (4), with the channels of one block next to each other, as torch has it:
    equal to ``torch.nn.functional.pixel_shuffle``. A convolution before it is a transposed convolution whose
    kernel is a multiple of its stride, so no pixel is painted more often than another.

    Examples
    --------
    >>> pixel_shuffle(torch.arange(4).reshape(1, 4, 1, 1), 2)
    tensor([[[[0, 1],
              [2, 3]]]])
    """
    check_whole(1, factor=factor)
    check_tensors(x=x)
    if x.dim() < 3 or x.shape[-3] % factor**2:
        raise ValueError(
            f"x must be (..., C * {factor**2}, H, W) for a factor of {factor}; got {tuple(x.shape)}"
        )
    h, w = x.shape[-2:]
    blocks = x.unflatten(-3, (x.shape[-3] // factor**2, factor, factor))  # (..., C, r, r, H, W)
    return blocks.movedim((-2, -1), (-4, -2)).reshape(*blocks.shape[:-4], h * factor, w * factor)


# ----------------------------------------------------------------------- bad input stops at the door


def _window(kernel_size, stride, padding) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Kernel size, stride and padding as pairs; without a stride, windows lie side by side."""
    kernel, padding = pair("kernel_size", kernel_size), pair("padding", padding)
    stride = kernel if stride is None else pair("stride", stride)
    check_at_least(1, kernel_size=kernel, stride=stride)
    check_at_least(0, padding=padding)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ValueError(f"padding must be at most half of the kernel size {kernel}; got {padding}")
    return kernel, stride, padding


def _check_maps(x: Tensor, floating: bool = False) -> None:
    check_tensors(x=x)
    if x.dim() != 4 or not x.shape[1:].numel():
        raise ValueError(f"x must be (N, C, H, W), empty in N at most; got {tuple(x.shape)}")
    if floating and not x.is_floating_point():
        raise ValueError(f"x must be of floating point, since new values are made; got {x.dtype}")
