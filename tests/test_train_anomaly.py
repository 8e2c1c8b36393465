"""DetectAnomaly: the operation, the direction, the module and the line of the first bad number."""

import inspect
import math
import os
import sys
from types import FunctionType

import numpy as np
import pytest
from training import bytes_of, problem

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad import autograd
from minigrad.autograd import primitive
from minigrad.train import AnomalyError, BatchTransform, DetectAnomaly, Learner
from minigrad.train.anomaly import PACKAGE, Watch


def line_of(function, text):
    """file:line of the line with this text in a function."""
    lines, first = inspect.getsourcelines(function)
    return f"{__file__}:{first + next(i for i, line in enumerate(lines) if text in line)}"


def caught(function, model=None):
    with pytest.raises(AnomalyError) as error, Watch(model):
        function()
    assert sys.getprofile() is None
    return error.value


def found(error):
    return error.operation, error.phase, error.kind


# -------------------------------------------------------------------------------------------------------- forward

BAD = {
    "log of a negative number": (lambda x: x.log(), ("log", "forward", "nan")),
    "zero over zero": (lambda x: (x - x) / (x - x), ("div", "forward", "nan")),
    "division by zero": (lambda x: 1 / (x - x), ("div", "forward", "infinity")),
    "overflow": (lambda x: (x * x * 1e30) * 1e30, ("mul", "forward", "infinity")),
    "exp": (lambda x: (x * 1e3).abs().exp(), ("exp", "forward", "infinity")),
    "a product of matrices": (lambda x: (x * 1e25) @ (x.T * 1e25), ("mm", "forward", "infinity")),
    "a sum": (lambda x: (x * 0 + 3e38).sum(), ("sum", "forward", "infinity")),
    "several inputs": (lambda x: F.linear(x * 1e25, x * 1e25, x[0]), ("linear", "forward", "infinity")),
    "one of several": (lambda x: mg.cat([x, (x - 5).sqrt()]), ("sqrt", "forward", "nan")),
    "in place": (lambda x: (x * 1).log_(), ("log", "forward", "nan")),
    "after an infinity": (lambda x: mg.full((2,), math.inf) - math.inf, ("sub", "forward", "nan")),
    "in a function of the library": (lambda x: F.softmax(x * -math.inf, 1), ("mul", "forward", "nan")),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("requires_grad", [False, True])
def test_the_operation_that_makes_it_is_named(name, requires_grad):
    function, expected = BAD[name]
    x = mg.tensor([[-1.0, 0.0], [2.0, 3.0]], requires_grad=requires_grad)
    error = caught(lambda: function(x))
    assert found(error) == expected
    assert error.place == f"{__file__}:{function.__code__.co_firstlineno}" and error.module is None
    assert f"{expected[0]} made the first {expected[2]} in forward: its result" in str(error)


def test_what_passes_a_bad_number_on_is_not_to_blame():
    with Watch():
        x = mg.tensor([1.0, math.nan, math.inf, 2.0], requires_grad=True)
        y = (x * 2 + 1)[:2].sum()
        mg.cat([x, x]).max()
        scores = mg.ones(3, 3, requires_grad=True).masked_fill(mg.ones(3, 3).triu(1).bool(), -math.inf)
        weights = F.softmax(scores, 1)
        weights.sum().backward()
        mg.empty(1000)
    assert math.isnan(y.item()) and weights[0].tolist() == [1, 0, 0]


def test_a_row_that_is_masked_altogether_is_found():
    def attend():
        return F.softmax(mg.ones(2, 2).masked_fill(mg.ones(2, 2).bool(), -math.inf), 1)

    assert caught(attend).kind == "nan"


def test_the_place_is_the_users_line_and_the_module_is_named():
    class Broken(nn.Module):
        def forward(self, x):
            x = x * 2
            return self.helper(x)

        def helper(self, x):
            return mg.log(x - 1e3)

    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(Broken()))
    error = caught(lambda: model(mg.ones(1, 2)), model)
    assert error.place == line_of(Broken.helper, "mg.log") and error.module == "1.0"
    assert str(error) == (
        "log made the first nan in forward: its result of shape (1, 2) has nan in 2 of 2 values; in the module '1.0' "
        f"(Broken); called at {error.place}: return mg.log(x - 1e3)"
    )


# -------------------------------------------------------------------------------------------------------- backward


def test_an_operation_whose_gradient_is_bad_is_named_by_where_it_was_called():
    def loss(x):
        y = x * 3
        root = y.sqrt()
        return (root * 2).sum()

    error = caught(lambda: loss(mg.zeros(3, requires_grad=True)).backward())
    assert found(error) == ("sqrt", "backward", "infinity") and error.place == line_of(loss, "root = ")
    assert "a gradient of shape (3,) has infinity in 3 of 3 values" in str(error)

    def product(x):
        return (x.sqrt() * 0).sum()  # 0 / 0

    error = caught(lambda: product(mg.zeros(3, requires_grad=True)).backward())
    assert found(error) == ("sqrt", "backward", "nan")

    x = mg.zeros(2, requires_grad=True)
    y = x.sqrt()  # not watched
    error = caught(y.sum().backward)
    assert found(error) == ("sqrt", "backward", "infinity") and error.place is None
    assert "called at" not in str(error)


def test_a_joint_vjp_one_of_the_users_own_and_one_that_records():
    @primitive
    def wobble(a, b):
        return a + b

    @wobble.vjp
    def wobble_vjp(g, needs):
        return [g, g * math.nan]

    a, b = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
    error = caught(lambda: wobble(a, b).sum().backward())
    assert found(error) == ("wobble", "backward", "nan")

    x = mg.zeros(2, requires_grad=True)
    error = caught(lambda: x.sqrt().sum().backward(create_graph=True))
    assert error.kind == "infinity" and error.operation in ("div", "sqrt", "pow", "rsqrt", "reciprocal")


# -------------------------------------------------------------------------------------------------------- in a fit


def test_a_sound_fit_is_not_changed():
    learner, other = problem([DetectAnomaly()]), problem()
    mg.manual_seed(1)
    learner.fit(2)
    mg.manual_seed(1)
    other.fit(2)
    assert bytes_of(learner) == bytes_of(other) and sys.getprofile() is None


class Layer(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def refused(layer=None, loss=F.cross_entropy, lr=0.1, x=None, y=None, callbacks=()):
    mg.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 2), Layer(layer or (lambda x: x)))
    batch = mg.ones(3, 2) if x is None else x, mg.tensor([0, 1, 0]) if y is None else y
    optimizer = mg.optim.SGD(model.parameters(), lr=lr)
    learner = Learner(model, ([batch] * 4, None), loss, optimizer, [DetectAnomaly(), *callbacks])
    with pytest.raises(AnomalyError) as error:
        learner.fit(2)
    assert sys.getprofile() is None
    return error.value, learner


def test_forward_and_backward_of_a_model_in_a_fit():
    error, learner = refused(lambda x: (x * 0 - 1).log())
    assert found(error) == ("log", "forward", "nan") and error.module == "1" and learner.step == 0
    assert error.place.startswith(__file__)
    error, learner = refused(lambda x: (x * 0).sqrt())
    assert found(error) == ("sqrt", "backward", "infinity") and error.module == "1" and learner.step == 0
    assert isinstance(error, FloatingPointError)


def test_in_a_layer_of_the_library_the_place_is_the_layers():
    error, _ = refused(lambda x: x * 1e20, loss=nn.MSELoss(), y=mg.zeros(3, 2))
    assert error.kind == "infinity" and error.phase == "forward"
    assert "/minigrad/nn/" in error.place and error.module is None  # the loss is no module of the model


def test_batches_parameters_sums_and_steps_are_checked():
    error, _ = refused(x=mg.full((3, 2), math.nan))
    assert str(error) == "the input of batch 0 has nan in 6 of 6 values" and error.operation is None
    error, _ = refused(y=mg.tensor([[0.0, math.inf]] * 3), loss=F.mse_loss)
    assert str(error) == "the target of batch 0 has infinity in 3 of 6 values"

    class Breaking(BatchTransform):
        def before_batch(self, learner):
            learner.model[0].weight.data[0, 0] = math.nan

    breaking = Breaking(len)
    breaking.order = -200
    error, _ = refused(callbacks=[breaking])
    assert str(error) == "the parameter 0.weight has nan in 1 of 4 values"
    error, learner = refused(lr=1e39)
    assert error.operation == "SGD" and error.kind in ("nan", "infinity") and learner.step == 1
    assert str(error).startswith("the step of SGD gave the parameter 0.weight ")

    class Steep(nn.Linear):  # each of the two gradients of the weight is finite, their sum is not
        def forward(self, x):
            return (self.weight * 3e38).sum() + (self.weight * 3e38).sum()

    model = Steep(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    data = [(mg.ones(1, 1), mg.ones(1, 1))]
    learner = Learner(model, (data, None), lambda p, y: p, mg.optim.SGD(model.parameters(), lr=0.1), [DetectAnomaly()])
    with pytest.raises(AnomalyError, match="of gradients of the parameter weight has infinity in 1 of 1 values") as error:
        learner.fit(1)
    assert (error.value.phase, error.value.operation) == ("backward", None)


def test_several_inputs_and_text_are_taken():
    class Two(nn.Linear):
        def forward(self, a, b):
            return super().forward(a + b).sum()

    model = Two(1, 1)
    data = [(mg.ones(2, 1), mg.ones(2, 1), ["a", "b"])]
    learner = Learner(model, (data, None), lambda p, y: p, mg.optim.SGD(model.parameters(), lr=0.0), [DetectAnomaly()])
    learner.fit(1)
    data[0][1][0] = math.inf
    with pytest.raises(AnomalyError, match="the input of batch 0 has infinity in 1 of 2 values"):
        learner.fit(1)


# ------------------------------------------------------- the same by hand: debuggers and coverage see no profile function


def living_in(file):
    """The function as if it stood in another file."""
    return lambda f: FunctionType(f.__code__.replace(co_filename=file), f.__globals__, f.__name__, None, f.__closure__)


@np.errstate(all="ignore")  # a Watch that looks does so itself
def test_looking_by_hand(monkeypatch):
    model = nn.Sequential(nn.Linear(2, 2), Layer(None))
    watch = Watch(model)

    @living_in(os.path.join(PACKAGE, "ops", "__init__.py"))
    def operation(x, *more):
        with mg.enable_grad():
            y = x.sqrt()
        watch.look(sys._getframe(), "call", None)
        watch.look(sys._getframe(), "return", None)
        watch.look(sys._getframe(), "return", 3)
        watch.look(sys._getframe(), "return", [y, 3])
        watch.look(sys._getframe(), "return", y)
        return y

    @living_in(os.path.join(PACKAGE, "nn", "__init__.py"))
    def layer(x):
        return operation(x)

    @living_in(os.path.join(PACKAGE, "train", "__init__.py"))
    def loop(function, x):
        return function(x)

    here = sys._getframe().f_code.co_firstlineno
    y = operation(mg.zeros(2, requires_grad=True))
    file, line = watch.places[y.node][0]
    assert file == __file__ and here < line
    operation(mg.tensor([math.nan, math.inf]))  # passed on
    operation(mg.tensor([-1.0]), math.nan, 1.0)
    watch.look(sys._getframe(), "return", mg.full((2,), math.nan))  # no operation

    def error_of(function, *args):
        with pytest.raises(AnomalyError) as error, mg.no_grad():
            function(*args)
        return error.value

    minus = mg.tensor([-1.0, 4.0])
    assert error_of(operation, minus).place.startswith(__file__)
    assert error_of(loop, layer, minus).place.endswith(f"nn/__init__.py:{layer.__code__.co_firstlineno + 2}")
    model[1].function = operation
    error = error_of(model, minus.expand(2, 2))
    assert (error.operation, error.module) == ("operation", "1") and error.place.startswith(__file__)
    model[1].function = lambda x: loop(operation, x)  # nothing of the user's in between
    assert error_of(model, minus.expand(2, 2)).place is None

    def walk(node, vjp, g):
        return vjp(g)

    def vjp(g):
        watch.look(sys._getframe(), "return", [g / 0, None])

    monkeypatch.setattr(autograd, "walk", walk)
    error = error_of(walk, y.node, vjp, mg.ones(2).array)
    assert found(error) == ("sqrt", "backward", "infinity") and error.place == f"{file}:{line}"
    walk(y.node, vjp, mg.full((2,), math.inf).array)
    walk(None, vjp, mg.ones(2).array)


def test_the_module_of_a_place_in_a_helper_is_found_further_out():
    assert refused(lambda x: helper(x))[0].module == "1"


def helper(x):
    return (x * 0 - 1).log()
