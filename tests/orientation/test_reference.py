"""The reference of chapter 00: numbers to check by hand, what always holds, slow loops as the oracle."""

import doctest

import pytest
import torch

from dlcv.orientation import group_by_colour, name_groups, reference, warm_up


def test_three_classes_by_hand():
    scores = torch.tensor([[[4, 1, 0], [2, 2, 5]], [[1, 3, 2], [6, 1, 1]], [[0, 2, 7], [1, 3, 0]]])
    assert warm_up(scores).tolist() == [[0, 1, 2], [1, 2, 0]]
    assert warm_up(scores).dtype == torch.int64


def test_the_winner_has_the_highest_score_and_nobody_before_it_has():
    scores = torch.randint(0, 4, (5, 6, 7), generator=torch.Generator().manual_seed(0))
    winner = warm_up(scores)
    for i in range(6):
        for j in range(7):
            c = winner[i, j]
            assert scores[c, i, j] == max(scores[:, i, j])
            assert all(scores[:c, i, j] < scores[c, i, j])


def test_a_class_map_does_not_change_when_scores_grow_in_step():
    scores = torch.randn(4, 3, 5)
    for changed in (scores + 7, 3 * scores, scores.softmax(0)):
        assert torch.equal(warm_up(changed), warm_up(scores))


def test_one_hot_scores_give_their_map_back():
    labels = torch.randint(0, 6, (4, 5))
    one_hot = torch.nn.functional.one_hot(labels, 6).permute(2, 0, 1)
    assert torch.equal(warm_up(one_hot), labels)


def test_scores_of_a_batch_are_refused():
    with pytest.raises(ValueError, match=r"scores must be \(C, H, W\); got \(1, 2, 3, 4\)"):
        warm_up(torch.zeros(1, 2, 3, 4))
    with pytest.raises(ValueError, match=r"scores must be \(C, H, W\); got \(0, 3, 4\)"):
        warm_up(torch.zeros(0, 3, 4))


def test_lists_are_refused():
    with pytest.raises(TypeError, match=r"scores must be a torch\.Tensor; got list"):
        warm_up([[[1.0]]])
    with pytest.raises(TypeError, match=r"image must be a torch\.Tensor; got ndarray"):
        group_by_colour(torch.rand(3, 4, 4).numpy(), 2)


def test_images_and_maps_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"image must be \(3, H, W\) of floating point; got \(4, 4\)"):
        group_by_colour(torch.rand(4, 4), 2)
    with pytest.raises(ValueError, match=r"one shape; got \(3, 3\) and \(4, 3\)"):
        name_groups(torch.zeros(3, 3).long(), torch.zeros(4, 3).long())


def test_every_pixel_is_in_the_group_with_the_nearest_mean():
    image = torch.rand(3, 12, 10, generator=torch.Generator().manual_seed(1))
    groups = group_by_colour(image, 4, steps=100)  # enough to come to rest
    assert groups.unique().tolist() == [0, 1, 2, 3]
    means = torch.stack([image[:, groups == k].mean(1) for k in range(4)])
    distance = (image.flatten(1).T[:, None] - means).norm(dim=-1)
    assert torch.equal(distance.argmin(1).view(12, 10), groups)


def test_colour_groups_know_nothing_of_place():
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(2))
    order = torch.randperm(64, generator=torch.Generator().manual_seed(3))
    shuffled = image.flatten(1)[:, order].view(3, 8, 8)
    assert torch.equal(group_by_colour(shuffled, 3).flatten(), group_by_colour(image, 3).flatten()[order])


def test_one_group_takes_all_and_too_many_are_refused():
    image = torch.rand(3, 2, 2)
    assert (group_by_colour(image, 1) == 0).all()
    with pytest.raises(ValueError, match="from 1 to the 4 pixels; got 5"):
        group_by_colour(image, 5)


def test_no_other_names_would_be_right_more_often():
    generator = torch.Generator().manual_seed(4)
    groups, truth = (torch.randint(0, 3, (6, 6), generator=generator) for _ in range(2))
    best = (name_groups(groups, truth) == truth).sum()
    names = torch.cartesian_prod(*[torch.arange(3)] * 3)
    assert best == max((name[groups] == truth).sum() for name in names)


def test_docstrings():
    assert doctest.testmod(reference).failed == 0
