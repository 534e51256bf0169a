"""How many executions of a flow have a word: tags of tasks, keys and values of metadata.

Kept beside the executions, in the transactions that change them, so that a list of a flow's words
reads one small document for each of them and no execution at all.

Source: docs/decisions/0040-words-of-executions.md.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

from pymongo import UpdateOne

from store import collections, indexes
from store.clock import now
from store.faults import guarded
from store.identity import SEPARATOR
from store.search import containing
from store.values import Database, Document


class Kind(StrEnum):
    """What a word is."""

    TAG = "tag"
    KEY = "key"
    VALUE = "value"


class Word(NamedTuple):
    """A word of a flow.

    Attributes:
        scope: The task of a tag, the case-folded key of a value, nothing for a key.
    """

    flow_id: str
    kind: Kind
    scope: str
    text: str


class Tally(NamedTuple):
    """How many executions have a word."""

    text: str
    executions: int


class Tallies:
    """Counts words within the transactions of others, and lists them."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._tallies: Any = database[collections.FLOW_TALLIES]

    async def count(
        self, organization_id: str, words: Iterable[Word], by: int, session: Any
    ) -> None:
        """Add to the counts of words; one that stands several times is counted as often."""
        changes: dict[Word, int] = {}
        for word in words:
            changes[word] = changes.get(word, 0) + by
        if changes:
            at = now()
            await self._tallies.bulk_write(
                [
                    UpdateOne(
                        {"_id": _id(word)},
                        {
                            "$inc": {"count": change},
                            "$setOnInsert": {
                                "organization_id": organization_id,
                                "flow_id": word.flow_id,
                                "kind": word.kind.value,
                                "scope": word.scope,
                                "text": word.text,
                                "created_at": at,
                            },
                        },
                        upsert=True,
                    )
                    for word, change in sorted(changes.items())
                ],
                ordered=False,
                session=session,
            )

    @guarded
    async def distinct(
        self, organization_id: str, flow_id: str, kind: Kind, scope: str | None = None
    ) -> Sequence[str]:
        """Return the words that any execution has, sorted.

        Args:
            scope: None for all of them.
        """
        wanted = tally_criteria(organization_id, flow_id, kind, scope)
        cursor = self._tallies.find(wanted, {"text": 1}).hint(indexes.TALLIES_BY_WORD)
        return sorted({document["text"] async for document in cursor})

    @guarded
    async def page(
        self,
        organization_id: str,
        flow_id: str,
        kind: Kind,
        scope: str,
        *,
        like: str | None,
        descending: bool,
        limit: int,
    ) -> Sequence[Tally]:
        """Return words with their counts, by the time that each was first seen.

        Args:
            like: Part of the word, whatever its case.

        Raises:
            InvalidError: ``like`` is longer than can be searched for.
        """
        wanted = tally_criteria(organization_id, flow_id, kind, scope)
        if like:
            wanted["text"] = containing(like)
        direction = -1 if descending else 1
        cursor = (
            self._tallies.find(wanted)
            .sort([("created_at", direction), ("_id", direction)])
            .limit(limit)
            .hint(indexes.TALLIES_BY_WORD)
        )
        return [Tally(found["text"], found["count"]) async for found in cursor]


def tally_criteria(organization_id: str, flow_id: str, kind: Kind, scope: str | None) -> Document:
    """Return the filter of a flow's words."""
    wanted: Document = {
        "organization_id": organization_id,
        "flow_id": flow_id,
        "kind": kind.value,
        "count": {"$gt": 0},
    }
    if scope is not None:
        wanted["scope"] = scope
    return wanted


def _id(word: Word) -> str:
    """Return the id of a word's count; texts may be longer than an index takes."""
    place = SEPARATOR.join((word.kind.value, word.scope, word.text)).encode()
    return f"{word.flow_id}:{sha256(place).hexdigest()}"
