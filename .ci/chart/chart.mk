# The chart's tests: fast, and without a cluster.
CHART_TOOL = $(GO) tool -modfile=.ci/chart/tools/go.mod

.PHONY: test-chart
test-chart: $(TOOLS_STAMP) ## check the chart: lint, unit tests, and every object that it makes
	@for values in charts/mooring/ci/*.yaml; do \
		echo "chart: lint with $$values"; $(CHART_TOOL) helm.sh/helm/v4/cmd/helm lint --strict --quiet --values $$values charts/mooring; done
	$(CHART_TOOL) helm-unittest --strict charts/mooring
	$(GO) test -count=1 -timeout 5m ./.ci/chart ./charts/...
