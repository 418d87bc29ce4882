"""The way back through a scan: the compiled loop over what carries state, then large products over all steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sqmagic.runtime.kernels.call import Size, laid_out, plane_of, run
from sqmagic.runtime.kernels.compiler import Library
from sqmagic.runtime.kernels.memory import POOL
from sqmagic.runtime.kernels.program import Backward, Gradient, Rows, ScanProgram, Source, Through


@dataclass(frozen=True, slots=True)
class _Memory:
    """All rows that the way back may read, by whose they are, [rows, batch, width]; `side` are the own planes that lie
    side by side in `all`, with the first column of each."""

    size: Size
    rows: Mapping[tuple[Source, str | int], Tensor]
    all: Tensor | None
    side: Mapping[str, int]


def found(
    program: ScanProgram,
    back: Backward,
    library: Library | None,
    size: Size,
    arguments: Mapping[int, Tensor],
    weights: Sequence[Tensor],
    kept: Mapping[str, Tensor],
    given: Mapping[str, Tensor | None],
    wanted_arguments: Mapping[int, bool],
    wanted_weights: Sequence[bool],
) -> Iterator[Tensor | None]:
    """The gradients of the arguments that are tensors, in their order, then of the weights."""
    assert library is not None, "the way back has been compiled"
    memory = _computed(program, back, library, size, arguments, weights, kept, given)
    by_name = dict(zip((w.parameter for w in program.weights), weights, strict=True))
    asked = {w.parameter for w, wanted in zip(program.weights, wanted_weights, strict=True) if wanted}
    of_weights = _weights(back, memory, by_name, asked)
    of_arguments = {
        place: _argument(gradient, still, memory, arguments[place], by_name)
        for place, gradient, still in back.arguments
        if wanted_arguments[place]
    }
    for place, hat, state, row in back.bases:
        if wanted_arguments[place]:
            total = memory.rows["own", hat][0]
            outer = given.get(state)
            total = total if outer is None else total + outer[row]
            of_arguments[place] = of_arguments[place] + total if place in of_arguments else total
    for place in arguments:
        value = of_arguments.get(place)
        yield None if value is None else value.reshape(arguments[place].shape).to(arguments[place].dtype)
    for weight in program.weights:
        yield of_weights.get(weight.parameter) if weight.parameter in asked else None


# --- the loop ------------------------------------------------------------------------------------


def _computed(
    program: ScanProgram,
    back: Backward,
    library: Library,
    size: Size,
    arguments: Mapping[int, Tensor],
    weights: Sequence[Tensor],
    kept: Mapping[str, Tensor],
    given: Mapping[str, Tensor | None],
) -> _Memory:
    rows: dict[tuple[Source, str | int], Tensor] = {("state", s): t for s, t in kept.items()}
    rows |= {("argument", p): laid_out(t, size.dtype) for p, t in arguments.items() if t.dim() > 1}
    widths = {o.state: o.width for o in program.own}
    for state, each in given.items():
        each = (
            torch.zeros((), dtype=size.dtype).expand(_rows(program, state, size), size.batch, widths[state])
            if each is None
            else each
        )
        rows["adjoint", state] = laid_out(each, size.dtype)
    planes, together, side = _planes(back, size)
    taken = []
    for item in back.taken:
        tensor = rows[item.source, item.name]
        taken.append((item.member, tensor[item.skip :] if item.over_time else tensor, item.over_time))
    by_name = dict(zip((w.parameter for w in program.weights), weights, strict=True))
    members = [(w.member, by_name[w.parameter].detach().contiguous()) for w in back.weights]
    run(library, size, back.own, planes, back.between, taken, members, {}, side)
    rows |= {("own", o.state): planes[o.state][len(o.before) :] for o in back.own if o.state in planes}
    return _Memory(size, rows, together, side)


def _rows(program: ScanProgram, state: str, size: Size) -> int:
    own = next(o for o in program.own if o.state == state)
    return len(own.before) + size.steps + sum(a is not None for a in own.after)


def _planes(back: Backward, size: Size) -> tuple[dict[str, Tensor], Tensor | None, dict[str, int]]:
    """Memory for what keeps all rows: what weights are multiplied with lies side by side."""
    full = {o.state: o for o in back.own if o.state in back.full}
    edges = {hat for _, hat, _, _ in back.bases}
    planes = {o.state: POOL.tensor((1, size.batch, o.width), size.dtype) for o in back.own if o.state in edges}
    lefts = list(dict.fromkeys(o.left.name for _, g in back.parameters for o in g.outers if o.left.source == "own"))
    beside = [full[str(name)] for name in lefts]
    together, side = None, {}
    if beside:
        before, after = max(len(o.before) for o in beside), max(len(o.after) for o in beside)
        rows = before + size.steps + after
        memory = POOL.tensor((rows, size.batch, sum(o.width for o in beside)), size.dtype)
        column = 0
        for own in beside:
            side[own.state] = column
            first = before - len(own.before)
            planes[own.state] = memory[first : before + size.steps + len(own.after), :, column : column + own.width]
            column += own.width
        memory[:before], memory[before + size.steps :] = 0, 0
        together = memory[before : before + size.steps]
    planes |= {s: plane_of(o, size) for s, o in full.items() if s not in planes}
    return planes, together, side


def _taken(rows: Rows, memory: _Memory) -> Tensor:
    """Rows over all steps, [steps, batch, width]."""
    found = memory.rows[rows.source, rows.name]
    if rows.still:
        return found[:, rows.start : rows.start + rows.width].expand(memory.size.steps, -1, -1)
    return found[rows.skip : rows.skip + memory.size.steps, :, rows.start : rows.start + rows.width]


def _flat(rows: Tensor) -> Tensor:
    """[steps x batch, width], copied only where it cannot be seen so."""
    return rows.flatten(0, 1)


# --- weights -------------------------------------------------------------------------------------


def _weights(back: Backward, memory: _Memory, weights: Mapping[str, Tensor], asked: set[str]) -> dict[str, Tensor]:
    """The gradients of the weights: those on the same rows from one product."""
    found: dict[str, Tensor] = {}
    written: set[tuple[str, int]] = set()
    gradients = [(name, gradient) for name, gradient in back.parameters if name in asked]
    columns: dict[Rows, list[tuple[str, Rows, int]]] = {}
    for name, gradient in gradients:
        found[name] = torch.empty_like(weights[name]) if gradient.outers else torch.zeros_like(weights[name])
        for outer in gradient.outers:
            columns.setdefault(outer.right, []).append((name, outer.left, outer.column))
    for right, uses in columns.items():
        other = _flat(_taken(right, memory))
        for group in _adjoining(uses, memory):
            product = torch.mm(_joined([left for _, left, _ in group], memory).t(), other)
            unit = 0
            for name, left, column in group:
                part = product[unit : unit + left.width]
                into = found[name][:, column : column + right.width]
                (into.add_ if (name, column) in written else into.copy_)(part)
                written.add((name, column))
                unit += left.width
    sums = None if memory.all is None else memory.all.sum((0, 1))
    for name, gradient in gradients:
        for rows in gradient.sums:
            if sums is not None and rows.name in memory.side and rows.source == "own":
                first = memory.side[str(rows.name)] + rows.start
                found[name] += sums[first : first + rows.width].reshape(found[name].shape)
            else:
                found[name] += _taken(rows, memory).sum((0, 1)).reshape(found[name].shape)
    return found


def _adjoining(uses: Sequence[tuple[str, Rows, int]], memory: _Memory) -> Iterator[list[tuple[str, Rows, int]]]:
    """Uses whose left rows lie side by side, together."""
    group: list[tuple[str, Rows, int]] = []
    end = -1
    for use in sorted(uses, key=lambda u: _column(u[1], memory)):
        column = _column(use[1], memory)
        if group and (column != end or column < 0):
            yield group
            group = []
        group.append(use)
        end = column + use[1].width
    if group:
        yield group


def _column(rows: Rows, memory: _Memory) -> int:
    """Where rows lie among those side by side; -1 if they do not."""
    beside = rows.source == "own" and rows.name in memory.side and rows.skip == 0
    return memory.side[str(rows.name)] + rows.start if beside else -1


def _joined(rows: Sequence[Rows], memory: _Memory) -> Tensor:
    if len(rows) == 1:
        return _flat(_taken(rows[0], memory))
    assert memory.all is not None, "they lie side by side"
    first = _column(rows[0], memory)
    return _flat(memory.all[:, :, first : first + sum(r.width for r in rows)])


# --- arguments -----------------------------------------------------------------------------------


def _argument(
    gradient: Gradient, still: bool, memory: _Memory, argument: Tensor, weights: Mapping[str, Tensor]
) -> Tensor:
    """The gradient of rows over time, or of what stands still."""
    size = memory.size
    if still:
        total = torch.zeros(argument.shape, dtype=size.dtype)
        for rows in gradient.sums:
            total += _taken(rows, memory).sum(0)
        return total
    parts = [(into, _through(group, memory, weights)) for into, group in _alike(gradient)]
    parts += [(into, _taken(rows, memory)) for rows, into in gradient.adds]
    if len(parts) == 1 and parts[0][0] == 0 and len(parts[0][1]) == len(argument):
        return parts[0][1]
    total = torch.zeros(argument.shape, dtype=size.dtype)
    for into, part in parts:
        first, last = max(into, 0), min(into + len(part), len(total))
        total[first:last] += part[first - into : last - into]
    return total


def _alike(gradient: Gradient) -> Iterator[tuple[int, list[Through]]]:
    """Products that belong to the same rows."""
    for into in dict.fromkeys(t.into for t in gradient.throughs):
        yield into, [t for t in gradient.throughs if t.into == into]


def _through(group: Sequence[Through], memory: _Memory, weights: Mapping[str, Tensor]) -> Tensor:
    """The sum of products of rows with weights; one product where the rows lie side by side."""
    ordered = sorted(group, key=lambda t: _column(t.rows, memory))
    ends = [_column(t.rows, memory) + t.rows.width for t in ordered]
    starts = [_column(t.rows, memory) for t in ordered]
    size = memory.size
    if starts[0] >= 0 and starts[1:] == ends[:-1]:
        total = torch.mm(_joined([t.rows for t in ordered], memory), torch.cat([_matrix(t, weights) for t in ordered]))
    else:
        total = torch.stack([torch.mm(_flat(_taken(t.rows, memory)), _matrix(t, weights)) for t in ordered]).sum(0)
    return total.view(size.steps, size.batch, group[0].width)


def _matrix(through: Through, weights: Mapping[str, Tensor]) -> Tensor:
    """The part of a weight, from the rows' components to the result's."""
    weight, count = weights[through.parameter].detach(), through.rows.width
    units = slice(through.unit, through.unit + through.width)
    components = slice(through.component, through.component + count)
    return weight[components, units] if through.transposed else weight[units, components].t()
