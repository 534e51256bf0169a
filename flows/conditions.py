"""Conditions of ``branch`` and ``validation``: one comparison, or several joined by all or any.

Evaluation is pure and total: values that cannot be compared make a comparison false.

Source: docs/flow-language.md, "Conditions".
"""

from typing import assert_never

from pydantic import JsonValue

from flows.executors.rules import AllOf, AnyOf, Comparison, Condition, Operator


def holds(condition: Condition, subject: JsonValue = None) -> bool:
    """Tell whether a condition holds; ``subject`` stands in for an absent ``left``."""
    match condition:
        case AllOf():
            return all(holds(inner, subject) for inner in condition.all)
        case AnyOf():
            return any(holds(inner, subject) for inner in condition.any)
        case Comparison():
            left = condition.left if "left" in condition.model_fields_set else subject
            return _compare(left, condition.operator, condition.right)
        case _:
            assert_never(condition)


def are_equal(left: JsonValue, right: JsonValue) -> bool:
    """Compare as JSON: ``1`` equals ``1.0``, but ``true`` is no number."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            are_equal(value, right[key]) for key, value in left.items()
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(are_equal, left, right))
    return left == right


def _compare(left: JsonValue, operator: Operator, right: JsonValue) -> bool:
    """Apply one operator."""
    match operator:
        case "eq":
            return are_equal(left, right)
        case "ne":
            return not are_equal(left, right)
        case "gt":
            return _is_below(right, left)
        case "gte":
            return _is_below(right, left) or _is_level(left, right)
        case "lt":
            return _is_below(left, right)
        case "lte":
            return _is_below(left, right) or _is_level(left, right)
        case "in":
            return _is_member(left, right)
        case "contains":
            return _is_member(right, left)
        case "exists":
            return (left is not None) is (right is not False)
        case _:
            assert_never(operator)


def _is_below(left: JsonValue, right: JsonValue) -> bool:
    """Order two numbers or two texts; nothing else has an order."""
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left < right
    return False


def _is_level(left: JsonValue, right: JsonValue) -> bool:
    """Tell whether two values that have an order are equal."""
    has_order = isinstance(left, int | float | str) and not isinstance(left, bool)
    return has_order and are_equal(left, right)


def _is_member(value: JsonValue, whole: JsonValue) -> bool:
    """Look for an item of a list, a part of a text or a key of an object."""
    if isinstance(whole, list):
        return any(are_equal(value, item) for item in whole)
    if isinstance(whole, str | dict):
        return isinstance(value, str) and value in whole
    return False
