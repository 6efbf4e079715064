"""Same entries in, same bytes out: however they are cut, refused, or interrupted by a restart."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftdoc.raft.messages import Entry
from raftdoc.statemachine import commands
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.digest import recompute_digest
from raftdoc.statemachine.outcome import Outcome
from raftdoc.storage.engine import EngineBusy
from raftdoc.storage.memory import MemoryEngine

from .histories import KEYS, MANY, build, contents, document, entry, histories

REQUESTS_MAX = 3


def _machine(engine: MemoryEngine) -> DatabaseMachine:
    return DatabaseMachine(engine, KEYS, requests_max=REQUESTS_MAX)


def _state(machine: DatabaseMachine, engine: MemoryEngine) -> object:
    return machine.applied_index, machine.digest(), contents(engine)


def _refuse(machine: DatabaseMachine, engine: MemoryEngine, entries: list[Entry]) -> None:
    """Have the engine refuse entries, which changes nothing."""
    before = _state(machine, engine)
    engine.busy_writes = 1
    with pytest.raises(EngineBusy):
        machine.apply(entries)
    assert _state(machine, engine) == before


def _cut(entries: list[Entry], random: Random) -> Iterator[list[Entry]]:
    start = 0
    while start < len(entries):
        stop = random.randint(start + 1, len(entries))
        yield entries[start:stop]
        start = stop


def _one_by_one(entries: list[Entry]) -> tuple[MemoryEngine, list[list[Outcome]], dict[str, str]]:
    engine = MemoryEngine()
    machine = _machine(engine)
    outcomes = [machine.apply([entry])[0] for entry in entries]
    return engine, outcomes, machine.digest()


@settings(max_examples=300)
@given(histories, st.randoms(use_true_random=False))
def test_cutting_entries_into_slices_changes_no_byte(history, random) -> None:
    entries, _, _ = build(history)
    engine, outcomes, digest = _one_by_one(entries)
    other = MemoryEngine()
    machine = _machine(other)
    other_outcomes = [outcome for part in _cut(entries, random) for outcome in machine.apply(part)]
    assert contents(other) == contents(engine)
    assert other_outcomes == outcomes
    assert machine.digest() == digest == recompute_digest(other, KEYS)


@settings(max_examples=200)
@given(histories, st.randoms(use_true_random=False))
def test_busy_engine_changes_nothing_and_the_call_can_be_repeated(history, random) -> None:
    entries, _, _ = build(history)
    engine, outcomes, digest = _one_by_one(entries)
    other = MemoryEngine()
    machine = _machine(other)
    other_outcomes = []
    for part in _cut(entries, random):
        for _ in range(random.randint(0, 2)):
            _refuse(machine, other, part[: random.randint(1, len(part))])
        other_outcomes += machine.apply(part)
    assert contents(other) == contents(engine)
    assert other_outcomes == outcomes
    assert machine.digest() == digest


@settings(max_examples=200)
@given(histories, histories, st.randoms(use_true_random=False))
def test_entry_that_is_worked_out_ahead_changes_nothing_before_it_is_applied(history, other_history, random) -> None:
    """Neither the one that is applied then, however many follow, nor one that another leader has replaced."""
    entries, _, _ = build(history)
    replaced, _, _ = build(other_history)
    engine, outcomes, digest = _one_by_one(entries)
    other = MemoryEngine()
    machine = _machine(other)
    other_outcomes = []
    for part in _cut(entries, random):
        before = _state(machine, other)
        for _ in range(random.randint(0, 2)):
            ahead = random.choice(([part[0]], replaced[machine.applied_index : machine.applied_index + 1]))
            for entry_ahead in ahead:
                machine.prepare(entry_ahead)
        assert _state(machine, other) == before
        if random.random() < 0.2:
            _refuse(machine, other, part)
        other_outcomes += machine.apply(part)
    assert contents(other) == contents(engine)
    assert other_outcomes == outcomes
    assert machine.digest() == digest


@settings(max_examples=200)
@given(histories, st.randoms(use_true_random=False))
def test_machine_that_restarts_goes_on_as_if_it_had_not(history, random) -> None:
    entries, _, _ = build(history)
    engine, outcomes, digest = _one_by_one(entries)
    other = MemoryEngine()
    machine = _machine(other)
    other_outcomes: list[list[Outcome]] = []
    while machine.applied_index < len(entries):
        part = next(_cut(entries[machine.applied_index :], random))
        other_outcomes[part[0].index - 1 :] = machine.apply(part)
        if random.random() < 0.3:
            other.flush()
        if random.random() < 0.5:
            other.crash(random)
            machine = _machine(other)
    assert contents(other) == contents(engine)
    assert other_outcomes == outcomes
    assert machine.digest() == digest


def test_removing_dropped_documents_counts_each_one_once():
    """What the same slice has overwritten or deleted before the drop is in the engine and in the overlay."""
    overwritten = [commands.put("c", id_, document(id_, 7)) for id_, _ in MANY[:20]]
    deleted = [commands.delete("c", id_) for id_, _ in MANY[30:60]]
    entries = [
        entry(1, [commands.create_many("c", MANY, atomic=True)]),
        entry(2, [*overwritten, *deleted, commands.put("c", "new", document("new", 1))]),
        entry(3, [commands.drop_collection("c")]),
        entry(4, []),
    ]
    engine, _, _ = _one_by_one(entries)
    other = MemoryEngine()
    machine = _machine(other)
    machine.apply(entries[:1])
    machine.apply(entries[1:])
    assert machine.has_dropped_documents
    assert contents(other) == contents(engine)


@settings(max_examples=100)
@given(histories, st.integers(1, 200))
def test_slice_that_ends_at_its_number_of_changes_goes_on_with_the_next_call(history, changes_max):
    entries, _, _ = build(history)
    engine, outcomes, digest = _one_by_one(entries)
    other = MemoryEngine()
    machine = DatabaseMachine(other, KEYS, requests_max=REQUESTS_MAX, changes_max=changes_max)
    other_outcomes: list[list[Outcome]] = []
    while len(other_outcomes) < len(entries):
        done = machine.apply(entries[len(other_outcomes) :])
        assert done
        other_outcomes += done
    assert contents(other) == contents(engine)
    assert other_outcomes == outcomes
    assert machine.digest() == digest
