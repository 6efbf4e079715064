"""What clients and the nemesis did and what they were answered: one event a line, in the recorder's order.

    {"index":0,"time":123,"process":3,"type":"invoke","f":"cas","key":"r17","value":[3,8]}
    {"index":1,"time":456,"process":3,"type":"ok","f":"cas","key":"r17","value":[3,8],
     "raft":{"group":1,"index":991,"term":4,"node":"n2"}}

`type` is invoke, ok, fail (certainly never took effect) or info (nobody knows; that process is dead, and its client
goes on under a new process id). The order of the lines is the truth: an operation that is recorded as complete before
another is recorded as invoked happened before it. Times are for people.

Source: the field names are Jepsen's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import orjson

from raftdoc.ids import GroupId, Index, NodeId, Term

NEMESIS: Final = -1
"""The process that breaks things. Its operations are in the history, and no checker of data looks at them."""

EventType: TypeAlias = Literal["invoke", "ok", "fail", "info"]


class HistoryInvalid(ValueError):
    """The history is not one: its recorder is wrong, and no verdict can be had from it."""


class RaftPosition(NamedTuple):
    """Where in a group's log an answer comes from: a write's entry, or the last one that a read saw applied."""

    group: GroupId
    index: Index  # type: ignore[assignment]  # the field's word wins over tuple.index
    term: Term
    node: NodeId
    ordinal: int | None = None
    """Of a write: which command of its entry it is, where that is known."""


class Event(NamedTuple):
    index: int  # type: ignore[assignment]
    """Its place in the history, from 0."""
    time: int
    """Nanoseconds since the run began."""
    process: int
    type: EventType
    f: str
    """What is done: get, put, cas, create, delete, add, ... or the name of a fault."""
    key: str | None
    value: Any
    """What is asked on invoke, what was answered on completion."""
    error: str | None = None
    """On fail and info: a code."""
    id: str | None = None
    """The idempotency key under which a write was sent."""
    revision: int | None = None
    raft: RaftPosition | None = None


class Operation(NamedTuple):
    """An invocation and its completion."""

    process: int
    f: str
    key: str | None
    value: Any
    """What was asked."""
    type: EventType
    """info also where the history ends before the completion."""
    result: Any
    error: str | None
    id: str | None
    start: int
    """The index of the invocation's event."""
    stop: int | None
    """The index of the completion's event; None: it may take effect at any time after start."""
    revision: int | None
    raft: RaftPosition | None

    def __str__(self) -> str:
        """Return process, what, outcome, and the span in the history."""
        key = "" if self.key is None else f"{self.key}: "
        answer = self.result if self.type == "ok" else self.error or self.type
        span = f"[{self.start}-{'' if self.stop is None else self.stop}]"
        return f"p{self.process}:{self.f}({key}{self.value})={answer}{span}"


_OPTIONAL: Final = ("error", "id", "revision")
_EVENT_FIELDS: Final = ("index", "time", "process", "type", "f", "key", "value")
_TYPES: Final = ("invoke", "ok", "fail", "info")


class Recorder:
    """Numbers events as they happen. `invoke` before the first byte leaves, `complete` after the answer is parsed."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def invoke(self, time: int, process: int, f: str, key: str | None, value: Any, *, id: str | None = None) -> Event:
        """Note that an operation begins."""
        event = Event(len(self.events), time, process, "invoke", f, key, value, None, id)
        self.events.append(event)
        return event

    def complete(
        self,
        invoked: Event,
        time: int,
        type: EventType,
        value: Any,
        *,
        error: str | None = None,
        revision: int | None = None,
        raft: RaftPosition | None = None,
    ) -> None:
        """Note what an operation was answered."""
        _, _, process, _, f, key, _, _, id_, _, _ = invoked
        event = Event(len(self.events), time, process, type, f, key, value, error, id_, revision, raft)
        self.events.append(event)


def encode_event(event: Event) -> bytes:
    """Return an event as one line of JSON, without its end; what an event does not have is left out."""
    row: dict[str, Any] = {name: getattr(event, name) for name in _EVENT_FIELDS}
    row |= {name: getattr(event, name) for name in _OPTIONAL if getattr(event, name) is not None}
    if event.raft is not None:
        row["raft"] = {name: value for name, value in event.raft._asdict().items() if value is not None}
    return orjson.dumps(row)


def decode_event(line: bytes) -> Event:
    """Return the event of one line.

    Raises:
        HistoryInvalid: it is none; the message quotes it.
    """
    try:
        row = orjson.loads(line)
        raft = row.get("raft")
        position = None if raft is None else RaftPosition(**raft)
        if row["type"] not in _TYPES:
            raise HistoryInvalid(f"an event of type {row['type']!r}: {line[:200]!r}")
        index, time, process, type_, f, key, value = [row[name] for name in _EVENT_FIELDS]
        optional = row.get("error"), row.get("id"), row.get("revision")
        return Event(index, time, process, type_, f, key, value, *optional, position)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise HistoryInvalid(f"no event: {error!r} in {line[:200]!r}") from error


def write_history(path: Path, events: Iterable[Event]) -> None:
    """Write a history, replacing the file."""
    with path.open("wb") as file:
        file.writelines(encode_event(event) + b"\n" for event in events)


def read_history(path: Path) -> Iterator[Event]:
    """Yield the events of a file.

    Raises:
        HistoryInvalid: a line is no event.
    """
    with path.open("rb") as file:
        for line in file:
            yield decode_event(line)


def operations(events: Iterable[Event]) -> list[Operation]:
    """Return the clients' operations in the order of their invocations.

    Raises:
        HistoryInvalid: a process does two things at once, or completes what it did not begin.
    """
    found: list[Operation | None] = []
    pending: dict[int, tuple[Event, int]] = {}
    for event in events:
        if event.process == NEMESIS:
            continue
        if event.type == "invoke":
            if event.process in pending:
                raise HistoryInvalid(f"process {event.process} does two things at once: {event}")
            pending[event.process] = event, len(found)
            found.append(None)
            continue
        if event.process not in pending:
            raise HistoryInvalid(f"process {event.process} completes what it did not begin: {event}")
        invoked, place = pending.pop(event.process)
        found[place] = _operation(invoked, event)
    for invoked, place in pending.values():
        found[place] = _operation(invoked, None)
    return [operation for operation in found if operation is not None]


def _operation(invoked: Event, completed: Event | None) -> Operation:
    if completed is not None and (completed.f, completed.key) != (invoked.f, invoked.key):
        raise HistoryInvalid(f"{completed} does not complete {invoked}")
    type_: EventType = "info" if completed is None else completed.type
    return Operation(
        process=invoked.process,
        f=invoked.f,
        key=invoked.key,
        value=invoked.value,
        type=type_,
        result=None if completed is None else completed.value,
        error=None if completed is None else completed.error,
        id=invoked.id,
        start=invoked.index,
        stop=None if completed is None or type_ == "info" else completed.index,
        revision=None if completed is None else completed.revision,
        raft=None if completed is None else completed.raft,
    )
