"""Commands sent on to a leader elsewhere: every waiter is answered once, and truly."""

from __future__ import annotations

from typing import Any

import pytest

from raftdoc.errors import (
    DeadlineExceeded,
    DiskFull,
    Draining,
    NotLeader,
    OutcomeUnknown,
    OverBudget,
    RaftdocError,
    Unavailable,
)
from raftdoc.ids import GroupId, NodeId
from raftdoc.node.forwarding import Forwarding, Served
from raftdoc.node.proposals import Proposal
from raftdoc.statemachine.outcome import Outcome
from raftdoc.wire.messages import Forward, Forwarded

LEADER, ASKER, GROUP = NodeId("n1"), NodeId("n2"), GroupId(4)


class Recorded:
    def __init__(self) -> None:
        self.answer: Any = None

    def done(self) -> bool:
        return self.answer is not None

    def set_result(self, result: Outcome, /) -> None:
        assert self.answer is None
        self.answer = result

    def set_exception(self, exception: BaseException, /) -> None:
        assert self.answer is None
        self.answer = exception


def asking(count: int = 1, deadline_ns: int = 10**9) -> tuple[Forwarding, Forward, list[Recorded]]:
    forwarding = Forwarding(first_request_id=100)
    waiters = [Recorded() for _ in range(count)]
    for number, waiter in enumerate(waiters):
        forwarding.add(LEADER, GROUP, Proposal(b"c%d" % number, waiter, deadline_ns))
    ((peer, group, message),) = forwarding.take(0)
    assert (peer, group) == (LEADER, GROUP)
    return forwarding, message, waiters


def serve(message: Forward) -> tuple[Served, list[Forwarded]]:
    answers: list[Forwarded] = []

    def answer(peer: NodeId, group: GroupId, answered: Forwarded) -> None:
        assert (peer, group) == (ASKER, GROUP)
        answers.append(answered)

    return Served(ASKER, message, answer), answers


def test_all_commands_of_a_turn_travel_in_one_message_and_come_back_in_order() -> None:
    forwarding, message, waiters = asking(3)
    assert message.commands == (b"c0", b"c1", b"c2")
    served, answers = serve(message)
    outcomes = [Outcome("ok", revision) for revision in (1, 2, 3)]
    for waiter, outcome in reversed(list(zip(served.waiters(), outcomes, strict=True))):
        assert answers == []
        waiter.set_result(outcome)
    forwarding.answered(answers[0])
    assert [waiter.answer for waiter in waiters] == outcomes
    assert forwarding.waiting_count == 0


@pytest.mark.parametrize(
    "error",
    [
        NotLeader(GROUP, NodeId("n3")),
        NotLeader(GROUP, None),
        OutcomeUnknown("lost"),
        DeadlineExceeded("late", outcome="unknown"),
        DeadlineExceeded("late"),
        OverBudget("full"),
        Draining("stops"),
        DiskFull("no space"),
    ],
)
def test_an_error_crosses_the_link_with_its_class_and_its_outcome(error: RaftdocError) -> None:
    forwarding, message, (waiter,) = asking()
    served, answers = serve(message)
    served.refuse_all(error)
    forwarding.answered(answers[0])
    assert type(waiter.answer) is type(error)
    assert (waiter.answer.code, waiter.answer.outcome) == (error.code, error.outcome)
    if isinstance(error, NotLeader):
        assert waiter.answer.leader == error.leader


@pytest.mark.parametrize(("outcome", "expected"), [("not_applied", Unavailable), ("unknown", OutcomeUnknown)])
def test_an_error_of_a_newer_version_keeps_what_it_says_of_the_outcome(outcome: str, expected: type) -> None:
    forwarding, message, (waiter,) = asking()
    forwarding.answered(Forwarded(message.request_id, ((1, ("brand_new", "detail", outcome, None)),)))
    assert type(waiter.answer) is expected


def test_a_broken_link_makes_what_was_sent_unknown_at_once() -> None:
    forwarding, _, (waiter,) = asking()
    forwarding.unreachable(NodeId("n9"))
    assert waiter.answer is None
    forwarding.unreachable(LEADER)
    assert isinstance(waiter.answer, OutcomeUnknown)


def test_an_answer_to_another_life_matches_nothing() -> None:
    forwarding, message, (waiter,) = asking()
    forwarding.answered(Forwarded(message.request_id + 1, ((0, tuple(Outcome("ok"))),)))
    assert waiter.answer is None


def test_deadline_of_one_command_leaves_the_others_waiting() -> None:
    forwarding = Forwarding(1)
    hasty, patient = Recorded(), Recorded()
    forwarding.add(LEADER, GROUP, Proposal(b"a", hasty, 10))
    forwarding.add(LEADER, GROUP, Proposal(b"b", patient, 20))
    ((_, _, message),) = forwarding.take(0)
    forwarding.sweep(10)
    assert hasty.answer.outcome == "unknown"
    assert patient.answer is None
    forwarding.answered(Forwarded(message.request_id, ((0, tuple(Outcome("ok", 1))), (0, tuple(Outcome("ok", 2))))))
    assert patient.answer == Outcome("ok", 2)


def test_closing_says_what_never_left_and_what_is_unknown() -> None:
    forwarding, _, (sent,) = asking()
    queued = Recorded()
    forwarding.add(LEADER, GROUP, Proposal(b"q", queued, 10))
    forwarding.close(Draining("stops"))
    assert isinstance(sent.answer, OutcomeUnknown)
    assert isinstance(queued.answer, Draining)
