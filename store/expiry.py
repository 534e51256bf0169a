"""Executions whose time is up: ended longer ago than their flow keeps them.

Source: docs/operations.md, "Executions that expire".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue

from store import collections, indexes
from store.faults import guarded
from store.values import Database


@dataclass(frozen=True, slots=True)
class ExpiringFlow:
    """A flow that keeps its executions for a limited time."""

    id: str
    organization_id: str
    ttl: timedelta


@dataclass(frozen=True, slots=True)
class ExpiredExecution:
    """An execution that has ended too long ago."""

    id: str
    organization_id: str


class Expiry:
    """Finds what has expired, across organizations; deleting it is the execution repository's."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._flows: Any = database[collections.FLOWS]
        self._executions: Any = database[collections.EXECUTIONS]

    @guarded
    async def flows(self, *, after: str, limit: int) -> Sequence[ExpiringFlow]:
        """Return flows that have a time limit, deleted ones too, by id; those behind an id."""
        cursor = (
            self._flows.find(
                {"ttl_seconds": {"$gt": 0}, "_id": {"$gt": after}},
                {"organization_id": 1, "ttl_seconds": 1},
            )
            .sort("_id", 1)
            .limit(limit)
            .hint(indexes.FLOWS_EXPIRING)
        )
        return [
            ExpiringFlow(
                found["_id"], found["organization_id"], timedelta(seconds=found["ttl_seconds"])
            )
            async for found in cursor
        ]

    @guarded
    async def executions(
        self, flow: ExpiringFlow, at: datetime, limit: int
    ) -> Sequence[ExpiredExecution]:
        """Return executions of a flow that have expired by an instant, the oldest first."""
        cursor = (
            self._executions.find(
                {
                    "organization_id": flow.organization_id,
                    "flow_id": flow.id,
                    "is_open": False,
                    "deleted_at": None,
                    "closed_at": {"$lte": at - flow.ttl},
                },
                {"organization_id": 1},
            )
            .sort("closed_at", 1)
            .limit(limit)
            .hint(indexes.EXECUTIONS_CLOSED)
        )
        return [ExpiredExecution(found["_id"], found["organization_id"]) async for found in cursor]


def ttl_seconds(settings: JsonValue) -> int | None:
    """Return how long a flow's settings keep its executions; None for ever."""
    ttl = settings.get("ttl") if isinstance(settings, dict) else None
    seconds = ttl.get("seconds") if isinstance(ttl, dict) else None
    return int(seconds) if isinstance(seconds, int | float) and seconds > 0 else None
