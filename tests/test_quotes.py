"""What notebooks say of their training cells is what `benchmarks/training.py` measured with three seeds."""

import json
from pathlib import Path
from statistics import mean, stdev

import pytest

ROOT = Path(__file__).resolve().parent.parent
KEPT = json.loads((ROOT / "benchmarks" / "results" / "training.json").read_text(encoding="utf-8"))


def text(folder):
    lines = (ROOT / "solutions" / folder / f"{folder}.py").read_text(encoding="utf-8").splitlines()
    return " ".join(line.removeprefix("#").strip() for line in lines)


def span(chapter, cell, name, digits):
    """Least and most of the seeds, as it stands in a text: "0.88 to 0.89", or one number where both round to it."""
    values = KEPT[chapter][cell]["numbers"][name]
    low, high = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def spread(chapter, cell, name, digits=3):
    """Mean and standard deviation of the seeds, as they stand in a table: "0.401 ± 0.002"."""
    values = KEPT[chapter][cell]["numbers"][name]
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"


@pytest.mark.parametrize("chapter", KEPT)
def test_every_claim_is_borne_out_by_three_seeds(chapter):
    for cell, result in KEPT[chapter].items():
        assert all(len(values) == 3 for values in result["numbers"].values()), cell
        assert result["claims"] == dict.fromkeys(result["claims"], True), cell
        assert result["date"]
        assert result["processor"]


def test_chapter_01():
    said = text("01_transposed_convolution")
    assert (
        max(
            KEPT["transposed_convolution"]["learn-odd, learn-even"]["numbers"][
                "k3, largest difference from bilinear"
            ]
        )
        < 0.021
    )
    assert "no weight was off by more than 0.021" in said
    for kind in ("k = 3", "k = 4"):
        highest, end = (
            span("transposed_convolution", "grey-wall", f"{kind}, {what}", digits)
            for what, digits in (("highest ripple", 0), ("ripple at the end", 1))
        )
        assert f"| ${kind}$, $s = 2$ | {highest} | {end} |" in said


def test_chapter_03():
    said = text("03_dilated_convolution")
    for rates in ("2, 2, 2", "1, 2, 3"):
        iou = span("dilated_convolution", "holes", f"rates {rates}: mean IoU", 3)
        lonely = span("dilated_convolution", "holes", f"rates {rates}: lonely pixels in a hundred", 1)
        assert f"| {rates} | {iou} | {lonely} % |" in said


def test_chapter_04():
    pool, align = (span("roi_align", "train", f"RoI {name}, mask IoU", 2) for name in ("Pool", "Align"))
    assert f"a mask IoU of {pool} with RoI Pool and {align} with RoI Align" in text("04_roi_align")


def test_chapter_06():
    said = text("06_fcn")
    colour = (span("fcn", "colours", name, 3) for name in ("mean IoU", "boundary IoU"))
    assert f"| colour alone | {' | '.join(colour)} |" in said
    for name in ("FCN-32s", "FCN-16s", "FCN-8s"):
        row = (spread("fcn", "variants", f"{name}, {what}") for what in ("mean IoU", "boundary IoU"))
        assert f"| {name} | {' | '.join(row)} |" in said
    for scenes, cell in ((768, "longer, the same scenes"), (3072, "longer")):
        row = (spread("fcn", cell, f"FCN-8s, {what}") for what in ("mean IoU", "boundary IoU"))
        assert f"| {scenes} scenes, 1500 steps | {' | '.join(row)} |" in said
    tuned = (spread("fcn", "pretrained", f"FCN-8s, {what}") for what in ("mean IoU", "boundary IoU"))
    assert "a mean IoU of {} and a boundary IoU of {}".format(*tuned) in said


def test_chapter_07():
    said = text("07_unet")
    for name in ("FCN-32s", "SegNet", "U-Net"):
        row = (spread("unet", "networks", f"{name}, {what}") for what in ("mean IoU", "boundary IoU"))
        assert f"| {name} | {' | '.join(row)} |" in said
    overlap, outlines = (
        spread("unet", "normalised", f"U-Net, normalised, {what}") for what in ("mean IoU", "boundary IoU")
    )
    assert f"mean IoU {overlap}, boundary IoU {outlines}" in said
    colour = (span("fcn", "colours", what, 3) for what in ("mean IoU", "boundary IoU"))
    assert "gets {} and {} (chapter 06)".format(*colour) in said
    for name in ("plain", "weighted"):
        row = (spread("unet", "nuclei", f"{name}, AP50", 2), span("unet", "nuclei", f"{name}, merged", 0))
        assert f"| {name} | {' | '.join(row)} |" in said


def test_chapter_08():
    said = text("08_deeplab")
    colour = span("fcn", "colours", "mean IoU", 3)
    assert f"The best guess by a pixel's colour alone has a mean IoU of {colour}" in said
    for head in ("plain", "PPM", "ASPP"):
        columns = [
            span("deeplab", "heads", f"{head}: {what}", 3)
            for what in ("mean IoU", "boundary IoU", "IoU of large things")
        ]
        assert "| {} | {} | {} | {} |".format(head, *columns) in said
    numbers = KEPT["deeplab"]["heads"]["numbers"]
    for what in ("mean IoU", "boundary IoU", "IoU of large things"):
        ranges = [numbers[f"{head}: {what}"] for head in ("plain", "PPM", "ASPP")]
        assert max(map(min, ranges)) <= min(map(max, ranges)), what
    assert "The ranges of the three heads overlap in every column" in said
    for claims in (KEPT["deeplab"][cell]["claims"] for cell in ("heads", "refine")):
        assert all(words in said for words in claims)
    for when, name in (("before", "network alone"), ("after", "with the field")):
        columns = [span("deeplab", "refine", f"{when}: {what}", 3) for what in ("mean IoU", "boundary IoU")]
        assert "| {} | {} | {} |".format(name, *columns) in said


def test_chapter_13():
    said = text("13_losses")
    for name in ("cross-entropy", "balanced cross-entropy", "focal, γ = 2", "Dice", "cross-entropy + Dice"):
        columns = [
            span("losses", "five", f"{name}: {what}", digits)
            for what, digits in (
                ("mIoU", 2),
                ("IoU of things", 2),
                ("calibration error in a hundred", 1),
                ("promised share in a hundred", 1),
            )
        ]
        assert "| {} | {} | {} | {} % | {} % |".format(name, *columns) in said
    assert "Both losses with Dice find more than the three without" in said
    assert "Cross-entropy means most nearly what it says" in said
    assert "Balanced weights and focal loss promise more than twice what is there" in said


def test_chapter_15():
    said = text("15_multitask")
    rows = {
        "depth, AbsRel": ("depth alone: AbsRel", "joint: AbsRel", 3),
        "normals, mean angle": ("normals alone: mean angle", "joint: mean angle", 1),
        "normals, per cent below 11.25°": ("normals alone: below 11.25", "joint: below 11.25", 0),
        "classes, mIoU": ("classes alone: mIoU", "joint: mIoU", 3),
    }
    for name, (alone, joint, digits) in rows.items():
        columns = [span("multitask", "train", quoted, digits) for quoted in (alone, joint)]
        assert "| {} | {} | {} |".format(name, *columns) in said
    shares = {
        "parameters": "parameters",
        "multiplications": "multiplications",
        "memory for the backward pass": "kept_bytes",
        "processor time of a training step": "seconds",
    }
    for name, quoted in shares.items():
        assert f"| {name} | 1 | {span('multitask', 'train', f'{quoted}, share', 2)} |" in said
    assert all(words in said for words in KEPT["multitask"]["train"]["claims"])


def test_chapter_09():
    said = text("09_detection")

    def quoted(name):
        return span("detection", "train", name, 2)

    few, many = (quoted(f"network, IoU 0.5: recall of {count}") for count in (10, 50))
    assert f"the first 10 proposals fit {few} of the things, the first 50 fit {many}" in said
    drawn = quoted("anchors drawn at random, IoU 0.5: recall of 50")
    assert f"Fifty anchors drawn at random fit {drawn}" in said
    strict = quoted("network, IoU 0.7: recall of 50")
    assert f"At IoU 0.7 the first 50 proposals fit {strict}" in said
    assert (
        f"a box AP of {quoted('box AP at IoU 0.5')} at IoU 0.5 and {quoted('box AP at IoU 0.75')} at IoU 0.75"
        in said
    )


def test_chapter_10():
    said, numbers = text("10_mask_rcnn"), KEPT["mask_rcnn"]["train"]["numbers"]
    rows = {
        "boxes": "boxes",
        "masks, RoI Align": "masks by RoI Align",
        "masks, RoI Pool": "masks by RoI Pool",
    }
    for row, name in rows.items():
        columns = [spread("mask_rcnn", "train", f"{name}, {what}") for what in ("AP", "AP50", "AP75")]
        assert f"| {row} | {' | '.join(columns)} |" in said
    for what, sentence in (
        ("AP50", "At IoU 0.5 the rounding costs {} to {} points in a hundred"),
        ("AP75", "At 0.75 it costs {} to {},"),
    ):
        pairs = zip(
            numbers[f"masks by RoI Align, {what}"], numbers[f"masks by RoI Pool, {what}"], strict=True
        )
        costs = [100 * (align - pool) for align, pool in pairs]
        assert sentence.format(f"{min(costs):.0f}", f"{max(costs):.0f}") in said
    for row, name in (
        ("the network", "pixels from the true place"),
        ("without looking", "without looking"),
    ):
        places = ("top", "bottom", "left", "right", "centre")
        columns = [span("mask_rcnn", "train", f"{place}: {name}", 1) for place in places]
        assert f"| {row} | {' | '.join(columns)} |" in said
    kinds = ("ball", "box", "can", "cone", "lamp", "table")
    rows = {what: f"{what} of {{}}: AP" for what in ("boxes", "masks")} | {
        words: f"perfect masks of {{}}, moved by {words[0]}: IoU"
        for words in ("0 pixels", "1 pixel", "2 pixels")
    }
    for row, name in rows.items():
        columns = [span("mask_rcnn", "train", name.format(kind), 2) for kind in kinds]
        assert f"| {row} | {' | '.join(columns)} |" in said


def test_chapter_11():
    said = text("11_pointrend")
    for base in ("FCN-8s", "U-Net"):
        for count, asked in ((0, "0"), (32, None), (128, None), (512, None), (4096, "4096")):
            doublings = {"FCN-8s": 3, "U-Net": 2}[base]
            times = asked or sum(min(count, 4096 // 4**n) for n in range(doublings))
            words = "all" if count == 4096 else count
            row = [
                spread("pointrend", "train", f"{base}, {count} points: {what}")
                for what in ("mean IoU", "boundary IoU")
            ]
            assert f"| {base} | {words} | {times} | {' | '.join(row)} |" in said
    for words in KEPT["pointrend"]["train"]["claims"]:
        assert words in said
    on_outlines = [
        span("pointrend", "train", f"{name} in a hundred on outlines", 0)
        for name in ("FCN-8s: of 128 points", "U-Net: of 128 points", "of all pixels")
    ]
    assert (
        "Of the 128 points of the last step, {} in a hundred lie on a true outline with the FCN, {} with the U-Net; "
        "of all pixels it is {}.".format(*on_outlines)
    ) in said
    for chapter, cell, name in (("fcn", "variants", "FCN-8s"), ("unet", "networks", "U-Net")):
        earlier = spread(chapter, cell, f"{name}, boundary IoU")
        assert f"the whole {name} reached {earlier}" in said
    assert f"Its mean IoU was {spread('unet', 'networks', 'U-Net, mean IoU')} there" in said


def test_chapter_14():
    said = text("14_depth")

    def columns(name, *what, digits=2):
        return " | ".join(
            span("depth", "sources, metres, photograph", f"{name}: {one}", digits) for one in what
        )

    for name in ("as they are", "up to scale and shift", "height in the image"):
        assert f"| {name} | {columns(name, 'AbsRel', 'delta1')} |" in said
    for domain in ("room", "street"):
        heads = columns(domain, "head for rooms", "head for streets", "routed")
        lost = columns(domain, "routed wrongly, in a hundred", digits=0)
        assert f"| {domain} | {heads} | {lost} % |" in said
    for name in (
        "relative, as it is",
        "relative, aligned",
        "metres, routed",
        "metres, head for rooms",
        "metres, aligned",
        "height in the image",
        "one disparity",
    ):
        assert f"| {name} | {columns(f'motorcycle, {name}', 'AbsRel', 'delta1')} |" in said
    numbers = KEPT["depth"]["sources, metres, photograph"]["numbers"]
    assert sum(value > 2 for value in numbers["motorcycle, metres, routed: AbsRel"]) == 2
    assert "Two of three routers take the garage for a street" in said
    for words in KEPT["depth"]["sources, metres, photograph"]["claims"]:
        assert words in said


def test_chapter_12():
    said = text("12_panoptic")
    for fusion in ("panoptic FPN", "EfficientPS"):
        for kind in ("things", "stuff"):
            row = [spread("panoptic", "train", f"{fusion}, {kind}: {what}") for what in ("PQ", "SQ", "RQ")]
            assert "| {} | {} | {} | {} | {} |".format(fusion, kind, *row) in said
        row = [
            spread("panoptic", "train", f"{fusion}, {thing}: PQ")
            for thing in ("ball", "box", "can", "cone", "lamp", "table")
        ]
        assert f"| {fusion} | {' | '.join(row)} |" in said
    for threshold in ("0.1", "0.3", "0.5", "0.7", "0.9"):
        name = "panoptic FPN" if threshold == "0.5" else f"scores from {threshold}"
        row = [spread("panoptic", "train", f"{name}, things: {what}") for what in ("PQ", "SQ", "RQ")]
        assert "| {} | {} | {} | {} |".format(threshold, *row) in said
    for words in KEPT["panoptic"]["train"]["claims"]:
        assert words in said
