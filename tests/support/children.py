"""Processes that this one started."""

import os
from pathlib import Path


def children_named(part: str) -> list[int]:
    """Return the ids of child processes, alive, whose command line holds this text."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            # The fields behind the name, which stands in parentheses: state, parent's id.
            state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
        if int(parent) == os.getpid() and state != "Z" and part in command:
            found.append(int(process.name))
    return found
