"""Variables of organizations, which every interactive workflow can read.

Source: docs/workflows-api.md, "Global variables".
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from pydantic import JsonValue
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from flows.errors import DuplicateVariableError, VariableNotFoundError
from store import collections
from store.faults import guarded
from store.models import Page
from store.values import Database, Document, decode, encode


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableRecord:
    """One variable.

    Attributes:
        value: None for a secret one.
        sealed: The value of a secret one, as it is stored; None for all others.
    """

    id: str
    organization_id: str
    name: str
    value: JsonValue
    sealed: bytes | None
    description: str | None
    category: str | None
    created_by: str
    updated_by: str
    created_at: datetime
    updated_at: datetime

    @property
    def is_secret(self) -> bool:
        """Return whether nobody is shown the value."""
        return self.sealed is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableQuery:
    """Which variables of an organization, newest first."""

    search: str | None = None
    category: str | None = None
    page: int = 1
    size: int = 100


class VariableRepository:
    """Reads and writes the variables of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._variables: Any = database[collections.GLOBAL_VARIABLES]

    @guarded
    async def create(self, record: VariableRecord) -> None:
        """Write a new variable.

        Raises:
            DuplicateVariableError: The organization has one of this name.
        """
        try:
            await self._variables.insert_one(_document(record))
        except DuplicateKeyError as error:
            raise _duplicate(record.name) from error

    @guarded
    async def list(self, organization_id: str, query: VariableQuery) -> Page[VariableRecord]:
        """Return a page of variables, newest first, and how many there are."""
        wanted: Document = {"organization_id": organization_id}
        if query.category is not None:
            wanted["category"] = query.category
        if query.search:
            part = {"$regex": re.escape(query.search), "$options": "i"}
            wanted["$or"] = [{"name": part}, {"description": part}]
        cursor = self._variables.find(wanted).sort([("created_at", -1), ("_id", -1)])
        page = cursor.skip((query.page - 1) * query.size).limit(query.size)
        found = [_record(each) async for each in page]
        return Page(found, await self._variables.count_documents(wanted))

    @guarded
    async def all(self, organization_id: str) -> Sequence[VariableRecord]:
        """Return every variable of an organization, by name."""
        cursor = self._variables.find({"organization_id": organization_id}).sort("name", 1)
        return [_record(each) async for each in cursor]

    @guarded
    async def count(self, organization_id: str) -> int:
        """Return how many variables an organization has."""
        count: int = await self._variables.count_documents({"organization_id": organization_id})
        return count

    @guarded
    async def get(self, organization_id: str, variable_id: str) -> VariableRecord:
        """Return one variable.

        Raises:
            VariableNotFoundError: None of this id in the organization.
        """
        found = await self._variables.find_one(_place(organization_id, variable_id))
        return _record(_existing(found, variable_id))

    @guarded
    async def put(self, record: VariableRecord, seen_at: datetime) -> VariableRecord | None:
        """Replace a variable; None if it was changed since it was seen.

        Raises:
            VariableNotFoundError: It is not there any more.
            DuplicateVariableError: The organization has another one of this name.
        """
        place = _place(record.organization_id, record.id)
        document = _document(record)
        del document["_id"]
        try:
            found = await self._variables.find_one_and_update(
                {**place, "updated_at": seen_at},
                {"$set": document},
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError as error:
            raise _duplicate(record.name) from error
        if found is None:
            _existing(await self._variables.find_one(place, {"_id": 1}), record.id)
            return None
        return _record(found)

    @guarded
    async def delete(self, organization_id: str, variable_id: str) -> None:
        """Remove a variable for good.

        Raises:
            VariableNotFoundError: None of this id in the organization.
        """
        deleted = await self._variables.delete_one(_place(organization_id, variable_id))
        if not deleted.deleted_count:
            _existing(None, variable_id)

    @guarded
    async def sealed_by_name(
        self, organization_id: str, names: Collection[str]
    ) -> dict[str, tuple[str, bytes]]:
        """Return ids and sealed values of secret variables; what is missing is left out."""
        if not names:
            return {}
        wanted = {
            "organization_id": organization_id,
            "name": {"$in": [*names]},
            "sealed": {"$ne": None},
        }
        cursor = self._variables.find(wanted, {"name": 1, "sealed": 1})
        return {each["name"]: (str(each["_id"]), bytes(each["sealed"])) async for each in cursor}


def _place(organization_id: str, variable_id: str) -> Document:
    return {"_id": ObjectId(variable_id), "organization_id": organization_id}


def _existing(document: Document | None, variable_id: str) -> Document:
    if document is None:
        raise VariableNotFoundError("no such variable", variable_id=variable_id)
    return document


def _duplicate(name: str) -> DuplicateVariableError:
    return DuplicateVariableError(f"another variable is named '{name}'", name=name)


def _document(record: VariableRecord) -> Document:
    return {
        "_id": ObjectId(record.id),
        "organization_id": record.organization_id,
        "name": record.name,
        "value": encode(record.value),
        "sealed": record.sealed,
        "description": record.description,
        "category": record.category,
        "created_by": record.created_by,
        "updated_by": record.updated_by,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def _record(document: Document) -> VariableRecord:
    return VariableRecord(
        id=str(document["_id"]),
        organization_id=document["organization_id"],
        name=document["name"],
        value=decode(document["value"]),
        sealed=None if document["sealed"] is None else bytes(document["sealed"]),
        description=document["description"],
        category=document["category"],
        created_by=document["created_by"],
        updated_by=document["updated_by"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
    )
