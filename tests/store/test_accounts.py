"""Organizations, service accounts and keys."""

import asyncio
from contextlib import suppress

import pytest

from flows.errors import OrganizationNotFoundError, ServiceAccountNotFoundError
from store.service_accounts import ServiceAccountRepository
from tests.support.stores import Stores


async def test_an_organization_is_made_once_for_each_name(stores: Stores) -> None:
    first = await stores.accounts.create_organization("Acme")

    assert await stores.accounts.create_organization("Acme") == first
    assert await stores.accounts.organization(first.id) == first
    assert (await stores.accounts.create_organization("Other")).id != first.id


async def test_an_unknown_organization_is_told(stores: Stores) -> None:
    with pytest.raises(OrganizationNotFoundError):
        await stores.accounts.organization("nobody's")


async def test_a_token_leads_to_its_key_account_and_organization(stores: Stores) -> None:
    organization = await stores.accounts.create_organization("Acme")
    account = await stores.accounts.create_service_account(
        organization.id, "admin", role="org_admin"
    )
    key, token = await stores.accounts.create_key(organization.id, account.id)

    assert await stores.accounts.find_key(token) == (key, account, organization)
    assert token.startswith(f"saf_org_{organization.id[:8]}_{account.id[:8]}_")
    assert token.startswith(key.token_prefix)
    assert len(key.token_prefix) <= 40


async def test_the_token_itself_is_stored_nowhere(stores: Stores) -> None:
    organization = await stores.accounts.create_organization("Acme")
    account = await stores.accounts.create_service_account(organization.id, "a", role="app_user")
    _, token = await stores.accounts.create_key(organization.id, account.id)

    stored = await stores.database["api_keys"].find().to_list(length=None)

    assert token not in repr(stored)
    assert token[-12:] not in repr(stored)


@pytest.mark.parametrize("change", ["longer", "shorter", "other", "empty"])
async def test_any_other_token_leads_nowhere(stores: Stores, change: str) -> None:
    organization = await stores.accounts.create_organization("Acme")
    account = await stores.accounts.create_service_account(organization.id, "a", role="app_user")
    _, token = await stores.accounts.create_key(organization.id, account.id)
    changed = {
        "longer": token + "x",
        "shorter": token[:-1],
        "other": token[:-1] + ("a" if token[-1] != "a" else "b"),
        "empty": "",
    }

    assert await stores.accounts.find_key(changed[change]) is None


async def test_a_key_whose_account_is_gone_leads_nowhere(stores: Stores) -> None:
    organization = await stores.accounts.create_organization("Acme")
    account = await stores.accounts.create_service_account(organization.id, "a", role="app_user")
    _, token = await stores.accounts.create_key(organization.id, account.id)

    await stores.database["service_accounts"].delete_one({"_id": account.id})

    assert await stores.accounts.find_key(token) is None


async def test_what_older_programs_wrote_is_read(stores: Stores) -> None:
    organization = await stores.accounts.create_organization("Acme")
    account = await stores.accounts.create_service_account(organization.id, "a", role="app_user")
    _, token = await stores.accounts.create_key(organization.id, account.id)
    later = {"description": 1, "updated_at": 1, "modified_by": 1, "keys_made": 1}
    await stores.database["service_accounts"].update_one({"_id": account.id}, {"$unset": later})
    await stores.database["api_keys"].update_many({}, {"$unset": {**later, "name": 1}})

    found = await stores.accounts.find_key(token)

    assert found is not None
    key, owner, _ = found
    assert owner == account
    assert (key.name, key.updated_at, key.modified_by) == ("key", key.created_at, "system")
    assert (key.last_used_at, key.user_id) == (None, None)


async def test_a_key_of_a_person_is_read_and_belongs_to_no_account(stores: Stores) -> None:
    organization = await stores.accounts.create_organization("Acme")
    account = await stores.accounts.create_service_account(organization.id, "a", role="app_user")
    _, token = await stores.accounts.create_key(organization.id, account.id)
    await stores.database["api_keys"].update_many(
        {}, {"$unset": {"service_account_id": 1}, "$set": {"user_id": "somebody"}}
    )
    repository = ServiceAccountRepository(stores.database)

    assert await stores.accounts.find_key(token) is None
    assert await repository.keys(organization.id, account.id) == []


async def test_an_account_that_is_gone_gets_no_key(stores: Stores) -> None:
    organization = await stores.accounts.create_organization("Acme")
    account = await stores.accounts.create_service_account(organization.id, "a", role="app_user")
    repository = ServiceAccountRepository(stores.database)

    async def made() -> None:
        with suppress(ServiceAccountNotFoundError):
            await stores.accounts.create_key(organization.id, account.id)

    await asyncio.gather(
        *(made() for _ in range(5)),
        repository.delete(organization.id, account.id),
        *(made() for _ in range(5)),
    )

    assert await stores.database["api_keys"].count_documents({}) == 0
    with pytest.raises(ServiceAccountNotFoundError):
        await stores.accounts.create_key(organization.id, account.id)
