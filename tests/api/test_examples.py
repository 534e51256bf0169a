"""Every operation of the document has examples, and they are what its schemas say."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, Registry

from api.app import create_app
from api.examples.composing import FIELDS, Composer
from api.examples.joining import operations_of
from api.examples.operations import ANSWERS, PARAMETERS, REQUESTS
from api.media_types import JSON
from runtime.settings import Settings
from tests.support.conformity import DOCUMENT, pointing_into

Place = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def places(document: dict[str, Any]) -> Iterator[Place]:
    """Yield everything that must have an example: bodies, and parameters no call goes without."""
    for (method, path), operation in operations_of(document):
        where = f"{method.upper()} {path}"
        for parameter in operation.get("parameters", []):
            if parameter.get("required"):
                yield f"{where} {parameter['name']}", parameter
        if JSON in (content := operation.get("requestBody", {}).get("content", {})):
            yield f"{where} request", content[JSON]
        for status, answer in operation["responses"].items():
            if status.startswith("2") and JSON in answer.get("content", {}):
                yield f"{where} {status}", answer["content"][JSON]


def test_every_body_and_every_needed_parameter_has_one(document: dict[str, Any]) -> None:
    assert [where for where, place in places(document) if "example" not in place] == []


def test_every_example_is_what_its_schema_says(document: dict[str, Any]) -> None:
    schemas = Registry([(DOCUMENT, {"components": document["components"]})])
    faults = []
    for where, place in places(document):
        schema = pointing_into(DOCUMENT, copy.deepcopy(place["schema"]))
        validator = Draft202012Validator(schema, validate_formats=True, registry=schemas)
        faults += [
            f"{where} {error.instance_path}: {error.message}"
            for error in validator.iter_errors(place["example"])
        ]

    assert faults == []


def test_every_field_of_an_example_was_given_one(document: dict[str, Any]) -> None:
    composer = Composer(document["components"]["schemas"])

    for _, place in places(document):
        composer.example(place["schema"])

    assert composer.missing == set()


def test_nothing_is_given_an_example_that_does_not_exist(document: dict[str, Any]) -> None:
    fields = {
        known
        for name, component in document["components"]["schemas"].items()
        for field in component.get("properties", {})
        for known in (field, f"{name}.{field}")
    }
    operations = {key for key, _ in operations_of(document)}
    needed = {
        parameter["name"]
        for _, operation in operations_of(document)
        for parameter in operation.get("parameters", [])
        if parameter.get("required")
    }

    assert set(FIELDS) - fields == set()
    assert {*REQUESTS, *ANSWERS} - operations == set()
    assert set(PARAMETERS) - needed == set()
