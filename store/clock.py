"""The instant as the store keeps it: aware, UTC, whole milliseconds."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current instant, cut to the milliseconds that MongoDB keeps."""
    return stored(datetime.now(UTC))


def stored(instant: datetime) -> datetime:
    """Return an aware instant as it will be read back."""
    instant = instant.astimezone(UTC)
    return instant.replace(microsecond=instant.microsecond // 1_000 * 1_000)
