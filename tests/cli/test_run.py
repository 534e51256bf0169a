import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import yaml

from runtime.readiness import free_port
from tests.support.command import Ended, perdure
from tests.support.effect_flows import Json, a_form, a_note, an_effect
from tests.support.eventually import eventually
from tests.support.platform_process import PlatformProcess, running_platform
from tests.support.receiver import Receiver, receiving
from tests.support.terminal import on_a_terminal

pytestmark = pytest.mark.xdist_group("run")


@pytest.fixture(scope="module")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PlatformProcess]:
    async with running_platform(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def reaching(platform: PlatformProcess) -> dict[str, str]:
    return {
        "PERDURE_URL": str(platform.facts["api_url"]),
        "PERDURE_API_KEY": str(platform.facts["api_key"]),
    }


@pytest.fixture
def given(tmp_path: Path) -> str:
    path = tmp_path / "input.json"
    path.write_text('{"text": "hello"}')
    return str(path)


def a_definition(*tasks: Json) -> Json:
    return {"name": f"flow {uuid4()}", "tasks": [a_form(), *tasks]}


def code(name: str, source: str, reads: str = "form", **task: object) -> Json:
    parameters: Json = {"code": source, "input_data": f"{{{{{reads}.output}}}}"}
    return {
        "name": name,
        "task_executor_name": "python_code",
        "parameters": parameters,
        **task,  # type: ignore[dict-item] # plain JSON, which object does not say
    }


def written(folder: Path, definition: Json, name: str = "flow.yaml") -> str:
    path = folder / name
    text = json.dumps(definition) if path.suffix == ".json" else yaml.safe_dump(definition)
    path.write_text(text)
    return str(path)


def the_only_object(ended: Ended) -> Json:
    value = json.loads(ended.out)
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("name", ["flow.yaml", "flow.json"])
async def test_a_definition_is_registered_run_and_followed(
    reaching: dict[str, str], tmp_path: Path, given: str, name: str
) -> None:
    flow = written(tmp_path, a_definition(a_note("note", "form")), name)

    ended = await perdure("run", flow, "--input", given, variables=reaching)

    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    assert "  note: completed" in ended.out
    assert any(line.endswith("v1 #1: completed") or " completed (" in line for line in lines)
    result = json.loads(ended.out[ended.out.index("\n{") :])
    assert result == {"note": {"from": {"text": "hello"}}}


async def test_scripts_get_one_json_object(
    reaching: dict[str, str], tmp_path: Path, given: str, receiver: Receiver
) -> None:
    receiver.failures_left["/call"] = 1
    quick: Json = {"max_attempts": 3, "initial_interval_seconds": 0.1}
    definition = a_definition(
        an_effect("call", receiver, "/call", "form", retry_policy=quick), a_note("note", "call")
    )

    ended = await perdure(
        "run", written(tmp_path, definition), "--input", given, "--json", variables=reaching
    )

    assert (ended.status, ended.err) == (0, "")
    said = the_only_object(ended)
    assert said["status"] == "completed"
    assert said["flow_version"] == said["run_number"] == 1
    assert said["error"] is None
    outputs = said["outputs"]
    assert isinstance(outputs, dict)
    assert list(outputs) == ["note"]
    tasks = said["tasks"]
    assert isinstance(tasks, list)
    attempts = {str(task["name"]): task["attempts"] for task in tasks if isinstance(task, dict)}
    assert attempts == {"form": 1, "call": 2, "note": 1}


async def test_a_failed_flow_exits_1_and_says_why(
    reaching: dict[str, str], tmp_path: Path, given: str
) -> None:
    flow = written(tmp_path, a_definition(code("check", "raise ValueError('no such luck')")))

    shown = await perdure("run", flow, "--input", given, variables=reaching)
    scripted = await perdure("run", flow, "--input", given, "--json", variables=reaching)

    assert shown.status == scripted.status == 1
    assert "failed in task 'check': " in shown.out
    assert "no such luck" in shown.out
    said = the_only_object(scripted)
    assert said["status"] == "failed"
    error = said["error"]
    assert isinstance(error, dict)
    assert "no such luck" in str(error["message"])


async def test_the_flow_of_that_name_is_updated_only_if_it_differs(
    reaching: dict[str, str], tmp_path: Path, given: str
) -> None:
    definition = a_definition(a_note("note", "form"))

    async def ran(definition: Json) -> Json:
        flow = written(tmp_path, definition)
        return the_only_object(
            await perdure("run", flow, "--input", given, "--json", variables=reaching)
        )

    first, again = await ran(definition), await ran(definition)
    changed = await ran({**definition, "tasks": [a_form(), a_note("other", "form")]})

    assert first["flow_id"] == again["flow_id"] == changed["flow_id"]
    assert [each["flow_version"] for each in (first, again, changed)] == [1, 1, 2]
    assert [each["run_number"] for each in (first, again, changed)] == [1, 2, 3]


async def test_a_registered_flow_runs_by_its_id_or_its_name(
    platform: PlatformProcess, reaching: dict[str, str], given: str
) -> None:
    name = f"by name {uuid4()}"
    flow_id = await platform.create_flow(name, a_definition(a_note("note", "form")))

    for flow in (flow_id, name):
        ended = await perdure("run", flow, "--input", given, "--json", variables=reaching)
        assert ended.status == 0, ended.err
        assert the_only_object(ended)["flow_id"] == flow_id


async def test_an_iteration_prints_its_results_in_item_order(
    reaching: dict[str, str], tmp_path: Path, given: str, receiver: Receiver
) -> None:
    items = code("items", f"result = ['{receiver.url}/' + str(n) for n in range(30)]")
    each: Json = {
        "name": "each",
        "task_executor_name": "http_request",
        "parameters": {"url": "{{items.output}}"},
    }
    receiver.failures_left["/7"] = 1

    ended = await perdure(
        "run",
        written(tmp_path, a_definition(items, each)),
        "--input",
        given,
        "--json",
        variables=reaching,
    )

    assert ended.status == 0, ended.err
    outputs = the_only_object(ended)["outputs"]
    assert isinstance(outputs, dict)
    results = outputs["each"]
    assert isinstance(results, list)
    received = [result["body"]["received"] for result in results]  # type: ignore[call-overload,index]
    assert received == [f"/{number}" for number in range(30)]


async def test_an_iteration_over_nothing_yields_an_empty_list(
    reaching: dict[str, str], tmp_path: Path, given: str
) -> None:
    each = code("each", "result = 1")
    each["parameters"] = {"code": "{{items.output}}"}
    flow = written(tmp_path, a_definition(code("items", "result = []"), each))

    ended = await perdure("run", flow, "--input", given, "--json", variables=reaching)

    assert ended.status == 0, ended.err
    assert the_only_object(ended)["outputs"] == {"each": []}


async def test_every_fault_of_a_definition_is_listed(
    reaching: dict[str, str], tmp_path: Path, given: str
) -> None:
    faulty: Json = {
        "name": f"faulty {uuid4()}",
        "tasks": [
            a_form(),
            {"name": "a", "task_executor_name": "http_reqest", "parameters": {}},
            {
                "name": "b",
                "task_executor_name": "format_data",
                "parameters": {"template": "{{nobody.output}}"},
            },
        ],
    }

    ended = await perdure("run", written(tmp_path, faulty), "--input", given, variables=reaching)

    assert ended.status == 1
    first, *faults = ended.err.splitlines()
    assert "not a valid flow" in first
    assert any("tasks.1.task_executor_name" in fault for fault in faults)
    assert any("http_request" in fault for fault in faults)  # did you mean
    assert any("tasks.2.parameters" in fault and "nobody" in fault for fault in faults)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("tasks: [", "flow.yaml"),
        ("- a list", "top level must be an object"),
        ("a: 1\na: 2", "twice"),
    ],
)
async def test_a_file_that_is_no_definition_is_named(
    reaching: dict[str, str], tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "flow.yaml").write_text(content)

    ended = await perdure("run", str(tmp_path / "flow.yaml"), variables=reaching)

    assert ended.status == 1
    assert said in ended.err
    assert "Traceback" not in ended.err


async def test_input_that_does_not_fit_is_refused_with_its_fault(
    reaching: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "input.yaml").write_text("text: 5\n")
    flow = written(tmp_path, a_definition(a_note("note", "form")))

    ended = await perdure(
        "run", flow, "--input", str(tmp_path / "input.yaml"), "--json", variables=reaching
    )

    assert ended.status == 1
    assert "text" in ended.err
    error = the_only_object(ended)["error"]
    assert isinstance(error, dict)
    assert error["code"] == "bad_request"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PERDURE_URL": f"http://127.0.0.1:{free_port()}"}, "is the platform up"),
        ({"PERDURE_API_KEY": "saf_org_wrong_wrong_wrong"}, "PERDURE_API_KEY"),
        ({"PERDURE_API_KEY": ""}, "PERDURE_API_KEY is not set"),
        ({"PERDURE_URL": "nonsense"}, "nonsense"),
    ],
)
async def test_an_api_that_cannot_be_used_is_one_line(
    reaching: dict[str, str], tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    flow = written(tmp_path, a_definition(a_note("note", "form")))

    ended = await perdure("run", flow, variables={**reaching, **variables})

    assert ended.status == 1
    assert ended.err.count("\n") == 1
    assert said in ended.err
    assert ended.out == ""


async def test_an_unknown_flow_is_one_line(reaching: dict[str, str]) -> None:
    for unknown in ("no such flow", str(uuid4())):
        ended = await perdure("run", unknown, variables=reaching)
        assert ended.status == 1
        assert ended.err.count("\n") == 1


async def test_a_file_larger_than_a_request_says_what_to_do(
    reaching: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "large.pdf").write_bytes(b"%PDF-" + b"x" * 1_000_000)
    flow = written(tmp_path, {"name": f"f {uuid4()}", "tasks": [a_file()]})

    ended = await perdure("run", flow, "--input", str(tmp_path / "large.pdf"), variables=reaching)

    assert ended.status == 1
    assert "document_url" in ended.err


async def test_any_other_file_is_handed_in_as_a_document(
    reaching: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "note.txt").write_text("Grüße")
    definition: Json = {
        "name": f"f {uuid4()}",
        "tasks": [
            a_file(),
            {
                "name": "text",
                "task_executor_name": "doc_to_text",
                "parameters": {"document_url": "{{file.document_url}}"},
            },
            {
                "name": "note",
                "task_executor_name": "format_data",
                "parameters": {
                    "template": {
                        "text": "{{text.text}}",
                        "type": "{{file.mime_type}}",
                        "name": "{{file.filename}}",
                        "desk": "{{file.metadata.desk}}",
                    }
                },
            },
        ],
    }

    ended = await perdure(
        "run",
        written(tmp_path, definition),
        *("--input", str(tmp_path / "note.txt"), "--metadata", "desk=north=1", "--json"),
        variables=reaching,
    )

    assert ended.status == 0, ended.err
    assert the_only_object(ended)["outputs"] == {
        "note": {"text": "Grüße", "type": "text/plain", "name": "note.txt", "desk": "north=1"}
    }


def a_file() -> Json:
    return {"name": "file", "task_executor_name": "receive_file"}


async def test_following_survives_an_api_that_is_killed(
    platform: PlatformProcess,
    reaching: dict[str, str],
    tmp_path: Path,
    given: str,
    receiver: Receiver,
) -> None:
    gate = receiver.gate("/slow")
    flow = written(tmp_path, a_definition(an_effect("call", receiver, "/slow", "form")))
    async with on_a_terminal("run", flow, "--input", given, variables=reaching) as terminal:
        await eventually(lambda: receiver.arrived("/slow"), 20, saying="the effect runs")
        killed = platform.kill("api")
        await platform.await_back("api", killed)
        gate.set()
        status = await terminal.ends()

    assert status == 0, terminal.text
    assert '"received": "/slow"' in terminal.text
    assert "Traceback" not in terminal.text


async def a_latest_execution(platform: PlatformProcess, flow: str) -> Json:
    """Return the newest execution of the flow in a file."""
    name = yaml.safe_load(Path(flow).read_text())["name"]  # noqa: ASYNC240
    flows = (await platform.http.get("/api/flows", params={"search": name})).json()["flows"]
    answer = await platform.http.get(
        "/api/flow-executions", params={"flow_id": flows[0]["id"], "include_run_number": True}
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    execution: Json = answer.json()[0]
    return execution


async def test_ctrl_c_cancels_if_wanted(
    platform: PlatformProcess,
    reaching: dict[str, str],
    tmp_path: Path,
    given: str,
    receiver: Receiver,
) -> None:
    receiver.gate("/slow")
    flow = written(tmp_path, a_definition(an_effect("call", receiver, "/slow", "form")))
    async with on_a_terminal("run", flow, "--input", given, variables=reaching) as terminal:
        await eventually(lambda: receiver.arrived("/slow"), 20, saying="the effect runs")
        # The effect may begin before the command has its answer, and so something to ask about.
        await terminal.shows(" v1 #")
        terminal.interrupt()
        await terminal.shows("Cancel execution")
        terminal.types("y")
        status = await terminal.ends()

    assert status == 130
    assert "Traceback" not in terminal.text
    assert (await a_latest_execution(platform, flow))["status"] == "cancelled"


@pytest.mark.parametrize("answer", ["n", ""])
async def test_ctrl_c_leaves_the_execution_if_wanted(
    platform: PlatformProcess,
    reaching: dict[str, str],
    tmp_path: Path,
    given: str,
    receiver: Receiver,
    answer: str,
) -> None:
    gate = receiver.gate("/slow")
    flow = written(tmp_path, a_definition(an_effect("call", receiver, "/slow", "form")))
    async with on_a_terminal("run", flow, "--input", given, variables=reaching) as terminal:
        await eventually(lambda: receiver.arrived("/slow"), 20, saying="the effect runs")
        # The effect may begin before the command has its answer, and so something to ask about.
        await terminal.shows(" v1 #")
        terminal.interrupt()
        await terminal.shows("Cancel execution")
        terminal.types(answer)
        status = await terminal.ends()
    gate.set()

    assert status == 130
    assert "goes on" in terminal.text
    execution = await a_latest_execution(platform, flow)
    assert (await platform.finished(str(execution["id"])))["status"] == "completed"
