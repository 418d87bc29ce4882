"""The magics: `%%seqnet` makes a net of a cell and binds it in the kernel, `%seqnet` tells what there is.

The rest of sqmagic is loaded by the first cell, not by `%load_ext`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, needs_local_scope, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from sqmagic.notebook.session import Session

if TYPE_CHECKING:
    from sqmagic.notation.problems import NotationError
    from sqmagic.notebook.cells import Wish
    from sqmagic.runtime.net import Net

VIEWS = ("chain", "single", "ghost", "rolled")
THEMES = ("auto", "light", "dark", "chalkboard", "colour-blind", "print")
DERIVE = ("forward", "full", "off")
"""What the board offers, said here again so that %load_ext need not load it; the default first."""

HELP = """\
%%seqnet NAME        makes a net of the cell and binds it to NAME (`net` unless given); %%seqnet? lists the options
%seqnet list         the nets and macros of this kernel
%seqnet show NAME    a net's picture and equations, or a macro's text
%seqnet help         this text

A cell has one statement a line:
  x --[ f | g ]-> p  apply f, then g, and name the result; a capitalised name is a layer with weights of its own
  p => y             train p to be y; the loss follows from p's last function
  0 -> h_0           where a recurrence begins: h_{t-1} is h one step before h_t
  Enc: h_{t-1}, x_t  a macro, its body indented below; it stays for later cells"""


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _like(text: str) -> dict[str, str]:
    """`X,y=labels` as the names of inputs -> names in the kernel."""
    pairs = (part.strip().partition("=") for part in text.split(","))
    return {state: name or state for state, _, name in pairs if state}


@magics_class
class SeqnetMagics(Magics):
    """`%%seqnet` and `%seqnet`, and the session that the cells of one kernel share."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.session = Session()

    @magic_arguments("%seqnet")
    @argument("name", nargs="?", default="net", help="What the net is called in the kernel: `net` unless given.")
    @argument("--horizon", type=_positive, help="How many steps a window has: as many as the data unless given.")
    @argument("--width", type=_positive, default=64, help="The width of what nothing else fixes: 64 unless given.")
    @argument("--like", type=_like, default={}, help="X,y or X=pixels,y=labels: inputs shaped as data of the kernel.")
    @argument("--env", help="The environment: one of the kernel by its name, or the name of ours or of Gymnasium's.")
    @argument("--view", choices=VIEWS, default=VIEWS[0], help="How steps are seen: in a chain of three unless given.")
    @argument(
        "--theme", choices=THEMES, default=THEMES[0], help="The colours: auto (as the reader has them) unless given."
    )
    @argument("--expand", type=_names, default=(), metavar="MACROS", help="Enc,Dec: macros to draw unfolded, or all.")
    @argument("--no-legend", action="store_true", help="Draw no legend.")
    @argument(
        "--derive",
        choices=DERIVE,
        default=DERIVE[0],
        help="The equations: forward unless given, full (with adjoints and updates), or off (the picture alone).",
    )
    @argument("--no-check", action="store_true", help="Do not hold a full derivation against torch.autograd.")
    @argument(
        "--exercise", metavar="REFERENCE", help="Say whether the net is the same as a net, or a text, of the kernel."
    )
    @argument("--quiet", action="store_true", help="Show nothing but warnings.")
    @argument("--force", action="store_true", help="Bind the name even if it is bound to something else.")
    @argument("--fresh", action="store_true", help="Begin with new weights, even where the former ones fit.")
    @no_var_expand
    @needs_local_scope
    @cell_magic("seqnet")  # type: ignore[arg-type]
    def make(self, line: str, cell: str, local_ns: Mapping[str, object] | None = None) -> object:
        """Make a net of the program in this cell, and bind it in the kernel."""
        from sqmagic.board.diagram import Look
        from sqmagic.notation.problems import NotationError
        from sqmagic.notebook.cells import Wish, carry_out, reference_of
        from sqmagic.notebook.live import offer
        from sqmagic.showing import Page

        options = parse_argstring(self.make, line)
        look = Look(options.view, options.theme, options.expand, not options.no_legend)
        page = Page(look, options.derive, not options.no_check)
        wish = Wish(
            options.name,
            options.horizon,
            options.width,
            options.like,
            options.force,
            options.fresh,
            page,
            options.env,
        )
        namespace = self.shell.user_ns if local_ns is None else local_ns
        try:
            reference = None if options.exercise is None else reference_of(options.exercise, namespace)
            done = carry_out(cell, wish, namespace, self.session)
        except NotationError as refusal:
            if not options.quiet:
                self._sketch(refusal, wish, namespace)
            raise
        for warning in done.warnings:
            print(warning, file=sys.stderr)
        if done.net is not None:
            self.shell.push({options.name: done.net}, interactive=True)
        offer()
        if done.net is not None and reference is not None:
            self._grade(done.net, reference, wish)
        if options.quiet:
            return None
        for said in done.said:
            print(said)
        return done.net

    def _grade(self, net: Net, reference: Net | str, wish: Wish) -> None:
        """Says whether an exercise is solved, before its picture is shown."""
        from sqmagic.notebook.cells import graded

        verdict = graded(net, reference, wish)
        formatter = self.shell.display_formatter
        if formatter is None or "text/html" not in formatter.active_types:
            print(verdict)
            return
        self.shell.display_pub.publish(*formatter.format(verdict))

    def _sketch(self, refusal: NotationError, wish: Wish, namespace: Mapping[str, object]) -> None:
        """Shows what can be drawn of a program beside what is wrong with it."""
        from sqmagic.notebook.cells import drawn_despite

        formatter = self.shell.display_formatter
        if formatter is None or "image/svg+xml" not in formatter.active_types:
            return  # a terminal
        picture = drawn_despite(refusal, wish, namespace, self.session)
        if picture is not None:
            self.shell.display_pub.publish(*formatter.format(picture))

    @no_var_expand
    @line_magic("seqnet")  # type: ignore[arg-type]
    def tell(self, line: str) -> object:
        """Help, the nets and macros of this kernel (`list`), or one of them (`show NAME`)."""
        match line.split():
            case [] | ["help"]:
                print(HELP)
            case ["list"]:
                from sqmagic.notebook.cells import listing

                print(listing(self.shell.user_ns, self.session))
            case ["show", name]:
                from sqmagic.notebook.cells import shown

                found = shown(name, self.shell.user_ns, self.session)
                if not isinstance(found, str):
                    return found
                print(found)
            case _:
                print(f"%seqnet {line.strip()} is not one of these:\n\n{HELP}")
        return None


def load(shell: InteractiveShell) -> None:
    """Registers the magics, completion and help; after `%reload_ext` with the session as it was."""
    from sqmagic.notebook.asked import answer

    found = shell.magics_manager.registry.get(SeqnetMagics.__name__)
    magics = found if isinstance(found, SeqnetMagics) else SeqnetMagics(shell)
    shell.register_magics(magics)
    answer(shell, magics.make.parser, magics.session)


def unload(shell: InteractiveShell) -> None:
    """Takes the magics, completion and help out of the kernel; nets, macros and weights stay where they are."""
    from sqmagic.notebook.asked import silent

    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("seqnet", None)
    silent(shell)
