"""Interactive workflows for tests: graphs, and the use cases on real servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import JsonValue
from temporalio.client import Client
from temporalio.worker import Worker

from activities.egress import guarded_client
from activities.interactive import RunRecordActivities, RunServiceActivities
from contracts.runs import TurnView
from dialogs.model import Graph
from dialogs.state import Fixed, RunInput
from operations.caller import Caller, Role
from operations.interactive_runs import InteractiveRuns
from operations.run_beginnings import Resolved
from runtime.run_gateway import RunGateway
from runtime.temporal import workflow_runner
from store.indexes import ensure_indexes
from store.interactive_runs import RunRepository
from store.run_events import RunEventRepository
from store.turns import TurnRecorder
from workflows.interactive_run import InteractiveRunWorkflow

Json = dict[str, JsonValue]

TURNS_A_HISTORY = 5
DESK = "6512f0a1b2c3d4e5f6a7b8c9"


def a_desk(**desk: JsonValue) -> Json:
    """Return a graph that waits at a desk until a choice says ``finish``, and says goodbye."""
    return {
        "workflow_config": {"logical_id": "workflow_1", "llms_config": {"type": "no_llm"}},
        "node_configs": [
            {
                "type": "say_llm",
                "logical_id": "node_desk",
                "name": "Desk",
                "is_start": True,
                "llms_config": {"type": "no_llm"},
                "default_error_message": "(noted)",
                **desk,
            },
            {
                "type": "say_static",
                "logical_id": "node_bye",
                "name": "Done",
                "static_messages_config": {"static_messages": ["Bye {{customer}}"]},
            },
        ],
        "edge_configs": [
            {
                "type": "conditional",
                "logical_id": "edge_1",
                "name": "leave",
                "source_node_logical_id": "node_desk",
                "destination_node_logical_id": "node_bye",
                "condition": {"condition_expression": "[[choice]] == 'finish'"},
            }
        ],
    }


def said(text: str, message_id: str | None = None, **more: JsonValue) -> RunInput:
    """Return what a person says."""
    message: Json = {"type": "human", "content": text, "id": message_id}
    inputs: Json = {"node_run_inputs": [{"type": "llm", "messages": [message]}]}
    return RunInput.model_validate({"thread_to_node_inputs": {"0": inputs}, **more})


def spoken(view: TurnView) -> list[JsonValue]:
    """Return what a turn said to the person."""
    return [
        event["content"] for event in view.events or [] if event["type"] == "assistant_response"
    ]


@dataclass
class OneWorkflow:
    """A workflow that has one version."""

    graph: Json

    async def resolved(
        self, caller: Caller, workflow_id: str, version_number: int | None
    ) -> Resolved:
        """Return it, whatever was asked for."""
        return Resolved(
            workflow_id=workflow_id,
            name="desk",
            version_number=version_number or 0,
            version_name=None,
            graph=Graph.model_validate(self.graph),
            fixed=Fixed(),
        )


@dataclass
class Desk:
    """The use cases, on a database and a task queue of the test's own."""

    runs: InteractiveRuns
    repository: RunRepository
    caller: Caller
    client: Client
    task_queue: str
    database: AsyncIOMotorDatabase

    @asynccontextmanager
    async def worker(self, max_cached_workflows: int = 100) -> AsyncIterator[None]:
        """Run a sandboxed worker of runs; without a cache each workflow task replays its run."""

        async def no_secrets(_: str, __: object) -> dict[str, str]:
            await asyncio.sleep(0)
            return {}

        async with guarded_client(["127.0.0.1"]) as client:
            records = RunRecordActivities(
                TurnRecorder(self.database), RunEventRepository(self.database)
            )
            worker = Worker(
                self.client,
                task_queue=self.task_queue,
                workflows=[InteractiveRunWorkflow],
                activities=[
                    records.record_turn,
                    records.show_events,
                    RunServiceActivities(client, no_secrets).call_service,
                ],
                workflow_runner=workflow_runner(sandboxed=True),
                max_cached_workflows=max_cached_workflows,
            )
            async with worker:
                yield


def a_call_graph(url: str) -> Json:
    """Return a graph that calls a service and says what it answered."""
    return {
        "workflow_config": {"logical_id": "workflow_1"},
        "node_configs": [
            {
                "type": "http_request",
                "logical_id": "node_call",
                "name": "Call",
                "is_start": True,
                "url": url,
                "method": "POST",
                "body_parameters": '{"who": "{{customer}}"}',
            },
            {
                "type": "say_static",
                "logical_id": "node_tell",
                "name": "Tell",
                "static_messages_config": {
                    "static_messages": ["status [[http_request_result_status_code]]"]
                },
            },
        ],
        "edge_configs": [
            {
                "type": "direct",
                "logical_id": "edge_1",
                "source_node_logical_id": "node_call",
                "destination_node_logical_id": "node_tell",
            }
        ],
    }


async def a_desk_on(
    database: AsyncIOMotorDatabase, client: Client, task_queue: str, graph: Json | None = None
) -> Desk:
    """Build the use cases on a database and a Temporal client."""
    await ensure_indexes(database)
    repository = RunRepository(database)
    return Desk(
        runs=InteractiveRuns(
            OneWorkflow(graph or a_desk()),
            repository,
            RunGateway(client, task_queue),
            turns_a_history=TURNS_A_HISTORY,
        ),
        repository=repository,
        caller=Caller(organization_id=str(uuid4()), user_id=str(uuid4()), role=Role.ORG_ADMIN),
        client=client,
        task_queue=task_queue,
        database=database,
    )
