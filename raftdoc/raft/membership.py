"""Who belongs to a group, and how that changes: values, and the list of configurations that a log holds.

A configuration takes effect when its entry is appended, committed or not. So the list is kept beside the log: a
truncation takes the newest ones back, to any depth, and recovery makes it again from the state and the log.

Source: dissertation 4.1, 4.3 (joint consensus).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, NamedTuple

import msgpack

from raftdoc.ids import Index, NodeId
from raftdoc.raft.settings import Configuration


class MembershipChange(NamedTuple):
    """Who shall belong to the group: the whole of it, whatever belongs to it now."""

    voters: tuple[NodeId, ...]
    learners: tuple[NodeId, ...] = ()

    def is_valid(self) -> bool:
        """Return whether somebody votes, and nobody is named twice."""
        members = (*self.voters, *self.learners)
        return bool(self.voters) and len(set(members)) == len(members)


class CatchUp(Enum):
    """How far a learner is from being fit to vote (dissertation 4.2.1)."""

    UNKNOWN = "unknown"
    """This node does not lead, or the other is not its learner."""
    CATCHING_UP = "catching_up"
    CAUGHT_UP = "caught_up"
    TOO_SLOW = "too_slow"
    """It did not catch up in ten rounds: the log grows as fast as it can follow."""


def encode_configuration(configuration: Configuration) -> bytes:
    """Return the payload of a CONFIGURATION entry: msgpack of the configuration's fields."""
    packed: bytes = msgpack.packb(configuration)
    return packed


def decode_configuration(payload: bytes) -> Configuration:
    """Return what was encoded."""
    halves: tuple[tuple[Any, ...], ...] = msgpack.unpackb(payload, use_list=False)
    voters, voters_outgoing, learners = halves
    return Configuration(voters, voters_outgoing, learners)


def next_configuration(current: Configuration, change: MembershipChange) -> Configuration:
    """Return the first configuration on the way from current, which is not joint, to what the change wants.

    Where the voters stay who they are it is the last one, too: nobody's majority changes.
    """
    if set(change.voters) == set(current.voters):
        return Configuration(current.voters, learners=change.learners)
    return Configuration(change.voters, current.voters, change.learners)


def final_configuration(joint: Configuration) -> Configuration:
    """Return the configuration that follows a joint one."""
    return Configuration(joint.voters, learners=joint.learners)


class ConfigurationHistory:
    """The configurations that the log holds after its compaction point, and the one in force at that point."""

    __slots__ = ("_list", "configuration", "index")

    def __init__(self, base: tuple[Index, Configuration], later: Iterable[tuple[Index, Configuration]]) -> None:
        # Invariant: by rising index, never empty; the first is in force at the compaction point.
        self._list = [base, *later]
        self.index, self.configuration = self._list[-1]
        """The newest: in force."""

    def append(self, index: Index, configuration: Configuration) -> None:
        assert index > self.index, (index, self.index)
        self._list.append((index, configuration))
        self._follow()

    def truncate(self, index: Index) -> None:
        """Take back the configurations of entries from index on."""
        while self._list[-1][0] >= index:
            assert len(self._list) > 1, (index, self._list)
            self._list.pop()
        self._follow()

    def compact(self, index: Index) -> None:
        """Forget what was in force before index only."""
        while len(self._list) > 1 and self._list[1][0] <= index:
            del self._list[0]

    def reset(self, index: Index, configuration: Configuration) -> None:
        """Begin anew with what a snapshot brought."""
        self._list = [(index, configuration)]
        self._follow()

    def at(self, index: Index) -> Configuration:
        """Return what is in force when the log ends at index, which is not compacted."""
        found = self._list[0][1]
        for since, configuration in self._list:
            if since > index:
                break
            found = configuration
        return found

    def since(self, index: Index) -> list[Configuration]:
        """Return what was in force at index and all that came later, oldest first."""
        return [self.at(index), *(configuration for since, configuration in self._list if since > index)]

    def _follow(self) -> None:
        self.index, self.configuration = self._list[-1]
