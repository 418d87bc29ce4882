"""The TeX of a notebook's own texts as MathML, which browsers read without a script: in Markdown, and in outputs that
are nothing but TeX. What cannot be translated stays as it was written."""

from __future__ import annotations

import re
from typing import Any

from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer

from sqmagic.board.mathml import MATH

_ALIKE = {"aligned": "align*", "gathered": "gather*"}
"""Environments that are translated under another name."""

_BEFORE_A_STOP = re.compile(r"(<math(?:(?!</math>).)*</math>)([.,;:!?)]+)", re.DOTALL)

_LEFT_OVER = ("<mi>&</mi>", "<mi>\\")
"""What a translation holds of what it does not know."""


class Renderer(IPythonRenderer):
    """Markdown to HTML, its formulas as MathML."""

    def inline_math(self, body: str) -> str:
        return _formula(body, "inline") or str(super().inline_math(body))

    def block_math(self, body: str) -> str:
        return _formula(body, "block") or str(super().block_math(body))

    def latex_environment(self, name: str, body: str) -> str:
        whole = f"\\begin{{{name}}}{body}\\end{{{name}}}"
        return _formula(whole, "block") or str(super().latex_environment(name, body))


def with_stops(page: str) -> str:
    """The page, a stop after a formula kept on the formula's line; browsers would break the line between them."""
    return _BEFORE_A_STOP.sub(r'<span style="white-space:nowrap">\1\2</span>', page)


def formula_page(data: dict[str, Any]) -> str | None:
    """The HTML of an output that has TeX alone; None of any other, or where that is no one formula."""
    tex = str(data.get("text/latex", "")).strip()
    if "text/html" in data or not tex:
        return None
    for mark, display in (("$$", "block"), ("$", "inline")):
        inner = tex.removeprefix(mark).removesuffix(mark)
        if len(tex) - len(inner) == 2 * len(mark) and "$" not in inner:
            return _formula(inner.replace("\\displaystyle", ""), display)
    return _formula(tex, "block") if tex.startswith("\\begin{") else None


def _formula(tex: str, display: str) -> str | None:
    for name, alike in _ALIKE.items():
        tex = tex.replace(f"{{{name}}}", f"{{{alike}}}")
    try:
        found = str(convert(tex.strip(), display=display))
    except Exception:  # the library has no common ancestor for what it does not understand
        return None
    if any(sign in found for sign in _LEFT_OVER):
        return None
    start = MATH.replace("<math", '<math display="block"', 1) if display == "block" else MATH
    return start + found[found.index(">") + 1 :]
