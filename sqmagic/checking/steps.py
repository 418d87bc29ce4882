"""Updates against torch's own optimisers: one step from what the sheet calls given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sqmagic.calculus.derivation.forms import Chain
from sqmagic.checking.bench import Bench
from sqmagic.checking.error import difference
from sqmagic.equations.interpret import interpret
from sqmagic.equations.ops import TRANSFORMS
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import Equation, Expr, Input, Layer, Read, System, Target, Weight
from sqmagic.runtime.optimisers import optimiser

Array = NDArray[np.float64]
Arrays = Mapping[str, Array]
Parameters = Mapping[str, torch.nn.Parameter]


def stepped(chain: Chain, exprs: Sequence[Expr], bench: Bench) -> list[float]:
    """The error of each right side of an update, by what torch's optimiser does with the same gradients."""
    (left,) = chain.left
    name = left.parameter if isinstance(left, Weight) else left.state if isinstance(left, Read) else ""
    truth, given = _by_torch(_owner(name, bench), bench)
    inputs = {state: value[None] for state, value in {**given, **truth}.items() if state != name}
    system = System(
        (),
        tuple(Input(state, False) for state in inputs),
        tuple(Equation((Target(f"?{n}"),), e) for n, e in enumerate(exprs)),
        (),
        (),
    )
    run = interpret(system, parameters=bench.parameters, inputs=inputs, shapes=Shapes({}, {}))
    return [difference(run.value(f"?{n}"), truth[name][None]) for n in range(len(exprs))]


def _owner(name: str, bench: Bench) -> Layer:
    stem = name.removeprefix("^")
    found = [layer for layer in bench.system.layers if stem == layer.name or stem.startswith(f"{layer.name}.")]
    return max(found, key=lambda layer: len(layer.name))


def _by_torch(layer: Layer, bench: Bench) -> tuple[dict[str, Array], dict[str, Array]]:
    """What an update gives each name, and what it was given. A norm is told as torch computes it."""
    names = [n for n in bench.made.gradients if n == layer.name or n.rpartition(".")[0] == layer.name]
    gradients = {name: bench.by_torch.parameters[name] for name in names}
    parameters = {name: torch.nn.Parameter(torch.as_tensor(bench.parameters[name]).clone()) for name in names}
    for name, parameter in parameters.items():
        parameter.grad = torch.as_tensor(gradients[name]).clone()
    transforms = tuple(
        (u.transform, {n: float(v) for n, v in {**dict(TRANSFORMS[u.transform]), **dict(u.settings)}.items()})
        for u in layer.updates
    )
    made = optimiser(parameters, {layer.name: transforms}, torch.optim.SGD, 0.0)
    given = {f"^{name}": value for name, value in gradients.items()} | dict(bench.given)
    for part in made.parts:
        _remember(part, parameters, layer.name, bench.given)
    norm = float(np.sqrt(sum(np.square(g).sum() for g in gradients.values())))
    made.step()
    truth = {f"^{layer.name}.norm": np.asarray([norm])}
    for name, parameter in parameters.items():
        assert parameter.grad is not None
        truth[f"^{name}.clipped"] = parameter.grad.numpy()
        truth[name] = parameter.detach().numpy()
        for part in made.parts:
            truth |= _remembered(part, name, parameter) | _stepped(part, layer.name, parameter)
        truth |= _followed(name, layer, bench.given)
    return truth, given


def _followed(name: str, layer: Layer, given: Arrays) -> dict[str, Array]:
    """What torch makes of the copy of a parameter that has a target."""
    taus = [dict(TRANSFORMS["target"]) | dict(u.settings) for u in layer.updates if u.transform == "target"]
    if not taus:
        return {}
    copy, own = (torch.as_tensor(given[f"{name}.{which}"]) for which in ("target", "new"))
    return {f"{name}.target'": torch.lerp(copy, own, float(taus[0]["tau"])).numpy()}


def _remember(part: torch.optim.Optimizer, parameters: Parameters, owner: str, given: Arrays) -> None:
    """Gives an optimiser the moments that were drawn, as if it had made steps before."""
    mine = {id(p) for group in part.param_groups for p in group["params"]}
    for name, parameter in parameters.items():
        if id(parameter) in mine and f"{name}.m" in given:
            moment = torch.as_tensor(given[f"{name}.m"]).clone()
            if isinstance(part, torch.optim.Adam):
                step = torch.tensor(float(given[f"{owner}.step"][0]))
                second = torch.as_tensor(given[f"{name}.v"]).clone()
                part.state[parameter] = {"step": step, "exp_avg": moment, "exp_avg_sq": second}
            else:
                part.state[parameter] = {"momentum_buffer": moment}


def _stepped(part: torch.optim.Optimizer, owner: str, parameter: torch.nn.Parameter) -> dict[str, Array]:
    step = part.state.get(parameter, {}).get("step")
    return {} if step is None else {f"{owner}.step'": np.asarray([float(step)])}


def _remembered(part: torch.optim.Optimizer, name: str, parameter: torch.nn.Parameter) -> dict[str, Array]:
    state = part.state.get(parameter, {})
    keys = {"exp_avg": "m'", "exp_avg_sq": "v'", "momentum_buffer": "m'"}
    return {f"{name}.{keys[k]}": v.detach().numpy() for k, v in state.items() if k in keys and v is not None}
