"""Messages to the body of a frame and back. Nothing comes out that its class's annotations do not allow.

    body of MESSAGES    msgpack [wire version, [[group, number, [field, ...]], ...]]
    body of HANDSHAKE   msgpack [magic, lowest version, highest version, number, [field, ...]]

The head of a handshake body and the form of Refuse are the same in every wire version, so that two nodes
that share no version can still tell each other so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgpack

from raftdoc.ids import GroupId
from raftdoc.wire.frames import WireError
from raftdoc.wire.messages import (
    HANDSHAKE_NUMBERS,
    MESSAGE_NUMBERS,
    WIRE_VERSION_MAX,
    WIRE_VERSION_MIN,
    HandshakeMessage,
    Refuse,
)
from raftdoc.wire.shapes import Check, check_group, check_of, describe

MAGIC: Final = "raftdoc"
HANDSHAKE_BYTES_MAX: Final = 4096
ARRAY_LENGTH_QUICK: Final = 256
"""msgpack makes an array's room when it reads its length, before the elements: so much is harmless at any depth."""

Item: TypeAlias = tuple[GroupId, Any]
Body: TypeAlias = bytes | memoryview


class VersionMismatch(WireError):
    """The other side speaks no wire version that this one does."""


class Handshake(NamedTuple):
    version_min: int
    version_max: int
    message: HandshakeMessage


_NUMBER_OF: Final = {cls: number for number, cls in MESSAGE_NUMBERS.items()}
_HANDSHAKE_NUMBER_OF: Final = {cls: number for number, cls in HANDSHAKE_NUMBERS.items()}
_CHECKS: Final[Mapping[int, Check]] = {number: check_of(cls) for number, cls in MESSAGE_NUMBERS.items()}
_HANDSHAKE_CHECKS: Final[Mapping[int, Check]] = {number: check_of(cls) for number, cls in HANDSHAKE_NUMBERS.items()}


def encode_messages(items: Sequence[Item]) -> bytes:
    """Return the body of one frame with messages of any groups, in this order."""
    number_of = _NUMBER_OF
    rows = [(group, number_of[type(message)], message) for group, message in items]
    return msgpack.packb((WIRE_VERSION_MAX, rows))  # type: ignore[no-any-return]


def decode_messages(body: Body) -> list[Item]:
    """Return what `encode_messages` was given; arrays come back as tuples.

    Raises:
        WireError: not msgpack, an unknown message, or a field that its class does not allow.
    """
    value = _unpack(body, len(body))
    if type(value) is not tuple or len(value) != 2 or type(value[1]) is not tuple:
        raise WireError("a frame's body is not [version, messages]")
    if type(value[0]) is not int or value[0] != WIRE_VERSION_MAX:
        raise VersionMismatch(f"messages of wire version {describe(value[0])} on a link of version {WIRE_VERSION_MAX}")
    return [_item(row) for row in value[1]]


def _item(row: Any) -> Item:
    if type(row) is not tuple or len(row) != 3:
        raise WireError("a message is not [group, number, fields]")
    group, number, fields = row
    check = _CHECKS.get(number) if type(number) is int else None
    if check is None:
        raise WireError(f"there is no message number {describe(number)}")
    return check_group(group), check(fields)


def encode_handshake(
    message: HandshakeMessage, *, version_min: int = WIRE_VERSION_MIN, version_max: int = WIRE_VERSION_MAX
) -> bytes:
    """Return the body of a handshake frame."""
    number = _HANDSHAKE_NUMBER_OF[type(message)]
    return msgpack.packb((MAGIC, version_min, version_max, number, message))  # type: ignore[no-any-return]


def decode_handshake(body: Body) -> Handshake:
    """Return what a handshake frame says.

    Raises:
        VersionMismatch: no common version; a Refuse is returned all the same, because its form never changes.
        WireError: not a handshake of this protocol.
    """
    value = _unpack(body, HANDSHAKE_BYTES_MAX)
    if type(value) is not tuple or len(value) != 5 or value[0] != MAGIC:
        raise WireError("not a handshake of raftdoc")
    _, version_min, version_max, number, fields = value
    if not (type(version_min) is type(version_max) is type(number) is int):
        raise WireError("the head of a handshake is damaged")
    is_shared = version_min <= WIRE_VERSION_MAX and version_max >= WIRE_VERSION_MIN
    if not is_shared and HANDSHAKE_NUMBERS.get(number) is not Refuse:
        theirs, ours = f"{version_min} to {version_max}", f"{WIRE_VERSION_MIN} to {WIRE_VERSION_MAX}"
        raise VersionMismatch(f"no wire version in common: {theirs} against {ours} here")
    check = _HANDSHAKE_CHECKS.get(number)
    if check is None:
        raise WireError(f"there is no handshake message number {number}")
    return Handshake(version_min, version_max, check(fields))


def _unpack(body: Body, bytes_max: int) -> Any:
    """Unpack one msgpack value using memory in proportion to the body, whatever the body claims."""
    if len(body) > bytes_max:
        raise WireError(f"a body of {len(body)} bytes is over the limit of {bytes_max}")
    try:
        return _unpack_arrays(body, ARRAY_LENGTH_QUICK)
    except (ValueError, TypeError):
        return _unpack_unusual(body)


def _unpack_unusual(body: Body) -> Any:
    """Unpack what is damaged, or only long."""
    unpacker = msgpack.Unpacker(max_buffer_size=max(1, len(body)))
    try:
        # Safety: skip builds nothing, and fails on a length that the bytes do not back. After it, the arrays
        # together have no more elements than the body has bytes.
        unpacker.feed(body)
        unpacker.skip()
        return _unpack_arrays(body, len(body))
    except (ValueError, TypeError, msgpack.OutOfData) as error:
        raise WireError(f"a body is not msgpack: {str(error) or type(error).__name__}") from None


def _unpack_arrays(body: Body, length_max: int) -> Any:
    return msgpack.unpackb(body, use_list=False, max_array_len=length_max, strict_map_key=False)
