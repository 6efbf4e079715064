"""Exactly once: the same key gives the same answer, until it is forgotten, and then never a second execution."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from raftdoc.document import id_key
from raftdoc.limits import IDEMPOTENCY_ANSWER_BYTES_MAX, IDEMPOTENCY_KEY_AHEAD_MS_MAX, IDEMPOTENCY_RETENTION_MS
from raftdoc.statemachine import commands
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.digest import recompute_digest
from raftdoc.statemachine.outcome import Idempotency, Outcome
from raftdoc.statemachine.requests import FORGET_PER_ENTRY_MAX, uuid7_time_ms
from raftdoc.statemachine.results import compact_data, expand_data
from raftdoc.storage.keyspace import KeyKind
from raftdoc.storage.memory import MemoryEngine

from .histories import KEYS, MANY, Runner, contents, document, entry, uuid7

HOUR_MS = 3600 * 1000
NOW_MS = 1_700_000_000_000


def _put(key: str, number: int = 1, *, id_: str = "a", fingerprint: bytes = b"f" * 16, retention_ms: int = HOUR_MS):
    return commands.put("c", id_, document(id_, number), idempotency=Idempotency(key, fingerprint, retention_ms))


def _runner(requests_max: int = 1000) -> Runner:
    engine = MemoryEngine()
    return Runner(DatabaseMachine(engine, KEYS, requests_max=requests_max), engine)


def _record_count(runner: Runner) -> tuple[int, int]:
    records = sum(1 for _ in runner.engine.scan(*KEYS.kind_range(KeyKind.DEDUP)))
    order = sum(1 for _ in runner.engine.scan(*KEYS.kind_range(KeyKind.DEDUP_EXPIRY)))
    return records, order


def test_same_key_gives_the_same_answer_and_does_nothing() -> None:
    runner = _runner()
    first = runner.one(_put("k"), time_ms=1_000)
    assert (first.code, first.created, first.replayed) == ("ok", True, False)
    runner.one(commands.put("c", "a", document("a", 7)), time_ms=2_000)
    again = runner.one(_put("k"), time_ms=3_000)
    assert again == first._replace(replayed=True)
    stored = runner.machine.get("c", id_key("a"))
    assert stored is not None
    assert stored.body == document("a", 7)


def test_same_key_twice_in_one_entry_is_done_once() -> None:
    runner = _runner()
    first, second = runner.run(_put("k"), _put("k"))
    assert second == first._replace(replayed=True)
    assert first.revision == 1 << 20


def test_answer_survives_a_restart() -> None:
    runner = _runner()
    first = runner.one(_put("k"))
    runner = Runner(DatabaseMachine(runner.engine, KEYS), runner.engine)
    assert runner.one(_put("k")) == first._replace(replayed=True)


def test_other_request_under_a_known_key_is_refused_and_the_answer_kept() -> None:
    runner = _runner()
    first = runner.one(_put("k"))
    other = runner.one(_put("k", 2, fingerprint=b"g" * 16))
    assert (other.code, other.replayed) == ("key_reused", False)
    assert runner.one(_put("k")) == first._replace(replayed=True)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (lambda key: commands.delete("c", "x", idempotency=key), "document_not_found"),
        (lambda key: commands.delete("none", "x", idempotency=key), "collection_not_found"),
        (lambda key: commands.create("c", "a", document("a", 2), idempotency=key), "duplicate_key"),
        (lambda key: commands.put("c", "a", document("a", 2), if_match=1, idempotency=key), "precondition_failed"),
        (lambda key: commands.create_collection("c", {"x": 1}, idempotency=key), "conflict"),
        (lambda key: commands.drop_collection("none", idempotency=key), "collection_not_found"),
    ],
)
def test_every_outcome_decided_at_apply_is_remembered(command, code) -> None:
    runner = _runner()
    runner.one(commands.put("c", "a", document("a", 1)))
    encoded = command(Idempotency("k", b"f" * 16))
    first = runner.one(encoded)
    assert first.code == code
    runner.run(commands.put("c", "x", document("x", 1)), commands.put("none", "x", document("x", 1)))
    assert runner.one(encoded) == first._replace(replayed=True)


def test_many_results_are_replayed_in_full() -> None:
    runner = _runner()
    runner.one(commands.put("c", "m0001", document("m0001", 1)))
    encoded = commands.create_many("c", MANY, atomic=False, idempotency=Idempotency("k", b"f" * 16))
    first = runner.one(encoded)
    assert first.data[:3] == (("ok", 2 << 20), ("duplicate_key", 0), ("ok", 2 << 20 | 1))
    assert runner.one(encoded) == first._replace(replayed=True)
    record = runner.machine.request_outcome("k")
    assert record is not None
    assert record.outcome == first


def test_stored_answer_of_the_largest_command_fits() -> None:
    items = [(f"{number:x}", b"{}") for number in range(commands.CREATE_MANY_ITEMS_MAX)]
    runner = _runner()
    runner.one(commands.create_many("c", items[1:], atomic=False))
    encoded = commands.create_many("c", items, atomic=False, idempotency=Idempotency("k", b"f" * 16))
    first = runner.one(encoded)
    assert len(first.data) == commands.CREATE_MANY_ITEMS_MAX
    stored = runner.engine.get(KEYS.dedup("k"))
    assert stored is not None
    assert len(stored) <= IDEMPOTENCY_ANSWER_BYTES_MAX
    assert runner.one(encoded) == first._replace(replayed=True)


@given(st.lists(st.booleans(), max_size=20), st.integers(1, 1 << 60))
def test_results_of_many_come_back_from_their_short_form(created, first_revision) -> None:
    results, revision = [], first_revision
    for is_created in created:
        results.append(("ok", revision) if is_created else ("duplicate_key", 0))
        revision += is_created
    assert expand_data(*compact_data(tuple(results))) == tuple(results)


@pytest.mark.parametrize("data", [None, 7, "x", [1, 2], {"a": 1}])
def test_plain_data_comes_back(data) -> None:
    assert expand_data(*compact_data(data)) == data


def test_record_says_when_it_may_be_forgotten() -> None:
    runner = _runner()
    outcome = runner.one(_put("k", retention_ms=5_000), time_ms=1_000)
    record = runner.machine.request_outcome("k")
    assert record is not None
    assert (record.key, record.fingerprint, record.expires_ms) == ("k", b"f" * 16, 6_000)
    assert record.outcome == outcome
    assert runner.machine.request_outcome("other") is None
    assert Idempotency("k", b"").retention_ms == IDEMPOTENCY_RETENTION_MS


def test_plain_key_is_done_again_after_retention_and_not_before() -> None:
    runner = _runner()
    runner.one(_put("k", retention_ms=5_000), time_ms=1_000)
    assert runner.one(_put("k"), time_ms=5_999).replayed
    again = runner.one(_put("k"), time_ms=6_000)
    assert (again.code, again.replayed, again.created) == ("ok", False, False)


def test_forgetting_goes_by_log_time_only_with_entries() -> None:
    runner = _runner()
    runner.one(_put("k", retention_ms=5_000), time_ms=1_000)
    assert runner.machine.request_outcome("k") is not None
    runner.run(time_ms=6_000)
    assert runner.machine.request_outcome("k") is None
    assert _record_count(runner) == (0, 0)


def test_known_uuid7_is_replayed_whatever_the_horizon() -> None:
    runner = _runner(requests_max=1)
    late, early = uuid7(NOW_MS + 50), uuid7(NOW_MS - HOUR_MS)
    runner.run(_put(late), _put(early), time_ms=NOW_MS)
    runner.run(time_ms=NOW_MS + 50)
    assert runner.machine.request_outcome(late) is None
    assert runner.one(_put(early), time_ms=NOW_MS + 50).replayed


def test_unknown_uuid7_at_or_below_the_horizon_is_expired_and_one_above_is_done() -> None:
    runner = _runner()
    runner.one(_put(uuid7(NOW_MS - 10), retention_ms=1_000), time_ms=NOW_MS)
    for time_ms in (NOW_MS - 10, NOW_MS - 5_000):
        refused = runner.one(_put(uuid7(time_ms, 1)), time_ms=NOW_MS + 1_000)
        assert (refused.code, refused.replayed) == ("key_expired", False)
    assert runner.one(_put(uuid7(NOW_MS - 9)), time_ms=NOW_MS + 1_000).code == "ok"


def test_forgotten_uuid7_is_never_done_again() -> None:
    runner = _runner()
    key = uuid7(NOW_MS)
    runner.one(_put(key, retention_ms=1_000), time_ms=NOW_MS)
    refused = runner.one(_put(key, retention_ms=1_000), time_ms=NOW_MS + 1_000)
    assert refused.code == "key_expired"
    runner = Runner(DatabaseMachine(runner.engine, KEYS), runner.engine)
    assert runner.one(_put(key), time_ms=NOW_MS + 2_000).code == "key_expired"


def test_old_uuid7_is_fine_while_nothing_was_forgotten() -> None:
    runner = _runner()
    assert runner.one(_put(uuid7(NOW_MS - 30 * 24 * HOUR_MS)), time_ms=NOW_MS).code == "ok"


def test_uuid7_more_than_five_minutes_ahead_is_refused_and_not_remembered() -> None:
    runner = _runner()
    ahead = uuid7(NOW_MS + IDEMPOTENCY_KEY_AHEAD_MS_MAX + 1)
    assert runner.one(_put(ahead), time_ms=NOW_MS).code == "key_ahead"
    assert runner.one(_put(ahead), time_ms=NOW_MS + 1).code == "ok"


@pytest.mark.parametrize(
    ("key", "time_ms"),
    [
        ("018bcfe5-6800-7abc-8def-000000000000", 1_700_000_000_000),
        ("018BCFE5-6800-7ABC-BDEF-000000000000", 1_700_000_000_000),
        ("018bcfe5-6800-7abc-8def-000000000000\x1f12", 1_700_000_000_000),
        ("018bcfe5-6800-7abc-8def-000000000000#12", None),
        ("018bcfe5-6800-4abc-8def-000000000000", None),
        ("018bcfe5-6800-7abc-cdef-000000000000", None),
        ("018bcfe568007abc8def000000000000", None),
        ("018bcfe5-6800-7abc-8def-000000000000\n", None),
        ("order-7", None),
    ],
)
def test_only_a_uuid7_carries_its_time(key, time_ms) -> None:
    assert uuid7_time_ms(key) == time_ms


def test_number_of_records_is_held_and_the_oldest_go_first() -> None:
    runner = _runner(requests_max=3)
    for number in range(10):
        runner.one(_put(f"k{number}"), time_ms=1_000)
        assert _record_count(runner)[0] <= 4
    runner.run(time_ms=1_000)
    kept = [key for key in (f"k{number}" for number in range(10)) if runner.machine.request_outcome(key)]
    assert kept == ["k7", "k8", "k9"]


@pytest.mark.parametrize("retention_ms", [1, HOUR_MS], ids=["expired", "over the cap"])
def test_key_ahead_of_log_time_does_not_shut_out_the_keys_of_others(retention_ms) -> None:
    """One client whose clock is fast: nothing of it is forgotten before log time is where its clock was."""
    runner = _runner(requests_max=3)
    ahead_ms = NOW_MS + 4 * 60 * 1000
    assert runner.one(_put(uuid7(ahead_ms), retention_ms=retention_ms), time_ms=NOW_MS).code == "ok"
    for number in range(10):
        assert runner.one(_put(uuid7(NOW_MS + number, number)), time_ms=NOW_MS + number).code == "ok"
    assert runner.one(_put(uuid7(ahead_ms), retention_ms=retention_ms), time_ms=NOW_MS + 10).replayed
    runner.run(time_ms=ahead_ms)
    assert _record_count(runner) == (3, 3)
    assert runner.one(_put(uuid7(ahead_ms), retention_ms=retention_ms), time_ms=ahead_ms).code == "key_expired"


def test_records_of_one_millisecond_are_forgotten_in_the_order_of_the_log() -> None:
    runner = _runner(requests_max=2)
    runner.run(*(_put(key) for key in ("z", "a", "m", "b")))
    runner.run()
    kept = [key for key in "zamb" if runner.machine.request_outcome(key)]
    assert kept == ["m", "b"]


def test_forgetting_is_bounded_per_entry_and_a_record_still_there_still_answers() -> None:
    runner = _runner(requests_max=10_000)
    total = FORGET_PER_ENTRY_MAX + 10
    runner.run(*(_put(f"k{number}", retention_ms=1) for number in range(total)))
    last = f"k{total - 1}"
    assert runner.one(_put(last), time_ms=HOUR_MS).replayed
    assert _record_count(runner) == (10, 10)
    assert not runner.one(_put(last), time_ms=HOUR_MS).replayed
    assert _record_count(runner) == (1, 1)


def test_forgetting_by_the_cap_within_one_slice_is_the_same_as_over_many() -> None:
    entries = [entry(index, [_put(f"k{index}-{n}", id_=f"{n}") for n in range(3)], 1_000) for index in range(1, 20)]
    engines = [MemoryEngine(), MemoryEngine()]
    DatabaseMachine(engines[0], KEYS, requests_max=4).apply(entries)
    machine = DatabaseMachine(engines[1], KEYS, requests_max=4)
    for one in entries:
        machine.apply([one])
    assert contents(engines[0]) == contents(engines[1])


def test_key_of_a_closed_database_still_tells_what_became_of_it() -> None:
    runner = _runner()
    first = runner.one(_put("k"))
    runner.one(commands.close_database("shop"))
    assert runner.one(_put("k")) == first._replace(replayed=True)
    assert runner.one(_put("k2")).code == "database_not_found"


A_PLAIN_KEY_FORGOTTEN_AFTER_A_UUID7 = [(0, "uuid", 0, 0), (0, "plain", 0, 0), (0, "uuid", 0, 0)]
"""The second has no time that the horizon could go on to; the third is the first again."""


@settings(max_examples=100)
@example(A_PLAIN_KEY_FORGOTTEN_AFTER_A_UUID7)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["plain", "uuid"]), st.integers(0, 300), st.integers(0, 400)),
        max_size=60,
    )
)
def test_uuid7_key_is_never_done_twice(attempts) -> None:
    """Whatever is forgotten when: each UUIDv7 executes at most once, and digests stay right."""
    runner = _runner(requests_max=5)
    executed: set[str] = set()
    now = NOW_MS
    for number, kind, pause, retention in attempts:
        now += pause
        key = uuid7(NOW_MS + 100 * number) if kind == "uuid" else f"k{number}"
        outcome: Outcome = runner.one(_put(key, retention_ms=retention), time_ms=now)
        if kind == "uuid" and outcome.code == "ok" and not outcome.replayed:
            assert key not in executed
            executed.add(key)
    assert runner.machine.digest() == recompute_digest(runner.engine, KEYS)
