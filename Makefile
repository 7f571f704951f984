# Strata: one command each. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help setup peers demo run worker test check format docs bench lock clean
SHELL := /bin/bash

PYTHON ?= python3.11
PORT ?= 8000
BIN := .venv/bin
PY := $(BIN)/python
T ?=
B ?=
export HF_HUB_OFFLINE := 1

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv, install what the locks name, migrate; quick the second time
	@PYTHON="$(PYTHON)" requirements/install.sh

demo: setup ## The whole main job on real input, step by step; then open the address it prints
	@$(PY) manage.py demo

run: setup ## Web, keeper and workers on this machine (PORT=8000); Ctrl-C ends them
	@PORT="$(PORT)" $(PY) manage.py run_house --port "$(PORT)"

worker: setup ## One scan worker alone, for a machine with a GPU
	@$(BIN)/celery -A config worker -I assessments.worker -Q scans -P solo -l INFO

peers: ## As setup, and .venv-peers, which `make test` and `make bench` compare with
	@PYTHON="$(PYTHON)" requirements/install.sh peers

test: peers ## The whole suite: SQLite, then PostgreSQL and Redis, then a browser and the walks
	@$(PY) -m tests.run

check: ## Contracts, lint, types, migrations, docs; with T=tests/path also those tests
	@PATH="$(CURDIR)/$(BIN):$$PATH" T="$(T)" .ci/check

format: ## Format and mend what can be mended by machine
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

docs: ## Write docs/{states,actions,permissions,regimes}.md from the tables in the code
	@$(PY) manage.py docs

bench: peers ## Measure against a baseline in the same run (B=log names one); writes bench/results
	@$(PY) -m bench $(B)

lock: ## Resolve the requirements again and write the locks with hashes
	@requirements/lock.sh

clean: ## Remove caches and build leftovers; var/ and .venv stay
	@rm -rf build *.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find assessments bench compliance config docs incidents tests -name __pycache__ -type d -prune -exec rm -rf {} +
