"""Puts values where a text names them, in a single pass: what is inserted is never looked at again.

Source: docs/workflow-language.md, "Templates".
"""

import json
from collections.abc import Callable

from pydantic import JsonValue

from dialogs.filters import filtered
from dialogs.placeholders import ABSENT, Found, Placeholder, pieces

Lookup = Callable[[Placeholder], Found]


def render(text: str, lookup: Lookup) -> str:
    """Return a text with its placeholders replaced; one without a value stays as it is."""
    return "".join(
        piece if isinstance(piece, str) else _inserted(piece, lookup) for piece in pieces(text)
    )


def render_value(value: JsonValue, lookup: Lookup) -> JsonValue:
    """Return a JSON value with the placeholders in its strings replaced.

    A string that is one placeholder and nothing else becomes its value, of whatever type.
    """
    if isinstance(value, str):
        return _native(value, lookup)
    if isinstance(value, list):
        return [render_value(each, lookup) for each in value]
    if isinstance(value, dict):
        return {render(key, lookup): render_value(each, lookup) for key, each in value.items()}
    return value


def as_text(value: JsonValue) -> str:
    """Return a value as it is put into a text: a string as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def resolved(placeholder: Placeholder, lookup: Lookup) -> Found:
    """Return the value of a placeholder after its filters."""
    value = lookup(placeholder)
    return filtered(value, placeholder.filters) if placeholder.filters else value


def _inserted(placeholder: Placeholder, lookup: Lookup) -> str:
    value = resolved(placeholder, lookup)
    return placeholder.text if value is ABSENT else as_text(value)


def _native(text: str, lookup: Lookup) -> JsonValue:
    found = [*pieces(text)]
    if len(found) == 1 and isinstance(found[0], Placeholder):
        value = resolved(found[0], lookup)
        return text if value is ABSENT else value
    return render(text, lookup)
