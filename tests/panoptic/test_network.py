"""The panoptic FPN: shapes, what shares the pyramid, and the fusion of logits."""

import pytest
import torch
import torch.nn.functional as F

from dlcv.backbones import SmallCNN
from dlcv.panoptic import PanopticFPN, SemanticHead, fuse_efficientps, fuse_panoptic, fuse_panoptic_logits


def small(**options):
    torch.manual_seed(0)
    return PanopticFPN(
        SmallCNN(), 3, 2, level=1, channels=16, sizes=(12, 24), rpn_samples=16, head_samples=8, proposals=12,
        mask_bins=6, mask_hidden=8, mask_layers=1, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def batch():
    images = torch.rand(2, 3, 64, 72, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(2, 64, 72, dtype=torch.bool)
    masks[0, 8:24, 10:30], masks[1, 30:50, 40:60] = True, True
    semantic = masks[0] * 2 + masks[1] * 4
    target = {
        "boxes": torch.tensor([[10.0, 8, 30, 24], [40, 30, 60, 50]]),
        "labels": torch.tensor([1, 3]),
        "masks": masks,
        "semantic": semantic,
    }
    return images, [target, {name: value.clone() for name, value in target.items()}]


def test_all_losses_reach_the_shared_pyramid(batch):
    model = small()
    losses = model(*batch)
    assert set(losses) == {"objectness", "rpn_box", "class", "box", "mask", "semantic"}
    for name, loss in losses.items():
        model.zero_grad()
        loss.backward(retain_graph=True)
        shared = [model.neck.lateral[level].weight.grad for level in range(4)]
        assert all(grad is not None and grad.abs().sum() > 0 for grad in shared), name


def test_each_head_is_its_own(batch):
    model = small()
    losses = model(*batch)
    model.zero_grad()
    losses["semantic"].backward(retain_graph=True)
    assert model.mask_head.logits.weight.grad is None
    model.zero_grad()
    losses["mask"].backward()
    assert model.semantic_head.logits.weight.grad is None


def test_the_total_weighs_the_class_map(batch):
    model = small(lambda_s=0.25)
    losses = model(*batch)
    others = sum(value for name, value in losses.items() if name != "semantic")
    assert torch.isclose(model.total(losses), others + 0.25 * losses["semantic"])


def test_void_has_no_loss(batch):
    images, targets = batch
    model = small()
    torch.manual_seed(1)
    before = model(images, targets)["semantic"]
    half = [target | {"semantic": target["semantic"].clone()} for target in targets]
    for target in half:
        target["semantic"][:, 36:] = 255
    torch.manual_seed(1)
    logits = model.classify(model.pyramid(images), (64, 72))
    wanted = torch.stack([target["semantic"] for target in targets])
    alone = F.cross_entropy(logits[..., :36], wanted[..., :36])
    assert torch.isclose(model(images, half)["semantic"], alone, rtol=1e-4)
    assert not torch.isclose(before, alone, rtol=1e-4)


def test_both_heads_answer_in_the_size_of_the_image(batch):
    model = small().eval()
    with torch.no_grad():
        found, logits = model(batch[0])
    assert logits.shape == (2, 5, 64, 72)
    for image in found:
        count = len(image["scores"])
        assert image["probabilities"].shape == (count, 64, 72)
        assert image["boxes"].shape == (count, 4)
        assert ((image["probabilities"] >= 0) & (image["probabilities"] <= 1)).all()


def test_training_without_truth_says_so(batch):
    with pytest.raises(ValueError, match="semantic"):
        small()(batch[0])
    with pytest.raises(ValueError, match="semantic"):
        small()(
            batch[0], [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0), "masks": torch.zeros(0)}] * 2
        )


def test_the_semantic_head_adds_the_levels():
    """Without the coarse levels' branches, what is left is the finest level alone."""
    head = SemanticHead(4, 3, levels=3, hidden=8)
    levels = [torch.rand(1, 4, size, size) for size in (9, 5, 3)]
    alone = SemanticHead(4, 3, levels=1, hidden=8)
    alone.branches[0], alone.logits = head.branches[0], head.logits
    for branch in head.branches[1:]:
        torch.nn.init.zeros_(branch[1].weight)
        torch.nn.init.zeros_(branch[1].bias)
    assert torch.allclose(head(levels), alone(levels[:1]), atol=1e-6)


# ----------------------------------------------------------------------------------------- fused logits


def heads(seed, count=4):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(count, 9, 11, generator=generator)
    semantic = 3 * torch.randn(5, 9, 11, generator=generator)
    labels = torch.randint(3, 6, (count,), generator=generator)
    return logits, torch.rand(count, generator=generator), labels, semantic


@pytest.mark.parametrize("seed", range(4))
def test_each_pixel_goes_to_the_largest(seed):
    logits, scores, labels, semantic = heads(seed)
    ids, segments = fuse_panoptic_logits(
        logits, scores, labels, semantic, 2, overlap_threshold=1.0, stuff_area_limit=1, score_threshold=0.3
    )
    order = [k for k in scores.argsort(descending=True).tolist() if scores[k] >= 0.3]
    competing = [fuse_efficientps(logits[k], semantic[labels[k] - 1]) for k in order] + list(semantic[:2])
    for y in range(9):
        for x in range(11):
            values = [float(one[y, x]) for one in competing]
            best = values.index(max(values))
            said = int(semantic[:, y, x].argmax()) + 1
            category = int(labels[order[best]]) if best < len(order) else said if said <= 2 else None
            found = {s["id"]: s["category_id"] for s in segments}.get(int(ids[y, x]))
            assert found == category


def test_where_both_heads_agree_the_fusions_do():
    masks = torch.zeros(2, 8, 10, dtype=torch.bool)
    masks[0, 1:4, 1:5], masks[1, 4:7, 5:9] = True, True
    semantic = torch.zeros(4, 8, 10)
    semantic[0, :5], semantic[1, 5:] = 6.0, 6.0
    semantic[:, masks[0]], semantic[:, masks[1]] = -6.0, -6.0
    semantic[2, masks[0]], semantic[3, masks[1]] = 6.0, 6.0
    logits = torch.where(masks, 6.0, -torch.inf)
    scores, labels = torch.tensor([0.7, 0.9]), torch.tensor([3, 4])
    said = semantic.argmax(0) + 1
    plain = fuse_panoptic(masks, scores, labels, torch.where(said > 2, 0, said), stuff_area_limit=1)
    both = fuse_panoptic_logits(logits, scores, labels, semantic, 2, stuff_area_limit=1)
    assert torch.equal(plain[0], both[0])
    assert plain[1] == both[1]


def test_no_instances_is_stuff_alone():
    _, _, _, semantic = heads(0)
    ids, segments = fuse_panoptic_logits(
        torch.zeros(0, 9, 11),
        torch.zeros(0),
        torch.zeros(0, dtype=torch.int64),
        semantic,
        2,
        stuff_area_limit=1,
    )
    said = semantic.argmax(0) + 1
    assert torch.equal(ids > 0, said <= 2)
    assert [segment["category_id"] for segment in segments] == [1, 2]


def test_outside_of_its_box_an_instance_wins_nothing():
    logits, scores, labels, semantic = heads(1)
    logits[:, :, 5:] = -torch.inf
    ids, segments = fuse_panoptic_logits(logits, scores, labels, semantic, 2, 1.0, 1, 0.0)
    things = {s["id"] for s in segments if s["category_id"] > 2}
    assert things
    assert not things & set(ids[:, 5:].unique().tolist())


def test_outside_of_its_box_an_instance_wins_nothing_however_sure_the_class_map_is_that_nothing_is_there():
    logits = torch.tensor([[[3.0, -torch.inf]]])
    semantic = torch.tensor([[[-300.0, -300.0]], [[-200.0, -200.0]]])  # stuff, and the instance's category
    scores, labels = torch.tensor([0.9]), torch.tensor([2])
    for num_stuff in (1, 0):
        ids, segments = fuse_panoptic_logits(logits, scores, labels, semantic, num_stuff, stuff_area_limit=1)
        assert ids.tolist() == [[1, 0]]
        assert segments == [{"id": 1, "category_id": 2}]


def test_without_an_instance_and_without_stuff_all_is_void():
    nothing = torch.zeros(0, 2, 3), torch.zeros(0), torch.zeros(0).long()
    ids, segments = fuse_panoptic_logits(*nothing, torch.zeros(2, 2, 3), 0)
    assert not ids.any() and segments == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"semantic": torch.zeros(9, 11)}, "semantic must be"),
        ({"num_stuff": 6}, "num_stuff"),
        ({"labels": torch.tensor([1, 3, 3, 3])}, "labels must be things"),
        ({"scores": torch.zeros(3)}, "masks, scores, labels"),
    ],
)
def test_bad_input_is_named(change, words):
    logits, scores, labels, semantic = heads(0)
    given = {"logits": logits, "scores": scores, "labels": labels, "semantic": semantic, "num_stuff": 2}
    with pytest.raises(ValueError, match=words):
        fuse_panoptic_logits(**(given | change))
