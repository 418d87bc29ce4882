"""From tree to text and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from strategies import expressions, names, programs

from sqmagic.notation.letters import ascii_name, unicode_name
from sqmagic.notation.parse import parse
from sqmagic.notation.show import show, show_expression, show_statement
from sqmagic.notation.syntax import Bar, Binary, Binding, Expression, Name, Negative, Number, Program, Tuple

PROGRAMS = sorted((Path(__file__).parent / "golden").glob("*/program.sqn"))
a, b, c = map(Name, "abc")


@given(programs())
def test_what_is_shown_parses_to_the_same_tree(program: Program) -> None:
    text = show(program)
    assert text.isascii()
    assert parse(text) == program
    assert parse(show(program, unicode=True)) == program
    assert text == "".join(f"{show_statement(statement)}\n" for statement in program.statements)


@given(expressions())
def test_an_expression_is_shown_as_where_it_stands_alone(expression: Expression) -> None:
    assert show(Program((Binding(a, expression),))) == f"a := {show_expression(expression)}\n"


@pytest.mark.parametrize(
    "text",
    [
        "f(" * 97 + "a" + ")" * 97,
        "a" + " + a" * 100,
        "-(" * 97 + "a" + ")" * 97,
        "a" + "[0]" * 97,
        "f(x=(a|" * 32 + "a" + "))" * 32,
    ],
)
def test_what_is_as_deep_as_may_be_is_shown_and_compared(text: str) -> None:
    program = parse(f"{text} -> a")
    assert parse(show(program)) == program
    assert hash(program) == hash(parse(f"{text} -> a"))


@given(names())
def test_a_name_in_unicode_leads_back_to_ascii(name: Name) -> None:
    assert ascii_name(unicode_name(name.text)) == name.text


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.parent.name)
def test_golden_programs_in_canonical_text(path: Path, golden: Callable[[Path, str], None]) -> None:
    program = parse(path.read_text(encoding="utf-8"))
    golden(path.with_name("notation.txt"), show(program) + "\n" + show(program, unicode=True))
    assert parse(show(program)) == parse(show(program, unicode=True)) == program


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (Binary("-", a, Binary("-", b, c)), "a - (b - c)"),
        (Binary("-", Binary("-", a, b), c), "a - b - c"),
        (Binary("*", Binary("+", a, b), c), "(a + b)*c"),
        (Binary("+", a, Binary("*", b, c)), "a + b*c"),
        (Binary("-", a, Negative(b)), "a - -b"),
        (Negative(Negative(a)), "-(-a)"),
        (Negative(Binary("*", a, b)), "-(a*b)"),
        (Binary("*", Negative(a), b), "-a*b"),
        (Binary("@", a, b), "a @ b"),
        (Bar((a, b, c)), "a|b|c"),
        (Bar((Bar((a, b)), c)), "(a|b) | c"),
        (Bar((a, Binary("+", b, c))), "a | b + c"),
        (Tuple((a, Tuple((b, c)))), "a, (b, c)"),
        (Number(3e-4), "0.0003"),
        (Number(1e16), "1e+16"),
        (Number(784), "784"),
        (Name("Enc.r_t"), "Enc.r_t"),
    ],
)
def test_parentheses_stand_only_where_they_must(expression: Expression, text: str) -> None:
    assert show_expression(expression) == text


@pytest.mark.parametrize(
    ("name", "chalk"),
    [
        ("h_{t-1}", "hₜ₋₁"),
        ("h_t", "hₜ"),
        ("M_1", "M₁"),
        ("gamma", "γ"),
        ("pi_t", "πₜ"),
        ("O'_t", "O′ₜ"),
        ("pixel", "pixel"),
        ("one_hot", "one_hot"),
        ("h_{t-1,2}", "h_{t-1,2}"),
        ("h_{t}", "h_{t}"),
        ("A_T", "A_T"),
    ],
)
def test_names_on_a_chalkboard(name: str, chalk: str) -> None:
    assert unicode_name(name) == chalk
