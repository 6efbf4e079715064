"""The event loop of virtual time: one seed decides every order, the dead do nothing, and nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from random import Random
from typing import Any

import pytest

from raftdoc.simulation.nodes.event_loop import OWNER, Stuck, VirtualLoop


class Owner:
    def __init__(self) -> None:
        self.is_dead = False
        self.is_crashed = False
        self.is_paused = False
        self.held: list[Any] = []


def run(work: Callable[[VirtualLoop], Any], *, seed: int = 0, is_shuffling: bool = False) -> Any:
    loop = VirtualLoop(Random(seed), is_shuffling=is_shuffling)
    try:
        return loop.run_until_complete(work(loop))
    finally:
        loop.close()


async def passed(loop: VirtualLoop, seconds: float) -> None:
    """Wait until so much virtual time has passed."""
    over = loop.create_future()
    loop.call_later(seconds, over.set_result, None)
    await over


def order_of(seed: int, *, is_shuffling: bool) -> list[int]:
    async def work(loop: VirtualLoop) -> list[int]:
        seen: list[int] = []
        for number in range(10):
            loop.call_soon(seen.append, number)
        await passed(loop, 1)
        return seen

    found: list[int] = run(work, seed=seed, is_shuffling=is_shuffling)
    return found


def test_hours_pass_at_once() -> None:
    async def work(loop: VirtualLoop) -> float:
        await passed(loop, 36_000)
        return loop.time()

    assert run(work) == 36_000


def test_timeouts_are_of_virtual_time() -> None:
    async def work(loop: VirtualLoop) -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await loop.create_future()
        return loop.now_ns

    assert run(work) == 5_000_000_000


def test_order_is_that_of_the_calls_or_one_that_the_seed_draws() -> None:
    assert order_of(1, is_shuffling=False) == list(range(10))
    assert order_of(1, is_shuffling=True) == order_of(1, is_shuffling=True)
    assert order_of(1, is_shuffling=True) != order_of(2, is_shuffling=True)


def test_what_the_dead_have_scheduled_never_runs() -> None:
    async def work(loop: VirtualLoop) -> list[str]:
        owner, seen = Owner(), list[str]()
        context = copy_context()
        context.run(OWNER.set, owner)
        context.run(loop.call_later, 1, seen.append, "alive")
        context.run(loop.call_later, 3, seen.append, "dead")
        await passed(loop, 2)
        owner.is_dead = True
        await passed(loop, 2)
        return seen

    assert run(work) == ["alive"]


def test_what_a_paused_process_misses_runs_when_it_goes_on() -> None:
    async def work(loop: VirtualLoop) -> list[int]:
        owner, seen = Owner(), list[int]()
        context = copy_context()
        context.run(OWNER.set, owner)
        owner.is_paused = True
        context.run(loop.call_later, 1, lambda: seen.append(loop.now_ns))
        await passed(loop, 5)
        assert not seen
        owner.is_paused = False
        loop.resume(owner)
        await passed(loop, 0)
        await passed(loop, 0)
        return seen

    assert run(work) == [5_000_000_000]


def test_work_for_a_thread_takes_time_and_its_error_is_told() -> None:
    def fail() -> None:
        raise OSError("the disk failed")

    async def work(loop: VirtualLoop) -> int:
        assert await loop.run_in_executor(None, lambda: 7) == 7
        with pytest.raises(OSError, match="the disk failed"):
            await loop.run_in_executor(None, fail)
        return loop.now_ns

    assert run(work) > 0


def test_waiting_for_what_never_comes_is_told() -> None:
    async def work(loop: VirtualLoop) -> None:
        await loop.create_future()

    with pytest.raises(Stuck):
        run(work)


def test_exception_that_nobody_takes_is_noted() -> None:
    async def work(loop: VirtualLoop) -> list[str]:
        loop.call_soon({}.__getitem__, "missing")
        await passed(loop, 1)
        return loop.errors

    (error,) = run(work)
    assert "KeyError" in error
