"""What running an execution again would do, task by task, before anything runs.

Pure: it is given the message that would start the run. Whether a result would be reused is asked of
the code that the scheduler asks; what a task that runs will yield is not known before.

Source: docs/corrections.md, "The plan".
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import JsonValue

from contracts.messages import FlowExecutionStart, Seed
from flows.changes import Changes
from flows.errors import TaskFailedError
from flows.executors.branch import BRANCH
from flows.executors.catalogue import executor_named
from flows.graph import Dependency
from flows.inputs import input_task_names
from flows.readiness import chosen_case
from operations.readings import Readings, Work
from workflows.scheduling.seeds import Seeds

Place = tuple[str, int | None]


class Decision(StrEnum):
    """What would become of a task."""

    RUN = "run"
    REUSE = "reuse"
    SKIP = "skip"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why. The words are part of the API."""

    INPUT = "input"
    FULL = "full"
    NEW_TASK = "new_task"
    TASK_CHANGED = "task_changed"
    INPUTS_CHANGED = "inputs_changed"
    NO_RESULT = "no_result"
    UNCHANGED = "unchanged"
    EDITED = "edited"
    UPSTREAM_RUNS = "upstream_runs"
    CASE_UNKNOWN = "case_unknown"
    NOT_CHOSEN = "not_chosen"
    NOT_FIRED = "not_fired"


@dataclass(frozen=True, slots=True)
class Items:
    """What would become of an iteration's items."""

    run: int
    reuse: int


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """What would become of one task, and why.

    Attributes:
        items: For an iteration whose items are known.
        waits_for: For what is unknown the tasks that decide about it, in document order.
    """

    task_name: str
    decision: Decision
    reason: Reason
    items: Items | None = None
    waits_for: tuple[str, ...] = ()


@dataclass(slots=True)
class _Known:
    """What is known so far.

    Attributes:
        outputs: Of tasks whose result would be reused.
        skipped: Tasks that would be skipped for certain.
        uncertain: Tasks that may be skipped or not.
    """

    outputs: dict[str, JsonValue] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    uncertain: set[str] = field(default_factory=set)


class Planner:
    """Plans one run."""

    def __init__(
        self, start: FlowExecutionStart, edited: Collection[Place], found: Changes, *, is_full: bool
    ) -> None:
        """Read the message.

        Args:
            edited: Results that a person changed.
            found: What became of the tasks since the version that ran last.
        """
        self._start = start
        self._edited = edited
        self._changes = found
        self._is_full = is_full
        self._readings = Readings(start.definition)
        self._seeds = Seeds(start.seeds)
        self._seeded: dict[str, list[Seed]] = {}
        for seed in start.seeds:
            self._seeded.setdefault(seed.task_name, []).append(seed)
        self._branches = {
            task.name for task in start.definition.tasks if executor_named(task.executor) is BRANCH
        }

    def tasks(self) -> list[PlannedTask]:
        """Return the plan, in document order."""
        known = _Known()
        planned: dict[str, PlannedTask] = {}
        for name in self._readings.graph.order():
            task = planned[name] = self._planned(name, known)
            if task.decision is Decision.SKIP:
                known.skipped.add(name)
            elif task.reason is Reason.CASE_UNKNOWN:
                known.uncertain.add(name)
        return [planned[task.name] for task in self._start.definition.tasks]

    def _planned(self, name: str, known: _Known) -> PlannedTask:
        """Plan one task, once all that it depends on is planned."""
        if name == self._start.input_task_name:
            known.outputs[name] = dict(self._start.input)
            return PlannedTask(name, Decision.REUSE, Reason.INPUT)
        if name in input_task_names(self._start.definition):
            return PlannedTask(name, Decision.SKIP, Reason.NOT_FIRED)
        needed = self._readings.graph.dependencies[name]
        is_live = self._is_live(needed, known)
        if is_live is False:
            return PlannedTask(name, Decision.SKIP, Reason.NOT_CHOSEN)
        open_ones = tuple(
            each.task_name
            for each in needed
            if each.task_name not in known.outputs and each.task_name not in known.skipped
        )
        if is_live is None:
            return PlannedTask(name, Decision.UNKNOWN, Reason.CASE_UNKNOWN, waits_for=open_ones)
        if self._is_full:
            return PlannedTask(name, Decision.RUN, Reason.FULL)
        if name in self._changes.added:
            return PlannedTask(name, Decision.RUN, Reason.NEW_TASK)
        if open_ones:
            if name not in self._seeded:
                return PlannedTask(name, Decision.RUN, Reason.NO_RESULT)
            return PlannedTask(name, Decision.UNKNOWN, Reason.UPSTREAM_RUNS, waits_for=open_ones)
        return self._decided(name, known)

    def _decided(self, name: str, known: _Known) -> PlannedTask:
        """Plan a task all of whose inputs are known."""
        try:
            work = self._readings.work(name, known.outputs)
            found = [*self._matching(name, work)]
        except TaskFailedError:
            return PlannedTask(name, Decision.RUN, Reason.INPUTS_CHANGED)
        kept = [seed for seed in found if seed is not None]
        items = None
        if work.iteration is not None:
            items = Items(run=len(found) - len(kept), reuse=len(kept))
        if len(kept) < len(found):
            return PlannedTask(name, Decision.RUN, self._why(name), items)
        outputs: list[JsonValue] = [seed.output for seed in kept]
        known.outputs[name] = outputs if work.iteration is not None else outputs[0]
        is_edited = any((name, seed.item) in self._edited for seed in kept)
        reason = Reason.EDITED if is_edited else Reason.UNCHANGED
        return PlannedTask(name, Decision.REUSE, reason, items)

    def _matching(self, name: str, work: Work) -> Iterator[Seed | None]:
        """Yield the seed that would be taken for the task, or for each of its items."""
        if work.iteration is None:
            yield self._seeds.matching(name, None, work.fingerprint())
            return
        for item, fingerprint in enumerate(work.fingerprints()):
            yield self._seeds.matching(name, item, fingerprint)

    def _why(self, name: str) -> Reason:
        """Return why a task whose inputs are known runs."""
        if name not in self._seeded:
            return Reason.NO_RESULT
        if name in self._changes.changed:
            return Reason.TASK_CHANGED
        return Reason.INPUTS_CHANGED

    def _is_live(self, needed: list[Dependency], known: _Known) -> bool | None:
        """Return whether a task is reached once all before it has ended; None if nobody can say.

        As ``flows.readiness``, for results some of which are not there yet.
        """
        if not needed:
            return True
        hangs_on_case = any(each.branches for each in needed)
        found = [
            self._is_case_live(each, known) if hangs_on_case else self._is_edge_live(each, known)
            for each in needed
            if each.branches or not hangs_on_case
        ]
        if True in found:
            return True
        return None if None in found else False

    def _is_edge_live(self, needed: Dependency, known: _Known) -> bool | None:
        """Return whether a dependency without a case leads on."""
        if needed.task_name in known.skipped:
            return False
        return None if needed.task_name in known.uncertain else True

    def _is_case_live(self, needed: Dependency, known: _Known) -> bool | None:
        """Return whether the case that a dependency hangs on is chosen."""
        if needed.task_name in known.skipped:
            return False
        if needed.task_name in known.outputs:
            return chosen_case(known.outputs[needed.task_name]) in needed.branches
        return None
