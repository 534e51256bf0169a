"""``external_db`` against a real PostgreSQL server and SQLite files."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from pydantic import JsonValue

from activities.databases import DatabaseActivities
from activities.egress import EgressGuard
from flows.errors import TaskFailedError
from runtime.readiness import free_port
from tests.fixtures.postgresql import PASSWORD
from tests.support.calls import a_call, performed
from tests.support.eventually import eventually

TABLE = """
CREATE TABLE item (
    id integer PRIMARY KEY, name text NOT NULL, price numeric(10, 2), data jsonb, tags text[],
    seen timestamptz, day date, raw bytea, ref uuid, done boolean, ratio float8, key text
)
"""


@pytest.fixture
async def postgresql(postgresql_url: str) -> str:
    """Connection string of a database of the test's own."""
    name = f"test_{uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(postgresql_url, autocommit=True) as server:
        await server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = postgresql_url.removesuffix("/postgres") + f"/{name}"
    async with await psycopg.AsyncConnection.connect(url) as database:
        await database.execute(TABLE)
        await database.execute("INSERT INTO item (id, name, price) VALUES (1, 'one', 1.50)")
    return url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    inside.mkdir()
    for path in (inside / "data.db", tmp_path / "outside.db"):
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, key TEXT)")
            connection.execute("INSERT INTO item (id, name) VALUES (1, 'one')")
        connection.close()
    return inside


@pytest.fixture
def databases(folder: Path) -> DatabaseActivities:
    return DatabaseActivities(EgressGuard.of(["127.0.0.1"]), folder)


SQLITE = "sqlite:///data.db"


async def ask(
    databases: DatabaseActivities,
    url: str,
    statement: str,
    values: dict[str, JsonValue] | None = None,
    **parameters: JsonValue,
) -> dict[str, JsonValue]:
    call = a_call(
        "external_db",
        connection_string=url,
        statement=statement,
        parameters=values or {},
        **parameters,
    )
    output = await performed(databases.external_db, call)
    assert isinstance(output, dict)
    return output


async def failure(
    databases: DatabaseActivities,
    url: str,
    statement: str,
    values: dict[str, JsonValue] | None = None,
    **parameters: JsonValue,
) -> TaskFailedError:
    with pytest.raises(TaskFailedError) as caught:
        await ask(databases, url, statement, values, **parameters)
    said = f"{caught.value.message} {caught.value.facts}"
    assert PASSWORD not in said
    assert PASSWORD.replace(" ", "%20") not in said
    return caught.value


async def items(databases: DatabaseActivities, url: str) -> JsonValue:
    return (await ask(databases, url, "SELECT id, name FROM item ORDER BY id"))["rows"]


both = pytest.mark.parametrize("kind", ["postgresql", "sqlite"])


@pytest.fixture
def url_of(postgresql: str) -> Callable[[str], str]:
    return lambda kind: postgresql if kind == "postgresql" else SQLITE


UrlOf = Callable[[str], str]


@both
async def test_a_question_is_answered(
    databases: DatabaseActivities, url_of: UrlOf, kind: str
) -> None:
    output = await ask(
        databases, url_of(kind), "SELECT id, name, name FROM item WHERE id = :id", {"id": 1}
    )

    assert output == {
        "columns": ["id", "name", "name_2"],
        "rows": [{"id": 1, "name": "one", "name_2": "one"}],
        "row_count": 1,
    }


@both
async def test_no_rows_is_an_answer(
    databases: DatabaseActivities, url_of: UrlOf, kind: str
) -> None:
    output = await ask(databases, url_of(kind), "SELECT id FROM item WHERE id < 0")

    assert (output["rows"], output["row_count"]) == ([], 0)


@both
async def test_values_are_never_part_of_the_statement(
    databases: DatabaseActivities, url_of: UrlOf, kind: str
) -> None:
    url = url_of(kind)
    hostile = "x'; DROP TABLE item; -- %s %(id)s :id {id}"

    output = await ask(databases, url, "SELECT CAST(:a AS text) AS a, '50%' AS b", {"a": hostile})

    assert output["rows"] == [{"a": hostile, "b": "50%"}]
    assert await items(databases, url) == [{"id": 1, "name": "one"}]


@both
async def test_a_change_is_made_on_request_and_knows_the_effect_key(
    databases: DatabaseActivities, url_of: UrlOf, kind: str
) -> None:
    url = url_of(kind)
    statement = "INSERT INTO item (id, name, key) VALUES (:id, 'two', :effect_key)"

    output = await ask(databases, url, statement, {"id": 2}, read_only=False)

    assert output == {"columns": [], "rows": [], "row_count": 1}
    found = await ask(databases, url, "SELECT key FROM item WHERE id = 2")
    assert found["rows"] == [{"key": "execution/1/task/0"}]
    assert (await ask(databases, url, "UPDATE item SET name = 'x' WHERE id > 0", read_only=False))[
        "row_count"
    ] == 2


@both
async def test_a_change_can_return_rows(
    databases: DatabaseActivities, url_of: UrlOf, kind: str
) -> None:
    statement = "INSERT INTO item (id, name) VALUES (2, 'two'), (3, 'three') RETURNING id"

    output = await ask(databases, url_of(kind), statement, read_only=False)

    assert (output["rows"], output["row_count"]) == ([{"id": 2}, {"id": 3}], 2)
    assert len(await _as_list(databases, url_of(kind))) == 3


async def _as_list(databases: DatabaseActivities, url: str) -> list[JsonValue]:
    found = await items(databases, url)
    assert isinstance(found, list)
    return found


WRITES = [
    "INSERT INTO item (id, name) VALUES (9, 'x')",
    "INSERT INTO item (id, name) VALUES (9, 'x') RETURNING id",
    "UPDATE item SET name = 'x'",
    "DELETE FROM item",
    "DROP TABLE item",
    "CREATE TABLE other (id integer)",
    "CREATE TEMPORARY VIEW v AS SELECT 1",
]


@both
@pytest.mark.parametrize("statement", WRITES)
async def test_without_being_asked_to_nothing_changes(
    databases: DatabaseActivities, url_of: UrlOf, kind: str, statement: str
) -> None:
    url = url_of(kind)

    try:
        await ask(databases, url, statement)
    except TaskFailedError as error:
        outcome = error.type
    else:
        outcome = "nothing" if "TEMPORARY" in statement else "done"

    assert outcome in {"ReadOnly", "nothing"}
    assert await items(databases, url) == [{"id": 1, "name": "one"}]


@pytest.mark.parametrize(
    "statement",
    [
        "SET TRANSACTION READ WRITE",
        "SET transaction_read_only = off",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "DO $$ BEGIN EXECUTE 'SET transaction_read_only = off'; DELETE FROM item; END $$",
        "DO $$ BEGIN COMMIT; DELETE FROM item; END $$",
        "WITH gone AS (DELETE FROM item RETURNING id) SELECT id FROM gone",
        "EXPLAIN ANALYZE DELETE FROM item",
        "SELECT 1; DELETE FROM item",
        "COMMIT; DELETE FROM item",
        "ROLLBACK; BEGIN; DELETE FROM item; COMMIT",
        "COPY item FROM PROGRAM 'true'",
        "SELECT nextval('s')",
    ],
)
async def test_no_statement_gets_out_of_a_read_only_transaction(
    databases: DatabaseActivities, postgresql: str, statement: str
) -> None:
    error = await failure(databases, postgresql, statement)

    assert error.type in {"ReadOnly", "StatementFailed"}
    assert not error.retryable
    assert await items(databases, postgresql) == [{"id": 1, "name": "one"}]


@pytest.mark.parametrize("read_only", [True, False])
async def test_one_statement_at_a_time(
    databases: DatabaseActivities, postgresql: str, read_only: bool
) -> None:
    for url in (postgresql, SQLITE):
        error = await failure(databases, url, "SELECT 1; DELETE FROM item", read_only=read_only)
        assert error.type == "StatementFailed"
        assert await items(databases, url) == [{"id": 1, "name": "one"}]


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH DATABASE '../outside.db' AS other",
        "ATTACH DATABASE ':memory:' AS other",
        "VACUUM INTO '../copied.db'",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = DELETE",
        "SELECT load_extension('x')",
        "SELECT writefile('../copied.db', 'x')",
        "SELECT readfile('/etc/passwd')",
    ],
)
async def test_a_statement_reaches_no_other_file(
    databases: DatabaseActivities, folder: Path, statement: str, read_only: bool
) -> None:
    error = await failure(databases, SQLITE, statement, read_only=read_only)

    assert (error.type, error.retryable) == ("StatementFailed", False)
    assert sorted(each.name for each in folder.parent.iterdir()) == ["inside", "outside.db"]


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///../outside.db",
        "sqlite:////etc/passwd",
        "sqlite:///link.db",
        "sqlite:///missing.db",
        "sqlite:///",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///data.db?mode=rwc",
        "sqlite:///file:data.db?uri=true",
        "sqlite:///.",
    ],
)
async def test_no_other_file_is_opened(
    databases: DatabaseActivities, folder: Path, url: str
) -> None:
    (folder / "link.db").symlink_to(folder.parent / "outside.db")

    assert (await failure(databases, url, "SELECT 1", read_only=False)).type == "DatabaseRefused"


async def test_without_a_folder_sqlite_is_refused(folder: Path) -> None:
    databases = DatabaseActivities(EgressGuard.of([]), None)

    assert (await failure(databases, f"sqlite:///{folder}/data.db", "SELECT 1")).type == (
        "DatabaseRefused"
    )


async def test_types_come_out_exactly(databases: DatabaseActivities, postgresql: str) -> None:
    statement = """
        INSERT INTO item VALUES (2, :name, 12345678.90, :data, :tags, '2026-02-28T12:00:00+01',
        '2026-02-28', decode('00ff', 'hex'), 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', :done, 'NaN',
        NULL)
    """
    values: dict[str, JsonValue] = {
        "name": "Zürich \U0001f600",
        "data": {"a": [1, None, {"b": 2.5}]},
        "tags": ["x", "y"],
        "done": True,
    }
    await ask(databases, postgresql, statement, values, read_only=False)

    output = await ask(
        databases,
        postgresql,
        "SELECT *, interval '90 s' AS span, 2::numeric ^ 70 AS big, '10.0.0.1'::inet AS at "
        "FROM item WHERE id = CAST(:id AS int)",
        {"id": "2"},
    )

    rows = output["rows"]
    assert isinstance(rows, list)
    assert isinstance(rows[0], dict)
    seen = rows[0].pop("seen")
    assert str(seen) in {"2026-02-28T11:00:00+00:00", "2026-02-28T12:00:00+01:00"}
    assert rows == [
        {
            "id": 2,
            "name": "Zürich \U0001f600",
            "price": "12345678.90",
            "data": {"a": [1, None, {"b": 2.5}]},
            "tags": ["x", "y"],
            "day": "2026-02-28",
            "raw": "AP8=",
            "ref": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "done": True,
            "ratio": "nan",
            "key": None,
            "span": 90.0,
            "big": "1180591620717411303424.0000000000000000",
            "at": "10.0.0.1",
        }
    ]


ENDLESS = {
    "postgresql": "SELECT pg_sleep(60)",
    "sqlite": (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    ),
}


@both
async def test_a_statement_that_takes_too_long_is_stopped(
    databases: DatabaseActivities, url_of: UrlOf, kind: str
) -> None:
    error = await failure(databases, url_of(kind), ENDLESS[kind], timeout_seconds=0.5)

    assert (error.type, error.retryable) == ("Timeout", True)


async def test_cancelling_ends_the_statement_on_the_server(
    databases: DatabaseActivities, postgresql: str
) -> None:
    task = asyncio.create_task(ask(databases, postgresql, ENDLESS["postgresql"]))
    watch = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"

    async def running() -> bool:
        return (await ask(databases, postgresql, watch))["rows"] == [{"n": 1}]

    async def ended() -> bool:
        return (await ask(databases, postgresql, watch))["rows"] == [{"n": 0}]

    await eventually(running, saying="the statement runs")
    task.cancel()
    await asyncio.wait([task])

    await eventually(ended, saying="the statement has ended")


async def test_cancelling_ends_the_thread_of_sqlite(databases: DatabaseActivities) -> None:
    task = asyncio.create_task(ask(databases, SQLITE, ENDLESS["sqlite"]))
    await asyncio.wait([task], timeout=0.2)

    task.cancel()

    async with asyncio.timeout(5):
        await asyncio.wait([task])
    assert task.cancelled()


@both
async def test_an_answer_beyond_the_limits_is_refused(
    databases: DatabaseActivities, url_of: UrlOf, kind: str
) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) {}"
    url = url_of(kind)

    many = await failure(databases, url, numbers.format(5, "SELECT i FROM n"), max_rows=4)
    big = await failure(
        databases,
        url,
        numbers.format(9, "SELECT i, replace(:x, 'x', :y) FROM n"),
        {"x": "x" * 1000, "y": "y" * 1000},
    )

    assert many.type == big.type == "ResultTooLarge"
    assert not many.retryable


@both
async def test_a_change_that_answers_too_much_is_not_made(
    databases: DatabaseActivities, url_of: UrlOf, kind: str
) -> None:
    url = url_of(kind)
    statement = "INSERT INTO item (id, name) VALUES (2, 'b'), (3, 'c') RETURNING id"

    error = await failure(databases, url, statement, read_only=False, max_rows=1)

    assert error.type == "ResultTooLarge"
    assert await items(databases, url) == [{"id": 1, "name": "one"}]


@both
@pytest.mark.parametrize(
    ("statement", "values", "kind_of_failure"),
    [
        ("SELECT nothing FROM item", {}, "StatementFailed"),
        ("SELEC 1", {}, "StatementFailed"),
        ("SELECT id FROM item WHERE id = :missing", {}, "InvalidParameters"),
    ],
)
async def test_a_statement_that_is_wrong_says_so(
    databases: DatabaseActivities,
    url_of: UrlOf,
    kind: str,
    statement: str,
    values: dict[str, JsonValue],
    kind_of_failure: str,
) -> None:
    error = await failure(databases, url_of(kind), statement, values)

    assert (error.type, error.retryable) == (kind_of_failure, False)


async def test_a_broken_constraint_is_final(databases: DatabaseActivities, postgresql: str) -> None:
    error = await failure(
        databases, postgresql, "INSERT INTO item (id, name) VALUES (1, 'x')", read_only=False
    )

    assert (error.type, error.retryable, error.facts) == (
        "StatementFailed",
        False,
        {"sqlstate": "23505"},
    )


async def test_a_wrong_password_is_not_repeated(
    databases: DatabaseActivities, postgresql: str
) -> None:
    url = postgresql.replace("a%20secret%20word", "another-word")

    error = await failure(databases, url, "SELECT 1")

    assert (error.type, error.retryable) == ("LoginRefused", False)
    assert "another-word" not in error.message


async def test_a_server_that_is_away_is_asked_again(databases: DatabaseActivities) -> None:
    url = f"postgresql://owner:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{free_port()}/x"

    error = await failure(databases, url, "SELECT 1")

    assert (error.type, error.retryable) == ("DatabaseUnavailable", True)


async def test_private_hosts_pass_the_guard(folder: Path, postgresql: str) -> None:
    databases = DatabaseActivities(EgressGuard.of([]), folder)

    error = await failure(databases, postgresql, "SELECT 1")

    assert (error.type, error.retryable) == ("HostRefused", False)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root:word@127.0.0.1/x",
        "nonsense",
        "postgresql:///postgres",
        "postgresql://owner@/postgres?host=/var/run/postgresql",
        "postgresql://owner@example.org/x?host=127.0.0.1",
        "postgresql://owner@example.org/x?hostaddr=127.0.0.1",
        "postgresql://owner@example.org/x?service=local",
        "postgresql://owner@example.org/x?passfile=/etc/passwd",
        "postgresql://owner@example.org/x?options=-cdefault_transaction_read_only%3Doff",
        "postgresql://owner@example.org/x?sslmode=sometimes",
        "postgresql://owner@example.org:port/x",
    ],
)
async def test_a_connection_string_names_a_host_and_nothing_else(
    databases: DatabaseActivities, url: str
) -> None:
    error = await failure(databases, url, "SELECT 1")

    assert (error.type, error.retryable) == ("InvalidParameters", False)


async def test_a_locked_file_is_worth_a_retry(databases: DatabaseActivities, folder: Path) -> None:
    holder = sqlite3.connect(folder / "data.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    error = await failure(
        databases, SQLITE, "DELETE FROM item", read_only=False, timeout_seconds=0.3
    )

    assert error.retryable
    assert error.type in {"Timeout", "DatabaseUnavailable"}
    holder.execute("ROLLBACK")
    holder.close()


async def test_the_environment_lends_no_credentials(
    databases: DatabaseActivities, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    bare = postgresql.replace(":a%20secret%20word@", "@")

    error = await failure(databases, bare, "SELECT 1")

    assert (error.type, error.retryable) == ("LoginRefused", False)
