"""Collecting faults: all of them up to a bound, and what to say about an unknown word."""

from collections.abc import Collection, Iterable, Iterator

from pydantic import JsonValue

from flows.errors import Fault
from flows.suggestions import did_you_mean

MAX_FAULTS = 500
MAX_COMPARISONS = 5_000
"""Candidates that may be looked at for suggestions, all faults together."""

_MAX_SHOWN_CHARS = 200

Location = tuple[str | int, ...]


class Faults:
    """Faults in the order found. Beyond the bound they are dropped, and one fault says so."""

    def __init__(self) -> None:
        """Start without any."""
        self._faults: list[Fault] = []
        self._comparisons_left = MAX_COMPARISONS

    def __iter__(self) -> Iterator[Fault]:
        """Walk the faults."""
        return iter(self._faults)

    @property
    def has_any(self) -> bool:
        """Whether anything was found."""
        return bool(self._faults)

    @property
    def is_full(self) -> bool:
        """Whether more would be dropped; a hint to stop looking."""
        return len(self._faults) >= MAX_FAULTS

    def add(
        self,
        location: Location,
        reason: str,
        type: str,
        *,
        rejects: bool = True,
        input: JsonValue = None,
    ) -> None:
        """Note one fault."""
        self.extend([Fault(location, reason, type, rejects, shown(input))])

    def add_unknown(
        self,
        location: Location,
        reason: str,
        type: str,
        word: str,
        candidates: Collection[str],
        *,
        rejects: bool = True,
    ) -> None:
        """Note that a word is not known, with the most similar one that is."""
        hint = ""
        if self._comparisons_left >= len(candidates) and not self.is_full:
            self._comparisons_left -= len(candidates)
            hint = did_you_mean(word, candidates)
        self.add(location, reason + hint, type, rejects=rejects, input=word)

    def extend(self, faults: Iterable[Fault]) -> None:
        """Note several faults."""
        for fault in faults:
            if not self.is_full:
                self._faults.append(fault)
            elif self._faults[-1].type != "too_many_faults":
                reason = f"more than {MAX_FAULTS} faults; the rest is left out"
                self._faults.append(Fault((), reason, "too_many_faults", rejects=True))


def shown(value: JsonValue) -> JsonValue:
    """Return what a fault repeats of the value it is about: short scalars only."""
    if isinstance(value, str) and len(value) > _MAX_SHOWN_CHARS:
        return value[:_MAX_SHOWN_CHARS] + "…"
    return None if isinstance(value, dict | list) else value
