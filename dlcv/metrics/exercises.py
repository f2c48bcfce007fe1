"""What chapter 05 asks: cases, forbidden calls, and the slips that learners really make.

Most slips are one wrong line. They stand beside the right program that they are a line of.
"""

from __future__ import annotations

import torch

from dlcv import metrics
from dlcv.checking import Case, Exercises, Forbidden
from dlcv.checking.derivation import is_solved_for
from dlcv.metrics import reference

exercises = Exercises("metrics")
check = exercises.check

COUNTING = Forbidden(
    "a ready-made confusion matrix",
    names=("confusion_matrix", "contingency_matrix", "jaccard_score", "f1_score", "accuracy_score"),
)
EROSION = Forbidden(
    "a ready-made erosion or distance map",
    names=(
        "*erosion", "*dilation", "erode", "dilate", "distance_transform_*", "find_boundaries", "morphology*",
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------------------- 1 · counting

counting = exercises.function(
    "confusion_matrix",
    reference.confusion_matrix,
    title="The confusion matrix in one pass",
    points=3,
    difficulty=2,
    minutes=12,
    forbidden=(COUNTING,),
    numpy=True,
    hints=(
        "Throw ignored pixels away first: `target != ignore_index` says which stay, in both maps.",
        "Make one number of each pair: `target * num_classes + prediction`. How many different numbers can there be?",
        "`torch.bincount` counts whole numbers; its `minlength` keeps numbers that do not occur. Then `reshape`.",
    ),
)


@counting.cases
def _(draw):
    def maps(h=5, w=6, classes=3):
        return draw.integers((h, w), 0, classes, torch.int64)

    def with_void(target, void=255):
        holes = draw.uniform(tuple(target.shape)) < 0.3
        holes[0, 0] = True
        return target.masked_fill(holes, void)

    yield Case(
        torch.tensor([[1, 1, 1, 0]]),
        torch.tensor([[0, 0, 1, 0]]),
        2,
        words="four pixels: rows are true classes",
    )
    yield Case(maps(), maps(), 3, words="three classes")
    yield Case(maps(classes=2), maps(classes=2), 4, words="two of four classes never occur")
    yield Case(maps(), with_void(maps()), 3, words="some pixels are ignored")
    yield Case(maps(), with_void(maps(), 7), 3, ignore_index=7, words="another label is ignored")
    yield Case(maps(), with_void(maps(), -1), 3, ignore_index=-1, words="ignored pixels have the label -1")
    yield Case(maps(), maps(), 3, ignore_index=1, words="one of the classes is ignored")
    for _ in range(draw.count):
        classes, h, w = draw.integer(3, 6), draw.integer(6, 9), draw.integer(6, 9)
        yield Case(maps(h, w, classes), with_void(maps(h, w, classes)), classes, words="random maps")


def right_counting(prediction, target, num_classes, ignore_index=255):
    keep = target != ignore_index
    pairs = target[keep] * num_classes + prediction[keep]
    counts = torch.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


counting.slip_of(
    right_counting,
    "rows and columns swapped",
    "Your rows are predicted classes. Rows are true classes: the target comes first in the pair.",
    ("target[keep] * num_classes + prediction[keep]", "prediction[keep] * num_classes + target[keep]"),
)
counting.slip_of(
    right_counting,
    "ignored pixels counted as class 0",
    "You count ignored pixels as class 0. They belong to no class: leave them out before you count.",
    (
        "keep = target != ignore_index",
        "keep, target = target == target, target.where(target != ignore_index, 0)",
    ),
)
counting.slip_of(
    right_counting,
    "always ignores 255",
    "You leave out label 255 and not `ignore_index`. Data sets differ in the label that stands for void.",
    (
        "keep = target != ignore_index",
        "keep, target = target != 255, target.where(target != ignore_index, 0)",
    ),
)


counting.slip_of(
    right_counting,
    "what is no class left out",
    "You leave out the labels that are no class, whatever `ignore_index` says. It may be a class, too, which is then "
    "not counted.",
    ("keep = target != ignore_index", "keep = (target >= 0) & (target < num_classes)"),
)
counting.slip_of(
    right_counting,
    "void looked for in the prediction",
    "You leave out pixels by what was predicted. Nobody predicts void: it is the *target* that says which pixels are "
    "not counted.",
    ("keep = target != ignore_index", "keep = prediction != ignore_index"),
)
counting.slip_of(
    right_counting,
    "pairs that do not occur are missing",
    "Your counts end at the last pair that occurs, so they do not fill the table. Give `torch.bincount` a `minlength`.",
    (", minlength=num_classes**2", ""),
)


@counting.slip(
    "each pair counted once",
    "`confusion[target, prediction] += 1` with arrays of indices adds 1 to each cell once, however often it is listed. "
    "Count with `torch.bincount`.",
)
def _(prediction, target, num_classes, ignore_index=255):
    keep = target != ignore_index
    confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    confusion[target[keep], prediction[keep]] += 1
    return confusion


counting.slip_of(
    right_counting,
    "only right pixels counted",
    "You count the diagonal only. A confusion matrix also holds which class was taken for which.",
    ("keep = target != ignore_index", "keep = (target != ignore_index) & (target == prediction)"),
)


# --------------------------------------------------------------------------------------- 2 · IoU and Dice

iou = exercises.function(
    "class_iou",
    reference.class_iou,
    title="IoU of each class",
    points=2,
    difficulty=2,
    minutes=8,
    forbidden=(COUNTING,),
    numpy=True,
    hints=(
        "Where do the pixels of class c stand that are right? Where all that are truly c, and all predicted as c?",
        "Right is the `diagonal`; truly c is a row's `sum`, predicted as c is a column's.",
        "The union counts the intersection once: row + column - diagonal. 0 / 0 is NaN by itself, which is what is "
        "wanted for a class that occurs nowhere.",
    ),
)


def _confusion(draw, classes=3, low=1):
    return draw.integers((classes, classes), low, 20, torch.int64)


@iou.cases
def _(draw):
    yield Case(torch.tensor([[95, 0], [5, 0]]), words="background everywhere: 0.95 and 0")
    yield Case(_confusion(draw), words="three classes, all mixed up")
    absent = _confusion(draw)
    absent[1], absent[:, 1] = 0, 0
    yield Case(absent, words="class 1 occurs neither in the target nor in the prediction: NaN")
    invented = _confusion(draw)
    invented[2] = 0
    yield Case(invented, words="class 2 is only predicted: 0")
    for _ in range(draw.count):
        yield Case(_confusion(draw, draw.integer(2, 6)), words="random counts")


def right_iou(confusion):
    right = confusion.diagonal()
    union = confusion.sum(1) + confusion.sum(0) - right
    return right / union


iou.slip_of(
    right_iou,
    "intersection counted twice",
    "You divide by the sum of both areas, in which the intersection stands twice. The union has it once: take it away.",
    (" - right", ""),
)
iou.slip_of(
    right_iou,
    "recall",
    "You divide by the true pixels only, which is recall. Pixels wrongly given to the class count, too.",
    ("confusion.sum(1) + confusion.sum(0) - right", "confusion.sum(1)"),
)
iou.slip_of(
    right_iou,
    "precision",
    "You divide by the predicted pixels only, which is precision. Pixels of the class that were missed count, too.",
    ("confusion.sum(1) + confusion.sum(0) - right", "confusion.sum(0)"),
)
iou.slip_of(
    right_iou,
    "Dice",
    "This is Dice: twice the overlap over the sum of both areas. IoU has the overlap once, over the union.",
    ("return right / union", "return 2 * right / (union + right)"),
)
iou.slip_of(
    right_iou,
    "absent class as 0",
    "A class that occurs nowhere gets 0 in yours, as if everything about it were wrong. Nothing is known: NaN.",
    ("right / union", "right / union.clamp(min=1)"),
)
iou.slip_of(
    right_iou,
    "absent class as 1",
    "A class that occurs nowhere gets 1 in yours, so a mean rises for free. Nothing is known: NaN.",
    ("right / union", "torch.where(union > 0, right / union, 1.0)"),
)

iou.slip_of(
    right_iou,
    "absent class dropped",
    "You return fewer numbers than there are classes, so nobody knows which is whose. Leave NaN in the place of a "
    "class that occurs nowhere.",
    ("return right / union", "return (right / union)[union > 0]"),
)

overlap = exercises.function(
    "dice",
    reference.dice,
    title="Dice of each class",
    points=2,
    difficulty=1,
    minutes=6,
    forbidden=(COUNTING,),
    numpy=True,
    hints=(
        "Dice compares the overlap with the two areas, not with their union.",
        "Twice the `diagonal`, over a row's `sum` plus a column's `sum`.",
        "Equal maps must give 1: the factor 2 sees to that.",
    ),
)
overlap.cases(iou._cases)


def right_dice(confusion):
    right = confusion.diagonal()
    areas = confusion.sum(1) + confusion.sum(0)
    return 2 * right / areas


overlap.slip_of(
    right_dice,
    "union in the denominator",
    "You divide by the union. Dice's denominator is the sum of both areas; the union belongs to IoU.",
    ("confusion.sum(1) + confusion.sum(0)", "confusion.sum(1) + confusion.sum(0) - right"),
)
overlap.slip_of(
    right_dice,
    "overlap counted once",
    "The factor 2 is missing, so a perfect map gets one half. The overlap lies in both areas.",
    ("2 * right", "right"),
)
overlap.slip_of(
    right_dice,
    "IoU",
    "This is IoU: the overlap over the union. Dice is twice the overlap over the sum of both areas.",
    ("2 * right / areas", "right / (areas - right)"),
)
overlap.slip_of(
    right_dice,
    "absent class as 0",
    "A class that occurs nowhere gets 0 in yours. Nothing is known about it: NaN.",
    ("right / areas", "right / areas.clamp(min=1)"),
)


overlap.slip_of(
    right_dice,
    "harmonic mean of precision and recall",
    "Where a class was never predicted, or is not there, one of the two is 0 / 0, and your mean is NaN. Twice the "
    "overlap over both areas gives 0 there.",
    (
        "return 2 * right / areas",
        "precision, recall = right / confusion.sum(0), right / confusion.sum(1)\n"
        "    return 2 * precision * recall / (precision + recall)",
    ),
)


# ----------------------------------------------------------------------------------------- 3 · the data set

whole = exercises.function(
    "dataset_mean_iou",
    reference.dataset_mean_iou,
    title="Mean IoU of a data set",
    points=3,
    difficulty=2,
    minutes=10,
    forbidden=(COUNTING,),
    allowed=("confusion_matrix", "class_iou"),
    numpy=True,
    hints=(
        "What is added over the images: scores, or counts?",
        "Add the images' matrices of `metrics.confusion_matrix`. Then one call of `metrics.class_iou`.",
        "Classes that occur nowhere are NaN and stay out of the mean: `nanmean`.",
    ),
)


@whole.cases
def _(draw):
    def maps(h, w, classes):
        return draw.integers((h, w), 0, classes, torch.int64)

    def noisy(target, classes, share):
        other = draw.integers(tuple(target.shape), 0, classes, torch.int64)
        return torch.where(draw.uniform(tuple(target.shape)) < share, other, target)

    def data(classes, sizes, share=0.4, used=None, void=False):
        targets = [maps(*size, used or classes) for size in sizes]
        predictions = [noisy(target.clamp(max=classes - 1), used or classes, share) for target in targets]
        if void:
            targets = [target.masked_fill(draw.uniform(tuple(target.shape)) < 0.3, 255) for target in targets]
        return predictions, targets, classes

    yield Case(*data(3, [(5, 6)]), words="one image")
    yield Case(*data(2, [(2, 2), (8, 8)], 0.6), words="a small and a large image: counts are added first")
    yield Case(*data(5, [(4, 5), (6, 3)], used=3), words="two of five classes occur nowhere: left out")
    yield Case(*data(3, [(5, 5), (4, 7)], void=True), words="ignored pixels")
    blank = torch.zeros(4, 4, dtype=torch.int64)
    half = (torch.arange(16).reshape(4, 4) < 8).long()
    yield Case([blank, half], [half, half], 2, words="a class that one image misses and the other finds")
    yield Case(
        [half, 2 * half], [half, half], 3, words="a class that is only predicted: its IoU is 0, and it counts"
    )
    yield Case(*data(3, [(5, 5), (4, 7)])[:2], 3, ignore_index=0, words="another label is ignored")
    for _ in range(draw.count):
        sizes = [(draw.integer(2, 4), draw.integer(2, 4)), (draw.integer(5, 8), draw.integer(5, 8))]
        yield Case(
            *data(draw.integer(3, 4), sizes, 0.5, void=draw.boolean()), words="random images of two sizes"
        )


def right_whole(predictions, targets, num_classes, ignore_index=255):
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for prediction, target in zip(predictions, targets, strict=True):
        total += metrics.confusion_matrix(prediction, target, num_classes, ignore_index)
    return metrics.class_iou(total).nanmean()


@whole.slip(
    "mean over images",
    "You take the mean of the images' scores, so a small image weighs as much as a large one, and classes that an "
    "image lacks are lost. Add the counts of all images first, then divide once.",
)
def _(predictions, targets, num_classes, ignore_index=255):
    scores = []
    for prediction, target in zip(predictions, targets, strict=True):
        confusion = metrics.confusion_matrix(prediction, target, num_classes, ignore_index)
        scores.append(metrics.class_iou(confusion).nanmean())
    return torch.stack(scores).nanmean()


@whole.slip(
    "mean over images, class by class",
    "You take each class's mean over the images. An image with a few pixels of a class then weighs as much as one that "
    "is full of it. Add the counts of all images first.",
)
def _(predictions, targets, num_classes, ignore_index=255):
    scores = []
    for prediction, target in zip(predictions, targets, strict=True):
        scores.append(
            metrics.class_iou(metrics.confusion_matrix(prediction, target, num_classes, ignore_index))
        )
    return torch.stack(scores).nanmean(0).nanmean()


whole.slip_of(
    right_whole,
    "absent class as 0",
    "A class that occurs nowhere counts as 0 in your mean. Leave it out: `nanmean`.",
    ("metrics.class_iou(total).nanmean()", "metrics.class_iou(total).nan_to_num(0).mean()"),
)
whole.slip_of(
    right_whole,
    "absent class as 1",
    "A class that occurs nowhere counts as 1 in your mean. Leave it out: `nanmean`.",
    ("metrics.class_iou(total).nanmean()", "metrics.class_iou(total).nan_to_num(1).mean()"),
)
whole.slip_of(
    right_whole,
    "NaN in the mean",
    "Your mean is NaN: a class that occurs nowhere has no IoU. Leave it out of the mean: `nanmean`.",
    ("nanmean()", "mean()"),
)
whole.slip_of(
    right_whole,
    "only predicted, left out",
    "You leave out a class that is in no target. It was predicted, wrongly each time: its IoU is 0, and it counts.",
    ("metrics.class_iou(total).nanmean()", "metrics.class_iou(total)[total.sum(1) > 0].mean()"),
)
whole.slip_of(
    right_whole,
    "ignore_index not handed on",
    "You take `ignore_index` and do not hand it on to `metrics.confusion_matrix`, which then ignores 255.",
    ("num_classes, ignore_index)\n    return", "num_classes)\n    return"),
)
whole.slip_of(
    right_whole,
    "ignored pixels counted as errors",
    "You count ignored pixels as wrong. No one knows their class: they are not counted at all.",
    (
        "        total +=",
        "        void = target == ignore_index\n"
        "        target = torch.where(void, (prediction + 1) % num_classes, target)\n"
        "        total +=",
    ),
)
whole.slip_of(
    right_whole,
    "weighted by frequency",
    "You weigh classes by their pixels. In mean IoU each class that occurs counts the same, however rare.",
    (
        "metrics.class_iou(total).nanmean()",
        "(metrics.class_iou(total).nan_to_num(0) * total.sum(1)).sum() / total.sum()",
    ),
)


# ------------------------------------------------------------------------------------------ 4 · the trap

trap = exercises.function(
    "background_everywhere",
    reference.background_everywhere,
    title="The trap, with numbers",
    points=2,
    difficulty=1,
    minutes=6,
    numpy=True,
    hints=(
        "Write down the confusion matrix for 100 pixels of which 95 are background.",
        "Background: 95 right, union 100. The object: 0 right, union 5.",
        "And with `share` 1? Then there is no object, neither true nor predicted, and it stays out of the mean.",
    ),
)


@trap.cases
def _(draw):
    yield Case(0.95, words="95% background: accuracy 0.95")
    yield Case(0.5, words="half and half")
    yield Case(0.999, words="99.9% background")
    yield Case(1.0, words="no object at all: both are 1", smoke=True)
    yield Case(0.0, words="no background at all: both are 0", smoke=True)
    for _ in range(draw.count):
        yield Case(draw.integer(10, 990) / 1000, words="a random share")


def right_trap(share):
    accuracy = share
    mean_iou = share / 2 if share < 1 else 1.0
    return accuracy, mean_iou


trap.slip_of(
    right_trap,
    "object left out of the mean",
    "You leave the object out of the mean because it was never predicted. It is in the target: its IoU is "
    "0, and it counts.",
    ("share / 2 if share < 1 else 1.0", "share"),
)
trap.slip_of(
    right_trap,
    "absent object counted as 0",
    "Without an object in target or prediction there is only one class, and it is right everywhere: mean IoU 1.",
    ("share / 2 if share < 1 else 1.0", "share / 2"),
)
trap.slip_of(
    right_trap,
    "recall instead of IoU",
    "Your background gets 1, which is its recall. The wrong pixels are in its union, too: its IoU is `share`.",
    ("share / 2 if share < 1 else 1.0", "0.5 if share < 1 else 1.0"),
)
trap.slip_of(
    right_trap,
    "scores exchanged",
    "The accuracy comes first, then the mean IoU.",
    ("return accuracy, mean_iou", "return mean_iou, accuracy"),
)


# ------------------------------------------------------------------- derivations · Dice and IoU rank alike


def _overlap_lines(i, a, b, J):
    import sympy

    return [
        sympy.Eq(J, i / (a + b - i), evaluate=False),
        sympy.Eq(J * (a + b - i), i, evaluate=False),
        sympy.Eq(J * (a + b), i + J * i, evaluate=False),
        sympy.Eq(J * (a + b), i * (1 + J), evaluate=False),
        sympy.Eq(i, J * (a + b) / (1 + J), evaluate=False),
    ]


def _without_fraction(line, i, a, b, J):
    import sympy

    powers = (node for node in sympy.preorder_traversal(line) if isinstance(node, sympy.Pow))
    return not any(node.exp.is_number and node.exp < 0 for node in powers)


overlap_from_iou = exercises.derivation(
    "overlap_from_iou",
    _overlap_lines,
    symbols=("i", "a", "b", "J"),
    unknown="i",
    domain={"a": (1.0, 2.0), "b": (1.0, 2.0), "J": (0.2, 0.9)},
    milestones=(
        ("no fraction is left", _without_fraction),
        ("`i` stands alone on the left", lambda line, i, *others: is_solved_for(line, i)),
    ),
    title="The overlap, from IoU and the two areas",
    points=2,
    difficulty=2,
    minutes=8,
    hints=(
        "The unknown `i` stands above and below the fraction line. First get rid of the fraction.",
        "Multiply both sides by the union, `a + b - i`. Then bring every term with `i` to one side.",
        "`i + J * i` is `i * (1 + J)`. Divide by the bracket.",
    ),
)


@overlap_from_iou.slip(
    "union without its last term",
    "You multiply by a + b only. The union is a + b - i: what lies in both must not be counted twice.",
)
def _(i, a, b, J):
    import sympy

    return [sympy.Eq(J, i / (a + b - i), evaluate=False), sympy.Eq(J * (a + b), i, evaluate=False)]


@overlap_from_iou.slip(
    "sign lost while moving",
    "The term J i comes over with the sign it had. It was taken away on the left, so it is added on the right.",
)
def _(i, a, b, J):
    import sympy

    return [
        sympy.Eq(J, i / (a + b - i), evaluate=False),
        sympy.Eq(J * (a + b - i), i, evaluate=False),
        sympy.Eq(J * (a + b), i * (1 - J), evaluate=False),
    ]


@overlap_from_iou.slip(
    "bracket not multiplied out",
    "You multiply only the first term of the bracket by J. Every term of a + b - i is multiplied.",
)
def _(i, a, b, J):
    import sympy

    return [
        sympy.Eq(J, i / (a + b - i), evaluate=False),
        sympy.Eq(J * (a + b - i), i, evaluate=False),
        sympy.Eq(J * a + b - i, i, evaluate=False),
    ]


def _rank_lines(j, k):
    return [
        2 * k / (1 + k) - 2 * j / (1 + j),
        (2 * k * (1 + j) - 2 * j * (1 + k)) / ((1 + j) * (1 + k)),
        (2 * k - 2 * j) / ((1 + j) * (1 + k)),
        2 * (k - j) / ((1 + j) * (1 + k)),
    ]


def _one_fraction(line, j, k):
    import sympy

    return isinstance(line, sympy.Mul) and not any(
        isinstance(node, sympy.Pow) and node.exp.is_number and node.exp < 0
        for part in line.args if isinstance(part, sympy.Add)
        for node in sympy.preorder_traversal(part)
    )  # fmt: skip


def _difference_taken_out(line, j, k):
    import sympy

    if not isinstance(line, sympy.Mul):
        return False
    parts = [part for part in line.args if isinstance(part, sympy.Add)]
    return any(part - c * (k - j) == 0 for part in parts for c in (1, -1, 2, -2))


rank_alike = exercises.derivation(
    "rank_alike",
    _rank_lines,
    symbols=("j", "k"),
    domain={"j": (0.0, 1.0), "k": (0.0, 1.0)},
    milestones=(
        ("one fraction instead of two", _one_fraction),
        ("`k - j` (or `2*k - 2*j`) is a factor, and nothing else has a minus", _difference_taken_out),
    ),
    title="Dice and IoU rank alike",
    points=2,
    difficulty=3,
    minutes=10,
    hints=(
        "Two fractions with the denominators `1 + k` and `1 + j`: bring both to the denominator that is their product.",
        "The numerator is `2*k*(1 + j) - 2*j*(1 + k)`. Multiply out: which products cancel?",
        "What is left is `2*(k - j) / ((1 + j) * (1 + k))`.",
    ),
)


@rank_alike.slip(
    "denominators added",
    "You add the denominators. Fractions are subtracted over a common denominator: the product of both.",
)
def _(j, k):
    return [2 * k / (1 + k) - 2 * j / (1 + j), (2 * k - 2 * j) / (2 + j + k)]


@rank_alike.slip(
    "denominators subtracted",
    "You subtract numerators and denominators. Fractions are subtracted over a common denominator.",
)
def _(j, k):
    return [2 * k / (1 + k) - 2 * j / (1 + j), (2 * k - 2 * j) / (k - j)]


@rank_alike.slip(
    "sign of the mixed term",
    "The products 2 j k cancel. In yours they add up: the minus stands before the whole second numerator.",
)
def _(j, k):
    return [
        2 * k / (1 + k) - 2 * j / (1 + j),
        (2 * k * (1 + j) - 2 * j * (1 + k)) / ((1 + j) * (1 + k)),
        (2 * k - 2 * j + 4 * j * k) / ((1 + j) * (1 + k)),
    ]


# ------------------------------------------------------------------------------------- 5 · the boundary

boundary = exercises.function(
    "boundary_iou",
    reference.boundary_iou,
    title="Boundary IoU",
    points=4,
    difficulty=3,
    minutes=18,
    forbidden=(EROSION,),
    numpy=True,
    hints=(
        "Three parts: erode a mask by one pixel, take from the mask what is left after `distance` erosions, and the "
        "IoU of the two bands.",
        "A pixel survives an erosion if all nine pixels of its 3 x 3 neighbourhood are in the mask. Beyond the image "
        "nothing is in it.",
        "Pad with zeros on all sides, by `torch.nn.functional.pad`. Nine shifted slices, `torch.stack` and `amin` make "
        "one erosion.",
    ),
)


@boundary.cases
def _(draw):
    def box(top, left, bottom, right, size=14):
        mask = torch.zeros(size, size, dtype=torch.bool)
        mask[top:bottom, left:right] = True
        return mask

    def blob(size=16):
        y, x = torch.arange(size)[:, None], torch.arange(size)
        parts = []
        for _ in range(3):
            cy, cx = draw.integer(3, size - 4), draw.integer(3, size - 4)
            parts.append((y - cy) ** 2 + (x - cx) ** 2 < draw.integer(8, 22))
        return parts[0] | parts[1] | parts[2]

    yield Case(box(2, 2, 11, 11), box(2, 3, 11, 12), 1, words="two squares, one pixel apart, distance 1")
    yield Case(box(2, 2, 12, 12), box(3, 3, 12, 12), 2, words="two squares, distance 2")
    yield Case(
        box(0, 0, 10, 10),
        box(0, 1, 10, 12),
        1,
        words="masks that touch the image's edge: the edge is boundary",
    )
    yield Case(box(2, 6, 12, 8), box(2, 7, 12, 9), 1, words="thin objects, which are all boundary")
    ring = box(1, 1, 13, 13) & ~box(5, 5, 9, 9)
    yield Case(ring, box(1, 1, 13, 13), 2, words="a hole that was filled")
    yield Case(blob(), blob(), 20, words="a distance larger than the objects: plain IoU")
    for _ in range(draw.count):
        yield Case(blob(), blob(), draw.integer(1, 3), words="random blobs")


def right_boundary(prediction, target, distance):
    bands = []
    for mask in (prediction, target):
        inside = mask.float()
        height, width = mask.shape
        for _ in range(distance):
            padded = torch.nn.functional.pad(inside, (1, 1, 1, 1), value=0.0)
            near = [padded[i : i + height, j : j + width] for i in range(3) for j in range(3)]
            inside = torch.stack(near).amin(0)
        bands.append(mask & (inside == 0))
    both, either = bands[0] & bands[1], bands[0] | bands[1]
    return both.sum() / either.sum()


boundary.slip_of(
    right_boundary,
    "whole masks compared",
    "This is the IoU of the whole masks. Compare only their boundary bands.",
    ("bands.append(mask & (inside == 0))", "bands.append(mask)"),
)
boundary.slip_of(
    right_boundary,
    "image edge not boundary",
    "Your masks have no boundary where they touch the image's edge. Beyond the image is outside: pad with zeros.",
    ("value=0.0", "value=1.0"),
)
boundary.slip_of(
    right_boundary,
    "four neighbours instead of eight",
    "You erode with a cross. The neighbourhood is the whole 3 x 3 square, corners included.",
    ("for i in range(3) for j in range(3)]", "for i in range(3) for j in range(3) if i == 1 or j == 1]"),
)
boundary.slip_of(
    right_boundary,
    "band of one pixel only",
    "Your band is one pixel wide whatever the distance. Erode `distance` times.",
    ("for _ in range(distance):", "for _ in range(1):"),
)
boundary.slip_of(
    right_boundary,
    "interiors compared",
    "You compare what is left inside after the erosion. The band is what the erosion took away.",
    ("mask & (inside == 0)", "mask & (inside > 0)"),
)
boundary.slip_of(
    right_boundary,
    "band on both sides",
    "Your band also lies outside the mask. Boundary IoU takes the pixels of the mask itself that are near its contour.",
    (
        "bands.append(mask & (inside == 0))",
        "outside = torch.nn.functional.max_pool2d(mask.float()[None], 2 * distance + 1, 1, distance)[0]\n"
        "        bands.append((outside > 0) & (inside == 0))",
    ),
)
boundary.slip_of(
    right_boundary,
    "Dice of the bands",
    "This is the bands' Dice. Boundary IoU divides the pixels in both bands by the pixels in either.",
    ("both.sum() / either.sum()", "2 * both.sum() / (bands[0].sum() + bands[1].sum())"),
)
boundary.slip_of(
    right_boundary,
    "band one pixel too wide",
    "Your band is one pixel too wide. With `distance` 1 it is the mask's outermost pixels alone: one erosion.",
    ("for _ in range(distance):", "for _ in range(distance + 1):"),
)
boundary.slip_of(
    right_boundary,
    "the target's band for both",
    "You cut both masks by the target's band. Each mask has a band of its own.",
    ("both, either = bands[0]", "bands = [prediction & bands[1], bands[1]]\n    both, either = bands[0]"),
)


@boundary.slip(
    "distance along a straight line",
    "You measure distances along a straight line. Eroding with a square counts steps, and a step may go along the "
    "diagonal: a pixel belongs to the band if the outside is at most `distance` rows and columns away.",
)
def _(prediction, target, distance):
    bands = []
    for mask in (prediction, target):
        outside = (~torch.nn.functional.pad(mask, (1, 1, 1, 1))).nonzero() - 1
        inside = mask.nonzero()
        apart = (inside[:, None] - outside).square().sum(-1).amin(1)
        band = torch.zeros_like(mask)
        band[tuple(inside[apart <= distance**2].T)] = True
        bands.append(band)
    return (bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum()


boundary.slip_of(
    right_boundary,
    "one union for all",
    "You divide by the union of the whole masks. Both parts of the fraction are counted in the bands.",
    ("both.sum() / either.sum()", "both.sum() / (prediction | target).sum()"),
)
