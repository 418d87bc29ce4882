"""Shapes: what each rule of NOTATION.md, C.3, infers; what is said of a clash; and laws over generated programs."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from systems import Example, at, bare, dense, examples, fed, loss, op, over, system
from systems import given as base

from sqmagic.equations.elaborate import Kernel, elaborate
from sqmagic.equations.interpret import interpret
from sqmagic.equations.ops import ALL_OPS, DERIVED, OPS
from sqmagic.equations.shapes import DataShape, Shape, Shapes, infer, settle
from sqmagic.equations.shapes.codes import CODES
from sqmagic.equations.shapes.forward import FORWARD, LEFT_OUT, OF_DERIVED
from sqmagic.equations.shapes.rules import RULES, SEVERAL
from sqmagic.equations.system import (
    Apply,
    Declared,
    Fixed,
    Layer,
    Range,
    Read,
    Running,
    Size,
    System,
    Weight,
    walk,
)
from sqmagic.notation.parse import parse
from sqmagic.notation.problems import describe
from sqmagic.notation.source import Source


def read(text: str, modules: tuple[str, ...] = ()) -> tuple[System, Source]:
    source = Source.of(dedent(text).strip("\n"))
    elaborated = elaborate(parse(source.text), source, Kernel(modules=frozenset(modules)))
    assert not elaborated.problems, elaborated.problems
    return elaborated.system, source


def shapes_of(text: str, modules: tuple[str, ...] = (), **known: Any) -> Shapes:
    program, source = read(text, modules)
    return infer(program, source=source, **known)


def said(text: str, modules: tuple[str, ...] = (), **known: Any) -> str:
    program, source = read(text, modules)
    problems = infer(program, source=source, **known).problems
    return "\n".join(line for problem in problems for line in describe(problem, source))


def data(**shapes: tuple[int, ...] | int) -> dict[str, DataShape]:
    """A tuple is the shape of real data, a number n that of integers below n."""
    return {n: DataShape((), True, s) if isinstance(s, int) else DataShape(s) for n, s in shapes.items()}


def test_every_operator_has_a_rule() -> None:
    assert RULES.keys() | SEVERAL.keys() == OPS.keys()
    assert not RULES.keys() & SEVERAL.keys()


def test_every_operator_has_a_shape_forward_or_is_left_out() -> None:
    assert FORWARD.keys() | LEFT_OUT == OPS.keys() | {name for name, row in DERIVED.items() if row.pointwise}
    assert FORWARD.keys() | LEFT_OUT | OF_DERIVED.keys() == ALL_OPS.keys()
    assert not FORWARD.keys() & LEFT_OUT and not FORWARD.keys() & OF_DERIVED.keys()


# --- what is inferred ----------------------------------------------------------------------------

INFERRED: dict[str, tuple[str, dict[str, Any], dict[str, Shape]]] = {
    "what is free takes the width": (
        "X --[M_1|relu]-> h_1 --[M_2]-> p => y",
        {"width": 16},
        {"X": (16,), "h_1": (16,), "p": (16,), "y": (16,), "M_1.weight": (16, 16), "M_1.bias": (16,)},
    ),
    "a declared layer says what it takes and gives": (
        "M_1 : 784 -> 128\nX --[M_1|relu]-> h_1 --[M_2]-> p => y\ny : 10",
        {},
        {"X": (784,), "h_1": (128,), "p": (10,), "M_1.weight": (128, 784), "M_2.weight": (10, 128)},
    ),
    "a recurrence returns what it was given": (
        "0 -> h_0\nx_t|h_{t-1} --[M|tanh]-> h_t",
        {"data": data(x=(3,)), "width": 5},
        {"h": (5,), "M.weight": (5, 8)},
    ),
    "a base case gives its recurrence a shape": (
        "b : param(6)\nb -> h_0\nx_t|h_{t-1} --[M|tanh]-> h_t",
        {"data": data(x=(3,))},
        {"h": (6,), "b": (6,), "M.weight": (6, 9)},
    ),
    "a part follows from the whole": (
        "M : 156 -> 128\n0 -> h_0\nx_t|h_{t-1} --[M]-> h_t",
        {},
        {"h": (128,), "x": (28,)},
    ),
    "a part that stands twice": ("a_t|a_t -> c_t\nc_t : 10", {}, {"a": (5,)}),
    "gates are as wide as what they close": (
        """
        0 -> h_0
        h_{t-1}|x_t -> c_t
        c_t --[R|sigmoid]-> r_t
        c_t --[Z|sigmoid]-> z_t
        x_t|(h_{t-1}*r_t) --[H|tanh]-> l_t
        h_{t-1} * (1 - z_t) + l_t -> h_t
        h_t : 7
        """,
        {"data": data(x=(3,))},
        {"r": (7,), "z": (7,), "l": (7,), "c": (10,), "H.weight": (7, 10)},
    ),
    "a declared scalar gate broadcasts": (
        "Z : 10 -> 1\nx_t --[Z|sigmoid]-> z_t\nz_t * x_t -> y_t",
        {},
        {"z": (1,), "x": (10,), "y": (10,)},
    ),
    "numbers and constants fit everywhere": (
        "0.9 -> gamma\n1 - gamma -> rest\ngamma * x_t + rest -> y_t",
        {"data": data(x=(3,))},
        {"gamma": (1,), "rest": (1,), "y": (3,)},
    ),
    "a known scalar and a known vector broadcast in sums": (
        "x_t + s_t -> y_t\nmean(x_t) - x_t -> z_t",
        {"data": data(x=(3,), s=())},
        {"y": (3,), "z": (3,)},
    ),
    "what is free and joined to scalars only is a scalar": (
        "x_t --[Value]-> V_t => r_t + 0.9*V_{t+1}\nr_t : 1",
        {"data": data(x=(3,))},
        {"V": (1,), "Value.weight": (1, 3)},
    ),
    "but a sum with a vector makes it a vector": (
        "x_t --[M]-> y_t\ny_t + r_t -> u_t\ny_t + v_t -> w_t",
        {"data": data(x=(3,), r=(), v=(5,))},
        {"y": (5,), "u": (5,)},
    ),
    "scalars of a sum weigh vectors": (
        "x_t --[W]-> w_t\nr_t + 0.9*A_{t+1} -> A_t\nA_t * w_t -> u_t",
        {"data": data(x=(3,), r=()), "width": 4},
        {"A": (1,), "w": (4,), "u": (4,)},
    ),
    "softmax is over several components": (
        "x_t --[M|softmax]-> p_t\np_t * r_t + r_t -> q_t",
        {"data": data(x=(3,), r=()), "width": 4},
        {"p": (4,), "q": (4,)},
    ),
    "the mean of what is free does not make it a scalar": (
        "x_t --[M]-> y_t\ny_t - mean(y_t) -> z_t",
        {"data": data(x=(3,)), "width": 4},
        {"z": (4,)},
    ),
    "a state of numbers alone is a scalar": (
        "0 -> n_0\nn_{t-1} + 1 -> n_t\n0 -> s_0\ns_{t-1} + x_t -> s_t\ns_t / n_t -> m_t",
        {"data": data(x=(3,))},
        {"n": (1,), "s": (3,), "m": (3,)},
    ),
    "the environment's rewards and flags are scalars": (
        """
        reset() -> S_0, O_0
        step(S_{t-1}, a_{t-1}) -> S_t, O_t, r_t, d_t, cut_t, O'_t
        O_t --[P|softmax]-> pi_t
        sample(pi_t) -> a_t
        """,
        {"data": data(O=(4,), a=3)},
        {"r": (1,), "d": (1,), "cut": (1,), "O'": (4,), "pi": (3,), "a": (1,), "S": (1,)},
    ),
    "an action picks a component": (
        "a_t : action(2)\nx_t --[P]-> pi_t\npi_t[a_t] -> c_t",
        {"data": data(x=(3,))},
        {"pi": (2,), "c": (1,)},
    ),
    "the log-probability of an action": (
        "a_t : action(2)\nx_t --[P|softmax]-> pi_t\nlog_prob(pi_t, a_t) -> c_t\nentropy(pi_t) -> e_t",
        {"data": data(x=(3,))},
        {"pi": (2,), "c": (1,), "e": (1,)},
    ),
    "a buffer gives what was put there": (
        "B : buffer(9, batch=3)\nAdd_B(x_t, a_t)\nGet_B() -> u_t, b_t\nu_t --[Q]-> q_t\nq_t[b_t] -> c_t",
        {"data": data(x=(3,), a=2)},
        {"u": (3,), "b": (1,), "q": (2,)},
    ),
    "a class has a component each": (
        "y : class(10)\nX --[M|softmax]-> p => y",
        {"data": data(X=(3,))},
        {"p": (10,), "y": (1,)},
    ),
    "how many classes there are, the data tell": (
        "X --[M|softmax]-> p => one_hot(y)",
        {"data": data(X=(3,), y=7)},
        {"p": (7,), "y": (1,)},
    ),
    "but the program may know of more": (
        "M : 3 -> 10\nX --[M|softmax]-> p => one_hot(y)",
        {"data": data(y=7)},
        {"p": (10,)},
    ),
    "integers as a target are classes": (
        "X --[M|softmax]-> p => y\nX --[N]-> q => y",
        {"data": data(X=(3,), y=7)},
        {"p": (7,), "q": (1,)},
    ),
    "vectors as a target are probabilities": (
        "X --[M|softmax]-> p => y",
        {"data": data(X=(3,), y=(7,))},
        {"p": (7,), "y": (7,)},
    ),
    "a table has a row for each of the most values": (
        "u : class(50)\nv : class(60)\nembed_E(u) -> e\nembed_E(v) -> f",
        {"width": 8},
        {"e": (8,), "E.weight": (60, 8)},
    ),
    "the choice of an argmax": (
        "x_t --[Q]-> q_t\none_hot(argmax(q_t)) -> c_t",
        {"data": data(x=(3,)), "width": 4},
        {"c": (4,)},
    ),
    "attention within one expression": (
        """
        x_t --[K]-> k_t
        x_t --[Q]-> q_t
        x_t --[V]-> v_t
        softmax(k_{1:t} @ q_t) @ v_{1:t} -> a_t
        q_t : 5
        """,
        {"data": data(x=(3,)), "width": 4},
        {"k": (5,), "v": (4,), "a": (4,)},
    ),
    "a window of scalars is a vector": (
        "k_{t-3:t} @ w -> y_t\nw : param(4)",
        {"data": data(k=())},
        {"y": (1,), "w": (4,)},
    ),
    "a window of vectors is a matrix": (
        "transpose(k_{t-3:t}) @ w -> y_t\nw : param(4)",
        {"data": data(k=(3,))},
        {"y": (3,)},
    ),
    "what is summed over a range is a scalar": ("sum(r_{t:T}) -> G_t", {}, {"r": (1,), "G": (1,)}),
    "matrix products": (
        "w : param(3, 4)\nb : param(7)\nw @ x_t -> y_t\nM @ y_t + b -> z_t\nz_t @ z_t -> n_t",
        {},
        {"x": (4,), "y": (3,), "z": (7,), "M.weight": (7, 3), "n": (1,)},
    ),
    "matrices": (
        "outer(x_t, y_t) -> m_t\ntranspose(m_t) @ x_t -> q_t\nnorm(m_t) -> n_t\nm_t[2] -> row_t\nflatten(m_t) -> f_t",
        {"data": data(x=(3,), y=(5,))},
        {"m": (3, 5), "q": (5,), "n": (3,), "row": (5,), "f": (15,)},
    ),
    "a dense layer acts on the last axis": ("X --[M]-> p", {"data": data(X=(2, 3)), "width": 4}, {"p": (2, 4)}),
    "slices and components": (
        "x_t[2:5] -> y_t\nx_t[0] -> z_t",
        {"data": data(x=(7,))},
        {"y": (3,), "z": (1,)},
    ),
    "equal parts": (
        "x_t --[M]-> g_t\nsplit(g_t) -> a_t, b_t, c_t\na_t * b_t + c_t -> d_t",
        {"data": data(x=(7,)), "width": 4},
        {"g": (12,), "d": (4,)},
    ),
    "images": (
        "X : 1 x 28 x 27\nX --[conv_K|batch_norm|relu|max_pool|conv_L(size=5,pad=valid)|flatten|M]-> p => y\ny : 10",
        {"width": 8},
        {
            "K.weight": (8, 1, 3, 3),
            "batch_norm.weight": (8,),
            "L.weight": (8, 8, 5, 5),
            "L.bias": (8,),
            "M.weight": (10, 8 * 10 * 9),
        },
    ),
    "channels follow from what is flattened": (
        "X : 1 x 4 x 4\nM : 96 -> 10\nX --[conv_K|flatten|M]-> p",
        {},
        {"K.weight": (6, 1, 3, 3)},
    ),
    "images are joined by their channels": ("x | y -> z", {"data": data(x=(1, 4, 5), y=(2, 4, 5))}, {"z": (3, 4, 5)}),
    "noise has the shape of its use": (
        "x_t --[A]-> mu_t\nx_t --[B]-> s_t\nmu_t + s_t * gauss() -> z_t\nz_t : 5",
        {"data": data(x=(3,))},
        {"mu": (5,), "s": (5,), "A.weight": (5, 3)},
    ),
    "names of sizes": (
        "x_t : n\nM : n -> m\nx_t --[M]-> h_t => y_t",
        {"sizes": {"n": 5}, "data": data(y=(3,))},
        {"x": (5,), "M.weight": (3, 5)},
    ),
    "names of sizes that only the data tell": (
        "x_t : n\ny_t : n\nx_t --[M]-> h_t => y_t",
        {"data": data(x=(5,))},
        {"y": (5,), "M.weight": (5, 5)},
    ),
    "a weight of a loss": ("x_t --[M]-> p_t ==[w_t*mse]=> y_t", {"data": data(x=(3,), y=(5,))}, {"w": (1,), "p": (5,)}),
    "reset keeps the shape": (
        "0 -> h_0\nx_t|h_{t-1} --[M|tanh]-> h_t\nreset h on cut\nh_t => y_t",
        {"data": data(x=(3,), y=(5,), cut=())},
        {"h": (5,), "cut": (1,)},
    ),
}


@pytest.mark.parametrize("name", INFERRED)
def test_what_is_inferred(name: str) -> None:
    text, known, expected = INFERRED[name]
    found = shapes_of(text, **known)
    assert not found.problems
    assert found.complete
    everything = {**found.states, **found.parameters}
    assert {n: everything[n] for n in expected} == expected


def test_only_parameters_that_are_read_are_listed() -> None:
    found = shapes_of("x_t --[M]-> y_t\nK @ x_t -> z_t", data=data(x=(3,)))
    assert found.parameters.keys() == {"M.weight", "M.bias", "K.weight"}


def test_a_module_is_asked_for_its_shape() -> None:
    text = "x --[F]-> h --[M]-> p\nx : 3"
    found = shapes_of(text, ("F",), measure=lambda layer, given: (given[0][0] * 2,) if layer == "F" else None)
    assert (found.states["h"], found.parameters["M.weight"]) == ((6,), (64, 6))
    assert said(text, ("F",), measure=lambda layer, given: None).startswith(
        "SQ307: the shape of what the module `F` gives is not known"
    )


def without_effects(program: System) -> bool:
    values = [e.value for e in program.equations]
    return not any(isinstance(n, Apply) and OPS[n.op].effect and n.op != "gauss" for v in values for n in walk(v))


@pytest.mark.parametrize("name", [n for n, (text, _, _) in INFERRED.items() if without_effects(read(text)[0])])
def test_the_judge_computes_values_of_these_shapes(name: str) -> None:
    text, known, _ = INFERRED[name]
    program, _ = read(text)
    found = infer(program, **known)
    random = np.random.default_rng(0)
    inputs = {}
    for one in program.inputs:
        lead = (6, 2) if one.indexed else (2,)
        shape = (*lead, *found.states[one.state])
        whole = one.state in found.integers
        inputs[one.state] = (
            random.integers(found.classes[one.state], size=shape) if whole else random.normal(size=shape)
        )
    run = interpret(
        settle(program, found),
        parameters={n: random.normal(size=shape) for n, shape in found.parameters.items()},
        inputs=inputs,
        shapes=found,
        effects={"gauss": lambda shape: random.normal(size=shape)},
    )
    assert np.isfinite(run.loss())
    values = {n: value for n, value in run.states().items() if n in found.states}
    assert values
    for state, value in values.items():
        rank = len(found.states[state])
        assert value.shape[-rank:] == found.states[state]
        assert value.shape[:-rank] in ((2,), (6, 2))


# --- what only the data tell ---------------------------------------------------------------------


def test_what_depends_on_data_stays_open() -> None:
    found = shapes_of("M_1 : 784 -> 128\nX --[M_1|relu]-> h --[M_2|softmax]-> p => y", width=None)
    assert not found.complete
    assert found.states == {"X": (784,), "h": (128,)}
    assert found.open_states == ("y", "p")
    assert found.open_parameters == ("M_2.weight", "M_2.bias")


def test_nothing_is_assumed_while_data_are_open() -> None:
    """`w_t` may turn out a scalar, and then nothing is wrong."""
    text = "w_t * a_t -> u_t\nw_t * b_t -> v_t\na_t : 3\nb_t : 5"
    assert not shapes_of(text, width=None).problems
    assert not shapes_of(text, data=data(w=())).problems
    assert shapes_of(text, data=data(w=(3,))).problems


def test_a_program_that_declares_its_inputs_is_complete_without_data() -> None:
    text = "x_t : 3\ny_t : 2\n0 -> h_0\nx_t|h_{t-1} --[M]-> h_t => y_t"
    assert shapes_of(text, width=None).complete
    assert shapes_of(text, width=None) == shapes_of(text)


# --- what is wrong -------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "a goal": (
        "M_2 : 64 -> 10\nx_t --[M_1|relu]-> h_t --[M_2]-> p_t => y_t\ny_t : 12\nx_t : 5",
        {},
        """
        SQ301: `p_t` (10) and `y_t` (12) must be equal in `p_t => y_t`
          line 2 | x_t --[M_1|relu]-> h_t --[M_2]-> p_t => y_t
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          p_t is 10: M_2 : 64 -> 10 on line 1
          y_t is 12: y_t : 12 on line 3
        """,
    ),
    "a layer": (
        "h_t : 128\n0 -> h_0\nx_t|h_{t-1} --[Enc|tanh]-> h_t\nh_t --[Gen]-> p_t\nGen : 64 -> 10",
        {"data": data(x=(3,))},
        """
        SQ301: `Gen` takes 64 components, but `h_t` has 128
          line 4 | h_t --[Gen]-> p_t
                   ^^^^^^^^^^
          h_t is 128: h_t : 128 on line 1
          Gen takes 64: Gen : 64 -> 10 on line 5
        """,
    ),
    "a sum, a chain of two links": (
        "a_t : 3\nb_t : 4\na_t * 2 -> c_t\nc_t + b_t -> d_t",
        {},
        """
        SQ301: `c_t` (3) and `b_t` (4) must be equal in `c_t + b_t`
          line 4 | c_t + b_t -> d_t
                   ^^^^^^^^^
          c_t is 3: a_t : 3 on line 1
          b_t is 4: b_t : 4 on line 2
        """,
    ),
    "what is free cannot be two things": (
        "u : 3\nv : 4\nx --[M]-> y\nu + y -> a\nv + y -> b",
        {"data": data(x=(2,))},
        """
        SQ301: `v` (4) and `y` (3) must be equal in `v + y`
          line 5 | v + y -> b
                   ^^^^^
          v is 4: v : 4 on line 2
          y is 3: line 4: `+` makes `u` and `y` equal
            u : 3 on line 1
        """,
    ),
    "one layer for two states": (
        "x : 3\ny : 4\nx --[M]-> u\ny --[M]-> v",
        {},
        """
        SQ301: `M` takes 3 components, but `y` has 4
          line 4 | y --[M]-> v
                   ^^^^^^
          y is 4: y : 4 on line 2
          M takes 3: line 3: `x` is given to `M`
            x : 3 on line 1
        """,
    ),
    "data": (
        "x_t : n\nx_t --[M]-> h_t",
        {"sizes": {"n": 28}, "data": data(x=(27,))},
        """
        SQ309: `x_t` is given with shape 27, but it is 28 in the program
          line 2 | x_t --[M]-> h_t
                   ^^^
          x_t is 28: x_t : n on line 1
            n is 28 in the kernel
          x_t is 27: the data given for x_t
        """,
    ),
    "more classes in the data": (
        "M : 3 -> 4\nX --[M|softmax]-> p => one_hot(y)",
        {"data": data(y=6)},
        """
        SQ309: `y` has 6 values in the data, but 4 in the program
          line 2 | X --[M|softmax]-> p => one_hot(y)
                                                  ^
          the number of y's values is 6: the data given for y
          the number of y's values is 4: line 2: `one_hot(y)` has a component for each value of `y`
            line 2: `p => one_hot(y)` makes both sides equal
            M : 3 -> 4 on line 1
        """,
    ),
    "no image": (
        "X : 28 x 28\nX --[conv_K]-> p",
        {},
        """
        SQ301: `conv` takes an image, channels x height x width, but `X` is 28x28
          line 2 | X --[conv_K]-> p
                   ^^^^^^^^^^^
          X is 28x28: X : 28 x 28 on line 1
          it must be ?x?x?: line 2: `X` is an image in `conv_K(X)`
        """,
    ),
    "a small image": (
        "X : 1 x 5 x 5\nX --[conv_K(size=7,pad=valid)]-> p",
        {},
        """
        SQ308: `conv_K(X, pad=valid, size=7)` is too large for an image of 5
          line 2 | X --[conv_K(size=7,pad=valid)]-> p
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          its side is 5: line 2: `X` is an image in `conv_K(X, pad=valid, size=7)`
            X : 1 x 5 x 5 on line 1
        """,
    ),
    "a kernel without a middle": (
        "X : 1 x 5 x 5\nX --[conv_K(size=4)]-> p",
        {},
        """
        SQ305: `pad=same` needs a kernel of odd size in `conv_K(X, size=4)`: one of even size has no middle
          line 2 | X --[conv_K(size=4)]-> p
                   ^^^^^^^^^^^^^^^^^^^
        """,
    ),
    "a part of less than nothing": (
        "a_t|b_t -> c_t\nc_t : 10\nb_t : 12",
        {},
        """
        SQ302: `a_t | b_t` leaves -2 components for `a_t`
          line 1 | a_t|b_t -> c_t
                   ^^^^^^^
          a_t | b_t is 10: c_t : 10 on line 2
          b_t is 12: b_t : 12 on line 3
        """,
    ),
    "parts that do not add up": (
        "a_t|b_t -> c_t\na_t : 2\nc_t : 10\nb_t : 12",
        {},
        """
        SQ301: `a_t | b_t` has 2 + 12 = 14 components, not 10
          line 1 | a_t|b_t -> c_t
                   ^^^^^^^
          it must be 10: c_t : 10 on line 3
          a_t | b_t is 14: line 1: `a_t | b_t` is 2 + 12
              a_t is 2: a_t : 2 on line 2
              b_t is 12: b_t : 12 on line 4
        """,
    ),
    "a state that grows": (
        "0 -> h_0\nh_{t-1}|x_t -> h_t",
        {"data": data(x=(3,))},
        """
        SQ302: `h_{t-1} | x_t` is longer than `h_{t-1}`, which it must be equal to, by 3
          line 2 | h_{t-1}|x_t -> h_t
                   ^^^^^^^^^^^
          x_t is 3: the data given for x_t
        """,
    ),
    "nothing to grow by": (
        "0 -> h_0\nh_{t-1}|u_t -> h_t\nx_t --[M]-> u_t",
        {"data": data(x=(3,))},
        """
        SQ302: `h_{t-1} | u_t` leaves no components for `u_t`
          line 2 | h_{t-1}|u_t -> h_t
                   ^^^^^^^^^^^
        """,
    ),
    "parts that nothing tells": (
        "a_t|b_t -> c_t\nc_t : 10",
        {},
        """
        SQ307: `a_t | b_t` has 10 components, but how they are shared out is not known: declare all parts but one
          line 1 | a_t|b_t -> c_t
                   ^^^^^^^
          a_t | b_t is 10: c_t : 10 on line 2
        """,
    ),
    "parts that are not equal": (
        "split(x_t) -> a_t, b_t\nx_t : 5",
        {},
        """
        SQ302: `x_t` cannot be in 2 equal parts
          line 1 | split(x_t) -> a_t, b_t
                   ^^^^^^^^^^
          x_t is 5: x_t : 5 on line 2
        """,
    ),
    "a state whose shape changes": (
        "k_t : 16\nx_t --[Q]-> q_t\nx_t --[K]-> k_t\nsoftmax(k_{1:t} @ q_t) -> a_t\nsum(a_{t-1}) -> c_t",
        {"data": data(x=(3,))},
        """
        SQ303: `a_t` would have shape t, which changes from step to step: such a state may be read at its own \
step alone, by other equations
          line 4 | softmax(k_{1:t} @ q_t) -> a_t
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          a_t is t: line 4: `k_{1:t} @ q_t` is a matrix product
            line 4: `k_{1:t}` has a row for each index, t
        """,
    ),
    "a state as long as the window": (
        "0 -> s_0\ns_{t-1} + r_{1:T} -> s_t",
        {"data": data(r=())},
        """
        SQ303: `s_t` would have shape T, which depends on the length of the window: such a state may be read at its \
own step alone, by other equations
          line 1 | 0 -> s_0
                   ^^^^^^^^
          s_t is T: line 2: `+` makes `s_{t-1}` and `r_{1:T}` equal
            line 2: `r_{1:T}` has a row for each index, T
        """,
    ),
    "an empty window": (
        "sum(r_{t:t-3}) -> s_t",
        {},
        """
        SQ306: `r_{t:t-3}` holds no index: it ends before it begins
          line 1 | sum(r_{t:t-3}) -> s_t
                       ^^^^^^^^^
        """,
    ),
    "a component that is not there": (
        "q : 4\nq[4] -> z",
        {},
        """
        SQ306: `q[4]` reaches beyond `q` (4), whose components are counted from 0
          line 2 | q[4] -> z
                   ^^^^
          q is 4: q : 4 on line 1
        """,
    ),
    "an objective of several components": (
        "x_t --[Q]-> q_t $ r_t + one_hot(argmax(q_t))\nq_t : 4",
        {"data": data(x=(3,), r=())},
        """
        SQ304: an objective must be a scalar, but `r_t + one_hot(argmax(q_t))` has more components (4): a vector meets \
a scalar
          line 1 | x_t --[Q]-> q_t $ r_t + one_hot(argmax(q_t))
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          r_t + one_hot(argmax(q_t)) is 4: line 1: `r_t + one_hot(argmax(q_t))` has the shape of `one_hot(argmax(q_t))`
            line 1: `one_hot(argmax(q_t))` has a component for each value of `argmax(q_t)`
            q_t : 4 on line 2
        """,
    ),
    "a component by halves": (
        "q : 4\nq[0.5] -> z",
        {},
        """
        SQ306: an index is a whole number in `q[0.5]`
          line 2 | q[0.5] -> z
                   ^^^^^^
        """,
    ),
    "a vector as an index": (
        "q : 4\ni : 2\nq[i] -> z",
        {},
        """
        SQ301: an index is one integer, but `i` is 2
          line 3 | q[i] -> z
                   ^^^^
          i is 2: i : 2 on line 2
          it must be 1: line 3: `i` is an index
        """,
    ),
    "a product of unlike sides": (
        "w : param(3, 4)\nx_t : 5\nw @ x_t -> y_t",
        {},
        """
        SQ301: `w` has 4 columns, but `x_t` has 5 rows in `w @ x_t`
          line 3 | w @ x_t -> y_t
                   ^^^^^^^
          w is 4: w : param(3, 4) on line 1
          x_t is 5: x_t : 5 on line 2
        """,
    ),
    "a vector has no transpose": (
        "x : 3\ntranspose(x) -> y",
        {},
        """
        SQ305: a matrix has a transpose, but `x` is 3
          line 2 | transpose(x) -> y
                   ^^^^^^^^^^^^
          x is 3: x : 3 on line 1
        """,
    ),
    "a vector where an integer is meant": (
        "x : 3\nembed_E(x) -> y",
        {},
        """
        SQ301: `embed_E(x)` takes one integer, but `x` is 3
          line 2 | embed_E(x) -> y
                   ^^^^^^^^^^
          x is 3: x : 3 on line 1
          it must be 1: line 2: `x` is one integer in `embed_E(x)`
        """,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_said_of_a_mistake(name: str) -> None:
    text, known, expected = WRONG[name]
    assert said(text, **known) == dedent(expected).strip("\n")


def test_every_code_has_a_case() -> None:
    assert {expected.split(":")[0].strip() for _, _, expected in WRONG.values()} == CODES.keys()


def test_several_mistakes_are_told_together() -> None:
    text = "a : 2\nb : 3\na + b -> c\nM : 4 -> 5\na --[M]-> d"
    assert len(shapes_of(text).problems) == 2


# --- reasons -------------------------------------------------------------------------------------


def test_why_a_state_has_its_shape() -> None:
    found = shapes_of("h_t : 5\nx_t --[M]-> u_t\nu_t + h_t -> v_t", data=data(x=(3,), h=(5,)))
    assert found.reason("h") == ["h_t : 5 on line 1"]
    assert found.reason("u") == ["line 3: `+` makes `h_t` and `u_t` equal", "h_t : 5 on line 1"]
    assert found.reason("nobody") == []


def test_a_fact_can_be_kept_and_copied() -> None:
    found = shapes_of(INFERRED["images"][0])
    for kept in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert kept == found
        assert kept.reason("p") == found.reason("p")


# --- settling ------------------------------------------------------------------------------------


def attributes(program: System, name: str) -> list[Any]:
    values = [e.value for e in program.equations] + [g.value for g in program.goals]
    nodes = [n for value in values for n in walk(value) if isinstance(n, Apply) and n.op == name]
    return [dict(n.attributes) for n in nodes]


def test_settled_operators_say_their_sizes() -> None:
    text = "x_t --[M|softmax]-> p_t => one_hot(y_t)\np_t + gauss() -> q_t\n2*gauss() * k_{t-1:t} -> m_t"
    program, _ = read(text)
    found = infer(program, data=data(x=(3,), y=4, k=(5,)))
    done = settle(program, found)
    assert attributes(done, "one_hot") == [{"size": 4}]
    assert attributes(done, "gauss") == [{"shape": "4"}, {"shape": "2x5"}]
    assert settle(done, found) == done
    assert infer(done, data=data(x=(3,), y=4, k=(5,))) == found


def test_integers_as_a_target_are_read_as_one_hot() -> None:
    program, _ = read("X --[M|softmax]-> p ==[0.5*cross_entropy]=> y\nX --[N]-> q => y")
    found = infer(program, data=data(X=(3,), y=4))
    done = settle(program, found)
    assert attributes(done, "one_hot") == [{"size": 4}]
    assert settle(program, infer(program, data=data(X=(3,), y=(4,)))) is program


def test_what_is_open_is_not_settled() -> None:
    program, _ = read("X --[M|softmax]-> p => one_hot(y)")
    assert settle(program, infer(program, width=None)) == program


# --- laws ----------------------------------------------------------------------------------------


def told(example: Example) -> dict[str, DataShape]:
    return {i.state: DataShape(example.states[i.state]) for i in example.system.inputs}


def with_sizes(example: Example) -> System:
    """The System with all layers declared."""
    weights = {layer.name: example.parameters[f"{layer.name}.weight"] for layer in example.system.layers}
    declared = {name: ((Size(taken),), (Size(given),)) for name, (given, taken) in weights.items()}
    layers = [replace(e, sizes_in=declared[e.name][0], sizes_out=declared[e.name][1]) for e in example.system.layers]
    return replace(example.system, layers=tuple(layers))


def declared_as(program: System, shapes: dict[str, Shape]) -> System:
    """The System with all states declared."""
    inputs = {i.state for i in program.inputs}
    sizes = {state: tuple(map(Size, shape)) for state, shape in shapes.items()}
    return replace(
        program,
        inputs=tuple(replace(i, sizes=sizes[i.state]) for i in program.inputs),
        declared=tuple(Declared(state, sizes[state]) for state in shapes if state not in inputs),
    )


@given(examples())
def test_known_shapes_are_found(example: Example) -> None:
    found = infer(with_sizes(example), data=told(example))
    assert not found.problems
    assert found.complete
    assert {name: found.states[name] for name in example.states} == example.states
    assert found.parameters == example.parameters


@given(examples())
def test_a_program_without_mistakes_has_shapes(example: Example) -> None:
    found = infer(example.system, data=told(example))
    assert not found.problems
    assert found.complete


@given(examples(), st.randoms(use_true_random=False))
def test_order_means_nothing(example: Example, random: Any) -> None:
    def shuffled(parts: Any) -> Any:
        return tuple(random.sample(parts, len(parts)))

    program = example.system
    other = replace(
        program,
        inputs=shuffled(program.inputs),
        equations=shuffled(program.equations),
        goals=shuffled(program.goals),
        layers=shuffled(program.layers),
    )
    ways: list[dict[str, Any]] = [{}, {"data": told(example)}, {"width": None}, {"width": None, "data": told(example)}]
    for known in ways:
        one, two = infer(program, **known), infer(other, **known)
        assert bool(one.problems) == bool(two.problems)
        if not one.problems:
            assert (one.states, one.parameters) == (two.states, two.parameters)
            assert set(one.open_states) == set(two.open_states)


@given(examples())
def test_declaring_what_was_inferred_changes_nothing(example: Example) -> None:
    found = infer(example.system, data=told(example))
    again = infer(declared_as(example.system, dict(found.states)))
    assert not again.problems
    assert (again.states, again.parameters) == (found.states, found.parameters)


@given(examples(), st.data())
def test_a_wrong_declaration_is_told(example: Example, draw: st.DataObject) -> None:
    """A state that a layer takes is declared one component wider, everything else as it is."""
    program = with_sizes(example)
    values = [e.value for e in program.equations]
    calls = [n for value in values for n in walk(value) if isinstance(n, Apply) and n.op == "dense"]
    taken = sorted({c.args[0].state for c in calls if isinstance(c.args[0], Read) and not _stacked(c.args[0])})
    assume(taken)
    state = draw.draw(st.sampled_from(taken))
    right = dict(infer(program, data=told(example)).states)
    wrong = {**right, state: (right[state][0] + 1,)}
    assert not infer(declared_as(program, right)).problems
    assert infer(declared_as(program, wrong)).problems


def _stacked(read: Read) -> bool:
    return any(isinstance(index, Range) for index in read.context)


@given(examples())
def test_what_is_known_without_data_stays(example: Example) -> None:
    early, late = infer(example.system, width=None), infer(example.system, data=told(example))
    assert not early.problems
    assert early.states.items() <= late.states.items()


# --- size ----------------------------------------------------------------------------------------

LONG: dict[str, tuple[int, Callable[[int], Any]]] = {
    "layers": (10_000, lambda i: over(f"s{i + 1}", op("tanh", dense(f"M{i}", at(f"s{i}"))))),
    "residues": (2_000, lambda i: over(f"s{i + 1}", op("add", at(f"s{i}"), dense(f"M{i}", at(f"s{i}"))))),
    "scalars": (2_000, lambda i: over(f"s{i + 1}", op("add", op("mean", at(f"s{i}")), dense(f"M{i}", at("x"))))),
}


@pytest.mark.parametrize("kind", LONG)
def test_long_programs_need_no_deep_stack(kind: str) -> None:
    count, statement = LONG[kind]
    program = system(*fed("s0", "x"), *(statement(i) for i in range(count)))
    found = infer(program, data=data(x=(3,)), width=4)
    assert found.complete
    assert not found.problems
    assert len(found.states) == count + 2
    assert found.reason(f"s{count}")


def test_deep_expressions_need_no_deep_stack() -> None:
    value = at("x")
    for _ in range(2_000):
        value = op("add", value, op("tanh", at("x")))
    found = infer(system(*fed("x"), over("y", value)), data=data(x=(3,)))
    assert found.states["y"] == (3,)


# --- built by hand -------------------------------------------------------------------------------


def test_a_range_of_matrices_stacks_them() -> None:
    window = Range(Running("t", -1), Running("t"))
    program = system(*fed("x"), over("m", op("outer", at("x"), at("x"))), over("f", op("flatten", at("m", window))))
    assert infer(program, data=data(x=(3,))).states["f"] == (18,)


def test_a_free_parameter_is_a_value() -> None:
    program = system(
        *fed("x"),
        base("h", 0, Weight("b")),
        over("h", op("tanh", op("mul", at("h", -1), at("x")))),
        Layer("b", "param", None, (Size(3),)),
        loss(at("h"), at("x")),
    )
    assert infer(program).states == {"x": (3,), "h": (3,)}


def test_a_bare_and_an_indexed_state_are_two() -> None:
    program = system(
        *fed("x"), bare("O", Weight("b")), over("O_t", dense("M", at("x"))), Layer("b", "param", None, (Size(3),))
    )
    found = infer(program, data=data(x=(2,)), width=5)
    assert (found.states["O"], found.states["O_t"]) == ((3,), (5,))


def test_a_state_at_a_fixed_index_is_the_sequence() -> None:
    program = system(*fed("x"), bare("p", Read("x", (Fixed(1),))))
    assert infer(program, data=data(x=(2,))).states["p"] == (2,)
