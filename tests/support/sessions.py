"""Conversations with a platform of real processes, held by callers who do not give up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from pydantic import JsonValue

from tests.support.eventually import eventually
from tests.support.interactive import said
from tests.support.platform_process import PlatformProcess
from tests.support.receiver import Receiver

Json = dict[str, JsonValue]

BUSY = frozenset({429, 502, 503, 504})
PATIENCE_SECONDS = 60.0


def an_errand(url: str) -> Json:
    """Return a graph that does at a service what it is told to, again and again."""
    edges: list[JsonValue] = [
        {
            "type": "direct",
            "logical_id": f"edge_{source}",
            "source_node_logical_id": f"node_{source}",
            "destination_node_logical_id": f"node_{destination}",
        }
        for source, destination in (("listen", "call"), ("call", "tell"), ("tell", "listen"))
    ]
    return {
        "name": f"errand {uuid4()}",
        "workflow_config": {"logical_id": "workflow_1"},
        "node_configs": [
            {
                "type": "say_llm",
                "logical_id": "node_listen",
                "name": "Listen",
                "is_start": True,
                "default_error_message": "",
            },
            {
                "type": "http_request",
                "logical_id": "node_call",
                "name": "Call",
                "url": f"{url}/[[_user_message]]",
                "method": "POST",
            },
            {
                "type": "say_static",
                "logical_id": "node_tell",
                "name": "Tell",
                "static_messages_config": {
                    "static_messages": [
                        "did [[_user_message]]: [[http_request_result_status_code]]"
                    ]
                },
            },
        ],
        "edge_configs": edges,
    }


@dataclass
class Session:
    """One run, and all that its caller said and was told.

    Attributes:
        said: The errands, one a turn; unlike those of any other session.
        answers: What each turn was answered.
        keys: Under which each was handed in.
    """

    platform: PlatformProcess
    workflow_id: str
    run_id: str | None = None
    said: list[str] = field(default_factory=list)
    answers: list[Json] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    async def says(self, errand: str | None = None) -> Json:
        """Hand in the next errand, as often as it takes until the turn is answered."""
        self.said.append(errand or uuid4().hex)
        self.keys.append(str(uuid4()))
        answer = await self.repeats(len(self.said))
        self.answers.append(answer)
        self.run_id = str(answer["run_id"])
        return answer

    async def repeats(self, turn: int) -> Json:
        """Hand the errand of a turn in, perhaps once more, and return the answer."""
        body: Json = {
            "run_id": self.run_id if turn > 1 else None,
            "run_input": said(self.said[turn - 1]).model_dump(mode="json"),
        }
        return await self._answered(body, self.keys[turn - 1])

    async def stops(self, key: str) -> Json:
        """Stop the run, as often as it takes."""
        return await self._answered({"run_id": self.run_id, "run_input": {"command": "stop"}}, key)

    async def _answered(self, body: Json, key: str) -> Json:
        async def answered() -> Json | None:
            try:
                answer = await self.platform.http.post(
                    f"/v1/workflows/{self.workflow_id}/execute",
                    json=body,
                    headers={"Idempotency-Key": key},
                )
            except httpx.HTTPError:
                return None
            if answer.status_code in BUSY:
                return None
            assert answer.status_code == httpx.codes.OK, answer.text
            told: Json = answer.json()
            return None if told["status"] == "running" else told

        return await eventually(answered, PATIENCE_SECONDS, saying="the turn is answered")

    async def record(self) -> Json:
        """Return the run as it is written."""
        answer = await self.platform.http.get(f"/v1/workflow-runs/{self.run_id}")
        assert answer.status_code == httpx.codes.OK, answer.text
        state: Json = answer.json()["workflow_run"]["workflow_run"]
        return state

    async def assert_whole(
        self, receiver: Receiver, *, interrupted: Sequence[str] = (), status: str = "waiting"
    ) -> None:
        """Find each turn once: as it was answered, as it is written, and as a call it made.

        Args:
            interrupted: Errands whose call was under way when something died; they may have been
                begun again, under the same key.
            status: With what the status of the run begins.
        """
        record = await self.record()
        pairs: Any = record["input_output_pairs"]
        assert str(record["status"]).startswith(status)
        assert [answer["turn_number"] for answer in self.answers] == [*_numbers(self.answers)]
        assert [_heard(pair) for pair in pairs] == [[each] for each in self.said]
        told = [answer["events"] for answer in self.answers]
        assert [pair["run_output"]["events"] for pair in pairs][: len(told)] == told
        assert [_spoken(events) for events in told] == [
            [f"did {errand}: 200"] for errand in self.said[: len(told)]
        ]
        ids = [event["logical_id"] for pair in pairs for event in pair["run_output"]["events"]]
        assert len(ids) == len(set(ids))
        for number, errand in zip(_numbers(self.said), self.said, strict=True):
            calls = receiver.keys[f"/{errand}"]
            assert set(calls) == {f"{self.run_id}/{number}/node_call/{number}"}
            assert len(calls) == 1 or errand in interrupted, (errand, calls)


async def a_session(platform: PlatformProcess, receiver: Receiver, turns: int) -> Session:
    """Begin a session with a workflow of its own; it has some turns behind it."""
    answer = await platform.http.post("/v1/workflows", json=an_errand(receiver.url))
    assert answer.status_code == httpx.codes.CREATED, answer.text
    session = Session(platform, answer.json()["workflow"]["_id"])
    for _ in range(turns):
        await session.says()
    return session


def _numbers(items: Sequence[object]) -> range:
    return range(1, 1 + len(items))


def _heard(pair: Any) -> list[str]:
    inputs = pair["run_input"]["thread_to_node_inputs"]["0"]["node_run_inputs"]
    return [message["content"] for each in inputs for message in each["messages"]]


def _spoken(events: Any) -> list[str]:
    return [event["content"] for event in events if event["type"] == "assistant_response"]
