"""The state digest: kept equal to what is stored, equal on replicas, and naming what is damaged."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.document import id_key
from raftdoc.errors import FormatTooNew, StateCorrupt
from raftdoc.ids import GroupId, Incarnation
from raftdoc.statemachine import commands
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.digest import differing, recompute_digest
from raftdoc.statemachine.outcome import Idempotency
from raftdoc.statemachine.staging import Progress, encode_progress
from raftdoc.storage.keyspace import GroupKeys, KeyKind
from raftdoc.storage.memory import MemoryEngine

from .histories import KEYS, MANY, Runner, build, document, histories


def _populated() -> Runner:
    runner = Runner()
    runner.run(
        commands.create_many("orders", MANY[:20], atomic=True),
        commands.create_many("users", MANY[:20], atomic=True),
        commands.put("users", "x", document("x", 1), idempotency=Idempotency("k", b"f" * 16)),
        commands.create_collection("empty", {"a": 1}),
    )
    return runner


def _damaged(runner: Runner) -> list[str]:
    return differing(runner.machine.digest(), recompute_digest(runner.engine, KEYS))


def _document_key(runner: Runner, collection: str) -> bytes:
    return KEYS.document(runner.machine.collection(collection).id, id_key("m0007"))


@pytest.mark.parametrize("collection", ["orders", "users"])
@given(seed=st.integers(0, 1 << 32))
def test_flipped_bit_of_a_document_is_found_and_named(collection, seed) -> None:
    runner = _populated()
    assert _damaged(runner) == []
    runner.engine.flip(_document_key(runner, collection), Random(seed))
    assert _damaged(runner) == [collection]
    # The totals are of the undamaged state: a restart does not hide it.
    machine = DatabaseMachine(runner.engine, KEYS)
    assert differing(machine.digest(), recompute_digest(runner.engine, KEYS)) == [collection]


def test_lost_document_is_found_and_named() -> None:
    runner = _populated()
    runner.engine.write({_document_key(runner, "orders"): None})
    assert _damaged(runner) == ["orders"]


def test_document_of_no_collection_is_found_and_named_by_number() -> None:
    runner = _populated()
    runner.engine.write({KEYS.document(99, b"x"): bytes(17) + b"{}"})
    assert _damaged(runner) == ["#99"]


@pytest.mark.parametrize("key", [KEYS.dedup("k"), KEYS.dedup("other")])
def test_damaged_idempotency_record_is_found(key) -> None:
    runner = _populated()
    runner.engine.write({key: b"\x90"})
    assert _damaged(runner) == ["$requests"]


def test_lost_order_of_forgetting_is_found() -> None:
    runner = _populated()
    ((key, _),) = runner.engine.scan(*KEYS.kind_range(KeyKind.DEDUP_EXPIRY))
    runner.engine.write({key: None})
    assert _damaged(runner) == ["$requests"]


def test_damaged_descriptor_is_found() -> None:
    runner = _populated()
    key = KEYS.collection("empty")
    stored = runner.engine.get(key)
    assert stored is not None
    runner.engine.write({key: stored.replace(b'{"a":1}', b'{"a":2}')})
    assert _damaged(runner) == ["$meta"]


def test_damaged_totals_name_their_collection() -> None:
    runner = _populated()
    runner.engine.flip(KEYS.digest(runner.machine.collection("users").id), Random(1))
    machine = DatabaseMachine(runner.engine, KEYS)
    assert differing(machine.digest(), recompute_digest(runner.engine, KEYS)) == ["users"]


@given(st.integers(0, 1 << 32))
def test_damaged_counters_stop_the_machine_when_it_loads(seed) -> None:
    runner = _populated()
    runner.engine.flip(KEYS.meta("state"), Random(seed))
    with pytest.raises(StateCorrupt, match="checksum"):
        DatabaseMachine(runner.engine, KEYS)


def test_lost_totals_stop_the_machine_when_it_loads() -> None:
    runner = _populated()
    runner.engine.write({KEYS.digest(runner.machine.collection("users").id): None})
    with pytest.raises(StateCorrupt, match="'users'"):
        DatabaseMachine(runner.engine, KEYS)


@pytest.mark.parametrize("descriptor", [b"", b"\xc1", b"\x91\x01", b"\x93\xc0\x01\xc4\x02{}"])
def test_unreadable_descriptor_stops_the_machine_when_it_loads(descriptor) -> None:
    runner = _populated()
    runner.engine.write({KEYS.collection("users"): descriptor})
    with pytest.raises(StateCorrupt, match="users"):
        DatabaseMachine(runner.engine, KEYS)


def test_unreadable_counter_stops_the_machine_when_it_loads() -> None:
    runner = _populated()
    runner.engine.write({KEYS.meta("next_collection"): b"x"})
    with pytest.raises(StateCorrupt, match="next_collection"):
        DatabaseMachine(runner.engine, KEYS)


def test_state_of_a_newer_feature_level_is_not_opened() -> None:
    engine = MemoryEngine()
    engine.write({KEYS.meta("state"): encode_progress(Progress(feature_level=commands.FEATURE_LEVEL + 1))})
    with pytest.raises(FormatTooNew, match="feature level 2"):
        DatabaseMachine(engine, KEYS)


@given(histories)
def test_digest_does_not_depend_on_group_or_incarnation(history) -> None:
    entries, _, _ = build(history)
    digests = []
    for keys in (GroupKeys(GroupId(7), Incarnation(1)), GroupKeys(GroupId(8), Incarnation(5))):
        machine = DatabaseMachine(MemoryEngine(), keys)
        machine.apply(entries)
        digests.append(machine.digest())
    assert digests[0] == digests[1]


def test_digest_of_an_empty_machine_is_that_of_an_empty_engine() -> None:
    runner = Runner()
    assert runner.machine.digest() == recompute_digest(runner.engine, KEYS)


def test_digest_is_recomputed_on_a_snapshot_too() -> None:
    runner = _populated()
    with runner.engine.snapshot() as snapshot:
        digest = runner.machine.digest()
        runner.one(commands.delete("users", "x"))
        assert recompute_digest(snapshot, KEYS) == digest
