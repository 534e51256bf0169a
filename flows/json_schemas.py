"""Validators of JSON Schemas that authors write.

Source: docs/security.md, "Outgoing connections".
"""

import jsonschema_rs
from pydantic import JsonValue


def validator_of(schema: dict[str, JsonValue]) -> jsonschema_rs.Draft202012Validator:
    """Return what holds values against a schema, formats included.

    It fetches nothing: a ``$ref`` that leads out of the schema could otherwise read our files, or
    reach hosts that only we reach.

    Raises:
        ValueError: It is no schema, or refers to something outside.
    """
    try:
        return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True)
    except ValueError as error:
        raise ValueError(str(error).partition("\n")[0]) from None


def first_fault(schema: dict[str, JsonValue], value: JsonValue, whole: str) -> str | None:
    """Return where and why a value does not fit, if it does not.

    Args:
        whole: What to call the value itself.

    Raises:
        ValueError: As ``validator_of`` says.
    """
    fault = next(iter(validator_of(schema).iter_errors(value)), None)
    if fault is None:
        return None
    return f"{'.'.join(map(str, fault.instance_path)) or whole}: {fault.message}"
