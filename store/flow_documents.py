"""What is written of a new flow and of a new version."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import JsonValue

from store.clock import now
from store.expiry import ttl_seconds
from store.mail_addresses import addressed
from store.models import FlowRecord
from store.values import Document, encode


def flow_document(
    record: FlowRecord, scheduled: Sequence[str], mail_addresses: Sequence[str] = ()
) -> Document:
    """Return what all versions of a new flow share.

    Args:
        scheduled: Tasks of it that the clock starts.
        mail_addresses: Where it receives messages.
    """
    flow: Document = {
        "_id": record.id,
        "organization_id": record.organization_id,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "created_by": record.created_by,
        "modified_by": record.modified_by,
        "display_name": record.display_name,
        "description": record.description,
        "visibility": encode(record.visibility),
        "status": record.status,
        "settings": encode(cast("JsonValue", record.settings)),
        "ttl_seconds": ttl_seconds(cast("JsonValue", record.settings)),
        "tags": record.tags,
        "latest_version": record.version,
        "task_count": task_count(record.definition),
        "deleted": False,
    }
    flow |= addressed(mail_addresses)
    if scheduled:
        flow |= {
            "schedule_names": list(scheduled),
            "schedules_pending": True,
            "schedule_rev": 1,
        }
    return flow


# What holds a definition is bytes or a reference to them; see ``Values.put``.
def first_version_document(record: FlowRecord, held: Any) -> Document:
    """Return a new flow's version, whose definition stands in ``held``."""
    return {
        "_id": f"{record.id}:{record.version}",
        "organization_id": record.organization_id,
        "flow_id": record.id,
        "version": record.version,
        "definition": held,
        "created_at": record.created_at,
        "updated_at": record.created_at,
        "modified_by": record.modified_by,
        "name": record.version_name,
        "is_favourite": record.is_favourite,
    }


def next_version_document(
    organization_id: str, flow_id: str, number: int, held: Any, modified_by: str
) -> Document:
    """Return a further version, whose definition stands in ``held``."""
    at = now()
    return {
        "_id": f"{flow_id}:{number}",
        "organization_id": organization_id,
        "flow_id": flow_id,
        "version": number,
        "definition": held,
        "created_at": at,
        "updated_at": at,
        "modified_by": modified_by,
        "name": None,
        "is_favourite": False,
    }


def task_count(definition: Mapping[str, JsonValue]) -> int:
    """Return how many tasks a definition has, in any of its published shapes.

    Only the order of magnitude matters: none, or some.
    """
    configs = definition.get("flow_configs")
    if isinstance(configs, list):
        parts = [config.get("config") for config in configs if isinstance(config, dict)]
        return sum(task_count(part) for part in parts if isinstance(part, dict))
    tasks = definition.get("tasks")
    return len(tasks) if isinstance(tasks, list | dict) else 0
