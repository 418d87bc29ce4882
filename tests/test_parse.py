"""From text to tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import programs

from sqmagic.notation.letters import ascii_name
from sqmagic.notation.parse import parse
from sqmagic.notation.problems import NotationError
from sqmagic.notation.reader import grammar
from sqmagic.notation.show import show
from sqmagic.notation.source import Span
from sqmagic.notation.syntax import (
    Arrow,
    Bar,
    Binary,
    Binding,
    Call,
    Declaration,
    Expression,
    IndexRange,
    Item,
    Keyword,
    Macro,
    Name,
    Negative,
    Number,
    Over,
    Part,
    Pipeline,
    Program,
    Raise,
    Regress,
    Reset,
    Return,
    Slice,
    Statement,
    Subscript,
    Tuple,
)

PROGRAMS = sorted((Path(__file__).parent / "golden").glob("*/program.sqn"))
a, b, c, x, y, z, p = map(Name, "abcxyzp")
F, G, M = (Item(Name(letter)) for letter in "FGM")


def only(text: str) -> Statement:
    """The one statement of a text."""
    (statement,) = parse(text).statements
    return statement


def line(source: Expression, *parts: Part) -> Pipeline:
    return Pipeline(source, parts)


def to(*items: Item, name: Expression) -> Arrow:
    return Arrow(items, name)


def named(source: str, target: str) -> Pipeline:
    return line(Name(source), Arrow((), Name(target)))


def test_the_grammar_has_no_conflict() -> None:
    pytest.importorskip("interegular")
    assert grammar(strict=True)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.parent.name)
def test_golden_programs_parse(path: Path) -> None:
    assert parse(path.read_text(encoding="utf-8")).statements


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a_t-->b_t", named("a_t", "b_t")),
        ("q_t[a_t]->z", line(Subscript(Name("q_t"), Name("a_t")), to(name=z))),
        ("-x->y", line(Negative(x), to(name=y))),
        ("a - -b -> c", line(Binary("-", a, Negative(b)), to(name=c))),
        ("a--b -> c", line(Binary("-", a, Negative(b)), to(name=c))),
        ("x--[M]->y", line(x, to(M, name=y))),
        ("x --[M]--> y", line(x, to(M, name=y))),
        ("a*-b -> c", line(Binary("*", a, Negative(b)), to(name=c))),
        ("-a*b -> c", line(Binary("*", Negative(a), b), to(name=c))),
        ("a - b + c -> x", line(Binary("+", Binary("-", a, b), c), to(name=x))),
        ("a / b @ c -> x", line(Binary("@", Binary("/", a, b), c), to(name=x))),
        ("a + b*c|x, y -> z", line(Tuple((Bar((Binary("+", a, Binary("*", b, c)), x)), y)), to(name=z))),
        ("(a|b)|c -> x", line(Bar((Bar((a, b)), c)), to(name=x))),
        ("x --[F@1024|G]-> y", line(x, Arrow((Item(Name("F"), 1024), G), y))),
        (
            "x --[nograd(F@8)]-> y",
            line(x, to(Item(Call(Name("nograd"), (Binary("@", Name("F"), Number(8)),))), name=y)),
        ),
        (
            "x --[adam_opt(F|G, lr=3e-4)]-> y",
            line(
                x,
                to(
                    Item(Call(Name("adam_opt"), (Bar((Name("F"), Name("G"))),), (Keyword("lr", Number(0.0003)),))),
                    name=y,
                ),
            ),
        ),
        ("target(F)(x) -> y", line(Call(Call(Name("target"), (Name("F"),)), (x,)), to(name=y))),
        ("x --[dense_{M_1}]-> y", line(x, to(Item(Name("dense_{M_1}")), name=y))),
        ("x[0:3] -> z", line(Slice(x, Number(0), Number(3)), to(name=z))),
        ("f((a, b), c) -> z", line(Call(Name("f"), (Tuple((a, b)), c)), to(name=z))),
        ("f() -> a, b", line(Call(Name("f")), to(name=Tuple((a, b))))),
        ("f(a, x=b)", line(Call(Name("f"), (a,), (Keyword("x", b),)))),
        ("(x, y) -> z", line(Tuple((x, y)), to(name=z))),
        ("x --[F]-> a --[G]-> b => y", line(x, to(F, name=a), to(G, name=b), Regress(y))),
        ("x --[F]-> a => y $ b --[G]-> c", line(x, to(F, name=a), Regress(y), Raise(b), to(G, name=c))),
        ("p => y => z", line(p, Regress(y), Regress(z))),
        ("p ==[0.5*mse]=> y", line(p, Regress(y, Binary("*", Number(0.5), Name("mse"))))),
        ("p, x $ y", line(Tuple((p, x)), Raise(y))),
        ("a, b := c", Binding(Tuple((a, b)), c)),
        ("h_{ t - 1 , 2 } -> x", named("h_{t-1,2}", "x")),
        ("0 -> x_{-1:0}", line(Number(0), to(name=Name("x_{-1:0}")))),
        (".5 -> x", line(Number(0.5), to(name=x))),
        ("5. -> x", line(Number(5), to(name=x))),
        ("O'_t -> u", named("O'_t", "u")),
        ("O_t' -> u", named("O_t'", "u")),
        ("O_{t-1}' -> u", named("O'_{t-1}", "u")),
    ],
)
def test_pipelines_and_expressions(text: str, tree: Statement) -> None:
    assert only(text) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("X : 1 x 28 x 28", Declaration(Name("X"), (Number(1), Number(28), Number(28)))),
        ("X:1x28x28", Declaration(Name("X"), (Number(1), Number(28), Number(28)))),
        ("X : 1 × 28", Declaration(Name("X"), (Number(1), Number(28)))),
        ("X : a x b x c", Declaration(Name("X"), (a, b, c))),
        ("x : x", Declaration(x, (x,))),
        ("x : x x x", Declaration(x, (x, x))),
        ("M_1 : 784 -> 128", Declaration(Name("M_1"), (Number(784),), (Number(128),))),
        ("M : 3x4 -> a x b", Declaration(Name("M"), (Number(3), Number(4)), (a, b))),
        ("a_{0:T} : action(2)", Declaration(Name("a_{0:T}"), (Call(Name("action"), (Number(2),)),))),
        (
            "B : buffer(9, batch=3)",
            Declaration(Name("B"), (Call(Name("buffer"), (Number(9),), (Keyword("batch", Number(3)),)),)),
        ),
        ("over n", Over((IndexRange(Name("n")),))),
        ("over t, n = 1:4", Over((IndexRange(Name("t")), IndexRange(Name("n"), Number(1), Number(4))))),
        ("over n = -1:N", Over((IndexRange(Name("n"), Negative(Number(1)), Name("N")),))),
        ("reset a, b on c", Reset((a, b), c)),
        ("reset on on on", Reset((Name("on"),), Name("on"))),
    ],
)
def test_declarations_indices_and_resets(text: str, tree: Statement) -> None:
    assert only(text) == tree


@pytest.mark.parametrize("word", ["over", "reset", "return", "on", "x"])
def test_soft_keywords_are_names_too(word: str) -> None:
    name = Name(word)
    assert only(f"{word} -> z") == line(name, to(name=z))
    assert only(f"{word} - a -> z") == line(Binary("-", name, a), to(name=z))
    assert only(f"{word}() -> z") == line(Call(name), to(name=z))
    assert only(f"{word}[a] -> z") == line(Subscript(name, a), to(name=z))
    assert only(f"{word} --[{word}]-> {word}") == line(name, to(Item(name), name=name))
    assert only(f"{word} : {word} x {word}") == Declaration(name, (name, name))
    assert only(f"{word} := {word}") == Binding(name, name)
    assert only(f"over {word}") == Over((IndexRange(name),))
    assert only(f"reset {word} on {word}") == Reset((name,), name)
    assert only(f"F: {word}\n  return {word}") == Macro(Name("F"), (name,), (Return(name),))


@pytest.mark.parametrize(
    ("text", "value"),
    [("return -a", Negative(a)), ("return (a, b)", Tuple((a, b))), ("return a, b", Tuple((a, b)))],
)
def test_what_is_returned(text: str, value: Expression) -> None:
    assert only(f"F:\n    {text}") == Macro(Name("F"), (), (Return(value),))


@pytest.mark.parametrize(
    ("unicode", "ascii"),
    [
        ("x → y", "x -> y"),
        ("x ⟶ y", "x -> y"),
        ("x ─→ y", "x -> y"),
        ("y ← x", "y := x"),
        ("x ──[M₁]→ y ⇒ z", "x --[M_1]-> y => z"),
        ("x –[M]→ y", "x --[M]-> y"),
        ("x ─[M]→ y", "x --[M]-> y"),
        ("p ══[huber]⇒ y", "p ==[huber]=> y"),
        ("a ⊙ b → c", "a * b -> c"),
        ("a × b → c", "a * b -> c"),
        ("a · b → c", "a * b -> c"),
        ("a − b → c", "a - b -> c"),
        ("−a → c", "-a -> c"),
        ("hₜ₋₁|xₜ → hₜ", "h_{t-1}|x_t -> h_t"),
        ("h₀ ← 0", "h_0 := 0"),
        ("0 → h₋₁", "0 -> h_{-1}"),
        ("hₜ₊₁₂ → x", "h_{t+12} -> x"),
        ("h_{t−1} → x", "h_{t-1} -> x"),
        ("γ₁ ⊙ λ → π_t", "gamma_1 * lambda -> pi_t"),
        ("dense_{M₁}(x) → σ", "dense_{M_1}(x) -> sigma"),
        ("O′ₜ → O″", "O'_t -> O''"),
        ("Σ_t → ϵ", "Sigma_t -> epsilon"),
        ("x\u00a0→\u2003y", "x -> y"),
        ("\ufeffx → y", "x -> y"),
    ],
)
def test_unicode_means_the_same(unicode: str, ascii: str) -> None:
    assert parse(unicode) == parse(ascii)


@pytest.mark.parametrize("sign", ["--[F]-> y", "-> y", "--> y", "=> y", "==[mse]=> y", "$ y", "→ y", "⇒ y", "──[F]→ y"])
@pytest.mark.parametrize("between", ["\n", "\n    ", "\r\n", "\n\n\n\t", "  # why\n", "\n# why\n  # and why\n\n "])
def test_a_line_may_go_on_with_the_line_before(sign: str, between: str) -> None:
    assert parse(f"x{between}{sign}\ny -> z") == parse(f"x {sign}\ny -> z")
    assert parse(f"F: x\n  x{between}{sign}\n  return x\ny -> z") == parse(f"F: x\n  x {sign}\n  return x\ny -> z")


MACRO = "Enc: x, y\n    x|y -> z\n    return z\nx -> y\n"


@pytest.mark.parametrize(
    "text",
    [
        MACRO.replace("\n", "\r\n"),
        MACRO.replace("    ", "\t"),
        MACRO.replace("    ", " "),
        MACRO.replace("\n", "   \n"),
        MACRO.replace("\n", "  # says so\n"),
        MACRO.replace("\n", "\n\n  # says so\n\n"),
        MACRO.rstrip(),
        f"\n\n{MACRO}\n\n   ",
        f"# first\n{MACRO}    # last",
        "".join(f"    {line}\n" for line in MACRO.splitlines()),
        "\n" + "".join(f"\t{line}\n" for line in MACRO.splitlines()),
    ],
)
def test_layout_is_free(text: str) -> None:
    body = (line(Bar((x, y)), to(name=z)), Return(z))
    assert parse(text) == Program((Macro(Name("Enc"), (x, y), body), line(x, to(name=y))))


def test_a_carriage_return_alone_ends_a_line() -> None:
    """As it does where a text was written on an old machine; places stay those of the text."""
    text = "x_t : 3  # so\r0 -> h_0\rh_{t-1}|x_t --[F]-> h_t\r"
    assert parse(text) == parse(text.replace("\r", "\n"))
    with pytest.raises(NotationError, match="line 2 \\| y -> \\(b\n") as told:
        parse("x -> a\ry -> (b\rz -> c")
    assert told.value.problems[0].span == Span(12, 13)


def test_places_are_those_of_the_text() -> None:
    text = "  0 → h₀\r\n\n  (a + γ)*b --[F(c)|G@4]-> h_{ t-1 }  # so\n     => y\n"
    first, second = parse(text).statements
    assert isinstance(first, Pipeline)
    assert isinstance(second, Pipeline)
    product, (arrow, goal) = second.source, second.parts
    assert isinstance(product, Binary)
    assert isinstance(product.left, Binary)
    assert isinstance(arrow, Arrow)
    placed = [first, product, product.left, product.left.right, arrow, *arrow.items, arrow.outputs, goal]
    assert [text[node.span.start : node.span.stop] for node in placed] == [
        "0 → h₀",
        "(a + γ)*b",
        "(a + γ)",
        "γ",
        "--[F(c)|G@4]-> h_{ t-1 }",
        "F(c)",
        "G@4",
        "h_{ t-1 }",
        "=> y",
    ]


def test_a_macro_reaches_from_its_name_to_its_last_statement() -> None:
    (macro, _) = parse("\n" + MACRO).statements
    assert macro.span == Span(1, len("\nEnc: x, y\n    x|y -> z\n    return z"))


@settings(max_examples=30)
@given(programs())
def test_places_lie_within_each_other(program: Program) -> None:
    text = show(program)
    spans = [statement.span for statement in parse(text).statements]
    assert [text[span.start : span.stop] + "\n" for span in spans] == [
        show(Program((statement,))) for statement in program.statements
    ]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("h_{t}", "h_{t}"),
        ("h'_{t - 1}", "h'_{t-1}"),
        ("h_{a b}", "h_{a b}"),
        ("ϑ", "theta"),
        ("hᵦ", "h_beta"),
        ("W_{1}'", "W'_1"),
        ("dense_{M_{ 1 }}", "dense_{M_1}"),
    ],
)
def test_names_in_ascii(written: str, name: str) -> None:
    assert ascii_name(written) == name


def test_long_texts_and_wide_lines_parse() -> None:
    assert len(parse("h_{t-1}|x_t --[F|tanh]-> h_t\n" * 3000).statements) == 3000
    wide = only("f(" + "a, " * 3000 + "a)" + " -> a" * 3000)
    assert isinstance(wide, Pipeline)
    assert len(wide.parts) == 3000


def test_at_most_twenty_mistakes_are_told() -> None:
    with pytest.raises(NotationError) as caught:
        parse("x = y\n" * 100)
    assert len(caught.value.problems) == 20


_signs = st.sampled_from(
    [
        *"xhM01 \t\n\r,:;=-+*/@|()[]{}<>$_'#\0é→⇒─×⊙′ₜ₋λ\u2028\ud800",
        *("\n    ", "--[", "]->", "->", "=>", "==[", ":=", "over ", "return ", "reset ", " on ", "h_{t-1}", "\n--["),
    ]
)


@given(st.text() | st.lists(_signs, max_size=30).map("".join))
@example("\n" * 50 + "-" * 5000)
@example("(" * 20000)
@example("x\n" + "    " * 300 + "y")
@example("".join(" " * depth + "a:\n" for depth in range(300)))
@example("F@" + "9" * 9000)
@example("x --[F@" + "9" * 9000 + "]-> y")
@example("9" * 9000 + " -> y")
def test_any_text_parses_or_is_rejected_in_words(text: str) -> None:
    try:
        program = parse(text)
    except NotationError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.code == "SQ110" or 0 <= problem.span.start < problem.span.stop <= len(text) + 1
    else:
        assert parse(show(program)) == program
