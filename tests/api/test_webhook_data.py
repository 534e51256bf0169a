"""Submitting data for a waiting task: what is checked, in which order, and what is answered.

Nobody runs these flows: data may come before the task's turn.
"""

import asyncio
from typing import cast
from uuid import uuid4

import pytest
from pydantic import JsonValue

from runtime.readiness import free_port
from tests.fixtures.api import Api, running_api, settings_for
from tests.support.flow_builders import a_flow, task
from tests.support.platform import Execution, Json, Platform
from tests.support.submissions import DATA, a_receiver, acknowledged, asking, submit

SENDERS = ("org_admin", "app_user")
OTHERS = ("backoffice", "publisher", "integration", "worker")


async def an_execution(platform: Platform, definition: Json | None = None) -> Execution:
    """Record an execution that nobody runs."""
    flow = await platform.flow(definition or asking())
    return await platform.started(flow["id"])


@pytest.mark.parametrize("role", SENDERS)
async def test_people_of_these_roles_submit(api: Api, platform: Platform, role: str) -> None:
    execution = await an_execution(platform)
    sender = await api.person(platform.organization_id, role)

    assert (await acknowledged(sender, execution))["status"] == "received"


@pytest.mark.parametrize("role", OTHERS)
async def test_people_of_other_roles_do_not(api: Api, platform: Platform, role: str) -> None:
    sender = await api.person(platform.organization_id, role)
    nowhere = Execution(platform.client, str(uuid4()))

    response = await submit(sender, nowhere)

    assert response.status_code == 403
    assert response.json()["error"]["code"] == "forbidden"


async def test_keys_of_the_organization_submit_whatever_their_role(
    api: Api, platform: Platform
) -> None:
    account = await api.accounts.create_service_account(
        platform.organization_id, "sender", role="integration"
    )
    _, token = await api.accounts.create_key(platform.organization_id, account.id)
    execution = await an_execution(platform)

    response = await submit(await api.client(X_API_Key=token), execution)

    assert response.status_code == 200, response.text


async def test_nobody_submits_without_a_credential(api: Api) -> None:
    response = await submit(await api.client(), Execution(await api.client(), str(uuid4())))

    assert response.status_code == 401


async def test_unknown_deleted_and_foreign_executions_are_the_same_404(
    platform: Platform, stranger: Platform
) -> None:
    deleted, foreign = await an_execution(platform), await an_execution(stranger)
    await platform.client.delete(deleted.path)

    for execution in (Execution(platform.client, str(uuid4())), deleted, foreign):
        response = await submit(platform, execution)
        assert response.status_code == 404, response.text
        assert response.json()["error"]["message"] == "no such flow execution"


async def test_an_unknown_task_comes_before_its_data(platform: Platform) -> None:
    execution = await an_execution(platform)

    response = await submit(platform, execution, {"wrong": 1}, "nobody")

    assert response.status_code == 404
    assert response.json()["error"]["details"] == {"task_name": "nobody"}


async def test_a_task_of_another_kind_comes_before_its_data(platform: Platform) -> None:
    execution = await an_execution(platform)

    response = await submit(platform, execution, {"wrong": 1}, "after")

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "bad_request"


@pytest.mark.parametrize(
    ("data", "place", "kind"),
    [
        ({"name": "Ada"}, ["amount"], "missing"),
        ({**DATA, "extra": 1}, ["extra"], "extra_forbidden"),
        ({**DATA, "name": 3}, ["name"], "type"),
        ({**DATA, "amount": "3"}, ["amount"], "type"),
        ({**DATA, "amount": True}, ["amount"], "type"),
        ({**DATA, "count": False}, ["count"], "type"),
        ({**DATA, "count": 1.5}, ["count"], "type"),
        ({**DATA, "name": None}, ["name"], "type"),
    ],
)
async def test_data_that_does_not_fit_is_refused_with_its_place(
    platform: Platform, unstarted: Execution, data: Json, place: list[str], kind: str
) -> None:
    response = await submit(unstarted.client, unstarted, data)

    assert response.status_code == 422
    body = response.json()
    assert body["error"]["code"] == "validation_error"
    assert body["error"]["details"] == body["detail"]
    assert body["request_id"] == response.headers["X-Request-ID"]
    (found,) = body["detail"]
    assert found["loc"] == ["body", "data", *place]
    assert found["type"] == kind


@pytest.fixture(scope="module")
async def unstarted(api: Api) -> Execution:
    """An execution that is given nothing that fits."""
    return await an_execution(await api.organization())


@pytest.mark.parametrize(
    "data",
    [
        {"name": "Ada", "amount": 3},
        {"name": "Ada", "amount": 3.5, "count": 2},
        {"name": "", "amount": 0, "count": None},
    ],
)
async def test_data_that_fits_is_taken(platform: Platform, data: Json) -> None:
    execution = await an_execution(platform)

    assert (await acknowledged(platform, execution, data))["status"] == "received"


@pytest.mark.parametrize("data", [None, [], "text", 1])
async def test_data_that_is_no_object_is_refused(unstarted: Execution, data: JsonValue) -> None:
    response = await unstarted.client.post(
        f"{unstarted.path}/webhook-data", json={"task_name": "ask", "data": data}
    )

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "data"]


async def test_the_first_submission_stands(platform: Platform) -> None:
    execution = await an_execution(platform)
    first = await acknowledged(platform, execution)

    again = await acknowledged(platform, execution, dict(reversed(DATA.items())))
    other = await submit(platform, execution, {**DATA, "amount": 4})

    assert again == {"id": first["id"], "status": "duplicate"}
    assert other.status_code == 409
    assert other.json()["error"]["code"] == "conflict"


async def test_receivers_of_one_flow_are_told_apart(platform: Platform) -> None:
    execution = await an_execution(platform, asking("left", "right"))

    left = await acknowledged(platform, execution, task_name="left")
    right = await acknowledged(platform, execution, task_name="right")

    assert left["id"] != right["id"]
    assert right["status"] == "received"


async def test_several_processes_store_one_of_different_submissions(
    api: Api, temporal_address: str
) -> None:
    platform = await api.organization()
    execution = await an_execution(platform)
    async with running_api(api.settings) as other:
        clients = [
            await each.client(**{"X_API_Key": platform.client.headers["X-API-Key"]})
            for each in (api, other)
        ]
        sent: list[Json] = [{"name": f"{at}", "amount": at} for at in range(20)]

        responses = await asyncio.gather(
            *(submit(clients[at % 2], execution, data) for at, data in enumerate(sent))
        )

    codes = sorted(response.status_code for response in responses)
    assert codes == [200] + [409] * 19
    (taken,) = [at for at, response in enumerate(responses) if response.status_code == 200]
    again = await acknowledged(platform, execution, sent[taken])
    assert again["status"] == "duplicate"


async def test_data_of_another_version_makes_room_for_data_that_fits(platform: Platform) -> None:
    flow = await platform.flow(asking())
    execution = await platform.started(flow["id"])
    first = await acknowledged(platform, execution)
    changed = a_flow(a_receiver(fields=[{"id": "city"}]), task("after", reads="ask"))
    response = await platform.client.put(
        f"/api/flows/{flow['id']}/definition", json={"definition": changed}
    )
    assert response.status_code == 200, response.text
    assert (await acknowledged(platform, execution))["status"] == "duplicate"

    await platform.client.post(f"{execution.path}/execute")
    second = await acknowledged(platform, execution, {"city": "Bern"})

    assert second["status"] == "received"
    assert second["id"] != first["id"]
    assert (await submit(platform, execution)).status_code == 422


async def test_data_is_taken_while_temporal_is_down(api: Api, mongo_uri: str) -> None:
    platform = await api.organization()
    execution = await an_execution(platform)
    settings = settings_for(
        f"127.0.0.1:{free_port()}", mongo_uri, mongodb_database=api.settings.mongodb_database
    )
    async with running_api(settings) as cut_off:
        client = await cut_off.client(**{"X_API_Key": platform.client.headers["X-API-Key"]})

        response = await submit(client, execution)

    assert response.status_code == 200, response.text
    assert response.json()["status"] == "received"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"parameters": {"fields": [{"id": "{{start.text}}"}]}}, "reference_in_fixed"),
        ({"reference_modes": {"timeout_seconds": "single"}}, "cannot_iterate"),
        ({"parameters": {"fields": [], "timeout_seconds": 0}}, "greater_than"),
        ({"parameters": {"fields": [], "secret": "x"}}, "unknown_parameter"),
    ],
)
async def test_what_could_not_be_waited_for_is_refused_beforehand(
    platform: Platform, changes: Json, kind: str
) -> None:
    definition = a_flow(cast(Json, {**a_receiver(), **changes}))
    flow = await platform.flow(a_flow(task("note")))

    response = await platform.client.post(
        f"/api/flows/{flow['id']}/validate", json={"definition": definition}
    )

    kinds = {fault["type"] for fault in response.json()["validation_errors"]}
    assert kinds == {kind}
