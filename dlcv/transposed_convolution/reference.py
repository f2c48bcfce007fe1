"""Transposed convolution three ways: painted copies, a filter sliding over spread-out pixels, a matrix.

The letters are those of Dumoulin & Visin [1]_: input size *i*, output size *o*, kernel size *k*, stride *s*,
padding *p*; and *d* for dilation. They name the operation at hand: what a convolution calls *o*, its
transposed convolution calls *i*. Filters are not flipped: a filter's first number lands on its copy's first
pixel.

References
----------
.. [1] V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285,
   2016.
.. [2] J. Long, E. Shelhamer and T. Darrell, "Fully convolutional networks for semantic segmentation",
   CVPR 2015.
.. [3] A. Odena, V. Dumoulin and C. Olah, "Deconvolution and checkerboard artifacts", Distill, 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from dlcv.arguments import HALF, check_tensors, check_whole, every, pair, per_axis

__all__ = [
    "bilinear_kernel",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose2d_naive",
    "convolution_matrix",
    "convolution_size",
    "correlate2d",
    "fractionally_strided_convolution",
    "insert_zeros",
    "output_size",
    "overlap_counts",
]


# ---------------------------------------------------------------------------------------------- sizes


def convolution_size(
    size: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """Size of an axis after an ordinary convolution.

    .. math:: o = \\left\\lfloor \\frac{i + 2p - d(k - 1) - 1}{s} \\right\\rfloor + 1

    Parameters
    ----------
    size : int
        Pixels on the axis before, *i*.
    kernel_size, stride, padding, dilation : int
        *k*, *s*, *p* (zeros added at each end) and *d*.

    Returns
    -------
    int
        Pixels on the axis after, *o*. The division rounds down, so *s* input sizes share one output size.

    Raises
    ------
    ValueError
        If an argument is out of its range, or if the filter is larger than the padded axis.

    Notes
    -----
    Dumoulin & Visin [1]_, relationship 15.

    Examples
    --------
    >>> convolution_size(4, kernel_size=3, stride=2, padding=1)
    2
    >>> convolution_size(3, kernel_size=3, stride=2, padding=1)
    2
    """
    check_whole(1, kernel_size=kernel_size, stride=stride, dilation=dilation)
    check_whole(0, size=size, padding=padding)
    span = dilation * (kernel_size - 1) + 1
    if size + 2 * padding < span:
        raise ValueError(f"the filter spans {span} pixels; the padded axis has only {size + 2 * padding}")
    return (size + 2 * padding - span) // stride + 1


def output_size(
    size: int, kernel_size: int, stride: int = 1, padding: int = 0, output_padding: int = 0, dilation: int = 1
) -> int:
    """Size of an axis after a transposed convolution.

    .. math:: o = (i - 1)\\,s + d(k - 1) + 1 - 2p + p_o

    The last copy of the filter starts at pixel *(i - 1) s* and spans *d (k - 1) + 1* pixels. Padding trims
    both ends, output padding adds pixels at the far end.

    Parameters
    ----------
    size : int
        Pixels on the axis before, *i*.
    kernel_size, stride, dilation : int
        *k*, *s* and *d*, at least 1.
    padding : int
        *p*, pixels trimmed from **each** end.
    output_padding : int
        *p_o*, pixels added at the **far** end only; smaller than the stride or than the dilation.

    Returns
    -------
    int
        Pixels on the axis after, *o*.

    Raises
    ------
    ValueError
        If an argument is out of its range, or if nothing is left after trimming.

    Notes
    -----
    Dumoulin & Visin [1]_, relationship 14; ``torch.nn.ConvTranspose2d`` states the same formula.

    Examples
    --------
    Two pixels, a filter of three and stride 2 give five. Padding 1 leaves three, output padding makes four.

    >>> output_size(2, kernel_size=3, stride=2)
    5
    >>> output_size(2, kernel_size=3, stride=2, padding=1, output_padding=1)
    4
    """
    check_whole(1, size=size, kernel_size=kernel_size, stride=stride, dilation=dilation)
    check_whole(0, padding=padding, output_padding=output_padding)
    if output_padding >= max(stride, dilation):
        raise ValueError(
            f"output_padding must be smaller than stride or dilation; got {output_padding} "
            f"with stride {stride}, dilation {dilation}"
        )
    painted = (size - 1) * stride + dilation * (kernel_size - 1) + 1
    if painted - 2 * padding + output_padding < 1:
        raise ValueError(f"padding {padding} at each end trims all of the {painted} painted pixels")
    return painted - 2 * padding + output_padding


# ------------------------------------------------------------------------------------- paint and add


def conv_transpose1d(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """Paint one scaled copy of the filter for each input value, and add where copies overlap.

    .. math:: y_{i s + k} \\mathrel{+}= x_i \\, w_k

    Parameters
    ----------
    x : Tensor of shape (L,)
        The input signal.
    weight : Tensor of shape (K,)
        The filter, not flipped.
    stride : int
        Output pixels between the starts of two neighbouring copies.

    Returns
    -------
    Tensor of shape ((L - 1) * stride + K,)
        Pixels that no copy reaches (a stride larger than the filter) are zero.

    Raises
    ------
    ValueError
        If `x` or `weight` is not one-dimensional, or is empty, or the stride is below 1.

    Notes
    -----
    Long et al. [2]_, section 3.3, call it backwards strided convolution: the stride is taken in the output.

    Examples
    --------
    The copies 1 * (1, 2, 3) and 10 * (1, 2, 3), two pixels apart, share the middle pixel: 3 + 10.

    >>> conv_transpose1d(torch.tensor([1, 10]), torch.tensor([1, 2, 3]), stride=2)
    tensor([ 1,  2, 13, 20, 30])
    """
    _check_dimensions(1, x=x, weight=weight)
    canvas = x.new_zeros(output_size(len(x), len(weight), stride))
    for i, value in enumerate(x):
        canvas[i * stride : i * stride + len(weight)] += value * weight
    return canvas


def conv_transpose2d_naive(
    x: Tensor, weight: Tensor, stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0
) -> Tensor:
    """Paint and add on one plane, with plain loops: the definition, number by number.

    .. math:: y_{i s + k - p,\\; j s + l - p} \\mathrel{+}= x_{ij} \\, w_{kl}

    Parameters
    ----------
    x : Tensor of shape (H, W)
        One channel of one image.
    weight : Tensor of shape (kH, kW)
        The filter, not flipped.
    stride : int or (int, int)
        Output pixels between neighbouring copies, (down, across).
    padding : int or (int, int)
        Pixels trimmed from **each** side of the painted canvas.

    Returns
    -------
    Tensor of shape (output_size(H, kH, ...), output_size(W, kW, ...))

    Raises
    ------
    ValueError
        If `x` or `weight` is not two-dimensional, or if nothing is left after trimming.

    See Also
    --------
    conv_transpose2d : the same for batches and channels, without loops over pixels.

    Examples
    --------
    >>> conv_transpose2d_naive(torch.tensor([[1, 0], [2, 1]]), torch.tensor([[1, 2], [3, 4]]))
    tensor([[ 1,  2,  0],
            [ 5,  9,  2],
            [ 6, 11,  4]])
    """
    _check_dimensions(2, x=x, weight=weight)
    stride, padding = pair("stride", stride), pair("padding", padding)
    height, width = (output_size(*axis) for axis in zip(x.shape, weight.shape, stride, padding, strict=True))
    canvas = x.new_zeros(height, width)
    for i, j in product(*map(range, x.shape)):
        for k, l in product(*map(range, weight.shape)):
            row, column = i * stride[0] + k - padding[0], j * stride[1] + l - padding[1]
            if 0 <= row < height and 0 <= column < width:
                canvas[row, column] += x[i, j] * weight[k, l]
    return canvas


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """Transposed convolution of a batch, with the arguments and the results of torch's.

    .. math:: y_{n,o,\\; i s + k d - p,\\; j s + l d - p} \\mathrel{+}= \\sum_c x_{ncij} \\, w_{cokl}

    on a canvas that starts as the bias *b_o*. The loop version visits one input pixel at a time. This one
    visits one *number of the filter* at a time: its copies lie on a grid with the stride's spacing, and are
    painted in one stroke.

    Parameters
    ----------
    x : Tensor of shape (N, C_in, H, W) or (C_in, H, W)
        A batch (it may be empty) or one image.
    weight : Tensor of shape (C_in, C_out / groups, kH, kW)
        Input channels come **first**, the reverse of an ordinary convolution: this is that convolution's
        weight, used backwards. Not flipped.
    bias : Tensor of shape (C_out,), optional
        Added to every output pixel, also where nothing was painted.
    stride, dilation : int or (int, int)
        Pixels between copies, and between the numbers of one copy, (down, across).
    padding : int or (int, int)
        Pixels trimmed from **each** side.
    output_padding : int or (int, int)
        Rows added at the bottom and columns at the right; smaller than the stride or than the dilation.
    groups : int
        The channels are split into this many groups that do not see each other.

    Returns
    -------
    Tensor of shape (N, C_out, H_out, W_out), or without N as the input was
        In the dtype of `x`; the sizes are those of `output_size`.

    Raises
    ------
    ValueError
        If shapes, dtypes or arguments do not fit; the message says what was given and what is wanted.

    Notes
    -----
    Dumoulin & Visin [1]_, chapter 4. Equal to ``torch.nn.functional.conv_transpose2d``.

    Examples
    --------
    Stride 3 over a filter of 2 leaves gaps, and a gap shows the bias:

    >>> x, weight = torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2)
    >>> conv_transpose2d(x, weight, bias=torch.tensor([0.5]), stride=(1, 3))
    tensor([[[[1.5000, 1.5000, 0.5000, 1.5000, 1.5000]]]])
    """
    _check_batch(x, weight, bias, groups)
    if x.dim() == 3:
        return conv_transpose2d(x[None], weight, bias, stride, padding, output_padding, groups, dilation)[0]
    if x.dtype in HALF:  # too coarse for sums: add up in single, round once
        exact = (None if tensor is None else tensor.float() for tensor in (x, weight, bias))
        return conv_transpose2d(*exact, stride, padding, output_padding, groups, dilation).to(x.dtype)
    (sy, sx), (py, px) = pair("stride", stride), pair("padding", padding)
    (ey, ex), (dy, dx) = pair("output_padding", output_padding), pair("dilation", dilation)
    (n, _, h, w), (_, _, kh, kw) = x.shape, weight.shape
    height, width = output_size(h, kh, sy, py, ey, dy), output_size(w, kw, sx, px, ex, dx)

    x, weight = x.unflatten(1, (groups, -1)), weight.unflatten(0, (groups, -1))
    painted = torch.einsum("ngcij,gcokl->klngoij", x, weight)
    painted = painted.flatten(3, 4).flatten(0, 1)  # (kH * kW, N, C_out, H, W)
    canvas = x.new_zeros(n, painted.shape[2], height + 2 * py, width + 2 * px)
    for (k, l), pixels in zip(product(range(kh), range(kw)), painted, strict=True):
        canvas[:, :, every(sy, k * dy, h), every(sx, l * dx, w)] += pixels
    trimmed = canvas[:, :, py : py + height, px : px + width]
    return trimmed if bias is None else trimmed + bias[:, None, None].to(trimmed.dtype)


# -------------------------------------------------------------------------------------- as a matrix


def convolution_matrix(
    weight: Tensor,
    input_shape: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
) -> Tensor:
    """The matrix *X* of an ordinary convolution; its transpose is the transposed convolution.

    .. math:: X_{o i} = w_{\\,i + p - o s} \\quad\\text{where that number of the filter exists, else } 0

    Parameters
    ----------
    weight : Tensor of shape (K,) or (kH, kW)
        The filter, not flipped.
    input_shape : int, (L,) or (H, W)
        Shape of the convolution's input; an int where the weight has one axis.
    stride, padding : int or one int an axis
        Of the convolution.

    Returns
    -------
    Tensor of shape (outputs, inputs)
        One row an output pixel, one column an input pixel, both counted row by row. Columns that would stand
        for padded zeros are dropped: they only ever multiply zeros.

    Raises
    ------
    ValueError
        If `weight` has neither one nor two axes, or the filter does not fit into the padded input.

    Notes
    -----
    Dumoulin & Visin [1]_, section 4.1.

    Examples
    --------
    >>> convolution_matrix(torch.tensor([1, 2, 3]), 4, stride=2, padding=1)
    tensor([[2, 3, 0, 0],
            [0, 1, 2, 3]])
    """
    check_tensors(weight=weight)
    if weight.dim() not in (1, 2) or not weight.numel():
        raise ValueError(f"weight must be (K,) or (kH, kW) and not empty; got {tuple(weight.shape)}")
    axes = weight.dim()
    shape = per_axis("input_shape", input_shape, axes)
    stride, padding = per_axis("stride", stride, axes), per_axis("padding", padding, axes)
    taps = [_taps(*axis) for axis in zip(shape, weight.shape, stride, padding, strict=True)]
    padded = torch.nn.functional.pad(weight, (0, 1) * axes)  # one number more, 0, for "none"
    if axes == 1:
        return padded[taps[0]]
    rows, columns = taps
    return padded[rows[:, None, :, None], columns[:, None]].flatten(2).flatten(0, 1)  # from (a, b, i, j)


def _taps(size: int, kernel_size: int, stride: int, padding: int) -> Tensor:
    """Which number of the filter stands on input i while it makes output o: (outputs, inputs); kernel_size: none."""
    outputs = torch.arange(convolution_size(size, kernel_size, stride, padding))
    taps = torch.arange(size) + padding - outputs[:, None] * stride
    return torch.where((taps >= 0) & (taps < kernel_size), taps, kernel_size)


# ------------------------------------------------------------------- zeros in between, flipped filter


def correlate2d(
    x: Tensor, weight: Tensor, stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0
) -> Tensor:
    """What deep learning calls convolution, on one plane: slide the filter, take dot products, do not flip.

    .. math:: y_{ab} = \\sum_{k,\\,l} x_{a s + k - p,\\; b s + l - p} \\, w_{kl}

    Parameters
    ----------
    x : Tensor of shape (H, W)
        One channel of one image.
    weight : Tensor of shape (kH, kW)
        The filter.
    stride, padding : int or (int, int)
        Input pixels between two positions of the filter, and zeros added on each side, (down, across).

    Returns
    -------
    Tensor of shape (convolution_size(H, kH, ...), convolution_size(W, kW, ...))

    Raises
    ------
    ValueError
        If `x` or `weight` is not two-dimensional, or the filter does not fit into the padded plane.

    Examples
    --------
    >>> x = torch.arange(1, 10).reshape(3, 3)
    >>> correlate2d(x, torch.tensor([[1, 2], [3, 4]]))
    tensor([[37, 47],
            [67, 77]])
    """
    _check_dimensions(2, x=x, weight=weight)
    (sy, sx), (py, px) = pair("stride", stride), pair("padding", padding)
    for axis in zip(x.shape, weight.shape, (sy, sx), (py, px), strict=True):
        convolution_size(*axis)  # raises where the filter does not fit
    padded = torch.nn.functional.pad(x, (px, px, py, py))
    windows = padded.unfold(0, weight.shape[0], sy).unfold(1, weight.shape[1], sx)  # (a, b, k, l)
    return torch.tensordot(weight, windows.permute(2, 3, 0, 1), dims=2)


def insert_zeros(x: Tensor, stride: int | Sequence[int]) -> Tensor:
    """Spread pixels apart: ``stride - 1`` zeros between neighbours, none outside.

    Parameters
    ----------
    x : Tensor of shape (L,), or (..., H, W)
        The last two axes are spread; the only one where there is one.
    stride : int or (int, int)
        Distance between two neighbours afterwards, (down, across).

    Returns
    -------
    Tensor of shape ((L - 1) * stride + 1,), or (..., (H - 1) * stride + 1, (W - 1) * stride + 1)

    Raises
    ------
    ValueError
        If the stride is below 1, or `x` has no axis or an empty one to spread.

    Notes
    -----
    Dumoulin & Visin [1]_, section 4.5: hence the name *fractionally strided*. A filter that moves one
    pixel over the spread input moves ``1 / stride`` of a pixel over the original.

    Examples
    --------
    >>> insert_zeros(torch.tensor([1, 2, 3]), stride=2)
    tensor([1, 0, 2, 0, 3])
    """
    check_tensors(x=x)
    axes = x.shape[-2:]
    if not axes or min(axes) < 1:
        raise ValueError(f"x must be (L,) or (..., H, W) without empty axes; got {tuple(x.shape)}")
    stride = per_axis("stride", stride, len(axes))
    spread = x.new_zeros(*x.shape[:-2], *(output_size(n, 1, s) for n, s in zip(axes, stride, strict=True)))
    spread[(..., *(slice(None, None, s) for s in stride))] = x
    return spread


def fractionally_strided_convolution(
    x: Tensor, weight: Tensor, stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0
) -> Tensor:
    """Transposed convolution by an ordinary one: spread the input, flip the filter, slide with stride 1.

    Painting asks where each *input* pixel goes; sliding asks what each *output* pixel receives. Output pixel
    *o* receives ``x[i] * w[o - i s]``: as *i* grows, the filter is read backwards. Hence the flip.

    Parameters
    ----------
    x : Tensor of shape (H, W)
        One channel of one image.
    weight : Tensor of shape (kH, kW)
        The filter of the transposed convolution, not flipped (the flip happens inside).
    stride, padding : int or (int, int)
        Of the transposed convolution. The spread input gets a border of ``k - 1 - padding`` zeros; where
        that is negative, so much is cut off.

    Returns
    -------
    Tensor of shape (output_size(H, kH, ...), output_size(W, kW, ...))
        Equal to ``conv_transpose2d_naive(x, weight, stride, padding)``.

    Raises
    ------
    ValueError
        If `x` or `weight` is not two-dimensional, or if nothing is left after trimming.

    Notes
    -----
    Dumoulin & Visin [1]_, relationships 13 and 14. Most multiplications meet an inserted zero, so libraries
    compute the same numbers in another way.

    Examples
    --------
    >>> fractionally_strided_convolution(torch.tensor([[1, 10]]), torch.tensor([[1, 2, 3]]), stride=2)
    tensor([[ 1,  2, 13, 20, 30]])
    """
    _check_dimensions(2, x=x, weight=weight)
    stride, padding = pair("stride", stride), pair("padding", padding)
    for axis in zip(x.shape, weight.shape, stride, padding, strict=True):
        output_size(*axis)  # raises where nothing is left
    (kernel_height, kernel_width), (py, px) = weight.shape, padding
    border_y, border_x = kernel_height - 1 - py, kernel_width - 1 - px
    spread = torch.nn.functional.pad(insert_zeros(x, stride), (border_x, border_x, border_y, border_y))
    return correlate2d(spread, weight.flip(0, 1))


# ------------------------------------------------------------------- filters, and how copies overlap


def bilinear_kernel(kernel_size: int) -> Tensor:
    """The filter with which a transposed convolution interpolates bilinearly.

    A tent that falls from its centre *c* to zero over *f* pixels, in each direction:

    .. math:: w_k = 1 - \\frac{|k - c|}{f}, \\qquad f = \\lfloor (K + 1) / 2 \\rfloor, \\quad c = (K - 1) / 2

    Parameters
    ----------
    kernel_size : int
        *K*, at least 1. The stride that belongs to it is *f*. An odd size ``2 f - 1`` keeps the input pixels
        and interpolates between them; an even size ``2 f`` interpolates between half-pixel centres.

    Returns
    -------
    Tensor of shape (K, K), float32
        The outer product of the tent with itself. Copies at stride *f* add up to one everywhere but at the
        image's border, so the filter itself sums to ``f * f``, not to one.

    Raises
    ------
    ValueError
        If `kernel_size` is below 1.

    Notes
    -----
    Long et al. [2]_, section 3.3, start their upsampling layers from this filter and let them learn.

    Examples
    --------
    >>> bilinear_kernel(3)
    tensor([[0.2500, 0.5000, 0.2500],
            [0.5000, 1.0000, 0.5000],
            [0.2500, 0.5000, 0.2500]])
    """
    check_whole(1, kernel_size=kernel_size)
    factor, centre = (kernel_size + 1) // 2, (kernel_size - 1) / 2
    tent = 1 - (torch.arange(kernel_size) - centre).abs() / factor
    return torch.outer(tent, tent)


def overlap_counts(size: int, kernel_size: int, stride: int, padding: int = 0) -> Tensor:
    """Count, for each output pixel of an axis, the input pixels whose copies reach it.

    Parameters
    ----------
    size : int
        Input pixels on the axis.
    kernel_size, stride, padding : int
        Of the transposed convolution.

    Returns
    -------
    Tensor of shape (output_size(size, kernel_size, stride, padding),), int64
        Away from the ends the counts repeat with the stride's period, and are constant exactly where the
        stride divides the kernel size. Counts of a plane are the outer product of its axes' counts.

    Notes
    -----
    Odena et al. [3]_: uneven counts are the seed of the checkerboard.

    Examples
    --------
    >>> overlap_counts(4, kernel_size=3, stride=2)
    tensor([1, 1, 2, 1, 2, 1, 2, 1, 1])
    >>> overlap_counts(4, kernel_size=4, stride=2)
    tensor([1, 1, 2, 2, 2, 2, 2, 2, 1, 1])
    """
    kept = output_size(size, kernel_size, stride, padding)
    ones = torch.ones(size, dtype=torch.int64), torch.ones(kernel_size, dtype=torch.int64)
    return conv_transpose1d(*ones, stride)[padding : padding + kept]


# ----------------------------------------------------------------------- bad input stops at the door


def _check_dimensions(dimensions: int, **tensors: Tensor) -> None:
    check_tensors(**tensors)
    wanted = {1: "(length,)", 2: "(height, width)"}[dimensions]
    for name, tensor in tensors.items():
        if tensor.dim() != dimensions or not tensor.numel():
            raise ValueError(f"{name} must be {wanted} and not empty; got {tuple(tensor.shape)}")
    if len(dtypes := {tensor.dtype for tensor in tensors.values()}) > 1:
        raise ValueError(f"{' and '.join(tensors)} must have one dtype; got {' and '.join(map(str, dtypes))}")


def _check_batch(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    check_tensors(x=x, weight=weight, **({} if bias is None else {"bias": bias}))
    if x.dim() not in (3, 4) or not all(x.shape[-3:]):
        wanted = "(N, C_in, H, W) or (C_in, H, W), empty in N at most"
        raise ValueError(f"x must be {wanted}; got {tuple(x.shape)}")
    if weight.dim() != 4 or not weight.numel():
        wanted = "(C_in, C_out / groups, kH, kW) and not empty"
        raise ValueError(f"weight must be {wanted}; got {tuple(weight.shape)}")
    if groups < 1 or weight.shape[0] % groups:
        raise ValueError(f"groups must divide the {weight.shape[0]} input channels; got {groups}")
    if x.shape[-3] != weight.shape[0]:
        raise ValueError(
            f"x must have the {weight.shape[0]} input channels that weight {tuple(weight.shape)} has first; "
            f"got {tuple(x.shape)}"
        )
    if x.dtype != weight.dtype:
        raise ValueError(f"x and weight must have one dtype; got {x.dtype} and {weight.dtype}")
    channels = groups * weight.shape[1]
    if bias is not None and bias.shape != (channels,):
        raise ValueError(f"bias must be ({channels},), one number an output channel; got {tuple(bias.shape)}")
