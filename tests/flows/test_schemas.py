"""What a JSON Schema says about a path, and outputs of tasks that iterate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from flows.executors.spec import JsonSchema
from flows.graph import Graph
from flows.outputs import output_schemas
from flows.parse import accepted, check
from flows.schemas import is_list, may_be_list, schemas_at
from tests.support.flow_builders import a_flow, an_input, task

SCHEMA: JsonSchema = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "any": {},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
        "either": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
        "maybe": {"type": ["object", "null"], "additionalProperties": {"type": "integer"}},
        "loop": {"$ref": "#/properties/loop"},
        "lost": {"$ref": "#/$defs/nothing"},
        "word": {"enum": ["a", "b"]},
        "pattern": {"type": "object", "patternProperties": {"^x": {}}},
        "never": False,
    },
    "additionalProperties": False,
    "$defs": {
        "row": {
            "type": "object",
            "properties": {"id": {"type": "integer"}},
            "additionalProperties": False,
        }
    },
}


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("text",),
        ("any", "thing", 0),
        ("rows", 0, "id"),
        ("rows", "0", "id"),
        ("rows", "id"),
        ("either", 3),
        ("maybe", "x"),
        ("loop", "x"),
        ("lost", "x"),
        ("word",),
        ("pattern", "x"),
    ],
)
def test_what_a_schema_does_not_exclude_is_possible(path: tuple[str | int, ...]) -> None:
    assert schemas_at(SCHEMA, path)


@pytest.mark.parametrize(
    "path",
    [
        ("txt",),
        ("text", "x"),
        ("text", 0),
        ("rows", 0, "idd"),
        ("rows", "idd"),
        ("either", "x"),
        ("maybe", "x", "y"),
        ("word", "x"),
        ("never",),
    ],
)
def test_what_a_schema_excludes_is_impossible(path: tuple[str | int, ...]) -> None:
    assert schemas_at(SCHEMA, path) == []


@pytest.mark.parametrize(
    ("path", "may_be", "is_sure"),
    [
        (("rows",), True, True),
        (("rows", "id"), True, True),
        (("either",), True, False),
        (("any",), True, False),
        (("text",), False, False),
        (("maybe",), False, False),
    ],
)
def test_lists_are_told_from_other_values(
    path: tuple[str | int, ...], may_be: bool, is_sure: bool
) -> None:
    found = schemas_at(SCHEMA, path)

    assert may_be_list(found) is may_be
    assert is_list(found) is is_sure


_SCHEMA_PARTS = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["array", "object", "#/properties/a", "#"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "items", "anyOf", "oneOf", "$ref", "a", "enum"]),
            inner,
        )
    ),
    max_leaves=20,
)


@given(_SCHEMA_PARTS, st.lists(st.sampled_from(["a", "b", 0]), max_size=4))
def test_no_schema_breaks_the_question(schema: JsonValue, path: list[str | int]) -> None:
    may_be_list(schemas_at({"properties": {"a": schema}, "anyOf": [schema]}, path))


def _outputs(*tasks: dict[str, JsonValue]) -> dict[str, JsonSchema]:
    rows: dict[str, JsonValue] = {"id": "urls", "data_type": "list"}
    text: dict[str, JsonValue] = {"id": "url", "data_type": "str"}
    flow = accepted(a_flow(an_input("start", rows, text), *tasks))
    return output_schemas(flow, Graph(flow), {one.name for one in flow.tasks})


def test_a_task_that_iterates_yields_a_list() -> None:
    schemas = _outputs(
        task("many", "http_request", {"url": "{{start.urls}}"}),
        task("one", "http_request", {"url": "{{start.url}}"}),
        task("chained", "http_request", {"url": "{{many.body}}"}),
        task("unknown", "http_request", {"url": "{{one.body.next}}"}),
    )

    assert schemas["many"]["type"] == "array"
    assert schemas["one"]["type"] == "object"
    assert schemas["chained"]["type"] == "array"
    assert "anyOf" in schemas["unknown"]


def test_a_field_of_a_list_that_an_iteration_yields_is_no_fault() -> None:
    document = a_flow(
        an_input("start", {"id": "urls", "data_type": "list"}),
        task("call", "http_request", {"url": "{{start.urls}}"}),
        task("good", "format_data", {"template": ["{{call.status_code}}", "{{call[0].body.x}}"]}),
        task("bad", "format_data", {"template": ["{{call.status}}", "{{call[0].bodie}}"]}),
    )

    assert [fault.location for fault in check(document)[1]] == [
        ("tasks", 3, "parameters", "template", 0),
        ("tasks", 3, "parameters", "template", 1),
    ]
