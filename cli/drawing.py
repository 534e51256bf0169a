"""A flow execution as text: a tree for terminals, lines for logs."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from cli.progress import Snapshot, TaskProgress

_MARKS = {
    "waiting": ("·", "dim"),
    "queued": ("·", "dim"),
    "skipped": ("○", "dim"),
    "retrying": ("↻", "yellow"),
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("■", "yellow"),
    "cancel_requested": ("■", "yellow"),
    "awaiting_input": ("?", "magenta"),
}
_EXECUTION_STYLES = {"completed": "bold green", "failed": "bold red", "cancelled": "bold yellow"}
_SHOWN_ERROR_CHARS = 160
_BAR_WIDTH = 20
_TIME_WIDTH = 7


def tree(heading: str, snapshot: Snapshot, spinner: Spinner, now: datetime) -> Tree:
    """Return the execution with its tasks, in the order in which they can run."""
    root = Tree(
        Text.assemble(
            (heading, "bold"),
            "  ",
            (snapshot.status, _EXECUTION_STYLES.get(snapshot.status, "bold cyan")),
            (f"  {shown(snapshot.duration(now))}", "dim"),
        )
    )
    widths = (
        max((len(task.title) for task in snapshot.tasks), default=0),
        max((len(task.status) for task in snapshot.tasks), default=0),
    )
    for task in snapshot.tasks:
        branch = root.add(_row(task, widths, spinner, now))
        for number, error in enumerate(task.errors[-3:], max(1, len(task.errors) - 2)):
            branch.add(
                Text(_attempt(number, error), style="red" if task.status == "failed" else "dim")
            )
    return root


def shown(duration: timedelta) -> str:
    """Return a duration as people read it."""
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _row(
    task: TaskProgress, widths: tuple[int, int], spinner: Spinner, now: datetime
) -> RenderableType:
    """Return one task's line; titles and states are padded to ``widths``."""
    mark, style = _MARKS.get(task.status, ("", "cyan"))
    cells: list[RenderableType] = [
        Text(mark, style=style) if mark else spinner,
        Text(task.title.ljust(widths[0]), style="dim" if style == "dim" else ""),
        Text(task.status.ljust(widths[1]), style=style),
    ]
    duration = task.duration(now)
    time = shown(duration) if duration is not None else ""
    cells.append(Text(time.rjust(_TIME_WIDTH), style="dim"))
    if task.items_total is not None and task.items_done is not None:
        cells.append(
            ProgressBar(total=task.items_total, completed=task.items_done, width=_BAR_WIDTH)
        )
        cells.append(Text(f"{task.items_done} of {task.items_total} items", style="dim"))
    elif task.attempts > 1:
        cells.append(Text(f"attempt {task.attempts}", style="yellow"))
    return _grid(cells)


def _grid(cells: Sequence[RenderableType]) -> Table:
    """Return cells side by side."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in cells:
        grid.add_column(no_wrap=True)
    grid.add_row(*cells)
    return grid


def line(task: TaskProgress, now: datetime) -> str:
    """Return a task's state for a log."""
    duration = task.duration(now)
    parts = [f"  {task.title}: {task.status}"]
    if duration is not None and task.status in {"completed", "failed", "cancelled"}:
        parts.append(f"({shown(duration)})")
    if task.items_total is not None:
        parts.append(f"{task.items_done} of {task.items_total} items")
    elif task.attempts > 1 and task.status == "completed":
        parts.append(f"after {task.attempts} attempts")
    elif task.errors and task.status in {"retrying", "failed"}:
        parts.append(_attempt(len(task.errors), task.errors[-1]))
    return " ".join(parts)


def _attempt(number: int, error: str) -> str:
    """Return what one failed attempt said."""
    cut = error if len(error) <= _SHOWN_ERROR_CHARS else error[:_SHOWN_ERROR_CHARS] + "…"
    return f"attempt {number}: {cut}"
