"""What a package offers that brings a task executor of its own.

Source: docs/adding-an-executor.md.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from flows.executors.spec import TaskExecutor


@dataclass(frozen=True, kw_only=True)
class Extension:
    """One task executor and the activity that does its work.

    Attributes:
        executor: Its entry in the catalogue.
        activity: A function that is registered with Temporal under the executor's name; None for an
            input task, whose output is the flow's input.
    """

    executor: TaskExecutor
    activity: Callable[..., Awaitable[Any]] | None = None
