"""Puts examples where readers of the document look for them."""

from collections.abc import Iterator
from typing import Any

from api.examples.composing import Composer
from api.examples.operations import ANSWERS, PARAMETERS, REQUESTS
from api.media_types import JSON

Operation = tuple[tuple[str, str], dict[str, Any]]
"""Method and path, and what the document says of them."""


def add_examples(document: dict[str, Any]) -> None:
    """Add one to every JSON body that is taken or answered when all is well.

    Parameters get one only if no call goes without them: pages that try calls out fill examples in,
    and a filter that nobody asked for would hide what they look for.
    """
    composer = Composer(document["components"]["schemas"])
    for key, operation in operations_of(document):
        for parameter in operation.get("parameters", []):
            if parameter.get("required") and parameter["name"] in PARAMETERS:
                parameter["example"] = PARAMETERS[parameter["name"]]
        if body := operation.get("requestBody", {}).get("content", {}).get(JSON):
            body["example"] = REQUESTS.get(key) or composer.example(body["schema"])
        for status, answer in operation["responses"].items():
            body = answer.get("content", {}).get(JSON)
            if body and status.startswith("2"):
                body["example"] = ANSWERS.get(key) or composer.example(body["schema"])


def operations_of(document: dict[str, Any]) -> Iterator[Operation]:
    """Yield every operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield (method, path), operation
