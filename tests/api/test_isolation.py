"""What belongs to one organization, as another one meets it: refused, and nothing changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import JsonValue

from tests.fixtures.api import Api, bearer
from tests.support.documents import a_flow, task
from tests.support.platform import Platform
from tests.support.uploads import Folder

Json = dict[str, JsonValue]

COLLECTIONS = (
    "flows",
    "flow_versions",
    "flow_executions",
    "task_executions",
    "task_outputs",
    "task_statuses",
    "task_tags",
    "tag_words",
    "flow_tallies",
    "credentials",
    "flow_invitations",
    "worker_groups",
    "service_accounts",
    "api_keys",
    "files",
    "human_reviews",
    "human_review_assignments",
)
CODES = {400: "bad_request", 403: "forbidden", 404: "not_found"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call at something foreign, and the status that it must get."""

    method: str
    path: str
    status: int
    body: JsonValue = None
    parameters: Mapping[str, str] | None = None

    def __str__(self) -> str:
        """Return what names the test."""
        return f"{self.method} {self.path}"


ATTEMPTS = [
    Attempt("GET", "/api/flows/{flow}", 403),
    Attempt("PATCH", "/api/flows/{flow}", 403, {"display_name": "taken over"}),
    Attempt("DELETE", "/api/flows/{flow}", 403),
    Attempt("GET", "/api/flows/{flow}/clone-info", 404),
    Attempt("PUT", "/api/flows/{flow}/definition", 403, {"definition": {"tasks": []}}),
    Attempt("PUT", "/api/flows/{flow}/task", 403, task("intruder")),
    Attempt("POST", "/api/flows/{flow}/validate", 404, {"definition": {}}),
    Attempt("GET", "/api/flows/{flow}/versions", 403),
    Attempt("GET", "/api/flows/{flow}/versions/summary", 404),
    Attempt("GET", "/api/flows/{flow}/versions/1", 403),
    Attempt("PATCH", "/api/flows/{flow}/versions/1", 404, {"name": "taken over"}),
    Attempt("POST", "/api/flows/{flow}/versions/1/restore", 404),
    Attempt("GET", "/api/flows/{flow}/versions/1/summary", 404),
    Attempt("POST", "/api/flow-executions", 403, {"flow_id": "{flow}", "input": {"text": "x"}}),
    Attempt("GET", "/api/flow-executions", 403, parameters={"flow_id": "{flow}"}),
    Attempt("GET", "/api/flow-executions/{execution}", 403),
    Attempt("DELETE", "/api/flow-executions/{execution}", 403),
    Attempt("POST", "/api/flow-executions/{execution}/cancel", 404),
    Attempt("POST", "/api/flow-executions/{execution}/execute", 403),
    Attempt(
        "PATCH",
        "/api/flow-executions/{execution}/status",
        404,
        parameters={"status": "cancelled"},
    ),
    Attempt(
        "POST",
        "/api/flow-executions/{execution}/webhook-data",
        404,
        {"task_name": "a", "data": {}},
    ),
    Attempt("GET", "/api/flow-executions/{execution}/plan", 403),
    Attempt("GET", "/api/task-executions/{task_execution}", 404),
    Attempt(
        "PUT",
        "/api/task-executions",
        404,
        {
            "id": "{task_execution}",
            "flow_execution_id": "{execution}",
            "task_name": "a",
            "task_execution_idx": 0,
            "status": "completed",
            "output": {"value": "taken over"},
        },
    ),
    Attempt("GET", "/api/task-outputs/{task_output}", 404),
    Attempt(
        "POST",
        "/api/task-executions",
        404,
        {
            "flow_execution_id": "{execution}",
            "task_name": "a",
            "task_execution_idx": 0,
            "status": "completed",
        },
    ),
    Attempt(
        "POST",
        "/api/task-outputs",
        404,
        {
            "flow_execution_id": "{execution}",
            "task_name": "a",
            "summary": "theirs",
            "organization_id": "{organization}",
        },
    ),
    Attempt(
        "POST",
        "/api/flow-executions/{execution}/task-status",
        403,
        {"statuses": [{"task_name": "a", "status": "completed"}]},
    ),
    Attempt(
        "POST",
        "/api/human-review-tasks",
        400,
        {
            "flow_execution_id": "{execution}",
            "source_task_name": "a",
            "source_task_execution_idx": 1,
            "target_task_executions": [{"task_name": "a", "task_execution_idx": 0}],
            "assigned_users": ["{account}"],
        },
    ),
    Attempt("GET", "/api/human-review-tasks/{review}", 404),
    Attempt("GET", "/api/human-review-tasks/{review}/assignments", 404),
    Attempt("POST", "/api/human-review-tasks/{review}/start", 404),
    Attempt("POST", "/api/human-review-tasks/{review}/unstart", 404),
    Attempt(
        "POST",
        "/api/human-review-tasks/{review}/complete",
        404,
        {"review_result": True, "reviewed_output": [{}]},
    ),
    Attempt("GET", "/api/flows/{flow}/tags", 403),
    Attempt("GET", "/api/flows/{flow}/metadata/keys", 403),
    Attempt("GET", "/api/flows/{flow}/metadata/values", 403, parameters={"key": "k"}),
    Attempt("GET", "/api/task-tags", 404, parameters={"flow_execution_id": "{execution}"}),
    Attempt(
        "PATCH",
        "/api/task-tags",
        404,
        {
            "tags": [
                {
                    "operation": "add",
                    "flow_execution_id": "{execution}",
                    "task_name": "a",
                    "tag": "theirs",
                    "tag_type": "intruder",
                }
            ]
        },
    ),
    Attempt("GET", "/api/integrations/credentials/{credential}", 404),
    Attempt("PATCH", "/api/integrations/credentials/{credential}", 404, {"value": "taken over"}),
    Attempt("DELETE", "/api/integrations/credentials/{credential}", 404),
    # Whoever may follow is refused as well, since no event has this id yet: no stream hangs here.
    Attempt("GET", "/api/flows/{flow}/events", 403, parameters={"last_event_id": "4000000000.1.0"}),
    Attempt("GET", "/api/flows/{flow}/invitations", 403),
    Attempt("PUT", "/api/flows/{flow}/invitations", 403, {"user_ids": ["{account}"]}),
    Attempt("DELETE", "/api/flows/{flow}/invitations", 403, {"user_ids": ["{account}"]}),
    Attempt("GET", "/api/flows/{flow}/team-invitations", 403),
    Attempt("PUT", "/api/flows/{flow}/team-invitations", 403, {"worker_group_ids": ["{group}"]}),
    Attempt("DELETE", "/api/flows/{flow}/team-invitations", 403, {"worker_group_ids": ["{group}"]}),
    Attempt("GET", "/api/organizations/{organization}", 403),
    Attempt("GET", "/api/organizations/worker-groups/{group}", 404),
    Attempt("PUT", "/api/organizations/worker-groups/{group}", 404, {"name": "taken over"}),
    Attempt("DELETE", "/api/organizations/worker-groups/{group}", 404),
    Attempt("POST", "/api/organizations/worker-groups/{group}/members", 404, {}),
    Attempt("GET", "/api/service-accounts/{account}", 404),
    Attempt("PATCH", "/api/service-accounts/{account}", 404, {"role": "org_admin"}),
    Attempt("DELETE", "/api/service-accounts/{account}", 404),
    Attempt("POST", "/api/service-accounts/{account}/activate", 404),
    Attempt("POST", "/api/service-accounts/{account}/deactivate", 404),
    Attempt("GET", "/api/service-accounts/{account}/api-keys", 404),
    Attempt("POST", "/api/service-accounts/{account}/api-keys", 404, {"name": "taken over"}),
    Attempt("PATCH", "/api/service-accounts/{account}/api-keys/{key}", 404, {"name": "mine"}),
    Attempt("DELETE", "/api/service-accounts/{account}/api-keys/{key}", 404),
    Attempt("POST", "/api/flows/{flow}/upload-url", 404),
    Attempt("GET", "/api/flows/{flow}/files", 404),
    Attempt("POST", "/api/flows/download-url", 404, {"file_key": "{file}"}),
    Attempt("POST", "/api/files/resolve", 404, {"uri": "{file}"}),
    Attempt("GET", "/api/files/download", 404, parameters={"uri": "{file}"}),
]

# Reads that name no id of anybody's: they show the caller's own, which the tests of lists cover.
UNADDRESSED = {
    "GET /api/flows",
    "POST /api/flows",
    "GET /api/flows/available-tags",
    "GET /api/task-executions",
    "GET /api/human-review-tasks",
    "GET /api/human-review-tasks/by-execution",
    "GET /api/models",
    "GET /api/task-executors",
    "GET /api/task-outputs",
    "POST /api/task-data",
    "GET /api/integrations/credentials",
    "POST /api/integrations/credentials",
    "GET /api/integrations/credentials/events",
    "PUT /api/organizations/settings",
    "GET /api/organizations/credits",
    "GET /api/organizations/worker-groups",
    "POST /api/organizations/worker-groups",
    "GET /api/profile/me",
    "PATCH /api/profile/me",
    "GET /api/service-accounts",
    "POST /api/service-accounts",
    "GET /api/files/content",  # for whoever has a link; tests/api/test_files.py
    "PUT /api/files/content",
    "POST /api/webhooks/{}/{}",  # for anybody; tests/api/test_webhooks.py
}


# What has nothing to do with flows, and what a machine reports on work that it was handed.
NOT_OF_A_FLOW = ("/api/integrations/", "/api/organizations/", "/api/service-accounts/")
NEEDING_NO_INVITATION = {
    "/api/flow-executions/{execution}/status",
    "/api/flow-executions/{execution}/task-status",
    "/api/flow-executions/{execution}/webhook-data",
    "/api/task-executions",
    "/api/task-outputs",
}


@pytest.fixture(scope="module")
async def owned(working_api: Api) -> tuple[Platform, dict[str, str]]:
    """An organization with one of everything, and the ids of all that."""
    owner = await working_api.organization()
    return owner, await one_of_everything(owner)


async def one_of_everything(owner: Platform, reviewer_id: str | None = None) -> dict[str, str]:
    """Make what the table above names, and return the ids; a review asks its reviewer."""
    execution = await owner.completed(a_flow(task("a")))
    shown = await execution.shown()
    row = (await execution.task_executions(task_name="a"))[0]
    outputs = (await owner.client.get("/api/task-outputs")).json()
    credential = await owner.client.post(
        "/api/integrations/credentials", json={"name": "key", "value": "a value"}
    )
    accounts = "/api/service-accounts"
    account = (await owner.client.post(accounts, json={"name": "robot"})).json()["id"]
    key = await owner.client.post(f"{accounts}/{account}/api-keys", json={"name": "key"})
    group = await owner.client.post("/api/organizations/worker-groups", json={"name": "group"})
    await owner.client.put(
        f"/api/flows/{shown['flow_id']}/invitations", json={"user_ids": [account]}
    )
    review = await owner.client.post(
        "/api/human-review-tasks",
        json={
            "flow_execution_id": execution.id,
            "source_task_name": "a",
            "source_task_execution_idx": 0,
            "target_task_executions": [{"task_name": "a", "task_execution_idx": 0}],
            "assigned_users": [reviewer_id or str(uuid4())],
        },
    )
    return {
        "organization": owner.organization_id,
        "review": review.json()["id"],
        "group": group.json()["id"],
        "account": account,
        "key": key.json()["id"],
        "credential": credential.json()["id"],
        "flow": str(shown["flow_id"]),
        "execution": execution.id,
        "task_execution": str(row["id"]),
        "task_output": outputs[0]["id"],
        "file": await Folder(owner, str(shown["flow_id"])).stored(b"x"),
    }


async def stored(api: Api, organization_id: str) -> dict[str, list[Mapping[str, Any]]]:
    """Return every document of an organization, but for when its own keys were used."""
    wanted, left_out = {"organization_id": organization_id}, {"last_used_at": 0}
    return {
        name: await api.database[name].find(wanted, left_out).to_list(None) for name in COLLECTIONS
    }


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=str)
async def test_what_is_foreign_is_refused_and_nothing_changes(
    working_api: Api, owned: tuple[Platform, dict[str, str]], attempt: Attempt
) -> None:
    owner, ids = owned
    intruder = await working_api.organization()
    before = await stored(working_api, owner.organization_id)
    own = await stored(working_api, intruder.organization_id)

    response = await tried(intruder.client, attempt, ids)

    assert response.status_code == attempt.status
    assert response.json()["error"]["code"] == CODES[attempt.status]
    assert await stored(working_api, owner.organization_id) == before
    assert await stored(working_api, intruder.organization_id) == own


def _filled(body: JsonValue, ids: Mapping[str, str]) -> JsonValue:
    names = {f"{{{name}}}": value for name, value in ids.items()}
    match body:
        case dict():
            return {key: _filled(value, ids) for key, value in body.items()}
        case list():
            return [_filled(value, ids) for value in body]
        case str():
            return names.get(body, body)
        case _:
            return body


async def test_lists_show_nothing_that_is_foreign(
    working_api: Api, owned: tuple[Platform, dict[str, str]]
) -> None:
    _, ids = owned
    intruder = (await working_api.organization()).client

    flows = await intruder.get("/api/flows")
    tags = await intruder.get("/api/flows/available-tags")
    rows = await intruder.get(
        "/api/task-executions", params={"flow_execution_id": ids["execution"]}
    )
    all_rows = await intruder.get("/api/task-executions")
    behind = await intruder.get("/api/task-executions", params={"after": ids["task_execution"]})
    outputs = await intruder.get("/api/task-outputs")
    reviews = await intruder.get(
        "/api/human-review-tasks/by-execution", params={"flow_execution_id": ids["execution"]}
    )

    assert flows.json()["total"] == 0
    assert tags.json() == outputs.json() == reviews.json() == []
    assert rows.json() == all_rows.json() == {"task_executions": []}
    assert behind.status_code == 404


async def test_a_foreign_execution_is_no_place_to_start_from(
    working_api: Api, owned: tuple[Platform, dict[str, str]]
) -> None:
    _, ids = owned
    intruder = await working_api.organization()
    flow = await intruder.flow(a_flow())

    response = await intruder.client.get(
        "/api/flow-executions",
        params={"flow_id": str(flow["id"]), "start_from_execution_id": ids["execution"]},
    )

    assert response.status_code == 400


async def test_to_an_uninvited_worker_a_flow_is_as_foreign(
    working_api: Api, owned: tuple[Platform, dict[str, str]]
) -> None:
    owner, ids = owned
    worker = (await working_api.person(owner.organization_id, "worker")).client
    foreign = [
        attempt
        for attempt in ATTEMPTS
        if attempt.path not in NEEDING_NO_INVITATION and not attempt.path.startswith(NOT_OF_A_FLOW)
    ]
    flow_ids = {
        ids[name] for name in ("flow", "execution", "task_execution", "task_output", "review")
    }
    of_execution = {"flow_execution_id": ids["execution"]}
    before = await stored(working_api, owner.organization_id)

    for attempt in foreign:
        answer = await tried(worker, attempt, ids)
        assert answer.status_code == attempt.status, str(attempt)
    assert await stored(working_api, owner.organization_id) == before
    for name in sorted(UNADDRESSED):
        method, path = name.split(" ")
        if method == "GET" and path != "/api/files/content":
            answer = await worker.get(path, params=of_execution)
            assert answer.status_code in (200, 403, 404), name
            assert not any(each in answer.text for each in flow_ids), name

    assert len(foreign) > 30


async def test_an_invited_worker_reads_all_of_a_flow(
    working_api: Api, owned: tuple[Platform, dict[str, str]]
) -> None:
    owner, ids = owned
    worker_id = str(uuid4())
    token = bearer(organization_id=owner.organization_id, role="worker", sub=worker_id)
    worker = await working_api.client(Authorization=f"Bearer {token}")
    path = f"/api/flows/{ids['flow']}/invitations"
    assert (await owner.client.put(path, json={"user_ids": [worker_id]})).status_code == 200

    for attempt in ATTEMPTS:
        is_read = attempt.method == "GET" and not attempt.path.startswith(NOT_OF_A_FLOW)
        if is_read and not attempt.path.endswith("invitations"):
            answer = await tried(worker, attempt, ids)
            assert answer.status_code in (200, 302, 400), str(attempt)


async def tried(
    client: httpx.AsyncClient, attempt: Attempt, ids: Mapping[str, str]
) -> httpx.Response:
    """Make an attempt."""
    return await client.request(
        attempt.method,
        attempt.path.format(**ids),
        json=_filled(attempt.body, ids),
        params={key: value.format(**ids) for key, value in (attempt.parameters or {}).items()},
    )


def test_no_operation_is_forgotten(working_api: Api) -> None:
    """Each operation that takes an id stands in the table above."""
    served = {
        f"{method.upper()} {without_names(path)}"
        for path, methods in working_api.app.openapi()["paths"].items()
        for method in methods
        if path.startswith("/api/")
    }

    tried = {f"{attempt.method} {without_names(attempt.path)}" for attempt in ATTEMPTS}

    assert served - tried == UNADDRESSED


def without_names(path: str) -> str:
    parts = path.replace("/versions/1", "/versions/{}").split("/")
    return "/".join("{}" if part.startswith("{") else part for part in parts)
