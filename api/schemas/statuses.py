"""One word for what newer readers find in several fields."""

from store.models import ProcessingStatus

_ENDED = (ProcessingStatus.COMPLETED, ProcessingStatus.FAILED)


def status_word(processing_status: ProcessingStatus, stale_status: str) -> str:
    """Return ``stale`` for ended work that is outdated, else the processing status.

    Source: docs/api.md, "Statuses".
    """
    if stale_status == "stale" and processing_status in _ENDED:
        return "stale"
    return processing_status.value
