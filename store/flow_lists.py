"""Lists of flows and of versions, read from indexes that match their sort."""

from datetime import timedelta
from typing import Any

from store import collections, indexes
from store.clock import now
from store.documents import FLOW_VALUES, VERSION_VALUES, flow_record
from store.models import FlowQuery, FlowRecord, Page
from store.search import containing
from store.values import Database, Document, Values

CLEANABLE_AFTER = timedelta(days=30)

_HINTS = {
    "created_at": indexes.FLOWS_BY_CREATED,
    "updated_at": indexes.FLOWS_BY_UPDATED,
    "display_name": indexes.FLOWS_BY_DISPLAY_NAME,
}
_TAG_OPERATORS = {"any": "$in", "all": "$all", "none": "$nin"}


class FlowLists:
    """Reads pages; its callers turn driver errors into ours."""

    def __init__(self, database: Database, values: Values) -> None:
        """Borrow a database."""
        self._flows: Any = database[collections.FLOWS]
        self._versions: Any = database[collections.FLOW_VERSIONS]
        self._values = values

    async def page(self, organization_id: str, query: FlowQuery) -> Page[FlowRecord]:
        """Return one page of flows that are not deleted; ties in the sort are broken by id."""
        wanted = flow_criteria(organization_id, query)
        direction = -1 if query.descending else 1
        cursor = (
            self._flows.find(wanted)
            .sort([(query.sort_field, direction), ("_id", direction)])
            .skip((query.page - 1) * query.page_size)
            .limit(query.page_size)
            .hint(flow_hint(query))
        )
        flows = await cursor.to_list(length=query.page_size)
        total = await self._flows.count_documents(wanted, hint=indexes.FLOWS_BY_CREATED)
        ids = [f"{flow['_id']}:{flow['latest_version']}" for flow in flows]
        cursor = self._versions.find({"_id": {"$in": ids}})
        versions = {version["flow_id"]: version async for version in cursor}
        await self._values.load(flows, FLOW_VALUES)
        await self._values.load(versions.values(), VERSION_VALUES)
        return Page([flow_record(flow, versions[flow["_id"]]) for flow in flows], total)

    async def versions(self, flow: Document) -> list[FlowRecord]:
        """Return every version of a flow, newest first."""
        wanted = {"organization_id": flow["organization_id"], "flow_id": flow["_id"]}
        cursor = self._versions.find(wanted).sort("version", -1).hint(indexes.VERSIONS_BY_NUMBER)
        versions = await cursor.to_list(length=None)
        await self._values.load([flow], FLOW_VALUES)
        await self._values.load(versions, VERSION_VALUES)
        return [flow_record(flow, version) for version in versions]

    async def version_page(
        self,
        flow: Document,
        *,
        search: str | None,
        favourites_only: bool,
        page: int,
        page_size: int,
    ) -> Page[FlowRecord]:
        """Return one page of versions, newest first, without their definitions."""
        wanted: Document = {"organization_id": flow["organization_id"], "flow_id": flow["_id"]}
        hint = indexes.VERSIONS_BY_NUMBER
        if favourites_only:
            wanted["is_favourite"] = True
            hint = indexes.VERSIONS_FAVOURITE
        if search:
            wanted["name"] = containing(search)
        cursor = (
            self._versions.find(wanted, {"definition": 0})
            .sort("version", -1)
            .skip((page - 1) * page_size)
            .limit(page_size)
            .hint(hint)
        )
        versions = await cursor.to_list(length=page_size)
        total = await self._versions.count_documents(wanted, hint=hint)
        await self._values.load([flow], FLOW_VALUES)
        return Page([flow_record(flow, version) for version in versions], total)


def flow_hint(query: FlowQuery) -> str:
    """Return the index that matches a list's sort."""
    return _HINTS[query.sort_field]


def flow_criteria(organization_id: str, query: FlowQuery) -> Document:
    """Return the filter of a list of flows."""
    wanted: Document = {"organization_id": organization_id, "deleted": False}
    if query.only is not None:
        wanted["_id"] = {"$in": sorted(query.only)}
    if query.search:
        wanted["display_name"] = containing(query.search)
    if query.created_by is not None:
        wanted["created_by"] = query.created_by
    if query.is_cleanable:
        wanted["task_count"] = 0
        wanted["created_at"] = {"$lt": now() - CLEANABLE_AFTER}
    tags = [{"tags": {_TAG_OPERATORS[mode]: list(names)}} for mode, names in query.tag_filters]
    if tags:
        wanted["$and"] = tags
    return wanted
