"""U-Net, SegNet, border weights and deformations: equations first, then scipy and torch as oracles."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import nn

from dlcv import unet


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(7)


# ------------------------------------------------------------------------------- U-Net


def test_the_papers_network_has_the_papers_sizes():
    assert unet.unet_output_size(572, padding=0) == 388
    with torch.device("meta"):
        network = unet.UNet(1, 2, padding=0)
        assert network(torch.zeros(1, 1, 572, 572)).shape == (1, 2, 388, 388)
        assert sum(parameter.numel() for parameter in network.parameters()) == 31_030_658
        assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize(("depth", "padding"), [(1, 0), (2, 0), (3, 0), (1, 1), (3, 1), (4, 1)])
def test_every_size_that_is_allowed_runs_and_every_other_is_refused(depth, padding):
    with torch.device("meta"):
        network = unet.UNet(1, 2, 1, depth, padding)
        for size in range(1, 130):
            image = torch.zeros(1, 1, size, size)
            try:
                wanted = unet.unet_output_size(size, depth, padding)
            except ValueError:
                with pytest.raises(ValueError, match=f"halves maps of even size only; .*, got {size}$"):
                    network(image)
            else:
                assert network(image).shape == (1, 2, wanted, wanted)


def test_height_and_width_are_independent():
    network = unet.UNet(1, 3, 2, 2, padding=0)
    assert network(torch.zeros(2, 1, 44, 60)).shape == (2, 3, 4, 20)


@pytest.mark.parametrize("settings", [(1, 2, 64, 4), (3, 5, 8, 2), (2, 1, 3, 1)])
def test_parameters_are_counted(settings):
    with torch.device("meta"):
        network = unet.UNet(*settings)
    assert unet.unet_parameters(*settings) == sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_each_skip_alone_carries_gradient_and_matters(generator, padding, level):
    torch.manual_seed(1)
    network = unet.UNet(1, 2, 4, 3, padding).eval()
    size = 92 if padding == 0 else 16
    image = torch.randn(1, 1, size, size, generator=generator)
    kept, cut = {}, network.up[2 - level]

    def only_the_skip(module, inputs):
        x, skip = inputs
        kept["skip"] = skip.detach().requires_grad_()
        return x.detach(), kept["skip"]

    with cut.register_forward_pre_hook(only_the_skip):
        out = network(image)
    out.square().sum().backward()
    assert kept["skip"].grad.abs().sum() > 0
    with cut.register_forward_pre_hook(lambda module, inputs: (inputs[0], 0 * inputs[1])):
        assert not torch.allclose(network(image), out)


def test_the_skip_comes_first(generator):
    step = unet.UpStep(2)
    with torch.no_grad():
        for conv in (step.mix[0], step.mix[2]):
            conv.weight.zero_()
            conv.bias.zero_()
        step.mix[0].weight[0, 0, 1, 1] = step.mix[2].weight[0, 0, 1, 1] = 1
    skip = torch.rand(1, 2, 6, 6, generator=generator)
    out = step(torch.randn(1, 4, 3, 3, generator=generator), skip)
    torch.testing.assert_close(out[:, 0], skip[:, 0])


@pytest.mark.parametrize("size", [(5, 6), (2, 3), (0, 6), 4])
def test_center_crop_is_torchvisions(size):
    x = torch.arange(30).reshape(5, 6)
    height, width = (size, size) if isinstance(size, int) else size
    top, left = (5 - height) // 2, (6 - width) // 2
    assert torch.equal(unet.center_crop(x, size), x[top : top + height, left : left + width])
    with pytest.raises(ValueError, match=r"size must be at most \(5, 6\); got \(7, 7\)"):
        unet.center_crop(x, 7)


# ------------------------------------------------------------------------------- SegNet


@pytest.mark.parametrize("size", [(1, 1), (7, 12), (32, 33)])
def test_segnet_keeps_any_size(size):
    assert unet.SegNet(3, 4, 2, 3).eval()(torch.rand(1, 3, *size)).shape == (1, 4, *size)


def test_segnet_puts_values_where_they_stood(generator):
    network = unet.SegNet(1, 1, 1, 1).eval()
    for layer in (*network.down, *network.up):
        for n in (0, 3):
            nn.init.dirac_(layer[n].weight)
            nn.init.zeros_(layer[n].bias)
    nn.init.ones_(network.score.weight)
    nn.init.zeros_(network.score.bias)
    x = torch.rand(1, 1, 5, 6, generator=generator)
    values, indices = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
    wanted = F.max_unpool2d(values, indices, 2, output_size=(5, 6))
    torch.testing.assert_close(network(x), wanted, atol=1e-4, rtol=1e-4)


# ------------------------------------------------------------------------------- border weights


def weights_by_scipy(instances, w0, sigma):
    cells = [ndimage.distance_transform_edt(instances != label) for label in np.unique(instances) if label]
    if len(cells) < 2:
        return np.ones(instances.shape)
    first, second = np.sort(np.stack(cells), 0)[:2]
    return 1 + (instances == 0) * w0 * np.exp(-((first + second) ** 2) / (2 * sigma**2))


@pytest.mark.parametrize("seed", range(4))
def test_border_weights_equal_scipys_distances(seed):
    random = np.random.default_rng(seed)
    instances = np.zeros((60, 47), int)
    for label in range(1, 3 + 2 * seed):
        y, x, h, w = random.integers((0, 0, 2, 2), (52, 40, 14, 14))
        instances[y : y + h, x : x + w] = 5 * label
    found = unet.border_weight_map(torch.from_numpy(instances), 8.0, 2.0)
    np.testing.assert_allclose(found, weights_by_scipy(instances, 8.0, 2.0), rtol=1e-5)


def test_the_weight_is_largest_between_touching_cells():
    cells = torch.zeros(30, 40, dtype=torch.long)
    cells[10:20, 5:15], cells[10:20, 16:26], cells[10:20, 33:39] = 1, 2, 3
    weights = unet.border_weight_map(cells)
    row, column = divmod(int(weights.argmax()), 40)
    assert column == 15 and 10 <= row < 20
    assert (weights[cells > 0] == 1).all()


@pytest.mark.parametrize("cells", [torch.zeros(4, 5).long(), torch.eye(4).long() * 3])
def test_fewer_than_two_cells_weigh_one(cells):
    assert (unet.border_weight_map(cells) == 1).all()


def test_instances_are_whole_numbers():
    with pytest.raises(ValueError, match="instances must be whole numbers of shape"):
        unet.border_weight_map(torch.zeros(3, 3))
    with pytest.raises(ValueError, match="sigma must be positive; got 0"):
        unet.border_weight_map(torch.zeros(3, 3).long(), sigma=0)


# ------------------------------------------------------------------------------- deformation


def test_warp_equals_scipys_map_coordinates(generator):
    image, flow = torch.rand(2, 9, 11, generator=generator), 3 * torch.randn(2, 9, 11, generator=generator)
    labels = torch.randint(0, 5, (9, 11), generator=generator)
    moved, there = unet.warp(image, labels, flow)
    y = (torch.arange(9)[:, None] + flow[0]).clamp(0, 8)
    x = (torch.arange(11) + flow[1]).clamp(0, 10)
    for channel in range(2):
        wanted = ndimage.map_coordinates(image[channel].numpy(), [y.numpy(), x.numpy()], order=1)
        np.testing.assert_allclose(moved[channel], wanted, atol=1e-5)
    wanted = ndimage.map_coordinates(labels.numpy(), [y.numpy(), x.numpy()], order=0)
    assert (there.numpy() == wanted).mean() > 0.97  # ties of a half may round the other way


def test_no_displacement_changes_nothing(generator):
    image, labels = torch.rand(3, 6, 5, generator=generator), torch.randint(0, 9, (6, 5), generator=generator)
    for moved in (
        unet.warp(image, labels, torch.zeros(2, 6, 5)),
        unet.elastic_deformation(image, labels, 0.0, 2.0, generator),
    ):
        assert torch.equal(moved[0], image) and torch.equal(moved[1], labels)


def test_labels_stay_labels_and_chance_is_the_generators():
    image, labels = torch.rand(1, 40, 40), torch.tensor([0, 3, 9]).repeat_interleave(14)[:40].expand(40, 40)
    first = unet.elastic_deformation(image, labels, 60.0, 4.0, torch.Generator().manual_seed(1))
    again = unet.elastic_deformation(image, labels, 60.0, 4.0, torch.Generator().manual_seed(1))
    other = unet.elastic_deformation(image, labels, 60.0, 4.0, torch.Generator().manual_seed(2))
    assert set(first[1].unique().tolist()) <= {0, 3, 9}
    assert first[1].dtype == torch.int64
    assert torch.equal(first[0], again[0]) and not torch.equal(first[0], other[0])
    assert not torch.equal(first[1], labels)


def test_smoothing_is_scipys_gaussian(generator):
    from dlcv.unet.reference import _smooth

    noise = torch.randn(2, 30, 25, generator=generator)
    wanted = ndimage.gaussian_filter(noise.numpy(), (0, 3, 3), mode="constant", truncate=4)
    np.testing.assert_allclose(_smooth(noise, 3.0), wanted, atol=1e-5)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"got \(1, 4, 4\), \(4, 5\) and \(2, 4, 5\)"):
        unet.warp(torch.zeros(1, 4, 4), torch.zeros(4, 5).long(), torch.zeros(2, 4, 5))


# ------------------------------------------------------------------------------- the door


@pytest.mark.parametrize("network", [unet.UNet, unet.SegNet])
@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (2, 8, 8)])
def test_images_with_other_channels_are_refused(network, shape):
    with pytest.raises(ValueError, match=rf"images must be \(N, 2, H, W\); got \({shape[0]}, {shape[1]}, 8"):
        network(2, 2, 2, 1)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: unet.unet_output_size(0), "size must be at least 1; got 0"),
        (lambda: unet.unet_output_size(16.0), "size must be an int; got 16.0"),
        (lambda: unet.unet_output_size(16, 1, 2), "padding must be 0 or 1; got 2"),
        (lambda: unet.DoubleConv(0, 3), "in_channels must be at least 1; got 0"),
        (lambda: unet.UpStep(0), "channels must be at least 1; got 0"),
        (lambda: unet.center_crop(torch.zeros(4), 2), r"x must be \(\.\.\., H, W\); got \(4,\)"),
        (
            lambda: unet.warp(*(torch.full(s, torch.nan) for s in ((1, 2, 2), (2, 2), (2, 2, 2)))),
            "flow .* NaN",
        ),
        (
            lambda: unet.elastic_deformation(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4), 1.0, 1.0),
            "labels must be",
        ),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_image_keeps_its_precision(dtype):
    image, labels = torch.rand(1, 6, 6).to(dtype), torch.zeros(6, 6, dtype=torch.int64)
    assert unet.elastic_deformation(image, labels, 9.0, 2.0)[0].dtype == dtype
