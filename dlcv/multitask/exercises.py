"""What chapter 15 asks: cases, forbidden calls, and the slips that learners really make.

Most slips are one wrong line. They stand beside the right program that they are a line of.
"""

from __future__ import annotations

import torch
from torch import nn

from dlcv import depth as chapter_14
from dlcv import multitask
from dlcv.backbones import SmallCNN
from dlcv.checking import Case, Exercises, Forbidden, ModuleCase, made
from dlcv.multitask import colour, reference
from dlcv.multitask.probes import ChangingCNN

exercises = Exercises("multitask")
check = exercises.check

COSINE = Forbidden(
    "a ready-made cosine",
    aten=("cosine_similarity*",),
    names=("cosine_similarity", "CosineSimilarity", "cosine*"),
)


def _camera(fx=12.0, fy=10.0, cx=3.5, cy=2.0):
    return torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def _plane(normal, K, size=(5, 7), distance=2.0):
    """Depth of the plane n . P = -distance, which the camera sees from its front."""
    v, u = torch.meshgrid(torch.arange(float(size[0])), torch.arange(float(size[1])), indexing="ij")
    rays = torch.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], torch.ones_like(u)], -1)
    return -distance / (rays * torch.tensor(normal)).sum(-1)


def _normals(draw, n, h, w, known=0.7, dtype=torch.float64):
    """Predicted and true normals and a mask. The prediction has any length; unknown truths are NaN."""
    target = draw.normal((n, 3, h, w), dtype)
    target = target / target.norm(dim=1, keepdim=True)
    prediction = 3 * target + draw.normal((n, 3, h, w), dtype)
    mask = draw.uniform((n, h, w)) < known
    mask[:, 0, :2] = True
    return prediction, torch.where(mask[:, None], target, torch.nan), mask


def _depths(draw, n, h, w, known=0.7):
    """Predicted and true depths and a mask; each image's prediction is off by a factor of its own."""
    target = draw.uniform((n, h, w), 1.0, 9.0)
    factor = draw.uniform((n, 1, 1), 0.4, 2.5)
    prediction = factor * target * (0.3 * draw.normal((n, h, w))).exp()
    mask = draw.uniform((n, h, w)) < known
    mask[:, 0, :2] = True
    return prediction, torch.where(mask, target, torch.nan), mask


# --------------------------------------------------------------------------------- 1 · normals from depth

normals = exercises.function(
    "normals_from_depth",
    reference.normals_from_depth,
    title="Normals from depth",
    points=3,
    difficulty=3,
    minutes=20,
    tolerance=2e-3,
    allowed=("dlcv.depth.backproject",),
    hints=(
        "`points = depth14.backproject(depth, K)` is (H, W, 3). Along a row the tangent is the right neighbour's "
        "point minus the left neighbour's, along a column the lower one's minus the upper one's.",
        "At the border one neighbour is missing: take the difference between the pixel's own point and the neighbour "
        "that is there. `points[:, 1] - points[:, 0]` for the first column.",
        "`torch.linalg.cross(down, right, dim=-1)`: x right and y down make z *away* from the camera, so `down` comes "
        "first. Divide by the length, with `keepdim=True`.",
    ),
)


@normals.cases
def _(draw):
    K = _camera()
    yield Case(torch.full((3, 4), 2.0), K, words="a wall straight ahead: (0, 0, -1) everywhere")
    yield Case(_plane((0.0, -0.98, -0.2), _camera(cy=-4.0)), _camera(cy=-4.0), words="a floor")
    yield Case(_plane((-0.6, 0.3, -0.74), K), K, words="a slanted plane, the border too")
    aside = _camera(fx=4.0, cx=12.0)
    steep = "a wall on the left, seen from the side: its normal points forward, and yet towards the camera"
    yield Case(_plane((0.995, 0.0, 0.1), aside), aside, words=steep)
    yield Case(2 + draw.uniform((4, 5)), K, words="a bumpy surface")
    yield Case(torch.tensor([[1.0, 1.2], [1.1, 1.5]]), K, words="2 x 2 pixels: all border")
    yield Case(20 + draw.uniform((4, 5), 0, 8), _camera(40.0, 60.0), words="far away, with another camera")
    yield Case(2 + draw.uniform((3, 4)), K, gradient=True, words="gradient with respect to depth and K")
    for _ in range(draw.count):
        size = (draw.integer(2, 6), draw.integer(2, 7))
        K = _camera(float(draw.integer(8, 40)), float(draw.integer(8, 40)), float(draw.integer(0, 6)))
        yield Case(2 + 2 * draw.uniform(size), K, words="a random surface")


def right_normals(depth, K):
    points = chapter_14.backproject(depth, K)
    right, down = torch.zeros_like(points), torch.zeros_like(points)
    right[:, 1:-1] = points[:, 2:] - points[:, :-2]
    right[:, 0] = points[:, 1] - points[:, 0]
    right[:, -1] = points[:, -1] - points[:, -2]
    down[1:-1] = points[2:] - points[:-2]
    down[0] = points[1] - points[0]
    down[-1] = points[-1] - points[-2]
    n = torch.linalg.cross(down, right, dim=-1)
    return n / n.norm(dim=-1, keepdim=True)


normals.slip_of(
    right_normals,
    "not normalised",
    "Your normals have the right direction and any length. A normal is a unit vector: divide by `norm`.",
    ("return n / n.norm(dim=-1, keepdim=True)", "return n"),
)
normals.slip_of(
    right_normals,
    "order of the cross product",
    "Your normals point away from the camera, into the wall. The order in the cross product decides: x to the right "
    "times y down gives z forward, so take down times right.",
    ("torch.linalg.cross(down, right, dim=-1)", "torch.linalg.cross(right, down, dim=-1)"),
)
normals.slip_of(
    right_normals,
    "turned by the sign of z",
    "You turn each normal until its z is negative. Towards the camera means against the viewing ray; at the side of a "
    "wide view a visible wall may have a positive z. With down times right there is nothing to turn.",
    (
        "n = torch.linalg.cross(down, right, dim=-1)",
        "n = torch.linalg.cross(down, right, dim=-1)\n    n = torch.where(n[..., 2:] > 0, -n, n)",
    ),
)
normals.slip_of(
    right_normals,
    "all normalised together",
    "You divide all normals by one number, the length of the whole map. Each has a length of its own: `dim=-1`.",
    ("n.norm(dim=-1, keepdim=True)", "n.norm()"),
)
normals.slip_of(
    right_normals,
    "forward differences",
    "You take the difference to the next neighbour alone. With both neighbours, the error falls with the square of "
    "their distance, and the normal is not shifted by half a pixel.",
    ("right[:, 1:-1] = points[:, 2:] - points[:, :-2]", "right[:, 1:-1] = points[:, 2:] - points[:, 1:-1]"),
    ("down[1:-1] = points[2:] - points[:-2]", "down[1:-1] = points[2:] - points[1:-1]"),
)


@normals.slip(
    "pixels for metres",
    "You take columns and rows for X and Y. Pixels are no metres: how far apart two neighbours lie depends on depth "
    "and focal length. Make points with `backproject` first.",
)
def _(depth, K):
    v, u = torch.meshgrid(torch.arange(float(len(depth))), torch.arange(float(depth.shape[1])), indexing="ij")
    points = torch.stack([u, v, depth], -1)
    right, down = torch.gradient(points, dim=1)[0], torch.gradient(points, dim=0)[0]
    n = torch.linalg.cross(down, right, dim=-1)
    return n / n.norm(dim=-1, keepdim=True)


@normals.slip(
    "round the corner",
    "At the border your differences come from the opposite side of the map: that is what `roll` does. Take the "
    "neighbour that is there, and the pixel itself for the other one.",
)
def _(depth, K):
    points = chapter_14.backproject(depth, K)
    right = points.roll(-1, 1) - points.roll(1, 1)
    down = points.roll(-1, 0) - points.roll(1, 0)
    n = torch.linalg.cross(down, right, dim=-1)
    return n / n.norm(dim=-1, keepdim=True)


@normals.slip(
    "border without normals",
    "You leave the border at 0. On a plane its normals are as exact as all others, from the one neighbour that is "
    "there.",
)
def _(depth, K):
    points = chapter_14.backproject(depth, K)
    out = torch.zeros_like(points)
    right, down = points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1]
    n = torch.linalg.cross(down, right, dim=-1)
    out[1:-1, 1:-1] = n / n.norm(dim=-1, keepdim=True)
    return out


# -------------------------------------------------------------------------------------- 2 · the cosine loss

cosine = exercises.function(
    "normal_loss",
    reference.normal_loss,
    title="A loss for directions",
    points=2,
    difficulty=2,
    minutes=10,
    tolerance=1e-3,
    forbidden=(COSINE,),
    hints=(
        "`prediction.movedim(1, -1)[mask]` is one row of three numbers for each valid pixel, and nothing of the "
        "others.",
        "The cosine is the sum of products over both lengths. A network's vectors have any length.",
        "Sum up `1 - cosine` and divide by the number of valid pixels, `mask.sum().clamp(min=1)`: nothing known costs "
        "0.",
    ),
)


@cosine.cases
def _(draw):
    a = torch.tensor([[[[0.0, 0, 0, 0]], [[0.0, 1, 0, 2]], [[-1.0, 0, 2, -2]]]])
    b = torch.tensor([[[[0.0, 0, 0, 0]], [[0.0, 0, 0, 0]], [[-1.0, -1, -1, -1]]]])
    every = torch.ones(1, 1, 4, dtype=torch.bool)
    yield Case(a, b, every, words="alike, at a right angle, turned round, and at 45 degrees")
    prediction, target, mask = _normals(draw, 2, 3, 4, known=1.1)
    yield Case(prediction, target, mask, words="vectors of any length, all known")
    yield Case(*_normals(draw, 1, 4, 5), words="unknown truths are NaN")
    prediction, target, mask = _normals(draw, 2, 4, 5, known=1.1)
    mask[1, 1:] = False
    yield Case(prediction, target, mask, words="two images that know different numbers of pixels")
    prediction, target, mask = _normals(draw, 2, 3, 4, known=1.1)
    yield Case(-prediction, target, mask, words="most are turned round")
    yield Case(prediction, 5 * target, mask, words="truths that are not of length 1")
    yield Case(*_normals(draw, 2, 3, 4), gradient=True, words="gradients of both maps")
    yield Case(
        *_normals(draw, 1, 2, 3)[:2], torch.zeros(1, 2, 3) > 0, smoke=True, words="nothing is known: 0"
    )
    for _ in range(draw.count):
        sizes = (draw.integer(1, 3), draw.integer(2, 5), draw.integer(4, 6))
        yield Case(*_normals(draw, *sizes), words="random maps and masks")


def right_cosine(prediction, target, mask):
    n = prediction.movedim(1, -1)[mask]
    true = target.movedim(1, -1)[mask]
    cosine = (n * true).sum(-1) / (n.norm(dim=-1) * true.norm(dim=-1))
    return (1 - cosine).sum() / mask.sum().clamp(min=1)


cosine.slip_of(
    right_cosine,
    "prediction not normalised",
    "You take the product without the lengths. A network that says longer vectors would then get a smaller loss, at "
    "any angle: divide by both lengths.",
    (" / (n.norm(dim=-1) * true.norm(dim=-1))", ""),
)
cosine.slip_of(
    right_cosine,
    "truth not normalised",
    "You divide by the length of the prediction alone. The formula divides by both.",
    ("(n.norm(dim=-1) * true.norm(dim=-1))", "n.norm(dim=-1)"),
)
cosine.slip_of(
    right_cosine,
    "mean of the images' means",
    "You take each image's mean and then the mean of those. M counts the valid pixels of the whole batch.",
    (
        "return (1 - cosine).sum() / mask.sum().clamp(min=1)",
        "image, counts = mask.nonzero()[:, 0], mask.sum((1, 2)).clamp(min=1)\n"
        "    return ((1 - cosine) / counts[image]).sum() / len(mask)",
    ),
)
cosine.slip_of(
    right_cosine,
    "divided by all pixels",
    "You divide by all pixels. Unknown ones add nothing above, so they must not count below.",
    ("mask.sum().clamp(min=1)", "mask.numel()"),
)
cosine.slip_of(
    right_cosine,
    "normals without a sign",
    "You take the cosine's absolute value: a normal that points into the wall costs nothing. Turned round is as wrong "
    "as it gets.",
    ("(1 - cosine)", "(1 - cosine.abs())"),
)
cosine.slip_of(
    right_cosine,
    "angle for cosine",
    "You average the angle. The loss is one minus its cosine; the gradient of an arc cosine is infinite where the "
    "prediction is right.",
    ("(1 - cosine)", "torch.acos(cosine.clamp(-1, 1))"),
)
cosine.slip_of(
    right_cosine,
    "squared differences",
    "You square the differences of unit vectors. That is twice the loss that is wanted: |a - b|^2 = 2 - 2 a.b.",
    (
        "(1 - cosine)",
        "(n / n.norm(dim=-1, keepdim=True) - true / true.norm(dim=-1, keepdim=True)).square().sum(-1)",
    ),
)
cosine.slip_of(
    right_cosine,
    "one is missing",
    "You return minus the cosine. Its gradient is right; but a loss of -1 for what is right cannot be added to others "
    "and weighted by its size.",
    ("(1 - cosine)", "(-cosine)"),
)
cosine.slip_of(
    right_cosine,
    "NaN where nothing is known",
    "Where no pixel is known you divide 0 by 0. The loss of nothing is 0.",
    (".clamp(min=1)", ""),
)


@cosine.slip(
    "mask by multiplication",
    "You multiply by the mask, and 0 times NaN is NaN: one unknown pixel spoils the sum. Pick the valid pixels "
    "instead.",
)
def _(prediction, target, mask):
    lengths = prediction.norm(dim=1) * target.norm(dim=1)
    cosine = (prediction * target).sum(1) / lengths
    return ((1 - cosine) * mask).sum() / mask.sum().clamp(min=1)


# ------------------------------------------------------------------------------------ 3 · how good are they

metrics = exercises.function(
    "normal_metrics",
    reference.normal_metrics,
    title="Five numbers for normals",
    points=2,
    difficulty=2,
    minutes=12,
    tolerance=1e-3,
    forbidden=(COSINE,),
    hints=(
        "Angle first, for each pixel: `torch.acos` of the cosine, then `torch.rad2deg`. Mean and median come after.",
        "Rounding makes cosines like 1.0000001, and their arc cosine is NaN: `clamp(-1, 1)`.",
        "`(angle < 30).float().mean()` is a share from 0 to 1. The keys are `mean`, `median`, `11.25`, `22.5` and "
        "`30`, all text.",
    ),
)


def _at(degrees):
    """Normals that are so many degrees off (0, 0, -1), (1, 3, 1, W); and the mask of all."""
    turn = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    b = torch.stack([turn.sin(), torch.zeros_like(turn), -turn.cos()])[None, :, None]
    a = torch.tensor([0.0, 0.0, -1.0], dtype=torch.float64).reshape(1, 3, 1, 1).expand_as(b).clone()
    return a, b, torch.ones(1, 1, len(degrees), dtype=torch.bool)


@metrics.cases
def _(draw):
    yield Case(*_at([5.0, 10, 20, 25, 40]), words="angles of 5, 10, 20, 25 and 40 degrees")
    yield Case(*_at([3.0, 3, 3, 120, 170]), words="good ones, and two that look away")
    a, b, mask = _at([5.0, 15, 60, 80, 100])
    mask[..., 3:] = False
    yield Case(
        a, torch.where(mask[:, None], b, torch.nan), mask, words="two unknown pixels, NaN in the truth"
    )
    yield Case(4 * a, 0.5 * b, mask, words="vectors of other lengths")
    yield Case(*_at([10.0, 20, 28, 90]), words="an even number: the lower of the two in the middle")
    yield Case(*_normals(draw, 2, 4, 5), words="two random maps")
    for _ in range(draw.count):
        sizes = (draw.integer(1, 3), draw.integer(2, 5), draw.integer(4, 6))
        yield Case(*_normals(draw, *sizes), words="random maps and masks")


def right_metrics(a, b, mask):
    a, b = a.movedim(1, -1)[mask], b.movedim(1, -1)[mask]
    cosine = (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1))
    angle = torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))
    found = {"mean": angle.mean(), "median": angle.median()}
    for limit in ("11.25", "22.5", "30"):
        found[limit] = (angle < float(limit)).to(angle.dtype).mean()
    return found


metrics.slip_of(
    right_metrics,
    "radians",
    "Your angles are in radians, and all of them are below 11.25. `torch.rad2deg`.",
    ("torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))", "torch.acos(cosine.clamp(-1, 1))"),
)
metrics.slip_of(
    right_metrics,
    "radians throughout",
    "Your shares are right, but mean and median are in radians. They are in degrees: `torch.rad2deg`.",
    ("torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))", "torch.acos(cosine.clamp(-1, 1))"),
    ("float(limit)", "torch.deg2rad(torch.tensor(float(limit)))"),
)
metrics.slip_of(
    right_metrics,
    "mean of the two in the middle",
    "For an even number of angles you take the mean of the two in the middle. `torch.median` takes the lower.",
    ("angle.median()", "angle.quantile(0.5)"),
)
metrics.slip_of(
    right_metrics,
    "angle of the mean cosine",
    "You average the cosines and take the angle of that. Mean angle means: each pixel's angle first, then the mean. "
    "The cosine hardly sees small angles.",
    ('"mean": angle.mean()', '"mean": torch.rad2deg(torch.acos(cosine.mean()))'),
)
metrics.slip_of(
    right_metrics,
    "lengths ignored",
    "You take the product of vectors that are not of length 1. Divide by both lengths.",
    (" / (a.norm(dim=-1) * b.norm(dim=-1))", ""),
)
metrics.slip_of(
    right_metrics,
    "per cent",
    "Your shares run from 0 to 100. Shares run from 0 to 1.",
    ("(angle < float(limit)).to(angle.dtype).mean()", "100 * (angle < float(limit)).to(angle.dtype).mean()"),
)
metrics.slip_of(
    right_metrics,
    "shares above",
    "You count the angles above the limits. The shares are of those below: larger is better.",
    ("(angle < float(limit))", "(angle > float(limit))"),
)
metrics.slip_of(
    right_metrics,
    "normals without a sign",
    "You take the cosine's absolute value, and a normal that looks away by 170 degrees counts as 10.",
    ("cosine.clamp(-1, 1)", "cosine.abs().clamp(-1, 1)"),
)
metrics.slip_of(
    right_metrics,
    "mean for median",
    "Your median is the mean. The median does not care how wrong the worst are; that is what it is for.",
    ("angle.median()", "angle.mean()"),
)


@metrics.slip(
    "unknown pixels count",
    "You take all pixels. Where the truth is unknown there is no error: pick the valid ones.",
)
def _(a, b, mask):
    cosine = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
    angle = torch.rad2deg(torch.acos(cosine.clamp(-1, 1))).flatten()
    found = {"mean": angle.mean(), "median": angle.median()}
    for limit in ("11.25", "22.5", "30"):
        found[limit] = (angle < float(limit)).to(angle.dtype).mean()
    return found


# -------------------------------------------------------------------------------------------- 4 · Eigen's loss

eigen = exercises.function(
    "scale_invariant_log_loss",
    reference.scale_invariant_log_loss,
    title="Eigen's loss",
    points=3,
    difficulty=3,
    minutes=18,
    tolerance=1e-3,
    hints=(
        "`torch.where(mask, target, 1.0)` first, and the same with the prediction: the logarithm of 1 is 0, and "
        "nothing leaks.",
        "For each image: `(d**2).sum((1, 2))`, and the square of `d.sum((1, 2))` over the image's number of valid "
        "pixels.",
        "Take `lam` times the second from the first, sum over the images, and divide by `mask.sum().clamp(min=1)`.",
    ),
)


@eigen.cases
def _(draw):
    z = torch.tensor([[[1.0, 2.0, 4.0, 5.0]]])
    every = torch.ones(1, 1, 4, dtype=torch.bool)
    other = torch.tensor([[[2.0, 2.0, 3.0, 8.0]]])
    yield Case(other, z, every, words="four pixels, lam 1/2")
    yield Case(other, z, every, lam=0.0, words="lam 0: the mean of squares")
    yield Case(other, z, every, 1.0, words="lam 1: the variance")
    yield Case(3 * z, z, every, 1.0, smoke=True, words="lam 1, and all depths three times as large: 0")
    yield Case(3 * z, z, every, words="lam 1/2, and all depths three times as large")
    yield Case(*_depths(draw, 1, 4, 5), words="unknown truths are NaN")
    yield Case(*_depths(draw, 3, 3, 4, known=1.1), 0.9, words="each image with a factor of its own")
    prediction, target, mask = _depths(draw, 2, 4, 5, known=1.1)
    mask[1, 1:] = False
    yield Case(prediction, target, mask, words="two images that know different numbers of pixels")
    yield Case(*_depths(draw, 2, 3, 4), gradient=True, words="gradients of both maps")
    yield Case(z, z, every & False, smoke=True, words="nothing is known: 0")
    for _ in range(draw.count):
        sizes = (draw.integer(1, 3), draw.integer(2, 5), draw.integer(4, 6))
        yield Case(*_depths(draw, *sizes), draw.choice([0.2, 0.5, 0.85]), words="random maps and masks")


def right_eigen(prediction, target, mask, lam=0.5):
    z, true = torch.where(mask, prediction, 1.0), torch.where(mask, target, 1.0)
    d = torch.log(z) - torch.log(true)
    n = mask.sum((1, 2)).clamp(min=1)
    squares = (d**2).sum((1, 2))
    common = d.sum((1, 2)) ** 2 / n
    return (squares - lam * common).sum() / mask.sum().clamp(min=1)


eigen.slip_of(
    right_eigen,
    "log of the mean for mean of the logs",
    "Your second term compares the logarithms of the mean depths. It is the mean of the logarithms that a common "
    "factor shifts by the same number as each pixel: take the log first, then the mean.",
    ("d.sum((1, 2)) ** 2 / n", "n * torch.log((z * mask).sum((1, 2)) / (true * mask).sum((1, 2))) ** 2"),
)
eigen.slip_of(
    right_eigen,
    "squares summed twice",
    "Your second term is the sum of squares again. It is the square of the sum: errors of different signs cancel in "
    "it.",
    ("d.sum((1, 2)) ** 2 / n", "(d**2).sum((1, 2))"),
)
eigen.slip_of(
    right_eigen,
    "plus lam",
    "You add the second term. What all pixels have in common is forgiven, so take it away.",
    ("squares - lam * common", "squares + lam * common"),
)
eigen.slip_of(
    right_eigen,
    "one factor for the batch",
    "You sum the differences of the whole batch before you square. The factor belongs to the image: sum over (1, 2).",
    ("d.sum((1, 2)) ** 2 / n", "d.sum() ** 2 / mask.sum().clamp(min=1) / len(d)"),
)
eigen.slip_of(
    right_eigen,
    "mean of the images' losses",
    "You compute the loss of each image and take the mean. M counts the valid pixels of the whole batch: an image that "
    "knows more counts more.",
    ("(squares - lam * common).sum() / mask.sum().clamp(min=1)", "((squares - lam * common) / n).mean()"),
)
eigen.slip_of(
    right_eigen,
    "logarithms to base 10",
    "You take logarithms to base 10. The loss has natural ones.",
    ("torch.log(z) - torch.log(true)", "torch.log10(z) - torch.log10(true)"),
)
eigen.slip_of(
    right_eigen,
    "metres for logarithms",
    "You compare metres. The logarithm turns a common factor into a common shift, which the second term knows about.",
    ("torch.log(z) - torch.log(true)", "z - true"),
)
eigen.slip_of(
    right_eigen,
    "all pixels counted",
    "You divide by all pixels of the map. Both numbers count the valid ones: M_n in each image, M in the batch.",
    ("n = mask.sum((1, 2)).clamp(min=1)", "n = mask[0].numel()"),
    ("mask.sum().clamp(min=1)", "mask.numel()"),
)
eigen.slip_of(
    right_eigen,
    "square not divided",
    "You do not divide the square of the sum by the number of pixels of its image. It grows with the square of that.",
    ("d.sum((1, 2)) ** 2 / n", "d.sum((1, 2)) ** 2"),
)
eigen.slip_of(
    right_eigen,
    "lam on the squares",
    "You weigh the squares with lam, and the common part in full. It is the other way round.",
    ("squares - lam * common", "lam * squares - common"),
)
eigen.slip_of(
    right_eigen,
    "root at the end",
    "You take a root at the end. The loss is the squared error itself.",
    (
        "return (squares - lam * common).sum() / mask.sum().clamp(min=1)",
        "return ((squares - lam * common).sum() / mask.sum().clamp(min=1)).clamp(min=0).sqrt()",
    ),
)
eigen.slip_of(
    right_eigen,
    "mask by multiplication",
    "You multiply by the mask, and 0 times NaN is NaN. Use `torch.where`, before the logarithm.",
    ("torch.where(mask, target, 1.0)", "target * mask + ~mask"),
)
eigen.slip_of(
    right_eigen,
    "NaN where nothing is known",
    "Where no pixel is known you divide 0 by 0. The loss of nothing is 0.",
    ("n = mask.sum((1, 2)).clamp(min=1)", "n = mask.sum((1, 2))"),
    ("mask.sum().clamp(min=1)", "mask.sum()"),
)


# ------------------------------------------------------------------------------ 5 · three heads on one encoder

network = exercises.module(
    "MultiTaskNet",
    reference.MultiTaskNet,
    title="Several heads on one encoder",
    points=3,
    difficulty=3,
    minutes=18,
    allowed=("DenseHead",),
    limit=10.0,
    hints=(
        "`multitask.DenseHead(backbone.channels, count, hidden)` is one head. Make one for each task, also where two "
        "tasks want the same number of channels.",
        "`nn.ModuleDict({name: ...})` holds modules by name, so that their parameters are found. A plain dictionary "
        "hides them from the optimiser.",
        "In `forward`: the backbone once, then a dictionary with `head(features, images.shape[2:])` for each task.",
    ),
)


@network.cases
def _(draw):
    def case(heads, size=(32, 32), hidden=3, words="", count=1):
        backbone = made(SmallCNN, channels=(2, 3, 4, 3, 5))
        return ModuleCase(backbone, heads, hidden, inputs=[draw.uniform((count, 3, *size))], words=words)

    yield case({"depth": 1, "normals": 3, "semantic": 4}, words="depth, normals and 4 classes")
    yield case({"near": 2, "far": 2}, words="two tasks with as many channels")
    yield ModuleCase(
        made(ChangingCNN, channels=(2, 3, 4, 3, 5)), {"depth": 1, "normals": 3}, 3,
        inputs=[draw.uniform((2, 3, 64, 64))], training=True,
        words="a backbone that answers differently each time: it runs once",
    )  # fmt: skip
    yield case({"depth": 1}, (33, 47), words="one task; 33 x 47 pixels")
    yield case({"normals": 3, "depth": 1}, (40, 32), hidden=5, words="two images", count=2)
    for _ in range(max(1, draw.count // 2)):
        heads = {name: draw.integer(1, 4) for name in ("a", "b", "c")[: draw.integer(2, 3)]}
        yield case(heads, (draw.integer(20, 50), draw.integer(20, 50)), words="random heads")


class RightNet(nn.Module):
    def __init__(self, backbone, heads, hidden=32):
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleDict()
        for name, count in heads.items():
            self.heads[name] = multitask.DenseHead(backbone.channels, count, hidden)

    def forward(self, images):
        features = self.backbone(images)
        return {name: head(features, images.shape[2:]) for name, head in self.heads.items()}


network.slip_of(
    RightNet,
    "features cut off",
    "Your heads learn and your encoder does not: you detach the features. What makes it multi-task is that all losses "
    "reach the encoder.",
    ("features = self.backbone(images)", "features = [x.detach() for x in self.backbone(images)]"),
)
network.slip_of(
    RightNet,
    "encoder run for each head",
    "You run the encoder again for each head. Run it once and give its features to all heads: that is what makes three "
    "tasks cheap, and one with dropout would show each head another image.",
    ("        features = self.backbone(images)\n", ""),
    ("head(features, images.shape[2:])", "head(self.backbone(images), images.shape[2:])"),
)
network.slip_of(
    RightNet,
    "hidden not handed on",
    "Your heads have the width that `DenseHead` takes by itself. Hand `hidden` on to each.",
    ("DenseHead(backbone.channels, count, hidden)", "DenseHead(backbone.channels, count)"),
)
network.slip_of(
    RightNet,
    "not enlarged",
    "Your maps have the size of the finest feature map. Give the head the image's size, `images.shape[2:]`.",
    ("head(features, images.shape[2:])", "head(features, features[0].shape[2:])"),
)
network.slip_of(
    RightNet,
    "heads in a plain dictionary",
    "Your heads stand in a plain dictionary, and nobody finds their parameters: they are not trained, not saved and "
    "not moved to the GPU. Use `nn.ModuleDict`.",
    ("self.heads = nn.ModuleDict()", "self.heads = {}"),
)
network.slip_of(
    RightNet,
    "an encoder for each task",
    "Each of your tasks has an encoder of its own: that is several networks in one class. Run one encoder once, and "
    "share its features.",
    (
        "            self.heads[name] = multitask.DenseHead(backbone.channels, count, hidden)\n",
        "            self.heads[name] = multitask.DenseHead(backbone.channels, count, hidden)\n"
        "        import copy\n"
        "        self.others = nn.ModuleList(copy.deepcopy(backbone) for name in list(heads)[1:])\n",
    ),
    (
        "return {name: head(features, images.shape[2:]) for name, head in self.heads.items()}",
        "maps = [features] + [other(images) for other in self.others]\n"
        "        return {name: head(x, images.shape[2:]) for x, (name, head) in zip(maps, self.heads.items())}",
    ),
)


@network.slip(
    "shared head",
    "Your tasks share one head, whose last layer is cut into pieces. What is shared is the encoder; each task needs "
    "convolutions of its own on top of it.",
)
class SharedHead(nn.Module):
    def __init__(self, backbone, heads, hidden=32):
        super().__init__()
        self.backbone, self.counts = backbone, heads
        self.head = multitask.DenseHead(backbone.channels, sum(heads.values()), hidden)

    def forward(self, images):
        out = self.head(self.backbone(images), images.shape[2:])
        return dict(zip(self.counts, out.split(list(self.counts.values()), 1), strict=True))


@network.slip(
    "one head for equal numbers",
    "Tasks with as many channels get the same head, and so the same answer. Make a new head for each task.",
)
class HeadsByNumber(nn.Module):
    def __init__(self, backbone, heads, hidden=32):
        super().__init__()
        self.backbone, self.counts = backbone, heads
        self.heads = nn.ModuleDict(
            {str(count): multitask.DenseHead(backbone.channels, count, hidden) for count in heads.values()}
        )

    def forward(self, images):
        features = self.backbone(images)
        return {name: self.heads[str(n)](features, images.shape[2:]) for name, n in self.counts.items()}


@network.slip(
    "coarsest map alone",
    "Your heads see the coarsest map alone. A `DenseHead` gets all maps: outlines are in the fine ones.",
)
class CoarseNet(nn.Module):
    def __init__(self, backbone, heads, hidden=32):
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleDict(
            {
                name: multitask.DenseHead(backbone.channels[-1:], count, hidden)
                for name, count in heads.items()
            }
        )

    def forward(self, images):
        features = self.backbone(images)[-1:]
        return {name: head(features, images.shape[2:]) for name, head in self.heads.items()}


# --------------------------------------------------------------------------------- 6 · weights by uncertainty

weighting = exercises.function(
    "uncertainty_weighting",
    reference.uncertainty_weighting,
    title="Weights by uncertainty",
    points=2,
    difficulty=2,
    minutes=10,
    hints=(
        "Each loss is divided by its variance, exp(s); that is the same as times `torch.exp(-log_vars)`.",
        "Without anything else, all variances would grow for ever. What stops them is the logarithm of the variance, "
        "added.",
        "`(torch.exp(-log_vars) * losses + log_vars).sum()`: no 2, no root.",
    ),
)


@weighting.cases
def _(draw):
    yield Case(torch.tensor([2.0, 0.5, 3.0]), torch.zeros(3), words="all log-variances 0: the sum", share=0.5)
    yield Case(torch.tensor([2.0]), torch.tensor([1.0]), words="one task, log-variance 1")
    yield Case(
        torch.tensor([2.0, 0.5]), torch.tensor([0.9, -0.4]), words="a positive and a negative log-variance"
    )
    losses = torch.tensor([4.0, 0.5])
    yield Case(losses, losses.log(), words="the best log-variances for these losses")
    yield Case(
        torch.tensor([0.0, 0.0]), torch.tensor([1.5, -0.5]), words="losses of 0: what the variances cost"
    )
    yield Case(
        draw.uniform((3,)), draw.normal((3,)), gradient=True, words="gradients of losses and log-variances"
    )
    for _ in range(draw.count):
        count = draw.integer(1, 5)
        yield Case(3 * draw.uniform((count,)), draw.normal((count,)), words="random losses")


def right_weighting(losses, log_vars):
    weights = torch.exp(-log_vars)
    return (weights * losses + log_vars).sum()


weighting.slip_of(
    right_weighting,
    "no price for variance",
    "You divide by the variances and add nothing. The cheapest way to make this small is to let all variances grow; "
    "then no task is learned. Add the log-variances.",
    ("weights * losses + log_vars", "weights * losses"),
)
weighting.slip_of(
    right_weighting,
    "multiplied by the variance",
    "You multiply by the variance. A task with large errors should weigh less: `torch.exp(-log_vars)`.",
    ("torch.exp(-log_vars)", "torch.exp(log_vars)"),
)
weighting.slip_of(
    right_weighting,
    "standard deviation for variance",
    "You take `log_vars` for the logarithm of the standard deviation, and double it. It is that of the variance "
    "already.",
    ("torch.exp(-log_vars)", "torch.exp(-2 * log_vars)"),
)
weighting.slip_of(
    right_weighting,
    "halved",
    "You halve everything, as the likelihood in the paper does. The formula above has no 1/2: the same weights, the "
    "same best variances, another number.",
    ("(weights * losses + log_vars).sum()", "(0.5 * weights * losses + 0.5 * log_vars).sum()"),
)
weighting.slip_of(
    right_weighting,
    "price halved",
    "You halve the log-variances and not the losses. The best variance is then twice the loss.",
    ("weights * losses + log_vars", "weights * losses + 0.5 * log_vars"),
)
weighting.slip_of(
    right_weighting,
    "losses halved",
    "You halve the losses and not the log-variances. The best variance is then half of the loss.",
    ("(weights * losses + log_vars).sum()", "(0.5 * weights * losses + log_vars).sum()"),
)
weighting.slip_of(
    right_weighting,
    "mean over the tasks",
    "You average over the tasks. The likelihoods of independent tasks multiply, so their logarithms are added.",
    (".sum()", ".mean()"),
)
weighting.slip_of(
    right_weighting,
    "weights without a gradient",
    "You detach the weights, so nothing tells the log-variances how large the losses are: they only fall.",
    ("torch.exp(-log_vars)", "torch.exp(-log_vars).detach()"),
)
weighting.slip_of(
    right_weighting,
    "weights that sum to one",
    "You turn the log-variances into shares by a softmax. Then one task can only gain what another one loses, and the "
    "smallest loss gets everything.",
    ("torch.exp(-log_vars)", "torch.softmax(-log_vars, 0)"),
)


# ------------------------------------------------------------------------------------------ 7 · soft colours

BINS = torch.tensor([[a, b] for a in (-20.0, -10.0, 0.0, 10.0, 20.0) for b in (-20.0, -10.0, 0.0, 10.0)])

targets = exercises.function(
    "colorization_targets",
    colour.colorization_targets,
    title="Colours as soft classes",
    points=3,
    difficulty=3,
    minutes=18,
    tolerance=1e-3,
    hints=(
        "Distances first: `(pixels[..., None, :] - bins)` with `pixels = ab.movedim(1, -1)` is (N, H, W, Q, 2).",
        "`square.sort(dim=-1)` gives the squared distances in order and which bins they belong to; keep the first "
        "`neighbours` of both.",
        "`torch.exp(-square / (2 * sigma**2))`, over their sum. `torch.zeros_like(...)` and `scatter(-1, place, "
        "share)` put them back; the bins belong to axis 1.",
    ),
)


@targets.cases
def _(draw):
    three = torch.tensor([[0.0, 0.0], [10.0, 0.0], [50.0, 0.0]])
    yield Case(torch.tensor([5.0, 0.0]).reshape(1, 2, 1, 1), three, 2, words="half-way between two bins")
    yield Case(
        torch.tensor([2.0, 0.0]).reshape(1, 2, 1, 1), three, 2, 5.0, words="nearer to the first of two bins"
    )
    yield Case(draw.uniform((1, 2, 2, 3), -20, 15), BINS, words="5 of 20 bins")
    yield Case(draw.uniform((2, 2, 3, 2), -20, 15), BINS, 5, 12.0, words="sigma 12: softer")
    yield Case(draw.uniform((1, 2, 2, 2), -20, 15), BINS, 1, words="one neighbour: the nearest bin alone")
    yield Case(
        draw.uniform((1, 2, 2, 2), -20, 15), BINS[:3], 5, words="three bins and five neighbours: all three"
    )
    for _ in range(draw.count):
        ab = draw.uniform((draw.integer(1, 2), 2, draw.integer(1, 4), draw.integer(1, 4)), -25, 20)
        neighbours, sigma = draw.integer(2, 6), float(draw.integer(4, 9))
        yield Case(ab, BINS, neighbours, sigma, words="random colours")


def right_targets(ab, bins, neighbours=5, sigma=5.0):
    pixels = ab.movedim(1, -1)
    square = ((pixels[..., None, :] - bins) ** 2).sum(-1)
    near, place = square.sort(dim=-1)
    near, place = near[..., :neighbours], place[..., :neighbours]
    share = torch.exp(-near / (2 * sigma**2))
    share = share / share.sum(-1, keepdim=True)
    return torch.zeros_like(square).scatter(-1, place, share).movedim(-1, 1)


targets.slip_of(
    right_targets,
    "nearest bin alone",
    "You give all to the nearest bin. A colour between two bins is then wrong by a whole bin, and a hair more or less "
    "makes it jump: share it among the nearest ones.",
    ("place[..., :neighbours]", "place[..., :1]"),
    ("near[..., :neighbours]", "near[..., :1]"),
)
targets.slip_of(
    right_targets,
    "not normalised",
    "Your weights do not sum to 1 over the bins. A distribution does: divide by their sum.",
    ("share = share / share.sum(-1, keepdim=True)", "share = share * 1.0"),
)
targets.slip_of(
    right_targets,
    "all bins",
    "You share among all bins. Only the nearest ones, `neighbours` of them, get anything.",
    ("near[..., :neighbours], place[..., :neighbours]", "near, place"),
)
targets.slip_of(
    right_targets,
    "distance not squared",
    "You take the distance itself. The Gaussian has its square.",
    ("torch.exp(-near / (2 * sigma**2))", "torch.exp(-near.sqrt() / (2 * sigma**2))"),
)
targets.slip_of(
    right_targets,
    "two is missing",
    "The 2 in 2 sigma^2 is missing: your Gaussian is narrower than it says.",
    ("(2 * sigma**2)", "sigma**2"),
)
targets.slip_of(
    right_targets,
    "sigma not squared",
    "You divide by 2 sigma. Distances are squared, so sigma is, too.",
    ("(2 * sigma**2)", "(2 * sigma)"),
)
targets.slip_of(
    right_targets,
    "inverse distance",
    "You weigh by one over the distance. Weigh by the Gaussian of the distance.",
    ("torch.exp(-near / (2 * sigma**2))", "1 / near.sqrt().clamp(min=1e-6)"),
)
targets.slip_of(
    right_targets,
    "farthest bins",
    "You take the farthest bins: the sort runs the wrong way.",
    ("square.sort(dim=-1)", "square.sort(dim=-1, descending=True)"),
)
targets.slip_of(
    right_targets,
    "b for a",
    "You take b for a. The first channel of ab, and the first column of the bins, is a: green to red.",
    ("ab.movedim(1, -1)", "ab.flip(1).movedim(1, -1)"),
)


# -------------------------------------------------------------------------------------- 8 · rare colours count

rebalance = exercises.function(
    "rebalancing_weights",
    colour.rebalancing_weights,
    title="Rare colours count more",
    points=2,
    difficulty=2,
    minutes=10,
    hints=(
        "Counts first become shares: `prior / prior.sum()`.",
        "Mix the shares with the uniform distribution, `1 / len(prior)` each, and take one over that.",
        "Last the size: divide by the mean weight of a *pixel*, `(p * weights).sum()`, not by that of a bin.",
    ),
)


@rebalance.cases
def _(draw):
    prior = torch.tensor([0.7, 0.2, 0.1])
    yield Case(prior, words="three bins, lam 1/2")
    yield Case(prior, 0.0, words="lam 0: one over the share")
    yield Case(prior, lam=1.0, smoke=True, words="lam 1: all alike")
    yield Case(torch.tensor([600.0, 300.0, 90.0, 10.0]), words="counts instead of shares")
    yield Case(torch.tensor([8.0, 2.0, 0.0]), 0.2, words="a bin that never occurs")
    for _ in range(draw.count):
        counts = draw.integers((draw.integer(2, 7),), 1, 50)
        counts[0] += 60
        yield Case(counts, draw.choice([0.1, 0.3, 0.8]), words="random counts")


def right_rebalance(prior, lam=0.5):
    p = prior / prior.sum()
    mixed = (1 - lam) * p + lam / len(p)
    weights = 1 / mixed
    return weights / (p * weights).sum()


rebalance.slip_of(
    right_rebalance,
    "frequent colours count more",
    "Your weights grow with how often a colour occurs. It is one over that: grey needs no help.",
    ("1 / mixed", "mixed * 1.0"),
)
rebalance.slip_of(
    right_rebalance,
    "lam exchanged",
    "You exchange lam and 1 - lam. With lam = 1 all weights are alike: it is the uniform part that lam weighs.",
    ("(1 - lam) * p + lam / len(p)", "lam * p + (1 - lam) / len(p)"),
)
rebalance.slip_of(
    right_rebalance,
    "lam for every bin",
    "You add the whole of lam to each bin. The uniform distribution has 1 / Q in each.",
    ("lam / len(p)", "lam"),
)
rebalance.slip_of(
    right_rebalance,
    "weights mixed instead of shares",
    "You turn the shares over and mix afterwards. Mix the shares first: a bin that never occurs must not be infinite.",
    ("(1 - lam) * p + lam / len(p)", "p * 1.0"),
    ("weights = 1 / mixed", "weights = (1 - lam) / mixed + lam"),
)
rebalance.slip_of(
    right_rebalance,
    "weights that sum to one",
    "Your weights sum to 1 over the bins. What must be 1 is the mean weight of a pixel, and pixels are distributed as "
    "p.",
    ("(p * weights).sum()", "weights.sum()"),
)
rebalance.slip_of(
    right_rebalance,
    "mean weight of a bin",
    "The mean of your weights over the bins is 1. But most pixels are in few bins: weigh the mean with p.",
    ("(p * weights).sum()", "weights.mean()"),
)
rebalance.slip_of(
    right_rebalance,
    "not scaled",
    "You leave the weights as they are. Then the loss grows with the number of bins: divide by the mean weight of a "
    "pixel.",
    ("weights / (p * weights).sum()", "weights"),
)
rebalance.slip_of(
    right_rebalance,
    "counts not divided",
    "You mix counts with shares: of thousands of pixels, the uniform part is nothing. Divide the counts by their sum "
    "first.",
    ("p = prior / prior.sum()", "p = prior"),
    ("weights / (p * weights).sum()", "weights / (p / p.sum() * weights).sum()"),
)
rebalance.slip_of(
    right_rebalance,
    "not mixed",
    "You do not mix in the uniform distribution. A colour that was seen once would weigh as much as all grey pixels "
    "together, and one that was never seen infinitely much.",
    ("(1 - lam) * p + lam / len(p)", "p * 1.0"),
)


# ----------------------------------------------------------------------------------------- 9 · the colour loss

loss = exercises.function(
    "colorization_loss",
    colour.colorization_loss,
    title="The loss of colorization",
    points=2,
    difficulty=2,
    minutes=10,
    tolerance=1e-3,
    hints=(
        "`logits.log_softmax(1)`, times the targets, summed over the bins: with a minus, the cross-entropy of each "
        "pixel.",
        "`targets.argmax(1)` is each pixel's most likely true bin, (N, H, W), and `weights[...]` of it its weight.",
        "Weight times cross-entropy, averaged over all pixels.",
    ),
)


def _soft(draw, n, q, h, w):
    return draw.normal((n, q, h, w)), (2 * draw.normal((n, q, h, w))).softmax(1), 0.2 + 3 * draw.uniform((q,))


@loss.cases
def _(draw):
    one = torch.tensor([[0.0, 1.0]]).reshape(1, 2, 1, 1)
    yield Case(
        torch.zeros(1, 2, 1, 1), one, torch.tensor([1.0, 3.0]), words="undecided between two bins: 3 log 2"
    )
    logits, soft, weights = _soft(draw, 1, 4, 2, 3)
    yield Case(logits, soft, torch.ones(4), words="equal weights")
    yield Case(logits, soft, weights, words="4 bins, soft targets")
    hard = torch.zeros_like(soft).scatter(1, soft.argmax(1, keepdim=True), 1.0)
    yield Case(logits, hard, weights, words="hard targets")
    yield Case(*_soft(draw, 2, 6, 3, 4), words="two images")
    extreme = torch.tensor([1e4, -1e4]).reshape(1, 2, 1, 1)
    yield Case(extreme, one, torch.tensor([1.0, 1.0]), words="logits of 10,000 and -10,000")
    logits, soft, weights = _soft(draw, 2, 3, 2, 2)
    yield Case(logits, soft, weights, gradient=True, words="gradients")
    for _ in range(draw.count):
        sizes = (draw.integer(1, 2), draw.integer(3, 6), draw.integer(2, 4), draw.integer(2, 4))
        yield Case(*_soft(draw, *sizes), words="random maps")


def right_loss(logits, targets, weights):
    entropy = -(targets * logits.log_softmax(1)).sum(1)
    weight = weights[targets.argmax(1)]
    return (weight * entropy).mean()


loss.slip_of(
    right_loss,
    "weights of the predicted bin",
    "You take the weight of the bin that the network likes best. It would learn to say colours that weigh little; the "
    "true bin decides.",
    ("weights[targets.argmax(1)]", "weights[logits.argmax(1)]"),
)
loss.slip_of(
    right_loss,
    "each bin weighted",
    "You weight each bin's share for itself. A pixel has one weight, that of its most likely bin; else rare neighbours "
    "pull each soft target towards themselves.",
    (
        "-(targets * logits.log_softmax(1)).sum(1)",
        "-(targets * weights[:, None, None] * logits.log_softmax(1)).sum(1)",
    ),
    ("(weight * entropy).mean()", "entropy.mean()"),
)
loss.slip_of(
    right_loss,
    "divergence for cross-entropy",
    "You take the entropy of the truth away. The gradient is the same, the number is not.",
    (
        "-(targets * logits.log_softmax(1)).sum(1)",
        "(torch.xlogy(targets, targets) - targets * logits.log_softmax(1)).sum(1)",
    ),
)
loss.slip_of(
    right_loss,
    "softmax over space",
    "Your softmax runs over the pixels of a row. It runs over the bins, axis 1.",
    ("logits.log_softmax(1)", "logits.log_softmax(-1)"),
)
loss.slip_of(
    right_loss,
    "mean over the bins",
    "You average over the bins as well. The cross-entropy sums over them, and only pixels are averaged.",
    (".sum(1)", ".mean(1)"),
)
loss.slip_of(
    right_loss,
    "divided by the weights",
    "You divide by the sum of the weights, as a weighted cross-entropy often does. Here the weights have mean 1 over "
    "all data; a batch without rare colours should have a small loss.",
    ("(weight * entropy).mean()", "(weight * entropy).sum() / weight.sum()"),
)
loss.slip_of(
    right_loss,
    "not weighted",
    "Your loss has no weights. Most pixels are nearly grey, and so will be the picture.",
    ("(weight * entropy).mean()", "entropy.mean()"),
)
loss.slip_of(
    right_loss,
    "hard targets",
    "You take only the most likely bin as the truth. The targets are soft: sum over all bins.",
    (
        "-(targets * logits.log_softmax(1)).sum(1)",
        "-logits.log_softmax(1).gather(1, targets.argmax(1, keepdim=True)).squeeze(1)",
    ),
)
loss.slip_of(
    right_loss,
    "logarithm of a softmax",
    "You take the logarithm of the probabilities. For large logits a probability is 0 and its logarithm infinite: "
    "`log_softmax` does both at once.",
    ("logits.log_softmax(1)", "logits.softmax(1).log()"),
)
