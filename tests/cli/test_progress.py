from datetime import UTC, datetime, timedelta
from io import StringIO

from pydantic import JsonValue
from rich.console import Console
from rich.spinner import Spinner

from cli.live import Lines, LiveTree, shown, tree
from cli.progress import Known, Snapshot, TaskProgress, snapshot

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


def seen(*rows: JsonValue, status: str = "in_progress", failed: str | None = None) -> TaskProgress:
    return whole(*rows, status=status, failed=failed).tasks[1]


def whole(*rows: JsonValue, status: str = "in_progress", failed: str | None = None) -> Snapshot:
    error: JsonValue = {"message": "no", "task_name": failed} if failed else None
    return snapshot({"status": status, "created_at": at(0), "error": error}, rows, KNOWN)


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
    assert after.items_known is None


def test_an_iteration_counts_its_items() -> None:
    rows = [row(0, "completed", ended=1), row(1, "running"), row(2, "failed", ended=1, error="x")]
    task = seen(*rows, row(3, "completed", ended=2))

    assert (task.status, task.items_done, task.items_known) == ("running", 2, 3)
    assert seen(row(0, "completed"), row(1, "completed"), status="completed").status == "completed"


def test_the_task_that_failed_the_flow_is_failed() -> None:
    rows = [row(0, "completed"), row(1, "completed"), row(2, "failed", error="x")]

    assert seen(*rows, status="failed", failed="call").status == "failed"


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
    text = drawn(whole(row(0, "completed", ended=1), row(1, "running"), row(2, "running")))

    assert "1 of 3 items" in text


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
