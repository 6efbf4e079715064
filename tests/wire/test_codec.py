"""Messages come back as they were, and nothing else comes back at all."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raftdoc.ids import BootId, GroupId, Index, NodeId, Term
from raftdoc.raft.messages import AppendEntries, Entry, TimeoutNow
from raftdoc.wire.codec import (
    HANDSHAKE_BYTES_MAX,
    VersionMismatch,
    decode_handshake,
    decode_messages,
    encode_handshake,
    encode_messages,
)
from raftdoc.wire.frames import WireError
from raftdoc.wire.messages import (
    HANDSHAKE_NUMBERS,
    MESSAGE_NUMBERS,
    Forward,
    Forwarded,
    Heartbeats,
    Ping,
    Refuse,
    Welcome,
)

from .generated import handshakes, items, values_of

ALL_CLASSES = sorted(MESSAGE_NUMBERS.values(), key=lambda cls: cls.__name__)


def number_of(cls: type) -> int:
    return next(number for number, known in MESSAGE_NUMBERS.items() if known is cls)


def body_of(group: Any, number: Any, fields: Any, version: Any = 1) -> bytes:
    return bytes(msgpack.packb([version, [[group, number, fields]]]))


def types_of(value: Any) -> Any:
    """Return the classes of a message and all that is in it: an equal plain tuple is not the same."""
    if isinstance(value, tuple):
        return type(value), [types_of(part) for part in value]
    return type(value)


# Round trips ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL_CLASSES, ids=lambda cls: cls.__name__)
def test_every_message_comes_back_as_it_was(cls: type) -> None:
    @given(values_of(cls))
    def check(message: Any) -> None:
        ((group, decoded),) = decode_messages(encode_messages([(GroupId(3), message)]))
        assert group == 3
        assert decoded == message
        assert types_of(decoded) == types_of(message)

    check()


@given(items)
def test_a_frame_keeps_groups_and_order(sent: list[tuple[GroupId, Any]]) -> None:
    assert decode_messages(encode_messages(sent)) == sent


@given(handshakes)
def test_every_handshake_message_comes_back_as_it_was(message: Any) -> None:
    body = encode_handshake(message)
    if len(body) <= HANDSHAKE_BYTES_MAX:
        assert decode_handshake(body) == (1, 1, message)


def test_the_encoding_of_version_1_does_not_change() -> None:
    entry = Entry(Index(5), Term(2), 1, 1_700_000_000_000, b"\x91\xa1x")
    append = AppendEntries(Term(2), Index(4), Term(1), Index(3), (entry,), 10, 0, BootId(7))
    sent = [(GroupId(7), append), (GroupId(0), Forward(500, GroupId(0), (b"\x03",), 9))]
    body = "92019293070398020401039195050201cf0000018bcfe56800c40391a1780a000793002094cd01f40091c4010309"
    assert encode_messages(sent).hex() == body
    assert decode_messages(bytes.fromhex(body)) == sent


def test_payloads_of_many_entries_and_commands_pass() -> None:
    commands = tuple(b"%d" % number for number in range(5_000))
    entries = tuple(Entry(Index(n), Term(1), 1, n, b"p" * (n % 7)) for n in range(1, 2_000))
    sent = [
        (GroupId(1), Forward(1, GroupId(1), commands, 1_000)),
        (GroupId(1), AppendEntries(Term(1), Index(0), Term(0), Index(0), entries, 1, 1, BootId(1))),
    ]
    assert decode_messages(encode_messages(sent)) == sent


def test_arrays_in_an_outcome_come_back_as_tuples() -> None:
    sent = Forwarded(9, ((0, ("ok", 1 << 20, True, False, [("ok", 5), {"n": [1]}], 12)),))
    ((_, decoded),) = decode_messages(encode_messages([(GroupId(1), sent)]))
    assert decoded == Forwarded(9, ((0, ("ok", 1 << 20, True, False, (("ok", 5), {"n": (1,)}), 12)),))


def test_no_messages_make_an_empty_frame() -> None:
    assert decode_messages(encode_messages([])) == []


# What a peer must not send ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "not msgpack"),
        (b"\xc1", "not msgpack"),
        (b"\x92\x01", "not msgpack"),
        (b"\x92\x01\x90\x00", "not msgpack"),
        (b"\x90", "version"),
        (b"\x01", "version"),
        (bytes(msgpack.packb([1, [], 3])), "version"),
        (bytes(msgpack.packb([1, {}])), "version"),
        (bytes(msgpack.packb([2, []])), "version 2"),
        (bytes(msgpack.packb([True, []])), "version bool"),
        (bytes(msgpack.packb([1, [5]])), "group, number, fields"),
        (bytes(msgpack.packb([1, [[1, 2]]])), "group, number, fields"),
        (body_of(1, 999, []), "number 999"),
        (body_of(1, True, [1, 1]), "number bool"),
        (body_of(1, "1", [1, 1]), "number str"),
        (body_of(1, [1], [1, 1]), "number"),
    ],
)
def test_a_body_of_another_form_is_refused(body: bytes, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        decode_messages(body)


@pytest.mark.parametrize("group", [-1, 1 << 32, True, None, "1", 1.0])
def test_a_group_that_is_no_group_is_refused(group: Any) -> None:
    with pytest.raises(WireError, match="no group"):
        decode_messages(body_of(group, number_of(TimeoutNow), [1, 2]))


@pytest.mark.parametrize(
    ("cls", "fields"),
    [
        (TimeoutNow, [1]),
        (TimeoutNow, [1, 2, 3]),
        (TimeoutNow, [-1, 2]),
        (TimeoutNow, [1, -2]),
        (TimeoutNow, [True, 2]),
        (TimeoutNow, [1.0, 2]),
        (TimeoutNow, [None, 2]),
        (TimeoutNow, {"term": 1}),
        (TimeoutNow, b"\x01\x02"),
        (TimeoutNow, 7),
        (Forward, [1, 1, [b"x", "text"], 5]),
        (Forward, [1, 1, b"x", 5]),
        (Forward, [1, -1, [b"x"], 5]),
        (Forward, [1, 1 << 32, [b"x"], 5]),
        (Ping, [1, 2, [[1]]]),
        (Ping, [1, 2, [[1, 2, 3]]]),
        (Ping, [1, 2, [[1, -2]]]),
        (Ping, [1, 2, [5]]),
        (Ping, [1, 2, [[1, 2], [1 << 32, 2]]]),
        (Ping, [1, 2, [[1, 2], [1, True]]]),
        (Heartbeats, [1, 2, [1 << 32], [1], [1], [1], [1], [1]]),
        (Heartbeats, [1, 2, [1], [1, -1], [1], [1], [1], [1]]),
        (Heartbeats, [1, 2, [1], [1, True], [1], [1], [1], [1]]),
        (Heartbeats, [1, 2, [1], [1], [1], 1, [1], [1]]),
        (Forwarded, [1, [[0, 5]]]),
        (AppendEntries, [1, 1, 1, 1, [[1, 1, 1, 1]], 1, 1, 1]),
        (AppendEntries, [1, 1, 1, 1, [[1, 1, 1, 1, "text"]], 1, 1, 1]),
        (AppendEntries, [1, 1, 1, 1, [[-1, 1, 1, 1, b""]], 1, 1, 1]),
        (AppendEntries, [1, 1, 1, 1, [b""], 1, 1, 1]),
        (AppendEntries, [1, 1, 1, 1, None, 1, 1, 1]),
    ],
)
def test_fields_that_the_class_does_not_allow_are_refused(cls: type, fields: Any) -> None:
    with pytest.raises(WireError):
        decode_messages(body_of(1, number_of(cls), fields))


@given(st.binary(max_size=300))
@example(b"\xd6\xff\x00\x00\x00\x00")
@example(b"\xc7\x0c\xff" + b"\xff" * 12)
@example(b"\x81\x81\x01\x02\x01")
@example(b"\x92\x01\x91\x93\x01\x06\xa2\xff\xff")
def test_random_bytes_are_decoded_or_refused_and_nothing_else(body: bytes) -> None:
    for decode in (decode_messages, decode_handshake):
        try:
            decode(body)
        except WireError:
            continue


@given(items, st.data())
def test_damaged_bodies_are_decoded_or_refused_and_nothing_else(sent: list[Any], data: st.DataObject) -> None:
    body = bytearray(encode_messages(sent))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_messages(bytes(body))
    except WireError:
        return


ARRAY_32 = b"\xdd\xff\xff\xff\xff"
ARRAY_16 = b"\xdc\xff\xff"


@pytest.mark.parametrize(
    "body",
    [
        ARRAY_32,
        ARRAY_32 * 1000,
        ARRAY_16 * 1000,
        b"\xdc\x01\x00" * 1000,
        b"\xdd\x00\x00\x10\x00" * 1000,
        b"\xdf\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff" * 1000,
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x05",
        b"\x91" * 1_000_000,
        b"\x81\x01" * 500_000,
        ARRAY_16 + b"\x91" * 1000,
        ARRAY_16 + b"\xc0" * 60_000,
    ],
    ids=lambda body: f"{body[:6].hex()}x{len(body)}",
)
def test_hostile_lengths_and_nesting_take_little_memory(body: bytes) -> None:
    tracemalloc.start()
    try:
        for decode in (decode_messages, decode_handshake):
            with pytest.raises(WireError):
                decode(body)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000 + 2 * len(body)
    finally:
        tracemalloc.stop()


# The handshake across versions ------------------------------------------------------------------------


def test_a_node_of_another_version_is_told_so_whatever_its_hello_looks_like() -> None:
    later_hello = bytes(msgpack.packb(["raftdoc", 2, 3, 1, ["c", "n1", "and", "six", "new", "fields", 1, 2, 3]]))
    with pytest.raises(VersionMismatch, match=r"2 to 3 against 1 to 1"):
        decode_handshake(later_hello)


def test_a_refusal_of_another_version_is_read() -> None:
    body = encode_handshake(Refuse("wire_version", "too old"), version_min=2, version_max=3)
    assert decode_handshake(body) == (2, 3, Refuse("wire_version", "too old"))


def test_versions_that_overlap_are_spoken() -> None:
    body = encode_handshake(Welcome(b"m"), version_min=1, version_max=9)
    assert decode_handshake(body).version_max == 9


@pytest.mark.parametrize(
    "body",
    [
        bytes(msgpack.packb(["raftdog", 1, 1, 4, [b"m"]])),
        bytes(msgpack.packb(["raftdoc", 1, 1, 4])),
        bytes(msgpack.packb(["raftdoc", "1", 1, 4, [b"m"]])),
        bytes(msgpack.packb(["raftdoc", 1, 1, True, [b"m"]])),
        bytes(msgpack.packb(["raftdoc", 1, 1, 99, [b"m"]])),
        bytes(msgpack.packb(["raftdoc", 1, 1, 4, ["m"]])),
        bytes(msgpack.packb(["raftdoc", 1, 1, 4, [b"m" * HANDSHAKE_BYTES_MAX]])),
    ],
)
def test_a_handshake_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        decode_handshake(body)


def test_node_ids_pass_as_text() -> None:
    assert len(HANDSHAKE_NUMBERS) == 5
    assert decode_handshake(encode_handshake(Refuse(NodeId("nœud"), "日本"))).message == Refuse("nœud", "日本")
