"""Which operation made the first nan or infinity, and where it was called."""

import linecache
import math
import os
import sys
import weakref

from .. import autograd
from ..autograd import Rule, Variable
from ..backend import RAW, item, unwarned, xp
from ..nn.module import Module
from .callback import Callback

PACKAGE = os.path.dirname(autograd.walk.__code__.co_filename) + os.sep  # as frames know it
ENGINE = (PACKAGE + "autograd.py", PACKAGE + "ops" + os.sep)  # where operations are made
TENSOR = PACKAGE + "tensor.py"  # their names as methods
LOOP = PACKAGE + "train" + os.sep
PARTS = ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>")  # with frames of their own


class AnomalyError(FloatingPointError):
    """An operation made a nan or an infinity of numbers without such.

    `operation`: its name; `phase`: "forward" or "backward"; `kind`: "nan" or "infinity"; `place`: "file:line" where it
    was called, None where that is not known; `module`: name of the module in whose forward that was, None outside of one.
    """

    def __init__(self, message, operation=None, phase=None, kind=None, place=None, module=None):
        super().__init__(message)
        self.operation, self.phase, self.kind, self.place, self.module = operation, phase, kind, place, module


class DetectAnomaly(Callback):
    """Stops the fit with an AnomalyError at the first operation, forward or backward, that makes a nan or an infinity.

    The error names the operation, the line that called it and the module; its traceback leads there. An operation that
    passes such a number on (as `softmax` may the infinity of a mask) is not to blame. Also named are a batch or a
    parameter that has one to begin with, a gradient whose sum overflows, and an optimiser step that makes one.
    Each result is looked at, and every call of a Python function is: many times slower, for looking for a fault only.
    """

    order = -100

    def __init__(self):
        self.watch = None

    def before_batch(self, learner):
        for name, values in (("input", learner.x), ("target", learner.y)):
            for value in flat(values):
                self.refuse(value, f"the {name} of batch {learner.done} has")
        for name, parameter in learner.model.named_parameters():
            self.refuse(parameter, f"the parameter {name} has")
        self.watch = Watch(learner.model).__enter__()

    def after_backward(self, learner):
        for name, parameter in learner.model.named_parameters():
            self.refuse(parameter.grad, f"the sum of gradients of the parameter {name} has", phase="backward")

    def after_step(self, learner):
        for name, parameter in learner.model.named_parameters():
            step = f"the step of {type(learner.optimizer).__name__} gave the parameter {name}"
            self.refuse(parameter, step, type(learner.optimizer).__name__)

    def refuse(self, value, what, operation=None, phase=None):
        if isinstance(value, Variable) and (kind := anomaly([value.array])):
            raise AnomalyError(f"{what} {amount(value.array, kind)}", operation, phase, kind)

    def after_batch(self, learner):
        self.close(learner)

    def close(self, learner):
        if self.watch is not None:
            self.watch.__exit__(None, None, None)
            self.watch = None


class Watch:
    """Within the block, an operation in this thread that makes a nan or an infinity raises an AnomalyError.

    It looks at what functions return, by `sys.setprofile`: the innermost function of the engine that returns a bad
    Tensor without having been given such a number is the operation. In the backward walk, it is the function called
    from the walk itself. So the engine need not know of it, and costs nothing when nobody watches.
    """

    def __init__(self, model=None):
        self.names = {} if model is None else {module: name for name, module in model.named_modules()}
        self.places = weakref.WeakKeyDictionary()  # for each node, where its operation was called

    def __enter__(self):
        self.previous = sys.getprofile()
        self.silence = unwarned()
        self.silence.__enter__()
        sys.setprofile(self.look)
        return self

    def __exit__(self, *exception):
        sys.setprofile(self.previous)
        self.silence.__exit__(*exception)

    def look(self, frame, event, value):
        if event != "return" or value is None:
            return
        caller = frame.f_back
        if caller is not None and caller.f_code is autograd.walk.__code__:
            self.look_at_gradient(frame, caller.f_locals.get("node"), value)
        elif frame.f_code.co_filename.startswith(ENGINE) and frame.f_code.co_name not in PARTS:
            self.look_at_output(frame, value)

    def look_at_output(self, frame, value):
        outputs = [tensor for tensor in flat(value) if isinstance(tensor, Variable)]
        if not outputs:
            return
        kind = made(outputs, frame)
        nodes = [tensor.node for tensor in outputs if tensor.node is not None and tensor.node not in self.places]
        if kind is None and not nodes:
            return
        place, module = locate(frame)
        for node in nodes:
            self.places[node] = place, module
        if kind is not None:
            rule = frame.f_locals.get("rule")
            name = rule.name if isinstance(rule, Rule) else frame.f_code.co_name.strip("_")
            self.report(name, "forward", kind, outputs, place, module)

    def look_at_gradient(self, frame, node, value):
        if node is not None and node.rule is not None and (kind := made(flat(value), frame)):
            place, module = self.places.get(node, (None, None))
            self.report(node.rule.name, "backward", kind, flat(value), place, module)

    def report(self, name, phase, kind, values, place, module):
        bad = next(array for array in map(raw, values) if anomaly([array]) == kind)
        what = "its result" if phase == "forward" else "a gradient"
        message = f"{name} made the first {kind} in {phase}: {what} of shape {tuple(bad.shape)} has {amount(bad, kind)}"
        if module is not None:
            message += f"; in the module {self.names.get(module) or 'at the top'!r} ({type(module).__name__})"
        if place is not None:
            file, line = place
            source = linecache.getline(file, line).strip()
            message += f"; called at {file}:{line}" + (f": {source}" if source else "")
        where = None if place is None else f"{place[0]}:{place[1]}"
        raise AnomalyError(message, name, phase, kind, where, None if module is None else self.names.get(module))


def made(outputs, frame):
    """The kind of bad number that a function made: its outputs have it, what it was given has not."""
    kind = anomaly(outputs)
    if kind is None:
        return None
    code, values = frame.f_code, frame.f_locals
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & autograd.VARIADIC)
    given = [values[name] for name in code.co_varnames[:count] if name in values]
    inputs = [x for value in given for x in flat(value)]
    kinds = {bad for x in inputs for bad in ("nan", "infinity") if has(x, bad)}
    return None if kind in kinds or kind == "infinity" and kinds else kind


def anomaly(values):
    """ "nan", "infinity" or None: the worst in tensors, arrays and numbers."""
    return next((kind for kind in ("nan", "infinity") if any(has(value, kind) for value in values)), None)


def has(value, kind):
    value = raw(value)
    if isinstance(value, float):
        return math.isnan(value) if kind == "nan" else math.isinf(value)
    if not isinstance(value, RAW) or value.dtype.kind != "f":
        return False
    return item((xp.isnan if kind == "nan" else xp.isinf)(value).any())


def amount(array, kind):
    count = item((xp.isnan if kind == "nan" else xp.isinf)(array).sum())
    return f"{kind} in {count} of {array.size} values"


def raw(value):
    return value.array if isinstance(value, Variable) else value


def flat(value):
    """A value, or the entries of a list or tuple."""
    return [x for entry in value for x in flat(entry)] if isinstance(value, (list, tuple)) else [value]


def locate(frame):
    """((file, line), module) of the call of an operation: the nearest line of the user's own, within the present step.

    Where there is none between the operation and the Learner, the line in the layer of the library that called it. The
    module is the nearest whose forward is running. Either may be None.
    """
    own = library = module = None
    while frame is not None and not (file := frame.f_code.co_filename).startswith(LOOP):
        if own is None and not file.startswith(PACKAGE):
            own = file, frame.f_lineno
        elif library is None and not file.startswith(ENGINE) and file != TENSOR:
            library = file, frame.f_lineno
        if module is None and frame.f_code.co_name == "forward" and isinstance(frame.f_locals.get("self"), Module):
            module = frame.f_locals["self"]
        frame = frame.f_back
    return own or library, module
