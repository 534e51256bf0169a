"""What an execution says when a generation of it begins."""

from datetime import datetime
from typing import Literal

from store.models import ExecutionStatus
from store.staleness import NOTHING_OUTDATED
from store.values import Document


def generation_fields(
    generation: int,
    mode: Literal["full", "stale"],
    flow_version: int,
    modified_by: str,
    at: datetime,
) -> Document:
    """Return the fields to set: open, queued, on that version, nothing known of its run yet."""
    return {
        "generation": generation,
        "mode": mode,
        "flow_version": flow_version,
        "status": ExecutionStatus.QUEUED.value,
        "is_open": True,
        "keeps_payloads": True,
        "started_at": None,
        "closed_at": None,
        "checked_at": at,
        "cancel_requested_at": None,
        "run_id": None,
        "error": None,
        "updated_at": at,
        "modified_by": modified_by,
        **NOTHING_OUTDATED,
    }
