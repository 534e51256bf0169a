"""Tasks that pass outputs of others on say whose."""

from pydantic import JsonValue

from tests.support.documents import call
from tests.support.flow_builders import a_flow, task
from tests.support.platform import Json, Platform
from tests.support.receiver import receiving

TWICE: Json = {"max_attempts": 2, "initial_interval_seconds": 0.01}


def place(task_name: str, idx: int = 0) -> Json:
    return {"task_name": task_name, "task_execution_idx": idx}


async def test_pass_through_tasks_name_the_executions_they_read(working: Platform) -> None:
    always: list[JsonValue] = [
        {"name": "on", "condition": {"left": 1, "operator": "eq", "right": 1}}
    ]
    mixed: Json = {
        "answer": "{{flaky.status_code}}",
        "deep": ["{{extract.total}}"],
        "new": "about {{extract.total}}",
    }
    async with receiving() as receiver:
        receiver.failures_left["/flaky"] = 1
        execution = await working.completed(
            a_flow(
                task("extract", "format_data", {"template": {"total": 1, "rows": [1, 2]}}),
                call("flaky", f"{receiver.url}/flaky", retry_policy=TWICE),
                task("whole", "validation", {"target": "{{extract}}", "rules": []}),
                task("retried", "branch", {"target": "{{flaky}}", "cases": always}),
                task("mixed", "branch", {"target": mixed, "cases": always}),
                task("new", "branch", {"target": "about {{extract.total}}", "cases": always}),
                task("bare", "branch", {"cases": always}),
                task("other", "format_data", {"template": "{{extract}}"}),
            )
        )

    rows = await execution.task_executions()
    found = {(row["task_name"], row["task_execution_idx"]): row for row in rows}
    shown = {name: row["source_task_executions"] for (name, _), row in found.items()}
    assert ("flaky", 1) in found
    assert shown["whole"] == {"root": place("extract"), "fields": {}}
    assert shown["retried"] == {"root": place("flaky", 1), "fields": {}}
    assert shown["mixed"] == {
        "root": None,
        "fields": {"answer": place("flaky", 1), "deep.0": place("extract")},
    }
    assert shown["new"] is shown["bare"] is shown["other"] is shown["extract"] is None
