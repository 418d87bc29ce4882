"""A method whose calls are recorded as they come again, and replayed; whatever cannot be is computed by the method.

A size is what must be the same for a recording to give what the method would: shapes and types, numbers among the
arguments, which tensors want gradients, where and by which settings the work runs. A size is watched at its second call
and recorded at its third, so those that never come again cost nothing. Weights are read where they lie; when they lie
elsewhere, all is recorded anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, wraps
from threading import Lock
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules import module as _module

from sqmagic.runtime.generated import hooked
from sqmagic.runtime.graphs.recorder import RECORDERS, CannotRecord, Recorder, Tape
from sqmagic.runtime.graphs.recording import (
    Asked,
    Autocast,
    Call,
    Method,
    Recording,
    Replayed,
    autocast,
    every,
    record,
    recording_now,
)
from sqmagic.runtime.graphs.watched import watched
from sqmagic.runtime.later import Later, LeftOut

RECORDINGS = 8
"""How many are kept of a method of a module."""

AT_ONCE = 4
"""How many of them for one size: as many calls may wait for the way back."""

SIZES = 256
"""How many are remembered."""

_TORCH = "torch.nn.modules."

_TENSORS = (Tensor, nn.Parameter)

_GIVEN = (Tensor, int, float, str)

_EVERYWHERE = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
)

SOON = "a size is recorded when it comes again"


@dataclass(slots=True)
class Report:
    """How a method ran last: "C", "CUDA graph", or torch and why."""

    path: str = "not run yet"


class Reads(NamedTuple):
    """What of a module a method reads: weights, and which of its layers are in training."""

    weights: Sequence[Tensor]
    training: Sequence[bool]


@dataclass(slots=True)
class Size:
    """Of calls: the number of the last one, why they are not recorded ("" if they may be, None before they were
    watched), what is recorded of them, and which ways back have been gone."""

    last: int
    never: str | None = None
    recordings: list[Recording] = field(default_factory=list)
    wanted: set[Asked] = field(default_factory=set)


@dataclass(slots=True)
class Known:
    """Of a module: where its weights lie, since which call, how many calls there were, and of which sizes."""

    lie: Hashable = None
    since: int = 0
    calls: int = 0
    sizes: dict[Hashable, Size] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def size(self, lie: Hashable, key: Hashable) -> tuple[Size, int]:
        """The size of a call, and the number of the one before. Raises CannotRecord."""
        with self.lock:
            self.calls += 1
            if self.lie != lie:
                self.lie, self.since = lie, self.calls
                for other in self.sizes.values():
                    other.recordings = []
            size = self.sizes.get(key)
            if size is None:
                if len(self.sizes) >= SIZES:
                    self.sizes = {k: other for k, other in self.sizes.items() if other.recordings}
                self.sizes[key] = Size(self.calls)
                raise CannotRecord(SOON)
            last, size.last = size.last, self.calls
            if size.never or last < self.since:
                raise CannotRecord(size.never or "its weights lie elsewhere than when this size came last")
            return size, last

    def room(self, size: Size, last: int) -> None:
        """Makes room for one more recording of a size that was used last at that call. Raises CannotRecord."""
        if len(size.recordings) >= AT_ONCE:
            raise CannotRecord("all that is recorded of this size waits for the way back")
        with self.lock:
            others = [other for other in self.sizes.values() if other.recordings]
            if sum(len(other.recordings) for other in others) >= RECORDINGS:
                oldest = min(others, key=lambda other: other.last)
                if oldest.last >= last:
                    raise CannotRecord("other sizes come more often")
                oldest.recordings = []


@dataclass(frozen=True, slots=True)
class Recorded:
    """A method with what it reads. `states` are the names of its results, of which those `outside` are read by others;
    the rest is computed when someone asks for it. Without names all are given."""

    method: Method
    reads: Callable[[nn.Module], Reads]
    states: Sequence[str] = ()
    outside: frozenset[str] = frozenset()
    report: Report = field(default_factory=Report)
    known: WeakKeyDictionary[nn.Module, Known] = field(default_factory=WeakKeyDictionary)

    def __call__(self, module: nn.Module, places: Sequence[Any], names: Mapping[str, Any], why: str = "") -> Any:
        """What the method gives; `why` it is not computed otherwise, where there is a better way."""
        device = next((a.device for a in (*places, *names.values()) if isinstance(a, Tensor)), None)
        records = None if device is None else RECORDERS.get(device.type)
        if device is None or records is None:
            self.report.path = f"torch, because {why}" if why else ""
            return self.method(module, *places, **names)
        if recording_now():
            self.report.path = "CUDA graph, with what is around it"
            return self.method(module, *places, **names)
        try:
            reads = self.reads(module)
            call = Call(self.method, module, reads.weights, places, names)
            found, self.report.path = self._found(call, reads.training, device, records)
        except CannotRecord as reason:
            self.report.path = f"torch, because {reason}"
            return self.method(module, *places, **names)
        return found

    def _found(self, call: Call, training: Sequence[bool], device: torch.device, records: Recorder) -> tuple[Any, str]:
        """What a call gives, and by what. Raises CannotRecord."""
        tensors = call.tensors
        _check(call, tensors, device)
        differentiated = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
        arithmetic = autocast(device.type)
        given = (*call.places, *call.names.values())
        wants = tuple((t.requires_grad, arithmetic.enabled and t.is_leaf) for t in tensors) if differentiated else ()
        key = (
            tuple((a.shape, a.dtype) if isinstance(a, Tensor) else (type(a), a) for a in given),
            tuple(call.names),
            wants,
            tuple(training),
            arithmetic,
            records.place(device),
        )
        lie = tuple((w.data_ptr(), w.shape, w.stride(), w.dtype) for w in call.weights)
        known = self.known.setdefault(call.module, Known())
        size, last = known.size(lie, key)
        if size.never is None:
            found, size.never = watched(call.run, tensors, device)
            return found, f"torch, because {size.never or SOON}"
        recording = self._recording(known, size, last, call, arithmetic, partial(records.tape, device))
        if not differentiated:
            kept, _ = recording.forward(tensors)
        else:
            kept = Replayed.apply(recording, recording.leased(), size.wanted, *tensors)  # type: ignore[no-untyped-call]
        return self._put_together(recording, tensors, kept, differentiated), "CUDA graph"

    def _recording(
        self, known: Known, size: Size, last: int, call: Call, arithmetic: Autocast, tape: Callable[[], Tape]
    ) -> Recording:
        """A recording that nobody waits for, with the ways back that have been gone. Raises CannotRecord."""
        recording = next((r for r in size.recordings if r.free), None)
        try:
            if recording is None:
                own = tape()
                known.room(size, last)
                some = [k for k, state in enumerate(self.states) if state in self.outside]
                recording = record(call, None if arithmetic.enabled else some or None, arithmetic, own)
                size.recordings.append(recording)
            for asked in size.wanted - recording.backs.keys():
                recording.record_back(asked)
        except CannotRecord:
            raise
        except Exception as error:
            size.never = f"recording it failed: {str(error).partition(chr(10))[0]}"
            size.recordings = []
            raise CannotRecord(size.never) from error
        return recording

    def _put_together(
        self, recording: Recording, tensors: Sequence[Tensor], kept: Sequence[Tensor], differentiated: bool
    ) -> Any:
        """What the method gives: of what is not kept, that it can be computed."""
        results = recording.results
        values: dict[int, Any] = dict(zip(results.kept, kept, strict=True))
        if len(values) < len(results.shapes):
            later = Later(partial(_every, self.states, recording, tensors, differentiated), tensors)
            for k, state in enumerate(self.states):
                values.setdefault(k, LeftOut(later, state, tuple(results.shapes[k])))
        return results.together([values[k] for k in range(len(results.shapes))])


def _every(
    states: Sequence[str], recording: Recording, tensors: Sequence[Tensor], differentiated: bool
) -> Mapping[str, Tensor]:
    with torch.set_grad_enabled(differentiated):
        return dict(zip(states, every(recording, tensors), strict=True))


def bind(kind: type[nn.Module], name: str) -> Recorded:
    """Puts a recorded method in the place of a class's own."""
    recorded = Recorded(vars(kind)[name], whole, report=Report(""))

    @wraps(recorded.method)
    def method(self: nn.Module, *places: Any, **names: Any) -> Any:
        return recorded(self, places, names)

    setattr(kind, name, method)
    return recorded


# --- what may be recorded ------------------------------------------------------------------------


def whole(module: nn.Module) -> Reads:
    """All of a module whose layers are torch's own, or the page's. Raises CannotRecord."""
    weights: dict[int, Tensor] = {}
    training = []
    for name, layer in module.named_modules():
        known = type(layer).__module__ == type(module).__module__ or type(layer).__module__.startswith(_TORCH)
        if layer is not module and (not known or hooked(layer)):
            raise CannotRecord(f"`{name}` is a layer of one's own, or has been changed")
        weights |= {id(t): t for t in (*layer._parameters.values(), *layer._buffers.values()) if t is not None}
        training.append(layer.training)
    return Reads(list(weights.values()), training)


def _check(call: Call, tensors: Sequence[Tensor], device: torch.device) -> None:
    """Raises CannotRecord where a replay would not be what torch does now."""
    if any(getattr(_module, hooks) for hooks in _EVERYWHERE):
        raise CannotRecord("hooks wait for every module's call")
    tracing = torch.compiler.is_compiling() or torch._C._get_tracing_state() or forward_ad._current_level >= 0
    if tracing or torch._C._functorch.peek_interpreter_stack() is not None:
        raise CannotRecord("torch is tracing the computation")
    if torch._C._current_graph_task_id() != -1:
        raise CannotRecord("the way back is under way")
    if torch._C._autograd._top_saved_tensors_default_hooks(True):
        raise CannotRecord("others see to what is kept for the way back")
    if torch._C._len_torch_dispatch_stack() or torch.is_anomaly_enabled():
        raise CannotRecord("torch's operations are watched")
    if any(type(t) not in _TENSORS or t.layout is not torch.strided for t in tensors):
        raise CannotRecord("a tensor is of a type of its own")
    if any(t.device != device for t in tensors):
        raise CannotRecord("what it takes is not all on one device")
    if not all(a is None or isinstance(a, _GIVEN) for a in (*call.places, *call.names.values())):
        raise CannotRecord("it takes more than tensors and numbers")
