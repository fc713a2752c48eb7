# syntax=docker/dockerfile:1

ARG PYTHON_IMAGE=python:3.13.9-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
# The environment of the final image contains no pip: the pip of /opt/build installs into it.
RUN python -m venv /opt/build && python -m venv --without-pip /opt/venv
RUN /opt/build/bin/pip --python /opt/venv/bin/python install --require-hashes -r requirements.lock
RUN /opt/build/bin/pip install --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY generated/python generated/python
COPY gateway gateway
RUN /opt/build/bin/pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /opt/build/dist ./generated/python . \
    && /opt/build/bin/pip --python /opt/venv/bin/python install --no-deps --no-index /opt/build/dist/*.whl

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/venv /opt/venv
# pip has compiled the bytecode, and nothing is written at run time: the root file system can be
# read-only.
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Numeric, because Kubernetes cannot check runAsNonRoot for a user name.
USER 65532:65532
EXPOSE 50051 8125
STOPSIGNAL SIGTERM
# For serve and emulator with any address, as it finds where process 1 listens.
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["python", "-m", "rooms_gateway.cli.container_health"]
ENTRYPOINT ["rooms-gateway"]
CMD ["serve"]
