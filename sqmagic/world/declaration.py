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
from dataclasses import dataclass
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
_DEFINITION = re.compile(rf"^(?:static\s+)?(?:inline\s+)?void\s+(?P<name>{_NAME})\s*\((?P<parameters>[^)]*)\)\s*\{{", re.M)
_WORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline int long register "
    "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while real".split()
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
    read = _Read(lines[:first])
    code = "\n".join(lines[first:])
    functions = tuple(_definitions(code, first + 1))
    faults = [*read.faults, *_missing(read, functions), *_mistyped(functions)]
    if not re.fullmatch(_NAME, name):
        faults.insert(0, Fault(f"`{name}` cannot be the name of an environment: it is no name in C"))
    if faults:
        raise DeclarationError(home or name, text, tuple(faults))
    act = read.act[0]
    actions = int(act.high) + 1 if read.discrete else 0
    return Declaration(
        name, tuple(read.state), tuple(read.obs), act, actions, tuple(read.param), read.limit, functions, code,
        first + 1, home or name,
    )  # fmt: skip


def _first_of_c(lines: list[str]) -> int:
    for number, line in enumerate(lines):
        if line.strip() and not line.strip().startswith("//") and not _LINE.match(line):
            return number
    return len(lines)


class _Read:
    """The block, line by line."""

    def __init__(self, lines: list[str]) -> None:
        self.state: list[Part] = []
        self.obs: list[Part] = []
        self.act: list[Part] = []
        self.param: list[Part] = []
        self.limit, self.discrete = 0, False
        self.faults: list[Fault] = []
        for number, line in enumerate(lines, 1):
            found = _LINE.match(line)
            if found:
                self._take(found["word"], found["rest"], number, found.start("rest") + 1)

    def _take(self, word: str, rest: str, number: int, column: int) -> None:
        def fault(message: str) -> None:
            self.faults.append(Fault(message, number, column, len(rest)))

        counted = _DISCRETE.match(rest)
        if word == "limit" and rest.isdigit() and int(rest) > 0:
            self.limit = int(rest)
        elif word == "act" and counted and int(counted[1]) > 0:
            self.act.append(Part("action", "i32", (), 0, int(counted[1]) - 1))
            self.discrete = True
        elif word != "limit" and (found := _PART.match(rest)):
            self._parts(word, found, fault)
        else:
            fault(f"a line of `{word}` looks like  {SHAPES[word]}")
        if len(self.act) > 1:
            fault("there is one line of `act`")
            del self.act[1:]

    def _parts(self, word: str, found: re.Match[str], fault: object) -> None:
        assert callable(fault)
        kind, own = found["type"], getattr(self, word)
        if kind not in TYPES:
            return fault(f"`{kind}` is no type here; there are {', '.join(TYPES)}")
        if word in ("state", "param") and not found["names"]:
            return fault(f"a line of `{word}` names what it declares: {SHAPES[word]}")
        if word == "param" and (found["default"] is None or found["shape"].strip()):
            return fault(f"a parameter is one number with a default: {SHAPES['param']}")
        if word == "act" and kind != "f32":
            return fault("actions are `discrete n` or of type f32")
        if word == "obs" and self.obs and self.obs[0].type != kind:
            return fault(f"all of an observation has one type, and the lines before have {self.obs[0].type}")
        shape = tuple(int(size) for size in re.findall(r"\d+", found["shape"]))
        if len(shape) > 4 or 0 in shape:
            return fault("a shape has at most four sizes, none of them 0")
        low, high = float(found["low"] or "-inf"), float(found["high"] or "inf")
        if low > high:
            return fault("the lower bound comes first")
        if kind == "u8":
            low, high = max(low, 0.0), min(high, 255.0)
        for name in re.split(r"\s*,\s*", found["names"] or {"obs": "obs", "act": "action"}.get(word, "")):
            if name in _WORDS or any(part.name == name for part in own):
                return fault(f"`{name}` {'means something in C' if name in _WORDS else 'is declared twice'}")
            own.append(Part(name, kind, shape, low, high, float(found["default"] or 0)))
        return None


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
        if not getattr(read, word) and not any(word in fault.message for fault in read.faults):
            yield Fault(f"there is no line of `{word}`; it looks like  {SHAPES[word]}")
    if len(read.obs) > 1 and not all(part.in_rows for part in read.obs):
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
