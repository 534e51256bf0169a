"""``perdure token``: a bearer token for trying things out, and for tests."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import jwt
import typer

from flows.errors import StartUpError
from operations.caller import Role
from runtime.settings import load_settings

DEFAULT_TTL = timedelta(hours=1)


def token(
    organization: Annotated[str, typer.Option(help="Id of the organization.")],
    user: Annotated[str, typer.Option(help="Id of the person; becomes the claim sub.")],
    role: Annotated[Role, typer.Option(help="What the token allows.")],
    ttl: Annotated[int, typer.Option(min=1, help="Seconds until it expires.")] = int(
        DEFAULT_TTL.total_seconds()
    ),
) -> None:
    """Print a bearer token signed with PERDURE_JWT_SECRET."""
    settings = load_settings()
    if settings.jwt_secret is None:
        raise StartUpError("PERDURE_JWT_SECRET is not set: there is nothing to sign a token with")
    now = datetime.now(UTC)
    claims: dict[str, object] = {
        "sub": user,
        "organization_id": organization,
        "role": role.value,
        "iat": now,
        "exp": now + timedelta(seconds=ttl),
    }
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    typer.echo(jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256"))
