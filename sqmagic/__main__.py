"""sqmagic from a shell, with exit codes fit for a build.

    python -m sqmagic check FILE...      whether the programs are right
    python -m sqmagic format FILE...     their canonical text: to standard output, --write or --check
    python -m sqmagic render FILE...     their pictures, sheets or derivations
    python -m sqmagic compile FILE...    their code, which runs on its own

`-` is standard input. The exit code is 0 if all is well, 1 if a program is wrong (or, for `format --check`, not as it
would be written), 2 if a file cannot be read or written or the command itself is wrong. What is wrong goes to standard
error, each problem beginning with file:line:column.
"""

from __future__ import annotations

import argparse
import sys

from sqmagic.shell.commands import COMMANDS, carry_out
from sqmagic.shell.files import Failed


def main(arguments: list[str] | None = None) -> int:
    """Carries out one command; gives the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        return carry_out(asked)
    except Failed as failure:
        print(f"sqmagic: {failure}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads on: Python would complain of it at the end
        return 2


def _parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    first, *rest = __doc__.split("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m sqmagic",
        description=first,
        epilog="\n\n".join(rest[1:]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.help, description=command.help)
        one.add_argument("files", nargs="+", metavar="FILE", help="programs, usually *.sqn; - is standard input")
        command.options(one)
    return parser


if __name__ == "__main__":
    sys.exit(main())
