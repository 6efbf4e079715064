"""Clients: each does one thing at a time, tries again elsewhere under the same idempotency key, and writes history.

A write that was never admitted anywhere fails; one that may have been is unknown when its client gives up, and the
client goes on as another process.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from random import Random
from typing import Any, Final, Protocol

from raftdoc.errors import NotLeader
from raftdoc.ids import Index, NodeId
from raftdoc.limits import NS_PER_MS
from raftdoc.raft.invariants import require
from raftdoc.simulation.cores.clock import WALL_START_MS
from raftdoc.simulation.cores.disk import GROUP
from raftdoc.simulation.cores.host import COLLECTION, Host
from raftdoc.simulation.cores.plan import MS, Plan
from raftdoc.simulation.cores.serving import Answer, read, write
from raftdoc.simulation.history import Event, RaftPosition, Recorder
from raftdoc.statemachine import commands
from raftdoc.statemachine.outcome import Idempotency, Outcome

LONG_MS: Final = 3_600_000
LONG_COUNT: Final = 1_000_000
"""Of idempotency records: none is forgotten for its age or their number in a run."""
PROCESS_STEP: Final = 1000
"""A client's processes are its number, and that plus multiples of this."""
READ_NAMES: Final = {"linearizable": "get", "follower": "get", "stale": "stale-get", "min_index": "min-get"}
SEEN_ANSWERS: Final = {
    "precondition_failed": "precondition_failed",
    "duplicate_key": "duplicate_key",
    "document_not_found": "document_not_found",
    "collection_not_found": "document_not_found",
}
"""Outcomes that say what is there, and how the history calls them."""


class Service(Protocol):
    """What clients ask of their world."""

    now_ns: int
    hosts: dict[NodeId, Host]
    decided: dict[str, RaftPosition]
    """Where the write of an idempotency key was first applied."""
    is_calm: bool
    loses_answers: bool

    def schedule(self, delay_ns: int, act: Callable[..., None], *arguments: Any) -> None: ...

    def count(self, name: str) -> None: ...

    def note(self, kind: str, sender: str, peer: str, text: str) -> None: ...


def session_of_process(process: int) -> int:
    return process % PROCESS_STEP


class Client:
    """One of them; `number` is below PROCESS_STEP."""

    def __init__(self, world: Service, number: int, plan: Plan, random: Random, recorder: Recorder) -> None:
        self._world = world
        self._number = number
        self._plan = plan
        self._random = random
        self._recorder = recorder
        self._process = number
        self._made = 0
        self._leader: NodeId | None = None
        self._floor = Index(0)
        """The highest index in an answer: what a min_index read asks for."""
        self._seen: dict[str, tuple[Any, int]] = {}
        """Key -> value and revision last read: what a conditional write expects."""
        self._invoked: Event | None = None
        self._command = b""
        self._level = ""
        self._attempt = 0
        self._attempts_left = 0
        self._may_have_happened = False
        self.is_stopped = False

    @property
    def is_idle(self) -> bool:
        return self._invoked is None

    # What it does -----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Do the next thing, unless it is to stop or to wait."""
        if self.is_stopped or self._invoked is not None:
            return
        plan, random = self._plan, self._random
        key = f"k{random.randrange(plan.key_count)}"
        is_pause = plan.burst_ns and not self._world.is_calm and self._world.now_ns // plan.burst_ns % 6
        if is_pause or random.random() < plan.read_share:
            self.read(key, random.choice(plan.levels))
        else:
            self._write(key)

    def read(self, key: str, level: str) -> None:
        """Begin a read."""
        self._level = level
        self._start(self._recorder.invoke(self._world.now_ns, self._process, READ_NAMES[level], key, None), b"")

    def _write(self, key: str) -> None:
        random = self._random
        self._made += 1
        value = self._made * PROCESS_STEP + self._number
        kind = random.random()
        old, revision = self._seen.get(key, (None, 0))
        request = self._idempotency(f"{key} {value}")
        body = b'{"_id":"%s","v":%d}' % (key.encode(), value)
        asked: Any
        if kind < 0.35 and revision:
            command = commands.put(COLLECTION, key, body, if_match=revision, idempotency=request)
            f, asked = "cas", [old, value]
        elif kind < 0.5:
            command, f, asked = commands.create(COLLECTION, key, body, idempotency=request), "create", value
        elif kind < 0.62:
            command, f, asked = commands.delete(COLLECTION, key, idempotency=request), "delete", None
        else:
            command, f, asked = commands.put(COLLECTION, key, body, idempotency=request), "put", value
        self._start(self._recorder.invoke(self._world.now_ns, self._process, f, key, asked, id=request.key), command)

    def _idempotency(self, what: str) -> Idempotency:
        """Return a UUIDv7 of now, and the fingerprint of what is done under it."""
        time_ms = WALL_START_MS + self._world.now_ns // NS_PER_MS
        bits = self._random.getrandbits(74)
        number = time_ms << 80 | 7 << 76 | bits >> 62 << 64 | 2 << 62 | bits & (1 << 62) - 1
        text = f"{number:032x}"
        key = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        return Idempotency(key, blake2b(what.encode(), digest_size=16).digest(), self._plan.retention_ms)

    # Attempts ---------------------------------------------------------------------------------------

    def _start(self, invoked: Event, command: bytes) -> None:
        self._invoked = invoked
        self._command = command
        self._may_have_happened = False
        self._attempts_left = self._plan.attempts_max
        self._try()

    def _try(self) -> None:
        self._attempt += 1
        self._attempts_left -= 1
        host = self._choose()
        self._world.note("request", f"c{self._number}", host.node, str(self._invoked and self._invoked.f))
        self._world.schedule(self._delay_ns(), self._arrive, host, self._attempt)
        self._world.schedule(self._plan.timeout_ns, self._time_out, self._attempt)

    def _choose(self) -> Host:
        hosts = self._world.hosts
        goes_anywhere = self._level in {"follower", "stale", "min_index"} and not self._command
        if self._leader is not None and not goes_anywhere and self._random.random() < 0.9:
            return hosts[self._leader]
        return self._random.choice(list(hosts.values()))

    def _arrive(self, host: Host, attempt: int) -> None:
        """The request is at the node, if there is one."""
        world, invoked = self._world, self._invoked
        if invoked is None or attempt != self._attempt:
            return
        if not host.is_up:
            world.schedule(self._delay_ns(), self._refused, attempt)
        elif world.now_ns < host.paused_until_ns:
            world.schedule(host.paused_until_ns - world.now_ns, self._arrive, host, attempt)
        elif self._command:
            self._may_have_happened, before = True, self._may_have_happened
            write(host, self._command, self._plan.timeout_ns, lambda got: self._answer(host, attempt, got, before))
        else:
            assert invoked.key is not None
            arguments = self._level, invoked.key, self._floor, self._plan.timeout_ns
            read(host, *arguments, lambda got: self._answer(host, attempt, got, False))

    def _answer(self, host: Host, attempt: int, answer: Answer, happened_before: bool) -> None:
        """Send the answer back; it may be lost, and the client knows nothing of it then."""
        world = self._world
        if world.loses_answers and not world.is_calm and self._random.random() < 0.5:
            world.count("answers_lost")
            return
        position = None
        if self._invoked is not None and answer.error is None:
            if self._command:
                position = world.decided.get(str(self._invoked.id))
            else:
                position = RaftPosition(GROUP, answer.index, host.core.term, host.node)
        world.schedule(self._delay_ns(), self._take, host, attempt, answer, position, happened_before)

    def _take(
        self, host: Host, attempt: int, answer: Answer, position: RaftPosition | None, happened_before: bool
    ) -> None:
        if self._invoked is None or attempt != self._attempt:
            return
        error = answer.error
        if error is None:
            self._leader = host.node if self._command or answer.way == "lease" else self._leader
            self._finish(answer, position, happened_before)
            return
        if error.outcome != "unknown":
            self._may_have_happened = happened_before
        self._leader = error.leader if isinstance(error, NotLeader) else None
        self._world.count(f"error_{error.code}")
        self._again(attempt, error.code)

    def _refused(self, attempt: int) -> None:
        if self._invoked is not None and attempt == self._attempt:
            self._leader = None
            self._again(attempt, "connection_refused")

    def _time_out(self, attempt: int) -> None:
        if self._invoked is not None and attempt == self._attempt:
            self._leader = None
            self._again(attempt, "timeout")

    def _again(self, attempt: int, error: str) -> None:
        """Try once more after a while, or give up."""
        if self._attempts_left > 0:
            self._attempt += 1
            self._world.count("retries")
            self._world.schedule(self._random.randrange(2, 80) * MS, self._retry, self._attempt)
            return
        self._complete("info" if self._command and self._may_have_happened else "fail", None, error=error)

    def _retry(self, attempt: int) -> None:
        if self._invoked is not None and attempt == self._attempt:
            self._try()

    # Answers ----------------------------------------------------------------------------------------

    def _finish(self, answer: Answer, position: RaftPosition | None, happened_before: bool) -> None:
        assert self._invoked is not None
        if not self._command:
            self._world.count(f"reads_by_{answer.way}")
            self._seen[str(self._invoked.key)] = answer.value, answer.revision
            self._floor = max(self._floor, answer.index)
            self._complete("ok", answer.value, raft=position)
            return
        outcome: Outcome = answer.value
        if outcome.replayed:
            self._world.count("dedup_hits")
        if outcome.is_ok:
            assert position is not None, (self._invoked, outcome)
            self._floor = max(self._floor, position.index)
            self._complete("ok", None, revision=outcome.revision or None, raft=position)
        elif outcome.code in SEEN_ANSWERS:
            assert position is not None, (self._invoked, outcome)
            self._floor = max(self._floor, position.index)
            self._complete("fail", None, error=SEEN_ANSWERS[outcome.code], raft=position)
        else:
            # The key is too old to tell whether it was used: if this was the first attempt, it was not.
            is_early = self._plan.retention_ms >= LONG_MS and self._plan.requests_max >= LONG_COUNT
            require(not is_early, "I13: an idempotency key was forgotten before its time", outcome, self._invoked)
            self._world.count(f"outcome_{outcome.code}")
            self._complete("info" if happened_before else "fail", None, error=outcome.code)

    def _complete(self, type_: Any, value: Any, **fields: Any) -> None:
        assert self._invoked is not None
        self._world.note("answer", self._invoked.f, f"c{self._number}", f"{type_} {value}")
        self._recorder.complete(self._invoked, self._world.now_ns, type_, value, **fields)
        self._world.count(f"{type_}_{self._invoked.f}")
        if type_ == "info":
            self._process += PROCESS_STEP
            self._seen.pop(str(self._invoked.key), None)
        self._invoked = None
        self._attempt += 1
        self._world.schedule(int(self._plan.think_ns * (0.5 + self._random.random())), self.begin)

    def _delay_ns(self) -> int:
        return self._random.randrange(1, 2 * MS)
