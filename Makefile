# `make` says what there is. Every target sets the project up first; a second time that takes no time.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

VENV := .venv
PYTHON := $(VENV)/bin/python
# The name holds the lock's hash: a changed lock is installed anew, an unchanged one is not looked at.
stamp = $(VENV)/stamp-$(1)-$(shell sha256sum $(1) | cut -c1-16)
DEV := $(call stamp,requirements-dev.txt)
# What tests need holds all that running needs.
RUNTIME := $(or $(wildcard $(DEV)),$(call stamp,requirements.txt))

.PHONY: help
help:
	@echo 'make demo      set up, run 200 support tickets on the simulated provider, show the results'
	@echo 'make up        start everything (web, workers, Flower, Valkey) until Ctrl-C'
	@echo 'make test      lint, and all tests on SQLite and PostgreSQL'
	@echo 'make lint      style, types, import contract, migrations, system checks'
	@echo 'make security  checks of a production configuration, and the security tests'
	@echo 'make bench     measure throughput and overhead'
	@echo 'make faults    kill, freeze and flush things while batches run'
	@echo 'make lock      lock the requirements anew'
	@echo 'make clean     remove what can be made again (var/ stays)'

.PHONY: demo up
demo up: $(RUNTIME)
	@$(PYTHON) manage.py $@ $(ARGS)

.PHONY: test
test: lint
	@$(PYTHON) -m tests.run

.PHONY: lint
lint: $(DEV)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(PYTHON) manage.py makemigrations --check --dry-run
	@$(PYTHON) manage.py check --fail-level WARNING

.PHONY: security
security: $(DEV)
	@$(PYTHON) -m pip check
	@$(PYTHON) -m tests.run security

.PHONY: bench faults
bench: $(DEV)
	@$(PYTHON) -m tests.benchmarks $(ARGS)
faults: $(DEV)
	@$(PYTHON) -m tests.faults $(ARGS)

.PHONY: lock
LOCK = $(VENV)/bin/uv pip compile --quiet --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links
lock: $(DEV)
	@$(LOCK) pyproject.toml -o requirements.txt
	@$(LOCK) --extra dev pyproject.toml -o requirements-dev.txt

.PHONY: clean
clean:
	@if [ -x $(PYTHON) ]; then $(PYTHON) manage.py down; fi
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis htmlcov .coverage .coverage.*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The locks are made for 3.11; later versions have wheels too, but were tried less.
define find_python
for name in python3.11 python3.12 python3.13 python3; do \
	if $$name -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo $$name; exit; \
	fi; \
done
endef

$(PYTHON):
	@python=$$($(find_python)); \
	if [ -z "$$python" ]; then \
		echo 'Arboretum needs Python 3.11 or later with venv; on Debian: sudo apt-get install python3 python3-venv' >&2; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with $$($$python --version) ..."; \
	$$python -m venv --clear $(VENV)

$(VENV)/stamp-%: | $(PYTHON)
	@requirements=$$(echo '$*' | sed 's/-[0-9a-f]*$$//'); \
	echo "Installing $$(grep -c '^[a-z0-9].*==' $$requirements) locked packages from $$requirements ..."; \
	$(PYTHON) -m pip install -qq --disable-pip-version-check --require-hashes -r $$requirements
	@rm -f $(VENV)/stamp-* && touch $@
