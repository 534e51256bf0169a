"""What a process reads from its environment, once, at start-up."""

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from contracts.names import DEFAULT_TASK_QUEUE
from flows.errors import StartUpError
from flows.executors.mail_addresses import checked_address

PREFIX = "PERDURE_"
ENCRYPTION_KEY_BYTES = 32


def _from_seconds(value: object) -> object:
    """Read a bare number as seconds; leave ISO 8601 durations to pydantic."""
    if isinstance(value, str):
        try:
            return timedelta(seconds=float(value))
        except ValueError:
            return value
    return value


def _from_commas(value: object) -> object:
    """Read a comma-separated list, dropping blanks."""
    if isinstance(value, str):
        return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
    return value


def _as_key(value: object) -> object:
    """Refuse what is no AES-256 key in base64, without repeating it in the error."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    try:
        size = len(base64.b64decode(str(text), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if size != ENCRYPTION_KEY_BYTES:
        raise ValueError("expected 32 bytes in base64")
    return value


def _is_host(entry: str) -> bool:
    """Return whether it is a name, an address, a CIDR range or ``*``; no URL, and no port."""
    try:
        ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return entry == "*" or not set(entry) & set("/:*@ ")
    return True


Seconds = Annotated[
    timedelta,
    BeforeValidator(_from_seconds),
    PlainSerializer(lambda value: value.total_seconds(), when_used="json"),
]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_from_commas)]
MailAddress = Annotated[str, AfterValidator(checked_address)]
EncryptionKey = Annotated[SecretStr, BeforeValidator(_as_key)]
EncryptionKeys = Annotated[tuple[EncryptionKey, ...], NoDecode, BeforeValidator(_from_commas)]


_HEADERS = TypeAdapter(
    dict[
        Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")],
        Annotated[str, Field(pattern=r"^[\t\x20-\x7e]*$")],
    ]
)


class Settings(BaseSettings):
    """Everything that is configured by ``PERDURE_*`` variables.

    Attributes:
        jwt_secret: HS256 secret; None refuses tokens signed with one.
        jwt_jwks_url: Where the RS256/ES256 keys are published.
        encryption_keys: AES-256 keys in base64, newest first.
        encrypt_payloads: Whether every Temporal payload is encrypted too.
        allowed_private_hosts: Names, addresses or CIDR ranges inside private networks that tasks
            may call; ``*`` allows all.
        public_url: How the API is reached from outside; what the URLs of webhooks begin with.
        review_timeout: How long somebody may be in progress with a human review before it is taken
            back from them.
        api_drain: How long an API that is told to stop answers on, each answer closing its
            connection, before it stops listening.
        metrics_host: Interface that Prometheus metrics are served on.
        sqlite_folder: Where SQLite files are that tasks may open; None refuses them all.
        metrics_port: Port of the worker's Prometheus metrics; 0 picks a free one.
        api_metrics_port: The same of the API.
        deployment_name: Which workers belong together, for Worker Versioning.
        build_id: Version of this worker's code; None works without Worker Versioning.
        reconcile_interval: How often open executions are compared with Temporal.
        shutdown_grace: How long a worker that is told to stop lets activities run on, before it
            hands them back.
        payload_retention: How long large payloads of a closed execution are kept; at least as long
            as the Temporal namespace keeps histories.
        max_requests_in_flight: How many requests one API process serves at once.
        max_streams: How many streams of events one API process serves at once.
        max_streams_of_organization: How many of them one organization may have.
        stream_check: How often a stream of events looks at its reader's credential again.
        body_patience: How long the API waits for a body beyond the time that its bytes may take.
        sandbox_workflows: Whether workflows run inside Temporal's sandbox.
        llm_headers: A JSON object of header names and values.
        llm_base_url: Endpoint of language models that speaks OpenAI's protocol.
        smtp_host: The platform's own mail server; None sends by authors' servers only.
        smtp_receive_host: Interface that a worker receives mail on; None receives none.
        smtp_receive_port: Its port; 0 picks a free one.
        smtp_receive_max_bytes: The largest message that is received.

    Source: docs/configuration.md.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    task_queue: str = Field(default=DEFAULT_TASK_QUEUE, min_length=1)
    mongodb_uri: SecretStr = SecretStr("mongodb://127.0.0.1:27018/?replicaSet=rs0")
    mongodb_database: str = Field(default="perdure", min_length=1)
    jwt_secret: SecretStr | None = None
    jwt_jwks_url: str | None = None
    jwt_audience: str | None = None
    jwt_issuer: str | None = None
    encryption_keys: EncryptionKeys = ()
    encrypt_payloads: bool = False
    allowed_private_hosts: Names = ()
    sqlite_folder: Path | None = None
    python_tools: bool = True
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/?#]+(/[^?#]*)?$")
    api_drain: Seconds = Field(default=timedelta(seconds=1), ge=timedelta(0))
    metrics_host: str = Field(default="127.0.0.1", min_length=1)
    metrics_port: int = Field(default=9464, ge=0, le=65_535)
    api_metrics_port: int = Field(default=9465, ge=0, le=65_535)
    deployment_name: str = Field(default="perdure", min_length=1)
    build_id: str | None = None
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    reconcile_interval: Seconds = Field(default=timedelta(seconds=30), gt=timedelta(0))
    shutdown_grace: Seconds = Field(default=timedelta(seconds=10), ge=timedelta(0))
    payload_retention: Seconds = Field(default=timedelta(days=7), gt=timedelta(0))
    max_requests_in_flight: int = Field(default=512, ge=1)
    max_queued_executions: int = Field(default=10_000, ge=1, le=1_000_000)
    max_streams: int = Field(default=1_000, ge=1)
    max_streams_of_organization: int = Field(default=100, ge=1)
    stream_check: Seconds = Field(default=timedelta(seconds=10), gt=timedelta(0))
    review_timeout: Seconds = Field(default=timedelta(hours=8), gt=timedelta(0))
    body_patience: Seconds = Field(default=timedelta(seconds=30), gt=timedelta(0))
    sandbox_workflows: bool = False
    smtp_port: int | None = Field(default=None, ge=1, le=65_535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_sender: MailAddress | None = None
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_host: str | None = None
    smtp_receive_host: str | None = Field(default=None, min_length=1)
    smtp_receive_port: int = Field(default=2525, ge=0, le=65_535)
    smtp_receive_max_bytes: int = Field(default=10 * 1024 * 1024, ge=1024, le=100 * 1024 * 1024)
    llm_models: Names = ()
    llm_api_key: SecretStr | None = None
    llm_headers: SecretStr | None = None
    llm_base_url: str | None = Field(default=None, pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$")

    @field_validator("encrypt_payloads")
    @classmethod
    def _needs_a_key(cls, wanted: bool, info: ValidationInfo) -> bool:
        """Refuse to promise encryption without a key; a malformed key is its own fault."""
        if wanted and info.data.get("encryption_keys") == ():
            raise ValueError("needs a key in PERDURE_ENCRYPTION_KEYS")
        return wanted

    @field_validator("smtp_host")
    @classmethod
    def _is_usable(cls, host: str | None, info: ValidationInfo) -> str | None:
        """Refuse a mail server that nothing could be sent by, or by a readable password."""
        data = info.data
        if host is None:
            return None
        if data.get("smtp_sender", "") is None:
            raise ValueError("needs a sender in PERDURE_SMTP_SENDER")
        if (data.get("smtp_username") is None) != (data.get("smtp_password") is None):
            raise ValueError("PERDURE_SMTP_USERNAME and PERDURE_SMTP_PASSWORD need each other")
        if data.get("smtp_security") == "none" and data.get("smtp_username") is not None:
            raise ValueError("a password needs PERDURE_SMTP_SECURITY to be starttls or tls")
        return host

    @field_validator("allowed_private_hosts")
    @classmethod
    def _are_hosts(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what would look like a permission and match nothing."""
        for position, entry in enumerate(entries, start=1):
            if not _is_host(entry):
                raise ValueError(f"entry {position} is no host name, address or CIDR range")
        return entries

    @field_validator("llm_api_key")
    @classmethod
    def _fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        """Refuse a key that no request could carry; a line break at its end is a usual slip."""
        text = "" if key is None else key.get_secret_value()
        if not (text.isascii() and text.isprintable()):
            raise ValueError("holds characters that a header cannot")
        return key

    @field_validator("llm_headers")
    @classmethod
    def _are_headers(cls, text: SecretStr | None) -> SecretStr | None:
        """Refuse what is no JSON object of texts; its values may be credentials."""
        if text is not None:
            _HEADERS.validate_json(text.get_secret_value())
        return text

    @field_validator("llm_base_url")
    @classmethod
    def _has_models(cls, url: str | None, info: ValidationInfo) -> str | None:
        """Refuse an endpoint without models: no task could use it."""
        if url is not None and info.data.get("llm_models") == ():
            raise ValueError("needs names of models in PERDURE_LLM_MODELS")
        return url

    def headers_of_models(self) -> dict[str, str]:
        """Return the headers that go to the endpoint of models."""
        text = self.llm_headers
        return {} if text is None else _HEADERS.validate_json(text.get_secret_value())

    def keys(self) -> tuple[str, ...]:
        """Return the encryption keys as text, newest first."""
        return tuple(key.get_secret_value() for key in self.encryption_keys)


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment of this process, or the given one on top of it.

    Raises:
        StartUpError: A value is malformed; the message names its variable, never the value.
    """
    given = {
        name: value
        for name in Settings.model_fields
        if (value := (environment or {}).get(f"{PREFIX}{name.upper()}"))
    }
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        variable = f"{PREFIX}{fault['loc'][0]}".upper()
        raise StartUpError(f"{variable}: {fault['msg']}") from error
