"""The lines of a group: each value once for an example and a vector of units, and stored where it is asked for.

What has a name in the notation has it here, with the equation beside it; what is used once stands where it is used.

A slow function (`tanh`) is a chain of instructions that wait for one another, and a processor does not look far ahead
for others meanwhile. So its arguments for all examples and units at hand are put into an array, the function is
computed of all of them together, and what needs it stands in a loop of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqmagic.emit.c.equations import told
from sqmagic.emit.c.names import at
from sqmagic.emit.c.operators import ATOM, FOLDS, FUNCTIONS, INFIX, MANY, PRODUCT, SIGN
from sqmagic.emit.c.places import Writing, counted, own_place, place
from sqmagic.schedule.plan.nodes import (
    Contract,
    Fold,
    Join,
    Length,
    Map,
    Number,
    Places,
    Product,
    Row,
    Share,
    Spread,
    Step,
    Turn,
    needed,
    width,
)
from sqmagic.schedule.plan.phases import Group, Store

if TYPE_CHECKING:
    from sqmagic.schedule.plan.scans import Scan

LONG = 88

FROM = "unit + v * LANES"
"""In C, the first unit of a vector."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of C; `plain` if it is a number and not yet a vector."""

    text: str
    tight: int = ATOM
    plain: bool = False


class Lines:
    """The lines of one group. `pointers` are what they read and write: by name, the pointer to the first example's
    row, the stride of examples, and whether it is only read; `strides` what these are called in the function; `loops`
    the lines of each loop over units and examples, `after` the functions computed when it has run, `left` the arrays
    that it leaves.
    """

    def __init__(self, writing: Writing, group: Group, tile: Mapping[int, int]) -> None:
        self.writing, self.group, self.tile = writing, group, tile
        self.nodes = writing.scan.nodes
        self.pointers: dict[str, tuple[str, str, bool]] = {}
        self.wide: dict[str, bool] = {}
        self.left: list[str] = []
        self.strides: dict[str, str] = {}
        self.texts: dict[int, Text] = {}
        self.states = {number: state for state, number in reversed(list(writing.scan.values.items()))}
        self.equations = {t.state: e for e in writing.scan.equations for t in e.targets}
        self.taken: set[str] = {"s", "t", "unit", "n", "m", "i", "j", "v", "from", "to", "tile", "sums"}
        order = self._order()
        self.uses = self._uses(order)
        stores: dict[int, list[Store]] = {}
        for store in group.stores:
            stores.setdefault(store.value, []).append(store)
        self.first, self.last = self._loops(sorted(order), stores)
        count = 1 + max(self.last.values(), default=0)
        self.loops: list[list[str]] = [[] for _ in range(count)]
        self.after: list[list[str]] = [[] for _ in range(count)]
        for number in sorted(order | set(stores)):
            self._value(number, bool(stores.get(number)))
            for store in stores.get(number, ()):
                self._store(number, store)

    def parameters(self) -> list[str]:
        return [f"{'const ' * constant}real *{name}" for name, (_, _, constant) in self.pointers.items()]

    def arguments(self) -> list[str]:
        found = []
        for name, (_, stride, constant) in self.pointers.items():
            moved = f"{name} + row * {stride}" + " + unit" * self.wide[name]
            found.append(moved if constant else f"{name} ? {moved} : 0")
        return found

    # --- which values ----------------------------------------------------------------------------

    def _order(self) -> set[int]:
        """The values that this group computes or loads."""
        found: set[int] = set()
        stack = [store.value for store in self.group.stores]
        while stack:
            number = stack.pop()
            if number not in found:
                found.add(number)
                if self._here(number):
                    stack.extend(needed(self.nodes[number]) if isinstance(self.nodes[number], Map) else ())
        return found

    def _here(self, number: int) -> bool:
        """Whether the value is computed and not read from memory."""
        return number in self.group.computed

    def _uses(self, order: set[int]) -> dict[int, int]:
        found: dict[int, int] = {}
        for number in order:
            if self._here(number) and isinstance(self.nodes[number], Map):
                for arg in needed(self.nodes[number]):
                    found[arg] = found.get(arg, 0) + 1
        return found

    def _loops(self, order: list[int], stores: Mapping[int, object]) -> tuple[dict[int, int], dict[int, int]]:
        """For each value the loop that computes it, and the last one that needs it."""
        slow: dict[int, int] = {}  # how many slow functions are waited for, one after the other
        for number in order:
            slow[number] = max((slow[a] for a in self._args(number)), default=0) + self._is_slow(number)
        first, users = dict(slow), {number: list[int]() for number in order}
        for number in reversed(order):  # what waits for nothing is computed where it is needed first
            if not slow[number] and number not in stores:
                first[number] = min(users[number], default=0)
            for arg in self._args(number):
                users[arg].append(first[number] - self._is_slow(number))
        return first, {number: max([first[number], *users[number]]) for number in order}

    def _args(self, number: int) -> tuple[int, ...]:
        """What a value that is computed here is computed from."""
        node = self.nodes[number]
        return node.args if self._here(number) and isinstance(node, Map) else ()

    def _is_slow(self, number: int) -> bool:
        node = self.nodes[number]
        return self._here(number) and isinstance(node, Map) and node.op in MANY

    # --- values as text --------------------------------------------------------------------------

    def _value(self, number: int, stored: bool) -> None:
        node = self.nodes[number]
        if self._is_slow(number):
            self._many(number)
            return
        text = self._text(number)
        state = self.states.get(number) if self._here(number) else None
        once = self.uses.get(number, 0) + stored <= 1 and len(text.text) < LONG
        once = once and (self.first[number] == self.last[number] or not self._here(number))
        if text.plain or (state is None and once):
            self.texts[number] = text
            return
        name = self._name(number, state)
        kept = self.last[number] > self.first[number]
        line = f"{name}[j] = {text.text};" if kept else f"const vec {name} = {text.text};"
        self.loops[self.first[number]] += _told(line, self._comment(state))
        self._name_it(number, name, kept)
        assert not (isinstance(node, Join) and self._here(number)), "a concatenation is computed part by part"

    def _many(self, number: int) -> None:
        """A slow function: its argument into an array, and the function of all that is in it."""
        (arg,), node = self._args(number), self.nodes[number]
        assert isinstance(node, Map)
        state = self.states.get(number)
        name = self._name(number, state)
        loop = self.first[number] - 1
        self.loops[loop].append(f"{name}[j] = {_vector(self.texts[arg]).text};")
        self.after[loop] += _told(f"{MANY[node.op]}({name}, count);", self._comment(state))
        self._name_it(number, name, True)

    def _name_it(self, number: int, name: str, kept: bool) -> None:
        if kept:
            self.left.append(name)
        self.texts[number] = Text(f"{name}[j]" if kept else name)

    def _comment(self, state: str | None) -> str:
        return f" /* {told(self.equations[state])} */" if state in self.equations else ""

    def _name(self, number: int, state: str | None) -> str:
        names, node = self.writing.names, self.nodes[number]
        match node:
            case Row(read, offset, _, own):
                name = f"{names[f'own:{read}' if own else f'row:{read}']}_{at(offset)}"
            case _ if state is not None:
                name = f"{names[f'own:{state}']}_t"
            case _:
                name = f"v{number}"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def _text(self, number: int) -> Text:
        node = self.nodes[number]
        if not self._here(number):
            return self._loaded(number)
        match node:
            case Product():
                offset = f" + {self.tile[number]} * TALL * LANES" if self.tile[number] else ""
                return Text(f"load(sums{offset}, LANES)")
            case Fold(op, arg, 1):
                return Text(f"all({FOLDS[op]}({self._whole(arg)}, {width(self.nodes[arg])}))")
            case Fold(op, arg, rows):
                return Text(f"{FOLDS[op]}_rows({self._whole(arg)}, {FROM}, n, {width(self.nodes[arg]) // rows})")
            case Spread(arg, each):
                return Text(f"spread({self._whole(arg)}, {FROM}, {each}, {width(self.nodes[arg])})")
            case Turn(arg, rows, wide):
                return Text(f"turned({self._whole(arg)}, {FROM}, n, {rows}, {wide // rows})")
            case Contract():
                return Text(self._contract(node))
            case Map():
                return self._map(node)
            case _:
                return self._loaded(number)

    def _loaded(self, number: int) -> Text:
        node = self.nodes[number]
        match node:
            case Number(value):
                return Text(_number(value), SIGN if value < 0 else ATOM, True)
            case Step(offset):
                return Text(f"(real)(t + {offset})" if offset else "(real)t", SIGN, True)
            case Length(offset):
                steps = self.writing.scan.steps
                return Text(f"(real)({counted(offset + steps.first - 1 - steps.last)})", SIGN, True)
            case Share(more):
                return Text(f"1 / (real)(({counted(more)}) * s->batch)", PRODUCT, True)
            case Places():
                return Text(f"places_from({FROM})")
            case _:
                wide = width(node) > 1 or self.group.width == 1
                pointer, stride = self._pointer(number, wide)
                return Text(f"load({_moved(pointer, stride)}, n)" if wide else f"all(({pointer})[i * {stride}])")

    def _contract(self, node: Contract) -> str:
        """A product of matrices; with a vector a sum over the columns, or over the rows where these are turned."""
        left, right = self._whole(node.left), self._whole(node.right)
        if node.columns == 1:
            turned = f"of_columns({left}, {right}, {FROM}, n, {node.rows}, {node.inner})"
            return turned if node.left_turned else f"of_rows({left}, {right}, {FROM}, n, {node.inner})"
        turned = f"{int(node.left_turned)}, {int(node.right_turned)}"
        return f"of_matrices({left}, {right}, {FROM}, n, {node.rows}, {node.inner}, {node.columns}, {turned})"

    def _whole(self, number: int) -> str:
        """Where an example's row begins: all of it is read, whatever the units at hand."""
        pointer, stride = self._pointer(number, False)
        return pointer if stride == "0" else f"{pointer} + i * {stride}"

    def _pointer(self, number: int, wide: bool) -> tuple[str, str]:
        """A pointer to the units at hand, or to the whole row."""
        found = place(self.writing, number)
        name = found.name if self.wide.get(found.name, wide) == wide else f"{found.name}_{'units' if wide else 'whole'}"
        self.wide[name] = wide
        self.pointers.setdefault(name, (found.pointer, found.stride, True))
        return name, self._local(found.stride)

    def _local(self, stride: str) -> str:
        """A stride as a number of the function's own, for what is stored might change the struct's."""
        return stride if stride == "0" else self.strides.setdefault(stride, stride.removeprefix("s->"))

    def _map(self, node: Map) -> Text:
        args = [self.texts[a] for a in node.args]
        vectors = [_vector(a) for a in args]
        if node.op in INFIX:
            sign, tight = INFIX[node.op]
            if all(a.plain for a in args):
                args = [vectors[0], args[1]]
            left, right = args
            return Text(f"{_within(left, tight)} {sign} {_within(right, tight + 1)}", tight)
        match node.op:
            case "copy" | "kept":
                return vectors[0]
            case "during":
                return Text(f"during({_condition(self.writing.scan, node.setting)}, {vectors[0].text})")
            case "neg":
                return Text(f"-{_within(vectors[0], ATOM)}", SIGN)  # -- is another operator
            case _:
                return Text(f"{FUNCTIONS[node.op]}({', '.join(v.text for v in vectors)})")

    # --- storing ---------------------------------------------------------------------------------

    def _store(self, number: int, store: Store) -> None:
        scan, names = self.writing.scan, self.writing.names
        plane = next(p for p in scan.phases.planes if p.name == store.plane)
        name = f"{names[f'own:{plane.name}']}_to_{store.start}" if store.start else f"{names[f'own:{plane.name}']}_to"
        found = own_place(self.writing, plane.name, 0, name, store.start)
        member = names[f"own:{plane.name}"]
        pointer = found.pointer if plane.needed else f"s->{member} ? {found.pointer} : 0"
        self.pointers[name] = (pointer, found.stride, False)
        self.wide[name] = True
        guard = "" if plane.needed else f"if ({name}) "
        line = f"{guard}store({_moved(name, self._local(found.stride))}, {_vector(self.texts[number]).text}, n);"
        self.loops[self.first.get(number, 0)].append(line)


def _told(line: str, comment: str) -> list[str]:
    """A line and the equation beside it, or before it."""
    return [comment.strip(), line] if comment and len(line) + len(comment) > 110 else [line + comment]


def _moved(pointer: str, stride: str) -> str:
    """Where an example's vector of units stands."""
    return f"{pointer} + v * LANES" if stride == "0" else f"{pointer} + i * {stride} + v * LANES"


def _condition(scan: Scan, setting: str) -> str:
    """Whether t + an offset lies from a first step to T + a last."""
    _, offset, first, last = setting.split(":")
    step = "t" if offset == "0" else f"t {'+' if int(offset) > 0 else '-'} {abs(int(offset))}"
    parts = [f"{step} >= {first}"] if first else []
    if last:
        parts.append(f"{step} <= {counted(scan.steps.first - 1 - scan.steps.last + int(last))}")
    return " && ".join(parts) or "1"


def _number(value: float) -> str:
    if value != value:
        return "(real)NAN"
    if value in (float("inf"), float("-inf")):
        return "(real)INFINITY" if value > 0 else "-(real)INFINITY"
    return str(int(value)) if value.is_integer() and abs(value) < 1e6 else f"(real){value!r}"


def _vector(text: Text) -> Text:
    return Text(f"all({text.text})") if text.plain else text


def _within(text: Text, least: int) -> str:
    return text.text if text.tight >= least else f"({text.text})"
