"""Wrong variants of displayed forms, as a careless person might write them: for tests that the check catches them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from test_golden import macros_before

from sqmagic.calculus.derivation.forms import Chain, Derivation
from sqmagic.calculus.terms import minus
from sqmagic.equations.elaborate import Kernel
from sqmagic.equations.show import show
from sqmagic.equations.system import (
    Apply,
    Const,
    Expr,
    Position,
    Read,
    Running,
    System,
    Weight,
    children,
    moved,
    with_children,
)
from sqmagic.pipeline import understand

GOLDEN = Path(__file__).parent / "golden"

GAE = """
O_t : 3
r_t : 1
d_t : 1
a_t : action(3)
0.99 -> gamma
0.95 -> lam
O_t --[Value]-> V_t
V_t => r_t + gamma*stop(V_{t+1})*(1-d_t)
V_{t+1}*gamma*(1-d_t) + r_t - V_t -> TD_t
TD_t + gamma*lam*(1-d_t)*A_{t+1} -> A_t
O_t --[clip_grad(Policy, 0.1)|softmax]-> pi_t $ A_t * log(pi_t[a_t])
"""

LSTM = """
0 -> c_0
0 -> h_0
h_{t-1}|x_t -> p_t
p_t --[F|sigmoid]-> f_t
p_t --[I|sigmoid]-> i_t
p_t --[C|tanh]-> l_t
p_t --[O|sigmoid]-> o_t
c_{t-1}*f_t + i_t*l_t -> c_t
tanh(c_t)*o_t -> h_t
h_t --[adam_opt(Gen, lr=0.01, eps=0.01)]-> q_t => y_t
"""

GRU = """
0 -> h_0
h_{t-1}|x_t -> c_t
c_t --[R|sigmoid]-> r_t
c_t --[Z|sigmoid]-> z_t
x_t|(h_{t-1}*r_t) --[H|tanh]-> l_t
h_{t-1} * (1 - z_t) + z_t*l_t -> h_t
h_t --[Gen]-> p => y_t
"""

SEED = ("mlp_mse", "mlp_softmax", "rnn", "gru", "lstm", "td", "td_gru", "gae")
"""The programs of the seed that train, the LSTM repaired and the recurrent cells with a loss."""


def program(name: str) -> System:
    texts = {"gae": GAE, "lstm": LSTM, "gru": GRU}
    if name in texts:
        return understand(texts[name]).system
    folder = GOLDEN / name
    return understand((folder / "program.sqn").read_text(), Kernel(macros_before(folder))).system


def shown(expr: Expr) -> str:
    """A form in words, without what the head of a sheet says once."""
    return show(_without(expr))


def _without(expr: Expr) -> Expr:
    match expr:
        case Apply("during", (body, _)) | Apply("batch_mean", (body,)):
            return _without(body)
        case _:
            return with_children(expr, tuple(map(_without, children(expr))))


def mutants(expr: Expr, sheet: Derivation, chain: Chain) -> Iterator[tuple[str, Expr]]:
    """Every variant with one thing wrong, and what is wrong."""
    seen = {expr}
    for kind, wrong in (*_within(expr, sheet), ("sign of all", minus(expr))):
        if wrong not in seen:
            seen.add(wrong)
            yield kind, wrong


def _within(expr: Expr, sheet: Derivation) -> Iterator[tuple[str, Expr]]:
    yield from _here(expr, sheet)
    parts = children(expr)
    for n, part in enumerate(parts):
        if isinstance(expr, Apply) and expr.op in ("during", "window_sum") and n:
            continue  # steps and ends of sums are said once, and are no factor of a form
        for kind, wrong in _within(part, sheet):
            yield kind, with_children(expr, (*parts[:n], wrong, *parts[n + 1 :]))


def _here(expr: Expr, sheet: Derivation) -> Iterator[tuple[str, Expr]]:
    match expr:
        case Read(_, context):
            for distance in (-1, 1):
                if any(isinstance(i, Running) for i in context):
                    there = tuple(moved(i, distance) if isinstance(i, Running) else i for i in context)
                    yield "time offset", replace(expr, context=there)
            yield from _other_states(expr, sheet)
        case Const(value):
            yield "number", Const(value + 1.0)
        case Apply("add", (left, right)):
            yield from (("dropped term", left), ("dropped term", right), ("sign", replace(expr, op="sub")))
        case Apply("sub", (left, right)):
            yield from (("dropped term", left), ("dropped term", minus(right)), ("sign", replace(expr, op="add")))
        case Apply("neg", (inner,)):
            yield "sign", inner
        case Apply("mul", (left, right)):
            yield from (("dropped factor", left), ("dropped factor", right))
        case Apply("div", (left, right)):
            yield from (("dropped factor", left), ("upside down", replace(expr, args=(right, left))))
        case Apply("outer", (left, right)):
            yield "order of an outer product", replace(expr, args=(right, left))
        case Apply("dense_input", (g,), layer):
            yield "transpose lost", Apply("matmul", (Weight(f"{layer}.weight"), g))
            yield from (("wrong layer", replace(expr, layer=other)) for other in _layers(sheet) if other != layer)
        case Apply("derivative", _):
            for function in ("sigmoid", "tanh", "sin"):
                yield "wrong derivative", replace(expr, attributes=(("function", function),))
        case Apply() | Position() | Weight():
            pass


def _other_states(read: Read, sheet: Derivation) -> Iterator[tuple[str, Expr]]:
    """A state for its adjoint, an adjoint for its state, and another of the same shape: a wrong gate."""
    twin = read.state[1:] if read.state.startswith("^") else f"^{read.state}"
    if twin in sheet.shapes:
        yield "state for adjoint", replace(read, state=twin)
    running = {t.state for e in sheet.system.equations for t in e.targets if len(t.context) == len(read.context)}
    hat = read.state.startswith("^")
    for state, shape in sheet.shapes.items():
        alike = shape == sheet.shapes.get(read.state) and state.startswith("^") == hat and state in running
        if alike and state not in (read.state, twin) and state not in sheet.activations and "." not in state.strip("^"):
            yield "wrong gate", replace(read, state=state)


def _layers(sheet: Derivation) -> list[str]:
    return list(dict.fromkeys(sheet.deltas.values()))
