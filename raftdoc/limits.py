"""Every bound of the system, in one table, with its unit in its name.

A bound that an operator may change is a setting of `server/config`, whose default stands here.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# Time -------------------------------------------------------------------------------------------
NS_PER_US: Final = 1000
NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
TICK_INTERVAL_MS: Final = 25
HEARTBEAT_INTERVAL_MS: Final = 100
ELECTION_TIMEOUT_MS: Final = 1000
"""W: a follower refuses votes this long after it heard a leader; timeouts are drawn from [W, 2W)."""
CLOCK_RATE_ERROR_MAX: Final = 0.01
"""rho: how far the rate of one node's clock may be from another's."""
LEASE_MARGIN_MS: Final = 5
REQUEST_TIMEOUT_MS: Final = 10_000
REQUEST_TIMEOUT_MS_MAX: Final = 600_000
DRAIN_TIMEOUT_MS: Final = 10_000
WALL_CLOCK_SKEW_MS_MAX: Final = 10_000
LOOP_BLOCK_MS_MAX: Final = 5

# Documents --------------------------------------------------------------------------------------
DOCUMENT_BYTES_MAX: Final = 1 * MIB
DOCUMENT_BYTES_CEILING: Final = 16 * MIB
DOCUMENT_DEPTH_MAX: Final = 100
DOCUMENT_ID_BYTES_MAX: Final = 512
NAME_LENGTH_MAX: Final = 120
INTEGER_MIN: Final = -(1 << 63)
INTEGER_MAX: Final = (1 << 63) - 1
LIST_LIMIT_DEFAULT: Final = 100
LIST_LIMIT_MAX: Final = 10_000
LIST_BYTES_MAX: Final = 16 * MIB
FILTER_DEPTH_MAX: Final = 100
"""Levels of `$and $or $nor $not $elemMatch` in each other."""
FILTER_VALUES_MAX: Final = 4096
"""Of one `$in`, `$nin` or `$all`."""
FILTER_TESTS_MAX: Final = 1_000_000
"""Of one document by a filter or a sort: some 200 ms. Conditions or fields, times elements of arrays."""
DOCUMENT_TESTS_PER_BYTE_MAX: Final = 2
"""Where that is more than FILTER_TESTS_MAX: a short filter may go through a large document a few times."""
UPDATE_TESTS_MAX: Final = 1_000_000
"""Of elements of arrays, by the conditions and the operators of one update, in one document: some 200 ms."""
SKIP_MAX: Final = 10_000_000
SORT_BYTES_MAX: Final = 64 * MIB
"""What one query may hold to sort in memory."""
DISTINCT_BYTES_MAX: Final = 16 * MIB
SCAN_SLICE_BYTES: Final = 64 * KIB
"""A scan looks at the clock after this many bytes of documents, or 16 documents."""
GET_MANY_IDS_MAX: Final = 10_000
BULK_BYTES_MAX: Final = 64 * MIB
BULK_DOCUMENTS_MAX: Final = 100_000
ATOMIC_BATCH_BYTES_MAX: Final = 8 * MIB
PATCH_OPERATIONS_MAX: Final = 1000
"""Of one JSON Patch: it is applied in one go."""

# The catalog ------------------------------------------------------------------------------------
DATABASES_MAX: Final = 256
REPLICAS: Final = 3
"""Of a database's group, where there are so many nodes."""
REPLICAS_MAX: Final = 7
REMOVED_NODES_MAX: Final = 4096
"""Their ids are kept, so that none is used again."""
COLLECTIONS_MAX: Final = 10_000

# Indexes ----------------------------------------------------------------------------------------
INDEXES_MAX: Final = 64
"""Of one collection."""
INDEX_FIELDS_MAX: Final = 32
INDEX_DEFINITION_BYTES_MAX: Final = 16 * KIB
"""As JSON: it is written again with every step of its build, and its filter is asked at every write."""
INDEX_KEY_BYTES_MAX: Final = 2 * KIB
INDEX_ENTRIES_PER_DOCUMENT_MAX: Final = 1000
"""In one index: the entries of a document change in one go, together with it."""
INDEX_WORK_MAX: Final = 512_000
"""Of one document in all indexes, or one for each of its bytes: fields times elements of arrays; some 300 ms."""
INDEX_SHARE_MAX: Final = 64_000
"""What one index may take of that."""
TTL_S_MAX: Final = (1 << 31) - 1
INDEX_STEP_DOCUMENTS_MAX: Final = 200
INDEX_STEP_BYTES_MAX: Final = 128 * KIB
"""One step of a build is applied in one go, some 2 ms."""
INDEX_STEPS_IN_FLIGHT_MAX: Final = 8
INDEX_STEPS_IN_FLIGHT_MAX_BUSY: Final = 8
"""While others write: they go with their turns. All of them in one entry are applied in some 4 ms."""
INDEX_STEP_DOCUMENTS_MAX_BUSY: Final = 52
INDEX_STEP_INTERVAL_MS_BUSY: Final = 3
"""Beside other writers, so many documents at a time and so often: 17,000 a second, some 20 % of a core of each node."""
INDEX_BUSY_MS: Final = 250
"""After the last write of somebody else."""
EXPIRE_DOCUMENTS_MAX: Final = 64
EXPIRE_BYTES_MAX: Final = 2 * MIB
"""After so much of documents one entry expires no more."""

# Queries ----------------------------------------------------------------------------------------
QUERY_PARTS_MAX: Final = 2048
"""Members and nested elements of a filter, an update, a projection or a pipeline: read in one go, 3 to 15 us each."""
QUERY_VALUES_MAX: Final = 8192
"""Elements of all its arrays, at 0.5 to 3 us each."""
PIPELINE_STAGES_MAX: Final = 1000
PIPELINE_DEPTH_MAX: Final = 20
"""Pipelines inside of pipelines, as of `$lookup`."""
PIPELINE_BYTES_MAX: Final = 64 * MIB
"""Of documents, as JSON, that one stage holds: a sort, a group, a join. In Python they take some five times that."""

# Exactly once -----------------------------------------------------------------------------------
IDEMPOTENCY_KEY_BYTES_MAX: Final = 128
IDEMPOTENCY_RETENTION_MS: Final = 24 * 3600 * 1000
IDEMPOTENCY_RECORDS_MAX: Final = 1_000_000
IDEMPOTENCY_ANSWER_BYTES_MAX: Final = 64 * KIB
IDEMPOTENCY_KEY_AHEAD_MS_MAX: Final = 5 * 60 * 1000

# Entries and proposals --------------------------------------------------------------------------
ENTRY_COMMANDS_MAX: Final = 256
ENTRY_BYTES_MAX: Final = 128 * KIB
"""A batch is cut here, because an entry is applied in one go: some 300 small documents, 3 ms. One command alone may be
larger, up to COMMAND_BYTES_MAX."""
APPLY_WORK_BYTES_MAX: Final = 512 * KIB
"""After so much of documents that commands change, the entries that follow are applied with the next call."""
COMMAND_BYTES_MAX: Final = 17 * MIB
UNCOMMITTED_BYTES_MAX_GROUP: Final = 32 * MIB
UNCOMMITTED_BYTES_MAX_NODE: Final = 128 * MIB
APPLY_LAG_ENTRIES_MAX: Final = 4096
READ_QUEUE_MAX: Final = 10_000
PROPOSALS_WAITING_MAX: Final = 50_000
APPLY_SLICE_MS: Final = 2
APPLY_REST_MS: Final = 20
"""So long a replica that nobody waits for lets entries come together before it applies them."""
DIGEST_INTERVAL_ENTRIES: Final = 1024
"""Replicas compare their states after every so many entries."""
APPLY_FETCH_KEYS: Final = 32
"""Documents that apply looks up together, and so holds in memory at a time."""
APPLY_CHANGES_MAX: Final = 500
"""Keys that one slice of apply changes, but for its last entry: a step of an index build is few bytes and much work."""
SCAN_SLICE_MS: Final = 1

# Replication ------------------------------------------------------------------------------------
INFLIGHT_MESSAGES_MAX: Final = 256
INFLIGHT_BYTES_MAX: Final = 8 * MIB
APPEND_BYTES_MAX: Final = 1 * MIB
CLUSTER_NODES_MAX: Final = 64

# Snapshots --------------------------------------------------------------------------------------
SNAPSHOT_CHUNK_BYTES: Final = 256 * KIB
"""Of keys and values: some 600 small documents, 2 ms of the loop to make or to write."""
SNAPSHOT_WINDOW_CHUNKS: Final = 16
"""Sent and not yet written by the receiver, which holds them in memory."""
SNAPSHOT_WINDOW_BYTES: Final = 8 * MIB
"""The same, of keys and values; one chunk alone may have more."""
SNAPSHOT_STREAMS_MAX: Final = 2
"""That a node sends at a time, and that it receives at a time."""
SNAPSHOT_BYTES_PER_S: Final = 16 * MIB
"""What a node that has writes to do sends of snapshots."""
SNAPSHOT_IDLE_BYTES_PER_S: Final = 512 * MIB
SNAPSHOT_RESEND_MS: Final = 1000
"""A stream without any answer for so long begins again where the receiver is."""
SNAPSHOT_SILENCE_MS_MAX: Final = 30_000
"""A stream that nothing was heard of for so long is given up, by either side."""
SNAPSHOT_BACKOFF_MS_MIN: Final = 200
SNAPSHOT_BACKOFF_MS_MAX: Final = 10_000
SNAPSHOT_DAMAGES_MAX: Final = 8
"""Damaged chunks after which a stream is given up."""
SNAPSHOT_HOLD_MS: Final = 10_000
"""How long after a transfer the log behind it is kept, so that the follower need not have another."""
SNAPSHOT_PROGRESS_MS: Final = 5000
INCARNATION_DROP_KEYS: Final = 500
INCARNATION_DROP_PAUSE_MS: Final = 2

# The wire ---------------------------------------------------------------------------------------
FRAME_BYTES_MAX: Final = 64 * MIB
PEER_QUEUE_BYTES_MAX: Final = 64 * MIB
PEER_QUEUE_FRAMES_MAX: Final = 4096
PEER_HEARTBEAT_QUEUE_BYTES_MAX: Final = 1 * MIB
"""Heartbeats and answers that wait longer than this many bytes last are of no use to anybody."""
PEER_WRITE_BUFFER_BYTES_MAX: Final = 1 * MIB
"""Handed to the kernel's side of a connection before frames begin to queue here."""
PEER_SILENCE_MS_MAX: Final = 3000
"""A connection whose peer acknowledges nothing, or takes nothing, for this long is broken."""
PEER_HANDSHAKES_MAX: Final = 256
"""Connections that have not yet said who they are; the oldest gives way."""
PEER_CLOSE_TIMEOUT_MS: Final = 500
HANDSHAKE_TIMEOUT_MS: Final = 2000
RECONNECT_BACKOFF_MS_MIN: Final = 20
RECONNECT_BACKOFF_MS_MAX: Final = 1000

# The log on disk --------------------------------------------------------------------------------
LOG_SEGMENT_BYTES: Final = 16 * MIB
"""Recovery scans one segment at most, and two are written before a new node starts: hence not more."""
LOG_BYTES_MAX: Final = 1024 * MIB
"""Above this, what lagging groups left in old segments is written again at the head, so that these can go."""
LOG_CACHE_BYTES: Final = 32 * MIB
"""Entries of the newest part of the log kept in memory, per node."""
LOG_LOOP_WRITE_BYTES_MAX: Final = 64 * KIB
"""What the loop itself writes and syncs, instead of handing it to the log writer's thread."""
LOG_LOOP_WRITE_US_MAX: Final = 5000
"""A write that took longer than this has the thread do the next ones, LOG_LOOP_WRITE_PAUSE times as long."""
LOG_LOOP_WRITE_MEAN_US_MAX: Final = 2000
"""Where small writes take longer than this in the mean, the thread does all of them."""
LOG_LOOP_WRITE_PAUSE: Final = 32
"""Slow writes hold the loop for no more than a 32nd of its time."""
DISK_RESERVE_BYTES: Final = 64 * MIB
FLUSH_APPLIED_BYTES: Final = 32 * MIB
BLOCK_CACHE_BYTES: Final = 64 * MIB

# HTTP -------------------------------------------------------------------------------------------
HTTP_CONNECTIONS_MAX: Final = 4096
OPTIONS_BYTES_MAX: Final = 32 * KIB
"""Of the body of an operation that is about something else than documents."""
PARSED_AT_ONCE_BYTES_MAX: Final = 32 * KIB
"""What is larger is parsed in a thread; a document that is not takes the loop LOOP_BLOCK_MS_MAX at worst."""
PARSE_QUEUE_BYTES_MAX: Final = 128 * MIB
"""Of bodies and lines that wait for that thread; one alone may have any size."""
DESCRIPTORS_MIN: Final = 512
"""Files of the state (256) and of the log, links to peers, and some clients."""
HTTP_HEADER_BYTES_MAX: Final = 8190
HTTP_PATH_BYTES_MAX: Final = 8190
HTTP_PIPELINE_MAX: Final = 32
"""Requests of one connection that wait; more are left in the socket."""
HTTP_IDLE_S_MAX: Final = 75
HTTP_LINGER_S_MAX: Final = 2
"""How long a connection that was refused in mid-body is still read, so that the answer arrives."""
MIN_INDEX_GROUPS_MAX: Final = 256
CURSOR_BYTES_MAX: Final = 6144
