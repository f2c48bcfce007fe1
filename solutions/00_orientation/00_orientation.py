# %% [markdown]
# # 00 · Five flavours of dense prediction
#
# **You will** see one scene with five kinds of labels, learn to tell things from stuff, watch colour fail as a
# guide to meaning, and do one small exercise to get to know the checks.
#
# **You need** Python, tensors, and an idea of what an image classifier does. **It takes** about 30 minutes.
# **Exercises:** 1, and one question in words; 4 points in all.
#
# Run the cells from top to bottom. The first one says what it found on this machine.

# %% role="setup" name="setup"
import torch
from torch.nn import functional as F

from dlcv import orientation
from dlcv.data.scenes import CLASSES, render
from dlcv.orientation.exercises import check
from dlcv.orientation.widget import label_maps, pixel_inspector, segment_bars
from dlcv.plotting import INSTANCES, label_map, new_figure, number_grid, overlay, show, show_maps

# %% [markdown]
# ## One question, asked of every pixel
#
# A classifier looks at an image and gives one answer: "a room". That is enough to sort photographs. It is not
# enough to walk through the room, to count the lamps in it, or to pick up the ball.
#
# *Dense prediction* asks its question of every pixel. An image of 256 x 320 pixels gets 81,920 answers.
#
# Here is a room. It is computed, not photographed, so that every label in this course is exactly right.

# %% role="figure" name="scene" alt="A small room with brick walls, a window and a pool, in it cones, balls, lamps, a can and a box."
what = dict(family="room", things=(7, 10), camouflage=0.15, water=1.0)
how = dict(supersample=2, shadow_samples=16, noise=0.0)
scene = render([104], size=(256, 320), **what, **how)[0]
show_maps({"the scene": scene.image}, columns=1, width=6)

# %% [markdown]
# Before you scroll on, look at the dark patch to the right of the green ball. What is it? How far away is it? How
# many things of its kind are there?
#
# ## Five flavours
#
# Each of the three questions leads to another kind of label map. Here they are side by side. The legend names the
# colours of the semantic and the panoptic map.

# %% role="figure" name="five-flavours" alt="The scene and five label maps of it: semantic, instance, panoptic, depth and normals."
show_maps({"image": scene.image, **label_maps(scene)}, names=CLASSES, unit="m")

# %% [markdown]
# | flavour | it asks each pixel | it gives | shape and type |
# |---|---|---|---|
# | **semantic segmentation** | what are you? | a class | `(H, W)`, whole numbers |
# | **instance segmentation** | which thing are you? | a number for each thing, none elsewhere | `(H, W)`, whole numbers |
# | **panoptic segmentation** | what, and which? | a class everywhere, a number where it can be counted | both together |
# | **depth estimation** | how far are you? | metres along the camera's axis | `(H, W)`, real numbers |
# | **multi-task prediction** | several of these at once | for example depth, class and surface normal | one map a task, one shared network |
#
# Look again at the maps.
#
# - In the *semantic* map both cones have one colour. It does not know that there are two.
# - In the *instance* map they differ. Which one is number 3 and which is number 5 means nothing: swap the numbers
#   and the map is as good.
# - The *panoptic* map says both: class by colour, thing by shade.
# - *Depth* has no classes at all. It is a real number, and its errors are measured in metres.
# - *Normals* say which way a surface faces: red to the right, green up, blue towards you. They stand here for the
#   fifth flavour. Depth and normals follow from the same surfaces, so one network can learn both.
#
# Through the window you see the sky. It has no depth and no normal, so those maps are empty there. Real depth
# cameras leave such holes, too, and chapter 14 deals with them.
#
# ## Things and stuff
#
# Count the cones. Now count the walls, the water, the sky. The second question makes no sense, and this is the
# difference:
#
# - **Things** can be counted. They have a shape of their own: a cone, a lamp, a car, a person.
# - **Stuff** cannot. It is known by its material and fills whatever room there is: sky, wall, ground, water.
#
# Only things have instances. There is no "sky number 2".

# %% role="figure" name="things-and-stuff" alt="Left, the stuff of the scene in muted colours; right, its things in saturated colours with numbers."
things = scene.instance > 0
stuff = overlay(scene.image, scene.semantic, alpha=0.75)
counted = overlay(scene.image, scene.instance - 1, INSTANCES, alpha=0.75, void=None)
stuff[things], counted[~things] = 1.0, 1.0
figure = show_maps({"stuff: a class for each region": stuff, "things: a number for each": counted}, columns=2)
for number, mask in enumerate(scene.masks, start=1):
    row = int(mask.nonzero()[mask.sum() // 2, 0])
    place, style = (int(mask[row].nonzero().median()), row), dict(facecolor="white", edgecolor="none", pad=1)
    figure.axes[1].text(*place, number, ha="center", va="center", bbox=style)
figure

# %% [markdown]
# Throughout the course stuff is drawn in muted colours and things in saturated ones. Grey is *void*: pixels that
# nobody has labelled.
#
# In the panoptic form an image is a list of segments. Each thing is a segment, each kind of stuff is one, and
# every pixel belongs to exactly one of them:

# %% role="figure" name="segments" alt="A bar for each segment of the scene, as long as its share of the pixels: eight things first, then four kinds of stuff."
ids, segments = scene.panoptic()
segment_bars(segments)

# %% [markdown]
# ## Appearance is not semantics
#
# People cannot help grouping. You saw cones and lamps, not pixels. It is tempting to let the machine group pixels
# that look alike and hope that the groups are objects.
#
# Think of two cats, one white and one ginger. They look different and are the same to you. Now think of a black
# cat on a black couch. Cat and couch look the same and are different to you. So looking alike is neither needed
# nor enough.
#
# Our room has both kinds of trouble.

# %% role="figure" name="cats" alt="Six cut-outs of the scene: a dark cone and a striped one, a plain ball and a chequered one, a box with the floor's pattern, a lamp with the wall's bricks."
figure, axes = new_figure(1, 6, height=1.9)
for axis, number in zip(axes, (3, 5, 2, 7, 4, 6), strict=True):
    show(axis, scene.image, CLASSES[scene.labels[number - 1]])
    x1, y1, x2, y2 = scene.boxes[number - 1].tolist()
    middle, half = ((x1 + x2) / 2, (y1 + y2) / 2), max(x2 - x1, y2 - y1) / 2 + 6
    axis.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] + half, middle[1] - half))
figure

# %% [markdown]
# Two cones that share no colour: one class. A plain ball and a chequered one: one class. A box that wears the
# pattern of the floor it stands on, a lamp that wears the bricks behind it: each looks like what it is not.
#
# Let us try colour all the same, as fairly as we can. *k-means* sorts the pixels into ten groups by colour alone.
# Then every group gets the class that most of its pixels really have. No classifier of single colours could
# name these groups better.

# %% role="figure" name="colour-groups" alt="Ten groups of pixels by colour, the same groups named by class, and the true classes: most things are lost."
groups = orientation.group_by_colour(scene.image, 10)
named = orientation.name_groups(groups, scene.semantic)
maps = {"ten groups by colour": label_map(groups, INSTANCES), "each group named at its best": named}
figure = show_maps({**maps, "truth": scene.semantic}, names=CLASSES)
right = named == scene.semantic
figure.suptitle(
    f"right: {right[~things].float().mean():.0%} of the stuff, {right[things].float().mean():.0%} of the things"
)
figure

# %% [markdown]
# The stuff comes out well: it is large, and each kind has a colour of its own in this room. Of eight things, only the
# brown stripes of one cone are found, and part of a ball is taken for cone with them. Paint, light and shadow make a
# colour. None of them is the class.
#
# To do better, a pixel has to look around: at the edge beside it, the shape it belongs to, the floor under that
# shape. Learning what to look at is what the networks of this course are for.
#
# ## From scores to a map
#
# How does a network say "cone"? It gives each class a score, at each pixel. Its output has the shape
# $(C, H, W)$: one plane of scores for each of the $C$ classes. The class map takes, at each pixel, the class whose
# score is highest:
#
# $$\hat{y}_{ij} = \arg\max_{c} \; s_{cij}$$
#
# Here are three classes on an image of two rows and three columns.

# %% role="figure" name="three-planes" alt="Three small grids of scores, one for each class, and a fourth with the number of the class that wins at each pixel."
scores = torch.tensor([[[4, 1, 0], [2, 2, 5]], [[1, 3, 2], [6, 1, 1]], [[0, 2, 7], [1, 3, 0]]])
winners = orientation.warm_up(scores)
figure, axes = new_figure(1, 4, height=1.9)
for c, axis in enumerate(axes[:3]):
    mark = [(int(i), int(j)) for i, j in (winners == c).nonzero()]
    number_grid(axis, scores[c], f"scores of class {c}", limits=(0, 10), mark=mark)
number_grid(axes[3], winners, "class map", cmap="Greys", limits=(0, 8))
figure

# %% [markdown]
# Follow one pixel through the planes: the upper left one has the scores 4, 1 and 0, so class 0 wins.
#
# ### Exercise 1 · From scores to a class map
#
# Difficulty 1 of 5, about 5 minutes, 2 points. Write `warm_up`.
#
# **Make a mistake first.** Write `return scores.argmax(dim=-1)`, run both cells, and read what the check says.
# It compares your answer with the right one on several inputs. Where it can, it says which mistake your numbers
# look like. Then write it properly and run both cells again.


# %% role="solution" name="warm_up"
def warm_up(scores):
    """scores (C, H, W); returns the class with the highest score at each pixel, (H, W), int64."""
    # 1. Find the axis along which the classes lie.
    # 2. Take `argmax` along that axis.
    ### BEGIN SOLUTION
    return scores.argmax(dim=0)
    ### END SOLUTION


# %% role="test" name="warm_up"
check("warm_up", warm_up)
### BEGIN HIDDEN TESTS
check.grade("warm_up", warm_up)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="warm_up"
# Hints for `warm_up`.

# %% [markdown]
# ### How checks, hints and points work
#
# - Under each exercise stands a **check**. Run it as often as you like; it costs nothing. What you reached is kept in a
#   file of yours, `.dlcv/progress.json` in your home folder, and goes nowhere else.
# - It tells apart: *not attempted*, *crashed* (with your own line), *wrong shape*, *wrong values* (where, and by how
#   much), a *known mistake* with one sentence about it, and a *forbidden call*. Some exercises ask you to build what
#   torch already has; there the ready-made function does not count. Work in torch: elsewhere in the course a detour
#   through numpy loses the gradient, and most checks do not count it.
# - **Hints** are folded under the check, mild ones first. `check("warm_up", warm_up, hints=True)` shows them, too.
# - **Stuck for good?** After a try of your own, `check.reveal("warm_up")` shows the reference. `check.progress()` says
#   what you have reached, and what comes next.
# - **Points** are the share of the cases that pass. When your notebook is graded, the cases are new ones of the
#   same kind, so an answer that only knows the numbers shown here earns nothing.
# - No exercise needs your answer to an earlier one. Later cells use the course's own version.
#
# ## What scores look like
#
# Networks compute on a coarse grid and enlarge the result. Suppose a network knew everything but saw only blocks of
# 16 x 16 pixels: its score for a class is the share of the block that the class covers, enlarged smoothly to the
# image's size.

# %% role="figure" name="coarse-scores" alt="The true classes, the scores for cone as a blurred map, and the class map made from coarse scores: boundaries are rounded, thin parts are gone."
truth = F.one_hot(scene.semantic, len(CLASSES)).permute(2, 0, 1).float()
blocks = F.avg_pool2d(truth[None], 16)
scores = F.interpolate(blocks, scene.semantic.shape, mode="bilinear")[0]
coarse = orientation.warm_up(scores)
cone = CLASSES.index("cone")
show_maps({"truth": scene.semantic, "score of cone": scores[cone], "class map": coarse}, names=CLASSES)

# %% [markdown]
# What did the coarse grid cost? Look at the lamps: which part of them is left, and which class took the rest?
#
# Getting this detail back is the theme of the first half of the course. Chapters 01 to 03 enlarge and look around;
# chapters 06 to 08 build networks from that.
#
# ## Ask a pixel
#
# Move the sliders and read the titles. Find a pixel of which the panoptic map knows more than the semantic one, a
# pixel of which it does not, and a pixel without depth. Then walk across the large cone from left to right: which
# maps jump at its edges, and which glide in between?

# %% role="widget" name="ask-a-pixel" alt="Sliders for row and column above the scene and its five label maps; a cross marks the pixel, titles say what each map has there."
pixel_inspector(scene, row=180, column=55)

# %% [markdown]
# ## Common mistakes
#
# - **Wrong axis.** `(C, H, W)` has its classes first. If an image is as high as it has classes, no error warns you.
# - **Reading instance numbers as names.** They only say "same thing" or "another thing".
# - **Giving stuff instances.** A panoptic map with "ground 1" and "ground 2" is invalid.
# - **Comparing class maps like numbers.** Class 7 is not nearer to class 8 than to class 2; never average class maps.
# - **Taking every depth map for metres.** Many networks know depth only up to scale and shift (chapter 14).

# %% [markdown] role="essay" name="same-colour" points=2
# ## In your own words
#
# Take a photograph from your own life, in words. Name one pair of pixels that look alike and belong to different
# classes, and one pair that look different and belong to the same *instance*. For each pair say what a network
# would have to look at, beyond the two pixels, to get it right. (2 points)
#
# <!-- BEGIN SOLUTION -->
# One point a pair, if the pair fits and the clue is one that an image really holds. For example: a white plate on a
# white tablecloth look alike and differ in class. The clue is the thin shadow round the rim and the closed
# curve that it makes, many pixels away from either of the two. The lit and the shaded side of one cup look
# different and are one instance. The clue is that brightness changes smoothly between them, with no edge to cross,
# while the outline runs round both.
# <!-- END SOLUTION -->

# %% [markdown]
# ## References
#
# - A. Kirillov, K. He, R. Girshick, C. Rother and P. Dollár, *Panoptic Segmentation*, CVPR 2019: things, stuff, and
#   one form for both.
# - E. H. Adelson, *On Seeing Stuff: The Perception of Materials by Humans and Machines*, SPIE 4299, 2001.
# - D. Eigen and R. Fergus, *Predicting Depth, Surface Normals and Semantic Labels with a Common Multi-Scale
#   Convolutional Architecture*, ICCV 2015: several flavours from one network.
# - S. Lloyd, *Least Squares Quantization in PCM*, IEEE Transactions on Information Theory 28(2), 1982: k-means.
#
# Next: **01 Transposed convolution**, which turns a small map into a large one and learns how.
