"""JSON or YAML: what a body says it is, and what a caller would rather read.

Source: docs/api.md, "YAML".
"""

import re
from collections.abc import Iterator

JSON = "application/json"
YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")

_QUALITY = re.compile(r"[qQ]\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def is_yaml(content_type: str | None) -> bool:
    """Return whether a content type means YAML, whatever its parameters say."""
    return content_type is not None and _bare(content_type) in YAML_TYPES


def preferred_yaml(accept: str | None) -> str | None:
    """Return the type of YAML that a caller prefers to JSON; None for JSON.

    YAML has to be named: a wildcard alone means JSON. Of two that are wanted equally, the one that
    is named comes first, and of two that are named JSON.
    """
    if accept is None or "yaml" not in accept.lower():
        return None
    wanted = dict(_ranges(accept))
    named = [each for each in YAML_TYPES if each in wanted]
    if not named:
        return None
    best = max(named, key=wanted.__getitem__)
    json = wanted.get(JSON)
    if json is not None:
        return best if wanted[best] > json else None
    others = wanted.get("application/*", wanted.get("*/*", 0.0))
    return best if wanted[best] > 0 and wanted[best] >= others else None


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Yield each media range with its quality; what cannot be read counts as not wanted."""
    for part in accept.split(","):
        name, *parameters = part.split(";")
        quality = 1.0
        for parameter in parameters:
            if parameter.strip().lower().startswith("q"):
                found = _QUALITY.fullmatch(parameter.strip())
                quality = float(found[1]) if found else 0.0
        yield _bare(name), quality


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()
