"""The table from operator to rule: what shape it gives, and what it makes equal (NOTATION.md, C.3).

A rule states equalities on the builder's unknowns and returns the shape of the result, None for a number. Operators
that may have several results or none have a rule in `SEVERAL`, which is given the names of the results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from sqmagic.equations.shapes import images, structure
from sqmagic.equations.shapes.builder import Argument, Builder, Site
from sqmagic.equations.shapes.classes import PLURAL, REDUCED, SOFT, STATE, WIDE, Given, Reason, Said
from sqmagic.equations.shapes.unknowns import Form
from sqmagic.equations.shapes.waiting import Action, AtMost, Broadcast, Measured
from sqmagic.equations.system import Apply, Expr, Read

Rule: TypeAlias = Callable[[Builder, Site, list[Argument]], Argument]
Outputs: TypeAlias = Callable[[Builder, Site, list[Argument], Sequence[str]], list[Argument]]

_SIGNS = {"add": "`+`", "sub": "`-`", "mul": "`*`", "div": "`/`", "maximum": "`max`", "minimum": "`min`"}


# --- component by component ----------------------------------------------------------------------


def _same(b: Builder, site: Site, args: list[Argument]) -> Argument:
    """The shape of the argument; what is computed from an integer is no integer."""
    x = args[0]
    return None if x is None else Form(x.lead, x.last)


def _value(b: Builder, site: Site, args: list[Argument]) -> Argument:
    return args[0]


def _broadcast(sums: bool) -> Rule:
    def rule(b: Builder, site: Site, args: list[Argument]) -> Argument:
        return broadcast(b, site, args, site.expr.args, sums)

    return rule


def broadcast(b: Builder, site: Site, args: Sequence[Argument], said: Sequence[Said], sums: bool) -> Argument:
    """Operands that meet component by component; numbers fit everywhere."""
    operands = [(Form(a.lead, a.last), s) for a, s in zip(args, said, strict=True) if a is not None]
    if len(operands) < 2:
        return operands[0][0] if operands else None
    result = b.unknowns.free()
    shapes = tuple(form for form, _ in operands)
    why = site.why("", site.expr, _SIGNS.get(site.expr.op, f"`{site.expr.op}`"))
    rule = Broadcast(shapes, result, tuple(s for _, s in operands), why, sums)
    b.unknowns.wait(rule, shapes=(*shapes, result), makes=(result,))
    b.broadcasts[result.last] = rule
    return result


def _where(b: Builder, site: Site, args: list[Argument]) -> Argument:
    """The two values are equal as in a sum; the condition may be a scalar for all components."""
    condition, x, y = site.expr.args
    chosen = broadcast(b, site, args[1:], (x, y), sums=True)
    return broadcast(b, site, [args[0], chosen], (condition, y if args[1] is None else x), sums=False)


# --- over components -----------------------------------------------------------------------------


def _several(b: Builder, site: Site, args: list[Argument]) -> Argument:
    """softmax: the same shape, and more than one component is meant."""
    x = _same(b, site, args)
    if x is not None:
        b.unknowns.dimensions.mark(x.last, PLURAL)
    return x


def _reduced(b: Builder, site: Site, args: list[Argument]) -> Argument:
    """One value for the last axis: of a vector a scalar, of a matrix a vector."""
    if args[0] is None:
        return None
    x = args[0]
    b.unknowns.dimensions.mark(x.last, PLURAL)
    b.unknowns.leads.mark(x.lead, REDUCED)
    result = b.unknowns.free()
    why = site.why("`{0}` has one value for each row of `{1}`", site.expr, site.expr.args[0])
    one = site.why("`{0}` is a scalar")

    def then() -> None:
        axes = b.unknowns.axes(x)
        assert axes is not None, "it waits for the rank"
        b.unknowns.equal(result, b.unknowns.of(axes[:-1], why) if len(axes) > 1 else b.unknowns.scalar(one), why)

    b.once((x,), then, makes=(result,))
    return result


def _chosen(b: Builder, site: Site, args: list[Argument]) -> Argument:
    """An integer that counts the components of its argument."""
    x = b.form(args[0], site)
    result = _reduced(b, site, [x])
    assert result is not None, "the argument is a form"
    return Form(result.lead, result.last, x.last)


def _drawn(b: Builder, site: Site, args: list[Argument]) -> Argument:
    """sample, eps_greedy: one action, by a vector that has a number for each."""
    x = b.form(args[0], site)
    clash = f"`{site.expr.op}` takes a vector with a number for each action, but `{{0}}` is {{a}}"
    heads = ("{0} is", "it must be")
    flat = site.why("`{0}` is a vector in `{1}`", site.expr.args[0], site.expr, clash=clash, heads=heads)
    b.unknowns.equal_leads(x.lead, b.unknowns.none, flat._replace(code="SQ305"), (x, Form(b.unknowns.none, x.last)))
    return _chosen(b, site, [x])


def _log_prob(b: Builder, site: Site, args: list[Argument]) -> Argument:
    action = args[1]
    result = _chosen(b, site, args)
    assert result is not None, "the argument is a form"
    if action is not None:
        policy, taken = site.expr.args
        why = site.why("`{1}` is an action of `{0}`", policy, taken, site.expr)
        b.unknowns.equal(Form(result.lead, result.last), action, why)
        if action.classes is not None and result.classes is not None:
            b.unknowns.equal_dimensions(result.classes, action.classes, _counted(site, policy, taken))
    return Form(result.lead, result.last)


def _counted(site: Site, many: Expr, one: Expr) -> Reason:
    clash = "`{0}` has {a} components, but `{1}` has {b} values in `{2}`"
    link = "`{1}` picks a component of `{0}`"
    return site.why(link, many, one, site.expr, clash=clash, heads=("{0} is", "the number of {1}'s values is"))


def _one_hot(b: Builder, site: Site, args: list[Argument]) -> Argument:
    x = _one_integer(b, site, args[0])
    width = b.unknowns.dimensions.fresh(WIDE | PLURAL)
    label = site.expr.args[0]
    if x.classes is not None:
        clash = "`{0}` has {a} components, but `{1}` has {b} values"
        heads = ("{0} is", "the number of {1}'s values is")
        why = site.why("`{0}` has a component for each value of `{1}`", site.expr, label, clash=clash, heads=heads)
        b.unknowns.equal_dimensions(width, x.classes, why)
    size = site.setting("size")
    if isinstance(size, int) and size:
        b.unknowns.give(width, size, Given(site.why("`{0}` has " + str(size) + " components")))
    result = Form(b.unknowns.none, width)
    b.slots.append(result)
    return result


def _one_integer(b: Builder, site: Site, argument: Argument, i: int = 0) -> Form:
    """An argument that must be one whole number."""
    x = b.form(argument, site)
    clash = "`{1}` takes one integer, but `{0}` is {a}"
    heads = ("{0} is", "it must be")
    why = site.why("`{0}` is one integer in `{1}`", site.expr.args[i], site.expr, clash=clash, heads=heads)
    b.unknowns.make_scalar(x, why)
    return x


# --- layers --------------------------------------------------------------------------------------


def _dense(b: Builder, site: Site, args: list[Argument]) -> Argument:
    x, owner = b.form(args[0], site), b.owner(site)
    b.use(owner, "weight", "bias")
    b.unknowns.equal_dimensions(x.last, owner.takes, _taken(site, owner.name))
    return Form(x.lead, owner.gives)


def _taken(site: Site, layer: str) -> Reason:
    clash = "`{1}` takes {b} components, but `{0}` has {a}"
    why = site.why("`{0}` is given to `{1}`", site.expr.args[0], layer, clash=clash, heads=("{0} is", "{1} takes"))
    return Reason(why.link, why.about, why.line, why.span, clash, why.heads, through=layer)


def _embed(b: Builder, site: Site, args: list[Argument]) -> Argument:
    x, owner = _one_integer(b, site, args[0]), b.owner(site)
    b.use(owner, "weight")
    if x.classes is not None:
        clash = "`{1}` has {b} rows, but `{0}` has {a} values"
        heads = ("the number of {0}'s values is", "the number of {1}'s rows is")
        why = site.why(
            "`{1}` has a row for each value of `{0}`", site.expr.args[0], owner.name, clash=clash, heads=heads
        )
        rule = AtMost(x.classes, owner.takes, why)
        b.unknowns.wait(rule, dimensions=(x.classes, owner.takes))
    return Form(b.unknowns.none, owner.gives)


def _batch_norm(b: Builder, site: Site, args: list[Argument]) -> Argument:
    """One weight for each feature: the first axis, of an image the channels."""
    x, owner = b.form(args[0], site), b.owner(site)
    b.use(owner, "weight", "bias")

    def then() -> None:
        axes = b.unknowns.axes(x)
        assert axes is not None, "it waits for the rank"
        b.unknowns.equal_dimensions(axes[0], owner.takes, _taken(site, owner.name))

    b.unknowns.equal_dimensions(owner.takes, owner.gives, site.why("", owner.name, owner.name, site.expr))
    b.once((x,), then)
    return Form(x.lead, x.last)


def _layer_norm(b: Builder, site: Site, args: list[Argument]) -> Argument:
    x, owner = b.form(args[0], site), b.owner(site)
    b.use(owner, "weight", "bias")
    b.unknowns.equal_dimensions(owner.takes, owner.gives, site.why("", owner.name, owner.name, site.expr))
    b.unknowns.equal_dimensions(x.last, owner.takes, _taken(site, owner.name))
    return Form(x.lead, x.last)


def _module(b: Builder, site: Site, args: list[Argument]) -> Argument:
    shapes = tuple(b.form(a, site) for a in args)
    owner = b.owner(site)
    result = b.unknowns.free()
    why = site.why("the module `{1}` gives `{0}`", site.expr, owner.name, clash="`{0}` is {a}, but must be {b}")
    if owner.told:
        b.unknowns.equal(result, owner.shape, why)
        return result
    rule = Measured(owner.name, shapes, result, b.measure, why)
    b.unknowns.wait(rule, shapes=shapes, makes=(result,))
    return result


# --- losses, noise -------------------------------------------------------------------------------


def _loss(b: Builder, site: Site, args: list[Argument]) -> Argument:
    prediction, target = args
    if prediction is not None and target is not None and not _unread(b, site):
        p, y = site.expr.args
        clash = "`{0}` ({a}) and `{1}` ({b}) must be equal in `{0} => {1}`"
        why = site.why("`{0} => {1}` makes both sides equal", p, y, clash=clash)
        b.unknowns.equal(Form(prediction.lead, prediction.last), Form(target.lead, target.last), why)
    return b.unknowns.scalar(site.why("a loss is a scalar"))


def _unread(b: Builder, site: Site) -> bool:
    """A target of cross-entropy that may turn out to hold whole numbers, which are read as one_hot."""
    if not site.expr.op.startswith("cross_entropy"):
        return False
    target = site.expr.args[1]
    while isinstance(target, Apply) and target.op == "stop":
        target = target.args[0]
    return isinstance(target, Read) and target.state in b.undecided


def _gauss(b: Builder, site: Site, args: list[Argument]) -> Argument:
    result = b.unknowns.free(WIDE, SOFT)
    b.slots.append(result)
    return result


# --- the outside ---------------------------------------------------------------------------------


def _environment(b: Builder, site: Site, args: list[Argument], targets: Sequence[str]) -> list[Argument]:
    """reset and step: S, O, r, d, cut, O'. Observations are the environment's; r, d and cut are scalars."""
    scalar = site.why("what `" + site.expr.op + "` gives beside states and observations is a scalar")
    shapes = [b.unknowns.free(STATE), b.unknowns.free(WIDE), *(b.unknowns.scalar(scalar) for _ in range(3))]
    b.outside += targets[1:2]
    for action in args[1:]:
        if action is not None:
            rule = Action(action, site.why("`{0}` is an action", site.expr.args[1]))
            b.unknowns.wait(rule, shapes=(action,))
    outputs: list[Argument] = [*shapes, shapes[1]]
    return outputs[: len(targets)]


def _add(b: Builder, site: Site, args: list[Argument], targets: Sequence[str]) -> list[Argument]:
    for i, (argument, place) in enumerate(zip(args, _places(b, site, len(args)), strict=True)):
        if argument is not None:
            why = site.why("`{0}` is put into `{1}`", site.expr.args[i], site.expr.layer or "")
            b.unknowns.equal(argument, place, why)
            b.same_classes(argument, place, why)
    return []


def _get(b: Builder, site: Site, args: list[Argument], targets: Sequence[str]) -> list[Argument]:
    b.outside += targets
    return list(_places(b, site, len(targets)))


def _places(b: Builder, site: Site, count: int) -> list[Form]:
    """The first places of a buffer's transitions; what is put there and what is taken from there has one shape."""
    places = b.buffers.setdefault(site.expr.layer or "", [])
    while len(places) < count:
        free = b.unknowns.free(WIDE)
        places.append(Form(free.lead, free.last, b.unknowns.dimensions.fresh()))
    return places[:count]


# --- the tables ----------------------------------------------------------------------------------

_SAME = ("neg", "exp", "log", "sqrt", "square", "abs", "sin", "cos", "tanh", "sigmoid", "relu", "gelu", "softplus")
_LOSSES = ("mse", "mae", "huber", "cross_entropy", "binary_cross_entropy")

RULES: dict[str, Rule] = {
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(("add", "sub", "maximum", "minimum"), _broadcast(sums=True)),
    **dict.fromkeys(("mul", "div", "clip"), _broadcast(sums=False)),
    "where": _where,
    **dict.fromkeys(("stop", "old"), _value),
    "dropout": _same,
    **dict.fromkeys(("softmax", "log_softmax"), _several),
    **dict.fromkeys(("sum", "mean", "norm", "max", "min", "entropy"), _reduced),
    "argmax": _chosen,
    **dict.fromkeys(("sample", "eps_greedy"), _drawn),
    "log_prob": _log_prob,
    "one_hot": _one_hot,
    "dense": _dense,
    "embed": _embed,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "module": _module,
    "gauss": _gauss,
    **dict.fromkeys((*_LOSSES, "cross_entropy_logits", "binary_cross_entropy_logits"), _loss),
    **structure.RULES,
    **images.RULES,
}

SEVERAL: dict[str, Outputs] = {
    "split": structure.split,
    "reset": _environment,
    "step": _environment,
    "Add": _add,
    "Get": _get,
}
