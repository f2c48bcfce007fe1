"""Average precision against COCO's rules in plain loops, against COCO's program where it is, and by hand."""

import contextlib
import io
import math

import numpy as np
import pytest
import torch

from dlcv import mask_rcnn as mr

THRESHOLDS = [0.5 + 0.05 * k for k in range(10)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def as_masks(boxes, side=24):
    """Boxes with whole corners as masks."""
    masks = torch.zeros(len(boxes), side, side, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.long().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
    return masks


def some_images(seed, count=6, crowds=True):
    """Images with objects of three classes, some of them crowds, and detections that more or less fit.

    Scores are few, so that many are equal; class 3 is never true, class 5 never detected.
    """
    g = generator(seed)

    def whole(low, high, *shape):
        return torch.randint(low, high, shape, generator=g)

    predictions, targets = [], []
    for number in range(count):
        true = 0 if number == 2 else int(whole(1, 7))
        corner = whole(0, 10, true, 2)
        boxes = torch.cat([corner, corner + whole(3, 14, true, 2)], 1).float()
        labels = torch.tensor([1, 2, 5])[whole(0, 3, true)]
        crowd = whole(0, 4, true) == 0 if crowds else torch.zeros(true, dtype=torch.bool)
        targets.append({"boxes": boxes, "masks": as_masks(boxes), "labels": labels, "iscrowd": crowd.long()})
        near = boxes[whole(0, true, 8)] + whole(-1, 2, 8, 4) if true else boxes
        corner = whole(0, 12, 4, 2)
        far = torch.cat([corner, corner + whole(2, 10, 4, 2)], 1).float()
        found = torch.cat([near, far]) if number != 4 else boxes[:0]
        found[:, :2].clamp_(0, 20)
        found[:, 2:] = torch.maximum(found[:, 2:], found[:, :2] + 1).clamp(max=24)
        scores = whole(1, 8, len(found)) / 8
        guesses = torch.tensor([1, 2, 3])[whole(0, 3, len(found))]
        predictions.append({"boxes": found, "masks": as_masks(found), "labels": guesses, "scores": scores})
    return predictions, targets


# ------------------------------------------------------------------------------- COCO's rules, slowly


def slow_overlap(found, true, crowd, kind):
    """Intersection over union of two pixel sets or boxes; over the detection alone for a crowd."""
    if kind == "masks":
        found, true = ({tuple(p) for p in mask.nonzero().tolist()} for mask in (found, true))
        inter, area, other = len(found & true), len(found), len(true)
    else:
        (a, b, c, d), (e, f, g, h) = found.tolist(), true.tolist()
        inter = max(min(c, g) - max(a, e), 0) * max(min(d, h) - max(b, f), 0)
        area, other = (c - a) * (d - b), (g - e) * (h - f)
    whole = area if crowd else area + other - inter
    return inter / whole if whole else 0.0


def slow_verdicts(found, true, label, threshold, kind):
    """COCO's matching of one class in one image: [(score, hit, ignored)] and the number of objects."""
    rows = [d for d in range(len(found["labels"])) if found["labels"][d] == label]
    rows = sorted(rows, key=lambda d: -float(found["scores"][d]))[:100]
    crowd = [bool(value) for value in true.get("iscrowd", torch.zeros(len(true["labels"])))]
    objects = [g for g in range(len(true["labels"])) if true["labels"][g] == label]
    objects = sorted(objects, key=lambda g: crowd[g])  # crowds last
    taken, verdicts = set(), []
    for d in rows:
        best, match = min(threshold, 1 - 1e-10), None
        for g in objects:
            if g in taken and not crowd[g]:
                continue
            if match is not None and not crowd[match] and crowd[g]:
                break
            overlap = slow_overlap(found[kind][d], true[kind][g], crowd[g], kind)
            if overlap >= best:
                best, match = overlap, g
        if match is not None:
            taken.add(match)
        verdicts.append((float(found["scores"][d]), match is not None, match is not None and crowd[match]))
    return verdicts, sum(not crowd[g] for g in objects)


def slow_precision(predictions, targets, label, threshold, kind):
    """AP of one class at one threshold, and None for a class without objects."""
    verdicts, count = [], 0
    for found, true in zip(predictions, targets, strict=True):
        more, objects = slow_verdicts(found, true, label, threshold, kind)
        verdicts, count = verdicts + more, count + objects
    if not count:
        return None
    points, hits, seen = [], 0, 0
    for _, hit, ignored in sorted(verdicts, key=lambda verdict: -verdict[0]):
        if not ignored:
            hits, seen = hits + hit, seen + 1
        points.append((hits / count, hits / seen if seen else 0.0))
    recalls = [k / 100 for k in range(101)]
    return sum(max([p for r, p in points if r >= recall - 1e-12], default=0.0) for recall in recalls) / 101


def slow(predictions, targets, kind):
    parts = [*predictions, *targets]
    labels = sorted({int(label) for part in parts for label in part["labels"]})
    table = {
        label: [slow_precision(predictions, targets, label, t, kind) for t in THRESHOLDS] for label in labels
    }
    known = [row for row in table.values() if row[0] is not None]
    return {
        "AP": np.mean(known),
        "AP50": np.mean([row[0] for row in known]),
        "AP75": np.mean([row[5] for row in known]),
        "per_class": {k: np.mean(row) if row[0] is not None else math.nan for k, row in table.items()},
    }


def assert_same(found, expected):
    assert list(found) == ["AP", "AP50", "AP75", "per_class"]
    assert found["per_class"] == pytest.approx(expected["per_class"], abs=1e-9, nan_ok=True)
    for key in ("AP", "AP50", "AP75"):
        assert found[key] == pytest.approx(expected[key], abs=1e-9), key


@pytest.mark.parametrize("kind", ["masks", "boxes"])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_cocos_rules_say_in_loops(seed, kind):
    predictions, targets = some_images(seed)
    found = mr.average_precision(predictions, targets, kind)
    assert 0 < found["AP"] < found["AP50"] < 1
    assert math.isnan(found["per_class"][3]) and found["per_class"][5] == 0
    assert_same(found, slow(predictions, targets, kind))


# ------------------------------------------------------------------------------------ COCO's program


def coco_program(predictions, targets, kind):
    """The same dict from pycocotools, whose annotations are numbered from 1 (0 would count as unmatched)."""
    coco_api = pytest.importorskip("pycocotools.coco")
    coco_eval = pytest.importorskip("pycocotools.cocoeval")
    coder = pytest.importorskip("pycocotools.mask")

    def entry(part, d):
        x1, y1, x2, y2 = part["boxes"][d].tolist()
        run_lengths = coder.encode(np.asfortranarray(part["masks"][d].numpy().astype(np.uint8)))
        area = float(part["masks"][d].sum()) if kind == "masks" else (x2 - x1) * (y2 - y1)
        where = {"bbox": [x1, y1, x2 - x1, y2 - y1]} if kind == "boxes" else {"segmentation": run_lengths}
        return where | {"category_id": int(part["labels"][d]), "area": area}

    truth, found = [], []
    for number, (guess, true) in enumerate(zip(predictions, targets, strict=True)):
        for g in range(len(true["labels"])):
            ids = {"id": len(truth) + 1, "image_id": number, "iscrowd": int(true["iscrowd"][g])}
            truth.append(entry(true, g) | ids)
        for d in range(len(guess["labels"])):
            ids = {"id": len(found) + 1, "image_id": number, "score": float(guess["scores"][d]), "iscrowd": 0}
            found.append(entry(guess, d) | ids)
    labels = sorted({int(label) for part in [*predictions, *targets] for label in part["labels"]})
    with contextlib.redirect_stdout(io.StringIO()):
        apis = []
        for annotations in (truth, found):
            api = coco_api.COCO()
            api.dataset = {
                "images": [{"id": k, "height": 24, "width": 24} for k in range(len(targets))],
                "categories": [{"id": label} for label in labels],
                "annotations": annotations,
            }
            api.createIndex()
            apis.append(api)
        judge = coco_eval.COCOeval(*apis, iouType="segm" if kind == "masks" else "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    precision = judge.eval["precision"][:, :, :, 0, -1]  # thresholds, recalls, classes
    per_class = {
        label: float(precision[..., k].mean()) if precision[0, 0, k] >= 0 else math.nan
        for k, label in enumerate(labels)
    }
    return dict(zip(("AP", "AP50", "AP75"), judge.stats, strict=False)) | {"per_class": per_class}


@pytest.mark.parametrize("kind", ["masks", "boxes"])
@pytest.mark.parametrize("seed", range(6))
def test_it_is_what_cocos_program_says(seed, kind):
    predictions, targets = some_images(seed, count=9)
    assert_same(mr.average_precision(predictions, targets, kind), coco_program(predictions, targets, kind))


def test_it_is_what_cocos_program_says_of_more_than_a_hundred_detections():
    predictions, targets = some_images(0, count=2)
    many = {key: value.repeat_interleave(20, 0) for key, value in predictions[0].items()}
    many["scores"] = torch.rand(len(many["labels"]), generator=generator())
    predictions = [many, predictions[1]]
    assert_same(mr.average_precision(predictions, targets), coco_program(predictions, targets, "masks"))


def test_thresholds_and_recalls_are_cocos_to_the_last_bit():
    assert mr.IOU_THRESHOLDS.tolist() == np.linspace(0.5, 0.95, 10).tolist()
    assert mr.RECALLS.tolist() == np.linspace(0, 1, 101).tolist()


@pytest.mark.parametrize("threshold", [0.5, 0.75])
@pytest.mark.parametrize("seed", range(3))
def test_one_class_at_one_threshold_is_a_part_of_the_whole(seed, threshold):
    """Who asks for one class's AP50 or AP75 gets the mean of these numbers."""
    predictions, targets = some_images(seed)
    parts = []
    for label in (1, 2, 5):
        found, true = (
            [{key: value[part["labels"] == label] for key, value in part.items()} for part in side]
            for side in (predictions, targets)
        )
        parts.append(mr.mask_ap(found, true, threshold))
    whole = mr.average_precision(predictions, targets)["AP50" if threshold == 0.5 else "AP75"]
    assert np.nanmean(parts) == pytest.approx(whole, abs=1e-12)


# ------------------------------------------------------------------------------------------- by hand


def image(boxes, label=1, **more):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    more = {key: torch.tensor(value) for key, value in more.items()}
    return {"boxes": boxes, "masks": as_masks(boxes), "labels": torch.full((len(boxes),), label)} | more


A, B, ELSEWHERE = [0, 0, 4, 4], [8, 8, 12, 12], [16, 16, 20, 20]


@pytest.mark.parametrize("kind", ["masks", "boxes"])
def test_one_right_detection_is_all_there_is(kind):
    found = mr.average_precision([image([A], scores=[0.1])], [image([A])], kind)
    assert found == {"AP": 1.0, "AP50": 1.0, "AP75": 1.0, "per_class": {1: 1.0}}


def test_precision_is_an_envelope():
    """Wrong, right, right: precision is 0, 1/2, 2/3, and 2/3 holds for all smaller recalls."""
    predictions = [image([ELSEWHERE, A, B], scores=[0.9, 0.8, 0.7])]
    assert mr.average_precision(predictions, [image([A, B])])["AP"] == pytest.approx(2 / 3)


def test_one_of_two_found_makes_51_of_101():
    found = mr.average_precision([image([A], scores=[0.9])], [image([A, B])])
    assert found["AP"] == pytest.approx(51 / 101)


@pytest.mark.parametrize(("width", "thresholds"), [(20, 10), (15, 6), (10, 1), (9, 0)])
def test_an_iou_on_the_threshold_passes(width, thresholds):
    """Boxes of `width` x 1 in one of 20 x 1: an IoU of exactly width / 20."""
    found = mr.average_precision([image([[0, 0, width, 1]], scores=[0.5])], [image([[0, 0, 20, 1]])])
    assert found["AP"] == pytest.approx(thresholds / 10)
    assert (found["AP50"], found["AP75"]) == (float(width >= 10), float(width >= 15))


def test_the_second_detection_of_an_object_is_a_false_alarm():
    found = mr.average_precision([image([A, A, B], scores=[0.9, 0.8, 0.7])], [image([A, B])])
    assert found["AP"] == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


@pytest.mark.parametrize("kind", ["masks", "boxes"])
def test_a_crowd_swallows_what_lies_in_it_and_need_not_be_found(kind):
    crowd = image([A, [6, 6, 24, 24]], iscrowd=[0, 1])
    inside = image([B, ELSEWHERE, A], scores=[0.9, 0.8, 0.7])
    assert mr.average_precision([inside], [crowd], kind)["AP"] == 1.0
    assert mr.average_precision([image([A], scores=[0.7])], [crowd], kind)["AP"] == 1.0
    no_crowd = image([A, [6, 6, 24, 24]], iscrowd=[0, 0])
    assert mr.average_precision([inside], [no_crowd], kind)["AP"] == pytest.approx(51 / 3 / 101)
    outside = image([[0, 12, 4, 16], A], scores=[0.9, 0.7])
    assert mr.average_precision([outside], [crowd], kind)["AP"] == pytest.approx(0.5)


def test_an_object_goes_before_a_crowd_that_fits_better():
    truth = image([[0, 0, 4, 10], [0, 0, 20, 20]], iscrowd=[0, 1])
    found = mr.average_precision([image([[0, 0, 4, 8]], scores=[0.9])], [truth])
    assert found["AP"] == pytest.approx(0.7)  # IoU 0.8 passes seven thresholds; then the crowd swallows it


def test_of_a_class_only_a_hundred_detections_an_image_count():
    wrong = [ELSEWHERE] * 100
    for more, expected in ((100, 0.0), (99, 1 / 100)):
        guess = image([*wrong[:more], A], scores=[0.9] * more + [0.1])
        assert mr.average_precision([guess], [image([A])])["AP"] == pytest.approx(expected)
    other = image(wrong, label=2, scores=[0.9] * 100)
    both = {key: torch.cat([other[key], image([A], scores=[0.1])[key]]) for key in other}
    assert mr.average_precision([both], [image([A])])["AP"] == 1.0  # each class has its own hundred


def test_without_detections_it_is_zero_and_without_truth_undefined():
    empty, nothing = image([], scores=[]), image([])
    for kind in ("masks", "boxes"):
        assert mr.average_precision([empty], [image([A])], kind)["AP"] == 0.0
        for truth in (nothing, image([A], iscrowd=[1])):
            found = mr.average_precision([image([A], scores=[0.5])], [truth], kind)
            assert all(math.isnan(value) for value in (found["AP"], found["AP50"], found["per_class"][1]))
        assert math.isnan(mr.average_precision([empty], [nothing], kind)["AP"])
    assert mr.average_precision([], [])["per_class"] == {}


def test_a_false_alarm_in_an_image_without_objects_counts():
    predictions = [image([A], scores=[0.5]), image([A], scores=[0.9])]
    assert mr.average_precision(predictions, [image([A]), image([])])["AP"] == pytest.approx(0.5)


def test_classes_weigh_the_same_and_only_the_order_of_scores_counts():
    predictions, targets = some_images(3)
    found = mr.average_precision(predictions, targets)
    known = [value for value in found["per_class"].values() if not math.isnan(value)]
    assert found["AP"] == pytest.approx(sum(known) / len(known))
    stretched = [part | {"scores": 100 * part["scores"].half() - 7} for part in predictions]
    assert_same(mr.average_precision(stretched, targets), found)


def test_it_says_what_does_not_fit():
    guess, truth = image([A], scores=[0.5]), image([A])
    with pytest.raises(ValueError, match="kind must be 'masks' or 'boxes'; got 'mask'"):
        mr.average_precision([guess], [truth], "mask")
    with pytest.raises(ValueError, match="as many; got 1, 2"):
        mr.average_precision([guess], [truth, truth])
    with pytest.raises(ValueError, match=r"predictions\[0\] must have 'scores'"):
        mr.average_precision([truth], [truth])
    with pytest.raises(ValueError, match=r"predictions\[0\]\['scores'\] must be \(1,\); got \(2,\)"):
        mr.average_precision([guess | {"scores": torch.ones(2)}], [truth])
    with pytest.raises(ValueError, match=r"targets\[0\]\['masks'\] must be \(1, H, W\); got \(24, 24\)"):
        mr.average_precision([guess], [truth | {"masks": truth["masks"][0]}])
    with pytest.raises(ValueError, match="probabilities, set a threshold first"):
        mr.average_precision([guess | {"masks": 0.7 * truth["masks"]}], [truth])
    with pytest.raises(ValueError, match="masks of an image must be of one size"):
        mr.average_precision([guess | {"masks": truth["masks"][:, 1:]}], [truth])
    with pytest.raises(ValueError, match=r"targets\[0\]\['boxes'\] must be \(1, 4\); got \(1, 5\)"):
        mr.average_precision([guess], [truth | {"boxes": torch.zeros(1, 5)}], "boxes")
    with pytest.raises(ValueError, match="as many; got 1, 2"):
        mr.mask_ap([guess], [truth, truth])
    with pytest.raises(ValueError, match=r"predictions\[0\] must have 'scores'"):
        mr.mask_ap([truth], [truth])
    with pytest.raises(ValueError, match=r"iou, crowd must be \(D, G\), \(G,\); got \(2, 3\), \(2,\)"):
        mr.match_detections(torch.zeros(2, 3), torch.zeros(2, dtype=torch.bool), 0.5)
    for call in (
        lambda: mr.match_detections(torch.zeros(2, 3), torch.zeros(3, dtype=torch.bool), 50),
        lambda: mr.mask_ap([guess], [truth], 50),
    ):
        with pytest.raises(ValueError, match="threshold must be from 0 to 1; got 50"):
            call()
    with pytest.raises(ValueError, match="lists of dicts, one an image; got one dict"):
        mr.average_precision(guess, truth)
