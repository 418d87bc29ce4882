"""`python -m sqmagic`: what it writes, what it says and with which exit code it ends."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sqmagic.__main__ import main

GRU = """\
x_t : 5
y : class(3)
0 -> h_0
h_{t-1}|x_t -> c_t
c_t --[Z|sigmoid]-> z_t
c_t --[H|tanh]-> l_t
h_{t-1}*(1 - z_t) + z_t*l_t -> h_t
h_T --[Gen|softmax]-> p => y
"""
WRONG = "x -> y\no_t --[O|sigmoid]-> o_t\n"
LINT = "r_t : 1\nO_t --[Value]-> V_t => V_{t-1}*0.9 + r_t\nO_t : 4\n"


@pytest.fixture
def gru(tmp_path: Path) -> Path:
    path = tmp_path / "gru.sqn"
    path.write_text(GRU)
    return path


def file(folder: Path, text: str, name: str = "net.sqn") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


# --- check -------------------------------------------------------------------------------------------


def test_a_right_program_says_nothing(gru: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["check", str(gru)]) == 0
    assert capsys.readouterr() == ("", "")


def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = file(tmp_path, WRONG)
    assert main(["check", path]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.match(rf"{re.escape(path)}:2:\d+: error SQ4\d\d: ", err)
    assert "  line 2 | o_t --[O|sigmoid]-> o_t\n" in err and "^" in err


def test_shapes_that_clash_are_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["check", file(tmp_path, "x : 3\nz : 4\nx + z -> y\n")]) == 1
    assert re.search(r":3:\d+: error SQ301: ", capsys.readouterr().err)


def test_warnings_are_told_and_wrong_only_if_that_is_wished(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = file(tmp_path, LINT)
    assert main(["check", path]) == 0
    assert ":2:1: warning SQ6" in capsys.readouterr().err
    assert main(["check", "--strict", path]) == 1


def test_each_of_several_programs_is_looked_at(tmp_path: Path, gru: Path, capsys: pytest.CaptureFixture[str]):
    paths = [file(tmp_path, WRONG, "a.sqn"), str(gru), file(tmp_path, "x ->\n", "b.sqn")]
    assert main(["check", *paths]) == 1
    told = capsys.readouterr().err
    assert "a.sqn:2:" in told and "b.sqn:1:" in told and "gru.sqn" not in told


def test_macros_alone_are_a_program(tmp_path: Path):
    assert main(["check", file(tmp_path, "Enc: x_t\n    x_t --[M]-> h_t\n    return h_t\n")]) == 0


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
def test_line_ends_of_other_systems_are_lines(tmp_path: Path, ends: str, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "net.sqn").write_bytes(WRONG.replace("\n", ends).encode("utf-8-sig"))
    assert main(["check", str(tmp_path / "net.sqn")]) == 1
    assert ":2:" in capsys.readouterr().err


def test_files_that_cannot_be_read_end_it_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["check", str(tmp_path / "none.sqn")]) == 2
    assert capsys.readouterr().err.startswith("sqmagic: ")
    (tmp_path / "latin.sqn").write_bytes(b"x -> \xff\n")
    assert main(["check", str(tmp_path / "latin.sqn")]) == 2
    assert "is not UTF-8" in capsys.readouterr().err


def test_a_wrong_command_ends_with_2(capsys: pytest.CaptureFixture[str]):
    for arguments in ([], ["draw", "x.sqn"], ["check"], ["render", "x.sqn", "--to", "gif"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
    assert "usage: python -m sqmagic" in capsys.readouterr().err


# --- format ------------------------------------------------------------------------------------------

LOOSE = "x:3 # wide\nx--[M]->y\n"
NEAT = "x : 3  # wide\nx --[M]-> y\n"


def test_the_canonical_text_goes_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = file(tmp_path, LOOSE)
    assert main(["format", path]) == 0
    assert capsys.readouterr().out == NEAT
    assert Path(path).read_text() == LOOSE


def test_the_canonical_text_is_written_where_it_is_wished(tmp_path: Path):
    path = file(tmp_path, LOOSE)
    assert main(["format", "--check", path]) == 1
    assert Path(path).read_text() == LOOSE
    assert main(["format", "--write", path]) == 0
    assert Path(path).read_text() == NEAT
    assert main(["format", "--check", path]) == 0


def test_a_check_says_what_would_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main(["format", "--check", file(tmp_path, LOOSE)])
    assert "+x --[M]-> y\n" in capsys.readouterr().err


def test_a_wrong_program_is_left_as_it_is(tmp_path: Path):
    path = file(tmp_path, "x  ->\n")
    assert main(["format", "--write", path]) == 1
    assert Path(path).read_text() == "x  ->\n"


def test_standard_input_is_formatted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LOOSE.encode())))
    assert main(["format", "-"]) == 0
    assert capsys.readouterr().out == NEAT


# --- render ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "suffix", "begins"),
    [
        ("svg", "svg", b"<svg"),
        ("pdf", "pdf", b"%PDF"),
        ("png", "png", b"\x89PNG"),
        ("dot", "dot", b"digraph"),
        ("html", "html", b"<!doctype html>"),
        ("latex", "tex", b"\\begin{align*}"),
        ("text", "txt", b"x_t : 5"),
    ],
)
def test_each_form_is_written_beside_the_program(gru: Path, form: str, suffix: str, begins: bytes):
    assert main(["render", "--to", form, "--no-check", str(gru)]) == 0
    assert begins in gru.with_suffix(f".{suffix}").read_bytes()[:2000]


def test_a_page_needs_nothing_of_the_net(gru: Path):
    assert main(["render", "--to", "html", "--derive", "full", "--no-check", str(gru)]) == 0
    page = gru.with_suffix(".html").read_text()
    assert "<math" in page and "data:image/svg+xml" in page
    assert not re.search(r"""(?:src|href)=["']?https?:|<script""", page)


def test_views_and_themes_change_the_picture(gru: Path, tmp_path: Path):
    made = set()
    for wish in (["--view", "rolled"], ["--theme", "chalkboard"], ["--no-legend"], []):
        assert main(["render", str(gru), "-o", str(tmp_path / "made.svg"), *wish]) == 0
        made.add((tmp_path / "made.svg").read_text())
    assert len(made) == 4


def test_several_programs_go_into_a_folder(gru: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    other = file(tmp_path, "x --[M]-> y\n")
    (tmp_path / "out").mkdir()
    assert main(["render", str(gru), other, "-o", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"gru.svg", "net.svg"}
    assert main(["render", str(gru), other, "-o", str(tmp_path / "one.svg")]) == 2
    assert main(["render", str(gru), "-o", str(tmp_path / "none" / "one.svg")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_of_a_wrong_program_nothing_is_written(tmp_path: Path):
    assert main(["render", file(tmp_path, WRONG)]) == 1
    assert main(["compile", file(tmp_path, WRONG)]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["net.sqn"]


# --- compile -----------------------------------------------------------------------------------------


def test_the_code_runs_on_its_own(gru: Path):
    assert main(["compile", str(gru)]) == 0
    run = "import torch, gru; print(tuple(gru.Gru().forward(torch.ones(4, 2, 5))['p'].shape))"
    done = subprocess.run([sys.executable, "-c", run], cwd=gru.parent, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("(2, 3)\n", "")


def test_recurrences_are_written_in_c(gru: Path):
    assert main(["compile", "--to", "c", str(gru)]) == 0
    assert "void run(scan *s)" in gru.with_suffix(".c").read_text()


def test_what_no_line_tells_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = file(tmp_path, GRU.replace("y : class(3)\n", "").replace("x_t : 5\n", ""))
    assert main(["compile", path]) == 1
    told = capsys.readouterr().err
    assert "`x_t : 28`" in told or "`y : class(10)`" in told


def test_what_has_no_code_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["compile", file(tmp_path, "Enc: x_t\n    x_t --[M]-> h_t\n    return h_t\n")]) == 1
    assert "nothing to compile" in capsys.readouterr().err


# --- as a program ------------------------------------------------------------------------------------


def test_it_is_run_as_a_module(tmp_path: Path):
    done = subprocess.run([sys.executable, "-m", "sqmagic", "check", "-"], input=WRONG, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("<stdin>:2:")
