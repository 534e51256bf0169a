"""Stored definitions as flows: parsed once per version, since a version never changes."""

from collections import OrderedDict

from flows.model import Flow
from flows.parse import parse_definition
from store.models import FlowRecord

MAX_KEPT = 256


class Definitions:
    """Parses what is stored and keeps the latest results; versions are immutable."""

    def __init__(self) -> None:
        """Start empty."""
        self._kept: OrderedDict[tuple[str, int], Flow] = OrderedDict()

    def flow(self, record: FlowRecord) -> Flow:
        """Return the flow in a record; what an author got wrong is left out of it."""
        key = (record.id, record.version)
        flow = self._kept.get(key)
        if flow is None:
            flow = parse_definition(record.definition).flow
            self._kept[key] = flow
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return flow
