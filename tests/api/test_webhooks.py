"""Posts from outside that start flows."""

import asyncio
import hmac
import json
from hashlib import sha256
from typing import cast
from uuid import uuid4

import httpx
import pytest
from pydantic import JsonValue

from tests.fixtures.api import Api, running_api, settings_for
from tests.support.flow_builders import a_flow, task
from tests.support.platform import CLOSED, Execution, Json, Platform
from tests.support.truth import differences

ORDER: Json = {"number": 7, "customer": "Ada"}
FIELDS: list[JsonValue] = [
    {"id": "number", "data_type": "int"},
    {"id": "customer", "data_type": "str"},
    {"id": "note", "data_type": "str", "required": False},
]
SECRET = "a secret that both sides know"


def a_hook(parameters: Json | None = None, name: str = "hook") -> Json:
    return task(name, "webhook_receive", parameters or {})


def a_hooked_flow(**parameters: JsonValue) -> Json:
    definition = a_flow(task("note", reads="hook"))
    definition["tasks"] = [a_hook(parameters), task("note", reads="hook")]
    definition["edges"] = []
    return definition


async def hooked(platform: Platform, **parameters: JsonValue) -> str:
    """Store a flow that starts by a post, and return its URL's path."""
    flow = await platform.flow(a_hooked_flow(**parameters))
    return f"/api/webhooks/{flow['id']}/hook"


@pytest.fixture
async def anybody(api: Api) -> httpx.AsyncClient:
    """Somebody without any credential."""
    return await api.client()


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()


async def test_a_post_starts_the_flow_without_a_credential(
    working: Platform, working_api: Api
) -> None:
    path = await hooked(working, fields=FIELDS)
    anybody = await working_api.client()

    response = await anybody.post(path, json=ORDER)

    assert response.status_code == 202, response.text
    execution = Execution(working.client, response.json()["flow_execution_id"])
    shown = await execution.until(*CLOSED)
    assert (shown["status"], shown["input"]) == ("completed", ORDER)
    assert (await execution.outputs())["note"] == {"name": "note", "hook": ORDER}
    assert await differences(working_api, [execution]) == []


async def test_the_latest_version_fires(platform: Platform, anybody: httpx.AsyncClient) -> None:
    flow = await platform.flow(a_hooked_flow(fields=FIELDS))
    changed = await platform.client.put(
        f"/api/flows/{flow['id']}/definition", json={"definition": a_hooked_flow()}
    )
    assert changed.status_code == 200, changed.text

    response = await anybody.post(f"/api/webhooks/{flow['id']}/hook", json={"any": ["thing"]})

    shown = await Execution(platform.client, response.json()["flow_execution_id"]).shown()
    assert (shown["flow_version"], shown["input"]) == (2, {"any": ["thing"]})
    assert shown["modified_by"] == "integration"


async def test_a_task_name_may_need_quoting(platform: Platform, anybody: httpx.AsyncClient) -> None:
    definition = a_flow(a_hook(name="new order/ü"))
    definition["tasks"], definition["edges"] = [a_hook(name="new order/ü")], []
    flow = await platform.flow(definition)
    shown = await platform.client.get(
        f"/api/flows/{flow['id']}", params={"include_dynamic_data": True}
    )
    (option,) = shown.json()["definition"]["tasks"][0]["dynamic_data"]["webhook_url"]

    response = await anybody.post(option["value"], json={})

    assert option["value"] == f"/api/webhooks/{flow['id']}/new%20order%2F%C3%BC"
    assert response.status_code == 202, response.text


async def test_the_whole_url_is_shown_where_it_is_known(
    temporal_address: str, mongo_uri: str
) -> None:
    settings = settings_for(temporal_address, mongo_uri, public_url="https://flows.example.org/")
    async with running_api(settings) as running:
        platform = await running.organization()
        flow = await platform.flow(a_hooked_flow())

        shown = await platform.client.get(
            f"/api/flows/{flow['id']}", params={"include_dynamic_data": True}
        )

    (option,) = shown.json()["definition"]["tasks"][0]["dynamic_data"]["webhook_url"]
    assert option["value"] == f"https://flows.example.org/api/webhooks/{flow['id']}/hook"


@pytest.mark.parametrize(
    ("posted", "at"),
    [
        ({"number": "7", "customer": "Ada"}, ["number"]),
        ({"number": 7}, ["customer"]),
        ({**ORDER, "surprise": 1}, ["surprise"]),
    ],
)
async def test_an_object_that_does_not_fit_records_nothing(
    platform: Platform, anybody: httpx.AsyncClient, posted: Json, at: list[str]
) -> None:
    path = await hooked(platform, fields=FIELDS)

    response = await anybody.post(path, json=posted)

    assert response.status_code == 400
    assert [detail["loc"] for detail in response.json()["error"]["details"]] == [at]
    accepted = await anybody.post(path, json=ORDER)
    execution = Execution(platform.client, accepted.json()["flow_execution_id"])
    assert (await execution.shown(include_run_number=True))["run_number"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[1]", 400),
        (b'"text"', 400),
        (b"{", 422),
        (b"", 422),
        (b'{"a": NaN}', 400),
        (b'{"a": 1, "a": 2}', 400),
        (b"\xff", 400),
        (b'{"a": "' + b"x" * (1024 * 1024) + b'"}', 413),
    ],
)
async def test_a_body_that_is_no_good_object_is_refused(
    platform: Platform, anybody: httpx.AsyncClient, body: bytes, status: int
) -> None:
    path = await hooked(platform)

    response = await anybody.post(path, content=body)

    assert response.status_code == status, response.text


async def test_a_signed_post_is_taken_and_any_other_refused(
    platform: Platform, anybody: httpx.AsyncClient
) -> None:
    path = await hooked(platform, secret=SECRET)
    body = json.dumps(ORDER, indent=3).encode()
    wrong = {
        "none": {},
        "another secret": {"X-Signature": signature(body, "guess")},
        "another body": {"X-Signature": signature(body + b" ")},
        "no prefix": {"X-Signature": signature(body).removeprefix("sha256=")},
        "an API key": {"X-API-Key": "saf_org_1"},
    }

    refused = {
        what: (await anybody.post(path, content=body, headers=headers)).status_code
        for what, headers in wrong.items()
    }
    taken = await anybody.post(path, content=body, headers={"X-Signature": signature(body)})
    upper = await anybody.post(
        path, content=body, headers={"X-Signature": signature(body).upper().replace("SHA", "sha")}
    )

    assert set(refused.values()) == {401}
    assert (taken.status_code, upper.status_code) == (202, 202)


async def test_a_delivery_that_is_repeated_starts_one_execution(
    platform: Platform, anybody: httpx.AsyncClient
) -> None:
    path = await hooked(platform)
    headers = {"X-Delivery-Id": str(uuid4())}

    answers = await asyncio.gather(
        *(anybody.post(path, json=ORDER, headers=headers) for _ in range(8))
    )
    other = await anybody.post(path, json={"number": 8}, headers=headers)

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["flow_execution_id"] for answer in answers}) == 1
    assert other.status_code == 409


async def test_a_delivery_id_is_not_a_callers_idempotency_key(
    platform: Platform, anybody: httpx.AsyncClient
) -> None:
    path = await hooked(platform)
    flow_id = path.split("/")[3]
    mine = await platform.started(flow_id, ORDER, key="one")

    response = await anybody.post(path, json=ORDER, headers={"X-Delivery-Id": "one"})

    assert response.json()["flow_execution_id"] != mine.id


async def test_whatever_is_not_there_looks_the_same(
    platform: Platform, anybody: httpx.AsyncClient
) -> None:
    path = await hooked(platform)
    flow_id = path.split("/")[3]
    deleted = await hooked(platform)
    await platform.client.delete(f"/api/flows/{deleted.split('/')[3]}")
    paused = await hooked(platform)
    patched = await platform.client.patch(
        f"/api/flows/{paused.split('/')[3]}", json={"settings": {"triggers_paused": True}}
    )
    assert patched.status_code == 200, patched.text

    answers = [
        await anybody.post(url, json=ORDER)
        for url in (
            f"/api/webhooks/{uuid4()}/hook",
            "/api/webhooks/nonsense/hook",
            f"/api/webhooks/{flow_id}/other",
            f"/api/webhooks/{flow_id}/note",
            deleted,
            paused,
        )
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.json()["error"]["message"] for answer in answers}) == 1


async def test_paused_triggers_can_be_resumed(
    platform: Platform, anybody: httpx.AsyncClient
) -> None:
    path = await hooked(platform)
    flow = f"/api/flows/{path.split('/')[3]}"
    for is_paused in (True, False):
        settings: JsonValue = {"settings": {"triggers_paused": is_paused}}
        await platform.client.patch(flow, json=settings)

    assert (await anybody.post(path, json=ORDER)).status_code == 202


async def test_a_flow_of_an_inactive_organization_is_not_started(
    api: Api, platform: Platform, anybody: httpx.AsyncClient
) -> None:
    path = await hooked(platform)
    await api.database["organizations"].update_one(
        {"_id": platform.organization_id}, {"$set": {"is_active": False}}
    )

    assert (await anybody.post(path, json=ORDER)).status_code == 404


async def test_a_draft_that_cannot_run_says_nothing_of_itself(
    platform: Platform, anybody: httpx.AsyncClient
) -> None:
    definition = a_hooked_flow()
    tasks = cast("list[JsonValue]", definition["tasks"])
    definition["tasks"] = [*tasks, task("secret plan", "http_request", {"body": "{{hook}}"})]
    flow = await platform.flow(definition)

    response = await anybody.post(f"/api/webhooks/{flow['id']}/hook", json=ORDER)

    assert response.status_code == 409
    assert "secret plan" not in response.text
