"""What a wait may be asked for, in a definition and once its references are resolved."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue

from flows.errors import TaskFailedError
from flows.executors.wait import WAIT, due_at
from flows.parameters import parameter_faults

NOW = datetime(2030, 1, 1, tzinfo=UTC)
YEAR = 366 * 86_400


@pytest.mark.parametrize(
    "parameters",
    [
        {"seconds": 0},
        {"seconds": 1.5},
        {"seconds": YEAR},
        {"seconds": "{{start.n}}"},
        {"until": "2030-01-01T10:00:00Z"},
        {"until": "2030-01-01T10:00:00+02:00"},
        {"until": "{{start.at}}"},
    ],
)
def test_a_definition_may_ask_for(parameters: dict[str, JsonValue]) -> None:
    assert parameter_faults(WAIT, parameters) == []


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"seconds": -1}, "greater than or equal to 0"),
        ({"seconds": YEAR + 1}, "less than or equal to"),
        ({"seconds": "5"}, "valid number"),
        ({"seconds": True}, "valid number"),
        ({"until": "2030-01-01T10:00:00"}, "time zone"),
        ({"until": "tomorrow"}, "ISO 8601"),
        ({"seconds": 1, "until": "2030-01-01T10:00:00Z"}, "exclude each other"),
    ],
)
def test_a_definition_is_refused_that_asks_for(parameters: dict[str, JsonValue], says: str) -> None:
    faults = parameter_faults(WAIT, parameters)

    assert [fault.rejects for fault in faults] == [True]
    assert says in faults[0].reason


def test_a_draft_may_not_say_how_long_yet() -> None:
    faults = parameter_faults(WAIT, {})

    assert [(fault.type, fault.rejects) for fault in faults] == [("missing_parameter", False)]


def test_a_wait_is_due_after_its_seconds_or_at_its_instant() -> None:
    assert due_at({"seconds": 90}, NOW) == NOW + timedelta(seconds=90)
    assert due_at({"until": "2030-01-02T01:00:00+01:00"}, NOW) == NOW + timedelta(days=1)


@pytest.mark.parametrize("parameters", [{}, {"seconds": "soon"}, {"until": "2031-06-01T00:00:00Z"}])
def test_what_references_yielded_may_not_fit(parameters: dict[str, JsonValue]) -> None:
    with pytest.raises(TaskFailedError) as caught:
        due_at(parameters, NOW)

    assert caught.value.type == "InvalidParameters"
