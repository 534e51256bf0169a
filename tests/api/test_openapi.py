"""The document that clients generate code from."""

import re
from pathlib import Path

import pytest

from api.app import create_app
from runtime.settings import Settings
from tests.api.published import lines_of, properties_of

TABLE = Path(__file__).with_name("published.txt")
PROPERTIES = Path(__file__).with_name("published_properties.txt")

# Where a schema says something else than its table, property by property. Answers promise more than
# they have to (nothing is left out), take more kinds of values than they must, and tell more.
DIFFERENCES = Path(__file__).with_name("differences.txt")

# What we have beyond the table, by operation; nothing else may differ.
OURS = {
    "GET /api/task-executions": {"after:string/uuid|null", "limit:integer[1..10000]|null"},
    "POST /api/flows/{flow_id}/upload-url": {"filename:string|null"},
    "POST /api/flow-executions": {"idempotency-key:string[1..255]|null"},
}


def published() -> dict[str, str]:
    lines = TABLE.read_text().splitlines()
    return dict(line.split(" = ", 1) for line in lines)


@pytest.fixture(scope="module")
def served() -> dict[str, str]:
    return lines_of(create_app(Settings()).openapi())


def parameters_and_statuses(line: str) -> tuple[str, set[str], set[str]]:
    head, statuses = line.split(" -> ")
    operation_id, parameters = head.split(" (")
    return operation_id, set(parameters.rstrip(")").split(", ")) - {""}, set(statuses.split())


@pytest.mark.parametrize("name", [name for name in published() if not name.startswith("schema")])
def test_an_operation_is_served_as_it_is_published(served: dict[str, str], name: str) -> None:
    operation_id, parameters, statuses = parameters_and_statuses(published()[name])

    served_id, served_parameters, served_statuses = parameters_and_statuses(served[name])

    assert served_id == operation_id
    assert served_parameters == parameters | OURS.get(name, set())
    assert served_statuses >= statuses


@pytest.mark.parametrize("name", [name for name in published() if name.startswith("schema")])
def test_a_schema_has_every_published_property(served: dict[str, str], name: str) -> None:
    wanted = published()[name]

    if wanted.startswith("one of"):
        assert served[name] == wanted
    else:
        assert set(served[name].split(", ")) >= set(wanted.split(", "))


def test_every_operation_says_what_it_does_and_what_it_needs() -> None:
    document = create_app(Settings()).openapi()

    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["description"]
            assert ("security" in operation) == path.startswith(("/api/", "/v1/"))
            is_public = operation.get("security") == []
            assert is_public == path.startswith(("/api/webhooks/", "/api/files/content"))


def test_every_difference_of_a_property_is_known() -> None:
    lines = PROPERTIES.read_text().splitlines()
    published = dict(line.split(" = ", 1) for line in lines)
    schemas = dict.fromkeys(name.split(".")[0] for name in published)
    served = properties_of(create_app(Settings()).openapi(), schemas)

    found = {
        f"{name}: {published.get(name, 'absent')} -> {served.get(name, 'absent')}"
        for name in published.keys() | served.keys()
        if published.get(name) != served.get(name)
    }

    assert found == set(DIFFERENCES.read_text().splitlines())
    assert all(not difference.endswith("-> absent") for difference in found)


def test_operation_ids_are_unique_and_say_method_and_path() -> None:
    document = create_app(Settings()).openapi()
    ids = [
        (operation["operationId"], method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]

    assert len({name for name, _, _ in ids}) == len(ids)
    for name, method, path in ids:
        assert name.endswith(re.sub(r"\W", "_", path) + f"_{method}"), name
