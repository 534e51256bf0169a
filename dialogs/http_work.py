"""What an ``http_request`` node asks of an outside service, and what it makes of the reply.

Source: docs/workflow-language.md, "http_request".
"""

import json
import shlex
from urllib.parse import urlencode

from pydantic import JsonValue

from dialogs.effects import HttpCall, HttpReply
from dialogs.events import HttpRequest, JsonObject
from dialogs.model import HttpRequestNode
from dialogs.templates import as_text, render, render_value
from dialogs.turn import Turn, origin

_SHOWN_SECRET = "***"  # noqa: S105 - what stands in the place of one
_SENSITIVE_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-auth-token"}
)


async def call_service(turn: Turn, node: HttpRequestNode, visit: int) -> JsonObject:
    """Send the node's request and store the result; returns the node's output."""
    override = next((each.override_url for each in turn.given.main_inputs if each.override_url), "")
    try:
        call = _call(turn, node, visit, override or node.url)
    except ValueError as error:
        return _concluded(turn, node, visit, None, HttpReply(error=str(error)))
    turn.tool_calls += 1
    before = turn.driver.now()
    reply = await turn.driver.request(call)
    turn.tool_milliseconds += (turn.driver.now() - before).total_seconds() * 1000
    return _concluded(turn, node, visit, call, reply)


def curl_command(call: HttpCall) -> str:
    """Return the request as a command line, without what is secret."""
    query = f"?{urlencode(call.query)}" if call.query else ""
    parts = ["curl", "-X", call.method, f"{call.url}{query}"]
    for name, value in call.headers.items():
        shown = _SHOWN_SECRET if name.lower() in _SENSITIVE_HEADERS else value
        for mark in call.secrets:
            shown = shown.replace(mark, _SHOWN_SECRET)
        parts += ["-H", f"{name}: {shown}"]
    if call.body is not None:
        parts += ["--data", call.body]
    for name, value in (call.form or {}).items():
        parts += ["--form-string", f"{name}={value}"]
    return shlex.join(parts)


def _call(turn: Turn, node: HttpRequestNode, visit: int, url: str) -> HttpCall:
    """Return the request; ValueError says what of it is no JSON."""
    marks: dict[str, str] = {}
    with_secrets = turn.with_secrets(marks)
    headers = {name: render(as_text(value), with_secrets) for name, value in node.headers.items()}
    body, form, content_type = _body(turn, node)
    if content_type is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = content_type
    key, expires_in = turn.effect(node, visit)
    return HttpCall(
        key=key,
        secrets=marks,
        expires_in=expires_in,
        method=node.method,
        url=turn.render(url),
        headers=headers,
        query=_pairs(_json(turn, node.query_parameters, "query_parameters")),
        body=body,
        form=form,
        content_type=content_type,
        timeout_seconds=node.timeout,
        is_binary=node.response_format == "binary",
    )


def _body(
    turn: Turn, node: HttpRequestNode
) -> tuple[str | None, dict[str, str] | None, str | None]:
    """Return the body's text, its multipart fields, and its type; nothing where there is none."""
    if not node.body_parameters.strip():
        return None, None, None
    if node.body_content_type == "text/plain":
        return turn.render(node.body_parameters), None, "text/plain; charset=utf-8"
    value = _json(turn, node.body_parameters, "body_parameters")
    if node.body_content_type == "application/json":
        return json.dumps(value, ensure_ascii=False), None, "application/json"
    if node.body_content_type == "application/x-www-form-urlencoded":
        return urlencode(_pairs(value)), None, node.body_content_type
    return None, dict(_pairs(value)), None


def _json(turn: Turn, text: str, field: str) -> JsonValue:
    """Read a field that holds JSON first, and put the variables into its strings afterwards."""
    if not text.strip():
        return {}
    try:
        value: JsonValue = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{field} is not valid JSON: {error}") from error
    return render_value(value, turn.lookup)


def _pairs(value: JsonValue) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise ValueError("query parameters and form fields are a JSON object")
    return tuple(
        (name, as_text(each))
        for name, given in value.items()
        for each in (given if isinstance(given, list) else [given])
        if each is not None
    )


def _concluded(
    turn: Turn, node: HttpRequestNode, visit: int, call: HttpCall | None, reply: HttpReply
) -> JsonObject:
    status = reply.status_code
    value, fault = _value(node, reply)
    succeeded = fault is None and status is not None and 200 <= status < 300
    if fault is None and not succeeded:
        fault = f"the service answered {status}"
    command = curl_command(call) if call is not None else ""
    shown = _shown(value)
    turn.write(node, _variables(node, value, succeeded, status))
    turn.tell(
        HttpRequest,
        origin(node, visit),
        {"curl_command": command, "status_code": status, "response_body": shown, "error": fault},
    )
    return {
        "curl_command": command,
        "success": succeeded,
        "http_status_code": status,
        "http_response": shown,
    }


def _variables(
    node: HttpRequestNode, value: JsonValue, succeeded: bool, status: int | None
) -> JsonObject:
    name = node.result_runtime_variable_name
    return {name: value, f"{name}_success": succeeded, f"{name}_status_code": status}


def _value(node: HttpRequestNode, reply: HttpReply) -> tuple[JsonValue, str | None]:
    """Return what the reply holds, and what is wrong with it."""
    if reply.error is not None:
        return None, reply.error
    if node.response_format != "json":
        return reply.body, None
    if not reply.body.strip():
        return None, None
    try:
        return json.loads(reply.body, parse_constant=_refused), None
    except ValueError:
        return None, "the service did not answer with JSON"


def _refused(name: str) -> JsonValue:
    raise ValueError(f"{name} is no JSON")


def _shown(value: JsonValue) -> JsonObject | None:
    if value is None or isinstance(value, dict):
        return value
    return {"body": value}
