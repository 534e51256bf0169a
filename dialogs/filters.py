"""Filters of templates: those of Liquid that need neither a clock nor anything from outside.

Source: docs/workflow-language.md, "Templates"; decision 0046.
"""

from functools import lru_cache

from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError
from pydantic import JsonValue

from dialogs.placeholders import ABSENT, Found

FILTERS = (
    *("abs", "append", "at_least", "at_most", "capitalize", "ceil", "compact", "concat"),
    *("default", "divided_by", "downcase", "escape", "escape_once", "first", "floor", "join"),
    *("last", "lstrip", "map", "minus", "modulo", "newline_to_br", "plus", "prepend", "remove"),
    *("remove_first", "remove_last", "replace", "replace_first", "replace_last", "reverse"),
    *("round", "rstrip", "size", "slice", "sort", "sort_natural", "split", "strip", "strip_html"),
    *("strip_newlines", "sum", "times", "truncate", "truncatewords", "uniq", "upcase"),
    *("url_decode", "url_encode", "where"),
)
_MAX_RESULT_CHARS = 1_000_000


def filtered(value: Found, filters: str) -> Found:
    """Return a value after its filters; absent where one is unknown or cannot take it.

    Of a value that is absent only ``default``, if it comes first, makes anything.

    Args:
        filters: What stands after the first bar, e.g. ``sort | join: ", "``.
    """
    if value is ABSENT and not filters.startswith("default"):
        return ABSENT
    try:
        template = _compiled(filters)
        kept: list[JsonValue] = []
        given = {} if value is ABSENT else {"value": value}
        template.render(**given, kept=_Keeper(kept))
    except (LiquidError, ValueError, TypeError, ArithmeticError):
        return ABSENT
    return kept[0] if kept and len(str(kept[0])) <= _MAX_RESULT_CHARS else ABSENT


class _Keeper:
    """Takes the value out of a template, which would only give text."""

    def __init__(self, kept: list[JsonValue]) -> None:
        self.kept = kept


def _keep(value: object, keeper: _Keeper) -> str:
    # Filters give strings of a class of their own, and lists of views.
    keeper.kept.append(_plain(value))
    return ""


def _plain(value: object) -> JsonValue:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value)


def _environment() -> Environment:
    environment = Environment(strict_filters=True)
    environment.filters = {
        name: each for name, each in environment.filters.items() if name in FILTERS
    }
    environment.add_filter("keep_for_perdure", _keep)
    return environment


@lru_cache(maxsize=512)
def _compiled(filters: str) -> BoundTemplate:
    if "{" in filters or "}" in filters or "keep_for_perdure" in filters:
        raise ValueError("no braces in filters")
    environment = _environment()
    return environment.from_string("{{ value | " + filters + " | keep_for_perdure: kept }}")
