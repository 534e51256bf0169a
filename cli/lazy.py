"""Commands that are imported once they are called, because some bring the whole platform along."""

from collections import UserDict
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMANDS = {
    "up": "cli.up:up",
    "run": "cli.run:run",
    "chat": "cli.chat:chat",
    "apply": "cli.definitions:apply",
    "export": "cli.definitions:export",
    "diff": "cli.definitions:diff",
    "backup": "cli.backup:backup",
    "restore": "cli.backup:restore",
    "bootstrap": "cli.bootstrap:bootstrap",
    "token": "cli.token:token",
    "workflows": "cli.workflows:app",
    "admin": "cli.admin:app",
    "files": "cli.files:app",
}
"""Name of each command, in the order of the help, and where it is: a function or a group."""


class _Commands(UserDict[str, Any]):
    """Imports a command when it is looked up; its values are places until then."""

    def __getitem__(self, name: str) -> Any:
        """Return the command of a name."""
        module, attribute = super().__getitem__(name).split(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            return get_command(found)
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(found)
        return get_command(alone)


class LazyGroup(TyperGroup):
    """Knows its commands by name; the help of all of them imports all of them."""

    def __init__(self, **given: Any) -> None:
        """Take what typer gives a group, and commands that are imported on demand."""
        super().__init__(**given)
        self.commands = _Commands(COMMANDS)
