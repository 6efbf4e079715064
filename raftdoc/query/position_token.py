"""Where a page of a query ended: what a cursor carries, beside its signature.

    kind 1 B | length of the index's name 1 B | name | length of the first key 4 B | first key | second key

    kind "p"    documents in the order of ids             second key: the id key
    kind "i"    entries of an index, "r" backwards        first: value key, second: id key
    kind "s"    sorted in memory                          first: sort key, second: id key

A position in an index means something to that index only, one that was sorted in memory to any plan of the query.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812  # the module names its error so
from typing import Final, Literal, NamedTuple, cast

from raftdoc.errors import InvalidCursor

Kind = Literal["p", "q", "i", "r", "s"]
_KINDS: Final = frozenset("pqirs")
_LENGTH = Struct(">I")


class Position(NamedTuple):
    kind: Kind
    """`q` is `p` backwards."""
    index_name: str
    """The name of the index; empty where there is none."""
    first: bytes
    id_key: bytes

    def encode(self) -> bytes:
        name = self.index_name.encode()
        return b"%c%c%b%b%b%b" % (
            ord(self.kind),
            len(name),
            name,
            _LENGTH.pack(len(self.first)),
            self.first,
            self.id_key,
        )


def decode_position(data: bytes) -> Position:
    """Return the position that `encode` was given.

    Raises:
        InvalidCursor: it is none.
    """
    try:
        kind, name_stop = chr(data[0]), 2 + data[1]
        index = data[2:name_stop].decode()
        (length,) = _LENGTH.unpack_from(data, name_stop)
    except (IndexError, StructError, UnicodeDecodeError):
        raise InvalidCursor("the cursor is not one of a query") from None
    start = name_stop + _LENGTH.size
    if kind not in _KINDS or len(data) <= start + length:
        raise InvalidCursor("the cursor is not one of a query")
    return Position(cast("Kind", kind), index, data[start : start + length], data[start + length :])
