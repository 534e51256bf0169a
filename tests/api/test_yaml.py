"""Definitions go in and come out as YAML, by the rules that hold for JSON."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from api.media_types import preferred_yaml
from flows.reading import read_document
from flows.yaml_writing import write_yaml
from tests.fixtures.api import Api
from tests.support.documents import a_flow, task
from tests.support.generated_flows import GeneratedFlow, generated_flows
from tests.support.platform import Json, Platform

YAML = "application/yaml"
FLOWS = "/api/flows"
TYPES = ["application/yaml", "text/yaml", "application/x-yaml", "Text/YAML; charset=utf-8"]


async def sent(
    platform: Platform, method: str, path: str, body: JsonValue, media_type: str = YAML
) -> httpx.Response:
    """Send a value as YAML."""
    return await platform.client.request(
        method, path, content=write_yaml(body), headers={"Content-Type": media_type}
    )


def in_yaml(answer: httpx.Response) -> Json:
    """Return what an answer in YAML says."""
    assert answer.status_code < 300, answer.text
    assert answer.headers["content-type"] == "application/yaml; charset=utf-8"
    value = read_document(answer.content, media="yaml")
    assert isinstance(value, dict)
    return value


async def read(platform: Platform, path: str) -> Json:
    """Read something as YAML."""
    return in_yaml(await platform.client.get(path, headers={"Accept": YAML}))


@pytest.mark.parametrize("media_type", TYPES)
async def test_every_definition_endpoint_takes_yaml(platform: Platform, media_type: str) -> None:
    new: Json = {"display_name": str(uuid4()), "definition": a_flow()}
    made = await sent(platform, "POST", FLOWS, new, media_type)
    path = f"{FLOWS}/{made.json()['id']}"
    whole: Json = {"definition": a_flow(task("second"))}

    answers = [
        made,
        await sent(platform, "PUT", f"{path}/definition", whole, media_type),
        await sent(platform, "PUT", f"{path}/task", task("third"), media_type),
        await sent(platform, "POST", f"{path}/validate", whole, media_type),
        await sent(platform, "POST", "/api/task-data", {"flow_definition": a_flow()}, media_type),
    ]

    assert [each.status_code for each in answers] == [201, 200, 200, 200, 200]
    assert {each.headers["content-type"] for each in answers} == {"application/json"}
    assert made.json()["definition"] == a_flow()
    names = [each["name"] for each in answers[2].json()["definition"]["tasks"]]
    assert names[-2:] == ["second", "third"]


async def test_reads_of_flows_and_versions_answer_in_yaml(platform: Platform) -> None:
    flow = await platform.flow(a_flow(), description="no", tags=["1e3", "~"])
    path = f"{FLOWS}/{flow['id']}"

    assert await read(platform, path) == flow
    assert await read(platform, f"{path}/versions/1") == flow
    versions = await platform.client.get(f"{path}/versions", headers={"Accept": YAML})
    assert read_document(versions.content, media="yaml") == [flow]
    assert versions.headers["vary"] == "Accept"


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(generated=generated_flows(with_code=True), note=st.text(max_size=10))
async def test_a_definition_comes_out_as_it_went_in(
    platform: Platform, generated: GeneratedFlow, note: str
) -> None:
    said = note.replace("\x00", "")
    definition: Json = {**generated.definition, "description": said}
    body: Json = {"display_name": str(uuid4()), "definition": definition}

    made = await sent(platform, "POST", FLOWS, body)
    shown = await read(platform, f"{FLOWS}/{made.json()['id']}")

    assert made.json()["definition"] == shown["definition"] == definition


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, None),
        ("*/*", None),
        ("application/*", None),
        ("text/*, */*;q=0.1", None),
        ("application/json", None),
        ("application/yaml", "application/yaml"),
        ("text/yaml", "text/yaml"),
        ("APPLICATION/X-YAML ; q=0.5", "application/x-yaml"),
        ("application/yaml, */*", "application/yaml"),
        ("application/yaml;q=0.5, */*", None),
        ("application/yaml;q=0.5, */*;q=0.1", "application/yaml"),
        ("application/yaml, application/json", None),
        ("application/yaml, application/json;q=0.9", "application/yaml"),
        ("application/yaml;q=0.8, application/json;q=0.9", None),
        ("application/yaml;q=0", None),
        ("application/yaml;q=0, */*;q=0", None),
        ("application/yaml;q=high", None),
        ("application/yaml;q=2", None),
        ("text/yaml;q=0.2, application/yaml;q=0.3", "application/yaml"),
        ("application/yaml;version=1.2", "application/yaml"),
        (",;,application/yaml", "application/yaml"),
    ],
)
def test_what_a_caller_would_rather_read(accept: str | None, expected: str | None) -> None:
    assert preferred_yaml(accept) == expected


async def test_changes_answer_in_yaml_too(platform: Platform) -> None:
    body: Json = {"display_name": str(uuid4()), "definition": a_flow()}

    made = await platform.client.post(
        FLOWS, content=write_yaml(body), headers={"Content-Type": YAML, "Accept": YAML}
    )

    shown = in_yaml(made)
    assert (made.status_code, shown["definition"]) == (201, a_flow())
    deleted = await platform.client.delete(f"{FLOWS}/{shown['id']}", headers={"Accept": YAML})
    assert (deleted.status_code, deleted.content) == (204, b"")


async def test_refusals_stay_json(platform: Platform) -> None:
    for answer in (
        await platform.client.get(f"{FLOWS}/{uuid4()}", headers={"Accept": YAML}),
        await platform.client.get(f"{FLOWS}/x", headers={"Accept": YAML}),
        await platform.client.post(
            FLOWS, content="a: [", headers={"Content-Type": YAML, "Accept": YAML}
        ),
    ):
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("text", "status", "code", "said"),
    [
        ("a: 1\n b: 2", 400, "invalid_dsl_input", "line 2, column 3"),
        ("a: 1\na: 2", 400, "invalid_dsl_input", "key 'a' stands twice"),
        ("definition: !!python/object:os.system {}", 400, "invalid_dsl_input", "is not known here"),
        ("a: !mine 1", 400, "invalid_dsl_input", "tag '!mine'"),
        ("a: 1\n---\nb: 2", 400, "invalid_dsl_input", "more than one document"),
        ("a: &x 1\n<<: *x", 400, "invalid_dsl_input", "merge keys"),
        ("a: .nan", 400, "invalid_dsl_input", "not a finite number"),
        (f"a: {'9' * 320}", 400, "bad_request", "outside the range of a double"),
        ('a: "\\0"', 400, "bad_request", "NUL"),
        ("a: " + "[" * 65 + "]" * 65, 400, "bad_request", "nested deeper than 64"),
        ("a: " + "[" * 64 + "]" * 64, 422, "validation_error", "Request validation failed"),
        ("[]", 422, "validation_error", "Request validation failed"),
        ("", 422, "validation_error", "Request validation failed"),
        ("display_name: 7\ndefinition: {}", 422, "validation_error", "Request validation"),
    ],
    ids=lambda value: str(value).replace("\n", " ")[:20],
)
async def test_what_yaml_may_not_be(
    platform: Platform, text: str, status: int, code: str, said: str
) -> None:
    answer = await platform.client.post(FLOWS, content=text, headers={"Content-Type": YAML})

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert said in json.dumps(error)


async def test_an_alias_may_not_explode(platform: Platform) -> None:
    levels = "\n".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12)
    )

    answer = await platform.client.post(
        FLOWS, content=f"a0: &a0 [x]\n{levels}", headers={"Content-Type": YAML}
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")


async def test_a_definition_in_yaml_may_be_as_large_as_in_json(platform: Platform) -> None:
    def body(bytes_of_code: int) -> Json:
        code = ("x = 1  # " + "-" * 90 + "\n") * (bytes_of_code // 100)
        return {"display_name": str(uuid4()), "definition": a_flow(task("a", note=code))}

    large = await sent(platform, "POST", FLOWS, body(900_000))
    too_large = await sent(platform, "POST", FLOWS, body(1_100_000))
    far_too_large = await sent(platform, "POST", FLOWS, body(2_200_000))

    as_json = await platform.client.post(FLOWS, json=body(1_100_000))
    assert large.status_code == 201
    assert (too_large.status_code, far_too_large.status_code) == (as_json.status_code, 413)


async def test_bytes_that_are_no_text_are_refused(platform: Platform) -> None:
    answer = await platform.client.post(
        FLOWS, content=b"a: \xff", headers={"Content-Type": "application/yaml; charset=latin-1"}
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


async def test_nothing_is_read_from_whoever_has_no_credential(api: Api) -> None:
    client = await api.client()

    answer = await client.post(FLOWS, content="a: [", headers={"Content-Type": YAML})

    assert answer.status_code == 401


async def test_other_operations_take_json_alone(platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    body: Json = {"flow_id": flow["id"], "input": {"text": "x"}}

    refused = await sent(platform, "POST", "/api/flow-executions", body)
    execution = await platform.started(flow["id"])
    shown = await platform.client.get(execution.path, headers={"Accept": YAML})

    assert refused.status_code == 422
    assert shown.headers["content-type"] == "application/json"


async def test_secrets_are_masked_in_yaml_too(platform: Platform) -> None:
    hook: Json = {
        "name": "hook",
        "task_executor_name": "webhook_receive",
        "parameters": {"secret": "hush hush"},
    }
    body: Json = {"display_name": str(uuid4()), "definition": {"tasks": [hook]}}

    made = await sent(platform, "POST", FLOWS, body)
    shown = await platform.client.get(
        f"{FLOWS}/{made.json()['id']}", headers={"Accept": "text/yaml"}
    )

    assert "hush" not in shown.text
    assert "********" in shown.text


def test_the_document_says_where_yaml_is_spoken(api: Api) -> None:
    paths: Any = api.app.openapi()["paths"]

    assert YAML in paths["/api/flows"]["post"]["requestBody"]["content"]
    assert YAML in paths["/api/flows/{flow_id}"]["get"]["responses"]["200"]["content"]
    assert YAML not in paths["/api/flows/{flow_id}"]["get"]["responses"]["404"]["content"]
    assert YAML not in paths["/api/flow-executions"]["post"]["requestBody"]["content"]
