from pathlib import Path
from typing import get_args

import jsonschema_rs
import pytest
from pydantic import BaseModel, JsonValue, ValidationError

from flows.executors.activity import ACTIVITY
from flows.executors.branch import BRANCH
from flows.executors.custom_form_input import CUSTOM_FORM_INPUT
from flows.executors.doc_to_text import DOC_TO_TEXT
from flows.executors.fields import DataType, Field, object_schema
from flows.executors.format_data import FORMAT_DATA
from flows.executors.http_request import HTTP_REQUEST
from flows.executors.python_code import PYTHON_CODE
from flows.executors.receive_file import RECEIVE_FILE
from flows.executors.rules import Operator
from flows.executors.scheduled_trigger import SCHEDULED_TRIGGER
from flows.executors.spec import JsonSchema, Kind, TaskExecutor
from flows.executors.validation import VALIDATION
from flows.executors.wait import WAIT
from flows.executors.webhook_receive import WEBHOOK_RECEIVE

REPOSITORY = Path(__file__).resolve().parents[2]

ALL = [
    RECEIVE_FILE,
    CUSTOM_FORM_INPUT,
    FORMAT_DATA,
    HTTP_REQUEST,
    BRANCH,
    VALIDATION,
    DOC_TO_TEXT,
    PYTHON_CODE,
    WAIT,
    WEBHOOK_RECEIVE,
    SCHEDULED_TRIGGER,
    ACTIVITY,
]


def fits(schema: JsonSchema, value: JsonValue) -> bool:
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return bool(validator.is_valid(value))


def a_schema(*fields: dict[str, JsonValue], required: bool = True) -> JsonSchema:
    return object_schema([Field.model_validate(field) for field in fields], required=required)


@pytest.mark.parametrize("executor", ALL, ids=lambda executor: executor.name)
def test_every_executor_describes_itself(executor: TaskExecutor) -> None:
    assert len(executor.description) >= 10
    assert executor.agent_prompt
    assert issubclass(executor.parameters, BaseModel)
    jsonschema_rs.meta.validate(executor.parameters.model_json_schema())
    jsonschema_rs.meta.validate(executor.output_schema({}))
    assert (executor.flow_input_schema is not None) == (executor.kind is Kind.INPUT)


@pytest.mark.parametrize("executor", ALL, ids=lambda executor: executor.name)
def test_no_executor_takes_unknown_parameters(executor: TaskExecutor) -> None:
    with pytest.raises(ValidationError, match="no_such_parameter"):
        executor.parameters.model_validate({"no_such_parameter": 1})


@pytest.mark.parametrize(
    ("data_type", "good", "bad"),
    [
        ("str", ["", "x"], [1, None, []]),
        ("text", ["x"], [1]),
        ("int", [0, -3], [1.5, True, "1", None]),
        ("integer", [7], [False]),
        ("float", [1, 2.5], [True, "2"]),
        ("number", [1], [None]),
        ("bool", [True], [0, "true"]),
        ("boolean", [False], [1]),
        ("date", ["2024-02-29"], ["2023-02-29", "29.2.2024", 5]),
        ("datetime", ["2024-02-29T10:00:00Z"], ["2024-02-29", 5]),
        ("list", [[], [1, "a"]], ["a", {}]),
        ("object", [{}, {"any": 1}], [[], "a"]),
        ("table", [[], [{}]], [{}, [1], [{"unknown": 1}]]),
    ],
)
def test_a_field_takes_values_of_its_type(
    data_type: str, good: list[JsonValue], bad: list[JsonValue]
) -> None:
    schema = a_schema({"id": "f", "data_type": data_type})

    assert [value for value in good if not fits(schema, {"f": value})] == []
    assert [value for value in bad if fits(schema, {"f": value})] == []


def test_fields_are_required_or_may_be_null() -> None:
    strict = a_schema({"id": "a"}, {"id": "b", "required": False})
    lenient = a_schema({"id": "a"}, {"id": "b", "required": True}, required=False)

    assert fits(strict, {"a": "x"})
    assert fits(strict, {"a": "x", "b": None})
    assert not fits(strict, {"b": "x"})
    assert not fits(strict, {"a": None})
    assert fits(lenient, {"b": "x", "a": None})
    assert not fits(lenient, {"a": "x"})
    assert not fits(strict, {"a": "x", "c": 1})


def test_tables_and_objects_have_columns() -> None:
    columns: JsonValue = [{"id": "sku"}, {"id": "count", "data_type": "int"}]
    schema = a_schema(
        {"id": "rows", "data_type": "table", "columns": columns},
        {"id": "one", "data_type": "object", "columns": columns},
    )
    row: JsonValue = {"sku": "a", "count": 2}

    assert fits(schema, {"rows": [row, row], "one": row})
    assert not fits(schema, {"rows": [{"sku": "a"}], "one": row})
    assert not fits(schema, {"rows": [], "one": {"sku": "a", "count": "2"}})


def test_of_two_fields_with_one_id_the_later_counts() -> None:
    schema = a_schema({"id": "a", "data_type": "int"}, {"id": "a", "required": False})

    assert fits(schema, {})
    assert fits(schema, {"a": "text"})
    assert not fits(schema, {"a": 1})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"document_url": "https://x/y.pdf"}, True),
        ({"document_url": "u", "mime_type": "m", "filename": "f", "metadata": {}}, True),
        ({"file_key": "k", "options": {"a": 1}}, True),
        ({}, False),
        ({"mime_type": "m"}, False),
        ({"document_url": ""}, False),
        ({"document_url": 5}, False),
        ({"document_url": "u", "metadata": "text"}, False),
        ({"document_url": "u", "documnet_url": "u"}, False),
    ],
)
def test_a_flow_starts_with_a_document(value: JsonValue, expected: bool) -> None:
    assert RECEIVE_FILE.flow_input_schema is not None
    assert fits(RECEIVE_FILE.flow_input_schema({}), value) is expected


def test_a_form_without_fields_asks_for_a_document() -> None:
    assert CUSTOM_FORM_INPUT.flow_input_schema is not None
    schema = CUSTOM_FORM_INPUT.flow_input_schema({})
    document: dict[str, JsonValue] = {"filename": "f", "mime_type": "m", "document_url": "u"}

    assert fits(schema, document)
    assert fits(schema, {**document, "metadata": {"any": 1}})
    assert not fits(schema, {"filename": "f", "mime_type": "m"})
    assert not fits(schema, {**document, "other": 1})


def test_a_form_with_fields_asks_for_them() -> None:
    assert CUSTOM_FORM_INPUT.flow_input_schema is not None
    schema = CUSTOM_FORM_INPUT.flow_input_schema({"fields": [{"id": "n", "data_type": "int"}]})

    assert fits(schema, {"n": 1})
    assert not fits(schema, {"n": "1"})
    assert not fits(schema, {})


@pytest.mark.parametrize(
    ("template", "good", "bad"),
    [
        ({"a": 1, "b": "{{t.x}}"}, {"a": 1, "b": [2]}, {"a": "1", "b": 2}),
        ({"a": {"b": "text"}}, {"a": {"b": "other"}}, {"a": {"c": "x"}}),
        ({"a": "with {{t.x}} inside"}, {"a": "with 5 inside"}, {}),
        ("{{t.x}}", {"anything": 1}, [1]),
        ([1, "{{t.x}}"], {"value": [1, 2]}, {"value": 1}),
        ("plain", {"value": "plain"}, {"value": 1}),
    ],
)
def test_the_template_tells_what_format_data_yields(
    template: JsonValue, good: JsonValue, bad: JsonValue
) -> None:
    schema = FORMAT_DATA.output_schema({"template": template})

    assert fits(schema, good)
    assert not fits(schema, bad)


@pytest.mark.parametrize(
    "wrong", [{"timeout_seconds": "5"}, {"fail_on_status": "yes"}, {"headers": []}]
)
def test_types_are_not_coerced(wrong: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        HTTP_REQUEST.parameters.model_validate({"url": "http://x", **wrong})


def test_methods_may_be_written_in_either_case() -> None:
    parameters = HTTP_REQUEST.parameters.model_validate({"url": "http://x", "method": "post"})

    assert parameters.model_dump()["method"] == "POST"


@pytest.mark.parametrize(
    ("condition", "location"),
    [
        ({"left": 1, "operator": "equals", "right": 1}, "operator"),
        ({"all": [{"left": 1}]}, "operator"),
        ({"any": {"left": 1}}, "any"),
        ({}, "operator"),
    ],
)
def test_a_condition_that_makes_no_sense_is_located(condition: JsonValue, location: str) -> None:
    with pytest.raises(ValidationError) as caught:
        BRANCH.parameters.model_validate({"cases": [{"name": "a", "condition": condition}]})

    assert location in caught.value.errors()[0]["loc"]


@pytest.mark.parametrize("executor", ALL, ids=lambda executor: executor.name)
def test_every_parameter_is_documented(executor: TaskExecutor) -> None:
    text = (REPOSITORY / "docs" / "task-executors.md").read_text()
    _, _, rest = text.partition(f"\n## {executor.name}\n")
    section, _, _ = rest.partition("\n## ")

    assert section
    missing = [name for name in executor.parameters.model_fields if f"`{name}`" not in section]
    assert missing == []


def test_every_data_type_and_operator_is_documented() -> None:
    text = (REPOSITORY / "docs" / "task-executors.md").read_text()

    missing = [
        word for word in (*get_args(DataType), *get_args(Operator)) if f"`{word}`" not in text
    ]
    assert missing == []
