"""Flow definitions as callers send them."""

from pydantic import JsonValue

Json = dict[str, JsonValue]

START: Json = {
    "name": "start",
    "task_executor_name": "custom_form_input",
    "parameters": {
        "fields": [
            {"id": "text", "data_type": "str"},
            {"id": "anything", "data_type": "object", "required": False},
        ]
    },
}


def task(name: str, *, reads: str = "start", template: JsonValue = None, **keys: JsonValue) -> Json:
    """Return a task that passes on what another task yielded, under the key ``value``.

    Args:
        reads: Name of the task whose whole output is passed on, unless a template is given.
        template: What ``format_data`` fills.
        keys: Further keys of the task, such as ``retry_policy``.
    """
    parameters: Json = {"template": template or {"value": f"{{{{{reads}.output}}}}"}}
    return {
        "name": name,
        "task_executor_name": "format_data",
        "parameters": parameters,
        **keys,
    }


def call(name: str, url: str, *, reads: str = "start", **keys: JsonValue) -> Json:
    """Return a task that posts what another task yielded."""
    parameters: Json = {"url": url, "method": "POST", "body": f"{{{{{reads}.output}}}}"}
    return {
        "name": name,
        "task_executor_name": "http_request",
        "parameters": parameters,
        **keys,
    }


def a_flow(*tasks: Json, edges: list[JsonValue] | None = None) -> Json:
    """Return a definition whose only input task ``start`` takes ``{"text": ...}``."""
    document: Json = {"tasks": [START, *tasks]}
    if edges is not None:
        document["edges"] = edges
    return document
