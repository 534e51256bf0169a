"""All that we ask of Temporal about interactive runs, and what it answers, translated.

An input travels with the wait for its answer: nothing is written before a worker has taken it, and
then everything at once. If none does, a signal keeps it. A stop and the wait for it leave at the
same moment: nearly always the server hands both to one workflow task.

Source: docs/decisions/0048-turns-over-temporal.md and 0060-inputs-travel-with-updates.md.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from contracts.messages import Message
from contracts.names import (
    AWAIT_INPUT,
    INTERACTIVE_RUN,
    INTERACTIVE_WORKFLOW_ID,
    ORGANIZATION_ID,
    STOP,
    USER_INPUT,
    run_workflow_id,
)
from contracts.runs import (
    Answer,
    AnswerKind,
    AwaitInput,
    InteractiveRunStart,
    StopAsked,
    TurnGiven,
)
from flows.errors import RateLimitedError, TemporalUnavailableError
from runtime.rpc_faults import WorkflowNotFoundError, translated

SIGNAL_TIMEOUT = timedelta(seconds=2)
UNHEARD = timedelta(seconds=1)
"""After that long without an answer, an input is kept by the server, should no worker be there."""

PATIENCE = timedelta(seconds=55)
"""Longer than a run lets anybody wait, shorter than callers do."""

MAX_MOVES = 5

_KEYWORD = SearchAttributeKey.for_keyword


class RunGateway:
    """Begins runs, hands inputs in and waits for their answers."""

    def __init__(self, client: Client, task_queue: str) -> None:
        """Borrow a client; runs start on the given task queue."""
        self._client = client
        self._task_queue = task_queue

    async def begin(self, start: InteractiveRunStart) -> Answer | None:
        """Start a run whose first input is in the start message, and wait for its first turn.

        Repeatable: a run that was started before is asked for its answer; None if it has ended.

        Raises:
            TemporalUnavailableError: The server does not answer.
            RateLimitedError: Too many wait for this run already.
        """
        operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            INTERACTIVE_RUN,
            start,
            id=run_workflow_id(start.run_id),
            task_queue=self._task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=_search_attributes(start),
            static_summary=f"{start.workflow_name} v{start.version_number}",
            priority=Priority(fairness_key=start.organization_id),
        )
        asked = AwaitInput(input_id=start.queued[0].input_id)
        try:
            async with _waiting():
                answer: Answer = await self._client.execute_update_with_start_workflow(
                    AWAIT_INPUT,
                    asked,
                    start_workflow_operation=operation,
                    result_type=Answer,
                    rpc_timeout=PATIENCE,
                )
        except (WorkflowAlreadyStartedError, WorkflowNotFoundError):
            return None
        finally:
            await _heard(operation)
        if answer.kind is AnswerKind.MOVED:
            return await self._answer(start.run_id, asked)
        return answer

    async def start(self, start: InteractiveRunStart) -> None:
        """Start a run that nobody waits for. Repeatable.

        Raises:
            TemporalUnavailableError: The server does not answer.
        """
        async with translated():
            try:
                await self._client.start_workflow(
                    INTERACTIVE_RUN,
                    start,
                    id=run_workflow_id(start.run_id),
                    task_queue=self._task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    search_attributes=_search_attributes(start),
                    static_summary=f"{start.workflow_name} v{start.version_number}",
                    priority=Priority(fairness_key=start.organization_id),
                    rpc_timeout=SIGNAL_TIMEOUT,
                )
            except WorkflowAlreadyStartedError:
                return

    async def post(self, run_id: str, given: TurnGiven) -> Answer | None:
        """Hand in an input and wait for its answer; None if the run has ended.

        Raises:
            TemporalUnavailableError: The server does not answer; hand it in again.
            RateLimitedError: Too many wait for this run already.
        """
        asked = AwaitInput(input_id=given.input_id, given=given)
        answering = asyncio.ensure_future(self._answer(run_id, asked))
        try:
            await asyncio.wait([answering], timeout=UNHEARD.total_seconds())
            if not answering.done():
                await self._signal(run_id, USER_INPUT, given)
            return await answering
        finally:
            answering.cancel()

    async def stop(self, run_id: str, asked: StopAsked) -> Answer | None:
        """End a run as cancelled and wait for that; None if it has ended.

        Signal and update leave together; an update that finds its signal missing sends both again.
        """
        awaited = AwaitInput(input_id=asked.input_id)
        for _ in range(MAX_MOVES):
            signalled = asyncio.ensure_future(self._signal(run_id, STOP, asked))
            try:
                answer = await self._answer(run_id, awaited)
                is_told = await signalled
            finally:
                signalled.cancel()
            if answer is None or not is_told:
                return answer
            if answer.kind is not AnswerKind.UNKNOWN:
                return answer
        raise TemporalUnavailableError("the run did not take the input")

    async def _signal(self, run_id: str, signal: str, told: Message) -> bool:
        """Send a signal; False if the run has ended."""
        handle = self._client.get_workflow_handle(run_workflow_id(run_id))
        try:
            async with translated():
                await handle.signal(signal, told, rpc_timeout=SIGNAL_TIMEOUT)
        except WorkflowNotFoundError:
            return False
        return True

    async def _answer(self, run_id: str, asked: AwaitInput) -> Answer | None:
        """Wait for an answer, wherever the run goes on; None if it has ended."""
        handle = self._client.get_workflow_handle(run_workflow_id(run_id))
        for _ in range(MAX_MOVES):
            try:
                async with _waiting():
                    answer: Answer = await handle.execute_update(
                        AWAIT_INPUT, asked, result_type=Answer, rpc_timeout=PATIENCE
                    )
            except WorkflowNotFoundError:
                return None
            except WorkflowUpdateFailedError:
                # Its history ended under the update: it may go on in another one.
                continue
            if answer.kind is not AnswerKind.MOVED:
                return answer
        raise TemporalUnavailableError("the run keeps moving")


def _search_attributes(start: InteractiveRunStart) -> TypedSearchAttributes:
    return TypedSearchAttributes(
        [
            SearchAttributePair(_KEYWORD(ORGANIZATION_ID), start.organization_id),
            SearchAttributePair(_KEYWORD(INTERACTIVE_WORKFLOW_ID), start.workflow_id),
        ]
    )


async def _heard(operation: WithStartWorkflowOperation[Any, Any]) -> None:
    """Take notice of how a start ended: it says so twice, and complains if nobody listens."""
    ending = asyncio.ensure_future(operation.workflow_handle())
    await asyncio.wait([ending], timeout=0)
    if ending.done():
        ending.exception()
    else:
        ending.cancel()


@asynccontextmanager
async def _waiting() -> AsyncIterator[None]:
    """Translate what waiting for an answer may raise.

    Raises:
        TemporalUnavailableError: No answer in time, or no server.
        RateLimitedError: More callers wait for the run than it may have.
    """
    try:
        async with translated(PATIENCE):
            try:
                yield
            except RPCError as error:
                if error.status is RPCStatusCode.RESOURCE_EXHAUSTED:
                    raise RateLimitedError("too many callers wait for this run") from error
                raise
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise TemporalUnavailableError("the run does not answer in time") from error
