"""The one page that joins the rooms: from text to a net that trains. The whole compiler can be read here.

    text --parse--> Syntax --elaborate--> System --infer, settle--> System --logits--> System
                                            + dependence, domains, shapes: facts beside it
    System --faster--> System, with the log --emit--> torch source   what every net runs, and where kernels do not
    System --kernels--> scans --write--> C                           what runs a recurrence where a compiler is at hand

`understand` is all that needs no shapes, `generate` what needs them, and so waits for data where the text leaves shapes
open. `compile` binds the two to a `Net`, and is the only one that loads torch. The C is made from the program as it is,
not from the rewritten one: `kernels` says why.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from sqmagic.acted import Acted, bound, generate_acted, stored
from sqmagic.board.derivation.sheet import Sheet
from sqmagic.board.diagram import LOOK, Diagram, Look, picture
from sqmagic.board.faults import NO_FAULTS, Faults, faults
from sqmagic.board.payload import MIME, payload
from sqmagic.board.places import places
from sqmagic.board.sheet import bundle
from sqmagic.calculus.logits import SUFFIX, logits
from sqmagic.calculus.phases import acts, obstacles, opaque
from sqmagic.calculus.rewrite import Rewrite
from sqmagic.emit.torch.facts import optional_inputs
from sqmagic.emit.torch.names import python_name
from sqmagic.emit.torch.write import emit, refused
from sqmagic.equations.blanks import blanks
from sqmagic.equations.check import check
from sqmagic.equations.elaborate import Elaborated, Kernel, elaborate
from sqmagic.equations.elaborate.lines import World
from sqmagic.equations.lints import lints
from sqmagic.equations.ops import TRANSFORMS
from sqmagic.equations.shapes import DataShape, Measure, Shape, Shapes, infer, settle
from sqmagic.equations.show import show_goal, show_state
from sqmagic.equations.system import Fixed, Point, Running, System, Weight, walk
from sqmagic.faster import Rewritten, faster
from sqmagic.kernels import ScanPage, program_of, scan_pages
from sqmagic.notation.parse import parse
from sqmagic.notation.problems import NotationError, Problem
from sqmagic.notation.salvage import salvage
from sqmagic.notation.show import show
from sqmagic.notation.source import Source
from sqmagic.notation.syntax import Macro, Program
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import Domains, domains
from sqmagic.schedule.plan.facts import Part, plan

if TYPE_CHECKING:
    from torch.nn import Module

    from sqmagic.runtime.blueprint import Blueprint, InputSpec, PlanPart, Settled
    from sqmagic.runtime.blueprint import World as Facts
    from sqmagic.runtime.net import Net


@dataclass(frozen=True, slots=True)
class Understood:
    """A program whose names, time and goals are right. `warnings` do not keep it from running.

    `taken` are the names of what it takes from the kernel: integers for sizes, macros, torch modules. `kernel` is what
    it was understood with.
    """

    source: Source
    program: Program
    elaborated: Elaborated
    system: System
    domains: Domains
    taken: tuple[str, ...]
    warnings: tuple[Problem, ...]
    kernel: Kernel = field(default_factory=Kernel, compare=False)


def understand(text: str, kernel: Kernel | None = None) -> Understood:
    """Parses, elaborates and checks a program.

    Raises NotationError with every independent problem that was found.
    """
    kernel = kernel or Kernel()
    program = parse(text)
    source = Source.of(text)
    elaborated = elaborate(program, source, kernel)
    system = elaborated.system
    order = dependence(system, source)
    problems = list(elaborated.problems)
    if _wrong(problems):  # what depends on lines that were left out is not to be trusted
        problems += [p for p in order.problems if p.code == "SQ401"]
    else:
        problems += order.problems
    _refuse(problems, source)
    held = domains(system, order)
    problems += [*held.problems, *check(system, source), *lints(system, source)]
    _refuse(problems, source)
    taken = (*_sizes_taken(system, kernel), *elaborated.taken)
    if kernel.world is not None and acts(system):
        _refuse([*problems, *obstacles(system)], source)
    return Understood(source, program, elaborated, system, held, taken, tuple(problems), kernel)


def _refuse(problems: Sequence[Problem], source: Source) -> None:
    """Errors end it here; the warnings that stand beside them are told too."""
    if _wrong(problems):
        raise NotationError(list(dict.fromkeys(problems)), source) from None


def _wrong(problems: Sequence[Problem]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def _sizes_taken(system: System, kernel: Kernel) -> tuple[str, ...]:
    """The integers of the kernel that serve as sizes."""
    groups = [i.sizes for i in system.inputs] + [d.sizes for d in system.declared]
    groups += [sizes for layer in system.layers for sizes in (layer.sizes_in, layer.sizes_out)]
    named = {size.value for sizes in groups for size in sizes or ()}
    return tuple(sorted(str(name) for name in named if name in kernel.integers))


# --- what needs shapes ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sizes:
    """What tells shapes besides the program: integers of the kernel, the width of what is free, and how to ask a
    torch module for the shape that it gives."""

    integers: Mapping[str, int] = field(default_factory=dict)
    width: int = 64
    measure: Measure | None = None


@dataclass(frozen=True, slots=True)
class Generated:
    """A program with its shapes; `source` is None while inputs that are `missing` have to tell some of them.

    `pages` are its recurrences in C; `rewrites` say how they were made faster for torch, and `as_written` is the source
    without that; `plan` says what runs where.
    """

    shapes: Shapes
    source: str | None
    missing: tuple[str, ...] = ()
    pages: tuple[ScanPage, ...] = ()
    plan: tuple[Part, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    as_written: str = ""


def generate(
    name: str, known: Understood, sizes: Sizes, data: Mapping[str, DataShape], *, kernels: bool = False
) -> Generated:
    """The torch source of a program, for the shapes of data that are known; with `kernels`, its scans as C too.

    Raises NotationError where shapes clash. The program must need nothing that torch code cannot have.
    """
    system = known.system
    shapes = partial(infer, system, sizes=sizes.integers, data=data, measure=sizes.measure, source=known.source)
    told = shapes(width=None)
    _refuse(told.problems, known.source)
    missing = _untold(system, told)
    if missing:
        return Generated(told, None, missing)
    found = shapes(width=sizes.width)
    _refuse(found.problems, known.source)
    lowered = logits(settle(system, found))
    order = dependence(lowered, known.source)
    held = domains(lowered, order)
    named = {s: found.states[s.removesuffix(SUFFIX)] for s in _states(lowered) if s not in found.states}
    whole = replace(found, states={**found.states, **named})
    rewritten = faster(lowered, whole, order, held)
    program = None if rewritten is None else rewritten.program
    rewrites = () if rewritten is None else rewritten.rewrites
    pages = scan_pages(lowered, whole, order, held, program) if kernels else {}
    source = emit(lowered, whole, order, held, name, pages, program)
    parts = _planned(plan(lowered, whole, order, held).parts, rewritten) if kernels else ()
    as_written = "" if program is None else emit(lowered, whole, order, held, name)
    return Generated(found, source, (), tuple(pages.values()), parts, rewrites, as_written)


def _planned(parts: tuple[Part, ...], rewritten: Rewritten | None) -> tuple[Part, ...]:
    """The parts, each recurrence with the rules that made it faster for torch."""
    if rewritten is None:
        return parts
    found = []
    for part, region in zip(parts, rewritten.program.regions, strict=True):
        states = {s for component in region for s in component.states}
        rules = Counter(r.rule for r in rewritten.rewrites if r.target.state in states)
        told = ", ".join(f"{count} {rule}" for rule, count in rules.items())
        phases = (*part.phases, f"rewritten for torch: {told}") if rules else part.phases
        found.append(replace(part, phases=phases))
    return tuple(found)


def _untold(system: System, shapes: Shapes) -> tuple[str, ...]:
    """The inputs whose width, or number of values, only data can tell."""
    names = [i.state for i in system.inputs]
    uncounted = shapes.integers - shapes.classes.keys()
    return tuple(n for n in names if n in shapes.open_states or n in uncounted)


# --- the net -------------------------------------------------------------------------------------

Derive = Literal["forward", "full", "off"]


@dataclass(frozen=True, slots=True)
class Page:
    """How a net shows itself: its picture, and with it the forward equations, the full derivation or nothing.

    `check` says whether every form of a derivation is held against torch.autograd before it is shown.
    """

    look: Look = LOOK
    derive: Derive = "forward"
    check: bool = True


PAGE = Page()


def compile(
    text: str,
    *,
    name: str = "net",
    horizon: int | None = None,
    width: int = 64,
    env: object = None,
    namespace: Mapping[str, object] | None = None,
    macros: Mapping[str, Macro] | None = None,
    like: Mapping[str, object] | None = None,
    check: bool = True,
) -> Net:
    """A program as a torch module that trains.

    `horizon` is the number of steps where no input tells it, `width` the width of what nothing else fixes. Integers of
    `namespace` serve as sizes and torch modules as functions, by their names; `macros` are those of earlier programs;
    `like` gives data for inputs whose shapes the program leaves open; `check` says whether a derivation is held against
    torch.autograd before it is shown. Raises NotationError, with a place, for every
    independent mistake of the program.
    """
    kernel = kernel_of(namespace or {}, macros or {}, env)
    return build(
        understand(text, kernel),
        name=name,
        horizon=horizon,
        width=width,
        env=env,
        namespace=namespace,
        like=like,
        page=Page(check=check),
    )


def kernel_of(namespace: Mapping[str, object], macros: Mapping[str, Macro], env: object = None) -> Kernel:
    """What a program may take from a namespace: its integers, its torch modules, and macros; and its environment."""
    integers = {n: int(v) for n, v in namespace.items() if isinstance(v, int) and not isinstance(v, bool)}
    return Kernel(macros, frozenset(_modules(namespace)), integers, None if env is None else _world(env))


def _world(env: object) -> World:
    """What a program must know of an environment, or of what names one."""
    from sqmagic.runtime.environments import environment
    from sqmagic.runtime.rollout import facts

    told = facts(environment(env))
    return World(told.name, told.shape, told.values, told.actions, told.action_shape)


def _modules(namespace: Mapping[str, object]) -> dict[str, Module]:
    """The torch modules of a namespace; without torch there are none. A net is no function: it gives all its states."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    from sqmagic.runtime.net import Net

    return {n: v for n, v in namespace.items() if isinstance(v, torch.nn.Module) and not isinstance(v, Net)}


def build(
    known: Understood,
    *,
    name: str = "net",
    horizon: int | None = None,
    width: int = 64,
    env: object = None,
    namespace: Mapping[str, object] | None = None,
    like: Mapping[str, object] | None = None,
    page: Page = PAGE,
) -> Net:
    """The net of a program that is understood, which shows itself as `page` says; see `compile`."""
    from sqmagic.runtime.net import Net

    net = Net(_blueprint(known, name=name, horizon=horizon, width=width, namespace=namespace or {}, page=page))
    net.env = env
    return net.settle(like) if like else net


def _blueprint(
    known: Understood, *, name: str, horizon: int | None, width: int, namespace: Mapping[str, object], page: Page
) -> Blueprint:
    from sqmagic.runtime.blueprint import Blueprint
    from sqmagic.runtime.measure import given_shape

    taken = {n: m for n, m in _modules(namespace or {}).items() if n in known.taken}
    integers = kernel_of(namespace or {}, {}).integers
    sizes = Sizes(integers, width, partial(given_shape, taken) if taken else None)
    return Blueprint(
        name=name,
        names={state: python_name(state) for state in _states(known.system)},
        settle=partial(_settle, name, known, sizes),
        notation=partial(show, known.program),
        elaborated=partial(elaborated_text, known, sizes),
        derivation=partial(derived, name, known, integers, page),
        diagram=partial(drawn, name, known, page),
        bundle=partial(shown, name, known, integers, page),
        lines=partial(blanks, known.system),
        system=known.system,
        goals=tuple(show_goal(goal) for goal in known.system.goals),
        updates=_updates(known.system),
        modules=taken,
        horizon=horizon,
        refused=_why_refused(known),
        bind=partial(_bound, known, name, horizon, width, dict(namespace or {}), page) if acts(known.system) else None,
        world=_facts(known.kernel.world),
    )


def _facts(world: World | None) -> Facts | None:
    from sqmagic.runtime.blueprint import World as Facts

    return None if world is None else Facts(*astuple(world))


def _bound(
    known: Understood,
    name: str,
    horizon: int | None,
    width: int,
    namespace: Mapping[str, object],
    page: Page,
    to: Facts,
) -> Blueprint:
    """The blueprint of the same text, for another environment."""
    world = World(to.name, to.shape, to.values, to.actions, to.action_shape)
    again = understand(known.source.text, replace(known.kernel, world=world))
    return _blueprint(again, name=name, horizon=horizon, width=width, namespace=namespace, page=page)


def _why_refused(known: Understood) -> str:
    if known.kernel.world is not None and acts(known.system):
        return ""
    return "; ".join(problem.message for problem in refused(known.system))


def _states(system: System) -> list[str]:
    return [i.state for i in system.inputs] + [t.state for e in system.equations for t in e.targets]


def _updates(system: System) -> dict[str, tuple[tuple[str, dict[str, float]], ...]]:
    """Each layer's transforms with all their settings."""
    return {
        layer.name: tuple(
            (u.transform, {n: float(v) for n, v in {**dict(TRANSFORMS[u.transform]), **dict(u.settings)}.items()})
            for u in layer.updates
        )
        for layer in system.layers
        if layer.updates
    }


def _settle(name: str, known: Understood, sizes: Sizes, data: Mapping[str, object]) -> Settled:
    """What a net asks when it is given data: the generated source, or what is missing for it."""
    from sqmagic.runtime.blueprint import Settled

    if known.kernel.world is not None and acts(known.system):
        return _settled_acted(name, known, sizes, known.kernel.world)
    if refused(known.system):
        return Settled(None, tuple(_inputs(known.system, Shapes({}, {}))))
    told = {state: DataShape(*shape) for state, shape in data.items()}  # type: ignore[misc]
    made = generate(name, known, sizes, told, kernels=True)
    return Settled(
        source=made.source,
        inputs=tuple(_inputs(known.system, made.shapes)),
        missing=made.missing,
        shapes=made.shapes.states,
        scans=tuple(program_of(page) for page in made.pages),
        plan=tuple(map(_part, made.plan)),
        rewrites=made.rewrites,
        as_written=made.as_written,
        opened=_opened(made.rewrites),
    )


def _opened(rewrites: Sequence[Rewrite]) -> tuple[str, ...]:
    """The layers whose weights rewritten equations take for themselves."""
    made = [e.value for r in rewrites for e in r.made] + [r.after for r in rewrites if r.after is not None]
    weights = [node.parameter for expr in made for node in walk(expr) if isinstance(node, Weight)]
    return tuple(dict.fromkeys(w.rpartition(".")[0] for w in weights if "." in w))


def _settled_acted(name: str, known: Understood, sizes: Sizes, world: World) -> Settled:
    """The source of a program that acts; its inputs are what acting records."""
    from sqmagic.runtime.blueprint import Settled, Store

    made = generate_acted(name, known.system, world, known.source, sizes.integers, sizes.width, sizes.measure)
    learning = made.phases.learning
    inputs = tuple(replace(spec, optional=False) for spec in _inputs(learning, made.shapes))
    stores = {own.name: Store(*own[1:]) for own in stored(known.system, sizes.integers)}
    programs = tuple(program_of(page) for page in made.pages)
    untold = {*made.phases.carried, *opaque(known.system)}
    told = {state: shape for state, shape in made.shapes.states.items() if state not in untold}
    return Settled(made.source, inputs, (), told, programs, _told(made), stores=stores)


def _told(made: Acted) -> tuple[PlanPart, ...]:
    """What acts and what learns, before the plan of learning."""
    from sqmagic.runtime.blueprint import PlanPart

    acted = sorted({t.state for e in made.phases.acting.equations for t in e.targets})
    again = sorted({t.state for e in made.phases.learning.equations for t in e.targets if t.context} & set(acted))
    lines = [f"acting, step by step, without gradients: {', '.join(acted)}"]
    lines += [f"recorded for learning: {', '.join(made.phases.recorded)}"]
    lines += [f"computed again in learning, at all steps of a window: {', '.join(again)}"] * bool(again)
    said = (PlanPart(line, (), 0, 0, True) for line in [*lines, "learning:"])
    return (*said, *map(_part, made.plan))


def _part(part: Part) -> PlanPart:
    """A part of the plan, as a net tells it."""
    from sqmagic.runtime.blueprint import PlanPart

    return PlanPart(part.title, part.lines, part.flops, part.numbers, part.over_time)


def _inputs(system: System, shapes: Shapes) -> Iterator[InputSpec]:
    from sqmagic.runtime.blueprint import InputSpec

    optional = optional_inputs(system)
    for item in system.inputs:
        context = (Running(system.indices[0].name),) if item.indexed else ()
        yield InputSpec(
            state=item.state,
            name=python_name(item.state),
            label=show_state(item.state, context),
            indexed=item.indexed,
            kind="class" if item.kind == "real" and item.state in shapes.integers else item.kind,
            first=_number(item.first),
            last=_number(item.last),
            shape=shapes.states.get(item.state),
            classes=shapes.classes.get(item.state),
            why=tuple(shapes.reason(item.state)),
            optional=item.state in optional,
        )


def _number(point: Point) -> int:
    """A row's index; that of the last row is counted from T."""
    return point.value if isinstance(point, Fixed) else point.offset


# --- what a net tells of itself ------------------------------------------------------------------


def elaborated_text(known: Understood, sizes: Sizes) -> str:
    """The filled-in program; shapes that the text, or the environment, settles are among what is filled in."""
    system, world = known.system, known.kernel.world
    whole = system if world is None else bound(system, world)
    shapes = infer(whole, sizes=sizes.integers, width=None, measure=sizes.measure, source=known.source)
    declared = {d.state for d in system.declared} | {i.state for i in system.inputs if i.sizes is not None}
    declared |= opaque(system)
    index = system.indices[0].name if system.indices else ""
    running = {t.state for e in system.equations for t in e.targets if t.context} | {
        i.state for i in system.inputs if i.indexed
    }
    lines = [
        (f"{show_state(state, (Running(index),) if state in running else ())} : {' x '.join(map(str, shape))}", "shape")
        for state, shape in shapes.states.items()
        if state not in declared and not shapes.problems
    ]
    return known.elaborated.text(tuple(lines))


def drawn(name: str, known: Understood, page: Page) -> Diagram:
    return _picture(name, known.system, known.source, page.look)


def derived(
    name: str, known: Understood, integers: Mapping[str, int], page: Page, shapes: Mapping[str, Shape]
) -> Sheet:
    """The derivation; `shapes` are those to be shown, as far as they are known.

    Raises WrongForm, an internal error, if a form is not what torch.autograd computes: such a form is never shown.
    """
    from sqmagic.checking.bench import CannotCheck
    from sqmagic.checking.check import check, unchecked

    checked: tuple[int, float] | str = ""
    try:
        if page.check:
            derivation, found = check(known.system, integers=integers)
            checked = (found.forms, found.worst)
        else:
            derivation = unchecked(known.system, integers=integers)
    except CannotCheck as why:
        derivation, checked = unchecked(known.system, integers=integers), str(why)
    return Sheet(derivation, known.system, name, rows(known.source), checked, shapes)


def shown(
    name: str, known: Understood, integers: Mapping[str, int], page: Page, shapes: Mapping[str, Shape]
) -> dict[str, object]:
    """What a notebook shows of a program, by mime type."""
    sheet = derived(name, known, integers, page, shapes) if page.derive == "full" else None
    text, picture = show(known.program), drawn(name, known, page)
    equations = page.derive != "off"
    indices = [index.name for index in known.system.indices]
    named = places(known.program, known.source, _states(known.system), indices)
    told = payload(picture, text, shapes, named, equations=equations, derivation=sheet)
    return {**bundle(picture, text, shapes, equations=equations, derivation=sheet), MIME: told}


def show_as(net: Net, name: str, known: Understood, integers: Mapping[str, int], page: Page) -> None:
    """A net that is there already shows itself in another way."""
    told = (name, known, integers, page)
    net.show_as(partial(drawn, name, known, page), partial(shown, *told), partial(derived, *told))


def rows(source: Source) -> tuple[tuple[int, str], ...]:
    """The numbered lines of the text, for those who show them beside what became of them."""
    return tuple((n, line) for n, line in enumerate(source.text.split("\n"), 1) if line.strip())


def _picture(name: str, system: System, source: Source, look: Look, faults: Faults = NO_FAULTS) -> Diagram:
    """A picture whose ids begin with a short name for text and look, so that two on one page have ids of their own."""
    prefix = f"sq-{sha256(f'{source.text.strip()}{look}'.encode()).hexdigest()[:8]}"
    return picture(
        system,
        title=name,
        rows=rows(source),
        prefix=prefix,
        view=look.view,
        theme=look.theme,
        expand=look.expand,
        legend=look.legend,
        faults=faults,
    )


# --- what a program tells that was refused ---------------------------------------------------------


def sketch(
    text: str,
    name: str = "net",
    look: Look = LOOK,
    kernel: Kernel | None = None,
    problems: Sequence[Problem] = (),
) -> Diagram | None:
    """What can be drawn of a program, right or wrong, the errors among the problems marked; None where nothing can."""
    source, read = Source.of(text), salvage(text)
    if read is None:
        return None
    meant = elaborate(read.program, source, kernel or Kernel())
    if not meant.system.equations and not meant.system.goals:
        return None
    places = [problem.span for problem in problems if problem.severity == "error"]
    return _picture(name, meant.system, source, look, faults(meant.system, places, read.lost | meant.lost))
