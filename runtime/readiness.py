"""Waiting for a child process to answer, and saying in one line why it did not."""

import asyncio
import random
import re
import shutil
import signal
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from flows.errors import StartUpError
from runtime.process import ManagedProcess

LOOPBACK = "127.0.0.1"
START_DEADLINE = timedelta(seconds=60)
SERVER_PORTS = range(10_000, 32_768)
"""Above those of well-known servers, below those that Linux by default gives to connections."""

MAX_PORTS_TRIED = 100

_POLL = timedelta(milliseconds=50)
_MISSING_LIBRARY = re.compile(r"error while loading shared libraries: ([^:\s]+)")
_DISK_FULL = re.compile(
    r"No space left on device|database or disk is full|disk quota exceeded", re.I
)
_PORT_TAKEN = re.compile(r"address already in use", re.I)


async def await_answer(
    process: ManagedProcess,
    is_ready: Callable[[], Awaitable[bool]],
    deadline: timedelta = START_DEADLINE,
) -> None:
    """Poll until the process answers.

    Raises:
        StartUpError: It ended, or did not answer before the deadline.
    """
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            while not await is_ready():
                if not process.is_running:
                    raise StartUpError(explain_exit(process))
                await asyncio.sleep(_POLL.total_seconds())
    except TimeoutError as error:
        raise StartUpError(
            f"{process.name} did not answer within {deadline.total_seconds():g} s, "
            f"see {process.log_path}"
        ) from error


def explain_exit(process: ManagedProcess) -> str:
    """Return one line that says why a process ended, and what to do where that is known."""
    tail = process.log_tail()
    if library := _MISSING_LIBRARY.search(tail):
        return (
            f"{process.name} needs the shared library {library[1]}: install libssl 3 and libcurl 4 "
            "(Debian, Ubuntu: apt-get install libssl3 libcurl4)"
        )
    if _DISK_FULL.search(tail):
        return f"{process.name} ended because the disk is full: free some space, then start again"
    if _PORT_TAKEN.search(tail):
        return f"{process.name} ended because its port is taken: choose another one"
    return f"{process.name} ended {describe_exit(process.exit_status)}, see {process.log_path}"


def describe_exit(status: int | None) -> str:
    """Return ``with exit status 3`` or ``by SIGKILL``."""
    if status is not None and status < 0:
        try:
            return f"by {signal.Signals(-status).name}"
        except ValueError:
            return f"by signal {-status}"
    return f"with exit status {status}"


def is_port_free(port: int) -> bool:
    """Return whether a server could listen on the loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port(among: range = SERVER_PORTS) -> int:
    """Return a loopback port that nobody listens on just now.

    Not one of those that connections leave from: a server that is started again, or a little later,
    would find it taken by any of them.

    Raises:
        StartUpError: All that were tried are taken.
    """
    for port in random.sample(among, min(MAX_PORTS_TRIED, len(among))):
        if is_port_free(port):
            return port
    raise StartUpError("no port is free")


def require_free_space(folder: Path, minimum_bytes: int) -> None:
    """Refuse to start on a disk that is about to be full.

    Raises:
        StartUpError: Less is free where the folder is.
    """
    free = shutil.disk_usage(folder).free
    if free < minimum_bytes:
        raise StartUpError(
            f"the disk is full: {folder} has {free // 2**20} MiB free and needs "
            f"{minimum_bytes // 2**20} MiB"
        )
