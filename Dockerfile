# The image: `docker build -t virtualsms-proxy .`; docs/deployment.md says how to run it.
#
# The tag names one release of Python, but Debian's fixes change its bytes. To pin those, look up
# the digest, `docker buildx imagetools inspect python:3.11.16-slim-bookworm`, and build with
# `--build-arg BASE=python:3.11.16-slim-bookworm@sha256:...`.
ARG BASE=python:3.11.16-slim-bookworm
ARG PREFIX=/opt/virtualsms-proxy
ARG DATA=/data

FROM ${BASE} AS build
ARG PREFIX
WORKDIR /src
COPY requirements.lock ./
# pip's cache stays in this stage.
# hadolint ignore=DL3042
RUN python -m venv --without-pip "$PREFIX" \
 && pip --python "$PREFIX/bin/python" install --no-compile \
        --require-hashes --no-deps --only-binary :all: -r requirements.lock
COPY . .
# Bytecode that never looks at its source again: nobody edits a file in the image.
# hadolint ignore=DL3042
RUN pip --python "$PREFIX/bin/python" install --no-compile --no-deps . \
 && "$PREFIX/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$PREFIX/lib"

FROM ${BASE}
ARG BASE
ARG PREFIX
ARG DATA
LABEL org.opencontainers.image.title="virtualsms-proxy" \
      org.opencontainers.image.description="The sms-activate and DaisySMS protocol on VirtualSMS" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="${BASE}"
COPY --from=build ${PREFIX} ${PREFIX}
ENV PATH=${PREFIX}/bin:${PATH}
# The certificates are the base's: without them the build had better fail.
RUN install -d -o 65532 -g 65532 -m 0700 "$DATA" && test -s /etc/ssl/certs/ca-certificates.crt
# The base comes without bytecode of Python's own library. This leaves that of what is imported.
RUN virtualsms-proxy check
ENV PYTHONDONTWRITEBYTECODE=1 \
    PROXY_LISTEN_HOST=0.0.0.0 \
    PROXY_STORE_URL=sqlite:///${DATA}/virtualsms-proxy.db
# A number, because Kubernetes cannot see that a name is not root.
USER 65532:65532
# SQLite's last resort for its temporary files is the working folder.
WORKDIR ${DATA}
VOLUME ${DATA}
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["virtualsms-proxy", "health"]
ENTRYPOINT ["virtualsms-proxy"]
