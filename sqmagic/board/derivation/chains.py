"""From the chains of a derivation to formulas: what stands at the left, each form with its rule, braces below terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sqmagic.board.binding import LOOSE, PRODUCT, SERIES, SUM, Notes
from sqmagic.board.derivation.prose import prose
from sqmagic.board.formula import Atom, Brace, Formula, Row, Script, letter, listed, row, word
from sqmagic.board.hats import owner
from sqmagic.board.lines import added, drawn, notes, running_index
from sqmagic.board.names import MINUS, index_text
from sqmagic.board.operators import formula
from sqmagic.calculus.derivation.forms import Chain, Derivation, Form, Kind, Term
from sqmagic.calculus.derivation.unfold import plainly, unfolded
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.system import Apply, Expr, Read, Running, System, Target, pinned, with_children

RELATIONS = {"=": "=", "+=": "+=", "-=": "−=", "<-": "←"}


@dataclass(frozen=True, slots=True)
class Step:
    """A form in pieces between which a line may break: one, or a piece for each term with the sign before it."""

    relation: str
    pieces: tuple[Formula, ...]
    rule: Formula | None = None

    @property
    def whole(self) -> Formula:
        return self.pieces[0] if len(self.pieces) == 1 else Row(self.pieces)


@dataclass(frozen=True, slots=True)
class Said:
    """A chain, set. `left` is None for what is called for its effect, which has no relation either."""

    kind: Kind
    left: Formula | None
    steps: tuple[Step, ...]
    shape: Shape | None = None
    note: Formula | None = None
    detail: bool = False

    def beside(self, n: int, shape: Callable[[Shape], str], write: Callable[[Formula], str]) -> list[str]:
        """What stands beside the form of a number: its rule, and beside the last the shape and the note."""
        rule = self.steps[n].rule
        told = [write(rule)] if rule is not None else []
        if n < len(self.steps) - 1:
            return told
        sized = [shape(self.shape)] if self.shape else []
        return [*told, *sized, *([write(self.note)] if self.note is not None else [])]


@dataclass(frozen=True, slots=True)
class Entry:
    """A row: the line's number (0: made by a rule) and text, the state whose colour it bears, its three columns."""

    line: int
    text: str
    state: str | None
    forward: tuple[Said, ...]
    backward: tuple[Said, ...]
    update: tuple[Said, ...]

    @property
    def chains(self) -> tuple[Said, ...]:
        return (*self.forward, *self.backward, *self.update)


@dataclass(frozen=True, slots=True)
class Told:
    """What a chain is set with: the printer's notes, the running index, the shapes to show, what each call of the
    outside gives, and which values are printed by a name."""

    known: Notes
    index: str
    shapes: Mapping[str, Shape]
    results: Mapping[tuple[int, Expr], tuple[Read, ...]]
    short: Mapping[Expr, Read]


def entries(
    derivation: Derivation, system: System, texts: Mapping[int, str], shapes: Mapping[str, Shape], known: Notes
) -> tuple[Entry, ...]:
    """The rows in the order of the program; within one, what is read from another of its adjoints comes after it.

    `system` tells what effects give, `shapes` which shapes of states to show.
    """
    index = system.indices[0].name if system.indices else "t"
    results = {(e.line, e.value): tuple(map(_read, e.targets)) for e in system.equations}
    told = Told(known, index, shapes, results, _short(derivation, index))
    return tuple(
        Entry(
            each.line,
            texts.get(each.line, "").strip(),
            next((owner_of(c, known) for c in (*each.forward, *each.backward) if c.kind in ("state", "adjoint")), None),
            tuple(said(c, told) for c in each.forward),
            tuple(said(c, told) for c in upwards(each.backward, known)),
            tuple(said(c, told) for c in each.update),
        )
        for each in derivation.rows
    )


def known_of(derivation: Derivation, system: System, *, colours: bool = True, linear: bool = False) -> Notes:
    """What the printer must know; `system` is the program without its adjoint."""
    known = notes(system, derivation.shapes, linear=linear)
    kept = {read.state for c in derivation.chains if c.shape == (1,) for read in c.left if isinstance(read, Read)}
    return replace(
        known,
        colours=known.colours if colours else {},
        scalars=known.scalars | kept | {name for name, shape in derivation.given.items() if shape == (1,)},
        deltas=derivation.deltas,
        activations=derivation.activations,
        parameters=frozenset(derivation.parameters),
        sizes={**known.sizes, **derivation.shapes, **derivation.parameters},
        shapes=derivation.shapes,
    )


def upwards(chains: Sequence[Chain], known: Notes) -> tuple[Chain, ...]:
    """A line that defines several states is read from the last to the first; what belongs to one stays together."""
    starts = [n for n, c in enumerate(chains) if n == 0 or owner_of(c, known) != owner_of(chains[n - 1], known)]
    blocks = [chains[start:stop] for start, stop in pairwise((*starts, len(chains)))]
    return tuple(c for block in reversed(blocks) for c in block)


def owner_of(chain: Chain, known: Notes) -> str | None:
    """The state whose value or adjoint a chain is about."""
    match chain.left:
        case (Read(state), *_):
            return owner(state, known)
        case _:
            return None


def _short(derivation: Derivation, index: str) -> Mapping[Expr, Read]:
    """What is put in where it is read, at the running index and at that of a sum, with its name."""
    values = {t.state: e.value for e in derivation.put_in for t in e.targets}
    layers = {
        e.value: Read(t.state, t.context)
        for e in derivation.system.equations
        for t in e.targets
        if t.state in derivation.activations
    }
    found: dict[Expr, Read] = {}
    for state, value in values.items():
        whole = plainly(unfolded(value, values, index))
        for each in (whole, _named(whole, layers)):
            found |= {pinned(each, index, Running(at)): Read(state, (Running(at),)) for at in (index, "s")}
    return found


def _named(expr: Expr, short: Mapping[Expr, Read]) -> Expr:
    """The expression with names for what has one."""
    if not short:
        return expr
    match expr:
        case Apply(args=args):
            return short.get(expr) or with_children(expr, tuple(_named(a, short) for a in args))
        case _:
            return expr


# --- one chain -----------------------------------------------------------------------------------


def said(chain: Chain, told: Told) -> Said:
    relation = RELATIONS[chain.relation]
    if not any(isinstance(each, Read) and each.state in {r.state for r in told.short.values()} for each in chain.left):
        chain = replace(chain, forms=tuple(_with_names(form, told.short) for form in chain.forms))
    steps = [_step(form, relation if n == 0 else "=", chain, told) for n, form in enumerate(chain.forms)]
    left = _left(chain, told)
    if left is None:
        steps = [replace(step, relation="") for step in steps]
    return Said(chain.kind, left, tuple(steps), _shape(chain, told), _note(chain, told), chain.detail)


def _with_names(form: Form, short: Mapping[Expr, Read]) -> Form:
    terms = tuple(replace(term, expr=_named(term.expr, short)) for term in form.terms)
    return replace(form, expr=_named(form.expr, short), terms=terms)


def _shape(chain: Chain, told: Told) -> Shape | None:
    """The shape of a state; of a number that the text gives it is plain."""
    match chain.left:
        case (Read(state),) if chain.kind == "state" and chain.shape and state not in told.known.constants:
            return told.shapes.get(state)
        case _:
            return None


def _read(target: Target) -> Read:
    return Read(target.state, target.context)


def _note(chain: Chain, told: Told) -> Formula | None:
    """What is said beside a chain; of a part of an equation, which it is."""
    if chain.of is not None:
        return row(Atom("of ", "text"), formula(chain.of, replace(told.known, linear=True)))
    return prose(chain.note) if chain.note else None


def _left(chain: Chain, told: Told) -> Formula | None:
    """What is defined; None for a call that gives nothing."""
    left = chain.left
    match chain.kind:
        case "goal":
            index = running_index(chain.forms[0].expr)
            return Script(letter("ℓ"), word(index)) if index else letter("ℓ")
        case "effect":
            left = told.results.get((chain.line, chain.forms[0].expr), left)
        case _:
            pass
    return listed([formula(each, told.known) for each in left]) if left else None


def _step(form: Form, relation: str, chain: Chain, told: Told) -> Step:
    rule = prose(form.rule) if form.rule else None
    distribution = drawn(form.expr, told.known) if chain.kind in ("state", "effect") else None
    if distribution is not None:
        return Step("∼", (distribution,), rule)
    if _braced(form, chain):
        return Step(relation, tuple(_terms(form.terms, told.known, told.index)), rule)
    sign, value = added(relation, form.expr)
    least = {"+=": SUM, "−=": PRODUCT}.get(sign, LOOSE)
    return Step(sign, (formula(value, told.known, least),), rule)


def _braced(form: Form, chain: Chain) -> bool:
    """Braces say which line each of several terms comes from; of one term a note says it, unless its step differs."""
    return len(form.terms) > 1 or (chain.kind == "adjoint" and any(term.offset for term in form.terms))


def _terms(terms: Sequence[Term], known: Notes, index: str) -> list[Formula]:
    """Each term over its brace; a sign stands before the term, and at the start only a minus does."""
    pieces: list[Formula] = []
    for term in terms:
        sign, inner = _signed(term.expr)
        body = formula(inner, known, SERIES)
        braced = Brace(body, _origin(term, index)) if term.line else body
        if pieces:
            pieces.append(row(Atom(sign, "infix"), braced))
        else:
            pieces.append(row(Atom(sign, "mark"), braced) if sign == MINUS else braced)
    return pieces


def _signed(expr: Expr) -> tuple[str, Expr]:
    match expr:
        case Apply("neg", (inner,)):
            return MINUS, inner
        case Apply("during", (Apply("neg", (inner,)), *rest)):
            return MINUS, replace(expr, args=(inner, *rest))
        case _:
            return "+", expr


def _origin(term: Term, index: str) -> Formula:
    """`line 8, t+1`."""
    line = f"line {term.line}"
    if not term.offset:
        return Atom(line, "text")
    return row(Atom(f"{line}, ", "text"), word(index_text(Running(index, term.offset))))
