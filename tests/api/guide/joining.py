"""Chapters on people who are invited, and on programs that report."""

from pydantic import JsonValue

from tests.api.guide.story import EXECUTIONS, Story
from tests.support.platform import Json


async def tell(story: Story) -> None:
    """Tell who else takes part: invited people, and workers outside the platform."""
    await _invitations(story)
    await _outside_workers(story)


async def _invitations(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ## Inviting people

        Somebody whose role is `worker` sees nothing of the organization's flows until they are
        invited, by themselves or with a worker group that they belong to
        ([permissions.md](permissions.md#workers-and-invitations)).
        """)
    path = f"/api/flows/{story.flow_id}"
    seen = ("id", "display_name")
    await telling.call("GET", path, by=story.person, expect=403)
    people: Json = {"user_ids": [story.person_id]}
    await telling.call("PUT", f"{path}/invitations", people)
    await telling.call("GET", path, by=story.person, keep=seen)
    telling.say("A group brings whoever is in it at the time:")
    group = await telling.call(
        "POST",
        "/api/organizations/worker-groups",
        {"name": "Front office", "member_user_ids": [story.person_id]},
        expect=201,
        keep=("id", "name"),
    )
    groups: Json = {"worker_group_ids": [group["id"]]}
    await telling.call("PUT", f"{path}/team-invitations", groups)
    await telling.call("DELETE", f"{path}/invitations", people, expect=204)
    await telling.call("GET", path, by=story.person, keep=seen)
    await telling.call("DELETE", f"{path}/team-invitations", groups, expect=204)
    await telling.call("GET", path, by=story.person, expect=403)


async def _outside_workers(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ## Workers of your own

        A program outside the platform may work on an execution and report what it does
        ([outside-workers.md](outside-workers.md)). The same place reported again is the same row:
        """)
    flow = await telling.caller.client.post(
        "/api/flows", json={"display_name": "Scans", "definition": _scans()}
    )
    order: Json = {"flow_id": flow.json()["id"], "input": {"page": "1"}}
    execution = await telling.call("POST", EXECUTIONS, order, expect=201, keep=("id",))
    place: Json = {
        "flow_execution_id": execution["id"],
        "task_name": "scan",
        "task_execution_idx": 0,
    }
    path = "/api/task-executions"
    keep = ("id", "processing_status", "output")
    await telling.call(
        "POST", path, {**place, "processing_status": "running"}, expect=201, keep=keep
    )
    output: JsonValue = {"text": "Dear all"}
    done: Json = {**place, "processing_status": "completed", "output": output}
    await telling.call("POST", path, done, expect=201, keep=keep)
    telling.say("What became of the task as a whole, with a summary and tags to find it by:")
    whole: Json = {
        "flow_execution_id": execution["id"],
        "organization_id": story.organization_id,
        "task_name": "scan",
        "processing_status": "completed",
        "output": output,
        "summary": {"pages": 1},
        "tags": ["clean"],
    }
    await telling.call(
        "POST",
        "/api/task-outputs",
        whole,
        expect=201,
        keep=("id", "task_name", "processing_status", "summary", "tags"),
    )
    telling.say("Or a word alone, on up to 100 tasks at once:")
    statuses: JsonValue = [{"task_name": "scan", "status": "completed"}]
    await telling.call(
        "POST",
        f"{EXECUTIONS}/{execution['id']}/task-status",
        {"statuses": statuses},
    )
    await telling.caller.client.post(f"{EXECUTIONS}/{execution['id']}/cancel")


def _scans() -> Json:
    """Return the definition of a flow one of whose tasks is done elsewhere, meanwhile."""
    return {
        "tasks": [
            {
                "name": "batch",
                "task_executor_name": "custom_form_input",
                "parameters": {"fields": [{"id": "page"}]},
            },
            {
                "name": "pause",
                "task_executor_name": "wait",
                "parameters": {"seconds": 3600},
            },
            {
                "name": "scan",
                "task_executor_name": "format_data",
                "parameters": {"template": "{{batch.page}}"},
            },
        ],
        "edges": [
            {"source": "batch", "target": "pause"},
            {"source": "pause", "target": "scan"},
        ],
    }
