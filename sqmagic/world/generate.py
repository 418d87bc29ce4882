"""The batch layer of an environment: from a declaration to C text, and nothing else.

A lane is one environment of a batch. What is small lies in rows, lane beside lane, so that one loop over the lanes
becomes vector instructions; what is large in one block a lane. An author's functions are inlined into that loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqmagic.world.declaration import FUNCTIONS, Declaration, Part, Type

C_TYPES: dict[Type, str] = {"f32": "real", "f64": "double", "i32": "int32_t", "u8": "uint8_t"}
DTYPES: dict[Type, str] = {"f32": "SQ_REAL", "f64": "SQ_F64", "i32": "SQ_I32", "u8": "SQ_U8"}
ARGUMENTS = {"S": "&s", "A": "a", "R": "&r", "sq_rng": "&rng", "P": "&p", "O": "o", "sq_canvas": "canvas"}


def generate(declared: Declaration) -> str:
    """The C of one environment, which defines one symbol: `SQ_SPEC`, of type sq_env_spec."""
    blocks = (
        _head(declared),
        _types(declared),
        _prototypes(declared),
        f'#line {declared.line} "{_quoted(declared.home)}"\n{declared.code.rstrip()}',
        f'#line 1 "{declared.name}.batch.c"',
        _fields(declared),
        _lanes(declared),
        _restart(declared),
        _reset(declared),
        _step(declared),
        _steps(declared),
        _draw(declared),
        _spec(declared),
    )
    return "\n\n".join(block for block in blocks if block) + "\n"


def _head(declared: Declaration) -> str:
    return (
        f"/* {declared.name}: its author's functions, and the batch layer that sqmagic generated for them. */\n"
        '#define SQ_AUTHOR\n#include "sq_env.h"\n\n#ifndef SQ_SPEC\n#define SQ_SPEC sq_env\n#endif'
    )


# --- what the author's functions see ---------------------------------------------------------------


def _types(declared: Declaration) -> str:
    act = "typedef const real *A;" if declared.act.shape else "typedef real A;"
    return "\n".join(
        [
            _struct("S", declared.state),
            "typedef int32_t A;" if declared.actions else act,
            "typedef struct {\n    real reward;\n    int32_t terminated;\n} R;",
            f"typedef {C_TYPES[declared.obs[0].type]} O;",
            _struct("P", declared.params or (Part("none", "i32"),)),
        ]
    )


def _struct(name: str, parts: Sequence[Part]) -> str:
    members = [f"    {C_TYPES[p.type]} {p.name}{''.join(f'[{n}]' for n in p.shape)};" for p in parts]
    return "\n".join(["typedef struct {", *members, f"}} {name};"])


def _prototypes(declared: Declaration) -> str:
    """They make the author's functions static, and a wrong type a mistake at the author's line."""
    kinds = {"step": "SQ_INLINE", "obs": "SQ_INLINE"}
    return "\n".join(
        f"{kinds.get(f.name, 'static __attribute__((unused))')} void {f.name}({', '.join(f.parameters) or 'void'});"
        for f in declared.functions
    )


def _call(declared: Declaration, name: str) -> str:
    """A call of an author's function with what it takes; an empty one where there is none."""
    found = declared.function(name)
    if found is None:
        return ""
    words = [p.removeprefix("const ").removesuffix(" *") for p in found.parameters]
    return f"{name}({', '.join(ARGUMENTS[w] for w in words)});"


def _takes(declared: Declaration, name: str, kind: str) -> bool:
    found = declared.function(name)
    return found is not None and kind in (p.removeprefix("const ") for p in found.parameters)


# --- tables ------------------------------------------------------------------------------------------


def _fields(declared: Declaration) -> str:
    tables = (
        ("state_fields", declared.state),
        ("obs_fields", declared.obs),
        ("act_fields", (declared.act,)),
        ("param_fields", declared.params or (Part("none", "i32"),)),
    )
    parts = [_table(name, fields, "P" if name == "param_fields" else "") for name, fields in tables]
    default = ", ".join(_number(p.default) for p in declared.params) or "0"
    return "\n".join([*parts, f"static const P defaults = {{{default}}};"])


def _table(name: str, parts: Sequence[Part], struct: str) -> str:
    rows = [f"    {_field(p, f'offsetof({struct}, {p.name})' if struct else '0')}," for p in parts]
    return "\n".join([f"static const sq_field {name}[] = {{", *rows, "};"])


def _field(part: Part, offset: str) -> str:
    shape = ", ".join(map(str, part.shape)) or "0"
    bounds = f"{_number(part.low)}, {_number(part.high)}"
    block = "0" if part.in_rows else "SQ_BLOCK"
    return f'{{"{part.name}", {DTYPES[part.type]}, {len(part.shape)}, {{{shape}}}, {bounds}, {block}, {offset}}}'


def _number(value: float) -> str:
    return {"inf": "HUGE_VAL", "-inf": "-HUGE_VAL"}.get(str(value), repr(value))


# --- lanes ---------------------------------------------------------------------------------------------


def _rows(part: Part, base: str) -> Iterator[str]:
    """The pointers through which a part is read and written."""
    kind = C_TYPES[part.type]
    if not part.in_rows:
        yield f"{kind} *restrict {part.name}_rows = {base};"
        return
    for row in range(part.size):
        yield f"{kind} *restrict {part.name}_{row} = ({kind} *){base}{f' + {row} * w' if row else ''};"


def _elements(part: Part) -> Iterator[str]:
    """`board[1][2]` for each element of a part, in order."""
    places = [""]
    for size in part.shape:
        places = [f"{place}[{n}]" for place in places for n in range(size)]
    return (f"{part.name}{place}" for place in places)


def _load(part: Part) -> Iterator[str]:
    if part.in_rows:
        return (f"s.{element} = {part.name}_{row}[i];" for row, element in enumerate(_elements(part)))
    return iter([f"memcpy(s.{part.name}, {part.name}_rows + i * {part.size}, sizeof s.{part.name});"])


def _store(part: Part) -> Iterator[str]:
    if part.in_rows:
        return (f"{part.name}_{row}[i] = s.{element};" for row, element in enumerate(_elements(part)))
    return iter([f"memcpy({part.name}_rows + i * {part.size}, s.{part.name}, sizeof s.{part.name});"])


def _state_rows(declared: Declaration) -> list[str]:
    return [line for at, part in enumerate(declared.state) for line in _rows(part, f"b->state[{at}]")]


def _lanes(declared: Declaration) -> str:
    """One lane's state out of the rows and back, for what is not done in a loop over all of them."""
    rows = _state_rows(declared)
    load = [line for part in declared.state for line in _load(part)]
    store = [line for part in declared.state for line in _store(part)]
    wide = ["const size_t w = b->n_pad;"] if any(" w;" in row for row in rows) else []
    loaded, stored = _indented([*wide, *rows, "S s;", *load, "return s;"]), _indented([*wide, *rows, *store])
    return (
        f"static __attribute__((unused)) S lane(const sq_batch *b, size_t i) {{\n{loaded}\n}}\n\n"
        f"static void put(const sq_batch *b, size_t i, S s) {{\n{stored}\n}}"
    )


def _obs_size(declared: Declaration) -> int:
    return sum(part.size for part in declared.obs)


def _restart(declared: Declaration) -> str:
    """Opens an episode in one lane: its state, its observation and its clock."""
    size = _obs_size(declared)
    if declared.obs[0].in_rows:
        show = [
            f"O o[{size}];",
            _call(declared, "obs"),
            f"for (size_t k = 0; k < {size}; k++) ((O *)b->obs)[k * b->n_pad + i] = o[k];",
        ]
    else:
        show = [f"O *o = (O *)b->obs + i * {size};", _call(declared, "obs")]
    rng = "rng" if _takes(declared, "reset", "sq_rng *") else ""
    lines = [
        "S s;",
        "memset(&s, 0, sizeof s);",
        *_parameters(declared, "reset", "obs"),
        *(["sq_rng rng = b->rng[i];"] if rng else []),
        _call(declared, "reset"),
        *(["b->rng[i] = rng;"] if rng else []),
        "put(b, i, s);",
        *show,
        "b->t[i] = 0;",
        "b->ret[i] = 0;",
    ]
    return f"static void restart(sq_batch *b, size_t i) {{\n{_indented(lines)}\n}}"


def _parameters(declared: Declaration, *names: str) -> list[str]:
    if any(_takes(declared, name, "P *") for name in names):
        return ["const P p = *(const P *)b->param;"]
    return []


def _reset(declared: Declaration) -> str:
    del declared
    return """\
static int reset_lanes(sq_batch *b, const uint8_t *mask) {
    const uint64_t share = sq_share(b, 0, b->live);
    if (!sq_take(b, share)) return SQ_BUSY;
    for (size_t i = 0; i < b->live; i++)
        if (!mask || mask[i]) restart(b, i);
    sq_give(b, share);
    return SQ_OK;
}"""


_STEP_LANES = """\
static int step_lanes(sq_batch *b, uint32_t first, uint32_t end) {
    if (first >= end || end > b->live || first % SQ_LANES) return SQ_NO_LANES;
    const uint64_t share = sq_share(b, first, end);
    if (!sq_take(b, share)) return SQ_BUSY;
    advance(b, first, end, 0);
    sq_give(b, share);
    return SQ_OK;
}"""


def _step(declared: Declaration) -> str:
    """A step of lanes [first, end): one loop without branches, then the episodes that ended."""
    rows = [*_state_rows(declared), *_out_rows(declared)]
    chance = _takes(declared, "step", "sq_rng *")
    wide = ["const size_t w = b->n_pad;"] if any(" w;" in row for row in rows) else []
    acts, action = _action(declared) if _takes(declared, "step", "A") else ([], "")
    before = [
        *wide,
        *rows,
        *acts,
        *(["sq_rng *restrict rngs = b->rng;"] if chance else []),
        "real *restrict rew = b->rew, *restrict ret = b->ret;",
        "uint8_t *restrict term = b->term, *restrict trunc = b->trunc;",
        "int32_t *restrict t = b->t;",
        "const int32_t limit = b->limit ? (int32_t)b->limit : INT32_MAX;",
        *_parameters(declared, "step", "obs"),
    ]
    body = [
        "S s;",
        *[line for part in declared.state for line in _load(part)],
        action,
        "R r = {0, 0};",
        *(["sq_rng rng = rngs[i];"] if chance else []),
        _call(declared, "step"),
        *(["rngs[i] = rng;"] if chance else []),
        *[line for part in declared.state for line in _store(part)],
        *_show(declared),
        "const int32_t now = t[i] + 1;",
        "t[i] = now;",
        "rew[i] = r.reward;",
        "ret[i] += r.reward;",
        "const uint8_t over = r.terminated != 0;",
        "term[i] = over;",
        "trunc[i] = (uint8_t)((now >= limit) & !over);",
    ]
    after = [
        "for (uint32_t start = first; start < end; start += 64u)",
        "    for (uint64_t ended = sq_ended(b, start, end); ended; ended &= ended - 1u) {",
        "        const uint32_t i = start + (uint32_t)__builtin_ctzll(ended);",
        "        b->done_return[i] = ret[i];",
        "        b->done_length[i] = t[i];",
        "        if (count) sq_count(b, i);",
        "        restart(b, i);",
        "    }",
        "if (count) b->stats->steps += end - first;",
    ]
    loop = f"    SQ_LOOP\n    for (size_t i = first; i < end; i++) {{\n{_indented(body, 2)}\n    }}"
    head = "SQ_ONCE void advance(sq_batch *b, uint32_t first, uint32_t end, int count) {"
    return f"{head}\n{_indented(before)}\n{loop}\n{_indented(after)}\n}}\n\n{_STEP_LANES}"


def _out_rows(declared: Declaration) -> Iterator[str]:
    if not declared.obs[0].in_rows:
        yield "O *restrict seen = b->obs, *restrict final = b->final_obs;"
        return
    for row in range(_obs_size(declared)):
        at = f" + {row} * w" if row else ""
        yield f"O *restrict seen_{row} = (O *)b->obs{at}, *restrict final_{row} = (O *)b->final_obs{at};"


def _show(declared: Declaration) -> list[str]:
    size = _obs_size(declared)
    if not declared.obs[0].in_rows:
        copy = f"memcpy(final + i * {size}, o, {size} * sizeof(O));"
        return [f"O *o = seen + i * {size};", _call(declared, "obs"), copy]
    return [f"O o[{size}];", _call(declared, "obs"), *(f"seen_{k}[i] = final_{k}[i] = o[{k}];" for k in range(size))]


def _action(declared: Declaration) -> tuple[list[str], str]:
    """Rows of the actions, and how one lane's is read."""
    if declared.actions or not declared.act.shape:
        return ["const A *restrict actions = b->act;"], "const A a = actions[i];"
    size = declared.act.size
    read = ", ".join(f"actions[{k} * (size_t)b->live + i]" if k else "actions[i]" for k in range(size))
    return ["const real *restrict actions = b->act;"], f"const real a[{size}] = {{{read}}};"


def _steps(declared: Declaration) -> str:
    size, act = _obs_size(declared), declared.act.size
    return f"""\
static int step_often(sq_batch *b, uint32_t k, const void *act) {{
    const uint64_t share = sq_share(b, 0, b->live);
    if (!sq_take(b, share)) return SQ_BUSY;
    const {"int32_t" if declared.actions else "real"} *actions = act;
    for (uint32_t j = 0; j < k; j++, actions += {act} * (size_t)b->live) {{
        b->act = actions;
        advance(b, 0, b->live, 1);
        if (!b->record) continue;
        b->obs = (O *)b->obs + {size} * (size_t)b->n_pad;
        b->final_obs = (O *)b->final_obs + {size} * (size_t)b->n_pad;
        b->rew += b->n_pad;
        b->term += b->n_pad;
        b->trunc += b->n_pad;
    }}
    sq_give(b, share);
    return SQ_OK;
}}"""


def _draw(declared: Declaration) -> str:
    if declared.function("draw") is None:
        return ""
    lines = ["const S s = lane(b, i);", *_parameters(declared, "draw"), _call(declared, "draw"), "return SQ_OK;"]
    return f"static int draw_lane(const sq_batch *b, uint32_t i, sq_canvas *canvas) {{\n{_indented(lines)}\n}}"


def _spec(declared: Declaration) -> str:
    flags = ["SQ_DISCRETE"] * bool(declared.actions) + ["SQ_IMAGE"] * (len(declared.obs[0].shape) == 3)
    counts = (len(declared.state), len(declared.obs), 1, len(declared.params))
    draw = "draw_lane" if declared.function("draw") else "NULL"
    return f"""\
extern const sq_env_spec SQ_SPEC;
__attribute__((visibility("default"))) const sq_env_spec SQ_SPEC = {{
    sizeof(sq_env_spec), SQ_ABI, "{declared.name}",
    {", ".join(map(str, counts))}, state_fields, obs_fields, act_fields, param_fields,
    {declared.limit}, {" | ".join([*flags, "SQ_BUILD"])}, sizeof(P), sizeof(S), &defaults,
    reset_lanes, step_lanes, step_often, {draw},
}};"""


def _indented(lines: Sequence[str], depth: int = 1) -> str:
    return "\n".join("    " * depth + line for line in lines if line)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


assert set(ARGUMENTS) >= {p.removeprefix("const ").removesuffix(" *") for kinds in FUNCTIONS.values() for p in kinds}
