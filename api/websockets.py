"""Streams of events over WebSockets.

A refusal is told by the code that the socket is closed with, so each socket is accepted first.

Source: docs/api.md, "Events".
"""

import logging

from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocket, WebSocketDisconnect
from ulid import ULID

from api.replies import encode
from api.schemas.parameters import canonical_uuid
from api.services import Services, services_of
from api.sockets import Socket
from api.streams import INTERNAL_ERROR, Watch, close_code, first_of
from flows.errors import (
    EngineError,
    FlowNotFoundError,
    InvalidError,
    StoreUnavailableError,
)
from operations.caller import Caller
from operations.notifications import Following
from runtime.logs import logging_facts

POSITION_HEADER = b"x-last-event-id"
POSITION = "stream.position"

_YES = TypeAdapter(bool)

logger = logging.getLogger(__name__)


class Conversation:
    """One socket, from its opening to its end."""

    def __init__(self, websocket: WebSocket, flow_id: str) -> None:
        """Take over a socket that nobody accepted yet."""
        self._websocket = websocket
        self._socket = Socket(websocket)
        self._flow_id = flow_id

    async def hold(self) -> None:
        """Tell the reader what happens, until it is gone or let go; never raises."""
        with logging_facts(request_id=str(ULID())) as facts:
            try:
                services = self._services()
                caller = await self._caller(services)
                facts["organization_id"] = caller.organization_id
                await self._follow(services, caller)
            except (WebSocketDisconnect, ClientDisconnect):
                return
            except EngineError as error:
                await self._socket.close(close_code(error), error.message)
            except Exception:
                logger.exception("a stream of events failed")
                await self._socket.close(INTERNAL_ERROR, "something went wrong on our side")

    def _services(self) -> Services:
        services = services_of(self._websocket)
        if services.mongodb.is_down or services.mongodb.is_unusable:
            raise StoreUnavailableError("the store does not answer")
        return services

    async def _caller(self, services: Services) -> Caller:
        return await services.authenticator.authenticate("GET", self._websocket.headers)

    async def _follow(self, services: Services, caller: Caller) -> None:
        query = self._websocket.query_params
        flow_id = self._known_flow_id()
        after = self._websocket.headers.get("last-event-id") or query.get("last_event_id")
        watch = Watch(
            services=services, flow_id=flow_id, authenticate=lambda: self._caller(services)
        )
        with_summaries, with_positions = self._flag("summaries"), self._flag("positions")
        async with services.notifications.following(
            caller, flow_id, after=after or None, summaries=with_summaries
        ) as following:
            position = str(following.position)
            await self._websocket.accept(headers=[(POSITION_HEADER, position.encode())])
            if with_positions:
                await self._socket.send(_position(flow_id, position))
            await first_of(self._listen(), self._tell(watch, following, with_positions))

    def _known_flow_id(self) -> str:
        try:
            return canonical_uuid(self._flow_id)
        except ValueError as error:
            raise FlowNotFoundError("no such flow") from error

    def _flag(self, name: str) -> bool:
        """Return a parameter that is true or false.

        Raises:
            InvalidError: It is neither.
        """
        try:
            return _YES.validate_python(self._websocket.query_params.get(name, False))
        except ValidationError as error:
            raise InvalidError(f"{name} is neither true nor false") from error

    async def _tell(self, watch: Watch, following: Following, with_positions: bool) -> None:
        async for told in watch.told(following):
            if told.message is not None:
                await self._socket.send(told.message)
            elif with_positions:
                await self._socket.send(_position(watch.flow_id, told.position))

    async def _listen(self) -> None:
        """Wait until the reader is gone; whatever it says means nothing."""
        while (await self._websocket.receive())["type"] != "websocket.disconnect":
            pass


def _position(flow_id: str, position: str) -> bytes:
    return encode({"id": position, "type": POSITION, "flow_id": flow_id})
