"""Below ``/v1`` each operation is refused to workers, and unknown to other organizations."""

import re
from typing import Any

import pytest

from tests.fixtures.api import Api
from tests.support.definitions import created
from tests.support.dialogs import asks, graph
from tests.support.platform import Platform

COMMENT = {"content": "x"}
RATING = {"value": "up"}
NAME = {"name": "x"}
# What operations take that do not do without; all others get an empty object.
BODIES: dict[str, Any] = {
    "POST /v1/workflows": NAME,
    "PATCH /v1/workflows/{workflow_id}/concurrency": {"max_concurrent_runs": None},
    "POST /v1/workflows/import/bundle": {"bundle": {}},
    "PUT /v1/workflows/{workflow_id}/super-node-interface": {"interface": {}},
    "PATCH /v1/workflows/{workflow_id}/versions/{version_number}": {"version_name": "x"},
    "PATCH /v1/workflows/{workflow_id}/versions/{version_number}/config": {"config": {}},
    "POST /v1/workflows/{workflow_id}/execute": {"run_input": {}},
    "POST /v1/global-variables": {**NAME, "value": 1},
    "POST /v1/global-variables/bulk": {"variables": []},
}
# Nothing of anybody's: what may be written into a graph.
PUBLIC_TO_ALL = {"GET /v1/workflows/schema"}


def operations(api: Api) -> list[tuple[str, str]]:
    return [
        (method.upper(), path)
        for path, methods in api.app.openapi()["paths"].items()
        for method in methods
        if path.startswith("/v1/")
    ]


def body_of(name: str) -> Any:
    if name.endswith("/comments"):
        return COMMENT
    return RATING if name.startswith("PUT") and name.endswith("/rating") else BODIES.get(name, {})


async def tried(platform: Platform, method: str, path: str, ids: dict[str, str]) -> int:
    numbers = {"version_number": "0", "first": "0", "second": "0", "turn_index": "0"}

    def filled(match: re.Match[str]) -> str:
        name = match[1]
        return ids.get(name) or numbers.get(name) or ("0" * 24 if name.endswith("_id") else "0")

    answer = await platform.client.request(
        method,
        re.sub(r"{(\w+)}", filled, path),
        json=None if method in ("GET", "DELETE") else body_of(f"{method} {path}"),
    )
    return answer.status_code


async def test_workers_may_do_nothing_below_v1(api: Api, platform: Platform) -> None:
    workflow = await created(platform, graph(asks("desk")))
    worker = await api.person(platform.organization_id, "worker")

    allowed = {
        f"{method} {path}"
        for method, path in operations(api)
        if await tried(worker, method, path, {"workflow_id": workflow["_id"]}) != 403
    }

    assert len(operations(api)) > 50
    assert allowed == PUBLIC_TO_ALL


@pytest.mark.parametrize("role", ["publisher", "integration", "app_user", "backoffice"])
async def test_every_other_role_may_do_all_of_it(api: Api, platform: Platform, role: str) -> None:
    person = await api.person(platform.organization_id, role)

    refused = {
        f"{method} {path}"
        for method, path in operations(api)
        if await tried(person, method, path, {}) == 403
    }

    assert refused == set()


async def test_what_names_something_foreign_finds_nothing(
    api: Api, platform: Platform, stranger: Platform
) -> None:
    workflow = await created(platform, graph(asks("desk")))
    variable = await platform.client.post("/v1/global-variables", json={**NAME, "value": 1})
    ids = {"workflow_id": workflow["_id"], "variable_id": variable.json()["variable"]["_id"]}
    names = ("workflows", "workflow_versions", "global_variables")
    theirs = {"organization_id": platform.organization_id}

    async def stored() -> list[Any]:
        return [
            await api.database[name].find(theirs).sort("_id", 1).to_list(None) for name in names
        ]

    before = await stored()
    assert all(before)

    found = {
        f"{method} {path}": status
        for method, path in operations(api)
        if "{" in path and (status := await tried(stranger, method, path, ids)) != 404
    }

    assert found == {}
    assert await stored() == before
