"""Runs the Python of tools: in the sandbox of ``python_code``, each use in a process of its own.

The code sees each argument under its name, and all of them as ``arguments``. What it assigns to
``result`` is the result; code that only defines a function has that called.

Source: docs/workflow-language.md, "Tools"; docs/security.md, "The sandbox".
"""

import ast
import asyncio
import keyword
from collections.abc import Mapping

from pydantic import JsonValue
from temporalio import activity

from activities.code import MAX_MEMORY_BYTES, MAX_PRINTED_BYTES
from activities.heartbeats import heartbeats
from activities.interactive import OpenSecrets
from activities.json_values import NotJsonError, parse_json
from activities.redaction import Redactor
from activities.sandbox import CodeRun, Sandbox, SandboxFailedError
from contracts.names import RUN_CODE
from contracts.runs import RunCodeCall
from dialogs.effects import ToolReply
from flows.errors import TaskFailedError

MAX_OUTPUT_BYTES = 1024 * 1024
"""What a run remembers it carries from history to history."""


class RunCodeActivities:
    """Runs tools' code."""

    def __init__(
        self, sandbox: Sandbox, open_secrets: OpenSecrets, *, is_allowed: bool = True
    ) -> None:
        """Borrow an open sandbox; whoever opened it closes it.

        Args:
            is_allowed: Whether the operator lets tools run code at all.
        """
        self._sandbox = sandbox
        self._open_secrets = open_secrets
        self._is_allowed = is_allowed

    @activity.defn(name=RUN_CODE)
    async def run_code(self, call: RunCodeCall) -> ToolReply:
        """Run the code once; whatever goes wrong is a reply, and the run goes on."""
        if not self._is_allowed:
            return ToolReply(success=False, error="the operator does not let tools run Python")
        wanted = call.call
        async with heartbeats():
            secrets: Mapping[str, str] = {}
            try:
                secrets = await self._open_secrets(call.organization_id, wanted.secrets)
                arguments = _opened(wanted.arguments, secrets)
                result = await self._result(
                    call.organization_id, wanted.code, arguments, wanted.timeout_seconds
                )
            except TaskFailedError as error:
                message = Redactor(secrets.values()).message(error.message)
                return ToolReply(success=False, error=message)
        return ToolReply(success=True, result=Redactor(secrets.values()).value(result))

    async def _result(
        self, organization_id: str, code: str, arguments: JsonValue, seconds: float
    ) -> JsonValue:
        """Return what the code came to.

        Raises:
            TaskFailedError: It came to nothing; the message says why, for its author.
        """
        program = program_of(code, arguments if isinstance(arguments, dict) else {})
        try:
            async with self._sandbox.turns.turn(organization_id, patience=seconds):
                text = await self._sandbox.run(
                    CodeRun(
                        code=program,
                        input_data=arguments,
                        seconds=seconds,
                        max_memory=MAX_MEMORY_BYTES,
                        max_output=MAX_OUTPUT_BYTES,
                        max_printed=MAX_PRINTED_BYTES,
                    )
                )
        except SandboxFailedError as error:
            raise TaskFailedError(error.fault.message, type=error.fault.type) from None
        except TimeoutError:
            raise TaskFailedError(
                f"the code did not end within {seconds:g} s", type="TimeoutError"
            ) from None
        try:
            return await asyncio.to_thread(parse_json, text)
        except NotJsonError as error:
            raise TaskFailedError(f"result is not JSON: {error}", type="InvalidResult") from None


def program_of(code: str, arguments: Mapping[str, JsonValue]) -> str:
    """Return the code with its arguments before it and, where it only defines, a call behind it."""
    names = [each for each in arguments if each.isidentifier() and not keyword.iskeyword(each)]
    given = [f"{name} = input_data[{name!r}]" for name in names]
    # On one line, so that the lines of the author's code keep their distance in tracebacks.
    head = "; ".join(["arguments = input_data", *given])
    tail = _call_of(code, set(names))
    return "\n".join(part for part in (head, code, tail) if part)


def _call_of(code: str, names: set[str]) -> str:
    """Return what calls the last function that the code defines, unless it sets a result itself."""
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # the sandbox says what is wrong
    if any(_assigns_result(each) for each in body):
        return ""
    functions = [each for each in body if isinstance(each, ast.FunctionDef)]
    if not functions:
        return ""
    parameters = functions[-1].args
    wanted = [each.arg for each in (*parameters.posonlyargs, *parameters.args)]
    wanted += [each.arg for each in parameters.kwonlyargs]
    passed = [f"{name}=input_data[{name!r}]" for name in wanted if name in names]
    if wanted and not passed and len(wanted) == 1:
        passed = ["input_data"]
    return f"result = {functions[-1].name}({', '.join(passed)})"


def _assigns_result(statement: ast.stmt) -> bool:
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    if any(isinstance(each, ast.Name) and each.id == "result" for each in targets):
        return True
    is_compound = isinstance(statement, ast.If | ast.For | ast.While | ast.With | ast.Try)
    return is_compound and any(
        _assigns_result(each) for each in ast.walk(statement) if isinstance(each, ast.Assign)
    )


def _opened(value: JsonValue, secrets: Mapping[str, str]) -> JsonValue:
    """Return arguments with secrets in the places of their marks."""
    if not secrets:
        return value
    if isinstance(value, str):
        for mark, secret in secrets.items():
            value = value.replace(mark, secret)
        return value
    if isinstance(value, list):
        return [_opened(each, secrets) for each in value]
    if isinstance(value, dict):
        return {name: _opened(each, secrets) for name, each in value.items()}
    return value
