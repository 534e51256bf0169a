"""What is handed to interactive runs: what no turn is made of, and what is the same as before.

Source: docs/workflows-api.md, "Runs".
"""

from pydantic import JsonValue

from dialogs.state import RunInput
from flows.errors import IdempotencyConflictError, InvalidError
from store.interactive_runs import RunRecord


def refuse_unusable(given: RunInput, run_id: str | None) -> None:
    """Refuse what no turn can be made of.

    Raises:
        InvalidError: A command for a run that is not named, or something that runs do not take.
    """
    if run_id is None and given.command in ("stop", "pause", "resume"):
        raise InvalidError(f"which run is to {given.command}? run_id is missing")
    if given.command == "pause":
        raise InvalidError("runs cannot be paused: one that waits holds nothing")
    if given.initial_state is not None:
        raise InvalidError("a run begins without a state: initial_state must be null")


def refuse_other_beginning(record: RunRecord, given: RunInput, version_number: int | None) -> None:
    """Refuse a key that began a run with something else.

    Raises:
        IdempotencyConflictError: It did.
    """
    if version_number not in (None, record.version_number):
        raise IdempotencyConflictError("this key began a run of another version before")
    if record.start is not None:
        refuse_other(record.start.queued[0].run_input.model_dump(mode="json"), given)


def refuse_other_repetition(made: RunRecord, wanted: RunRecord) -> None:
    """Refuse a key that began another run than the repetition that is wanted.

    Raises:
        IdempotencyConflictError: It did.
    """
    if (made.source_run_id, made.source_turn_index) != (
        wanted.source_run_id,
        wanted.source_turn_index,
    ):
        raise IdempotencyConflictError("this key began another run before")
    if wanted.start is not None:
        refuse_other_beginning(made, wanted.start.queued[0].run_input, wanted.start.version_number)


def refuse_other(stored: JsonValue, given: RunInput) -> None:
    """Refuse an input that is not the one that came before; fields may have come up since then.

    Raises:
        IdempotencyConflictError: It is another one.
    """
    if RunInput.model_validate(stored).model_dump() != given.model_dump():
        raise IdempotencyConflictError("this key came with another input before")


def id_of_messages(given: RunInput) -> str | None:
    """Return the ids of what was said as one; None unless every message has one."""
    ids = [message.id for message in given.messages]
    return ",".join(each for each in ids if each) if ids and all(ids) else None
