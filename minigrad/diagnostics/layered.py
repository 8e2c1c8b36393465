"""A drawing of a directed graph in layers, such that all edges lead forward and few of them cross.

In four steps: give every box a rank, split edges that pass a rank by empty boxes there, order each rank by where its
neighbours are, and move boxes towards their neighbours. Source: Sugiyama, Tagawa and Toda, 1981.
"""

from bisect import bisect_right, insort
from itertools import groupby, pairwise

SWEEPS = 12
SPACE = 14  # between neighbours in a rank
# how firmly boxes keep their places: inputs make way for what is computed from them, and long edges are straight
INPUT, INNER, EMPTY = 1, 6, 12


def layered(sizes, edges, gap):
    """Places for boxes: their centres, and for every edge the points that it passes.

    `sizes`: of each box, its length along the direction of the edges and its breadth across. `edges`: pairs (from, to)
    of boxes, the first earlier in the list. `gap`: between ranks. Points are (along, across), all positive.
    """
    ranks = ranks_of(len(sizes), edges)
    breadths, paths = [breadth for _, breadth in sizes], []
    for a, b in edges:  # an empty box in every rank that an edge passes
        passed = range(len(breadths), len(breadths) + ranks[b] - ranks[a] - 1)
        ranks += range(ranks[a] + 1, ranks[b])
        breadths += [0] * len(passed)
        paths.append([a, *passed, b])
    before, after = [[] for _ in breadths], [[] for _ in breadths]
    for path in paths:
        for a, b in pairwise(path):
            after[a].append(b)
            before[b].append(a)
    rows = ordered(ranks, before, after)
    weights = [EMPTY if v >= len(sizes) else INNER if before[v] else INPUT for v in range(len(breadths))]
    across = spread(rows, breadths, weights, before, after)
    lengths = [max((sizes[v][0] for v in row if v < len(sizes)), default=0) for row in rows]
    middles, end = [], 0
    for length in lengths:
        middles.append(end + length / 2)
        end += length + gap
    centres = [(middles[ranks[v]], across[v]) for v in range(len(sizes))]
    routes = []
    for path in paths:
        points = [(middles[ranks[v]] + side * lengths[ranks[v]] / 2, across[v]) for v in path for side in (-1, 1)]
        a, b = path[0], path[-1]  # straight through whole ranks, and from and to the boxes, which may be shorter than theirs
        points[0] = centres[a][0] + sizes[a][0] / 2, across[a]
        points[-1] = centres[b][0] - sizes[b][0] / 2, across[b]
        routes.append([p for p, _ in groupby(points)])  # a point that stands twice would have no direction
    return centres, routes


def ranks_of(count, edges):
    """The length of the longest way to each box; a box that can stand later, nearer to where it leads, does."""
    ranks, arriving, following = [0] * count, [0] * count, [[] for _ in range(count)]
    for a, b in sorted(edges):
        ranks[b] = max(ranks[b], ranks[a] + 1)
        arriving[b] += 1
        following[a].append(b)
    for v in reversed(range(count)):
        if following[v] and arriving[v] <= len(following[v]):
            ranks[v] = min(ranks[b] for b in following[v]) - 1
    return ranks


def ordered(ranks, before, after):
    """The boxes of every rank, in the order with the fewest crossings that sweeping forth and back came by."""
    rows = [[] for _ in range(max(ranks) + 1)]
    for v, rank in enumerate(ranks):
        rows[rank].append(v)
    best, fewest = rows, crossings(rows, after)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        rows = [row[:] for row in rows]
        forward = sweep % 2 == 0
        neighbours = before if forward else after
        for previous, row in pairwise(rows if forward else rows[::-1]):
            place = {v: i for i, v in enumerate(previous)}
            means = {v: mean([place[n] for n in neighbours[v]], i) for i, v in enumerate(row)}
            row.sort(key=means.get)
        count = crossings(rows, after)
        if count < fewest:
            best, fewest = rows, count
    return best


def mean(values, otherwise):
    return sum(values) / len(values) if values else otherwise


def crossings(rows, after):
    """How many pairs of edges between neighbouring ranks cross."""
    count = 0
    for row, following in pairwise(rows):
        place = {v: i for i, v in enumerate(following)}
        ends = []
        for v in row:
            targets = sorted(place[b] for b in after[v])
            count += sum(len(ends) - bisect_right(ends, target) for target in targets)
            for target in targets:
                insort(ends, target)
    return count


def spread(rows, breadths, weights, before, after):
    """A coordinate across for every box, near the mean of its neighbours', boxes of a rank well apart."""
    across = [0.0] * len(breadths)
    for row in rows:
        settle(row, dict.fromkeys(row, 0.0), breadths, weights, across)
    for sweep in range(2 * SWEEPS):
        forward = sweep % 2 == 0
        neighbours = before if forward else after
        for row in rows if forward else reversed(rows):
            wanted = {}
            for v in row:
                around = [(weights[n], across[n]) for n in neighbours[v]] or [(1, across[v])]
                wanted[v] = sum(weight * x for weight, x in around) / sum(weight for weight, _ in around)
            settle(row, wanted, breadths, weights, across)
    low = min(x - breadth / 2 for x, breadth in zip(across, breadths))
    return [x - low for x in across]


def settle(row, wanted, breadths, weights, across):
    """Give the boxes of a rank the places nearest to the wanted ones that keep them in order and apart.

    This is least squares under x[i + 1] >= x[i] + distance: neighbours that collide move as one block, to the weighted
    mean of what they want (the pool-adjacent-violators algorithm).
    """
    offset, blocks = 0.0, []  # of a block: [weight, weighted sum of wanted places less offsets, boxes and their offsets]
    for previous, v in zip([None, *row], row):
        if previous is not None:
            offset += (breadths[previous] + breadths[v]) / 2 + SPACE
        block = [weights[v], weights[v] * (wanted[v] - offset), [(v, offset)]]
        while blocks and blocks[-1][1] / blocks[-1][0] > block[1] / block[0]:
            earlier = blocks.pop()
            block = [earlier[0] + block[0], earlier[1] + block[1], earlier[2] + block[2]]
        blocks.append(block)
    for weight, total, boxes in blocks:
        for v, shift in boxes:
            across[v] = total / weight + shift
