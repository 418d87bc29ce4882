"""A page that holds all of itself: what a cell shows, to be opened in a browser."""

from __future__ import annotations

from html import escape

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font: 16px/1.4 sans-serif; margin: 2em auto; max-width: 80em; padding: 0 1em; }}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def page(title: str, body: str) -> str:
    return _PAGE.format(title=escape(title), body=body)
