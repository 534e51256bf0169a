"""A random mix of starts, failures, cancels, re-executions, deletions and kills.

What is done, to which execution and when, follows from the seed; what becomes of it does not, since
processes race.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import JsonValue

from tests.support.effect_flows import Json, a_flow, a_note, an_effect
from tests.support.eventually import eventually
from tests.support.platform_process import PARTS, Part, PlatformProcess
from tests.support.receiver import Receiver

LONGEST_PAUSE_SECONDS = 0.25
SECONDS_BETWEEN_KILLS = 6.0
ANSWER_SECONDS = 90.0
QUIET_SECONDS = 180.0
BIG = "x" * 40_000

EFFECTS = ("call", "first", "second", "third", "each")
EXPECTED = frozenset({200, 201, 204, 404, 409, 503})
FINAL = ("completed", "failed", "cancelled", "deleted", "stale", "edited")

_WEIGHTS = {
    "start": 60,
    "cancel": 10,
    "execute": 8,
    "execute_stale": 8,
    "delete": 4,
    "new_version": 3,
    "read": 7,
}
_WEIGHT_BY_PART: dict[Part, int] = {"worker": 4, "api": 2, "temporal": 2, "mongod": 2}


@dataclass(slots=True)
class Mix:
    """One run of the mix.

    Attributes:
        executions: Ids of all executions that were created, in order.
        done: How often each kind of thing was done.
        surprises: Answers that no caller should get, whatever is being killed.
    """

    processes: PlatformProcess
    receiver: Receiver
    seed: int
    flows: list[str] = field(default_factory=list)
    definitions: dict[str, Json] = field(default_factory=dict)
    executions: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    under_way: list[asyncio.Task[None]] = field(default_factory=list)

    async def prepare(self) -> None:
        """Store the flows that the mix runs."""
        for path in ("/flaky", "/each"):
            self.receiver.unreliable.add(path)
        self.receiver.broken.add("/broken")
        self.receiver.slow["/slow"] = 1.5
        for name, definition in flows(self.receiver).items():
            flow_id = await self.processes.create_flow(name, definition)
            self.flows.append(flow_id)
            self.definitions[flow_id] = definition

    async def run(self, seconds: float) -> None:
        """Do random things for a while, kills included, several of them at once."""
        await asyncio.gather(self._kill_now_and_then(seconds), self._keep_acting(seconds))
        await asyncio.gather(*self.under_way)

    async def _kill_now_and_then(self, seconds: float) -> None:
        choices = random.Random(f"kills of {self.seed}")  # noqa: S311 - repeatable, not secret
        for _ in range(int(seconds / SECONDS_BETWEEN_KILLS)):
            await asyncio.sleep(SECONDS_BETWEEN_KILLS)
            [part] = choices.choices(PARTS, [_WEIGHT_BY_PART[part] for part in PARTS])
            self.processes.kill(part)
            self.done[f"kill {part}"] += 1

    async def _keep_acting(self, seconds: float) -> None:
        choices = random.Random(f"actions of {self.seed}")  # noqa: S311 - repeatable, not secret
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        for number in count():
            if loop.time() > end:
                break
            self._act(choices, number)
            await asyncio.sleep(choices.uniform(0, LONGEST_PAUSE_SECONDS))

    def _act(self, choices: random.Random, number: int) -> None:
        """Begin one thing; what it is done to is chosen among what is there by now."""
        [action] = choices.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
        flow_id = choices.choice(self.flows)
        target = choices.random()
        self.done[action] += 1
        if action == "start":
            work = self._start(flow_id, f"mix-{self.seed}-{number}")
        elif action == "new_version":
            work = self._new_version(flow_id)
        elif self.executions:
            execution_id = self.executions[int(target * len(self.executions))]
            work = self._act_on(action, f"/api/flow-executions/{execution_id}")
        else:
            return
        self.under_way.append(asyncio.create_task(work))

    async def _new_version(self, flow_id: str) -> None:
        path = f"/api/flows/{flow_id}/definition"
        await self._send("PUT", path, {"definition": self.definitions[flow_id]})

    async def _act_on(self, action: str, path: str) -> None:
        match action:
            case "cancel":
                await self._send("POST", f"{path}/cancel")
            case "execute":
                await self._send("POST", f"{path}/execute")
            case "execute_stale":
                await self._send("POST", f"{path}/execute?only_stale=true")
            case "delete":
                await self._send("DELETE", path)
            case _:
                await self._send("GET", path)

    async def _start(self, flow_id: str, key: str) -> None:
        """Start an execution, again with the same key until it is answered."""

        async def answered() -> str | None:
            body: Json = {"flow_id": flow_id, "input": {"text": key}}
            answer = await self._send("POST", "/api/flow-executions", body, key)
            return answer["id"] if answer is not None else None

        self.executions.append(await eventually(answered, ANSWER_SECONDS, saying="a start"))

    async def _send(
        self, method: str, path: str, body: Json | None = None, key: str = ""
    ) -> dict[str, Any] | None:
        """Send a request; None unless it succeeds with a body. Notes answers that surprise."""
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = await self.processes.http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError:
            self.done["unanswered"] += 1
            return None
        self.done[f"status {answer.status_code}"] += 1
        if answer.status_code not in EXPECTED:
            self.surprises.append(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.status_code in (200, 201) else None

    async def await_quiet(self) -> None:
        """Wait until no execution is open any more."""
        await self.processes.await_healthy()
        async with self.processes.database() as database:

            async def is_quiet() -> bool:
                return await database["flow_executions"].count_documents({"is_open": True}) == 0

            await eventually(is_quiet, QUIET_SECONDS, saying="no execution is open")

    async def faults(self) -> list[str]:
        """Return what is wrong besides what the truth check finds."""
        async with self.processes.database() as database:
            return [
                *self.surprises,
                *await _lost_or_doubled(database, self.executions),
                *await _statuses(database),
                *await _run_numbers(database),
                *await _effects_that_never_happened(database, self.receiver),
            ]


def flows(receiver: Receiver) -> dict[str, Json]:
    """Return the flows of the mix by name: each kind of task, good, slow and hopeless ones."""
    once: JsonValue = {"max_attempts": 1}
    soon: JsonValue = {"max_attempts": 4, "initial_interval_seconds": 0.2}
    parallel = [
        an_effect(name, receiver, path, "form", retry_policy=soon)
        for name, path in (("first", "/ok"), ("second", "/flaky"), ("third", "/slow"))
    ]
    joined: Json = {
        "name": "joined",
        "task_executor_name": "format_data",
        "parameters": {
            "template": {n: f"{{{{{n}.output}}}}" for n in ("first", "second", "third")}
        },
    }
    return {
        "notes": a_flow(a_note("a", "form"), a_note("b", "a"), a_note("c", "b")),
        "flaky": a_flow(
            an_effect("call", receiver, "/flaky", "form", retry_policy=soon), a_note("a", "call")
        ),
        "slow": a_flow(an_effect("call", receiver, "/slow", "form"), a_note("a", "call")),
        "hopeless": a_flow(an_effect("call", receiver, "/broken", "form", retry_policy=once)),
        "parallel": a_flow(*parallel, joined),
        "items": _iterating(receiver, soon),
        "big": a_flow(
            {
                "name": "big",
                "task_executor_name": "format_data",
                "parameters": {"template": {"text": BIG, "from": "{{form.text}}"}},
            },
            a_note("a", "big"),
        ),
        "choice": _choosing(receiver),
    }


def _iterating(receiver: Receiver, retry: JsonValue) -> Json:
    urls: Json = {
        "name": "urls",
        "task_executor_name": "python_code",
        "parameters": {
            "code": f"result = ['{receiver.url}/each'] * 6",
            "input_data": "{{form.text}}",
        },
    }
    each: Json = {
        "name": "each",
        "task_executor_name": "http_request",
        "parameters": {"url": "{{urls.output}}", "method": "POST"},
        "retry_policy": retry,
    }
    return a_flow(urls, each, a_note("a", "each"))


def _choosing(receiver: Receiver) -> Json:
    """A branch on whether the input contains a seven."""
    lucky: Json = {
        "name": "lucky",
        "condition": {"left": "{{form.text}}", "operator": "contains", "right": "7"},
    }
    branch: Json = {
        "name": "which",
        "task_executor_name": "branch",
        "parameters": {"target": "{{form.text}}", "cases": [lucky], "default": "plain"},
    }
    definition = a_flow(branch, a_note("left", "form"), an_effect("call", receiver, "/ok", "form"))
    definition["edges"] = [
        {"source": "which", "target": "left", "branch": "lucky"},
        {"source": "which", "target": "call", "branch": "plain"},
    ]
    return definition


async def _lost_or_doubled(database: AsyncIOMotorDatabase, created: list[str]) -> list[str]:
    """Every start was answered in the end; there must be exactly one execution for each."""
    stored = {found["_id"] async for found in database["flow_executions"].find({}, {"_id": 1})}
    faults = [f"execution {lost} was acknowledged and lost" for lost in set(created) - stored]
    faults += [f"execution {extra} came of no answered start" for extra in stored - set(created)]
    if len(set(created)) != len(created):
        faults.append("two starts with different keys gave one execution")
    return faults


async def _statuses(database: AsyncIOMotorDatabase) -> list[str]:
    unfinished = database["flow_executions"].find({"status": {"$nin": list(FINAL)}})
    return [f"{found['_id']}: left {found['status']}" async for found in unfinished]


async def _run_numbers(database: AsyncIOMotorDatabase) -> list[str]:
    """Run numbers of a flow are 1, 2, 3 and so on, without gap or repetition."""
    numbers: dict[str, list[int]] = {}
    async for found in database["flow_executions"].find({}, {"flow_id": 1, "run_number": 1}):
        numbers.setdefault(found["flow_id"], []).append(found["run_number"])
    return [
        f"flow {flow_id}: run numbers {sorted(taken)}"
        for flow_id, taken in numbers.items()
        if sorted(taken) != list(range(1, len(taken) + 1))
    ]


async def _effects_that_never_happened(
    database: AsyncIOMotorDatabase, receiver: Receiver
) -> list[str]:
    """An effect that is shown as completed was received, under its own key."""
    received = {key for keys in receiver.keys.values() for key in keys}
    shown = database["task_executions"].find({"task_name": {"$in": EFFECTS}, "status": "completed"})
    keys = [
        f"{row['execution_id']}/{row['generation']}/{row['task_name']}/{row['item'] or 0}"
        async for row in shown
    ]
    return [
        f"effect {key} is shown as completed, but never happened" for key in set(keys) - received
    ]
