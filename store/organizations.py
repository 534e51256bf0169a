"""Organizations: their tier, their settings, and how many executions may run at once.

Source: docs/api.md, "Organizations"; docs/decisions/0037-slots.md.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import JsonValue
from pymongo import ReturnDocument

from flows.errors import OrganizationNotFoundError
from store import collections
from store.clock import now
from store.faults import guarded
from store.models import Organization
from store.transactions import in_transaction
from store.values import Database, Document

LIMIT = "max_concurrent_executions"


class Tier(StrEnum):
    """What an organization has signed up for."""

    FREE = "free"
    GROWTH = "growth"
    ENTERPRISE = "enterprise"


LIMIT_BY_TIER: Mapping[Tier, int | None] = {Tier.FREE: 5, Tier.GROWTH: 50, Tier.ENTERPRISE: None}
"""How many executions may run at once where the settings do not say; None: as many as there are."""


class OrganizationRepository:
    """Reads and writes what an organization's administrators decide about it."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._organizations: Any = database[collections.ORGANIZATIONS]
        self._slots: Any = database[collections.EXECUTION_SLOTS]

    @guarded
    async def get(self, organization_id: str) -> Organization:
        """Return an organization.

        Raises:
            OrganizationNotFoundError: None of this id.
        """
        return _found(await self._organizations.find_one({"_id": organization_id}), organization_id)

    @guarded
    async def put_settings(
        self, organization_id: str, settings: Mapping[str, JsonValue], modified_by: str
    ) -> Organization:
        """Replace an organization's settings; a new limit holds from this write on.

        Raises:
            OrganizationNotFoundError: None of this id.
        """
        return await self._change(organization_id, {"settings": dict(settings)}, modified_by)

    @guarded
    async def set_tier(self, organization_id: str, tier: Tier, modified_by: str) -> Organization:
        """Change an organization's tier.

        Raises:
            OrganizationNotFoundError: None of this id.
        """
        return await self._change(organization_id, {"tier": tier.value}, modified_by)

    async def _change(
        self, organization_id: str, changes: Document, modified_by: str
    ) -> Organization:
        """Write changes together with the limit that they lead to."""
        fields = {**changes, "updated_at": now(), "modified_by": modified_by}
        await self.get(organization_id)
        # Outside: a collection made inside a transaction makes others who do so wait or fail.
        await self._slots.update_one(
            {"_id": organization_id}, {"$setOnInsert": {"limit": None, "held": []}}, upsert=True
        )

        async def transact(session: Any) -> Organization:
            document = await self._organizations.find_one_and_update(
                {"_id": organization_id},
                {"$set": fields},
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            changed = _found(document, organization_id)
            await self._slots.update_one(
                {"_id": organization_id},
                {"$set": {"limit": changed.execution_limit}, "$setOnInsert": {"held": []}},
                upsert=True,
                session=session,
            )
            return changed

        return await in_transaction(self._client, transact)


def organization_record(document: Document) -> Organization:
    """Return the organization that a document describes; older ones say less."""
    settings = document.get("settings") or {}
    tier = Tier(document.get("tier", Tier.ENTERPRISE.value))
    own_limit = settings.get(LIMIT)
    return Organization(
        id=document["_id"],
        name=document["name"],
        is_active=document["is_active"],
        created_at=document["created_at"],
        updated_at=document.get("updated_at") or document["created_at"],
        modified_by=document.get("modified_by", "system"),
        tier=tier.value,
        settings=settings,
        execution_limit=LIMIT_BY_TIER[tier] if own_limit is None else own_limit,
    )


def _found(document: Document | None, organization_id: str) -> Organization:
    if document is None:
        raise OrganizationNotFoundError("no such organization", organization_id=organization_id)
    return organization_record(document)
