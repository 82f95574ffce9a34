# make demo         set up, super-resolve the sample volume, say where to look
# make test         set up, lint, run every test: the package's, then the 3D Slicer module's in their own environment
# make test-slicer  the Slicer module's alone, from the checkout and from an installed extension
# make screenshots  set up, picture the Slicer panel; rewrites Screenshots
# make bench        set up, time heads, volumes and a training step side by side; rewrites docs/benchmarks
PYTHON ?= python3
BIN := .venv/bin
# Small tensors: two processes with a thread a core each would fight over two cores.
export OMP_NUM_THREADS ?= 2

.PHONY: demo test test-slicer screenshots lint bench
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
	$(MAKE) test-slicer

bench: .venv/installed
	$(BIN)/python Testing/benchmarks/run.py

# ---- the 3D Slicer module: Slicer's MRML core needs an environment of its own --------------------------------

SLICER_BIN := .venv-slicer/bin
SLICER_TESTS := $(SLICER_BIN)/python -m pytest -c Testing/slicer/pytest.ini Testing/slicer

.venv-slicer/installed: Testing/slicer/requirements.txt
	test -x $(SLICER_BIN)/python || $(PYTHON) -m venv .venv-slicer
	$(SLICER_BIN)/python -m pip install --quiet --requirement Testing/slicer/requirements.txt
	touch $@

test-slicer: .venv-slicer/installed
	$(SLICER_TESTS)
	rm -rf build/slicer
	$(SLICER_BIN)/cmake -S . -B build/slicer -DSlicer_DIR=$(CURDIR)/Testing/slicer/cmake
	$(SLICER_BIN)/cmake --build build/slicer
	$(SLICER_BIN)/cmake --install build/slicer --prefix build/slicer/installed
	METASRGAN_MODULE=$(CURDIR)/build/slicer/installed/lib/Slicer-5.10/qt-scripted-modules $(SLICER_TESTS)

screenshots: .venv-slicer/installed
	$(SLICER_BIN)/python Testing/slicer/screenshots.py
