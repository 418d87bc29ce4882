"""`check`: is this net what the reference is? If not, what differs first, with numbers.

Both are given the same random data and the same random parameters in float64, layer by layer: by name, or under any
renaming of layers of the same shapes that makes the outputs agree. This finds differences and proves nothing: nets
that agree here agree on every state that both name, on the outputs and on the loss, at these points.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sqmagic.equations.show import show_state
from sqmagic.equations.system import Running, System, reads
from sqmagic.grading.compare import Parting, parting, scalar
from sqmagic.grading.data import random_inputs, random_weights
from sqmagic.grading.layers import Pairing, columns, pairings, renamed, signatures, told
from sqmagic.grading.verdict import Verdict
from sqmagic.nets import compile as compiled
from sqmagic.runtime.errors import Told
from sqmagic.runtime.net import Net
from sqmagic.runtime.states import States
from sqmagic.runtime.trace import traced

MOST = 720
"""How many renamings of layers are tried."""

EXAMPLES, STEPS = 3, 5


def check(
    student: Net | str,
    reference: Net | str,
    *,
    data: Mapping[str, Any] | None = None,
    steps: int = STEPS,
    seed: int = 0,
) -> Verdict:
    """Whether a net, or the text of one, is the same as a reference; a verdict is true or false, and says why.

    Compared are inputs, parameters (by name, or under any renaming), the states that the reference ends in, and the
    loss. `data` are inputs that tell shapes which neither text tells. Raises NotationError for a text that is no
    program.
    """
    with torch.random.fork_rng(devices=[]):  # nothing that is drawn later depends on a check
        own, wanted = map(_copy, (student, reference))
        return _checked(own, wanted, data, steps, torch.Generator().manual_seed(seed))


def _copy(net: Net | str) -> Net:
    """The net, or the text's, to change at will: on the CPU, in float64 and without chance."""
    made = compiled(net, name="yours", check=False) if isinstance(net, str) else deepcopy(net)
    return made.cpu().double().eval()


def _checked(own: Net, wanted: Net, data: Mapping[str, Any] | None, steps: int, chance: torch.Generator) -> Verdict:
    if data is not None:
        wanted.settle(data)
    if not wanted.is_settled:
        raise ValueError("the reference has open shapes: declare them, or give `data` that tell them")
    wrong = _inputs(own, wanted)
    if wrong:
        return Verdict(False, wrong)
    given = random_inputs(wanted.inputs, steps, EXAMPLES, chance)
    try:
        own.settle({spec.state: given[spec.state] for spec in own.inputs})
    except (Told, ValueError) as refusal:
        return Verdict(False, ("your program does not take the reference's data", f"  {refusal}"))
    wrong = _layers(own, wanted) or _states(own, wanted)
    return Verdict(False, wrong) if wrong else _numbers(own, wanted, given, chance)


# --- what can be told without numbers --------------------------------------------------------------


def _inputs(own: Net, wanted: Net) -> tuple[str, ...]:
    ours, theirs = {s.state: s for s in own.inputs}, {s.state: s for s in wanted.inputs}
    lost = [theirs[name].label for name in theirs if name not in ours]
    more = [ours[name].label for name in ours if name not in theirs]
    found = [f"your program does not read {_listed(lost)}"] * bool(lost)
    found += [f"nothing defines {_listed(more)} in your program, so the data would have to bring it"] * bool(more)
    for name in (name for name in ours if name in theirs):
        mine, other = ours[name], theirs[name]
        if mine.indexed != other.indexed:
            found.append(f"your program reads {mine.label}, and the reference {other.label}")
        elif mine.shape is not None and mine.shape != other.shape:
            found.append(
                f"{mine.label} is {_sizes(mine.shape)} in yours and {_sizes(other.shape or ())} in the reference"
            )
        elif (mine.first, mine.last) != (other.first, other.last):
            found.append(f"{mine.label} has its first row at {mine.first} in yours, at {other.first} in the reference")
    return tuple(found)


def _layers(own: Net, wanted: Net) -> tuple[str, ...]:
    ours, theirs = signatures(own.state_dict()), signatures(wanted.state_dict())
    lost, more = list(theirs.items()), []
    for name, signature in ours.items():
        match = next((item for item in lost if item == (name, signature)), None)
        match = match or next((item for item in lost if item[1] == signature), None)
        if match is None:
            more.append((name, signature))
        else:
            lost.remove(match)
    if not lost and not more:
        return ()
    alike = [(name, signature, dict(lost)[name]) for name, signature in more if name in dict(lost)]
    both = {name for name, *_ in alike}
    return (
        "the layers differ",
        *(f"  {name} is {told(mine)} in yours and {told(other)} in the reference" for name, mine, other in alike),
        *(f"  yours has {name}, {told(s)}, which the reference has not" for name, s in more if name not in both),
        *(f"  the reference has one more layer, {told(s)}" for name, s in lost if name not in both),
    )


def _states(own: Net, wanted: Net) -> tuple[str, ...]:
    there = {t.state for e in _system(own).equations for t in e.targets} | {s.state for s in own.inputs}
    lost = [_written(state, wanted) for state in _outputs(_system(wanted)) if state not in there]
    return (f"there is no {_listed(lost)} in your program",) if lost else ()


def _outputs(system: System) -> list[str]:
    """The states that nothing else reads, and those that goals go through; else the last one."""
    defined = dict.fromkeys(t.state for e in system.equations for t in e.targets if "." not in t.state)
    used = {r.state for e in system.equations for r in reads(e.value) if r.state not in {t.state for t in e.targets}}
    through = {r.state for goal in system.goals for r in goal.through}
    ends = [state for state in defined if state not in used or state in through]
    return ends or list(defined)[-1:]


# --- numbers ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """A net on the data, with the reference's weights under one renaming."""

    states: States
    loss: Tensor | None
    pairing: Pairing
    reordered: tuple[str, ...]


def _numbers(own: Net, wanted: Net, given: Mapping[str, Tensor], chance: torch.Generator) -> Verdict:
    weights = random_weights(wanted, chance)
    wanted.load_state_dict(weights)
    truth = _run(wanted, given)
    ends = _outputs(_system(wanted))
    runs = []
    for pairing in pairings(signatures(own.state_dict()), signatures(weights), MOST):
        order = columns(_system(own), _system(wanted), _shapes(wanted), pairing)
        own.load_state_dict(renamed(weights, pairing, order))
        run = Run(*_run(own, given), pairing, tuple(order))
        if parting(run.states, truth[0], ends) is None:
            return _right(own, run, truth)
        runs.append(run)
        if len(runs) > 1:
            runs = [max(runs, key=lambda r: _agreed(r.states, truth[0], ends))]
    return Verdict(False, _witness(own, wanted, runs[0], truth[0]))


def _run(net: Net, given: Mapping[str, Tensor]) -> tuple[States, Tensor | None]:
    torch.default_generator.manual_seed(0)
    with torch.no_grad():
        states = net({spec.state: given[spec.state] for spec in net.inputs})
        for _ in states.values():  # what is computed only when it is asked for needs the weights of this run
            pass
        loss = net.loss({spec.state: given[spec.state] for spec in net.inputs}) if net.goals else None
    return states, loss


def _right(own: Net, run: Run, truth: tuple[States, Tensor | None]) -> Verdict:
    """The outputs agree; it remains whether both learn the same."""
    if (run.loss is None) != (truth[1] is None):
        words = "your program has no goal" if run.loss is None else "your program has a goal and the reference has none"
        return Verdict(False, (f"the states are right, but {words}", *(f"  {goal}" for goal in own.goals)))
    if run.loss is not None and truth[1] is not None and not scalar(run.loss, truth[1]):
        said = f"the states are right, but the loss is {float(run.loss):.6g} and the reference's {float(truth[1]):.6g}"
        return Verdict(False, (said, *(f"  your goal: {goal}" for goal in own.goals)))
    what = "states and loss are" if run.loss is not None else "states are"
    return Verdict(True, (f"right: the {what} those of the reference",), tuple(_remarks(run)))


def _remarks(run: Run) -> list[str]:
    others = [f"{ours} is the reference's {theirs}" for ours, theirs in run.pairing.items() if ours != theirs]
    order = [f"{layer} is given the same in another order" for layer in run.reordered]
    return [f"  {text}" for text in others + order]


def _agreed(own: States, wanted: States, ends: list[str]) -> float:
    """How far they agree: the step at which they part."""
    found = parting(own, wanted, [state for state in [*wanted, *ends] if state in own])
    return float("inf") if found is None or found.step is None else found.step


def _witness(own: Net, wanted: Net, run: Run, truth: States) -> tuple[str, ...]:
    named = {t.state for e in _system(own).equations for t in e.targets}
    found = parting(run.states, truth, [state for state in truth if state in run.states and state in named])
    assert found is not None, "outputs are common to both, and some differ"
    where = "" if found.step is None else f", first at t = {found.step}"
    point = found.step is not None and found.step < 1
    lines = [f"`{found.state}_{found.step}` differs" if point else f"`{_written(found.state, wanted)}` differs{where}"]
    if found.why:
        lines.append(f"  {found.why}")
    if found.own != found.wanted:
        lines.append(f"  {_place(found)}: yours is {found.own:.6g}, the reference's {found.wanted:.6g}")
    lines += _line(own, run.states, found)
    return (*lines, *_remarks(run))


def _line(own: Net, states: States, found: Parting) -> list[str]:
    """The student's line that gives the state at that step, with numbers."""
    step = found.step if found.step is not None and found.step > 0 else None
    for row in traced(own.blueprint.lines(), states, step or 1, found.example, [found.state]).rows:
        for cell in row.cells:
            if cell.step == step:
                return [f"  your line: {row.text}", f"    {cell.substituted} = {cell.value}"]
    return []


def _place(found: Parting) -> str:
    component = f", component {', '.join(map(str, found.component))}" if any(found.component) else ""
    return f"in example {found.example}{component}"


# --- words -----------------------------------------------------------------------------------------


def _system(net: Net) -> System:
    system = net.blueprint.system
    assert isinstance(system, System), "a net that was compiled knows its system"
    return system


def _shapes(net: Net) -> Mapping[str, tuple[int, ...]]:
    return net.settled.shapes


def _written(state: str, net: Net) -> str:
    system = _system(net)
    targets = [t for e in system.equations for t in e.targets if t.state == state]
    running = any(isinstance(i, Running) for t in targets for i in t.context)
    return show_state(state, (Running(system.indices[0].name),)) if running else state


def _listed(names: list[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
