# Everything is installed into the checkout: .venv, .venv-oldest, node_modules, target.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell tests/find-python newest)
VENV := .venv/bin
BINARIES := target/debug

export LOKI_CONTROL_PLANE := $(CURDIR)/$(BINARIES)/loki-control-plane
export LOKI_FAULT_SERVER := $(CURDIR)/$(BINARIES)/loki-fault-server

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 18

.PHONY: demo
demo: build servers ## The main job end to end, against an embedded control plane
	@$(VENV)/python examples/demo.py

.PHONY: build
build: python node ## Build the Python package into .venv and the Node package into the checkout

.PHONY: test
test: servers test-rust test-python test-node test-packages ## Run all tests

.PHONY: lint
lint: lint-rust lint-python lint-node ## Formatters, linters and type checkers, all strict

.PHONY: generate
generate: ## Write every generated file from the table in spec/
	cargo run --quiet -p loki-mode-codegen

.PHONY: bench
bench: build ## Speed beside the alternatives, as ratios measured in one run
	cargo build --release -p loki-control-plane
	$(VENV)/pip install --quiet -r benches/requirements.txt
	npm ci --silent --prefix benches/node
	$(VENV)/python benches/run.py

.PHONY: soak
soak: build servers ## The long tests, with their figures: at most 20 minutes
	$(VENV)/pip install --quiet --disable-pip-version-check -r tests/soak/requirements.txt
	$(VENV)/python tests/soak/run.py

.PHONY: clean
clean: ## Remove everything that was built or installed into the checkout
	rm -rf target dist node_modules tests/peers/node_modules .venv .venv-oldest bindings-node/dist bindings-node/native
	find . -name __pycache__ -prune -exec rm -rf {} +

# ---- building --------------------------------------------------------------------------------------------------------

.venv/installed: tests/requirements.txt
	$(PYTHON) -m venv .venv
	$(VENV)/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund --ignore-scripts
	touch $@

tests/peers/node_modules/.package-lock.json: tests/peers/package.json tests/peers/package-lock.json
	npm ci --no-audit --no-fund --ignore-scripts --silent --prefix tests/peers
	touch $@

.PHONY: python
python: .venv/installed
	source $(VENV)/activate && maturin develop --release --quiet

.PHONY: node
node: node_modules/.package-lock.json
	npm run --silent build

.PHONY: servers
servers:
	cargo build --quiet -p loki-control-plane -p loki-mode-test-support --bins

# ---- tests -----------------------------------------------------------------------------------------------------------

# Property tests draw the same cases in every run, so that a red run can be repeated; `make soak` draws others, and more.
.PHONY: test-rust
test-rust: export PROPTEST_RNG_SEED := 1
test-rust: servers
	cargo test --quiet

.PHONY: test-python
test-python: python servers
	@# The tests mostly wait: both at a time take the time of one.
	tests/on-oldest-python > target/on-oldest-python.log 2>&1 & oldest=$$!; \
	trap 'kill $$oldest 2> /dev/null || true' EXIT; \
	status=0; $(VENV)/python -m pytest -q tests/python || status=$$?; \
	wait $$oldest || status=$$?; cat target/on-oldest-python.log; exit $$status

.PHONY: test-node
test-node: node servers tests/peers/node_modules/.package-lock.json
	npm test --silent

.PHONY: test-packages
test-packages: python node servers
	$(VENV)/python -m pytest -q tests/packages

# ---- lint ------------------------------------------------------------------------------------------------------------

.PHONY: lint-rust
lint-rust:
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings

.PHONY: lint-python
lint-python: python
	$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(VENV)/mypy
	$(VENV)/pyright --warnings

.PHONY: lint-node
lint-node: node
	npm run --silent lint
