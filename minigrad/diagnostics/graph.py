"""Drawings of the autograd graph: what was computed from what, with values and gradients where they are small."""

import io
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve

from ..autograd import Variable, Version
from ..backend import to_numpy
from ..nn.module import Module
from ..serialization import destination, write_atomically
from .layered import layered, ranks_of

__all__ = ["draw_graph"]

SYMBOLS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "neg": "−", "mm": "@", "batched": "@",
           "pow": "**", "power_of_number": "**"}  # fmt: skip
FILLS = {"leaf": "#D6E8F5", "operation": "#F2F2F2", "value": "#FFFFFF", "output": "#D5EFE5", "constant": "#FBF0D9"}
EDGE = "#444444"
FAMILY, FONT = "DejaVu Sans Mono", 9  # points
ADVANCE, LINE = 0.602 * FONT, 1.35 * FONT  # of a character of DejaVu Sans Mono, and from line to line
FORMATS = (".png", ".svg", ".pdf")
TEXTS = (".dot", ".gv")
LARGEST = 600 * 72  # points along or across, which at the resolution chosen for it stays within what Agg can draw


@dataclass
class Box:
    """What the graph consists of; `kind` is one of FILLS, `title` a name or an operation, `facts` lines below it."""

    kind: str
    title: str
    facts: list

    @property
    def lines(self):
        return [self.title] * bool(self.title) + self.facts

    @property
    def size(self):
        """Width and height, in points."""
        width, height = max(map(len, self.lines), default=0) * ADVANCE + 14, len(self.lines) * LINE + 8
        return max(width, height), height


class Graph:
    """A drawing of an autograd graph: `dot` is its DOT text, `figure()` a matplotlib figure, `save(path)` a file.

    In a notebook it shows itself. `boxes` and `edges` (pairs of their indices) are what is drawn, inputs first.
    """

    def __init__(self, boxes, edges, direction):
        self.boxes, self.edges, self.direction = boxes, edges, direction

    @property
    def dot(self):
        """The graph in the language of graphviz."""
        lines = [
            "digraph {",
            f"  rankdir={self.direction}",
            f'  node [fontname="{FAMILY}", fontsize={FONT}, shape=box, color="{EDGE}", height=0.3, width=0.3]',
            f'  edge [color="{EDGE}", arrowsize=0.6]',
        ]
        for i, box in enumerate(self.boxes):
            label = "\\n".join(map(escaped, box.lines))
            style = '"rounded,filled"' if box.kind == "operation" else "filled"
            lines.append(f'  n{i} [label="{label}", style={style}, fillcolor="{FILLS[box.kind]}"]')
        lines += [f"  n{a} -> n{b}" for a, b in self.edges]
        return "\n".join([*lines, "}"]) + "\n"

    def __str__(self):
        return self.dot

    def save(self, path):
        """Write DOT text (.dot, .gv) or a picture (.png, .svg, .pdf), whole or not at all.

        Pictures are drawn by graphviz where its program `dot` is installed, else by matplotlib.
        """
        path = Path(path)
        form = path.suffix.lower()
        if form not in TEXTS + FORMATS:
            raise ValueError(f"draw_graph: expected a path that ends in one of {TEXTS + FORMATS}, got {os.fspath(path)!r}")
        write_atomically(destination(path, "draw_graph"), self.dot.encode() if form in TEXTS else self.picture(form[1:]))

    def picture(self, form):
        """The bytes of a picture in a format such as "png"."""
        program = shutil.which("dot")
        if program is None:
            figure, file = self.figure(), io.BytesIO()
            try:
                figure.savefig(file, format=form, dpi=min(160, 30000 / max(figure.get_size_inches())))
            finally:
                plt.close(figure)
            return file.getvalue()
        try:
            done = subprocess.run([program, f"-T{form}", "-Gdpi=160" if form == "png" else "-Gdpi=72"],
                                  input=self.dot.encode(), capture_output=True, timeout=120)  # fmt: skip
        except subprocess.TimeoutExpired:
            raise RuntimeError("draw_graph: graphviz took more than 2 minutes; save the graph as .dot instead") from None
        if done.returncode:
            raise RuntimeError(f"draw_graph: graphviz failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def _repr_svg_(self):
        return self.picture("svg").decode()

    def figure(self):
        """The graph as a matplotlib Figure of the size that it needs, at 9 points a letter."""
        across_first = self.direction == "TB"

        def turned(pair):
            return (pair[1], pair[0]) if across_first else pair

        sizes = [turned(box.size) for box in self.boxes]
        centres, routes = layered(sizes, self.edges, gap=26)
        width, height = turned((
            max(x + length / 2 for (x, _), (length, _) in zip(centres, sizes)),
            max(y + breadth / 2 for (_, y), (_, breadth) in zip(centres, sizes)),
        ))  # fmt: skip
        if max(width, height) > LARGEST:
            raise ValueError(f"draw_graph: {len(self.boxes)} boxes are too many for one figure; save the graph as .dot")
        figure = plt.figure(figsize=((width + 24) / 72, (height + 24) / 72), facecolor="white", layout="none")
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set(xlim=(-12, width + 12), ylim=(height + 12, -12))
        axis.axis("off")
        for route in routes:
            axis.add_patch(FancyArrowPatch(path=curve(list(map(turned, route)), across_first), arrowstyle="-|>",
                                           mutation_scale=8, color=EDGE, linewidth=0.9, zorder=1))  # fmt: skip
        for box, centre in zip(self.boxes, centres):
            draw_box(axis, box, turned(centre))
        return figure


def draw_box(axis, box, centre):
    """A box around its lines of text, round for an operation; the title of others is bold."""
    (x, y), (width, height), operation = centre, box.size, box.kind == "operation"
    style = f"round,pad=0,rounding_size={height / 2 if operation else 3}"
    axis.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, boxstyle=style, facecolor=FILLS[box.kind],
                                  edgecolor=EDGE, linewidth=0.9, zorder=2))  # fmt: skip
    for i, line in enumerate(box.lines):
        bold = i == 0 and box.title and not operation
        axis.text(x, y + (i - (len(box.lines) - 1) / 2) * LINE, line, ha="center", va="center_baseline", fontsize=FONT,
                  family=FAMILY, color="black", weight="bold" if bold else "normal", parse_math=False,
                  zorder=3)  # fmt: skip


def curve(points, downward):
    """A smooth way through the points, which leaves and arrives in the direction of the graph."""
    codes, vertices = [Curve.MOVETO], [points[0]]
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        vertices += [(x0, y), (x1, y), (x1, y1)] if downward else [(x, y0), (x, y1), (x1, y1)]
        codes += [Curve.CURVE4] * 3
    return Curve(vertices, codes)


def escaped(text):
    """Text as it may stand between the quotes of a DOT label."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


# ----------------------------------------------------------------------------------------------- from nodes to boxes


def draw_graph(tensor, path=None, parameters=(), *, small=4, limit=300, direction=None):
    """The graph of operations that made `tensor`, as a Graph; written to `path` (.dot, .svg, .png, .pdf) where given.

    `parameters`: names of tensors: a Module, a dict {name: tensor}, or pairs as of `named_parameters`. Intermediate
    results may be among them, and inputs that need no gradient, which are drawn where an operation keeps the very tensor
    that has a name, or a single number. Tensors of up to `small` elements are drawn with their values and gradients as
    far as these are known: of named tensors, of leaves, of what operations keep for backward, of results after
    `retain_grad`. `direction`: "LR" or "TB" (downwards); by default the latter for long graphs. `limit`: of nodes, which
    are operations and leaves.

    RuntimeError for a tensor without history, or one whose graph was freed by a backward (draw it before, or call that
    with `retain_graph=True`); ValueError for a graph of more nodes than the limit.
    """
    if not isinstance(tensor, Variable):
        raise TypeError(f"draw_graph: expected a Tensor, got {type(tensor).__name__}")
    if direction not in (None, "LR", "TB"):
        raise ValueError(f"draw_graph: expected direction to be 'LR' or 'TB', got {direction!r}")
    pairs = named(parameters)
    boxes, edges = boxes_of(tensor, nodes_of(tensor, limit), pairs, small)
    depth = 1 + max(ranks_of(len(boxes), edges))
    graph = Graph(boxes, edges, direction or ("LR" if depth <= 14 else "TB"))
    if path is not None:
        graph.save(path)
    return graph


def named(parameters):
    """(name, tensor) pairs out of whatever names tensors."""
    if isinstance(parameters, Module):
        parameters = parameters.named_parameters()
    pairs = list(parameters.items() if isinstance(parameters, Mapping) else parameters)
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[1], Variable):
            raise TypeError(f"draw_graph: expected parameters to be a Module, a dict or pairs (name, Tensor), got {pair!r}")
    return pairs


def nodes_of(tensor, limit):
    """The nodes that the tensor came from, the oldest first."""
    root = tensor.current_node()
    if root is None:
        raise RuntimeError("draw_graph: the tensor does not require grad: nothing was recorded of how it was made")
    found, stack = {root}, [root]
    while stack:
        node = stack.pop()
        if node.kept is None:
            raise RuntimeError(
                f"draw_graph: backward has freed what {node.rule.name} kept; draw the graph before, or call backward with "
                "retain_graph=True"
            )
        for parent in node.parents:
            if parent is not None and parent not in found:
                found.add(parent)
                stack.append(parent)
        if len(found) > limit:
            raise ValueError(
                f"draw_graph: the graph has more than {limit} nodes, too many to read; draw a smaller model or part, or "
                "raise the limit"
            )
    return sorted(found, key=lambda node: node.number)


def values_of(tensor, nodes, pairs):
    """The arrays that are known to be the outputs of nodes."""
    values = {}
    for node in nodes:
        for source, array, version in zip((node, *node.parents), node.kept, node.versions):
            if source is not None and isinstance(version, Version) and version.changed <= node.number:
                values[source] = array
    return values | {x.current_node(): x.array for _, x in [*pairs, ("", tensor)]}


def boxes_of(tensor, nodes, pairs, small):
    """Boxes, inputs before what is made of them, and the edges between them."""
    names = {x.current_node(): name for name, x in reversed(pairs)}
    constants = {id(x.array): name for name, x in pairs if x.current_node() is None}
    values, root = values_of(tensor, nodes, pairs), tensor.current_node()
    boxes, edges, outlets = [], {}, {}

    def add(kind, title, facts, sources=()):
        boxes.append(Box(kind, title, facts))
        edges.update(((source, len(boxes) - 1), None) for source in sources)  # x * x has one edge
        return len(boxes) - 1

    def constant(array):
        """The box of an input that needs no gradient, None where it is not to be drawn."""
        name = constants.get(id(array))
        if name is not None and name not in outlets:
            outlets[name] = add("constant", name, facts(array.shape, array, None, small))
        if name is None and getattr(array, "shape", None) == () and array.dtype.kind == "f":
            return add("constant", "", facts((), array, None, small))
        return outlets.get(name)

    for node in nodes:
        value, grad, name = values.get(node), None if node.grad is None else node.grad.array, names.get(node, "")
        text = facts(node.shape, value, grad, small)
        if node.rule is None:
            outlets[node] = add("leaf", name or "leaf", text)
            continue
        arrays = node.kept[1:] or (None,) * len(node.parents)
        inputs = [constant(array) if parent is None else outlets[parent] for parent, array in zip(node.parents, arrays)]
        inputs = [box for box in inputs if box is not None]
        apart = node is root or name or grad is not None or value is not None and value.size <= small
        shape = [shape_text(node.shape)] if node.shape and not apart else []
        outlets[node] = add("operation", SYMBOLS.get(node.rule.name, node.rule.name), shape, inputs)
        if apart:
            kind, name = ("output", name or "output") if node is root else ("value", name)
            outlets[node] = add(kind, name, text, [outlets[node]])
    return boxes, list(edges)


def facts(shape, value, grad, small):
    """What a box says of a tensor below its name: the shape unless it is a number, small values and gradients."""
    lines = [shape_text(shape)] if shape else []
    for what, array in (("data", value), ("grad", grad)):
        if array is not None and array.size <= small:
            lines.append(f"{what} {numbers(to_numpy(array).tolist())}")
    return lines


def shape_text(shape):
    return "×".join(map(str, shape))


def numbers(value):
    """A number, or nested lists of them, with four digits after the point."""
    if isinstance(value, list):
        return f"[{', '.join(map(numbers, value))}]"
    if isinstance(value, float):
        return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.3e}"
    return str(value)
