"""Draws a running flow: a live tree on a terminal, a line for each event elsewhere."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
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


class View(Protocol):
    """Where progress is shown."""

    def show(self, snapshot: Snapshot) -> None:
        """Show how far it is."""

    def note(self, text: str) -> None:
        """Say something that passes, e.g. that the API does not answer."""

    def pause(self) -> None:
        """Leave the terminal to a question."""

    def resume(self) -> None:
        """Take the terminal back."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave what was shown on the screen."""


class _Closing:
    """Views that only need their ``close`` called."""

    def __enter__(self) -> Self:
        """Begin."""
        self.resume()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        self.pause()

    def pause(self) -> None:
        """Nothing to leave."""

    def resume(self) -> None:
        """Nothing to take back."""


class LiveTree(_Closing):
    """Redraws the tree in place."""

    def __init__(self, console: Console, heading: str) -> None:
        """Draw nothing yet.

        Args:
            heading: What runs, e.g. ``Document intake v1 #3``.
        """
        self._console = console
        self._heading = heading
        self._snapshot: Snapshot | None = None
        self._note = ""
        self._spinner = Spinner("dots")
        self._live: Live | None = None

    def show(self, snapshot: Snapshot) -> None:
        """Draw the latest state; durations go on counting by themselves."""
        self._snapshot, self._note = snapshot, ""
        if self._live is not None:
            self._live.refresh()

    def note(self, text: str) -> None:
        """Put a line under the tree."""
        self._note = text

    def pause(self) -> None:
        """Stop redrawing."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def resume(self) -> None:
        """Start redrawing."""
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=8)
        self._live.start()

    def _render(self) -> RenderableType:
        """Return what the terminal shows now."""
        if self._snapshot is None:
            return Text(f"{self._heading}: starting")
        drawn = tree(self._heading, self._snapshot, self._spinner, datetime.now(UTC))
        return Group(drawn, Text(self._note, style="yellow")) if self._note else drawn


class Lines(_Closing):
    """Prints a line when a task changes; for logs and pipes."""

    def __init__(self, console: Console, heading: str) -> None:
        """Print nothing yet."""
        self._console = console
        self._heading = heading
        self._seen: dict[str, tuple[str, int]] = {}
        self._status = ""
        self._note = ""

    def show(self, snapshot: Snapshot) -> None:
        """Print what changed since the last time."""
        self._note = ""
        now = datetime.now(UTC)
        for task in snapshot.tasks:
            state = (task.status, len(task.errors))
            if task.status != "waiting" and self._seen.get(task.name) != state:
                self._seen[task.name] = state
                self._print(_line(task, now))
        if snapshot.status != self._status:
            self._status = snapshot.status
            took = f" ({shown(snapshot.duration(now))})" if snapshot.is_final else ""
            self._print(f"{self._heading}: {self._status}{took}")

    def note(self, text: str) -> None:
        """Print a passing remark once."""
        if text != self._note:
            self._note = text
            self._print(text)

    def _print(self, text: str) -> None:
        """Print plain text in one line."""
        self._console.print(escape(text), soft_wrap=True, highlight=False)


class Silent(_Closing):
    """Shows nothing; for scripts."""

    def show(self, snapshot: Snapshot) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""


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


def _line(task: TaskProgress, now: datetime) -> str:
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
