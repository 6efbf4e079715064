"""Compares the state of replicas while they run: same entries in, same bytes out, or a replica stops.

Every replica takes the digest of its state after the same entries, those whose index is a multiple of
DIGEST_INTERVAL_ENTRIES, and tells the others. A replica that finds a majority of the group agreeing on other
bytes than its own is the one that is wrong, and stops, naming what differs.

Source: "State digest" in docs/consensus.md.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

from raftdoc.errors import StateCorrupt
from raftdoc.ids import GroupId, Index, NodeId
from raftdoc.node.replica import Replica
from raftdoc.raft.quorum import majority
from raftdoc.statemachine.digest import differing
from raftdoc.wire.messages import StateDigest

SAMPLES_MAX = 8
"""Kept per group: a replica that lags further than so many intervals is compared at later ones."""

Digest = tuple[tuple[str, str], ...]


class Digests:
    """Of all groups of a node."""

    def __init__(self, node: NodeId) -> None:
        self._node = node
        self._samples: dict[GroupId, OrderedDict[Index, dict[NodeId, Digest]]] = {}

    def tell(self, replica: Replica, put: Callable[[NodeId, GroupId, Any], None]) -> None:
        """Note the sample that a replica has taken, if it has, and tell the other voters. Raises as `took` does."""
        if replica.digest_taken is None:
            return
        index, digest = replica.digest_taken
        replica.digest_taken = None
        voters = replica.core.configuration.voters
        message = self.took(replica.group, index, digest, voters)
        for peer in voters:
            if peer != self._node:
                put(peer, replica.group, message)

    def took(self, group: GroupId, index: Index, digest: dict[str, str], voters: tuple[NodeId, ...]) -> StateDigest:
        """Note this node's own digest at index; return what to tell the others.

        Raises:
            StateCorrupt: a majority has told another one.
        """
        sample = tuple(sorted(digest.items()))
        self._note(group, index, self._node, sample, voters)
        return StateDigest(index, sample)

    def heard(self, peer: NodeId, group: GroupId, message: StateDigest, voters: tuple[NodeId, ...]) -> None:
        """Note a peer's digest.

        Raises:
            StateCorrupt: a majority has told another one than this node's own.
        """
        self._note(group, message.index, peer, message.digest, voters)

    def forget(self, group: GroupId) -> None:
        self._samples.pop(group, None)

    def _note(self, group: GroupId, index: Index, node: NodeId, sample: Digest, voters: tuple[NodeId, ...]) -> None:
        samples = self._samples.setdefault(group, OrderedDict())
        told = samples.setdefault(index, {})
        told[node] = sample
        if len(samples) > SAMPLES_MAX:
            samples.popitem(last=False)
        own = told.get(self._node)
        if own is not None:
            _judge(group, index, own, [told[voter] for voter in voters if voter in told], len(voters))


def _judge(group: GroupId, index: Index, own: Digest, told: list[Digest], voter_count: int) -> None:
    agreed, count = Counter(told).most_common(1)[0] if told else (own, 0)
    if count >= majority(voter_count) and agreed != own:
        names = ", ".join(differing(dict(agreed), dict(own)))
        raise StateCorrupt(
            f"group {group} at index {index}: this node's state differs from that of a majority in {names}; "
            "remove this node's data and replace the node"
        )
