"""Which status of a flow execution may follow which; one word for what several fields say.

``deleted`` is final.

Source: docs/api.md, "Statuses".
"""

from store.models import ExecutionStatus as S
from store.models import ProcessingStatus

ACTIVE = (S.QUEUED, S.RUNNING, S.IN_PROGRESS, S.AWAITING_INPUT)
VISIBLE = tuple(status for status in S if status is not S.DELETED)

_UNFINISHED = (*ACTIVE, S.CANCEL_REQUESTED)

_MAY_COME_FROM: dict[S, tuple[S, ...]] = {
    S.QUEUED: (),
    S.RUNNING: (S.QUEUED, S.AWAITING_INPUT),
    S.IN_PROGRESS: (S.QUEUED, S.RUNNING, S.AWAITING_INPUT),
    S.AWAITING_INPUT: (S.QUEUED, S.RUNNING, S.IN_PROGRESS),
    S.CANCEL_REQUESTED: ACTIVE,
    S.CANCELLED: _UNFINISHED,
    S.COMPLETED: _UNFINISHED,
    S.FAILED: _UNFINISHED,
    S.EDITED: (S.COMPLETED,),
    S.STALE: (S.COMPLETED, S.FAILED, S.EDITED),
    S.DELETED: VISIBLE,
}


def sources(status: S) -> list[str]:
    """Return the statuses that this one may follow; a report from any other comes too late."""
    return [source.value for source in _MAY_COME_FROM[status]]


_ENDED = (ProcessingStatus.COMPLETED, ProcessingStatus.FAILED)


def status_word(processing_status: ProcessingStatus, stale_status: str) -> str:
    """Return ``stale`` for ended work that is outdated, else the processing status."""
    if stale_status == "stale" and processing_status in _ENDED:
        return "stale"
    return processing_status.value
