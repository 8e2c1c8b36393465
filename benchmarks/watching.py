"""What `diagnostics.watch` costs: `python -m benchmarks.watching` trains lesson 11's network with and without it.

Prints the median ratio of processor times over interleaved runs; the aim is at most 1.1 at the default sampling.
"""

import statistics
import time

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.diagnostics import watch

STEPS, ROUNDS = 400, 11


def network():
    """Six layers of batch norm over three letters, as in lesson 11."""
    layers = [nn.Embedding(27, 10), nn.Flatten()]
    for size in (30, 100, 100, 100, 100):
        layers += [nn.Linear(size, 100, bias=False), nn.BatchNorm1d(100), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(100, 27, bias=False), nn.BatchNorm1d(27))


def seconds(model, optimizer, x, y, record=None):
    """Processor time of some training steps, each of which tells the record of its loss."""
    start = time.process_time()
    for _ in range(STEPS):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if record is not None:
            record.step(loss)
    return time.process_time() - start


def main():
    model = network()
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1)
    x, y = mg.randint(0, 27, (32, 3)), mg.randint(0, 27, (32,))
    record, ratios = watch(model, optimizer), []
    for _ in range(ROUNDS):
        plain = seconds(model, optimizer, x, y)
        with record:
            ratios.append(seconds(model, optimizer, x, y, record) / plain)
    print(f"watched / plain: {statistics.median(ratios):.3f} (median of {ROUNDS} rounds of {STEPS} steps)")


if __name__ == "__main__":
    main()
