"""What a running flow looks like: its tasks, told from the rows of their task executions."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from cli.client import JsonObject

FINAL = frozenset({"completed", "failed", "cancelled", "deleted", "edited", "stale"})

_OPEN = frozenset({"queued", "running", "retrying", "awaiting_input", "cancel_requested"})


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """Where one task stands.

    Attributes:
        status: ``waiting`` before its first attempt, ``skipped`` if the flow ended without it,
            otherwise the word of its latest attempt, or of all items together.
        attempts: How often it was tried; for an iteration, how many rows it has.
        items_done: Items completed, None unless the task iterates.
        items_total: All its items, None unless the task iterates.
        errors: What failed attempts said, oldest first.
    """

    name: str
    title: str
    executor: str
    status: str
    attempts: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    items_done: int | None = None
    items_total: int | None = None
    errors: Sequence[str] = ()
    output: JsonValue = None

    def duration(self, now: datetime) -> timedelta | None:
        """Return how long it has taken from its first attempt on; None if it did not start."""
        if self.started_at is None:
            return None
        return max((self.ended_at or now) - self.started_at, timedelta(0))


@dataclass(frozen=True, slots=True)
class Known:
    """What the definition says of a task."""

    name: str
    title: str
    executor: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A flow execution at one moment; tasks in the order in which they can run."""

    execution: JsonObject
    tasks: Sequence[TaskProgress] = field(default_factory=tuple)

    @property
    def status(self) -> str:
        """The execution's status word."""
        return str(self.execution.get("status"))

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens on its own."""
        return self.status in FINAL

    def duration(self, now: datetime) -> timedelta:
        """Return how long the execution has taken since it was created."""
        created = instant(self.execution.get("created_at")) or now
        ends = [task.ended_at for task in self.tasks if task.ended_at is not None]
        end = max(ends, default=created) if self.is_final else now
        return max(end - created, timedelta(0))


def rows_by_task(rows: Sequence[JsonValue]) -> dict[str, list[JsonObject]]:
    """Sort task executions by task and, within one, by index."""
    found: dict[str, list[JsonObject]] = defaultdict(list)
    for row in rows:
        if isinstance(row, dict):
            found[str(row.get("task_name"))].append(row)
    for of_task in found.values():
        of_task.sort(key=lambda row: int(str(row.get("task_execution_idx") or 0)))
    return dict(found)


def snapshot(
    execution: JsonObject,
    rows: Mapping[str, list[JsonObject]],
    known: Sequence[Known],
    item_counts: Mapping[str, int],
) -> Snapshot:
    """Sum up an execution from its record and the rows of its task executions.

    Args:
        rows: By task, in the order of their index.
        known: The flow's tasks, in the order in which to show them.
        item_counts: Number of items by task, for tasks that iterate.
    """
    is_final = str(execution.get("status")) in FINAL
    failed = _failed_task(execution)
    return Snapshot(
        execution,
        tuple(
            _progress(
                task,
                rows.get(task.name, []),
                is_final=is_final,
                is_culprit=task.name == failed,
                items=item_counts.get(task.name),
            )
            for task in known
        ),
    )


def _failed_task(execution: JsonObject) -> str | None:
    """Return the name of the task that made the execution fail."""
    error = execution.get("error")
    return str(error["task_name"]) if isinstance(error, dict) and error.get("task_name") else None


def _progress(
    task: Known, rows: list[JsonObject], *, is_final: bool, is_culprit: bool, items: int | None
) -> TaskProgress:
    """Sum up one task from its rows."""
    if not rows:
        ended = TaskProgress(task.name, task.title, task.executor, "skipped")
        if is_final and items == 0:
            return replace(ended, status="completed", items_done=0, items_total=0, output=[])
        return ended if is_final else replace(ended, status="waiting")
    words = [str(row.get("processing_status") or row.get("status")) for row in rows]
    starts = [at for row in rows if (at := instant(row.get("started_at"))) is not None]
    ends = [at for row in rows if (at := instant(row.get("completed_at"))) is not None]
    status = "failed" if is_culprit else _status(words, items, is_final)
    return TaskProgress(
        name=task.name,
        title=task.title,
        executor=task.executor,
        status=status,
        attempts=len(rows),
        started_at=min(starts, default=None),
        ended_at=None if status in _OPEN else max(ends, default=None),
        items_done=None if items is None else words.count("completed"),
        items_total=items,
        errors=tuple(_message(row) for row in rows if row.get("error") is not None),
        output=rows[-1].get("output"),
    )


def _status(words: list[str], items: int | None, is_final: bool) -> str:
    """Return one word for all rows of a task.

    Args:
        items: Number of its items, None unless it iterates.
    """
    if items is None:
        is_between = words[-1] == "failed" and not is_final
        return "retrying" if is_between else words[-1]
    for word in ("awaiting_input", "cancel_requested"):
        if word in words:
            return word
    if words.count("completed") >= items:
        return "completed"
    return "cancelled" if is_final else "running"


def _message(row: JsonObject) -> str:
    """Return what a failed attempt said, in one line."""
    error = row.get("error")
    said = str(error.get("message")) if isinstance(error, dict) else str(error)
    return " ".join(said.split())


def instant(value: JsonValue) -> datetime | None:
    """Return the instant that an API timestamp stands for."""
    if not isinstance(value, str) or not value:
        return None
    parsed = datetime.fromisoformat(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
