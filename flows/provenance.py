"""Whose outputs a pass-through task passes on.

Source: docs/task-executors.md, "Pass-through tasks".
"""

from collections.abc import Mapping

from pydantic import JsonValue

from flows.references import occurrences


def sources(template: JsonValue, places: Mapping[str, JsonValue]) -> JsonValue:
    """Return where what is passed on comes from; None where it comes from no single task execution.

    Text around a reference makes something new of it, so only whole references count.

    Args:
        template: What is passed on, its references not yet resolved.
        places: The task execution behind each reference, by ``Reference.text``.
    """
    found = {
        ".".join(map(str, occurrence.location)): places[occurrence.text]
        for occurrence in occurrences(template)
        if occurrence.is_whole and occurrence.text in places
    }
    if not found:
        return None
    root = found.pop("", None)
    return {"root": root, "fields": found}
