"""Credentials of organizations: a name, an encrypted value, and who changed what."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from flows.errors import CredentialNotFoundError, DuplicateCredentialError
from store import collections
from store.clock import now
from store.faults import guarded
from store.transactions import in_transaction
from store.values import Database, Document

MAX_EVENTS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRecord:
    """One credential; its value only as it is sealed."""

    id: str
    organization_id: str
    name: str
    kind: str | None
    description: str | None
    sealed: bytes
    created_at: datetime
    updated_at: datetime
    created_by: str
    modified_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialEvent:
    """One change of a credential: who did what, when; never the value.

    Attributes:
        action: ``created``, ``changed`` or ``deleted``.
        fields: What was changed.
    """

    credential_id: str
    name: str
    action: str
    fields: Sequence[str]
    at: datetime
    by: str


class CredentialRepository:
    """Reads and writes credentials of one organization at a time; each write leaves an event."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._credentials: Any = database[collections.CREDENTIALS]
        self._events: Any = database[collections.CREDENTIAL_EVENTS]

    @guarded
    async def create(self, record: CredentialRecord) -> None:
        """Write a new credential.

        Raises:
            DuplicateCredentialError: The organization has one of this name.
        """
        document = {
            "_id": record.id,
            "organization_id": record.organization_id,
            "name": record.name,
            "kind": record.kind,
            "description": record.description,
            "sealed": record.sealed,
            "created_at": record.created_at,
            "updated_at": record.updated_at,
            "created_by": record.created_by,
            "modified_by": record.modified_by,
        }

        async def transact(session: Any) -> None:
            await self._credentials.insert_one(document, session=session)
            await self._note(document, "created", ("name", "value"), session)

        try:
            await in_transaction(self._client, transact)
        except DuplicateKeyError as error:
            raise _duplicate(record.name) from error

    @guarded
    async def list(self, organization_id: str) -> list[CredentialRecord]:
        """Return the organization's credentials by name."""
        cursor = self._credentials.find({"organization_id": organization_id}).sort("name", 1)
        return [_record(document) async for document in cursor]

    @guarded
    async def get(self, organization_id: str, credential_id: str) -> CredentialRecord:
        """Return one credential.

        Raises:
            CredentialNotFoundError: None of this id in the organization.
        """
        document = await self._credentials.find_one(
            {"_id": credential_id, "organization_id": organization_id}
        )
        if document is None:
            raise _not_found(credential_id)
        return _record(document)

    @guarded
    async def patch(
        self, organization_id: str, credential_id: str, changes: Document, modified_by: str
    ) -> CredentialRecord:
        """Change some of ``name``, ``kind``, ``description`` and ``sealed``.

        Raises:
            CredentialNotFoundError: None of this id in the organization.
            DuplicateCredentialError: The organization has another one of the new name.
        """

        async def transact(session: Any) -> Document | None:
            changed: Document | None = await self._credentials.find_one_and_update(
                {"_id": credential_id, "organization_id": organization_id},
                {"$set": {**changes, "updated_at": now(), "modified_by": modified_by}},
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            if changed is not None:
                fields = sorted("value" if name == "sealed" else name for name in changes)
                await self._note(changed, "changed", fields, session)
            return changed

        try:
            document = await in_transaction(self._client, transact)
        except DuplicateKeyError as error:
            raise _duplicate(str(changes.get("name"))) from error
        if document is None:
            raise _not_found(credential_id)
        return _record(document)

    @guarded
    async def delete(self, organization_id: str, credential_id: str, modified_by: str) -> None:
        """Remove a credential and its value for good; its events remain.

        Raises:
            CredentialNotFoundError: None of this id in the organization.
        """

        async def transact(session: Any) -> Document | None:
            removed: Document | None = await self._credentials.find_one_and_delete(
                {"_id": credential_id, "organization_id": organization_id}, session=session
            )
            if removed is not None:
                left = {**removed, "modified_by": modified_by, "updated_at": now()}
                await self._note(left, "deleted", (), session)
            return removed

        if await in_transaction(self._client, transact) is None:
            raise _not_found(credential_id)

    @guarded
    async def sealed_by_name(
        self, organization_id: str, names: Collection[str]
    ) -> dict[str, tuple[str, bytes]]:
        """Return id and sealed value of the credentials that exist among these names."""
        if not names:
            return {}
        wanted = {"organization_id": organization_id, "name": {"$in": [*names]}}
        cursor = self._credentials.find(wanted, {"name": 1, "sealed": 1})
        return {each["name"]: (each["_id"], bytes(each["sealed"])) async for each in cursor}

    @guarded
    async def events(self, organization_id: str) -> Sequence[CredentialEvent]:
        """Return the latest changes of the organization's credentials, newest first."""
        cursor = (
            self._events.find({"organization_id": organization_id})
            .sort([("at", -1), ("_id", -1)])
            .limit(MAX_EVENTS)
        )
        return [
            CredentialEvent(
                credential_id=each["credential_id"],
                name=each["name"],
                action=each["action"],
                fields=each["fields"],
                at=each["at"],
                by=each["by"],
            )
            async for each in cursor
        ]

    async def _note(
        self, document: Document, action: str, fields: Sequence[str], session: Any
    ) -> None:
        """Write down a change, in the transaction that makes it."""
        await self._events.insert_one(
            {
                "_id": str(uuid4()),
                "organization_id": document["organization_id"],
                "credential_id": document["_id"],
                "name": document["name"],
                "action": action,
                "fields": [*fields],
                "at": document["updated_at"],
                "by": document["modified_by"],
            },
            session=session,
        )


def _record(document: Document) -> CredentialRecord:
    return CredentialRecord(
        id=document["_id"],
        organization_id=document["organization_id"],
        name=document["name"],
        kind=document["kind"],
        description=document["description"],
        sealed=bytes(document["sealed"]),
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        created_by=document["created_by"],
        modified_by=document["modified_by"],
    )


def _duplicate(name: str) -> DuplicateCredentialError:
    return DuplicateCredentialError("the organization has a credential of this name", name=name)


def _not_found(credential_id: str) -> CredentialNotFoundError:
    return CredentialNotFoundError("no such credential", credential_id=credential_id)
