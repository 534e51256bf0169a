"""What is different between two graphs, entity by entity.

Source: docs/workflows-api.md, "Versions".
"""

from collections.abc import Iterator

from pydantic import JsonValue

Document = dict[str, JsonValue]

_MISSING = object()


def changes(old: JsonValue, new: JsonValue, path: str = "") -> Iterator[Document]:
    """Yield what differs, by dotted path; a list is one value. What is missing is null."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys((*old, *new)):
            if old.get(name, _MISSING) is not _MISSING or name in new:
                below = f"{path}.{name}" if path else name
                yield from changes(old.get(name), new.get(name), below)
    elif old != new or type(old) is not type(new):
        yield {"path": path, "old_value": old, "new_value": new}


def entities(old: Document, new: Document, key: str, kind: str) -> list[JsonValue]:
    """Return which nodes or edges were added, removed and modified.

    Args:
        key: ``node_configs`` or ``edge_configs``.
        kind: What the type is called: ``node_type`` or ``edge_type``.
    """
    before, after = _by_id(old, key), _by_id(new, key)
    found: list[JsonValue] = []
    for logical_id in dict.fromkeys((*before, *after)):
        was, now = before.get(logical_id), after.get(logical_id)
        shown = now if now is not None else was or {}
        different: list[JsonValue] = []
        if was is not None and now is not None:
            different = [*changes(was, now)]
        status = "added" if was is None else "removed" if now is None else "modified"
        if status != "modified" or different:
            found.append(
                {
                    "logical_id": logical_id,
                    "name": shown.get("name"),
                    kind: shown.get("type"),
                    "status": status,
                    "changes": different,
                }
            )
    return found


def _by_id(graph: Document, key: str) -> dict[str, Document]:
    listed = graph.get(key)
    return {
        str(each.get("logical_id")): each
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict)
    }
