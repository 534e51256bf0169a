"""Every migration, in order.

A new one is a module beside this one and a line here. Indexes that are only added need none: they
are declared in ``store.indexes`` and made at each start.
"""

from collections.abc import Sequence

from store.migrations import collections_first
from store.migrations.migration import Migration

MIGRATIONS: Sequence[Migration] = (collections_first.MIGRATION,)
