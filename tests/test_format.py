"""Programs in their canonical text: the tree stays, comments stay, and there is nothing left to do."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import PROGRAMS
from strategies import programs

from sqmagic.notation.format import formatted
from sqmagic.notation.parse import parse
from sqmagic.notation.problems import NotationError
from sqmagic.notation.show import show

BEFORE = """\


# a cell
Enc:   h_{t-1},x_t   # its heading
      # what it reads
      h_{t-1}|x_t -> c_t


      c_t --[R|sigmoid]   # a gate
        -> r_t  # named
      return h_t
      # the end of the block
# after it
x_t:28
0->h_0
# the end
"""
AFTER = """\
# a cell
Enc: h_{t-1}, x_t  # its heading
    # what it reads
    h_{t-1}|x_t -> c_t

    # a gate
    c_t --[R|sigmoid]-> r_t  # named
    return h_t
    # the end of the block
# after it
x_t : 28
0 -> h_0
# the end
"""


def comments(text: str) -> list[str]:
    return [comment.rstrip() for comment in re.findall("#.*", text)]


def holds(text: str, unicode: bool) -> None:
    made = formatted(text, unicode)
    assert parse(made) == parse(text)
    assert comments(made) == comments(text)
    assert formatted(made, unicode) == made


def test_comments_and_paragraphs_stay():
    assert formatted(BEFORE) == AFTER
    holds(BEFORE, False)


def test_unicode_is_written_where_it_is_wished():
    assert formatted("gamma*h_{t-1} -> y_t  # γ\n", True) == "γ ⊙ hₜ₋₁ → yₜ  # γ\n"
    holds(BEFORE, True)


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("unicode", [False, True])
def test_it_holds_for_the_tests_programs(text: str, unicode: bool):
    holds(text, unicode)


@given(programs(), st.booleans(), st.data())
def test_it_holds_wherever_there_are_comments(program, unicode: bool, data):
    lines = show(program).splitlines() or ["x -> y"]
    noted = [line + data.draw(st.sampled_from(["", "  ", "# c", " # a # b"])) for line in lines]
    for at in data.draw(st.lists(st.integers(0, len(noted)), max_size=3)):
        noted.insert(at, data.draw(st.sampled_from(["", "  ", "# own line", "      # deep"])))
    text = "\n".join(noted) + "\n"
    holds(text, unicode)


def test_what_is_wrong_is_told_as_ever():
    with pytest.raises(NotationError, match="SQ104"):
        formatted("x ->\n")
