"""Systems for tests: a few built by hand, and `examples()`, which generates well-formed ones with known shapes.

An `Example` is a System with the shapes of its states and parameters. `values` fills them with random numbers; widths
are distinct primes, and no number that matters is 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from sqmagic.equations.system import (
    Apply,
    Const,
    Equation,
    Expr,
    Fixed,
    Goal,
    Index,
    Input,
    Last,
    Layer,
    Point,
    Position,
    Range,
    Read,
    Running,
    RunningIndex,
    System,
    Target,
)

Shape = tuple[int, ...]
Arrays = dict[str, NDArray[np.float64]]

# --- words ---------------------------------------------------------------------------------------


def at(state: str, index: int | Index | None = 0) -> Read:
    """`at("h", -1)` is h_{t-1}; with a point or range the state there, with None the bare state."""
    return Read(state, () if index is None else (Running("t", index) if isinstance(index, int) else index,))


def over(state: str, value: Expr) -> Equation:
    """An equation over time."""
    return Equation((Target(state, (Running("t"),)),), value)


def given(state: str, point: int | Last, value: Expr | float = 0.0) -> Equation:
    """A base case, at a number or at the end."""
    index: Point = Fixed(point) if isinstance(point, int) else point
    return Equation((Target(state, (index,)),), Const(value) if isinstance(value, float) else value)


def bare(state: str, value: Expr) -> Equation:
    return Equation((Target(state),), value)


def end(offset: int = 0) -> Last:
    return Last("t", offset)


def op(name: str, *args: Expr | float, **attributes: str | float | int | bool) -> Apply:
    values = tuple(Const(a) if isinstance(a, int | float) else a for a in args)
    return Apply(name, values, None, tuple(sorted(attributes.items())))


def dense(layer: str, value: Expr) -> Apply:
    return Apply("dense", (value,), layer)


def loss(prediction: Expr, target: Expr, kind: str = "mse", weight: Expr | None = None) -> Goal:
    value: Expr = op(kind, prediction, op("stop", target))
    if weight is not None:
        value = op("mul", op("stop", weight), value)
    return Goal("loss", (prediction,) if isinstance(prediction, Read) else (), value)


def system(*parts: Equation | Goal | Input | Layer, runs: bool = True) -> System:
    """The parts in their places; layers of `dense` need not be told."""
    equations = tuple(p for p in parts if isinstance(p, Equation))
    goals = tuple(p for p in parts if isinstance(p, Goal))
    return System(
        indices=(RunningIndex("t"),) if runs else (),
        inputs=tuple(p for p in parts if isinstance(p, Input)),
        equations=equations,
        goals=goals,
        layers=tuple(p for p in parts if isinstance(p, Layer)),
    )


def fed(*names: str, first: int = 1) -> list[Input]:
    """Inputs over time."""
    return [Input(name, True, first=Fixed(first)) for name in names]


@dataclass(frozen=True)
class Example:
    """A System and the shapes of its states and parameters; `states` is what `interpret` takes as shapes."""

    system: System
    states: Mapping[str, Shape]
    parameters: Mapping[str, Shape] = field(default_factory=dict)

    def values(self, horizon: int, batch: int = 2, seed: int = 0) -> tuple[Arrays, Arrays]:
        """Random parameters and inputs."""
        random = np.random.default_rng(seed)
        parameters = {name: random.normal(size=shape) * 0.5 for name, shape in self.parameters.items()}
        inputs: Arrays = {}
        for each in self.system.inputs:
            shape = (batch, *self.states[each.state])
            if each.indexed:
                assert isinstance(each.first, Fixed), "inputs begin at a number"
                assert isinstance(each.last, Last), "inputs end at the end"
                shape = (horizon + each.last.offset - each.first.value + 1, *shape)
            inputs[each.state] = random.normal(size=shape)
        return parameters, inputs


# --- built by hand -------------------------------------------------------------------------------


def mlp() -> Example:
    """X --[M_1|relu]-> h --[M_2]-> p => y"""
    made = system(
        Input("X", False),
        Input("y", False),
        bare("h", op("relu", dense("M_1", at("X", None)))),
        bare("p", dense("M_2", at("h", None))),
        loss(at("p", None), at("y", None)),
        Layer("M_1", "dense"),
        Layer("M_2", "dense"),
        runs=False,
    )
    shapes = {"X": (5,), "h": (7,), "p": (3,), "y": (3,)}
    return Example(made, shapes, {"M_1.weight": (7, 5), "M_1.bias": (7,), "M_2.weight": (3, 7), "M_2.bias": (3,)})


def lstm(inputs: int = 3, width: int = 5) -> Example:
    """The LSTM of the seed, repaired, with a loss on h."""

    def gate(layer: str, function: str) -> Expr:
        return op(function, dense(layer, at("p")))

    made = system(
        *fed("x", "y"),
        given("c", 0),
        given("h", 0),
        over("p", op("concat", at("h", -1), at("x"))),
        over("f", gate("F", "sigmoid")),
        over("i", gate("I", "sigmoid")),
        over("l", gate("C", "tanh")),
        over("o", gate("O", "sigmoid")),
        over("c", op("add", op("mul", at("c", -1), at("f")), op("mul", at("i"), at("l")))),
        over("h", op("mul", op("tanh", at("c")), at("o"))),
        loss(at("h"), at("y")),
        *(Layer(name, "dense") for name in "FICO"),
    )
    states: dict[str, Shape] = dict.fromkeys("filochy", (width,))
    parameters: dict[str, Shape] = {f"{n}.weight": (width, width + inputs) for n in "FICO"}
    return Example(
        made,
        {**states, "x": (inputs,), "p": (width + inputs,)},
        {**parameters, **{f"{n}.bias": (width,) for n in "FICO"}},
    )


def gru(inputs: int = 3, width: int = 5) -> Example:
    """The standard GRU: h_t = (1 - z_t) * l_t + z_t * h_{t-1}, the reset gate on a dense layer of h_{t-1}."""

    def gate(name: str) -> Expr:
        return op("sigmoid", op("add", dense(f"{name}x", at("x")), dense(f"{name}h", at("h", -1))))

    reset = op("mul", at("r"), dense("Hh", at("h", -1)))
    made = system(
        *fed("x"),
        given("h", 0),
        over("r", gate("R")),
        over("z", gate("Z")),
        over("l", op("tanh", op("add", dense("Hx", at("x")), reset))),
        over("h", op("add", op("mul", op("sub", 1, at("z")), at("l")), op("mul", at("z"), at("h", -1)))),
        *(Layer(f"{n}{s}", "dense") for n in "RZH" for s in "xh"),
    )
    parameters: dict[str, Shape] = {}
    for name in "RZH":
        parameters |= {f"{name}x.weight": (width, inputs), f"{name}h.weight": (width, width)}
        parameters |= {f"{name}x.bias": (width,), f"{name}h.bias": (width,)}
    return Example(made, {**dict.fromkeys("rzlh", (width,)), "x": (inputs,)}, parameters)


def gae(end_case: Equation | None = None) -> Example:
    """Values, temporal differences and generalised advantages: TD_t and A_t look ahead."""
    difference = op("sub", op("add", op("mul", at("V", 1), at("gamma", None)), at("r")), at("V"))
    decay = op("mul", op("mul", at("gamma", None), 0.95), op("mul", at("A", 1), op("sub", 1, at("d"))))
    made = system(
        *fed("O", "r", "d"),
        bare("gamma", Const(0.9)),
        over("V", dense("Value", at("O"))),
        over("TD", difference),
        over("A", op("add", at("TD"), decay)),
        *([] if end_case is None else [end_case]),
        loss(at("V"), op("add", at("A"), at("V"))),
        Layer("Value", "dense"),
    )
    states: dict[str, Shape] = {**dict.fromkeys(("r", "d", "V", "TD", "A", "gamma"), (1,)), "O": (3,)}
    return Example(made, states, {"Value.weight": (1, 3), "Value.bias": (1,)})


def dqn() -> Example:
    """Q-learning in shifts: q_t[a_t] => r_{t+1} + gamma * max(q_{t+1}) * (1 - d_{t+1})"""
    target = op("add", at("r", 1), op("mul", op("mul", 0.9, op("max", at("q", 1))), op("sub", 1, at("d", 1))))
    made = system(
        *fed("O", "r", "d"),
        *fed("a", first=0),
        over("q", dense("Q", at("O"))),
        over("c", op("index", at("q"), at("a"))),
        loss(at("c"), target),
        Layer("Q", "dense"),
    )
    states: dict[str, Shape] = {**dict.fromkeys("rdac", (1,)), "O": (3,), "q": (2,)}
    return Example(made, states, {"Q.weight": (2, 3), "Q.bias": (2,)})


# --- generated -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _State:
    """A state to read: over time from `first` up to T + `last`, or bare."""

    name: str
    width: int
    first: int = 1
    last: int = 0
    runs: bool = True


@dataclass
class _Draft:
    """An example in the making."""

    draw: Callable[[st.SearchStrategy[int]], int]
    parts: list[Equation | Goal | Input | Layer] = field(default_factory=list)
    states: list[_State] = field(default_factory=list)
    parameters: dict[str, Shape] = field(default_factory=dict)

    def pick(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def name(self) -> str:
        return f"s{len(self.states)}"

    def add(self, state: _State) -> _State:
        self.states.append(state)
        return state

    def choose(self, runs: bool | None = None) -> _State:
        found = [s for s in self.states if runs is None or s.runs == runs]
        return found[self.pick(0, len(found) - 1)]

    def layer(self, value: Expr, taken: int, width: int) -> Expr:
        name = f"M{len(self.parameters)}"
        self.parts.append(Layer(name, "dense"))
        self.parameters |= {f"{name}.weight": (width, taken), f"{name}.bias": (width,)}
        return dense(name, value)

    def reading(self, width: int, ahead: int = 3, back: int = 3) -> tuple[Expr, int | None, int | None]:
        """A read of some state, through a layer if its width is another, and the steps that it allows."""
        state = self.choose()
        offset = self.pick(-back, ahead)
        value: Expr = at(state.name, offset if state.runs else None)
        if state.width != width:
            value = self.layer(value, state.width, width)
        return (value, state.first - offset, state.last - offset) if state.runs else (value, None, None)

    def readings(self, width: int, count: int, ahead: int = 3, back: int = 3) -> tuple[Expr, int | None, int]:
        """A sum of reads, the first step that they allow, and the last relative to T."""
        value, low, high = self.reading(width, ahead, back)
        for _ in range(count - 1):
            other, first, last = self.reading(width, ahead, back)
            value = op(("add", "mul", "sub", "maximum")[self.pick(0, 3)], value, other)
            low = first if low is None else low if first is None else max(low, first)
            high = last if high is None else high if last is None else min(high, last)
        return value, low, 0 if high is None else min(0, high)


WIDTHS = (1, 2, 3, 5)


def _input(draft: _Draft) -> None:
    first = draft.pick(0, 1)
    state = draft.add(_State(draft.name(), WIDTHS[draft.pick(0, 3)], first))
    draft.parts += fed(state.name, first=first)


def _bare_input(draft: _Draft) -> None:
    state = draft.add(_State(draft.name(), WIDTHS[draft.pick(0, 3)], runs=False))
    draft.parts.append(Input(state.name, False))


def _feed_forward(draft: _Draft) -> None:
    """A function of what is read at any distance."""
    width = WIDTHS[draft.pick(0, 3)]
    value, low, high = draft.readings(width, draft.pick(1, 3))
    function = ("tanh", "sigmoid", "square", "softplus", "softmax")[draft.pick(0, 4)]
    state = _State(draft.name(), width, 1 if low is None else low, high)
    draft.parts.append(over(state.name, op(function, value)))
    draft.add(state)


def _shifted_number(draft: _Draft) -> None:
    """A state that says its own step."""
    value: Expr = op("mul", 0.1, Position(Running("t", draft.pick(-2, 2))))
    if draft.pick(0, 1):
        value = op("add", value, Position(end()))
    state = draft.add(_State(draft.name(), 1))
    draft.parts.append(over(state.name, value))


def _joined(draft: _Draft) -> None:
    """Two states one after the other, through a layer."""
    one, other = draft.choose(runs=True), draft.choose(runs=True)
    width = WIDTHS[draft.pick(0, 3)]
    shift = draft.pick(-1, 1)
    both = op("concat", at(one.name), at(other.name, shift))
    value = op("tanh", draft.layer(both, one.width + other.width, width))
    low, high = max(one.first, other.first - shift), min(one.last, other.last - shift, 0)
    state = _State(draft.name(), width, low, high)
    draft.parts.append(over(state.name, value))
    draft.add(state)


def _looks_back(draft: _Draft) -> None:
    """A recurrence of distance 1 to 3, or two states that need one another."""
    width = WIDTHS[draft.pick(0, 3)]
    outside, low, high = draft.readings(width, draft.pick(1, 2), back=1)
    base = max(0, (1 if low is None else low) - 1) + draft.pick(0, 1)
    if low is not None and low <= 0 and draft.pick(0, 1):
        base = low - 1
    distances = sorted({draft.pick(1, 3) for _ in range(draft.pick(1, 2))})
    name = draft.name()
    bases = range(base - distances[-1] + 1, base + 1)
    fresh = [s for s in draft.states if not s.runs and s.width == width]
    for number in bases:
        begins: Expr | float = at(fresh[0].name, None) if fresh and draft.pick(0, 1) else 0.1 * draft.pick(-5, 5)
        draft.parts.append(given(name, number, begins))
    own: Expr = at(name, -distances[0])
    for distance in distances[1:]:
        own = op("sub", own, op("mul", 0.5, at(name, -distance)))
    state = _State(name, width, bases[0], high)
    if draft.pick(0, 1):
        partner = f"{name}p"
        draft.parts.append(over(partner, op("tanh", own)))
        own = at(partner)
        draft.parts.append(over(name, op("tanh", op("add", own, outside))))
        draft.add(state)
        # it may outlast the state that it is made from
        draft.add(_State(partner, width, base + 1, min(0, high + distances[0])))
    else:
        draft.parts.append(over(name, op("tanh", op("add", own, outside))))
        draft.add(state)


def _looks_ahead(draft: _Draft) -> None:
    """A recurrence that reads steps to come, with or without a value given at its end."""
    width = WIDTHS[draft.pick(0, 3)]
    outside, low, high = draft.readings(width, draft.pick(1, 2))
    distances = sorted({draft.pick(1, 3) for _ in range(draft.pick(1, 2))})
    name = draft.name()
    last = high
    if draft.pick(0, 1):
        stop = high + draft.pick(-1, 1)
        draft.parts.append(given(name, end(stop), 0.1 * draft.pick(-5, 5)))
        high, last = min(high, stop - 1), stop
    own: Expr = at(name, distances[0])
    for distance in distances[1:]:
        own = op("sub", own, op("mul", 0.5, at(name, distance)))
    draft.parts.append(over(name, op("tanh", op("add", own, outside))))
    draft.add(_State(name, width, 1 if low is None else low, last))


def _window(draft: _Draft) -> None:
    """The mean over a range, of fixed length or growing with t or shrinking."""
    state = draft.choose(runs=True)
    back = draft.pick(0, 2)
    ranges: list[tuple[Index, int, int]] = [
        (Range(Running("t", -back), Running("t", 1)), state.first + back, state.last - 1),
        (Range(Fixed(state.first), Running("t", -1)), state.first + 1, state.last + 1),
        (Range(Running("t", back), end(state.last)), state.first - back, state.last - back),
    ]
    index, low, high = ranges[draft.pick(0, 2)]
    made = _State(draft.name(), state.width, low, min(0, high))
    draft.parts.append(over(made.name, _mean_of(state, index)))
    draft.add(made)


def _mean_of(state: _State, index: Index) -> Expr:
    """Over the steps of a range: of scalars the mean of a vector, of vectors that of each column."""
    stacked = at(state.name, index)
    return op("mean", stacked if state.width == 1 else op("transpose", stacked))


def _summary(draft: _Draft) -> None:
    """A bare state made from a sequence: its last value, or the mean of all."""
    state = draft.choose(runs=True)
    if draft.pick(0, 1):
        value: Expr = at(state.name, end(state.last))
    else:
        value = _mean_of(state, Range(Fixed(state.first), end(state.last)))
    made = draft.add(_State(draft.name(), state.width, runs=False))
    draft.parts.append(bare(made.name, op("tanh", value)))


_BLOCKS: dict[str, Callable[[_Draft], None]] = {
    "input": _input,
    "bare input": _bare_input,
    "feed forward": _feed_forward,
    "number": _shifted_number,
    "joined": _joined,
    "looks back": _looks_back,
    "looks ahead": _looks_ahead,
    "range": _window,
    "summary": _summary,
}
BLOCKS = tuple(_BLOCKS)
"""The kinds of block that `examples` may put together."""


@st.composite
def examples(draw: st.DrawFn, blocks: tuple[str, ...] = BLOCKS, most: int = 5, shuffled: bool = True) -> Example:
    """Well-formed Systems: inputs, up to `most` blocks of the kinds named, and up to two goals.

    The equations stand in any order if `shuffled`, for the order of a program means nothing but to its effects.
    """
    draft = _Draft(draw)
    _input(draft)
    for kind in draw(st.lists(st.sampled_from(blocks), min_size=1, max_size=most)):
        _BLOCKS[kind](draft)
    goals = [_goal(draft) for _ in range(draft.pick(0, 2))]
    equations = [p for p in draft.parts if isinstance(p, Equation)]
    others = [p for p in draft.parts if not isinstance(p, Equation)]
    if shuffled:
        equations = draw(st.permutations(equations))
    made = system(*others, *equations, *goals)
    return Example(made, {s.name: (s.width,) for s in draft.states}, dict(draft.parameters))


def _goal(draft: _Draft) -> Goal:
    state = draft.choose()
    prediction = at(state.name, draft.pick(-1, 1) if state.runs else None)
    others = [s for s in draft.states if s.width == state.width and s.runs == state.runs]
    target = others[draft.pick(0, len(others) - 1)]
    aim = at(target.name, draft.pick(-2, 2) if target.runs else None)
    if draft.pick(0, 3):
        return loss(prediction, aim, ("mse", "mae", "huber")[draft.pick(0, 2)])
    return Goal("objective", (prediction,), op("mean", op("mul", prediction, op("stop", aim))))
