"""Which references iterate, over what, and what each item gets."""

import pytest
from pydantic import JsonValue

from flows.errors import TaskFailedError
from flows.executors.catalogue import EXECUTORS
from flows.iteration import Iteration, default_reference_modes, item_parameters, plan
from flows.model import ReferenceMode, Task


def _http(modes: dict[str, ReferenceMode] | None = None, **parameters: JsonValue) -> Task:
    """Return a task whose ``url`` takes text and whose ``body`` takes any JSON."""
    return Task(
        name="call", executor="http_request", parameters=parameters, reference_modes=modes or {}
    )


def test_a_list_for_a_parameter_that_takes_text_is_taken_apart() -> None:
    task = _http(url="{{a.urls}}", body="{{a.all}}")

    iteration = plan(task, {"a.urls": ["u", "v"], "a.all": [1, 2, 3]})

    assert iteration == Iteration(
        iterated={"url": ["a.urls"]},
        items={"a.urls": ["u", "v"]},
        shared={"a.all": [1, 2, 3]},
        length=2,
    )


@pytest.mark.parametrize("value", ["u", None, 3, {"a": [1]}])
def test_a_value_that_is_no_list_makes_one_execution(value: JsonValue) -> None:
    assert plan(_http(url="{{a.urls}}"), {"a.urls": value}) is None


def test_an_empty_list_makes_an_iteration_without_items() -> None:
    iteration = plan(_http(url="{{a.urls}}"), {"a.urls": []})

    assert iteration is not None
    assert iteration.length == 0


@pytest.mark.parametrize(
    ("modes", "iterates"),
    [({}, False), ({"body": "single"}, True), ({"body": "collection"}, False)],
)
def test_a_stated_mode_wins_for_a_parameter_that_takes_anything(
    modes: dict[str, ReferenceMode], iterates: bool
) -> None:
    task = _http(modes, url="u", body={"deep": ["{{a.items}}"]})

    assert (plan(task, {"a.items": [1]}) is not None) is iterates


def test_a_stated_collection_keeps_a_list_whole_where_text_belongs() -> None:
    assert plan(_http({"url": "collection"}, url="{{a.urls}}"), {"a.urls": ["u"]}) is None


def test_a_list_inside_longer_text_iterates_only_if_the_author_says_so() -> None:
    values: dict[str, JsonValue] = {"a.ids": [1, 2]}

    assert plan(_http(url="http://x/{{a.ids}}"), values) is None
    stated = plan(_http({"url": "single"}, url="http://x/{{a.ids}}"), values)
    assert stated is not None
    assert stated.length == 2


def test_the_place_inside_a_parameter_decides() -> None:
    task = _http(url="u", headers={"X-Id": "{{a.ids}}"}, query={"id": "{{a.ids}}"})

    iteration = plan(task, {"a.ids": ["1", "2"]})

    assert iteration is not None
    assert iteration.iterated == {"headers": ["a.ids"]}
    assert iteration.shared == {"a.ids": ["1", "2"]}
    assert item_parameters(task, iteration.iterated, iteration.shared, iteration.at(1)) == {
        "url": "u",
        "headers": {"X-Id": "2"},
        "query": {"id": ["1", "2"]},
    }


def test_lists_of_one_length_go_side_by_side_and_other_values_are_shared() -> None:
    task = _http({"body": "single"}, url="{{a.urls}}", body="{{b.bodies}} {{c}}", method="{{c}}")
    values: dict[str, JsonValue] = {"a.urls": ["u", "v"], "b.bodies": [1, 2], "c": "PUT"}

    iteration = plan(task, values)

    assert iteration is not None
    items = [
        item_parameters(task, iteration.iterated, iteration.shared, iteration.at(index))
        for index in range(iteration.length)
    ]
    assert items == [
        {"url": "u", "body": "1 PUT", "method": "PUT"},
        {"url": "v", "body": "2 PUT", "method": "PUT"},
    ]


def test_lists_of_different_lengths_fail_the_task() -> None:
    task = _http({"body": "single"}, url="{{a.urls}}", body="{{b.bodies}}")

    with pytest.raises(TaskFailedError) as raised:
        plan(task, {"a.urls": ["u"], "b.bodies": []})

    assert raised.value.type == "LengthMismatch"
    assert "{{a.urls}} has 1, {{b.bodies}} has 0" in raised.value.message


def test_a_branch_never_iterates() -> None:
    task = Task(
        name="route",
        executor="branch",
        parameters={"target": "{{a}}", "default": "{{a}}"},
        reference_modes={"target": "single"},
    )

    assert plan(task, {"a": [1, 2]}) is None


def test_default_modes_follow_what_the_model_has_room_for() -> None:
    modes = default_reference_modes(EXECUTORS["http_request"])

    assert modes == {
        "url": "single",
        "method": "single",
        "headers": "single",
        "query": "single",
        "body": "collection",
        "timeout_seconds": "single",
        "fail_on_status": "single",
    }
    assert set(default_reference_modes(EXECUTORS["branch"]).values()) == {"collection"}
    assert default_reference_modes(EXECUTORS["receive_file"]) == {}
    assert default_reference_modes(EXECUTORS["validation"])["rules"] == "collection"
