"""Linear algebra under the names of `torch.linalg`."""

from .guard import guard
from .ops.linalg import linalg_norm as norm
from .ops.linalg import matmul, matrix_norm, vector_norm

__all__ = ["matmul", "matrix_norm", "norm", "vector_norm"]
guard(globals(), "minigrad.ops")
