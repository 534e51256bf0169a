"""What a turn asks of whoever drives it: everything that a pure interpreter cannot do itself.

Source: docs/ARCHITECTURE.md, "Turns".
"""

from datetime import datetime, timedelta
from typing import Literal, Protocol

from pydantic import BaseModel, Field, JsonValue

from dialogs.events import Event, JsonObject, LlmUsageInfo
from dialogs.model_config import ModelConfig
from dialogs.variables import Chance


class Effect(BaseModel):
    """What every effect carries.

    Attributes:
        key: Tells it from every other effect of the run, and stays the same on each attempt:
            ``<turn>/<node>/<visit>``, and what more it takes where an execution has several.
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
        is_tool: Whether a tool asks for it, and not a node.
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
    is_tool: bool = False


class HttpReply(BaseModel):
    """What came of a request: a status and a body, or an error.

    Attributes:
        body: As text; in base64 where the call asked for binary.
    """

    status_code: int | None = None
    body: str = ""
    error: str | None = None


class Function(BaseModel):
    """Something that a model may call: a tool, or a way out of its node.

    Attributes:
        parameters: JSON Schema of its arguments, an object.
    """

    name: str
    description: str = ""
    parameters: JsonObject = Field(default_factory=dict)


class FunctionCall(BaseModel):
    """A call that a model made.

    Attributes:
        written: The arguments as the model wrote them.
        arguments: The same, read and checked.
        fault: Why they do not fit what the function takes.
    """

    id: str
    name: str
    written: str = ""
    arguments: JsonObject = Field(default_factory=dict)
    fault: str | None = None


class ModelMessage(BaseModel):
    """One message as a model is told it.

    Attributes:
        calls: What the model called with it; only of the assistant.
        call_id: The call that a ``tool`` message answers.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    calls: tuple[FunctionCall, ...] = ()
    call_id: str | None = None


class ModelCall(Effect):
    """A question to a language model: one request, however often it has to be tried.

    Attributes:
        message_id: Id of the message that the answer becomes.
        origin_node_name: The node as it is shown.
        origin_node_run_id: Which execution of it this is.
        answer_schema: JSON Schema that the answer has to fit; None for free text.
        is_spoken: Whether the person gets to see the answer.
    """

    node_logical_id: str
    origin_node_name: str = ""
    origin_node_run_id: str = ""
    message_id: str = ""
    config: ModelConfig
    messages: tuple[ModelMessage, ...] = ()
    functions: tuple[Function, ...] = ()
    answer_schema: JsonObject | None = None
    is_spoken: bool = True


class ModelReply(BaseModel):
    """What a model answered.

    Attributes:
        error: Why there is no answer; the node then speaks its apology.
        value: The answer as JSON, where a schema was given and it fits.
        fault: Why it does not fit; worth asking again.
    """

    content: str = ""
    error: str | None = None
    calls: tuple[FunctionCall, ...] = ()
    value: JsonObject = Field(default_factory=dict)
    fault: str | None = None
    usage: LlmUsageInfo = LlmUsageInfo()


class ToolCall(Effect):
    """An author's Python to run, apart from everything, with its arguments."""

    node_logical_id: str
    name: str = ""
    code: str
    arguments: JsonObject = Field(default_factory=dict)
    timeout_seconds: float = 30


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
        """Run a tool's code; failures are replies."""
