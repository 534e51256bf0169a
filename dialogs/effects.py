"""What a turn asks of whoever drives it: everything that a pure interpreter cannot do itself.

Source: docs/ARCHITECTURE.md, "Turns".
"""

from datetime import datetime, timedelta
from typing import Protocol

from pydantic import BaseModel, Field, JsonValue

from dialogs.events import Event, JsonObject, LlmUsageInfo
from dialogs.state import Remembered
from dialogs.variables import Chance


class Effect(BaseModel):
    """What every effect carries.

    Attributes:
        key: Tells it from every other effect of the run, and stays the same on each attempt:
            ``<turn>/<node>/<visit>``.
        secrets: Name of the organization's variable by the mark that stands for its value in this
            effect's texts. Marks are made by chance for each effect, so nobody can write one;
            whoever performs the effect puts the values in their places.
        expires_in: When to give up, raising EffectExpiredError; None for no such limit.
    """

    key: str
    secrets: dict[str, str] = Field(default_factory=dict)
    expires_in: timedelta | None = None


class HttpCall(Effect):
    """A request to an outside service.

    Attributes:
        body: The encoded body; None without one, or where ``form`` holds it.
        form: Fields of a multipart body, which whoever sends it encodes.
    """

    method: str
    url: str
    headers: dict[str, str] = Field(default_factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    content_type: str | None = None
    form: dict[str, str] | None = None
    timeout_seconds: float
    is_binary: bool = False


class HttpReply(BaseModel):
    """What came of a request: a status and a body, or an error.

    Attributes:
        body: As text; in base64 where the call asked for binary.
    """

    status_code: int | None = None
    body: str = ""
    error: str | None = None


class Exit(BaseModel):
    """A way out of a node that its model may choose."""

    edge_logical_id: str
    name: str
    condition: str
    args_schema: JsonObject | None = None


class ModelCall(Effect):
    """A question to a language model.

    Attributes:
        config: The model's configuration as it was authored; its key is sealed.
        tools: Tools as they were authored, of the node and of the workflow.
        method: How the choice among ``exits`` is asked for.
    """

    node_logical_id: str
    config: JsonObject
    system_prompt: str
    messages: tuple[Remembered, ...] = ()
    tools: tuple[JsonObject, ...] = ()
    exits: tuple[Exit, ...] = ()
    method: str = "tool_call"
    output_schema: JsonObject | None = None
    max_consecutive_tool_calls: int = 1
    speaks: bool = True


class ModelReply(BaseModel):
    """What a model answered.

    Attributes:
        error: Why there is no answer; the node then speaks its apology.
        variables: What tools that it called wrote.
        chosen_edge: The exit that it took.
    """

    content: str = ""
    error: str | None = None
    structured_output: JsonObject = Field(default_factory=dict)
    variables: JsonObject = Field(default_factory=dict)
    chosen_edge: str | None = None
    args_filled: JsonObject = Field(default_factory=dict)
    usage: LlmUsageInfo = LlmUsageInfo()


class ToolCall(Effect):
    """A tool to run, with its arguments."""

    node_logical_id: str
    tool: JsonObject
    arguments: JsonObject = Field(default_factory=dict)


class ToolReply(BaseModel):
    """What a tool gave back."""

    success: bool
    result: JsonValue = None
    error: str | None = None


class Driver(Protocol):
    """Whoever drives a turn: a Temporal workflow, or a test.

    An effect that raises ``RunFailedError`` ends the run as failed; a cancellation passes through.
    """

    def now(self) -> datetime:
        """Return the instant, in UTC."""

    def chance(self) -> Chance:
        """Return where chance comes from."""

    def emit(self, event: Event) -> None:
        """Take the next event of the turn."""

    async def sleep(self, duration: timedelta) -> None:
        """Return after a while; it may be hours."""

    async def request(self, call: HttpCall) -> HttpReply:
        """Send a request; failures are replies."""

    async def ask(self, call: ModelCall) -> ModelReply:
        """Ask a model; failures are replies."""

    async def use(self, call: ToolCall) -> ToolReply:
        """Run a tool; failures are replies."""
