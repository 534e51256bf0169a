"""Use cases of global variables: values of an organization that its workflows read.

Source: docs/workflows-api.md, "Global variables"; docs/permissions.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from dialogs.templates import as_text
from dialogs.variables import GLOBAL
from flows.canonical import canonical_bytes
from flows.errors import ConflictError, InvalidError, TooLargeError
from flows.secrets import CREDENTIALS, MASK
from operations.caller import Caller, Role
from operations.vault import Vault
from store.clock import now
from store.global_variables import VariableQuery, VariableRecord, VariableRepository
from store.models import Page
from store.workflows import new_object_id

MAX_VARIABLES = 200
MAX_VALUE_BYTES = 8 * 1024
"""All of an organization's variables travel with every run."""

SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVariable:
    """What a caller sends to create a variable."""

    name: str
    value: JsonValue
    description: str | None = None
    category: str | None = None
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class BulkFailure:
    """Why one of many variables was not created."""

    name: str
    error: str


class GlobalVariables:
    """What callers may do with variables; nobody is ever told the value of a secret one.

    Every method raises ForbiddenError for too low a role, and VariableNotFoundError for a variable
    that does not exist or is another organization's.
    """

    def __init__(self, variables: VariableRepository, vault: Vault) -> None:
        """Borrow everything."""
        self._variables = variables
        self._vault = vault

    async def create(self, caller: Caller, new: NewVariable) -> VariableRecord:
        """Store a variable.

        Raises:
            InvalidError: Its name or category is the platform's, or its value a mask.
            TooLargeError: The value is too long.
            ConflictError: The organization has one of this name, or as many as it may.
            EncryptionKeyMissingError: It is secret, and no key is configured.
        """
        _may_write(caller)
        _refuse_words(new.name, new.category)
        if await self._variables.count(caller.organization_id) >= MAX_VARIABLES:
            raise ConflictError(f"an organization has at most {MAX_VARIABLES} variables")
        at, variable_id = now(), new_object_id()
        record = VariableRecord(
            id=variable_id,
            organization_id=caller.organization_id,
            name=new.name,
            value=None,
            sealed=None,
            description=new.description,
            category=new.category,
            created_by=caller.user_id,
            updated_by=caller.user_id,
            created_at=at,
            updated_at=at,
        )
        record = self._holding(record, new.value, is_secret=new.is_secret)
        await self._variables.create(record)
        return record

    async def create_many(
        self, caller: Caller, many: Sequence[NewVariable]
    ) -> tuple[list[VariableRecord], list[BulkFailure]]:
        """Store variables one by one; those that are refused keep none of the others out."""
        _may_write(caller)
        created: list[VariableRecord] = []
        failures: list[BulkFailure] = []
        for new in many:
            try:
                created.append(await self.create(caller, new))
            except (InvalidError, ConflictError, TooLargeError) as error:
                failures.append(BulkFailure(new.name, error.message))
        return created, failures

    async def list(self, caller: Caller, query: VariableQuery) -> Page[VariableRecord]:
        """Return a page of variables, newest first."""
        _may_read(caller)
        return await self._variables.list(caller.organization_id, query)

    async def get(self, caller: Caller, variable_id: str) -> VariableRecord:
        """Return one variable."""
        _may_read(caller)
        return await self._variables.get(caller.organization_id, variable_id)

    async def patch(
        self, caller: Caller, variable_id: str, changes: Mapping[str, JsonValue]
    ) -> VariableRecord:
        """Change what is named; the mask stands for the secret that is there.

        Runs that have begun keep the values that they began with, but for secret ones.

        Raises:
            InvalidError: As for ``create``; or a secret is to be shown.
            ConflictError: Another one has this name, or somebody else changed it meanwhile.
            TooLargeError: The value is too long.
        """
        _may_write(caller)
        earlier = await self._variables.get(caller.organization_id, variable_id)
        record = replace(
            earlier,
            name=_text(changes, "name", earlier.name) or earlier.name,
            description=_text(changes, "description", earlier.description),
            category=_text(changes, "category", earlier.category),
            updated_by=caller.user_id,
            updated_at=now(),
        )
        _refuse_words(record.name, record.category)
        is_secret = bool(changes.get("is_secret", earlier.is_secret))
        if "value" in changes and not (earlier.is_secret and changes["value"] == MASK):
            record = self._holding(record, changes["value"], is_secret=is_secret)
        elif is_secret and not earlier.is_secret:
            record = self._holding(record, earlier.value, is_secret=True)
        elif earlier.is_secret and not is_secret:
            raise InvalidError("a secret stays one, unless another value comes with it")
        changed = await self._variables.put(record, earlier.updated_at)
        if changed is None:
            raise ConflictError("the variable was changed by somebody else meanwhile")
        return changed

    async def delete(self, caller: Caller, variable_id: str) -> None:
        """Remove a variable and its value for good."""
        _may_write(caller)
        await self._variables.delete(caller.organization_id, variable_id)

    async def resolved(self, caller: Caller) -> dict[str, JsonValue]:
        """Return the values of all variables by their names, without the secret ones."""
        _may_read(caller)
        found = await self._variables.all(caller.organization_id)
        return {each.name: each.value for each in found if not each.is_secret}

    def _holding(
        self, record: VariableRecord, value: JsonValue, *, is_secret: bool
    ) -> VariableRecord:
        """Return a variable with a value, sealed if it is secret."""
        if len(canonical_bytes(value)) > MAX_VALUE_BYTES:
            raise TooLargeError(f"a value has at most {MAX_VALUE_BYTES} bytes as JSON")
        if not is_secret:
            return replace(record, value=value, sealed=None)
        if value == MASK:
            raise InvalidError(f"'{MASK}' stands for a stored value, and there is none yet")
        sealed = self._vault.seal_variable(record.organization_id, record.id, as_text(value))
        return replace(record, value=None, sealed=sealed)


def _refuse_words(name: str, category: str | None) -> None:
    """Refuse names that placeholders read as something else, and the platform's own category."""
    if name in (GLOBAL, CREDENTIALS):
        raise InvalidError(f"no variable can be named '{name}'")
    if category is not None and category.lower() == SYSTEM:
        raise InvalidError("the variables of category System are the platform's own")


def _text(changes: Mapping[str, JsonValue], key: str, otherwise: str | None) -> str | None:
    value = changes.get(key, otherwise)
    return value if isinstance(value, str) else None


def _may_read(caller: Caller) -> None:
    caller.require(Role.PUBLISHER, "see variables")


def _may_write(caller: Caller) -> None:
    caller.require(Role.PUBLISHER, "write variables")
