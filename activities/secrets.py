"""Opens the secrets of a task where it runs, and keeps them from leaving it again.

Source: docs/secrets.md; decision 0014.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import JsonValue

from activities.redaction import Redactor
from contracts.messages import TaskCall
from flows.errors import (
    CredentialNotFoundError,
    EncryptionKeyMissingError,
    SealBrokenError,
    TaskFailedError,
)
from flows.secrets import MASK, SecretUse, replaced
from operations.vault import Vault


@dataclass(frozen=True, slots=True)
class Opened:
    """A call with its secrets in place, and what takes them out of what comes back."""

    call: TaskCall
    redactor: Redactor


OpenSecrets = Callable[[TaskCall], Awaitable[Opened]]


async def opened(vault: Vault, call: TaskCall) -> Opened:
    """Put a call's secrets where their masks stand.

    Raises:
        TaskFailedError: ``UnknownCredential`` and ``SecretUnreadable``, both final.
        StoreUnavailableError: The store does not answer.
    """
    references = {part.reference for use in call.secrets for part in use.parts if part.reference}
    try:
        texts = await vault.open(call.context.organization_id, call.context.flow_id, references)
    except CredentialNotFoundError as error:
        raise TaskFailedError(error.message, type="UnknownCredential") from None
    except (EncryptionKeyMissingError, SealBrokenError) as error:
        raise TaskFailedError(error.message, type="SecretUnreadable") from None
    parameters = call.parameters
    # From behind, so that what is put in does not move the masks that are still to be replaced.
    for use in sorted(call.secrets, key=lambda use: use.start, reverse=True):
        parameters = _filled(parameters, use, _joined(use, texts))
    filled = call.model_copy(update={"parameters": parameters, "secrets": []})
    wholes = [_joined(use, texts) for use in call.secrets]
    return Opened(filled, Redactor([*texts.values(), *wholes]))


def _joined(use: SecretUse, texts: Mapping[str, str]) -> str:
    return "".join(texts[part.reference] if part.reference else part.text for part in use.parts)


def _filled(parameters: dict[str, JsonValue], use: SecretUse, text: str) -> dict[str, JsonValue]:
    """Return parameters in which one mask is replaced."""
    shown: Any = parameters
    for step in use.path:
        shown = shown[step]
    if not shown.startswith(MASK, use.start):
        raise LookupError(use.start)
    whole = shown[: use.start] + text + shown[use.start + len(MASK) :]
    return cast("dict[str, JsonValue]", replaced(parameters, use.path, whole))
