"""Planted faults: each changes one place of the core, and has to be caught.

`python -m tests.raft.mutants [SEEDS] [WORDS]` runs random worlds against every mutant, or those whose name has the
words in it, and prints the matrix.
"""

from __future__ import annotations

import sys
import time

from .edge_mutants import EDGE_MUTANTS
from .membership_mutants import MEMBERSHIP_MUTANTS
from .planting import Mutant, directed_test_catches, seed_that_catches

M = Mutant
CORE_MUTANTS = (
    # The lease
    M(
        "a lease without the clock check",
        "lease",
        "return now_ns < self.until_ns and not self.is_off",
        "return self.until_ns > 0 and not self.is_off",
        "test_lease:test_lease_ends_by_a_fresh_clock_without_any_event",
        38,
    ),
    M(
        "a lease from the time of the reply",
        "leader",
        "self.lease.acked(peer, sent_ns, read_round)",
        "self.lease.acked(peer, now_ns, read_round)",
        "test_lease:test_lease_counts_from_the_send_time_that_a_quorum_acknowledged",
        38,
    ),
    M(
        "a lease kept after a transfer (L1)",
        "transfer",
        "self._lease.is_off = True",
        "self._lease.is_off = self._lease.is_off",
        "test_lease:test_l1_lease_is_gone_before_timeout_now_leaves",
        3,
    ),
    M(
        "a forced campaign that stays forced (L1)",
        "election",
        "pre=True, forced=False)",
        "pre=True, forced=True)",
        "test_lease:test_l1_forced_campaign_is_forced_once",
    ),
    M(
        "no vote refusal after boot (L3)",
        "state",
        "elif self.settings.refuse_votes_after_boot:",
        "elif now_ns < 0:",
        "test_lease:test_l3_restarted_follower_refuses_votes_for_w",
        339,
    ),
    M(
        "no vote refusal while a leader is heard",
        "state",
        "or now_ns < self.heard_ns + self.settings.election_timeout_ns",
        "",
        "test_lease:test_follower_refuses_votes_for_w_after_it_received_a_heartbeat",
        21,
    ),
    M(
        "a lease kept by a clock that slept (L4)",
        "core",
        "self._leader.on_clock_suspect(now_ns)",
        "pass",
        "test_lease:test_l4_leaders_clock_that_jumped_costs_the_lease_until_a_fresh_round",
        8,
    ),
    M(
        "no new promise by a clock that jumped (L4)",
        "core",
        "self._state.promise_anew(now_ns)",
        "pass",
        "test_lease:test_l4_followers_clock_that_jumped_makes_it_promise_anew",
        336,
    ),
    M(
        "a leader that votes inside its own lease (L6)",
        "election",
        "or self._leads_by_lease(now_ns)",
        "",
        "test_lease:test_l6_leader_does_not_vote_inside_its_own_lease",
    ),
    M(
        "a lease with a stalled disk (L8)",
        "lease",
        " and not self._state.is_disk_stalled",
        "",
        "test_lease:test_l8_stalled_disk_ends_the_lease_and_the_heartbeats",
    ),
    M(
        "entries sent with a stalled disk (L8)",
        "replication",
        "        if state.is_disk_stalled:\n            return\n        progress.is_held = False",
        "        progress.is_held = False",
        "test_lease:test_l8_stalled_leader_sends_no_entries_that_would_keep_its_followers_from_electing",
    ),
    # What is held back
    M(
        "what is held back stays so",
        "leader",
        "        if self._replication.is_holding:\n            self._replication.release(now_ns)\n",
        "",
        "test_thrift:test_lone_entry_goes_to_the_quickest_peer_and_to_the_other_at_the_next_tick",
    ),
    M(
        "what is held back forgotten while the disk stalls",
        "replication",
        "self.is_holding = self._state.is_disk_stalled",
        "self.is_holding = False",
        "test_thrift:test_stalled_disk_holds_back_until_it_works_again",
    ),
    M(
        "waiting for a peer that does not answer",
        "thrift",
        "if not (progress[peer].is_idle and progress[peer].next_index == entry.index):",
        "if False:",
        "test_thrift:test_nobody_waits_for_a_peer_that_has_not_acknowledged_what_it_was_sent",
    ),
    # Votes and terms
    M(
        "a vote that is not persisted",
        "state",
        "self._hard_state.term != self.term or self._hard_state.vote != self.vote",
        "self._hard_state.term != self.term",
        "test_persistence:test_p1_vote_in_a_term_that_is_durable_already_is_persisted_too",
        6,
    ),
    M(
        "a vote granted before it is durable (P1)",
        "election",
        "state.send_durable(sender, response)  # P1",
        "state.send(sender, response)",
        "test_persistence:test_p1_vote_is_granted_only_after_it_is_durable",
        1,
    ),
    M(
        "a term spoken of before it is durable (P1)",
        "state",
        "        if self.is_hard_state_durable:\n            self._messages",
        "        if self.term:\n            self._messages",
        "test_persistence:test_p1_heartbeat_of_a_new_term_is_answered_only_after_the_term_is_durable",
        3,
    ),
    M(
        "the own vote counted before its fsync (P2)",
        "election",
        "        self._begin(Role.CANDIDATE)\n",
        "        self._begin(Role.CANDIDATE)\n        self._votes.add(state.settings.node)\n",
        "test_persistence:test_p2_own_vote_counts_only_after_its_fsync",
        2,
    ),
    M(
        "a vote request before persist (P3)",
        "election",
        "state.send_durable(peer, request)",
        "state.send(peer, request)",
        "test_persistence:test_p3_vote_request_waits_until_term_and_own_vote_are_durable",
        1,
    ),
    M(
        "two votes in a term",
        "election",
        "is_free = state.vote is None or state.vote == sender",
        "is_free = sender != state.settings.node",
        "test_elections:test_3_6_1_one_vote_per_term",
        14,
    ),
    M(
        "a vote for a log that is behind",
        "state",
        "return (last_term, last_index) >= (self.log.last_term, self.log.last_index)",
        "return last_index >= 0",
        "test_elections:test_3_6_1_vote_goes_only_to_a_log_that_is_up_to_date",
        31,
    ),
    # Log and commit
    M(
        "the commit of an older term by counting",
        "leader",
        "if index <= state.commit_index or index < self.term_start_index:",
        "if index <= state.commit_index:",
        "test_replication:test_3_6_2_entry_of_an_older_term_is_never_committed_by_counting",
        30,
    ),
    M(
        "the leader's own log counted before its fsync (P2)",
        "leader",
        "self._match_indexes[state.settings.node] = state.durable_index",
        "self._match_indexes[state.settings.node] = state.log.last_index",
        "test_persistence:test_tasks_of_a_leader_count_one_by_one",
        9,
    ),
    M(
        "an append acknowledged before its fsync (P1)",
        "follower",
        "if last <= state.durable_index and state.is_hard_state_durable:",
        "if last <= state.log.last_index and state.is_hard_state_durable:",
        "test_persistence:test_p1_append_is_acknowledged_only_after_it_is_durable",
        1,
    ),
    M(
        "apply before it is durable here (P7)",
        "state",
        "return min(self.commit_index, self.durable_index)",
        "return self.commit_index",
        "test_persistence:test_p7_committed_entry_is_applied_only_when_durable_here",
        1,
    ),
    M(
        "messages after a failed fsync (P9)",
        "state",
        "        if self.has_failed:\n            self._stop()\n",
        "",
        "test_persistence:test_p9_messages_that_waited_in_the_core_do_not_leave_after_a_failed_fsync",
    ),
    M(
        "a commit index of the disk that is not clamped (P11)",
        "state",
        "min(restored.hard_state.commit, restored.last_index)",
        "restored.hard_state.commit",
        "test_persistence:test_p11_commit_index_of_the_disk_is_clamped_to_the_log",
    ),
    M(
        "no truncation of a conflict",
        "follower",
        "if log.term_at(entry.index) == entry.term:",
        "if log.term_at(entry.index) <= entry.term:",
        "test_replication:test_conflict_truncates_and_tells_from_where",
        20,
    ),
    M(
        "truncation of matching entries",
        "follower",
        "if log.term_at(entry.index) == entry.term:",
        "if log.term_at(entry.index) > entry.term:",
        "test_replication:test_entries_that_match_are_never_truncated",
        20,
    ),
    M(
        "a completion that vouches for a replaced suffix (ABA)",
        "state",
        "task.safe_index = min(task.safe_index, kept)\n        if index",
        "task.safe_index = max(task.safe_index, kept)\n        if index",
        "test_persistence:test_hard_state_task_does_not_vouch_for_a_suffix_replaced_after_it",
        200,
    ),
    M(
        "a commit that is not clamped to what was verified",
        "follower",
        "state.commit(min(message.commit_index, last))",
        "state.commit(min(message.commit_index, state.log.last_index))",
        "test_replication:test_append_commits_only_up_to_its_last_entry",
    ),
    M(
        "a commit index in a vote that is not compared",
        "election",
        "and self._state.log.matches(index, term)",
        "and index <= self._state.log.last_index",
        "test_elections:test_commit_index_in_a_vote_counts_only_where_the_terms_agree",
        40,
    ),
    M(
        "a quorum off by one",
        "quorum",
        "return count // 2 + 1",
        "return (count + 1) // 2",
        "test_replication:test_3_6_2_majority_of_four_is_three",
        20,
    ),
    # Reads
    M(
        "ReadIndex on a round in flight",
        "reads",
        "        self._waiting.append(asker)\n",
        "        (self._askers if self._confirmed < self._replication.round else self._waiting).append(asker)\n",
        "test_reads:test_6_4_read_does_not_attach_to_a_round_in_flight",
    ),
    M(
        "ReadIndex before the no-op",
        "reads",
        " or state.commit_index < self._term_start_index:",
        ":",
        "test_reads:test_6_4_new_leader_waits_for_its_no_op",
        40,
    ),
    M(
        "a lease read before the no-op",
        "leader",
        "return self.lease.is_valid(now_ns) and self._has_committed_own()",
        "return self.lease.is_valid(now_ns)",
        "test_lease:test_lease_needs_a_committed_entry_of_its_own_term",
        100,
    ),
    M(
        "a read answered without a round",
        "reads",
        "if progress.acked_round >= number}",
        "if progress.acked_round >= 0}",
        "test_reads:test_6_4_read_is_answered_when_a_quorum_confirms_its_round",
        100,
    ),
    M(
        "a refusal of an older term that echoes its round",
        "follower",
        "message._replace(prev_index=NO_INDEX, sent_ns=0, read_round=0)",
        "message",
        "test_regressions:test_refusal_of_an_older_term_confirms_no_round_and_no_lease_of_the_present_one",
    ),
    M(
        "a stale reply of an earlier life accepted",
        "core",
        "if message.boot_id != state.settings.boot_id:",
        "if message.boot_id < 0:",
        "test_reads:test_answer_to_an_earlier_lifes_question_is_dropped",
    ),
)
MUTANTS = (*CORE_MUTANTS, *MEMBERSHIP_MUTANTS, *EDGE_MUTANTS)


def main(seeds: int, words: str) -> None:
    """Print the matrix: mutant, directed test, first seed that catches it, seconds."""
    for mutant in MUTANTS:
        if words not in mutant.name:
            continue
        start = time.process_time()
        seed = seed_that_catches(mutant, seeds)
        seconds = time.process_time() - start
        caught = directed_test_catches(mutant)
        print(f"| {mutant.name} | {'yes' if caught else 'NO'} | {seed} | {seconds:.1f} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000, " ".join(sys.argv[2:]))
