"""An author's text: a block of declarations, then C.

    state x, x_dot: f32                  what one environment remembers
    state board: u8[10][10]
    obs position: f32 in -4.8 .. 4.8     what is seen of it, in the order of the lines
    act discrete 3                       or  act f32[2] in -1 .. 1
    param gravity: f32 = 9.8             what a user may set
    limit 500                            steps after which an episode is cut off

The block ends at the first line that is neither a declaration, nor empty, nor a comment (`// …`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from sqmagic.world.errors import DeclarationError, Fault

Type = Literal["f32", "f64", "i32", "u8"]
TYPES: tuple[Type, ...] = ("f32", "f64", "i32", "u8")

ROWS = 32
"""A part with at most so many elements lies in rows, one lane beside the other; a larger one in one block a lane."""


@dataclass(frozen=True, slots=True)
class Part:
    """A named part of the state, the observation, the action or the parameters; `default` is a parameter's."""

    name: str
    type: Type
    shape: tuple[int, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    default: float = 0.0

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def in_rows(self) -> bool:
        return self.size <= ROWS


@dataclass(frozen=True, slots=True)
class Definition:
    """A C function of the author's: its parameters' types in order, stars set apart, and the line of its name."""

    name: str
    parameters: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Declaration:
    """An environment as its author declared it. `actions` is 0 for continuous ones. `code` is the C, from `line` on."""

    name: str
    state: tuple[Part, ...]
    obs: tuple[Part, ...]
    act: Part
    actions: int
    params: tuple[Part, ...]
    limit: int
    functions: tuple[Definition, ...]
    code: str
    line: int
    home: str

    def function(self, name: str) -> Definition | None:
        return next((f for f in self.functions if f.name == name), None)


FUNCTIONS = {
    "reset": ("S *", "sq_rng *", "const P *"),
    "step": ("S *", "A", "R *", "sq_rng *", "const P *"),
    "obs": ("const S *", "O *", "const P *"),
    "draw": ("const S *", "sq_canvas *", "const P *"),
}
"""What each of the author's functions may take: each at most once, in any order."""

_NAME = r"[A-Za-z_]\w*"
_NUMBER = r"[-+]?(?:inf|\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)"
_PART = re.compile(
    rf"(?:(?P<names>{_NAME}(?:\s*,\s*{_NAME})*)\s*:\s*)?(?P<type>{_NAME})(?P<shape>(?:\s*\[\s*\d+\s*\])*)"
    rf"(?:\s+in\s+(?P<low>{_NUMBER})\s*\.\.\s*(?P<high>{_NUMBER}))?(?:\s*=\s*(?P<default>{_NUMBER}))?$"
)
_DISCRETE = re.compile(r"discrete\s+(\d+)$")
_LINE = re.compile(r"\s*(?P<word>state|obs|act|param|limit)\b\s*(?P<rest>.*?)\s*(?://.*)?$")
_DEFINITION = re.compile(
    rf"^(?:static\s+)?(?:inline\s+)?void\s+(?P<name>{_NAME})\s*\((?P<parameters>[^)]*)\)\s*\{{", re.M
)
_WORDS = re.compile(
    "auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|inline|int|long|register|"
    "restrict|return|short|signed|sizeof|static|struct|switch|typedef|union|unsigned|void|volatile|while|real"
)

SHAPES = {
    "state": "state name, name: f32        or  state board: u8[10][10]",
    "obs": "obs name: f32 in low .. high        or  obs f32[4]",
    "act": "act discrete 2        or  act f32[2] in -1 .. 1",
    "param": "param name: f32 = 9.8",
    "limit": "limit 500",
}


def parse(name: str, text: str, home: str = "") -> Declaration:
    """The declaration of an environment called `name`; `home` is the file or cell that compilers are to name.

    Raises DeclarationError with every independent mistake.
    """
    lines = text.split("\n")
    first = _first_of_c(lines)
    read = _read(lines[:first])
    code = "\n".join(lines[first:])
    functions = tuple(_definitions(code, first + 1))
    faults = [*read.faults, *_missing(read, functions), *_mistyped(functions)]
    if not re.fullmatch(_NAME, name):
        faults.insert(0, Fault(f"`{name}` cannot be the name of an environment: it is no name in C"))
    if faults:
        raise DeclarationError(home or name, text, tuple(faults))
    parts = {word: tuple(own) for word, own in read.parts.items()}
    act = parts["act"][0]
    actions = int(act.high) + 1 if read.discrete else 0
    return Declaration(
        name=name,
        state=parts["state"],
        obs=parts["obs"],
        act=act,
        actions=actions,
        params=parts["param"],
        limit=read.limit,
        functions=functions,
        code=code,
        line=first + 1,
        home=home or name,
    )


def _first_of_c(lines: list[str]) -> int:
    for number, line in enumerate(lines):
        if line.strip() and not line.strip().startswith("//") and not _LINE.match(line):
            return number
    return len(lines)


@dataclass(slots=True)
class _Read:
    """What a block has declared so far, and what is wrong with it."""

    parts: dict[str, list[Part]] = field(
        default_factory=lambda: {word: [] for word in ("state", "obs", "act", "param")}
    )
    limit: int = 0
    discrete: bool = False
    faults: list[Fault] = field(default_factory=list)


def _read(lines: list[str]) -> _Read:
    """The block, line by line; a line with a fault declares nothing."""
    read = _Read()
    for number, line in enumerate(lines, 1):
        found = _LINE.match(line)
        wrong = _take(found["word"], found["rest"], read) if found else ""
        if found and wrong:
            read.faults.append(Fault(wrong, number, found.start("rest") + 1, len(found["rest"])))
    return read


def _take(word: str, rest: str, read: _Read) -> str:
    """Reads a line; gives what is wrong with it, or nothing."""
    counted, part = _DISCRETE.match(rest), _PART.match(rest)
    if word == "limit" and rest.isdecimal() and int(rest) > 0:
        read.limit = int(rest)
        return ""
    if word == "act" and read.parts["act"]:
        return "there is one line of `act`"
    if word == "act" and counted and int(counted[1]) > 0:
        read.parts["act"] = [Part("action", "i32", (), 0, int(counted[1]) - 1)]
        read.discrete = True
        return ""
    if word == "limit" or part is None:
        return f"a line of `{word}` looks like  {SHAPES[word]}"
    return _declare(word, part, read.parts[word])


def _declare(word: str, found: re.Match[str], own: list[Part]) -> str:
    kind = next((t for t in TYPES if t == found["type"]), None)
    if kind is None:
        return f"`{found['type']}` is no type here; there are {', '.join(TYPES)}"
    names = re.split(r"\s*,\s*", found["names"] or {"obs": "obs", "act": "action"}.get(word, ""))
    shape = tuple(int(size) for size in re.findall(r"\d+", found["shape"]))
    low, high = float(found["low"] or "-inf"), float(found["high"] or "inf")
    wrong = _amiss(word, kind, found, own) or _misshapen(shape, low, high) or _misnamed(names, own)
    if wrong:
        return wrong
    if kind == "u8":
        low, high = max(low, 0.0), min(high, 255.0)
    own += [Part(name, kind, shape, low, high, float(found["default"] or 0)) for name in names]
    return ""


def _amiss(word: str, kind: Type, found: re.Match[str], own: list[Part]) -> str:
    match word:
        case "state" | "param" if not found["names"]:
            return f"a line of `{word}` names what it declares: {SHAPES[word]}"
        case "param" if found["default"] is None or found["shape"].strip():
            return f"a parameter is one number with a default: {SHAPES['param']}"
        case "act" if kind != "f32":
            return "actions are `discrete n` or of type f32"
        case "obs" if own and own[0].type != kind:
            return f"all of an observation has one type, and the lines before have {own[0].type}"
        case _:
            return ""


def _misshapen(shape: tuple[int, ...], low: float, high: float) -> str:
    if len(shape) > 4 or 0 in shape:
        return "a shape has at most four sizes, none of them 0"
    return "" if low <= high else "the lower bound comes first"


def _misnamed(names: list[str], own: list[Part]) -> str:
    for at, name in enumerate(names):
        if _WORDS.fullmatch(name):
            return f"`{name}` means something in C"
        if name in names[:at] or any(part.name == name for part in own):
            return f"`{name}` is declared twice"
    return ""


def _definitions(code: str, first: int) -> Iterator[Definition]:
    """The author's functions that mean something to us, wherever they stand in the C."""
    for found in _DEFINITION.finditer(code):
        if found["name"] in FUNCTIONS:
            line = first + code.count("\n", 0, found.start("name"))
            given = [p for p in found["parameters"].split(",") if p.strip() not in ("", "void")]
            parameters = tuple(_type(p, found["name"] == "obs") for p in given)
            yield Definition(found["name"], parameters, line)


def _type(parameter: str, seen: bool) -> str:
    """`const S *s` -> `const S *`; what `obs` writes may be called by its type in C."""
    found = re.match(r"\s*(?P<type>(?:const\s+)?\w+)\s*(?P<star>\*?)", parameter)
    if found is None:
        return parameter.strip()
    kind, star = " ".join(found["type"].split()), " *" * bool(found["star"])
    return f"O{star}" if seen and star and kind in _NUMBERS else f"{kind}{star}"


_NUMBERS = ("float", "real", "uint8_t", "int32_t")


def _missing(read: _Read, functions: tuple[Definition, ...]) -> Iterator[Fault]:
    for word in ("state", "obs", "act"):
        if not read.parts[word] and not any(f"`{word}`" in fault.message for fault in read.faults):
            yield Fault(f"there is no line of `{word}`; it looks like  {SHAPES[word]}")
    seen = read.parts["obs"]
    if len(seen) > 1 and not all(part.in_rows for part in seen):
        yield Fault(f"an observation of more than {ROWS} numbers is one part")
    for name in ("reset", "step", "obs"):
        if not any(f.name == name for f in functions):
            yield Fault(f"there is no function `void {name}({', '.join(FUNCTIONS[name])})`; it may take fewer of these")


def _mistyped(functions: tuple[Definition, ...]) -> Iterator[Fault]:
    for function in functions:
        allowed = FUNCTIONS[function.name]
        for kind in function.parameters:
            if kind not in allowed and f"const {kind}" not in allowed:
                yield Fault(f"`{function.name}` cannot take `{kind}`; it may take {', '.join(allowed)}", function.line)
        if len(set(function.parameters)) < len(function.parameters):
            yield Fault(f"`{function.name}` takes one parameter of each type", function.line)
