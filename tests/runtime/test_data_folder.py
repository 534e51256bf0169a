import base64
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from flows.errors import StartUpError
from runtime.data_folder import DataFolder, write_private


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "with a space")

    with folder.held():
        secret, key = folder.jwt_secret(), folder.encryption_key()

    again = DataFolder(tmp_path / "with a space")
    assert (again.jwt_secret(), again.encryption_key()) == (secret, key)
    assert len(base64.b64decode(key)) == 32
    assert mode_of(folder.path) == 0o700
    assert {mode_of(path) for path in folder.path.iterdir()} == {0o600}


def test_two_folders_have_different_secrets(tmp_path: Path) -> None:
    one, other = DataFolder(tmp_path / "one"), DataFolder(tmp_path / "other")

    with one.held(), other.held():
        assert one.jwt_secret() != other.jwt_secret()


def test_a_second_platform_is_kept_out_while_the_first_runs(tmp_path: Path) -> None:
    with (
        DataFolder(tmp_path).held(),
        pytest.raises(StartUpError, match="already runs"),
        DataFolder(tmp_path).held(),
    ):
        pass

    with DataFolder(tmp_path).held():
        pass


def test_a_platform_that_was_killed_leaves_no_lock(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from runtime.data_folder import DataFolder\n"
        "with DataFolder(Path(sys.argv[1])).held(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(tmp_path)], cwd=Path(__file__).parents[2], check=False
    )

    assert killed.returncode == -9
    with DataFolder(tmp_path).held():
        pass


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(StartUpError, match="cannot write to the data folder") as refused,
        DataFolder(tmp_path / "file" / "below").held(),
    ):
        pass

    assert "\n" not in refused.value.message


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(StartUpError, match="the disk is full"),
        DataFolder(tmp_path).held(minimum_free_bytes=2**60),
    ):
        pass


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    write_private(tmp_path / "ready", "old")

    write_private(tmp_path / "ready", "new")

    assert (tmp_path / "ready").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]
    with pytest.raises(StartUpError, match="cannot write"):
        write_private(tmp_path / "missing" / "ready", "x")
