"""Reverse-mode automatic differentiation.

A *primitive* is a function of raw arrays together with its vector-Jacobian products (vjp): given the gradient `g` of a
loss with respect to its output, each returns the gradient with respect to one input. Calling a primitive with Tensors
records a Node; `backward` walks the nodes from the newest to the oldest and hands gradients from outputs to inputs.

The rules that a vjp keeps:
- Its parameter names say what the node keeps for it: `g`, then `y` (the output) or any of the forward's parameters.
- It runs on raw arrays in an ordinary backward and on Tensors under `create_graph=True`, so that it can itself be
  differentiated. It uses only operators, `@`, indexing, `.shape` and primitives (a primitive called without a Tensor
  returns a raw array), and no augmented assignment.
- It returns a new array, `g` itself or a view, never an array that the node keeps.
- `shape` is the shape of the first input.
- A name listed in the primitive's `extras` is an intermediate that the forward computed anyway; it is there in an
  ordinary backward and None under `create_graph=True`, where it would wrongly count as a constant.

A primitive called with raw arrays only returns a raw array. `@primitive` is quickest with one Tensor; the form for two
operands that broadcast is `@binary` in `ops/operands.py`.
"""

import contextlib
import functools
import itertools
import operator
import threading
from heapq import heappop, heappush

from .backend import NUMBERS, Array, asarray, xp

VARIADIC, GENERATOR = 4, 32  # the flags of code with `*args`, and of a generator
new = object.__new__
tick = itertools.count(1).__next__  # numbers nodes and in-place changes, so that each knows what came first


class Mode(threading.local):
    """Of each thread: whether operations are recorded, and what hooks note until the present backward walk ends."""

    enabled, notes = True, None


mode = Mode()


class GradMode(contextlib.ContextDecorator):
    """Sets the mode inside a `with` block or a decorated function and puts the previous one back."""

    def __init__(self, value):
        self.value, self.previous = value, []

    def _recreate_cm(self):  # every call of a decorated function has its own
        return GradMode(self.value)

    def __enter__(self):
        self.previous.append(mode.enabled)
        mode.enabled = self.value
        return self

    def __exit__(self, *exception):
        mode.enabled = self.previous.pop()

    def __call__(self, function):
        code = getattr(function, "__code__", None)
        return self.stepwise(function) if code is not None and code.co_flags & GENERATOR else super().__call__(function)

    def stepwise(self, function):
        """The generator function with its steps in this mode, and what happens between them outside."""

        @functools.wraps(function)
        def generate(*args, **kwargs):
            steps = function(*args, **kwargs)
            resume = functools.partial(next, steps)
            try:
                while True:
                    with self._recreate_cm():
                        value = resume()
                    try:
                        resume = functools.partial(steps.send, (yield value))
                    except GeneratorExit:
                        with self._recreate_cm():
                            steps.close()
                        raise
                    except BaseException as error:
                        resume = functools.partial(steps.throw, error)
            except StopIteration as end:
                return end.value

        return generate


def no_grad(function=None):
    """Record nothing inside: `with no_grad():`, `@no_grad()` or `@no_grad`."""
    return GradMode(False) if function is None else GradMode(False)(function)


def enable_grad(function=None):
    """Record inside, also within `no_grad`: a context manager and a decorator."""
    return GradMode(True) if function is None else GradMode(True)(function)


def inference_mode(mode=True):
    """`no_grad` under the name that says why; `inference_mode(False)` records."""
    return GradMode(False)(mode) if callable(mode) else GradMode(not mode)


class set_grad_enabled(GradMode):
    """Switch recording on or off at once; as a context manager or decorator, for that block or function only."""

    def __init__(self, mode_):
        if not isinstance(mode_, bool):
            raise TypeError(f"set_grad_enabled(): expected a bool, got {mode_!r}")
        super().__init__(mode_)
        self.before, mode.enabled = mode.enabled, self.value

    def __enter__(self):
        self.previous.append(self.before)
        mode.enabled = self.value
        return self

    def __call__(self, function):
        mode.enabled = self.before
        return super().__call__(function)


def is_grad_enabled():
    """Whether operations are recorded in this thread."""
    return mode.enabled


# ---------------------------------------------------------------------------------------------- nodes and variables


class Node:
    """One recorded operation: where the gradient of its output goes, and what its vjps need for that.

    A tensor points to the node that made it and a node to its parents, never back: no cycles, so that a graph is freed
    as soon as its last tensor goes.
    """

    __slots__ = ("number", "rule", "parents", "kept", "versions", "shape", "grad", "hooks", "__weakref__")

    def __init__(self, rule, parents, kept, versions, shape):
        self.number = tick()
        self.rule = rule
        self.parents = parents  # a node for each input, None where no gradient is wanted
        self.kept = kept  # (output, *inputs, shape, *extras), None for a tensor that no vjp names
        self.versions = versions  # of the tensors among them, in the same places, None for the others; see also `relying`
        self.shape = shape  # of the output
        self.grad = None  # of a leaf, or where `retain_grad` asked for it
        self.hooks = None

    def name(self):
        """torch's name of the operation, such as "AddBackward0"."""
        title = titles.get(self.rule.name, self.rule.title)
        return title(self) if callable(title) else title

    @property
    def next_functions(self):
        return tuple((parent, 0) for parent in self.parents)

    def __repr__(self):
        return f"<{self.name()} object at {id(self):#x}>"


class Leaf(Node):
    """Where a gradient ends: stands in the graph for a tensor that the user made, and holds its `.grad`."""

    __slots__ = ()

    def __init__(self, shape):
        super().__init__(None, (), (), (), shape)

    def name(self):
        return "AccumulateGrad"


titles = {}  # names of nodes that do not follow from their primitive's: text, or a function of the node; see printing.py


class Version:
    """When the memory of a tensor and of its views last changed in place; shared by all of them."""

    changed = 0  # tick of the last change of the numbers
    rewired = 0  # tick of the last change that autograd recorded
    count = 0  # torch's `_version`


class Variable:
    """What the graph knows of a tensor; `Tensor` adds the operations.

    `array`: the numbers. `node`: what made them, None where no gradient is wanted. `version`: see Version. `origin`: of
    a view, (base, view function, its options, tick when taken); None for a tensor with memory of its own.
    """

    __slots__ = ("array", "node", "version", "origin", "__dict__", "__weakref__")

    def current_node(self):
        """The node that made the present value: a view older than a recorded change of its base is taken anew."""
        stale, tensor = [], self
        while tensor.origin is not None and tensor.version.rewired > tensor.origin[3]:
            stale.append(tensor)
            tensor = tensor.origin[0]
        for tensor in reversed(stale):
            base, view, options, _ = tensor.origin
            with enable_grad():
                again = view(base, *options)
            tensor.origin = again.origin
            tensor.come_from(again.node)
        return self.node

    def come_from(self, node):
        """Be what an in-place change made: `.grad` and the wish to retain it come along, hooks stay where they were."""
        old, self.node = self.node, node
        if old is None and node is not None:
            node.grad = self.__dict__.pop("_grad", None)
        elif old is not node and old is not None:
            self.grad, old.grad = old.grad, None
            if old.hooks is not None and old.hooks.retain and node is not None:
                node.hooks, old.hooks.retain = Hooks(), False
                node.hooks.retain = True


Tensor = Variable  # what primitives return; `tensor.py` registers its class


def register(cls):
    """Class decorator: primitives return this kind of Variable."""
    global Tensor
    Tensor = cls
    return cls


def wrap(array, node=None):
    """A tensor around an array, in memory of its own."""
    tensor = new(Tensor)
    tensor.array = array if array.__class__ is Array else asarray(array)
    tensor.node, tensor.version, tensor.origin = node, Version(), None
    return tensor


# ------------------------------------------------------------------------------------------------------- primitives


def parameters_of(function):
    """The names of its positional parameters, `*arrays` included; asking `inspect` would take a tenth of the import."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = function.__code__
    return code.co_varnames[: code.co_argcount + bool(code.co_flags & VARIADIC)]


class Rule:
    """The derivative of a primitive: which vjps there are, and what each of them needs."""

    def __init__(self, forward, extras=(), undo_broadcast=None):
        self.forward = forward  # on raw arrays
        self.name = forward.__name__.removesuffix("_on_device").strip("_")  # by kernels or not, it is the same operation
        self.title = self.name.title().replace("_", "") + "Backward0"
        self.slots = ["y", *parameters_of(forward), "shape", *extras]  # what a vjp can name; not `*arrays`
        if len(set(self.slots)) < len(self.slots):
            raise TypeError(f"{self.name}: y, shape and the extras cannot name a parameter, got {self.slots[1:]}")
        self.extras = len(extras)
        self.undo_broadcast = undo_broadcast or self.refuse
        self.vjps = []  # (input, function, its slots: a number where that is one, None where there are none, else a picker)
        self.joint = None  # or one function for all inputs at once, and a picker of its slots and `needs`
        self.asked = []  # (input, or None where it is one function for all, numbers of the slots that its vjp takes)
        self.differentiable = False
        self.keep_alone = None  # whether to keep (y, x) where the first input alone is a Tensor
        self.plans, self.keepers = {}, {}  # see `plan` and `keeper`

    def refuse(self, g, shape):
        raise RuntimeError(f"{self.name}: a vjp returned a gradient of shape {tuple(g.shape)}, expected {tuple(shape)}")

    def takes(self, function):
        g, *names = parameters_of(function)
        unknown = {g} - {"g"} | set(names) - {"needs", *self.slots}
        if unknown:
            raise TypeError(f"{self.name}: a vjp takes g, then any of {self.slots}; got {sorted(unknown)}")
        return tuple(-1 if name == "needs" else self.slots.index(name) for name in names)

    def plan(self, wanted):
        """Whether each slot is to be kept, where the gradients of the `wanted` inputs may be asked for."""
        asked = set()
        for i, slots in self.asked:
            if i is None or i < len(wanted) and wanted[i]:
                asked.update(slots)
        plan = self.plans[wanted] = tuple(i in asked for i in range(len(self.slots)))
        return plan

    def keeper(self, wanted, n):
        """A function that takes out of (y, *n inputs, shape, *extras, None) what a node keeps, and None for the others.

        The bits of `wanted` say of which inputs the gradients may be asked for.
        """
        plan = self.plan(tuple([wanted >> i & 1 == 1 for i in range(wanted.bit_length())]))
        places = [i if i < len(plan) and plan[i] else -1 for i in range(n + 2 + self.extras)]
        keeper = self.keepers[wanted, n] = operator.itemgetter(*places)
        return keeper

    def declare(self, i, function):
        """Add the vjp of input `i`, or of all inputs if it takes `needs`."""
        slots = self.takes(function)
        if -1 in slots:
            self.joint, i = (function, picker(slots)), None
        else:
            self.vjps.append((i, function, slots[0] if len(slots) == 1 else picker(slots) if slots else None))
        self.asked.append((i, slots))
        self.differentiable, self.plans, self.keepers = True, {}, {}
        self.keep_alone = self.plan((True,))[:2]


def picker(places):
    """A function that takes what stands at some places out of a list, as a tuple."""
    return operator.itemgetter(*places) if len(places) > 1 else lambda values: tuple([values[i] for i in places])


def with_vjps(rule, call):
    """Give a primitive's call the two ways to declare its vjps."""

    def vjp(function):
        """Declare the vjp of the first input; one that takes `needs` returns the gradients of all inputs at once."""
        rule.declare(0, function)
        return function

    def vjps(**functions):
        """Declare a vjp for each named input."""
        for name, function in functions.items():
            rule.declare(rule.slots.index(name) - 1, function)

    call.vjp, call.vjps, call.rule = vjp, vjps, rule
    call.__name__ = call.__qualname__ = rule.name
    call.__module__, call.__doc__ = rule.forward.__module__, rule.forward.__doc__
    return call


def primitive(forward=None, *, extras=(), undo_broadcast=None, floating=False):
    """Make a forward on raw arrays differentiable; the module's text says what its vjps may do.

    All arguments are positional, Tensors and options alike; all but the first few Tensors are options. `extras` names
    the intermediates that the forward returns after its output. `undo_broadcast(g, shape)` sums a gradient to the shape
    of an input that was broadcast. Where `floating`, integers take the default dtype.
    """
    if forward is None:
        return lambda function: primitive(function, extras=extras, undo_broadcast=undo_broadcast, floating=floating)
    rule = Rule(forward, extras, undo_broadcast)
    several = several_inputs(rule)

    def call(x, *options):
        for option in options:
            if isinstance(option, Variable):
                return several(x, *options)
        if not isinstance(x, Variable):
            return forward(x, *options)[0] if extras else forward(x, *options)
        array, node, extra = x.array, x.node if x.origin is None else x.current_node(), ()
        if floating and array.dtype.kind != "f":
            array = array.astype(NUMBERS[float])
        y = forward(array, *options)
        if extras:
            y, *extra = y
        output = new(Tensor)
        output.array = y = y if y.__class__ is Array else asarray(y)
        output.version = version = Version()
        output.origin = output.node = None
        if node is not None and rule.differentiable and mode.enabled:
            keep_y, keep_x = rule.keep_alone
            output.node = Node(
                rule,
                (node, *(None,) * len(options)),
                (y if keep_y else None, array if keep_x else None, *options, array.shape, *extra),
                (version if keep_y else None, x.version if keep_x else None) if keep_y or keep_x else (),
                y.shape,
            )
        return output

    return with_vjps(rule, call)


def relying(output, *tensors):
    """The output, whose node, if it has one, notices changes of tensors from now on: it keeps their arrays as options.

    Index tensors take this way: as arguments of the primitive they would cost more than what is done with them.
    """
    node = output.node
    if node is not None and tensors:
        node.versions = (*node.versions, tensors)
    return output


def several_inputs(rule):
    """The call of a primitive with Tensors at any place among its arguments, or with none."""

    def call(*args):
        n = len(args)
        arrays, parents, versions, wanted = list(args), [None] * n, [None] * (n + 3 + rule.extras), 0
        for i, a in enumerate(args):
            if isinstance(a, Variable):
                arrays[i], versions[i + 1] = a.array, a.version
                node = a.node if a.origin is None else a.current_node()
                if node is not None:
                    parents[i] = node
                    wanted |= 1 << i
        y, extra = rule.forward(*arrays), ()
        if rule.extras:
            y, *extra = y
        if not any(versions):
            return y
        output = wrap(y)
        if wanted and rule.differentiable and mode.enabled:
            keep, versions[0] = rule.keepers.get((wanted, n)) or rule.keeper(wanted, n), output.version
            kept = keep((output.array, *arrays, getattr(arrays[0], "shape", None), *extra, None))
            versions = keep(versions)
            output.node = Node(rule, parents, kept, versions if any(versions) else (), output.array.shape)
        return output

    return call


def view(forward):
    """A primitive of one input whose output shares, or may share, the memory of that input."""
    rule = Rule(forward)

    def call(x, *options):
        if not isinstance(x, Variable):
            return forward(x, *options)
        array, node = x.array, x.node if x.origin is None else x.current_node()
        output = new(Tensor)
        output.array = y = forward(array, *options)
        output.node = None
        base = y.base
        if y is array or base is not None and (base is array or base is array.base):
            output.version, output.origin = x.version, (x, call, options, tick())
        else:
            output.version, output.origin = Version(), None
        if node is not None and mode.enabled:
            kept = None, None, *options, array.shape
            output.node = Node(rule, (node, *(None,) * len(options)), kept, (), y.shape)
        return output

    return with_vjps(rule, call)


# ------------------------------------------------------------------------------------------------- the backward walk


def walk(roots, gradients, targets=None, retain_graph=False, create_graph=False):
    """Send gradients from the root nodes down to the leaves, or to the target nodes alone; returns {target: gradient}.

    Nodes wait in a heap, the newest first, so that a node's turn comes when every node that uses it has had its own.
    Gradients are raw arrays, or Tensors under `create_graph`. They arrive borrowed: the second arrival at a node makes
    a sum of its own, later ones are added to that in place. Without targets, leaves add up theirs in `grad`.
    """
    useful, inner = (None, None) if targets is None else leading_to(targets, roots)
    heap, pending, owned, found = [], {}, set(), {}

    def send(node, g, source):
        if node.rule is None and targets is None and node.hooks is None and (node.grad is None or node in owned):
            accumulate(node, g, g is not source)
            owned.add(node)
        elif node not in pending:
            pending[node] = g
            heappush(heap, (-node.number, node))
        elif create_graph or node not in owned:
            pending[node] = pending[node] + g
            owned.add(node)
        else:
            pending[node] += g

    for node, g in zip(roots, gradients):
        if useful is None or node in useful:
            send(node, g, g)
    while heap:
        node = heappop(heap)[1]
        g, rule, parents = pending.pop(node), node.rule, node.parents
        if node.hooks is not None:
            g = node.hooks.run(node, g)
        if targets is not None:
            if node in targets:
                found[node] = g if create_graph else own_copy(g)
                if node not in inner:
                    continue
            parents = [parent if parent in useful else None for parent in parents]
        elif rule is None:
            accumulate(node, g)
            continue
        kept = node.kept
        if kept is None or create_graph or newest_change > node.number:
            kept = what_is_kept(node, create_graph)
        if not retain_graph and node.versions:
            node.kept = None
        if rule.joint is not None:
            function, picked = rule.joint
            needs = [parent is not None for parent in parents]
            for parent, gradient in zip(parents, function(g, *picked([*kept, needs]))):
                if parent is not None and gradient is not None:
                    send(parent, gradient, g)
        for i, function, takes in rule.vjps:
            parent = parents[i]
            if parent is None:
                continue
            if takes.__class__ is int:
                gradient = function(g, kept[takes])
            else:
                gradient = function(g) if takes is None else function(g, *takes(kept))
            if create_graph and node.versions:
                relying(gradient, *relied_on(node))
            if gradient.shape != parent.shape:
                gradient = rule.undo_broadcast(gradient, parent.shape)
            if parent.rule is None or parent in pending:
                send(parent, gradient, g)
            else:  # as `send` does, without a call
                pending[parent] = gradient
                heappush(heap, (-parent.number, parent))
    return found


def what_is_kept(node, create_graph):
    """What a node keeps for its vjps, if it is still there and as it was."""
    if node.kept is None:
        raise RuntimeError(
            f"Trying to backward through the graph a second time: what {node.rule.name} kept for it was freed by the "
            "first backward. Specify retain_graph=True on the first to keep it."
        )
    if newest_change > node.number:
        alone = [version for version in node.versions if version.__class__ is Version]
        for version in [*alone, *(x.version for x in relied_on(node))]:
            if version.changed > node.number:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"what {node.rule.name} kept for backward has changed since, it is at version {version.count} now"
                )
    return as_tensors(node) if create_graph else node.kept


def relied_on(node):
    """The tensors whose arrays a node keeps as options, see `relying`."""
    return [x for some in node.versions if some.__class__ is tuple for x in some]


def as_tensors(node):
    """What a node keeps, as Tensors with their place in the graph; extras, which would be constants there, as None."""
    sources = (node, *node.parents)
    kept = list(node.kept)
    for i, version in enumerate(node.versions):
        if version.__class__ is Version:
            kept[i] = wrap(kept[i], sources[i])
            kept[i].version = version
    if node.rule.extras:
        kept[-node.rule.extras :] = [None] * node.rule.extras
    return kept


def leading_to(targets, roots):
    """The nodes through which a gradient reaches a target, and those of them that have a parent among them."""
    reachable, stack = set(roots), list(roots)
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in reachable:
                reachable.add(parent)
                stack.append(parent)
    useful, inner = set(targets), set()
    for node in sorted(reachable, key=lambda node: node.number):
        if any(parent in useful for parent in node.parents):
            useful.add(node)
            inner.add(node)
    return useful, inner


def accumulate(leaf, g, fresh=False):
    """Add a gradient, raw or Tensor, to `leaf.grad`, which never shares memory: a `fresh` array is its to take."""
    with changing:
        total = leaf.grad
        if isinstance(g, Variable):
            leaf.grad = g + 0 if total is None else total + g
        elif total is None:
            leaf.grad = wrap(g if fresh and g.base is None else own_copy(g))
        elif 0 in total.array.strides:  # a number that stands for several elements
            total.array = total.array + g
        else:
            total.array += g
            changed(total)


def own_copy(g):
    """A copy in the order of the indices; where images come last in memory they still do."""
    return xp.array(g, order="K" if g.ndim > 2 and g.transpose(*range(1, g.ndim), 0).flags.c_contiguous else "C")


newest_change = 0
changing = threading.RLock()  # threads may share leaves, and NumPy lets others run while it adds


def changed(*tensors):
    """Note that the numbers of tensors are changed in place."""
    global newest_change
    with changing:  # or an older number could take the place of a newer one
        newest_change = now = tick()
        for tensor in tensors:
            version = tensor.version
            version.changed = now
            version.count += 1


# ----------------------------------------------------------------------------------------------------------- the API


class Hooks:
    """What happens to the gradient of one node on its way."""

    def __init__(self):
        self.functions, self.retain = {}, False

    def run(self, node, g):
        for function in list(self.functions.values()):
            tensor = g if isinstance(g, Variable) else wrap(g)
            answer = function(tensor)
            if answer is None:
                continue
            if not isinstance(answer, Variable):
                raise TypeError(f"hook {function!r}: expected a Tensor or None, got {type(answer).__name__}")
            if answer.array.shape != node.shape or answer.array.dtype != g.dtype:
                raise RuntimeError(
                    f"hook {function!r}: expected a gradient of {g.dtype} and shape {node.shape}, got {answer.array.dtype} "
                    f"and shape {answer.array.shape}"
                )
            g = answer if isinstance(g, Variable) else answer.array
        if self.retain and node.grad is not None and not isinstance(g, Variable):
            node.grad = wrap(node.grad.array + g)  # who keeps the gradient of a backward before has it as it was
        elif self.retain:
            accumulate(node, g)
        return g


class RemovableHandle:
    """Takes a registered hook away again: by `remove()`, or at the end of a `with` block."""

    def __init__(self, hooks, function):
        self.hooks, self.key = hooks, tick()
        hooks[self.key] = function

    def remove(self):
        self.hooks.pop(self.key, None)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.remove()


def roots_of(tensors, gradients, operation):
    """Nodes to start from, and the gradient of each."""
    gradients = [None] * len(tensors) if gradients is None else gradients
    if len(gradients) != len(tensors):
        raise RuntimeError(f"{operation}: got {len(tensors)} tensors and {len(gradients)} gradients")
    nodes, start = [], []
    for i, (tensor, g) in enumerate(zip(tensors, gradients)):
        node, array = tensor.current_node(), tensor.array
        if node is None:
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
        if g is None:
            if array.size != 1:
                raise RuntimeError(
                    f"grad can be implicitly created only for scalar outputs: {operation} got shape {array.shape}"
                )
            g = wrap(xp.ones(array.shape, array.dtype))
        elif not isinstance(g, Variable):
            raise TypeError(f"{operation}: gradients can be either Tensors or None, but got {type(g).__name__}")
        elif g.array.shape != array.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {g.array.shape} and output[{i}] of {array.shape}"
            )
        nodes.append(node)
        start.append(g if g.array.dtype is array.dtype else g.to(array.dtype))
    return nodes, start


def run(tensors, gradients, operation, targets, retain_graph, create_graph):
    if targets is not None and not targets:
        raise RuntimeError(f"`inputs` argument to `{operation}()` cannot be empty.")
    nodes, start = roots_of(tensors, gradients, operation)
    if not create_graph:
        start = [g.array for g in start]
    previous = mode.enabled, mode.notes
    mode.enabled, mode.notes = create_graph, {}
    try:
        return walk(nodes, start, targets, create_graph if retain_graph is None else retain_graph, create_graph)
    finally:
        mode.enabled, mode.notes = previous


def sequence(tensors, operation):
    """One Tensor, or several, as a list."""
    if isinstance(tensors, Variable):
        return [tensors]
    tensors = list(tensors) if hasattr(tensors, "__iter__") else [tensors]
    for x in tensors:
        if not isinstance(x, Variable):
            raise TypeError(f"{operation}: expected Tensors, got {type(x).__name__}")
    return tensors


def as_tuple(x):
    """One object, or several in a tuple or list, as a tuple."""
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def gradients_of(gradients):
    """One gradient, or several (None where there is none), as a tuple; None where none are given."""
    return None if gradients is None else as_tuple(gradients)


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, inputs=None):
    """Add the gradient of `tensors` with respect to every leaf (or to `inputs` alone) to its `.grad`.

    `grad_tensors`: the gradient with respect to each tensor, of its shape; may be left out for tensors of one element.
    `retain_graph`: keep the graph for a second backward (by default, only under `create_graph`). `create_graph`: record
    the backward itself, so that gradients can be differentiated; each `.grad` then leads back to its own leaf, a cycle
    until it is set to None, which `grad` does not make.
    """
    inputs = None if inputs is None else sequence(inputs, "backward")
    targets = None if inputs is None else {x.current_node() for x in inputs}
    if targets is not None and None in targets:
        raise RuntimeError("backward: one of the inputs does not require grad")
    found = run(sequence(tensors, "backward"), gradients_of(grad_tensors), "backward", targets, retain_graph, create_graph)
    for node, g in found.items():
        if node.hooks is None or not node.hooks.retain:  # which has it already
            accumulate(node, g, fresh=True)


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, allow_unused=None,
         materialize_grads=False):  # fmt: skip
    """The sum of gradients of `outputs` with respect to each of `inputs`, as a tuple; no `.grad` is touched.

    An input that the outputs do not depend on is an error, gives None under `allow_unused`, or zeros under
    `materialize_grads`. The other arguments are those of `backward`.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: expected allow_unused to be True or left out where materialize_grads is True")
    inputs = sequence(inputs, "grad")
    nodes = [x.current_node() for x in inputs]
    if None in nodes:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    found = run(sequence(outputs, "grad"), gradients_of(grad_outputs), "grad", set(nodes), retain_graph, create_graph)
    results = []
    for x, node in zip(inputs, nodes):
        g = found.get(node)
        if g is None and materialize_grads:
            g = xp.zeros_like(x.array)
        elif g is None and not allow_unused:
            raise RuntimeError(
                "One of the differentiated Tensors appears to not have been used in the graph. "
                "Set allow_unused=True if this is the desired behavior."
            )
        results.append(g if g is None or isinstance(g, Variable) else wrap(g))
    return tuple(results)
