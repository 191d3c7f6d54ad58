# Everything here works from a bare clone: it needs make, Python 3.11-3.13, Java 17 or later and Maven.
.DEFAULT_GOAL := help
# Coverage traces every worker process too, so it is no part of `make test`.
.PHONY: help demo test coverage check bench soak up down docs setup
SHELL := /bin/bash
BIN := .venv/bin
READY := .venv/.setup-stamp
SAY = @printf '\n\033[1m%s\033[0m\n'

help: ## What there is to make
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

demo: $(READY) ## Two game days of a market economy on a real broker, with a kill in the middle and a proof at the end
	@$(BIN)/worldtick demo

test: check ## All checks, and all tests but the long ones
	$(SAY) "tests"
	@$(BIN)/python -m pytest -m "not soak" $(PYTEST_ARGS)

coverage: $(READY) ## The same tests, with the lines that they reach; twice as slow
	@$(BIN)/python -m pytest -m "not soak" --cov --cov-report=term:skip-covered $(PYTEST_ARGS)

check: $(READY) ## Format, lint, types, import rules
	$(SAY) "format and lint"
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	$(SAY) "types"
	@$(BIN)/mypy
	$(SAY) "import rules"
	@$(BIN)/lint-imports --no-logo

bench: $(READY) ## All figures, side by side in one run; writes benchmarks/results.json and docs/PERFORMANCE.md
	@$(BIN)/python -m benchmarks.run

soak: $(READY) ## The long tests
	@$(BIN)/python -m pytest -m soak $(PYTEST_ARGS)

up: $(READY) ## Start a local Kafka and PostgreSQL, with tables and topics
	@$(BIN)/worldtick up

down: $(READY) ## Stop them; their data stay
	@$(BIN)/worldtick down

docs: $(READY) ## Write the documents that are made from the code
	@$(BIN)/worldtick docs

setup: $(READY) ## Only the environment

$(READY): requirements.lock pyproject.toml scripts/setup
	@scripts/setup
