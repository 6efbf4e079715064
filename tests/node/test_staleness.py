"""How old a stale read says that it may be: never less than it is."""

from __future__ import annotations

from raftdoc.ids import Index
from raftdoc.limits import NS_PER_MS
from raftdoc.node.staleness import Staleness
from raftdoc.wire.messages import Ping, Pong
from tests.raft.lone import N2, Lone

from .replicas import GROUP, replica_of

SENT_NS, HEARD_NS, NOW_NS = 10 * NS_PER_MS, 200 * NS_PER_MS, 300 * NS_PER_MS


def test_commit_that_a_leader_told_counts_from_when_it_was_asked_for() -> None:
    staleness, replica = Staleness(), replica_of(Lone())
    staleness.heard(N2, Pong(SENT_NS, 0, ((GROUP, replica.machine.applied_index),)), HEARD_NS, 0)
    assert staleness.staleness_ms(replica, NOW_NS) == (NOW_NS - SENT_NS) // NS_PER_MS + 1


def test_commit_that_is_not_applied_here_says_nothing_of_the_age() -> None:
    staleness, replica = Staleness(), replica_of(Lone())
    staleness.heard(N2, Pong(SENT_NS, 0, ((GROUP, Index(5)),)), HEARD_NS, 0)
    assert staleness.staleness_ms(replica, NOW_NS) is None


def test_leader_tells_its_commit_only_under_a_lease() -> None:
    staleness, node = Staleness(), Lone().elect()
    replica, ping = replica_of(node), Ping(SENT_NS, 0, ())
    node.core.on_clock_suspect(node.now_ns)
    node.take()
    assert staleness.pong(N2, ping, [replica], node.now_ns, 0).commits == ()
    node.beat_of(N2, sent_ns=node.now_ns, read_round=1)
    assert staleness.pong(N2, ping, [replica], node.now_ns, 0).commits == ((GROUP, node.core.commit_index),)


def test_what_was_known_by_another_clock_is_not_known() -> None:
    staleness, replica = Staleness(), replica_of(Lone())

    def hear(sent_ns: int, now_ns: int) -> None:
        staleness.heard(N2, Pong(sent_ns, 0, ((GROUP, replica.machine.applied_index),)), now_ns, 0)

    hear(HEARD_NS, HEARD_NS)
    assert staleness.staleness_ms(replica, NOW_NS) is not None
    staleness.on_clock_suspect()
    assert staleness.staleness_ms(replica, SENT_NS) is None
    hear(HEARD_NS, SENT_NS)
    assert staleness.staleness_ms(replica, SENT_NS) is None
    hear(SENT_NS, SENT_NS)
    assert staleness.staleness_ms(replica, SENT_NS) == 1
