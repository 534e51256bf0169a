"""Changing a document without changing its shape."""

import pytest
from pydantic import JsonValue

from flows.errors import InvalidDefinitionError
from flows.shapes import with_task, without_expansions

A: dict[str, JsonValue] = {"name": "a", "task_executor_name": "receive_file"}
B: dict[str, JsonValue] = {"name": "b", "task_executor_name": "format_data"}


def _nested(*tasks: JsonValue) -> dict[str, JsonValue]:
    config: JsonValue = {"groups": [1], "tasks": [*tasks]}
    return {"flow": {"x": 1}, "flow_configs": [{"meta": {"name": "n"}, "config": config}]}


def test_a_task_is_replaced_where_it_stands() -> None:
    changed: dict[str, JsonValue] = {**A, "task_title": "A"}

    assert with_task(_nested(A, B), changed) == _nested(changed, B)
    assert with_task({"tasks": [A, B], "name": "n"}, changed) == {
        "tasks": [changed, B],
        "name": "n",
    }


def test_a_new_task_is_appended() -> None:
    assert with_task(_nested(A), B) == _nested(A, B)
    assert with_task({}, A) == {"tasks": [A]}


def test_the_original_stays_as_it_was() -> None:
    document = _nested(A)

    with_task(document, B)

    assert document == _nested(A)


@pytest.mark.parametrize("nameless", [{}, {"name": ""}, {"name": 3}])
def test_a_task_without_a_name_has_no_place(nameless: dict[str, JsonValue]) -> None:
    with pytest.raises(InvalidDefinitionError):
        with_task(_nested(A), nameless)


@pytest.mark.parametrize(
    "document",
    [{"flow_configs": []}, {"flow_configs": [{}]}, {"flow_configs": {}}, {"flow_configs": [1, 2]}],
)
def test_a_document_without_one_list_of_tasks_has_no_place_either(
    document: dict[str, JsonValue],
) -> None:
    with pytest.raises(InvalidDefinitionError):
        with_task(document, A)


def test_what_only_answers_have_is_dropped() -> None:
    expanded: dict[str, JsonValue] = {
        **A,
        "output_schema": {},
        "input_schema": {},
        "dynamic_data": {},
        "default_reference_modes": {},
        "visual_properties": {"x": 1},
    }

    assert without_expansions(_nested(expanded, "odd")) == _nested(
        {**A, "visual_properties": {"x": 1}}, "odd"
    )
