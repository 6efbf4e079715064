"""The settings of one node: the value they become, and the one table they are read by.

The table decides names, flags, environment variables, the text of `raftdoc serve --help` and what the
operations manual has to list. A setting that is not in the table does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from raftdoc import limits
from raftdoc.ids import ClusterId, NodeId
from raftdoc.server import setting_values as values
from raftdoc.server.setting_values import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one node was told. Addresses as text are `host:port`. Every member is one row of SETTINGS."""

    node: NodeId
    cluster_id: ClusterId
    data: Path
    http: Address
    peer: Address
    peers: Mapping[NodeId, str]
    """The initial members, this node included; read only when the cluster is first started."""
    http_advertise: str
    """A URL without a trailing slash."""
    peer_advertise: str
    host: str
    replicas: int
    join: str
    dial: Mapping[NodeId, str]
    secret: bytes
    secret_file: Path | None
    insecure: bool
    reads: Literal["lease", "readindex"]
    heartbeat_interval_ms: int
    election_timeout_ms: int
    request_timeout_ms: int
    drain_timeout_ms: int
    clock_file: Path | None
    log_segment_bytes: int
    log_bytes_max: int
    log_cache_bytes: int
    disk_reserve_bytes: int
    block_cache_bytes: int
    snapshot_bytes_per_s: int
    document_bytes_max: int
    idempotency_retention_ms: int
    http_connections_max: int
    log_level: str
    log_format: Literal["text", "json"]


class Mark(NamedTuple):
    """Stands where a default is not a value."""

    name: str


REQUIRED = Mark("required")
DERIVED = Mark("derived")


class Setting(NamedTuple):
    """One row. `parse` takes what a file, a variable or a flag holds; its ValueError says what it must be."""

    name: str
    parse: Callable[[Any], Any]
    default: Any
    """REQUIRED, DERIVED (see `default_text`), or the value itself."""
    metavar: str
    help: str
    default_text: str = ""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "RAFTDOC_" + self.name.upper()

    @property
    def is_switch(self) -> bool:
        return self.parse is values.switch

    @property
    def is_secret(self) -> bool:
        """Return whether the value must not be shown."""
        return self.parse is values.secret

    @property
    def is_repeatable(self) -> bool:
        return self.parse is values.node_addresses

    @property
    def default_shown(self) -> str:
        """Return the default as the help and the manual show it."""
        if self.default is REQUIRED:
            return "required"
        if self.default_text:
            return self.default_text
        if isinstance(self.default, bool):
            return "true" if self.default else "false"
        if isinstance(self.default, int):
            return values.shown(self.default, self.name)
        return str(self.default) if self.default else "none"


MS = "MS"
BYTES = "BYTES"
ADDRESS = "HOST:PORT"

SETTINGS: tuple[Setting, ...] = (
    Setting("node", values.node_id, REQUIRED, "ID", "name of this node, unlike that of any other: n1"),
    Setting(
        "cluster_id", values.label, REQUIRED, "NAME", "name of the cluster; nodes and data of another name are refused"
    ),
    Setting("data", values.path, REQUIRED, "DIR", "directory of this node's log and state; made when missing"),
    Setting("http", values.address, Address("127.0.0.1", 8101), ADDRESS, "where clients are served"),
    Setting("peer", values.address, Address("127.0.0.1", 7101), ADDRESS, "where the other nodes are listened to"),
    Setting(
        "peers",
        values.node_addresses,
        DERIVED,
        "ID=HOST:PORT,...",
        "the initial members and their peer addresses, this node included; the same on every node",
        "this node alone",
    ),
    Setting(
        "http_advertise",
        values.url,
        DERIVED,
        "URL",
        "where clients reach this node, when that is not where it listens",
        "http:// and the `http` setting",
    ),
    Setting(
        "peer_advertise",
        values.reachable_address,
        DERIVED,
        ADDRESS,
        "where peers reach this node, when that is not where it listens",
        "its address in `peers`",
    ),
    Setting(
        "host",
        values.label,
        DERIVED,
        "LABEL",
        "the machine this node runs on: replicas are kept on different hosts where possible",
        "the machine's host name",
    ),
    Setting(
        "replicas",
        values.count(1, limits.REPLICAS_MAX),
        limits.REPLICAS,
        "COUNT",
        "replicas of a new database, where there are so many nodes. The same on every node",
    ),
    Setting(
        "join",
        values.url,
        "",
        "URL",
        "any node of a running cluster: this node asks it to join, unless it has joined before; `peers` is not needed",
    ),
    Setting(
        "dial",
        values.node_addresses,
        MappingProxyType({}),
        "ID=HOST:PORT",
        "dial this peer here, whatever it advertises; for tests that stand between nodes",
    ),
    Setting(
        "secret",
        values.secret,
        b"",
        "TEXT",
        "what the nodes of a cluster prove to each other that they know; prefer `secret_file`",
    ),
    Setting("secret_file", values.path, None, "FILE", "file that holds the secret, on its first line"),
    Setting(
        "insecure",
        values.switch,
        False,
        "",
        "listen beyond loopback although there is no authentication: anybody who reaches the port owns the data",
    ),
    Setting(
        "reads",
        values.one_of("lease", "readindex"),
        "lease",
        "lease|readindex",
        "how a linearizable read is made sure of: by the leader's lease, or by a round of messages for every batch",
    ),
    Setting(
        "heartbeat_interval_ms",
        values.milliseconds(10, 10_000),
        limits.HEARTBEAT_INTERVAL_MS,
        MS,
        "how often a leader is heard; at most a third of the election timeout",
    ),
    Setting(
        "election_timeout_ms",
        values.milliseconds(50, 60_000),
        limits.ELECTION_TIMEOUT_MS,
        MS,
        "how long a leader may be silent; a new one is elected after one to two times this. The same on every node",
    ),
    Setting(
        "request_timeout_ms",
        values.milliseconds(1, limits.REQUEST_TIMEOUT_MS_MAX),
        limits.REQUEST_TIMEOUT_MS,
        MS,
        "deadline of a request that names none (Raftdoc-Timeout)",
    ),
    Setting(
        "drain_timeout_ms",
        values.milliseconds(0, limits.REQUEST_TIMEOUT_MS_MAX),
        limits.DRAIN_TIMEOUT_MS,
        MS,
        "how long SIGTERM waits for requests under way and for leadership to be handed over",
    ),
    Setting(
        "clock_file",
        values.path,
        None,
        "FILE",
        "for tests: offset and rate of this node's clocks, read again each tick; a node that has it warns at start",
    ),
    Setting(
        "log_segment_bytes",
        values.byte_count(1 * limits.MIB, 1024 * limits.MIB),
        limits.LOG_SEGMENT_BYTES,
        BYTES,
        "size of one file of the Raft log, allocated at once",
    ),
    Setting(
        "log_bytes_max",
        values.byte_count(16 * limits.MIB, 1024 * 1024 * limits.MIB),
        limits.LOG_BYTES_MAX,
        BYTES,
        "of the Raft log on disk; followers that need more of it get a snapshot instead",
    ),
    Setting(
        "log_cache_bytes",
        values.byte_count(1 * limits.MIB, 16 * 1024 * limits.MIB),
        limits.LOG_CACHE_BYTES,
        BYTES,
        "newest part of the logs kept in memory, of all groups together",
    ),
    Setting(
        "disk_reserve_bytes",
        values.byte_count(0, 1024 * 1024 * limits.MIB),
        limits.DISK_RESERVE_BYTES,
        BYTES,
        "below this much free space the node refuses writes (507) and hands leadership over until space returns",
    ),
    Setting(
        "block_cache_bytes",
        values.byte_count(1 * limits.MIB, 1024 * 1024 * limits.MIB),
        limits.BLOCK_CACHE_BYTES,
        BYTES,
        "memory for blocks of the state read from disk",
    ),
    Setting(
        "snapshot_bytes_per_s",
        values.byte_count(64 * limits.KIB, 16 * 1024 * limits.MIB),
        limits.SNAPSHOT_BYTES_PER_S,
        BYTES,
        "what a node sends of snapshots while it has writes to do, in a second and uncompressed; idle, it sends faster",
    ),
    Setting(
        "document_bytes_max",
        values.byte_count(1 * limits.KIB, limits.DOCUMENT_BYTES_CEILING),
        limits.DOCUMENT_BYTES_MAX,
        BYTES,
        "largest document taken (413 above it). The same on every node",
    ),
    Setting(
        "idempotency_retention_ms",
        values.milliseconds(1000, 365 * 24 * 3600 * 1000),
        limits.IDEMPOTENCY_RETENTION_MS,
        MS,
        "how long the outcome of a write is kept under its idempotency key",
    ),
    Setting(
        "http_connections_max",
        values.count(1, 100_000),
        limits.HTTP_CONNECTIONS_MAX,
        "COUNT",
        "most HTTP connections served at once",
    ),
    Setting(
        "log_level",
        values.one_of("debug", "info", "warning", "error"),
        "info",
        "debug|info|warning|error",
        "least serious line written to standard error",
    ),
    Setting(
        "log_format",
        values.one_of("text", "json"),
        "text",
        "text|json",
        "form of those lines: key=value, or one JSON object each",
    ),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
