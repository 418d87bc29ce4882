"""A generated class's scan as a call of compiled C.

The class has a method for each scan, written for torch. `bind` puts one in its place that takes the same and returns
the same: it runs the C where that can be, and else the method, and notes which and why. Nothing is computed in C that
the method would not compute. States that nobody has asked for are `LeftOut`, and computed when somebody does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules import module as _module

from sqmagic.runtime.generated import hooked
from sqmagic.runtime.graphs.recorded import Reads, Recorded, Report, whole
from sqmagic.runtime.graphs.recorder import CannotRecord
from sqmagic.runtime.graphs.recording import Call
from sqmagic.runtime.kernels.call import OwnSteps, Size, with_steps
from sqmagic.runtime.kernels.compiler import CannotCompile, libraries
from sqmagic.runtime.kernels.function import Ready, Scan, Setting, forward, ready
from sqmagic.runtime.kernels.program import ScanProgram, Weights, of_rows
from sqmagic.runtime.later import Later, LeftOut, as_matrix

Method = Callable[..., Any]

REALS = {torch.float32: "float", torch.float64: "double"}

_PLAIN = (nn.Linear, nn.LayerNorm, nn.Module)
"""Layers that do no more than their equation."""

_TENSORS = (Tensor, nn.Parameter)

MANY = 256
"""Numbers of rows for which a program with ranges is kept."""

NOTHING_TELLS = "nothing tells how many examples there are"


class Layer(NamedTuple):
    """Parameters of one layer, by the names of those that it is in, one within the other, and their own."""

    owners: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """A scan of one class: its program, the method written for torch as what records it has it, the layers with its
    weights, the shapes of these, and its pages as they are loaded, by the type of numbers, whether there is a way
    back, and of how many rows ranges are; `sized` are programs by that number."""

    program: ScanProgram
    recorded: Recorded
    layers: tuple[Layer, ...]
    shapes: list[tuple[int, ...]]
    loaded: dict[tuple[torch.dtype, bool, int], Ready] = field(default_factory=dict)
    sized: dict[int, ScanProgram] = field(default_factory=dict)

    @property
    def method(self) -> Method:
        """The method written for torch."""
        return self.recorded.method

    @property
    def report(self) -> Report:
        """How it ran last."""
        return self.recorded.report

    def __call__(self, module: nn.Module, *args: Any) -> Any:
        try:
            setting, tensors, differentiated = _ready(self, module, args)
        except CannotCompile as reason:
            return self.recorded(module, args, {}, str(reason))
        self.report.path = "C"
        found = setting.ready
        by_torch = None if self.program.ready else partial(_again, self, module, args, setting.places)
        if not differentiated:
            later = partial(_all, setting, tensors)
        elif by_torch is not None:
            setting, later = setting._replace(by_torch=by_torch), partial(by_torch, tensors)
        else:
            later = partial(_by_torch, self, module, args)
        every = Later(later, tensors, differentiated)
        states = _left_out(setting, every)
        if differentiated:
            outside = Scan.apply(setting, *tensors)  # type: ignore[no-untyped-call]
        else:
            outside = forward(setting, tensors, found.outside).outputs(found.own)
            every.gave(dict(zip(found.outside, outside, strict=False)), outside)
        if found.matrices:
            shapes = dict(found.matrices)
            outside = tuple(as_matrix(t, shapes[n]) if n in shapes else t for n, t in enumerate(outside))
        states.update(zip(found.outside, outside, strict=False))
        for name, rows in zip(found.beside, outside[len(found.outside) :], strict=True):
            with_steps(states[name], OwnSteps(found.own[name].before, found.own[name].ends, rows))
        return next(iter(states.values())) if len(states) == 1 else states.values()

    def ready(self, dtype: torch.dtype, differentiated: bool, rows: int = 0) -> Ready:
        """Where it reads ranges, for so many `rows`. Raises CannotCompile."""
        found = self.loaded.get((dtype, differentiated, rows))
        if found is None:
            program = self.of_rows(rows) if rows else self.program
            pages = program.pages if differentiated else (program.page,)
            library, *back = libraries(pages, REALS[dtype])
            found = self.loaded[dtype, differentiated, rows] = ready(program, library, back[0] if back else None)
        return found

    def of_rows(self, rows: int) -> ScanProgram:
        """The program for ranges of so many rows. Raises CannotCompile."""
        if rows < 1:
            raise CannotCompile("a range that it reads has no rows")
        if rows not in self.sized:
            if len(self.sized) > MANY:  # widths of data that never come again
                self.sized.clear()
                self.loaded.clear()
            self.sized[rows] = of_rows(self.program, rows)
        return self.sized[rows]


def bind(kind: type[nn.Module], program: ScanProgram) -> Bound:
    """Puts the compiled scan in the place of a class's method."""
    layers = tuple(_layers([w.parameter for w in program.weights]))
    shapes = [weights.shape for weights in program.weights]
    states = [own.state for own in program.own[: program.returned]]
    reads = whole if program.ready else partial(_read, layers)
    bound = Bound(program, Recorded(vars(kind)[program.method], reads, states, program.outside), layers, shapes)

    def method(self: nn.Module, *args: Any) -> Any:
        return bound(self, *args)

    setattr(kind, program.method, method)
    return bound


# --- whether it can be ---------------------------------------------------------------------------


def _ready(bound: Bound, module: nn.Module, args: Sequence[Any]) -> tuple[Setting, list[Tensor], bool]:
    """What a call knows, its tensors (arguments, then weights), and whether they are to be differentiated. Raises
    CannotCompile where torch must compute."""
    program, rows = bound.program, 0
    if _module._global_forward_hooks or _module._global_forward_pre_hooks:
        raise CannotCompile("hooks wait for every module's call")
    for place, reason in program.beyond:
        if isinstance(args[place], Tensor):
            raise CannotCompile(f"examples end at steps of their own, and {reason}")
    if program.ready:
        _dtype([*(a for a in args if isinstance(a, Tensor)), *_weights(module, bound.layers)])
        args = [*args, *vars(type(module))[program.ready](module, *args)]
    if program.ranged is not None:
        rows = args[program.horizon] + program.ranged.more
        program = bound.of_rows(rows)
    if program.matrices:
        args = _in_rows(program, args)
    arguments = {place: a for place, a in enumerate(args) if isinstance(a, Tensor)}
    weights = _weights(module, bound.layers)
    tensors = [*arguments.values(), *weights]
    dtype = _dtype(tensors)
    if list(map(Tensor.size, weights)) != bound.shapes:  # C reads as much as the program says, whatever there is
        for own, weight in zip(program.weights, weights, strict=True):
            _fit(own, weight)
    for place, width in program.widths:
        if args[place].size(-1) != width:
            raise CannotCompile(f"a layer before it gives {args[place].size(-1)} components and not {width}")
    differentiated = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    if differentiated and isinstance(program.backward, str):
        raise CannotCompile(f"gradients are asked for, and {program.backward}")
    found = bound.ready(dtype, differentiated, rows)
    size = Size(args[program.horizon] + program.more, _batch(program, args), dtype)
    return Setting(found, size, tuple(arguments)), tensors, differentiated


def _fit(own: Weights, weight: Tensor) -> None:
    if weight.shape != own.shape:
        shapes = " and not ".join(" x ".join(map(str, shape)) for shape in (weight.shape, own.shape))
        raise CannotCompile(f"`{own.parameter}` is {shapes}")


def _in_rows(program: ScanProgram, args: Sequence[Any]) -> list[Any]:
    """The arguments, of matrices the rows one after the other."""
    shapes = dict(program.matrices)
    return [a.flatten(-len(shapes[n])) if n in shapes else a for n, a in enumerate(args)]


def _batch(program: ScanProgram, args: Sequence[Any]) -> int:
    """How many examples there are, from what is given for each."""
    for base in program.bases:
        return int(args[base.argument].shape[0])
    for given in program.given:
        return int(args[given.argument].shape[-2])
    raise CannotCompile(NOTHING_TELLS)


def weight_of(module: nn.Module, own: Weights) -> Tensor:
    """A parameter as a call of its layer would use it. Raises CannotCompile where the layer is no plain one, or of
    another size."""
    (weight,) = _weights(module, list(_layers([own.parameter])))
    _fit(own, weight)
    return weight


def _layers(parameters: Sequence[str]) -> Iterator[Layer]:
    """Each layer's parameters together where they follow one another."""
    paths = [parameter.rpartition(".") for parameter in parameters]
    for owners, own in groupby(paths, lambda path: path[0]):
        yield Layer(tuple(owners.split(".")) if owners else (), tuple(name for _, _, name in own))


def _weights(module: nn.Module, layers: Sequence[Layer]) -> list[Tensor]:
    """Parameters as the layers have them. Raises CannotCompile."""
    weights: list[Tensor] = []
    for owners, names in layers:
        layer: Any = module
        for owner in owners:
            layer = layer._modules[owner]
            if hooked(layer) or type(layer) not in _PLAIN:
                raise CannotCompile(f"`{'.'.join(owners)}` has been changed")
        for name in names:
            value = layer._parameters.get(name)
            if value is None:
                raise CannotCompile(f"`{'.'.join((*owners, name))}` is no parameter any more")
            weights.append(value)
    return weights


def _read(layers: Sequence[Layer], module: nn.Module) -> Reads:
    """What the method reads. Raises CannotRecord."""
    try:
        return Reads(_weights(module, layers), (module.training,))
    except CannotCompile as reason:
        raise CannotRecord(str(reason)) from None


def _dtype(tensors: Sequence[Tensor]) -> torch.dtype:
    """The type of numbers, as each call asks; only where something is unusual all is looked at once more, for words."""
    if not tensors:
        raise CannotCompile(NOTHING_TELLS)
    dtype = tensors[0].dtype
    usual = dtype in REALS and not torch.compiler.is_compiling() and not torch.is_autocast_enabled("cpu")
    usual = usual and forward_ad._current_level < 0
    if usual and torch._C._functorch.peek_interpreter_stack() is None and torch._C._get_tracing_state() is None:
        for t in tensors:
            if type(t) not in _TENSORS or not t.is_cpu or (t.dtype is not dtype and t.is_floating_point()):
                break
        else:
            return dtype
    return _looked_at(tensors)


def _looked_at(tensors: Sequence[Tensor]) -> torch.dtype:
    reals = {t.dtype for t in tensors if t.is_floating_point()}
    if any(t.device.type != "cpu" for t in tensors):
        raise CannotCompile("the data are not on the CPU")
    if not reals:
        raise CannotCompile("all that it is given is whole numbers")
    if len(reals) != 1 or not reals <= REALS.keys():
        names = " and ".join(sorted(str(r).removeprefix("torch.") for r in reals - REALS.keys() or reals))
        raise CannotCompile(f"C computes in float32 or in float64, not in {names}")
    if torch.is_autocast_enabled("cpu"):
        raise CannotCompile("autocast chooses the type of numbers")
    if forward_ad._current_level >= 0:
        raise CannotCompile("derivatives are taken forward")
    if any(type(t) not in _TENSORS for t in tensors):
        raise CannotCompile("a tensor is of a type of its own")
    traced = torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None
    if traced or any(torch._C._functorch.is_functorch_wrapped_tensor(t) for t in tensors):
        raise CannotCompile("torch is tracing the computation")
    return reals.pop()


# --- what is computed later ----------------------------------------------------------------------


def _left_out(setting: Setting, later: Later) -> dict[str, Any]:
    """All states that the method gives, in its order, as if none were computed now."""
    steps, batch, _ = setting.size
    return {
        own.state: LeftOut(later, own.state, (own.before + steps + own.ends, batch, *(own.shape or (own.width,))))
        for own in setting.ready.returned
    }


def _all(setting: Setting, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
    names = tuple(own.state for own in setting.ready.returned)
    return dict(zip(names, forward(setting, tensors, names).outputs(setting.ready.own), strict=False))


def _by_torch(bound: Bound, module: nn.Module, args: Sequence[Any]) -> dict[str, Tensor]:
    """All states, so that gradients reach what they are made from."""
    with torch.enable_grad():
        found = bound.method(module, *args)
    states = [o.state for o in bound.program.own[: bound.program.returned]]
    return dict(zip(states, [found] if len(states) == 1 else found, strict=True))


def _again(
    bound: Bound, module: nn.Module, args: Sequence[Any], places: Sequence[int], tensors: Sequence[Tensor]
) -> dict[str, Tensor]:
    """The same from these tensors in the place of arguments and weights; of matrices the rows one after the other, as C
    has them."""
    shapes = dict(bound.program.matrices)
    rows = dict(zip(places, tensors, strict=False))
    given = [as_matrix(t, shapes[n]) if n in shapes else t for n, t in rows.items()]
    call = Call(bound.method, module, _weights(module, bound.layers), args, {}).on([*given, *tensors[len(places) :]])
    own = {o.state: len(o.shape) for o in bound.program.own}
    found = _by_torch(bound, call.module, call.places)
    return {state: plane.flatten(-own[state]) if own[state] else plane for state, plane in found.items()}
