"""Ids of events: how far a reader of one flow has come.

``<seconds>.<increment>.<count>``: all that was committed before that moment was delivered, and of
what happened to the flow at that very moment (a transaction commits at one) the first ``count``.

Source: docs/decisions/0043-events-from-change-streams.md.
"""

import re
from dataclasses import dataclass

from flows.errors import InvalidError
from store.notices import Moment

_ID = re.compile(r"([0-9]{1,10})\.([0-9]{1,10})\.([0-9]{1,6})")
_MAX_PART = 2**32 - 1


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the events of one flow; what compares as greater comes later."""

    at: Moment
    count: int

    def __str__(self) -> str:
        """Return the id."""
        return f"{self.at.seconds}.{self.at.increment}.{self.count}"

    @classmethod
    def of(cls, event_id: str) -> "Position":
        """Return the place that an id stands for.

        Raises:
            InvalidError: No event has such an id.
        """
        found = _ID.fullmatch(event_id)
        seconds, increment, count = map(int, found.groups()) if found else (0, 0, 0)
        if seconds == 0 or max(seconds, increment) > _MAX_PART:
            raise InvalidError("the last event id is none that an event had")
        return cls(Moment(seconds, increment), count)
