"""What one API process holds while it serves, and where routes find it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request

from api.auth import Authenticator
from operations.executions import Executions
from operations.flows import Flows
from store.task_executions import TaskExecutionRepository
from store.task_outputs import TaskOutputRepository

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Built once, when the process starts.

    Attributes:
        probes: Name of each outside part, and how to ask whether it answers.
    """

    authenticator: Authenticator
    executions: Executions
    flows: Flows
    task_executions: TaskExecutionRepository
    task_outputs: TaskOutputRepository
    probes: Mapping[str, Probe]


def services_of(request: Request) -> Services:
    """Return the services of the process that serves this request."""
    services: Services = request.app.state.services
    return services
