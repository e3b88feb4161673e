# Container images, built with buildah: see docs/how-to/images.md.
export IMAGES_VERSION IMAGES_DIR

.PHONY: images
images: ## build the container images (root, Debian's buildah)
	@.ci/images/build.sh

.PHONY: test-images
test-images: images ## run the images: servers, users, extensions
	@go test -count=1 -timeout 20m ./.ci/images

.PHONY: save-images
save-images: images ## write the images as archives to .images/archives
	@.ci/images/archive.sh
