"""Events of runs for those who listen: by their place in the run, and while a turn goes on.

A turn that has ended holds its events. Those of a turn that goes on are written whenever it is held
up, and what a model says piece by piece as it comes; both are forgotten after a while.

Source: docs/decisions/0051-events-as-they-happen.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from pydantic import JsonValue
from pymongo import WriteConcern

from contracts.runs import JsonObject, ShowEventsCall, SpokenAt
from store import collections, indexes
from store.clock import now
from store.faults import guarded
from store.values import Database, Document, Values, encode

_PAIR = ("pair",)
_EVENTS = ("events",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechPiece:
    """Something that a model said, of what is not an event yet.

    Attributes:
        at: Where it speaks.
        attempt: Of asking it, from 1: a later attempt begins anew.
        sequence: Of this piece among those of the attempt, from 0.
    """

    at: SpokenAt
    attempt: int
    sequence: int
    text: str
    said_at: datetime

    @property
    def order(self) -> tuple[int, int]:
        """Return what places it among the pieces that were said in the same place."""
        return self.attempt, self.sequence


class RunEventRepository:
    """Reads and writes the events of runs."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._turns: Any = database[collections.INTERACTIVE_TURNS]
        self._shown: Any = database[collections.RUN_EVENTS]
        # Losing a piece of speech loses nothing: what was said comes as an event.
        self._speech: Any = database[collections.RUN_SPEECH].with_options(
            write_concern=WriteConcern(w=1, j=False)
        )
        self._values = Values(database)

    @guarded
    async def show(self, call: ShowEventsCall) -> None:
        """Write events of a turn that goes on. Repeatable."""
        place = {"run_id": ObjectId(call.run_id), "first_event": call.first_event}
        document: Document = {
            **place,
            "organization_id": call.organization_id,
            "turn_number": call.turn_number,
            "event_count": len(call.events),
            "events": await self._values.put(call.run_id, encode([*call.events])),
            "at": now(),
        }
        await self._shown.update_one(place, {"$set": document}, upsert=True)

    @guarded
    async def say(self, piece: SpeechPiece) -> None:
        """Write something that a model said; the store may forget it when it fails."""
        await self._speech.insert_one(
            {
                "run_id": ObjectId(piece.at.run_id),
                **piece.at.model_dump(exclude={"run_id"}),
                "attempt": piece.attempt,
                "sequence": piece.sequence,
                "text": piece.text,
                "at": piece.said_at,
            }
        )

    @guarded
    async def after(self, organization_id: str, run_id: str, told: int) -> Sequence[JsonObject]:
        """Return events that follow the first ``told`` ones of a run; none if there are none yet.

        There may be more behind them.
        """
        for collection, index, names in (
            (self._turns, indexes.TURNS_BY_EVENT, _PAIR),
            (self._shown, indexes.SHOWN_BY_EVENT, _EVENTS),
        ):
            found = await collection.find_one(
                {
                    "run_id": ObjectId(run_id),
                    "organization_id": organization_id,
                    "first_event": {"$gte": 0, "$lte": told},
                    "event_count": {"$gt": 0},
                },
                sort=[("first_event", -1)],
                hint=index,
            )
            if found is not None and told < found["first_event"] + found["event_count"]:
                await self._values.load([found], names)
                return _events(found)[told - found["first_event"] :]
        return []

    @guarded
    async def spoken(self, organization_id: str, run_id: str, told: int) -> Sequence[SpeechPiece]:
        """Return what models have said that were asked after the first ``told`` events."""
        cursor = self._speech.find(
            {
                "run_id": ObjectId(run_id),
                "organization_id": organization_id,
                "events_told": told,
            },
            sort=[("attempt", 1), ("sequence", 1)],
            hint=indexes.SPEECH_IN_ORDER,
        )
        pieces = [piece_of(document) async for document in cursor]
        return sorted(pieces, key=lambda piece: piece.said_at)


def piece_of(document: Document) -> SpeechPiece:
    """Return a piece of speech as it was written."""
    at = SpokenAt.model_validate({**document, "run_id": str(document["run_id"])})
    return SpeechPiece(
        at=at,
        attempt=document["attempt"],
        sequence=document["sequence"],
        text=document["text"],
        said_at=document["at"],
    )


def _events(document: Document) -> list[JsonObject]:
    """Return the events of a turn, or of a part of one that goes on."""
    if "pair" not in document:
        events: list[JsonObject] = document["events"]
        return events
    pair: dict[str, JsonValue] = document["pair"]
    output: Any = pair["run_output"]
    told: list[JsonObject] = output["events"]
    return told
