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

# make monailabel       set up MONAI Label, serve the sample volume at http://127.0.0.1:8000, say how to ask
# make test-monailabel  set up MONAI Label and Orthanc, test the server
.PHONY: monailabel test-monailabel
STUDIES ?= monai_bundle/metasrgan/sample
PORT ?= 8000
LABEL := .venv-monailabel/bin
.venv-monailabel/installed: monailabel_app/requirements.txt pyproject.toml setup.py
	test -x $(LABEL)/python || $(PYTHON) -m venv .venv-monailabel
	$(LABEL)/python -m pip install --quiet --requirement monailabel_app/requirements.txt
	$(LABEL)/python -m pip install --quiet --no-deps monailabel==0.8.5 --editable .
	touch $@

# A copy, since MONAI Label keeps its books and its results in the folder.
monailabel: .venv-monailabel/installed
	mkdir -p build/studies && cp -r $(STUDIES)/. build/studies
	@echo "When it says that it runs, ask from another terminal:"
	@echo "  curl -F 'params={\"scale\": 2}' -o t1ce_x2.nii.gz \\"
	@echo "    'http://127.0.0.1:$(PORT)/infer/metasrgan?image=t1ce_glioma&output=image'"
	@echo "  $(LABEL)/metasrgan upscale -i scan.nii.gz -o scan_x2.nii.gz --scale 2 --server http://127.0.0.1:$(PORT)"
	$(LABEL)/python monailabel_app/serve.py --studies build/studies --port $(PORT)

test-monailabel: .venv-monailabel/installed
	which Orthanc || { test "$$(id -u)" = 0 && apt-get update --quiet && apt-get install --yes --no-install-recommends orthanc orthanc-dicomweb; } || true
	$(LABEL)/python -m pytest -c Testing/monailabel/pytest.ini Testing/monailabel
