"""``perdure workflows`` against a served API with a worker."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tests.api.test_workflow_runs import turn
from tests.fixtures.api import Api
from tests.support.command import Ended, perdure_here
from tests.support.interactive import a_desk
from tests.support.platform import Platform
from tests.support.served import served

EXAMPLE = Path(__file__).parents[2] / "examples" / "claims_desk" / "dialog.json"


@pytest.fixture(scope="module")
async def url(working_api: Api) -> AsyncIterator[str]:
    async with served(working_api.app) as url:
        yield url


@pytest.fixture
def reaching(working: Platform, url: str) -> dict[str, str]:
    return {"PERDURE_URL": url, "PERDURE_API_KEY": working.client.headers["X-API-Key"]}


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Any], str]:
    def write(graph: Any) -> str:
        path = tmp_path / "desk.yaml"
        path.write_text(yaml.safe_dump(graph))
        return str(path)

    return write


async def done(reaching: dict[str, str], *arguments: str) -> str:
    ended = await perdure_here("workflows", *arguments, variables=reaching)
    assert (ended.status, ended.err) == (0, ""), ended
    return ended.out


async def refused(reaching: dict[str, str], *arguments: str) -> Ended:
    ended = await perdure_here("workflows", *arguments, variables=reaching)
    assert ended.status == 1
    assert "Traceback" not in ended.err
    return ended


async def test_a_file_becomes_a_workflow_and_what_changes_a_version(
    reaching: dict[str, str], written: Callable[[Any], str], working: Platform
) -> None:
    name = f"Desk {uuid4()}"
    graph: Any = {**a_desk(), "name": name}

    first = await done(reaching, "apply", written(graph))
    again = await done(reaching, "apply", written(graph))
    graph["node_configs"][0]["default_error_message"] = "(heard)"
    graph["dynamic_variables"] = {"customer": "Ada"}
    changed = await done(reaching, "apply", written(graph))
    del graph["dynamic_variables"]["customer"]
    fewer = await done(reaching, "apply", written(graph))
    listed = await done(reaching, "versions", name)
    went_back = await done(reaching, "activate", name, "1")

    assert first.split() == ["created", *name.split(), "v0"]
    assert again.split() == ["unchanged", *name.split(), "v0"]
    assert changed.split() == ["changed", *name.split(), "v1"]
    assert fewer.split() == ["changed", *name.split(), "v2"]
    marks = [line[0] for line in listed.splitlines()]
    assert sorted(marks) == [" ", " ", "*"]
    assert went_back.split() == ["active", *name.split(), "v1"]
    shown = json.loads(await done(reaching, "show", name, "--json"))
    assert shown["node_configs"][0]["default_error_message"] == "(heard)"
    assert shown["dynamic_variables"] == {"customer": "Ada"}


async def test_what_is_shown_can_be_applied(reaching: dict[str, str], tmp_path: Path) -> None:
    assert (await done(reaching, "apply", str(EXAMPLE))).startswith("created")
    path = tmp_path / "shown.yaml"
    path.write_text(await done(reaching, "show", "Claims desk"))

    assert await done(reaching, "apply", str(path)) == "unchanged Claims desk v0\n"


async def test_runs_are_listed_and_a_workflow_deleted_with_them(
    reaching: dict[str, str], written: Callable[[Any], str], working: Platform
) -> None:
    name = f"Desk {uuid4()}"
    await done(reaching, "apply", written({**a_desk(), "name": name}))
    [row] = (await done(reaching, "list", "--search", name)).splitlines()
    workflow_id = row.split()[0]
    run_id = str((await turn(working, workflow_id))["run_id"])

    [run] = (await done(reaching, "runs", name)).splitlines()
    nothing = await done(reaching, "runs", name, "--status", "completed")
    as_json = json.loads(await done(reaching, "runs", "--json"))
    deleted = await done(reaching, "delete", workflow_id, "--yes")

    assert run.split()[:3] == [run_id, "waiting_for_user_input", "v0"]
    assert nothing == ""
    assert [each["_id"] for each in as_json["workflow_runs"]] == [run_id]
    assert deleted.split() == ["deleted", *name.split()]
    assert await done(reaching, "list", "--search", name) == ""


async def test_refusals_are_told_in_a_line(
    reaching: dict[str, str], written: Callable[[Any], str], tmp_path: Path
) -> None:
    broken: Any = a_desk()
    broken["edge_configs"][0]["destination_node_logical_id"] = "node_nowhere"
    (tmp_path / "list.yaml").write_text("- 1\n")

    unknown = await refused(reaching, "show", "nobody's")
    graph = await refused(reaching, "apply", written(broken))
    file = await refused(reaching, "apply", str(tmp_path / "list.yaml"))

    assert unknown.err == 'perdure: no workflow has the id or name "nobody\'s"\n'
    assert "node_nowhere" in graph.err
    assert "top level must be an object" in file.err
