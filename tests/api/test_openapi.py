"""The document that clients generate code from."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from api.app import create_app
from runtime.settings import Settings
from tests.api.published import lines_of, properties_of

TABLE = Path(__file__).with_name("published.txt")
PROPERTIES = Path(__file__).with_name("published_properties.txt")

# Where a schema says something else than its table, property by property, below the reason for it.
# Reasons with a name hold for what the rule of that name says, the others for what stands there.
DIFFERENCES = Path(__file__).with_name("differences.txt")

# What we have beyond the table, by operation; nothing else may differ.
OURS = {
    "GET /api/task-executions": {"after:string/uuid|null", "limit:integer[1..10000]|null"},
    "POST /api/flows/{flow_id}/upload-url": {"filename:string|null"},
    "POST /api/flow-executions": {"idempotency-key:string[1..255]|null"},
}


Rule = Callable[[str, str], bool]

RULES: dict[str, Rule] = {
    "always": lambda published, served: served == f"required {without_default(published)}",
    "more": lambda published, _: published == "absent",
    "bounded": lambda published, served: is_alike(published, served) and is_bounded(served),
    "unbounded": lambda published, served: is_alike(published, served) and not is_bounded(served),
}


def without_default(kind: str) -> str:
    return re.sub(r"=[^ |]*$", "", kind)


def is_alike(one: str, other: str) -> bool:
    return re.sub(r"\[.*?\]", "", one) == re.sub(r"\[.*?\]", "", other)


def is_bounded(kind: str) -> bool:
    return re.search(r"\[[^\]]*\d", kind) is not None


def differences() -> dict[str, str]:
    """Return the reason for each difference."""
    found: dict[str, str] = {}
    reason = ""
    for line in filter(None, DIFFERENCES.read_text().splitlines()):
        if line.startswith("# "):
            reason = line.removeprefix("# ")
        else:
            found[line] = reason
    return found


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

    assert found == differences().keys()
    assert all(not difference.endswith("-> absent") for difference in found)


@pytest.mark.parametrize("difference", differences())
def test_a_difference_has_the_reason_that_it_stands_below(difference: str) -> None:
    kinds = difference.split(": ", 1)[1]
    published, served = kinds.split(" -> ")
    name, _, _ = differences()[difference].partition(":")

    fitting = [rule for rule, holds in RULES.items() if holds(published, served)]

    assert name in fitting or (name not in RULES and not fitting)


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
