"""Builders of graphs, and a driver that needs neither Temporal nor a network."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from pydantic import JsonValue

from dialogs.effects import HttpCall, HttpReply, ModelCall, ModelReply, ToolCall, ToolReply
from dialogs.events import ANY_EVENT, Event, JsonObject
from dialogs.model import Graph
from dialogs.restoring import restored
from dialogs.state import Fixed, RunInput, RunState, RunStatus
from dialogs.turns import TurnOutcome, run_turn
from dialogs.variables import Chance

BEGINNING = datetime(2026, 1, 5, 10, tzinfo=UTC)


def node(kind: str, logical_id: str, **fields: Any) -> JsonObject:
    return {"type": kind, "logical_id": logical_id, "name": logical_id.title(), **fields}


def says(logical_id: str, *texts: str, **fields: Any) -> JsonObject:
    texts_config: JsonObject = {"static_messages": [*(texts or (f"I am {logical_id}",))]}
    return node("say_static", logical_id, static_messages_config=texts_config, **fields)


def asks(logical_id: str, apology: str = "(noted)", **fields: Any) -> JsonObject:
    return node(
        "say_llm",
        logical_id,
        **{"llms_config": {"type": "no_llm"}, "default_error_message": apology, **fields},
    )


def direct(source: str, destination: str, **fields: Any) -> JsonObject:
    return {
        "type": "direct",
        "logical_id": f"{source}-{destination}",
        "name": f"{source} to {destination}",
        "source_node_logical_id": source,
        "destination_node_logical_id": destination,
        **fields,
    }


def when(source: str, expression: str | None, destination: str, **condition: Any) -> JsonObject:
    written = {"condition_expression": expression, **condition}
    return {
        **direct(source, destination),
        "type": "conditional",
        "logical_id": f"{source}?{destination}",
        "condition": written,
    }


def graph(*parts: JsonObject, **fields: Any) -> JsonObject:
    """Return a graph's document; its first node is the start."""
    edges = [part for part in parts if "source_node_logical_id" in part]
    nodes = [part for part in parts if "source_node_logical_id" not in part]
    started = [{**each, "is_start": each is nodes[0]} for each in nodes]
    document = {
        "workflow_config": {"name": "Desk"},
        "node_configs": started,
        "edge_configs": edges,
        "dynamic_variables": {},
        "runtime_variables": {},
    }
    return {**document, **fields}


class Played:
    """A driver with a clock of its own, seeded chance, and replies that a test prepares."""

    def __init__(self) -> None:
        self.at = BEGINNING
        self.random = Random(7)  # noqa: S311 - repeatable, not secret
        self.told: list[Event] = []
        self.slept: list[timedelta] = []
        self.requests: list[HttpCall] = []
        self.questions: list[ModelCall] = []
        self.tools: list[ToolCall] = []
        self.on_request: Callable[[HttpCall], HttpReply] = lambda call: HttpReply(status_code=200)
        self.on_question: Callable[[ModelCall], ModelReply] = lambda call: ModelReply(content="hm")
        self.on_tool: Callable[[ToolCall], ToolReply] = lambda call: ToolReply(success=True)

    def now(self) -> datetime:
        return self.at

    def chance(self) -> Chance:
        return self.random

    def emit(self, event: Event) -> None:
        self.told.append(event)

    async def sleep(self, duration: timedelta) -> None:
        self.slept.append(duration)
        self.at += duration

    async def request(self, call: HttpCall) -> HttpReply:
        self.requests.append(call)
        return self.on_request(call)

    async def ask(self, call: ModelCall) -> ModelReply:
        self.questions.append(call)
        return self.on_question(call)

    async def use(self, call: ToolCall) -> ToolReply:
        self.tools.append(call)
        return self.on_tool(call)


class Conversation:
    """A run that a test talks to.

    Its state goes through JSON between turns, as over a restart; and while it waits, what its
    events say of it is the same.
    """

    def __init__(self, document: JsonObject, fixed: Fixed | None = None) -> None:
        self.graph = Graph.model_validate(document)
        self.fixed = fixed or Fixed()
        self.state = RunState(run_id="6512f1aaaabbbbccccdddde1")
        self.driver = Played()
        self.pairs: list[JsonObject] = []

    async def turn(self, said: str | None = None, **fields: Any) -> TurnOutcome:
        inputs: JsonObject = {"node_run_inputs": [{"messages": [{"content": said}]}]}
        threads = {"0": inputs} if said is not None else {}
        given = RunInput.model_validate({"thread_to_node_inputs": threads, **fields})
        self.driver.told.clear()
        outcome = await run_turn(self.graph, self.state, self.fixed, given, self.driver)
        assert [ANY_EVENT.validate_python(event).type for event in outcome.events] == [
            event.model_dump()["type"] for event in self.driver.told
        ]
        self.state = RunState.model_validate_json(self.state.model_dump_json())
        self.pairs.append(outcome.pair)
        if outcome.status is RunStatus.WAITING:
            told = restored(self.graph, RunState(run_id=self.state.run_id), self.pairs)
            assert remembered(told) == remembered(self.state)
        return outcome


def remembered(state: RunState) -> JsonObject:
    """Return what of a state matters to the turns to come: not what was paid so far."""
    shown = state.model_dump(mode="json", exclude={"usage", "latency", "status"})
    written = shown["main"]["written_by_node"]
    shown["main"]["written_by_node"] = {name: each for name, each in written.items() if each}
    return shown


def kinds(outcome: TurnOutcome) -> list[JsonValue]:
    return [event["type"] for event in outcome.events]


def spoken(outcome: TurnOutcome) -> list[JsonValue]:
    return [e["content"] for e in outcome.events if e["type"] == "assistant_response"]


def events(outcome: TurnOutcome, kind: str) -> list[JsonObject]:
    return [event for event in outcome.events if event["type"] == kind]
