"""Schemas that authors write are held to themselves: nothing is fetched for them."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from flows.json_schemas import first_fault, validator_of
from tests.support.web import Request, response, serving


def test_a_value_is_told_where_it_does_not_fit() -> None:
    schema: dict[str, JsonValue] = {
        "type": "object",
        "properties": {"when": {"$ref": "#/$defs/day"}},
        "$defs": {"day": {"type": "string", "format": "date"}},
    }

    assert first_fault(schema, {"when": "2026-03-01"}, "it") is None
    assert str(first_fault(schema, {"when": "soon"}, "it")).startswith("when: ")
    assert str(first_fault(schema, [], "it")).startswith("it: ")


@pytest.mark.parametrize("schema", [{"type": 5}, {"pattern": "("}, {"$ref": "#/nowhere"}])
def test_what_is_no_schema_is_refused_in_one_line(schema: dict[str, JsonValue]) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        validator_of(schema)


@pytest.mark.parametrize("key", ["$ref", "$dynamicRef"])
async def test_no_host_is_asked_for_a_part_of_a_schema(key: str) -> None:
    def answer(request: Request) -> bytes:
        return response("{}")

    async with serving(answer) as web:
        schemas: list[dict[str, JsonValue]] = [
            {key: f"{web.url}/schema"},
            {"type": "object", "properties": {"a": {key: f"{web.url}/schema"}}},
            {"$id": f"{web.url}/base", key: "schema"},
        ]
        for schema in schemas:
            with pytest.raises(ValueError, match="schema"):
                validator_of(schema)

        assert web.requests == []


def test_no_file_is_read_for_a_part_of_a_schema(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text('{"type": "string"}')

    with pytest.raises(ValueError, match="disabled"):
        validator_of({"$ref": (tmp_path / "schema.json").as_uri()})
