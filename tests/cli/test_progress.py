from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import StringIO

from pydantic import JsonValue
from rich.console import Console
from rich.spinner import Spinner

from cli.drawing import shown, tree
from cli.iterations import ItemCounter
from cli.live import Lines, LiveTree
from cli.progress import Known, Snapshot, TaskProgress, rows_by_task, snapshot
from flows.model import Flow, Task

START = datetime(2024, 1, 1, 12, 0, tzinfo=UTC)
KNOWN = [Known("in", "Receive", "receive_file"), Known("call", "Call", "http_request")]


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def row(
    idx: int,
    status: str,
    *,
    task: str = "call",
    started: float | None = 0,
    ended: float | None = None,
    error: str | None = None,
    output: JsonValue = None,
) -> JsonValue:
    return {
        "task_name": task,
        "task_execution_idx": idx,
        "processing_status": status,
        "started_at": None if started is None else at(started),
        "completed_at": None if ended is None else at(ended),
        "error": None if error is None else {"message": error, "type": "E", "traceback": None},
        "output": output,
    }


def seen(
    *rows: JsonValue,
    status: str = "in_progress",
    failed: str | None = None,
    items: int | None = None,
) -> TaskProgress:
    return whole(*rows, status=status, failed=failed, items=items).tasks[1]


def whole(
    *rows: JsonValue,
    status: str = "in_progress",
    failed: str | None = None,
    items: int | None = None,
) -> Snapshot:
    error: JsonValue = {"message": "no", "task_name": failed} if failed else None
    execution: dict[str, JsonValue] = {"status": status, "created_at": at(0), "error": error}
    counts = {} if items is None else {"call": items}
    return snapshot(execution, rows_by_task(rows), KNOWN, counts)


def test_a_task_without_rows_waits_or_was_skipped() -> None:
    assert seen().status == "waiting"
    assert seen(status="completed").status == "skipped"
    assert seen().duration(START) is None


def test_a_running_task_counts_on() -> None:
    task = seen(row(0, "running", started=2))

    assert (task.status, task.attempts) == ("running", 1)
    assert task.duration(START + timedelta(seconds=5)) == timedelta(seconds=3)


def test_a_failed_attempt_is_followed_by_another() -> None:
    between = seen(row(0, "failed", ended=1, error="answered\n503"))
    after = seen(
        row(1, "completed", started=2, ended=3, output={"a": 1}),
        row(0, "failed", ended=1, error="answered 503"),
    )

    assert (between.status, between.errors) == ("retrying", ("answered 503",))
    assert (after.status, after.attempts, after.output) == ("completed", 2, {"a": 1})
    assert after.duration(START) == timedelta(seconds=3)
    assert after.items_total is None


def test_an_iteration_counts_its_items() -> None:
    rows = [row(0, "completed", ended=1), row(1, "failed", ended=1, error="x")]
    running = seen(*rows, row(2, "completed", ended=2), items=3)
    completed = seen(*rows, row(2, "completed"), row(3, "completed", ended=4), items=3)

    assert (running.status, running.items_done, running.items_total) == ("running", 2, 3)
    assert running.ended_at is None
    assert (completed.status, completed.items_done) == ("completed", 3)
    assert completed.duration(START) == timedelta(seconds=4)
    assert seen(*rows, status="cancelled", items=3).status == "cancelled"


def test_the_task_that_failed_the_flow_is_failed() -> None:
    rows = [row(0, "completed"), row(1, "completed"), row(2, "failed", error="x")]

    assert seen(*rows, status="failed", failed="call", items=5).status == "failed"


def test_the_number_of_items_is_what_the_task_reads() -> None:
    flow = Flow(
        tasks=(
            Task(name="in", executor="receive_file"),
            Task(
                name="call",
                executor="http_request",
                parameters={"url": "{{in.metadata.urls}}", "body": "{{in.metadata.all}}"},
            ),
            Task(
                name="next",
                executor="http_request",
                parameters={"url": "http://x/{{call.status_code}}", "body": "{{call.body}}"},
                reference_modes={"body": "single"},
            ),
            Task(name="whole", executor="format_data", parameters={"template": "{{call.output}}"}),
        )
    )
    given: JsonValue = {"metadata": {"urls": ["a", "b", "c"], "all": [1, 2]}}
    first = row(0, "completed", task="in", output=given)
    calls = [row(number, "completed", output={"body": number}) for number in range(3)]
    later = [row(0, "running", task=name) for name in ("next", "whole")]
    counter = ItemCounter(flow)

    def learnt(*rows: JsonValue) -> Mapping[str, int]:
        return counter.learn(rows_by_task(rows), is_final=False)

    assert learnt(first) == {}
    assert learnt(first, calls[0]) == {"call": 3}
    assert learnt(first, *calls, *later) == {"call": 3, "next": 3}


def test_an_iteration_over_nothing_is_completed() -> None:
    task = seen(status="completed", items=0)

    assert (task.status, task.output, task.items_total) == ("completed", [], 0)


def test_an_ended_execution_stops_counting() -> None:
    ended = whole(row(0, "completed", started=1, ended=4), status="completed")

    assert ended.is_final
    assert ended.duration(START + timedelta(hours=1)) == timedelta(seconds=4)


def test_durations_are_readable() -> None:
    assert shown(timedelta(milliseconds=12)) == "12 ms"
    assert shown(timedelta(seconds=3.21)) == "3.2 s"
    assert shown(timedelta(seconds=125)) == "2 min 05 s"
    assert shown(timedelta(hours=2, minutes=3)) == "2 h 03 min"


def drawn(state: Snapshot) -> str:
    console = Console(width=100, record=True, quiet=False, file=StringIO())
    console.print(tree("Flow v1 #2", state, Spinner("dots"), START + timedelta(seconds=5)))
    return console.export_text()


def test_the_tree_shows_states_attempts_and_errors() -> None:
    text = drawn(
        whole(
            row(0, "completed", task="in", ended=0.01),
            row(0, "failed", ended=1, error="answered 503 [not markup]"),
            row(1, "running", started=2),
        )
    )

    assert "Flow v1 #2  in_progress  5.0 s" in text
    assert "✓  Receive  completed    10 ms" in text
    assert "Call     running      5.0 s  attempt 2" in text
    assert "attempt 1: answered 503 [not markup]" in text


def test_the_tree_shows_how_far_an_iteration_is() -> None:
    text = drawn(whole(row(0, "completed", ended=1), row(1, "running"), items=300))

    assert "1 of 300 items" in text


def test_a_log_gets_a_line_for_each_change_only() -> None:
    console = Console(width=200, record=True, file=StringIO())
    lines = Lines(console, "Flow v1 #2")
    first = whole(row(0, "completed", task="in", ended=0.01))
    failing = whole(
        row(0, "completed", task="in", ended=0.01), row(0, "failed", ended=1, error="answered 503")
    )
    done = whole(
        row(0, "completed", task="in", ended=0.01),
        row(0, "failed", ended=1, error="answered 503"),
        row(1, "completed", started=2, ended=3),
        status="completed",
    )
    for state in (first, first, failing, failing, done, done):
        lines.show(state)
    lines.note("no answer")
    lines.note("no answer")

    assert console.export_text().splitlines() == [
        "  Receive: completed (10 ms)",
        "Flow v1 #2: in_progress",
        "  Call: retrying attempt 1: answered 503",
        "  Call: completed (3.0 s) after 2 attempts",
        "Flow v1 #2: completed (3.0 s)",
        "no answer",
    ]


def test_a_terminal_shows_the_last_state_when_it_is_over() -> None:
    console = Console(
        width=100,
        record=True,
        force_terminal=True,
        color_system=None,
        file=StringIO(),
    )
    with LiveTree(console, "Flow v1 #2") as view:
        view.show(whole(row(0, "running")))
        view.note("no answer from the API")
        view.show(whole(row(0, "completed", ended=2), status="completed"))

    assert "completed  2.0 s" in console.export_text().splitlines()[-3:][0]
