"""A flow's words as callers see them."""

from collections.abc import Iterable
from enum import StrEnum

from typing_extensions import TypedDict

from store.tallies import Tally


class MetadataOrderBy(StrEnum):
    """What metadata is sorted by: when it was first seen."""

    CREATED_AT = "created_at"


class OrderDirection(StrEnum):
    """Which end comes first."""

    ASC = "asc"
    DESC = "desc"


class MetadataKeyResponse(TypedDict):
    """A key of metadata, and how many executions have it."""

    key: str
    count: int


class MetadataValueResponse(TypedDict):
    """A value under a key, and how many executions have it."""

    value: str
    count: int


def key_views(tallies: Iterable[Tally]) -> list[MetadataKeyResponse]:
    """Return keys as they are shown."""
    return [{"key": tally.text, "count": tally.executions} for tally in tallies]


def value_views(tallies: Iterable[Tally]) -> list[MetadataValueResponse]:
    """Return values as they are shown."""
    return [{"value": tally.text, "count": tally.executions} for tally in tallies]
