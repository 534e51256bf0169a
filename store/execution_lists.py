"""Lists of executions, read from indexes that match their sort.

Statuses are a closed set, so "any but" is written as "one of": the index holds status before the
sort key, and MongoDB merges one ordered walk for each status.
"""

from datetime import datetime
from typing import Any

from flows.errors import FlowExecutionNotFoundError
from store import collections, indexes
from store.documents import EXECUTION_VALUES, execution_record
from store.models import ExecutionQuery, ExecutionRecord
from store.status import VISIBLE
from store.values import Database, Document, Values

FEW = 5_000
"""Executions that are sorted in memory rather than looked for along an index."""

_HINTS = {
    (False, "created_at"): indexes.EXECUTIONS_BY_CREATED,
    (False, "updated_at"): indexes.EXECUTIONS_BY_UPDATED,
    (True, "created_at"): indexes.EXECUTIONS_BY_TAG_CREATED,
    (True, "updated_at"): indexes.EXECUTIONS_BY_TAG_UPDATED,
}


async def list_executions(
    database: Database, values: Values, organization_id: str, query: ExecutionQuery
) -> list[ExecutionRecord]:
    """Return one page of a flow's executions; ties in the sort are broken by id.

    Raises:
        FlowExecutionNotFoundError: ``start_from_execution_id`` is none of this flow's.
    """
    executions: Any = database[collections.EXECUTIONS]
    anchor = await _anchor(database, organization_id, query)
    wanted = criteria(organization_id, query, anchor)
    if wanted is None:
        return []
    direction = -1 if query.descending else 1
    cursor = (
        executions.find(wanted)
        .sort([(query.sort_field, direction), ("_id", direction)])
        .skip((query.page - 1) * query.page_size)
        .limit(query.page_size)
        .hint(await _best_hint(executions, query, wanted))
    )
    documents = await cursor.to_list(length=query.page_size)
    await values.load(documents, EXECUTION_VALUES)
    return [execution_record(document) for document in documents]


def hint(query: ExecutionQuery) -> str:
    """Return the index that matches a list's filters and sort."""
    return _HINTS[bool(query.tags), query.sort_field]


async def _best_hint(executions: Any, query: ExecutionQuery, wanted: Document) -> str:
    """Return the index to read from.

    A range of the instant that is not sorted by may hold little, far from where the sort begins:
    then the few are read from the other instant's index and sorted.
    """
    other = "updated_at" if query.sort_field == "created_at" else "created_at"
    if other not in wanted:
        return hint(query)
    across = _HINTS[bool(query.tags), other]
    place = {name: wanted[name] for name in wanted if name != "$and"}
    found = await executions.count_documents(place, limit=FEW + 1, hint=across)
    return across if found <= FEW else hint(query)


def criteria(
    organization_id: str, query: ExecutionQuery, anchor: Document | None
) -> Document | None:
    """Return the filter of a list, None if nothing can match."""
    statuses = [
        status.value
        for status in VISIBLE
        if (not query.statuses or status in query.statuses)
        and status not in query.excluded_statuses
    ]
    if not statuses:
        return None
    wanted: Document = {
        "organization_id": organization_id,
        "flow_id": query.flow_id,
        "status": {"$in": statuses},
    }
    if query.tags:
        wanted["tags"] = {"$in": list(query.tags)}
    _between(wanted, "created_at", query.created_after, query.created_before)
    _between(wanted, "updated_at", query.updated_after, query.updated_before)
    _bound_by_other(wanted, query)
    if anchor is not None:
        wanted["$and"] = _after(query, anchor)
    return wanted


async def _anchor(
    database: Database, organization_id: str, query: ExecutionQuery
) -> Document | None:
    """Return where the list starts, if it does not start at its beginning."""
    if query.start_from_execution_id is None:
        return None
    executions: Any = database[collections.EXECUTIONS]
    anchor: Document | None = await executions.find_one(
        {
            "_id": query.start_from_execution_id,
            "organization_id": organization_id,
            "flow_id": query.flow_id,
        },
        {"created_at": 1, "updated_at": 1},
    )
    if anchor is None:
        raise FlowExecutionNotFoundError(
            "no such execution of this flow", flow_execution_id=query.start_from_execution_id
        )
    return anchor


def _between(wanted: Document, name: str, after: datetime | None, before: datetime | None) -> None:
    """Restrict an instant to a range; both ends belong to it."""
    limits = {"$gte": after, "$lte": before}
    given = {operator: limit for operator, limit in limits.items() if limit is not None}
    if given:
        wanted[name] = given


def _bound_by_other(wanted: Document, query: ExecutionQuery) -> None:
    """Bound the walk along the sort by what follows from a range of the other instant.

    Nothing is updated before it is created.
    """
    if query.sort_field == "created_at" and query.updated_before is not None:
        limits = wanted.setdefault("created_at", {})
        limits["$lte"] = min(limits.get("$lte", query.updated_before), query.updated_before)
    if query.sort_field == "updated_at" and query.created_after is not None:
        limits = wanted.setdefault("updated_at", {})
        limits["$gte"] = max(limits.get("$gte", query.created_after), query.created_after)


def _after(query: ExecutionQuery, anchor: Document) -> list[Document]:
    """Return what follows an execution strictly, in the list's order.

    The first condition bounds the walk over the index, the second tells apart what is tied.
    """
    name = query.sort_field
    bound, strict = ("$lte", "$lt") if query.descending else ("$gte", "$gt")
    return [
        {name: {bound: anchor[name]}},
        {"$or": [{name: {strict: anchor[name]}}, {"_id": {strict: anchor["_id"]}}]},
    ]
