"""Variables of a run: their layers, the platform's own values, and what a placeholder names.

Source: docs/workflow-language.md, "Variables".
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from pydantic import JsonValue

from dialogs.placeholders import ABSENT, Found, Placeholder, value_at

GLOBAL = "global"
MAIN_THREAD_VARIABLES = "thread_0"
SELF_LOOP_OUTCOME = "self_loop_outcome"
ENGINE_PREFIX = "_"
USER_MESSAGE = "_user_message"
"""What the person said last."""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_Item = TypeVar("_Item")


SYSTEM_NAMES = frozenset(
    {
        *("now", "date", "time", "year", "month", "day", "hour", "minute", "iso_datetime"),
        *("day_of_week", "timestamp", "timestamp_ms"),
        *("rand_int", "rand_str", "rand_float", "rand_uuid", "rand_bool"),
    }
)
"""Dynamic variables that the platform gives every turn."""


class Chance(Protocol):
    """Where chance comes from: in a workflow, the one that replays."""

    def random(self) -> float:
        """Return a number from 0 up to 1."""

    def getrandbits(self, k: int, /) -> int:
        """Return a number of so many bits."""

    def randint(self, a: int, b: int) -> int:
        """Return a number between two, both included."""

    def choice(self, seq: Sequence[_Item]) -> _Item:
        """Return one of several."""


def chance_id(chance: Chance) -> str:
    """Return a random UUID."""
    return str(UUID(int=chance.getrandbits(128), version=4))


def system_values(now: datetime, chance: Chance) -> dict[str, JsonValue]:
    """Return the dynamic variables that the platform itself gives a turn."""
    return {
        "now": now.strftime("%B %d, %Y %I:%M %p"),
        "date": now.strftime("%B %d, %Y"),
        "time": now.strftime("%I:%M %p"),
        "year": now.strftime("%Y"),
        "month": now.strftime("%B"),
        "day": now.strftime("%d"),
        "hour": now.strftime("%H"),
        "minute": now.strftime("%M"),
        "iso_datetime": now.isoformat(),
        "day_of_week": now.strftime("%A"),
        "timestamp": int(now.timestamp()),
        "timestamp_ms": int(now.timestamp() * 1000),
        "rand_int": chance.randint(0, 1_000_000),
        "rand_str": "".join(chance.choice(_ALPHABET) for _ in range(10)),
        "rand_float": chance.random(),
        "rand_uuid": chance_id(chance),
        "rand_bool": bool(chance.getrandbits(1)),
    }


def dynamic_values(
    *,
    team: Mapping[str, JsonValue],
    defaults: JsonValue,
    graph: Mapping[str, JsonValue],
    system: Mapping[str, JsonValue],
    run: Mapping[str, JsonValue],
) -> dict[str, JsonValue]:
    """Return all dynamic variables of a turn; later layers win, and the caller's own over all."""
    authored = defaults if isinstance(defaults, dict) else {}
    return {**team, **authored, **graph, **system, **run}


def callers_own(values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return what of a caller's runtime variables may be set: not the engine's own."""
    return {name: value for name, value in values.items() if not name.startswith(ENGINE_PREFIX)}


class Scope:
    """What the placeholders of one thread name at one moment."""

    def __init__(
        self,
        *,
        dynamic: Mapping[str, JsonValue],
        team: Mapping[str, JsonValue],
        thread: Mapping[str, JsonValue],
        workflow: Mapping[str, JsonValue],
        written_by: Mapping[str, Mapping[str, JsonValue]],
    ) -> None:
        """Borrow the variables; they may change while this looks at them.

        Args:
            written_by: Variables by the name or the logical id of the node that wrote them.
        """
        self._dynamic = dynamic
        self._team = team
        self._thread = thread
        self._workflow = workflow
        self._written_by = written_by

    def lookup(self, placeholder: Placeholder) -> Found:
        """Return the value that a placeholder names."""
        if placeholder.kind == "dynamic":
            return self._find_dynamic(placeholder.path)
        return self._find_runtime(placeholder.path)

    def _find_dynamic(self, path: str) -> Found:
        found = value_at(self._dynamic, path)
        if found is ABSENT and path.startswith(f"{GLOBAL}."):
            return value_at(self._team, path.removeprefix(f"{GLOBAL}."))
        return found

    def _find_runtime(self, path: str) -> Found:
        found = value_at(self._thread, path)
        if found is not ABSENT:
            return found
        found = self._find_written(path)
        if found is not ABSENT:
            return found
        found = value_at(self._workflow, path)
        if found is ABSENT and path.startswith(f"{MAIN_THREAD_VARIABLES}."):
            return value_at(self._thread, path.removeprefix(f"{MAIN_THREAD_VARIABLES}."))
        return found

    def _find_written(self, path: str) -> Found:
        """Return a variable under its node's name; of several names that fit, the longest."""
        fitting = [name for name in self._written_by if path.startswith(f"{name}.")]
        for name in sorted(fitting, key=len, reverse=True):
            found = value_at(self._written_by[name], path[len(name) + 1 :])
            if found is not ABSENT:
                return found
        return ABSENT
