"""Talks to one interactive run over its WebSocket, and comes back when it is cut.

Source: docs/workflows-api.md, "Streams".
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self
from uuid import uuid4

from pydantic import JsonValue
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import ClientConnection, connect

from cli.client import Client, ClientError, JsonObject
from cli.registered_workflows import as_object

PATH = "/v1/workflow-runs/ws"
DELTA = "assistant_response_delta"
READY = "workflow_ready_for_input"
NORMAL = 1000
_GOES_AWAY = frozenset({1001, 1006, 1012, 1013})
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 2.0


class RunSocket:
    """A conversation with a run.

    What is said carries an id, so it may be said again after a cut, and counts once.

    Attributes:
        run_id: Known once the server has acknowledged the opening.
        told: How many events were received.
        outcome: The status of a run that has ended.
    """

    def __init__(
        self, client: Client, *, patience_seconds: float, on_wait: Callable[[str], None]
    ) -> None:
        """Borrow what knows the API and its key."""
        self._url = client.url.replace("http", "ws", 1) + PATH
        self._headers = {"Authorization": f"Bearer {client.api_key}"}
        self._patience = patience_seconds
        self._on_wait = on_wait
        self._connection = ExitStack()
        self._socket: ClientConnection | None = None
        self._pending: JsonObject | None = None
        self.run_id: str | None = None
        self.told = 0
        self.outcome: str | None = None

    def __enter__(self) -> Self:
        """Use the socket for a while."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up; a run goes on."""
        self._connection.close()

    def begin(self, workflow_id: str, **given: JsonValue) -> None:
        """Begin a run.

        Raises:
            ClientError: It is refused, or the API cannot be reached.
        """
        self._open({"workflow_id": workflow_id, "command": "start", "run_by": "api", **given})

    def follow(self, run_id: str, told: int) -> None:
        """Go on with a run, behind the first ``told`` events."""
        self.run_id, self.told = run_id, told
        self._open(self._following())

    def say(self, text: str) -> None:
        """Hand in what a person says."""
        message: JsonObject = {"type": "human", "content": text, "id": uuid4().hex}
        inputs: JsonObject = {"node_run_inputs": [{"type": "llm", "messages": [message]}]}
        self._pending = {"command": "data", "thread_to_node_inputs": {"0": inputs}}
        self._send(self._pending)

    def stop(self) -> None:
        """Have the run ended, in the middle of a turn if need be."""
        self._pending = {"command": "stop"}
        self._send(self._pending)

    def events(self) -> Iterator[JsonObject]:
        """Yield what the run tells, up to where it waits for somebody or has ended.

        Raises:
            ClientError: It cannot be heard any longer.
        """
        while self.outcome is None:
            try:
                event = self._received()
            except ConnectionClosed as closed:
                self._closed(closed)
                continue
            if event.get("type") != DELTA:
                self.told += 1
            yield event
            if event.get("type") == READY:
                self._pending = None
                return

    def _received(self) -> JsonObject:
        if self._socket is None:
            raise ClientError("nobody was called")
        return as_object(json.loads(self._socket.recv()))

    def _send(self, frame: JsonObject) -> None:
        """Send a frame; where the socket is gone it is sent by whoever opens the next one."""
        try:
            if self._socket is not None:
                self._socket.send(json.dumps(frame))
        except ConnectionClosed:
            return

    def _closed(self, closed: ConnectionClosed) -> None:
        """Take in how the server hung up, and call again if it did not mean to.

        Raises:
            ClientError: It refused something.
        """
        code = closed.rcvd.code if closed.rcvd is not None else 1006
        reason = closed.rcvd.reason if closed.rcvd is not None else "the connection broke"
        if code == NORMAL:
            self.outcome = reason or "ended"
        elif code in _GOES_AWAY and self.run_id is not None:
            self._on_wait(f"{reason or 'the connection broke'}; the run goes on, calling again")
            pending = self._pending
            is_stop = pending is not None and pending["command"] == "stop"
            said = None if is_stop or pending is None else {**self._following(), **pending}
            self._open(said or self._following())
            if is_stop and pending is not None:
                self._send(pending)
        else:
            raise ClientError(reason or f"the API hung up ({code})")

    def _following(self) -> JsonObject:
        return {
            "command": "follow",
            "workflow_run_id": self.run_id,
            "event_index": self.told,
        }

    def _open(self, frame: JsonObject) -> None:
        """Connect, send a frame and take its acknowledgement."""
        self._socket = self._connected()
        try:
            self._socket.send(json.dumps(frame))
            acknowledged = self._received()
        except ConnectionClosed as closed:
            self._closed(closed)
            return
        self.run_id = str(acknowledged["workflow_run_id"])

    def _connected(self) -> ClientConnection:
        """Return a connection; an API that is away is waited for.

        Raises:
            ClientError: It refuses the handshake, or stays away.
        """
        deadline = time.monotonic() + self._patience
        pause = _FIRST_PAUSE
        while True:
            try:
                self._connection.close()
                return self._connection.enter_context(
                    connect(self._url, additional_headers=self._headers, proxy=None, max_size=None)
                )
            except InvalidURI as error:
                raise ClientError(f"{self._url} cannot be called: {error}") from error
            except (InvalidHandshake, OSError, EOFError) as error:
                reason = _reason(error)
                if not _is_worth_waiting(error) or time.monotonic() + pause > deadline:
                    raise ClientError(f"no conversation with {self._url}: {reason}") from error
            self._on_wait(reason)
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _is_worth_waiting(error: Exception) -> bool:
    """Return whether a handshake may succeed later."""
    response = getattr(error, "response", None)
    return response is None or response.status_code in (429, 502, 503, 504)


def _reason(error: Exception) -> str:
    """Return why there is no connection, as the API says it if it does."""
    response = getattr(error, "response", None)
    if response is None:
        return str(error) or type(error).__name__
    try:
        body = json.loads(response.body or b"")
    except ValueError:
        body = None
    detail = body.get("detail") if isinstance(body, dict) else None
    return str(detail or f"it answered {response.status_code}")
