"""Organizations, service accounts and the keys they authenticate with.

A key's token holds 256 random bits; what is stored is its SHA-256, which therefore needs neither
salt nor stretching.

Source: docs/decisions/0011-api-keys.md.
"""

import hmac
import secrets
from hashlib import sha256
from typing import Any
from uuid import uuid4

from pymongo import ReturnDocument

from flows.errors import OrganizationNotFoundError, ServiceAccountNotFoundError
from store import collections
from store.account_documents import (
    account_document,
    api_key,
    key_document,
    service_account,
)
from store.clock import now
from store.faults import guarded
from store.models import ApiKey, Organization, ServiceAccount
from store.organizations import organization_record
from store.transactions import in_transaction
from store.values import Database, Document

SYSTEM = "system"
RANDOM_BYTES = 32
VISIBLE_RANDOM_CHARS = 4
PREFIX_CHARS = 8


class AccountRepository:
    """Reads and writes tenants and their machine identities."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._organizations: Any = database[collections.ORGANIZATIONS]
        self._accounts: Any = database[collections.SERVICE_ACCOUNTS]
        self._keys: Any = database[collections.API_KEYS]

    @guarded
    async def create_organization(self, name: str) -> Organization:
        """Return the organization of this name, made now unless it was there."""
        document = await self._organizations.find_one_and_update(
            {"name": name},
            {"$setOnInsert": {"_id": str(uuid4()), "is_active": True, "created_at": now()}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return organization_record(document)

    @guarded
    async def organization(self, organization_id: str) -> Organization:
        """Return an organization.

        Raises:
            OrganizationNotFoundError: None of this id.
        """
        document = await self._organizations.find_one({"_id": organization_id})
        if document is None:
            raise OrganizationNotFoundError("no such organization", organization_id=organization_id)
        return organization_record(document)

    @guarded
    async def create_service_account(
        self,
        organization_id: str,
        name: str,
        *,
        role: str,
        description: str | None = None,
        modified_by: str = SYSTEM,
    ) -> ServiceAccount:
        """Write a new, active service account."""
        at = now()
        account = ServiceAccount(
            id=str(uuid4()),
            organization_id=organization_id,
            name=name,
            description=description,
            is_active=True,
            role=role,
            created_at=at,
            updated_at=at,
            modified_by=modified_by,
        )
        await self._accounts.insert_one(account_document(account))
        return account

    @guarded
    async def create_key(
        self,
        organization_id: str,
        service_account_id: str,
        name: str = "key",
        *,
        description: str | None = None,
        modified_by: str = SYSTEM,
    ) -> tuple[ApiKey, str]:
        """Write a new key of a service account; the token is returned here and never again.

        Raises:
            ServiceAccountNotFoundError: None of this id in the organization.
        """
        at, random = now(), secrets.token_urlsafe(RANDOM_BYTES)
        prefix = "_".join(
            ("saf_org", organization_id[:PREFIX_CHARS], service_account_id[:PREFIX_CHARS])
        )
        token = f"{prefix}_{random}"
        key = ApiKey(
            id=str(uuid4()),
            organization_id=organization_id,
            user_id=None,
            service_account_id=service_account_id,
            name=name,
            description=description,
            token_prefix=f"{prefix}_{random[:VISIBLE_RANDOM_CHARS]}",
            token_hash=_hash(token),
            created_at=at,
            updated_at=at,
            modified_by=modified_by,
        )

        async def transact(session: Any) -> bool:
            # Counting makes this collide with a deletion, which so never leaves a key behind.
            counted = await self._accounts.update_one(
                {"_id": service_account_id, "organization_id": organization_id},
                {"$inc": {"keys_made": 1}},
                session=session,
            )
            if not counted.matched_count:
                return False
            await self._keys.insert_one(key_document(key), session=session)
            return True

        if not await in_transaction(self._client, transact):
            raise ServiceAccountNotFoundError(
                "no such service account", service_account_id=service_account_id
            )
        return key, token

    @guarded
    async def find_key(self, token: str) -> tuple[ApiKey, ServiceAccount, Organization] | None:
        """Return the key of a token with whom it belongs to, None if there is none.

        Whether key, account and organization still count is the caller's to judge. Looked up by
        hash, so how long it takes says nothing about a token.
        """
        hashed = _hash(token)
        joined = await self._keys.aggregate(
            [
                {"$match": {"token_hash": hashed}},
                _join(collections.SERVICE_ACCOUNTS, "service_account_id", "account"),
                _join(collections.ORGANIZATIONS, "organization_id", "organization"),
            ]
        ).to_list(length=1)
        if not joined or not hmac.compare_digest(joined[0]["token_hash"], hashed):
            return None
        document = joined[0]
        if not document["account"] or not document["organization"]:
            return None
        account = document["account"][0]
        if account["organization_id"] != document["organization_id"]:
            return None
        return (
            api_key(document),
            service_account(account),
            organization_record(document["organization"][0]),
        )


def _join(collection: str, local_field: str, name: str) -> Document:
    """Return the stage that adds what a field refers to."""
    return {
        "$lookup": {
            "from": collection,
            "localField": local_field,
            "foreignField": "_id",
            "as": name,
        }
    }


def _hash(token: str) -> bytes:
    """Return what is stored of a token."""
    return sha256(token.encode()).digest()
