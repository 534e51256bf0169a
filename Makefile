# Paths are relative, so that the checkout may live in a folder with spaces.
SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TYPESCRIPT_WORKER := build/typescript_worker/.installed
PYTEST := $(BIN)/python -m pytest
# One process more than cores: tests wait for servers more than they calculate. A file stays in one
# process, because its tests often share a platform; the order is kept, because long files end early.
# A process that is lost ends the run: pytest-xdist 3.8 hangs when it has replaced one.
PYTEST_PARALLEL := -n $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --maxprocesses 4 --max-worker-restart 0 --dist loadfile --no-loadscope-reorder

# The sandbox loads our modules anew for every workflow: without bytecode it compiles them each time.
unexport PYTHONDONTWRITEBYTECODE

# ONCE=1 stops the platform once the example completed; ARGS goes to the command that a target calls.
ONCE ?=
ARGS ?=
SECONDS ?= 600

.PHONY: help run up test format lint types imports replay record-history bench mix soak fuzz compose-check check install clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' Makefile

run: install ## Start the platform, run the example on a real document (ONCE=1: then stop)
	@$(BIN)/perdure up $(if $(ONCE),--once) $(ARGS) -- $(BIN)/python -m examples.document_intake

up: install ## Start the platform and keep serving
	@$(BIN)/perdure up $(ARGS)

test: install $(TYPESCRIPT_WORKER) ## Run every test against real servers
	$(PYTEST) $(PYTEST_PARALLEL) $(ARGS)

format: install ## Format the sources
	$(BIN)/ruff format .
	$(BIN)/ruff check --select I --fix --quiet .

lint: install ## Check format and lint rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install ## Check types
	$(BIN)/mypy

imports: install ## Check who imports whom
	$(BIN)/lint-imports --no-logo

replay: install ## Replay every stored history against today's workflows
	$(PYTEST) tests/replay $(ARGS)

record-history: install ## Record histories for the replay test
	$(BIN)/python -m scripts.record_history $(ARGS)

bench: install ## Measure, print a table, write build/bench.json
	$(BIN)/python -m benchmarks $(ARGS)

mix: install ## Five minutes of random starts, failures, cancels, re-executions and kills
	PERDURE_MIX_SECONDS=300 $(PYTEST) tests/end_to_end/test_mix.py --timeout 900 -s $(ARGS)

soak: install ## Run 5,000 flows and say how much memory worker and API took meanwhile
	PERDURE_SOAK_FLOWS=5000 $(PYTEST) tests/end_to_end/test_soak.py --timeout 3600 -s $(ARGS)

compose-check: install ## Check compose file, Dockerfile and the wheel in an empty environment
	@sh scripts/compose_check.sh $(VENV)

fuzz: install ## Hold the API against its document: SECONDS=600, another seed each time
	PERDURE_FUZZ_SECONDS=$(SECONDS) $(PYTEST) tests/api/test_schema.py --timeout 0 $(ARGS)

check: lint types imports test compose-check ## Everything that must pass before a commit

install: $(INSTALLED) ## Create .venv and install what is missing

clean: ## Remove what was built or installed here; the platform's data stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis .import_linter_cache

$(INSTALLED): pyproject.toml scripts/install.sh
	@sh scripts/install.sh $(VENV)
	@touch $(INSTALLED)

$(TYPESCRIPT_WORKER): $(wildcard tests/support/typescript_worker/*) scripts/install_typescript_worker.sh
	@sh scripts/install_typescript_worker.sh $(@D)
