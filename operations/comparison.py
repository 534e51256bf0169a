"""What the read model says about one execution, against what its workflow's history says.

Pure: it is given both sides. The history is right.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pydantic import JsonValue

from contracts.messages import Seed, TaskState
from flows.canonical import digest
from flows.inputs import completed_input
from operations.aftermath import attempt_that_ended
from operations.standing import Served, shown_name
from runtime.run_history import RunHistory, TaskHistory
from store.models import (
    ExecutionRecord,
    ProcessingStatus,
    TaskExecutionRecord,
    TaskOutputRecord,
)
from workflows.failures import is_superseded, task_error

_WORDS = {
    TaskState.COMPLETED: {ProcessingStatus.COMPLETED},
    TaskState.FAILED: {ProcessingStatus.FAILED},
    TaskState.CANCELLED: {ProcessingStatus.CANCELLED, ProcessingStatus.FAILED},
    TaskState.RUNNING: {ProcessingStatus.CANCELLED, ProcessingStatus.FAILED},
}

Key = tuple[str, int | None]


def differences_of_tasks(served: Served, run: RunHistory) -> Iterator[str]:
    """Yield where rows or outputs of a closed execution are not what its history says."""
    yield from _pins(served, run)
    rows: dict[Key, list[TaskExecutionRecord]] = defaultdict(list)
    for row in served.rows:
        rows[row.task_name, row.item].append(row)
    seeds = {(seed.task_name, seed.item): seed for seed in run.start.seeds}
    input_key: Key = (run.start.input_task_name, None)
    for key, found in rows.items():
        found.sort(key=lambda row: row.attempt)
        is_known = key in run.tasks or key in seeds or key == input_key
        if not is_known and not _is_kept(served.record, found):
            yield f"{shown_name(*key)}: shown, but it did not run"
    for key, task in run.tasks.items():
        yield from _of_task(shown_name(*key), rows.get(key, []), task)
    for key, seed in seeds.items():
        if key not in run.tasks and key in rows:
            yield from _of_reused(shown_name(*key), rows[key], seed)
    yield from _of_input(rows.get(input_key, []), run)
    yield from _positions(rows, run)
    yield from _of_outputs(served.outputs, rows, run)


def _pins(served: Served, run: RunHistory) -> Iterator[str]:
    record = served.record
    if run.start.flow_version != record.flow_version:
        yield f"version {record.flow_version}, but version {run.start.flow_version} ran"
    if run.start.run_number != record.run_number:
        yield f"run number {record.run_number}, but it ran as {run.start.run_number}"
    start = run.start
    # Runs from before inputs were completed got them as they were submitted.
    completed = completed_input(start.definition, start.input_task_name, record.input)
    known: list[JsonValue] = [completed, dict(record.input)]
    is_edited = any(
        row.task_name == start.input_task_name and row.engine is not None for row in served.rows
    )
    if not is_edited and not any(_same(dict(start.input), each) for each in known):
        yield "the input shown is not the one that ran"


def _is_kept(record: ExecutionRecord, rows: Sequence[TaskExecutionRecord]) -> bool:
    """Return whether rows are an earlier generation's, of a task that this one never came to."""
    return record.mode == "stale" and all(row.generation < record.generation for row in rows)


def _of_task(name: str, rows: Sequence[TaskExecutionRecord], task: TaskHistory) -> Iterator[str]:
    """Compare a task, or an item, that ran with its rows, ordered by attempt."""
    if task.failure is not None and is_superseded(task.failure):
        return  # it was refused, since nobody wanted its result any more
    has_ended = task.state in (TaskState.COMPLETED, TaskState.FAILED)
    if not rows:
        if has_ended and not task.is_late:
            yield f"{name}: {task.state.value}, but not shown"
        return
    rows = [_as_the_engine_said(row) for row in rows]
    last = rows[-1]
    if task.is_late and last.processing_status is ProcessingStatus.CANCELLED:
        return  # the workflow had given it up before it heard of its end
    if last.processing_status not in _WORDS[task.state]:
        yield f"{name}: shown {last.processing_status.value}, but {task.state.value}"
    attempt = attempt_that_ended(task)
    if has_ended and attempt is not None and last.attempt != attempt:
        yield f"{name}: attempt {last.attempt} shown last, but {attempt} was the last"
    for earlier in rows[:-1]:
        if earlier.processing_status is ProcessingStatus.COMPLETED and earlier.engine is None:
            yield f"{name}: attempt {earlier.attempt} shown completed, but it was not the last"
    is_edited = last.edited_status != "not_edited" and last.engine is None
    if task.state is TaskState.COMPLETED and task.reply is not None and not is_edited:
        if not _same(last.output, task.reply.output):
            yield f"{name}: another output is shown"
    elif task.state is TaskState.FAILED and task.failure is not None:
        yield from _of_error(name, last, task.failure)
    if task.call is not None and not _same(last.input, dict(task.call.parameters)):
        yield f"{name}: another input is shown"


def _as_the_engine_said(row: TaskExecutionRecord) -> TaskExecutionRecord:
    """Return a row as it was before a person changed it."""
    said = row.engine
    if said is None:
        return row
    return replace(
        row,
        processing_status=said.processing_status,
        output=said.output,
        error=said.error,
    )


def _of_error(name: str, row: TaskExecutionRecord, failure: BaseException) -> Iterator[str]:
    expected = task_error(failure)
    shown = row.error or {}
    if (shown.get("type"), shown.get("message")) != (expected.type, expected.message):
        yield f"{name}: error {shown.get('type')} shown, but it was {expected.type}"


def _of_reused(name: str, rows: Sequence[TaskExecutionRecord], seed: Seed) -> Iterator[str]:
    last = rows[-1]
    if last.processing_status is not ProcessingStatus.COMPLETED:
        yield f"{name}: shown {last.processing_status.value}, but its result was reused"
    elif last.edited_status == "not_edited" and not _same(last.output, seed.output):
        yield f"{name}: another output is shown than the one reused"


def _of_input(rows: Sequence[TaskExecutionRecord], run: RunHistory) -> Iterator[str]:
    name = run.start.input_task_name
    if len(rows) != 1:
        yield f"{name}: {len(rows)} rows of the input task"
    elif rows[0].engine is None and not _same(rows[0].output, dict(run.start.input)):
        yield f"{name}: shows another input than the one that ran"


def _positions(rows: dict[Key, list[TaskExecutionRecord]], run: RunHistory) -> Iterator[str]:
    """Check ``task_execution_idx``: attempt - 1; in an iteration the item, retries behind them."""
    taken: dict[str, set[int]] = defaultdict(set)
    for (task_name, item), found in rows.items():
        for row in found:
            idx = row.task_execution_idx
            if idx in taken[task_name]:
                yield f"{shown_name(task_name, item)}: index {idx} stands twice"
            taken[task_name].add(idx)
            if item is None and idx != row.attempt - 1:
                yield f"{task_name}: attempt {row.attempt} has index {idx}"
            item_count = run.item_counts.get(task_name)
            if item is None or item_count is None:
                continue
            is_first = row.attempt == 1
            if idx != item if is_first else idx < item_count:
                yield f"{shown_name(task_name, item)}: attempt {row.attempt} has index {idx}"


def _of_outputs(
    outputs: Sequence[TaskOutputRecord],
    rows: dict[Key, list[TaskExecutionRecord]],
    run: RunHistory,
) -> Iterator[str]:
    """Check that each task's output is that of its last attempt, or the list over its items."""
    by_task = {output.task_name: output for output in outputs}
    if len(by_task) != len(outputs):
        yield "a task has several outputs"
    for task_name in {name for name, _ in rows} - by_task.keys():
        yield f"{task_name}: has rows but no task output"
    for task_name, output in by_task.items():
        items = sorted(
            (item, found[-1])
            for (name, item), found in rows.items()
            if name == task_name and item is not None
        )
        single = rows.get((task_name, None))
        if single is not None:
            yield from _of_single(output, single[-1])
        elif items:
            yield from _of_items(output, [row for _, row in items], run.item_counts.get(task_name))
        elif output.item_count is None:
            yield f"{task_name}: has an output but no rows"
        elif output.item_count and output.processing_status is ProcessingStatus.COMPLETED:
            yield f"{task_name}: completed, but none of its {output.item_count} items is shown"


def _of_single(output: TaskOutputRecord, row: TaskExecutionRecord) -> Iterator[str]:
    if output.processing_status is not row.processing_status:
        yield (
            f"{output.task_name}: output {output.processing_status.value}, "
            f"but its last attempt {row.processing_status.value}"
        )
    if not _same(output.output, row.output):
        yield f"{output.task_name}: the output differs from that of its last attempt"


def _of_items(
    output: TaskOutputRecord, rows: Sequence[TaskExecutionRecord], item_count: int | None
) -> Iterator[str]:
    name = output.task_name
    statuses = {row.processing_status for row in rows}
    if output.processing_status is ProcessingStatus.COMPLETED:
        if statuses != {ProcessingStatus.COMPLETED}:
            yield f"{name}: output completed, but not all of its items"
        if item_count is not None and len(rows) != item_count:
            yield f"{name}: {len(rows)} items shown of {item_count}"
        if not _same(output.output, [row.output for row in rows]):
            yield f"{name}: the output is not the list of its items' outputs"
    elif output.processing_status not in (ProcessingStatus.FAILED, ProcessingStatus.CANCELLED):
        yield f"{name}: its items have ended, but the output is {output.processing_status.value}"


def _same(shown: JsonValue, true: JsonValue) -> bool:
    return shown == true or digest(shown) == digest(true)
