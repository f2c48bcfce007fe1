# %% [markdown]
# # 08 · DeepLab and PSPNet
#
# A network that has kept its resolution (chapter 03) still has to look around. This chapter gives it eyes for several
# distances at once, brings fine outlines back with a light decoder, and ends with a random field in which every pixel
# asks every other.
#
# **Afterwards you can**
#
# - build atrous spatial pyramid pooling, and say which rates a map can bear;
# - average a map over a fixed number of bins, and build PSPNet's pyramid on it;
# - write DeepLabv3+'s decoder, hypercolumns and separable convolutions, and count what they cost;
# - derive one step of mean field inference, run a dense CRF, and say why today's networks do without.
#
# **You need** dilated convolution (chapter 03), bilinear upsampling (02), fully convolutional networks (06) and
# boundary IoU (05).
#
# **It takes** about 150 minutes. **Exercises:** 11 with 28 points, and one question in words with 2.

# %% role="setup" name="setup"
import torch
from torch import nn

from dlcv import deeplab
from dlcv.backbones import SmallCNN
from dlcv.deeplab import experiment, figures
from dlcv.deeplab.exercises import check
from dlcv.deeplab.widget import crf_widget, rates_widget

# %% [markdown]
# ## Why
#
# Three windows of one picture. Which class is in the middle of each? Decide before you look to the right.

# %% role="figure" name="patches" alt="Three small windows A, B and C: a grey speckled area, bluish edges, a round dark thing on grey. Beside them the street scene that they come from, with their places marked."
figures.patches_figure()

# %% [markdown]
# A alone could be ground, wall or a table's top. The picture says it at once: it is the ground, since it lies below
# everything and the things stand on it. What decides lies *outside* of the window. This is **context**, and it comes
# at all sizes: the edge next to the pixel, the thing that it belongs to, the whole place.
#
# A single receptive field has a single size. So look with several, side by side, and let the network choose.
#
# ## One branch
#
# The tool is chapter 03's. A 3 × 3 filter with its taps $r$ pixels apart has nine weights and spans $2r + 1$ pixels. On
# a map of stride 16 a rate of 18 spans $37$ places. They lie 16 image pixels apart, so from the first to the last it is
# $36 \cdot 16 = 576$ pixels.
#
# ### Exercise 1 · One atrous branch
#
# Difficulty 1 of 5, about 8 minutes, 2 points. Convolution, batch normalisation, ReLU. The map keeps its size, and the
# convolution has no bias.


# %% role="solution" name="AtrousBranch"
class AtrousBranch(nn.Module):
    """A 3x3 convolution with taps `rate` pixels apart, batch normalisation, ReLU: (N, C, H, W) to (N, K, H, W)."""

    def __init__(self, in_channels, out_channels, rate):
        super().__init__()
        # A convolution without bias that keeps the size, and its normalisation.
        ### BEGIN SOLUTION
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=rate, dilation=rate, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        ### END SOLUTION

    def forward(self, x):
        # In this order: convolution, normalisation, ReLU.
        ### BEGIN SOLUTION
        return torch.relu(self.norm(self.conv(x)))
        ### END SOLUTION


# %% role="test" name="AtrousBranch"
check("AtrousBranch", AtrousBranch)
### BEGIN HIDDEN TESTS
check.grade("AtrousBranch", AtrousBranch)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="AtrousBranch"
# Hints for AtrousBranch.

# %% [markdown]
# ## Rates and maps
#
# The padding that keeps the size has a price. A tap beyond the border sees zeros. DeepLab's rates are 6, 12 and 18, and
# an image of 513 pixels gives a map of 33 × 33 at stride 16. Where do the taps land?

# %% role="figure" name="taps" alt="A map of 33 by 33 with the nine taps of rates 6, 12 and 18. In the middle all taps of 6 and 12 are on the map, of rate 18 only one is. Nearer to the corner: nine, four and four."
figures.taps_figure()

# %% [markdown]
# In the middle of this map the widest filter has one tap left: it has become a 1 × 1 convolution. Move the sliders.
#
# 1. Map 33, rate 18: why do four taps count in the corners, and one in the middle?
# 2. From which rate on is every place left with one tap?
# 3. How large must the map be for rate 18 to use half of its weights?

# %% role="widget" name="rates" alt="Sliders for the size of the map and the rate. A map with the taps of a filter in its middle, a heat map of how many taps are on the map at each place, and a falling curve of the share of valid weights over the rate."
rates_widget()

# %% [markdown]
# The curve can be derived. Take one axis with $s$ places, and a filter with taps at $x - r$, $x$ and $x + r$.
#
# - The middle tap is on the map at all $s$ places.
# - The left one is at places $x \ge r$: there are $s - r$ of them, or none if $r \ge s$.
# - The right one is at as many.
#
# So of $3s$ products $s + 2 \max(s - r, 0)$ see the map. A tap of the plane is on the map if its row *and* its column
# are, and rows know nothing of columns: shares multiply. For a square map
#
# $$\left(\frac{s + 2 \max(s - r,\, 0)}{3 s}\right)^2 = \left(1 - \frac{2}{3} \cdot \frac{\min(r, s)}{s}\right)^2$$
#
# Two limits check it: $r \to 0$ gives 1, and $r \ge s$ gives $\tfrac19$, one weight of nine.
#
# ### Exercise 2 · How much of a filter is on the map?
#
# Difficulty 2 of 5, about 10 minutes, 2 points. For 3 × 3 filters and maps that need not be square.


# %% role="solution" name="valid_weight_fraction"
def valid_weight_fraction(size, rate):
    """size = (height, width) of the map and a rate give the share of products that see the map, a float."""
    # 1. On each axis: how many products are there, and how many of them are on the map?
    # 2. Both axes together.
    ### BEGIN SOLUTION
    fraction = 1.0
    for s in size:
        inside = s + 2 * max(s - rate, 0)
        fraction = fraction * inside / (3 * s)
    return fraction
    ### END SOLUTION


# %% role="test" name="valid_weight_fraction"
check("valid_weight_fraction", valid_weight_fraction)
### BEGIN HIDDEN TESTS
check.grade("valid_weight_fraction", valid_weight_fraction)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="valid_weight_fraction"
# Hints for valid_weight_fraction.

# %% role="figure" name="fractions" alt="Share of valid weights over rates 1 to 36 for maps of 8, 16, 33 and 65 pixels. All fall to one ninth, the smaller the map the sooner."
figures.fractions_figure()

# %% [markdown]
# A rate belongs to a map. Halve the output stride and the map doubles: then double the rates, 12, 24 and 36 for stride
# 8. Train on small crops, and the widest branch learns to be a 1 × 1 convolution.
#
# No rate sees *everything* on every map. So ASPP gets one more branch, which does: the mean over the whole map.
#
# ## Atrous spatial pyramid pooling
#
# Five branches look at the same map. Their channels are stacked, and a 1 × 1 convolution chooses among them.

# %% role="figure" name="aspp" alt="A diagram: features go into five branches, a 1 by 1 convolution, three 3 by 3 convolutions of rates 6, 12 and 18, and the spread mean. Each gives 256 channels, stacked to 1280, and a 1 by 1 convolution projects them to 256."
figures.aspp_figure()

# %% [markdown]
# The mean is one number a channel. After its 1 × 1 convolution each pixel gets the same values.
#
# ### Exercise 3 · Atrous spatial pyramid pooling
#
# Difficulty 3 of 5, about 20 minutes, 3 points. `deeplab.AtrousBranch` is there for you. Every 1 × 1 convolution is
# without bias and has normalisation and ReLU behind it.


# %% role="solution" name="ASPP"
class ASPP(nn.Module):
    """(N, in_channels, H, W) to (N, out_channels, H, W); one atrous branch for each of `rates`."""

    def __init__(self, in_channels, out_channels=256, rates=(6, 12, 18)):
        super().__init__()
        # The 1x1 branch, the atrous ones in an `nn.ModuleList`, the image branch, and the projection.
        ### BEGIN SOLUTION
        def pixelwise(channels):
            conv = nn.Conv2d(channels, out_channels, 1, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU())

        self.pixel = pixelwise(in_channels)
        self.atrous = nn.ModuleList([deeplab.AtrousBranch(in_channels, out_channels, rate) for rate in rates])
        self.image = pixelwise(in_channels)
        self.project = pixelwise((2 + len(rates)) * out_channels)
        ### END SOLUTION

    def forward(self, x):
        # 1. What does each branch say about `x`?
        # 2. The image branch: mean over the map, 1x1, the same values at every pixel.
        # 3. Stack in the order 1x1, atrous, image, and project.
        ### BEGIN SOLUTION
        maps = [self.pixel(x)]
        for branch in self.atrous:
            maps.append(branch(x))
        whole = self.image(x.mean((2, 3), keepdim=True))
        maps.append(whole.expand(-1, -1, x.shape[2], x.shape[3]))
        return self.project(torch.cat(maps, 1))
        ### END SOLUTION


# %% role="test" name="ASPP"
check("ASPP", ASPP)
### BEGIN HIDDEN TESTS
check.grade("ASPP", ASPP)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="ASPP"
# Hints for ASPP.

# %% [markdown]
# A trap lies in the image branch. It normalises over the batch and over *one* place. In training with a single image
# there is one number to normalise, and torch refuses. In eval mode the stored statistics do it, so a single image is no
# problem:

# %% role="given" name="one-image"
head, x = deeplab.ASPP(8, 4), torch.rand(1, 8, 5, 5)
try:
    head(x)
except ValueError as error:
    print("training:", error)
print("eval:", tuple(head.eval()(x).shape))

# %% [markdown]
# ## Pyramid pooling
#
# PSPNet asks the same question and answers it with means instead of rates. Average the map over 1 × 1, 2 × 2, 3 × 3 and
# 6 × 6 bins. Each grid is a summary: of the place, of its quarters, of its parts.

# %% role="figure" name="pyramid" alt="A scene, and its averages over 1, 4, 9 and 36 bins; below each the same enlarged bilinearly, from one grey to a blurred picture."
figures.pyramid_figure()

# %% [markdown]
# The bins must be as many for every size of map. But seven pixels do not part into three. The solution is that
# neighbours share: a bin that *touches* a pixel takes it whole.
#
# $$\text{bin } i: \quad \left\lfloor \frac{i\, s}{b} \right\rfloor \le x < \left\lceil \frac{(i + 1)\, s}{b} \right\rceil$$

# %% role="figure" name="bins" alt="Seven pixels of an axis, and which of them each of 2, 3 and 6 bins averages. Neighbouring bins overlap by a pixel."
figures.bins_figure()

# %% [markdown]
# ### Exercise 4 · Averages over a fixed number of bins
#
# Difficulty 3 of 5, about 15 minutes, 3 points. Without torch's own pooling.


# %% role="solution" name="adaptive_average_pool"
def adaptive_average_pool(x, bins):
    """x (N, C, H, W) and a number of bins give the means (N, C, bins, bins)."""
    # For each bin: its first row, the row behind its last, the same for columns; then the mean of what lies in it.
    ### BEGIN SOLUTION
    h, w = x.shape[2], x.shape[3]
    rows = []
    for i in range(bins):
        top, bottom = i * h // bins, -(-(i + 1) * h // bins)
        row = []
        for j in range(bins):
            left, right = j * w // bins, -(-(j + 1) * w // bins)
            row.append(x[:, :, top:bottom, left:right].mean((2, 3)))
        rows.append(torch.stack(row, 2))
    return torch.stack(rows, 2)
    ### END SOLUTION


# %% role="test" name="adaptive_average_pool"
check("adaptive_average_pool", adaptive_average_pool)
### BEGIN HIDDEN TESTS
check.grade("adaptive_average_pool", adaptive_average_pool)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="adaptive_average_pool"
# Hints for adaptive_average_pool.

# %% [markdown]
# Now the module. With four levels each gets a quarter of the channels. The map itself stands in front, so the result has
# twice as many channels as the map had: 2048 become 4096.
#
# ### Exercise 5 · Pyramid pooling
#
# Difficulty 3 of 5, about 15 minutes, 3 points. `deeplab.adaptive_average_pool` is there for you.


# %% role="solution" name="PyramidPooling"
class PyramidPooling(nn.Module):
    """(N, C, H, W) to (N, C + levels * (C // levels), H, W): the map, then each level enlarged."""

    def __init__(self, in_channels, bins=(1, 2, 3, 6)):
        super().__init__()
        # For each level a 1x1 convolution to `in_channels // len(bins)` channels, with normalisation and ReLU.
        ### BEGIN SOLUTION
        self.bins = bins
        self.levels = nn.ModuleList()
        for _ in bins:
            channels = in_channels // len(bins)
            conv = nn.Conv2d(in_channels, channels, 1, bias=False)
            self.levels.append(nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU()))
        ### END SOLUTION

    def forward(self, x):
        # For each level: average into its bins, fewer channels, back to the size of `x` (bilinearly). Stack.
        ### BEGIN SOLUTION
        maps = [x]
        for bins, level in zip(self.bins, self.levels, strict=True):
            y = level(deeplab.adaptive_average_pool(x, bins))
            maps.append(nn.functional.interpolate(y, size=x.shape[2:], mode="bilinear"))
        return torch.cat(maps, 1)
        ### END SOLUTION


# %% role="test" name="PyramidPooling"
check("PyramidPooling", PyramidPooling)
### BEGIN HIDDEN TESTS
check.grade("PyramidPooling", PyramidPooling)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="PyramidPooling"
# Hints for PyramidPooling.

# %% [markdown]
# ## What it costs
#
# Which of the two is larger, on the 2048 channels of a ResNet? Guess, then run the cell.

# %% role="given" name="sizes"
modules = {"ASPP": deeplab.ASPP(2048), "pyramid pooling": deeplab.PyramidPooling(2048)}
modules["one atrous branch"] = deeplab.AtrousBranch(2048, 256, 6)
modules["the same, separable"] = deeplab.SeparableConv(2048, 256, dilation=6)
for name, module in modules.items():
    print(f"{name:20} {sum(p.numel() for p in module.parameters()) / 1e6:6.2f} million parameters")

# %% [markdown]
# The three atrous branches are nearly all of ASPP, nine weights for each pair of channels. DeepLabv3+ saves most of
# them. A **separable** convolution does in two steps what a full one does in one:
#
# 1. *depthwise*: each channel gets one filter of its own, $C \cdot k^2$ weights;
# 2. *pointwise*: a 1 × 1 convolution mixes the channels, $C \cdot K$ weights.
#
# Instead of $C k^2 K$ that is a share of $\frac{1}{K} + \frac{1}{k^2}$, about a ninth. What is lost: all output channels
# see the same filtered maps, so the filter for a pair of channels is a number times *the channel's* filter.
#
# ### Exercise 6 · A convolution in two steps
#
# Difficulty 2 of 5, about 10 minutes, 2 points. No bias, and nothing between the steps.


# %% role="solution" name="SeparableConv"
class SeparableConv(nn.Module):
    """(N, C, H, W) to (N, K, H', W'); without `padding` an odd filter of stride 1 keeps the size."""

    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, padding=None, dilation=1):
        super().__init__()
        # 1. Which padding keeps the size?
        # 2. The filters, one for each channel, with stride, padding and dilation; then the mixing.
        ### BEGIN SOLUTION
        if padding is None:
            padding = dilation * (kernel_size // 2)
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, kernel_size, stride, padding, dilation, groups=in_channels, bias=False
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        ### END SOLUTION

    def forward(self, x):
        # Filter, then mix.
        ### BEGIN SOLUTION
        return self.pointwise(self.depthwise(x))
        ### END SOLUTION


# %% role="test" name="SeparableConv"
check("SeparableConv", SeparableConv)
### BEGIN HIDDEN TESTS
check.grade("SeparableConv", SeparableConv)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="SeparableConv"
# Hints for SeparableConv.

# %% [markdown]
# ## A light decoder
#
# ASPP's map is 16 times smaller than the image. DeepLabv3 simply enlarges its scores, and outlines are as blurred as you
# expect. DeepLabv3+ takes one map from the beginning of the backbone, at stride 4: it knows little, but it knows
# *where*.

# %% role="figure" name="decoder" alt="A diagram of DeepLabv3+: the image goes through the backbone to stride 4 and on to stride 16, through ASPP, and is enlarged four times. The map at stride 4 is reduced to 48 channels. Both are stacked, go through two 3 by 3 convolutions and one of 1 by 1, and are enlarged four times."
figures.decoder_figure()

# %% [markdown]
# Why only 48 channels of it? The fine map of a ResNet has 256, as many as ASPP gives. Stacked like that it would have
# as much to say as the map that has seen everything. The paper tried 8 to 64, and 48 was best.
#
# ### Exercise 7 · The decoder of DeepLabv3+
#
# Difficulty 3 of 5, about 15 minutes, 3 points. The coarse map comes first in the stack. All but the last convolution
# have no bias, but normalisation and ReLU.


# %% role="solution" name="Decoder"
class Decoder(nn.Module):
    """Fine (N, low_channels, H, W) and coarse (N, high_channels, h, w) maps give scores (N, num_classes, H, W)."""

    def __init__(self, low_channels, high_channels, num_classes, channels=256):
        super().__init__()
        # 1x1 to 48 channels for the fine map; two 3x3 to `channels`; 1x1 with bias for the scores.
        ### BEGIN SOLUTION
        def layer(before, after, side):
            conv = nn.Conv2d(before, after, side, padding=side // 2, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU())

        self.reduce = layer(low_channels, 48, 1)
        self.first = layer(high_channels + 48, channels, 3)
        self.second = layer(channels, channels, 3)
        self.score = nn.Conv2d(channels, num_classes, 1)
        ### END SOLUTION

    def forward(self, low, high):
        # Enlarge `high` bilinearly, reduce `low`, stack, two convolutions, scores.
        ### BEGIN SOLUTION
        wide = nn.functional.interpolate(high, size=low.shape[2:], mode="bilinear")
        both = torch.cat([wide, self.reduce(low)], 1)
        return self.score(self.second(self.first(both)))
        ### END SOLUTION


# %% role="test" name="Decoder"
check("Decoder", Decoder)
### BEGIN HIDDEN TESTS
check.grade("Decoder", Decoder)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="Decoder"
# Hints for Decoder.

# %% [markdown]
# That is all of DeepLabv3+: a backbone whose last stride has become a dilation, ASPP, decoder. `deeplab.DeepLabV3Plus`
# takes any backbone and dilates it; the weights stay as they are.

# %% role="given" name="whole"
backbone = SmallCNN()
print("strides before:", backbone.strides)
network = deeplab.DeepLabV3Plus(backbone, num_classes=10, output_stride=16, channels=64).eval()
print("strides after: ", backbone.strides)
print("scores:", tuple(network(torch.rand(1, 3, 65, 97)).shape))

# %% [markdown]
# ## Hypercolumns
#
# The decoder takes two maps. Why not all? Enlarge every map of the backbone to one size and stack them. What stands
# above a pixel is then its **hypercolumn**: what every layer says about it, from edge to object. It was an early answer
# to "what *and* where", and it needs no training to look at.
#
# ### Exercise 8 · Hypercolumns
#
# Difficulty 2 of 5, about 8 minutes, 2 points.


# %% role="solution" name="hypercolumns"
def hypercolumns(features, size):
    """features, a list of (N, C_i, H_i, W_i), and size = (H, W) give the stack (N, sum of C_i, H, W)."""
    # Every map at the same size, bilinearly; then one above the other, in the order of the list.
    ### BEGIN SOLUTION
    maps = [nn.functional.interpolate(f, size=size, mode="bilinear") for f in features]
    return torch.cat(maps, 1)
    ### END SOLUTION


# %% role="test" name="hypercolumns"
check("hypercolumns", hypercolumns)
### BEGIN HIDDEN TESTS
check.grade("hypercolumns", hypercolumns)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="hypercolumns"
# Hints for hypercolumns.

# %% [markdown]
# A stack of all channels at full size is large. How large is it for a ResNet-50 and an image of 512 × 512?

# %% role="given" name="bytes"
maps = [64, 256, 512, 1024, 2048]  # channels of its five stages
stack = 4 * sum(maps) * 512 * 512
apart = 4 * sum(c * (512 // s) ** 2 for c, s in zip(maps, (2, 4, 8, 16, 32), strict=True))
print(f"one stack {stack / 2**30:.1f} GiB; the maps themselves {apart / 2**20:.0f} MiB")

# %% [markdown]
# ## Ask the other pixels
#
# Before there were decoders, outlines were repaired afterwards, and with the image itself. The idea: a pixel's class is
# likely that of the pixels which are *near* it and *look like* it.
#
# Let $u_i(l) = -\log p_i(l)$ be what the network says about pixel $i$, as a cost. And let each pair of pixels that
# disagrees pay $k_{ij}$, more the more alike the two are:
#
# $$E(x) = \sum_i u_i(x_i) + \sum_{i < j} k_{ij}\,[x_i \ne x_j], \qquad
# k_{ij} = \exp\left(-\tfrac12 \lVert f_i - f_j \rVert^2\right)$$
#
# This is a conditional random field, and a dense one: *every* pair of pixels is in the sum. All depends on the features
# $f$. Rows and columns, divided by a distance $\sigma$, make near pixels alike. With the colour beside them, near pixels
# of the same colour.

# %% role="figure" name="listens" alt="A street scene with one pixel of the ground marked; a round Gaussian spot around it; and the same with colour, where only ground counts and the cone stays dark."
figures.kernel_figure()

# %% [markdown]
# Look at the right picture: a kernel with colour knows where the ground ends, without any training.
#
# Two details. Nobody votes for himself, $k_{ii} = 0$. And a pixel in a large even area has many who are alike, one on a
# thin pole has few; so each side is divided by the root of its sum: $k_{ij} / \sqrt{s_i s_j}$ with
# $s_i = \sum_j k_{ij}$.
#
# ### Exercise 9 · Who listens to whom
#
# Difficulty 3 of 5, about 15 minutes, 3 points.


# %% role="solution" name="pairwise_kernel"
def pairwise_kernel(features, normalization="symmetric"):
    """features (D, P), one column a pixel, give the kernel (P, P); normalization is "symmetric" or "none"."""
    # 1. The squared distance of each pixel's features to each other pixel's.
    # 2. The Gaussian of it, and zeros on the diagonal.
    # 3. With "symmetric", divide by the root of both row sums.
    ### BEGIN SOLUTION
    difference = features[:, :, None] - features[:, None, :]
    k = torch.exp(-0.5 * (difference**2).sum(0))
    k = k * (1 - torch.eye(len(k)))
    if normalization == "none":
        return k
    s = k.sum(1)
    return k / (s[:, None] * s[None, :]).sqrt()
    ### END SOLUTION


# %% role="test" name="pairwise_kernel"
check("pairwise_kernel", pairwise_kernel)
### BEGIN HIDDEN TESTS
check.grade("pairwise_kernel", pairwise_kernel)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="pairwise_kernel"
# Hints for pairwise_kernel.

# %% [markdown]
# With more than two classes nobody knows how to find the cheapest labelling of all pixels in bearable time. **Mean
# field** gives up one thing: it keeps a probability $Q_i(l)$ for each pixel alone, as if they did not know each other,
# and makes each as good as it can be *given the others*. Suppose pixel $i$ had class $l$. What does it pay, on average
# over the others?
#
# $$u_i(l) + \sum_{j \ne i} k_{ij} \sum_{l' \ne l} Q_j(l')$$
#
# Probabilities sum to one, so $\sum_{l' \ne l} Q_j(l') = 1 - Q_j(l)$, and the sum is
#
# $$u_i(l) + \sum_{j \ne i} k_{ij} - \sum_{j \ne i} k_{ij}\, Q_j(l).$$
#
# The term in the middle is the same for all classes of the pixel. The best $Q_i$ is proportional to the exponential of
# minus this cost, and what is the same for all classes drops out there:
#
# $$Q_i(l) \leftarrow \operatorname{softmax}_l \Bigl(-u_i(l) + \sum_{j \ne i} k_{ij}\, Q_j(l)\Bigr)$$
#
# Read it aloud: each pixel adds up the votes of all others, weighted by how alike they are, and its own network's word.
#
# ### Exercise 10 · One step of the mean field
#
# Difficulty 3 of 5, about 12 minutes, 2 points. All pixels move at once.


# %% role="solution" name="mean_field_step"
def mean_field_step(q, unary, kernel):
    """q and unary (L, P), L labels of P pixels, and kernel (P, P) with a zero diagonal give the new q (L, P)."""
    # 1. The votes that each pixel gets for each label.
    # 2. Votes and cost, through a softmax. Over which axis?
    ### BEGIN SOLUTION
    votes = q @ kernel.T
    return (votes - unary).softmax(0)
    ### END SOLUTION


# %% role="test" name="mean_field_step"
check("mean_field_step", mean_field_step)
### BEGIN HIDDEN TESTS
check.grade("mean_field_step", mean_field_step)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="mean_field_step"
# Hints for mean_field_step.

# %% [markdown]
# ### Exercise 11 · A dense random field
#
# Difficulty 3 of 5, about 15 minutes, 3 points. Several kernels, each with its weight, and several steps.
# `deeplab.pairwise_kernel` and `deeplab.mean_field_step` are there for you.


# %% role="solution" name="dense_crf"
def dense_crf(unary, features, weights, iterations, normalization="symmetric"):
    """unary (L, P), a list of features (D, P), as many weights, and a number of steps give q (L, P)."""
    # 1. One kernel from all: each times its weight.
    # 2. Begin with what the network says alone.
    # 3. Take the steps.
    ### BEGIN SOLUTION
    kernel = torch.zeros(unary.shape[1], unary.shape[1])
    for f, weight in zip(features, weights, strict=True):
        kernel = kernel + weight * deeplab.pairwise_kernel(f, normalization)
    q = (-unary).softmax(0)
    for _ in range(iterations):
        q = deeplab.mean_field_step(q, unary, kernel)
    return q
    ### END SOLUTION


# %% role="test" name="dense_crf"
check("dense_crf", dense_crf)
### BEGIN HIDDEN TESTS
check.grade("dense_crf", dense_crf)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="dense_crf"
# Hints for dense_crf.

# %% [markdown]
# Below, the "network" is as good as a network of stride 8 can be and no better: it knows the share of each class around
# each pixel. `colour` is how far two colours may differ, `weight` how much the votes count, `steps` how often all are
# asked. Find settings that mend the cone. What do they do to the small things on the horizon, and to the strip of
# water?

# %% role="widget" name="field" alt="Sliders for colour, weight and steps. A scene, its true classes, a blurred class map before the random field, and the class map after it: the cone has its outline back, the water is gone, and bits of wall stand where the small things are."
crf_widget()

# %% [markdown]
# The field sharpens what is there and wipes out what is thin. It sees colours, not things: where shadow or stripes
# change the colour, it draws an outline that is none.
#
# ## Experiment · What is context worth?
#
# Three networks. Each has the first three stages of a small backbone, so that a place on its last map sees 43 of 64
# pixels, and the decoder of exercise 7. They differ in one module: a **plain** 3 × 3 convolution, **pyramid pooling**,
# or **ASPP**. The map is 8 × 8, so ASPP has rates 1, 2 and 4. Rate 18 would be a 1 × 1 convolution, as you know.
#
# Beside mean IoU and boundary IoU you see the IoU of large things: things that fill at least a fiftieth of the image,
# with all smaller ones left out.
#
# The three loss curves come one below the other, in this order: plain, PPM, ASPP.
#
# **Guess first:** which of the three numbers will context raise?

# %% role="experiment" name="heads" alt="Three falling loss curves. A room, its true classes, and the class maps of three networks, with a plain head, with pyramid pooling and with ASPP: much alike, but two of them take a part of the ball for a can."
found = experiment.compare(keep="runs")
experiment.maps_figure(found)

# %% [markdown]
# Three seeds on a CPU, from the least to the most. The best guess by a pixel's colour alone has a mean IoU of 0.230, and
# every network is more than 0.25 above it, after about 40 seconds of one core each.
#
# | head | mean IoU | boundary IoU | IoU of large things |
# |---|---|---|---|
# | plain | 0.513 to 0.525 | 0.254 to 0.255 | 0.239 to 0.269 |
# | PPM | 0.516 to 0.522 | 0.252 to 0.258 | 0.244 to 0.263 |
# | ASPP | 0.512 to 0.517 | 0.252 to 0.256 | 0.231 to 0.246 |
#
# The ranges of the three heads overlap in every column: **no difference was found**, not even on large things. Is context
# worth nothing, then? A likely reason is how far the *plain* network sees already. Its backbone sees 43 pixels, its head
# adds two places of 8 pixels, and each of the decoder's two convolutions two places of 4:
#
# $$43 + 2 \cdot 8 + 2 \cdot (2 \cdot 4) = 75$$
#
# The image has 64. From its middle all of it is in sight, from a corner more than half of each side: little is left for a
# wider view to add. The papers' images have 513 pixels, and things that fill half of them. A module is worth what it
# adds to what is there already, and only a measurement tells.
#
# ## Experiment · Does it still need the field?
#
# Take the network with ASPP, and put the random field behind it.

# %% role="experiment" name="refine" alt="A room, its true classes, the network's class map before and after the random field, and the pixels that changed, nearly all of them along outlines. After it the outlines are clean, and the ball is still half a can."
before, after = experiment.refined_scores(found["ASPP"].network)
print("network alone:", before)
print("with the field:", after)
experiment.crf_figure(found["ASPP"].network)

# %% [markdown]
# On 16 unseen scenes, three seeds:
#
# | | mean IoU | boundary IoU |
# |---|---|---|
# | network alone | 0.496 to 0.517 | 0.253 to 0.261 |
# | with the field | 0.561 to 0.590 | 0.424 to 0.442 |
#
# The settings were chosen on eight other scenes. With every seed the field improves both numbers, and the outlines by
# far the most. Others have stopped using one, and here it is worth more than any head. Two things speak for it. Stride 4
# is coarse on 64 pixels, and the network has learned for a minute. And the scenes are the field's dream: rendered surfaces
# end where their colour ends.
#
# Then look at what it did *not* mend. Where the network is wrong about a whole thing, the field draws a clean outline
# around the mistake. DeepLabv3 and v3+ have learned their outlines from thousands of photographs, in which edges of
# colour are often no edges of things. They are better without a field than DeepLab's first versions were with one, and
# it was dropped.
#
# ## At full scale
#
# With a GPU the same three heads stand on the pretrained backbone and learn from larger scenes. Without one the cell
# says what it would do.

# %% role="experiment" name="full" alt="On a GPU, one loss curve for each training of the three heads; on a CPU no picture, only what would be trained."
scores = experiment.full_scale()

# %% [markdown]
# ## What came of it
#
# Mean IoU on the test images of Pascal VOC 2012, as the papers report it:
#
# | network | mIoU in % |
# |---|---|
# | PSPNet | 85.4 |
# | DeepLabv3 | 85.7 |
# | DeepLabv3, pretrained on 300 million images (JFT) | 86.9 |
# | DeepLabv3+, Xception | 87.8 |
# | DeepLabv3+, Xception, JFT | 89.0 |
#
# Two things to read off. PSPNet and DeepLabv3 differ by 0.3: two quite different ways to look around, and hardly a
# difference. The decoder and a better backbone bring two points, and more images another one. None of the five has a
# random field behind it; the first two DeepLabs did.
#
# ## Common mistakes
#
# - The padding is 1 where the rate is not: maps shrink, and cannot be stacked.
# - Branches are summed instead of stacked.
# - Pooled features are stacked before they are enlarged.
# - Large rates on small maps: an expensive 1 × 1 convolution.
# - A batch of one image in training, where the image branch has one number to normalise.
# - Bins that do not overlap where the size does not divide.
# - The fine map goes into the decoder with all of its channels.
# - In the random field: a vote for oneself, and a softmax over pixels instead of classes.

# %% [markdown] role="essay" name="why-no-field" points=2
# ## In your own words
#
# DeepLab's first version had scores at stride 8, no decoder, and a dense CRF behind it that raised its mIoU by several
# points. DeepLabv3+ is better without one. Yet behind this chapter's small network the CRF was worth a lot. Explain all
# three: what did the CRF know that the first network did not, why does DeepLabv3+ do without, and what about our
# network and our images makes the CRF useful again? (2 points)
#
# <!-- BEGIN SOLUTION -->
# The first network's scores had a stride of 8 and were enlarged bilinearly: it knew what was there, but not to the
# pixel where it ended. The CRF knew the image at full resolution and moved outlines to edges of colour.
#
# DeepLabv3+ gets fine features at stride 4 and learns how to combine them with the coarse ones. It learns *which* edges
# matter, stripes or the outline, where the CRF has one rule for all: near and alike in colour.
#
# Our network has the same decoder, but on images of 64 pixels stride 4 is coarse, and it has learned for a minute. And
# rendered surfaces have clean edges of colour that are nearly always edges of things, which is just what the CRF
# supposes. In photographs it is true less often.
# <!-- END SOLUTION -->

# %% [markdown]
# ## References
#
# - L.-C. Chen et al., [Rethinking atrous convolution for semantic image
#   segmentation](https://arxiv.org/abs/1706.05587), 2017: ASPP with image-level features, and the share of valid weights.
# - L.-C. Chen et al., [Encoder-decoder with atrous separable convolution for semantic image
#   segmentation](https://arxiv.org/abs/1802.02611), ECCV 2018: DeepLabv3+.
# - H. Zhao et al., [Pyramid scene parsing network](https://arxiv.org/abs/1612.01105), CVPR 2017.
# - B. Hariharan et al., [Hypercolumns for object segmentation and fine-grained
#   localization](https://arxiv.org/abs/1411.5752), CVPR 2015.
# - P. Krähenbühl, V. Koltun, [Efficient inference in fully connected CRFs with Gaussian edge
#   potentials](https://arxiv.org/abs/1210.5644), NIPS 2011.
# - L.-C. Chen et al., [DeepLab](https://arxiv.org/abs/1606.00915), PAMI 2018: the versions with a CRF.
