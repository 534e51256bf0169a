"""SQL statements as authors write them, values beside them."""

from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue
from sqlalchemy import URL, make_url, text
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import SQLAlchemyError

from flows.errors import TaskFailedError
from flows.executors.external_db import ExternalDbParameters

EFFECT_KEY = "effect_key"

# Written as their drivers want them; values never become part of the text.
_POSTGRESQL: Dialect = psycopg.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's own
_SQLITE: Dialect = pysqlite.dialect(paramstyle="named")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement for one kind of database.

    Attributes:
        sql: With places for the values, in the driver's spelling.
    """

    url: URL
    sql: str
    values: dict[str, JsonValue]
    read_only: bool
    max_rows: int
    timeout: timedelta


def statement_of(
    parameters: ExternalDbParameters, effect_key: str, timeout: timedelta
) -> Statement:
    """Return what to send, and where.

    Raises:
        TaskFailedError: ``InvalidParameters``; the connection string is none that we know, or a
            value is missing.
    """
    try:
        url = make_url(parameters.connection_string)
        name = url.get_backend_name()
    except (SQLAlchemyError, ValueError, UnicodeError):
        raise _invalid("connection_string is no URL of a database") from None
    dialect = {"postgresql": _POSTGRESQL, "postgres": _POSTGRESQL, "sqlite": _SQLITE}.get(name)
    if dialect is None:
        raise _invalid("connection_string must begin with postgresql:// or sqlite:///")
    compiled = text(parameters.statement).compile(dialect=dialect)
    given = {**parameters.parameters, EFFECT_KEY: effect_key}
    wanted = compiled.binds.keys()
    if missing := sorted(wanted - given.keys()):
        raise _invalid(f"the statement names :{missing[0]}, which `parameters` lacks")
    return Statement(
        url=url,
        sql=str(compiled),
        values={each: given[each] for each in wanted},
        read_only=parameters.read_only,
        max_rows=parameters.max_rows,
        timeout=timeout,
    )


def _invalid(message: str) -> TaskFailedError:
    """Return the failure of parameters that make no sense."""
    return TaskFailedError(message, type="InvalidParameters")
