"""How long the work of one attempt may take."""

from datetime import timedelta

from temporalio import activity

_LARGEST_MARGIN = timedelta(seconds=2)


def allowed_seconds(default: timedelta) -> float:
    """Return the time for the work itself: a tenth, at most 2 s, less than the attempt has.

    So an attempt that takes too long ends in a failure of ours that says what took so long.

    Args:
        default: Where the attempt has no limit of its own.
    """
    given = activity.info().start_to_close_timeout or default
    return (given - min(given / 10, _LARGEST_MARGIN)).total_seconds()
