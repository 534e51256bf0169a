"""Interactive sessions over HTTP, as callers hold them; every answer is looked at."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pydantic import JsonValue

from benchmarks.platform import Platform

Json = dict[str, JsonValue]

BUSY = frozenset({429, 503})
MAX_TRIES = 20


class WrongAnswerError(AssertionError):
    """A turn was not answered as it must be: then no figure counts."""


@dataclass
class Session:
    """One run; each turn says something else and hears it again."""

    platform: Platform
    workflow_id: str
    run_id: str | None = None
    turns: int = 0

    async def turn(self) -> None:
        """Run the next turn.

        Raises:
            WrongAnswerError: The answer is not that turn's.
        """
        text = uuid4().hex
        message: JsonValue = {"type": "human", "content": text}
        inputs: JsonValue = {"0": {"node_run_inputs": [{"messages": [message]}]}}
        told = await self._answered(
            {"run_id": self.run_id, "run_input": {"thread_to_node_inputs": inputs}}
        )
        self.turns += 1
        heard = [each["content"] for each in told["events"] if "content" in each]
        if (told["turn_number"], heard) != (self.turns, [f"heard {text}"]):
            raise WrongAnswerError(f"turn {self.turns} of {self.run_id}: {told}")
        self.run_id = told["run_id"]

    async def _answered(self, body: Json) -> Any:
        """Hand an input in as clients do: again, under the same key, where it was not answered.

        Raises:
            WrongAnswerError: It never was.
        """
        key = uuid4().hex
        for _ in range(MAX_TRIES):
            answer = await self.platform.api.post(
                f"/v1/workflows/{self.workflow_id}/execute", body, {"Idempotency-Key": key}
            )
            if answer.status_code in BUSY:
                continue
            told: Any = answer.json()
            if told["status"] != "running":
                return told
        raise WrongAnswerError(f"not answered in {MAX_TRIES} tries: {answer.text}")


async def a_workflow(platform: Platform) -> str:
    """Store a deterministic dialog that listens and says what it heard; return its id."""
    graph: Json = {
        "name": "listener",
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
                "type": "say_static",
                "logical_id": "node_say",
                "name": "Say",
                "static_messages_config": {"static_messages": ["heard [[_user_message]]"]},
            },
        ],
        "edge_configs": [_direct("listen", "say"), _direct("say", "listen")],
    }
    answer = await platform.api.post("/v1/workflows", graph)
    workflow_id: str = answer.json()["workflow"]["_id"]
    return workflow_id


def _direct(source: str, destination: str) -> Json:
    return {
        "type": "direct",
        "logical_id": f"edge_{source}",
        "source_node_logical_id": f"node_{source}",
        "destination_node_logical_id": f"node_{destination}",
    }
