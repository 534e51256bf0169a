"""Seals secrets and opens them again; the only place that sees them in the clear in the store.

Source: docs/secrets.md; decision 0014.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from flows.errors import CredentialNotFoundError, EncryptionKeyMissingError, SealBrokenError
from flows.references import pieces
from flows.sealing import with_literals
from flows.secrets import credential_in, sealed_in
from runtime.encryption import Keyring
from store.credentials import CredentialRepository
from store.global_variables import VariableRepository
from store.rotation import SealedValue, SealedValues
from store.secrets import SecretRepository, StoredSecret
from store.values import Database


class Vault:
    """Secrets of all organizations; what belongs to one never opens for another."""

    def __init__(
        self,
        keyring: Keyring,
        secrets: SecretRepository,
        credentials: CredentialRepository,
        variables: VariableRepository,
    ) -> None:
        """Borrow everything."""
        self._keyring = keyring
        self._secrets = secrets
        self._credentials = credentials
        self._variables = variables

    @classmethod
    def over(cls, database: Database, keys: Sequence[str]) -> "Vault":
        """Return a vault on a database, with encryption keys in base64, newest first."""
        keyring = Keyring(keys)
        return cls(
            keyring,
            SecretRepository(database),
            CredentialRepository(database),
            VariableRepository(database),
        )

    @property
    def has_key(self) -> bool:
        """Return whether secrets can be kept here at all."""
        return self._keyring.has_key

    def seal_parameter(self, organization_id: str, flow_id: str, text: str) -> StoredSecret:
        """Return what is to be stored of a secret parameter's text.

        Raises:
            EncryptionKeyMissingError: No key is configured.
        """
        secret_id = uuid4().hex
        context = _of_parameter(organization_id, flow_id, secret_id)
        return StoredSecret(secret_id, self._keyring.seal(text.encode(), context))

    def seal_credential(self, organization_id: str, credential_id: str, value: str) -> bytes:
        """Return what is to be stored of a credential's value.

        Raises:
            EncryptionKeyMissingError: No key is configured.
        """
        context = _of_credential(organization_id, credential_id)
        return self._keyring.seal(value.encode(), context)

    def seal_variable(self, organization_id: str, variable_id: str, value: str) -> bytes:
        """Return what is to be stored of a secret global variable's value.

        Raises:
            EncryptionKeyMissingError: No key is configured.
        """
        return self._keyring.seal(value.encode(), _of_variable(organization_id, variable_id))

    async def open_variables(
        self, organization_id: str, names: Collection[str]
    ) -> Mapping[str, str]:
        """Return the values of secret global variables by their names.

        Raises:
            CredentialNotFoundError: The organization has no secret variable of a name.
            EncryptionKeyMissingError: It was sealed with a key that is not configured here.
            SealBrokenError: What is stored was tampered with.
            StoreUnavailableError: The store does not answer.
        """
        held = await self._variables.sealed_by_name(organization_id, names)
        opened: dict[str, str] = {}
        for name in names:
            if name not in held:
                raise CredentialNotFoundError(f"no secret variable is named '{name}'", name=name)
            variable_id, sealed = held[name]
            context = _of_variable(organization_id, variable_id)
            opened[name] = self._keyring.open(sealed, context).decode()
        return opened

    async def open(
        self, organization_id: str, flow_id: str, references: Collection[str]
    ) -> Mapping[str, str]:
        """Return the text behind each reference, by what stands between its braces.

        Raises:
            CredentialNotFoundError: The organization has no credential of a name, or the flow no
                such stored secret.
            EncryptionKeyMissingError: It was sealed with a key that is not configured here.
            SealBrokenError: What is stored was tampered with.
            StoreUnavailableError: The store does not answer.
        """
        ids = {found: text for text in references if (found := sealed_in(text)) is not None}
        names = {found: text for text in references if (found := credential_in(text)) is not None}
        opened: dict[str, str] = {}
        secrets = await self._secrets.find(organization_id, flow_id, ids)
        for secret_id, text in ids.items():
            if secret_id not in secrets:
                raise CredentialNotFoundError("a stored secret of this flow does not exist")
            context = _of_parameter(organization_id, flow_id, secret_id)
            opened[text] = self._keyring.open(secrets[secret_id], context).decode()
        held = await self._credentials.sealed_by_name(organization_id, names)
        for name, text in names.items():
            if name not in held:
                raise CredentialNotFoundError(f"no credential is named '{name}'", name=name)
            credential_id, sealed = held[name]
            context = _of_credential(organization_id, credential_id)
            opened[text] = self._keyring.open(sealed, context).decode()
        return opened

    async def open_text(self, organization_id: str, flow_id: str, text: str) -> str:
        """Return a secret parameter as its author wrote it, and with credentials in their places.

        Raises:
            As ``open``.
        """
        references = {piece for piece, is_reference in pieces(text) if is_reference}
        opened = await self.open(organization_id, flow_id, references)
        return with_literals(text, opened)


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a round of sealing anew came to.

    Attributes:
        current: Values that the newest key had sealed before.
        renewed: Values that it has sealed now.
        unreadable: Ids of values whose key is not configured, or that were tampered with.
    """

    current: int
    renewed: int
    unreadable: tuple[str, ...]


async def rotate(keyring: Keyring, values: SealedValues) -> Rotation:
    """Seal every stored secret with the newest key; may run while the platform does, and again.

    Raises:
        EncryptionKeyMissingError: No key is configured.
    """
    if not keyring.has_key:
        raise EncryptionKeyMissingError(
            "no encryption key is configured: set PERDURE_ENCRYPTION_KEYS"
        )
    current = renewed = 0
    unreadable: list[str] = []
    async for value in values.all():
        if keyring.is_newest(value.sealed):
            current += 1
            continue
        try:
            context = _context_of(value)
            sealed = keyring.seal(keyring.open(value.sealed, context), context)
        except (EncryptionKeyMissingError, SealBrokenError):
            unreadable.append(value.id)
            continue
        # One that was changed meanwhile was sealed by a running process, with its newest key.
        renewed += await values.replace(value, sealed)
    return Rotation(current, renewed, tuple(unreadable))


def _context_of(value: SealedValue) -> str:
    if value.kind == "variable":
        return _of_variable(value.organization_id, value.id)
    if value.flow_id is None:
        return _of_credential(value.organization_id, value.id)
    return _of_parameter(value.organization_id, value.flow_id, value.id)


def _of_parameter(organization_id: str, flow_id: str, secret_id: str) -> str:
    return f"parameter/{organization_id}/{flow_id}/{secret_id}"


def _of_credential(organization_id: str, credential_id: str) -> str:
    return f"credential/{organization_id}/{credential_id}"


def _of_variable(organization_id: str, variable_id: str) -> str:
    return f"variable/{organization_id}/{variable_id}"
