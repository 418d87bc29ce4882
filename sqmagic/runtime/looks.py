"""What data that fitted looked like: what looks the same fits as well, and need not be examined once more.

A look is the names, kinds, shapes and types of what is given. Only data that were taken as they are leave one: real
numbers of the net's own type, on its device. Whole numbers are examined each time, for their values may not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from sqmagic.runtime import generated, precision
from sqmagic.runtime.blueprint import InputSpec
from sqmagic.runtime.inputs import Data
from sqmagic.runtime.plan import Size

MOST = 64
"""Looks that are remembered for each module of generated code."""


class Known(NamedTuple):
    """Pairs of the name under which a tensor is given and the one that the generated code has for it, the size, and of
    the generated code how it is called and what rows states have."""

    names: tuple[tuple[str, str], ...]
    size: Size
    forward: Callable[..., Mapping[str, Any]]
    rows: Mapping[str, tuple[int, int]]

    def values(self, code: nn.Module, like: Tensor, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The states of such data."""
        with precision.arithmetic(like):
            found = self.forward(code, **{name: given[own] for own, name in self.names})
        return precision.given_out(found, like)


def seen(code: nn.Module, like: Tensor, given: Mapping[str, Any]) -> Known | None:
    """What is known of such a call, if there has been one."""
    own = vars(code).get("_looks")
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
    own = vars(code).setdefault("_looks", {})
    if len(own) >= MOST:
        own.clear()
    own[look] = Known(names, size, vars(type(code))["forward"], generated.rows(code))


def _look(like: Tensor, given: Mapping[str, Any]) -> Hashable:
    parts: list[Hashable] = [like.dtype, like.device]
    for name, value in given.items():
        if not isinstance(value, Tensor):
            return None
        parts.append((name, type(value), value.shape, value.dtype, value.device))
    return tuple(parts)
