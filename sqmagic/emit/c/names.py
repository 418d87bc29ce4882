"""What things are called in C: states by their names in the notation, no two alike, none that C or the engine has."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqmagic.emit.c import engine
from sqmagic.equations.system import Context, Fixed, Last, Range, Running, points

_WORDS = """
    abs absolute all alone auto barrier batch bits block break case char choose clip const continue cos cosine
    default div do double during else end_row enum equal erf exp exponential extern float for gamma goto i if inline
    in_ring int j0 j1 jn keep_row larger largest_of lengths lgamma load log logarithm logistic long loose m main me
    meet memory
    multiply n own pack pack_bias packed panel part past_ends products real rectified reduced register relax restrict
    return row row_within scan share short sign_of signed sin sine sizeof smaller smallest_of some_have sqrt square
    square_root static steps store struct sum_of switch t tanh tgamma threads tile together typedef union unit
    unsigned vec void volatile where while whole width work y0 y1 yn
    add_plane ask_to_read ask_to_write at_least at_most before_blocks begin begin_row factor factors first_example
    first_unit
    four exponentials exponential_of greatest hyperbolic_tangent_of hyperbolic_tangents inputs is_free is_mine least
    left logistic_of logistics near_blocks next_blocks pieces pieces_of power_of_two reduce run_of_blocks scaled
    soft_plus soft_plus_of soft_pluses
    outer_sums parameters plane right row_at step_outers step_sums sums target targets through vectors_for walk
    add_pairs largest_of_rows of_columns of_matrices of_rows products_of smallest_of_rows spread sum_of_rows sums_across
    give_way hand_over next some take_over those tied turned add_outer add_seen remember rows_seen
"""
_MACROS = (name for _, text in engine() for name in re.findall(r"#define (\w+)", text))
TAKEN = frozenset((*_WORDS.split(), *_MACROS))


def identifier(text: str) -> str:
    """`O_prime` for O', `Enc_r` for Enc.r, `h_hat` for ^h."""
    text = f"{text[1:]}_hat" if text.startswith("^") else text
    name = re.sub(r"[^A-Za-z0-9_]", lambda m: f"u{ord(m.group()):x}", re.sub(r"\.", "_", text.replace("'", "_prime")))
    return name if name[:1].isalpha() else f"v{name}"


def distinct(wanted: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A name for each key, as near to the one wanted as can be."""
    taken, found = set(TAKEN), {}
    for key, text in wanted:
        name = identifier(text)
        while name in taken or any(f"{name}_{end}" in taken for end in ("rows", "step", "row")):
            name += "_"
        taken |= {name, f"{name}_rows", f"{name}_step", f"{name}_row"}
        found[key] = name
    return found


def at(offset: int) -> str:
    """`t`, `tm1` for t-1, `tp2` for t+2."""
    return f"t{'p' if offset > 0 else 'm'}{abs(offset)}" if offset else "t"


def point(context: Context) -> str:
    """`_0`, `_T`, as a name's end."""
    found = []
    for index in context:
        assert not isinstance(index, Range), "a range is no point"
        for each in points(index):
            match each:
                case Fixed(value):
                    found.append(f"_{'m' if value < 0 else ''}{abs(value)}")
                case Last(name, offset):
                    found.append(
                        f"_{name.upper()}{'' if not offset else 'p' if offset > 0 else 'm'}{abs(offset) or ''}"
                    )
                case Running(_, offset):
                    found.append(f"_{at(offset)}")
    return "".join(found)
