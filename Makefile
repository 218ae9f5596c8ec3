# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFORMANCE ?= ../shared/conformance

.DEFAULT_GOAL := help
.PHONY: help setup demo up test coverage check format bench fuzz torture soak conformance grammar reference lock tree clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## the environment, with the command at .venv/bin/codeai

$(VENV)/.ready: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## a real release, with the worker killed in its middle (KEEP=1 leaves it running)
	@$(BIN)/python examples/demo.py $(if $(KEEP),--keep)

up: setup ## the whole platform on this machine
	@$(BIN)/codeai up

test: setup ## all tests, in under ten minutes (five processes: most tests wait for servers)
	@$(BIN)/python -m pytest -n 5 --dist loadfile --no-loadscope-reorder

coverage: setup ## lines of our packages that the tests run; at least 90 %
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -n 5 --dist loadfile --no-loadscope-reorder
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --fail-under=90 --sort=cover

check: setup ## format, lint, types, imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## the one layout of our own code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: setup ## speed as ratios against a floor in the same run
	@$(BIN)/python -m tests.bench

fuzz: setup ## 100,000 random and 100,000 mutated programs through check, format, compile and a bounded run
	@$(BIN)/python -m tests.fuzz

torture: setup ## random programs under kills, forced to continue as new: they end as undisturbed ones do
	@$(BIN)/python -m tests.torture

soak: setup ## every item of "What must hold" at its full size
	@$(BIN)/python -m tests.soak

conformance: setup ## the cases of the language's contract, against a platform of its own
	@$(BIN)/python -m tests.conformance $(CONFORMANCE)

grammar: setup ## writes each grammar_table.py from its grammar.lark
	@$(BIN)/python -m codeai.dsl.grammar_build

reference: setup ## writes docs/reference from the tables
	@$(BIN)/python -m tests.reference

lock: setup ## pins requirements.lock anew
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--group dev pyproject.toml -o requirements.lock

tree: ## the house: every module and its one job
	@$(PYTHON) tests/tree.py

clean: ## removes the environment and what was built
	@rm -rf $(VENV) dist build
