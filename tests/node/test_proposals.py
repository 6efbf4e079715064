"""What a waiting command is told, for every way its entry can end."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.errors import DeadlineExceeded, Draining, NotLeader, OutcomeUnknown, RaftdocError
from raftdoc.ids import GroupId, Index, NodeId, Term
from raftdoc.limits import ENTRY_BYTES_MAX, ENTRY_COMMANDS_MAX
from raftdoc.node.proposals import Proposal, Proposals
from raftdoc.raft.messages import Entry, EntryKind
from raftdoc.statemachine.outcome import Outcome


class Recorded:
    """A waiter that remembers its one answer."""

    def __init__(self) -> None:
        self.answer: Outcome | BaseException | None = None

    def done(self) -> bool:
        return self.answer is not None

    def set_result(self, result: Outcome, /) -> None:
        assert self.answer is None
        self.answer = result

    def set_exception(self, exception: BaseException, /) -> None:
        assert self.answer is None
        self.answer = exception


def entry(index: int, term: int) -> Entry:
    return Entry(Index(index), Term(term), EntryKind.COMMANDS, 0, b"")


def sent(proposals: Proposals, *, index: int, term: int, count: int = 1, deadline_ns: int = 100) -> list[Recorded]:
    waiters = [Recorded() for _ in range(count)]
    for waiter in waiters:
        proposals.add(Proposal(b"c", waiter, deadline_ns))
    (cut,) = proposals.take()
    proposals.sent(Term(term), Index(index), cut, count)
    return waiters


def fresh() -> Proposals:
    return Proposals(GroupId(1))


def test_entry_of_the_same_term_answers_each_command_with_its_outcome() -> None:
    proposals = fresh()
    waiters = sent(proposals, index=5, term=2, count=2)
    proposals.applied(entry(5, 2), [Outcome("ok", 1), Outcome("duplicate_key")], None)
    # Where no revision says which entry it was, the outcome does.
    assert [waiter.answer for waiter in waiters] == [Outcome("ok", 1), Outcome("duplicate_key", entry_index=Index(5))]
    assert proposals.waiting_count == 0
    assert proposals.in_flight_bytes == 0


def test_entry_of_another_term_at_the_index_proves_that_the_command_was_not_applied() -> None:
    proposals = fresh()
    (waiter,) = sent(proposals, index=5, term=2)
    proposals.applied(entry(5, 3), [], NodeId("n2"))
    assert isinstance(waiter.answer, NotLeader)
    assert waiter.answer.outcome == "not_applied"
    assert waiter.answer.leader == "n2"


def test_outcome_of_another_leaders_entry_is_nobodys_here() -> None:
    proposals = fresh()
    (waiter,) = sent(proposals, index=5, term=2)
    proposals.applied(entry(5, 3), [Outcome("ok", 1)], NodeId("n2"))
    assert isinstance(waiter.answer, NotLeader)


def test_earlier_entries_answer_nobody_who_waits_for_a_later_one() -> None:
    proposals = fresh()
    (waiter,) = sent(proposals, index=5, term=2)
    proposals.applied(entry(4, 2), [], None)
    assert waiter.answer is None


def test_truncation_proves_nothing() -> None:
    proposals = fresh()
    (kept,) = sent(proposals, index=5, term=2)
    (lost,) = sent(proposals, index=6, term=2)
    proposals.truncated(Index(6))
    assert kept.answer is None
    assert isinstance(lost.answer, OutcomeUnknown)


def test_snapshot_over_an_entry_does_not_tell_whose_it_contains() -> None:
    proposals = fresh()
    (covered,) = sent(proposals, index=5, term=2)
    (behind,) = sent(proposals, index=6, term=2)
    proposals.covered(Index(5))
    assert isinstance(covered.answer, OutcomeUnknown)
    assert behind.answer is None
    assert proposals.waiting_count == 1


def test_deadline_in_flight_is_unknown_and_a_late_outcome_is_dropped() -> None:
    proposals = fresh()
    (waiter,) = sent(proposals, index=5, term=2, deadline_ns=100)
    proposals.expire(99)
    assert waiter.answer is None
    proposals.expire(100)
    assert isinstance(waiter.answer, DeadlineExceeded)
    assert waiter.answer.outcome == "unknown"
    proposals.applied(entry(5, 2), [Outcome("ok")], None)
    assert isinstance(waiter.answer, DeadlineExceeded)


def test_deadline_before_the_proposal_is_not_applied() -> None:
    proposals = fresh()
    waiter, patient = Recorded(), Recorded()
    proposals.add(Proposal(b"c", waiter, 100))
    proposals.add(Proposal(b"c", patient, 200))
    proposals.expire(150)
    assert isinstance(waiter.answer, DeadlineExceeded)
    assert waiter.answer.outcome == "not_applied"
    assert [proposal.waiter for proposal in proposals.queued] == [patient]
    assert proposals.waiting_count == 1


def test_closing_answers_everybody_truly() -> None:
    proposals = fresh()
    (in_flight,) = sent(proposals, index=5, term=2)
    queued = Recorded()
    proposals.add(Proposal(b"c", queued, 100))
    proposals.close(Draining("stop"))
    assert isinstance(in_flight.answer, OutcomeUnknown)
    assert isinstance(queued.answer, Draining)
    assert proposals.waiting_count == 0


@given(st.lists(st.integers(1, ENTRY_BYTES_MAX // 2), min_size=1, max_size=2 * ENTRY_COMMANDS_MAX))
def test_cuts_keep_the_order_and_the_bounds_of_an_entry(sizes: list[int]) -> None:
    proposals = fresh()
    commands = [memoryview(bytes(ENTRY_BYTES_MAX // 2))[:size] for size in sizes]
    for command in commands:
        proposals.add(Proposal(command, Recorded(), 1))  # type: ignore[arg-type]
    cuts = proposals.take()
    assert [proposal.command for cut in cuts for proposal in cut] == commands
    for cut in cuts:
        assert 1 <= len(cut) <= ENTRY_COMMANDS_MAX
        assert len(cut) == 1 or sum(len(proposal.command) for proposal in cut) <= ENTRY_BYTES_MAX
    assert proposals.queued == []


def test_an_entry_ends_by_what_its_commands_weigh() -> None:
    proposals = fresh()
    for number in range(4):
        proposals.add(Proposal(b"%d" % number, Recorded(), 1))
    cuts = proposals.take(lambda command: ENTRY_BYTES_MAX if command == b"1" else 1)
    assert [[proposal.command for proposal in cut] for cut in cuts] == [[b"0"], [b"1"], [b"2", b"3"]]


@pytest.mark.parametrize("error", [NotLeader(GroupId(1), None), Draining("stop")])
async def test_a_cancelled_caller_is_passed_over(error: RaftdocError) -> None:
    proposals = fresh()
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    proposals.add(Proposal(b"c", future, 1))
    future.cancel()
    proposals.close(error)
    assert future.cancelled()
