"""What the library says to wrong arguments: torch's result, or one error that names the operation and what it got.

A line of ERRORS is an expression, the error that it raises and how that error's message goes on. The same lines run on
PyTorch where it is installed: it raises the same type of error, but for lines that end in "| torch:" and what it does
instead. The names that they use are made anew for each by `names`. VALUES are expressions on the edge that have a result.
"""

import contextlib
import copy
import importlib
import io
import math
import warnings

import numpy as np
import pytest

from minigrad.backend import on_gpu

ERRORS = {
    "creation": r"""
torch.tensor([[1], [1, 2]]) -> ValueError: tensor(): expected sequences of equal length at every
torch.tensor("abc") -> TypeError: tensor(): expected numbers, could not infer the dtype of str
torch.tensor(None) -> RuntimeError: tensor(): expected numbers, could not infer the dtype of
torch.tensor([1, None]) -> RuntimeError: tensor(): expected numbers, could not infer the dtype of
torch.tensor([1, "a"]) -> TypeError: tensor(): expected numbers, could not infer the dtype of str
torch.tensor({1: 2}) -> RuntimeError: tensor(): expected numbers, could not infer the dtype of
torch.tensor(object()) -> RuntimeError: tensor(): expected numbers, could not infer the dtype of
torch.tensor([2 ** 63]) -> ValueError: tensor(): an integer of [9223372036854775808] does not fit
torch.tensor([1], dtype="float32x") -> TypeError: tensor(): expected a dtype, such as float32, got 'float32x'
torch.tensor([1], dtype=int(3)) -> TypeError: tensor(): expected a dtype, such as float32, got 3
torch.tensor([300], dtype=torch.uint8) -> RuntimeError: tensor: value 300 cannot be converted to uint8 without
torch.tensor([nan], dtype=torch.int64) -> RuntimeError: tensor: value nan cannot be converted to int64 without
torch.tensor([inf], dtype=torch.int32) -> RuntimeError: tensor: value inf cannot be converted to int32 without
torch.tensor([1], requires_grad=True) -> RuntimeError: only Tensors of floating point dtype can require gradients,
torch.tensor([1.0], device="mars") -> RuntimeError: device: expected cpu or cuda at the start of its name, got
torch.tensor(np.array(["a"])) -> TypeError: tensor(): dtype <U1 is not supported; expected one of
torch.tensor(np.datetime64("2020-01-01")) -> TypeError: tensor(): dtype datetime64[D] is not supported; expected
torch.tensor([x, x]) -> ValueError: only one element tensors can be converted to Python
torch.as_tensor("abc") -> TypeError: tensor(): expected numbers, could not infer the dtype of str
torch.as_tensor([[1], [1, 2]]) -> ValueError: tensor(): expected sequences of equal length at every
torch.from_numpy([1, 2]) -> TypeError: from_numpy(): expected np.ndarray, got list
torch.from_numpy(np.array(["a"])) -> TypeError: from_numpy(): dtype <U1 is not supported; expected one of
torch.from_numpy(np.float32(1)) -> TypeError: from_numpy(): expected np.ndarray, got float32
torch.zeros() -> TypeError: zeros() missing the size: zeros(2, 3) or zeros((2, 3))
torch.zeros(-1) -> RuntimeError: zeros: Trying to create tensor with negative dimension in
torch.zeros(2, -3) -> RuntimeError: zeros: Trying to create tensor with negative dimension in
torch.zeros(2.5) -> TypeError: zeros(): expected the size as a tuple of ints, got (2.5,)
torch.zeros("2") -> TypeError: zeros(): expected the size as a tuple of ints, got ('2',)
torch.zeros(None) -> TypeError: zeros(): expected the size as a tuple of ints, got (None,)
torch.zeros((2, "a")) -> TypeError: zeros(): expected the size as a tuple of ints, got (2, 'a')
torch.zeros(10 ** 30) -> RuntimeError: zeros: Storage size calculation overflowed with | torch: TypeError
torch.zeros(2 ** 40, 2 ** 40) -> RuntimeError: zeros: Storage size calculation overflowed with
torch.zeros(2, dtype="foo") -> TypeError: zeros(): expected a dtype, such as float32, got 'foo'
torch.zeros(2, dtype=3) -> TypeError: zeros(): expected a dtype, such as float32, got 3
torch.zeros(2, dtype=torch.int64, requires_grad=True) -> RuntimeError: only Tensors of floating point dtype can require
torch.ones(2, dtype=str) -> TypeError: ones(): dtype <U0 is not supported; expected one of
torch.empty(-2) -> RuntimeError: empty: Trying to create tensor with negative dimension in
torch.empty(nan) -> TypeError: empty(): expected the size as a tuple of ints, got (nan,)
torch.full(3, 1.0) -> TypeError: full(): expected the size as a tuple of ints, got 3
torch.full((2,), "a") -> TypeError: full(): expected a number, got str
torch.full((2,), None) -> TypeError: full(): expected a number, got NoneType
torch.full((-2,), 1.0) -> RuntimeError: full: Trying to create tensor with negative dimension in
torch.full((2,), inf, dtype=torch.int64) -> RuntimeError: full: value inf cannot be converted to int64 without
torch.full((2,), nan, dtype=torch.int64) -> RuntimeError: full: value nan cannot be converted to int64 without
torch.full((2,), 300, dtype=torch.uint8) -> RuntimeError: full: value 300 cannot be converted to uint8 without
torch.full((2,), 2 ** 70) -> RuntimeError: full: value 1180591620717411303424 cannot be converted to | torch: OverflowError
torch.zeros_like([1]) -> TypeError: zeros_like(): expected a Tensor, got list
torch.ones_like(None) -> TypeError: ones_like(): expected a Tensor, got NoneType
torch.full_like([1.0], 2) -> TypeError: full_like(): expected a Tensor, got list
torch.full_like(x, "a") -> TypeError: full(): expected a number, got str
torch.empty_like(3) -> TypeError: empty_like(): expected a Tensor, got int
torch.rand_like([1]) -> TypeError: rand_like(): expected a Tensor, got list
torch.randint_like([1], 3) -> TypeError: randint_like(): expected a Tensor, got list
torch.arange(3, 0) -> RuntimeError: arange: upper bound and lower bound inconsistent with step
torch.arange(0, 3, 0) -> RuntimeError: arange: step must be nonzero
torch.arange(0, 3, -1) -> RuntimeError: arange: upper bound and lower bound inconsistent with step
torch.arange(nan) -> RuntimeError: arange: unsupported range: 0 -> nan in steps of 1
torch.arange(inf) -> RuntimeError: arange: unsupported range: 0 -> inf in steps of 1
torch.arange(0, 1, nan) -> RuntimeError: arange: unsupported range: 0 -> 1 in steps of nan
torch.arange("3") -> TypeError: arange(): expected a number, got str
torch.arange(None) -> TypeError: arange(): expected a number, got NoneType
torch.arange(2 ** 65) -> RuntimeError: arange: invalid size, possible overflow? got 0, | torch: OverflowError
torch.arange(0, 1, 1e-300) -> RuntimeError: arange: invalid size, possible overflow? got 0, 1, 1e-300
torch.linspace(0, 1, -1) -> RuntimeError: linspace: number of steps must be non-negative, got -1
torch.linspace(0, 1, 2.5) -> TypeError: linspace(): expected an int, got 2.5
torch.linspace("a", 1, 3) -> TypeError: linspace(): expected a number, got str
torch.logspace(0, 1, -1) -> RuntimeError: logspace: number of steps must be non-negative, got -1
torch.logspace(0, 1, 3, base="e") -> TypeError: logspace(): expected a number, got str
torch.eye(-1) -> RuntimeError: eye: Trying to create tensor with negative dimension in
torch.eye(2.5) -> TypeError: eye(): expected the size as a tuple of ints, got (2.5, 2.5)
torch.eye("a") -> TypeError: eye(): expected the size as a tuple of ints, got ('a', 'a')
torch.eye(2, -1) -> RuntimeError: eye: Trying to create tensor with negative dimension in
torch.randn(-1) -> RuntimeError: randn: Trying to create tensor with negative dimension in
torch.randn("a") -> TypeError: randn(): expected the size as a tuple of ints, got ('a',)
torch.randn(2, dtype=torch.int64) -> TypeError: normal_: expected dtype float32 or float64, | torch: NotImplementedError
torch.rand(2, dtype=torch.int64) -> TypeError: rand: expected dtype float32 or float64, but | torch: NotImplementedError
torch.rand(2, generator=3) -> TypeError: rand: expected a Generator, got int
torch.randint(0, (2,)) -> RuntimeError: random_ expects 'from' to be less than 'to', got 0 >= 0
torch.randint(3, 3, (2,)) -> RuntimeError: random_ expects 'from' to be less than 'to', got 3 >= 3
torch.randint(5, 2, (2,)) -> RuntimeError: random_ expects 'from' to be less than 'to', got 5 >= 2
torch.randint(0, 10, 2) -> TypeError: randint(): expected size to be a tuple of ints, got 2
torch.randint(0, 2.5, (2,)) -> TypeError: randint(): expected an int, got 2.5
torch.randint(0, 10, (2,), dtype=torch.uint8, generator="a") -> TypeError: randint: expected a Generator, got str
torch.randint(0, 1000, (2,), dtype=torch.uint8) -> RuntimeError: random_: from=0, to=1000 is out of bounds for uint8
torch.randint(0, 2 ** 70, (2,)) -> RuntimeError: random_: from=0, to=1180591620717411303424 is out of | torch: ValueError
torch.randperm(-1) -> RuntimeError: randperm: n must be from 0 to 214748363 for int64, but got
torch.randperm(2.5) -> TypeError: randperm(): expected an int, got 2.5
torch.randperm("a") -> TypeError: randperm(): expected an int, got 'a'
torch.randperm(300, dtype=torch.uint8) -> RuntimeError: randperm: n must be from 0 to 256 for uint8, but got 300
torch.normal(0.0, -1.0, (2,)) -> RuntimeError: normal expects std >= 0.0, but found std -1
torch.normal(torch.zeros(2), torch.ones(3)) -> RuntimeError: normal: The size of tensor a (2) must match the size of
torch.normal(torch.zeros(2), -1.0) -> RuntimeError: normal expects all elements of std >= 0.0
torch.normal(i, i) -> NotImplementedError: normal: not defined for int64
torch.normal(0.0, 1.0) -> TypeError: normal(): expected a size where mean and std are numbers
torch.normal("a", 1.0, (2,)) -> TypeError: normal(): expected a number, got str
torch.bernoulli(torch.tensor([2.0])) -> RuntimeError: bernoulli expects p to be in [0, 1], but got 2.0 to 2.0
torch.bernoulli(torch.tensor([-0.5])) -> RuntimeError: bernoulli expects p to be in [0, 1], but got -0.5 to -0.5
torch.bernoulli(torch.tensor([nan])) -> RuntimeError: bernoulli expects p to be in [0, 1], but got nan to nan
torch.bernoulli(0.5) -> TypeError: bernoulli(): expected a Tensor, got float
torch.bernoulli(i) -> RuntimeError: bernoulli expects p to be in [0, 1], but got 1 to 3
torch.bernoulli(x, 2.0) -> RuntimeError: bernoulli_ expects p to be in [0, 1], but got p=2
torch.multinomial(torch.tensor([0.5, -0.5]), 1) -> RuntimeError: multinomial: probability tensor contains either `inf`,
torch.multinomial(torch.tensor([0.5, nan]), 1) -> RuntimeError: multinomial: probability tensor contains either `inf`,
torch.multinomial(torch.tensor([0.5, inf]), 1) -> RuntimeError: multinomial: probability tensor contains either `inf`,
torch.multinomial(torch.tensor([0.0, 0.0]), 1) -> RuntimeError: invalid multinomial distribution (sum of probabilities <=
torch.multinomial(torch.tensor([1.0, 1.0]), 3) -> RuntimeError: multinomial: cannot sample n_sample > prob_dist.size(-1)
torch.multinomial(torch.tensor([1.0, 1.0]), 0) -> RuntimeError: multinomial: cannot sample n_sample <= 0 samples, got 0
torch.multinomial(torch.tensor([1.0, 1.0]), -1) -> RuntimeError: multinomial: cannot sample n_sample <= 0 samples, got -1
torch.multinomial(torch.tensor([1.0, 1.0]), 1.5) -> TypeError: multinomial(): expected an int, got 1.5
torch.multinomial(torch.tensor(1.0), 1) -> RuntimeError: multinomial: prob_dist must be 1 or 2 dim, got shape ()
torch.multinomial(torch.ones(2, 2, 2), 1) -> RuntimeError: multinomial: prob_dist must be 1 or 2 dim, got shape (2, 2,
torch.multinomial(i, 1) -> RuntimeError: multinomial only supports float32 and float64 for input,
torch.multinomial([0.5, 0.5], 1) -> TypeError: multinomial(): expected a Tensor, got list
torch.multinomial(torch.ones(0), 1) -> RuntimeError: multinomial: cannot sample n_sample > prob_dist.size(-1)
torch.Tensor("abc") -> TypeError: Tensor: expected sizes or numbers, got 'abc'
torch.Tensor(2, "a") -> TypeError: Tensor(): expected ints, got [2, 'a']
torch.Tensor(-1) -> RuntimeError: Tensor: Trying to create tensor with negative dimension in
torch.Tensor(None) -> TypeError: Tensor: expected sizes or numbers, got None
torch.manual_seed(2 ** 64) -> ValueError: manual_seed expected a seed in [-2^63, 2^64), but got
torch.manual_seed(-2 ** 63 - 1) -> ValueError: manual_seed expected a seed in [-2^63, 2^64), but got
torch.set_rng_state([1, 2]) -> TypeError: set_state: expected an array of uint8, but got int64
torch.set_rng_state(torch.zeros(3, dtype=torch.uint8)) -> RuntimeError: set_state: expected 5056 bytes, but got 3
torch.Generator("mars") -> RuntimeError: device: expected cpu or cuda at the start of its name, got 'mars'
torch.set_default_dtype(torch.int64) -> TypeError: set_default_dtype: only floating-point types are supported
torch.zeros(2).uniform_(1.0, 0.0) -> RuntimeError: uniform_ expects to return a [from, to) range, with from,
torch.zeros(2).uniform_(nan, 0.0) -> RuntimeError: uniform_ expects to return a [from, to) range, with from,
torch.zeros(2, dtype=torch.int64).uniform_() -> TypeError: uniform_: expected dtype float32 | torch: NotImplementedError
torch.zeros(2).normal_(0.0, -1.0) -> RuntimeError: normal expects std >= 0.0, but found std -1
torch.zeros(2, dtype=torch.int64).normal_() -> TypeError: normal_: expected dtype float32 or | torch: NotImplementedError
torch.zeros(2).bernoulli_(1.5) -> RuntimeError: bernoulli_ expects p to be in [0, 1], but got p=1.5
torch.zeros(2).bernoulli_(nan) -> RuntimeError: bernoulli_ expects p to be in [0, 1], but got p=nan
torch.zeros(2).exponential_(-1.0) -> RuntimeError: exponential_ expects lambda > 0.0, but found lambda=-1
torch.zeros(2).exponential_(0.0) -> RuntimeError: exponential_ expects lambda > 0.0, but found lambda=0
torch.zeros(2, dtype=torch.int64).exponential_() -> TypeError: exponential_: expected dtype float32 | torch: RuntimeError
w.uniform_() -> RuntimeError: a leaf Variable that requires grad is being used in an
torch.device("mars") -> RuntimeError: device: expected cpu or cuda at the start of its name, got
torch.device(3.5) -> RuntimeError: device: expected cpu or cuda at the start of its name, got | torch: TypeError
torch.device("cpu:-1") -> RuntimeError: device: expected one index, as in 'cuda:1', got 'cpu:-1',
torch.finfo(torch.int64) -> TypeError: finfo: expected a floating dtype, got int64; use iinfo for
torch.iinfo(torch.float32) -> TypeError: iinfo: expected an integer dtype, got float32; use finfo
torch.finfo("S") -> TypeError: finfo: expected a floating dtype, got |S0; use iinfo for
torch.is_floating_point(3) -> TypeError: is_floating_point(): argument 'input' must be Tensor, not
torch.numel(3) -> TypeError: numel(): argument 'input' must be Tensor, not int
x.new_zeros(-1) -> RuntimeError: zeros: Trying to create tensor with negative dimension in
x.new_full((2,), "a") -> TypeError: full(): expected a number, got str
x.new_tensor("a") -> TypeError: tensor(): expected numbers, could not infer the dtype of str
""",
    "elementwise": r"""
torch.add(x, torch.ones(4)) -> RuntimeError: add: The size of tensor a (3) must match the size of tensor
torch.add(x, "a") -> TypeError: add(): expected a Tensor or a number, got str
torch.add(x, None) -> TypeError: add(): expected a Tensor or a number, got NoneType
torch.add([1], x) -> TypeError: add(): expected a Tensor or a number, got list
torch.add(i, 1, alpha=0.5) -> RuntimeError: add: alpha must not be a floating point number where the
torch.add(x, x, alpha="a") -> TypeError: mul(): expected a Tensor or a number, got str
torch.sub(b, b) -> NotImplementedError: sub: not defined for bool; to invert a mask, use `~` or
b - b -> NotImplementedError: sub: not defined for bool; to invert a mask, use `~` or
-b -> NotImplementedError: neg: not defined for bool; to invert a mask, use `~` or
x - "a" -> TypeError: sub(): expected a Tensor or a number, got str
x + None -> TypeError: add(): expected a Tensor or a number, got NoneType
x * [1, 2] -> TypeError: mul(): expected a Tensor or a number, got list
x / "a" -> TypeError: div(): expected a Tensor or a number, got str
"a" * x -> TypeError: mul(): expected a Tensor or a number, got str
None + x -> TypeError: add(): expected a Tensor or a number, got NoneType
[1] - x -> TypeError: sub(): expected a Tensor or a number, got list
x + object() -> TypeError: add(): expected a Tensor or a number, got object
x ** "a" -> TypeError: pow(): expected a Tensor or a number, got str
x ** None -> TypeError: pow(): expected a Tensor or a number, got NoneType
i ** -1 -> RuntimeError: pow: Integers to negative integer powers are not allowed.
i ** torch.tensor(-1) -> RuntimeError: pow: Integers to negative integer powers are not allowed. | torch: none
b ** b -> NotImplementedError: pow: not defined for bool
i // 0 -> RuntimeError: ZeroDivisionError: floor_divide of integers by zero
i % 0 -> RuntimeError: ZeroDivisionError: remainder of integers by zero
torch.floor_divide(i, 0) -> RuntimeError: ZeroDivisionError: floor_divide of integers by zero
torch.remainder(i, 0) -> RuntimeError: ZeroDivisionError: remainder of integers by zero
torch.fmod(i, 0) -> RuntimeError: ZeroDivisionError: fmod of integers by zero
torch.div(i, 0, rounding_mode="floor") -> RuntimeError: ZeroDivisionError: floor_divide of integers by zero
torch.div(i, 0, rounding_mode="trunc") -> RuntimeError: ZeroDivisionError: div of integers by zero
torch.div(x, 1, rounding_mode="round") -> RuntimeError: div expected rounding_mode to be one of None, 'trunc', or
torch.div(x, 1, rounding_mode=3) -> RuntimeError: div expected rounding_mode to be one of None, | torch: TypeError
torch.mul(x, torch.ones(5)) -> RuntimeError: mul: The size of tensor a (3) must match the size of tensor
torch.pow(2, 3) -> TypeError: pow(): expected a Tensor, got int
torch.pow(x, torch.ones(7)) -> RuntimeError: pow: The size of tensor a (3) must match the size of
torch.sqrt(4) -> TypeError: sqrt(): expected a Tensor, got int
torch.sqrt("a") -> TypeError: sqrt(): expected a Tensor, got str
torch.sqrt([4.0]) -> TypeError: sqrt(): expected a Tensor, got list
torch.exp(None) -> TypeError: exp(): expected a Tensor, got NoneType
torch.sin("a") -> TypeError: sin(): expected a Tensor, got str
torch.tanh(3) -> TypeError: tanh(): expected a Tensor, got int
torch.erf([1.0]) -> TypeError: erf(): expected a Tensor, got list
torch.sigmoid(1.0) -> TypeError: sigmoid(): expected a Tensor, got float
torch.relu(b) -> RuntimeError: relu: Boolean inputs not supported for relu
torch.relu("a") -> TypeError: relu(): expected a Tensor, got str
torch.abs(b) -> NotImplementedError: abs: not defined for bool
torch.abs([1]) -> TypeError: abs(): expected a Tensor, got list
torch.neg(b) -> NotImplementedError: neg: not defined for bool; to invert a mask, use `~` or
torch.neg("a") -> TypeError: neg(): expected a Tensor, got str
torch.sign("a") -> TypeError: sign(): expected a Tensor, got str
torch.floor(b) -> NotImplementedError: floor: not defined for bool
torch.ceil(b) -> NotImplementedError: ceil: not defined for bool
torch.trunc(b) -> NotImplementedError: trunc: not defined for bool
torch.round(b) -> NotImplementedError: rint: not defined for bool
torch.round(i, decimals=1) -> NotImplementedError: round: not defined for int64 with decimals
torch.round(x, decimals=1.5) -> TypeError: round(): expected decimals to be an int, got 1.5
torch.round(x, decimals="a") -> TypeError: round(): expected decimals to be an int, got 'a'
torch.frac(i) -> NotImplementedError: frac: not defined for int64
torch.frac(b) -> NotImplementedError: frac: not defined for bool
torch.clamp(x) -> RuntimeError: clamp: At least one of 'min' or 'max' must not be None
torch.clamp(x, "a") -> TypeError: clamp(): expected a Tensor or a number, got str
torch.clamp(x, min="a", max=1) -> TypeError: clamp(): expected a Tensor or a number, got str
torch.clamp(x, min=torch.ones(4)) -> RuntimeError: clamp: The size of tensor a (3) must match the size of
torch.clamp([1.0], 0, 1) -> TypeError: clamp(): expected a Tensor or a number, got list
torch.clamp_min(x, "a") -> TypeError: clamp(): expected a Tensor or a number, got str
torch.clamp_max(x, None) -> RuntimeError: clamp: At least one of 'min' or 'max' must not be None | torch: TypeError
torch.nan_to_num("a") -> TypeError: nan_to_num(): expected a Tensor, got str
torch.nan_to_num(x, nan="a") -> TypeError: nan_to_num(): expected a Tensor or a number, got str
torch.nan_to_num([nan]) -> TypeError: nan_to_num(): expected a Tensor, got list
torch.where([True], x, x) -> TypeError: where(): expected the condition to be a Tensor, got list
torch.where(x, x, x) -> RuntimeError: where: expected condition to be a boolean tensor, got
torch.where(i > 0, x, "a") -> TypeError: where(): expected a Tensor or a number, got str
torch.where(b, torch.ones(2), torch.ones(3)) -> RuntimeError: where: The size of tensor a (2) must match the size of
torch.where(x > 0, x) -> TypeError: where(): expected a Tensor or a number, got NoneType
torch.where(torch.ones(4) > 0, x, x) -> RuntimeError: where: The size of tensor a (3) must match the size of
torch.masked_fill(x, x, 0) -> RuntimeError: masked_fill only supports boolean masks, but got mask with
torch.masked_fill(x, x > 0, "a") -> TypeError: masked_fill(): expected a Tensor or a number, got str
torch.masked_fill(x, x > 0, torch.ones(2)) -> RuntimeError: masked_fill only supports a 0-dimensional value tensor, but
torch.masked_fill(x, torch.ones(4) > 0, 0) -> RuntimeError: where: The size of tensor a (3) must match the size of
torch.masked_fill(x, [True], 0) -> TypeError: masked_fill(): expected a Tensor, got list
torch.masked_fill([1.0], x > 0, 0) -> TypeError: masked_fill(): expected a Tensor, got list
torch.masked_fill(i, i > 0, nan) -> RuntimeError: masked_fill: value nan cannot be converted to int64 without
torch.lerp(x, torch.ones(4), 0.5) -> RuntimeError: lerp: The size of tensor a (3) must match the size of
torch.lerp(x, x, "a") -> TypeError: lerp(): expected a Tensor, got str
torch.lerp(x, i, 0.5) -> RuntimeError: lerp: expected dtype float32 for `end` but got dtype int64
torch.lerp(i, i, 0.5) -> NotImplementedError: lerp: not defined for int64
torch.lerp(x, x.double(), 0.5) -> RuntimeError: lerp: expected dtype float32 for `end` but got dtype float64
torch.lerp(1.0, x, 0.5) -> TypeError: lerp(): expected a Tensor, got float
torch.addcmul(x, x, torch.ones(4)) -> RuntimeError: mul: The size of tensor a (3) must match the size of tensor
torch.addcmul(x, x, x, value="a") -> TypeError: mul(): expected a Tensor or a number, got str
torch.addcdiv(i, i, i) -> RuntimeError: addcdiv: Integer division is not supported; make tensor1 or
torch.addcdiv(x, x, "a") -> TypeError: div(): expected a Tensor or a number, got str
torch.maximum(x, "a") -> TypeError: maximum(): expected a Tensor or a number, got str
torch.maximum(x, torch.ones(4)) -> RuntimeError: maximum: The size of tensor a (3) must match the size of
torch.atan2(x, "a") -> TypeError: atan2(): expected a Tensor or a number, got str
torch.atan2(x, torch.ones(4)) -> RuntimeError: atan2: The size of tensor a (3) must match the size of
torch.hypot(x, torch.ones(4)) -> RuntimeError: hypot: The size of tensor a (3) must match the size of
torch.hypot(1.0, 2.0) -> TypeError: hypot(): expected a Tensor, got float and float
torch.add(1, 2) -> TypeError: add(): expected a Tensor, got int and int | torch: none
torch.fmod(1, [2]) -> TypeError: fmod(): expected a Tensor, got int and list
torch.bitwise_left_shift(1, 2) -> TypeError: bitwise_left_shift(): expected a Tensor, got int and int
torch.eq(1, 2) -> TypeError: eq(): expected a Tensor, got int and int
torch.hypot(i, i) -> NotImplementedError: hypot: not defined for int64
x == torch.ones(4) -> RuntimeError: eq: The size of tensor a (3) must match the size of tensor
x < "a" -> TypeError: lt(): expected a Tensor or a number, got str
x < None -> TypeError: lt(): expected a Tensor or a number, got NoneType
x < torch.ones(4) -> RuntimeError: lt: The size of tensor a (3) must match the size of tensor
torch.eq(x, "a") -> TypeError: eq(): expected a Tensor or a number, got str
torch.eq([1], x) -> TypeError: eq(): expected a Tensor or a number, got list
x & x -> NotImplementedError: bitwise_and: not defined for float32
x | 1 -> NotImplementedError: bitwise_or: not defined for float32
x ^ x -> NotImplementedError: bitwise_xor: not defined for float32
~x -> NotImplementedError: bitwise_not: not defined for float32 | torch: TypeError
i & 1.5 -> NotImplementedError: bitwise_and: not defined for float32
i << x -> NotImplementedError: bitwise_left_shift: not defined for float32
torch.bitwise_and(x, x) -> NotImplementedError: bitwise_and: not defined for float32
torch.bitwise_not(x) -> NotImplementedError: bitwise_not: not defined for float32
torch.bitwise_not([1]) -> TypeError: bitwise_not(): expected a Tensor, got list
torch.bitwise_left_shift(b, b) -> NotImplementedError: left_shift: not defined for bool
torch.logical_and(x, "a") -> TypeError: logical_and(): expected a Tensor or a number, got str
torch.logical_and(x, torch.ones(4)) -> RuntimeError: logical_and: The size of tensor a (3) must match the size
torch.logical_not("a") -> TypeError: logical_not(): expected a Tensor, got str
torch.isnan([nan]) -> TypeError: isnan(): expected a Tensor, got list
torch.isnan(3.0) -> TypeError: isnan(): expected a Tensor, got float
torch.triu(x, 10**30) -> RuntimeError: triu: a number is too large: Python int too large | torch: ValueError
torch.isfinite("a") -> TypeError: isfinite(): expected a Tensor, got str
torch.isinf(None) -> TypeError: isinf(): expected a Tensor, got NoneType
torch.isclose(x, i) -> RuntimeError: isclose: expected two tensors of one dtype, got float32 and
torch.isclose(x, x, rtol=-1) -> RuntimeError: isclose: rtol and atol must be greater than or equal to
torch.isclose(x, torch.ones(4)) -> RuntimeError: isclose: The size of tensor a (3) must match the size of
torch.isclose(x, 1.0) -> TypeError: isclose(): expected a Tensor, got float
torch.isclose(x, x, atol="a") -> TypeError: isclose(): expected a Tensor or a number, got str
torch.allclose(x, [1.0]) -> TypeError: isclose(): expected a Tensor, got list
torch.allclose(x, x, rtol=nan) -> RuntimeError: isclose: rtol and atol must be greater than or equal to
torch.allclose(x, torch.ones(4)) -> RuntimeError: isclose: The size of tensor a (3) must match the size of
torch.equal(x, 3) -> TypeError: equal(): expected a Tensor, got int
torch.result_type("a", x) -> TypeError: result_type(): expected a Tensor, got str
x.add_(torch.ones(4)) -> RuntimeError: add: The size of tensor a (3) must match the size of tensor
x.add_(torch.ones(3, 2, 3)) -> RuntimeError: output with shape (2, 3) doesn't match the broadcast shape
i.add_(1.5) -> RuntimeError: result type float32 can't be cast to the desired output
i.div_(2) -> RuntimeError: result type float32 can't be cast to the desired output
i.sqrt_() -> RuntimeError: result type float32 can't be cast to the desired output
b.add_(1) -> RuntimeError: result type int64 can't be cast to the desired output type
i.mul_(x) -> RuntimeError: output with shape (3,) doesn't match the broadcast shape
x[0].add_("a") -> TypeError: add(): expected a Tensor or a number, got str
x.clamp_() -> RuntimeError: clamp: At least one of 'min' or 'max' must not be None
x.lerp_(torch.ones(4), 0.5) -> RuntimeError: lerp: The size of tensor a (3) must match the size of
x.fill_("a") -> TypeError: fill_(): expected a Tensor or a number, got str
x.fill_(torch.ones(2)) -> RuntimeError: fill_ only supports a 0-dimension value tensor but got
x.fill_(None) -> TypeError: fill_(): expected a Tensor or a number, got NoneType
i.fill_(nan) -> RuntimeError: fill_: value nan cannot be converted to int64 without
x.copy_(torch.ones(4)) -> RuntimeError: copy_: shape (4,) does not broadcast to (2, 3)
x.copy_("a") -> TypeError: copy_(): expected a Tensor or a number, got str
x.copy_([1.0]) -> TypeError: copy_(): expected a Tensor or a number, got list
w.add_(1) -> RuntimeError: a leaf Variable that requires grad is being used in an
w.zero_() -> RuntimeError: a leaf Variable that requires grad is being used in an
w[0].mul_(2) -> RuntimeError: a view of a leaf Variable that requires grad is being used
w.detach().add_("a") -> TypeError: add(): expected a Tensor or a number, got str
x.masked_fill_(x, 0) -> RuntimeError: masked_fill only supports boolean masks, but got mask with
x.pow_("a") -> TypeError: pow(): expected a Tensor or a number, got str
i.pow_(-1) -> RuntimeError: pow: Integers to negative integer powers are not allowed.
x.to("foo") -> RuntimeError: device: expected cpu or cuda at the start of its name, got
x.to(3) -> TypeError: to(): expected a dtype, such as float32, got 3 | torch: RuntimeError
x.to(dtype="foo") -> TypeError: to(): expected a dtype, such as float32, got 'foo'
x.to("mars") -> RuntimeError: device: expected cpu or cuda at the start of its name, got
x.to(torch.float64, "x", 3) -> RuntimeError: device: expected cpu or cuda at the start of its name, got | torch: TypeError
x.type("foo") -> ValueError: type: invalid type: 'foo', expected one of minigrad.
x.type(3) -> TypeError: to(): expected a dtype, such as float32, got 3
x.type_as(3) -> TypeError: type_as(): expected a Tensor, got int
x.item() -> RuntimeError: a Tensor with 6 elements cannot be converted to Scalar
float(x) -> ValueError: only one element tensors can be converted to Python
int(x) -> ValueError: only one element tensors can be converted to Python
bool(x) -> RuntimeError: Boolean value of Tensor with more than one value is
bool(torch.ones(0)) -> RuntimeError: Boolean value of Tensor with no values is ambiguous
int(torch.tensor(nan)) -> ValueError: cannot convert float NaN to integer
int(torch.tensor(inf)) -> OverflowError: cannot convert float infinity to integer
len(torch.tensor(1.0)) -> TypeError: len() of a 0-d tensor
list(torch.tensor(1.0)) -> TypeError: iteration over a 0-d tensor
[1, 2, 3][torch.tensor(1.0)] -> TypeError: only integer tensors of a single element can be converted
range(torch.tensor([1, 2])) -> TypeError: only integer tensors of a single element can be converted
"a" in x -> RuntimeError: in: only a Tensor or a number can be in a Tensor, got str
np.asarray(w) -> RuntimeError: Can't call numpy() on Tensor that requires grad. Use
w.numpy() -> RuntimeError: Can't call numpy() on Tensor that requires grad. Use
x.requires_grad_("a") and 1 -> RuntimeError: requires_grad must be a bool, got str | torch: TypeError
i.requires_grad_() -> RuntimeError: only Tensors of floating point dtype can require gradients,
""",
    "reduce": r"""
torch.sum([1, 2]) -> TypeError: sum(): expected a Tensor, got list
torch.sum("a") -> TypeError: sum(): expected a Tensor, got str
torch.sum(x, 5) -> IndexError: sum: Dimension out of range (expected to be in range of
torch.sum(x, "a") -> TypeError: sum(): expected an int, got 'a'
torch.sum(x, (0, 0)) -> RuntimeError: sum: dim appears multiple times in the list of dims, got
torch.sum(x, 1.5) -> TypeError: sum(): expected an int, got 1.5
torch.sum(x, dtype="foo") -> TypeError: sum(): expected a dtype, such as float32, got 'foo'
torch.mean(i) -> RuntimeError: mean(): expected a floating point dtype, got int64; it can
torch.mean([1.0]) -> TypeError: mean(): expected a Tensor, got list
torch.mean(x, -3) -> IndexError: mean: Dimension out of range (expected to be in range of
torch.mean(x, dtype=torch.int64) -> RuntimeError: mean(): expected a floating point dtype, got int64; it can
torch.var(i) -> RuntimeError: var(): expected a floating point dtype, got int64; it can
torch.var(3.0) -> TypeError: var(): expected a Tensor, got float
torch.var(x, correction="a") -> TypeError: var(): expected correction to be a number, got 'a'
torch.var(x, 0, unbiased=True, correction=1) -> TypeError: var(): expected correction or unbiased, got both
torch.std(x, 7) -> IndexError: std: Dimension out of range (expected to be in range of
torch.std(b) -> RuntimeError: std(): expected a floating point dtype, got bool; it can be
torch.std([1.0]) -> TypeError: std(): expected a Tensor, got list
torch.std_mean(i) -> RuntimeError: std(): expected a floating point dtype, got int64; it can
torch.var_mean([1.0]) -> TypeError: var_mean(): expected a Tensor, got list
torch.prod(x, "a") -> TypeError: prod(): expected an int, got 'a'
torch.prod([1]) -> TypeError: prod(): expected a Tensor, got list
torch.prod(x, (0, 1)) -> TypeError: prod(): expected an int, got (0, 1)
torch.cumsum(x, 3) -> IndexError: cumsum: Dimension out of range (expected to be in range of
torch.cumsum(x, "a") -> TypeError: cumsum(): expected an int, got 'a'
torch.cumsum([1], 0) -> TypeError: cumsum(): expected a Tensor, got list
torch.cumprod(x, -4) -> IndexError: cumprod: Dimension out of range (expected to be in range of
torch.max(e) -> RuntimeError: max(): Expected reduction dim [0, 1] to have non-zero size,
torch.max(e, 0) -> IndexError: max(): Expected reduction dim [0] to have non-zero size,
torch.max(x, 4) -> IndexError: max: Dimension out of range (expected to be in range of
torch.max([1, 2]) -> TypeError: max(): expected a Tensor, got list
torch.max(x, "a") -> TypeError: max(): expected an int, got 'a'
torch.max(x, torch.ones(4)) -> RuntimeError: maximum: The size of tensor a (3) must match the size of
torch.amax(x, (0, 0)) -> RuntimeError: amax: dim appears multiple times in the list of dims, got
torch.amax(e) -> RuntimeError: amax(): Expected reduction dim [0, 1] to have non-zero
torch.amax("a") -> TypeError: amax(): expected a Tensor, got str
torch.amin(e, 0) -> IndexError: amin(): Expected reduction dim [0] to have non-zero size,
torch.aminmax(e) -> RuntimeError: aminmax(): Expected reduction dim [0, 1] to have non-zero
torch.aminmax([1]) -> TypeError: aminmax(): expected a Tensor, got list
torch.argmax(e) -> IndexError: argmax(): Expected reduction dim [0, 1] to have non-zero
torch.argmax(b) -> RuntimeError: argmax(): does not support bool input
torch.argmax(x, 1.5) -> TypeError: argmax(): expected an int, got 1.5
torch.argmax([1]) -> TypeError: argmax(): expected a Tensor, got list
torch.argmax(x, (0, 1)) -> TypeError: argmax(): expected an int, got (0, 1)
torch.argmin(e, 0) -> IndexError: argmin(): Expected reduction dim [0] to have non-zero size,
torch.any([True]) -> TypeError: any(): expected a Tensor, got list
torch.all(x, 9) -> IndexError: all: Dimension out of range (expected to be in range of
torch.any(x, "a") -> TypeError: any(): expected an int, got 'a'
torch.count_nonzero(x, 4) -> IndexError: count_nonzero: Dimension out of range (expected to be in
torch.count_nonzero([1]) -> TypeError: count_nonzero(): expected a Tensor, got list
torch.softmax(x, 2) -> IndexError: softmax: Dimension out of range (expected to be in range of
torch.softmax(i, 0) -> RuntimeError: softmax(): expected a floating point dtype, got int64; it
torch.softmax([1.0], 0) -> TypeError: softmax(): expected a Tensor, got list
torch.softmax(x, None) -> TypeError: softmax(): expected an int, got None
torch.softmax(x, 0, dtype=torch.int64) -> RuntimeError: softmax(): expected a floating point dtype, got int64; it
torch.log_softmax(x, "a") -> TypeError: log_softmax(): expected an int, got 'a'
torch.log_softmax(i, 0) -> RuntimeError: log_softmax(): expected a floating point dtype, got int64;
torch.logsumexp(x, 5) -> IndexError: logsumexp: Dimension out of range (expected to be in range
torch.logsumexp([1.0], 0) -> TypeError: logsumexp(): expected a Tensor, got list
torch.logsumexp(x) -> TypeError: logsumexp() missing the dimension
torch.norm([1.0]) -> TypeError: norm(): expected a Tensor, got list | torch: AttributeError
torch.norm(x, "nuc2") -> RuntimeError: norm: Order nuc2 not supported: expected a number or 'fro'
torch.norm(i) -> RuntimeError: vector_norm: Expected a floating point tensor as input. Got
torch.norm(x, 2, 5) -> IndexError: vector_norm: Dimension out of range (expected to be in
torch.norm(e, inf) -> RuntimeError: vector_norm(): Expected reduction dim [0, 1] to have
torch.linalg.norm(x, "foo") -> RuntimeError: matrix_norm: Order foo not supported: expected 'fro', 1,
torch.linalg.vector_norm(x, "a") -> TypeError: vector_norm(): expected ord to be a number, got 'a'
torch.linalg.vector_norm([1.0]) -> TypeError: vector_norm(): expected a Tensor, got list
torch.linalg.vector_norm(i) -> RuntimeError: vector_norm: Expected a floating point tensor as input. Got
torch.linalg.matrix_norm(v) -> RuntimeError: matrix_norm: expected at least 2 dimensions and a dim of 2,
torch.linalg.matrix_norm(x, 5) -> RuntimeError: matrix_norm: Order 5 not supported: expected 'fro', 1, -1,
torch.median([1.0]) -> TypeError: median(): expected a Tensor, got list
torch.median(x, 3) -> IndexError: median: Dimension out of range (expected to be in range of
torch.sort(x, 3) -> IndexError: argsort: Dimension out of range (expected to be in range of
torch.sort([1]) -> TypeError: sort(): expected a Tensor, got list
torch.sort(x, "a") -> TypeError: argsort(): expected an int, got 'a'
torch.argsort([1]) -> TypeError: argsort(): expected a Tensor, got list
torch.argsort(x, 2) -> IndexError: argsort: Dimension out of range (expected to be in range of
torch.topk(x, 4) -> RuntimeError: topk: selected index k out of range: got 4 for a dimension
torch.topk(x, -1) -> RuntimeError: topk: selected index k out of range: got -1 for a dimension
torch.topk(x, 1, 5) -> IndexError: topk: Dimension out of range (expected to be in range of
torch.topk(x, 1.5) -> TypeError: topk(): expected an int, got 1.5
torch.topk([1], 1) -> TypeError: topk(): expected a Tensor, got list
torch.unique([1]) -> TypeError: unique(): expected a Tensor, got list
torch.unique(x, dim=4) -> IndexError: unique: Dimension out of range (expected to be in range of
torch.bincount(torch.tensor([-1])) -> RuntimeError: bincount: expected a vector of integers >= 0, got int64 of
torch.bincount(v) -> RuntimeError: bincount: expected a vector of integers >= 0, got float32
torch.bincount([1]) -> TypeError: bincount(): expected a Tensor, got list
torch.bincount(torch.ones(2, 2, dtype=torch.int64)) -> RuntimeError: bincount: expected a vector of integers >= 0, got
torch.bincount(i, weights=torch.ones(4)) -> RuntimeError: bincount: weights should be 1-d and have the same length as
torch.bincount(i, minlength=-1) -> RuntimeError: bincount: minlength should be >= 0, got -1
torch.histc(i) -> RuntimeError: histc(): expected a floating point dtype, got int64; it can
torch.histc(x, bins=0) -> RuntimeError: histc(): bins must be > 0, but got 0
torch.histc(x, bins=-1) -> RuntimeError: histc(): bins must be > 0, but got -1
torch.histc(x, min=2, max=1) -> RuntimeError: histc: max must be larger than min, got [2, 1]
torch.histc(torch.tensor([nan])) -> RuntimeError: histc: range of [nan, nan] is not finite
torch.histc(x, 3, nan, 1) -> RuntimeError: histc: range of [nan, 1] is not finite
torch.histc([1.0]) -> TypeError: histc(): expected a Tensor, got list
torch.histc(x, 2.5) -> TypeError: histc(): expected an int, got 2.5
torch.histogram(x, 0) -> RuntimeError: histogram(): bins must be > 0, but got 0
torch.histogram(x, -3) -> RuntimeError: histogram(): bins must be > 0, but got -3
torch.histogram(x, 3, range=(1.0, 0.0)) -> RuntimeError: histogram: max must be larger than min, got [1.0, 0.0]
torch.histogram([1.0], 3) -> TypeError: histogram(): expected a Tensor, got list
torch.histogram(x, "a") -> TypeError: histogram(): expected an int, got 'a'
torch.searchsorted([1], x) -> TypeError: searchsorted(): expected a Tensor, got list
torch.searchsorted(v, x, side="middle") -> RuntimeError: searchsorted(): expected side 'left' or 'right', got
torch.searchsorted(x, torch.ones(3, 3)) -> RuntimeError: searchsorted(): boundaries tensor should be 1 dimension or
torch.bucketize(x, x) -> RuntimeError: bucketize(): boundaries tensor must be 1 dimension, got 2
torch.bucketize(x, [1]) -> TypeError: bucketize(): expected a Tensor, got list
""",
    "shape": r"""
torch.reshape(x, (4, 2)) -> RuntimeError: shape '[4, 2]' is invalid for input of size 6 and shape (2,
torch.reshape(x, (-1, -1)) -> RuntimeError: reshape: only one dimension can be inferred, got shape [-1,
torch.reshape(x, (-2, 3)) -> RuntimeError: reshape: invalid shape dimension -2, got shape [-2, 3]
torch.reshape(x, "a") -> TypeError: reshape(): expected ints, got ['a']
torch.reshape([1], (1,)) -> TypeError: reshape(): expected a Tensor, got list
torch.reshape(x, (2.0, 3.0)) -> TypeError: reshape(): expected ints, got [2.0, 3.0]
torch.reshape(x, None) -> TypeError: reshape(): expected ints, got [None]
torch.reshape(e, (-1, 0)) -> RuntimeError: cannot reshape tensor of 0 elements into shape [-1, 0]
x.reshape() -> TypeError: reshape(): expected the shape, got nothing
x.reshape("a") -> TypeError: reshape(): expected ints, got ['a']
x.reshape(2, "a") -> TypeError: reshape(): expected ints, got [2, 'a']
x.reshape(2.0, 3) -> TypeError: reshape(): expected ints, got [2.0, 3]
x.reshape(10 ** 30, 1) -> RuntimeError: shape '[1000000000000000000000000000000, 1]' is invalid for | torch: TypeError
x.view() -> TypeError: view(): expected sizes or a dtype, got nothing
x.view(4) -> RuntimeError: shape '[4]' is invalid for input of size 6 and shape (2, 3)
x.view(2.5) -> TypeError: reshape(): expected ints, got [2.5]
x.t().view(6) -> RuntimeError: view size (6,) is not compatible with input tensor's size
x.view("a") -> TypeError: reshape(): expected ints, got ['a']
x.view(torch.float64, 2) -> TypeError: view(): expected sizes or one dtype, got (dtype('float64'),
x.view(-1, 0) -> RuntimeError: shape '[-1, 0]' is invalid for input of size 6 and shape
x.view_as(3) -> TypeError: view_as(): expected a Tensor, got int
torch.flatten(x, 1, 0) -> RuntimeError: flatten() has invalid args: start_dim 1 cannot come after
torch.flatten(x, 5) -> IndexError: flatten: Dimension out of range (expected to be in range of
torch.flatten([1]) -> TypeError: flatten(): expected a Tensor, got list
torch.flatten(x, "a") -> TypeError: flatten(): expected an int, got 'a'
x.flatten(0, 3) -> IndexError: flatten: Dimension out of range (expected to be in range of
x.unflatten(1, (2, 2)) -> RuntimeError: unflatten: sizes [2, 2] don't multiply up to dim 1 of shape
x.unflatten(1, ()) -> RuntimeError: unflatten: sizes must be non-empty
x.unflatten(5, (1,)) -> IndexError: unflatten: Dimension out of range (expected to be in range
x.unflatten(1, (-1, -1)) -> RuntimeError: unflatten: sizes [-1, -1] don't multiply up to dim 1 of
torch.tensor(1.0).unflatten(0, (1, -1)) -> RuntimeError: unflatten: sizes [1, -1] don't multiply up to dim 0 of
x.unflatten(1, 3) -> TypeError: unflatten(): expected sizes as a tuple of ints, got 3
x.unflatten(1, "a") -> TypeError: unflatten(): expected ints, got ['a']
torch.squeeze(x, 4) -> IndexError: squeeze: Dimension out of range (expected to be in range of
torch.squeeze([1]) -> TypeError: squeeze(): expected a Tensor, got list
torch.squeeze(x, "a") -> TypeError: squeeze(): expected an int, got 'a'
torch.unsqueeze(x, 5) -> IndexError: unsqueeze: Dimension out of range (expected to be in range
torch.unsqueeze([1], 0) -> TypeError: unsqueeze(): expected a Tensor, got list
torch.unsqueeze(x, "a") -> TypeError: unsqueeze(): expected an int, got 'a'
torch.permute(x, (0, 0)) -> RuntimeError: permute(): expected each of the 2 dimensions once, got dims
torch.permute(x, (0,)) -> RuntimeError: permute(): expected each of the 2 dimensions once, got dims
torch.permute(x, (0, 5)) -> IndexError: permute: Dimension out of range (expected to be in range of
torch.permute([1], (0,)) -> TypeError: permute(): expected a Tensor, got list
torch.permute(x, "ab") -> TypeError: permute(): expected ints, got ['ab']
x.permute(0) -> RuntimeError: permute(): expected each of the 2 dimensions once, got dims
x.permute("a", "b") -> TypeError: permute(): expected ints, got ['a', 'b']
torch.transpose(x, 0, 5) -> IndexError: transpose: Dimension out of range (expected to be in range
torch.transpose([1], 0, 1) -> TypeError: transpose(): expected a Tensor, got list
torch.transpose(x, "a", 0) -> TypeError: transpose(): expected an int, got 'a'
torch.swapaxes(x, 0, 9) -> IndexError: transpose: Dimension out of range (expected to be in range
torch.movedim(x, 0, 4) -> IndexError: movedim: Dimension out of range (expected to be in range of
torch.movedim(x, (0, 0), (0, 1)) -> RuntimeError: movedim: expected as many sources as destinations, each
torch.movedim(x, (0, 1), 0) -> RuntimeError: movedim: expected as many sources as destinations, each | torch: TypeError
torch.movedim([1], 0, 0) -> TypeError: movedim(): expected a Tensor, got list
torch.t(torch.ones(1, 1, 1)) -> RuntimeError: t() expects a tensor with <= 2 dimensions, but self is 3D
torch.t([1]) -> TypeError: t(): expected a Tensor, got list
v.mT -> RuntimeError: tensor.mT is only supported on matrices or batches of
x.expand(3, 3) -> RuntimeError: expand: the requested sizes [3, 3] do not fit a tensor of
x.expand(3) -> RuntimeError: expand: the requested sizes [3] do not fit a tensor of
x.expand("a") -> TypeError: expand(): expected ints, got ['a']
x.expand(-1, 2, 3) -> RuntimeError: expand: the requested sizes [-1, 2, 3] do not fit a tensor
x.expand(2.0, 3) -> TypeError: expand(): expected ints, got [2.0, 3]
x.expand_as(3) -> TypeError: expand_as(): expected a Tensor, got int
torch.broadcast_to(x, (4, 4)) -> RuntimeError: expand: the requested sizes [4, 4] do not fit a tensor of
torch.broadcast_to([1], (2,)) -> TypeError: broadcast_to(): expected a Tensor, got list
torch.broadcast_tensors(x, torch.ones(4)) -> RuntimeError: broadcast_tensors: expected sizes that match or are 1, got
torch.broadcast_tensors(x, 3) -> TypeError: broadcast_tensors(): expected Tensor as element 1, but got
torch.meshgrid(x, x) -> RuntimeError: meshgrid: expected 0-d or 1-d tensors, got shapes [(2, 3),
torch.meshgrid(v, i) -> RuntimeError: meshgrid: expected tensors of one dtype, got
torch.meshgrid(v, 3) -> TypeError: meshgrid(): expected Tensor as element 1, but got int
torch.meshgrid(v, indexing="ab") -> RuntimeError: meshgrid: indexing must be one of "xy" or "ij", but
torch.cat([]) -> ValueError: cat(): expected a non-empty list of Tensors
torch.cat(x) -> TypeError: cat(): argument 'tensors' must be a sequence of Tensors,
torch.cat([x, 1]) -> TypeError: cat(): expected Tensor as element 1, but got int
torch.cat([x, torch.ones(2, 2)]) -> RuntimeError: cat: expected shapes that differ in dimension 0 alone, got
torch.cat([x, v]) -> RuntimeError: cat: expected shapes that differ in dimension 0 alone, got
torch.cat([x, x], 5) -> IndexError: cat: Dimension out of range (expected to be in range of
torch.cat([s, s]) -> RuntimeError: zero-dimensional tensor (at position 0) cannot be
torch.cat([x, x], "a") -> TypeError: cat(): expected an int, got 'a'
torch.cat(3) -> TypeError: cat(): expected a sequence of Tensors, got int
torch.cat(None) -> TypeError: cat(): expected a sequence of Tensors, got NoneType
torch.stack([]) -> RuntimeError: stack expects a non-empty list of tensors of equal size;
torch.stack([x, v]) -> RuntimeError: stack expects a non-empty list of tensors of equal size;
torch.stack([x, x], 9) -> IndexError: stack: Dimension out of range (expected to be in range of
torch.stack([x, "a"]) -> TypeError: stack(): expected Tensor as element 1, but got str
torch.stack(x, "a") -> TypeError: stack(): expected an int, got 'a'
torch.stack(3) -> TypeError: stack(): expected a sequence of Tensors, got int
torch.hstack([]) -> RuntimeError: hstack(): expected a non-empty list of Tensors
torch.hstack([x, v]) -> RuntimeError: cat: expected shapes that differ in dimension 1 alone, got
torch.hstack(3) -> TypeError: hstack(): expected a sequence of Tensors, got int
torch.vstack([x, torch.ones(2)]) -> RuntimeError: cat: expected shapes that differ in dimension 0 alone, got
torch.vstack(3) -> TypeError: vstack(): expected a sequence of Tensors, got int
torch.split(x, -1) -> RuntimeError: split: expected a positive size for a dimension of size 2,
torch.split(x, 0) -> RuntimeError: split: expected a positive size for a dimension of size 2,
torch.split(x, [1, 2]) -> RuntimeError: split: expected sizes >= 0 with the sum 2, as dim 0 has,
torch.split(x, 1, 4) -> IndexError: split: Dimension out of range (expected to be in range of
torch.split(x, "a") -> TypeError: split(): expected an int, got 'a'
torch.split([1], 1) -> TypeError: split(): expected a Tensor, got list | torch: AttributeError
torch.split(s, 1) -> RuntimeError: split expects at least a 1-dimensional tensor
torch.chunk(x, 0) -> RuntimeError: chunk expects `chunks` to be greater than 0, got: 0
torch.chunk(x, -1) -> RuntimeError: chunk expects `chunks` to be greater than 0, got: -1
torch.chunk(x, 1.5) -> TypeError: chunk(): expected an int, got 1.5
torch.chunk([1], 1) -> TypeError: chunk(): expected a Tensor, got list
torch.chunk(x, 2, 5) -> IndexError: chunk: Dimension out of range (expected to be in range of
torch.tensor_split(x, 0) -> RuntimeError: tensor_split: number of sections must be larger than 0, got
torch.tensor_split(x, "a") -> TypeError: tensor_split(): expected an int, got 'a'
torch.tensor_split(x, 1.5) -> TypeError: tensor_split(): expected an int, got 1.5
torch.tensor_split([1], 1) -> TypeError: tensor_split(): expected a Tensor, got list
torch.tensor_split(x, [1.5]) -> TypeError: tensor_split(): expected an int, got 1.5
torch.unbind(s) -> IndexError: unbind: expected at least one dimension, got a 0-d tensor
torch.unbind(x, 5) -> IndexError: unbind: Dimension out of range (expected to be in range of
torch.unbind([1]) -> TypeError: unbind(): expected a Tensor, got list
x.repeat(2) -> RuntimeError: repeat: expected 2 or more numbers >= 0, got [2]
x.repeat(2, -1) -> RuntimeError: repeat: expected 2 or more numbers >= 0, got [2, -1]
x.repeat("a") -> TypeError: repeat(): expected ints, got ['a']
x.repeat(1.5, 2) -> TypeError: repeat(): expected ints, got [1.5, 2]
torch.tile(x, (2, -1)) -> RuntimeError: repeat: expected 2 or more numbers >= 0, got [2, -1]
torch.tile([1], (2,)) -> TypeError: tile(): expected a Tensor, got list
torch.tile(x, "a") -> TypeError: tile(): expected ints, got ['a']
torch.repeat_interleave(x, -1) -> RuntimeError: repeat_interleave: repeats must be non-negative, got -1
torch.repeat_interleave(x, torch.tensor([1, 2]), 1) -> RuntimeError: repeat_interleave: expected an int or integers for
torch.repeat_interleave(x, 1.5) -> TypeError: repeat_interleave(): expected an int, got 1.5
torch.repeat_interleave(x, torch.tensor([1.5])) -> RuntimeError: repeat_interleave: expected an int or integers for each of
torch.repeat_interleave([1], 2) -> TypeError: repeat_interleave(): expected a Tensor, got list
torch.repeat_interleave(x, 2, 7) -> IndexError: repeat_interleave: Dimension out of range (expected to be
torch.flip(x) -> TypeError: flip(): expected dims, got none
torch.flip(x, (0, 0)) -> RuntimeError: flip: dim appears multiple times in the list of dims, got
torch.flip(x, (4,)) -> IndexError: flip: Dimension out of range (expected to be in range of
torch.flip([1], (0,)) -> TypeError: flip(): expected a Tensor, got list
torch.flip(x, "a") -> TypeError: flip(): expected ints, got ['a']
torch.roll(x, (1, 2), 0) -> RuntimeError: roll: shifts and dimensions must align. shifts: 2, dims: 1
torch.roll(x, 1, 5) -> IndexError: roll: Dimension out of range (expected to be in range of
torch.roll(x, "a") -> TypeError: roll(): expected ints, got ['a']
torch.roll(x, 1.5) -> TypeError: roll(): expected ints, got [1.5]
torch.roll([1], 1) -> TypeError: roll(): expected a Tensor, got list
torch.rot90(v) -> RuntimeError: rot90: expected 2 dims of a tensor that has 2 or more, got
torch.rot90(x, 1, (0, 0)) -> RuntimeError: rot90: expected rotation dims to be different, but got (0,
torch.rot90(x, 1, (0, 5)) -> IndexError: rot90: Dimension out of range (expected to be in range of
torch.rot90(x, 1.5) -> TypeError: rot90(): expected an int, got 1.5
torch.rot90([1]) -> TypeError: rot90(): expected a Tensor, got list
torch.diag(torch.ones(1, 1, 1)) -> RuntimeError: diag(): Supports 1D or 2D tensors. Got 3D
torch.diag([1]) -> TypeError: diag(): expected a Tensor, got list
torch.diag(x, "a") -> TypeError: diag(): expected an int, got 'a'
torch.diagonal(v) -> IndexError: diagonal: Dimension out of range (expected to be in range
torch.diagonal(x, 0, 0, 0) -> RuntimeError: diagonal dimensions cannot be identical 0, 0
torch.diagonal(x, 0, 0, 5) -> IndexError: diagonal: Dimension out of range (expected to be in range
torch.diag_embed(x, 0, 1, 1) -> RuntimeError: diag_embed: expected two dimensions and an input that has
torch.trace(v) -> RuntimeError: trace: expected a matrix, but got tensor with dim 1
torch.trace([1]) -> TypeError: trace(): expected a Tensor, got list
torch.tril(v) -> RuntimeError: tril: input tensor must have at least 2 dimensions, got 1
torch.tril([1]) -> TypeError: tril(): expected a Tensor, got list
torch.tril(x, "a") -> TypeError: tril(): expected an int, got 'a'
torch.triu(x, 1.5) -> TypeError: triu(): expected an int, got 1.5
torch.triu(s) -> RuntimeError: triu: input tensor must have at least 2 dimensions, got 0
x.size(5) -> IndexError: size: Dimension out of range (expected to be in range of
x.size("a") -> TypeError: size(): expected an int, got 'a'
x.stride(4) -> IndexError: stride: Dimension out of range (expected to be in range of
x.data_ptr() and len(x.storage()) and x.storage()[100] -> IndexError: index 100 is out of bounds for axis 0 with size 6
""",
    "index": r"""
x[5] -> IndexError: index 5 is out of bounds for dimension 0 with size 2
x[-3] -> IndexError: index -3 is out of bounds for dimension 0 with size 2
x[0, 0, 0] -> IndexError: too many indices for tensor of dimension 2: got 3
x["a"] -> IndexError: expected numbers, slices, None, ..., lists or integer or | torch: TypeError
x[1.5] -> IndexError: expected numbers, slices, None, ..., lists or integer or
x[None, 5] -> IndexError: index 5 is out of bounds for dimension 0 with size 2
x[..., ...] -> IndexError: an index can only have a single ellipsis ('...') | torch: none
x[[5]] -> IndexError: index 5 is out of bounds for axis 0 with size 2
x[[[0, 1], [1]], 0] -> ValueError: expected sequences of equal length in an index, got [[0, 1], [1]]
x[[0, 1], [0, 1, 2]] -> IndexError: shape mismatch: indexing arrays could not be broadcast
x[torch.tensor([2])] -> IndexError: index 2 is out of bounds for axis 0 with size 2
x[torch.tensor([-3])] -> IndexError: index -3 is out of bounds for axis 0 with size 2
x[torch.tensor([0.5])] -> IndexError: tensors used as indices must be long, int, byte or bool
x[torch.ones(3) > 0] -> IndexError: The shape of the mask [3] at index 0 does not match the
x[torch.ones(2, 2) > 0] -> IndexError: The shape of the mask [2, 2] at index 0 does not match the
x[::-1] -> ValueError: slice step must be positive, got -1
x[::0] -> ValueError: slice step must be positive, got 0
x[{}] -> IndexError: expected numbers, slices, None, ..., lists or integer or
x[{1: 2}] -> IndexError: expected numbers, slices, None, ..., lists or integer or
x[object()] -> IndexError: expected numbers, slices, None, ..., lists or integer or
x[(0, "a")] -> IndexError: expected numbers, slices, None, ..., lists or integer or | torch: TypeError
x[:, 3] -> IndexError: index 3 is out of bounds for dimension 1 with size 3
x[10 ** 30] -> IndexError: index 1000000000000000000000000000000 is out of bounds for | torch: ValueError
x[[1.5]] -> IndexError: tensors used as indices must be long, int, byte or bool | torch: none
x[["a"]] -> IndexError: tensors used as indices must be long, int, byte or bool | torch: TypeError
x[i, i] -> IndexError: is out of bounds for axis 0 with size 2
s[0] -> IndexError: too many indices for tensor of dimension 0: got 1
s[:] -> IndexError: too many indices for tensor of dimension 0: got 1
e[0] -> IndexError: index 0 is out of bounds for dimension 0 with size 0
w.data.__setitem__(5, 1.0) -> IndexError: index 5 is out of bounds for dimension 0 with size 2
x.__setitem__(0, torch.ones(4)) -> RuntimeError: shape mismatch: value tensor of shape [4] cannot be
x.__setitem__(0, "a") -> TypeError: setitem(): expected a Tensor or a number, got str
x.__setitem__("a", 0) -> IndexError: expected numbers, slices, None, ..., lists or integer or | torch: TypeError
x.__setitem__(0, None) -> TypeError: setitem(): expected a Tensor or a number, got NoneType
x.__setitem__(0, [1.0, 2.0]) -> TypeError: setitem(): expected a Tensor or a number, got list
x.__setitem__(torch.tensor([2]), 0.0) -> IndexError: index 2 is out of bounds for axis 0 with size 2
x.__setitem__(x > 0, torch.ones(4)) -> RuntimeError: shape mismatch: value tensor of shape [4] cannot be
x.__setitem__(torch.ones(4) > 0, 1.0) -> IndexError: The shape of the mask [4] at index 0 does not match the
x.__setitem__((0, 0, 0), 1.0) -> IndexError: too many indices for tensor of dimension 2: got 3
i.__setitem__(0, nan) -> RuntimeError: setitem: value nan cannot be converted to int64 without
i.__setitem__(0, inf) -> RuntimeError: setitem: value inf cannot be converted to int64 without
i.__setitem__(0, 2 ** 70) -> RuntimeError: setitem: value 1180591620717411303424 cannot be converted | torch: ValueError
w.__setitem__(0, 1.0) -> RuntimeError: a view of a leaf Variable that requires grad is being used
x.__setitem__(slice(None, None, -1), 0.0) -> ValueError: slice step must be positive, got -1
torch.gather(x, 0, torch.tensor([0])) -> RuntimeError: gather: expected an index of 2 dimensions, as the input,
torch.gather(x, 0, torch.tensor([[5]])) -> RuntimeError: gather: index out of range: expected 0 <= index < 2, got 5
torch.gather(x, 0, torch.tensor([[-1]])) -> RuntimeError: gather: index out of range: expected 0 <= index < 2, got -1
torch.gather(x, 3, torch.tensor([[0]])) -> IndexError: gather: Dimension out of range (expected to be in range of
torch.gather(x, 0, torch.tensor([[0.5]])) -> RuntimeError: gather(): expected dtype int32 or int64 for index, got
torch.gather(x, 0, [[0]]) -> TypeError: gather(): expected index to be a Tensor, got list
torch.gather([1], 0, torch.tensor([0])) -> TypeError: gather(): expected a Tensor, got list
torch.gather(x, 0, torch.zeros(1, 9, dtype=torch.int64)) -> RuntimeError: gather: expected index [1, 9] to be no larger
x.gather(1, torch.tensor([[3], [0]])) -> RuntimeError: gather: index out of range: expected 0 <= index < 3, got 3
torch.scatter(x, 0, torch.tensor([[5]]), 1.0) -> RuntimeError: scatter: index out of range: expected 0 <= index < 2, got 5
torch.scatter(x, 0, torch.tensor([[0]]), "a") -> TypeError: scatter(): expected src to be a Tensor or value a number,
torch.scatter(x, 0, torch.tensor([[0, 1, 1, 1]]), x) -> RuntimeError: scatter: expected index [1, 4] to be no larger than
torch.scatter(x, 0, torch.tensor([[0]]), i.reshape(1, 3)) -> RuntimeError: scatter: expected one dtype, got float32 and
torch.scatter(x, 0, torch.tensor([[0.5]]), x) -> RuntimeError: scatter(): expected dtype int32 or int64 for index, got
torch.scatter([1], 0, torch.tensor([0]), x) -> TypeError: scatter(): expected a Tensor, got list
torch.scatter_add(x, 0, torch.tensor([[7]]), x) -> RuntimeError: scatter_add: index out of range: expected 0 <= index < 2,
torch.scatter_add(x, 0, torch.tensor([[0]]), 1.0) -> TypeError: scatter_add(): expected src to be a Tensor, got float
torch.scatter_add(x, 0, torch.tensor([[0]]), x.double()) -> RuntimeError: scatter_add: expected one dtype, got float32 and
torch.scatter_add([1], 0, torch.tensor([[0]]), x) -> TypeError: scatter_add(): expected a Tensor, got list
torch.index_select(x, 0, torch.tensor([5])) -> IndexError: index_select: index out of range: expected 0 <= index < 2,
torch.index_select(x, 0, torch.tensor([-1])) -> IndexError: index_select: index out of range: expected 0 <= index < 2,
torch.index_select(x, 0, torch.tensor([[0]])) -> IndexError: index_select(): Index is supposed to be a vector, got shape
torch.index_select(x, 4, torch.tensor([0])) -> IndexError: index_select: Dimension out of range (expected to be in
torch.index_select(x, 0, [0]) -> TypeError: index_select(): expected index to be a Tensor, got list
torch.index_select([1], 0, torch.tensor([0])) -> TypeError: index_select(): expected a Tensor, got list
torch.index_select(x, 0, torch.tensor([0.0])) -> RuntimeError: index_select(): expected dtype int32 or int64 for index,
torch.index_add(x, 0, torch.tensor([5]), x) -> RuntimeError: index_add: expected source of shape [1, 3], got [2, 3]
torch.index_add(x, 0, torch.tensor([0]), x) -> RuntimeError: index_add: expected source of shape [1, 3], got [2, 3]
torch.index_add(x, 0, torch.tensor([0]), 1.0) -> TypeError: index_add(): expected a Tensor, got float
torch.index_add([1], 0, torch.tensor([0]), x) -> TypeError: index_add(): expected a Tensor, got list
torch.index_copy(x, 0, torch.tensor([5]), x[:1]) -> IndexError: index_copy: index out of range: expected 0 <= index < 2,
torch.index_copy(x, 0, torch.tensor([0]), x) -> RuntimeError: index_copy: expected source of shape [1, | torch: IndexError
torch.index_copy(x, 0, torch.tensor([0]), 1.0) -> TypeError: index_copy(): expected a Tensor, got float
torch.index_fill(x, 0, torch.tensor([5]), 1.0) -> IndexError: index_fill: expected -2 <= index < 2, got 5
torch.index_fill(x, 0, torch.tensor([0]), "a") -> TypeError: index_fill(): expected value to be a number or a 0-d
torch.index_fill(x, 0, [0], 1.0) -> TypeError: index_fill(): expected index to be a Tensor, got list
torch.index_fill([1], 0, torch.tensor([0]), 1.0) -> TypeError: index_fill(): expected a Tensor, got list
torch.masked_select(x, x) -> RuntimeError: masked_select: expected BoolTensor for mask, got float32
torch.masked_select(x, torch.ones(4) > 0) -> RuntimeError: broadcast_tensors: expected sizes that match or are 1, got
torch.masked_select([1], x > 0) -> TypeError: masked_select(): expected a Tensor, got list
torch.masked_select(x, [True]) -> TypeError: masked_select(): expected a Tensor, got list
torch.take(x, torch.tensor([6])) -> IndexError: index 6 is out of bounds for axis 0 with size 6
torch.take(x, torch.tensor([-7])) -> IndexError: index -7 is out of bounds for axis 0 with size 6
torch.take(x, [0]) -> TypeError: take(): expected index to be a Tensor, got list
torch.take([1], torch.tensor([0])) -> TypeError: take(): expected a Tensor, got list
torch.take(x, torch.tensor([0.5])) -> RuntimeError: take(): expected dtype int32 or int64 for index, got float32
torch.take_along_dim(x, torch.tensor([0]), 0) -> RuntimeError: take_along_dim: expected input and indices of one rank, got
torch.take_along_dim(x, [0]) -> TypeError: take_along_dim(): expected a Tensor, got list
torch.take_along_dim([1], torch.tensor([0])) -> TypeError: take_along_dim(): expected a Tensor, got list
torch.nonzero([1]) -> TypeError: nonzero(): expected a Tensor, got list
torch.nonzero("a") -> TypeError: nonzero(): expected a Tensor, got str
torch.argwhere([1]) -> TypeError: argwhere(): expected a Tensor, got list
iter(s) -> TypeError: iteration over a 0-d tensor
""",
    "linalg": r"""
x @ x -> RuntimeError: matmul: mat1 and mat2 shapes cannot be multiplied, got (2,
x @ "a" -> TypeError: matmul(): expected Tensors, got str
x @ 2 -> TypeError: matmul(): expected Tensors, got int
2 @ x -> TypeError: matmul(): expected Tensors, got int
x @ None -> TypeError: matmul(): expected Tensors, got NoneType
torch.matmul(x, [1]) -> TypeError: matmul(): expected Tensors, got list
torch.matmul([1], x) -> TypeError: matmul(): expected Tensors, got list
torch.matmul(s, x) -> RuntimeError: both arguments to matmul need to be at least 1D, but they
torch.matmul(x, i) -> RuntimeError: matmul: expected both operands to have one dtype, but got:
torch.matmul(x, x.double().t()) -> RuntimeError: matmul: expected both operands to have one dtype, but got:
torch.matmul(v, torch.ones(4)) -> RuntimeError: matmul: mat1 and mat2 shapes cannot be multiplied, got (3,)
torch.matmul(torch.ones(2, 3, 4), torch.ones(3, 4, 5)) -> RuntimeError: matmul: batch dimensions do not broadcast, got
torch.mm(x, x) -> RuntimeError: matmul: mat1 and mat2 shapes cannot be multiplied, got (2,
torch.mm(x, v) -> RuntimeError: mm: expected 2-D and 2-D tensors, got (2, 3) and (3,)
torch.mm([1], x) -> TypeError: mm(): expected a Tensor, got list
torch.mm(x, 2) -> TypeError: mm(): expected a Tensor, got int
torch.mm(i.reshape(1, 3), x.t()) -> RuntimeError: matmul: expected both operands to have one dtype, but got:
torch.mv(x, x) -> RuntimeError: mv: expected 2-D and 1-D tensors, got (2, 3) and (2, 3)
torch.mv(x, torch.ones(4)) -> RuntimeError: matmul: mat1 and mat2 shapes cannot be multiplied, got (2,
torch.mv([1], v) -> TypeError: mv(): expected a Tensor, got list
torch.bmm(x, x) -> RuntimeError: bmm: expected 3-D and 3-D tensors and one batch size, got
torch.bmm(torch.ones(2, 2, 2), torch.ones(3, 2, 2)) -> RuntimeError: bmm: expected 3-D and 3-D tensors and one batch size,
torch.bmm(torch.ones(2, 2, 3), torch.ones(2, 2, 3)) -> RuntimeError: matmul: mat1 and mat2 shapes cannot be multiplied,
torch.bmm([1], x) -> TypeError: bmm(): expected a Tensor, got list
torch.dot(x, x) -> RuntimeError: dot: expected 1-D and 1-D tensors, got (2, 3) and (2, 3)
torch.dot(v, torch.ones(4)) -> RuntimeError: matmul: mat1 and mat2 shapes cannot be multiplied, got (3,)
torch.dot(v, i) -> RuntimeError: matmul: expected both operands to have one dtype, but got:
torch.dot([1], v) -> TypeError: dot(): expected a Tensor, got list
torch.dot(v, 2.0) -> TypeError: dot(): expected a Tensor, got float
torch.inner(x, torch.ones(4)) -> RuntimeError: inner() the last dimension must match on both input tensors
torch.inner(x, [1]) -> TypeError: inner(): expected a Tensor, got list
torch.outer(x, v) -> RuntimeError: outer: expected two 1-D tensors, got shapes (2, 3) and (3,)
torch.outer([1], v) -> TypeError: outer(): expected a Tensor, got list
torch.addmm(x, x, x) -> RuntimeError: matmul: mat1 and mat2 shapes cannot be multiplied, got (2,
torch.addmm(torch.ones(5), x, x.t()) -> RuntimeError: expand: the requested sizes [2, 2] do not fit a tensor of
torch.addmm(1.0, x, x.t()) -> TypeError: addmm(): expected a Tensor, got float
torch.addmm(x, x, 2) -> TypeError: addmm(): expected a Tensor, got int
torch.addmv(v, x, v) -> RuntimeError: expand: the requested sizes [2] do not fit a tensor of
torch.addmv(v, x, x) -> RuntimeError: mv: expected 2-D and 1-D tensors, got (2, 3) and (2, 3)
torch.baddbmm(x, x, x) -> RuntimeError: bmm: expected 3-D and 3-D tensors and one batch size, got | torch: IndexError
torch.einsum("ij,jk", x, x) -> RuntimeError: einsum(): 'j' has size 2, which does not broadcast with 3
torch.einsum("ij,jk->il", x, x.t()) -> RuntimeError: einsum(): the output must name dimensions of the operands,
torch.einsum("ijk", x) -> RuntimeError: einsum(): 'ijk' does not match the number of dimensions of
torch.einsum("ij", x, x) -> RuntimeError: einsum(): 'ij' names 1 operands, but 2 were provided
torch.einsum(3, x) -> TypeError: einsum(): expected the equation as text, got int
torch.einsum("i$", x) -> RuntimeError: einsum(): expected letters and one '...' at most, got 'i$'
torch.einsum("i- >i", x[0]) -> RuntimeError: einsum(): expected no space within '->' and '...'
torch.einsum("i. ..->i", x) -> RuntimeError: einsum(): expected no space within '->' and '...'
torch.einsum("ij->ijj", x) -> RuntimeError: einsum(): the output must name dimensions of the operands,
torch.einsum("ij", [1]) -> TypeError: einsum(): expected Tensor as element 0, but got int
torch.einsum("ij->k", x) -> RuntimeError: einsum(): the output must name dimensions of the operands,
torch.einsum("", x) -> RuntimeError: einsum(): '' does not match the number of dimensions of its
torch.einsum("ij->i->j", x) -> RuntimeError: einsum(): expected letters and one '...' at most, got
torch.autograd.grad(x.sum(), x) -> RuntimeError: One of the differentiated Tensors does not require grad
torch.autograd.grad(w, w) -> RuntimeError: grad can be implicitly created only for scalar outputs:
torch.autograd.grad(w.sum(), 3) -> TypeError: grad: expected Tensors, got int
torch.autograd.grad(3, w) -> TypeError: grad: expected Tensors, got int
torch.autograd.grad(w.sum(), []) -> RuntimeError: `inputs` argument to `grad()` cannot be empty.
torch.autograd.grad(w.sum(), w, torch.ones(2)) -> RuntimeError: Mismatch in shape: grad_output[0] has a shape of (2,) and
torch.autograd.grad(w.sum(), w, "a") -> TypeError: grad: gradients can be either Tensors or None, but got str
torch.autograd.grad(w.sum(), [torch.ones(2, requires_grad=True)]) -> RuntimeError: One of the differentiated Tensors
torch.autograd.backward("a") -> TypeError: backward: expected Tensors, got str | torch: AssertionError
torch.autograd.backward(x) -> RuntimeError: element 0 of tensors does not require grad and does not
w.backward() -> RuntimeError: grad can be implicitly created only for scalar outputs:
w.sum().backward(torch.ones(3)) -> RuntimeError: Mismatch in shape: grad_output[0] has a shape of (3,) and
w.sum().backward("a") -> TypeError: backward: gradients can be either Tensors or None, but got
w.sum().backward(3.0) -> TypeError: backward: gradients can be either Tensors or None, but got
w.sum().backward(inputs=[]) -> RuntimeError: `inputs` argument to `backward()` cannot be empty.
w.sum().backward(inputs=x) -> RuntimeError: backward: one of the inputs does not require grad
w.sum().backward(inputs="a") -> TypeError: backward: expected Tensors, got str | torch: RuntimeError
x.sum().backward() -> RuntimeError: element 0 of tensors does not require grad and does not
x.register_hook(print) -> RuntimeError: cannot register a hook on a tensor that doesn't require
w.register_hook(lambda g: 3) and w.sum().backward() -> TypeError: hook <function <lambda>
w.register_hook(lambda g: g[0]) and w.sum().backward() -> RuntimeError: hook <function <lambda>
x.retain_grad() -> RuntimeError: can't retain_grad on Tensor that has requires_grad=False
setattr(w, "grad", 3) -> TypeError: assigned grad expected to be a Tensor or None but got grad
setattr(w, "grad", torch.ones(2)) -> RuntimeError: assigned grad has data of shape (2,) and dtype float32,
setattr(w, "grad", torch.ones(2, 3, dtype=torch.float64)) -> RuntimeError: assigned grad has data of shape (2, 3) and
setattr(w, "data", 3) -> TypeError: Variable data has to be a tensor, but got int
setattr(w, "requires_grad", "a") -> RuntimeError: requires_grad must be a bool, got str
setattr(w * 2, "requires_grad", False) -> RuntimeError: you can only change requires_grad flags of leaf variables.
w[0].detach_() -> RuntimeError: Can't detach views in-place. Use detach() instead.
torch.set_grad_enabled("a") -> TypeError: set_grad_enabled(): expected a bool, got 'a'
torch.autograd.gradcheck(lambda a: a * 2, x.double()) -> ValueError: gradcheck expects at least one input tensor to require
torch.autograd.gradcheck(lambda a: 3, w.detach().double().requires_grad_()) -> AttributeError: 'int' object has no
""",
    "functional": r"""
F.linear([1.0], x) -> TypeError: linear(): expected a Tensor, got list
F.linear(x, x, torch.ones(5)) -> RuntimeError: linear: expected a bias of shape (2,), got (5,)
F.linear(x, torch.ones(2, 4)) -> RuntimeError: linear: mat1 and mat2 shapes cannot be multiplied, got
F.linear(x, x.double()) -> RuntimeError: linear: expected input, weight and bias to have the same
F.linear(x, 3) -> TypeError: linear(): expected a Tensor, got int
F.linear(x, x, 1.0) -> TypeError: linear(): expected a Tensor, got float
F.relu([1.0]) -> TypeError: relu(): expected a Tensor, got list
F.leaky_relu(x, "a") -> TypeError: leaky_relu(): expected a Tensor or a number, got str
F.leaky_relu(i) -> RuntimeError: leaky_relu: expected an input of a floating dtype, got int64
F.leaky_relu([1.0]) -> TypeError: leaky_relu(): expected input to be a Tensor, got list
F.prelu(x, torch.ones(2)) -> RuntimeError: prelu: expected a weight of 1 element or of the 3 channels
F.prelu(x, 0.1) -> TypeError: prelu(): expected a Tensor, got float
F.prelu(x, torch.ones(1).double()) -> RuntimeError: prelu: Type promoting not supported. Got float32 and float64
F.threshold(x, "a", 0) -> TypeError: threshold(): expected a Tensor or a number, got str
F.threshold([1.0], 0, 0) -> TypeError: threshold(): expected input to be a Tensor, got list
F.hardtanh(x, 1, -1) -> ValueError: hardtanh: min_val cannot be greater than max_val, got 1 and
F.hardtanh([1.0]) -> TypeError: hardtanh(): expected a Tensor, got list
F.hardtanh(b) -> RuntimeError: hardtanh: Bool inputs not supported for hardtanh
F.elu(i) -> RuntimeError: elu: expected an input of a floating dtype, got int64
F.elu(x, "a") -> TypeError: elu(): expected a Tensor or a number, got str
F.celu(x, 0) -> RuntimeError: celu: alpha cannot be 0 for CELU
F.softplus(i) -> RuntimeError: softplus: expected an input of a floating dtype, got int64
F.softplus(x, "a") -> TypeError: softplus(): expected a Tensor or a number, got str
F.silu([1.0]) -> TypeError: silu(): expected input to be a Tensor, got list
F.mish(i) -> RuntimeError: mish: expected an input of a floating dtype, got int64
F.gelu(i) -> RuntimeError: gelu: expected an input of a floating dtype, got int64
F.gelu(x, "foo") -> RuntimeError: gelu: approximate argument must be either none or tanh, got | torch: TypeError
F.gelu([1.0]) -> TypeError: gelu(): expected input to be a Tensor, got list
F.glu(x) -> RuntimeError: glu: Halving dimension must be even, but dimension -1 of
F.glu(x, 5) -> IndexError: glu: Dimension out of range (expected to be in range of
F.glu(torch.ones(2, 2), "a") -> TypeError: glu(): expected an int, got 'a'
F.glu(s) -> RuntimeError: glu: Halving dimension must be even, but dimension -1 of
F.softmax(x, 3) -> IndexError: softmax: Dimension out of range (expected to be in range of
F.softmax([1.0], 0) -> TypeError: softmax(): expected a Tensor, got list | torch: AttributeError
F.softmin(x, 5) -> IndexError: softmax: Dimension out of range (expected to be in range of
F.softmin([1.0], 0) -> TypeError: softmin(): expected input to be a Tensor, got list
F.log_softmax(i, 0) -> RuntimeError: log_softmax(): expected a floating point dtype, got int64;
F.logsigmoid([1.0]) -> TypeError: logsigmoid(): expected a Tensor, got list
F.softsign([1.0]) -> TypeError: softsign(): expected a Tensor, got list | torch: AttributeError
F.tanhshrink([1.0]) -> TypeError: tanhshrink(): expected a Tensor, got list | torch: AttributeError
F.one_hot(torch.tensor([-1])) -> RuntimeError: one_hot: Class values must be non-negative and smaller than
F.one_hot(torch.tensor([3]), 2) -> RuntimeError: one_hot: Class values must be non-negative and smaller than
F.one_hot(v) -> RuntimeError: one_hot is only applicable to index tensor of type int64,
F.one_hot([1]) -> TypeError: one_hot(): expected a Tensor, got list
F.one_hot(i, "a") -> TypeError: one_hot(): expected an int, got 'a'
F.one_hot(i, -5) -> RuntimeError: one_hot: Class values must be non-negative and smaller than
F.embedding(torch.tensor([5]), x) -> IndexError: embedding: index out of range in self: expected 0 <= index
F.embedding(torch.tensor([-1]), x) -> IndexError: embedding: index out of range in self: expected 0 <= index
F.embedding(v, x) -> RuntimeError: embedding: expected indices of dtype int64 or int32, got
F.embedding([1], x) -> TypeError: embedding(): expected a Tensor, got list
F.embedding(torch.tensor([0]), v) -> RuntimeError: embedding: 'weight' must be 2-D, got shape (3,)
F.embedding(torch.tensor([0]), [1.0]) -> TypeError: embedding(): expected a Tensor, got list
F.embedding(torch.tensor([0]), x, padding_idx=9) -> AssertionError: Padding_idx must be within num_embeddings, got 9 and 2
F.dropout(x, -0.1) -> ValueError: dropout: dropout probability has to be between 0 and 1, but
F.dropout(x, 1.5) -> ValueError: dropout: dropout probability has to be between 0 and 1, but
F.dropout(x, nan) -> ValueError: dropout: dropout probability has to be between 0 and 1, but | torch: RuntimeError
F.dropout(x, "a") -> TypeError: dropout(): expected the probability as a number, got 'a'
F.dropout([1.0]) -> TypeError: dropout(): expected input to be a Tensor, got list
F.dropout(i) -> RuntimeError: dropout: expected an input of a floating dtype, got int64
F.dropout1d(v) -> RuntimeError: dropout1d: Expected 2D or 3D input, but received a 1D input.
F.dropout2d(v) -> RuntimeError: dropout2d: Feature dropout requires at least 2 dimensions
F.mse_loss(x, torch.ones(4)) -> RuntimeError: sub: The size of tensor a (3) must match the size of tensor
F.mse_loss(x, 1.0) -> TypeError: mse_loss(): expected target to be a Tensor, got float | torch: AttributeError
F.mse_loss([1.0], x) -> TypeError: mse_loss(): expected input to be a Tensor, got list | torch: AttributeError
F.mse_loss(x, x, reduction="foo") -> ValueError: mse_loss: foo is not a valid value for reduction
F.mse_loss(i, i) -> RuntimeError: mse_loss: expected an input of a floating dtype, got int64
F.l1_loss(x, "a") -> TypeError: l1_loss(): expected target to be a Tensor, got str | torch: AttributeError
F.huber_loss(x, x, delta=0) -> RuntimeError: huber_loss does not support non-positive values for delta,
F.huber_loss(x, x, delta=-1.0) -> RuntimeError: huber_loss does not support non-positive values for delta,
F.huber_loss(x, x, delta="a") -> TypeError: huber_loss(): expected a Tensor or a number, got str
F.smooth_l1_loss(x, x, beta=-1) -> RuntimeError: smooth_l1_loss does not support negative values for beta,
F.smooth_l1_loss(x, x, reduction="foo") -> ValueError: smooth_l1_loss: foo is not a valid value for reduction
F.nll_loss(x, torch.tensor([0, 3])) -> IndexError: nll_loss: Target 3 is out of bounds for 3 classes
F.nll_loss(x, torch.tensor([0, -1])) -> IndexError: nll_loss: Target -1 is out of bounds for 3 classes
F.nll_loss(x, torch.tensor([0])) -> ValueError: nll_loss: Expected input batch_size to match target
F.nll_loss(x, torch.tensor([0.0, 1.0])) -> RuntimeError: nll_loss: expected target dtype to be int64 or uint8, but
F.nll_loss(x, torch.tensor([0, 1]), weight=torch.ones(2)) -> RuntimeError: nll_loss: weight tensor should be defined
F.nll_loss(x, torch.tensor([0, 1]), reduction="foo") -> ValueError: nll_loss: foo is not a valid value for reduction
F.nll_loss(x, [0, 1]) -> TypeError: nll_loss(): expected a Tensor, got list
F.nll_loss([1.0], torch.tensor([0])) -> TypeError: nll_loss(): expected input to be a Tensor, got list
F.nll_loss(x, torch.tensor([[0], [1]])) -> RuntimeError: nll_loss: Expected target size [2], got [2, 1]
F.cross_entropy(x, torch.tensor([0, 3])) -> IndexError: cross_entropy: Target 3 is out of bounds for 3 classes
F.cross_entropy(x, torch.tensor([0, -1])) -> IndexError: cross_entropy: Target -1 is out of bounds for 3 classes
F.cross_entropy(x, torch.tensor([0, 1, 2])) -> ValueError: cross_entropy: Expected input batch_size to match target
F.cross_entropy(x, torch.tensor([0, 1], dtype=torch.int32)) -> RuntimeError: cross_entropy: expected target dtype to be
F.cross_entropy(x, torch.tensor([0.0, 1.0])) -> RuntimeError: cross_entropy: expected target dtype to be int64 or uint8,
F.cross_entropy(x, [0, 1]) -> TypeError: cross_entropy(): expected a Tensor, got list
F.cross_entropy([[1.0]], torch.tensor([0])) -> TypeError: cross_entropy(): expected a Tensor, got list
F.cross_entropy(x, torch.tensor([0, 1]), weight=torch.ones(2)) -> RuntimeError: cross_entropy: weight tensor should be
F.cross_entropy(x, torch.tensor([0, 1]), weight=[1.0, 1.0, 1.0]) -> TypeError: cross_entropy(): expected a Tensor, got list
F.cross_entropy(x, torch.tensor([0, 1]), reduction="foo") -> ValueError: cross_entropy: foo is not a valid value for
F.cross_entropy(x, torch.tensor([0, 1]), label_smoothing=1.5) -> RuntimeError: cross_entropy: label_smoothing must be
F.cross_entropy(x, torch.tensor([0, 1]), label_smoothing="a") -> TypeError: cross_entropy(): expected a Tensor or a
F.cross_entropy(s, torch.tensor(0)) -> ValueError: cross_entropy: Expected 1 or more dimensions (got | torch: RuntimeError
F.cross_entropy(i, torch.tensor(0)) -> RuntimeError: cross_entropy: expected an input of a floating dtype, got
F.cross_entropy(x, torch.ones(2, 4)) -> RuntimeError: cross_entropy: expected target dtype to be int64 or uint8,
F.kl_div(x, [1.0]) -> TypeError: kl_div(): expected input to be a Tensor, got list
F.kl_div(x, x, reduction="foo") -> ValueError: kl_div: foo is not a valid value for reduction
F.kl_div(x, torch.ones(4)) -> RuntimeError: mul: The size of tensor a (4) must match the size of tensor
F.binary_cross_entropy(x, x) -> RuntimeError: binary_cross_entropy: all elements of input should be
F.binary_cross_entropy(torch.tensor([nan]), torch.tensor([1.0])) -> RuntimeError: binary_cross_entropy: all elements of
F.binary_cross_entropy(torch.ones(2), torch.ones(3)) -> ValueError: binary_cross_entropy: Target size (minigrad.Size([3]))
F.binary_cross_entropy(torch.ones(2), 1.0) -> TypeError: binary_cross_entropy(): expected input to | torch: AttributeError
F.binary_cross_entropy(torch.ones(2), i[:2]) -> RuntimeError: binary_cross_entropy: expected an input of a floating
F.binary_cross_entropy_with_logits(x, torch.ones(4)) -> ValueError: binary_cross_entropy_with_logits: Target size
F.binary_cross_entropy_with_logits(x, [1.0]) -> TypeError: binary_cross_entropy_with_logits(): | torch: AttributeError
F.binary_cross_entropy_with_logits(x, x, weight=torch.ones(4)) -> RuntimeError: mul: The size of tensor a (3) must match
F.binary_cross_entropy_with_logits(x, x, pos_weight=torch.ones(4)) -> RuntimeError: mul: The size of tensor a (4) must
F.cosine_similarity(x, [1.0]) -> TypeError: broadcast_tensors(): expected Tensor as element 1, but got
F.cosine_similarity(x, torch.ones(4)) -> RuntimeError: broadcast_tensors: expected sizes that match or are 1, got
F.cosine_similarity(x, x, dim=5) -> IndexError: vector_norm: Dimension out of range (expected to be in
F.cosine_similarity(i, i, dim=0) -> RuntimeError: vector_norm: Expected a floating point tensor as input. Got
F.normalize([1.0]) -> TypeError: normalize(): expected a Tensor, got list | torch: AttributeError
F.normalize(x, dim=7) -> IndexError: vector_norm: Dimension out of range (expected to be in
F.normalize(i, dim=0) -> RuntimeError: vector_norm: Expected a floating point tensor as input. Got
F.normalize(x, p="a") -> RuntimeError: norm: Order a not supported: expected a number or 'fro'
F.pairwise_distance(x, torch.ones(4)) -> RuntimeError: sub: The size of tensor a (3) must match the size of tensor
F.pairwise_distance(x, [1.0]) -> TypeError: sub(): expected a Tensor or a number, got list
F.layer_norm(x, (4,)) -> RuntimeError: layer_norm: Given normalized_shape=[4], expected input with
F.layer_norm(x, ()) -> RuntimeError: layer_norm: Expected normalized_shape to be at least
F.layer_norm(x, "a") -> TypeError: layer_norm(): expected normalized_shape as a tuple of ints
F.layer_norm(x, 3) -> TypeError: layer_norm(): expected normalized_shape as a tuple of ints, got 3
F.layer_norm(i, (3,)) -> RuntimeError: layer_norm: expected an input of a floating dtype, got int64
F.layer_norm([1.0], (1,)) -> TypeError: layer_norm(): expected a Tensor, got list
F.layer_norm(x, (3,), torch.ones(2)) -> RuntimeError: layer_norm: Expected weight to be of same shape as
F.layer_norm(x, (3,), torch.ones(3).double()) -> RuntimeError: layer_norm: Expected weight to be of same shape as
F.rms_norm(x, (4,)) -> RuntimeError: rms_norm: Given normalized_shape=[4], expected input with
F.rms_norm(i, (3,)) -> RuntimeError: rms_norm: expected an input of a floating dtype, got int64
F.batch_norm(x, torch.zeros(2), torch.ones(2)) -> RuntimeError: batch_norm: running_mean should contain 3 elements of
F.batch_norm(x, None, None) -> RuntimeError: batch_norm: running_mean and running_var must be defined in
F.batch_norm(v, None, None, training=True) -> IndexError: batch_norm: expected an input of 2 dimensions or more, got
F.batch_norm(x[:1], None, None, training=True) -> ValueError: batch_norm: Expected more than 1 value per channel when
F.batch_norm([1.0], None, None, training=True) -> TypeError: batch_norm(): expected a Tensor, got | torch: AttributeError
F.batch_norm(x, None, None, torch.ones(2), training=True) -> RuntimeError: batch_norm: weight should contain 3 elements of
F.batch_norm(i.reshape(1, 3), None, None, training=True) -> RuntimeError: batch_norm: expected an | torch: ValueError
F.batch_norm(x, [0.0], [1.0]) -> TypeError: batch_norm(): expected a Tensor, got list
F.instance_norm(x) -> ValueError: instance_norm: Expected more than 1 spatial element when
F.instance_norm(v) -> IndexError: instance_norm: expected an input of 2 dimensions or more, | torch: ValueError
F.instance_norm(image, torch.zeros(5), torch.zeros(5)) -> RuntimeError: instance_norm: running_mean should contain 2
F.group_norm(x, 2) -> RuntimeError: group_norm: Expected number of channels in input to be
F.group_norm(x, 0) -> RuntimeError: group_norm: Expected number of channels in input to be | torch: ZeroDivisionError
F.group_norm(x, -1) -> RuntimeError: group_norm: Expected number of channels in input to be
F.group_norm(v, 1) -> RuntimeError: group_norm: Expected at least 2 dimensions for input but
F.group_norm(x, 1.5) -> TypeError: group_norm(): expected an int, got 1.5
F.group_norm([1.0], 1) -> TypeError: group_norm(): expected a Tensor, got list | torch: AttributeError
F.conv2d(image, torch.ones(3, 2, 5, 5)) -> RuntimeError: conv2d: Calculated padded input size per channel: (4 x 4).
F.conv2d(image, torch.ones(3, 3, 1, 1)) -> RuntimeError: conv2d: Given groups=1, weight of size [3, 3, 1, 1],
F.conv2d(x, torch.ones(3, 2, 1, 1)) -> RuntimeError: Expected 3D (unbatched) or 4D (batched) input to conv2d,
F.conv2d(image, torch.ones(3, 2, 1)) -> RuntimeError: conv2d: expected a 4D weight, but got weight of size: [3,
F.conv2d(image, torch.ones(3, 2, 1, 1), torch.ones(2)) -> RuntimeError: Given weight of size [3, 2, 1, 1], expected bias
F.conv2d(image, torch.ones(3, 2, 1, 1), stride=0) -> RuntimeError: non-positive stride is not supported
F.conv2d(image, torch.ones(3, 2, 1, 1), stride=-1) -> RuntimeError: non-positive stride is not supported
F.conv2d(image, torch.ones(3, 2, 1, 1), stride=(1, 1, 1)) -> RuntimeError: expected stride to be a single integer value or
F.conv2d(image, torch.ones(3, 2, 1, 1), stride="a") -> TypeError: expected stride to be an int or a tuple of 2 ints, got
F.conv2d(image, torch.ones(3, 2, 1, 1), stride=1.5) -> TypeError: expected stride to be an int or a tuple of 2 ints, got
F.conv2d(image, torch.ones(3, 2, 1, 1), padding=-1) -> RuntimeError: negative padding is not supported
F.conv2d(image, torch.ones(3, 2, 1, 1), padding="foo") -> RuntimeError: Invalid padding string: 'foo'
F.conv2d(image, torch.ones(3, 2, 1, 1), stride=2, padding="same") -> RuntimeError: padding='same' is not supported for
F.conv2d(image, torch.ones(3, 2, 1, 1), dilation=0) -> RuntimeError: non-positive dilation is not supported
F.conv2d(image, torch.ones(3, 2, 1, 1), groups=2) -> RuntimeError: Given groups=2, expected weight to be divisible by 2 at
F.conv2d(image, torch.ones(3, 2, 1, 1), groups=0) -> RuntimeError: non-positive groups is not supported
F.conv2d(image, torch.ones(3, 2, 1, 1).double()) -> RuntimeError: conv2d: expected input, weight and bias to have the same
F.conv2d(image, 3) -> TypeError: conv2d(): argument 'weight' must be Tensor, not int
F.conv2d([1.0], torch.ones(3, 2, 1, 1)) -> TypeError: conv2d(): argument 'input' must be Tensor, not list
F.conv1d(x, torch.ones(1, 2, 9)) -> RuntimeError: conv1d: Calculated padded input size per channel: (3).
F.conv1d(v, torch.ones(1, 2, 9)) -> RuntimeError: Expected 2D (unbatched) or 3D (batched) input to conv1d,
F.conv3d(image, torch.ones(1, 2, 1, 1, 1)) -> RuntimeError: conv3d: Given groups=1, weight of size [1, 2, 1, 1, 1],
F.conv_transpose2d(image, torch.ones(3, 1, 2, 2)) -> RuntimeError: conv_transpose2d: Given groups=1, weight of size [3, 1,
F.conv_transpose2d(image, torch.ones(2, 1, 2, 2), output_padding=1) -> RuntimeError: conv_transpose2d: output padding must
F.conv_transpose1d(x, torch.ones(2, 1, 2), padding=9) -> RuntimeError: conv_transpose1d: Given input size per channel:
F.unfold(v, 2) -> RuntimeError: unfold: Expected 3D or 4D (batch mode) tensor with possibly | torch: IndexError
F.unfold(image, 9) -> RuntimeError: unfold: Given input with spatial size (4, 4),
F.unfold(image, 0) -> RuntimeError: unfold: kernel_size should be greater than zero, but got
F.fold(torch.ones(1, 3, 4), (4, 4), 2) -> RuntimeError: fold: Expected size of input's dimension 1 to be divisible
F.fold(torch.ones(1, 4, 4), (4, 4), 2) -> RuntimeError: fold: Given output_size=(4, 4), kernel_size=(2, 2),
F.max_pool2d(image, 9) -> RuntimeError: max_pool2d: Given input size: (2x4x4). Calculated output
F.max_pool2d(image, 0) -> RuntimeError: max_pool2d: kernel_size must be greater than zero, but got
F.max_pool2d(image, 2, -1) -> RuntimeError: max_pool2d: stride must be greater than zero, but got
F.max_pool2d(image, 2, padding=2) -> RuntimeError: max_pool2d: pad should be at most half of kernel size, but
F.max_pool2d(v, 2) -> RuntimeError: max_pool2d: Expected 3D or 4D (batch mode) tensor with
F.max_pool2d([1.0], 2) -> TypeError: max_pool2d(): expected a Tensor, got list
F.max_pool2d(image, "a") -> TypeError: expected kernel_size to be an int or a tuple of 2 ints, got
F.max_pool2d(image, (1, 2, 3)) -> RuntimeError: expected kernel_size to be a single integer value or a list
F.max_pool1d(x, 5) -> RuntimeError: max_pool1d: Given input size: (2x3). Calculated output
F.avg_pool2d(image, 0) -> RuntimeError: avg_pool2d: kernel_size must be greater than zero, but got
F.avg_pool2d(image, 2, padding=2) -> RuntimeError: avg_pool2d: pad should be at most half of kernel size, but
F.avg_pool2d(image.long(), 2) -> NotImplementedError: "avg_pool2d" not implemented for int64 | torch: none
F.avg_pool2d(image, 2, divisor_override=0) -> RuntimeError: avg_pool2d: divisor must be not zero
F.avg_pool1d(v, 2) -> RuntimeError: avg_pool1d: Expected 2D or 3D (batch mode) tensor with
F.adaptive_avg_pool2d(v, 2) -> RuntimeError: adaptive_avg_pool2d(): Expected 3D or 4D tensor, but got [3]
F.adaptive_avg_pool2d(image, -1) -> RuntimeError: adaptive_avg_pool2d: elements of output_size must be
F.adaptive_avg_pool1d(x, 10 ** 30) -> RuntimeError: adaptive_avg_pool1d: not enough memory for an | torch: ValueError
F.adaptive_avg_pool2d(image, "a") -> TypeError: adaptive_avg_pool2d(): expected an int, got 'a'
F.adaptive_max_pool1d(v, 2) -> RuntimeError: adaptive_max_pool1d(): Expected 2D or 3D tensor, but got [3]
F.adaptive_max_pool2d(image, (1, 2, 3)) -> RuntimeError: adaptive_max_pool2d: output_size must be 2, but got
F.pad(x, (1,)) -> RuntimeError: Padding length must be divisible by 2, got 1
F.pad(x, (1, 1, 1, 1, 1, 1)) -> RuntimeError: Padding length should be less than or equal to two times
F.pad(x, (-2, -2)) -> RuntimeError: pad: padding (-2, -2) cuts off more than dimension 1 of
F.pad(x, 3) -> TypeError: pad(): expected pad as a tuple of ints, got 3
F.pad(x, "a") -> TypeError: pad(): expected pad as a tuple of ints, got 'a'
F.pad(x, (1, 1), mode="foo") -> NotImplementedError: Unrecognised padding mode foo
F.pad(image, (5, 5, 0, 0), mode="reflect") -> RuntimeError: pad: in mode 'reflect', padding should be at most 3 at
F.pad(image, (5, 5, 0, 0), mode="circular") -> RuntimeError: pad: in mode 'circular', padding should be at most 4 at
F.pad(v, (1, 1), mode="reflect") -> NotImplementedError: pad: padding of 2 numbers in mode 'reflect' expects an
F.pad([1.0], (1, 1)) -> TypeError: pad(): expected a Tensor, got list
F.interpolate(v, 2) -> NotImplementedError: interpolate: Only 3D, 4D and 5D input Tensors supported
F.interpolate(image) -> ValueError: either size or scale_factor should be defined
F.interpolate(image, 2, 2) -> ValueError: only one of size or scale_factor should be defined
F.interpolate(image, (2, 2, 2)) -> ValueError: Input and size must have the same number of spatial
F.interpolate(image, 0) -> RuntimeError: Input and output sizes should be greater than 0, but got
F.interpolate(image, scale_factor=-1) -> RuntimeError: Input and output sizes should be greater than 0, but got
F.interpolate(image, 2, mode="foo") -> NotImplementedError: interpolate: Only 3D, 4D and 5D input Tensors supported
F.interpolate(image, 2, mode="linear") -> NotImplementedError: Got 4D input, but linear mode needs 3D input
F.interpolate([1.0], 2) -> TypeError: interpolate(): expected a Tensor, got list | torch: AttributeError
F.pixel_shuffle(image, 2) -> RuntimeError: pixel_shuffle expects its input's 'channel' dimension to be
F.pixel_shuffle(image, 0) -> RuntimeError: pixel_shuffle expects its input's 'channel' dimension to be
F.pixel_unshuffle(image, 3) -> RuntimeError: pixel_unshuffle expects height and width to be divisible by
F.pixel_shuffle(v, 2) -> RuntimeError: pixel_shuffle expects input to have at least 3 dimensions,
F.scaled_dot_product_attention(x, x, torch.ones(4, 3)) -> RuntimeError: matmul: mat1 and mat2 shapes cannot be multiplied,
F.scaled_dot_product_attention(x, torch.ones(2, 4), x) -> RuntimeError: matmul: mat1 and mat2 shapes cannot be multiplied,
F.scaled_dot_product_attention(x, x, x, attn_mask=torch.ones(5, 5)) -> RuntimeError: add: The size of tensor a (2) must
F.scaled_dot_product_attention(x, x, x, attn_mask=torch.ones(2, 2) > 0, is_causal=True) -> RuntimeError: scaled_dot_product
F.scaled_dot_product_attention(x, x, x, dropout_p=2.0) -> ValueError: scaled_dot_product_attention: | torch: RuntimeError
F.scaled_dot_product_attention([1.0], x, x) -> TypeError: scaled_dot_product_attention(): expected input to be a
F.scaled_dot_product_attention(x, x, x.double()) -> RuntimeError: matmul: expected both operands to have one dtype, but
F.scaled_dot_product_attention(v, v, v) -> RuntimeError: scaled_dot_product_attention: expected query, key and value
""",
    "nn": r"""
nn.Linear(-1, 2) -> RuntimeError: empty: Trying to create tensor with negative dimension in
nn.Linear("a", 2) -> TypeError: empty(): expected the size as a tuple of ints, got (2, 'a')
nn.Linear(2.5, 2) -> TypeError: empty(): expected the size as a tuple of ints, got (2, 2.5)
nn.Linear(3, 2, dtype=torch.int64) -> RuntimeError: only Tensors of floating point dtype can require gradients,
lin(torch.ones(2, 4)) -> RuntimeError: linear: mat1 and mat2 shapes cannot be multiplied, got
lin([1.0, 2.0, 3.0]) -> TypeError: linear(): expected a Tensor, got list
lin(np.ones((2, 3), np.float32)) -> TypeError: linear(): expected a Tensor, got ndarray
lin(i) -> RuntimeError: linear: expected input, weight and bias to have the same
lin(x.double()) -> RuntimeError: linear: expected input, weight and bias to have the same
lin(None) -> TypeError: linear(): expected a Tensor, got NoneType
lin("a") -> TypeError: linear(): expected a Tensor, got str
setattr(lin, "weight", 3) -> TypeError: cannot assign 'int' as parameter 'weight' (nn.Parameter or
setattr(lin, "weight", torch.ones(2, 3)) -> TypeError: cannot assign 'Tensor' as parameter 'weight' (nn.Parameter
lin.register_parameter("a.b", None) -> KeyError: 'parameter name can\'t contain ".", got: a.b'
lin.register_parameter("", None) -> KeyError: 'parameter name can\'t be empty string ""'
lin.register_parameter("w", x) -> TypeError: w: Tensor is not a Parameter: a parameter must be one, or
lin.register_parameter("in_features", None) -> KeyError: "attribute 'in_features' already exists"
lin.register_parameter(3, None) -> TypeError: parameter name should be a string. Got int
lin.register_parameter("w", w * 2) -> TypeError: w: Tensor is not a Parameter: a parameter must be one, or
lin.register_buffer("a.b", x) -> KeyError: 'buffer name can\'t contain ".", got: a.b'
lin.register_buffer("in_features", x) -> KeyError: "attribute 'in_features' already exists"
lin.register_buffer("c", 3) -> TypeError: c: int is not a Tensor: a buffer must be one, or None
lin.register_buffer(3, x) -> TypeError: buffer name should be a string. Got int
lin.add_module("a.b", lin) -> KeyError: 'module name can\'t contain ".", got: a.b'
lin.add_module("c", 3) -> TypeError: c: int is not a Module: a module must be one, or None
lin.add_module(3, lin) -> TypeError: module name should be a string. Got int
lin.add_module("in_features", lin) -> KeyError: "attribute 'in_features' already exists"
lin.load_state_dict({}) -> RuntimeError: Error(s) in loading state_dict for Linear:
lin.load_state_dict({"weight": x}) -> RuntimeError: Error(s) in loading state_dict for Linear:
lin.load_state_dict({"weight": torch.ones(3, 3), "bias": torch.ones(2)}) -> RuntimeError: Error(s) in loading state_dict
lin.load_state_dict({"weight": torch.ones(2, 3), "bias": torch.ones(2), "c": x}) -> RuntimeError: Error(s) in loading
lin.load_state_dict({"weight": 3, "bias": torch.ones(2)}) -> RuntimeError: Error(s) in loading state_dict for Linear:
lin.load_state_dict(3) -> TypeError: Expected state_dict to be dict-like, got <class 'int'>.
lin.load_state_dict([("weight", x)]) -> TypeError: Expected state_dict to be dict-like, got <class 'list'>.
lin.get_submodule("a") -> AttributeError: Linear has no attribute `a`
lin.get_parameter("a") -> AttributeError: Linear has no attribute `a`
lin.get_buffer("weight") -> AttributeError: `weight` is not a buffer
lin.train("a") -> ValueError: training mode is expected to be boolean
lin.to("foo") -> RuntimeError: device: expected cpu or cuda at the start of its name, got
lin.to(torch.int64) -> TypeError: nn.Module.to only accepts floating point dtypes, but got
lin.register_forward_hook(lambda m, a, o: 1/0) and lin(x) -> ZeroDivisionError: division by zero
nn.Module()(x) -> NotImplementedError: Module [Module] is missing the required "forward" function
nn.Parameter(3) -> TypeError: Parameter: expected a Tensor, got int | torch: AttributeError
nn.Parameter("a") -> TypeError: Parameter: expected a Tensor, got str | torch: AttributeError
nn.Parameter(i) -> RuntimeError: only Tensors of floating point dtype can require gradients,
nn.Parameter([1.0]) -> TypeError: Parameter: expected a Tensor, got list | torch: AttributeError
nn.Sequential(3) -> TypeError: 0: int is not a Module: a module must be one, or None
nn.Sequential(lin, "a") -> TypeError: 1: str is not a Module: a module must be one, or None
nn.Sequential([lin]) -> TypeError: 0: list is not a Module: a module must be one, or None
nn.Sequential(lin)[3] -> IndexError: index 3 is out of range for a Sequential of 1
nn.Sequential(lin).append(3) -> TypeError: 1: int is not a Module: a module must be one, or None
nn.Sequential(lin).insert(5, lin) -> IndexError: Index out of range: 5 for a Sequential of 1
nn.Sequential(lin, lin)(x) -> RuntimeError: linear: mat1 and mat2 shapes cannot be multiplied, got
nn.ModuleList([3]) -> TypeError: 0: int is not a Module: a module must be one, or None
nn.ModuleList(3) -> TypeError: ModuleList.extend should be called with an iterable, but
nn.ModuleList([lin])[1] -> IndexError: index 1 is out of range for a ModuleList of 1
nn.ModuleList([lin])(x) -> NotImplementedError: Module [ModuleList] is missing the required "forward"
nn.ModuleDict({"a": 3}) -> TypeError: a: int is not a Module: a module must be one, or None
nn.ModuleDict({"a": lin})["b"] -> KeyError: 'b'
nn.ModuleDict({3: lin}) -> TypeError: module name should be a string. Got int
nn.ParameterList([x])(x) -> NotImplementedError: Module [ParameterList] is missing the required "forward"
nn.Embedding(-1, 3) -> RuntimeError: empty: Trying to create tensor with negative dimension in
nn.Embedding(3, 2, padding_idx=5) -> AssertionError: Padding_idx must be within num_embeddings, got 5 and 3
nn.Embedding(3, 2)(torch.tensor([3])) -> IndexError: embedding: index out of range in self: expected 0 <= index
nn.Embedding(3, 2)(torch.tensor([-1])) -> IndexError: embedding: index out of range in self: expected 0 <= index
nn.Embedding(3, 2)(torch.tensor([1.0])) -> RuntimeError: embedding: expected indices of dtype int64 or int32, got
nn.Embedding(3, 2)([0]) -> TypeError: embedding(): expected a Tensor, got list
nn.Embedding(3, 2)(b) -> RuntimeError: embedding: expected indices of dtype int64 or int32, got
nn.Embedding.from_pretrained(v) -> AssertionError: Embeddings parameter is expected to be 2-dimensional, got
nn.Conv2d(3, 4, -1) -> RuntimeError: empty: Trying to create tensor with negative dimension in
nn.Conv2d(3, 4, 3, groups=2) -> ValueError: in_channels must be divisible by groups
nn.Conv2d(3, 4, 3, groups=0) -> ValueError: groups must be a positive integer
nn.Conv2d(3, 4, 3, padding="foo") -> ValueError: Invalid padding string 'foo', should be one of 'same',
nn.Conv2d(3, 4, 3, stride=2, padding="same") -> ValueError: padding='same' is not supported for strided convolutions
nn.Conv2d(3, 4, 3, padding_mode="foo") -> ValueError: padding_mode must be one of ('zeros', 'reflect',
nn.Conv2d(2, 4, 5)(image) -> RuntimeError: conv2d: Calculated padded input size per channel: (4 x 4).
nn.Conv2d(3, 4, 1)(image) -> RuntimeError: conv2d: Given groups=1, weight of size [4, 3, 1, 1],
nn.Conv2d(2, 4, 1)(v) -> RuntimeError: Expected 3D (unbatched) or 4D (batched) input to conv2d,
nn.Conv2d(2, 4, 1)([1.0]) -> TypeError: conv2d(): argument 'input' must be Tensor, not list
nn.Conv1d(2, 4, 1)(image) -> RuntimeError: Expected 2D (unbatched) or 3D (batched) input to conv1d,
nn.ConvTranspose2d(2, 3, 2, output_padding=3)(image) -> RuntimeError: conv_transpose2d: output padding must be smaller than
nn.BatchNorm1d(3)(image) -> ValueError: expected 2D or 3D input (got 4D input)
nn.BatchNorm1d(3)(x[:1]) -> ValueError: batch_norm: Expected more than 1 value per channel when
nn.BatchNorm1d(4)(x) -> RuntimeError: batch_norm: weight should contain 3 elements of float32,
nn.BatchNorm1d(3)([1.0]) -> TypeError: BatchNorm1d(): expected a Tensor, got list | torch: AttributeError
nn.BatchNorm2d(2)(x) -> ValueError: expected 4D input (got 2D input)
nn.BatchNorm2d(3)(image) -> RuntimeError: batch_norm: weight should contain 2 elements of float32,
nn.BatchNorm1d(-1) -> RuntimeError: zeros: Trying to create tensor with negative dimension in
nn.BatchNorm1d("a") -> TypeError: zeros(): expected the size as a tuple of ints, got ('a',)
nn.LayerNorm(4)(x) -> RuntimeError: layer_norm: Given normalized_shape=[4], expected input with
nn.LayerNorm(-1) -> RuntimeError: empty: Trying to create tensor with negative dimension in
nn.LayerNorm(3)(i) -> RuntimeError: layer_norm: expected an input of a floating dtype, got int64
nn.GroupNorm(2, 3) -> ValueError: num_channels (3) must be divisible by num_groups (2)
nn.GroupNorm(0, 3) -> ValueError: num_channels (3) must be divisible by num_groups (0) | torch: ZeroDivisionError
nn.GroupNorm(2, 4)(image) -> RuntimeError: group_norm: weight should contain 2 elements of float32,
nn.InstanceNorm2d(2)(x) -> ValueError: expected 3D or 4D input (got 2D input)
nn.RMSNorm(4)(x) -> RuntimeError: rms_norm: Given normalized_shape=[4], expected input with
nn.Dropout(1.5) -> ValueError: Dropout: dropout probability has to be between 0 and 1, but
nn.Dropout(-0.1) -> ValueError: Dropout: dropout probability has to be between 0 and 1, but
nn.Dropout("a") -> TypeError: Dropout(): expected the probability as a number, got 'a'
nn.Dropout(nan) -> ValueError: Dropout: dropout probability has to be between 0 and 1, but | torch: none
nn.Dropout(0.5)([1.0]) -> TypeError: dropout(): expected input to be a Tensor, got list
nn.Flatten(5)(x) -> IndexError: flatten: Dimension out of range (expected to be in range of
nn.Flatten(1, 0)(x) -> RuntimeError: flatten() has invalid args: start_dim 1 cannot come after
nn.Flatten()([1.0]) -> TypeError: Flatten(): expected a Tensor, got list | torch: AttributeError
nn.Unflatten(1, (2, 2))(x) -> RuntimeError: unflatten: sizes [2, 2] don't multiply up to dim 1 of shape
nn.Unflatten(1, 3) -> TypeError: unflattened_size must be a tuple of ints and dim an int,
nn.Unflatten("a", (1,)) -> TypeError: unflattened_size must be a tuple of ints and dim an int, | torch: none
nn.Softmax(dim=5)(x) -> IndexError: softmax: Dimension out of range (expected to be in range of
nn.PReLU(2)(x) -> RuntimeError: prelu: expected a weight of 1 element or of the 3 channels
nn.PReLU(-1) -> RuntimeError: full: Trying to create tensor with negative dimension in
nn.GELU("foo")(x) -> RuntimeError: gelu: approximate argument must be either none or tanh, got
nn.Hardtanh(1, -1) -> AssertionError: Hardtanh: max_val must be larger than min_val, got 1 and -1
nn.CrossEntropyLoss(reduction="foo")(x, torch.tensor([0, 1])) -> ValueError: cross_entropy: foo is not a valid value for
nn.CrossEntropyLoss(label_smoothing=2.0)(x, torch.tensor([0, 1])) -> RuntimeError: cross_entropy: label_smoothing must be
nn.CrossEntropyLoss(weight=[1.0]) -> TypeError: weight: list is not a Tensor: a buffer must be one, or None
nn.CrossEntropyLoss()(x, 1) -> TypeError: cross_entropy(): expected a Tensor, got int
nn.MSELoss()(x, 1.0) -> TypeError: mse_loss(): expected target to be a Tensor, got float | torch: AttributeError
nn.BCELoss()(x, x) -> RuntimeError: binary_cross_entropy: all elements of input should be
nn.HuberLoss(delta=0)(x, x) -> RuntimeError: huber_loss does not support non-positive values for delta,
nn.SmoothL1Loss(beta=-1)(x, x) -> RuntimeError: smooth_l1_loss does not support negative values for beta,
nn.RNN(3, 0) -> ValueError: hidden_size must be greater than zero, got 0
nn.RNN(3, -2) -> ValueError: hidden_size must be greater than zero, got -2
nn.RNN(3, 2, num_layers=0) -> ValueError: num_layers must be greater than zero, got 0
nn.RNN(3, 2, nonlinearity="foo") -> ValueError: Unknown nonlinearity 'foo'. Select from 'tanh' or 'relu'.
nn.RNN(3, 2, dropout=2.0) -> ValueError: dropout should be a number in range [0, 1], got 2.0
nn.RNN(3, 2)(torch.ones(2, 2, 4)) -> RuntimeError: RNN: input.size(-1) must be equal to input_size. Expected
nn.RNN(3, 2)(v) -> ValueError: RNN: Expected input to be 2D or 3D, got 1D instead
nn.RNN(3, 2)(x, torch.ones(3, 3)) -> RuntimeError: RNN: Expected hidden size (1, 2), got [3, 3]
nn.RNN(3, 2)([1.0]) -> TypeError: RNN(): expected a Tensor, got list | torch: AttributeError
nn.LSTM(3, 2)(x, x) -> RuntimeError: LSTM: Expected hidden[0] size (1, 2), got [3]
nn.LSTM(3, 2)(x, (torch.ones(1, 5), torch.ones(1, 5))) -> RuntimeError: LSTM: Expected hidden[0] size (1, 2), got [1, 5]
nn.LSTM("a", 2) -> TypeError: input_size should be of type int, got: str
nn.LSTM(3, 2.5) -> TypeError: hidden_size should be of type int, got: float
nn.GRU(3, 2)(torch.ones(1, 2, 3, 4)) -> ValueError: GRU: Expected input to be 2D or 3D, got 4D instead
nn.GRUCell(3, 2)(torch.ones(2, 4)) -> RuntimeError: GRUCell: input.size(-1) must be equal to input_size.
nn.LSTMCell(3, 2)(x, (torch.ones(1, 2), torch.ones(1, 2))) -> RuntimeError: LSTMCell: Expected hidden[0] size (2, 2), got
nn.RNNCell(3, 2)(image) -> ValueError: RNNCell: Expected input to be 1D or 2D, got 4D instead
nn.MultiheadAttention(5, 2) -> AssertionError: embed_dim must be divisible by num_heads, got 5 and 2
nn.MultiheadAttention(0, 2) -> ValueError: embed_dim and num_heads must be greater than 0, got
nn.MultiheadAttention(4, 0) -> ValueError: embed_dim and num_heads must be greater than 0, got
nn.MultiheadAttention(4, 2)(x, x, x) -> AssertionError: MultiheadAttention: was expecting embedding dimension of 4
nn.MultiheadAttention(4, 2)(v, v, v) -> AssertionError: MultiheadAttention: query, key and value should be
nn.MultiheadAttention(4, 2)([1.0], x, x) -> TypeError: MultiheadAttention(): expected a Tensor, | torch: AttributeError
nn.TransformerEncoderLayer(5, 2) -> AssertionError: embed_dim must be divisible by num_heads, got 5 and 2
nn.TransformerEncoderLayer(4, 2, activation="foo") -> RuntimeError: activation should be relu/gelu, not foo
nn.TransformerEncoderLayer(4, 2)(x) -> AssertionError: MultiheadAttention: was expecting embedding dimension of 4
nn.MaxPool2d(0)(image) -> RuntimeError: max_pool2d: kernel_size must be greater than zero, but got
nn.MaxPool2d(2, padding=2)(image) -> RuntimeError: max_pool2d: pad should be at most half of kernel size, but
nn.AvgPool2d(9)(image) -> RuntimeError: avg_pool2d: Given input size: (2x4x4). Calculated output
nn.AdaptiveAvgPool2d(-1)(image) -> RuntimeError: adaptive_avg_pool2d: elements of output_size must be
nn.Upsample(2, 2)(image) -> ValueError: only one of size or scale_factor should be defined
nn.ZeroPad2d(-3)(image) -> RuntimeError: pad: padding (-3, -3) cuts off more than dimension 2 of
nn.ReflectionPad2d(5)(image) -> RuntimeError: pad: in mode 'reflect', padding should be at most 3 at
nn.PixelShuffle(2)(image) -> RuntimeError: pixel_shuffle expects its input's 'channel' dimension to be
nn.utils.clip_grad_norm_(3, 1.0) -> TypeError: clip_grad_norm_(): expected a sequence of Tensors, got int
nn.utils.clip_grad_norm_([3], 1.0) -> TypeError: clip_grad_norm_(): expected Tensor as element 0, | torch: AttributeError
nn.utils.clip_grad_value_(3, 1.0) -> TypeError: clip_grad_value_(): expected a sequence of Tensors, got int
nn.utils.parameters_to_vector([3]) -> TypeError: parameters_to_vector(): expected Tensor as | torch: AttributeError
nn.utils.parameters_to_vector([]) -> ValueError: cat(): expected a non-empty list of Tensors
nn.utils.vector_to_parameters(v, [w]) -> ValueError: vector_to_parameters: expected shape (6,), got | torch: RuntimeError
nn.utils.vector_to_parameters(v, [1.0]) -> TypeError: vector_to_parameters(): expected Tensor as | torch: AttributeError
nn.utils.vector_to_parameters([1.0], [w]) -> TypeError: vector_to_parameters: expected a Tensor, but got: list
init.normal_(3) -> AttributeError: 'int' object has no attribute 'normal_'
init.normal_(torch.ones(2), 0.0, -1.0) -> RuntimeError: normal expects std >= 0.0, but found std -1
init.uniform_(torch.ones(2), 1.0, 0.0) -> RuntimeError: uniform_ expects to return a [from, to) range, with from,
init.constant_(torch.ones(2), "a") -> TypeError: fill_(): expected a Tensor or a number, got str
init.constant_([1.0], 2.0) -> AttributeError: 'list' object has no attribute 'fill_'
init.eye_(v) -> ValueError: eye_: Only tensors with 2 dimensions are supported, got
init.orthogonal_(v) -> ValueError: orthogonal_: Only tensors with 2 or more dimensions are
init.xavier_uniform_(v) -> ValueError: Fan in and fan out can not be computed for tensor with
init.xavier_normal_(s) -> ValueError: Fan in and fan out can not be computed for tensor with
init.kaiming_uniform_(v) -> ValueError: Fan in and fan out can not be computed for tensor with
init.kaiming_normal_(x, mode="foo") -> ValueError: Mode foo not supported, please use one of ['fan_in',
init.kaiming_normal_(x, nonlinearity="foo") -> ValueError: calculate_gain: Unsupported nonlinearity foo, expected one
init.kaiming_normal_(i) -> ValueError: Fan in and fan out can not be computed for tensor with
init.kaiming_normal_([1.0]) -> TypeError: kaiming_normal_(): expected a Tensor, got list | torch: AttributeError
init.trunc_normal_(torch.ones(2), a=1.0, b=-1.0) -> RuntimeError: uniform_ expects to return a [from, to) range, with from,
init.calculate_gain("foo") -> ValueError: calculate_gain: Unsupported nonlinearity foo, expected one
init.calculate_gain("leaky_relu", "a") -> ValueError: calculate_gain: negative_slope a is not a valid number
init.dirac_(v) -> ValueError: dirac_: Only tensors with 3, 4, or 5 dimensions are
init.sparse_(v, 0.1) -> ValueError: sparse_: Only tensors with 2 dimensions are supported, got
""",
    "optim": r"""
optim.SGD([], 0.1) -> ValueError: optimizer got an empty parameter list
optim.SGD(w, 0.1) -> TypeError: SGD: params should be an iterable of Tensors or dicts, got
optim.SGD([3], 0.1) -> TypeError: optimizer can only optimize Tensors, but got a int
optim.SGD(3, 0.1) -> TypeError: SGD: params should be an iterable of Tensors or dicts, got 3
optim.SGD(None, 0.1) -> TypeError: SGD: params should be an iterable of Tensors or dicts, got
optim.SGD("ab", 0.1) -> TypeError: optimizer can only optimize Tensors, but got a str
optim.SGD([w * 2], 0.1) -> ValueError: can't optimize a non-leaf Tensor
optim.SGD([{"lr": 0.1}], 0.1) -> KeyError: "param_group must have 'params', but has only ['lr']"
optim.SGD([{"params": [p]}, {"params": [p]}], 0.1) -> ValueError: some parameters appear in more than one parameter group
optim.SGD([{"params": [p]}, p], 0.1) -> TypeError: param_group must be a dict, but got Parameter
optim.SGD([p], -0.1) -> ValueError: Invalid learning rate: -0.1
optim.SGD([p], nan) -> ValueError: Invalid learning rate: nan | torch: none
optim.SGD([p], "a") -> TypeError: learning rate: expected a number, got 'a'
optim.SGD([p], None) -> TypeError: learning rate: expected a number, got None
optim.SGD([p], v) -> ValueError: learning rate: expected a number, got a Tensor of shape (3,)
optim.SGD([p], 0.1, momentum=-1) -> ValueError: Invalid momentum value: -1
optim.SGD([p], 0.1, momentum="a") -> TypeError: momentum value: expected a number, got 'a'
optim.SGD([p], 0.1, weight_decay=-1) -> ValueError: Invalid weight_decay value: -1
optim.SGD([p], 0.1, nesterov=True) -> ValueError: Nesterov momentum requires a momentum and zero dampening
optim.SGD([p], 0.1, nesterov=True, momentum=0.9, dampening=0.5) -> ValueError: Nesterov momentum requires a momentum and
optim.SGD([p], lr=0.1).add_param_group(3) -> TypeError: param_group must be a dict, but got int
optim.SGD([p], lr=0.1).add_param_group({}) -> KeyError: "param_group must have 'params', but has only []"
optim.SGD([p], lr=0.1).add_param_group({"params": [p]}) -> ValueError: some parameters appear in more than one parameter
optim.SGD([p], lr=0.1).add_param_group({"params": 3}) -> TypeError: optimizer can only optimize Tensors, but got a int
optim.SGD([p], lr=0.1).add_param_group({"params": [w * 1]}) -> ValueError: can't optimize a non-leaf Tensor
optim.SGD([("a", p), w], lr=0.1) -> ValueError: optimizer params should all have names or none, got 1 names
optim.SGD([p], lr=0.1).load_state_dict({}) -> KeyError: "load_state_dict: expected 'state' and 'param_groups', got
optim.SGD([p], lr=0.1).load_state_dict(3) -> TypeError: load_state_dict: expected a dict with | torch: AttributeError
optim.SGD([p], lr=0.1).load_state_dict({"state": {}, "param_groups": []}) -> ValueError: loaded state dict has groups of
optim.SGD([p], lr=0.1).load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]}) -> ValueError: loaded state
optim.Adam([p], betas=(1.0, 0.9)) -> ValueError: Invalid beta parameter at index 0: 1.0
optim.Adam([p], betas=(0.9, 1.0)) -> ValueError: Invalid beta parameter at index 1: 1.0
optim.Adam([p], betas=(-0.1, 0.9)) -> ValueError: Invalid beta parameter at index 0: -0.1
optim.Adam([p], betas=0.9) -> TypeError: betas: expected two numbers, got 0.9
optim.Adam([p], betas=(0.9,)) -> TypeError: betas: expected two numbers, got (0.9,) | torch: IndexError
optim.Adam([p], betas=(0.9, 0.99, 0.999)) -> TypeError: betas: expected two numbers, got (0.9, 0.99, 0.999) | torch: none
optim.Adam([p], betas="ab") -> TypeError: betas: expected two numbers, got 'ab'
optim.Adam([p], betas=(nan, 0.9)) -> ValueError: Invalid beta parameter at index 0: nan
optim.Adam([p], lr=-1) -> ValueError: Invalid learning rate: -1
optim.Adam([p], lr="a") -> TypeError: learning rate: expected a number, got 'a'
optim.Adam([p], eps=-1) -> ValueError: Invalid epsilon value: -1
optim.Adam([p], eps=nan) -> ValueError: Invalid epsilon value: nan
optim.Adam([p], eps="a") -> TypeError: epsilon value: expected a number, got 'a'
optim.Adam([p], weight_decay=-1) -> ValueError: Invalid weight_decay value: -1
optim.AdamW([p], weight_decay=-1) -> ValueError: Invalid weight_decay value: -1
optim.AdamW([p], betas=(2, 2)) -> ValueError: Invalid beta parameter at index 0: 2
optim.AdamW([], 0.1) -> ValueError: optimizer got an empty parameter list
optim.RMSprop([p], alpha=-1) -> ValueError: Invalid alpha value: -1
optim.RMSprop([p], eps=-1) -> ValueError: Invalid epsilon value: -1
optim.RMSprop([p], momentum=-1) -> ValueError: Invalid momentum value: -1
optim.RMSprop([p], lr=-1) -> ValueError: Invalid learning rate: -1
optim.RMSprop([p], centered=True, alpha="a") -> TypeError: alpha value: expected a number, got 'a'
optim.Adagrad([p], lr_decay=-1) -> ValueError: Invalid lr_decay value: -1
optim.Adagrad([p], initial_accumulator_value=-1) -> ValueError: Invalid initial_accumulator_value value: -1
optim.Adagrad([p], lr=-1) -> ValueError: Invalid learning rate: -1
optim.Adagrad([p], eps="a") -> TypeError: epsilon value: expected a number, got 'a'
optim.Adadelta([p], rho=1.5) -> ValueError: Invalid rho value: 1.5
optim.Adadelta([p], rho=-0.5) -> ValueError: Invalid rho value: -0.5
optim.Adadelta([p], lr=-1) -> ValueError: Invalid learning rate: -1
optim.Adadelta([p], eps=-1) -> ValueError: Invalid epsilon value: -1
optim.Optimizer([p], {}).step() -> NotImplementedError: Optimizer is missing the required update(group) function
""",
    "schedulers": r"""
sched.StepLR(3, 1) -> TypeError: int is not an Optimizer
sched.StepLR(sgd, 1, last_epoch=3) -> KeyError: "last_epoch=3 needs an 'initial_lr', param_groups[0] has
sched.LambdaLR(sgd, [lambda e: 1, lambda e: 1]) -> ValueError: lr_lambda: expected a value for each of 1 parameter groups,
sched.LambdaLR(None, lambda e: 1) -> TypeError: NoneType is not an Optimizer | torch: AttributeError
sched.MultiStepLR(p, [1]) -> TypeError: Parameter is not an Optimizer
sched.ConstantLR(sgd, 2.0) -> ValueError: ConstantLR: factor expected to be in [0, 1], got 2.0
sched.ConstantLR(sgd, -1.0) -> ValueError: ConstantLR: factor expected to be in [0, 1], got -1.0
sched.LinearLR(sgd, 0.0) -> ValueError: LinearLR: start_factor expected to be in (0, 1], got 0.0
sched.LinearLR(sgd, 2.0) -> ValueError: LinearLR: start_factor expected to be in (0, 1], got 2.0
sched.LinearLR(sgd, 0.5, 2.0) -> ValueError: LinearLR: end_factor expected to be in [0, 1], got 2.0
sched.CosineAnnealingLR("a", 3) -> TypeError: str is not an Optimizer
sched.CosineAnnealingWarmRestarts(sgd, 0) -> ValueError: Expected positive integer T_0, but got 0
sched.CosineAnnealingWarmRestarts(sgd, 1.5) -> ValueError: Expected positive integer T_0, but got 1.5
sched.CosineAnnealingWarmRestarts(sgd, 1, 0) -> ValueError: Expected positive integer T_mult, but got 0
sched.CosineAnnealingWarmRestarts(sgd, 1).step(-1) -> ValueError: Expected non-negative epoch, but got -1
sched.OneCycleLR(sgd, 0.1) -> ValueError: OneCycleLR: expected either total_steps or both epochs and
sched.OneCycleLR(sgd, 0.1, total_steps=0) -> ValueError: Expected positive integer total_steps, but got 0
sched.OneCycleLR(sgd, 0.1, total_steps=-3) -> ValueError: Expected positive integer total_steps, but got -3
sched.OneCycleLR(sgd, 0.1, total_steps=2.5) -> ValueError: Expected positive integer total_steps, but got 2.5
sched.OneCycleLR(sgd, 0.1, epochs=2) -> ValueError: OneCycleLR: expected either total_steps or both epochs and
sched.OneCycleLR(sgd, 0.1, epochs=0, steps_per_epoch=1) -> ValueError: Expected positive integer epochs, but got 0
sched.OneCycleLR(sgd, 0.1, total_steps=10, pct_start=2.0) -> ValueError: Expected float between 0 and 1 pct_start, but got
sched.OneCycleLR(sgd, 0.1, total_steps=10, pct_start="a") -> ValueError: Expected float between 0 and 1 pct_start, but got
sched.OneCycleLR(sgd, 0.1, total_steps=10, anneal_strategy="foo", cycle_momentum=False) -> ValueError: anneal_strategy
sched.OneCycleLR(sgd, [0.1, 0.2], total_steps=10, cycle_momentum=False) -> ValueError: max_lr: expected a value for each
sched.OneCycleLR(optim.Adagrad([p]), 0.1, total_steps=10) -> ValueError: OneCycleLR: cycle_momentum=True needs an
sched.ReduceLROnPlateau(3) -> TypeError: int is not an Optimizer
sched.ReduceLROnPlateau(sgd, "foo") -> ValueError: mode should be 'min' or 'max', got 'foo'
sched.ReduceLROnPlateau(sgd, factor=1.0) -> ValueError: ReduceLROnPlateau: factor should be < 1.0, got 1.0
sched.ReduceLROnPlateau(sgd, factor=2.0) -> ValueError: ReduceLROnPlateau: factor should be < 1.0, got 2.0
sched.ReduceLROnPlateau(sgd, threshold_mode="foo") -> ValueError: threshold_mode should be 'rel' or 'abs', got 'foo'
sched.ReduceLROnPlateau(sgd, min_lr=[0.1, 0.1]) -> ValueError: min_lr: expected a value for each of 1 parameter groups,
sched.SequentialLR(sgd, [], []) -> ValueError: SequentialLR expects at least one schedule and one
sched.SequentialLR(sgd, [sched.StepLR(sgd, 1)], [1]) -> ValueError: SequentialLR expects at least one schedule and one
sched.SequentialLR(sgd, [sched.ReduceLROnPlateau(sgd), sched.StepLR(sgd, 1)], [1]) -> ValueError: SequentialLR does not
sched.SequentialLR(sgd, [sched.StepLR(sgd, 1), sched.StepLR(optim.SGD([p], 0.1), 1)], [1]) -> ValueError: SequentialLR
sched.StepLR(sgd, 1).load_state_dict(3) -> TypeError: load_state_dict: expected a dict for StepLR, got int
sched.LRScheduler(sgd) -> NotImplementedError: LRScheduler is missing the required get_lr() function
""",
    "data": r"""
data.TensorDataset(x, v) -> AssertionError: TensorDataset: Size mismatch between tensors, got [2, 3]
data.TensorDataset(3) -> TypeError: TensorDataset: expected Tensors, got int at 0 | torch: AttributeError
data.TensorDataset(x, [1, 2]) -> TypeError: TensorDataset: expected Tensors, got list at 1 | torch: AttributeError
data.TensorDataset(x)[5] -> IndexError: index 5 is out of bounds for dimension 0 with size 2
data.TensorDataset(x)["a"] -> IndexError: expected numbers, slices, None, ..., lists or integer or | torch: TypeError
data.Dataset()[0] -> NotImplementedError: Dataset is missing the required __getitem__ function
data.ConcatDataset([]) -> AssertionError: ConcatDataset: datasets should not be an empty iterable
data.ConcatDataset([data.TensorDataset(x)])[2] -> IndexError: ConcatDataset: got index 2 of 2 samples
data.ConcatDataset([data.TensorDataset(x)])[-3] -> ValueError: ConcatDataset: got index -3 of 2 samples
data.ConcatDataset([data.TensorDataset(x)])["a"] -> TypeError: ConcatDataset: expected an int as index, got 'a'
data.Subset(data.TensorDataset(x), [5])[0] -> IndexError: index 5 is out of bounds for dimension 0 with size 2
data.random_split(data.TensorDataset(x), [1, 2]) -> ValueError: random_split: expected lengths of sum 2, got [1, 2]
data.random_split(data.TensorDataset(x), [0.5, 0.6]) -> ValueError: random_split: expected lengths of sum 2, got [0.5, 0.6]
data.random_split(data.TensorDataset(x), [-1, 3]) -> ValueError: random_split: expected lengths of sum 2, | torch: none
data.random_split(data.TensorDataset(x), "a") -> TypeError: random_split: expected a list of lengths or fractions, got
data.random_split(data.TensorDataset(x), 2) -> TypeError: random_split: expected a list of lengths or fractions, got 2
data.random_split(data.TensorDataset(x), [1.5, -0.5]) -> ValueError: random_split: expected fractions between 0 and 1, got
data.DataLoader([1, 2], 0) -> ValueError: batch_size should be a positive integer value, but got
data.DataLoader([1, 2], -1) -> ValueError: batch_size should be a positive integer value, but got
data.DataLoader([1, 2], 1.5) -> ValueError: batch_size should be a positive integer value, but got
data.DataLoader([1, 2], "a") -> ValueError: batch_size should be a positive integer value, but got
data.DataLoader([1, 2], True) -> ValueError: batch_size should be a positive integer value, but got
data.DataLoader([1, 2], 2, shuffle=True, sampler=[0, 1]) -> ValueError: DataLoader: sampler excludes shuffle
data.DataLoader([1, 2], 2, batch_sampler=[[0]]) -> ValueError: DataLoader: batch_sampler excludes batch_size, shuffle,
data.DataLoader([1, 2], None, drop_last=True) -> ValueError: DataLoader: batch_size=None excludes drop_last
data.DataLoader([1, 2], num_workers=-1) -> ValueError: DataLoader: num_workers=-1 and timeout=0 should be
data.DataLoader([1, 2], num_workers="a") -> TypeError: DataLoader: expected num_workers to be an int, got 'a'
data.DataLoader([1, 2], num_workers=1.5) -> TypeError: DataLoader: expected num_workers to be an int, got 1.5 | torch: none
data.DataLoader([1, 2], timeout=-1) -> ValueError: DataLoader: num_workers=0 and timeout=-1 should be
data.DataLoader([1, 2], prefetch_factor=2) -> ValueError: DataLoader: timeout and prefetch_factor need num_workers > 0
data.DataLoader([1, 2], drop_last="a") -> ValueError: drop_last should be a boolean value, but got drop_last=a
data.DataLoader([], shuffle=True) -> ValueError: num_samples should be a positive integer value, but got
list(data.DataLoader([x, v], 2)) -> RuntimeError: stack expects a non-empty list of tensors of equal size;
list(data.DataLoader([object(), object()], 2)) -> TypeError: default_collate: batch must contain tensors, numpy arrays,
list(data.DataLoader([None, None], 2)) -> TypeError: default_collate: batch must contain tensors, numpy arrays,
list(data.DataLoader([{"a": 1}, {"b": 1}], 2)) -> KeyError: 'a'
list(data.DataLoader([(1, 2), (1,)], 2)) -> RuntimeError: default_collate: each element in list of batch should be of
list(data.DataLoader([1, "a"], 2)) -> TypeError: tensor(): expected numbers, could not infer the dtype of str
list(data.DataLoader([1, 2], generator=3)) -> TypeError: draw_seed: expected a Generator, got int
setattr(data.DataLoader([1, 2]), "batch_size", 5) -> ValueError: batch_size attribute should not be set after DataLoader is
data.RandomSampler([1, 2], replacement="a") -> TypeError: replacement should be a boolean value, but got replacement=a
data.RandomSampler([1, 2], num_samples=0) -> ValueError: num_samples should be a positive integer value, but got
data.RandomSampler([1, 2], num_samples=-1) -> ValueError: num_samples should be a positive integer value, but got
data.RandomSampler([1, 2], num_samples=1.5) -> ValueError: num_samples should be a positive integer value, but got
data.RandomSampler([]) -> ValueError: num_samples should be a positive integer value, but got
list(data.RandomSampler([])) -> ValueError: num_samples should be a positive integer value, but got
list(data.RandomSampler([], replacement=True, num_samples=2)) -> RuntimeError: random_ expects 'from' to be less than
data.WeightedRandomSampler([0.5], 0) -> ValueError: num_samples should be a positive integer value, but got
data.WeightedRandomSampler([0.5], 2, "a") -> ValueError: replacement should be a boolean value, but got replacement=a
data.WeightedRandomSampler([[0.5]], 2) -> ValueError: weights should be a 1d sequence, got shape (1, 1)
data.WeightedRandomSampler("a", 2) -> TypeError: tensor(): expected numbers, could not infer the dtype of str
list(data.WeightedRandomSampler([-0.5, 1.0], 2)) -> RuntimeError: multinomial: probability tensor contains either `inf`,
list(data.WeightedRandomSampler([nan, 1.0], 2)) -> RuntimeError: multinomial: probability tensor contains either `inf`,
list(data.WeightedRandomSampler([0.5, 0.5], 3, False)) -> RuntimeError: multinomial: cannot sample n_sample >
data.BatchSampler([1, 2], 0, False) -> ValueError: batch_size should be a positive integer value, but got
data.BatchSampler([1, 2], 1, "a") -> ValueError: drop_last should be a boolean value, but got drop_last=a
data.default_collate([object()]) -> TypeError: default_collate: batch must contain tensors, numpy arrays,
data.default_collate([np.array(["a"])]) -> TypeError: default_collate: batch must contain tensors, numpy arrays,
data.default_collate([x, torch.ones(2)]) -> RuntimeError: stack expects a non-empty list of tensors of equal size;
data.Sampler().__iter__() -> NotImplementedError: Sampler is missing the required __iter__ function
""",
    "serialization": r"""
torch.save(x, 3) -> TypeError: expected str, bytes or os.PathLike object, not int | torch: AttributeError
torch.save(x, None) -> TypeError: expected str, bytes or os.PathLike object, not NoneType | torch: AttributeError
torch.save(lambda: 1, io.BytesIO()) -> TypeError: save: cannot save an object of type function (at | torch: PicklingError
torch.load(3) -> TypeError: expected str, bytes or os.PathLike object, not int | torch: AttributeError
torch.load(None) -> TypeError: expected str, bytes or os.PathLike object, not NoneType | torch: AttributeError
torch.load(io.BytesIO(b"")) -> ValueError: load: cannot read the BytesIO: it is empty | torch: EOFError
torch.load(io.BytesIO(b"not a file")) -> ValueError: load: cannot read the BytesIO: it is | torch: UnpicklingError
torch.load(io.BytesIO(bytes(100))) -> ValueError: load: cannot read the BytesIO: it is damaged, | torch: UnpicklingError
torch.load(io.BytesIO(b"PK" + bytes(100))) -> ValueError: load: cannot read the BytesIO: it is | torch: UnpicklingError
torch.load(io.BytesIO(b"abc"), map_location=3) -> RuntimeError: device: expected cpu or cuda at the | torch: IndexError
torch.load(io.StringIO("a")) -> TypeError: load: expected a file opened in binary mode, got str | torch: AssertionError
copy.deepcopy(w * 2) -> RuntimeError: Only Tensors created explicitly by the user support the
torch.from_dlpack(3) -> TypeError: from_dlpack: expected an array or tensor with __dlpack__, | torch: RuntimeError
x.storage()[10] -> IndexError: index 10 is out of bounds for axis 0 with size 6
torch.set_num_threads(0) -> RuntimeError: set_num_threads expects a positive integer, got 0
torch.set_num_threads(-1) -> RuntimeError: set_num_threads expects a positive integer, got -1
torch.set_num_threads("a") -> TypeError: set_num_threads expects an int, but got str | torch: RuntimeError
torch.set_num_threads(1.5) -> TypeError: set_num_threads expects an int, but got float | torch: RuntimeError
format(x, "d") -> TypeError: unsupported format string passed to Tensor.__format__
format(s, "q") -> ValueError: Unknown format code 'q' for object of type 'float'
"{:.2f}".format(x) -> TypeError: unsupported format string passed to Tensor.__format__
""",
    "train": r"""
train.Learner(3, [], F.mse_loss, sgd) -> TypeError: Learner: expected model to be an nn.Module, got int
train.Learner(lin, [], 3, sgd) -> TypeError: Learner: expected loss to be a function of (prediction,
train.Learner(lin, [], F.mse_loss, 3) -> TypeError: Learner: expected optimizer to be an Optimizer, got int
train.Learner(lin, 3, F.mse_loss, sgd) -> TypeError: Learner: expected data with .train and .validation, or a
train.Learner(lin, ([(x, x)], [(x, x)]), F.mse_loss, sgd, callbacks=3) -> TypeError: callbacks: expected a list of
train.Learner(lin, ([(x, x)], [(x, x)]), F.mse_loss, sgd, callbacks=[3]) -> TypeError: callbacks: expected instances of
train.Learner(lin, ([(x, x)], [(x, x)]), F.mse_loss, sgd).fit(0) -> ValueError: fit: expected a positive number of epochs,
train.Learner(lin, ([(x, x)], [(x, x)]), F.mse_loss, sgd).fit(-1) -> ValueError: fit: expected a positive number of
train.Learner(lin, ([(x, x)], [(x, x)]), F.mse_loss, sgd).fit(1.5) -> ValueError: fit: expected a positive number of
train.Learner(lin, ([(x, x)], [(x, x)]), F.mse_loss, sgd).fit("a") -> ValueError: fit: expected a positive number of
train.Learner(lin, ([], []), F.mse_loss, sgd).fit(1) -> ValueError: Learner: the loader to train with gave no batch
train.Learner(lin, ([x], [x]), F.mse_loss, sgd).fit(1) -> TypeError: Learner: expected batches of (input, target), got a
train.Learner(lin, ([(x, x[:, :2])], []), lambda p, y: 3.0, sgd).fit(1) -> TypeError: Learner: expected the loss function
train.Learner(lin, ([(x, x[:, :2])], []), lambda p, y: p, sgd).fit(1) -> TypeError: Learner: expected the loss function to
train.Learner(lin, ([(x, x[:, :2])], []), F.mse_loss, sgd).load_state_dict({}) -> ValueError: it is no checkpoint of a
train.Learner(lin, ([(x, x[:, :2])], []), F.mse_loss, sgd).load_state_dict(3) -> ValueError: it is no checkpoint of a
train.EarlyStopping(mode="foo") -> ValueError: EarlyStopping: expected mode 'min' or 'max', got 'foo'
train.EarlyStopping(patience=0) -> ValueError: EarlyStopping: expected a patience of at least 1 epoch, got
train.EarlyStopping(patience="a") -> ValueError: EarlyStopping: expected a patience of at least 1 epoch, got
train.EarlyStopping(min_delta=-1.0) -> ValueError: EarlyStopping: expected min_delta >= 0, got -1.0
train.EarlyStopping(min_delta=nan) -> ValueError: EarlyStopping: expected min_delta >= 0, got nan
train.LRFinder(start=0) -> ValueError: LRFinder: expected 0 < start < end, got 0 and 10.0
train.LRFinder(start=1.0, end=0.5) -> ValueError: LRFinder: expected 0 < start < end, got 1.0 and 0.5
train.LRFinder(steps=1) -> ValueError: LRFinder: expected at least 3 steps, got 1
train.LRFinder(steps=2.5) -> ValueError: LRFinder: expected at least 3 steps, got 2.5
train.LRFinder(divergence=0.5) -> ValueError: LRFinder: expected divergence > 1 and smooth in [0, 1), got
train.LRFinder(smooth=1.0) -> ValueError: LRFinder: expected divergence > 1 and smooth in [0, 1), got
train.LRFinder(smooth=nan) -> ValueError: LRFinder: expected divergence > 1 and smooth in [0, 1), got
train.ParamScheduler("lr", 3) -> TypeError: ParamScheduler: expected a schedule, a function of t, got
train.OneCycle("a") -> TypeError: OneCycle: expected finite numbers, got 'a'
train.OneCycle(nan) -> TypeError: OneCycle: expected finite numbers, got nan
train.OneCycle(0.1, pct_start=2.0) -> ValueError: OneCycle: expected pct_start between 0 and 1, got 2.0
train.OneCycle(0.1, div_factor=0) -> ValueError: OneCycle: expected positive factors, got div_factor=0,
train.linear("a", 1.0) -> TypeError: linear: expected finite numbers, got 'a'
train.linear(nan, 1.0) -> TypeError: linear: expected finite numbers, got nan
train.cosine(0.0, inf) -> TypeError: cosine: expected finite numbers, got inf
train.exponential(0.0, 1.0) -> ValueError: exponential: expected two numbers of one sign, neither of
train.exponential(-1.0, 1.0) -> ValueError: exponential: expected two numbers of one sign, neither of
train.polynomial(0.0, 1.0, 0) -> ValueError: polynomial: expected a positive power, got 0
train.polynomial(0.0, 1.0, "a") -> TypeError: polynomial: expected finite numbers, got 'a'
train.combine([0.5], [train.linear(0.0, 1.0), train.linear(0.0, 1.0)]) -> ValueError: combine: expected a share for each
train.combine([0.5, 0.6], [train.linear(0.0, 1.0), train.linear(0.0, 1.0)]) -> ValueError: combine: expected positive
train.combine([1.0], [3]) -> TypeError: combine: expected schedules, functions of t, got int
train.Metrics(3) -> TypeError: Metrics: expected functions of (prediction, target), got
train.Metrics(loss=3) -> TypeError: Metrics: expected functions of (prediction, target), got
train.accuracy(v, i) -> ValueError: accuracy: expected classes along dim 1, got predictions of
train.accuracy(x, i) -> ValueError: accuracy: expected a target of shape (2,) for predictions
train.accuracy([1.0], i) -> TypeError: accuracy: expected Tensors, got list
train.GradientClip() -> ValueError: GradientClip: expected either norm or value, got norm=None
train.GradientClip(norm=-1.0) -> ValueError: GradientClip: expected a positive limit, got -1.0
train.GradientClip(norm=inf) -> ValueError: GradientClip: expected a positive limit, got inf
train.GradientClip(norm=1.0, value=1.0) -> ValueError: GradientClip: expected either norm or value, got norm=1.0
train.BatchTransform(3) -> TypeError: BatchTransform: expected a function of (x, y), got int
train.BatchTransform(lambda x, y: (x, y), train=False, validate=False) -> ValueError: BatchTransform: expected train=True
train.Checkpoint("x", every=0) -> ValueError: Checkpoint: expected every to be a positive number of
train.Checkpoint("x", every=1.5) -> ValueError: Checkpoint: expected every to be a positive number of
train.Checkpoint("x", mode="foo") -> ValueError: Checkpoint: expected mode 'min' or 'max', got 'foo'
train.ProgressBar(file=3) -> TypeError: ProgressBar: expected a file to write to, got int
""",
    "diagnostics": r"""
diagnostics.watch(3) -> TypeError: watch: expected a Module, got int
diagnostics.watch(lin, every=0) -> ValueError: record: every should be a whole number of at least 1, got 0
diagnostics.watch(lin, every=1.5) -> ValueError: record: every should be a whole number of at least 1, got
diagnostics.watch(lin, bins=0) -> ValueError: watch: bins should be a whole number of at least 1, got 0
diagnostics.watch(lin, limit=-1) -> ValueError: record: limit should be a whole number of at least 2, got -1
diagnostics.watch(lin, layers="nothing") -> ValueError: watch: layers='nothing' chooses none of the model's parts:
diagnostics.watch(lin, layers=3) -> TypeError: watch: layers should be a class, a pattern of names,
diagnostics.watch(lin, optimizer=3) -> TypeError: watch: expected an optimizer with a method step(), got int
diagnostics.watch(lin, classes=-1) -> ValueError: record: classes should be a whole number of at least 2, got
diagnostics.watch(lin, span=(1.0, -1.0)) -> ValueError: watch: span should be two numbers, the lower first, got
diagnostics.watch(lin, samples=0) -> ValueError: watch: samples should be a whole number of at least 1, got 0
diagnostics.summary(3, x) -> TypeError: summary: expected model to be a Module, got int
diagnostics.summary(lin, "a") -> TypeError: summary: expected input to be a Tensor, a shape, or a tuple
diagnostics.summary(lin, (2, 4)) -> RuntimeError: linear: mat1 and mat2 shapes cannot be multiplied, got
diagnostics.summary(lin, (2, -3)) -> TypeError: summary: expected every input to be a Tensor or a shape,
diagnostics.summary(lin, x, depth=-1) -> ValueError: summary: expected a depth of 0 or more, got -1
diagnostics.summary(lin, None) -> TypeError: summary: expected input to be a Tensor, a shape, or a tuple
diagnostics.near_zero("a") -> TypeError: near_zero: expected a tensor, an array or a list of
diagnostics.dead(v) -> ValueError: dead: expected units in dimension 1, got shape (3,)
diagnostics.dead(x, dim=5) -> ValueError: dead: expected units in dimension 5, got shape (2, 3)
diagnostics.dead([1.0]) -> ValueError: dead: expected units in dimension 1, got shape (1,)
diagnostics.gini("a") -> TypeError: gini: expected a tensor, an array or a list of numbers, got
diagnostics.update_data_ratio(x, "a") -> TypeError: std: expected a tensor, an array or a list of numbers, got
diagnostics.lsuv_(3, x) -> TypeError: lsuv_: expected model to be a Module, got int
diagnostics.lsuv_(lin, "a") -> TypeError: linear(): expected a Tensor, got str
diagnostics.lsuv_(lin, torch.ones(2, 4)) -> RuntimeError: linear: mat1 and mat2 shapes cannot be multiplied, got
diagnostics.lsuv_(lin, x, tolerance=-1.0) -> RuntimeError: lsuv_: the output of 'Linear' (Linear) still has mean
diagnostics.lsuv_(lin, x, tolerance=nan) -> RuntimeError: lsuv_: the output of 'Linear' (Linear) still has mean
diagnostics.lsuv_(lin, x, limit=0) -> RuntimeError: lsuv_: the output of 'Linear' (Linear) still has mean -2.24
diagnostics.lsuv_(lin, x, layers="nothing") -> ValueError: lsuv_: expected layers to be Linear or convolutions of the
diagnostics.health(3) -> TypeError: health: expected a Module or a Record, got int
diagnostics.health(lin, classes=-1) -> ValueError: health: classes= is for the first loss of a Record; a
diagnostics.draw_graph(3) -> TypeError: draw_graph: expected a Tensor, got int
diagnostics.draw_graph(x) -> RuntimeError: draw_graph: the tensor does not require grad: nothing was
diagnostics.draw_graph(w.sum(), limit=0) -> ValueError: draw_graph: the graph has more than 0 nodes, too many to
diagnostics.draw_graph(w.sum(), direction="foo") -> ValueError: draw_graph: expected direction to be 'LR' or 'TB', got
diagnostics.Hook(3, print) -> TypeError: Hook: expected a Module, got int
diagnostics.Hook(lin, 3) -> TypeError: Hook: expected a function of (hook, module, input, output),
diagnostics.Hooks(3, print) -> TypeError: Hooks: expected a Module or a list of Modules
diagnostics.Hooks(lin, 3) -> TypeError: Hooks: expected a function of (hook, module, input,
diagnostics.Hooks([3], print) -> TypeError: Hooks: expected a Module or a list of Modules
diagnostics.plot_activations(3) -> TypeError: plot_activations: expected a Record, or values in a dict by
diagnostics.plot_activations(lin) -> TypeError: plot_activations: expected a Record, or values in a dict by
diagnostics.plot_gradients([]) -> NothingToDraw: plot_gradients: there are no values to draw
diagnostics.plot_loss(3) -> TypeError: plot_loss: expected a Record or a list of losses, got int
diagnostics.plot_updates("a") -> TypeError: plot_updates: expected a Record, or values in a dict by
diagnostics.plot_histograms(lin) -> TypeError: plot_histograms: expected a Record, or values in a dict by
diagnostics.dashboard(3) -> TypeError: dashboard: expected a Record, got int
diagnostics.animate(points=()) -> ValueError: animate: expected five finite points, got []
torch.autograd.gradcheck(lambda a: a * 2, v.double()) -> ValueError: gradcheck expects at least one input tensor to require
torch.autograd.gradcheck(lambda a: a * 2, v) -> ValueError: gradcheck expects at least one input tensor to require
torch.autograd.functional.jacobian(lambda a: 3, x) -> TypeError: jacobian: expected func to return Tensors, got int
torch.autograd.functional.hessian(lambda a: a, x) -> RuntimeError: hessian: expected func to return a Tensor with a single
""",
}

VALUES = r"""
torch.tensor([-1], dtype=torch.uint8) -> tensor([255], dtype=torch.uint8)
torch.tensor([1e300]) -> tensor([inf])
torch.arange(0, 1, inf) -> tensor([])
torch.linspace(0, inf, 3) -> tensor([nan, nan, nan])
torch.logspace(0, 1, 3, base=-2.0) -> tensor([ 1., nan, -2.])
2 ** b -> tensor([2, 1])
i / 0 -> tensor([inf, inf, inf])
x / 0 -> tensor([[inf, inf, inf], [inf, inf, inf]])
x // 0 -> tensor([[inf, inf, inf], [inf, inf, inf]])
x % 0 -> tensor([[nan, nan, nan], [nan, nan, nan]])
torch.tensor([-2 ** 63]) // -1 -> tensor([-9223372036854775808])
torch.log(torch.tensor([-1.0, 0.0, nan])) -> tensor([nan, -inf, nan])
torch.rsqrt(torch.tensor([0.0, -1.0])) -> tensor([inf, nan])
torch.reciprocal(torch.tensor([0, 1])) -> tensor([inf, 1.])
torch.exp(torch.tensor([1000.0, -1000.0])) -> tensor([inf, 0.])
torch.exp(b) -> tensor([2.7183, 1.0000])
torch.asin(torch.tensor([2.0, nan])) -> tensor([nan, nan])
torch.acos(inf * x) -> tensor([[nan, nan, nan], [nan, nan, nan]])
torch.sigmoid(torch.tensor([inf, -inf, nan, 1e30, -1e30])) -> tensor([1., 0., nan, 1., 0.])
torch.clamp(x, min=nan) -> tensor([[nan, nan, nan], [nan, nan, nan]])
torch.clamp(x, 2, 1) -> tensor([[1., 1., 1.], [1., 1., 1.]])
torch.clamp(b, 0, 1) -> tensor([1, 0])
torch.masked_fill(i, i > 0, 2.5) -> tensor([2, 2, 2])
i >> -1 -> tensor([0, 0, 0])
i << 64 -> tensor([0, 0, 0])
i << -1 -> tensor([0, 0, 0])
torch.equal(x, i) -> False
i.fill_(1.5) -> tensor([1, 1, 1])
x.to(None) -> tensor([[0.5000, 1.5000, 2.5000], [3.5000, 4.5000, 5.5000]])
torch.mean(e) -> tensor(nan)
torch.var(x, correction=-1) -> tensor(2.5000)
torch.var(e) -> tensor(nan)
torch.min(torch.tensor([nan, 1.0])) -> tensor(nan)
torch.argmin(torch.tensor([nan, 1.0])) -> tensor(0)
torch.norm(x, nan) -> tensor(nan)
torch.median(e) -> tensor(nan)
x[:, :1].view(torch.float16) -> tensor([[0.0000, 1.7500], [0.0000, 2.1875]], dtype=torch.float16)
torch.broadcast_tensors() -> ()
torch.chunk(x, 10 ** 9) -> (tensor([[0.5000, 1.5000, 2.5000]]), tensor([[3.5000, 4.5000, 5.5000]]))
torch.diag(x, 100) -> tensor([])
x[-10 ** 30:] -> tensor([[0.5000, 1.5000, 2.5000], [3.5000, 4.5000, 5.5000]])
x[[[0, 1], [1]]] -> tensor([1.5000, 4.5000])
s[...] -> tensor(1.)
w.sum().backward(torch.tensor(1)) -> None
F.linear(x, v) -> tensor([ 6.5000, 15.5000])
F.softplus(x, 0) -> tensor([[inf, inf, inf], [inf, inf, inf]])
F.cross_entropy(e, torch.zeros(0, dtype=torch.int64)) -> tensor(nan)
F.cross_entropy(x, x.double()) -> tensor(10.6685, dtype=torch.float64)
nn.Linear(0, 2) -> Linear(in_features=0, out_features=2, bias=True)
lin.weight[0, 0].backward() -> None
setattr(lin, "weight", None) -> None
nn.Conv2d(3, 4, 0) -> Conv2d(3, 4, kernel_size=(0, 0), stride=(1, 1))
nn.Conv2d(3, 4, 3, stride=0) -> Conv2d(3, 4, kernel_size=(3, 3), stride=(0, 0))
nn.LayerNorm(()) -> LayerNorm((), eps=1e-05, elementwise_affine=True, bias=True)
nn.utils.clip_grad_norm_([w], -1.0) -> tensor(0.)
nn.utils.clip_grad_norm_([], 1.0) -> tensor(0.)
init.kaiming_normal_(e) -> tensor([], size=(0, 3))
init.trunc_normal_(torch.ones(2), std=-1.0) -> tensor([-0.1775, 0.5292])
init.sparse_(torch.ones(2, 2), 2.0) -> tensor([[0., 0.], [0., 0.]])
list(data.DataLoader([])) -> []
"""

OWN = ("train", "diagnostics")  # groups of names that torch has not
REPORTS = {"NotImplementedError": "RuntimeError"}  # torch's NotImplementedError is one, and both mean "not for this dtype"


def rows():
    """(group, expression, error, message, what torch does otherwise) of every line."""
    found = []
    for group, lines in ERRORS.items():
        for line in lines.strip().splitlines():
            expression, _, rest = line.partition(" -> ")
            error, _, message = rest.partition(": ")
            message, _, otherwise = message.partition(" | torch: ")
            found.append(pytest.param(group, expression, error, message, otherwise, id=expression))
    return found


def names(package):
    """What an expression can name: the package, its modules, and tensors and layers made anew."""
    torch, nn = (importlib.import_module(package + part) for part in ("", ".nn"))
    parts = {"F": ".nn.functional", "init": ".nn.init", "optim": ".optim", "sched": ".optim.lr_scheduler"}
    parts["data"] = ".utils.data"
    if package == "minigrad":
        parts.update({part: "." + part for part in OWN})
    torch.manual_seed(0)
    parameter = nn.Parameter(torch.ones(3))
    return {name: importlib.import_module(package + part) for name, part in parts.items()} | {
        "torch": torch, "nn": nn, "np": np, "io": io, "copy": copy, "inf": math.inf, "nan": math.nan,
        "x": torch.arange(6.0).reshape(2, 3) + 0.5, "i": torch.arange(1, 4), "b": torch.tensor([True, False]),
        "w": torch.ones(2, 3, requires_grad=True), "e": torch.zeros(0, 3), "s": torch.tensor(1.0), "v": torch.arange(3.0),
        "image": torch.zeros(1, 2, 4, 4), "p": parameter, "sgd": torch.optim.SGD([parameter], 0.1), "lin": nn.Linear(3, 2),
    }  # fmt: skip


def outcome(package, expression):
    """(the value, None) or (None, the error) of an expression."""
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            return eval(expression, names(package)), None
        except Exception as error:
            return None, error


@pytest.mark.parametrize("group, expression, error, message, otherwise", rows())
def test_errors(group, expression, error, message, otherwise):
    value, raised = outcome("minigrad", expression)
    assert raised is not None, f"{expression} is {value!r}"
    said = str(raised).replace("for dimension", "for axis") if on_gpu and "for axis" in message else str(raised)  # as NumPy
    assert (type(raised).__name__, message in said) == (error, True), repr(raised)


@pytest.mark.parametrize("group, expression, error, message, otherwise", rows())
def test_errors_are_those_of_torch(group, expression, error, message, otherwise):
    pytest.importorskip("torch")
    if group in OWN and not expression.startswith("torch."):
        return
    value, raised = outcome("torch", expression)
    name, wanted = "none" if raised is None else type(raised).__name__, otherwise or error
    assert REPORTS.get(name, name) == REPORTS.get(wanted, wanted), repr(raised or value)


def described(value):
    return " ".join(repr(value).replace("minigrad.", "torch.").split())


@pytest.mark.parametrize("line", VALUES.strip().splitlines())
def test_values(line):
    expression, _, expected = line.partition(" -> ")
    value, raised = outcome("minigrad", expression)
    assert described(value) == expected, raised


@pytest.mark.parametrize("line", VALUES.strip().splitlines())
def test_values_are_those_of_torch(line):
    pytest.importorskip("torch")
    expression, _, expected = line.partition(" -> ")
    assert described(outcome("torch", expression)[0]) == expected


# ------------------------------------------------------------------------------- nothing is left changed in part

WHOLE = """
x: x.add_(torch.ones(4))
x: x.add_(torch.ones(3, 2, 3))
x: x.copy_(torch.ones(4))
x: x.fill_("a")
x: x.clamp_(torch.ones(4))
x: x.masked_fill_(x, 0)
x: x.uniform_(1.0, 0.0)
x: x.normal_(0.0, -1.0)
x: x.__setitem__(0, torch.ones(4))
x: x.__setitem__(torch.tensor([0, 5]), 1.0)
x: x.__setitem__((torch.tensor([0, 1]), torch.tensor([0, 9])), 1.0)
x: x.__setitem__(x > 0, torch.ones(4))
x: x.index_add_(0, torch.tensor([0, 5]), x)
x: x.index_copy_(0, torch.tensor([0, 5]), x)
x: x.index_fill_(0, torch.tensor([0, 5]), 1.0)
x: x.scatter_(0, torch.tensor([[0, 5, 0]]), 9.0)
x: x.scatter_add_(0, torch.tensor([[0, 5, 0]]), x)
i: i.add_(1.5)
i: i.div_(2)
i: i.__setitem__(0, nan)
i: i.fill_(nan)
w: w.add_(1)
w: w[0].mul_(2)
w.grad: w.sum().backward(torch.ones(3))
w.grad: (w.sum() + w.register_hook(lambda g: 3).key).backward()
w.grad: setattr(w, "grad", torch.ones(2))
w.requires_grad: setattr(w, "requires_grad", "a")
sgd.param_groups: sgd.add_param_group({"params": [w, 3]})
sgd.param_groups: sgd.add_param_group({"params": [w, w * 2]})
sgd.param_groups: sgd.load_state_dict({"state": {}, "param_groups": [{"params": [0, 1], "lr": 9}]})
sgd.param_groups: sgd.load_state_dict({"state": {7: {}}, "param_groups": [{**sgd.param_groups[0], "params": [0], "lr": 9}]})
list(lin.state_dict()): lin.register_buffer("a.b", x)
list(lin.state_dict()): lin.register_parameter("c", x)
list(lin._modules): lin.add_module("c", 3)
lin.weight: setattr(lin, "weight", 3)
lin.weight: nn.utils.vector_to_parameters(v, lin.parameters())
torch.get_rng_state(): torch.randn(-1)
torch.get_rng_state(): torch.randint(5, 2, (2,))
torch.get_rng_state(): torch.multinomial(torch.tensor([0.5, nan]), 1)
torch.get_rng_state(): torch.set_rng_state(torch.zeros(3, dtype=torch.uint8))
torch.get_rng_state(): F.dropout(x, 1.5)
torch.get_default_dtype(): torch.set_default_dtype(torch.int64)
torch.is_grad_enabled(): torch.set_grad_enabled("a")
"""


@pytest.mark.parametrize("line", WHOLE.strip().splitlines())
def test_an_error_leaves_things_as_they_were(line):
    watched, _, expression = line.partition(": ")
    scope = names("minigrad")
    before = repr(eval(watched, scope))
    with pytest.raises((TypeError, ValueError, IndexError, KeyError, RuntimeError)):
        eval(expression, scope)
    assert repr(eval(watched, scope)) == before


def test_a_model_says_what_it_got_in_place_of_a_tensor():
    scope = names("minigrad")
    model = scope["nn"].Sequential(scope["lin"], scope["nn"].ReLU())
    with pytest.raises(TypeError, match=r"linear\(\): expected a Tensor, got ndarray"):
        model(np.ones((2, 3), np.float32))
    with pytest.raises(AttributeError, match="no_such_layer"):  # what is not about tensors stays as it is
        model.no_such_layer(scope["x"])


def test_functions_at_the_door_look_like_themselves():
    import inspect
    import pickle

    import minigrad as mg

    assert list(inspect.signature(mg.sum).parameters)[:3] == ["input", "dim", "keepdim"]
    assert pickle.loads(pickle.dumps(mg.sum)) is mg.sum
    assert pickle.loads(pickle.dumps(mg.nn.functional.gelu)) is mg.nn.functional.gelu
    assert mg.nn.functional.gelu.__doc__.startswith("x times the normal distribution")


@pytest.mark.parametrize(
    "options", [{"precision": "a"}, {"precision": -1}, {"precision": 1.5}, {"profile": "foo"}, {"edgeitems": -1}]
)
def test_options_of_printing_that_make_no_sense_are_refused_whole(options):
    import minigrad as mg

    before = repr(mg.tensor([0.25]))
    with pytest.raises(ValueError, match="set_printoptions: expected"):
        mg.set_printoptions(**{"linewidth": 20, **options})
    assert repr(mg.tensor([0.25])) == before
