"""The extension for JupyterLab: what it is built from, whether it was built from that, and what it is shown."""

import json
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import sqmagic

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "labextension"


def loaded():
    spec = spec_from_file_location("inputs", FOLDER / "inputs.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


inputs = loaded()


@pytest.mark.parametrize("path", inputs.written(), ids=lambda path: path.name)
def test_what_the_sources_say_again_is_up_to_date(path: Path):
    assert path.read_text(encoding="utf-8") == inputs.written()[path], "run: make labextension"


def test_the_bundle_was_built_from_these_sources():
    assert inputs.SEAL.read_text().strip() == inputs.digest(), "run: make labextension"


def test_a_change_of_any_source_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in ("src", "style"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.css").write_text("one")
    monkeypatch.setattr(inputs, "HERE", tmp_path)
    before = inputs.digest()
    (tmp_path / "src" / "a.css").write_text("two")
    assert inputs.digest() != before


def test_the_bundle_is_what_jupyter_loads():
    package = json.loads((inputs.BUNDLE / "package.json").read_text())
    assert (inputs.BUNDLE / package["jupyterlab"]["_build"]["load"]).exists()
    [told] = sqmagic._jupyter_labextension_paths()
    assert Path(sqmagic.__file__).parent / told["src"] == inputs.BUNDLE
    assert told["dest"] == package["name"]


def test_no_file_names_a_registry():
    found = [*FOLDER.glob("*.json"), *FOLDER.glob("src/*"), *inputs.BUNDLE.rglob("*.js*")]
    assert len(found) > 10
    for path in found:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'registry\.|"resolved"', text), path


def test_the_extension_has_the_version_of_the_package():
    assert json.loads((FOLDER / "package.json").read_text())["version"] == sqmagic.__version__


def test_every_theme_and_every_state_colour_is_in_the_style_sheet():
    css = inputs.picture_css()
    for theme in ("auto", "light", "dark", "chalkboard", "colour-blind", "print"):
        assert f'[data-theme="{theme}"] svg {{' in css
    assert "--s9:" in css


def test_the_script_says_how_it_is_used():
    done = subprocess.run([sys.executable, str(FOLDER / "inputs.py")], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "write" in done.stderr and "seal" in done.stderr
