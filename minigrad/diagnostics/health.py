"""`health`: what is wrong with a network, in words; where, by what measure, and what to try.

The thresholds stand below. They are rules of thumb: a healthy network stays well within them, and whatever goes beyond
deserves a look, though it need not be a mistake. Source of most: Karpathy, Neural networks: zero to hero, part 4, 2022.
"""

import math
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from .. import nn
from ..nn.conv import Convolution, ConvTranspose
from ..nn.module import Module
from ..nn.norm import BatchNorm
from .kinds import ACTIVATIONS, goes_flat
from .record import Record, percent
from .statistics import numbers, share, std

LOSS = 1.3  # times -ln(1/n), the loss of a guess: more of it at the start is confidence in what was never learned
SATURATED = 0.3  # of the values of a layer; a tenth is usual
DEAD = 0.1  # of the units of a layer
DEAD_STEPS = 5  # a unit that sleeps through fewer recorded steps may only be resting
CHANGE = 10.0  # of the std, from one end of the network to the other
HUGE, TINY = 1e2, 1e-4  # stds that are wrong for an activation wherever it stands
UPDATE, FAR = -3.0, 1.2  # log10 update:data that trains well, and how far from it is too far: a factor of 16
FASTER = 1.5  # log10, of the last layer's updates over those of the others; at first it may well be tenfold
USELESS = 1e-3  # gradient of a bias over that of the weights beside it: only rounding is left
TINY_BATCH = 8  # examples; batch norm with fewer takes noise for statistics
GAIN_HIGH, GAIN_LOW = 2.5, 0.2  # std of weights times the root of fan-in; tanh wants 5/3, ReLU 1.4, torch begins with 0.6


@dataclass
class Finding:
    """One thing that is wrong: what, where (names of layers or parameters), by what measure, and what to try."""

    what: str
    where: str
    measure: str
    advice: str

    def __str__(self):
        return f"{self.what}\n   where: {self.where}\n   measured: {self.measure}\n   try: {self.advice}"


@dataclass
class Report:
    """What `health` found. `findings`: a list, the gravest first; `checked` and `unknown`: what was judged, what was not."""

    findings: list = field(default_factory=list)
    checked: list = field(default_factory=list)
    unknown: list = field(default_factory=list)

    def __str__(self):
        n = len(self.findings)
        lines = [f"{n} finding{'s' * (n != 1)}" if n else "nothing wrong found"]
        lines += [f"{i}. {finding}" for i, finding in enumerate(self.findings, 1)]
        if self.checked:
            lines.append("judged: " + ", ".join(self.checked))
        if self.unknown:
            lines.append("not judged: " + "; ".join(self.unknown))
        return "\n".join(lines)

    def judge(self, what, findings, unless=None):
        """Note the findings of one check, or why it could not be made."""
        if unless:
            self.unknown.append(f"{what} ({unless})")
        else:
            self.checked.append(what)
            self.findings += [finding for finding in findings if finding]


def health(source, *, classes=None):
    """A Report on a `Record` of training, or on a Module of which only the weights and the structure are known.

    It prints as words; `.findings` lists what is wrong. `classes`: the n of a classifier, whose first loss should be
    about -ln(1/n); that of the record by default.
    """
    if isinstance(source, Record):
        return of_record(source, source.classes if classes is None else classes)
    if not isinstance(source, Module):
        raise TypeError(f"health: expected a Module or a Record, got {type(source).__name__}")
    if classes is not None:
        raise ValueError("health: classes= is for the first loss of a Record; a Module alone has no loss")
    report = Report()
    report.judge("finite weights", [nonfinite_weights(source)])
    report.judge("weights that differ", [equal_weights(source)])
    report.judge("scale of weights", wrong_scales(source))
    report.judge("useless biases", [useless_biases(source, None)])
    report.judge("loss, activations, gradients, updates, batch size", [], "give the record of `watch`")
    return report


def of_record(record, classes):
    report, model = Report(), record.model
    nothing = None if record.steps else "no step was recorded"
    given = record.failed is not None or not all(map(math.isnan, record.losses))
    report.judge("finite loss", [nonfinite_loss(record)], nothing or (None if given else "no loss was given"))
    unless = nothing or (None if classes else "no classes= given")
    if not unless and (record.steps[0] or math.isnan(record.losses[0])):
        unless = "the loss of step 0 was not recorded"
    report.judge("first loss", [] if unless else [first_loss(record, classes)], unless)
    chain = [] if nothing else depth(record)
    unless = None if chain else nothing or f"no layers: {record.missing}"
    report.judge("activations by depth", by_depth(record, chain, "std"), unless)
    chain = [name for name in chain if any(not math.isnan(value) for value in record.layers[name].gradient_std)]
    unless = None if chain else nothing or "no gradients seen"
    report.judge("gradients by depth", by_depth(record, chain[::-1], "gradient_std"), unless)
    limited = any(not math.isnan(layer.saturated[i]) for layer in record.layers.values() for i in ends(record))
    report.judge("saturation", [saturation(record)], nothing or (None if limited else "no finite values with limits"))
    units = [layer.dead for layer in record.layers.values() if goes_flat(layer.kind)]
    unless = nothing or (None if units else "no activation with a flat part")
    if not unless and len(record.steps) < DEAD_STEPS:
        unless = f"{len(record.steps)} steps recorded, {DEAD_STEPS} needed"
    if not unless and all(math.isnan(dead[-1]) for dead in units):
        unless = "no finite values at the last step"
    report.judge("dead units", [dead_units(record)], unless)
    moved = matrices(record)
    unless = nothing or (None if moved else "no weight was updated")
    report.judge("updates", [*unmoved(record), *updates(moved)], unless)
    normed = any(layer.kind.startswith("BatchNorm") for layer in record.layers.values())
    report.judge("batch size", [tiny_batches(record)], nothing or (None if normed else "no batch norm was watched"))
    if model is not None:
        report.judge("useless biases", [useless_biases(model, record)])
        report.judge("weights that differ", [equal_weights(model)])
    return report


# ------------------------------------------------------------------------------------------------------------- loss


def nonfinite_loss(record):
    if record.failed is None:
        return None
    return Finding("loss is not finite", "the loss", f"first seen at step {record.failed}", "a lower learning rate, or "
                   "gradients clipped; see which layer explodes first")  # fmt: skip


def first_loss(record, classes):
    loss, guess = record.losses[0], -math.log(1 / classes)
    if loss <= LOSS * guess:
        return None
    return Finding(
        "first loss too high", "the last layer", f"{loss:.4f} at step 0, where a guess costs -ln(1/{classes}) = {guess:.4f}",
        "smaller weights in the last layer (times 0.1, say) and a bias of zero, so that the first outputs are nearly equal",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------- activations, gradients


def ends(record):
    """The places of the first and of the last recorded step."""
    return sorted({0, len(record.steps) - 1}) if record.steps else []


def names(layers):
    """Names of layers as one text, at most six of them."""
    layers = list(layers)
    return ", ".join(layers[:6]) + (f" and {len(layers) - 6} more" if len(layers) > 6 else "")


def depth(record):
    """Names of the layers by which to judge what depth does: activations, or else all but norms; not the output."""
    hidden = list(record.layers)[:-1] or list(record.layers)
    active = [name for name in hidden if record.layers[name].kind in ACTIVATIONS]
    return active if len(active) > 1 else [name for name in hidden if "Norm" not in record.layers[name].kind]


def by_depth(record, chain, series):
    """Findings on the stds along a chain of layers, from where the signal comes in."""
    gradients = series == "gradient_std"
    noun, end = ("gradients", "backward") if gradients else ("activations", "forward")
    for place in ends(record):
        layers = {name: record.layers[name] for name in chain}
        stds = [(name, getattr(layer, series)[place]) for name, layer in layers.items() if was_seen(layer, series, place)]
        step = record.steps[place]
        wild = [(name, value) for name, value in stds if not math.isfinite(value) or not gradients and value > HUGE]
        if wild:
            start = next(name for name, value in stds if name == wild[0][0] or value > 2 * stds[0][1])
            return [exploding(noun, start, f"std {wild[0][1]:.3g} in {wild[0][0]} at step {step}")]
        if not stds or gradients and not stds[0][1] and place < len(record.steps) - 1:
            continue  # a last layer that begins at zero lets no gradient pass at first
        (first_name, first), (last_name, last) = stds[0], stds[-1]
        path = f"std {first:.3g} in {first_name}, {last:.3g} in {last_name}, {end}, at step {step}"
        if last > CHANGE * first:
            return [exploding(noun, next(name for name, value in stds if value > 2 * first), path)]
        tiny = 0.0 if gradients else TINY
        if last < first / CHANGE or min(value for _, value in stds) <= tiny:
            start = next((name for name, value in stds if value < first / 2 or value <= tiny), last_name)
            return [vanishing(noun, start, path)]
    return []


def was_seen(layer, series, place):
    """Whether a layer had a std at a step: that of several values, even if these are not finite."""
    if not math.isnan(getattr(layer, series)[place]):
        return True
    if series == "gradient_std":
        return not np.isfinite(layer.gradient).all()
    return not math.isnan(layer.examples[place]) and not math.isfinite(layer.mean[place])


def exploding(noun, start, measure):
    return Finding(
        f"exploding {noun}", f"from {start} on", measure, "weights scaled to their fan-in (`init.kaiming_normal_`), a norm "
        "after each layer, a lower learning rate, or gradients clipped",
    )  # fmt: skip


def vanishing(noun, start, measure):
    return Finding(
        f"vanishing {noun}", f"from {start} on", measure, "weights scaled to their fan-in with the gain of the activation "
        "(`init.kaiming_normal_`), `lsuv_`, a norm after each layer, or skip connections",
    )  # fmt: skip


def saturation(record):
    worst = {}
    for name, layer in record.layers.items():
        if much := [(layer.saturated[i], record.steps[i]) for i in ends(record) if layer.saturated[i] > SATURATED]:
            worst[name] = max(much)
    if not worst:
        return None
    name, (value, step) = max(worst.items(), key=lambda item: item[1])
    return Finding(
        "saturated activations", names(worst), f"{percent(value)} of the values of {name} at step {step} are in the flat "
        "ends, where hardly any gradient passes",
        "smaller weights before them (gain 5/3 over the root of fan-in for tanh), a norm before the activation, or a lower "
        "learning rate",
    )  # fmt: skip


def dead_units(record):
    dead = {name: layer.dead[-1] for name, layer in record.layers.items()
            if goes_flat(layer.kind) and layer.dead[-1] > DEAD}  # fmt: skip
    if not dead:
        return None
    name = max(dead, key=dead.get)
    return Finding(
        "dead units", names(dead), f"{percent(dead[name])} of the units of {name} were inactive for every example of the "
        f"last recorded steps, up to step {record.steps[-1]}",
        "a lower learning rate, smaller weights or a norm before them, biases nearer to zero, or an activation with a leak",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------- parameters


def matrices(record):
    """{name: median log10 update:data} of weights with two dimensions or more; embeddings, which move in part, left out."""
    parts = dict(record.model.named_modules()) if record.model is not None else {}
    medians = {}
    for name, parameter in record.parameters.items():
        finite = [value for value in parameter.update_data if math.isfinite(value)]
        embeds = isinstance(parts.get(name.rpartition(".")[0]), nn.Embedding)
        if len(parameter.shape) > 1 and finite and not embeds:
            medians[name] = median(finite)
    return medians


def unmoved(record):
    """Parameters that no recorded step changed."""
    still = [name for name, p in record.parameters.items() if p.update_data and all(v == -math.inf for v in p.update_data)]
    if still:
        yield Finding(
            "parameters that do not move", names(still), f"no change at {len(record.steps)} recorded steps",
            "give them to the optimizer, check that the loss depends on them and that no layer after them is dead; freeze "
            "with requires_grad_(False) what should stay",
        )  # fmt: skip


def updates(medians):
    """Findings on update:data of the weights, by their medians over time."""
    if not medians:
        return
    last, *others = list(medians)[::-1]
    usual = median(medians[name] for name in others) if others else medians[last]
    if medians[last] > usual + FASTER:
        yield Finding(
            "last layer learns far faster", last,
            f"log10 update:data {medians[last]:.2f}, of the others {usual:.2f} (medians over time)",
            "larger weights in the last layer, or a lower learning rate for it, in a parameter group of its own",
        )  # fmt: skip
    for which, sign, advice in (("large", 1, "lower"), ("small", -1, "higher")):
        far = {name: value for name, value in medians.items() if sign * (value - UPDATE) > FAR}
        if far and (list(far) != [last] or not others):  # the last alone is judged above
            name = max(far, key=lambda name: sign * far[name])
            yield Finding(
                f"updates too {which}", names(far),
                f"log10 update:data {far[name]:.2f} of {name} (median over time), {UPDATE:.0f} would be good",
                f"a learning rate {10 ** abs(far[name] - UPDATE):.0f} times {advice}"
                + ("" if len(far) >= max(len(others), 1) else "; only some weights are so: check their scale"),
            )  # fmt: skip


def tiny_batches(record):
    tiny = {}
    for name, layer in record.layers.items():
        examples = [n for n in layer.examples if not math.isnan(n)]
        if layer.kind.startswith("BatchNorm") and examples and median(examples) < TINY_BATCH:
            tiny[name] = median(examples)
    if not tiny:
        return None
    return Finding(
        "batch norm on tiny batches", names(tiny), f"{min(tiny.values()):g} examples at a step",
        f"batches of {2 * TINY_BATCH} or more, `RunningBatchNorm`, or a norm that does not look across examples "
        "(LayerNorm, GroupNorm)",
    )  # fmt: skip


# -------------------------------------------------------------------------------------------- weights and structure


def nonfinite_weights(model):
    bad = {name: 1 - share(abs(numbers(p, "health")) < math.inf) for name, p in model.named_parameters() if p.numel()}
    bad = {name: value for name, value in bad.items() if value}
    if not bad:
        return None
    name = next(iter(bad))
    return Finding("weights are not finite", names(bad), f"{percent(bad[name])} of {name}", "start anew, with a lower "
                   "learning rate; `Record` shows which layer exploded first")  # fmt: skip


def equal_weights(model):
    """Weights that are all the same, but those of the last layer, which may begin at zero."""
    weights = [(name, p) for name, p in model.named_parameters() if p.ndim > 1 and p.numel() > 1]
    equal = [name for name, p in weights[:-1] if std(p) == 0]
    if not equal:
        return None
    return Finding("all weights equal", names(equal), "std 0: all units of the layer compute, and learn, the same",
                   "random weights (`init.kaiming_normal_`)")  # fmt: skip


def wrong_scales(model):
    """Findings on the std of weights times the root of fan-in, where no norm undoes it."""
    normed = {before for _, before, _ in followed_by_norms(model)}
    gains = {}
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, Convolution)) and module not in normed and module.weight.numel() > 1:
            gains[f"{name}.weight".lstrip(".")] = std(module.weight) * math.sqrt(fan_in(module))
    large = {name: gain for name, gain in gains.items() if gain > GAIN_HIGH}
    small = {name: gain for name, gain in list(gains.items())[:-1] if 0 < gain < GAIN_LOW}  # the last may begin small
    for which, found, pick in (("large", large, max), ("small", small, min)):
        if found:
            name = pick(found, key=found.get)
            yield Finding(
                f"weights too {which} for their fan-in", names(found),
                f"std times the root of fan-in is {found[name]:.3g} in {name}, where 1 keeps the scale, sqrt(2) suits ReLU "
                "and 5/3 tanh", "`init.kaiming_normal_` with the nonlinearity of the layer, before training",
            )  # fmt: skip


def fan_in(module):
    """How many inputs each output of a linear or convolutional layer sums over."""
    shape = module.weight.shape
    if isinstance(module, ConvTranspose):
        return shape[0] // module.groups * math.prod(shape[2:])
    return math.prod(shape[1:])


def followed_by_norms(model):
    """(name, module, norm) of each linear or conv layer that comes right before a norm which subtracts channel means.

    Right before: next to it in a Sequential, or among the parts of another module where channels agree as well.
    """
    for path, parent in model.named_modules():
        if isinstance(parent, (nn.ModuleList, nn.ModuleDict)):
            continue
        children = list(parent.named_children())
        for (name, module), (_, norm) in zip(children, children[1:]):
            while isinstance(module, nn.Sequential) and len(module):
                inner, module = list(module.named_children())[-1]
                name = f"{name}.{inner}"
            while isinstance(norm, nn.Sequential) and len(norm):
                norm = next(norm.children())
            centres = isinstance(norm, (BatchNorm, nn.RunningBatchNorm)) or (
                isinstance(norm, nn.GroupNorm) and norm.num_groups == norm.num_channels
            )
            channels = getattr(norm, "num_features", getattr(norm, "num_channels", None))
            if centres and isinstance(module, (nn.Linear, Convolution)):
                if channels == getattr(module, "out_features", getattr(module, "out_channels", None)):
                    yield f"{path}.{name}".lstrip("."), module, norm


def useless_biases(model, record):
    """Biases that a norm takes away again; with a record, those whose gradients say so too."""
    useless = [f"{name}.bias" for name, module, _ in followed_by_norms(model) if module.bias is not None]
    measure = "a norm after the layer subtracts the mean of each channel, and the bias with it"
    if record is not None and useless:
        ratios = {name: bias_ratio(record, name) for name in useless}
        useless = [name for name, ratio in ratios.items() if ratio < USELESS]
        if useless:
            measure += f"; std of its gradient is {max(ratios[name] for name in useless):.1e} of that of the weights"
    if not useless:
        return None
    return Finding("useless bias", names(useless), measure, "bias=False in the layer; the norm has a bias of its own")


def bias_ratio(record, name):
    """The largest share over time that the std of a bias's gradient had of that of the weights beside it."""
    bias, weight = record.parameters.get(name), record.parameters.get(name.removesuffix("bias") + "weight")
    if bias is None or weight is None:
        return math.inf
    ratios = [b / w for b, w in zip(bias.gradient_std, weight.gradient_std) if w > 0 and not math.isnan(b)]
    return max(ratios, default=math.inf)
