# A real Prometheus, for `make observe` and tests: see docs/observability.md.
PROMETHEUS := $(TOOLS)/prometheus
OBSERVE_LISTEN ?= 127.0.0.1:9091
OPS_LISTEN := $(or $(MOORING_OPS_LISTEN),127.0.0.1:9090)
# Where Prometheus keeps what it needs: in the state folder, which is its owner's alone.
OBSERVE_STATE := $(or $(MOORING_STATE),.state)

.PHONY: observe
observe: $(PROMETHEUS)/promtool ## run Prometheus on the gateway that runs; Ctrl-C stops it
	@curl -sf http://$(OPS_LISTEN)/sd >/dev/null || { echo "no gateway at $(OPS_LISTEN): start one with make run" >&2; exit 1; }
	@install -d -m 700 $(OBSERVE_STATE) $(OBSERVE_STATE)/prometheus
	@sed -e 's|127.0.0.1:9090|$(OPS_LISTEN)|' -e 's|mooring/alerts|$(CURDIR)/charts/mooring/alerts|' charts/prometheus.yaml >$(OBSERVE_STATE)/prometheus/prometheus.yaml
	@echo "observe: graphs   http://$(OBSERVE_LISTEN)/graph"
	@echo "observe: targets  http://$(OBSERVE_LISTEN)/targets"
	@echo "observe: alerts   http://$(OBSERVE_LISTEN)/alerts"
	@echo "observe: dashboards for Grafana are in charts/mooring/dashboards"
	@exec $(PROMETHEUS)/prometheus --config.file=$(OBSERVE_STATE)/prometheus/prometheus.yaml --storage.tsdb.path=$(OBSERVE_STATE)/prometheus/data \
		--storage.tsdb.retention.time=2d --web.listen-address=$(OBSERVE_LISTEN) --enable-feature=exemplar-storage --log.level=warn

.PHONY: test-observability
test-observability: prerequisites compiler tools $(PROMETHEUS)/promtool ## ask a real Prometheus for every dashboard and alert
	$(PROMETHEUS)/promtool check rules charts/mooring/alerts/rules.yaml
	$(PROMETHEUS)/promtool test rules charts/mooring/alerts/rules_test.yaml
	PROMETHEUS=$(PROMETHEUS)/prometheus $(GO) test -count=1 -timeout 10m ./.ci/observability

# Prometheus of PATH, or else Debian's package, which needs no installation.
$(PROMETHEUS)/promtool:
	@rm -rf $(PROMETHEUS) $(PROMETHEUS).part && mkdir -p $(PROMETHEUS).part
	@if command -v prometheus promtool >/dev/null; then \
		ln -s "$$(command -v prometheus)" "$$(command -v promtool)" $(PROMETHEUS).part/; \
	elif command -v apt-get dpkg-deb >/dev/null; then \
		echo "observability: unpacking Debian's prometheus into .tools (once, about 100 MB)"; \
		cd $(PROMETHEUS).part && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb x && mv x/usr/bin/prom* . && rm -rf x *.deb; \
	else \
		echo "missing: Prometheus 2.42 or newer with promtool; install it from https://prometheus.io/download" >&2; exit 1; \
	fi
	@mv $(PROMETHEUS).part $(PROMETHEUS)
