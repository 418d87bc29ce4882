"""Steps that are written as differences or components are told of, and nothing else is."""

from __future__ import annotations

import pytest

from sqmagic.notation.parse import parse
from sqmagic.notation.problems import repaired
from sqmagic.notation.slips import slips
from sqmagic.notation.source import Source

MEANT = [
    "y_t := x_t - 1",
    "y_t := 1 - x_t",
    "y_t := x_t-z_t",
    "y_t := (a*x_t)-1",
    "y_t := W(x_t)-1",
    "y_t := x_t-0.5",
    "y_t := x_1-1 + z_t",
    "y_t := q_t[a_t]",
    "y_t := q_t[1]",
    "over n\ny_n := x_t-1 + z_n",
]

SLIPS = {
    "y_t := x_t-1": "y_t := x_{t-1}",
    "y_t := x_t -1": "y_t := x_{t-1}",
    "y_t := x_{t}+2": "y_t := x_{t+2}",
    "y_t := a*x_t-1*z_t": "y_t := a*x_{t-1}*z_t",
    "V_t-1 --[F]-> y_t": "V_{t-1} --[F]-> y_t",
    "y_t := O'_t-1": "y_t := O'_{t-1}",
    "y_t := x[t]": "y_t := x_t",
    "y_t := x[t - 1]": "y_t := x_{t - 1}",
    "over n\ny_n := x_n-1": "y_n := x_{n-1}",
    "Cell: h_{t-1}, x_t\n    return F(h_t-1 | x_t)\ny_t := Cell(h_{t-1}, x_t)": "    return F(h_{t-1} | x_t)",
}


@pytest.mark.parametrize("text", MEANT)
def test_what_is_meant_as_it_stands_is_left_alone(text: str) -> None:
    assert slips(parse(text), Source.of(text)) == ()


@pytest.mark.parametrize("text", SLIPS)
def test_the_step_that_was_likely_meant_is_proposed(text: str) -> None:
    source = Source.of(text)
    (problem,) = slips(parse(text), source)
    line = repaired(problem, source)
    assert line == SLIPS[text]
    whole = text.replace(source.line(source.line_number(problem.span.start)), line)
    assert slips(parse(whole), Source.of(whole)) == (), "what is proposed is no slip itself"
