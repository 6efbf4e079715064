"""How fast snapshots are sent: fast when the node has nothing else to do."""

from __future__ import annotations

from raftdoc.limits import KIB, MIB, NS_PER_MS, NS_PER_S
from raftdoc.node.snapshot_stream import Pace

STEP_NS = NS_PER_MS


def sent_in_a_second(pace: Pace, applied_bytes_per_ms: int) -> int:
    """Send chunks of 256 KiB as soon as allowed, for the second second of such a load; return the bytes."""
    applied = total = 0
    for now_ns in range(NS_PER_S, 3 * NS_PER_S, STEP_NS):
        applied += applied_bytes_per_ms
        pace.measure(applied, now_ns)
        while pace.may_send(now_ns):
            pace.sent(256 * KIB, now_ns)
            total += 256 * KIB if now_ns >= 2 * NS_PER_S else 0
    return total


def test_idle_node_sends_at_its_idle_rate() -> None:
    assert 62 * MIB <= sent_in_a_second(Pace(4 * MIB, 64 * MIB), 0) <= 66 * MIB


def test_node_with_writes_to_do_sends_at_its_setting() -> None:
    assert 3 * MIB <= sent_in_a_second(Pace(4 * MIB, 64 * MIB), 4 * KIB) <= 5 * MIB


def test_load_is_remembered_for_a_while_and_then_forgotten() -> None:
    pace = Pace(4 * MIB, 64 * MIB)
    pace.measure(10 * MIB, NS_PER_S)
    assert pace.is_loaded
    pace.measure(10 * MIB, 2 * NS_PER_S)
    assert pace.is_loaded
    pace.measure(10 * MIB, 4 * NS_PER_S)
    assert not pace.is_loaded
