"""Bearer tokens: signature, lifetime, audience and issuer."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

import httpx
import jwt
from pydantic import JsonValue

from flows.errors import UnauthenticatedError, UnavailableError

SECRET_ALGORITHMS = ("HS256",)
KEY_ALGORITHMS = ("RS256", "ES256")
REFRESH_PAUSE_SECONDS = 10.0
MAX_AGE_SECONDS = 300.0
FETCH_TIMEOUT_SECONDS = 5.0

Claims = dict[str, JsonValue]
Key = str | jwt.PyJWK

logger = logging.getLogger(__name__)


class KeySource(Protocol):
    """Where the key that signed a token comes from."""

    algorithms: Sequence[str]

    async def key_for(self, token: str) -> Key:
        """Return the key; UnauthenticatedError if there is none for this token."""


class FixedKey:
    """One secret, or one public key in PEM form."""

    def __init__(self, secret: str) -> None:
        """Keep the key; a PEM key never verifies HS256, whose secret it would give away."""
        self._key = secret
        is_public_key = secret.lstrip().startswith("-----BEGIN")
        self.algorithms: Sequence[str] = KEY_ALGORITHMS if is_public_key else SECRET_ALGORITHMS

    async def key_for(self, token: str) -> Key:
        """Return the one key."""
        return self._key


class PublishedKeys:
    """Keys that an identity provider publishes.

    Fetched when a token names an unknown one, though tokens with invented key ids cannot make us
    fetch more often than every ten seconds; and again after five minutes, because a provider also
    takes keys back.
    """

    algorithms: Sequence[str] = KEY_ALGORITHMS

    def __init__(
        self,
        url: str,
        client: httpx.AsyncClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Borrow a client; nothing is fetched before the first token.

        Args:
            clock: Seconds that never go backwards.
        """
        self._url = url
        self._client = client
        self._clock = clock
        self._key_by_id: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._lock = asyncio.Lock()

    async def key_for(self, token: str) -> Key:
        """Return the key that the token's header names.

        Raises:
            UnauthenticatedError: Nobody published such a key.
            UnavailableError: The keys cannot be fetched.
        """
        key_id: str | None = jwt.get_unverified_header(token).get("kid")
        if key_id not in self._key_by_id or self._age() > MAX_AGE_SECONDS:
            await self._refresh()
        key = self._key_by_id.get(key_id)
        if key is None:
            raise UnauthenticatedError("the token is signed with an unknown key")
        return key

    async def _refresh(self) -> None:
        async with self._lock:
            if self._age() < REFRESH_PAUSE_SECONDS:
                return
            self._key_by_id = await self._fetch()
            self._fetched_at = self._clock()

    def _age(self) -> float:
        """Return how many seconds ago the keys were fetched."""
        return inf if self._fetched_at is None else self._clock() - self._fetched_at

    async def _fetch(self) -> dict[str | None, jwt.PyJWK]:
        try:
            response = await self._client.get(self._url, timeout=FETCH_TIMEOUT_SECONDS)
            response.raise_for_status()
            published = jwt.PyJWKSet.from_dict(_object(response.json()))
        except (httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
            logger.warning("signing keys cannot be fetched", extra={"url": self._url})
            raise UnavailableError("the keys that sign tokens cannot be fetched") from error
        return {key.key_id: key for key in published.keys}


def _object(document: object) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ValueError("not a set of keys")
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenVerifier:
    """Checks a token against one source of keys.

    Attributes:
        audience: What ``aud`` must hold; None leaves it unchecked.
        issuer: What ``iss`` must be; None leaves it unchecked.
    """

    keys: KeySource
    audience: str | None = None
    issuer: str | None = None

    async def claims(self, token: str) -> Claims:
        """Return the claims of a token that is genuine and not expired.

        Raises:
            UnauthenticatedError: Any other token.
        """
        try:
            key = await self.keys.key_for(token)
            return self._decoded(token, key)
        except jwt.ExpiredSignatureError as error:
            raise UnauthenticatedError("the token has expired") from error
        except jwt.PyJWTError as error:
            raise UnauthenticatedError("the token is not valid") from error

    def _decoded(self, token: str, key: Key) -> Claims:
        # PyJWT types claims as Any; they are JSON by construction.
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(self.keys.algorithms),
            audience=self.audience,
            issuer=self.issuer,
            options={
                "require": ["exp", "sub"],
                "verify_aud": self.audience is not None,
                "verify_iss": self.issuer is not None,
                "verify_iat": False,
                "verify_sub": False,
            },
        )
        return claims
