"""Whom a lone entry goes to at once: the quickest peers that make a quorum with the leader.

An entry is lone where all before it are committed: somebody waits for this one, and nobody for anything else. What it
waits for is the quickest quorum. To send it to everybody at the same moment keeps processors and disks of the others
busy to no purpose, and on a machine that they share with the quick ones holds those up. So the others get it with what
follows: with the next entry that is not lone, or when they lack many, and with the next tick at the latest.

That loses no safety: a network may hold any message back so long. It costs a tick where a quick peer does not answer,
once: whoever has not acknowledged all that it was sent is not waited for.

Source: the thrifty messages of Moraru, Andersen, Kaminsky: "There Is More Consensus in Egalitarian Parliaments"
(SOSP 2013), which go to a quorum only; here the rest get them late.
"""

from __future__ import annotations

from collections.abc import Mapping

from raftdoc.ids import NodeId
from raftdoc.raft.messages import Entry, EntryKind
from raftdoc.raft.progress import Progress, ProgressState
from raftdoc.raft.quorum import majority
from raftdoc.raft.state import State

HELD_ENTRIES_MAX = 16
"""A peer that lacks more gets them."""
HELD_PAYLOAD_BYTES_MAX = 16 * 1024
"""A larger entry is not held back: what it costs is its bytes, and these only become more."""


class Thrift:
    """Of one term of leadership."""

    __slots__ = ("_is_due", "_progress", "_quick", "_state")

    def __init__(self, state: State, progress: Mapping[NodeId, Progress]) -> None:
        self._state = state
        self._progress = progress
        self._quick: tuple[NodeId, ...] = ()
        """As last chosen; empty: everybody gets everything at once."""
        self._is_due = False
        """They are to be chosen anew when they are asked for next."""

    def renew(self) -> None:
        """Have the quick peers chosen anew. An idle group, of which nothing comes, spares itself the choice."""
        self._is_due = True

    def forget(self) -> None:
        """Hold nothing back before the next `renew`: the members are others."""
        self._quick = ()
        self._is_due = False

    def quick(self, entry: Entry) -> tuple[NodeId, ...]:
        """Return who is to get a lone entry, just appended, before the others; empty: nobody."""
        if entry.kind is not EntryKind.COMMANDS or len(entry.payload) > HELD_PAYLOAD_BYTES_MAX:
            return ()
        if self._is_due:
            self._choose()
        quick, progress = self._quick, self._progress
        for peer in quick:
            if not (progress[peer].is_idle and progress[peer].next_index == entry.index):
                return ()
        return quick

    def _choose(self) -> None:
        """Choose by the round trips."""
        self._is_due = False
        configuration, node = self._state.configuration, self._state.settings.node
        self._quick = ()
        if not self._state.settings.holds_lone_entries or configuration.is_joint() or not configuration.is_voter(node):
            return
        progress = self._progress
        known = [peer for peer in configuration.voters if peer in progress and progress[peer].round_trip_ns]
        wanted = majority(len(configuration.voters)) - 1
        if wanted <= len(known) and wanted < len(progress):
            self._quick = tuple(sorted(known, key=lambda peer: (progress[peer].round_trip_ns, peer))[:wanted])


def may_wait(progress: Progress, entry: Entry) -> bool:
    """Return whether a peer that is not among the quick ones can do without an entry for now."""
    return progress.state is ProgressState.REPLICATE and entry.index - progress.next_index < HELD_ENTRIES_MAX
