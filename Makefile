# Everything a developer does here. `make demo` and `make test` need only Python 3.11 and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Processes that share the tests, by file; each computes on one thread.
WORKERS ?= 2

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Limbeck needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.user: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(READY): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.user

.PHONY: demo
demo: $(VENV)/.user ## Install and run the quickstart; ends with a report
	$(BIN)/limbeck demo

.PHONY: test
test: $(READY) check ## Install, check and run the fast tests (what CI runs)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: test-slow
test-slow: $(READY) ## The tests that take minutes: whole demo, real models, kill -9 at random moments
	$(BIN)/python -m pytest -m slow

.PHONY: bench-quick
bench-quick: $(READY) ## Every benchmark beside other trainers at small sizes (a few minutes)
	for name in loss step ranks; do $(BIN)/python -m benchmarks.$$name --quick || exit 1; done

.PHONY: check
check: $(READY) ## Lint, format, types, import directions, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/typos

.PHONY: docs
docs: | $(BIN)/python ## Build the documentation into site/
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/mkdocs build --strict

.PHONY: guide
guide: $(READY) ## Write docs/methods/ and the README's table from the registry
	$(BIN)/python -m limbeck.cli.guide docs/methods

.PHONY: wheel
wheel: $(READY) ## Build the wheel into dist/
	$(BIN)/python -m build --wheel

.PHONY: clean
clean: ## Remove what was built (not runs/)
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
