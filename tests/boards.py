"""Programs made for the board's tests: `generated(seed)` gives the same System in every process.

They hold what a picture must cope with, more of it than a program that means something: states from both directions of
time and of several steps away, functions with several results, macros within macros, buffers, losses, objectives, and
parts before and after the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from systems import at, bare, dense, given, loss, op, over, system

from sqmagic.equations.system import Apply, Equation, Expr, Goal, Input, Last, Read, Running, System, Target

_UNARY = ("tanh", "exp", "sigmoid", "less", "gamma")
_BINARY = ("mul", "add", "sub", "mul", "add")
_ACTIVATIONS = ("sigmoid", "tanh", "relu", None)


def generated(seed: int) -> System:
    """3 to 18 operators, up to 3 states, and the edges that `seed` happens to give."""
    bench = _Bench(Random(seed))
    random = bench.random
    static = random.random() < 0.12
    _feed(bench, static)
    states = [] if static else [f"s_{i}" for i in range(1, random.randint(0, 3) + 1)]
    for state in states:
        _carry(bench, state)
    count = random.randint(3, 18)
    waiting = list(states)
    while bench.operators < count or waiting:
        due = bench.operators >= count // 2 and random.random() < 0.5
        _operate(bench, waiting.pop(0) if waiting and (due or bench.operators >= count) else None, static)
    _aim(bench, static)
    _after(bench, states)
    heads = [given(state, 0) for state in states]
    return system(*bench.inputs, *heads, *bench.equations, *bench.goals, runs=not static)


@dataclass(slots=True)
class _Bench:
    """What is being made: `pool` are the values at hand, `fresh` those that nothing has used yet."""

    random: Random
    inputs: list[Input] = field(default_factory=list)
    equations: list[Equation] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    pool: list[Read] = field(default_factory=list)
    fresh: list[Read] = field(default_factory=list)
    held: list[Expr] = field(default_factory=list)
    names: int = 0
    operators: int = 0

    def take(self) -> Expr:
        """A value, rather one that is not used yet, or one without a name, which is used once."""
        if self.held and self.random.random() < 0.8:
            return self.held.pop(self.random.randrange(len(self.held)))
        late = self.random.random() < 0.75 and bool(self.fresh)
        read = self.random.choice(self.fresh if late else self.pool[-8:])
        if read in self.fresh:
            self.fresh.remove(read)
        return op("stop", read) if self.random.random() < 0.04 else read

    def give(self, read: Read) -> None:
        self.pool.append(read)
        self.fresh.append(read)

    def name(self, letter: str) -> str:
        self.names += 1
        return f"{letter}_{self.names}"


# --- what comes in -----------------------------------------------------------------------------------


def _feed(bench: _Bench, static: bool) -> None:
    for name in ("x", "u") if bench.random.random() < 0.35 else ("x",):
        bench.inputs.append(Input(name, not static))
        bench.give(at(name, None if static else 0))
    if not static and bench.random.random() < 0.15:
        bench.inputs.append(Input("z", False))
        bench.equations.append(bare("k", op("tanh", dense("K", at("z", None)))))
        bench.give(at("k", None))


def _carry(bench: _Bench, state: str) -> None:
    """A state is read at an earlier step, at a later one, or at several."""
    offsets = [
        k for k, likely in ((-1, 0.85), (1, 0.2), (-2, 0.08), (-3, 0.04), (2, 0.03)) if bench.random.random() < likely
    ]
    for offset in offsets or [-1]:
        bench.give(at(state, offset))


# --- operators ---------------------------------------------------------------------------------------


def _operate(bench: _Bench, state: str | None, static: bool) -> None:
    kind = bench.random.random()
    bench.operators += 1
    if kind < 0.09:
        _function(bench, state, static)
    elif kind < 0.14 and not static:
        _macro(bench, state)
    elif kind < 0.15:
        _buffer(bench, static)
        _define(bench, state, _operator(bench), static)
    else:
        _define(bench, state, _operator(bench), static)


def _define(bench: _Bench, state: str | None, value: Expr, static: bool) -> None:
    if state is None and bench.random.random() < 0.45:
        bench.held.append(value)
        return
    name = state or bench.name("v")
    bench.equations.append(bare(name, value) if static else over(name, value))
    bench.give(at(name, None if static else 0))


def _operator(bench: _Bench) -> Expr:
    kind = bench.random.random()
    if kind < 0.4:
        return _layer(bench, bench.take())
    if kind < 0.62:
        left, right = bench.take(), bench.take()
        return op("tanh", left) if left == right else op(bench.random.choice(_BINARY), left, right)
    if kind < 0.78:
        return _unary(bench.random.choice(_UNARY), bench.take())
    left, right = bench.take(), bench.take()
    return _layer(bench, left) if left == right else op("concat", left, right)


def _layer(bench: _Bench, value: Expr) -> Expr:
    act, made = bench.random.choice(_ACTIVATIONS), dense(bench.name("W"), value)
    return op(act, made) if act else made


def _unary(word: str, value: Expr) -> Expr:
    match word:
        case "less":
            return op("sub", 1, value)
        case "gamma":
            return op("mul", value, 0.99)
        case _:
            return op(word, value)


def _function(bench: _Bench, state: str | None, static: bool) -> None:
    """Several results, the state among them."""
    names = [*([state] if state else []), *(bench.name("o") for _ in range(bench.random.randint(1, 3)))]
    context = () if static else (Running("t"),)
    operands = [bench.take() for _ in range(bench.random.randint(1, 2))]
    call = Apply("step", tuple(dict.fromkeys(operands)))
    bench.equations.append(Equation(tuple(Target(name, context) for name in names), call))
    for name in names:
        bench.give(Read(name, context))


def _buffer(bench: _Bench, static: bool) -> None:
    context = () if static else (Running("t"),)
    layer = bench.name("B")
    bench.equations.append(Equation((), Apply("Add", (bench.take(),), layer)))
    drawn = [bench.name("g"), bench.name("g")]
    bench.equations.append(Equation(tuple(Target(name, context) for name in drawn), Apply("Get", (), layer)))
    for name in drawn:
        bench.give(Read(name, context))


# --- macros ------------------------------------------------------------------------------------------


def _macro(bench: _Bench, state: str | None) -> None:
    """An instance with locals of its own, perhaps with another within it."""
    path = (bench.name(bench.random.choice(("Enc", "Cell"))),)
    inputs = list(dict.fromkeys(bench.take() for _ in range(bench.random.randint(1, 3))))
    out = _inside(bench, path, inputs)
    name = state or bench.name("h")
    bench.equations.append(Equation((Target(name, (Running("t"),)),), out, path))
    bench.give(at(name))


def _inside(bench: _Bench, path: tuple[str, ...], given: Sequence[Expr]) -> Expr:
    """The equations of an instance; gives its result."""
    random, values = bench.random, list(given)
    count = random.randint(2, 4)
    bench.operators += count
    for n in range(count):
        value = _step_inside(bench, values)
        if len(path) == 1 and random.random() < 0.15:
            value = _inside(bench, (*path, bench.name("Gate")), [value, random.choice(values)])
        local = f"{'.'.join(path)}.a_{n}"
        bench.equations.append(Equation((Target(local, (Running("t"),)),), value, path))
        values.append(at(local))
    return op("add", values[-1], values[-2]) if values[-1] != values[-2] else op("tanh", values[-1])


def _step_inside(bench: _Bench, values: list[Expr]) -> Expr:
    left, right = values[-1], bench.random.choice(values)
    kind = bench.random.random()
    if kind < 0.5 or left == right:
        return _layer(bench, right)
    return op("concat" if kind < 0.75 else "mul", left, right)


# --- goals and what comes after ----------------------------------------------------------------------


def _aim(bench: _Bench, static: bool) -> None:
    """What is left without a name gets one; the last value has a loss, perhaps another an objective."""
    random, context = bench.random, None if static else 0
    for value in bench.held:
        name = bench.name("v")
        bench.equations.append(bare(name, value) if static else over(name, value))
        bench.give(at(name, context))
    made = [read for read in bench.pool if any(read.state == t.state for e in bench.equations for t in e.targets)]
    made = [read for read in made if read.context == at("x", context).context]
    if random.random() < 0.6:
        bench.inputs.append(Input("y", not static))
        target: Expr = at("y", context)
        target = op("one_hot", target) if random.random() < 0.3 else target
        target = op("add", at("y", context), random.choice(made)) if random.random() < 0.2 else target
        bench.goals.append(loss(made[-1], target))
    if random.random() < 0.25:
        reward, policy = random.choice(made), random.choice(made)
        bench.goals.append(Goal("objective", (policy,), op("mul", op("stop", reward), op("log", policy))))


def _after(bench: _Bench, states: Sequence[str]) -> None:
    """A verdict on the last step."""
    if not states or bench.random.random() > 0.25:
        return
    bench.inputs.append(Input("w", False))
    bench.equations.append(bare("q", op("softmax", dense("Gen", Read(states[0], (Last("t"),))))))
    bench.goals.append(loss(Read("q"), op("one_hot", at("w", None)), "cross_entropy"))
