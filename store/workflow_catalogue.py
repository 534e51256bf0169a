"""Workflows of an organization as people look through them: favourites, categories, owners.

Source: docs/workflows-api.md, "Workflows".
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from flows.errors import WorkflowNotFoundError
from store import collections
from store.faults import guarded
from store.models import Page
from store.values import Database, Document
from store.workflows import (
    WorkflowRecord,
    WorkflowVersionRecord,
    version_of,
    workflow_of,
)

Active = tuple[WorkflowRecord, WorkflowVersionRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueQuery:
    """Which workflows of an organization, newest first.

    Attributes:
        favourite_of: Whose favourites.
        categories: Any of these.
    """

    favourite_of: str | None = None
    created_by: str | None = None
    categories: tuple[str, ...] = ()


class WorkflowCatalogue:
    """Looks through the workflows of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._workflows: Any = database[collections.WORKFLOWS]
        self._versions: Any = database[collections.WORKFLOW_VERSIONS]

    @guarded
    async def mark(
        self, organization_id: str, workflow_id: str, user_id: str, *, is_favourite: bool
    ) -> None:
        """Make a workflow somebody's favourite, or not. Repeatable.

        Raises:
            WorkflowNotFoundError: The organization has none of this id.
        """
        change = {"$addToSet" if is_favourite else "$pull": {"favourite_of": user_id}}
        place = {"_id": ObjectId(workflow_id), "organization_id": organization_id}
        written = await self._workflows.update_one(place, change)
        if not written.matched_count:
            raise WorkflowNotFoundError("Workflow not found", workflow_id=workflow_id)

    @guarded
    async def categories(self, organization_id: str) -> Sequence[str]:
        """Return every category that a workflow has, by name."""
        found = await self._workflows.distinct("category", {"organization_id": organization_id})
        return sorted(found)

    @guarded
    async def active(
        self, organization_id: str, query: CatalogueQuery, *, offset: int, limit: int
    ) -> Page[Active]:
        """Return some workflows with their active versions, and how many there are."""
        wanted = _wanted(organization_id, query)
        cursor = self._workflows.find(wanted).sort([("created_at", -1), ("_id", -1)])
        documents = [each async for each in cursor.skip(offset).limit(limit)]
        found = [pair async for pair in self._with_versions(documents)]
        return Page(found, await self._workflows.count_documents(wanted))

    async def all_active(
        self, organization_id: str, query: CatalogueQuery | None = None
    ) -> AsyncIterator[Active]:
        """Yield all workflows with their active versions, newest first."""
        wanted = _wanted(organization_id, query or CatalogueQuery())
        cursor = self._workflows.find(wanted).sort([("created_at", -1), ("_id", -1)])
        async for document in cursor:
            async for pair in self._with_versions([document]):
                yield pair

    async def all_versions(self, organization_id: str) -> AsyncIterator[WorkflowVersionRecord]:
        """Yield every version of every workflow."""
        async for document in self._versions.find({"organization_id": organization_id}):
            yield version_of(document)

    async def _with_versions(self, documents: Sequence[Document]) -> AsyncIterator[Active]:
        """Yield workflows with their active versions; one that is deleted meanwhile is left out."""
        for document in documents:
            wanted = {
                "organization_id": document["organization_id"],
                "workflow_id": document["_id"],
                "number": document["active_version"],
            }
            version = await self._versions.find_one(wanted)
            if version is not None:
                yield workflow_of(document), version_of(version)


def _wanted(organization_id: str, query: CatalogueQuery) -> Document:
    wanted: Document = {"organization_id": organization_id}
    if query.favourite_of is not None:
        wanted["favourite_of"] = query.favourite_of
    if query.created_by is not None:
        wanted["created_by"] = query.created_by
    if query.categories:
        wanted["category"] = {"$in": [*query.categories]}
    return wanted
