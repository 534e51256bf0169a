"""Rules across the tasks of a flow.

Faults that reject a definition say that it cannot mean anything; the others may stand in a draft.

Source: docs/flow-language.md, "Validation".
"""

from flows.errors import Fault
from flows.executors.catalogue import executor_named, executor_names
from flows.executors.spec import Kind
from flows.faults import Faults, Location
from flows.graph import Graph
from flows.inputs import is_input_task
from flows.iteration import RUNS_ONCE
from flows.marks import is_marked
from flows.model import Edge, Flow, Task
from flows.outputs import output_schemas
from flows.parameters import parameter_faults
from flows.references import (
    Occurrence,
    Reference,
    occurrences,
    read_reference,
    task_named_in,
    unclosed_references,
)
from flows.schemas import schemas_at
from flows.secrets import CREDENTIALS, MASK, is_secret_reference

BRANCH = "branch"

_FORBIDS_RUNNING = frozenset({"no_tasks", "missing_parameter"})


def validate(flow: Flow) -> list[Fault]:
    """Return everything that is wrong across a flow's tasks, task by task, then edges.

    Locations count tasks and edges as they stand in the flow.
    """
    return list(_Validation(flow).run())


def executable(flow: Flow) -> list[Fault]:
    """Return what forbids running a flow: rejecting faults, no tasks, missing parameters."""
    return [fault for fault in validate(flow) if fault.rejects or fault.type in _FORBIDS_RUNNING]


def branch_cases(task: Task) -> set[str] | None:
    """Return the cases that a ``branch`` task can choose; None if that cannot be known. Total."""
    default, cases = task.parameters.get("default"), task.parameters.get("cases", [])
    if not isinstance(cases, list):
        return None
    names = [case.get("name") if isinstance(case, dict) else None for case in cases]
    names.extend([default] if default is not None else [])
    found = {name for name in names if isinstance(name, str) and "{{" not in name}
    return found if len(found) == len(set(map(str, names))) else None


class _Validation:
    """One look at a flow."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._graph = Graph(flow)
        self._task_by_name = {task.name: task for task in flow.tasks}
        self._inputs = [task.name for task in flow.tasks if is_input_task(task)]
        self._parameter_faults = {
            task.name: parameter_faults(executor, task.parameters)
            for task in flow.tasks
            if (executor := executor_named(task.executor)) is not None
        }
        sound = {name for name, faults in self._parameter_faults.items() if not faults}
        self._outputs = output_schemas(flow, self._graph, sound)
        self._has_order = True
        self._faults = Faults()

    def run(self) -> Faults:
        """Apply every rule."""
        self._whole()
        reachable = self._graph.reachable(self._inputs)
        for index, task in enumerate(self._flow.tasks):
            location: Location = ("tasks", index)
            self._executor(task, location)
            self._references(task, location)
            self._modes(task, location)
            self._retry(task, location)
            if self._inputs and self._has_order and task.name not in reachable:
                reason = "no input task leads here"
                self._faults.add(location, reason, "unreachable_task", rejects=False)
        for index, edge in enumerate(self._flow.edges):
            self._edge(edge, ("edges", index))
        return self._faults

    def _whole(self) -> None:
        """Rules about the flow as a whole."""
        if not self._flow.tasks:
            self._faults.add(("tasks",), "a flow needs tasks to run", "no_tasks", rejects=False)
        elif not self._inputs and all(executor_named(task.executor) for task in self._flow.tasks):
            self._faults.add(("tasks",), "a flow needs an input task", "no_input_task")
        cycles = self._graph.cycles()
        self._has_order = not cycles
        self._faults.extend(cycles)

    def _executor(self, task: Task, location: Location) -> None:
        """Rules about one task's executor and its parameters."""
        if any(brace in task.name for brace in "{}") or task.name != task.name.strip():
            reason = "no reference can name this task: braces and outer blanks are not read"
            self._faults.add((*location, "name"), reason, "unreferable_name", rejects=False)
        executor = executor_named(task.executor)
        place = (*location, "task_executor_name")
        if executor is None:
            reason = f"unknown task executor '{task.executor}'"
            names = executor_names()
            self._faults.add_unknown(place, reason, "unknown_executor", task.executor, names)
            return
        for fault in self._parameter_faults[task.name]:
            where = (*location, "parameters", *fault.location)
            self._faults.extend(
                [Fault(where, fault.reason, fault.type, fault.rejects, fault.input)]
            )

    def _references(self, task: Task, location: Location) -> None:
        """Rules about what stands between double braces."""
        for occurrence in occurrences(task.parameters):
            if self._faults.is_full:
                return
            place = (*location, "parameters", *occurrence.location)
            is_secret = is_marked(task.executor, occurrence.location)
            reference = read_reference(occurrence.text, self._task_by_name)
            if reference is None and is_secret_reference(occurrence.text):
                self._secret(task, occurrence, place, is_marked=is_secret)
            elif reference is None:
                self._unreadable(_hidden(occurrence) if is_secret else occurrence, place)
            elif is_input_task(task):
                reason = "an input task cannot refer to other tasks: it starts the flow"
                self._faults.add(place, reason, "reference_in_input", input=occurrence.text)
            elif self._is_fixed(task, occurrence):
                reason = f"'{task.executor}' must know this beforehand: no reference can stand here"
                self._faults.add(place, reason, "reference_in_fixed", input=occurrence.text)
            elif not self._can_exist(reference):
                field = ".".join(map(str, reference.path))
                reason = f"'{reference.task_name}' has no output '{field}'"
                kind = "unknown_output_field"
                self._faults.add(place, reason, kind, rejects=False, input=occurrence.text)

        for spot, text in unclosed_references(dict(task.parameters), self._task_by_name):
            if is_marked(task.executor, spot):
                text = MASK
            reason = f"'{{{{{text[:80]}' is not closed, so it stays text"
            place = (*location, "parameters", *spot)
            self._faults.add(place, reason, "unclosed_reference", rejects=False, input=text)

    def _is_fixed(self, task: Task, occurrence: Occurrence) -> bool:
        """Tell whether a reference stands where its executor must know the value beforehand."""
        executor = executor_named(task.executor)
        return executor is not None and occurrence.location[0] in executor.fixed_parameters

    def _secret(
        self, task: Task, occurrence: Occurrence, place: Location, *, is_marked: bool
    ) -> None:
        """Rules about references to secrets: somebody must be there to open them."""
        executor = executor_named(task.executor)
        opens = executor is None or executor.kind in (Kind.INSTANT, Kind.EFFECT)
        if not opens and not is_marked:
            reason = f"'{task.executor}' can use credentials in secret parameters only"
            self._faults.add(place, reason, "secret_out_of_reach", input=occurrence.text)

    def _unreadable(self, occurrence: Occurrence, place: Location) -> None:
        """Say why a reference cannot be read."""
        name = task_named_in(occurrence.text, self._task_by_name)
        if name is not None:
            reason = f"'{{{{{occurrence.text}}}}}' is malformed behind '{name}'"
            self._faults.add(place, reason, "malformed_reference", input=occurrence.text)
            return
        if not occurrence.text:
            self._faults.add(place, "nothing stands between the braces", "malformed_reference")
            return
        word = occurrence.text.partition(".")[0]
        if word == CREDENTIALS:
            reason = f"no credential can be named so in '{{{{{occurrence.text}}}}}'"
            self._faults.add(place, reason, "malformed_reference", input=occurrence.text)
            return
        reason = f"'{{{{{occurrence.text}}}}}' refers to an unknown task"
        self._faults.add_unknown(place, reason, "unknown_task", word, self._task_by_name)

    def _modes(self, task: Task, location: Location) -> None:
        """Rules about stated reference modes."""
        executor = executor_named(task.executor)
        if executor is None:
            return
        for name, mode in task.reference_modes.items():
            place = (*location, "reference_modes", name)
            if name not in executor.parameters.model_fields:
                reason = f"'{task.executor}' has no parameter '{name}'"
                known = executor.parameters.model_fields
                self._faults.add_unknown(place, reason, "unknown_parameter", name, known)
            elif mode == "single" and executor.name in RUNS_ONCE:
                reason = f"'{executor.name}' runs once; it cannot iterate"
                self._faults.add(place, reason, "cannot_iterate", input=mode)

    def _retry(self, task: Task, location: Location) -> None:
        """Rules about how attempts are repeated."""
        policy = task.retry_policy
        if policy is None or policy.max_interval_seconds is None:
            return
        if policy.max_interval_seconds < policy.initial_interval_seconds:
            place = (*location, "retry_policy", "max_interval_seconds")
            longest = policy.max_interval_seconds
            reason = f"must not be below the initial interval, {policy.initial_interval_seconds} s"
            self._faults.add(place, reason, "interval_order", input=longest)

    def _edge(self, edge: Edge, location: Location) -> None:
        """Rules about one edge."""
        for end, name in (("source", edge.source), ("target", edge.target)):
            if name not in self._task_by_name:
                reason = f"unknown task '{name}'"
                known = self._task_by_name
                self._faults.add_unknown((*location, end), reason, "unknown_task", name, known)
        target = self._task_by_name.get(edge.target)
        if target is not None and is_input_task(target):
            reason = "an input task starts the flow; nothing can lead to it"
            self._faults.add((*location, "target"), reason, "edge_to_input", input=edge.target)
        source = self._task_by_name.get(edge.source)
        if edge.branch is not None and source is not None:
            self._branch(edge.branch, source, (*location, "branch"))

    def _branch(self, branch: str, source: Task, place: Location) -> None:
        """Rules about an edge that hangs on a case."""
        executor = executor_named(source.executor)
        if executor is None:
            return
        if executor.name != BRANCH:
            reason = f"'{source.name}' is no branch task, so no case can be chosen"
            self._faults.add(place, reason, "not_a_branch", input=branch)
            return
        cases = branch_cases(source)
        if cases is not None and branch not in cases:
            reason = f"'{source.name}' has no case '{branch}'"
            self._faults.add_unknown(place, reason, "unknown_case", branch, sorted(cases))

    def _can_exist(self, reference: Reference) -> bool:
        """Tell whether an output can have what a reference names, as far as its schema says."""
        schema = self._outputs.get(reference.task_name, {})
        return bool(schemas_at(schema, reference.path))


def _hidden(occurrence: Occurrence) -> Occurrence:
    """Return a reference that cannot be read, without what it says: it may be part of a secret."""
    return Occurrence(occurrence.location, MASK, occurrence.is_whole)
