"""What chapter 13 asks: cases, forbidden calls, and the slips that learners really make.

Most slips are one wrong line. They stand beside the right program that they are a line of.
"""

from __future__ import annotations

import torch

from dlcv import losses
from dlcv.checking import Case, Exercises, Forbidden
from dlcv.checking.derivation import is_solved_for, occurrences
from dlcv.checking.forbidden import SOFTMAX
from dlcv.losses import reference
from dlcv.losses.probes import to_the_logits

exercises = Exercises("losses")
check = exercises.check

LOGSUMEXP = Forbidden(
    "a ready-made sum in logarithms",
    aten=("logsumexp*", "special_logsumexp*", "logaddexp*", "logcumsumexp*", "_logcumsumexp*"),
    names=("logsumexp", "logaddexp*", "logcumsumexp", "log_sigmoid", "logsigmoid", "LogSigmoid"),
)
CLASS_WEIGHT = Forbidden("ready-made class weights", names=("compute_class_weight", "compute_sample_weight"))
BOX_IOU = Forbidden("a ready-made IoU of boxes", names=("*box_iou*",))
FOCAL = Forbidden("a ready-made focal loss", names=("*focal_loss*",))


def _maps(draw, *shape, classes=3, void=0.2, mark=255):
    """Logits (N, C, ...) and classes (N, ...); some pixels are ignored, the first one is not."""
    logits = 2 * draw.normal((shape[0], classes, *shape[1:]))
    target = draw.integers(shape, 0, classes, torch.int64)
    ignored = draw.uniform(shape) < void
    ignored.view(-1)[0] = False
    ignored.view(-1)[-1] = void > 0
    return logits, target.masked_fill(ignored, mark)


# ---------------------------------------------------------------------------------------- 1 · cross-entropy

entropy = exercises.function(
    "cross_entropy",
    reference.cross_entropy,
    title="Cross-entropy from logits",
    points=4,
    difficulty=3,
    minutes=18,
    forbidden=(SOFTMAX, LOGSUMEXP),
    hints=(
        "Take each pixel's largest logit away from all of its logits. No probability changes, and no `exp` overflows.",
        "The log-probability is the shifted logit minus the `log` of the `sum` of the exponentials. Never take the "
        "logarithm of a probability: it may have been rounded to 0.",
        "`gather` along axis 1 picks each pixel's class; give ignored pixels class 0 first, and weight 0 afterwards. "
        "The mean divides by the sum of the weights. Where nothing counts, return the sum: a 0 that knows its logits.",
    ),
)


@entropy.cases
def _(draw):
    yield Case(torch.zeros(1, 4), torch.tensor([2]), words="four equal logits: log 4")
    logits, target = _maps(draw, 2, 3, 4)
    yield Case(logits, target, words="maps with ignored pixels")
    weight = torch.tensor([0.5, 4.0, 1.0])
    yield Case(logits, target, weight, words="class weights: the mean divides by their sum")
    yield Case(logits, target, weight, 255, "sum", words="the sum")
    yield Case(logits, target, weight, 255, "none", words="a loss for each pixel")
    yield Case(logits, target.where(target != 255, 0), ignore_index=1, words="class 1 is ignored, not 255")
    large = torch.tensor([[1e4, -1e4], [-1e4, 1e4], [1e4, -1e4]])
    yield Case(large, torch.tensor([0, 0, 1]), words="logits of +-10,000", share=4.0)
    low = torch.tensor([[1e4, 1e4], [-1e4, -1e4]], dtype=torch.float64)
    yield Case(low, torch.tensor([0, 1]), words="two pixels, each with equal logits: log 2", share=3.0)
    yield Case(
        100 * _maps(draw, 2, 3)[0], torch.tensor([[0, 1, 2], [2, 1, 0]]),
        probe=to_the_logits, words="gradient where logits are in the hundreds",
    )  # fmt: skip
    yield Case(logits, target, weight, probe=to_the_logits, words="gradient with class weights")
    yield Case(
        logits, torch.full_like(target, 255), probe=to_the_logits, smoke=True,
        words="all pixels ignored: 0, and a gradient of zeros",
    )  # fmt: skip
    yield Case(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), smoke=True, words="no pixels at all: 0")
    for number in range(draw.count):
        classes = draw.integer(3, 5)
        logits, target = _maps(draw, draw.integer(2, 3), draw.integer(5, 8), classes=classes)
        size, words = ((1, "random maps and weights"), (300, "random maps, logits in the hundreds"))[
            number % 2
        ]
        yield Case(size * logits, target, draw.uniform((classes,), 0.2, 5), words=words)


def right_cross_entropy(logits, target, weight=None, ignore_index=255, reduction="mean"):
    shifted = logits - logits.amax(1, keepdim=True)
    log_p = shifted - shifted.exp().sum(1, keepdim=True).log()
    kept = target != ignore_index
    labels = target.where(kept, 0)
    weights = torch.ones(logits.shape[1]) if weight is None else weight
    weights = weights[labels] * kept
    losses = -weights * log_p.gather(1, labels.unsqueeze(1)).squeeze(1)
    if reduction == "none":
        return losses
    total = losses.sum()
    if reduction == "mean" and kept.any():
        total = total / weights.sum()
    return total


entropy.slip_of(
    right_cross_entropy,
    "logarithm of a probability",
    "You take the logarithm of probabilities. Of a large difference of logits, the probability is rounded to 0 and its "
    "logarithm is infinite. Stay with logarithms all the way.",
    (
        "log_p = shifted - shifted.exp().sum(1, keepdim=True).log()",
        "log_p = (shifted.exp() / shifted.exp().sum(1, keepdim=True)).log()",
    ),
)
entropy.slip_of(
    right_cross_entropy,
    "a small number in the logarithm",
    "You add a small number to the probability, so that its logarithm stays finite. Where the net is most wrong, the "
    "loss then no longer grows and the gradient is 0. Never form the probability.",
    (
        "log_p = shifted - shifted.exp().sum(1, keepdim=True).log()",
        "log_p = (shifted.exp() / shifted.exp().sum(1, keepdim=True) + 1e-8).log()",
    ),
)
entropy.slip_of(
    right_cross_entropy,
    "exponentials too large",
    "You take `exp` of the logits as they are: beyond 88 that is infinite in float32. Take the largest logit of each "
    "pixel away first.",
    ("logits - logits.amax(1, keepdim=True)", "logits"),
)
entropy.slip_of(
    right_cross_entropy,
    "one largest logit for all",
    "You take the largest logit of the whole batch away. For a pixel whose logits are all far below it, every `exp` is "
    "then 0. Each pixel has its own largest logit.",
    ("logits.amax(1, keepdim=True)", "logits.amax()"),
)
entropy.slip_of(
    right_cross_entropy,
    "weighted mean divided by the number of pixels",
    "You divide the weighted sum by the number of pixels. Divide by the sum of their weights, else rare classes change "
    "the size of the loss from batch to batch.",
    ("weights.sum()", "kept.sum()"),
)
entropy.slip_of(
    right_cross_entropy,
    "mean over all pixels",
    "You take the plain mean, over ignored pixels and without their weights. Divide the weighted sum by the sum of the "
    "weights of the pixels that count.",
    ("weights.sum()", "target.numel()"),
)
entropy.slip_of(
    right_cross_entropy,
    "ignored pixels in the mean",
    "Ignored pixels are in what you divide by. They have weight 0, else an image half void seems half as wrong.",
    ("weights.sum()", "(weights + ~kept).sum()"),
)
entropy.slip_of(
    right_cross_entropy,
    "ignored pixels counted as class 0",
    "You count ignored pixels as class 0. Their class is not known: they have weight 0.",
    ("weights[labels] * kept", "weights[labels]"),
)
entropy.slip_of(
    right_cross_entropy,
    "always ignores 255",
    "You ignore label 255 and not `ignore_index`. Data sets differ in the label that stands for void.",
    ("kept = target != ignore_index", "kept = target != 255"),
)
entropy.slip_of(
    right_cross_entropy,
    "NaN where nothing counts",
    "Where all pixels are ignored you divide 0 by 0. One such crop, and every weight of the net is NaN. torch's own "
    "function does the same.",
    (" and kept.any()", ""),
)
entropy.slip_of(
    right_cross_entropy,
    "a zero without a gradient",
    "Where nothing counts you return a new 0 that does not come from the logits, so `backward` fails. Return the sum.",
    (
        '    if reduction == "none"',
        '    if not kept.any():\n        return torch.zeros(())\n    if reduction == "none"',
    ),
)
entropy.slip_of(
    right_cross_entropy,
    "sign",
    "This is the log-probability. The loss is minus it: the better the prediction, the smaller.",
    ("-weights * log_p", "weights * log_p"),
)


# ------------------------------------------------------------------------------------- 2 · balanced weights

weights = exercises.function(
    "balanced_weights",
    reference.balanced_weights,
    title="Balanced weights",
    points=2,
    difficulty=2,
    minutes=8,
    forbidden=(CLASS_WEIGHT,),
    hints=(
        "Both kinds are a common number divided by the class's count. Which number?",
        "For inverse it is all pixels over the number of classes, which is the `mean` count; for median the median.",
        "Leave classes without pixels out of both, and give them 0. `quantile(0.5)` is the mean of the two middle ones "
        "where the number of classes is even; `torch.median` takes the lower.",
    ),
)


@weights.cases
def _(draw):
    yield Case(torch.tensor([900, 90, 10]), words="900, 90 and 10 pixels")
    yield Case(torch.tensor([900, 90, 10]), "median", words="the same, by the median")
    yield Case(
        torch.tensor([400, 300, 200, 100]), "median", words="four classes: the median lies in the middle"
    )
    yield Case(torch.tensor([700, 0, 300, 0, 20]), words="classes without pixels have weight 0")
    yield Case(torch.tensor([700, 0, 300, 0, 20]), "median", words="the same, by the median")
    for _ in range(draw.count):
        counts = draw.integers((draw.integer(2, 7),), 1, 100_000, torch.int64)
        yield Case(counts, draw.choice(["inverse", "median"]), words="random counts")


def right_weights(counts, kind="inverse"):
    counts = counts.float()
    seen = counts[counts > 0]
    common = seen.sum() / len(seen) if kind == "inverse" else seen.quantile(0.5)
    return torch.where(counts > 0, common / counts, 0.0)


weights.slip_of(
    right_weights,
    "infinite weights",
    "A class without pixels gets an infinite weight, and the first loss with it is NaN. Give it 0: it is never seen.",
    ("torch.where(counts > 0, common / counts, 0.0)", "common / counts"),
)
weights.slip_of(
    right_weights,
    "absent classes counted as one pixel",
    "You divide by 1 where a class has no pixels, which makes it the heaviest of all. It has weight 0.",
    ("torch.where(counts > 0, common / counts, 0.0)", "common / counts.clamp(min=1)"),
)
weights.slip_of(
    right_weights,
    "weights that sum to 1",
    "You scale the weights to a sum of 1. Then a pixel weighs much less than 1 on average. Leave them as they are.",
    (
        "return torch.where(counts > 0, common / counts, 0.0)",
        "w = torch.where(counts > 0, common / counts, 0.0)\n    return w / w.sum()",
    ),
)
weights.slip_of(
    right_weights,
    "not divided by the number of classes",
    "You divide all pixels by those of the class. Divide by the number of classes as well: then a pixel weighs 1 on "
    "average, and the learning rate need not change.",
    ("seen.sum() / len(seen)", "seen.sum()"),
)
weights.slip_of(
    right_weights,
    "absent classes in the mean and in the median",
    "Classes without pixels are in your mean count and in your median. Leave them out of both.",
    ("counts[counts > 0]", "counts"),
)
weights.slip_of(
    right_weights,
    "lower median",
    "For an even number of classes `torch.median` takes the lower of the two in the middle. The median is their mean.",
    ("seen.quantile(0.5)", "seen.median()"),
)
weights.slip_of(
    right_weights,
    "frequent classes weigh more",
    "Your weights grow with the count. The rare class is the one that needs a louder voice: divide by the count.",
    ("common / counts", "counts / common"),
)
weights.slip_of(
    right_weights,
    "always inverse",
    'You do not look at `kind`: with "median" the common number is the median count.',
    (' if kind == "inverse" else seen.quantile(0.5)', ""),
)


# ------------------------------------------------------------------------- derivations · γ = 0; focal below CE


def _no_negative_power(line):
    import sympy

    powers = (node for node in sympy.preorder_traversal(line) if isinstance(node, sympy.Pow))
    return not any(node.exp.is_number and node.exp < 0 for node in powers)


def _zero_lines(a, b, gamma):
    import sympy

    p = sympy.exp(a) / (sympy.exp(a) + sympy.exp(b))
    return [
        -((1 - p) ** gamma) * sympy.log(p),
        -sympy.log(p),
        -(sympy.log(sympy.exp(a)) - sympy.log(sympy.exp(a) + sympy.exp(b))),
        sympy.log(sympy.exp(a) + sympy.exp(b)) - a,
    ]


def _log_of_a_sum(line, a, b, gamma):
    import sympy

    logs = [node for node in sympy.preorder_traversal(line) if isinstance(node, sympy.log)]
    return _no_negative_power(line) and len(logs) == 1 and isinstance(logs[0].args[0], sympy.Add)


gamma_zero = exercises.derivation(
    "gamma_zero",
    _zero_lines,
    symbols=("a", "b", "gamma"),
    domain={"a": (-2.0, 2.0), "b": (-2.0, 2.0), "gamma": (0.0, 0.0)},
    milestones=(
        ("`gamma` is gone", lambda line, a, b, gamma: not line.has(gamma)),
        ("one logarithm, of a sum, and no fraction", _log_of_a_sum),
    ),
    title="With γ = 0 it is cross-entropy",
    points=2,
    difficulty=2,
    minutes=8,
    hints=(
        "What is a number to the power 0?",
        "The logarithm of a fraction is a difference of two logarithms. Mind the minus before it.",
        "`sympy.log(sympy.exp(a))` is `a`, and `sympy.log(sympy.exp(a) + sympy.exp(b))` stays as it is.",
    ),
)


@gamma_zero.slip(
    "a power of 0 taken for 0",
    "You let the factor vanish. A number to the power 0 is 1: with γ = 0 nothing is turned down.",
)
def _(a, b, gamma):
    import sympy

    return [sympy.Integer(0)]


@gamma_zero.slip(
    "logarithm of a fraction",
    "The logarithm of a fraction is not the fraction of the logarithms, it is their difference.",
)
def _(a, b, gamma):
    import sympy

    return [-a / sympy.log(sympy.exp(a) + sympy.exp(b))]


@gamma_zero.slip(
    "logarithm of a sum",
    "The logarithm of a sum is not the sum of the logarithms: log(e^a + e^b) stays as it is.",
)
def _(a, b, gamma):
    return [a + b - a]


@gamma_zero.slip(
    "sign",
    "The minus stands before both logarithms: log(e^a + e^b) comes out with a plus, the logit `a` with a minus.",
)
def _(a, b, gamma):
    import sympy

    return [a - sympy.log(sympy.exp(a) + sympy.exp(b))]


def _below_lines(p, gamma):
    import sympy

    entropy, focal = -sympy.log(p), -((1 - p) ** gamma) * sympy.log(p)
    return [entropy - focal, -sympy.log(p) * (1 - (1 - p) ** gamma)]


def _log_taken_out(line, p, gamma):
    import sympy

    line = sympy.expand_log(line, force=True)  # the log of 1 / p will do as well
    return isinstance(line, sympy.Mul) and sympy.log(p) in line.args and occurrences(line, sympy.log(p)) == 1


below = exercises.derivation(
    "below_cross_entropy",
    _below_lines,
    symbols=("p", "gamma"),
    domain={"p": (0.05, 0.95), "gamma": (0.5, 4.0)},
    milestones=(("a product, in which `log(p)` stands once", _log_taken_out),),
    title="Focal loss is never above cross-entropy",
    points=1,
    difficulty=1,
    minutes=5,
    hints=(
        "Both losses have the factor `sympy.log(p)`. Take it out.",
        "What is left in the bracket is 1 minus the focal factor `(1 - p)**gamma`.",
        "-log p times (1 - (1 - p)^γ): two factors, and you can read off the sign of each.",
    ),
)


@below.slip(
    "sign of the focal loss",
    "You add the focal loss. Cross-entropy *minus* focal loss is asked for: in the bracket stands 1 minus the factor.",
)
def _(p, gamma):
    import sympy

    return [-sympy.log(p) * (1 + (1 - p) ** gamma)]


@below.slip(
    "power of a difference",
    "You put 1 - p^γ for (1 - p)^γ. A power of a difference is not the difference of the powers.",
)
def _(p, gamma):
    import sympy

    return [-sympy.log(p) * (1 - (1 - p**gamma))]


@below.slip(
    "tangent for the curve",
    "You put 1 - γp for (1 - p)^γ. That is its tangent at p = 0, and the same only for γ = 1.",
)
def _(p, gamma):
    import sympy

    return [-sympy.log(p) * gamma * p]


def _equal_lines(p, gamma):
    import sympy

    return [
        sympy.Eq((1 - p) ** gamma, 1, evaluate=False),
        sympy.Eq(gamma * sympy.log(1 - p), 0, evaluate=False),
        sympy.Eq(sympy.log(1 - p), 0, evaluate=False),
        sympy.Eq(1 - p, 1, evaluate=False),
        sympy.Eq(p, 0, evaluate=False),
    ]


def _no_exponent(line, p, gamma):
    import sympy

    powers = (node for node in sympy.preorder_traversal(line) if isinstance(node, sympy.Pow))
    return not any(node.exp.has(gamma) for node in powers)


where_equal = exercises.derivation(
    "where_equal",
    _equal_lines,
    symbols=("p", "gamma"),
    unknown="p",
    domain={"p": (0.05, 0.95), "gamma": (0.5, 4.0)},
    milestones=(
        ("`gamma` is no exponent", _no_exponent),
        ("`p` stands alone on the left", lambda line, p, gamma: is_solved_for(line, p)),
    ),
    title="Where nothing is turned down",
    points=1,
    difficulty=1,
    minutes=5,
    hints=(
        "The unknown stands under an exponent. What brings an exponent down?",
        "Take the logarithm of both sides: `gamma * sympy.log(1 - p)` on the left. What is the logarithm of 1?",
        "`gamma` is not 0 here, so you may divide by it. A number whose logarithm is 0 is 1.",
    ),
)


@where_equal.slip(
    "power 1 taken for base 0",
    "You set the base to 0. A power is 1 where its base is 1 (or its exponent 0).",
)
def _(p, gamma):
    import sympy

    return [sympy.Eq(1 - p, 0, evaluate=False)]


@where_equal.slip(
    "logarithm of the left side only",
    "You take the logarithm on the left and leave the 1 on the right. Its logarithm is 0.",
)
def _(p, gamma):
    import sympy

    return [sympy.Eq(gamma * sympy.log(1 - p), 1, evaluate=False)]


@where_equal.slip(
    "divided by an exponent",
    "γ is an exponent, so you cannot divide by it. Take the logarithm first, which makes a factor of it.",
)
def _(p, gamma):
    import sympy

    return [sympy.Eq(1 - p, 1 / gamma, evaluate=False)]


# --------------------------------------------------------------------------------------------- 3 · focal loss

focal = exercises.function(
    "focal_loss",
    reference.focal_loss,
    title="Focal loss",
    points=4,
    difficulty=3,
    minutes=15,
    forbidden=(FOCAL,),
    hints=(
        "Three factors for each logit: its cross-entropy, a power of how wrong it is, and a weight. First the losses "
        "of all logits, then `reduction`.",
        '`binary_cross_entropy_with_logits` with reduction "none" is stable. `p_t` is the probability of the truth: p '
        "for a positive, 1 - p for the others.",
        "The weight is `alpha` for positives and `1 - alpha` for the others: `alpha * target + (1 - alpha) * (1 - "
        "target)`. The mean of no logits is 0: divide by at least 1.",
    ),
)


@focal.cases
def _(draw):
    def answers(*shape):
        return 2 * draw.normal(shape), draw.integers(shape, 0, 2)

    p = torch.tensor([0.9, 0.7, 0.5, 0.3, 0.1])
    yield Case(
        p.logit(), torch.ones(5), 2.0, None, "none", words="positives with p = 0.9, 0.7, 0.5, 0.3, 0.1"
    )
    yield Case(p.logit(), torch.zeros(5), 2.0, None, "none", words="the same logits for negatives")
    logits, target = answers(3, 4)
    yield Case(logits, target, words="as it is: gamma 2, alpha 0.25, mean")
    yield Case(logits, target, 0.0, None, words="gamma 0 without alpha: cross-entropy")
    yield Case(logits, target, 5.0, 0.75, words="gamma 5, alpha 0.75")
    yield Case(logits, target, 2.0, 0.0, words="alpha 0: positives weigh nothing")
    yield Case(logits, target, 2.0, 0.25, "sum", words="the sum, as detectors take it")
    yield Case(logits, torch.zeros_like(target), 2.0, 0.25, "none", words="an image without positives")
    extreme = torch.tensor([1e4, -1e4, 1e4, -1e4])
    yield Case(extreme, torch.tensor([1.0, 0, 0, 1]), words="logits of +-10,000", share=4.0)
    yield Case(
        extreme, torch.tensor([1.0, 0, 0, 1]), 2.0, None, probe=to_the_logits,
        words="gradient where logits are +-10,000",
    )  # fmt: skip
    yield Case(logits, target, 2.0, 0.25, "sum", probe=to_the_logits, words="gradient")
    yield Case(torch.zeros(0), torch.zeros(0), probe=to_the_logits, smoke=True, words="no logits: 0")
    for _ in range(draw.count):
        yield Case(
            *answers(draw.integer(2, 5), draw.integer(2, 5)),
            draw.integer(5, 40) / 10,
            draw.choice([None, 0.1, 0.25, 0.6]),
            draw.choice(["mean", "sum", "none"]),
            words="random logits",
        )


def right_focal(logits, target, gamma=2.0, alpha=0.25, reduction="mean"):
    p = logits.sigmoid()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    p_t = p * target + (1 - p) * (1 - target)
    losses = (1 - p_t) ** gamma * entropy
    if alpha is not None:
        losses = (alpha * target + (1 - alpha) * (1 - target)) * losses
    if reduction == "none":
        return losses
    total = losses.sum()
    return total / max(losses.numel(), 1) if reduction == "mean" else total


focal.slip_of(
    right_focal,
    "easy pixels turned up",
    "Your factor is p_t^γ: it turns down what is wrong and keeps what is right already. It is the other way round: "
    "(1 - p_t)^γ.",
    ("(1 - p_t) ** gamma", "p_t**gamma"),
)
focal.slip_of(
    right_focal,
    "p instead of p_t",
    "Your factor is (1 - p)^γ for everybody. For a negative, p is how wrong it is, so yours turns down what is wrong "
    "there. Take p_t, the probability of the truth.",
    ("(1 - p_t) ** gamma", "(1 - p) ** gamma"),
)
focal.slip_of(
    right_focal,
    "alpha on both classes",
    "You weigh every logit with `alpha`, so it only scales the loss. Positives have `alpha`, the others 1 - alpha.",
    ("(alpha * target + (1 - alpha) * (1 - target)) * losses", "alpha * losses"),
)
focal.slip_of(
    right_focal,
    "alpha on the negatives",
    "Your `alpha` weighs negatives. It is the weight of positives; the others have 1 - alpha.",
    ("alpha * target + (1 - alpha) * (1 - target)", "(1 - alpha) * target + alpha * (1 - target)"),
)
focal.slip_of(
    right_focal,
    "negatives without a weight",
    "Your negatives keep the weight 1. They have 1 - alpha.",
    ("alpha * target + (1 - alpha) * (1 - target)", "alpha * target + (1 - target)"),
)
focal.slip_of(
    right_focal,
    "alpha 0 taken for none",
    "You ask `if alpha`, which is False for 0, too. No weights are wanted only for None: ask `if alpha is not None`.",
    ("if alpha is not None", "if alpha"),
)
focal.slip_of(
    right_focal,
    "mean over the positives",
    "You divide by the number of positives. Detectors do that with the sum; the mean here is over all logits.",
    ("total / max(losses.numel(), 1)", "total / target.sum().clamp(min=1)"),
)
focal.slip_of(
    right_focal,
    "logarithm of a sigmoid",
    "You take the logarithm of the sigmoid. It is rounded to 0 or 1 for large logits, and 0 times minus infinity is "
    "NaN. Compute cross-entropy from the logits.",
    (
        'torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")',
        "-(target * p.log() + (1 - target) * (1 - p).log())",
    ),
)
focal.slip_of(
    right_focal,
    "logarithm clamped away from 0",
    "You keep the probability away from 0 and 1 by a small number. That bounds the loss, and where it is bounded the "
    "gradient is 0: what is most wrong is not corrected at all. Compute cross-entropy from the logits.",
    (
        'torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")',
        "-(target * p.clamp(1e-7, 1 - 1e-7).log() + (1 - target) * (1 - p.clamp(1e-7, 1 - 1e-7)).log())",
    ),
)


@focal.slip(
    "focal factor of the mean",
    "You take the mean of the cross-entropy first, and one factor for it: easy and hard logits are turned down alike. "
    "This version goes round in many notebooks. Take the factor logit by logit, the mean last.",
)
def _(logits, target, gamma=2.0, alpha=0.25, reduction="mean"):
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
    loss = (1 - (-entropy).exp()) ** gamma * entropy
    return loss if alpha is None else alpha * loss


focal.slip_of(
    right_focal,
    "factor without a gradient",
    "Your values are right, the gradients are not: the factor depends on the logits, too. Do not detach it.",
    ("(1 - p_t) ** gamma", "(1 - p_t.detach()) ** gamma"),
)
focal.slip_of(
    right_focal,
    "positives only",
    "Negatives have no loss in yours, so the net may say yes to everything.",
    ("(1 - p_t) ** gamma * entropy", "target * (1 - p_t) ** gamma * entropy"),
)
focal.slip_of(
    right_focal,
    "gamma fixed at 2",
    "You square the factor whatever `gamma` is.",
    ("** gamma", "** 2"),
)


# -------------------------------------------------------------------- derivation · what focal loss tells a logit


def _gradient_lines(p, gamma):
    import sympy

    return [
        (gamma * (1 - p) ** (gamma - 1) * sympy.log(p) - (1 - p) ** gamma / p) * p * (1 - p),
        gamma * p * (1 - p) ** gamma * sympy.log(p) - (1 - p) ** (gamma + 1),
        (1 - p) ** gamma * (gamma * p * sympy.log(p) + p - 1),
    ]


def _no_fraction(line, p, gamma):
    import sympy

    powers = [node for node in sympy.preorder_traversal(line) if isinstance(node, sympy.Pow)]
    lowered = any(node.exp.has(gamma) and node.exp.xreplace({gamma: sympy.Integer(0)}) < 0 for node in powers)
    return _no_negative_power(line) and not lowered


def _factor_taken_out(line, p, gamma):
    import sympy

    factors = line.args if isinstance(line, sympy.Mul) else ()
    powers = [
        node for node in sympy.preorder_traversal(line) if isinstance(node, sympy.Pow) and node.exp.has(gamma)
    ]
    powers = [power for power in powers if power.base != p]
    return len(powers) == 1 and powers[0] in factors and powers[0].exp == gamma


focal_gradient = exercises.derivation(
    "focal_gradient",
    _gradient_lines,
    symbols=("p", "gamma"),
    domain={"p": (0.05, 0.95), "gamma": (0.5, 4.0)},
    milestones=(
        ("no fraction is left, and no exponent `gamma - 1`", _no_fraction),
        ("`(1 - p)**gamma` stands once, as a factor before a bracket", _factor_taken_out),
    ),
    title="What focal loss tells a logit",
    points=3,
    difficulty=4,
    minutes=15,
    hints=(
        "The product rule has two terms: differentiate the power and keep the logarithm, then the other way round.",
        "`(1 - p)**gamma` falls as `p` grows: its derivative has a minus, and with the minus before the loss it is "
        "`gamma*(1 - p)**(gamma - 1)*sympy.log(p)`. The other term is `-(1 - p)**gamma/p`.",
        "Times `p*(1 - p)`, and both terms have the factor `(1 - p)**gamma`. In the bracket stay "
        "`gamma*p*sympy.log(p)` and `p - 1`.",
    ),
)


@focal_gradient.slip(
    "chain rule forgotten",
    "This is the derivative with respect to p. The net's output is the logit: multiply by dp/dz = p (1 - p).",
)
def _(p, gamma):
    import sympy

    return [gamma * (1 - p) ** (gamma - 1) * sympy.log(p) - (1 - p) ** gamma / p]


@focal_gradient.slip(
    "minus of the inner derivative",
    "The derivative of (1 - p)^γ has the factor -1, the derivative of 1 - p. Together with the minus of the loss, the "
    "term with the logarithm gets a plus.",
)
def _(p, gamma):
    import sympy

    return [(-gamma * (1 - p) ** (gamma - 1) * sympy.log(p) - (1 - p) ** gamma / p) * p * (1 - p)]


@focal_gradient.slip(
    "factor held constant",
    "You differentiate the logarithm and take the factor (1 - p)^γ for a constant. It depends on p, too: product rule.",
)
def _(p, gamma):
    return [-((1 - p) ** gamma) / p * p * (1 - p)]


@focal_gradient.slip(
    "exponent not lowered",
    "The derivative of a power has an exponent that is one less: γ (1 - p)^(γ - 1).",
)
def _(p, gamma):
    import sympy

    return [(gamma * (1 - p) ** gamma * sympy.log(p) - (1 - p) ** gamma / p) * p * (1 - p)]


@focal_gradient.slip(
    "derivative of the sigmoid",
    "The derivative of the sigmoid is p (1 - p). Yours has only one of the two factors.",
)
def _(p, gamma):
    import sympy

    return [(gamma * (1 - p) ** (gamma - 1) * sympy.log(p) - (1 - p) ** gamma / p) * p]


# ------------------------------------------------------------------------------------- 4 · Dice and soft IoU

dice = exercises.function(
    "dice_loss",
    reference.dice_loss,
    title="Dice loss",
    points=3,
    difficulty=3,
    minutes=15,
    hints=(
        "Three numbers for each class: the probability that lies on its own pixels, all of its probability, and its "
        "pixels. They are sums over the batch *and* over height and width.",
        "`softmax` over axis 1, and `one_hot` of the target with its last axis moved to place 1. Multiply both by the "
        "mask of the pixels that count.",
        "`(2 * both + smooth) / (p.sum(pixels) + t.sum(pixels) + smooth)` is one score a class. The loss is 1 minus "
        "their mean.",
    ),
)


def _regions(draw):
    by_hand = torch.tensor([[0.9, 0.1], [0.4, 0.6]]).log()
    yield Case(by_hand, torch.tensor([0, 1]), words="two pixels with p = 0.9 and 0.6")
    logits, target = _maps(draw, 2, 3, 4)
    yield Case(logits, target, words="maps with ignored pixels")
    yield Case(logits, target.where(target != 255, 0), ignore_index=1, words="class 1 is ignored, not 255")
    yield Case(logits, target.where(target != 2, 0), words="class 2 is in no target")
    yield Case(*_maps(draw, 2, 5), 1e-5, words="hardly any smoothing")
    yield Case(*_maps(draw, 2, 5), 20.0, words="a lot of smoothing")
    sharp, true = _maps(draw, 2, 3, 4)
    yield Case(sharp.sign() * 1e4, true, words="logits of +-10,000")
    yield Case(logits, target, probe=to_the_logits, words="gradient")
    yield Case(
        logits, torch.full_like(target, 255), probe=to_the_logits, smoke=True,
        words="all pixels ignored: 0, and a gradient of zeros",
    )  # fmt: skip
    for _ in range(draw.count):
        shape = draw.integer(1, 3), draw.integer(2, 4), draw.integer(2, 4)
        yield Case(*_maps(draw, *shape, classes=draw.integer(2, 5)), words="random maps")


dice.cases(_regions)


def right_dice(logits, target, smooth=1.0, ignore_index=255):
    kept = target != ignore_index
    labels = target.where(kept, 0)
    p = logits.softmax(1) * kept.unsqueeze(1)
    t = torch.nn.functional.one_hot(labels, logits.shape[1]).movedim(-1, 1) * kept.unsqueeze(1)
    pixels = [0, *range(2, p.dim())]
    both = (p * t).sum(pixels)
    scores = (2 * both + smooth) / (p.sum(pixels) + t.sum(pixels) + smooth)
    return 1 - scores.mean()


IGNORED_PREDICTED = (
    "ignored pixels in the prediction",
    "The probabilities at ignored pixels are in your sums. Nobody knows what is right there: leave them out of the "
    "prediction, too.",
    ("logits.softmax(1) * kept.unsqueeze(1)", "logits.softmax(1)"),
)
IGNORED_AS_ZERO = (
    "ignored pixels counted as class 0",
    "You count ignored pixels as class 0. They are in none of the sums.",
    ("logits.softmax(1) * kept.unsqueeze(1)", "logits.softmax(1)"),
    (".movedim(-1, 1) * kept.unsqueeze(1)", ".movedim(-1, 1)"),
)
EACH_IMAGE = (
    "a score for each image",
    "You score each image by itself. An image without a class then counts for that class, too. The sums go over the "
    "whole batch.",
    ("[0, *range(2, p.dim())]", "list(range(2, p.dim()))"),
)
SIGMOID = (
    "sigmoid instead of softmax",
    "Your probabilities are sigmoids, which do not sum to 1. A pixel has one class: softmax over axis 1.",
    ("logits.softmax(1)", "logits.sigmoid()"),
)
ABSENT = (
    "absent classes left out",
    "You average only the classes that are in the target. A class that is predicted where it is not must cost "
    "something: the mean is over all classes.",
    ("scores.mean()", "scores[t.sum(pixels) > 0].mean()"),
)
BACKGROUND = (
    "class 0 left out",
    "You leave class 0 out of the mean. Some libraries do that with a background; here every class counts.",
    ("scores.mean()", "scores[1:].mean()"),
)
LABELS = (
    "labels instead of probabilities",
    "You count the most probable class. Then nothing changes when a logit moves a little: no gradient. Count "
    "probabilities.",
    (
        "logits.softmax(1) * kept.unsqueeze(1)",
        "torch.nn.functional.one_hot(logits.argmax(1), logits.shape[1]).movedim(-1, 1) * kept.unsqueeze(1)",
    ),
)

dice.slip_of(
    right_dice,
    "union in the denominator",
    "You divide by the union. Dice's denominator is the sum of both areas, the union belongs to IoU.",
    ("t.sum(pixels) + smooth)", "t.sum(pixels) - both + smooth)"),
)
dice.slip_of(
    right_dice,
    "overlap counted once",
    "The factor 2 is missing: a perfect prediction gets loss one half.",
    ("2 * both", "both"),
)


@dice.slip(
    "summed per pixel",
    "You score each pixel by itself and sum up. A pixel alone is no area: sum over all pixels first, then divide once.",
)
def _(logits, target, smooth=1.0, ignore_index=255):
    kept = (target != ignore_index).unsqueeze(1)
    p = logits.softmax(1)
    t = torch.nn.functional.one_hot(target.where(target != ignore_index, 0), logits.shape[1]).movedim(-1, 1)
    return ((1 - (2 * p * t + smooth) / (p + t + smooth)) * kept).sum()


dice.slip_of(right_dice, *EACH_IMAGE)
dice.slip_of(
    right_dice,
    "one score for all classes",
    "You add the counts of all classes and divide once, so that large classes decide. That is nearly pixel accuracy. "
    "Score each class, then take the mean.",
    (
        "(2 * both + smooth) / (p.sum(pixels) + t.sum(pixels) + smooth)",
        "(2 * both.sum() + smooth) / (p.sum() + t.sum() + smooth)",
    ),
)
dice.slip_of(
    right_dice,
    "probabilities squared",
    "You square the probabilities in the denominator, as the V-Net paper does. Here they are summed as they are.",
    ("p.sum(pixels) +", "(p * p).sum(pixels) +"),
)
dice.slip_of(
    right_dice,
    "smoothing below only",
    "`smooth` is missing above the fraction line: a class that is absent and not predicted would score 0 and not 1.",
    ("(2 * both + smooth)", "2 * both"),
)
for slip in (IGNORED_AS_ZERO, IGNORED_PREDICTED, SIGMOID, LABELS, ABSENT, BACKGROUND):
    dice.slip_of(right_dice, *slip)
dice.slip_of(
    right_dice,
    "score instead of loss",
    "This is the Dice coefficient, which should grow. The loss is 1 minus it.",
    ("1 - scores.mean()", "scores.mean()"),
)

iou = exercises.function(
    "soft_iou_loss",
    reference.soft_iou_loss,
    title="Soft IoU",
    points=2,
    difficulty=2,
    minutes=8,
    hints=(
        "The same three sums as for Dice. Only the fraction differs.",
        "The union is both areas without what lies in both: it would be counted twice.",
        "`(both + smooth) / (p.sum(pixels) + t.sum(pixels) - both + smooth)`, one score a class; 1 minus their mean.",
    ),
)
iou.cases(_regions)


def right_iou(logits, target, smooth=1.0, ignore_index=255):
    kept = target != ignore_index
    labels = target.where(kept, 0)
    p = logits.softmax(1) * kept.unsqueeze(1)
    t = torch.nn.functional.one_hot(labels, logits.shape[1]).movedim(-1, 1) * kept.unsqueeze(1)
    pixels = [0, *range(2, p.dim())]
    both = (p * t).sum(pixels)
    scores = (both + smooth) / (p.sum(pixels) + t.sum(pixels) - both + smooth)
    return 1 - scores.mean()


iou.slip_of(
    right_iou,
    "overlap counted twice in the union",
    "You divide by the sum of both areas, in which the overlap stands twice. Take it away once.",
    (" - both + smooth)", " + smooth)"),
)
iou.slip_of(
    right_iou,
    "Dice",
    "This is the Dice loss. IoU has the overlap once, over the union.",
    (
        "(both + smooth) / (p.sum(pixels) + t.sum(pixels) - both",
        "(2 * both + smooth) / (p.sum(pixels) + t.sum(pixels)",
    ),
)
iou.slip_of(
    right_iou,
    "twice the overlap over the union",
    "You have Dice's factor 2 over IoU's union: a perfect prediction gets a loss below 0.",
    ("(both + smooth) /", "(2 * both + smooth) /"),
)
iou.slip_of(
    right_iou,
    "smoothing below only",
    "`smooth` is missing above the fraction line: a class that is absent and not predicted would score 0 and not 1.",
    ("(both + smooth) /", "both /"),
)
for slip in (EACH_IMAGE, IGNORED_AS_ZERO, IGNORED_PREDICTED, SIGMOID, LABELS, ABSENT, BACKGROUND):
    iou.slip_of(right_iou, *slip)


# -------------------------------------------------------------- derivations · Dice from counts, and of nothing


def _fraction_in_fraction(line):
    import sympy

    return any(
        isinstance(node, sympy.Pow)
        and node.exp.is_number
        and node.exp < 0
        and not _no_negative_power(node.base)
        for node in sympy.preorder_traversal(line)
    )


def _denominators(line):
    import sympy

    powers = (node for node in sympy.preorder_traversal(line) if isinstance(node, sympy.Pow))
    return [node.base for node in powers if node.exp.is_number and node.exp < 0]


def _counts_lines(tp, fp, fn):
    import sympy

    J = tp / (tp + fp + fn)
    return [
        2 * J / (1 + J),
        2 * tp / (tp + fp + fn) / sympy.Add(1, J),
        2 * tp / (2 * tp + fp + fn),
    ]


def _each_count_once(line, *counts):
    import sympy

    below = _denominators(line)
    return (
        isinstance(line, sympy.Mul)
        and len(below) == 1
        and all(occurrences(below[0], count) == 1 for count in counts)
        and all(occurrences(line, count) == 1 for count in counts[1:])
    )


from_counts = exercises.derivation(
    "dice_from_counts",
    _counts_lines,
    symbols=("tp", "fp", "fn"),
    milestones=(
        ("no fraction stands inside a fraction", lambda line, *counts: not _fraction_in_fraction(line)),
        ("one fraction, with `tp`, `fp` and `fn` once each below its line", _each_count_once),
    ),
    title="From IoU to Dice, in counts",
    points=2,
    difficulty=2,
    minutes=6,
    hints=(
        "A fraction stands below the fraction line. Multiply above and below by its denominator.",
        "Above, 2 `J` times the union `tp + fp + fn` is twice `tp`. And below, 1 + `J` times the union?",
        "Below, it is the union plus `tp`: `2*tp + fp + fn`.",
    ),
)


@from_counts.slip(
    "denominator lost",
    "You leave 1 + J out. It stands below the fraction line, and is more than 1.",
)
def _(tp, fp, fn):
    return [2 * tp / (tp + fp + fn)]


@from_counts.slip(
    "1 without the union",
    "You bring 1 + J to one fraction as 1 + tp over the union. The 1 is a whole union: (tp + fp + fn + tp) over it.",
)
def _(tp, fp, fn):
    return [2 * tp / (1 + tp)]


@from_counts.slip(
    "factor 2 lost",
    "The factor 2 above the line is lost on the way. It also stands in 2J.",
)
def _(tp, fp, fn):
    return [tp / (2 * tp + fp + fn)]


def _empty_lines(p, r, s, h):
    before, after = p + r + s, p + h + r + s
    return [
        ((1 - s / after) - (1 - s / before)) / h,
        (s / before - s / after) / h,
        (s * after - s * before) / (h * before * after),
        s / (before * after),
    ]


def _may_be_zero(line, p, r, s, h):
    import sympy

    return all(sympy.expand(base.xreplace({h: sympy.Integer(0)})) != 0 for base in _denominators(line))


def _smoothing_is_a_factor(line, p, r, s, h):
    import sympy

    sums = [part for part in line.args if isinstance(part, sympy.Add)] if isinstance(line, sympy.Mul) else []
    return isinstance(line, sympy.Mul) and s in line.args and all(map(_no_negative_power, sums))


empty_image = exercises.derivation(
    "empty_image",
    _empty_lines,
    symbols=("p", "r", "s", "h"),
    milestones=(
        ("nothing is divided by 0 when `h` is 0", _may_be_zero),
        ("one fraction, with the factor `s`", _smoothing_is_a_factor),
    ),
    title="Dice on an empty image",
    points=2,
    difficulty=3,
    minutes=10,
    hints=(
        "The two ones cancel. Mind the minus before the second bracket.",
        "Bring both fractions over the product of their denominators. What is left of the numerator?",
        "`s*h` is left above, and `h` cancels: `s` over the product of both denominators.",
    ),
)


@empty_image.slip(
    "sign",
    "The minus stands before the whole second bracket. The loss grows with p, so the slope is positive.",
)
def _(p, r, s, h):
    return [(s / (p + h + r + s) - s / (p + r + s)) / h]


@empty_image.slip(
    "denominators subtracted",
    "You subtract numerators and denominators. Bring both fractions over the product of their denominators.",
)
def _(p, r, s, h):
    import sympy

    return [sympy.Integer(0)]


@empty_image.slip(
    "not divided by the step",
    "This is how much the loss grows. The slope is that, divided by the step h.",
)
def _(p, r, s, h):
    return [s * h / ((p + r + s) * (p + h + r + s))]


@empty_image.slip(
    "smoothing cancelled",
    "The factor s is lost. Both numerators are s, and it stays: without smoothing the slope is 0.",
)
def _(p, r, s, h):
    return [1 / ((p + r + s) * (p + h + r + s))]


# -------------------------------------------------------------------------------------------------- 5 · boxes

giou = exercises.function(
    "giou_loss",
    reference.giou_loss,
    title="GIoU loss",
    points=3,
    difficulty=2,
    minutes=12,
    forbidden=(BOX_IOU,),
    hints=(
        "Three areas for each pair: the overlap, the union, and the smallest box around both.",
        "The overlap goes from the larger of the left top corners to the smaller of the right bottom ones; `clamp` its "
        "sides at 0. The box around both takes the others: `minimum` left top, `maximum` right bottom.",
        "1 - `inter` / `union` + (`hull` - `union`) / `hull`, with `1e-7` added to what you divide by.",
    ),
)


@giou.cases
def _(draw):
    def boxes(count):
        corner = draw.uniform((count, 2), 0, 30)
        return torch.cat([corner, corner + draw.uniform((count, 2), 2, 30)], 1)

    a = torch.tensor([[0.0, 0, 4, 4]])
    yield Case(a, torch.tensor([[2.0, 2, 6, 6]]), words="two boxes that overlap by a quarter")
    yield Case(a, torch.tensor([[8.0, 0, 12, 4]]), words="apart in one row")
    yield Case(a, torch.tensor([[6.0, 7, 9, 12]]), words="apart along the diagonal")
    yield Case(a, torch.tensor([[1.0, 1, 3, 2]]), words="one inside the other")
    yield Case(a, a.clone(), words="equal boxes: 0", smoke=True)
    point = torch.tensor([[3.0, 3, 3, 3]])
    yield Case(point, point.clone(), words="boxes without area: 1, not NaN", smoke=True)
    yield Case(boxes(4), boxes(4), gradient=True, words="gradient, four pairs")
    far = boxes(3)
    yield Case(far, far + 70, gradient=True, words="gradient for boxes that are far apart")
    for _ in range(draw.count):
        count = draw.integer(2, 6)
        yield Case(boxes(count), boxes(count), words="random pairs")


def right_giou(a, b):
    inter = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inter
    giou = inter / (union + 1e-7) - (hull - union) / (hull + 1e-7)
    return 1 - giou


giou.slip_of(
    right_giou,
    "sign of the empty part",
    "You add the empty part of the hull to IoU. It is taken away: the emptier the box around both, the worse.",
    ("- (hull - union)", "+ (hull - union)"),
)
giou.slip_of(
    right_giou,
    "IoU alone",
    "This is 1 - IoU. It is 1 for all boxes that do not meet, near or far, and has no gradient there.",
    (" - (hull - union) / (hull + 1e-7)", ""),
)
giou.slip_of(
    right_giou,
    "sides below 0",
    "Of boxes that are apart in x and in y, the overlap has two negative sides, and their product is positive. Set "
    "sides below 0 to 0.",
    (".clamp(min=0)", ""),
)
giou.slip_of(
    right_giou,
    "area clamped instead of sides",
    "You set the overlap to 0 where the product of its sides is negative. Of boxes that are apart in x and in y both "
    "sides are negative, and the product is positive. Clamp the sides, then multiply.",
    (".clamp(min=0).prod(1)", ".prod(1).clamp(min=0)"),
)
giou.slip_of(
    right_giou,
    "overlap counted twice in the union",
    "You divide by the sum of both areas. In the union the overlap counts once.",
    (".prod(1) - inter", ".prod(1)"),
)
giou.slip_of(
    right_giou,
    "empty part over the union",
    "You divide the empty part by the union. It is a share of the hull, so that it stays below 1.",
    ("(hull + 1e-7)", "(union + 1e-7)"),
)
giou.slip_of(
    right_giou,
    "score instead of loss",
    "This is GIoU itself, 1 for equal boxes. The loss is 1 minus it.",
    ("1 - giou", "giou"),
)
giou.slip_of(
    right_giou,
    "NaN for boxes without area",
    "Boxes without area give 0 / 0. Add 1e-7 to what you divide by.",
    ("(union + 1e-7)", "union"),
    ("(hull + 1e-7)", "hull"),
)


@giou.slip(
    "every box with every other",
    "You compare all pairs. The boxes are paired already, prediction k with truth k: one loss a row.",
)
def _(a, b):
    inter = (
        (torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2]))
        .clamp(min=0)
        .prod(2)
    )
    hull = (torch.maximum(a[:, None, 2:], b[:, 2:]) - torch.minimum(a[:, None, :2], b[:, :2])).prod(2)
    union = (a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1) - inter
    return 1 - inter / (union + 1e-7) + (hull - union) / (hull + 1e-7)


# ----------------------------------------------------------------------------------------------- 6 · combined

combined = exercises.function(
    "combined_loss",
    reference.combined_loss,
    title="Both together",
    points=1,
    difficulty=1,
    minutes=4,
    allowed=("cross_entropy", "dice_loss"),
    hints=(
        "Two losses of this chapter and one share.",
        "`alpha` is the share of cross-entropy. What is left for Dice?",
        "`alpha * losses.cross_entropy(...) + (1 - alpha) * losses.dice_loss(...)`.",
    ),
)


@combined.cases
def _(draw):
    logits, target = _maps(draw, 2, 3, 4)
    yield Case(logits, target, words="half and half")
    yield Case(logits, target, 1.0, words="alpha 1: cross-entropy")
    yield Case(logits, target, 0.0, words="alpha 0: Dice")
    yield Case(logits, target, 0.3, probe=to_the_logits, words="gradient, alpha 0.3")
    yield Case(logits.sign() * 1e4, target, 0.3, words="logits of +-10,000")
    yield Case(
        logits, torch.full_like(target, 255), probe=to_the_logits, smoke=True,
        words="all pixels ignored: 0, and a gradient of zeros",
    )  # fmt: skip
    for _ in range(draw.count):
        yield Case(*_maps(draw, 2, 4, classes=4), draw.integer(1, 9) / 10, words="random maps")


def right_combined(logits, target, alpha=0.5):
    return alpha * losses.cross_entropy(logits, target) + (1 - alpha) * losses.dice_loss(logits, target)


combined.slip_of(
    right_combined,
    "shares exchanged",
    "Your `alpha` is the share of Dice. It is that of cross-entropy.",
    (
        "alpha * losses.cross_entropy(logits, target) + (1 - alpha) * losses.dice_loss(logits, target)",
        "(1 - alpha) * losses.cross_entropy(logits, target) + alpha * losses.dice_loss(logits, target)",
    ),
)
combined.slip_of(
    right_combined,
    "one share for both",
    "You multiply both losses by `alpha`, so it only changes the size of the sum. Dice has the share 1 - alpha.",
    ("(1 - alpha) * losses.dice_loss", "alpha * losses.dice_loss"),
)
combined.slip_of(
    right_combined,
    "Dice added whole",
    "You add the whole of Dice. It has the share 1 - alpha.",
    ("(1 - alpha) * losses.dice_loss", "losses.dice_loss"),
)
combined.slip_of(
    right_combined,
    "Dice score added",
    "You add the Dice score, which training would then make small. Add the loss, 1 minus the score.",
    ("losses.dice_loss(logits, target)", "(1 - losses.dice_loss(logits, target))"),
)
