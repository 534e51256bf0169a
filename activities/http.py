"""``http_request``: one call to an outside service per attempt."""

import asyncio
import base64

import httpx
from pydantic import JsonValue
from temporalio import activity

from activities.exchange import Answer, exchange, shown_url
from activities.json_values import NotJsonError, parse_json
from activities.parameters import parameters_of
from activities.retry_after import retry_after
from activities.time_limits import allowed_seconds
from activities.web_requests import (
    encoded,
    json_bytes,
    request_headers,
    scalar_text,
    web_request,
)
from contracts.messages import TaskCall
from flows.errors import TaskFailedError
from flows.executors.http_request import HTTP_REQUEST, HttpRequestParameters, Scalar

MAX_RESPONSE_BYTES = 8 * 1024 * 1024

_SHOWN_BODY_CHARS = 300
_WORTH_A_RETRY = frozenset({408, 429})


class HttpActivities:
    """Calls outside services on behalf of tasks."""

    def __init__(
        self, client: httpx.AsyncClient, *, max_response_bytes: int = MAX_RESPONSE_BYTES
    ) -> None:
        """Borrow a client that refuses private networks; whoever made it closes it."""
        self._client = client
        self._max_response_bytes = max_response_bytes

    @activity.defn(name=HTTP_REQUEST.name)
    async def http_request(self, call: TaskCall) -> JsonValue:
        """Send the request once; every attempt carries the same ``Idempotency-Key``.

        Raises:
            TaskFailedError: As ``exchange`` says, and ``HttpStatus`` for a status of 400 or more,
                of which 408, 429 and 5xx are worth a retry.
        """
        parameters = parameters_of(call, HttpRequestParameters)
        answer = await exchange(
            self._client,
            _request(self._client, parameters, call.effect_key),
            seconds=min(parameters.timeout_seconds, allowed_seconds(HTTP_REQUEST.default_timeout)),
            max_bytes=self._max_response_bytes,
        )
        if parameters.fail_on_status and answer.status_code >= 400:
            raise _refused(parameters, answer)
        return {
            "status_code": answer.status_code,
            # A large text takes a while to read: not on the loop, which other tasks share.
            "body": await asyncio.to_thread(_body, answer),
            "headers": dict(answer.headers),
        }


def _request(
    client: httpx.AsyncClient, parameters: HttpRequestParameters, effect_key: str
) -> httpx.Request:
    """Build the request; ``InvalidRequest`` for what cannot be sent."""
    headers = request_headers(parameters.headers)
    headers.setdefault("idempotency-key", effect_key)
    content: bytes | None = None
    if isinstance(parameters.body, str):
        content = encoded(parameters.body)
        headers.setdefault("content-type", "text/plain; charset=utf-8")
    elif parameters.body is not None:
        content = json_bytes(parameters.body)
        headers.setdefault("content-type", "application/json")
    query = [pair for key, value in parameters.query.items() for pair in _pairs(key, value)]
    return web_request(
        client, parameters.method, parameters.url, headers=headers, content=content, query=query
    )


def _pairs(key: str, value: Scalar | list[Scalar] | None) -> list[tuple[str, str]]:
    """Return the query pairs of one parameter: none for null, one for each item of a list."""
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [(key, scalar_text(each)) for each in values]


def _body(answer: Answer) -> JsonValue:
    """Return a JSON object as it is, all else under ``value``; bytes that are no text as Base64."""
    if not answer.content:
        return {"value": None}
    try:
        text = answer.content.decode(answer.encoding or "utf-8-sig")
    except (UnicodeDecodeError, LookupError):
        return {"value": base64.b64encode(answer.content).decode()}
    value: JsonValue = text
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        try:
            value = parse_json(text)
        except NotJsonError:
            value = text
    return value if isinstance(value, dict) else {"value": value}


def _refused(parameters: HttpRequestParameters, answer: Answer) -> TaskFailedError:
    """Return the failure that a status of 400 or more is, with the beginning of what was said."""
    said = " ".join(answer.content[: _SHOWN_BODY_CHARS * 4].decode(errors="replace").split())
    message = (
        f"{parameters.method} {shown_url(httpx.URL(parameters.url))} answered {answer.status_code}"
    )
    is_retryable = answer.status_code in _WORTH_A_RETRY or answer.status_code >= 500
    return TaskFailedError(
        f"{message}: {said[:_SHOWN_BODY_CHARS]}" if said else message,
        type="HttpStatus",
        retryable=is_retryable,
        retry_after=retry_after(answer.headers) if is_retryable else None,
        status_code=answer.status_code,
    )
