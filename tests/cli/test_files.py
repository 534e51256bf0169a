"""Files of flows over the command line and a real API."""

import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from cli import files
from cli.transfers import CHUNK_BYTES
from store.collections import FILE_CONTENTS, FILES
from tests.fixtures.api import Api
from tests.support.documents import a_flow, task
from tests.support.platform import Platform
from tests.support.platform_process import REPOSITORY
from tests.support.served import served
from tests.support.shell import Shell
from tests.support.uploads import Folder, a_folder

CONTENT = bytes(range(256)) * (CHUNK_BYTES // 256) + b"and some more"


@pytest.fixture(scope="module")
async def url(api: Api) -> AsyncIterator[str]:
    async with served(api.app) as url:
        yield url


@pytest.fixture
async def shell(
    platform: Platform, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Shell:
    """A command line in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Shell(platform, url, tmp_path)


@pytest.fixture
async def folder(platform: Platform) -> Folder:
    return await a_folder(platform)


def test_every_command_is_explained() -> None:
    page = (REPOSITORY / "docs/command-line.md").read_text()
    commands = {command.name for command in files.app.registered_commands}

    assert commands == {"upload", "list", "download", "resolve"}
    assert all(f"- `perdure files {name} " in page for name in commands)


async def test_what_is_uploaded_is_listed_and_downloaded(shell: Shell, folder: Folder) -> None:
    (shell.folder / "Grüße 1.pdf").write_bytes(CONTENT)

    uploaded = await shell.run("files", "upload", folder.flow_id, "Grüße 1.pdf")
    key = uploaded.stdout.strip()
    listed = await shell.run("files", "list", folder.flow_id)
    refused = await shell.run("files", "download", key)
    (shell.folder / "Grüße 1.pdf").unlink()
    downloaded = await shell.run("files", "download", f"file:{key}")

    assert (uploaded.exit_code, uploaded.stderr) == (0, "")
    (stored,) = await folder.files()
    assert (stored["file_key"], stored["content_type"]) == (key, "application/pdf")
    assert listed.stdout == f"{key}  {len(CONTENT):>10}  application/pdf  Grüße 1.pdf\n"
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "perdure: Grüße 1.pdf exists; say where to with --output\n"
    assert (downloaded.exit_code, downloaded.stdout) == (0, "Grüße 1.pdf\n")
    assert (shell.folder / "Grüße 1.pdf").read_bytes() == CONTENT
    assert [each.name for each in shell.folder.iterdir()] == ["Grüße 1.pdf"]


async def test_flows_are_named_and_answers_are_json_where_that_is_asked_for(shell: Shell) -> None:
    flow = await shell.platform.flow(a_flow(task("a")))
    name = str(flow["display_name"])
    (shell.folder / "note").write_bytes(b"a note")

    uploaded = await shell.run(
        "files", "upload", name, "note", "--content-type", "text/x", "--json"
    )
    listed = await shell.run("files", "list", name, "--json")
    file = json.loads(uploaded.stdout)
    linked = await shell.run("files", "resolve", file["file_key"], "--json")
    plain = await shell.run("files", "resolve", file["file_key"])

    assert (file["content_type"], file["size"]) == ("text/x", 6)
    assert file["metadata"]["sha256"] == sha256(b"a note").hexdigest()
    assert json.loads(listed.stdout) == {"files": [file]}
    assert json.loads(linked.stdout)["expires_in_seconds"] == 3_600
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(plain.stdout.strip())).content == b"a note"


async def test_output_says_where_to_and_may_replace(shell: Shell, folder: Folder) -> None:
    key = await folder.stored(CONTENT)
    (shell.folder / "there").write_bytes(b"old")

    ended = await shell.run("files", "download", key, "-o", "there")

    assert (ended.exit_code, ended.stdout) == (0, "there\n")
    assert (shell.folder / "there").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("../../up.txt", "up.txt"),
        ("/etc/absolute.txt", "absolute.txt"),
        ("C:\\dir\\windows.txt", "windows.txt"),
        (".profile", "profile"),
        ("..", None),
    ],
)
async def test_a_name_leads_nowhere_else(
    shell: Shell, folder: Folder, filename: str, expected: str | None
) -> None:
    key = await folder.stored(b"content", filename=filename)

    ended = await shell.run("files", "download", key)

    assert ended.stdout == f"{expected or key}\n", ended.stderr
    assert [each.name for each in shell.folder.iterdir()] == [expected or key]


async def test_names_do_not_drive_a_terminal(shell: Shell, folder: Folder) -> None:
    await folder.stored(b"content", filename="right\u202eto left")

    ended = await shell.run("files", "list", folder.flow_id)

    assert ended.stdout.endswith("  right?to left\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["upload", "FLOW", "nothing"], "there is no file nothing"),
        (["upload", "no such flow", "here"], "no flow has the id or name 'no such flow'"),
        (["list", "no such flow"], "no flow has the id or name 'no such flow'"),
        (["upload", "FLOW", "here", "--content-type", "none"], "content_type"),
        (["download", "unknown"], "no such file"),
        (["resolve", "http://elsewhere/"], "uri must be file: and a file key"),
        (["download", "KEY", "-o", "no/such/folder"], "No such file or directory"),
    ],
)
async def test_what_goes_wrong_is_one_line(
    shell: Shell, folder: Folder, arguments: list[str], said: str
) -> None:
    (shell.folder / "here").write_bytes(b"content")
    known = {"FLOW": folder.flow_id, "KEY": await folder.stored(b"content")}

    ended = await shell.run("files", *(known.get(each, each) for each in arguments))

    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.startswith("perdure: ")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


async def test_a_download_that_breaks_off_leaves_nothing(
    shell: Shell, folder: Folder, api: Api
) -> None:
    """The stored file is damaged: its last piece is gone."""
    key = await folder.stored(CONTENT)
    file = await api.database[FILES].find_one({"_id": key})
    assert file is not None
    last = {"files_id": file["content_id"], "n": 1}
    assert (await api.database[f"{FILE_CONTENTS}.chunks"].delete_one(last)).deleted_count == 1

    ended = await shell.run("files", "download", key)

    assert ended.exit_code == 1
    assert ended.stderr.startswith("perdure: no answer from 127.0.0.1 (")
    assert list(shell.folder.iterdir()) == []
