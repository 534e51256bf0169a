"""Credentials, tenants and errors below both mounts."""

from uuid import uuid4

import httpx
import pytest

from tests.fixtures.api import Api
from tests.support.definitions import created
from tests.support.dialogs import graph, says
from tests.support.platform import Platform

NOWHERE = "0" * 24
CONFIG = {"config": graph(says("x"))}

CALLS = [
    ("GET", "", None),
    ("PATCH", "", {"name": "taken over"}),
    ("DELETE", "", None),
    ("POST", "/clone", {}),
    ("PATCH", "/concurrency", {"max_concurrent_runs": 1}),
    ("GET", "/versions", None),
    ("POST", "/versions", {}),
    ("PATCH", "/versions/0", {"version_name": "taken over"}),
    ("PATCH", "/versions/0/config", CONFIG),
    ("POST", "/versions/0/activate", None),
    ("DELETE", "/versions/0", None),
    ("GET", "/versions/0/diff/0", None),
]


def by_bearer(platform: Platform) -> dict[str, str]:
    return {"Authorization": f"Bearer {platform.client.headers['X-API-Key']}"}


@pytest.mark.parametrize("mount", ["/v1", "/workflows/v1"])
async def test_both_mounts_take_an_api_key_as_bearer(
    api: Api, platform: Platform, mount: str
) -> None:
    client = await api.client(**by_bearer(platform))
    teamid = {"teamid": platform.organization_id, "uuid": "somebody"}

    answer = await client.get(f"{mount}/workflows", headers=teamid)

    assert (answer.status_code, answer.json()["workflows"]) == (200, [])
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer saf_unknown"}], ids=["no", "bad"]
)
async def test_a_credential_is_needed(api: Api, headers: dict[str, str]) -> None:
    answer = await (await api.client(**headers)).get("/v1/workflows")

    assert answer.status_code == 401
    assert {*answer.json()} == {"detail"}


async def test_an_api_key_is_no_bearer_token_elsewhere(api: Api, platform: Platform) -> None:
    answer = await (await api.client(**by_bearer(platform))).get("/api/flows")

    assert answer.status_code == 401


async def test_acting_for_another_team_is_refused(platform: Platform) -> None:
    answer = await platform.client.get("/v1/workflows", headers={"teamid": str(uuid4())})

    assert (answer.status_code, answer.json()) == (403, {"detail": "the team is not the caller's"})


async def test_the_holder_of_a_key_says_whom_it_acts_for(api: Api, platform: Platform) -> None:
    person = await api.person(platform.organization_id)
    somebody, body = {"uuid": "64b000000000000000000002"}, {"name": "Desk"}

    made = await platform.client.post("/v1/workflows", json=body, headers=somebody)
    theirs = await person.client.post("/v1/workflows", json=body, headers=somebody)
    plain = await platform.client.post("/v1/workflows", json=body)
    refused = await platform.client.get("/v1/workflows", headers={"uuid": "a b"})
    path = f"/v1/workflows/{plain.json()['workflow']['_id']}"
    changed = await platform.client.patch(path, json={"name": "x"}, headers=somebody)

    assert made.json()["workflow"]["created_by"] == somebody["uuid"]
    assert theirs.json()["workflow"]["created_by"] != somebody["uuid"]
    assert plain.json()["workflow"]["created_by"] != somebody["uuid"]
    workflow = changed.json()["workflow"]
    assert workflow["created_by"] == plain.json()["workflow"]["created_by"]
    assert workflow["updated_by"] == somebody["uuid"]
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("PUT", "/v1/workflows", 405),
        ("GET", "/workflows/v1/nothing", 404),
    ],
)
async def test_what_the_router_refuses_has_the_bodies_of_the_mount(
    platform: Platform, method: str, path: str, status: int
) -> None:
    answer = await platform.client.request(method, path)

    assert answer.status_code == status
    assert {*answer.json()} == {"detail"}


async def test_a_body_that_is_too_long_is_413(platform: Platform) -> None:
    answer = await platform.client.post("/v1/workflows", json={"name": "a" * 3_000_000})

    assert answer.status_code == 413


@pytest.mark.parametrize(("method", "below", "body"), CALLS, ids=lambda each: str(each)[:24])
async def test_a_workflow_of_another_organization_is_as_unknown_as_any(
    api: Api, platform: Platform, method: str, below: str, body: dict[str, object] | None
) -> None:
    theirs = await created(platform, graph(says("a")))
    intruder = await api.organization()

    async def tried(client: httpx.AsyncClient, workflow_id: str) -> tuple[int, object]:
        answer = await client.request(method, f"/v1/workflows/{workflow_id}{below}", json=body)
        return answer.status_code, answer.json()

    foreign = await tried(intruder.client, theirs["_id"])

    assert foreign == await tried(intruder.client, NOWHERE)
    assert foreign == (404, {"detail": "Workflow not found"})
    versions = (await platform.client.get(f"/v1/workflows/{theirs['_id']}/versions")).json()
    assert [each["version_name"] for each in versions["versions"]] == ["Initial Version"]
    assert (await intruder.client.get("/v1/workflows")).json()["total"] == 0


async def test_a_worker_may_neither_see_nor_write_workflows(api: Api, platform: Platform) -> None:
    worker = (await api.person(platform.organization_id, "worker")).client

    reading = await worker.get("/v1/workflows")
    writing = await worker.post("/v1/workflows", json={"name": "mine"})

    assert (reading.status_code, writing.status_code) == (403, 403)
