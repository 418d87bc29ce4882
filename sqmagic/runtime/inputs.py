"""What a net is given, as tensors laid out as the generated code wants them; and in words what does not fit.

`read` turns arrays, lists and packed sequences into tensors; `fit` checks them against what the program knows of its
inputs, and gives them the net's dtype and device. Nothing here depends on the program but through `InputSpec`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from sqmagic.runtime.blueprint import DataShape, InputSpec
from sqmagic.runtime.errors import InputError

_WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)


@dataclass(frozen=True, slots=True)
class Data:
    """Tensors by state, as they came; `lengths` is how many steps each example has, or None where all have all."""

    tensors: Mapping[str, Tensor]
    lengths: Tensor | None = None


# --- reading -------------------------------------------------------------------------------------


def together(data: Mapping[str, Any] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given as one mapping, and as keywords."""
    if data is not None and not isinstance(data, Mapping):
        raise InputError(f"inputs are given by name, as `net(x=…)` or a mapping, not as {type(data).__name__}")
    return {**(data or {}), **given}


def read(specs: Sequence[InputSpec], given: Mapping[str, Any], lengths: Any = None, batch_first: bool = False) -> Data:
    """Tensors by the states' names; `given` may use names of the notation or of Python. None is not given. With
    `batch_first` what runs over time is given as [batch, time, *shape], unless it is packed."""
    by_name = {spec.name: spec for spec in specs} | {spec.state: spec for spec in specs}
    tensors: dict[str, Tensor] = {}
    found = None if lengths is None else _lengths(lengths)
    for name, value in given.items():
        if name not in by_name:
            raise InputError(_unknown(name, specs))
        spec = by_name[name]
        if value is None:
            continue
        if spec.state in tensors:
            raise InputError(f"`{spec.label}` is given twice")
        if isinstance(value, PackedSequence):
            value, own = _unpacked(spec, value)
            if found is not None and not torch.equal(found, own):
                raise InputError(f"the packed sequence of `{spec.label}` has other lengths than are given besides")
            found, tensor = own, value
        else:
            tensor = _tensor(spec, value)
            if batch_first and spec.indexed and tensor.dim() > 1:
                tensor = tensor.transpose(0, 1)
        tensors[spec.state] = tensor
    return Data(tensors, found)


def _unknown(name: str, specs: Sequence[InputSpec]) -> str:
    near = get_close_matches(name, [s.name for s in specs], n=1)
    hint = f"; perhaps `{near[0]}` is meant" if near else ""
    named = ", ".join(f"`{s.name}`" for s in specs) or "none"
    return f"there is no input `{name}`{hint}\n  the inputs of this program: {named}"


def _unpacked(spec: InputSpec, value: PackedSequence) -> tuple[Tensor, Tensor]:
    if not spec.indexed:
        raise InputError(f"`{spec.label}` is no sequence, but a packed sequence is given")
    padded, lengths = pad_packed_sequence(value)
    return padded, lengths - (spec.last - spec.first + 1)


def _lengths(value: Any) -> Tensor:
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"`lengths` must be whole numbers, one for each example, not {_named(value)}") from error
    if tensor.dtype not in _WHOLE[:-1] or tensor.dim() != 1:
        raise InputError(f"`lengths` must be whole numbers, one for each example, not {_described(tensor)}")
    return tensor.long()


def _tensor(spec: InputSpec, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, list | tuple) and value and all(isinstance(v, Tensor) for v in value):
        if len({v.shape for v in value}) > 1:
            raise InputError(f"`{spec.label}` is given as {len(value)} tensors of different shapes")
        return torch.stack(tuple(value))
    try:
        array = np.asarray(value)
        if array.dtype == object:
            raise TypeError("not numbers")
        return torch.as_tensor(np.ascontiguousarray(array))
    except (TypeError, ValueError) as error:
        raise InputError(f"`{spec.label}` must be a tensor or an array of numbers, not {_named(value)}") from error


def _named(value: Any) -> str:
    kind = type(value).__name__
    return f"a {kind} whose parts are no numbers or differ in length" if isinstance(value, list | tuple) else kind


# --- what data tell ------------------------------------------------------------------------------


def measured(specs: Sequence[InputSpec], data: Data) -> dict[str, DataShape]:
    """The shapes of the data for one example at one step, by state."""
    found = {}
    for spec in specs:
        if spec.state not in data.tensors:
            continue
        tensor = data.tensors[spec.state]
        axes = _leading(spec)
        if tensor.dim() < len(axes):
            raise InputError(_misshapen(spec, tensor))
        shape, whole = tuple(tensor.shape[len(axes) :]), tensor.dtype in _WHOLE
        counted = whole and shape in ((), (1,)) and tensor.numel() > 0
        found[spec.state] = DataShape(shape, whole, int(tensor.max()) + 1 if counted else None)
    return found


# --- fitting -------------------------------------------------------------------------------------


def fit(specs: Sequence[InputSpec], data: Data, like: Tensor, needed: frozenset[str], purpose: str) -> Data:
    """The data as the generated code wants them: every axis there, in the net's dtype and on its device."""
    for spec in specs:
        if spec.state in needed and spec.state not in data.tensors:
            raise InputError(_missing(spec, specs, data, purpose))
    tensors = {s.state: _fitted(s, data.tensors[s.state], like) for s in specs if s.state in data.tensors}
    _agree(specs, tensors)
    if data.lengths is None:
        return Data(tensors)
    lengths = data.lengths.to(like.device)
    _check_lengths(specs, tensors, lengths)
    return Data({s.state: _filled(s, tensors[s.state], lengths) for s in specs if s.state in tensors}, lengths)


def _missing(spec: InputSpec, specs: Sequence[InputSpec], data: Data, purpose: str) -> str:
    given = ", ".join(f"`{s.name}`" for s in specs if s.state in data.tensors) or "nothing"
    return f"`{spec.label}` is missing: {purpose} needs it\n  given: {given}; write {spec.name}=…"


def _leading(spec: InputSpec) -> tuple[str, ...]:
    return ("time", "batch") if spec.indexed else ("batch",)


def _fitted(spec: InputSpec, tensor: Tensor, like: Tensor) -> Tensor:
    shape = spec.shape
    assert shape is not None, "a settled program knows the shapes of its inputs"
    lead = len(_leading(spec))
    if tensor.dim() == lead and shape == (1,):
        tensor = tensor[..., None]
    given = tuple(tensor.shape)
    if len(given) != lead + len(shape) or given[lead:] != shape:
        raise InputError(_misshapen(spec, tensor))
    if not all(given[:lead]):
        axes = [axis for axis, size in zip(_leading(spec), given, strict=False) if size == 0]
        raise InputError(f"`{spec.label}` is {list(tensor.shape)}: there is nothing along {' and '.join(axes)}")
    return _of_real(spec, tensor, like) if spec.kind == "real" else _of_whole(spec, tensor, like)


def _of_real(spec: InputSpec, tensor: Tensor, like: Tensor) -> Tensor:
    if tensor.is_complex():
        raise InputError(f"`{spec.label}` must be real numbers, not {_kind(tensor)}")
    if tensor.dtype == like.dtype and tensor.device == like.device:
        return tensor
    return tensor.to(device=like.device, dtype=like.dtype)


def _of_whole(spec: InputSpec, tensor: Tensor, like: Tensor) -> Tensor:
    if tensor.dtype not in _WHOLE:
        why = "\n".join(["", *(f"  {line}" for line in spec.why)]).rstrip()
        raise InputError(f"`{spec.label}` must be whole numbers, not {_kind(tensor)}: pass {spec.name}.long(){why}")
    if spec.classes is not None and _can_be_looked_at(tensor):
        least, most = int(tensor.min()), int(tensor.max())
        if least < 0 or most >= spec.classes:
            wrong = least if least < 0 else most
            ways = f"declare `{spec.label} : class({most + 1})` if there are more"
            raise InputError(f"`{spec.label}` is {wrong}, but its values are 0 to {spec.classes - 1}\n  {ways}")
    return tensor.to(device=like.device, dtype=torch.long)


def _can_be_looked_at(tensor: Tensor) -> bool:
    """Whether its numbers are there: not under torch.vmap, nor while torch compiles."""
    return not torch.compiler.is_compiling() and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)


def _misshapen(spec: InputSpec, tensor: Tensor) -> str:
    """What was expected and got, why, and a likely way out."""
    own = [str(n) for n in spec.shape or ()] if spec.shape != (1,) else []
    expected = ", ".join([*_leading(spec), *own, *(["…"] if spec.shape is None else [])])
    lines = [f"`{spec.label}` is {list(tensor.shape)}, but [{expected}] is expected"]
    lines += [f"  {line}" for line in spec.why]
    lead, shape = len(_leading(spec)), spec.shape or ()
    if tensor.dim() == lead + len(shape) - 1 and tuple(tensor.shape[lead - 1 :]) == shape:
        axis = ":, None" if spec.indexed else "None"
        lines.append(f"  a single example needs a batch axis too: {spec.name}[{axis}]")
    return "\n".join(lines)


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _described(tensor: Tensor) -> str:
    return f"{_kind(tensor)} {list(tensor.shape)}"


# --- together ------------------------------------------------------------------------------------


def _agree(specs: Sequence[InputSpec], tensors: Mapping[str, Tensor]) -> None:
    """All inputs have as many examples, and those over time as many steps."""
    given = [s for s in specs if s.state in tensors]
    if len({tensors[s.state].shape[int(s.indexed)] for s in given}) > 1:
        batches = {s.label: tensors[s.state].shape[int(s.indexed)] for s in given}
        text = ", ".join(f"`{label}` has {n}" for label, n in batches.items())
        hint = "a state over time is laid out [time, batch, …]"
        raise InputError(f"the inputs have different numbers of examples: {text}\n  {hint}")
    steps = {horizon(s, tensors[s.state]) for s in given if s.indexed}
    if len(steps) > 1:
        over_time = [s for s in given if s.indexed]
        rows = ", ".join(f"`{s.label}` has {len(tensors[s.state])} rows{_extra(s)}" for s in over_time)
        raise InputError(f"the inputs have different numbers of steps: {rows}")
    if any(n < 1 for n in steps):
        raise InputError("there must be at least one step")


def _extra(spec: InputSpec) -> str:
    """What is said of an input whose rows are not 1 to T."""
    if (spec.first, spec.last) == (1, 0):
        return ""
    last = f"T{spec.last:+d}" if spec.last else "T"
    return f" (for the indices {spec.first} to {last})"


def examples(specs: Sequence[InputSpec], tensors: Mapping[str, Tensor]) -> int:
    """How many examples there are; one where nothing is given."""
    spec = next((s for s in specs if s.state in tensors), None)
    return 1 if spec is None else tensors[spec.state].shape[int(spec.indexed)]


def horizon(spec: InputSpec, tensor: Tensor) -> int:
    """T, from the rows of an input over time."""
    return tensor.shape[0] + spec.first - spec.last - 1


def _check_lengths(specs: Sequence[InputSpec], tensors: Mapping[str, Tensor], lengths: Tensor) -> None:
    over_time = [s for s in specs if s.indexed and s.state in tensors]
    if not over_time:
        raise InputError("`lengths` is given, but no input runs over time")
    batch, steps = tensors[over_time[0].state].shape[1], horizon(over_time[0], tensors[over_time[0].state])
    if len(lengths) != batch:
        raise InputError(f"`lengths` has {len(lengths)} numbers for {batch} examples")
    if int(lengths.min()) < 1 or int(lengths.max()) > steps:
        raise InputError(f"`lengths` must be from 1 to {steps}, and are {int(lengths.min())} to {int(lengths.max())}")


def _filled(spec: InputSpec, tensor: Tensor, lengths: Tensor) -> Tensor:
    """What lies past an example's end becomes its last row: whatever stood there, it can poison no gradient."""
    if not spec.indexed:
        return tensor
    rows = torch.arange(len(tensor), device=tensor.device)[:, None]
    place = torch.minimum(rows, lengths + spec.last - spec.first)
    return tensor[place, torch.arange(len(lengths), device=tensor.device)]
