import asyncio
from contextlib import AsyncExitStack

import pytest

from activities.turns import Turns


class Visitor:
    """Somebody who takes a turn and keeps it until told to leave."""

    def __init__(self, turns: Turns, owner: str, served: list[str]) -> None:
        self._leave = asyncio.Event()
        self.has_entered = asyncio.Event()
        self.task = asyncio.create_task(self._visit(turns, owner, served))

    async def _visit(self, turns: Turns, owner: str, served: list[str]) -> None:
        async with turns.turn(owner, patience=10):
            served.append(owner)
            self.has_entered.set()
            await self._leave.wait()

    async def leave(self) -> None:
        self._leave.set()
        await self.task


async def settled() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_owner_gets_its_share_and_no_more() -> None:
    turns, served = Turns(4), list[str]()
    hogs = [Visitor(turns, "hog", served) for _ in range(5)]
    await settled()

    assert served == ["hog", "hog"]

    quick = Visitor(turns, "quick", served)
    await settled()
    assert served == ["hog", "hog", "quick"]
    for visitor in [quick, *hogs]:
        await visitor.has_entered.wait()
        await visitor.leave()
    assert served.count("hog") == 5


async def test_those_who_wait_are_served_owner_by_owner() -> None:
    turns, served = Turns(1), list[str]()
    first = Visitor(turns, "a", served)
    await settled()
    later = [Visitor(turns, owner, served) for owner in "aabbc"]
    await settled()

    await first.leave()
    for visitor in later:
        visitor._leave.set()
    await asyncio.gather(*(visitor.task for visitor in later))

    assert served == ["a", "a", "b", "c", "a", "b"]


async def test_impatience_costs_no_place() -> None:
    turns = Turns(2, share=1)
    async with turns.turn("a", patience=1):
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with turns.turn("a", patience=0.01):
                    pytest.fail("there is no place")

    async with turns.turn("a", patience=1), turns.turn("b", patience=1):
        pass


async def test_cancelling_whoever_waits_or_holds_costs_no_place() -> None:
    turns, served = Turns(1), list[str]()
    holder, waiter = Visitor(turns, "a", served), Visitor(turns, "b", served)
    await settled()

    waiter.task.cancel()
    holder.task.cancel()
    await asyncio.gather(holder.task, waiter.task, return_exceptions=True)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(turns.turn("c", patience=1))
    assert served == ["a"]


async def test_a_place_granted_to_someone_just_cancelled_goes_on_to_the_next() -> None:
    turns, served = Turns(1), list[str]()
    holder, second = Visitor(turns, "a", served), Visitor(turns, "b", served)
    third = Visitor(turns, "c", served)
    await settled()

    holder._leave.set()
    await holder.task  # hands its place to the second, who has not run since
    second.task.cancel()
    await third.has_entered.wait()

    assert served[-1] == "c"
    await third.leave()
