"""How fast NumPy can train at all: hand-written loops with every trick, which read worse than a user would accept.

Nothing is allocated in a step: every result goes to a buffer through `out=`. Parameters and gradients are views of two flat
vectors, so that an update is two calls. Sums over rows are products with a vector of ones, and gradients of embeddings
products with one-hot rows. Images are kept last in memory and go through the convolutions in chunks that fit the cache.
"""
