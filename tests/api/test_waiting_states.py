"""Random deliveries, reviews, reports, edits, re-executions and cancellations while flows wait."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httpx
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
)
from pydantic import JsonValue

from tests.end_to_end.test_engine_and_read_model import differences
from tests.fixtures.api import Api
from tests.support.eventually import eventually
from tests.support.platform import CLOSED, Execution, Json, Platform
from tests.support.reviewers import Person, a_person, assignments_of, decision, reviews_of
from tests.support.submissions import submit
from tests.support.waiting_model import Shown, Waiting, waiting_flow
from tests.support.walks import Ground, patience, walk, walks_to_take

WALKS = walks_to_take(3)
STEPS = 16

NAMES = st.sampled_from(["Ada", "Bob", "Eve"])
WORDS = st.sampled_from(["queued", "running", "completed", "failed"])


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


class Walk(RuleBasedStateMachine):
    """One walk. Hypothesis walks in a thread of its own."""

    world: World
    pairs: Bundle[Pair] = Bundle("pairs")

    def __init__(self) -> None:
        """Begin without executions."""
        super().__init__()
        self.touched: Pair | None = None
        self.all: list[Pair] = []

    @rule(target=pairs)
    def create(self) -> Pair:
        """Start a flow, which waits for a name."""
        return self.world.wait(self._created())

    @rule(target=pairs, name=NAMES)
    def create_and_deliver(self, name: str) -> Pair:
        """Submit the name, perhaps before the flow waits for it."""
        return self.world.wait(self._created(name))

    @rule(pair=pairs, name=NAMES)
    def deliver(self, pair: Pair, name: str) -> None:
        """Submit a name: the first one, the same, or another."""
        self.world.wait(self._deliver(pair, name))

    @rule(pair=pairs, names=st.lists(NAMES, min_size=2, max_size=4))
    def deliver_at_once(self, pair: Pair, names: list[str]) -> None:
        """Submit several names at the same moment; at most one is taken."""
        self.world.wait(self._deliver_at_once(pair, names))

    @rule(pair=pairs)
    def start(self, pair: Pair) -> None:
        """Begin with a review."""
        self.world.wait(self._review(pair, "start"))

    @rule(pair=pairs)
    def unstart(self, pair: Pair) -> None:
        """Stop with a review."""
        self.world.wait(self._review(pair, "unstart"))

    @rule(pair=pairs, name=NAMES)
    def complete(self, pair: Pair, name: str) -> None:
        """Decide, whether or not it was begun."""
        self.world.wait(self._review(pair, "complete", name))

    @rule(pair=pairs, name=NAMES)
    def start_and_complete(self, pair: Pair, name: str) -> None:
        """Begin, and decide."""
        self.world.wait(self._review(pair, "start"))
        self.world.wait(self._review(pair, "complete", name))

    @rule(pair=pairs, name=NAMES)
    def edit(self, pair: Pair, name: str) -> None:
        """Correct the name, once it is there."""
        self.world.wait(self._edit(pair, name))

    @rule(pair=pairs, only_stale=st.booleans())
    def run_again(self, pair: Pair, only_stale: bool) -> None:
        """Run it again, whatever it does just now."""
        self.world.wait(self._run_again(pair, only_stale))

    @rule(pair=pairs, word=WORDS, name=NAMES)
    def report(self, pair: Pair, word: str, name: str) -> None:
        """Report on a task, as its worker would."""
        self.world.wait(self._report(pair, word, name))

    @rule(pair=pairs, word=st.sampled_from(["running", "completed", "skipped", "failed"]))
    def tell(self, pair: Pair, word: str) -> None:
        """Report a status of a task, which moves nothing else."""
        self.world.wait(self._tell(pair, word))

    @rule(pair=pairs)
    def cancel(self, pair: Pair) -> None:
        """Stop it, if there is anything to stop."""
        self.world.wait(self._cancel(pair))

    @rule(pair=consumes(pairs))
    def delete(self, pair: Pair) -> None:
        """Hide it; nothing is taken for it any more."""
        self.world.wait(self._deleted(pair))

    @invariant()
    def shows_what_the_model_says(self) -> None:
        """Wait until the execution that was touched last shows what it must."""
        if self.touched is not None:
            self.world.wait(self._compare(self.touched))
            self.touched = None

    def teardown(self) -> None:
        """Leave nothing waiting; what is shown is what the histories say."""
        self.world.wait(self._ended())

    async def _created(self, name: str | None = None) -> Pair:
        execution = await self.world.platform.started(self.world.flow["id"])
        pair = Pair(execution, Waiting())
        self.all.append(pair)
        if name is not None:
            await self._deliver(pair, name)
        self.touched = pair
        return pair

    async def _deliver(self, pair: Pair, name: str) -> None:
        answer = await self._submitted(pair, name)
        self._took(pair, name, answer)
        self.touched = pair

    async def _deliver_at_once(self, pair: Pair, names: list[str]) -> None:
        answers = await asyncio.gather(*(self._submitted(pair, name) for name in names))
        both = [*zip(names, answers, strict=True)]
        both.sort(key=lambda each: each[1].text.find("received") < 0)
        for name, answer in both:
            self._took(pair, name, answer)
        self.touched = pair

    async def _submitted(self, pair: Pair, name: str) -> httpx.Response:
        return await submit(self.world.platform, pair.execution, {"name": name})

    def _took(self, pair: Pair, name: str, answer: httpx.Response) -> None:
        word = answer.json().get("status") if answer.status_code == 200 else None
        assert (answer.status_code, word) == pair.model.deliver(name), answer.text

    async def _review(self, pair: Pair, what: str, name: str = "") -> None:
        if pair.model.review is None:
            return
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
        self.touched = pair

    async def _edit(self, pair: Pair, name: str) -> None:
        if not pair.model.is_taken:
            return
        (row,) = await pair.execution.task_executions(task_name="ask")
        answer = await self._client.put(
            "/api/task-executions", json={**row, "output": {"name": name}}
        )
        assert answer.status_code == 200, answer.text
        pair.model.edit(name)
        self.touched = pair

    async def _run_again(self, pair: Pair, only_stale: bool) -> None:
        answer = await self._client.post(
            f"{pair.execution.path}/execute", params={"only_stale": only_stale}
        )
        assert answer.status_code == 204, answer.text
        pair.model.run(only_stale=only_stale)
        if not pair.model.is_open:
            assert (await pair.execution.shown())["status"] == "completed"
        self.touched = pair

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
        self.touched = pair

    async def _tell(self, pair: Pair, word: str) -> None:
        words: JsonValue = [{"task_name": "after", "status": word}]
        answer = await self._client.post(
            f"{pair.execution.path}/task-status", json={"statuses": words}
        )
        assert answer.status_code == 200, answer.text
        self.touched = pair

    async def _cancel(self, pair: Pair) -> None:
        answer = await self._client.post(f"{pair.execution.path}/cancel")
        assert answer.status_code == 204, answer.text
        pair.model.cancel()
        self.touched = pair

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
            await eventually(is_shown, 15)
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

        await eventually(agree, 20, saying="what is shown is what the histories say")

    async def _closed(self, execution: Execution) -> None:
        answer = await self._client.get(execution.path)
        if answer.status_code == 200:
            await execution.until(*CLOSED, "stale", "edited")

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
