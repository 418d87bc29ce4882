"""The table by which programs are coloured: with the grammar, in Pygments and in JavaScript."""

import json
import re
import shutil
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pygments.token import Error
from strategies import programs

from sqmagic.equations.ops import OPS, TRANSFORMS
from sqmagic.notation.reader import grammar
from sqmagic.notation.show import show
from sqmagic.notebook.lexer import COLOURS, SeqnetLexer
from sqmagic.notebook.tokens import KINDS, MAGIC, MODES, table, tokens

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "labextension" / "src" / "table.json"
PLACES = [*sorted((ROOT / "tests" / "golden").glob("*/*.sqn")), *sorted((ROOT / "tests" / "problems").glob("*/*.sqn"))]
TEXTS = {f"{place.parent.parent.name}/{place.parent.name}": place.read_text(encoding="utf-8") for place in PLACES}
EXTRA = {
    "magic": "%%time\n%%seqnet gru --horizon 64 --like X=a,y # no\n\nx_t --[M|relu]-> h_t  # c\n",
    "proof": "%%seqproof gate\nfrom GRU\nassume z_t == 0\nshow h_t == h_{t-1}\n  == h_{t-1} * (1 - z_t) by line 6\n",
    "unfinished": "x --[M|so\nh_{t\nF(x\n𝒩 ; \t!\n",
    "board": "γ ⊙ hₜ₋₁′ ──[dense_{M_1}|σ]→ λ_t ⇒ y₁ $ (1 − d)·pi_t[a_t]\n",
    "sizes": "x : x x x x3\nX : 1x28 x n\nM : 2x3 -> 4 x n\ny : class(10)\n",
    "settings": "x --[clip_grad(adam_opt(F, lr=3e-4), max_norm=0.5)|conv_K(size=3)|batch_norm_N]-> y ==[w_t*mse]=> z\n",
}


def kinds(text: str) -> list[tuple[str, str]]:
    return [(text[token.start : token.stop], token.kind) for token in tokens(text)]


def test_the_programs_are_there():
    assert len(TEXTS) > 150


# --- one table, three readers ------------------------------------------------------------------------


def test_the_table_of_the_extension_is_written_from_ours():
    assert json.loads(TABLE.read_text(encoding="utf-8")) == table(), "run: make labextension"


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node to run JavaScript with")
def test_javascript_colours_every_program_alike():
    texts = [*TEXTS.values(), *EXTRA.values()]
    script = """
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
const [source, table] = process.argv.slice(1);
const code = 'data:text/javascript,' + encodeURIComponent(readFileSync(source, 'utf8'));
const { reader } = await import(code);
const { tokens } = reader(JSON.parse(readFileSync(table, 'utf8')));
console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(tokens)));
"""
    command = ["node", "--input-type=module", "--eval", script, str(TABLE.with_name("tokenize.js")), str(TABLE)]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    for text, told in zip(texts, json.loads(done.stdout), strict=True):
        assert [tuple(pair) for pair in told] == kinds(text)


@pytest.mark.parametrize("text", [*TEXTS.values(), *EXTRA.values()], ids=[*TEXTS, *EXTRA])
def test_pygments_colours_by_the_same_table(text: str):
    told = [(at, piece, colour) for at, colour, piece in SeqnetLexer().get_tokens_unprocessed(text)]
    assert "".join(piece for _, piece, _ in told) == text
    ours = [(t.start, text[t.start : t.stop], COLOURS[t.kind]) for t in tokens(text)]
    assert [t for t in told if t[1].strip() and t in ours] == ours


def test_every_kind_has_a_colour_and_is_used():
    assert COLOURS.keys() == KINDS.keys()
    assert {row.kind for rows in MODES.values() for row in rows} - {""} == KINDS.keys()
    assert {row.then.lstrip("+-") for rows in MODES.values() for row in rows} - {""} <= MODES.keys()


def test_pygments_is_told_of_the_lexer():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["pygments.lexers"]["seqnet"].partition(":")
    assert getattr(import_module(module), name) is SeqnetLexer
    assert {"seqnet", "seqproof"} == set(SeqnetLexer.aliases)
    assert SeqnetLexer.filenames == ["*.sqn"]


# --- with the grammar --------------------------------------------------------------------------------

_ONE = {"arrow": {"OPEN", "ARROW", "CLOSE", "BIND"}, "goal": {"LOSS", "GOAL", "DOLLAR", "CLOSE"}, "number": {"NUMBER"},
        "bracket": {"LPAR", "RPAR", "SQUARE", "CLOSE"}, "punctuation": {"COMMA", "COLON"}}  # fmt: skip


def cuts_as_the_grammar_does(text: str) -> None:
    """Each sign of the grammar is one token of the fitting kind, each name a run of tokens."""
    found = list(tokens(text))
    starts, stops = {t.start for t in found}, {t.stop for t in found}
    for token in grammar().parse_interactive(f"\n{text}\n").iter_parse():
        if token.type.startswith("_"):
            continue
        start, stop = token.start_pos - 1, token.end_pos - 1
        within = [t for t in found if start <= t.start < stop]
        assert start in starts and stop in stops, (token, within)
        for kind, terminals in _ONE.items():
            if any(t.kind == kind for t in within):
                assert token.type in terminals, (token, kind)
                assert len(within) == 1
        assert all(t.kind != "error" for t in within), (token, within)
        if token.type in {"OVER", "RESET", "RETURN", "ON"}:
            assert [t.kind for t in within] == ["keyword"]


GOOD = {name: text for name, text in TEXTS.items() if name.startswith("golden")}
GOOD |= {name: EXTRA[name] for name in ("board", "sizes", "settings")}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_what_is_right_is_cut_as_the_grammar_cuts_it(text: str):
    cuts_as_the_grammar_does(text)


@settings(max_examples=25)
@given(programs(), st.booleans())
def test_generated_programs_are_cut_as_the_grammar_cuts_them(program, unicode: bool):
    cuts_as_the_grammar_does(show(program, unicode).rstrip("\n"))


# --- what the colours say ----------------------------------------------------------------------------


def test_states_layers_functions_and_transforms_differ():
    told = dict(kinds("O_t --[clip_grad(Policy)|dense_{M_1}|sigmoid]-> pi_t $ A_t * log(pi_t[a_t])"))
    assert told["O"] == told["pi"] == told["A"] == told["a"] == "state"
    assert told["_t"] == "context"
    assert told["Policy"] == told["_{M_1}"] == "layer"
    assert told["sigmoid"] == told["log"] == told["dense"] == "function"
    assert told["clip_grad"] == "transform"
    assert told["$"] == "goal"


@pytest.mark.parametrize("name", sorted({**OPS, **TRANSFORMS}))
def test_whatever_there_is_from_the_start_is_coloured_in_brackets(name: str):
    kind = "transform" if name in TRANSFORMS else "function"
    assert (name, kind) in kinds(f"x --[{name}(F)]-> y" if name in TRANSFORMS else f"x --[{name}]-> y")


def test_names_that_look_like_words_of_the_notation_are_states():
    assert ("reset", "state") in kinds("reset -> z")
    assert ("max", "state") in kinds("max -> z")
    assert ("over", "state") in kinds("over -> z")
    assert ("x0", "state") in kinds("x0 -> z")


def test_a_bracket_left_open_colours_no_further_than_its_line():
    assert kinds("x --[M|relu\nh -> y")[-3:] == [("h", "state"), ("->", "arrow"), ("y", "state")]


@pytest.mark.parametrize("cell", ["%%seqnet", "%%seqnet g\nx -> y", "\n%%seqproof p", "%%time\n%%seqnet"])
def test_a_cell_of_ours_is_known_by_its_beginning(cell: str):
    assert re.match(MAGIC, cell)


@pytest.mark.parametrize("cell", ["", "x = 1", "# %%seqnet", "%%seqnets", "%%seqnet-x", "%%time\nx", "x\n%%seqnet"])
def test_other_cells_are_left_alone(cell: str):
    assert not re.match(MAGIC, cell)


def test_what_the_notation_does_not_use_is_an_error():
    assert Error in {colour for _, colour, _ in SeqnetLexer().get_tokens_unprocessed("x -> y;")}
