"""Talking to a run over a WebSocket: many turns, each event as it is told.

A turn goes on when its socket is cut; whoever comes back with the run's id and the number of events
that they have gets the rest.

Source: docs/workflows-api.md, "Streams"; docs/decisions/0052-talking-over-a-socket.md.
"""

import asyncio
import logging
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocket, WebSocketDisconnect
from ulid import ULID

from api.deps import acting, ensure_own_team
from api.errors import status_of
from api.intake import MAX_DEFINITION_BODY_BYTES
from api.mounts import refusal_at
from api.run_streams import RunWatch, ending
from api.schemas.run_events import Frame, acknowledgement, read_frame
from api.services import Services, services_of
from api.sockets import Socket
from api.streams import INTERNAL_ERROR, TOO_LARGE, close_code, first_of
from flows.errors import (
    EngineError,
    InteractiveRunEndedError,
    InvalidError,
    RateLimitedError,
    RerunTokenNotFoundError,
    StoreUnavailableError,
    TooLargeError,
)
from operations.caller import Caller
from operations.interactive_runs import Turn
from operations.run_listening import Listening
from runtime.logs import logging_facts
from store.interactive_runs import RunRecord

INVALID = 4000
NOT_FOUND = 4004
HAS_STATE = 4006
UNKNOWN_RERUN = 4007
OPENING_PATIENCE_SECONDS = 60.0
MAX_FRAME_BYTES = MAX_DEFINITION_BODY_BYTES
MAX_WAITING_FRAMES = 16

logger = logging.getLogger(__name__)

Work = Coroutine[Any, Any, Turn]


class AgreedError(Exception):
    """The conversation ends with a code that clients know."""

    def __init__(self, code: int, reason: str) -> None:
        """Keep both."""
        super().__init__(reason)
        self.code = code
        self.reason = reason


class RunConversation:
    """One socket, from its handshake to its end."""

    def __init__(self, websocket: WebSocket) -> None:
        """Take over a socket that nobody accepted yet."""
        self._websocket = websocket
        self._socket = Socket(websocket)
        self._waiting: asyncio.Queue[Frame] = asyncio.Queue(MAX_WAITING_FRAMES)

    async def hold(self) -> None:
        """Talk until the client is gone, or the run has ended; never raises."""
        with logging_facts(request_id=str(ULID())) as facts:
            try:
                services = self._services()
                caller = await self._caller()
            except EngineError as error:
                await self._refuse(error)
                return
            facts["organization_id"] = caller.organization_id
            await self._websocket.accept()
            try:
                await self._talk(services, caller)
            except (WebSocketDisconnect, ClientDisconnect):
                return
            except AgreedError as end:
                await self._socket.close(end.code, end.reason)
            except EngineError as error:
                await self._socket.close(_code_of(error), error.message)
            except Exception:
                logger.exception("talking to a run failed")
                await self._socket.close(INTERNAL_ERROR, "something went wrong on our side")

    def _services(self) -> Services:
        services = services_of(self._websocket)
        if services.mongodb.is_down or services.mongodb.is_unusable:
            raise StoreUnavailableError("the store does not answer")
        return services

    async def _caller(self) -> Caller:
        headers = self._websocket.headers
        caller = await services_of(self._websocket).authenticator.authenticate("POST", headers)
        ensure_own_team(caller, headers)
        return acting(caller, headers)

    async def _refuse(self, error: EngineError) -> None:
        """Answer the handshake as the same request over HTTP would be."""
        answer = refusal_at(
            self._websocket.url.path, status_of(error), error.message, error.code, request_id=None
        )
        await self._websocket.send_denial_response(answer)

    async def _talk(self, services: Services, caller: Caller) -> None:
        opening = await self._opening()
        record, work, message = await self._begun(services, caller, opening)
        after = opening.event_index
        is_new = opening.run_id is None
        try:
            async with services.run_listening.listening(
                caller, record.id, after=0 if is_new else after
            ) as listening:
                acknowledged = acknowledgement(record.id, record.workflow_id, message)
                await self._socket.send(acknowledged)
                talk = _Talk(services, caller, record, listening)
                first, work = work, None
                await first_of(
                    self._tell(services, listening),
                    self._hear(talk),
                    talk.take(first, self._waiting),
                )
        finally:
            if work is not None:
                work.close()
        await self._socket.close(*ending(listening))

    async def _opening(self) -> Frame:
        """Return the first frame.

        Raises:
            InvalidError: It does not come.
            AgreedError: It asks for what clients know we do not take.
        """
        try:
            async with asyncio.timeout(OPENING_PATIENCE_SECONDS):
                frame = await self._frame()
        except TimeoutError:
            raise InvalidError("nothing was said") from None
        if frame.given.initial_state is not None:
            raise AgreedError(HAS_STATE, "a run begins without a state: initial_state must be null")
        return frame

    async def _begun(
        self, services: Services, caller: Caller, frame: Frame
    ) -> tuple[RunRecord, Work | None, str]:
        """Return the run, what is to be done for its next turn, and what to say about it."""
        runs = services.interactive_runs
        if frame.rerun_token is not None:
            record = await _redeemed(services, caller, frame)
            return record, runs.first_turn(record), "re-run accepted"
        if frame.run_id is None:
            if frame.follows or frame.workflow_id is None:
                what = "workflow_run_id" if frame.follows else "workflow_id"
                raise InvalidError(f"{what} is missing")
            record = await runs.open(
                caller, frame.workflow_id, frame.given, version_number=frame.version_number
            )
            return record, runs.first_turn(record), "run accepted"
        record = await services.run_listening.visible(caller, frame.run_id)
        workflow_id = frame.workflow_id or record.workflow_id
        if frame.follows:
            return record, None, "run followed"
        turn = runs.execute(caller, workflow_id, frame.given, run_id=record.id)
        return record, turn, "input accepted"

    async def _tell(self, services: Services, listening: Listening) -> None:
        watch = RunWatch(
            services=services,
            run_id=listening.record.id,
            authenticate=self._caller,
            with_deltas=self._websocket.query_params.get("deltas", "true") != "false",
        )
        async for told in watch.told(listening):
            if told.message is not None:
                await self._socket.send(told.message)

    async def _hear(self, talk: "_Talk") -> None:
        """Take in what the client says, until it is gone; a stop goes before everything else."""
        while True:
            frame = await self._frame()
            if frame.run_id not in (None, talk.run_id):
                raise InvalidError("one socket talks to one run")
            if frame.given.command == "stop" and not frame.follows:
                await talk.stop(frame)
            elif not frame.follows:
                self._keep(frame)

    def _keep(self, frame: Frame) -> None:
        try:
            self._waiting.put_nowait(frame)
        except asyncio.QueueFull:
            raise RateLimitedError("more was said than there were turns for") from None

    async def _frame(self) -> Frame:
        """Return the next frame.

        Raises:
            WebSocketDisconnect: The client is gone.
            TooLargeError: It is larger than a body may be.
            InvalidError: It is no JSON object that fits.
        """
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"], message.get("reason"))
        text = message.get("text")
        if text is None:
            raise InvalidError("a frame is one JSON object, as text")
        if len(text) > MAX_FRAME_BYTES:
            raise TooLargeError("the frame is too large", max_bytes=MAX_FRAME_BYTES)
        return read_frame(text)


class _Talk:
    """The turns that one socket asks for, one after the other."""

    def __init__(
        self, services: Services, caller: Caller, record: RunRecord, listening: Listening
    ) -> None:
        self._runs = services.interactive_runs
        self._carrying = services.carrying
        self._caller = caller
        self._record = record
        self._listening = listening

    @property
    def run_id(self) -> str:
        return self._record.id

    async def take(self, first: Work | None, waiting: "asyncio.Queue[Frame]") -> None:
        """Run turn after turn; each goes on if this is cancelled."""
        if first is not None:
            await self._carried(first)
        while True:
            await self._turn(await waiting.get())

    async def stop(self, frame: Frame) -> None:
        """End the run, in the middle of a turn if need be."""
        await self._turn(frame)

    async def _turn(self, frame: Frame) -> None:
        work = self._runs.execute(
            self._caller, self._record.workflow_id, frame.given, run_id=self.run_id
        )
        try:
            await self._carried(work)
        except InteractiveRunEndedError:
            self._listening.wake()  # who listens is told how it ended

    async def _carried(self, work: Work) -> None:
        await self._carrying.begun(work)
        self._listening.wake()


async def _redeemed(services: Services, caller: Caller, frame: Frame) -> RunRecord:
    """Return the run that a token stands for.

    Raises:
        AgreedError: There is no such token, or it is of something else than the frame says.
    """
    token = frame.rerun_token
    if not isinstance(token, str) or frame.run_id is not None or frame.follows:
        raise AgreedError(UNKNOWN_RERUN, "the rerun_token is not known, or does not begin a run")
    try:
        return await services.run_reruns.redeem(
            caller,
            token,
            frame.given,
            workflow_id=frame.workflow_id,
            version_number=frame.version_number,
        )
    except RerunTokenNotFoundError as error:
        raise AgreedError(UNKNOWN_RERUN, error.message) from error


def _code_of(error: EngineError) -> int:
    """Return the code that a conversation is closed with."""
    if isinstance(error, TooLargeError):
        return TOO_LARGE
    match status_of(error):
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
            return INVALID
        case HTTPStatus.NOT_FOUND:
            return NOT_FOUND
    return close_code(error)
