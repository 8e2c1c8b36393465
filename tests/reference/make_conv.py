"""Computes with PyTorch what `tests/test_conv.py` compares with: `python make_conv.py`.

Made with PyTorch 2.13.0 on an x86 processor; writes `conv.npz` next to this file.
"""

import sys
from pathlib import Path

import numpy as np

sys.path[:0] = map(str, Path(__file__).parents[1:3])
from families import store  # noqa: E402  (found on the path of the line above)
from parity import numbers  # noqa: E402

LINES, IMAGES, IMAGE = numbers(2, 3, 7), numbers(2, 2, 5, 6), numbers(2, 5, 6)
MANY, VOLUMES = numbers(17, 2, 4, 3), numbers(1, 2, 3, 3, 2)
FOUR = numbers(2, 4, 5, 4)
W, BIAS = numbers(3, 2, 3, 2), numbers(3)


def conv(name, **options):
    return lambda m, *tensors: getattr(m.nn.functional, name)(*tensors, **options)


def layer(make, **call):
    """The output of a layer with the weights of the seed 0."""

    def function(m, x):
        m.manual_seed(0)
        return make(m.nn).to(x.dtype)(x, **call)

    return function


DERIVATIVES = {
    "conv1d": (conv("conv1d"), (LINES, numbers(2, 3, 3), numbers(2))),
    "conv1d options": (conv("conv1d", stride=2, padding=2, dilation=2), (LINES, numbers(2, 3, 3))),
    "conv1d groups": (conv("conv1d", groups=3, padding="same"), (LINES, numbers(6, 1, 4), numbers(6))),
    "conv1d unbatched": (conv("conv1d", padding=(1,)), (LINES[0], numbers(2, 3, 3))),
    "conv2d": (conv("conv2d"), (IMAGES, W, BIAS)),
    "conv2d strides": (conv("conv2d", stride=2, padding=1), (IMAGES, W, BIAS)),
    "conv2d far strides": (conv("conv2d", stride=(4, 3)), (IMAGES, W)),
    "conv2d dilation": (conv("conv2d", dilation=2, padding=(2, 1)), (IMAGES, W, BIAS)),
    "conv2d dilation and strides": (conv("conv2d", dilation=(2, 3), stride=(2, 2), padding=2), (IMAGES, W)),
    "conv2d dilation beside strides": (conv("conv2d", dilation=(3, 2), stride=(2, 3), padding=3), (IMAGES, W)),
    "conv2d groups": (conv("conv2d", groups=2), (FOUR, numbers(6, 2, 2, 3), numbers(6))),
    "conv2d each channel": (conv("conv2d", groups=4, stride=2, padding=1), (FOUR, numbers(4, 1, 3, 3))),
    "conv2d same": (conv("conv2d", padding="same"), (IMAGES, W, BIAS)),
    "conv2d same and dilation": (conv("conv2d", padding="same", dilation=(1, 3)), (IMAGES, W)),
    "conv2d valid": (conv("conv2d", padding="valid"), (IMAGES, W)),
    "conv2d of a point": (conv("conv2d"), (IMAGES, numbers(3, 2, 1, 1), BIAS)),
    "conv2d of all": (conv("conv2d"), (IMAGES, numbers(3, 2, 5, 6), BIAS)),
    "conv2d padding without the image": (conv("conv2d", padding=4, stride=3), (IMAGES, numbers(1, 2, 2, 2))),
    "conv2d unbatched": (conv("conv2d", stride=2), (IMAGE, W, BIAS)),
    "conv2d many images": (conv("conv2d", stride=(1, 2), padding=1), (MANY, W, BIAS)),
    "conv2d many images, groups": (conv("conv2d", groups=2, dilation=2, padding=2), (MANY, numbers(4, 1, 3, 2))),
    "conv2d no images": (conv("conv2d"), (np.zeros((0, 2, 5, 6)), W, BIAS)),
    "conv3d": (conv("conv3d", stride=(2, 1, 1), padding=1), (VOLUMES, numbers(2, 2, 2, 3, 2), numbers(2))),
    "conv_transpose1d": (conv("conv_transpose1d"), (LINES, numbers(3, 2, 3), numbers(2))),
    "conv_transpose1d options": (
        conv("conv_transpose1d", stride=3, padding=1, output_padding=2, dilation=2), (LINES, numbers(3, 2, 3)),
    ),
    "conv_transpose2d": (conv("conv_transpose2d"), (IMAGES, numbers(2, 3, 3, 2), BIAS)),
    "conv_transpose2d strides": (
        conv("conv_transpose2d", stride=2, padding=1, output_padding=1), (IMAGES, numbers(2, 3, 3, 2), BIAS),
    ),
    "conv_transpose2d far strides": (conv("conv_transpose2d", stride=3), (IMAGES, numbers(2, 3, 1, 2), BIAS)),
    "conv_transpose2d dilation": (
        conv("conv_transpose2d", stride=2, dilation=(3, 2), output_padding=(2, 1)), (IMAGES, numbers(2, 1, 2, 3)),
    ),
    "conv_transpose2d groups": (
        conv("conv_transpose2d", groups=2, stride=2), (FOUR, numbers(4, 3, 2, 3), numbers(6)),
    ),
    "conv_transpose2d unbatched": (conv("conv_transpose2d"), (IMAGE, numbers(2, 1, 3, 2))),
    "conv_transpose2d many images": (
        conv("conv_transpose2d", stride=2, padding=1), (MANY, numbers(2, 1, 3, 2), numbers(1)),
    ),
    "conv_transpose3d": (conv("conv_transpose3d", stride=2), (VOLUMES, numbers(2, 1, 2, 1, 2))),
    "unfold": (conv("unfold", kernel_size=2), (IMAGES,)),
    "unfold options": (conv("unfold", kernel_size=(3, 2), dilation=(1, 2), padding=1, stride=(2, 1)), (IMAGES,)),
    "unfold unbatched": (conv("unfold", kernel_size=3), (IMAGE,)),
    "fold": (conv("fold", output_size=(4, 5), kernel_size=2), (numbers(2, 8, 12),)),
    "fold options": (
        conv("fold", output_size=(5, 6), kernel_size=(3, 2), dilation=(1, 2), padding=1, stride=(2, 1)),
        (numbers(2, 12, 18),),
    ),
    "fold unbatched": (conv("fold", output_size=3, kernel_size=2), (numbers(4, 4),)),
    "Conv1d": (layer(lambda nn: nn.Conv1d(3, 4, 3, stride=2)), (LINES,)),
    "Conv2d": (layer(lambda nn: nn.Conv2d(2, 4, 3, 2, 1)), (IMAGES,)),
    "Conv2d reflect": (layer(lambda nn: nn.Conv2d(2, 4, 3, padding=(2, 1), padding_mode="reflect")), (IMAGES,)),
    "Conv2d replicate": (layer(lambda nn: nn.Conv2d(2, 1, (2, 3), padding=3, padding_mode="replicate")), (IMAGES,)),
    "Conv2d circular": (layer(lambda nn: nn.Conv2d(2, 1, 4, padding="same", padding_mode="circular")), (IMAGES,)),
    "Conv2d valid": (layer(lambda nn: nn.Conv2d(2, 1, 2, padding="valid", padding_mode="circular")), (IMAGES,)),
    "Conv3d": (layer(lambda nn: nn.Conv3d(2, 2, 2)), (VOLUMES,)),
    "ConvTranspose1d": (layer(lambda nn: nn.ConvTranspose1d(3, 2, 3, 2), output_size=(16,)), (LINES,)),
    "ConvTranspose2d": (layer(lambda nn: nn.ConvTranspose2d(2, 4, 3, 2, 1, 1, 2)), (IMAGES,)),
    "ConvTranspose2d of a size": (
        layer(lambda nn: nn.ConvTranspose2d(2, 1, 3, 3), output_size=(2, 1, 16, 20)), (IMAGES,),
    ),
    "ConvTranspose3d": (layer(lambda nn: nn.ConvTranspose3d(2, 1, 2)), (VOLUMES,)),
    "Unfold": (layer(lambda nn: nn.Unfold((2, 3), padding=1)), (IMAGES,)),
    "Fold": (layer(lambda nn: nn.Fold((4, 5), 2)), (numbers(2, 8, 12),)),
}  # fmt: skip

# name: (function of nn that makes a layer, what it prints)
LAYERS = {
    "Conv1d": (lambda nn: nn.Conv1d(3, 4, 3), "Conv1d(3, 4, kernel_size=(3,), stride=(1,))"),
    "Conv2d": (lambda nn: nn.Conv2d(1, 8, 5, 2, 2), "Conv2d(1, 8, kernel_size=(5, 5), stride=(2, 2), padding=(2, 2))"),
    "Conv2d options": (
        lambda nn: nn.Conv2d(4, 6, (3, 5), (2, 1), 1, (2, 1), 2, False, "reflect"),
        "Conv2d(4, 6, kernel_size=(3, 5), stride=(2, 1), padding=(1, 1), dilation=(2, 1), groups=2, bias=False, "
        "padding_mode=reflect)",
    ),
    "Conv2d same": (
        lambda nn: nn.Conv2d(2, 2, 3, padding="same"), "Conv2d(2, 2, kernel_size=(3, 3), stride=(1, 1), padding=same)",
    ),
    "Conv3d": (lambda nn: nn.Conv3d(1, 2, 2), "Conv3d(1, 2, kernel_size=(2, 2, 2), stride=(1, 1, 1))"),
    "ConvTranspose1d": (
        lambda nn: nn.ConvTranspose1d(3, 4, 5, bias=False),
        "ConvTranspose1d(3, 4, kernel_size=(5,), stride=(1,), bias=False)",
    ),
    "ConvTranspose2d": (
        lambda nn: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, True, 2),
        "ConvTranspose2d(4, 6, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(2, 2), output_padding=(1, 1), "
        "groups=2)",
    ),
    "ConvTranspose3d": (
        lambda nn: nn.ConvTranspose3d(2, 1, 2), "ConvTranspose3d(2, 1, kernel_size=(2, 2, 2), stride=(1, 1, 1))",
    ),
    "Unfold": (lambda nn: nn.Unfold((2, 3), padding=1), "Unfold(kernel_size=(2, 3), dilation=1, padding=1, stride=1)"),
    "Fold": (
        lambda nn: nn.Fold((4, 5), 2, stride=3),
        "Fold(output_size=(4, 5), kernel_size=2, dilation=1, padding=0, stride=3)",
    ),
}  # fmt: skip


def state(make):
    """The starting values of a layer, and how it goes on in the random stream."""

    def function(m):
        m.manual_seed(0)
        return [*make(m.nn).state_dict().values(), m.rand(2)]

    return function


VALUES = {name: state(make) for name, (make, _) in LAYERS.items()} | {
    "integers": lambda m: m.nn.functional.conv2d(m.arange(18).reshape(1, 2, 3, 3), m.arange(8).reshape(1, 2, 2, 2)),
    "names": lambda m: [
        m.nn.functional.conv2d(
            input=m.ones(1, 2, 4, 4), weight=m.ones(2, 1, 2, 2), bias=m.ones(2), stride=2, padding=1, dilation=1,
            groups=2,
        ),
        m.nn.functional.conv_transpose2d(
            input=m.ones(1, 2, 2, 2), weight=m.ones(2, 1, 2, 2), bias=m.ones(2), stride=2, padding=0,
            output_padding=1, groups=2, dilation=1,
        ),
    ],
}  # fmt: skip


def wrong(name, *shapes, **options):
    return lambda m: getattr(m.nn.functional, name)(*(m.zeros(*shape) for shape in shapes), **options)


X, K = (2, 3, 8, 8), (4, 3, 3, 3)
ERRORS = {
    "few dimensions": wrong("conv2d", (2, 3), K),
    "many dimensions": wrong("conv2d", (2, 3, 4, 5, 6), K),
    "image for lines": wrong("conv1d", X, (4, 3, 3)),
    "dimensions of the weight": wrong("conv2d", X, (4, 3, 3)),
    "channels": wrong("conv2d", X, (4, 2, 3, 3)),
    "channels of a group": wrong("conv2d", (2, 4, 8, 8), (4, 4, 3, 3), groups=2),
    "groups": wrong("conv2d", (2, 4, 8, 8), (5, 2, 3, 3), groups=2),
    "no groups": wrong("conv2d", X, K, groups=0),
    "no outputs": wrong("conv2d", X, (0, 3, 3, 3)),
    "large kernel": wrong("conv2d", (2, 3, 2, 2), K),
    "large dilated kernel": wrong("conv2d", (2, 3, 2, 2), K, dilation=2, padding=1),
    "no pixels": wrong("conv2d", (2, 3, 0, 8), K, padding=2),
    "empty kernel": wrong("conv2d", X, (4, 3, 0, 3)),
    "size of bias": wrong("conv2d", X, K, (3,)),
    "shape of bias": wrong("conv2d", X, K, (4, 1)),
    "dtypes": lambda m: m.nn.functional.conv2d(m.zeros(*X).double(), m.zeros(*K)),
    "dtype of bias": lambda m: m.nn.functional.conv2d(m.zeros(*X), m.zeros(*K), m.zeros(4).double()),
    "no tensor": lambda m: m.nn.functional.conv2d([1.0], m.zeros(*K)),
    "stride 0": wrong("conv2d", X, K, stride=0),
    "dilation 0": wrong("conv2d", X, K, dilation=0),
    "negative padding": wrong("conv2d", X, K, padding=-1),
    "three strides": wrong("conv2d", X, K, stride=(1, 2, 3)),
    "same with strides": wrong("conv2d", X, K, stride=2, padding="same"),
    "unknown padding": wrong("conv2d", X, K, padding="sam"),
    "transpose channels": wrong("conv_transpose2d", X, K),
    "transpose bias": wrong("conv_transpose2d", X, (3, 4, 3, 3), (3,)),
    "transpose output padding": wrong("conv_transpose2d", X, (3, 4, 3, 3), stride=2, output_padding=2),
    "transpose negative padding": wrong("conv_transpose2d", X, (3, 4, 3, 3), stride=2, output_padding=-1),
    "transpose to nothing": wrong("conv_transpose2d", (2, 3, 2, 2), (3, 4, 3, 3), padding=3),
    "unfold large kernel": wrong("unfold", X, kernel_size=9),
    "unfold stride 0": wrong("unfold", X, kernel_size=3, stride=0),
    "fold dimensions": wrong("fold", (27,), output_size=8, kernel_size=3),
    "fold channels": wrong("fold", (2, 28, 36), output_size=8, kernel_size=3),
    "fold patches": wrong("fold", (2, 27, 35), output_size=8, kernel_size=3),
    "layer channels and groups": lambda m: m.nn.Conv2d(3, 4, 3, groups=2),
    "layer outputs and groups": lambda m: m.nn.Conv2d(4, 3, 3, groups=2),
    "layer no groups": lambda m: m.nn.Conv2d(4, 4, 3, groups=0),
    "layer unknown padding": lambda m: m.nn.Conv2d(4, 4, 3, padding="foo"),
    "layer same with strides": lambda m: m.nn.Conv2d(4, 4, 3, padding="same", stride=2),
    "layer unknown padding mode": lambda m: m.nn.Conv2d(4, 4, 3, padding_mode="foo"),
    "layer channels": lambda m: m.nn.Conv2d(4, 4, 3)(m.zeros(*X)),
    "transposed layer padding mode": lambda m: m.nn.ConvTranspose2d(4, 4, 3, padding_mode="reflect"),
    "transposed layer output size": lambda m: m.nn.ConvTranspose2d(3, 4, 3, 2)(
        m.zeros(*X), output_size=(30, 18)
    ),
    "transposed layer output sizes": lambda m: m.nn.ConvTranspose2d(3, 4, 3, 2)(
        m.zeros(*X), output_size=(18,)
    ),
}

if __name__ == "__main__":
    store("conv", DERIVATIVES, VALUES, ERRORS)
