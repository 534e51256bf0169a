"""``perdure admin migrate``."""

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from typer.testing import CliRunner

from cli.main import app
from store.migrations.catalogue import MIGRATIONS


def test_it_says_what_it_ran_and_then_that_nothing_is_left(
    database: AsyncIOMotorDatabase, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_MONGODB_URI", mongo_uri)
    monkeypatch.setenv("PERDURE_MONGODB_DATABASE", database.name)

    first = CliRunner().invoke(app, ["admin", "migrate"])
    second = CliRunner().invoke(app, ["admin", "migrate"])

    newest = f"the schema is at {MIGRATIONS[-1].number}"
    lines = [f"{each.number} {each.name}" for each in MIGRATIONS]
    assert first.exit_code == second.exit_code == 0
    assert first.stdout.splitlines() == [*lines, f"{len(lines)} migrations run, {newest}"]
    assert second.stdout.splitlines() == [f"0 migrations run, {newest}"]
