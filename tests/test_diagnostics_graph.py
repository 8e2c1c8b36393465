"""Drawings of the autograd graph: their text, their layout, and the pictures that come of it."""

import itertools
import re
import shutil
import sys

import matplotlib.pyplot as plt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad.diagnostics import draw_graph
from minigrad.diagnostics.layered import crossings, layered, ranks_of

plt.switch_backend("agg")


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


@pytest.fixture
def without_graphviz(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


def leaf(value):
    return mg.tensor(value, requires_grad=True)


def parsed(dot):
    """Labels by node and the edges of DOT text, which must consist of nothing else."""
    labels, edges = {}, []
    first, *lines, last = dot.strip().split("\n")
    assert (first, last) == ("digraph {", "}")
    for line in lines:
        if node := re.fullmatch(r'  (n\d+) \[label="((?:[^"\\]|\\.)*)", style="?[\w,]+"?, fillcolor="#\w{6}"\]', line):
            labels[node[1]] = node[2].replace("\\n", "\n")
        elif edge := re.fullmatch(r"  (n\d+) -> (n\d+)", line):
            edges.append((labels[edge[1]], labels[edge[2]]))
        else:
            assert re.fullmatch(r"  (rankdir=(LR|TB)|(node|edge) \[.*\])", line), line
    return list(labels.values()), edges


def expression(backward=True):
    """micrograd's first example: L = (a * b + c) * f."""
    a, b, c, f = map(leaf, (2.0, -3.0, 10.0, -2.0))
    e = a * b
    d = e + c
    result = d * f
    for tensor in (e, d, result):
        tensor.retain_grad()
    if backward:
        result.backward(retain_graph=True)
    return {"a": a, "b": b, "c": c, "f": f, "e": e, "d": d, "L": result}


def test_values_and_gradients_of_an_expression():
    tensors = expression()
    labels, edges = parsed(str(draw_graph(tensors["L"], parameters=tensors)))
    expected = {"a": (2, 6), "b": (-3, -4), "c": (10, -2), "f": (-2, 4), "e": (-6, -2), "d": (4, -2), "L": (-8, 1)}
    box = {name: f"{name}\ndata {value:.4f}\ngrad {grad:.4f}" for name, (value, grad) in expected.items()}
    assert sorted(labels) == sorted([*box.values(), "×", "+", "×"])
    assert set(edges) == {
        (box["a"], "×"), (box["b"], "×"), ("×", box["e"]), (box["e"], "+"), (box["c"], "+"), ("+", box["d"]),
        (box["d"], "×"), (box["f"], "×"), ("×", box["L"]),
    }  # fmt: skip


def test_without_names_leaves_and_what_is_kept_are_known():
    tensors = expression(backward=False)
    labels, edges = parsed(draw_graph(tensors["L"]).dot)
    assert "leaf\ndata 2.0000" in labels and "leaf\ndata 10.0000" not in labels  # an addition keeps nothing
    assert ("×", "+") in edges  # nothing has kept e
    assert ("+", "data 4.0000") in edges and ("×", "output\ndata -8.0000") in edges  # the last product keeps d


def test_operations_and_leaves_are_those_of_grad_fn():
    model = nn.Sequential(nn.Linear(10, 20), nn.BatchNorm1d(20), nn.Tanh(), nn.Linear(20, 5))
    loss = F.cross_entropy(model(mg.randn(8, 10)), mg.randint(0, 5, (8,)))
    graph = draw_graph(loss, parameters=model)
    found, stack = set(), [loss.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None and node not in found:
            found.add(node)
            stack += [parent for parent, _ in node.next_functions]
    operations = [node for node in found if node.name() != "AccumulateGrad"]
    assert sum(box.kind == "operation" for box in graph.boxes) == len(operations) == 5
    leaves = {box.title: box.facts[0] for box in graph.boxes if box.kind == "leaf"}
    assert leaves == {name: "×".join(map(str, p.shape)) for name, p in model.named_parameters()}
    titles = [box.title for box in graph.boxes]
    assert titles.index("batch_norm") < titles.index("tanh") < titles.index("cross_entropy") < titles.index("output")
    assert ("linear\n8×20", "batch_norm\n8×20") in parsed(graph.dot)[1]


def test_names_come_from_modules_dicts_and_pairs():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    y = model(mg.randn(4, 3)).sum()
    texts = [draw_graph(y, parameters=names).dot for names in
             (model, dict(model.named_parameters()), model.named_parameters())]  # fmt: skip
    assert texts[0] == texts[1] == texts[2] and "1.weight" in texts[0]
    with pytest.raises(TypeError, match=r"expected parameters to be a Module, a dict or pairs.*got Parameter"):
        draw_graph(y, parameters=model.parameters())


def test_inputs_without_gradient_are_drawn_by_name_or_as_numbers():
    x, w = mg.randn(4, 3), leaf([[1.0, 2.0, 3.0]])
    y = F.linear(x, w) * 2.5
    labels, edges = parsed(draw_graph(y.sum(), parameters={"x": x, "w": w}).dot)
    assert "x\n4×3" in labels and ("x\n4×3", "linear\n4×1") in edges
    assert ("data 2.5000", "×\n4×1") in edges
    assert not any("4×3" in label for label in parsed(draw_graph(y.sum()).dot)[0])


def test_small_tensors_show_their_elements():
    w = leaf([[1.0, -2.0], [3.0, 1e-7]])
    y = (w * w).sum()
    y.backward(retain_graph=True)
    box = draw_graph(y, parameters={"w": w}).boxes[0]
    assert box.lines == ["w", "2×2", "data [[1.0000, -2.0000], [3.0000, 1.000e-07]]",
                         "grad [[2.0000, -4.0000], [6.0000, 2.000e-07]]"]  # fmt: skip
    assert draw_graph(y, parameters={"w": w}, small=3).boxes[0].lines == ["w", "2×2"]


def test_an_operand_that_stands_twice_has_one_edge():
    a = leaf(3.0)
    graph = draw_graph(a * a * a, parameters={"a": a})
    assert [box.title for box in graph.boxes] == ["a", "×", "", "×", "output"]
    assert graph.edges == [(0, 1), (1, 2), (2, 3), (0, 3), (3, 4)]


def test_what_changed_in_place_since_it_was_kept_is_not_shown():
    w = leaf([1.0, 2.0])
    h = w + 1
    y = (h * h).sum()
    assert "data [2.0000, 3.0000]" in draw_graph(y).dot
    h.detach().add_(10)
    assert "data [2.0000, 3.0000]" not in draw_graph(y).dot and "data [12.0000" not in draw_graph(y).dot


def test_a_leaf_alone_is_a_graph():
    assert parsed(draw_graph(leaf(2.0)).dot) == (["leaf\ndata 2.0000"], [])


def test_text_is_escaped():
    a = leaf(2.0)
    name = 'a "b" \\n {c|d} <e> $x_1$'
    labels, _ = parsed(draw_graph(a * 1.5, parameters={name: a}).dot)
    assert labels[0].startswith('a \\"b\\" \\')
    graph = draw_graph(a * 1.5, parameters={name: a})
    assert name in [text.get_text() for text in graph.figure().axes[0].texts]
    graph.figure().canvas.draw()  # dollars are no formulas


# -------------------------------------------------------------------------------------------------------------- errors


def test_a_freed_graph_is_an_error():
    tensors = expression(backward=False)
    tensors["L"].backward()
    with pytest.raises(RuntimeError, match="backward has freed what mul kept.*retain_graph=True"):
        draw_graph(tensors["L"])


def test_a_tensor_without_history_is_an_error():
    with pytest.raises(RuntimeError, match="does not require grad"):
        draw_graph(mg.ones(3))
    with pytest.raises(TypeError, match="expected a Tensor, got float"):
        draw_graph(3.0)
    with pytest.raises(ValueError, match="'LR' or 'TB', got 'up'"):
        draw_graph(leaf(1.0), direction="up")


def test_a_graph_that_is_too_large_is_an_error_and_a_deep_one_is_walked_without_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(3 * sys.getrecursionlimit()):
        y = y + 1.0
    with pytest.raises(ValueError, match="more than 300 nodes.*raise the limit"):
        draw_graph(y)
    graph = draw_graph(y, limit=10**6)
    assert len(graph.boxes) == 3 * sys.getrecursionlimit() + 2 and graph.direction == "TB"
    with pytest.raises(ValueError, match="too many for one figure; save the graph as .dot"):
        graph.figure()


# ------------------------------------------------------------------------------------------------------------- layout


def random_graphs():
    def build(count, pairs, sizes):
        return [sizes[i % len(sizes)] for i in range(count)], sorted({(a, b) for a, b in pairs if a < b < count})

    size = st.tuples(st.floats(5, 60), st.floats(5, 60))
    pair = st.tuples(st.integers(0, 11), st.integers(0, 11))
    return st.builds(build, st.integers(1, 12), st.lists(pair, max_size=25), st.lists(size, min_size=1, max_size=5))


@given(random_graphs())
def test_boxes_are_apart_and_edges_lead_forward_around_them(graph):
    sizes, edges = graph
    centres, routes = layered(sizes, edges, gap=20)
    rectangles = [(x - length / 2, x + length / 2, y - breadth / 2, y + breadth / 2)
                  for (x, y), (length, breadth) in zip(centres, sizes)]  # fmt: skip
    for r, s in itertools.combinations(rectangles, 2):
        assert r[1] < s[0] or s[1] < r[0] or r[3] < s[2] or s[3] < r[2]
    assert all(low > -1e-9 and bottom > -1e-9 for low, _, bottom, _ in rectangles)
    for (a, b), route in zip(edges, routes):
        assert route[0] == (pytest.approx(rectangles[a][1]), centres[a][1])
        assert route[-1] == (pytest.approx(rectangles[b][0]), centres[b][1])
        assert all(p[0] <= q[0] for p, q in itertools.pairwise(route))
        for i, rectangle in enumerate(rectangles):
            low, high, bottom, top = rectangle
            for p, q in itertools.pairwise(route):  # within a rank an edge is straight, between ranks there is no box
                if i not in (a, b) and low < q[0] and p[0] < high:
                    assert p[1] == q[1] and not bottom < p[1] < top


def test_ranks_are_longest_ways_and_inputs_stand_next_to_their_use():
    edges = [(0, 2), (2, 3), (3, 4), (1, 5), (4, 6), (5, 6)]
    assert ranks_of(7, edges) == [0, 2, 1, 2, 3, 3, 4]


def test_crossings_are_undone():
    edges = [(0, 5), (1, 4), (2, 3)]  # each crosses the two others
    after = [[5], [4], [3], [], [], []]
    assert crossings([[0, 1, 2], [3, 4, 5]], after) == 3 and crossings([[0, 1, 2], [5, 4, 3]], after) == 0
    centres, _ = layered([(10, 10)] * 6, edges, gap=10)
    order = [sorted(row, key=lambda v: centres[v][1]) for row in ([0, 1, 2], [3, 4, 5])]
    assert crossings(order, after) == 0
    assert all(centres[a][1] == pytest.approx(centres[b][1]) for a, b in edges)  # and the edges are straight


# ----------------------------------------------------------------------------------------------------------- pictures


def network():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x):
            return x + self.b(F.relu(self.a(x)))

    model = nn.Sequential(Block(), Block(), nn.Linear(8, 3))
    return model, F.cross_entropy(model(mg.randn(4, 8)), mg.tensor([0, 1, 2, 0]))


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("which", ["expression", "network"])
def test_the_figure_is_legible(which, direction):
    """Every text lies in its own box and no box touches another, as measured by the renderer."""
    tensors = expression()
    model, loss = network()
    graph = (draw_graph(tensors["L"], None, tensors, direction=direction) if which == "expression"
             else draw_graph(loss, None, model, direction=direction))  # fmt: skip
    figure = graph.figure()
    figure.canvas.draw()
    axis = figure.axes[0]
    boxes = [p.get_window_extent() for p in axis.patches if isinstance(p, FancyBboxPatch)]
    assert len(boxes) == len(graph.boxes)
    for a, b in itertools.combinations(boxes, 2):
        assert not a.overlaps(b)
    texts = iter(axis.texts)
    for box, extent in zip(graph.boxes, boxes):
        previous = None
        for line in box.lines:
            text = next(texts)
            assert text.get_text() == line and text.get_fontsize() == 9
            inner = text.get_window_extent()
            assert extent.x0 < inner.x0 and inner.x1 < extent.x1 and extent.y0 < inner.y0 + 1 and inner.y1 < extent.y1 + 1
            assert previous is None or inner.y0 < previous.y0
            previous = inner
        assert 0 < extent.x0 and extent.x1 < figure.bbox.width and 0 < extent.y0 and extent.y1 < figure.bbox.height
    arrows = [p for p in axis.patches if isinstance(p, FancyArrowPatch)]
    assert len(arrows) == len(graph.edges)
    for (_, end), arrow in zip(graph.edges, arrows):
        assert Path.CLOSEPOLY in arrow.get_path().codes  # its head, which touches the box
        head = arrow.get_path().vertices[-3]
        x, y = axis.transData.transform(head)
        assert boxes[end].x0 - 3 < x < boxes[end].x1 + 3 and boxes[end].y0 - 3 < y < boxes[end].y1 + 3
    horizontal = [(boxes[b].x0 + boxes[b].x1) - (boxes[a].x0 + boxes[a].x1) for a, b in graph.edges]
    vertical = [(boxes[a].y0 + boxes[a].y1) - (boxes[b].y0 + boxes[b].y1) for a, b in graph.edges]
    assert min(horizontal if direction == "LR" else vertical) > 0


def test_long_graphs_lead_downwards_by_default():
    assert draw_graph(expression()["L"]).direction == "LR"
    y = leaf(1.0)
    for _ in range(20):
        y = y.tanh()
    assert draw_graph(y).direction == "TB"


@pytest.mark.parametrize(("form", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_files_by_matplotlib(tmp_path, form, start, without_graphviz):
    tensors = expression()
    path = tmp_path / f"graph.{form}"
    graph = draw_graph(tensors["L"], path, tensors)
    assert path.read_bytes().startswith(start) and [p.name for p in tmp_path.iterdir()] == [path.name]
    assert plt.get_fignums() == []
    if form == "svg":
        for line in itertools.chain.from_iterable(box.lines for box in graph.boxes):
            assert f"<!-- {line} -->" in path.read_text()
        assert graph._repr_svg_().startswith("<?xml")
    if form == "png":
        height, width, _ = plt.imread(path).shape
        assert (width, height) == tuple(int(160 * n) for n in graph.figure().get_size_inches())


@pytest.mark.parametrize("form", ["dot", "gv"])
def test_files_of_text(tmp_path, form):
    graph = draw_graph(expression()["L"], tmp_path / f"graph.{form}")
    assert (tmp_path / f"graph.{form}").read_text() == graph.dot == str(graph)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ends in one of .*got '.*graph.jpeg'"):
        draw_graph(leaf(1.0), tmp_path / "graph.jpeg")
    with pytest.raises(RuntimeError, match="does not exist"):
        draw_graph(leaf(1.0), tmp_path / "nowhere" / "graph.dot")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def graphviz(tmp_path, monkeypatch):
    """A program `dot` that prints its arguments and its input, or fails if told so."""
    folder = tmp_path / "programs"
    folder.mkdir()
    program = folder / "dot"
    program.write_text('#!/bin/sh\nif [ -e "$0.fails" ]; then echo "no layout" >&2; exit 1; fi\necho "$@"; cat\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return program


def test_graphviz_draws_where_it_is_installed(tmp_path, graphviz):
    tensors = expression()
    path = tmp_path / "graph.svg"
    graph = draw_graph(tensors["L"], path, tensors)
    assert path.read_text() == f"-Tsvg -Gdpi=72\n{graph.dot}"
    assert graph.picture("png").decode() == f"-Tpng -Gdpi=160\n{graph.dot}"


def test_when_graphviz_fails_the_file_stays_as_it_was(tmp_path, graphviz):
    path = tmp_path / "graph.svg"
    path.write_text("before")
    graphviz.with_name("dot.fails").touch()
    with pytest.raises(RuntimeError, match="graphviz failed: no layout"):
        draw_graph(leaf(1.0), path)
    assert path.read_text() == "before"


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
def test_graphviz_takes_the_text(tmp_path):
    a = leaf(2.0)
    path = tmp_path / "graph.svg"
    draw_graph(a * 1.5, path, {'a "b" \\n {c|d} <e>': a})
    assert "a &quot;b&quot; \\n {c|d} &lt;e&gt;" in path.read_text()
