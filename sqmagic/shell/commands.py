"""The commands, each a row: what it is for, what may be wished, and what it does with one program."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from tempfile import TemporaryDirectory

from sqmagic.board.diagram import Look
from sqmagic.board.errors import PictureError
from sqmagic.board.theme import THEMES
from sqmagic.board.views import VIEWS
from sqmagic.emit.torch.refusals import refused
from sqmagic.equations.show import show_state
from sqmagic.equations.system import Running
from sqmagic.nets import build
from sqmagic.notation.format import formatted
from sqmagic.notation.problems import NotationError
from sqmagic.pipeline import Sizes, Understood, generate, understand
from sqmagic.shell.files import STANDARD, Failed, name, read, target, write
from sqmagic.shell.pages import page
from sqmagic.shell.told import tell
from sqmagic.showing import Page, derived, drawn, shown


class Wrong(Exception):
    """A program that is right, of which what is wanted cannot be made: exit code 1."""


@dataclass(frozen=True, slots=True)
class Command:
    """`one` is given a file's name, its text and the wishes, and gives whether all is well."""

    help: str
    options: Callable[[argparse.ArgumentParser], None]
    one: Callable[[str, str, argparse.Namespace], bool]


def carry_out(asked: argparse.Namespace) -> int:
    """The exit code: 1 if one of the programs is wrong. Raises Failed for what is no program's fault."""
    well = True
    for file in asked.files:
        text = read(file)
        try:
            well &= COMMANDS[asked.command].one(file, text, asked)
        except NotationError as error:
            tell(file, error.source, error.problems)
            well = False
        except Wrong as why:
            print(f"{'<stdin>' if file == STANDARD else file}:1:1: error: {why}", file=sys.stderr)
            well = False
    return 0 if well else 1


# --- check ---------------------------------------------------------------------------------------


def _check_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strict", action="store_true", help="warnings too are wrong")


def _check(file: str, text: str, asked: argparse.Namespace) -> bool:
    known = _understood(file, text)
    _generated(known, file, 64)
    return not (asked.strict and known.warnings)


def _understood(file: str, text: str) -> Understood:
    """The program; its warnings are told."""
    known = understand(text)
    tell(file, known.source, known.warnings)
    return known


def _generated(known: Understood, file: str, width: int) -> str | None:
    """The torch code, or None where there is none: a page of macros, an effect, or shapes that only data tell."""
    if not known.system.equations and not known.system.goals:
        return None
    if refused(known.system):
        return None
    return generate(name(file), known, Sizes(width=width), {}, kernels=True).source


# --- format --------------------------------------------------------------------------------------


def _format_options(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--check", action="store_true", help="only say, with 1, whether a program would change, and how")
    where.add_argument("--write", action="store_true", help="write it into the file")
    parser.add_argument("--unicode", action="store_true", help="γ, hₜ and → for gamma, h_t and ->")


def _format(file: str, text: str, asked: argparse.Namespace) -> bool:
    made = formatted(text, asked.unicode)
    if asked.check:
        change = unified_diff(text.splitlines(), made.splitlines(), file, f"{file}, formatted", lineterm="")
        for line in change:
            print(line, file=sys.stderr)
        return made == text
    if not asked.write:
        write(STANDARD, made)
    elif file == STANDARD:
        raise Failed("--write needs a file: standard input cannot be written")
    elif made != text:
        write(file, made)
    return True


# --- render --------------------------------------------------------------------------------------

_FORMS = ("svg", "pdf", "png", "dot", "html", "latex", "text")


def _render_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to", choices=_FORMS, default="svg", help="a picture, or a page with its equations: %(choices)s"
    )
    parser.add_argument("-o", "--output", help="a file, a folder, or -: beside the program unless given")
    parser.add_argument("--view", choices=VIEWS, default="chain")
    parser.add_argument("--theme", choices=THEMES, default="auto")
    parser.add_argument("--expand", default="", metavar="MACROS", help="Enc,Dec: macros to draw unfolded, or all")
    parser.add_argument("--no-legend", action="store_true")
    parser.add_argument(
        "--derive", choices=("forward", "full"), default="forward", help="for a page: how much it shows"
    )
    parser.add_argument("--no-check", action="store_true", help="do not hold a derivation against torch.autograd")


def _render(file: str, text: str, asked: argparse.Namespace) -> bool:
    known = _understood(file, text)
    if not known.system.equations and not known.system.goals:
        raise Wrong("there are macros and declarations alone, and nothing to draw")
    expand = tuple(part.strip() for part in asked.expand.split(",") if part.strip())
    look = Page(Look(asked.view, asked.theme, expand, not asked.no_legend), asked.derive, not asked.no_check)
    to = target(file, f".{_SUFFIX.get(asked.to, asked.to)}", asked.output, len(asked.files) > 1)
    try:
        write(to, _made(name(file), known, look, asked.to))
    except PictureError as why:
        raise Failed(str(why)) from None
    return True


_SUFFIX = {"latex": "tex", "text": "txt"}


def _made(title: str, known: Understood, look: Page, form: str) -> str | bytes:
    if form in ("svg", "pdf", "png", "dot"):
        with TemporaryDirectory() as folder:
            return drawn(title, known, look).save(Path(folder, f"made.{form}")).read_bytes()
    if form == "latex":
        return derived(title, known, {}, look, {}).latex + "\n"
    told = shown(title, known, {}, look, {})
    return page(title, str(told["text/html"])) if form == "html" else f"{told['text/plain']}\n"


# --- compile -------------------------------------------------------------------------------------


def _compile_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", choices=("torch", "c"), default="torch", help="torch, or the recurrences alone in C")
    parser.add_argument("-o", "--output", help="a file, a folder, or -: beside the program unless given")
    parser.add_argument("--width", type=int, default=64, help="the width of what nothing else fixes: 64 unless given")


def _compile(file: str, text: str, asked: argparse.Namespace) -> bool:
    known = _understood(file, text)
    to = target(file, ".c" if asked.to == "c" else ".py", asked.output, len(asked.files) > 1)
    why = [problem.message for problem in refused(known.system)]
    if why or not (known.system.equations or known.system.goals):
        raise Wrong("; ".join(why) or "there are macros and declarations alone, and nothing to compile")
    made = generate(name(file), known, Sizes(width=asked.width), {}, kernels=True)
    if made.source is None:
        raise Wrong("; ".join(_undeclared(known, made.missing, made.shapes.integers)))
    write(to, made.source if asked.to == "torch" else _in_c(file, known, asked.width))
    return True


def _undeclared(known: Understood, missing: Sequence[str], integers: Collection[str]) -> Iterator[str]:
    """What to declare, where no data can tell it."""
    over_time = {given.state for given in known.system.inputs if given.indexed}
    for state in missing:
        label = show_state(state, (Running("t"),) if state in over_time else ())
        kind, what = ("class(10)", "number of values") if state in integers else ("28", "width")
        yield f"no line tells the {what} of `{label}`: declare it, as in `{label} : {kind}`"


def _in_c(file: str, known: Understood, width: int) -> str:
    from sqmagic.runtime.errors import UnsupportedError

    try:
        return build(known, name=name(file), width=width).to_source("c")
    except UnsupportedError as why:
        raise Wrong(str(why)) from None


COMMANDS = {
    "check": Command("say what is wrong with programs", _check_options, _check),
    "format": Command("give programs their canonical text, comments kept", _format_options, _format),
    "render": Command("draw programs, or write their sheets", _render_options, _render),
    "compile": Command("write the code of programs, which runs on its own", _compile_options, _compile),
}
