"""Dilated convolution: the filter's numbers are spread apart, so it sees further without one number more.

Dilated and atrous convolution are two names of one operation. Transposed or fractionally strided convolution
(chapter 01) is another: it spreads the *input*, and makes maps larger. Here the *filter* is spread, and maps keep
their size.

References
----------
.. [1] F. Yu and V. Koltun, "Multi-scale context aggregation by dilated convolutions", ICLR 2016.
.. [2] L.-C. Chen, G. Papandreou, I. Kokkinos, K. Murphy and A. L. Yuille, "DeepLab: semantic image segmentation
   with deep convolutional nets, atrous convolution, and fully connected CRFs", PAMI 2018.
.. [3] P. Wang et al., "Understanding convolution for semantic segmentation", WACV 2018.
.. [4] J. Long, E. Shelhamer and T. Darrell, "Fully convolutional networks for semantic segmentation", CVPR 2015.
.. [5] A. Araujo, W. Norris and J. Sim, "Computing receptive fields of convolutional neural networks", Distill,
   2019.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from itertools import product

import torch
from torch import Tensor, nn

from dlcv.arguments import HALF, check_at_least, check_tensors, check_whole, every, pair
from dlcv.transposed_convolution.reference import conv_transpose1d, convolution_size, insert_zeros

__all__ = [
    "conv2d",
    "conv2d_naive",
    "coverage",
    "dilate_kernel",
    "effective_kernel_size",
    "is_gridding_free",
    "receptive_field",
    "replace_stride_with_dilation",
    "shift_and_stitch",
]


# ------------------------------------------------------------------------------------- how far a filter sees


def effective_kernel_size(kernel_size: int, dilation: int) -> int:
    """How many pixels a filter spans when its numbers lie `dilation` pixels apart.

    .. math:: k' = d (k - 1) + 1

    Parameters
    ----------
    kernel_size, dilation : int
        *k* and *d*, at least 1.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If an argument is below 1.

    Examples
    --------
    >>> [effective_kernel_size(3, dilation) for dilation in (1, 2, 4)]
    [3, 5, 9]
    """
    check_whole(1, kernel_size=kernel_size, dilation=dilation)
    return dilation * (kernel_size - 1) + 1


def receptive_field(layers: Iterable[tuple[int, int, int]]) -> tuple[int, int]:
    """How many input pixels one output pixel can see, and how far apart two neighbours look.

    .. math:: r_l = r_{l-1} + (k_l - 1) \\, d_l \\, j_{l-1}, \\qquad j_l = j_{l-1} \\, s_l,
              \\qquad r_0 = j_0 = 1

    Parameters
    ----------
    layers : iterable of (kernel_size, stride, dilation)
        Convolutions and poolings along one axis, the first one first.

    Returns
    -------
    size : int
        *r*, pixels of the input on this axis, borders aside.
    jump : int
        *j*, input pixels from what one output pixel sees to what its neighbour sees.

    Raises
    ------
    ValueError
        If a layer is not three whole numbers, at least 1.

    Notes
    -----
    Araujo et al. [5]_, equation (2), written forwards.

    Examples
    --------
    >>> receptive_field([(3, 1, 1)] * 5)
    (11, 1)
    >>> receptive_field([(3, 1, 1), (3, 1, 2), (3, 1, 4)])
    (15, 1)
    >>> receptive_field([(3, 1, 1), (2, 2, 1), (3, 1, 1)])
    (8, 2)
    """
    size = jump = 1
    for layer in layers:
        if not isinstance(layer, Sequence) or len(layer) != 3:
            raise ValueError(f"a layer must be (kernel_size, stride, dilation); got {layer!r}")
        kernel_size, stride, dilation = layer
        check_whole(1, stride=stride)
        size += (effective_kernel_size(kernel_size, dilation) - 1) * jump
        jump *= stride
    return size, jump


# ------------------------------------------------------------------------------------------- the convolution


def conv2d_naive(x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """Slide a spread filter over one plane, number by number.

    .. math:: y_{ab} = \\sum_{k,\\,l} x_{a s + k d - p,\\; b s + l d - p} \\; w_{kl}

    Parameters
    ----------
    x : Tensor of shape (H, W)
        One channel of one image.
    weight : Tensor of shape (kH, kW)
        The filter, not flipped.
    stride, padding, dilation : int or (int, int)
        *s*, *p* and *d*: steps of the window, zeros around the plane, distance of the filter's numbers.

    Returns
    -------
    Tensor of shape (convolution_size(H, kH, s, p, d), convolution_size(W, kW, s, p, d))

    Raises
    ------
    ValueError
        If `x` or `weight` is not two-dimensional, or the spread filter does not fit.

    Notes
    -----
    Yu & Koltun [1]_, equation (2), with the sign that deep learning uses.

    Examples
    --------
    The four corners of each 3x3 window, by a 2x2 filter:

    >>> conv2d_naive(torch.arange(12).reshape(3, 4), torch.tensor([[1, 0], [0, 1]]), dilation=2)
    tensor([[10, 12]])
    """
    check_tensors(x=x, weight=weight)
    for name, tensor in (("x", x), ("weight", weight)):
        if tensor.dim() != 2 or not tensor.numel():
            raise ValueError(f"{name} must be (height, width) and not empty; got {tuple(tensor.shape)}")
    if x.dtype != weight.dtype:
        raise ValueError(f"x and weight must have one dtype; got {x.dtype} and {weight.dtype}")
    (sy, sx), (py, px), (dy, dx) = _arguments(stride, padding, dilation)
    (h, w), (kh, kw) = x.shape, weight.shape
    y = x.new_zeros(convolution_size(h, kh, sy, py, dy), convolution_size(w, kw, sx, px, dx))
    for a, b in product(*map(range, y.shape)):
        for k, l in product(range(kh), range(kw)):
            i, j = a * sy + k * dy - py, b * sx + l * dx - px
            if 0 <= i < h and 0 <= j < w:
                y[a, b] += x[i, j] * weight[k, l]
    return y


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve a batch of many channels: collect what each number of the filter sees, then one matrix product.

    .. math:: y_{n o a b} = b_o + \\sum_{c,\\,k,\\,l} x_{n,\\, c,\\, a s + k d - p,\\, b s + l d - p} \\; w_{o c k l}

    Parameters
    ----------
    x : Tensor of shape (N, C_in, H, W), or (C_in, H, W)
        The maps.
    weight : Tensor of shape (C_out, C_in / groups, kH, kW)
        The filters, not flipped.
    bias : Tensor of shape (C_out,), optional
        Added to each output pixel.
    stride, padding, dilation : int or (int, int)
        See `conv2d_naive`, (down, across). A padding may also be ``"valid"``, none, or, with stride 1,
        ``"same"``: as much as keeps the size; of an odd number of zeros, the far side gets one more.
    groups : int
        The channels are split into this many groups that do not see each other.

    Returns
    -------
    Tensor of shape (N, C_out, H_out, W_out), or without N as the input was
        The sizes are those of `dlcv.transposed_convolution.convolution_size`. A padding of
        ``dilation * (k - 1) / 2`` keeps the size.

    Raises
    ------
    ValueError
        If shapes, dtypes or arguments do not fit; the message says what was given and what is wanted.

    Notes
    -----
    Equal to ``torch.nn.functional.conv2d``. Dilation costs nothing: the same number of products, at other places.

    Examples
    --------
    >>> x = torch.zeros(1, 1, 5, 5)
    >>> x[..., 2, 2] = 1
    >>> conv2d(x, torch.arange(1.0, 10).reshape(1, 1, 3, 3), padding=2, dilation=2)[0, 0].int()
    tensor([[9, 0, 8, 0, 7],
            [0, 0, 0, 0, 0],
            [6, 0, 5, 0, 4],
            [0, 0, 0, 0, 0],
            [3, 0, 2, 0, 1]], dtype=torch.int32)
    """
    _check_batch(x, weight, bias, groups)
    if x.dim() == 3:
        return conv2d(x[None], weight, bias, stride, padding, dilation, groups)[0]
    if x.dtype in HALF:  # too coarse for sums: add up in single, round once
        exact = (None if tensor is None else tensor.float() for tensor in (x, weight, bias))
        return conv2d(*exact, stride, padding, dilation, groups).to(x.dtype)
    if isinstance(padding, str):
        x, padding = _padded_by_name(x, padding, weight.shape[2:], stride, dilation), 0
    (sy, sx), (py, px), (dy, dx) = _arguments(stride, padding, dilation)
    kh, kw = weight.shape[2:]
    height = convolution_size(x.shape[2], kh, sy, py, dy)
    width = convolution_size(x.shape[3], kw, sx, px, dx)

    padded = torch.nn.functional.pad(x, (px, px, py, py))
    seen = [
        padded[:, :, every(sy, k * dy, height), every(sx, l * dx, width)]
        for k, l in product(range(kh), range(kw))
    ]
    # (N, groups, C_in / groups * kH * kW, H_out * W_out): a column is what one window sees.
    products = weight.shape[1] * kh * kw
    columns = torch.stack(seen, dim=2).reshape(len(x), groups, products, height * width)
    filters = weight.reshape(groups, weight.shape[0] // groups, products)
    y = (filters @ columns).reshape(len(x), weight.shape[0], height, width)
    return y if bias is None else y + bias[:, None, None]


def _padded_by_name(x: Tensor, padding: str, kernel: Sequence[int], stride, dilation) -> Tensor:
    """Pad as torch does where it is told what for, not how much."""
    if padding not in ("same", "valid"):
        raise ValueError(f"padding must be a number, a pair of them, 'same' or 'valid'; got {padding!r}")
    if padding == "valid":
        return x
    if pair("stride", stride) != (1, 1):
        raise ValueError(f"padding 'same' keeps the size, so stride must be 1; got {stride}")
    dy, dx = pair("dilation", dilation)
    rows, columns = dy * (kernel[0] - 1), dx * (kernel[1] - 1)
    return torch.nn.functional.pad(x, (columns // 2, -(-columns // 2), rows // 2, -(-rows // 2)))


def dilate_kernel(weight: Tensor, dilation: int | Sequence[int]) -> Tensor:
    """Write the zeros out: the plain filter that does what `weight` does with `dilation`.

    Parameters
    ----------
    weight : Tensor of shape (..., kH, kW)
        The filters.
    dilation : int or (int, int)
        Distance of two numbers afterwards.

    Returns
    -------
    Tensor of shape (..., d * (kH - 1) + 1, d * (kW - 1) + 1)
        ``d - 1`` zeros between neighbours, none outside.

    Raises
    ------
    ValueError
        If `weight` has fewer than two axes or an empty one, or the dilation is below 1.

    Notes
    -----
    The holes (French: *trous*) that gave atrous convolution its name. It is `insert_zeros` of chapter 01, applied to
    the filter; there it was applied to the input, which is why the two operations are not the same.

    Examples
    --------
    >>> dilate_kernel(torch.tensor([[1, 2], [3, 4]]), 2)
    tensor([[1, 0, 2],
            [0, 0, 0],
            [3, 0, 4]])
    """
    check_tensors(weight=weight)
    if weight.dim() < 2:
        raise ValueError(f"weight must be (..., kH, kW); got {tuple(weight.shape)}")
    dilation = pair("dilation", dilation)
    check_at_least(1, dilation=dilation)
    return insert_zeros(weight, dilation)


# ---------------------------------------------------------------------------- every pixel from a strided net


def shift_and_stitch(net: Callable[[Tensor], Tensor], x: Tensor, stride: int) -> Tensor:
    """Run a net of this stride on every shift of the image, and interleave what it says.

    .. math:: y_{a s + i,\\; b s + j} = f(x \\text{ without its first } i \\text{ rows and } j \\text{ columns})_{ab}

    Parameters
    ----------
    net : callable
        Maps (N, C, H, W) to (N, K, H', W'), where a step in the output is `stride` pixels of the input. Exact for
        nets without padding; a net that pads sees a false border in each shift.
    x : Tensor of shape (N, C, H, W)
        The images.
    stride : int
        *s*, the product of all strides in the net.

    Returns
    -------
    Tensor of shape (N, K, H_dense, W_dense)
        One output for each position of the net's window: what the net would say with all strides removed and the
        layers behind them dilated, in ``s * s`` runs.

    Raises
    ------
    ValueError
        If `x` is not (N, C, H, W), or the stride is below 1, or the outputs' sizes do not interleave.

    Notes
    -----
    Long et al. [4]_, section 3.2. `replace_stride_with_dilation` gives the same output in one run.

    Examples
    --------
    >>> x = torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> net = nn.MaxPool2d(2)
    >>> net(x)[0, 0]
    tensor([[4.]])
    >>> shift_and_stitch(net, x, stride=2)[0, 0]
    tensor([[4., 5.],
            [7., 8.]])
    """
    check_tensors(x=x)
    if x.dim() != 4:
        raise ValueError(f"x must be (N, C, H, W); got {tuple(x.shape)}")
    check_whole(1, stride=stride)
    shifts = list(product(range(stride), range(stride)))
    coarse = {(i, j): net(x[:, :, i:, j:]) for i, j in shifts}
    height = sum(coarse[i, 0].shape[2] for i in range(stride))
    width = sum(coarse[0, j].shape[3] for j in range(stride))
    first = coarse[0, 0]
    y = first.new_zeros(*first.shape[:2], height, width)
    for i, j in shifts:
        place = y[:, :, i::stride, j::stride]
        if place.shape != coarse[i, j].shape:
            raise ValueError(
                f"the net's outputs do not interleave with stride {stride}: shift ({i}, {j}) gave "
                f"{tuple(coarse[i, j].shape)}, wanted {tuple(place.shape)}"
            )
        place.copy_(coarse[i, j])
    return y


def replace_stride_with_dilation(model: nn.Module) -> nn.Module:
    """Take all strides out of a net and dilate what comes behind them, with the weights as they are.

    Parameters
    ----------
    model : nn.Module
        Its convolutions and poolings are applied in the order in which the module lists them, as in a chain of
        `nn.Sequential`. It is not changed.

    Returns
    -------
    nn.Module
        A copy with stride 1 everywhere. Each stride *s* multiplies the dilation and the padding of all later
        convolutions and max poolings by *s*. Its output at every *s*-th pixel is the output of `model`.

    Raises
    ------
    ValueError
        For a layer that cannot be dilated (a transposed convolution or one of other than two axes, a pooling
        that rounds its size up, an average pooling behind a stride that leaves its padding out of the mean, a
        layer that changes the size by other means), or a padding other than zeros.

    Notes
    -----
    Chen et al. [2]_, section 3.1, and Yu & Koltun [1]_, section 4, remove the last two poolings of VGG-16 so.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1))
    >>> dense = replace_stride_with_dilation(model)
    >>> dense[2].dilation, dense[2].padding
    ((2, 2), (2, 2))
    >>> x = torch.rand(1, 1, 8, 8)
    >>> torch.allclose(dense(x)[..., ::2, ::2], model(x), atol=1e-6)
    True
    """
    return _dilated(copy.deepcopy(model), (1, 1))[0]


Rate = tuple[int, int]  # product of the strides so far, down and across


def _dilated(module: nn.Module, rate: Rate) -> tuple[nn.Module, Rate]:
    """Return the module without strides, dilated by the strides before it, and the rate for what comes behind."""
    if isinstance(module, nn.Conv2d):
        return _dilated_convolution(module, rate)
    if isinstance(module, nn.MaxPool2d):
        return _dilated_pooling(module, rate)
    if isinstance(module, nn.AvgPool2d):
        return _dilated_average(module, rate)
    if isinstance(module, _RESIZING):
        wanted = "only Conv2d, MaxPool2d and AvgPool2d can"
        raise ValueError(f"a {type(module).__name__} cannot be dilated here; {wanted}")
    module = copy.copy(module)  # one layer may stand in several places, with another rate in each
    module._modules = module._modules.copy()
    for name, child in module._modules.items():
        if child is not None:
            module._modules[name], rate = _dilated(child, rate)
    return module, rate


_RESIZING = (
    nn.modules.conv._ConvNd,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._LPPoolNd,
    nn.FractionalMaxPool2d,
    nn.Upsample,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
)


def _dilated_convolution(layer: nn.Conv2d, rate: Rate) -> tuple[nn.Conv2d, Rate]:
    layer = copy.copy(layer)
    if layer.padding_mode != "zeros":
        raise ValueError(f"padding must be of zeros; got padding_mode={layer.padding_mode!r}")
    if not isinstance(layer.padding, str):  # "same" and "valid" follow the dilation by themselves
        layer.padding = _times(layer.padding, rate)
    layer.dilation, behind = _times(layer.dilation, rate), _times(layer.stride, rate)
    layer.stride = (1, 1)
    return layer, behind


def _dilated_pooling(layer: nn.MaxPool2d, rate: Rate) -> tuple[nn.Module, Rate]:
    layer = _without_rounding_up(layer)
    behind, layer.stride = _times(pair("stride", layer.stride), rate), (1, 1)
    layer.dilation = _times(pair("dilation", layer.dilation), rate)
    py, px = layer.padding = _times(pair("padding", layer.padding), rate)
    kh, kw = pair("kernel_size", layer.kernel_size)
    if 2 * py <= kh and 2 * px <= kw:
        return layer, behind
    layer.padding = 0  # torch compares it with the size of the window before dilation, so pad by hand
    return nn.Sequential(nn.ConstantPad2d((px, px, py, py), -torch.inf), layer), behind


def _without_rounding_up(layer: nn.Module) -> nn.Module:
    """Return a copy; with ``ceil_mode`` a last window hangs over the edge, where no window of stride 1 begins."""
    if layer.ceil_mode and pair("stride", layer.stride) != (1, 1):
        raise ValueError(f"a {type(layer).__name__} with ceil_mode=True cannot be dilated here")
    return copy.copy(layer)


def _dilated_average(layer: nn.AvgPool2d, rate: Rate) -> tuple[nn.Module, Rate]:
    layer = _without_rounding_up(layer)
    behind, layer.stride = _times(pair("stride", layer.stride), rate), 1
    if rate == (1, 1):
        return layer, behind
    kernel, padding = pair("kernel_size", layer.kernel_size), pair("padding", layer.padding)
    if any(padding) and not layer.count_include_pad:
        raise ValueError(
            "an AvgPool2d that leaves its padding out of the mean cannot be dilated behind a stride"
        )
    divisor = layer.divisor_override or kernel[0] * kernel[1]
    return _DilatedAverage(kernel, _times(padding, rate), rate, divisor), behind


class _DilatedAverage(nn.Module):
    """An average pooling whose pixels lie `rate` apart, which torch does not have: one filter for each channel."""

    def __init__(self, kernel: Rate, padding: Rate, rate: Rate, divisor: int):
        super().__init__()
        self.kernel, self.padding, self.rate, self.divisor = kernel, padding, rate, divisor

    def forward(self, x: Tensor) -> Tensor:
        weight = x.new_full((x.shape[-3], 1, *self.kernel), 1 / self.divisor)
        return conv2d(x, weight, padding=self.padding, dilation=self.rate, groups=len(weight))


def _times(pair: Rate, rate: Rate) -> Rate:
    return pair[0] * rate[0], pair[1] * rate[1]


# ---------------------------------------------------------------------------------------------- gridding


def coverage(rates: Sequence[int], kernel_size: int = 3) -> Tensor:
    """Count the ways from each input pixel through a stack of dilated filters to one output pixel.

    Parameters
    ----------
    rates : sequence of int
        Dilation of each layer, all with stride 1.
    kernel_size : int
        Of all layers.

    Returns
    -------
    Tensor of shape (R, R), int64
        *R* is the receptive field. The output pixel stands above the middle. A zero is a hole: a pixel within the
        receptive field that the output cannot see. The counts sum to ``kernel_size ** (2 * len(rates))``.

    Raises
    ------
    ValueError
        If a rate or the kernel size is below 1, or the ways are too many for int64 (from some twenty layers on).

    Notes
    -----
    Wang et al. [3]_, figure 2. It is the size of the gradient that a net with all weights 1 sends back.

    Examples
    --------
    >>> coverage((2,))
    tensor([[1, 0, 1, 0, 1],
            [0, 0, 0, 0, 0],
            [1, 0, 1, 0, 1],
            [0, 0, 0, 0, 0],
            [1, 0, 1, 0, 1]])
    """
    _check_rates(rates, kernel_size)
    ways = torch.ones(1, dtype=torch.int64)
    for rate in rates:
        ways = _one_layer_more(ways, rate, kernel_size)
    most = torch.iinfo(torch.int64).max
    if kernel_size ** len(rates) > most or int(ways.max()) ** 2 > most:
        raise ValueError(
            f"the ways through {len(rates)} layers are too many to count in int64; got rates {rates}"
        )
    return torch.outer(ways, ways)


def _one_layer_more(ways: Tensor, rate: int, kernel_size: int) -> Tensor:
    """Each number of the filter brings a copy of the ways so far, `rate` pixels from the next."""
    return conv_transpose1d(torch.ones(kernel_size, dtype=torch.int64), ways, stride=rate)


def is_gridding_free(rates: Sequence[int], kernel_size: int = 3) -> bool:
    """Say whether a stack of dilated filters sees every pixel of its receptive field.

    Parameters
    ----------
    rates : sequence of int
        Dilation of each layer, all with stride 1; their order does not matter.
    kernel_size : int
        Of all layers.

    Returns
    -------
    bool
        False where `coverage` has a hole. Rates with a common factor above 1 always have some; rates without one
        may: (1, 2, 9) leaves holes that (1, 2, 5) does not.

    Notes
    -----
    Wang et al. [3]_, section 3.2, *hybrid dilated convolution*.

    Examples
    --------
    >>> [is_gridding_free(rates) for rates in ((2, 2, 2), (1, 2, 5), (1, 2, 9))]
    [False, True, False]
    """
    _check_rates(rates, kernel_size)
    seen = torch.ones(1, dtype=torch.int64)
    for rate in rates:
        # Whether, not how often: a deep stack has more ways than int64 can count.
        seen = _one_layer_more(seen, rate, kernel_size).clamp(max=1)
    return bool(seen.all())


# ----------------------------------------------------------------------- bad input stops at the door


def _check_rates(rates: Sequence[int], kernel_size: int) -> None:
    check_whole(1, kernel_size=kernel_size, **{f"rates[{n}]": rate for n, rate in enumerate(rates)})


def _arguments(stride, padding, dilation) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    stride, padding = pair("stride", stride), pair("padding", padding)
    dilation = pair("dilation", dilation)
    check_at_least(1, stride=stride, dilation=dilation)
    check_at_least(0, padding=padding)
    return stride, padding, dilation


def _check_batch(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    check_tensors(x=x, weight=weight, **({} if bias is None else {"bias": bias}))
    if x.dim() not in (3, 4) or not all(x.shape[-3:]):
        wanted = "(N, C_in, H, W) or (C_in, H, W), empty in N at most"
        raise ValueError(f"x must be {wanted}; got {tuple(x.shape)}")
    if weight.dim() != 4 or not weight.numel():
        wanted = "(C_out, C_in / groups, kH, kW) and not empty"
        raise ValueError(f"weight must be {wanted}; got {tuple(weight.shape)}")
    if groups < 1 or weight.shape[0] % groups:
        raise ValueError(f"groups must divide the {weight.shape[0]} output channels; got {groups}")
    if x.shape[-3] != groups * weight.shape[1]:
        raise ValueError(
            f"x must have {groups * weight.shape[1]} channels for weight {tuple(weight.shape)} in {groups} "
            f"group{'s' if groups > 1 else ''}; got {tuple(x.shape)}"
        )
    if x.dtype != weight.dtype:
        raise ValueError(f"x and weight must have one dtype; got {x.dtype} and {weight.dtype}")
    if bias is not None and bias.dtype != x.dtype:
        raise ValueError(f"bias must have the dtype of x, {x.dtype}; got {bias.dtype}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must be ({weight.shape[0]},), one number a filter; got {tuple(bias.shape)}")
