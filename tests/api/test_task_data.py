"""What editors learn about a definition while it is being written."""

import jsonschema_rs
import pytest
from pydantic import JsonValue

from tests.support.flow_builders import a_flow, an_input, edge, task
from tests.support.platform import Json, Platform

NUMBERS = an_input(
    "start",
    {"id": "n", "data_type": "int"},
    {"id": "rows", "data_type": "list", "columns": [{"id": "at", "data_type": "str"}]},
)


async def asked(platform: Platform, definition: JsonValue, **flags: bool) -> Json:
    response = await platform.client.post(
        "/api/task-data", json={"flow_definition": definition}, params=flags
    )
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


async def errors(platform: Platform, definition: JsonValue, *, full: bool) -> list[str]:
    found = (await asked(platform, definition, full_validation=full))["validation_errors"]
    assert isinstance(found, list)
    return [str(error) for error in found]


async def test_it_says_what_each_task_yields_takes_and_offers(platform: Platform) -> None:
    definition = a_flow(NUMBERS, task("a", reads="start"))

    plain = await asked(platform, definition)
    whole = await asked(platform, definition, include_input_schema=True)

    assert plain["validation_errors"] == []
    assert plain["input_schemas"] == {}
    assert plain["dynamic_data"] == {"start": {}, "a": {}}
    schemas = plain["output_schemas"]
    assert isinstance(schemas, dict)
    assert set(schemas) == {"start", "a"}
    for schema in schemas.values():
        assert isinstance(schema, dict)
        assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
        jsonschema_rs.Draft7Validator(schema)
    inputs = whole["input_schemas"]
    assert isinstance(inputs, dict)
    assert set(inputs) == {"start"}


async def test_the_basic_level_looks_at_structure_and_executors(platform: Platform) -> None:
    definition: JsonValue = {
        "tasks": [
            an_input(),
            {"name": "a", "task_executor_name": "no_such_thing"},
            {"name": "b", "task_executor_name": "format_data", "parameters": 7},
            5,
            task("c", parameters={"template": "{{nobody}}"}),
        ]
    }

    found = await errors(platform, definition, full=False)

    assert [error.split(":")[0] for error in found] == [
        "tasks.1.task_executor_name",
        "tasks.2.parameters",
        "tasks.3",
    ]


@pytest.mark.parametrize(
    ("definition", "says"),
    [
        (a_flow(an_input(), task("a", parameters={"template": "{{nobody.x}}"})), "unknown task"),
        (a_flow(an_input(), task("a", parameters={})), "missing parameter 'template'"),
        (a_flow(an_input(), task("a", parameters={"template": 1})), "no input task leads here"),
        (a_flow(an_input(), task("a", reads="b"), task("b", reads="a")), "in a circle"),
        (a_flow(an_input(), task("a", "wait", {"seconds": -1, "x": "{{start}}"})), "seconds"),
        (
            a_flow(NUMBERS, task("a", "http_request", {"url": "{{start.n}}"})),
            "tasks.1.parameters.url: '{{start.n}}' yields integer, where string is taken",
        ),
        (
            a_flow(NUMBERS, task("a", "wait", {"seconds": "{{start.rows[0].at}}"})),
            "yields string, where null or number is taken",
        ),
    ],
)
async def test_the_full_level_looks_at_everything(
    platform: Platform, definition: Json, says: str
) -> None:
    assert await errors(platform, definition, full=False) == []

    found = await errors(platform, definition, full=True)

    assert [error for error in found if says in error], found


@pytest.mark.parametrize(
    "parameters",
    [
        {"url": "http://x/{{start.n}}"},
        {"url": "{{start.rows[0].at}}"},
        {"url": "{{start.rows.at}}"},
        {"url": "http://x", "body": "{{start.n}}"},
        {"url": "http://x", "timeout_seconds": "{{start.n}}"},
    ],
)
async def test_what_may_fit_is_no_error(platform: Platform, parameters: Json) -> None:
    definition = a_flow(NUMBERS, task("a", "http_request", parameters), edges=[edge("start", "a")])

    assert await errors(platform, definition, full=True) == []


async def test_the_nested_shape_is_read_as_well(platform: Platform) -> None:
    flat = a_flow(NUMBERS, task("a", "http_request", {"url": "{{start.n}}"}))
    nested: JsonValue = {
        "flow_configs": [{"meta": {"name": "n"}, "config": {"tasks": flat["tasks"]}}]
    }

    assert await errors(platform, nested, full=True) == await errors(platform, flat, full=True)


@pytest.mark.parametrize(
    "definition", [{}, {"tasks": "none"}, {"flow_configs": 7}, {"flow_configs": [{"config": 1}]}]
)
async def test_what_has_no_tasks_at_all_cannot_be_read(
    platform: Platform, definition: JsonValue
) -> None:
    response = await platform.client.post("/api/task-data", json={"flow_definition": definition})

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_dsl_input"
    assert response.json()["error"]["details"]


async def test_an_empty_flow_is_no_reason_to_refuse(platform: Platform) -> None:
    assert await errors(platform, {"name": "x", "tasks": []}, full=False) == [
        "tasks: a flow needs tasks to run"
    ]


@pytest.mark.parametrize("body", [{}, {"flow_definition": []}, {"flow_definition": None}])
async def test_a_body_without_a_definition_is_a_422(platform: Platform, body: Json) -> None:
    assert (await platform.client.post("/api/task-data", json=body)).status_code == 422
