"""Credentials are created, changed and deleted, and never told."""

import json
from typing import Any
from uuid import uuid4

import pytest
from pydantic import JsonValue

from flows.secrets import MASK
from tests.fixtures.api import Api
from tests.support.documents import START, Json
from tests.support.leaks import dump_of, shows
from tests.support.platform import Platform

PATH = "/api/integrations/credentials"


@pytest.fixture
def hush() -> str:
    """A secret of this test's own."""
    return f"hush-{uuid4().hex}"


async def created(platform: Platform, value: str, **fields: JsonValue) -> Json:
    answer = await platform.client.post(PATH, json={"name": "key", "value": value, **fields})
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


def flow_with(reference: str) -> Json:
    task: Json = {
        "name": "tell",
        "task_executor_name": "format_data",
        "parameters": {"template": {"a": [f"x {{{{{reference}}}}}"]}},
    }
    return {"tasks": [START, task], "edges": [{"source": "start", "target": "tell"}]}


async def test_a_credential_lives_and_its_value_is_never_told(
    api: Api, platform: Platform, hush: str
) -> None:
    made = await created(platform, hush, kind="sftp", description="of the archive")
    path = f"{PATH}/{made['id']}"
    shown = await platform.client.get(path)
    changed = await platform.client.patch(path, json={"description": None, "value": f"{hush} new"})
    listed = await platform.client.get(PATH)
    deleted = await platform.client.delete(path)
    gone = await platform.client.get(path)
    events = await platform.client.get(f"{PATH}/events")

    assert made["value"] == MASK
    assert (made["name"], made["kind"], made["description"]) == ("key", "sftp", "of the archive")
    assert shown.json() == made
    assert changed.json() == {
        **made,
        "description": None,
        "updated_at": changed.json()["updated_at"],
    }
    assert listed.json() == {"credentials": [changed.json()]}
    assert (deleted.status_code, gone.status_code) == (204, 404)
    told = [(each["action"], each["name"], each["fields"]) for each in events.json()["events"]]
    assert told == [
        ("deleted", "key", []),
        ("changed", "key", ["description", "value"]),
        ("created", "key", ["name", "value"]),
    ]
    answers = [shown, changed, listed, events]
    assert not shows("".join(each.text for each in answers), hush)
    stored = await dump_of(api.database, platform.organization_id)
    assert shows(stored, str(made["id"]))
    assert not shows(stored, hush)


async def test_the_mask_sent_back_keeps_the_value(api: Api, platform: Platform, hush: str) -> None:
    made = await created(platform, hush)
    before = await api.database["credentials"].find_one({"_id": made["id"]})

    answer = await platform.client.patch(
        f"{PATH}/{made['id']}", json={**made, "kind": "changed", "value": MASK}
    )

    after = await api.database["credentials"].find_one({"_id": made["id"]})
    assert (answer.status_code, answer.json()["kind"]) == (200, "changed")
    assert before is not None
    assert after is not None
    assert after["sealed"] == before["sealed"]


async def test_a_name_belongs_to_one_credential_of_an_organization(
    platform: Platform, stranger: Platform, hush: str
) -> None:
    await created(platform, hush)
    other = await created(platform, hush, name="other")

    again = await platform.client.post(PATH, json={"name": "key", "value": "x"})
    renamed = await platform.client.patch(f"{PATH}/{other['id']}", json={"name": "key"})
    elsewhere = await created(stranger, hush)

    assert (again.status_code, renamed.status_code) == (409, 409)
    assert again.json()["error"]["code"] == "conflict"
    assert elsewhere["name"] == "key"


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        ("org_admin", 200, 201),
        ("backoffice", 200, 201),
        ("app_user", 200, 403),
        ("publisher", 200, 403),
        ("integration", 200, 403),
        ("worker", 403, 403),
    ],
)
async def test_roles(
    api: Api, platform: Platform, hush: str, role: str, reads: int, writes: int
) -> None:
    made = await created(platform, hush)
    person = (await api.person(platform.organization_id, role)).client

    statuses = [
        (await person.get(PATH)).status_code,
        (await person.get(f"{PATH}/{made['id']}")).status_code,
        (await person.post(PATH, json={"name": "x", "value": "y"})).status_code,
    ]

    assert statuses == [reads, reads, writes]
    expected = 403 if writes == 403 else 200
    assert (await person.get(f"{PATH}/events")).status_code == expected
    changed = await person.patch(f"{PATH}/{made['id']}", json={"kind": "x"})
    deleted = await person.delete(f"{PATH}/{made['id']}")
    assert (changed.status_code, deleted.status_code) == (
        (403, 403) if writes == 403 else (200, 204)
    )


@pytest.mark.parametrize(
    "body",
    [
        {"value": "{hush}"},
        {"name": "no blanks", "value": "{hush}"},
        {"name": "", "value": "{hush}"},
        {"name": "key\n", "value": "{hush}"},
        {"name": "key", "value": ["{hush}"]},
        {"name": "key", "value": {"a": "{hush}"}},
        {"name": "{hush}", "value": None},
        {"name": "{hush} {hush}", "value": ""},
        {"name": "key", "value": "{hush}" * 2_000},
        {"name": "key", "value": "x", "description": {"a": "{hush}"}},
    ],
    ids=str,
)
async def test_a_refusal_repeats_nothing_of_what_was_sent(
    platform: Platform, hush: str, body: dict[str, Any]
) -> None:
    sent = json.loads(json.dumps(body).replace("{hush}", hush))

    answer = await platform.client.post(PATH, json=sent)

    assert answer.status_code == 422
    assert not shows(answer.text, hush)


async def test_a_mask_is_no_value_to_begin_with(platform: Platform) -> None:
    refused = await platform.client.post(PATH, json={"name": "key", "value": MASK})
    nothing = await platform.client.patch(
        f"{PATH}/{(await created(platform, 'x'))['id']}", json={"value": None}
    )

    assert (refused.status_code, nothing.status_code) == (400, 400)


async def test_a_body_that_lacks_something_else_does_not_echo_a_secret(
    platform: Platform, hush: str
) -> None:
    task: Json = {
        "name": "hook",
        "task_executor_name": "webhook_receive",
        "parameters": {"secret": hush},
    }
    answers = [
        await platform.client.post("/api/flows", json={"definition": {"tasks": [task]}}),
        await platform.client.post("/api/flows", json={"display_name": "f", "definition": [task]}),
        await platform.client.post(
            "/api/flows",
            json={
                "display_name": "f",
                "definition": {"tasks": [{**task, "parameters": {"secrets": hush}}]},
            },
        ),
        await platform.client.post("/api/task-data", json={"tasks": [task]}),
    ]

    assert [answer.status_code for answer in answers[:3]] == [422, 422, 400]
    assert not shows("".join(answer.text for answer in answers), hush)


async def test_an_unknown_credential_is_named_before_anything_runs(
    platform: Platform, stranger: Platform, hush: str
) -> None:
    await created(stranger, hush)
    made = await platform.flow(flow_with("secrets.key"))
    path = f"/api/flows/{made['id']}"
    start: Json = {"flow_id": made["id"], "input": {"text": "x"}}

    report = await platform.client.post(f"{path}/validate", json={"definition": made["definition"]})
    shown = await platform.client.get(path, params={"include_validation_errors": True})
    refused = await platform.client.post("/api/flow-executions", json=start)
    await created(platform, hush)
    accepted = await platform.client.post("/api/flow-executions", json=start)
    mended = await platform.client.get(path, params={"include_validation_errors": True})

    for answer in (report, shown):
        assert [each["type"] for each in answer.json()["validation_errors"]] == [
            "unknown_credential"
        ]
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_dsl_input")
    assert refused.json()["error"]["details"] == [
        "tasks.1.parameters.template.a.0: no credential is named 'key'"
    ]
    assert accepted.status_code == 201
    assert mended.json()["validation_errors"] == []


async def test_a_credential_that_goes_away_fails_the_tasks_that_need_it(
    working: Platform, hush: str
) -> None:
    made = await created(working, hush)
    flow = flow_with("secrets.key")
    wait: Json = {"name": "wait", "task_executor_name": "wait", "parameters": {"seconds": 1}}
    tasks: Any = flow["tasks"]
    tasks.append(wait)
    flow["edges"] = [{"source": "start", "target": "wait"}, {"source": "wait", "target": "tell"}]
    execution = await working.started((await working.flow(flow))["id"])

    await working.client.patch(f"{PATH}/{made['id']}", json={"name": "renamed"})

    shown = await execution.until("completed", "failed")
    error: Any = shown["error"]
    assert (error["type"], error["task_name"]) == ("UnknownCredential", "tell")
    assert error["message"] == "no credential is named 'key'"
    [row] = await execution.task_executions(task_name="tell")
    assert row["input"] == {"template": {"a": [f"x {MASK}"]}}


async def test_the_output_of_a_task_called_secrets_is_no_credential(
    working: Platform, hush: str
) -> None:
    await created(working, hush)
    flow = flow_with("secrets.key")
    own: Json = {
        "name": "secrets",
        "task_executor_name": "format_data",
        "parameters": {"template": {"key": "an output"}},
    }
    tasks: Any = flow["tasks"]
    flow["tasks"] = [tasks[0], own, tasks[1]]
    flow["edges"] = [{"source": "start", "target": "secrets"}]

    execution = await working.completed(flow)

    assert (await execution.outputs())["tell"] == {"a": ["x an output"]}
