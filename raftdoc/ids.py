"""Names for the numbers and strings that identify things.

They are NewTypes: free at run time, and mypy keeps a term from being passed as an index.
"""

from __future__ import annotations

from typing import NewType

NodeId = NewType("NodeId", str)
"""One raftdoc process with one data directory, as its operator names it: `n1`."""

ClusterId = NewType("ClusterId", str)
"""Fixed when a cluster is first started; nodes of different clusters refuse each other."""

StoreId = NewType("StoreId", str)
"""128 random bits in hex, made with a data directory: tells a wiped node from the one it replaced."""

BootId = NewType("BootId", int)
"""64 random bits drawn at each start of a node: a reply to an earlier life is told by it."""

GroupId = NewType("GroupId", int)
"""One Raft group. 0 is the catalog. Never reused."""

Incarnation = NewType("Incarnation", int)
"""Which copy of a group's key range is live; a snapshot is installed into a fresh one."""

Term = NewType("Term", int)
"""A Raft term; 0 before the first election."""

Index = NewType("Index", int)
"""A position in a group's log. The first entry has index 1; 0 means none."""

Revision = NewType("Revision", int)
"""Version of one document: `log index << 20 | ordinal of the document change in the entry`."""

CATALOG_GROUP = GroupId(0)

REVISION_ORDINAL_BITS = 20


def revision(index: Index, ordinal: int) -> Revision:
    """Return the revision of the ordinal-th document change (from 0) of the entry at index."""
    assert 0 <= ordinal < 1 << REVISION_ORDINAL_BITS, ordinal
    return Revision(index << REVISION_ORDINAL_BITS | ordinal)
