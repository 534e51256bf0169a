"""Records of ``store.models`` as documents, and back; ``store.values`` loads their values."""

from collections.abc import Sequence
from typing import Any, Literal, cast

from pydantic import JsonValue

from store.models import (
    EngineWord,
    ExecutionRecord,
    ExecutionStatus,
    FlowRecord,
    ProcessingStatus,
    SlotState,
    TaskExecutionRecord,
)
from store.values import Document, Values, encode

EXECUTION_VALUES = ("input", "error")
ROW_VALUES = ("input", "output", "error", "source_task_executions")
ENGINE_VALUES = ("output", "error")
FLOW_VALUES = ("settings", "visibility")
VERSION_VALUES = ("definition",)


def execution_document(record: ExecutionRecord) -> Document:
    """Return a new execution as it is inserted; ``input`` and ``error`` encoded."""
    document: Document = {
        "_id": record.id,
        "organization_id": record.organization_id,
        "flow_id": record.flow_id,
        "flow_version": record.flow_version,
        "status": record.status.value,
        "input": encode(cast("JsonValue", record.input)),
        "input_task_name": record.input_task_name,
        "run_number": record.run_number,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "modified_by": record.modified_by,
        "generation": record.generation,
        "mode": record.mode,
        "is_open": record.is_open,
        "started_generation": record.started_generation,
        "started_at": record.started_at,
        "closed_at": record.closed_at,
        "checked_at": record.created_at,
        "cancel_requested_at": record.cancel_requested_at,
        "run_id": record.run_id,
        "triggered_task_executor_name": record.triggered_task_executor_name,
        "error": encode(cast("JsonValue", record.error)),
        "deleted_at": record.deleted_at,
        "keeps_payloads": True,
    }
    if record.slot is not None:
        document |= {"slot": record.slot.value, "queued_at": record.queued_at, "checked_at": None}
    return document


def execution_record(document: Document) -> ExecutionRecord:
    """Return the execution that a document, its values loaded, describes."""
    return ExecutionRecord(
        id=document["_id"],
        organization_id=document["organization_id"],
        flow_id=document["flow_id"],
        flow_version=document["flow_version"],
        status=ExecutionStatus(document["status"]),
        input=document["input"] or {},
        input_task_name=document["input_task_name"],
        run_number=document["run_number"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        modified_by=document["modified_by"],
        generation=document["generation"],
        mode=cast('Literal["full", "stale"]', document["mode"]),
        is_open=document["is_open"],
        started_generation=document["started_generation"],
        started_at=document["started_at"],
        closed_at=document["closed_at"],
        cancel_requested_at=document["cancel_requested_at"],
        run_id=document["run_id"],
        triggered_task_executor_name=document["triggered_task_executor_name"],
        error=document["error"],
        deleted_at=document["deleted_at"],
        slot=SlotState(document["slot"]) if "slot" in document else None,
        queued_at=document.get("queued_at"),
        edit_count=document.get("edit_count", 0),
    )


async def load_row_values(values: Values, rows: Sequence[Document]) -> None:
    """Load the values of rows, in place, with those that the engine left beside an edit."""
    await values.load(rows, ROW_VALUES)
    await values.load([row["engine"] for row in rows if row.get("engine")], ENGINE_VALUES)


def row_record(document: Document) -> TaskExecutionRecord:
    """Return the attempt that a document, its values loaded, describes."""
    get = document.get
    return TaskExecutionRecord(
        id=document["_id"],
        organization_id=document["organization_id"],
        flow_id=document["flow_id"],
        flow_execution_id=document["execution_id"],
        task_name=document["task_name"],
        task_execution_idx=document["idx"],
        generation=document["generation"],
        item=document["item"],
        attempt=document["attempt"],
        processing_status=ProcessingStatus(document["status"]),
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        modified_by=get("modified_by", "system"),
        edited_status=get("edited_status", "not_edited"),
        stale_status=get("stale_status", "consistent"),
        input=get("input"),
        output=get("output"),
        error=get("error"),
        fingerprint=get("fingerprint", ""),
        output_digest=get("digest", ""),
        started_at=get("started_at"),
        completed_at=get("completed_at"),
        source_task_executions=get("source_task_executions"),
        rank=document["rank"],
        run_id=get("run_id"),
        is_outside=bool(get("outside")),
        engine=_engine_word(get("engine")),
    )


def _engine_word(said: Document | None) -> EngineWord | None:
    """Return what the engine said of a row that was edited; its values are loaded beside it."""
    if said is None:
        return None
    return EngineWord(
        processing_status=ProcessingStatus(said["status"]),
        output=said.get("output"),
        error=said.get("error"),
    )


def flow_record(flow: Document, version: Document) -> FlowRecord:
    """Return one version of a flow from its two documents, their values loaded."""
    return FlowRecord(
        id=flow["_id"],
        organization_id=flow["organization_id"],
        created_at=flow["created_at"],
        updated_at=flow["updated_at"],
        modified_by=flow["modified_by"],
        created_by=flow["created_by"],
        display_name=flow["display_name"],
        description=flow["description"],
        visibility=flow["visibility"],
        status=flow["status"],
        settings=flow["settings"],
        tags=list(flow["tags"]),
        version=version["version"],
        is_latest=version["version"] == flow["latest_version"],
        definition=cast("dict[str, Any]", version.get("definition")) or {},
        deleted=flow["deleted"],
        version_name=version["name"],
        is_favourite=version["is_favourite"],
        version_created_at=version["created_at"],
        version_updated_at=version["updated_at"],
        version_modified_by=version["modified_by"],
    )
