"""What a refusal looks like, whatever refuses."""

import json
from uuid import uuid4

import pytest
from pydantic import JsonValue

from api.intake import MAX_BODY_BYTES, MAX_DEFINITION_BODY_BYTES
from tests.fixtures.api import Api
from tests.support.documents import a_flow, task
from tests.support.platform import Platform

JSON = {"Content-Type": "application/json"}
NOBODY = "7c1f7d1e-9d0b-4a5e-8f0b-3f2f9a6b1c11"


async def test_an_id_is_made_for_each_request_and_never_taken_from_it(platform: Platform) -> None:
    answers = [
        await platform.client.get("/api/flows", headers={"X-Request-ID": "mine"}) for _ in range(3)
    ]

    ids = {answer.headers["X-Request-ID"] for answer in answers}
    assert len(ids) == 3
    assert "mine" not in ids


@pytest.mark.parametrize("path", ["/", "/api", "/api/flow", "/api/flows/", "/health"])
async def test_an_unknown_route_is_404(platform: Platform, path: str) -> None:
    response = await platform.client.get(path)

    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/flows", "GET, POST"),
        ("PUT", f"/api/flows/{NOBODY}", "DELETE, GET, PATCH"),
        ("POST", "/api/task-executors", "GET"),
        ("PATCH", "/health/live", "GET"),
        ("POST", "/openapi.json", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_405_and_says_what_is_allowed(
    platform: Platform, method: str, path: str, allowed: str
) -> None:
    response = await platform.client.request(method, path)

    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")
    assert response.headers["Allow"] == allowed


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        (b"", 422),
        (b'{"flow_id": NaN, "input": {}}', 400),
        (b'{"input": {"a": 1e999}}', 400),
        (b'{"input": {"a": "\\u0000"}}', 400),
        (b'{"input": {"a": "\\udc00"}}', 400),
        (b'{"input": {"a": 1, "a": 2}}', 400),
        (b'{"input": ' + b"[" * 70 + b"]" * 70 + b"}", 400),
        (b'{"a":' * 200_000, 400),
        (b"\xff\xfe", 400),
    ],
)
async def test_a_body_that_cannot_be_read(platform: Platform, body: bytes, status: int) -> None:
    response = await platform.client.post("/api/flow-executions", content=body, headers=JSON)

    assert response.status_code == status
    assert response.json()["error"]["code"] == (
        "bad_request" if status == 400 else "validation_error"
    )


async def test_a_syntax_error_is_told_in_both_shapes(platform: Platform) -> None:
    response = await platform.client.post("/api/flows", content=b'{"a" 1}', headers=JSON)

    refusal = response.json()
    assert refusal["detail"] == [
        {"loc": ["body", 5], "msg": "JSON decode error", "type": "json_invalid"}
    ]
    assert refusal["error"]["details"][0]["type"] == "json_invalid"


@pytest.mark.parametrize("content_type", [None, "application/json; charset=utf-8"])
async def test_a_missing_content_type_counts_as_json(
    platform: Platform, content_type: str | None
) -> None:
    body = json.dumps({"display_name": f"x {uuid4()}", "definition": a_flow()}).encode()
    headers = {} if content_type is None else {"Content-Type": content_type}

    response = await platform.client.post("/api/flows", content=body, headers=headers)

    assert response.status_code == 201


async def test_a_body_of_another_type_is_422(platform: Platform) -> None:
    response = await platform.client.post(
        "/api/flows", content=b"\xff\x00 no json", headers={"Content-Type": "text/plain"}
    )

    assert response.status_code == 422
    assert "input" not in response.json()["error"]["details"][0]


def padded(document: dict[str, JsonValue], size: int) -> bytes:
    """Return a JSON body of exactly that many bytes."""
    bare = json.dumps({**document, "padding": ""}).encode()
    return bare[:-2] + b"x" * (size - len(bare)) + bare[-2:]


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("POST", "/api/flow-executions", MAX_BODY_BYTES),
        ("POST", "/api/flows", MAX_DEFINITION_BODY_BYTES),
        ("PUT", "/api/flows/{flow}/definition", MAX_DEFINITION_BODY_BYTES),
        ("POST", "/api/flows/{flow}/validate", MAX_DEFINITION_BODY_BYTES),
        ("PUT", "/api/flows/{flow}/task", MAX_DEFINITION_BODY_BYTES),
        ("PATCH", "/api/flows/{flow}", MAX_BODY_BYTES),
        ("PATCH", "/api/flows/{flow}/versions/1", MAX_BODY_BYTES),
    ],
)
async def test_a_body_may_be_as_long_as_its_route_allows(
    platform: Platform, method: str, path: str, limit: int
) -> None:
    flow = await platform.flow(a_flow())
    url = path.format(flow=flow["id"])

    longest = await platform.client.request(method, url, content=padded({}, limit), headers=JSON)
    longer = await platform.client.request(method, url, content=padded({}, limit + 1), headers=JSON)

    assert longest.status_code != 413
    assert (longer.status_code, longer.json()["error"]["code"]) == (413, "payload_too_large")
    assert longer.json()["error"]["details"] == {"max_bytes": limit}


async def test_reading_stops_at_the_limit(platform: Platform) -> None:
    sent = 0

    async def endless() -> object:
        nonlocal sent
        while True:
            sent += 64 * 1024
            yield b"x" * 64 * 1024

    response = await platform.client.post(
        "/api/flow-executions",
        content=endless(),  # type: ignore[arg-type]  # an async generator
        headers=JSON,
    )

    assert response.status_code == 413
    assert sent <= MAX_BODY_BYTES + 2 * 64 * 1024


async def test_a_definition_above_its_own_limit_is_413(platform: Platform) -> None:
    definition = a_flow(task("a", template={"text": "x" * (1024 * 1024)}))

    response = await platform.client.post(
        "/api/flows", json={"display_name": "big", "definition": definition}
    )

    assert (response.status_code, response.json()["error"]["code"]) == (413, "payload_too_large")


async def test_long_values_are_not_echoed(platform: Platform) -> None:
    long, short = "x" * 5_000, "y"

    response = await platform.client.post(
        "/api/flow-executions", json={"flow_id": long, "input": short}
    )

    problems = {tuple(p["loc"]): p for p in response.json()["error"]["details"]}
    assert "input" not in problems["body", "flow_id"]
    assert problems["body", "input"]["input"] == short


async def test_the_document_and_its_page_are_served(api: Api) -> None:
    client = await api.client()

    document = await client.get("/openapi.json")
    page = await client.get("/docs")

    assert document.json()["openapi"].startswith("3.1")
    assert page.status_code == 200
