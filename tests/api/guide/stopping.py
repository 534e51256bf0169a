"""Chapters on what keeps executions from running on: cancelling, and limits."""

from pydantic import JsonValue

from tests.api.guide.story import EXECUTIONS, Story, waiting
from tests.support.platform import Json

SETTINGS = "/api/organizations/settings"


async def tell(story: Story) -> None:
    """Tell how executions are stopped, and held back."""
    telling = story.telling
    fields: JsonValue = [{"id": "approved", "data_type": "bool"}]
    definition = waiting("approval", "webhook_receiver", {"fields": fields})
    telling.say("""
        ## Limits

        An organization may limit how many of its executions run at once. The rest is `queued` and
        starts in the order of creation.
        """)
    flow = await telling.caller.client.post(
        "/api/flows", json={"display_name": "One at a time", "definition": definition}
    )
    order: Json = {"flow_id": flow.json()["id"], "input": {"customer": "Ada", "amount": 120}}
    await telling.call(
        "PUT",
        SETTINGS,
        {"max_concurrent_executions": 1},
        keep=("id", "settings.max_concurrent_executions"),
    )
    first = await telling.caller.client.post(EXECUTIONS, json=order)
    telling.say("While one is at work, another one waits for its turn:")
    second = await telling.call(
        "POST", EXECUTIONS, order, expect=201, keep=("id", "status", "input")
    )
    telling.say("""
        Only so many wait (`PERDURE_MAX_QUEUED_EXECUTIONS`; 1 where this was recorded). Beyond that
        nothing is recorded, and the answer says when to try again:
        """)
    await telling.call(
        "POST", EXECUTIONS, order, by=story.limited, expect=429, tell=("Retry-After",)
    )
    await _cancelling(story, [str(first.json()["id"]), str(second["id"])])
    limitless = await telling.caller.client.put(SETTINGS, json={"max_concurrent_executions": None})
    assert limitless.status_code == 200, limitless.text


async def _cancelling(story: Story, executions: list[str]) -> None:
    telling = story.telling
    first, second = executions
    telling.say("""
        ## Cancelling

        Cancelling is recorded at once and carried out soon after: `cancel_requested`, then
        `cancelled`. It is the same for what runs and for what waits in line, and an execution that
        has ended stays as it is.
        """)
    await telling.call("POST", f"{EXECUTIONS}/{second}/cancel", expect=204)
    await telling.caller.client.post(f"{EXECUTIONS}/{first}/cancel")
    for execution_id in executions:
        await telling.until_status(execution_id, "cancelled")
    await telling.call("GET", f"{EXECUTIONS}/{second}", keep=("id", "status", "error"))
