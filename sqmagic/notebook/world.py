"""`%%seqenv` and `%%seqfunction`: an environment or a function written in C in a cell, bound in the kernel.

What compiles and runs them is loaded by the first cell, not by `%load_ext`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from sqmagic.notebook.refusal import refuse_name

if TYPE_CHECKING:
    from sqmagic.world.errors import Fault

NAMES = ("seqenv", "seqfunction")


@magics_class
class WorldMagics(Magics):
    """The cells in which C is written."""

    shell: InteractiveShell

    @magic_arguments("%seqenv")
    @argument("name", help="What the environment is called in the kernel.")
    @argument("--force", action="store_true", help="Bind the name even if it is bound to something else.")
    @argument("--quiet", action="store_true", help="Show nothing but warnings.")
    @no_var_expand
    @cell_magic("seqenv")  # type: ignore[arg-type]
    def environment(self, line: str, cell: str) -> object:
        """Make an environment of the declarations and the C in this cell, and bind it in the kernel.

        state position, velocity: f32        what one environment remembers
        obs position: f32 in -1 .. 1         what is seen of it
        act discrete 2                       or: act force: f32 in -1 .. 1
        param mass: f32 = 1.0                what a user may set
        limit 200                            steps after which an episode is cut off
        void reset(S *s, sq_rng *rng) { ... }
        void step(S *s, A a, R *r, const P *p) { ... r->reward = ...; r->terminated = ...; }
        void obs(const S *s, O *o) { o[0] = ...; }
        """
        from sqmagic.world.lanes import Kind
        from sqmagic.world.seqenv import defined

        options = parse_argstring(self.environment, line)
        refuse_name(options.name, self.shell.user_ns, Kind, options.force)
        made = defined(options.name, cell, f"%%seqenv {options.name}")
        _warn(options.name, made.warnings)
        self.shell.push({options.name: made.kind}, interactive=True)
        return None if options.quiet else made.kind

    @magic_arguments("%seqfunction")
    @argument("name", help="What the function is called in the kernel and in programs.")
    @argument("--force", action="store_true", help="Bind the name even if it is bound to something else.")
    @argument("--quiet", action="store_true", help="Show nothing.")
    @no_var_expand
    @cell_magic("seqfunction")  # type: ignore[arg-type]
    def function(self, line: str, cell: str) -> object:
        """Make a function of the types and the C in this cell, and bind it in the kernel.

        x: f32[n] -> y: f32[n]
        void forward(const real *x, real *y, int32_t n) { ... }
        void adjoint(const real *x, const real *y, const real *d_y, real *d_x, int32_t n) { ... }   (may be left out)
        """
        from sqmagic.runtime.functions import CFunction
        from sqmagic.world.function import define

        options = parse_argstring(self.function, line)
        refuse_name(options.name, self.shell.user_ns, CFunction, options.force)
        made = CFunction(define(options.name, cell, f"%%seqfunction {options.name}"))
        self.shell.push({options.name: made}, interactive=True)
        return None if options.quiet else made


def _warn(name: str, warnings: tuple[Fault, ...]) -> None:
    for warning in warnings:
        where = f", line {warning.line}" if warning.line else ""
        print(f"{name}{where}: {warning.message}", file=sys.stderr)


def load(shell: InteractiveShell) -> None:
    """Registers the magics."""
    shell.register_magics(WorldMagics(shell))


def unload(shell: InteractiveShell) -> None:
    """Takes the magics out of the kernel and leaves what they made where it is."""
    for name in NAMES:
        shell.magics_manager.magics["cell"].pop(name, None)
