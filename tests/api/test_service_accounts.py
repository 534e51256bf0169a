"""Machines get an identity, keys that are shown once, and lose both at once."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import JsonValue

from tests.fixtures.api import Api, running_api
from tests.support.documents import a_flow
from tests.support.eventually import eventually
from tests.support.leaks import dump_of, shows
from tests.support.platform import Json, Platform

PATH = "/api/service-accounts"
FLOWS = "/api/flows"


async def made(platform: Platform, name: str = "robot", **fields: JsonValue) -> Json:
    """Create a service account."""
    answer = await platform.client.post(PATH, json={"name": name, **fields})
    assert answer.status_code == 201, answer.text
    account: Json = answer.json()
    return account


async def key_of(platform: Platform, account: Json, name: str = "key") -> Json:
    """Create a key of a service account."""
    answer = await platform.client.post(f"{PATH}/{account['id']}/api-keys", json={"name": name})
    assert answer.status_code == 201, answer.text
    key: Json = answer.json()
    return key


async def holder(api: Api, key: Json) -> httpx.AsyncClient:
    """Return a client that sends a key."""
    return await api.client(X_API_Key=str(key["token"]))


async def statuses(*clients: httpx.AsyncClient) -> list[int]:
    """Return how each is answered."""
    return [(await client.get(FLOWS)).status_code for client in clients]


async def test_an_account_lives(platform: Platform) -> None:
    account = await made(platform, description="of the warehouse")
    path = f"{PATH}/{account['id']}"
    listed = await platform.client.get(PATH)
    changed = await platform.client.patch(path, json={"name": "droid", "description": None})
    shown = await platform.client.get(path)
    deleted = await platform.client.delete(path)
    again = await platform.client.delete(path)

    assert {**account, "id": 0, "created_at": 0, "updated_at": 0} == {
        **{"id": 0, "created_at": 0, "updated_at": 0, "modified_by": "service-account"},
        **{"organization_id": platform.organization_id, "status": "active", "role": "app_user"},
        **{"name": "robot", "description": "of the warehouse"},
    }
    assert [each["name"] for each in listed.json()] == ["robot", "administrator"]
    assert changed.json() == shown.json()
    assert (shown.json()["name"], shown.json()["description"]) == ("droid", None)
    assert shown.json()["updated_at"] > account["updated_at"]
    assert (deleted.status_code, again.status_code) == (204, 404)


async def test_a_null_leaves_a_name_and_a_role_as_they_are(platform: Platform) -> None:
    account = await made(platform, role="worker")
    key = await key_of(platform, account)

    changed = await platform.client.patch(
        f"{PATH}/{account['id']}", json={"name": None, "role": None, "unknown": 1}
    )
    renamed = await platform.client.patch(
        f"{PATH}/{account['id']}/api-keys/{key['id']}", json={"name": None}
    )

    assert changed.json() == account
    assert (renamed.status_code, renamed.json()["name"]) == (200, "key")


async def test_a_key_shows_its_token_once(
    api: Api, platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    account = await made(platform)
    path = f"{PATH}/{account['id']}/api-keys"
    with caplog.at_level(logging.DEBUG):
        key = await key_of(platform, account, "of the night shift")
        used = await (await holder(api, key)).post(
            FLOWS, json={"display_name": str(uuid4()), "definition": a_flow()}
        )
        patched = await platform.client.patch(f"{path}/{key['id']}", json={"description": "x"})
        listed = await platform.client.get(path)
    token = str(key.pop("token"))

    assert used.status_code == 201
    assert used.json()["modified_by"] == "service-account"
    assert token.startswith(f"saf_org_{platform.organization_id[:8]}_{str(account['id'])[:8]}_")
    assert token.startswith(str(key["token_prefix"]))
    assert len(str(key["token_prefix"])) <= 40
    assert (key["user_id"], key["service_account_id"]) == (None, account["id"])
    assert (key["name"], key["description"]) == ("of the night shift", None)
    assert [each["id"] for each in listed.json()] == [key["id"]]
    assert listed.json()[0]["description"] == "x"
    secret = token.removeprefix(str(key["token_prefix"]))
    told = "".join(answer.text for answer in (used, patched, listed))
    assert not shows(told, secret)
    stored = await dump_of(api.database, platform.organization_id)
    assert shows(stored, str(key["token_prefix"]))
    assert not shows(stored, secret)
    assert caplog.records
    logged = "".join(f"{each.getMessage()} {vars(each)}" for each in caplog.records)
    assert not shows(logged, secret)


async def test_whatever_revokes_a_key_does_so_at_once_in_every_process(
    api: Api, platform: Platform
) -> None:
    async with running_api(api.settings) as other:
        kept = await made(platform)
        for revoke in ("key", "account", "deactivate"):
            account = await made(platform)
            key = await key_of(platform, account)
            here, there = await holder(api, key), await holder(other, key)
            bystander = await holder(other, await key_of(platform, kept))
            assert await statuses(here, there) == [200, 200]
            path = f"{PATH}/{account['id']}"

            if revoke == "deactivate":
                answer = await platform.client.post(f"{path}/deactivate")
            else:
                gone = f"{path}/api-keys/{key['id']}" if revoke == "key" else path
                answer = await platform.client.delete(gone)

            assert answer.is_success
            assert await statuses(there, here, bystander) == [401, 401, 200], revoke


async def test_activating_and_deactivating_may_be_repeated(api: Api, platform: Platform) -> None:
    account = await made(platform)
    robot = await holder(api, await key_of(platform, account))
    path = f"{PATH}/{account['id']}"

    off = [await platform.client.post(f"{path}/deactivate") for _ in range(2)]
    refused = await robot.get(FLOWS)
    on = [await platform.client.post(f"{path}/activate") for _ in range(2)]

    assert [each.status_code for each in (*off, *on)] == [200] * 4
    assert off[0].json() == off[1].json()
    assert on[0].json() == on[1].json()
    assert (off[0].json()["status"], on[0].json()["status"]) == ("inactive", "active")
    assert refused.json()["error"]["code"] == "unauthorized"
    assert (await robot.get(FLOWS)).status_code == 200
    for action in ("activate", "deactivate"):
        assert (await platform.client.post(f"{PATH}/{uuid4()}/{action}")).status_code == 404


async def test_an_account_takes_its_keys_with_it(api: Api, platform: Platform) -> None:
    account, kept = await made(platform), await made(platform)
    for owner in (account, kept):
        await key_of(platform, owner)

    await platform.client.delete(f"{PATH}/{account['id']}")

    owners = await api.database["api_keys"].distinct(
        "service_account_id", {"organization_id": platform.organization_id}
    )
    assert account["id"] not in owners
    assert kept["id"] in owners


async def test_a_deleted_key_is_listed_no_more_and_stays_stored(
    api: Api, platform: Platform
) -> None:
    account = await made(platform)
    key = await key_of(platform, account)
    path = f"{PATH}/{account['id']}/api-keys/{key['id']}"

    answers = [await platform.client.delete(path), await platform.client.delete(path)]
    changed = await platform.client.patch(path, json={"name": "back"})
    listed = await platform.client.get(f"{PATH}/{account['id']}/api-keys")

    assert [each.status_code for each in answers] == [204, 404]
    assert (changed.status_code, listed.json()) == (404, [])
    stored = await api.database["api_keys"].find_one({"_id": key["id"]})
    assert stored is not None
    assert stored["deleted"] is True


async def test_a_key_is_found_under_its_own_account_alone(platform: Platform) -> None:
    account, other = await made(platform), await made(platform)
    key = await key_of(platform, account)
    path = f"{PATH}/{other['id']}/api-keys/{key['id']}"

    changed = await platform.client.patch(path, json={"name": "taken over"})
    deleted = await platform.client.delete(path)

    assert (changed.status_code, deleted.status_code) == (404, 404)
    [shown] = (await platform.client.get(f"{PATH}/{account['id']}/api-keys")).json()
    assert shown["name"] == "key"


async def test_accounts_without_an_organization_are_hidden(api: Api, platform: Platform) -> None:
    account = await made(platform)
    of_the_system = str(uuid4())
    stored = await api.database["service_accounts"].find_one({"_id": account["id"]})
    await api.database["service_accounts"].insert_one(
        {**(stored or {}), "_id": of_the_system, "organization_id": None}
    )

    listed = await platform.client.get(PATH)
    path = f"{PATH}/{of_the_system}"
    answers = [
        await platform.client.get(path),
        await platform.client.patch(path, json={"name": "x"}),
        await platform.client.get(f"{path}/api-keys"),
        await platform.client.post(f"{path}/api-keys", json={"name": "x"}),
        await platform.client.post(f"{path}/deactivate"),
        await platform.client.delete(path),
    ]

    assert of_the_system not in listed.text
    assert {each.status_code for each in answers} == {404}


async def test_lists_are_read_in_pieces_newest_first(platform: Platform) -> None:
    account = await made(platform, "0")
    accounts = ["0", *[str((await made(platform, str(n)))["name"]) for n in range(1, 4)]]
    keys = [str((await key_of(platform, account, str(n)))["name"]) for n in range(4)]

    async def names(path: str, **query: int) -> list[str]:
        answer = await platform.client.get(path, params=query)
        assert answer.status_code == 200
        return [each["name"] for each in answer.json()]

    of_account = f"{PATH}/{account['id']}/api-keys"
    assert await names(PATH) == [*reversed(accounts), "administrator"]
    assert await names(PATH, offset=1, limit=2) == ["2", "1"]
    assert await names(PATH, offset=2**63) == []
    assert await names(of_account) == [*reversed(keys)]
    assert await names(of_account, offset=3) == ["0"]
    for query in ("offset=-1", "limit=0", "limit=1001", "limit=x"):
        for path in (PATH, of_account):
            assert (await platform.client.get(f"{path}?{query}")).status_code == 422


@pytest.mark.parametrize(
    "body",
    [{}, {"name": None}, {"name": 1}, {"name": "x" * 256}, {"name": "x", "description": 1}],
    ids=lambda body: str(body)[:20],
)
async def test_what_an_account_or_a_key_cannot_be_called(platform: Platform, body: Json) -> None:
    account = await made(platform)

    answers = [
        await platform.client.post(PATH, json=body),
        await platform.client.post(f"{PATH}/{account['id']}/api-keys", json=body),
    ]

    assert [each.status_code for each in answers] == [422, 422]


async def test_a_name_may_have_255_characters(platform: Platform) -> None:
    account = await made(platform, "ä" * 255)

    assert (await key_of(platform, account, "ö" * 255))["name"] == "ö" * 255


async def test_a_key_allows_what_the_role_of_its_account_says(api: Api, platform: Platform) -> None:
    account = await made(platform, role="worker")
    robot = await holder(api, await key_of(platform, account))
    body: Json = {"display_name": str(uuid4()), "definition": a_flow()}
    refused = await robot.post(FLOWS, json=body)

    changed = await platform.client.patch(f"{PATH}/{account['id']}", json={"role": "publisher"})
    accepted = await robot.post(FLOWS, json=body)

    assert (refused.status_code, accepted.status_code) == (403, 201)
    assert changed.json()["role"] == "publisher"


async def test_nobody_hands_out_a_role_that_reaches_beyond_the_organization(
    platform: Platform,
) -> None:
    account = await made(platform)

    for role in ("backoffice", "king", ""):
        made_so = await platform.client.post(PATH, json={"name": "x", "role": role})
        changed = await platform.client.patch(f"{PATH}/{account['id']}", json={"role": role})
        assert (made_so.status_code, changed.status_code) == (422, 422)


@pytest.mark.parametrize("role", ["backoffice", "app_user", "publisher", "integration", "worker"])
async def test_only_an_administrator_looks_after_accounts(
    api: Api, platform: Platform, role: str
) -> None:
    account = await made(platform)
    key = await key_of(platform, account)
    person = (await api.person(platform.organization_id, role)).client
    path = f"{PATH}/{account['id']}"
    of_key = f"{path}/api-keys/{key['id']}"
    before = await platform.client.get(path)

    answers = [
        await person.get(PATH),
        await person.post(PATH, json={"name": "x", "role": "org_admin"}),
        await person.get(path),
        await person.patch(path, json={"role": "org_admin"}),
        await person.post(f"{path}/activate"),
        await person.post(f"{path}/deactivate"),
        await person.get(f"{path}/api-keys"),
        await person.post(f"{path}/api-keys", json={"name": "x"}),
        await person.patch(of_key, json={"name": "x"}),
        await person.delete(of_key),
        await person.delete(path),
    ]

    assert {each.status_code for each in answers} == {403}
    assert (await platform.client.get(path)).json() == before.json()
    assert (await (await holder(api, key)).get(FLOWS)).status_code == 200


async def test_a_person_who_administrates_is_named_by_their_id(
    api: Api, platform: Platform
) -> None:
    person = await api.person(platform.organization_id)

    account = await made(person)
    key = await key_of(person, account)

    me = account["modified_by"]
    assert key["modified_by"] == me
    assert str(me) not in ("system", "service-account")


async def last_used(platform: Platform, account: Json) -> str | None:
    """Return when the only key of an account was last used."""
    answer = await platform.client.get(f"{PATH}/{account['id']}/api-keys")
    [key] = answer.json()
    used: str | None = key["last_used_at"]
    return used


async def test_the_last_use_of_a_key_is_noted_once_a_minute(api: Api, platform: Platform) -> None:
    account = await made(platform)
    key = await key_of(platform, account)
    robot = await holder(api, key)
    before = datetime.now(UTC)
    assert await last_used(platform, account) is None

    await robot.get(FLOWS)
    first = await eventually(lambda: last_used(platform, account), 10, saying="a use is noted")
    assert await statuses(*[robot] * 5) == [200] * 5
    settled = await last_used(platform, account)
    long_ago = datetime.now(UTC) - timedelta(seconds=61)
    await api.database["api_keys"].update_one(
        {"_id": key["id"]}, {"$set": {"last_used_at": long_ago}}
    )
    await robot.get(FLOWS)

    async def noted_again() -> bool:
        return str(await last_used(platform, account)) >= str(first)

    assert first is not None
    assert before - timedelta(seconds=1) < datetime.fromisoformat(first) <= datetime.now(UTC)
    assert settled == first
    await eventually(noted_again, saying="a use after a minute is noted")


async def test_no_request_waits_for_a_use_to_be_noted(api: Api, platform: Platform) -> None:
    account = await made(platform)
    key = await key_of(platform, account)
    robot = await holder(api, key)
    keys: Any = api.database["api_keys"]
    # Whoever writes to this key now waits until the transaction ends.
    async with (
        await api.database.client.start_session() as session,
        session.start_transaction(),
    ):
        await keys.update_one({"_id": key["id"]}, {"$set": {"held": True}}, session=session)
        answered = await statuses(*[robot] * 3)
        unnoted = await last_used(platform, account)
        await session.abort_transaction()

    assert answered == [200] * 3
    assert unnoted is None
    await eventually(lambda: last_used(platform, account), 10, saying="the use is noted at last")
