"""What the collector looks at in a process that serves."""

import subprocess
import sys

SETTLED = """
import gc
from runtime.heap import settle_heap, unsettle_heap

class Loaded:
    pass

class Dropped:
    pass

loaded = Loaded()
dropped = Dropped()
dropped.itself = dropped
del dropped

def seen(kind):
    return [each for each in gc.get_objects() if type(each) is kind]

settle_heap()
print(len(seen(Loaded)), len(seen(Dropped)), gc.get_freeze_count() > 0)
unsettle_heap()
print(len(seen(Loaded)), len(seen(Dropped)), gc.get_freeze_count())
"""

UNSETTLED = """
import gc
from runtime.heap import settle_heap
from runtime.shutdown import settle_interpreter

class Native:
    def __del__(self):
        print("let go")

native = Native()
native.itself = native
settle_heap()
del native
gc.collect()
print("kept")
settle_interpreter()
print("ends")
"""


def printed(program: str) -> list[str]:
    """Return the lines that a fresh interpreter prints: the collector belongs to the process."""
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.splitlines()


def test_what_was_loaded_is_no_longer_looked_at_until_the_process_ends() -> None:
    assert printed(SETTLED) == ["0 0 True", "1 0 0"]


def test_a_process_that_ends_lets_go_of_what_it_had_loaded() -> None:
    assert printed(UNSETTLED) == ["kept", "let go", "ends"]
