"""Rule C.6, macro: a call of a macro becomes the lines of its body.

States of the body are local to the call (`Enc.r`; `Enc.2.r` in a second call of the same instance), parameters belong
to the instance (`Enc_1.R`), so two calls of `Enc` share them and `Enc_1` and `Enc_2` have their own. Formals are
replaced by the arguments, shifted where the body reads a formal at another step. A macro may call macros.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

from sqmagic.equations.elaborate.functions import Instance, Module, meaning
from sqmagic.equations.elaborate.inside import Book, Inside, Work
from sqmagic.equations.elaborate.lines import Fault, Kernel, Line, Outcome
from sqmagic.equations.elaborate.names import Split, is_fixed, spell, split
from sqmagic.equations.elaborate.pipeline import too_deep
from sqmagic.equations.elaborate.transforms import unwrapped
from sqmagic.equations.elaborate.trees import (
    DEEPEST,
    bottom_up,
    defined,
    depth,
    names,
    nodes,
    over_values,
    parts,
    values,
)
from sqmagic.equations.system import Running
from sqmagic.notation.problems import Problem
from sqmagic.notation.show import show_expression
from sqmagic.notation.source import NOWHERE, Span
from sqmagic.notation.syntax import (
    Binding,
    Call,
    Declaration,
    Expression,
    Macro,
    Name,
    Negative,
    Number,
    Return,
    Statement,
)

RULE = "macro"

MOST_WITHIN = 50
"""How many macros may be called within one another: to expand one takes Python some ten calls, and more where it is an
argument."""


@dataclass(frozen=True, slots=True)
class _Site:
    """Where a call stands: the path of instances around it, and the macros that are being expanded."""

    span: Span
    group: tuple[str, ...] = ()
    owner: str = ""  # the prefix of parameters' names
    within: tuple[str, ...] = ()


def expand(lines: tuple[Line, ...], book: Book) -> Outcome:
    """Every call of a macro expanded. Problems name the call that they come from."""
    work = Work(book)
    out: list[Line] = []
    for line in lines:
        out += _line(line, _Site(line.span), work)
    out = _declared_once(out)
    constants = {name.text for line in out for name in defined(line.statement) if _is_constant(line.statement)}
    first = {(macro.name.text, name.text): (name, macro) for name, macro in reversed(work.free)}  # each is told once
    free = reversed(first.values())
    work.problems += [_outside(name, macro, book) for name, macro in free if name.text not in constants]
    return Outcome(tuple(out), tuple(work.problems))


def _declared_once(lines: list[Line]) -> list[Line]:
    """Two calls of one instance declare its parameters once."""
    seen: set[Statement] = set()
    kept: list[Line] = []
    for line in lines:
        if not (isinstance(line.statement, Declaration) and line.group and line.statement in seen):
            kept.append(line)
        seen.add(line.statement)
    return kept


def called(
    lines: tuple[Line, ...], bodies: Mapping[str, Outcome], macros: Mapping[str, Macro], kernel: Kernel
) -> set[str]:
    """The names of the macros that the lines call, directly or through others, and of the modules."""
    found: set[str] = set()
    waiting = list(lines)
    while waiting:
        line = waiting.pop()
        for value in values(line.statement):
            for call in (n for n in nodes(value) if isinstance(n, Call)):
                match meaning(unwrapped(call.function)[0].text, macros, kernel):
                    case Instance(macro) if macro.name.text not in found:
                        found.add(macro.name.text)
                        waiting += bodies[macro.name.text].lines
                    case Module(name):
                        found.add(name)
                    case _:
                        pass
    return found


def _line(line: Line, site: _Site, work: Work) -> list[Line]:
    """The line, after the lines of the calls that it makes; one that only names a macro's result belongs to it."""
    before: list[Line] = []
    home = site.group

    def call(e: Expression) -> Expression:
        nonlocal home
        if not isinstance(e, Call):
            return e
        name, wraps = unwrapped(e.function)
        found = meaning(name.text, work.book.macros, work.book.kernel)
        if not isinstance(found, Instance):
            return e
        if e.keywords and any(k.name != "batch" for k in e.keywords):
            raise Fault(Problem("SQ212", f"macro `{found.name}` takes no settings", e.keywords[0].span or e.span))
        target = line.statement.target if _is_whole(line.statement, e) and isinstance(line.statement, Binding) else None
        made, result, group = _call(found, e, wraps, target, replace(site, span=line.span), work)
        before.extend(made)
        home = home if target is None else group
        return result

    try:
        changed = over_values(line.statement, lambda value: bottom_up(value, call))
    except Fault as fault:
        work.problems.append(fault.problem)
        return []
    if any(depth(value) > DEEPEST for value in values(changed)):
        work.problems.append(too_deep(line.span))
        return []
    if changed == line.statement:
        return [line]
    kept = [] if _defines_itself(changed) else [replace(line.by(RULE, changed), group=home)]
    return before + kept


def _is_whole(statement: Statement, call: Call) -> bool:
    return isinstance(statement, Binding) and statement.value == call


def _defines_itself(statement: Statement) -> bool:
    """`h_t := h_t`, which is left when a body's own line defines the target."""
    return isinstance(statement, Binding) and statement.target == statement.value


def _call(
    instance: Instance, call: Call, wraps: tuple[Call, ...], target: Expression | None, site: _Site, work: Work
) -> tuple[list[Line], Expression, tuple[str, ...]]:
    """The lines of one call, the expression that stands for its result, and the path of the instance."""
    macro = instance.macro
    if macro.name.text in site.within:
        cycle = " -> ".join((*site.within[site.within.index(macro.name.text) :], macro.name.text))
        raise Fault(Problem("SQ210", f"macro `{macro.name.text}` calls itself: {cycle}", call.span))
    if len(site.within) == MOST_WITHIN:
        message = f"more than {MOST_WITHIN} macros are called within each other"
        note = (
            f"`{site.within[0]}` calls `{site.within[1]}`, and so on to `{macro.name.text}`: write some of them as one."
        )
        raise Fault(Problem("SQ209", message, site.span, notes=(note,)))
    body = work.book.bodies[macro.name.text]
    for name in (*macro.formals, *(n for line in body for n in defined(line.statement))):
        work.book.names.taken(name)
    returned = _returned(macro, body)
    _check_formals(macro, body)
    bound = _bound(macro, call, target, returned, work)
    path = ".".join((*site.group, instance.name))
    work.calls[path] += 1
    group = (*site.group, instance.name if work.calls[path] == 1 else f"{instance.name}.{work.calls[path]}")
    owner = f"{site.owner}{instance.name}."
    named, bound = _named_arguments(bound, body, ".".join(group), work)
    inside = Inside(macro, bound, _locals(macro, body, work), _owned_names(body), ".".join(group), owner, wraps, work)
    result = _result_name(returned, target, body, inside)
    inside = replace(inside, renamed=result)
    lines = [Line(statement, site.span, group, (RULE,)) for statement in named]
    place = _Site(site.span, group, owner, (*site.within, macro.name.text))
    for line in body:
        if not isinstance(line.statement, Return):
            span = site.span if line.span == NOWHERE else line.span
            lines += _line(Line(inside.statement(line.statement), span, group, (RULE,)), place, work)
    return lines, inside.value(returned), group


def _check_formals(macro: Macro, body: tuple[Line, ...]) -> None:
    """Every argument has one name, and the body gives none of them a value."""
    formals: set[str] = set()
    for formal in macro.formals:
        if formal.text in formals:
            message = f"two arguments of macro `{macro.name.text}` are called `{formal.text}`"
            raise Fault(Problem("SQ218", message, formal.span))
        formals.add(formal.text)
    for line in body:
        for name in defined(line.statement):
            if name.text in formals:
                message = f"`{name.text}` is an argument of macro `{macro.name.text}`, and is given a value"
                note = "states are immutable: what is made of an argument has a name of its own."
                raise Fault(Problem("SQ226", message, name.span, notes=(note,)))


def _returned(macro: Macro, body: tuple[Line, ...]) -> Expression:
    found = [line.statement.value for line in body if isinstance(line.statement, Return)]
    if len(found) != 1:
        what = "returns nothing" if not found else "returns more than once"
        last = defined(body[-1].statement) if body else ()
        note = (f"end its block with `return {last[-1].text}`.",) if not found and last else ()
        raise Fault(Problem("SQ211", f"macro `{macro.name.text}` {what}", macro.name.span, notes=note))
    return found[0]


def _bound(
    macro: Macro, call: Call, target: Expression | None, returned: Expression, work: Work
) -> dict[str, Expression]:
    """Each formal, as spelled, with its argument."""
    formals = [formal.text for formal in macro.formals]
    if len(call.arguments) != len(formals):
        given = len(call.arguments)
        raise Fault(
            Problem(
                "SQ213",
                f"macro `{macro.name.text}` takes {_counted(len(formals))} ({', '.join(formals)}), not {given}",
                reduce(or_, (a.span for a in call.arguments), NOWHERE) if call.arguments else call.span,
                notes=("`a | b` is one argument, `a, b` are two.",) if given == 1 and len(formals) > 1 else (),
                instead=_as_tuple(call, len(formals)),
            )
        )
    if target is not None and target == returned:
        by_name = {show_expression(a): a for a in call.arguments if show_expression(a) in formals}
        rest = iter([a for a in call.arguments if show_expression(a) not in by_name])
        return {formal: by_name[formal] if formal in by_name else next(rest) for formal in formals}
    for formal, argument in zip(formals, call.arguments, strict=True):
        spelled = show_expression(argument)
        if spelled != formal and spelled in formals:
            work.problems.append(
                Problem(
                    "SQ214",
                    f"`{spelled}` binds by position to the formal `{formal}` of `{macro.name.text}`, "
                    f"which also has a formal `{spelled}`",
                    argument.span,
                    severity="warning",
                )
            )
    return dict(zip(formals, call.arguments, strict=True))


def _counted(count: int) -> str:
    return "1 argument" if count == 1 else f"{count} arguments"


def _as_tuple(call: Call, count: int) -> str | None:
    """`x | h` where the macro takes two: the same with a comma."""
    members = getattr(call.arguments[0], "parts", ()) if len(call.arguments) == 1 else ()
    if len(members) != count:
        return None
    return ", ".join(show_expression(m) for m in members)


def _named_arguments(
    bound: Mapping[str, Expression], body: tuple[Line, ...], path: str, work: Work
) -> tuple[list[Statement], dict[str, Expression]]:
    """A compound argument that the body reads more than once is given a name of its own; a number is none, for it is
    the same at every step."""
    indices = work.book.names.indices
    taken = {split(n.text, indices).base for line in body for n in defined(line.statement)}
    taken |= {split(formal, indices).base for formal in bound}
    reads = Counter(split(n.text, indices).base for line in body for v in values(line.statement) for n in names(v))
    made: list[Statement] = []
    final = dict(bound)
    for formal, argument in bound.items():
        parts_of = split(formal, indices)
        if not _is_plain(argument) and reads[parts_of.base] > 1:
            own = f"{parts_of.base}'"
            while own in taken:
                own += "'"
            taken.add(own)
            name = Name(spell(f"{path}.{own}", parts_of.context or ()), span=argument.span)
            made.append(Binding(name, argument, span=argument.span))
            final[formal] = name
    return made, final


def _is_plain(argument: Expression) -> bool:
    """A name, or a number."""
    match argument:
        case Name() | Number() | Negative(Number()):
            return True
        case _:
            return False


def _locals(macro: Macro, body: tuple[Line, ...], work: Work) -> frozenset[str]:
    """The bases that the body defines or declares."""
    indices = work.book.names.indices
    made = {split(n.text, indices).base for line in body for n in defined(line.statement)}
    declared = {
        line.statement.name.text
        for line in body
        if isinstance(line.statement, Declaration) and not _of_parameters(line.statement)
    }
    formals = {split(f.text, indices).base for f in macro.formals}
    return frozenset(made | ({split(name, indices).base for name in declared} - formals))


def _of_parameters(d: Declaration) -> bool:
    """Whether a declaration is of something that belongs to the instance: weights, a free parameter, a buffer."""
    kinds = [s.function.text for s in d.sizes if isinstance(s, Call) and isinstance(s.function, Name)]
    return bool(d.to) or "param" in kinds or "buffer" in kinds


def _owned_names(body: tuple[Line, ...]) -> frozenset[str]:
    return frozenset(
        line.statement.name.text
        for line in body
        if isinstance(line.statement, Declaration) and _of_parameters(line.statement)
    )


def _result_name(
    returned: Expression, target: Expression | None, body: tuple[Line, ...], inside: Inside
) -> dict[str, Split]:
    """The local that is returned bears the target's own name, where both stand at the same context."""
    indices = inside.work.book.names.indices
    fixed = {split(n.text, indices).base for line in body for n in defined(line.statement) if _at_fixed(n, indices)}
    renamed: dict[str, Split] = {}
    if target is None or len(parts(target)) != len(parts(returned)):
        return renamed
    for local, wanted in zip(parts(returned), parts(target), strict=True):
        if isinstance(local, Name) and isinstance(wanted, Name):
            a, b = split(local.text, indices), split(wanted.text, indices)
            same = a.context == b.context or (a.context == (b.context or ())[:1] and is_fixed((b.context or ())[1:]))
            if a.base in inside.locals and same and a.base not in fixed and a.base not in renamed:
                renamed[a.base] = Split(b.base, (b.context or ())[len(a.context or ()) :])
    return renamed


def _at_fixed(name: Name, indices: tuple[str, ...]) -> bool:
    context = split(name.text, indices).context
    return context is not None and not any(isinstance(index, Running) for index in context)


def _is_constant(statement: Statement) -> bool:
    return isinstance(statement, Binding) and not any(True for _ in names(statement.value))


def _learned(name: Name, book: Book) -> tuple[str, ...]:
    """What begins with a small letter and has no context may be a bias."""
    plain = name.text[:1].islower() and split(name.text, book.names.indices).context is None
    return (f"or, if it is to be learned, declare it inside: `{name.text} : param()`.",) if plain else ()


def _outside(name: Name, macro: Macro, book: Book) -> Problem:
    formals = ", ".join(formal.text for formal in macro.formals)
    return Problem(
        "SQ216",
        f"macro `{macro.name.text}` reads `{name.text}`, which is neither an argument nor made inside",
        name.span,
        notes=(
            "a macro reads nothing outside but constants; make it an argument:",
            f"  {macro.name.text}: {formals}, {name.text}",
            *_learned(name, book),
        ),
    )
