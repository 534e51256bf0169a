import pytest
from pydantic import JsonValue

from activities.data import DataActivities
from flows.errors import TaskFailedError
from tests.support.calls import a_call, performed

DATA = DataActivities()


async def formatted(template: JsonValue) -> JsonValue:
    return await performed(DATA.format_data, a_call("format_data", template=template))


async def branched(**parameters: JsonValue) -> JsonValue:
    return await performed(DATA.branch, a_call("branch", **parameters))


async def validated(**parameters: JsonValue) -> JsonValue:
    return await performed(DATA.validation, a_call("validation", **parameters))


def case(name: str, left: JsonValue, operator: str, right: JsonValue = None) -> JsonValue:
    return {"name": name, "condition": {"left": left, "operator": operator, "right": right}}


def rule(field: str, operator: str, right: JsonValue = None, message: str = "") -> JsonValue:
    return {
        "field": field,
        "condition": {"operator": operator, "right": right},
        "message": message,
    }


@pytest.mark.parametrize("template", [{}, {"a": {"$b": [1, "{{not a reference}}"]}}])
async def test_an_object_is_the_output_as_it_is(template: JsonValue) -> None:
    assert await formatted(template) == template


@pytest.mark.parametrize("template", [None, 1, "text", [1, {"a": 2}], True])
async def test_anything_else_stands_under_value(template: JsonValue) -> None:
    assert await formatted(template) == {"value": template}


async def test_the_first_case_that_holds_is_chosen() -> None:
    cases = [case("small", 7, "lt", 5), case("middle", 7, "lt", 10), case("large", 7, "gt", 5)]

    assert await branched(target={"n": 7}, cases=cases) == {"case": "middle", "value": {"n": 7}}


async def test_a_condition_without_a_left_side_looks_at_the_target() -> None:
    cases: list[JsonValue] = [{"name": "large", "condition": {"operator": "gt", "right": 5}}]

    assert await branched(target=7, cases=cases) == {"case": "large", "value": 7}
    assert await branched(target=3, cases=cases) == {"case": None, "value": 3}


async def test_the_default_is_chosen_when_nothing_holds() -> None:
    cases = [case("never", 1, "eq", 2)]

    assert await branched(cases=cases, default="other") == {"case": "other", "value": None}
    assert await branched(cases=cases) == {"case": None, "value": None}


async def test_conditions_are_joined() -> None:
    joined: JsonValue = {
        "all": [
            {"left": 3, "operator": "gte", "right": 3},
            {
                "any": [
                    {"left": "b", "operator": "in", "right": ["a"]},
                    {"left": [1, 2], "operator": "contains", "right": 2},
                ]
            },
        ]
    }

    output = await branched(cases=[{"name": "yes", "condition": joined}])

    assert output == {"case": "yes", "value": None}


async def test_a_valid_target_is_passed_through_with_its_verdict() -> None:
    output = await validated(
        target={"total": 5, "lines": [{"sku": "a"}]},
        rules=[rule("total", "gt", 0), rule("lines.0.sku", "eq", "a"), rule("", "exists")],
    )

    assert output == {
        "total": 5,
        "lines": [{"sku": "a"}],
        "is_valid": True,
        "errors": [],
    }


async def test_every_rule_that_does_not_hold_is_named() -> None:
    output = await validated(
        target={"total": -1},
        rules=[
            rule("total", "gt", 0, "must be positive"),
            rule("lines.7.sku", "exists"),
            rule("total", "lt", 0),
        ],
    )

    assert output == {
        "total": -1,
        "is_valid": False,
        "errors": [
            {"field": "total", "message": "must be positive"},
            {"field": "lines.7.sku", "message": "lines.7.sku does not satisfy its rule"},
        ],
    }


async def test_a_rule_may_compare_something_else_than_its_field() -> None:
    compared: JsonValue = {
        "field": "total",
        "condition": {"left": 2, "operator": "eq", "right": 3},
        "message": "sums differ",
    }

    output = await validated(target={"total": 1}, rules=[compared])

    assert isinstance(output, dict)
    assert output["errors"] == [{"field": "total", "message": "sums differ"}]


async def test_a_target_that_is_no_object_stands_under_value() -> None:
    output = await validated(target=[1, 2], rules=[rule("1", "eq", 2)])

    assert output == {"value": [1, 2], "is_valid": True, "errors": []}


async def test_the_verdict_wins_over_properties_of_the_same_name() -> None:
    output = await validated(target={"is_valid": "maybe", "errors": 3}, rules=[])

    assert output == {"is_valid": True, "errors": []}


async def test_a_strict_validation_fails_the_task() -> None:
    rules = [rule("a", "exists", message=f"no {number}") for number in range(7)]

    with pytest.raises(TaskFailedError) as caught:
        await validated(target={}, rules=rules, strict=True)

    assert (caught.value.type, caught.value.retryable) == ("ValidationFailed", False)
    assert caught.value.message == (
        "7 of 7 rules do not hold: no 0; no 1; no 2; no 3; no 4; and 2 more"
    )


async def test_parameters_that_do_not_fit_fail_the_task() -> None:
    with pytest.raises(TaskFailedError) as caught:
        await branched(cases=[], colour="red")

    assert caught.value.type == "InvalidParameters"
    assert "cases" in caught.value.message
    assert "colour" in caught.value.message
