import os
from pathlib import Path

import pytest

from flows.errors import StartUpError
from runtime import binaries


def executable(path: Path, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_the_packaged_binaries_can_be_executed(tmp_path: Path) -> None:
    for binary in (
        binaries.temporal_binary(),
        binaries.test_server_binary(),
        binaries.mongod_binary(tmp_path),
    ):
        assert os.access(binary, os.X_OK)


def test_a_mongod_on_path_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = executable(tmp_path / "bin" / "mongod")
    monkeypatch.setenv("PATH", str(own.parent))

    assert binaries.mongod_binary(tmp_path / "data") == own.resolve()


def test_a_packaged_mongod_gets_its_execute_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = executable(tmp_path / "shipped" / "bin" / "mongod", mode=0o644)
    install(tmp_path, shipped, monkeypatch)

    assert binaries.mongod_binary(tmp_path / "data") == shipped
    assert os.access(shipped, os.X_OK)


def test_a_mongod_that_cannot_be_changed_is_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = executable(tmp_path / "shipped" / "bin" / "mongod", mode=0o644)
    install(tmp_path, shipped, monkeypatch)
    monkeypatch.setattr(Path, "chmod", refusing(shipped, Path.chmod))

    copy = binaries.mongod_binary(tmp_path / "data")
    written_at = copy.stat().st_mtime_ns

    assert copy == tmp_path / "data" / "mongod"
    assert os.access(copy, os.X_OK)
    assert binaries.mongod_binary(tmp_path / "data").stat().st_mtime_ns == written_at


def test_no_mongod_for_this_platform_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries, "_MONGOD_PACKAGE", "perdure_has_no_such_package.db")

    with pytest.raises(StartUpError, match=r"no mongod for .*PERDURE_MONGODB_URI"):
        binaries.mongod_binary(tmp_path)


def install(folder: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the shipped file the one that the package search finds, with none on PATH."""
    package = shipped.parents[1]
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(binaries, "_MONGOD_PACKAGE", package.name)
    monkeypatch.setenv("PATH", str(folder / "nothing"))


def refusing(path: Path, chmod: object) -> object:
    def refuse(self: Path, mode: int) -> None:
        if self == path:
            raise PermissionError(1, "Operation not permitted")
        os.chmod(self, mode)

    return refuse
