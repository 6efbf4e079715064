"""What queries and index builds cost: processor time per document beside wall time, in one process.

    python tests/query/measure_queries.py [--documents 1000000] [--engine rocksdb|memory]

The state machine alone, over RocksDB in the temporary directory: no HTTP, no Raft, so the processor time is what one
core of a node spends on the work itself. Documents have 400 bytes. A query is run with the planner, as a request is.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from raftdoc.ids import GroupId, Incarnation, Index, Term
from raftdoc.limits import INDEX_STEP_BYTES_MAX, INDEX_STEP_DOCUMENTS_MAX
from raftdoc.query.aggregate import parse_pipeline
from raftdoc.query.answers import aggregate_work
from raftdoc.query.context import Context
from raftdoc.query.filter import parse_filter
from raftdoc.query.find import FindQuery, Selection, count, find
from raftdoc.query.index_definition import parse_index_definition
from raftdoc.query.reader import DocumentReader
from raftdoc.query.requests import AggregateQuery
from raftdoc.raft.messages import Entry, EntryKind
from raftdoc.statemachine import commands
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.storage.engine import Engine
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.memory import MemoryEngine
from raftdoc.storage.rocksdb import RocksEngine

BATCH_DOCUMENTS = 300
MATCHES = 20
REPEATS = 200
KEYS = GroupKeys(GroupId(7), Incarnation(1))


def document(number: int, of: int) -> tuple[str, bytes]:
    """Return a document of 400 bytes; 20 of a collection have one `user`, a thousandth of it one `kind`."""
    id_ = f"d{number:09d}"
    body = {"_id": id_, "user": number % (of // MATCHES), "kind": f"k{number % 1000}", "n": number, "text": ""}
    body["text"] = "x" * (400 - len(orjson.dumps(body)))
    return id_, orjson.dumps(body)


class Machine:
    """A database machine, to which commands are given one entry at a time."""

    def __init__(self, engine: Engine) -> None:
        self.machine = DatabaseMachine(engine, KEYS)

    def one(self, command: bytes) -> Any:
        index = Index(self.machine.applied_index + 1)
        entry = Entry(index, Term(1), EntryKind.COMMANDS, 1_000, commands.batch([command]))
        ((outcome,),) = self.machine.apply([entry])
        assert outcome.code == "ok", outcome
        return outcome

    def load(self, name: str, total: int) -> None:
        for start in range(0, total, BATCH_DOCUMENTS):
            items = [document(number, total) for number in range(start, min(start + BATCH_DOCUMENTS, total))]
            self.one(commands.create_many(name, items, atomic=False))

    def index(self, name: str, field: str) -> None:
        self.one(commands.create_index(name, parse_index_definition({"fields": {field: 1}})))
        while builds := self.machine.index_builds():
            (build,) = builds
            stop = self.machine.next_stop(build, documents_max=INDEX_STEP_DOCUMENTS_MAX, bytes_max=INDEX_STEP_BYTES_MAX)
            self.one(commands.build_index(*build.ref, build.built_to, stop))


def answer(steps: Iterator[Any]) -> Any:
    """Return the last step, the one that is no pause."""
    return [step for step in steps if step is not None][-1]


def measure(name: str, work: Callable[[], object], *, documents: int = 1, repeats: int = 1) -> None:
    """Print what a piece of work takes; `documents` is how many it goes through."""
    started, cpu_started = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        work()
    wall_s, cpu_s = (time.perf_counter() - started) / repeats, (time.process_time() - cpu_started) / repeats
    rate = f"{documents / cpu_s:12,.0f} documents/s of processor time" if documents > 1 else ""
    sys.stdout.write(f"{name:46s} {wall_s * 1000:10.3f} ms  processor {cpu_s * 1000:10.3f} ms  {rate}\n")
    sys.stdout.flush()


def find_by_user(reader: DocumentReader) -> object:
    found = answer(find(FindQuery(filter=parse_filter({"user": 7}), limit=100), reader, Context()))
    assert len(found.documents) == MATCHES
    return found


def scan(reader: DocumentReader) -> object:
    return answer(find(FindQuery(filter=parse_filter({"n": -1}), limit=100), reader, Context()))


def group(reader: DocumentReader) -> object:
    pipeline = parse_pipeline([{"$group": {"_id": "$kind", "n": {"$sum": "$n"}}}], "/pipeline")
    work = aggregate_work(AggregateQuery(Selection(filter=parse_filter({})), pipeline))
    return answer(work(reader, Context()))


def counted(reader: DocumentReader, filter: dict[str, Any]) -> object:
    return answer(count(Selection(filter=parse_filter(filter)), reader, Context()))


def run(engine: Engine, total: int) -> None:
    machine, small = Machine(engine), min(10_000, total)
    machine.load("small", small)
    machine.index("small", "user")
    measure(f"load {total:,} documents, no index", lambda: machine.load("large", total), documents=total)
    measure("build an index of one number", lambda: machine.index("large", "user"), documents=total)
    reader = machine.machine.reader()
    few, many = reader.collection("small"), reader.collection("large")
    measure(f"filter by index, 20 of {small:,}", lambda: find_by_user(few), repeats=REPEATS)
    measure(f"filter by index, 20 of {total:,}", lambda: find_by_user(many), repeats=REPEATS)
    measure("filter without index, nothing matches", lambda: scan(many), documents=total)
    measure("count of the collection", lambda: counted(many, {}), repeats=REPEATS)
    upper = total // MATCHES // 2
    measure(
        f"count of a range of an index, {total // 2:,}",
        lambda: counted(many, {"user": {"$gte": upper}}),
        documents=total // 2,
    )
    measure("group by one field, 1,000 groups, one sum", lambda: group(many), documents=total)
    reader.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=("rocksdb", "memory"), default="rocksdb")
    arguments = parser.parse_args()
    if arguments.engine == "memory":
        run(MemoryEngine(), arguments.documents)
        return
    with tempfile.TemporaryDirectory() as directory:
        engine = RocksEngine(Path(directory) / "state")
        run(engine, arguments.documents)
        engine.close()


if __name__ == "__main__":
    main()
