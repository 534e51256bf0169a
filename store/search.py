"""Searching for a part of a text."""

import re

from flows.errors import InvalidError

MAX_SEARCH_CHARS = 1_000


def containing(text: str) -> re.Pattern[str]:
    """Return a pattern for values that contain a text, whatever its case.

    Raises:
        InvalidError: The text is longer than MongoDB could search for.
    """
    if len(text) > MAX_SEARCH_CHARS:
        raise InvalidError(f"search is longer than {MAX_SEARCH_CHARS} characters")
    return re.compile(re.escape(text), re.IGNORECASE)
