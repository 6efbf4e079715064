"""Reads that wait: one context for all of a turn, released by the applied index, never lost."""

from __future__ import annotations

import asyncio

import pytest

from raftdoc.errors import DeadlineExceeded, Draining, NoLeader
from raftdoc.ids import Index
from raftdoc.node.reads import REISSUE_AFTER_NS, Reads, ReadWaiter


def waiter(deadline_ns: int = 10**12) -> ReadWaiter:
    return ReadWaiter(asyncio.get_running_loop().create_future(), deadline_ns)


async def test_all_reads_of_a_turn_share_one_context_and_wait_for_its_index() -> None:
    reads = Reads()
    first, second = waiter(), waiter()
    reads.ask(first)
    reads.ask(second)
    reads.issue(7, 0)
    assert reads.asking == []
    reads.confirmed(7, Index(5))
    reads.applied(Index(4))
    assert not first.future.done()
    reads.applied(Index(5))
    assert first.future.done()
    assert second.future.done()
    assert reads.waiting_count == 0


async def test_a_read_that_comes_after_the_context_was_issued_is_not_confirmed_by_it() -> None:
    reads = Reads()
    early, late = waiter(), waiter()
    reads.ask(early)
    reads.issue(7, 0)
    reads.ask(late)
    reads.confirmed(7, Index(1))
    reads.applied(Index(1))
    assert early.future.done()
    assert not late.future.done()


async def test_unanswered_question_is_asked_again_and_an_old_answer_releases_nobody() -> None:
    reads = Reads()
    waiting = waiter()
    reads.ask(waiting)
    reads.issue(7, 0)
    reads.sweep(REISSUE_AFTER_NS)
    assert reads.asking == [waiting]
    reads.confirmed(7, Index(0))
    reads.applied(Index(9))
    assert not waiting.future.done()


async def test_old_answer_does_not_release_who_has_asked_again() -> None:
    reads = Reads()
    waiting = waiter()
    reads.ask(waiting)
    reads.issue(7, 0)
    reads.sweep(REISSUE_AFTER_NS)
    reads.issue(8, REISSUE_AFTER_NS)
    reads.confirmed(7, Index(0))
    reads.applied(Index(9))
    assert not waiting.future.done()


async def test_failed_context_fails_its_reads_only() -> None:
    reads = Reads()
    failing, other = waiter(), waiter()
    reads.ask(failing)
    reads.issue(1, 0)
    reads.ask(other)
    reads.failed(1, NoLeader("gone"))
    with pytest.raises(NoLeader):
        failing.future.result()
    assert not other.future.done()


@pytest.mark.parametrize("where", ["asking", "issued", "applying"])
async def test_deadline_ends_a_read_wherever_it_waits(where: str) -> None:
    reads = Reads()
    waiting = waiter(deadline_ns=10)
    if where == "applying":
        reads.wait_applied(Index(3), waiting)
    else:
        reads.ask(waiting)
        if where == "issued":
            reads.issue(1, 0)
    reads.sweep(10 + REISSUE_AFTER_NS)
    with pytest.raises(DeadlineExceeded):
        waiting.future.result()
    assert reads.waiting_count == 0


async def test_closing_fails_every_read() -> None:
    reads = Reads()
    waiters = [waiter() for _ in range(3)]
    reads.ask(waiters[0])
    reads.issue(1, 0)
    reads.ask(waiters[1])
    reads.wait_applied(Index(1), waiters[2])
    reads.close(Draining("stop"))
    for waiting in waiters:
        assert isinstance(waiting.future.exception(), Draining)
    assert reads.waiting_count == 0


async def test_a_read_that_its_caller_gave_up_counts_no_more_long_before_its_deadline() -> None:
    """A node that lags must not refuse reads because of callers who are gone."""
    reads = Reads()
    gone, waiting = waiter(), waiter()
    reads.wait_applied(Index(9), gone)
    reads.wait_applied(Index(9), waiting)
    gone.future.cancel()
    reads.sweep(0)
    assert reads.waiting_count == 1
    assert [entry[2] for entry in reads.applying] == [waiting]
