"""Who is calling: an API key or a bearer token becomes a ``Caller``."""

from uuid import UUID

from starlette.datastructures import Headers

from api.claims import claimed
from api.tokens import Claims, TokenVerifier
from flows.errors import (
    InvalidError,
    OrganizationNotFoundError,
    UnauthenticatedError,
    UserInfoNotFoundError,
)
from operations.access import Guests
from operations.caller import Caller, Role
from operations.key_uses import KeyUses
from store.accounts import AccountRepository
from store.models import Organization

API_KEY_HEADER = "X-API-Key"
KEY_PREFIX = "saf_"

_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Authenticator:
    """Turns the headers of a request into a caller.

    Keys are looked up on every request, so a revoked one is refused on the next call. Of two
    credentials the bearer token counts, and a bad one is not rescued by a good key.

    Source: docs/api.md, "Credentials".
    """

    def __init__(
        self,
        accounts: AccountRepository,
        guests: Guests,
        uses: KeyUses,
        tokens: TokenVerifier | None,
    ) -> None:
        """Take the store of keys, and a verifier unless bearer tokens are refused altogether."""
        self._accounts = accounts
        self._guests = guests
        self._uses = uses
        self._tokens = tokens

    async def authenticate(self, method: str, headers: Headers) -> Caller:
        """Return the caller of a request.

        Raises:
            UnauthenticatedError: No credential, or one that does not hold.
            UserInfoNotFoundError: A genuine token without a usable person.
            InvalidError: A genuine token without an organization, on a call that writes.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await self._by_token(method, token.strip())
        key = headers.get(API_KEY_HEADER)
        if key is not None:
            return await self._by_key(key)
        raise UnauthenticatedError("a credential is required")

    async def _by_key(self, token: str) -> Caller:
        found = await self._accounts.find_key(token) if token.startswith(KEY_PREFIX) else None
        if found is None:
            raise UnauthenticatedError("the API key is not valid")
        key, account, organization = found
        if key.deleted or not account.is_active or not organization.is_active:
            raise UnauthenticatedError("the API key is not valid")
        self._uses.note(key)
        role = Role(account.role)
        return Caller(
            organization_id=organization.id,
            user_id=account.id,
            role=role,
            kind="service_account",
            invited_to=await self._guests.flows_for(organization.id, account.id, role),
            is_limited=organization.is_limited,
        )

    async def _by_token(self, method: str, token: str) -> Caller:
        if self._tokens is None:
            raise UnauthenticatedError("bearer tokens are not accepted here")
        claims = await self._tokens.claims(token)
        user_id, role = _user_id(claims), _role(claims)
        organization_id = claims.get("organization_id")
        if organization_id is None and method not in _READING_METHODS:
            raise InvalidError("organization id required")
        organization = await self._active_organization(_canonical(organization_id))
        return Caller(
            organization_id=organization.id,
            user_id=user_id,
            role=role,
            is_limited=organization.is_limited,
            claimed=claimed(claims, role),
            invited_to=await self._guests.flows_for(organization.id, user_id, role),
        )

    async def _active_organization(self, organization_id: str) -> Organization:
        try:
            organization = await self._accounts.organization(organization_id)
        except OrganizationNotFoundError as error:
            raise UserInfoNotFoundError("the token's organization does not exist") from error
        if not organization.is_active:
            raise UserInfoNotFoundError("the token's organization is inactive")
        return organization


def _user_id(claims: Claims) -> str:
    return _canonical(claims["sub"])


def _role(claims: Claims) -> Role:
    try:
        return Role(str(claims.get("role")))
    except ValueError as error:
        raise UserInfoNotFoundError("the token names no known role") from error


def _canonical(claim: object) -> str:
    """Return a UUID in its usual spelling."""
    try:
        return str(UUID(str(claim)))
    except ValueError as error:
        raise UserInfoNotFoundError("the token's user or organization is no UUID") from error
