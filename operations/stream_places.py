"""How many streams of events one process serves, whatever they tell of."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from flows.errors import EngineError, ServerStoppingError, TooManyStreamsError


class StreamPlaces:
    """The places of all streams of this process."""

    def __init__(self, *, max_streams: int, max_streams_of_organization: int) -> None:
        """Begin with all of them free.

        Args:
            max_streams: How many there are.
            max_streams_of_organization: How many of them one organization may have.
        """
        self._max_streams = max_streams
        self._max_of_organization = max_streams_of_organization
        self._streams: Counter[str] = Counter()
        self._is_stopping = False

    def stop(self) -> None:
        """Give out no more."""
        self._is_stopping = True

    @contextmanager
    def place(self, organization_id: str) -> Iterator[None]:
        """Take one of the places.

        Raises:
            TooManyStreamsError: None is free.
            ServerStoppingError: This process stops.
        """
        if self._is_stopping:
            raise stopping()
        if self._streams[organization_id] >= self._max_of_organization:
            raise TooManyStreamsError(
                "the organization follows as many streams of events as it may",
                max_streams=self._max_of_organization,
            )
        if self._streams.total() >= self._max_streams:
            raise TooManyStreamsError("this process serves as many streams of events as it may")
        self._streams[organization_id] += 1
        try:
            yield
        finally:
            self._streams[organization_id] -= 1
            if not self._streams[organization_id]:
                del self._streams[organization_id]


def stopping() -> EngineError:
    """Return what readers are told when their process stops."""
    return ServerStoppingError("this process stops; follow again with the last event id")
