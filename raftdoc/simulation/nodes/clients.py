"""Clients: each a coroutine that does one thing at a time, on any node, under one idempotency key until it is answered.

A write that certainly never took effect fails; one of which nobody knows is `info`, and its client goes on as another
process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from hashlib import blake2b
from random import Random
from typing import Any, Final, NamedTuple, Protocol

import orjson

from raftdoc.database.requests import Request
from raftdoc.errors import NotFound, RaftdocError
from raftdoc.ids import GroupId, Index, NodeId, Term
from raftdoc.limits import MIB, NS_PER_MS, NS_PER_S
from raftdoc.query.answers import find_work
from raftdoc.query.requests import parse_find
from raftdoc.simulation.history import Event, RaftPosition, Recorder
from raftdoc.simulation.nodes.acknowledged import Acknowledged
from raftdoc.simulation.nodes.clock import WALL_START_MS
from raftdoc.simulation.nodes.event_loop import VirtualLoop
from raftdoc.simulation.nodes.gateway import Ask, Gateway, Lost, Refused
from raftdoc.simulation.nodes.plan import MS, Plan
from raftdoc.simulation.nodes.process import Process
from raftdoc.statemachine.outcome import Idempotency
from raftdoc.statemachine.update_steps import ChangeKind

DATABASE: Final = "shop"
COLLECTION: Final = "things"
COUNTER: Final = "counter"
"""A document that is counted up by operators."""
INDEX: Final = "by_v"
PROCESS_STEP: Final = 1000
"""A client's processes are its number, and that plus multiples of this."""
READ_NAMES: Final = {"linearizable": "get", "stale": "stale-get", "min_index": "min-get"}


class WrongAnswer(AssertionError):
    """An index and a scan of the same state do not say the same, or what is there is said not to be."""


class Service(Protocol):
    """What clients ask of their world."""

    plan: Plan
    loop: VirtualLoop
    gateway: Gateway
    recorder: Recorder
    decided: dict[str, RaftPosition]
    """Where the command of an idempotency key was first applied."""
    acknowledged: Acknowledged
    is_calm: bool

    def addresses(self) -> list[NodeId]:
        """Return the nodes that clients know of."""

    def count(self, name: str) -> None: ...

    def note(self, kind: str, sender: str, peer: str, text: str) -> None: ...


class Answer(NamedTuple):
    value: Any
    error: RaftdocError | None
    """One that says what is there; or the last of those that say nothing."""
    is_decided: bool
    may_have_happened: bool


class Read(NamedTuple):
    value: Any
    revision: int
    index: Index  # type: ignore[assignment]  # the field's word wins over tuple.index
    group: GroupId
    node: NodeId
    staleness_ms: int | None
    """How old the node says that it may be; None: it does not say."""


def session_of_process(process: int) -> int:
    return process % PROCESS_STEP


class Client:
    """One of them; `number` is below PROCESS_STEP."""

    def __init__(self, world: Service, number: int, random: Random) -> None:
        self._world = world
        self._number = number
        self._plan = world.plan
        self._random = random
        self._process = number
        self._made = 0
        self._node: NodeId | None = None
        """Whom it asks first: who answered last."""
        self._floors: dict[GroupId, Index] = {}
        """The highest index in an answer: what a min_index read asks for."""
        self._seen: dict[str, tuple[Any, int]] = {}
        """Key -> value and revision last read: what a conditional write expects."""
        self.is_stopped = False

    async def run(self) -> None:
        """Do one thing after the other until it is told to stop."""
        while not self.is_stopped:
            await asyncio.sleep(self._plan.think_ns * (0.5 + self._random.random()) / NS_PER_S)
            if not self.is_stopped:
                await self._act()

    async def _act(self) -> None:
        random, plan = self._random, self._plan
        chance = random.random()
        key = f"k{random.randrange(plan.key_count)}"
        if chance < 0.35:
            await self.read(key, random.choice(plan.levels))
        elif chance < 0.75:
            await self._write(key)
        elif chance < 0.82:
            await self._add()
        elif chance < 0.85:
            await self.read(COUNTER, "linearizable")
        elif chance < 0.93 and plan.has_index:
            await self.compare()
        elif plan.has_collections:
            await self._make_or_drop()

    # Reads ------------------------------------------------------------------------------------------

    async def read(self, key: str, level: str) -> bool:
        """Read a document at a level; return whether that was answered."""
        asked_ns = self._world.loop.now_ns
        invoked = self._invoke("read" if key == COUNTER else READ_NAMES[level], key, None)
        answer = await self._attempt(lambda process: self._get(process, key, level))
        if not answer.is_decided or answer.error is not None:
            self._complete(invoked, "fail", None, error=_code(answer))
            return False
        read: Read = answer.value
        if read.staleness_ms is not None:
            self._world.acknowledged.check_staleness(read.group, read.index, asked_ns, read.staleness_ms)
            self._world.count("staleness_checked")
        self._floors[read.group] = max(self._floors.get(read.group, Index(0)), read.index)
        self._seen[str(invoked.key)] = read.value, read.revision
        self._world.count(f"reads_{level}")
        position = RaftPosition(read.group, read.index, Term(0), read.node)
        self._complete(invoked, "ok", read.value, raft=position)
        return True

    async def _get(self, process: Process, key: str, level: str) -> Read:
        """Read on the server's side."""
        request = self._request(process, None)
        if level != "linearizable":
            request.consistency = "stale"
        if level == "min_index":
            request.min_index = tuple(self._floors.items())
        database = process.database
        try:
            found = database.get_document(request, DATABASE, COLLECTION, key)
            document = found if found is None or isinstance(found, tuple) else await found
        except NotFound as error:
            if error.what != "collection":
                raise WrongAnswer(f"I13: {process.id} says: {error.detail}") from error
            document = None
        ((group, index),) = request.indexes
        if document is None:
            return Read(None, 0, index, group, process.id, request.staleness_ms)
        value = orjson.loads(document.body)["v"]
        return Read(value, document.revision, index, group, process.id, request.staleness_ms)

    async def compare(self) -> None:
        """Ask the index and all documents, and compare where both saw the same state."""
        least = self._random.randrange(10) * PROCESS_STEP
        answer = await self._attempt(lambda process: compare_index(process, self._request(process, None), least))
        if answer.is_decided and answer.error is None:
            self._world.count("index_compared" if answer.value else "index_not_compared")

    # Writes -----------------------------------------------------------------------------------------

    async def _write(self, key: str) -> None:
        random = self._random
        self._made += 1
        value = self._made * PROCESS_STEP + self._number
        old, revision = self._seen.get(key, (None, 0))
        body = self._body(key, value)
        kind = random.random()
        if kind < 0.3 and revision:
            await self._send("cas", key, [old, value], self._put(key, body, revision))
        elif kind < 0.45:
            await self._send("create", key, value, self._create(key, body))
        elif kind < 0.55:
            await self._send("delete", key, None, self._delete(key))
        elif kind < 0.75:
            await self._send("update", key, value, self._patch(key, {"$set": {"v": value}}))
        else:
            await self._send("put", key, value, self._put(key, body, None))

    async def _add(self) -> None:
        await self._send("add", COUNTER, 1, self._patch(COUNTER, {"$inc": {"v": 1}}))

    async def _make_or_drop(self) -> None:
        """Make a collection of its own and put something there, or drop it."""
        name = f"own{self._number}"
        kind = self._random.random()
        if kind < 0.4:
            answer = await self._attempt(
                lambda process: process.database.create_collection(self._request(process, None), DATABASE, name, {})
            )
        elif kind < 0.7:
            answer = await self._attempt(
                lambda process: process.database.drop_collection(self._request(process, None), DATABASE, name)
            )
        else:
            body = self._body("x", self._made)
            answer = await self._attempt(
                lambda process: process.database.put_document(
                    self._request(process, None), DATABASE, name, "x", body, if_match=None, if_none_match=False
                )
            )
        self._world.count("collections_changed" if answer.is_decided and answer.error is None else "collections_not")

    async def _send(self, f: str, key: str, asked: Any, make: Callable[[Process, Request], Any]) -> None:
        """Send a write until it is answered, or the client gives up."""
        idempotency = self._idempotency(f"{f} {key} {asked}")
        invoked = self._invoke(f, key, asked, id=idempotency.key)
        answer = await self._attempt(lambda process: make(process, self._request(process, idempotency)))
        position = self._world.decided.get(idempotency.key)
        if answer.is_decided and (answer.error is None or is_answer(answer.error)):
            assert position is not None, ("I13: answered and never applied", invoked, answer)
            self._floors[position.group] = max(self._floors.get(position.group, Index(0)), position.index)
            self._world.acknowledged.note(position.group, position.index, self._world.loop.now_ns)
            if answer.error is None:
                self._world.count("replayed" if getattr(answer.value, "replayed", False) else "first_answers")
                self._complete(invoked, "ok", None, raft=position)
            else:
                self._complete(invoked, "fail", None, error=_observed(answer.error), raft=position)
        else:
            self._complete(invoked, "info" if answer.may_have_happened else "fail", None, error=_code(answer))

    def _put(self, key: str, body: bytes, revision: int | None) -> Callable[[Process, Request], Any]:
        return lambda process, request: process.database.put_document(
            request, DATABASE, COLLECTION, key, body, if_match=revision, if_none_match=False
        )

    def _create(self, key: str, body: bytes) -> Callable[[Process, Request], Any]:
        return lambda process, request: process.database.create_document(request, DATABASE, COLLECTION, key, body)

    def _delete(self, key: str) -> Callable[[Process, Request], Any]:
        return lambda process, request: process.database.delete_document(
            request, DATABASE, COLLECTION, key, if_match=None
        )

    def _patch(self, key: str, update: Mapping[str, Any]) -> Callable[[Process, Request], Any]:
        return lambda process, request: process.database.patch_document(
            request, DATABASE, COLLECTION, key, kind=ChangeKind.UPDATE, body=dict(update), if_match=None, bytes_max=MIB
        )

    # Attempts ---------------------------------------------------------------------------------------

    async def _attempt(self, ask: Ask) -> Answer:
        """Ask one node after the other until one answers."""
        may_have_happened = False
        last: RaftdocError | None = None
        for attempt in range(self._plan.attempts_max):
            if attempt:
                self._world.count("retries")
                await asyncio.sleep(self._random.randrange(2, 100) * MS / NS_PER_S)
            node = self._choose()
            try:
                async with asyncio.timeout(self._plan.timeout_ns / NS_PER_S):
                    value = await self._world.gateway.call(node, ask)
            except TimeoutError:
                self._world.count("error_timeout")
                may_have_happened = True
            except Lost:
                self._world.count("error_lost")
                may_have_happened = True
            except Refused:
                self._world.count("error_refused")
            except RaftdocError as error:
                self._world.count(f"error_{error.code}")
                last = error
                if is_answer(error):
                    return Answer(None, error, is_decided=True, may_have_happened=True)
                may_have_happened = may_have_happened or error.outcome == "unknown"
            else:
                self._node = node
                return Answer(value, None, is_decided=True, may_have_happened=True)
            self._node = None
        return Answer(None, last, is_decided=False, may_have_happened=may_have_happened)

    def _choose(self) -> NodeId:
        if self._node is not None and self._random.random() < 0.6:
            return self._node
        return self._random.choice(self._world.addresses())

    def _request(self, process: Process, idempotency: Idempotency | None) -> Request:
        deadline_ns = process.machine.clock.peek_ns() + self._plan.deadline_ms * NS_PER_MS
        return Request(deadline_ns, idempotency=idempotency)

    def _idempotency(self, what: str) -> Idempotency:
        """Return a UUIDv7 of now, and the fingerprint of what is done under it."""
        time_ms = WALL_START_MS + self._world.loop.now_ns // NS_PER_MS
        bits = self._random.getrandbits(74)
        number = time_ms << 80 | 7 << 76 | bits >> 62 << 64 | 2 << 62 | bits & (1 << 62) - 1
        text = f"{number:032x}"
        key = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        return Idempotency(key, blake2b(what.encode(), digest_size=16).digest())

    def _body(self, key: str, value: int) -> bytes:
        return orjson.dumps({"_id": key, "v": value, "padding": "x" * self._plan.padding_bytes})

    # History ----------------------------------------------------------------------------------------

    def _invoke(self, f: str, key: str, value: Any, *, id: str | None = None) -> Event:
        self._world.note("request", f"c{self._number}", "", f"{f} {key} {value}")
        return self._world.recorder.invoke(self._world.loop.now_ns, self._process, f, key, value, id=id)

    def _complete(self, invoked: Event, type_: Any, value: Any, **fields: Any) -> None:
        self._world.note("answer", f"c{self._number}", "", f"{invoked.f} {invoked.key} {type_} {value}")
        self._world.recorder.complete(invoked, self._world.loop.now_ns, type_, value, **fields)
        self._world.count(f"{type_}_{invoked.f}")
        if type_ == "info":
            self._process += PROCESS_STEP
            self._seen.pop(str(invoked.key), None)


def is_answer(error: RaftdocError) -> bool:
    """Return whether an error says what is there, and not that something is out of order."""
    if isinstance(error, NotFound):
        return error.what in ("document", "collection")
    return error.code in ("precondition_failed", "duplicate_key")


def _observed(error: RaftdocError) -> str:
    return "document_not_found" if isinstance(error, NotFound) else error.code


def _code(answer: Answer) -> str:
    return "no_answer" if answer.error is None else answer.error.code


async def compare_index(process: Process, request: Request, least: int) -> bool:
    """Return whether the index and a scan saw the same state.

    Raises:
        WrongAnswer: they did, and do not say the same of it.
    """
    by_index = parse_find({"filter": {"v": {"$gte": least}}, "hint": INDEX, "limit": 1000}).query
    everything = parse_find({"filter": {}, "limit": 1000}).query
    run = process.database.run_query
    found = await run(request, DATABASE, COLLECTION, find_work(by_index), max_time_ms=None)
    seen_by_index = request.indexes
    all_found = await run(request, DATABASE, COLLECTION, find_work(everything), max_time_ms=None)
    if seen_by_index != request.indexes:
        return False
    indexed = sorted(found.documents)
    scanned = sorted(body for body in all_found.documents if orjson.loads(body)["v"] >= least)
    if indexed != scanned:
        raise WrongAnswer(f"I5: on {process.id} at {request.indexes} the index says {indexed}, a scan says {scanned}")
    return True
