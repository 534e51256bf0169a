"""Become another program, on a leash: the kernel ends it when its parent dies.

Run as a script, ``python leash.py PARENT_PID PROGRAM [ARGUMENT ...]``. Without it a supervisor that
is killed would leave its servers behind, holding their ports and data. They end at once and not in
order, so that the next supervisor can start straight away; whatever they acknowledged is on disk.
Only Linux knows the leash; elsewhere the program simply runs.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Put this process on the leash and replace it with the program; never returns."""
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit(1)  # the parent died before the leash was on
    os.execv(command[0], command)  # noqa: S606 - the point of this module


if __name__ == "__main__":
    main(sys.argv[1:])
