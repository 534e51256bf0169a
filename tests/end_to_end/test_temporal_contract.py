"""Sessions and flows by Temporal alone, as docs/temporal-contract.md promises it."""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

import worker
from contracts import messages, names, runs, starts
from runtime.binaries import temporal_binary
from runtime.embedded import NAMESPACE
from runtime.gateway import SEARCH_ATTRIBUTES
from runtime.payload_encryption import ENCODING
from runtime.temporal import EXTERNAL_STORAGE_THRESHOLD_BYTES
from tests.fixtures.api import Api
from tests.support.eventually import eventually
from tests.support.interactive import a_desk
from tests.support.platform import Json, Platform
from workflows.interactive_run import LONGEST_WAIT
from workflows.outside_start import INVALID_START

PAGE = Path(__file__).parents[2] / "docs" / "temporal-contract.md"
FLOW: Json = {
    "name": "Echo",
    "tasks": [
        {
            "name": "form",
            "task_executor_name": "custom_form_input",
            "parameters": {"fields": [{"id": "text", "data_type": "string"}]},
        },
        {
            "name": "echo",
            "task_executor_name": "format_data",
            "parameters": {"template": {"said": "{{form.text}}"}},
        },
    ],
}


def words(text: str, **variables: str) -> dict[str, Any]:
    """Return the ``run_input`` of somebody who says something."""
    inputs = {"node_run_inputs": [{"messages": [{"content": text}]}]}
    return {"thread_to_node_inputs": {"0": inputs}, "runtime_variables": variables}


def spoken(turn: Any) -> list[str]:
    return [each["content"] for each in turn["events"] if each["type"] == "assistant_response"]


@pytest.fixture
async def plain(temporal_address: str) -> Client:
    """A client that knows nothing of the platform: its converter is the SDK's own."""
    return await Client.connect(temporal_address, namespace=NAMESPACE)


@pytest.fixture
def task_queue(working_api: Api) -> str:
    return working_api.settings.task_queue


async def a_workflow(platform: Platform) -> str:
    answer = await platform.client.post("/v1/workflows", json={"name": "Desk", **a_desk()})
    assert answer.status_code == 201, answer.text
    workflow_id: str = answer.json()["workflow"]["_id"]
    return workflow_id


async def test_a_session_by_the_sdk_alone(
    working: Platform, plain: Client, task_queue: str
) -> None:
    asked = {
        "organization_id": working.organization_id,
        "workflow_id": await a_workflow(working),
        "run_input": {"dynamic_variables": {"customer": "Ada"}},
    }
    own_id = f"session-{uuid4()}"
    told: Any = await plain.execute_workflow(
        "StartInteractiveRun", asked, id=own_id, task_queue=task_queue
    )
    again = await plain.execute_workflow(
        "StartInteractiveRun", asked, id=own_id, task_queue=task_queue
    )
    assert again == told
    handle: Any = plain.get_workflow_handle(told["temporal_workflow_id"])

    first = await handle.execute_update("await_input", {"input_id": told["input_id"]})
    given = {"input_id": "a", "expected_turn": 2, "run_input": words("hello")}
    answers = []
    for _ in range(2):
        await handle.signal("user_input", given)
        answers.append(await handle.execute_update("await_input", {"input_id": "a"}))
    late = {"input_id": "b", "expected_turn": 2, "run_input": words("too late")}
    await handle.signal("user_input", late)
    refused = await handle.execute_update("await_input", {"input_id": "b"})
    await handle.signal("user_input", {"input_id": "c", "run_input": words("x", choice="finish")})
    result = await handle.result()
    answer = await handle.query("turn")

    assert [(each["kind"], each["turn"]["turn_number"]) for each in answers] == [("turn", 2)] * 2
    assert refused["kind"] == "conflict"
    assert (first["kind"], first["turn"]["status"]) == ("turn", "waiting_for_user_input")
    assert first["turn"]["hint"]["type"] == "busy_wait_for_user_message"
    assert spoken(answer["turn"]) == ["(noted)", "Bye Ada"]
    page = await handle.query("events", {"after": 2})
    assert (page["events"], page["is_whole"]) == (answer["turn"]["events"][2:], True)
    assert result == {"status": "completed", "turn_number": 3, "error": None}
    shown = await working.client.get(f"/v1/workflow-runs/{told['run_id']}")
    assert shown.json()["workflow_run"]["workflow_run"]["status"] == "completed"


async def test_a_flow_by_the_sdk_alone(working: Platform, plain: Client, task_queue: str) -> None:
    flow = await working.flow(FLOW)
    asked = {
        "organization_id": working.organization_id,
        "flow_id": flow["id"],
        "input": {"text": "hello"},
    }

    told: Any = await plain.execute_workflow(
        "StartFlowExecution", asked, id=f"flow-{uuid4()}", task_queue=task_queue
    )
    handle: Any = plain.get_workflow_handle(told["temporal_workflow_id"])
    result = await handle.result()

    assert (told["run_number"], told["flow_version"]) == (1, flow["version"])
    assert result == {"status": "completed", "outputs": {"echo": {"said": "hello"}}, "omitted": []}
    states = await handle.query("task_states")
    assert [(each["task_name"], each["state"]) for each in states] == [
        ("form", "completed"),
        ("echo", "completed"),
    ]
    execution = await working.client.get(f"/api/flow-executions/{told['flow_execution_id']}")
    assert execution.json()["status"] == "completed"


@pytest.mark.parametrize("start", ["StartInteractiveRun", "StartFlowExecution"])
async def test_what_cannot_be_started_fails_and_says_why(
    working: Platform, plain: Client, task_queue: str, start: str
) -> None:
    async def refusal(asked: Any) -> Any:
        with pytest.raises(WorkflowFailureError) as caught:
            await plain.execute_workflow(start, asked, id=str(uuid4()), task_queue=task_queue)
        cause: Any = caught.value.cause
        return cause if isinstance(cause, ApplicationError) else cause.cause

    unknown = {"organization_id": str(uuid4()), "workflow_id": "0" * 24, "flow_id": str(uuid4())}
    known = {**unknown, "organization_id": working.organization_id}

    refusals = [await refusal(asked) for asked in (["no object"], {}, unknown, known)]

    assert [each.type for each in refusals] == [INVALID_START, INVALID_START, *["not_found"] * 2]


async def temporal(address: str, *arguments: str) -> Any:
    """Run the command line and return what it prints as JSON."""
    process = await asyncio.create_subprocess_exec(
        str(temporal_binary()),
        *arguments,
        *("--address", address, "--output", "json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(50):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out) if out.strip() else None


async def test_both_by_the_command_line_alone(
    working: Platform, temporal_address: str, task_queue: str
) -> None:
    async def command(*arguments: str) -> Any:
        return await temporal(temporal_address, *arguments)

    async def started(kind: str, **asked: Any) -> Any:
        asked["organization_id"] = working.organization_id
        told = await command(
            *("workflow", "execute", "--type", kind, "--task-queue", task_queue),
            *("--workflow-id", str(uuid4()), "--input", json.dumps(asked)),
        )
        return told["result"]

    run = await started("StartInteractiveRun", workflow_id=await a_workflow(working))
    place = ("--workflow-id", run["temporal_workflow_id"])
    for input_id, more in (("1", {}), ("2", {"choice": "finish"})):
        given = {"input_id": input_id, "run_input": words("hm", **more)}
        await command(
            *("workflow", "signal", *place, "--name", "user_input", "--input", json.dumps(given))
        )
        if not more:
            answer = await command(
                *("workflow", "update", "execute", *place, "--name", "await_input"),
                *("--input", json.dumps({"input_id": input_id})),
            )
            assert spoken(answer["result"]["turn"]) == ["(noted)"]
    ended = await command("workflow", "result", *place)
    assert ended["result"]["status"] == "completed"
    page = await command(
        *("workflow", "query", *place, "--type", "events", "--input", json.dumps({"after": 0}))
    )
    assert spoken(page["queryResult"][0]) == ["(noted)", "Bye {{customer}}"]

    flow = await working.flow(FLOW)
    execution = await started("StartFlowExecution", flow_id=flow["id"], input={"text": "hi"})
    ended = await command("workflow", "result", "--workflow-id", execution["temporal_workflow_id"])
    assert ended["result"]["outputs"] == {"echo": {"said": "hi"}}

    async def both_are_found() -> bool:
        query = f'OrganizationId = "{working.organization_id}"'
        found = await command("workflow", "list", "--query", query)
        types = {each["type"]["name"] for each in found or []}
        return types == {"InteractiveRun", "FlowExecution"}

    await eventually(both_are_found, saying="both are listed by their search attribute")


def section(title: str) -> str:
    """Return what the page says below a heading, down to the next one."""
    found = re.search(rf"^#+ {title}\n(.*?)(?=^#|\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def quoted(text: str) -> set[str]:
    """Return what stands in code marks, but for fenced blocks."""
    return set(re.findall(r"`([^`\n]+)`", text))


def rows(title: str) -> list[list[str]]:
    """Return the cells of a section's tables, without headings."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def fields(*models: type[BaseModel]) -> set[str]:
    return {name for model in models for name in model.model_fields}


def test_the_page_names_every_workflow_type_and_every_handler() -> None:
    types = {definition_name(each) for each in worker.WORKFLOWS}
    assert types <= quoted(section("Workflow types"))
    by_type = {cells[0].strip("`"): cells[1].strip("`") for cells in rows("Workflow types")}
    assert by_type["FlowExecution"] == names.flow_workflow_id(
        "<flow execution id>",
        "<generation>",  # type: ignore[arg-type]  # as the page writes it
    )
    assert by_type["InteractiveRun"] == names.run_workflow_id("<run id>")
    served = {cells[1].strip("`") for cells in rows("Interactive runs") if cells[1]}
    assert served == {*(names.USER_INPUT, names.STOP, names.AWAIT_INPUT, names.TURN, names.EVENTS)}
    assert {names.TASK_STATES, names.DELIVERED, names.ADMITTED} <= quoted(
        section("Flow executions")
    )


def definition_name(kind: type) -> str:
    definition: Any = vars(kind)["__temporal_workflow_definition"]
    return str(definition.name)


def told_of(title: str) -> set[str]:
    return quoted(section(title))


@pytest.mark.parametrize(
    ("title", "models"),
    [
        ("StartFlowExecution", [starts.StartFlowAsked, starts.FlowStarted]),
        ("StartInteractiveRun", [starts.StartRunAsked, starts.RunStarted]),
        ("Flow executions", [messages.TaskView, messages.FlowExecutionResult]),
        (
            "Interactive runs",
            [
                *(runs.TurnGiven, runs.StopAsked, runs.AwaitInput, runs.Answer, runs.TurnView),
                *(runs.EventsAsked, runs.EventsPage, runs.InteractiveRunResult),
            ],
        ),
    ],
    ids=lambda value: value.split()[0] if isinstance(value, str) else "",
)
def test_the_page_names_every_field(title: str, models: Sequence[type[BaseModel]]) -> None:
    assert fields(*models) - {"key"} <= told_of(title)


def test_the_page_names_every_word_and_attribute() -> None:
    assert {kind.value for kind in runs.AnswerKind} <= told_of("Interactive runs")
    assert {state.value for state in messages.TaskState} <= told_of("Flow executions")
    listed = {cells[0].strip("`"): cells[1] for cells in rows("Search attributes, memo, summary")}
    kinds = {1: "Text", 2: "Keyword", 3: "Int"}
    assert listed == {name: kinds[kind] for name, kind in SEARCH_ATTRIBUTES.items()}


def test_the_page_is_right_about_sizes_and_encodings() -> None:
    text = section("Payloads")
    assert f"above {EXTERNAL_STORAGE_THRESHOLD_BYTES // 1024} KiB" in text
    assert f"`{ENCODING.decode()}`" in text
    assert f"after {LONGEST_WAIT.seconds} seconds" in section("Interactive runs")
    assert f"`{names.DEFAULT_TASK_QUEUE}`" in text
    assert f"`{names.SUPERSEDED}`" in section("Flow executions")
    assert f"`{INVALID_START}`" in section("StartInteractiveRun")
