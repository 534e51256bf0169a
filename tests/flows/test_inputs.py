"""Choosing an input task, and flow input that fits or does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from flows.errors import InvalidInputError
from flows.inputs import (
    choose_input_task,
    completed_input,
    flow_input_schema,
    input_task_names,
    validate_input,
)
from flows.parse import accepted
from tests.support.flow_builders import a_flow, an_input, task

FIELDS: list[dict[str, JsonValue]] = [
    {"id": "text", "data_type": "str"},
    {"id": "count", "data_type": "int", "required": False},
    {"id": "ratio", "data_type": "float", "required": False},
    {"id": "on", "data_type": "date", "required": False},
    {
        "id": "rows",
        "data_type": "table",
        "required": False,
        "columns": [{"id": "n", "data_type": "int"}],
    },
]
FLOW = accepted(a_flow(an_input("form", *FIELDS), task("file", "receive_file")))


def test_the_only_input_task_needs_no_name() -> None:
    assert choose_input_task(accepted(a_flow(task("a"))), None) == "start"


def test_among_several_the_named_one_fires() -> None:
    assert input_task_names(FLOW) == ["form", "file"]
    assert choose_input_task(FLOW, "file") == "file"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (None, "several input tasks, name one of them: 'form', 'file'"),
        ("fil", "'fil' is no input task of this flow, did you mean 'file'?"),
        ("", "'' is no input task of this flow"),
    ],
)
def test_a_choice_that_cannot_be_made_says_why(name: str | None, said: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        choose_input_task(FLOW, name)

    assert said in raised.value.message
    assert raised.value.faults[0].location == ("input_task_name",)


@pytest.mark.parametrize(
    "input",
    [
        {"text": "x"},
        {"text": "", "count": 3, "ratio": 1, "on": "2024-02-29", "rows": [{"n": 1}]},
        {"text": "x", "count": None, "ratio": 10**300},
    ],
)
def test_input_that_fits_has_no_faults(input: JsonValue) -> None:
    assert validate_input(FLOW, "form", input) == []


@pytest.mark.parametrize(
    ("input", "faults"),
    [
        ({}, ["text: missing"]),
        ({"text": 1}, ['text: 1 is not of type "string"']),
        ({"text": "x", "txt": 1, "z": 2}, ["txt: unknown field", "z: unknown field"]),
        ({"text": "x", "count": True}, ['count: true is not of types "null", "integer"']),
        ({"text": "x", "count": 1.5}, ['count: 1.5 is not of types "null", "integer"']),
        ({"text": "x", "on": "31.01.2024"}, ['on: "31.01.2024" is not a "date"']),
        ({"text": "x", "rows": [{"n": 1}, {}]}, ["rows.1.n: missing"]),
        ({"text": "x", "rows": [{"n": "1"}]}, ['rows.0.n: "1" is not of type "integer"']),
        ({"text": "a\x00"}, ["text: text holds a NUL character"]),
        ({"text": "\udfff"}, ["text: text holds half of a surrogate pair"]),
        ({"text": "x", "ratio": float("inf")}, ["ratio: not a finite number"]),
        ({"text": "x", "ratio": 10**400}, ["ratio: number is out of range"]),
        ([], ['[] is not of type "object"']),
        (None, ['null is not of type "object"']),
    ],
)
def test_every_field_that_does_not_fit_is_named(input: JsonValue, faults: list[str]) -> None:
    assert [str(fault) for fault in validate_input(FLOW, "form", input)] == faults


def test_alternatives_are_said_in_words() -> None:
    faults = validate_input(FLOW, "file", {"mime_type": "text/plain"})

    assert [str(fault) for fault in faults] == ["missing: 'document_url' or 'file_key'"]


@pytest.mark.parametrize("name", ["nobody", "a"])
def test_only_an_input_task_takes_input(name: str) -> None:
    flow = accepted(a_flow(task("a")))

    assert [fault.type for fault in validate_input(flow, name, {})] == ["no_input_task"]


def test_a_message_does_not_repeat_a_long_value() -> None:
    (fault,) = validate_input(FLOW, "form", {"text": ["x" * 100_000]})

    assert len(fault.reason) < 320
    assert fault.input is None


def test_only_input_tasks_have_an_input_schema() -> None:
    assert flow_input_schema(FLOW.tasks[0]) is not None
    assert flow_input_schema(accepted(a_flow(task("a"))).tasks[1]) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_no_input_breaks_the_check(input: JsonValue) -> None:
    validate_input(FLOW, "form", input)
    validate_input(FLOW, "form", {"text": "x", "rows": input, "ratio": input})


@pytest.mark.parametrize(
    ("input", "completed"),
    [
        ({"file_key": "k"}, {"file_key": "k", "document_url": "file:k"}),
        ({"file_key": "k", "document_url": "u"}, {"file_key": "k", "document_url": "u"}),
        ({"document_url": "u"}, {"document_url": "u"}),
    ],
)
def test_a_file_key_alone_yields_a_url(
    input: dict[str, JsonValue], completed: dict[str, JsonValue]
) -> None:
    assert completed_input(FLOW, "file", input) == completed


def test_a_form_s_file_key_is_just_a_field() -> None:
    assert completed_input(FLOW, "form", {"file_key": "k"}) == {"file_key": "k"}
