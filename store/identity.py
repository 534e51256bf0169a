"""Ids that follow from what a document is about, so that every write can be repeated."""

from functools import lru_cache
from uuid import UUID, uuid5

_TASK_EXECUTIONS = UUID("5f0a3c8e-9f57-4b0e-8a55-0c6a6a1d9c11")
_TASK_OUTPUTS = UUID("b1f4a0de-37c4-4c0b-9a4e-5d3f8a7e2b90")

SEPARATOR = "\x1f"


def task_execution_id(
    execution_id: str, generation: int, task_name: str, item: int | None, attempt: int
) -> str:
    """Return the id of one attempt of a task, or of one item of its iteration."""
    name = SEPARATOR.join(
        (execution_id, str(generation), task_name, "" if item is None else str(item), str(attempt))
    )
    return str(uuid5(_TASK_EXECUTIONS, name))


@lru_cache(maxsize=10_000)
def task_output_id(execution_id: str, task_name: str) -> str:
    """Return the id of what became of a task as a whole; the same in every generation."""
    return str(uuid5(_TASK_OUTPUTS, SEPARATOR.join((execution_id, task_name))))
