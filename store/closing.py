"""The write that closes an execution.

Source: docs/decisions/0006-settling.md.
"""

from pymongo import UpdateOne

from contracts.messages import SettleExecutionCall
from store.clock import now
from store.fence import Fence
from store.rows import SYSTEM
from store.staleness import status_at_close
from store.values import encode


def closing(call: SettleExecutionCall, fence: Fence) -> UpdateOne:
    """Return what sets the final status; ``deleted`` stays, and so does what came between."""
    context = call.context
    at = now()
    error = None
    if call.error is not None:
        error = encode({**call.error.model_dump(), "task_name": call.failed_task})
    return UpdateOne(
        {
            "_id": context.flow_execution_id,
            "generation": context.generation,
            "is_open": fence.is_open,
            **({} if fence.is_open else {"status": fence.status.value}),
        },
        [
            {
                "$set": {
                    "status": status_at_close(call.status, context.edits),
                    "is_open": False,
                    "closed_at": at,
                    "updated_at": at,
                    "modified_by": SYSTEM,
                    "started_generation": context.generation,
                    "error": error,
                    **({"queued_at": "$$REMOVE"} if fence.is_counted else {}),
                }
            }
        ],
    )
