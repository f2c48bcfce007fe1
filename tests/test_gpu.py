"""References give on a GPU what they give on a CPU, and leave the result there."""

import pytest
import torch

from dlcv import depth, dilated_convolution, losses, metrics, transposed_convolution, unet, upsampling

GENERATOR = torch.Generator().manual_seed(0)
MAPS = torch.randn(2, 4, 9, 11, generator=GENERATOR)
FILTERS = torch.randn(4, 4, 3, 3, generator=GENERATOR)
LABELS = torch.randint(0, 3, (2, 9, 11), generator=GENERATOR)
MASK = MAPS[0, 0] > 0
CAMERA = torch.tensor([[50.0, 0, 5], [0, 60, 4], [0, 0, 1]])

CALLS = {
    "conv_transpose2d": lambda to: transposed_convolution.conv_transpose2d(to(MAPS), to(FILTERS), stride=2),
    "convolution_matrix": lambda to: transposed_convolution.convolution_matrix(to(FILTERS[0, 0]), (5, 6)),
    "upsample_nearest": lambda to: upsampling.upsample_nearest(to(MAPS), 1.7),
    "upsample_bilinear": lambda to: upsampling.upsample_bilinear(to(MAPS), (20, 13)),
    "upsample_bicubic": lambda to: upsampling.upsample_bicubic(to(MAPS), (20, 13), align_corners=True),
    "max_pool2d": lambda to: upsampling.max_pool2d(to(MAPS), 3, 2, 1),
    "max_unpool2d": lambda to: upsampling.max_unpool2d(*upsampling.max_pool2d(to(MAPS), 2), (9, 11)),
    "pixel_shuffle": lambda to: upsampling.pixel_shuffle(to(MAPS), 2),
    "conv2d": lambda to: dilated_convolution.conv2d(to(MAPS), to(FILTERS), padding=2, dilation=2),
    "dilate_kernel": lambda to: dilated_convolution.dilate_kernel(to(FILTERS), 3),
    "confusion_matrix": lambda to: metrics.confusion_matrix(to(LABELS), to(LABELS.roll(1)), 3),
    "mean_iou": lambda to: metrics.mean_iou(metrics.confusion_matrix(to(LABELS), to(LABELS.roll(1)), 3)),
    "warp": lambda to: unet.warp(to(MAPS[0]), to(LABELS[0]), to(MAPS[1, :2])),
    "border_weight_map": lambda to: unet.border_weight_map(to(LABELS[0])),
    "boundary_iou": lambda to: metrics.boundary_iou(to(MASK), to(MASK.roll(1, 0)), 1),
    "cross_entropy": lambda to: losses.cross_entropy(to(MAPS), to(LABELS), to(torch.ones(4)), ignore_index=2),
    "softmax_focal_loss": lambda to: losses.softmax_focal_loss(
        to(MAPS), to(LABELS), weight=to(torch.ones(4))
    ),
    "focal_loss": lambda to: losses.focal_loss(to(MAPS), to(MAPS > 0)),
    "combined_loss": lambda to: losses.combined_loss(to(MAPS), to(LABELS)),
    "soft_iou_loss": lambda to: losses.soft_iou_loss(to(MAPS), to(LABELS), ignore_index=1),
    "giou_loss": lambda to: losses.giou_loss(to(MAPS[0, 0, :, :4]), to(MAPS[0, 1, :, :4])),
    "balanced_weights": lambda to: losses.balanced_weights(
        to(LABELS.flatten().bincount(minlength=4)), "median"
    ),
    "align_scale_and_shift": lambda to: depth.align_scale_and_shift(
        to(MAPS[:, 0]), to(MAPS[:, 1]), to(LABELS > 0)
    ),
    "ssi_loss": lambda to: depth.ssi_loss(to(MAPS[:, 0]), to(MAPS[:, 1]), to(LABELS > 0)),
    "ssi_trimmed_loss": lambda to: depth.ssi_trimmed_loss(to(MAPS[:, 0]), to(MAPS[:, 1]), to(LABELS > 0)),
    "depth_metrics": lambda to: tuple(
        depth.depth_metrics(to(MAPS[:, 0].exp()), to(MAPS[:, 1].exp()), to(LABELS > 0)).values()
    ),
    "ordinal_error": lambda to: depth.ordinal_error(
        to(MAPS[0, 0]), to(LABELS[0, :, :2]), to(LABELS[1, :, :2]), to(LABELS[0, :, 2] - 1)
    ),
    "disparity_to_depth": lambda to: depth.disparity_to_depth(to(MAPS[:, 0]), 0.1, 100.0),
    "bin_centres": lambda to: depth.bin_centres(to(MAPS.exp()), 0.5, 10.0),
    "log_binomial": lambda to: depth.log_binomial(to(MAPS[:, 0].sigmoid()), 8, to(MAPS[:, 1].exp())),
    "route_domain": lambda to: depth.route_domain(to(MAPS[:, :, 0, 0]), to(MAPS)),
    "backproject": lambda to: depth.backproject(to(MAPS[0, 0].exp()), to(CAMERA)),
    "project": lambda to: depth.project(to(MAPS[0, :3].permute(1, 2, 0) + 5), to(CAMERA)),
}


def compare(call, device):
    expected, found = call(lambda tensor: tensor), call(lambda tensor: tensor.to(device))
    for e, f in zip(*(x if isinstance(x, tuple) else (x,) for x in (expected, found)), strict=True):
        assert f.device.type == device
        torch.testing.assert_close(f.cpu(), e, rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("name", CALLS)
def test_the_same_on_a_gpu(name):
    compare(CALLS[name], "cuda")


@pytest.mark.parametrize("name", CALLS)
def test_every_call_runs(name):
    compare(CALLS[name], "cpu")
