"""``perdure admin``: what whoever runs the platform needs, straight on its servers."""

import asyncio
import json
from collections.abc import Collection
from dataclasses import asdict
from typing import Annotated

import typer

from flows.errors import EncryptionKeyMissingError, OrganizationNotFoundError, StartUpError
from operations.truth import TruthCheck, Verdict
from operations.vault import Rotation, rotate
from runtime import deployment
from runtime.encryption import Keyring
from runtime.gateway import Gateway
from runtime.mongo import Mongo
from runtime.payload_encryption import codec_of
from runtime.settings import Settings, load_settings
from runtime.shutdown import settle_interpreter
from runtime.temporal import connect
from store.audit import Audit
from store.indexes import ensure_indexes
from store.migrations.catalogue import MIGRATIONS
from store.migrations.migration import Migration
from store.migrations.runner import Migrations
from store.models import Organization
from store.organizations import OrganizationRepository, Tier
from store.rotation import SealedValues

app = typer.Typer(
    name="admin", help="Look after a platform.", no_args_is_help=True, add_completion=False
)


@app.callback()
def _group() -> None:
    """Look after a platform."""


@app.command("check")
def check(
    executions: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of flow executions; all there are, unless given."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare executions, as they are served, with Temporal; exit 1 if anything differs.

    Works on the servers that the PERDURE_* variables name; needs no API, and changes nothing.
    """
    settings = load_settings()
    try:
        verdict = asyncio.run(_verdict(settings, executions or ()))
    finally:
        settle_interpreter()
    typer.echo(json.dumps(asdict(verdict)) if as_json else _told(verdict))
    raise typer.Exit(1 if verdict.differences else 0)


@app.command("migrate")
def migrate() -> None:
    """Bring stored data to the schema of this version; worker and API do the same at start-up."""
    settings = load_settings()
    try:
        done = asyncio.run(_migrated(settings))
    finally:
        settle_interpreter()
    for migration in done:
        typer.echo(f"{migration.number} {migration.name}")
    typer.echo(f"{len(done)} migrations run, the schema is at {MIGRATIONS[-1].number}")


@app.command("promote")
def promote(
    build_id: Annotated[str, typer.Argument(help="PERDURE_BUILD_ID of workers that run already.")],
) -> None:
    """Let new executions begin on this build of the workers; those that run stay on theirs."""
    settings = load_settings()
    try:
        asyncio.run(_promoted(settings, build_id))
    finally:
        settle_interpreter()
    typer.echo(f"new executions begin on build {build_id} of {settings.deployment_name}")


@app.command("set-tier")
def set_tier(
    organization_id: Annotated[str, typer.Argument(help="Id of the organization.")],
    tier: Annotated[Tier, typer.Argument(help="Decides how many executions run at once.")],
) -> None:
    """Change the tier of an organization; its own settings count before it."""
    settings = load_settings()
    try:
        changed = asyncio.run(_with_tier(settings, organization_id, tier))
    except OrganizationNotFoundError as error:
        raise StartUpError(f"no organization has the id {organization_id}") from error
    finally:
        settle_interpreter()
    limit = "no limit" if changed.execution_limit is None else f"{changed.execution_limit} at once"
    typer.echo(f"{changed.name} is {changed.tier}: {limit}")


async def _with_tier(settings: Settings, organization_id: str, tier: Tier) -> Organization:
    mongo = Mongo(settings.mongodb_uri.get_secret_value(), settings.mongodb_database)
    try:
        await ensure_indexes(mongo.database)
        organizations = OrganizationRepository(mongo.database)
        return await organizations.set_tier(organization_id, tier, "system")
    finally:
        mongo.close()


async def _promoted(settings: Settings, build_id: str) -> None:
    client = await connect(settings.temporal_address, settings.temporal_namespace, lazy=True)
    await deployment.promote(client, settings.deployment_name, build_id)


async def _migrated(settings: Settings) -> list[Migration]:
    mongo = Mongo(settings.mongodb_uri.get_secret_value(), settings.mongodb_database)
    try:
        done = await Migrations(mongo.database).run()
        await ensure_indexes(mongo.database)
        return done
    finally:
        mongo.close()


@app.command("rotate-keys")
def rotate_keys(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Encrypt every stored secret with the newest key; exit 1 if one cannot be read.

    Works on the database that the PERDURE_* variables name, while the platform runs, and as often
    as you like.
    """
    settings = load_settings()
    try:
        rotation = asyncio.run(_rotation(settings))
    except EncryptionKeyMissingError as error:
        raise StartUpError(error.message) from error
    finally:
        settle_interpreter()
    typer.echo(json.dumps(asdict(rotation)) if as_json else _rotated(rotation))
    raise typer.Exit(1 if rotation.unreadable else 0)


def _rotated(rotation: Rotation) -> str:
    lines = [f"{each}: cannot be read with the keys given" for each in rotation.unreadable]
    lines.append(
        f"{rotation.renewed} secrets encrypted with the newest key, {rotation.current} had it "
        f"already, {len(rotation.unreadable)} cannot be read"
    )
    return "\n".join(lines)


async def _rotation(settings: Settings) -> Rotation:
    mongo = Mongo(settings.mongodb_uri.get_secret_value(), settings.mongodb_database)
    try:
        return await rotate(Keyring(settings.keys()), SealedValues(mongo.database))
    finally:
        mongo.close()


async def _verdict(settings: Settings, only: Collection[str]) -> Verdict:
    mongo = Mongo(settings.mongodb_uri.get_secret_value(), settings.mongodb_database)
    try:
        client = await connect(
            settings.temporal_address,
            settings.temporal_namespace,
            storage_driver=mongo.storage_driver(),
            codec=codec_of(settings),
            lazy=True,
        )
        gateway = Gateway(client, settings.task_queue)
        return await TruthCheck(Audit(mongo.database), gateway).run(only)
    finally:
        mongo.close()


def _told(verdict: Verdict) -> str:
    lines = [
        f"{found.flow_execution_id} generation {found.generation}: {found.what}"
        for found in verdict.differences
    ]
    lines.append(
        f"{verdict.checked} executions checked, {verdict.running} running, "
        f"{verdict.unknown} forgotten by Temporal, {len(verdict.differences)} differences"
    )
    return "\n".join(lines)
