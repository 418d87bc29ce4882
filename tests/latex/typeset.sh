#!/usr/bin/env bash
# Every LaTeX form of the tests' programs through KaTeX and MathJax, and through TeX where there is one.
# Run by `make typeset`, with the Python of the environment as its argument.
set -euo pipefail
python=$(realpath --no-symlinks "$1")
cd "$(dirname "$0")"
if ! command -v npm >/dev/null; then
    echo "SKIPPED: no node is installed, so no LaTeX was typeset by KaTeX and MathJax"
else
    [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --ignore-scripts --no-audit --no-fund --silent
    "$python" forms.py | node typeset.mjs
fi
if ! command -v pdflatex >/dev/null; then
    echo "SKIPPED: no TeX engine is installed, so no LaTeX was typeset by one"
else
    out=../../build/latex
    mkdir -p "$out"
    "$python" forms.py --document >"$out/forms.tex"
    pdflatex -interaction=batchmode -halt-on-error -output-directory "$out" "$out/forms.tex" >/dev/null || {
        grep -m 3 -A 4 '^!' "$out/forms.log"
        exit 1
    }
    echo "and by $(pdflatex --version | head -1)"
fi
