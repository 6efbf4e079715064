"""MODIFY and WRITE_MANY: rule by rule, and the same on every replica."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftdoc.document import id_key
from raftdoc.errors import InvalidQuery, TooLarge
from raftdoc.limits import APPLY_WORK_BYTES_MAX, ENTRY_BYTES_MAX, IDEMPOTENCY_ANSWER_BYTES_MAX
from raftdoc.statemachine import commands, update_steps
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.digest import recompute_digest
from raftdoc.statemachine.outcome import Idempotency, Outcome
from raftdoc.statemachine.update_steps import (
    ATOMIC_STEPS_MAX,
    STEPS_MAX,
    Aim,
    Answer,
    ChangeKind,
    Mode,
    decode_results,
    error_of_reason,
)
from raftdoc.storage.memory import MemoryEngine

from .histories import KEYS, Runner, contents, entry

INCREMENT = update_steps.change(ChangeKind.UPDATE, {"$inc": {"n": 1}})
KEY_A, KEY_B = id_key("a"), id_key("b")


def stored(runner: Runner, id: str = "a") -> Any:
    found = runner.machine.get("c", id_key(id))
    return None if found is None else orjson.loads(found.body)


@pytest.fixture
def runner() -> Runner:
    made = Runner()
    made.one(commands.put("c", "a", b'{"_id":"a","n":1,"tags":["x"]}'))
    return made


def changed(runner: Runner, kind: ChangeKind, body: Any, **more: Any) -> Outcome:
    return runner.one(commands.modify("c", update_steps.update(KEY_A), [update_steps.change(kind, body, **more)]))


def test_operators_run_on_what_is_there_when_the_command_is_applied(runner: Runner) -> None:
    outcomes = runner.run(*[commands.modify("c", update_steps.update(KEY_A), [INCREMENT])] * 3)
    assert [outcome.revision for outcome in outcomes] == [2 << 20, 2 << 20 | 1, 2 << 20 | 2]
    assert stored(runner)["n"] == 4


def test_changes_of_a_large_document_are_applied_a_few_at_a_time(runner: Runner) -> None:
    """Each takes the time of the document, however small it is itself."""
    large = orjson.dumps({"_id": "a", "n": 1, "text": "x" * (APPLY_WORK_BYTES_MAX // 3)})
    runner.one(commands.put("c", "a", large))
    increment = commands.modify("c", update_steps.update(KEY_A), [INCREMENT])
    entries = [entry(index, [increment]) for index in range(3, 10)]
    assert [len(outcomes) for outcomes in runner.machine.apply(entries)] == [1, 1, 1]
    assert (runner.machine.applied_index, stored(runner)["n"]) == (5, 4)
    assert len(runner.machine.apply(entries[3:])) == 3


def test_a_command_weighs_as_much_as_the_document_that_it_changes(runner: Runner) -> None:
    machine = runner.machine
    body_bytes = len(orjson.dumps(stored(runner)))
    for step in (update_steps.update(KEY_A), update_steps.delete(KEY_A)):
        command = commands.modify("c", step, [INCREMENT])
        assert machine.weight(command) - len(command) >= body_bytes
    for missing in (
        commands.modify("c", update_steps.update(KEY_B), [INCREMENT]),
        commands.modify("other", update_steps.update(KEY_A), [INCREMENT]),
    ):
        assert machine.weight(missing) == len(missing)
    bulk = commands.write_many("c", [update_steps.update(KEY_A)], [INCREMENT], mode=Mode.UNORDERED)
    assert machine.weight(bulk) == ENTRY_BYTES_MAX
    assert machine.weight(commands.put("c", "a", b'{"_id":"a"}')) == len(commands.put("c", "a", b'{"_id":"a"}'))


def test_two_patches_do_not_overwrite_each_other(runner: Runner) -> None:
    changed(runner, ChangeKind.MERGE_PATCH, {"m": {"x": 1}, "tags": None})
    changed(runner, ChangeKind.JSON_PATCH, [{"op": "add", "path": "/m/y", "value": 2}])
    assert stored(runner) == {"_id": "a", "n": 1, "m": {"x": 1, "y": 2}}


def test_change_that_changes_nothing_keeps_the_revision(runner: Runner) -> None:
    outcome = changed(runner, ChangeKind.UPDATE, {"$set": {"n": 1}})
    assert (outcome.code, outcome.revision, outcome.data["modified"]) == ("ok", 1 << 20, False)


@pytest.mark.parametrize(
    ("kind", "body", "code", "reason"),
    [
        (
            ChangeKind.UPDATE,
            {"$inc": {"tags": 1}},
            "update_refused",
            {"pointer": "/update/$inc/tags", "mongo_code": 14},
        ),
        (ChangeKind.UPDATE, {"$set": {"_id": 2}}, "update_refused", {"pointer": "/update", "mongo_code": 66}),
        (ChangeKind.JSON_PATCH, [{"op": "test", "path": "/n", "value": 2}], "patch_conflict", {"pointer": "/0"}),
        (ChangeKind.JSON_PATCH, [{"op": "remove", "path": "/_id"}], "patch_conflict", {"pointer": "/_id"}),
        (ChangeKind.MERGE_PATCH, {"$x": 1}, "invalid_name", {"pointer": "/$x"}),
        (ChangeKind.MERGE_PATCH, [1], "patch_conflict", {"pointer": "/_id"}),
    ],
)
def test_refusal_changes_nothing_and_says_why(
    runner: Runner, kind: ChangeKind, body: Any, code: str, reason: dict[str, Any]
) -> None:
    before = contents(runner.engine)
    outcome = changed(runner, kind, body)
    assert outcome.code == code
    assert reason.items() <= outcome.data.items()
    assert [pair for pair in contents(runner.engine) if b'"_id"' in pair[1]] == [p for p in before if b'"_id"' in p[1]]
    error = error_of_reason(outcome.code, outcome.data)
    assert (error.code, error.pointer) == (code, reason["pointer"])


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (ChangeKind.JSON_PATCH, [{"op": "add", "path": "/a" * depth, "value": {}} for depth in range(1, 400)]),
        (ChangeKind.JSON_PATCH, [{"op": "add", "path": "/_id" + "/a" * depth, "value": {}} for depth in range(400)]),
        (
            ChangeKind.JSON_PATCH,
            [{"op": "add", "path": "/a" * depth, "value": {}} for depth in range(1, 400)]
            + [{"op": "copy", "from": "/a", "path": "/b"}],
        ),
        (ChangeKind.UPDATE, {"$set": {".".join("a" * 100): {"b": {"c": [[[]]]}}}}),
    ],
)
def test_document_that_became_too_deep_is_refused(runner: Runner, kind: ChangeKind, body: Any) -> None:
    assert changed(runner, kind, body).code == "invalid_document"
    assert stored(runner) == {"_id": "a", "n": 1, "tags": ["x"]}


def test_guard_decides_at_apply(runner: Runner) -> None:
    take = update_steps.change(ChangeKind.UPDATE, {"$inc": {"n": -1}}, guard={"n": {"$gte": 1}})
    outcomes = runner.run(*[commands.modify("c", update_steps.update(KEY_A), [take])] * 2)
    assert [outcome.code for outcome in outcomes] == ["ok", "document_not_found"]
    assert stored(runner)["n"] == 0


def test_expected_revision_guards_every_kind_of_step(runner: Runner) -> None:
    steps = [
        update_steps.update(KEY_A, expected=5),
        update_steps.delete(KEY_A, expected=5),
        update_steps.replace(KEY_A, b'{"_id":"a"}', expected=5),
    ]
    outcome = runner.one(commands.write_many("c", steps, [INCREMENT], mode=Mode.UNORDERED))
    assert [result.code for result in decode_results(outcome.data["results"])] == ["precondition_failed"] * 3


def test_upsert_makes_the_document_at_apply_and_only_once(runner: Runner) -> None:
    step = update_steps.update(KEY_B, base=b'{"_id":"b","n":5}')
    outcomes = runner.run(*[commands.modify("c", step, [INCREMENT])] * 2)
    assert [outcome.created for outcome in outcomes] == [True, False]
    assert stored(runner, "b") == {"_id": "b", "n": 7}


def test_upsert_whose_guard_fails_would_be_a_second_document_of_the_id(runner: Runner) -> None:
    guarded = update_steps.change(ChangeKind.UPDATE, {"$inc": {"n": 1}}, guard={"n": 9})
    step = update_steps.update(KEY_A, base=b'{"_id":"a","n":9}')
    assert runner.one(commands.modify("c", step, [guarded])).code == "duplicate_key"


def test_time_is_that_of_the_log(runner: Runner) -> None:
    change = update_steps.change(ChangeKind.UPDATE, {"$currentDate": {"at": True}})
    runner.one(commands.modify("c", update_steps.update(KEY_A), [change]), time_ms=1_700_000_000_123)
    assert stored(runner)["at"] == {"$date": "2023-11-14T22:13:20.123Z"}


def test_find_and_modify_answers_the_document_before_or_after(runner: Runner) -> None:
    step = update_steps.update(KEY_A)
    before = runner.one(commands.modify("c", step, [INCREMENT], answer=Answer.BEFORE)).data["document"]
    after = runner.one(commands.modify("c", step, [INCREMENT], answer=Answer.AFTER)).data["document"]
    assert (orjson.loads(before)["n"], orjson.loads(after)["n"]) == (1, 3)


def test_answer_that_could_not_be_remembered_is_refused_before_anything_is_done(runner: Runner) -> None:
    runner.one(commands.put("c", "b", b'{"_id":"b","text":"%b"}' % (b"x" * IDEMPOTENCY_ANSWER_BYTES_MAX)))
    step = update_steps.delete(KEY_B)
    key = Idempotency("k", b"p" * 16)
    refused = runner.one(commands.modify("c", step, answer=Answer.BEFORE, idempotency=key))
    assert refused.code == "too_large"
    assert stored(runner, "b") is not None
    assert runner.one(commands.modify("c", step, answer=Answer.BEFORE)).code == "ok"


def test_document_over_the_limit_of_the_command_is_refused(runner: Runner) -> None:
    change = update_steps.change(ChangeKind.UPDATE, {"$set": {"text": "x" * 100}})
    outcome = runner.one(commands.modify("c", update_steps.update(KEY_A), [change], bytes_max=90))
    assert (outcome.code, outcome.data["limit"]) == ("too_large", 90)


def _three_steps() -> list[update_steps.Step]:
    return [
        update_steps.insert("b", b'{"_id":"b"}'),
        update_steps.insert("a", b'{"_id":"a"}'),
        update_steps.delete(KEY_A),
    ]


@pytest.mark.parametrize(
    ("mode", "codes", "left"),
    [(Mode.UNORDERED, ["ok", "duplicate_key", "ok"], {"b"}), (Mode.ORDERED, ["ok", "duplicate_key"], {"a", "b"})],
)
def test_refused_step_stops_the_others_where_they_are_ordered(
    runner: Runner, mode: Mode, codes: list[str], left: set[str]
) -> None:
    outcome = runner.one(commands.write_many("c", _three_steps(), mode=mode, resume=b"here"))
    assert [result.code for result in decode_results(outcome.data["results"])] == codes
    assert outcome.data["resume"] == b"here"
    assert {name for name in "ab" if stored(runner, name)} == left


def test_atomic_steps_are_all_done_or_none(runner: Runner) -> None:
    before = runner.machine.digest()["c"]
    outcome = runner.one(commands.write_many("c", _three_steps(), mode=Mode.ATOMIC))
    assert (outcome.code, outcome.data["position"]) == ("duplicate_key", 1)
    assert runner.machine.digest()["c"] == before
    assert runner.machine.digest() == recompute_digest(runner.engine, KEYS)


def test_race_that_was_lost_decides_nothing_and_leaves_the_key_free(runner: Runner) -> None:
    key = Idempotency("k", b"p" * 16)
    stale = update_steps.update(KEY_A, expected=5)
    for command in (
        commands.modify("c", stale, [INCREMENT], aim=Aim.FOUND, idempotency=key),
        commands.write_many("c", [stale], [INCREMENT], mode=Mode.ATOMIC, resume=b"", idempotency=key),
    ):
        assert runner.one(command).code == "precondition_failed"
        assert runner.machine.request_outcome("k") is None
    again = update_steps.update(KEY_A, expected=1 << 20)
    assert runner.one(commands.modify("c", again, [INCREMENT], aim=Aim.FOUND, idempotency=key)).is_ok
    assert runner.one(commands.modify("c", stale, [INCREMENT], aim=Aim.FOUND, idempotency=key)).replayed


def test_filter_that_means_no_document_is_answered_and_remembered_as_done(runner: Runner) -> None:
    for number, step in enumerate(
        (update_steps.update(KEY_B), update_steps.delete(KEY_B), update_steps.update(KEY_A, change=1))
    ):
        key = Idempotency(f"k{number}", b"p" * 16)
        changes = [INCREMENT, update_steps.change(ChangeKind.UPDATE, {"$inc": {"n": 1}}, guard={"n": 99})]
        command = commands.modify("c", step, changes, aim=Aim.FILTERED, idempotency=key)
        outcome, again = runner.one(command), runner.one(command)
        assert (outcome.code, outcome.revision, outcome.data) == ("ok", 0, {"results": (), "resume": None})
        assert again.replayed
        assert again.is_ok


def test_named_document_that_is_absent_is_refused_unless_it_has_come_meanwhile(runner: Runner) -> None:
    key = Idempotency("k", b"p" * 16)

    def absent(id_key: bytes) -> bytes:
        step = update_steps.delete(id_key, expected=0)
        return commands.modify("c", step, aim=Aim.ABSENT, idempotency=key)

    assert runner.one(absent(KEY_A)).code == "precondition_failed"
    assert runner.machine.request_outcome("k") is None
    assert [runner.one(absent(KEY_B)).code for _ in range(2)] == ["document_not_found"] * 2
    assert runner.machine.request_outcome("k") is not None


def test_caller_whose_revision_is_not_there_is_answered_that_for_good(runner: Runner) -> None:
    key = Idempotency("k", b"p" * 16)
    stale = commands.modify("c", update_steps.update(KEY_A, expected=5), [INCREMENT], idempotency=key)
    assert [runner.one(stale).replayed for _ in range(2)] == [False, True]


def _growing(count: int, bytes_each: int) -> tuple[list[update_steps.Step], list[Any]]:
    items = [commands.put("g", f"{number}", b'{"_id":"%d"}' % number) for number in range(count)]
    grow = update_steps.change(ChangeKind.UPDATE, {"$set": {"text": "x" * bytes_each}})
    return items, [[update_steps.update(id_key(f"{number}")) for number in range(count)], [grow]]


def test_chunk_leaves_what_would_write_too_much_to_the_next(runner: Runner) -> None:
    items, (steps, changes) = _growing(6, 600_000)
    runner.run(*items)
    outcome = runner.one(commands.write_many("g", steps, changes, mode=Mode.UNORDERED, resume=b""))
    codes = [result.code for result in decode_results(outcome.data["results"])]
    assert codes == ["ok"] * 4 + ["precondition_failed"] * 2


def test_atomic_command_that_writes_too_much_is_refused(runner: Runner) -> None:
    items, (steps, changes) = _growing(20, 1_000_000)
    runner.run(*items)
    before = runner.machine.digest()["g"]
    assert runner.one(commands.write_many("g", steps, changes, mode=Mode.ATOMIC)).code == "too_large"
    assert runner.machine.digest()["g"] == before


def test_commands_are_bounded() -> None:
    for mode, steps_max in ((Mode.ORDERED, STEPS_MAX), (Mode.ATOMIC, ATOMIC_STEPS_MAX)):
        commands.write_many("c", [update_steps.delete(KEY_A)] * steps_max, mode=mode)
        with pytest.raises(TooLarge):
            commands.write_many("c", [update_steps.delete(KEY_A)] * (steps_max + 1), mode=mode)


def test_largest_answers_fit_what_is_remembered() -> None:
    runner = Runner()
    items = [update_steps.insert(f"{number:04}", b'{"_id":"%04d"}' % number) for number in range(ATOMIC_STEPS_MAX)]
    key = Idempotency("atomic", b"p" * 16)
    assert runner.one(commands.write_many("c", items, mode=Mode.ATOMIC, idempotency=key)).is_ok
    long = update_steps.change(ChangeKind.UPDATE, {"$inc": {"é" * 190: "x"}})
    steps = [update_steps.update(id_key("0000"))] * STEPS_MAX
    key = Idempotency("refused", b"p" * 16)
    assert runner.one(commands.write_many("c", steps, [long], mode=Mode.UNORDERED, idempotency=key)).is_ok


def test_collection_that_is_not_there_is_told_apart() -> None:
    runner = Runner()
    assert runner.one(commands.modify("c", update_steps.update(KEY_A), [INCREMENT])).code == "collection_not_found"
    outcome = runner.one(commands.write_many("c", [update_steps.delete(KEY_A)], mode=Mode.UNORDERED))
    assert [result.code for result in decode_results(outcome.data["results"])] == ["document_not_found"]


def test_reason_is_the_error_again() -> None:
    error = error_of_reason("invalid_query", {"detail": "why", "pointer": "/update", "mongo_code": 9})
    assert isinstance(error, InvalidQuery)
    assert (error.mongo_code, error.detail) == (9, "why")


UPDATES = [
    {"$inc": {"n": 1}},
    {"$push": {"tags": {"$each": ["b", "a"], "$sort": 1, "$slice": 4}}},
    {"$set": {"deep.er.0": 1}},
    {"$pull": {"tags": {"$gte": "b"}}},
    {"$mul": {"n": {"$numberDecimal": "1.1"}}},
    {"$unset": {"n": ""}},
    {"$currentDate": {"at": True}},
    {"n": "replaced"},
]
_keys = st.sampled_from(["a", "b", "c"]).map(id_key)
_steps = st.one_of(
    st.builds(update_steps.update, _keys, change=st.integers(0, 1), base=st.none() | st.just(b'{"_id":"a"}')),
    st.builds(update_steps.delete, _keys, expected=st.none() | st.integers(0, 3).map(lambda index: index << 20)),
    st.builds(update_steps.insert, st.sampled_from("abc"), st.just(b'{"_id":"a"}')).filter(
        lambda s: s[1] == id_key("a")
    ),
)
_changes = st.lists(
    st.builds(
        update_steps.change,
        st.just(ChangeKind.UPDATE),
        st.sampled_from(UPDATES),
        guard=st.sampled_from([None, {"n": {"$exists": True}}]),
    ),
    min_size=2,
    max_size=2,
)
_requests = st.none() | st.sampled_from("xyz").map(lambda key: Idempotency(key, b"p" * 16))
_commands = st.one_of(
    st.builds(
        lambda key, changes, request: commands.modify("c", update_steps.update(key), changes, idempotency=request),
        _keys,
        _changes,
        _requests,
    ),
    st.builds(
        lambda steps, changes, mode, request: commands.write_many("c", steps, changes, mode=mode, idempotency=request),
        st.lists(_steps, max_size=5).map(lambda steps: [s for s in steps if s[-1] != b'{"_id":"a"}' or s[1] == KEY_A]),
        _changes,
        st.sampled_from(list(Mode)),
        _requests,
    ),
    st.sampled_from("abc").map(lambda id: commands.put("c", id, b'{"_id":"%b","n":1,"tags":["c"]}' % id.encode())),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(_commands, max_size=4), min_size=1, max_size=8), st.data())
def test_same_entries_give_the_same_bytes_however_they_are_cut(batches: list[list[bytes]], data: st.DataObject) -> None:
    entries = [entry(index, batch, 1_000 + index) for index, batch in enumerate(batches, start=1)]
    whole, cut = MemoryEngine(), MemoryEngine()
    one = DatabaseMachine(whole, KEYS)
    outcomes = one.apply(entries)
    other, again = DatabaseMachine(cut, KEYS), []
    while other.applied_index < len(entries):
        stop = other.applied_index + data.draw(st.integers(1, 3))
        again += other.apply(entries[other.applied_index : stop])
        other = DatabaseMachine(cut, KEYS)
    assert again == outcomes
    assert contents(whole) == contents(cut)
    assert one.digest() == other.digest() == recompute_digest(cut, KEYS)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["a", "b"])), max_size=20))
def test_retry_under_one_key_is_never_done_twice(sent: list[tuple[str, str]]) -> None:
    runner = Runner()
    runner.run(*[commands.put("c", id, b'{"_id":"%b","n":0}' % id.encode()) for id in ("a", "b")])
    done: dict[str, str] = {}
    for key, id_ in sent:
        request = Idempotency(key, id_.encode() * 16)
        outcome = runner.one(commands.modify("c", update_steps.update(id_key(id_)), [INCREMENT], idempotency=request))
        assert outcome.replayed == (done.get(key) == id_)
        assert (outcome.code == "key_reused") == (done.setdefault(key, id_) != id_)
    for id_ in ("a", "b"):
        assert stored(runner, id_)["n"] == sum(first == id_ for first in done.values())


def test_changes_that_change_nothing_are_counted_as_work(runner: Runner) -> None:
    body = orjson.dumps({"_id": "a", "text": "x" * (3 << 20)})
    runner.one(commands.put("c", "a", body))
    change = update_steps.change(ChangeKind.UPDATE, {"$max": {"text": "a"}})
    steps = [update_steps.update(KEY_A)] * STEPS_MAX
    outcome = runner.one(commands.write_many("c", steps, [change], mode=Mode.UNORDERED, bytes_max=16 << 20))
    codes = [result.code for result in decode_results(outcome.data["results"])]
    assert codes == ["ok"] * 6 + ["over_budget"] * (STEPS_MAX - 6)
