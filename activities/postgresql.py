"""One statement in a PostgreSQL database."""

import asyncio
import re
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from pydantic import JsonValue

from activities.egress import CONNECT_SECONDS, EgressGuard
from activities.rows import Rows
from activities.statements import Statement
from flows.errors import TaskFailedError

DEFAULT_PORT = 5432

# Statements of which it is certain that they return no rows; a wrong guess costs the count only.
_CHANGES = re.compile(r"\s*(insert|update|delete|merge)\b", re.IGNORECASE)
_RETURNS = re.compile(r"\breturning\b", re.IGNORECASE)
_OPTIONS = {"sslmode", "application_name"}
_SSL_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
# Classes of SQLSTATE: connection, resources, operator's intervention, system; and two that ask to
# try the transaction again.
_WORTH_A_RETRY = ("08", "53", "57P", "58", "40001", "40P01", "55P03")
_REFUSED_LOGIN = "28"
_READ_ONLY = "25006"
_CANCELLED = "57014"
# A server that refuses a connection says why before it speaks of states.
_LOGIN_SIGNS = (
    "password authentication failed",
    "no password supplied",
    "authentication method requirement",
    "no pg_hba.conf entry",
)


async def ask_postgresql(guard: EgressGuard, statement: Statement) -> JsonValue:
    """Run the statement in a transaction of its own, and return what it answers.

    Raises:
        TaskFailedError: As ``EgressGuard.addresses`` says; ``InvalidParameters``,
            ``LoginRefused``, ``ReadOnly``, ``StatementFailed`` and ``ResultTooLarge`` are final,
            ``DatabaseUnavailable`` and ``Timeout`` worth a retry.
    """
    options = await _connection_options(guard, statement)
    connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None
    try:
        connection = await psycopg.AsyncConnection.connect(**options)
        return await _answer(connection, statement)
    except psycopg.Error as error:
        raise _failure(error, statement) from None
    finally:
        if connection is not None:
            with suppress(psycopg.Error):
                await asyncio.shield(connection.close())


async def _answer(
    connection: psycopg.AsyncConnection[tuple[Any, ...]], statement: Statement
) -> JsonValue:
    """Run the statement, and commit if it may change something."""
    await connection.set_read_only(statement.read_only)
    milliseconds = str(max(1, round(statement.timeout.total_seconds() * 1000)))
    # This is also the transaction's first look at data: from here on the server lets nobody turn
    # the transaction into one that writes.
    await connection.execute("SELECT set_config('statement_timeout', %s, true)", [milliseconds])
    values = {name: _sent(value) for name, value in statement.values.items()}
    async with connection.cursor() as cursor:
        if _CHANGES.match(statement.sql) and not _RETURNS.search(statement.sql):
            # Prepared, so that the server takes one statement only.
            await cursor.execute(statement.sql.encode(), values, prepare=True)
            output = Rows([], statement.max_rows).output(cursor.rowcount)
        else:
            output = await _streamed(cursor, statement, values)
    if not statement.read_only:
        await connection.commit()
    return output


async def _streamed(
    cursor: psycopg.AsyncCursor[tuple[Any, ...]], statement: Statement, values: dict[str, object]
) -> JsonValue:
    """Return rows as they come, so that a large answer is refused before it is in memory.

    Here too the server takes one statement only: rows are streamed by the extended protocol.
    """
    rows: Rows | None = None
    try:
        async for row in cursor.stream(statement.sql.encode(), values):
            rows = rows or Rows(_columns(cursor), statement.max_rows)
            rows.add(row)
    except psycopg.ProgrammingError as error:
        if error.sqlstate is not None or "didn't produce a result" not in str(error):
            raise
        # It was done, and returns no rows.
    return (rows or Rows([], statement.max_rows)).output()


def _columns(cursor: psycopg.AsyncCursor[tuple[Any, ...]]) -> list[str]:
    """Return the names of the columns; none for a statement that returns no rows."""
    return [column.name for column in cursor.description or ()]


def _sent(value: JsonValue) -> object:
    """Return a value as the driver takes it: lists as arrays, objects as JSON."""
    if isinstance(value, dict):
        return Jsonb(value)
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        return Jsonb(value)
    if isinstance(value, str) and "\x00" in value:
        raise TaskFailedError("PostgreSQL takes no NUL in a text", type="InvalidParameters")
    return value


async def _connection_options(guard: EgressGuard, statement: Statement) -> dict[str, Any]:
    """Return where to connect and as whom; nothing comes from this process's environment."""
    url = statement.url
    if not url.host:
        raise TaskFailedError("connection_string names no host", type="InvalidParameters")
    if unknown := sorted(url.query.keys() - _OPTIONS):
        raise TaskFailedError(
            f"connection_string has the option {unknown[0]!r}, which is not allowed",
            type="InvalidParameters",
        )
    ssl_mode = str(url.query.get("sslmode", "prefer"))
    if ssl_mode not in _SSL_MODES:
        raise TaskFailedError("connection_string has an unknown sslmode", type="InvalidParameters")
    port = url.port or DEFAULT_PORT
    addresses = await guard.addresses(url.host, port)
    return {
        # The name for certificates; the connection goes to the addresses that were checked.
        "host": ",".join([url.host] * len(addresses)),
        "hostaddr": ",".join(map(str, addresses)),
        "port": str(port),
        "user": url.username or "postgres",
        # Without one of its own, the connection must not be lent one by the environment.
        **({"password": url.password} if url.password else {"require_auth": "none"}),
        "dbname": url.database or url.username or "postgres",
        "sslmode": ssl_mode,
        "sslrootcert": "system" if ssl_mode == "verify-full" else "",
        "sslcertmode": "disable",
        "gssencmode": "disable",
        "passfile": "/dev/null",
        "application_name": str(url.query.get("application_name", "perdure")),
        "connect_timeout": str(int(CONNECT_SECONDS)),
    }


def _failure(error: psycopg.Error, statement: Statement) -> TaskFailedError:
    """Return the failure that an error of the driver or the server is."""
    state = error.sqlstate or ""
    said = error.diag.message_primary or ""
    if state == _CANCELLED:
        return TaskFailedError(
            f"the database did not answer in time: {said}", type="Timeout", retryable=True
        )
    if state == _READ_ONLY:
        return TaskFailedError(f"the task is read-only: {said}", type="ReadOnly", sqlstate=state)
    if state.startswith(_REFUSED_LOGIN):
        return TaskFailedError(
            "the database refuses the account or its password", type="LoginRefused", sqlstate=state
        )
    if not state and isinstance(error, psycopg.OperationalError):
        # What the library says may quote the connection string.
        return _without_connection(statement, str(error))
    if state.startswith(_WORTH_A_RETRY):
        return TaskFailedError(
            f"the database is not available: {said}",
            type="DatabaseUnavailable",
            retryable=True,
            sqlstate=state,
        )
    reason = said or type(error).__name__
    return TaskFailedError(
        f"the database refuses the statement: {reason}", type="StatementFailed", sqlstate=state
    )


def _without_connection(statement: Statement, said: str) -> TaskFailedError:
    """Return the failure of a connection that was not made or did not last."""
    if any(sign in said for sign in _LOGIN_SIGNS):
        return TaskFailedError(
            "the database refuses the account or its password", type="LoginRefused"
        )
    if "does not exist" in said:
        return TaskFailedError("there is no such database or account", type="LoginRefused")
    return TaskFailedError(
        f"no connection to the database at {statement.url.host}",
        type="DatabaseUnavailable",
        retryable=True,
    )
