# %% [markdown]
# # 13 · Losses
#
# A network does what its loss asks for, and nothing else. One pixel in a hundred is a bicycle. Which loss makes the net
# look for it? And can you believe its probabilities afterwards?
#
# **Afterwards you can**
#
# - compute cross-entropy that survives logits of ten thousand, and a batch without a single labelled pixel;
# - say who holds how much of a loss, and shift it by weights or by focal loss;
# - derive what focal loss tells a logit, and what Dice tells an image without the class;
# - write Dice, soft IoU and GIoU, and name the conventions in which libraries differ;
# - choose between them, and know the price.
#
# **You need** metrics (chapter 05), softmax and sigmoid, and the chain rule.
#
# **It takes** about 150 minutes. **Exercises:** 13 with 30 points, and one question in words with 2.

# %% role="setup" name="setup"
import sympy
import torch
import torch.nn.functional as F

from dlcv import losses
from dlcv.losses import experiment, figures
from dlcv.losses.exercises import check
from dlcv.losses.widget import focal_widget

# %% [markdown]
# ## Why
#
# An image has 10,000 pixels of road. The net gives each of them the right class with probability 0.9. Ten pixels are a
# cyclist; there the right class gets 0.1. Cross-entropy is $-\log p$ for each pixel, and training follows the sum. Who decides
# where the net goes?

# %% role="figure" name="votes" alt="Bars. 10,000 easy pixels and 10 hard ones. Sum of the losses with gamma 0: 1,054 against 23.0. With gamma 2: 10.5 against 18.7."
figures.votes_figure()

# %% [markdown]
# A hard pixel costs 22 times as much as an easy one. There are a thousand times as many easy ones. So the road outvotes the
# cyclist, 1,054 to 23: about 45 times. The right panel is what this chapter is about.

# %% [markdown]
# ## Cross-entropy, from logits
#
# The net puts out logits $z$, and softmax makes probabilities of them. For a pixel of class $t$:
#
# $$\ell = -\log p_t = -\log \frac{e^{z_t}}{\sum_c e^{z_c}}$$
#
# On paper you may compute that in any order. In a computer you may not. Below, a pixel is wrong, and the gap between its two
# logits grows. What should the loss be at a gap of 120? What is it, in three ways of computing?

# %% role="figure" name="precision" alt="Three panels, loss over the gap between logits, in float32. Taking exp, dividing and taking the logarithm ends in infinity at a gap of 89. Softmax and then logarithm ends at 104. From the logits, the line goes on."
figures.precision_figure()

# %% [markdown]
# The loss is about the gap itself: 120. But $e^{89}$ is infinite in float32, and a probability below $10^{-45}$ is 0. An
# infinite loss has no useful gradient, and after one step every weight is NaN.
#
# Two steps help. Take the logarithm on paper, so that no probability is ever formed:
#
# $$\ell = \log \sum_c e^{z_c} - z_t$$
#
# And take each pixel's largest logit $m$ away first. Numerator and denominator lose the same factor $e^m$, so the result is
# the same; the largest exponential is now $e^0 = 1$.
#
# Then come three conventions that cost people days:
#
# - **Ignored pixels** (label 255: nobody knows) have loss 0 *and* are not in the mean.
# - **Class weights:** the mean divides by the *sum of the weights*, not by the number of pixels.
# - **Nothing counts:** a crop may be all void. Then 0 / 0 is NaN, in torch's own function too. Here it is 0, with a gradient
#   of zeros, so that training goes on.
#
# ### Exercise 1 · Cross-entropy from logits
#
# Difficulty 3 of 5, about 18 minutes, 4 points. Without ready-made softmax, logsumexp or cross-entropy.


# %% role="solution" name="cross_entropy"
def cross_entropy(logits, target, weight=None, ignore_index=255, reduction="mean"):
    """logits (N, C, ...), target (N, ...) int64; return the mean, the "sum", or for "none" (N, ...) losses."""
    # 1. Log-probabilities: take the largest logit of each pixel away (`amax`), then the logarithm of the sum.
    # 2. Each pixel's own class, by `gather`. Ignored pixels need some class for that, and weight 0.
    # 3. Reduce. The mean divides by the sum of the weights, if any pixel counts.
    ### BEGIN SOLUTION
    shifted = logits - logits.amax(1, keepdim=True)
    log_p = shifted - shifted.exp().sum(1, keepdim=True).log()
    kept = target != ignore_index
    labels = target.where(kept, 0)
    weights = torch.ones(logits.shape[1]) if weight is None else weight
    weights = weights[labels] * kept
    loss = -weights * log_p.gather(1, labels.unsqueeze(1)).squeeze(1)
    if reduction == "none":
        return loss
    total = loss.sum()
    if reduction == "mean" and kept.any():
        total = total / weights.sum()
    return total
    ### END SOLUTION


# %% role="test" name="cross_entropy"
check("cross_entropy", cross_entropy)
### BEGIN HIDDEN TESTS
check.grade("cross_entropy", cross_entropy)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="cross_entropy"
# Hints for cross_entropy.

# %% [markdown]
# ## Louder voices: class weights
#
# The plainest remedy: let a pixel of a rare class count more. With $n_c$ pixels of class $c$ in the training set,
#
# $$\text{inverse: } w_c = \frac{\sum_k n_k}{C\, n_c} \qquad\qquad \text{median: } w_c = \frac{\operatorname{median}_k n_k}{n_c}$$
#
# Both make $n_c w_c$ the same for all classes: equal say. They differ by a factor. With "inverse", a pixel weighs 1 on average;
# with "median", a class of median size has weight 1. A class that never occurs has weight 0, and is not in $C$ or the median.
#
# ### Exercise 2 · Balanced weights
#
# Difficulty 2 of 5, about 8 minutes, 2 points.


# %% role="solution" name="balanced_weights"
def balanced_weights(counts, kind="inverse"):
    """counts (C,): pixels of each class; kind "inverse" or "median". Return (C,) weights, float."""
    # A common number over each class's count; 0 for classes without pixels. `quantile` knows the median.
    ### BEGIN SOLUTION
    counts = counts.float()
    seen = counts[counts > 0]
    common = seen.mean() if kind == "inverse" else seen.quantile(0.5)
    return torch.where(counts > 0, common / counts, 0.0)
    ### END SOLUTION


# %% role="test" name="balanced_weights"
check("balanced_weights", balanced_weights)
### BEGIN HIDDEN TESTS
check.grade("balanced_weights", balanced_weights)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="balanced_weights"
# Hints for balanced_weights.

# %% [markdown]
# For the road and the cyclist, the weights are:

# %% role="given" name="road-weights"
losses.balanced_weights(torch.tensor([10_000, 10]))

# %% [markdown]
# A pixel of the cyclist now counts a thousand times as much as one of the road. That is loud. A net that hears it sees cyclists
# everywhere, because a false alarm costs next to nothing. And the weight does not ask whether a pixel is hard: it is as loud for
# a cyclist that was found long ago.

# %% [markdown]
# ## Focal loss: who is right already speaks low
#
# Lin et al. (2017) turn each pixel down by how right it is. With $p_t$ the probability of the pixel's *own* class:
#
# $$\mathrm{FL} = -(1 - p_t)^\gamma \log p_t$$
#
# The factor for $\gamma = 2$:
#
# | $p_t$ | 0.9 | 0.7 | 0.5 | 0.3 | 0.1 |
# |---|---|---|---|---|---|
# | $(1 - p_t)^2$ | 0.01 | 0.09 | 0.25 | 0.49 | 0.81 |

# %% role="figure" name="curves" alt="Focal loss over p for gamma 0, 0.5, 1, 2 and 5. All start high at p near 0 and fall to 0 at p = 1, the faster the larger gamma. On a logarithmic scale from p = 0.5 on, the curves are up to powers of ten apart."
figures.curves_figure()

# %% [markdown]
# Where the pixel is right, the curves part by powers of ten. Where it is wrong, they hardly differ. Now the road and the cyclist
# again:

# %% role="given" name="lecture-numbers"
p = torch.tensor([0.9, 0.1], dtype=torch.float64)
count = torch.tensor([10_000, 10])
for gamma in (0, 2):
    loss = -((1 - p) ** gamma) * p.log()
    easy, hard = (count * loss).tolist()
    print(f"gamma {gamma}: {easy:8.1f} easy, {hard:5.1f} hard, easy to hard {easy / hard:.2f}")

# %% [markdown]
# From 45 to 1 in favour of the road to nearly 2 to 1 in favour of the cyclist. First, what kind of loss is this? Three short
# derivations. Every line that you return must be equal to the one before; the check names the first that is not.
#
# ### Exercise 3 · With γ = 0 it is cross-entropy
#
# Difficulty 2 of 5, about 8 minutes, 2 points. A pixel has the logits $a$ (its own class) and $b$. In this exercise the symbol
# `gamma` stands for the number 0. Start from the focal loss, and end at cross-entropy as you computed it in exercise 1:
# one logarithm, of a sum.


# %% role="solution" name="gamma_zero"
def gamma_zero(a, b, gamma):
    """Return the list of lines, from the focal loss of the logits a and b to their cross-entropy."""
    p = sympy.exp(a) / (sympy.exp(a) + sympy.exp(b))
    question = -((1 - p) ** gamma) * sympy.log(p)
    # 1. `gamma` is 0. What is left of the factor?
    # 2. The logarithm of a fraction is a difference.
    ### BEGIN SOLUTION
    return [
        question,
        -sympy.log(p),
        -(a - sympy.log(sympy.exp(a) + sympy.exp(b))),
        sympy.log(sympy.exp(a) + sympy.exp(b)) - a,
    ]
    ### END SOLUTION


# %% role="test" name="gamma_zero"
check("gamma_zero", gamma_zero)
### BEGIN HIDDEN TESTS
check.grade("gamma_zero", gamma_zero)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="gamma_zero"
# Hints for gamma_zero.

# %% [markdown]
# ### Exercise 4 · Focal loss is never above cross-entropy
#
# Difficulty 1 of 5, about 5 minutes, 1 point. Bring cross-entropy minus focal loss into a product whose sign you can read
# off. Here $0 < p < 1$ and $\gamma > 0$.


# %% role="solution" name="below_cross_entropy"
def below_cross_entropy(p, gamma):
    """Return the list of lines, from cross-entropy minus focal loss to a product."""
    entropy = -sympy.log(p)
    focal = -((1 - p) ** gamma) * sympy.log(p)
    # Take the common factor out.
    ### BEGIN SOLUTION
    return [
        entropy - focal,
        -sympy.log(p) * (1 - (1 - p) ** gamma),
    ]
    ### END SOLUTION


# %% role="test" name="below_cross_entropy"
check("below_cross_entropy", below_cross_entropy)
### BEGIN HIDDEN TESTS
check.grade("below_cross_entropy", below_cross_entropy)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="below_cross_entropy"
# Hints for below_cross_entropy.

# %% [markdown]
# $-\log p$ is positive. The bracket is, too, because $(1 - p)^\gamma$ is below 1. So focal loss is below. Where would nothing be
# turned down at all?
#
# ### Exercise 5 · Where nothing is turned down
#
# Difficulty 1 of 5, about 5 minutes, 1 point. Solve $(1 - p)^\gamma = 1$ for $p$, one step a line, each an equation. $\gamma$ is
# not 0 (that was exercise 3).


# %% role="solution" name="where_equal"
def where_equal(p, gamma):
    """Return the list of lines, from the question to an equation with p alone on the left."""
    question = sympy.Eq((1 - p) ** gamma, 1)
    # 1. The logarithm of both sides: the exponent becomes a factor.
    # 2. Undo the logarithm.
    ### BEGIN SOLUTION
    return [
        question,
        sympy.Eq(gamma * sympy.log(1 - p), 0),
        sympy.Eq(sympy.log(1 - p), 0),
        sympy.Eq(1 - p, 1),
        sympy.Eq(p, 0),
    ]
    ### END SOLUTION


# %% role="test" name="where_equal"
check("where_equal", where_equal)
### BEGIN HIDDEN TESTS
check.grade("where_equal", where_equal)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="where_equal"
# Hints for where_equal.

# %% [markdown]
# So the factor is 1 only for $\gamma = 0$, or at $p = 0$: a pixel that is entirely wrong keeps its whole loss. (At the other end,
# $p = 1$, both losses are 0. There the factor is 0, but there is nothing to turn down.)
#
# ### Positives and negatives
#
# Detectors ask each class by itself, with a sigmoid: is it this, yes or no? There focal loss has a second knob, $\alpha$, the
# weight of positives. Negatives have $1 - \alpha$, and *their* $p_t$ is $1 - p$:
#
# $$\mathrm{FL} = -\alpha_t (1 - p_t)^\gamma \log p_t$$
#
# The usual $\alpha = 0.25$ weighs positives *less*. Surprised? With $\gamma = 2$ the easy negatives hardly count any more, so the
# balance has tipped to the other side.
#
# ### Exercise 6 · Focal loss
#
# Difficulty 3 of 5, about 15 minutes, 4 points. You may use `F.binary_cross_entropy_with_logits` or `F.logsigmoid`, but not a
# ready-made focal loss.


# %% role="solution" name="focal_loss"
def focal_loss(logits, target, gamma=2.0, alpha=0.25, reduction="mean"):
    """logits, target (0.0 or 1.0): one shape. alpha None: no weights. reduction "mean" (over all), "sum", "none"."""
    # 1. Cross-entropy of each logit, computed from the logit.
    # 2. `p_t`, the probability of what is true; the factor (1 - `p_t`) to the power `gamma`.
    # 3. The weight: `alpha` for positives, 1 - `alpha` for the others.
    # 4. Reduce. The mean of no logits is 0.
    ### BEGIN SOLUTION
    p = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    p_t = p * target + (1 - p) * (1 - target)
    loss = (1 - p_t) ** gamma * entropy
    if alpha is not None:
        loss = (alpha * target + (1 - alpha) * (1 - target)) * loss
    if reduction == "none":
        return loss
    total = loss.sum()
    return total / max(loss.numel(), 1) if reduction == "mean" else total
    ### END SOLUTION


# %% role="test" name="focal_loss"
check("focal_loss", focal_loss)
### BEGIN HIDDEN TESTS
check.grade("focal_loss", focal_loss)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="focal_loss"
# Hints for focal_loss.

# %% [markdown]
# ### What the logit hears
#
# Training does not see the loss, it sees the gradient. For a positive, $p = \sigma(z)$ and $dp/dz = p (1 - p)$. Cross-entropy tells
# the logit $p - 1$: the pull is how far you are from 1, and no more. And focal loss?
#
# ### Exercise 7 · What focal loss tells a logit
#
# Difficulty 4 of 5, about 15 minutes, 3 points. Differentiate $L = -(1 - p)^\gamma \log p$ with respect to $z$, by hand. Your first
# line is the chain rule with both derivatives written out; the last has $(1 - p)^\gamma$ as a factor before a bracket.


# %% role="solution" name="focal_gradient"
def focal_gradient(p, gamma):
    """Return the list of lines: dL/dp * dp/dz, written in p and gamma, then simpler and simpler."""
    # 1. dL/dp by the product rule, times dp/dz = `p*(1 - p)`.
    # 2. Multiply out: the fraction goes away.
    # 3. Take `(1 - p)**gamma` out of both terms.
    ### BEGIN SOLUTION
    outer = gamma * (1 - p) ** (gamma - 1) * sympy.log(p) - (1 - p) ** gamma / p
    return [
        outer * p * (1 - p),
        gamma * p * (1 - p) ** gamma * sympy.log(p) - (1 - p) ** (gamma + 1),
        (1 - p) ** gamma * (gamma * p * sympy.log(p) + p - 1),
    ]
    ### END SOLUTION


# %% role="test" name="focal_gradient"
check("focal_gradient", focal_gradient)
### BEGIN HIDDEN TESTS
check.grade("focal_gradient", focal_gradient)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="focal_gradient"
# Hints for focal_gradient.

# %% [markdown]
# Put $\gamma = 0$ in, and $p - 1$ comes out again. Does autograd agree with your formula?

# %% role="given" name="autograd"
z = torch.tensor([-2.0, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
losses.focal_loss(z, torch.ones(3), gamma=2, alpha=None, reduction="sum").backward()
p = z.detach().sigmoid()
z.grad, (1 - p) ** 2 * (2 * p * p.log() + p - 1)

# %% [markdown]
# ## Try it
#
# Blue is background, orange the object; dotted, half of cross-entropy, which is what $\gamma = 0$ and $\alpha = 0.5$ give. On
# the right, the share that 10,000 easy background pixels (p = 0.9) and 10 hard pixels of the object (p = 0.1) hold.
#
# 1. Set $\gamma$ to 0. Which $\alpha$ gives the object half of the loss? Is it on the slider?
# 2. Set $\gamma$ to 2 and move $\alpha$ until the two shares are equal. Compare it with the usual 0.25.
# 3. Watch the pull of a pixel with p = 0.1 while $\gamma$ grows. Where is it stronger than with cross-entropy?

# %% role="widget" name="focal" alt="Sliders for gamma and alpha above three panels: loss and pull on the logit over p, for background and object, and the shares of the whole loss: 36.1% for 10,000 easy and 63.9% for 10 hard pixels."
focal_widget()

# %% [markdown]
# ## Dice: ask classes, not pixels
#
# Chapter 05 ended with a score that asks classes. Why not train with it? Counts have no gradient. Probabilities have: count
# them instead of pixels. With $p_{ic}$ the softmax, and $t_{ic}$ 1 for a pixel's class and 0 for the others,
#
# $$TP_c = \sum_i p_{ic} t_{ic}, \qquad P_c = \sum_i p_{ic}, \qquad T_c = \sum_i t_{ic}$$
#
# $$L_{\text{Dice}} = 1 - \frac{1}{C} \sum_c \frac{2\, TP_c + s}{P_c + T_c + s}$$
#
# The sums go over all pixels *and over the batch*: one score a class. Then comes the mean over the classes, in which the cyclist
# has the same weight as the road. $s$ is a little smoothing, in pixels; you will see below what it is for. Ignored pixels are in
# none of the sums.
#
# ### Exercise 8 · Dice loss
#
# Difficulty 3 of 5, about 15 minutes, 3 points.


# %% role="solution" name="dice_loss"
def dice_loss(logits, target, smooth=1.0, ignore_index=255):
    """logits (N, C, ...), target (N, ...) int64; return 1 - the mean over classes of soft Dice."""
    # 1. Probabilities, and the target as (N, C, ...) of 0 and 1: `F.one_hot`, then `movedim`. Both 0 where ignored.
    # 2. Three sums for each class, over batch and pixels.
    # 3. One score a class, their mean, 1 minus that.
    ### BEGIN SOLUTION
    kept = target != ignore_index
    labels = target.where(kept, 0)
    p = logits.softmax(1) * kept.unsqueeze(1)
    t = F.one_hot(labels, logits.shape[1]).movedim(-1, 1) * kept.unsqueeze(1)
    pixels = [0, *range(2, p.dim())]
    both = (p * t).sum(pixels)
    scores = (2 * both + smooth) / (p.sum(pixels) + t.sum(pixels) + smooth)
    return 1 - scores.mean()
    ### END SOLUTION


# %% role="test" name="dice_loss"
check("dice_loss", dice_loss)
### BEGIN HIDDEN TESTS
check.grade("dice_loss", dice_loss)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="dice_loss"
# Hints for dice_loss.

# %% [markdown]
# The score that is reported is mostly IoU. The union is both areas without what lies in both:
#
# $$L_{\text{IoU}} = 1 - \frac{1}{C} \sum_c \frac{TP_c + s}{P_c + T_c - TP_c + s}$$
#
# ### Exercise 9 · Soft IoU
#
# Difficulty 2 of 5, about 8 minutes, 2 points.


# %% role="solution" name="soft_iou_loss"
def soft_iou_loss(logits, target, smooth=1.0, ignore_index=255):
    """logits (N, C, ...), target (N, ...) int64; return 1 - the mean over classes of soft IoU."""
    # The same sums as for Dice; the union has the overlap once.
    ### BEGIN SOLUTION
    kept = target != ignore_index
    labels = target.where(kept, 0)
    p = logits.softmax(1) * kept.unsqueeze(1)
    t = F.one_hot(labels, logits.shape[1]).movedim(-1, 1) * kept.unsqueeze(1)
    pixels = [0, *range(2, p.dim())]
    both = (p * t).sum(pixels)
    scores = (both + smooth) / (p.sum(pixels) + t.sum(pixels) - both + smooth)
    return 1 - scores.mean()
    ### END SOLUTION


# %% role="test" name="soft_iou_loss"
check("soft_iou_loss", soft_iou_loss)
### BEGIN HIDDEN TESTS
check.grade("soft_iou_loss", soft_iou_loss)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="soft_iou_loss"
# Hints for soft_iou_loss.

# %% [markdown]
# Are they two losses, or one on two scales? In chapter 05 you found $D = 2J / (1 + J)$ from the overlap. Here is a shorter way,
# in counts.
#
# ### Exercise 10 · From IoU to Dice, in counts
#
# Difficulty 2 of 5, about 6 minutes, 2 points. Put $J = tp / (tp + fp + fn)$ into $2J / (1 + J)$, and simplify until each count
# stands once below the fraction line.


# %% role="solution" name="dice_from_counts"
def dice_from_counts(tp, fp, fn):
    """Return the list of lines, from 2J / (1 + J) to Dice in counts."""
    J = tp / (tp + fp + fn)
    question = 2 * J / (1 + J)
    # Multiply above and below by the union. (sympy collects equal terms by itself.)
    ### BEGIN SOLUTION
    return [
        question,
        2 * tp / ((tp + fp + fn) + tp),
        2 * tp / (2 * tp + fp + fn),
    ]
    ### END SOLUTION


# %% role="test" name="dice_from_counts"
check("dice_from_counts", dice_from_counts)
### BEGIN HIDDEN TESTS
check.grade("dice_from_counts", dice_from_counts)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="dice_from_counts"
# Hints for dice_from_counts.

# %% [markdown]
# The same derivation holds for soft counts. So for one class, what makes one loss smaller makes the other smaller, too. They
# differ in how steep they are, and, again, in their means over classes.
#
# ### An image without the class
#
# In most images there is no cyclist. What does Dice tell the net there? With no true pixel, $TP$ and $T$ are 0, and the class's
# loss is
#
# $$L = 1 - \frac{s}{P + s}$$
#
# Take one pixel with probability $p$; all others together have $r$, so $P = p + r$. How much does the loss rise, if $p$ rises by
# $h$? The slope is that rise divided by $h$.
#
# ### Exercise 11 · Dice on an empty image
#
# Difficulty 3 of 5, about 10 minutes, 2 points. Bring the slope into a form in which $h$ may become 0: one fraction, with the
# factor $s$.


# %% role="solution" name="empty_image"
def empty_image(p, r, s, h):
    """Return the list of lines, from the slope of the loss over a step h to one fraction."""
    before, after = 1 - s / (p + r + s), 1 - s / (p + h + r + s)
    question = (after - before) / h
    # 1. The ones cancel.
    # 2. Bring both fractions over one denominator: what is left above, and what cancels with `h`?
    ### BEGIN SOLUTION
    below, above = p + r + s, p + h + r + s
    return [
        question,
        (s / below - s / above) / h,
        (s * above - s * below) / (h * below * above),
        s / (below * above),
    ]
    ### END SOLUTION


# %% role="test" name="empty_image"
check("empty_image", empty_image)
### BEGIN HIDDEN TESTS
check.grade("empty_image", empty_image)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="empty_image"
# Hints for empty_image.

# %% [markdown]
# Let $h$ go to 0:
#
# $$\frac{\partial L}{\partial p} = \frac{s}{(P + s)^2}$$
#
# Read it twice. Without smoothing, $s = 0$: the slope is 0 whatever is predicted. The loss of an empty image is 1, always, and
# the net learns nothing from it. And with smoothing? Look at large $P$, a net that sees cyclists everywhere.

# %% role="figure" name="empty" alt="Slope of the Dice loss over the sum of what is predicted, on logarithmic scales. With s = 1 it falls from 1 to below one in a million; with s = 100 it is 0.01 at first and falls later; with s = 0.01 it falls at once. Cross-entropy's slope never falls below 1 / 4096."
figures.empty_figure()

# %% [markdown]
# It falls with the square of $P$. The worse the false alarm, the less Dice minds. Cross-entropy, in an image of 64 × 64, never
# falls below 1/4096 a pixel. That is one reason to add the two.
#
# ### Exercise 12 · Both together
#
# Difficulty 1 of 5, about 4 minutes, 1 point. $L = \alpha\, L_{CE} + (1 - \alpha)\, L_{\text{Dice}}$. You may use
# `losses.cross_entropy` and `losses.dice_loss`.


# %% role="solution" name="combined_loss"
def combined_loss(logits, target, alpha=0.5):
    """logits (N, C, ...), target (N, ...) int64; alpha: share of cross-entropy."""
    # `alpha` of the one, the rest of the other.
    ### BEGIN SOLUTION
    return alpha * losses.cross_entropy(logits, target) + (1 - alpha) * losses.dice_loss(logits, target)
    ### END SOLUTION


# %% role="test" name="combined_loss"
check("combined_loss", combined_loss)
### BEGIN HIDDEN TESTS
check.grade("combined_loss", combined_loss)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="combined_loss"
# Hints for combined_loss.

# %% [markdown]
# ## Boxes: IoU that sees beyond the edge
#
# Boxes are scored by IoU, so why not train with $1 - \mathrm{IoU}$? Shift a box away from the true one, and watch the dashed line.

# %% role="figure" name="boxes" alt="A blue box, and orange ones that are shifted to the right. Below, over the shift: 1 - IoU rises to 1 where the boxes part and stays there; 1 - GIoU goes on rising towards 2."
figures.boxes_figure()

# %% [markdown]
# Boxes that do not meet have IoU 0, at one pixel's distance as at a hundred. No gradient: the net is not told where to go.
# Rezatofighi et al. (2019) add the *hull* $H$, the smallest box around both (dotted). The part of it that belongs to neither box
# grows with the distance:
#
# $$\mathrm{GIoU} = \frac{|A \cap B|}{|A \cup B|} - \frac{|H| - |A \cup B|}{|H|}, \qquad L = 1 - \mathrm{GIoU}$$
#
# It goes from 0 to 2. Below 1 and above 1 look alike in the picture; what does the slope at 1 tell you?
#
# ### Exercise 13 · GIoU loss
#
# Difficulty 2 of 5, about 12 minutes, 3 points. The boxes are paired: row $k$ of `a` belongs to row $k$ of `b`. Add 1e-7 to what
# you divide by, as torchvision does: boxes without area then give no NaN.


# %% role="solution" name="giou_loss"
def giou_loss(a, b):
    """a, b (K, 4) as x1, y1, x2, y2 in pixels; return (K,) losses 1 - GIoU."""
    # 1. The overlap: its sides are 0 where boxes are apart.
    # 2. The hull and the union.
    # 3. 1 - GIoU, one number a pair.
    ### BEGIN SOLUTION
    inter = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inter
    return 1 - inter / (union + 1e-7) + (hull - union) / (hull + 1e-7)
    ### END SOLUTION


# %% role="test" name="giou_loss"
check("giou_loss", giou_loss)
### BEGIN HIDDEN TESTS
check.grade("giou_loss", giou_loss)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="giou_loss"
# Hints for giou_loss.

# %% [markdown]
# Which way does it pull? Here is a box at 0 to 10, whose true place is 50 to 60. A step goes against the gradient. Does the box
# move, or does it grow?

# %% role="given" name="pull"
box = torch.tensor([[0.0, 0.0, 10.0, 10.0]], requires_grad=True)
losses.giou_loss(box, torch.tensor([[50.0, 0.0, 60.0, 10.0]])).sum().backward()
print("x1, y1, x2, y2 move by", [round(v, 4) for v in (-box.grad[0]).tolist()])

# %% [markdown]
# It grows, to the right and even to the left: while the boxes are apart, a larger union is the quickest way to a fuller hull. Only
# when they meet does IoU take over. That makes GIoU slow at first, and its successors (DIoU, CIoU) add the distance of the
# centres.

# %% [markdown]
# ## What a loss asks for
#
# Before you train, think. Many pixels look alike to the net; say 20% of these are cyclists. It must give all of them the same
# probability. Which one is best for the loss? Only one honest answer is 0.2.

# %% role="figure" name="asked" alt="The probability that each loss asks for over the share of things. Cross-entropy: the diagonal. Balanced weights: above 0.9 from a share of a tenth on. Focal: flat around one half, 0.31 for a share of a tenth. Dice: 0 below a share of 0.3, 1 above."
figures.asked_figure()

# %% [markdown]
# - **Cross-entropy** asks for the share itself. Its probabilities can be believed: they are *calibrated*.
# - **Balanced weights** ask for nearly 1 as soon as it might be a cyclist.
# - **Focal loss** asks for something near one half: it does not pay to be sure. For a share of 1% it asks for 15%.
# - **Dice** asks for 0 or 1. It wants a map, not a probability. The step lies at half of the Dice that was reached so far: where
#   a pixel helps more than it harms. That is why it finds what is rare.
#
# ## Experiment: one net, five losses
#
# Things cover 1% of each image. The same net starts from the same weights and sees the same batches, 300 steps, once with each
# loss. On two CPU cores that takes a minute or two; interrupted, the cell goes on where it was. What do you expect in the
# columns?

# %% role="experiment" name="five" alt="Five falling curves of training. Then reliability of five nets: how often it was a thing, over the probability that was said. Then one scene, its few small things, and five maps of probability; with Dice they are sharp, with focal loss blurred and nowhere dark."
found = experiment.compare(keep="runs")
print(experiment.rows(found))
display(experiment.reliability_figure(found))
experiment.maps_figure(found)

# %% [markdown]
# One run is no proof. We ran this cell with three seeds on a CPU:
#
# | loss | mIoU | IoU of things | calibration error | promised |
# |---|---|---|---|---|
# | cross-entropy | 0.64 to 0.66 | 0.29 to 0.33 | 0.1 to 0.2 % | 0.8 to 0.9 % |
# | balanced cross-entropy | 0.60 to 0.63 | 0.23 to 0.27 | 2.3 to 3.1 % | 3.3 to 4.1 % |
# | focal, γ = 2 | 0.63 to 0.66 | 0.27 to 0.32 | 3.4 to 5.2 % | 4.2 to 6.2 % |
# | Dice | 0.71 to 0.73 | 0.43 to 0.48 | 0.5 to 0.6 % | 0.8 % |
# | cross-entropy + Dice | 0.71 to 0.73 | 0.43 to 0.46 | 0.4 % | 0.8 to 0.9 % |
#
# "Promised" is the mean probability of a thing over all pixels; 1% would be right. The calibration error is the mean distance
# between what was said and what was so.
#
# - Both losses with Dice find more than the three without, by a clear margin.
# - Cross-entropy means most nearly what it says. Balanced weights and focal loss promise more than twice what is there, as the figure
#   above foretold.
# - Dice is sure of itself. Look at its last bar: of what it is certain of, a good part is no thing.
#
# What this does not show: the nets are small and hardly trained, and neither weights nor $\gamma$ were tuned. Focal loss was made
# for detectors with a hundred thousand boxes an image, not for this. If you need probabilities *and* found objects, train with
# both, or calibrate afterwards on held-out images.

# %% [markdown]
# ## The same name, other numbers
#
# We compared the losses of this chapter with other people's, on random input. They agree to rounding once these conventions are
# the same:
#
# | library | what differs |
# |---|---|
# | torch, `cross_entropy` | ignores -100 by default; NaN where nothing counts |
# | torchvision, `sigmoid_focal_loss` | `alpha=-1` switches weights off; the mean of nothing is NaN; default reduction "none" |
# | torchvision, `generalized_box_iou_loss` | nothing |
# | segmentation-models-pytorch, `DiceLoss` | smoothing 0 by default, and counted twice ($s = 0.5$ there is 1 here); a class that is in no target has loss 0, also where it is predicted |
# | segmentation-models-pytorch and MONAI, `FocalLoss` | several classes: a sigmoid for each, not a softmax |
# | MONAI, `DiceLoss` | a score for each image unless `batch=True`; smoothing $10^{-5}$; no softmax unless asked for; `jaccard=True` counts $s$ half |
# | kornia, `dice_loss` | one score for all classes by default, which is 1 minus the mean probability of the true class; with "macro" a score for each image |
# | kornia and MONAI, focal loss with softmax | the mean is also over the classes: ours divided by their number |
#
# So "we used Dice loss" says little. Say which one.

# %% [markdown]
# ## Common mistakes
#
# - **log(softmax), log(sigmoid).** Infinite where the net is most wrong. Compute from the logits.
# - **Clamping the probability** before the logarithm. Finite, but the gradient is 0 where it is needed most.
# - **Weighted mean divided by the number of pixels,** or ignored pixels left in the mean.
# - **$p^\gamma$ for $(1 - p)^\gamma$.** It keeps what is easy.
# - **α on both classes.** It only scales the loss.
# - **The focal factor of the mean loss.** It goes round in notebooks; easy and hard are turned down alike.
# - **Union in Dice's denominator,** a score for each pixel, a score for each image.
# - **Dice without smoothing on empty images.** No gradient at all.
# - **GIoU's empty part with the wrong sign.** Boxes fly apart.
# - **Probabilities of a net that was trained with weights, focal loss or Dice, read as probabilities.**

# %% [markdown] role="essay" name="choice" points=2
# ## In your own words
#
# A clinic wants tumours outlined in scans. In four of five scans there is none. A colleague trains with Dice without smoothing, one
# score for each image, and shows doctors the softmax output as "probability of a tumour". Say in about 120 words what will go wrong,
# and what you would do. (2 points)
#
# <!-- BEGIN SOLUTION -->
# *Empty scans (1 point).* Without smoothing and image by image, a scan without a tumour has loss 1 and gradient 0 for that class
# whatever is predicted. Four fifths of the data teach nothing, and false alarms are never punished. Sum over the batch, add smoothing,
# and above all add cross-entropy, whose gradient on false alarms does not vanish.
#
# *Probabilities (1 point).* Dice asks for 0 or 1, so its outputs are over-confident and no probabilities. Train with
# cross-entropy in the sum, check reliability on held-out scans, and calibrate (for instance by a temperature) before a number
# is shown to a doctor.
# <!-- END SOLUTION -->

# %% [markdown]
# ## References
#
# - T. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, "Focal loss for dense object detection", ICCV 2017: equations 4 and 5, and the
#   derivative in an appendix.
# - F. Milletari, N. Navab and S. Ahmadi, "V-Net: fully convolutional neural networks for volumetric medical image segmentation",
#   3DV 2016: Dice as a loss, with squares in the denominator.
# - M. A. Rahman and Y. Wang, "Optimizing intersection-over-union in deep neural networks for image segmentation", ISVC 2016: soft IoU.
# - H. Rezatofighi, N. Tsoi, J. Gwak, A. Sadeghian, I. Reid and S. Savarese, "Generalized intersection over union: a metric and a loss
#   for bounding box regression", CVPR 2019.
# - D. Eigen and R. Fergus, "Predicting depth, surface normals and semantic labels with a common multi-scale convolutional
#   architecture", ICCV 2015: median frequency balancing.
# - C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On calibration of modern neural networks", ICML 2017: reliability and temperature.
#
# **Next:** chapter 14 measures depth, where not even the unit is known.
