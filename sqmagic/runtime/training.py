"""`fit`: steps of an optimiser over batches, which can be interrupted, and which stop before they do harm.

Before each step the weights are copied, so that an interrupt never leaves half a step, and a loss that is not finite
finds the weights of the last step whose loss was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from sqmagic.runtime import calling, generated, inputs
from sqmagic.runtime.amounts import learning_rate, whole
from sqmagic.runtime.batches import Batches, Held, Loaded, named, opened
from sqmagic.runtime.blueprint import Transforms
from sqmagic.runtime.chance import seeded
from sqmagic.runtime.compiled import Compiled
from sqmagic.runtime.errors import InputError
from sqmagic.runtime.history import History
from sqmagic.runtime.inputs import Data
from sqmagic.runtime.live import Live, live
from sqmagic.runtime.optimisers import RATE, Optimiser, optimiser, without_effect
from sqmagic.runtime.turned import NotFinite, turned
from sqmagic.runtime.weights import Weights


@dataclass(frozen=True, slots=True)
class Settings:
    epochs: int
    batch: int
    lr: float | None
    optimizer: Any
    shuffle: bool
    seed: int | None
    horizon: int | None
    batch_first: bool
    progress: bool
    updates: Mapping[str, Transforms]


def train(net: Compiled, source: Any, lengths: Any, validation: Any, settings: Settings) -> History:
    """Trains a net and puts it back into the mode in which it was."""
    whole(epochs=settings.epochs, batch=settings.batch, horizon=settings.horizon, seed=settings.seed)
    learning_rate(settings.lr)
    if settings.epochs < 0 or settings.batch < 1:
        raise InputError("`epochs` must not be negative, and `batch` at least 1")
    if not torch.is_grad_enabled():
        raise InputError("fit needs gradients: call it outside of torch.no_grad() and torch.inference_mode()")
    if settings.lr is not None and isinstance(settings.optimizer, torch.optim.Optimizer):
        raise InputError("`optimizer` is made already and has its own learning rate: leave `lr` out, or give its class")
    data = _batches(net, source, lengths, settings)
    held_out = None if validation is None else _batches(net, validation, None, settings)
    rate = RATE if settings.lr is None else settings.lr
    moves = optimiser(dict(net.named_parameters()), settings.updates, settings.optimizer, rate)
    without_effect(moves, lr=settings.lr, optimizer=settings.optimizer)
    history, was_training = History(), net.training
    total = None if data.count is None else data.count * settings.epochs
    with seeded(settings.seed), live(history, total, settings.progress) as shown:
        try:
            _epochs(net, data, held_out, moves, history, shown, settings)
        except KeyboardInterrupt:
            history.interrupted = True
        except NotFinite as reason:
            history.stopped = str(reason)
            shown.say(f"stopped: {reason}")
        finally:
            moves.zero_grad()
            net.train(was_training)
    return history


def _batches(net: Compiled, source: Any, lengths: Any, settings: Settings) -> Batches:
    def fitted(data: Data) -> Data:
        return calling.fitted(net, data, "loss", "the loss")

    if isinstance(source, Mapping):
        given = source if lengths is None else {**source, "lengths": lengths}
        data = named(given, net.inputs, settings.batch_first)
        if not data.tensors:
            raise InputError("there is no data to learn from: give the inputs by name")
        ready = fitted(data)
        return Held(net.inputs, ready, settings.batch)
    if lengths is not None:
        raise InputError("a loader gives `lengths` with each batch, in a mapping")
    if isinstance(source, torch.Tensor) or not hasattr(source, "__iter__"):
        raise InputError(f"fit takes inputs by name, or a loader, not {type(source).__name__}")
    if not net.is_settled:
        begun = iter(source)
        first = next(begun, None)
        if first is None:
            raise InputError("the loader gives no batch")
        fitted(opened(first, net.inputs, settings.batch_first))
        source = chain([first], begun) if begun is source else source  # some can be gone through only once
    return Loaded(net.inputs, source, settings.batch_first, fitted)


# --- the loop ------------------------------------------------------------------------------------


def _epochs(
    net: Compiled,
    data: Batches,
    held_out: Batches | None,
    moves: Optimiser,
    history: History,
    shown: Live,
    settings: Settings,
) -> None:
    good = Weights(net)
    for _ in range(settings.epochs):
        net.train()
        history.begin()
        for batch in data.epoch(settings.shuffle):
            loss = _step(net, batch, moves, good, len(history.losses) + 1, settings)
            history.add(loss, inputs.examples(net.inputs, batch.tensors))
            shown.update(len(history.losses))
        if held_out is not None:
            history.validation.append(_mean_loss(net, held_out, settings))
    if not good.are_finite():
        good.restore()
        raise NotFinite(f"after step {len(history.losses)} some weights are not finite; the step was taken back")


def _step(net: Compiled, batch: Data, moves: Optimiser, good: Weights, number: int, settings: Settings) -> float:
    """One step: the loss, its gradient, and the weights moved; taken back as a whole if it is interrupted."""
    before = Weights(net)
    try:
        moves.zero_grad()
        loss = _loss(net, batch, settings)
        if not loss.requires_grad:
            ways = "net.requires_grad_() lets all of them be trained"
            raise InputError(f"no parameter that the loss depends on is trained: they are frozen, or none\n  {ways}")
        value = float(loss.detach())
        if not torch.isfinite(loss):
            reason = f"the loss of step {number} is {value}: {_culprit(net, batch, before, settings)}"
            (good if number > 1 else before).restore()
            raise NotFinite(f"{reason}\n  the weights are those of the last step whose loss was finite")
        loss.backward()  # type: ignore[no-untyped-call]
        bad = [n for n, p in net.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
        if bad:
            before.restore()
            raise NotFinite(f"at step {number} the gradient of `{bad[0]}` is not finite; no step was made")
        good.take(before)
        moves.step(partial(_again, net, batch, moves, settings))
    except KeyboardInterrupt:
        before.restore()
        raise
    return value


def _again(net: Compiled, batch: Data, moves: Optimiser, settings: Settings) -> Tensor:
    """The loss and its gradient, for optimisers that ask more than once in a step."""
    moves.zero_grad()
    loss = _loss(net, batch, settings)
    loss.backward()  # type: ignore[no-untyped-call]
    moves.clip()
    return loss


def _loss(net: Compiled, batch: Data, settings: Settings) -> Tensor:
    return calling.loss(net, batch, settings.horizon)


def _mean_loss(net: Compiled, data: Batches, settings: Settings) -> float:
    """The loss over all batches, without learning from them."""
    net.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for batch in data.epoch(False):
            examples = inputs.examples(net.inputs, batch.tensors)
            total, count = total + float(_loss(net, batch, settings)) * examples, count + examples
    return total / count


# --- what turned ----------------------------------------------------------------------------------


def _culprit(net: Compiled, batch: Data, before: Weights, settings: Settings) -> str:
    """The first state, in the order of the program, that is not finite, at its first step."""
    before.restore()
    with torch.no_grad():
        states = generated.Values(calling.values(net, batch, settings.horizon))
    given = {spec.state for spec in net.inputs}
    return turned(((s, states[s]) for s in states), generated.rows(net.code), given, batch.lengths)
