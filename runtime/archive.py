"""A data folder in one file, and back: everything that a platform needs to go on elsewhere.

Source: docs/operations.md, "Backup and restore".
"""

import os
import tarfile
import zlib
from pathlib import Path

from flows.errors import StartUpError

LEFT_OUT = frozenset({"lock", "logs", "bin"})
"""What belongs to the machine or to one run, and not to the platform's state."""

_PRIVATE_FILE = 0o600


def pack(folder: Path, archive: Path) -> int:
    """Write a folder into a new file, readable by its owner only, and return its size.

    The file appears whole or not at all. Nothing may write to the folder meanwhile.

    Raises:
        StartUpError: The file exists, cannot be written, or there is nothing to save.
    """
    if archive.exists():
        raise StartUpError(f"{archive} exists: choose another name")
    if not (folder / "mongodb").is_dir() or not (folder / "temporal.db").is_file():
        raise StartUpError(f"{folder} holds no platform: name its folder with --data-dir")
    partial = archive.with_name(f".{archive.name}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
                    for path in sorted(folder.iterdir()):
                        if path.name not in LEFT_OUT:
                            tar.add(path, arcname=path.name)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(archive)
        finally:
            partial.unlink(missing_ok=True)
        return archive.stat().st_size
    except OSError as error:
        raise StartUpError(f"cannot write {archive}: {error.strerror or error}") from error


def unpack(archive: Path, folder: Path) -> None:
    """Fill a folder from a file that ``pack`` wrote.

    Raises:
        StartUpError: The folder holds something already, or the file cannot be read.
    """
    if any(path.name not in LEFT_OUT for path in folder.iterdir()):
        raise StartUpError(f"{folder} is not empty: choose another one with --data-dir")
    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(folder, filter="data")
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise StartUpError(f"cannot restore from {archive}: {error}") from error
