"""How processes reach Temporal: client, converter, sandbox, telemetry of the SDK's core."""

import dataclasses
import logging
import os
from collections.abc import Sequence
from typing import ClassVar, Self

from temporalio.client import Client, Interceptor
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    ExternalStorage,
    StorageDriver,
)
from temporalio.envconfig import ClientConfig
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.service import RetryConfig
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import (
    SandboxedWorkflowRunner,
    SandboxRestrictions,
)

from contracts.names import INLINE
from runtime.payload_encryption import EncryptionCodec
from runtime.readiness import LOOPBACK

EXTERNAL_STORAGE_THRESHOLD_BYTES = 16 * 1024

_PASSED_THROUGH = (
    "flows",
    "dialogs",
    "contracts",
    "pydantic",
    "pydantic_core",
    "annotated_types",
    "orjson",
    "yaml",
    "jsonschema_rs",
    "liquid",
    "opentelemetry",
)

_FOR_PEOPLE = RetryConfig(initial_interval_millis=50, max_elapsed_time_millis=1_000, max_retries=4)


class SharedPydanticConverter(PydanticPayloadConverter):
    """Pydantic's converter, one and the same wherever one is made.

    With external storage the SDK makes a converter for each payload that it handles; each would
    begin with an empty cache of type adapters.
    """

    _only: ClassVar[Self | None] = None

    def __new__(cls) -> Self:
        """Return the process's converter."""
        if cls._only is None:
            only = super().__new__(cls)
            PydanticPayloadConverter.__init__(only)
            cls._only = only
        return cls._only

    def __init__(self) -> None:
        """Leave the shared converter as it is."""


def data_converter(
    storage_driver: StorageDriver | None, codec: EncryptionCodec | None = None
) -> DataConverter:
    """Return the one converter of clients, workers and replayers.

    Args:
        storage_driver: Where payloads above 16 KiB live; None keeps all of them in the history.
        codec: Encrypts payloads, those that live outside the history included, and what failures
            say, or only reads what is encrypted; None does neither.
    """
    converter = dataclasses.replace(
        pydantic_data_converter, payload_converter_class=SharedPydanticConverter
    )
    if codec is not None:
        converter = dataclasses.replace(converter, payload_codec=codec)
    if codec is not None and codec.seals:
        converter = dataclasses.replace(
            converter, failure_converter_class=DefaultFailureConverterWithEncodedAttributes
        )
    if storage_driver is None:
        return converter
    return dataclasses.replace(
        converter,
        external_storage=ExternalStorage(
            drivers=[storage_driver],
            driver_selector=lambda _, payload: (
                None if INLINE in payload.metadata else storage_driver
            ),
            payload_size_threshold=EXTERNAL_STORAGE_THRESHOLD_BYTES,
        ),
    )


def workflow_runner(*, sandboxed: bool = True) -> WorkflowRunner:
    """Return what executes workflow code, in workers, tests and replayers alike.

    Modules passed through the sandbox are loaded once and no longer guarded there; the linter's
    list of banned calls guards them instead.

    Source: docs/decisions/0003-sandbox-in-tests-not-in-production.md.
    """
    if not sandboxed:
        return UnsandboxedWorkflowRunner()
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*_PASSED_THROUGH)
    )


async def connect(
    address: str,
    namespace: str,
    *,
    storage_driver: StorageDriver | None = None,
    codec: EncryptionCodec | None = None,
    runtime: Runtime | None = None,
    lazy: bool = False,
    interceptors: Sequence[Interceptor] = (),
) -> Client:
    """Return a client of one namespace; TLS, API key and metadata come from ``TEMPORAL_*``.

    A configuration file counts only where ``TEMPORAL_CONFIG_FILE`` names it: a developer's own
    file must not redirect an embedded platform.

    Args:
        lazy: Connect on first use, so that a process can start while the server is down, and give
            up soon on calls: somebody waits for the answer. Workers need a client that is
            connected, and patient: a result that it fails to report is work done twice.

    Raises:
        RuntimeError: Not lazy, and the server does not answer.
    """
    options = ClientConfig.load_client_connect_config(
        disable_file="TEMPORAL_CONFIG_FILE" not in os.environ
    )
    options["target_host"] = address
    options["namespace"] = namespace
    return await Client.connect(
        **options,
        data_converter=data_converter(storage_driver, codec),
        runtime=runtime,
        lazy=lazy,
        interceptors=interceptors,
        retry_config=_FOR_PEOPLE if lazy else None,
    )


def worker_runtime(metrics_port: int) -> Runtime:
    """Return an SDK runtime that serves metrics on the loopback interface, logging through us.

    Args:
        metrics_port: A free one; see ``runtime.metrics_server``, which passes them on.
    """
    return Runtime(
        telemetry=TelemetryConfig(
            logging=_through_python("WARN"),
            metrics=PrometheusConfig(
                bind_address=f"{LOOPBACK}:{metrics_port}", durations_as_seconds=True
            ),
        )
    )


def client_runtime() -> Runtime:
    """Return an SDK runtime for a process that only calls the server; it logs through Python.

    The SDK's own runtime writes to stderr in a format of its own. Its retries are not logged: what
    comes of a call is said once, by whoever made it.
    """
    return Runtime(telemetry=TelemetryConfig(logging=_through_python("ERROR")))


def _through_python(core_level: str) -> LoggingConfig:
    """Return how the SDK's core hands its log lines to the logger ``temporalio.core``."""
    return LoggingConfig(
        filter=TelemetryFilter(core_level=core_level, other_level="ERROR"),
        forwarding=LogForwardingConfig(
            logger=logging.getLogger("temporalio.core"),
            append_target_to_name=False,
            append_log_fields_to_message=False,
        ),
    )
