"""Idle groups: what is spared is nothing but work. `hear`, `heard` and `due_ns` against `step` and `tick`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from raftdoc.ids import NodeId
from raftdoc.raft.messages import AppendEntries, AppendResponse, HeartbeatResponse

from .lone import HEARTBEAT_MS, MS, N2, N3, N4, W_MS, Lone, entries


def follower(**changes: object) -> Lone:
    """Return a node that follows n2 in term 1 and has two entries, both committed."""
    lone = Lone(log=entries(1, 1, 1), **changes)  # type: ignore[arg-type]
    lone.append_from(N2, 1, prev=(2, 1), commit=2)
    lone.persist()
    lone.sent.clear()
    return lone


def hear(lone: Lone, sender: NodeId, beat: AppendEntries) -> bool:
    return lone.core.hear(sender, beat.term, beat.commit_index, lone.now_ns)


def candidate() -> Lone:
    lone = follower()
    lone.time_out()
    lone.sent.clear()
    return lone


def undurable() -> Lone:
    """Return a node whose disk does not know its term yet."""
    lone = Lone(log=entries(1, 1, 1))
    lone.append_from(N2, 2, prev=(2, 1), commit=2)
    return lone


def failed() -> Lone:
    lone = follower()
    lone.core.on_persist_failed()
    return lone


def test_a_heartbeat_that_is_heard_does_what_one_that_is_stepped_does() -> None:
    heard, stepped = follower(), follower()
    for lone in (heard, stepped):
        lone.tick(300)
    beat = stepped.heartbeat(1, prev=(2, 1), commit=2)
    stepped.step(N2, beat)
    assert hear(heard, N2, beat)
    assert not heard.core.has_ready()
    assert stepped.sent == [(N2, HeartbeatResponse(beat.term, beat.sent_ns, beat.read_round, beat.boot_id))]
    assert heard.core.due_ns() == stepped.core.due_ns()
    for lone in (heard, stepped):
        lone.now_ms += W_MS - 1
        lone.sent.clear()
        lone.ask_vote(N3, 2, last=(9, 9))
        assert not lone.sent[0][1].granted  # type: ignore[union-attr]


@pytest.mark.parametrize("make", [candidate, undurable, failed, lambda: Lone().elect()])
def test_who_does_not_durably_follow_hears_nothing(make: Callable[[], Lone]) -> None:
    lone = make()
    before = lone.core.due_ns()
    assert not hear(lone, N2, lone.heartbeat(lone.core.term, prev=(2, 1), commit=0))
    assert lone.core.due_ns() == before


@pytest.mark.parametrize(("sender", "term", "commit"), [(N3, 1, 2), (N2, 2, 2), (N2, 0, 2), (N2, 1, 3)])
def test_another_leader_another_term_and_a_new_commit_are_news(sender: NodeId, term: int, commit: int) -> None:
    lone = follower()
    lone.tick(300)
    before = lone.core.due_ns()
    assert not hear(lone, sender, lone.heartbeat(term, prev=(2, 1), commit=commit))
    assert lone.core.due_ns() == before


def leader() -> Lone:
    """Return a leader whose peers hold all of its log."""
    lone = Lone().elect()
    lone.tick(HEARTBEAT_MS)
    lone.sent.clear()
    return lone


def answer(lone: Lone, *, term: int = 0, read_round: int = 0, boot_id: int = 0) -> HeartbeatResponse:
    response = lone.beat(term=term)
    return response._replace(
        sent_ns=lone.now_ns, read_round=read_round, boot_id=type(response.boot_id)(boot_id or response.boot_id)
    )


def test_an_answer_that_is_heard_renews_lease_and_quorum_like_one_that_is_stepped() -> None:
    heard, stepped = leader(), leader()
    before = heard.core.lease_until_ns
    for lone in (heard, stepped):
        lone.now_ms += 200
    stepped.step(N2, answer(stepped))
    assert heard.core.heard(N2, answer(heard), heard.now_ns)
    assert not heard.core.has_ready()
    assert before < heard.core.lease_until_ns == stepped.core.lease_until_ns
    for lone in (heard, stepped):
        lone.tick(W_MS - 1)
        assert lone.is_leader
        lone.tick(W_MS)
        assert not lone.is_leader


def test_an_answer_of_another_term_or_an_earlier_life_and_one_that_somebody_waits_for_are_stepped() -> None:
    lone = leader()
    before = lone.core.lease_until_ns
    lone.now_ms += 200
    assert not lone.core.heard(N2, answer(lone, term=lone.core.term + 1), lone.now_ns)
    assert not lone.core.heard(N2, answer(lone, boot_id=99), lone.now_ns)
    assert not lone.core.heard(N2, answer(lone, read_round=1), lone.now_ns)
    assert not lone.core.heard(NodeId("n9"), answer(lone), lone.now_ns)
    assert lone.core.lease_until_ns == before


def test_an_answer_of_a_peer_that_lacks_entries_is_stepped() -> None:
    lone = leader()
    lone.core.on_unreachable(N2, lone.now_ns)
    assert not lone.core.heard(N2, answer(lone), lone.now_ns)


def test_who_follows_hears_no_answers() -> None:
    lone = follower()
    assert not lone.core.heard(N2, answer(lone), lone.now_ns)


def test_before_it_is_due_a_tick_does_nothing() -> None:
    for lone in (follower(), leader(), candidate()):
        due_ns = lone.core.due_ns()
        assert due_ns > lone.now_ns
        lone.core.tick(due_ns - 1)
        assert not lone.core.has_ready()
        assert lone.core.due_ns() == due_ns
        lone.core.tick(due_ns)
        assert lone.core.has_ready()


def test_a_leader_is_due_when_its_transfer_has_failed_or_its_disk_is_full() -> None:
    lone = leader()
    lone.core.transfer(N2, lone.now_ns)
    assert lone.core.due_ns() <= lone.now_ns + W_MS * MS
    full = leader()
    full.core.on_disk_full(full=True, now_ns=full.now_ns)
    assert full.core.due_ns() == 0


def test_a_follower_whose_callers_wait_for_its_leader_is_due_at_once() -> None:
    lone = follower()
    lone.read(1)
    assert lone.core.due_ns() == 0


def test_a_node_whose_disk_failed_is_never_due() -> None:
    assert failed().core.due_ns() > 1 << 60


def test_groups_of_one_node_beat_at_the_same_times() -> None:
    lone = leader()
    lone.tick(37)
    assert lone.core.due_ns() % (HEARTBEAT_MS * MS) == 0


def quorate() -> Lone:
    """Return a leader that has committed all it has with n2; n3 has been sent it, and has not answered."""
    lone = Lone().elect()
    lone.propose()
    lone.persist()
    lone.ack_of(N2, 2)
    assert lone.core.commit_index == 2
    return lone


def test_an_acknowledgement_of_what_is_committed_may_wait() -> None:
    lone = quorate()
    assert lone.core.note_late(N3, lone.ack(2), lone.now_ns)
    lone.ack_of(N3, 2)
    assert not lone.core.has_ready()


@pytest.mark.parametrize(
    "ack",
    [
        lambda lone: lone.ack(3),
        lambda lone: lone.ack(2)._replace(success=False),
        lambda lone: lone.ack(2, term=9),
        lambda lone: lone.ack(2, boot_id=9),
        lambda lone: lone.ack(2, read_round=1),
    ],
    ids=["commits", "refuses", "of another term", "to another life", "confirms a read"],
)
def test_an_acknowledgement_that_says_more_does_not_wait(ack: Callable[[Lone], AppendResponse]) -> None:
    lone = quorate()
    assert not lone.core.note_late(N3, ack(lone), lone.now_ns)


def lagging() -> Lone:
    """Return a leader whose window to n3 is full: more is to follow its answer."""
    lone = Lone(inflight_messages_max=1).elect()
    lone.propose()
    lone.propose()
    lone.persist()
    lone.ack_of(N2, 2)
    lone.ack_of(N2, 3)
    return lone


def handing_over() -> Lone:
    lone = quorate()
    lone.transfer(N3)
    return lone


def changing() -> Lone:
    lone = quorate()
    lone.change((N2, N3), learners=(N4,))
    lone.persist()
    return lone


@pytest.mark.parametrize("make", [lagging, handing_over, changing, follower, failed])
def test_no_acknowledgement_waits_where_something_follows_it(make: Callable[[], Lone]) -> None:
    lone = make()
    assert not lone.core.note_late(N3, lone.ack(2), lone.now_ns)
    assert not lone.core.note_late(N4, lone.ack(2), lone.now_ns)
