"""Organizations that limit how many of their executions run at once."""

from dataclasses import replace
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase

from operations.caller import Caller
from store.accounts import AccountRepository
from store.organizations import LIMIT, OrganizationRepository
from tests.support.operations import a_caller


async def limit_to(database: AsyncIOMotorDatabase, organization_id: str, limit: int | None) -> None:
    """Set an organization's limit, as its administrators do."""
    organizations = OrganizationRepository(database)
    await organizations.put_settings(organization_id, {LIMIT: limit}, "administrator")


async def a_limited_caller(database: AsyncIOMotorDatabase, limit: int | None) -> Caller:
    """Return a caller of a new organization with this limit."""
    caller = a_caller()
    made = await AccountRepository(database).create_organization(caller.organization_id)
    if limit is not None:
        await limit_to(database, made.id, limit)
    return replace(caller, organization_id=made.id, is_limited=limit is not None)


async def held_by(database: AsyncIOMotorDatabase, organization_id: str) -> list[str]:
    """Return the slots that an organization's executions hold, in the order they were taken."""
    slots: Any = database["execution_slots"]
    document = await slots.find_one({"_id": organization_id})
    return [] if document is None else list(document["held"])
