"""What the notebooks claim of their training cells, measured.

    python benchmarks/training.py [CHAPTER ...] [--seeds 3] [--jobs 1] [--runs FOLDER] [--keep]

Each experiment runs at the scale `small`, as a learner runs it on two CPU cores, once for each seed. Under its numbers
stands each sentence of the notebook that rests on them, and whether every seed bears it out. The last line is one JSON
object; `--keep` writes it to `benchmarks/results/`, where a test compares it with the notebooks. A chapter that is not
asked for keeps its earlier results.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path

os.environ["DLCV_SCALE"] = "small"

import torch
from kept import RESULTS, about, keep

Numbers = dict[str, float]
"""What one seed gave, by name."""


@dataclass
class Experiment:
    """One training cell.

    Attributes
    ----------
    run : callable
        Takes the seed and returns the numbers.
    claims : dict from words to callable
        Each callable takes the numbers of one seed and says whether they bear the words out.
    """

    run: Callable[[int], Numbers]
    claims: dict[str, Callable[[Numbers], bool]] = field(default_factory=dict)


def learned_filters(seed: int) -> Numbers:
    from dlcv.transposed_convolution import bilinear_kernel, experiment

    odd, even = (experiment.learn_filter(k, 300, seed, progress=False)[-1] for k in (3, 4))
    return {
        "k3, largest difference from bilinear": float((odd - bilinear_kernel(3)).abs().max()),
        "k4, least in the middle": float(even[1:3, 1:3].min()),
        "k4, most in the middle": float(even[1:3, 1:3].max()),
    }


def grey_walls(seed: int) -> Numbers:
    from dlcv.transposed_convolution import experiment

    trained = experiment.train_decoders(400, seed, progress=False)
    found = {}
    for kind, (_, ripples) in trained.items():
        name = kind.partition(",")[0]
        found |= {f"{name}, highest ripple": max(ripples), f"{name}, ripple at the end": ripples[-1]}
    return found


def holes(seed: int) -> Numbers:
    from dlcv.dilated_convolution import experiment

    found = {}
    for rates, (_, iou, lonely) in experiment.compare(seed=seed, show=False).items():
        name = "rates " + ", ".join(map(str, rates))
        found |= {f"{name}: mean IoU": iou, f"{name}: lonely pixels in a hundred": 100 * lonely}
    return found


def readers(seed: int) -> Numbers:
    from dlcv.roi_align import experiment

    trained = experiment.train_readers(300, seed, show=False)
    return {f"{name}, mask IoU": experiment.mask_iou(model) for name, model in trained.items()}


def kept_runs() -> str | None:
    """Folder of finished trainings that need not be run again, as `--runs` names it."""
    return os.environ.get("DLCV_RUNS")


def context(seed: int) -> Numbers:
    from dlcv.deeplab import experiment

    found = {}
    for head, result in experiment.compare(seed=seed, keep=kept_runs(), show=False).items():
        found |= {
            f"{head}: mean IoU": result.score.mean_iou,
            f"{head}: boundary IoU": result.score.boundary_iou,
            f"{head}: IoU of large things": result.large,
        }
    return found


def random_field(seed: int) -> Numbers:
    from dlcv.deeplab import experiment

    (result,) = experiment.compare(("ASPP",), seed, keep=kept_runs(), show=False).values()
    found = {}
    for name, score in zip(("before", "after"), experiment.refined_scores(result.network), strict=True):
        found |= {f"{name}: mean IoU": score.mean_iou, f"{name}: boundary IoU": score.boundary_iou}
    return found


def five_losses(seed: int) -> Numbers:
    from dlcv.losses import experiment

    found = {}
    for name, one in experiment.compare(seed=seed, keep=kept_runs(), show=False).items():
        found |= {f"{name}: mIoU": one.mean_iou, f"{name}: IoU of things": one.iou[1]}
        found |= {f"{name}: calibration error in a hundred": 100 * one.calibration_error}
        found |= {f"{name}: promised share in a hundred": 100 * one.promised}
    return found


def variants(seed: int) -> Numbers:
    from dlcv.fcn import experiment

    return scores(experiment.compare(["32s", "16s", "8s"], "from scratch", [seed], kept_runs(), show=False))


def longer(seed: int, scenes: int = 3072) -> Numbers:
    from dlcv.fcn import experiment

    keep = kept_runs() and f"{kept_runs()}/longer-{scenes}"
    found = experiment.compare(["8s"], "from scratch", [seed], keep, steps=1500, count=scenes, show=False)
    return scores(found)


def pretrained(seed: int) -> Numbers:
    from dlcv.fcn import experiment

    return scores(experiment.compare(["8s"], "pretrained", [seed], kept_runs(), show=False))


def scores(found: dict) -> Numbers:
    """Mean IoU and boundary IoU of the first seed of each row of a comparison."""
    return {
        f"{name}, {what}": value
        for name, ((_, score), *_) in found.items()
        for what, value in (("mean IoU", score.mean_iou), ("boundary IoU", score.boundary_iou))
    }


def networks(seed: int) -> Numbers:
    from dlcv.unet import experiment

    return scores(experiment.compare(seeds=[seed], keep=kept_runs(), show=False))


def normalised(seed: int) -> Numbers:
    from dlcv.unet import experiment

    keep = kept_runs() and f"{kept_runs()}/longer"
    return scores(experiment.compare(["U-Net, normalised"], [seed], keep, steps=1000, show=False))


def touching_nuclei(seed: int) -> Numbers:
    from dlcv.unet import experiment

    found = {}
    for name in ("plain", "weighted"):
        network = experiment.train_on_nuclei(name == "weighted", seed=seed, keep=kept_runs(), show=False)
        precision, together = experiment.score_nuclei(network)
        found |= {f"{name}, AP50": precision, f"{name}, merged": together}
    return found


def colours(seed: int) -> Numbers:
    """The classifier that sees one pixel's colour; nothing in it is random."""
    from dlcv.trials import colour_classifier, score, training_scenes, unseen_scenes

    images, labels = unseen_scenes()
    found = score(colour_classifier(*training_scenes())(images), labels)
    return {"mean IoU": found.mean_iou, "boundary IoU": found.boundary_iou}


def boxes_found(seed: int) -> Numbers:
    from dlcv.detection import experiment

    network = experiment.detector(seed)
    experiment.train_detector(network, seed=seed, keep=kept_runs(), show=False)
    _, targets = experiment.unseen()
    _, detections = experiment.detect(network, experiment.unseen()[0])
    found = {
        f"box AP at IoU {iou:g}": experiment.average_precision_at(detections, targets, iou)
        for iou in (0.5, 0.75)
    }
    for name, values in experiment.recalls(network).items():
        for count, value in zip(experiment.COUNTS, values, strict=True):
            found[f"{name}: recall of {count}"] = value
    return found


def masks_found(seed: int) -> Numbers:
    from dlcv.mask_rcnn import experiment

    network = experiment.network(seed)
    experiment.train_network(network, seed=seed, keep=kept_runs(), show=False)
    found = experiment.score(network)
    for words, row in experiment.kind_scores(network).items():
        found |= {f"{words} of {kind}: AP": ap for kind, ap in row.items()}
    for pixels in (0, 1, 2):
        moved = experiment.perfect_masks_moved(pixels)
        found |= {f"perfect masks of {kind}, moved by {pixels}: IoU": iou for kind, iou in moved.items()}
    for name, (error, guess) in experiment.keypoint_errors(network).items():
        found |= {f"{name}: pixels from the true place": error, f"{name}: without looking": guess}
    return found


def points(seed: int) -> Numbers:
    from dlcv.pointrend import experiment

    found = {}
    for name, ((network, scores),) in experiment.compare(seeds=[seed], keep=kept_runs(), show=False).items():
        found[f"{name}: of 128 points in a hundred on outlines"] = 100 * experiment.asked_on_outlines(network)
        found["of all pixels in a hundred on outlines"] = 100 * experiment.asked_on_outlines(network, 4096)
        for count, score in scores.items():
            found |= {f"{name}, {count} points: mean IoU": score.mean_iou}
            found |= {f"{name}, {count} points: boundary IoU": score.boundary_iou}
    return found


def _gain(numbers: Numbers, name: str, count: int) -> float:
    """How much better the outlines of a base are with so many points a step than with none."""
    return numbers[f"{name}, {count} points: boundary IoU"] - numbers[f"{name}, 0 points: boundary IoU"]


def unknown_scales(seed: int) -> Numbers:
    """Relative nets, heads of metres on one of them, and all of it before a photograph: one training after another."""
    from dlcv.depth import experiment

    how = dict(seed=seed, keep=kept_runs(), show=False)
    found = experiment.compare(**how)
    model = experiment.learn_metres(found["up to scale and shift"].net, **how)
    lines = {name: one.scores for name, one in found.items()}
    lines["height in the image"] = experiment.height_alone()
    lines |= {f"motorcycle, {name}": one.scores for name, one in experiment.photograph(model).items()}
    numbers = {}
    for name, scores in lines.items():
        numbers |= {f"{name}: AbsRel": scores["abs_rel"], f"{name}: delta1": scores["delta1"]}
    for domain, ways in experiment.metres(model).items():
        numbers[f"{domain}: routed wrongly, in a hundred"] = 100 * ways.pop("routed wrongly")
        numbers |= {f"{domain}: {way}": value for way, value in ways.items()}
    return numbers


def together(seed: int) -> Numbers:
    from dlcv.multitask import experiment

    trained = experiment.compare(seed=seed, keep=kept_runs(), show=False)
    found = {f"{way}: {name}": value for way, one in trained.items() for name, value in one.scores.items()}
    three, one = experiment.costs(trained).values()
    for name in ("parameters", "multiplications", "kept_bytes", "seconds"):
        found[f"{name}, share"] = getattr(one, name) / getattr(three, name)
    return found


def two_fusions(seed: int) -> Numbers:
    from dlcv.panoptic import experiment

    model = experiment.network(seed)
    experiment.train_network(model, seed=seed, keep=kept_runs(), show=False)
    said, scenes = experiment.answers(model, experiment.unseen()), experiment.unseen()
    found = {}
    for name, quality in experiment.qualities(said, scenes).items():
        for kind, part in (("all", quality), ("things", quality.things), ("stuff", quality.stuff)):
            found |= {f"{name}, {kind}: {what.upper()}": getattr(part, what) for what in ("pq", "sq", "rq")}
        for category in experiment.THING_CATEGORIES:
            thing = quality.per_class[category]
            found[f"{name}, {experiment.NAMES[category]}: PQ"] = thing.pq
    for threshold in (0.1, 0.3, 0.7, 0.9):
        quality = experiment.qualities(said, scenes, score_threshold=threshold)["panoptic FPN"].things
        for what in ("pq", "sq", "rq"):
            found[f"scores from {threshold}, things: {what.upper()}"] = getattr(quality, what)
    return found


EXPERIMENTS: dict[str, dict[str, Experiment]] = {
    "transposed_convolution": {
        "learn-odd, learn-even": Experiment(
            learned_filters,
            {
                "no weight was off by more than 0.021": lambda n: (
                    n["k3, largest difference from bilinear"] <= 0.021
                ),
                "0.77 to 0.82 in the middle": lambda n: (
                    n["k4, least in the middle"] >= 0.765 and n["k4, most in the middle"] < 0.825
                ),
            },
        ),
        "grey-wall": Experiment(grey_walls),
    },
    "dilated_convolution": {
        "holes": Experiment(
            holes,
            {
                "with rates 2, 2, 2 there are more lonely pixels": lambda n: (
                    n["rates 2, 2, 2: lonely pixels in a hundred"]
                    > n["rates 1, 2, 3: lonely pixels in a hundred"]
                ),
            },
        )
    },
    "roi_align": {
        "train": Experiment(
            readers,
            {"RoI Align draws better outlines": lambda n: n["RoI Align, mask IoU"] > n["RoI Pool, mask IoU"]},
        )
    },
    "deeplab": {
        "heads": Experiment(
            context,
            {
                "every network is more than 0.25 above it": lambda n: (
                    min(value for name, value in n.items() if name.endswith("mean IoU")) > 0.2295 + 0.25
                )
            },
        ),
        "refine": Experiment(
            random_field,
            {
                "With every seed the field improves both numbers": lambda n: (
                    n["after: mean IoU"] > n["before: mean IoU"]
                    and n["after: boundary IoU"] > n["before: boundary IoU"]
                )
            },
        ),
    },
    "losses": {
        "five": Experiment(
            five_losses,
            {
                "both losses with Dice find more than the three without": lambda n: (
                    min(n["Dice: mIoU"], n["cross-entropy + Dice: mIoU"])
                    > max(
                        n[f"{name}: mIoU"]
                        for name in ("cross-entropy", "balanced cross-entropy", "focal, γ = 2")
                    )
                ),
                "cross-entropy means most nearly what it says": lambda n: (
                    n["cross-entropy: calibration error in a hundred"]
                    == min(
                        value for name, value in n.items() if name.endswith("calibration error in a hundred")
                    )
                ),
                "balanced weights and focal loss promise more than twice what is there": lambda n: (
                    min(
                        n[f"{name}: promised share in a hundred"]
                        for name in ("balanced cross-entropy", "focal, γ = 2")
                    )
                    > 2
                ),
            },
        )
    },
    "fcn": {
        "colours": Experiment(colours),
        "variants": Experiment(
            variants,
            {
                "each skip sharpens the outlines": lambda n: (
                    n["FCN-32s, boundary IoU"] < n["FCN-16s, boundary IoU"] < n["FCN-8s, boundary IoU"]
                ),
            },
        ),
        "longer": Experiment(
            longer,
            {"a distance of more than 0.25": lambda n: n["FCN-8s, mean IoU"] > 0.2295 + 0.25},
        ),
        "longer, the same scenes": Experiment(partial(longer, scenes=768)),
        "pretrained": Experiment(pretrained),
    },
    "unet": {
        "networks": Experiment(
            networks,
            {
                "both keep more of the outlines than FCN-32s": lambda n: (
                    min(n["U-Net, boundary IoU"], n["SegNet, boundary IoU"]) > n["FCN-32s, boundary IoU"]
                )
            },
        ),
        "normalised": Experiment(
            normalised,
            {
                "more than 0.25 above it, with every seed": lambda n: (
                    n["U-Net, normalised, mean IoU"] > 0.2295 + 0.25
                )
            },
        ),
        "nuclei": Experiment(
            touching_nuclei,
            {
                "fewer nuclei are merged with border weights": lambda n: (
                    n["weighted, merged"] < n["plain, merged"]
                )
            },
        ),
    },
    "depth": {
        "sources, metres, photograph": Experiment(
            unknown_scales,
            {
                "less than half of the error of the loss that takes the numbers as they are": lambda n: (
                    n["up to scale and shift: AbsRel"] < 0.5 * n["as they are: AbsRel"]
                ),
                "each head is the better one in its own domain": lambda n: (
                    n["room: head for rooms"] < n["room: head for streets"]
                    and n["street: head for streets"] < n["street: head for rooms"]
                ),
                "about double the error of the rooms": lambda n: (
                    n["room: routed"] > 1.9 * n["room: head for rooms"]
                ),
                "nearer than one disparity everywhere": lambda n: (
                    max(n["motorcycle, relative, aligned: AbsRel"], n["motorcycle, metres, aligned: AbsRel"])
                    < n["motorcycle, one disparity: AbsRel"]
                ),
                "the height in the image beats the nets on the motorcycle": lambda n: (
                    n["motorcycle, height in the image: AbsRel"]
                    < min(
                        n[f"motorcycle, {way}: AbsRel"]
                        for way in (
                            "relative, aligned",
                            "metres, aligned",
                            "metres, routed",
                            "relative, as it is",
                        )
                    )
                ),
            },
        )
    },
    "multitask": {
        "train": Experiment(
            together,
            {
                "The joint network is nowhere worse by more than a tenth": lambda n: (
                    n["joint: AbsRel"] <= 1.1 * n["depth alone: AbsRel"]
                    and n["joint: mean angle"] <= 1.1 * n["normals alone: mean angle"]
                    and n["joint: mIoU"] >= 0.9 * n["classes alone: mIoU"]
                ),
                "with less than half of the multiplications": lambda n: n["multiplications, share"] < 1 / 2,
                "Its depth is a little better with every seed": lambda n: (
                    n["joint: AbsRel"] < n["depth alone: AbsRel"]
                ),
            },
        )
    },
    "detection": {
        "train": Experiment(
            boxes_found,
            {
                "more than half of the area under the curve at IoU 0.5": lambda n: (
                    n["box AP at IoU 0.5"] > 0.5
                ),
                "20 proposals find more than 50 anchors drawn at random": lambda n: (
                    n["network, IoU 0.5: recall of 20"] > n["anchors drawn at random, IoU 0.5: recall of 50"]
                ),
            },
        )
    },
    "mask_rcnn": {
        "train": Experiment(
            masks_found,
            {
                "box AP50 is above 0.5": lambda n: n["boxes, AP50"] > 0.5,
                "mask AP50 is above 0.4": lambda n: n["masks by RoI Align, AP50"] > 0.4,
                "with RoI Align AP75 is higher than with RoI Pool": lambda n: (
                    n["masks by RoI Align, AP75"] > n["masks by RoI Pool, AP75"]
                ),
            },
        )
    },
    "pointrend": {
        "train": Experiment(
            points,
            {
                "With every seed both bases gain from 128 points a step": lambda n: all(
                    _gain(n, name, 128) > 0 for name in ("FCN-8s", "U-Net")
                ),
                "On the FCN, 512 points a step bring more than nine tenths of what all pixels bring": lambda n: (
                    _gain(n, "FCN-8s", 512) > 0.9 * _gain(n, "FCN-8s", 4096)
                ),
                "1024 points a step bring more than nine tenths on both": lambda n: all(
                    _gain(n, name, 1024) > 0.9 * _gain(n, name, 4096) for name in ("FCN-8s", "U-Net")
                ),
            },
        )
    },
    "panoptic": {
        "train": Experiment(
            two_fusions,
            {
                "Stuff is far ahead of things": lambda n: (
                    n["panoptic FPN, stuff: PQ"] > n["panoptic FPN, things: PQ"] + 0.3
                ),
                "RQ differs more than SQ": lambda n: (
                    n["panoptic FPN, stuff: RQ"] - n["panoptic FPN, things: RQ"]
                    > n["panoptic FPN, stuff: SQ"] - n["panoptic FPN, things: SQ"]
                ),
                "EfficientPS's fusion matches more things": lambda n: (
                    n["EfficientPS, things: RQ"] > n["panoptic FPN, things: RQ"]
                ),
                "It gains where things are thin": lambda n: all(
                    n[f"EfficientPS, {thing}: PQ"] > n[f"panoptic FPN, {thing}: PQ"]
                    for thing in ("lamp", "table")
                ),
                "Up to 0.7, the higher the threshold, the better drawn are the matches": lambda n: (
                    n["scores from 0.1, things: SQ"]
                    < n["scores from 0.3, things: SQ"]
                    < n["panoptic FPN, things: SQ"]
                    < n["scores from 0.7, things: SQ"]
                ),
                "On balls, boxes, cans and cones it loses a little with every seed": lambda n: all(
                    n[f"EfficientPS, {thing}: PQ"] < n[f"panoptic FPN, {thing}: PQ"]
                    for thing in ("ball", "box", "can", "cone")
                ),
                "RQ has its best value at 0.3, and so has PQ": lambda n: all(
                    n[f"scores from 0.3, things: {what}"]
                    > max(
                        n[f"{other}, things: {what}"]
                        for other in (
                            "scores from 0.1",
                            "panoptic FPN",
                            "scores from 0.7",
                            "scores from 0.9",
                        )
                    )
                    for what in ("RQ", "PQ")
                ),
                "0.9 is too much to ask": lambda n: (
                    n["scores from 0.9, things: PQ"] < n["panoptic FPN, things: PQ"]
                ),
            },
        )
    },
}


def run(chapter: str, name: str, seed: int) -> tuple[Numbers, float]:
    """Return the numbers of one seed, and the seconds of processor time that they took."""
    torch.set_num_threads(1)
    began = time.process_time()
    return EXPERIMENTS[chapter][name].run(seed), time.process_time() - began


def measure(chapter: str, name: str, seeds: int, jobs: int = 1) -> dict:
    """Return the numbers of each seed, which claims all of them bear out, and the seconds of one run."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as workers:
        runs = list(workers.map(partial(run, chapter, name), range(seeds)))
    numbers = [found for found, _ in runs]
    claims = EXPERIMENTS[chapter][name].claims
    return {
        "numbers": {name: [float(f"{n[name]:.4g}") for n in numbers] for name in numbers[0]},
        "claims": {words: all(map(holds, numbers)) for words, holds in claims.items()},
        "processor_seconds_a_run": round(sum(seconds for _, seconds in runs) / seeds, 1),
        **about(),
    }


def show(chapter: str, name: str, result: dict) -> None:
    print(f"{chapter}: {name}    {result['processor_seconds_a_run']} s of processor time a run")
    for words, values in result["numbers"].items():
        print(f"  {words:44}", "  ".join(f"{value:8.4g}" for value in values))
    for words, held in result["claims"].items():
        print(f"  {'holds' if held else 'FAILS'}: {words}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "chapters", nargs="*", metavar="CHAPTER", help=f"of {', '.join(EXPERIMENTS)}; none means all"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="seeds that run at the same time")
    parser.add_argument(
        "--runs", help="folder for trained networks: what is finished there is not trained again"
    )
    parser.add_argument("--keep", action="store_true", help="write the result to benchmarks/results/")
    asked = parser.parse_args()
    if unknown := set(asked.chapters) - EXPERIMENTS.keys():
        parser.error(f"nothing is trained in {', '.join(sorted(unknown))}; there is {', '.join(EXPERIMENTS)}")
    if asked.runs:
        os.environ["DLCV_RUNS"] = str(Path(asked.runs).resolve())
    path = RESULTS / "training.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for chapter in asked.chapters or EXPERIMENTS:
        results[chapter] = {}
        for name in EXPERIMENTS[chapter]:
            results[chapter][name] = measure(chapter, name, asked.seeds, asked.jobs)
            show(chapter, name, results[chapter][name])
    if asked.keep:
        keep("training", results)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
