"""Rows of databases as JSON, up to a size."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from pydantic import JsonValue

from flows.errors import TaskFailedError

MAX_ANSWER_BYTES = 8 * 1024 * 1024

_LARGEST_DEPTH = 40


class Rows:
    """What a statement answers, row by row."""

    def __init__(self, columns: Sequence[str], max_rows: int) -> None:
        """Name the columns; of equal names the later ones get a number."""
        self._columns: list[str] = []
        for name in columns:
            unused, number = name, 1
            while unused in self._columns:
                number += 1
                unused = f"{name}_{number}"
            self._columns.append(unused)
        self._max_rows = max_rows
        self._rows: list[JsonValue] = []
        self._bytes = 0

    def add(self, values: Sequence[object]) -> None:
        """Take a row.

        Raises:
            TaskFailedError: ``ResultTooLarge``.
        """
        row = dict(zip(self._columns, map(json_of, values), strict=True))
        self._rows.append(row)
        self._bytes += len(json.dumps(row))
        if len(self._rows) > self._max_rows or self._bytes > MAX_ANSWER_BYTES:
            raise TaskFailedError(
                f"the answer has more than {self._max_rows} rows or {MAX_ANSWER_BYTES} bytes",
                type="ResultTooLarge",
            )

    def output(self, changed: int = 0) -> JsonValue:
        """Return the task's output.

        Args:
            changed: How many rows a statement changed, which counts where it returns none.
        """
        count = len(self._rows) if self._columns else max(changed, 0)
        return {"columns": [*self._columns], "rows": self._rows, "row_count": count}


def json_of(value: object, depth: int = 0) -> JsonValue:
    """Return a database's value as JSON: nothing is rounded, so what JSON lacks becomes text."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return value.encode("utf-8", "replace").decode()
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case Mapping() if depth < _LARGEST_DEPTH:
            return {str(key): json_of(each, depth + 1) for key, each in value.items()}
        case list() | tuple() | set() | frozenset() if depth < _LARGEST_DEPTH:
            return [json_of(each, depth + 1) for each in value]
        case _:  # UUID, addresses, ranges and the like say themselves what they are
            return str(value)
