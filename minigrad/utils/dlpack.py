"""Exchange of tensors between libraries without a copy, by the DLPack protocol."""

from ..autograd import wrap
from ..backend import canonical, xp
from ..creation import dtype_of


class Handed:
    """A capsule, which lies where this process computes, as libraries take it: from an object that they ask for it."""

    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack__(self, **options):
        return self.capsule

    def __dlpack_device__(self):
        return xp.empty(0).__dlpack_device__()


def from_dlpack(ext_tensor):
    """A tensor on the memory of another library's array or tensor: of NumPy, CuPy, PyTorch, JAX, ...

    It must lie where this process computes, have a dtype that minigrad has, and require no grad; or be a capsule with such
    a tensor, which nobody has taken yet.
    """
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = Handed(ext_tensor)
    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(f"from_dlpack: expected an array or tensor with __dlpack__, got {type(ext_tensor).__name__}")
    array = xp.from_dlpack(ext_tensor)
    dtype_of(array.dtype, "from_dlpack")
    return wrap(canonical(array))


def to_dlpack(tensor):
    """The memory of a tensor as a DLPack capsule, which one `from_dlpack` may take."""
    return tensor.__dlpack__()
