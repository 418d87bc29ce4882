"""A bench: a program on random values that are finite and near no kink, with what torch says of its derivatives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sqmagic.calculus.adjoint import Adjoint, adjoint
from sqmagic.calculus.derivation.forms import Derivation
from sqmagic.checking.autograd import Derivatives, derivatives
from sqmagic.checking.boundaries import drawn_states
from sqmagic.checking.draws import Arrays, drawn, kept
from sqmagic.checking.kinks import near_a_kink
from sqmagic.equations.interpret import Run, interpret
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import Read, System
from sqmagic.schedule.domains import Domains, domains

STEPS, BATCH = 4, 2
"""T at least; examples."""


class CannotCheck(ValueError):
    """A sheet that cannot be judged: no random values are found at which the program is defined and smooth (`max(x, x)`
    never is), or it calls a torch module."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A program on random values: what the judge computes and what torch says, ready to be asked for any form.

    `drawn` are the base cases that are random here, `given` what an optimiser has kept, `run` computes the program.
    """

    system: System
    made: Adjoint
    shapes: Shapes
    parameters: Arrays
    inputs: Arrays
    horizon: int
    by_torch: Derivatives
    held: Domains
    given: Arrays
    drawn: frozenset[Read]
    run: Run


def bench_of(system: System, shapes: Shapes, sheet: Derivation) -> Bench:
    """Draws until values are finite and no kink is near."""
    held = domains(system)
    made = adjoint(system, shapes, held, layers=True)
    system = replace(system, equations=made.sources)
    names = {**shapes.states, **made.shapes}
    sizes = replace(shapes, states=names)
    forward = replace(system, equations=made.forward, goals=made.system.goals)
    horizon = max(STEPS, held.horizon + 1) if system.indices else 0
    wanted = frozenset(state[1:] for state in made.shapes if state.startswith("^")) & {
        t.state for e in made.forward for t in e.targets
    }
    for seed in range(20):
        parameters, inputs = drawn(system, shapes, horizon, BATCH, seed)
        if near_a_kink(forward, sizes, parameters, inputs, horizon=horizon, batch=BATCH):
            continue
        by_torch = derivatives(forward, sizes, wanted, parameters, inputs, horizon=horizon, batch=BATCH)
        if not np.isfinite(by_torch.loss):
            continue
        given = kept(sheet.given, seed)
        points = frozenset(
            Read(e.targets[0].state, e.targets[0].context)
            for e in system.equations
            if isinstance(e.value, Read) and e.value.state in drawn_states(system)
        )
        run = interpret(
            system, parameters=parameters, inputs=inputs, horizon=horizon or None, shapes=sizes, batch=BATCH
        )
        return Bench(system, made, sizes, parameters, inputs, horizon, by_torch, domains(forward), given, points, run)
    raise CannotCheck("no random values were found at which the program is defined and smooth")
