"""A pinned state is cut into chunks that any key resumes, and a chunk that is not what was sent is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from raftdoc.ids import GroupId, Incarnation
from raftdoc.limits import KIB, SNAPSHOT_CHUNK_BYTES
from raftdoc.storage.engine import Changes, Engine
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.snapshot import CHUNK_PAIRS_MAX, SCOPE_BYTES, Chunk, ChunkDamaged, ChunkReader, ChunkWriter

from .engines import EnginePlace, MemoryPlace, RocksPlace

LIVE, FRESH = GroupKeys(GroupId(7), Incarnation(1)), GroupKeys(GroupId(7), Incarnation(2))


@pytest.fixture(params=[MemoryPlace, RocksPlace])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    place: EnginePlace = request.param(tmp_path)
    return place.open()


def fill(engine: Engine, count: int, value_bytes: int = 400) -> Changes:
    changes: Changes = {LIVE.document(1, b"%06d" % n): b"%06d" % n + b"v" * value_bytes for n in range(count)}
    engine.write(changes)
    engine.write({GroupKeys(GroupId(6), Incarnation(1)).meta("state"): b"x", FRESH.meta("state"): b"y"})
    return changes


def chunks_of(reader: ChunkReader) -> list[Chunk]:
    chunks = []
    while (chunk := reader.read()) is not None:
        chunks.append(chunk)
    return chunks


def moved(changes: Changes) -> Changes:
    """Return what lies in LIVE as it lies in FRESH."""
    return {FRESH.range()[0] + key[SCOPE_BYTES:]: value for key, value in changes.items()}


def test_chunks_hold_the_group_and_nothing_else_in_the_order_of_its_keys(engine: Engine) -> None:
    changes = fill(engine, 2000)
    chunks = chunks_of(ChunkReader(engine.snapshot(), LIVE))
    writer, found, after = ChunkWriter(FRESH), {}, b""
    for chunk in chunks:
        part = writer.changes(chunk, after)
        after = list(part)[-1][SCOPE_BYTES:]
        found.update(part)
    assert found == moved(changes)
    assert list(found) == sorted(found)
    assert len(chunks) > 2


def test_state_is_that_of_the_moment_it_was_pinned(engine: Engine) -> None:
    changes = fill(engine, 10)
    reader = ChunkReader(engine.snapshot(), LIVE)
    engine.write(dict.fromkeys(changes, b"later") | {LIVE.document(1, b"999999"): b"new"})
    (chunk,) = chunks_of(reader)
    assert ChunkWriter(FRESH).changes(chunk, b"") == moved(changes)


def test_reader_goes_on_behind_any_key(engine: Engine) -> None:
    fill(engine, 2000)
    reader = ChunkReader(engine.snapshot(), LIVE)
    chunks, places = [], [b""]
    while (chunk := reader.read()) is not None:
        chunks.append(chunk)
        places.append(reader.after)
    for position in (1, 0, len(chunks) - 1):
        reader.seek(places[position])
        assert reader.read() == chunks[position]


def test_chunk_is_bounded_in_bytes_and_pairs(engine: Engine) -> None:
    fill(engine, 2500, value_bytes=0)
    assert [chunk.pair_count for chunk in chunks_of(ChunkReader(engine.snapshot(), LIVE))] == [1000, 1000, 500]
    assert CHUNK_PAIRS_MAX == 1000
    engine.write({LIVE.document(2, b"%d" % n): b"x" * 100 * KIB for n in range(9)})
    for chunk in chunks_of(ChunkReader(engine.snapshot(), LIVE)):
        assert chunk.raw_bytes < SNAPSHOT_CHUNK_BYTES + 101 * KIB


def test_empty_state_has_no_chunks(engine: Engine) -> None:
    assert chunks_of(ChunkReader(engine.snapshot(), LIVE)) == []


def damaged(chunk: Chunk) -> dict[str, Chunk]:
    flipped = bytearray(chunk.data)
    flipped[len(flipped) // 2] ^= 1
    return {
        "flipped": chunk._replace(data=bytes(flipped)),
        "cut": chunk._replace(data=chunk.data[:-5]),
        "empty": chunk._replace(data=b""),
        "no frame": chunk._replace(data=b"nothing of zstandard's"),
        "checksum": chunk._replace(checksum=chunk.checksum ^ 1),
        "count": chunk._replace(pair_count=chunk.pair_count - 1),
    }


@pytest.mark.parametrize("how", ["flipped", "cut", "empty", "no frame", "checksum", "count"])
def test_damaged_chunk_is_told(engine: Engine, how: str) -> None:
    fill(engine, 100)
    (chunk,) = chunks_of(ChunkReader(engine.snapshot(), LIVE))
    with pytest.raises(ChunkDamaged):
        ChunkWriter(FRESH).changes(damaged(chunk)[how], b"")


def test_chunk_that_lies_before_what_came_is_told(engine: Engine) -> None:
    fill(engine, 100)
    (chunk,) = chunks_of(ChunkReader(engine.snapshot(), LIVE))
    with pytest.raises(ChunkDamaged):
        ChunkWriter(FRESH).changes(chunk, LIVE.document(1, b"000050")[SCOPE_BYTES:])
