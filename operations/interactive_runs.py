"""Use cases of interactive runs: turns, stop, reading, deleting."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from pydantic import JsonValue

from contracts.runs import (
    REMEMBERED_INPUTS,
    Answer,
    AnswerKind,
    StopAsked,
    TurnGiven,
    TurnView,
)
from dialogs.state import RunInput, RunStatus
from dialogs.turns import start_node
from flows.errors import (
    InteractiveRunEndedError,
    InteractiveRunNotFoundError,
    InvalidError,
    TemporalUnavailableError,
    TurnUnderWayError,
)
from operations.caller import Caller, Role
from operations.run_beginnings import TURNS_A_HISTORY, Resolved, beginning
from operations.run_inputs import (
    id_of_messages,
    refuse_other,
    refuse_other_beginning,
    refuse_unusable,
)
from runtime.run_gateway import RunGateway
from store.interactive_runs import RunQuery, RunRecord, RunRepository


class Workflows(Protocol):
    """Where workflows are found."""

    async def resolved(
        self, caller: Caller, workflow_id: str, version_number: int | None
    ) -> Resolved:
        """Return a version of a workflow, the active one unless given."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn as a caller is told it."""

    run_id: str
    view: TurnView


class InteractiveRuns:
    """What callers may do with interactive runs.

    A turn that outlasts its caller goes on; the same input handed in again finds it.
    """

    def __init__(
        self,
        workflows: Workflows,
        runs: RunRepository,
        gateway: RunGateway,
        *,
        turns_a_history: int = TURNS_A_HISTORY,
    ) -> None:
        """Borrow everything."""
        self._turns_a_history = turns_a_history
        self._workflows = workflows
        self._runs = runs
        self._gateway = gateway

    async def execute(
        self,
        caller: Caller,
        workflow_id: str,
        given: RunInput,
        *,
        run_id: str | None = None,
        version_number: int | None = None,
        key: str | None = None,
    ) -> Turn:
        """Run one turn: the first of a new run, or the next of one that waits; or stop the run.

        Args:
            run_id: The run to continue; without one a run begins.
            version_number: Of a run that begins; the active one unless given.
            key: Chosen by the caller: the same key leads to the same turn.

        Raises:
            ForbiddenError: The role may not run workflows.
            NotFoundError: No such workflow, version or run.
            InvalidError: The graph has no start node; or only a run could be told that.
            InteractiveRunEndedError: The run is at its end.
            TurnUnderWayError: Another input came first.
            RateLimitedError: Too many wait for this run, or too many of the workflow are open.
            IdempotencyConflictError: The key, or the ids of the messages, came with other input.
            UnavailableError: The store or Temporal does not answer; hand it in again.
        """
        caller.require(Role.INTEGRATION, "run workflows")
        refuse_unusable(given, run_id)
        named = key or id_of_messages(given)
        input_id = named or str(uuid4())
        if run_id is None:
            return await self._begin(
                caller, workflow_id, given, version_number, input_id, is_keyed=key is not None
            )
        if given.command == "stop":
            return await self._stop(await self._of_workflow(caller, workflow_id, run_id), input_id)
        record = await self._of_workflow(caller, workflow_id, run_id)
        if named is None:
            return await self._continue(record, given, input_id)
        return await self._once(record, given, named)

    async def start(
        self,
        caller: Caller,
        workflow_id: str,
        given: RunInput,
        version_number: int | None,
        *,
        key: str,
    ) -> RunRecord:
        """Record a run and start it, without waiting for its first turn. Repeatable by the key.

        Raises:
            As ``execute``.
        """
        caller.require(Role.INTEGRATION, "run workflows")
        refuse_unusable(given, None)
        record = await self._opened(caller, workflow_id, given, version_number, key, is_keyed=True)
        if record.start is not None and not record.status.is_terminal:
            await self._gateway.start(record.start)
        return record

    async def open(
        self,
        caller: Caller,
        workflow_id: str,
        given: RunInput,
        *,
        version_number: int | None = None,
    ) -> RunRecord:
        """Record a run, for whoever wants to know its id before its ``first_turn``.

        Raises:
            ForbiddenError: The role may not run workflows.
            NotFoundError: No such workflow or version.
            InvalidError: The graph has no start node; or only a run could be told that.
        """
        caller.require(Role.INTEGRATION, "run workflows")
        refuse_unusable(given, None)
        input_id = id_of_messages(given) or str(uuid4())
        return await self._opened(
            caller, workflow_id, given, version_number, input_id, is_keyed=False
        )

    async def first_turn(self, record: RunRecord) -> Turn:
        """Start a run that ``open`` recorded, and wait for its first turn.

        Raises:
            RateLimitedError: Too many wait for this run.
            UnavailableError: The store or Temporal does not answer.
        """
        return await self._started(record)

    async def get(self, caller: Caller, run_id: str) -> tuple[RunRecord, Sequence[JsonValue]]:
        """Return a run with its start message, and what is kept of its turns.

        Raises:
            InteractiveRunNotFoundError: No such run.
        """
        caller.require(Role.PUBLISHER, "see runs")
        record = await self._runs.with_start(caller.organization_id, run_id)
        return record, await self._runs.pairs(caller.organization_id, run_id)

    async def list(self, caller: Caller, query: RunQuery) -> tuple[list[RunRecord], int]:
        """Return a page of runs, newest first, and how many there are."""
        caller.require(Role.PUBLISHER, "see runs")
        return await self._runs.list(caller.organization_id, query)

    async def delete(self, caller: Caller, run_id: str) -> None:
        """End a run if it has not ended, and delete it with its turns.

        Raises:
            InteractiveRunNotFoundError: No such run.
        """
        caller.require(Role.INTEGRATION, "delete runs")
        record = await self._runs.get(caller.organization_id, run_id)
        if not record.status.is_terminal:
            await self._gateway.stop(run_id, StopAsked(input_id=str(uuid4())))
        if not await self._runs.delete(caller.organization_id, run_id):
            raise InteractiveRunNotFoundError("no such run", run_id=run_id)

    async def delete_of_workflow(self, caller: Caller, workflow_id: str) -> None:
        """End a workflow's runs that have not ended, and delete all of them with their turns."""
        organization_id = caller.organization_id
        for run_id in await self._runs.open_of_workflow(organization_id, workflow_id):
            await self._gateway.stop(run_id, StopAsked(input_id=str(uuid4())))
        await self._runs.delete_of_workflow(organization_id, workflow_id)

    async def _begin(
        self,
        caller: Caller,
        workflow_id: str,
        given: RunInput,
        version_number: int | None,
        input_id: str,
        *,
        is_keyed: bool,
    ) -> Turn:
        """Record a run, start it, and wait for its first turn."""
        record = await self._opened(
            caller, workflow_id, given, version_number, input_id, is_keyed=is_keyed
        )
        told = await self._told_before(record, given, input_id) if record.turn_number else None
        return told or await self._started(record)

    async def _once(self, record: RunRecord, given: RunInput, named: str) -> Turn:
        """Hand in the next input, or return what the same one led to before.

        The record is asked first where the run may have forgotten, and else at the same time: a run
        makes no second turn of an input that it remembers.
        """
        if record.status.is_terminal or record.turn_number >= REMEMBERED_INPUTS:
            told = await self._told_before(record, given, named)
            return told or await self._continue(record, given, named)
        asked = asyncio.create_task(self._told_before(record, given, named))
        going_on = asyncio.create_task(self._continue(record, given, named))
        try:
            return await asked or await going_on
        finally:
            asked.cancel()
            going_on.cancel()
            await asyncio.gather(asked, going_on, return_exceptions=True)

    async def _told_before(self, record: RunRecord, given: RunInput, named: str) -> Turn | None:
        """Return the turn that an input led to before.

        Raises:
            IdempotencyConflictError: It was another input.
        """
        found = await self._runs.turn_of(record.organization_id, record.id, named)
        if found is None:
            return None
        refuse_other(found.run_input, given)
        return Turn(record.id, found.turn)

    async def _opened(
        self,
        caller: Caller,
        workflow_id: str,
        given: RunInput,
        version_number: int | None,
        input_id: str,
        *,
        is_keyed: bool,
    ) -> RunRecord:
        """Record a run, or return the one that its key made before.

        The record comes first: a process that dies in between leaves a run that the same key, or
        the reconciler, starts.
        """
        workflow = await self._workflows.resolved(caller, workflow_id, version_number)
        if start_node(workflow.graph) is None:
            raise InvalidError("the graph has no start node")
        record = beginning(
            caller,
            workflow,
            TurnGiven(input_id=input_id, run_input=given),
            is_keyed=is_keyed,
            turns_a_history=self._turns_a_history,
        )
        made = await self._runs.create(record, workflow.max_open_runs)
        if made.id != record.id:
            refuse_other_beginning(made, given, version_number)
        return made

    async def _started(self, record: RunRecord) -> Turn:
        if record.start is None:
            raise TypeError("a run without its start message")
        answer = await self._gateway.begin(record.start)
        return await self._told(record, record.input_id, answer)

    async def _continue(self, record: RunRecord, given: RunInput, input_id: str) -> Turn:
        """Hand in the next input."""
        if record.status.is_terminal:
            raise InteractiveRunEndedError(f"the run is {record.status}", status=record.status)
        if record.status is RunStatus.NOT_STARTED:
            # Nobody waits for its first turn here: until that is over any other is a conflict.
            whole = await self._runs.with_start(record.organization_id, record.id)
            if whole.start is not None:
                await self._gateway.start(whole.start)
        turn = TurnGiven(input_id=input_id, expected_turn=record.turn_number + 1, run_input=given)
        return await self._told(record, input_id, await self._gateway.post(record.id, turn))

    async def _stop(self, record: RunRecord, input_id: str) -> Turn:
        if input_id in record.ended_by:
            return Turn(record.id, await self._recorded(record, input_id))
        if record.status.is_terminal:
            raise InteractiveRunEndedError(f"the run is {record.status}", status=record.status)
        answer = await self._gateway.stop(record.id, StopAsked(input_id=input_id))
        return await self._told(record, input_id, answer)

    async def _told(self, record: RunRecord, input_id: str, answer: Answer | None) -> Turn:
        """Return what an input led to, from the run's answer or, where it has none, its record."""
        kind = AnswerKind.ENDED if answer is None else answer.kind
        if answer is not None and answer.turn is not None and answer.turn.events is not None:
            return Turn(record.id, answer.turn)
        if kind in (AnswerKind.TURN, AnswerKind.ENDED):
            return Turn(record.id, await self._recorded(record, input_id))
        if kind is AnswerKind.RUNNING:
            return Turn(
                record.id,
                TurnView(turn_number=record.turn_number + 1, status=RunStatus.RUNNING, events=[]),
            )
        if kind is AnswerKind.CONFLICT:
            raise TurnUnderWayError("another turn of this run is under way, or came first")
        raise TemporalUnavailableError("the run did not take the input")

    async def _recorded(self, record: RunRecord, input_id: str) -> TurnView:
        """Return what the store knows of an input, once its run has nothing more to say."""
        found = await self._runs.turn_of(record.organization_id, record.id, input_id)
        if found is not None:
            return found.turn
        current = await self._runs.get(record.organization_id, record.id)
        if input_id in current.ended_by:
            return _cancelled(current)
        if current.status.is_terminal:
            raise InteractiveRunEndedError(f"the run is {current.status}", status=current.status)
        raise TemporalUnavailableError("the run has not said how it ended")

    async def _of_workflow(self, caller: Caller, workflow_id: str, run_id: str) -> RunRecord:
        """Return a run; one of another workflow looks absent."""
        record = await self._runs.get(caller.organization_id, run_id)
        if record.workflow_id != workflow_id:
            raise InteractiveRunNotFoundError("no such run", run_id=run_id)
        return record


def _cancelled(record: RunRecord) -> TurnView:
    return TurnView(turn_number=record.turn_number, status=record.status, events=[])
