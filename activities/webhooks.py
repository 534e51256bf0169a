"""``webhook_notification``: one signed post per attempt."""

import hashlib
import hmac
from datetime import UTC, datetime

import httpx
from pydantic import JsonValue
from temporalio import activity

from activities.exchange import Answer, exchange
from activities.json_values import NotJsonError, parse_json
from activities.parameters import parameters_of
from activities.time_limits import allowed_seconds
from activities.web_requests import json_bytes, request_headers, web_request
from contracts.messages import TaskCall
from flows.errors import TaskFailedError
from flows.executors.webhook_notification import (
    WEBHOOK_NOTIFICATION,
    WebhookNotificationParameters,
)

DELIVERY_ID = "x-delivery-id"
IDEMPOTENCY_KEY = "idempotency-key"
SIGNATURE = "x-superai-signature"
TIMESTAMP = "x-superai-timestamp"
TIMESTAMP_SIGNATURE = "x-superai-timestamp-signature"
MAX_RESPONSE_BYTES = 8 * 1024 * 1024

_OURS = frozenset({DELIVERY_ID, IDEMPOTENCY_KEY, SIGNATURE, TIMESTAMP, TIMESTAMP_SIGNATURE})
_SHOWN_BODY_CHARS = 300


class WebhookActivities:
    """Tells outside services what happened."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Borrow a client that refuses private networks; whoever made it closes it."""
        self._client = client

    @activity.defn(name=WEBHOOK_NOTIFICATION.name)
    async def webhook_notification(self, call: TaskCall) -> JsonValue:
        """Post the payload once; every attempt carries the same delivery id.

        Raises:
            TaskFailedError: As ``exchange`` says, and ``WebhookFailed``, worth a retry, for any
                answer but 2xx.
        """
        parameters = parameters_of(call, WebhookNotificationParameters)
        seconds = allowed_seconds(WEBHOOK_NOTIFICATION.default_timeout)
        answer = await exchange(
            self._client,
            _request(self._client, parameters, call.effect_key),
            seconds=min(parameters.timeout_seconds, seconds),
            max_bytes=MAX_RESPONSE_BYTES,
        )
        text = answer.content.decode(errors="replace")
        if not 200 <= answer.status_code < 300:
            said = " ".join(text[: _SHOWN_BODY_CHARS * 4].split())[:_SHOWN_BODY_CHARS]
            raise TaskFailedError(
                f"webhook notification failed: HTTP {answer.status_code} {said}".rstrip(),
                type="WebhookFailed",
                retryable=True,
                status_code=answer.status_code,
            )
        return {"status_code": answer.status_code, "response_body": _body(answer, text)}


def _request(
    client: httpx.AsyncClient, parameters: WebhookNotificationParameters, effect_key: str
) -> httpx.Request:
    """Build the request, and sign the bytes that it will send."""
    content = json_bytes(parameters.payload)
    headers = {
        "content-type": "application/json",
        **request_headers(parameters.headers, reserved=_OURS),
        DELIVERY_ID: effect_key,
        IDEMPOTENCY_KEY: effect_key,
        TIMESTAMP: str(int(datetime.now(UTC).timestamp())),
    }
    if parameters.secret is not None:
        stamped = headers[TIMESTAMP].encode() + b"." + content
        headers[SIGNATURE] = _signature(parameters.secret, content)
        headers[TIMESTAMP_SIGNATURE] = _signature(parameters.secret, stamped)
    return web_request(client, parameters.method, parameters.url, headers=headers, content=content)


def _signature(secret: str, content: bytes) -> str:
    """Return the HMAC-SHA256 as receivers write it."""
    key = secret.encode("utf-8", "surrogatepass")
    return "sha256=" + hmac.new(key, content, hashlib.sha256).hexdigest()


def _body(answer: Answer, text: str) -> JsonValue:
    """Return the answer's JSON if it is some, otherwise its text; nothing is null."""
    if not text:
        return None
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        try:
            return parse_json(text)
        except NotJsonError:
            return text
    return text
