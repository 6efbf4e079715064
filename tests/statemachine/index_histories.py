"""Random histories of a collection with indexes, and what its indexes have to hold by a scan of its documents."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
from hypothesis import strategies as st

from raftdoc.document import id_key, with_id
from raftdoc.errors import NotFound
from raftdoc.query.index_definition import parse_index_definition
from raftdoc.raft.messages import Entry
from raftdoc.statemachine import commands, update_steps
from raftdoc.statemachine.collection import load_collections
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.update_steps import ChangeKind, Mode
from raftdoc.storage.engine import Changes
from raftdoc.storage.keyspace import prefix_stop
from raftdoc.storage.memory import MemoryEngine

from .histories import KEYS, entry

IDS = [f"d{number}" for number in range(8)]
NAMES = ["i1", "i2", "i3"]
FIELDS = [
    {"a": 1},
    {"a": -1},
    {"a": 1, "b": -1},
    {"a.b": 1},
    {"a.b": 1, "a.c": 1},
    {"b": 1, "a": 1},
    {"t": 1},
    {"t": -1},
]
OPTIONS: list[dict[str, Any]] = [
    {},
    {},
    {"unique": True},
    {"unique": True, "sparse": True},
    {"sparse": True},
    {"partial": {"b": {"$gte": 2}}},
    {"unique": True, "partial": {"b": {"$exists": True}}},
]


UNSET = update_steps.change(ChangeKind.UPDATE, {"$unset": {"a": True}})


def date(ms: int) -> dict[str, Any]:
    return {"$date": {"$numberLong": str(ms)}}


_scalars = st.sampled_from([1, 1.0, 2, 3, "x", None, True])
_objects = st.dictionaries(st.sampled_from(["b", "c"]), _scalars, max_size=2)
_values = _scalars | _objects | st.lists(_scalars | _objects, max_size=3)
_dates = st.integers(0, 4000).map(date)
bodies = st.fixed_dictionaries({}, optional={"a": _values, "b": _values, "t": _dates | st.lists(_dates, max_size=2)})
items = st.tuples(st.sampled_from(IDS), bodies)
specifications = st.builds(
    lambda name, fields, options, ttl: {
        "name": name,
        "fields": fields,
        **options,
        **({"expire_after_s": ttl} if ttl is not None and len(fields) == 1 else {}),
    },
    st.sampled_from(NAMES),
    st.sampled_from(FIELDS),
    st.sampled_from(OPTIONS),
    st.none() | st.integers(0, 2),
)


class Step(NamedTuple):
    kind: str
    items: list[tuple[str, dict[str, Any]]]
    specification: dict[str, Any]
    number: int


steps = st.builds(
    Step,
    st.sampled_from(
        ["put"] * 6
        + ["many", "modify", "modify", "atomic", "delete", "delete", "index", "index", "build", "build", "build"]
        + ["unindex", "expire", "drop", "sweep"]
    ),
    st.lists(items, min_size=1, max_size=4),
    specifications,
    st.integers(1, 3),
)
histories = st.lists(st.tuples(st.lists(steps, max_size=4), st.integers(0, 500)), min_size=1, max_size=14)
"""Per entry: its steps, and how much log time passes before it, in ms."""


def body(id_: str, value: dict[str, Any]) -> bytes:
    return with_id(orjson.dumps(value), id_)


def encode(step: Step, machine: DatabaseMachine) -> list[bytes]:
    """Return the commands that a step means now, as a leader with this machine would propose them."""
    documents = [(id_, body(id_, value)) for id_, value in step.items]
    match step.kind:
        case "put":
            return [commands.put("c", id_, document) for id_, document in documents]
        case "many" | "atomic":
            return [commands.create_many("c", documents, atomic=step.kind == "atomic")]
        case "delete":
            return [commands.delete("c", id_) for id_, _ in documents]
        case "modify":
            return [_modify(step)]
        case "index":
            return [commands.create_index("c", parse_index_definition(step.specification))]
        case "unindex":
            return [commands.drop_index("c", step.specification["name"])]
        case "drop":
            return [commands.drop_collection("c")]
        case "sweep":
            return [commands.sweep(step.number)]
        case "build":
            return _build(step, machine)
        case _:
            return _expire(step, machine)


def _modify(step: Step) -> bytes:
    """Return an update of several documents, each for itself or all or none; it makes those that are not there."""
    changes = [update_steps.change(ChangeKind.UPDATE, {"$set": value}) if value else UNSET for _, value in step.items]
    updates = [
        update_steps.update(id_key(id_), change=position, base=body(id_, {}))
        for position, (id_, _) in enumerate(step.items)
    ]
    mode = [Mode.ATOMIC, Mode.ORDERED, Mode.UNORDERED][step.number - 1]
    return commands.write_many("c", updates, changes, mode=mode)


def _build(step: Step, machine: DatabaseMachine) -> list[bytes]:
    found = []
    for build in machine.index_builds():
        stop = machine.next_stop(build, documents_max=step.number, bytes_max=1 << 20)
        found.append(commands.build_index(*build.ref, build.built_to, stop))
    return found


def _expire(step: Step, machine: DatabaseMachine) -> list[bytes]:
    return [commands.expire(*ref, step.number) for ref in machine.expired(1 << 40)]


def play(history: list[tuple[list[Step], int]]) -> tuple[MemoryEngine, DatabaseMachine, list[Entry]]:
    """Return a machine that a history was applied to, and the entries."""
    engine = MemoryEngine()
    machine = DatabaseMachine(engine, KEYS)
    entries, time_ms = [], 1000
    for index, (entry_steps, pause_ms) in enumerate(history, start=1):
        time_ms += pause_ms
        payloads = [command for step in entry_steps for command in encode(step, machine)]
        entries.append(entry(index, payloads, time_ms))
        machine.apply([entries[-1]])
    return engine, machine, entries


def finish_builds(machine: DatabaseMachine) -> None:
    """Go on as the leader's driver would until no build is under way."""
    while builds := machine.index_builds():
        for build in builds:
            stop = machine.next_stop(build, documents_max=3, bytes_max=1 << 20)
            command = commands.build_index(*build.ref, build.built_to, stop)
            machine.apply([entry(machine.applied_index + 1, [command], machine.log_time_ms)])


def expected_entries(engine: MemoryEngine, name: str = "c") -> dict[str, Changes]:
    """Return by index, of those that have not failed, the pairs that a scan of the documents says it holds."""
    collection = load_collections(engine, KEYS).get(name)
    found: dict[str, Changes] = {}
    for index in [] if collection is None else collection.indexes:
        assert collection is not None
        if index.definition.state == "failed":
            continue
        pairs = found.setdefault(index.definition.name, {})
        for key, value in engine.scan(*KEYS.document_range(collection.id)):
            id_key = key[len(collection.prefix) :]
            if index.holds(id_key):
                document = orjson.loads(value[17:])
                pairs.update(index.entry(*parts) for parts in _parts(index.maker.entries(document).entries, id_key))
    return found


def _parts(entries: dict[bytes, bytes], id_key: bytes) -> list[tuple[bytes, bytes, bytes]]:
    return [(value_key, id_key, exact) for value_key, exact in entries.items()]


def stored_entries(engine: MemoryEngine, machine: DatabaseMachine, name: str = "c") -> dict[str, Changes]:
    """Return by index, of those that have not failed, the pairs that are stored."""
    try:
        collection_id, definitions = machine.collection(name).id, machine.indexes(name)
    except NotFound:
        return {}
    found: dict[str, Changes] = {}
    for definition in definitions:
        if definition.state != "failed":
            prefix = KEYS.index_prefix(collection_id, definition.id)
            found[definition.name] = dict(engine.scan(prefix, prefix_stop(prefix)))
    return found
