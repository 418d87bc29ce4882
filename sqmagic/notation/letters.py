"""Chalkboard letters and their ASCII: Greek letters, subscripts, primes. Both ways, one to one."""

from __future__ import annotations

import re

_SMALL = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "ο": "omicron", "π": "pi",
    "ρ": "rho", "σ": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega",
}  # fmt: skip
_VARIANTS = {"ϵ": "epsilon", "ϑ": "theta", "ϕ": "phi", "ϖ": "pi", "ϱ": "rho", "ς": "sigma", "µ": "mu"}

_SUBSCRIPT_OF = dict(zip("0123456789+-aeoxhklmnpstiruvj", "₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₒₓₕₖₗₘₙₚₛₜᵢᵣᵤᵥⱼ", strict=True))
_SUBSCRIPTS = {sign: plain for plain, sign in _SUBSCRIPT_OF.items()}
_SUBSCRIPTS |= {"ₔ": "e", "ᵦ": "beta", "ᵧ": "gamma", "ᵨ": "rho", "ᵩ": "phi", "ᵪ": "chi"}

_GREEK = _SMALL | {letter.upper(): name.capitalize() for letter, name in _SMALL.items()}
_LETTER_OF = {name: letter for letter, name in _GREEK.items()}

_PLAIN = str.maketrans(_GREEK | _VARIANTS | {"′": "'", "″": "''", "−": "-", "–": "-"})
_SUBSCRIPT_RUN = re.compile(f"[{''.join(map(re.escape, _SUBSCRIPTS))}]+")
_SUBSCRIPTED = str.maketrans(_SUBSCRIPTS)
_BLANKS = re.compile(r"(?<!\w)[\s\u200b\ufeff]+|[\s\u200b\ufeff]+(?!\w)")  # those between two words stay, to be refused
_BRACES = re.compile(r"_\{(.*)\}('*)$", re.DOTALL)
_NUMBER = re.compile(r"_\{([0-9]{1,9})\}")
_WORD = re.compile(r"(?<![A-Za-z0-9'])[A-Za-z]+(?='*(?:_|$))")
_TAIL = re.compile(r"(?<=[A-Za-z0-9'])_(?:([0-9]+|[aehijklmnoprstuvx])|\{([aehijklmnoprstuvx]?[+-][0-9]+)\})$")


def ascii_name(written: str) -> str:
    """The canonical ASCII form of a name: `hₜ₋₁` is `h_{t-1}`, `γ₁` and `γ_{1}` are `gamma_1`, spaces in braces go.

    A prime after a braced context belongs to the name before it: `h_{t-1}'` is `h'_{t-1}`.
    """
    if "{" not in written and written.isascii():
        return str(written)
    plain = _SUBSCRIPT_RUN.sub(_lowered, written).translate(_PLAIN)
    if braces := _BRACES.search(plain):
        context = _BLANKS.sub("", braces[1])
        return _NUMBER.sub(r"_\1", f"{plain[: braces.start()]}{braces[2]}_{{{context}}}")
    return plain


def base_of(word: str) -> str:
    """A name without its context, in ASCII: `h_{t-1}` and `hₜ` are of h."""
    plain = ascii_name(word)
    bare = plain.partition("_{")[0] if plain.endswith("}") else re.sub(r"_(?:\d+|[a-zTN])$", "", plain)
    return bare or plain


def unicode_name(name: str) -> str:
    """What a chalkboard would write for an ASCII name; `ascii_name` leads back."""
    tail = _TAIL.search(name)
    head = name[: tail.start()] if tail else name
    subscript = "".join(_SUBSCRIPT_OF[sign] for sign in tail[1] or tail[2]) if tail else ""
    braces = head.find("_{")
    before, after = (head, "") if braces < 0 else (head[:braces], head[braces:])
    return _greek(before).replace("'", "′") + after + subscript


def _lowered(run: re.Match[str]) -> str:
    text = run[0].translate(_SUBSCRIPTED)
    return f"_{text}" if text.isalnum() else f"_{{{text}}}"


def _greek(name: str) -> str:
    """Greek letters for whole segments of a name, so that `pi_t` changes and `pixel` does not."""
    return _WORD.sub(lambda word: _LETTER_OF.get(word[0], word[0]), name)
