# The bridge with servers inside, for a cluster that reaches no registry; BASE is
# made as docs/how-to/images.md says.
ARG BASE
FROM $BASE
COPY testserver /usr/local/bin/testserver
# It was for the build alone.
ENV NODE_EXTRA_CA_CERTS=
