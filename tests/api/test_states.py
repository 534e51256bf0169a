"""Random creations, edits, re-executions, cancellations and deletions: server and model agree."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from pydantic import JsonValue

from tests.fixtures.api import Api
from tests.support.chain_model import READS, Chain
from tests.support.corrected import Corrected, a_chain, answered, calls, echoed
from tests.support.eventually import eventually
from tests.support.platform import CLOSED, Platform
from tests.support.truth import differences
from tests.support.walks import Ground, patience, walk, walks_to_take
from tests.support.web import Request, Web, serving

Json = dict[str, JsonValue]

WALKS = walks_to_take(4)
STEPS = 12

TASKS = st.sampled_from(["start", *READS])
NUMBERS = st.integers(0, 3)


@dataclass(slots=True)
class Pair:
    """One execution of the server, and what the model says of it."""

    shown: Corrected
    model: Chain


@dataclass(slots=True)
class Held:
    """What the server makes wait.

    Attributes:
        texts: Submitted texts whose task ``a`` gets no answer the first time.
    """

    texts: set[str] = field(default_factory=set)

    def answer(self, request: Request) -> bytes | None:
        """Answer as ``echoed`` does, unless the call is to wait."""
        for text in self.texts:
            if request.target.endswith("/a") and text in request.body.decode():
                self.texts.discard(text)
                return None
        return echoed(request)


@dataclass(frozen=True, slots=True)
class World(Ground):
    """All that a walk acts on."""

    web: Web
    held: Held
    flow: Json


class Walk(RuleBasedStateMachine):
    """One walk. Hypothesis walks in a thread of its own."""

    world: World
    pairs: Bundle[Pair] = Bundle("pairs")

    def __init__(self) -> None:
        """Begin without executions."""
        super().__init__()
        self.touched: Pair | None = None
        self.all: list[Pair] = []
        self.count = 0

    @rule(target=pairs)
    def create(self) -> Pair:
        """Run the flow once."""
        return self.world.wait(self._created())

    @rule(target=pairs)
    def create_and_cancel(self) -> Pair:
        """Stop an execution in its middle."""
        return self.world.wait(self._cancelled())

    @rule(pair=pairs, name=TASKS, number=NUMBERS)
    def edit(self, pair: Pair, name: str, number: int) -> None:
        """Change a result, if it is there."""
        self.world.wait(self._edit(pair, name, number))

    @rule(pair=pairs, name=TASKS)
    def take_back(self, pair: Pair, name: str) -> None:
        """Send a result back as it is."""
        self.world.wait(self._edit(pair, name, None))

    @rule(pair=pairs, only_stale=st.booleans())
    def run_again(self, pair: Pair, only_stale: bool) -> None:
        """Run it again; nothing runs that need not."""
        self.world.wait(self._again(pair, only_stale))

    @rule(pair=pairs)
    def cancel_what_has_ended(self, pair: Pair) -> None:
        """Cancelling comes too late and changes nothing."""
        self.world.wait(self._cancel(pair))

    @rule(pair=consumes(pairs))
    def delete(self, pair: Pair) -> None:
        """Hide it; its rows stay readable and take no edit any more."""
        self.world.wait(self._deleted(pair))

    @invariant()
    def shows_what_the_model_says(self) -> None:
        """Compare the execution that was touched last."""
        if self.touched is not None:
            self.world.wait(self._compare(self.touched))
            self.touched = None

    def teardown(self) -> None:
        """What is shown is what the histories say."""
        executions = [pair.shown.execution for pair in self.all]
        assert self.world.wait(differences(self.world.api, executions)) == []

    async def _begun(self, *, is_held: bool) -> Pair:
        self.count += 1
        text = f"text {id(self)} {self.count}."
        if is_held:
            self.world.held.texts.add(text)
        calls(self.world.web)
        execution = await self.world.platform.started(self.world.flow["id"], {"text": text})
        pair = Pair(Corrected(execution), Chain(text))
        self.all.append(pair)
        self.touched = pair
        return pair

    async def _created(self) -> Pair:
        pair = await self._begun(is_held=False)
        await pair.shown.execution.until(*CLOSED)
        assert calls(self.world.web) == Counter(pair.model.run(only_stale=False))
        return pair

    async def _cancelled(self) -> Pair:
        pair = await self._begun(is_held=True)

        async def d_has_ended() -> bool:
            row = (await pair.shown.rows()).get("d")
            return row is not None and row["status"] == "completed"

        await eventually(d_has_ended, saying="d has ended")
        await eventually(lambda: not self.world.held.texts, saying="a waits")
        assert (await self._post(pair, "cancel")) == 204
        await pair.shown.execution.until(*CLOSED)
        d = (await pair.shown.rows())["d"]
        pair.model.cancelled(has_d=d["status"] == "completed")
        return pair

    async def _edit(self, pair: Pair, name: str, number: int | None) -> None:
        row = (await pair.shown.rows()).get(name)
        if name not in pair.model.values or row is None:
            return
        value = pair.model.values[name]
        if number is not None:
            value = f"by hand {number}" if name == "start" else {"by hand": number}
        output = {"text": value} if name == "start" else answered(row, value)
        answer = await pair.shown.put(row, {"output": output})
        assert answer.status_code == 200, answer.text
        pair.model.edit(name, value)
        self.touched = pair

    async def _again(self, pair: Pair, only_stale: bool) -> None:
        planned = await pair.shown.plan(only_stale=only_stale)
        calls(self.world.web)
        await pair.shown.again(only_stale=only_stale)
        ran = pair.model.run(only_stale=only_stale)
        assert calls(self.world.web) == Counter(ran)
        decided = {name: decision for name, (decision, _) in planned.items() if name in READS}
        assert {name for name in decided if decided[name] == "run"} <= ran
        assert {name for name in decided if decided[name] == "reuse"} <= READS.keys() - ran
        self.touched = pair

    async def _cancel(self, pair: Pair) -> None:
        assert (await self._post(pair, "cancel")) == 204
        self.touched = pair

    async def _deleted(self, pair: Pair) -> None:
        rows = await pair.shown.rows()
        path = pair.shown.execution.path
        for _ in range(2):
            assert (await self.world.platform.client.delete(path)).status_code == 204
        assert (await self.world.platform.client.get(path)).status_code == 404
        assert (await self._post(pair, "execute")) == 404
        answer = await pair.shown.put(rows["start"], {"output": {"text": "too late"}})
        assert answer.status_code == 404
        assert await pair.shown.rows() == rows

    async def _post(self, pair: Pair, what: str) -> int:
        answer = await self.world.platform.client.post(f"{pair.shown.execution.path}/{what}")
        return answer.status_code

    async def _compare(self, pair: Pair) -> None:
        model = pair.model
        rows = await pair.shown.rows()
        shown = await pair.shown.execution.shown()
        completed = {
            name: row
            for name, row in rows.items()
            if "#" not in name and row["processing_status"] == "completed"
        }
        values = {name: _value(name, row) for name, row in completed.items()}
        edited = {
            name: row["edited_status"]
            for name, row in completed.items()
            if row["edited_status"] != "not_edited"
        }
        assert (shown["status"], values) == (model.status, model.values)
        assert (edited, await pair.shown.stale()) == (model.edited, model.stale)


def _value(name: str, row: Json) -> JsonValue:
    return cast(Json, row["output"])["text" if name == "start" else "body"]


@pytest.mark.timeout(patience(WALKS))
async def test_server_and_model_agree(working: Platform, working_api: Api) -> None:
    held = Held()
    async with serving(held.answer) as web:
        flow = await working.flow(a_chain(web))
        world = World(asyncio.get_running_loop(), working, working_api, web, held, flow)
        machine = type("OneWalk", (Walk,), {"world": world})
        await walk(machine, walks=WALKS, steps=STEPS)
