"""One statement in an SQLite file, in a folder that the operator has opened."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event
from time import monotonic
from urllib.parse import quote

from pydantic import JsonValue

from activities.rows import MAX_ANSWER_BYTES, Rows
from activities.statements import Statement
from flows.errors import TaskFailedError

_STEPS_BETWEEN_LOOKS = 10_000
# What would reach other files or turn protections off; of pragmas only those that show something.
_FORBIDDEN = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH})
_SHOWING_PRAGMAS = frozenset(
    {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list"}
)
_FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "readfile", "writefile", "edit"})


async def ask_sqlite(folder: Path | None, statement: Statement) -> JsonValue:
    """Run the statement in a thread, and return what it answers.

    Raises:
        TaskFailedError: ``DatabaseRefused``, ``ReadOnly``, ``StatementFailed``,
            ``ResultTooLarge`` and ``InvalidParameters`` are final; ``DatabaseUnavailable``, which
            is a lock, and ``Timeout`` worth a retry.
    """
    stopped = Event()
    asking = asyncio.create_task(asyncio.to_thread(_ask, folder, statement, stopped))
    try:
        return await asyncio.shield(asking)
    finally:
        stopped.set()
        await asyncio.wait([asking])


def _ask(folder: Path | None, statement: Statement, stopped: Event) -> JsonValue:
    """Run the statement in a transaction of its own."""
    path = _path(folder, statement)
    deadline = monotonic() + statement.timeout.total_seconds()
    mode = "ro" if statement.read_only else "rw"
    try:
        with closing(
            sqlite3.connect(
                f"file:{quote(str(path))}?mode={mode}",
                uri=True,
                timeout=statement.timeout.total_seconds(),
                isolation_level=None,
            )
        ) as connection:
            _guard(connection, statement)
            connection.set_progress_handler(
                lambda: stopped.is_set() or monotonic() > deadline, _STEPS_BETWEEN_LOOKS
            )
            return _answer(connection, statement)
    except sqlite3.ProgrammingError as error:
        raise TaskFailedError(f"{error}", type="StatementFailed") from None
    except (sqlite3.Error, OverflowError, UnicodeError) as error:
        raise _failure(error, monotonic() > deadline) from None


def _guard(connection: sqlite3.Connection, statement: Statement) -> None:
    """Bound what the statement may do."""
    connection.execute(f"PRAGMA query_only = {'ON' if statement.read_only else 'OFF'}")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_ANSWER_BYTES)

    def allowed(action: int, one: str | None, two: str | None, *_: str | None) -> int:
        is_pragma = action == sqlite3.SQLITE_PRAGMA and one not in _SHOWING_PRAGMAS
        is_function = action == sqlite3.SQLITE_FUNCTION and two in _FORBIDDEN_FUNCTIONS
        refused = action in _FORBIDDEN or is_pragma or is_function
        return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK

    connection.execute("BEGIN" if statement.read_only else "BEGIN IMMEDIATE")
    connection.set_authorizer(allowed)


def _answer(connection: sqlite3.Connection, statement: Statement) -> JsonValue:
    """Run the statement, and commit if it may change something."""
    values = {name: _sent(value) for name, value in statement.values.items()}
    cursor = connection.execute(statement.sql, values)
    rows = Rows([column[0] for column in cursor.description or ()], statement.max_rows)
    for row in cursor:
        rows.add(row)
    if connection.in_transaction:
        connection.execute("ROLLBACK" if statement.read_only else "COMMIT")
    return rows.output(cursor.rowcount)


def _sent(value: JsonValue) -> str | int | float | None:
    """Return a value as SQLite takes it."""
    if isinstance(value, dict | list):
        raise TaskFailedError("SQLite takes no list or object", type="InvalidParameters")
    return value


def _path(folder: Path | None, statement: Statement) -> Path:
    """Return the file that is meant, wherever links lead, if it is inside the folder."""
    name = statement.url.database or ""
    if folder is None or statement.url.query or statement.url.host or not name or "\x00" in name:
        raise _refused()
    root = folder.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise _refused()
    return path


def _refused() -> TaskFailedError:
    """Return the failure of a file that is not there, or not for tasks."""
    return TaskFailedError(
        "there is no such SQLite file in a folder that is open to tasks", type="DatabaseRefused"
    )


def _failure(error: Exception, is_late: bool) -> TaskFailedError:
    """Return the failure that an error of SQLite is."""
    said = str(error)
    if "interrupted" in said or ("locked" in said and is_late):
        return TaskFailedError(
            "the database did not answer in time", type="Timeout", retryable=True
        )
    if "locked" in said:
        return TaskFailedError("the database is locked", type="DatabaseUnavailable", retryable=True)
    if "readonly" in said:
        return TaskFailedError(f"the task is read-only: {said}", type="ReadOnly")
    return TaskFailedError(f"the database refuses the statement: {said}", type="StatementFailed")
