"""Organizations that limit how many of their executions run at once."""

from dataclasses import replace
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase

from operations.caller import Caller
from store.accounts import AccountRepository
from store.organizations import LIMIT, OrganizationRepository
from tests.support.operations import a_caller
from tests.support.platform_process import PlatformProcess


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


async def none_is_taken(database: AsyncIOMotorDatabase) -> bool:
    """Return whether nobody holds a slot, and nobody waits for one."""
    slots: Any = database["execution_slots"]
    executions: Any = database["flow_executions"]
    taken = await slots.count_documents({"held.0": {"$exists": True}})
    in_line = await executions.count_documents({"queued_at": {"$exists": True}})
    return bool(taken == in_line == 0)


async def limit_platform_to(processes: PlatformProcess, limit: int | None) -> None:
    """Limit how many executions of a platform's organization run at once."""
    answer = await processes.http.put(
        "/api/organizations/settings", json={"max_concurrent_executions": limit}
    )
    assert answer.status_code == 200, answer.text
