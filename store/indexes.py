"""Every index, created at start-up. Each list has one that matches its sort, so nothing scans.

Queries name the index they rely on, through ``hint``, by the names here: a renamed index is a loud
failure and not a slow query.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from contracts.names import PAYLOADS
from store import collections
from store.faults import guarded
from store.values import Database

EXECUTIONS_BY_CREATED = "by_flow_status_created"
EXECUTIONS_BY_UPDATED = "by_flow_status_updated"
EXECUTIONS_BY_TAG_CREATED = "by_flow_tag_created"
EXECUTIONS_BY_TAG_UPDATED = "by_flow_tag_updated"
EXECUTIONS_OPEN = "open_by_check"
EXECUTIONS_QUEUED = "queued_by_organization"
EXECUTIONS_CLOSED = "kept_by_flow_closed"
EXECUTIONS_KEEPING_PAYLOADS = "keeping_payloads_by_close"
ROWS_BY_IDX = "live_by_idx"
ROWS_BY_ITEM = "live_by_item"
ROWS_BY_EXECUTION = "live_by_execution_created"
ROWS_BY_TASK_IN_EXECUTION = "live_by_execution_task_created"
ROWS_BY_ORGANIZATION = "live_by_organization_created"
ROWS_BY_TASK = "live_by_task_created"
ROWS_BY_IDX_IN_ORGANIZATION = "live_by_organization_idx_created"
ROWS_OPEN = "open_by_execution"
OUTPUTS_BY_CREATED = "live_by_created"
OUTPUTS_BY_EXECUTION = "live_by_execution"
OUTPUTS_BY_VERSION = "live_by_flow_version_created"
ACCOUNTS_BY_CREATED = "by_created"
KEYS_BY_CREATED = "kept_by_account_created"
TAGS_BY_EXECUTION = "active_by_execution_created"
TALLIES_BY_WORD = "counted_by_flow_created"
STATUSES_BY_TASK = "by_execution_task_created"
REVIEWS_BY_TASK = "unique_by_task"
REVIEWS_BY_REVIEWER_CREATED = "kept_by_reviewer_created"
REVIEWS_BY_REVIEWER_UPDATED = "kept_by_reviewer_updated"
ASSIGNMENTS_BY_REVIEW = "by_review_created"
ASSIGNMENTS_EXPIRING = "in_progress_by_expiry"
INVITATIONS_BY_FLOW = "by_flow_created"
INVITATIONS_BY_INVITEE = "by_invitee"
FLOWS_BY_NAME = "unique_name"
FLOWS_BY_CREATED = "live_by_created"
FLOWS_BY_UPDATED = "live_by_updated"
FLOWS_BY_DISPLAY_NAME = "live_by_display_name"
FLOWS_BY_TAG = "live_by_tag"
FLOWS_EXPIRING = "expiring"
FLOWS_RERUN = "rerun_pending"
FLOWS_UNSCHEDULED = "schedules_pending"
FLOWS_BY_MAIL_ADDRESS = "unique_mail_address"
VERSIONS_BY_NUMBER = "by_number"
VERSIONS_FAVOURITE = "favourites_by_number"
FILES_BY_FLOW = "stored_by_flow_created"
FILES_UNSWEPT = "unswept"
WEBHOOK_DATA_BY_TASK = "unique_by_task"
RUNS_BY_KEY = "unique_by_key"
RUNS_BY_CREATED = "by_created"
RUNS_BY_WORKFLOW = "by_workflow_created"
RUNS_OPEN = "open_by_check"
RUNS_BY_SOURCE = "by_source"
TURNS_BY_NUMBER = "unique_by_number"
TURNS_BY_INPUT = "by_input"
TURNS_BY_EVENT = "by_first_event"
FEEDBACK_BY_RUN = "by_run_in_order"
FEEDBACK_BY_WORKFLOW = "by_workflow"
SHOWN_BY_EVENT = "unique_by_first_event"
SPEECH_IN_ORDER = "in_order"
CHUNKS_IN_ORDER = "files_id_1_n_1"
"""The name that every GridFS driver gives this index."""

HOUR_SECONDS = 60 * 60
DAY_SECONDS = 24 * HOUR_SECONDS
MINUTE_SECONDS = 60

_LIVE = {"live": True}
_KEPT = {"deleted": False}


def _index(
    name: str, *keys: str, only: Mapping[str, object] | None = None, unique: bool = False
) -> IndexModel:
    """Describe an index; a key that starts with a minus sign descends."""
    spec = [(key.lstrip("-"), DESCENDING if key.startswith("-") else ASCENDING) for key in keys]
    options: dict[str, Any] = {"name": name}
    if only is not None:
        options["partialFilterExpression"] = only
    if unique:
        options["unique"] = True
    return IndexModel(spec, **options)


_TAGGED = {"tags": {"$exists": True}}

INDEXES: dict[str, list[IndexModel]] = {
    collections.INTERACTIVE_RUNS: [
        _index(
            RUNS_BY_KEY,
            *("organization_id", "workflow_id", "input_id"),
            only={"is_keyed": True},
            unique=True,
        ),
        _index(RUNS_BY_CREATED, "organization_id", "-created_at", "-_id"),
        _index(RUNS_BY_WORKFLOW, "organization_id", "workflow_id", "-created_at", "-_id"),
        _index(RUNS_OPEN, "checked_at", only={"is_open": True}),
        _index(
            RUNS_BY_SOURCE,
            *("organization_id", "source_run_id", "source_turn_index"),
            only={"source_run_id": {"$exists": True}},
        ),
    ],
    collections.INTERACTIVE_TURNS: [
        _index(TURNS_BY_NUMBER, "run_id", "turn_number", unique=True),
        _index(TURNS_BY_INPUT, "run_id", "input_ids"),
        _index(
            TURNS_BY_EVENT,
            *("run_id", "-first_event", "-turn_number"),
            only={"first_event": {"$gte": 0}},
        ),
    ],
    collections.RUN_FEEDBACK: [
        _index(FEEDBACK_BY_RUN, "run_id", "at", "_id"),
        _index(FEEDBACK_BY_WORKFLOW, "organization_id", "workflow_id"),
    ],
    collections.RERUN_TOKENS: [
        IndexModel([("expires_at", ASCENDING)], name="expiry", expireAfterSeconds=0),
    ],
    collections.RUN_EVENTS: [
        _index(SHOWN_BY_EVENT, "run_id", "-first_event", unique=True),
        IndexModel([("at", ASCENDING)], name="expiry", expireAfterSeconds=DAY_SECONDS),
    ],
    collections.RUN_SPEECH: [
        _index(SPEECH_IN_ORDER, "run_id", "events_told", "attempt", "sequence"),
        IndexModel([("at", ASCENDING)], name="expiry", expireAfterSeconds=10 * MINUTE_SECONDS),
    ],
    collections.EXECUTIONS: [
        _index(
            EXECUTIONS_BY_CREATED,
            *("organization_id", "flow_id", "status", "-created_at", "-_id", "updated_at"),
        ),
        _index(
            EXECUTIONS_BY_UPDATED,
            *("organization_id", "flow_id", "status", "-updated_at", "-_id", "created_at"),
        ),
        _index(
            EXECUTIONS_BY_TAG_CREATED,
            *("organization_id", "flow_id", "tags", "-created_at", "-_id"),
            only=_TAGGED,
        ),
        _index(
            EXECUTIONS_BY_TAG_UPDATED,
            *("organization_id", "flow_id", "tags", "-updated_at", "-_id"),
            only=_TAGGED,
        ),
        _index(EXECUTIONS_OPEN, "checked_at", only={"is_open": True}),
        _index(
            EXECUTIONS_QUEUED,
            *("organization_id", "slot", "queued_at", "_id"),
            only={"queued_at": {"$exists": True}},
        ),
        _index(
            EXECUTIONS_CLOSED,
            *("organization_id", "flow_id", "closed_at"),
            only={"is_open": False, "deleted_at": None},
        ),
        _index(EXECUTIONS_KEEPING_PAYLOADS, "closed_at", only={"keeps_payloads": True}),
    ],
    collections.TASK_EXECUTIONS: [
        _index(ROWS_BY_IDX, "execution_id", "task_name", "idx", only=_LIVE, unique=True),
        _index(ROWS_BY_ITEM, "execution_id", "task_name", "item", "attempt", only=_LIVE),
        _index(
            ROWS_BY_EXECUTION,
            *("organization_id", "execution_id", "-created_at", "-_id", "idx"),
            only=_LIVE,
        ),
        _index(
            ROWS_BY_TASK_IN_EXECUTION,
            *("organization_id", "execution_id", "task_name", "-created_at", "-_id"),
            only=_LIVE,
        ),
        _index(ROWS_BY_ORGANIZATION, "organization_id", "-created_at", "-_id", only=_LIVE),
        _index(
            ROWS_BY_TASK,
            *("organization_id", "task_name", "-created_at", "-_id", "idx"),
            only=_LIVE,
        ),
        _index(
            ROWS_BY_IDX_IN_ORGANIZATION, "organization_id", "idx", "-created_at", "-_id", only=_LIVE
        ),
        _index(ROWS_OPEN, "execution_id", "task_name", "item", only={"rank": {"$lt": 2}}),
    ],
    collections.TASK_OUTPUTS: [
        _index(OUTPUTS_BY_CREATED, "organization_id", "-created_at", "-_id", only=_LIVE),
        _index(OUTPUTS_BY_EXECUTION, "execution_id", "task_name", only=_LIVE),
        _index(
            OUTPUTS_BY_VERSION,
            *("organization_id", "flow_id", "flow_version", "-created_at", "-_id"),
            only=_LIVE,
        ),
    ],
    collections.TASK_STATUSES: [
        _index(STATUSES_BY_TASK, "organization_id", "execution_id", "task_name", "-created_at")
    ],
    collections.TASK_TAGS: [
        _index(
            TAGS_BY_EXECUTION,
            *("organization_id", "execution_id", "task_name", "created_at", "_id"),
            only={"status": "active"},
        )
    ],
    collections.TAG_WORDS: [_index("by_execution", "execution_id")],
    collections.FLOW_TALLIES: [
        _index(
            TALLIES_BY_WORD,
            *("organization_id", "flow_id", "kind", "scope", "-created_at", "-_id"),
            only={"count": {"$gt": 0}},
        )
    ],
    collections.FLOWS: [
        _index(FLOWS_BY_NAME, "organization_id", "display_name", only=_KEPT, unique=True),
        _index(FLOWS_BY_CREATED, "organization_id", "-created_at", "-_id", only=_KEPT),
        _index(FLOWS_BY_UPDATED, "organization_id", "-updated_at", "-_id", only=_KEPT),
        _index(FLOWS_BY_DISPLAY_NAME, "organization_id", "-display_name", "-_id", only=_KEPT),
        _index(FLOWS_BY_TAG, "organization_id", "tags", only=_KEPT),
        _index(FLOWS_RERUN, "rerun.asked_at", only={"rerun.version": {"$gt": 0}}),
        _index(FLOWS_UNSCHEDULED, "schedule_rev", only={"schedules_pending": True}),
        _index(
            FLOWS_BY_MAIL_ADDRESS,
            "mail_addresses",
            only={"deleted": False, "mail_addresses": {"$exists": True}},
            unique=True,
        ),
        _index(FLOWS_EXPIRING, "_id", "ttl_seconds", only={"ttl_seconds": {"$gt": 0}}),
    ],
    collections.FLOW_VERSIONS: [
        _index(VERSIONS_BY_NUMBER, "organization_id", "flow_id", "-version"),
        _index(
            VERSIONS_FAVOURITE,
            *("organization_id", "flow_id", "-version"),
            only={"is_favourite": True},
        ),
    ],
    collections.FLOW_INVITATIONS: [
        _index(INVITATIONS_BY_FLOW, *("organization_id", "flow_id", "kind", "created_at", "_id")),
        _index(INVITATIONS_BY_INVITEE, "organization_id", "invitee", "flow_id"),
    ],
    collections.SECRETS: [_index("by_flow", "organization_id", "flow_id")],
    collections.CREDENTIALS: [_index("unique_name", "organization_id", "name", unique=True)],
    collections.CREDENTIAL_EVENTS: [_index("by_time", "organization_id", "-at", "-_id")],
    collections.IDEMPOTENCY_KEYS: [
        IndexModel([("created_at", ASCENDING)], name="expiry", expireAfterSeconds=DAY_SECONDS)
    ],
    collections.STREAM_MARKS: [
        IndexModel([("at", ASCENDING)], name="expiry", expireAfterSeconds=HOUR_SECONDS)
    ],
    collections.FILES: [
        _index(
            FILES_BY_FLOW,
            *("organization_id", "flow_id", "-created_at", "-_id"),
            only={"is_stored": True},
        ),
        _index(FILES_UNSWEPT, "sweep_at", only={"sweep_at": {"$exists": True}}),
    ],
    f"{collections.FILE_CONTENTS}.chunks": [_index(CHUNKS_IN_ORDER, "files_id", "n", unique=True)],
    collections.WEBHOOK_DATA: [
        _index(WEBHOOK_DATA_BY_TASK, "execution_id", "task_name", only=_LIVE, unique=True)
    ],
    collections.WORKFLOWS: [
        _index("by_created", "organization_id", "-created_at", "-_id"),
    ],
    collections.WORKFLOW_VERSIONS: [
        _index("by_number", "organization_id", "workflow_id", "number", unique=True),
    ],
    collections.GLOBAL_VARIABLES: [
        _index("unique_name", "organization_id", "name", unique=True),
        _index("by_created", "organization_id", "-created_at", "-_id"),
    ],
    PAYLOADS: [_index("by_owner", "owner_id", "created_at")],
    collections.ORGANIZATIONS: [_index("unique_name", "name", unique=True)],
    collections.WORKER_GROUPS: [
        _index("unique_name", "organization_id", "name", unique=True),
        _index("by_member", "organization_id", "members.user_id"),
    ],
    collections.REVIEWS: [
        _index(REVIEWS_BY_TASK, "execution_id", "task_name", "idx", only=_KEPT, unique=True),
        _index(
            REVIEWS_BY_REVIEWER_CREATED,
            *("organization_id", "reviewers", "-created_at", "-_id"),
            only=_KEPT,
        ),
        _index(
            REVIEWS_BY_REVIEWER_UPDATED,
            *("organization_id", "reviewers", "-updated_at", "-_id"),
            only=_KEPT,
        ),
    ],
    collections.REVIEW_ASSIGNMENTS: [
        _index(ASSIGNMENTS_BY_REVIEW, "review_id", "created_at", "_id"),
        _index(
            ASSIGNMENTS_EXPIRING,
            "expires_at",
            only={"status": "in_progress", "expires_at": {"$exists": True}},
        ),
    ],
    collections.SERVICE_ACCOUNTS: [
        _index("by_name", "organization_id", "name"),
        _index(ACCOUNTS_BY_CREATED, "organization_id", "-created_at", "-_id"),
    ],
    collections.API_KEYS: [
        _index("unique_hash", "token_hash", unique=True),
        _index("by_account", "organization_id", "service_account_id"),
        _index(
            KEYS_BY_CREATED,
            *("organization_id", "service_account_id", "-created_at", "-_id"),
            only=_KEPT,
        ),
    ],
}


@guarded
async def ensure_indexes(database: Database) -> None:
    """Create what is missing; harmless when repeated, and from several processes at once.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    await asyncio.gather(
        *(database[name].create_indexes(indexes) for name, indexes in INDEXES.items())
    )
