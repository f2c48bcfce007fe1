"""The chapter's pictures draw, the widgets follow their sliders, and the experiment measures what it says."""

import pytest
import torch

from dlcv import trials
from dlcv.detection import experiment, figures, nms, widget
from dlcv.plotting import new_figure

FIGURES = [name for name in figures.__all__ if name.endswith("_figure")]


@pytest.fixture(autouse=True)
def smoke(monkeypatch):
    monkeypatch.setenv("DLCV_SCALE", "smoke")


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws(name):
    assert getattr(figures, name)()._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("left", [0.0, 40.0, 80.0, 95.0, 118.0])
def test_words_stay_in_the_picture(left):
    figure, axes = new_figure(1, 4, height=2.4)  # as narrow as the detections
    figures.draw_scene(axes[0], torch.rand(3, 128, 128))
    box = torch.tensor([[left, 40, min(left + 20, 128), 60]])
    figures.draw_boxes(axes[0], box, torch.tensor([4]), torch.tensor([0.98]))
    figure._repr_png_()
    frame, words = axes[0].get_window_extent(), axes[0].texts[0].get_window_extent()
    assert frame.x0 <= words.x0 < words.x1 <= frame.x1


@pytest.mark.parametrize(
    "change",
    [
        {"size": 40},
        {"high": 0.5},
        {"low": 0.1},
        {"rescue": False},
        {"stride": 16},
        {"number": 2},
        {"low": 0.9},
    ],
)
def test_the_anchors_follow_their_sliders(change):
    assert widget.make_matches()._repr_png_() != widget.make_matches(**change)._repr_png_()


def test_suppression_follows_its_sliders():
    start = widget.make_step()._repr_png_()
    assert start != widget.make_step(step=3)._repr_png_()
    assert start != widget.make_step(iou_threshold=0.2)._repr_png_()
    assert widget.make_step(step=0)._repr_png_() != start
    assert widget.make_step(step=40)._repr_png_() == widget.make_step(step=50)._repr_png_()


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_the_steps_are_those_of_suppression(threshold):
    boxes, scores = figures.guesses()
    steps = widget.steps(boxes, scores, threshold)
    assert [best for best, _ in steps] == nms(boxes, scores, threshold).tolist()
    assert sorted(n for best, gone in steps for n in (best, *gone)) == list(range(len(boxes)))


# ----------------------------------------------------------------------------------------- experiment


def test_mirrored_twice_is_the_same():
    images, targets = experiment.targets_of(0, 3, 32)
    once = experiment.mirrored(images, targets)
    again, back = experiment.mirrored(*once)
    assert torch.equal(again, images)
    for mine, there, target in zip(back, once[1], targets, strict=True):
        assert torch.equal(mine["boxes"], target["boxes"])
        assert (there["boxes"][:, 2:] > there["boxes"][:, :2]).all()
        assert ((target["labels"] >= 1) & (target["labels"] <= 6)).all()


def test_boxes_stand_where_the_things_are():
    """A mirrored box covers the mirrored pixels."""
    image = torch.zeros(1, 3, 8, 10)
    image[..., 2:5, 1:4] = 1
    flipped, [target] = experiment.mirrored(image, [{"boxes": torch.tensor([[1.0, 2, 4, 5]])}])
    x1, y1, x2, y2 = target["boxes"][0].int().tolist()
    assert flipped[..., y1:y2, x1:x2].mean() == 1
    assert flipped.sum() == image.sum()


def some(boxes, labels, scores=None):
    found = {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor(labels).long(),
    }
    return found if scores is None else found | {"scores": torch.tensor(scores, dtype=torch.float32)}


BOX, FAR = [0, 0, 10, 10], [50, 50, 60, 60]


@pytest.mark.parametrize(
    ("found", "there", "wanted"),
    [
        (some([BOX, FAR], [1, 1], [0.9, 0.8]), some([BOX, FAR], [1, 1]), 1.0),
        (some([], [], []), some([BOX], [1]), 0.0),
        (some([BOX, BOX], [1, 1], [0.9, 0.8]), some([BOX], [1]), 1.0),  # the second comes too late to hurt
        (some([FAR, BOX], [1, 1], [0.9, 0.8]), some([BOX], [1]), 0.5),
        (some([BOX, BOX, FAR], [1, 1, 1], [0.9, 0.8, 0.7]), some([BOX, FAR], [1, 1]), (51 + 50 * 2 / 3) / 101),
        (some([BOX], [2], [0.9]), some([BOX], [1]), 0.0),  # another class
        (some([BOX, FAR], [1, 2], [0.9, 0.8]), some([BOX, BOX], [1, 2]), 0.5),  # mean over classes
        (some([[0, 0, 10, 5]], [1], [0.9]), some([BOX], [1]), 1.0),  # IoU exactly 0.5
    ],
)  # fmt: skip
def test_average_precision_by_hand(found, there, wanted):
    assert experiment.average_precision_at([found], [there]) == pytest.approx(wanted)


def test_average_precision_equals_cocos():
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    generator = torch.Generator().manual_seed(0)
    targets, detections, kept, results = [], [], [], []
    for image in range(12):
        count = image % 4  # some images hold nothing
        corner, size = (
            torch.rand(count, 2, generator=generator) * 40,
            torch.rand(count, 2, generator=generator) * 20 + 4,
        )
        boxes, labels = (
            torch.cat([corner, corner + size], 1),
            torch.randint(1, 4, (count,), generator=generator),
        )
        guesses = boxes.repeat(3, 1) + 3 * torch.randn(3 * count, 4, generator=generator)
        guesses[:, 2:] = torch.maximum(guesses[:, 2:], guesses[:, :2] + 1)
        scores = torch.rand(3 * count, generator=generator)
        targets.append({"boxes": boxes, "labels": labels})
        detections.append({"boxes": guesses, "labels": labels.repeat(3), "scores": scores})
        for into, batch in ((kept, targets[-1]), (results, detections[-1])):
            for n, (x1, y1, x2, y2) in enumerate(batch["boxes"].tolist()):
                entry = {
                    "image_id": image,
                    "category_id": int(batch["labels"][n]),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                }
                extra = {"score": float(batch["scores"][n])} if into is results else {"iscrowd": 0}
                into.append(entry | extra | {"id": len(into) + 1, "area": (x2 - x1) * (y2 - y1)})
    truth = coco.COCO()
    truth.dataset = {"images": [{"id": n} for n in range(12)], "categories": [{"id": c} for c in (1, 2, 3)],
                     "annotations": kept}  # fmt: skip
    truth.createIndex()
    run = evaluation.COCOeval(truth, truth.loadRes(results), "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert experiment.average_precision_at(detections, targets) == pytest.approx(run.stats[1], abs=1e-6)


def test_recall_grows_with_proposals():
    boxes = torch.tensor([[0.0, 0, 4, 4], [20, 20, 30, 30]])
    proposals = torch.cat([boxes[:1] + 90, boxes[1:], boxes[:1] + 0.3])
    targets = [{"boxes": boxes}, {"boxes": torch.zeros(0, 4)}]
    found = [experiment.proposal_recall([proposals, proposals], targets, n) for n in (0, 1, 2, 3)]
    assert found == [0, 0, 0.5, 1]


def test_the_experiment_runs_at_smoke_scale():
    network = experiment.train_detector(experiment.detector(), show=False)
    found = experiment.recalls(network)
    assert all(values == sorted(values) for values in found.values())
    assert experiment.recall_figure(found)._repr_png_().startswith(b"\x89PNG")
    assert experiment.detections_figure(network, count=2)._repr_png_().startswith(b"\x89PNG")


def test_an_interrupted_training_goes_on_where_it_was(monkeypatch, tmp_path):
    monkeypatch.setattr(trials, "scale", lambda: "small")  # at the scale "smoke" nothing is kept
    real, taken = experiment.mirrored, []

    def closed_lid(*pair):  # every second batch comes here
        taken.append(pair)
        if len(taken) == 1:
            raise KeyboardInterrupt
        return real(*pair)

    def run(folder):
        network = experiment.detector()
        experiment.train_detector(network, 2, batch_size=2, keep=tmp_path / folder, show=False)
        return network.state_dict()

    monkeypatch.setattr(experiment, "mirrored", closed_lid)
    with pytest.raises(KeyboardInterrupt, match="after 1 of 2 steps; run the cell again to go on"):
        run("runs")
    resumed, whole = run("runs"), run("others")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
