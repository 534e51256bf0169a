"""The catalogue of task executors over HTTP."""

from pydantic import JsonValue

from tests.support.platform import Platform

Json = dict[str, JsonValue]


async def test_the_catalogue_describes_what_tasks_can_do(platform: Platform) -> None:
    response = await platform.client.get("/api/task-executors")

    executor_by_name = {entry["task_executor_name"]: entry for entry in response.json()}
    assert response.headers["Cache-Control"] == "private, max-age=300"
    assert {"receive_file", "custom_form_input", "format_data", "http_request"} <= set(
        executor_by_name
    )
    for entry in executor_by_name.values():
        assert len(entry["task_executor_description"]) >= 10
        assert entry["parameters_schema"]["$schema"].endswith("2020-12/schema")
        assert entry["parameters_schema"]["type"] == "object"
        assert (entry["flow_input_schema"] is not None) == entry["is_input_task_executor"]
    assert executor_by_name["receive_file"]["is_input_task_executor"]
    assert "url" in executor_by_name["http_request"]["parameters_schema"]["required"]
