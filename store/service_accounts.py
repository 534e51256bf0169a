"""Service accounts and their keys, as administrators look after them.

Source: docs/decisions/0041-service-accounts.md.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument, UpdateOne

from flows.errors import ApiKeyNotFoundError, ServiceAccountNotFoundError
from store import collections, indexes
from store.account_documents import api_key, service_account
from store.clock import now
from store.faults import guarded
from store.models import ApiKey, ServiceAccount
from store.transactions import in_transaction
from store.values import Database, Document

_NEWEST_FIRST = [("created_at", -1), ("_id", -1)]


class ServiceAccountRepository:
    """Reads and changes accounts and keys of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._accounts: Any = database[collections.SERVICE_ACCOUNTS]
        self._keys: Any = database[collections.API_KEYS]

    @guarded
    async def list(
        self, organization_id: str, *, offset: int = 0, limit: int = 100
    ) -> Sequence[ServiceAccount]:
        """Return accounts by creation, newest first; ties are broken by id."""
        cursor = self._accounts.find({"organization_id": organization_id}).sort(_NEWEST_FIRST)
        cursor = cursor.skip(offset).limit(limit).hint(indexes.ACCOUNTS_BY_CREATED)
        return [service_account(each) for each in await cursor.to_list(length=limit)]

    @guarded
    async def get(self, organization_id: str, service_account_id: str) -> ServiceAccount:
        """Return one account.

        Raises:
            ServiceAccountNotFoundError: None of this id in the organization.
        """
        document = await self._accounts.find_one(_by_id(organization_id, service_account_id))
        if document is None:
            raise _no_account(service_account_id)
        return service_account(document)

    @guarded
    async def change(
        self,
        organization_id: str,
        service_account_id: str,
        changes: Mapping[str, str | bool | None],
        modified_by: str,
    ) -> ServiceAccount:
        """Change some of ``name``, ``description``, ``role`` and ``is_active``.

        What is as it was already leaves the account untouched.

        Raises:
            ServiceAccountNotFoundError: None of this id in the organization.
        """
        wanted = _by_id(organization_id, service_account_id)
        if changes:
            differing: Document = {"$or": [{name: {"$ne": to}} for name, to in changes.items()]}
            await self._accounts.update_one(
                wanted | differing,
                {"$set": {**changes, "updated_at": now(), "modified_by": modified_by}},
            )
        return await self.get(organization_id, service_account_id)

    @guarded
    async def delete(self, organization_id: str, service_account_id: str) -> None:
        """Remove an account and all of its keys for good.

        Raises:
            ServiceAccountNotFoundError: None of this id in the organization.
        """

        async def transact(session: Any) -> bool:
            removed = await self._accounts.delete_one(
                _by_id(organization_id, service_account_id), session=session
            )
            await self._keys.delete_many(
                {"organization_id": organization_id, "service_account_id": service_account_id},
                session=session,
            )
            return bool(removed.deleted_count)

        if not await in_transaction(self._client, transact):
            raise _no_account(service_account_id)

    @guarded
    async def keys(
        self, organization_id: str, service_account_id: str, *, offset: int = 0, limit: int = 100
    ) -> Sequence[ApiKey]:
        """Return an account's keys that are not deleted, newest first; ties are broken by id."""
        wanted = _of_account(organization_id, service_account_id)
        cursor = self._keys.find(wanted).sort(_NEWEST_FIRST).skip(offset).limit(limit)
        found = await cursor.hint(indexes.KEYS_BY_CREATED).to_list(length=limit)
        return [api_key(each) for each in found]

    @guarded
    async def change_key(
        self,
        organization_id: str,
        service_account_id: str,
        api_key_id: str,
        changes: Mapping[str, str | None],
        modified_by: str,
    ) -> ApiKey:
        """Change ``name`` and ``description`` of a key.

        Raises:
            ApiKeyNotFoundError: The account has none of this id, or it is deleted.
        """
        wanted = {"_id": api_key_id, **_of_account(organization_id, service_account_id)}
        if changes:
            stamped = {**changes, "updated_at": now(), "modified_by": modified_by}
            document = await self._keys.find_one_and_update(
                wanted, {"$set": stamped}, return_document=ReturnDocument.AFTER
            )
        else:
            document = await self._keys.find_one(wanted)
        if document is None:
            raise _no_key(api_key_id)
        return api_key(document)

    @guarded
    async def delete_key(
        self, organization_id: str, service_account_id: str, api_key_id: str, modified_by: str
    ) -> None:
        """Hide a key for good; from now on it opens nothing.

        Raises:
            ApiKeyNotFoundError: The account has none of this id, or it is deleted.
        """
        hidden = await self._keys.update_one(
            {"_id": api_key_id, **_of_account(organization_id, service_account_id)},
            {"$set": {"deleted": True, "updated_at": now(), "modified_by": modified_by}},
        )
        if not hidden.matched_count:
            raise _no_key(api_key_id)

    @guarded
    async def note_uses(self, used_at: Mapping[str, datetime]) -> None:
        """Write when keys, by their ids, were last used; a later use that is known stays."""
        uses = [
            UpdateOne({"_id": key_id}, {"$max": {"last_used_at": at}})
            for key_id, at in used_at.items()
        ]
        if uses:
            await self._keys.bulk_write(uses, ordered=False)


def _by_id(organization_id: str, service_account_id: str) -> Document:
    return {"_id": service_account_id, "organization_id": organization_id}


def _of_account(organization_id: str, service_account_id: str) -> Document:
    return {
        "organization_id": organization_id,
        "service_account_id": service_account_id,
        "deleted": False,
    }


def _no_account(service_account_id: str) -> ServiceAccountNotFoundError:
    return ServiceAccountNotFoundError(
        "no such service account", service_account_id=service_account_id
    )


def _no_key(api_key_id: str) -> ApiKeyNotFoundError:
    return ApiKeyNotFoundError("no such key", api_key_id=api_key_id)
