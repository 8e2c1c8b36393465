"""How tensors print: to the character as in torch, with `minigrad.` where torch writes `torch.`.

    tensor([[1.0000, 0.2500],
            [3.0000, 4.5000]], grad_fn=<MulBackward0>)

All numbers of a tensor share one format: without digits after the point where all are whole ("3."), else
with `precision` digits; in scientific notation where the magnitudes span more than three decades, exceed 1e8
or fall below 1e-4. The dtype is shown where it could not be guessed, the device never: a script prints the
same on a GPU.
"""

import contextlib
import math
from types import SimpleNamespace

import numpy as np

from .autograd import titles
from .backend import NUMBERS, to_numpy, xp

DEFAULT = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
PROFILES = {
    "default": DEFAULT,
    "short": DEFAULT | {"precision": 2, "edgeitems": 2},
    "full": DEFAULT | {"threshold": math.inf},
}
options = SimpleNamespace(**DEFAULT)


def set_printoptions(
    precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None
):
    """Change how tensors print.

    `precision`: digits after the point. `threshold`: of a tensor with more elements, each dimension shows `edgeitems`
    at its beginning and end only. `linewidth`: in characters. `sci_mode`: scientific notation; None: where the values
    need it.

    None leaves an option as it is, but makes `sci_mode` automatic again. `profile`: "default", "short"
    (2 digits, 2 items at the edges) or "full" (nothing left out); it comes first.
    """
    if profile is not None and profile not in PROFILES:
        raise ValueError(f"set_printoptions: expected a profile of {list(PROFILES)}, got {profile!r}")
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in given.items():
        if value is not None and not (isinstance(value, (int, float)) and value >= 0):
            raise ValueError(f"set_printoptions: expected {name} to be a number of at least 0, got {value!r}")
    if isinstance(precision, float):
        raise ValueError(f"set_printoptions: expected precision to be an int, got {precision}")
    if profile is not None:
        options.__dict__.update(PROFILES[profile])
    options.__dict__.update({name: value for name, value in given.items() if value is not None})
    options.sci_mode = sci_mode


def get_printoptions():
    """The options in force, as a dict for `set_printoptions(**...)`."""
    return dict(vars(options))


@contextlib.contextmanager
def printoptions(**changes):
    """`set_printoptions` inside a `with` block."""
    before = get_printoptions()
    set_printoptions(**changes)
    try:
        yield
    finally:
        set_printoptions(**before)


# ------------------------------------------------------------------------------------------------ the numbers


def number_format(array):
    """How to write a number among those of a host array, and the width of the widest."""
    scientific, whole, measured = False, True, array
    if array.dtype.kind == "f":
        measured = array[np.isfinite(array) & (array != 0)].astype("float64")  # the others fit in anywhere
        if measured.size:
            sizes = abs(measured)
            low, high = sizes.min().item(), sizes.max().item()
            needed = high / low > 1000 or high > 1e8 or low < 1e-4
            scientific = needed if options.sci_mode is None else options.sci_mode
            whole = (measured == np.ceil(measured)).all()

    def written(value):
        if array.dtype.kind != "f":
            return str(value)
        if scientific:
            return f"{value:.{options.precision}e}"
        if whole:
            return f"{value:.0f}." if math.isfinite(value) else str(value)
        return f"{value:.{options.precision}f}"

    return written, max([1, *(len(written(value)) for value in measured.reshape(-1).tolist())])


def edges(array, cut):
    """The array with only the first and last `edgeitems` of the dimensions that are cut."""
    n = options.edgeitems
    for dim, shorten in enumerate(cut):
        if shorten:
            front = (slice(None),) * dim
            first, last = slice(0, n), slice(array.shape[dim] - n, None)
            array = xp.concatenate([array[(*front, first)], array[(*front, last)]], dim)
    return array


def numbers(array, cut, indent, written, width):
    """The brackets with the numbers in them; `cut`: for every dimension, whether its middle is left out."""
    if array.ndim == 0:
        return written(array.item()).rjust(width)
    at = options.edgeitems
    if array.ndim == 1:
        items = [written(value).rjust(width) for value in array.tolist()]
        if cut[0]:
            items[at:at] = [" ..." if at else "..."]
        per_line = max(1, math.floor((options.linewidth - indent) / (width + 2)))
        rows, gap = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)], 1
    else:
        rows, gap = [numbers(row, cut[1:], indent + 1, written, width) for row in array], array.ndim - 1
        if cut[0]:
            rows[at:at] = ["..."]
    return "[" + ("," + "\n" * gap + " " * (indent + 1)).join(rows) + "]"


# ------------------------------------------------------------------------------------------------- the tensor


def text_of(tensor):
    """The tensor as `print` shows it."""
    name, array = type(tensor).__name__, tensor.array
    text, facts, default = f"{'tensor' if name in ('Tensor', 'Parameter') else name}(", [], NUMBERS[float]
    indent = len(text)
    if array.size == 0:
        text += "[]"
        obvious, sized = (default,), array.ndim != 1
    else:
        cut = [array.size > options.threshold and n > 2 * options.edgeitems for n in array.shape]
        shown = to_numpy(edges(array, cut))
        text += numbers(shown, cut, indent, *number_format(shown))
        obvious, sized = (default, NUMBERS[int], NUMBERS[bool]), not options.edgeitems
    if sized:
        facts.append(f"size={array.shape}")
    if array.dtype not in obvious:
        facts.append(f"dtype=minigrad.{array.dtype}")
    if tensor.grad_fn is not None:
        facts.append(f"grad_fn=<{tensor.grad_fn.name()}>")
    elif tensor.requires_grad:
        facts.append("requires_grad=True")
    column = len(text) - text.rfind("\n") + 1
    for fact in facts:
        if column + len(fact) + 2 > options.linewidth:
            text += ",\n" + " " * indent + fact
            column = indent + len(fact)
        else:
            text += ", " + fact
            column += len(fact) + 2
    return text + ")"


# ----------------------------------------------------------------------------------------- torch's node names


def name_of_slice(node):
    """The last step of an index: a number, a new dimension or a range."""
    index = node.kept[2]
    entries = [i for i in (index if isinstance(index, tuple) else (index,)) if i is not ...]
    steps = entries if entries == [slice(None)] else [i for i in entries if i != slice(None)]
    if not steps:
        return "AliasBackward0"
    return {type(None): "UnsqueezeBackward0", slice: "SliceBackward0"}.get(type(steps[-1]), "SelectBackward0")


def name_of_permutation(node):
    """`transpose` where two dimensions of more change places; `.T` of a matrix counts as a permutation."""
    moved = sum(i != d for i, d in enumerate(node.kept[2]))
    return "TransposeBackward0" if len(node.shape) > 2 and moved == 2 else "PermuteBackward0"


def whole_or_not(whole, part):
    """The name of a reduction: torch has one derivative for that to a single number, one for the others."""
    return lambda node: part if node.shape else whole


def name_of_piece(node):
    return "SplitBackward0" if len(node.shape) == len(node.parents[0].shape) else "UnbindBackward0"


titles.update(
    amax=whole_or_not("MaxBackward1", "AmaxBackward0"), amin=whole_or_not("MinBackward1", "AminBackward0"),
    batch_norm="NativeBatchNormBackward0",
    batched="BmmBackward0", cast="ToCopyBackward0",
    clamp="ClampBackward1", contiguous_copy="CloneBackward0", copied="CloneBackward0",
    cross_entropy="NllLossBackward0",
    gather="IndexBackward0", gelu_by_tanh="GeluBackward0", layer_norm="NativeLayerNormBackward0",
    linear=lambda node: "MmBackward0" if node.parents[2] is None else "AddmmBackward0",
    logsigmoid="LogSigmoidBackward0", mean=whole_or_not("MeanBackward0", "MeanBackward1"),
    norm="LinalgVectorNormBackward0", overwrite="CopyBackwards",
    permute=name_of_permutation, pick="IndexBackward0", piece=name_of_piece, pow="PowBackward1",
    power_of_number="PowBackward0", prelu="PreluKernelBackward0", put="IndexPutBackward0",
    reshape="ViewBackward0", rows="IndexBackward0", scaled_rows="EmbeddingBackward0", slice=name_of_slice,
    square="PowBackward0", sum=whole_or_not("SumBackward0", "SumBackward1"), written="CopySlices",
)  # fmt: skip
