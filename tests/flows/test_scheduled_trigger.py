"""What a schedule may be asked for."""

import pytest
from pydantic import JsonValue

from flows.executors.scheduled_trigger import SCHEDULED_TRIGGER
from flows.parameters import parameter_faults


@pytest.mark.parametrize(
    "parameters",
    [
        {"cron": "*/5 * * * *"},
        {"cron": "30 6 1,15 JAN-JUN MON-FRI", "time_zone": "America/New_York"},
        {"every_seconds": 1, "overlap": "allow_all", "catch_up_seconds": 10},
        {"cron": "0 0 * * *", "input": {"any": [1]}},
    ],
)
def test_a_definition_may_ask_for(parameters: dict[str, JsonValue]) -> None:
    assert parameter_faults(SCHEDULED_TRIGGER, parameters) == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"cron": "* * * *"},
        {"cron": "@daily"},
        {"cron": "CRON_TZ=UTC * * * * *"},
        {"cron": "0 0 * * *", "time_zone": "Mars/Olympus"},
        {"cron": "0 0 * * *", "time_zone": "../../etc/passwd"},
        {"cron": "0 0 * * *", "every_seconds": 5},
        {"every_seconds": 0},
        {"every_seconds": 1.5},
        {"cron": "0 0 * * *", "overlap": "whatever"},
        {"cron": "0 0 * * *", "catch_up_seconds": 9},
    ],
)
def test_a_definition_is_refused_that_asks_for(parameters: dict[str, JsonValue]) -> None:
    assert [fault.rejects for fault in parameter_faults(SCHEDULED_TRIGGER, parameters)] == [True]


def test_a_draft_may_not_say_when_yet() -> None:
    faults = parameter_faults(SCHEDULED_TRIGGER, {})

    assert [(fault.type, fault.rejects) for fault in faults] == [("missing_parameter", False)]
