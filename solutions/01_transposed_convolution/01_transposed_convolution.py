# %% [markdown]
# # 01 · Transposed convolution
#
# A network that labels every pixel first makes its maps small. Then it has to make them large again. This chapter
# is about the way back: an upsampling with weights, so that it can learn.
#
# **Afterwards you can**
#
# - compute a transposed convolution by hand, with loops, as a matrix, and for batches of channels;
# - say how large its output is, and what padding and output padding do to it;
# - explain what is transposed, and why the word deconvolution is wrong;
# - see a checkerboard coming, and avoid it.
#
# **You need** matrices and their transposes, the plain convolution with stride and padding, and tensors. Chapter 00
# shows how exercises, checks and hints work.
#
# **It takes** about 130 minutes. **Exercises:** 9 with 22 points, and one question in words with 2.

# %% role="setup" name="setup"
import functools
import timeit

import sympy
import torch

from dlcv import device
from dlcv import transposed_convolution as tc
from dlcv.transposed_convolution import experiment, figures
from dlcv.transposed_convolution.exercises import check
from dlcv.transposed_convolution.widget import painting_widget

# %% [markdown]
# ## Why
#
# A network has halved this photograph five times. In the middle is the best that it could say then: one class a cell.
# On the right is what you are asked for.

# %% role="figure" name="coarse" alt="A photograph of people at tables; its classes in 11 by 15 coarse cells; its classes at every pixel."
figures.coarse_figure()

# %% [markdown]
# The middle map holds 165 decisions, the right one 168,960.
#
# **Before you read on:** by which rule would you fill in all the others?
#
# You could copy each decision over its block, or draw straight lines between decisions. Both rules are fixed, and
# chapter 02 builds them. The rule of this chapter has weights: a network can learn how to fill in.

# %% [markdown]
# ## Collect or paint
#
# Here is one row of pixels. On the left is what you know, on the right what is new.

# %% role="figure" name="slide" alt="Left, arrows from three inputs meet in one output, labelled x, y, z. Right, the same arrows turned round: one input reaches three outputs."
figures.slide_figure()

# %% [markdown]
# A convolution **collects**. An output pixel takes three inputs, weighs them by $x, y, z$ and adds them up. Stride 2
# means: from one output to the next, the window moves two *input* pixels. So the row about halves.
#
# Now turn every arrow round. An input pixel **paints**: it hands itself to three outputs, weighed by $x, y, z$.
# Stride 2 means: from one input to the next, the brush moves two *output* pixels. So the row about doubles.
#
# On the right, two arrows end at the same output. What should stand there?

# %% role="figure" name="copies" alt="The copy ax, ay, az; two pixels further on the copy bx, by, bz; their sum ax, ay, az+bx, by, bz."
figures.copies_figure()

# %% [markdown]
# They add up. Each input pixel lays a copy of the filter onto the canvas, scaled by itself. Where copies overlap,
# they are added:
#
# $$y_{i s + k} \mathrel{+}= x_i \, w_k$$
#
# Here $x_i$ is an input pixel, $w_k$ a number of the filter, $s$ the stride, and $y$ the canvas, which starts
# as zeros.
#
# Take $(a, b) = (2, 5)$ and $(x, y, z) = (3, 7, 11)$. Work out the five numbers on paper. Then run the cell.

# %% role="given" name="by-hand"
tc.conv_transpose1d(torch.tensor([2, 5]), torch.tensor([3, 7, 11]), stride=2)

# %% [markdown]
# ### Exercise 1 · Paint and add in one dimension
#
# Difficulty 1 of 5, about 8 minutes, 2 points.
#
# Write it with plain loops. A ready-made convolution or matrix product would do the job for you, so the check does
# not count it.

# %% role="solution" name="conv_transpose1d"
def conv_transpose1d(x, weight, stride=1):
    """x (L,) and weight (K,) give the painted canvas, ((L - 1) * stride + K,)."""
    # 1. Make a canvas of zeros, as long as the output.
    # 2. For each input number `x[i]`, add its copy of `weight` where it belongs.
    ### BEGIN SOLUTION
    canvas = x.new_zeros((len(x) - 1) * stride + len(weight))
    for i in range(len(x)):
        canvas[i * stride : i * stride + len(weight)] += x[i] * weight
    return canvas
    ### END SOLUTION


# %% role="test" name="conv_transpose1d"
check("conv_transpose1d", conv_transpose1d)
### BEGIN HIDDEN TESTS
check.grade("conv_transpose1d", conv_transpose1d)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="conv_transpose1d"
# Hints for conv_transpose1d.

# %% [markdown]
# Before you go on: which of these two outputs has pixels that nobody painted, and why?

# %% role="given" name="gaps"
x, weight = torch.tensor([1, 2, 3]), torch.tensor([1, 1])
print("stride 1:", tc.conv_transpose1d(x, weight, stride=1).tolist())
print("stride 3:", tc.conv_transpose1d(x, weight, stride=3).tolist())

# %% [markdown]
# A stride smaller than the filter makes copies overlap. A stride larger than the filter leaves gaps.

# %% [markdown]
# ## How large is the output?
#
# Count painted pixels. With $i$ inputs, the last copy starts at $(i - 1)\,s$. It spans $k$ pixels. That is the
# canvas: $(i - 1)\,s + k$.
#
# Two arguments change it, and both are named after what a *convolution* does with them.
#
# - **Padding** $p$: the convolution adds $p$ zeros at each end. On the way back nobody asks for what lands on them: the
#   transposed convolution **trims** $p$ pixels from each end.
# - **Output padding**: look at the left half of the picture. Why is there a choice on the way back?

# %% role="figure" name="sizes" alt="Left, three pixels and four pixels both give two windows of a convolution with stride 2 and padding 1. Right, five painted pixels, three left after padding 1, four with output padding 1."
figures.sizes_figure()

# %% [markdown]
# Rows of 3 and of 4 pixels both shrink to 2. So whoever goes back from 2 has to say which it was.
# **Output padding** says it: that many pixels are kept at the far end (right, or bottom) that padding would have cut.
# It adds nothing at the near end. And where padding has cut something, it is not made of zeros: look at the last row of
# the picture.
#
# You will also meet this recipe: *paint 2 × 2 with a 3 × 3 filter and stride 2, which gives 5 × 5; trim one row at
# the top and one column at the left; that makes 4 × 4.* Which arguments say so?

# %% role="given" name="five-to-four"
layer = dict(kernel_size=3, stride=2)
print("painted          ", tc.output_size(2, **layer))
print("padding 1        ", tc.output_size(2, **layer, padding=1))
print("output padding 1 ", tc.output_size(2, **layer, padding=1, output_padding=1))

# %% [markdown]
# Padding 1 and output padding 1: the second gives back, at the bottom and at the right, what the first took there.
#
# A filter can also be spread out: with **dilation** $d$ its numbers lie $d$ pixels apart on the canvas. How many
# pixels does a filter of $k$ numbers span then?
#
# ### Exercise 2 · How large is the output?
#
# Difficulty 2 of 5, about 6 minutes, 2 points.

# %% role="solution" name="output_size"
def output_size(size, kernel_size, stride=1, padding=0, output_padding=0, dilation=1):
    """From the pixels of an axis before (size) to the pixels after, an int."""
    # 1. Where does the last copy start?
    # 2. How many pixels does it span when its numbers lie `dilation` apart?
    # 3. What do `padding` and `output_padding` change?
    ### BEGIN SOLUTION
    start = (size - 1) * stride
    span = dilation * (kernel_size - 1) + 1
    return start + span - 2 * padding + output_padding
    ### END SOLUTION


# %% role="test" name="output_size"
check("output_size", output_size)
### BEGIN HIDDEN TESTS
check.grade("output_size", output_size)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="output_size"
# Hints for output_size.

# %% [markdown]
# ### Exercise 3 · The same formula, derived
#
# Difficulty 2 of 5, about 8 minutes, 2 points.
#
# You counted. The formula also falls out of the one you know for the convolution,
#
# $$o = \left\lfloor \frac{i + 2p - k}{s} \right\rfloor + 1.$$
#
# Rounding down is awkward in algebra, so name what it throws away: the remainder $r$, one of $0, \dots, s - 1$. Then
#
# $$o = \frac{i + 2p - k - r}{s} + 1.$$
#
# Here $i$ and $o$ belong to the *convolution*. Its transpose goes back from $o$ to $i$. So solve for $i$, one step a line.
# A line is an equation: `sympy.Eq(left, right)`. The check reads line by line and names the first that does not
# follow.

# %% role="solution" name="size_from_size"
def size_from_size(i, o, k, s, p, r):
    """The list of lines, from the question to an equation with i alone on the left."""
    question = sympy.Eq(o, (i + 2 * p - k - r) / s + 1)
    # 1. Move the 1 to the other side.
    # 2. Multiply both sides by `s`.
    # 3. Leave `i` alone, and write it on the left.
    # Return all lines, the question first: `[question, ...]`.
    ### BEGIN SOLUTION
    return [
        question,
        sympy.Eq(o - 1, (i + 2 * p - k - r) / s),
        sympy.Eq((o - 1) * s, i + 2 * p - k - r),
        sympy.Eq(i, (o - 1) * s + k - 2 * p + r),
    ]
    ### END SOLUTION


# %% role="test" name="size_from_size"
check("size_from_size", size_from_size)
### BEGIN HIDDEN TESTS
check.grade("size_from_size", size_from_size)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="size_from_size"
# Hints for size_from_size.

# %% [markdown]
# Lay your last line beside your code of Exercise 2, whose `size` is this $o$. The remainder $r$ is the output padding: what
# the convolution forgot by rounding down, the way back must be told.
#
# The next cell goes there and back. Each row size shrinks to $o$; from $o$ and its own $r$ it comes back exact.

# %% role="given" name="there-and-back"
for i in range(3, 9):
    o = tc.convolution_size(i, kernel_size=3, stride=2, padding=1)
    r = (i + 2 * 1 - 3) % 2
    back = tc.output_size(o, kernel_size=3, stride=2, padding=1, output_padding=r)
    print(f"{i} pixels → {o} → {back}   (r = {r})")

# %% [markdown]
# ## In two dimensions
#
# Nothing new happens, only down as well as across. On paper first: paint the image $\begin{pmatrix} 1 & 0 \\ 2 & 1
# \end{pmatrix}$ with the filter $\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}$ and stride 1. How large is the
# output? Which number stands in the middle?

# %% role="given" name="two-by-two"
image, weight = torch.tensor([[1, 0], [2, 1]]), torch.tensor([[1, 2], [3, 4]])
tc.conv_transpose2d_naive(image, weight)

# %% [markdown]
# Now watch it happen. Move **step** from 0 to 9: the orange copy lands, and the small print shows what was there plus
# what came. Then try this.
#
# 1. Filter 3, stride 3: what do neighbouring copies do?
# 2. Filter 2, stride 3: where are the gaps?
# 3. Padding 1: which pixels go?
# 4. On the right is counted how many copies reach each pixel. Which filters treat all pixels alike with stride 2, away
#    from the border?

# %% role="widget" name="painting" alt="Sliders over five grids of numbers: input, filter and scaled copy above; below the canvas with the copy in orange, and the number of copies that reach each pixel."
painting_widget()

# %% [markdown]
# ### Exercise 4 · Paint and add in two dimensions
#
# Difficulty 2 of 5, about 12 minutes, 3 points.
#
# Loops again. If you want the size, `tc.output_size` is there for you.

# %% role="solution" name="conv_transpose2d_naive"
def conv_transpose2d_naive(x, weight, stride=1, padding=0):
    """x (H, W) and weight (kH, kW) give the painted canvas, trimmed on each side."""
    # 1. Make a canvas of zeros for all copies, nothing trimmed yet.
    # 2. For each pixel `x[i, j]`, add its copy of `weight`.
    # 3. Cut `padding` rows and columns off each of the four sides.
    ### BEGIN SOLUTION
    (rows, columns), (kernel_height, kernel_width) = x.shape, weight.shape
    height = (rows - 1) * stride + kernel_height
    width = (columns - 1) * stride + kernel_width
    canvas = x.new_zeros(height, width)
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride, j * stride
            canvas[top : top + kernel_height, left : left + kernel_width] += x[i, j] * weight
    return canvas[padding : height - padding, padding : width - padding]
    ### END SOLUTION


# %% role="test" name="conv_transpose2d_naive"
check("conv_transpose2d_naive", conv_transpose2d_naive)
### BEGIN HIDDEN TESTS
check.grade("conv_transpose2d_naive", conv_transpose2d_naive)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="conv_transpose2d_naive"
# Hints for conv_transpose2d_naive.

# %% [markdown]
# ## What is transposed
#
# Back to the plain convolution for a moment. It slides the filter and takes dot products (in deep learning without
# flipping it):

# %% role="given" name="plain"
tc.correlate2d(torch.arange(1, 10).reshape(3, 3), torch.tensor([[1, 2], [3, 4]]))

# %% [markdown]
# Each of these four numbers is a weighted sum of the nine inputs. Weighted sums are rows of a **matrix**. Take one row
# of pixels, the filter $(x, y, z)$ and padding 1. Every row of the matrix $X$ is one position of the filter:

# %% role="figure" name="matrix" alt="A 4 by 4 matrix with the letters x, y, z along its diagonals, and its transpose."
figures.matrix_figure(stride=1)

# %% [markdown]
# Now with stride 2. The filter moves two columns a row, so half of the rows are gone:

# %% role="figure" name="matrix-stride" alt="A 2 by 4 matrix with rows y z 0 0 and 0 x y z, and its 4 by 2 transpose."
figures.matrix_figure(stride=2)

# %% [markdown]
# Read the left matrix by rows: a row says from where an output **collects**. Read it by columns: a column says where
# an input **goes**. Transposing exchanges the two. Row $o$ of $X$ becomes column $o$ of $X^\top$, and a column of $X^\top$ is a
# painted copy of the filter. That is the name:
#
# $$\text{convolution: } X a \qquad\qquad \text{transposed convolution: } X^\top b$$
#
# One convention. You could write the padded zeros as pixels, too. Then $X$ has two more columns. They
# only ever multiply zeros, so we drop them. Compare:

# %% role="given" name="padded-columns"
weight = torch.tensor([1, 2, 3])
print("Four pixels and two written zeros:")
print(tc.convolution_matrix(weight, 6, stride=2))
print("The same without their columns:")
print(tc.convolution_matrix(weight, 4, stride=2, padding=1))

# %% [markdown]
# ### Exercise 5 · The matrix of a convolution
#
# Difficulty 4 of 5, about 18 minutes, 3 points.
#
# For a row of pixels, and for an image. An image enters as one long vector, row after row: pixel $(i, j)$ of an image with
# $W$ columns is number $i W + j$. Matrix products are allowed here, ready-made convolutions are not.

# %% role="solution" name="convolution_matrix"
def convolution_matrix(weight, input_shape, stride=1, padding=0):
    """The matrix (outputs, inputs) of a convolution, without columns for padded zeros.

    weight (K,) comes with input_shape (L,), weight (kH, kW) with input_shape (H, W).
    stride and padding are ints.
    """
    # 1. Make one case of two: a vector is an image with a single row, never padded.
    # 2. How many outputs are there down and across? `tc.convolution_size` knows.
    # 3. For each output, and each number of `weight`: on which pixel does it stand?
    #    Write it into that column.
    # 4. Some numbers stand on padded zeros. They are not written.
    ### BEGIN SOLUTION
    row_padding = 0 if weight.dim() == 1 else padding
    height, width = (1, *input_shape) if weight.dim() == 1 else input_shape
    weight = torch.atleast_2d(weight)
    output_height = tc.convolution_size(height, weight.shape[0], stride, row_padding)
    output_width = tc.convolution_size(width, weight.shape[1], stride, padding)
    matrix = weight.new_zeros(output_height * output_width, height * width)
    for a in range(output_height):
        for b in range(output_width):
            for k in range(weight.shape[0]):
                for l in range(weight.shape[1]):
                    i, j = a * stride + k - row_padding, b * stride + l - padding
                    if 0 <= i < height and 0 <= j < width:
                        matrix[a * output_width + b, i * width + j] = weight[k, l]
    return matrix
    ### END SOLUTION


# %% role="test" name="convolution_matrix"
check("convolution_matrix", convolution_matrix)
### BEGIN HIDDEN TESTS
check.grade("convolution_matrix", convolution_matrix)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="convolution_matrix"
# Hints for convolution_matrix.

# %% [markdown]
# And the transpose paints. Both lines of the next cell give the same numbers:

# %% role="given" name="transpose-paints"
b, weight = torch.tensor([[1, 0], [2, 1]]), torch.tensor([[1, 2], [3, 4]])
X = tc.convolution_matrix(weight, (3, 3))  # 9 pixels in, 4 out
print((X.T @ b.flatten()).reshape(3, 3).tolist(), "transposed matrix")
print(tc.conv_transpose2d_naive(b, weight).tolist(), "painted")

# %% [markdown]
# ### Exercise 6 · The adjoint identity on one line
#
# Difficulty 2 of 5, about 8 minutes, 2 points.
#
# What is a transpose good for? For all vectors $a$ and $b$ it moves a matrix from one side of a dot product to the other:
#
# $$\langle X a, b \rangle = \langle a, X^\top b \rangle$$
#
# Prove it for five pixels $a_0, \dots, a_4$, the filter $(x, y, z)$ and stride 2. The question is the left side:
# each of the two outputs, times its $b$. Multiply out, then sort by pixel: `a[0] * (...) + a[1] * (...) + ...`.

# %% role="solution" name="adjoint_identity"
def adjoint_identity(a, b, w):
    """The list of lines for a = (a0, ..., a4), b = (b0, b1), w = (x, y, z)."""
    x, y, z = w
    left, right = x * a[0] + y * a[1] + z * a[2], x * a[2] + y * a[3] + z * a[4]
    question = b[0] * left + b[1] * right
    # 1. Multiply out: six products.
    # 2. Sort by pixel, so that each of `a[0]` to `a[4]` is written once.
    # Return all lines, the question first: `[question, ...]`.
    ### BEGIN SOLUTION
    products = x * a[0] * b[0] + y * a[1] * b[0] + z * a[2] * b[0]
    products += x * a[2] * b[1] + y * a[3] * b[1] + z * a[4] * b[1]
    brackets = x * b[0], y * b[0], z * b[0] + x * b[1], y * b[1], z * b[1]
    by_pixel = sum(pixel * bracket for pixel, bracket in zip(a, brackets, strict=True))
    return [question, products, by_pixel]
    ### END SOLUTION


# %% role="test" name="adjoint_identity"
check("adjoint_identity", adjoint_identity)
### BEGIN HIDDEN TESTS
check.grade("adjoint_identity", adjoint_identity)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="adjoint_identity"
# Hints for adjoint_identity.

# %% [markdown]
# Read the brackets of your last line from $a_0$ to $a_4$: $xb_0,\; yb_0,\; zb_0 + xb_1,\; yb_1,\; zb_1$. You have seen these
# five before. They are $(b_0, b_1)$, painted with $(x, y, z)$.
#
# You have been using this for years. The gradient of a convolution with respect to its input is exactly this
# bracket: autograd runs a transposed convolution whenever it passes a convolution on its way back.

# %% role="given" name="gradient"
image, weight = torch.randn(1, 2, 6, 6, requires_grad=True), torch.randn(3, 2, 3, 3)
convolved = torch.nn.functional.conv2d(image, weight, stride=2, padding=1)
b = torch.randn_like(convolved)
(gradient,) = torch.autograd.grad(convolved, image, b)
painted = tc.conv_transpose2d(b, weight, stride=2, padding=1, output_padding=1)
print(f"largest difference: {float((gradient - painted).abs().max()):.1e}")

# %% [markdown]
# ## Transposed, not inverse
#
# You will meet this operation as *deconvolution*. That word is taken: a deconvolution **undoes** a convolution, for example
# to sharpen a blurred photograph. Does a transposed convolution do that?

# %% role="figure" name="inverse" alt="A face; the same blurred by a convolution; blurred even more after the transposed convolution; sharp again after a deconvolution."
figures.inverse_figure()

# %% [markdown]
# It blurs once more. A transpose gives back the *shape* of what went in, not its values. In numbers: if $X^\top$ undid
# $X$, then $X^\top X$ would be the identity.

# %% role="given" name="not-identity"
X = tc.convolution_matrix(torch.tensor([1, 2, 1]), 4, padding=1)
X.T @ X

# %% [markdown]
# So this course says **transposed convolution**. These names mean the same operation:
#
# | name | what it looks at |
# |---|---|
# | transposed convolution | the matrix is transposed |
# | backwards strided convolution | it is a convolution's backward pass |
# | fractionally strided convolution | the filter steps a fraction of an input pixel: the next section |
# | up-convolution | the map grows |
# | deconvolution | nothing that happens here; avoid it |

# %% [markdown]
# ## A fraction of a step
#
# Until now you asked where an *input* goes. Ask the other way: what does an *output* receive? Then the operation becomes
# a plain convolution again, over an input whose pixels were spread apart.

# %% role="figure" name="spread" alt="A 2 by 2 input; the same spread with zeros and a border, a 3 by 3 window marked; the flipped filter; the output with the pixel of that window marked."
figures.spread_figure()

# %% [markdown]
# This is stride 2. Between neighbours stands one zero. The filter slides over it with stride 1, which is **half** a step
# in terms of the original pixels. Hence *fractionally strided*: stride 2 in the output, stride 1/2 in the input.
#
# **Why is the filter flipped?** Output $o$ receives $x_i\, w_{o - i s}$. Walk to the right: $i$ grows, so $o - i s$ falls. The
# filter is read back to front.
#
# **Why this border?** Without padding, output 0 receives from the first pixel only. So its window has to end on that pixel,
# and the other $k - 1$ numbers hang over. Padding trims $p$ outputs, so the window starts $p$ later: the border is $k - 1 - p$.
#
# You will see slides that mix this up with *dilated* (atrous) convolution. There the **filter** is spread with zeros,
# here the **input** is. Chapter 03 is about the other one.
#
# ### Exercise 7 · Spread, flip, slide
#
# Difficulty 3 of 5, about 12 minutes, 3 points.
#
# Slide with `tc.correlate2d`, the course's plain convolution of one plane. `padding` is at most $k - 1$ here.

# %% role="solution" name="fractionally_strided_convolution"
def fractionally_strided_convolution(x, weight, stride=1, padding=0):
    """Transposed convolution of x (H, W) with weight (kH, kW), by a plain one."""
    # 1. Spread the pixels of `x` apart: `stride - 1` zeros between neighbours.
    # 2. Put a border of zeros around them.
    # 3. Slide the flipped filter over it: `tc.correlate2d(plane, filter)`.
    ### BEGIN SOLUTION
    (height, width), (kernel_height, kernel_width) = x.shape, weight.shape
    spread = x.new_zeros((height - 1) * stride + 1, (width - 1) * stride + 1)
    spread[::stride, ::stride] = x
    top, left = kernel_height - 1 - padding, kernel_width - 1 - padding
    plane = torch.nn.functional.pad(spread, (left, left, top, top))
    return tc.correlate2d(plane, weight.flip(0, 1))
    ### END SOLUTION


# %% role="test" name="fractionally_strided_convolution"
check("fractionally_strided_convolution", fractionally_strided_convolution)
### BEGIN HIDDEN TESTS
check.grade("fractionally_strided_convolution", fractionally_strided_convolution)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="fractionally_strided_convolution"
# Hints for fractionally_strided_convolution.

# %% [markdown]
# It is the same operation, but not a good way to compute it. What share of the filter's multiplications meets an inserted
# zero?

# %% role="given" name="wasted"
for stride in (1, 2, 4, 8):
    zeros = tc.insert_zeros(torch.ones(64, 64), stride) == 0
    print(f"stride {stride}: {float(zeros.float().mean()):.0%} of the spread pixels are zeros")

# %% [markdown]
# ## A filter that interpolates
#
# Which 3 × 3 filter makes painting with stride 2 the same as bilinear interpolation? Think in one dimension first. A pixel
# must keep its value where it stands, and half-way to the next both must give a half.

# %% role="figure" name="tents" alt="Bars of scaled tents that overlap; their sums lie on straight lines between the input pixels, for a tent of three and a tent of four numbers."
figures.tents_figure()

# %% [markdown]
# A **tent**. It is 1 at its centre and falls to 0 where its neighbour peaks. Copies of tents add up to straight lines.
# In two dimensions, multiply a tent down with a tent across.
#
# Let $K$ be the size and $f$ the stride that belongs to it. The centre of the numbers $0, \dots, K - 1$ is $c = (K - 1)/2$:
#
# $$w_k = 1 - \frac{|k - c|}{f}, \qquad f = \left\lfloor \frac{K + 1}{2} \right\rfloor$$
#
# - An **odd** filter, $K = 2f - 1$, has its peak on a pixel. Input pixels keep their values (left).
# - An **even** filter, $K = 2f$, has its peak between two pixels. Output pixels lie beside the inputs, a
#   quarter and three quarters of the way for $f = 2$ (right). This is the filter from which FCN starts.
#
# Both fade out at the ends, where a neighbour is missing.
#
# ### Exercise 8 · The filter that interpolates
#
# Difficulty 2 of 5, about 8 minutes, 2 points.

# %% role="solution" name="bilinear_kernel"
def bilinear_kernel(kernel_size):
    """The (kernel_size, kernel_size) filter of bilinear interpolation, float32."""
    # 1. The tent of one axis: how far is each number from the centre?
    # 2. The filter: number (k, l) is the product of tent numbers k and l.
    ### BEGIN SOLUTION
    factor = (kernel_size + 1) // 2
    centre = (kernel_size - 1) / 2
    tent = 1 - (torch.arange(kernel_size) - centre).abs() / factor
    return torch.outer(tent, tent)
    ### END SOLUTION


# %% role="test" name="bilinear_kernel"
check("bilinear_kernel", bilinear_kernel)
### BEGIN HIDDEN TESTS
check.grade("bilinear_kernel", bilinear_kernel)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="bilinear_kernel"
# Hints for bilinear_kernel.

# %% [markdown]
# Painting with it is torch's own bilinear interpolation. The odd filter keeps corners on corners, which torch calls
# `align_corners=True`. Chapter 02 sorts out that argument.

# %% role="given" name="interpolates"
image = torch.rand(1, 1, 4, 5)
weight = tc.bilinear_kernel(3)[None, None]
painted = tc.conv_transpose2d(image, weight, stride=2, padding=1)
how = dict(mode="bilinear", align_corners=True)
resized = torch.nn.functional.interpolate(image, size=(7, 9), **how)
print(f"largest difference: {float((painted - resized).abs().max()):.1e}")

# %% [markdown]
# ## Batches and channels
#
# A layer of a network has many channels. Each input channel paints onto **every** output channel, with a filter of its own:
#
# $$y_{n,o,\; i s + k d - p,\; j s + l d - p} \mathrel{+}= \sum_c x_{ncij} \, w_{cokl}$$
#
# Look at the order of the axes. A plain convolution's weight is $(C_\text{out}, C_\text{in}, k_H, k_W)$. Here it is
# $(C_\text{in}, C_\text{out}, k_H, k_W)$. It is the *same* tensor: what the convolution calls its output is now the input.
#
# - The **bias** $b_o$ is added once to every output pixel, also where nothing was painted.
# - **Groups** split the channels into $G$ parts that do not see each other. The weight is then $(C_\text{in}, C_\text{out}/G, k_H, k_W)$.
#
# Loops over pixels are slow. Turn them inside out: loop over the few numbers $(k, l)$ of the filter, and paint all copies
# of one number at once. They lie on a regular grid of the canvas, which a slice with a step reaches:
# `canvas[:, :, top::stride, left::stride]`.
#
# ### Exercise 9 · Batches and channels
#
# Difficulty 4 of 5, about 18 minutes, 3 points.
#
# Matrix products and `torch.einsum` are welcome here, ready-made convolutions and `fold` are not.

# %% role="solution" name="conv_transpose2d"
def conv_transpose2d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """x (N, C_in, H, W) and weight (C_in, C_out / groups, kH, kW) give (N, C_out, ...).

    bias is None or (C_out,); all other arguments are ints.
    """
    # 1. Split the channels of `x` and of `weight` into `groups` parts.
    #    Each part has a canvas of its own.
    # 2. For each number `k, l` of the filter: carry `x` from input to output channels.
    #    Add that to every `stride`-th pixel of the canvas, beginning at row
    #    `k * dilation` and column `l * dilation`.
    # 3. Put the canvases side by side, trim them, add the bias.
    ### BEGIN SOLUTION
    (n, _, h, w), (kernel_height, kernel_width) = x.shape, weight.shape[2:]
    height = (h - 1) * stride + dilation * (kernel_height - 1) + 1 + output_padding
    width = (w - 1) * stride + dilation * (kernel_width - 1) + 1 + output_padding
    parts = []
    for part, filters in zip(x.chunk(groups, 1), weight.chunk(groups, 0), strict=True):
        canvas = x.new_zeros(n, filters.shape[1], height, width)
        for k in range(kernel_height):
            for l in range(kernel_width):
                top, left = k * dilation, l * dilation
                rows = slice(top, top + (h - 1) * stride + 1, stride)
                columns = slice(left, left + (w - 1) * stride + 1, stride)
                canvas[:, :, rows, columns] += torch.einsum("ncij,co->noij", part, filters[:, :, k, l])
        parts.append(canvas)
    out = torch.cat(parts, 1)[:, :, padding : height - padding, padding : width - padding]
    return out if bias is None else out + bias[:, None, None]
    ### END SOLUTION


# %% role="test" name="conv_transpose2d"
check("conv_transpose2d", conv_transpose2d)
### BEGIN HIDDEN TESTS
check.grade("conv_transpose2d", conv_transpose2d)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="conv_transpose2d"
# Hints for conv_transpose2d.

# %% [markdown]
# What did turning the loops inside out gain? One plane of 32 × 32 pixels, three ways:

# %% role="given" name="speed"
plane, weight = torch.rand(32, 32), torch.rand(4, 4)
batch = plane[None, None], weight[None, None]
ways = [
    ("loops", tc.conv_transpose2d_naive, (plane, weight)),
    ("vectorised", tc.conv_transpose2d, batch),
    ("torch", torch.nn.functional.conv_transpose2d, batch),
]
for name, way, arguments in ways:
    run = functools.partial(way, *arguments, stride=2)
    print(f"{name:<12}{1000 * min(timeit.repeat(run, number=1, repeat=3)):8.2f} ms")

# %% [markdown]
# ## Checkerboards
#
# Count how many copies reach each output pixel. Which of these four filters treats all pixels alike?

# %% role="figure" name="counts" alt="Counts of copies for stride 2: all ones for k = 2, a checkerboard of 1, 2 and 4 for k = 3, fours everywhere inside for k = 4, a checkerboard of 4, 6 and 9 for k = 5."
figures.counts_figure()

# %% [markdown]
# With $k = 3$ and stride 2, one pixel gets four copies, its neighbours get two, the next gets one. If the weights are
# similar, every fourth pixel is up to four times as bright: a **checkerboard**. A network can learn weights that
# balance this, but it has to.
#
# Away from the border, the counts are all equal exactly where the stride **divides** the filter size. That is why
# decoders use $k = 2, s = 2$ (U-Net) or $k = 4, s = 2$. Along one axis:

# %% role="given" name="count-rows"
for kernel_size in (2, 3, 4, 5, 6):
    counts = tc.overlap_counts(6, kernel_size, stride=2)
    print(f"k = {kernel_size}, s = 2:", counts.tolist())

# %% [markdown]
# Equal counts are no guarantee, though. With uneven weights they still give a pattern: with $k = 2, s = 2$ every copy
# is a pattern of its own. What you can be sure of is the other way: resize first with a fixed rule, then
# convolve with stride 1. Then all pixels are treated alike whatever the weights.

# %% [markdown]
# ## Experiment 1 · Learn to interpolate
#
# Take photographs, and throw away every other row and column. Let one 3 × 3 filter, which starts as noise, learn to paint the
# photographs back. Nobody tells it about tents. **What do you expect it to become?**

# %% role="experiment" name="learn-odd" alt="The loss falls within 300 steps. Below, the 3 x 3 filter at steps 0 to 300: noise at first, at the end the bilinear filter, which stands beside it."
if not device.while_grading():
    filters = experiment.learn_filter(kernel_size=3, steps=device.at_scale(3, 300, 300))
    display(experiment.filters_figure(filters))

# %% [markdown]
# The kept pixels get weight 1, because they are already right. Half-way between two pixels, the best guess from two
# numbers is their mean. So the data lead to the bilinear filter by themselves: with three seeds, no weight was off by
# more than 0.021.
#
# Now shrink in another way: replace 2 × 2 pixels by their mean. The filter gets 4 × 4 numbers. Will it become FCN's?

# %% role="experiment" name="learn-even" alt="The loss falls. Below, the 4 x 4 filter turns from noise into a bell that is steeper than the bilinear filter beside it."
if not device.while_grading():
    filters = experiment.learn_filter(kernel_size=4, steps=device.at_scale(3, 300, 300))
    display(experiment.filters_figure(filters))

# %% [markdown]
# The shape is the same, but it is steeper: 0.77 to 0.82 in the middle where the bilinear filter has 0.56. Averaging has
# blurred the small image, and the best way back sharpens a little. A fixed rule cannot know how an image was
# made small. A learned one can. This is what the weights are for.

# %% [markdown]
# ## Experiment 2 · Paint a grey wall
#
# Three small decoders learn, in one run, to enlarge photographs four times. They differ only in how they double: $k = 3$, $k = 4$, or resizing
# before a plain convolution. Then each has to paint an even grey wall. The wall has no pattern, so **every pattern that you
# see is the decoder's own**. The ripple says how strong it is, in grey levels of 255.

# %% role="experiment" name="grey-wall" alt="The loss falls. Below, the grey wall as each of three decoders paints it: both transposed convolutions leave a pattern, resizing none. A curve shows how the ripple grows and falls with the steps. At the bottom, a photograph enlarged by each."
if not device.while_grading():
    trained = experiment.train_decoders(steps=device.at_scale(3, 400, 4000))
    display(experiment.decoders_figure(trained))

# %% [markdown]
# Look at three things.
#
# - **In the first steps** both transposed convolutions ripple wildly, $k = 3$ more than $k = 4$. Training brings it down
#   to a few grey levels, because a ripple costs error. It does not bring it to zero.
# - **$k = 4$ ripples, too.** Equal counts remove the cause that lies in the counting. The weights can still be uneven.
# - **Resizing** stays at exactly zero, before and after training: it cannot paint a pattern. You pay with
#   multiplications: its 3 × 3 convolution runs on the large map, so it takes four times those of $k = 3$.
#
# One run is no proof. We ran this cell with three seeds on a CPU:
#
# | decoder | highest ripple | ripple at the end |
# |---|---|---|
# | $k = 3$, $s = 2$ | 41 to 51 | 2.4 to 3.0 |
# | $k = 4$, $s = 2$ | 24 to 40 | 2.1 to 2.5 |
# | resize, then convolve | 0 | 0 |
#
# So here $k = 4$ has a better start and hardly a better end. Other networks and longer training will give other
# numbers. The zero stays.

# %% [markdown]
# ## Common mistakes
#
# - **Overwriting overlaps.** `=` where `+=` belongs: the sum is the operation.
# - **Flipping the filter while painting.** The flip belongs to the sliding view only.
# - **Adding padding.** In a transposed convolution padding trims, on all sides.
# - **Taking output padding for zeros.** It keeps painted pixels at the bottom and at the right.
# - **Using the plain convolution's size formula.** It shrinks where you grow.
# - **Swapping the weight's axes.** $(C_\text{in}, C_\text{out}/G, k_H, k_W)$, input first.
# - **Saying deconvolution.** Nothing is undone. The transpose restores a shape, not values.
# - **A kernel size that the stride does not divide.** The checkerboard is then built in.

# %% [markdown] role="essay" name="colleague" points=2
# ## In your own words
#
# A colleague's network enlarges images four times by `ConvTranspose2d(64, 3, kernel_size=5, stride=4)`. A regular pattern
# lies over all its images. The colleague says: "The deconvolution has not yet learned to invert the convolution before it. I
# will train longer."
#
# Answer in about 150 words. Where does the pattern come from, in numbers? What would you change, and what does it cost? What
# is wrong with the word? (2 points)
#
# <!-- BEGIN SOLUTION -->
# *Pattern (1 point).* Stride 4 does not divide 5. Along an axis, neighbouring copies overlap in one pixel of four: counts 1, 1,
# 1, 2. In two dimensions a pixel gets 1, 2 or 4 copies, so with similar weights every fourth pixel in both
# directions is up to four times as bright. The period is 4 pixels. Longer training may balance the weights but has to fight
# the layout.
#
# *Change (half a point).* A kernel size of 4 or 8 makes the counts equal; 8 costs 64/25 of the weights and multiplications, and uneven
# weights can still ripple. Resizing by 4 and a plain convolution cannot; it convolves on the large map, which costs
# more multiplications.
#
# *Word (half a point).* A deconvolution undoes a convolution. This layer is a transposed convolution: it restores the shape, and
# its weights are learned for the loss; nothing makes it the inverse of an earlier layer, which is in general not invertible.
# <!-- END SOLUTION -->

# %% [markdown]
# ## References
#
# - M. D. Zeiler, D. Krishnan, G. W. Taylor and R. Fergus, "Deconvolutional networks", CVPR 2010: where the unlucky name comes from.
# - J. Long, E. Shelhamer and T. Darrell, "Fully convolutional networks for semantic segmentation", CVPR 2015: section 3.3 on
#   backwards strided convolution, started from bilinear weights.
# - V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285, 2016: chapter 4 has every case
#   of padding and stride as a picture.
# - W. Shi, J. Caballero, L. Theis, F. Huszár, A. Aitken, C. Ledig and Z. Wang, "Is the deconvolution layer the same as a
#   convolutional layer?", arXiv:1609.07009, 2016: on the fractional view, and on shuffling pixels (chapter 02).
# - A. Odena, V. Dumoulin and C. Olah, "Deconvolution and checkerboard artifacts", Distill, 2016.
# - W. H. Richardson, "Bayesian-based iterative method of image restoration", JOSA 62, 1972: the deconvolution of the picture above.
#
# **Next:** chapter 02 enlarges by fixed rules, from nearest neighbour to unpooling.
