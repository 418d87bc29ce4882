"""A recorded call of a method, as a function that torch differentiates.

What a recording computes lies in memory that its next replay fills anew. So whoever replays one gets copies, and while
someone may still go back through a replay nobody else gets the recording (`Lease`). The way back is recorded for the
results that were given gradients: those of the others are not zeros, but not there. Where it is not recorded yet, where
the memory has been filled anew since, and where the way back is itself to be differentiated, the method computes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from operator import itemgetter
from threading import Lock, local
from typing import Any, NamedTuple
from weakref import ref

import torch
from torch import Tensor, nn

from sqmagic.runtime.graphs.recorder import CannotRecord, Replay, Tape

Method = Callable[..., Any]


class Autocast(NamedTuple):
    """Whether torch chooses the types of numbers, and the short one of them."""

    device: str
    enabled: bool
    dtype: torch.dtype

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Casts of weights, which torch keeps until there is an end of all autocast, are not kept for the next run."""
        try:
            with torch.autocast(self.device, dtype=self.dtype, enabled=self.enabled):
                yield
        finally:
            torch.clear_autocast_cache()


def autocast(device: str) -> Autocast:
    return Autocast(device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))


class Call(NamedTuple):
    """A method's call: on a module with these weights, with arguments by place and by name. Its `tensors` are those
    among the arguments, then the weights."""

    method: Method
    module: nn.Module
    weights: Sequence[Tensor]
    places: Sequence[Any]
    names: Mapping[str, Any]

    @property
    def tensors(self) -> list[Tensor]:
        return [*self.arguments, *self.weights]

    @property
    def arguments(self) -> list[Tensor]:
        return [a for a in (*self.places, *self.names.values()) if isinstance(a, Tensor)]

    def given(self, arguments: Sequence[Tensor]) -> Call:
        """The same call with other tensors as arguments."""
        rest = iter(arguments)
        places = [next(rest) if isinstance(a, Tensor) else a for a in self.places]
        names = {name: next(rest) if isinstance(a, Tensor) else a for name, a in self.names.items()}
        return self._replace(places=places, names=names)

    def on(self, tensors: Sequence[Tensor]) -> Call:
        """The same call on other tensors, its module another one with others of these weights."""
        count = len(tensors) - len(self.weights)
        weights = tensors[count:]
        same = {id(t): t for t in (*self.module.parameters(), *self.module.buffers())}
        others = {id(own): other for own, other in zip(self.weights, weights, strict=True)}
        module = deepcopy(self.module, {**same, **others})
        return self.given(tensors[:count])._replace(module=module, weights=weights)

    def run(self) -> Any:
        return self.method(self.module, *self.places, **self.names)


class Results(NamedTuple):
    """What a method gives: those of its results that are kept, by their number, the shapes of all, and how results are
    put together again."""

    kept: Mapping[int, Tensor]
    shapes: Sequence[torch.Size]
    together: Callable[[Sequence[Any]], Any]


def _in_a_row(found: Any) -> tuple[list[Tensor], Callable[[Sequence[Any]], Any]]:
    match found:
        case Tensor():
            return [found], itemgetter(0)
        case dict():
            names = list(found)
            return list(found.values()), lambda values: dict(zip(names, values, strict=True))
        case _:
            return list(found), tuple


class _Thread(local):
    recording = False


_THREAD = _Thread()


def recording_now() -> bool:
    """Whether a recording is made, or its method computes again: what is called within is part of that."""
    return _THREAD.recording


@contextmanager
def alone() -> Iterator[None]:
    before, _THREAD.recording = _THREAD.recording, True
    try:
        yield
    finally:
        _THREAD.recording = before


# --- recordings ----------------------------------------------------------------------------------

Asked = tuple[tuple[bool, ...], Autocast]
"""Which results are given gradients, and in which arithmetic the way back goes."""

WAYS = 4
"""How many ways back are recorded for a size."""


class Lease:
    """That someone may go back through a replay: it is over when that has been done, or when nobody can any more."""

    __slots__ = ("__weakref__", "over")

    def __init__(self) -> None:
        self.over = False


class Back(NamedTuple):
    """A recorded way back: where gradients are put, and where those of the tensors are found."""

    given: Sequence[Tensor]
    gradients: Sequence[Tensor | None]
    replay: Replay


@dataclass(slots=True)
class Recording:
    """A call on tensors of its own: weights lie where they lay, arguments are copied to their `places`. `backs` are the
    ways back from it; `turn` counts the replays."""

    call: Call
    arithmetic: Autocast
    tape: Tape
    places: Sequence[Tensor]
    results: Results
    replay: Replay
    backs: dict[Asked, Back] = field(default_factory=dict)
    turn: int = 0
    lease: Callable[[], Lease | None] = lambda: None
    lock: Lock = field(default_factory=Lock)

    @property
    def free(self) -> bool:
        lease = self.lease()
        return lease is None or lease.over

    def leased(self) -> Lease:
        lease = Lease()
        self.lease = ref(lease)
        return lease

    def forward(self, tensors: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], int]:
        """The results that are kept, from arguments and weights; and the turn."""
        with self.lock, torch.no_grad():
            for own, given in zip(self.places, tensors, strict=False):
                own.copy_(given)
            self.replay()
            self.turn += 1
            return tuple(t.clone() for t in self.results.kept.values()), self.turn

    def back(self, asked: Asked, turn: int, given: Sequence[Tensor]) -> list[Tensor | None] | None:
        """The gradients of the tensors; None where this way back is not there."""
        with self.lock:
            back = self.backs.get(asked)
            if back is None or turn != self.turn:
                return None
            for own, gradient in zip(back.given, given, strict=True):
                own.copy_(gradient)
            back.replay()
            return [None if g is None else g.clone() for g in back.gradients]

    def record_back(self, asked: Asked) -> None:
        which, arithmetic = asked
        outputs = [t for t, some in zip(self.results.kept.values(), which, strict=True) if some]

        def gradients() -> Sequence[Tensor | None]:
            with arithmetic.applied():
                return _gradients(outputs, self.call.tensors, given, retain_graph=True)

        with alone(), torch.inference_mode(False):
            given = [torch.zeros_like(t, requires_grad=False) for t in outputs]
            self.backs[asked] = Back(given, *self.tape(gradients))


def record(call: Call, kept: Sequence[int] | None, arithmetic: Autocast, tape: Tape) -> Recording:
    """Records a call; of its results those are kept, all if it is None. The tensors that it reads count their changes
    for themselves: those that replays and optimisers make are none that autograd should know of."""
    differentiated = torch.is_grad_enabled()
    with alone(), torch.inference_mode(False), torch.no_grad():
        places = [t.clone(memory_format=torch.contiguous_format) for t in call.arguments]
        own = [t.data for t in (*places, *call.weights)]
        for mine, tensor in zip(own, call.tensors, strict=True):
            mine.requires_grad_(tensor.requires_grad)
        again = call.on(own)

        def computed() -> Results:
            with torch.set_grad_enabled(differentiated), arithmetic.applied():
                # casts are kept of leaves alone, and an argument may be none
                given = zip(again.arguments, call.arguments, strict=True)
                values, together = _in_a_row(again.given([t if a.is_leaf else t.view_as(t) for t, a in given]).run())
                if not all(isinstance(value, Tensor) for value in values):
                    raise CannotRecord("it gives more than tensors")
                which = range(len(values)) if kept is None else kept
                return Results({k: values[k] for k in which}, [v.shape for v in values], together)

        results, replay = tape(computed)
        replay()  # whoever warms up a way back finds numbers
    return Recording(again, arithmetic, tape, places, results, replay)


# --- as a function -------------------------------------------------------------------------------


class Replayed(torch.autograd.Function):
    """From arguments and weights to the results that are kept; `wanted` are the ways back that have been gone."""

    @staticmethod
    def forward(ctx: Any, recording: Recording, lease: Lease, wanted: set[Asked], *tensors: Tensor) -> Any:
        found, turn = recording.forward(tensors)
        ctx.recording, ctx.lease, ctx.wanted, ctx.turn = recording, lease, wanted, turn
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        own = recording.results.kept.values()
        ctx.mark_non_differentiable(*(t for t, kept in zip(found, own, strict=True) if not kept.requires_grad))
        return found

    @staticmethod
    def backward(ctx: Any, *given: Tensor | None) -> tuple[Tensor | None, ...]:
        recording: Recording = ctx.recording
        tensors, wants = ctx.saved_tensors, ctx.needs_input_grad[3:]
        gradients = [g for g in given if g is not None]
        found: Sequence[Tensor | None] | None = [None] * len(wants)
        if gradients:
            asked = tuple(g is not None for g in given), autocast(recording.arithmetic.device)
            found = None
            if not torch.is_grad_enabled():
                if len(ctx.wanted) < WAYS:
                    ctx.wanted.add(asked)
                found = recording.back(asked, ctx.turn, gradients)
            if found is None:
                found = _again(recording, tensors, wants, asked[0], gradients)
        ctx.lease.over = True
        return (None, None, None, *(found or ()))


def every(recording: Recording, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """All results as the method computes them, from these tensors in the place of the recording's own."""
    with alone(), recording.arithmetic.applied():
        return _in_a_row(recording.call.on(tensors).run())[0]


def _again(
    recording: Recording,
    tensors: Sequence[Tensor],
    wants: Sequence[bool],
    which: Sequence[bool],
    given: Sequence[Tensor],
) -> Sequence[Tensor | None]:
    """The gradients by the method, so that they can be differentiated where that is asked for. They are taken where the
    tensors come in: what hooks do with a tensor's gradient is done with the result."""
    differentiated = torch.is_grad_enabled()
    with torch.enable_grad():
        own = [t.view_as(t) if want else t.detach() for t, want in zip(tensors, wants, strict=True)]
        values = every(recording, own)
        outputs = [values[k] for k, some in zip(recording.results.kept, which, strict=True) if some]
        return _gradients(outputs, own, given, create_graph=differentiated)


def _gradients(
    outputs: Sequence[Tensor], tensors: Sequence[Tensor], given: Sequence[Tensor], **more: bool
) -> Sequence[Tensor | None]:
    """For each tensor its gradient, or None where it wants none or there is none."""
    leaves = [t for t in tensors if t.requires_grad]
    found = iter(torch.autograd.grad(outputs, leaves, given, allow_unused=True, **more))
    return [next(found) if t.requires_grad else None for t in tensors]
