# Each target sets up what it needs: a virtual environment from constraints.txt, made anew only when
# pyproject.toml or constraints.txt change.

PYTHON ?= python3
VENV := .venv
CORE := .venv-core
BIN := $(VENV)/bin

# One thread for each library: tests and workers share the cores among processes, not threads.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export POLARS_MAX_THREADS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test check format bench docs hooks clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(CORE)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(CORE)
	$(CORE)/bin/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(CORE)/.ready  ## core install, then simulated bars to a bundle, a forecast and a report
	$(CORE)/bin/barmill demo

test: $(VENV)/.ready  ## every test, on all cores
	$(BIN)/python -m pytest -n auto --dist loadgroup

check: $(VENV)/.ready  ## format, lint, types, import floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(VENV)/.ready  ## mend what can be mended without thought
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.ready  ## speed against peers, in one process tree
	$(BIN)/python -m benchmarks

docs: $(VENV)/.ready  ## the reference, generated from the code
	$(BIN)/python docs/generate.py

hooks: $(VENV)/.ready  ## run `make check` before each commit of this clone
	git config core.hooksPath .githooks

clean:  ## remove environments and caches
	rm -rf $(VENV) $(CORE) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
