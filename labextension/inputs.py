"""What the extension is built from: two files that are written from the Python sources, and a hash of everything.

    python labextension/inputs.py write     writes src/table.json and style/picture.css
    python labextension/inputs.py seal      says beside the built bundle what it was built from

The bundle itself cannot be compared with a new one, for it holds a name made from the folder in which it was built.
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path

from sqmagic.board.mathml import FONTS
from sqmagic.board.style import RULES
from sqmagic.board.theme import PALETTES, STATES
from sqmagic.notebook.tokens import table

HERE = Path(__file__).parent
BUNDLE = HERE.parent / "sqmagic" / "_labextension"
SEAL = BUNDLE / "inputs.sha256"


def written() -> dict[Path, str]:
    """The files that say again what Python says, each with its text."""
    return {
        HERE / "src" / "table.json": json.dumps(table(), indent=1, ensure_ascii=False) + "\n",
        HERE / "style" / "picture.css": picture_css(),
    }


def picture_css() -> str:
    """The colours and rules of pictures, for any number of pictures in a page, and what lights up in them."""
    at = ".sq-picture"
    palettes = {name: variables(palette.named()) for name, palette in PALETTES.items()}
    page = [variables({f"s{i}": pair[dark] for i, pair in enumerate(STATES)}) for dark in (0, 1)]
    dark = '[data-jp-theme-light="false"]'
    lines = [
        "/* written by inputs.py from sqmagic/board: change it there */",
        f".sq-view {{{page[0]}}}",
        f"{dark} .sq-view {{{page[1]}}}",
        f".sq-view math {{font-family:{FONTS}}}",
        f'{at}[data-theme="auto"] svg {{{palettes["light"]}}}',
        f'{dark} {at}[data-theme="auto"] svg {{{palettes["dark"]}}}',
        *(f'{at}[data-theme="{name}"] svg {{{colours}}}' for name, colours in palettes.items()),
        *(f"{at} svg {rule}" for rule in RULES),
        f"{at} svg [data-value].sq-lit {{--lit:var(--own);font-weight:700}}",
        f"{at} svg [data-lines].sq-lit {{font-weight:700}}",
        f"{at} svg [data-lines].sq-lit :is(polygon,ellipse,path) {{stroke-width:5}}",
    ]
    return "\n".join(lines) + "\n"


def variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


def digest() -> str:
    """A hash of all that the bundle is built from: names and texts of the sources, and what they stand on."""
    found = [*HERE.glob("src/*"), *HERE.glob("style/*"), *HERE.glob("*.json")]
    whole = sha256()
    for path in sorted(p for p in found if p.suffix in {".ts", ".js", ".json", ".css"}):
        whole.update(f"{path.relative_to(HERE).as_posix()}\0{path.read_text(encoding='utf-8')}\0".encode())
    return whole.hexdigest()


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        for path, text in written().items():
            path.write_text(text, encoding="utf-8", newline="\n")
    elif sys.argv[1:] == ["seal"]:
        SEAL.write_text(digest() + "\n", encoding="utf-8")
    else:
        sys.exit(__doc__)
