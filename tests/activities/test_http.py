import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from pydantic import JsonValue

from activities.egress import guarded_client
from activities.http import HttpActivities
from flows.errors import TaskFailedError
from runtime.readiness import free_port
from tests.support.calls import a_call, performed
from tests.support.eventually import eventually
from tests.support.web import Request, response, serving


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with guarded_client(["127.0.0.1"]) as client:
        yield client


async def sent(client: httpx.AsyncClient, **parameters: JsonValue) -> dict[str, JsonValue]:
    output = await performed(
        HttpActivities(client).http_request, a_call("http_request", **parameters)
    )
    assert isinstance(output, dict)
    return output


async def failure(client: httpx.AsyncClient, **parameters: JsonValue) -> TaskFailedError:
    with pytest.raises(TaskFailedError) as caught:
        await sent(client, **parameters)
    return caught.value


async def test_a_json_object_is_the_body_as_it_is(client: httpx.AsyncClient) -> None:
    async with serving(lambda _: response('{"a": [1, 2.5, null]}', X_Thing="yes")) as web:
        output = await sent(client, url=f"{web.url}/things")

    assert output["status_code"] == 200
    assert output["body"] == {"a": [1, 2.5, None]}
    headers = output["headers"]
    assert isinstance(headers, dict)
    assert headers["x-thing"] == "yes"


@pytest.mark.parametrize(
    ("content", "content_type", "value"),
    [
        (b"[1, 2]", "application/json", [1, 2]),
        (b"7", "application/problem+json", 7),
        (b"plain", "text/plain", "plain"),
        ("caf\xe9".encode("latin-1"), "text/plain; charset=latin-1", "café"),
        (b"{broken", "application/json", "{broken"),
        (b"NaN", "application/json", "NaN"),
        (b'"\\ud800"', "application/json", '"\\ud800"'),
        (b"[" * 100_000, "application/json", "[" * 100_000),
        (b"\xff\x00\xfe", "application/octet-stream", "/wD+"),
        (b"text", "text/plain; charset=no-such-thing", "dGV4dA=="),
        (b"", "application/json", None),
    ],
)
async def test_any_other_body_stands_under_value(
    client: httpx.AsyncClient, content: bytes, content_type: str, value: JsonValue
) -> None:
    async with serving(lambda _: response(content, content_type=content_type)) as web:
        output = await sent(client, url=web.url)

    assert output["body"] == {"value": value}


async def test_the_request_says_what_the_author_wrote(client: httpx.AsyncClient) -> None:
    async with serving(lambda _: response("{}")) as web:
        await sent(
            client,
            url=f"{web.url}/p?kept=1",
            method="post",
            headers={"X-Number": 5, "X-Flag": True},
            query={"q": "a b&c", "many": [1, "two"], "gone": None},
            body={"text": "ä", "list": [1]},
        )

    request = web.requests[0]
    assert request.method == "POST"
    assert httpx.URL(request.target).params.multi_items() == [
        ("kept", "1"),
        ("q", "a b&c"),
        ("many", "1"),
        ("many", "two"),
    ]
    assert request.headers["x-number"] == "5"
    assert request.headers["x-flag"] == "true"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {"text": "ä", "list": [1]}
    assert request.headers["idempotency-key"] == "execution/1/task/0"


async def test_text_is_sent_as_it_is(client: httpx.AsyncClient) -> None:
    async with serving(lambda _: response("{}")) as web:
        await sent(client, url=web.url, method="PUT", body="héllo")
        await sent(
            client, url=web.url, method="PUT", body="<a/>", headers={"Content-Type": "text/xml"}
        )

    assert web.requests[0].body == "héllo".encode()
    assert web.requests[0].headers["content-type"] == "text/plain; charset=utf-8"
    assert web.requests[1].headers["content-type"] == "text/xml"


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (404, False), (408, True), (409, False), (429, True), (500, True), (503, True)],
)
async def test_a_bad_status_fails_the_task(
    client: httpx.AsyncClient, status: int, retryable: bool
) -> None:
    async with serving(lambda _: response('{"why": "because"}', status=status)) as web:
        error = await failure(client, url=f"{web.url}/secret?token=abc")

    assert error.type == "HttpStatus"
    assert error.retryable is retryable
    assert f"answered {status}" in error.message
    assert "because" in error.message
    assert "token" not in error.message


async def test_a_bad_status_is_an_answer_if_the_author_says_so(client: httpx.AsyncClient) -> None:
    async with serving(lambda _: response('{"e": 1}', status=503)) as web:
        output = await sent(client, url=web.url, fail_on_status=False)

    assert output["status_code"] == 503
    assert output["body"] == {"e": 1}


async def test_the_service_says_how_long_to_wait(client: httpx.AsyncClient) -> None:
    async with serving(lambda _: response(status=503, Retry_After="7")) as web:
        assert (await failure(client, url=web.url)).retry_after == timedelta(seconds=7)

    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    async with serving(lambda _: response(status=429, Retry_After=later)) as web:
        delay = (await failure(client, url=web.url)).retry_after
        assert delay is not None
        assert timedelta(seconds=60) < delay <= timedelta(seconds=90)


@pytest.mark.parametrize("value", ["soon", "-5", "Wed, 21 Oct 2015 07:28:00 GMT", "9" * 400, ""])
async def test_a_senseless_wait_is_ignored(client: httpx.AsyncClient, value: str) -> None:
    async with serving(lambda _: response(status=503, Retry_After=value)) as web:
        assert (await failure(client, url=web.url)).retry_after is None


async def test_a_service_that_does_not_answer_in_time_is_worth_a_retry(
    client: httpx.AsyncClient,
) -> None:
    async with serving(lambda _: None) as web:
        error = await failure(client, url=web.url, timeout_seconds=0.2)

    assert (error.type, error.retryable) == ("Timeout", True)


async def test_the_attempt_ends_before_temporal_has_to_end_it(client: httpx.AsyncClient) -> None:
    async with serving(lambda _: None) as web:
        with pytest.raises(TaskFailedError) as caught:
            await performed(
                HttpActivities(client).http_request,
                a_call("http_request", url=web.url),
                allowed=timedelta(seconds=0.4),
            )

    assert caught.value.type == "Timeout"
    assert "within 0.36 s" in caught.value.message


async def test_nobody_listening_is_worth_a_retry(client: httpx.AsyncClient) -> None:
    error = await failure(client, url=f"http://127.0.0.1:{free_port()}/")

    assert (error.type, error.retryable) == ("ConnectionFailed", True)


async def test_an_answer_cut_short_is_worth_a_retry(client: httpx.AsyncClient) -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"
    async with serving(lambda _: cut) as web:
        error = await failure(client, url=web.url)

    assert (error.type, error.retryable) == ("ConnectionFailed", True)


async def test_what_is_no_http_is_worth_a_retry(client: httpx.AsyncClient) -> None:
    async with serving(lambda _: b"220 mail.example ESMTP\r\n") as web:
        error = await failure(client, url=web.url)

    assert (error.type, error.retryable) == ("ConnectionFailed", True)


async def test_a_name_without_address_is_worth_a_retry(client: httpx.AsyncClient) -> None:
    error = await failure(client, url="http://nobody.invalid/")

    assert (error.type, error.retryable) == ("HostNotFound", True)


async def test_an_answer_beyond_the_limit_is_not_read_to_its_end(
    client: httpx.AsyncClient,
) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)

    def answer(request: Request) -> bytes:
        return response(bomb, content_type="text/plain", Content_Encoding="gzip")

    async with serving(answer) as web:
        with pytest.raises(TaskFailedError) as caught:
            await performed(
                HttpActivities(client, max_response_bytes=1_000_000).http_request,
                a_call("http_request", url=web.url),
            )

    assert (caught.value.type, caught.value.retryable) == ("ResponseTooLarge", False)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Evil": "a\r\nX-Injected: 1"},
        {"X-Evil": "a\nb"},
        {"X-Evil": "a\x00b"},
        {"X Evil": "a"},
        {"X-Evil:": "a"},
        {"": "a"},
        {"Host": "elsewhere"},
        {"Content-Length": "1"},
        {"transfer-encoding": "chunked"},
        {"X-Name": "ünïcode"},
    ],
)
async def test_a_header_cannot_change_the_request(
    client: httpx.AsyncClient, headers: dict[str, JsonValue]
) -> None:
    async with serving(lambda _: response("{}")) as web:
        error = await failure(client, url=web.url, headers=headers)

    assert (error.type, error.retryable) == ("InvalidRequest", False)
    assert web.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/file",
        "file:///etc/passwd",
        "/relative",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "nonsense",
        "http://a\x00b/",
    ],
)
async def test_only_http_urls_are_called(client: httpx.AsyncClient, url: str) -> None:
    error = await failure(client, url=url)

    assert (error.type, error.retryable) == ("InvalidRequest", False)


async def test_parameters_that_do_not_fit_are_named(client: httpx.AsyncClient) -> None:
    error = await failure(client, url=None, method="FETCH")

    assert (error.type, error.retryable) == ("InvalidParameters", False)
    assert "url" in error.message
    assert "method" in error.message


async def test_a_redirect_is_an_answer(client: httpx.AsyncClient) -> None:
    async with serving(lambda _: response(status=302, Location="http://10.0.0.1/")) as web:
        output = await sent(client, url=web.url)

    assert output["status_code"] == 302
    assert len(web.requests) == 1


async def test_a_cancelled_task_closes_its_connection(client: httpx.AsyncClient) -> None:
    async with serving(lambda _: None) as web:
        task = asyncio.create_task(sent(client, url=web.url))
        await eventually(lambda: web.requests, saying="the request arrives")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
