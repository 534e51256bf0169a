"""How long a service asks to be left alone."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER = timedelta(minutes=10)


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Return the wait that the service asks for, in seconds or until a date; at most 10 minutes.

    Args:
        headers: Of its answer, names in lower case.
    """
    value = headers.get("retry-after", "").strip()
    if value.isdecimal() and len(value) < 10:
        delay = timedelta(seconds=int(value))
    else:
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        delay = until - datetime.now(UTC)
    return min(delay, MAX_RETRY_AFTER) if delay > timedelta(0) else None
