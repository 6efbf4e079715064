"""Where a page of a query ended: what a cursor carries, beside its signature.

    kind 1 B | id of the index 4 B | length of the first key 4 B | first key | second key

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
_KINDS: Final = frozenset({b"p", b"q", b"i", b"r", b"s"})
_HEAD = Struct(">cII")


class Position(NamedTuple):
    kind: Kind
    """`q` is `p` backwards."""
    index_id: int
    """Of `IndexDefinition`: not of another index that has the same name later; 0 where there is none."""
    first: bytes
    id_key: bytes

    def encode(self) -> bytes:
        return _HEAD.pack(self.kind.encode(), self.index_id, len(self.first)) + self.first + self.id_key


def decode_position(data: bytes) -> Position:
    """Return the position that `encode` was given.

    Raises:
        InvalidCursor: it is none.
    """
    try:
        kind, index_id, length = _HEAD.unpack_from(data)
    except StructError:
        raise InvalidCursor("the cursor is not one of a query") from None
    stop = _HEAD.size + length
    if kind not in _KINDS or len(data) <= stop:
        raise InvalidCursor("the cursor is not one of a query")
    return Position(cast("Kind", kind.decode()), index_id, data[_HEAD.size : stop], data[stop:])
