"""Draws a running flow: a live tree on a terminal, a line for each event elsewhere."""

from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.text import Text

from cli.drawing import line, shown, tree
from cli.progress import Snapshot


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
                self._print(line(task, now))
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
