"""The words by which executions are found: what was tagged on each of their tasks.

A tag of a task is the word ``<type>:<tag>``; a tag that came with a task output is a word as it
is. An execution shows all of them in ``tags``, which its lists are searched by.

Source: docs/decisions/0040-words-of-executions.md.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from pydantic import JsonValue

from flows.canonical import canonical_bytes
from store import collections
from store.identity import SEPARATOR
from store.tallies import Kind, Tallies, Word
from store.values import Database, Document

MAX_WORD_CHARS = 500
MAX_WORDS = 100

Source = Literal["tagged", "posted"]


class TaggedTask(NamedTuple):
    """Whose words they are."""

    organization_id: str
    flow_id: str
    flow_execution_id: str
    task_name: str


class TagWords:
    """Keeps words within the transactions of others."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._words: Any = database[collections.TAG_WORDS]
        self._executions: Any = database[collections.EXECUTIONS]
        self._tallies = Tallies(database)

    async def keep(
        self, task: TaggedTask, source: Source, words: Iterable[str], session: Any
    ) -> None:
        """Replace the words that a task has from one source, and what its execution shows."""
        key = SEPARATOR.join((task.flow_execution_id, task.task_name))
        held = await self._words.find_one({"_id": key}, session=session) or {}
        told: Document = {"tagged": held.get("tagged", []), "posted": held.get("posted", [])}
        before = {*told["tagged"], *told["posted"]}
        told[source] = sorted(set(words))
        after = {*told["tagged"], *told["posted"]}
        await self._words.replace_one(
            {"_id": key},
            {
                "organization_id": task.organization_id,
                "flow_id": task.flow_id,
                "execution_id": task.flow_execution_id,
                "task_name": task.task_name,
                **told,
            },
            upsert=True,
            session=session,
        )
        for gone_or_new, by in ((after - before, 1), (before - after, -1)):
            counted = [Word(task.flow_id, Kind.TAG, task.task_name, each) for each in gone_or_new]
            await self._tallies.count(task.organization_id, counted, by, session)
        if after != before:
            await self._show(task.flow_execution_id, session)

    async def forget(self, organization_id: str, flow_execution_id: str, session: Any) -> None:
        """Let nobody find an execution by its words any more."""
        place = {"execution_id": flow_execution_id}
        async for held in self._words.find(place, session=session):
            words = {*held["tagged"], *held["posted"]}
            counted = [Word(held["flow_id"], Kind.TAG, held["task_name"], each) for each in words]
            await self._tallies.count(organization_id, counted, -1, session)
        await self._words.delete_many(place, session=session)

    async def _show(self, flow_execution_id: str, session: Any) -> None:
        """Show on an execution the words of all its tasks."""
        words: set[str] = set()
        place = {"execution_id": flow_execution_id}
        async for held in self._words.find(place, session=session):
            words.update(held["tagged"], held["posted"])
        change = {"$set": {"tags": sorted(words)}} if words else {"$unset": {"tags": ""}}
        await self._executions.update_one({"_id": flow_execution_id}, change, session=session)


def words_of(tags: JsonValue) -> list[str]:
    """Return the words in the tags of a task output: texts as they are, an object's as key:value.

    At most ``MAX_WORDS`` of them; longer texts are no words.
    """
    found: list[str] = []
    if isinstance(tags, list):
        found = [tag for tag in tags if isinstance(tag, str)]
    elif isinstance(tags, Mapping):
        for key, value in tags.items():
            values = value if isinstance(value, list) else [value]
            found.extend(f"{key}:{text_of(each)}" for each in values)
    fitting = [word for word in found if len(word) <= MAX_WORD_CHARS]
    return list(dict.fromkeys(fitting))[:MAX_WORDS]


def text_of(value: JsonValue) -> str:
    """Return a value as text: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else canonical_bytes(value).decode()
