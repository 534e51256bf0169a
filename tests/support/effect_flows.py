"""Flows whose effects reach a receiver, for tests that kill what runs them."""

from pydantic import JsonValue

from tests.support.receiver import Receiver

Json = dict[str, JsonValue]

INPUT: Json = {"text": "hello"}


def a_form() -> Json:
    """Return an input task that takes one text."""
    field: Json = {"id": "text", "title": "Text", "data_type": "str"}
    return {
        "name": "form",
        "task_executor_name": "custom_form_input",
        "parameters": {"fields": [field]},
    }


def an_effect(name: str, receiver: Receiver, path: str, reads: str, **task: JsonValue) -> Json:
    """Return a task that posts to a path of the receiver once another task completed."""
    return {
        "name": name,
        "task_executor_name": "http_request",
        "parameters": {
            "url": f"{receiver.url}{path}",
            "method": "POST",
            "body": {"read": f"{{{{{reads}.output}}}}"},
        },
        **task,
    }


def a_note(name: str, reads: str) -> Json:
    """Return an instant task that wraps what another task produced."""
    return {
        "name": name,
        "task_executor_name": "format_data",
        "parameters": {"template": {"from": f"{{{{{reads}.output}}}}"}},
    }


def a_flow(*tasks: Json) -> Json:
    """Return a definition that starts with the form."""
    return {"name": "effects", "tasks": [a_form(), *tasks]}
