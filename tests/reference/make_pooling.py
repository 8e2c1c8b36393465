"""Computes with PyTorch what `tests/test_pooling.py` compares with: `python make_pooling.py`.

Made with PyTorch 2.13.0 on an x86 processor; writes `pooling.npz` next to this file.
"""

import sys
from pathlib import Path

import numpy as np

sys.path[:0] = map(str, Path(__file__).parents[1:3])
from families import store  # noqa: E402  (found on the path of the line above)
from parity import numbers  # noqa: E402

LINES, IMAGES, IMAGE = numbers(2, 3, 7), numbers(2, 2, 5, 6), numbers(2, 5, 6)
MANY, EVEN = numbers(17, 2, 4, 6), numbers(2, 2, 4, 6)
NONE = np.zeros((0, 2, 5, 6))


def call(name, **options):
    return lambda m, x: getattr(m.nn.functional, name)(x, **options)


def layer(make):
    return lambda m, x: make(m.nn)(x)


DERIVATIVES = {
    "max_pool1d": (call("max_pool1d", kernel_size=2), LINES),
    "max_pool1d options": (call("max_pool1d", kernel_size=3, stride=2, padding=1, dilation=2, ceil_mode=True), LINES),
    "max_pool1d unbatched": (call("max_pool1d", kernel_size=3), LINES[0]),
    "max_pool2d": (call("max_pool2d", kernel_size=2), IMAGES),
    "max_pool2d overlapping": (call("max_pool2d", kernel_size=3, stride=(1, 2), padding=1), IMAGES),
    "max_pool2d dilation": (call("max_pool2d", kernel_size=(2, 3), stride=1, dilation=(3, 2)), IMAGES),
    "max_pool2d ceil_mode": (call("max_pool2d", kernel_size=2, ceil_mode=True), IMAGES),
    "max_pool2d stride as a list": (call("max_pool2d", kernel_size=(2, 3), stride=[]), IMAGES),
    "max_pool2d unbatched": (call("max_pool2d", kernel_size=2), IMAGE),
    "max_pool2d many images": (call("max_pool2d", kernel_size=3, stride=2, padding=1), MANY),
    "max_pool2d no images": (call("max_pool2d", kernel_size=2), NONE),
    "avg_pool1d": (call("avg_pool1d", kernel_size=2), LINES),
    "avg_pool1d options": (
        call("avg_pool1d", kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False), LINES,
    ),
    "avg_pool2d": (call("avg_pool2d", kernel_size=2), IMAGES),
    "avg_pool2d padding": (call("avg_pool2d", kernel_size=3, stride=2, padding=1), IMAGES),
    "avg_pool2d ceil_mode": (call("avg_pool2d", kernel_size=(3, 2), stride=2, padding=1, ceil_mode=True), IMAGES),
    "avg_pool2d without padding": (call("avg_pool2d", kernel_size=3, padding=1, count_include_pad=False), IMAGES),
    "avg_pool2d divisor": (call("avg_pool2d", kernel_size=3, stride=1, padding=1, divisor_override=2), IMAGES),
    "avg_pool2d unbatched": (call("avg_pool2d", kernel_size=2), IMAGE),
    "avg_pool2d many images": (call("avg_pool2d", kernel_size=2, stride=1), MANY),
    "avg_pool2d no images": (call("avg_pool2d", kernel_size=2), NONE),
    "adaptive_avg_pool1d": (call("adaptive_avg_pool1d", output_size=3), LINES),
    "adaptive_avg_pool1d of all": (call("adaptive_avg_pool1d", output_size=1), LINES),
    "adaptive_avg_pool2d": (call("adaptive_avg_pool2d", output_size=(3, 4)), IMAGES),
    "adaptive_avg_pool2d of all": (call("adaptive_avg_pool2d", output_size=1), IMAGES),
    "adaptive_avg_pool2d of all of many": (call("adaptive_avg_pool2d", output_size=1), MANY),
    "adaptive_avg_pool2d even": (call("adaptive_avg_pool2d", output_size=(2, 3)), EVEN),
    "adaptive_avg_pool2d None": (call("adaptive_avg_pool2d", output_size=(None, 2)), IMAGES),
    "adaptive_avg_pool2d larger": (call("adaptive_avg_pool2d", output_size=7), IMAGES),
    "adaptive_avg_pool2d unbatched": (call("adaptive_avg_pool2d", output_size=(1, 1)), IMAGE),
    "adaptive_avg_pool2d many images": (call("adaptive_avg_pool2d", output_size=(3, 4)), MANY),
    "adaptive_max_pool1d": (call("adaptive_max_pool1d", output_size=3), LINES),
    "adaptive_max_pool2d": (call("adaptive_max_pool2d", output_size=(3, 4)), IMAGES),
    "adaptive_max_pool2d even": (call("adaptive_max_pool2d", output_size=(2, 3)), EVEN),
    "adaptive_max_pool2d None": (call("adaptive_max_pool2d", output_size=(2, None)), IMAGES),
    "adaptive_max_pool2d unbatched": (call("adaptive_max_pool2d", output_size=2), IMAGE),
    "adaptive_max_pool2d no images": (call("adaptive_max_pool2d", output_size=2), NONE),
    "pad": (call("pad", pad=(1, 2)), IMAGES),
    "pad several": (call("pad", pad=(1, 2, 0, 3, 2, 1)), IMAGES),
    "pad value": (call("pad", pad=(1, 0, 2, 0), value=1.5), IMAGES),
    "pad negative": (call("pad", pad=(-1, 2, 3, -2)), IMAGES),
    "pad nothing": (call("pad", pad=()), IMAGES),
    "pad reflect": (call("pad", pad=(1, 4, 3, 2), mode="reflect"), IMAGES),
    "pad reflect negative": (call("pad", pad=(-2, 3, 1, -1), mode="reflect"), IMAGES),
    "pad reflect one dimension": (call("pad", pad=(2, 3), mode="reflect"), LINES),
    "pad reflect unbatched": (call("pad", pad=(1, 0, 0, 2), mode="reflect"), IMAGE),
    "pad replicate": (call("pad", pad=(3, 1, 7, 2), mode="replicate"), IMAGES),
    "pad replicate negative": (call("pad", pad=(3, -1, -2, 2), mode="replicate"), IMAGES),
    "pad circular": (call("pad", pad=(6, 1, 2, 5), mode="circular"), IMAGES),
    "pad circular negative": (call("pad", pad=(-1, 2, 3, -1), mode="circular"), IMAGES),
    "pad circular many images": (call("pad", pad=(1, 2, 2, 1), mode="circular"), MANY),
    "interpolate": (call("interpolate", scale_factor=2), IMAGES),
    "interpolate size": (call("interpolate", size=(3, 9)), IMAGES),
    "interpolate lines": (call("interpolate", scale_factor=1.7), LINES),
    "interpolate smaller": (call("interpolate", scale_factor=(0.6, 0.4)), IMAGES),
    "interpolate many images": (call("interpolate", size=(7, 2)), MANY),
    "linear": (call("interpolate", size=10, mode="linear"), LINES),
    "bilinear": (call("interpolate", scale_factor=2, mode="bilinear"), IMAGES),
    "bilinear corners": (call("interpolate", size=(7, 11), mode="bilinear", align_corners=True), IMAGES),
    "bilinear smaller": (call("interpolate", size=(3, 1), mode="bilinear", align_corners=True), IMAGES),
    "bilinear factor": (call("interpolate", scale_factor=1.3, mode="bilinear"), IMAGES),
    "bilinear recomputed": (
        call("interpolate", scale_factor=1.3, mode="bilinear", recompute_scale_factor=True), IMAGES,
    ),
    "bilinear same size": (call("interpolate", scale_factor=1.1, mode="bilinear"), IMAGES),
    "bilinear many images": (call("interpolate", size=(7, 2), mode="bilinear"), MANY),
    "trilinear": (call("interpolate", size=3, mode="trilinear"), numbers(1, 2, 2, 3, 2)),
    "pixel_shuffle": (call("pixel_shuffle", upscale_factor=2), numbers(2, 8, 2, 3)),
    "pixel_shuffle unbatched": (call("pixel_shuffle", upscale_factor=3), numbers(9, 1, 2)),
    "pixel_unshuffle": (call("pixel_unshuffle", downscale_factor=2), numbers(2, 1, 4, 6)),
    "MaxPool1d": (layer(lambda nn: nn.MaxPool1d(2, padding=1)), LINES),
    "MaxPool2d": (layer(lambda nn: nn.MaxPool2d(3, 2, 1, ceil_mode=True)), IMAGES),
    "AvgPool1d": (layer(lambda nn: nn.AvgPool1d(3, 2, 1, True, False)), LINES),
    "AvgPool2d": (layer(lambda nn: nn.AvgPool2d(2, None, 1, False, False)), IMAGES),
    "AvgPool2d divisor": (layer(lambda nn: nn.AvgPool2d(2, divisor_override=3)), IMAGES),
    "AdaptiveAvgPool1d": (layer(lambda nn: nn.AdaptiveAvgPool1d(2)), LINES),
    "AdaptiveAvgPool2d": (layer(lambda nn: nn.AdaptiveAvgPool2d((2, 3))), IMAGES),
    "AdaptiveMaxPool1d": (layer(lambda nn: nn.AdaptiveMaxPool1d(2)), LINES),
    "AdaptiveMaxPool2d": (layer(lambda nn: nn.AdaptiveMaxPool2d((2, 3))), IMAGES),
    "ConstantPad1d": (layer(lambda nn: nn.ConstantPad1d(1, 2.5)), LINES),
    "ConstantPad2d": (layer(lambda nn: nn.ConstantPad2d((1, 0, 2, 0), -1.0)), IMAGES),
    "ZeroPad1d": (layer(lambda nn: nn.ZeroPad1d(2)), LINES),
    "ZeroPad2d": (layer(lambda nn: nn.ZeroPad2d((1, 2, -1, 0))), IMAGES),
    "ReflectionPad1d": (layer(lambda nn: nn.ReflectionPad1d((2, 1))), LINES),
    "ReflectionPad2d": (layer(lambda nn: nn.ReflectionPad2d(2)), IMAGES),
    "ReplicationPad1d": (layer(lambda nn: nn.ReplicationPad1d(2)), LINES),
    "ReplicationPad2d": (layer(lambda nn: nn.ReplicationPad2d((1, 2, 3, 4))), IMAGES),
    "CircularPad1d": (layer(lambda nn: nn.CircularPad1d(2)), LINES),
    "CircularPad2d": (layer(lambda nn: nn.CircularPad2d((1, 2, 3, 4))), IMAGES),
    "Upsample": (layer(lambda nn: nn.Upsample(scale_factor=2)), IMAGES),
    "Upsample bilinear": (layer(lambda nn: nn.Upsample((7, 4), mode="bilinear", align_corners=True)), IMAGES),
    "PixelShuffle": (layer(lambda nn: nn.PixelShuffle(2)), numbers(2, 8, 2, 3)),
    "PixelUnshuffle": (layer(lambda nn: nn.PixelUnshuffle(2)), numbers(2, 1, 4, 6)),
}  # fmt: skip
DERIVATIVES = {name: (function, (array,)) for name, (function, array) in DERIVATIVES.items()}

# name: (function of nn that makes a layer, what it prints)
LAYERS = {
    "MaxPool1d": (lambda nn: nn.MaxPool1d(2), "MaxPool1d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"),
    "MaxPool2d": (
        lambda nn: nn.MaxPool2d((2, 3), 1, 1, 1, True, True),
        "MaxPool2d(kernel_size=(2, 3), stride=1, padding=1, dilation=1, ceil_mode=True)",
    ),
    "AvgPool1d": (lambda nn: nn.AvgPool1d(2), "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))"),
    "AvgPool2d": (lambda nn: nn.AvgPool2d((2, 1), (1, 2), 1), "AvgPool2d(kernel_size=(2, 1), stride=(1, 2), padding=1)"),
    "AdaptiveAvgPool1d": (lambda nn: nn.AdaptiveAvgPool1d(2), "AdaptiveAvgPool1d(output_size=2)"),
    "AdaptiveAvgPool2d": (lambda nn: nn.AdaptiveAvgPool2d((None, 2)), "AdaptiveAvgPool2d(output_size=(None, 2))"),
    "AdaptiveMaxPool1d": (lambda nn: nn.AdaptiveMaxPool1d(2), "AdaptiveMaxPool1d(output_size=2)"),
    "AdaptiveMaxPool2d": (lambda nn: nn.AdaptiveMaxPool2d((1, 2), True), "AdaptiveMaxPool2d(output_size=(1, 2))"),
    "ConstantPad1d": (lambda nn: nn.ConstantPad1d(1, 2.0), "ConstantPad1d(padding=(1, 1), value=2.0)"),
    "ConstantPad2d": (lambda nn: nn.ConstantPad2d(1, 3.5), "ConstantPad2d(padding=(1, 1, 1, 1), value=3.5)"),
    "ZeroPad1d": (lambda nn: nn.ZeroPad1d(3), "ZeroPad1d((3, 3))"),
    "ZeroPad2d": (lambda nn: nn.ZeroPad2d(1), "ZeroPad2d((1, 1, 1, 1))"),
    "ReflectionPad1d": (lambda nn: nn.ReflectionPad1d(2), "ReflectionPad1d((2, 2))"),
    "ReflectionPad2d": (lambda nn: nn.ReflectionPad2d((1, 2, 3, 4)), "ReflectionPad2d((1, 2, 3, 4))"),
    "ReplicationPad1d": (lambda nn: nn.ReplicationPad1d(2), "ReplicationPad1d((2, 2))"),
    "ReplicationPad2d": (lambda nn: nn.ReplicationPad2d(2), "ReplicationPad2d((2, 2, 2, 2))"),
    "CircularPad1d": (lambda nn: nn.CircularPad1d(1), "CircularPad1d((1, 1))"),
    "CircularPad2d": (lambda nn: nn.CircularPad2d(1), "CircularPad2d((1, 1, 1, 1))"),
    "Upsample": (lambda nn: nn.Upsample(scale_factor=2), "Upsample(scale_factor=2.0, mode='nearest')"),
    "Upsample factors": (
        lambda nn: nn.Upsample(scale_factor=(2, 3), mode="bilinear"), "Upsample(scale_factor=(2.0, 3.0), mode='bilinear')",
    ),
    "Upsample size": (
        lambda nn: nn.Upsample((3, 4), mode="bilinear", align_corners=True), "Upsample(size=(3, 4), mode='bilinear')",
    ),
    "PixelShuffle": (lambda nn: nn.PixelShuffle(2), "PixelShuffle(upscale_factor=2)"),
    "PixelUnshuffle": (lambda nn: nn.PixelUnshuffle(2), "PixelUnshuffle(downscale_factor=2)"),
}  # fmt: skip


def pooled(name, array, *args, **options):
    """A function that pools and gives the indices too."""
    return lambda m: getattr(m.nn.functional, name)(m.tensor(array), *args, return_indices=True, **options)


NAN, INF = float("nan"), float("inf")
SPECIAL = np.array([[[[1, NAN, 3], [NAN, 5, 2], [-INF, INF, 0]]]])
TIES = np.round(numbers(2, 2, 5, 6))
VALUES = {
    "parts of no size": lambda m: m.nn.functional.adaptive_avg_pool2d(m.tensor(IMAGES), 0),
    "indices": pooled("max_pool2d", IMAGES, 2),
    "indices of overlapping windows": pooled("max_pool2d", IMAGES, 3, 1, 1),
    "indices of all options": pooled("max_pool2d", IMAGES, (2, 3), (1, 2), (1, 0), (1, 2), ceil_mode=True),
    "indices of ties": pooled("max_pool2d", TIES, 3, 1, 1),
    "indices of lines": pooled("max_pool1d", LINES, 3, 2, 1, 2),
    "indices unbatched": pooled("max_pool2d", IMAGE, 2),
    "indices of NaN": pooled("max_pool2d", SPECIAL, 2, 1),
    "indices of NaN and padding": pooled("max_pool2d", SPECIAL, 2, 1, 1),
    "indices of minus infinity": pooled("max_pool2d", np.full((1, 1, 3, 3), -INF), 2, padding=1),
    "indices of parts": pooled("adaptive_max_pool2d", IMAGES, (3, 4)),
    "indices of even parts": pooled("adaptive_max_pool2d", EVEN, 2),
    "indices of parts of lines": pooled("adaptive_max_pool1d", LINES, 3),
    "indices of ties in parts": pooled("adaptive_max_pool2d", TIES, (3, 4)),
    "layer with indices": lambda m: m.nn.MaxPool2d(2, return_indices=True)(m.tensor(IMAGES)),
    "layer of parts with indices": lambda m: m.nn.AdaptiveMaxPool2d(3, return_indices=True)(m.tensor(IMAGES)),
    "max of integers": lambda m: m.nn.functional.max_pool2d(m.arange(16).reshape(1, 1, 4, 4), 2),
    "mean of infinity": lambda m: m.nn.functional.avg_pool2d(m.tensor(SPECIAL), 2, 1),
    "padded integers": lambda m: m.nn.functional.pad(m.arange(3), (1, 1), value=2),
    "padded booleans": lambda m: m.nn.functional.pad(m.ones(3, dtype=m.bool), (1, 0)),
    "reflected integers": lambda m: m.nn.functional.pad(m.arange(6).reshape(1, 2, 3), (1, 2), "reflect"),
    "padding of dimensions without size": lambda m: m.nn.functional.pad(m.ones(2, 3, 0, 4), (1, 1, 1, 1)),
    "nearest keeps infinity": lambda m: m.nn.functional.interpolate(m.tensor(SPECIAL), size=5),
    "nearest float32": lambda m: [
        m.nn.functional.interpolate(m.arange(float(n)).reshape(1, 1, n), size=k) for n in range(1, 12) for k in range(1, 30)
    ],
    "nearest factors": lambda m: [
        m.nn.functional.interpolate(m.arange(float(n)).reshape(1, 1, n), scale_factor=k / 7)
        for n in range(7, 12) for k in range(3, 30)
    ],
}  # fmt: skip

X = (2, 3, 8, 8)


def wrong(name, shape, *args, **options):
    return lambda m: getattr(m.nn.functional, name)(m.zeros(*shape), *args, **options)


ERRORS = {
    "max dimensions": wrong("max_pool2d", (2, 3), 2),
    "max dimensions of lines": wrong("max_pool1d", X, 2),
    "max padding": wrong("max_pool2d", X, 3, padding=2),
    "max negative padding": wrong("max_pool2d", X, 2, padding=-1),
    "max padding of lines": wrong("max_pool1d", (2, 3, 8), 2, padding=2),
    "max large kernel": wrong("max_pool2d", X, 9),
    "max large dilation": wrong("max_pool2d", X, 3, dilation=4),
    "max stride 0": wrong("max_pool2d", X, 2, stride=0),
    "max kernel 0": wrong("max_pool2d", X, 0),
    "max three sizes": wrong("max_pool2d", X, (1, 2, 3)),
    "max no channels": wrong("max_pool2d", (2, 0, 8, 8), 2),
    "max no pixels": wrong("max_pool2d", (2, 3, 0, 8), 2),
    "avg padding": wrong("avg_pool2d", X, 2, padding=2),
    "avg divisor 0": wrong("avg_pool2d", X, 2, divisor_override=0),
    "avg large kernel": wrong("avg_pool2d", X, 9),
    "avg negative padding": wrong("avg_pool1d", (2, 3, 8), 2, padding=-2),
    "avg dimensions of lines": wrong("avg_pool1d", (3,), 2),
    "parts of three sizes": wrong("adaptive_avg_pool2d", X, (2, 3, 4)),
    "parts below 0": wrong("adaptive_avg_pool2d", X, -1),
    "parts of nothing": wrong("adaptive_avg_pool2d", (2, 3, 0, 4), 2),
    "parts of integers": lambda m: m.nn.functional.adaptive_avg_pool2d(m.arange(16).reshape(1, 1, 4, 4), 2),
    "parts of a line None": wrong("adaptive_avg_pool1d", (2, 3, 8), None),
    "max parts dimensions": wrong("adaptive_max_pool2d", (2, 3), 3),
    "max parts of nothing": wrong("adaptive_max_pool2d", (2, 3, 0, 4), 2),
    "pad odd": wrong("pad", X, (1, 2, 3)),
    "pad long": wrong("pad", (3,), (1, 2, 3, 4)),
    "pad too negative": wrong("pad", X, (-9, 0)),
    "pad too negative before": wrong("pad", X, (-9, 4)),
    "pad mode": wrong("pad", X, (1, 1), "foo"),
    "pad value and mode": wrong("pad", X, (1, 1, 1, 1), "reflect", 1.0),
    "reflect far": wrong("pad", X, (8, 2, 3, 4), "reflect"),
    "reflect dimensions": wrong("pad", X, (1, 2), "reflect"),
    "reflect a vector": wrong("pad", (8,), (1, 2), "reflect"),
    "circular far": wrong("pad", X, (9, 8, 1, 1), "circular"),
    "replicate nothing": wrong("pad", (2, 3, 0, 4), (1, 1, 1, 1), "replicate"),
    "interpolate both": wrong("interpolate", X, size=3, scale_factor=2),
    "interpolate neither": wrong("interpolate", X),
    "interpolate mode": wrong("interpolate", X, size=3, mode="foo"),
    "interpolate corners": wrong("interpolate", X, size=3, align_corners=True),
    "interpolate linear images": wrong("interpolate", X, size=3, mode="linear"),
    "interpolate bilinear lines": wrong("interpolate", (2, 3, 8), size=3, mode="bilinear"),
    "interpolate matrix": wrong("interpolate", (3, 8), size=3),
    "interpolate sizes": wrong("interpolate", X, size=(3,)),
    "interpolate factors": wrong("interpolate", X, scale_factor=(2,)),
    "interpolate size 0": wrong("interpolate", X, size=0),
    "interpolate factor": wrong("interpolate", X, scale_factor=0.1),
    "interpolate integers": lambda m: m.nn.functional.interpolate(m.arange(16).reshape(1, 1, 4, 4), size=3),
    "interpolate nothing": wrong("interpolate", (1, 2, 0, 4), size=3),
    "pixel_shuffle channels": wrong("pixel_shuffle", (2, 7, 3, 3), 2),
    "pixel_shuffle dimensions": wrong("pixel_shuffle", (3, 3), 2),
    "pixel_unshuffle size": wrong("pixel_unshuffle", (2, 2, 4, 3), 2),
}

if __name__ == "__main__":
    store("pooling", DERIVATIVES, VALUES, ERRORS)
