"""When a task waits, runs or is skipped."""

import pytest
from pydantic import JsonValue

from flows.graph import Dependency
from flows.readiness import Readiness, chosen_case, readiness

PLAIN = Dependency("a", by_reference=True)
EDGE = Dependency("b", by_edge=True)
CASE = Dependency("route", branches=("x",))
CASE_AND_VALUE = Dependency("route", by_reference=True, branches=("x",))
OTHER_CASE = Dependency("sort", branches=("y",))


@pytest.mark.parametrize(
    ("dependencies", "completed", "skipped", "expected"),
    [
        ([], "", "", Readiness.RUN),
        ([PLAIN], "", "", Readiness.WAIT),
        ([PLAIN], "a", "", Readiness.RUN),
        ([PLAIN], "", "a", Readiness.SKIP),
        ([PLAIN, EDGE], "a", "", Readiness.WAIT),
        ([PLAIN, EDGE], "a", "b", Readiness.RUN),
        ([PLAIN, EDGE], "", "a b", Readiness.SKIP),
        ([CASE], "", "route", Readiness.SKIP),
        ([CASE, PLAIN], "a", "route", Readiness.SKIP),
    ],
)
def test_a_task_runs_once_all_ended_and_something_is_live(
    dependencies: list[Dependency], completed: str, skipped: str, expected: Readiness
) -> None:
    assert readiness(dependencies, set(completed.split()), set(skipped.split()), {}) is expected


@pytest.mark.parametrize(
    ("dependencies", "chosen", "expected"),
    [
        ([CASE], {"route": "x"}, Readiness.RUN),
        ([CASE], {"route": "z"}, Readiness.SKIP),
        ([CASE], {"route": None}, Readiness.SKIP),
        ([CASE_AND_VALUE], {"route": "x"}, Readiness.RUN),
        ([CASE_AND_VALUE], {"route": "z"}, Readiness.SKIP),
        ([CASE, PLAIN], {"route": "z"}, Readiness.SKIP),
        ([CASE, OTHER_CASE], {"route": "z", "sort": "y"}, Readiness.RUN),
        ([CASE, OTHER_CASE], {"route": "z", "sort": "z"}, Readiness.SKIP),
    ],
)
def test_a_task_on_cases_runs_only_if_one_was_chosen(
    dependencies: list[Dependency], chosen: dict[str, str | None], expected: Readiness
) -> None:
    assert readiness(dependencies, {"a", "route", "sort"}, set(), chosen) is expected


@pytest.mark.parametrize(
    ("output", "case"),
    [
        ({"case": "x", "value": 1}, "x"),
        ({"case": None}, None),
        ({}, None),
        ({"case": 3}, None),
        ([{"case": "x"}], None),
        (None, None),
    ],
)
def test_the_chosen_case_is_read_from_any_output(output: JsonValue, case: str | None) -> None:
    assert chosen_case(output) == case
