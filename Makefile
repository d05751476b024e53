PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
EXTRAS ?= test

.PHONY: demo test lint bench gpu-check sbom clean system

# One stamp per set of extras, so that nothing is installed twice.
$(VENV)/.base: pyproject.toml
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "installing threadline into $(VENV) (once; about a minute)"
	@$(BIN)/pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/.$(EXTRAS): $(VENV)/.base
	@echo "installing the $(EXTRAS) extras"
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[$(EXTRAS)]'
	@touch $@

# Run the main job on a real clip.
demo: $(VENV)/.base
	@$(BIN)/threadline run tests/data/street.mp4 tests/data/aisle.mp4 --out out/demo --stats out/demo/stats.json
	@rm -rf out/demo/gallery
	@$(BIN)/threadline gallery import-svg tests/data/brands --gallery out/demo/gallery
	@$(BIN)/threadline run tests/data/brands.mp4 --gallery out/demo/gallery --out out/demo/brands
	@echo
	@echo "annotated videos   out/demo/street.mp4, out/demo/aisle.mp4, brands on people: out/demo/brands/brands.mp4"
	@echo "best pictures      out/demo/snapshots/"
	@echo "events             out/demo/events.jsonl"
	@echo "counters           out/demo/stats.json"

# The whole suite, in three processes for two cores, since many tests wait; what follows cameras comes
# after, four at a time, and what measures time, alone. Needs no GPU; tests that lack something say
# what and are skipped.
test: $(VENV)/.$(EXTRAS) system
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not live and not alone"
	@$(BIN)/pytest -n 4 --dist worksteal -m "live and not alone" tests/flow
	@$(BIN)/pytest -m alone tests/cli tests/faults tests/flow tests/web

# The RTSP server the tests drive, and what builds plans: never required. Packages of the system are
# installed only if somebody says yes, or with INSTALL=yes.
system:
	@sh tools/install_test_system.sh
	@sh tools/install_test_tensorrt.sh $(BIN)/pip

lint: $(VENV)/.$(EXTRAS)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.base
	@$(BIN)/python tools/bench.py file

# What an installation consists of, with licences: out/sbom.json (CycloneDX).
sbom: $(VENV)/.base
	@$(BIN)/python tools/sbom.py

# Everything that needs an NVIDIA GPU: docs/tensorrt.md.
gpu-check: $(VENV)/.test,train
	@$(BIN)/pip install -q --disable-pip-version-check 'pycuda>=2024.1'
	@$(BIN)/python tools/gpu_check.py --json out/gpu.json
	@$(BIN)/pytest tests/contracts/test_engines.py tests/engines
	@$(BIN)/python tools/bench.py file --engine tensorrt

clean:
	rm -rf $(VENV) out dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
