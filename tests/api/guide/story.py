"""What the chapters of the guide hand on to each other."""

from dataclasses import dataclass

from pydantic import JsonValue

from tests.api.guide.telling import Caller, Telling
from tests.support.platform import Json


@dataclass
class Story:
    """An organization and what was made in it so far.

    Attributes:
        person: Somebody who signed in, who reviews.
        limited: The same organization at a process that lets one execution wait in line.
        url: Where the API listens on a real socket, for streams.
        flow_id: The flow that the guide is about.
        execution_id: Its first execution.
    """

    telling: Telling
    organization_id: str
    person: Caller
    person_id: str
    limited: Caller
    url: str
    flow_id: str = ""
    execution_id: str = ""


EXECUTIONS = "/api/flow-executions"

QUOTE = "{{greeting.text}} we offer this for {{quote.amount}} {{quote.currency}}."


def quotes(letter: str = QUOTE) -> Json:
    """Return the definition of the flow that the guide is about."""
    return {
        "name": "Quotes",
        "tasks": [
            _a_task(
                "request",
                {"fields": [{"id": "customer"}, {"id": "amount", "data_type": "float"}]},
                executor="custom_form_input",
            ),
            _a_task("greeting", {"template": {"text": "Dear {{request.customer}},"}}),
            _a_task("quote", {"template": {"amount": "{{request.amount}}", "currency": "EUR"}}),
            _a_task("letter", {"template": {"text": letter}}),
        ],
        "edges": [{"source": "greeting", "target": "quote"}],
    }


def waiting(name: str, executor: str, parameters: Json) -> Json:
    """Return the definition of a flow whose quote waits for somebody before it goes out."""
    asked: JsonValue = _a_task(name, parameters, executor=executor)
    whole = quotes()
    first, greeting, quote, letter = whole["tasks"] if isinstance(whole["tasks"], list) else []
    return {
        **whole,
        "name": f"Quotes with {name}",
        "tasks": [first, greeting, quote, asked, letter],
        "edges": [
            {"source": "greeting", "target": "quote"},
            {"source": "quote", "target": name},
            {"source": name, "target": "letter"},
        ],
    }


def _a_task(name: str, parameters: Json, executor: str = "format_data") -> Json:
    return {"name": name, "task_executor_name": executor, "parameters": parameters}
