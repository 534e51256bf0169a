"""What ends a run, or an effect, before its time; none of it reaches a caller as an exception."""


class RunFailedError(Exception):
    """The run cannot go on; the message says why, for people."""


class ExpressionError(RunFailedError):
    """A condition is not written in the language of conditions."""


class EffectExpiredError(Exception):
    """An effect was cut off at the time that its node may take."""
