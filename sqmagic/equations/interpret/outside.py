"""Rows of chance and of the outside. What they do is given by the caller; without it they are refused in words."""

from __future__ import annotations

from typing import Any

from sqmagic.equations.interpret.rule import Rule, Situation, Values, setting
from sqmagic.equations.interpret.values import Array, CannotInterpret, array, same_batch
from sqmagic.equations.system import Apply


def effect(node: Apply, situation: Situation, *args: Any) -> Any:
    """Calls what stands for an effect: `effects["Add_B"]` for one with a layer, else `effects["Add"]`."""
    names = [f"{node.op}_{node.layer}"] * (node.layer is not None) + [node.op]
    for name in names:
        if name in situation.effects:
            return situation.effects[name](*args)
    raise CannotInterpret(f"`{names[0]}` acts on the outside: give what it does as effects['{names[0]}']")


def _several(node: Apply, args: Values, situation: Situation) -> Values:
    """An effect whose outputs are named, given its arguments, or without any the number of examples.

    The outside may give more than the program takes.
    """
    given = effect(node, situation, *(same_batch(*args) if args else (situation.batch,)))
    outputs = given if isinstance(given, tuple) else (given,)
    if len(outputs) < situation.outputs:
        raise CannotInterpret(f"`{node.op}` gave {len(outputs)} outputs, and the program names {situation.outputs}")
    return tuple(array(output) for output in outputs[: situation.outputs])


def _add(node: Apply, args: Values, situation: Situation) -> Values:
    effect(node, situation, *same_batch(*args))
    return ()


def _gauss(node: Apply, args: Values, situation: Situation) -> Array:
    shape = tuple(int(n) for n in str(node.attribute("shape", "1")).split("x"))
    return array(effect(node, situation, (situation.batch, *shape)))


def _sample(node: Apply, args: Values, situation: Situation) -> Array:
    return array(effect(node, situation, args[0])).reshape(-1, 1)


def _eps_greedy(node: Apply, args: Values, situation: Situation) -> Array:
    return array(effect(node, situation, args[0], float(setting(node, "eps")))).reshape(-1, 1)


OUTSIDE: dict[str, Rule] = {
    "sample": _sample,
    "gauss": _gauss,
    "eps_greedy": _eps_greedy,
    "reset": _several,
    "step": _several,
    "Add": _add,
    "Get": _several,
}
