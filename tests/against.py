"""A net against the judge: on the same parameters and inputs, all states and the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from emitted import Emitted, emitted, net, randomised

from sqmagic.equations.interpret import CannotInterpret, Run, interpret
from sqmagic.runtime.errors import InputError
from sqmagic.runtime.net import Net


def random_inputs(made: Emitted, steps: int, batch: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Inputs of the program's shapes: positive numbers, whole numbers among their values."""
    torch.manual_seed(seed)
    found = {}
    for item in made.system.inputs:
        rows = steps + getattr(item.last, "offset", 0) - getattr(item.first, "value", 1) + 1
        lead = (rows, batch) if item.indexed else (batch,)
        shape = made.shapes.states[item.state]
        if item.state in made.shapes.integers:
            found[item.state] = torch.randint(0, made.shapes.classes.get(item.state, 3), (*lead, *shape))
        else:
            found[item.state] = torch.rand(*lead, *shape, dtype=torch.float64) + 0.25
    return found


def judged(
    made: Emitted, module: Net, given: Mapping[str, torch.Tensor], lengths: Sequence[int] | None, **more: Any
) -> Run:
    parameters = {name: value.detach().numpy().copy() for name, value in module.state_dict().items()}
    inputs = {name: value.numpy() for name, value in given.items()}
    return interpret(made.meant, parameters=parameters, inputs=inputs, shapes=made.shapes, lengths=lengths, **more)


def agree(
    text: str,
    steps: int = 4,
    batch: int = 3,
    lengths: Sequence[int] | None = None,
    training: bool = False,
    **more: Any,
) -> None:
    """Asserts that the generated code computes what the judge does, with kernels and by torch alone."""
    made = emitted(text)
    given = random_inputs(made, steps, batch)
    module = net(text).settle(given)
    randomised(module)
    module.train(training)
    run = judged(made, module, given, lengths, training=training, **more)
    horizon = {"horizon": more["horizon"]} if "horizon" in more else {}
    _agrees(made, module, given, run, lengths, horizon, text)
    if module._scans:
        unbound(module)
        _agrees(made, module, given, run, lengths, horizon, text)


def unbound(module: Net) -> Net:
    """The net with its scans as torch computes them."""
    for bound in module._scans:
        setattr(type(module._code), bound.program.method, bound.method)
    return module


def _agrees(
    made: Emitted,
    module: Net,
    given: Mapping[str, torch.Tensor],
    run: Run,
    lengths: Sequence[int] | None,
    horizon: Mapping[str, int],
    text: str,
) -> None:
    out = module(given, lengths=lengths, **horizon)
    expected = run.states()
    for state, value in expected.items():
        if state in module.settled.inside:
            got = (
                module.probe(state, given, lengths=lengths, **horizon)
                .double()
                .numpy()[: run.horizon, :, : value.shape[2]]
            )
            np.testing.assert_allclose(got, value, rtol=1e-10, atol=1e-10, err_msg=f"{state} of {text}")
            continue
        got = out[state].detach().double().numpy()
        if out.domain(state) is not None:
            assert np.isnan(got[run.horizon :]).all(), f"{state} past the longest example"
            got = got[: run.horizon]
        want = np.broadcast_to(value, got.shape).copy()
        if lengths is not None and out.domain(state) is not None:
            for example, length in enumerate(lengths):
                want[length:, example] = np.nan  # the judge knows what the program gives past an end
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10, err_msg=f"{state} of {text}")
    for state in out:
        if out.domain(state) is not None:
            first, last = out.domain(state) or (1, 0)
            assert state in expected or first > last, f"{state} is nowhere defined"
    if made.system.goals:
        try:
            want_loss = run.loss()
        except CannotInterpret:
            try:
                module.loss(given, lengths=lengths, **horizon)
            except InputError as error:
                assert "there are none" in str(error)
                return
            raise
        got_loss = module.loss(given, lengths=lengths, **horizon).item()
        np.testing.assert_allclose(got_loss, want_loss, rtol=1e-10, atol=1e-10, err_msg=text)
