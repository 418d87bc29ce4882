"""The styles inside a picture: colours as variables, so that one picture serves several themes, and what lights up
where a state, or a parameter that several layers share, is pointed at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sqmagic.board.theme import PALETTES, Theme

KINDS = ("layer", "tab", "pointwise", "delay", "input", "output", "target", "chip", "function", "buffer", "macro",
         "loss", "objective")  # fmt: skip


def style(scope: str, theme: Theme, values: Mapping[str, str], parameters: Iterable[str]) -> str:
    """The style sheet of the element with the selector `scope`.

    `values` are the states shown, each with the name of its colour, `parameters` the owners of parameters.
    """
    colours = [_variables(scope, "light" if theme == "auto" else theme)]
    if theme == "auto":
        colours.append(f"@media (prefers-color-scheme:dark){{{_variables(scope, 'dark')}}}")
    return "".join([*colours, *(f"{scope} {rule}" for rule in RULES), *lights(scope, values, parameters)])


def lights(scope: str, values: Mapping[str, str], parameters: Iterable[str] = ()) -> Iterator[str]:
    """One rule for each state: wherever within `scope` it is pointed at, all that shows it lights up."""
    for state, colour in values.items():
        mark = f'[data-value="{_quoted(state)}"]'
        yield f"{scope}:has({mark}:hover) {mark}{{--lit:var(--{colour});font-weight:700}}"
    for owner in parameters:
        mark = f'[data-param="{_quoted(owner)}"]'
        yield f"{scope}:has({mark}:hover) {mark} polygon{{stroke-width:4}}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _variables(scope: str, theme: Theme) -> str:
    return f"{scope}{{{''.join(f'--{name}:{colour};' for name, colour in PALETTES[theme].named().items())}}}"


def _rules() -> Iterator[str]:
    drawn = ":is(polygon,ellipse,path,polyline)"
    yield ".page{fill:var(--paper)}"
    yield "text{fill:var(--ink)}"
    yield ":is(.caption,.legend) text{fill:var(--quiet)}"
    for kind in KINDS:
        line = "var(--border)" if kind == "macro" else f"var(--lit,var(--{kind}-line,var(--ink)))"
        yield f".{kind} {drawn}{{fill:var(--{kind});stroke:{line}}}"
    yield f":is(.bars,.frame) {drawn}{{fill:none;stroke:var(--ink)}}"
    yield f".bars {drawn}{{stroke:var(--function-line,var(--ink))}}"
    yield ".edge path{stroke:var(--lit,var(--ink));fill:none}"
    yield ".edge polygon{stroke:none;fill:var(--lit,var(--ink))}"
    yield f".node.fault {drawn}{{stroke:var(--fault)}}"
    yield ".edge.fault path{stroke:var(--fault)}"
    yield ".edge.fault polygon{fill:var(--fault)}"
    for ground in ("page", "cell", "group"):
        yield f".gap.on-{ground} path{{stroke:var(--{ground})}}"
    for box in ("cell", "group"):
        yield f".{box} path{{stroke:var(--border);fill:var(--{box})}}"
    yield f".faint {drawn}{{stroke:var(--faint);fill:var(--cell)}}"
    yield ".bars.faint polygon{fill:none}"
    yield ".faint text{fill:var(--faint)}"
    yield ".edge.faint path{fill:none}"
    yield ".edge.faint polygon{fill:var(--faint)}"
    yield ".gap.faint path{stroke:var(--cell)}"
    yield from (f".s{i} text{{fill:var(--s{i})}}" for i in range(len(PALETTES["light"].states)))


RULES = tuple(_rules())
