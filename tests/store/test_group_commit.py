"""Writes that share a flush."""

import asyncio
from collections.abc import Sequence

import pytest

from store.group_commit import GroupCommit
from tests.support.eventually import eventually


class Ledger:
    """Remembers batches; holds each back until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def flush(self, writes: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(writes))
        await self.gate.wait()
        if any(write < 0 for write in writes):
            raise ConnectionError("down")
        return [ValueError("odd") if write == 13 else write * 2 for write in writes]


async def flushing(ledger: Ledger, count: int) -> None:
    await eventually(lambda: len(ledger.batches) >= count)


async def test_a_lone_write_goes_out_at_once() -> None:
    ledger = Ledger()

    assert await GroupCommit(ledger.flush).submit(1) == 2

    assert ledger.batches == [[1]]


async def test_what_arrives_during_a_flush_leaves_together_afterwards() -> None:
    ledger = Ledger()
    ledger.gate.clear()
    group = GroupCommit(ledger.flush)
    first = asyncio.create_task(group.submit(1))
    await flushing(ledger, 1)
    later = [asyncio.create_task(group.submit(number)) for number in range(2, 6)]
    await asyncio.sleep(0)

    ledger.gate.set()

    assert await asyncio.gather(first, *later) == [2, 4, 6, 8, 10]
    assert ledger.batches == [[1], [2, 3, 4, 5]]


async def test_a_batch_is_bounded() -> None:
    ledger = Ledger()
    group = GroupCommit(ledger.flush, max_batch=3)

    answers = await asyncio.gather(*(group.submit(number) for number in range(8)))

    assert answers == [number * 2 for number in range(8)]
    assert all(len(batch) <= 3 for batch in ledger.batches)


async def test_an_error_of_one_write_reaches_its_caller_alone() -> None:
    ledger = Ledger()
    group = GroupCommit(ledger.flush)

    answers = await asyncio.gather(
        group.submit(1), group.submit(13), group.submit(2), return_exceptions=True
    )

    assert answers[0] == 2
    assert isinstance(answers[1], ValueError)
    assert answers[2] == 4


async def test_a_failed_flush_reaches_every_caller_and_the_next_one_works() -> None:
    ledger = Ledger()
    group = GroupCommit(ledger.flush)

    answers = await asyncio.gather(
        group.submit(1), group.submit(-1), group.submit(2), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [ConnectionError] * 3
    assert await group.submit(4) == 8


async def test_a_caller_that_is_cancelled_takes_nobody_along() -> None:
    ledger = Ledger()
    ledger.gate.clear()
    group = GroupCommit(ledger.flush)
    leaving, staying = (asyncio.create_task(group.submit(number)) for number in (1, 2))
    await flushing(ledger, 1)

    leaving.cancel()
    ledger.gate.set()

    assert await staying == 4
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert ledger.batches == [[1, 2]]


async def test_a_flush_that_forgets_an_answer_is_an_error_and_no_hang() -> None:
    async def forgetful(writes: Sequence[int]) -> Sequence[int | Exception]:
        return writes[1:]

    with pytest.raises(RuntimeError):
        await GroupCommit(forgetful).submit(1)
