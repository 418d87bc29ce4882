"""What data that fitted looked like: what looks the same fits as well, and need not be examined once more.

A look is the names, kinds, shapes and types of what is given. Only data that were taken as they are leave one: real
numbers of the net's own type, on its device. Whole numbers are examined each time, for their values may not fit.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from sqmagic.runtime import generated
from sqmagic.runtime.blueprint import InputSpec
from sqmagic.runtime.inputs import Data
from sqmagic.runtime.plan import Size

MOST = 64
"""Looks that are remembered for each module of generated code."""


class Known(NamedTuple):
    """Pairs of the name under which a tensor is given and the one that the generated code has for it, and the size."""

    names: tuple[tuple[str, str], ...]
    size: Size

    def keywords(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {name: given[own] for own, name in self.names}


_known: WeakKeyDictionary[nn.Module, dict[Hashable, Known]] = WeakKeyDictionary()


def seen(code: nn.Module, like: Tensor, given: Mapping[str, Any]) -> Known | None:
    """What is known of such a call, if there has been one."""
    own = _known.get(code)
    return own.get(_look(like, given)) if own else None


def note(
    code: nn.Module,
    like: Tensor,
    given: Mapping[str, Any],
    specs: Sequence[InputSpec],
    ready: Data,
    size: Size,
) -> None:
    """Remembers a call whose data were taken as they are."""
    look = _look(like, given)
    if look is None or ready.lengths is not None:
        return
    by_name = {spec.name: spec for spec in specs} | {spec.state: spec for spec in specs}
    plain = all(by_name[n].kind == "real" and ready.tensors[by_name[n].state] is v for n, v in given.items())
    if not plain or generated.takes(code, "forward", "horizon"):
        return
    arguments = generated.arguments(code)
    pairs = [(name, arguments[by_name[name].state]) for name in given]
    names = tuple((own, name) for own, name in pairs if generated.takes(code, "forward", name))
    own = _known.setdefault(code, {})
    if len(own) >= MOST:
        own.clear()
    own[look] = Known(names, size)


def _look(like: Tensor, given: Mapping[str, Any]) -> Hashable:
    parts: list[Hashable] = [like.dtype, like.device]
    for name, value in given.items():
        if not isinstance(value, Tensor):
            return None
        parts.append((name, type(value), value.shape, value.dtype, value.device))
    return tuple(parts)
