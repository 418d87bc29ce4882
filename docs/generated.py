"""Writes the pages that are made from what there is: every function, and every mistake with what its author is told.

    python docs/generated.py

A test compares what lies here with what this would write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from sqmagic.board.meaning import meaning
from sqmagic.equations.ops import OPS, TRANSFORMS
from sqmagic.notation.codes import CODES

HERE = Path(__file__).parent
PROBLEMS = HERE.parent / "tests" / "problems"
ABOUT = {
    "1": "How it is written",
    "2": "Names, functions and macros",
    "3": "Shapes",
    "4": "Time",
    "5": "Learning",
    "6": "Warnings: it runs, and is probably not what is meant",
    "7": "What cannot run yet",
}


def notebook(cells: list[str], slug: str) -> str:
    """A notebook of Markdown cells."""
    made = [
        {"cell_type": "markdown", "id": f"{slug}-{n:03}", "metadata": {}, "source": text.splitlines(keepends=True)}
        for n, text in enumerate(cells)
    ]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    whole = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def functions() -> str:
    cells = [
        "# Every function\n\nA function is three rules over the same signature: what it computes (Forward), what it "
        "sends back (Autodiff), and what it does to its parameters (Update). `^x` is the adjoint of `x`.\n\n"
        "This page is made from the tables that the compiler works with. Shift-Tab on a function says the same."
    ]
    cells += [_function(name) for name in sorted(OPS)]
    cells.append(
        "# Every transform\n\nA transform makes three rules of three rules; its settings may be given by name."
    )
    cells += [_transform(name) for name in TRANSFORMS]
    return notebook([cell for cell in cells if cell], "functions")


def _function(name: str) -> str:
    found = meaning(name)
    if found is None:
        return ""
    rules = [("Forward", (found.forward,)), ("Autodiff", found.autodiff), ("Update", found.update)]
    body = "\n".join(f"{label:<9} {text}" for label, texts in rules for text in texts)
    return f"## {found.heading}\n\n{found.summary}\n\n```\n{body}\n```"


def _transform(name: str) -> str:
    found = meaning(name)
    settings = ", ".join(f"{key}={value}" for key, value in TRANSFORMS[name])
    head = f"## {name}(F{', ' + settings if settings else ''})"
    return head if found is None else f"{head}\n\n{found.summary}"


def errors() -> str:
    by_code: dict[str, list[Path]] = {}
    for path in sorted(PROBLEMS.glob("*/message.txt")):
        code = re.search(r"SQ\d{3}", path.read_text(encoding="utf-8"))
        assert code is not None, path
        by_code.setdefault(code[0], []).append(path)
    cells = [
        "# Every mistake\n\nA rejected program gets a code, its line with the place marked, what is wrong in the "
        "notation's own words and, where there is a likely repair, the repaired line. The kernel stays as it was.\n\n"
        "This page is made from the mistakes that the tests hold: each program, and exactly what its author is told."
    ]
    group = ""
    for code in sorted(by_code):
        if code[2] != group:
            group = code[2]
            cells.append(f"# {ABOUT.get(group, 'Others')}")
        cells.append("\n\n".join(_mistakes(code, by_code[code])))
    return notebook(cells, "errors")


def _mistakes(code: str, paths: list[Path]) -> Iterator[str]:
    yield f"## {code}" + (f": {CODES[code]}" if code in CODES else "")
    for path in paths:
        program = path.with_name("program.sqn").read_bytes().decode().replace("\0", "␀").replace("\r", "")
        yield f"{path.parent.name.replace('_', ' ').capitalize()}:"
        yield f"```seqnet\n{program.rstrip()}\n```\n\n```\n{path.read_text(encoding='utf-8').rstrip()}\n```"


PAGES = {"functions.ipynb": functions, "errors.ipynb": errors}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
