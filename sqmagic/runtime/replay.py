"""Buffers of transitions: what `Add_B` puts in and `Get_B` draws, with any fields; memory and drawing are in C.

B = Buffer(50_000, batch=256, names=("O", "a", "r", "O'", "d"))
B.add(O, a, r, O_prime, d)          # one row for each environment
draw = B.get()                      # draw["O"], draw["a"], …; fresh tensors, with replacement
draw = B.get(out=draw)              # the next one in the same tensors: none is made anew
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sqmagic.world import _core
from sqmagic.world.errors import WorldError

KINDS = {torch.float32: "f", torch.float64: "d", torch.int64: "q", torch.int32: "i", torch.uint8: "B", torch.bool: "?"}


@dataclass(frozen=True, slots=True)
class Roles:
    """Which fields mean what, where that matters: the reward, terminated, terminated or truncated, the observation and
    the one after the step."""

    reward: str = "r"
    over: str = "d"
    cut: str = "cut"
    before: str = "O"
    after: str = "O'"


@dataclass(frozen=True, slots=True)
class Draw(Mapping[str, Tensor]):
    """What was drawn, by field. `slots` say where it lies, `weights` make up for priorities; `discount` multiplies the
    value of what comes after (0 where the episode terminated) if the buffer looks several steps ahead."""

    fields: Mapping[str, Tensor]
    slots: Tensor
    weights: Tensor | None = None
    discount: Tensor | None = None
    memory: tuple[Any, ...] = field(default=(), repr=False)
    """The slots, the weights and the fields as arrays over the same memory, where a draw can be made into it again."""

    def __getitem__(self, name: str) -> Tensor:
        return self.fields[name]

    def __iter__(self) -> Any:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)


@dataclass(frozen=True, slots=True)
class Field:
    """How a field is kept: its shape, the type it has outside and the one it is stored in."""

    name: str
    shape: tuple[int, ...]
    given: torch.dtype
    stored: torch.dtype


@dataclass(slots=True)
class Buffer:
    """The last `capacity` transitions. What fields there are, the first `add` tells.

    `batch` is how many `get` draws. With `alpha` draws go by priority (that power of it), corrected by `beta`. With
    `steps` above 1 the reward is the discounted sum over so many steps of one episode, and what comes after is seen
    at its end. `small` names fields of whole numbers from 0 to 255, kept as bytes. With `frames` the observation is a
    stack of so many frames of which each is stored once: `add` then takes the newest frame as `roles.before` and no
    `roles.after`, which `get` gives all the same.
    """

    capacity: int
    batch: int = 256
    names: Sequence[str] = ()
    seed: int = 0
    alpha: float | None = None
    beta: float = 0.4
    steps: int = 1
    gamma: float = 0.99
    small: Sequence[str] = ()
    frames: int = 0
    roles: Roles = Roles()
    _core: Any = None
    _fields: tuple[Field, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return 0 if self._core is None else int(self._core.size)

    @property
    def core(self) -> Any:
        """The buffer itself; None before its fields are known."""
        return self._core

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(own.name for own in self._fields)

    def add(self, *given: Tensor) -> None:
        """Puts in a row for each environment: tensors [batch, *shape] in the order of the names."""
        rows = [value.detach().cpu() for value in given]
        self.begin(rows)
        if len(rows) != len(self._fields):
            raise WorldError(f"the buffer has the fields {self._listed()}, and {len(rows)} were given")
        for own, row in zip(self._fields, rows, strict=True):
            if tuple(row.shape[1:]) != own.shape or row.dtype != own.given:
                raise WorldError(
                    f"field {own.name} of the buffer holds {list(own.shape)} of {own.given}, "
                    f"not {list(row.shape[1:])} of {row.dtype}"
                )
        self._core.add(*(r.to(f.stored).numpy() for r, f in zip(rows, self._fields, strict=True)))

    def get(self, batch: int | None = None, out: Draw | None = None) -> Draw:
        """Draws transitions; a reward over several steps and what follows them are worked out now. With `out`, a draw
        of this buffer that is no longer needed, its tensors are written over and it is given back."""
        if self._core is None:
            raise WorldError("nothing has been added to this buffer yet")
        if out is not None:
            if batch not in (None, len(out.slots)):
                raise WorldError(f"`out` has room for {len(out.slots)} transitions, not for {batch}")
            return self._again(out)
        slots = torch.empty(batch or self.batch, dtype=torch.int64)
        rows = {f.name: torch.empty(len(slots), *f.shape, dtype=f.stored) for f in self._fields}
        if self._is_plain:
            weights = None if self.alpha is None else torch.empty(len(slots), 1)
            kept = None if weights is None else weights[:, 0].numpy()
            return self._again(
                Draw(rows, slots, weights, None, (slots.numpy(), kept, *(r.numpy() for r in rows.values())))
            )
        weights = self._choose(slots)
        ahead = self._ahead(slots, rows) if self.steps > 1 else None
        self._read(slots, rows, () if ahead is None else (self.roles.reward, self.roles.after, self.roles.over))
        fields = {f.name: rows[f.name].to(f.given) for f in self._fields}
        if self.frames:
            fields |= self._stacks(slots)
        return Draw(fields, slots, weights, None if ahead is None else ahead.unsqueeze(1))

    @property
    def _is_plain(self) -> bool:
        """What is drawn is what was put in, as it was put in."""
        return self.steps == 1 and not self.frames and all(f.given == f.stored for f in self._fields)

    def _again(self, out: Draw) -> Draw:
        slots, weights, *rows = out.memory or (None, None)
        if [*out.fields] != [f.name for f in self._fields] or not rows or (weights is None) != (self.alpha is None):
            raise WorldError(
                "only a draw of this buffer, of single steps in the types that were put in, is written over"
            )
        if weights is None:
            self._core.sample(slots, *rows)
        else:
            self._core.prefer(slots, weights, self.beta)
            self._core.gather(slots, *rows)
        return out

    def update(self, draw: Draw, priorities: Tensor) -> None:
        """Gives what was drawn new priorities, [batch] or [batch, 1]: finite, and above 0."""
        self._core.update(draw.slots.numpy(), priorities.detach().to("cpu", torch.float32).reshape(-1).numpy())

    def begin(self, rows: Sequence[Tensor]) -> None:
        """Makes room for fields like these rows, unless there is."""
        if self._core is not None:
            return
        names = tuple(self.names) or tuple(str(number) for number in range(len(rows)))
        if len(names) != len(rows) or not rows or any(row.dim() == 0 for row in rows):
            raise WorldError(
                f"the buffer has the fields {', '.join(names)}, and {len(rows)} were given, a row for each environment"
            )
        ends = (self.roles.over, self.roles.cut) if self.steps > 1 or self.frames else ()
        missing = [n for n in ends if n not in names]
        if missing:
            raise WorldError(f"a buffer that follows steps has the field {missing[0]}: where episodes end")
        if self.frames and (self.steps > 1 or self.alpha is not None):
            raise WorldError("a buffer that stores frames once draws uniformly, and looks one step ahead")
        self._fields = tuple(
            Field(n, tuple(r.shape[1:]), r.dtype, _stored(r.dtype, n in self.small, n in ends))
            for n, r in zip(names, rows, strict=True)
        )
        lanes = len(rows[0])
        capacity = max(self.capacity // lanes, 1) * lanes
        kinds = [
            (KINDS[f.stored], torch.empty(0, dtype=f.stored).element_size(), int(np.prod(f.shape, dtype=int)))
            for f in self._fields
        ]
        self._core = _core.Replay(capacity, kinds, self.seed, -1.0 if self.alpha is None else self.alpha)

    def _listed(self) -> str:
        return ", ".join(f.name for f in self._fields)

    def _number(self, name: str) -> int:
        return next(k for k, f in enumerate(self._fields) if f.name == name)

    def _choose(self, slots: Tensor) -> Tensor | None:
        if self.alpha is not None:
            weights = torch.empty(len(slots))
            self._core.prefer(slots.numpy(), weights.numpy(), self.beta)
            return weights.unsqueeze(1)
        if self.frames:
            self._core.whole(slots.numpy(), self._number(self.roles.over), self._number(self.roles.cut))
        else:
            self._core.sample(slots.numpy(), *[None] * len(self._fields))
        return None

    def _read(self, slots: Tensor, rows: Mapping[str, Tensor], but: Sequence[str]) -> None:
        self._core.gather(slots.numpy(), *(None if f.name in but else rows[f.name].numpy() for f in self._fields))

    def _ahead(self, slots: Tensor, rows: dict[str, Tensor]) -> Tensor:
        """Fills in the reward over several steps, and what is seen and over at their end; gives the discount there."""
        roles, count = self.roles, len(slots)
        returns, last, discount = torch.empty(count), torch.empty_like(slots), torch.empty(count)
        numbers = [self._number(name) for name in (roles.reward, roles.over, roles.cut)]
        self._core.follow(
            slots.numpy(), self.steps, self.gamma, *numbers, returns.numpy(), last.numpy(), discount.numpy()
        )
        self._read(last, rows, [f.name for f in self._fields if f.name not in (roles.after, roles.over)])
        rows[roles.reward] = returns.reshape(rows[roles.reward].shape)
        return discount

    def _stacks(self, slots: Tensor) -> dict[str, Tensor]:
        own = self._fields[self._number(self.roles.before)]
        frames = torch.empty(len(slots), self.frames + 1, *own.shape, dtype=own.stored)
        self._core.stacked(slots.numpy(), self._number(own.name), self._number(self.roles.cut), frames.numpy())
        frames = frames.to(own.given)
        return {self.roles.before: frames[:, :-1].flatten(1, 2), self.roles.after: frames[:, 1:].flatten(1, 2)}


def _stored(given: torch.dtype, small: bool, end: bool) -> torch.dtype:
    if given not in KINDS:
        raise WorldError(f"a buffer cannot hold {given}; it can hold {', '.join(map(str, KINDS))}")
    return torch.bool if end else torch.uint8 if small else given
