"""What outside workers say about tasks: which word is later, and what a free word means.

Source: docs/outside-workers.md, "What counts".
"""

from difflib import get_close_matches

from store.models import ProcessingStatus as P
from store.rows import REPORTED, RUNNING

_ORDER = {
    P.DELETED: -1,
    P.QUEUED: 0,
    P.RUNNING: 1,
    P.AWAITING_INPUT: 1,
    P.CANCEL_REQUESTED: 2,
    P.COMPLETED: 3,
    P.FAILED: 3,
    P.CANCELLED: 3,
}
_LAST = 3

_MEANING = {
    "": P.QUEUED,
    "pending": P.QUEUED,
    "scheduled": P.QUEUED,
    "in_progress": P.RUNNING,
    "started": P.RUNNING,
    "processing": P.RUNNING,
    "retrying": P.RUNNING,
    "done": P.COMPLETED,
    "finished": P.COMPLETED,
    "skipped": P.COMPLETED,
    "succeeded": P.COMPLETED,
    "success": P.COMPLETED,
    "error": P.FAILED,
    "errored": P.FAILED,
    "timed_out": P.FAILED,
    "timeout": P.FAILED,
    "in_review": P.AWAITING_INPUT,
    "paused": P.AWAITING_INPUT,
    "suspended": P.AWAITING_INPUT,
    "waiting": P.AWAITING_INPUT,
    "waiting_for_input": P.AWAITING_INPUT,
    "aborted": P.CANCELLED,
    "canceled": P.CANCELLED,
    "terminated": P.CANCELLED,
    "canceling": P.CANCEL_REQUESTED,
    "cancelling": P.CANCEL_REQUESTED,
}

SKIPPED = "skipped"


def has_ended(status: P) -> bool:
    """Return whether nothing follows this status."""
    return _ORDER[status] == _LAST


def is_earlier(status: P, held: P) -> bool:
    """Return whether a report with this status comes too late to be shown."""
    return _ORDER[status] < _ORDER[held]


def may_follow(status: P, held: P) -> bool:
    """Return whether a status may be shown after another; what has ended keeps its ending."""
    if has_ended(held):
        return status is held
    return not is_earlier(status, held)


def later_of(status: P, held: P | None) -> P:
    """Return which of two statuses is shown."""
    return status if held is None or may_follow(status, held) else held


def rank_of(status: P) -> int:
    """Return how final a row of an outside worker is."""
    if has_ended(status):
        return REPORTED
    return 0 if status is P.QUEUED else RUNNING


def nearest_status(word: str | None) -> P:
    """Return what a free word comes closest to; null is ``queued``, and a riddle ``running``."""
    told = (word or "").strip().lower().replace("-", "_").replace(" ", "_")
    if told in _MEANING:
        return _MEANING[told]
    close = get_close_matches(told, [status.value for status in P], n=1)
    return P(close[0]) if close else P.RUNNING
