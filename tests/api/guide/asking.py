"""Chapters on flows that wait: for another system, and for a person."""

from pydantic import JsonValue

from tests.api.guide.story import EXECUTIONS, Story, waiting
from tests.support.platform import Json

REVIEWS = "/api/human-review-tasks"


async def tell(story: Story) -> None:
    """Tell how flows wait, and what ends it."""
    await _another_system(story)
    await _a_person(story)


async def _waiting(story: Story, definition: Json) -> str:
    """Return an execution that waits for somebody outside."""
    client = story.telling.caller.client
    flow = await client.post(
        "/api/flows", json={"display_name": definition["name"], "definition": definition}
    )
    assert flow.status_code == 201, flow.text
    created = await client.post(
        EXECUTIONS,
        json={"flow_id": flow.json()["id"], "input": {"customer": "Ada", "amount": 120}},
    )
    assert created.status_code == 201, created.text
    execution_id = str(created.json()["id"])
    await story.telling.until_status(execution_id, "awaiting_input")
    return execution_id


async def _another_system(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ## Waiting for another system

        A task of the executor `webhook_receiver` waits, for minutes or months, until somebody posts
        data for it. Say the flow has one before its letter goes out:
        """)
    fields: JsonValue = [{"id": "approved", "data_type": "bool"}, {"id": "by"}]
    parameters: Json = {"fields": fields}
    telling.show_json(
        {"name": "approval", "task_executor_name": "webhook_receiver", "parameters": parameters}
    )
    execution_id = await _waiting(story, waiting("approval", "webhook_receiver", parameters))
    telling.say("""
        Its executions then show that they wait, and data is posted to them by the task's name:
        """)
    path = f"{EXECUTIONS}/{execution_id}"
    await telling.call("GET", path, keep=("id", "status"))
    data: Json = {"task_name": "approval", "data": {"approved": True, "by": "Grace"}}
    await telling.call("POST", f"{path}/webhook-data", data)
    await telling.until_status(execution_id, "completed")
    telling.say("""
        A 200 means that the data is stored; the flow goes on from there whatever happens to any
        process. The same data may be posted again, and changes nothing. Other data is a conflict:
        """)
    other: Json = {"task_name": "approval", "data": {"approved": False, "by": "Grace"}}
    await telling.call("POST", f"{path}/webhook-data", other, expect=409)


async def _a_person(story: Story) -> None:
    telling, person = story.telling, story.person
    telling.say("""
        ## Asking a person

        `human_review` shows people what earlier tasks yielded, and lets them correct it. Reviews
        are asked of people and of worker groups; whoever of a group begins first has it.
        """)
    group = await telling.call(
        "POST",
        "/api/organizations/worker-groups",
        {"name": "Sales", "member_user_ids": [story.person_id]},
        expect=201,
        keep=("id", "name", "member_count"),
    )
    parameters: Json = {
        "targets": [{"task_name": "quote", "is_editable": True}],
        "assigned_worker_groups": [group["id"]],
        "instructions": "Is the amount right?",
    }
    telling.say("The task of the flow:")
    telling.show_json(
        {"name": "check", "task_executor_name": "human_review", "parameters": parameters}
    )
    execution_id = await _waiting(story, waiting("check", "human_review", parameters))
    telling.say("""
        A member signs in, with the token of a person, and finds the review among their own.
        Beginning it tells the others that somebody is at work.
        """)
    # The task is shown as waiting a moment before somebody is asked.
    await telling.until(REVIEWS, lambda mine: mine["total_count"] == 1, "it is asked", person)
    found = await telling.call(
        "GET",
        f"{REVIEWS}?status=pending",
        by=person,
        keep=(
            "items.id",
            "items.source_task_name",
            "items.status",
            "items.instructions",
            "items.target_task_executions",
            "total_count",
        ),
    )
    items = found["items"]
    assert isinstance(items, list)
    assert isinstance(items[0], dict)
    path = f"{REVIEWS}/{items[0]['id']}"
    keep = ("id", "status", "review_result", "reviewed_output")
    await telling.call("POST", f"{path}/start", by=person, keep=keep)
    telling.say("""
        Completing it takes a decision and the values, one for each target, corrected where that is
        allowed. They must fit what the task may yield.
        """)
    decision: Json = {"review_result": True, "reviewed_output": [{"amount": "much"}]}
    await telling.call("POST", f"{path}/complete", decision, by=person, expect=400)
    decision = {"review_result": True, "reviewed_output": [{"amount": 110, "currency": "EUR"}]}
    await telling.call(
        "POST", f"{path}/complete", decision, by=person, keep=(*keep, "completed_by", "signal_sent")
    )
    await telling.until_status(execution_id, "completed")
    telling.say("The decision is the task's output, and the flow has gone on:")
    await telling.call(
        "GET",
        f"/api/task-executions?flow_execution_id={execution_id}&task_name=check",
        keep=("task_executions.task_name", "task_executions.status", "task_executions.output"),
    )
