"""URLs of files that need no other credential: a signed token says which file, until when.

Source: docs/decisions/0019-files.md.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from flows.errors import FileUrlRefusedError, UnavailableError

LINK_LIFETIME = timedelta(hours=1)

Direction = Literal["upload", "download"]

_ALGORITHM = "HS256"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Link:
    """What a token that holds says."""

    organization_id: str
    file_key: str


class FileLinks:
    """Signs links with the newest key, and takes those that any of the keys signed."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Take signing keys, newest first; without any there are no links."""
        self._keys = tuple(keys)

    @classmethod
    def of(cls, encryption_keys: Sequence[str], jwt_secret: str | None) -> "FileLinks":
        """Derive signing keys from the platform's secrets.

        Args:
            encryption_keys: In base64, newest first.
            jwt_secret: Counts where it is a secret: a public key in PEM form is none.
        """
        secrets = [base64.b64decode(key) for key in encryption_keys]
        if jwt_secret is not None and not jwt_secret.lstrip().startswith("-----BEGIN"):
            secrets.append(jwt_secret.encode())
        return cls([_derived(secret) for secret in secrets])

    def sign(self, direction: Direction, link: Link, until: datetime) -> str:
        """Return a token for one file and one direction.

        Raises:
            UnavailableError: The platform has no secret to sign with.
        """
        if not self._keys:
            raise UnavailableError(
                "URLs of files need PERDURE_ENCRYPTION_KEYS, or PERDURE_JWT_SECRET, to be set"
            )
        claims = {
            "aud": direction,
            "sub": link.file_key,
            "org": link.organization_id,
            "exp": int(until.timestamp()),
        }
        return jwt.encode(claims, self._keys[0], algorithm=_ALGORITHM)

    def opened(self, direction: Direction, token: str) -> Link:
        """Return what a token is for.

        Raises:
            FileUrlRefusedError: It was changed, has expired, or is for the other direction.
        """
        for key in self._keys:
            try:
                claims = jwt.decode(
                    token,
                    key,
                    algorithms=[_ALGORITHM],
                    audience=direction,
                    options={"require": ["aud", "sub", "exp"]},
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.ExpiredSignatureError:
                raise FileUrlRefusedError("the URL has expired") from None
            except jwt.InvalidTokenError:
                break
            return Link(str(claims["org"]), str(claims["sub"]))
        raise FileUrlRefusedError("the URL's signature does not hold")


def _derived(secret: bytes) -> bytes:
    """Return a key for this purpose alone; it tells nothing of the secret."""
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=b"perdure file urls").derive(secret)
