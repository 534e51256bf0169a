"""Examples of schemas, put together from those of their fields."""

from collections.abc import Mapping
from typing import Any

from api.examples.flow_fields import FLOW_FIELDS
from api.examples.people_fields import PEOPLE_FIELDS
from api.examples.story import Example
from api.examples.workflow_fields import WORKFLOW_FIELDS

FIELDS: Mapping[str, Example] = {**WORKFLOW_FIELDS, **PEOPLE_FIELDS, **FLOW_FIELDS}

_ABSENT = object()


class Composer:
    """Makes one example of each schema.

    Attributes:
        missing: Fields, ``Component.field``, that nobody gave an example: they are left out.
    """

    def __init__(self, components: Mapping[str, Any]) -> None:
        """Borrow the document's components."""
        self.missing: set[str] = set()
        self._components = components
        self._made: dict[str, Example] = {}

    def example(self, schema: Mapping[str, Any]) -> Example:
        """Return an example of a schema, null where it can be anything."""
        made = self._of(schema, "", "")
        return None if made is _ABSENT else made

    def _of(self, schema: Mapping[str, Any], owner: str, field: str) -> Any:
        """Return an example of a field's schema; a reference and a list of them are composed."""
        for choice in (schema, *schema.get("anyOf", [])):
            if "$ref" in choice:
                made = self._component(choice["$ref"].rpartition("/")[2], owner, field)
                if made is not _ABSENT:
                    return made
            items = choice.get("items", {})
            if "$ref" in items and not items["$ref"].endswith("/JsonValue"):
                return [self._component(items["$ref"].rpartition("/")[2], owner, field)]
        if f"{owner}.{field}" in FIELDS:
            return FIELDS[f"{owner}.{field}"]
        return self._plain(schema, owner, field)

    def _plain(self, schema: Mapping[str, Any], owner: str, field: str) -> Any:
        """Return what a field of that name holds, if no component has to be looked at."""
        kinds = {choice.get("type") for choice in (schema, *schema.get("anyOf", []))}
        if "const" in schema:
            return schema["const"]
        if "boolean" in kinds:
            return schema.get("default", False)
        enum: list[Any] = next(
            (each["enum"] for each in (schema, *schema.get("anyOf", [])) if "enum" in each), []
        )
        if enum:
            return FIELDS[field] if FIELDS.get(field) in enum else enum[0]
        if field in FIELDS:
            return FIELDS[field]
        if field:
            self.missing.add(f"{owner}.{field}")
        return _ABSENT

    def _component(self, name: str, owner: str, field: str) -> Any:
        schema = self._components[name]
        if "properties" not in schema:
            return self._named(schema, owner, field)
        if name not in self._made:
            made = {
                each: self._of(described, name, each)
                for each, described in schema["properties"].items()
            }
            self._made[name] = {key: value for key, value in made.items() if value is not _ABSENT}
        return self._made[name]

    def _named(self, schema: Mapping[str, Any], owner: str, field: str) -> Any:
        """Return an example of what is no object of known fields."""
        if f"{owner}.{field}" in FIELDS:
            return FIELDS[f"{owner}.{field}"]
        return self._plain(schema, owner, field)
