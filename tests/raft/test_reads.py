"""ReadIndex (dissertation 6.4) and leadership transfer (3.10)."""

from __future__ import annotations

from raftdoc.ids import BootId, GroupId, Incarnation, Index, Term
from raftdoc.node.health import Verdict
from raftdoc.node.replica import Replica
from raftdoc.raft import Rejection, RejectReason, Role
from raftdoc.raft.messages import AppendEntries, ReadIndexRequest, ReadIndexResponse, TimeoutNow
from raftdoc.statemachine.catalog_machine import CatalogMachine
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.memory import MemoryEngine

from .lone import HEARTBEAT_MS, N1, N2, N3, N4, N5, W_MS, Lone


def leader(**changes: object) -> Lone:
    """Return a leader without leases, which has committed its no-op."""
    return Lone(leases_enabled=False, **changes).elect()  # type: ignore[arg-type]


def rounds(node: Lone) -> list[int]:
    """Return the ReadIndex rounds of the messages that left, one per peer."""
    return [message.read_round for message in node.sent_of(AppendEntries)]


# ReadIndex ------------------------------------------------------------------------------------------


def test_6_4_read_is_answered_when_a_quorum_confirms_its_round() -> None:
    node = leader()
    node.read(7)
    assert rounds(node) == [1, 1]
    assert node.reads == []
    node.beat_of(N2, read_round=1)
    assert node.reads == [(7, 1)]


def test_6_4_read_index_is_the_commit_index_at_the_start_of_the_round() -> None:
    node = leader()
    node.read(7)
    _, index = node.propose()
    node.persist()
    node.ack_of(N3, index)
    assert node.core.commit_index == index
    node.beat_of(N2, read_round=1)
    assert node.reads == [(7, index - 1)]


def test_6_4_read_index_holds_all_that_was_committed_before_the_read() -> None:
    node = leader()
    _, index = node.propose()
    node.persist()
    node.ack_of(N3, index)
    node.read(7)
    node.beat_of(N2, read_round=1)
    assert node.reads == [(7, index)]


def test_6_4_read_does_not_attach_to_a_round_in_flight() -> None:
    node = leader()
    node.read(7)
    node.sent.clear()
    node.read(8)
    assert rounds(node) == []
    node.beat_of(N2, read_round=1)
    assert node.reads == [(7, 1)]
    assert rounds(node) == [2, 2]
    node.beat_of(N2, read_round=1)
    assert node.reads == [(7, 1)]
    node.beat_of(N3, read_round=2)
    assert node.reads == [(7, 1), (8, 1)]


def test_6_4_one_round_confirms_all_that_wait() -> None:
    node = leader()
    node.read(7)
    for context in (8, 9, 10):
        node.read(context)
    node.beat_of(N2, read_round=1)
    node.beat_of(N2, read_round=2)
    assert [context for context, _ in node.reads] == [7, 8, 9, 10]


def test_6_4_lost_round_is_confirmed_by_a_later_heartbeat() -> None:
    node = leader()
    node.read(7)
    node.sent.clear()
    node.tick(HEARTBEAT_MS)
    assert rounds(node) == [1, 1]
    node.beat_of(N3, read_round=1)
    assert node.reads == [(7, 1)]


def test_6_4_answer_to_an_append_confirms_a_round_too() -> None:
    node = leader()
    node.read(7)
    node.propose()
    node.ack_of(N2, 2, read_round=1)
    assert node.reads == [(7, 1)]


def test_6_4_new_leader_waits_for_its_no_op() -> None:
    node = Lone(leases_enabled=False).elect(with_own=False)
    node.read(7)
    node.beat_of(N2)
    assert node.reads == []
    node.persist()
    node.ack_of(N2, 1)
    assert node.reads == []
    node.beat_of(N2, read_round=1)
    assert node.reads == [(7, 1)]


def test_6_4_round_of_a_suspected_clock_begins_no_reads_before_the_no_op() -> None:
    """Random world 64: the round that renews the lease was taken for one that reads may follow."""
    node = Lone(leases_enabled=False).elect(with_own=False)
    node.read(7)
    node.core.on_clock_suspect(node.now_ns)
    node.tick()
    node.beat_of(N2, read_round=1)
    node.beat_of(N3, read_round=2)
    assert node.reads == []
    node.persist()
    node.ack_of(N2, 1, read_round=1)
    node.beat_of(N2, read_round=2)
    assert node.reads == [(7, 1)]


def test_6_4_read_index_under_a_lease_is_what_is_committed_not_what_is_applied() -> None:
    node = Lone(leases_enabled=True).elect()
    _, index = node.propose()
    for peer in (N2, N3):
        node.ack_of(peer, index, sent_ns=node.now_ns)
    assert node.core.applied_index < index == node.core.commit_index
    assert node.lease_valid
    node.step(N2, ReadIndexRequest(node.core.term, 5, BootId(4)))
    assert [response.read_index for response in node.sent_of(ReadIndexResponse)] == [index]


def test_6_4_round_needs_a_quorum_of_five() -> None:
    node = leader(voters=(N1, N2, N3, N4, N5))
    node.read(7)
    node.beat_of(N2, read_round=1)
    node.beat_of(N2, read_round=1)
    assert node.reads == []
    node.beat_of(N3, read_round=1)
    assert node.reads == [(7, 1)]


def test_read_that_no_round_confirms_is_failed_after_an_election_timeout() -> None:
    """A leader may hear a quorum for ever, and yet commit nothing of its term: what waits is let go."""
    node = Lone(leases_enabled=False).elect(with_own=False)
    node.read(7)
    for number in range(W_MS // HEARTBEAT_MS):
        assert node.failed_reads == []
        node.tick(HEARTBEAT_MS)
        node.beat_of(N2)
        node.read(8 + number)
    assert node.is_leader
    assert node.failed_reads == [7]


def test_read_of_a_round_in_flight_is_failed_after_an_election_timeout_too() -> None:
    node = leader()
    node.read(7)
    for _ in range(W_MS // HEARTBEAT_MS):
        node.tick(HEARTBEAT_MS)
        node.beat_of(N2)
    assert node.is_leader
    assert node.failed_reads == [7]
    node.beat_of(N2, read_round=1)
    assert node.reads == []


def test_6_4_learner_confirms_nothing() -> None:
    node = leader(learners=(N4,))
    node.read(7)
    node.beat_of(N4, read_round=1)
    assert node.reads == []


def test_6_4_single_voter_confirms_itself() -> None:
    node = Lone(voters=(N1,), leases_enabled=False).elect(with_own=False)
    node.persist()
    node.read(7)
    assert node.reads == [(7, 1)]


def test_6_4_answer_to_an_earlier_life_confirms_nothing() -> None:
    node = leader()
    node.read(7)
    node.beat_of(N2, read_round=1, boot_id=99)
    assert node.reads == []


def test_partitioned_old_leader_answers_no_read_and_fails_all_when_it_steps_down() -> None:
    node = leader()
    node.read(7)
    node.read(8)
    for _ in range(15):
        node.tick(HEARTBEAT_MS)
    assert node.reads == []
    assert node.failed_reads == [7, 8]


def test_reads_fail_when_the_term_changes() -> None:
    node = leader()
    node.read(7)
    node.append_from(N2, 2)
    assert node.failed_reads == [7]


def test_read_queue_of_the_leader_is_bounded() -> None:
    node = leader(read_queue_max=3)
    for context in range(5):
        node.read(context)
    assert node.failed_reads == [3, 4]


def test_read_with_a_valid_lease_is_answered_at_once() -> None:
    node = Lone().elect()
    node.read(7)
    assert node.reads == [(7, 1)]
    assert node.sent == []


def test_read_falls_back_to_a_round_when_the_lease_is_over() -> None:
    node = Lone().elect()
    node.now_ms += W_MS
    node.read(7)
    assert node.reads == []
    node.beat_of(N2, read_round=1)
    assert node.reads == [(7, 1)]


# Reads on a follower --------------------------------------------------------------------------------


def question(context: int, term: int = 1) -> ReadIndexRequest:
    return ReadIndexRequest(Term(term), context, BootId(7))


def follower(**changes: object) -> Lone:
    node = Lone(**changes)  # type: ignore[arg-type]
    node.append_from(N2, 1)
    node.persist()
    node.sent.clear()
    return node


def test_follower_asks_its_leader_and_answers_with_the_leaders_index() -> None:
    node = follower()
    node.read(7)
    assert node.sent == [(N2, ReadIndexRequest(Term(1), 7, BootId(1)))]
    node.step(N2, ReadIndexResponse(Term(1), 7, Index(5), BootId(1)))
    assert node.reads == [(7, 5)]


def test_leader_answers_a_follower_after_a_round_and_shows_it_the_commit_index() -> None:
    node = leader()
    node.step(N3, question(7))
    node.beat_of(N2, read_round=1)
    assert [message for message in node.sent_to(N3) if isinstance(message, ReadIndexResponse)] == [
        ReadIndexResponse(Term(1), 7, Index(1), BootId(7))
    ]


def test_leader_with_a_lease_answers_a_follower_at_once() -> None:
    node = Lone().elect()
    node.step(N3, question(7))
    response, heartbeat = node.sent_to(N3)
    assert response == ReadIndexResponse(Term(1), 7, Index(1), BootId(7))
    assert isinstance(heartbeat, AppendEntries)
    assert heartbeat.commit_index == 1


def test_follower_without_a_leader_fails_the_read_at_once() -> None:
    node = Lone()
    node.read(7)
    assert node.failed_reads == [7]


def test_follower_that_is_asked_refuses() -> None:
    node = follower()
    node.step(N3, question(7))
    assert node.sent_of(ReadIndexResponse) == [ReadIndexResponse(Term(1), 7, Index(0), BootId(7))]


def test_refused_question_fails_the_read() -> None:
    node = follower()
    node.read(7)
    node.step(N2, ReadIndexResponse(Term(1), 7, Index(0), BootId(1)))
    assert node.failed_reads == [7]


def test_question_whose_answer_is_lost_expires() -> None:
    node = follower(read_queue_max=2)
    node.read(7)
    node.read(8)
    for _ in range(12):
        node.append_from(N2, 1)
        node.tick(HEARTBEAT_MS)
    assert node.failed_reads == [7, 8]
    node.read(9)
    assert node.failed_reads == [7, 8]
    node.step(N2, ReadIndexResponse(Term(1), 7, Index(5), BootId(1)))
    assert node.reads == []


def test_question_of_a_node_that_may_not_lead_expires_and_it_does_not_campaign() -> None:
    """Its wall clock is too far from the others': it still has to let go of what waits."""
    node = follower()
    machine = CatalogMachine(MemoryEngine(), GroupKeys(GroupId(1), Incarnation(1)))
    replica = Replica(GroupId(1), Incarnation(1), node.core, machine)
    skewed = Verdict(is_clock_suspect=False, is_wall_clock_skewed=True, stall_changed=None, full_changed=None)
    node.read(7)
    for _ in range(30):
        node.now_ms += HEARTBEAT_MS
        replica.tick(skewed, node.now_ns)
        node.take()
    assert node.failed_reads == [7]
    assert node.role is Role.FOLLOWER


def test_questions_fail_when_the_leader_changes() -> None:
    node = follower()
    node.read(7)
    node.append_from(N3, 2)
    assert node.failed_reads == [7]


def test_questions_fail_when_the_leader_leads_another_term() -> None:
    node = follower()
    node.read(7)
    node.append_from(N2, 2)
    assert node.failed_reads == [7]


def test_answer_to_an_earlier_lifes_question_is_dropped() -> None:
    node = follower()
    node.read(7)
    node.step(N2, ReadIndexResponse(Term(1), 7, Index(5), BootId(99)))
    assert node.reads == []


# 3.10 Transfer --------------------------------------------------------------------------------------


def test_3_10_target_that_has_all_is_ordered_at_once() -> None:
    node = Lone().elect()
    assert node.transfer(N3) is None
    assert [(peer, type(message)) for peer, message in node.sent] == [(N3, TimeoutNow)]


def test_3_10_target_that_has_not_flushed_is_ordered_when_it_has() -> None:
    node = Lone().elect()
    node.propose()
    node.transfer(N3)
    assert node.sent_of(TimeoutNow) == []
    node.beat_of(N3)
    node.ack_of(N2, 2)
    assert node.sent_of(TimeoutNow) == []
    node.ack_of(N3, 2)
    assert len(node.sent_of(TimeoutNow)) == 1
    node.ack_of(N3, 2)
    assert node.sent_of(TimeoutNow) == []


def test_3_10_no_proposals_while_transferring() -> None:
    node = Lone().elect()
    node.transfer(N3)
    assert node.propose() == Rejection(RejectReason.TRANSFERRING, N1)


def test_3_10_target_campaigns_without_a_pre_vote() -> None:
    node = follower()
    node.step(N2, TimeoutNow(Term(1), BootId(7)))
    assert (node.role, node.core.term) == (Role.CANDIDATE, 2)


def test_3_10_transfer_to_a_learner_or_stranger_or_oneself_is_refused() -> None:
    node = Lone(learners=(N4,)).elect()
    for target in (N4, N5, N1):
        assert node.transfer(target) == Rejection(RejectReason.NO_TARGET, N1)
    assert node.lease_valid
    assert isinstance(node.propose(), tuple)


def test_3_10_second_transfer_is_refused_while_one_is_under_way() -> None:
    node = Lone().elect()
    node.transfer(N3)
    assert node.transfer(N2) == Rejection(RejectReason.TRANSFERRING, N1)


def test_3_10_only_a_leader_can_transfer() -> None:
    assert follower().transfer(N3) == Rejection(RejectReason.NOT_LEADER, N2)


def test_3_10_nobody_chosen_means_the_living_voter_with_most_of_the_log() -> None:
    node = Lone(voters=(N1, N2, N3, N4, N5)).elect()
    _, index = node.propose()
    node.persist()
    node.ack_of(N5, index)
    node.now_ms += 900
    for peer in (N2, N3, N4):
        node.beat_of(peer, sent_ns=node.now_ns)
    node.ack_of(N3, index)
    node.now_ms += 200
    node.transfer(None)
    # n5 has as much, but was not heard for longer than W.
    assert [peer for peer, message in node.sent if isinstance(message, TimeoutNow)] == [N3]


def test_3_10_expired_transfer_campaigns_again() -> None:
    node = Lone().elect()
    node.transfer(N3)
    node.tick(W_MS - HEARTBEAT_MS)
    node.beat_of(N2)
    node.tick(HEARTBEAT_MS)
    assert (node.role, node.core.term) == (Role.CANDIDATE, 2)


def test_3_10_expired_transfer_without_a_quorum_raises_no_term() -> None:
    """A leader that lost its quorum steps down; to campaign by force then would only disturb those it cannot reach."""
    node = Lone().elect()
    node.transfer(N3)
    node.tick(W_MS)
    assert (node.role, node.core.term) == (Role.FOLLOWER, 1)


def test_3_10_reads_go_on_by_rounds_while_transferring() -> None:
    node = Lone().elect()
    node.transfer(N3)
    node.read(7)
    assert node.reads == []
    node.beat_of(N2, read_round=1)
    assert node.reads == [(7, 1)]


def test_3_10_reads_fail_when_the_target_takes_over() -> None:
    node = Lone().elect()
    node.transfer(N3)
    node.read(7)
    node.ask_vote(N3, 2, last=(1, 1), forced=True)
    assert node.failed_reads == [7]


def test_3_10_order_reaches_no_node_whose_disk_is_full_or_that_is_no_voter() -> None:
    full = follower()
    full.core.on_disk_full(True, full.now_ns)
    learner = follower(voters=(N2, N3), learners=(N1,))
    for node in (full, learner):
        node.step(N2, TimeoutNow(Term(1), BootId(7)))
        assert node.role is Role.FOLLOWER


def test_3_10_deadline_counts_from_the_beginning_of_the_transfer() -> None:
    node = Lone().elect()
    node.transfer(N3)
    for _ in range(9):
        node.tick(HEARTBEAT_MS)
        node.beat_of(N2, sent_ns=node.now_ns)
        node.beat_of(N3, sent_ns=node.now_ns)
    assert node.is_leader
    node.tick(HEARTBEAT_MS)
    assert not node.is_leader
