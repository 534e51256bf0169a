"""What is sealed for one organization, flow or credential opens nowhere else."""

import base64
import os
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from flows.errors import (
    CredentialNotFoundError,
    DuplicateFlowNameError,
    EncryptionKeyMissingError,
    SealBrokenError,
)
from operations.credentials import Credentials, NewCredential
from operations.flows import NewFlow
from operations.global_variables import GlobalVariables, NewVariable
from operations.vault import Vault, rotate
from runtime.encryption import Keyring
from store.global_variables import VariableRepository
from store.rotation import SealedValues
from store.secrets import StoredSecret, secret_documents
from tests.support.operations import ENCRYPTION_KEY, Operations, a_caller

OTHER_KEY = base64.b64encode(os.urandom(32)).decode()


async def kept(operations: Operations, database: AsyncIOMotorDatabase, text: str) -> StoredSecret:
    """Store a parameter's text for the flow ``f`` of the caller's organization."""
    organization_id = operations.caller.organization_id
    secret = operations.vault.seal_parameter(organization_id, "f", text)
    await database["secrets"].insert_many(secret_documents(organization_id, "f", [secret]))
    return secret


async def credential(operations: Operations, value: str, name: str = "key") -> str:
    use_case = Credentials(operations.credentials, operations.vault)
    return (await use_case.create(operations.caller, NewCredential(name=name, value=value))).id


async def test_references_open_as_what_they_stand_for(
    operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    secret = await kept(operations, database, "a parameter")
    await credential(operations, "a credential")
    stored, named = f"secret:{secret.id}", "secrets.key"

    opened = await operations.vault.open(
        operations.caller.organization_id, "f", {stored, named, "start.text"}
    )

    assert opened == {stored: "a parameter", named: "a credential"}


async def test_another_organization_or_flow_opens_nothing(
    operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    secret = await kept(operations, database, "a parameter")
    await credential(operations, "a credential")
    mine, foreign = operations.caller.organization_id, a_caller().organization_id

    for organization_id, flow_id, reference in (
        (foreign, "f", f"secret:{secret.id}"),
        (mine, "another", f"secret:{secret.id}"),
        (foreign, "f", "secrets.key"),
        (mine, "f", "secrets.none"),
    ):
        with pytest.raises(CredentialNotFoundError):
            await operations.vault.open(organization_id, flow_id, {reference})


@pytest.mark.parametrize(
    "change", [{"organization_id": "foreign"}, {"flow_id": "another"}], ids=["organization", "flow"]
)
async def test_a_secret_that_was_moved_in_the_database_does_not_open(
    operations: Operations, database: AsyncIOMotorDatabase, change: dict[str, Any]
) -> None:
    secret = await kept(operations, database, "a parameter")
    await database["secrets"].update_one({"_id": secret.id}, {"$set": change})
    place = {"organization_id": operations.caller.organization_id, "flow_id": "f", **change}

    with pytest.raises(SealBrokenError):
        await operations.vault.open(
            place["organization_id"], place["flow_id"], {f"secret:{secret.id}"}
        )


async def test_a_credential_that_was_swapped_with_another_does_not_open(
    operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    first = await credential(operations, "first", "first")
    await credential(operations, "second", "second")
    held = await database["credentials"].find_one({"_id": first})
    assert held is not None
    await database["credentials"].update_one(
        {"name": "second"}, {"$set": {"sealed": held["sealed"]}}
    )

    with pytest.raises(SealBrokenError):
        await operations.vault.open(operations.caller.organization_id, "f", {"secrets.second"})


async def test_rotation_seals_everything_with_the_newest_key(
    operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    secret = await kept(operations, database, "a parameter")
    await credential(operations, "a credential")
    references = {f"secret:{secret.id}", "secrets.key"}
    organization_id = operations.caller.organization_id
    both = Keyring([OTHER_KEY, ENCRYPTION_KEY])

    first = await rotate(both, SealedValues(database))
    second = await rotate(both, SealedValues(database))

    assert (first.renewed, first.current, first.unreadable) == (2, 0, ())
    assert (second.renewed, second.current, second.unreadable) == (0, 2, ())
    only_new = Vault.over(database, [OTHER_KEY])
    opened = await only_new.open(organization_id, "f", references)
    assert set(opened.values()) == {"a parameter", "a credential"}
    with pytest.raises(EncryptionKeyMissingError):
        await operations.vault.open(organization_id, "f", references)


async def a_variable(operations: Operations, database: AsyncIOMotorDatabase, value: str) -> str:
    use_case = GlobalVariables(VariableRepository(database), operations.vault)
    new = NewVariable(name="token", value=value, is_secret=True)
    return (await use_case.create(operations.caller, new)).id


async def test_secret_variables_open_for_their_organization_and_are_rotated(
    operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    await a_variable(operations, database, "a variable")
    organization_id = operations.caller.organization_id

    rotated = await rotate(Keyring([OTHER_KEY, ENCRYPTION_KEY]), SealedValues(database))

    newest = Vault.over(database, [OTHER_KEY])
    opened = await newest.open_variables(organization_id, {"token"})
    assert (rotated.renewed, opened) == (1, {"token": "a variable"})
    for caller_id, name in ((a_caller().organization_id, "token"), (organization_id, "none")):
        with pytest.raises(CredentialNotFoundError):
            await newest.open_variables(caller_id, {name})


async def test_a_secret_variable_that_was_moved_in_the_database_does_not_open(
    operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    await a_variable(operations, database, "a variable")
    await database["global_variables"].update_one({}, {"$set": {"organization_id": "foreign"}})

    with pytest.raises(SealBrokenError):
        await operations.vault.open_variables("foreign", {"token"})


async def test_rotation_names_what_it_cannot_read_and_leaves_it(
    operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    secret = await kept(operations, database, "a parameter")

    found = await rotate(Keyring([OTHER_KEY]), SealedValues(database))

    assert (found.renewed, found.unreadable) == (0, (secret.id,))
    opened = await operations.vault.open(
        operations.caller.organization_id, "f", {f"secret:{secret.id}"}
    )
    assert [*opened.values()] == ["a parameter"]


async def test_rotation_does_not_undo_a_change_made_meanwhile(
    operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    credential_id = await credential(operations, "old")
    use_case = Credentials(operations.credentials, operations.vault)
    [seen] = [value async for value in SealedValues(database).all()]
    await use_case.patch(operations.caller, credential_id, {"value": "new"})

    assert not await SealedValues(database).replace(seen, b"anything")
    opened = await operations.vault.open(operations.caller.organization_id, "f", {"secrets.key"})
    assert [*opened.values()] == ["new"]


async def test_without_a_key_nothing_is_rotated(database: AsyncIOMotorDatabase) -> None:
    with pytest.raises(EncryptionKeyMissingError):
        await rotate(Keyring([]), SealedValues(database))


async def test_a_flow_and_its_secrets_are_stored_together_or_not_at_all(
    operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    definition: Any = {
        "tasks": [
            {
                "name": "hook",
                "task_executor_name": "webhook_receive",
                "parameters": {"secret": "hush-hush"},
            }
        ]
    }
    flow_id = await operations.a_flow(definition)
    record = await operations.flows.get(operations.caller, flow_id)
    stored = await database["secrets"].count_documents({})

    with pytest.raises(DuplicateFlowNameError):
        await operations.flows.create(
            operations.caller,
            NewFlow(display_name=record.record.display_name, definition=definition),
        )

    assert stored == 1
    assert await database["secrets"].count_documents({}) == 1
