"""Organizations, worker groups and profiles, as callers meet them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from store.organizations import OrganizationRepository, Tier
from tests.fixtures.api import Api, bearer
from tests.support.platform import Platform

SETTINGS = "/api/organizations/settings"
GROUPS = "/api/organizations/worker-groups"
ME = "/api/profile/me"

DEFAULTS = {
    "worker_landing_page": "hub",
    "max_concurrent_executions": None,
    "payment_method": None,
    "security": {"enforce_sso": False, "enforce_mfa": False},
    "auto_calibration": {"enabled": True},
}


async def signed_in(api: Api, organization_id: str, **claims: object) -> Platform:
    """Return the view of a person whose token says this about them."""
    token = bearer(organization_id=organization_id, **claims)
    return Platform(await api.client(Authorization=f"Bearer {token}"), organization_id)


def body_of(response: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert response.status_code == status, response.text
    shown: dict[str, Any] = response.json()
    return shown


async def test_members_see_their_organization(api: Api, platform: Platform) -> None:
    worker = await api.person(platform.organization_id, "worker")

    shown = body_of(await worker.client.get(f"/api/organizations/{platform.organization_id}"))

    today = datetime.now(UTC).date()
    assert shown["id"] == platform.organization_id
    assert shown["tier"] == "enterprise"
    assert shown["settings"] == DEFAULTS
    assert shown["period_start"] <= today.isoformat() <= shown["period_end"]
    next_day = datetime.fromisoformat(shown["period_end"]) + timedelta(days=1)
    assert (shown["period_start"][-2:], next_day.day) == ("01", 1)


async def test_another_organization_is_forbidden_and_an_unknown_one_absent(
    platform: Platform, stranger: Platform
) -> None:
    foreign = await platform.client.get(f"/api/organizations/{stranger.organization_id}")
    unknown = await platform.client.get(f"/api/organizations/{uuid4()}")

    assert body_of(foreign, 403)["error"]["code"] == "forbidden"
    assert body_of(unknown, 404)["error"]["code"] == "not_found"


async def test_settings_are_replaced_as_a_whole(platform: Platform) -> None:
    whole = {
        "worker_landing_page": "assigned_flow_work_tab",
        "max_concurrent_executions": 3,
        "payment_method": "invoice",
        "security": {"enforce_sso": True, "enforce_mfa": True},
        "auto_calibration": {"enabled": False},
        "of a newer client": 1,
    }
    path = f"/api/organizations/{platform.organization_id}"

    changed = body_of(await platform.client.put(SETTINGS, json=whole))
    read = body_of(await platform.client.get(path))
    reset = body_of(await platform.client.put(SETTINGS, json={"payment_method": "stripe"}))

    whole.pop("of a newer client")
    assert changed["settings"] == whole
    assert read == changed
    assert changed["modified_by"] == "service-account"
    assert reset["settings"] == {**DEFAULTS, "payment_method": "stripe"}


@pytest.mark.parametrize(
    "settings",
    [
        {"max_concurrent_executions": True},
        {"max_concurrent_executions": "3"},
        {"auto_calibration": {"enabled": 0}},
        {"security": None},
    ],
)
async def test_settings_of_another_type_are_refused(
    platform: Platform, settings: dict[str, Any]
) -> None:
    refused = await platform.client.put(SETTINGS, json=settings)

    assert body_of(refused, 422)["error"]["code"] == "validation_error"


@pytest.mark.parametrize("limit", [0, -1, 10_001, 2**70])
async def test_a_limit_that_means_nothing_is_refused(platform: Platform, limit: int) -> None:
    refused = await platform.client.put(SETTINGS, json={"max_concurrent_executions": limit})

    assert body_of(refused, 400)["error"]["code"] == "bad_request"
    shown = body_of(await platform.client.get(f"/api/organizations/{platform.organization_id}"))
    assert shown["settings"] == DEFAULTS


@pytest.mark.parametrize("role", ["app_user", "publisher", "integration", "worker"])
async def test_only_administrators_administrate(api: Api, platform: Platform, role: str) -> None:
    person = await api.person(platform.organization_id, role)
    path = f"{GROUPS}/{uuid4()}"

    for answer in (
        await person.client.put(SETTINGS, json={}),
        await person.client.get(GROUPS),
        await person.client.post(GROUPS, json={"name": "mine"}),
        await person.client.get(path),
        await person.client.put(path, json={}),
        await person.client.delete(path),
        await person.client.post(f"{path}/members", json={}),
    ):
        assert body_of(answer, 403)["error"]["code"] == "forbidden"


async def test_credits_are_not_metered(api: Api, platform: Platform) -> None:
    worker = await api.person(platform.organization_id, "worker")

    shown = body_of(await worker.client.get("/api/organizations/credits"))

    assert shown["organization_id"] == platform.organization_id
    assert shown["additional"] == {"granted": 0, "consumed": 0, "remaining": 0}
    assert shown["monthly"]["remaining"] == shown["overcharge_credits"] == 0


async def test_a_tier_has_a_limit_of_its_own(api: Api, platform: Platform) -> None:
    organizations = OrganizationRepository(api.database)

    free = await organizations.set_tier(platform.organization_id, Tier.FREE, "system")
    shown = body_of(await platform.client.put(SETTINGS, json={"max_concurrent_executions": 7}))
    overridden = await organizations.get(platform.organization_id)
    enterprise = await organizations.set_tier(platform.organization_id, Tier.ENTERPRISE, "system")

    assert free.execution_limit == 5
    assert shown["tier"] == "free"
    assert overridden.execution_limit == enterprise.execution_limit == 7


async def test_a_worker_group_lives_and_dies(api: Api, platform: Platform) -> None:
    ada = str(uuid4())
    person = await signed_in(api, platform.organization_id, sub=ada, role="worker", name="Ada King")
    await person.client.get(ME)
    nobody = str(uuid4())

    made = body_of(
        await platform.client.post(
            GROUPS, json={"name": "reviewers", "member_user_ids": [ada.upper(), ada, nobody]}
        ),
        201,
    )
    path = f"{GROUPS}/{made['id']}"
    renamed = body_of(await platform.client.put(path, json={"description": "of invoices"}))
    changed = body_of(
        await platform.client.post(
            f"{path}/members", json={"add_user_ids": [ada], "remove_user_ids": [nobody]}
        )
    )
    listed = body_of(await platform.client.get(GROUPS, params={"limit": 1}))
    deleted = await platform.client.delete(path)

    assert made["member_count"] == 2
    assert [member["role"] for member in made["members"]] == ["worker", ""]
    assert (renamed["name"], renamed["description"]) == ("reviewers", "of invoices")
    (member,) = changed["members"]
    assert (member["id"], member["first_name"], member["last_name"]) == (ada, "Ada", "King")
    assert member["added_at"] == made["members"][0]["added_at"]
    assert (listed["total"], listed["items"][0]["member_count"]) == (1, 1)
    assert deleted.status_code == 204
    assert (await platform.client.get(path)).status_code == 404


async def test_a_group_that_clashes_is_refused(platform: Platform) -> None:
    body_of(await platform.client.post(GROUPS, json={"name": "one"}), 201)
    made = body_of(await platform.client.post(GROUPS, json={"name": "two"}), 201)
    path, user_id = f"{GROUPS}/{made['id']}", str(uuid4())

    taken = await platform.client.post(GROUPS, json={"name": "one"})
    renamed = await platform.client.put(path, json={"name": "one"})
    unchanged = await platform.client.put(path, json={"name": None})
    both = await platform.client.post(
        f"{path}/members", json={"add_user_ids": [user_id], "remove_user_ids": [user_id]}
    )

    assert body_of(taken, 409)["error"]["code"] == "conflict"
    assert body_of(renamed, 409)["error"]["code"] == "conflict"
    assert body_of(unchanged)["name"] == "two"
    assert body_of(both, 400)["error"]["details"] == {"user_ids": [user_id]}


async def test_a_foreign_group_looks_absent(platform: Platform, stranger: Platform) -> None:
    made = body_of(await stranger.client.post(GROUPS, json={"name": "theirs"}), 201)
    path = f"{GROUPS}/{made['id']}"

    for answer in (
        await platform.client.get(path),
        await platform.client.put(path, json={"name": "ours"}),
        await platform.client.post(f"{path}/members", json={"add_user_ids": [str(uuid4())]}),
        await platform.client.delete(path),
    ):
        assert body_of(answer, 404)["error"]["code"] == "not_found"

    assert body_of(await platform.client.get(GROUPS)) == {"items": [], "total": 0}
    assert body_of(await stranger.client.get(path)) == made


async def test_a_profile_is_what_the_token_says(api: Api, platform: Platform) -> None:
    await platform.client.put(SETTINGS, json={"worker_landing_page": "assigned_flow_data_tab"})
    user_id = str(uuid4())
    claims = {"given_name": "Grace", "family_name": "Hopper", "email": "grace@example.org"}
    grace = await signed_in(api, platform.organization_id, sub=user_id, role="worker", **claims)

    shown = body_of(await grace.client.get(ME))

    assert shown["id"] == user_id
    assert (shown["first_name"], shown["last_name"]) == ("Grace", "Hopper")
    assert (shown["email"], shown["role"], shown["status"]) == (
        "grace@example.org",
        "worker",
        "active",
    )
    assert shown["organization_tier"] == "enterprise"
    assert shown["organization_payment_method"] == "stripe"
    assert shown["landing_page"]["landing_page_config"] == "assigned_flow_data_tab"
    assert shown["settings"]["runs_per_page"] == 10
    assert body_of(await grace.client.get(ME)) == shown


async def test_people_change_their_own_profile(api: Api, platform: Platform) -> None:
    one, other = str(uuid4()), str(uuid4())
    person = await signed_in(api, platform.organization_id, given_name="Grace")
    first = {"default_flow_views": {one: "runs", other: other}, "hub_view": "list"}

    changed = body_of(
        await person.client.patch(ME, json={"first_name": "Amazing", "settings": first})
    )
    await person.client.patch(ME, json={"settings": {"default_flow_views": {one: None}}})
    shown = body_of(await person.client.get(ME))
    back = body_of(
        await person.client.patch(ME, json={"first_name": None, "settings": {"hub_view": None}})
    )

    assert changed["first_name"] == "Amazing"
    assert changed["modified_by"] == changed["id"]
    assert changed["deleted"] is False
    assert shown["settings"]["default_flow_views"] == {other: other}
    assert shown["settings"]["hub_view"] == "list"
    assert (back["first_name"], back["settings"]["hub_view"]) == ("Grace", "cards")


async def test_what_a_profile_does_not_have_is_refused(api: Api, platform: Platform) -> None:
    person = await api.person(platform.organization_id)
    views = {"default_flow_views": {str(uuid4()): "runs" for _ in range(600)}}
    assert (await person.client.patch(ME, json={"settings": views})).status_code == 200
    more = {"default_flow_views": {str(uuid4()): "runs" for _ in range(600)}}

    password = await person.client.patch(ME, json={"password": "long enough"})
    unknown = await person.client.patch(ME, json={"settings": {"no_such": 1}})
    too_many = await person.client.patch(ME, json={"settings": more})

    assert body_of(password, 400)["error"]["code"] == "bad_request"
    assert body_of(unknown, 422)["error"]["code"] == "validation_error"
    assert body_of(too_many, 400)["error"]["code"] == "bad_request"


async def test_a_machine_has_no_profile(platform: Platform) -> None:
    shown = await platform.client.get(ME)
    changed = await platform.client.patch(ME, json={"first_name": "Robbie"})

    assert body_of(shown, 404)["error"]["code"] == "not_found"
    assert body_of(changed, 404)["error"]["code"] == "not_found"
