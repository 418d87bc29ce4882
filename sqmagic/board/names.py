"""How a name of the notation is set: `h_1` is h with a small 1, `gamma` is γ, `Enc_1.r` is r with Enc₁ above it; a name
of several words, `next_word`, stays as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from sqmagic.equations.system import Context, Fixed, Index, Last, Range, Running, points

GREEK: dict[str, str] = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ",
    "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
    "lam": "λ", "eps": "ε",
}  # fmt: skip
"""Words that a board writes as a Greek letter; `lam` and `eps` are how a keyboard shortens two of them."""

FUNCTIONS = {"batch_norm": "BN", "layer_norm": "LN"}
"""How a board writes functions that have parameters; a layer that is given no name has the function's."""

MINUS = "\u2212"


@dataclass(frozen=True, slots=True)
class Name:
    """A name in its parts: `base`, what stands below it (`1`, `bar`), and above it the path of its macro instance."""

    base: str
    below: tuple[str, ...] = ()
    above: tuple[str, ...] = ()


def name(key: str) -> Name:
    """The parts of a state's or layer's name; primes stay with the base."""
    *path, word = key.split(".")
    primes = "\u2032" * word.count("'")
    function = next((f for f in FUNCTIONS if word == f or word.startswith(f"{f}_")), None)
    if function is not None:
        number = word.removeprefix(function).removeprefix("_")
        return Name(FUNCTIONS[function], (number,) if number else (), tuple(path))
    base, _, below = word.replace("'", "").partition("_")
    if not base or (_is_a_word(base) and any(map(_is_a_word, below.split("_")))):
        return Name(word.replace("'", "") + primes, (), tuple(path))
    return Name(greek(base) + primes, (greek(below),) if below else (), tuple(path))


def _is_a_word(part: str) -> bool:
    """`next` is one, `h`, `lambda` and `10` are none."""
    return len(part) > 1 and part.isalpha() and part not in GREEK


def greek(word: str) -> str:
    return GREEK.get(word, word)


def state_name(key: str, context: Context) -> Name:
    """The parts of a state at a context, all indices below it: `h_1` at `t-1` is h below which stands `1,t−1`.

    Where the bare `O` and the indexed `O_t` are two states, the second has the key "O_t"; its index is said once.
    """
    parts = name(key)
    indices = {p.index for i in context for p in points(i) if isinstance(p, Running | Last)}
    kept = tuple(b for b in parts.below if b not in (indices or {"t"} if context else ()))
    return replace(parts, below=kept + tuple(index_text(i) for i in context))


def index_text(index: Index) -> str:
    """`t−1`, `0`, `T+1`, `1:t`."""
    match index:
        case Running(word, offset):
            return word + offset_text(offset)
        case Fixed(value):
            return str(value).replace("-", MINUS)
        case Last(word, offset):
            return word.upper() + offset_text(offset)
        case Range(first, last):
            return f"{index_text(first)}:{index_text(last)}"
        case _:
            assert_never(index)


def offset_text(offset: int) -> str:
    return f"{offset:+d}".replace("-", MINUS) if offset else ""


def number_text(value: float) -> str:
    """A number as one writes it: `1`, `0.999`, `1e−5`."""
    text = repr(value)
    return (text[:-2] if text.endswith(".0") else text).replace("-", MINUS)
