# Two images from one file: `docker build --target web .` and `docker build --target worker .`; `sandbox` is the pretend
# world of compose's profile of that name. No step needs anything but the base image and the package index. The base is named by
# its digest (3.14.8 on Debian trixie, every platform); a fresh one: `docker buildx imagetools inspect python:3.14-slim`. The CI
# runs the tests in the same (.github/workflows/ci.yml). Which Pythons will do: docs/operations.md, "Python".
ARG PYTHON_IMAGE=python:3.14-slim@sha256:f85c5697265c178cc6887276c55fe16cf3d14ca35c3df6a5eab3b360534a55d2

FROM ${PYTHON_IMAGE} AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/venv
WORKDIR /build
COPY requirements.lock ./
# Wheels only: an image that needs a compiler is one that must not be made.
RUN pip --python /opt/venv/bin/python install --no-cache-dir --only-binary :all: --require-hashes -r requirements.lock

FROM packages AS sandbox-packages
COPY requirements-dev.lock ./
# Of all that developers need the pretend world uses two packages: they make its certificates and its pictures.
RUN sed -n '/^\(pillow\|trustme\)==/,/[^\\]$/p' requirements-dev.lock > sandbox.lock \
 && pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r sandbox.lock

FROM ${PYTHON_IMAGE} AS base
# Nothing is installed later, so nothing that installs is left.
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip \
 && rm -r "$(python -c 'import ensurepip; print(*ensurepip.__path__)')"
# Two arenas instead of eight a core: threads that copy photos would else keep hundreds of megabytes for nothing.
ENV PATH=/opt/venv/bin:$PATH \
    MALLOC_ARENA_MAX=2 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
STOPSIGNAL SIGTERM

# What docs/benchmarks.md compares, on the very Python and TLS that the services run: `docker build --target bench -t bench .`
# and `docker run --rm --privileged bench`; the privilege is for the namespace in which names lead to the stand-ins.
FROM packages AS bench-packages
COPY requirements-dev.lock ./
RUN pip --python /opt/venv/bin/python install --no-cache-dir --only-binary :all: --require-hashes -r requirements-dev.lock

FROM base AS bench
LABEL org.opencontainers.image.title="cloud_archive bench" \
      org.opencontainers.image.description="Compares the worker with the programs one would pick instead: never for production"
COPY --from=bench-packages /opt/venv /opt/venv
COPY pyproject.toml ./
COPY bench bench
COPY common common
COPY sandbox sandbox
COPY web web
COPY worker worker
ENTRYPOINT ["python", "-m", "bench"]

FROM base AS service
COPY --from=packages /opt/venv /opt/venv
# For the version, which stands nowhere else.
COPY pyproject.toml ./
COPY common common
COPY tools tools
RUN python -m compileall -q common tools
# What can't be read here is told from outside: docs/operations.md, "Deploying". What is not told is called unknown, never guessed.
ARG CREATED=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
ARG VERSION=unknown
# For the metric that says what runs.
RUN echo "${REVISION}" > common/REVISION
LABEL org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}"

FROM service AS worker
LABEL org.opencontainers.image.title="cloud_archive worker" \
      org.opencontainers.image.description="Copies galleries from the queue into their guests' clouds"
COPY worker worker
RUN python -m compileall -q worker
USER 10001:10001
EXPOSE 8001
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('WORKER_PORT') or 8001}/healthz\", timeout=4)"]
ENTRYPOINT ["python", "-m", "worker"]

FROM base AS sandbox
LABEL org.opencontainers.image.title="cloud_archive sandbox" \
      org.opencontainers.image.description="A pretend gallery and pretend clouds: never for production"
COPY --from=sandbox-packages /opt/venv /opt/venv
COPY sandbox sandbox
RUN python -m compileall -q sandbox
USER 10001:10001
EXPOSE 8101-8113
HEALTHCHECK --interval=5s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8101/sandbox/archives', timeout=4)"]
ENTRYPOINT ["python", "-m", "sandbox"]

FROM service AS web
LABEL org.opencontainers.image.title="cloud_archive web" \
      org.opencontainers.image.description="Takes wishes for archives, asks for consent, fills the queue"
COPY web web
RUN python -m compileall -q web
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('WEB_PORT') or 8000}/healthz\", timeout=4)"]
ENTRYPOINT ["python", "-m", "web"]
