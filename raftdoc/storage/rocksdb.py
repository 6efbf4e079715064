"""The Engine of a node: one RocksDB, one column family, no WAL. The only importer of rocksdict.

Why like this: the Raft log is the write-ahead log, so RocksDB writes none. With one column family a flush of
the memtable is always a prefix of the writes, so that after a crash a group's applied index and its data agree.

What rocksdict 0.3.29 does that shapes this module (measured, CPython 3.11):

- `write`, `put` and `get` hold the GIL, so a write stall would stop the whole node: `no_slowdown` makes RocksDB
  refuse instead (EngineBusy). `flush` and `compact_range` release it.
- Native iteration (`items`) takes 0.5 us a step, RdictIter with its four calls 1.2 us. But `items` ends
  *silently* where a block fails its checksum: 177,707 of 200,000 keys came back and no error. So every scan that
  runs to its end asks an RdictIter of the same moment, which tells, whether this was the end.
- Every iterator shows the moment it was made, those of its `Snapshot` too, which should show the snapshot's. So a
  snapshot here is one iterator, made when it is asked for.
- It raises nothing but bare `Exception`; `_Translated` makes ours of them, by the words RocksDB uses.
- `set_iterate_lower_bound` has no effect: reverse scans stop by comparing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    ChecksumType,
    DBCompressionType,
    Options,
    Rdict,
    RdictIter,
    ReadOptions,
    WriteBatch,
    WriteOptions,
)

from raftdoc.errors import DiskFailed, DiskFull, StateCorrupt
from raftdoc.limits import KIB, MIB
from raftdoc.storage.engine import Changes, EngineBusy

BLOCK_CACHE_BYTES: Final = 64 * MIB
"""Data, index and filter blocks together."""
WRITE_BUFFER_BYTES: Final = 48 * MIB
"""More than is applied between two flushes of a node takes, so that RocksDB makes none of its own between them."""
WRITE_BUFFERS_MAX: Final = 2
OPEN_FILES_MAX: Final = 256
DELETE_BATCH_KEYS: Final = 1000
BLOCK_BYTES: Final = 4 * KIB

OS_ERROR: Final = re.compile(r"\(os error \d+\)")
"""How the binding tells of files that it reads and writes beside RocksDB."""

_GAUGES: Final = {
    "block_cache_bytes": "rocksdb.block-cache-usage",
    "memtable_bytes": "rocksdb.cur-size-all-mem-tables",
    "table_reader_bytes": "rocksdb.estimate-table-readers-mem",
    "sst_bytes": "rocksdb.total-sst-files-size",
    "live_data_bytes": "rocksdb.estimate-live-data-size",
    "pending_compaction_bytes": "rocksdb.estimate-pending-compaction-bytes",
    "key_count_estimate": "rocksdb.estimate-num-keys",
    "immutable_memtable_count": "rocksdb.num-immutable-mem-table",
    "background_error_count": "rocksdb.background-errors",
}


class _Translated:
    """Turn RocksDB's errors, which come as bare Exception, into ours; let everything else through."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is Exception:
            raise self.translate(str(error)) from error

    def translate(self, text: str) -> Exception:
        if "Write stall" in text or text.startswith(("Result incomplete", "Incomplete")):
            return EngineBusy(text)
        if "No space left" in text:
            return DiskFull(f"the state in {self._directory} cannot be written: {text}")
        is_of_disk = text.startswith("IO error") or OS_ERROR.search(text)
        if is_of_disk and "No such file" not in text:
            return DiskFailed(f"the state in {self._directory}: {text}")
        return StateCorrupt(
            f"the state in {self._directory} is damaged: {text}. Nothing was changed. Stop this node, move its data"
            " directory away and let it join again with an empty one, as a replacement"
        )


class RocksSnapshot:
    """See EngineSnapshot. It is one native iterator, which all its gets and scans move to and fro."""

    def __init__(self, iterator: RdictIter, translated: _Translated) -> None:
        self._iterator: RdictIter | None = iterator
        self._translated = translated
        self._mover: object = None
        """Who moved the iterator last: a scan that finds another there seeks its own place again."""

    def get(self, key: bytes) -> bytes | None:
        iterator = self._open_iterator()
        self._mover = None
        with self._translated:
            iterator.seek(key)
            if iterator.valid() and iterator.key() == key:
                value: bytes = iterator.value()
                return value
            iterator.status()
        return None

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        if start >= stop:
            return iter(())
        return self._scan_reverse(start, stop) if reverse else self._scan_forward(start, stop)

    def _scan_forward(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        iterator = self._open_iterator()
        me, key, is_first = object(), start, True
        with self._translated:
            while True:
                if self._mover is not me:
                    self._mover = me
                    iterator.seek(key)
                    if not is_first and iterator.valid() and iterator.key() == key:
                        iterator.next()
                if not iterator.valid():
                    iterator.status()
                    return
                key = iterator.key()
                if key >= stop:
                    return
                value = iterator.value()
                iterator.next()
                is_first = False
                yield key, value

    def _scan_reverse(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        iterator = self._open_iterator()
        me, key = object(), stop
        with self._translated:
            while True:
                if self._mover is not me:
                    self._mover = me
                    iterator.seek_for_prev(key)
                    if iterator.valid() and iterator.key() == key:
                        iterator.prev()
                if not iterator.valid():
                    iterator.status()
                    return
                key = iterator.key()
                if key < start:
                    return
                value = iterator.value()
                iterator.prev()
                yield key, value

    def close(self) -> None:
        self._iterator = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open_iterator(self) -> RdictIter:
        assert self._iterator is not None, "the snapshot is closed"
        return self._iterator


class RocksEngine:
    """See Engine."""

    def __init__(
        self,
        directory: Path,
        *,
        block_cache_bytes: int = BLOCK_CACHE_BYTES,
        write_buffer_bytes: int = WRITE_BUFFER_BYTES,
        write_buffers_max: int = WRITE_BUFFERS_MAX,
        open_files_max: int = OPEN_FILES_MAX,
        read_only: bool = False,
    ) -> None:
        """Open the database in directory, making it if there is none.

        Raises:
            StateCorrupt: it is damaged; the message says how to go on.
        """
        self._translated = _Translated(directory)
        options = _options(write_buffer_bytes, write_buffers_max, open_files_max)
        options.set_block_based_table_factory(_table_options(block_cache_bytes))
        options.create_if_missing(not read_only)
        access = AccessType.read_only(False) if read_only else AccessType.read_write()
        with self._translated:
            self._db = Rdict(str(directory), options, access_type=access)
        self._write_options = WriteOptions()
        self._write_options.disable_wal = True  # type: ignore[assignment, method-assign]  # a property, whatever the stub says
        self._write_options.no_slowdown = True

    def get(self, key: bytes) -> bytes | None:
        with self._translated:
            value: bytes | None = self._db.get(key)
            return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with self._translated:
            values: list[bytes | None] = self._db.get(list(keys))  # type: ignore[assignment]  # a list for a list
            return values

    def write(self, changes: Changes) -> None:
        batch = WriteBatch(True)
        put = batch.put
        for key, value in changes.items():
            if value is None:
                batch.delete(key)
            else:
                put(key, value)
        try:
            with self._translated:
                self._db.write(batch, self._write_options)
        except DiskFull as error:
            # RocksDB takes nothing while a flush lacks space, and goes on by itself some seconds after there is some.
            raise EngineBusy(error.detail) from error

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        if start >= stop:
            return iter(())
        options = ReadOptions()
        options.set_iterate_upper_bound(stop)
        if reverse:
            items = self._db.items(backwards=True, read_opt=options)
        else:
            items = self._db.items(from_key=start, read_opt=options)
        # Safety: after `items`, so that a delete_range between the two takes nothing that the witness would miss.
        witness = self._db.iter()
        checked = self._scan_reverse if reverse else self._scan_forward
        return checked(items, witness, start, stop)

    def snapshot(self) -> RocksSnapshot:
        return RocksSnapshot(self._db.iter(), self._translated)

    def _scan_forward(
        self, items: Iterator[tuple[Any, Any]], witness: RdictIter, start: bytes, stop: bytes
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield items, and do not believe their end before the witness says so."""
        key = None
        for item in items:
            key = item[0]
            yield item
        with self._translated:
            witness.seek(start if key is None else key)
            if witness.valid() and witness.key() == key:
                witness.next()
            if witness.valid() and witness.key() < stop:
                raise self._translated.translate(f"a scan ended before {witness.key()!r}")
            witness.status()

    def _scan_reverse(
        self, items: Iterator[tuple[Any, Any]], witness: RdictIter, start: bytes, stop: bytes
    ) -> Iterator[tuple[bytes, bytes]]:
        key = stop
        for item in items:
            if item[0] < start:
                return
            key = item[0]
            yield item
        with self._translated:
            witness.seek_for_prev(key)
            if witness.valid() and witness.key() == key:
                witness.prev()
            if witness.valid() and witness.key() >= start:
                raise self._translated.translate(f"a reverse scan ended before {witness.key()!r}")
            witness.status()

    def delete_range(self, start: bytes, stop: bytes) -> None:
        changes: Changes = {}
        for key, _ in self.scan(start, stop):
            changes[key] = None
            if len(changes) == DELETE_BATCH_KEYS:
                self._delete(changes)
                changes = {}
        self._delete(changes)

    def _delete(self, changes: Changes) -> None:
        while True:
            try:
                return self.write(changes)
            except EngineBusy:
                # In a thread of its own it may wait for what the refusal was about.
                self.flush()

    def flush(self) -> None:
        with self._translated:
            self._db.flush(wait=True)

    def approximate_bytes(self, start: bytes, stop: bytes) -> int:
        """Count a file that lies in the range whole, one that only overlaps it half."""
        total = 0
        for file in self._db.live_files():
            first, last = file["start_key"], file["end_key"]
            if start <= first and last < stop:
                total += file["size"]
            elif first < stop and last >= start:
                total += file["size"] // 2
        return total

    def statistics(self) -> dict[str, int]:
        return {name: self._db.property_int_value(gauge) or 0 for name, gauge in _GAUGES.items()}

    def close(self) -> None:
        """Flushes, as far as there is space; what is not flushed is in the log."""
        with suppress(DiskFull), self._translated:
            self._db.close()


def _options(write_buffer_bytes: int, write_buffers_max: int, open_files_max: int) -> Options:
    options = Options(raw_mode=True)
    options.set_paranoid_checks(True)
    options.set_max_open_files(open_files_max)
    options.set_max_background_jobs(2)
    options.set_write_buffer_size(write_buffer_bytes)
    options.set_max_write_buffer_number(write_buffers_max)
    # A lookup of an idempotency key is nearly always of one that is not there: the memtable says so by its bloom.
    options.set_memtable_prefix_bloom_ratio(0.02)
    options.set_memtable_whole_key_filtering(True)
    options.set_level_compaction_dynamic_level_bytes(True)
    options.set_target_file_size_base(32 * MIB)
    options.set_bytes_per_sync(1 * MIB)
    options.set_compression_per_level([DBCompressionType.none()] * 2 + [DBCompressionType.lz4()] * 5)
    options.set_keep_log_file_num(4)
    options.set_max_log_file_size(4 * MIB)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    return options


def _table_options(block_cache_bytes: int) -> BlockBasedOptions:
    table = BlockBasedOptions()
    # A hit costs 2.5 us with this cache and 4.3 with the older one, which locks.
    table.set_block_cache(Cache.new_hyper_clock_cache(block_cache_bytes, BLOCK_BYTES))
    table.set_block_size(BLOCK_BYTES)
    table.set_bloom_filter(10, False)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    table.set_checksum_type(ChecksumType.xxh3())
    table.set_format_version(5)
    return table
