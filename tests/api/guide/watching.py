"""The chapter on events."""

import json

from tests.api.guide.story import EXECUTIONS, Story
from tests.support.following import sent, socket


async def tell(story: Story) -> None:
    """Tell how to be told, and how to go on after a break."""
    telling = story.telling
    telling.say("""
        ## Being told

        Instead of asking, listen: server-sent events (or the [WebSocket](api.md#events) beside
        them) tell of everything that happens to a flow's executions, after it was committed.
        """)
    path = f"/api/flows/{story.flow_id}/events"
    key = {"X-API-Key": telling.caller.client.headers["X-API-Key"]}
    order = {"flow_id": story.flow_id, "input": {"customer": "Ada", "amount": 60}}
    async with sent(story.url, path, key) as follower:
        created = await telling.caller.client.post(EXECUTIONS, json=order)
        first = await follower.until("flow_execution.created")
        last = await follower.until("flow_execution.status", status="completed")
    assert first["flow_execution_id"] == created.json()["id"]
    shown = f'curl -N "$PERDURE{path}" -H "X-API-Key: $KEY"'
    telling.show(shown, "sh")
    telling.say("""
        While that runs, somebody starts an execution. Of what arrives, the first message and the
        last:
        """)
    telling.show_events(first, last)
    telling.say("""
        The id says how far a reader has come. After a break, send the last one as `Last-Event-ID`,
        which browsers do by themselves: what happened since comes first, nothing twice and nothing
        lost, from whichever process answers, for 24 hours.
        """)
    async with sent(story.url, path, {**key, "Last-Event-ID": first["id"]}) as again:
        missed = await again.until("flow_execution.status", status="completed")
    assert json.dumps(missed) == json.dumps(last)
    telling.show(f'{shown} \\\n  -H "Last-Event-ID: {first["id"]}"', "sh")
    telling.show_events(missed)
    telling.say("""
        A WebSocket has the same messages, and goes on in the same way. Browsers, which cannot
        choose its headers, send `?token=` and `last_event_id`:
        """)
    path = f"/ws/flows/{story.flow_id}?last_event_id={first['id']}"
    async with socket(story.url, path, key) as talking:
        told = await talking.until("flow_execution.status", status="completed")
    assert told == last
    address = f"ws://127.0.0.1:8000{path}&token=${{key}}"
    telling.show(
        f"const socket = new WebSocket(`{address}`)\n"
        "socket.onmessage = ({data}) => console.log(JSON.parse(data))",
        "js",
    )
    telling.show_json(told)
