"""`compile`: a program as a torch module that trains. What `pipeline` makes is bound to a `Net`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sqmagic.acted import Acted, generate_acted, stored
from sqmagic.calculus.phases import acts, opaque
from sqmagic.calculus.rewrite import Rewrite
from sqmagic.emit.torch.facts import optional_inputs
from sqmagic.emit.torch.names import python_name
from sqmagic.emit.torch.refusals import refused
from sqmagic.equations.blanks import blanks
from sqmagic.equations.elaborate import Kernel
from sqmagic.equations.elaborate.lines import World
from sqmagic.equations.elaborate.stacks import in_words, layered
from sqmagic.equations.interpret.inside import values_of
from sqmagic.equations.lints import over_limits
from sqmagic.equations.ops import TRANSFORMS
from sqmagic.equations.shapes import DataShape, Shapes
from sqmagic.equations.show import show_goal, show_state
from sqmagic.equations.system import Fixed, Point, Running, System, Weight, walk
from sqmagic.kernels import program_of
from sqmagic.notation.problems import NotationWarning, describe
from sqmagic.notation.show import show
from sqmagic.notation.syntax import Macro
from sqmagic.pipeline import Sizes, Understood, generate, states, understand
from sqmagic.schedule.plan.facts import Part
from sqmagic.showing import PAGE, Page, derived, drawn, elaborated_text, planned, shown
from sqmagic.windows import windows_of

if TYPE_CHECKING:
    from torch.nn import Module

    from sqmagic.runtime.blueprint import Blueprint, InputSpec, PlanPart, Settled
    from sqmagic.runtime.blueprint import World as Facts
    from sqmagic.runtime.net import Net


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
    independent mistake of the program; what runs, but perhaps not as it was meant, is a NotationWarning.
    """
    known = understand(text, kernel_of(namespace or {}, macros or {}, env))
    for problem in known.warnings:
        warnings.warn("\n".join(describe(problem, known.source)), NotationWarning, stacklevel=2)
    return build(
        known,
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
    world = None if env is None else _world(env)
    return Kernel(macros, frozenset(_modules(namespace)), integers, world, _tensors(namespace))


def _tensors(namespace: Mapping[str, object]) -> dict[str, tuple[int, ...]]:
    """The shapes of a namespace's tensors and arrays."""
    torch = sys.modules.get("torch")
    kinds = (np.ndarray,) if torch is None else (np.ndarray, torch.Tensor)
    return {n: tuple(v.shape) for n, v in namespace.items() if isinstance(v, kinds)}


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
    from sqmagic.runtime.amounts import whole
    from sqmagic.runtime.net import Net

    whole(horizon=horizon, width=width)
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
        names={state: python_name(state) for state in states(known.system)},
        settle=partial(_settle, name, known, sizes),
        notation=partial(show, known.program),
        elaborated=partial(elaborated_text, known, sizes),
        derivation=partial(derived, name, known, integers, page),
        diagram=partial(drawn, name, known, page),
        bundle=partial(shown, name, known, integers, page),
        lanes=partial(planned, name, page),
        lines=partial(blanks, known.system),
        system=known.system,
        inside=partial(values_of, known.system),
        goals=tuple(show_goal(goal) for goal in known.system.goals),
        updates=_updates(known.system),
        modules=taken,
        horizon=horizon,
        refused=_why_refused(known),
        bind=partial(_bound, known, name, horizon, width, dict(namespace or {}), page) if acts(known.system) else None,
        world=_facts(known.kernel.world),
        over_limits=partial(_over_limits, known),
    )


def _over_limits(known: Understood) -> tuple[str, ...]:
    """What the program does wrong on an environment that cuts episodes off, as text."""
    problems = in_words(over_limits(known.system, known.source), known.program)
    return tuple("\n".join(describe(problem, known.source)) for problem in problems)


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
        return Settled(None, tuple(_inputs(known.system, Shapes({}, {}), layered(known.program))))
    told = {state: DataShape(*shape) for state, shape in data.items()}  # type: ignore[misc]
    made = generate(name, known, sizes, told, kernels=True)
    return Settled(
        source=made.source,
        inputs=tuple(_inputs(known.system, made.shapes, layered(known.program))),
        missing=made.missing,
        shapes=made.shapes.states,
        inside=made.shapes.varying,
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
    inputs = tuple(replace(spec, optional=False) for spec in _inputs(learning, made.shapes, layered(known.program)))
    stores = {own.name: Store(*own[1:]) for own in stored(known.system, sizes.integers)}
    programs = tuple(program_of(page) for page in made.pages)
    untold = {*made.phases.carried, *opaque(known.system)}
    told = {state: shape for state, shape in made.shapes.states.items() if state not in untold}
    windows = partial(windows_of, made.phases, made.shapes, made.steps)
    behaved = bool(made.phases.behaved)
    return Settled(
        made.source, inputs, (), told, programs, _told(made), stores=stores, windows=windows, behaved=behaved
    )


def _told(made: Acted) -> tuple[PlanPart, ...]:
    """What acts and what learns, before the plan of learning."""
    from sqmagic.runtime.blueprint import PlanPart

    acted = sorted({t.state for e in made.phases.acting.equations for t in e.targets})
    again = sorted({t.state for e in made.phases.learning.equations for t in e.targets if t.context} & set(acted))
    lines = [f"acting, step by step, without gradients: {', '.join(acted)}"]
    lines += [f"recorded for learning: {', '.join(made.phases.recorded)}"]
    lines += [f"computed again in learning, at all steps of a window, unless kept: {', '.join(again)}"] * bool(again)
    said = (PlanPart(line, (), (), 0, True) for line in [*lines, "learning:"])
    return (*said, *map(_part, made.plan))


def _part(part: Part) -> PlanPart:
    """A part of the plan, as a net tells it."""
    from sqmagic.runtime.blueprint import PlanPart

    cost = (part.flops, part.numbers, part.over_time)
    return PlanPart(part.title, part.lines, *cost, part.reverse, part.states, part.kind, part.method)


def _inputs(system: System, shapes: Shapes, words: Callable[[str], str]) -> Iterator[InputSpec]:
    from sqmagic.runtime.blueprint import InputSpec

    optional = optional_inputs(system)
    for item in system.inputs:
        context = (Running(system.indices[0].name),) if item.indexed else ()
        yield InputSpec(
            state=item.state,
            name=python_name(item.state),
            label=words(show_state(item.state, context)),
            indexed=item.indexed,
            kind="class" if item.kind == "real" and item.state in shapes.integers else item.kind,
            first=_number(item.first),
            last=_number(item.last),
            shape=shapes.states.get(item.state),
            classes=shapes.classes.get(item.state),
            why=tuple(map(words, shapes.reason(item.state))),
            optional=item.state in optional,
        )


def _number(point: Point) -> int:
    """A row's index; that of the last row is counted from T."""
    return point.value if isinstance(point, Fixed) else point.offset
