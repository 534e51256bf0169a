"""How a run begins: the version that it takes, and the record that is written before it starts."""

from dataclasses import dataclass

from contracts.runs import InteractiveRunStart, TurnGiven
from dialogs.model import Graph
from dialogs.state import Fixed, RunState, RunStatus
from operations.caller import Caller
from store.clock import now
from store.interactive_runs import RunRecord, new_run_id

TURNS_A_HISTORY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A version of a workflow as a run takes it: whatever changes later, it does not.

    Attributes:
        max_open_runs: How many runs of the workflow may be open at once; None for any number.
    """

    workflow_id: str
    name: str
    version_number: int
    version_name: str | None
    graph: Graph
    fixed: Fixed
    max_open_runs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """The turn of another run that a run begins with.

    Attributes:
        state: What that run remembered before the turn, as this one's graph can take it.
    """

    run_id: str
    turn_index: int
    state: RunState


def beginning(
    caller: Caller,
    workflow: Resolved,
    first: TurnGiven,
    *,
    is_keyed: bool,
    turns_a_history: int = TURNS_A_HISTORY,
    repeated: Repeated | None = None,
) -> RunRecord:
    """Return what is written of a run before it starts, with all that it takes to start it."""
    run_id, at = new_run_id(), now()
    state = None
    if repeated is not None:
        state = repeated.state.model_copy(update={"run_id": run_id})
    start = InteractiveRunStart(
        organization_id=caller.organization_id,
        workflow_id=workflow.workflow_id,
        workflow_name=workflow.name,
        version_number=workflow.version_number,
        run_id=run_id,
        graph=workflow.graph,
        fixed=workflow.fixed,
        queued=[first],
        state=state,
        turns_a_history=turns_a_history,
    )
    return RunRecord(
        id=run_id,
        organization_id=caller.organization_id,
        workflow_id=workflow.workflow_id,
        version_number=workflow.version_number,
        version_name=workflow.version_name,
        status=RunStatus.NOT_STARTED,
        turn_number=0 if state is None else state.turn_number,
        input_id=first.input_id,
        is_keyed=is_keyed,
        run_by=first.run_input.run_by,
        created_by=caller.user_id,
        created_at=at,
        updated_at=at,
        source_run_id=None if repeated is None else repeated.run_id,
        source_turn_index=None if repeated is None else repeated.turn_index,
        start=start,
    )
