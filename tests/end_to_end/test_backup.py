"""A platform that is saved, lost and restored goes on."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from flows.errors import StartUpError
from runtime.archive import pack, unpack
from tests.support.effect_flows import INPUT, a_flow, a_note, an_effect
from tests.support.eventually import eventually
from tests.support.platform_process import running_platform
from tests.support.receiver import receiving

PATH = "/slow"


async def test_a_restored_platform_shows_what_ended_and_ends_what_was_open(tmp_path: Path) -> None:
    archive = tmp_path / "saved.tar.gz"
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    async with receiving() as receiver:
        gate = receiver.gate(PATH)
        async with running_platform(before, {"PERDURE_SHUTDOWN_GRACE": "0.5"}) as platform:
            notes = await platform.create_flow("notes", a_flow(a_note("note", "form")))
            ended = await platform.start(notes, INPUT)
            shown = await platform.finished(ended)
            slow = a_flow(an_effect("call", receiver, PATH, reads="form"))
            open_one = await platform.start(await platform.create_flow("slow", slow), INPUT)
            await eventually(lambda: receiver.arrived(PATH), saying="the effect begins")
            rows = await platform.rows(ended)
            refused = await asyncio.to_thread(run, "backup", str(archive), platform.data_dir)
            assert await platform.stop() == 0
        gate.set()
        saved = await asyncio.to_thread(run, "backup", str(archive), before / "data")
        (before / "data").rename(before / "lost")
        restored = await asyncio.to_thread(run, "restore", str(archive), after / "data")

        async with running_platform(after) as platform:
            assert await platform.execution(ended) == shown
            assert await platform.rows(ended) == rows
            assert (await platform.finished(open_one))["status"] == "completed"
            verdict = await platform.truth()

    assert isinstance(refused, StartUpError)
    assert saved is restored is None
    assert archive.stat().st_mode & 0o077 == 0
    assert (verdict["checked"], verdict["differences"]) == (2, [])
    assert len(set(receiver.keys[PATH])) == 1


def run(command: str, archive: str, data_dir: Path) -> BaseException | None:
    """Run a command, and return what it failed with."""
    result = CliRunner().invoke(app, [command, archive, "--data-dir", str(data_dir)])
    return result.exception


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Something that looks like a platform's state."""
    made = tmp_path / "data"
    for name in ("mongodb", "logs"):
        (made / name).mkdir(parents=True)
        (made / name / "file").write_text(name)
    (made / "temporal.db").write_bytes(b"histories")
    (made / "lock").write_text("1\n")
    return made


def test_logs_and_locks_are_left_out(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    pack(folder, tmp_path / "a.tar.gz")
    unpack(tmp_path / "a.tar.gz", empty)

    found = {str(path.relative_to(empty)) for path in empty.rglob("*") if path.is_file()}
    assert found == {"mongodb/file", "temporal.db"}


def test_an_archive_is_never_overwritten(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_text("precious")

    with pytest.raises(StartUpError, match="exists"):
        pack(folder, archive)

    assert archive.read_text() == "precious"


def test_what_is_no_platform_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(StartUpError, match="holds no platform"):
        pack(tmp_path, tmp_path / "a.tar.gz")


def test_a_platform_is_never_overwritten(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "a.tar.gz")

    with pytest.raises(StartUpError, match="is not empty"):
        unpack(tmp_path / "a.tar.gz", folder)


def test_half_an_archive_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "mongodb" / "big").write_bytes(bytes(range(256)) * 4_000)
    archive, empty = tmp_path / "a.tar.gz", tmp_path / "empty"
    empty.mkdir()
    pack(folder, archive)
    archive.write_bytes(archive.read_bytes()[:-200])

    with pytest.raises(StartUpError, match="cannot restore"):
        unpack(archive, empty)
