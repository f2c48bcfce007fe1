# %% [markdown]
# # 10 · Mask R-CNN
#
# A box says roughly where a thing is. A hand that is to grasp it, or a program that cuts it out, needs its outline. This
# chapter adds a third branch to chapter 09's detector: in each box, a small fully convolutional network draws a mask.
#
# **Afterwards you can**
#
# - build the mask head, and say why it has one mask a class and no softmax;
# - make a box's target with RoI Align, and see what rounding costs;
# - paste a small mask back into the image at the right half pixel;
# - turn the same idea to keypoints, where positions compete;
# - compute COCO's average precision of masks, crowds included.
#
# **You need** RoI Align (chapter 04), fully convolutional networks (chapter 06) and Faster R-CNN (chapter 09).
#
# **It takes** about 180 minutes. **Exercises:** 9 with 26 points, and one question in words with 2.

# %% role="setup" name="setup"
import torch
import torch.nn.functional as F
from torch import nn

from dlcv import detection as det
from dlcv import device
from dlcv import mask_rcnn as mr
from dlcv import roi_align as ra
from dlcv.mask_rcnn import experiment, figures
from dlcv.mask_rcnn.exercises import check
from dlcv.mask_rcnn.widget import roi_widget

# %% [markdown]
# ## Why
#
# A map of classes (chapters 06 to 08) knows outlines but cannot count. Boxes (chapter 09) can count but know no outlines.
# **Instance segmentation** wants both: for each thing its class, its box, and its pixels.

# %% role="figure" name="wanted" alt="A rendered room with a striped box, two cans, a ball and a cone, three times: as it is, with a coloured box around each thing, and with each thing filled in its colour up to its outline."
figures.wanted_figure()

# %% [markdown]
# One could segment first and then group pixels into things. Mask R-CNN goes the other way round: **detect first**. Then
# each box holds one thing, and all that is left to ask is "thing or not?", in a small window that is the same for all.

# %% role="figure" name="branches" alt="Image, backbone, RPN and RoI Align; from there two ways: 7 by 7 features to the box head with class and box, and 14 by 14 features to the mask head with K masks of 28 by 28. Each of the three outputs has a loss."
figures.branches_figure()

# %% [markdown]
# Three losses are added (besides the two of the RPN, chapter 09):
#
# $$L = L_\text{cls} + L_\text{box} + L_\text{mask}$$
#
# In training the mask head sees the same sampled proposals as the box head, in parallel. Afterwards it sees only the
# corrected boxes of the final detections: they are few, and fit better.
#
# ## The mask head
#
# A class or a box is a handful of numbers; a fully connected layer may mix the whole window to get them. A mask has a
# *layout*: cell (2, 5) of the answer is about place (2, 5) of the box. Convolutions keep that.
#
# - four 3 x 3 convolutions on 14 x 14 features, with ReLU;
# - a transposed convolution (2 x 2, stride 2) to 28 x 28, with ReLU;
# - a 1 x 1 convolution to $K$ channels: one mask **for each class**.
#
# With the 80 classes of COCO that is

# %% role="given" name="logits"
80 * 28 * 28  # logits for each box

# %% [markdown]
# ### Exercise 1 · The mask head
#
# Difficulty 2 of 5, about fifteen minutes, 3 points. Return logits: no sigmoid at the end.


# %% role="solution" name="MaskHead"
class MaskHead(nn.Module):
    """`layers` 3x3 convolutions with `hidden` channels, one that doubles the size, one that says K logits a cell.

    forward: features (R, in_channels, bins, bins) to logits (R, num_classes, 2 * bins, 2 * bins).
    """

    def __init__(self, in_channels, num_classes, hidden=256, layers=4):
        super().__init__()
        # 1. The convolutions, each with a ReLU: `in_channels` to `hidden`, then `hidden` to `hidden`.
        # 2. `nn.ConvTranspose2d`, 2x2 with stride 2, and the last convolution, 1x1.
        ### BEGIN SOLUTION
        steps = []
        for number in range(layers):
            steps.append(nn.Conv2d(in_channels if number == 0 else hidden, hidden, 3, padding=1))
            steps.append(nn.ReLU())
        self.convolutions = nn.Sequential(*steps)
        self.up = nn.ConvTranspose2d(hidden, hidden, 2, stride=2)
        self.logits = nn.Conv2d(hidden, num_classes, 1)
        ### END SOLUTION

    def forward(self, features):
        ### BEGIN SOLUTION
        x = self.convolutions(features)
        x = torch.relu(self.up(x))
        return self.logits(x)
        ### END SOLUTION


# %% role="test" name="MaskHead"
check("MaskHead", MaskHead)
### BEGIN HIDDEN TESTS
check.grade("MaskHead", MaskHead)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="MaskHead"
# Hints for `MaskHead`.

# %% [markdown]
# ## What is a box's mask to be?
#
# The head answers in the box's own window. So the target is the true mask, *seen through that window*. A proposal rarely
# fits: what sticks out is lost, and beside the thing there is background.

# %% role="figure" name="target" alt="A striped box with an orange grid of 14 by 14 cells laid over it, a little too low. Beside it the share of each cell that is object, in blue, and the target: cells of which at least half is object."
figures.target_figure()

# %% [markdown]
# And which operation reads a map through a box? The one that reads the features: RoI Align, with a mask as its map. Features
# and target must be read at the same places. If the one is rounded and the other not, the head learns masks that are
# shifted, a little differently for each box.
#
# A cell of the window is often larger than a pixel, so one sample in its middle is not enough. Without a sampling ratio,
# `ra.roi_align` takes one for each pixel.
#
# ### Exercise 2 · What a box's mask should be
#
# Difficulty 3 of 5, about fifteen minutes, 3 points. `ra.roi_align` of chapter 04 may be used.


# %% role="solution" name="mask_targets"
def mask_targets(masks, boxes, matched, size):
    """masks (G, H, W) of one image; boxes (R, 4) as x1, y1, x2, y2; matched (R,): whose mask each box has found.

    Return (R, size, size) bool: is at least half of the cell object?
    """
    # 1. RoIs: the number of the map, `matched`, in front of each of the `boxes`.
    # 2. `ra.roi_align` on `masks` as maps of one channel, aligned.
    # 3. At least a half.
    ### BEGIN SOLUTION
    rois = torch.cat([matched[:, None].float(), boxes], 1)
    shares = ra.roi_align(masks[:, None].float(), rois, size, aligned=True)
    return shares[:, 0] >= 0.5
    ### END SOLUTION


# %% role="test" name="mask_targets"
check("mask_targets", mask_targets)
### BEGIN HIDDEN TESTS
check.grade("mask_targets", mask_targets)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="mask_targets"
# Hints for `mask_targets`.

# %% [markdown]
# ## A loss on one channel
#
# A box holds a can. Channel "can" is asked for the can's mask. And the other channels: should "ball" say that nothing in
# here is ball? In a map of classes it would have to, since the classes compete there, by a softmax at each pixel.
#
# Here they need not. Which class it is, the box head says already. So with a sigmoid $\sigma$ at each cell, and $k_r$ the
# *true* class of box $r$:
#
# $$L_\text{mask} = \frac{1}{R M^2} \sum_{r} \sum_{i, j} \text{BCE}\left(\sigma(z_{r k_r i j}),\, t_{r i j}\right)$$
#
# All other channels stand nowhere in this sum. Their gradient is exactly 0.

# %% role="figure" name="channels" alt="Six small masks in blue: ball, box, can, cone, lamp, table, with can in a frame. Below, their gradients: only that of can is coloured, the other five are empty."
figures.channels_figure()

# %% [markdown]
# The paper tried both: with a softmax over classes and without competition, and found 24.8 and 30.3 mask AP. Deciding
# *what* and *where* in two branches is worth five points and a half.
#
# ### Exercise 3 · A loss on one channel
#
# Difficulty 2 of 5, about twelve minutes, 3 points. A label is the number of its channel, 0 to K - 1. Only boxes that found
# an object are given; there may be none, and then the loss is 0 with a gradient, not NaN.


# %% role="solution" name="mask_loss"
def mask_loss(logits, labels, targets):
    """logits (R, K, M, M); labels (R,) true classes; targets (R, M, M) bool; return the mean over boxes and cells."""
    # 1. Of each box the channel of its label.
    # 2. `F.binary_cross_entropy_with_logits`, as a sum, divided by the cells that were asked.
    ### BEGIN SOLUTION
    chosen = logits[torch.arange(len(labels)), labels]
    total = F.binary_cross_entropy_with_logits(chosen, targets.float(), reduction="sum")
    return total / max(chosen.numel(), 1)
    ### END SOLUTION


# %% role="test" name="mask_loss"
check("mask_loss", mask_loss)
### BEGIN HIDDEN TESTS
check.grade("mask_loss", mask_loss)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="mask_loss"
# Hints for `mask_loss`.

# %% [markdown]
# ## Which of the K masks?
#
# At inference nobody knows the true class. The box head has chosen one; its channel is the mask. Not the loudest
# channel: nobody has ever taught the others to be quiet.
#
# ### Exercise 4 · Which of the K masks
#
# Difficulty 1 of 5, about six minutes, 2 points.


# %% role="solution" name="select_masks"
def select_masks(logits, labels):
    """logits (R, K, M, M); labels (R,) predicted classes; return probabilities (R, M, M)."""
    # Of each box the channel of its label, through a `sigmoid`.
    ### BEGIN SOLUTION
    chosen = logits[torch.arange(len(labels)), labels]
    return chosen.sigmoid()
    ### END SOLUTION


# %% role="test" name="select_masks"
check("select_masks", select_masks)
### BEGIN HIDDEN TESTS
check.grade("select_masks", select_masks)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="select_masks"
# Hints for `select_masks`.

# %% [markdown]
# ## Paste
#
# The last step is the first one backwards: 28 x 28 cells go back into a box that lies between the pixels. The tempting
# way is to round the box, resize the mask to it, and copy. Look at what that does to a thing of twenty pixels:

# %% role="figure" name="paste" alt="A ball behind a box; its mask of 14 by 14 cells; pasted into the box as it is, IoU 1.00; pasted into the rounded box, IoU 0.93, with an orange border on one side and a blue one on the other."
figures.paste_figure()

# %% [markdown]
# The head did nothing wrong, and the IoU is 0.93. At the strictest of COCO's thresholds, 0.95, this perfect mask is a
# false alarm.
#
# So turn it round, as always when images are resampled: do not push cells into the image, but ask for each *pixel* where
# in the window its centre lies. The centre of pixel $i$ is at $i + \frac12$; in units in which the box reaches from -1 to
# 1, as `F.grid_sample` counts:
#
# $$u = 2 \cdot \frac{j + \frac12 - x_1}{x_2 - x_1} - 1, \qquad v = 2 \cdot \frac{i + \frac12 - y_1}{y_2 - y_1} - 1$$
#
# ### Exercise 5 · Paste
#
# Difficulty 4 of 5, about 25 minutes, 4 points. `F.grid_sample` may be used. Outside of the window is nothing. A box
# without area gets nothing. With `threshold` None the probabilities themselves are wanted.


# %% role="solution" name="paste_masks"
def paste_masks(masks, boxes, image_size, threshold=0.5):
    """masks (R, M, M) probabilities; boxes (R, 4) as x1, y1, x2, y2; image_size (height, width).

    Return (R, height, width): bool, or probabilities where threshold is None.
    """
    # 1. For each box: where the pixels' centres lie between its borders, down and across, from -1 to 1.
    # 2. A grid (height, width, 2) of (x, y), and `F.grid_sample`.
    # 3. The `threshold`, if there is one.
    ### BEGIN SOLUTION
    height, width = image_size
    pasted = torch.zeros(len(masks), height, width)
    for number, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        if x2 <= x1 or y2 <= y1:
            continue
        y = (torch.arange(height) + 0.5 - y1) / (y2 - y1) * 2 - 1
        x = (torch.arange(width) + 0.5 - x1) / (x2 - x1) * 2 - 1
        grid = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), -1)
        pasted[number] = F.grid_sample(masks[number][None, None], grid[None], align_corners=False)[0, 0]
    return pasted if threshold is None else pasted >= threshold
    ### END SOLUTION


# %% role="test" name="paste_masks"
check("paste_masks", paste_masks)
### BEGIN HIDDEN TESTS
check.grade("paste_masks", paste_masks)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="paste_masks"
# Hints for `paste_masks`.

# %% [markdown]
# ## Keypoints: the same window, another question
#
# Where is the left elbow? Mask R-CNN answers with the same machinery: a map for each **keypoint** in the box's window. But
# a mask has many cells that are on, and a keypoint one.

# %% role="figure" name="keypoint" alt="The striped box with a dot on its highest point, in an orange frame. Beside it its mask, with more than half of the cells on, and the keypoint's map, with a single cell on at the upper border."
figures.keypoint_figure()

# %% [markdown]
# Which cell? For a box from $x_1$ to $x_2$ and $S$ cells
#
# $$j = \left\lfloor \frac{x - x_1}{x_2 - x_1} S \right\rfloor$$
#
# and the same for rows. A point exactly on the last border would fall into cell $S$, which does not exist; it belongs to
# the last one. A point that is not in the box cannot be found there, and one that nobody has marked (visibility 0) teaches
# nothing.
#
# ### Exercise 6 · One cell is on
#
# Difficulty 2 of 5, about ten minutes, 2 points. The map is flattened: one whole number says which cell.


# %% role="solution" name="keypoint_targets"
def keypoint_targets(keypoints, boxes, size):
    """keypoints (R, K, 3) as x, y, visibility; boxes (R, 4) as x1, y1, x2, y2.

    Return targets (R, K), row * size + column, 0 where a point does not count; and valid (R, K), whether it counts.
    """
    # 1. Column and row of each point, rounded down; the last borders belong to the last cells.
    # 2. A point counts if its cell exists and its visibility is above 0.
    ### BEGIN SOLUTION
    x, y, visibility = keypoints.unbind(2)
    x1, y1, x2, y2 = boxes[:, :, None].unbind(1)
    column = ((x - x1) / (x2 - x1) * size).floor()
    row = ((y - y1) / (y2 - y1) * size).floor()
    column = torch.where(x == x2, size - 1, column)
    row = torch.where(y == y2, size - 1, row)
    valid = (column >= 0) & (column < size) & (row >= 0) & (row < size) & (visibility > 0)
    return torch.where(valid, row * size + column, 0).long(), valid
    ### END SOLUTION


# %% role="test" name="keypoint_targets"
check("keypoint_targets", keypoint_targets)
### BEGIN HIDDEN TESTS
check.grade("keypoint_targets", keypoint_targets)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="keypoint_targets"
# Hints for `keypoint_targets`.

# %% [markdown]
# The loss follows from the question. In a mask each cell is right or wrong by itself: a sigmoid. A keypoint is in one
# place only, so the *positions* of a map compete: a softmax over all $S^2$ of them. In a mask, classes do not compete
# and neither do places; in a keypoint's map places do.
#
# $$L = -\frac{1}{|V|} \sum_{(r, k) \in V} \log \text{softmax}(z_{r k})_{t_{r k}}$$
#
# ### Exercise 7 · Positions compete
#
# Difficulty 2 of 5, about ten minutes, 2 points. $V$ are the keypoints that count. If none does, the loss is 0 with a
# gradient.


# %% role="solution" name="keypoint_loss"
def keypoint_loss(logits, targets, valid):
    """logits (R, K, S, S); targets (R, K) right cells; valid (R, K) bool; return the mean over those that count."""
    # A classification among S * S positions: `F.cross_entropy` of the valid ones.
    ### BEGIN SOLUTION
    positions = logits.flatten(2)[valid]
    total = F.cross_entropy(positions, targets[valid], reduction="sum")
    return total / max(int(valid.sum()), 1)
    ### END SOLUTION


# %% role="test" name="keypoint_loss"
check("keypoint_loss", keypoint_loss)
### BEGIN HIDDEN TESTS
check.grade("keypoint_loss", keypoint_loss)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="keypoint_loss"
# Hints for `keypoint_loss`.

# %% [markdown]
# ## What else can a head say?
#
# Step back. The backbone runs once. RoI Align makes of every box, near or far, wide or narrow, the same small square of
# features, each cell about its own place in the box. What is asked of that square is up to the head.

# %% role="figure" name="regions" alt="A box and RoI Align, from which six arrows go to six heads with their outputs: class and box, mask, keypoints, sentence, body surface, 3D shape; beside each the paper and its year."
figures.regions_figure()

# %% [markdown]
# - **DenseCap** (2016) reads the square with a recurrent network that says a sentence: "a man in a plaid shirt". One box,
#   one caption.
# - **DensePose** (2018) asks each cell which part of the body's surface it shows, and where on that part: a mask with
#   coordinates.
# - **Mesh R-CNN** (2019) predicts coarse voxels, turns them into a mesh, and bends that until it fits. Its vertices read
#   the features where they project to: RoI Align at single points.
#
# Three things are common to all of them. The head sees one object, in a frame of its own, so it need not say which one
# it means. It is as good as its box: what the box misses, no head sees. And each costs little, since backbone and boxes
# are there already: you will train three at once below.
#
# ## How good is it? Average precision
#
# A detector returns a list with scores. How many of its entries to believe is up to the user: few and sure, or many and
# doubtful. **Average precision** (AP) judges the whole list.
#
# ### Who found what
#
# First each detection gets a verdict, at one IoU threshold, say 0.5, class by class and image by image. Detections choose
# in the order of their scores:
#
# 1. Each takes, among the objects that are **still free** and fit well enough, the one that fits **best**: a hit. So the
#    second detection of an object finds it taken, and is a false alarm.
# 2. If there is none, it may fall to a **crowd**: a region such as "many people", in which nobody has outlined single
#    ones. Then it is ignored, neither hit nor false alarm. For a crowd, "fits" means that it covers enough *of the
#    detection*, and it is never used up.
# 3. Else it is a false alarm.
#
# ### Exercise 8 · Who found what
#
# Difficulty 4 of 5, about twenty minutes, 3 points. An IoU of exactly the threshold is enough.


# %% role="solution" name="match_detections"
def match_detections(iou, crowd, threshold):
    """iou (D, G), rows in the order of scores, best first; crowd (G,) bool.

    Return (D,) int64: 1 hit, 0 false alarm, -1 ignored.
    """
    # Row by row: the best object that is free and fits; else a crowd that fits; else nothing.
    ### BEGIN SOLUTION
    free = ~crowd
    verdicts = []
    for row in iou:
        fits = row >= threshold
        if (fits & free).any():
            best = torch.where(fits & free, row, -1.0).argmax()
            free[best] = False
            verdicts.append(1)
        elif (fits & crowd).any():
            verdicts.append(-1)
        else:
            verdicts.append(0)
    return torch.tensor(verdicts, dtype=torch.int64)
    ### END SOLUTION


# %% role="test" name="match_detections"
check("match_detections", match_detections)
### BEGIN HIDDEN TESTS
check.grade("match_detections", match_detections)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="match_detections"
# Hints for `match_detections`.

# %% [markdown]
# ### From verdicts to one number
#
# All images' detections stand in one row, best score first. After each one:
#
# $$\text{precision} = \frac{\text{hits}}{\text{hits} + \text{false alarms}}, \qquad
#   \text{recall} = \frac{\text{hits}}{\text{objects}}$$

# %% role="figure" name="precision" alt="Left: ten bars, best score first, hits in blue and false alarms in orange. Right: precision against recall after each detection as a grey zigzag, and blue dots that run along its upper envelope and drop to 0 where recall ends; AP is 0.605."
figures.precision_figure()

# %% [markdown]
# Going down the list, recall can only grow; precision zigzags. COCO reads it at 101 recalls, $0, 0.01 \dots 1$. At
# recall $r$ it takes the largest precision **at that recall or more**: whoever wants recall $r$ may as well go on to where
# it is better. That is the **envelope**. Where recall never comes, precision is 0. AP is the mean of the 101 readings.
#
# ### Exercise 9 · Mask AP
#
# Difficulty 5 of 5, about 30 minutes, 4 points. One class, one threshold, many images. `mr.match_detections` may be used.
# Per image only the 100 best detections count. Without any object (other than crowds) AP is NaN.


# %% role="solution" name="mask_ap"
def mask_ap(predictions, targets, iou_threshold=0.5):
    """predictions: of each image a dict with `scores` (D,) and `masks` (D, H, W) bool, in any order.
    targets: of each image a dict with `masks` (G, H, W) bool and `iscrowd` (G,), 0 or 1.

    Return AP, a float.
    """
    # 1. Image by image: the 100 best, the IoU of their `masks`, the verdicts of `mr.match_detections`.
    # 2. All verdicts in the order of `scores`: precision and recall after each.
    # 3. The envelope at 101 recalls, and the mean.
    ### BEGIN SOLUTION
    scores, verdicts, count = [], [], 0
    for found, true in zip(predictions, targets, strict=True):
        order = found["scores"].argsort(descending=True, stable=True)[:100]
        masks, objects = found["masks"][order].flatten(1).float(), true["masks"].flatten(1).float()
        crowd = true["iscrowd"].bool()
        intersection = masks @ objects.T
        area = masks.sum(1)[:, None]
        union = torch.where(crowd, area, area + objects.sum(1) - intersection)
        iou = torch.where(union > 0, intersection / union, 0.0)
        verdicts.append(mr.match_detections(iou, crowd, iou_threshold))
        scores.append(found["scores"][order])
        count += int((~crowd).sum())
    if count == 0:
        return float("nan")
    ranked = torch.cat(verdicts)[torch.cat(scores).argsort(descending=True, stable=True)]
    hits, alarms = (ranked == 1).cumsum(0), (ranked == 0).cumsum(0)
    precision = hits / (hits + alarms).clamp(min=1)
    recall = hits / count
    readings = []
    for wanted in torch.arange(101) / 100:
        reached = precision[recall >= wanted]
        readings.append(float(reached.max()) if len(reached) else 0.0)
    return sum(readings) / 101
    ### END SOLUTION


# %% role="test" name="mask_ap"
check("mask_ap", mask_ap)
### BEGIN HIDDEN TESTS
check.grade("mask_ap", mask_ap)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="mask_ap"
# Hints for `mask_ap`.

# %% [markdown]
# COCO's headline number, **AP**, is the mean of this over all classes and over ten thresholds, 0.5, 0.55 ... 0.95. **AP50**
# and **AP75** are those at one threshold. AP50 asks whether things are found; AP75 and above ask how well they are outlined.
# `mr.average_precision` computes all of them, for masks and for boxes.
#
# ### On a real photograph
#
# People at a table, from PASCAL VOC, with 19 things outlined by hand. A detector (we made its mistakes up) has looked at it:
# some things it found twice, for some it has the wrong class, and some of its boxes are on nothing. Its masks are
# probabilities.

# %% role="given" name="photograph"
truth, guesses = figures.truth(), figures.guesses()
found = guesses | {"masks": guesses["probabilities"] >= 0.5}
before = mr.average_precision([found], [truth])
{name: round(before[name], 3) for name in ("AP", "AP50", "AP75")}

# %% role="figure" name="found" alt="A photograph of people at tables. Left: each of 19 things filled with a colour of its own. Right: what was found; hits have blue outlines, false alarms orange ones, many of them double or on nothing."
figures.photograph_figure(found)

# %% [markdown]
# **Now improve it**, without looking at the truth. Below are three numbers for you to change: from which probability on a
# pixel is object, above which overlap of boxes the worse one of a class is dropped (1.0 drops nothing), and below which
# score a detection is left out. Before you run it: which of the three can raise AP75 most? Which of them can *never* raise
# AP, however you choose it?

# %% role="given" name="improve"
threshold, overlap, least_score = 0.5, 1.0, 0.0  # yours to change
kept = det.batched_nms(guesses["boxes"], guesses["scores"], guesses["labels"], overlap)
kept = kept[guesses["scores"][kept] >= least_score]
better = {name: value[kept] for name, value in guesses.items()}
better["masks"] = better["probabilities"] >= threshold
after = mr.average_precision([better], [truth])
{name: (round(before[name], 3), round(after[name], 3)) for name in ("AP", "AP50", "AP75")}

# %% [markdown]
# <details><summary>What we found</summary>
#
# The masks are too fat: a threshold of 0.8 takes AP75 from 0.37 to 0.63. Dropping doubles helps little here, and leaving out
# low scores never does: AP reads the list from its best end, and a false alarm behind the last hit costs nothing. That is a
# weakness of the measure as much as a virtue. Nobody would show a user all of these detections.
#
# </details>
#
# ## Experiment: a Mask R-CNN on scenes
#
# Now train one, made of this chapter's and chapter 09's pieces, on rendered scenes with six kinds of things: balls, boxes,
# cans, cones, lamps and tables. To compare, it carries **two mask heads** on the same features and the same boxes. One reads
# them through RoI Align, the other through RoI Pool, and nothing else differs. A third head listens and learns five
# keypoints of each thing: its highest, lowest, leftmost and rightmost place, and the centre of what can be seen of it.
#
# On two cores it takes two to four minutes. It is saved in `runs/`, so you can close the lid in between. The things are
# small here, so the masks are 20 x 20.
#
# Before you run it, guess: what does the rounding cost at IoU 0.5, and what at 0.75?

# %% role="experiment" name="train" alt="The training loss falls over 360 steps."
if not device.while_grading():
    network = experiment.train_network(experiment.network(), keep="runs")

# %% role="experiment" name="detections" alt="Four unseen scenes with the true masks in colours. Below them what the network finds: masks in colours, boxes with class and score in orange."
if not device.while_grading():
    display(experiment.detections_figure(network))

# %% role="experiment" name="scores" alt="No picture: a table of AP, AP50 and AP75 for boxes and for the masks of both readers."
if not device.while_grading():
    print(experiment.score_table(experiment.score(network)))

# %% [markdown]
# Three seeds on a CPU, mean and standard deviation on 128 unseen scenes:
#
# | | AP | AP50 | AP75 |
# |---|---|---|---|
# | boxes | 0.354 ± 0.001 | 0.658 ± 0.006 | 0.337 ± 0.010 |
# | masks, RoI Align | 0.256 ± 0.001 | 0.456 ± 0.008 | 0.279 ± 0.005 |
# | masks, RoI Pool | 0.214 ± 0.004 | 0.408 ± 0.004 | 0.217 ± 0.013 |
#
# The boxes are the same in both rows of masks, and so are the features. With every seed RoI Align is ahead. At IoU 0.5 the
# rounding costs 4 to 6 points in a hundred, about a tenth of what there is. At 0.75 it costs 4 to 8, a sixth to a quarter:
# masks that are shifted by a pixel or two no longer pass.
#
# ### Which things are hard?
#
# AP is a mean over kinds, and a mean hides things. Guess first: which two of the six kinds have boxes that are as good as
# the others', but masks that are far worse? Look at the picture above again.

# %% role="experiment" name="kinds" alt="No picture: a table of the AP of boxes and masks for each of six kinds of things."
if not device.while_grading():
    print(experiment.kind_table(experiment.kind_scores(network)))

# %% [markdown]
# With the same three seeds:
#
# | AP | ball | box | can | cone | lamp | table |
# |---|---|---|---|---|---|---|
# | boxes | 0.46 to 0.50 | 0.32 to 0.34 | 0.24 to 0.25 | 0.33 to 0.37 | 0.32 to 0.36 | 0.37 to 0.39 |
# | masks | 0.47 to 0.50 | 0.33 to 0.35 | 0.25 to 0.27 | 0.38 to 0.39 | 0.02 to 0.03 | 0.03 to 0.04 |
#
# Lamps and tables: a pole or a leg is one to three pixels wide. One would blame the 20 x 20 cells of the masks. Do they
# lose the poles? That can be measured without any network. Take the *true* masks, read them into 20 x 20 cells, and paste
# them into the true boxes, then into boxes that are one pixel off, then two.

# %% role="experiment" name="one-pixel" alt="No picture: a table of the IoU of perfect masks for each of six kinds of things, with boxes moved by 0, 1 and 2 pixels."
if not device.while_grading():
    moved = {f"{pixels} pixels": experiment.perfect_masks_moved(pixels) for pixels in (0, 1, 2)}
    print(experiment.kind_table(moved))

# %% [markdown]
# | box is off by | ball | box | can | cone | lamp | table |
# |---|---|---|---|---|---|---|
# | 0 pixels | 1.00 | 0.99 | 1.00 | 0.99 | 0.94 | 0.90 |
# | 1 pixel | 0.80 | 0.82 | 0.77 | 0.69 | 0.53 | 0.57 |
# | 2 pixels | 0.66 | 0.69 | 0.62 | 0.51 | 0.36 | 0.44 |
#
# The cells are innocent: in true boxes perfect masks of all kinds keep an IoU of about 0.9 and more. But a box that is
# **one pixel** off costs a lamp nearly half of its IoU, and a ball a fifth. Most pixels of a thin thing are near its outline,
# so each error of the box is an error of the mask, and so is each cell that the head is unsure of. Such masks are the last
# thing that it learns: in one longer run, of 400 steps, lamps and tables came to an AP50 of 0.24 and 0.28; after 240 it had
# been 0.06 and 0.11. AP75 stays low. Chapter 11 spends its computing where the outlines are.
#
# ### Follow one box
#
# Choose a scene and a box. The dashed frame is the proposal, the orange one the box after its correction. Then look at
# the six masks: only one of them counts. Paste another one with the slider, "cone" for a ball. Is it empty? Nobody has
# asked it to be. Which threshold gives the best outline?

# %% role="widget" name="follow" alt="Sliders for scene, box, class and threshold. Below, from left to right: a scene with a box, bars of seven class scores, six small masks with one in a blue frame, and that mask pasted, enlarged."
if not device.while_grading():
    roi_widget(network)

# %% [markdown]
# ### And the keypoints?
#
# A fair question is always: compared with what? The best guess *without looking* puts each keypoint where it lies in an
# average box: the highest place in the middle of the upper border.

# %% role="experiment" name="keypoints" alt="Four unseen scenes with blue dots on the true keypoints of each thing and orange ones where the network finds them, joined by short lines."
if not device.while_grading():
    display(experiment.keypoints_figure(network))
    for name, (error, guess) in experiment.keypoint_errors(network).items():
        print(f"{name:7} {error:.1f} pixels from the true place; without looking {guess:.1f}")

# %% [markdown]
# With the same three seeds, mean distances from the true place, in pixels:
#
# | | top | bottom | left | right | centre |
# |---|---|---|---|---|---|
# | the network | 1.6 to 1.7 | 2.0 to 2.1 | 3.1 to 3.2 | 3.1 to 3.2 | 1.5 to 1.6 |
# | without looking | 1.6 | 2.4 | 5.1 | 5.0 | 2.1 |
#
# It has learned where a thing is leftmost, rightmost and lowest, and where its centre is. For the highest place, looking
# does not pay yet: most of these things are upright and symmetric, so the middle of the upper border is a good guess, and a
# cell is about a pixel wide. Without the second row of the table one would not have known.
#
# ## Common mistakes
#
# - A softmax over the classes of a mask: the branches fight over a question that the box head has answered.
# - A mask channel for background, or labels counted from 1 where channels count from 0.
# - At inference, the loudest channel instead of the predicted class's.
# - Targets read with another alignment than the features: all masks are shifted by half a cell.
# - Boxes rounded before pasting.
# - Mirrored images whose left keypoints are still called left.
# - AP without the envelope, or image by image instead of over all images.
# - An image without any object: the mask loss must be 0 with a gradient, not NaN.

# %% [markdown] role="essay" name="leaves" points=2
# ## In your own words
#
# A colleague wants to outline single leaves in photographs of hedges: hundreds an image, all alike, overlapping, many of them
# long and lying at an angle. The Mask R-CNN at hand has masks of 28 x 28, suppression at IoU 0.5, and was scored by AP50.
# Name two reasons why outlines or counts will be bad, say how each would show in AP50 and in AP75, and what you would
# change. (2 points)
#
# <!-- BEGIN SOLUTION -->
# Boxes: leaves at an angle fill little of their boxes, and boxes of overlapping leaves overlap by more than 0.5 although the
# leaves do not. Suppression drops right detections, so recall falls, in AP50 already. Suppress by the IoU of masks, raise
# the threshold, or use rotated boxes. Also, 100 detections an image cap the recall where there are hundreds. Masks: 28 x 28
# cells on a long leaf are coarse across it: the outline is off by a good part of its width. AP50 hardly sees it, AP75 falls.
# Take a finer mask (56 x 56, or PointRend of the next chapter). Two leaves of one class in one box: the head must find
# out which one is meant, as both look alike; masks take in parts of the neighbour, which again shows in AP75 first.
# Overlap makes true boxes ambiguous, so scores say little, and precision falls. AP50 alone hides the outlines: report AP75
# or the mean over thresholds.
# <!-- END SOLUTION -->

# %% [markdown]
# ## References
#
# - K. He, G. Gkioxari, P. Dollár, R. Girshick, [Mask R-CNN](https://arxiv.org/abs/1703.06870), ICCV 2017: losses in section
#   3, softmax against sigmoid in table 2b, RoI Align against RoI Pool in tables 2c and 2d, keypoints in section 5.
# - T.-Y. Lin et al., [Microsoft COCO](https://arxiv.org/abs/1405.0312), ECCV 2014; the measure is defined at
#   [cocodataset.org](https://cocodataset.org/#detection-eval).
# - M. Everingham et al., The PASCAL visual object classes (VOC) challenge, IJCV 2010: where the photograph comes from.
# - J. Johnson, A. Karpathy, L. Fei-Fei, [DenseCap](https://arxiv.org/abs/1511.07571), CVPR 2016.
# - R. A. Güler, N. Neverova, I. Kokkinos, [DensePose](https://arxiv.org/abs/1802.00434), CVPR 2018.
# - G. Gkioxari, J. Malik, J. Johnson, [Mesh R-CNN](https://arxiv.org/abs/1906.02739), ICCV 2019.
#
# **Next:** chapter 11 sharpens the masks' borders, point by point.
