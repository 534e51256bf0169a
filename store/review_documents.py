"""Human reviews and their assignments as documents, and back."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import JsonValue

from store.review_models import Assignment, AssignmentStatus, Review, ReviewStatus, ReviewTarget
from store.values import Document, Values, encode

VALUES = ("values", "schemas", "reviewed_output")


async def review_document(review: Review, reviewers: Iterable[str], values: Values) -> Document:
    """Return a new review as it is inserted; ``reviewers`` are the marks that it is found by."""
    owner = review.flow_execution_id
    shown: list[JsonValue] = [target.value for target in review.targets]
    schemas: list[JsonValue] = [dict(target.schema) for target in review.targets]
    return {
        "_id": review.id,
        "organization_id": review.organization_id,
        "flow_id": review.flow_id,
        "execution_id": review.flow_execution_id,
        "generation": review.generation,
        "task_name": review.source_task_name,
        "idx": review.source_task_execution_idx,
        "targets": [
            {
                "task_name": target.task_name,
                "idx": target.task_execution_idx,
                "is_editable": target.is_editable,
                "output_name": target.output_name,
                "collection_idx": target.output_collection_idx,
            }
            for target in review.targets
        ],
        "values": await values.put(owner, encode(shown)),
        "schemas": await values.put(owner, encode(schemas)),
        "instructions": review.instructions,
        "human_messages": None if review.human_messages is None else [*review.human_messages],
        "reviewers": sorted(set(reviewers)),
        "status": review.status.value,
        "review_result": review.review_result,
        "reviewed_output": None,
        "completed_by": review.completed_by,
        "completed_at": review.completed_at,
        "is_awaited": review.is_awaited,
        "withdrawn": review.is_withdrawn,
        "signal_sent": review.signal_sent,
        "deleted": False,
        "created_at": review.created_at,
        "updated_at": review.updated_at,
        "modified_by": review.modified_by,
    }


async def reviews_of(documents: Sequence[Document], values: Values) -> list[Review]:
    """Return the reviews that documents describe."""
    await values.load(documents, VALUES)
    return [_review(document) for document in documents]


def _review(document: Document) -> Review:
    return Review(
        id=document["_id"],
        organization_id=document["organization_id"],
        flow_id=document["flow_id"],
        flow_execution_id=document["execution_id"],
        generation=document["generation"],
        source_task_name=document["task_name"],
        source_task_execution_idx=document["idx"],
        targets=[
            _target(*each)
            for each in zip(
                document["targets"], document["values"], document["schemas"], strict=True
            )
        ],
        instructions=document["instructions"],
        human_messages=document["human_messages"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        modified_by=document["modified_by"],
        is_awaited=document["is_awaited"],
        is_withdrawn=document["withdrawn"],
        status=ReviewStatus(document["status"]),
        review_result=document["review_result"],
        reviewed_output=document["reviewed_output"],
        completed_by=document["completed_by"],
        completed_at=document["completed_at"],
        signal_sent=document["signal_sent"],
    )


def _target(target: Document, value: JsonValue, schema: dict[str, Any]) -> ReviewTarget:
    return ReviewTarget(
        task_name=target["task_name"],
        task_execution_idx=target["idx"],
        is_editable=target["is_editable"],
        output_name=target["output_name"],
        output_collection_idx=target["collection_idx"],
        value=value,
        schema=schema,
    )


def assignment_document(assignment: Assignment, flow_execution_id: str) -> Document:
    """Return a new assignment as it is inserted."""
    return {
        "_id": assignment.id,
        "organization_id": assignment.organization_id,
        "review_id": assignment.review_id,
        "execution_id": flow_execution_id,
        "user_id": assignment.user_id,
        "worker_group_id": assignment.worker_group_id,
        "status": assignment.status.value,
        "started_at": assignment.started_at,
        "created_at": assignment.created_at,
        "updated_at": assignment.updated_at,
        "modified_by": assignment.modified_by,
    }


def assignment_of(document: Document) -> Assignment:
    """Return the assignment that a document describes."""
    return Assignment(
        id=document["_id"],
        organization_id=document["organization_id"],
        review_id=document["review_id"],
        user_id=document["user_id"],
        worker_group_id=document["worker_group_id"],
        status=AssignmentStatus(document["status"]),
        started_at=document["started_at"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        modified_by=document["modified_by"],
    )
