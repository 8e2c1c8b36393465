"""How many threads the matrix products of NumPy's BLAS run on; all else runs on one."""


def blas():
    """The BLAS libraries of this process, a controller from threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError as error:
        raise ImportError("set_num_threads and get_num_threads need the package threadpoolctl") from error
    return ThreadpoolController().select(user_api="blas")


def get_num_threads():
    """How many threads a matrix product may use; 1 with a BLAS that has none to set."""
    return max((library["num_threads"] for library in blas().info()), default=1)


def set_num_threads(n):
    """Let matrix products use `n` threads; 1 is often fastest for small ones.

    RuntimeError where `n` is no positive integer or NumPy's BLAS has no threads to set.
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise RuntimeError(f"set_num_threads: expected a positive integer, got {n!r}")
    libraries = blas()
    if not libraries.info() and n != 1:
        raise RuntimeError(f"set_num_threads: NumPy's BLAS has no threads to set, got {n}")
    libraries.limit(limits=n)
