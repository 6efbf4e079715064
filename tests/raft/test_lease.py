"""The lease, and one test for each way in which it could outlive its right: breakers L1-L8 of docs/consensus.md."""

from __future__ import annotations

from raftdoc.ids import BootId, Term
from raftdoc.raft import Configuration, RejectReason, Role
from raftdoc.raft.messages import AppendEntries, HardState, TimeoutNow, VoteRequest, VoteResponse

from .crew import configuration_entry
from .lone import HEARTBEAT_MS, MS, N1, N2, N3, N4, N5, W_MS, Lone, entries

LEASE_NS = int((W_MS - 5) * MS / 1.01)


def leader(**changes: object) -> Lone:
    """Return a leader with a lease that was taken just now."""
    node = Lone(**changes).elect()  # type: ignore[arg-type]
    assert node.lease_valid
    return node


def granted(node: Lone) -> list[bool]:
    node.persist()
    return [response.granted for response in node.sent_of(VoteResponse)]


# How it is taken and how it ends ------------------------------------------------------------------


def test_lease_counts_from_the_send_time_that_a_quorum_acknowledged() -> None:
    node = leader()
    taken_ns = node.now_ns
    node.tick(HEARTBEAT_MS)
    (sent_ns,) = {message.sent_ns for message in node.sent_of(AppendEntries)}
    node.tick(300)
    node.beat_of(N2, sent_ns=sent_ns)
    assert sent_ns == taken_ns + HEARTBEAT_MS * MS
    assert node.core.lease_until_ns == sent_ns + LEASE_NS


def test_lease_needs_a_quorum_of_five() -> None:
    node = leader(voters=(N1, N2, N3, N4, N5))
    until_ns = node.core.lease_until_ns
    node.tick(HEARTBEAT_MS)
    node.beat_of(N2, sent_ns=node.now_ns)
    assert node.core.lease_until_ns == until_ns
    node.beat_of(N3, sent_ns=node.now_ns)
    assert node.core.lease_until_ns == node.now_ns + LEASE_NS


def test_lease_ends_by_a_fresh_clock_without_any_event() -> None:
    node = leader()
    until_ns = node.core.lease_until_ns
    assert node.core.lease_valid(until_ns - 1)
    assert not node.core.lease_valid(until_ns)


def test_lease_ends_before_any_election_under_adverse_drift() -> None:
    """The follower's clock runs faster than the leader's by rho: its promise is the first to end in true time."""
    promise_true_ns = W_MS * MS / 1.01
    assert promise_true_ns - LEASE_NS > 4 * MS


def test_lease_of_an_old_round_never_shortens_a_newer_one() -> None:
    node = leader()
    until_ns = node.core.lease_until_ns
    node.beat_of(N2, sent_ns=node.now_ns - 500 * MS)
    node.beat_of(N3, sent_ns=node.now_ns - 500 * MS)
    assert node.core.lease_until_ns == until_ns


def test_lease_needs_a_committed_entry_of_its_own_term() -> None:
    node = Lone().elect(with_own=False)
    node.beat_of(N2, sent_ns=node.now_ns)
    assert node.core.lease_until_ns == node.now_ns + LEASE_NS
    assert not node.lease_valid
    node.persist()
    node.ack_of(N2, 1)
    assert node.lease_valid


def test_learner_gives_no_lease() -> None:
    node = Lone(learners=(N4,)).elect(with_own=False)
    node.persist()
    node.beat_of(N4, sent_ns=node.now_ns)
    assert node.core.lease_until_ns == 0


def test_follower_has_no_lease() -> None:
    node = Lone()
    node.append_from(N2, 1)
    assert not node.lease_valid


def test_readindex_setting_switches_leases_off() -> None:
    node = Lone(leases_enabled=False).elect()
    assert not node.lease_valid


def test_answer_to_an_earlier_life_renews_nothing() -> None:
    node = leader()
    until_ns = node.core.lease_until_ns
    node.tick(200)
    node.beat_of(N2, sent_ns=node.now_ns, boot_id=99)
    node.ack_of(N2, 1, sent_ns=node.now_ns, boot_id=99)
    assert node.core.lease_until_ns == until_ns


# The promise it rests on --------------------------------------------------------------------------


def test_follower_refuses_votes_for_w_after_it_received_a_heartbeat() -> None:
    node = Lone()
    node.append_from(N2, 1)
    node.persist()
    node.now_ms += W_MS - 1
    node.ask_vote(N3, 2)
    assert granted(node) == [False]
    assert node.core.term == 1
    node.now_ms += 1
    node.ask_vote(N3, 2)
    assert granted(node) == [True]


def test_follower_does_not_campaign_within_its_promise() -> None:
    node = Lone()
    node.append_from(N2, 1)
    node.persist()
    node.now_ms += W_MS - 1
    node.core.campaign(node.now_ns)
    assert node.role is Role.FOLLOWER


# Breakers -----------------------------------------------------------------------------------------


def test_l1_lease_is_gone_before_timeout_now_leaves() -> None:
    node = leader()
    node.core.transfer(N2, node.now_ns)
    assert not node.lease_valid
    node.take()
    assert len(node.sent_of(TimeoutNow)) == 1


def test_l1_lease_is_gone_while_the_target_catches_up() -> None:
    node = leader()
    node.propose()
    node.transfer(N2)
    assert node.sent_of(TimeoutNow) == []
    assert not node.lease_valid


def test_l1_lease_never_returns_in_the_term_of_a_transfer() -> None:
    node = leader()
    node.transfer(N2)
    for _ in range(5):
        node.tick(HEARTBEAT_MS)
        node.beat_of(N2, sent_ns=node.now_ns)
        node.beat_of(N3, sent_ns=node.now_ns)
        assert not node.lease_valid


def test_l1_transfer_that_failed_ends_in_a_new_term_which_has_a_lease() -> None:
    node = leader()
    node.transfer(N2)
    node.tick(W_MS - HEARTBEAT_MS)
    node.beat_of(N3, sent_ns=node.now_ns)
    node.tick(HEARTBEAT_MS)
    assert (node.role, node.core.term) == (Role.CANDIDATE, 2)
    node.persist()
    assert {request.forced for request in node.sent_of(VoteRequest)} == {True}
    node.vote_of(N3)
    node.persist()
    node.ack_of(N3, 2, sent_ns=node.now_ns)
    assert node.lease_valid


def test_l1_forced_campaign_is_honoured_within_the_promise() -> None:
    node = Lone()
    node.append_from(N2, 1)
    node.persist()
    node.ask_vote(N3, 2, forced=True)
    assert granted(node) == [True]


def test_l1_forced_campaign_is_forced_once() -> None:
    """The order may come late, when its leader has a newer term and a lease again: later campaigns must not force."""
    node = Lone()
    node.append_from(N2, 1)
    node.persist()
    node.step(N2, TimeoutNow(Term(1), BootId(7)))
    node.persist()
    assert [(request.term, request.forced) for request in node.sent_of(VoteRequest)] == [(2, True), (2, True)]
    node.tick(2 * W_MS)
    node.persist()
    assert [(request.pre, request.forced) for request in node.sent_of(VoteRequest)] == [(True, False), (True, False)]
    node.vote_of(N2, pre=True)
    node.persist()
    assert [(request.term, request.forced) for request in node.sent_of(VoteRequest)] == [(3, False), (3, False)]


def test_l1_order_of_an_older_term_or_of_another_than_the_leader_is_ignored() -> None:
    node = Lone()
    node.append_from(N2, 2)
    node.persist()
    node.step(N2, TimeoutNow(Term(1), BootId(7)))
    node.step(N3, TimeoutNow(Term(2), BootId(7)))
    assert (node.role, node.core.term) == (Role.FOLLOWER, 2)


def test_l2_leader_that_was_paused_has_no_lease_when_it_wakes() -> None:
    node = leader()
    node.now_ms += 5 * W_MS
    assert not node.lease_valid
    node.read(7)
    assert node.reads == []


def test_l2_answers_that_waited_while_the_leader_slept_give_no_lease() -> None:
    node = leader()
    node.tick(HEARTBEAT_MS)
    sent_ns = node.now_ns
    node.now_ms += 2 * W_MS
    node.beat_of(N2, sent_ns=sent_ns)
    node.beat_of(N3, sent_ns=sent_ns)
    assert not node.lease_valid


def test_l3_node_that_has_just_become_the_only_voter_waits_like_any_other() -> None:
    """The leader that made it so is no voter any more, and holds a lease on this node's promise all the same."""
    for vote, log in ((N2, entries(1, 1)), (N1, (*entries(1, 1), configuration_entry(2, 1, Configuration((N1,)))))):
        node = Lone(voters=(N1,) if vote == N2 else (N1, N2), log=log, hard_state=HardState(Term(1), vote))
        node.restart()
        node.tick(W_MS - 1)
        node.persist()
        assert node.sent_of(VoteRequest) == [], vote
        assert node.role is Role.FOLLOWER, vote


def test_node_that_was_the_only_voter_all_the_time_leads_again_at_once() -> None:
    node = Lone(voters=(N1,), log=entries(1, 1), hard_state=HardState(Term(1), N1))
    node.restart()
    node.tick()
    node.persist()
    assert node.is_leader


def test_l3_restarted_follower_refuses_votes_for_w() -> None:
    node = Lone(log=entries(1, 1))
    node.restart()
    node.now_ms += W_MS - 1
    node.ask_vote(N2, 2, last=(9, 1))
    node.ask_vote(N2, 2, last=(9, 1), pre=True)
    assert granted(node) == [False, False]
    node.now_ms += 1
    node.ask_vote(N2, 2, last=(9, 1))
    assert granted(node) == [True]


def test_l3_restarted_follower_does_not_campaign_for_w() -> None:
    node = Lone(log=entries(1, 1))
    node.restart()
    node.core.campaign(node.now_ns)
    assert node.role is Role.FOLLOWER


def test_l3_replica_that_never_existed_before_has_promised_nothing() -> None:
    node = Lone()
    node.ask_vote(N2, 1)
    assert granted(node) == [True]


def test_l4_leaders_clock_that_jumped_costs_the_lease_until_a_fresh_round() -> None:
    node = leader()
    node.core.on_clock_suspect(node.now_ns)
    assert not node.lease_valid
    node.beat_of(N2, sent_ns=node.now_ns)
    node.beat_of(N3, sent_ns=node.now_ns + 1)
    assert not node.lease_valid
    node.tick()
    assert {message.read_round for message in node.sent_of(AppendEntries)} == {1}
    node.beat_of(N2, sent_ns=node.now_ns, read_round=1)
    assert node.lease_valid


def test_l4_clock_set_back_stops_neither_heartbeats_nor_check_quorum() -> None:
    node = leader()
    node.now_ms -= 6000
    node.core.on_clock_suspect(node.now_ns)
    node.tick()
    assert len(node.sent_of(AppendEntries)) == 2
    for _ in range(15):
        node.tick(HEARTBEAT_MS)
    assert not node.is_leader


def test_l4_clock_set_back_does_not_keep_a_follower_from_electing() -> None:
    node = Lone()
    node.append_from(N2, 1)
    node.now_ms -= 6000
    node.core.on_clock_suspect(node.now_ns)
    node.tick(2 * W_MS)
    assert node.role is Role.PRE_CANDIDATE


def test_l4_clock_set_back_does_not_keep_a_transfer_from_ending() -> None:
    node = leader()
    node.transfer(N2)
    node.now_ms -= 60_000
    node.core.on_clock_suspect(node.now_ns)
    for _ in range(W_MS // HEARTBEAT_MS):
        node.tick(HEARTBEAT_MS)
        for peer in (N2, N3):
            node.beat_of(peer, sent_ns=node.now_ns)
    assert node.core.term == 2


def test_l4_clock_set_back_does_not_keep_a_followers_reads_from_ending() -> None:
    node = Lone()
    node.append_from(N2, 1)
    node.persist()
    node.read(1)
    node.now_ms -= 60_000
    node.core.on_clock_suspect(node.now_ns)
    for _ in range(2 * W_MS // HEARTBEAT_MS):
        node.tick(HEARTBEAT_MS)
        node.append_from(N2, 1)
    assert node.failed_reads == [1]


def test_l4_clock_set_back_does_not_keep_a_leaders_reads_from_ending() -> None:
    node = Lone(leases_enabled=False).elect(with_own=False)
    node.read(7)
    node.now_ms -= 60_000
    node.core.on_clock_suspect(node.now_ns)
    for _ in range(W_MS // HEARTBEAT_MS):
        node.tick(HEARTBEAT_MS)
        node.beat_of(N2)
    assert node.is_leader
    assert node.failed_reads == [7]


def test_l4_followers_clock_that_jumped_makes_it_promise_anew() -> None:
    node = Lone()
    node.append_from(N2, 1)
    node.persist()
    node.now_ms += 60_000
    node.core.on_clock_suspect(node.now_ns)
    node.ask_vote(N3, 2)
    assert granted(node) == [False]
    node.now_ms += W_MS
    node.ask_vote(N3, 2)
    assert granted(node) == [True]


def test_l6_leader_does_not_vote_inside_its_own_lease() -> None:
    node = leader()
    node.ask_vote(N2, 5, last=(9, 4))
    node.ask_vote(N2, 5, last=(9, 4), pre=True)
    assert granted(node) == [False, False]
    assert node.is_leader
    node.now_ms += W_MS
    node.ask_vote(N2, 5, last=(9, 4))
    assert granted(node) == [True]
    assert not node.is_leader


def test_l6_leader_votes_for_the_target_of_its_own_transfer() -> None:
    node = leader()
    node.transfer(N2)
    node.ask_vote(N2, 2, last=(1, 1), forced=True)
    assert granted(node) == [True]


def test_l7_step_down_ends_the_lease() -> None:
    node = leader()
    node.append_from(N2, 2)
    assert not node.lease_valid
    assert node.core.lease_until_ns == 0


def test_l7_lease_of_an_earlier_term_does_not_live_on_in_the_next() -> None:
    node = leader()
    node.append_from(N2, 2)
    node.persist()
    node.tick(3 * W_MS)
    node.persist()
    sent_ns = node.now_ns
    for pre in (True, False):
        node.vote_of(N3, pre=pre)
        node.persist()
    node.ack_of(N3, node.core.last_index)
    assert node.is_leader
    assert not node.lease_valid
    node.beat_of(N3, sent_ns=sent_ns, term=1)
    assert not node.lease_valid


def test_l8_stalled_disk_ends_the_lease_and_the_heartbeats() -> None:
    node = leader()
    node.core.on_disk_stalled(True, node.now_ns)
    assert not node.lease_valid
    node.tick(HEARTBEAT_MS)
    assert node.sent == []
    node.core.on_disk_stalled(False, node.now_ns)
    node.tick(HEARTBEAT_MS)
    assert len(node.sent_of(AppendEntries)) == 2


def test_l8_stalled_leader_sends_no_entries_that_would_keep_its_followers_from_electing() -> None:
    node = leader()
    node.propose()
    node.core.on_disk_stalled(True, node.now_ns)
    node.sent.clear()
    assert node.propose().reason is RejectReason.DISK_STALLED
    node.ack_of(N2, 1, sent_ns=node.now_ns)
    node.beat_of(N3, sent_ns=node.now_ns)
    node.core.on_unreachable(N3, node.now_ns)
    node.beat_of(N3, sent_ns=node.now_ns)
    node.read(7)
    assert node.sent == []


def test_l8_node_whose_disk_stalls_does_not_campaign() -> None:
    node = Lone()
    node.core.on_disk_stalled(True, node.now_ns)
    node.tick(3 * W_MS)
    assert node.role is Role.FOLLOWER


def test_l8_leader_elected_while_the_disk_stalls_has_no_lease() -> None:
    node = Lone()
    node.time_out()
    node.vote_of(N2, pre=True)
    node.core.on_disk_stalled(True, node.now_ns)
    node.vote_of(N2)
    node.persist()
    assert node.is_leader
    node.persist()
    node.ack_of(N2, 1, sent_ns=node.now_ns)
    assert not node.lease_valid


def test_single_voter_has_its_lease_from_itself() -> None:
    node = Lone(voters=(N1,)).elect(with_own=False)
    node.persist()
    assert node.lease_valid
    node.now_ms += 100 * W_MS
    assert node.lease_valid
