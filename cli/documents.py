"""Files on the command line: definitions, and what a flow starts with."""

import base64
import mimetypes
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from cli.client import ClientError, JsonObject
from flows.errors import EngineError, InvalidDefinitionError
from flows.reading import read_document

MAX_BODY_BYTES = 1024 * 1024

_MEDIA: dict[str, Literal["json", "yaml"]] = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}
_ENVELOPE_BYTES = 4096


def read_definition(path: Path) -> JsonObject:
    """Return the definition in a YAML or JSON file.

    Raises:
        ClientError: The file cannot be read, or is no object.
    """
    return _read_object(path, _MEDIA.get(path.suffix.lower(), "yaml"), "a definition")


def read_graph(path: Path) -> JsonObject:
    """Return the graph of an interactive workflow in a YAML or JSON file.

    Raises:
        ClientError: The file cannot be read, or is no object.
    """
    return _read_object(path, _MEDIA.get(path.suffix.lower(), "yaml"), "a graph")


def definition_name(definition: JsonObject, path: Path) -> str:
    """Return the flow's display name: what the definition says, else the file's name."""
    configs = definition.get("flow_configs")
    first = configs[0] if isinstance(configs, list) and configs else None
    meta = first.get("meta") if isinstance(first, dict) else None
    for holder in (definition, meta):
        name = holder.get("name") if isinstance(holder, dict) else None
        if isinstance(name, str) and name.strip():
            return name.strip()
    return path.stem


def flow_input(path: Path | None, metadata: dict[str, str]) -> JsonObject:
    """Return the input that a file stands for.

    A JSON or YAML file is the input as it is; any other file becomes a document: a ``data:`` URL
    with its media type and file name.

    Raises:
        ClientError: The file cannot be read, or is larger than the API takes.
    """
    given: JsonObject = {}
    if path is not None and path.suffix.lower() in _MEDIA:
        given = _read_object(path, _MEDIA[path.suffix.lower()], "an input")
    elif path is not None:
        given = _document(path)
    if metadata:
        known = given.get("metadata")
        given["metadata"] = {**(known if isinstance(known, dict) else {}), **metadata}
    return given


def _document(path: Path) -> JsonObject:
    """Return a file as a document inside JSON."""
    content = _read_bytes(path)
    largest = (MAX_BODY_BYTES - _ENVELOPE_BYTES) * 3 // 4
    if len(content) > largest:
        raise ClientError(
            f"{path} has {len(content):,} bytes; as part of a request at most {largest:,} fit. "
            'Serve it over HTTP and hand in {"document_url": ...} as a JSON file instead'
        )
    mime_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    encoded = base64.b64encode(content).decode()
    return {
        "document_url": f"data:{mime_type};base64,{encoded}",
        "mime_type": mime_type,
        "filename": path.name,
    }


def _read_object(path: Path, media: Literal["json", "yaml"], what: str) -> JsonObject:
    """Read a JSON or YAML file that holds an object."""
    try:
        value: JsonValue = read_document(_read_bytes(path), media=media)
    except InvalidDefinitionError as error:
        raise ClientError(
            f"{path}: {error.message}", faults=[str(fault) for fault in error.faults]
        ) from error
    except EngineError as error:
        raise ClientError(f"{path}: {error.message}") from error
    if not isinstance(value, dict):
        raise ClientError(f"{path} is not {what}: its top level must be an object")
    return value


def _read_bytes(path: Path) -> bytes:
    """Return a file's bytes."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClientError(f"cannot read {path}: {error.strerror or error}") from error
