"""How long the work of one attempt may take."""

from datetime import timedelta

from temporalio import activity

_MARGIN = timedelta(seconds=2)
_SHORTEST = timedelta(seconds=0.1)


def allowed_seconds(default: timedelta) -> float:
    """Return the time for the work itself: a little less than Temporal gives the attempt.

    So an attempt that takes too long ends in a failure of ours that says what took so long.

    Args:
        default: Where the attempt has no limit of its own.
    """
    given = activity.info().start_to_close_timeout or default
    return max(given - _MARGIN, given / 2, _SHORTEST).total_seconds()
