"""Entries by hand and at random, a simple model of what they do, and what an engine holds afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

from raftdoc.document import DocumentId, id_key, with_id
from raftdoc.ids import GroupId, Incarnation, Index, Term
from raftdoc.raft.messages import Entry, EntryKind
from raftdoc.statemachine import commands
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.outcome import Idempotency, Outcome
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.memory import MemoryEngine

KEYS = GroupKeys(GroupId(7), Incarnation(1))
IDS: list[DocumentId] = ["a", "b", "", 1, 1.0, True, {"$oid": "65f0c0ffee65f0c0ffee65f0"}]
COLLECTIONS = ["c1", "c2", "c3"]
MANY = [(f"m{number:04d}", b'{"_id":"m%04d"}' % number) for number in range(300)]


def entry(index: int, payloads: Sequence[bytes], time_ms: int = 1_000) -> Entry:
    return Entry(Index(index), Term(1), EntryKind.COMMANDS, time_ms, commands.batch(payloads))


def noop(index: int, time_ms: int = 1_000) -> Entry:
    return Entry(Index(index), Term(1), EntryKind.NOOP, time_ms, b"")


def document(id_: DocumentId, number: int) -> bytes:
    return with_id(b'{"n":%d}' % number, id_)


def uuid7(time_ms: int, serial: int = 0) -> str:
    text = f"{time_ms:012x}"
    return f"{text[:8]}-{text[8:]}-7000-8000-{serial:012x}"


def contents(engine: MemoryEngine) -> list[tuple[bytes, bytes]]:
    return list(engine.scan(b"", b"\xff" * 16))


class Runner:
    """A machine to which commands are given one entry at a time."""

    def __init__(self, machine: DatabaseMachine | None = None, engine: MemoryEngine | None = None) -> None:
        self.engine = engine or MemoryEngine()
        self.machine = machine or DatabaseMachine(self.engine, KEYS)

    def run(self, *payloads: bytes, time_ms: int = 1_000) -> list[Outcome]:
        return self.machine.apply([entry(self.machine.applied_index + 1, payloads, time_ms)])[0]

    def one(self, payload: bytes, time_ms: int = 1_000) -> Outcome:
        (outcome,) = self.run(payload, time_ms=time_ms)
        return outcome


class Step(NamedTuple):
    """What one random command does; `expect` chooses among preconditions by the state as the model knows it."""

    kind: str
    collection: str
    id: DocumentId
    number: int
    expect: str
    key: str | None


_KEYS = st.none() | st.sampled_from(["k1", "k2", "k3", "k4"]) | st.integers(0, 5).map(lambda n: uuid7(900 + 50 * n, n))

steps = st.builds(
    Step,
    st.sampled_from(["put"] * 6 + ["create"] * 2 + ["delete"] * 3 + ["many", "atomic", "make", "drop", "sweep"]),
    st.sampled_from(COLLECTIONS),
    st.sampled_from(IDS),
    st.integers(0, 99),
    st.sampled_from(["any", "any", "current", "wrong", "none"]),
    _KEYS,
)
batches = st.tuples(st.lists(steps, max_size=6), st.integers(0, 400))
"""The commands of an entry, and how much log time passes before it, in ms."""
histories = st.lists(batches, min_size=1, max_size=12)


class Model:
    """What a database is, in a few lines; without forgetting of keys."""

    def __init__(self) -> None:
        self.collections: dict[str, dict[bytes, tuple[int, bytes]]] = {}
        self.requests: dict[str, tuple[bytes, Outcome]] = {}
        self._base, self._ordinal, self.time_ms = 0, 0, 0

    def begin(self, index: int, time_ms: int) -> None:
        self._base, self._ordinal, self.time_ms = index << 20, 0, time_ms

    def encode(self, step: Step) -> bytes:
        """Return the command of a step, with the preconditions that its `expect` means now."""
        idempotency = None if step.key is None else Idempotency(step.key, self._fingerprint(step), 500)
        match step.kind:
            case "put":
                if_match = {"current": self._revision(step) or 5, "wrong": 3}.get(step.expect)
                return commands.put(
                    step.collection,
                    step.id,
                    document(step.id, step.number),
                    if_match=if_match,
                    if_none_match=step.expect == "none",
                    idempotency=idempotency,
                )
            case "create":
                return commands.create(
                    step.collection, step.id, document(step.id, step.number), idempotency=idempotency
                )
            case "delete":
                if_match = {"current": self._revision(step) or 5, "wrong": 3}.get(step.expect)
                return commands.delete(step.collection, step.id, if_match=if_match, idempotency=idempotency)
            case "many" | "atomic":
                return commands.create_many(
                    step.collection, self._items(step), atomic=step.kind == "atomic", idempotency=idempotency
                )
            case "make":
                return commands.create_collection(step.collection, {"n": step.number % 2}, idempotency=idempotency)
            case "drop":
                return commands.drop_collection(step.collection, idempotency=idempotency)
            case _:
                return commands.sweep(step.number)

    def apply(self, step: Step) -> tuple[str, int]:
        """Return the code and the revision that the step has to give. Steps of kind `make` are not modelled."""
        if step.key is None or step.kind == "sweep":
            return self._do(step)
        known = self.requests.get(step.key)
        if known is not None:
            fingerprint, outcome = known
            return outcome[:2] if fingerprint == self._fingerprint(step) else ("key_reused", 0)
        code, revision = self._do(step)
        self.requests[step.key] = self._fingerprint(step), Outcome(code, revision)
        return code, revision

    def _do(self, step: Step) -> tuple[str, int]:
        documents = self.collections.get(step.collection)
        key = id_key(step.id)
        current = (documents or {}).get(key, (0, b""))[0]
        expected = {"current": current or 5, "wrong": 3, "none": 0}.get(step.expect)
        match step.kind:
            case "put":
                if expected is not None and expected != current:
                    return "precondition_failed", 0
                return "ok", self._store(step.collection, key, document(step.id, step.number))
            case "create":
                if current:
                    return "duplicate_key", 0
                return "ok", self._store(step.collection, key, document(step.id, step.number))
            case "delete":
                return self._delete(step, documents, key, current)
            case "many" | "atomic":
                return self._create_many(step)
            case "drop":
                return (
                    ("ok", 0)
                    if self.collections.pop(step.collection, None) is not None
                    else ("collection_not_found", 0)
                )
            case _:
                return "ok", 0

    def _delete(
        self, step: Step, documents: dict[bytes, tuple[int, bytes]] | None, key: bytes, current: int
    ) -> tuple[str, int]:
        if documents is None:
            return "collection_not_found", 0
        if step.expect in ("current", "wrong") and current != (3 if step.expect == "wrong" else current or 5):
            return "precondition_failed", 0
        if documents.pop(key, None) is None:
            return "document_not_found", 0
        self._ordinal += 1
        return "ok", 0

    def _create_many(self, step: Step) -> tuple[str, int]:
        items = [(id_key(id_), body) for id_, body in self._items(step)]
        documents = self.collections.get(step.collection, {})
        if step.kind == "atomic" and any(key in documents for key, _ in items):
            return "duplicate_key", 0
        for key, body in items:
            if key not in self.collections.get(step.collection, {}):
                self._store(step.collection, key, body)
        return "ok", 0

    def _store(self, collection: str, key: bytes, body: bytes) -> int:
        revision = self._base | self._ordinal
        self._ordinal += 1
        self.collections.setdefault(collection, {})[key] = revision, body
        return revision

    def _revision(self, step: Step) -> int:
        return self.collections.get(step.collection, {}).get(id_key(step.id), (0, b""))[0]

    def _items(self, step: Step) -> list[tuple[DocumentId, bytes]]:
        return [(step.id, document(step.id, step.number)), *MANY[: 3 * step.number]]

    def _fingerprint(self, step: Step) -> bytes:
        return f"{step.kind}{step.number % 2:15}".encode()[:16]


def build(history: list[Any], *, first_time_ms: int = 1_000) -> tuple[list[Entry], list[list[tuple[str, int]]], Model]:
    """Return the entries of a history, what the model says of each command, and the model afterwards."""
    model, entries, expected = Model(), [], []
    time_ms = first_time_ms
    for index, (batch_steps, pause_ms) in enumerate(history, start=1):
        time_ms += pause_ms
        model.begin(index, time_ms)
        payloads, results = [], []
        for step in batch_steps:
            payloads.append(model.encode(step))
            results.append(model.apply(step))
        entries.append(entry(index, payloads, time_ms))
        expected.append(results)
    return entries, expected, model
