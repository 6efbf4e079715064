"""How a simulated node answers a client: the same barriers, in the same order, as `raftdoc.database` asks of a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, cast

import orjson

from raftdoc.document import id_key
from raftdoc.errors import NotFound, RaftdocError
from raftdoc.ids import Index
from raftdoc.node.admission import admit
from raftdoc.node.proposals import Proposal
from raftdoc.node.reads import ReadWaiter
from raftdoc.simulation.cores.host import COLLECTION, Host


class Answer(NamedTuple):
    """What a node says to a read or a write."""

    error: RaftdocError | None
    value: Any = None
    """Of a read: the value, None where there is no document. Of a write: the Outcome."""
    revision: int = 0
    index: Index = Index(0)  # type: ignore[assignment]  # the field's word wins over tuple.index
    """Of a read: what the state it saw had applied."""
    way: str = ""
    """Of a read: how it was confirmed."""


Answered: TypeAlias = Callable[[Answer], None]


class Waiting:
    """Stands in for a future: it calls back instead of waking a task. Answered once, or never."""

    __slots__ = ("_on_error", "_on_result", "_was_answered")

    def __init__(self, on_result: Callable[[Any], None], on_error: Callable[[RaftdocError], None]) -> None:
        self._on_result = on_result
        self._on_error = on_error
        self._was_answered = False

    def done(self) -> bool:
        return self._was_answered

    def cancelled(self) -> bool:
        return False

    def set_result(self, result: Any) -> None:
        self._was_answered = True
        self._on_result(result)

    def set_exception(self, error: BaseException) -> None:
        assert isinstance(error, RaftdocError), error
        self._was_answered = True
        self._on_error(error)


def write(host: Host, command: bytes, timeout_ns: int, answered: Answered) -> None:
    """Propose a command; the answer is its Outcome, or why there is none."""
    try:
        admit(host.replica, is_draining=False)
    except RaftdocError as error:
        answered(Answer(error))
        return
    waiting = Waiting(lambda outcome: answered(Answer(None, outcome)), lambda error: answered(Answer(error)))
    host.replica.proposals.add(Proposal(command, waiting, host.clock() + timeout_ns))
    host.touch()


def read(host: Host, level: str, key: str, min_index: Index, timeout_ns: int, answered: Answered) -> None:
    """Read a document at a level: linearizable or follower (a barrier each), min_index (a wait), stale (neither)."""
    if level == "stale":
        answered(_look(host, key, "stale"))
        return
    replica, now_ns = host.replica, host.clock()
    way = "index"
    waiting = Waiting(lambda _: answered(_look(host, key, way)), lambda error: answered(Answer(error)))
    waiter = ReadWaiter(cast("Any", waiting), now_ns + timeout_ns)
    if level == "min_index":
        way = "min_index"
        _wait_applied(host, min_index, waiter)
        return
    # Safety: the commit index is taken before the lease is looked at, as `Node.read_barrier` does.
    commit_index = replica.core.commit_index
    if replica.core.lease_valid(now_ns):
        way = "lease"
        _wait_applied(host, commit_index, waiter)
    else:
        replica.reads.ask(waiter)
        host.touch()


def _wait_applied(host: Host, index: Index, waiter: ReadWaiter) -> None:
    if host.machine.applied_index >= index:
        waiter.future.set_result(None)
    else:
        host.replica.reads.wait_applied(index, waiter)


def _look(host: Host, key: str, way: str) -> Answer:
    machine = host.machine
    try:
        stored = machine.database.get(COLLECTION, id_key(key))
    except NotFound:
        stored = None
    if stored is None:
        return Answer(None, None, 0, machine.applied_index, way)
    return Answer(None, orjson.loads(stored.body)["v"], stored.revision, machine.applied_index, way)
