"""Webhooks: posts from outside that start flows."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response, status

from api.bodies import read_json
from api.deps import WebhooksDep
from api.replies import reply
from api.routing import PublicRoute
from api.schemas.errors import refusals
from api.schemas.parameters import APublicFlowId
from api.schemas.webhooks import A_POSTED_OBJECT, WebhookStartResponse

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"], route_class=PublicRoute)

DeliveryId = Annotated[
    str | None,
    Header(
        alias="X-Delivery-Id",
        min_length=1,
        max_length=255,
        description="The same id and object within 24 hours start one execution.",
    ),
]
Signature = Annotated[
    str | None,
    Header(
        alias="X-Signature",
        max_length=200,
        description="`sha256=` and the hex HMAC-SHA256 of the body, where the task has a secret.",
    ),
]


@router.post(
    "/{flow_id}/{task_name:path}",
    summary="Start a flow by a post",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=WebhookStartResponse,
    responses=refusals(400, 404, 409, 413, 422, 429, 500),
    openapi_extra={"requestBody": A_POSTED_OBJECT, "security": []},
)
async def start_by_webhook(
    flow_id: APublicFlowId,
    task_name: str,
    request: Request,
    webhooks: WebhooksDep,
    delivery_id: DeliveryId = None,
    signature: Signature = None,
) -> Response:
    """Start the flow's latest version on the posted object; needs no credential."""
    webhook = await webhooks.find(flow_id, task_name)
    body = await request.body()
    webhook.require_signature(body, signature)
    record = await webhooks.start(webhook, read_json(body), delivery_id)
    return reply({"flow_execution_id": record.id}, status.HTTP_202_ACCEPTED)
