# make            what there is
# A recipe that takes a while says what it does before it starts.

PYTHON ?= python3
CARGO ?= cargo

# One crate per function and the command line; built together, so that shared crates are compiled once.
FUNCTIONS := ingest decide timers segmentation catalogue delivery redeem links inbox preferences callbacks feedback archive console reports
PACKAGES := $(FUNCTIONS:%=--package kairos-%) --package kairos-cli

# Each is a target; add to the list to check more.
LINTS := lint-format lint-clippy lint-locks lint-template lint-python

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: build
build: ## Build the functions and the command line (debug; the local engine runs these)
	@echo "Building the functions and kairos (the AWS SDK takes some minutes the first time) …"
	$(CARGO) build --locked $(PACKAGES)

.PHONY: tool
tool: ## Build the command line for speed, as target/tool/kairos (for long backtests)
	$(CARGO) build --locked --profile tool --package kairos-cli --bin kairos

# ------------------------------------------------------------------------ demo

# EVENTS=FILE replays a recording in REES46's format; TWICE=1 sends it again afterwards; KEEP=1 leaves it running.
DEMO_OPTIONS = $(if $(EVENTS),--events '$(EVENTS)') $(if $(TWICE),--twice) $(if $(KEEP),--keep)

.PHONY: demo
demo: demo-needs local-env build ## See it work: a shop's day on this machine (or EVENTS=FILE), and its messages
	@target/debug/kairos demo $(DEMO_OPTIONS)

.PHONY: demo-needs
demo-needs:
	@command -v $(CARGO) >/dev/null || { echo "This needs Rust 1.95 or newer: https://rustup.rs"; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "This needs Python 3.10 or newer, for the local AWS."; exit 1; }

# ------------------------------------------------------------------- kairos.js

.PHONY: web
web: web/dist/kairos.min.js ## Build kairos.js for the shop's pages, as web/dist/kairos.min.js

WEB_SOURCES := web/build.mjs web/kairos.js web/kairos-messages.js web/kairos-push.js web/kairos-service-worker.js web/script.js $(wildcard web/src/*.js web/src/captures/*.js)
web/dist/kairos.min.js: web/package-lock.json $(WEB_SOURCES)
	@if command -v npm >/dev/null; then \
		cd web && npm ci --silent --ignore-scripts && node build.mjs \
			|| echo "kairos.js could not be built and is not tried."; \
	else echo "There is no npm: kairos.js is not built (Node 20 brings it)."; fi

# ---------------------------------------------------------------- local engine

.PHONY: local-env
local-env: ## Install MiniStack, the local AWS, into .local/engine
	$(PYTHON) infra/local/engine.py setup

.PHONY: local-up
local-up: build ## Start the local engine with this build and print what clients need
	$(PYTHON) infra/local/engine.py up

.PHONY: local-down
local-down: ## Stop the local engine and every function process
	$(PYTHON) infra/local/engine.py down

.PHONY: test-local
test-local: local-env ## Test the local engine itself (start, deploy, triggers, IAM, nothing left behind)
	cd infra/local && ../../.local/engine/bin/python3 -m unittest --verbose test_engine

# ------------------------------------------------------------------------ test

# Most of the tests on the local engine wait for a moment to come, so they run beside each other.
test: export RUST_TEST_THREADS ?= 8

.PHONY: test
test: demo-needs local-env test-node test-python test-gbstats test-browser web ## Run all tests: units, simulation, and everything on the local engine
	@echo "Building everything with its tests (the AWS SDK takes some minutes the first time) …"
	$(CARGO) build --locked --workspace --bins --tests
	@echo "Running the tests; those on the local engine take about two minutes …"
	$(CARGO) test --locked --workspace
	@$(MAKE) --no-print-directory test-web test-local

.PHONY: test-web
test-web: test-node test-browser web ## Test kairos.js in a real browser (a minute)
	@if command -v node >/dev/null; then \
		echo "Testing kairos.js in a browser; this takes about a minute …"; \
		cd web && node --test tests/*.test.mjs; \
	elif [ "$$CI" = true ]; then echo "There is no node: kairos.js must be tried where CI=true."; exit 1; \
	else echo "There is no node: kairos.js is not tried (Node 20)."; fi

# What follows is for tests/it/clients.rs, which says what it skips where something is missing; with CI=true it fails.

.PHONY: test-node
test-node: tests/clients/node_modules/.package-lock.json

tests/clients/node_modules/.package-lock.json: tests/clients/package-lock.json
	@if command -v npm >/dev/null; then \
		echo "Installing the clients for Node and browsers into tests/clients/node_modules (once) …"; \
		cd tests/clients && npm install --no-save --silent --ignore-scripts && touch node_modules/.package-lock.json \
			|| echo "They could not be installed and are not tried."; \
	else echo "There is no npm: the clients for Node and browsers are not tried (Node 20 brings it)."; fi

.PHONY: test-python
test-python: .local/clients/installed

.local/clients/installed: tests/clients/requirements.txt
	@echo "Installing the clients for Python into .local/clients (once) …"
	@rm -rf .local/clients
	@$(PYTHON) -m venv .local/clients
	@.local/clients/bin/pip install --quiet --disable-pip-version-check --requirement tests/clients/requirements.txt
	@touch $@

# What shared/statistics is compared with; its answers are also kept, for machines where it cannot be installed.
.PHONY: test-gbstats
test-gbstats:
	@$(MAKE) --no-print-directory .local/gbstats/installed \
		|| echo "gbstats could not be installed: it is compared with its kept answers alone."

.local/gbstats/installed: shared/statistics/tests/gbstats/requirements.txt
	@echo "Installing gbstats, for the statistics of experiments, into .local/gbstats (once) …"
	@rm -rf .local/gbstats
	@$(PYTHON) -m venv .local/gbstats
	@.local/gbstats/bin/pip install --quiet --disable-pip-version-check --no-deps \
		--requirement shared/statistics/tests/gbstats/requirements.txt
	@touch $@

.PHONY: test-browser
test-browser:
	@if command -v chromium >/dev/null || command -v google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Debian's chromium (once) …"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null \
			|| echo "chromium could not be installed: the client in a browser is not tried."; \
	else echo "There is no chromium: the client in a browser is not tried (Debian's package chromium brings it)."; fi

# ------------------------------------------------------------------------- cdk

.PHONY: cdk-env
cdk-env: .local/cdk/installed ## Install what infra/cdk needs into .local/cdk

.local/cdk/installed: infra/cdk/requirements.txt
	@echo "Installing the CDK's Python library into .local/cdk (once) …"
	rm -rf .local/cdk
	$(PYTHON) -m venv .local/cdk
	.local/cdk/bin/pip install --quiet --disable-pip-version-check --requirement infra/cdk/requirements.txt
	touch $@

# ----------------------------------------------------------------------- bench

# Each is a target of its own too, as bench-step; add to the list to measure more.
BENCHES := step state backtest peers start cost latency timers
BENCH_PACKAGES := $(FUNCTIONS:%=--package kairos-%) --package kairos-bench-hello --package kairos-bench-echo

.PHONY: bench
bench: $(BENCHES:%=bench-%) ## Measure speed, size, cost, cold starts, latency and timers (about twenty minutes)

# These measure the engine alone.
BENCHES_OF_THE_ENGINE := bench-step bench-state bench-backtest
.PHONY: $(BENCHES_OF_THE_ENGINE)
$(BENCHES_OF_THE_ENGINE): bench-%:
	$(CARGO) bench --locked --quiet --package kairos-benches --bench $*

# A workspace of its own: what the engine is compared with is built for nothing else.
.PHONY: bench-peers
bench-peers:
	@echo "Building the engines that are compared with (some minutes the first time) …"
	$(CARGO) run --locked --release --quiet --manifest-path benches/peers/Cargo.toml --target-dir target/peers

# These measure the functions as they are shipped.
BENCHES_OF_FUNCTIONS := $(filter-out $(BENCHES_OF_THE_ENGINE) bench-peers,$(BENCHES:%=bench-%))
.PHONY: $(BENCHES_OF_FUNCTIONS)
$(BENCHES_OF_FUNCTIONS): bench-%: bench-build
	$(CARGO) bench --locked --quiet --package kairos-benches --bench $*

.PHONY: bench-build
bench-build:
	@echo "Building the functions for release (some minutes the first time) …"
	$(CARGO) build --locked --release $(BENCH_PACKAGES)

# ------------------------------------------------------------------------ lint

.PHONY: lint
lint: $(LINTS) ## Check formatting, lints and template.yaml

.PHONY: lint-format
lint-format:
	$(CARGO) fmt --all --check

.PHONY: lint-clippy
lint-clippy:
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

# The engines that are compared with are no part of the workspace: nothing else would notice that theirs is out of date.
.PHONY: lint-locks
lint-locks:
	$(CARGO) update --workspace --locked --quiet --manifest-path benches/peers/Cargo.toml

# The AWS tools' own environment: their pins disagree with the local engine's. Remade when the pins change.
LINT_ENV := .local/lint
$(LINT_ENV)/installed: infra/lint/requirements.txt
	@echo "Installing the AWS SAM CLI, cfn-lint and ruff into $(LINT_ENV) (once) …"
	rm -rf $(LINT_ENV)
	$(PYTHON) -m venv $(LINT_ENV)
	$(LINT_ENV)/bin/pip install --quiet --disable-pip-version-check --requirement infra/lint/requirements.txt
	touch $@

.PHONY: lint-template
lint-template: export SAM_CLI_TELEMETRY := 0
lint-template: export AWS_DEFAULT_REGION ?= us-east-1
lint-template: $(LINT_ENV)/installed
	$(LINT_ENV)/bin/cfn-lint
	$(LINT_ENV)/bin/sam validate --lint --template template.yaml

.PHONY: lint-python
lint-python: $(LINT_ENV)/installed
	$(LINT_ENV)/bin/ruff check infra shared/statistics/tests/gbstats
