"""``perdure admin set-tier``."""

import asyncio
from uuid import uuid4

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from typer.testing import CliRunner

from cli.main import app
from store.accounts import AccountRepository
from store.organizations import OrganizationRepository


@pytest.fixture
def _on_this_database(
    database: AsyncIOMotorDatabase, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_MONGODB_URI", mongo_uri)
    monkeypatch.setenv("PERDURE_MONGODB_DATABASE", database.name)


@pytest.mark.usefixtures("_on_this_database")
async def test_a_tier_brings_its_limit(database: AsyncIOMotorDatabase) -> None:
    made = await AccountRepository(database).create_organization("Acme")

    told = await asyncio.to_thread(
        CliRunner().invoke, app, ["admin", "set-tier", made.id, "growth"]
    )

    assert told.stdout == "Acme is growth: 50 at once\n"
    changed = await OrganizationRepository(database).get(made.id)
    assert (changed.tier, changed.execution_limit) == ("growth", 50)


@pytest.mark.usefixtures("_on_this_database")
def test_an_unknown_organization_is_told() -> None:
    told = CliRunner().invoke(app, ["admin", "set-tier", str(uuid4()), "free"])

    assert told.exit_code == 1
