"""A compiled program called on data: what is given is checked and laid out, and the generated code computes.

`fitted` lays data out, `states` and `loss` compute from data that are; `step` goes step by step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sqmagic.runtime import by_length, generated, inputs, looks, precision
from sqmagic.runtime.amounts import whole
from sqmagic.runtime.blueprint import InputSpec, Shape
from sqmagic.runtime.compiled import Compiled
from sqmagic.runtime.errors import InputError, UnsupportedError
from sqmagic.runtime.inputs import Data
from sqmagic.runtime.plan import Size
from sqmagic.runtime.states import States


def fitted(net: Compiled, data: Data, method: str, purpose: str) -> Data:
    """Data laid out for a method of the generated code. Raises InputError where something does not fit."""
    net.settle_by(net.inputs, data)
    return _fitted(net, net.code, net.reference, data, method, purpose)


def _fitted(net: Compiled, code: nn.Module, like: Tensor, data: Data, method: str, purpose: str) -> Data:
    if data.lengths is not None and not any(s.indexed for s in net.inputs):
        raise UnsupportedError("`lengths` has no meaning for this program: nothing runs over time")
    if data.lengths is not None and _by_length(code, data) and _knows_of_all(code):
        raise UnsupportedError("`lengths` beside a range up to T: batch_norm is over the examples of all lengths")
    return inputs.fit(net.inputs, data, precision.wide(like), generated.needs(code, method), purpose)


def states(net: Compiled, given: Mapping[str, Any], lengths: Any, horizon: int | None) -> States:
    """All states that the inputs tell."""
    plain = lengths is None and horizon is None
    if plain and net.is_settled:
        code, like = net.code, net.reference
        known = looks.seen(code, like, given)
        if known is not None:
            vars(net)["size"] = known.size  # no parameter: torch need not look
            return States(
                known.values(code, like, given),
                known.rows,
                net.blueprint.names,
                known.size.steps,
                None,
                net.settled.inside,
            )
    data = inputs.read(net.inputs, given, lengths)
    net.settle_by(net.inputs, data)
    code, like = net.code, net.reference  # each looks at all layers: once a call is enough
    ready = _fitted(net, code, like, data, "forward", "a call")
    found = precision.given_out(_values(net, code, like, ready, horizon), like)
    if plain and net.size is not None:
        looks.note(code, like, given, net.inputs, ready, net.size)
    count = steps(net, ready, horizon)
    return States(found, generated.rows(code), net.blueprint.names, count, ready.lengths, net.settled.inside)


def _by_length(code: nn.Module, data: Data) -> bool:
    """Whether examples of different lengths are computed apart: the program reads a range up to T."""
    return data.lengths is not None and not generated.takes(code, "forward", "lengths")


def _knows_of_all(code: nn.Module) -> bool:
    """Whether it has statistics over all examples, which are drawn from them in training."""
    return code.training and any(name.endswith("running_mean") for name, _ in code.named_buffers())


def values(net: Compiled, ready: Data, horizon: int | None) -> Mapping[str, Any]:
    """The states as the generated code gives them, from data that are laid out."""
    return _values(net, net.code, net.reference, ready, horizon)


def _values(net: Compiled, code: nn.Module, like: Tensor, ready: Data, horizon: int | None) -> Mapping[str, Any]:
    if _by_length(code, ready):
        found = [(g, _values(net, code, like, g.data, horizon)) for g in by_length.groups(net.inputs, ready)]
        return by_length.values(found, generated.rows(code), steps(net, ready, horizon))
    with precision.arithmetic(like):
        keywords = _keywords(net, code, like, "forward", ready, horizon)
        given: Mapping[str, Any] = generated.call(code, "forward", **keywords)
    return given


def loss(net: Compiled, ready: Data, horizon: int | None) -> Tensor:
    """The loss of data that are laid out; a goal that counts at no step has no mean."""
    count = steps(net, ready, horizon) if ready.lengths is None else int(ready.lengths.max())
    for text, counted in zip(net.blueprint.goals, generated.goals(net.code), strict=False):
        if counted is not None and count + counted[1] < counted[0]:
            where = f"{counted[0]} to T{counted[1]:+d}" if counted[1] else f"{counted[0]} to T"
            raise InputError(f"`{text}` counts at the steps {where}: with T = {count} there are none")
    code, like = net.code, net.reference
    if _by_length(code, ready):
        return by_length.loss(net.inputs, ready, generated.goals(code), lambda data: loss(net, data, horizon))
    keywords = _keywords(net, code, like, "loss", ready, horizon)
    with precision.arithmetic(like):
        found: Tensor = generated.call(code, "loss", **keywords)
    return precision.widened(found)


def steps(net: Compiled, data: Data, horizon: int | None) -> int:
    """T: of the data, or asked for; 0 where nothing runs over time."""
    for spec in net.inputs:
        if spec.indexed and spec.state in data.tensors:
            return inputs.horizon(spec, data.tensors[spec.state])
    whole(horizon=horizon)
    return horizon or net.blueprint.horizon or 0


def _keywords(
    net: Compiled, code: nn.Module, like: Tensor, method: str, ready: Data, horizon: int | None
) -> dict[str, Any]:
    count = steps(net, ready, horizon)
    names = generated.arguments(code)
    batch = inputs.examples(net.inputs, ready.tensors)
    vars(net)["size"] = Size(count, batch, like.element_size())  # no parameter: torch need not look
    keywords: dict[str, Any] = {
        names[state]: tensor for state, tensor in ready.tensors.items() if generated.takes(code, method, names[state])
    }
    if ready.lengths is not None:
        keywords["lengths"] = ready.lengths
    if generated.takes(code, method, "horizon"):
        if count < 1:
            raise InputError("no input runs over time: say how many steps there are, `horizon=…`")
        keywords["horizon"] = count
    shortest, least = count if ready.lengths is None else int(ready.lengths.min()), generated.least(code)
    if shortest < least and least > 1:
        raise InputError(f"the program reads points that are there from {least} steps on, and there are {shortest}")
    return keywords


# --- step by step --------------------------------------------------------------------------------


class Memory(NamedTuple):
    """What `step` remembers between steps, for `batch` examples, and of which shapes the states of its net are."""

    batch: int
    rows: Any
    shapes: Mapping[str, Shape]


def step(net: Compiled, memory: Memory | None, given: Mapping[str, Any]) -> tuple[Memory, States]:
    """The memory for the next step, and the states at this one."""
    if memory is not None and not isinstance(memory, Memory):
        raise InputError(
            f"`step` takes the memory that the step before gave, or None at the first; {_kind(memory)}\n"
            "  memory, out = net.step(memory, x=…)"
        )
    data = inputs.read(_at_one_step(net), given)
    net.settle_by(_at_one_step(net), data)
    code, like, specs, shapes = net.code, net.reference, net.inputs, net.settled.shapes
    why = generated.whole(code)
    if why is not None:
        raise UnsupportedError(f"this program cannot go step by step: {why}")
    needed = generated.needs(code, "forward")
    if memory is not None:
        needed = frozenset(s.state for s in specs if s.indexed and s.state in needed)
    ready = inputs.fit(_at_one_step(net), data, precision.wide(like), needed, "a step")
    rows = [ready.tensors[s.state] for s in specs if s.indexed and s.state in needed]
    if memory is None:
        bare = [ready.tensors[s.state] for s in specs if not s.indexed and s.state in needed]
        with precision.arithmetic(like):
            batch = len((rows + bare or [torch.empty(1)])[0])
            memory = Memory(batch, generated.call(code, "start", *rows, *bare), shapes)
    if memory.shapes is not shapes:
        _check_memory(memory.shapes, shapes)
    if rows and len(rows[0]) != memory.batch:
        raise InputError(f"{len(rows[0])} examples are given, but the memory is of {memory.batch}")
    with precision.arithmetic(like):
        after, found = generated.call(code, "step", memory.rows, *rows)
    return Memory(memory.batch, after, shapes), States(precision.given_out(found, like), {}, net.blueprint.names)


def _kind(given: object) -> str:
    return "these are the states beside it" if isinstance(given, States) else f"this is a {type(given).__name__}"


def _check_memory(held: Mapping[str, Shape], shapes: Mapping[str, Shape]) -> None:
    """Raises InputError for a memory of a net whose states are others."""
    for state, shape in shapes.items():
        if held.get(state) != shape:
            there = f"`{state}` is {list(held[state])} there" if state in held else f"there is no `{state}` there"
            raise InputError(f"the memory is of another net: {there}, and {list(shape)} here")


def _at_one_step(net: Compiled) -> tuple[InputSpec, ...]:
    """The inputs, as one step has them."""
    return tuple(replace(spec, indexed=False) for spec in net.inputs)
