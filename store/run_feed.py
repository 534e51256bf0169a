"""The change stream that says which runs have something new.

It says no more than that: what is new is read from the store by its place. So a stream that broke
is opened anew from now on, and whoever listens looks once.

Source: docs/decisions/0051-events-as-they-happen.md.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pymongo.asynchronous.change_stream import AsyncDatabaseChangeStream
from pymongo.errors import PyMongoError

from store import collections
from store.change_feed import PATIENCE, StreamDatabase, stream_faults
from store.run_events import SpeechPiece, piece_of
from store.values import Document

_OF_TURNS = (collections.INTERACTIVE_TURNS, collections.RUN_EVENTS)
_WRITTEN = ("insert", "replace")
_SPEECH = (
    *("run_id", "organization_id", "turn_number", "events_told", "node_logical_id", "node_name"),
    *("node_run_id", "message_id", "attempt", "sequence", "text", "at"),
)
_PIPELINE: list[Document] = [
    {
        "$match": {
            "$or": [
                {
                    "ns.coll": {"$in": [*_OF_TURNS, collections.RUN_SPEECH]},
                    "operationType": {"$in": [*_WRITTEN]},
                },
                {
                    "ns.coll": collections.INTERACTIVE_RUNS,
                    "operationType": "update",
                    "updateDescription.updatedFields.status": {"$exists": True},
                },
                {"ns.coll": collections.INTERACTIVE_RUNS, "operationType": "delete"},
            ]
        }
    },
    {
        "$project": {
            **dict.fromkeys(("ns", "documentKey"), 1),
            **{f"fullDocument.{name}": 1 for name in _SPEECH},
        }
    },
]


@dataclass(frozen=True, slots=True)
class Heard:
    """A run that has something new.

    Attributes:
        piece: What it is, where it is something that a model said; else it is to be read.
    """

    run_id: str
    piece: SpeechPiece | None = None


class RunStream:
    """One change stream, from now on and without an end."""

    def __init__(self, stream: "AsyncDatabaseChangeStream[Document]") -> None:
        """Take over what the driver opened."""
        self._stream = stream

    async def next(self) -> Heard | None:
        """Return which run has something new; None if none has for a while.

        Raises:
            StoreUnavailableError: The store does not answer; open another stream.
        """
        with stream_faults():
            change = await self._stream.try_next()
        return None if change is None else _read(change)


class RunFeed:
    """Opens change streams of runs."""

    def __init__(self, database: StreamDatabase) -> None:
        """Borrow a database whose client does not block while it waits."""
        self._database = database

    @asynccontextmanager
    async def open(self) -> AsyncIterator[RunStream]:
        """Open a stream that begins now.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        with stream_faults():
            stream = await self._database.watch(
                _PIPELINE, max_await_time_ms=int(PATIENCE.total_seconds() * 1000)
            )
        try:
            yield RunStream(stream)
        finally:
            with suppress(PyMongoError):
                await stream.close()


def _read(change: Mapping[str, Any]) -> Heard | None:
    """Return what an event of the driver says."""
    collection, document = change["ns"]["coll"], change.get("fullDocument")
    if collection == collections.INTERACTIVE_RUNS:
        return Heard(str(change["documentKey"]["_id"]))
    if not document:
        return None
    is_speech = collection == collections.RUN_SPEECH
    return Heard(str(document["run_id"]), piece_of(document) if is_speech else None)
