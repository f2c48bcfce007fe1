# %% [markdown]
# # 14 · Depth
#
# One photograph. How far away is the wall? A toy car near by and a real car far away give the same picture, so a single image
# cannot say. And yet there are nets that draw depth from single images. What do they know, and what can they not know?
#
# **Afterwards you can**
#
# - align a relative prediction to a measured one, and say why in disparity and not in depth;
# - write MiDaS' losses, which learn from sources that do not know their own scale;
# - compute the nine numbers of depth papers, and name their conventions;
# - build a head of bins that makes metres of relative depth;
# - turn a depth map into a cloud of points, with the right $K$.
#
# **You need** least squares, softmax, and chapter 13.
#
# **It takes** about 170 minutes. **Exercises:** 13 with 31 points, and one question in words with 2.

# %% role="setup" name="setup"
import sympy
import torch
from torch import nn
from torch.nn import functional as F

from dlcv import depth
from dlcv.data import samples
from dlcv.depth import experiment, figures
from dlcv.depth.exercises import check
from dlcv.depth.widget import align_widget, cloud_widget

# %% [markdown]
# ## Why
#
# Two cameras, 19 cm apart, look at a motorcycle. A point at column $x$ of the left image is at $x - d$ in the right one. This
# *disparity* $d$ gives the depth:
#
# $$Z = \frac{b f}{d + d_0}$$
#
# with the baseline $b$ in metres, the focal length $f$ in pixels, and an offset $d_0$ between the two images' centres. Near things
# move much from one eye to the other, far things little.

# %% role="figure" name="scene" alt="A red motorcycle in a workshop; its disparity, from 7 to 60 pixels, large where near; its depth, from 2.1 to 5.0 metres."
figures.scene_figure()

# %% [markdown]
# Grey pixels have no disparity: most of them the other camera did not see.
#
# Now take one camera away. A point at $(X, Y, Z)$ is seen at $u = f_x X / Z + c_x$ and $v = f_y Y / Z + c_y$. Make the world ten times
# as large, and put it ten times as far away. What changes in the picture?

# %% role="given" name="ten-times"
K = torch.tensor([[60.0, 0, 32], [0, 60, 32], [0, 0, 1]])
toy = torch.tensor([[0.1, 0.0, 0.5], [-0.1, 0.05, 0.6]])
print(depth.project(toy, K))
print(depth.project(10 * toy, K))

# %% [markdown]
# Nothing. So metres are not in the image; they have to be guessed from what things usually are. What *is* in it, up to such guesses, is
# what covers what, how things shrink, where the floor goes: an order with proportions.
#
# Truth of that kind is plentiful. MiDaS (Ranftl et al. 2020) learns from all of it:
#
# | source | what it knows |
# |---|---|
# | laser, time of flight | metres, at few pixels or not far |
# | a stereo camera with known $b$, $f$, $d_0$ | metres |
# | photographs from many places (structure from motion) | depth up to a scale |
# | stereo films, pictures shifted to please the eye | disparity up to a scale and a shift |
# | rendered scenes | metres of a world that is made up |
#
# What all of them know is the disparity *up to scale and shift*. What a net says that has learned from all of them is just that. Draw it as a heat
# map if you like. Do not read metres from it.

# %% [markdown]
# ## Scale and shift
#
# Let $d_i$ be the prediction, $d^*_i$ the target, and $m_i$ 1 where the target is known, 0 elsewhere. The best scale and shift of an image
# make
#
# $$E(s, t) = \sum_i m_i (s d_i + t - d^*_i)^2$$
#
# smallest. There, both derivatives are 0. First take $s$ as given.

# %% [markdown]
# ### Exercise 1 · The best shift
#
# Difficulty 1 of 5, about 6 minutes, 1 point. Two pixels are enough to see how it goes; `y` is the target. Solve $\partial E / \partial t = 0$
# for $t$. One step a line, each an equation; the check names the first line that does not follow from the one before.


# %% role="solution" name="best_shift"
def best_shift(s, t, m, d, y):
    """Return the list of lines, from dE/dt = 0 to t alone on the left. m, d, y: a pair each."""
    question = sympy.Eq(2 * m[0] * (s * d[0] + t - y[0]) + 2 * m[1] * (s * d[1] + t - y[1]), 0)
    # Bring all that has no `t` to the right, then divide.
    ### BEGIN SOLUTION
    right = m[0] * (y[0] - s * d[0]) + m[1] * (y[1] - s * d[1])
    return [question, sympy.Eq((m[0] + m[1]) * t, right), sympy.Eq(t, right / (m[0] + m[1]))]
    ### END SOLUTION


# %% role="test" name="best_shift"
check("best_shift", best_shift)
### BEGIN HIDDEN TESTS
check.grade("best_shift", best_shift)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="best_shift"
# Hints for best_shift.

# %% [markdown]
# So $t = (q - b s) / n$ with the sums $n = \sum m_i$, $b = \sum m_i d_i$ and $q = \sum m_i d^*_i$: a line of least squares goes through the
# means. The other derivative, divided by 2, is $a s + b t = p$ with $a = \sum m_i d_i^2$ and $p = \sum m_i d_i d^*_i$. Together they are the
# *normal equations*:
#
# $$\begin{pmatrix} a & b \\ b & n \end{pmatrix} \begin{pmatrix} s \\ t \end{pmatrix} = \begin{pmatrix} p \\ q \end{pmatrix}$$

# %% [markdown]
# ### Exercise 2 · The best scale
#
# Difficulty 2 of 5, about 8 minutes, 2 points. Put $t$ into the first of the two and solve it for $s$.


# %% role="solution" name="best_scale"
def best_scale(s, n, a, b, p, q):
    """Return the list of lines, from a s + b t = p, with t put in, to s alone on the left."""
    question = sympy.Eq(a * s + b * ((q - b * s) / n), p)
    # Multiply by `n`, collect what has `s`, divide by the determinant.
    ### BEGIN SOLUTION
    return [
        question,
        sympy.Eq((n * a - b**2) * s, n * p - b * q),
        sympy.Eq(s, (n * p - b * q) / (n * a - b**2)),
    ]
    ### END SOLUTION


# %% role="test" name="best_scale"
check("best_scale", best_scale)
### BEGIN HIDDEN TESTS
check.grade("best_scale", best_scale)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="best_scale"
# Hints for best_scale.

# %% [markdown]
# What you divide by, $n a - b^2$, is 0 where all $d_i$ are equal, or where fewer than two pixels count. Then no scale is better than another, and
# this course returns 0 for both.

# %% [markdown]
# ### Exercise 3 · Scale and shift by least squares
#
# Difficulty 3 of 5, about 18 minutes, 3 points. Each image of the batch gets a scale and a shift of its own. What stands at unknown pixels
# is garbage: NaN in the target, anything in the prediction. No ready-made fit, please.


# %% role="solution" name="align_scale_and_shift"
def align_scale_and_shift(prediction, target, mask):
    """All (N, H, W), mask of bools; return scale (N,) and shift (N,)."""
    # Five sums for each image. What stands at unknown pixels, even NaN, must not get into them.
    # Two fractions with one denominator, and 0 where that is 0.
    ### BEGIN SOLUTION
    d = torch.where(mask, prediction, 0.0)
    y = torch.where(mask, target, 0.0)
    n = mask.sum((1, 2))
    a, b = (d * d).sum((1, 2)), d.sum((1, 2))
    p, q = (d * y).sum((1, 2)), y.sum((1, 2))
    det = n * a - b * b
    solvable = det > 1e-6 * n * a
    det = torch.where(solvable, det, 1.0)
    scale = torch.where(solvable, (n * p - b * q) / det, 0.0)
    shift = torch.where(solvable, (a * q - b * p) / det, 0.0)
    return scale, shift
    ### END SOLUTION


# %% role="test" name="align_scale_and_shift"
check("align_scale_and_shift", align_scale_and_shift)
### BEGIN HIDDEN TESTS
check.grade("align_scale_and_shift", align_scale_and_shift)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="align_scale_and_shift"
# Hints for align_scale_and_shift.

# %% [markdown]
# ## Try it
#
# Grey is a pixel: what a net might have said, and the true disparity. Orange is your line, the dashed one is the best.
#
# 1. Which scale do you need if the shift is 20? How large is the error then?
# 2. Make the scale negative. What would that say about the net?
# 3. Find the best line. Where in the picture is the rest of the error?

# %% role="widget" name="align" alt="Sliders for scale and shift. A cloud of grey pixels on a rising line, the best line through it with an error of 2.9 pixels and a lower, flatter one with 21.3; a heat map of what is left."
align_widget()

# %% [markdown]
# Why in disparity? There, what is lost is a scale and a shift: a line. In depth, $Z = b f / (d + d_0)$, a shift of $d$ is a bend, and no
# line straightens it. Below, the same prediction is fitted in either space.

# %% role="figure" name="fits" alt="Left: true disparity over the prediction, and the line 60.3 d + 45.1. Right: depth over true depth. Fitted in disparity, along the diagonal, AbsRel 2.2 %; fitted in depth, a bent curve, 7.9 %."
figures.align_figure()

# %% [markdown]
# ## A loss that ignores scale and shift
#
# Align first, then compare:
#
# $$L_{\text{ssimse}} = \frac{1}{2M} \sum_n \sum_i m_{ni} (s_n d_{ni} + t_n - d^*_{ni})^2$$
#
# $M$ counts the valid pixels of the whole batch. Whatever scale and shift a source has lost, the loss does not see them.

# %% [markdown]
# ### Exercise 4 · A loss that ignores scale and shift
#
# Difficulty 2 of 5, about 8 minutes, 2 points. You may use `depth.align_scale_and_shift`. A batch in which nothing is known has loss 0.


# %% role="solution" name="ssi_mse"
def ssi_mse(prediction, target, mask):
    """All (N, H, W), mask of bools; return a scalar."""
    # Align, subtract, and let nothing from unknown pixels in.
    ### BEGIN SOLUTION
    scale, shift = depth.align_scale_and_shift(prediction, target, mask)
    aligned = scale[:, None, None] * prediction + shift[:, None, None]
    residual = torch.where(mask, aligned - target, 0.0)
    return (residual**2).sum() / (2 * mask.sum().clamp(min=1))
    ### END SOLUTION


# %% role="test" name="ssi_mse"
check("ssi_mse", ssi_mse)
### BEGIN HIDDEN TESTS
check.grade("ssi_mse", ssi_mse)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="ssi_mse"
# Hints for ssi_mse.

# %% [markdown]
# Is it blind to everything of the form $a d + b$? Guess first: which of these three losses are equal?

# %% role="given" name="blind"
pair = figures.small()
d, known = figures.guess()[None], pair.valid[None]
for a, b in ((1, 0), (5, 100), (-5, 0)):
    print(f"{a} d + {b}: {depth.ssi_mse(a * d + b, pair.disparity[None], known):.4f}")

# %% [markdown]
# All of them. Least squares also takes a scale below 0, so a map that is upside down costs nothing. A net that starts out well never goes there; a
# loss should not depend on it. The robust variant below does see it.
#
# ## Robust: median and trimming
#
# A truth from stereo is wrong in places, and squares listen most to what is most wrong. So the second loss of MiDaS does without a fit. Bring each
# map by itself to median 0 and mean absolute deviation 1:
#
# $$\hat{x} = \frac{x - t}{s}, \qquad t = \operatorname{median}(x), \qquad s = \frac{1}{M} \sum_i m_i |x_i - t|$$

# %% [markdown]
# ### Exercise 5 · Median 0, deviation 1
#
# Difficulty 2 of 5, about 10 minutes, 2 points. The median of an even number of values is the lower of the two in the middle, as in `torch.median`.
# An image whose valid pixels are all alike, or that has none, becomes zeros.


# %% role="solution" name="normalize_median"
def normalize_median(x, mask):
    """x (N, H, W), mask of bools; return (N, H, W), 0 at unknown pixels."""
    # One image at a time, its valid values only.
    ### BEGIN SOLUTION
    out = torch.zeros_like(x)
    for n in range(len(x)):
        values = x[n][mask[n]]
        if len(values) == 0:
            continue
        away = values - values.median()
        deviation = away.abs().mean()
        if deviation > 0:
            out[n][mask[n]] = away / deviation
    return out
    ### END SOLUTION


# %% role="test" name="normalize_median"
check("normalize_median", normalize_median)
### BEGIN HIDDEN TESTS
check.grade("normalize_median", normalize_median)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="normalize_median"
# Hints for normalize_median.

# %% [markdown]
# In code that goes round, unknown pixels are set to 0 first and the median is taken of all. Where half of a map of disparities is unknown, that median
# is 0, whatever the image shows.
#
# Then leave out the largest fifth of each image's differences:
#
# $$L_{\text{ssitrim}} = \frac{1}{2M} \sum_n \sum_{j=1}^{U_n} |\hat{d} - \hat{d}^*|_{(j)}, \qquad U_n = \lfloor 0.8\, M_n \rfloor$$
#
# $|\cdot|_{(1)}$ is the smallest. $M$ counts the pixels that were left out as well: trimming silences them and does not make the others louder.

# %% [markdown]
# ### Exercise 6 · Without the worst fifth
#
# Difficulty 3 of 5, about 12 minutes, 3 points. You may use `depth.normalize_median`. Each image loses its own fifth.


# %% role="solution" name="ssi_trimmed_loss"
def ssi_trimmed_loss(prediction, target, mask, trim=0.2):
    """All (N, H, W); trim: share of each image's pixels that is left out. Return a scalar."""
    # Normalise both, sort each image's absolute differences, keep the smallest, divide by all.
    ### BEGIN SOLUTION
    d, y = depth.normalize_median(prediction, mask), depth.normalize_median(target, mask)
    residual = (d - y).abs()
    total = 0.0
    for n in range(len(mask)):
        errors = residual[n][mask[n]].sort().values
        kept = int((1 - trim) * len(errors))
        total = total + errors[:kept].sum()
    return total / (2 * mask.sum().clamp(min=1))
    ### END SOLUTION


# %% role="test" name="ssi_trimmed_loss"
check("ssi_trimmed_loss", ssi_trimmed_loss)
### BEGIN HIDDEN TESTS
check.grade("ssi_trimmed_loss", ssi_trimmed_loss)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="ssi_trimmed_loss"
# Hints for ssi_trimmed_loss.

# %% [markdown]
# This loss goes round in a version that trims nothing. It looks like this. What is in `kept`?

# %% role="given" name="circulates"
errors = torch.tensor([3.0, 1.0, 2.0, 50.0, 1.0])
kept, _ = torch.sort(errors)[: int(0.8 * len(errors))]
print(kept)

# %% [markdown]
# All five. `torch.sort` returns a pair, values and places. The first four of two things are both of them, and `kept` is the whole first one.
# Nothing fails, training works, and the worst pixels stay in.

# %% [markdown]
# ## Edges
#
# A blurred map has a small loss and looks bad. MiDaS adds how much the residual $R = s d + t - d^*$ changes from pixel to pixel, at four scales:
#
# $$L_{\text{reg}} = \sum_{k=0}^{3} \frac{1}{M_k} \sum_i |\nabla_x R^k_i| + |\nabla_y R^k_i|$$
#
# $R^k$ is every $2^k$-th row and column, and $M_k$ counts its valid pixels. A residual that is constant costs nothing, however large; one that jumps
# where the truth jumps says that an edge is missing, or misplaced.

# %% [markdown]
# ### Exercise 7 · Edges where the truth has them
#
# Difficulty 3 of 5, about 15 minutes, 3 points. A difference counts where both of its pixels are valid: the border of what is known is no edge.


# %% role="solution" name="gradient_matching_loss"
def gradient_matching_loss(residual, mask, scales=4):
    """residual, mask (N, H, W); return a scalar."""
    # For each scale: the strided maps, differences across and down where both pixels are valid, over the valid pixels.
    ### BEGIN SOLUTION
    residual = torch.where(mask, residual, 0.0)
    total = 0.0
    for k in range(scales):
        step = 2**k
        r, m = residual[:, ::step, ::step], mask[:, ::step, ::step]
        across = (r[:, :, 1:] - r[:, :, :-1]).abs() * (m[:, :, 1:] & m[:, :, :-1])
        down = (r[:, 1:] - r[:, :-1]).abs() * (m[:, 1:] & m[:, :-1])
        total = total + (across.sum() + down.sum()) / m.sum().clamp(min=1)
    return total
    ### END SOLUTION


# %% role="test" name="gradient_matching_loss"
check("gradient_matching_loss", gradient_matching_loss)
### BEGIN HIDDEN TESTS
check.grade("gradient_matching_loss", gradient_matching_loss)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="gradient_matching_loss"
# Hints for gradient_matching_loss.

# %% [markdown]
# `depth.ssi_loss` is $L_{\text{ssimse}} + \frac{1}{2} L_{\text{reg}}$, with which the net below is trained.
#
# ## How good is it?
#
# Papers give these numbers, with $e = \log z - \log z^*$ and means over all valid pixels:
#
# | name | what |
# |---|---|
# | `abs_rel` | mean of $\lvert z - z^* \rvert / z^*$ |
# | `sq_rel` | mean of $(z - z^*)^2 / z^*$ |
# | `rmse`, `rmse_log` | root of the mean of $(z - z^*)^2$, of $e^2$ |
# | `log10` | mean of $\lvert \log_{10} z - \log_{10} z^* \rvert$ |
# | `silog` | 100 times the standard deviation of $e$ |
# | `delta1`, `delta2`, `delta3` | share of pixels with $\max(z / z^*, z^* / z) < 1.25^k$ |

# %% [markdown]
# ### Exercise 8 · Nine numbers
#
# Difficulty 2 of 5, about 15 minutes, 3 points. Logarithms are natural but for `log10`, and a ratio of exactly 1.25 is not below it.


# %% role="solution" name="depth_metrics"
def depth_metrics(prediction, target, mask=None):
    """Depths of one shape, above 0 where they count; return a dict of nine scalars."""
    # Pick the valid pixels once. Without a mask: where the target is finite and above 0.
    ### BEGIN SOLUTION
    if mask is None:
        mask = target.isfinite() & (target > 0)
    z, true = prediction[mask], target[mask]
    e = z.log() - true.log()
    ratio = torch.maximum(z / true, true / z)
    return {
        "abs_rel": ((z - true).abs() / true).mean(),
        "sq_rel": ((z - true) ** 2 / true).mean(),
        "rmse": ((z - true) ** 2).mean().sqrt(),
        "rmse_log": (e**2).mean().sqrt(),
        "log10": (z.log10() - true.log10()).abs().mean(),
        "silog": 100 * ((e - e.mean()) ** 2).mean().sqrt(),
        "delta1": (ratio < 1.25).float().mean(),
        "delta2": (ratio < 1.25**2).float().mean(),
        "delta3": (ratio < 1.25**3).float().mean(),
    }
    ### END SOLUTION


# %% role="test" name="depth_metrics"
check("depth_metrics", depth_metrics)
### BEGIN HIDDEN TESTS
check.grade("depth_metrics", depth_metrics)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="depth_metrics"
# Hints for depth_metrics.

# %% [markdown]
# `silog` is the one that forgives a factor: a prediction wrong by 3 everywhere has silog 0. And with no metre at all, one can still ask people which of
# two points is nearer. The share of pairs for which a map says otherwise is the *weighted human disagreement rate*. Here the truth answers for the
# people:

# %% role="given" name="pairs"
pair, count = figures.small(), 2000
places = pair.valid.nonzero().flip(1)  # u, v
a, b = places[torch.randint(len(places), (2, count))]
farther = (pair.depth[a[:, 1], a[:, 0]] - pair.depth[b[:, 1], b[:, 0]]).sign()
for name, relative in (("guess", figures.guess()), ("upside down", -figures.guess())):
    print(f"{name}: {100 * depth.ordinal_error(-relative, a, b, farther):.1f} % of the pairs are wrong")

# %% [markdown]
# (The minus: a disparity is large where it is near.)
#
# ## Experiment: no source knows its scale
#
# 256 scenes. Each has a disparity with a scale between 1/4 and 4 and a shift between -1 and 1 of its own, as if from a film of its own. The
# same net learns from them in 300 steps, once to meet these numbers as they are, once up to scale and shift. Both are then aligned on unseen scenes
# and compared in metres. A third line does not look at the image at all: the lower in it, the nearer.
#
# Interrupt the cell if you like: the runs are kept in the folder `runs`, and when you run it again, it goes on. The cells below need its net.

# %% role="experiment" name="sources" alt="Two falling curves of training: as they are, from 0.3 to almost 0; up to scale and shift, from 1.6 in one large drop to 0.4. Then an unseen street, its depth, and both nets after alignment: the first is blotchy and says next to nothing, the second rises smoothly towards the end of the street."
found = experiment.compare(keep="runs")
print(experiment.rows(found))
experiment.maps_figure(found)

# %% [markdown]
# One run is no proof. We ran this cell, and the two below that go on with its net, with three seeds on a CPU:
#
# | trained | AbsRel | delta1 |
# |---|---|---|
# | as they are | 0.31 to 0.33 | 0.43 to 0.46 |
# | up to scale and shift | 0.09 | 0.90 |
# | height in the image | 0.32 | 0.62 |
#
# The loss up to scale and shift has less than half of the error of the loss that takes the numbers as they are. Look at the first curve: it
# falls to almost 0. Nothing in an image says what its source has lost, so the net learned by heart which training image goes with which numbers.
# For an image that it has never seen it has no number, and so it is no better than somebody who does not look. The second net had nothing to learn by heart.

# %% [markdown]
# ## From relative to metric
#
# To reach for a cup you need metres. ZoeDepth (Bhat et al. 2023) keeps such a net and adds small heads, one for rooms, trained on NYU, and one for streets,
# trained on KITTI. A head divides the range of its depths into bins, moves their centres for each pixel, and says how likely each bin is.

# %% [markdown]
# ### Exercise 9 · Bins from the nearest to the farthest
#
# Difficulty 2 of 5, about 8 minutes, 2 points. Widths of 1, 1 and 2 from 0 to 8 metres are bins of 2, 2 and 4 metres, with centres at 1, 3 and 6.


# %% role="solution" name="bin_centres"
def bin_centres(widths, min_depth, max_depth):
    """widths (K,) or (N, K, ...), of any sum; return the centres in metres, same shape."""
    # Shares of the range, and the middle of each.
    ### BEGIN SOLUTION
    axis = min(1, widths.dim() - 1)
    share = widths / widths.sum(axis, keepdim=True)
    return min_depth + (max_depth - min_depth) * (share.cumsum(axis) - share / 2)
    ### END SOLUTION


# %% role="test" name="bin_centres"
check("bin_centres", bin_centres)
### BEGIN HIDDEN TESTS
check.grade("bin_centres", bin_centres)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="bin_centres"
# Hints for bin_centres.

# %% [markdown]
# Bins that are neighbours in depth should be neighbours in probability, which a softmax over free numbers does not promise. A binomial row does: one
# number $p$ says where the peak stands, a temperature $\tau$ how sharp it is.
#
# $$\log q_k = \log \operatorname{softmax}_k \frac{1}{\tau} \Bigl( \log \binom{K-1}{k} + k \log p + (K - 1 - k) \log (1 - p) \Bigr)$$

# %% role="figure" name="bins" alt="Sixteen bins. Peaks at the left, in the middle and at the right for p of 0.1, 0.5 and 0.9; and one in the middle, sharp for temperature 0.2, flat for 8."
figures.bins_figure()

# %% [markdown]
# ### Exercise 10 · A peak over bins
#
# Difficulty 3 of 5, about 15 minutes, 3 points. Bins are a new axis 1, or the only axis where `p` is a single number. It should also work with 200
# bins, whose factorials no float32 holds, and with $p$ of 0 and 1.


# %% role="solution" name="log_binomial"
def log_binomial(p, num_bins, temperature=1.0):
    """p () or (N, ...), from 0 to 1; temperature a number or like p. Return log-probabilities, bins on axis 1."""
    # Logarithms of factorials, then the three terms, the temperature, and `log_softmax`.
    ### BEGIN SOLUTION
    axis, n = min(1, p.dim()), num_bins - 1
    k = torch.arange(num_bins, dtype=torch.float32).reshape(num_bins, *[1] * (p.dim() - axis))
    choose = torch.lgamma(torch.tensor(n + 1.0)) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
    q = p.unsqueeze(axis)
    scores = choose + torch.xlogy(k, q) + torch.special.xlog1py(n - k, -q)
    heat = torch.as_tensor(temperature)
    scores = scores / (heat.unsqueeze(axis) if heat.dim() else heat)
    return scores.log_softmax(axis)
    ### END SOLUTION


# %% role="test" name="log_binomial"
check("log_binomial", log_binomial)
### BEGIN HIDDEN TESTS
check.grade("log_binomial", log_binomial)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="log_binomial"
# Hints for log_binomial.

# %% [markdown]
# Now the head. The coarsest map gives each pixel the widths of its bins. Each finer map has a few *attractors*, depths that pull the centres.
# A centre at distance $\delta$ moves by $\Delta = \delta / (1 + \alpha |\delta|^\gamma)$: never beyond the attractor, and little if it is far away. The finest map,
# together with the relative depth, gives $p$ and $\tau$. The depth is the mean of the centres under these probabilities.

# %% [markdown]
# ### Exercise 11 · Relative to metric: a head of bins
#
# Difficulty 4 of 5, about 25 minutes, 4 points. Each part is a 1x1 convolution to `hidden` channels, ReLU, and a 1x1 convolution. There is one for the
# widths (`num_bins` numbers, through a softmax), one for the attractors of each further map (`attractors` numbers, through a sigmoid, from `min_depth` to
# `max_depth`; the mean of their pulls counts), and one for the peak, which reads the finest map with the relative depth as its last channel: two numbers,
# through a sigmoid. The first is $p$, brought to $10^{-4}$ to $1 - 10^{-4}$, the second $h$ gives $\tau = 50^{2 h - 1}$. Centres are enlarged
# bilinearly. You may use `depth.bin_centres`, `depth.inverse_attractor` and `depth.log_binomial`.


# %% role="solution" name="MetricBins"
class MetricBins(nn.Module):
    """A head of bins; forward(features, relative) returns (N, H, W) metres."""

    def __init__(self, channels, num_bins=64, min_depth=1e-3, max_depth=10.0, attractors=8, hidden=32, alpha=300.0,
                 gamma=2.0):  # fmt: skip
        super().__init__()
        # Parts in this order: widths, attractors of each further map, peak.
        ### BEGIN SOLUTION
        def part(inside, outside):
            return nn.Sequential(nn.Conv2d(inside, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, outside, 1))

        self.num_bins, self.low, self.high = num_bins, min_depth, max_depth
        self.alpha, self.gamma = alpha, gamma
        self.widths = part(channels[0], num_bins)
        self.pulls = nn.ModuleList([part(count, attractors) for count in channels[1:]])
        self.peak = part(channels[-1] + 1, 2)
        ### END SOLUTION

    def forward(self, features, relative):
        """features: maps (N, C, H, W), the coarsest first; relative (N, H, W), as large as the finest."""
        # Centres of the coarsest map, moved on each further one; then the peak, and the mean of the centres.
        ### BEGIN SOLUTION
        centres = depth.bin_centres(self.widths(features[0]).softmax(1), self.low, self.high)
        for pull, feature in zip(self.pulls, features[1:], strict=True):
            centres = F.interpolate(centres, size=feature.shape[2:], mode="bilinear")
            points = self.low + (self.high - self.low) * pull(feature).sigmoid()
            away = points.unsqueeze(2) - centres.unsqueeze(1)
            centres = centres + depth.inverse_attractor(away, self.alpha, self.gamma).mean(1)
        p, heat = self.peak(torch.cat([features[-1], relative[:, None]], 1)).sigmoid().unbind(1)
        p = 1e-4 + (1 - 2e-4) * p
        likely = depth.log_binomial(p, self.num_bins, 50 ** (2 * heat - 1)).exp()
        return (likely * centres).sum(1)
        ### END SOLUTION


# %% role="test" name="MetricBins"
check("MetricBins", MetricBins)
### BEGIN HIDDEN TESTS
check.grade("MetricBins", MetricBins)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="MetricBins"
# Hints for MetricBins.

# %% [markdown]
# ## Experiment: metres for rooms and streets
#
# The net stays as it is. Two heads learn metres, each from its own domain only: rooms to 15 metres, streets to 80. A router learns to say which
# of the two an image shows. Nothing is aligned here.

# %% role="experiment" name="metres" alt="A falling curve of training. Then an unseen room and an unseen street with their depths and what either head says: the head for rooms is right about the room and far too near in the street; the head for streets is right about the street and beyond the room's walls. The router takes the right one both times."
model = experiment.learn_metres(found["up to scale and shift"].net, keep="runs")
print(experiment.metres_rows(experiment.metres(model)))
experiment.domains_figure(model)

# %% [markdown]
# AbsRel on unseen scenes, with three seeds; "routed wrongly" is a share of the images:
#
# | | head for rooms | head for streets | routed | routed wrongly |
# |---|---|---|---|---|
# | room | 0.10 to 0.11 | 1.51 to 1.66 | 0.21 to 0.25 | 8 % |
# | street | 0.56 | 0.16 to 0.17 | 0.17 to 0.19 | 2 to 8 % |
#
# With every seed each head is the better one in its own domain: it has learned how large things are there. In the other domain it is not a bit
# worse; it is wrong by half of the depth, or by more than all of it. So the few images that go to the wrong head about double the error of the
# rooms. These are metres, from one image, in worlds like those of the training. Now for another one.

# %% [markdown]
# ## Points in space
#
# With depth and camera, each pixel is a point:
#
# $$X = \frac{(u - c_x)\, Z}{f_x}, \qquad Y = \frac{(v - c_y)\, Z}{f_y}, \qquad Z = D$$
#
# $u$ counts columns, $v$ rows, and pixel centres lie at whole numbers.

# %% [markdown]
# ### Exercise 12 · A cloud of points
#
# Difficulty 2 of 5, about 10 minutes, 2 points. $Z$ is the depth along the optical axis, not the length of the ray.


# %% role="solution" name="backproject"
def backproject(depth, K):
    """depth (H, W) in metres, K (3, 3); return (H, W, 3)."""
    # Columns and rows of all pixels, then the two equations.
    ### BEGIN SOLUTION
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    u = torch.arange(depth.shape[1]) + 0.0
    v = (torch.arange(depth.shape[0]) + 0.0)[:, None]
    x = (u - cx) * depth / fx
    y = (v - cy) * depth / fy
    return torch.stack([x, y, depth], -1)
    ### END SOLUTION


# %% role="test" name="backproject"
check("backproject", backproject)
### BEGIN HIDDEN TESTS
check.grade("backproject", backproject)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="backproject"
# Hints for backproject.

# %% [markdown]
# ### Exercise 13 · And back to the image
#
# Difficulty 1 of 5, about 6 minutes, 1 point. What lies behind the camera, or in its plane, is not seen: NaN.


# %% role="solution" name="project"
def project(points, K):
    """points (..., 3), K (3, 3); return (..., 2) as u, v; NaN for points that are not in front."""
    # The equations, solved for u and v.
    ### BEGIN SOLUTION
    x, y, z = points.unbind(-1)
    z = torch.where(z > 0, z, torch.nan)
    u = K[0, 0] * x / z + K[0, 2]
    v = K[1, 1] * y / z + K[1, 2]
    return torch.stack([u, v], -1)
    ### END SOLUTION


# %% role="test" name="project"
check("project", project)
### BEGIN HIDDEN TESTS
check.grade("project", project)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="project"
# Hints for project.

# %% [markdown]
# $K$ belongs to a resolution. Take every fourth pixel of the map, and you need a quarter of $f$ and $c$. With the old $K$ the scene is squeezed to a
# fraction of its width, and slides off to one side:

# %% role="given" name="resolutions"
few, whole = figures.small(), samples.motorcycle()
for name, K in (("its own K", few.intrinsics), ("K of the whole photograph", whole.intrinsics)):
    X = depth.backproject(few.depth, K)[few.valid][:, 0]
    print(f"{name}: X from {X.min():.2f} to {X.max():.2f} m")

# %% [markdown]
# Turn it. Where does the cloud have holes, and why there?

# %% role="widget" name="cloud" alt="The motorcycle as a cloud of points, from the camera's place and from further right and above: behind it are holes, which no camera saw."
cloud_widget()

# %% [markdown]
# ## Experiment: a photograph
#
# Now the nets of this chapter look at the motorcycle. They have learned from rendered rooms and streets. Guess before you run: which line will have the
# smaller error, the metres or the aligned relative depth? And will either beat somebody who only knows that lower is nearer?

# %% role="experiment" name="photograph" alt="The motorcycle and its true depth. Metres of the routed head are beyond 5 metres almost everywhere. The head for rooms and the aligned relative depth see something dark across the middle of the image and a floor that comes nearer, the first with too much range. Below them the height in the image alone: level stripes."
readings = experiment.photograph(model)
print(experiment.photograph_rows(readings))
experiment.photograph_figure(readings)

# %% [markdown]
# Three seeds:
#
# | motorcycle | AbsRel | delta1 |
# |---|---|---|
# | relative, as it is | 10.97 to 13.79 | 0.01 to 0.02 |
# | relative, aligned | 0.16 to 0.17 | 0.72 to 0.74 |
# | metres, routed | 0.34 to 2.75 | 0.00 to 0.56 |
# | metres, head for rooms | 0.34 to 0.36 | 0.50 to 0.56 |
# | metres, aligned | 0.16 to 0.17 | 0.66 to 0.69 |
# | height in the image | 0.14 | 0.77 |
# | one disparity | 0.23 | 0.49 |
#
# Two of three routers take the garage for a street. Its head is wrong by more than twice the depth, the one for rooms by a third. Aligned, the relative net
# comes to 0.16 or 0.17: nearer than one disparity everywhere, so it has seen something. Yet the height in the image beats the nets on the motorcycle, and it
# has seen nothing.
#
# **What a net that has seen only these scenes cannot know**
#
# - *The camera.* It saw the scenes through a lens of 46 to 60 degrees, from top to bottom. The motorcycle was taken with 28: everything looks about
#   twice as large. No pixel says so.
# - *Where the camera stands.* In the scenes it is at eye height, looks down, and sees a floor that ends at walls. Lower means nearer there, always.
# - *What is there.* Boxes, balls, cans, cones, lamps and tables on legs. Not a motorcycle, whose inside is mostly air, and no shelf full of things.
# - *Metres.* A head's metres are those of its rooms or streets. In a doll's house they are wrong by the scale of the house, and look just as sure.
# - *What is behind.* The holes of the cloud are not in the photograph. Whoever fills them invents.
#
# And an aligned number is no prediction: scale and shift were taken from the truth. Somebody who does not look at the image got the same two numbers. Put
# such a line beside every AbsRel after alignment, or nobody can tell what the net has contributed.

# %% [markdown]
# ## When you compare with other code
#
# We ran public code on the same random maps. Where it agrees, it agrees to rounding. Where not:
#
# | code | what differs |
# |---|---|
# | MiDaS' alignment, as it goes round | a constant map has a determinant that is not exactly 0 in float32, and gets a scale and a shift out of rounding; it multiplies by the mask, so NaN spreads |
# | MiDaS' normalisation, as it goes round | median over zeros where pixels are unknown, which are not set to 0 afterwards |
# | MiDaS' trimmed loss, as it goes round | trims nothing; repaired, it trims the batch and not each image |
# | MiDaS' gradient term | nothing |
# | depth-tools, alignment | returns the shift first; where there are many solutions, it takes the smallest |
# | depth-estimation, alignment and metrics | scale 1, shift 0 where fewer than two pixels count; metrics of no pixel are 0 |
# | depth-estimation, gradient term | one scale, of log depth, divided by the pairs and not by the pixels |
# | evaluation on NYU and KITTI | numbers for each image, then their mean; here all pixels together. Depths are capped at 10 or 80 m, borders cropped |
# | silog as a *loss* | $10 \sqrt{\operatorname{mean}(e^2) - 0.85 \operatorname{mean}(e)^2}$, or with 0.5, without the root: it sees a common factor a little |
# | ZoeDepth and transformers, `log_binomial` | Stirling's factorials without the root: the first and last bins get too little. Probabilities, not logarithms |
# | ZoeDepth and transformers, attractors | $\delta^\gamma$ without the absolute value, so $\gamma$ must be even; corners on corners when centres are enlarged; transformers reads $\alpha$ and $\gamma$ from its settings and does not use them |
# | ZoeDepth and transformers, bins | 0.001 is added to each width |
# | kornia, `depth_to_3d_v2` | nothing; the older `depth_to_3d` has the points in front, $(3, H, W)$ |

# %% [markdown]
# ## Common mistakes
#
# - **A scale and no shift.** All depths are bent.
# - **Aligned in depth where disparity is meant.** Bent as well.
# - **One fit for the whole batch.** Each image has its own source.
# - **Multiplying by the mask.** 0 times NaN is NaN. Choose with `torch.where`.
# - **Median over zeros,** where unknown pixels were set to 0.
# - **Sorting, and trimming the pair** that `sort` returns, or the smallest, or the batch.
# - **Edges at the border of what is known.**
# - **$\delta$ with $\le$,** errors relative to the prediction, silog that is `rmse_log`.
# - **$u$ and $v$ exchanged,** $K$ of another resolution, the ray's length taken for $Z$.
# - **A relative map read in metres.**

# %% [markdown] role="essay" name="robot" points=2
# ## In your own words
#
# A robot arm gets depth from a relative net, aligned once, on one image, to a laser. It reaches past the cup when the camera's lens is
# changed, and on the next image, too. Say in about 120 words why, twice. (2 points)
#
# <!-- BEGIN SOLUTION -->
# *The next image (1 point).* Scale and shift are lost per image: the net's numbers of one image are not those of the next. It must be
# aligned in each image, in disparity, or have a metric head.
#
# *The lens (1 point).* Another focal length means another K, and another relation of size in the image to depth. Points back-projected
# with the old K lie at wrong X and Y, and a metric head that learned with one focal length is off by the ratio of the two.
# <!-- END SOLUTION -->

# %% [markdown]
# ## References
#
# - R. Ranftl, K. Lasinger, D. Hafner, K. Schindler and V. Koltun, [Towards robust monocular depth estimation](https://arxiv.org/abs/1907.01341),
#   TPAMI 2020 (MiDaS): alignment, both losses and the gradient term in section 5.
# - S. F. Bhat, R. Birkl, D. Wofk, P. Wonka and M. Müller, [ZoeDepth](https://arxiv.org/abs/2302.12288), 2023: bins, attractors and router in
#   section 3.
# - D. Eigen, C. Puhrsch and R. Fergus, [Depth map prediction from a single image](https://arxiv.org/abs/1406.2283), NIPS 2014: most of the nine numbers.
# - W. Chen, Z. Fu, D. Yang and J. Deng, [Single-image depth perception in the wild](https://arxiv.org/abs/1604.03901), NIPS 2016: pairs of points.
# - D. Scharstein et al., "High-resolution stereo datasets with subpixel-accurate ground truth", GCPR 2014: the motorcycle.
#
# **Next:** chapter 15 asks one net for depth, normals and classes at once.
