"""Encrypts Temporal's payloads, so that histories and stored blobs tell nothing.

Source: docs/secrets.md, "Payload encryption".
"""

import asyncio
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from contracts.names import INLINE
from runtime.encryption import Keyring, key_id_of
from runtime.settings import Settings

ENCODING = b"binary/perdure-sealed"
CONTEXT = "temporal payload"
REPEATABLE_ABOVE_BYTES = 8 * 1024
OFF_THE_LOOP_ABOVE_BYTES = 256 * 1024


def codec_of(settings: Settings) -> "EncryptionCodec | None":
    """Return what encrypts this process's payloads.

    With keys but without the wish to encrypt, what others sealed can be read all the same: so
    processes may be switched one after the other.
    """
    if not settings.encryption_keys:
        return None
    return EncryptionCodec(Keyring(settings.keys()), seals=settings.encrypt_payloads)


class EncryptionCodec(PayloadCodec):
    """Seals payloads on their way to Temporal; those that came unsealed are read as they are.

    Large ones are sealed repeatably: a workflow that is replayed sends its payloads again, and one
    that lives outside the history must then meet itself there, not be stored once more.

    Attributes:
        seals: False for one that only reads what others sealed.
    """

    def __init__(self, keyring: Keyring, *, seals: bool = True) -> None:
        """Borrow a ring that has a key."""
        self._keyring = keyring
        self.seals = seals

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return each payload sealed, its metadata included; what others read stays as it is."""
        if not self.seals:
            return [*payloads]
        return [
            payload if INLINE in payload.metadata else await self._sealed(payload)
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return each payload as it was before it was sealed.

        Raises:
            EncryptionKeyMissingError: It was sealed with a key that is not configured here.
            SealBrokenError: Somebody changed it.
        """
        return [await self._opened(payload) for payload in payloads]

    async def _sealed(self, payload: Payload) -> Payload:
        data = payload.SerializeToString(deterministic=True)

        def seal() -> bytes:
            return self._keyring.seal(data, CONTEXT, repeatably=len(data) > REPEATABLE_ABOVE_BYTES)

        sealed = await asyncio.to_thread(seal) if _is_long(data) else seal()
        key = key_id_of(sealed).hex().encode()
        return Payload(metadata={"encoding": ENCODING, "key-id": key}, data=sealed)

    async def _opened(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        if _is_long(payload.data):
            data = await asyncio.to_thread(self._keyring.open, payload.data, CONTEXT)
        else:
            data = self._keyring.open(payload.data, CONTEXT)
        return Payload.FromString(data)


def _is_long(data: bytes) -> bool:
    return len(data) > OFF_THE_LOOP_ABOVE_BYTES
