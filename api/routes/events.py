"""Streams of events: what happens to a flow, while it happens."""

from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response, WebSocket, status

from api.deps import CallerDep
from api.query_token import PARAMETER
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.parameters import AFlowId
from api.server_sent import MEDIA_TYPE, EventStreamResponse
from api.services import services_of
from api.streams import Watch
from api.websockets import Conversation
from operations.caller import Caller

router = APIRouter(prefix="/api/flows", tags=["flows"], route_class=ProtectedRoute)
sockets = APIRouter()

_STREAM = {
    "description": "Messages as server-sent events, without an end.",
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
}

LastEventId = Annotated[
    str | None, Header(max_length=100, description="Id of the last event that was received.")
]
LastEventIdInQuery = Annotated[
    str | None, Query(max_length=100, description="The same, where headers cannot be chosen.")
]
Summaries = Annotated[
    bool, Query(description="Whether to tell of task outputs with their summaries, too.")
]
TokenInQuery = Annotated[
    str | None,
    Query(
        alias=PARAMETER,
        description="An API key or a bearer token, where headers cannot be chosen.",
    ),
]


@router.get(
    "/{flow_id}/events",
    summary="Follow a flow",
    status_code=status.HTTP_200_OK,
    response_class=Response,
    responses={200: _STREAM, **refusals(403, 404, 409, 422, 429, 500)},
)
async def follow_flow(
    flow_id: AFlowId,
    request: Request,
    caller: CallerDep,
    last_event_id: LastEventId = None,
    last_event_id_in_query: Annotated[LastEventIdInQuery, Query(alias="last_event_id")] = None,
    summaries: Summaries = False,
    token: TokenInQuery = None,
) -> Response:
    """Tell what happens to the executions of a flow, from now on or after an event."""
    services = services_of(request)

    async def authenticate() -> Caller:
        return await services.authenticator.authenticate(request.method, request.headers)

    watch = Watch(services=services, flow_id=flow_id, authenticate=authenticate)
    async with AsyncExitStack() as stack:
        following = await stack.enter_async_context(
            services.notifications.following(
                caller,
                flow_id,
                after=last_event_id or last_event_id_in_query,
                summaries=summaries,
            )
        )
        position = str(following.position)
        return EventStreamResponse(watch.told(following), position, stack.pop_all())


@sockets.websocket("/ws/flows/{flow_id}")
@sockets.websocket("/api/ws/flows/{flow_id}")
async def converse(websocket: WebSocket, flow_id: str) -> None:
    """Tell the same over a WebSocket."""
    await Conversation(websocket, flow_id).hold()
