"""Conditions: every operator, and values that cannot be compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, TypeAdapter

from flows.conditions import are_equal, holds
from flows.executors.rules import Comparison, Condition, Operator

_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        (1, "eq", 1.0, True),
        (1, "eq", True, False),
        (0, "eq", False, False),
        ({"a": [1, True]}, "eq", {"a": [1.0, True]}, True),
        ({"a": [1]}, "eq", {"a": [True]}, False),
        ("1", "eq", 1, False),
        (None, "eq", None, True),
        ("a", "ne", "b", True),
        (1, "ne", "1", True),
        (2, "gt", 1, True),
        (2**70, "gt", 1.5, True),
        (1, "gt", 1, False),
        (1, "gte", 1, True),
        ("b", "gt", "a", True),
        ("2024-01-31", "lt", "2024-02-01", True),
        (1, "lte", 1, True),
        ("10", "gt", 9, False),
        (True, "gte", True, False),
        (True, "gt", False, False),
        (None, "lt", 1, False),
        ([1], "gte", [1], False),
        (1, "in", [1.0, 2], True),
        (True, "in", [1], False),
        ("b", "in", "abc", True),
        ("k", "in", {"k": 1}, True),
        (1, "in", "1", False),
        (1, "in", 1, False),
        ([1, {"a": 2}], "contains", {"a": 2}, True),
        ("abc", "contains", "b", True),
        (None, "contains", None, False),
        (0, "exists", None, True),
        (None, "exists", None, False),
        (None, "exists", True, False),
        (None, "exists", False, True),
        ("", "exists", False, False),
    ],
)
def test_operators(left: JsonValue, operator: Operator, right: JsonValue, expected: bool) -> None:
    assert holds(Comparison(left=left, operator=operator, right=right)) is expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"all": []}, True),
        ({"any": []}, False),
        (
            {"all": [{"left": 1, "operator": "exists"}, {"any": [{"left": 1, "operator": "eq"}]}]},
            False,
        ),
        ({"any": [{"left": 1, "operator": "eq"}, {"all": []}]}, True),
    ],
)
def test_conditions_combine(written: JsonValue, expected: bool) -> None:
    assert holds(_CONDITION.validate_python(written)) is expected


def test_an_absent_left_side_is_the_subject_and_null_is_not_absent() -> None:
    assert holds(_CONDITION.validate_python({"operator": "eq", "right": 5}), 5)
    assert not holds(_CONDITION.validate_python({"left": None, "operator": "eq", "right": 5}), 5)


@given(
    _JSON,
    st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte", "in", "contains", "exists"]),
    _JSON,
)
def test_comparing_is_total(left: JsonValue, operator: Operator, right: JsonValue) -> None:
    holds(Comparison.model_construct(left=left, operator=operator, right=right))


@given(_JSON, _JSON)
def test_equality_is_symmetric(left: JsonValue, right: JsonValue) -> None:
    assert are_equal(left, right) is are_equal(right, left)
