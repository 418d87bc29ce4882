"""What papers and other languages write otherwise: lists that join, transposes, superscripts, accents, LaTeX."""

from __future__ import annotations

import re
import unicodedata

from sqmagic.notation.mistakes.place import BLOCK, Mistake, Place, open_brackets

_NAME = r"[^\W\d_][\w]*['′]*(?:_\{[^{}]*\}['′]*)?"
_BEFORE = re.compile(rf"({_NAME})\s*$")
_LAYER = re.compile(r"(?<![\w.])([A-Z][A-Za-z0-9]*['′]*(?:_\w+|_\{[^{}]*\})?)$")
_BIAS = re.compile(r"\s*\+\s*b(?:_\w+|_\{[^{}]*\})?(?![\w({\[])")
_ARROW = re.compile(r"\s*(?:--?>|=+>|[─–—═]*[→⟶⇒⟹>])")
_ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0305": "bar", "\u0307": "dot", "\u030c": "check"}
_SIGNS = {
    "odot": "*",
    "cdot": "*",
    "times": "*",
    "circ": "*",
    "leftarrow": ":=",
    "rightarrow": "->",
    "to": "->",
    "mid": "|",
}


def joined(place: Place) -> Mistake | None:
    """`W·[h_{t-1}, x_t]`, `W([h; x])`, `W[h, x]`: brackets that list what is to be joined."""
    if place.word == "[":
        opened = place.start
    elif place.word in (",", ";"):
        waiting = open_brackets(place.before)
        opened = waiting[-1].start() if waiting and waiting[-1][0] == "[" else -1
    else:
        return None
    whole = place.before + place.word + place.after
    found = re.match(r"\[([^\[\]]*[,;|][^\[\]]*)\]", whole[opened:]) if opened >= 0 else None
    if found is None or ":" in re.sub(r"_\{[^{}]*\}", "", found[1]) or _ARROW.match(whole, opened + found.end()):
        return None
    members = " | ".join(part.strip() for part in re.split(r"[,;|]", found[1]))
    start, stop = opened, opened + found.end()
    before = whole[:start].rstrip()
    factor = _LAYER.search(re.sub(r"\s*[*·⋅∗×⊙]$", "", before)) if not before.endswith("(") else None
    if place.word != "[" and factor is None:
        return None  # `q[a, b]` of a state picks components
    picked = "square brackets pick a component" if place.word == "[" else "a component of a matrix is `B[i][j]`"
    message = f"`|` joins states to one, `{members}`; {picked}"
    if before.endswith("(") and whole[stop:].lstrip().startswith(")"):
        return Mistake("SQ101", message, start, stop, (start, stop, members))
    if factor is None:
        return Mistake("SQ101", message, start, stop, (start, stop, f"({members})"))
    bias = _BIAS.match(whole, stop)
    message += f", and a layer `{factor[1]}(…)` has a bias of its own" if bias else ""
    last = stop if bias is None else bias.end()
    return Mistake("SQ101", message, start, stop, (factor.end(), last, f"({members})"))


def semicolon_within(place: Place) -> Mistake | None:
    """`(h; x)`."""
    if place.word != ";" or not open_brackets(place.before):
        return None
    blanks = len(place.after) - len(place.after.lstrip())
    edit = (len(place.left), place.stop + blanks, " | ")
    return Mistake("SQ102", "`;` joins nothing: `a | b` is one value, `a, b` are two", place.start, place.stop, edit)


def beside_a_layer(place: Place) -> Mistake | None:
    """`W x_t`."""
    layer = _LAYER.search(place.left) if place.kind == "NAME" and "TIMES" in place.expected else None
    if layer is None:
        return None
    call, product = f"{layer[1]}({place.word})", f"{layer[1]} @ {place.word}"
    ways = f"`{call}` is a layer, which adds a bias, and `{product}` its matrix alone"
    message = f"nothing joins `{place.word}` to `{layer[1]}`: {ways}"
    return Mistake("SQ101", message, place.start, place.stop, (layer.start(), place.stop, call))


def transposed(place: Place) -> Mistake | None:
    """`K^T`, `K.T`, `Kᵀ`."""
    rest = place.word + place.after
    drawn = re.match(r"\^\s*(?:\{\s*)?(?:\\?top|\\intercal|T|⊤|⊺)(?:\s*\})?(?!\w)|\.(?:T(?!\w)|t\(\))|ᵀ|⊤", rest)
    base = _BEFORE.search(place.left[-99:])
    if drawn is None or base is None:
        return None
    stop = place.start + drawn.end()
    start = len(place.left) - len(base[0].rstrip())
    message = f"the transpose is written `transpose({base[1]})`, and a matrix product `@`"
    times = re.match(r"\s*(?=[\w(])", rest[drawn.end() :])  # nothing but blanks joins it to what follows
    edit = (start, stop + (times.end() if times else 0), f"transpose({base[1]})" + " @ " * (times is not None))
    return Mistake("SQ101", message, place.start, stop, edit)


def step_above(place: Place) -> Mistake | None:
    """`h^{(t)}`, `h^t`."""
    found = re.match(
        r"\^\s*(?:\{?\s*[(<⟨]\s*([^(){}<>⟨⟩]+?)\s*[)>⟩]\s*\}?|\{?\s*(t(?:\s*[-+]\s*\d+)?)\s*\}?(?!\w))",
        place.word + place.after,
    )
    base = _BEFORE.search(place.left[-99:])
    if place.word != "^" or found is None or base is None or "_" in base[1]:
        return None
    step = re.sub(r"\s", "", found[1] or found[2])
    if not re.fullmatch(r"[a-zA-Z]?(?:[-+]?\d+)?", step):
        return None
    context = f"_{step}" if re.fullmatch(r"[A-Za-z]|\d+", step) else f"_{{{step}}}"
    stop = place.start + found.end()
    message = f"a step stands below: `{base[1]}{context}`"
    return Mistake("SQ101", message, place.start, stop, (len(place.left), stop, context))


def accent(place: Place) -> Mistake | None:
    """`ŷ_t`, `C̃_t`."""
    letter, *marks = list(unicodedata.normalize("NFD", place.word)) or [""]
    plain = "" if letter in _ACCENTS else letter
    named = [_ACCENTS.get(mark, "") for mark in (marks if plain else [letter, *marks])]
    if place.kind or len(place.word) != 1 or not all(named) or not named:
        return None
    name = "_".join([plain, *named])
    whole = f"{(_BEFORE.search(place.left[-99:]) or ['', ''])[1]}{name}" if not plain else name
    message = f"letters have no accents: `{whole}` is a name"
    return Mistake("SQ102", message, place.start, place.stop, (place.start, place.stop, name))


def latex(place: Place) -> Mistake | None:
    r"""`\tanh`, `\sigma`."""
    word = re.match(r"[A-Za-z]+", place.after) if place.word == "\\" else None
    if word is None:
        return None
    stop = place.stop + word.end()
    plain = _SIGNS.get(word[0], word[0])
    message = f"names and signs have no `\\` before them: `{plain}`"
    return Mistake("SQ102", message, place.start, stop, (place.start, stop, plain))


def drawn_from(place: Place) -> Mistake | None:
    """`a_t ~ π_t`."""
    if place.word not in ("~", "∼"):
        return None
    policy = place.after.removesuffix(BLOCK).strip()
    normal = re.fullmatch(r"(?:N|Normal|𝒩)\s*\((.*)\)", policy)
    value = f"sample({normal[1] if normal else policy})"
    whole = re.fullmatch(rf"\s*({_NAME})\s*", place.before)
    stop = place.stop + len(place.after.removesuffix(BLOCK).rstrip())
    edit = (len(place.left), stop, f" := {value}") if whole and policy else None
    return Mistake("SQ102", f"what is drawn is written `{value}`", place.start, place.stop, edit)


def outer_product(place: Place) -> Mistake | None:
    """`v ⊗ k`."""
    left, right = _BEFORE.search(place.left[-99:]), re.match(rf"\s*({_NAME})", place.after)
    if place.word != "⊗" or left is None or right is None:
        return None
    value = f"outer({left[1]}, {right[1]})"
    start = len(place.left) - len(left[0].rstrip())
    edit = (start, place.stop + right.end(), value)
    return Mistake("SQ102", f"the matrix of all products is written `{value}`", place.start, place.stop, edit)


def sum_sign(place: Place) -> Mistake | None:
    """`∑ x`."""
    if place.word not in ("∑", "Σ"):
        return None
    message = "the components of x are added by `sum(x)`; a sum over steps is a recurrence, `s_t := s_{t-1} + x_t`"
    return Mistake("SQ102", message, place.start, place.stop)


def held_fixed(place: Place) -> Mistake | None:
    """`q_t.detach()`."""
    called = re.match(r"\.(?:detach\(\)|data(?!\w))", place.word + place.after)
    base = _BEFORE.search(place.left[-99:])
    if called is None or base is None:
        return None
    start, stop = len(place.left) - len(base[0].rstrip()), place.start + called.end()
    edit = (start, stop, f"stop({base[1]})")
    return Mistake("SQ102", f"what is held fixed is written `stop({base[1]})`", place.start, stop, edit)


def indexed_step(place: Place) -> Mistake | None:
    """`h[t] = tanh(W @ h[t-1])`."""
    name = re.fullmatch(rf"\s*{_NAME}\[\s*[a-z](?:\s*[-+]\s*\d+)?\s*\]\s*", place.before)
    if place.kind != "EQUAL" or name is None or place.after.startswith("=") or place.after.endswith(BLOCK):
        return None
    text = f"{place.left} := {place.after.strip()}"
    step = re.compile(r"(?<=\w)\[\s*([a-z])\s*(?:([-+])\s*(\d+)\s*)?\]")
    line = step.sub(lambda m: f"_{{{m[1]}{m[2]}{m[3]}}}" if m[2] else f"_{m[1]}", text)
    message = "a step stands in a name's subscript, `h_t` or `h_{t-1}`, and a value is named by `:=`"
    return Mistake("SQ106", message, 0, place.stop, (0, place.stop + len(place.after.rstrip()), line))


def row_or_column(place: Place) -> Mistake | None:
    """`B[:, x]`, `B[x, :]`."""
    waiting = open_brackets(place.before)
    if not waiting or waiting[-1][0] != "[" or place.word not in (":", ","):
        return None
    start = waiting[-1].start()
    base = _BEFORE.search(place.before[:start])
    found = re.match(
        r"\[\s*(:)?\s*([^:,\[\]]*?)\s*,\s*(:|[^:,\[\]]+?)\s*\]|\[\s*:\s*,\s*([^:,\[\]]+?)\s*\]",
        (place.before + place.word + place.after)[start:],
    )
    if base is None or found is None:
        return None
    column = found[4] or (found[3] if found[1] and not found[2] else None)
    if column is None and found[3] != ":":
        return None
    value = f"transpose({base[1]})[{column}]" if column else f"{base[1]}[{found[2]}]"
    message = "`B[x]` takes row x of a matrix, and `transpose(B)[x]` its column"
    stop = start + found.end()
    return Mistake("SQ104", message, start, stop, (start - len(base[0]), stop, value))
