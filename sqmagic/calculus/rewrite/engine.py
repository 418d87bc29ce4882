"""Where rules are applied: everywhere in the equations of a recurrence, each application an entry of the log.

The engine knows no rule. A rule is given a site, an expression where it stands; it gives what may stand there instead,
or None for "not mine".
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from sqmagic.calculus.rewrite.forms import now
from sqmagic.calculus.rewrite.log import Condition, Kind, Path, Rewrite, Rule, part, put
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.shapes.forward import FORWARD, shape_of
from sqmagic.equations.system import (
    Apply,
    Context,
    Equation,
    Expr,
    Read,
    Running,
    Target,
    Weight,
    children,
    reads,
    runs,
    walk,
)

_SCOPES = ("during", "window_sum", "batch_mean")
"""What stands in them is computed at other steps than where it stands."""


@dataclass(slots=True)
class Draft:
    """A recurrence while it is rewritten: the equations of its states and what rules have named for it, in order.

    `shapes` are those of the whole program, and `taken` what no name may be besides. `inside` are the states of the
    recurrence and those made from them; `made` all that rules have named. `promised` is what a rule has in store for
    other sites, once it has been applied at one. `lines` are the equations of each state, and `standing` says in which
    of those of the recurrence an expression stands, so that a rule looks at no others; `put_in` and `take_out` keep
    both.
    """

    index: str
    taken: Container[str]
    shapes: dict[str, Shape]
    parameters: Mapping[str, Shape]
    inside: set[str]
    group: tuple[str, ...] = ()
    made: dict[str, None] = field(default_factory=dict)
    log: list[Rewrite] = field(default_factory=list)
    promised: dict[tuple[str, Target, Path], tuple[Expr, Expr]] = field(default_factory=dict)
    equations: list[Equation] = field(default_factory=list)
    lines: dict[str, list[Equation]] = field(default_factory=dict)
    standing: dict[Expr, set[Target]] = field(default_factory=dict)

    def put_in(self, number: int, equation: Equation) -> None:
        self.equations.insert(number, equation)
        for state in dict.fromkeys(t.state for t in equation.targets):
            self.lines.setdefault(state, []).append(equation)
        for expr in self._looked_at(equation):
            self.standing.setdefault(expr, set()).add(equation.targets[0])

    def take_out(self, number: int) -> None:
        equation = self.equations.pop(number)
        for state in dict.fromkeys(t.state for t in equation.targets):
            self.lines[state].remove(equation)
        for expr in self._looked_at(equation):
            self.standing[expr].discard(equation.targets[0])

    def _looked_at(self, equation: Equation) -> Iterator[Expr]:
        return (expr for _, expr in places(equation.value)) if self.in_loop(equation) else iter(())

    def in_loop(self, equation: Equation) -> bool:
        """Whether an equation is of the recurrence, or made from it."""
        return any(t.state in self.inside and running(t) for t in equation.targets)

    def line(self, state: str) -> Equation | None:
        """The only equation of a state that defines nothing else, if there is one."""
        found = self.lines.get(state, ())
        return found[0] if len(found) == 1 and len(found[0].targets) == 1 else None

    def free(self, expr: Expr) -> bool:
        return not any(r.state in self.inside for r in reads(expr))

    def shape(self, expr: Expr) -> Shape | None:
        """None for what has no shape of its own."""
        if any(isinstance(n, Apply) and n.op not in FORWARD for n in walk(expr)):
            return None
        return shape_of(expr, self.shapes, self.parameters)

    def width(self, expr: Expr) -> int | None:
        match self.shape(expr):
            case (int(size),) if size > 0:
                return size
            case _:
                return None

    def fresh(self, name: str) -> str:
        """A name like this one, of the same macro instance, that nothing has."""
        full = name if name.startswith(".".join(self.group)) else ".".join([*self.group, name])
        count, found = 1, full
        while found in self.shapes or found in self.taken:
            count += 1
            found = f"{full}{count}"
        return found

    def name(self, state: str, value: Expr) -> tuple[Equation, Read]:
        """An equation that names a value, and the read of it at the same step."""
        context: Context = (Running(self.index),) if runs(value) else ()
        return Equation((Target(state, context),), value, self.group), Read(state, context)


@dataclass(frozen=True, slots=True)
class Site:
    """An expression, and where it stands."""

    draft: Draft
    equation: Equation
    path: Path
    expr: Expr

    @property
    def target(self) -> Target:
        return self.equation.targets[0]


@dataclass(frozen=True, slots=True)
class Found:
    """What may stand at a site, or at a part of it (`at`), instead; and what it needs."""

    after: Expr
    made: tuple[Equation, ...] = ()
    conditions: tuple[Condition, ...] = ()
    at: Path = ()


Row: TypeAlias = Callable[[Site], Found | None]


def running(target: Target) -> bool:
    return any(isinstance(index, Running) for index in target.context)


def everywhere(draft: Draft, rule: Rule, row: Row) -> None:
    """Applies a rule wherever it can be, an expression before its parts, until it can be nowhere."""
    waiting = deque(e.targets[0] for e in draft.equations if draft.in_loop(e))
    while waiting:
        target = waiting.popleft()
        while (applied := _once(draft, rule, row, target)) is not None:
            waiting += [t for t in applied if running(t) and t.state in draft.inside]


def everywhere_in(draft: Draft, rule: Rule, row: Row, target: Target) -> None:
    """The same in one equation."""
    while _once(draft, rule, row, target) is not None:
        pass


def _once(draft: Draft, rule: Rule, row: Row, target: Target) -> tuple[Target, ...] | None:
    """At the first site of an equation that takes it; gives what was named."""
    equation = next((e for e in draft.lines.get(target.state, ()) if target in e.targets), None)
    if equation is None:
        return None
    for path, expr in places(equation.value):
        found = row(Site(draft, equation, path, expr))
        if found is not None:
            apply(draft, rule, equation, path, found)
            return tuple(t for e in found.made for t in e.targets)
    return None


def places(expr: Expr, path: Path = ()) -> Iterator[tuple[Path, Expr]]:
    yield path, expr
    if isinstance(expr, Apply) and expr.op in _SCOPES:
        return
    for number, child in enumerate(children(expr)):
        yield from places(child, (*path, number))


def apply(draft: Draft, rule: Rule, equation: Equation, path: Path, found: Found) -> None:
    """Puts what was found in its place, and says so in the log."""
    place = (*path, *found.at)
    before = part(equation.value, place)
    assert before is not None, "a rule is applied where it was tried"
    number = next(n for n, e in enumerate(draft.equations) if e is equation)
    for each in found.made:
        shape = draft.shape(each.value)
        assert shape is not None, "a rule names what has a shape"
        draft.shapes[each.targets[0].state] = shape
        draft.made[each.targets[0].state] = None
        if not draft.free(each.value):
            draft.inside.add(each.targets[0].state)
    made = tuple(replace(each, group=equation.group) for each in found.made)
    changed = replace(equation, value=put(equation.value, place, found.after))
    draft.take_out(number)
    for at, each in enumerate([*made, changed], number):
        draft.put_in(at, each)
    target = equation.targets[0]
    draft.log.append(Rewrite(rule, target, place, before, found.after, made, found.conditions, equation.line))


def drop_unread(draft: Draft) -> None:
    """What rules have named and nobody reads any more."""
    lines = dict(enumerate(draft.equations))
    defining = {t.state: n for n, e in lines.items() for t in e.targets if t.state in draft.made}
    read = Counter(r.state for e in draft.equations for r in reads(e.value))
    idle = [n for n, e in lines.items() if e.targets and _idle(e, read, draft)]
    heapify(idle)
    while idle:
        gone = lines[heappop(idle)]
        draft.take_out(next(n for n, e in enumerate(draft.equations) if e is gone))
        target = gone.targets[0]
        draft.log.append(Rewrite("dead", target, (), gone.value, None, (), (Condition("unread", target.state),)))
        del draft.made[target.state], draft.shapes[target.state]
        draft.inside.discard(target.state)
        for state in (r.state for r in reads(gone.value)):
            read[state] -= 1
            if not read[state] and state in draft.made and _idle(lines[defining[state]], read, draft):
                heappush(idle, defining[state])


def _idle(equation: Equation, read: Mapping[str, int], draft: Draft) -> bool:
    return all(t.state in draft.made and not read[t.state] for t in equation.targets)


def read_now(read: Read, draft: Draft) -> Equation | None:
    """The line of a state that is read at the reader's own step, if that line is all there is of it."""
    equation = draft.line(read.state)
    if not now(read) or equation is None or not running(equation.targets[0]):
        return None
    return equation


def sites_beside(draft: Draft, expr: Expr) -> Sequence[Site]:
    """Every place in those equations of the recurrence in which an expression stands."""
    targets = draft.standing.get(expr, set())
    equations = {id(e) for t in targets for e in draft.lines[t.state] if e.targets[0] == t}
    among = (e for e in draft.equations if id(e) in equations)
    return [Site(draft, e, path, each) for e in among for path, each in places(e.value)]


def dense(expr: Expr, draft: Draft) -> tuple[Expr, Expr | None] | None:
    """The weights of a dense layer on a vector, and its bias."""
    match expr:
        case Apply("dense", (x,), str(layer)) if not expr.attribute("target", False) and draft.width(x) is not None:
            frozen = bool(expr.attribute("frozen", False))
            bias = f"{layer}.bias"
            return Weight(f"{layer}.weight", frozen), Weight(bias, frozen) if bias in draft.parameters else None
        case _:
            return None


def holds(made: Equation, *kinds: Kind) -> tuple[Condition, ...]:
    """What a rule promises of a name."""
    return tuple(Condition(kind, made.targets[0].state) for kind in kinds)
