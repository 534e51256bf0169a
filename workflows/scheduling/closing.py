"""Shows how an attempt ended that no interceptor of ours stood around."""

from datetime import datetime, timedelta

from pydantic import JsonValue
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

from contracts.messages import CloseTaskCall, CloseTaskReply, TaskCall, TaskError
from contracts.names import CLOSE_TASK

_TIMEOUT = timedelta(seconds=5)


async def show_end(
    call: TaskCall,
    attempt: int,
    began_at: datetime,
    *,
    output: JsonValue = None,
    digest: str = "",
    error: TaskError | None = None,
) -> None:
    """Tell the read model, once; what it does not take, settling repairs."""
    ended = CloseTaskCall(
        call=call,
        attempt=attempt,
        output=output,
        output_digest=digest,
        error=error,
        began_at=began_at,
        ended_at=workflow.now(),
    )
    try:
        await workflow.execute_local_activity(
            CLOSE_TASK,
            ended,
            result_type=CloseTaskReply,
            start_to_close_timeout=_TIMEOUT,
            retry_policy=RetryPolicy(maximum_attempts=1),
            cancellation_type=ActivityCancellationType.ABANDON,
            summary="record the end of an attempt",
        )
    except FailureError as fault:
        if is_cancelled_exception(fault):
            raise
        workflow.logger.warning("end of an attempt not shown yet", extra={"error": str(fault)})
