"""What `raftdoc cluster recover` writes: one entry a group, in a term that no other survivor writes in."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from raftdoc.cli.quorum_recovery import ELECTIONS_AFTER, TERM_BLOCK, GroupPlan, rewrite
from raftdoc.ids import CATALOG_GROUP, ClusterId, Index, NodeId, Term
from raftdoc.raft import Configuration
from raftdoc.raft.membership import decode_configuration
from raftdoc.raft.messages import Entry, EntryKind, HardState
from raftdoc.storage.data_directory import DataDirectory
from raftdoc.storage.log.log import SharedLog, log_record

SURVIVORS = [NodeId("n1"), NodeId("n3")]
LOST = Configuration((NodeId("n1"), NodeId("n2"), NodeId("n3"), NodeId("n4"), NodeId("n5")))


def make(path: Path, node: NodeId, *, term: int, last: int) -> None:
    """Make the data directory of a node whose log of the catalog ends so."""
    directory = DataDirectory.open(path, cluster=ClusterId("c"), node=node)
    log = SharedLog.open(directory.log_path, segment_bytes=1 << 20, reserve_bytes=0)
    entries = tuple(Entry(Index(index), Term(1), EntryKind.NOOP, 0, b"") for index in range(1, last + 1))
    hard_state = HardState(Term(term), NodeId("n2"), Index(last))
    pending = log.append([log_record(CATALOG_GROUP, entries=entries, hard_state=hard_state, configuration=LOST)])
    log.write([pending])
    log.durable(pending)
    log.close()
    directory.close()


def recovered(path: Path, node: NodeId) -> tuple[Entry, HardState]:
    """Recover a node; return the last entry of its log, and its hard state."""
    plan = GroupPlan(CATALOG_GROUP, None, LOST.voters, tuple(SURVIVORS), True)
    rewrite(path, node, [plan], SURVIVORS)
    log = SharedLog.open(path / "log", segment_bytes=1 << 20, reserve_bytes=0)
    state = log.groups[CATALOG_GROUP]
    (entry,) = log.reader(CATALOG_GROUP).read(state.last_index, state.last_index, 1 << 20)
    log.close()
    return entry, state.hard_state


def test_the_last_entry_names_the_survivors_and_elections_go_on_above_it(tmp_path: Path) -> None:
    make(tmp_path / "n1", NodeId("n1"), term=7, last=5)
    entry, hard_state = recovered(tmp_path / "n1", NodeId("n1"))
    assert (entry.index, entry.kind) == (6, EntryKind.CONFIGURATION)
    assert decode_configuration(entry.payload) == Configuration(tuple(SURVIVORS))
    assert (hard_state.term, hard_state.vote) == (TERM_BLOCK + ELECTIONS_AFTER, None)
    assert 7 < entry.term < hard_state.term


def test_survivors_never_write_different_entries_under_one_term(tmp_path: Path) -> None:
    make(tmp_path / "n1", NodeId("n1"), term=7, last=5)
    make(tmp_path / "n3", NodeId("n3"), term=9, last=4)
    first, first_state = recovered(tmp_path / "n1", NodeId("n1"))
    second, second_state = recovered(tmp_path / "n3", NodeId("n3"))
    assert first.term != second.term
    assert max(first.term, second.term) < min(first_state.term, second_state.term)


@given(st.integers(0, TERM_BLOCK - 1), st.integers(0, 63))
def test_a_block_has_room_for_every_survivor_below_the_elections_to_come(term: int, rank: int) -> None:
    block = (term // TERM_BLOCK + 1) * TERM_BLOCK
    assert term < block + rank < block + ELECTIONS_AFTER
