"""Interactive workflows and their versions, as documents under ObjectIds.

A workflow's document says who it belongs to, what it is called and which version is active; each
version holds a whole graph, exactly as it was sent but for its secrets.

Source: docs/workflows-api.md.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from pydantic import JsonValue
from pymongo import ReturnDocument

from flows.errors import (
    ConflictError,
    WorkflowNotFoundError,
)
from store import collections
from store.clock import now
from store.faults import guarded
from store.models import Page
from store.secrets import StoredSecret, secret_documents
from store.transactions import in_transaction
from store.values import Database, Document, decode, encode

GraphDocument = dict[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRecord:
    """A workflow, without its graphs."""

    id: str
    organization_id: str
    name: str
    description: str | None
    category: str
    active_version: int
    max_concurrent_runs: int | None
    created_by: str
    updated_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowVersionRecord:
    """One version with its graph, in which secrets are references."""

    id: str
    workflow_id: str
    organization_id: str
    number: int
    name: str
    graph: GraphDocument
    created_by: str
    created_at: datetime
    updated_at: datetime


def new_object_id() -> str:
    """Return an id for a document, 24 hexadecimal digits."""
    return str(ObjectId())


class WorkflowRepository:
    """Reads and writes the workflows of one organization at a time.

    Unless said otherwise every method that names a workflow or a version of it raises
    WorkflowNotFoundError if the organization has none.
    """

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client: Any = database.client
        self._workflows: Any = database[collections.WORKFLOWS]
        self._versions: Any = database[collections.WORKFLOW_VERSIONS]
        self._secrets: Any = database[collections.SECRETS]

    @guarded
    async def create(
        self,
        workflow: WorkflowRecord,
        versions: Sequence[WorkflowVersionRecord],
        secrets: Sequence[StoredSecret],
    ) -> None:
        """Write a workflow with its first versions and their secrets; all of it or nothing."""
        document = {
            "_id": ObjectId(workflow.id),
            "organization_id": workflow.organization_id,
            "name": workflow.name,
            "description": workflow.description,
            "category": workflow.category,
            "active_version": workflow.active_version,
            "max_concurrent_runs": workflow.max_concurrent_runs,
            "next_version": max(version.number for version in versions) + 1,
            "created_by": workflow.created_by,
            "updated_by": workflow.updated_by,
            "created_at": workflow.created_at,
            "updated_at": workflow.updated_at,
        }
        documents = [_version_document(version) for version in versions]
        sealed = secret_documents(workflow.organization_id, workflow.id, secrets)

        async def write(session: Any) -> None:
            await self._workflows.insert_one(document, session=session)
            await self._versions.insert_many(documents, session=session)
            if sealed:
                await self._secrets.insert_many(sealed, session=session)

        await in_transaction(self._client, write)

    @guarded
    async def list(
        self, organization_id: str, *, search: str | None, offset: int, limit: int
    ) -> Page[WorkflowRecord]:
        """Return some workflows, newest first, and how many there are.

        Args:
            search: A part of the name or the description, in any case.
        """
        wanted: Document = {"organization_id": organization_id}
        if search:
            part = {"$regex": re.escape(search), "$options": "i"}
            wanted["$or"] = [{"name": part}, {"description": part}]
        cursor = self._workflows.find(wanted).sort([("created_at", -1), ("_id", -1)])
        found = [workflow_of(each) async for each in cursor.skip(offset).limit(limit)]
        return Page(found, await self._workflows.count_documents(wanted))

    @guarded
    async def get(self, organization_id: str, workflow_id: str) -> WorkflowRecord:
        """Return one workflow."""
        found = await self._workflows.find_one(_place(organization_id, workflow_id))
        return workflow_of(_existing(found, workflow_id))

    @guarded
    async def patch(
        self,
        organization_id: str,
        workflow_id: str,
        changes: Mapping[str, str | int | None],
        by: str,
    ) -> WorkflowRecord:
        """Change name, description or the limit of concurrent runs."""
        found = await self._workflows.find_one_and_update(
            _place(organization_id, workflow_id),
            {"$set": {**changes, "updated_at": now(), "updated_by": by}},
            return_document=ReturnDocument.AFTER,
        )
        return workflow_of(_existing(found, workflow_id))

    @guarded
    async def delete(self, organization_id: str, workflow_id: str) -> None:
        """Remove a workflow, its versions and their secrets for good."""
        place = _place(organization_id, workflow_id)

        async def remove(session: Any) -> None:
            removed = await self._workflows.delete_one(place, session=session)
            if not removed.deleted_count:
                raise WorkflowNotFoundError("Workflow not found", workflow_id=workflow_id)
            await self._versions.delete_many(
                {"organization_id": organization_id, "workflow_id": place["_id"]}, session=session
            )
            await self._secrets.delete_many(
                {"organization_id": organization_id, "flow_id": workflow_id}, session=session
            )

        await in_transaction(self._client, remove)

    @guarded
    async def version(
        self, organization_id: str, workflow_id: str, number: int
    ) -> WorkflowVersionRecord:
        """Return one version; a workflow that does not exist has none."""
        found = await self._versions.find_one(_numbered(organization_id, workflow_id, number))
        return version_of(_existing_version(found, number))

    @guarded
    async def versions(
        self, organization_id: str, workflow_id: str
    ) -> Sequence[WorkflowVersionRecord]:
        """Return every version by its number."""
        wanted = {"organization_id": organization_id, "workflow_id": ObjectId(workflow_id)}
        cursor = self._versions.find(wanted).sort("number", 1)
        return [version_of(each) async for each in cursor]

    @guarded
    async def take_number(self, organization_id: str, workflow_id: str, by: str) -> int:
        """Return a number for a new version that no other version has or will have."""
        found = await self._workflows.find_one_and_update(
            _place(organization_id, workflow_id),
            {"$inc": {"next_version": 1}, "$set": {"updated_at": now(), "updated_by": by}},
        )
        number: int = _existing(found, workflow_id)["next_version"]
        return number

    @guarded
    async def add_version(self, version: WorkflowVersionRecord) -> None:
        """Write a new version, whose number was taken before."""
        await self._versions.insert_one(_version_document(version))

    @guarded
    async def put_graph(
        self,
        organization_id: str,
        workflow_id: str,
        number: int,
        graph: GraphDocument,
        secrets: Sequence[StoredSecret],
    ) -> WorkflowVersionRecord:
        """Replace the graph of a version; its new secrets are there before it is."""
        sealed = secret_documents(organization_id, workflow_id, secrets)
        if sealed:
            await self._secrets.insert_many(sealed)
        held = {"graph": encode(graph)}
        return await self._changed(organization_id, workflow_id, number, held)

    @guarded
    async def rename_version(
        self, organization_id: str, workflow_id: str, number: int, name: str
    ) -> WorkflowVersionRecord:
        """Call a version something else."""
        return await self._changed(organization_id, workflow_id, number, {"name": name})

    @guarded
    async def activate(
        self, organization_id: str, workflow_id: str, number: int, by: str
    ) -> WorkflowRecord:
        """Make a version the one that new runs use."""

        async def switch(session: Any) -> Any:
            # Touched, so that a deletion of it at the same time collides.
            touched = await self._versions.update_one(
                _numbered(organization_id, workflow_id, number),
                {"$set": {"activated_at": now()}},
                session=session,
            )
            if not touched.matched_count:
                raise _no_version(number)
            return await self._workflows.find_one_and_update(
                _place(organization_id, workflow_id),
                {"$set": {"active_version": number, "updated_at": now(), "updated_by": by}},
                return_document=ReturnDocument.AFTER,
                session=session,
            )

        found = await in_transaction(self._client, switch)
        return workflow_of(_existing(found, workflow_id))

    @guarded
    async def delete_version(self, organization_id: str, workflow_id: str, number: int) -> None:
        """Remove a version for good.

        Raises:
            ConflictError: It is the active one.
        """

        async def remove(session: Any) -> None:
            removed = await self._versions.delete_one(
                _numbered(organization_id, workflow_id, number), session=session
            )
            if not removed.deleted_count:
                raise _no_version(number)
            active = {**_place(organization_id, workflow_id), "active_version": number}
            if await self._workflows.find_one(active, {"_id": 1}, session=session):
                raise ConflictError("the active version cannot be deleted", version=number)

        await in_transaction(self._client, remove)

    async def _changed(
        self, organization_id: str, workflow_id: str, number: int, changes: Document
    ) -> WorkflowVersionRecord:
        found = await self._versions.find_one_and_update(
            _numbered(organization_id, workflow_id, number),
            {"$set": {**changes, "updated_at": now()}},
            return_document=ReturnDocument.AFTER,
        )
        return version_of(_existing_version(found, number))


def _place(organization_id: str, workflow_id: str) -> Document:
    return {"_id": ObjectId(workflow_id), "organization_id": organization_id}


def _numbered(organization_id: str, workflow_id: str, number: int) -> Document:
    return {
        "organization_id": organization_id,
        "workflow_id": ObjectId(workflow_id),
        "number": number,
    }


def workflow_of(document: Document) -> WorkflowRecord:
    """Return a workflow as it was written."""
    return WorkflowRecord(
        id=str(document["_id"]),
        organization_id=document["organization_id"],
        name=document["name"],
        description=document["description"],
        category=document["category"],
        active_version=document["active_version"],
        max_concurrent_runs=document["max_concurrent_runs"],
        created_by=document["created_by"],
        updated_by=document["updated_by"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
    )


def _existing(document: Document | None, workflow_id: str) -> Document:
    if document is None:
        raise WorkflowNotFoundError("Workflow not found", workflow_id=workflow_id)
    return document


def _existing_version(document: Document | None, number: int) -> Document:
    if document is None:
        raise _no_version(number)
    return document


def _no_version(number: int) -> WorkflowNotFoundError:
    return WorkflowNotFoundError("Workflow version not found", version=number)


def _version_document(version: WorkflowVersionRecord) -> Document:
    return {
        "_id": ObjectId(version.id),
        "organization_id": version.organization_id,
        "workflow_id": ObjectId(version.workflow_id),
        "number": version.number,
        "name": version.name,
        "graph": encode(version.graph),
        "created_by": version.created_by,
        "created_at": version.created_at,
        "updated_at": version.updated_at,
    }


def version_of(document: Document) -> WorkflowVersionRecord:
    """Return a version as it was written."""
    graph = decode(document["graph"])
    return WorkflowVersionRecord(
        id=str(document["_id"]),
        workflow_id=str(document["workflow_id"]),
        organization_id=document["organization_id"],
        number=document["number"],
        name=document["name"],
        graph=graph if isinstance(graph, dict) else {},
        created_by=document["created_by"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
    )
