"""What is stored of a definition that holds secrets, and what is said about its secrets.

Source: docs/secrets.md; decision 0014.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from flows.errors import (
    CredentialNotFoundError,
    EncryptionKeyMissingError,
    Fault,
    InvalidDefinitionError,
    SealBrokenError,
)
from flows.model import Flow
from flows.parse import accepted
from flows.sealing import (
    Document,
    Place,
    forged,
    literals,
    secret_texts,
    tasks_in,
    unmasked,
    with_literals,
    with_references,
    with_texts,
)
from flows.secrets import credentials_of, sealed_ids
from flows.shapes import without_expansions
from operations.vault import Vault
from store.credentials import CredentialRepository
from store.secrets import StoredSecret


@dataclass(frozen=True, slots=True)
class Sealed:
    """A definition as it is to be stored, with the secrets that come with it."""

    definition: dict[str, JsonValue]
    secrets: Sequence[StoredSecret]


class Sealing:
    """Keeps secrets out of stored definitions."""

    def __init__(self, vault: Vault, credentials: CredentialRepository) -> None:
        """Borrow everything."""
        self._vault = vault
        self._credentials = credentials

    async def sealed(
        self,
        organization_id: str,
        flow_id: str,
        document: Document,
        previous: Document | None = None,
    ) -> Sealed:
        """Return a definition with every secret sealed, and every mask as it was.

        Args:
            document: Accepted before.
            previous: The version that masks come from, as it is stored.

        Raises:
            TooLargeError: With secrets sealed it is longer than a definition may be.
            InvalidDefinitionError: A mask stands for nothing, or it holds secrets and no key is
                configured.
        """
        texts, faults = unmasked(document, previous)
        restored = with_texts(without_expansions(document), texts)
        faults = [*forged(document), *faults, *self._without_key(restored)]
        if faults:
            noun = "fault" if len(faults) == 1 else "faults"
            raise InvalidDefinitionError(f"the flow definition has {len(faults)} {noun}", faults)
        kept = await self._kept(organization_id, flow_id, restored, previous)
        secrets: list[StoredSecret] = []
        for task, path, text in secret_texts(restored):
            if (task.index, path) in kept:
                continue
            made = [
                self._vault.seal_parameter(organization_id, flow_id, literal)
                for literal in literals(text)
            ]
            secrets.extend(made)
            kept[task.index, path] = with_references(text, [secret.id for secret in made])
        if not kept:
            return Sealed(restored, ())
        result = with_texts(restored, kept)
        accepted(result)
        return Sealed(result, secrets)

    async def faults(
        self, organization_id: str, document: Document, previous: Document | None, flow: Flow
    ) -> list[Fault]:
        """Return what is wrong with a definition's secrets; it need not be stored.

        Args:
            flow: What the definition says, as far as it could be read.
        """
        try:
            texts, faults = unmasked(document, previous)
            faults = [*forged(document), *faults, *self._without_key(with_texts(document, texts))]
        except InvalidDefinitionError:
            return []  # it has no list of tasks, which is told elsewhere
        return [*faults, *await self.unknown_credentials(organization_id, flow)]

    async def unknown_credentials(self, organization_id: str, flow: Flow) -> list[Fault]:
        """Return where a flow refers to credentials that its organization does not have."""
        names = {task.name for task in flow.tasks}
        places = [
            (("tasks", index, "parameters", *path), name)
            for index, task in enumerate(flow.tasks)
            for path, name in credentials_of(task, names)
        ]
        if not places:
            return []
        wanted = {name for _, name in places}
        known = await self._credentials.sealed_by_name(organization_id, wanted)
        return [
            Fault(place, f"no credential is named '{name}'", "unknown_credential", rejects=False)
            for place, name in places
            if name not in known
        ]

    async def _kept(
        self, organization_id: str, flow_id: str, document: Document, previous: Document | None
    ) -> dict[Place, str]:
        """Return what stays as it is stored: secrets that were sent again, unchanged.

        So results that depend on them stay valid.
        """
        if previous is None:
            return {}
        earlier = {(task.name, task.executor): task for task in tasks_in(previous)}
        stored = {
            (task.index, path): (known, text)
            for task, path, text in secret_texts(document)
            if (before := earlier.get((task.name, task.executor))) is not None
            and (known := before.sealed_at(path)) is not None
        }
        references = {
            f"secret:{found}" for known, _ in stored.values() for found in sealed_ids(known)
        }
        try:
            opened = await self._vault.open(organization_id, flow_id, references)
        except (CredentialNotFoundError, EncryptionKeyMissingError, SealBrokenError):
            return {}  # what cannot be compared is kept anew
        return {
            place: known
            for place, (known, text) in stored.items()
            if with_literals(known, opened) == with_literals(text, {})
        }

    def _without_key(self, document: Document) -> list[Fault]:
        """Return which secrets cannot be kept here."""
        if self._vault.has_key:
            return []
        reason = "no encryption key is configured (PERDURE_ENCRYPTION_KEYS), so no secret is kept"
        return [
            Fault(("tasks", task.index, "parameters", *path), reason, "no_encryption_key")
            for task, path, _ in secret_texts(document)
        ]
