"""What a frame of the log carries: records, each what one group makes durable in one turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgpack

from raftdoc.ids import GroupId, Incarnation, Index, Term
from raftdoc.raft import Configuration
from raftdoc.raft.messages import Entry, HardState


class LogRecord(NamedTuple):
    """One atomic change of one group's log (P6). Its parts take effect in the order of the fields.

    `compacted` together with `incarnation` resets the log to that point, whatever it holds: so a snapshot is installed.
    """

    group: GroupId
    tombstone: bool
    """The group is gone from this node. With a hard_state only its replica is: what that promised and acknowledged is
    kept, for the case that another one is made here. Nothing else in the record counts."""
    truncate_from: Index | None
    """This entry and all after it are gone."""
    compacted: tuple[Index, Term] | None
    """Entries up to this index are gone: the state that is durable elsewhere holds them."""
    entries: tuple[Entry, ...]
    """They follow the last entry without a gap."""
    hard_state: HardState | None
    configuration: Configuration | None
    """In force at `compacted`, or when the group began here; those after it are found in entries."""
    incarnation: Incarnation | None
    relocated: bool
    """The entries are there already: these are copies, so that an old segment can go. See `SharedLog.relocate`."""


def log_record(
    group: GroupId,
    *,
    tombstone: bool = False,
    truncate_from: Index | None = None,
    compacted: tuple[Index, Term] | None = None,
    entries: tuple[Entry, ...] = (),
    hard_state: HardState | None = None,
    configuration: Configuration | None = None,
    incarnation: Incarnation | None = None,
    relocated: bool = False,
) -> LogRecord:
    """Return a record of what is given."""
    return LogRecord(
        group, tombstone, truncate_from, compacted, entries, hard_state, configuration, incarnation, relocated
    )


def encode_records(records: Sequence[LogRecord]) -> bytes:
    """Return the body of a frame: a msgpack array of the records, each an array of its fields."""
    packed: bytes = msgpack.packb(records if isinstance(records, list) else list(records))
    return packed


def decode_records(body: bytes | memoryview) -> list[LogRecord]:
    """Return what was encoded. The body's checksum has been verified: anything else in it is a bug.

    Entries come as plain tuples: recovery reads three fields of each of a million; who needs more calls `Entry._make`.
    """
    rows: tuple[tuple[Any, ...], ...] = msgpack.unpackb(body, use_list=False, strict_map_key=False)
    return [_decode_record(*row) for row in rows]


def _decode_record(
    group: GroupId,
    tombstone: bool,
    truncate_from: Index | None,
    compacted: tuple[Index, Term] | None,
    entries: tuple[Entry, ...],
    hard_state: tuple[Any, ...] | None,
    configuration: tuple[Any, ...] | None,
    incarnation: Incarnation | None,
    relocated: bool,
) -> LogRecord:
    return LogRecord(
        group,
        tombstone,
        truncate_from,
        compacted,
        entries,
        None if hard_state is None else HardState._make(hard_state),
        None if configuration is None else Configuration._make(configuration),
        incarnation,
        relocated,
    )
