"""What one change of stored data is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from store.values import Database


@dataclass(frozen=True, slots=True)
class Migration:
    """A numbered step that every database takes once.

    Attributes:
        number: Position in the order, from 1 without gaps; never changed once released.
        apply: Brings the data forward. It may be stopped anywhere and run again from the start, so
            it must be idempotent; and it runs while processes of the version before still serve.
        keeps_older_processes: Whether processes that do not know the step can go on with data that
            took it. If not, they refuse to start.
    """

    number: int
    name: str
    apply: Callable[[Database], Awaitable[None]]
    keeps_older_processes: bool = True
