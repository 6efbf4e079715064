"""What every Engine does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftdoc.storage.engine import Changes, Engine
from raftdoc.storage.memory import MemoryEngine

from .engines import EnginePlace, MemoryPlace, RocksPlace, small_rocks

ALL = (b"", b"\xff" * 8)


@pytest.fixture(params=[MemoryPlace, RocksPlace])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> EnginePlace:
    made: EnginePlace = request.param(tmp_path / "state")
    return made


@pytest.fixture
def engine(place: EnginePlace) -> Iterator[Engine]:
    opened = place.open()
    yield opened
    opened.close()


def numbered(count: int, value: bytes = b"value") -> Changes:
    return {b"key%06d" % number: value for number in range(count)}


def keys(engine: Engine, start: bytes = b"", stop: bytes = b"\xff" * 8, *, reverse: bool = False) -> list[bytes]:
    return [key for key, _ in engine.scan(start, stop, reverse=reverse)]


def test_get_returns_what_was_written_and_none_otherwise(engine: Engine) -> None:
    engine.write({b"a": b"1", b"b": b""})
    assert (engine.get(b"a"), engine.get(b"b"), engine.get(b"c")) == (b"1", b"", None)


def test_get_many_returns_the_values_in_the_order_of_the_keys(engine: Engine) -> None:
    engine.write({b"a": b"1", b"b": b""})
    assert engine.get_many([b"b", b"c", b"a", b"b"]) == [b"", None, b"1", b""]
    assert engine.get_many([]) == []


def test_write_replaces_and_deletes(engine: Engine) -> None:
    engine.write({b"a": b"1", b"b": b"1"})
    engine.write({b"a": b"2", b"b": None, b"never": None})
    assert (engine.get(b"a"), engine.get(b"b")) == (b"2", None)
    assert keys(engine) == [b"a"]


def test_write_takes_a_copy_of_the_changes(engine: Engine) -> None:
    changes: Changes = {b"a": b"1"}
    engine.write(changes)
    changes[b"a"] = b"2"
    changes[b"b"] = b"2"
    assert keys(engine) == [b"a"]
    assert engine.get(b"a") == b"1"


def test_an_empty_write_is_nothing(engine: Engine) -> None:
    engine.write({})
    assert keys(engine) == []


def test_scan_is_half_open_and_ordered_as_memcmp(engine: Engine) -> None:
    written = [b"", b"\0", b"\0\0", b"a", b"a\0", b"a\xff", b"b", b"\x80", b"\xff"]
    engine.write(dict.fromkeys(reversed(written), b"v"))
    assert keys(engine) == sorted(written)
    assert keys(engine, b"a", b"b") == [b"a", b"a\0", b"a\xff"]
    assert keys(engine, b"a\0", b"a\xff") == [b"a\0"]
    assert keys(engine, b"b", b"a") == []
    assert keys(engine, b"a", b"a") == []


def test_reverse_scan_is_the_scan_reversed(engine: Engine) -> None:
    engine.write(numbered(2000))
    engine.flush()
    engine.write({b"key000500": None, b"key000700x": b"new"})
    for start, stop in [
        ALL,
        (b"key000100", b"key000900"),
        (b"key0001", b"key0001"),
        (b"z", b"zz"),
        (b"", b"key000001"),
    ]:
        assert keys(engine, start, stop, reverse=True) == list(reversed(keys(engine, start, stop)))


def test_reverse_scan_excludes_stop_and_includes_start(engine: Engine) -> None:
    engine.write({b"a": b"1", b"b": b"2", b"c": b"3"})
    assert list(engine.scan(b"a", b"c", reverse=True)) == [(b"b", b"2"), (b"a", b"1")]


def test_scan_shows_the_moment_of_the_call_whatever_is_written_meanwhile(engine: Engine) -> None:
    engine.write(numbered(500, b"old"))
    for reverse in (False, True):
        scan = engine.scan(*ALL, reverse=reverse)
        before = list(islice(scan, 100))
        engine.write(numbered(500, b"new") | {b"key000300": None, b"key000300a": b"new"})
        rest = list(scan)
        assert [value for _, value in before + rest] == [b"old"] * 500
        engine.write(numbered(500, b"old") | {b"key000300a": None})


def test_scan_begins_at_the_call_and_not_at_the_first_step(engine: Engine) -> None:
    engine.write({b"a": b"old"})
    scan = engine.scan(*ALL)
    engine.write({b"a": b"new", b"b": b"new"})
    assert list(scan) == [(b"a", b"old")]


def test_snapshot_is_isolated_from_later_writes(engine: Engine) -> None:
    engine.write({b"a": b"1", b"b": b"1"})
    with engine.snapshot() as snapshot:
        engine.write({b"a": b"2", b"b": None, b"c": b"2"})
        engine.flush()
        assert (snapshot.get(b"a"), snapshot.get(b"b"), snapshot.get(b"c")) == (b"1", b"1", None)
        assert list(snapshot.scan(*ALL)) == [(b"a", b"1"), (b"b", b"1")]
        assert list(snapshot.scan(*ALL, reverse=True)) == [(b"b", b"1"), (b"a", b"1")]
    assert list(engine.scan(*ALL)) == [(b"a", b"2"), (b"c", b"2")]


def test_snapshots_of_different_moments_live_side_by_side(engine: Engine) -> None:
    snapshots = []
    for number in range(5):
        engine.write({b"a": b"%d" % number})
        snapshots.append(engine.snapshot())
    assert [snapshot.get(b"a") for snapshot in snapshots] == [b"0", b"1", b"2", b"3", b"4"]
    for snapshot in snapshots:
        snapshot.close()


def test_delete_range_deletes_the_range_and_nothing_else(engine: Engine) -> None:
    engine.write(numbered(3500))
    engine.delete_range(b"key000010", b"key003000")
    assert keys(engine) == [b"key%06d" % number for number in [*range(10), *range(3000, 3500)]]
    engine.delete_range(b"x", b"y")
    assert len(keys(engine)) == 510


def test_what_was_flushed_is_there_after_reopening(place: EnginePlace) -> None:
    engine = place.open()
    engine.write(numbered(1000))
    engine.write({b"key000007": None})
    engine.flush()
    engine.close()
    engine = place.open()
    assert len(keys(engine)) == 999
    assert engine.get(b"key000008") == b"value"
    engine.close()


def test_approximate_bytes_grows_with_what_is_flushed(engine: Engine) -> None:
    assert engine.approximate_bytes(*ALL) == 0
    engine.write(numbered(5000, b"x" * 100))
    engine.flush()
    assert engine.approximate_bytes(*ALL) > 1000
    assert engine.approximate_bytes(b"z", b"zz") == 0


def test_statistics_are_gauges(engine: Engine) -> None:
    engine.write(numbered(10))
    statistics = engine.statistics()
    assert statistics
    assert all(isinstance(value, int) and value >= 0 for value in statistics.values())


small_keys = st.binary(max_size=3)
batches = st.lists(st.dictionaries(small_keys, st.none() | st.binary(max_size=4), max_size=6), max_size=8)


@settings(max_examples=60, deadline=None)
@given(batches=batches, start=small_keys, stop=small_keys)
def test_both_engines_hold_what_a_dict_holds(
    tmp_path_factory: pytest.TempPathFactory, batches: list[Changes], start: bytes, stop: bytes
) -> None:
    rocks = small_rocks(tmp_path_factory.mktemp("state"))
    engines: list[Engine] = [MemoryEngine(), rocks]
    model: dict[bytes, bytes] = {}
    for batch in batches:
        for key, value in batch.items():
            model.pop(key, None)
            if value is not None:
                model[key] = value
        for engine in engines:
            engine.write(batch)
    expected = [(key, model[key]) for key in sorted(model) if start <= key < stop]
    for engine in engines:
        assert list(engine.scan(start, stop)) == expected
        assert list(engine.scan(start, stop, reverse=True)) == expected[::-1]
        assert [engine.get(key) for key in model] == list(model.values())
    rocks.close()
