"""Results of an earlier generation that may be used again."""

from collections.abc import Iterable

from contracts.messages import Seed


class Seeds:
    """Looks seeds up by task and item.

    A seed is taken when its fingerprint equals the one that the task has now, whatever happened in
    between; there is no other rule.
    """

    def __init__(self, seeds: Iterable[Seed]) -> None:
        """Index the seeds; of two for the same task and item the later one counts."""
        self._by_place: dict[str, dict[int | None, Seed]] = {}
        for seed in seeds:
            self._by_place.setdefault(seed.task_name, {})[seed.item] = seed

    def matching(self, task_name: str, item: int | None, fingerprint: str) -> Seed | None:
        """Return the seed to use instead of running the task, if there is one."""
        seed = self._by_place.get(task_name, {}).get(item)
        return seed if seed is not None and seed.fingerprint == fingerprint else None

    def of_items(self, task_name: str, first: int, length: int) -> list[Seed]:
        """Return the seeds of a stretch of an iteration's items, in item order."""
        places = self._by_place.get(task_name, {})
        return [places[item] for item in range(first, first + length) if item in places]
