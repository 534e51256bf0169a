"""What stands in the guide for values that differ from run to run.

Equal values get equal stand-ins, so a reader can follow an id through the page.
"""

import re
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_API_KEY = re.compile(r"\bsaf_[\w-]+")
_BEARER = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")
_REQUEST_ID = re.compile(r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b")
_POSITION = re.compile(r"\b\d{10}\.\d+\.\d+\b")
_INSTANT = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
_SIGNATURE = re.compile(r"(?<=\?token=)[\w.~-]+")

HOST = "http://127.0.0.1:8000"
_TEST_HOST = "http://api"

_BEGIN = datetime(2026, 1, 15, 9, tzinfo=UTC)
_AN_HOUR = timedelta(hours=1)

# When things happened to whatever has an id of its own, one minute apart from the next such thing.
_SECONDS = {"created_at": 0, "started_at": 1, "completed_at": 2, "updated_at": 3}


class StandIns:
    """Replaces values, and remembers which."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._known: dict[str, dict[str, int]] = {}

    def of(self, value: JsonValue, *, owner: int = 0, key: str = "") -> JsonValue:
        """Return a value with stand-ins in all of its texts.

        Args:
            owner: The number of what the value is told of, which says when things happened to it.
            key: Under which the value stands there.
        """
        if isinstance(value, dict):
            own = value.get("id")
            if isinstance(own, str) and _UUID.fullmatch(own):
                owner = self._number("id", own)
            return {name: self.of(each, owner=owner, key=name) for name, each in value.items()}
        if isinstance(value, list):
            return [self.of(each, owner=owner, key=key) for each in value]
        if isinstance(value, str):
            if key == "token_prefix":
                return _KEY_PREFIX
            return self._instants(self.in_text(value), owner, key)
        return value

    def in_text(self, text: str) -> str:
        """Return a text with stand-ins for all but instants."""
        text = text.replace(_TEST_HOST, HOST)
        text = _BEARER.sub("eyJhbGciOi…", text)
        text = _API_KEY.sub(f"{_KEY_PREFIX}…", text)
        text = _SIGNATURE.sub("eyJrZXki…", text)
        text = _UUID.sub(lambda found: f"{self._number('id', found[0]):08d}{_REST}", text)
        text = _REQUEST_ID.sub(
            lambda found: f"01KF0R9Z{self._number('request', found[0]):018d}", text
        )
        return _POSITION.sub(
            lambda found: f"1768467600.{self._number('position', found[0])}.1", text
        )

    def _instants(self, text: str, owner: int, key: str) -> str:
        seconds = _SECONDS.get(key, _SECONDS["updated_at"])
        instant = _BEGIN + timedelta(minutes=owner, seconds=seconds)
        if key.startswith("expires"):
            instant = _BEGIN + _AN_HOUR
        return _INSTANT.sub(instant.strftime("%Y-%m-%dT%H:%M:%S.000000Z"), text)

    def _number(self, kind: str, value: str) -> int:
        """Return the number of a value among its kind, counted from 1 as they come up."""
        known = self._known.setdefault(kind, {})
        return known.setdefault(value, len(known) + 1)


_KEY_PREFIX = "saf_org_4f0c2d18_9b3e5a07_Kq7x"
_REST = "-0000-4000-8000-000000000000"
