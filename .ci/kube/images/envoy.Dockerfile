# The pinned Envoy of `make tools`, at the place that it has in Envoy's own images.
FROM debian:bookworm-slim
COPY envoy /usr/local/bin/envoy
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/envoy"]
