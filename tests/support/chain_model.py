"""What an execution of ``corrected.a_chain`` must show, by a model that is a page long.

Each task yields what it read, wrapped. A result remembers what it was made from; a stale-only run
makes anew whatever would be made from something else now.
"""

from dataclasses import dataclass, field

from pydantic import JsonValue

READS = {"a": "start", "b": "a", "c": "b", "d": "start"}
BEHIND = {
    "start": {"a", "b", "c", "d"},
    "a": {"b", "c"},
    "b": {"c"},
    "c": set[str](),
    "d": set[str](),
}

EDITED = "edited_not_reexecuted"
REEXECUTED = "edited_reexecuted"


def made(value: JsonValue) -> JsonValue:
    """Return what the server answers to a task that read this."""
    return {"got": {"of": value}}


@dataclass(slots=True)
class Chain:
    """One execution.

    Attributes:
        text: What was submitted.
        values: What each task has yielded, by its name.
        made_from: What each result stands for.
        edited: ``edited_status`` of results that were ever changed.
    """

    text: str
    values: dict[str, JsonValue] = field(default_factory=dict)
    made_from: dict[str, JsonValue] = field(default_factory=dict)
    edited: dict[str, str] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    status: str = "completed"

    def run(self, *, only_stale: bool) -> set[str]:
        """Run what has to run, and return its names."""
        if not only_stale:
            self.values, self.made_from, self.edited = {}, {}, {}
        self.values.setdefault("start", self.text)
        ran: set[str] = set()
        for name, source in READS.items():
            value = self.values[source]
            if name not in self.values or self.made_from[name] != value:
                self.values[name], self.made_from[name] = made(value), value
                self.edited.pop(name, None)
                ran.add(name)
        self.edited = dict.fromkeys(self.edited, REEXECUTED)
        self.stale = set()
        self.status = "completed"
        return ran

    def cancelled(self, *, has_d: bool) -> None:
        """Stop while a waits for its answer, and d has got it.

        Args:
            has_d: Whether the run heard of d's end before it was told to stop.
        """
        self.values = {"start": self.text}
        if has_d:
            self.values["d"], self.made_from = made(self.text), {"d": self.text}
        self.status = "cancelled"

    def edit(self, name: str, value: JsonValue) -> None:
        """Change a result."""
        if self.values[name] == value:
            return
        self.values[name] = value
        if name in READS:
            self.made_from[name] = self.values[READS[name]]
        self.edited[name] = EDITED
        self.stale = (self.stale - {name}) | (BEHIND[name] & self.values.keys())
        if self.status != "cancelled":
            self.status = "stale" if self.stale else "edited"
