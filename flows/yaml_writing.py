"""JSON values as YAML that says the same to any reader, whichever version of YAML it follows.

Text that one of the versions would take for something else is quoted; nothing is anchored.

Source: docs/flow-language.md, "YAML".
"""

import re
from typing import Any

import yaml
from pydantic import JsonValue

from flows.yaml_reading import NO_TEXT

_NEVER_FOLDED = 2**31 - 1


def write_yaml(value: JsonValue) -> str:
    """Return a value as one YAML document, keys in their order, text of several lines as a block.

    ``read_yaml`` returns the value again.
    """
    return yaml.dump(
        value,
        Dumper=_Dumper,
        allow_unicode=True,
        default_flow_style=False,
        sort_keys=False,
        width=_NEVER_FOLDED,
    )


class _Dumper(yaml.CSafeDumper):
    """Knows what is no text in YAML 1.1, as its base does, and in the core schema of 1.2."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out, wherever it occurs."""
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Return a text, as a block if that keeps it as it is and makes it easier to read."""
        style = "|" if _reads_well_as_a_block(text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _reads_well_as_a_block(text: str) -> bool:
    """Return whether a text has several lines, none of which hides blanks at an end."""
    lines = text.removesuffix("\n").split("\n")
    return (
        len(lines) > 1
        and bool(lines[0])
        and not lines[0][0].isspace()
        and bool(lines[-1])
        and all(line == line.rstrip() for line in lines)
    )


_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_implicit_resolver(  # the tag is never written: it only tells text from what is none
    "!no-text", re.compile(rf"(?:{NO_TEXT.pattern})\Z"), None
)
