import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import JsonValue

from activities.egress import guarded_client
from activities.webhooks import WebhookActivities
from flows.errors import TaskFailedError
from flows.executors.catalogue import executor_named
from flows.iteration import parameters_schema
from runtime.readiness import free_port
from tests.support.calls import a_call, performed
from tests.support.web import response, serving


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with guarded_client(["127.0.0.1"]) as client:
        yield client


async def notified(client: httpx.AsyncClient, **parameters: JsonValue) -> JsonValue:
    call = a_call("webhook_notification", **parameters)
    return await performed(WebhookActivities(client).webhook_notification, call)


async def failure(client: httpx.AsyncClient, **parameters: JsonValue) -> TaskFailedError:
    with pytest.raises(TaskFailedError) as caught:
        await notified(client, **parameters)
    return caught.value


def signature(secret: str, content: bytes) -> str:
    return f"sha256={hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()}"


async def test_the_receiver_can_tell_who_sent_what_and_when(client: httpx.AsyncClient) -> None:
    payload: JsonValue = {"text": "ä", "list": [1, None]}
    async with serving(lambda _: response('{"ok": true}')) as web:
        output = await notified(
            client, url=web.url, payload=payload, secret="k€y", headers={"X-Team": 7}
        )

    assert output == {"status_code": 200, "response_body": {"ok": True}}
    request = web.requests[0]
    assert request.method == "POST"
    assert json.loads(request.body) == payload
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-team"] == "7"
    assert request.headers["x-delivery-id"] == "execution/1/task/0"
    assert request.headers["idempotency-key"] == "execution/1/task/0"
    assert request.headers["x-superai-signature"] == signature("k€y", request.body)
    stamp = request.headers["x-superai-timestamp"]
    stamped = stamp.encode() + b"." + request.body
    assert request.headers["x-superai-timestamp-signature"] == signature("k€y", stamped)
    assert abs(datetime.fromtimestamp(int(stamp), UTC) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_without_a_secret_nothing_is_signed(client: httpx.AsyncClient) -> None:
    async with serving(lambda _: response(status=204)) as web:
        output = await notified(client, url=web.url, method="put")

    assert output == {"status_code": 204, "response_body": None}
    assert web.requests[0].method == "PUT"
    assert web.requests[0].body == b"{}"
    assert not [name for name in web.requests[0].headers if "signature" in name]


@pytest.mark.parametrize("status", [302, 400, 404, 409, 410, 429, 500, 503])
async def test_any_answer_but_2xx_fails_and_is_retried(
    client: httpx.AsyncClient, status: int
) -> None:
    answer = response("<h1>no\nluck</h1>", status=status, Location="http://127.0.0.1/")
    async with serving(lambda _: answer) as web:
        error = await failure(client, url=f"{web.url}/hook?token=abc", secret="s3cret")

    assert (error.type, error.retryable) == ("WebhookFailed", True)
    assert error.message == f"webhook notification failed: HTTP {status} <h1>no luck</h1>"
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    ("content", "content_type", "body"),
    [
        ("[1]", "application/json", [1]),
        ("{broken", "application/json", "{broken"),
        ("fine", "text/plain", "fine"),
        (b"\xff", "application/octet-stream", "\ufffd"),
    ],
)
async def test_the_answer_is_json_or_text(
    client: httpx.AsyncClient, content: bytes | str, content_type: str, body: JsonValue
) -> None:
    async with serving(lambda _: response(content, content_type=content_type)) as web:
        output = await notified(client, url=web.url)

    assert output == {"status_code": 200, "response_body": body}


@pytest.mark.parametrize(
    "name",
    ["X-Delivery-Id", "Idempotency-Key", "X-SuperAI-Signature", "X-SuperAI-Timestamp", "Host"],
)
async def test_what_identifies_a_delivery_cannot_be_forged(
    client: httpx.AsyncClient, name: str
) -> None:
    async with serving(lambda _: response()) as web:
        error = await failure(client, url=web.url, headers={name: "forged"})

    assert (error.type, error.retryable) == ("InvalidRequest", False)
    assert web.requests == []


@pytest.mark.parametrize(
    ("url", "type", "retryable"),
    [
        ("http://10.0.0.1/", "HostRefused", False),
        ("ftp://127.0.0.1/", "InvalidRequest", False),
        ("http://nobody.invalid/", "HostNotFound", True),
    ],
)
async def test_hosts_are_guarded(
    client: httpx.AsyncClient, url: str, type: str, retryable: bool
) -> None:
    error = await failure(client, url=url)

    assert (error.type, error.retryable) == (type, retryable)


async def test_nobody_listening_and_no_answer_are_worth_a_retry(client: httpx.AsyncClient) -> None:
    error = await failure(client, url=f"http://127.0.0.1:{free_port()}/")
    assert (error.type, error.retryable) == ("ConnectionFailed", True)

    async with serving(lambda _: None) as web:
        error = await failure(client, url=web.url, timeout_seconds=0.2)
    assert (error.type, error.retryable) == ("Timeout", True)


def test_it_has_two_names_and_one_secret() -> None:
    executor = executor_named("notify_webhook")

    assert executor is not None
    assert executor is executor_named("webhook_notification")
    properties = parameters_schema(executor.parameters)["properties"]
    assert isinstance(properties, dict)
    assert '"secret": true' in json.dumps(properties["secret"])
    assert not [name for name in properties if '"secret": true' in json.dumps(properties[name])][1:]
