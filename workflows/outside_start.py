"""Where plain Temporal clients have flows and interactive runs started.

A run begins with its record, which only the platform writes: so clients start one of these, whose
id is the key that makes a repeated start harmless.

Source: docs/temporal-contract.md; docs/decisions/0055-doors-for-temporal-clients.md.
"""

from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from contracts.names import (
    RECORD_AND_START_FLOW,
    RECORD_AND_START_RUN,
    START_FLOW_EXECUTION,
    START_INTERACTIVE_RUN,
)
from contracts.starts import FlowStarted, RunStarted, StartFlowAsked, StartRunAsked

INVALID_START = "InvalidStart"

_TIMEOUT = timedelta(seconds=60)
_LONGEST = timedelta(hours=12)
_LONGEST_DELAY = timedelta(seconds=30)

_Asked = TypeVar("_Asked", StartFlowAsked, StartRunAsked)
_Reply = TypeVar("_Reply", bound=BaseModel)


@workflow.defn(name=START_FLOW_EXECUTION)
class StartFlowExecutionWorkflow:
    """Has one execution of a flow recorded and started."""

    @workflow.run
    async def run(self, asked: Any) -> FlowStarted:
        """Return what was started.

        Raises:
            ApplicationError: The payload is malformed.
            ActivityError: It was refused; the cause's type is a code.
        """
        return await _done(RECORD_AND_START_FLOW, _read(asked, StartFlowAsked), FlowStarted)


@workflow.defn(name=START_INTERACTIVE_RUN)
class StartInteractiveRunWorkflow:
    """Has one interactive run recorded and started."""

    @workflow.run
    async def run(self, asked: Any) -> RunStarted:
        """Return what was started.

        Raises:
            ApplicationError: The payload is malformed.
            ActivityError: It was refused; the cause's type is a code.
        """
        return await _done(RECORD_AND_START_RUN, _read(asked, StartRunAsked), RunStarted)


def _read(asked: Any, kind: type[_Asked]) -> _Asked:
    """Read a payload here: one that the SDK cannot read would be tried for ever."""
    try:
        read = kind.model_validate(asked)
    except ValidationError as error:
        raise ApplicationError(str(error), type=INVALID_START, non_retryable=True) from error
    return read.model_copy(update={"key": workflow.info().workflow_id})


async def _done(activity: str, asked: BaseModel, reply: type[_Reply]) -> _Reply:
    told: _Reply = await workflow.execute_activity(
        activity,
        asked,
        result_type=reply,
        start_to_close_timeout=_TIMEOUT,
        schedule_to_close_timeout=_LONGEST,
        retry_policy=RetryPolicy(maximum_interval=_LONGEST_DELAY),
        summary="record and start",
    )
    return told
