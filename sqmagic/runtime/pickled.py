"""Layers whose class stands on a generated page: they are pickled with the page's text, for it is no module that can be
imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from sqmagic.runtime import generated


def with_page(code: nn.Module, source: str, name: str) -> None:
    """The classes that the page of generated code has besides it: their layers can be pickled."""
    own = type(code)
    for kind in _page(code).values():
        if isinstance(kind, type) and issubclass(kind, nn.Module) and kind.__module__ == own.__module__ and kind != own:
            kind.__reduce_ex__ = _reduced(source, name)  # type: ignore[assignment]


def _page(code: nn.Module) -> dict[str, Any]:
    found: dict[str, Any] = vars(type(code))["__init__"].__globals__
    return found


def _reduced(source: str, name: str) -> Callable[[nn.Module, int], Any]:
    def reduced(layer: nn.Module, protocol: int) -> Any:
        return _empty, (source, name, type(layer).__name__), layer.__dict__

    return reduced


def _empty(source: str, name: str, kind: str) -> nn.Module:
    """A layer of one of the page's classes, without anything in it yet."""
    code = generated.twin(nn.Module(), source, name)
    with_page(code, source, name)
    found: type[nn.Module] = _page(code)[kind]
    return found.__new__(found)
