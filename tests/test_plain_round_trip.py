"""What is printed in plain text reads back to the very tree: every parenthesis is where it must be, and no name is
taken for another. The other printers write the same formula trees."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reader import read
from test_derivation_sheet import SHEETS, shown

from sqmagic.board.binding import Notes
from sqmagic.board.derivation.chains import known_of
from sqmagic.board.operators import formula
from sqmagic.board.plain import write
from sqmagic.equations.system import (
    Apply,
    Const,
    Expr,
    Fixed,
    Last,
    Position,
    Read,
    Running,
    Weight,
    walk,
    with_children,
)

VECTORS = ("h", "x", "p_1", "alpha", "O'", "Enc.r", "^h", "^x", "^p_1", "^i", "^h.1", "h.1")
SCALARS = ("gamma", "r", "^r")
CONTEXTS = ((), (Running("t", -1),), (Running("t"),), (Running("t", 1),), (Fixed(0),), (Last("t"),))
LAYERS = ("F", "Gen")
KNOWN = Notes(
    scalars=frozenset(SCALARS),
    linear=True,
    deltas={"^h.1": "F"},
    activations={"h.1": "F"},
    parameters=frozenset(f"{layer}.{part}" for layer in LAYERS for part in ("weight", "bias")),
    shapes={**dict.fromkeys(VECTORS, (3,)), **dict.fromkeys(SCALARS, (1,))},
)
LEAVES: list[Expr] = [
    *(Read(state, context) for state in (*VECTORS, *SCALARS) for context in CONTEXTS),
    *(Weight(f"{layer}.{part}") for layer in LAYERS for part in ("weight", "bias")),
]


def plain(expr: Expr, known: Notes = KNOWN) -> str:
    return write(formula(expr, known))


LEXICON = {plain(leaf): leaf for leaf in LEAVES}
NAMES = st.sampled_from([leaf for leaf in LEAVES if isinstance(leaf, Read)])
NUMBERS = st.sampled_from([Const(0.5), Const(2.0), Const(10.0)])


def _applied(op: str, arity: int, inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    return st.tuples(*[inner] * arity).map(lambda args: Apply(op, args))


def _grown(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    vector = inner.filter(lambda expr: not isinstance(expr, Const))
    functions = st.sampled_from(["tanh", "sigmoid", "relu"])
    return st.one_of(
        *(_applied(op, 2, inner) for op in ("add", "sub", "mul", "mul", "div", "equal", "concat", "outer")),
        *(_applied(op, 1, inner) for op in ("neg", "square", "tanh", "sigmoid", "softmax", "one_hot", "sum")),
        st.builds(lambda layer, x: Apply("dense", (x,), layer), st.sampled_from(LAYERS), vector),
        st.builds(lambda layer, x: Apply("dense_input", (x,), layer), st.sampled_from(LAYERS), vector),
        st.builds(lambda f, x: Apply("derivative", (x,), None, (("function", f),)), functions, inner),
        st.builds(lambda x, slot: Apply("slice", (x,), None, (("of", slot),)), inner, st.sampled_from("hx")),
        st.builds(lambda x: Apply("window_sum", (x, Position(Fixed(1)), Position(Last("t")))), inner),
        st.builds(lambda c, x: Apply("where", (c, x, Const(0.0))), inner, inner),
        st.builds(lambda x, y: Apply("sum", (Apply("mul", (x, y)),)), inner, inner),
    )


TREES = st.recursive(NAMES | NUMBERS, _grown, max_leaves=14)


def test_no_two_names_are_printed_alike() -> None:
    assert len(LEXICON) == len(LEAVES)


@settings(max_examples=600)
@given(TREES)
def test_what_is_printed_reads_back(expr: Expr) -> None:
    assert read(plain(expr), LEXICON) == _as_shown(expr)


# --- what the sheets of the tests show -----------------------------------------------------------

_UNREAD = {"attention", "recurrent_attention", "window", "ranges", "stack_named_i", "to_the_end", "over"}
_UNREAD |= {"entropy of rows"}
"""Programs that read ranges, whose index is not t, or with layers on rows: the reader knows none of them."""
_READ = set(
    str.split(
        "add sub mul div neg square dense dense_input derivative concat slice window_sum sum outer tanh sigmoid relu"
        " softmax one_hot where equal size during batch_mean"
    )
)


def _as_shown(expr: Expr) -> Expr:
    """Without what is said at the head, and in the form in which equal trees are shown alike."""
    match expr:
        case Apply("batch_mean", (inner, *_)):
            return _as_shown(inner)
        case Apply("during", (inner, *rest)):
            told = plain(with_children(expr, (Const(0.0), *rest))) != "0" and not any(
                isinstance(n, Read) and n.state.startswith("^") for n in walk(inner)
            )
            return _held(_as_shown(inner)) if told else _as_shown(inner)
        case Apply("window_sum", (inner, *_)):
            return Apply("window_sum", (_as_shown(inner), Position(Fixed(1)), Position(Last("t"))))
        case Apply("slice", (inner,)):
            slot = plain(with_children(expr, (Const(0.0),))).removeprefix("0")
            return Apply("slice", (_as_shown(inner),), None, (("of", slot),))
        case Apply("dense" | "dense_input", (inner,), layer):
            return Apply(expr.op, (_as_shown(inner),), layer)
        case Apply("where", (Apply("equal") as holds, inner, Const(0.0))):  # a factor, as what holds is 1
            return Apply("mul", (_as_shown(inner), _as_shown(holds)))
        case Apply("mul", (Read() as left, right)) if left == right:
            return Apply("square", (left,))
        case Apply("one_hot", (inner,)):
            return Apply("one_hot", (_as_shown(inner),))
        case Apply(args=args):
            return with_children(expr, tuple(map(_as_shown, args)))
        case _:
            return expr


def _held(expr: Expr) -> Expr:
    """Within its steps, the sign before these."""
    match expr:
        case Apply("neg", (inner,)):
            return Apply("neg", (Apply("during", (inner,)),))
        case _:
            return Apply("during", (expr,))


@pytest.mark.parametrize("name", [name for name in SHEETS if name not in _UNREAD])
def test_every_form_of_a_sheet_reads_back(name: str) -> None:
    told = shown(name)
    known = known_of(told.derivation, told.system, linear=True)
    forms = [form.expr for chain in told.derivation.chains for form in chain.forms]
    readable = [f for f in forms if all(not isinstance(n, Apply) or n.op in _READ for n in walk(_as_shown(f)))]
    assert readable
    leaves = [n for f in readable for n in walk(f) if _is_leaf(n)]
    lexicon = {plain(leaf, known): leaf for leaf in [*map(Weight, told.derivation.parameters), *leaves]}
    for expr in readable:
        assert read(plain(expr, known), lexicon) == _as_shown(expr), plain(expr, known)


def _is_leaf(expr: Expr) -> bool:
    match expr:
        case Read() | Weight() | Position(Last() | Running()) | Apply("size"):
            return True
        case _:
            return False
