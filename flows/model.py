"""A flow definition after normalisation: tasks and the edges between them.

Every published shape of a definition is turned into this one by ``flows.parse``. It travels in
start messages, so stored histories hold it: fields are only ever added, with defaults.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

ReferenceMode = Literal["single", "collection"]

MAX_TASKS = 1_000
MAX_NESTING = 64
MAX_DEFINITION_BYTES = 1024 * 1024
MAX_TASK_NAME_CHARS = 200
DEFAULT_WINDOW = 20
MAX_WINDOW = 200
MIN_SECONDS = 0.001
"""Shortest duration an author may state; less would round to the "none" of Temporal."""


class Authored(BaseModel):
    """What an author wrote: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RetryPolicy(Authored):
    """How a failed attempt is repeated. An absent number means the executor's default.

    Source: docs/flow-language.md, "Retry"; mapped to Temporal's RetryPolicy.
    """

    max_attempts: int | None = Field(default=None, ge=1, le=1_000)
    initial_interval_seconds: float = Field(default=1.0, ge=MIN_SECONDS, le=86_400)
    backoff_coefficient: float = Field(default=2.0, ge=1, le=100)
    max_interval_seconds: float | None = Field(default=None, ge=MIN_SECONDS, le=86_400)
    non_retryable_error_types: tuple[str, ...] = ()


class Task(Authored):
    """One task: which executor runs, with which parameters (templates not yet resolved)."""

    name: str = Field(min_length=1, max_length=MAX_TASK_NAME_CHARS)
    executor: str
    title: str | None = None
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    retry_policy: RetryPolicy | None = None
    timeout_seconds: float | None = Field(default=None, ge=MIN_SECONDS, le=30 * 86_400)
    reference_modes: dict[str, ReferenceMode] = Field(default_factory=dict)
    concurrency: int | None = Field(default=None, ge=1, le=MAX_WINDOW)


class Edge(Authored):
    """An explicit dependency of ``target`` on ``source``; ``branch`` names a case of a branch."""

    source: str
    target: str
    branch: str | None = None


class Flow(Authored):
    """A whole definition, normalised. Tasks stand in document order."""

    name: str = ""
    description: str = ""
    tasks: tuple[Task, ...] = ()
    edges: tuple[Edge, ...] = ()
