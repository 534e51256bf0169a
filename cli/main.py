"""The ``perdure`` command."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from cli.lazy import LazyGroup
from flows.errors import EngineError

app = typer.Typer(
    name="perdure",
    cls=LazyGroup,
    help="Durable flows as a service, on Temporal.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        typer.echo(f"perdure {version('perdure')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Durable flows as a service, on Temporal."""


def main() -> None:
    """Run the command; what we refuse on purpose is one line on standard error, not a traceback."""
    try:
        app()
    except EngineError as error:
        typer.echo(f"perdure: {error.message}", err=True)
        sys.exit(1)
