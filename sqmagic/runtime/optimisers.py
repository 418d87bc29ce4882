"""What moves the weights: the optimiser given to `fit`, and the transforms that a program puts on its layers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import Parameter, signature
from typing import Any

import torch
from torch import Tensor, nn

from sqmagic.runtime.blueprint import Transforms
from sqmagic.runtime.errors import InputError

RATE = 1e-3
"""The learning rate where none is given."""

_NAMED: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}


@dataclass(frozen=True, slots=True)
class Optimiser:
    """Optimisers of disjoint groups of parameters, and the groups whose gradient is clipped before; `shared` is that of
    all layers that have none of their own."""

    parts: tuple[torch.optim.Optimizer, ...]
    clipped: tuple[tuple[tuple[nn.Parameter, ...], float], ...]
    shared: torch.optim.Optimizer | None = None

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def set_rate(self, lr: float) -> None:
        """A new learning rate, but for layers that have an optimiser of their own."""
        if self.shared is not None:
            for group in self.shared.param_groups:
                group["lr"] = lr

    @property
    def rate(self) -> float:
        """The learning rate that is shared."""
        return 0.0 if self.shared is None else float(self.shared.param_groups[0]["lr"])

    def clip(self) -> None:
        for parameters, most in self.clipped:
            nn.utils.clip_grad_norm_(parameters, most)

    def step(self, again: Callable[[], Tensor] | None = None) -> None:
        """`again` computes the loss and its gradient anew, for those that ask more than once (LBFGS)."""
        self.clip()
        for part in self.parts:
            kind: Any = type(part)
            if not _asks(kind):
                part.step()
            elif again is not None:
                part.step(again)  # type: ignore[arg-type]
            else:
                raise InputError(f"{type(part).__name__} asks for the loss several times in a step: only fit gives it")


@cache
def _asks(kind: Any) -> bool:
    """Whether a step cannot be made without what computes the loss."""
    closure = signature(kind.step).parameters.get("closure")
    return closure is not None and closure.default is Parameter.empty


def optimiser(
    parameters: Mapping[str, nn.Parameter], updates: Mapping[str, Transforms], chosen: Any, lr: float
) -> Optimiser:
    """Each layer's own optimiser where the program names one, and `chosen` for all other parameters. Raises
    InputError."""
    own: list[torch.optim.Optimizer] = []
    clipped: list[tuple[tuple[nn.Parameter, ...], float]] = []
    taken: set[str] = set()
    for layer, transforms in updates.items():
        names = [n for n, p in parameters.items() if (n == layer or n.startswith(f"{layer}.")) and p.requires_grad]
        group = tuple(parameters[n] for n in names)
        for transform, settings in transforms if group else ():
            if transform == "clip_grad":
                clipped.append((group, settings.get("max_norm", 1.0)))
            elif transform in _OWN:
                own.append(_OWN[transform](group, settings))
                taken.update(names)
    rest = [p for n, p in parameters.items() if n not in taken and p.requires_grad]
    if isinstance(chosen, torch.optim.Optimizer):
        _check(chosen, parameters, taken)
    first = [_made(chosen, rest, lr)] if rest else []
    return Optimiser((*first, *own), tuple(clipped), first[0] if first else None)


def without_effect(moves: Optimiser, **asked: Any) -> None:
    """Warns of what was asked of an optimiser that no layer takes, as all have one of their own."""
    named = [f"`{name}`" for name, value in asked.items() if value is not None]
    if named and moves.parts and moves.shared is None:
        have = "has no effect" if len(named) == 1 else "have no effect"
        words = f"{' and '.join(named)} {have}: the program gives every layer an optimiser of its own, with its rate"
        warnings.warn(words, stacklevel=4)  # where `fit` or `train_on` is called


def _check(chosen: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter], taken: set[str]) -> None:
    """An optimiser that is made moves parameters of this net, and none that the program moves. Raises InputError."""
    held = {id(p) for group in chosen.param_groups for p in group["params"]}
    if not any(id(p) in held for p in parameters.values()):
        raise InputError("`optimizer` holds no parameter of this net: make it of net.parameters(), or give its class")
    twice = [name for name in parameters if name in taken and id(parameters[name]) in held]
    if twice:
        raise InputError(
            f"`optimizer` holds `{twice[0]}`, which the program has an optimiser for: leave such parameters out of it, "
            f"or give its class, optimizer=torch.optim.{type(chosen).__name__}"
        )


def _made(chosen: Any, parameters: list[nn.Parameter], lr: float) -> torch.optim.Optimizer:
    if isinstance(chosen, torch.optim.Optimizer):
        return chosen
    if isinstance(chosen, str) and chosen not in _NAMED:
        raise InputError(
            f'there is no optimizer "{chosen}"; there are {", ".join(_NAMED)}, and any class of torch.optim'
        )
    factory = torch.optim.Adam if chosen is None else _NAMED[chosen] if isinstance(chosen, str) else chosen
    if not callable(factory):
        raise InputError("`optimizer` is a name, or a class or function that is called with parameters and lr=…")
    made: torch.optim.Optimizer = factory(parameters, lr=lr)
    return made


def _adam(group: Sequence[nn.Parameter], settings: Mapping[str, float]) -> torch.optim.Optimizer:
    betas = (settings.get("beta1", 0.9), settings.get("beta2", 0.999))
    return torch.optim.Adam(group, lr=settings.get("lr", 1e-3), betas=betas, eps=settings.get("eps", 1e-8))


def _sgd(group: Sequence[nn.Parameter], settings: Mapping[str, float]) -> torch.optim.Optimizer:
    return torch.optim.SGD(group, lr=settings.get("lr", 1e-2), momentum=settings.get("momentum", 0.0))


_OWN = {"adam_opt": _adam, "sgd_opt": _sgd}
"""Transforms that are optimisers of their own."""
