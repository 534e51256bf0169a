"""Interactive runs as callers send and see them.

Source: docs/workflows-api.md, "Runs".
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import TypedDict

from api.schemas.parameters import within_reach
from api.schemas.workflows import OBJECT_ID
from dialogs.state import RunInput, RunStatus
from operations.graph_secrets import mask_keys
from operations.interactive_runs import Turn
from operations.run_feedback import ratings_of_events, said_of, with_feedback
from store.interactive_runs import RunRecord
from store.run_feedback import Feedback, Target

JsonObject = dict[str, JsonValue]

StatusWord = Literal[
    "not_started",
    "started",
    "running",
    "waiting_for_user_input",
    "paused",
    "completed",
    "failed",
    "cancelled",
    "aborted_looping_risk",
]


class ExecuteRequest(BaseModel):
    """One turn: the first of a new run, or the next one of the run that is named."""

    model_config = ConfigDict(extra="ignore")

    run_input: RunInput
    run_id: Annotated[str, Field(pattern=OBJECT_ID)] | None = None

    def version_number(self) -> int | None:
        """Return the version asked for; clients that fill in every key send 0 and mean nothing."""
        return within_reach(self.run_input.version_number) or None


class ExecuteResponse(TypedDict):
    """What a turn came to; every key is always there."""

    run_id: str
    status: StatusWord
    turn_number: int
    events: list[JsonObject]
    is_waiting_for_input: bool
    is_completed: bool
    error: str | None
    next_input_hint: JsonObject | None
    has_active_companions: bool
    has_background_work: bool


class RunState(TypedDict, total=False):
    """Where a run stands, and in full what was said in each turn."""

    logical_id: str
    workflow_run_id: str
    workflow_id: str
    version_number: int
    version_name: str | None
    status: StatusWord
    termination_source: str | None
    run_by: str | None
    error: str | None
    voice_conversation_id: None
    input_output_pairs: list[JsonValue]
    comments: list[JsonValue]
    event_ratings: dict[str, list[JsonValue]]
    llm_token_usage: JsonObject
    llm_latency_stats: JsonObject
    workflow_config_fully_hydrated: JsonObject
    miscellaneous: JsonObject
    source_workflow_run_id: str | None
    checkpoint_source_turn_index: int | None
    is_evaluation_run: bool
    evaluation_run_info: None


class RunView(TypedDict):
    """A run's document."""

    _id: str
    team_id: str
    created_by: str
    updated_by: str
    created_at: datetime
    updated_at: datetime
    workflow_run: RunState


class RunEnvelope(TypedDict):
    """A run."""

    workflow_run: RunView


class RunListResponse(TypedDict):
    """A page of runs."""

    workflow_runs: list[RunView]
    total: int
    page: int
    size: int


def execute_response(turn: Turn) -> JsonObject:
    """Return what a turn came to."""
    view = turn.view
    is_waiting = view.status is RunStatus.WAITING
    return {
        "run_id": turn.run_id,
        "status": view.status.value,
        "turn_number": view.turn_number,
        "events": [*(view.events or [])],
        "is_waiting_for_input": is_waiting,
        "is_completed": view.status.is_terminal,
        "error": view.error,
        "next_input_hint": view.hint if is_waiting else None,
        "has_active_companions": False,
        "has_background_work": False,
    }


def run_envelope(
    record: RunRecord, pairs: Sequence[JsonValue], feedback: Sequence[Feedback]
) -> JsonObject:
    """Return a run with everything that is kept of it; keys of models are masked."""
    graph = {} if record.start is None else record.start.graph.model_dump(mode="json")
    state = _state(record) | {
        "input_output_pairs": with_feedback(pairs, feedback),
        "comments": said_of(feedback, Target("run"))["comments"],
        "event_ratings": ratings_of_events(feedback),
        "llm_token_usage": record.usage or {},
        "llm_latency_stats": record.latency or {},
        "workflow_config_fully_hydrated": mask_keys(graph),
        "miscellaneous": {},
        "voice_conversation_id": None,
        "source_workflow_run_id": record.source_run_id,
        "checkpoint_source_turn_index": record.source_turn_index,
        "is_evaluation_run": False,
        "evaluation_run_info": None,
    }
    return {"workflow_run": _view(record, state)}


def run_list(records: Sequence[RunRecord], total: int, page: int, size: int) -> JsonObject:
    """Return a page of runs, without what was said in them."""
    rows: list[JsonValue] = [_view(record, _state(record)) for record in records]
    return {"workflow_runs": rows, "total": total, "page": page, "size": size}


def _view(record: RunRecord, state: JsonObject) -> JsonObject:
    return {
        "_id": record.id,
        "team_id": record.organization_id,
        "created_by": record.created_by,
        "updated_by": record.created_by,
        "created_at": record.created_at.isoformat(),
        "updated_at": record.updated_at.isoformat(),
        "workflow_run": state,
    }


def _state(record: RunRecord) -> JsonObject:
    return {
        "logical_id": f"workflow_run_{record.id}",
        "workflow_run_id": record.id,
        "workflow_id": record.workflow_id,
        "version_number": record.version_number,
        "version_name": record.version_name,
        "status": record.status.value,
        "termination_source": record.termination_source,
        "run_by": record.run_by,
        "error": record.error,
    }
