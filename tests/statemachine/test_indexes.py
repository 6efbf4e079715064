"""Indexes in the state: their entries are always those of the documents, on every replica."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftdoc.document import compare, encode_key, id_key
from raftdoc.errors import NotFound
from raftdoc.limits import EXPIRE_BYTES_MAX, INDEX_KEY_BYTES_MAX, INDEXES_MAX
from raftdoc.query.index_definition import parse_index_definition
from raftdoc.query.index_keys import decode_values
from raftdoc.statemachine import commands
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.digest import differing, recompute_digest
from raftdoc.statemachine.index_reads import after
from raftdoc.statemachine.outcome import Idempotency
from raftdoc.storage.keyspace import KeyKind
from raftdoc.storage.memory import MemoryEngine

from .histories import KEYS, Runner, contents
from .index_histories import (
    body,
    date,
    expected_entries,
    finish_builds,
    histories,
    play,
    stored_entries,
)


def index(fields: dict[str, int], **options: object) -> bytes:
    return commands.create_index("c", parse_index_definition({"name": "i", "fields": fields, **options}))


def put(id_: str, value: dict[str, Any], collection: str = "c") -> bytes:
    return commands.put(collection, id_, body(id_, value))


def build(runner: Runner, documents_max: int = 100) -> str | None:
    """Propose the next step of the one build there is; return the state after it."""
    (found,) = runner.machine.index_builds()
    stop = runner.machine.next_stop(found, documents_max=documents_max, bytes_max=1 << 20)
    state: str | None = runner.one(commands.build_index(*found.ref, found.built_to, stop)).data
    return state


def is_sound(runner: Runner) -> bool:
    return (
        stored_entries(runner.engine, runner.machine) == expected_entries(runner.engine)
        and differing(runner.machine.digest(), recompute_digest(runner.engine, KEYS)) == []
    )


@settings(max_examples=300, deadline=None)
@given(histories)
def test_entries_are_those_of_a_scan(history) -> None:
    engine, machine, _ = play(history)
    assert stored_entries(engine, machine) == expected_entries(engine)
    assert machine.digest() == recompute_digest(engine, KEYS)
    finish_builds(machine)
    assert stored_entries(engine, machine) == expected_entries(engine)
    assert machine.digest() == recompute_digest(engine, KEYS)


@settings(max_examples=200, deadline=None)
@given(histories, st.randoms(use_true_random=False))
def test_replicas_agree_however_they_cut_the_log_and_restart(history, random) -> None:
    engine, machine, entries = play(history)
    other = MemoryEngine()
    replica = DatabaseMachine(other, KEYS)
    start = 0
    while start < len(entries):
        stop = random.randint(start + 1, len(entries))
        replica.apply(entries[start:stop])
        if random.random() < 0.3:
            replica = DatabaseMachine(other, KEYS)
        start = stop
    assert contents(other) == contents(engine)
    assert replica.digest() == machine.digest()


def test_index_on_an_empty_collection_is_ready_at_once() -> None:
    runner = Runner()
    assert runner.one(index({"a": 1})).created
    assert runner.machine.indexes("c")[0].state == "ready"
    runner.run(put("x", {"a": 1}))
    assert is_sound(runner)
    assert runner.machine.index_infos("c")[0].entry_count == 1


def test_build_goes_through_the_documents_step_by_step() -> None:
    runner = Runner()
    runner.run(*(put(f"d{number}", {"a": number % 3}) for number in range(10)))
    runner.run(index({"a": 1}))
    assert [build(runner, 4) for _ in range(3)] == ["building", "building", "ready"]
    assert runner.machine.index_builds() == []
    assert runner.machine.index_infos("c")[0].documents_done == 10
    assert is_sound(runner)


def test_step_that_does_not_begin_where_the_build_stands_does_nothing() -> None:
    runner = Runner()
    runner.run(*(put(f"d{number}", {"a": number}) for number in range(10)))
    runner.run(index({"a": 1}))
    step = commands.build_index("c", 1, 1, b"", id_key("d4"))
    assert [runner.one(step).data, runner.one(step).data] == ["building", "building"]
    assert runner.machine.index_infos("c")[0].documents_done == 4
    assert runner.one(commands.build_index("c", 1, 1, id_key("d5"), None)).data == "building"
    assert runner.one(commands.build_index("c", 1, 2, b"", None)).data is None
    assert runner.one(commands.build_index("d", 1, 1, b"", None)).data is None
    assert is_sound(runner)


def test_step_has_fewer_documents_where_they_make_many_entries() -> None:
    runner = Runner()
    runner.run(*(put(f"d{number}", {"a": list(range(10))}) for number in range(10)))
    runner.run(index({"a": 1}))
    build(runner, 2)
    (found,) = runner.machine.index_builds()
    assert runner.machine.next_stop(found, documents_max=30, bytes_max=1 << 20) == id_key("d5")
    assert runner.machine.next_stop(found, documents_max=5, bytes_max=1 << 20) == id_key("d3")
    assert runner.machine.next_stop(found, documents_max=300, bytes_max=1) == id_key("d3")


def test_writes_during_a_build_are_in_the_index_in_the_end() -> None:
    runner = Runner()
    runner.run(*(put(f"d{number}", {"a": number}) for number in range(6)))
    runner.run(index({"a": 1}))
    build(runner, 3)
    runner.run(put("d0", {"a": 77}), put("d5", {"a": 88}), put("d00", {"a": 99}), put("d9", {"a": 66}))
    runner.run(commands.delete("c", "d1"), commands.delete("c", "d4"))
    assert is_sound(runner)
    assert build(runner) == "ready"
    assert is_sound(runner)
    assert runner.machine.index_infos("c")[0].entry_count == 6


def test_unique_index_refuses_a_second_document_and_says_which() -> None:
    runner = Runner()
    runner.run(index({"a": 1, "b": 1}, unique=True))
    runner.run(put("x", {"a": 1, "b": "é"}))
    for command in (put("y", {"a": 1.0, "b": "é"}), commands.create("c", "y", body("y", {"a": 1, "b": "é"}))):
        outcome = runner.one(command)
        assert outcome.code == "duplicate_key"
        assert outcome.data["index"] == "i"
        assert orjson.loads(outcome.data["key"]) == {"a": 1, "b": "é"}
        assert 'belongs to document "x"' in outcome.data["detail"]
    assert runner.machine.get("c", id_key("y")) is None
    assert is_sound(runner)
    assert runner.one(put("x", {"a": 1.0, "b": "é"})).is_ok
    assert runner.one(put("x", {"a": 2, "b": "é"})).is_ok
    assert runner.one(put("y", {"a": 1, "b": "é"})).is_ok
    assert is_sound(runner)


def test_missing_is_a_key_of_a_unique_index_but_not_of_a_sparse_one() -> None:
    for options, code in (({}, "duplicate_key"), ({"sparse": True}, "ok")):
        runner = Runner()
        runner.run(index({"a": 1}, unique=True, **options))
        runner.run(put("x", {}))
        assert runner.one(put("y", {})).code == code


def test_refusal_of_an_index_is_remembered_under_its_idempotency_key() -> None:
    runner = Runner()
    runner.run(index({"a": 1}, unique=True), put("x", {"a": 1}))
    command = commands.put("c", "y", body("y", {"a": 1}), idempotency=Idempotency("k", b"f" * 16))
    first, second = runner.one(command), runner.one(command)
    assert (first.code, second.code, second.replayed) == ("duplicate_key", "duplicate_key", True)
    assert second.data == first.data


def test_each_document_of_a_bulk_is_refused_for_itself() -> None:
    runner = Runner()
    runner.run(index({"a": 1}, unique=True))
    items = [
        ("x", {"a": 1}),
        ("y", {"a": 1}),
        ("x", {"a": 3}),
        ("z", {"a": "k" * INDEX_KEY_BYTES_MAX}),
        ("w", {"a": 2}),
    ]
    documents = [(id_, body(id_, value)) for id_, value in items]
    command = commands.create_many("c", documents, atomic=False, idempotency=Idempotency("k", b"f" * 16))
    first, second = runner.one(command), runner.one(command)
    assert [(code, *rest) for code, _, *rest in first.data] == [
        ("ok",), ("duplicate_key", "i"), ("duplicate_key",), ("not_indexable", "i"), ("ok",)
    ]  # fmt: skip
    assert second.replayed
    assert [tuple(item) for item in second.data] == list(first.data)
    assert is_sound(runner)


def test_atomic_bulk_that_an_index_refuses_leaves_nothing() -> None:
    runner = Runner()
    runner.run(index({"a": 1}, unique=True), put("x", {"a": 5}))
    before = runner.machine.digest()["c"], runner.machine.digest()["c#i"]
    documents = [(id_, body(id_, {"a": number})) for number, id_ in enumerate(["p", "q", "r", "s", "t", "u"])]
    outcome = runner.one(commands.create_many("c", documents, atomic=True))
    assert (outcome.code, outcome.data["index"], outcome.data["position"]) == ("duplicate_key", "i", 5)
    assert (runner.machine.digest()["c"], runner.machine.digest()["c#i"]) == before
    assert is_sound(runner)
    assert runner.one(commands.create_many("c", documents[:5], atomic=True)).is_ok
    assert is_sound(runner)


def named_index(name: str, fields: list[str], **options: object) -> bytes:
    definition = {"name": name, "fields": dict.fromkeys(fields, 1), **options}
    return commands.create_index("c", parse_index_definition(definition))


def test_fields_times_elements_are_bounded_over_all_indexes_and_what_is_stored_can_go() -> None:
    runner = Runner()
    for number in range(16):
        runner.one(put("a", {"a": [{}] * 1900}))
        runner.one(named_index(f"i{number}", [f"a.f{number}_{field}" for field in range(32)]))
        assert build(runner) == "ready"
    refused = runner.one(put("b", {"a": [{}] * 1900}))
    assert (refused.code, refused.data["mongo_code"]) == ("not_indexable", 67)
    assert runner.one(put("b", {"a": [{}] * 500})).code == "ok"
    assert runner.one(put("a", {"a": 1})).code == "ok"
    assert is_sound(runner)


def test_an_array_is_looked_through_once_for_all_fields_and_indexes() -> None:
    runner = Runner()
    for number in range(64):
        runner.one(named_index(f"i{number}", [f"a.0.f{number}_{field}" for field in range(32)]))
    assert runner.one(put("a", {"a": [1] * 200_000})).code == "ok"


def test_tests_of_partial_filters_are_bounded_over_all_indexes() -> None:
    runner = Runner()
    partial = {"$or": [{"a": {"$lt": [-number]}} for number in range(30)]}
    for number in range(32):
        runner.one(named_index(f"i{number}", [f"f{number}"], partial=partial))
    refused = runner.one(put("a", {"a": [[1] * 20_000]}))
    assert (refused.code, refused.data["mongo_code"]) == ("not_indexable", 67)
    assert runner.one(put("a", {"a": [[1] * 200]})).code == "ok"


def test_document_that_an_index_cannot_take_is_refused() -> None:
    runner = Runner()
    runner.run(index({"a": 1, "b": 1}), put("x", {"a": [1]}))
    outcome = runner.one(put("x", {"a": [1], "b": [2]}))
    assert (outcome.code, outcome.data["index"], outcome.data["mongo_code"]) == ("not_indexable", "i", 171)
    assert runner.one(put("x", {"a": "k" * INDEX_KEY_BYTES_MAX})).data["mongo_code"] == 17280
    assert is_sound(runner)


def test_duplicate_fails_a_unique_build_and_both_documents_are_named() -> None:
    runner = Runner()
    runner.run(put("x", {"a": 1}), put("y", {"a": 2}), put("z", {"a": 1}))
    runner.run(index({"a": 1}, unique=True))
    assert build(runner) == "failed"
    (info,) = runner.machine.index_infos("c")
    assert info.definition.state == "failed"
    assert '"z"' in info.failure
    assert '"x"' in info.failure
    runner.run(commands.sweep(100))
    assert list(runner.engine.scan(*KEYS.kind_range(KeyKind.INDEX))) == []
    assert is_sound(runner)


def test_write_that_makes_a_duplicate_fails_the_build_and_not_itself() -> None:
    runner = Runner()
    runner.run(*(put(f"d{number}", {"a": number}) for number in range(6)))
    runner.run(index({"a": 1}, unique=True))
    build(runner, 3)
    assert runner.one(put("d1", {"a": 0})).is_ok
    (info,) = runner.machine.index_infos("c")
    assert (info.definition.state, info.entry_count) == ("failed", 0)
    assert '"d1"' in info.failure
    assert '"d0"' in info.failure
    runner.run(put("d1", {"a": 7}))
    assert runner.one(index({"a": 1}, unique=True)).created
    assert build(runner) == "ready"
    assert is_sound(runner)


def test_same_index_again_is_no_news_and_another_under_its_name_is_a_conflict() -> None:
    runner = Runner()
    first, again, other = runner.run(index({"a": 1}), index({"a": 1}), index({"a": -1}))
    assert (first.created, again.code, again.created, other.code) == (True, "ok", False, "conflict")
    renamed = commands.create_index("c", parse_index_definition({"name": "j", "fields": {"a": 1}}))
    assert runner.one(renamed).code == "conflict"


def test_number_of_indexes_is_bounded() -> None:
    runner = Runner()
    definitions = [parse_index_definition({"fields": {f"f{number}": 1}}) for number in range(INDEXES_MAX + 1)]
    outcomes = runner.run(*(commands.create_index("c", definition) for definition in definitions))
    assert [outcome.code for outcome in outcomes[-2:]] == ["ok", "limit_reached"]


def test_dropped_index_is_gone_at_once_and_its_entries_later() -> None:
    runner = Runner()
    runner.run(index({"a": 1}), *(put(f"d{number}", {"a": number}) for number in range(10)))
    assert runner.one(commands.drop_index("c", "nope")).code == "index_not_found"
    assert runner.one(commands.drop_index("nope", "i")).code == "collection_not_found"
    assert runner.one(commands.drop_index("c", "i")).is_ok
    assert runner.machine.indexes("c") == ()
    assert runner.machine.has_dropped_documents
    runner.one(index({"a": 1}))
    assert [definition.id for definition in runner.machine.indexes("c")] == [2]
    assert not runner.machine.has_dropped_documents
    assert build(runner) == "ready"
    assert is_sound(runner)


def test_dropped_collection_takes_its_entries_along() -> None:
    runner = Runner()
    runner.run(index({"a": 1}), *(put(f"d{number}", {"a": number}) for number in range(10)))
    runner.run(commands.drop_collection("c"))
    runner.run(commands.sweep(100))
    assert list(runner.engine.scan(*KEYS.kind_range(KeyKind.INDEX))) == []
    assert list(runner.engine.scan(*KEYS.kind_range(KeyKind.DOCUMENT))) == []


def test_what_was_dropped_is_removed_in_the_same_order_after_a_restart() -> None:
    runner = Runner()
    runner.run(*(put(f"d{number}", {}, name) for name in ("c1", "c2") for number in range(400)))
    runner.run(commands.drop_collection("c2"))
    runner.run(commands.drop_collection("c1"))
    other = MemoryEngine()
    other.write(dict(contents(runner.engine)))
    restarted = Runner(DatabaseMachine(other, KEYS), other)
    for machine in (runner, restarted):
        machine.run(commands.sweep(10))
    assert contents(other) == contents(runner.engine)


def test_array_is_noted_for_ever() -> None:
    runner = Runner()
    runner.run(index({"a": 1, "b": 1}), put("x", {"a": [1, 2]}))
    assert runner.machine.indexes("c")[0].multikey_paths == (True, False)
    runner.run(put("x", {"a": 1}))
    machine = DatabaseMachine(runner.engine, KEYS)
    assert machine.indexes("c")[0].multikey_paths == (True, False)
    assert machine.digest() == runner.machine.digest()


@pytest.mark.parametrize("direction", [1, -1])
def test_documents_whose_date_is_over_are_deleted_by_log_time(direction) -> None:
    runner = Runner()
    runner.run(index({"t": direction}, expire_after_s=10))
    runner.run(
        *(put(f"d{number}", {"t": date(number * 1000)}) for number in range(8)),
        put("text", {"t": "2024-05-01T12:00:00Z"}),
        put("number", {"t": 0}),
        put("none", {}),
        put("many", {"t": [date(10**9), date(2000), date(0)]}),
    )
    (ref,) = runner.machine.expired(12_000)
    assert runner.machine.expired(9_000) == []
    expire = commands.expire(*ref, 100)
    assert runner.one(expire, time_ms=9_999).data == 0
    assert runner.one(commands.expire(*ref, 2), time_ms=12_000).data <= 2
    runner.one(expire, time_ms=12_000)
    assert runner.one(expire, time_ms=12_000).data == 0
    left = {document.body for document in runner.machine.list_documents("c", limit=100, bytes_max=1 << 20)[0]}
    assert {orjson.loads(text)["_id"] for text in left} == {"d3", "d4", "d5", "d6", "d7", "text", "number", "none"}
    assert is_sound(runner)


def test_no_entry_expires_much_more_than_so_many_bytes() -> None:
    runner = Runner()
    runner.run(index({"t": 1}, expire_after_s=10))
    large = "x" * (EXPIRE_BYTES_MAX // 3)
    runner.run(*(put(f"d{number}", {"t": date(0), "a": large}) for number in range(5)))
    (ref,) = runner.machine.expired(12_000)
    expire = commands.expire(*ref, 100)
    assert [runner.one(expire, time_ms=12_000).data for _ in range(3)] == [3, 2, 0]
    assert is_sound(runner)


def test_index_that_is_not_ready_is_not_read() -> None:
    runner = Runner()
    runner.run(put("x", {"a": 1}))
    runner.run(index({"a": 1}))
    with pytest.raises(NotFound):
        runner.machine.index_view("c", "i")
    build(runner)
    assert runner.machine.index_view("c", "i").entry_count == 1


@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@given(st.lists(st.integers(0, 9) | st.text("ab", max_size=2), max_size=12, unique_by=repr), st.integers(0, 9))
def test_range_of_an_index_is_what_a_sorted_scan_gives(unique, reverse, numbers, edge) -> None:
    runner = Runner()
    runner.run(index({"a": 1}, unique=unique))
    runner.run(*(put(f"d{position:02}", {"a": number}) for position, number in enumerate(numbers)))
    view = runner.machine.index_view("c", "i")
    key = encode_key(edge)
    found = [
        decode_values(entry.value_key, entry.exact)[0] for entry in view.scan(runner.engine, key, None, reverse=reverse)
    ]
    expected = sorted((n for n in numbers if compare(n, edge) >= 0), key=encode_key, reverse=reverse)
    assert found == expected
    assert view.estimate(runner.engine, key) == len(expected)
    assert view.estimate(runner.engine, b"", after(key)) == sum(compare(n, edge) <= 0 for n in numbers)
    assert view.estimate(runner.engine) == len(numbers)


@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_scan_goes_on_behind_an_entry(unique, reverse) -> None:
    runner = Runner()
    runner.run(index({"a": 1}, unique=unique))
    runner.run(*(put(f"d{number}", {"a": number if unique else number // 3}) for number in range(9)))
    view = runner.machine.index_view("c", "i")
    whole = list(view.scan(runner.engine, reverse=reverse))
    for position, entry in enumerate(whole):
        rest = view.scan(runner.engine, after=(entry.value_key, entry.id_key), reverse=reverse)
        assert list(rest) == whole[position + 1 :]


def test_damaged_entry_is_found_and_named() -> None:
    runner = Runner()
    runner.run(index({"a": 1}), put("x", {"a": 1}))
    ((key, value),) = runner.engine.scan(*KEYS.kind_range(KeyKind.INDEX))
    runner.engine.write({key: value + b"x"})
    assert differing(runner.machine.digest(), recompute_digest(runner.engine, KEYS)) == ["c#i"]
    runner.engine.write({key: None})
    assert differing(runner.machine.digest(), recompute_digest(runner.engine, KEYS)) == ["c#i"]


def test_entry_of_no_index_is_found_and_named_by_number() -> None:
    runner = Runner()
    runner.run(put("x", {"a": 1}))
    runner.engine.write({KEYS.index_prefix(1, 9) + b"\x10": b"\x00\x01"})
    assert differing(runner.machine.digest(), recompute_digest(runner.engine, KEYS)) == ["#1#9"]
