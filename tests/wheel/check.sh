#!/usr/bin/env bash
# Builds a wheel as anyone would, installs it into an environment of its own, and uses it where there is nothing else:
# no compiler, no node, no checkout. Called with the Python to build with and a folder to work in.
set -euo pipefail
python=$1 work=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
rm -rf "$work/dist" "$work/fresh" "$work/home"
mkdir -p "$work/home"
if [ ! -x "$work/tools/bin/pyproject-build" ]; then
    "$python" -m venv "$work/tools"
    "$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check 'build>=1.2,<2'
fi
# The wheel is made from the source distribution, so that is seen to hold all it needs.
"$work/tools/bin/python" -m build --outdir "$work/dist" "$here" >"$work/build.log" 2>&1 || { tail -40 "$work/build.log"; exit 1; }
"$python" -m venv "$work/fresh"
wheel=$(ls "$work"/dist/*.whl)
"$work/fresh/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$here/constraints.txt" "$wheel[lab,pictures]"
cp "$here/tests/wheel/use.py" "$here/examples/06_derivations.ipynb" "$here/docs/tour.ipynb" "$work/home"
cd "$work/home"
env -i PATH="$work/fresh/bin" HOME="$work/home" OMP_NUM_THREADS=1 "$work/fresh/bin/python" -W error::DeprecationWarning use.py
