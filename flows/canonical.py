"""One byte form for every JSON value, and the digests made of it.

Equal values give equal bytes whatever the order of their keys, on every machine: results are reused
when digests match, so a change here would make every stored result stale.
"""

import json
import math
from hashlib import sha256

import orjson
from pydantic import JsonValue


def canonical_bytes(value: JsonValue) -> bytes:
    """Return a value as compact JSON with sorted keys. Total.

    Integers of any size keep all their digits. What JSON cannot say becomes what it can: a number
    that is not finite becomes null, half of a surrogate pair its escape.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        pass
    text = json.dumps(sayable(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def digest(value: JsonValue) -> str:
    """Return the SHA-256 of a value's canonical bytes, in hexadecimal."""
    return sha256(canonical_bytes(value)).hexdigest()


def fingerprint(
    executor: str, schema_version: int, parameters: JsonValue, edge_digest: str = ""
) -> str:
    """Return what a result depends on, as one digest: equal fingerprints, equal results.

    Args:
        executor: Name of the task executor.
        schema_version: Of that executor.
        parameters: Resolved.
        edge_digest: Digest of the outputs of dependencies that come by an edge alone.
    """
    return digest([executor, schema_version, parameters, edge_digest])


def sayable(value: JsonValue) -> JsonValue:
    """Replace what encoders refuse: numbers that are not finite, integers they find too long."""
    if isinstance(value, dict):
        return {key: sayable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [sayable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and value.bit_length() > _MAX_DECIMAL_BITS:
        return hex(value)
    return value


_MAX_DECIMAL_BITS = 14_000
