"""AES-256-GCM under a ring of keys: the newest encrypts, any of them decrypts.

What is sealed starts with a version byte, the id of its key and a salt; each salt gives a key of
its own (HKDF-SHA256), so that no key ever sees enough messages for nonces to repeat.

Source: docs/secrets.md, "Format".
"""

import base64
import hmac
import os
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from flows.errors import EncryptionKeyMissingError, SealBrokenError

VERSION = b"\x01"
KEY_ID_BYTES = 8
SALT_BYTES = 16
NONCE_BYTES = 12
MESSAGES_A_SALT = 2**28
MAX_KEPT_CIPHERS = 256

_HEADER_BYTES = len(VERSION) + KEY_ID_BYTES + SALT_BYTES + NONCE_BYTES
_KEY_BYTES = 32


class Keyring:
    """Seals and opens bytes for one context each: what was sealed for another does not open."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take AES-256 keys in base64, newest first; without any, nothing can be sealed."""
        raw = [base64.b64decode(key) for key in keys]
        self._keys = {key_id(key): key for key in raw}
        self._newest = key_id(raw[0]) if raw else None
        self._ciphers: OrderedDict[tuple[bytes, bytes], AESGCM] = OrderedDict()
        self._salt = os.urandom(SALT_BYTES)
        self._sealed = 0

    @property
    def has_key(self) -> bool:
        """Return whether anything can be sealed."""
        return self._newest is not None

    def seal(self, data: bytes, context: str, *, repeatably: bool = False) -> bytes:
        """Encrypt with the newest key.

        Args:
            context: What the data belongs to; authenticated, not stored.
            repeatably: Whether equal data shall give equal bytes, which tells whoever sees both
                that they are equal, and nothing else.

        Raises:
            EncryptionKeyMissingError: No key is configured.
        """
        if self._newest is None:
            raise EncryptionKeyMissingError(
                "no encryption key is configured: set PERDURE_ENCRYPTION_KEYS"
            )
        if repeatably:
            salt, nonce = self._synthetic(self._keys[self._newest], data, context)
        else:
            salt, nonce = self._current_salt(), os.urandom(NONCE_BYTES)
        header = VERSION + self._newest + salt + nonce
        cipher = self._cipher(self._newest, salt)
        return header + cipher.encrypt(nonce, data, _associated(header, context))

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt with whichever key it was sealed with.

        Raises:
            EncryptionKeyMissingError: That key is not configured here.
            SealBrokenError: The bytes were changed, or sealed for another context.
        """
        header, data = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        if len(header) < _HEADER_BYTES or header[:1] != VERSION:
            raise SealBrokenError("what is stored is no sealed value")
        used = key_id_of(sealed)
        if used not in self._keys:
            raise EncryptionKeyMissingError(
                f"the encryption key {used.hex()} is not configured here", key_id=used.hex()
            )
        salt, nonce = header[1 + KEY_ID_BYTES : -NONCE_BYTES], header[-NONCE_BYTES:]
        try:
            return self._cipher(used, salt).decrypt(nonce, data, _associated(header, context))
        except InvalidTag:
            raise SealBrokenError("a sealed value was changed, or belongs somewhere else") from None

    def is_newest(self, sealed: bytes) -> bool:
        """Return whether the newest key sealed it."""
        return key_id_of(sealed) == self._newest

    def _current_salt(self) -> bytes:
        """Return this process's salt, a new one before the old one has served too often."""
        self._sealed += 1
        if self._sealed >= MESSAGES_A_SALT:
            self._salt, self._sealed = os.urandom(SALT_BYTES), 0
        return self._salt

    def _synthetic(self, key: bytes, data: bytes, context: str) -> tuple[bytes, bytes]:
        """Return a salt and a nonce that depend on what is sealed, and on nothing else."""
        subkey = hmac.digest(key, b"perdure synthetic", sha256)
        made = hmac.digest(subkey, sha256(context.encode()).digest() + data, sha256)
        return made[:SALT_BYTES], made[SALT_BYTES : SALT_BYTES + NONCE_BYTES]

    def _cipher(self, used: bytes, salt: bytes) -> AESGCM:
        """Return the cipher of a key and a salt; those used last are kept."""
        place = used, salt
        cipher = self._ciphers.get(place)
        if cipher is None:
            derivation = HKDF(SHA256(), _KEY_BYTES, salt, b"perdure sealed value")
            cipher = self._ciphers[place] = AESGCM(derivation.derive(self._keys[used]))
            if len(self._ciphers) > MAX_KEPT_CIPHERS:
                self._ciphers.popitem(last=False)
        else:
            self._ciphers.move_to_end(place)
        return cipher


def key_id(key: bytes) -> bytes:
    """Return by which id a key is known in what it sealed; it tells nothing about the key."""
    return hmac.digest(key, b"perdure key id", sha256)[:KEY_ID_BYTES]


def key_id_of(sealed: bytes) -> bytes:
    """Return the id of the key that sealed something."""
    return sealed[len(VERSION) : len(VERSION) + KEY_ID_BYTES]


def _associated(header: bytes, context: str) -> bytes:
    """Return what is authenticated beside the data: the key's id, and what it belongs to."""
    return header + context.encode()
