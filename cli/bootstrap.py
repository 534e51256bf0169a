"""``perdure bootstrap``: an organization, an administrator and a key, straight on MongoDB."""

import json
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from contracts.names import team_id
from operations.caller import Role
from runtime.mongo import Mongo
from runtime.settings import Settings, load_settings
from runtime.shutdown import run_until_signalled, unless_stopped
from store import schema
from store.accounts import AccountRepository

ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """What somebody needs to begin."""

    organization_id: str
    team_id: str
    service_account_id: str
    api_key: str


def bootstrap(
    organization: Annotated[str, typer.Option(help="Name of the organization.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Create an organization, unless it exists, and a new API key of an administrator."""
    settings = load_settings()
    made = run_until_signalled(
        lambda stop: unless_stopped(stop, bootstrapped(settings, organization))
    )
    if made is None:
        raise typer.Exit(130)
    if as_json:
        typer.echo(json.dumps(asdict(made)))
        return
    for name, value in asdict(made).items():
        typer.echo(f"{name:<19} {value}")


async def bootstrapped(
    settings: Settings, organization_name: str, kept_key: str | None = None
) -> Bootstrapped:
    """Make sure that an organization exists, with an administrator and a key that works.

    Args:
        settings: Where MongoDB is.
        organization_name: Created unless there is one by this name.
        kept_key: A key made earlier; used again if it still works for this organization.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    mongo = Mongo(settings.mongodb_uri.get_secret_value(), settings.mongodb_database)
    try:
        await schema.prepare(mongo.database)
        accounts = AccountRepository(mongo.database)
        organization = await accounts.create_organization(organization_name)
        if kept_key and (owner := await _owner(accounts, kept_key, organization.id)):
            return Bootstrapped(organization.id, team_id(organization.id), owner, kept_key)
        account = await accounts.create_service_account(
            organization.id, ADMINISTRATOR, role=Role.ORG_ADMIN.value
        )
        _, token = await accounts.create_key(organization.id, account.id, "bootstrap")
        return Bootstrapped(organization.id, team_id(organization.id), account.id, token)
    finally:
        mongo.close()


async def _owner(accounts: AccountRepository, key: str, organization_id: str) -> str | None:
    """Return the service account of a key that still works for this organization."""
    found = await accounts.find_key(key)
    if found is None:
        return None
    api_key, account, organization = found
    if api_key.deleted or not account.is_active or organization.id != organization_id:
        return None
    return account.id
