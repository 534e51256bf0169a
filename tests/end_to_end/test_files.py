"""Uploaded files, as tasks read them."""

import pytest
from pydantic import JsonValue

from tests.fixtures.api import Api
from tests.support.pdfs import a_pdf
from tests.support.platform import Platform
from tests.support.uploads import Folder, a_folder

Json = dict[str, JsonValue]

READING: Json = {
    "tasks": [
        {"name": "receive", "task_executor_name": "receive_file", "parameters": {}},
        {
            "name": "read",
            "task_executor_name": "doc_to_text",
            "parameters": {"document_url": "{{receive.document_url}}"},
        },
    ],
    "edges": [{"source": "receive", "target": "read"}],
}
BY_KEY: Json = {
    **READING,
    "tasks": [
        {"name": "receive", "task_executor_name": "receive_file", "parameters": {}},
        {
            "name": "read",
            "task_executor_name": "doc_to_text",
            "parameters": {"file_key": "{{receive.file_key}}"},
        },
    ],
}


@pytest.mark.parametrize(
    ("definition", "scheme"), [(READING, None), (READING, "file:"), (BY_KEY, None)]
)
async def test_a_task_reads_an_uploaded_file(
    working: Platform, definition: Json, scheme: str | None
) -> None:
    key = await (await a_folder(working)).stored(
        a_pdf("one", "two"), content_type="application/pdf"
    )
    given: Json = {"file_key": key} if scheme is None else {"document_url": f"{scheme}{key}"}

    execution = await working.completed(definition, given)

    outputs = await execution.outputs()
    read = outputs["read"]
    assert isinstance(read, dict)
    assert (read["page_count"], read["mime_type"]) == (2, "application/pdf")
    assert "one" in str(read["text"])
    assert (await execution.shown())["input"] == given


async def test_a_task_does_not_find_the_file_of_another_organization(
    working: Platform, working_api: Api
) -> None:
    stranger = await working_api.organization()
    key = await (await a_folder(stranger)).stored(b"secret", content_type="text/plain")

    execution = await working.ended(READING, {"file_key": key})

    error = (await execution.shown())["error"]
    assert isinstance(error, dict)
    assert (error["type"], error["task_name"]) == ("FileNotFound", "read")


async def test_a_file_of_a_deleted_flow_is_still_read(working: Platform) -> None:
    folder: Folder = await a_folder(working)
    key = await folder.stored(b"kept", content_type="text/plain")
    await working.client.delete(f"/api/flows/{folder.flow_id}")

    execution = await working.completed(READING, {"file_key": key})

    read = (await execution.outputs())["read"]
    assert isinstance(read, dict)
    assert read["text"] == "kept"
