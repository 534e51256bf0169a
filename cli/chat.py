"""``perdure chat``: a conversation with an interactive workflow, in the terminal or by a script.

Source: docs/command-line.md, "perdure chat".
"""

import importlib
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated

import typer
from pydantic import JsonValue

from cli.client import Client, ClientError, JsonObject
from cli.registered_workflows import RUNS, as_object, existing
from cli.run import report
from cli.run_socket import RunSocket

PATIENCE_SECONDS = 120.0
INTERRUPTED = 130
PROMPT = "> "


def chat(
    workflow: Annotated[
        str | None, typer.Argument(help="A workflow's id or name; leave it out with --run.")
    ] = None,
    run_id: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Go on with a run that waits.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="Of the workflow; the active one unless given.")
    ] = None,
    variables: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A dynamic variable of a new run."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each event as a line of JSON, and nothing else.")
    ] = False,
) -> None:
    """Talk to a workflow: what it says is printed as it says it, each line typed is a message.

    The end of input leaves the run waiting; Ctrl-C stops it. Exits 0 if the run completed or
    waits, 1 if it failed, 130 after Ctrl-C. Calls the API at PERDURE_URL with PERDURE_API_KEY.
    """
    screen: Screen = JsonLines() if as_json else Screen()
    try:
        if (workflow is None) == (run_id is None):
            raise ClientError("name a workflow, or a run with --run")
        with (
            Client.from_environment() as client,
            RunSocket(client, patience_seconds=PATIENCE_SECONDS, on_wait=screen.note) as socket,
        ):
            is_waiting = False
            if run_id is not None:
                is_waiting = _gone_on(client, socket, run_id, screen)
            elif workflow is not None:
                given: JsonObject = {"dynamic_variables": _variables(variables or [])}
                if version is not None:
                    given["version_number"] = version
                socket.begin(existing(client, workflow).id, **given)
            code = _talk(socket, screen, is_waiting=is_waiting)
    except ClientError as error:
        screen.end_line()
        report(error, as_json=as_json)
        code = 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    raise typer.Exit(code)


class Screen:
    """Where a person reads the conversation."""

    def __init__(self) -> None:
        """Begin on an empty line."""
        self._spoken: set[str] = set()
        self._attempt = 0
        self._is_inside = False
        self.is_terminal = sys.stdin.isatty()
        if self.is_terminal:
            with suppress(ImportError):  # lines are edited, and earlier ones found again
                importlib.import_module("readline")

    def show(self, event: JsonObject) -> None:
        """Print what an event says to the person, if anything."""
        match event.get("type"):
            case "assistant_response_delta":
                self._say_part(event)
            case "assistant_response":
                if str(event.get("logical_id")) not in self._spoken:
                    self._begin_line()
                    sys.stdout.write(str(event.get("content")))
                self._is_inside = True
                self.end_line()
            case "user_messages" if not self.is_terminal:
                for text in _texts(event):
                    sys.stdout.write(f"{PROMPT}{text}\n")
            case "workflow_error":
                self.end_line()
                self.note(str(event.get("error_message")))
        sys.stdout.flush()

    def replay(self, event: JsonObject) -> None:
        """Print an event of an earlier conversation, the person's own words among it."""
        if self.is_terminal and event.get("type") == "user_messages":
            for text in _texts(event):
                sys.stdout.write(f"{PROMPT}{text}\n")
        else:
            self.show(event)

    def note(self, text: str) -> None:
        """Say something beside the conversation."""
        self.end_line()
        typer.echo(f"perdure: {text}", err=True)

    def end_line(self) -> None:
        """Leave a line that was begun."""
        if self._is_inside:
            sys.stdout.write("\n")
            sys.stdout.flush()
        self._is_inside = False

    def asks(self) -> str | None:
        """Return what the person says next; None if nothing more."""
        try:
            return input(PROMPT if self.is_terminal else "")
        except EOFError:
            if self.is_terminal:
                sys.stdout.write("\n")
            return None

    def _begin_line(self) -> None:
        self.end_line()
        self._is_inside = True

    def _say_part(self, event: JsonObject) -> None:
        message_id, attempt = str(event.get("message_id")), event.get("attempt")
        if message_id not in self._spoken or attempt != self._attempt:
            self._begin_line()
        self._spoken.add(message_id)
        self._attempt = attempt if isinstance(attempt, int) else 0
        sys.stdout.write(str(event.get("delta")))


class JsonLines(Screen):
    """Where a script reads the conversation."""

    def show(self, event: JsonObject) -> None:
        """Print the event."""
        sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def replay(self, event: JsonObject) -> None:
        """Print the event."""
        self.show(event)

    def asks(self) -> str | None:
        """Return the next line of input, without a prompt."""
        line = sys.stdin.readline()
        return line.rstrip("\r\n") if line else None


def _gone_on(client: Client, socket: RunSocket, run_id: str, screen: Screen) -> bool:
    """Show a run's conversation so far and listen to it; returns whether it waits."""
    answer = as_object(as_object(client.get(f"{RUNS}/{run_id}"))["workflow_run"])
    run = as_object(answer["workflow_run"])
    pairs = run.get("input_output_pairs")
    told = 0
    for pair in map(as_object, pairs if isinstance(pairs, list) else []):
        events = as_object(pair["run_output"]).get("events")
        for event in map(as_object, events if isinstance(events, list) else []):
            screen.replay(event)
            told += 1
    socket.follow(run_id, told)
    return run["status"] == "waiting_for_user_input"


def _talk(socket: RunSocket, screen: Screen, *, is_waiting: bool) -> int:
    """Take turns until the run has ended, or the person has; returns the exit status."""
    try:
        while True:
            for event in () if is_waiting else socket.events():
                screen.show(event)
            is_waiting = False
            if socket.outcome is not None:
                return _status(socket.outcome, screen)
            said = _next(screen)
            if said is None:
                screen.note(f"the run waits: perdure chat --run {socket.run_id}")
                return 0
            socket.say(said)
    except KeyboardInterrupt:
        with _undisturbed():
            screen.note("stopping the run")
            socket.stop()
            while socket.outcome is None:
                for event in socket.events():
                    screen.show(event)
        return INTERRUPTED


def _next(screen: Screen) -> str | None:
    """Return the next line that says something."""
    while (said := screen.asks()) is not None:
        if said.strip():
            return said
    return None


def _status(outcome: str, screen: Screen) -> int:
    screen.note(f"the run is {outcome}")
    return 0 if outcome == "completed" else 1


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a second Ctrl-C end the command at once, whatever it waits for."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _texts(event: JsonObject) -> list[str]:
    messages = event.get("messages")
    found = messages if isinstance(messages, list) else []
    return [str(each.get("content")) for each in found if isinstance(each, dict)]


def _variables(options: list[str]) -> JsonObject:
    """Return ``NAME=VALUE`` options as variables; a value that is JSON is taken as such."""
    found: JsonObject = {}
    for option in options:
        name, equals, text = option.partition("=")
        if not name or not equals:
            raise ClientError(f"--set {option!r} is not NAME=VALUE")
        try:
            value: JsonValue = json.loads(text)
        except ValueError:
            value = text
        found[name] = value
    return found
