"""Flows as files: applied, exported and compared, over a real API."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings

from flows.reading import read_document
from tests.fixtures.api import Api
from tests.support.documents import START, a_flow, task
from tests.support.generated_flows import GeneratedFlow, generated_flows
from tests.support.platform import Json, Platform
from tests.support.served import served
from tests.support.shell import Shell


@pytest.fixture(scope="module")
async def url(api: Api) -> AsyncIterator[str]:
    async with served(api.app) as url:
        yield url


@pytest.fixture
async def shell(platform: Platform, url: str, tmp_path: Path) -> Shell:
    return Shell(platform, url, tmp_path)


def named(name: str, *tasks: Json) -> Json:
    return {"name": name, **a_flow(*tasks)}


@pytest.mark.parametrize("extension", ["yaml", "yml", "json"])
async def test_applying_creates_then_changes_then_does_nothing(
    shell: Shell, extension: str
) -> None:
    file = f"flow.{extension}"
    said = []
    for tasks in ([], [], [task("second")], [task("second")]):
        ended = await shell.run("apply", shell.file(named("Greeting", *tasks), file))
        assert (ended.exit_code, ended.stderr) == (0, "")
        said.append(ended.stdout)

    assert said == [
        "created   Greeting v1\n",
        "unchanged Greeting v1\n",
        "changed   Greeting v2\n",
        "unchanged Greeting v2\n",
    ]
    assert (await shell.flows())["Greeting"]["definition"] == named("Greeting", task("second"))


async def test_a_file_without_a_name_gives_its_own(shell: Shell) -> None:
    ended = await shell.run("apply", shell.file(a_flow(), "invoices.yaml"))

    assert ended.stdout == "created   invoices v1\n"


async def test_a_dry_run_changes_nothing_and_says_what_is_wrong(shell: Shell) -> None:
    same, other, new = named("same"), named("other"), named("new")
    await shell.run("apply", shell.file(same, "same.yaml"), shell.file(other, "other.yaml"))
    before = await shell.flows()
    unfinished: Json = {"name": "call", "task_executor_name": "http_request", "parameters": {}}
    files = [
        shell.file(same, "same.yaml"),
        shell.file(named("other", unfinished), "other.yaml"),
        shell.file(new, "new.yaml"),
    ]

    ended = await shell.run("apply", "--dry-run", *files)

    assert ended.exit_code == 0
    lines = ended.stdout.splitlines()
    assert [line for line in lines if not line.startswith("  ")] == [
        "unchanged same v1 (dry run)",
        "changed   other v1 (dry run)",
        "created   new (dry run)",
    ]
    assert any(line.startswith("  tasks.1.parameters") for line in lines), lines
    assert await shell.flows() == before


async def test_what_the_api_refuses_is_told_and_the_rest_is_applied(shell: Shell) -> None:
    faulty = named("faulty", {"name": "x", "task_executor_name": "no_such_thing"})
    files = [shell.file(faulty, "faulty.yaml"), shell.file(named("fine"), "fine.yaml")]

    ended = await shell.run("apply", *files)

    assert (ended.exit_code, ended.stdout) == (1, "created   fine v1\n")
    first, *faults = ended.stderr.splitlines()
    assert first.startswith(f"perdure: {files[0]}: ")
    assert any("tasks.1.task_executor_name" in fault for fault in faults)
    assert [*await shell.flows()] == ["fine"]


async def test_nothing_is_applied_if_a_file_cannot_be_read(shell: Shell) -> None:
    good, bad = shell.file(named("good"), "good.yaml"), shell.folder / "bad.yaml"
    for text, said in (
        ("tasks: [", "cannot be read"),
        ("a: 1\na: 2", "stands twice"),
        ("- 1", "must be an object"),
    ):
        bad.write_text(text)
        ended = await shell.run("apply", good, str(bad))
        assert (ended.exit_code, ended.stdout) == (1, "")
        assert ended.stderr.startswith(f"perdure: {bad}")
        assert said in ended.stderr
    missing = await shell.run("apply", good, str(shell.folder / "none.yaml"))

    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "cannot read" in missing.stderr
    assert await shell.flows() == {}


async def test_two_files_cannot_define_one_flow(shell: Shell) -> None:
    one, other = shell.file(named("twin"), "a.yaml"), shell.file(named("twin"), "b.yaml")

    ended = await shell.run("apply", one, other)
    repeated = await shell.run("apply", one, one)

    assert ended.exit_code == 1
    assert ended.stderr == f"perdure: {one} and {other} both define the flow 'twin'\n"
    assert repeated.stdout == "created   twin v1\n"


@pytest.mark.parametrize("options", [["--dry-run"], []])
async def test_a_published_flow_stays_as_it_is(shell: Shell, options: list[str]) -> None:
    flow = await shell.platform.flow(named("fixed"), display_name="fixed")
    await shell.platform.client.patch(f"/api/flows/{flow['id']}", json={"status": "published"})

    unchanged = await shell.run("apply", *options, shell.file(named("fixed")))
    refused = await shell.run("apply", *options, shell.file(named("fixed", task("more"))))

    assert (unchanged.exit_code, unchanged.stdout[:9]) == (0, "unchanged")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.endswith("flow.yaml: only drafts can be changed\n")


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(generated=generated_flows(with_code=True))
async def test_what_is_exported_is_unchanged_when_applied(
    shell: Shell, generated: GeneratedFlow
) -> None:
    flow = await shell.platform.flow(generated.definition)
    file = str(shell.folder / "exported.yaml")

    exported = await shell.run("export", str(flow["id"]), "-o", file)
    compared = await shell.run("diff", file)
    applied = await shell.run("apply", file)

    assert (exported.exit_code, exported.stdout) == (0, "")
    assert (compared.exit_code, compared.stdout) == (0, "")
    assert applied.stdout == f"unchanged {flow['display_name']} v1\n"


async def test_any_version_is_exported_by_id_or_name(shell: Shell) -> None:
    flow = await shell.platform.flow(a_flow(), display_name="two versions")
    path = f"/api/flows/{flow['id']}"
    await shell.platform.client.put(
        f"{path}/definition", json={"definition": a_flow(task("added", code="x = 1\ny = 2\n"))}
    )

    latest = await shell.run("export", "two versions")
    first = await shell.run("export", str(flow["id"]), "--version", "1")
    output = shell.folder / "flow.json"
    as_json = await shell.run("export", "two versions", "--output", str(output))

    assert latest.stdout.startswith("name: two versions\n")
    assert "|\n" in latest.stdout
    assert read_document(latest.stdout, media="yaml") == {
        "name": "two versions",
        **a_flow(task("added", code="x = 1\ny = 2\n")),
    }
    assert read_document(first.stdout, media="yaml") == {"name": "two versions", **a_flow()}
    assert (as_json.exit_code, json.loads(output.read_text())["name"]) == (0, "two versions")


async def test_a_secret_is_exported_as_its_mask_which_means_unchanged(shell: Shell) -> None:
    hook: Json = {"name": "hook", "task_executor_name": "webhook_receive"}
    secret: Json = {"parameters": {"secret": "hush hush"}}
    await shell.run("apply", shell.file({"name": "hooked", "tasks": [{**hook, **secret}]}))
    file = str(shell.folder / "exported.yaml")

    await shell.run("export", "hooked", "-o", file)
    applied = await shell.run("apply", file)

    assert "hush" not in shell.text(file)
    assert "********" in shell.text(file)
    assert applied.stdout == "unchanged hooked v1\n"


async def test_a_renamed_flow_is_exported_under_its_new_name(shell: Shell) -> None:
    flow = await shell.platform.flow(named("old"), display_name="old")
    await shell.platform.client.patch(f"/api/flows/{flow['id']}", json={"display_name": "new"})
    file = str(shell.folder / "x.yaml")

    await shell.run("export", "new", "-o", file)

    assert (await shell.run("apply", file)).stdout == "unchanged new v1\n"


async def test_what_differs_is_shown_line_by_line(shell: Shell) -> None:
    await shell.run("apply", shell.file(named("compared", task("a", note="one\ntwo\n"))))
    file = shell.file(named("compared", task("a", note="one\n2\n")))

    ended = await shell.run("diff", file)

    assert ended.exit_code == 1
    lines = ended.stdout.splitlines()
    assert lines[:2] == ["--- compared v1", f"+++ {file}"]
    assert [line.strip("+- ") for line in lines[2:] if line[0] in "+-"] == ["two", "2"]
    assert [line[0] for line in lines[2:] if line[0] in "+-"] == ["-", "+"]


async def test_the_order_of_keys_is_no_difference(shell: Shell) -> None:
    await shell.run("apply", shell.file(named("ordered", task("a"))))
    turned: Any = dict(reversed([*named("ordered", task("a")).items()]))
    turned["tasks"] = [dict(reversed([*each.items()])) for each in turned["tasks"]]
    file = shell.file(turned)

    ended = await shell.run("diff", file)

    assert (ended.exit_code, ended.stdout) == (0, "")
    assert (await shell.run("apply", file)).stdout == "unchanged ordered v1\n"


async def test_a_flow_that_there_is_not_differs_in_every_line(shell: Shell) -> None:
    file = shell.file({"name": "none yet", "tasks": [START]})

    ended = await shell.run("diff", file)

    assert ended.exit_code == 1
    assert ended.stdout.startswith("--- /dev/null\n")
    assert "+name: none yet\n" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["export", "nothing"], 1, "no flow has the id or name 'nothing'"),
        (["export", str(uuid4())], 1, "no such flow"),
        (["diff", "no/such/file.yaml"], 2, "cannot read no/such/file.yaml"),
        (["apply", "no/such/file.yaml"], 1, "cannot read no/such/file.yaml"),
    ],
    ids=["export", "export id", "diff", "apply"],
)
async def test_what_does_not_exist_is_one_line(
    shell: Shell, arguments: list[str], status: int, said: str
) -> None:
    ended = await shell.run(*arguments)

    assert (ended.exit_code, ended.stdout) == (status, "")
    [line] = ended.stderr.splitlines()
    assert line.startswith("perdure: ")
    assert said in line


async def test_an_unknown_version_or_place_is_one_line(shell: Shell) -> None:
    await shell.run("apply", shell.file(named("lonely")))

    version = await shell.run("export", "lonely", "--version", "7")
    place = await shell.run("export", "lonely", "-o", str(shell.folder / "no" / "where.yaml"))

    assert (version.exit_code, place.exit_code) == (1, 1)
    for ended in (version, place):
        assert len(ended.stderr.splitlines()) == 1
    assert "cannot write" in place.stderr


async def test_without_a_key_or_with_a_bad_one_nothing_is_done(shell: Shell) -> None:
    file = shell.file(named("keyless"))

    none = await shell.run("apply", file, PERDURE_API_KEY="")
    bad = await shell.run("apply", file, PERDURE_API_KEY="saf_x")
    compared = await shell.run("diff", file, PERDURE_API_KEY="")

    assert (none.exit_code, bad.exit_code, compared.exit_code) == (1, 1, 2)
    assert "PERDURE_API_KEY is not set" in none.stderr
    assert "refused the key" in bad.stderr
