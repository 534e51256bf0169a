"""Chapters on what is kept beside executions: tags, metadata and files."""

from tests.api.guide.story import EXECUTIONS, Story
from tests.support.platform import Json


async def tell(story: Story) -> None:
    """Tell how executions are marked and found, and how documents get in."""
    await _tags(story)
    await _metadata(story)
    await _files(story)


async def _tags(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ## Tags and metadata

        Tasks of executions take tags, up to 100 in one call that changes all or nothing; executions
        are found by them.
        """)
    tag: Json = {
        "operation": "add",
        "flow_execution_id": story.execution_id,
        "task_name": "letter",
        "tag": "sent",
        "tag_type": "mail",
    }
    await telling.call("PATCH", "/api/task-tags", {"tags": [tag]})
    await telling.call(
        "GET", f"{EXECUTIONS}?flow_id={story.flow_id}&tags=mail:sent", keep=("id", "status")
    )


async def _metadata(story: Story) -> None:
    telling = story.telling
    telling.say("""
        What callers put into `input.metadata` is counted by flow, so a client can offer the keys
        and values that occur. Here the input task has a field for it.
        """)
    client = telling.caller.client
    fields = [{"id": "city"}, {"id": "metadata", "data_type": "object", "required": False}]
    parcel = {
        "name": "parcel",
        "task_executor_name": "custom_form_input",
        "parameters": {"fields": fields},
    }
    flow = await client.post(
        "/api/flows", json={"display_name": "Marked parcels", "definition": {"tasks": [parcel]}}
    )
    order: Json = {
        "flow_id": flow.json()["id"],
        "input": {"city": "Turin", "metadata": {"carrier": "rail"}},
    }
    created = await telling.call("POST", EXECUTIONS, order, expect=201, keep=("id", "input"))
    await telling.until_status(created["id"], "completed")
    path = f"/api/flows/{flow.json()['id']}/metadata"
    await telling.call("GET", f"{path}/keys", keep=("key", "count"))
    await telling.call("GET", f"{path}/values?key=carrier", keep=("value", "count"))


async def _files(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ## Files

        A file goes to a signed URL, which is asked for first. The URL needs no other credential, so
        the bytes can come straight from a browser.
        """)
    announced = await telling.call(
        "POST",
        f"/api/flows/{story.flow_id}/upload-url?filename=order.txt&content_type=text/plain",
    )
    await telling.call(
        "PUT", str(announced["upload_url"]), raw="120 pieces, please", by=telling.nobody
    )
    telling.say("""
        Tasks read it by its `file_key`: send it as the input of a
        [`receive_file`](task-executors.md#receive_file) task. People get a URL that holds for an
        hour:
        """)
    link = await telling.call(
        "POST", "/api/flows/download-url", {"file_key": announced["file_key"]}
    )
    await telling.call(
        "GET",
        str(link["download_url"]),
        by=telling.nobody,
        tell=("Content-Type", "Content-Disposition", "ETag"),
    )
