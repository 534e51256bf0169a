"""Runs that begin in the middle of another, as callers send and see them.

Source: docs/workflows-api.md, "Re-runs".
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import TypedDict

from api.schemas.workflows import Number
from dialogs.carrying_over import Mode, NodeMatch
from operations.run_reruns import Asked, IssuedToken, Plan

JsonObject = dict[str, JsonValue]
ModeWord = Literal["EXACT", "REMAPPED", "PORTABLE"]
LogicalId = Annotated[str, Field(min_length=1, max_length=1_000)]


class RerunRequest(BaseModel):
    """What a re-run is to be like; all of it may be left out."""

    model_config = ConfigDict(extra="ignore")

    version_number: Number | None = None
    entry_node_logical_id: LogicalId | None = None
    dynamic_variables: JsonObject | None = None
    runtime_variables: JsonObject | None = None

    def changes(self) -> JsonObject:
        """Return what was sent; a null takes back what was asked before."""
        sent = self.model_dump(mode="json", exclude_unset=True)
        variables = ("dynamic_variables", "runtime_variables")
        return {
            name: {} if name in variables and each is None else each for name, each in sent.items()
        }

    def asked(self) -> Asked:
        """Return what is asked for."""
        return Asked.model_validate(self.changes())


class RerunnableTurn(TypedDict):
    """Whether a turn can be repeated, and how often it was."""

    turn_index: int
    rerunnable: bool
    reason: str | None
    rerun_count: int


class RerunnableTurnsResponse(TypedDict):
    """The turns of a run."""

    workflow_run_id: str
    turns: list[RerunnableTurn]


class NodeMatchView(TypedDict):
    """A node that the run was at, and the one that takes its place."""

    source_node_logical_id: str
    source_node_name: str
    target_node_logical_id: str | None
    matched_by: Literal["logical_id", "name"] | None


class EntryNodeView(TypedDict):
    """A node where a re-run could go on."""

    logical_id: str
    name: str
    type: str


class PreflightResponse(TypedDict):
    """What a re-run would be like."""

    rerunnable: bool
    resolved_mode: ModeWord
    node_matches: list[NodeMatchView]
    carries_over: list[str]
    dropped: list[str]
    unmapped_node_ids: list[str]
    suggested_entry_nodes: list[EntryNodeView]
    warnings: list[str]


class RerunTokenResponse(TypedDict):
    """A token, and what the run that it begins is like."""

    rerun_token: str
    expires_in_seconds: int
    restored_message_count: int
    resolved_mode: ModeWord
    version_number: int
    entry_node_logical_id: str | None
    warnings: list[str]


class RerunStartedResponse(TypedDict):
    """A run that has begun."""

    workflow_run_id: str
    status: Literal["started"]
    resolved_mode: ModeWord


def rerunnable_turns(run_id: str, counts: list[int]) -> RerunnableTurnsResponse:
    """Return the turns of a run; each that has ended can be repeated."""
    return {
        "workflow_run_id": run_id,
        "turns": [
            {"turn_index": index, "rerunnable": True, "reason": None, "rerun_count": count}
            for index, count in enumerate(counts)
        ],
    }


def preflight(plan: Plan) -> PreflightResponse:
    """Return what a re-run would be like."""
    carried = plan.carried
    return {
        "rerunnable": True,
        "resolved_mode": _word(carried.mode),
        "node_matches": [_match(each) for each in carried.matches],
        "carries_over": carried.kept,
        "dropped": carried.dropped,
        "unmapped_node_ids": carried.unmapped,
        "suggested_entry_nodes": [
            {"logical_id": each.logical_id, "name": each.shown_name, "type": each.type}
            for each in carried.suggested_entries
        ],
        "warnings": carried.warnings,
    }


def issued_token(issued: IssuedToken) -> RerunTokenResponse:
    """Return a token with what it stands for."""
    plan = issued.plan
    return {
        "rerun_token": issued.token,
        "expires_in_seconds": max(0, int(issued.expires_in.total_seconds())),
        "restored_message_count": len(plan.carried.state.main.messages),
        "resolved_mode": _word(plan.carried.mode),
        "version_number": plan.workflow.version_number,
        "entry_node_logical_id": plan.asked.entry_node_logical_id,
        "warnings": plan.carried.warnings,
    }


def rerun_started(run_id: str, plan: Plan) -> RerunStartedResponse:
    """Return a run that has begun."""
    return {
        "workflow_run_id": run_id,
        "status": "started",
        "resolved_mode": _word(plan.carried.mode),
    }


def _match(match: NodeMatch) -> NodeMatchView:
    return {
        "source_node_logical_id": match.source.logical_id,
        "source_node_name": match.source.shown_name,
        "target_node_logical_id": None if match.target is None else match.target.logical_id,
        "matched_by": match.by,
    }


def _word(mode: Mode) -> ModeWord:
    return mode.value
