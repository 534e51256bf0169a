"""Global variables over HTTP, and in conversations."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from flows.secrets import MASK
from operations.global_variables import MAX_VALUE_BYTES, MAX_VARIABLES
from tests.fixtures.api import Api
from tests.support.definitions import created
from tests.support.dialogs import direct, graph, node, says
from tests.support.leaks import dump_of, shows
from tests.support.platform import Platform
from tests.support.receiver import receiving

PATH = "/v1/global-variables"
NOWHERE = "0" * 24


async def stored(platform: Platform, name: str, value: Any, **fields: Any) -> dict[str, Any]:
    answer = await platform.client.post(PATH, json={"name": name, "value": value, **fields})
    assert answer.status_code == 201, answer.text
    variable: dict[str, Any] = answer.json()["variable"]
    return variable


async def executed(platform: Platform, document: dict[str, Any], **run_input: Any) -> Any:
    workflow = await created(platform, document)
    answer = await platform.client.post(
        f"/v1/workflows/{workflow['_id']}/execute", json={"run_input": run_input}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def spoken(told: Any) -> list[str]:
    return [each["content"] for each in told["events"] if each["type"] == "assistant_response"]


async def test_a_variable_lives(platform: Platform) -> None:
    made = await stored(platform, "desk", {"hours": [9, 17]}, description="When", category="Shop")
    path = f"{PATH}/{made['_id']}"

    changed = await platform.client.patch(path, json={"name": "counter", "description": None})
    shown = await platform.client.get(path)
    deleted = await platform.client.delete(path)
    gone = await platform.client.get(path)

    assert {*made} == {
        *("_id", "team_id", "name", "value", "description", "category", "is_secret"),
        *("is_system", "created_by", "updated_by", "created_at", "updated_at"),
    }
    assert (made["value"], made["is_secret"], made["is_system"]) == (
        {"hours": [9, 17]},
        False,
        False,
    )
    assert changed.json() == shown.json()
    variable = shown.json()["variable"]
    assert (variable["name"], variable["description"], variable["category"]) == (
        "counter",
        None,
        "Shop",
    )
    assert variable["value"] == {"hours": [9, 17]}
    assert (deleted.status_code, gone.status_code) == (204, 404)


async def test_lists_are_paged_newest_first_and_searched(platform: Platform) -> None:
    for name, category in (("one", "A"), ("two", "B"), ("three", "A")):
        await stored(platform, name, name, category=category)

    async def listed(**parameters: str | int) -> tuple[list[str], int]:
        body = (await platform.client.get(PATH, params=parameters)).json()
        assert [*body] == ["variables", "total", "page", "size"]
        return [row["name"] for row in body["variables"]], body["total"]

    assert await listed(size=2) == (["three", "two"], 3)
    assert await listed(size=2, page=2) == (["one"], 3)
    assert await listed(search="T") == (["three", "two"], 2)
    assert await listed(category="A") == (["three", "one"], 2)


async def test_many_are_created_and_those_refused_keep_none_out(platform: Platform) -> None:
    await stored(platform, "taken", 1)
    variables = [{"name": name, "value": name} for name in ("a", "taken", "global", "b")]

    answer = await platform.client.post(f"{PATH}/bulk", json={"variables": variables})

    body = answer.json()
    assert [each["name"] for each in body["created"]] == ["a", "b"]
    assert [each["name"] for each in body["errors"]] == ["taken", "global"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": "global"}, 400),
        ({"name": "secrets"}, 400),
        ({"name": "x", "category": "System"}, 400),
        ({"name": "x", "is_system": True}, 400),
        ({"name": "x", "value": MASK, "is_secret": True}, 400),
        ({"name": "x", "value": "a" * MAX_VALUE_BYTES}, 413),
        ({"name": "a.b"}, 422),
        ({"name": ""}, 422),
        ({}, 422),
    ],
    ids=lambda each: str(each)[:30],
)
async def test_what_is_refused(platform: Platform, fields: dict[str, Any], status: int) -> None:
    answer = await platform.client.post(PATH, json=fields)

    assert answer.status_code == status, answer.text
    assert (await platform.client.get(PATH)).json()["total"] == 0


async def test_a_name_is_used_once_and_there_are_not_too_many(api: Api, platform: Platform) -> None:
    first = await stored(platform, "taken", 1)
    other = await stored(platform, "other", 1)

    again = await platform.client.post(PATH, json={"name": "taken"})
    renamed = await platform.client.patch(f"{PATH}/{other['_id']}", json={"name": "taken"})
    many = [{"name": f"v{number}"} for number in range(MAX_VARIABLES)]
    bulk = await platform.client.post(f"{PATH}/bulk", json={"variables": many})

    assert (again.status_code, renamed.status_code) == (409, 409)
    assert len(bulk.json()["created"]) == MAX_VARIABLES - 2
    assert "at most" in bulk.json()["errors"][0]["error"]
    assert (await platform.client.get(f"{PATH}/{first['_id']}")).status_code == 200


async def test_a_secret_is_never_told(api: Api, platform: Platform) -> None:
    hush = f"hush-{uuid4().hex}"
    made = await stored(platform, "key", hush, is_secret=True)
    await stored(platform, "plain", "seen")
    path = f"{PATH}/{made['_id']}"

    same = await platform.client.patch(path, json={"value": MASK, "description": "kept"})
    opened = await platform.client.patch(path, json={"is_secret": False})
    resolved = await platform.client.get(f"{PATH}/resolve")
    listed = await platform.client.get(PATH)

    assert (made["value"], made["is_secret"]) == (MASK, True)
    assert same.json()["variable"]["value"] == MASK
    assert opened.status_code == 400
    assert resolved.json() == {"variables": {"plain": "seen"}}
    assert hush not in listed.text
    assert not shows(await dump_of(api.database, platform.organization_id), hush)
    plain = await platform.client.patch(path, json={"is_secret": False, "value": "open"})
    assert plain.json()["variable"]["value"] == "open"


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_a_foreign_variable_is_as_unknown_as_any(
    platform: Platform, stranger: Platform, method: str
) -> None:
    theirs = await stored(platform, "theirs", "value")

    async def tried(variable_id: str) -> httpx.Response:
        body = {"value": "taken over"} if method == "PATCH" else None
        return await stranger.client.request(method, f"{PATH}/{variable_id}", json=body)

    foreign, unknown = await tried(theirs["_id"]), await tried(NOWHERE)

    assert (foreign.status_code, foreign.json()) == (unknown.status_code, unknown.json())
    assert foreign.json() == {"detail": "no such variable"}
    kept = await platform.client.get(f"{PATH}/{theirs['_id']}")
    assert kept.json()["variable"] == theirs
    assert (await stranger.client.get(PATH)).json()["total"] == 0
    assert (await stranger.client.get(f"{PATH}/resolve")).json() == {"variables": {}}
    await stored(stranger, "theirs", "my own")


async def test_a_worker_may_neither_see_nor_write_variables(api: Api, platform: Platform) -> None:
    worker = (await api.person(platform.organization_id, "worker")).client

    answers = [
        await worker.get(PATH),
        await worker.get(f"{PATH}/resolve"),
        await worker.post(PATH, json={"name": "mine"}),
        await worker.post(f"{PATH}/bulk", json={"variables": []}),
    ]

    assert [each.status_code for each in answers] == [403] * 4


async def test_conversations_read_variables_under_every_other_layer(working: Platform) -> None:
    await stored(working, "firm", "Acme")
    await stored(working, "place", {"city": "Ulm"})
    text = "{{firm}} in {{global.place.city}}, {{global.firm}}"

    plain = await executed(working, graph(says("a", text)))
    given = await executed(working, graph(says("a", text)), dynamic_variables={"firm": "Mine"})

    assert spoken(plain) == ["Acme in Ulm, Acme"]
    assert spoken(given) == ["Mine in Ulm, Acme"]


async def test_a_secret_reaches_the_service_and_nothing_else(
    working: Platform, working_api: Api
) -> None:
    hush = f"hush-{uuid4().hex}"
    await stored(working, "token", hush, is_secret=True)
    async with receiving() as receiver:
        call = node(
            "http_request",
            "call",
            url=f"{receiver.url}/call",
            method="POST",
            headers={"Idempotency-Key": "Bearer {{global.token}}"},
        )
        document = graph(call, says("tell", "{{token}} {{global.token}}"), direct("call", "tell"))
        told = await executed(working, document)

    assert receiver.keys["/call"] == [f"Bearer {hush}"]
    assert spoken(told) == ["{{token}} {{global.token}}"]
    assert hush not in str(told)
    assert not shows(await dump_of(working_api.database, working.organization_id), hush)
