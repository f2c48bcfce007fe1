"""The exercises of chapter 11: slips fail and are named, right variants pass, trivial ones earn nothing."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcv import pointrend
from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.pointrend import exercises as chapter

exercises = chapter.exercises
names = pytest.mark.parametrize("name", list(exercises))


@names
def test_slips_fail_and_are_told_apart(name):
    assert_slips_die(exercises[name])


@names
def test_trivial_answers_earn_nothing(name):
    assert_trivial_answers_earn_nothing(exercises[name])


# ---------------------------------------------------------------------------------------- right variants


def sample_by_hats(features, points):
    h, w = features.shape[-2:]
    across = (1 - (points[..., :1] * w - 0.5 - torch.arange(w)).abs()).clamp(min=0)
    down = (1 - (points[..., 1:] * h - 0.5 - torch.arange(h)).abs()).clamp(min=0)
    return torch.einsum("nchw,nph,npw->ncp", features, down, across)


def doubt_by_sorting(logits):
    if logits.shape[1] == 1:
        logits = torch.cat([logits, torch.zeros_like(logits)], 1)
    ranked = logits.sort(dim=1).values
    return (ranked[:, -2] - ranked[:, -1])[:, None]


def pick_in_loops(uncertainty, num_points):
    h, w = uncertainty.shape[-2:]
    all_indices, all_points = [], []
    for one in uncertainty:
        flat = one.flatten().tolist()
        order = sorted(range(h * w), key=lambda k: (-flat[k], k))[: min(num_points, h * w)]
        all_indices.append(order)
        all_points.append([((k % w + 0.5) / w, (k // w + 0.5) / h) for k in order])
    return torch.tensor(all_indices), torch.tensor(all_points)


def biased_by_topk(logits, candidates, uniform, num_points, importance=0.75):
    chosen = int(importance * num_points)
    doubt = pointrend.uncertainty(pointrend.point_sample(logits, candidates)).squeeze(1)
    best = doubt.topk(chosen, dim=1).indices
    kept = torch.stack([one[order] for one, order in zip(candidates, best, strict=True)])
    return torch.cat((kept, uniform[:, : num_points - chosen]), dim=1)


class HeadOfLinearLayers(nn.Module):
    def __init__(self, in_channels, num_classes, hidden_channels=256, num_layers=3):
        nn.Module.__init__(self)
        widths = [in_channels] + num_layers * [hidden_channels]
        outs = num_layers * [hidden_channels] + [num_classes]
        self.all = nn.Sequential(
            *(nn.Conv1d(a + num_classes, b, 1) for a, b in zip(widths, outs, strict=True))
        )

    def forward(self, fine, coarse):
        for place, layer in enumerate(self.all):
            fine = layer(torch.cat((fine, coarse), dim=1))
            if place < len(self.all) - 1:
                fine = fine.clamp(min=0)
        return fine


def subdivide_pixel_by_pixel(coarse, features, head, steps, num_points):
    logits = coarse
    for _ in range(steps):
        logits = F.interpolate(logits, size=[2 * n for n in logits.shape[-2:]], mode="bilinear").clone()
        indices, points = pointrend.uncertain_points_on_grid(pointrend.uncertainty(logits), num_points)
        grid = 2 * points[:, :, None] - 1
        fine, rough = (F.grid_sample(x, grid, align_corners=False)[..., 0] for x in (features, coarse))
        said, width = head(fine, rough), logits.shape[-1]
        for n, row in enumerate(indices.tolist()):
            for p, index in enumerate(row):
                logits[n, :, index // width, index % width] = said[n, :, p]
    return logits


def cost_in_one_line(size, steps, num_points):
    h, w = size if isinstance(size, (tuple, list)) else (size, size)
    return sum(min(num_points, h * w * 2 ** (2 * s + 2)) for s in range(steps)), (h << steps) * (w << steps)


RIGHT = [
    ("point_sample", chapter.right_sample),
    ("point_sample", sample_by_hats),
    ("uncertainty", chapter.right_doubt),
    ("uncertainty", doubt_by_sorting),
    ("uncertain_points_on_grid", chapter.right_pick),
    ("uncertain_points_on_grid", pick_in_loops),
    ("biased_points", chapter.right_biased),
    ("biased_points", biased_by_topk),
    ("PointHead", chapter.RightPointHead),
    ("PointHead", HeadOfLinearLayers),
    ("subdivision_inference", chapter.right_subdivide),
    ("subdivision_inference", subdivide_pixel_by_pixel),
    ("points_evaluated", chapter.right_cost),
    ("points_evaluated", cost_in_one_line),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=[f"{n}-{a.__name__}" for n, a in RIGHT])
def test_right_variants_earn_all_points(name, answer):
    assert_right(exercises[name], in_a_cell(answer))


def test_sizes_of_the_chapter():
    assert len(exercises) == 7
    assert exercises.points == 22


def test_grid_sample_is_a_ready_made_interpolation():
    def answer(features, points):
        return torch.nn.functional.grid_sample(features, 2 * points[:, :, None] - 1, align_corners=False)[
            ..., 0
        ]

    assert verdict_of(exercises["point_sample"], answer).kind == "forbidden call"


def test_the_reference_may_not_be_handed_in():
    def answer(coarse, features, head, steps, num_points):
        return pointrend.subdivision_inference(coarse, features, head, steps, num_points)

    assert verdict_of(exercises["subdivision_inference"], answer).kind == "forbidden call"
