"""Stored definitions as flows: read and judged once per version, since a version never changes."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from flows.errors import Fault, InvalidDefinitionError, InvalidInputError
from flows.executors.catalogue import executor_named
from flows.inputs import choose_input_task, input_task_names, validate_input
from flows.model import Flow
from flows.parse import parse_definition
from flows.secrets import credentials_of
from flows.validate import executable
from store.models import FlowRecord

MAX_KEPT = 256


@dataclass(frozen=True, slots=True)
class Definition:
    """What one version of a flow says.

    Attributes:
        forbidding: What keeps it from running.
        uses_credentials: Whether any task refers to a credential of the organization.
    """

    flow: Flow
    forbidding: Sequence[Fault]
    uses_credentials: bool = False

    def accepted_input_task(self, input_task_name: str | None, input: dict[str, JsonValue]) -> str:
        """Return the input task that this input fires.

        Raises:
            InvalidDefinitionError: The flow cannot run.
            InvalidInputError: No input task can be told, or the input does not fit it.
        """
        if self.forbidding:
            raise InvalidDefinitionError("the flow cannot run as it is", self.forbidding)
        name = choose_input_task(self.flow, input_task_name)
        faults = validate_input(self.flow, name, input)
        if faults:
            raise InvalidInputError(f"the input does not fit task '{name}'", faults)
        return name

    def triggered_executor(self, input_task_name: str) -> str | None:
        """Return the executor of the input task that fires; None where there is no choice."""
        if len(input_task_names(self.flow)) < 2:
            return None
        task = next(task for task in self.flow.tasks if task.name == input_task_name)
        executor = executor_named(task.executor)
        return executor.name if executor is not None else task.executor


class Definitions:
    """Reads what is stored and keeps the latest results."""

    def __init__(self) -> None:
        """Start empty."""
        self._kept: OrderedDict[tuple[str, int], Definition] = OrderedDict()

    def of(self, record: FlowRecord) -> Definition:
        """Return what a record's version says, without what could not be read."""
        key = (record.id, record.version)
        definition = self._kept.get(key)
        if definition is None:
            flow = parse_definition(record.definition).flow
            names = {task.name for task in flow.tasks}
            uses = any(True for task in flow.tasks for _ in credentials_of(task, names))
            definition = self._kept[key] = Definition(flow, executable(flow), uses)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return definition
