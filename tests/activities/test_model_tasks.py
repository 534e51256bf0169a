import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import JsonValue

from activities.document_source import DocumentSource
from activities.documents import DocumentActivities
from activities.egress import guarded_client
from activities.language_models import LanguageModels
from activities.model_endpoint import ModelEndpoint
from activities.model_tasks import ModelActivities
from activities.stored_files import StoredFiles
from flows.errors import TaskFailedError
from flows.executors.doc_to_structured import DOC_TO_STRUCTURED
from runtime.readiness import free_port
from store.file_contents import GridFSContents
from store.files import FileRepository
from tests.support.calls import a_call, performed
from tests.support.models import KEY, ModelServer, completion, model_server, refused
from tests.support.web import response, serving

NOTE = "data:text/plain,Delivery%20note%204711%20of%202026-03-01%0A3%20bolts%0A5%20nuts"
FIELDS: list[JsonValue] = [
    {"id": "number", "title": "Note number", "data_type": "int", "instructions": "Top right"},
    {"id": "date", "data_type": "date"},
    {"id": "buyer"},
    {
        "id": "rows",
        "data_type": "table",
        "columns": [{"id": "pieces", "data_type": "int"}, {"id": "what"}],
    },
]
FOUND: dict[str, JsonValue] = {
    "number": 4711,
    "date": "2026-03-01",
    "buyer": None,
    "rows": [{"pieces": 3, "what": "bolts"}, {"pieces": 5, "what": "nuts"}],
}
CLASSES: list[JsonValue] = ["invoice", {"name": "note", "description": "says what was delivered"}]


class Tasks:
    """The executors, each performed with activities of its own for an endpoint."""

    def __init__(self, files: StoredFiles) -> None:
        """Keep the stored files that documents may name."""
        self._files = files

    async def extracted(
        self, endpoint: ModelEndpoint | None, *, allowed: float = 30, **parameters: JsonValue
    ) -> JsonValue:
        """Extract the fields of a document, by default of the note."""
        given: dict[str, JsonValue] = {"document_url": NOTE, "fields": FIELDS, **parameters}
        async with self._activities(endpoint) as activities:
            call = a_call("doc_to_structured", **given)
            return await performed(
                activities.doc_to_structured, call, allowed=timedelta(seconds=allowed)
            )

    async def failure(
        self, endpoint: ModelEndpoint | None, *, allowed: float = 30, **parameters: JsonValue
    ) -> TaskFailedError:
        """Return how the extraction fails."""
        with pytest.raises(TaskFailedError) as caught:
            await self.extracted(endpoint, allowed=allowed, **parameters)
        return caught.value

    async def classified(
        self, endpoint: ModelEndpoint | None, **parameters: JsonValue
    ) -> JsonValue:
        """Classify a text or a document, whichever is given."""
        given: dict[str, JsonValue] = {"classes": CLASSES, **parameters}
        async with self._activities(endpoint) as activities:
            if "text" in given:
                return await performed(activities.classify_text, a_call("classify_text", **given))
            call = a_call("classify_document", **given)
            return await performed(activities.classify_document, call)

    @asynccontextmanager
    async def _activities(self, endpoint: ModelEndpoint | None) -> AsyncIterator[ModelActivities]:
        async with guarded_client(["127.0.0.1"]) as client:
            documents = DocumentActivities(DocumentSource(client, self._files))
            yield ModelActivities(LanguageModels(client, endpoint), documents.doc_to_text)


@pytest.fixture
async def tasks(database: AsyncIOMotorDatabase) -> Tasks:
    return Tasks(StoredFiles(FileRepository(database), GridFSContents(database)))


def asked_schema(server: ModelServer) -> dict[str, Any]:
    schema: dict[str, Any] = server.asked[0]["response_format"]["json_schema"]
    return schema


async def test_a_document_becomes_its_fields(tasks: Tasks) -> None:
    async with model_server(lambda _: completion(FOUND)) as server:
        output = await tasks.extracted(
            server.endpoint(), instructions="Ignore stamps.", worker="large"
        )

    assert output == FOUND
    asked = server.asked[0]
    assert asked["model"] == "large"
    system, user = asked["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    assert "Ignore stamps." in system["content"]
    assert "Top right" in system["content"]
    assert user["content"] == "Delivery note 4711 of 2026-03-01\n3 bolts\n5 nuts"
    request = server.web.requests[0]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["idempotency-key"] == "execution/1/task/0"


async def test_the_model_is_held_to_the_fields(tasks: Tasks) -> None:
    async with model_server(lambda _: completion(FOUND)) as server:
        await tasks.extracted(server.endpoint())

    schema = asked_schema(server)
    assert schema["strict"] is True
    assert schema["schema"]["required"] == ["number", "date", "buyer", "rows"]
    assert schema["schema"]["additionalProperties"] is False
    assert schema["schema"]["properties"]["number"]["type"] == ["integer", "null"]
    assert schema["schema"]["properties"]["rows"]["items"]["required"] == ["pieces", "what"]
    assert "format" not in schema["schema"]["properties"]["date"]


async def test_fields_that_take_anything_are_asked_for_loosely(tasks: Tasks) -> None:
    fields: list[JsonValue] = [{"id": "things", "data_type": "list"}]
    async with model_server(lambda _: completion({"things": [1, "two"]})) as server:
        output = await tasks.extracted(server.endpoint(), fields=fields)

    assert output == {"things": [1, "two"]}
    assert asked_schema(server)["strict"] is False


async def test_a_schema_and_a_model_may_be_named_in_place_of_fields_and_a_worker(
    tasks: Tasks,
) -> None:
    schema: JsonValue = {
        "type": "object",
        "properties": {"number": {"$ref": "#/$defs/number"}},
        "required": ["number"],
        "$defs": {"number": {"type": "integer", "minimum": 4000}},
    }
    async with model_server(lambda _: completion({"number": 4711})) as server:
        output = await tasks.extracted(server.endpoint(), fields=None, schema=schema, model="large")
    async with model_server(lambda _: completion({"number": 7})) as small:
        error = await tasks.failure(small.endpoint(), fields=None, schema=schema)

    assert output == {"number": 4711}
    assert server.asked[0]["model"] == "large"
    assert error.type == "InvalidAnswer"
    assert "number" in error.message


@pytest.mark.parametrize(
    "given",
    [
        {"fields": None},
        {"schema": {"type": "object"}},
        {"fields": None, "schema": {"type": "string"}},
        {"fields": None, "schema": {"type": "object", "properties": 5}},
        {"worker": "large", "model": "small"},
    ],
    ids=["nothing", "both", "no object", "no schema", "two models"],
)
async def test_what_to_extract_is_said_once_and_well(tasks: Tasks, given: dict[str, Any]) -> None:
    async with model_server(lambda _: completion(FOUND)) as server:
        error = await tasks.failure(server.endpoint(), **given)

    assert error.type == "InvalidParameters"
    assert server.asked == []


async def test_what_the_model_leaves_out_is_null(tasks: Tasks) -> None:
    answer = {"number": 4711, "rows": [{"pieces": 3}]}
    async with model_server(lambda _: completion(answer)) as server:
        output = await tasks.extracted(server.endpoint())

    assert output == {
        "number": 4711,
        "date": None,
        "buyer": None,
        "rows": [{"pieces": 3, "what": None}],
    }


async def test_json_in_a_block_of_markdown_is_json(tasks: Tasks) -> None:
    fenced = f"```json\n{json.dumps(FOUND)}\n```"
    async with model_server(lambda _: completion(fenced)) as server:
        assert await tasks.extracted(server.endpoint()) == FOUND


async def test_the_first_model_is_used_where_a_task_names_none(tasks: Tasks) -> None:
    async with model_server(lambda _: completion(FOUND)) as server:
        await tasks.extracted(server.endpoint("first", "second"))

    assert server.asked[0]["model"] == "first"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("I could not find it.", "no JSON"),
        ("", "no JSON"),
        (None, "no JSON"),
        ("[]", "the answer"),
        ('{"number": NaN}', "NaN"),
        ({"number": "4711"}, "number"),
        ({"number": True}, "number"),
        ({"date": "1 March 2026"}, "date"),
        ({"rows": [{"pieces": 1.5}]}, "rows.0.pieces"),
        ({"total": 5}, "total"),
    ],
)
async def test_an_answer_that_does_not_fit_is_asked_for_again(
    tasks: Tasks, content: object, fault: str
) -> None:
    async with model_server(lambda _: completion(content)) as server:
        error = await tasks.failure(server.endpoint())

    assert (error.type, error.retryable) == ("InvalidAnswer", True)
    assert fault in error.message
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        completion(None, choices=[]),
        completion("{", finish_reason="length"),
        response("<html>", content_type="text/html"),
        response("{broken"),
        response('{"choices": 5}'),
    ],
)
async def test_what_is_no_completion_is_asked_for_again(tasks: Tasks, answer: bytes) -> None:
    async with model_server(lambda _: answer) as server:
        error = await tasks.failure(server.endpoint())

    assert (error.type, error.retryable) == ("InvalidAnswer", True)


@pytest.mark.parametrize(
    "answer",
    [
        completion(None, refusal="I will not do that"),
        completion("", finish_reason="content_filter"),
    ],
)
async def test_a_model_that_refuses_is_not_asked_again(tasks: Tasks, answer: bytes) -> None:
    async with model_server(lambda _: answer) as server:
        error = await tasks.failure(server.endpoint())

    assert (error.type, error.retryable) == ("ModelRefused", False)


@pytest.mark.parametrize(
    ("status", "type", "retryable"),
    [
        (307, "ModelRequestRefused", False),
        (400, "ModelRequestRefused", False),
        (401, "ModelAuthenticationFailed", False),
        (403, "ModelAuthenticationFailed", False),
        (404, "ModelRequestRefused", False),
        (408, "ModelUnavailable", True),
        (409, "ModelUnavailable", True),
        (429, "ModelUnavailable", True),
        (500, "ModelUnavailable", True),
        (503, "ModelUnavailable", True),
    ],
)
async def test_the_endpoint_is_asked_once_and_its_status_decides(
    tasks: Tasks, status: int, type: str, retryable: bool
) -> None:
    answer = refused(status, f"wrong key {KEY}", Retry_After="7", Location="http://127.0.0.2/")
    async with model_server(lambda _: answer) as server:
        error = await tasks.failure(server.endpoint())

    assert (error.type, error.retryable) == (type, retryable)
    assert str(status) in error.message
    assert len(server.asked) == 1
    assert error.retry_after == (timedelta(seconds=7) if retryable else None)
    assert KEY not in error.message


async def test_an_endpoint_that_does_not_answer_in_time_is_worth_a_retry(tasks: Tasks) -> None:
    async with model_server(lambda _: None) as server:
        error = await tasks.failure(server.endpoint(), allowed=1)

    assert (error.type, error.retryable) == ("Timeout", True)


@pytest.mark.parametrize(
    ("base_url", "type"),
    [
        ("http://127.0.0.1:{free_port}/v1", "ConnectionFailed"),
        ("http://nobody.invalid/v1", "HostNotFound"),
        ("http://10.0.0.1/v1", "HostRefused"),
    ],
)
async def test_failed_connections_are_named(tasks: Tasks, base_url: str, type: str) -> None:
    endpoint = ModelEndpoint(base_url.format(free_port=free_port()), ("small",), KEY)
    error = await tasks.failure(endpoint)

    assert error.type == type
    assert error.retryable is (type != "HostRefused")


async def test_an_answer_without_end_is_not_kept(tasks: Tasks) -> None:
    async with model_server(lambda _: completion("0" * (9 * 1024 * 1024))) as server:
        error = await tasks.failure(server.endpoint())

    assert (error.type, error.retryable) == ("ResponseTooLarge", False)


async def test_without_models_the_failure_says_what_to_set(tasks: Tasks) -> None:
    error = await tasks.failure(None)

    assert (error.type, error.retryable) == ("ModelNotConfigured", False)
    assert "PERDURE_LLM_BASE_URL" in error.message


async def test_a_model_that_is_not_offered_is_not_asked(tasks: Tasks) -> None:
    async with model_server(lambda _: completion(FOUND)) as server:
        error = await tasks.failure(server.endpoint(), worker="huge")

    assert (error.type, error.retryable) == ("UnknownModel", False)
    assert server.asked == []


async def test_keys_of_the_environment_go_nowhere(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library would read them, and send them to whatever endpoint is configured."""
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "of-another-service")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.2/v1")
    headers = {"X-Gateway-Key": "ours"}
    async with model_server(lambda _: completion(FOUND)) as server:
        await tasks.extracted(server.endpoint(api_key=None, headers=headers))

    sent = server.web.requests[0].headers
    assert sent["x-gateway-key"] == "ours"
    assert "authorization" not in sent
    assert "of-another-service" not in json.dumps(sent)


async def test_a_key_is_in_no_representation() -> None:
    endpoint = ModelEndpoint("http://127.0.0.1/v1", ("small",), KEY, {"X-Key": KEY})

    assert KEY not in repr(endpoint)


async def test_documents_are_those_of_doc_to_text(tasks: Tasks) -> None:
    async with model_server(lambda _: completion(FOUND)) as server:
        error = await tasks.failure(server.endpoint(), document_url="http://10.0.0.1/note.pdf")
        assert error.type == "HostRefused"
        error = await tasks.failure(server.endpoint(), document_url="data:image/png,x")
        assert error.type == "UnsupportedDocument"
        async with serving(lambda _: response("a note", content_type="text/plain")) as web:
            await tasks.extracted(server.endpoint(), document_url=f"{web.url}/note.txt")

    assert [asked["messages"][1]["content"] for asked in server.asked] == ["a note"]


# ----------------------------------------------------------------------------------------- classes


async def test_a_text_gets_one_of_the_classes(tasks: Tasks) -> None:
    answer = {"label": "note", "reason": "It lists what was delivered."}
    async with model_server(lambda _: completion(answer)) as server:
        output = await tasks.classified(server.endpoint(), text="3 bolts")

    assert output == {
        "label": "note",
        "reason": "It lists what was delivered.",
        "model": "small",
        "usage": {"input_tokens": 120, "output_tokens": 7},
    }
    system, user = server.asked[0]["messages"]
    assert "- note: says what was delivered" in system["content"]
    assert user["content"] == "3 bolts"
    schema = asked_schema(server)
    assert schema["strict"] is True
    assert schema["schema"]["properties"]["label"]["enum"] == ["invoice", "note"]


async def test_a_document_gets_one_of_the_classes(tasks: Tasks) -> None:
    answer = {"label": "note", "reason": ""}
    async with model_server(lambda _: completion(answer, usage=None)) as server:
        output = await tasks.classified(server.endpoint(), document_url=NOTE, worker="large")

    assert isinstance(output, dict)
    assert (output["label"], output["model"]) == ("note", "large")
    assert output["usage"] == {"input_tokens": None, "output_tokens": None}
    assert server.asked[0]["messages"][1]["content"].startswith("Delivery note 4711")


async def test_a_class_that_is_none_of_them_is_asked_for_again(tasks: Tasks) -> None:
    answer = {"label": "letter", "reason": "It has a stamp."}
    async with model_server(lambda _: completion(answer)) as server:
        with pytest.raises(TaskFailedError) as caught:
            await tasks.classified(server.endpoint(), text="3 bolts")

    assert (caught.value.type, caught.value.retryable) == ("InvalidAnswer", True)
    assert "label" in caught.value.message


@pytest.mark.parametrize("classes", [[], ["one"], ["same", "same"], ["a", {"name": "a"}]])
async def test_there_are_two_classes_at_least_and_no_two_alike(
    tasks: Tasks, classes: list[JsonValue]
) -> None:
    with pytest.raises(TaskFailedError) as caught:
        await tasks.classified(None, text="3 bolts", classes=classes)

    assert caught.value.type == "InvalidParameters"


def test_a_definition_knows_the_fields_of_its_output() -> None:
    schema = DOC_TO_STRUCTURED.output_schema({"fields": FIELDS})

    assert isinstance(schema["properties"], dict)
    assert schema["properties"].keys() == {"number", "date", "buyer", "rows"}
    assert DOC_TO_STRUCTURED.output_schema({"fields": "{{form.output.fields}}"}) == {
        "type": "object"
    }
