"""Streams of interactive runs: what they tell, while they tell it."""

from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response, WebSocket, status
from pydantic import AfterValidator, Field
from pydantic.json_schema import SkipJsonSchema

from api.deps import TeamCallerDep, ensure_own_team
from api.query_token import PARAMETER
from api.routing import ProtectedRoute
from api.run_sockets import RunConversation
from api.run_streams import RunWatch, ending
from api.schemas.parameters import within_reach
from api.schemas.v1_errors import v1_refusals
from api.schemas.workflows import AnObjectId
from api.server_sent import MEDIA_TYPE, EventStreamResponse
from api.services import services_of
from operations.caller import Caller

router = APIRouter(prefix="/v1/workflow-runs", tags=["workflow-runs"], route_class=ProtectedRoute)
sockets = APIRouter()

_STREAM = {
    "description": "Events as server-sent events, until the run has ended.",
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
}
_NOTHING_LEFT = {"description": "The run has ended, and all its events were received."}

Received = Annotated[
    Annotated[int, Field(ge=0)] | SkipJsonSchema[None],
    Header(alias="Last-Event-ID", description="How many events were received."),
    AfterValidator(lambda value: None if value is None else within_reach(value)),
]
ReceivedInQuery = Annotated[
    Annotated[int, Field(ge=0)] | SkipJsonSchema[None],
    Query(alias="last_event_id", description="The same, where headers cannot be chosen."),
    AfterValidator(lambda value: None if value is None else within_reach(value)),
]
Deltas = Annotated[
    bool, Query(description="Whether to tell what models say while they say it, too.")
]
TokenInQuery = Annotated[
    str | None,
    Query(
        alias=PARAMETER,
        description="An API key or a bearer token, where headers cannot be chosen.",
    ),
]


@router.get(
    "/{workflow_run_id}/events",
    summary="Listen to a run",
    status_code=status.HTTP_200_OK,
    response_class=Response,
    responses={200: _STREAM, 204: _NOTHING_LEFT, **v1_refusals(404, 422, 429, 500)},
)
async def listen_to_workflow_run(
    workflow_run_id: AnObjectId,
    request: Request,
    caller: TeamCallerDep,
    received: Received = None,
    received_in_query: ReceivedInQuery = None,
    deltas: Deltas = True,
    token: TokenInQuery = None,
) -> Response:
    """Tell the events of a run, from the first one or behind those received, as they happen."""
    services = services_of(request)

    async def authenticate() -> Caller:
        found = await services.authenticator.authenticate(request.method, request.headers)
        ensure_own_team(found, request.headers)
        return found

    after = received_in_query if received is None else received
    watch = RunWatch(
        services=services, run_id=workflow_run_id, authenticate=authenticate, with_deltas=deltas
    )
    async with AsyncExitStack() as stack:
        listening = await stack.enter_async_context(
            services.run_listening.listening(caller, workflow_run_id, after=after or 0)
        )
        if after is not None and listening.is_over:
            # So a browser does not come back again and again.
            return Response(status_code=status.HTTP_204_NO_CONTENT)
        return EventStreamResponse(
            watch.told(listening),
            str(listening.told),
            stack.pop_all(),
            lambda: ending(listening),
        )


@sockets.websocket("/v1/workflow-runs/ws")
async def talk_to_workflow_run(websocket: WebSocket) -> None:
    """Run turns, and tell their events as they happen."""
    await RunConversation(websocket).hold()
