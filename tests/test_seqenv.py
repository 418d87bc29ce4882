"""C of one's own: an environment or a function from a text, and what is said of texts that are wrong."""

from __future__ import annotations

import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import sqmagic
from sqmagic.runtime.environments import environment
from sqmagic.runtime.functions import CFunction
from sqmagic.world import _core, compiler, function, lanes, seqenv
from sqmagic.world.build import FAST, FLAGS, SINGLE, sources
from sqmagic.world.declaration import parse
from sqmagic.world.errors import DeclarationError, WorldError
from sqmagic.world.generate import generate
from sqmagic.world.lanes import Kind

COUNTER = """\
// counts to ten, by one or by two
state count: i32
obs count: f32 in 0 .. 11
act discrete 2
param goal: i32 = 10
limit 50

void reset(S *s) {
    s->count = 0;
}

void step(S *s, A a, R *r, const P *p) {
    s->count += a + 1;
    r->reward = a ? -0.5 : -1.0;
    r->terminated = s->count >= p->goal;
}

void obs(const S *s, O *o) {
    o[0] = s->count;
}
"""

ENVIRONMENTS = Path(__file__).parent.parent / "csrc" / "environments"
SHIPPED = sources(ENVIRONMENTS)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQMAGIC_CACHE", str(tmp_path_factory.getbasetemp() / "libraries"))


# --- environments ------------------------------------------------------------------------------------


def test_a_text_becomes_an_environment_like_any_other() -> None:
    kind = seqenv.define("Counter", COUNTER)
    own = kind(4, seed=1, goal=3)
    own.reset()
    own.step(np.array([0, 1, 0, 1]))
    own.step(np.array([0, 1, 1, 0]))
    assert own.final[:, 0].tolist() == [2, 4, 3, 3] and own.terminated.tolist() == [False, True, True, True]
    assert own.reward.tolist() == [-1.0, -0.5, -0.5, -1.0] and own.obs[:, 0].tolist() == [2, 0, 0, 0]
    env = environment(kind, 2)
    state, seen = env.reset()
    assert env.step(state, torch.tensor([1, 0])).O.tolist() == [[2.0], [1.0]] and seen.tolist() == [[0.0], [0.0]]
    assert env.watch(steps=5).frames[0].shape == (400, 600, 3)


def test_a_file_is_read_as_a_cell_is(tmp_path: Path) -> None:
    (tmp_path / "Counter.seqenv").write_text(COUNTER)
    assert seqenv.load(tmp_path / "Counter.seqenv").name == "Counter"
    (tmp_path / "Counter.seqenv").write_text(COUNTER.replace("a + 1", "b + 1"))
    with pytest.raises(DeclarationError, match=r"Counter.seqenv, line 13: .*b"):
        seqenv.load(tmp_path / "Counter.seqenv")


@pytest.mark.parametrize("name", SHIPPED)
def test_our_own_files_are_files_like_any_other(name: str) -> None:
    """What the build makes of them and what a user would: the same environment, to the last bit."""
    own, other = (kind(8, seed=3) for kind in (lanes.kind(name), seqenv.load(ENVIRONMENTS / f"{name}.seqenv")))
    assert np.array_equal(own.reset(), other.reset())
    for _ in range(30):
        action = np.zeros(8, int) if own.action.count else np.full((8, *own.action.shape), 0.5)
        own.step(action)
        other.step(action)
        assert np.array_equal(own.obs, other.obs) and np.array_equal(own.reward, other.reward)


def test_a_header_beside_a_file_is_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "Counter.seqenv").write_text(
        COUNTER.replace("void reset", '#include "by.h"\n\nvoid reset').replace("a + 1", "BY")
    )
    for by in (3, 4):
        (tmp_path / "by.h").write_text(f"#define BY {by}\n")
        own = seqenv.load(tmp_path / "Counter.seqenv")(1)
        own.reset()
        own.step(np.zeros(1, int))
        assert own.final[0, 0] == by
    (tmp_path / "by.h").write_text("#define BY by\n")
    with pytest.raises(DeclarationError, match=r"by\.h, line 1: .*by"):
        seqenv.load(tmp_path / "Counter.seqenv")


def test_the_same_text_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = seqenv.define("Counter", COUNTER)
    monkeypatch.setattr(compiler, "_build", lambda *args: pytest.fail("compiled again"))
    again = seqenv.define("Counter", COUNTER)
    assert isinstance(first.owner, compiler.Library) and isinstance(again.owner, compiler.Library)
    assert first.owner.path == again.owner.path
    with pytest.raises(pytest.fail.Exception):
        seqenv.define("Counter", COUNTER.replace("-0.5", "-0.6"))
    monkeypatch.setattr(compiler, "FLAGS", (*FLAGS, "-DOTHER"))
    with pytest.raises(pytest.fail.Exception):
        seqenv.define("Counter", COUNTER)


def test_a_failed_compilation_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQMAGIC_CACHE", str(tmp_path))
    with pytest.raises(DeclarationError):
        seqenv.define("Counter", COUNTER.replace("a + 1", "b + 1"))
    assert list(tmp_path.iterdir()) == []


def test_without_a_compiler_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler._compiler.cache_clear()
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(WorldError, match="there is no C compiler here"):
        seqenv.define("Counter", COUNTER)
    compiler._compiler.cache_clear()
    assert lanes.kind("CartPole")(4).reset().shape == (4, 4)


WRONG = [
    ("a + 1", "b + 1", r"line 13: .*b.* undeclared"),
    ("s->count = 0;", "s->counts = 0;", r"line 9: .*counts"),
    ("s->count = 0;", "s->count = 0", "line 9: "),
    ("s->count = 0;", "s->count = zero();", "line 9: .*zero"),
    ("act discrete 2", "act 2", r"line 4: a line of `act` looks like"),
    ("act discrete 2\n", "", "there is no line of `act`"),
    ("act discrete 2", "act discrete 2\nact discrete 3", "line 5: there is one line of `act`"),
    ("limit 50", "limit none", "line 6: a line of `limit` looks like  limit 500"),
    ("limit 50", "limit 5²", "line 6: a line of `limit` looks like  limit 500"),
    ("f32 in 0 .. 11", "f16", r"line 3: `f16` is no type here"),
    ("f32 in 0 .. 11", "f32 in 11 .. 0", "line 3: the lower bound comes first"),
    ("state count: i32", "state count, count: i32", "line 2: `count` is declared twice"),
    ("state count: i32", "state while: i32", "line 2: `while` means something in C"),
    ("state count: i32", "state i32", "line 2: a line of `state` names what it declares"),
    ("goal: i32 = 10", "goal: i32", "line 5: a parameter is one number with a default"),
    ("void obs(", "void see(", r"there is no function `void obs\(const S \*, O \*, const P \*\)`"),
    ("void reset(S *s)", "void reset(S *s, A a)", "line 8: `reset` cannot take `A`"),
    ("o[0] = s->count;", "o[0] = s->count / 0.0;", "is not finite at the first observation"),
    ("a ? -0.5 : -1.0", "log(0.0 * a)/0.0", "a reward is not finite|is not finite"),
]


@pytest.mark.parametrize(("right", "wrong", "words"), WRONG)
def test_a_mistake_is_told_at_its_own_line(right: str, wrong: str, words: str) -> None:
    with pytest.raises(WorldError, match=words):
        seqenv.define("Counter", COUNTER.replace(right, wrong))
    assert seqenv.define("Counter", COUNTER)(1).reset() == 0


def test_several_mistakes_are_told_together() -> None:
    with pytest.raises(DeclarationError) as told:
        seqenv.define("Counter", COUNTER.replace("act discrete 2", "act 2").replace("limit 50", "limit x"))
    assert [fault.line for fault in told.value.faults] == [4, 6]
    assert str(told.value).split("\n")[1:3] == ["  4 | act 2", "    |     ^"]


def test_warnings_and_what_leaves_its_bounds_are_told() -> None:
    odd = COUNTER.replace("in 0 .. 11", "in 0 .. 3").replace("s->count = 0;", "int unused; s->count = 0;")
    warnings = seqenv.defined("Counter", odd).warnings
    assert [w.line for w in warnings] == [9, 0] and "unused" in warnings[0].message and "bounds" in warnings[1].message


def test_all_kinds_of_parts() -> None:
    text = """\
state a: f32[2][2]
state many: u8[40]
state exact: f64
obs seen: f32[3]
obs more: f32 in -1 .. 1
act f32[3] in -2 .. 2
param gain: f64 = 2.0

void reset(S *s, sq_rng *rng, const P *p) {
    for (int k = 0; k < 40; k++) s->many[k] = (uint8_t)sq_below(rng, 200);
    s->a[0][1] = p->gain;
}

void step(S *s, A a, R *r, sq_rng *rng) {
    s->a[1][0] = sq_normal(rng);
    s->exact += a[0] + a[1] * a[2];
    r->reward = s->exact;
}

void obs(const S *s, O *o) {
    o[0] = s->a[0][1];
    o[1] = s->many[7];
    o[2] = s->exact;
    o[3] = fmin(fmax(s->a[1][0], -1), 1);
}
"""
    own = seqenv.define("Parts", text)(3, seed=2, gain=5.0)
    own.reset()
    given = np.arange(9.0).reshape(3, 3)
    own.step(given)
    assert (
        own.obs.shape == (3, 4)
        and (own.obs[:, 0] == 5).all()
        and np.array_equal(own.obs[:, 1], own.state["many"][:, 7])
    )
    assert np.array_equal(own.obs[:, 2], given[:, 0] + given[:, 1] * given[:, 2])
    assert own.state["a"].shape == (3, 2, 2) and own.state["exact"].dtype == np.float64 and own.action.shape == (3,)
    own.step(np.asfortranarray(given.astype(np.float32)))
    assert np.array_equal(own.reward, own.state["exact"])


def test_an_environment_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = COUNTER + "\n#undef SQ_ABI\n#define SQ_ABI 99u\n"
    with pytest.raises(ValueError, match="compiled for another version"):
        seqenv.define("Counter", text)


LOOPS = ("CartPole", "CartPoleMasked", "Pendulum", "MountainCar", "Acrobot", "Bandit", "RandomWalk5", "MemoryLength")


@pytest.mark.parametrize("name", LOOPS)
def test_the_loop_over_lanes_becomes_vector_instructions(name: str, tmp_path: Path) -> None:
    """What makes them fast can be lost by a change that changes no result: the compiler itself says whether it is."""
    if compiler._compiler("").is_clang:
        pytest.skip("clang reports otherwise")
    (tmp_path / f"{name}.c").write_text(SHIPPED[name])
    line = next(n for n, text in enumerate(SHIPPED[name].split("\n"), 1) if text.strip() == "SQ_LOOP")
    start = next(n for n, text in enumerate(SHIPPED[name].split("\n"), 1) if text.startswith("#line 1 "))
    root = Path(__file__).parent.parent / "csrc"
    flags = (
        *FLAGS,
        *FAST,
        SINGLE,
        "-march=x86-64-v3",
        f"-I{root}",
        f"-I{root / 'environments'}",
        "-fopt-info-vec-optimized",
    )
    done = subprocess.run(
        ["gcc", *flags, "-c", f"{name}.c", "-o", "out.o"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    said = [f"{name}.batch.c:{line - start + near}:" for near in (-1, 0, 1)]
    assert any(t.startswith(tuple(said)) and "loop vectorized" in t for t in done.stderr.split("\n")), done.stderr


def test_generated_text_depends_on_the_declaration_alone() -> None:
    assert generate(parse("Counter", COUNTER)) == generate(parse("Counter", COUNTER))
    assert _core.header.startswith("/* sq_env.h") and f"#define SQ_ABI {_core.abi}u" in _core.header


# --- functions ---------------------------------------------------------------------------------------

GATE = """\
x: f32[n], w: f32[n] -> y: f32[n], s: f32

void forward(const real *x, const real *w, real *y, real *s, int32_t n) {
    *s = 0;
    for (int k = 0; k < n; k++) {
        y[k] = tanh(x[k] * w[k]);
        *s += y[k];
    }
}

void adjoint(const real *x, const real *w, const real *y, const real *s, const real *d_y, const real *d_s, real *d_x,
             real *d_w, int32_t n) {
    (void)s;
    for (int k = 0; k < n; k++) {
        const real d = (d_y[k] + *d_s) * (1 - y[k] * y[k]);
        d_x[k] = d * w[k];
        d_w[k] = d * x[k];
    }
}
"""


def test_a_function_has_the_gradient_of_its_adjoint() -> None:
    gate = CFunction(function.define("gate", GATE))
    x, w = (torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(gate, (x, w))
    y, s = gate(x.float(), w.float())
    assert torch.allclose(y, torch.tanh(x * w).float()) and torch.allclose(s, y.sum(-1, keepdim=True))
    assert s.shape == (2, 3, 1) and y.dtype == torch.float32


def test_without_an_adjoint_nothing_flows_back() -> None:
    gate = CFunction(function.define("gate", GATE[: GATE.index("void adjoint")]))
    x = torch.ones(2, 3, requires_grad=True)
    y, _ = gate(x, x)
    assert not y.requires_grad and "without an adjoint" in repr(gate)


def test_whole_numbers_pick_and_matrices_keep_their_shape() -> None:
    text = """\
m: f32[a][b], k: i32 -> row: f32[b]

void forward(const real *m, const int32_t *k, real *row, int32_t a, int32_t b) {
    (void)a;
    for (int j = 0; j < b; j++) row[j] = m[*k * b + j];
}

void adjoint(const real *m, const int32_t *k, const real *row, const real *d_row, real *d_m, int32_t a, int32_t b) {
    (void)m, (void)row, (void)a;
    for (int j = 0; j < b; j++) d_m[*k * b + j] += d_row[j];
}
"""
    pick = CFunction(function.define("pick", text))
    m, k = torch.randn(5, 3, 4, requires_grad=True), torch.tensor([[0], [2], [1], [2], [0]])
    row = pick(m, k)
    assert torch.equal(row, m[torch.arange(5), k[:, 0]])
    row.sum().backward()
    assert m.grad is not None and m.grad.sum() == 20


UNFIT = [
    (
        "d * w[k];",
        "d * x[k];",
        r"does not agree with finite differences.*\n  d_x\[0\] is .* and should be .* \(n = 3\)",
    ),
    ("(d_y[k] + *d_s)", "d_y[k]", "does not agree with finite differences"),
    ("d_x[k] = d * w[k];", "d_x[k] = d / 0;", "does not agree|d_x.* is nan|d_x.* is inf"),
    ("*s += y[k];", "*s += y[k] / 0;", "forward of gate gives what is not finite"),
    ("tanh(", "tonh(", "line 6: .*tonh"),
    ("const real *d_s, real *d_x", "real *d_x", r"it must be  void adjoint\(const real \*x, const real \*w"),
    ("void forward", "void forwards", "there is no function `void forward"),
    ("-> y: f32[n], s: f32", "", "line 1: the first line tells the types"),
    ("y: f32[n], s", "y: f32[m], s", "the size `m` of an output is that of no input"),
    ("w: f32[n] ->", "x: f32[n] ->", "`x` stands twice"),
    ("w: f32[n] ->", "w: f16[n] ->", "line 1: an input or output is"),
    ("w: f32[n] ->", "w: f32[n²] ->", "line 1: an input or output is"),
]


@pytest.mark.parametrize(("right", "wrong", "words"), UNFIT)
def test_a_function_that_is_not_right_is_refused(right: str, wrong: str, words: str) -> None:
    with pytest.raises(WorldError, match=words):
        function.define("gate", GATE.replace(right, wrong, 1))


def test_a_program_calls_a_function_by_its_name() -> None:
    text = """\
x: f32[n] -> y: f32[n]

void forward(const real *x, real *y, int32_t n) {
    for (int k = 0; k < n; k++) y[k] = x[k] / (1 + exp(-x[k]));
}

void adjoint(const real *x, const real *y, const real *d_y, real *d_x, int32_t n) {
    for (int k = 0; k < n; k++) {
        const real s = 1 / (1 + exp(-x[k]));
        d_x[k] = d_y[k] * (s + y[k] * (1 - s));
    }
}
"""
    swish = CFunction(function.define("swish", text))
    net = sqmagic.compile("x : 3\nx --[M_1 | swish | M_2]-> p\np => y\n", namespace={"swish": swish})
    other = sqmagic.compile("x : 3\nx --[M_1]-> h\nh*sigmoid(h) --[M_2]-> p\np => y\n")
    x, y = torch.randn(16, 3), torch.randn(16, 1)
    net.settle({"x": x, "y": y})
    other.settle({"x": x, "y": y})
    other.load_state_dict(net.state_dict())
    for one in (net, other):
        one.loss(x=x, y=y).backward()
    assert torch.allclose(net(x=x).p, other(x=x).p, atol=1e-6)
    mine, theirs = dict(net.named_parameters()), dict(other.named_parameters())
    assert all(torch.allclose(mine[k].grad, theirs[k].grad, atol=1e-6) for k in theirs)  # type: ignore[arg-type]
    copied = pickle.loads(pickle.dumps(swish))
    assert torch.equal(copied(x), swish(x))


def test_shapes_that_do_not_fit_are_told() -> None:
    gate = CFunction(function.define("gate", GATE))
    with pytest.raises(WorldError, match="`w` of gate is n, and was given 4 where n = 3"):
        gate(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(WorldError, match="takes 2 inputs, 1 were given"):
        gate(torch.zeros(2, 3))
    with pytest.raises(WorldError, match="different batches"):
        gate(torch.zeros(2, 3), torch.zeros(3, 3))


# --- cells -------------------------------------------------------------------------------------------


@pytest.fixture
def shell() -> InteractiveShell:
    made = InteractiveShell()
    made.run_line_magic("load_ext", "sqmagic")
    return made


def run(shell: InteractiveShell, cell: str) -> tuple[str, BaseException | None]:
    with capture_output() as said:
        done = shell.run_cell(cell)
    return said.stdout + said.stderr, done.error_in_exec


def test_a_cell_binds_what_it_defines(shell: InteractiveShell) -> None:
    assert run(shell, f"%%seqenv Counter\n{COUNTER}")[1] is None
    assert isinstance(shell.user_ns["Counter"], Kind)
    assert run(shell, f"%%seqfunction gate --quiet\n{GATE}") == ("", None)
    assert isinstance(shell.user_ns["gate"], CFunction)


def test_a_cell_with_a_mistake_leaves_the_former_environment(shell: InteractiveShell) -> None:
    run(shell, f"%%seqenv Counter\n{COUNTER}")
    former = shell.user_ns["Counter"]
    said, error = run(shell, f"%%seqenv Counter\n{COUNTER.replace('a + 1', 'b + 1')}")
    assert isinstance(error, DeclarationError) and "Traceback" not in said
    assert "line 13" in said and "s->count += b + 1;" in said and "^" in said
    assert shell.user_ns["Counter"] is former and former(2).reset().shape == (2, 1)


def test_a_cell_takes_no_name_that_is_something_else(shell: InteractiveShell) -> None:
    shell.user_ns["Counter"] = 3
    _, error = run(shell, f"%%seqenv Counter\n{COUNTER}")
    assert error is not None and "already bound" in str(error) and shell.user_ns["Counter"] == 3
    assert run(shell, f"%%seqenv Counter --force\n{COUNTER}")[1] is None
