"""What a call gives back: every state by its name, as an attribute or an item, where it is defined."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sqmagic.runtime.generated import Values
from sqmagic.runtime.kernels.call import between

_WRITTEN = re.compile(r"(?P<state>.+)_(?:(?P<plain>[a-z]|\d+)|\{(?P<braced>[a-z]|-?\d+)(?:,(?P<layer>\d+))?\})")


@dataclass(init=False, repr=False, eq=False)
class _Found:
    """Where DistributedDataParallel finds the tensors of what a call gives: it looks into no mappings but into the
    fields of dataclasses."""

    _tensors: Sequence[Tensor]


class States(_Found, Mapping[str, Tensor]):
    """The states of one call.

    `out["h"]` (or `out.h`, where Python can say the name) is [batch, *shape], or [time, batch, *shape] with rows 1 to T
    for a state over time: NaN outside of its domain, and past the end of an example that is shorter. Base cases are
    `out["h_0"]`, and an item may be called as it is written: `out["h_t"]`, `out["h_{t,2}"]`. `values` hold a state's
    rows from index `rows[state][0]` to T + `rows[state][1]`. States that are computed `inside` others have none.
    """

    def __init__(
        self,
        values: Mapping[str, Tensor],
        rows: Mapping[str, tuple[int, int]],
        names: Mapping[str, str],
        horizon: int = 0,
        lengths: Tensor | None = None,
        inside: Collection[str] = (),
    ) -> None:
        self._values = Values(values)
        self._rows = rows
        self._names = names
        self._horizon = horizon
        self._lengths = lengths
        self._inside = inside

    @property
    def _tensors(self) -> Sequence[Tensor]:  # type: ignore[override]
        return [self._values[state] for state in self._values]

    def __reduce__(self) -> Any:
        """What is pickled or copied are the values of all states, without the gradients that they carry."""
        values = {state: self._values[state].detach().clone() for state in self._values}
        lengths = None if self._lengths is None else self._lengths.clone()
        return States, (values, dict(self._rows), dict(self._names), self._horizon, lengths, self._inside)

    def domain(self, state: str) -> tuple[int, int] | None:
        """The first and the last step from 1 to T at which a state over time is defined; None for one that is not."""
        if state not in self._values:
            raise KeyError(self._unknown(state))
        if state not in self._rows:
            return None
        first, last = self._rows[state]
        return max(first, 1), min(self._horizon + last, self._horizon)

    @property
    def horizon(self) -> int:
        """How many steps there are; 0 where nothing runs over time."""
        return self._horizon

    @property
    def by_name(self) -> Mapping[str, str]:
        """The states by the names that Python can say."""
        return {name: state for state, name in self._names.items() if state in self._values and "." not in state}

    def last(self, example: int) -> int:
        """How many steps one example has."""
        return self._horizon if self._lengths is None else int(self._lengths[example])

    def at(self, state: str, index: int) -> Tensor | None:
        """A state at one index, a base case or past the window too, [batch, *shape]; None where there is no value."""
        if state not in self._values or state not in self._rows:
            return None
        place = index - self._rows[state][0]
        return self._values[state][place] if 0 <= place < len(self._values[state]) else None

    def __getitem__(self, state: str) -> Tensor:
        if state in self._values:
            return self._window(state) if state in self._rows else self._values[state]
        found = placed(self, state)
        value = None if found is None else self[found[0]] if found[1] is None else self.at(found[0], found[1])
        if value is None:
            raise KeyError(self._unknown(state))
        return value

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("__") or "_values" not in self.__dict__:
            raise AttributeError(name)
        state = name if self._names.get(name) == name else self.by_name.get(name, name)
        if state in self._values:
            return self[state]
        raise AttributeError(self._unknown(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.by_name})

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._values)

    def __repr__(self) -> str:
        width = max((len(s) for s in self._values), default=0)
        return "\n".join([f"{len(self._values)} states", *(f"  {s:<{width}}  {self._line(s)}" for s in self._values)])

    def _line(self, state: str) -> str:
        shape, found = self._values.shape(state), self.domain(state)
        if found is None:
            return f"[{', '.join(map(str, shape))}]"
        sizes = ", ".join(map(str, (self._horizon, *shape[1:])))
        where = "" if found == (1, self._horizon) else f"  defined on {found[0]}..{found[1]}"
        return f"[{sizes}]{where}" if found[0] <= found[1] else f"[{sizes}]  defined nowhere: too few steps"

    def _window(self, state: str) -> Tensor:
        """Rows 1 to T; nothing that is put in carries gradient, so nothing poisons one."""
        first, last = self._rows[state]
        value = between(self._values[state], 1 - first if first < 1 else 0, last if last > 0 else 0)
        if first <= 1 and last >= 0 and self._lengths is None:
            return value
        before = min(max(0, first - 1), self._horizon)
        after = self._horizon - before - len(value)
        if before or after:
            value = value if value.is_floating_point() else value.to(torch.get_default_dtype())
            parts = [value.new_full((before, *value.shape[1:]), torch.nan), value]
            value = torch.cat([*parts, value.new_full((after, *value.shape[1:]), torch.nan)])
        return value if self._lengths is None else self._shortened(value, last)

    def _shortened(self, value: Tensor, last: int) -> Tensor:
        assert self._lengths is not None, "some examples are shorter"
        steps = torch.arange(1, self._horizon + 1, device=value.device)
        own = steps[:, None] <= self._lengths + min(last, 0)
        if bool(own.all()):
            return value
        value = value if value.is_floating_point() else value.to(torch.get_default_dtype())
        return torch.where(own.reshape(*own.shape, *[1] * (value.dim() - 2)), value, torch.nan)

    def _unknown(self, name: str) -> str:
        if (state := state_of(name, self._inside)) is not None:
            return f"`{state}` is computed where it is read and not held: net.probe({name!r}, …) gives its values"
        return f"there is no state `{name}` here; there are {', '.join(self._values)}"


# Functions, so that states may be called as they are.


def placed(states: States, name: str) -> tuple[str, int | None] | None:
    """The state that a name is of, as it is written, and the index of a point: `h`, `h_t` and layer 2 of a stack,
    `h_{t,2}`, which is the state h_2; `h_0`, `h_{-1}`, `h_{0,2}`. None for any other name."""
    called = states.by_name.get(name, name)
    if called in states._values:
        return called, None
    found = _WRITTEN.fullmatch(name)
    stem = "" if found is None else found["state"] + (f"_{found['layer']}" if found["layer"] else "")
    state = states.by_name.get(stem, stem)
    if found is None or state not in states._rows or state not in states._values:
        return None
    index = found["plain"] or found["braced"]
    return state, None if index.isalpha() else int(index)


def held(states: States) -> dict[str, tuple[tuple[int, int] | None, Tensor]]:
    """All rows that there are of each state, those beside the window too, with the index of the first and that of the
    last, counted from T; None for a state that is not over time."""
    return {state: (states._rows.get(state), states._values[state]) for state in states}


def lengths(states: States) -> list[int] | None:
    """How many steps each example has; None where all have all."""
    return None if states._lengths is None else [int(n) for n in states._lengths.tolist()]


def state_of(name: str, among: Collection[str]) -> str | None:
    """The one of these states that a name is of, as it is written: `a_t`, `a`, `Enc.a_t`."""
    return next((each for each in (name, re.sub(r"_[a-z]$", "", name)) if each in among), None)
