"""What is replicated: one table of commands, and how each is encoded.

A command is a msgpack array, encoded once at the edge; the same bytes go to the log, to the peers and to apply:

    [op, level, request, fields of the op ...]

    op       what to do; a number below means one thing for ever
    level    the feature level it is to be done at: what an op *does* changes only with a new level, what its
             fields *are* only with a new op
    request  nil, or [idempotency key, fingerprint, retention in ms]

    op                    level  fields
     1  PUT                 1    collection, id key, document
     2  PUT_IF              1    collection, id key, document, expected revision
     3  CREATE              1    collection, id key, document
     4  CREATE_MANY         1    collection, [id key, document, id key, document, ...], atomic
     5  DELETE              1    collection, id key, expected revision or nil
     6  MODIFY              1    collection, [changes], step, answer, document bytes max, aim
     7  WRITE_MANY          1    collection, [changes], [steps], mode, resume or nil, document bytes max
    32  CREATE_COLLECTION   1    name, options (JSON, sorted names)
    33  DROP_COLLECTION     1    name
    34  SWEEP               1    keys_max
    35  CREATE_INDEX        1    collection, specification (JSON)
    36  DROP_INDEX          1    collection, name
    37  BUILD_INDEX         1    collection, its id, index id, start, stop or nil
    38  EXPIRE              1    collection, its id, index id, documents_max
    48  CLOSE_DATABASE      1    name
    64  INITIALISE          1    cluster id, cursor key
    65  REGISTER_NODE       1    id, store id, http, peer, host
    66  CREATE_DATABASE     1    name, options (JSON, sorted names), replicas, preferred leader, replica count
    67  DROP_DATABASE       1    name
    68  FORGET_DATABASE     1    name, group
    69  ADD_NODE            1    cluster id, id, store id, http, peer, host
    70  SET_NODE_STATE      1    id, state
    71  PLACE_GROUP         1    group, generation, replicas, note
    72  SETTLE_GROUP        1    group, generation
    73  BEGIN_REBALANCING   1    total
    74  END_REBALANCING     1    number, note

1-31 write documents, 32-47 change what a database is made of, 48-63 its life, 64-95 are of the catalog. An expected
revision of 0 means that there must be no document, NEVER that no document will do.

The payload of an entry is an array of commands, put together without looking into them (`batch`). Every node
has to understand an op before anybody proposes it: apply stops at one it does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final

import msgpack
import orjson

from raftdoc.document import DocumentId, id_key
from raftdoc.errors import TooLarge
from raftdoc.ids import ClusterId, GroupId, NodeId, StoreId
from raftdoc.limits import DOCUMENT_BYTES_MAX, REPLICAS
from raftdoc.query.index_definition import IndexDefinition
from raftdoc.sharding.view import NodeState
from raftdoc.statemachine.outcome import Idempotency
from raftdoc.statemachine.update_steps import ATOMIC_STEPS_MAX, STEPS_MAX, Aim, Answer, EncodedChange, Mode, Step

FEATURE_LEVEL: Final = 1
"""The highest level that this code applies."""

NEVER: Final = -1
"""An expected revision that no document has."""

CREATE_MANY_ITEMS_MAX: Final = 16_384
"""Of one command: what it answers has to fit a stored answer, and it is applied in one go."""

CURSOR_KEY_BYTES: Final = 32


class Op(IntEnum):
    PUT = 1
    PUT_IF = 2
    CREATE = 3
    CREATE_MANY = 4
    DELETE = 5
    MODIFY = 6
    WRITE_MANY = 7
    CREATE_COLLECTION = 32
    DROP_COLLECTION = 33
    SWEEP = 34
    CREATE_INDEX = 35
    DROP_INDEX = 36
    BUILD_INDEX = 37
    EXPIRE = 38
    CLOSE_DATABASE = 48
    INITIALISE = 64
    REGISTER_NODE = 65
    CREATE_DATABASE = 66
    DROP_DATABASE = 67
    FORGET_DATABASE = 68
    ADD_NODE = 69
    SET_NODE_STATE = 70
    PLACE_GROUP = 71
    SETTLE_GROUP = 72
    BEGIN_REBALANCING = 73
    END_REBALANCING = 74


def _encode(op: Op, idempotency: Idempotency | None, *fields: Any) -> bytes:
    encoded: bytes = msgpack.packb((int(op), 1, idempotency, *fields))
    return encoded


def put(
    collection: str,
    id: DocumentId,
    document: bytes,
    *,
    if_match: int | None = None,
    if_none_match: bool = False,
    idempotency: Idempotency | None = None,
) -> bytes:
    """Create or replace a document; `document` is normal JSON with `_id` first.

    Outcome: ok with revision and created; precondition_failed; limit_reached (of collections).
    """
    if if_match is None and not if_none_match:
        return _encode(Op.PUT, idempotency, collection, id_key(id), document)
    expected = 0 if if_match is None else NEVER if if_none_match else expected_revision(if_match)
    return _encode(Op.PUT_IF, idempotency, collection, id_key(id), document, expected)


def expected_revision(if_match: int | None) -> int | None:
    """Return the expected revision that If-Match means, None for none; a number that is no revision matches nothing."""
    return if_match if if_match is None or 0 < if_match < 1 << 64 else NEVER


def create(
    collection: str,
    id: DocumentId,
    document: bytes,
    *,
    idempotency: Idempotency | None = None,
) -> bytes:
    """Create a document. Outcome: ok with revision; duplicate_key; limit_reached."""
    return _encode(Op.CREATE, idempotency, collection, id_key(id), document)


def create_many(
    collection: str,
    items: Sequence[tuple[DocumentId, bytes]],
    *,
    atomic: bool,
    idempotency: Idempotency | None = None,
) -> bytes:
    """Create documents in their order, each for itself or all or none.

    Outcome: ok, data = ((code, revision), ...) per item, code ok or duplicate_key; limit_reached. Atomic: ok
    only if all were created; duplicate_key with data = position of the first that exists, and none was.

    Raises:
        TooLarge: more than CREATE_MANY_ITEMS_MAX items.
    """
    if len(items) > CREATE_MANY_ITEMS_MAX:
        raise TooLarge("the number of documents of one command", limit=CREATE_MANY_ITEMS_MAX, unit="documents")
    flat = [part for id_, document in items for part in (id_key(id_), document)]
    return _encode(Op.CREATE_MANY, idempotency, collection, flat, atomic)


def delete(
    collection: str,
    id: DocumentId,
    *,
    if_match: int | None = None,
    idempotency: Idempotency | None = None,
) -> bytes:
    """Delete a document. Outcome: ok; document_not_found; collection_not_found; precondition_failed."""
    return _encode(Op.DELETE, idempotency, collection, id_key(id), expected_revision(if_match))


def modify(
    collection: str,
    step: Step,
    changes: Sequence[EncodedChange] = (),
    *,
    answer: Answer = Answer.NONE,
    bytes_max: int = DOCUMENT_BYTES_MAX,
    aim: Aim = Aim.NAMED,
    idempotency: Idempotency | None = None,
) -> bytes:
    """Change one document in place; `bytes_max` bounds what it may become. Steps and changes: see `update_steps`.

    With Aim.FOUND the step expects the revision that was found.

    Outcome: ok with revision and created, data = {"modified", "document": bytes or None, "id": JSON, of a new one};
    with Aim.FILTERED, where nothing was matched, ok with the data of a WRITE_MANY without steps;
    collection_not_found; document_not_found; precondition_failed; duplicate_key; or what refuses it, with its reason.
    """
    return _encode(Op.MODIFY, idempotency, collection, tuple(changes), step, int(answer), bytes_max, int(aim))


def write_many(
    collection: str,
    steps: Sequence[Step],
    changes: Sequence[EncodedChange] = (),
    *,
    mode: Mode,
    resume: bytes | None = None,
    bytes_max: int = DOCUMENT_BYTES_MAX,
    idempotency: Idempotency | None = None,
) -> bytes:
    """Do several steps. `resume` is given back with the outcome: a retry learns from it where to go on.

    An atomic one with a resume is of documents that were found, as in `modify`.

    Outcome: ok, data = {"results": see `decode_results`, "resume"}: fewer results than steps where an ordered one
    stopped. Atomic: the code of the step that refused, its reason and `position` as data, and nothing was done.

    Raises:
        TooLarge: more steps than one command may have.
    """
    steps_max = ATOMIC_STEPS_MAX if mode == Mode.ATOMIC else STEPS_MAX
    if len(steps) > steps_max:
        raise TooLarge("the number of documents of one command", limit=steps_max, unit="documents")
    return _encode(Op.WRITE_MANY, idempotency, collection, tuple(changes), tuple(steps), int(mode), resume, bytes_max)


def create_collection(
    name: str, options: dict[str, Any] | None = None, *, idempotency: Idempotency | None = None
) -> bytes:
    """Create a collection. Outcome: ok, created or not, data = its id; conflict (other options); limit_reached."""
    return _encode(Op.CREATE_COLLECTION, idempotency, name, encode_options(options))


def drop_collection(name: str, *, idempotency: Idempotency | None = None) -> bytes:
    """Drop a collection with its documents. Outcome: ok; collection_not_found."""
    return _encode(Op.DROP_COLLECTION, idempotency, name)


def sweep(keys_max: int) -> bytes:
    """Remove so many keys of dropped collections and indexes. Outcome: ok, data = whether some are left."""
    return _encode(Op.SWEEP, None, keys_max)


def create_index(collection: str, definition: IndexDefinition, *, idempotency: Idempotency | None = None) -> bytes:
    """Create an index, and its collection if there is none. One that failed is made again.

    Outcome: ok, created or not; conflict (the name has another index, or the index another name); limit_reached.
    """
    return _encode(Op.CREATE_INDEX, idempotency, collection, orjson.dumps(definition.specification()))


def drop_index(collection: str, name: str, *, idempotency: Idempotency | None = None) -> bytes:
    """Drop an index at once; its entries go later. Outcome: ok; index_not_found; collection_not_found."""
    return _encode(Op.DROP_INDEX, idempotency, collection, name)


def build_index(collection: str, collection_id: int, index_id: int, start: bytes, stop: bytes | None) -> bytes:
    """Index the documents with start <= id key < stop; stop None: all that are left, and the index is ready.

    `start` is where the build stands, else nothing is done: a step may be proposed twice, and steps in flight together.
    Outcome: ok, data = state of the index, None: it is gone.
    """
    return _encode(Op.BUILD_INDEX, None, collection, collection_id, index_id, start, stop)


def expire(collection: str, collection_id: int, index_id: int, documents_max: int) -> bytes:
    """Delete so many of the documents that a time-to-live index says are over by log time; large ones, fewer.

    Outcome: ok, data = how many were deleted.
    """
    return _encode(Op.EXPIRE, None, collection, collection_id, index_id, documents_max)


def close_database(name: str, *, idempotency: Idempotency | None = None) -> bytes:
    """Close the database that this group serves: every later command answers database_not_found. Outcome: ok."""
    return _encode(Op.CLOSE_DATABASE, idempotency, name)


def initialise(cluster_id: ClusterId, cursor_key: bytes) -> bytes:
    """Give the catalog its cluster id and the key that signs cursors, drawn by the proposer; the first one counts.

    Outcome: ok, created or not; wrong_cluster (it has another id).
    """
    assert len(cursor_key) == CURSOR_KEY_BYTES, len(cursor_key)
    return _encode(Op.INITIALISE, None, cluster_id, cursor_key)


def register_node(node: NodeId, store: StoreId, *, http: str, peer: str, host: str) -> bytes:
    """Enter an initial member, or the new addresses of any node.

    Outcome: ok, created or not; wrong_store; node_id_used (it was removed); limit_reached.
    """
    return _encode(Op.REGISTER_NODE, None, node, store, http, peer, host)


def add_node(cluster_id: ClusterId, node: NodeId, store: StoreId, *, http: str, peer: str, host: str) -> bytes:
    """Enter a node that asks to join.

    Outcome: ok, created or not; other_cluster; node_id_used (by another store, or it was removed); change_pending
    with data = the node that joins or leaves; limit_reached.
    """
    return _encode(Op.ADD_NODE, None, cluster_id, node, store, http, peer, host)


def set_node_state(node: NodeId, state: NodeState) -> bytes:
    """Bring a node into another state of its life.

    Outcome: ok, also when it is in that state; node_not_found; change_pending with data = the node that joins or
    leaves; quorum_at_risk (nobody would be left); conflict (there is no way from its state to that one).
    """
    return _encode(Op.SET_NODE_STATE, None, node, state)


def place_group(group: GroupId, generation: int, replicas: Sequence[NodeId], *, note: str = "") -> bytes:
    """Say where the replicas of a group are to be; until it is settled they are where they were as well.

    `generation` is that of the record which this placement was made from. `note` says why an earlier one was given up.
    Outcome: ok; conflict (the placement has changed since, or names a node that takes none); group_not_found.
    """
    return _encode(Op.PLACE_GROUP, None, group, generation, tuple(replicas), note)


def settle_group(group: GroupId, generation: int) -> bytes:
    """Say that the replicas of a group are where they are to be, and nowhere else.

    Outcome: ok, also when it is settled; conflict (the placement has changed since); group_not_found.
    """
    return _encode(Op.SETTLE_GROUP, None, group, generation)


def begin_rebalancing(total: int) -> bytes:
    """Begin a rebalancing pass of so many steps, unless one is under way.

    Outcome: ok with data = its number, and created where it is a new one.
    """
    return _encode(Op.BEGIN_REBALANCING, None, total)


def end_rebalancing(number: int, *, note: str = "") -> bytes:
    """Say that a pass is over; `note` says what it had to leave as it was.

    Outcome: ok, also when it was over; conflict (another pass has begun since, or this one never did).
    """
    return _encode(Op.END_REBALANCING, None, number, note)


def create_database(
    name: str,
    options: dict[str, Any] | None,
    *,
    replicas: Sequence[NodeId],
    preferred_leader: NodeId,
    replica_count: int = REPLICAS,
    idempotency: Idempotency | None = None,
) -> bytes:
    """Enter a database; its group is numbered at apply, its placement was chosen by the proposer.

    `replica_count` is how many replicas it is to have once there are so many nodes.

    Outcome: ok, created or not, data = group; conflict (other options, or being dropped); limit_reached.
    """
    placement = tuple(replicas), preferred_leader, replica_count
    return _encode(Op.CREATE_DATABASE, idempotency, name, encode_options(options), *placement)


def drop_database(name: str, *, idempotency: Idempotency | None = None) -> bytes:
    """Mark a database as closing; its own group is closed next, then it is forgotten.

    Outcome: ok, data = group, also when it is closing already; database_not_found.
    """
    return _encode(Op.DROP_DATABASE, idempotency, name)


def forget_database(name: str, group: GroupId) -> bytes:
    """Remove a closing database whose group has committed its close.

    Outcome: ok; database_not_found; conflict (it is open).
    """
    return _encode(Op.FORGET_DATABASE, None, name, group)


def encode_options(options: dict[str, Any] | None) -> bytes:
    """Return options as the bytes that are compared and stored."""
    return orjson.dumps(options or {}, option=orjson.OPT_SORT_KEYS)


def batch(commands: Sequence[bytes]) -> bytes:
    """Return the payload of an entry: an array of commands that are encoded already."""
    count = len(commands)
    if count < 16:
        head = bytes((0x90 | count,))
    elif count < 1 << 16:
        head = b"\xdc" + count.to_bytes(2, "big")
    else:
        head = b"\xdd" + count.to_bytes(4, "big")
    return head + b"".join(commands)


def is_known(command: bytes) -> bool:
    """Return whether this code can apply a command, by its first three bytes.

    A leader asks before it proposes what another node sent: a command that apply does not know stops every replica.
    """
    return len(command) > 2 and command[0] & 0xF0 == 0x90 and command[1] in _OPS and command[2] <= FEATURE_LEVEL


_OPS: Final = frozenset(int(op) for op in Op)
