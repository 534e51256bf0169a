"""A task executor with secret parameters in every kind of place, and its activity."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
from pydantic import Field as Describe
from pydantic import JsonValue
from temporalio import activity

from activities.parameters import parameters_of
from contracts.messages import TaskCall
from flows.errors import TaskFailedError
from flows.executors import catalogue
from flows.executors.spec import JsonSchema, Kind, Parameters, SecretText, TaskExecutor


class Login(Parameters):
    """A secret inside an object."""

    user: str = ""
    password: SecretText | None = None


class VaultCallParameters(Parameters):
    """Secrets at the top, in an object, in a list and in a mapping."""

    url: str = "http://x"
    token: SecretText | None = Describe(default=None, min_length=9, description="A token.")
    login: Login | None = None
    logins: list[Login] = Describe(default_factory=list)
    headers: dict[str, SecretText] = Describe(default_factory=dict)
    note: JsonValue = None
    fails: bool = False


def _anything(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    return {"type": "object"}


VAULT_CALL = TaskExecutor(
    name="vault_call",
    description="Shows a service all that it was given.",
    agent_prompt="Only for tests.",
    kind=Kind.EFFECT,
    parameters=VaultCallParameters,
    output_schema=_anything,
)


@contextmanager
def vault_call_known() -> Iterator[None]:
    """Let the catalogue know the executor for a while."""
    catalogue.register(VAULT_CALL)
    try:
        yield
    finally:
        catalogue.unregister(VAULT_CALL)


@activity.defn(name=VAULT_CALL.name)
async def vault_call(call: TaskCall) -> JsonValue:
    """Post every parameter, and answer with them; or fail with them in the message."""
    parameters = parameters_of(call, VaultCallParameters).model_dump(mode="json")
    activity.logger.warning("calling with %s", parameters)
    async with httpx.AsyncClient() as client:
        await client.post(parameters["url"], json=parameters)
    if parameters["fails"]:
        raise TaskFailedError(f"refused {parameters}", type="Refused")
    return {"echo": parameters}
