"""Runs whose histories are kept: one for each way in which workflow code meets Temporal."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

from pydantic import JsonValue
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowHandle

from contracts.messages import DeliveryNotice, FireCall, Seed, TaskCall
from contracts.names import DELIVERED, SCHEDULED_START
from flows.model import Flow, RetryPolicy, Task
from tests.replay.talks import TALKS, Talk
from tests.support.engine import (
    INPUT,
    Engine,
    Handle,
    a_flow,
    branch,
    chain,
    effect,
    instant,
    pure,
    receiver,
    remote,
    reviewer,
    wait,
)
from tests.support.eventually import eventually
from tests.support.recording_worker import Behaviour, failure

AnyHandle = WorkflowHandle[Any, Any]


async def hang(call: TaskCall) -> JsonValue:
    """Run until cancelled."""
    await asyncio.sleep(60)
    return None


async def fail(call: TaskCall) -> JsonValue:
    """Fail for good."""
    raise failure("no luck", type="Unlucky")


async def replaced(call: TaskCall) -> JsonValue:
    """Stop because a newer generation owns the execution."""
    raise failure("moved on", type="superseded")


def flaky() -> Behaviour:
    """Return a behaviour that fails twice, then succeeds."""
    attempts = iter(range(100))

    async def fail_twice(call: TaskCall) -> JsonValue:
        if next(attempts) < 2:
            raise failure("not yet", retryable=True)
        return "done"

    return fail_twice


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run to record.

    Attributes:
        behaviours: What tasks do, by their names.
        cancel_during: Cancel once this task has begun.
        store_faults: How many calls of the store fail at first.
        reuses_itself: Run it before, and let the recorded run reuse the results.
        keeps_child: Whether the first child's history is worth its size.
        refuses: Tasks that may not wait.
        delivers: Tasks that something is delivered for, one after the other once all wait; the
            first one is signalled before, too, when nothing is stored.
    """

    flow: Flow
    input: dict[str, JsonValue] = field(default_factory=dict)
    behaviours: Mapping[str, Behaviour] = field(default_factory=dict)
    cancel_during: str | None = None
    store_faults: int = 0
    input_task_name: str = "start"
    reuses_itself: bool = False
    keeps_child: bool = True
    delivers: Sequence[str] = ()
    refuses: frozenset[str] = frozenset()

    async def play(self, engine: Engine) -> list[AnyHandle]:
        """Run it, and return the workflows whose histories tell of it: the flow's and a child's."""
        seeds = await self._seeds(engine) if self.reuses_itself else []
        engine.recorder.behaviours = dict(self.behaviours)
        engine.recorder.store_faults = self.store_faults
        engine.recorder.refuses = set(self.refuses)
        handle = await engine.start(
            self.flow, self.input, seeds, input_task_name=self.input_task_name
        )
        if self.cancel_during is not None:
            name = self.cancel_during
            await eventually(lambda: engine.recorder.begun(name))
            await handle.cancel()
        await self._deliver(engine, handle)
        with suppress(WorkflowFailureError):
            await handle.result()
        if not self.keeps_child:
            return [handle]
        return [handle, *[child async for child in _children(engine, handle)][:1]]

    async def _deliver(self, engine: Engine, handle: Handle) -> None:
        """Store and signal what the tasks wait for."""
        recorder = engine.recorder
        if self.delivers:
            await eventually(lambda: recorder.parked)
            await handle.signal(DELIVERED, DeliveryNotice(task_name=self.delivers[0]))
            await eventually(lambda: recorder.looks)
        for name in self.delivers:
            recorder.come[name] = {"n": 1}
            await handle.signal(DELIVERED, DeliveryNotice(task_name=name))
            await eventually(partial(recorder.called, name))

    async def _seeds(self, engine: Engine) -> list[Seed]:
        """Run the flow and return its results as a later generation gets them."""
        engine.recorder.lacks = {task.name for task in self.flow.tasks}
        await engine.run(self.flow, self.input)
        return [
            Seed(
                task_name=word.task_name,
                item=word.item,
                output=word.output,
                fingerprint=word.fingerprint,
            )
            for word in engine.recorder.settled
            if word.has_output and word.fingerprint
        ]


@dataclass(frozen=True, slots=True)
class Firing:
    """A schedule's workflow that finds an earlier execution running, and looks again."""

    async def play(self, engine: Engine) -> list[AnyHandle]:
        """Run it, and return it."""
        call = FireCall(organization_id="o", flow_id="f", task_name="clock", fingerprint="")
        handle: AnyHandle = await engine.client.start_workflow(
            SCHEDULED_START, call, id=f"firing-{uuid4()}", task_queue=engine.task_queue
        )
        await handle.result()
        return [handle]


async def _children(engine: Engine, handle: Handle) -> AsyncIterator[AnyHandle]:
    """Yield a handle for each child workflow, in the order in which they were started."""
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
            started = event.child_workflow_execution_started_event_attributes.workflow_execution
            yield engine.client.get_workflow_handle(started.workflow_id, run_id=started.run_id)


def _each(name: str = "each", **options: Any) -> Task:
    return effect(name, "{{start.n}}", reference_modes={"body": "single"}, **options)


def _with_secrets() -> Flow:
    """Return a flow whose tasks of every kind refer to secrets."""
    stored = "{{secret:0123456789abcdef0123456789abcdef}}"
    notice = Task(
        name="notify",
        executor="webhook_notification",
        parameters={"url": "http://x", "secret": f"{stored}{{{{start.n}}}}"},
    )
    return a_flow(
        instant("tell", {"key": "x {{secrets.key}} {{start.n}}"}),
        notice,
        effect("each", "{{start.n}} {{secrets.key}}", reference_modes={"body": "single"}),
    )


_QUICK = RetryPolicy(max_attempts=5, initial_interval_seconds=0.05)
_ONCE = RetryPolicy(max_attempts=1)
_NUMBERS: dict[str, JsonValue] = {"n": [1, 2, 3]}

SCENARIOS: Mapping[str, Scenario | Firing | Talk] = {
    **TALKS,
    "instant_chain": Scenario(a_flow(*chain(3)), {"n": 1}),
    "http_request": Scenario(a_flow(effect("send", {"n": "{{start.n}}"})), {"n": 1}),
    "python_code": Scenario(a_flow(pure("compute", "{{start.n}}")), {"n": 1}),
    "doc_to_text": Scenario(
        a_flow(
            Task(
                name="read",
                executor="doc_to_text",
                parameters={"document_url": "{{start.url}}", "mime_type": "application/pdf"},
            )
        ),
        {"url": "http://x/a.pdf"},
    ),
    "validation": Scenario(
        a_flow(
            Task(
                name="check",
                executor="validation",
                parameters={
                    "target": "{{start}}",
                    "rules": [{"field": "n", "condition": {"operator": "gt", "right": 0}}],
                },
            )
        ),
        {"n": 1},
    ),
    "branch_and_skip": Scenario(
        a_flow(
            branch("way", "left"),
            instant("l", 1),
            effect("r", 2),
            instant("join", {"l": "{{l}}", "r": "{{r}}"}),
            edges=[("start", "way"), ("way", "l", "left"), ("way", "r", "right")],
        )
    ),
    "idle_trigger": Scenario(
        Flow(
            tasks=(
                INPUT,
                Task(name="other", executor="receive_file"),
                instant("a", "{{start.n}}"),
                instant("b", "{{other.n}}"),
            )
        ),
        {"n": 1},
        input_task_name="other",
    ),
    "diamond": Scenario(
        a_flow(
            effect("left", "{{start.n}}"),
            effect("right", "{{start.n}}"),
            instant("join", ["{{left}}", "{{right}}"]),
        ),
        {"n": 1},
    ),
    "retry": Scenario(
        a_flow(effect("t", "{{start}}", retry_policy=_QUICK)), behaviours={"t": flaky()}
    ),
    "local_retry": Scenario(
        a_flow(instant("t", "{{start}}", retry_policy=_QUICK)), behaviours={"t": flaky()}
    ),
    "failure_stops_siblings": Scenario(
        a_flow(effect("slow"), effect("bad"), instant("after", "{{bad}}")),
        behaviours={"slow": hang, "bad": fail},
    ),
    "timeout": Scenario(
        a_flow(effect("slow", timeout_seconds=0.2, retry_policy=_ONCE)), behaviours={"slow": hang}
    ),
    "cancelled": Scenario(
        a_flow(effect("slow"), instant("after", "{{slow}}")),
        behaviours={"slow": hang},
        cancel_during="slow",
    ),
    "iteration": Scenario(a_flow(_each(concurrency=2), instant("all", "{{each}}")), _NUMBERS),
    "instant_iteration": Scenario(
        a_flow(instant("each", {"n": "{{start.n}}"}, reference_modes={"template": "single"})),
        _NUMBERS,
    ),
    "empty_iteration": Scenario(a_flow(_each()), {"n": []}),
    "iteration_in_lanes": Scenario(
        a_flow(
            instant(
                "each", {"n": "{{start.n}}"}, reference_modes={"template": "single"}, concurrency=60
            )
        ),
        {"n": list(range(1_100))},
        keeps_child=False,
    ),
    "iteration_fails": Scenario(a_flow(_each()), _NUMBERS, behaviours={"each": fail}),
    "iteration_cancelled": Scenario(
        a_flow(_each()), _NUMBERS, behaviours={"each": hang}, cancel_during="each"
    ),
    "reuse": Scenario(
        a_flow(effect("a", "{{start.n}}"), _each(), instant("c", "{{a}}")),
        _NUMBERS,
        reuses_itself=True,
    ),
    "full_workflow_task": Scenario(a_flow(*(instant(f"t{at}", at) for at in range(210)))),
    "store_down_at_the_end": Scenario(a_flow(instant("a", "{{start}}")), store_faults=4),
    "superseded": Scenario(a_flow(effect("t"), effect("u")), behaviours={"t": replaced, "u": hang}),
    "remote_without_worker": Scenario(
        a_flow(
            remote("work", "nobody polls this", parameters={"schedule_to_start_seconds": 0.2}),
            instant("after", "{{work}}"),
        )
    ),
    "wait": Scenario(a_flow(wait("pause", 0.2), instant("after", "{{pause}}"))),
    "wait_cancelled": Scenario(a_flow(wait("pause", 3_600)), cancel_during="pause"),
    "wait_in_iteration": Scenario(
        a_flow(wait("each", "{{start.n}}", reference_modes={"seconds": "single"})),
        {"n": [0, 0.1, 0.2]},
    ),
    "wait_while_the_store_is_down": Scenario(a_flow(wait("pause", 0.1)), store_faults=3),
    "delivered": Scenario(
        a_flow(receiver("ask"), receiver("other"), instant("after", ["{{ask}}", "{{other}}"])),
        delivers=("ask", "other"),
    ),
    "delivered_beside_a_timer": Scenario(
        a_flow(receiver("ask"), wait("pause", 1), instant("after", "{{pause}}")),
        delivers=("ask",),
    ),
    "delivery_in_time": Scenario(a_flow(receiver("ask", timeout_seconds=60)), delivers=("ask",)),
    "not_delivered": Scenario(a_flow(receiver("ask", timeout_seconds=0.2))),
    "delivery_cancelled": Scenario(
        a_flow(receiver("ask"), instant("after", "{{ask}}")), cancel_during="ask"
    ),
    "reviewed": Scenario(
        a_flow(instant("data"), reviewer("review", "{{data}}"), instant("after", "{{review}}")),
        delivers=("review",),
    ),
    "review_cancelled": Scenario(
        a_flow(instant("data"), reviewer("review", "{{data}}")), cancel_during="review"
    ),
    "wait_refused": Scenario(
        a_flow(instant("data"), reviewer("review", "{{data}}"), instant("after", "{{review}}")),
        refuses=frozenset({"review"}),
    ),
    "scheduled_start": Firing(),
    "secrets": Scenario(_with_secrets(), _NUMBERS),
    "secrets_reused": Scenario(_with_secrets(), _NUMBERS, reuses_itself=True),
    "engine_fault": Scenario(a_flow(instant("a")), input_task_name="nobody"),
}
