"""Secrets are opened behind the attempt's row, right before the work, and end with it."""

from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError

from activities.secrets import opened
from contracts.messages import TaskCall
from flows.secrets import MASK, SecretPart, SecretUse
from operations.vault import Vault
from store.clock import now
from store.credentials import CredentialRecord, CredentialRepository
from store.models import ProcessingStatus
from tests.support.attempts import Attempt
from tests.support.operations import ENCRYPTION_KEY
from tests.support.stores import Running

HUSH = "hush-hush 4711"


async def a_vault(run: Running, *keys: str) -> Vault:
    """Return a vault in which the run's organization has the credential ``key``."""
    database = run.stores.database
    vault = Vault.over(database, [ENCRYPTION_KEY])
    organization_id, credential_id, at = run.context.organization_id, str(uuid4()), now()
    await CredentialRepository(database).create(
        CredentialRecord(
            id=credential_id,
            organization_id=organization_id,
            name="key",
            kind=None,
            description=None,
            sealed=vault.seal_credential(organization_id, credential_id, HUSH),
            created_at=at,
            updated_at=at,
            created_by="somebody",
            modified_by="somebody",
        )
    )
    return Vault.over(database, keys) if keys else vault


def a_call(run: Running, reference: str = "secrets.key") -> TaskCall:
    """Return a call whose parameters show masks."""
    call = run.call("t")
    uses = [
        SecretUse(path=["a", 1], start=2, parts=[SecretPart(reference=reference)]),
        SecretUse(path=["a", 1], start=11, parts=[SecretPart(reference=reference)]),
        SecretUse(path=["b"], parts=[SecretPart(text="from "), SecretPart(reference=reference)]),
    ]
    parameters: dict[str, JsonValue] = {"a": [0, f"x {MASK} {MASK}"], "b": MASK}
    return call.model_copy(update={"parameters": parameters, "secrets": uses})


def attempt(run: Running, vault: Vault, body: Any) -> Attempt:
    return Attempt(run.stores.projection, body, open_secrets=partial(opened, vault))


async def test_the_row_stands_masked_before_the_work_gets_the_secrets(run: Running) -> None:
    seen: list[Any] = []

    async def body(call: TaskCall) -> JsonValue:
        row = await run.row("t")
        seen.append((row.processing_status, row.input, call.parameters, call.secrets))
        return {"echo": call.parameters}

    call = a_call(run)
    reply = await attempt(run, await a_vault(run), body).run(call)

    [(status, shown, parameters, left)] = seen
    assert status is ProcessingStatus.RUNNING
    assert shown == call.parameters
    assert parameters == {"a": [0, f"x {HUSH} {HUSH}"], "b": f"from {HUSH}"}
    assert left == []
    assert reply.output == {"echo": call.parameters}
    assert (await run.row("t")).output == reply.output


async def test_the_call_that_came_is_not_changed(run: Running) -> None:
    async def body(call: TaskCall) -> JsonValue:
        return None

    call = a_call(run)
    await attempt(run, await a_vault(run), body).run(call)

    assert call == a_call(run)


@pytest.mark.parametrize(
    ("reference", "keys", "type"),
    [
        ("secrets.none", (), "UnknownCredential"),
        ("secret:0123456789abcdef0123456789abcdef", (), "UnknownCredential"),
        ("secrets.key", ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",), "SecretUnreadable"),
    ],
    ids=["name", "id", "key"],
)
async def test_what_cannot_be_opened_fails_the_attempt_for_good(
    run: Running, reference: str, keys: tuple[str, ...], type: str
) -> None:
    async def body(call: TaskCall) -> JsonValue:
        raise AssertionError("must not run")

    with pytest.raises(ApplicationError) as failed:
        await attempt(run, await a_vault(run, *keys), body).run(a_call(run, reference))

    assert (failed.value.type, failed.value.non_retryable) == (type, True)
    row = await run.row("t")
    assert row.processing_status is ProcessingStatus.FAILED
    assert (row.error or {})["type"] == type


async def test_a_failure_is_told_without_the_secret_and_retried_as_it_was(run: Running) -> None:
    async def body(call: TaskCall) -> JsonValue:
        raise ConnectionError(f"cannot reach {call.parameters['b']}")

    with pytest.raises(ApplicationError) as failed:
        await attempt(run, await a_vault(run), body).run(a_call(run))

    assert (failed.value.type, failed.value.non_retryable) == ("ConnectionError", False)
    assert failed.value.message == f"cannot reach {MASK}"
    assert failed.value.__cause__ is None
    error: Any = (await run.row("t")).error
    assert HUSH not in str(error) + str(failed.value.details)
    assert "ConnectionError" in error["traceback"]
