"""Data from outside for tasks that wait for it."""

from fastapi import APIRouter, Response

from api.deps import CallerDep, WebhookSubmissionsDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.parameters import AnExecutionId
from api.schemas.webhook_data import WebhookDataAckResponse, WebhookDataCreateRequest

router = APIRouter(prefix="/api/flow-executions", tags=["webhook-data"], route_class=ProtectedRoute)


@router.post(
    "/{flow_execution_id}/webhook-data",
    summary="Submit data for a waiting task",
    response_model=WebhookDataAckResponse,
    responses=refusals(400, 403, 404, 409, 413, 422, 500),
)
async def receive_webhook_data(
    flow_execution_id: AnExecutionId,
    body: WebhookDataCreateRequest,
    caller: CallerDep,
    submissions: WebhookSubmissionsDep,
) -> Response:
    """Store data for a task and wake it; before it waits, too. The same data again is harmless."""
    stored = await submissions.submit(caller, flow_execution_id, body.task_name, body.data)
    return reply({"id": stored.id, "status": stored.status})
