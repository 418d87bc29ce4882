"""Notebooks as pages that need nothing from elsewhere: HTML without a network, and PDF with picture and sheet in it.

    jupyter nbconvert --to seqnet-html notebook.ipynb
    jupyter nbconvert --to seqnet-pdf notebook.ipynb      printed by Chromium ($SQMAGIC_CHROMIUM, or one on the PATH)

nbconvert's own pages load a typesetter and widgets from servers of others. Ours hold MathML, which browsers read, for
the TeX of texts too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import MarkdownWithMath
from nbconvert.preprocessors import Preprocessor
from traitlets import default
from traitlets.config import Config

from sqmagic.notebook.texts import Renderer, formula_page, with_stops

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
SECONDS = 120
_FROM_ELSEWHERE = re.compile(r"<script[^>]*\bsrc=\"https?://[^>]*></script>|<link[^>]*\bhref=\"https?://[^>]*>")
_WIDGET = "application/vnd.jupyter.widget-view+json"
_INK = (
    "<style>@media print{@page{size:A3 landscape;margin:12mm}"
    ".jp-Cell,.cell{break-inside:avoid}img,svg{max-width:100%}}</style>"
)


class PageExporter(HTMLExporter):
    """A page that asks no server for anything; cells of ours are coloured, widgets shown as what stands beside them."""

    export_from_notebook = "HTML of sqmagic (offline)"

    @property
    def default_config(self) -> Config:
        own = Config(
            {
                "HTMLExporter": {
                    "mathjax_url": "",
                    "require_js_url": "",
                    "jquery_url": "",
                    "jupyter_widgets_base_url": "",
                    "widget_renderer_url": "",
                },
                "CoalesceStreamsPreprocessor": {"enabled": True},  # of a progress bar, its last state alone
                "HighlightMagicsPreprocessor": {
                    "enabled": True,
                    "languages": {"%%seqnet": "seqnet", "%%seqproof": "seqnet", "%%seqenv": "c", "%%seqfunction": "c"},
                },
            }
        )
        base: Config = super().default_config
        base.merge(own)
        return base

    def from_notebook_node(self, nb: Any, resources: Any = None, **kw: Any) -> tuple[Any, Any]:
        page, about = super().from_notebook_node(_with_formulas(_without_widgets(nb)), resources, **kw)
        page = _FROM_ELSEWHERE.sub("", re.sub(r"<script.*?</script>", _own_scripts, page, flags=re.DOTALL))
        return page.replace("</head>", f"{_INK}</head>", 1), about

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """As nbconvert has it, formulas apart."""
        told = context.get("resources", {}).get("metadata", {})
        renderer = Renderer(
            escape=False,
            attachments=context.get("cell", {}).get("attachments", {}),
            embed_images=self.embed_images,
            path=told.get("path", ""),
            anchor_link_text=self.anchor_link_text,
            exclude_anchor_links=self.exclude_anchor_links,
            **self.lexer_options,
        )
        return with_stops(str(MarkdownWithMath(renderer=renderer).render(source)))


class WithoutWidgets(Preprocessor):
    """For notebooks that are kept: `jupyter nbconvert --to notebook --Exporter.preprocessors=…`."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        return _without_widgets(nb), resources


def _without_widgets(nb: Any) -> Any:
    """The notebook without widgets that no kernel answers for: each has beside it what can be shown."""
    nb = deepcopy(nb)
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/html" in data:
                data.pop(_WIDGET, None)
    nb.metadata.pop("widgets", None)
    return nb


def _with_formulas(nb: Any) -> Any:
    """The notebook, outputs that are TeX alone with a page besides."""
    for output in (output for cell in nb.cells for output in cell.get("outputs", [])):
        page = formula_page(output.get("data", {}))
        if page is not None:
            output.data["text/html"] = page
    return nb


def _own_scripts(found: re.Match[str]) -> str:
    """A script that loads others from servers is left out; the page works without."""
    return "" if re.search(r"https?://|require\(|import ", found[0]) else found[0]


class PrintExporter(PageExporter):
    """The same page as PDF."""

    export_from_notebook = "PDF of sqmagic"

    @default("file_extension")
    def _pdf(self) -> str:
        return ".pdf"

    @default("template_extension")
    def _as_page(self) -> str:
        return ".html.j2"

    def from_notebook_node(self, nb: Any, resources: Any = None, **kw: Any) -> tuple[Any, Any]:
        page, about = super().from_notebook_node(nb, resources, **kw)
        about["output_extension"] = ".pdf"
        return printed(page), about


def printed(page: str) -> bytes:
    """A page as PDF. Raises RuntimeError where there is no browser to print it, or it fails."""
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "page.html"), Path(folder, "page.pdf")
        source.write_text(page, encoding="utf-8")
        command = [_browser(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile",
                   "--no-pdf-header-footer", f"--print-to-pdf={made}", source.as_uri()]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        if not made.exists():
            raise RuntimeError(f"the page could not be printed: {done.stderr.strip()[-400:]}")
        return made.read_bytes()


def _browser() -> str:
    found = os.environ.get("SQMAGIC_CHROMIUM") or next((p for name in BROWSERS if (p := shutil.which(name))), None)
    if found is None:
        raise RuntimeError("a PDF is printed by Chromium, and there is none: install it, or set SQMAGIC_CHROMIUM")
    return found
