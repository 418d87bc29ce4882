"""From a cell to what the kernel has after it; knows of no shell, so that it can be tested without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch.nn import Module

from sqmagic.board.diagram import Diagram
from sqmagic.board.errors import PictureError
from sqmagic.grading.check import check
from sqmagic.grading.verdict import Verdict
from sqmagic.nets import build, kernel_of
from sqmagic.notation.problems import NotationError, describe
from sqmagic.notation.show import show_statement
from sqmagic.notebook.refusal import Refusal, refuse_name
from sqmagic.notebook.session import Recipe, Session
from sqmagic.notebook.weights import inherit
from sqmagic.pipeline import Understood, understand
from sqmagic.runtime import inputs
from sqmagic.runtime.blueprint import DataShape
from sqmagic.runtime.net import Net
from sqmagic.showing import PAGE, Page, show_as, sketch


@dataclass(frozen=True, slots=True)
class Wish:
    """What the first line of a cell asks for; `like` are inputs and the names of their data in the kernel, `page` is
    how the net shows itself, `env` the environment: its name in the kernel, or that of one of ours or Gymnasium's."""

    name: str = "net"
    horizon: int | None = None
    width: int = 64
    like: Mapping[str, str] = field(default_factory=dict)
    force: bool = False
    fresh: bool = False
    page: Page = PAGE
    env: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A cell that was carried out: its net (None if it is all macros), and what there is to say."""

    net: Net | None
    said: tuple[str, ...]
    warnings: tuple[str, ...]


def carry_out(text: str, wish: Wish, namespace: Mapping[str, object], session: Session) -> Done:
    """The net of a cell, or the one that is there already if nothing has changed. Its macros join the session.

    Raises NotationError, InputError or Refusal, and then leaves everything as it was.
    """
    known = understand(text, kernel_of(namespace, session.macros, _env(wish, namespace)))
    macros = known.elaborated.macros
    said = [_taken(known, namespace, session)] if known.taken else []
    net = None
    if macros and not known.system.equations and not known.system.goals:
        said += [f"{', '.join(macros)} can be used in later cells"]
    else:
        refuse_name(wish.name, namespace, Net, wish.force)
        net, about = _net(known, wish, namespace, session)
        said += [about] if about else []
    session.define(macros, wish.name if net is not None else "")
    return Done(net, tuple(said), tuple("\n".join(describe(w, known.source)) for w in known.warnings))


def drawn_despite(
    refusal: NotationError, wish: Wish, namespace: Mapping[str, object], session: Session
) -> Diagram | None:
    """The picture of a cell that was refused, its faults marked; None where nothing of it can be drawn."""
    try:
        kernel = kernel_of(namespace, session.macros, _env(wish, namespace))
        diagram = sketch(refusal.source.text, wish.name, wish.page.look, kernel, refusal.problems)
        return diagram if diagram is not None and diagram.svg else None
    except PictureError:
        return None


def reference_of(name: str, namespace: Mapping[str, object]) -> Net | str:
    """What an exercise is held against: a net of the kernel, or a text that is a program. Raises Refusal."""
    found = namespace.get(name)
    if isinstance(found, Net | str):
        return found
    what = "there is no such name in the kernel" if name not in namespace else f"it is a {type(found).__name__}"
    raise Refusal(f"--exercise {name}: {what}; it names a net, or a text that is a program")


def graded(net: Net, reference: Net | str, wish: Wish) -> Verdict:
    """Whether the net of a cell is what was asked for; a text is compiled with the width of the cell."""
    if isinstance(reference, str):
        reference = build(understand(reference), name="reference", horizon=wish.horizon, width=wish.width)
    return check(net, reference)


def _taken(known: Understood, namespace: Mapping[str, object], session: Session) -> str:
    """What comes from the kernel, with the value of an integer, the cell of a macro, the class of a module."""
    told = []
    for name in known.taken:
        match namespace.get(name):
            case _ if name in session.macros:
                told.append(f"{name} (cell of {session.homes[name]})" if session.homes[name] else f"{name} (macro)")
            case int() as number:
                told.append(f"{name} = {number}")
            case module:
                told.append(f"{name} ({type(module).__name__})")
    return f"from the kernel: {', '.join(told)}"


def _net(known: Understood, wish: Wish, namespace: Mapping[str, object], session: Session) -> tuple[Net, str]:
    """The net and what became of the former one's weights."""
    data = _data(wish.like, namespace)
    taken = {name: namespace.get(name) for name in known.taken}
    env = _env(wish, namespace)
    taken |= {"--env": env} if env is not None else {}
    recipe = Recipe(known.program, known.system, taken, wish.horizon, wish.width, {})
    bound = namespace.get(wish.name)
    former = bound if isinstance(bound, Net) and not wish.fresh else None
    if former is not None and _unchanged(session.recipes.get(former), recipe, former, data):
        show_as(former, wish.name, known, kernel_of(namespace, {}).integers, wish.page)
        return former, f"{wish.name} is unchanged and keeps its weights (--fresh begins anew)"
    net = build(
        known,
        name=wish.name,
        horizon=wish.horizon,
        width=wish.width,
        env=env,
        namespace=namespace,
        like=data,
        page=wish.page,
    )
    modules = [name for name, value in taken.items() if isinstance(value, Module)]
    about = inherit(net, former, wish.name, modules) if former is not None else ""
    session.recipes[net] = replace(recipe, like=_measured(net, data))
    return net, about


def _env(wish: Wish, namespace: Mapping[str, object]) -> object:
    """What `--env` names."""
    return None if wish.env is None else namespace.get(wish.env, wish.env)


def _data(like: Mapping[str, str], namespace: Mapping[str, object]) -> dict[str, object]:
    missing = [name for name in like.values() if name not in namespace]
    if missing:
        raise Refusal(f"--like: there is no `{missing[0]}` in the kernel")
    return {state: namespace[name] for state, name in like.items()}


def _unchanged(before: Recipe | None, recipe: Recipe, former: Net, data: Mapping[str, object]) -> bool:
    if before is None or replace(before, like={}) != recipe:
        return False
    return before.like == _measured(former, data)


def _measured(net: Net, data: Mapping[str, object]) -> dict[str, DataShape]:
    """The shapes that data tell."""
    return inputs.measured(net.inputs, inputs.read(net.inputs, data))


# --- the line magic ------------------------------------------------------------------------------


def listing(namespace: Mapping[str, object], session: Session) -> str:
    """The nets and macros of a kernel, one a line."""
    nets = [f"net    {name:<12} {net!r}" for name, net in _nets(namespace).items()]
    macros = [f"macro  {name:<12} {_home(session.homes[name])}" for name in sorted(session.macros)]
    return "\n".join(nets + macros) or "no nets and no macros yet"


def _home(cell: str) -> str:
    return f"of the cell of {cell}" if cell else "of a cell of its own"


def shown(name: str, namespace: Mapping[str, object], session: Session) -> Net | str:
    """A net, or a macro's text. Raises Refusal for what is neither."""
    nets = _nets(namespace)
    if name in nets:
        return nets[name]
    if name in session.macros:
        return show_statement(session.macros[name])
    raise Refusal(f"there is no net and no macro `{name}` here; there is:\n{listing(namespace, session)}")


def _nets(namespace: Mapping[str, object]) -> dict[str, Net]:
    """The nets that have a name of their own; `_` and `_3` are IPython's."""
    return {n: v for n, v in sorted(namespace.items()) if isinstance(v, Net) and not n.startswith("_")}
