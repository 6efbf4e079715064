"""Who is at the other end of a connection, decided without I/O.

    dialler                                        dialled
      Hello: I am n1 of c, I want n2, nonce    ->
                                               <-  Challenge: I am n2 of c, nonce
      Proof: HMAC(secret, both bodies)         ->
                                               <-  Welcome: HMAC(secret, both bodies), the other way

Either side says Refuse instead, with a reason that its operator and the other's can act on. The HMAC covers the
very bytes of Hello and Challenge: both nonces, both identities and the versions offered. Who dials proves
itself first, so that a stranger who dials gets nothing to guess the secret from. What follows on the connection
is neither signed nor encrypted: the network between the nodes has to be trusted.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Final

from raftdoc.errors import InvalidSettings
from raftdoc.ids import BootId, ClusterId, NodeId, StoreId
from raftdoc.transport.transport import Lane, Peer, Refusal, parse_address
from raftdoc.wire.codec import Body, Handshake, VersionMismatch, decode_handshake, encode_handshake
from raftdoc.wire.frames import WireError
from raftdoc.wire.messages import WIRE_VERSION_MAX, WIRE_VERSION_MIN, Challenge, Hello, Proof, Refuse, Welcome

NONCE_BYTES: Final = 32

MALFORMED: Final = "malformed"
WIRE_VERSION: Final = "wire_version"
WRONG_CLUSTER: Final = "wrong_cluster"
WRONG_SECRET: Final = "wrong_secret"
OWN_ID: Final = "own_id"
OTHER_NODE: Final = "other_node"
DUPLICATE_NODE: Final = "duplicate_node"
NOT_ADMITTED: Final = "not_admitted"
REMOVED: Final = "removed"
TOO_SLOW: Final = "too_slow"
TOO_MANY: Final = "too_many"
REFUSAL_CODES: Final = (
    MALFORMED,
    WIRE_VERSION,
    WRONG_CLUSTER,
    WRONG_SECRET,
    OWN_ID,
    OTHER_NODE,
    DUPLICATE_NODE,
    NOT_ADMITTED,
    REMOVED,
    TOO_SLOW,
    TOO_MANY,
)
"""Stable: operators search for them, and they label a metric."""


class Refused(Exception):
    """The handshake ended with a refusal."""

    def __init__(self, refusal: Refusal, *, is_ours: bool) -> None:
        super().__init__(f"{refusal.code}: {refusal.detail}")
        self.refusal = refusal
        self.is_ours = is_ours
        """True: this side refuses, and owes the other a Refuse. False: the other side has refused."""


@dataclass(frozen=True, slots=True)
class Local:
    """This node, as it shows itself to others."""

    cluster: ClusterId
    node: NodeId
    store_id: StoreId
    boot_id: BootId
    secret: bytes = field(repr=False)
    """Shared by all nodes of the cluster; empty proves nothing but equal emptiness."""
    address: str = ""
    """Where this node is dialled: told to those it dials, who may know an older address."""


class DiallerHandshake:
    """The side that dials. `hello`, then `receive` per frame until it returns None: `peer` is proven."""

    def __init__(self, local: Local, expected: NodeId, lane: Lane, nonce: bytes) -> None:
        self._local = local
        self._expected = expected
        self._hello = encode_handshake(
            Hello(local.cluster, local.node, local.store_id, local.boot_id, expected, local.address, lane, nonce)
        )
        self._transcript: bytes | None = None
        self.peer: Peer | None = None

    def hello(self) -> bytes:
        """Return the first body to send."""
        return self._hello

    def receive(self, body: Body) -> bytes | None:
        """Take the body of a frame; return the body to send next, or None at the end.

        Raises:
            Refused: by either side.
        """
        message = _decode(body).message
        if isinstance(message, Challenge) and self.peer is None:
            return self._take_challenge(message, body)
        if isinstance(message, Welcome) and self._transcript is not None:
            _verify(self._local.secret, _DIALLED, self._transcript, message.mac)
            self._transcript = None
            return None
        raise _refused(MALFORMED, f"{type(message).__name__} is not what comes next")

    def _take_challenge(self, challenge: Challenge, body: Body) -> bytes:
        _check_identity(self._local, challenge)
        if challenge.node != self._expected:
            raise _refused(OTHER_NODE, f"node {challenge.node} answers where {self._expected} was expected")
        if not WIRE_VERSION_MIN <= challenge.version <= WIRE_VERSION_MAX:
            raise _refused(WIRE_VERSION, f"wire version {challenge.version} was chosen, which is not spoken here")
        self.peer = Peer(challenge.node, challenge.store_id, challenge.boot_id)
        self._transcript = self._hello + bytes(body)
        return encode_handshake(Proof(_mac(self._local.secret, _DIALLER, self._transcript)))


class DialledHandshake:
    """The side that is dialled. `receive` per frame until it returns None, then `welcome` or a Refuse."""

    def __init__(self, local: Local, nonce: bytes) -> None:
        self._local = local
        self._nonce = nonce
        self._transcript: bytes | None = None
        self.claimed: NodeId | None = None
        """Who the caller says it is, proven or not; for log lines."""
        self.peer: Peer | None = None
        self.lane = Lane.HEARTBEAT
        self.is_proven = False
        """The caller knows the secret."""

    def receive(self, body: Body) -> bytes | None:
        """Take the body of a frame; return the body to send next, or None once `peer` and `lane` are proven.

        Raises:
            Refused: by either side.
        """
        _, version_max, message = _decode(body)
        if isinstance(message, Hello) and self.peer is None:
            return self._take_hello(message, body, min(version_max, WIRE_VERSION_MAX))
        if isinstance(message, Proof) and self._transcript is not None and not self.is_proven:
            _verify(self._local.secret, _DIALLER, self._transcript, message.mac)
            self.is_proven = True
            return None
        raise _refused(MALFORMED, f"{type(message).__name__} is not what comes next")

    def welcome(self) -> bytes:
        """Return the last body to send."""
        assert self._transcript is not None
        assert self.is_proven
        return encode_handshake(Welcome(_mac(self._local.secret, _DIALLED, self._transcript)))

    def _take_hello(self, hello: Hello, body: Body, version: int) -> bytes:
        local = self._local
        self.claimed = hello.node
        _check_identity(local, hello)
        if hello.peer != local.node:
            raise _refused(OTHER_NODE, f"this is node {local.node}; the caller expected {hello.peer} at this address")
        if hello.lane not in tuple(Lane):
            raise _refused(MALFORMED, f"there is no lane {hello.lane}")
        _check_address(hello.address)
        self.lane = Lane(hello.lane)
        self.peer = Peer(hello.node, hello.store_id, hello.boot_id, hello.address)
        challenge = encode_handshake(
            Challenge(local.cluster, local.node, local.store_id, local.boot_id, version, self._nonce)
        )
        self._transcript = bytes(body) + challenge
        return challenge


def removal_of(node: NodeId) -> str:
    """Return the detail of the refusal of a node that was removed from its cluster."""
    return f"node {node} was removed from this cluster; start a new node under another id"


def encode_refusal(refusal: Refusal) -> bytes:
    """Return the body that tells the other side why."""
    return encode_handshake(Refuse(*refusal))


_DIALLER: Final = b"raftdoc dialler "
_DIALLED: Final = b"raftdoc dialled "


def _mac(secret: bytes, role: bytes, transcript: bytes) -> bytes:
    return hmac.digest(secret, role + transcript, "sha256")


def _verify(secret: bytes, role: bytes, transcript: bytes, mac: bytes) -> None:
    if not hmac.compare_digest(_mac(secret, role, transcript), mac):
        raise _refused(WRONG_SECRET, "the two nodes do not have the same cluster secret")


def _check_identity(local: Local, other: Hello | Challenge) -> None:
    if other.cluster != local.cluster:
        raise _refused(
            WRONG_CLUSTER, f"node {other.node} belongs to cluster {other.cluster}, this one to {local.cluster}"
        )
    if other.node == local.node:
        raise _refused(OWN_ID, f"both ends say that they are node {local.node}")
    if len(other.nonce) != NONCE_BYTES:
        raise _refused(MALFORMED, f"a nonce of {len(other.nonce)} bytes")


def _check_address(address: str) -> None:
    try:
        if address:
            parse_address(address)
    except InvalidSettings as error:
        raise _refused(MALFORMED, error.detail) from None


def _decode(body: Body) -> Handshake:
    try:
        handshake = decode_handshake(body)
    except VersionMismatch as error:
        raise _refused(WIRE_VERSION, str(error)) from None
    except WireError as error:
        raise _refused(MALFORMED, str(error)) from None
    message = handshake.message
    if isinstance(message, Refuse):
        raise Refused(Refusal(message.code, message.detail), is_ours=False)
    return handshake


def _refused(code: str, detail: str) -> Refused:
    return Refused(Refusal(code, detail), is_ours=True)
