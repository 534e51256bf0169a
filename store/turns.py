"""Turns of interactive runs, as they are written: each before anybody is answered.

Source: docs/decisions/0048-turns-over-temporal.md and 0056-what-a-turn-waits-for.md.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson import ObjectId
from motor.frameworks.asyncio import run_on_executor
from pydantic import JsonValue
from pymongo.errors import DuplicateKeyError

from contracts.runs import RecordTurnCall
from dialogs.state import RunStatus
from store import collections
from store.faults import guarded
from store.transactions import until_alone
from store.values import Database, Document, Values, encode

TERMINAL = tuple(status.value for status in RunStatus if status.is_terminal)


class TurnRecorder:
    """Writes turns, and where their runs stand after them."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        # The driver's own client and collections under Motor's.
        self._client: Any = database.client.delegate
        self._runs: Any = database[collections.INTERACTIVE_RUNS].delegate
        self._turns: Any = database[collections.INTERACTIVE_TURNS].delegate
        self._values = Values(database)

    @guarded
    async def record(self, call: RecordTurnCall) -> None:
        """Write a turn and where the run stands, both or nothing.

        Repeatable; a run that has ended stays so.
        """
        document = None if call.pair is None else await self._turn(call, call.pair)
        loop = asyncio.get_running_loop()

        async def attempt() -> None:
            # Motor has no types here.
            await run_on_executor(loop, self._write, call, document)  # type: ignore[no-untyped-call]

        await until_alone(attempt)

    def _write(self, call: RecordTurnCall, document: Document | None) -> None:
        """Do all of it in one of Motor's threads: going there costs as much as a read."""
        if document is None:
            self._stand(call)
            return
        try:
            with self._transaction() as session:
                self._turns.insert_one({**document}, session=session)
                self._stand(call, session)
        except DuplicateKeyError:
            # Nearly always it is the first time.
            place = {"run_id": document["run_id"], "turn_number": document["turn_number"]}
            with self._transaction() as session:
                self._turns.update_one(place, {"$set": document}, session=session)
                self._stand(call, session)

    def _stand(self, call: RecordTurnCall, session: Any = None) -> None:
        """Say where the run stands."""
        self._runs.update_one(_open_before(call), {"$set": _standing(call)}, session=session)

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._client.start_session() as session, session.start_transaction():
            yield session

    async def _turn(self, call: RecordTurnCall, pair: dict[str, JsonValue]) -> Document:
        """Return a turn's document."""
        return {
            "organization_id": call.organization_id,
            "run_id": ObjectId(call.run_id),
            "turn_number": call.turn.turn_number,
            "status": call.turn.status.value,
            "input_ids": call.input_ids,
            "error": call.turn.error,
            "hint": await self._values.put(call.run_id, encode(call.turn.hint)),
            "pair": await self._values.put(call.run_id, encode(pair)),
            "at": call.at,
            "first_event": call.first_event,
            "event_count": _event_count(pair),
        }


def _open_before(call: RecordTurnCall) -> Document:
    """Return what finds the run, unless it has ended or is further on."""
    return {
        "_id": ObjectId(call.run_id),
        "organization_id": call.organization_id,
        "turn_number": {"$lte": call.turn.turn_number},
        "status": {"$nin": TERMINAL},
    }


def _standing(call: RecordTurnCall) -> Document:
    """Return where the run stands after the turn."""
    turn = call.turn
    standing: Document = {
        "status": turn.status.value,
        "turn_number": turn.turn_number,
        "error": turn.error,
        "termination_source": call.termination_source,
        "usage": call.usage,
        "latency": call.latency,
        "updated_at": call.at,
        "is_open": not turn.status.is_terminal,
    }
    if call.pair is not None:
        standing["events_told"] = call.first_event + _event_count(call.pair)
    if turn.status.is_terminal:
        standing["ended_by"] = call.input_ids
    return standing


def _event_count(pair: dict[str, JsonValue]) -> int:
    output = pair["run_output"]
    events = output["events"] if isinstance(output, dict) else None
    return len(events) if isinstance(events, list) else 0
