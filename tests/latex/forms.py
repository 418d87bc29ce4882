"""Every LaTeX form of every program of the tests, as a JSON object of name -> LaTeX: what `typeset.mjs` reads.

With `--document` as a document, for a TeX engine.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from test_derivation_sheet import SHEETS, shown
from test_latex import applied, tex

from sqmagic.board.latex import latex
from sqmagic.equations.ops import ALL_OPS

DOCUMENT = r"""\documentclass{article}
\usepackage{amsmath,amssymb,xcolor}
\begin{document}
%s
\end{document}
"""


def forms() -> Iterator[tuple[str, str]]:
    """Whole sheets, their columns, what a notebook is given, forward equations by themselves, and each operator."""
    for name in SHEETS:
        sheet = shown(name)
        yield name, sheet.latex
        for column in sheet.columns:
            part = getattr(sheet, column)
            if part.latex.count("\n") > 2:
                yield f"{name} {column}", part.latex
        yield f"{name} in a notebook", sheet.bundle()["text/latex"].strip("$\n")
        yield f"{name} forward with shapes", latex(sheet.system, sheet.derivation.shapes)
    for op in ALL_OPS:
        yield op, tex(applied(op))


def main() -> None:
    found = dict(forms())
    if "--document" in sys.argv:
        displayed = [t if t.startswith(r"\begin{align*}") else f"\\[\n{t}\n\\]" for t in found.values()]
        print(DOCUMENT % "\n\n".join(displayed))
    else:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
