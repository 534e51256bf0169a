"""Messages about what happened to a flow."""

from datetime import datetime
from typing import cast

from pydantic import JsonValue
from typing_extensions import TypedDict

from api.replies import encode
from api.schemas.parameters import AUuid
from api.schemas.task_outputs import task_summary_view
from operations.fan_out import Event
from store.models import TaskOutputRecord
from store.notices import NoticeKind

MAX_SUMMARY_BYTES = 64 * 1024


class EventMessage(TypedDict):
    """What happened; ``id`` is where to go on from after it."""

    id: str
    type: NoticeKind
    flow_id: AUuid
    flow_execution_id: AUuid
    task_name: str | None
    status: str | None
    data: dict[str, JsonValue]
    timestamp: datetime


def event_message(event: Event, output: TaskOutputRecord | None) -> EventMessage:
    """Return an event as it is told.

    Args:
        output: The task output that it is about, where its summary is to be told; None if it is
            gone.
    """
    notice = event.notice
    shown = _summary(output) if notice.kind is NoticeKind.TASK_OUTPUT_SUMMARY else {}
    return {
        "id": str(event.position),
        "type": notice.kind,
        "flow_id": notice.flow.flow_id,
        "flow_execution_id": notice.flow_execution_id,
        "task_name": notice.task_name,
        "status": notice.status,
        "data": {**notice.data, **shown},
        "timestamp": notice.at,
    }


def _summary(output: TaskOutputRecord | None) -> dict[str, JsonValue]:
    """Return a task output as its summary shows it; a large one has to be asked for."""
    if output is None:
        return {"summary": None, "summary_omitted": True}
    shown = cast(dict[str, JsonValue], task_summary_view(output))
    is_large = len(encode(output.summary)) > MAX_SUMMARY_BYTES
    return {
        **shown,
        "error": output.error,
        "summary": None if is_large else output.summary,
        "summary_omitted": is_large,
    }
