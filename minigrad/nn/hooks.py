"""Full backward hooks of a Module: functions between the gradients of its outputs and of its inputs."""

from ..autograd import Variable, mode, primitive, wrap
from ..backend import xp
from ..guard import warn


class Crossing:
    """Where the gradients of several tensors wait for each other, to be handed to one function together.

    They wait in the notes of the walk. Were they kept here, the graph would hold this object, and the gradients of a
    recorded backward would hold the graph: a cycle.
    """

    def __init__(self, function, size):
        self.function, self.size = function, size

    def arrive(self, i, g):
        mode.notes.setdefault(self, [None] * self.size)[i] = g

    def cross(self):
        """What the function makes of the gradients that have arrived in this walk."""
        arrived = mode.notes.pop(self)
        graph = any(isinstance(g, Variable) for g in arrived)
        changed = self.function([g if g is None or isinstance(g, Variable) else wrap(g) for g in arrived])
        return [g if g is None or graph else g.array for g in changed]


@primitive
def gate(crossing, *tensors):
    """A token from which every tensor on the other side descends: its turn in backward is after theirs."""
    return xp.zeros(())


@gate.vjp
def gate_vjp(g, crossing, needs):
    return [None, *(g if need else None for g, need in zip(crossing.cross(), needs[1:]))]


@primitive
def passed(token, x, crossing, i):
    """x, the i-th of the tensors, on the other side of the gate."""
    return x


@passed.vjp
def passed_vjp(g, crossing, i):
    crossing.arrive(i, g)
    return xp.zeros(())


def through(tensors, function):
    """The tensors again, such that backward calls `function` once, with the list of their gradients.

    A gradient that does not come is None there. What the function returns is sent on to the originals.
    """
    crossing = Crossing(function, len(tensors))
    token = gate(crossing, *tensors)
    outputs = []
    for i, x in enumerate(tensors):
        y = passed(token, x.array, crossing, i)
        y.version = x.version  # the same memory
        outputs.append(y)
    return outputs


class BackwardHooks:
    """The backward hooks during one call of a module."""

    def __init__(self, module, hooks, pre_hooks):
        self.module, self.hooks, self.pre_hooks, self.watches_inputs = module, hooks, pre_hooks, False

    def watch(self, values, function):
        """(the values, whether any requires grad): those that do, under nodes that call `function` with their gradients."""
        at = [i for i, value in enumerate(values) if isinstance(value, Variable) and value.requires_grad]
        if not mode.enabled or not at:
            return values, False

        count = len(values)  # `full` must not hold the values, whose nodes will hold it

        def full(gradients):
            everything = [None] * count
            for i, g in zip(at, gradients):
                everything[i] = g
            changed = function(tuple(everything))
            return [changed[i] for i in at]

        values = list(values)
        for i, tensor in zip(at, through([values[i] for i in at], full)):
            values[i] = tensor
        return tuple(values), True

    def watch_inputs(self, args):
        """The arguments to call the module with."""
        self.kinds = [(x.array.shape, x.array.dtype) if isinstance(x, Variable) else None for x in args]
        args, self.watches_inputs = self.watch(args, self.at_inputs)
        return args

    def watch_outputs(self, output):
        """The output to return from the module."""
        if not isinstance(output, (Variable, tuple)):
            warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but "
                f"received {type(output)}"
            )
            return output
        outputs, _ = self.watch(output if isinstance(output, tuple) else (output,), self.at_outputs)
        return outputs if isinstance(output, tuple) else outputs[0]

    def at_outputs(self, gradients):
        for hook in self.pre_hooks:
            gradients = self.answer(hook(self.module, gradients), gradients, "Backward pre hook", "grad_output")
        if self.watches_inputs:
            mode.notes[self] = gradients
        else:  # no input wants a gradient: the hooks' turn is now
            self.run_hooks((None,) * len(self.kinds), gradients)
        return gradients

    def at_inputs(self, gradients):
        grad_output = mode.notes.pop(self, None)
        if grad_output is None:  # the gradient came past the outputs, as in a double backward
            return gradients
        zeros = (kind and wrap(xp.zeros(*kind)) for kind in self.kinds)  # of every Tensor, as torch passes them
        return self.run_hooks(tuple(zero if g is None else g for g, zero in zip(gradients, zeros)), grad_output)

    def run_hooks(self, gradients, grad_output):
        for hook in self.hooks:
            answer = hook(self.module, gradients, grad_output)
            gradients = self.answer(answer, gradients, "Backward hook", "grad_input")
        return gradients

    def answer(self, answer, gradients, hook, name):
        if answer is None:
            return gradients
        answer = answer if isinstance(answer, tuple) else (answer,)
        if len(answer) != len(gradients):
            raise RuntimeError(
                f"{hook} returned an invalid number of {name}, got {len(answer)}, but expected "
                f"{len(gradients)}"
            )
        return answer
