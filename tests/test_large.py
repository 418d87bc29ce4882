"""Large programs: the work of compiling grows with their length and not with its square. It is counted, not timed."""

from __future__ import annotations

from collections.abc import Callable
from cProfile import Profile

import pytest

from sqmagic.notation.problems import NotationError
from sqmagic.pipeline import Generated, Sizes, generate, understand


def written(text: str) -> Generated:
    return generate("net", understand(text), Sizes(width=3), {}, kernels=True)


def calls(text: str) -> int:
    """How many functions are called until the source of a program is there."""
    with Profile() as profile:
        written(text)
    return sum(entry.callcount for entry in profile.getstats())


def letters(number: int) -> str:
    return "".join("abcdefghij"[int(digit)] for digit in f"{number:03}")


def recurrences(count: int) -> str:
    names = [letters(n) for n in range(count)]
    return "\n".join(
        ["x_t : 3", *(f"0 -> h{n}_0\nh{n}_{{t-1}} | x_t --[F{n} | tanh]-> h{n}_t" for n in names)],
    )


def one_loop(count: int) -> str:
    links = [f"tanh(s{letters(n)}_t) -> s{letters(n + 1)}_t" for n in range(count)]
    first, last = letters(0), letters(count)
    return "\n".join(["x_t : 3", "0 -> h_0", f"h_{{t-1}} + x_t -> s{first}_t", *links, f"tanh(s{last}_t) -> h_t"])


def anticipating(count: int) -> str:
    links = [f"tanh(s{letters(n)}_t) -> s{letters(n + 1)}_t" for n in range(count)]
    first, last = letters(0), letters(count)
    return "\n".join(["x_t : 3", f"b_{{t+1}} + x_t -> s{first}_t", *links, f"tanh(s{last}_t) -> b_t"])


def statements(count: int) -> str:
    return "\n".join(["x : 3", *(f"tanh(x) -> s{letters(n)}" for n in range(count))])


def layers(count: int) -> str:
    links = [f"s{letters(n)} --[F{letters(n)} | tanh]-> s{letters(n + 1)}" for n in range(count)]
    return "\n".join(["x : 3", f"x -> s{letters(0)}", *links])


@pytest.mark.parametrize(
    ("program", "count"), [(recurrences, 30), (one_loop, 60), (anticipating, 60), (statements, 150), (layers, 60)]
)
def test_a_program_of_twice_the_length_takes_twice_the_work(program: Callable[[int], str], count: int) -> None:
    written(program(3))  # what is made once, by the first program
    assert calls(program(2 * count)) < 2.3 * calls(program(count))


def test_a_reset_written_again_changes_nothing() -> None:
    once = "x_t : 3\ncut_t : 1\n0 -> h_0\nh_{t-1} | x_t --[F | tanh]-> h_t\nreset h on cut\n"
    assert written(once + "reset h on cut\n" * 400).source == written(once).source


def nested(count: int) -> str:
    lines = [f"F{letters(0)}: x", "    tanh(x) -> y", "    return y"]
    for n in range(1, count):
        lines += [f"F{letters(n)}: x", f"    F{letters(n - 1)}(x) -> y", "    return y"]
    return "\n".join([*lines, "x : 3", f"x --[F{letters(count - 1)}]-> z"])


def test_macros_within_macros_have_an_end() -> None:
    assert written(nested(50)).source
    for count in (51, 150, 400):
        with pytest.raises(NotationError, match="SQ209: more than 50 macros are called within each other"):
            understand(nested(count))


def test_what_many_equations_of_a_loop_read_has_a_gradient_in_compiled_code() -> None:
    links = [f"tanh(s{letters(n)}_t) + x_t -> s{letters(n + 1)}_t" for n in range(600)]
    first, last = letters(0), letters(600)
    made = written("\n".join(["x_t : 3", "0 -> h_0", f"h_{{t-1}} + x_t -> s{first}_t", *links, f"s{last}_t -> h_t"]))
    assert [isinstance(page.back, str) for page in made.pages] == [False]
