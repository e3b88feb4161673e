# The go-sdk's reference server: an MCP server that speaks HTTP by itself, here of
# the one era or of the other.
FROM scratch AS base
COPY everything-server /everything-server
USER 65532:65532
EXPOSE 8000

FROM base AS stateless
ENTRYPOINT ["/everything-server", "-http=:8000"]

FROM base AS stateful
ENTRYPOINT ["/everything-server", "-http=:8000", "-stateless=false"]
