"""Keys: a group is one range, kinds are ranges in it, and each kind lies in the order that its readers rely on."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.ids import GroupId, Incarnation
from raftdoc.storage.keyspace import (
    GroupKeys,
    KeyHead,
    KeyKind,
    group_range,
    parse_head,
    prefix_stop,
)

u32 = st.integers(0, (1 << 32) - 2)
keyspaces = st.builds(GroupKeys, u32.map(GroupId), u32.map(Incarnation))
id_keys = st.binary(max_size=20)
names = st.text(alphabet=st.characters(codec="utf-8"), max_size=12)


def some_keys(keys: GroupKeys) -> list[bytes]:
    return [
        keys.meta("applied"),
        keys.collection("orders"),
        keys.digest(7),
        keys.document(7, b"\x01"),
        keys.index_prefix(7, 2) + b"\x02\x01",
        keys.change(1 << 40),
        keys.dedup("a-key"),
        keys.dedup_expiry(123, "a-key"),
    ]


@given(keyspaces)
def test_every_key_lies_in_the_range_of_its_incarnation_and_of_its_kind(keys: GroupKeys) -> None:
    start, stop = keys.range()
    for key, kind in zip(some_keys(keys), KeyKind, strict=True):
        assert start <= key < stop
        kind_start, kind_stop = keys.kind_range(kind)
        assert start <= kind_start <= key < kind_stop <= stop
        assert parse_head(key) == KeyHead(keys.group, keys.incarnation, kind)


@given(keyspaces, keyspaces)
def test_ranges_of_different_incarnations_are_apart_and_in_order(first: GroupKeys, second: GroupKeys) -> None:
    one, other = sorted([first, second], key=lambda keys: (keys.group, keys.incarnation))
    if (one.group, one.incarnation) != (other.group, other.incarnation):
        assert one.range()[1] <= other.range()[0]
        assert max(some_keys(one)) < min(some_keys(other))


@given(keyspaces)
def test_a_groups_range_holds_all_its_incarnations(keys: GroupKeys) -> None:
    start, stop = group_range(keys.group)
    assert all(start <= key < stop for key in some_keys(keys))


def test_kinds_are_in_the_order_of_their_numbers() -> None:
    keys = GroupKeys(GroupId(1), Incarnation(1))
    assert all(before < after for before, after in pairwise(some_keys(keys)))


@given(keyspaces, st.lists(st.tuples(u32, id_keys), max_size=20))
def test_documents_lie_by_collection_and_then_by_id_key(keys: GroupKeys, documents: list[tuple[int, bytes]]) -> None:
    assert sorted(keys.document(*document) for document in documents) == [
        keys.document(*document) for document in sorted(documents)
    ]
    for collection, id_key in documents:
        start, stop = keys.document_range(collection)
        key = keys.document(collection, id_key)
        assert start <= key < stop
        assert key == keys.document_prefix(collection) + id_key


@given(keyspaces, st.lists(st.integers(0, (1 << 64) - 1), max_size=20))
def test_changes_lie_in_the_order_of_their_revisions(keys: GroupKeys, revisions: list[int]) -> None:
    assert sorted(map(keys.change, revisions)) == [keys.change(revision) for revision in sorted(revisions)]


@given(keyspaces, st.lists(st.tuples(st.integers(0, (1 << 63)), names), max_size=6), st.integers(0, 1 << 63))
def test_expiries_lie_in_the_order_of_time_and_the_range_ends_before_its_stop(
    keys: GroupKeys, expiries: list[tuple[int, str]], stop_ms: int
) -> None:
    start, stop = keys.dedup_expiry_range(stop_ms)
    for time_ms, key in expiries:
        made = keys.dedup_expiry(time_ms, key)
        assert (start <= made < stop) == (time_ms < stop_ms)
        assert keys.dedup_expiry_parts(made) == (time_ms, key)


@given(keyspaces, names)
def test_names_and_keys_are_read_back(keys: GroupKeys, name: str) -> None:
    assert keys.collection_name(keys.collection(name)) == name
    assert keys.dedup_key(keys.dedup(name)) == name


@given(st.binary(min_size=1).filter(lambda prefix: prefix.strip(b"\xff")), st.binary())
def test_prefix_stop_is_above_all_that_starts_with_the_prefix(prefix: bytes, rest: bytes) -> None:
    assert prefix + rest < prefix_stop(prefix)
    assert not prefix_stop(prefix).startswith(prefix)


@pytest.mark.parametrize("key", [b"", b"\0" * 8, b"\0" * 8 + b"\x99"])
def test_what_is_no_key_is_refused_by_name(key: bytes) -> None:
    with pytest.raises(ValueError, match=r"key|KeyKind"):
        parse_head(key)
