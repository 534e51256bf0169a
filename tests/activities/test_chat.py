"""Questions to models: where they go, what is sent, and what answers are worth."""

import json
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from temporalio.testing import ActivityEnvironment

from activities.chat import ChatModels
from activities.egress import guarded_client
from activities.model_endpoint import ModelEndpoint
from activities.redaction import Redactor
from activities.run_models import RunModelActivities
from activities.speech import Speech
from contracts.runs import RunModelCall
from dialogs.effects import Function, ModelCall, ModelMessage, ModelReply
from dialogs.model_config import ModelConfig
from flows.errors import TaskFailedError
from flows.secrets import MASK
from operations.vault import Vault
from runtime.readiness import free_port
from store.run_events import RunEventRepository
from tests.support.models import (
    KEY,
    Answer,
    ModelServer,
    called,
    completion,
    model_server,
    refused,
    streamed,
)
from tests.support.web import response

SECRET = "the value of a secret"


class Asking:
    """Asks models as a worker would, with an operator's endpoint if there is one."""

    def __init__(self, database: AsyncIOMotorDatabase) -> None:
        self._vault = Vault.over(database, ())
        self._speech = Speech(RunEventRepository(database))
        self.operators: ModelEndpoint | None = None
        self.allowed = ["127.0.0.1"]

    async def ask(self, config: dict[str, Any], **fields: Any) -> ModelReply:
        call = ModelCall(
            key="1/desk/1",
            node_logical_id="desk",
            config=ModelConfig.model_validate({"type": "custom_llm", **config}),
            messages=(ModelMessage(role="user", content="hello"),),
            secrets={"<mark>": "secrets.desk"},
        )
        run = RunModelCall(
            organization_id="o",
            workflow_id="w",
            run_id="r",
            effect_key="r/1/desk/1",
            call=call.model_copy(update=fields),
        )
        async with (
            guarded_client(self.allowed, streams=True) as client,
            guarded_client(["*"], streams=True) as operators,
        ):
            models = ChatModels(client, operators, self.operators)
            body = RunModelActivities(models, self._vault, opened, self._speech).ask_model
            reply: ModelReply = await ActivityEnvironment().run(body, run)
            return reply

    async def failure(self, config: dict[str, Any], **fields: Any) -> TaskFailedError:
        with pytest.raises(TaskFailedError) as caught:
            await self.ask(config, **fields)
        return caught.value


async def opened(organization_id: str, names: Any) -> dict[str, str]:
    return dict.fromkeys(names, SECRET)


def at(server: ModelServer, **fields: Any) -> dict[str, Any]:
    return {"model": "small", "base_url": f"{server.web.url}/v1", **fields}


@pytest.fixture
async def asking(database: AsyncIOMotorDatabase) -> Asking:
    return Asking(database)


async def test_without_endpoint_and_key_the_operators_endpoint_answers_as_itself(
    asking: Asking,
) -> None:
    async with model_server(lambda body: completion("Hi")) as server:
        asking.operators = server.endpoint(headers={"X-Gateway": "g"})
        asking.allowed = []

        default = await asking.ask({"type": "global_default_llm"})
        named = await asking.ask({"type": "openai_llm", "model": "large"})
        other = await asking.failure({"model": "other"})

    assert [body["model"] for body in server.asked] == ["small", "large"]
    headers = server.web.requests[0].headers
    assert (headers["authorization"], headers["x-gateway"]) == (f"Bearer {KEY}", "g")
    assert (default.content, named.content) == ("Hi", "Hi")
    assert (other.type, other.retryable) == ("UnknownModel", False)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model": "m"}, "there is no default"),
        ({"type": "global_default_llm"}, "there is no default"),
        ({"model": "m", "api_key": "k"}, "no base_url"),
        ({"model": "m", "base_url": "file:///etc/passwd"}, "no base_url"),
        ({"base_url": "http://127.0.0.1:1/v1"}, "names no model"),
    ],
    ids=["nothing", "inherited", "key", "file", "no model"],
)
async def test_a_configuration_that_leads_nowhere_is_final(
    asking: Asking, config: dict[str, Any], said: str
) -> None:
    failure = await asking.failure(config)

    assert (failure.type, failure.retryable) == ("ModelNotConfigured", False)
    assert said in failure.message


async def test_a_key_of_openais_goes_to_openai(asking: Asking) -> None:
    models = ChatModels(None, None, None)  # type: ignore[arg-type]  # nothing is sent

    asked = models.asked(ModelConfig(type="openai_llm", model="m", api_key="k"))

    assert asked.endpoint.base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("answer", "kind", "is_retryable", "streaming"),
    [
        (lambda body: refused(401, "no"), "ModelAuthenticationFailed", False, False),
        (lambda body: refused(400, "no"), "ModelRequestRefused", False, True),
        (lambda body: refused(429, "no"), "ModelUnavailable", True, False),
        (lambda body: refused(500, "no"), "ModelUnavailable", True, True),
        (lambda body: response("<html>"), "InvalidAnswer", True, False),
        (lambda body: response('{"choices": []}'), "InvalidAnswer", True, False),
        (lambda body: completion(None, refusal="never"), "ModelRefused", False, False),
        (lambda body: completion("x" * 300_000), "ResponseTooLarge", False, False),
        (lambda body: None, "Timeout", True, False),
        (lambda body: None, "Timeout", True, True),
        (lambda body: streamed("Hel", ends=False), "ConnectionFailed", True, True),
        (lambda body: streamed(deltas=[{"refusal": "never"}]), "ModelRefused", False, True),
        (lambda body: completion("whole after all"), "ConnectionFailed", True, True),
    ],
    ids=[
        *(
            "401",
            "400 to a stream",
            "429",
            "500 to a stream",
            "page",
            "nothing",
            "refusal",
            "large",
        ),
        *("silence", "silent stream", "broken off", "refusal in pieces", "no stream"),
    ],
)
async def test_failures_say_whether_another_attempt_could_help(
    asking: Asking, answer: Answer, kind: str, is_retryable: bool, streaming: bool
) -> None:
    patience = 300 if kind == "Timeout" else 60_000
    async with model_server(answer) as server:
        config = at(server, request_timeout_ms=patience, streaming=streaming)
        failure = await asking.failure(config)

    assert (failure.type, failure.retryable) == (kind, is_retryable)


async def test_a_gateways_wrapping_is_taken_off(asking: Asking) -> None:
    wrapped = response(json.dumps({"data": json.loads(completion("Hi").partition(b"\r\n\r\n")[2])}))
    async with model_server(lambda body: wrapped) as server:
        reply = await asking.ask(at(server, response_unwrap_key="data"))

    assert reply.content == "Hi"


async def test_calls_are_held_against_what_the_functions_take(asking: Asking) -> None:
    takes: dict[str, Any] = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
    }
    answer = called(("double", '{"n": 2}'), ("double", {"n": "x"}), ("double", "{"), ("other", {}))
    async with model_server(lambda body: answer) as server:
        reply = await asking.ask(at(server), functions=(Function(name="double", parameters=takes),))

    fit, unfit, broken, unknown = reply.calls
    assert (fit.arguments, fit.fault) == ({"n": 2}, None)
    assert (unfit.arguments, "n: " in (unfit.fault or "")) == ({}, True)
    assert (broken.fault is None, unknown.fault) == (False, None)


async def test_a_schema_that_is_none_is_a_fault_and_no_crash(asking: Asking) -> None:
    async with model_server(lambda body: completion({"a": 1})) as server:
        reply = await asking.ask(at(server), answer_schema={"type": "nothing such"})

    assert reply.fault is not None


async def test_secrets_are_opened_for_the_request_alone(asking: Asking) -> None:
    async with model_server(lambda body: completion(f"you said {SECRET}")) as server:
        reply = await asking.ask(
            at(server, api_key="<mark>", default_headers={"X-Key": "k <mark>"}),
            messages=(ModelMessage(role="system", content="Say <mark>"),),
        )

    [request] = server.web.requests
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["x-key"] == f"k {SECRET}"
    assert server.asked[0]["messages"][0]["content"] == f"Say {SECRET}"
    assert reply.content == f"you said {MASK}"


async def test_nobody_listening_is_a_connection_that_failed(asking: Asking) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"

    failure = await asking.failure({"model": "m", "base_url": url, "api_key": SECRET})

    assert (failure.type, failure.retryable) == ("ConnectionFailed", True)
    assert SECRET not in failure.message


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_value_that_comes_in_pieces_is_masked(size: int) -> None:
    text = "a secret-1 b secret-12 c secret- d"
    stream = Redactor(["secret-12", "secret-1"]).stream()

    shown = [stream.text(text[at : at + size]) for at in range(0, len(text), size)]

    whole = "".join([*shown, stream.rest()])
    assert "secret-1" not in whole
    assert whole.startswith(f"a {MASK} b {MASK}")
    assert whole.endswith(" c secret- d")
