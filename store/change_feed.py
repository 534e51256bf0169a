"""Change streams: what has been committed, in the one order in which everybody sees it.

A stream is opened once for everything that is watched, or for what concerns one flow; the store
leaves out the rest, and large values in any case.

Source: docs/decisions/0043-events-from-change-streams.md.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bson import Timestamp
from pymongo.asynchronous.change_stream import AsyncDatabaseChangeStream
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure, PyMongoError

from flows.errors import EventsExpiredError, StoreUnavailableError
from store import collections
from store.clock import now
from store.faults import guarded, store_faults
from store.notices import WATCHED, Change, FlowKey, Moment
from store.values import Document

Token = Mapping[str, Any]
StreamDatabase = AsyncDatabase[Document]

PATIENCE = timedelta(seconds=5)
"""How long the store waits for something to tell before it says that there is nothing."""

_HISTORY_LOST = frozenset({136, 280, 286})
_RESUMABLE = "ResumableChangeStreamError"
_INSERT = "insert"
_PLACE = ("organization_id", "flow_id")


@dataclass(frozen=True, slots=True)
class Mark:
    """What ``ChangeFeed.mark`` wrote, seen in a stream."""

    id: str
    at: Moment


class OpenStream:
    """One change stream, from some point on and without an end."""

    def __init__(self, stream: "AsyncDatabaseChangeStream[Document]") -> None:
        """Take over what the driver opened."""
        self._stream = stream

    @property
    def token(self) -> Token | None:
        """Return where to go on from when this stream breaks."""
        return self._stream.resume_token

    async def next(self) -> Change | Mark | None:
        """Return what was committed next; None if there is nothing yet.

        Raises:
            EventsExpiredError: It was so long ago that it is not kept any more.
            StoreUnavailableError: The store does not answer; open another stream.
        """
        with stream_faults():
            event = await self._stream.try_next()
        return None if event is None else _read(event)


class ChangeFeed:
    """Opens change streams, and marks places in them."""

    def __init__(self, database: StreamDatabase) -> None:
        """Borrow a database whose client does not block while it waits."""
        self._database = database
        self._marks = database[collections.STREAM_MARKS]

    @guarded
    async def mark(self, mark_id: str) -> None:
        """Write a mark; every stream that is open comes by it, after all that precedes it."""
        await self._marks.insert_one({"_id": mark_id, "at": now()})

    @asynccontextmanager
    async def open(
        self,
        *,
        after: Token | None = None,
        since: Moment | None = None,
        flow: FlowKey | None = None,
    ) -> AsyncIterator[OpenStream]:
        """Open a stream; it begins now, unless told otherwise.

        Args:
            after: Where another stream broke.
            since: The first moment of interest, its own changes included.
            flow: The one flow of interest; marks are seen all the same.

        Raises:
            EventsExpiredError: The store does not reach back so far.
            StoreUnavailableError: The store does not answer.
        """
        with stream_faults():
            stream = await self._database.watch(
                _pipeline(flow),
                full_document="updateLookup",
                resume_after=after,
                start_at_operation_time=None if since is None else Timestamp(*since),
                max_await_time_ms=PATIENCE // timedelta(milliseconds=1),
            )
        try:
            yield OpenStream(stream)
        finally:
            with suppress(PyMongoError):
                await stream.close()


def _pipeline(flow: FlowKey | None) -> list[Document]:
    """Return what a stream leaves out, most of it before a document is looked up."""
    place = {"ns.coll": collections.STREAM_MARKS, "operationType": _INSERT}
    stages: list[Document] = [{"$match": {"$or": [place, *_of_interest()]}}]
    if flow is not None:
        of_flow = {f"fullDocument.{name}": value for name, value in flow._asdict().items()}
        stages.append({"$match": {"$or": [place, of_flow]}})
    names = {name for watched in WATCHED.values() for name in (*watched.changed, *watched.known)}
    stages.append(
        {
            "$project": {
                **dict.fromkeys(("operationType", "clusterTime", "wallTime", "ns"), 1),
                **{f"fullDocument.{name}": 1 for name in sorted(names | {"_id", *_PLACE})},
                **{f"updateDescription.updatedFields.{name}": 1 for name in sorted(names)},
            }
        }
    )
    return stages


def _of_interest() -> Iterator[Document]:
    """Yield what matches changes that may be told."""
    for collection, watched in WATCHED.items():
        yield {"ns.coll": collection, "operationType": {"$in": [_INSERT, "replace"]}}
        yield {
            "ns.coll": collection,
            "operationType": "update",
            "$or": [
                {f"updateDescription.updatedFields.{name}": {"$exists": True}}
                for name in watched.changed
            ],
        }


def _read(event: Mapping[str, Any]) -> Change | Mark | None:
    """Return what an event of the driver says; None for what is there no more."""
    at = Moment(event["clusterTime"].time, event["clusterTime"].inc)
    collection, document = event["ns"]["coll"], event.get("fullDocument")
    if not document:
        return None
    if collection == collections.STREAM_MARKS:
        return Mark(document["_id"], at)
    described = event.get("updateDescription")
    return Change(
        collection=collection,
        is_new=event["operationType"] == _INSERT,
        at=at,
        told_at=event["wallTime"],
        fields=document if described is None else described.get("updatedFields", {}),
        document=document,
    )


@contextmanager
def stream_faults() -> Iterator[None]:
    """Tell apart a store that is away and one that does not reach back so far.

    Raises:
        EventsExpiredError: The latter.
        StoreUnavailableError: The former.
    """
    try:
        with store_faults():
            yield
    except PyMongoError as error:
        if isinstance(error, OperationFailure) and error.code in _HISTORY_LOST:
            raise EventsExpiredError("what came after it is not kept any more") from error
        if error.has_error_label(_RESUMABLE):
            raise StoreUnavailableError("the store does not answer") from error
        raise
