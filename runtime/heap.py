"""What the garbage collector of a long-lived process looks at.

Source: docs/decisions/0058-what-the-collector-looks-at.md.
"""

import gc

_YOUNG_OBJECTS = 10_000
"""How many objects may be made, and not unmade, before the youngest are looked at; Python's own 700
are fewer than one request makes."""


def settle_heap() -> None:
    """Take all that has been loaded so far out of the collector's sight, for good.

    For a process that has started up and is about to serve. A full collection stops all threads,
    for a tenth of a second even if it only looks at modules and their models.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])


def unsettle_heap() -> None:
    """Let the collector see everything again, for a process that ends."""
    gc.unfreeze()
