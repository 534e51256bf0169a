"""The HTTP API as the command line uses it."""

import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx
from pydantic import JsonValue

DEFAULT_URL = "http://127.0.0.1:8000"

_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_BUSY = frozenset({429, 502, 503, 504})
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 2.0

JsonObject = dict[str, JsonValue]


class ClientError(Exception):
    """A call did not succeed; the message is made for people.

    Attributes:
        faults: Everything that is wrong with what was sent, one line each.
        code: The API's machine code, if it gave one.
        status: The HTTP status, None where nothing answered.
    """

    def __init__(
        self,
        message: str,
        *,
        faults: list[str] | None = None,
        code: str | None = None,
        status: int | None = None,
    ) -> None:
        """Keep what the API said."""
        super().__init__(message)
        self.faults = faults or []
        self.code = code
        self.status = status


class Client:
    """Calls the API with a key, and waits a while for one that is just restarting."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        patience_seconds: float = 5.0,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        """Open connections lazily.

        Args:
            patience_seconds: How long a call is repeated while the API is down or busy.
            on_wait: Told why a call is about to be repeated.
        """
        self.url = url.rstrip("/")
        self.api_key = api_key
        self.patience_seconds = patience_seconds
        self.on_wait = on_wait
        self._http = httpx.Client(
            base_url=self.url, headers={"X-API-Key": api_key}, timeout=_TIMEOUT, trust_env=False
        )

    @classmethod
    def from_environment(cls) -> "Client":
        """Return a client for ``PERDURE_URL`` and ``PERDURE_API_KEY``.

        Raises:
            ClientError: There is no key.
        """
        api_key = os.environ.get("PERDURE_API_KEY", "")
        if not api_key:
            raise ClientError("PERDURE_API_KEY is not set; `perdure bootstrap` makes a key")
        try:
            return cls(os.environ.get("PERDURE_URL") or DEFAULT_URL, api_key)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ClientError(f"PERDURE_URL or PERDURE_API_KEY cannot be used: {error}") from error

    def __enter__(self) -> Self:
        """Use the client for a while."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **query: str | int | bool) -> JsonValue:
        """Read something."""
        return self._call("GET", path, query=query)

    def post(
        self, path: str, body: JsonObject | None = None, *, query: dict[str, str] | None = None
    ) -> JsonValue:
        """Create something; a repeated call carries the same idempotency key."""
        key = {"Idempotency-Key": uuid4().hex}
        return self._call("POST", path, query=query, body=body, headers=key)

    def put(self, path: str, body: JsonObject) -> JsonValue:
        """Replace something."""
        return self._call("PUT", path, body=body)

    def patch(self, path: str, body: JsonObject) -> JsonValue:
        """Change something."""
        return self._call("PATCH", path, body=body)

    def delete(self, path: str) -> None:
        """Remove something."""
        self._call("DELETE", path)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | bool] | None = None,
        body: JsonObject | None = None,
        headers: dict[str, str] | None = None,
    ) -> JsonValue:
        """Send until it is answered or patience ends.

        Raises:
            ClientError: The API refused, or cannot be reached.
        """
        deadline = time.monotonic() + self.patience_seconds
        pause = _FIRST_PAUSE
        while True:
            response: httpx.Response | None = None
            try:
                response = self._http.request(
                    method, path, params=query, json=body, headers=headers
                )
            except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as error:
                raise ClientError(f"{self.url} cannot be called: {error}") from error
            except httpx.TransportError as error:
                reason = f"no answer from {self.url} ({str(error) or type(error).__name__})"
            else:
                if response.status_code not in _BUSY:
                    return _content(response)
                reason = f"{self.url} answered {response.status_code}"
            if time.monotonic() + pause > deadline:
                raise _gave_up(response, reason)
            if self.on_wait is not None:
                self.on_wait(reason)
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _content(response: httpx.Response) -> JsonValue:
    """Return the answer's JSON, None if it has none."""
    if response.is_success:
        if not response.content:
            return None
        try:
            value: JsonValue = response.json()
        except ValueError:
            raise ClientError(
                f"{response.url} did not answer with JSON; is it Perdure's API?"
            ) from None
        return value
    raise refusal(response)


def _gave_up(response: httpx.Response | None, reason: str) -> ClientError:
    """Return the error of an API that stayed away."""
    if response is not None:
        return refusal(response)
    return ClientError(f"{reason}; is the platform up (`perdure up`), and PERDURE_URL right?")


def refusal(response: httpx.Response) -> ClientError:
    """Return what the API said in its error envelope, in one line; the body has been read."""
    status = response.status_code
    message, code, faults = f"{response.url} answered {status}", None, list[str]()
    try:
        body: JsonValue = response.json()
    except ValueError:
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        message = str(error.get("message") or message)
        code = str(error["code"]) if error.get("code") else None
        details = error.get("details")
        faults = [_fault(detail) for detail in details] if isinstance(details, list) else []
    elif isinstance(body, dict):
        message, faults = _plain_refusal(body, message)
    if status == 500 and isinstance(body, dict) and "request_id" in body:
        message = f"{message} (request {body.get('request_id')})"
    if status == 401:
        message = f"the API refused the key in PERDURE_API_KEY: {message}"
    return ClientError(message, faults=faults, code=code, status=status)


def _plain_refusal(body: JsonObject, message: str) -> tuple[str, list[str]]:
    """Return what the API says where it has no envelope, below ``/v1``."""
    detail = body.get("detail")
    if isinstance(detail, list):
        return "what was sent does not fit", [_fault(each) for each in detail]
    said = detail or body.get("message")
    if not isinstance(said, str):
        return message, []
    rule = body.get("error")
    return f"{said}: {rule}" if isinstance(rule, str) else said, []


def _fault(detail: JsonValue) -> str:
    """Return one detail of a refusal as a line."""
    if not isinstance(detail, dict):
        return str(detail)
    location = detail.get("loc") or detail.get("location") or []
    where = ".".join(map(str, location)) if isinstance(location, list) else str(location)
    said = detail.get("msg") or detail.get("reason") or detail.get("message") or detail
    return f"{where}: {said}" if where else str(said)
