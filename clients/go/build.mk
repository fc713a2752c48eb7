# The Go module generated/go. It is committed, so that `go get` needs no release.

.PHONY: client-go generate-go check-go

GO_GENERATED ?= generated/go
GO_MODULE := github.com/rooms-gateway/rooms-gateway/generated/go
# Separate, because the published module of this version can differ from the one built here.
GO_MODULE_CACHE := .tools/go/mod

GO_FILES := $(shell find generated/go -type f)

client-go: dist/clients/go/$(GO_MODULE)/@v/list ## Build the Go module into dist/clients/go, a folder for GOPROXY.

dist/clients/go/$(GO_MODULE)/@v/list: $(GO_FILES) LICENSE .tools/go/bin
	@echo "Building the Go client (once, up to a minute) …"
	@cd generated/go && GOMODCACHE=$(CURDIR)/$(GO_MODULE_CACHE) GOFLAGS=-modcacherw go vet ./...
	@rm -rf dist/clients/go .tools/go/module
	@rm -rf $(addprefix $(GO_MODULE_CACHE)/,github.com cache/download/github.com)/rooms-gateway
	@mkdir .tools/go/module
	@cp -r generated/go/. LICENSE .tools/go/module
	@.tools/go/bin/proxy .tools/go/module v$(VERSION) dist/clients/go

.tools/go/bin: $(wildcard clients/go/tools/go.* clients/go/tools/*/*.go)
	@echo "Building the tools of the Go client (once, about 20 seconds) …"
	@cd clients/go/tools && go build -o $(CURDIR)/$@/ tool ./...
	@touch $@

.tools/go-load: $(wildcard tests/clients/go-load/*) $(GO_FILES)
	@echo "Building the Go load program for the tests (once, up to a minute) …"
	@cd tests/clients/go-load && go build -o $(CURDIR)/$@ .

generate-go: .tools/go/bin | setup ## Generate generated/go from protos/ and the service config.
	@rm -rf $(GO_GENERATED)/acs
	@mkdir -p $(GO_GENERATED)/roomsgateway
	@$(BIN)/buf generate --template clients/go/buf.gen.yaml --output $(GO_GENERATED)
	@cp deploy/client/service_config.json $(GO_GENERATED)/roomsgateway

check-go: ## Check that generated/go is what the protos and the service config say.
	@command -v go >/dev/null || { echo "generated/go is not checked: Go is not installed."; exit 0; }; \
		fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
		$(MAKE) --no-print-directory generate-go GO_GENERATED="$$fresh" && \
		{ diff -r "$$fresh/acs" generated/go/acs && \
		diff "$$fresh/roomsgateway/service_config.json" generated/go/roomsgateway/service_config.json || \
		{ echo "generated/go is out of date: run make generate-go" >&2; exit 1; }; }
