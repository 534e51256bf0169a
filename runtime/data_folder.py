"""The folder that holds the state of an embedded platform: one platform at a time."""

import base64
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.errors import StartUpError
from runtime.readiness import require_free_space

MINIMUM_FREE_BYTES = 384 * 1024 * 1024

_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600


class DataFolder:
    """Secrets and state under one path, which is absolute."""

    def __init__(self, path: Path) -> None:
        """Name the folder; nothing is touched yet."""
        self.path = path.expanduser().absolute()

    @contextmanager
    def held(self, minimum_free_bytes: int = MINIMUM_FREE_BYTES) -> Iterator[None]:
        """Create the folder and keep other platforms out of it.

        Raises:
            StartUpError: It cannot be written, its disk is full, or another platform runs on it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
            require_free_space(self.path, minimum_free_bytes)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, _PRIVATE_FILE)
        except OSError as error:
            raise StartUpError(
                f"cannot write to the data folder {self.path}: {error.strerror}"
            ) from error
        try:
            self._lock(lock)
            yield
        finally:
            os.close(lock)

    def jwt_secret(self) -> str:
        """Return the secret that signs bearer tokens, made at the first call."""
        return self._kept("jwt_secret", lambda: secrets.token_urlsafe(48))

    def encryption_key(self) -> str:
        """Return the AES-256 key in base64, made at the first call."""
        return self._kept("encryption_key", lambda: base64.b64encode(os.urandom(32)).decode())

    def api_key(self) -> str | None:
        """Return the API key that an earlier start of this platform kept."""
        try:
            return (self.path / "api_key").read_text().strip() or None
        except FileNotFoundError:
            return None

    def keep_api_key(self, token: str) -> None:
        """Keep the API key of this platform for its next starts."""
        write_private(self.path / "api_key", token + "\n")

    def _lock(self, descriptor: int) -> None:
        """Take the lock; the kernel gives it back when this process ends, however it ends."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            raise StartUpError(
                f"a platform already runs on {self.path} (process {owner}): "
                "stop it, or choose another folder with --data-dir"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        """Return a secret from its file, made if there is none yet."""
        path = self.path / name
        try:
            if kept := path.read_text().strip():
                return kept
        except FileNotFoundError:
            pass
        made = make()
        write_private(path, made + "\n")
        return made


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; it appears whole or not at all.

    Raises:
        StartUpError: It cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE_FILE)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise StartUpError(f"cannot write {path}: {error.strerror}") from error
