# %% [markdown]
# # 11 · PointRend
#
# A network answers coarsely, and somebody enlarges the answer. Nearly all of it is right: the inside of a table is
# table. What is wrong lies along outlines. This chapter asks again there, and only there, at points between the pixels.
#
# **Afterwards you can**
#
# - read a map of any size at a point, and say why its corners are not the pixels' centres;
# - say where a prediction is in doubt, and why probabilities are the wrong place to look;
# - choose the points at which a small network learns, and those at which it is asked;
# - build PointRend's head and its subdivision, and show when it equals the dense answer;
# - count what it saves, and say what it will never find.
#
# **You need** bilinear reading (chapters 02 and 04), boundary IoU (05), FCN (06) and U-Net (07).
#
# **It takes** about 150 minutes. **Exercises:** 7 with 22 points, and one question in words with 2.

# %% role="setup" name="setup"
import torch
import torch.nn.functional as F
from torch import nn

from dlcv import device, pointrend
from dlcv.pointrend import experiment, figures
from dlcv.pointrend.exercises import check
from dlcv.pointrend.widget import subdivision_widget

# %% [markdown]
# ## Why
#
# Suppose a coarse network were perfect: it knows the share of each class in each of its cells. Enlarge that, and look at
# what is wrong.

# %% role="figure" name="coarse" alt="A rendered room with two tables, a ball, a can and two lamps. Its classes on 16 by 16 cells; the same enlarged smoothly; and the wrong pixels: 5.4 percent, thin lines along every outline, and the legs of the tables."
figures.coarse_figure()

# %% [markdown]
# To compute every pixel with a fine network would mend it, and most of that work would be spent where nothing was wrong.
#
# Computer graphics met this in 1980. A ray tracer casts a ray through a pixel to find its colour, and rays are expensive.
# Where neighbouring rays have met the same wall, the pixels in between show that wall: no ray is needed. Where they
# differ there is an edge: cast more. **Segmentation as rendering** does the same with a network in place of the ray.
#
# Four pieces are needed: a way to read maps at a point; a number that says where there is doubt; a small network, the
# **point head**, that answers at one point; and an order in which to ask.

# %% [markdown]
# ## Reading at a point
#
# Points are $(x, y)$ from 0 to 1. (0, 0) is the image's upper left corner, (1, 1) its lower right one, on a map of any
# size. So one point is the same place on a coarse map and on a fine one.

# %% role="figure" name="points" alt="The same orange point on a map of 2 by 3 pixels and on one of 4 by 6. On each it is joined to the four centres around it, with their weights: 0.13, 0.57, 0.05 and 0.25 on the first map, 0.77, 0.13, 0.09 and 0.01 on the second."
figures.points_figure()

# %% [markdown]
# A map of $W$ columns cuts the image into strips of width $1 / W$. Column $j$ begins at $j / W$ and ends at
# $(j + 1) / W$, so its centre is in the middle,
#
# $$x_j = \frac{j + \tfrac12}{W}.$$
#
# Turn that round: a point $x$ is at column $u = x W - \tfrac12$, a number with a fraction. Its left neighbour is
# $j = \lfloor u \rfloor$, with weight $1 - (u - j)$; its right one has weight $u - j$. Down it is the same with
# $v = y H - \tfrac12$. Both together are a sum over all pixels with weights that are 0 for all but four:
#
# $$f(x, y) = \sum_{i, j} f_{ij} \, \max(0, 1 - |v - i|) \, \max(0, 1 - |u - j|)$$
#
# At the corner, $x = 0$ gives $u = -\tfrac12$: half of the weight is on a column that does not exist. Here it counts 0, as
# in torch's `grid_sample`. (`align_corners=True` would put 0 and 1 on the *centres* of the outer pixels. Then a point
# is another place on another map: the centre of the first pixel of three would be that of the first of six.)
#
# ### Exercise 1 · Read a map at points
#
# Difficulty 3 of 5, about 25 minutes, 4 points. Every map of the batch has its own points.


# %% role="solution" name="point_sample"
def point_sample(features, points):
    """features (N, C, H, W); points (N, P, 2) as x, y from 0 to 1; return (N, C, P)."""
    # 1. `x` and `y` as columns and rows with a fraction; the left and upper neighbour of each.
    # 2. For the four neighbours: weight, whether it is on the map, value.
    # 3. Their weighted sum.
    ### BEGIN SOLUTION
    height, width = features.shape[-2:]
    x = points[..., 0] * width - 0.5
    y = points[..., 1] * height - 0.5
    left, top = x.floor().detach(), y.floor().detach()
    total = 0
    for i, weight_y in ((top, top + 1 - y), (top + 1, y - top)):
        for j, weight_x in ((left, left + 1 - x), (left + 1, x - left)):
            inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
            rows, columns = i.long().clamp(0, height - 1), j.long().clamp(0, width - 1)
            values = torch.stack([m[:, r, c] for m, r, c in zip(features, rows, columns, strict=True)])
            total = total + values * (weight_y * weight_x * inside)[:, None]
    return total
    ### END SOLUTION


# %% role="test" name="point_sample"
check("point_sample", point_sample)
### BEGIN HIDDEN TESTS
check.grade("point_sample", point_sample)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="point_sample"
# Hints for `point_sample`.

# %% [markdown]
# ## Doubt
#
# A mask has one logit a pixel, and its outline is where the logit is 0. The nearer to 0, the more doubt. With several
# classes the outline between two of them is where both have the same score. So compare the best with the second best:
#
# $$u = -|z| \quad \text{for one logit}, \qquad u = z_{(2)} - z_{(1)} \quad \text{for several}$$
#
# Both are 0 on an outline and negative elsewhere. They are the same formula: one logit $z$ stands for two classes with
# scores $z$ and 0, and the smaller minus the larger of these is $-|z|$.

# %% role="figure" name="doubt" alt="A coarse class map enlarged to 64 by 64. Its uncertainty: bright along the border between any two classes, dark inside. And the 200 pixels most in doubt as orange dots along these borders."
figures.doubt_figure()

# %% [markdown]
# Why not compare probabilities? In mathematics they would often do, since $p_1 / p_2 = e^{z_1 - z_2}$. In float32 they do
# not:

# %% role="given" name="sure"
logits = torch.tensor([18.0, 25.0, 40.0])
logits.sigmoid(), -logits.abs()

# %% [markdown]
# Three pixels, three probabilities of 1 to the last digit. Which is most in doubt? The logits still know.
#
# ### Exercise 2 · Where is it in doubt?
#
# Difficulty 1 of 5, about 8 minutes, 2 points. Any number of axes may follow the channels: maps have two, lists of points
# have one.


# %% role="solution" name="uncertainty"
def uncertainty(logits):
    """logits (N, C, ...): one channel for a mask, several for classes.

    Return (N, 1, ...): the larger, the more in doubt.
    """
    # One channel: how far from 0? Several: the best two.
    ### BEGIN SOLUTION
    if logits.shape[1] == 1:
        return -logits.abs()
    best = logits.topk(2, dim=1).values
    return best[:, 1:2] - best[:, 0:1]
    ### END SOLUTION


# %% role="test" name="uncertainty"
check("uncertainty", uncertainty)
### BEGIN HIDDEN TESTS
check.grade("uncertainty", uncertainty)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="uncertainty"
# Hints for `uncertainty`.

# %% [markdown]
# When the network is used, it is asked at pixels of a grid: at the $P$ that are most in doubt. Two things are wanted of
# them. Their **flat index**, $i W + j$ in row $i$ and column $j$, says where to write the answer. Their **point**, the centre of the
# pixel, says where to read.
#
# ### Exercise 3 · The pixels most in doubt
#
# Difficulty 2 of 5, about 15 minutes, 3 points. Of equal ones the first goes first. If there are fewer pixels than points,
# take them all.


# %% role="solution" name="uncertain_points_on_grid"
def uncertain_points_on_grid(uncertainty, num_points):
    """uncertainty (N, 1, H, W).

    Return flat indices (N, P), by decreasing uncertainty, and points (N, P, 2) as x, y.
    """
    # 1. Flatten each map and sort it; keep `num_points`.
    # 2. Row and column of each index, then the centre of that pixel.
    ### BEGIN SOLUTION
    height, width = uncertainty.shape[-2:]
    order = uncertainty.flatten(1).argsort(dim=1, descending=True, stable=True)
    indices = order[:, :num_points]
    x = (indices % width + 0.5) / width
    y = (indices // width + 0.5) / height
    return indices, torch.stack([x, y], -1)
    ### END SOLUTION


# %% role="test" name="uncertain_points_on_grid"
check("uncertain_points_on_grid", uncertain_points_on_grid)
### BEGIN HIDDEN TESTS
check.grade("uncertain_points_on_grid", uncertain_points_on_grid)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="uncertain_points_on_grid"
# Hints for `uncertain_points_on_grid`.

# %% [markdown]
# ## Points to learn from
#
# In training a grid would be a waste: why learn only at centres of pixels? Points are drawn anywhere. But not uniformly,
# or the head would learn mostly where the coarse prediction was right anyway. So:
#
# 1. draw $k P$ candidates uniformly;
# 2. read the coarse logits at each, and keep the $\beta P$ most in doubt;
# 3. draw the other $(1 - \beta) P$ uniformly, so that the inside is not forgotten.
#
# The paper takes $k = 3$ and $\beta = 0.75$.

# %% role="figure" name="training" alt="200 points on a coarse class map, three times. With k 1 and beta 0 they lie anywhere. With k 3 and beta 0.75 most lie along borders between classes. With k 10 and beta 1 all do."
figures.training_figure()

# %% [markdown]
# The middle picture is the paper's choice. On the right, everything is heavily biased: no point lies inside. What would a
# head say there that was never asked about the inside?
#
# One trap is in step 2. Two neighbouring pixels are sure: $4$, yes, and $-4$, no. Between them is the outline. Read the
# logits there first, and they are about 0: full of doubt. Compute the doubt of both pixels first, $-4$ and $-4$, and
# read *that*: $-4$ everywhere in between. The outline is gone.

# %% role="figure" name="read-first" alt="Two plots between a pixel with logit 4 and one with logit minus 4. First read, then doubt: the uncertainty rises from minus 4 to 0 in the middle and falls again. First doubt, then read: it is minus 4 all along."
figures.read_first_figure()

# %% [markdown]
# ### Exercise 4 · Points to learn from
#
# Difficulty 2 of 5, about 18 minutes, 3 points. Chance is taken out of it: candidates and uniform points are given.
# `pointrend.point_sample` and `pointrend.uncertainty` are there for you.


# %% role="solution" name="biased_points"
def biased_points(logits, candidates, uniform, num_points, importance=0.75):
    """logits (N, C, H, W); candidates (N, M, 2), uniform (N, R, 2); return (N, num_points, 2).

    First the int(importance * num_points) candidates most in doubt, by decreasing uncertainty;
    then the first of the uniform points.
    """
    # 1. How much in doubt is each of the `candidates`?
    # 2. Keep the share that is asked for, then fill up with `uniform`.
    ### BEGIN SOLUTION
    chosen = int(importance * num_points)
    doubt = pointrend.uncertainty(pointrend.point_sample(logits, candidates))[:, 0]
    order = doubt.argsort(dim=1, descending=True, stable=True)[:, :chosen]
    kept = candidates.gather(1, order[..., None].expand(-1, -1, 2))
    return torch.cat([kept, uniform[:, : num_points - chosen]], 1)
    ### END SOLUTION


# %% role="test" name="biased_points"
check("biased_points", biased_points)
### BEGIN HIDDEN TESTS
check.grade("biased_points", biased_points)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="biased_points"
# Hints for `biased_points`.

# %% [markdown]
# ## The head
#
# What should a network know to answer at one point? Fine features, from an early layer: there is an edge here, and the
# point is on its left. They do not say what the thing is. The coarse logits do: probably a table. Neither is enough
# alone.
#
# The head is a small network for one point, three linear layers with ReLU and a last one without. The coarse logits are
# put in again **before every layer, the last too**: so it is easy for the head to say "what you said, but for this edge".

# %% role="figure" name="head" alt="Fine features of the point go through three linear layers with ReLU and a last linear layer. The coarse logits of the point enter each of the four layers from below. At the end stand the logits of the point."
figures.head_figure()

# %% [markdown]
# All points share the weights, and no point sees another. A linear layer for every column of an (N, C, P) array is a
# convolution with filters of 1: chapter 06 had the same on maps.
#
# ### Exercise 5 · The point head
#
# Difficulty 2 of 5, about 18 minutes, 3 points. Define the layers, each an `nn.Conv1d` with filters of 1, in the order of
# their use.


# %% role="solution" name="PointHead"
class PointHead(nn.Module):
    """num_layers hidden layers with ReLU, then the scores.

    The coarse logits are stacked behind the input of each.
    """

    def __init__(self, in_channels, num_classes, hidden_channels=256, num_layers=3):
        super().__init__()
        # Each layer has `num_classes` more inputs than the one before has outputs.
        ### BEGIN SOLUTION
        self.layers = nn.ModuleList()
        before = in_channels
        for _ in range(num_layers):
            self.layers.append(nn.Conv1d(before + num_classes, hidden_channels, 1))
            before = hidden_channels
        self.score = nn.Conv1d(hidden_channels + num_classes, num_classes, 1)
        ### END SOLUTION

    def forward(self, fine, coarse):
        """fine (N, in_channels, P) and coarse (N, num_classes, P); return (N, num_classes, P)."""
        # Before each layer: stack. After each but the last: ReLU.
        ### BEGIN SOLUTION
        x = fine
        for layer in self.layers:
            x = torch.relu(layer(torch.cat([x, coarse], 1)))
        return self.score(torch.cat([x, coarse], 1))
        ### END SOLUTION


# %% role="test" name="PointHead"
check("PointHead", PointHead)
### BEGIN HIDDEN TESTS
check.grade("PointHead", PointHead)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="PointHead"
# Hints for `PointHead`.

# %% [markdown]
# ## Subdivision
#
# Now the order. One step:
#
# 1. double the size of the prediction, bilinearly;
# 2. find the $P$ pixels most in doubt;
# 3. ask the head at their centres;
# 4. write its answers over the interpolated ones. All other pixels stay as they are.

# %% role="figure" name="steps" alt="Four steps from 16 by 16 to 128 by 128. Above, each doubled map with 64 orange dots along its borders; below, the map afterwards. The dots are 25, 6.2, 1.6 and 0.4 percent of the pixels, and the shapes of ball, lamp and tables come out."
figures.steps_figure()

# %% [markdown]
# Here the head looks into the true class map, so what it says is always right. Follow the outlines from left to right:
# each step asks a smaller share of the pixels, and still they get sharper.
#
# The head reads its coarse logits from the **first** prediction, at every step. It was trained on these. And what it
# said itself at an earlier step should not come back to it as a second opinion.
#
# ### Exercise 6 · Subdivide
#
# Difficulty 3 of 5, about 30 minutes, 5 points. `pointrend.point_sample`, `pointrend.uncertainty` and
# `pointrend.uncertain_points_on_grid` are there for you. `head(fine, coarse)` takes (N, C, P) and (N, K, P).


# %% role="solution" name="subdivision_inference"
def subdivision_inference(coarse, features, head, steps, num_points):
    """coarse (N, K, h, w) logits, features (N, C, H, W).

    Return (N, K, 2**steps * h, 2**steps * w) logits.
    """
    # As often as `steps` says: double; find points; read both maps there;
    # ask the `head`; write its answers.
    ### BEGIN SOLUTION
    logits = coarse
    for _ in range(steps):
        logits = F.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)
        doubt = pointrend.uncertainty(logits)
        indices, points = pointrend.uncertain_points_on_grid(doubt, num_points)
        rough = pointrend.point_sample(coarse, points)
        again = head(pointrend.point_sample(features, points), rough)
        places = indices[:, None].expand(-1, logits.shape[1], -1)
        logits = logits.flatten(2).scatter(2, places, again).unflatten(2, logits.shape[-2:])
    return logits
    ### END SOLUTION


# %% role="test" name="subdivision_inference"
check("subdivision_inference", subdivision_inference)
### BEGIN HIDDEN TESTS
check.grade("subdivision_inference", subdivision_inference)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="subdivision_inference"
# Hints for `subdivision_inference`.

# %% [markdown]
# ### When every point is taken
#
# Let $P$ be as large as the last map. Then its last step asks every pixel, and writes over everything that was there. What
# the head says at a point depends on three things: the first prediction, the fine features, the point. None of them is
# from an earlier step. So nothing is left of the earlier steps, and the result is the **dense** answer: the head,
# asked once at each pixel's centre.

# %% role="given" name="all-points"
torch.manual_seed(0)
coarse, features = torch.randn(1, 3, 8, 8), torch.randn(1, 4, 32, 32)
head = pointrend.PointHead(4, 3).requires_grad_(False)
refined = pointrend.subdivision_inference(coarse, features, head, steps=3, num_points=64 * 64)
centres = pointrend.pixel_centres(64, 64)[None]
dense = pointrend.evaluate_points(coarse, features, head, centres).unflatten(2, (64, 64))
assert torch.allclose(refined, dense, atol=1e-5)
float((refined - dense).abs().max())

# %% [markdown]
# Zero, or a last digit where your machine adds in another order. With the refined map as coarse features, one of the slips
# that the check knows, the two would differ however many points were taken.
#
# ### Try it
#
# The coarse map has 8 x 8 cells, the last one 256 x 256 pixels. Go through the steps. At which step do 128 points no
# longer cover the outlines? Then look for a thing that is missing at step 0, and raise the number of points until it
# comes back. Why did nobody ask there?

# %% role="widget" name="try-subdivision" alt="Sliders for step, points a step and scene. Below, a room with its classes; its class map of 64 by 64 after three steps, with orange dots along the outlines, 95.5 percent right; and a bar for each step with the share of its pixels that was asked: 384 so far, 9.4 percent of 4096."
subdivision_widget()

# %% [markdown]
# ## What it saves
#
# A map after $s$ steps has $4^s h w$ pixels, and a step asks at most that many. So the head is asked
#
# $$\sum_{s=1}^{S} \min(P,\ 4^s h w) \quad \text{times, instead of} \quad 4^S h w.$$
#
# The paper's masks go from 7 x 7 to 224 x 224 in five steps with $P = 28^2 = 784$. The first step has only 196 pixels:
# 196 + 4 · 784 = 3332 of 50,176 are asked, one of fifteen.
#
# ### Exercise 7 · What it saves
#
# Difficulty 1 of 5, about 10 minutes, 2 points.


# %% role="solution" name="points_evaluated"
def points_evaluated(size, steps, num_points):
    """size: of the coarse map, a number or (height, width).

    Return how often the head is asked, and how many pixels the last map has.
    """
    # Step by step: how many pixels has the map, and how many of them are asked?
    ### BEGIN SOLUTION
    height, width = (size, size) if isinstance(size, int) else size
    points, pixels = 0, height * width
    for _ in range(steps):
        pixels *= 4
        points += min(num_points, pixels)
    return points, pixels
    ### END SOLUTION


# %% role="test" name="points_evaluated"
check("points_evaluated", points_evaluated)
### BEGIN HIDDEN TESTS
check.grade("points_evaluated", points_evaluated)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="points_evaluated"
# Hints for `points_evaluated`.

# %% [markdown]
# ### Why so few are enough
#
# How many pixels does an outline cross? A short piece of length $d$ with direction $\theta$ goes $d |\cos\theta|$ across
# and $d |\sin\theta|$ down. On a map of $n \times n$ pixels it enters a new pixel each time that it crosses a grid line,
# that is $n d (|\cos\theta| + |\sin\theta|)$ times. All directions alike, the mean of the bracket is
#
# $$\frac{1}{2\pi} \int_0^{2\pi} |\cos\theta| + |\sin\theta| \; d\theta = \frac{4}{\pi}.$$
#
# So outlines of length $\ell$, in widths of the image, cross about $\frac{4}{\pi} \ell n$ pixels. Double the side: pixels
# become four times as many, those on an outline only twice. Suppose that every step asks all pixels on an outline, on maps
# with sides $2 h, 4 h, \dots, 2^S h = n$. That is a geometric series:
#
# $$\sum_{s=1}^{S} \frac{4}{\pi} \ell \, 2^s h = \frac{4}{\pi} \ell \, (2n - 2h) < 2 \cdot \frac{4}{\pi} \ell n
#   \qquad \text{of} \qquad n^2.$$
#
# All steps together cost less than twice the last one, and their share of the pixels falls with $1/n$. That is why a ray
# tracer can afford a large picture.

# %% role="figure" name="rays" alt="Left, a class map of 256 by 256 with the 1280 points of five steps: few inside, rows of them along the outlines. Right, on two logarithmic axes, all pixels grow fastest with the map's side, pixels on an outline half as steeply, and the points asked flatter still."
figures.rays_figure()

# %% [markdown]
# On the right, both axes are logarithmic: a slope of 2 is $n^2$, a slope of 1 is $n$. With a fixed $P$ the orange curve
# is flatter still, it grows by $P$ with each doubling. Where the blue curve lies far above the $P$ of a step, not every
# pixel on an outline is asked. What do the others show?

# %% [markdown]
# ## Experiment: a head on an FCN and on a U-Net
#
# Two bases from earlier chapters, both without their last steps, both trained from nothing together with a head:
#
# | | left out | coarse | fine | doublings |
# |---|---|---|---|---|
# | **FCN-8s** | enlarging 8 times | its fused scores, 8 x 8 | the backbone's first map, 32 x 32 | 3 |
# | **U-Net** | the last two steps up | new scores, 16 x 16 | the first map of the way down, 64 x 64 | 2 |
#
# The loss is a sum of two: the cross-entropy of the coarse logits, enlarged, at all pixels, and that of the head at 256
# points of each image, drawn as in exercise 4. The head has layers of 64. Scenes, class weights and steps are those of
# chapters 06 and 07, so their tables can be read beside this one.
#
# Trained once, a network can be asked with any number of points. Guess first: which base gains more from points? And at
# how many points a step does the boundary IoU stop growing, on 4096 pixels? It takes about a minute and a half on two
# cores; interrupted, the cell goes on where it was.

# %% role="experiment" name="train" alt="The losses of both trainings fall. Left, boundary IoU against points a step: the FCN's curve climbs from 0.14 to 0.23, the U-Net's from 0.14 to 0.16; both are flat from about 1000 points on. Right, the same against products an image, with dotted lines where all pixels are asked."
if not device.while_grading():
    found = experiment.compare(keep="runs")
    display(experiment.curves_figure(found))

# %% role="experiment" name="maps" alt="For each base an unseen room, its true classes, the coarse map, and the map after each step with the points asked. Most of the points lie along outlines, the others inside things, most of all on a ball whose class is in doubt."
if not device.while_grading():
    for (network, _), *_ in found.values():
        display(experiment.maps_figure(network))

# %% [markdown]
# Three seeds on a CPU, mean and standard deviation. "All" is the head asked once at each of the 4096 pixels.
#
# | | points a step | asked | mean IoU | boundary IoU |
# |---|---|---|---|---|
# | FCN-8s | 0 | 0 | 0.392 ± 0.003 | 0.136 ± 0.002 |
# | FCN-8s | 32 | 96 | 0.408 ± 0.004 | 0.160 ± 0.004 |
# | FCN-8s | 128 | 384 | 0.420 ± 0.001 | 0.192 ± 0.003 |
# | FCN-8s | 512 | 1280 | 0.427 ± 0.002 | 0.227 ± 0.004 |
# | FCN-8s | all | 4096 | 0.427 ± 0.002 | 0.232 ± 0.005 |
# | U-Net | 0 | 0 | 0.359 ± 0.012 | 0.140 ± 0.008 |
# | U-Net | 32 | 64 | 0.359 ± 0.012 | 0.141 ± 0.007 |
# | U-Net | 128 | 256 | 0.358 ± 0.009 | 0.147 ± 0.006 |
# | U-Net | 512 | 1024 | 0.359 ± 0.006 | 0.159 ± 0.003 |
# | U-Net | all | 4096 | 0.360 ± 0.006 | 0.165 ± 0.001 |
#
# With every seed both bases gain from 128 points a step, in very different measure. On the FCN, 512 points a step bring
# more than nine tenths of what all pixels bring. 1024 points a step bring more than nine tenths on both. For comparison,
# with as many steps of training the whole FCN-8s reached 0.148 ± 0.002 in boundary IoU in chapter 06, and in chapter 07
# the whole U-Net reached 0.163 ± 0.023. (Its mean IoU was 0.309 ± 0.007 there. It is higher here, where classes are asked
# for at stride 4 already.)
#
# The U-Net gains little, even from all pixels. So it is not the choice of points that holds it back. What is left are the
# coarse map, the fine one, which two convolutions have made from five pixels across, and the head itself. Which would you
# change first, and how would you find out whether you are right?
#
# Look at the maps, too. Of the 128 points of the last step, 56 to 62 in a hundred lie on a true outline with the FCN,
# 51 to 56 with the U-Net; of all pixels it is 18. The other points lie inside things: is that patch a ball or a box? A
# head that sees one point by itself cannot settle that. PointRend sharpens what a base knows. It does not teach it what
# a thing is.
#
# **And the price?** The FCN's base takes 10.2 million products, and the head 11,876 a point: 48.6 million for all pixels,
# 15.2 million for 512 points a step. With the U-Net it is 21.5 million for the base, 11,364 a point. But the two steps up
# that points replace here take 15.5 million: as much as 1359 points. With 512 points a step, 1024 in all, a quarter of
# that is saved. On a map of 64 x 64 there is not much to save. Now think of 1024 x 1024, sixteen times the side: how many
# times as much do the two steps up cost, and how many times as many pixels lie on an outline?
#
# Last, the claim of the section before, on trained networks and unseen scenes: all points, against the head asked
# everywhere without any subdivision.

# %% role="experiment" name="all-pixels" alt="No picture: for each network the largest difference, zero or nearly so."
if not device.while_grading():
    for name, ((network, _), *_) in found.items():
        print(f"{name}: largest difference {experiment.far_from_everywhere(network):.1e}")

# %% [markdown]
# ## With a GPU
#
# Scenes of 128 x 128, larger batches, more steps, half precision. Without a GPU the cell says what it would do.

# %% role="experiment" name="full-scale" alt="On a GPU, one loss curve for each training of both networks; on a CPU no picture, only what would be trained."
if not device.while_grading():
    experiment.full_scale()

# %% [markdown]
# ## Common mistakes
#
# - Points as y, x. On a square map nothing crashes; the answers land mirrored along the diagonal.
# - `align_corners=True` in one place, `False` in another: every answer sits up to half a pixel beside its edge.
# - Doubt read from a map of doubt: outlines between two sure pixels are never found.
# - Probabilities in place of logits: where the network is sure, the order is that of the rounding.
# - The sign of the uncertainty forgotten: the head is asked in the middle of the sky.
# - The refined map used as coarse features: at the second step the head sees inputs that it has never learned from.
# - All training points in doubt: inside a thing the head says anything. Keep a share that is uniform.
# - Answers added to the old logits in place of replacing them.

# %% [markdown] role="essay" name="wires" points=2
# ## In your own words
#
# A drone looks for power lines. The coarse map has stride 16, a wire is two pixels wide, and PointRend with 1024 points a
# step stands on top. On the test flight most wires are missing, though the fine features show them well. Say why, how you
# would prove it with one number, and name two changes that could help. (2 points)
#
# <!-- BEGIN SOLUTION -->
# Why: a wire fills an eighth of a coarse cell, so the coarse logits say "sky", and are sure of it. Subdivision asks where
# the coarse prediction is in doubt: at the horizon and at houses, not on wires. A sure mistake is never asked again. It
# happens in training, too: the biased points avoid wires, only the uniform share meets some. One number: the share of
# the wires' pixels that are among the points asked (or the head's accuracy on wires when every pixel is asked: if that
# is high, the head could see them, and the choice of points is to blame). Changes: a finer coarse map (stride 4), or a
# coarse loss with a larger weight for wires, so that cells with a wire come into doubt; more uniform points in training
# and some at inference; doubt that also comes from the fine features, for example from edges; more points alone helps
# only when nearly all pixels are taken, and then nothing is saved.
# <!-- END SOLUTION -->

# %% [markdown]
# ## References
#
# - A. Kirillov, Y. Wu, K. He, R. Girshick, [PointRend: image segmentation as
#   rendering](https://arxiv.org/abs/1912.08193), CVPR 2020: figure 4 is subdivision, section 3.1 the choice of points.
# - T. Whitted, [An improved illumination model for shaded display](https://doi.org/10.1145/358876.358882), Communications
#   of the ACM 1980: rays are added where their neighbours differ.
# - B. Cheng, R. Girshick, P. Dollár, A. Berg, A. Kirillov, [Boundary IoU](https://arxiv.org/abs/2103.16562), CVPR 2021.
# - J. Long, E. Shelhamer, T. Darrell, [Fully convolutional networks](https://arxiv.org/abs/1411.4038), CVPR 2015, and
#   O. Ronneberger, P. Fischer, T. Brox, [U-Net](https://arxiv.org/abs/1505.04597), MICCAI 2015: the two bases.
#
# **Next:** chapter 12 puts things and stuff into one picture.
