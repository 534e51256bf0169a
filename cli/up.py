"""``perdure up``: the whole platform on this machine, until Ctrl-C."""

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli.platform import Platform
from cli.ports import Ports
from runtime.data_folder import DataFolder
from runtime.readiness import describe_exit
from runtime.shutdown import run_until_signalled, unless_stopped

DEFAULT_DATA_DIR = Path(".perdure")


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for.

    Attributes:
        command: Run once everything answers, with PERDURE_URL and PERDURE_API_KEY set.
        is_once: Stop as soon as the command ended.
    """

    data_dir: Path
    ports: Ports
    ready_file: Path | None
    command: tuple[str, ...]
    is_once: bool


def up(
    command: Annotated[
        list[str] | None,
        typer.Argument(help="Run this once everything answers, e.g. -- perdure run FLOW."),
    ] = None,
    data_dir: Annotated[Path, typer.Option(help="Where all state lives.")] = DEFAULT_DATA_DIR,
    port: Annotated[int, typer.Option(help="Port of the API; 0 picks a free one.")] = 8000,
    temporal_port: Annotated[int, typer.Option(help="Port of the Temporal server.")] = 7233,
    ui_port: Annotated[int, typer.Option(help="Port of Temporal's Web UI.")] = 8233,
    mongodb_port: Annotated[int, typer.Option(help="Port of mongod.")] = 27018,
    metrics_port: Annotated[int, typer.Option(help="Port of the worker's metrics.")] = 9464,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write addresses and keys here once everything answers.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Stop when the command ended, with its exit status.")
    ] = False,
) -> None:
    """Start Temporal, MongoDB, a worker and the API; start again what dies; stop on Ctrl-C."""
    ports = Ports(
        api=port, temporal=temporal_port, ui=ui_port, mongodb=mongodb_port, metrics=metrics_port
    )
    if once and not command:
        raise typer.BadParameter("--once needs a command")
    request = Request(data_dir, ports, ready_file, tuple(command or ()), once)
    folder = DataFolder(data_dir)
    with folder.held():
        status = run_until_signalled(lambda stop: _serve(request, folder, stop))
    raise typer.Exit(status)


async def _serve(request: Request, folder: DataFolder, stop: asyncio.Event) -> int:
    """Run the platform until it is told to stop, or the one command ended; return the status."""
    platform = Platform(folder, request.ports, os.environ, _say)
    try:
        _say(f"starting, data in {folder.path}")
        started = await unless_stopped(stop, platform.start(request.ready_file))
        if started is None:
            return 0
        _show(platform, started.api_key)
        status = 0
        if request.command:
            status = await _run_command(request.command, platform, started.api_key, stop)
        if request.is_once and not stop.is_set():
            return status
        if not stop.is_set():
            _say("serving, Ctrl-C stops")
        await stop.wait()
        return 0
    finally:
        await _stopped(platform, stop)


async def _stopped(platform: Platform, stop: asyncio.Event) -> None:
    """Stop the platform; another signal meanwhile ends it on the spot."""
    _say("stopping")
    stop.clear()
    orderly = asyncio.ensure_future(platform.stop())
    await unless_stopped(stop, orderly)
    if stop.is_set():
        await platform.kill()
    _say("stopped")


async def _run_command(
    command: tuple[str, ...], platform: Platform, api_key: str, stop: asyncio.Event
) -> int:
    """Run a command against the platform, on this terminal, and return its exit status."""
    environment = platform.environment | {
        "PERDURE_URL": platform.urls.api,
        "PERDURE_API_KEY": api_key,
        "PERDURE_TEMPORAL_UI_URL": platform.urls.temporal_ui or "",
    }
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    status = await unless_stopped(stop, process.wait())
    if status is None:
        process.send_signal(signal.SIGTERM)
        await process.wait()
        return 0
    if status != 0:
        _say(f"the command ended {describe_exit(status)}")
    return status if status >= 0 else 128 - status


def _show(platform: Platform, api_key: str) -> None:
    """Print where everything is."""
    urls = platform.urls
    rows = {
        "API": urls.api,
        "API documentation": f"{urls.api}/docs",
        "Temporal": urls.temporal,
        "Temporal Web UI": urls.temporal_ui,
        "MongoDB": urls.mongodb if platform.owns_mongodb else None,
        "API key": api_key,
    }
    for name, value in rows.items():
        if value:
            typer.echo(f"  {name:<18} {value}")


def _say(line: str) -> None:
    """Print one line of our own."""
    typer.echo(f"perdure: {line}", err=True)
