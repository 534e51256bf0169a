"""A task executor that waits for the outside and may iterate."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic import JsonValue

from flows.executors import catalogue
from flows.executors.spec import JsonSchema, Kind, Parameters, TaskExecutor
from flows.model import Task


class AskParameters(Parameters):
    """What is asked."""

    question: str | int


def _anything(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    return {}


ASK = TaskExecutor(
    name="ask_somebody",
    description="Waits for an answer.",
    agent_prompt="Only for tests.",
    kind=Kind.WAITING,
    parameters=AskParameters,
    output_schema=_anything,
    is_pure=True,
    awaits="answers",
)


@contextmanager
def asking_known() -> Iterator[None]:
    """Let the catalogue know the executor for a while."""
    catalogue.register(ASK)
    try:
        yield
    finally:
        catalogue.unregister(ASK)


def ask_each(*, concurrency: int | None = None) -> Task:
    """Return a task that asks for each item of the flow input's ``n``."""
    parameters: dict[str, JsonValue] = {"question": "{{start.n}}"}
    return Task(
        name="each",
        executor=ASK.name,
        parameters=parameters,
        reference_modes={"question": "single"},
        concurrency=concurrency,
    )
