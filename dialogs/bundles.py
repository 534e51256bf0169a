"""Graphs on their way to somewhere else: what is secret stays behind.

Source: docs/workflows-api.md, "Bundles".
"""

import copy
import re

from pydantic import JsonValue

from dialogs.placeholders import Placeholder, pieces

Document = dict[str, JsonValue]

KEY = "api_key"
HEADERS = frozenset({"headers", "default_headers", "api_headers"})

_TELLING = re.compile(r"authorization|api.?key|token|secret|password|cookie", re.IGNORECASE)


def without_credentials(graph: Document) -> Document:
    """Return a graph without keys of models, and without headers that hold credentials.

    What is one variable and nothing else is no credential itself, so it stays.
    """
    result = copy.deepcopy(graph)
    _clean(result, in_headers=False)
    return result


def _clean(value: JsonValue, *, in_headers: bool) -> None:
    if isinstance(value, dict):
        for name in [*value]:
            each = value[name]
            tells = name == KEY or (in_headers and _TELLING.search(name) is not None)
            if tells and isinstance(each, str) and not _is_variable(each):
                del value[name]
            else:
                _clean(each, in_headers=name in HEADERS)
    elif isinstance(value, list):
        for each in value:
            _clean(each, in_headers=in_headers)


def _is_variable(text: str) -> bool:
    """Return whether a text is variables and the words of a scheme, such as ``Bearer {{key}}``."""
    found = [*pieces(text)]
    around = "".join(each for each in found if isinstance(each, str)).strip()
    names = any(isinstance(each, Placeholder) for each in found)
    return names and around.lower() in ("", "bearer", "basic", "token") and "secret:" not in text
