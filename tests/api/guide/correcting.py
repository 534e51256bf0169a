"""Chapters on corrections and versions."""

from pydantic import JsonValue

from tests.api.guide.story import EXECUTIONS, Story, quotes

LETTER = "{{greeting.text}} our offer: {{quote.amount}} {{quote.currency}}."
STATUSES = ("processing_status", "edited_status", "stale_status")


async def tell(story: Story) -> None:
    """Tell how results are mended, and flows changed."""
    await _correcting(story)
    await _versions(story)


async def _correcting(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ## Correcting a result

        The quote should have been 99. Read its task execution, and send it back with the right
        output; it has to fit what the task may yield. [corrections.md](corrections.md) has the
        rules.
        """)
    of_execution = f"flow_execution_id={story.execution_id}"
    found = await telling.call(
        "GET",
        f"/api/task-executions?{of_execution}&task_name=quote",
        keep=("task_executions.id", "task_executions.output"),
    )
    (row,) = found["task_executions"] if isinstance(found["task_executions"], list) else []
    assert isinstance(row, dict)
    names = ("id", "flow_execution_id", "task_name", "task_execution_idx")
    edited: dict[str, JsonValue] = {name: row[name] for name in names}
    await telling.call(
        "PUT",
        "/api/task-executions",
        {
            **edited,
            "processing_status": "completed",
            "output": {"amount": 99, "currency": "EUR"},
        },
        keep=("id", "output", *STATUSES),
    )
    telling.say("""
        What depends on it is out of date now, and says so. The plan tells what running again would
        do, and why, without doing it: only the letter.
        """)
    await telling.call("GET", f"{EXECUTIONS}/{story.execution_id}/plan?only_stale=true")
    await telling.call(
        "POST", f"{EXECUTIONS}/{story.execution_id}/execute?only_stale=true", expect=204
    )
    await telling.until_status(story.execution_id, "completed")
    telling.say("""
        Id, input and run number stay the same. `execute_flow=true` on the `PUT` does both steps in
        one; without `only_stale` everything runs again, on the flow's latest version.
        """)
    await telling.call(
        "GET",
        f"/api/task-executions?{of_execution}&task_name=letter",
        keep=tuple(f"task_executions.{name}" for name in ("id", "output", *STATUSES)),
    )


async def _versions(story: Story) -> None:
    telling = story.telling
    path = f"/api/flows/{story.flow_id}"
    telling.say("""
        ## Versions

        Every change of a draft's definition makes the next version; versions themselves never
        change, and an execution says which one it ran.
        """)
    await telling.call(
        "PUT",
        f"{path}/definition",
        {"definition": quotes(LETTER)},
        keep=("id", "version", "status", "is_latest"),
    )
    await telling.call(
        "PATCH",
        f"{path}/versions/2",
        {"name": "Shorter letter", "is_favourite": True},
        keep=("version", "name", "is_favourite", "is_latest"),
    )
    await telling.call("GET", f"{path}/versions/summary")
    telling.say("""
        The plan knows of new versions, so it says what a change would mean for an execution that
        has ended:
        """)
    await telling.call(
        "GET",
        f"{EXECUTIONS}/{story.execution_id}/plan?only_stale=true",
        keep=("flow_version", "tasks.task_name", "tasks.decision", "tasks.reason"),
    )
    telling.say("""
        Restoring a version makes a new one that is equal to it. A `published` flow keeps its
        definition until it is a `draft` again.
        """)
    await telling.call("POST", f"{path}/versions/1/restore", keep=("id", "version", "is_latest"))
    await telling.call("PATCH", path, {"status": "published"}, keep=("id", "version", "status"))
