"""The phase in which a program acts: the methods `begin`, `act` and `follow` of the page.

`act` is the loop over t in which the environment is stepped, without gradients; it gives the rows that `loss` reads.
What a window must know of the one before it is its `past`: rows by index, those of the steps before the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sqmagic.emit.torch.assigning import assigned
from sqmagic.emit.torch.code import SCALAR, Code
from sqmagic.emit.torch.facts import Facts, fixed
from sqmagic.emit.torch.lines import beside, dictionary, indented
from sqmagic.emit.torch.losses import RULES
from sqmagic.emit.torch.place import Place, Rule, filled, tensor, translate
from sqmagic.emit.torch.reading import bare, moved, step
from sqmagic.equations.show import show_equation, show_state
from sqmagic.equations.system import Apply, Context, Equation, Fixed, Last, Range, Running, System, reads
from sqmagic.schedule.dependence import has_effect
from sqmagic.schedule.effects import is_acted, last_uses, step_order

OUTSIDE = ("reset", "step", "Add", "Get")
OUTPUTS = {"reset": 2, "step": 6}
WHOLE = 'whole = "it acts on an environment: `train_on` goes through its steps"'


@dataclass(frozen=True, slots=True)
class Plan:
    """What acting is told: which states learning reads, with their rows, which base cases, who behaves, and which
    states hold whole numbers."""

    recorded: Mapping[str, tuple[int, int]]
    carried: Mapping[str, tuple[str, int]]
    behaved: tuple[str, ...] = ()
    integers: frozenset[str] = frozenset()


def acting(facts: Facts, plan: Plan) -> list[list[str]]:
    """The methods. The facts are of the acting System."""
    here = replace(facts, integers=plan.integers)
    return [_begin(here, plan), _act(here, plan), *_follow(facts), [WHOLE]]


# --- chance --------------------------------------------------------------------------------------


def _sample(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    return Code(f"world.sample({tensor(args[0], place).text})", place.lead, SCALAR, "integer")


def _eps_greedy(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    values = tensor(args[0], place).text
    return Code(f"world.eps_greedy({values}, {node.attribute('eps', 0.1)})", place.lead, SCALAR, "integer")


def _gauss(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    shape = tuple(int(n) for n in str(node.attribute("shape", "1")).split("x"))
    sizes = "".join(f", {n}" for n in shape)
    buffer = node.attribute("buffer", "")
    of = f', of="{buffer}"' if buffer else ""
    return Code(f"world.gauss({place.like}{sizes}{of})", place.lead, shape)


DRAWS: dict[str, Rule] = RULES | {"sample": _sample, "eps_greedy": _eps_greedy, "gauss": _gauss}
"""The operators where chance is the world's, which may be told to do what is likeliest."""


# --- what is kept --------------------------------------------------------------------------------


def _equations(facts: Facts) -> list[Equation]:
    return [facts.system.equations[n] for n in step_order(facts.system)]


def _kept(facts: Facts, plan: Plan) -> dict[str, int]:
    """For each state that a later window needs, the index of the first row that it needs, 0 or less."""
    found: dict[str, int] = {}
    reads_ = [(r.state, i.offset) for e in _equations(facts) for r in reads(e.value) for i in _back(r.context)]
    wanted = [(state, 1 + offset) for state, offset in reads_]
    wanted += [(state, first) for state, (first, _) in plan.recorded.items()]
    wanted += list(plan.carried.values())
    wanted += _given_points(facts)
    for state, index in wanted:
        if index <= 0:
            found[state] = min(found.get(state, 0), index)
    return found


def _given_points(facts: Facts) -> Iterable[tuple[str, int]]:
    """The base cases that steps before the first read: the first action's noise, `gauss() -> n_0`."""
    given = {
        (t.state, t.context[0].value)
        for e in facts.system.equations
        for t in e.targets
        if t.context and isinstance(t.context[0], Fixed)
    }
    for equation in _equations(facts):
        begins = _begins(facts, equation)
        read = {(r.state, begins + i.offset) for r in reads(equation.value) for i in _back(r.context)}
        yield from sorted(read & given)


def _back(context: Context) -> Iterable[Running]:
    for index in context:
        match index:
            case Running():
                yield index
            case Range(Running() as first, _):
                yield first
            case Range() | Fixed() | Last():
                pass


def _first(facts: Facts, plan: Plan) -> int:
    """The first index at which anything is computed in the first window."""
    found = [facts.computed[t.state].first for e in _equations(facts) for t in e.targets]
    return min([*found, *(facts.stored[s].first for s in plan.behaved), 1])


# --- begin ---------------------------------------------------------------------------------------


def _begin(facts: Facts, plan: Plan) -> list[str]:
    lines: list[str] = []
    held: dict[str, list[str]] = {state: [] for state in _kept(facts, plan)}
    for equation in facts.system.equations:
        if is_acted(equation):
            continue
        points = [t for t in equation.targets if fixed(t.context)]
        lines += _once(facts, equation)
        for target in points:
            index = target.context[0]
            if isinstance(index, Fixed):
                entry = f"{index.value}: {facts.name(target.state, target.context)}"
                held.setdefault(target.state, []).append(entry)
    past = dictionary({s: f"{{{', '.join(entries)}}}" for s, entries in held.items()})
    doc = '"""What the first window begins with: the environment reset, and the base cases."""'
    sizes = ["batch = world.batch"] if any("batch" in line for line in lines) else []
    return _method("begin(self, world)", [doc, *sizes, *lines, f"return {_first(facts, plan)}, {past}"])


def _once(facts: Facts, equation: Equation) -> list[str]:
    names = [facts.name(t.state, t.context) for t in equation.targets]
    if _outside(equation):
        return _effect(facts, equation, bare(facts), names, True)
    return assigned(facts, equation, bare(facts), names)


# --- act -----------------------------------------------------------------------------------------


def _act(facts: Facts, plan: Plan) -> list[str]:
    equations, kept = _equations(facts), _kept(facts, plan)
    own = dict.fromkeys([t.state for e in equations for t in e.targets])
    states = list(dict.fromkeys([*own, *plan.behaved, *kept]))
    first = _first(facts, plan)
    body = _steps(facts, plan, first)
    lines = ["first, past = memory"]
    lines += [f"{facts.name(s)} = dict(past[{_key(s)}])" for s in states if s in kept]
    empty = [facts.name(s) for s in states if s not in kept]
    lines += [f"{', '.join(empty)} = {', '.join(['{}'] * len(empty))}"] * bool(empty)
    lines += _still(facts)
    lines += ["for t in range(first, T + 1):", *indented(body)]
    recorded = {s: _rows(facts.name(s), f, n) for s, (f, n) in plan.recorded.items()}
    recorded |= {name: f"past[{_key(state)}][{index}]" for name, (state, index) in plan.carried.items()}
    lines += f"recorded = {dictionary(recorded)}".split("\n")
    later = {s: f"{{{', '.join(_again(facts.name(s), k) for k in range(at, 1))}}}" for s, at in kept.items()}
    lines += f"past = {dictionary(later)}".split("\n")
    lines += ["return (1, past), recorded"]
    if any("batch" in line for line in lines):
        lines.insert(0, "batch = world.batch")
    doc = '"""T steps of the environment from where `memory` is: the memory after them, and what `loss` reads."""'
    return _method("act(self, world, memory, T)", [doc, *lines])


def _key(state: str) -> str:
    return f'"{state}"'


def _rows(name: str, first: int, last: int) -> str:
    start = f"{first}, " if first else ""
    return f"torch.stack([{name}[t] for t in range({start}{moved('T', last + 1)})])"


def _again(name: str, index: int) -> str:
    return f"{index}: {name}[{moved('T', index)}]"


def _still(facts: Facts) -> list[str]:
    """The bare states that steps read."""
    read = {r.state for e in _equations(facts) for r in reads(e.value) if not r.context}
    return [
        line
        for e in facts.system.equations
        if not is_acted(e) and any(t.state in read and not t.context for t in e.targets)
        for line in _once(facts, e)
    ]


def _steps(facts: Facts, plan: Plan, first: int) -> list[str]:
    order = step_order(facts.system)
    last = last_uses(facts.system, order)
    groups: list[tuple[int, list[str]]] = []
    for number in order:
        equation = facts.system.equations[number]
        begins = _begins(facts, equation)
        lines = _at_a_step(facts, equation, last.get(number, True))
        if groups and groups[-1][0] == begins:
            groups[-1][1].extend(lines)
        else:
            groups.append((begins, lines))
    for state in plan.behaved:
        begins = facts.stored[state].first
        name = show_state(state, (Running(facts.system.indices[0].name),))
        groups.append((begins, beside(f"{facts.name(state)}[t] = world.behave()", f"{name} of the behaviour policy")))
    found: list[str] = []
    for begins, lines in groups:
        found += [f"if t >= {begins}:", *indented(lines)] if begins > first else lines
    return found


def _begins(facts: Facts, equation: Equation) -> int:
    """The first step at which an equation holds; of an effect without a result, that at which all it reads is there."""
    if equation.targets:
        return facts.computed[equation.targets[0].state].first
    found = [
        facts.stored[r.state].first - i.offset
        for r in reads(equation.value)
        if r.state in facts.stored
        for i in _back(r.context)
    ]
    return max(found, default=1)


def _at_a_step(facts: Facts, equation: Equation, last: bool) -> list[str]:
    own = facts.computed[equation.targets[0].state] if equation.targets else None
    place = step(facts, frozenset(facts.stored), {}, own or next(iter(facts.computed.values())))
    names = [f"{facts.name(t.state)}[t]" for t in equation.targets]
    if _outside(equation):
        return _effect(facts, equation, place, names, last)
    state = equation.targets[0].state
    if not has_effect(equation.value) and (state not in facts.integers or len(names) > 1):
        return assigned(facts, equation, place, names)
    value = translate(equation.value, place, DRAWS)
    kept = value if value.kind == "integer" else filled(value, place, facts.shapes[state])
    return beside(f"{names[0]} = {kept.text}", show_equation(equation))


# --- effects on the outside ----------------------------------------------------------------------


def _outside(equation: Equation) -> bool:
    return isinstance(equation.value, Apply) and equation.value.op in OUTSIDE


def _effect(facts: Facts, equation: Equation, place: Place, names: list[str], last: bool) -> list[str]:
    """`S[t], O[t], r[t] = world.step(S[t - 1], a[t - 1])[:3]`."""
    assert isinstance(equation.value, Apply), "an effect is an operator"
    value = equation.value
    args = [_argument(translate(a, place, RULES), place) for a in value.args]
    if value.op in ("Add", "Get"):
        args = [f'"{value.layer}"', *args, *([str(len(names))] if value.op == "Get" else [])]
    if not last:
        args.append("last=False")
    call = f"world.{value.op.lower()}({', '.join(args)})"
    if not names:
        return beside(call, show_equation(equation))
    short = len(names) < OUTPUTS.get(value.op, len(names))
    if len(names) == 1:
        return beside(f"{names[0]} = {call}[0]", show_equation(equation))
    return beside(f"{', '.join(names)} = {call}{f'[:{len(names)}]' if short else ''}", show_equation(equation))


def _argument(code: Code, place: Place) -> str:
    return f"{place.like}.new_full((batch, 1), {code.text})" if code.kind == "number" else code.text


# --- slowly moving copies ------------------------------------------------------------------------


def followers(system: System) -> Iterator[tuple[str, str, float]]:
    """The layers that are slowly moving copies, each with the layer that it follows, and how fast."""
    own = {layer.name for layer in system.layers}
    for layer in system.layers:
        source = layer.name.rstrip("_").removesuffix("_target")
        for update in layer.updates:
            if update.transform == "target" and source in own and source != layer.name:
                yield layer.name, source, float(dict(update.settings).get("tau", 0.005))


def _follow(facts: Facts) -> list[list[str]]:
    lines: list[str] = []
    for copy, source, tau in followers(facts.system):
        for name in (p for p in facts.parameters if p.startswith(f"{copy}.")):
            part = name.removeprefix(copy)
            lines.append(f"{facts.owners[copy]}{part}.lerp_({facts.owners[source]}{part}, {tau})")
    if not lines:
        return []
    return [_method("follow(self)", ['"""The slowly moving copies come a little closer to what they copy."""', *lines])]


def copying(facts: Facts) -> list[str]:
    """The lines of `__init__` by which copies begin as what they copy."""
    lines: list[str] = []
    for copy, source, _ in followers(facts.system):
        lines.append(f"{facts.owners[copy]}.load_state_dict({facts.owners[source]}.state_dict())")
        lines.append(f"{facts.owners[copy]}.requires_grad_(False)")
    return lines


def _method(head: str, lines: list[str]) -> list[str]:
    return ["@torch.no_grad()", f"def {head}:", *indented("\n".join(lines).split("\n"))]
