"""What authors write as a condition, in ``branch`` and ``validation``.

Source: docs/task-executors.md, "Conditions"; ``flows.conditions`` evaluates them.
"""

from typing import Annotated, Literal

from pydantic import Discriminator, JsonValue, Tag
from pydantic import Field as Describe

from flows.executors.spec import Parameters

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "contains", "exists"]


class Comparison(Parameters):
    """Compares two values; ``exists`` needs no right side."""

    left: JsonValue = Describe(default=None, description="Value to look at, mostly a reference.")
    operator: Operator = Describe(description="How to compare.")
    right: JsonValue = Describe(default=None, description="Value to compare with.")


class AllOf(Parameters):
    """Holds when every condition in it holds."""

    all: list["Condition"] = Describe(description="Conditions that must all hold.")


class AnyOf(Parameters):
    """Holds when at least one condition in it holds."""

    any: list["Condition"] = Describe(description="Conditions of which one must hold.")


def _form(value: object) -> str:
    """Tell the three forms apart, so that a fault names the form that was meant."""
    if isinstance(value, AllOf) or (isinstance(value, dict) and "all" in value):
        return "all"
    if isinstance(value, AnyOf) or (isinstance(value, dict) and "any" in value):
        return "any"
    return "comparison"


Condition = Annotated[
    Annotated[Comparison, Tag("comparison")]
    | Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")],
    Discriminator(_form),
]

AllOf.model_rebuild()
AnyOf.model_rebuild()
