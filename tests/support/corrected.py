"""Flows whose tasks post to a server that counts them, and ways to correct their results."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import cast

import httpx
from pydantic import JsonValue

from tests.support.documents import START
from tests.support.platform import CLOSED, Execution
from tests.support.web import Request, Web, response

Json = dict[str, JsonValue]

CONSTANT = "/constant"
BROKEN = "/broken"

LIST_START: Json = {
    "name": "start",
    "task_executor_name": "custom_form_input",
    "parameters": {"fields": [{"id": "n", "data_type": "list"}]},
}


def echoed(request: Request) -> bytes:
    """Answer with what was posted; some paths always say the same, or that they are broken."""
    path = request.target
    if path.startswith(BROKEN):
        return response("{}", status=500)
    got = None if path.startswith(CONSTANT) else json.loads(request.body)
    return response(json.dumps({"got": got}))


def echo(name: str, web: Web, reads: str, path: str | None = None, **keys: JsonValue) -> Json:
    """Return a task that posts what it reads to a path of its own, and yields the answer."""
    parameters: Json = {
        "url": f"{web.url}{path or ''}/{name}",
        "method": "POST",
        "body": {"of": f"{{{{{reads}}}}}"},
    }
    once: Json = {"max_attempts": 1}
    return {
        "name": name,
        "task_executor_name": "http_request",
        "parameters": parameters,
        "retry_policy": once,
        **keys,
    }


def a_flow(*tasks: Json, start: Json = START, edges: list[JsonValue] | None = None) -> Json:
    """Return a definition of these tasks behind an input task."""
    return {"tasks": [start, *tasks], "edges": edges or []}


def a_chain(web: Web) -> Json:
    """Return tasks a, b and c, each of which reads the one before, and d on its own."""
    return a_flow(
        echo("a", web, "start.text"),
        echo("b", web, "a.body"),
        echo("c", web, "b.body"),
        echo("d", web, "start.text"),
    )


def calls(web: Web) -> Counter[str]:
    """Return how often each task called since this was asked last."""
    found = Counter(request.target.rsplit("/", 1)[1] for request in web.requests)
    web.requests.clear()
    return found


def answered(row: Json, body: JsonValue) -> Json:
    """Return the output of a task's row with another body."""
    return {**cast(Json, row["output"] or {"status_code": 200, "headers": {}}), "body": body}


@dataclass(frozen=True, slots=True)
class Corrected:
    """One execution, and what people do to its results."""

    execution: Execution

    @property
    def client(self) -> httpx.AsyncClient:
        """Return who asks."""
        return self.execution.client

    async def rows(self) -> dict[str, Json]:
        """Return the rows by task name; of items and attempts by name and position."""
        found: dict[str, Json] = {}
        for row in await self.execution.task_executions():
            found.setdefault(f"{row['task_name']}#{row['task_execution_idx']}", row)
            found.setdefault(str(row["task_name"]), row)
        return found

    async def put(
        self, row: Json, changes: Json | None = None, *, execute_flow: bool = False
    ) -> httpx.Response:
        """Send a row back with some of it changed."""
        return await self.client.put(
            "/api/task-executions",
            params={"execute_flow": execute_flow},
            json={**row, **(changes or {})},
        )

    async def edit(self, place: str, body: JsonValue, *, execute_flow: bool = False) -> Json:
        """Change what a task, or an item, was answered; return its row as it is then."""
        row = (await self.rows())[place]
        changes: Json = {"output": answered(row, body), "processing_status": "completed"}
        answer = await self.put(row, changes, execute_flow=execute_flow)
        assert answer.status_code == 200, answer.text
        return cast(Json, answer.json())

    async def again(self, *, only_stale: bool) -> Json:
        """Run it again, and return it as it has ended."""
        answer = await self.client.post(
            f"{self.execution.path}/execute", params={"only_stale": only_stale}
        )
        assert answer.status_code == 204, answer.text
        return await self.execution.until(*CLOSED)

    async def plan(self, *, only_stale: bool = True) -> dict[str, tuple[str, str]]:
        """Return what running again would do to each task, and why."""
        answer = await self.client.get(
            f"{self.execution.path}/plan", params={"only_stale": only_stale}
        )
        assert answer.status_code == 200, answer.text
        return {
            task["task_name"]: (task["decision"], task["reason"]) for task in answer.json()["tasks"]
        }

    async def stale(self) -> set[str]:
        """Return the tasks whose rows are stale; their outputs must say the same."""
        rows = await self.execution.task_executions()
        found = {str(row["task_name"]) for row in rows if row["stale_status"] == "stale"}
        outputs = (await self.client.get("/api/task-outputs")).json()
        said = {
            output["task_name"]
            for output in outputs
            if output["flow_execution_id"] == self.execution.id
            and output["stale_status"] == "stale"
        }
        assert said == found, (said, found)
        return found
