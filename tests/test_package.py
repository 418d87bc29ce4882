"""The package as a whole: what importing it loads, what it offers, what its README promises."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import sqmagic

ROOT = Path(__file__).parent.parent
COMPILER = ("notation", "equations", "calculus", "schedule", "emit", "board")


def fresh(script: str) -> str:
    """What a script prints in a Python process of its own."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def without(*packages: str) -> str:
    """The beginning of a script in which these packages cannot be imported."""
    return "import sys\n" + "".join(f"sys.modules[{package!r}] = None\n" for package in packages)


def test_importing_loads_nothing_heavy():
    heavy = fresh("import sys, sqmagic; print({'torch', 'IPython', 'lark', 'numpy', 'wasmtime'} & set(sys.modules))")
    assert heavy == "set()"


def test_the_compiler_needs_neither_torch_nor_jupyter():
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for room in COMPILER
        for path in (ROOT / "sqmagic" / room).rglob("*.py")
        if path.stem != "__init__"
    )
    assert len(modules) > len(COMPILER)
    imports = "".join(f"import {module}\n" for module in modules)
    fresh(without("torch", "IPython", "cffi", "matplotlib", "tqdm") + imports)


def test_a_program_runs_without_jupyter():
    script = """
import sqmagic, torch
net = sqmagic.compile("x --[M|relu]-> h")
print(tuple(net(x=torch.ones(3, 5)).h.shape))
"""
    assert fresh(without("IPython", "ipykernel", "matplotlib") + script) == "(3, 64)"


def test_every_public_name_is_there():
    for name in sqmagic.__all__:
        assert getattr(sqmagic, name) is not None
    assert set(sqmagic.__all__) <= set(dir(sqmagic))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'compiel'"):
        sqmagic.compiel  # noqa: B018


def test_the_installed_version_is_the_one_of_the_source():
    assert version("sqmagic") == sqmagic.__version__


def test_each_make_target_that_a_page_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md", ".ci/run"):
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / page).read_text(), re.MULTILINE))
        assert named, page
        assert named <= targets, page


def test_each_file_that_a_page_links_to_exists():
    for page in ("README.md", "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
            assert (ROOT / link).exists(), f"{page}: {link}"
