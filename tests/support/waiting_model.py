"""What an execution of ``waiting_flow`` must show, by a model that is two pages long.

The flow asks the outside for a name (``ask``), has a person look at it (``check``), and writes down
what came of that (``after``). Machines report on ``after`` meanwhile, which never moves the flow.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import JsonValue

from tests.support.flow_builders import a_flow, task
from tests.support.platform import Json
from tests.support.reviewers import Person, a_review

EDITED = "edited_not_reexecuted"
REEXECUTED = "edited_reexecuted"

ORDER = {"queued": 0, "running": 1, "awaiting_input": 1, "completed": 2, "failed": 2}
BEHIND = ("check", "after")


def waiting_flow(person: Person) -> Json:
    """Return the definition."""
    fields: JsonValue = [{"id": "name"}]
    return a_flow(
        task("ask", "webhook_receiver", {"fields": fields}),
        a_review("ask", person, name="check"),
        task("after", "format_data", {"template": {"name": "{{check.name}}"}}),
    )


class Shown(NamedTuple):
    """What a reader sees of a row."""

    status: str
    name: str | None
    edited: str
    stale: str


@dataclass(slots=True)
class Row:
    """One row.

    Attributes:
        name: The name in its output.
        read: For ``check`` the name that it was asked about.
        is_outside: Whether it is a machine's, and not the workflow's.
        is_final: Whether nobody moves it any more.
        is_new: For an edited one, whether the run under way knew nothing of the edit.
    """

    status: str
    generation: int
    name: str | None = None
    read: str | None = None
    edited: str = "not_edited"
    stale: str = "consistent"
    is_outside: bool = False
    is_final: bool = False
    is_new: bool = False

    @property
    def is_open(self) -> bool:
        """Return whether it has not ended."""
        return ORDER.get(self.status, 2) < 2


@dataclass(slots=True)
class Waiting:
    """One execution.

    Attributes:
        data: What was delivered for ``ask``; it stays, whatever is run again.
        review: ``pending``, ``in_progress``, ``completed`` or ``withdrawn``; None if there is none.
        is_begun: Whether the person has begun with the review, and not stopped.
        is_outdated: Whether ``ask`` was changed since the run under way began.
    """

    status: str = "awaiting_input"
    generation: int = 1
    is_full: bool = True
    data: str | None = None
    rows: dict[str, Row] = field(default_factory=dict)
    review: str | None = None
    is_begun: bool = False
    is_outdated: bool = False

    def __post_init__(self) -> None:
        """Begin: the flow waits at once."""
        self._show("ask", "awaiting_input")

    @property
    def is_open(self) -> bool:
        """Return whether a run is under way; all of it waits, then."""
        return self.status == "awaiting_input"

    @property
    def is_taken(self) -> bool:
        """Return whether ``ask`` has a result."""
        return self.rows["ask"].status == "completed"

    def shown(self) -> dict[str, Shown]:
        """Return what a reader sees."""
        return {
            name: Shown(row.status, row.name, row.edited, row.stale)
            for name, row in self.rows.items()
        }

    def deliver(self, name: str) -> tuple[int, str | None]:
        """Submit a name, and return the answer's status and word."""
        if self.data is not None:
            return (200, "duplicate") if self.data == name else (409, None)
        if not self.is_open:
            return 409, None
        self.data = name
        self._show("ask", "completed", name)
        self._have_checked()
        return 200, "received"

    def start(self) -> int:
        """Begin with the review."""
        if self.review in ("completed", "withdrawn"):
            return 409
        self.review, self.is_begun = "in_progress", True
        return 200

    def unstart(self) -> int:
        """Stop with the review."""
        if not self.is_begun:
            return 409
        self.is_begun = False
        return 200

    def complete(self, name: str) -> int:
        """Decide; what comes behind is done at once."""
        if self.review != "in_progress":
            return 400
        self.review, self.is_begun = "completed", False
        self._show("check", "completed", name, read=self.rows["check"].read)
        self._show("after", "completed", name)
        ask = self.rows["ask"]
        if ask.edited == EDITED and not ask.is_new and not self.is_full:
            ask.edited = REEXECUTED
        self.status = "stale" if self.is_outdated else "completed"
        if self.is_outdated:
            self._outdate()
        return 200

    def cancel(self) -> None:
        """Stop what runs."""
        if not self.is_open:
            return
        self.status = "cancelled"
        if self.review is not None:
            self.review, self.is_begun = "withdrawn", False
        self._end_what_is_open()
        if self.is_outdated:
            self._outdate()

    def run(self, *, only_stale: bool) -> None:
        """Run it again: what holds is kept, or nothing is; what was delivered is used."""
        if only_stale and not self.is_open and self._holds():
            self._take_up()
            return
        self.generation += 1
        self.is_full, self.is_outdated = not only_stale, False
        self.review, self.is_begun = None, False
        if only_stale:
            self._end_what_is_open()
        else:
            self.rows.clear()
        self.status = "awaiting_input"
        if only_stale and self.is_taken:
            self.rows["ask"].is_new = False
        elif self.data is None:
            self._show("ask", "awaiting_input")
            return
        else:
            self._show("ask", "completed", self.data)
        self._have_checked()

    def edit(self, name: str) -> None:
        """Change what ``ask`` has yielded."""
        ask = self.rows["ask"]
        if ask.name == name:
            return
        ask.name, ask.edited, ask.is_new = name, EDITED, self.is_open
        self._outdate()
        if self.is_open:
            self.is_outdated = True
        elif self.status != "cancelled":
            self.status = "stale"

    def report(self, word: str, name: str) -> None:
        """Say something of ``after``; states only move forward, and the workflow's own stay."""
        held = self.rows.get("after")
        value = name if word == "completed" else None
        if held is None or self._makes_way(held):
            self.rows["after"] = Row(word, self.generation, value, is_outside=True)
        elif held.is_outside and not held.is_final and self._may_follow(word, held.status):
            held.status, held.name = word, value

    def _makes_way(self, row: Row) -> bool:
        return row.generation < self.generation and row.is_outside

    @staticmethod
    def _may_follow(word: str, held: str) -> bool:
        return word == held if ORDER[held] == 2 else ORDER[word] >= ORDER[held]

    def _show(
        self, task_name: str, status: str, name: str | None = None, read: str | None = None
    ) -> None:
        self.rows[task_name] = Row(status, self.generation, name, read)

    def _have_checked(self) -> None:
        """Have the person look at the name."""
        self._show("check", "awaiting_input", read=self.rows["ask"].name)
        self.review, self.is_begun = "pending", False

    def _holds(self) -> bool:
        """Return whether every result would be reused."""
        ask, check = self.rows["ask"], self.rows.get("check")
        has_run = self.status in ("completed", "stale")
        return has_run and check is not None and check.read == ask.name

    def _take_up(self) -> None:
        """Complete without a run."""
        self.status = "completed"
        for row in self.rows.values():
            row.stale = "consistent"
            row.edited = REEXECUTED if row.edited == EDITED else row.edited

    def _outdate(self) -> None:
        """Mark what has ended behind ``ask``."""
        for name in BEHIND:
            row = self.rows.get(name)
            if row is not None and row.status in ("completed", "failed"):
                row.stale = "stale"

    def _end_what_is_open(self) -> None:
        for row in self.rows.values():
            if row.is_open:
                row.status, row.is_final = "cancelled", True
