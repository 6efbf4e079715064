"""The node must stop: see server/crash."""

from __future__ import annotations

from raftdoc.errors.root import RaftdocError


class Fatal(RaftdocError):
    """The node stops: going on could lose or invent data."""

    code = "fatal"
    title = "The node must stop"


class LogCorrupt(Fatal):
    code = "log_corrupt"
    title = "The Raft log is damaged"

    def __init__(self, file: str, offset: int, detail: str) -> None:
        super().__init__(f"{file} at offset {offset}: {detail}")
        self.file = file
        self.offset = offset


class StateCorrupt(Fatal):
    code = "state_corrupt"
    title = "The stored state is damaged"


class DiskFailed(Fatal):
    code = "disk_failed"
    title = "A write to the disk failed"


class WrongCluster(Fatal):
    code = "wrong_cluster"
    title = "The peer or the data belongs to another cluster"


class WrongStore(Fatal):
    code = "wrong_store"
    title = "This node id belongs to another data directory"


class DataDirectoryLocked(Fatal):
    code = "data_directory_locked"
    title = "Another process uses the data directory"


class FormatTooNew(Fatal):
    code = "format_too_new"
    title = "The data directory was written by a newer version"


class NodeRemoved(Fatal):
    code = "node_removed"
    title = "This node was removed from its cluster"


class JoinRefused(Fatal):
    code = "join_refused"
    title = "The cluster does not let this node join"


class InvalidSettings(Fatal):
    """Carries every fault found, one sentence each: an operator mends them all at once."""

    code = "invalid_settings"
    title = "The settings are not valid"

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
