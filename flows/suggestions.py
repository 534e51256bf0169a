"""What an author may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches

MAX_WORD_CHARS = 64
"""Longer words are never compared: it would cost more than it helps."""


def closest(word: str, candidates: Iterable[str], *, cutoff: float = 0.7) -> str | None:
    """Return the candidate most like a word, None if none is like it."""
    if len(word) > MAX_WORD_CHARS:
        return None
    by_folded = {
        candidate.casefold(): candidate
        for candidate in candidates
        if len(candidate) <= MAX_WORD_CHARS
    }
    matches = get_close_matches(word.casefold(), by_folded, n=1, cutoff=cutoff)
    return by_folded[matches[0]] if matches else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return ``, did you mean 'x'?`` to put behind a reason, empty without a likely candidate."""
    match = closest(word, candidates)
    return f", did you mean '{match}'?" if match is not None else ""
