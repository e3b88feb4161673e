# A real Kubernetes for tests: see .ci/kube/lab/README.md.
export LAB_BIN

.PHONY: kube-lab
kube-lab: # build what the lab runs, once, into LAB_BIN
	@.ci/kube/lab/build.sh

.PHONY: test-kube-api
test-kube-api: ## test what speaks to the Kubernetes API, against a real one without nodes
	@.ci/kube/lab/build.sh control
	$(GO) test -race -count=1 -timeout 10m ./.ci/kube/api
