# %% [markdown]
# # 15 · Multi-task
#
# How far is each pixel, which way does its surface face, what is it, and what colour might it have had? Four maps of one
# image. One encoder can serve them all.
#
# **Afterwards you can**
#
# - compute surface normals from depth, and say why a network predicts them all the same;
# - train directions with a cosine, and measure them by angles;
# - write Eigen's loss, and say what of a wrong depth it forgives;
# - put several heads on one encoder, and let the training find their weights;
# - turn colorization into a classification in which rare colours count.
#
# **You need** encoders and skips (chapters 06 and 07), losses (chapter 13), depth and point clouds (chapter 14).
#
# **It takes** about 160 minutes. **Exercises:** 9 with 22 points, and one question in words with 2.

# %% role="setup" name="setup"
import torch
from torch import nn

from dlcv import depth as depth14
from dlcv import device, multitask
from dlcv.multitask import experiment, figures
from dlcv.multitask.exercises import check
from dlcv.multitask.widget import relight_widget

# %% [markdown]
# ## Why
#
# A robot that is to set a cup on a table asks several things at once. Where is the table? How far is it? Is that side of
# it level? Each answer is a map as large as the image, with one number, or three, or a class at every pixel.

# %% role="figure" name="scene" alt="A rendered room four times: the image, its depth from yellow at the far wall to dark at the floor in front, its normals in colours by direction, and its classes."
figures.scene_figure()

# %% [markdown]
# The maps are not strangers. Where the class changes, the depth often jumps. A floor's normal points up. A network that
# has found out one of them is half-way to the others, so why should three networks each learn to see?
#
# Eigen and Fergus trained one architecture for depth, normals and classes in 2015, changing little but the output and the
# loss, and let depth and normals share their coarsest scale. The thought has grown since: Sapiens learns one large encoder
# from hundreds of millions of images of people, and from there it is a small step, a head and some fine-tuning, to
# poses, parts of the body, depth or normals. The ancestor fits into this chapter.

# %% [markdown]
# ## Which way does it face?
#
# Chapter 14 turned a depth map into points: one point in space for each pixel, with x to the right, y down and z into the
# image. A pixel's neighbours show the surface around it. The step from the left neighbour's point to the right one's lies
# in the surface; so does the step from the upper one's to the lower one's. The direction at right angles to both is the
# **normal**.

# %% role="figure" name="cross" alt="A slanted grid of five by five points. From its middle an arrow goes right, one goes down, and a third one, down times right, leaves the grid on the side of the camera."
figures.cross_figure()

# %% [markdown]
# $$n = \frac{\partial_v P \times \partial_u P}{\lVert \partial_v P \times \partial_u P \rVert}, \qquad
#   \partial_u P \approx P(u + 1, v) - P(u - 1, v), \qquad \partial_v P \approx P(u, v + 1) - P(u, v - 1)$$
#
# The order matters. With x to the right and y down, right times down is z: into the wall. Down times right comes out of
# it, **towards the camera**. That does not always mean $z < 0$. Stand close to a wall on your left and look along it: its
# normal may point forward, and you see the wall all the same. Towards the camera means against the viewing ray, $n \cdot P < 0$.
#
# On a plane, all differences between points lie in the plane. So these normals are exact there, however far apart the
# neighbours are. At the border of the map one neighbour is missing, and the pixel itself stands in for it: exact again.
#
# ### Exercise 1 · Normals from depth
#
# Difficulty 3 of 5, about 20 minutes, 3 points. All depths are known here. `depth14.backproject(depth, K)`
# of chapter 14 may be used; it gives the points, `(H, W, 3)`.


# %% role="solution" name="normals_from_depth"
def normals_from_depth(depth, K):
    """depth (H, W) in metres, K (3, 3); return unit normals (H, W, 3), towards the camera."""
    # 1. The point of each pixel.
    # 2. Differences between the neighbours' points, along rows and along columns; one-sided at the border.
    # 3. The cross product, and its length.
    ### BEGIN SOLUTION
    points = depth14.backproject(depth, K)
    right, down = torch.zeros_like(points), torch.zeros_like(points)
    right[:, 1:-1] = points[:, 2:] - points[:, :-2]
    right[:, 0] = points[:, 1] - points[:, 0]
    right[:, -1] = points[:, -1] - points[:, -2]
    down[1:-1] = points[2:] - points[:-2]
    down[0] = points[1] - points[0]
    down[-1] = points[-1] - points[-2]
    n = torch.linalg.cross(down, right, dim=-1)
    return n / n.norm(dim=-1, keepdim=True)
    ### END SOLUTION


# %% role="test" name="normals_from_depth"
check("normals_from_depth", normals_from_depth)
### BEGIN HIDDEN TESTS
check.grade("normals_from_depth", normals_from_depth)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="normals_from_depth"
# Hints for `normals_from_depth`.

# %% [markdown]
# The usual picture of normals shows x as red, y upwards as green, and z towards the camera as blue. Walls and floor come
# out as the renderer made them. Where the depth jumps, neighbours lie on two different things, and the step between them
# is a surface that is not there.

# %% role="figure" name="normals" alt="Depth of the room; normals computed from it; the renderer's normals, nearly the same; and the angle between both: black on walls, floor and things, bright along their outlines."
figures.normals_figure()

# %% [markdown]
# So why predict normals at all, if depth gives them for nothing? Because a predicted depth is never exact. Here each depth
# is off by half a per cent, which chapter 14 would have called excellent.

# %% role="figure" name="noise" alt="Left: the depth with noise of half a per cent, which looks clean. Middle: normals from it, speckled all over. Right: a histogram of their angles to the true normals, mean 22 degrees, median 18, with dotted lines at 11.25, 22.5 and 30 degrees."
figures.noise_figure()

# %% [markdown]
# A normal is a difference between neighbours, and differences make noise loud. A head that is asked for the normal itself
# can learn that walls are flat.

# %% [markdown]
# ## A loss for directions
#
# A network's three numbers at a pixel have any length. Only their direction counts, so compare directions: the cosine of
# the angle between both is 1 where they agree, and -1 where one is turned round.
#
# $$L = \frac{1}{M} \sum_i m_i \Bigl( 1 - \frac{n_i \cdot n^*_i}{\lVert n_i \rVert \, \lVert n^*_i \rVert} \Bigr)$$
#
# The mask $m$ says where a truth is known; $M$ pixels in the whole batch. The sky has no normal.
#
# Why not the angle itself? The gradient of an arc cosine is infinite where the prediction is right, just where the training
# should come to rest. Near 0, one minus the cosine is half the square of the angle: a parabola.
#
# ### Exercise 2 · A loss for directions
#
# Difficulty 2 of 5, about 10 minutes, 2 points. Maps of normals are `(N, 3, H, W)` here, as a network gives them. Unknown
# truths may be NaN, and nothing of them may leak. Where nothing is known, the loss is 0.


# %% role="solution" name="normal_loss"
def normal_loss(prediction, target, mask):
    """prediction, target (N, 3, H, W), mask (N, H, W) of bools; return a scalar."""
    # 1. The vectors of the valid pixels of `prediction` and `target`, by the `mask`.
    # 2. Their cosine, with both lengths.
    # 3. The mean of what is missing to 1.
    ### BEGIN SOLUTION
    n = prediction.movedim(1, -1)[mask]
    true = target.movedim(1, -1)[mask]
    cosine = (n * true).sum(-1) / (n.norm(dim=-1) * true.norm(dim=-1))
    return (1 - cosine).sum() / mask.sum().clamp(min=1)
    ### END SOLUTION


# %% role="test" name="normal_loss"
check("normal_loss", normal_loss)
### BEGIN HIDDEN TESTS
check.grade("normal_loss", normal_loss)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="normal_loss"
# Hints for `normal_loss`.

# %% [markdown]
# People compare maps of normals by five numbers: the mean angle, the median angle, and the share of pixels whose angle is
# below 11.25, 22.5 and 30 degrees. Look at the histogram above once more. Why do mean and median differ, and which of them
# tells you about outlines?
#
# ### Exercise 3 · Five numbers for normals
#
# Difficulty 2 of 5, about 12 minutes, 2 points. Return a dictionary with the keys `"mean"`, `"median"`, `"11.25"`,
# `"22.5"` and `"30"`. Shares run from 0 to 1; the median is `torch.median`'s.


# %% role="solution" name="normal_metrics"
def normal_metrics(a, b, mask):
    """a, b (N, 3, H, W), mask (N, H, W) of bools; return a dictionary of five numbers over all valid pixels."""
    # 1. The angle in degrees at each pixel of the `mask`.
    # 2. Mean, median, and the shares below three limits.
    ### BEGIN SOLUTION
    a, b = a.movedim(1, -1)[mask], b.movedim(1, -1)[mask]
    cosine = (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1))
    angle = torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))
    found = {"mean": angle.mean(), "median": angle.median()}
    for limit in ("11.25", "22.5", "30"):
        found[limit] = (angle < float(limit)).to(angle.dtype).mean()
    return found
    ### END SOLUTION


# %% role="test" name="normal_metrics"
check("normal_metrics", normal_metrics)
### BEGIN HIDDEN TESTS
check.grade("normal_metrics", normal_metrics)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="normal_metrics"
# Hints for `normal_metrics`.

# %% [markdown]
# The course's own `multitask.angular_error` takes sine and cosine together, `atan2`. In single precision an arc cosine
# cannot tell 0.01 degrees from 0.

# %% [markdown]
# ## Depth, up to one factor
#
# A doll's house, photographed from near, is a house. No network can know the size of the world from one image for certain,
# and much of the error of a predicted depth is one factor, common to all pixels. Eigen, Puhrsch and Fergus gave it a price
# of its own.
#
# Take logarithms: $d_i = \log z_i - \log z^*_i$. If all predicted depths are multiplied by $e^c$, all $d_i$ grow by the
# same $c$. Which $c$ would be best for an image with $n$ pixels?
#
# $$\frac{\partial}{\partial c} \frac{1}{n} \sum_i (d_i + c)^2 = \frac{2}{n} \sum_i (d_i + c) = 0
#   \quad \Rightarrow \quad c = -\frac{1}{n} \sum_i d_i$$
#
# Put it in, and what remains is the variance of $d$:
#
# $$\frac{1}{n} \sum_i \Bigl( d_i - \frac{1}{n} \sum_j d_j \Bigr)^2 = \frac{1}{n} \sum_i d_i^2 - \frac{1}{n^2}
#   \Bigl( \sum_i d_i \Bigr)^2$$
#
# The first term alone asks for metres. Both ask only for shape. Eigen's loss has a knob between them:
#
# $$L = \frac{1}{n} \sum_i d_i^2 - \frac{\lambda}{n^2} \Bigl( \sum_i d_i \Bigr)^2$$

# %% role="figure" name="eigen" alt="The loss against the factor by which all depths are multiplied. Lambda 0 is a parabola on the logarithmic axis, lambda one half is half as high, lambda 1 is a level line near 0."
figures.eigen_figure()

# %% [markdown]
# With $\lambda = 1$ nothing in the loss holds the scale, and the network's metres drift. With $\lambda = 1/2$, the authors'
# choice, a factor costs half of what it would.
#
# Mind the order: it is the mean of the logarithms that moves by $c$. The logarithm of the mean depth is another number,
# in which far walls outvote everything near.
#
# In a batch each image has a factor of its own. With $M_n$ valid pixels in image $n$, and $M$ in the batch:
#
# $$L = \frac{1}{M} \sum_n \Bigl( \sum_i d_{ni}^2 - \frac{\lambda}{M_n} \bigl( \sum_i d_{ni} \bigr)^2 \Bigr)$$
#
# ### Exercise 4 · Eigen's loss
#
# Difficulty 3 of 5, about 18 minutes, 3 points. Prediction and target are depths in metres, not their logarithms. Unknown
# targets may be NaN. Where nothing is known, the loss is 0.


# %% role="solution" name="scale_invariant_log_loss"
def scale_invariant_log_loss(prediction, target, mask, lam=0.5):
    """prediction, target (N, H, W) in metres, mask (N, H, W) of bools; return a scalar."""
    # 1. The difference of the logarithms, 0 outside of the `mask`.
    # 2. For each image: the sum of squares, and the square of the sum over its valid pixels.
    # 3. Together, with `lam`.
    ### BEGIN SOLUTION
    z, true = torch.where(mask, prediction, 1.0), torch.where(mask, target, 1.0)
    d = torch.log(z) - torch.log(true)
    n = mask.sum((1, 2)).clamp(min=1)
    squares = (d**2).sum((1, 2))
    common = d.sum((1, 2)) ** 2 / n
    return (squares - lam * common).sum() / mask.sum().clamp(min=1)
    ### END SOLUTION


# %% role="test" name="scale_invariant_log_loss"
check("scale_invariant_log_loss", scale_invariant_log_loss)
### BEGIN HIDDEN TESTS
check.grade("scale_invariant_log_loss", scale_invariant_log_loss)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="scale_invariant_log_loss"
# Hints for `scale_invariant_log_loss`.

# %% [markdown]
# Chapter 14 aligned scale *and* shift of disparities, because stereo and films leave both open. Here only a factor is
# forgiven, and only in part: these depths are metres, learned from a sensor.

# %% [markdown]
# ## One encoder, three heads
#
# The encoder is most of a network, and the first thing it learns is the same whatever is asked: edges, textures, surfaces,
# things. So run it once, and put a small head on top for each task.

# %% role="figure" name="networks" alt="Left: an image goes into three encoders, each with a head of its own, for depth, normals and classes. Right: the image goes into one encoder, from which three heads branch off."
figures.networks_figure()

# %% [markdown]
# What is shared is the encoder and nothing else. Each head has its own convolutions, also where two tasks want the same
# number of channels; otherwise they would have to give the same answer.
#
# The given `multitask.DenseHead(channels, out_channels, hidden)` brings all feature maps to `hidden` channels, enlarges
# them to the finest one and adds them up, like chapter 12's feature pyramid in one step; two more convolutions, and the
# result is enlarged to the image.
#
# ### Exercise 5 · Several heads on one encoder
#
# Difficulty 3 of 5, about 18 minutes, 3 points. `backbone(images)` gives a list of feature maps, finest first, and
# `backbone.channels` says how many channels they have. `heads` maps each task's name to its number of output channels.


# %% role="solution" name="MultiTaskNet"
class MultiTaskNet(nn.Module):
    def __init__(self, backbone, heads, hidden=32):
        """backbone: images to feature maps; heads: such as {"depth": 1, "normals": 3, "semantic": 10}."""
        # Keep the `backbone`, and make a `DenseHead` for each of the `heads`.
        ### BEGIN SOLUTION
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleDict()
        for name, count in heads.items():
            self.heads[name] = multitask.DenseHead(backbone.channels, count, hidden)
        ### END SOLUTION

    def forward(self, images):
        """images (N, 3, H, W); return a dictionary from each task's name to its map (N, C, H, W)."""
        # The `backbone` once; then every head, with the feature maps and the image's size (H, W).
        ### BEGIN SOLUTION
        features = self.backbone(images)
        return {name: head(features, images.shape[2:]) for name, head in self.heads.items()}
        ### END SOLUTION


# %% role="test" name="MultiTaskNet"
check("MultiTaskNet", MultiTaskNet)
### BEGIN HIDDEN TESTS
check.grade("MultiTaskNet", MultiTaskNet)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="MultiTaskNet"
# Hints for `MultiTaskNet`.

# %% [markdown]
# ## How much does each task count?
#
# Three losses, one number to go down. Adding them up is a choice, too. A cross-entropy of 0.5 beside a depth loss of 0.05: the
# encoder would mostly serve the classes. Measure depth's error in other units, and the balance tips over. Weights by hand
# work, after a search that has to be repeated with each new task.
#
# Kendall, Gal and Cipolla let the training find them. Say that a task's errors $e$ are Gaussian with a variance $\sigma^2$
# that nobody knows. The negative log-likelihood of an error is
#
# $$-\log p(e) = \frac{e^2}{2 \sigma^2} + \log \sigma + \text{const}
#   = \frac{1}{2} \bigl( \underbrace{e^{-s} e^2 + s}_{} \bigr) + \text{const}, \qquad s = \log \sigma^2$$
#
# Large errors may be excused by a large variance, but the variance has a price, $s$. Leave the 1/2 away, which weighs
# nothing, and average over the pixels. For tasks $t$ with mean squared errors, or other losses, $L_t$:
#
# $$L = \sum_t e^{-s_t} L_t + s_t$$
#
# The $s_t$ are parameters, and learn with the rest. Where do they come to rest, if the losses stand still?
#
# $$\frac{\partial L}{\partial s_t} = -e^{-s_t} L_t + 1 = 0 \quad \Rightarrow \quad s_t = \log L_t$$
#
# There, each task weighs one over its own loss, and costs $1 + \log L_t$. So in the end the *product* of the losses goes
# down. A loss in other units adds a constant to that, and changes nothing.

# %% role="figure" name="uncertainty" alt="Three curves of the cost of a task against s, for losses of 2, 0.5 and 0.05: each falls steeply, has its lowest point at the logarithm of the loss, and rises with slope 1."
figures.uncertainty_figure()

# %% [markdown]
# Why learn $s$ and not $\sigma^2$? A step of the optimiser could make a variance negative. Its logarithm may be anything.
#
# ### Exercise 6 · Weights by uncertainty
#
# Difficulty 2 of 5, about 10 minutes, 2 points.


# %% role="solution" name="uncertainty_weighting"
def uncertainty_weighting(losses, log_vars):
    """losses (T,), log_vars (T,); return the weighted sum, a scalar."""
    # The formula above: a weight for each of the `losses`, and the price of its variance.
    ### BEGIN SOLUTION
    weights = torch.exp(-log_vars)
    return (weights * losses + log_vars).sum()
    ### END SOLUTION


# %% role="test" name="uncertainty_weighting"
check("uncertainty_weighting", uncertainty_weighting)
### BEGIN HIDDEN TESTS
check.grade("uncertainty_weighting", uncertainty_weighting)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="uncertainty_weighting"
# Hints for `uncertainty_weighting`.

# %% [markdown]
# It is a rule of thumb with a derivation, and no more. A cross-entropy is no squared error. A task whose loss goes to 0
# gets a weight without limit. And a task that is easy is not therefore important.

# %% [markdown]
# ## Colour is a map, too
#
# Depth and normals need a sensor or a renderer for their truth. Colour needs nothing: take any photograph, hide its colours,
# and ask for them back. That is **colorization**, and one of the first tasks by which networks learned from images alone.
#
# The right space for it is **CIELAB**. $L$ is lightness, what a black-and-white film sees. $a$ runs from green to red, $b$
# from blue to yellow. Equal distances look about equally different, which is not so in RGB.

# %% role="given" name="lab"
photograph = figures.photograph()
for name, values in zip("Lab", multitask.rgb_to_lab(photograph), strict=True):
    print(f"{name} from {values.min():.0f} to {values.max():.0f}")

# %% role="figure" name="colour" alt="A photograph of a red motorcycle in a garage; its lightness in grey; a, where only the motorcycle's red and the red boxes stand out; b, with yellow wood and small blue spots."
figures.colour_figure()

# %% [markdown]
# Why not predict $a$ and $b$ with a squared error? A ball may be red or blue; the grey image does not say. The answer with
# the smallest squared error is the mean of both, a colour that no ball has. For most things in the world the mean of the
# possible colours is a brownish grey.
#
# So ask for a **distribution** instead. Zhang, Isola and Efros lay a grid over the $ab$ plane, ten units wide, and keep the
# cells in which there are colours at all: `multitask.ab_bins()`. Each is a class.

# %% role="figure" name="mean" alt="A red ball, 65 per cent likely, a blue ball, 35 per cent; then the mean of both with falling temperature: pink at 1, less so at 0.6 and 0.38, red at 0.1."
figures.mean_figure()

# %% [markdown]
# In the end one colour has to be shown. The mean ($T = 1$) is pale, the likeliest bin ($T \to 0$) is loud and jumps from
# patch to patch. In between, `multitask.annealed_mean` sharpens the distribution first, $\operatorname{softmax}(\log \hat z / T)$; the authors
# take $T = 0.38$.
#
# The truth becomes a distribution as well. A colour between two bins belongs to both. It is shared among its five nearest
# bins, by a Gaussian of their distance:
#
# $$z_q = \frac{g_q}{\sum_{q' \in \mathcal N} g_{q'}}, \qquad g_q = \exp \Bigl( -\frac{\lVert y - c_q \rVert^2}{2 \sigma^2} \Bigr),
#   \qquad \text{0 outside of } \mathcal N$$
#
# ### Exercise 7 · Colours as soft classes
#
# Difficulty 3 of 5, about 18 minutes, 3 points. If there are fewer bins than neighbours, take all.


# %% role="solution" name="colorization_targets"
def colorization_targets(ab, bins, neighbours=5, sigma=5.0):
    """ab (N, 2, H, W), bins (Q, 2); return distributions (N, Q, H, W)."""
    # 1. The squared distance of each pixel from each of the `bins`.
    # 2. The nearest ones, `neighbours` of them, and their Gaussians, which are to sum to 1.
    # 3. Each share in its bin's place, 0 elsewhere.
    ### BEGIN SOLUTION
    pixels = ab.movedim(1, -1)
    square = ((pixels[..., None, :] - bins) ** 2).sum(-1)
    near, place = square.sort(dim=-1)
    near, place = near[..., :neighbours], place[..., :neighbours]
    share = torch.exp(-near / (2 * sigma**2))
    share = share / share.sum(-1, keepdim=True)
    return torch.zeros_like(square).scatter(-1, place, share).movedim(-1, 1)
    ### END SOLUTION


# %% role="test" name="colorization_targets"
check("colorization_targets", colorization_targets)
### BEGIN HIDDEN TESTS
check.grade("colorization_targets", colorization_targets)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="colorization_targets"
# Hints for `colorization_targets`.

# %% [markdown]
# One thing is left. Most of the world is nearly grey: walls, roads, sky, skin. In the photograph of a red motorcycle, too.

# %% role="figure" name="classes" alt="The ab plane three times. Left: 260 bins in their colours. Middle: the share of the photograph's pixels in each, nearly all around grey, few towards red. Right: the weights, small around grey and about 13 where no pixel is."
figures.classes_figure()

# %% [markdown]
# A network that says "grey" everywhere is nearly always nearly right. Chapter 13 had the remedy for rare classes: let them
# count for more. With $p_q$ the share of pixels in bin $q$, $Q$ the number of bins, and $\lambda = 1/2$:
#
# $$w_q \propto \Bigl( (1 - \lambda) \, p_q + \frac{\lambda}{Q} \Bigr)^{-1}, \qquad \sum_q p_q w_q = 1$$
#
# The uniform part keeps a colour that was seen once from outweighing all others. The condition on the right makes the mean
# weight of a *pixel* 1, so that the loss keeps its size.
#
# ### Exercise 8 · Rare colours count more
#
# Difficulty 2 of 5, about 10 minutes, 2 points. The prior may come as counts or as shares.


# %% role="solution" name="rebalancing_weights"
def rebalancing_weights(prior, lam=0.5):
    """prior (Q,), counts or shares; return weights (Q,)."""
    # 1. The `prior` as shares.
    # 2. Mixed with the uniform distribution by `lam`, and turned over.
    # 3. Scaled: the mean weight of a pixel is 1.
    ### BEGIN SOLUTION
    p = prior / prior.sum()
    mixed = (1 - lam) * p + lam / len(p)
    weights = 1 / mixed
    return weights / (p * weights).sum()
    ### END SOLUTION


# %% role="test" name="rebalancing_weights"
check("rebalancing_weights", rebalancing_weights)
### BEGIN HIDDEN TESTS
check.grade("rebalancing_weights", rebalancing_weights)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="rebalancing_weights"
# Hints for `rebalancing_weights`.

# %% [markdown]
# The loss is a cross-entropy between two distributions. Each pixel has one weight: that of the bin that is most likely for
# its true colour.
#
# $$L = -\frac{1}{P} \sum_i w_{q^*_i} \sum_q z_{iq} \log \hat z_{iq}, \qquad q^*_i = \arg\max_q z_{iq}$$
#
# ### Exercise 9 · The loss of colorization
#
# Difficulty 2 of 5, about 10 minutes, 2 points. The logits may be as large as 10,000.


# %% role="solution" name="colorization_loss"
def colorization_loss(logits, targets, weights):
    """logits, targets (N, Q, H, W), weights (Q,); return the mean over all pixels, a scalar."""
    # 1. The cross-entropy of each pixel, from `logits` and `targets`.
    # 2. Each pixel's one of the `weights`.
    ### BEGIN SOLUTION
    entropy = -(targets * logits.log_softmax(1)).sum(1)
    weight = weights[targets.argmax(1)]
    return (weight * entropy).mean()
    ### END SOLUTION


# %% role="test" name="colorization_loss"
check("colorization_loss", colorization_loss)
### BEGIN HIDDEN TESTS
check.grade("colorization_loss", colorization_loss)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="colorization_loss"
# Hints for `colorization_loss`.

# %% [markdown]
# Depth, normals, classes, colour: an encoder, a head, and a loss that fits. That is all that changes from one dense
# prediction to the next.

# %% [markdown]
# ## Experiment: together or alone?
#
# Train four networks on rendered rooms and streets: one each for depth, normals and classes, and one for all three, with
# weights by uncertainty. The encoders start alike, and all see the same 400 batches. On two cores it takes about two
# minutes; interrupted, the cell goes on where it was.
#
# Before you run it, guess. Will the joint network be better or worse than three specialists? What share of their
# parameters, multiplications, memory and time does it need?

# %% role="experiment" name="train" alt="The training losses of four networks fall over 400 steps."
if not device.while_grading():
    found = experiment.compare(keep="runs")

# %% role="experiment" name="maps" alt="One unseen room: the image and its true depth, normals and classes; below, the maps of three networks with one task each; below those, the three maps of the joint network. The two rows are much alike: walls and floor are there, small things are blurred or missing."
if not device.while_grading():
    print(experiment.rows(found))
    print(experiment.weights_row(found))
    print(experiment.cost_rows(found))
    display(experiment.maps_figure(found))

# %% [markdown]
# Three seeds on a CPU gave:
#
# | | three networks | one network |
# |---|---|---|
# | depth, AbsRel | 0.125 to 0.134 | 0.119 to 0.129 |
# | normals, mean angle | 14.5 to 14.7 | 13.7 to 15.5 |
# | normals, per cent below 11.25° | 70 | 66 to 72 |
# | classes, mIoU | 0.384 to 0.420 | 0.375 to 0.409 |
# | parameters | 1 | 0.35 |
# | multiplications | 1 | 0.48 |
# | memory for the backward pass | 1 | 0.42 |
# | processor time of a training step | 1 | 0.66 to 0.70 |
#
# The joint network is nowhere worse by more than a tenth, with less than half of the multiplications. Is it better? Its depth
# is a little better with every seed. In the other rows the seeds disagree, and the ranges overlap in all of them: three seeds
# cannot tell. Its normals also differ more from seed to seed. Sharing is first of all cheaper. Whether it helps depends on
# how much the tasks have in common, and on how little truth each of them has of its own; here all three had plenty.

# %% [markdown]
# ## Try it: move the lamp
#
# With a normal at every pixel, a photograph can be lit anew. A matt surface is as bright as the cosine between its normal
# and the direction to the lamp, and dark where that is negative; a quarter of the light comes from everywhere. These are the
# normals that the joint network predicts for scenes it has never seen.
#
# Move the lamp from left to right, also with the arrow keys. Which walls light up, and which sides of the things? Then put
# it right above, at 90: what stays bright? Much is wrong because the network is. But two things would be wrong with perfect
# normals, too: which?

# %% role="widget" name="relight" alt="Sliders for the lamp's direction, to the right and up, and for the scene. Below them an unseen room, its predicted normals, their shading under a lamp from the upper left, and the room in that light."
if not device.while_grading():
    relight_widget(found["joint"].learner)

# %% [markdown]
# The old light is still in the image: its shading and its shadows were never taken out. And the new lamp casts no shadows,
# since a normal does not know what stands in the way.

# %% [markdown]
# ## Common mistakes
#
# - Right times down: all normals point into the wall.
# - Normals turned by the sign of z. In a wide view a visible wall may have a positive z.
# - Pixels taken for metres: without the focal length, everything is too steep or too flat.
# - Vectors that are not of length 1 in a product that is taken for a cosine.
# - A mean over all pixels where only some have a truth; and 0 times NaN, which is NaN.
# - Logarithm of the mean for the mean of the logarithms; one factor for the whole batch.
# - One head for two tasks. Heads in a plain dictionary, which the optimiser does not see.
# - Variances without their price: they grow for ever, and nothing is learned.
# - Weights that have mean 1 over bins and not over pixels: the loss explodes or vanishes.
# - `rgb_to_lab` of an image from 0 to 255, or with the channels last.

# %% [markdown] role="essay" name="a-fourth-head" points=2
# ## In your own words
#
# A joint network for depth, normals and classes works well. A colleague adds a fourth head, for the motion of each pixel
# between two frames of a film, whose truth comes from another program and is wrong at every tenth pixel. Weights are by
# uncertainty. Motion is poor, and now the classes are worse than before. Give two different explanations, an experiment
# for each that would tell whether it holds, and what you would change. (2 points)
#
# <!-- BEGIN SOLUTION -->
# Several answers are right; two of these, with an experiment that could refute each. Weights: the new loss changed the
# balance; if it is small in its units, its weight exp(-s) becomes large and the encoder serves it most. Look at the
# learned weights and at the size of each task's gradient at the encoder; fix the weights of the three old tasks at their
# former ratio and see whether the classes come back. Capacity or conflict: the tasks ask the encoder for different things.
# Compare the directions of the tasks' gradients at the encoder (a negative cosine is a conflict); make the encoder larger,
# or let motion have its own last stages; if a larger encoder brings the classes back, it was capacity. Wrong truths: a
# squared error is ruled by the tenth that is wrong, and sends a large, useless gradient into the shared encoder. Mask the
# pixels that are known to be wrong, or use a robust loss, or cut the head's gradient off from the encoder: if the classes
# recover with the gradient cut off, sharing was the harm. Data: one image does not show motion; the head needs two frames,
# and an encoder that sees one can only guess. Feed both and see whether motion itself improves.
# <!-- END SOLUTION -->

# %% [markdown]
# ## References
#
# - D. Eigen, R. Fergus, [Predicting depth, surface normals and semantic labels with a common multi-scale convolutional
#   architecture](https://arxiv.org/abs/1411.4734), ICCV 2015: the losses are in section 4.
# - D. Eigen, C. Puhrsch, R. Fergus, [Depth map prediction from a single image](https://arxiv.org/abs/1406.2283), NIPS 2014:
#   the scale-invariant error is in section 3.2.
# - A. Kendall, Y. Gal, R. Cipolla, [Multi-task learning using uncertainty to weigh
#   losses](https://arxiv.org/abs/1705.07115), CVPR 2018.
# - R. Zhang, P. Isola, A. Efros, [Colorful image colorization](https://arxiv.org/abs/1603.08511), ECCV 2016.
# - D. Fouhey, A. Gupta, M. Hebert, Data-driven 3D primitives for single image understanding, ICCV 2013: the limits 11.25,
#   22.5 and 30 degrees.
# - R. Khirodkar et al., [Sapiens](https://arxiv.org/abs/2408.12569), ECCV 2024: one encoder, heads for pose, parts, depth and
#   normals.
