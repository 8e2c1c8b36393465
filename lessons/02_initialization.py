# %% [markdown]
# # Initialization: how large should the first weights be?
#
# Before a network learns anything, somebody has to choose its first weights. They are drawn at random; the
# only real choice is how *large* they are. This lesson shows that the choice decides whether numbers get
# through a network at all, finds the right size by experiment, explains it with two lines of arithmetic,
# and then checks what the library does when nobody asks.
#
# Nothing is trained here. Every section looks at numbers going through layers, forward, and at gradients
# coming back. Wherever a figure has been published for the same experiment, the lesson prints it above
# ours.
#
# You need to know what a tensor is, what a small network of layers looks like and what `backward()` does.
# Two words come up all the time:
#
# - the **standard deviation** (std) of some numbers says how far they typically lie from their mean;
# - the **mean square** is the mean of the squares of the numbers. For numbers whose mean is zero it is the
#   square of the standard deviation, the **variance**.

# %%
import math

import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, nn
from minigrad.nn import init

lesson = Lesson("02_initialization")
draws = lesson.steps(full=10_000, quick=2_000)
print(f"experiments of {draws} draws each, generator seed {lesson.seed}")

# %% [markdown]
# ## 1. The inputs
#
# The data are pictures of handwritten digits, the **MNIST** database: 60000 to learn from, of which the
# last 10000 are kept aside as the **validation set**, on which a model is judged while it is being
# developed. (A further 10000, the test set, are not touched here.) A picture has 28 x 28 pixels, and a
# layer wants rows of numbers, so each is laid out as one row of 784.
#
# A pixel is a whole number from 0, black, to 255, white. Divided by 256 it lies between 0 and 1. Why not by
# 255? Either would do; 256 is a power of two, so the division is exact, and so was it done for the
# published figures.

# %%
digits = datasets.mnist(normalize=True)  # normalize is explained below; `.images` are the bytes as they are
lesson.note_stand_in(digits.train.stand_in, "digits")
x_train = digits.train.images.view(-1, 784).float() / 256
x_valid = digits.validation.images.view(-1, 784).float() / 256
print("training", tuple(x_train.shape), "validation", tuple(x_valid.shape))
print(f"smallest value {x_train.min().item()}, largest {x_train.max().item()}")
assert x_train.shape == (50000, 784) and x_valid.shape == (10000, 784)

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 3.4), width_ratios=[1.6, 1])
rows = [mg.cat([x_train[10 * row + i].view(28, 28) for i in range(10)], dim=1) for row in range(4)]
axes[0].imshow(mg.cat(rows).tolist(), cmap="gray")
axes[0].set_axis_off()
axes[0].set_title("the first forty")
axes[1].hist(x_train[:1000].flatten().tolist(), bins=40, color=BLUE)
axes[1].set(title="their pixels: mostly black", xlabel="value", ylabel="count", yscale="log")
lesson.save(figure, "1_digits")
print(f"share of pixels that are exactly 0: {(x_train == 0).float().mean().item():.3f}")

# %% [markdown]
# Throughout the lesson we ask two things of a heap of numbers: where is its middle, and how wide is it? So
# that gets a helper, and so does the question whether a number is as good as zero.


# %%
def stats(name, x):
    """Prints the mean and the standard deviation of a tensor, and returns them."""
    mean, std = x.mean().item(), x.std().item()
    print(f"{name:<34} mean {mean:9.4f}   std {std:9.4f}")
    return mean, std


def near_zero(value, tolerance=1e-3):
    """Fails unless the number is as good as zero."""
    assert abs(value) < tolerance, f"expected a number near zero, got {value}"


mean, std = stats("training images", x_train)
lesson.compare("mnist.stats", "mean and std of the training images", [0.1304, 0.3073], [mean, std], "%.4f")

# %% [markdown]
# The arithmetic of this lesson becomes simple if a layer's inputs have mean 0 and standard deviation 1. To
# get there, subtract the mean and divide by the standard deviation:
#
# $$ x' = \frac{x - \text{mean}}{\text{std}} $$
#
# This is called **normalising**.


# %%
def normalise(x, mean, std):
    """The same numbers with `mean` moved to 0 and `std` scaled to 1."""
    return (x - mean) / std


x_train = normalise(x_train, mean, std)
raw_valid, x_valid = x_valid, normalise(x_valid, mean, std)
train_mean, train_std = stats("training images, normalised", x_train)
stats("validation images, normalised", x_valid)
near_zero(train_mean)
near_zero(train_std - 1)

# %% [markdown]
# Look at what was subtracted from the *validation* images: the mean of the *training* images. So their own
# mean is only roughly 0. Why not take their own mean and be exact?
#
# Because a pixel must mean the same thing wherever it comes from. Suppose that the images to judge happened
# to be all ones. A one has little ink, so their own mean and standard deviation are small, and normalising
# by these would brighten every stroke. The model would see digits that look like none of those it learned
# from, and the very thing that is special about them, little ink, would be rubbed out. A single image would
# look different depending on its company. The constants are part of the model, and the model comes from the
# training set.

# %%
ones = raw_valid[digits.validation.labels == 1]
own = stats("the ones of the validation set", ones)
grey = mg.tensor(0.5)
by_training, by_own = normalise(grey, mean, std).item(), normalise(grey, *own).item()
print(f"a pixel of 0.5 becomes {by_training:.2f} by the training set, {by_own:.2f} by the ones alone")
mean_of_ones = x_valid[digits.validation.labels == 1].mean().item()
print(f"the mean of the ones: {mean_of_ones:.3f} by the training set, 0 by their own")
assert by_own > by_training

# %% [markdown]
# The library does all this when it is asked to, and we did ask it, with `normalize=True`: every image taken
# from one of its three sets is normalised by the mean and standard deviation of the training images.

# %%
first, _ = digits.validation[:100]
largest = (first.view(100, 784) - x_valid[:100]).abs().max().item()
print(f"the library's mean {digits.train.mean:.4f}, std {digits.train.std:.4f}; largest difference {largest:.0e}")
assert largest < 1e-4

# %% [markdown]
# ## 2. One layer
#
# Now send the validation images through one **linear layer** with 50 outputs. Its weights are 784 x 50
# random numbers from the normal distribution (the bell curve) with mean 0 and standard deviation 1, written
# N(0, 1). It is the obvious thing to try.


# %%
def lin(x, w, b):
    """A linear layer: every output is a weighted sum of all inputs, plus a bias."""
    return x @ w + b


g = mg.Generator().manual_seed(lesson.seed)
w, b = mg.randn((784, 50), generator=g), mg.zeros(50)
stats("inputs", x_valid)
_, width = stats("outputs, weights N(0, 1)", lin(x_valid, w, b))
print(f"square root of 784: {math.sqrt(784):.0f}")
assert 20 < width < 36

# %% [markdown]
# In with a standard deviation of 1, out with one of about 28. That is the square root of 784, the number of
# inputs, and we will see that this is no accident. Is 28 bad? One layer with large outputs could be put up
# with. But the next layer takes these as its inputs.
#
# ## 3. A hundred layers
#
# A modern network has a hundred layers and more. Reduced to the bone, each is a product with a matrix. So
# take 512 random numbers and multiply them by a random matrix of 512 x 512, then the result by another, a
# hundred times, and watch the standard deviation.

# %%
def products(scale, n=512, count=100):
    """Standard deviation of x after each of `count` products with a new random matrix."""
    g = mg.Generator().manual_seed(lesson.seed)
    x, widths = mg.randn(n, generator=g), []
    for _ in range(count):
        x = (mg.randn((n, n), generator=g) * scale) @ x
        widths.append(x.std().item())
    return widths


exploding = products(scale=1)
last = next(i for i, width in enumerate(exploding) if not math.isfinite(width))
print("std after products 1, 2, 3:", " ".join(f"{width:.0f}" for width in exploding[:3]))
lesson.compare("init.explodes", "products before the std is no number any more", 28, last, "%d", tolerance=2)

# %% [markdown]
# After 28 products the numbers are beyond the largest that float32 can hold, about 3.4e38. They become
# infinite, infinity minus infinity is **nan**, "not a number", and nothing that follows is worth anything.
# The obvious answer is to make the weights smaller. Say, a hundred times.

# %%
vanishing = products(scale=0.01)
gone = next(i for i, width in enumerate(vanishing) if width == 0)
print("std after products 1, 2, 3:", " ".join(f"{width:.4f}" for width in vanishing[:3]))
print(f"exactly 0 from product {gone + 1} on")
assert vanishing[-1] == 0

# %% [markdown]
# Now they vanish: every product makes them about five times smaller, until float32 has nothing smaller than
# what is left but 0. A network whose outputs are all 0 is as useless as one whose outputs are infinite, and
# the gradients on their way back pass through the same matrices and suffer the same fate.
#
# A hundred layers leave no room for guessing. A factor of 1.1 per layer makes 1.1¹⁰⁰ = 13781; a factor of
# 0.9 makes 0.00003. The factor has to be 1. The single layer suggests how: its outputs were √784 times too
# wide, so divide by the square root of the number of inputs.

# %%
steady = products(scale=1 / math.sqrt(512))
print(f"1 / sqrt(512) = {1 / math.sqrt(512):.4f}")
print("std after products 1, 10, 50, 100:", " ".join(f"{steady[i]:.2f}" for i in (0, 9, 49, 99)))
assert 0.2 < steady[-1] < 5

# %%
figure, axis = plt.subplots(figsize=(9, 4.4))
axis.plot(range(1, last + 1), exploding[:last], color=VERMILLION, label="weights N(0, 1)")
axis.plot(range(1, 101), steady, color=GREEN, label="divided by √512")
axis.plot(range(1, gone + 1), vanishing[:gone], color=BLUE, label="times 0.01")
for x, y, colour in ((last, exploding[last - 1], VERMILLION), (gone, vanishing[gone - 1], BLUE)):
    axis.scatter([x], [y], color=colour, marker="x", s=90, zorder=3)
axis.set(yscale="log", xlabel="matrix products", ylabel="standard deviation")
axis.set_title("a cross: float32 ends here")
axis.legend(loc="upper right")
lesson.save(figure, "2_a_hundred_products", cover=True)
print(f"the last finite std {exploding[last - 1]:.1e}, the last above zero {vanishing[gone - 1]:.1e}")

# %% [markdown]
# ## 4. Why the square root of n
#
# An output of the layer is a sum of n products of a weight and an input. How large is *one* such product?
# Take one random weight a and one random input x, multiply them, and do so many times. The tensors are
# drawn all at once, but each entry is an experiment of its own.

# %%
g = mg.Generator().manual_seed(lesson.seed)
a, x = mg.randn(draws, generator=g), mg.randn(draws, generator=g)
y = a * x
product_square = y.square().mean().item()
print(f"{draws} products of two numbers: mean {y.mean().item():.3f}, mean square {product_square:.3f}")
near_zero(y.mean().item(), tolerance=5 / math.sqrt(draws))
near_zero(product_square - 1, tolerance=15 / math.sqrt(draws))

# %% [markdown]
# Mean 0, mean square 1. That can be worked out: the mean of a²x² is the mean of a² times the mean of x²,
# because the two are drawn independently, and 1 x 1 is 1.
#
# Now the sum. Its mean square is the mean of (y₁ + y₂ + ... + yₙ)². Multiplied out, this has the n squares
# yᵢ², each 1 on average, and the mixed terms yᵢyⱼ, each 0 on average, because their signs are independent.
# So
#
# $$ \text{mean square of the sum} = n \cdot 1 = n, \qquad \text{std} = \sqrt n $$
#
# With n = 512 the mean square should be 512. Here it is measured, with a whole layer, a hundred times.

# %%
g = mg.Generator().manual_seed(lesson.seed)
sums = [mg.randn((512, 512), generator=g) @ mg.randn(512, generator=g) for _ in range(100)]
naive = mg.stack(sums)
what = "mean square of a @ x, both N(0, 1), 512 wide"
lesson.compare("init.naive.msq", what, 512, naive.square().mean().item(), "%.1f", tolerance=20)
print(f"mean {naive.mean().item():.3f}")

# %% [markdown]
# The rule follows. A weight multiplied by s makes every product s times as large and every square s² times.
# To bring n back to 1, s² must be 1/n: divide N(0, 1) weights by √n.
#
# Here is the same in pictures. On the left, one number at a time: the product a·x against the input x. The
# points make a bow tie, since a small input can only give a small product. In the middle and on the right
# each point is one of 512 inputs against one of 512 outputs of a layer. The output does not depend on any
# single input, so the cloud has no direction; but its *shape* tells all. A tall cloud means that the layer
# enlarges. A round one means that the scale is kept.

# %%
g = mg.Generator().manual_seed(lesson.seed)
wide, weights = mg.randn(512, generator=g), mg.randn((512, 512), generator=g)
panels = {
    "one number: a·x": (x[:1500], y[:1500], ORANGE, 8),
    "512 wide, weights N(0, 1)": (wide, weights @ wide, VERMILLION, 75),
    "512 wide, divided by √512": (wide, weights @ wide / math.sqrt(512), GREEN, 8),
}
figure, axes = plt.subplots(1, 3, figsize=(12, 4.2))
for axis, (title, (inputs, outputs, colour, limit)) in zip(axes, panels.items(), strict=True):
    axis.scatter(inputs.tolist(), outputs.tolist(), s=8, alpha=0.6, linewidth=0, color=colour)
    axis.set(title=title, xlabel="input", xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    print(f"{title:<28} std of input {inputs.std().item():.2f}, of output {outputs.std().item():.2f}")
axes[0].set_ylabel("output")
lesson.save(figure, "3_input_and_output")

# %% [markdown]
# (The middle panel reaches to 75 on both axes, the others to 8: the inputs are the same, they only look
# squeezed.)
#
# ## 5. What a ReLU does to this
#
# A stack of bare matrix products is of no use, because it is the same as one product with one matrix.
# Between the layers stands a nonlinear function, and the most common is the **ReLU**: it keeps what is
# positive and sets the rest to 0. We call what goes into it the **pre-activation**, and what comes out the
# **activation**. Once more one number at a time.


# %%
def relu(x):
    """max(x, 0) for every entry."""
    return x.clamp(min=0)


g = mg.Generator().manual_seed(lesson.seed)
y = relu(mg.randn(10_000, generator=g) * mg.randn(10_000, generator=g))
here = [y.mean().item(), y.square().mean().item()]
lesson.compare("init.relu", "mean and mean square of relu(a * x)", [0.318, 0.5], here, "%.3f", tolerance=0.03)
assert relu(mg.tensor([-2.0, 3.0])).tolist() == F.relu(mg.tensor([-2.0, 3.0])).tolist() == [0.0, 3.0]

# %% [markdown]
# Two things have happened.
#
# - The mean square is *halved*: the products are as often negative as positive, and the negative half now
#   counts 0.
# - The mean is no longer 0: nothing negative is left to balance the positive. For this product it is 1/π =
#   0.318.
#
# The same in a layer that is 512 wide. Without ReLU the mean square was 512, so it should be 256. The
# outputs are sums of many terms, and such sums are normally distributed. The positive half of a normal
# distribution has, with zeros for the rest, the mean std/√(2π), here √512/√(2π) = 9.03.

# %%
wide_relu = relu(naive)
predicted = math.sqrt(512) / math.sqrt(2 * math.pi)
print(f"512 wide: mean {wide_relu.mean().item():.2f} (predicted {predicted:.2f})")
print(f"512 wide: mean square {wide_relu.square().mean().item():.1f} (predicted 256)")
assert abs(wide_relu.mean().item() - predicted) < 0.5
assert abs(wide_relu.square().mean().item() - 256) < 20

# %% [markdown]
# ## 6. Kaiming's rule
#
# Half of the mean square is lost in every ReLU, so the weights must bring twice as much. The variance of
# the weights becomes 2/n instead of 1/n:
#
# $$ \text{std of the weights} = \sqrt{\frac{2}{n}} $$
#
# This is named after Kaiming He, who published it with Xiangyu Zhang, Shaoqing Ren and Jian Sun in 2015,
# and it was one of the things that made very deep networks trainable. The factor √2 is called the **gain**
# of the ReLU: by so much must the weights be larger to make up for the function. The number of inputs n of
# a single output is called the **fan-in**.
#
# First a stack of layers with a ReLU after each: which gain keeps the mean square?


# %%
def relu_stack(gain, depth=50, n=512, shift=0.0):
    """Mean square of the activations after each of `depth` ReLU layers; `shift` is subtracted after each."""
    g = mg.Generator().manual_seed(lesson.seed)
    h, squares = mg.randn((64, n), generator=g), []
    for _ in range(depth):
        h = relu(h @ (mg.randn((n, n), generator=g) * gain / math.sqrt(n))) - shift
        squares.append(h.square().mean().item())
    return squares


gains = {"1": (1.0, BLUE), "√2": (math.sqrt(2), GREEN), "2": (2.0, VERMILLION)}
stacks = {name: relu_stack(gain) for name, (gain, _) in gains.items()}
for name, squares in stacks.items():
    print(f"gain {name:<2} mean square after layers 1, 10, 50:", *(f"{squares[i]:10.3g}" for i in (0, 9, 49)))
assert 0.1 < stacks["√2"][-1] < 10

# %%
figure, axis = plt.subplots(figsize=(9, 4.2))
for name, squares in stacks.items():
    axis.plot(range(1, 51), squares, color=gains[name][1], label=f"gain {name}")
axis.set(yscale="log", xlabel="ReLU layer", ylabel="mean square of the activations")
axis.set_title("with a ReLU after every product, √2 keeps the scale")
axis.legend(loc="upper left")
lesson.save(figure, "4_relu_stack")
print(f"gain 1 loses a factor of {1 / stacks['1'][-1]:.1e} in 50 layers; 2 to the power of 50 is {2.0**50:.1e}")

# %% [markdown]
# Now the layer from section 2, with images for inputs.

# %%
g = mg.Generator().manual_seed(lesson.seed)
w = mg.randn((784, 50), generator=g) * math.sqrt(2 / 784)
activation = relu(lin(x_valid, w, b))
here = stats("activations, Kaiming", activation)
what = "mean and std of relu(lin(x_valid, w * sqrt(2/784), 0))"
lesson.compare("init.kaiming", what, [0.5, 0.8], here, "%.2f", tolerance=0.1)

# %% [markdown]
# The standard deviation is a healthy 0.8, and the mean square is about 1. (Why not a standard deviation of
# 1? Because the next layer sums products, and to a sum of products the mean square is what counts, as
# section 4 showed. It contains the shifted mean.)
#
# ### The shifted mean
#
# The mean is now about 0.5, while we wanted 0. Subtracting a constant after the ReLU brings it back. It is
# a small change to the function, and one may wonder why nobody does it as a rule.


# %%
def shifted_relu(x):
    """A ReLU moved down by one half: its smallest value is -0.5."""
    return relu(x) - 0.5


shifted_mean, shifted_std = stats("activations, ReLU - 0.5", shifted_relu(lin(x_valid, w, b)))
near_zero(shifted_mean, tolerance=0.25)

# %% [markdown]
# Mean near 0, and the standard deviation as before. Does it hold further up? Here are stacks of such
# layers, with √2 for the gain, with the plain and with the shifted ReLU.

# %%
for name, shift in (("ReLU", 0.0), ("ReLU - 0.5", 0.5)):
    squares = relu_stack(math.sqrt(2), shift=shift)
    values = " ".join(f"{squares[i]:.3f}" for i in (0, 1, 4, 9, 49))
    print(f"{name:<10} mean square after layers 1, 2, 5, 10, 50: {values}")
assert squares[-1] < 0.5

# %% [markdown]
# The shift takes its toll: the mean square, of which the square of the mean is now gone, falls to a fifth
# and stays there. The reason is that 0.5 suits only the first layer. The mean of a ReLU's output is 0.4
# times (that is 1/√(2π) times) the width of what goes in; when less goes in, 0.5 is too much. A function
# and its gain belong together, and whoever changes the one has to measure the other again.
#
# ### All in one picture
#
# A **violin plot** draws the distribution of some numbers as a shape that is wide where there are many of
# them. Here is one row for each thing that we tried: weights, inputs and activations, with a dashed line at
# their mean. The lower three rows share their scales. The first row needs scales of its own for weights and
# activations, as the numbers at its foot show.

# %%
schemes = {
    "N(0, 1)": (lambda n: 1.0, relu, VERMILLION),
    "N(0, 1) / √n": (lambda n: math.sqrt(1 / n), relu, BLUE),
    "Kaiming": (lambda n: math.sqrt(2 / n), relu, GREEN),
    "Kaiming,\nReLU - 0.5": (lambda n: math.sqrt(2 / n), shifted_relu, PURPLE),
}
g = mg.Generator().manual_seed(lesson.seed)
standard = mg.randn((784, 50), generator=g)
violins = {}
for name, (std_of_weights, function, _) in schemes.items():
    drawn = standard * std_of_weights(784)
    outputs = function(lin(x_valid[:200], drawn, b))
    violins[name] = [values.flatten()[:4000].tolist() for values in (drawn, x_valid[:200], outputs)]
    stats("activations, " + name.replace("\n", " "), outputs)

# %%
figure, axes = plt.subplots(4, 3, figsize=(11, 7.5))
for row, (name, parts) in zip(axes, violins.items(), strict=True):
    for axis, values in zip(row, parts, strict=True):
        shapes = axis.violinplot([values], orientation="horizontal", showextrema=False, widths=0.9)
        shapes["bodies"][0].set(facecolor=schemes[name][2], edgecolor=schemes[name][2], alpha=0.75)
        axis.axvline(sum(values) / len(values), color=BLACK, linewidth=1, linestyle="--")
        axis.set_yticks([])
    row[0].set_ylabel(name)
titles = {"weights": (-0.2, 0.2), "inputs": (-1, 3.2), "activations": (-1, 6)}
for column, (title, limits) in zip(axes.T, titles.items(), strict=True):
    column[0].set_title(title)
    for axis in column[0 if title == "inputs" else 1 :]:
        axis.set_xlim(limits)
lesson.save(figure, "5_violins")

# %% [markdown]
# The inputs have two humps: black background on the left, ink on the right. The activations of every ReLU
# pile up at its smallest value, where half of them are.
#
# And here are inputs against activations, each point one of 512 of both, as in section 4. The dashed line
# is the mean of the activations.

# %%
figure, axes = plt.subplots(1, 4, figsize=(12, 3.5))
for axis, (name, (std_of_weights, function, colour)) in zip(axes, schemes.items(), strict=True):
    activations = function(weights @ wide * std_of_weights(512))
    limit = 75 if name == "N(0, 1)" else 4
    axis.scatter(wide.tolist(), activations.tolist(), s=8, alpha=0.6, linewidth=0, color=colour)
    axis.axhline(activations.mean().item(), color=BLACK, linewidth=1, linestyle="--")
    axis.set(xlabel="input", xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    axis.set_title(name.replace("\n", " "))
axes[0].set_ylabel("activation")
lesson.save(figure, "6_input_and_activation")

# %% [markdown]
# A ReLU cuts the cloud in half, and its mean is no longer in the middle. Kaiming's weights make the
# remaining half taller, to keep the mean square; the shift moves it down.
#
# ## 7. The way back: fan-in, fan-out and Xavier
#
# So far we looked forward. Learning also needs the gradients to arrive. Going back through a layer, the
# gradient of an *input* is a sum over all the *outputs* that this input went into. Their number is called
# the **fan-out**. So on the way back it is the fan-out that should stand under the root.
#
# If a layer has as many outputs as inputs, the two are the same. Our layer has 784 inputs and 50 outputs,
# and they are not. Measure both directions: how the mean square changes from x to the activation, and how
# that of the gradient changes on its way back. The gradient that comes in from above is N(0, 1) here.


# %%
def both_ways(std, function, shape=(784, 50)):
    """By what factor a layer changes the mean square of what goes forward, and of what comes back."""
    g = mg.Generator().manual_seed(lesson.seed)
    x = mg.randn((1000, shape[0]), generator=g).requires_grad_()
    y = function(x @ (mg.randn(shape, generator=g) * std))
    from_above = mg.randn(y.shape, generator=g)
    y.backward(from_above)
    forward = y.square().mean() / x.square().mean()
    return forward.item(), (x.grad.square().mean() / from_above.square().mean()).item()


for mode, fan in (("fan-in, 784", 784), ("fan-out, 50", 50)):
    forward, back = both_ways(math.sqrt(2 / fan), relu)
    print(f"Kaiming by {mode:<12} mean square forward x {forward:6.3f}, back x {back:6.3f}")
assert abs(back - 1) < 0.1

# %% [markdown]
# Each makes one direction exact and leaves the other off by 784/50 = 15.7. (The gain √2 is right both ways,
# as the ReLU stops half of the gradients, too.) That looks like a dilemma, but is not. In a network the
# outputs of one layer are the inputs of the next, so in a stack of layers 784, 400, 200, 50 the backward
# factors by fan-in are 400/784, 200/400 and 50/200. Multiplied, everything in between cancels: 50/784 is
# left, for three layers or for a hundred. It is one constant factor and not a power of the depth, hence
# harmless. The paper of 2015 makes this point.

# %%
widths = [784, 400, 200, 50]
product = 1.0
for shape in zip(widths, widths[1:], strict=False):
    _, back = both_ways(math.sqrt(2 / shape[0]), relu, shape)
    product *= back
    print(f"layer {shape[0]} -> {shape[1]}: back x {back:.3f}, expected {shape[1] / shape[0]:.3f}")
print(f"all three: x {product:.4f}, and 50/784 = {50 / 784:.4f}")
assert abs(product - 50 / 784) < 0.02

# %% [markdown]
# Five years before Kaiming's rule Xavier Glorot and Yoshua Bengio had asked the same question for functions
# that, unlike a ReLU, are symmetric and nearly straight around 0, such as tanh. Their answer is a
# compromise between the two directions, known as **Xavier**'s rule (or Glorot's):
#
# $$ \text{std of the weights} = \text{gain} \cdot \sqrt{\frac{2}{\text{fan-in} + \text{fan-out}}} $$
#
# Without a nonlinear function the gain is 1, and the three rules do this to our layer:

# %%
rules = {"1 / sqrt(fan-in)": 1 / 784, "Xavier": 2 / (784 + 50), "1 / sqrt(fan-out)": 1 / 50}
for name, variance in rules.items():
    forward, back = both_ways(math.sqrt(variance), lambda y: y)
    print(f"{name:<18} mean square forward x {forward:6.3f}, back x {back:6.3f}")

# %% [markdown]
# The library has all of these in `nn.init`, as functions that fill a tensor. (A name that ends in an
# underscore changes its argument.) One thing to know: a layer of the library keeps its weights with the
# *outputs* first, here 50 x 784, and multiplies by the transpose. So the fan-in is the second size.

# %%
w = mg.empty(50, 784)
by_hand = {
    "kaiming_normal_, fan_in": (lambda g: init.kaiming_normal_(w, generator=g), math.sqrt(2 / 784)),
    "kaiming_normal_, fan_out": (lambda g: init.kaiming_normal_(w, mode="fan_out", generator=g), math.sqrt(2 / 50)),
    "xavier_normal_": (lambda g: init.xavier_normal_(w, generator=g), math.sqrt(2 / (784 + 50))),
}
for name, (fill, std) in by_hand.items():
    fill(mg.Generator().manual_seed(lesson.seed))
    print(f"{name:<26} std {w.std().item():.5f}, by the formula {std:.5f}")
    expected = mg.randn((50, 784), generator=mg.Generator().manual_seed(lesson.seed)) * std
    assert (w - expected).abs().max().item() < 1e-5

# %% [markdown]
# For tanh the customary gain is 5/3. Like a ReLU, tanh makes its input smaller, if not by a fixed factor:
# the wider the input, the more is cut off. With gain 1 a deep stack shrinks and shrinks; with 5/3 it
# settles.

# %%
for gain in (1.0, init.calculate_gain("tanh")):
    g = mg.Generator().manual_seed(lesson.seed)
    h = mg.randn((200, 512), generator=g)
    for _ in range(20):
        h = mg.tanh(h @ (mg.randn((512, 512), generator=g) * gain / math.sqrt(512)))
    print(f"gain {gain:.3f}: std after 20 tanh layers {h.std().item():.3f}")
lesson.compare("init.gain.tanh", "the library's gain for tanh", 5 / 3, init.calculate_gain("tanh"), "%.6f")

# %% [markdown]
# ## 8. What a layer does when nobody asks
#
# Few people write down how their weights begin. They write `nn.Linear(784, 50)`, and take what they get.
# What do they get?

# %%
mg.manual_seed(lesson.seed)
weight = nn.Linear(784, 50).weight.detach()
print(f"between {weight.min().item():.4f} and {weight.max().item():.4f}; 1 / sqrt(784) = {1 / 28:.4f}")
print(f"std times sqrt(784): {weight.std().item() * 28:.3f}; Kaiming would be {math.sqrt(2):.3f}")
assert weight.abs().max().item() <= 1 / 28

# %% [markdown]
# Not a normal distribution but a **uniform** one: every value between -1/√n and 1/√n is as likely as any
# other. And not with the gain √2, nor 1, but 0.577. Where does that come from?
#
# A uniform distribution between -1 and 1 has the mean square 1/3 (the area under x²/2 from -1 to 1). Its
# standard deviation is therefore 1/√3 = 0.577. Put the other way round: for a standard deviation s its
# **bound** has to be √3 · s.

# %%
g = mg.Generator().manual_seed(lesson.seed)
uniform = mg.empty(100_000).uniform_(-1, 1, generator=g).std().item()
lesson.compare("sqrt5.std", "std of a uniform distribution on (-1, 1)", 1 / math.sqrt(3), uniform, "%.4f", tolerance=0.01)

# %% [markdown]
# In the source of the layer the weights come from `kaiming_uniform_(weight, a=math.sqrt(5))`. What is `a`?
#
# Kaiming's rule has a variant for the **leaky ReLU**, which does not cut negative numbers off, but
# multiplies them by a small slope a. Half of the numbers keep their squares, half are multiplied by a², so
# the mean square is multiplied by (1 + a²)/2 and the gain must be
#
# $$ \text{gain} = \sqrt{\frac{2}{1 + a^2}} $$


# %%
def gain_of_leaky_relu(a):
    """The gain that makes up for a ReLU of slope a below zero."""
    return math.sqrt(2 / (1 + a * a))


z = mg.randn(100_000, generator=mg.Generator().manual_seed(lesson.seed))
for name, a in (("0", 0.0), ("0.01", 0.01), ("1", 1.0), ("√5", math.sqrt(5))):
    gain = gain_of_leaky_relu(a)
    measured = 1 / F.leaky_relu(z, a).square().mean().sqrt().item()
    print(f"slope {name:<4} gain {gain:.4f}, measured {measured:.4f}, gain squared {gain * gain:.4f}")
    assert abs(gain - init.calculate_gain("leaky_relu", a)) < 1e-12 and abs(gain - measured) < 0.02

# %% [markdown]
# Three of these are worth remembering: slope 0 is the ReLU, with √2; slope 1 is no function at all, with 1;
# and slope √5 gives √(2/6) = 1/√3. No network has a slope of √5. It is a trick of arithmetic: the bound √3
# · gain / √n then becomes √3 · (1/√3) / √n = 1/√n, which is what layers had started with long before
# Kaiming's rule was found. The number keeps an old habit alive under a new name.
#
# The function itself takes three lines.


# %%
def kaiming_uniform(shape, a, generator):
    """Uniform weights of shape (fan-out, fan-in) for a leaky ReLU of slope a."""
    bound = math.sqrt(3) * gain_of_leaky_relu(a) / math.sqrt(shape[1])
    return (mg.rand(shape, generator=generator) * 2 - 1) * bound


for a in (0.0, 1.0, math.sqrt(5)):
    ours = kaiming_uniform((50, 784), a, mg.Generator().manual_seed(lesson.seed))
    theirs = init.kaiming_uniform_(mg.empty(50, 784), a=a, generator=mg.Generator().manual_seed(lesson.seed))
    print(f"slope {a:.3f}: bound {ours.abs().max().item():.5f}, largest difference {(ours - theirs).abs().max().item():.0e}")
    assert (ours - theirs).abs().max().item() < 1e-6

# %% [markdown]
# ### Does it matter?
#
# Try it on a network that is used for images: four **convolutions** with a ReLU between them. Only this
# much needs to be known about a convolution here: it is a linear layer that looks at a small window of the
# image, with the same weights for every window, and puts out several numbers, its **channels**. In the
# first layer a window has 5 x 5 pixels, so the fan-in is 25; later it has 3 x 3 places with as many numbers
# each as the layer before had channels.
#
# The last layer has one channel, whose mean is the network's output: a single number, which should be the
# digit shown. The loss is the mean of the squared differences.


# %%
def conv_net():
    """28 x 28 -> 14 x 14 -> 7 x 7 -> 4 x 4 -> 2 x 2: every convolution moves its window by two pixels."""
    channels = [1, 8, 16, 32, 1]
    sizes = [5, 3, 3, 3]
    pairs = zip(channels, channels[1:], sizes, strict=False)
    return [nn.Conv2d(i, o, size, stride=2, padding=size // 2) for i, o, size in pairs]


for layer in conv_net():
    print(f"weight {str(tuple(layer.weight.shape)):<15} fan-in {layer.weight[0].numel()}")
images, labels = x_valid[:256].view(-1, 1, 28, 28), digits.validation.labels[:256].float()


# %%
def measure(layers):
    """The std after each of the layers, of the output, and of the gradient of the first layer's weights."""
    h, widths = images, []
    for i, layer in enumerate(layers):
        h = layer(h if i == 0 else relu(h))
        widths.append(h.std().item())
    output = h.mean((1, 2, 3))
    F.mse_loss(output, labels).backward()
    return [*widths, output.std().item(), layers[0].weight.grad.std().item()]


mg.manual_seed(lesson.seed)
print("the layers as they come:", " ".join(f"{value:.4f}" for value in measure(conv_net())))

# %% [markdown]
# One draw of random weights says little, so each start is measured ten times and averaged. The biases are
# set to 0, except in the layers as they come, which draw biases from the same distribution as their
# weights.


# %%
def measured_with(a, trials=10):
    """The mean of `measure` over several networks; the slope a gives their gain, None leaves them as they come."""
    mg.manual_seed(lesson.seed)
    rows = []
    for _ in range(trials):
        layers = conv_net()
        for layer in layers if a is not None else []:
            init.kaiming_uniform_(layer.weight, a=a)
            init.zeros_(layer.bias)
        rows.append(measure(layers))
    return mg.tensor(rows).mean(0).tolist()


starts = {"as it comes": None, "gain 1/√3": math.sqrt(5), "gain 1": 1.0, "gain √2": 0.0}
results = {name: measured_with(a) for name, a in starts.items()}
print(f"{'std of':<13}{'layer 1':>9}{'layer 2':>9}{'layer 3':>9}{'layer 4':>9}{'output':>9}{'gradient':>10}")
for name, row in results.items():
    print(f"{name:<13}" + "".join(f"{value:9.4f}" for value in row[:-1]) + f"{row[-1]:10.4f}")
assert results["gain √2"][3] > 5 * results["as it comes"][3]

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4))
colours = dict(zip(results, (VERMILLION, ORANGE, SKY, GREEN), strict=True))
for (name, row), marker in zip(results.items(), "o^sD", strict=True):
    axes[0].plot(range(1, 5), row[:4], color=colours[name], marker=marker, label=name)
axes[0].set(title="forward: the signal", xlabel="layer", ylabel="std of the pre-activations", yscale="log")
axes[0].set_xticks(range(1, 5))
axes[0].legend(loc="lower left")
axes[1].barh(list(results), [row[-1] for row in results.values()], color=list(colours.values()))
axes[1].set(title="backward: what reaches the first layer", xlabel="std of its weights' gradient")
axes[1].invert_yaxis()
lesson.save(figure, "7_conv_net")
ratio = results["gain √2"][-1] / results["as it comes"][-1]
print(f"with √2 the gradient of the first layer is {ratio:.0f} times as large as with the layers as they come")

# %% [markdown]
# With 1/√3 in place of √2 the mean square shrinks by a factor of six per layer, the width by about 2.4, and
# after four layers little is left: all images give nearly the same output, and the first layer is barely
# told how to change. Four layers are few, and training gets over it. With twenty the width would shrink
# sixty million times. So in a deep network write the start down: `init.kaiming_normal_` or
# `kaiming_uniform_` with the `nonlinearity` or slope that you use.
#
# ## What to keep
#
# - **Normalise the inputs** with the mean and standard deviation of the training set, everywhere.
# - **A sum of n products is √n times as wide**, and a deep network raises any factor to the power of its
#   depth. So weights have the standard deviation gain / √fan-in.
# - **The gain makes up for the nonlinear function**: 1 without one, √2 for ReLU (which halves the mean
#   square), 5/3 for tanh.
# - **Fan-in keeps the forward signal**, fan-out the gradient, Xavier compromises; one of them, used all
#   through, is enough.
# - **The default is neither**: it is uniform with the bound 1/√n, that is gain 1/√3, too small for deep
#   ReLU networks.
#
# ## Exercises
#
# 1. *A gain for any function.* Find the gain of a function by experiment: feed it N(0, 1) and see what
#    became of the mean square. Check ReLU, the leaky ReLU and tanh against the library, then find the gains
#    of sigmoid, GELU and |x|. Which functions keep the scale in a stack of 30 layers with the gain you
#    found, and why does one not?
# 2. *Orthogonal matrices.* Multiplied by 1/√n, random matrices keep the scale on average, but the standard
#    deviation after a hundred products was 0.89, not 1. How far does it stray after 300 products, for ten
#    seeds, with n = 64? Do the same with `init.orthogonal_`, whose matrices only turn and reflect.
# 3. *Adding instead of replacing.* In a **residual** network each layer adds to what it got: x + f(x). With
#    Kaiming's rule for f, how does the mean square grow over 50 layers? Find a scale for f with which it
#    stays below e = 2.72 for any number of layers.
#
# Answers run in `answers/02_initialization.py`.

# %%
lesson.summary()
