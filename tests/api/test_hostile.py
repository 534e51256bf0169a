"""Values that nobody sensible sends, wherever one is taken: accepted or refused, never a 5xx."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import JsonValue

from tests.fixtures.api import Api
from tests.support.documents import a_flow, task
from tests.support.platform import Platform

TEXTS = [
    "",
    " ",
    "x" * 3_000,
    "-1",
    "0",
    "99999999999999999999999999",
    "1e400",
    "NaN",
    "null",
    "true",
    "[]",
    '{"$gt": ""}',
    "$where",
    "../../etc/passwd",
    "%00",
    "%",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "İ",
    "(((((",
    ".*",
    "\\",
    "9999-12-31T23:59:59.999999+00:00",
    "0001-01-01",
    "1e18",
    "00000000-0000-0000-0000-000000000000",
    "urn:uuid:00000000-0000-4000-8000-000000000000",
]

VALUES: list[JsonValue] = [
    None,
    True,
    -1,
    10**30,
    1.5,
    "",
    "text",
    [],
    {},
    [None],
    {"$set": {"a.b": 1}},
    {"": ""},
    [[[[]]]],
    {"tasks": None},
    {"tasks": {}},
    {"tasks": [None, 1, "x", [], {}]},
    {"tasks": [{"name": {"a": 1}, "task_executor_name": [], "parameters": 3}], "edges": 7},
    {"flow_configs": [{"config": {"tasks": [{}]}}, 1]},
]


class Known(dict[str, str]):
    """Values of path parameters; those that stand for nothing are ids of nothing."""

    def __missing__(self, name: str) -> str:
        return "0" * 24 if name.startswith("workflow") else "00000000-0000-4000-8000-000000000000"


def parameters_of(document: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield every parameter but those of streams, which never end: test_events tries them."""
    for path, methods in document["paths"].items():
        if path.endswith("/events"):
            continue
        for method, operation in methods.items():
            for parameter in operation.get("parameters", []):
                yield method, path, parameter["in"], parameter["name"]


@pytest.fixture
async def ids(platform: Platform) -> dict[str, str]:
    flow = await platform.flow(a_flow(task("a")))
    execution = await platform.started(flow["id"])
    return {
        "flow_id": str(flow["id"]),
        "flow_execution_id": execution.id,
        "version": "1",
        "task_name": "a",
    }


@pytest.mark.parametrize("text", TEXTS)
async def test_no_parameter_breaks_anything(
    api: Api, platform: Platform, ids: dict[str, str], text: str
) -> None:
    """Each answer is also held against the document by the client."""
    tried = 0
    for method, path, place, name in parameters_of(api.app.openapi()):
        query = {"flow_id": ids["flow_id"], "status": "running"} if place == "query" else {}
        values = {**ids, name: text} if place == "path" else ids
        if place == "path" and text in ("", "../../etc/passwd", "%"):
            continue
        response = await platform.client.request(
            method,
            path.format_map(Known(values)),
            params={**query, name: text} if place == "query" else None,
            headers={name.encode(): text.encode()} if place == "header" else None,
            json={} if method in ("post", "put", "patch") else None,
        )
        assert response.status_code < 500, (method, path, name)
        tried += 1
    assert tried > 90


def spoilt(document: JsonValue, value: JsonValue) -> Iterator[JsonValue]:
    """Yield the document with one of its places, at any depth, replaced by a value."""
    yield value
    if isinstance(document, dict):
        for key, inner in document.items():
            for changed in spoilt(inner, value):
                yield {**document, key: changed}
    elif isinstance(document, list):
        for position, inner in enumerate(document):
            for changed in spoilt(inner, value):
                yield [*document[:position], changed, *document[position + 1 :]]


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_no_body_breaks_anything(
    platform: Platform, ids: dict[str, str], value: JsonValue
) -> None:
    definition = a_flow(task("a"), edges=[{"source": "start", "target": "a"}])
    flow = f"/api/flows/{ids['flow_id']}"
    bodies: list[tuple[str, str, JsonValue]] = [
        ("POST", f"{flow}/validate", {"definition": definition}),
        ("PUT", f"{flow}/task", copy.deepcopy(definition["tasks"])[1]),  # type: ignore[index]  # a list
        (
            "PATCH",
            flow,
            {
                "display_name": "x",
                "description": "x",
                "visibility": "x",
                "settings": {"ttl": {"seconds": 60}, "reexecute_on_update": False},
                "status": "draft",
                "tags": ["a"],
            },
        ),
        ("PATCH", f"{flow}/versions/1", {"name": "x", "is_favourite": True}),
        (
            "POST",
            "/api/flow-executions",
            {"flow_id": ids["flow_id"], "input": {"text": "x"}, "input_task_name": "start"},
        ),
    ]
    for method, path, good in bodies:
        for body in spoilt(good, value):
            response = await platform.client.request(method, path, json=body)
            assert response.status_code < 500, (method, path, body)
