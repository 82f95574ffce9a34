# make demo   set up, super-resolve the sample volume, say where to look
# make test   set up, lint, run every test
# make bench  set up, time heads, volumes and a training step side by side; rewrites docs/benchmarks
PYTHON ?= python3
BIN := .venv/bin
# Small tensors: two processes with a thread a core each would fight over two cores.
export OMP_NUM_THREADS ?= 2

.PHONY: demo test lint bench
.venv/installed: pyproject.toml setup.py constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

demo: .venv/installed
	$(BIN)/metasrgan demo --output demo --overwrite

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest

bench: .venv/installed
	$(BIN)/python Testing/benchmarks/run.py
