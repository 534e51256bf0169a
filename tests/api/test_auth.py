"""Who is let in."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute

from api.app import ROUTERS
from api.routing import ProtectedRoute
from tests.fixtures.api import Api, bearer
from tests.support.documents import a_flow
from tests.support.platform import Platform

FLOWS = "/api/flows"

WITH_PROOF_OF_THEIR_OWN = ("/api/webhooks/", "/api/files/content")
"""What no key opens: posts that their sender signs, and URLs that the platform signed."""


async def status_and_code(api: Api, **headers: str) -> tuple[int, str | None]:
    response = await (await api.client(**headers)).get(FLOWS)
    body = response.json()
    return response.status_code, body.get("error", {}).get("code")


def token(api: Api, platform: Platform, **claims: object) -> str:
    return bearer(**{"organization_id": platform.organization_id, **claims})


async def test_every_protected_operation_refuses_a_call_without_a_credential(api: Api) -> None:
    client = await api.client()
    document = api.app.openapi()
    operations = [
        (method, path)
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith("/api/") and not path.startswith(WITH_PROOF_OF_THEIR_OWN)
    ]

    assert len(operations) > 25
    for method, path in operations:
        response = await client.request(
            method, path.replace("{version}", "1"), content=b"{" * 10, headers={}
        )
        assert response.status_code == 401, (method, path)
        assert response.json()["error"]["code"] == "unauthorized"
        assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        {"X_API_Key": "saf_org_00000000_00000000_" + "x" * 43},
        {"X_API_Key": "wrong"},
        {"X_API_Key": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer no.token.here"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "saf_org_00000000_00000000_x"},
    ],
)
async def test_a_credential_that_does_not_hold_is_401(api: Api, headers: dict[str, str]) -> None:
    assert await status_and_code(api, **headers) == (401, "unauthorized")


async def test_a_key_that_is_not_even_text_is_401(api: Api) -> None:
    response = await (await api.client()).get(FLOWS, headers={b"X-API-Key": b"saf_\xe9\xff"})

    assert response.status_code == 401


async def test_either_credential_is_taken(api: Api, platform: Platform) -> None:
    assert (await platform.client.get(FLOWS)).status_code == 200
    assert await status_and_code(api, Authorization=f"Bearer {token(api, platform)}") == (200, None)
    assert await status_and_code(api, Authorization=f"bEARER {token(api, platform)}") == (200, None)


async def test_a_bad_bearer_token_is_not_rescued_by_a_good_key(
    api: Api, platform: Platform
) -> None:
    key = platform.client.headers["X-API-Key"]

    assert await status_and_code(api, X_API_Key=key, Authorization="Bearer x") == (
        401,
        "unauthorized",
    )


async def test_the_bearer_token_decides_who_calls(
    api: Api, platform: Platform, stranger: Platform
) -> None:
    await platform.flow(a_flow())
    key = platform.client.headers["X-API-Key"]
    both = await api.client(X_API_Key=key, Authorization=f"Bearer {token(api, stranger)}")

    assert (await both.get(FLOWS)).json()["total"] == 0


async def test_a_deleted_key_is_refused_on_the_next_call(api: Api, platform: Platform) -> None:
    assert (await platform.client.get(FLOWS)).status_code == 200

    await api.database["api_keys"].update_many(
        {"organization_id": platform.organization_id}, {"$set": {"deleted": True}}
    )

    assert (await platform.client.get(FLOWS)).status_code == 401


@pytest.mark.parametrize("collection", ["service_accounts", "organizations"])
async def test_whoever_is_made_inactive_is_refused_on_the_next_call(
    api: Api, platform: Platform, collection: str
) -> None:
    owner = "_id" if collection == "organizations" else "organization_id"
    assert (await platform.client.get(FLOWS)).status_code == 200

    await api.database[collection].update_many(
        {owner: platform.organization_id}, {"$set": {"is_active": False}}
    )

    response = await platform.client.get(FLOWS)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "not a uuid"},
        {"sub": 7},
        {"role": "king"},
        {"role": None},
        {"organization_id": str(uuid4())},
        {"organization_id": "not a uuid"},
        {"organization_id": {"$gt": ""}},
        {"organization_id": None},
    ],
)
async def test_a_genuine_token_needs_a_usable_person(
    api: Api, platform: Platform, claims: dict[str, object]
) -> None:
    made = token(api, platform, **claims)

    assert await status_and_code(api, Authorization=f"Bearer {made}") == (
        401,
        "user_info_not_found",
    )


async def test_a_token_of_an_inactive_organization_has_no_usable_person(
    api: Api, platform: Platform
) -> None:
    await api.database["organizations"].update_one(
        {"_id": platform.organization_id}, {"$set": {"is_active": False}}
    )

    assert await status_and_code(api, Authorization=f"Bearer {token(api, platform)}") == (
        401,
        "user_info_not_found",
    )


async def test_an_expired_token_is_401(api: Api, platform: Platform) -> None:
    made = token(api, platform, exp=datetime.now(UTC) - timedelta(seconds=1))

    assert await status_and_code(api, Authorization=f"Bearer {made}") == (401, "unauthorized")


async def test_a_token_without_an_organization_cannot_write(api: Api) -> None:
    client = await api.client(Authorization=f"Bearer {bearer()}")

    response = await client.post(FLOWS, json={"display_name": "x", "definition": a_flow()})

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "bad_request")
    assert "organization id required" in error["message"]


async def test_a_persons_changes_carry_their_id(api: Api, platform: Platform) -> None:
    user = str(uuid4())
    client = await api.client(Authorization=f"Bearer {token(api, platform, sub=user.upper())}")

    flow = (await client.post(FLOWS, json={"display_name": "mine", "definition": a_flow()})).json()
    run = await client.post(
        "/api/flow-executions", json={"flow_id": flow["id"], "input": {"text": "x"}}
    )

    assert flow["modified_by"] == user
    assert run.json()["modified_by"] == user


@pytest.mark.parametrize(
    ("role", "may_author", "may_run"),
    [
        ("org_admin", True, True),
        ("backoffice", True, True),
        ("app_user", True, True),
        ("publisher", True, True),
        ("integration", True, True),
        ("worker", False, False),
    ],
)
async def test_what_a_role_may_change(
    api: Api, platform: Platform, role: str, may_author: bool, may_run: bool
) -> None:
    flow = await platform.flow(a_flow())
    execution = await platform.started(flow["id"])
    person = (await api.person(platform.organization_id, role)).client

    authored = [
        await person.post(FLOWS, json={"display_name": f"by {role}", "definition": a_flow()}),
        await person.patch(f"{FLOWS}/{flow['id']}", json={"tags": [role]}),
        await person.put(f"{FLOWS}/{flow['id']}/definition", json={"definition": a_flow()}),
    ]
    named = await person.patch(f"{FLOWS}/{flow['id']}/versions/1", json={"name": role})
    run = [
        await person.post(
            "/api/flow-executions", json={"flow_id": flow["id"], "input": {"text": "x"}}
        ),
        await person.post(f"{execution.path}/execute"),
    ]

    assert {answer.status_code == 403 for answer in authored} == {not may_author}
    assert named.status_code == (200 if may_author else 404)
    assert {answer.status_code == 403 for answer in run} == {not may_run}
    assert (await person.get(FLOWS)).status_code == 200


def test_no_route_under_api_is_unprotected() -> None:
    routes = [
        route
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and route.path.startswith("/api/")
    ]
    unprotected = {route.path for route in routes if not isinstance(route, ProtectedRoute)}

    assert unprotected == {"/api/webhooks/{flow_id}/{task_name:path}", "/api/files/content"}
    assert len(routes) > 50
