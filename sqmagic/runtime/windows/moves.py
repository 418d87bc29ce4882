"""Optimisers of torch as C moves weights with them: their settings, and their memory where torch keeps it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from sqmagic.runtime.optimisers import Optimiser

STAYS, ADAM, SGD = range(3)


class Parameter(ctypes.Structure):
    _fields_ = (
        *((n, ctypes.c_void_p) for n in ("values", "gradient", "first", "second", "good", "moved")),
        ("count", ctypes.c_long),
        ("group", ctypes.c_long),
    )


class Group(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_long), *((n, ctypes.c_double) for n in ("rate", "beta1", "beta2", "eps")))


class Bound(ctypes.Structure):
    _fields_ = (("members", ctypes.c_void_p), ("count", ctypes.c_long), ("most", ctypes.c_double))


def obstacle(moves: Optimiser) -> str:
    """Why C cannot do what these optimisers do, in words that follow "because"; nothing if it can."""
    for part in moves.parts:
        for group in part.param_groups:
            if _kind(part, group) == STAYS:
                return f"{type(part).__name__}, as it is set, has no C"
    return ""


def _kind(part: torch.optim.Optimizer, group: Mapping[str, Any]) -> int:
    plain = not any(
        group.get(n) for n in ("weight_decay", "maximize", "amsgrad", "nesterov", "dampening", "capturable")
    )
    hooked = part._optimizer_step_pre_hooks or part._optimizer_step_post_hooks
    if not plain or hooked or not isinstance(group["lr"], float | int):
        return STAYS
    if type(part) is torch.optim.Adam and not isinstance(group["betas"][0], Tensor):
        return ADAM
    return SGD if type(part) is torch.optim.SGD else STAYS


class Moves:
    """The tables of all parameters, with what keeps their memory. `finish` gives torch's optimisers what they know."""

    def __init__(
        self, moves: Optimiser, parameters: Mapping[str, nn.Parameter], gradients: Mapping[str, Tensor]
    ) -> None:
        self._moves, self.keep, self._momenta = moves, list[Any](), list[tuple[Any, Tensor, Tensor]]()
        groups, home = [Group(STAYS, 0.0, 0.0, 0.0, 0.0)], dict[int, tuple[int, Any]]()
        for part in moves.parts:
            for group in part.param_groups:
                home |= {id(p): (len(groups), part) for p in group["params"]}
                groups.append(_group(part, group, part is moves.shared))
        self.parameters = (Parameter * max(len(parameters), 1))()
        self.count = 0
        places = dict[int, int]()
        for name, parameter in parameters.items():
            if id(parameter) in home and name in gradients:
                number, part = home[id(parameter)]
                places[id(parameter)] = self.count
                self.parameters[self.count] = self._parameter(
                    parameter, gradients[name], part, number, groups[number].kind
                )
                self.count += 1
        self.groups = (Group * len(groups))(*groups)
        self.bound_count = len(moves.clipped)
        self.bounds = (Bound * max(len(moves.clipped), 1))()
        for place, (members, most) in enumerate(moves.clipped):
            numbers = np.array([places[id(p)] for p in members if id(p) in places], np.int64)
            self.keep.append(numbers)
            self.bounds[place] = Bound(numbers.ctypes.data, len(numbers), most)

    def _parameter(self, value: nn.Parameter, gradient: Tensor, part: Any, number: int, kind: int) -> Parameter:
        first, second, moved = _state(part, value, kind)
        good = value.detach().clone()
        self.keep += [gradient, first, second, moved, good]
        if kind == SGD:
            self._momenta.append((part.state[value], first, moved))
        pointers = (t.data_ptr() for t in (value, gradient, first, second, good, moved))
        return Parameter(*pointers, value.numel(), number)

    def finish(self) -> None:
        """What C has moved counts as a change of the weights, and momenta stand where torch looks for them."""
        for part in self._moves.parts:
            for group in part.param_groups:
                increment_version(group["params"])
        for state, first, moved in self._momenta:
            if moved.item():
                state["momentum_buffer"] = first


def _group(part: torch.optim.Optimizer, group: Mapping[str, Any], shared: bool) -> Group:
    rate = -1.0 if shared else float(group["lr"])
    if _kind(part, group) == ADAM:
        return Group(ADAM, rate, *map(float, group["betas"]), float(group["eps"]))
    return Group(SGD, rate, float(group["momentum"]), 0.0, 0.0)


def _state(part: torch.optim.Optimizer, value: nn.Parameter, kind: int) -> tuple[Tensor, Tensor, Tensor]:
    """The moments, and how often it has moved, as torch would begin them."""
    state = part.state[value]
    if kind == SGD:
        held = state.get("momentum_buffer")
        moved = torch.tensor(float(held is not None))
        return torch.zeros_like(value) if held is None else held, torch.empty(0), moved
    if not state:
        state["step"] = torch.tensor(0.0)
        state["exp_avg"] = torch.zeros_like(value, memory_format=torch.preserve_format)
        state["exp_avg_sq"] = torch.zeros_like(value, memory_format=torch.preserve_format)
    return state["exp_avg"], state["exp_avg_sq"], state["step"]


def gradients_for(parameters: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Memory for gradients."""
    return {name: torch.zeros_like(value) for name, value in parameters}
