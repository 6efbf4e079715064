"""Values for every message class, made from its annotations."""

from __future__ import annotations

from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from raftdoc.ids import BootId, GroupId
from raftdoc.wire.messages import HANDSHAKE_NUMBERS, MESSAGE_NUMBERS

msgpack_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.binary(max_size=20) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)

LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    Any: msgpack_values,
    GroupId: st.integers(0, (1 << 32) - 1),
    BootId: st.integers(0, (1 << 64) - 1),
    bool: st.booleans(),
    bytes: st.binary(max_size=200),
    str: st.text(max_size=50),
    int: st.integers(-(1 << 63), (1 << 64) - 1),
    NoneType: st.none(),
}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for what the annotation allows."""
    if annotation in LEAVES:
        return LEAVES[annotation]
    if hasattr(annotation, "__supertype__"):
        return st.integers(0, (1 << 63) - 1) if annotation.__supertype__ is int else LEAVES[annotation.__supertype__]
    if hasattr(annotation, "_fields"):
        hints = get_type_hints(annotation)
        return st.builds(annotation, *(values_of(hints[field]) for field in annotation._fields))
    parts = get_args(annotation)
    if get_origin(annotation) is tuple:
        if parts[-1] is Ellipsis:
            return st.lists(values_of(parts[0]), max_size=5).map(tuple)
        return st.tuples(*(values_of(part) for part in parts))
    return st.one_of(*(values_of(part) for part in parts))


messages = st.sampled_from(sorted(MESSAGE_NUMBERS.values(), key=lambda cls: cls.__name__)).flatmap(values_of)
handshakes = st.sampled_from(sorted(HANDSHAKE_NUMBERS.values(), key=lambda cls: cls.__name__)).flatmap(values_of)
items = st.lists(st.tuples(LEAVES[GroupId], messages), max_size=5)
