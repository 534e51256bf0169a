"""Worker groups: people of an organization to whom work is handed as one.

Source: docs/api.md, "Worker groups".
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from flows.errors import DuplicateWorkerGroupError, InvalidError, WorkerGroupNotFoundError
from store import collections
from store.clock import now
from store.faults import guarded
from store.models import Page
from store.values import Database, Document

MAX_MEMBERS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Who belongs to a group, and since when."""

    user_id: str
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerGroup:
    """A group; its members in the order in which they came."""

    id: str
    organization_id: str
    name: str
    description: str | None
    members: Sequence[Membership]
    created_at: datetime
    updated_at: datetime
    modified_by: str


class WorkerGroupRepository:
    """Reads and writes the worker groups of one organization at a time.

    Unless said otherwise every method that names a group raises WorkerGroupNotFoundError if the
    organization has none of this id.
    """

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._groups: Any = database[collections.WORKER_GROUPS]

    @guarded
    async def create(self, group: WorkerGroup) -> None:
        """Write a new group.

        Raises:
            DuplicateWorkerGroupError: The organization has one of this name.
            InvalidError: Too many members.
        """
        if len(group.members) > MAX_MEMBERS:
            raise _too_many()
        try:
            await self._groups.insert_one(_document(group))
        except DuplicateKeyError as error:
            raise _duplicate(group.name) from error

    @guarded
    async def list(self, organization_id: str, *, offset: int, limit: int) -> Page[WorkerGroup]:
        """Return some groups by name, and how many there are."""
        wanted = {"organization_id": organization_id}
        cursor = self._groups.find(wanted).sort("name", 1).skip(offset).limit(limit)
        groups = [_group(document) async for document in cursor]
        return Page(groups, await self._groups.count_documents(wanted))

    @guarded
    async def get(self, organization_id: str, group_id: str) -> WorkerGroup:
        """Return one group."""
        document = await self._groups.find_one(_place(organization_id, group_id))
        return _found(document, group_id)

    @guarded
    async def patch(
        self,
        organization_id: str,
        group_id: str,
        changes: Mapping[str, str | None],
        modified_by: str,
    ) -> WorkerGroup:
        """Change ``name``, ``description`` or both.

        Raises:
            DuplicateWorkerGroupError: The organization has another one of the new name.
        """
        try:
            document = await self._groups.find_one_and_update(
                _place(organization_id, group_id),
                {"$set": {**changes, "updated_at": now(), "modified_by": modified_by}},
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError as error:
            raise _duplicate(str(changes.get("name"))) from error
        return _found(document, group_id)

    @guarded
    async def change_members(
        self,
        organization_id: str,
        group_id: str,
        *,
        add: Sequence[str],
        remove: Sequence[str],
        modified_by: str,
    ) -> WorkerGroup:
        """Add and remove members in one write; whoever is one already keeps their place.

        Raises:
            InvalidError: There would be too many.
        """
        at = now()
        place = _place(organization_id, group_id)
        added = [{"user_id": user_id, "added_at": at} for user_id in dict.fromkeys(add)]
        kept = _filtered("$members", {"$not": [{"$in": ["$$this.user_id", {"$literal": remove}]}]})
        news = _filtered(
            {"$literal": added}, {"$not": [{"$in": ["$$this.user_id", "$members.user_id"]}]}
        )
        members = {"$concatArrays": [kept, news]}
        document = await self._groups.find_one_and_update(
            {**place, "$expr": {"$lte": [{"$size": members}, MAX_MEMBERS]}},
            [{"$set": {"members": members, "updated_at": at, "modified_by": modified_by}}],
            return_document=ReturnDocument.AFTER,
        )
        if document is None and await self._groups.find_one(place, {"_id": 1}) is not None:
            raise _too_many()
        return _found(document, group_id)

    @guarded
    async def delete(self, organization_id: str, group_id: str) -> None:
        """Remove a group for good."""
        removed = await self._groups.delete_one(_place(organization_id, group_id))
        if not removed.deleted_count:
            raise _not_found(group_id)

    @guarded
    async def named(
        self, organization_id: str, group_ids: Collection[str]
    ) -> Mapping[str, WorkerGroup]:
        """Return those of these groups that the organization has, by id."""
        wanted = {"organization_id": organization_id, "_id": {"$in": [*group_ids]}}
        return {document["_id"]: _group(document) async for document in self._groups.find(wanted)}

    @guarded
    async def existing(self, organization_id: str, group_ids: Sequence[str]) -> set[str]:
        """Return which of these groups the organization has."""
        wanted = {"organization_id": organization_id, "_id": {"$in": list(group_ids)}}
        return {document["_id"] async for document in self._groups.find(wanted, {"_id": 1})}

    @guarded
    async def of_member(self, organization_id: str, user_id: str) -> set[str]:
        """Return the ids of the groups that a person belongs to."""
        wanted = {"organization_id": organization_id, "members.user_id": user_id}
        return {document["_id"] async for document in self._groups.find(wanted, {"_id": 1})}


def _filtered(list_expression: object, condition: Document) -> Document:
    return {"$filter": {"input": list_expression, "cond": condition}}


def _place(organization_id: str, group_id: str) -> Document:
    return {"_id": group_id, "organization_id": organization_id}


def _document(group: WorkerGroup) -> Document:
    return {
        "_id": group.id,
        "organization_id": group.organization_id,
        "name": group.name,
        "description": group.description,
        "members": [
            {"user_id": member.user_id, "added_at": member.added_at} for member in group.members
        ],
        "created_at": group.created_at,
        "updated_at": group.updated_at,
        "modified_by": group.modified_by,
    }


def _group(document: Document) -> WorkerGroup:
    return WorkerGroup(
        id=document["_id"],
        organization_id=document["organization_id"],
        name=document["name"],
        description=document["description"],
        members=[
            Membership(user_id=member["user_id"], added_at=member["added_at"])
            for member in document["members"]
        ],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        modified_by=document["modified_by"],
    )


def _found(document: Document | None, group_id: str) -> WorkerGroup:
    if document is None:
        raise _not_found(group_id)
    return _group(document)


def _not_found(group_id: str) -> WorkerGroupNotFoundError:
    return WorkerGroupNotFoundError("no such worker group", group_id=group_id)


def _duplicate(name: str) -> DuplicateWorkerGroupError:
    return DuplicateWorkerGroupError("the organization has a worker group of this name", name=name)


def _too_many() -> InvalidError:
    return InvalidError(f"a worker group has at most {MAX_MEMBERS} members")
