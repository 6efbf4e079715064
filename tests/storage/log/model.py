"""What the log should hold, as plainly as can be; and small logs to test with."""

from __future__ import annotations

from typing import NamedTuple

from raftdoc.ids import GroupId, Incarnation, Index, NodeId, Term
from raftdoc.limits import LOG_BYTES_MAX
from raftdoc.raft import Configuration
from raftdoc.raft.messages import Entry, EntryKind, HardState
from raftdoc.storage.log.files import LogFiles
from raftdoc.storage.log.log import LogRecord, SharedLog

SEGMENT_BYTES = 4096


class GroupModel(NamedTuple):
    """`hard_state` without its commit index, which is a hint."""

    hard_state: HardState = HardState()
    configuration: Configuration = Configuration(())
    incarnation: Incarnation = Incarnation(0)
    compacted: tuple[Index, Term] = (Index(0), Term(0))
    entries: tuple[Entry, ...] = ()

    @property
    def last_index(self) -> Index:
        return Index(self.compacted[0] + len(self.entries))

    @property
    def last_term(self) -> Term:
        return self.entries[-1].term if self.entries else self.compacted[1]

    def apply(self, record: LogRecord) -> GroupModel:
        entries, compacted = self.entries, self.compacted
        if record.truncate_from is not None:
            entries = tuple(entry for entry in entries if entry.index < record.truncate_from)
        if record.compacted is not None and record.compacted[0] > compacted[0]:
            compacted = record.compacted
            entries = tuple(entry for entry in entries if entry.index > compacted[0])
        if not record.relocated:
            entries += record.entries
        return GroupModel(
            record.hard_state._replace(commit=Index(0)) if record.hard_state else self.hard_state,
            record.configuration or self.configuration,
            self.incarnation if record.incarnation is None else record.incarnation,
            compacted,
            entries,
        )


class LogModel(NamedTuple):
    """The groups of a log at one moment."""

    groups: dict[GroupId, GroupModel]

    def apply(self, records: list[LogRecord]) -> LogModel:
        groups = dict(self.groups)
        for record in records:
            if record.tombstone:
                groups.pop(record.group, None)
            else:
                groups[record.group] = groups.get(record.group, GroupModel()).apply(record)
        return LogModel(groups)


def observe(log: SharedLog) -> LogModel:
    """Return what a log holds, every live entry read back from the files."""
    groups = {}
    for group, found in log.groups.items():
        entries: list[Entry] = []
        if found.last_index > found.compacted_index:
            entries = log.reader(group).read(Index(found.compacted_index + 1), found.last_index, 1 << 30)
        model = GroupModel(
            found.hard_state._replace(commit=Index(0)),
            found.configuration,
            found.incarnation,
            (found.compacted_index, found.compacted_term),
            tuple(entries),
        )
        assert (model.last_index, model.last_term) == (found.last_index, found.last_term)
        assert list(found.term_runs) == _term_runs(entries)
        groups[group] = model
    return LogModel(groups)


def _term_runs(entries: list[Entry]) -> list[tuple[Index, Term]]:
    runs: list[tuple[Index, Term]] = []
    for entry in entries:
        if not runs or runs[-1][1] != entry.term:
            runs.append((entry.index, entry.term))
    return runs


def open_log(
    files: LogFiles, *, life: int = 1, reserve_bytes: int = 0, log_bytes_max: int = LOG_BYTES_MAX
) -> SharedLog:
    return SharedLog.open(
        files.path(""),
        files=files,
        life=life,
        segment_bytes=SEGMENT_BYTES,
        reserve_bytes=reserve_bytes,
        log_bytes_max=log_bytes_max,
    )


def commit(log: SharedLog, *records: LogRecord) -> None:
    """Append one frame and make it durable."""
    pending = log.append(records)
    log.write([pending])
    log.durable(pending)


def entry(index: int, term: int = 1, payload: bytes = b"payload") -> Entry:
    return Entry(Index(index), Term(term), EntryKind.COMMANDS, index, payload)


def entries(first: int, last: int, term: int = 1, payload: bytes = b"payload") -> tuple[Entry, ...]:
    return tuple(entry(index, term, payload) for index in range(first, last + 1))


def voted(term: int, vote: str | None = None, commit_index: int = 0) -> HardState:
    return HardState(Term(term), None if vote is None else NodeId(vote), Index(commit_index))
