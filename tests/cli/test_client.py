import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from cli.client import Client, ClientError, JsonObject
from cli.documents import definition_name, flow_input
from tests.support.web import Request, response, serving

T = TypeVar("T")


async def calling(url: str, use: Callable[[Client], T], patience: float = 0.0) -> T:
    """Use the client in a thread: it blocks, and the server that it calls runs on the loop."""

    def work() -> T:
        with Client(url, "saf_key", patience_seconds=patience) as client:
            return use(client)

    return await asyncio.to_thread(work)


async def refused(answer: bytes) -> ClientError:
    async with serving(lambda _: answer) as web:
        with pytest.raises(ClientError) as caught:
            await calling(web.url, lambda client: client.get("/api/flows"))
    return caught.value


async def test_calls_carry_the_key() -> None:
    async with serving(lambda _: response('{"flows": []}')) as web:
        answer = await calling(web.url + "/", lambda client: client.get("/api/flows", page=2))

    assert answer == {"flows": []}
    assert web.requests[0].target == "/api/flows?page=2"
    assert web.requests[0].headers["x-api-key"] == "saf_key"


async def test_an_answer_without_content_is_none() -> None:
    async with serving(lambda _: response(status=204)) as web:
        assert await calling(web.url, lambda client: client.post("/cancel")) is None


async def test_a_busy_api_is_asked_again_with_the_same_idempotency_key() -> None:
    answers = [response(status=503), response(status=429), response('{"id": 1}', status=201)]

    async with serving(lambda _: answers.pop(0)) as web:
        answer = await calling(web.url, lambda client: client.post("/make", {}), patience=10)

    assert answer == {"id": 1}
    keys = [request.headers["idempotency-key"] for request in web.requests]
    assert len(keys) == 3
    assert len(set(keys)) == 1


async def test_patience_ends_with_what_the_api_said() -> None:
    busy = '{"error": {"message": "no database", "code": "unavailable", "details": null}}'

    error = await refused(response(busy, status=503))

    assert (str(error), error.code, error.status) == ("no database", "unavailable", 503)


@pytest.mark.parametrize(
    ("details", "faults"),
    [
        ('["tasks.0: bad", "edges.1: worse"]', ["tasks.0: bad", "edges.1: worse"]),
        ('[{"loc": ["body", 1], "msg": "no", "type": "t"}]', ["body.1: no"]),
        ('[{"location": "a.b", "reason": "never"}]', ["a.b: never"]),
        ('{"some": "object"}', []),
        ("null", []),
    ],
)
async def test_every_detail_of_a_refusal_becomes_a_line(details: str, faults: list[str]) -> None:
    body = f'{{"error": {{"message": "refused", "code": "c", "details": {details}}}}}'

    error = await refused(response(body, status=400))

    assert str(error) == "refused"
    assert error.faults == faults


@pytest.mark.parametrize("body", ["<html>proxy</html>", "[]", '{"error": "text"}', ""])
async def test_an_error_that_is_not_ours_is_named_by_its_status(body: str) -> None:
    assert "answered 404" in str(await refused(response(body, status=404)))


async def test_something_else_than_our_api_is_recognised() -> None:
    error = await refused(response("<html>hello</html>", content_type="text/html"))

    assert "is it Perdure's API?" in str(error)


async def test_an_unforeseen_error_names_its_request() -> None:
    body = '{"error": {"message": "oops", "code": "internal_error"}, "request_id": "01ABC"}'

    assert "01ABC" in str(await refused(response(body, status=500)))


async def test_waiting_is_reported() -> None:
    reasons: list[str] = []
    answers = [response(status=502), response("{}")]

    def answer(_: Request) -> bytes:
        return answers.pop(0)

    def use(client: Client) -> None:
        client.on_wait = reasons.append
        client.get("/")

    async with serving(answer) as web:
        await calling(web.url, use, patience=5)

    assert reasons == [f"{web.url} answered 502"]


def test_a_definition_is_named_by_itself_or_its_file() -> None:
    nested: JsonObject = {"flow_configs": [{"meta": {"name": "Nested"}, "config": {"tasks": []}}]}

    assert definition_name({"name": " Flat ", "tasks": []}, Path("x.yaml")) == "Flat"
    assert definition_name(nested, Path("x.yaml")) == "Nested"
    assert definition_name({"tasks": []}, Path("folder/x.flow.yaml")) == "x.flow"


def test_metadata_is_added_to_what_the_input_has(tmp_path: Path) -> None:
    given = tmp_path / "input.yaml"
    given.write_text("text: a\nmetadata: {b: 1, c: 2}\n")

    assert flow_input(given, {"c": "3"}) == {"text": "a", "metadata": {"b": 1, "c": "3"}}
    assert flow_input(None, {}) == {}


def test_a_file_becomes_a_document(tmp_path: Path) -> None:
    unknown = tmp_path / "data.zzz"
    unknown.write_bytes(b"\x00\x01")

    assert flow_input(unknown, {}) == {
        "document_url": "data:application/octet-stream;base64,AAE=",
        "mime_type": "application/octet-stream",
        "filename": "data.zzz",
    }


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"cannot read .*missing\.pdf: No such file"):
        flow_input(tmp_path / "missing.pdf", {})
