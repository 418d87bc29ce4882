"""SVG to PDF and PNG by typst, one wheel for both that brings its own fonts for mathematics and needs no program."""

from __future__ import annotations

from typing import Any

from sqmagic.board.errors import PictureError

SCALE = 2.0
"""Pixels of a PNG for each of the picture, of which there are 96 to the inch."""


def pdf(svg: str, paper: str, title: str) -> bytes:
    """One page as large as the picture; shapes and letters stay what they are. Raises PictureError without typst."""
    return _compiled(svg, paper, title, {"format": "pdf"})


def png(svg: str, paper: str) -> bytes:
    """`SCALE` pixels for each of the picture. Raises PictureError without typst."""
    return _compiled(svg, paper, "", {"format": "png", "ppi": 96.0 * SCALE})


def _compiled(svg: str, paper: str, title: str, settings: dict[str, Any]) -> bytes:
    """`paper` is the colour of the page, or `none`."""
    try:
        import typst  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise PictureError(
            "a picture becomes a PDF or PNG by the package typst, which is not installed: pip install"
            ' "sqmagic[pictures]", or save it as .svg'
        ) from None
    fill = paper if paper == "none" else f'rgb("{paper}")'
    page = _PAGE.format(title=title.replace("\\", "\\\\").replace('"', '\\"'), fill=fill)
    apart = svg.replace("<tspan", "\u200c<tspan")  # some fonts have a letter of their own for f and t together
    try:
        made = typst.compile({"main.typ": page.encode(), "picture.svg": apart.encode()}, **settings)
    except typst.TypstError as failure:
        raise PictureError(f"typst refused the picture: {failure}") from None
    assert isinstance(made, bytes), "a picture is one page"
    return made


_PAGE = """#set document(title: "{title}", date: none)
#set page(width: auto, height: auto, margin: 0pt, fill: {fill})
#image("picture.svg")
"""
