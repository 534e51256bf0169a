"""What a run remembers between its turns, and what a turn is given.

A state is one value: it is handed on when a run continues in a fresh history, and grows with what
was said lately, never with the number of turns.

Source: docs/workflow-language.md, "Runs".
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from dialogs.events import Latency, Message, Usage

MAIN_THREAD = "0"
MAX_REMEMBERED_MESSAGES = 200
"""How many of the latest messages a run keeps for its models."""

Values = dict[str, JsonValue]
Command = Literal["start", "data", "resume", "pause", "stop"]


class RunStatus(StrEnum):
    """Where a run stands."""

    NOT_STARTED = "not_started"
    STARTED = "started"
    RUNNING = "running"
    WAITING = "waiting_for_user_input"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABORTED = "aborted_looping_risk"

    @property
    def is_terminal(self) -> bool:
        """Return whether nothing can change it any more."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.ABORTED}
)


class _Told(BaseModel):
    """What callers send: unknown keys are ignored, a null is an absent key."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: each for key, each in value.items() if each is not None}


class ToldMessage(_Told):
    """A message as callers write it: with ``type``, or with ``role`` as models have it."""

    type: str = "human"
    content: str = ""
    id: str | None = None
    name: str | None = None
    additional_kwargs: Values = Field(default_factory=dict)
    response_metadata: Values = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_role(cls, value: object) -> object:
        if isinstance(value, dict) and value.get("type") is None:
            role = value.get("role")
            kind = {"user": "human", "assistant": "ai"}.get(role) if isinstance(role, str) else None
            return {**value, "type": kind or role or "human"}
        return value

    @field_validator("content", mode="before")
    @classmethod
    def _joined(cls, value: object) -> object:
        if not isinstance(value, list):
            return value
        texts = [each.get("text") if isinstance(each, dict) else each for each in value]
        return "".join(text for text in texts if isinstance(text, str))


class NodeRunInput(_Told):
    """What is meant for a node; what a person said among it."""

    type: str = "llm"
    node_logical_id: str | None = None
    dynamic_variables: Values = Field(default_factory=dict)
    runtime_variables: Values = Field(default_factory=dict)
    messages: tuple[ToldMessage, ...] = ()
    override_url: str | None = None


class ThreadInput(_Told):
    """What is meant for one thread."""

    node_run_inputs: tuple[NodeRunInput, ...] = ()


class RunInput(_Told):
    """What a caller hands to one turn."""

    command: Command = "start"
    dynamic_variables: Values = Field(default_factory=dict)
    runtime_variables: Values = Field(default_factory=dict)
    miscellaneous: Values = Field(default_factory=dict)
    workflow_id: str | None = None
    workflow_run_id: str | None = None
    version_number: int = 0
    run_by: str | None = None
    start_node_logical_id: str | None = None
    initial_state: JsonValue = None
    thread_to_node_inputs: dict[str, ThreadInput] = Field(default_factory=dict)
    welcome_message: str | None = None

    @property
    def main_inputs(self) -> Sequence[NodeRunInput]:
        """Return what is meant for the main thread."""
        thread = self.thread_to_node_inputs.get(MAIN_THREAD)
        return thread.node_run_inputs if thread is not None else ()

    @property
    def messages(self) -> list[Message]:
        """Return what was said to the main thread, in order."""
        return [
            Message(**message.model_dump())
            for given in self.main_inputs
            for message in given.messages
        ]


class Remembered(BaseModel):
    """One message of a thread's history, as models are told it."""

    role: Literal["user", "assistant", "system"]
    content: str


class ThreadState(BaseModel):
    """One thread of a run.

    Attributes:
        node: The logical id of the node where it stands; None before it began and after its end.
        is_unread: Whether a person said something that no waiting node took yet.
        must_wait: Whether its node has looped to itself, and so waits whatever its settings say.
        written_by_node: Variables by the logical id of the node that wrote them last.
    """

    node: str | None = None
    is_unread: bool = False
    must_wait: bool = False
    runtime_variables: Values = Field(default_factory=dict)
    written_by_node: dict[str, Values] = Field(default_factory=dict)
    messages: list[Remembered] = Field(default_factory=list)
    conditional_hops: int = 0

    def remember(self, message: Remembered) -> None:
        """Keep a message, and forget the oldest beyond the limit."""
        self.messages.append(message)
        del self.messages[:-MAX_REMEMBERED_MESSAGES]


class RunState(BaseModel):
    """All that a run remembers; whoever drives it keeps it and hands it on.

    Attributes:
        node_runs: How often each node was executed, by logical id.
        edge_runs: How often each edge was taken.
    """

    run_id: str
    status: RunStatus = RunStatus.NOT_STARTED
    turn_number: int = 0
    dynamic_variables: Values = Field(default_factory=dict)
    workflow_variables: Values = Field(default_factory=dict)
    main: ThreadState = Field(default_factory=ThreadState)
    node_runs: dict[str, int] = Field(default_factory=dict)
    edge_runs: dict[str, int] = Field(default_factory=dict)
    usage: Usage = Field(default_factory=Usage)
    latency: Latency = Field(default_factory=Latency)
    error: str | None = None
    termination_source: str | None = None


class Fixed(BaseModel):
    """What a run starts with and never changes.

    Attributes:
        team_variables: The organization's own variables, without the secret ones.
        secret_names: Names of its secret ones; their values never come here.
        max_node_runs: How many nodes a turn may execute before it counts as looping.
        has_default_model: Whether the operator offers a model to workflows that name none.
        makes_up_texts: Whether models make up texts for edges and ends; runs that began before
            that was so never ask for them.
    """

    team_variables: Values = Field(default_factory=dict)
    secret_names: tuple[str, ...] = ()
    max_node_runs: int = 100
    has_default_model: bool = False
    makes_up_texts: bool = False
