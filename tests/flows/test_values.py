"""Values that can travel, and those that cannot."""

import pytest
from pydantic import JsonValue
from pydantic_core import from_json, to_json

from flows.errors import TaskFailedError
from flows.model import MAX_NESTING
from flows.values import MAX_VALUE_NESTING, ensure_carriable, value_faults


def _nested(levels: int) -> JsonValue:
    value: JsonValue = []
    for _ in range(levels - 1):
        value = {"k": value}
    return value


def test_a_value_at_all_limits_has_no_faults() -> None:
    assert list(value_faults([_nested(MAX_NESTING - 1), 2**1_000, 1e308, "ß😀", None])) == []


def test_the_limit_of_levels_is_exact() -> None:
    assert list(value_faults(_nested(MAX_NESTING))) == []
    assert [fault.type for fault in value_faults(_nested(MAX_NESTING + 1))] == ["too_deep"]


def test_an_output_within_its_limit_survives_the_way_with_a_templates_levels_on_top() -> None:
    output = _nested(MAX_VALUE_NESTING)
    ensure_carriable(output, "output")
    value = output
    for _ in range(MAX_NESTING):
        value = [value]

    assert from_json(to_json({"tasks": [{"input": value}]})) == {"tasks": [{"input": value}]}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (_nested(MAX_VALUE_NESTING + 1), "the output cannot be kept: more than 128 levels"),
        ({"a": [float("nan")]}, "the output cannot be kept: not a finite number at a.0"),
        ({"a": "\ud800"}, "the output cannot be kept: text holds half of a surrogate pair at a"),
        ({"\ud800": 1}, "the output cannot be kept: a key holds"),
        ([2**2_000], "the output cannot be kept: number is out of range at 0"),
    ],
)
def test_an_output_that_cannot_travel_fails_its_task(value: JsonValue, said: str) -> None:
    with pytest.raises(TaskFailedError, match="cannot be kept") as raised:
        ensure_carriable(value, "output")

    assert raised.value.message.startswith(said)
    assert raised.value.type == "InvalidValue"


def test_an_output_may_hold_a_nul_character() -> None:
    ensure_carriable({"text": "page\x00"}, "output")
