# A real Kubernetes for tests: see .ci/kube/lab/README.md.
export LAB_BIN ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mooring-lab
LAB_ARCHIVES = $(or $(IMAGES_DIR),$(CURDIR)/.images)/kube
LAB = LAB_ARCHIVES=$(LAB_ARCHIVES) HELM="$(CURDIR)/.build/helm"
# Where `make k8s` keeps what it started.
K8S := $(CURDIR)/.build/k8s

.PHONY: kube-lab
kube-lab: # build what the lab runs, once, into LAB_BIN
	@.ci/kube/lab/build.sh

.PHONY: kube-images
kube-images: tools images # and what only the lab's tests run, as archives
	@.ci/kube/images/build.sh $(LAB_ARCHIVES)

.PHONY: helm
helm: # the pinned Helm
	@$(GO) build -modfile=.ci/chart/tools/go.mod -o .build/helm helm.sh/helm/v4/cmd/helm

.PHONY: test-kube-api
test-kube-api: compiler ## test what speaks to the Kubernetes API, against a real one without nodes
	@.ci/kube/lab/build.sh control
	$(GO) test -race -count=1 -timeout 10m ./.ci/kube/api

.PHONY: test-k8s
test-k8s: prerequisites kube-lab kube-images helm conformance-suite ## test the chart and all of Mooring on a real Kubernetes (root)
	@$(MAKE) test-kube-api
	$(LAB) $(GO) test -count=1 -timeout 40m -v -run TestKubernetes ./.ci/kube/e2e

.PHONY: bench-k8s
bench-k8s: kube-lab kube-images helm ## measure a thousand adapters on a real Kubernetes, on a node that starts pods at once (root)
	$(LAB) LAB_VALUES=$(CURDIR)/.ci/kube/hollow.yaml $(GO) test -count=1 -timeout 40m -v -run TestThousand ./.ci/kube/e2e

.PHONY: k8s
k8s: kube-lab kube-images helm ## bring up a Kubernetes with Mooring on this machine (root), to look at
	@LAB_STATE=$(K8S) $(LAB) .ci/kube/up.sh $(LAB_ARCHIVES)
	@.ci/kube/hello.sh $(K8S)

.PHONY: k8s-stop
k8s-stop: ## end what `make k8s` brought up
	@LAB_PURGE=1 LAB_STATE=$(K8S) .ci/kube/lab/stop.sh
