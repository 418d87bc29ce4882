"""The rules, a row each: what may stand at a site instead, or None.

They are those of the calculus (the numbers are its own), and each keeps values and derivatives for all parameters: no
rule makes a parameter, none looks into a `stop`, and none touches what is drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqmagic.calculus.rewrite.engine import Draft, Found, Row, Site, dense, holds, read_now, sites_beside
from sqmagic.calculus.rewrite.forms import closed, columns, has_product, has_weights, pure, summed
from sqmagic.calculus.rewrite.log import Condition, Rule, part
from sqmagic.calculus.rewrite.stacking import functions, stack
from sqmagic.calculus.terms import op
from sqmagic.equations.system import Apply, Expr, Range, Read, Weight, reads, runs, shift, walk

# --- layers --------------------------------------------------------------------------------------


def unfold(site: Site) -> Found | None:
    """def: a layer on `p_t`, where `p_t = h_{t-1} | x_t` joins what is in the recurrence with what is not."""
    match site.expr:
        case Apply("dense", (Read() as read,)) if read.state in site.draft.inside:
            line = read_now(read, site.draft)
            if line is not None and _mixed(line.value, site.draft) and pure(line.value):
                return Found(shift(line.value, 0), (), (Condition("one line", read.state),), (0,))
    return None


def _mixed(expr: Expr, draft: Draft) -> bool:
    match expr:
        case Apply("concat", parts):
            return any(map(draft.free, parts)) and not all(map(draft.free, parts))
        case _:
            return False


def split_layer(site: Site) -> Found | None:
    """concat: `F(h_{t-1} | x_t)` is `F[:, :n] @ h_{t-1} + (F[:, n:] @ x_t + b)`, what is free last."""
    layer = dense(site.expr, site.draft)
    match site.expr:
        case Apply("dense", (Apply("concat", parts) as whole,)) if layer is not None and _mixed(whole, site.draft):
            weight, bias = layer
            shape = site.draft.shape(weight)
            widths = [site.draft.width(p) for p in parts]
            if shape is None or len(shape) != 2 or None in widths:
                return None
            inside: list[Expr] = []
            free: list[Expr] = []
            start = 0
            for each, width in zip(parts, widths, strict=True):
                product = op("matmul", columns(weight, start, start + (width or 0), (shape[0], shape[1])), each)
                (free if site.draft.free(each) else inside).append(product)
                start += width or 0
            rest = [*free, bias] if bias is not None else free
            return Found(op("add", summed(inside), summed(rest)))
    return None


def affine(site: Site) -> Found | None:
    """affine: `F(h_{t-1})` is `F @ h_{t-1} + b`, where another product has the same operand."""
    layer = dense(site.expr, site.draft)
    match site.expr:
        case Apply("dense", (operand,)) if layer is not None and not site.draft.free(operand):
            if sum(_operand(s.expr) == operand for s in sites_beside(site.draft, operand)) < 2:
                return None
            weight, bias = layer
            product = op("matmul", weight, operand)
            return Found(product if bias is None else op("add", product, bias))
    return None


def _operand(expr: Expr) -> Expr | None:
    match expr:
        case Apply("dense", (operand,)) | Apply("matmul", (Weight() | Apply("transpose"), operand)):
            return operand
        case _:
            return None


# --- names ---------------------------------------------------------------------------------------


def hoist(site: Site) -> Found | None:
    """hoist: what multiplies by weights and needs nothing of the recurrence has a name, and is computed for all steps
    at once; so has what is made of a range that all steps have. What else costs little stays, for to read a row back
    costs as much."""
    draft, expr = site.draft, site.expr
    dear = has_product(expr) or _of_all_steps(expr)
    shape = draft.shape(expr) if dear and reads(expr) and draft.free(expr) and pure(expr) else None
    if shape is None or (min(shape) < 0 and runs(expr)):  # of another size at each step it is no row of anything
        return None
    if site.target.state in draft.made and not site.path:
        return None
    made, read = draft.name(draft.fresh(f"{site.target.state}.in"), expr)
    conditions = holds(made, "fresh", "pure", "free")
    return Found(read, (made,), conditions)


def _of_all_steps(expr: Expr) -> bool:
    """Whether something is made of a range and is the same at all steps: `transpose(e_{1:T})`."""
    ranged = any(isinstance(index, Range) for r in reads(expr) for index in r.context)
    return isinstance(expr, Apply) and ranged and not runs(expr)


def common(site: Site) -> Found | None:
    """let: what is computed in several places of a step has a name."""
    draft, expr = site.draft, site.expr
    if not isinstance(expr, Apply) or draft.free(expr) or not pure(expr) or not _dear(expr):
        return None
    key = ("let", site.target, site.path)
    if key in draft.promised and draft.promised[key][0] == expr:
        return Found(draft.promised.pop(key)[1])
    if not site.path and site.target.state in draft.made:
        return None
    others = [s for s in sites_beside(draft, expr) if s.expr == expr and (s.target, s.path) != (site.target, site.path)]
    others = [s for s in others if s.path or len(s.equation.targets) == 1]
    if not others or draft.shape(expr) is None or not _top(site, others):
        return None
    made, read = draft.name(draft.fresh(f"{site.target.state}.part"), expr)
    for each in others:
        draft.promised["let", each.target, each.path] = (expr, read)
    return Found(read, (made,), holds(made, "fresh", "pure"))


def _top(site: Site, others: Sequence[Site]) -> bool:
    """Not where an equation is this very value: that has a name already."""
    return all(s.path for s in (site, *others))


def _dear(expr: Expr) -> bool:
    """Whether to compute it again costs more than to read it: a product, or a function that is no arithmetic."""
    cheap = ("add", "sub", "mul", "div", "neg", "slice", "concat", "stop", "transpose", "index")
    return any(isinstance(n, Apply) and n.op not in cheap for n in walk(expr))


def weights(site: Site) -> Found | None:
    """let: what is made of parameters alone is computed once."""
    draft, expr = site.draft, site.expr
    if not isinstance(expr, Apply) or not closed(expr) or not has_weights(expr) or draft.shape(expr) is None:
        return None
    if site.target.state in draft.made and not site.path and not site.target.context:
        return None
    stem = site.target.state.removesuffix(".in")
    made, read = draft.name(draft.fresh(f"{stem}.{_weight_name(site)}"), expr)
    return Found(read, (made,), holds(made, "fresh", "closed"))


def _weight_name(site: Site) -> str:
    """`W_h` for what `h` is multiplied by, `b` for what is added."""
    operand = _beside(site)
    if operand is None:
        return "b" if len(site.draft.shape(site.expr) or ()) == 1 else "W"
    states = dict.fromkeys(r.state.rpartition(".")[2] for r in reads(operand))
    return "_".join(["W", *states])


def _beside(site: Site) -> Expr | None:
    if not site.path or site.path[-1] != 0:
        return None
    match part(site.equation.value, site.path[:-1]):
        case Apply("matmul", (_, operand)):
            return operand
        case _:
            return None


ROWS: tuple[tuple[Rule, Row], ...] = (
    ("let", common),
    ("def", unfold),
    ("concat", split_layer),
    ("hoist", hoist),
    ("affine", affine),
    ("stack", stack),
    ("map", functions),
)
"""In the order in which they are applied to a recurrence; `weights` comes when what nobody reads is gone."""
