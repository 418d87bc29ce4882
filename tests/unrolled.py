"""The judge unrolled in torch: what a System computes, value by value, so that torch.autograd differentiates it.

Nothing of `emit`, `calculus` or `kernels` is used. The judge says where a state is defined, and so which rows there
are; what they are is computed here, demand by demand, with one row of torch for each operator. Values are laid out as
the judge has them: `[batch, *shape]`, a number without axes, a parameter with a batch of 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, assert_never

import torch
from torch import Tensor
from torch.nn import functional

from sqmagic.equations.interpret import UNDEFINED, Run
from sqmagic.equations.interpret.rule import setting
from sqmagic.equations.system import (
    Apply,
    Const,
    Expr,
    Fixed,
    Last,
    Point,
    Position,
    Range,
    Read,
    Running,
    System,
    Target,
    Weight,
    children,
)

Key: TypeAlias = tuple[str, int | None]


@dataclass(frozen=True)
class Unrolled:
    """A run of the judge, computed anew in torch on the same parameters and inputs, as tensors of any type."""

    run: Run
    shapes: Mapping[str, tuple[int, ...]]
    parameters: Mapping[str, Tensor]
    inputs: Mapping[str, Tensor]
    known: dict[Key, Tensor] = field(default_factory=dict)

    @property
    def system(self) -> System:
        return self.run.judge.system

    def value(self, state: str, at: int | None = None) -> Tensor:
        """A state at a step at which the judge has it, or a bare one."""
        key = (state, at)
        if key not in self.known:
            self.known[key] = self._filled(state, self._value(state, at))
        return self.known[key]

    def rows(self, state: str, first: int, count: int) -> list[Tensor]:
        """A state at so many steps from the first on."""
        return [self.value(state, first + n) for n in range(count)]

    def goal(self, number: int) -> Tensor:
        """The mean over steps and examples."""
        found = []
        reach = self.run.horizon + 9
        for at in range(-9, reach) if self.run.judge.outline.goals[number].runs else (None,):
            if self.run.goal_value(number, at) is not UNDEFINED:
                value = _at_least_scalar(self._expr(self.system.goals[number].value, at, 1))
                flat = value.reshape(len(value), -1).mean(1)
                found.append(flat.expand(self.run.batch).mean())
        return torch.stack(found).mean()

    def loss(self) -> Tensor:
        """The losses less the objectives."""
        signs = [-1.0 if goal.kind == "objective" else 1.0 for goal in self.system.goals]
        return torch.stack([sign * self.goal(n) for n, sign in enumerate(signs)]).sum()

    # --- where a value comes from ----------------------------------------------------------------

    def _value(self, state: str, at: int | None) -> Tensor:
        found = self._equation(state, at)
        if found is None:
            (item,) = [i for i in self.system.inputs if i.state == state]
            return self.inputs[state] if at is None else self.inputs[state][at - getattr(item.first, "value", 1)]
        number, output = found
        equation = self.system.equations[number]
        value = self._expr(equation.value, at, len(equation.targets))
        return value[output] if isinstance(value, tuple) else value

    def _equation(self, state: str, at: int | None) -> tuple[int, int] | None:
        """The equation of a state at a step: one for the point itself, if there is one."""
        running: tuple[int, int] | None = None
        for number, equation in enumerate(self.system.equations):
            for output, target in enumerate(equation.targets):
                if target.state == state:
                    if self._is_at(target, at):
                        return number, output
                    if at is not None and target.context and isinstance(target.context[0], Running):
                        running = number, output
        return running

    def _is_at(self, target: Target, at: int | None) -> bool:
        if not target.context:
            return at is None
        match target.context[0]:
            case Fixed() | Last() as point:
                return at == self._place(point, at)
            case _:
                return False

    def _filled(self, state: str, value: Tensor) -> Tensor:
        """A number where the program means a vector of it."""
        shape = self.shapes.get(state)
        if shape is None or value.shape[1:] == shape or any(n != 1 for n in value.shape[1:]):
            return value
        return _at_least_scalar(value).reshape(-1, *[1] * len(shape)).expand(-1, *shape)

    # --- expressions -----------------------------------------------------------------------------

    def _expr(self, expr: Expr, at: int | None, outputs: int = 0) -> Any:
        match expr:
            case Const(value):
                return self._number(value)
            case Position(point):
                return self._number(self._place(point, at))
            case Weight(parameter, frozen):
                value = self.parameters[parameter][None]
                return value.detach() if frozen else value
            case Read():
                return self._read(expr, at)
            case Apply(op):
                args = tuple(self._expr(child, at) for child in children(expr))
                return RULES[op](_Node(expr, args, self.parameters, outputs))
            case _:
                assert_never(expr)

    def _number(self, value: float) -> Tensor:
        dtype = next((t.dtype for t in (*self.parameters.values(), *self.inputs.values())), torch.float64)
        return torch.tensor(value, dtype=dtype)

    def _read(self, read: Read, at: int | None) -> Tensor:
        match read.context:
            case ():
                return self.value(read.state)
            case (Range(first, last),):
                steps = range(self._place(first, at), self._place(last, at) + 1)
                return _stacked([self._at(read.state, step) for step in steps])
            case (Running() | Fixed() | Last() as point,):
                return self._at(read.state, self._place(point, at))
            case _:
                raise AssertionError("states have one index")

    def _at(self, state: str, at: int) -> Tensor:
        """What a defined value reads and the judge does not have lies past the end of a recurrence: zero."""
        if self.run.value(state, at) is UNDEFINED:
            return self._filled(state, self._number(0.0))
        return self.value(state, at)

    def _place(self, point: Point, at: int | None) -> int:
        match point:
            case Running(_, offset):
                assert at is not None, "what runs is asked for at a step"
                return at + offset
            case Fixed(value):
                return value
            case Last(_, offset):
                return self.run.horizon + offset
            case _:
                assert_never(point)


# --- the operators -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Node:
    """An operator with its arguments' values."""

    node: Apply
    args: tuple[Tensor, ...]
    parameters: Mapping[str, Tensor]
    outputs: int

    def setting(self, name: str) -> Any:
        return setting(self.node, name)

    def parameter(self, name: str) -> Tensor:
        """A parameter of the layer; one that this use must not change is held fixed."""
        value = self.parameters[f"{self.node.layer}.{name}"]
        return value.detach() if self.node.attribute("frozen", False) else value

    def biased(self, x: Tensor, axis: int) -> Tensor:
        if f"{self.node.layer}.bias" not in self.parameters:
            return x
        return x + self.parameter("bias").reshape([-1 if n == axis % x.ndim else 1 for n in range(x.ndim)])


Rule: TypeAlias = Callable[[_Node], Any]


def _at_least_scalar(x: Tensor) -> Tensor:
    return x.reshape(1, 1) if x.ndim == 0 else x


def _aligned(*values: Tensor) -> tuple[Tensor, ...]:
    rank = max(x.ndim for x in values)
    return tuple(
        x.reshape(x.shape[:1] + (1,) * (rank - x.ndim) + x.shape[1:]) if 0 < x.ndim < rank else x for x in values
    )


def _same_batch(*values: Tensor) -> tuple[Tensor, ...]:
    full = [_at_least_scalar(x) for x in values]
    batch = max(len(x) for x in full)
    return tuple(x.expand(batch, *x.shape[1:]) for x in full)


def _stacked(rows: list[Tensor]) -> Tensor:
    full = _same_batch(*rows)
    if all(x.shape[1:] == (1,) for x in full):
        return torch.cat(full, 1)
    return torch.stack(_aligned(*full), 1)


def _pointwise(function: Callable[..., Tensor]) -> Rule:
    return lambda n: function(*_aligned(*n.args))


def _spread(function: Callable[..., Tensor]) -> Rule:
    """Of functions that ask for tensors of one shape."""
    return lambda n: function(*torch.broadcast_tensors(*_aligned(*n.args)))


def _reduction(function: Callable[[Tensor], Tensor]) -> Rule:
    """Over the last axis; of a vector a width of 1 is left."""

    def rule(n: _Node) -> Tensor:
        x = _at_least_scalar(n.args[0])
        return function(x).reshape(x.shape[:-1] if x.ndim > 2 else (len(x), 1))

    return rule


def _whole(x: Tensor) -> Tensor:
    return _at_least_scalar(x)[:, 0].round().long()


def _index(n: _Node) -> Tensor:
    x, which = _same_batch(*n.args)
    chosen = x[torch.arange(len(x)), _whole(which)]
    return chosen.reshape(-1, 1) if chosen.ndim == 1 else chosen


def _matmul(n: _Node) -> Tensor:
    x, y = _same_batch(*n.args)
    match x.ndim, y.ndim:
        case 2, 2:
            return (x * y).sum(-1, keepdim=True)
        case _, 2:
            return (x @ y[..., None]).squeeze(-1)
        case 2, _:
            return (x[:, None] @ y).squeeze(1)
        case _:
            return x @ y


def _outer(n: _Node) -> Tensor:
    x, y = _same_batch(*n.args)
    return x[:, :, None] * y[:, None, :]


def _one_hot(n: _Node) -> Tensor:
    return torch.eye(int(n.node.attribute("size", 0)), dtype=n.args[0].dtype)[_whole(n.args[0])]


def _slice(n: _Node) -> Tensor:
    return _at_least_scalar(n.args[0])[:, int(n.setting("start")) : int(n.setting("stop"))]


def _flat(x: Tensor) -> Tensor:
    return x.reshape(len(x), -1)


def _times_log(y: Tensor, logs: Tensor) -> Tensor:
    """y * log(p), and 0 where y is 0 whatever p is."""
    return torch.where(y == 0, 0.0, y * logs)


def _entropy(n: _Node) -> Tensor:
    p = _at_least_scalar(n.args[0])
    found = -_times_log(p, p.log()).sum(-1)
    return found if found.ndim > 1 else found[:, None]


def _softmax(x: Tensor) -> Tensor:
    return torch.softmax(_at_least_scalar(x), -1)


def _log_softmax(x: Tensor) -> Tensor:
    return torch.log_softmax(_at_least_scalar(x), -1)


def _conv(n: _Node) -> Tensor:
    size, stride, pad = (n.setting(name) for name in ("size", "stride", "pad"))
    zeros = {"same": int(size) // 2, "valid": 0}.get(str(pad))
    around = int(pad) if zeros is None else zeros
    return n.biased(functional.conv2d(n.args[0], n.parameter("weight"), stride=int(stride), padding=around), 1)


def _pool(function: Callable[..., Tensor]) -> Rule:
    return lambda n: function(n.args[0], int(n.setting("size")), int(n.setting("stride")) or int(n.setting("size")))


def _batch_norm(n: _Node) -> Tensor:
    x = _at_least_scalar(n.args[0])
    shape = (1, -1) + (1,) * (x.ndim - 2)
    mean, variance = (n.parameter(f"running_{name}").reshape(shape) for name in ("mean", "var"))
    scale = n.parameter("weight").reshape(shape) / (variance + float(n.setting("eps"))).sqrt()
    return n.biased((x - mean) * scale, 1)


def _layer_norm(n: _Node) -> Tensor:
    x = _at_least_scalar(n.args[0])
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + float(n.setting("eps"))).sqrt()
    return n.biased(scaled * n.parameter("weight"), -1)


def _loss(function: Callable[[Tensor, Tensor], Tensor]) -> Rule:
    def rule(n: _Node) -> Tensor:
        p, y = torch.broadcast_tensors(*_aligned(*_same_batch(*n.args)))
        return _flat(function(p, y)).mean(1, keepdim=True)

    return rule


def _huber(n: _Node) -> Tensor:
    delta = float(n.setting("delta"))

    def by(p: Tensor, y: Tensor) -> Tensor:
        error = (p - y).abs()
        return torch.where(error <= delta, error.square() / 2, delta * (error - delta / 2))

    return _loss(by)(n)


def _cross_entropy(log: Callable[[Tensor], Tensor]) -> Rule:
    def rule(n: _Node) -> Tensor:
        p, y = _same_batch(*n.args)
        return _flat(-_times_log(y, log(p)).sum(-1)).mean(1, keepdim=True)

    return rule


RULES: dict[str, Rule] = {
    "add": _pointwise(torch.add),
    "sub": _pointwise(torch.sub),
    "mul": _pointwise(torch.mul),
    "div": _pointwise(torch.div),
    "neg": _pointwise(torch.neg),
    "matmul": _matmul,
    "concat": lambda n: torch.cat(_same_batch(*n.args), 1),
    "index": _index,
    "slice": _slice,
    "split": lambda n: _at_least_scalar(n.args[0]).chunk(n.outputs, 1),
    "transpose": lambda n: n.args[0].mT,
    "outer": _outer,
    "flatten": lambda n: _flat(_at_least_scalar(n.args[0])),
    "exp": _pointwise(torch.exp),
    "log": _pointwise(torch.log),
    "sqrt": _pointwise(torch.sqrt),
    "square": _pointwise(torch.square),
    "abs": _pointwise(torch.abs),
    "sin": _pointwise(torch.sin),
    "cos": _pointwise(torch.cos),
    "tanh": _pointwise(torch.tanh),
    "sigmoid": _pointwise(torch.sigmoid),
    "relu": _pointwise(torch.relu),
    "gelu": _pointwise(lambda x: x * torch.special.ndtr(x)),
    "softplus": _pointwise(lambda x: torch.logaddexp(x, torch.zeros_like(x))),
    "maximum": _spread(torch.maximum),
    "minimum": _spread(torch.minimum),
    "where": _spread(lambda c, x, y: torch.where(c != 0, x, y)),
    "clip": _spread(lambda x, low, high: torch.minimum(torch.maximum(x, low), high)),
    "softmax": _pointwise(_softmax),
    "log_softmax": _pointwise(_log_softmax),
    "sum": _reduction(lambda x: x.sum(-1)),
    "mean": _reduction(lambda x: x.mean(-1)),
    "norm": _reduction(lambda x: x.norm(dim=-1)),
    "max": _reduction(lambda x: x.amax(-1)),
    "min": _reduction(lambda x: x.amin(-1)),
    "argmax": _reduction(lambda x: x.argmax(-1).to(x.dtype)),
    "one_hot": _one_hot,
    "stop": lambda n: n.args[0].detach(),
    "old": lambda n: n.args[0].detach(),
    "dense": lambda n: n.biased(_at_least_scalar(n.args[0]) @ n.parameter("weight").mT, -1),
    "conv": _conv,
    "embed": lambda n: n.parameter("weight")[_whole(n.args[0])],
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "dropout": lambda n: n.args[0],
    "max_pool": _pool(functional.max_pool2d),
    "avg_pool": _pool(functional.avg_pool2d),
    "mse": _loss(lambda p, y: (p - y).square()),
    "mae": _loss(lambda p, y: (p - y).abs()),
    "huber": _huber,
    "cross_entropy": _cross_entropy(torch.log),
    "binary_cross_entropy": _loss(lambda p, y: -_times_log(y, p.log()) - _times_log(1 - y, torch.log1p(-p))),
    "cross_entropy_logits": _cross_entropy(_log_softmax),
    "binary_cross_entropy_logits": _loss(lambda a, y: functional.softplus(a) - y * a),
    "log_prob": lambda n: _index(n).log(),
    "entropy": _entropy,
}
"""What a program computes when it does not train; of chance and the outside there is nothing."""
