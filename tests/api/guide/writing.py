"""Requests and replies as the guide prints them: curl commands, and JSON that may be shortened."""

import json
import shlex
from collections.abc import Iterable, Mapping

from pydantic import JsonValue

WIDTH = 100
LEFT_OUT = "…"

_INDENT = "  "
_AROUND = '"": ,'
_BEFORE_JSON = "  --json ''"
_MANY = 2
_NEXT_LINE = " \\\n  "


def shortened(value: JsonValue, keep: Iterable[str]) -> JsonValue:
    """Return a value with these dotted paths alone; LEFT_OUT marks each object that lost keys.

    A path goes through lists as if each item stood there. Raises an AssertionError if one leads
    nowhere: a guide shows what there is.
    """
    below: dict[str, list[str]] = {}
    for path in keep:
        name, _, rest = path.partition(".")
        below.setdefault(name, []).append(rest)
    if isinstance(value, list):
        return [shortened(each, keep) for each in value]
    assert isinstance(value, dict), f"{value!r} has no {list(below)}"
    assert below.keys() <= value.keys(), f"{below.keys() - value.keys()} of {list(value)}"
    kept = {
        name: value[name] if "" in rest else shortened(value[name], rest)
        for name, rest in below.items()
    }
    return kept if kept.keys() == value.keys() else {**kept, LEFT_OUT: LEFT_OUT}


def pretty(value: JsonValue, indent: str = "", taken: int = 0) -> str:
    """Return JSON with whatever fits into a line in one line.

    Args:
        indent: What the lines after the first begin with.
        taken: How much of the first line is taken by what stands around the value.
    """
    line = in_one_line(value)
    is_long = len(indent) + taken + len(line) > WIDTH
    if not is_long or not isinstance(value, dict | list) or not value:
        return line
    deeper = indent + _INDENT
    if isinstance(value, dict):
        parts = [
            LEFT_OUT
            if name == LEFT_OUT
            else f"{json.dumps(name)}: {pretty(each, deeper, len(name) + len(_AROUND))}"
            for name, each in value.items()
        ]
        opening, closing = "{", "}"
    else:
        parts = [pretty(each, deeper, len(",")) for each in value]
        opening, closing = "[", "]"
    lines = ",\n".join(deeper + part for part in parts)
    return f"{opening}\n{lines}\n{indent}{closing}"


def in_one_line(value: JsonValue) -> str:
    """Return JSON without a line break."""
    if isinstance(value, dict):
        parts = (
            LEFT_OUT if name == LEFT_OUT else f"{json.dumps(name)}: {in_one_line(each)}"
            for name, each in value.items()
        )
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(in_one_line(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def command(
    method: str,
    url: str,
    headers: Mapping[str, str],
    json_body: JsonValue = None,
    raw: str | None = None,
) -> str:
    """Return a request as a curl command for a shell that knows ``$PERDURE`` and the keys.

    Args:
        headers: Shell variables in them are opened.
        json_body: Sent as JSON.
        raw: Sent as it is instead.
    """
    has_body = json_body is not None or raw is not None
    parts = ["curl"]
    if method != ("POST" if has_body else "GET"):
        parts.append(f"-X {method}")
    parts.append(f'"{url}"')
    options = [f'-H "{name}: {value}"' for name, value in headers.items()]
    if raw is not None:
        return _joined(parts, [*options, "--data-binary @- <<'END'"]) + f"\n{raw.rstrip()}\nEND"
    if json_body is not None:
        options.append(f"--json {shlex.quote(pretty(json_body, taken=len(_BEFORE_JSON)))}")
    return _joined(parts, options)


def _joined(parts: list[str], options: list[str]) -> str:
    """Return a command in one line if it fits, else with its options in lines of their own."""
    line = " ".join([*parts, *options])
    longest = max(len(each) for each in line.splitlines())
    if longest <= WIDTH and (len(options) < _MANY or "\n" not in line):
        return line
    return _NEXT_LINE.join([" ".join(parts), *options])
