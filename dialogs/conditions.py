"""What expressions of conditional edges mean; ``dialogs.expressions`` reads them.

A value is only ever compared. However it looks, it cannot become part of an expression.

Source: docs/workflow-language.md, "Conditions".
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, assert_never

from pydantic import JsonValue

from dialogs.placeholders import ABSENT, Found, Placeholder

Test = Literal["isPresent", "isAbsent", "isEmpty", "isNonEmpty"]
Operator = Literal["==", "!=", "<", "<=", ">", ">="]
Lookup = Callable[[Placeholder], Found]

TESTS: dict[str, Test] = {
    "isPresent": "isPresent",
    "isAbsent": "isAbsent",
    "isEmpty": "isEmpty",
    "isNonEmpty": "isNonEmpty",
}
OPERATORS: dict[str, Operator] = {
    "==": "==",
    "!=": "!=",
    "<=": "<=",
    ">=": ">=",
    "<": "<",
    ">": ">",
}

_NUMERIC = re.compile(r"\s*[+-]?\d{1,400}(?:\.\d{1,400})?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Constant:
    """A text, a number or a truth value that stands in the expression."""

    value: JsonValue


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True if one part is."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """True if every part is."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """True if its part is not."""

    part: "Expression"


@dataclass(frozen=True, slots=True)
class Tested:
    """Whether an operand is there, or holds anything."""

    test: Test
    operand: "Operand"


@dataclass(frozen=True, slots=True)
class Alone:
    """Whether an operand holds by itself."""

    operand: "Operand"


@dataclass(frozen=True, slots=True)
class Compared:
    """One operand beside another."""

    left: "Operand"
    operator: Operator
    right: "Operand"


Operand = Constant | Placeholder
Expression = AnyOf | AllOf | Negated | Tested | Compared | Alone


def holds(expression: Expression, lookup: Lookup) -> bool:
    """Return whether an expression is true of some values."""
    match expression:
        case AnyOf(parts):
            return any(holds(part, lookup) for part in parts)
        case AllOf(parts):
            return all(holds(part, lookup) for part in parts)
        case Negated(part):
            return not holds(part, lookup)
        case Tested(test, operand):
            return _passes(test, _value(operand, lookup))
        case Alone(operand):
            return _is_true(_value(operand, lookup))
        case Compared(left, operator, right):
            return compare(_value(left, lookup), operator, _value(right, lookup))
        case _:
            assert_never(expression)


def placeholders(expression: Expression) -> Iterator[Placeholder]:
    """Yield the variables that an expression reads."""
    match expression:
        case AnyOf(parts) | AllOf(parts):
            for part in parts:
                yield from placeholders(part)
        case Negated(part):
            yield from placeholders(part)
        case Tested(operand=operand) | Alone(operand=operand):
            yield from (each for each in (operand,) if isinstance(each, Placeholder))
        case Compared(left, _, right):
            yield from (each for each in (left, right) if isinstance(each, Placeholder))
        case _:
            assert_never(expression)


def compare(left: Found, operator: Operator, right: Found) -> bool:
    """Return whether two values stand in a relation; False if they cannot be compared."""
    if left is ABSENT or right is ABSENT or left is None or right is None:
        return False
    if isinstance(left, bool) or isinstance(right, bool):
        return _compare_truths(_truth(left), operator, _truth(right))
    if isinstance(left, str) and isinstance(right, str):
        return _ordered(left, operator, right)
    first, second = _number(left), _number(right)
    return first is not None and second is not None and _ordered(first, operator, second)


def _compare_truths(left: bool | None, operator: Operator, right: bool | None) -> bool:
    if left is None or right is None or operator not in ("==", "!="):
        return False
    return (left is right) is (operator == "==")


def _ordered(left: str | Decimal, operator: Operator, right: str | Decimal) -> bool:
    match operator:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right  # type: ignore[operator]  # both are of one type
        case "<=":
            return left <= right  # type: ignore[operator]  # both are of one type
        case ">":
            return left > right  # type: ignore[operator]  # both are of one type
        case ">=":
            return left >= right  # type: ignore[operator]  # both are of one type
        case _:
            assert_never(operator)


def _number(value: JsonValue) -> Decimal | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(repr(value))
    if isinstance(value, str) and _NUMERIC.fullmatch(value):
        return Decimal(value.strip())
    return None


def _truth(value: JsonValue) -> bool | None:
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    return {"true": True, "false": False}.get(text)


def _is_true(value: Found) -> bool:
    """Return whether a lone operand holds: something is there, and it is not false or zero."""
    if value is ABSENT or value == 0:
        return False
    return _passes("isNonEmpty", value) and _truth(value) is not False


def _passes(test: Test, value: Found) -> bool:
    is_absent = value is ABSENT or value is None
    is_empty = is_absent or (isinstance(value, str | list | dict) and not value)
    match test:
        case "isPresent":
            return not is_absent
        case "isAbsent":
            return is_absent
        case "isEmpty":
            return is_empty
        case "isNonEmpty":
            return not is_empty
        case _:
            assert_never(test)


def _value(operand: Operand, lookup: Lookup) -> Found:
    return operand.value if isinstance(operand, Constant) else lookup(operand)
