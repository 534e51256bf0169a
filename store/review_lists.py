"""Lists of human reviews, each read through an index that matches it."""

import re
from typing import Any

from store import collections, indexes
from store.models import Page
from store.review_documents import reviews_of
from store.review_models import Review, Reviewer, ReviewQuery
from store.values import Database, Document, Values

_HINTS = {
    "created_at": indexes.REVIEWS_BY_REVIEWER_CREATED,
    "updated_at": indexes.REVIEWS_BY_REVIEWER_UPDATED,
}


def marks_of(reviewer: Reviewer) -> list[str]:
    """Return the marks under which a person finds reviews: their own, and their groups'."""
    return [user_mark(reviewer.user_id), *sorted(map(group_mark, reviewer.group_ids))]


def user_mark(user_id: str) -> str:
    """Return what a review says of a person who is asked."""
    return f"user:{user_id}"


def group_mark(group_id: str) -> str:
    """Return what a review says of a group that is asked."""
    return f"group:{group_id}"


async def list_reviews(
    database: Database,
    values: Values,
    organization_id: str,
    reviewer: Reviewer,
    query: ReviewQuery,
) -> Page[Review]:
    """Return some of the reviews that a person is asked for, and how many there are.

    Withdrawn ones ask nobody any more, and would be pending for ever.
    """
    reviews: Any = database[collections.REVIEWS]
    direction = -1 if query.descending else 1
    found = [{"$match": _wanted(organization_id, reviewer, query)}]
    hint = _HINTS[query.sort_field]
    narrowing = _of_executions(query)
    page = [
        *found,
        {"$sort": {query.sort_field: direction, "_id": direction}},
        *narrowing,
        {"$skip": query.offset},
        {"$limit": query.limit},
    ]
    documents = await reviews.aggregate(page, hint=hint).to_list(length=None)
    counted = [*found, *narrowing, {"$count": "total"}]
    totals = await reviews.aggregate(counted, hint=hint).to_list(length=1)
    total = totals[0]["total"] if totals else 0
    return Page(await reviews_of(documents, values), total)


def _wanted(organization_id: str, reviewer: Reviewer, query: ReviewQuery) -> Document:
    wanted: Document = {
        "organization_id": organization_id,
        "reviewers": {"$in": marks_of(reviewer)},
        "deleted": False,
        "withdrawn": False,
    }
    if query.statuses:
        wanted["status"] = {"$in": [status.value for status in query.statuses]}
    if query.source_task_name is not None:
        wanted["task_name"] = query.source_task_name
    if query.flow_execution_id is not None:
        wanted["execution_id"] = query.flow_execution_id
    if query.flow_id is not None:
        wanted["flow_id"] = query.flow_id
    return wanted


def _of_executions(query: ReviewQuery) -> list[Document]:
    """Return the stages that keep reviews of executions with these tags and metadata."""
    wanted: list[Document] = []
    if query.tags:
        wanted.append({"tags": {"$in": [*query.tags]}})
    wanted.extend(
        {
            "metadata": {
                "$elemMatch": {
                    "0": {"$regex": f"^{re.escape(key)}$", "$options": "i"},
                    "1": {"$in": [*values]},
                }
            }
        }
        for key, values in query.metadata
    )
    if not wanted:
        return []
    return [
        {
            "$lookup": {
                "from": collections.EXECUTIONS,
                "localField": "execution_id",
                "foreignField": "_id",
                "pipeline": [{"$match": {"$and": wanted}}, {"$project": {"_id": 1}}],
                "as": "executions",
            }
        },
        {"$match": {"executions": {"$ne": []}}},
    ]
