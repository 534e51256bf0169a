"""What crosses a process boundary about interactive runs.

Stored histories hold these: fields are only added, with defaults.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import Field, JsonValue

from contracts.messages import Message
from dialogs.effects import HttpCall, ModelCall, ToolCall
from dialogs.model import Graph
from dialogs.state import Fixed, RunInput, RunState, RunStatus

JsonObject = dict[str, JsonValue]

REMEMBERED_INPUTS = 200
"""How many inputs a run knows the turns of, without its record."""


class TurnGiven(Message):
    """Signal ``user_input``: what somebody hands to the next turn of a run.

    Attributes:
        input_id: Unique in the run; handing the same in again changes nothing.
        expected_turn: Number of the turn that it is meant to become. If it cannot, it is refused.
            Without one it becomes whatever turn is next.
    """

    input_id: str
    expected_turn: int | None = None
    run_input: RunInput = Field(default_factory=RunInput)


class StopAsked(Message):
    """Signal ``stop``: end the run as cancelled, in the middle of a turn if need be."""

    input_id: str


class AwaitInput(Message):
    """Update ``await_input``: answer when this input, or stop, has been dealt with.

    Attributes:
        given: The input itself, for whoever sends no signal before; handing it in twice, in either
            way, changes nothing.
    """

    input_id: str
    given: TurnGiven | None = None


class AnswerKind(StrEnum):
    """What became of an input.

    ``TURN``: a turn that has ended. ``RUNNING``: a turn that goes on. ``CONFLICT``: refused, and
    not remembered. ``MOVED``: the run continues in a fresh history, ask there. ``UNKNOWN``: nobody
    handed it in. ``ENDED``: the run had ended before.
    """

    TURN = "turn"
    RUNNING = "running"
    CONFLICT = "conflict"
    MOVED = "moved"
    UNKNOWN = "unknown"
    ENDED = "ended"


class TurnView(Message):
    """A turn as callers are told it.

    Attributes:
        events: Everything told in it; None where that is too much for a message, and is read from
            the run's document.
        hint: The event that says what is waited for; None unless the run waits.
    """

    turn_number: int = 0
    status: RunStatus = RunStatus.NOT_STARTED
    events: list[JsonObject] | None = None
    error: str | None = None
    hint: JsonObject | None = None


class Answer(Message):
    """Result of ``await_input``, and of the query ``turn``."""

    kind: AnswerKind
    turn: TurnView | None = None


class EventsAsked(Message):
    """Query ``events``: those of the turn under way or the last one, from a position on."""

    after: int = 0


class EventsPage(Message):
    """Events of one turn, as many as a small message holds.

    Attributes:
        next: Where the next page begins.
        is_whole: Whether the turn has ended and this page holds its last event.
        first_event: How many events the run's earlier turns told.
    """

    turn_number: int
    events: list[JsonObject]
    next: int
    is_whole: bool
    first_event: int = 0


class InteractiveRunStart(Message):
    """All that a run needs, at its beginning and whenever it continues in a fresh history.

    Attributes:
        graph: Resolved: an edit of the workflow never reaches a run.
        queued: Inputs that no turn took yet; at the beginning the first one.
        answered: Turn that an input led to, by input id, of the latest ones.
        last: The latest turn.
        turns_a_history: How many turns one history holds; Temporal's own limits come first.
        events_told: How many events the turns of earlier histories told.
    """

    organization_id: str
    workflow_id: str
    workflow_name: str = ""
    version_number: int
    run_id: str
    graph: Graph
    fixed: Fixed = Field(default_factory=Fixed)
    queued: list[TurnGiven] = Field(default_factory=list)
    state: RunState | None = None
    answered: dict[str, int] = Field(default_factory=dict)
    last: TurnView | None = None
    turns_a_history: int = 200
    events_told: int = 0


class InteractiveRunResult(Message):
    """How a run ended."""

    status: RunStatus
    turn_number: int
    error: str | None = None


class RecordTurnCall(Message):
    """Write a turn, and where the run stands after it. Repeatable.

    Attributes:
        turn: Without its events, which the pair has: twice they would not fit into a history.
        input_ids: What led to the turn; empty for an end that no turn brought.
        pair: What the run's record keeps of the turn; None for an end that no turn brought.
        first_event: How many events the run's earlier turns told.
    """

    organization_id: str
    run_id: str
    turn: TurnView
    input_ids: list[str] = Field(default_factory=list)
    pair: JsonObject | None = None
    termination_source: str | None = None
    usage: JsonObject = Field(default_factory=dict)
    latency: JsonObject = Field(default_factory=dict)
    at: datetime
    first_event: int = 0


class RecordTurnReply(Message):
    """Nothing to say: it is written."""


class RunHttpCall(Message):
    """Send the request of a node.

    Attributes:
        effect_key: Same on every attempt; sent as ``Idempotency-Key`` unless the author says else.
    """

    organization_id: str
    run_id: str
    effect_key: str
    call: HttpCall


class ShowEventsCall(Message):
    """Show events of a turn that goes on to whoever listens to the run. Repeatable.

    Attributes:
        first_event: How many events the run told before these.
    """

    organization_id: str
    run_id: str
    turn_number: int
    first_event: int
    events: list[JsonObject]


class ShowEventsReply(Message):
    """Nothing to say: whoever listens can see them."""


class SpokenAt(Message):
    """Where in a run a model speaks, for whoever listens to what it says word by word.

    Attributes:
        events_told: How many events the run told before the model was asked.
        message_id: Of what it says, once that is an event.
    """

    organization_id: str
    run_id: str
    turn_number: int
    events_told: int
    node_logical_id: str
    node_name: str
    node_run_id: str
    message_id: str = ""


class RunModelCall(Message):
    """Ask the model of a node.

    Attributes:
        workflow_id: Whose keys the graph holds, unless the configuration says else.
        effect_key: Same on every attempt; sent as ``Idempotency-Key``.
        spoken_at: Where its words are shown as they come; None where nobody is to hear them.
    """

    organization_id: str
    workflow_id: str
    run_id: str
    effect_key: str
    call: ModelCall
    spoken_at: SpokenAt | None = None


class RunCodeCall(Message):
    """Run the code of a tool.

    Attributes:
        effect_key: Same on every attempt.
    """

    organization_id: str
    run_id: str
    effect_key: str
    call: ToolCall
