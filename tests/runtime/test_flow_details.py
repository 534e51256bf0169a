import json

import pytest

from contracts.messages import FlowExecutionStart
from flows.model import Flow, Task
from runtime.flow_details import flow_details


def a_start(*tasks: Task) -> FlowExecutionStart:
    return FlowExecutionStart(
        organization_id="organization",
        flow_id="flow",
        flow_version=1,
        flow_name="Flow",
        flow_execution_id="execution",
        generation=2,
        run_number=3,
        definition=Flow(tasks=tasks),
        input={},
        input_task_name="start",
    )


def test_tasks_are_listed_as_people_call_them() -> None:
    details = flow_details(
        a_start(
            Task(name="start", executor="receive_file"),
            Task(name="call", executor="http_request", title="Tell\nthe *world*"),
        )
    )

    assert details.splitlines() == [
        "Execution `execution`, generation 2, starting at start",
        "",
        "1. **start**: `receive_file`",
        r"1. **Tell the \*world\*** (call): `http_request`",
    ]


@pytest.mark.parametrize("letter", ["a", "*", "\\", "ä", "\U0001f600", '"'])
def test_a_large_flow_stays_below_what_temporal_takes(letter: str) -> None:
    tasks = [
        Task(name=letter * 190 + str(number), executor="format_data", title=letter * 500)
        for number in range(1_000)
    ]

    details = flow_details(a_start(*tasks))

    assert details.splitlines()[-1].endswith(" more")
    assert len(json.dumps(details, ensure_ascii=False).encode()) < 20_000
