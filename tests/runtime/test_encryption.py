import base64
import os

import pytest

from flows.errors import EncryptionKeyMissingError, SealBrokenError
from runtime.encryption import Keyring


def a_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def test_what_was_sealed_opens_for_its_own_context_only() -> None:
    ring = Keyring([a_key()])
    sealed = ring.seal(b"hush", "credential/1")

    assert ring.open(sealed, "credential/1") == b"hush"
    with pytest.raises(SealBrokenError):
        ring.open(sealed, "credential/2")


@pytest.mark.parametrize("position", [0, 1, 9, 25, 37, -1], ids=str)
def test_a_changed_byte_is_noticed(position: int) -> None:
    ring = Keyring([a_key()])
    sealed = bytearray(ring.seal(b"hush", "here"))

    sealed[position] ^= 1

    with pytest.raises((SealBrokenError, EncryptionKeyMissingError)):
        ring.open(bytes(sealed), "here")


@pytest.mark.parametrize("rest", [b"", b"\x01", b"\x01" * 20], ids=len)
def test_what_is_too_short_to_be_sealed_is_refused(rest: bytes) -> None:
    with pytest.raises(SealBrokenError):
        Keyring([a_key()]).open(rest, "here")


def test_any_key_of_the_ring_opens_and_the_newest_seals() -> None:
    old, new = a_key(), a_key()
    before = Keyring([old]).seal(b"hush", "here")
    rotated = Keyring([new, old])
    after = rotated.seal(b"hush", "here")

    assert rotated.open(before, "here") == b"hush"
    assert not rotated.is_newest(before)
    assert rotated.is_newest(after)
    with pytest.raises(EncryptionKeyMissingError):
        Keyring([old]).open(after, "here")


def test_without_a_key_nothing_is_sealed() -> None:
    assert not Keyring([]).has_key
    with pytest.raises(EncryptionKeyMissingError, match="PERDURE_ENCRYPTION_KEYS"):
        Keyring([]).seal(b"hush", "here")


def test_equal_data_is_told_apart_unless_repeatability_is_asked_for() -> None:
    key = a_key()
    ring, another_process = Keyring([key]), Keyring([key])

    assert ring.seal(b"hush", "here") != ring.seal(b"hush", "here")
    repeated = ring.seal(b"hush", "here", repeatably=True)
    assert repeated == another_process.seal(b"hush", "here", repeatably=True)
    assert repeated != ring.seal(b"hush", "there", repeatably=True)
    assert repeated != ring.seal(b"hush!", "here", repeatably=True)
    assert another_process.open(repeated, "here") == b"hush"


def test_a_key_id_and_a_sealed_value_tell_nothing_about_the_key() -> None:
    key = a_key()

    sealed = Keyring([key]).seal(b"hush", "here")

    assert base64.b64decode(key)[:8] not in sealed
    assert b"hush" not in sealed
