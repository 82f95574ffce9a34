# make demo         set up, super-resolve the sample volume, say where to look
# make test         set up, lint, run every test: the package's, the server's and the 3D Slicer module's
# make test-slicer  the Slicer module's alone, the installed extension included
# make screenshots  set up, picture the Slicer panel; rewrites Screenshots
# make monailabel   set up MONAI Label, serve the sample volume at http://127.0.0.1:8000, say how to ask
# make test-monailabel  set up MONAI Label and Orthanc, test the server
# make fuzz         set up, try 10,000 damaged files and 5,000 flipped bits a compressed format; rewrites docs/reliability.md
# make bench        set up, time heads, volumes and a training step side by side; rewrites docs/benchmarks
PYTHON ?= python3
BIN := .venv/bin
# Small tensors: two processes with a thread a core each would fight over two cores.
export OMP_NUM_THREADS ?= 2

.PHONY: demo test test-slicer screenshots monailabel test-monailabel lint bench fuzz
.venv/installed: pyproject.toml setup.py constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

demo: .venv/installed
	$(BIN)/metasrgan demo --output demo --overwrite

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/mypy Testing/monailabel/conftest.py

test: lint
	$(BIN)/python -m pytest
	$(MAKE) test-monailabel
	$(MAKE) test-slicer

bench: .venv/installed
	$(BIN)/python Testing/benchmarks/run.py

fuzz: .venv/installed
	cd Testing && ../$(BIN)/python -m fuzz --cases 10000 --flips 5000 --jobs $$(nproc) --table ../docs/reliability.md

# ---- the 3D Slicer module: Slicer's MRML core needs an environment of its own --------------------------------

SLICER_BIN := .venv-slicer/bin

.venv-slicer/installed: Testing/slicer/requirements.txt
	test -x $(SLICER_BIN)/python || $(PYTHON) -m venv .venv-slicer
	$(SLICER_BIN)/python -m pip install --quiet --requirement Testing/slicer/requirements.txt
	touch $@

# The panel can send its volume to a server, so one is needed.
test-slicer: .venv-slicer/installed .venv-monailabel/installed
	$(SLICER_BIN)/python -m pytest -c Testing/slicer/pytest.ini Testing/slicer

screenshots: .venv-slicer/installed
	$(SLICER_BIN)/python Testing/slicer/screenshots.py

# ---- MONAI Label: an environment of its own too ----------------------------------------------------------------

STUDIES ?= monai_bundle/metasrgan/volumes/sample
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
	which Orthanc || { test "$$(id -u)" = 0 && apt-get -o Acquire::Retries=5 update --quiet && apt-get -o Acquire::Retries=5 install --yes --no-install-recommends orthanc orthanc-dicomweb; } || true
	$(LABEL)/python -m pytest -c Testing/monailabel/pytest.ini Testing/monailabel
