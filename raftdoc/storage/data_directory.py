"""The directory of one node: its layout, its lock, its identity.

    DIR/
      lock                  held by the process that uses the directory
      format.json           {"format": 1}: which layout this is; a newer one is refused
      identity.json         {"cluster", "node", "store", "created_ms"}: whose data this is; never changes
      known_stores.json     {node: store}: which directory each peer had when it was first seen
      log/                  segments of the Raft log, and spares
      state/                RocksDB

`store` is drawn when the directory is made. It tells a node that lost its data from the one that it was: such a
node must not vote again under its old name.

A small file is replaced whole: written beside, synced, renamed, the directory synced.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from raftdoc.errors import DataDirectoryLocked, FormatTooNew, StateCorrupt, WrongCluster
from raftdoc.ids import ClusterId, NodeId, StoreId
from raftdoc.storage.log.files import sync_directory

FORMAT: Final = 1
STORE_ID_BYTES: Final = 16


class Identity(NamedTuple):
    cluster: ClusterId
    node: NodeId
    store: StoreId
    created_ms: int


class DataDirectory:
    """Open until `close`; holds the lock for as long."""

    def __init__(self, path: Path, lock_fd: int, identity: Identity, *, is_new: bool) -> None:
        """Use `open`."""
        self.path = path
        self.identity = identity
        self.is_new = is_new
        """The directory was made by this `open`."""
        self._lock_fd = lock_fd

    @classmethod
    def open(cls, path: Path, *, cluster: ClusterId, node: NodeId, now_ms: int = 0, random: bytes = b"") -> Self:
        """Lock the directory of a node of a cluster, and make it if it is missing or empty.

        Args:
            now_ms: wall clock, kept as the time the directory was made.
            random: 16 random bytes for the store id of a new directory; by default the system's.

        Raises:
            DataDirectoryLocked: another process uses it.
            FormatTooNew: a newer version wrote it.
            WrongCluster: it is another cluster's, or another node's.
            StateCorrupt: one of its small files is damaged.
            OSError: it cannot be made, read or written.
        """
        path.mkdir(parents=True, exist_ok=True)
        lock_fd = _lock(path / "lock")
        try:
            _check_format(path)
            identity = _read_identity(path)
            is_new = identity is None
            if identity is None:
                identity = _make(path, cluster, node, now_ms, random or os.urandom(STORE_ID_BYTES))
            _check_identity(path, identity, cluster, node)
        except BaseException:
            os.close(lock_fd)
            raise
        return cls(path, lock_fd, identity, is_new=is_new)

    @staticmethod
    def identity_at(path: Path) -> Identity:
        """Return whose data a directory holds, without taking it.

        Raises:
            StateCorrupt: the record is damaged.
            NotADirectoryError: this is no data directory of a node.
        """
        identity = _read_identity(path) if path.is_dir() else None
        if identity is None:
            raise NotADirectoryError(f"{path} is not the data directory of a node: it has no identity.json")
        return identity

    @property
    def log_path(self) -> Path:
        return self.path / "log"

    @property
    def state_path(self) -> Path:
        return self.path / "state"

    def known_stores(self) -> dict[NodeId, StoreId]:
        """Return which store each peer had when it was first seen.

        Raises:
            StateCorrupt: the record is damaged.
        """
        record = read_record(self.path / "known_stores.json")
        return {} if record is None else {NodeId(node): StoreId(store) for node, store in record.items()}

    def save_known_stores(self, stores: Mapping[NodeId, StoreId]) -> None:
        """Replace the record; durable on return."""
        write_record(self.path / "known_stores.json", dict(stores.items()))

    def close(self) -> None:
        """Let another process have the directory."""
        os.close(self._lock_fd)


def read_record(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a small file, None if there is no such file.

    Raises:
        StateCorrupt: it holds anything else.
    """
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StateCorrupt(f"{path} is damaged: {error}; replace this node") from error
    if not isinstance(record, dict):
        raise StateCorrupt(f"{path} is damaged: it holds no JSON object; replace this node")
    return record


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Replace a small file, whole or not at all; durable on return."""
    beside = path.with_suffix(".new")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(json.dumps(record, indent=2).encode() + b"\n")
        file.flush()
        os.fsync(fd)
    os.rename(beside, path)
    sync_directory(path.parent)


def filesystem_of(path: Path) -> str:
    """Return the type of the file system that a path lies on, `unknown` where the kernel does not tell.

    Source: proc(5), /proc/self/mountinfo: the mount point is the fifth field, the type the first after the dash.
    """
    best, found = "", "unknown"
    target = str(path.resolve())
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        mount = fields[4]
        is_above = target == mount or target.startswith(mount.rstrip("/") + "/")
        if is_above and len(mount) >= len(best):
            best, found = mount, fields[fields.index("-") + 1]
    return found


def _lock(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise DataDirectoryLocked(f"{path.parent} is in use by another process; stop it first") from error
    return fd


def _check_format(path: Path) -> None:
    record = read_record(path / "format.json")
    if record is None:
        return
    found = record.get("format")
    if not isinstance(found, int):
        raise StateCorrupt(f"{path / 'format.json'} is damaged: it names no format; replace this node")
    if found > FORMAT:
        raise FormatTooNew(f"{path} has format {found}, this version knows {FORMAT}; use the version that wrote it")


def _read_identity(path: Path) -> Identity | None:
    record = read_record(path / "identity.json")
    if record is None:
        return None
    try:
        return Identity(
            ClusterId(record["cluster"]), NodeId(record["node"]), StoreId(record["store"]), int(record["created_ms"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StateCorrupt(f"{path / 'identity.json'} is damaged: {error!r}; replace this node") from error


def _make(path: Path, cluster: ClusterId, node: NodeId, now_ms: int, random: bytes) -> Identity:
    """Make a directory; it exists from the moment its identity does."""
    _refuse_remains(path)
    identity = Identity(cluster, node, StoreId(random.hex()), now_ms)
    (path / "log").mkdir(exist_ok=True)
    (path / "state").mkdir(exist_ok=True)
    write_record(path / "format.json", {"format": FORMAT})
    write_record(path / "identity.json", identity._asdict())
    sync_directory(path.parent)
    return identity


def _refuse_remains(path: Path) -> None:
    """A directory with data but without its identity is not a new one."""
    for part in ("log", "state"):
        if (path / part).is_dir() and any((path / part).iterdir()):
            raise StateCorrupt(
                f"{path} has data in {part}/ but no identity.json; restore that file or replace this node"
            )


def _check_identity(path: Path, identity: Identity, cluster: ClusterId, node: NodeId) -> None:
    if identity.cluster != cluster:
        raise WrongCluster(f"{path} belongs to cluster {identity.cluster!r}, not to {cluster!r}")
    if identity.node != node:
        raise WrongCluster(f"{path} belongs to node {identity.node!r}, not to {node!r}")
