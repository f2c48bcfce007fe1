# %% [markdown]
# # 07 · U-Net and SegNet
#
# FCN adds the scores of finer layers. This chapter hands over the layers themselves. One network keeps every map it
# has passed, the other keeps only where each maximum stood. Then the network learns from a single photograph to keep
# nuclei apart that touch.
#
# **Afterwards you can**
#
# - build a U-Net of any depth and base, padded or not, and say which image sizes it takes;
# - count its parameters by hand: 31,030,658;
# - build SegNet, and say what its pooling indices save and what they cost;
# - weight a loss so that touching cells stay apart;
# - deform images and their labels together, without inventing classes.
#
# **You need** unpooling (chapter 02), bilinear reading (04), metrics (05) and FCN (06).
#
# **It takes** about 130 minutes. **Exercises:** 7 with 21 points, and one question in words with 2.

# %% role="setup" name="setup"
import torch
from torch import nn

from dlcv import device, unet
from dlcv.unet import experiment, figures
from dlcv.unet.exercises import check
from dlcv.unet.widget import skips_widget

# %% [markdown]
# ## Why
#
# An FCN's skips are scores: at each fine pixel one number a class. But an edge is not yet a class. What if the decoder
# could see the fine *features*, and mix them itself with what the deep layers know?

# %% role="figure" name="network" alt="A U of maps. On the left five maps with 64 to 1024 channels shrink from 568 to 28 pixels; on the right they grow to 388 pixels, and each gets a copy of the left map of its level."
figures.network_figure()

# %% [markdown]
# On the left the map is halved four times, and its channels double. On the right it is doubled four times. Blue is what
# comes across: a copy of the left map, **stacked** on the map from below. The numbers below each map are its channels,
# those above its size. On the third level a map of 136 pixels meets one of twice 52, which is 104. Why do they not
# fit?
#
# Because this is the paper's network, and its convolutions are not padded. Each takes off a pixel on every side. Follow
# one level: 572, minus 2 twice, is 568. Half of it is 284. And so on, down to 28 and up to 388.
#
# | | skip is | next layer sees |
# |---|---|---|
# | ResNet | added | as many channels |
# | FCN | scored, then added | scores |
# | U-Net | concatenated | twice the channels, and weighs them itself |

# %% [markdown]
# ## Two convolutions
#
# Every step of a U-Net, down or up, is the same: convolution, ReLU, convolution, ReLU.
#
# ### Exercise 1 · Two convolutions
#
# Difficulty 1 of 5, about 8 minutes, 2 points. Both are 3x3 and have a bias.


# %% role="solution" name="DoubleConv"
class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each with a ReLU; padding is 0 or 1."""

    def __init__(self, in_channels, out_channels, padding=1):
        super().__init__()
        # Two convolutions: to `out_channels`, and on from there.
        ### BEGIN SOLUTION
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=padding)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=padding)
        ### END SOLUTION

    def forward(self, x):
        """x (N, in_channels, H, W); return (N, out_channels, h, w)."""
        ### BEGIN SOLUTION
        x = torch.relu(self.first(x))
        return torch.relu(self.second(x))
        ### END SOLUTION


# %% role="test" name="DoubleConv"
check("DoubleConv", DoubleConv)
### BEGIN HIDDEN TESTS
check.grade("DoubleConv", DoubleConv)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="DoubleConv"
# Hints for `DoubleConv`.

# %% [markdown]
# ## One step up
#
# Four things happen, in this order:
#
# 1. a transposed convolution of 2x2 with stride 2 doubles the size and **halves the channels**;
# 2. the skip is **cropped** to that size: its middle, because unpadded convolutions lose pixels on all sides;
# 3. skip and map are **stacked**, the skip in front;
# 4. two convolutions mix them, down to the skip's number of channels.
#
# A 2x2 filter with stride 2 covers every output pixel exactly once. Chapter 01 told you why that matters.
#
# ### Exercise 2 · One step up
#
# Difficulty 2 of 5, about 15 minutes, 3 points. `unet.DoubleConv` and `unet.center_crop` are there for you.


# %% role="solution" name="UpStep"
class UpStep(nn.Module):
    """channels: of the skip and of the result; the map from below has twice as many."""

    def __init__(self, channels, padding=1):
        super().__init__()
        # What doubles the size and halves the channels, and the two convolutions of the stack.
        ### BEGIN SOLUTION
        self.up = nn.ConvTranspose2d(2 * channels, channels, 2, stride=2)
        self.mix = unet.DoubleConv(2 * channels, channels, padding)
        ### END SOLUTION

    def forward(self, x, skip):
        """x (N, 2 channels, h, w) from below; skip (N, channels, H, W), at least 2h x 2w."""
        # Double, crop the `skip`, stack, mix.
        ### BEGIN SOLUTION
        x = self.up(x)
        skip = unet.center_crop(skip, x.shape[-2:])
        return self.mix(torch.cat([skip, x], 1))
        ### END SOLUTION


# %% role="test" name="UpStep"
check("UpStep", UpStep)
### BEGIN HIDDEN TESTS
check.grade("UpStep", UpStep)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="UpStep"
# Hints for `UpStep`.

# %% [markdown]
# ## The network
#
# All that is left is order. On the way down keep each map *before* it is pooled. On the way up use them from the last to
# the first. At the end a 1x1 convolution gives the scores: a classifier for every pixel, as in chapter 06.
#
# ### Exercise 3 · The U-Net
#
# Difficulty 3 of 5, about 25 minutes, 4 points. `unet.DoubleConv` and `unet.UpStep` are there for you.


# %% role="solution" name="UNet"
class UNet(nn.Module):
    """depth: how often the map is halved; base_channels: of the finest map, doubled with each step down."""

    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=1):
        super().__init__()
        # 1. `depth` + 1 double convolutions for the way down.
        # 2. `depth` steps up, and the scores.
        ### BEGIN SOLUTION
        self.down = nn.ModuleList()
        before, after = in_channels, base_channels
        for _ in range(depth + 1):
            self.down.append(unet.DoubleConv(before, after, padding))
            before, after = after, 2 * after
        self.up = nn.ModuleList()
        for level in range(depth - 1, -1, -1):
            self.up.append(unet.UpStep(base_channels * 2**level, padding))
        self.score = nn.Conv2d(base_channels, num_classes, 1)
        ### END SOLUTION

    def forward(self, images):
        """images (N, in_channels, H, W); return scores (N, num_classes, h, w)."""
        # Down, and remember; up, and use what is remembered.
        ### BEGIN SOLUTION
        skips, x = [], images
        for layer in self.down[:-1]:
            x = layer(x)
            skips.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.down[-1](x)
        for layer in self.up:
            x = layer(x, skips.pop())
        return self.score(x)
        ### END SOLUTION


# %% role="test" name="UNet"
check("UNet", UNet)
### BEGIN HIDDEN TESTS
check.grade("UNet", UNet)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="UNet"
# Hints for `UNet`.

# %% [markdown]
# The paper's network, without computing anything: on the device "meta" torch follows the shapes alone.

# %% role="given" name="paper"
with torch.device("meta"):
    paper = unet.UNet(1, 2, padding=0)
    print(tuple(paper(torch.zeros(1, 1, 572, 572)).shape))

# %% [markdown]
# Not every size will do. A map that is to be halved must be even, at every level. Ask for another size, and the course's
# network names the sizes next to it.

# %% role="given" name="valid-sizes"
try:
    unet.unet_output_size(600, depth=4, padding=0)
except ValueError as error:
    print(error)

# %% [markdown]
# Scores for less than the image? The paper cuts a large image into tiles that overlap, so that the orange squares meet.
# At the border there is nothing to read, so the image goes on as in a mirror.

# %% role="figure" name="tiles" alt="Left, a picture of a street with a blue square of 188 pixels and within it an orange one of 100 pixels. Right, the same picture continued by its mirror image on all sides, and a tile at its corner."
figures.tile_figure()

# %% [markdown]
# ## Count its parameters
#
# A layer from $a$ to $b$ channels with filters of $k \times k$ has $a b k^2$ weights and $b$ biases. So for the paper's
# network, one channel in and two classes out:
#
# | | layers | parameters |
# |---|---|---|
# | down, 64 | $1 \to 64 \to 64$ | 640 + 36,928 = 37,568 |
# | down, 128 | $64 \to 128 \to 128$ | 73,856 + 147,584 = 221,440 |
# | down, 256 | $128 \to 256 \to 256$ | 295,168 + 590,080 = 885,248 |
# | down, 512 | $256 \to 512 \to 512$ | 1,180,160 + 2,359,808 = 3,539,968 |
# | bottom, 1024 | $512 \to 1024 \to 1024$ | 4,719,616 + 9,438,208 = 14,157,824 |
# | up, 512 | 2x2: $1024 \to 512$; $1024 \to 512 \to 512$ | 2,097,664 + 4,719,104 + 2,359,808 = 9,176,576 |
# | up, 256 | 2x2: $512 \to 256$; $512 \to 256 \to 256$ | 524,544 + 1,179,904 + 590,080 = 2,294,528 |
# | up, 128 | 2x2: $256 \to 128$; $256 \to 128 \to 128$ | 131,200 + 295,040 + 147,584 = 573,824 |
# | up, 64 | 2x2: $128 \to 64$; $128 \to 64 \to 64$ | 32,832 + 73,792 + 36,928 = 143,552 |
# | scores | $64 \to 2$, 1x1 | 130 |
# | **together** | | **31,030,658** |
#
# Nearly half of it stands at the bottom, where the map is smallest. Why do the first layers on the way up take 1024, 512,
# 256 and 128 channels, when the 2x2 layer before them has just halved them?
#
# ### Exercise 4 · Count its parameters
#
# Difficulty 2 of 5, about 12 minutes, 2 points. For any base and depth.


# %% role="solution" name="unet_parameters"
def unet_parameters(in_channels, num_classes, base_channels=64, depth=4):
    """Return the number of weights and biases of a U-Net."""
    # The way down, the way up, and the scores.
    ### BEGIN SOLUTION
    def layer(before, after, side):
        return before * after * side * side + after

    total = 0
    before, after = in_channels, base_channels
    for _ in range(depth + 1):
        total += layer(before, after, 3) + layer(after, after, 3)
        before, after = after, 2 * after
    for level in range(depth):
        c = base_channels * 2**level
        total += layer(2 * c, c, 2)
        total += layer(2 * c, c, 3) + layer(c, c, 3)
    return total + layer(base_channels, num_classes, 1)
    ### END SOLUTION


# %% role="test" name="unet_parameters"
check("unet_parameters", unet_parameters)
### BEGIN HIDDEN TESTS
check.grade("unet_parameters", unet_parameters)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="unet_parameters"
# Hints for `unet_parameters`.

# %% role="given" name="count"
sum(parameter.numel() for parameter in paper.parameters())

# %% [markdown]
# ## SegNet: only where each maximum was
#
# The maps that come across have a price: they must stay in memory until the way up has reached their level. SegNet
# remembers less. Max pooling takes the largest of four values. SegNet notes *which* of the four it was, and on the way
# up it puts the value back there. Everywhere else it puts zero.

# %% role="figure" name="indices" alt="A map of four by four numbers, the maxima of its two by two windows, their places 1, 6, 12 and 15, and the unpooled map with the maxima at these places and zeros elsewhere."
figures.indices_figure()

# %% [markdown]
# So a maximum on an outline returns to the outline. What is lost? All other values of the fine map. Convolutions fill the
# gaps from what came from below.
#
# SegNet normalises behind each convolution, and it takes any image size: where a map is odd, the last window is smaller.
#
# ### Exercise 5 · SegNet
#
# Difficulty 3 of 5, about 20 minutes, 4 points. `unet.DoubleConv` has what you need: `norm=True`. With `depth` 3 and
# base 8 the way down has 8, 16 and 32 channels, each pooled. The way up unpools 32 channels and brings them to 16,
# unpools these and brings them to 8, unpools these and keeps 8.


# %% role="solution" name="SegNet"
class SegNet(nn.Module):
    """depth: how often the map is halved; base_channels: of the finest map, doubled with each step down."""

    def __init__(self, in_channels, num_classes, base_channels=64, depth=4):
        super().__init__()
        # As many double convolutions on the way up as on the way down, and the scores.
        ### BEGIN SOLUTION
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before, after = in_channels, base_channels
        for level in range(depth):
            self.down.append(unet.DoubleConv(before, after, norm=True))
            self.up.append(unet.DoubleConv(after, before if level else base_channels, norm=True))
            before, after = after, 2 * after
        self.score = nn.Conv2d(base_channels, num_classes, 1)
        ### END SOLUTION

    def forward(self, images):
        """images (N, in_channels, H, W), any size; return scores (N, num_classes, H, W)."""
        # Down: convolve, pool, remember indices and size. Up: unpool, convolve.
        ### BEGIN SOLUTION
        x, remembered = images, []
        for layer in self.down:
            x = layer(x)
            size = x.shape[-2:]
            x, indices = nn.functional.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
            remembered.append((indices, size))
        for layer in self.up[::-1]:
            indices, size = remembered.pop()
            x = nn.functional.max_unpool2d(x, indices, 2, output_size=size)
            x = layer(x)
        return self.score(x)
        ### END SOLUTION


# %% role="test" name="SegNet"
check("SegNet", SegNet)
### BEGIN HIDDEN TESTS
check.grade("SegNet", SegNet)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="SegNet"
# Hints for `SegNet`.

# %% [markdown]
# ## What it saves
#
# Measure it. Both networks get the same image, and what each carries from its way down to its way up is added up.

# %% role="given" name="bytes"
image = torch.rand(1, 3, 128, 128)
for name, network in {"U-Net": unet.UNet(3, 10, 16), "SegNet": unet.SegNet(3, 10, 16)}.items():
    levels = experiment.remembered_bytes(network.eval(), image)
    print(f"{name:7}", " + ".join(f"{n // 1024}" for n in levels), f"= {sum(levels) // 1024} kB")

# %% [markdown]
# Half? Four values become one index, but torch keeps an index in eight bytes and a value in four. Two bits would be
# enough to name one of four places. The next figure counts the bytes for the paper's 64 channels and an image of 256 x
# 256.

# %% role="figure" name="memory" alt="Bars for four levels: the U-Net's maps take 16, 8, 4 and 2 megabytes, SegNet's indices half of that as torch keeps them, and nearly nothing with two bits each."
figures.bytes_figure()

# %% [markdown]
# While you *train*, the picture changes: backpropagation keeps the maps anyway. Indices save memory where networks
# run, not where they learn.
#
# ## Cells that touch
#
# The U-Net was made to outline cells. Cells touch, and a class map has no line between them: two touching cells become
# one. So Ronneberger et al. do two things. They take away the pixels where cells touch: there is a thin line of
# background now. And they make these few pixels expensive:
#
# $$w(x) = 1 + w_0 \exp\left(-\frac{(d_1(x) + d_2(x))^2}{2 \sigma^2}\right)$$
#
# $d_1$ is the distance from a background pixel to the nearest cell, $d_2$ to the second nearest.

# %% role="figure" name="weights" alt="Six cells, some close together, and the weights around them for two widths: bright ridges in the gaps between neighbours, nothing around a cell that is alone."
figures.weights_figure()

# %% [markdown]
# Look at the cell at the bottom left. It has no halo of its own, only a faint bridge to its nearest neighbour, although
# the background all around it is close to a cell. Which part of the formula sees to that?
#
# ### Exercise 6 · Weights that keep cells apart
#
# Difficulty 3 of 5, about 18 minutes, 3 points. Images here are small: all distances at once will do.


# %% role="solution" name="border_weight_map"
def border_weight_map(instances, w0=10.0, sigma=5.0):
    """instances (H, W): 0 for background, another whole number for each cell; return (H, W) weights."""
    # 1. For each cell, the distance of every pixel to it.
    # 2. The two smallest, pixel by pixel.
    # 3. The ridge, on background only; with fewer than two cells there is none.
    ### BEGIN SOLUTION
    height, width = instances.shape
    pixels = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"), -1).float()
    distances = []
    for label in instances.unique():
        if label == 0:
            continue
        cell = (instances == label).nonzero().float()
        distances.append((pixels[:, :, None] - cell).square().sum(-1).sqrt().amin(-1))
    weights = torch.ones(height, width)
    if len(distances) >= 2:
        d = torch.stack(distances).sort(0).values
        ridge = w0 * torch.exp(-((d[0] + d[1]) ** 2) / (2 * sigma**2))
        weights = weights + torch.where(instances == 0, ridge, 0.0)
    return weights
    ### END SOLUTION


# %% role="test" name="border_weight_map"
check("border_weight_map", border_weight_map)
### BEGIN HIDDEN TESTS
check.grade("border_weight_map", border_weight_map)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="border_weight_map"
# Hints for `border_weight_map`.

# %% [markdown]
# ## Few images
#
# The paper had thirty images. You will have a part of one. Cells are soft, so a bent cell is still a cell: bend the image,
# and you have another one. Draw random numbers for every pixel, smooth them, multiply by $\alpha$: that is how far each
# pixel moves.

# %% role="figure" name="deformation" alt="A grid over coloured cells, four times: straight, slightly bent, strongly bent, and so strongly that it folds over itself."
figures.deformation_figure()

# %% [markdown]
# With the largest $\alpha$ the grid folds: what was left is now right. That is no longer a cell.
#
# Labels must move along, by the same displacements. But not by the same reading: between pixels an image may be mixed,
# labels may not. Half-way between classes 0 and 3 lies no class 1 or 2.

# %% role="figure" name="labels" alt="A disc of class 3 on class 0; moved with the nearest label it has two classes still; moved by mixing it has a seam of classes 1 and 2 along its outline."
figures.labels_figure()

# %% [markdown]
# ### Exercise 7 · Move an image and its labels
#
# Difficulty 3 of 5, about 15 minutes, 3 points. Each pixel of the result *fetches* what lies `flow` away from it.
# Beyond the border the border's pixels go on.


# %% role="solution" name="warp"
def warp(image, labels, flow):
    """image (C, H, W), labels (H, W) int64, flow (2, H, W): displacements down and across, in pixels.

    Return the moved image and labels.
    """
    # 1. Where each pixel reads: its own place plus the `flow`, kept within the image.
    # 2. The image from its four neighbours, the labels from the nearest.
    ### BEGIN SOLUTION
    height, width = labels.shape
    y = (torch.arange(height)[:, None] + flow[0]).clamp(0, height - 1)
    x = (torch.arange(width)[None, :] + flow[1]).clamp(0, width - 1)
    y0, x0 = y.long(), x.long()
    y1, x1 = (y0 + 1).clamp(max=height - 1), (x0 + 1).clamp(max=width - 1)
    dy, dx = y - y0, x - x0
    upper = (1 - dx) * image[:, y0, x0] + dx * image[:, y0, x1]
    lower = (1 - dx) * image[:, y1, x0] + dx * image[:, y1, x1]
    moved = (1 - dy) * upper + dy * lower
    nearest = labels[(y + 0.5).long(), (x + 0.5).long()]
    return moved, nearest
    ### END SOLUTION


# %% role="test" name="warp"
check("warp", warp)
### BEGIN HIDDEN TESTS
check.grade("warp", warp)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="warp"
# Hints for `warp`.

# %% [markdown]
# ## Experiment: three ways to keep what was fine
#
# FCN-32s keeps nothing of the fine maps, SegNet keeps places, the U-Net keeps everything. All three learn from nothing,
# from the same scenes. The U-Net has no normalisation, so its first weights matter: they are drawn as in the paper, with
# a standard deviation of $\sqrt{2 / n}$ for $n$ inputs. Guess the order in boundary IoU. It takes about a minute and a
# half on two cores; interrupted, the cell goes on where it was.

# %% role="experiment" name="networks" alt="A scene, its true classes, and the class maps of FCN-32s, SegNet and U-Net."
if not device.while_grading():
    found = experiment.compare(keep="runs")
    display(experiment.maps_figure(found))

# %% [markdown]
# Three seeds on a CPU, mean and standard deviation:
#
# | | mean IoU | boundary IoU |
# |---|---|---|
# | FCN-32s | 0.296 ± 0.004 | 0.090 ± 0.001 |
# | SegNet | 0.310 ± 0.052 | 0.137 ± 0.004 |
# | U-Net | 0.309 ± 0.007 | 0.163 ± 0.023 |
#
# Both keep far more of the outlines than FCN-32s, with every seed. In mean IoU the three cannot be told apart: 300 steps
# teach none of them much about rare things, and a single SegNet was far below the others. The U-Net's lead over SegNet at
# the outlines is about as large as its spread, and one of its three runs lay below one of SegNet's. Do not believe a
# single run here, and do not believe three very much.
#
# ## Experiment: normalised, and longer
#
# The paper is of 2015. Three months before it, Ioffe and Szegedy had published batch normalisation, and hardly a U-Net
# has been built without some kind of normalisation since. Here is the same U-Net with it behind every convolution, as in
# SegNet: 704 parameters more on 120,906, more than twice the learning rate, and 1000 steps. Less than a minute and a half on two quiet cores. The
# scenes, the loss and the rest of the network are as above.

# %% role="experiment" name="normalised" alt="A falling loss curve; below it a scene, its true classes, and the class map of the normalised U-Net after 1000 steps, with most things in their class and sharp outlines."
if not device.while_grading():
    longer = experiment.compare(["U-Net, normalised"], keep="runs/longer", steps=device.at_scale(2, 1000, 20_000))
    display(experiment.maps_figure(longer))

# %% [markdown]
# Three seeds on a CPU: mean IoU 0.508 ± 0.013, boundary IoU 0.340 ± 0.011. A table that knows the
# colour of one pixel and nothing else gets 0.230 and 0.154 (chapter 06). In mean IoU the U-Net is more than 0.25 above
# it, with every seed, and its outlines are twice as good. Which of the two changes did it? In one run of 300 steps,
# normalisation alone took the mean IoU from 0.30 to 0.38. The rest came with the steps.
#
# ## Switch the skips off
#
# Here is the normalised U-Net that you have just trained. Take a skip away, and the layers behind it get the mean of
# each of its channels: numbers of the usual size, but no places. Which skip do the outlines come from? And what does the
# network still know without any?

# %% role="widget" name="skips" alt="Boxes to tick for three skips and a slider for the scene, above a scene, the class map of the network with the ticked skips, and its wrong pixels."
if not device.while_grading():
    skips_widget(longer["U-Net, normalised"][0][0])

# %% [markdown]
# ## Experiment: nuclei
#
# One photograph from a microscope, 512 x 512, with 125 nuclei outlined by hand. The upper 288 rows are for training, the
# lower 224 for scoring. Two U-Nets see the same windows, bent and turned in the same way. One learns with border weights,
# the other without. Two scores:
#
# - **AP50**: found / (found + missed + invented), where found means an IoU above one half;
# - **merged**: how many true nuclei share a predicted one with another.

# %% role="experiment" name="nuclei" alt="A part of the photograph with bright nuclei, their outlines by hand in colours, and the nuclei that both networks find."
if not device.while_grading() and experiment.nuclei_at_hand():
    nets = {name: experiment.train_on_nuclei(name == "weighted", keep="runs") for name in ("plain", "weighted")}
    display(experiment.nuclei_figure(nets))

# %% [markdown]
# Three seeds on a CPU:
#
# | | AP50 | merged |
# |---|---|---|
# | plain | 0.51 ± 0.03 | 24 to 27 |
# | weighted | 0.65 ± 0.03 | 4 to 15 |
#
# With every seed, weights let fewer nuclei merge, and more of them are found. Now look at what the weights cost. Around touching nuclei the network now prefers background: bright clusters get holes. It was told that a
# missing line is ten times as bad as a missing pixel of a nucleus, and it believed it.

# %% [markdown]
# ## With a GPU
#
# Larger scenes, wider networks, half precision. Without a GPU the cell says what it would do.

# %% role="experiment" name="full-scale" alt="On a GPU, one loss curve for each training of FCN-8s, SegNet and U-Net; on a CPU no picture, only what would be trained."
if not device.while_grading():
    experiment.full_scale()

# %% [markdown]
# ## Common mistakes
#
# - The skip added instead of stacked: that is ResNet's way, and the next layer finds half of the channels that it expects.
# - The skip taken behind the pooling: it has the size of the level below.
# - A padded network trained, an unpadded one expected: labels and scores differ in size, and somebody resizes them.
# - Image sizes that four halvings do not divide.
# - Labels bent with the image's bilinear reading: classes that nobody drew.
# - Border weights computed before bending, and not bent along.
# - The weights' second distance taken to the same cell: every cell gets a halo.

# %% [markdown] role="essay" name="skips-and-indices" points=2
# ## In your own words
#
# A phone must segment images of 1024 x 1024, and memory is short. A friend proposes a U-Net with SegNet's indices
# in place of its two finest skips, and true skips at the coarse levels. What is gained, what is lost, and where in the
# image would you look for the loss? (2 points)
#
# <!-- BEGIN SOLUTION -->
# Four fifths of the skips' bytes lie in the finest two of four levels, because each level has half the numbers of the one
# above, so that is where indices save most. The coarse skips, which are cheap, still bring features. What is lost are the fine
# features themselves: indices say where the largest value of each window stood, but not what else was there. Outlines
# stay in place where they go with a maximum. Thin parts and weak edges, which are never the maximum of their window, and
# texture that tells two classes apart at an outline, are gone. So look at thin parts, at low contrast, and at corners.
# <!-- END SOLUTION -->

# %% [markdown]
# ## References
#
# - O. Ronneberger, P. Fischer, T. Brox, [U-Net: convolutional networks for biomedical image
#   segmentation](https://arxiv.org/abs/1505.04597), MICCAI 2015: figure 1 and section 3 are this chapter.
# - V. Badrinarayanan, A. Kendall, R. Cipolla, [SegNet](https://arxiv.org/abs/1511.00561), TPAMI 2017.
# - P. Simard, D. Steinkraus, J. Platt, Best practices for convolutional neural networks applied to visual document
#   analysis, ICDAR 2003: elastic deformation.
# - J. C. Caicedo et al., [Nucleus segmentation across imaging experiments: the 2018 Data Science
#   Bowl](https://doi.org/10.1038/s41592-019-0612-7), Nature Methods 2019: the photograph.
#
# **Next:** chapter 08 looks at the same place with several rates at once.
