"""Special functions, as torch.special has them: the error function and its complement."""

import math

from ..backend import select, xp
from ..kernels import fused
from .elementwise import exp
from .operands import float32, float64, unary

# float32: x * p(x^2) / q(x^2) fitted over |x| < 4 (largest error of the formula: 3e-8)
SINGLE = (
    (1.9791432e-06, 2.8457414e-04, 3.8990576e-03, 5.3149384e-02, 1.9395790e-01, 1.1283791),
    (3.7341310e-05, 1.1887308e-03, 1.5239109e-02, 1.1551429e-01, 5.0522320e-01, 1.0),
)
# float64: Cody, "Rational Chebyshev approximations for the error function", 1969: below 0.46875, below 4, beyond
NEAR = (
    (0.185777706184603153, 3.16112374387056560, 113.864154151050156, 377.485237685302021, 3209.37758913846947),
    (1.0, 23.6012909523441209, 244.024637934444173, 1282.61652607737228, 2844.23683343917062),
)
MIDDLE = (
    (2.15311535474403846e-8, 0.564188496988670089, 8.88314979438837594, 66.1191906371416295, 298.635138197400131,
     881.952221241769090, 1712.04761263407058, 2051.07837782607147, 1230.33935479799725),
    (1.0, 15.7449261107098347, 117.693950891312499, 537.181101862009858, 1621.38957456669019, 3290.79923573345963,
     4362.61909014324716, 3439.36767414372164, 1230.33935480374942),
)  # fmt: skip
FAR = (
    (1.63153871373020978e-2, 0.305326634961232344, 0.360344899949804439, 0.125781726111229246, 1.60837851487422766e-2,
     6.58749161529837803e-4),
    (1.0, 2.56852019228982242, 1.87295284992346047, 0.527905102951428412, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip


def polynomial(x, coefficients):
    first, *rest, last = coefficients
    y = x * first
    for coefficient in rest:
        y += coefficient
        y *= x
    y += last
    return y


def quotient(x, coefficients):
    p, q = coefficients
    y = polynomial(x, p)
    y /= polynomial(x, q)
    return y


def erfc_tail(x):
    """erfc(x) for x from 0.46875 to 30."""
    far = xp.maximum(x, 4.0)
    inverse = 1 / (far * far)
    far = (1 / math.sqrt(math.pi) - inverse * quotient(inverse, FAR)) / far
    coarse = xp.trunc(x * 16) / 16  # its square is exact, which the square of x is not
    e = xp.exp(-coarse * coarse) * xp.exp((coarse - x) * (coarse + x))
    return e * select(x < 4, quotient(x, MIDDLE), far)


@unary(floating=True)
@fused("T x", "T y", "y = erf(x)")
def erf(x):
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x; accurate to 5 ulp."""
    if x.dtype != float64:
        single = xp.clip(x.astype(float32), -4.0, 4.0)
        return xp.clip(single * quotient(single * single, SINGLE), -1.0, 1.0).astype(x.dtype)
    x = xp.clip(x, -30.0, 30.0)
    near, size = x * quotient(x * x, NEAR), xp.abs(x)
    return select(size < 0.46875, near, xp.copysign(1 - erfc_tail(size), x))


@unary(floating=True)
@fused("T x", "T y", "y = erfc(x)")
def erfc(x):
    """1 - erf(x), without the loss of digits for large x."""
    dtype, x = x.dtype, xp.clip(x.astype(float64), -30.0, 30.0)
    tail = erfc_tail(xp.abs(x))
    far = select(x < 0, 2 - tail, tail)
    return select(xp.abs(x) < 0.46875, 1 - x * quotient(x * x, NEAR), far).astype(dtype)


SLOPE = 2 / math.sqrt(math.pi)  # at 0


@erf.vjp
@fused("T g, T x", "T y", f"y = g * exp(-x * x) * (T){SLOPE}")
def erf_vjp(g, x):
    return g * exp(-x * x) * SLOPE


@erfc.vjp
@fused("T g, T x", "T y", f"y = g * exp(-x * x) * (T){-SLOPE}")
def erfc_vjp(g, x):
    return g * exp(-x * x) * -SLOPE
