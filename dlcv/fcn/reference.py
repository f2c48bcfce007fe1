"""Fully convolutional networks, as code that reads like the paper's figures.

Images and maps are ``(N, C, H, W)``; scores have one channel a class, before any softmax; sizes are height, width.

References
----------
.. [1] J. Long, E. Shelhamer, T. Darrell, "Fully convolutional networks for semantic segmentation", CVPR 2015.
.. [2] E. Shelhamer, J. Long, T. Darrell, "Fully convolutional networks for semantic segmentation", TPAMI 2017.
.. [3] P. Sermanet et al., "OverFeat: integrated recognition, localization and detection", ICLR 2014.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

import torch
from torch import Tensor, nn

from dlcv.arguments import check_at_least, check_tensors, pair, per_axis
from dlcv.transposed_convolution.reference import bilinear_kernel

# ------------------------------------------------------------------------------- classifiers as filters


def pointwise_linear(features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Apply one linear layer at every pixel: what a 1x1 convolution is.

    .. math:: y_{n k i j} = b_k + \\sum_c w_{k c} \\, x_{n c i j}

    Parameters
    ----------
    features : Tensor of shape (N, C, H, W)
    weight : Tensor of shape (K, C)
        As in `torch.nn.Linear`.
    bias : Tensor of shape (K,), optional

    Returns
    -------
    Tensor of shape (N, K, H, W)

    Examples
    --------
    >>> pointwise_linear(torch.ones(1, 3, 2, 2), torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[[[6., 6.],
              [6., 6.]]]])
    """
    check_tensors(features=features, weight=weight)
    if features.dim() != 4 or weight.dim() != 2 or weight.shape[1] != features.shape[1]:
        given = f"{tuple(features.shape)} and {tuple(weight.shape)}"
        raise ValueError(f"features must be (N, C, H, W) and weight (K, C) with the same C; got {given}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must be (K,) with K = {len(weight)}; got {tuple(bias.shape)}")
    scores = torch.einsum("kc,nchw->nkhw", weight, features)
    return scores if bias is None else scores + bias[:, None, None]


def linear_to_conv(linear: nn.Linear, in_channels: int, kernel_size: int | Sequence[int]) -> nn.Conv2d:
    """Return the convolution whose filters are the rows of a fully connected layer.

    A layer that looks at a flattened map of ``(in_channels, *kernel_size)`` with *k* units is a convolution with *k*
    filters of the map's size. On a map of that size it gives the same *k* numbers; on a larger one it gives them at
    every place.

    Parameters
    ----------
    linear : nn.Linear
        With ``in_channels * height * width`` inputs, flattened as `torch.flatten` does: channels first.
    in_channels : int
        Channels of the map.
    kernel_size : int or (int, int)
        Height and width of the map.

    Returns
    -------
    nn.Conv2d
        With copies of the weights.

    Raises
    ------
    ValueError
        If the layer's inputs are not that many.

    Notes
    -----
    [1]_, section 3.1.

    Examples
    --------
    >>> linear = nn.Linear(2 * 3 * 3, 5)
    >>> conv, map = linear_to_conv(linear, in_channels=2, kernel_size=3), torch.rand(1, 2, 3, 3)
    >>> torch.allclose(conv(map).flatten(), linear(map.flatten()), atol=1e-6)
    True
    >>> conv(torch.rand(1, 2, 7, 9)).shape
    torch.Size([1, 5, 5, 7])
    """
    if not isinstance(linear, nn.Linear):
        raise TypeError(f"linear must be an nn.Linear; got {type(linear).__name__}")
    height, width = pair("kernel_size", kernel_size)
    (in_channels,) = per_axis("in_channels", in_channels, axes=1)
    check_at_least(1, in_channels=in_channels, kernel_size=(height, width))
    if linear.in_features != in_channels * height * width:
        raise ValueError(
            f"a map of {in_channels} x {height} x {width} has {in_channels * height * width} numbers; "
            f"linear takes {linear.in_features}"
        )
    conv = nn.Conv2d(in_channels, linear.out_features, (height, width), bias=linear.bias is not None)
    conv = conv.to(linear.weight)
    with torch.no_grad():
        conv.weight.copy_(linear.weight.unflatten(1, (in_channels, height, width)))
        if linear.bias is not None:
            conv.bias.copy_(linear.bias)
    return conv


def convolutionalize(classifier: nn.Sequential, input_size: Sequence[int]) -> nn.Sequential:
    """Return a classifier's fully convolutional form: the same weights, images of any size.

    Every `nn.Flatten` goes; the fully connected layer after it becomes a convolution as large as the map that was
    flattened; the others become 1x1 convolutions. All other layers are kept as they are, shared with the classifier.

    Parameters
    ----------
    classifier : nn.Sequential
        Layers in the order in which they are applied; inner `nn.Sequential` are unfolded.
    input_size : (int, int, int)
        Channels, height and width of the images that the classifier was made for.

    Returns
    -------
    nn.Sequential
        ``(N, C, H, W)`` to ``(N, K, rows, columns)``; one row and one column for an image of `input_size`.

    Raises
    ------
    ValueError
        If the classifier has a fully connected layer on something that is not a flattened map.

    Notes
    -----
    [1]_, figure 2. In eval mode dropout and batch normalisation do the same in both forms.
    """
    layers: list[nn.Module] = []
    shape, flat = None, False
    weight = next(classifier.parameters(), torch.zeros(0))
    x = weight.new_zeros(1, *input_size)
    with torch.no_grad():
        for layer in _unfolded(classifier):
            if isinstance(layer, nn.Flatten):
                shape, flat, x = x.shape[1:], True, x.flatten(1)
            elif isinstance(layer, nn.Linear):
                if not flat:
                    raise ValueError(f"{layer} has no nn.Flatten before it: its input is a {tuple(x.shape)}")
                layers.append(linear_to_conv(layer, shape[0], shape[1:]))
                shape, x = (layer.out_features, 1, 1), x.new_zeros(1, layer.out_features)
            else:
                layers.append(layer)
                x = _in_eval(layer, x)
    return nn.Sequential(*layers)


def _unfolded(layer: nn.Module) -> list[nn.Module]:
    if isinstance(layer, nn.Sequential):
        return [part for child in layer for part in _unfolded(child)]
    return [layer]


def _in_eval(layer: nn.Module, x: Tensor) -> Tensor:
    training = layer.training
    try:
        return layer.eval()(x)
    finally:
        layer.train(training)


def sliding_window(
    classifier: Callable[[Tensor], Tensor],
    image: Tensor,
    window: int | Sequence[int],
    stride: int | Sequence[int],
) -> Tensor:
    """Classify every window of an image by itself: the slow way to a map of scores.

    Parameters
    ----------
    classifier : callable
        Maps ``(N, C, *window)`` to ``(N, K)``.
    image : Tensor of shape (C, H, W)
    window, stride : int or (int, int)
        Height and width of a window, and the step from one to the next, in pixels.

    Returns
    -------
    Tensor of shape (K, rows, columns)
        Only windows that lie wholly within the image: ``(H - window) // stride + 1`` rows.

    Raises
    ------
    ValueError
        If the image is smaller than a window, or the classifier gives anything but one row of scores a window.
    """
    (height, width), (down, across) = pair("window", window), pair("stride", stride)
    check_tensors(image=image)
    check_at_least(1, window=(height, width), stride=(down, across))
    if image.dim() != 3 or image.shape[1] < height or image.shape[2] < width:
        raise ValueError(f"image must be (C, H, W), at least {height} x {width}; got {tuple(image.shape)}")
    windows = image.unfold(1, height, down).unfold(2, width, across)  # (C, rows, columns, height, width)
    rows, columns = windows.shape[1:3]
    scores = [classifier(windows[:, i, j][None]) for i in range(rows) for j in range(columns)]
    if scores[0].dim() != 2 or len(scores[0]) != 1:
        raise ValueError(
            f"classifier must give (N, K) scores; for one window it gave {tuple(scores[0].shape)}"
        )
    return torch.cat(scores).T.unflatten(1, (rows, columns))


def multiply_adds(layers: Sequence[Sequence[int]], size: int) -> int:
    """Multiplications that a chain of unpadded square convolutions needs for an image of `size` x `size` pixels.

    Parameters
    ----------
    layers : sequence of (in_channels, out_channels, kernel_size, stride)
        From the image to the scores.
    size : int
        Height and width of the image.

    Returns
    -------
    int
        The sum over the layers of outputs x in_channels x kernel_size^2.

    Examples
    --------
    One 3x3 filter over a 5x5 image has 9 outputs of 9 multiplications.

    >>> multiply_adds([(1, 1, 3, 1)], size=5)
    81
    """
    check_at_least(1, size=size)
    total = 0
    for layer in layers:
        if len(layer) != 4:
            raise ValueError(f"a layer is (in_channels, out_channels, kernel_size, stride); got {layer}")
        in_channels, out_channels, kernel_size, stride = layer
        check_at_least(1, kernel_size=kernel_size, stride=stride)
        if size < kernel_size:
            raise ValueError(f"a map of {size} x {size} is smaller than a filter of {kernel_size}")
        size = (size - kernel_size) // stride + 1
        total += size**2 * out_channels * in_channels * kernel_size**2
    return total


# ------------------------------------------------------------------------------- back to the image's size


def crop_like(x: Tensor, reference: Tensor) -> Tensor:
    """Cut the middle out of `x`, as large as `reference`; an odd pixel is taken off at the bottom or right.

    Parameters
    ----------
    x : Tensor of shape (..., H, W)
    reference : Tensor of shape (..., h, w)
        Only its height and width matter; neither may be larger than x's.

    Returns
    -------
    Tensor of shape (..., h, w)
        A view of `x`.

    Examples
    --------
    >>> crop_like(torch.arange(5)[None], torch.zeros(1, 2))
    tensor([[1, 2]])
    """
    check_tensors(x=x, reference=reference)
    if min(x.dim(), reference.dim()) < 2:
        shapes = f"{tuple(x.shape)} and {tuple(reference.shape)}"
        raise ValueError(f"x and reference must have a height and a width; got {shapes}")
    (height, width), (wanted_h, wanted_w) = x.shape[-2:], reference.shape[-2:]
    if wanted_h > height or wanted_w > width:
        raise ValueError(
            f"x must be at least as large as the reference, {wanted_h} x {wanted_w}; got {height} x {width}"
        )
    top, left = (height - wanted_h) // 2, (width - wanted_w) // 2
    return x[..., top : top + wanted_h, left : left + wanted_w]


def bilinear_upsampling(channels: int, factor: int) -> nn.ConvTranspose2d:
    """Return a transposed convolution that starts as bilinear interpolation, each channel by itself.

    Parameters
    ----------
    channels : int
        Channels in and out. The layer can learn to mix them; it starts without.
    factor : int
        How many times as large its output is, exactly.

    Notes
    -----
    A filter of ``2 factor - factor % 2`` taps, as in chapter 01, and [1]_, section 3.3.

    Examples
    --------
    >>> bilinear_upsampling(1, 2)(torch.ones(1, 1, 3, 3))[0, 0, 2].tolist()
    [0.75, 1.0, 1.0, 1.0, 1.0, 0.75]
    """
    (channels,), (factor,) = per_axis("channels", channels, axes=1), per_axis("factor", factor, axes=1)
    check_at_least(1, channels=channels, factor=factor)
    kernel_size = 2 * factor - factor % 2
    layer = nn.ConvTranspose2d(
        channels, channels, kernel_size, stride=factor, padding=ceil((factor - 1) / 2), bias=False
    )
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[range(channels), range(channels)] = bilinear_kernel(kernel_size)
    return layer


def fuse(deep: Tensor, skip: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Add a finer layer's scores to the upsampled scores of a deeper one.

    Parameters
    ----------
    deep : Tensor of shape (N, K, h, w)
        Scores so far.
    skip : Tensor of shape (N, C, H, W)
        Features of the layer with half the stride: H is 2h or 2h - 1, W likewise.
    weight, bias : Tensor of shape (K, C) and (K,)
        The 1x1 convolution that scores `skip`.

    Returns
    -------
    Tensor of shape (N, K, H, W)
        ``crop(upsample(deep)) + score(skip)``.

    Raises
    ------
    ValueError
        If the two are not as large as said, or differ in images or classes.

    Notes
    -----
    [1]_, figure 3 and section 4.2. Sums of scores, not of probabilities; and not a concatenation, which is U-Net's way.
    """
    scores = pointwise_linear(skip, weight, bias)
    sizes = [(height + 1) // 2 for height in skip.shape[2:]]
    if deep.shape != (*scores.shape[:2], *sizes):
        raise ValueError(
            f"deep must be {(*scores.shape[:2], *sizes)} to be added to the scores of the skip, "
            f"{tuple(scores.shape)}; got {tuple(deep.shape)}"
        )
    layer = bilinear_upsampling(deep.shape[1], 2).to(deep)
    doubled = nn.functional.conv_transpose2d(deep, layer.weight.detach(), stride=2, padding=1)
    return crop_like(doubled, scores) + scores


# ------------------------------------------------------------------------------- the network

SKIPS = {"32s": (), "16s": (16,), "8s": (16, 8)}
"""Strides of the layers that each variant fuses with its deepest scores."""


class FCN(nn.Module):
    """FCN-32s, FCN-16s or FCN-8s on any backbone.

    Parameters
    ----------
    backbone : nn.Module
        Maps images to feature maps at strides 2, 4, 8, 16 and 32, and has their numbers of `channels`.
    num_classes : int
        Classes with background; one channel of scores for each.
    variant : str
        "32s": the deepest scores alone; "16s": fused with those at stride 16; "8s": and with those at stride 8.

    Notes
    -----
    [1]_, section 4. Scores are doubled twice, by layers that start as bilinear and learn, then upsampled eight times by
    fixed bilinear weights. [1]_ upsamples FCN-32s in one step; here all variants take the same steps, so that they
    differ in their skips alone. The scores of the skips start at zero: at first FCN-8s *is* FCN-32s.

    Examples
    --------
    >>> from dlcv.backbones import SmallCNN
    >>> FCN(SmallCNN(), 5, "8s")(torch.rand(1, 3, 65, 97)).shape
    torch.Size([1, 5, 65, 97])
    """

    def __init__(self, backbone: nn.Module, num_classes: int, variant: str = "8s"):
        super().__init__()
        if variant not in SKIPS:
            raise ValueError(f"variant must be one of {', '.join(SKIPS)}; got {variant!r}")
        check_at_least(1, num_classes=num_classes)
        self.backbone, self.variant = backbone, variant
        channels = getattr(backbone, "channels", ())
        if len(channels) != 5:
            raise ValueError(
                f"backbone must have the channels of five maps, at strides 2 to 32; "
                f"{type(backbone).__name__} has {channels}"
            )
        _, _, pool3, pool4, pool5 = channels
        self.score = nn.Conv2d(pool5, num_classes, 1)
        self.score_skips = nn.ModuleDict(
            {
                str(stride): nn.Conv2d({16: pool4, 8: pool3}[stride], num_classes, 1)
                for stride in SKIPS[variant]
            }
        )
        for skip in self.score_skips.values():
            nn.init.zeros_(skip.weight)
            nn.init.zeros_(skip.bias)
        self.upsample = nn.ModuleDict({stride: bilinear_upsampling(num_classes, 2) for stride in ("16", "8")})
        self.enlarge = bilinear_upsampling(num_classes, 8).requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores ``(N, num_classes, H, W)`` of images ``(N, 3, H, W)``, of any size."""
        _, _, pool3, pool4, pool5 = self.backbone(images)
        scores = self.score(pool5)
        for stride, features in (("16", pool4), ("8", pool3)):
            scores = crop_like(self.upsample[stride](scores), features)
            if stride in self.score_skips:
                scores = scores + self.score_skips[stride](features)
        return crop_like(self.enlarge(scores), images)
