"""One word for what newer readers find in several fields."""

from enum import StrEnum

from store.status import status_word as status_word


class TaskExecutionEditedStatus(StrEnum):
    """Whether a person changed the output of a task execution, and whether dependants followed."""

    NOT_EDITED = "not_edited"
    EDITED_NOT_REEXECUTED = "edited_not_reexecuted"
    EDITED_REEXECUTED = "edited_reexecuted"


class TaskOutputEditedStatus(StrEnum):
    """Whether a person changed any output of a task."""

    NOT_EDITED = "not_edited"
    EDITED = "edited"


class StaleStatus(StrEnum):
    """Whether what a result was made from has changed since."""

    CONSISTENT = "consistent"
    STALE = "stale"
