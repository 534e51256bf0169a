"""Run metadata: the top-level keys of ``metadata`` in an execution's input, and their values.

Source: docs/decisions/0040-words-of-executions.md.
"""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from store.tag_words import text_of
from store.tallies import Kind, Word
from store.values import Document

MAX_KEYS = 50
MAX_TEXT_CHARS = 500


def metadata_of(input: Mapping[str, JsonValue]) -> list[list[str]]:
    """Return pairs of key and value as text; at most ``MAX_KEYS``, longer texts left out."""
    metadata = input.get("metadata")
    if not isinstance(metadata, dict):
        return []
    pairs = ([key, text_of(value)] for key, value in metadata.items())
    fitting = [pair for pair in pairs if all(len(text) <= MAX_TEXT_CHARS for text in pair)]
    return fitting[:MAX_KEYS]


def metadata_words(execution: Document) -> Iterator[Word]:
    """Yield what an execution is counted under, once each, whatever the case of its keys."""
    flow_id: str = execution["flow_id"]
    pairs: Sequence[Sequence[str]] = execution.get("metadata", ())
    for key in {pair[0] for pair in pairs}:
        yield Word(flow_id, Kind.KEY, "", key)
    for key, text in {(pair[0].casefold(), pair[1]) for pair in pairs}:
        yield Word(flow_id, Kind.VALUE, key, text)
