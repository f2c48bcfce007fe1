"""Context at several scales, a light decoder, and a random field over all pairs of pixels.

Maps are ``(N, C, H, W)``; sizes are height, width; images for the random field are ``(C, H, W)`` with values in [0, 1],
and its pixels stand in one row, line after line.

References
----------
.. [1] L.-C. Chen et al., "Rethinking atrous convolution for semantic image segmentation", arXiv 1706.05587, 2017.
.. [2] L.-C. Chen et al., "Encoder-decoder with atrous separable convolution for semantic image segmentation",
   ECCV 2018.
.. [3] H. Zhao et al., "Pyramid scene parsing network", CVPR 2017.
.. [4] B. Hariharan et al., "Hypercolumns for object segmentation and fine-grained localization", CVPR 2015.
.. [5] P. Krähenbühl, V. Koltun, "Efficient inference in fully connected CRFs with Gaussian edge potentials",
   NIPS 2011.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcv.arguments import check_at_least, pair, precise, several

RATES = {16: (6, 12, 18), 8: (12, 24, 36)}
"""Rates of the three atrous branches for each output stride: half the stride, twice the rate."""

# ------------------------------------------------------------------------------- atrous branches


def conv_norm_relu(in_channels: int, out_channels: int, kernel_size: int = 1, rate: int = 1) -> nn.Sequential:
    """Return a convolution that keeps the map's size, batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            padding=rate * (kernel_size // 2),
            dilation=rate,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class AtrousBranch(nn.Module):
    """A 3x3 convolution whose taps lie `rate` pixels apart, with batch normalisation and ReLU.

    Parameters
    ----------
    in_channels, out_channels : int
    rate : int
        Dilation, and padding as well: the map keeps its size.

    Examples
    --------
    >>> AtrousBranch(4, 8, rate=6)(torch.rand(2, 4, 9, 11)).shape
    torch.Size([2, 8, 9, 11])
    """

    def __init__(self, in_channels: int, out_channels: int, rate: int):
        super().__init__()
        check_at_least(1, in_channels=in_channels, out_channels=out_channels, rate=rate)
        self.layers = conv_norm_relu(in_channels, out_channels, 3, rate)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, out_channels, H, W)`` from ``(N, in_channels, H, W)``."""
        return self.layers(x)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: one map looked at with several rates, and as a whole.

    Parameters
    ----------
    in_channels : int
    out_channels : int
        Of each branch, and of the result.
    rates : sequence of int
        One atrous branch for each.

    Notes
    -----
    [1]_, section 3.3 and figure 5. Branches in this order: 1x1 convolution, the atrous ones, image pooling (mean over
    the whole map, 1x1 convolution, spread back over the map). All are concatenated; a 1x1 convolution projects them.
    Every convolution has batch normalisation and ReLU behind it and no bias. The image branch normalises one value an
    image and a channel, so training wants batches of at least two images.

    Examples
    --------
    >>> ASPP(16, 8)(torch.rand(2, 16, 9, 11)).shape
    torch.Size([2, 8, 9, 11])
    """

    def __init__(self, in_channels: int, out_channels: int = 256, rates: Sequence[int] = RATES[16]):
        super().__init__()
        rates = several("rates", rates)
        check_at_least(1, in_channels=in_channels, out_channels=out_channels, rates=rates)
        self.pixel = conv_norm_relu(in_channels, out_channels)
        self.atrous = nn.ModuleList(AtrousBranch(in_channels, out_channels, rate) for rate in rates)
        self.image = conv_norm_relu(in_channels, out_channels)
        self.project = conv_norm_relu((2 + len(self.atrous)) * out_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, out_channels, H, W)`` from ``(N, in_channels, H, W)``."""
        whole = self.image(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        return self.project(torch.cat([self.pixel(x), *(branch(x) for branch in self.atrous), whole], 1))


def valid_taps(size: int | Sequence[int], rate: int, kernel_size: int = 3) -> Tensor:
    """How many taps of a dilated filter lie on the map, for each place of its centre; the others see padding.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the map.
    rate : int
        Pixels between neighbouring taps.
    kernel_size : int
        Odd.

    Returns
    -------
    Tensor of shape (H, W), int64

    Examples
    --------
    >>> valid_taps(3, rate=1)
    tensor([[4, 6, 4],
            [6, 9, 6],
            [4, 6, 4]])
    >>> valid_taps(3, rate=3).unique()
    tensor([1])
    """
    height, width = pair("size", size)
    check_at_least(1, size=(height, width), rate=rate, kernel_size=kernel_size)
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd; got {kernel_size}")

    def along(length: int) -> Tensor:
        centre, tap = torch.arange(length), torch.arange(kernel_size) - kernel_size // 2
        place = centre[:, None] + rate * tap
        return ((place >= 0) & (place < length)).sum(1)

    return torch.outer(along(height), along(width))


def valid_weight_fraction(size: int | Sequence[int], rate: int, kernel_size: int = 3) -> float:
    """Share of all products of a dilated filter that see the map and not its padding.

    Parameters
    ----------
    size, rate, kernel_size
        As in `valid_taps`.

    Returns
    -------
    float
        1 for a filter that never leaves the map; ``1 / kernel_size**2`` where only the centre is left.

    Notes
    -----
    [1]_, figure 4, which shows it for a map of 65 x 65.

    Examples
    --------
    >>> valid_weight_fraction(3, rate=1) == (4 * 4 + 4 * 6 + 9) / 81
    True
    """
    return float(valid_taps(size, rate, kernel_size).double().mean()) / kernel_size**2


# ------------------------------------------------------------------------------- pyramid pooling


def adaptive_average_pool(x: Tensor, bins: int | Sequence[int]) -> Tensor:
    """Average a map over a fixed number of bins, whatever its size.

    Bin *i* of *b* on an axis of *s* pixels holds those from ``floor(i s / b)`` up to, not including,
    ``ceil((i + 1) s / b)``. Where *b* does not divide *s*, neighbouring bins share pixels.

    Parameters
    ----------
    x : floating Tensor of shape (..., H, W)
    bins : int or (int, int)
        Down and across. There may be more bins than pixels: pixels are then repeated.

    Returns
    -------
    Tensor of shape (..., *bins)

    Examples
    --------
    >>> adaptive_average_pool(torch.tensor([[1.0, 2.0, 6.0]]), (1, 2))
    tensor([[1.5000, 4.0000]])
    """
    rows, columns = pair("bins", bins)
    check_at_least(1, bins=(rows, columns))
    if x.dim() < 2 or 0 in x.shape[-2:]:
        raise ValueError(f"x must be (..., H, W) with at least one pixel; got {tuple(x.shape)}")
    if not x.is_floating_point():
        raise ValueError(f"x must be floating; got {x.dtype}")
    wide = precise(x)
    down = torch.stack([wide[..., part, :].mean(-2) for part in _bins(x.shape[-2], rows)], -2)
    return torch.stack([down[..., part].mean(-1) for part in _bins(x.shape[-1], columns)], -1).to(x.dtype)


def _bins(size: int, bins: int) -> list[slice]:
    """Which pixels of an axis each bin holds."""
    return [slice(i * size // bins, -(-(i + 1) * size // bins)) for i in range(bins)]


class PyramidPooling(nn.Module):
    """PSPNet's module: the map, and beside it what coarse grids over the whole map say.

    Parameters
    ----------
    in_channels : int
    bins : sequence of int
        Grids of bins x bins, one level for each.

    Notes
    -----
    [3]_, figure 3. Each level averages the map into its bins, a 1x1 convolution brings *C* channels to
    ``C // len(bins)``, and the result is enlarged bilinearly. The map comes first, then the levels: ``out_channels`` is
    2 *C* where ``len(bins)`` divides *C*. The level of one bin normalises one value an image and a channel, so training
    wants batches of at least two images.

    Examples
    --------
    >>> PyramidPooling(8)(torch.rand(2, 8, 9, 11)).shape
    torch.Size([2, 16, 9, 11])
    """

    def __init__(self, in_channels: int, bins: Sequence[int] = (1, 2, 3, 6)):
        super().__init__()
        self.bins = several("bins", bins)
        check_at_least(1, bins=self.bins)
        check_at_least(len(self.bins), in_channels=in_channels)
        channels = in_channels // len(self.bins)
        self.levels = nn.ModuleList(conv_norm_relu(in_channels, channels) for _ in self.bins)
        self.out_channels = in_channels + len(self.bins) * channels

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, out_channels, H, W)`` from ``(N, in_channels, H, W)``."""
        pooled = (level(adaptive_average_pool(x, b)) for level, b in zip(self.levels, self.bins, strict=True))
        return torch.cat([x, *(enlarge(level, x.shape[2:]) for level in pooled)], 1)


# ------------------------------------------------------------------------------- fine and coarse maps together


def enlarge(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resize maps (N, C, h, w) to `size` bilinearly, with pixel centres at half pixels as in chapter 02."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def hypercolumns(features: Sequence[Tensor], size: int | Sequence[int]) -> Tensor:
    """Stack what every layer says about a pixel: all maps at one size, one above the other.

    Parameters
    ----------
    features : sequence of Tensor of shape (N, C_i, H_i, W_i)
        In any sizes.
    size : int or (int, int)
        Height and width of the result.

    Returns
    -------
    Tensor of shape (N, sum of C_i, *size)
        Each map resized bilinearly (``align_corners=False``), in the order given.

    Notes
    -----
    [4]_, section 3.1.

    Examples
    --------
    >>> hypercolumns([torch.rand(1, 16, 8, 8), torch.rand(1, 32, 4, 4)], 8).shape
    torch.Size([1, 48, 8, 8])
    """
    size = pair("size", size)
    check_at_least(1, size=size)
    if isinstance(features, Tensor):
        raise ValueError(f"features must be a list of maps; got one tensor {tuple(features.shape)}")
    if not features or any(f.dim() != 4 or len(f) != len(features[0]) for f in features):
        given = ", ".join(str(tuple(f.shape)) for f in features) or "none"
        raise ValueError(f"features must be maps (N, C, H, W) of the same images; got {given}")
    return torch.cat([enlarge(f, size) for f in features], 1)


class SeparableConv(nn.Module):
    """A convolution in two steps: each channel filtered alone, then channels mixed at each pixel.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int
        Of the filter that each channel gets.
    stride : int
    padding : int, optional
        Without it the map keeps its size, for odd filters and stride 1.
    dilation : int
    bias : bool
        Of the second step.

    Notes
    -----
    [2]_, section 3.1. ``in_channels * (kernel_size**2 + out_channels)`` weights instead of ``in_channels *
    kernel_size**2 * out_channels``. With dilation it is that paper's atrous separable convolution.

    Examples
    --------
    >>> conv = SeparableConv(256, 256, dilation=6)
    >>> sum(p.numel() for p in conv.parameters()), 256 * 9 * 256
    (67840, 589824)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding: int | None = None,
        dilation: int = 1,
        bias: bool = False,
    ):
        super().__init__()
        padding = dilation * (kernel_size // 2) if padding is None else padding
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, kernel_size, stride, padding, dilation, groups=in_channels, bias=False
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, out_channels, H', W')`` from ``(N, in_channels, H, W)``."""
        return self.pointwise(self.depthwise(x))


class Decoder(nn.Module):
    """DeepLabv3+'s decoder: coarse features beside a few channels of fine ones, and scores from both.

    Parameters
    ----------
    low_channels, high_channels : int
        Channels of the fine map (few layers deep) and of the coarse map (ASPP's).
    num_classes : int
    channels : int
        Of the two 3x3 convolutions.

    Notes
    -----
    [2]_, section 3.1 and table 1: the fine map is reduced to 48 channels, so that it does not outweigh the coarse one;
    the coarse one, enlarged to its size, comes first; two 3x3 convolutions, then 1x1 scores.

    Examples
    --------
    >>> Decoder(24, 256, 21)(torch.rand(1, 24, 33, 41), torch.rand(1, 256, 9, 11)).shape
    torch.Size([1, 21, 33, 41])
    """

    def __init__(self, low_channels: int, high_channels: int, num_classes: int, channels: int = 256):
        super().__init__()
        check_at_least(
            1,
            low_channels=low_channels,
            high_channels=high_channels,
            num_classes=num_classes,
            channels=channels,
        )
        self.reduce = conv_norm_relu(low_channels, 48)
        self.mix = nn.Sequential(
            conv_norm_relu(high_channels + 48, channels, 3), conv_norm_relu(channels, channels, 3)
        )
        self.score = nn.Conv2d(channels, num_classes, 1)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Return scores ``(N, num_classes, H, W)`` from fine ``(N, C, H, W)`` and coarse ``(N, D, h, w)`` features."""
        return self.score(self.mix(torch.cat([enlarge(high, low.shape[2:]), self.reduce(low)], 1)))


class DeepLabV3Plus(nn.Module):
    """DeepLabv3+ on any backbone: dilated encoder, ASPP, light decoder.

    Parameters
    ----------
    backbone : nn.Module
        Maps images to five feature maps, finest first; has their `channels` and `strides`. If its last stride is
        not `output_stride`, its ``set_output_stride`` is called: strides become dilations, weights stay.
    num_classes : int
    output_stride : int
        16: rates 6, 12, 18. 8: rates 12, 24, 36.
    channels : int
        Of ASPP and of the decoder.
    rates : sequence of int, optional
        Others than those, for small images.

    Notes
    -----
    [2]_, figure 2. The decoder takes the map at stride 4; its scores are enlarged to the image's size.

    Examples
    --------
    >>> from dlcv.backbones import SmallCNN
    >>> DeepLabV3Plus(SmallCNN(), 5, channels=16).eval()(torch.rand(1, 3, 65, 97)).shape
    torch.Size([1, 5, 65, 97])
    """

    def __init__(
        self,
        backbone: nn.Module,
        num_classes: int,
        output_stride: int = 16,
        channels: int = 256,
        rates: Sequence[int] | None = None,
    ):
        super().__init__()
        if output_stride not in RATES:
            raise ValueError(f"output_stride must be 8 or 16; got {output_stride}")
        if backbone.strides[-1] != output_stride:
            backbone.set_output_stride(output_stride)
        self.backbone = backbone
        _, low, *_, high = backbone.channels
        self.aspp = ASPP(high, channels, RATES[output_stride] if rates is None else rates)
        self.decoder = Decoder(low, channels, num_classes, channels)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores ``(N, num_classes, H, W)`` of images ``(N, 3, H, W)``, of any size."""
        _, low, *_, high = self.backbone(images)
        return enlarge(self.decoder(low, self.aspp(high)), images.shape[2:])


# ------------------------------------------------------------------------------- dense random field


def gaussian_features(shape: Sequence[int], sigma: float | Sequence[float]) -> Tensor:
    """Each pixel's row and column in units of sigma: two pixels are alike if they are near.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image.
    sigma : float or (float, float)
        Standard deviation in pixels, down and across.

    Returns
    -------
    Tensor of shape (2, H * W), float32
        Rows, then columns; pixels line after line.

    Examples
    --------
    >>> gaussian_features((2, 2), sigma=2.0)
    tensor([[0.0000, 0.0000, 0.5000, 0.5000],
            [0.0000, 0.5000, 0.0000, 0.5000]])
    """
    return _places(shape, sigma, torch.float32)


def _places(shape: Sequence[int], sigma: float | Sequence[float], dtype: torch.dtype) -> Tensor:
    """`gaussian_features` in another precision."""
    height, width = pair("shape", shape)
    down, across = pair("sigma", sigma, Real)
    check_at_least(1, shape=(height, width))
    if not (down > 0 and across > 0):
        raise ValueError(f"sigma must be positive; got {sigma}")
    rows = (torch.arange(height, dtype=dtype) / down)[:, None].expand(height, width)
    columns = (torch.arange(width, dtype=dtype) / across).expand(height, width)
    return torch.stack([rows, columns]).flatten(1)


def bilateral_features(
    image: Tensor, sigma_position: float | Sequence[float], sigma_colour: float | Sequence[float]
) -> Tensor:
    """Each pixel's place and colour in units of their sigmas: two pixels are alike if they are near *and* alike.

    Parameters
    ----------
    image : Tensor of shape (C, H, W)
    sigma_position : float or (float, float)
        In pixels.
    sigma_colour : float or sequence of C floats
        In the image's unit: 0.05 is 13 of 255 where the image is in [0, 1].

    Returns
    -------
    Tensor of shape (2 + C, H * W)
        Rows, columns, then the channels.

    Examples
    --------
    >>> bilateral_features(torch.tensor([[[0.0, 0.5]]]), sigma_position=1.0, sigma_colour=0.25)
    tensor([[0., 0.],
            [0., 1.],
            [0., 2.]])
    """
    if image.dim() != 3 or not image.is_floating_point():
        raise ValueError(f"image must be floats (C, H, W); got {image.dtype} of {tuple(image.shape)}")
    sigmas = torch.as_tensor(sigma_colour, dtype=image.dtype)
    if not (sigmas > 0).all() or sigmas.numel() not in (1, len(image)):
        raise ValueError(
            f"sigma_colour must be a positive number, or {len(image)} of them; got {sigma_colour}"
        )
    place = _places(image.shape[1:], sigma_position, image.dtype).to(image.device)
    return torch.cat([place, image.flatten(1) / sigmas.reshape(-1, 1).to(image.device)])


def pairwise_kernel(features: Tensor, normalization: str = "symmetric") -> Tensor:
    """How much each pixel listens to each other one.

    .. math:: k_{ij} = \\exp\\left(-\\tfrac{1}{2} \\lVert f_i - f_j \\rVert^2\\right), \\quad k_{ii} = 0

    Parameters
    ----------
    features : Tensor of shape (D, P)
        One column a pixel, in units of its standard deviations.
    normalization : str
        "symmetric": :math:`k_{ij} / \\sqrt{s_i s_j}` with the row sums :math:`s_i = \\sum_j k_{ij}`. "none": as it is.

    Returns
    -------
    Tensor of shape (P, P)
        Symmetric, zero on the diagonal. A pixel that is like no other has a row of zeros.

    Notes
    -----
    [5]_, equation 3. Without normalisation pixels in large even regions would get far more votes than others.

    Examples
    --------
    >>> pairwise_kernel(torch.tensor([[0.0, 0.0, 9.0]]), "none")
    tensor([[0.0000e+00, 1.0000e+00, 2.5768e-18],
            [1.0000e+00, 0.0000e+00, 2.5768e-18],
            [2.5768e-18, 2.5768e-18, 0.0000e+00]])
    """
    if normalization not in ("symmetric", "none"):
        raise ValueError(f'normalization must be "symmetric" or "none"; got {normalization!r}')
    if features.dim() != 2 or not features.is_floating_point():
        raise ValueError(
            f"features must be floats (D, pixels); got {features.dtype} of {tuple(features.shape)}"
        )
    wide = precise(features)
    distance = torch.cdist(wide.T, wide.T, compute_mode="donot_use_mm_for_euclid_dist")
    oneself = torch.eye(len(distance), dtype=torch.bool, device=distance.device)
    kernel = torch.exp(-0.5 * distance**2).masked_fill(oneself, 0)
    if normalization == "symmetric":
        sums = kernel.sum(1)
        scale = sums.where(sums > 0, 1.0).rsqrt()
        kernel = scale[:, None] * kernel * scale  # the product of both scales alone could be infinite
    return kernel.to(features.dtype)


def mean_field_step(q: Tensor, unary: Tensor, kernel: Tensor) -> Tensor:
    """Every pixel asks all others what they are, and makes up its mind anew.

    .. math:: Q_i(l) \\propto \\exp\\Bigl(-u_i(l) + \\sum_{j \\ne i} k_{ij} \\, Q_j(l)\\Bigr)

    Parameters
    ----------
    q : Tensor of shape (L, P)
        Each pixel's present probabilities of the L labels.
    unary : Tensor of shape (L, P)
        -log of what the network says.
    kernel : Tensor of shape (P, P)
        Weighted and normalised, zero on its diagonal.

    Returns
    -------
    Tensor of shape (L, P)
        Sums to one over the labels.

    Notes
    -----
    [5]_, algorithm 1, all pixels at once. With the Potts model a pixel pays :math:`\\sum_{l' \\ne l} \\sum_j k_{ij}
    Q_j(l')` for label *l*. That is a constant of the pixel minus the votes for *l*, and the softmax drops constants.

    Examples
    --------
    >>> q = torch.tensor([[0.5, 1.0], [0.5, 0.0]])
    >>> mean_field_step(q, torch.zeros(2, 2), torch.tensor([[0.0, 2.0], [2.0, 0.0]]))[:, 0]
    tensor([0.8808, 0.1192])
    """
    pixels = unary.shape[-1]
    if unary.dim() != 2 or q.shape != unary.shape or kernel.shape != (pixels, pixels):
        shapes = ", ".join(str(tuple(t.shape)) for t in (q, unary, kernel))
        raise ValueError(f"q, unary, kernel must be (L, P), (L, P), (P, P); got {shapes}")
    return (q @ kernel.T - unary).softmax(0)


def dense_crf(
    unary: Tensor,
    features: Tensor | Sequence[Tensor],
    weights: float | Sequence[float],
    iterations: int,
    normalization: str = "symmetric",
) -> Tensor:
    """Mean field of a fully connected conditional random field with the Potts model, exactly.

    Parameters
    ----------
    unary : Tensor of shape (L, P)
        -log of each pixel's probability of each label.
    features : sequence of Tensor of shape (D, P)
        One kernel for each: `gaussian_features`, `bilateral_features`, or others. One tensor is one kernel.
    weights : sequence of float
        What each kernel's votes count.
    iterations : int
        0 gives the probabilities that belong to `unary`.
    normalization : str
        As in `pairwise_kernel`.

    Returns
    -------
    Tensor of shape (L, P)
        Each pixel's probabilities.

    Notes
    -----
    [5]_ avoids the P x P pairs by filtering on a lattice, approximately. Here they are all there: 64 x 64 pixels take
    67 MB.

    Examples
    --------
    Two of three equal pixels are sure. The third goes with them.

    >>> p = torch.tensor([[0.9, 0.9, 0.4], [0.1, 0.1, 0.6]])
    >>> dense_crf(-p.log(), [torch.zeros(1, 3)], [2.0], iterations=5)[0].round(decimals=2)
    tensor([0.9800, 0.9800, 0.8200])
    """
    features = [features] if isinstance(features, Tensor) else list(features)
    weights = torch.as_tensor(weights, dtype=torch.float64).reshape(-1).tolist()
    check_at_least(0, iterations=iterations)
    if unary.dim() != 2 or not unary.is_floating_point():
        raise ValueError(f"unary must be floats (labels, pixels); got {unary.dtype} of {tuple(unary.shape)}")
    if len(weights) != len(features):
        raise ValueError(f"there must be one weight a kernel: {len(features)}; got {len(weights)}")
    if any(f.shape[-1] != unary.shape[1] for f in features):
        given = ", ".join(str(tuple(f.shape)) for f in features)
        raise ValueError(f"features must have {unary.shape[1]} columns, one a pixel; got {given}")
    costs = precise(unary)
    kernel = costs.new_zeros(costs.shape[1], costs.shape[1])
    for f, weight in zip(features, weights, strict=True):
        kernel.add_(pairwise_kernel(f.to(costs), normalization), alpha=weight)
    q = (-costs).softmax(0)
    for _ in range(iterations):
        q = mean_field_step(q, costs, kernel)
    return q.to(unary.dtype)
