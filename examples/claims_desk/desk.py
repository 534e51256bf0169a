"""The desk's graph, with or without a model, and a conversation with it over the API."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.client import Client
from examples.claims_desk import DIALOG, WITH_MODEL

Json = dict[str, Any]

SCRIPT = ("My kitchen is under water!", "555555", "104212", "hm", "yes")


@dataclass(frozen=True, slots=True)
class Model:
    """An endpoint that speaks the protocol of OpenAI's chat completions."""

    base_url: str
    name: str
    api_key: str

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "Model":
        """Return what ``CLAIMS_DESK_MODEL_URL``, ``_NAME`` and ``_KEY`` say.

        Raises:
            KeyError: The first or the second is missing.
        """
        return cls(
            base_url=variables["CLAIMS_DESK_MODEL_URL"],
            name=variables["CLAIMS_DESK_MODEL_NAME"],
            api_key=variables.get("CLAIMS_DESK_MODEL_KEY", "none"),
        )


def dialog(desk_url: str, model: Model | None = None) -> Json:
    """Return the graph as it is uploaded; with a model two of its nodes ask it."""
    graph = _read(DIALOG)
    graph["dynamic_variables"]["desk_url"] = desk_url
    if model is None:
        return graph
    changes = _read(WITH_MODEL)
    for part in ("node_configs", "edge_configs"):
        change_by_id = {each["logical_id"]: each for each in changes[part]}
        graph[part] = [{**each, **change_by_id.get(each["logical_id"], {})} for each in graph[part]]
    graph["name"] = "Claims desk with a model"
    graph["workflow_config"]["llms_config"] = {
        "type": "custom_llm",
        "base_url": model.base_url,
        "model": model.name,
        "api_key": model.api_key,
    }
    return graph


class Conversation:
    """One run, turn by turn.

    Attributes:
        run_id: Empty before the first turn.
        is_over: Whether the desk has said goodbye.
    """

    def __init__(self, client: Client, graph: Json) -> None:
        """Store the graph as a workflow of its own."""
        self._client = client
        created: Any = client.post("/v1/workflows", graph)
        self.workflow_id: str = created["workflow"]["_id"]
        self.run_id = ""
        self.is_over = False

    def turn(self, said: str | None = None) -> list[str]:
        """Say something, at first nothing, and return what the desk answers."""
        message = {"type": "human", "content": said}
        inputs: Any = {
            "0": {"node_run_inputs": [{"messages": [message] if said is not None else []}]}
        }
        answer: Any = self._client.post(
            f"/v1/workflows/{self.workflow_id}/execute",
            {"run_id": self.run_id or None, "run_input": {"thread_to_node_inputs": inputs}},
        )
        self.run_id = answer["run_id"]
        self.is_over = answer["is_completed"]
        spoken = [each for each in answer["events"] if each["type"] == "assistant_response"]
        failed = [answer["error"]] if answer["error"] else []
        return [each["content"] for each in spoken] + failed


def _read(path: Path) -> Json:
    graph: Json = json.loads(path.read_text(encoding="utf-8"))
    return graph
