"""A replica that a majority disagrees with stops, and names what differs; a single disagreeing peer stops nobody."""

from __future__ import annotations

import pytest

from raftdoc.errors import StateCorrupt
from raftdoc.ids import GroupId, Index, NodeId
from raftdoc.node.digests import SAMPLES_MAX, Digests
from raftdoc.wire.messages import StateDigest

GROUP, AT = GroupId(3), Index(1024)
N1, N2, N3 = VOTERS = (NodeId("n1"), NodeId("n2"), NodeId("n3"))
GOOD = {"orders": "aa", "$meta": "bb"}
BAD = {"orders": "ff", "$meta": "bb"}


def told(digest: dict[str, str], index: Index = AT) -> StateDigest:
    return StateDigest(index, tuple(sorted(digest.items())))


def test_equal_replicas_go_on() -> None:
    digests = Digests(N1)
    message = digests.took(GROUP, AT, GOOD, VOTERS)
    assert message == told(GOOD)
    for peer in (N2, N3):
        digests.heard(peer, GROUP, message, VOTERS)


def test_one_disagreeing_peer_proves_nothing() -> None:
    digests = Digests(N1)
    digests.heard(N2, GROUP, told(BAD), VOTERS)
    digests.took(GROUP, AT, GOOD, VOTERS)


def test_a_minority_that_agrees_proves_nothing() -> None:
    voters = (*VOTERS, NodeId("n4"), NodeId("n5"))
    digests = Digests(N1)
    for peer in (N2, N3):
        digests.heard(peer, GROUP, told(BAD), voters)
    digests.took(GROUP, AT, GOOD, voters)


def test_a_majority_of_others_convicts_this_replica_whoever_speaks_last() -> None:
    late = Digests(N1)
    late.heard(N2, GROUP, told(GOOD), VOTERS)
    late.heard(N3, GROUP, told(GOOD), VOTERS)
    with pytest.raises(StateCorrupt, match="orders"):
        late.took(GROUP, AT, BAD, VOTERS)
    early = Digests(N1)
    early.took(GROUP, AT, BAD, VOTERS)
    early.heard(N2, GROUP, told(GOOD), VOTERS)
    with pytest.raises(StateCorrupt, match="group 3 at index 1024"):
        early.heard(N3, GROUP, told(GOOD), VOTERS)


def test_digests_of_other_indexes_and_groups_are_not_compared() -> None:
    digests = Digests(N1)
    digests.took(GROUP, AT, BAD, VOTERS)
    for peer in (N2, N3):
        digests.heard(peer, GroupId(4), told(GOOD), VOTERS)
        digests.heard(peer, GROUP, told(GOOD, Index(2048)), VOTERS)


def test_the_word_of_a_node_that_has_no_vote_does_not_count() -> None:
    digests = Digests(N1)
    digests.took(GROUP, AT, BAD, VOTERS)
    for stranger in (NodeId("n8"), NodeId("n9")):
        digests.heard(stranger, GROUP, told(GOOD), VOTERS)


def test_samples_are_bounded() -> None:
    digests = Digests(N1)
    for number in range(10 * SAMPLES_MAX):
        digests.took(GROUP, Index(number * 1024), GOOD, VOTERS)
    digests.heard(N2, GROUP, told(BAD, Index(0)), VOTERS)
    digests.heard(N3, GROUP, told(BAD, Index(0)), VOTERS)
