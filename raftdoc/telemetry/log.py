"""The lines of a node's log, made from the standard library's logging.

A call names the event in words and then its fields, in one template:

    log.info("peer connected peer=%s lane=%s", peer, lane)

The formatter finds the fields in the template, so that values are quoted where they need it, and that the
JSON form has them as members. A message that is not of this form is one field, `event`.
"""

from __future__ import annotations

import json
import logging
import re
from collections import OrderedDict
from collections.abc import Hashable
from datetime import UTC, datetime
from typing import Final, Literal, TextIO, TypeAlias

from raftdoc.limits import NS_PER_S

ROOT: Final = "raftdoc"
REPEAT_AFTER_NS: Final = 600 * NS_PER_S
EVENTS_MAX: Final = 256
Format: TypeAlias = Literal["text", "json"]

_PAIR: Final = re.compile(r"\s*\b(\w+)=(%[-0-9.]*[a-zA-Z])")
_PLAIN: Final = re.compile(r"[\w.:/+@,%*-]+", re.ASCII)

Fields: TypeAlias = list[tuple[str, object]]


def configure(stream: TextIO, *, log_format: Format = "text", level: str = "info", node: str | None = None) -> None:
    """Send the log of all of raftdoc to stream. A second call takes the place of the first.

    `level` is one of debug, info, warning, error. `node` stands in every line, where several nodes share a stream.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(node) if log_format == "json" else TextFormatter(node))
    root = logging.getLogger(ROOT)
    root.handlers = [handler]
    root.setLevel(level.upper())
    root.propagate = False


class TextFormatter(logging.Formatter):
    """`time=... level=info logger=raft event="role changed" group=3`, one line each; a traceback follows below."""

    def __init__(self, node: str | None = None) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        line = " ".join(f"{key}={_quote(value)}" for key, value in _all_fields(record, self._node))
        trace = _trace(self, record)
        return f"{line}\n{trace}" if trace else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line with the same fields; a traceback is the member `trace`."""

    def __init__(self, node: str | None = None) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        members = dict(_all_fields(record, self._node))
        trace = _trace(self, record)
        if trace:
            members["trace"] = trace
        return json.dumps(members, default=str)


class RepeatGate:
    """Lets an event through that is new, or that was last let through ten minutes ago.

    An event is a value under a key: reset the key when the fault is over. Knows the last 256 events; one that it
    has forgotten counts as new.
    """

    __slots__ = ("_repeat_after_ns", "_seen")

    def __init__(self, repeat_after_ns: int = REPEAT_AFTER_NS) -> None:
        self._repeat_after_ns = repeat_after_ns
        self._seen: OrderedDict[tuple[Hashable, Hashable], int] = OrderedDict()

    def opens(self, key: Hashable, value: Hashable, now_ns: int) -> bool:
        """Return whether to log value under key now, and remember it if so. `now_ns`: any clock that only rises."""
        event = (key, value)
        seen_ns = self._seen.get(event)
        if seen_ns is not None and now_ns - seen_ns < self._repeat_after_ns:
            return False
        self._seen[event] = now_ns
        self._seen.move_to_end(event)
        if len(self._seen) > EVENTS_MAX:
            self._seen.popitem(last=False)
        return True

    def reset(self, key: Hashable) -> None:
        """Forget all under key: whatever comes next is new."""
        for event in [event for event in self._seen if event[0] == key]:
            del self._seen[event]


def _all_fields(record: logging.LogRecord, node: str | None) -> Fields:
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields: Fields = [("time", time), ("level", record.levelname.lower())]
    if node is not None:
        fields.append(("node", node))
    fields.append(("logger", record.name.removeprefix(f"{ROOT}.")))
    return fields + _event_fields(record)


def _event_fields(record: logging.LogRecord) -> Fields:
    """Return the event's words and its fields, or all of the message as the event."""
    arguments = record.args
    if isinstance(record.msg, str) and isinstance(arguments, tuple) and arguments:
        pairs = _PAIR.findall(record.msg)
        words = _PAIR.sub("", record.msg)
        if len(pairs) == len(arguments) and "%" not in words:
            values = [_value(form, argument) for (_, form), argument in zip(pairs, arguments, strict=True)]
            return [("event", words.strip()), *zip((key for key, _ in pairs), values, strict=True)]
    return [("event", record.getMessage())]


def _value(form: str, argument: object) -> object:
    """Return what a field is worth: a number rounded as its template says, all else as it is."""
    return float(form % argument) if isinstance(argument, float) and form[-1] in "fge" else argument


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""


def _quote(value: object) -> str:
    """Return value as it stands where it is one plain word, else as a JSON string: one line, whatever is in it."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
