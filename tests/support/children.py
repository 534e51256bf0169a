"""Processes that this one started, and those that they started."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path


def children_named(part: str) -> list[int]:
    """Return the ids of child processes, alive, whose command line holds this text."""
    return [
        pid for pid, parent, command in _processes() if parent == os.getpid() and part in command
    ]


def descendants_named(part: str, of: int | None = None) -> list[int]:
    """Return the ids of children and their children, alive, whose command line holds this text."""
    processes = list(_processes())
    family = {of or os.getpid()}
    grown = 0
    while grown != len(family):
        grown = len(family)
        family |= {pid for pid, parent, _ in processes if parent in family}
    return [
        pid
        for pid, parent, command in processes
        if pid in family and parent in family
        if part in command
    ]


def is_alive(pid: int) -> bool:
    """Return whether a process has this id and has not ended."""
    return any(process == pid for process, _, _ in _processes())


def freeze(pid: int) -> None:
    """Stop a process from running without ending it, and return once each thread stands still."""
    os.kill(pid, signal.SIGSTOP)
    while not all(state in "TXZ" for state in _threads(pid)):
        time.sleep(0.001)


def _threads(pid: int) -> Iterator[str]:
    """Yield the state of each thread, as the kernel shows it."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            yield (thread / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue


def _processes() -> Iterator[tuple[int, int, str]]:
    """Yield id, parent's id and command line of every process that has not ended."""
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            # The fields behind the name, which stands in parentheses: state, parent's id.
            state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
        if state != "Z":
            yield int(process.name), int(parent), command
