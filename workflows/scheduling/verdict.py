"""How a run ended, before anybody was told."""

from dataclasses import dataclass
from enum import StrEnum

from contracts.messages import TaskError


class Ending(StrEnum):
    """How a run may end. ``superseded`` is told to nobody: a newer generation owns the rows."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended, and if it failed, which task failed how."""

    ending: Ending
    error: TaskError | None = None
    failed_task: str | None = None
