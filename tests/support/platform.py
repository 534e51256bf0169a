"""The platform as a caller of its API sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from uuid import uuid4

import httpx
from pydantic import JsonValue

from tests.support.eventually import eventually

Json = dict[str, JsonValue]

CLOSED = frozenset({"completed", "failed", "cancelled"})
DEADLINE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Platform:
    """One organization's view of the running application."""

    client: httpx.AsyncClient
    organization_id: str

    async def flow(self, definition: Json, **fields: JsonValue) -> Json:
        """Create a flow and return it."""
        body = {"display_name": f"flow {uuid4()}", "definition": definition, **fields}
        response = await self.client.post("/api/flows", json=body)
        assert response.status_code == 201, response.text
        return cast(Json, response.json())

    async def started(
        self, flow_id: JsonValue, input: Json | None = None, *, key: str | None = None
    ) -> "Execution":
        """Create an execution of a flow, under an idempotency key if there is one."""
        headers = {} if key is None else {"Idempotency-Key": key}
        body = {"flow_id": flow_id, "input": {"text": "hello"} if input is None else input}
        response = await self.client.post("/api/flow-executions", json=body, headers=headers)
        assert response.status_code == 201, response.text
        return Execution(self.client, response.json()["id"])

    async def completed(self, definition: Json, input: Json | None = None) -> "Execution":
        """Create a flow, run it and wait until it completed."""
        execution = await self.ended(definition, input)
        shown = await execution.shown()
        assert shown["status"] == "completed", shown
        return execution

    async def ended(self, definition: Json, input: Json | None = None) -> "Execution":
        """Create a flow, run it and wait until it ended, however it did."""
        flow = await self.flow(definition)
        execution = await self.started(flow["id"], input)
        await execution.until(*CLOSED)
        return execution


@dataclass(frozen=True, slots=True)
class Execution:
    """One flow execution, by its id."""

    client: httpx.AsyncClient
    id: str

    @property
    def path(self) -> str:
        """Return where it is served."""
        return f"/api/flow-executions/{self.id}"

    async def shown(self, **parameters: str | bool) -> Json:
        """Return it as the API shows it."""
        response = await self.client.get(self.path, params=parameters)
        assert response.status_code == 200, response.text
        return cast(Json, response.json())

    async def until(self, *statuses: str) -> Json:
        """Wait until it has one of these statuses."""

        async def reached() -> Json | None:
            shown = await self.shown()
            return shown if shown["status"] in statuses else None

        found = await eventually(reached, DEADLINE_SECONDS, saying=f"one of {statuses}")
        assert found is not None
        return found

    async def task_executions(self, **parameters: str | int) -> list[Json]:
        """Return its task executions, newest first."""
        response = await self.client.get(
            "/api/task-executions", params={"flow_execution_id": self.id, **parameters}
        )
        assert response.status_code == 200, response.text
        return cast(list[Json], response.json()["task_executions"])

    async def outputs(self) -> Mapping[str, JsonValue]:
        """Return the output of each task, by name."""
        response = await self.client.get("/api/task-outputs")
        assert response.status_code == 200, response.text
        return {
            row["task_name"]: row["output"]
            for row in response.json()
            if row["flow_execution_id"] == self.id
        }
