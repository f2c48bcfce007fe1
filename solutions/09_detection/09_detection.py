# %% [markdown]
# # 09 · Detection
#
# Which things are in the image, where, and how many? The answer is a list, and nobody knows its length beforehand. This
# chapter turns that question into millions of small ones that a convolution can answer.
#
# **Afterwards you can**
#
# - measure how alike two boxes are, with IoU and GIoU, without a NaN;
# - lay anchors over an image, say what each of them is to learn, and encode it;
# - thin out a heap of boxes by non-maximum suppression;
# - assemble the training targets and the four losses of Faster R-CNN;
# - say what R-CNN, Fast R-CNN, Faster R-CNN, YOLO, CornerNet and DETR share, and where they differ.
#
# **You need** feature maps and strides (chapter 03), RoI Align (chapter 04) and IoU (chapter 05).
#
# **It takes** about 160 minutes. **Exercises:** 9 with 26 points, and one question in words with 2.

# %% role="setup" name="setup"
import math

import torch
import torch.nn.functional as F

from dlcv import detection as det
from dlcv import device
from dlcv.detection import experiment, figures
from dlcv.detection.exercises import check
from dlcv.detection.widget import anchor_widget, nms_widget

# %% [markdown]
# ## Why
#
# A map of classes does not count. Two cans that overlap are one patch of "can". A robot that is to take the one behind
# needs each of them by itself: a box around it, and its class.

# %% role="figure" name="scene" alt="A rendered room with a box, two cans, a ball and a cone. Beside it the same room with a blue rectangle and a class name around each of the five things."
figures.scene_figure()

# %% [markdown]
# A network has a fixed number of outputs; an image has any number of things. Two ideas solve that:
#
# 1. **Ask everywhere.** Put candidate boxes all over the image, thousands of them, and ask of each: is there a thing,
#    and how should the box move to fit it?
# 2. **Thin out.** Many candidates will say yes to the same thing. Keep the best.
#
# Both need one number first: how well do two boxes agree?

# %% [markdown]
# ## How alike are two boxes?
#
# A box is $x_1, y_1, x_2, y_2$, in pixels, and its corners lie *between* pixels: the columns 3 and 4 are the box from 3
# to 5. Its width is $x_2 - x_1$, and nothing is added.
#
# $$\text{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|} = \frac{|A \cap B|}{|A| + |B| - |A \cap B|}$$
#
# The intersection of two boxes is a box, too. It starts where the later one starts, and ends where the earlier one ends.
# If it ends before it starts, there is none.
#
# ### Exercise 1 · Intersection over union
#
# Difficulty 2 of 5, about twelve minutes, 3 points. All pairs at once: a table with a row for each box of `a` and a
# column for each box of `b`. What is the IoU of two boxes without any area? Here: 0.


# %% role="solution" name="box_iou"
def box_iou(a, b):
    """a (N, 4), b (M, 4) as x1, y1, x2, y2; return the (N, M) table of their IoU."""
    # 1. The corners of every pair's intersection: the larger start, the smaller end.
    # 2. Its width and height, neither below 0.
    # 3. Both areas, the union, and the quotient; 0 where the union is 0.
    ### BEGIN SOLUTION
    x1 = torch.maximum(a[:, None, 0], b[None, :, 0])
    y1 = torch.maximum(a[:, None, 1], b[None, :, 1])
    x2 = torch.minimum(a[:, None, 2], b[None, :, 2])
    y2 = torch.minimum(a[:, None, 3], b[None, :, 3])
    intersection = (x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)
    area_a = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    area_b = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    union = area_a[:, None] + area_b[None, :] - intersection
    return torch.where(union > 0, intersection / union, 0.0)
    ### END SOLUTION


# %% role="test" name="box_iou"
check("box_iou", box_iou)
### BEGIN HIDDEN TESTS
check.grade("box_iou", box_iou)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="box_iou"
# Hints for `box_iou`.

# %% [markdown]
# IoU has a blind spot. Two boxes that miss each other have an IoU of 0, by a hair or by a mile. As a loss it would say
# nothing about the direction to go. **Generalised IoU** looks at the smallest box $C$ around both, and takes away the
# share of it that neither covers:
#
# $$\text{GIoU}(A, B) = \text{IoU}(A, B) - \frac{|C| - |A \cup B|}{|C|}$$

# %% role="figure" name="overlap" alt="Four pairs of a blue and an orange box, each with the enclosing box in grey. From left to right they agree less: IoU 0.72, 0.42, 0.14 and 0, GIoU 0.71, 0.31, minus 0.08 and minus 0.55."
figures.overlap_figure()

# %% [markdown]
# ### Exercise 2 · Generalised IoU
#
# Difficulty 2 of 5, about ten minutes, 2 points. The course's `det.box_iou` may be used. A quotient whose
# denominator is 0 counts as 0.


# %% role="solution" name="generalized_box_iou"
def generalized_box_iou(a, b):
    """a (N, 4), b (M, 4) as x1, y1, x2, y2; return the (N, M) table of their GIoU."""
    # 1. Intersection and union, as before.
    # 2. The enclosing box: the smaller start, the larger end, and its area.
    # 3. The IoU minus the empty share.
    ### BEGIN SOLUTION
    iou = det.box_iou(a, b)
    area_a = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    area_b = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    x1, y1 = (torch.maximum(a[:, None, n], b[None, :, n]) for n in (0, 1))
    x2, y2 = (torch.minimum(a[:, None, n], b[None, :, n]) for n in (2, 3))
    intersection = (x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)
    union = area_a[:, None] + area_b[None, :] - intersection
    left, top = (torch.minimum(a[:, None, n], b[None, :, n]) for n in (0, 1))
    right, bottom = (torch.maximum(a[:, None, n], b[None, :, n]) for n in (2, 3))
    enclosing = (right - left) * (bottom - top)
    return iou - torch.where(enclosing > 0, (enclosing - union) / enclosing, 0.0)
    ### END SOLUTION


# %% role="test" name="generalized_box_iou"
check("generalized_box_iou", generalized_box_iou)
### BEGIN HIDDEN TESTS
check.grade("generalized_box_iou", generalized_box_iou)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="generalized_box_iou"
# Hints for `generalized_box_iou`.

# %% [markdown]
# ## Ask everywhere: anchors
#
# At each cell of the feature map stand some boxes of fixed sizes and shapes, the **anchors**. They do not look at the
# image; they are the questions. Three sizes and three shapes are nine questions a cell.

# %% role="figure" name="anchors" alt="The room with a grid of 64 cell centres. Around one of them stand nine boxes: small, middle and large, each lying, square and upright."
figures.anchors_figure()

# %% [markdown]
# An anchor of size $s$ and ratio $r = h / w$ keeps the area $s^2$, whatever its shape:
#
# $$w = \frac{s}{\sqrt{r}}, \qquad h = s \sqrt{r}$$
#
# Its centre is at $x = (j + o) \cdot \text{stride}$, $y = (i + o) \cdot \text{stride}$ for the cell in row $i$ and column $j$.
# With offset $o = 0$ it stands at the cell's upper left corner, with $o = 0.5$ in its middle: the half cell of chapter
# 04 again.
#
# The order matters, since the network's output is flattened in it: row by row, in each cell size by size, for each size
# ratio by ratio. (torchvision goes through ratios first, and rounds the corners. Such things are why a network's weights
# do not fit another library's.)
#
# ### Exercise 3 · Anchors
#
# Difficulty 2 of 5, about fifteen minutes, 3 points. Loops are fine. A map without cells has no anchors: `(0, 4)`.


# %% role="solution" name="make_anchors"
def make_anchors(feature_size, stride, sizes, aspect_ratios, offset=0.0):
    """feature_size (height, width) in cells, stride in pixels; sizes and aspect_ratios are lists.

    Return (height * width * len(sizes) * len(aspect_ratios), 4) as x1, y1, x2, y2 in pixels.
    """
    # 1. For each cell, row by row: its centre.
    # 2. For each of `sizes`, for each of `aspect_ratios`: the box around it.
    ### BEGIN SOLUTION
    height, width = feature_size
    anchors = []
    for i in range(height):
        for j in range(width):
            x, y = (j + offset) * stride, (i + offset) * stride
            for size in sizes:
                for ratio in aspect_ratios:
                    w, h = size / ratio**0.5, size * ratio**0.5
                    anchors.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    return torch.tensor(anchors).reshape(-1, 4)
    ### END SOLUTION


# %% role="test" name="make_anchors"
check("make_anchors", make_anchors)
### BEGIN HIDDEN TESTS
check.grade("make_anchors", make_anchors)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="make_anchors"
# Hints for `make_anchors`.

# %% [markdown]
# ## From anchor to box: four numbers
#
# No anchor fits exactly. So the network also says how to get from the anchor to the box: move its centre, then stretch
# it.

# %% role="figure" name="deltas" alt="Left: an orange anchor moves by 0.67 of its widths until its centre is that of the dashed blue box. Right: it is stretched by exp(0.51) across and exp(0.56) down until it fits."
figures.deltas_figure()

# %% [markdown]
# With $x, y$ the centre and $w, h$ the size of the box, and the same with $a$ of the anchor:
#
# $$t_x = \frac{x - x_a}{w_a}, \quad t_y = \frac{y - y_a}{h_a}, \quad
#   t_w = \log \frac{w}{w_a}, \quad t_h = \log \frac{h}{h_a}$$
#
# Divided by the size, a move means the same for a cup nearby and a cup far away: one filter serves both. And why the
# logarithm? Half as wide is $-0.69$, twice as wide $+0.69$: equally far, and no output makes a negative width.
#
# Four weights scale the result, so that all four numbers are about as large as 1. The first stage uses 1, 1, 1, 1. The
# second one sees boxes that nearly fit, whose numbers are small; it uses 10, 10, 5, 5.
#
# ### Exercise 4 · From box to deltas
#
# Difficulty 2 of 5, about ten minutes, 2 points. Row by row: box $n$ belongs to anchor $n$.


# %% role="solution" name="encode_boxes"
def encode_boxes(boxes, anchors, weights=(1, 1, 1, 1)):
    """boxes, anchors (K, 4) as x1, y1, x2, y2; return (K, 4) as dx, dy, dw, dh, times the weights."""
    # 1. Centres and sizes of `boxes` and `anchors`.
    # 2. Move and stretch, then the `weights`.
    ### BEGIN SOLUTION
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    wa, ha = anchors[:, 2] - anchors[:, 0], anchors[:, 3] - anchors[:, 1]
    x, y = boxes[:, 0] + w / 2, boxes[:, 1] + h / 2
    xa, ya = anchors[:, 0] + wa / 2, anchors[:, 1] + ha / 2
    dx, dy = (x - xa) / wa, (y - ya) / ha
    dw, dh = torch.log(w / wa), torch.log(h / ha)
    return torch.stack([dx, dy, dw, dh], 1) * torch.tensor(weights)
    ### END SOLUTION


# %% role="test" name="encode_boxes"
check("encode_boxes", encode_boxes)
### BEGIN HIDDEN TESTS
check.grade("encode_boxes", encode_boxes)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="encode_boxes"
# Hints for `encode_boxes`.

# %% [markdown]
# Back again is the inverse, with one safety belt. Early in training a network may say $t_w = 9$, a box 8100 times as
# wide. So $t_w$ and $t_h$ are clipped from above, at $\log(1000 / 16)$: the factor from 16 to 1000 pixels. From below
# nothing is clipped. Why not?
#
# ### Exercise 5 · From deltas to box
#
# Difficulty 2 of 5, about ten minutes, 2 points. Divide by the weights first, then clip.


# %% role="solution" name="decode_boxes"
def decode_boxes(deltas, anchors, weights=(1, 1, 1, 1), clip=4.135166556742356):
    """deltas (K, 4) as dx, dy, dw, dh, anchors (K, 4); return boxes (K, 4) as x1, y1, x2, y2.

    The default of clip is log(1000 / 16).
    """
    # 1. Undo the `weights`.
    # 2. Move the centre, stretch the size with `clip` as the limit.
    # 3. Corners from centre and size.
    ### BEGIN SOLUTION
    dx, dy, dw, dh = (deltas / torch.tensor(weights)).unbind(1)
    wa, ha = anchors[:, 2] - anchors[:, 0], anchors[:, 3] - anchors[:, 1]
    x, y = anchors[:, 0] + wa / 2 + dx * wa, anchors[:, 1] + ha / 2 + dy * ha
    w, h = wa * dw.clamp(max=clip).exp(), ha * dh.clamp(max=clip).exp()
    return torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)
    ### END SOLUTION


# %% role="test" name="decode_boxes"
check("decode_boxes", decode_boxes)
### BEGIN HIDDEN TESTS
check.grade("decode_boxes", decode_boxes)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="decode_boxes"
# Hints for `decode_boxes`.

# %% [markdown]
# ## What is each anchor to say?
#
# In training we know the true boxes. Each anchor is compared with all of them:
#
# - **positive**, its largest IoU is at least 0.7: it is to say "object", and to find that box;
# - **negative**, its largest IoU is below 0.3: it is to say "nothing";
# - **neutral**, in between: half a ball is neither a ball nor nothing. It is not asked.
#
# Look what happens with these rules alone, on the left.

# %% role="figure" name="matches" alt="Two copies of the room with 16-pixel and 32-pixel anchors. With thresholds only, yellow neutral dots lie on the things and no anchor is positive. With the rescue, each of the five things has at least one green anchor."
figures.matches_figure()

# %% [markdown]
# Not one anchor is positive. No size, shape and place among them happens to reach 0.7. So there is a third rule: each
# true box makes sure of its best anchor, however low their IoU is. All of them, if several are equally good. Such a
# rescued anchor still goes to the true box that *it* overlaps most.
#
# One trap is in that rule. A true box that no anchor touches has a best IoU of 0, and shares it with every anchor that
# lies elsewhere. Rescue only where the best IoU is above 0. (Two well-known libraries do not look.)
#
# ### Exercise 6 · Positive, negative, neutral
#
# Difficulty 4 of 5, about twenty minutes, 4 points. An IoU of exactly `low` is neutral, of exactly `high` positive. Of
# several equal true boxes an anchor goes to the first. Without a true box all anchors are negative.


# %% role="solution" name="match_anchors"
def match_anchors(iou, high=0.7, low=0.3, low_quality=True):
    """iou (true boxes, anchors); return (anchors,) whole numbers.

    The number of the true box for positives, -1 for negatives, -2 for neutral ones. With `low_quality`, each true
    box makes sure of its best anchors.
    """
    # 1. For each anchor: its largest `iou`, and whose it is.
    # 2. Neutral below `high`, negative below `low`.
    # 3. The rescue, true box by true box.
    ### BEGIN SOLUTION
    if len(iou) == 0:
        return torch.full((iou.shape[1],), -1)
    best, owner = iou.max(0)
    matches = owner.clone()
    matches[best < high] = -2
    matches[best < low] = -1
    if low_quality:
        for row in iou:
            if row.max() > 0:
                wanted = row == row.max()
                matches[wanted] = owner[wanted]
    return matches
    ### END SOLUTION


# %% role="test" name="match_anchors"
check("match_anchors", match_anchors)
### BEGIN HIDDEN TESTS
check.grade("match_anchors", match_anchors)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="match_anchors"
# Hints for `match_anchors`.

# %% [markdown]
# ### Try it
#
# Lower `high`: where does each thing have three anchors without a rescue? Then put `high` back and the size to 60, larger
# than everything in the room. Whole clouds of anchors turn green. Why are so many of them equally good?

# %% role="widget" name="try-anchors" alt="Sliders for size, stride, both thresholds, the rescue and the scene. Below, a room with green positive anchors, yellow neutral and grey negative dots, and bars: 9 positive, 50 neutral, 709 negative."
anchor_widget()

# %% [markdown]
# Nearly all anchors are negative. If all of them were asked, "nothing" would be right 99 times in a hundred. So a sample
# is drawn, at most half of it positive.

# %% role="given" name="sample"
scene = figures.scene()
anchors = det.make_anchors((16, 16), 8, [16, 32], [0.5, 1, 2], offset=0.5)
matches = det.match_anchors(det.box_iou(scene.boxes, anchors))
positive, negative = det.sample_matches(matches, num_samples=64, positive_fraction=0.5)
len(anchors), int((matches >= 0).sum()), len(positive), len(negative)

# %% [markdown]
# ## Thin out: non-maximum suppression
#
# A trained network finds each thing many times: neighbouring anchors see almost the same. Take the box with the best
# score. Drop all boxes that overlap it too much. Take the best of the rest, and so on.

# %% role="figure" name="suppressed" alt="Left: thirty orange boxes in heaps on five things. Right: seven boxes are left, with scores from 0.67 to 0.97."
figures.nms_figure()

# %% [markdown]
# ### Exercise 7 · Non-maximum suppression
#
# Difficulty 3 of 5, about fifteen minutes, 3 points. `det.box_iou` may be used. A box whose IoU with a kept one is
# *above* the threshold is dropped; exactly at the threshold it stays. Of equal scores the earlier box comes first.


# %% role="solution" name="nms"
def nms(boxes, scores, iou_threshold):
    """boxes (K, 4), scores (K,); return the places of the boxes kept (int64), best score first."""
    # Sort the places by `scores`. While some wait: keep the first, drop what overlaps it too much.
    ### BEGIN SOLUTION
    waiting = scores.argsort(descending=True, stable=True)
    kept = []
    while len(waiting) > 0:
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        iou = det.box_iou(boxes[best][None], boxes[waiting])[0]
        waiting = waiting[iou <= iou_threshold]
    return torch.tensor(kept, dtype=torch.int64)
    ### END SOLUTION


# %% role="test" name="nms"
check("nms", nms)
### BEGIN HIDDEN TESTS
check.grade("nms", nms)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="nms"
# Hints for `nms`.

# %% [markdown]
# ### Try it
#
# Go through it step by step. Lower the threshold until the cone disappears: who dropped it? Raise it until two boxes stay
# on the ball. In between all is well in this room. In which room would no threshold be right?

# %% role="widget" name="try-nms" alt="Sliders for step and threshold. Below, the room with kept boxes in blue, boxes that the last one dropped in orange, and waiting ones in white; beside it all scores as bars in the same colours."
nms_widget()

# %% [markdown]
# The final detections are suppressed class by class (`det.batched_nms`): a cup does not drop the table that it stands on.
#
# ## Faster R-CNN
#
# Now put it together, in two stages on one backbone.
#
# 1. The **region proposal network** (RPN) slides a 3 x 3 window over the feature map. At each cell it says of each anchor
#    "object or not", and four deltas. The best boxes, decoded, clipped to the image and suppressed, are the proposals.
#    It knows no classes.
# 2. The **box head** gets each proposal's features through RoI Align. It says which class, or background, and corrects
#    the box once more, with four deltas *for each class*.

# %% role="figure" name="pipeline" alt="Image, backbone, then the RPN with its two losses, object or not and the RPN's box. Its proposals and the backbone's map meet in RoI Align; the box head follows, with the losses which class and its box; then decoding and suppression for each class."
figures.pipeline_figure()

# %% [markdown]
# Four losses, added: objectness, the RPN's box, class, and final box. No gradient flows through the proposals'
# coordinates; the RPN learns where boxes are from its own loss.
#
# The box losses use **smooth L1**, a parabola near 0 and a line beyond $\beta = 1/9$. A wild error must not shout:
#
# $$\ell(e) = \begin{cases} e^2 / (2 \beta) & |e| < \beta \\ |e| - \beta / 2 & \text{else} \end{cases}$$
#
# For the RPN, with $S$ the anchors that were drawn, $o_i$ the logit, $p_i$ 1 for a positive and 0 for a negative:
#
# $$L_\text{obj} = \frac{1}{|S|} \sum_{i \in S} \text{BCE}(o_i, p_i), \qquad
#   L_\text{box} = \frac{1}{|S|} \sum_{i:\, p_i = 1} \sum_{k=1}^{4} \ell(d_{ik} - t_{ik})$$
#
# Negatives have no box, so only positives count in the second sum. But it is divided by *all* of $S$.
#
# ### Exercise 8 · The two losses of the RPN
#
# Difficulty 3 of 5, about fifteen minutes, 3 points. `F.binary_cross_entropy_with_logits` and `F.smooth_l1_loss` may be
# used. Where nothing was drawn, both losses are 0.


# %% role="solution" name="rpn_loss"
def rpn_loss(objectness, deltas, labels, targets):
    """objectness (A,) logits; deltas, targets (A, 4); labels (A,): 1 positive, 0 negative, -1 not drawn.

    Return the objectness loss and the box loss.
    """
    # 1. Who was drawn, and who is positive, by `labels`?
    # 2. Two sums, both divided by how many were drawn.
    ### BEGIN SOLUTION
    drawn, positive = labels >= 0, labels == 1
    count = max(int(drawn.sum()), 1)
    objectness_loss = F.binary_cross_entropy_with_logits(objectness[drawn], labels[drawn], reduction="sum")
    box_loss = F.smooth_l1_loss(deltas[positive], targets[positive], beta=1 / 9, reduction="sum")
    return objectness_loss / count, box_loss / count
    ### END SOLUTION


# %% role="test" name="rpn_loss"
check("rpn_loss", rpn_loss)
### BEGIN HIDDEN TESTS
check.grade("rpn_loss", rpn_loss)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="rpn_loss"
# Hints for `rpn_loss`.

# %% [markdown]
# ### What the second stage learns from
#
# The box head is trained on proposals. In the first steps these are bad: none overlaps anything. So the true boxes join
# them. Each RoI is matched at one threshold, 0.5, without neutral ones and without a rescue: a box that overlaps a ball
# by a fifth is no example of a ball. Class 0 is background.
#
# ### Exercise 9 · Training targets of the second stage
#
# Difficulty 4 of 5, about twenty minutes, 4 points. Build it from `det.box_iou`, `det.match_anchors` and
# `det.encode_boxes`.


# %% role="solution" name="box_head_targets"
def box_head_targets(proposals, boxes, labels, iou_threshold=0.5, weights=(10, 10, 5, 5)):
    """proposals (P, 4), true boxes (G, 4), labels (G,) from 1 on.

    Return rois (P + G, 4), proposals first; classes (P + G,), 0 for background; targets (P + G, 4), the encoded
    true boxes, 0 for background; matches (P + G,), the number of the true box, -1 for background.
    """
    # 1. Join `proposals` and `boxes`.
    # 2. Match them with the true boxes.
    # 3. Fill in classes and encoded boxes where there is a match.
    ### BEGIN SOLUTION
    rois = torch.cat([proposals, boxes])
    iou = det.box_iou(boxes, rois)
    matches = det.match_anchors(iou, iou_threshold, iou_threshold, low_quality=False)
    positive = matches >= 0
    owner = matches[positive]
    classes = torch.zeros(len(rois), dtype=torch.int64)
    classes[positive] = labels[owner]
    targets = torch.zeros(len(rois), 4)
    targets[positive] = det.encode_boxes(boxes[owner], rois[positive], weights)
    return rois, classes, targets, matches
    ### END SOLUTION


# %% role="test" name="box_head_targets"
check("box_head_targets", box_head_targets)
### BEGIN HIDDEN TESTS
check.grade("box_head_targets", box_head_targets)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="box_head_targets"
# Hints for `box_head_targets`.

# %% [markdown]
# The head's own losses, `det.box_head_loss`, are a cross-entropy over all RoIs, and smooth L1 of the deltas *for the true
# class* of the positives. The guesses for other classes get no gradient.
#
# ## Slow, fast, faster
#
# The three R-CNNs differ in what is computed once an image and what for each of 2000 boxes, and in what is trained.

# %% role="figure" name="family" alt="Three rows of stations. R-CNN: image and selective search are fixed; crop, CNN and SVMs run for each box. Fast R-CNN: the CNN runs once an image, RoI Pool and a small head for each box. Faster R-CNN: the RPN replaces selective search and runs once an image."
figures.family_figure()

# %% [markdown]
# | | proposals from | the CNN runs | trained | seconds an image |
# |---|---|---|---|---|
# | **R-CNN** (2014) | selective search | once a *box*, on its crop | CNN, then SVMs, then regression, one after the other | 47 |
# | **Fast R-CNN** (2015) | selective search | once an *image* | CNN and head together; the proposals are fixed | 1.8, of which the search takes 1.5 |
# | **Faster R-CNN** (2015) | the RPN, on the same features | once an *image* | everything, four losses | 0.2 |
#
# The times are the papers', with VGG-16 on the GPUs of their years. Read the last column from top to bottom: each time
# the slowest part was found and shared, and what remained slow was the next paper.
#
# ## Without a second stage
#
# If the RPN predicted classes, one could stop after it. That is **YOLO**: each cell of a grid predicts $B$ boxes, five
# numbers each (four deltas and a confidence), and the scores of $C$ classes once. So the output is
#
# $$S \times S \times (5 B + C)$$

# %% role="given" name="yolo"
yolo = det.yolo_target_shape(19, anchors=5, classes=20)
yolo, math.prod(yolo)  # 19 x 19 x (5 x 5 + 20)

# %% [markdown]
# One pass, one tensor: fast. But all boxes of a cell share one class, and nobody looks at a box a second time with
# features of its own.
#
# And without anchors? **CornerNet** looks for corners: one heat map for upper left corners, one for lower right ones. Each
# corner also gets an **embedding**, and two corners are one box if their embeddings are alike. **DETR** asks neither
# where nor how large: a fixed number of queries answer all at once, in any order, and the loss first finds the cheapest
# one-to-one **matching of sets** between answers and true boxes. Each object has one answer, so there is nothing left
# to suppress.

# %% role="figure" name="other-ways" alt="Left, YOLO: a 7 by 7 grid, the cells with the things' centres are tinted. Middle, CornerNet: upper left and lower right corners of each thing in one colour. Right, DETR: five of nine queries are joined by a line to one object each, four say no object."
figures.other_ways_figure()

# %% [markdown]
# ## Experiment: how many proposals does it take?
#
# Train a Faster R-CNN, made of this chapter's pieces and chapter 04's RoI Align, on rendered scenes with six kinds of
# things. The backbone knows ImageNet; neck, RPN and head are new. On two cores it takes about two minutes; interrupted, the
# cell goes on where it was.
#
# Before you run it, guess: a scene has six things. Of how many boxes, drawn at random from the 9216 anchors, does
# one fit each thing at IoU 0.5? And how many of the RPN's best ones?

# %% role="experiment" name="train" alt="The training loss falls over 300 steps."
if not device.while_grading():
    network = experiment.train_detector(experiment.detector(), keep="runs")

# %% role="experiment" name="recall" alt="Recall against number of proposals, on a logarithmic axis. The network's curve rises early, at IoU 0.5 higher than at 0.7; that of random anchors stays near the bottom."
if not device.while_grading():
    display(experiment.recall_figure(experiment.recalls(network)))

# %% [markdown]
# With 300 steps on a CPU and three seeds, the first 10 proposals fit 0.53 to 0.56 of the things, the first 50 fit 0.81 to 0.83.
# Fifty anchors drawn at random fit 0.05. At IoU 0.7 the first 50 proposals fit 0.56 to 0.57: the RPN points at things; to
# fit them closely is the second stage's work. What no proposal fits, the second stage never sees.

# %% role="experiment" name="detections" alt="Four unseen scenes with their true boxes in blue. Below them what the network finds, in orange, with classes and scores."
if not device.while_grading():
    display(experiment.detections_figure(network))

# %% role="experiment" name="precision" alt="No picture: two lines with the box AP at IoU 0.5 and at 0.75."
if not device.while_grading():
    images, targets = experiment.unseen()
    _, detections = experiment.detect(network, images)
    for iou in (0.5, 0.75):
        print(f"box AP at IoU {iou}: {experiment.average_precision_at(detections, targets, iou):.2f}")

# %% [markdown]
# The same three seeds gave a box AP of 0.64 to 0.65 at IoU 0.5 and 0.28 to 0.33 at IoU 0.75. AP asks for both stages at once:
# is there a box for each thing, has it the right class, and do good boxes have better scores than bad ones? Chapter 10
# builds COCO's measure in full, and adds a mask to each box.

# %% [markdown]
# ## Common mistakes
#
# - Widths with one added: a habit from pixel numbers. It makes small boxes overlap that do not touch.
# - A negative width times a negative height: boxes that are far apart overlap.
# - 0 / 0 for a box without area. One NaN in a batch, and the weights are gone.
# - x and y, or height and width, exchanged: `image_size` is (height, width), boxes begin with x.
# - Anchors in another order than the network's flattened output. It still learns, badly.
# - Deltas encoded with one set of weights and decoded with another.
# - Neutral anchors counted as negatives.
# - An image without any object: the losses must be 0 with a gradient, not NaN.

# %% [markdown] role="essay" name="two-stages" points=2
# ## In your own words
#
# A colleague wants to detect bolts, about ten pixels large, that lie in dense heaps. The detector is a Faster R-CNN with
# stride 16, anchors of 128, 256 and 512 pixels and suppression at IoU 0.3. Name three of its choices that will fail here,
# say how each failure shows, and what you would change. (2 points)
#
# <!-- BEGIN SOLUTION -->
# Anchors: no anchor comes near an IoU of 0.7 with a bolt of ten pixels; nearly all of them are negative, and the few
# rescued ones have targets of log(10/128), far from 0. The recall of the proposals is low whatever their number. Take
# anchors of about 8 to 20 pixels. Stride: at stride 16 a bolt is less than one cell, so several bolts share a cell and
# its features; small things are missed or merged. Read from a finer map, stride 4 or 8, for instance with a feature
# pyramid. Suppression at 0.3: in a heap true boxes overlap by more than that, so a right detection drops its right
# neighbour; recall falls exactly where things are dense. Raise the threshold, to 0.6 or so, or use a method that does
# not suppress. (Also: the number of proposals must exceed the number of bolts.)
# <!-- END SOLUTION -->

# %% [markdown]
# ## References
#
# - S. Ren, K. He, R. Girshick, J. Sun, [Faster R-CNN](https://arxiv.org/abs/1506.01497), NeurIPS 2015: anchors, matching
#   and losses in section 3; table 5 has the times.
# - R. Girshick, [Fast R-CNN](https://arxiv.org/abs/1504.08083), ICCV 2015: section 2.3 is `box_head_loss`.
# - R. Girshick, J. Donahue, T. Darrell, J. Malik, [R-CNN](https://arxiv.org/abs/1311.2524), CVPR 2014: the four numbers
#   are in appendix C.
# - H. Rezatofighi et al., [Generalized intersection over union](https://arxiv.org/abs/1902.09630), CVPR 2019.
# - J. Redmon, S. Divvala, R. Girshick, A. Farhadi, [YOLO](https://arxiv.org/abs/1506.02640), CVPR 2016.
# - H. Law, J. Deng, [CornerNet](https://arxiv.org/abs/1808.01244), ECCV 2018.
# - N. Carion et al., [DETR](https://arxiv.org/abs/2005.12872), ECCV 2020.
#
# **Next:** chapter 10 adds a mask to each box.
