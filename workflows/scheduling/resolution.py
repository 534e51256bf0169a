"""What a task reads: parameters with every reference replaced, and the fingerprint of it all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from flows.canonical import canonical_bytes, digest, fingerprint
from flows.errors import TaskFailedError
from flows.executors.spec import TaskExecutor
from flows.iteration import item_parameters, item_values
from flows.model import Task
from flows.references import Reference, resolve, value_at
from flows.secrets import Asides, SecretUse
from workflows.scheduling.depth import check_depth

MAX_PARAMETERS_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Resolved:
    """Parameters as the task gets them.

    Attributes:
        fingerprint: Of the executor, its schema version, the parameters, and what comes by edges.
        size_bytes: Of the parameters as JSON, and of what was set aside.
        secrets: What stands masked in the parameters.
    """

    parameters: dict[str, JsonValue]
    fingerprint: str
    size_bytes: int
    secrets: Sequence[SecretUse] = ()


def resolved(
    executor: TaskExecutor,
    parameters: dict[str, JsonValue],
    edge_digest: str,
    secrets: Sequence[SecretUse] = (),
) -> Resolved:
    """Return parameters whose references have been replaced, with what depends on them.

    Secrets count by what refers to them: another secret in a parameter makes another fingerprint,
    another value of a credential does not.

    Raises:
        TaskFailedError: They nest too deeply for the task to read them, or take so many bytes that
            encoding them would hold the workflow's thread for longer than Temporal allows.
    """
    encoded = canonical_bytes(parameters)
    if len(encoded) > MAX_PARAMETERS_BYTES:
        raise TaskFailedError(
            f"the task's parameters exceed {MAX_PARAMETERS_BYTES} bytes", type="ParametersTooLarge"
        )
    check_depth(parameters, "the task's parameters nest", encoded)
    hashed: JsonValue = parameters
    size_bytes = len(encoded)
    if secrets:
        aside: JsonValue = [use.hashed() for use in secrets]
        hashed = [parameters, aside]
        size_bytes += len(canonical_bytes(aside))
    return Resolved(
        parameters=parameters,
        fingerprint=fingerprint(executor.name, executor.schema_version, hashed, edge_digest),
        size_bytes=size_bytes,
        secrets=secrets,
    )


def resolved_once(
    task: Task, executor: TaskExecutor, values: Mapping[str, JsonValue], edge_digest: str
) -> Resolved:
    """Return what a task that runs once works on; values are keyed by the references' texts.

    Raises:
        TaskFailedError: As ``parameters_of`` and ``resolved``.
    """
    parameters = parameters_of(task, values)
    secrets = Asides(task).take(parameters, lambda _: values)
    return resolved(executor, parameters, edge_digest, secrets)


@dataclass(frozen=True, slots=True)
class ItemReader:
    """Says what each item of an iteration works on.

    Attributes:
        iterated: For each parameter, the texts of the references in it that are iterated.
        shared: Value of each reference that every item sees whole, by its text.
    """

    task: Task
    executor: TaskExecutor
    iterated: Mapping[str, Sequence[str]]
    shared: Mapping[str, JsonValue]
    edge_digest: str
    asides: Asides

    def resolved(self, values: Mapping[str, JsonValue]) -> Resolved:
        """Return it for the item with these values of the iterated references, by their texts.

        Raises:
            TaskFailedError: As ``item_parameters`` and ``resolved``.
        """
        iterated, shared = self.iterated, self.shared
        parameters = item_parameters(self.task, iterated, shared, values)
        secrets = self.asides.take(
            parameters, lambda name: item_values(name, iterated, shared, values)
        )
        return resolved(self.executor, parameters, self.edge_digest, secrets)


def parameters_of(task: Task, values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Resolve a task's parameters once; values are keyed by the references' texts.

    Raises:
        TaskFailedError: They would become too large.
    """
    return {name: resolve(template, values) for name, template in task.parameters.items()}


def values_of(
    references: Sequence[Reference], outputs: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Return the value of each reference by its text; what is skipped or missing is null."""
    return {
        reference.text: value_at(outputs.get(reference.task_name), reference.path)
        for reference in references
    }


def edge_outputs_digest(digests: Mapping[str, str]) -> str:
    """Return one digest of the outputs that a task depends on without reading them.

    Args:
        digests: Of each such output, by the task's name; empty where it was skipped.
    """
    return digest(dict(digests)) if digests else ""
