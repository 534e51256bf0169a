"""Flows whose tasks run in a worker of another language, as the API shows them."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from pydantic import JsonValue, SecretStr
from temporalio.client import Client

import worker
from runtime.embedded import NAMESPACE
from tests.fixtures.api import Api, ready_api, settings_for
from tests.support.eventually import eventually
from tests.support.flow_builders import a_flow, an_input, task
from tests.support.platform import Execution, Json, Platform
from tests.support.truth import differences
from tests.support.typescript import typescript_worker

QUICK: JsonValue = {"max_attempts": 3, "initial_interval_seconds": 0.05}


@pytest.fixture(scope="module")
async def queue(temporal_address: str) -> AsyncIterator[str]:
    """A task queue that a worker in TypeScript polls."""
    name = f"typescript-{uuid4().hex}"
    async with typescript_worker(temporal_address, NAMESPACE, name):
        yield name


def remote(queue: str, kind: str, arguments: JsonValue = None, **keys: JsonValue) -> Json:
    """Return a task that another worker runs."""
    parameters: Json = {"task_queue": queue, "activity_type": kind}
    if arguments is not None:
        parameters["arguments"] = arguments
    return {**task("work", "activity", parameters), **keys}


def behind_a_form(*tasks: Json) -> Json:
    fields: Json = {"id": "rows", "data_type": "list", "required": False}
    names = [str(one["name"]) for one in tasks]
    definition = a_flow(an_input("start", fields), *tasks)
    definition["edges"] = [{"source": "start", "target": name} for name in names]
    return definition


async def test_it_gets_plain_json_and_its_answer_is_the_output(
    working: Platform, working_api: Api, queue: str
) -> None:
    long = "ü" * 30_000
    definition = behind_a_form(
        remote(queue, "describe", [{"n": 1, "text": long}, "{{start.rows}}"])
    )

    execution = await working.completed(definition, {"rows": [1, None, {"a": 2.5}]})

    outputs = await execution.outputs()
    assert outputs["work"] == {
        "order": {"n": 1, "text": long},
        "extra": [1, None, {"a": 2.5}],
        "activityId": f"{execution.id}/1/work/0",
        "attempt": 1,
        "activityType": "describe",
        "by": "node",
    }
    (row,) = await execution.task_executions(task_name="work")
    assert (row["status"], row["task_execution_idx"]) == ("completed", 0)
    assert await differences(working_api, [execution]) == []


async def test_each_attempt_of_the_other_worker_is_a_row(
    working: Platform, working_api: Api, queue: str
) -> None:
    execution = await working.completed(
        behind_a_form(remote(queue, "flaky", retry_policy=QUICK)), {}
    )

    rows = await execution.task_executions(task_name="work")
    rows.sort(key=lambda row: int(str(row["task_execution_idx"])))
    assert [row["status"] for row in rows] == ["failed", "failed", "completed"]
    errors = [row["error"] for row in rows[:2]]
    assert [isinstance(error, dict) and error["message"] for error in errors] == [
        "not at try 1",
        "not at try 2",
    ]
    assert (await execution.outputs())["work"] == {"count": 3}
    assert await differences(working_api, [execution]) == []


async def test_a_failure_of_the_other_worker_keeps_type_and_message(
    working: Platform, working_api: Api, queue: str
) -> None:
    execution = await working.ended(
        behind_a_form(remote(queue, "refuse", ["no such order"], retry_policy=QUICK)), {}
    )

    shown = await execution.shown()
    (row,) = await execution.task_executions(task_name="work")
    assert shown["status"] == "failed"
    error = row["error"]
    assert isinstance(error, dict)
    assert (error["type"], error["message"]) == ("Refused", "no such order")
    assert await differences(working_api, [execution]) == []


async def test_items_go_to_the_other_worker_one_by_one(
    working: Platform, working_api: Api, queue: str
) -> None:
    each = remote(queue, "describe", ["{{start.rows}}"], reference_modes={"arguments": "single"})
    definition = a_flow(an_input("start", {"id": "rows", "data_type": "list"}), each)

    execution = await working.completed(definition, {"rows": [10, 20, 30]})

    found = (await execution.outputs())["work"]
    assert isinstance(found, list)
    assert [one["order"] for one in found if isinstance(one, dict)] == [10, 20, 30]
    assert await differences(working_api, [execution]) == []


async def test_it_is_shown_while_it_runs_and_hears_of_a_cancellation(
    working: Platform, working_api: Api, queue: str
) -> None:
    definition = behind_a_form(remote(queue, "until_cancelled"))
    execution = await _begun(working, definition)

    await working.client.post(f"{execution.path}/cancel")
    await execution.until("cancelled")

    (row,) = await execution.task_executions(task_name="work")
    assert row["status"] == "cancelled"
    assert await differences(working_api, [execution]) == []


async def test_arguments_stay_readable_where_payloads_are_encrypted(
    temporal_address: str, temporal_client: Client, mongo_uri: str, queue: str
) -> None:
    key = SecretStr(base64.b64encode(bytes(range(32))).decode())
    settings = settings_for(
        temporal_address,
        mongo_uri,
        encryption_keys=(key,),
        encrypt_payloads=True,
        reconcile_interval=timedelta(seconds=2),
    )
    stop = asyncio.Event()
    async with ready_api(settings, temporal_client) as api:
        serving = asyncio.create_task(worker.serve(settings, stop))
        platform = await api.organization()
        execution = await platform.completed(
            behind_a_form(remote(queue, "total", [[{"price": 2, "pieces": 3}]])), {}
        )
        outputs = await execution.outputs()
        stop.set()
        await serving

    assert outputs["work"] == {"value": 6}


@pytest.mark.parametrize("kind", ["settle_execution", "open_task"])
async def test_a_flow_that_would_call_the_platform_is_refused(
    working: Platform, working_api: Api, kind: str
) -> None:
    definition = behind_a_form(remote(working_api.settings.task_queue, kind))

    response = await working.client.post(
        "/api/flows", json={"display_name": f"flow {uuid4()}", "definition": definition}
    )

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_dsl_input"
    assert response.json()["error"]["details"] == [
        f"tasks.1.parameters.task_queue: '{working_api.settings.task_queue}' is the platform's "
        "own task queue",
        f"tasks.1.parameters.activity_type: '{kind}' is an activity of the platform itself",
    ]


async def _begun(working: Platform, definition: Json) -> Execution:
    """Start a flow and wait until its remote task is shown as running."""
    flow = await working.flow(definition)
    execution = await working.started(flow["id"], {})

    async def is_shown() -> bool:
        rows = await execution.task_executions(task_name="work")
        return [row["status"] for row in rows] == ["running"]

    await eventually(is_shown, saying="the task is shown as running")
    return execution
