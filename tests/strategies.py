"""Programs for property tests: any tree that can be written down, with the names most likely to be misread.

`programs()` gives whole Syntax programs, `expressions()`, `statements()` and `names()` their parts. They are
well formed, and seldom meaningful.
"""

from __future__ import annotations

from hypothesis import strategies as st

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

# words that mean something to the lexer, to Python, to the Unicode printer, or to elaboration
_WORDS = str.split(
    "x y h O M Enc t T n N over reset on return class param lambda pi gamma Sigma mu xi pixel phi2 e E1 x1 xx x2 one "
    "batch stop target nograd relu softmax"
)
_SUBSCRIPTS = str.split("t T 0 1 12 n hot K x on over return t1 bar pi e5 1e5")
_CONTEXTS = str.split("t-1 t+1 t-12 t -1 T T+1 1:t t-3:t t:T -1:0 t,1 t-1,2 t,n-1 M_1 Cell_{n-1} M' -t")

_words = st.sampled_from(_WORDS) | st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,4}", fullmatch=True)
_primes = st.sampled_from(["", "", "", "", "'", "''"])
_subscripts = st.sampled_from(_SUBSCRIPTS) | st.from_regex(r"[A-Za-z0-9]{1,3}", fullmatch=True)
_parts = st.builds("{}{}".format, _words, _primes)
_tails = st.one_of(
    st.just(""),
    st.builds("_{}{}".format, _subscripts, _primes),
    st.builds("_{}{}_{}".format, _subscripts, _primes, _subscripts),
    st.builds("_{{{}}}".format, st.sampled_from(_CONTEXTS)),
    st.builds("_{}_{{{}}}".format, _subscripts, st.sampled_from(_CONTEXTS)),
)
_finite = st.floats(min_value=0.0, allow_infinity=False, allow_nan=False)


def names() -> st.SearchStrategy[Name]:
    """A state, function, parameter or size, with or without a context."""
    return st.builds(Name, st.builds("{}{}".format, _parts, _tails))


def numbers() -> st.SearchStrategy[Number]:
    """Literals, the tiny and the huge included."""
    return st.builds(Number, st.integers(0, 12) | st.sampled_from([0.5, 1e16, 1e22, 1e-7, 5e-324, 1.7e308]) | _finite)


def expressions(leaves: int = 8) -> st.SearchStrategy[Expression]:
    """Any expression of at most about `leaves` names and numbers."""
    return st.recursive(names() | numbers(), _grown, max_leaves=leaves)


def _grown(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Negative, inner),
        st.builds(Binary, st.sampled_from("+-*/@"), inner, inner),
        st.builds(Bar, several),
        st.builds(Tuple, several),
        calls(inner),
        st.builds(Subscript, inner, inner),
        st.builds(Slice, inner, inner, inner),
    )


def calls(arguments: st.SearchStrategy[Expression]) -> st.SearchStrategy[Call]:
    """`f(a, key=b)` and `target(Q)(x)`."""
    keys = st.lists(st.sampled_from(["lr", "tau", "x", "on", "lambda", "one_hot"]), unique=True, max_size=2)
    values = keys.flatmap(lambda chosen: st.tuples(*(st.builds(Keyword, st.just(key), arguments) for key in chosen)))
    once = st.builds(Call, names(), st.lists(arguments, max_size=3).map(tuple), values)
    return once | st.builds(Call, once, st.lists(arguments, max_size=2).map(tuple), values)


def items() -> st.SearchStrategy[Item]:
    """What stands between an arrow's brackets."""
    return st.builds(Item, names() | calls(expressions(3)), st.none() | st.integers(1, 4096))


def parts() -> st.SearchStrategy[Part]:
    """What may follow a pipeline's source."""
    return st.one_of(
        st.builds(Arrow, st.lists(items(), max_size=3).map(tuple), expressions(4)),
        st.builds(Regress, expressions(4), st.none() | expressions(3)),
        st.builds(Raise, expressions(4)),
    )


def _declarations() -> st.SearchStrategy[Declaration]:
    whole = st.builds(Number, st.integers(1, 10**6))
    sizes = st.lists(whole | names(), min_size=1, max_size=4).map(tuple)
    called = st.builds(Call, names(), st.lists(expressions(2), max_size=2).map(tuple)).map(lambda call: (call,))
    return st.builds(Declaration, names(), sizes | called) | st.builds(Declaration, names(), sizes, sizes)


def _overs() -> st.SearchStrategy[Over]:
    index = st.from_regex(r"[A-Za-z][a-z]{0,2}", fullmatch=True).map(Name)
    whole = st.builds(Number, st.integers(0, 99))
    bound = st.one_of(whole, index, st.builds(Negative, whole))
    return st.builds(
        Over,
        st.lists(st.builds(IndexRange, index) | st.builds(IndexRange, index, bound, bound), min_size=1, max_size=3).map(
            tuple
        ),
    )


def _plain() -> st.SearchStrategy[Statement]:
    return st.one_of(
        st.builds(Pipeline, expressions(), st.lists(parts(), max_size=3).map(tuple)),
        st.builds(Binding, expressions(4), expressions(4)),
        _declarations(),
        _overs(),
        st.builds(Reset, st.lists(names(), min_size=1, max_size=3).map(tuple), names()),
    )


def macros() -> st.SearchStrategy[Macro]:
    """A heading and its block."""
    body = st.lists(_plain() | st.builds(Return, expressions(4)), min_size=1, max_size=4)
    return st.builds(Macro, names(), st.lists(names(), max_size=3).map(tuple), body.map(tuple))


def statements() -> st.SearchStrategy[Statement]:
    """Any statement that may stand at the left margin."""
    return _plain() | macros()


def programs() -> st.SearchStrategy[Program]:
    """Programs of one to five statements."""
    return st.builds(Program, st.lists(statements(), min_size=1, max_size=5).map(tuple))
