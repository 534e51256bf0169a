"""Chapters on executions: starting, following, listing, and what their tasks did."""

from tests.api.guide.story import EXECUTIONS, Story
from tests.support.platform import Json


async def tell(story: Story) -> None:
    """Tell how a flow runs."""
    await _starting(story)
    await _listing(story)
    await _results(story)


async def _starting(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ## Running it

        The input is checked against the input task before anything is recorded. `Idempotency-Key`
        makes the call repeatable: sent again within 24 hours it answers with the same execution.
        """)
    order: Json = {"flow_id": story.flow_id, "input": {"customer": "Ada", "amount": 120}}
    key = {"Idempotency-Key": "order-4711"}
    keep = ("id", "flow_id", "flow_version", "input", "created_at")
    first = await telling.call("POST", EXECUTIONS, order, headers=key, expect=201, keep=keep)
    story.execution_id = str(first["id"])
    telling.say("""
        The same key with another body is a conflict, so no order is lost behind another one:
        """)
    other: Json = {"flow_id": story.flow_id, "input": {"customer": "Grace", "amount": 80}}
    await telling.call("POST", EXECUTIONS, other, headers=key, expect=409)
    telling.say("Input that does not fit names every field:")
    wrong: Json = {"flow_id": story.flow_id, "input": {"customer": 7}}
    await telling.call("POST", EXECUTIONS, wrong, expect=400)
    telling.say("""
        Ask for the execution until it has ended, or [be told](#being-told). It is `completed`,
        `failed` or `cancelled` in the end; [api.md](api.md#statuses) lists all statuses.
        """)
    await telling.until_status(story.execution_id, "completed")
    await telling.call(
        "GET",
        f"{EXECUTIONS}/{story.execution_id}?include_run_number=true",
        keep=("id", "status", "run_number", "flow_version", "error", "created_at", "updated_at"),
    )


async def _listing(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ### Finding executions

        The list is an array, newest first, ten unless `page_size` says otherwise. Repeated
        parameters mean any of them, different ones all of them. `run_number` counts a flow's
        executions from 1.
        """)
    second = await telling.caller.client.post(
        EXECUTIONS,
        json={"flow_id": story.flow_id, "input": {"customer": "Grace", "amount": 80}},
    )
    await telling.until_status(second.json()["id"], "completed")
    await telling.call(
        "GET",
        f"{EXECUTIONS}?flow_id={story.flow_id}&status=completed&status=failed"
        "&include_run_number=true&page_size=5",
        keep=("id", "status", "run_number", "input"),
    )
    telling.say("""
        A page begins behind a given execution with `start_from_execution_id`, whatever was created
        since:
        """)
    await telling.call(
        "GET",
        f"{EXECUTIONS}?flow_id={story.flow_id}&start_from_execution_id={second.json()['id']}",
        keep=("id", "status"),
    )


async def _results(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ### What the tasks did

        A task execution is one attempt of a task, or of one item of an iteration: what it was
        given, what it yielded, and when. Without `task_name` the list has those of all tasks.
        """)
    await telling.call(
        "GET",
        f"/api/task-executions?flow_execution_id={story.execution_id}&task_name=quote",
        keep=(
            "task_executions.id",
            "task_executions.task_name",
            "task_executions.status",
            "task_executions.input",
            "task_executions.output",
        ),
    )
    telling.say("""
        A task output is what became of a task as a whole, after all attempts and items. `GET
        /api/task-outputs` lists those of the organization, newest first; one of them:
        """)
    outputs = (await telling.caller.client.get("/api/task-outputs")).json()
    letter = next(
        each
        for each in outputs
        if (each["flow_execution_id"], each["task_name"]) == (story.execution_id, "letter")
    )
    await telling.call(
        "GET",
        f"/api/task-outputs/{letter['id']}",
        keep=("id", "task_name", "flow_execution_id", "flow_version", "status", "output"),
    )
