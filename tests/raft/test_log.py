"""LogView against a plain list: append, truncate, evict, compact, and every question, in any order."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from raftdoc.errors import Compacted
from raftdoc.ids import Index, Term
from raftdoc.raft import LogView, Restored
from raftdoc.raft.log import ENTRY_OVERHEAD_BYTES
from raftdoc.raft.messages import Entry, EntryKind, HardState

from .disk import Disk
from .lone import Lone, entries

CACHE_BYTES_MAX = 3 * ENTRY_OVERHEAD_BYTES + 40


class LogMachine(RuleBasedStateMachine):
    """The model is the list of all entries that ever stood, and how many of them are compacted."""

    def __init__(self) -> None:
        super().__init__()
        self.model: list[Entry] = []
        self.compacted_count = 0
        self.committed_count = 0
        self.term = 1
        self.open(Disk())

    def open(self, disk: Disk) -> None:
        self.disk = disk
        restored = disk.restored(Index(0))
        self.log = LogView(restored, disk, CACHE_BYTES_MAX)

    # What changes the log -------------------------------------------------------------------------

    @rule(term_step=st.integers(0, 2), byte_count=st.integers(0, 30))
    def append(self, term_step: int, byte_count: int) -> None:
        self.term += term_step
        index = len(self.model) + 1
        new = Entry(Index(index), Term(self.term), EntryKind.COMMANDS, index, b"x" * byte_count)
        self.model.append(new)
        self.disk.entries.append(new)
        self.log.append(new)

    @precondition(lambda self: len(self.model) > self.committed_count)
    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        first = data.draw(st.integers(self.committed_count + 1, len(self.model)))
        del self.model[first - 1 :]
        del self.disk.entries[first - 1 - self.compacted_count :]
        self.log.truncate(Index(first))

    @precondition(lambda self: len(self.model) > self.committed_count)
    @rule(data=st.data())
    def evict(self, data: st.DataObject) -> None:
        self.committed_count = data.draw(st.integers(self.committed_count, len(self.model)))
        self.log.evict(Index(self.committed_count))

    @precondition(lambda self: self.committed_count > self.compacted_count)
    @rule(data=st.data())
    def compact(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(self.compacted_count, self.committed_count))
        if index == self.compacted_count:
            return
        term = self.model[index - 1].term
        self.disk.compact(Index(index), term)
        self.log.compact(Index(index))
        self.compacted_count = index

    @rule()
    def restart(self) -> None:
        self.open(self.disk)

    # What has to hold -----------------------------------------------------------------------------

    @invariant()
    def ends_agree(self) -> None:
        assert self.log.last_index == len(self.model)
        assert self.log.compacted_index == self.compacted_count
        expected = self.model[-1].term if self.model else 0
        assert self.log.last_term == expected

    @invariant()
    def terms_agree(self) -> None:
        log = self.log
        for index in range(max(self.compacted_count, 1), len(self.model) + 1):
            assert log.term_at(Index(index)) == self.model[index - 1].term
        if self.compacted_count > 1:
            with pytest.raises(Compacted):
                log.term_at(Index(self.compacted_count - 1))

    @invariant()
    def matches_agree(self) -> None:
        for index in range(self.compacted_count, len(self.model) + 2):
            for term in range(self.term + 2):
                known = 1 <= index <= len(self.model)
                expected = self.model[index - 1].term == term if known else (index == 0 and term == 0)
                assert self.log.matches(Index(index), Term(term)) == expected

    @invariant()
    def last_at_most_agrees(self) -> None:
        known = [(0, 0), *((entry.index, entry.term) for entry in self.model)]
        for index in range(self.compacted_count, len(self.model) + 2):
            for term in range(self.term + 2):
                found = self.log.last_at_most(Index(index), Term(term))
                expected = max(at for at, of in known if at <= index and of <= term)
                # Below what is kept nothing is known, and nothing more is claimed than that it lies there.
                assert found == expected or (found < self.compacted_count and expected < self.compacted_count)

    @precondition(lambda self: len(self.model) > self.compacted_count)
    @rule(data=st.data(), bytes_max=st.integers(0, 100))
    def entries(self, data: st.DataObject, bytes_max: int) -> None:
        first = data.draw(st.integers(self.compacted_count + 1, len(self.model)))
        last = data.draw(st.integers(first, len(self.model)))
        found = self.log.entries(Index(first), Index(last), bytes_max)
        assert found
        assert found == self.model[first - 1 : first - 1 + len(found)]
        assert found[-1].index <= last
        assert len(found) == 1 or sum(len(entry.payload) for entry in found) <= bytes_max

    @invariant()
    def memory_is_bounded_by_what_may_not_leave(self) -> None:
        self.log.evict(Index(self.committed_count))
        kept = [entry for entry in self.log.cached() if entry.index <= self.committed_count]
        size = sum(len(entry.payload) + ENTRY_OVERHEAD_BYTES for entry in self.log.cached())
        assert size == self.log.cached_bytes
        assert not kept or size <= CACHE_BYTES_MAX


TestLogView = LogMachine.TestCase
TestLogView.settings = settings(max_examples=60, stateful_step_count=30)


def view(*terms: int, compacted: tuple[int, int] = (0, 0), cache_bytes_max: int = 1 << 20) -> LogView:
    """Return a log of which all that it has is on disk."""
    disk = Disk()
    disk.entries = list(entries(compacted[0] + 1, *terms))
    disk.compacted_index, disk.compacted_term = Index(compacted[0]), Term(compacted[1])
    return LogView(disk.restored(Index(0)), disk, cache_bytes_max)


def test_new_log_ends_at_zero() -> None:
    log = view()
    assert (log.last_index, log.last_term, log.term_at(Index(0))) == (0, 0, 0)


def test_last_term_of_a_wholly_compacted_log_is_kept() -> None:
    log = view(1, 1, 2)
    log.compact(Index(3))
    assert (log.last_index, log.last_term, log.term_at(Index(3))) == (3, 2, 2)
    log.append(entries(4, 2)[0])
    assert log.term_at(Index(4)) == 2


def test_term_of_the_compaction_point_is_that_of_its_entry() -> None:
    log = view(1, 1, 2)
    log.compact(Index(2))
    assert log.term_at(Index(2)) == 1


def test_last_at_most_below_a_compacted_term_claims_nothing() -> None:
    log = view(5, 5, compacted=(3, 4))
    assert log.last_at_most(Index(5), Term(4)) == 3
    assert log.last_at_most(Index(5), Term(3)) == 2


def test_entries_of_an_earlier_life_that_are_truncated_are_not_read_again() -> None:
    log = view(1, 1, 1)
    log.truncate(Index(2))
    (new,) = entries(2, 2)
    log.append(new)
    assert log.entries(Index(2), Index(2), 100) == [new]


def test_what_is_not_applied_stays_in_memory_however_little_that_may_hold() -> None:
    log = view(cache_bytes_max=1)
    for new in entries(1, 1, 1, 1):
        log.append(new)
    log.evict(Index(1))
    assert [entry.index for entry in log.cached()] == [2, 3]


def test_gap_is_refused() -> None:
    log = view(1)
    with pytest.raises(AssertionError):
        log.append(entries(3, 1)[0])


def test_falling_term_is_refused() -> None:
    log = view(2)
    with pytest.raises(AssertionError):
        log.append(entries(2, 1)[0])


def test_log_time_of_a_wholly_compacted_log_is_unknown() -> None:
    restored = Restored(HardState(), Lone().configuration, Index(4), Term(1), Index(4), Term(1), (), Index(4))
    assert LogView(restored, Disk(), 1 << 20).last_time_ms() == 0
