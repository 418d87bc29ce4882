"""`infer`: the shapes of a System. Declarations come first, then structure, then `width`.

What is certain is drawn first, whatever the order of the equations. Then, one kind after another and each for the
whole program at once, come the assumptions of `Level`: a state is a vector; what is joined to scalars only is a
scalar; what is free in a sum or a product is equal to the rest; what is still free takes `width`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import islice

from sqmagic.equations.shapes.builder import Builder, Measure
from sqmagic.equations.shapes.classes import NUMBERS, SOFT, STATE, WIDE, Given, Reason
from sqmagic.equations.shapes.dimension import Dimension, Shape, Steps
from sqmagic.equations.shapes.facts import DataShape, Shapes
from sqmagic.equations.shapes.integers import integers, read_as_one_hot
from sqmagic.equations.shapes.proof import Proof, problem
from sqmagic.equations.shapes.read import read_system
from sqmagic.equations.shapes.unknowns import Fault, Form, Level, Side, Unknowns
from sqmagic.equations.shapes.waiting import AtMost, Broadcast, Measured, Scalar
from sqmagic.equations.system import System
from sqmagic.equations.within import may_be_within
from sqmagic.notation.source import NOWHERE, Source, Span


def infer(
    system: System,
    *,
    sizes: Mapping[str, int] | None = None,
    data: Mapping[str, DataShape] | None = None,
    width: int | None = 64,
    measure: Measure | None = None,
    source: Source | None = None,
) -> Shapes:
    """The shapes of all states and parameters, by unification across the whole program (NOTATION.md, C.3).

    `sizes` are integers of the kernel for declared names, `data` what is known of inputs, `measure` tells the shape
    that a torch module gives (or None), `source` is the text that spans point into, for line numbers. Without `width`
    what the data must tell stays open. Raises nothing for what a user wrote: see `Shapes.problems`.
    """
    data = data or {}
    whole = integers(system, data)
    b = build(read_as_one_hot(system, whole), sizes or {}, data, width, measure, source)
    solve(b, width)
    return _found(b, whole)


def build(
    system: System,
    sizes: Mapping[str, int],
    data: Mapping[str, DataShape],
    width: int | None,
    measure: Measure | None,
    source: Source | None,
) -> Builder:
    undeclared = frozenset(i.state for i in system.inputs if i.sizes is None) - data.keys()
    b = read_system(system, sizes, data, measure, source, undeclared if width is None else frozenset())
    b.outside = [state for state in b.outside if state not in data]
    return b


def solve(b: Builder, width: int | None) -> None:
    """Draws what is certain, then assumes, one level at a time, until nothing is left to assume."""
    b.unknowns.drain()
    if width is None and _waits_for_data(b):
        for rule in b.unknowns.waiting():
            if isinstance(rule, Scalar):
                rule.refuse_vector(b.unknowns)
        return
    while _assume(b, width):
        b.unknowns.drain()


def _waits_for_data(b: Builder) -> bool:
    """Whether something that the data will tell is open: an input's width, or the number of an integer's values."""
    known = b.unknowns.dimensions
    outside = [form for state in b.outside if (form := b.states[state]) is not None]
    if any(known.get(form.last) is None for form in outside):
        return True
    counts = {known.find(t.classes) for t in outside if t.classes is not None and known.get(t.classes) is None}
    if any(known.marked(count, WIDE) for count in counts):
        return True
    rules = [rule for rule in b.unknowns.waiting() if isinstance(rule, AtMost)]
    return any(known.get(rule.most) is None and known.find(rule.least) in counts for rule in rules)


def _assume(b: Builder, width: int | None) -> bool:
    """One step; the order is that of the words in C.3."""
    unknowns = b.unknowns
    return (
        unknowns.assume(Level.VECTOR)
        or _vectors(unknowns, soft=False)
        or unknowns.assume(Level.INDEX)
        or unknowns.assume(Level.SCALAR)
        or _scalars(unknowns)
        or unknowns.assume(Level.ROWS)
        or _break_cycle(b)
        or any(unknowns.assume(level) for level in (Level.FACTOR, Level.SUM, Level.PRODUCT))
        or _vectors(unknowns, soft=True)
        or (width is not None and _width(b, width))
    )


def _vectors(unknowns: Unknowns, soft: bool) -> bool:
    """A state is a vector unless something else is said."""
    leads = unknowns.leads
    free = leads.open_roots()
    if not free:
        return False
    derived = _derived_leads(unknowns)
    return _all_vectors(unknowns, [a for a in free if a not in derived and (soft or not leads.marked(a, SOFT))])


def _derived_leads(unknowns: Unknowns) -> set[int]:
    """The leads that some rule is going to make known from others.

    What works component by component only passes leads on: a recurrence `c_t = c_{t-1} * f_t + l_t`, which would wait
    for itself, derives nothing.
    """
    leads = unknowns.leads
    passing = [r for r in unknowns.pending() if isinstance(r, Broadcast) and leads.get(r.result.lead) is None]
    passed = Counter(leads.find(rule.result.lead) for rule in passing)
    results: defaultdict[int, list[int]] = defaultdict(list)
    for rule in passing:
        for operand in rule.operands:
            results[leads.find(operand.lead)].append(leads.find(rule.result.lead))
    ready = [a for a in leads.open_roots() if leads.makers(a) > passed[a]]
    derived = set(ready)
    while ready:
        new = [a for a in results[ready.pop()] if a not in derived]
        derived.update(new)
        ready += new
    return derived


def _all_vectors(unknowns: Unknowns, free: list[int]) -> bool:
    why = Reason("a state is a vector unless something else is said")
    for lead in free:
        unknowns.equal_leads(lead, unknowns.none, why)
    return bool(free)


def _scalars(unknowns: Unknowns) -> bool:
    """What nothing but numbers and scalars go into is a scalar."""
    known = unknowns.dimensions
    narrow = [a for a in known.open_roots() if known.marked(a, STATE) and not known.marked(a, WIDE)]
    free = [a for a in narrow if known.marked(a, NUMBERS) or not known.makers(a)]
    return _give(unknowns, free, 1, Reason("nothing but numbers goes into it"))


def _width(b: Builder, width: int) -> bool:
    """What is still free takes `width`; first what nothing else is going to make known."""
    known = b.unknowns.dimensions
    b.unknowns.waiting()
    if b.unknowns.refuse_undecided():
        return True
    free = [a for a in known.open_roots() if known.marked(a, WIDE | STATE) and not known.makers(a)]
    why = Reason("{0} is the width of what nothing else settles", (str(width),))
    if free:
        return _give(b.unknowns, free, width, why)
    waiting = [a for a in known.open_roots() if known.marked(a, WIDE | STATE)]
    return _all_vectors(b.unknowns, list(b.unknowns.leads.open_roots())) or _give(b.unknowns, waiting, width, why)


def _break_cycle(b: Builder) -> bool:
    """Where the ranks of several states wait for one another, the first by name is a vector."""
    leads = b.unknowns.leads
    if not leads.open_roots() or any(isinstance(rule, Measured) for rule in b.unknowns.pending()):
        return False
    named = (form.lead for _, form in sorted(b.states.items()) if form is not None)
    free = (a for a in named if leads.get(a) is None and not leads.marked(a, SOFT))
    return _all_vectors(b.unknowns, list(islice(free, 1)))


def _give(unknowns: Unknowns, free: list[int], size: int, why: Reason) -> bool:
    for dimension in free:
        unknowns.give(dimension, size, Given(why))
    return bool(free)


# --- what was found ------------------------------------------------------------------------------


def _found(b: Builder, whole: frozenset[str]) -> Shapes:
    long = {s for s, form in b.states.items() if form is not None and _varies(b.unknowns, form)}
    varying = may_be_within(b.system, long)
    states = {
        state: _shape(b.unknowns, form, state in varying) if form is not None else (1,)
        for state, form in b.states.items()
    }
    parameters = {name: _shape(b.unknowns, form) for name, form in b.parameters.items()}
    for fault in _no_shapes(b, varying):
        b.unknowns.fault(fault)
    problems = tuple(dict.fromkeys(problem(b.unknowns, fault) for fault in b.unknowns.faults))
    b.unknowns.rest()
    return Shapes(
        states={name: shape for name, shape in states.items() if shape is not None},
        parameters={name: shape for name, shape in parameters.items() if shape is not None},
        classes=dict(_classes(b)),
        integers=whole,
        varying=frozenset(varying),
        open_states=tuple(name for name, shape in states.items() if shape is None),
        open_parameters=tuple(name for name, shape in parameters.items() if shape is None),
        problems=problems,
        proof=Proof(b.unknowns, {state: form for state, form in b.states.items() if form is not None}),
    )


def _shape(unknowns: Unknowns, form: Form, may_vary: bool = False) -> Shape | None:
    """A shape without open or varying axes, -1 for the latter where they may be; where only the rank is open it is a
    vector."""
    axes = unknowns.axes(form) or (form.last,)
    sizes = tuple(unknowns.dimensions.get(a) for a in axes)
    told = (-1 if may_vary and isinstance(size, Steps) else size for size in sizes)
    found = tuple(size for size in told if isinstance(size, int))
    return found if len(found) == len(sizes) else None


def _classes(b: Builder) -> Iterator[tuple[str, int]]:
    for state, form in b.states.items():
        count = b.unknowns.dimensions.get(form.classes) if form is not None and form.classes is not None else None
        if isinstance(count, int):
            yield state, count


def _no_shapes(b: Builder, within: Collection[str]) -> Iterator[Fault]:
    """States and parameters have one shape; what a range stacks has one within an expression only, and in states that
    are computed within others."""
    spans = {t.state: (e.line, e.span) for e in reversed(b.system.equations) for t in e.targets}
    for state, form in b.states.items():
        size = _varies(b.unknowns, form) if form is not None else None
        if form is not None and size is not None and state not in within:
            line, span = spans.get(state, (0, NOWHERE))
            yield _no_shape(b.unknowns, b.written(state), form, size, _READ_AT_ONCE, line, span)
    told = set()
    for name, form in b.parameters.items():
        size, owner = _varies(b.unknowns, form), name.rpartition(".")[0]
        if size is not None and owner not in told:
            told.add(owner or name)
            yield _no_shape(b.unknowns, name, form, size, "a parameter has one shape", 0, NOWHERE)


def _varies(unknowns: Unknowns, form: Form) -> Steps | None:
    sizes: list[Dimension | None] = [unknowns.dimensions.get(a) for a in unknowns.axes(form) or (form.last,)]
    return next((size for size in sizes if isinstance(size, Steps)), None)


_READ_AT_ONCE = "such a state may be read at its own step alone, by other equations"


def _no_shape(unknowns: Unknowns, name: str, form: Form, size: Steps, may: str, line: int, span: Span) -> Fault:
    runs = any(index.islower() for index, _ in size.parts)
    changes = "changes from step to step" if runs else "depends on the length of the window"
    text = unknowns.text(form)
    clash = f"`{{0}}` would have shape {{a}}, which {changes}: {may}"
    axis = next(a for a in unknowns.axes(form) or (form.last,) if unknowns.dimensions.get(a) == size)
    return Fault(Reason("", (name,), line, span, clash, ("{0} is", ""), "SQ303"), (Side(text, axis),))
