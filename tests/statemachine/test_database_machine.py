"""DatabaseMachine against a simple model, and rule by rule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from raftdoc.document import id_key
from raftdoc.errors import FormatTooNew, NotFound, StateCorrupt
from raftdoc.ids import Index, Term
from raftdoc.limits import COLLECTIONS_MAX
from raftdoc.raft.messages import Entry, EntryKind
from raftdoc.statemachine import commands
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.digest import recompute_digest
from raftdoc.statemachine.outcome import StoredDocument
from raftdoc.storage.keyspace import KeyKind
from raftdoc.storage.memory import MemoryEngine

from .histories import KEYS, MANY, Runner, build, document, entry, histories, noop


def _without_make(history):
    return [([step for step in steps if step.kind != "make"], pause) for steps, pause in history]


@settings(max_examples=300)
@given(histories)
def test_commands_do_what_a_simple_model_does(history) -> None:
    # Keys are never forgotten here: log time stays within retention.
    entries, expected, model = build([(steps, 0) for steps, _ in _without_make(history)])
    engine = MemoryEngine()
    machine = DatabaseMachine(engine, KEYS)
    outcomes = machine.apply(entries)
    assert [[outcome[:2] for outcome in batch] for batch in outcomes] == expected
    assert {info.name for info in machine.collections()} == set(model.collections)
    for name, documents in model.collections.items():
        info = machine.collection(name)
        assert info.document_count == len(documents)
        assert info.document_bytes == sum(len(body) for _, body in documents.values())
        listed, following = machine.list_documents(name, limit=10_000, bytes_max=1 << 30)
        assert following is None
        assert [(found.revision, found.body) for found in listed] == [documents[key] for key in sorted(documents)]
        for key, (revision, body) in documents.items():
            assert machine.get(name, key) == StoredDocument(revision, 1_000, body)
    assert machine.digest() == recompute_digest(engine, KEYS)


def test_revision_is_index_and_ordinal_of_the_change() -> None:
    runner = Runner()
    outcomes = runner.run(*(commands.put("c", str(number), document(str(number), 1)) for number in range(3)))
    assert [outcome.revision for outcome in outcomes] == [1 << 20, 1 << 20 | 1, 1 << 20 | 2]
    assert all(outcome.created for outcome in outcomes)
    again = runner.one(commands.put("c", "1", document("1", 2)))
    assert (again.revision, again.created) == (2 << 20, False)


def test_revisions_of_each_entry_begin_anew_in_whatever_call_it_is_applied() -> None:
    puts = [entry(index, [commands.put("c", str(index), document(str(index), 1))]) for index in (1, 2)]
    outcomes = Runner().machine.apply(puts)
    assert [outcome.revision for (outcome,) in outcomes] == [1 << 20, 2 << 20]


def test_deletion_takes_a_number_of_its_own() -> None:
    runner = Runner()
    outcomes = runner.run(
        commands.put("c", "a", document("a", 1)), commands.delete("c", "a"), commands.put("c", "a", document("a", 2))
    )
    assert [outcome.revision for outcome in outcomes] == [1 << 20, 0, 1 << 20 | 2]


def test_if_match_replaces_only_that_revision() -> None:
    runner = Runner()
    revision = runner.one(commands.put("c", "a", document("a", 1))).revision
    assert runner.one(commands.put("c", "a", document("a", 2), if_match=revision + 1)).code == "precondition_failed"
    assert runner.one(commands.put("c", "b", document("b", 2), if_match=revision)).code == "precondition_failed"
    replaced = runner.one(commands.put("c", "a", document("a", 2), if_match=revision))
    assert (replaced.code, replaced.created) == ("ok", False)


def test_if_match_sees_what_came_before_it_in_the_same_entry() -> None:
    runner = Runner()
    revision = runner.one(commands.put("c", "a", document("a", 1))).revision
    outcomes = runner.run(*[commands.put("c", "a", document("a", n), if_match=revision) for n in (2, 3)])
    assert [outcome.code for outcome in outcomes] == ["ok", "precondition_failed"]


def test_if_none_match_creates_only() -> None:
    runner = Runner()
    assert runner.one(commands.put("c", "a", document("a", 1), if_none_match=True)).created
    assert runner.one(commands.put("c", "a", document("a", 2), if_none_match=True)).code == "precondition_failed"


def test_both_preconditions_together_never_hold() -> None:
    runner = Runner()
    revision = runner.one(commands.put("c", "a", document("a", 1))).revision
    for id_ in ("a", "b"):
        both = commands.put("c", id_, document(id_, 2), if_match=revision, if_none_match=True)
        assert runner.one(both).code == "precondition_failed"


def test_failed_precondition_creates_no_collection() -> None:
    runner = Runner()
    runner.one(commands.put("c", "a", document("a", 1), if_match=5))
    assert runner.machine.collections() == []


def test_reads_and_deletes_tell_missing_collection_from_missing_document() -> None:
    runner = Runner()
    assert runner.one(commands.delete("c", "a")).code == "collection_not_found"
    with pytest.raises(NotFound) as caught:
        runner.machine.get("c", id_key("a"))
    assert caught.value.code == "collection_not_found"
    runner.one(commands.create_collection("c"))
    assert runner.one(commands.delete("c", "a")).code == "document_not_found"
    assert runner.machine.get("c", id_key("a")) is None


def test_create_many_tells_each_item() -> None:
    runner = Runner()
    runner.one(commands.put("c", "b", document("b", 1)))
    items = [(id_, document(id_, 2)) for id_ in ("a", "b", "c", "c")]
    outcome = runner.one(commands.create_many("c", items, atomic=False))
    base = 2 << 20
    assert outcome.code == "ok"
    assert outcome.data == (("ok", base), ("duplicate_key", 0), ("ok", base + 1), ("duplicate_key", 0))


def test_atomic_create_many_is_all_or_nothing() -> None:
    runner = Runner()
    runner.one(commands.put("c", "b", document("b", 1)))
    before = runner.machine.collection("c")
    items = [(id_, document(id_, 2)) for id_ in ("a", "b", "x")]
    outcome = runner.one(commands.create_many("c", items, atomic=True))
    assert (outcome.code, outcome.data) == ("duplicate_key", 1)
    assert runner.machine.collection("c") == before
    twice = runner.one(commands.create_many("c", [items[0], items[0]], atomic=True))
    assert (twice.code, twice.data) == ("duplicate_key", 1)
    done = runner.one(commands.create_many("c", [items[0], items[2]], atomic=True))
    assert done.data == (("ok", 4 << 20), ("ok", 4 << 20 | 1))


def test_creating_nothing_creates_no_collection() -> None:
    runner = Runner()
    assert runner.one(commands.create_many("c", [], atomic=False)).data == ()
    assert runner.machine.collections() == []


def test_list_is_cut_by_count_and_bytes_and_goes_on_after_the_last() -> None:
    runner = Runner()
    runner.one(commands.create_many("c", MANY[:10], atomic=False))
    machine = runner.machine
    first, after = machine.list_documents("c", limit=4, bytes_max=1 << 20)
    second, end = machine.list_documents("c", after=after, limit=6, bytes_max=1 << 20)
    assert [found.body for found in first + second] == [body for _, body in MANY[:10]]
    assert (after, end) == (id_key("m0003"), None)
    small, after = machine.list_documents("c", limit=10, bytes_max=1)
    assert (len(small), after) == (1, id_key("m0000"))


def test_list_goes_on_after_an_id_that_is_gone() -> None:
    runner = Runner()
    runner.one(commands.create_many("c", MANY[:3], atomic=False))
    runner.one(commands.delete("c", "m0001"))
    found, _ = runner.machine.list_documents("c", after=id_key("m0001"), limit=5, bytes_max=1 << 20)
    assert [stored.body for stored in found] == [MANY[2][1]]


def test_collection_is_created_by_its_first_write() -> None:
    runner = Runner()
    runner.one(commands.put("c", "a", document("a", 1)), time_ms=5_000)
    info = runner.machine.collection("c")
    assert (info.id, info.created_ms, info.document_count, info.options) == (1, 5_000, 1, {})


def test_creating_a_collection_again_needs_the_same_options() -> None:
    runner = Runner()
    outcomes = runner.run(
        commands.create_collection("c", {"a": 1, "b": 2}),
        commands.create_collection("c", {"b": 2, "a": 1}),
        commands.create_collection("c", {"a": True, "b": 2}),
        commands.create_collection("c"),
    )
    assert [(outcome.code, outcome.created) for outcome in outcomes] == [
        ("ok", True),
        ("ok", False),
        ("conflict", False),
        ("conflict", False),
    ]
    assert runner.machine.collection("c").options == {"a": 1, "b": 2}


def _stored_documents(runner):
    return sum(1 for _ in runner.engine.scan(*KEYS.kind_range(KeyKind.DOCUMENT)))


def test_dropped_collection_is_gone_at_once_and_its_documents_soon() -> None:
    runner = Runner()
    runner.run(commands.create_many("c", MANY, atomic=True), commands.create_many("d", MANY, atomic=True))
    assert runner.one(commands.drop_collection("c")).code == "ok"
    assert [info.name for info in runner.machine.collections()] == ["d"]
    assert _stored_documents(runner) == 600
    assert runner.machine.has_dropped_documents
    # The entry first removes 256 on the side, then ten by the command.
    assert runner.one(commands.sweep(10)).data is True
    assert _stored_documents(runner) == 600 - 266
    assert runner.one(commands.sweep(1000)).data is False
    assert _stored_documents(runner) == 300
    assert not runner.machine.has_dropped_documents
    assert runner.machine.digest() == recompute_digest(runner.engine, KEYS)


def test_any_write_goes_on_removing_dropped_documents() -> None:
    runner = Runner()
    runner.run(commands.create_many("c", MANY, atomic=True), commands.drop_collection("c"))
    while runner.machine.has_dropped_documents:
        runner.one(commands.put("d", "a", document("a", 1)))
    assert _stored_documents(runner) == 1


def test_collection_created_anew_shows_nothing_of_the_dropped_one() -> None:
    runner = Runner()
    runner.run(
        commands.put("c", "a", document("a", 1)),
        commands.drop_collection("c"),
        commands.put("c", "b", document("b", 1)),
    )
    info = runner.machine.collection("c")
    assert (info.id, info.document_count) == (2, 1)
    assert runner.machine.get("c", id_key("a")) is None


def test_collection_ids_are_never_reused_not_even_after_a_restart() -> None:
    runner = Runner()
    runner.run(commands.create_collection("c"), commands.drop_collection("c"))
    runner = Runner(DatabaseMachine(runner.engine, KEYS), runner.engine)
    assert runner.one(commands.create_collection("c")).data == 2


def test_number_of_collections_is_bounded() -> None:
    runner = Runner()
    runner.run(*(commands.create_collection(f"c{number}") for number in range(COLLECTIONS_MAX)))
    for command in (
        commands.create_collection("x"),
        commands.put("x", "a", document("a", 1)),
        commands.put("x", "a", document("a", 1), if_none_match=True),
        commands.create("x", "a", document("a", 1)),
        commands.create_many("x", MANY[:2], atomic=False),
    ):
        assert runner.one(command).code == "limit_reached"
    outcomes = runner.run(commands.drop_collection("c0"), commands.create_collection("x"))
    assert [outcome.code for outcome in outcomes] == ["ok", "ok"]


def test_closed_database_answers_that_it_is_not_there() -> None:
    runner = Runner()
    runner.one(commands.put("c", "a", document("a", 1)))
    outcomes = runner.run(
        commands.close_database("shop"), commands.put("c", "a", document("a", 2)), commands.close_database("shop")
    )
    assert [outcome.code for outcome in outcomes] == ["ok", "database_not_found", "ok"]
    for machine in (runner.machine, DatabaseMachine(runner.engine, KEYS)):
        assert machine.is_closed
        with pytest.raises(NotFound) as caught:
            machine.get("c", id_key("a"))
        assert (caught.value.code, caught.value.name) == ("database_not_found", "shop")
    assert runner.one(commands.drop_collection("c")).code == "database_not_found"


def test_log_time_never_goes_back() -> None:
    runner = Runner()
    runner.one(commands.put("c", "a", document("a", 1)), time_ms=9_000)
    outcome = runner.one(commands.put("c", "a", document("a", 2)), time_ms=8_000)
    assert outcome.time_ms == 9_000
    assert runner.machine.log_time_ms == 9_000


def test_entries_without_commands_only_move_the_index() -> None:
    runner = Runner()
    configuration = Entry(Index(2), Term(1), EntryKind.CONFIGURATION, 2_000, b"not looked at")
    assert runner.machine.apply([noop(1), configuration]) == [[], []]
    assert runner.machine.applied_index == 2
    assert runner.machine.apply([]) == []


def test_unknown_command_stops_the_machine_and_changes_nothing() -> None:
    runner = Runner()
    runner.one(commands.put("c", "a", document("a", 1)))
    before = runner.machine.digest()
    unknown = b"\x94\x7f\x01\xc0\xc0"
    with pytest.raises(FormatTooNew, match="command 127"):
        runner.run(commands.put("c", "b", document("b", 1)), unknown)
    newer = commands.put("c", "b", document("b", 1)).replace(b"\x96\x01\x01", b"\x96\x01\x02", 1)
    with pytest.raises(FormatTooNew, match="level 2"):
        runner.run(newer)
    assert runner.machine.digest() == before


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x91\x01", b"\x91\x91\x01", b"\xc1", b"\x92\xc0"])
def test_entry_that_holds_no_commands_stops_the_machine(payload) -> None:
    machine = Runner().machine
    with pytest.raises(StateCorrupt, match="entry 1"):
        machine.apply([Entry(Index(1), Term(1), EntryKind.COMMANDS, 1_000, payload)])


def test_entry_of_an_unknown_kind_stops_the_machine() -> None:
    with pytest.raises(FormatTooNew, match="kind 9"):
        Runner().machine.apply([Entry(Index(1), Term(1), 9, 1_000, b"")])


def test_unreadable_document_stops_the_reader() -> None:
    runner = Runner()
    runner.one(commands.put("c", "a", document("a", 1)))
    for damaged in (b"short", bytes(16) + b"\x02{}"):
        runner.engine.write({KEYS.document(1, id_key("a")): damaged})
        with pytest.raises(StateCorrupt):
            runner.machine.get("c", id_key("a"))


def test_gap_in_the_entries_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Runner().machine.apply([entry(2, [])])
