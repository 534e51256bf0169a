"""Takes secrets out of whatever a task hands back: output, error, traceback, log lines.

Source: docs/secrets.md, "What comes back".
"""

import base64
import html
import json
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote, quote_plus

from pydantic import JsonValue

from activities.failures import FailureOfSecretWork, task_error
from contracts.messages import TaskError
from flows.secrets import MASK

MIN_CHARS = 4
"""Shorter values are left: they would turn up by chance everywhere."""

MIN_PART_CHARS = 8
"""Length from which a piece of a value counts, where a message was cut, or base64 is embedded."""


class Redactor:
    """Replaces each of some values, however it is written, by a mask."""

    def __init__(self, values: Iterable[str]) -> None:
        """Prepare the forms of each value, longest first, so that none is cut by another."""
        forms = {form for value in values if len(value) >= MIN_CHARS for form in _forms(value)}
        self._forms = sorted(forms, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return a text without the values."""
        return _without(text, self._forms)

    def stream(self) -> "StreamRedactor":
        """Return what does the same to a text that comes in pieces."""
        return StreamRedactor(self._forms)

    def message(self, text: str) -> str:
        """Return a text that may have been cut: also without a value's beginning at its end."""
        text = self.text(text)
        body = text.rstrip("….")
        for form in self._forms:
            for length in range(min(len(form), len(body)), MIN_PART_CHARS - 1, -1):
                if body.endswith(form[:length]):
                    return body[:-length] + MASK
        return text

    def value(self, value: JsonValue) -> JsonValue:
        """Return a value of any kind without the values, in keys as well."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, bool) or value is None:
            return value
        return MASK if str(value) in self._forms else value

    def error(self, error: Exception) -> Exception:
        """Return an exception to raise instead: it says the same, without the values."""
        said = task_error(error)
        return FailureOfSecretWork(
            TaskError(
                message=self.message(said.message),
                type=self.text(said.type),
                traceback=self.message(said.traceback) if said.traceback else said.traceback,
            ),
            error,
        )


class StreamRedactor:
    """Replaces values in a text that comes in pieces; what may begin one is held back."""

    def __init__(self, forms: Sequence[str]) -> None:
        """Take the forms, longest first."""
        self._forms = forms
        self._held = ""

    def text(self, piece: str) -> str:
        """Return what may be shown by now."""
        text = _without(self._held + piece, self._forms)
        held = max((_begun(text, form) for form in self._forms), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> str:
        """Return what was held back, at the end of the text."""
        rest, self._held = self._held, ""
        return rest


def _without(text: str, forms: Iterable[str]) -> str:
    for form in forms:
        if form in text:
            text = text.replace(form, MASK)
    return text


def _begun(text: str, form: str) -> int:
    """Return how many characters at the end of a text are the beginning of a form."""
    longest = min(len(form) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if text.endswith(form[:n])), 0)


def _forms(value: str) -> Iterator[str]:
    """Yield the ways in which a value may turn up."""
    yield value
    data = value.encode(errors="surrogatepass")
    for dumped in (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value)):
        yield dumped[1:-1]
    if "\n" in value:
        yield value.replace("\n", "\r\n")
        yield " ".join(value.split())
    if value.strip():
        yield value.strip()
    for encoded in (quote(data), quote(data, safe=""), quote_plus(data)):
        yield encoded
        yield encoded.lower()
    yield html.escape(value)
    yield data.hex()
    yield data.hex().upper()
    yield from _base64_forms(data)


def _base64_forms(data: bytes) -> Iterator[str]:
    """Yield the Base64 of some bytes, whole, and as it reads inside that of longer ones.

    Of a piece only those characters count that depend on nothing around it.
    """
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(data).decode()
        yield encode(data).decode().rstrip("=")
        for shift in range(3):
            whole = encode(bytes(shift) + data).decode()
            start = (shift * 8 + 5) // 6
            end = (shift + len(data)) * 8 // 6
            if end - start >= MIN_PART_CHARS:
                yield whole[start:end]
