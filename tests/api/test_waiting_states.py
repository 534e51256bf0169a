"""Random deliveries, reviews, reports, edits, re-executions and cancellations while flows wait."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httpx
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pydantic import JsonValue

from tests.fixtures.api import Api
from tests.support.eventually import eventually
from tests.support.platform import CLOSED, Execution, Json, Platform
from tests.support.reviewers import Person, a_person, assignments_of, decision, reviews_of
from tests.support.submissions import submit
from tests.support.truth import differences
from tests.support.waiting_model import Shown, Waiting, waiting_flow
from tests.support.walks import Ground, patience, walk, walks_to_take

WALKS = walks_to_take(3)
STEPS = 30

NAMES = st.sampled_from(["Ada", "Bob"])
WORDS = st.sampled_from(["queued", "running", "completed", "failed"])


Rule = Callable[..., None]
Condition = Callable[[Rule], Rule]


@dataclass(slots=True)
class Pair:
    """One execution of the server, and what the model says of it."""

    execution: Execution
    model: Waiting


@dataclass(frozen=True, slots=True)
class World(Ground):
    """All that a walk acts on."""

    flow: Json
    person: Person


def there_is(wanted: Callable[[Waiting], bool] = lambda model: True) -> Condition:
    """Return what lets a rule be chosen: an execution of which this holds."""
    return precondition(lambda walk: walk.pair is not None and wanted(walk.pair.model))


class Walk(RuleBasedStateMachine):
    """One walk with one execution at a time. Hypothesis walks in a thread of its own."""

    world: World

    def __init__(self) -> None:
        """Begin without an execution."""
        super().__init__()
        self.pair: Pair | None = None
        self.all: list[Pair] = []

    @precondition(lambda walk: walk.pair is None)
    @rule(name=st.none() | NAMES)
    def create(self, name: str | None) -> None:
        """Start a flow, and perhaps submit the name before it waits for it."""
        self.pair = self.world.wait(self._created(name))

    @there_is()
    @rule(name=NAMES)
    def deliver(self, name: str) -> None:
        """Submit a name: the first one, the same, or another."""
        self.world.wait(self._deliver(self._pair, name))

    @there_is(lambda model: model.data is None)
    @rule(names=st.lists(NAMES, min_size=2, max_size=4))
    def deliver_at_once(self, names: list[str]) -> None:
        """Submit several names at the same moment; at most one is taken."""
        self.world.wait(self._deliver_at_once(self._pair, names))

    @there_is(lambda model: model.review is not None)
    @rule()
    def start(self) -> None:
        """Begin with a review."""
        self.world.wait(self._review(self._pair, "start"))

    @there_is(lambda model: model.review is not None)
    @rule()
    def unstart(self) -> None:
        """Stop with a review."""
        self.world.wait(self._review(self._pair, "unstart"))

    @there_is(lambda model: model.review is not None)
    @rule(name=NAMES)
    def complete(self, name: str) -> None:
        """Decide, whether or not it was begun."""
        self.world.wait(self._review(self._pair, "complete", name))

    @there_is(lambda model: model.review in ("pending", "in_progress"))
    @rule(name=NAMES)
    def start_and_complete(self, name: str) -> None:
        """Begin, and decide."""
        self.world.wait(self._review(self._pair, "start"))
        self.world.wait(self._review(self._pair, "complete", name))

    @there_is(lambda model: model.is_taken)
    @rule(name=NAMES)
    def edit(self, name: str) -> None:
        """Correct the name."""
        self.world.wait(self._edit(self._pair, name))

    @there_is()
    @rule()
    def run_again(self) -> None:
        """Run all of it again, whatever it does just now."""
        self.world.wait(self._run_again(self._pair, only_stale=False))

    @there_is()
    @rule()
    def run_what_is_stale(self) -> None:
        """Run again what does not hold any more, or never ended."""
        self.world.wait(self._run_again(self._pair, only_stale=True))

    @there_is()
    @rule(word=WORDS, name=NAMES)
    def report(self, word: str, name: str) -> None:
        """Report on a task, as its worker would."""
        self.world.wait(self._report(self._pair, word, name))

    @there_is()
    @rule(word=st.sampled_from(["running", "completed", "skipped", "failed"]))
    def tell(self, word: str) -> None:
        """Report a status of a task, which moves nothing else."""
        self.world.wait(self._tell(self._pair, word))

    @there_is(lambda model: model.is_open)
    @rule()
    def cancel(self) -> None:
        """Stop it."""
        self.world.wait(self._cancel(self._pair))

    @there_is(lambda model: not model.is_open)
    @rule()
    def cancel_what_has_ended(self) -> None:
        """Stop nothing."""
        self.world.wait(self._cancel(self._pair))

    @there_is()
    @rule(is_meant=st.integers(0, 3).map(lambda number: number == 0))
    def delete(self, is_meant: bool) -> None:
        """Hide it, but not so often; nothing is taken for it any more."""
        if is_meant:
            self.world.wait(self._deleted(self._pair))
            self.pair = None

    @invariant()
    def shows_what_the_model_says(self) -> None:
        """Wait until the execution shows what it must."""
        if self.pair is not None:
            self.world.wait(self._compare(self.pair))

    def teardown(self) -> None:
        """Leave nothing waiting; what is shown is what the histories say."""
        self.world.wait(self._ended())

    async def _created(self, name: str | None = None) -> Pair:
        execution = await self.world.platform.started(self.world.flow["id"])
        pair = Pair(execution, Waiting())
        self.all.append(pair)
        if name is not None:
            await self._deliver(pair, name)
        return pair

    async def _deliver(self, pair: Pair, name: str) -> None:
        answer = await self._submitted(pair, name)
        self._took(pair, name, answer)

    async def _deliver_at_once(self, pair: Pair, names: list[str]) -> None:
        answers = await asyncio.gather(*(self._submitted(pair, name) for name in names))
        both = [*zip(names, answers, strict=True)]
        both.sort(key=lambda each: each[1].text.find("received") < 0)
        for name, answer in both:
            self._took(pair, name, answer)

    async def _submitted(self, pair: Pair, name: str) -> httpx.Response:
        return await submit(self.world.platform, pair.execution, {"name": name})

    def _took(self, pair: Pair, name: str, answer: httpx.Response) -> None:
        word = answer.json().get("status") if answer.status_code == 200 else None
        assert (answer.status_code, word) == pair.model.deliver(name), answer.text

    async def _review(self, pair: Pair, what: str, name: str = "") -> None:
        (review,) = await reviews_of(self.world.platform, pair.execution)
        body = decision({"name": name}) if what == "complete" else None
        answer = await self.world.person.does(what, review["id"], body)
        model = pair.model
        acts: dict[str, Callable[[], int]] = {
            "start": model.start,
            "unstart": model.unstart,
            "complete": lambda: model.complete(name),
        }
        expected = acts[what]()
        assert answer.status_code == expected, answer.text

    async def _edit(self, pair: Pair, name: str) -> None:
        (row,) = await pair.execution.task_executions(task_name="ask")
        answer = await self._client.put(
            "/api/task-executions", json={**row, "output": {"name": name}}
        )
        assert answer.status_code == 200, answer.text
        pair.model.edit(name)

    async def _run_again(self, pair: Pair, *, only_stale: bool) -> None:
        answer = await self._client.post(
            f"{pair.execution.path}/execute", params={"only_stale": only_stale}
        )
        assert answer.status_code == 204, answer.text
        pair.model.run(only_stale=only_stale)
        if not pair.model.is_open:
            assert (await pair.execution.shown())["status"] == "completed"

    async def _report(self, pair: Pair, word: str, name: str) -> None:
        body: Json = {
            "flow_execution_id": pair.execution.id,
            "task_name": "after",
            "task_execution_idx": 0,
            "processing_status": word,
            "output": {"name": name},
        }
        answer = await self._client.post("/api/task-executions", json=body)
        assert answer.status_code == 201, answer.text
        pair.model.report(word, name)
        assert _shown(answer.json()) == pair.model.shown()["after"]

    async def _tell(self, pair: Pair, word: str) -> None:
        words: JsonValue = [{"task_name": "after", "status": word}]
        answer = await self._client.post(
            f"{pair.execution.path}/task-status", json={"statuses": words}
        )
        assert answer.status_code == 200, answer.text

    async def _cancel(self, pair: Pair) -> None:
        answer = await self._client.post(f"{pair.execution.path}/cancel")
        assert answer.status_code == 204, answer.text
        pair.model.cancel()

    async def _deleted(self, pair: Pair) -> None:
        await self._compare(pair)
        for _ in range(2):
            assert (await self._client.delete(pair.execution.path)).status_code == 204
        assert (await self._client.get(pair.execution.path)).status_code == 404
        assert (await self._submitted(pair, "Ada")).status_code == 404
        assert await self._rows(pair) == pair.model.shown()

    async def _compare(self, pair: Pair) -> None:
        expected = self._expected(pair.model)
        seen: object = None

        async def is_shown() -> bool:
            nonlocal seen
            seen = await self._seen(pair)
            return seen == expected

        try:
            await eventually(is_shown)
        except AssertionError:
            raise AssertionError(f"shown {seen}, but expected {expected}") from None

    def _expected(self, model: Waiting) -> object:
        if model.review is None:
            assignment = None
        elif model.review == "withdrawn":
            assignment = "cancelled"
        elif model.review == "completed":
            assignment = "completed"
        else:
            assignment = "in_progress" if model.is_begun else "pending"
        review = None if model.review == "withdrawn" else model.review
        return model.status, model.shown(), assignment, review

    async def _seen(self, pair: Pair) -> object:
        status = (await pair.execution.shown())["status"]
        found = await reviews_of(self.world.platform, pair.execution)
        assert len(found) <= 1
        assignment = review = None
        for each in found:
            (asked,) = await assignments_of(self.world.platform, each["id"])
            assignment = asked["status"]
            review = None if assignment == "cancelled" else each["status"]
        return status, await self._rows(pair), assignment, review

    async def _rows(self, pair: Pair) -> dict[str, Shown]:
        rows = await pair.execution.task_executions()
        counted = Counter(str(row["task_name"]) for row in rows)
        assert set(counted.values()) <= {1}, counted
        return {str(row["task_name"]): _shown(row) for row in rows if row["task_name"] != "start"}

    async def _ended(self) -> None:
        alive = [pair for pair in self.all if pair.model.is_open]
        for pair in alive:
            await self._client.post(f"{pair.execution.path}/cancel")
        for pair in alive:
            await self._closed(pair.execution)
        executions = [pair.execution for pair in self.all]

        async def agree() -> bool:
            return await differences(self.world.api, executions) == []

        await eventually(agree, saying="what is shown is what the histories say")

    async def _closed(self, execution: Execution) -> None:
        answer = await self._client.get(execution.path)
        if answer.status_code == 200:
            await execution.until(*CLOSED, "stale", "edited")

    @property
    def _pair(self) -> Pair:
        assert self.pair is not None
        return self.pair

    @property
    def _client(self) -> httpx.AsyncClient:
        return self.world.platform.client


def _shown(row: Json) -> Shown:
    output = cast(Json | None, row["output"])
    name = None if output is None else str(output["name"])
    return Shown(
        str(row["processing_status"]), name, str(row["edited_status"]), str(row["stale_status"])
    )


@pytest.mark.timeout(patience(WALKS))
async def test_server_and_model_agree_while_flows_wait(working: Platform, working_api: Api) -> None:
    person = await a_person(working_api, working.organization_id)
    flow = await working.flow(waiting_flow(person))
    world = World(asyncio.get_running_loop(), working, working_api, flow, person)
    machine = type("OneWalk", (Walk,), {"world": world})
    await walk(machine, walks=WALKS, steps=STEPS)
