"""What chapter 12 asks: cases, forbidden calls, and the slips that learners really make.

Most slips are one wrong line. They stand beside the right program that they are a line of.
"""

from __future__ import annotations

import torch

from dlcv.checking import Case, Exercises
from dlcv.panoptic import fusion, reference

exercises = Exercises("panoptic")
check = exercises.check

CATEGORIES = {1: False, 2: False, 7: True, 8: True}


def _row(*numbers):
    return torch.tensor([numbers])


def _segments(**categories):
    """Segment 4 of category 7 is written ``_4=7``."""
    return [{"id": int(name[1:]), "category_id": category} for name, category in categories.items()]


def _random_result(draw, height=10, width=13, crowd=False):
    """Rectangles over each other, void in between."""
    ids, segments = torch.zeros(height, width, dtype=torch.int64), []
    for number in range(1, draw.integer(4, 6)):
        y, x = draw.integer(0, height - 4), draw.integer(0, width - 5)
        ids[y : y + draw.integer(3, 6), x : x + draw.integer(3, 6)] = 10 * number
        segments.append({"id": 10 * number, "category_id": draw.choice([1, 7, 8])})
    segments = [segment for segment in segments if (ids == segment["id"]).any()]
    if crowd:
        segments[0]["iscrowd"] = 1
    return ids, segments


def _roughly(draw, result):
    """The same segments with other numbers, a little aside, now and then of another category."""
    ids, segments = result
    ids = torch.roll(ids, draw.choice([-1, 1]), draw.integer(0, 1))
    found = [
        {"id": s["id"] + 1, "category_id": s["category_id"] if draw.integer(0, 3) else 7}
        for s in segments
        if (ids == s["id"]).any()
    ]
    return torch.where(ids > 0, ids + 1, 0), found


# ----------------------------------------------------------------------- 1 · one number a pixel

encode = exercises.function(
    "encode_panoptic",
    reference.encode_panoptic,
    title="Class and instance as one number",
    points=1,
    difficulty=1,
    minutes=5,
    hints=(
        "With a divisor of 1000, thing number 2 of class 7 is 7002.",
        "Maps may come as bytes, in which 7 * 1000 has no place: `.long()` first.",
    ),
)


@encode.cases
def _(draw):
    def maps(divisor, dtype=torch.int64):
        shape = (draw.integer(2, 4), draw.integer(2, 5))
        return draw.integers(shape, 1, 9, dtype), draw.integers(shape, 0, divisor, dtype)

    yield Case(_row(0, 7, 7), _row(0, 1, 2), words="two things of class 7")
    yield Case(*maps(100), 100, words="a divisor of 100")
    yield Case(*maps(10, torch.uint8), words="maps of bytes")
    for _ in range(draw.count):
        divisor = draw.integer(5, 2000)
        yield Case(*maps(divisor), divisor, words="random maps")


def right_encode(semantic, instance, label_divisor=1000):
    return semantic.long() * label_divisor + instance.long()


encode.slip_of(
    right_encode,
    "instance first",
    "You multiply the instance and add the class. The class is the large part: divide by `label_divisor` and you "
    "have it.",
    (
        "semantic.long() * label_divisor + instance.long()",
        "instance.long() * label_divisor + semantic.long()",
    ),
)
encode.slip_of(
    right_encode,
    "always 1000",
    "You multiply by 1000 whatever `label_divisor` is. Data sets differ in it: KITTI's is 2 to the power of 16.",
    ("* label_divisor", "* 1000"),
)
encode.slip_of(
    right_encode,
    "bytes overflow",
    "Your numbers start again from 0 at 256: the maps came as bytes, and a byte holds no more. Call `.long()` first.",
    ("semantic.long() * label_divisor + instance.long()", "(semantic * label_divisor + instance).long()"),
)

decode = exercises.function(
    "decode_panoptic",
    reference.decode_panoptic,
    title="And back",
    points=1,
    difficulty=1,
    minutes=5,
    hints=("7002 is 7 times 1000, and 2 is left over.", "Whole division is `//`, what is left over `%`."),
)


@decode.cases
def _(draw):
    yield Case(_row(0, 7001, 7002), words="two things of class 7")
    yield Case(draw.integers((3, 4), 100, 999, torch.int64), 100, words="a divisor of 100")
    yield Case(draw.integers((3, 4), 1999, 2004, torch.int64), words="just below and above a whole multiple")
    for _ in range(draw.count):
        yield Case(draw.integers((3, 5), 0, 9999, torch.int64), draw.integer(5, 2000), words="random numbers")


def right_decode(encoded, label_divisor=1000):
    semantic = encoded // label_divisor
    return semantic, encoded % label_divisor


decode.slip_of(
    right_decode,
    "instance first",
    "You return the instance first. The order is as in `encode_panoptic`: class, then instance.",
    ("return semantic, encoded % label_divisor", "return encoded % label_divisor, semantic"),
)
decode.slip_of(
    right_decode,
    "rounded up",
    "You round to the nearest class: instance 999 of class 1 becomes class 2. Divide and round down, with `//`.",
    ("encoded // label_divisor", "(encoded / label_divisor).round().long()"),
)
decode.slip_of(
    right_decode,
    "always 1000",
    "You divide by 1000 whatever `label_divisor` is.",
    ("encoded // label_divisor", "encoded // 1000"),
    ("encoded % label_divisor", "encoded % 1000"),
)


# ----------------------------------------------------------------------- 2 · is it one?

problems = exercises.function(
    "panoptic_problems",
    reference.panoptic_problems,
    title="Is it a panoptic result?",
    points=2,
    difficulty=2,
    minutes=12,
    hints=(
        "Make two sets: the ids that occur in the map (`ids.unique().tolist()`), and the ids in the list.",
        "What is in one and not in the other is a difference of sets: minus. Id 0 is void and needs no segment.",
        "`categories[segment['category_id']]` is False for stuff. Count how often each kind of stuff is in the list.",
    ),
)


@problems.cases
def _(draw):
    one = _segments(_1=1, _4=7, _5=7)
    yield Case(
        _row(0, 1, 4, 5),
        one,
        CATEGORIES,
        words="nothing is wrong: two things of one class, one kind of stuff",
    )
    yield Case(_row(1, 4, 5, 9), one, CATEGORIES, words="id 9 has no segment")
    yield Case(_row(1, 0, 4, 4), one, CATEGORIES, words="segment 5 has no pixels")
    yield Case(
        _row(1, 4, 6, 9), _segments(_1=2, _4=7, _6=2, _9=1), CATEGORIES, words="stuff of category 2 in pieces"
    )
    yield Case(_row(3, 8, 2, 0), _segments(_9=8, _2=1, _5=1, _3=1), CATEGORIES, words="all at once")
    for _ in range(draw.count):
        ids = draw.integers((3, 4), 0, 9, torch.int64)
        numbers = (draw.permutation(9)[:6] + 1).tolist()
        segments = [{"id": number, "category_id": draw.choice([1, 2, 7, 8])} for number in numbers]
        yield Case(ids, segments, CATEGORIES, words="a random map and a random list")


def right_problems(ids, segments, categories):
    drawn = set(ids.unique().tolist()) - {0}
    listed = {segment["id"] for segment in segments}
    seen, pieces = set(), set()
    for segment in segments:
        category = segment["category_id"]
        if not categories[category] and category in seen:
            pieces.add(category)
        seen.add(category)
    return sorted(drawn - listed), sorted(listed - drawn), sorted(pieces)


problems.slip_of(
    right_problems,
    "void reported",
    "You report id 0 as one without a segment. It is void: nothing is said about these pixels.",
    ("- {0}", "- set()"),
)
problems.slip_of(
    right_problems,
    "things reported, too",
    "You report things of one class as pieces. Things have instances; only stuff has none.",
    ("if not categories[category] and category in seen", "if category in seen"),
)
problems.slip_of(
    right_problems,
    "things instead of stuff",
    "You report things in pieces and let stuff pass: `categories[category]` is True for a *thing*.",
    ("if not categories[category]", "if categories[category]"),
)
problems.slip_of(
    right_problems,
    "stuff may have instances",
    "You find no fault with stuff in several segments. Stuff cannot be counted: each kind has one segment at most.",
    ("sorted(listed - drawn), sorted(pieces)", "sorted(listed - drawn), []"),
)
problems.slip_of(
    right_problems,
    "one direction only",
    "You look for ids without a segment, but not for segments without pixels.",
    ("sorted(listed - drawn)", "sorted(listed - listed)"),
)
problems.slip_of(
    right_problems,
    "each further segment reported",
    "You report a kind of stuff once for each further segment. The third list names each category once.",
    ("seen, pieces = set(), set()", "seen, pieces = set(), []"),
    ("pieces.add(category)", "pieces.append(category)"),
)
problems.slip_of(
    right_problems,
    "ids for categories",
    "Your third list holds ids. It holds the categories of which there are several segments.",
    ("pieces.add(category)", 'pieces.add(segment["id"])'),
)
problems.slip_of(
    right_problems,
    "not sorted",
    "Your second list follows the order of the segments. All three increase: `sorted`.",
    ("sorted(listed - drawn)", "[segment['id'] for segment in segments if segment['id'] not in drawn]"),
)
problems.slip_of(
    right_problems,
    "lists exchanged",
    "You exchange the first two lists. First come ids of the map that no segment has.",
    ("sorted(drawn - listed), sorted(listed - drawn)", "sorted(listed - drawn), sorted(drawn - listed)"),
)


# ----------------------------------------------------------------------- 3 · matching

match = exercises.function(
    "match_segments",
    reference.match_segments,
    title="Which segment is which",
    points=5,
    difficulty=3,
    minutes=35,
    allowed=("segment_overlaps",),
    hints=(
        "For each predicted and each true segment of the same category: how many pixels have they in common, how "
        "many has each, and how many of the predicted one lie where the target has id 0? The last are no part of the "
        "union.",
        "Without a match, a predicted segment is still no false positive if its pixels on void and on the crowd of its "
        "own category are more than half of it.",
        "A crowd takes part in nothing but that: it is never matched, and never missed.",
    ),
)


@match.cases
def _(draw):
    thing = (_row(1, 1, 1, 1), _segments(_1=7))
    crowd = [{"id": 1, "category_id": 7, "iscrowd": 1}]
    two = [*crowd, {"id": 2, "category_id": 7, "iscrowd": 0}]
    yield Case((_row(3, 3, 3, 0), _segments(_3=7)), thing, words="three of four pixels")
    yield Case((_row(3, 3, 0, 0), _segments(_3=7)), thing, words="exactly half: no match", share=3.0)
    yield Case((_row(3, 3, 3, 3), _segments(_3=8)), thing, words="the right pixels, another category")
    yield Case(
        (_row(3, 3, 3, 3, 3, 0), _segments(_3=7)),
        (_row(0, 0, 2, 2, 2, 2), _segments(_2=7)),
        words="two of its five pixels lie on void: 3 of 4",
    )
    yield Case(
        (_row(3, 3, 3, 4, 4, 0), _segments(_3=7, _4=7)),
        (_row(0, 0, 2, 2, 2, 2), _segments(_2=8)),
        words="more than half of one lies on void",
    )
    yield Case(
        (_row(3, 3, 4, 4, 5, 5), _segments(_3=7, _4=7, _5=7)),
        (_row(0, 2, 2, 2, 2, 2), _segments(_2=8)),
        words="exactly half of one lies on void: that is no excuse",
        share=2.0,
    )
    yield Case(
        (_row(3, 3, 4, 4, 4, 5), _segments(_3=7, _4=8, _5=7)),
        (_row(1, 1, 1, 1, 1, 2), two),
        words="two of three on a crowd of category 7",
    )
    yield Case((_row(3, 3, 3, 3), _segments(_3=7)), (_row(1, 1, 1, 1), crowd), words="all of a crowd")
    yield Case(
        (_row(0, 3, 3, 3, 3, 0), _segments(_3=7)),
        (_row(2, 2, 2, 1, 1, 1), two),
        words="two of four on a crowd, which stays in the union",
    )
    yield Case(
        (_row(0, 0, 0, 0), []), (_row(1, 1, 2, 2), two), words="nothing was predicted; a crowd is not missed"
    )
    for n in range(draw.count):
        target = _random_result(draw, crowd=n % 2 == 1)
        yield Case(_roughly(draw, target), target, words="random segments")


def right_match(prediction, target):
    (found, found_list), (true, true_list) = prediction, target
    matches, wrong, explained = [], [], set()
    for p in found_list:
        here = found == p["id"]
        area, void, crowd = int(here.sum()), int((here & (true == 0)).sum()), 0
        mine = []
        for t in true_list:
            there = true == t["id"]
            both = int((here & there).sum())
            if p["category_id"] != t["category_id"]:
                continue
            if t.get("iscrowd", 0):
                crowd = both
                continue
            union = area + int(there.sum()) - both - void
            if both / union > 0.5:
                mine.append((p["id"], t["id"], both / union))
                explained.add(t["id"])
        matches += mine
        if not mine and (void + crowd) / area <= 0.5:
            wrong.append(p["id"])
    missed = [t["id"] for t in true_list if t["id"] not in explained and not t.get("iscrowd", 0)]
    return matches, wrong, missed


match.slip_of(
    right_match,
    "one half matches",
    "You match at an IoU of exactly one half. It must be more: two segments could have half each, and both would "
    "match.",
    ("both / union > 0.5", "both / union >= 0.5"),
)
match.slip_of(
    right_match,
    "void counted as error",
    "You keep void in the union. Nobody knows what is right there: pixels predicted on it cost nothing.",
    ("- both - void", "- both"),
)
match.slip_of(
    right_match,
    "void of the result taken off",
    "You take pixels off the union where the *result* has no segment. They are missed, and count. Only where the truth "
    "is void does nobody know.",
    ("- both - void", "- both - void - int((there & (found == 0)).sum())"),
)
match.slip_of(
    right_match,
    "crowd taken off the union",
    "You take pixels on a crowd off the union. A crowd excuses a segment without a match, and does nothing else.",
    (
        "        mine = []\n",
        "        mine = []\n"
        '        alike = [t["id"] for t in true_list if t.get("iscrowd") and t["category_id"] == p["category_id"]]\n'
        "        many = int((here & torch.isin(true, torch.tensor(alike))).sum())\n",
    ),
    ("- both - void", "- both - void - many"),
)
match.slip_of(
    right_match,
    "any crowd excuses",
    "You excuse a segment by a crowd of another category. What was said there is known to be wrong.",
    (
        """            if p["category_id"] != t["category_id"]:
                continue
            if t.get("iscrowd", 0):
                crowd = both
                continue
""",
        """            if t.get("iscrowd", 0):
                crowd += both
                continue
            if p["category_id"] != t["category_id"]:
                continue
""",
    ),
)
match.slip_of(
    right_match,
    "crowds not known",
    "You treat a crowd as one thing. Look at `iscrowd`: such a segment is never matched and never missed, and pixels "
    "on it excuse as void does.",
    ('if t.get("iscrowd", 0):', "if False:"),
    ('not in explained and not t.get("iscrowd", 0)]', "not in explained]"),
)
match.slip_of(
    right_match,
    "nothing excused",
    "You call every predicted segment without a match wrong. More than half of it on void, or on a crowd of its "
    "category, and nobody can say so.",
    ("if not mine and (void + crowd) / area <= 0.5:", "if not mine:"),
)
match.slip_of(
    right_match,
    "matched across categories",
    "You match segments of different categories. Right pixels with a wrong name are one false positive and one false "
    "negative.",
    ('if p["category_id"] != t["category_id"]:', "if False:"),
)
match.slip_of(
    right_match,
    "crowd is missed",
    "You count a crowd that nobody matched as a false negative. Nobody told its things apart: it cannot be missed.",
    ('not in explained and not t.get("iscrowd", 0)]', "not in explained]"),
)
match.slip_of(
    right_match,
    "crowd is matched",
    "You match a crowd as if it were one thing. It is a region in which things were not told apart; it only excuses.",
    ('if t.get("iscrowd", 0):', "if False:"),
)
match.slip_of(
    right_match,
    "crowd excuses nothing",
    "Void excuses a segment in your program, a crowd of its category does not. Both do, together.",
    ("crowd = both\n", "crowd = 0\n"),
)
match.slip_of(
    right_match,
    "half is an excuse",
    "You excuse a segment of which exactly half lies on void. It must be more than half.",
    ("/ area <= 0.5", "/ area < 0.5"),
)


# ----------------------------------------------------------------------- 4 · how good

quality = exercises.function(
    "mean_quality",
    reference.mean_quality,
    title="PQ, SQ, RQ",
    points=3,
    difficulty=2,
    minutes=18,
    allowed=("class_quality",),
    hints=(
        "First add the four numbers of each category over all images. Divide only then.",
        "$PQ$ is the sum of the IoUs over $TP + FP/2 + FN/2$, $SQ$ the same sum over $TP$, $RQ$ is $TP$ over "
        "$TP + FP/2 + FN/2$. Without a match $SQ$ is 0.",
        "A category of which nothing was counted is not in the mean. Without any category all three are NaN.",
    ),
)


@quality.cases
def _(draw):
    def counts():
        tp = draw.integer(0, 4)
        iou = sum(0.5 + 0.01 * draw.integer(1, 50) for _ in range(tp))
        return float(iou), tp, draw.integer(0, 4), draw.integer(0, 4)

    yield Case([{7: (1.5, 2, 1, 2)}], words="one category in one image")
    yield Case([{7: (0.9, 1, 0, 0)}, {7: (0.0, 0, 2, 8)}], words="found in one image, missed in the other")
    yield Case([{1: (0.8, 1, 0, 0), 7: (0.0, 0, 0, 0)}], words="a category of which nothing was counted")
    yield Case([{1: (0.8, 1, 0, 0), 7: (0.0, 0, 3, 1)}], words="a category without a match")
    yield Case([{1: (3.0, 4, 1, 0), 7: (0.6, 1, 0, 4)}], words="two categories of different size")
    yield Case([{}, {7: (0.0, 0, 0, 0)}], words="nothing at all: NaN", smoke=True)
    for _ in range(draw.count):
        images = [{c: counts() for c in (1, 7, 8) if draw.integer(0, 3)} for _ in range(draw.integer(2, 3))]
        yield Case([*images, {2: (1.4, 2, 1, 1)}], words="random counts")


def right_quality(images):
    total = {}
    for image in images:
        for category, counts in image.items():
            before = total.get(category, (0.0, 0, 0, 0))
            total[category] = [a + b for a, b in zip(before, counts, strict=True)]
    rows = []
    for iou, tp, fp, fn in total.values():
        size = tp + 0.5 * fp + 0.5 * fn
        if size > 0:
            rows.append((iou / size, iou / max(tp, 1), tp / size))
    if not rows:
        return float("nan"), float("nan"), float("nan")
    return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))


quality.slip_of(
    right_quality,
    "errors at full weight",
    "You count false positives and false negatives fully. Each weighs one half, so that $RQ$ is an F1 score.",
    ("tp + 0.5 * fp + 0.5 * fn", "tp + fp + fn"),
)
quality.slip_of(
    right_quality,
    "absent category as 0",
    "You average a category of which nothing was counted as 0. Nothing can be said about it: leave it out.",
    ("if size > 0:\n            rows.append((iou / size, iou / max(tp, 1), tp / size))",
     "rows.append((iou / max(size, 1), iou / max(tp, 1), tp / max(size, 1)))"),
)  # fmt: skip
quality.slip_of(
    right_quality,
    "SQ of matched categories only",
    "Your mean $SQ$ leaves categories without a match out. Their $SQ$ is 0, and they are in all three means.",
    (
        "return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))",
        "found = [sq for _, sq, _ in rows if sq]\n"
        "    pq, _, rq = (sum(column) / len(rows) for column in zip(*rows, strict=True))\n"
        "    return pq, sum(found) / max(len(found), 1), rq",
    ),
)
quality.slip_of(
    right_quality,
    "categories thrown together",
    "You add the counts of all categories. Then frequent ones decide; each category should weigh the same.",
    ("total.get(category, (0.0, 0, 0, 0))", "total.get(0, (0.0, 0, 0, 0))"),
    ("total[category] =", "total[0] ="),
)
quality.slip_of(
    right_quality,
    "PQ as a product of means",
    "Your $PQ$ is the product of the mean $SQ$ and the mean $RQ$. $PQ = SQ \\times RQ$ holds for each category; a "
    "mean of products is not the product of means.",
    (
        "return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))",
        "_, sq, rq = (sum(column) / len(rows) for column in zip(*rows, strict=True))\n    return sq * rq, sq, rq",
    ),
)


@quality.slip(
    "mean of the images",
    "You compute the quality of each image and average that. Add the counts of all images first: an image with one "
    "thing must not weigh as much as one with nine.",
)
def _(images):
    values = {}
    for image in images:
        for category, (iou, tp, fp, fn) in image.items():
            size = tp + 0.5 * fp + 0.5 * fn
            if size > 0:
                values.setdefault(category, []).append((iou / size, iou / max(tp, 1), tp / size))
    if not values:
        return float("nan"), float("nan"), float("nan")
    means = [[sum(column) / len(rows) for column in zip(*rows, strict=True)] for rows in values.values()]
    return tuple(sum(column) / len(means) for column in zip(*means, strict=True))


@quality.slip(
    "mean of the images' means",
    "You average the categories of each image, and then the images. Add the counts of all images first, then divide, "
    "once a category.",
)
def _(images):
    means = []
    for image in images:
        rows = []
        for iou, tp, fp, fn in image.values():
            size = tp + 0.5 * fp + 0.5 * fn
            if size > 0:
                rows.append((iou / size, iou / max(tp, 1), tp / size))
        if rows:
            means.append([sum(column) / len(rows) for column in zip(*rows, strict=True)])
    if not means:
        return float("nan"), float("nan"), float("nan")
    return tuple(sum(column) / len(means) for column in zip(*means, strict=True))


# ----------------------------------------------------------------------- 5 · two heads, one result

fuse = exercises.function(
    "fuse_panoptic",
    fusion.fuse_panoptic,
    title="Fuse instances and stuff",
    points=5,
    difficulty=3,
    minutes=30,
    hints=(
        "Start with a map of zeros. Take masks by decreasing score (`argsort`, stable and descending), and count how "
        "many of a mask's pixels are taken already.",
        "More than `overlap_threshold` of its own area taken: drop it. Else it gets the pixels that are still 0, if "
        "any.",
        "Then each kind of stuff gets what is still 0 of it, if that is at least `stuff_area_limit` pixels. Neither "
        "0 nor `ignore_index` is stuff.",
    ),
)


@fuse.cases
def _(draw):
    def mask(*pixels, width=8):
        return torch.isin(torch.arange(width), torch.tensor(pixels))[None]

    def case(masks, scores, labels, semantic, words, limit=2, **settings):
        masks = torch.stack(masks)
        return Case(
            masks, torch.tensor(scores), torch.tensor(labels), _row(*semantic),
            words=words, stuff_area_limit=limit, **settings,
        )  # fmt: skip

    empty = [0] * 8
    two = [mask(1, 2, 3), mask(0, 1)]
    yield case(two, [0.9, 0.6], [7, 8], [0, 0, 0, 0, 1, 1, 2, 2], "two things and two kinds of stuff")
    yield case(two, [0.6, 0.9], [7, 8], empty, "the second has the higher score")
    yield case(
        [mask(0, 1, 2, 3, 4, 5), mask(4, 5, 6)], [0.9, 0.8], [7, 8], empty,
        "two thirds of the small mask are taken, a small part of their union",
    )  # fmt: skip
    yield case([mask(0, 1), mask(1, 2)], [0.9, 0.8], [7, 7], [1] * 8, "exactly half is taken: it stays")
    yield case(
        [mask(0, 1, 2), mask(1, 2, 3), mask(3, 4)], [0.9, 0.8, 0.7], [7, 7, 8], empty,
        "a mask that was dropped takes no pixels",
    )  # fmt: skip
    yield case(
        [mask(0, 1)], [0.9], [7], [1, 1, 1, 0, 2, 2, 255, 255], "one pixel of stuff 1 is left: too little"
    )
    yield case(
        [mask(6, 7)], [0.9], [7], [1, 2, 2, 2, 0, 0, 2, 2], "a single pixel of stuff 1 in all of the map"
    )
    yield case(
        [mask(3)], [0.9], [7], [1, 1, 1, 1, 1, 1, 2, 2], "a thing stands before stuff and cuts it in two"
    )
    yield case([mask(0, 1), mask(5)], [0.5, 0.49], [7, 8], empty, "a score at the threshold, and one below")
    yield case([mask(0, 1), mask(1, 2)], [0.8, 0.8], [7, 8], empty, "equal scores: the first goes first")
    yield case(
        [mask(0, 1, 2), mask(2, 3, 4)], [0.9, 0.8], [7, 7], empty, "a third is taken, and a quarter allowed",
        overlap_threshold=0.25,
    )  # fmt: skip
    yield case(
        [mask(), mask(0, 1)], [0.9, 0.8], [7, 8], [0, 0, 0, 3, 3, 3, 2, 2],
        "an empty mask; class 3 is to be ignored", ignore_index=3,
    )  # fmt: skip
    for _ in range(draw.count):
        count, masks = draw.integer(2, 5), torch.zeros(6, 6, 8, dtype=torch.bool)
        for k in range(count):
            y, x = draw.integer(0, 4), draw.integer(0, 5)
            masks[k, y : y + draw.integer(2, 4), x : x + draw.integer(2, 5)] = True
        scores = draw.permutation(10)[:count] / 10 + 0.05
        semantic = draw.integers((6, 8), 0, 3, torch.int64)
        yield Case(
            masks[:count], scores, draw.integers((count,), 7, 9, torch.int64), semantic,
            stuff_area_limit=draw.integer(2, 9), score_threshold=0.3, words="random masks",
        )  # fmt: skip


def right_fuse(
    masks, scores, labels, semantic, overlap_threshold=0.5, stuff_area_limit=4096, score_threshold=0.5,
    ignore_index=255,
):  # fmt: skip
    ids, segments = torch.zeros_like(semantic), []
    for k in scores.argsort(descending=True, stable=True).tolist():
        mask = masks[k]
        free = mask & (ids == 0)
        area = int(mask.sum())
        taken = area - int(free.sum())
        if scores[k] < score_threshold or taken == area or taken / area > overlap_threshold:
            continue
        segments.append({"id": len(segments) + 1, "category_id": int(labels[k])})
        ids[free] = len(segments)
    for category in semantic.unique().tolist():
        free = (semantic == category) & (ids == 0)
        if category in (0, ignore_index) or int(free.sum()) < stuff_area_limit:
            continue
        segments.append({"id": len(segments) + 1, "category_id": category})
        ids[free] = len(segments)
    return ids, segments


fuse.slip_of(
    right_fuse,
    "in the order given",
    "You place masks in the order in which they come. The surest goes first: sort by score, descending.",
    ("scores.argsort(descending=True, stable=True).tolist()", "range(len(scores))"),
)
fuse.slip_of(
    right_fuse,
    "the least sure first",
    "You place the masks with the lowest scores first. Sort in descending order.",
    ("descending=True, stable=True", "stable=True"),
)
fuse.slip_of(
    right_fuse,
    "equal scores turned round",
    "Of masks with equal scores you place the last one first. The first goes first: `descending=True, stable=True`.",
    ("scores.argsort(descending=True, stable=True).tolist()", "scores.argsort(stable=True).flip(0).tolist()"),
)
fuse.slip_of(
    right_fuse,
    "always one half",
    "You drop a mask of which more than a half is taken, whatever `overlap_threshold` is.",
    ("taken / area > overlap_threshold", "taken / area > 0.5"),
)
fuse.slip_of(
    right_fuse,
    "always 255",
    "You ignore class 255 of the class map, whatever `ignore_index` is.",
    ("(0, ignore_index)", "(0, 255)"),
)
fuse.slip_of(
    right_fuse,
    "empty masks divide by 0",
    "A mask without pixels has area 0, and you divide by it. It makes no segment.",
    (
        "taken == area or taken / area > overlap_threshold",
        "taken / area > overlap_threshold or taken == area",
    ),
)
fuse.slip_of(
    right_fuse,
    "score at the threshold dropped",
    "You drop a mask whose score is just `score_threshold`. Those from it on are placed.",
    ("scores[k] < score_threshold", "scores[k] <= score_threshold"),
)
fuse.slip_of(
    right_fuse,
    "limit for things, too",
    "You drop things with few free pixels. The limit is for stuff; a thing may be as small as it is.",
    ("taken == area or", "area - taken < stuff_area_limit or"),
)
fuse.slip_of(
    right_fuse,
    "ids that name the class",
    "Your ids say the class, as encoded numbers do. Here they count from 1, in the order of placing; the list says "
    "what each id is.",
    (
        'segments.append({"id": len(segments) + 1, "category_id": int(labels[k])})\n        ids[free] = len(segments)',
        'number = 1000 * int(labels[k]) + 1 + sum(s["category_id"] == int(labels[k]) for s in segments)\n'
        '        segments.append({"id": number, "category_id": int(labels[k])})\n'
        "        ids[free] = number",
    ),
    (
        'segments.append({"id": len(segments) + 1, "category_id": category})\n        ids[free] = len(segments)',
        'segments.append({"id": 1000 * category, "category_id": category})\n        ids[free] = 1000 * category',
    ),
)


@fuse.slip(
    "stuff first",
    "You place stuff first, and the masks get what is left. It is the other way round: things stand before stuff.",
)
def _(
    masks, scores, labels, semantic, overlap_threshold=0.5, stuff_area_limit=4096, score_threshold=0.5,
    ignore_index=255,
):  # fmt: skip
    ids, segments = torch.zeros_like(semantic), []
    for category in semantic.unique().tolist():
        free = (semantic == category) & (ids == 0)
        if category in (0, ignore_index) or int(free.sum()) < stuff_area_limit:
            continue
        segments.append({"id": len(segments) + 1, "category_id": category})
        ids[free] = len(segments)
    for k in scores.argsort(descending=True, stable=True).tolist():
        free = masks[k] & (ids == 0)
        area, left = int(masks[k].sum()), int(free.sum())
        if scores[k] < score_threshold or left == 0 or (area - left) / area > overlap_threshold:
            continue
        segments.append({"id": len(segments) + 1, "category_id": int(labels[k])})
        ids[free] = len(segments)
    return ids, segments


fuse.slip_of(
    right_fuse,
    "share of the union",
    "You divide what is taken by the union with all that is placed. A small mask on a large one then always stays: "
    "divide by its own area.",
    ("taken / area > overlap_threshold", "taken / int((mask | (ids > 0)).sum()) > overlap_threshold"),
)
fuse.slip_of(
    right_fuse,
    "overwritten",
    "A mask gets all its pixels, those too that a surer one had. It gets only those that are still 0.",
    ("ids[free] = len(segments)\n    for", "ids[mask] = len(segments)\n    for"),
)
fuse.slip_of(
    right_fuse,
    "zero is written",
    'You make a segment of class 0. In this class map it says "some thing", and that is for the masks to say.',
    ("if category in (0, ignore_index)", "if category == ignore_index"),
)
fuse.slip_of(
    right_fuse,
    "stuff in pieces",
    "You make a segment of each connected piece of stuff. Stuff has no instances: all that is left of a kind is one "
    "segment, also where a thing cuts it in two.",
    (
        """            continue
        segments.append({"id": len(segments) + 1, "category_id": category})
        ids[free] = len(segments)
    return""",
        """            continue
        while free.any():
            piece = torch.zeros_like(free)
            piece.view(-1)[free.flatten().nonzero()[0]] = True
            for _ in range(free.numel()):
                grown = torch.zeros_like(free)
                for y, x in piece.nonzero().tolist():
                    grown[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = True
                grown &= free
                if torch.equal(grown, piece):
                    break
                piece = grown
            free &= ~piece
            segments.append({"id": len(segments) + 1, "category_id": category})
            ids[piece] = len(segments)
    return""",
    ),
)
fuse.slip_of(
    right_fuse,
    "small stuff kept",
    "You keep stuff however little of it is left. Below `stuff_area_limit` its pixels stay void.",
    ("or int(free.sum()) < stuff_area_limit:", "or not free.any():"),
)
fuse.slip_of(
    right_fuse,
    "stuff measured before the things",
    "You compare all pixels of a kind of stuff with the limit. Only those count that no thing has taken.",
    ("or int(free.sum()) < stuff_area_limit:", "or int((semantic == category).sum()) < stuff_area_limit:"),
)
fuse.slip_of(
    right_fuse,
    "every score placed",
    "You place masks whose score is below `score_threshold`.",
    ("scores[k] < score_threshold or taken == area", "taken == area"),
)
fuse.slip_of(
    right_fuse,
    "half taken is dropped",
    "You drop a mask of which exactly `overlap_threshold` is taken. It goes only if it is more.",
    ("taken / area > overlap_threshold", "taken / area >= overlap_threshold"),
)


# ----------------------------------------------------------------------- 6 · the pyramid

pyramid = exercises.function(
    "merge_top_down",
    fusion.merge_top_down,
    title="The merge of a feature pyramid",
    points=2,
    difficulty=2,
    minutes=12,
    hints=(
        "Begin with the coarsest map, the last. Enlarge it, add it to the one before, and go on with the sum.",
        "`F.interpolate` with `size=` and `mode='nearest'` gives any size, also one that is not double.",
    ),
)


@pyramid.cases
def _(draw):
    def maps(*sizes, channels=2):
        return [draw.normal((1, channels, *size)) for size in sizes]

    yield Case(maps((4, 4), (2, 2)), words="two levels")
    yield Case(maps((8, 4), (4, 2), (2, 1)), words="three levels: the finest hears of the coarsest")
    yield Case(maps((7, 5), (4, 3), (2, 2)), words="odd sizes")
    yield Case(maps((5, 6), (4, 4), (3, 3)), words="sizes that are no halves")
    yield Case(
        maps((4, 4), (2, 2), (1, 1), channels=1), gradient=True, words="gradients with respect to all levels"
    )
    for _ in range(draw.count):
        h, w = draw.integer(5, 9), draw.integer(5, 9)
        yield Case(
            maps((h, w), ((h + 1) // 2, (w + 1) // 2), ((h + 3) // 4, (w + 3) // 4)), words="random sizes"
        )


def right_pyramid(levels):
    merged = [levels[-1]]
    for level in reversed(levels[:-1]):
        above = torch.nn.functional.interpolate(merged[0], size=level.shape[-2:], mode="nearest")
        merged.insert(0, level + above)
    return merged


pyramid.slip_of(
    right_pyramid,
    "bilinear",
    "You enlarge by bilinear interpolation. The pyramid takes the nearest pixel; its 3x3 convolutions smooth "
    "afterwards.",
    ('mode="nearest"', 'mode="bilinear", align_corners=False'),
)
pyramid.slip_of(
    right_pyramid,
    "only the next level",
    "You add the next coarser map as it came in, not its sum. So the finest level never hears of the coarsest.",
    (
        "for level in reversed(levels[:-1]):\n        above = torch.nn.functional.interpolate(merged[0],",
        "for level, coarser in reversed(list(zip(levels, levels[1:], strict=False))):\n"
        "        above = torch.nn.functional.interpolate(coarser,",
    ),
)
pyramid.slip_of(
    right_pyramid,
    "from coarse to fine",
    "Your list goes from coarse to fine. It should have the order of what came in.",
    ("return merged", "return merged[::-1]"),
)
pyramid.slip_of(
    right_pyramid,
    "averaged",
    "You average the two maps. They are added: the next layer finds its own weights.",
    ("level + above", "(level + above) / 2"),
)


@pyramid.slip(
    "straight from each level",
    "You enlarge each coarse map to each finer size at once. Go step by step and take the sum along: with odd sizes "
    "the nearest pixel of the nearest pixel is another one.",
)
def _(levels):
    merged = []
    for i, level in enumerate(levels):
        for coarser in levels[i + 1 :]:
            level = level + torch.nn.functional.interpolate(
                coarser, size=levels[i].shape[-2:], mode="nearest"
            )
        merged.append(level)
    return merged


@pyramid.slip(
    "doubled and cut",
    "You double the coarser map and cut off what is too much. Where sizes are no halves its pixels then lie beside "
    "those that they belong to: enlarge to the exact size.",
)
def _(levels):
    merged = [levels[-1]]
    for level in reversed(levels[:-1]):
        above = torch.nn.functional.interpolate(merged[0], scale_factor=2, mode="nearest")
        merged.insert(0, level + above[..., : level.shape[-2], : level.shape[-1]])
    return merged


# ----------------------------------------------------------------------- 7 · the loss

loss = exercises.function(
    "panoptic_loss",
    fusion.panoptic_loss,
    title="One loss for two heads",
    points=1,
    difficulty=1,
    minutes=5,
    hints=(
        "$L = \\lambda_i (L_c + L_b + L_m) + \\lambda_s L_s$.",
        "Stay with tensors: the gradient must flow back to all four.",
    ),
)


@loss.cases
def _(draw):
    def four():
        return list(draw.uniform((4,), 0.1, 3.0).unbind())

    yield Case(
        *torch.tensor([1.0, 2.0, 3.0, 4.0]).unbind(), words="1, 2, 3 and 4 with the weights as they are"
    )
    yield Case(*four(), lambda_i=2.0, lambda_s=0.25, gradient=True, words="other weights, and the gradient")
    yield Case(*four(), lambda_i=0.0, lambda_s=3.0, words="instances off")
    for _ in range(draw.count):
        yield Case(
            *four(), 0.25 * draw.integer(1, 8), 0.3 * draw.integer(1, 8), words="random losses and weights"
        )


def right_loss(class_loss, box_loss, mask_loss, semantic_loss, lambda_i=1.0, lambda_s=0.5):
    return lambda_i * (class_loss + box_loss + mask_loss) + lambda_s * semantic_loss


loss.slip_of(
    right_loss,
    "weights exchanged",
    "You weigh the instances with `lambda_s` and the class map with `lambda_i`.",
    (
        "lambda_i * (class_loss + box_loss + mask_loss) + lambda_s *",
        "lambda_s * (class_loss + box_loss + mask_loss) + lambda_i *",
    ),
)
loss.slip_of(
    right_loss,
    "parentheses missing",
    "You weigh the class loss alone with `lambda_i`. It belongs to all three losses of the instances.",
    ("lambda_i * (class_loss + box_loss + mask_loss)", "lambda_i * class_loss + box_loss + mask_loss"),
)
loss.slip_of(
    right_loss,
    "instance losses averaged",
    "You average the three losses of the instances. They are added.",
    ("(class_loss + box_loss + mask_loss)", "(class_loss + box_loss + mask_loss) / 3"),
)
loss.slip_of(
    right_loss,
    "class map unweighed",
    "You add the loss of the class map without its weight `lambda_s`.",
    ("lambda_s * semantic_loss", "semantic_loss"),
)
