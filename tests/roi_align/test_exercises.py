"""The exercises of chapter 04: slips fail and are named, right variants pass, trivial ones earn nothing."""

import math

import numpy as np
import pytest
import torch

from dlcv.checking import Exercises
from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.roi_align import exercises as chapter
from dlcv.roi_align import reference

exercises = chapter.exercises
names = pytest.mark.parametrize("name", list(exercises))


@names
def test_slips_fail_and_are_told_apart(name):
    assert_slips_die(exercises[name])


@names
def test_trivial_answers_earn_nothing(name):
    assert_trivial_answers_earn_nothing(exercises[name])


# ---------------------------------------------------------------------------------------- right variants


def sample_by_tents(features, y, x):
    """The formula itself: a tent over each axis."""
    height, width = features.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return features.new_zeros(len(features))
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    down = (1 - (torch.arange(height) - y).abs()).clamp(min=0)
    across = (1 - (torch.arange(width) - x).abs()).clamp(min=0)
    return (features * down[:, None] * across).sum((1, 2))


def sample_in_numpy(features, y, x):
    f = features.numpy()
    _, height, width = f.shape
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(len(f), f.dtype)
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    rows, columns = (int(np.floor(y)), int(np.ceil(y))), (int(np.floor(x)), int(np.ceil(x)))
    dy, dx = y - rows[0], x - columns[0]
    weights = np.outer([1 - dy, dy], [1 - dx, dx])
    return np.einsum("cij,ij->c", f[:, rows][:, :, columns], weights)


def pool_by_whole_numbers(features, rois, output_size, spatial_scale=1.0):
    """Bin edges by division of whole numbers; the box's cells by a mask."""
    (height, width), out = features.shape[2:], []
    rows, columns = torch.arange(height), torch.arange(width)
    for roi in rois:
        corners = roi[1:] * spatial_scale
        left, top, right, bottom = (corners.abs() + 0.5).floor().mul(corners.sign()).int().tolist()
        h, w = max(bottom - top + 1, 1), max(right - left + 1, 1)
        bins = []
        for i in range(output_size[0]):
            for j in range(output_size[1]):
                y = rows - top
                x = columns - left
                inside_y = (y >= i * h // output_size[0]) & (y < -(-(i + 1) * h // output_size[0]))
                inside_x = (x >= j * w // output_size[1]) & (x < -(-(j + 1) * w // output_size[1]))
                chosen = features[int(roi[0])][:, inside_y][:, :, inside_x].flatten(1)
                bins.append(chosen.max(1).values if chosen.shape[1] else chosen.new_zeros(len(chosen)))
        out.append(torch.stack(bins, 1).unflatten(1, output_size))
    return torch.stack(out)


def points_by_meshgrid(box, output_size, sampling_ratio):
    """All points of the box are one even grid; bins are cut out of it."""
    (bins_y, bins_x), (down, across) = output_size, sampling_ratio
    x1, y1, x2, y2 = box.tolist()
    x = x1 + (torch.arange(bins_x * across) + 0.5) * ((x2 - x1) / (bins_x * across))
    y = y1 + (torch.arange(bins_y * down) + 0.5) * ((y2 - y1) / (bins_y * down))
    y, x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([x, y], -1).reshape(bins_y, down, bins_x, across, 2).transpose(1, 2)


def align_by_matrices(features, rois, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False):
    """Bilinear weights are separable: one small matrix down, one across, no sampling function at all."""

    def weights(start, size, bins, cells):
        count = sampling_ratio if sampling_ratio > 0 else math.ceil(size / bins)
        matrix = torch.zeros(bins, cells)
        for i in range(bins):
            for a in range(max(count, 0)):
                position = start + (i + (a + 0.5) / count) * size / bins
                if -1 <= position <= cells:
                    position = min(max(position, 0), cells - 1)
                    matrix[i] += (1 - (torch.arange(cells) - position).abs()).clamp(min=0) / count
        return matrix

    out = []
    for roi in rois:
        batch, *corners = roi.tolist()
        x1, y1, x2, y2 = (corner * spatial_scale - 0.5 * aligned for corner in corners)
        w, h = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1.0), max(y2 - y1, 1.0))
        down = weights(y1, h, output_size[0], features.shape[2])
        across = weights(x1, w, output_size[1], features.shape[3])
        out.append(down @ features[int(batch)] @ across.T)
    return torch.stack(out)


def scatter_all_at_once(gradient, size, y, x):
    height, width = size
    near = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    down = (1 - (torch.arange(height) - y[:, None]).abs()).clamp(min=0)
    across = (1 - (torch.arange(width) - x[:, None]).abs()).clamp(min=0)
    return torch.einsum("p,ph,pw->hw", gradient * near, down, across)


def shift_in_one_call(features, box, shifts, spatial_scale, output_size):
    moved = torch.stack([torch.zeros(len(shifts) + 1), *(box[:, None].expand(4, len(shifts) + 1))], 1).clone()
    moved[1:, [1, 3]] += shifts[:, None]
    calls = (
        reference.roi_pool(features, moved, output_size, spatial_scale),
        reference.roi_align(features, moved, output_size, spatial_scale, 2, True),
    )
    return torch.stack(
        [(out[1:] - out[:1] - shifts[:, None, None, None]).abs().mean((1, 2, 3)) for out in calls]
    )


def level_without_tensors(boxes, k0=4, s0=224, k_min=2, k_max=5):
    levels = []
    for x1, y1, x2, y2 in boxes.tolist():
        k = k0 + 0.5 * math.log2((x2 - x1) * (y2 - y1) / s0**2)
        levels.append(min(max(math.floor(k + 1e-6), k_min), k_max))
    return torch.tensor(levels)


RIGHT = [
    ("bilinear_sample", chapter.right_sample),
    ("bilinear_sample", sample_by_tents),
    ("bilinear_sample", sample_in_numpy),
    ("roi_pool", chapter.right_pool),
    ("roi_pool", pool_by_whole_numbers),
    ("sample_points", chapter.right_points),
    ("sample_points", points_by_meshgrid),
    ("roi_align", chapter.right_align),
    ("roi_align", align_by_matrices),
    ("bilinear_scatter", chapter.right_scatter),
    ("bilinear_scatter", scatter_all_at_once),
    ("shift_errors", chapter.right_shift),
    ("shift_errors", shift_in_one_call),
    ("fpn_level", chapter.right_level),
    ("fpn_level", level_without_tensors),
]


@pytest.mark.parametrize(
    ("name", "answer"), RIGHT, ids=[f"{name}-{answer.__name__}" for name, answer in RIGHT]
)
def test_right_variants_earn_all_points(name, answer):
    assert_right(exercises[name], in_a_cell(answer))


def test_sizes_of_the_chapter():
    assert isinstance(exercises, Exercises)
    assert len(exercises) == 7
    assert exercises.points == 22  # and two for the essay


# ------------------------------------------------------------------------------------------- forbidden


def test_the_reference_may_not_be_handed_in():
    def answer(features, rois, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False):
        return reference.roi_align(features, rois, output_size, spatial_scale, sampling_ratio, aligned)

    verdict = verdict_of(exercises["roi_align"], answer)
    assert verdict.kind == "forbidden call"
    assert verdict.points == 0


def test_grid_sample_is_a_ready_made_interpolation():
    def answer(features, y, x):
        grid = torch.tensor([[[[x, y]]]], dtype=torch.float32)
        return torch.nn.functional.grid_sample(features[None], grid)[0, :, 0, 0]

    assert verdict_of(exercises["bilinear_sample"], answer).kind == "forbidden call"


@pytest.mark.parametrize("backwards", ["grad", "backward"])
def test_autograd_may_not_scatter(backwards):
    def answer(gradient, size, y, x):
        features = torch.zeros(size, requires_grad=True)
        values = torch.stack(
            [chapter.right_sample(features[None], *p)[0] for p in zip(y.tolist(), x.tolist(), strict=True)]
        )
        if backwards == "grad":
            return torch.autograd.grad(values, features, gradient)[0]
        values.backward(gradient)
        return features.grad

    assert verdict_of(exercises["bilinear_scatter"], answer).kind == "forbidden call"


def test_a_message_names_the_arguments_that_a_probe_hands_on():
    flat = next(slip for slip in exercises["roi_pool"].slips if slip.name == "batch index ignored")
    text = verdict_of(exercises["roi_pool"], in_a_cell(flat.program, flat.source)).text()
    assert "rois=[[1, 0, 1, 5, 4], [0, 2, 0, 7, 5]], output_size=(2, 3)" in text


def test_the_storyboard_of_sample_points():
    """A learner who samples corners reads what was wrong, where, and what it looks like."""
    corner = next(
        slip for slip in exercises["sample_points"].slips if slip.name == "corners of the sub-cells"
    )
    text = verdict_of(exercises["sample_points"], in_a_cell(corner.program, corner.source)).text()
    assert "box (1.0, 2.0, 5.0, 4.0), 2x2 bins, 2x2 points a bin" in text
    assert "middle of its sub-cell" in text
