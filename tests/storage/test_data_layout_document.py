"""docs/data_layout.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from raftdoc.limits import DISK_RESERVE_BYTES, LOG_BYTES_MAX, LOG_SEGMENT_BYTES, MIB
from raftdoc.storage import data_directory, keyspace, rocksdb
from raftdoc.storage.log import frames, records, segments

DOCUMENT = (Path(__file__).parents[2] / "docs" / "data_layout.md").read_text()


def test_every_kind_of_key_is_in_the_document_and_in_the_module() -> None:
    documented = set(re.findall(r"^\| ([0-9a-f]{2}) \| ([A-Z_]+) \|", DOCUMENT, re.MULTILINE))
    in_module = set(re.findall(r"^    0x([0-9a-f]{2})  ([A-Z_]+) ", keyspace.__doc__ or "", re.MULTILINE))
    kinds = {(f"{kind:02x}", kind.name) for kind in keyspace.KeyKind}
    assert documented == in_module == kinds


def test_lengths_and_magics_are_those_of_the_code() -> None:
    fixed = re.findall(r"^\| (\d+) \| [a-z]", DOCUMENT, re.MULTILINE)
    assert sum(map(int, fixed)) == frames.HEADER_BYTES
    assert f"header, {frames.HEADER_BYTES} bytes" in (frames.__doc__ or "")
    assert f"header, {segments.HEADER_BYTES} bytes" in DOCUMENT
    assert f"trailer, {segments.TRAILER_BYTES} bytes" in DOCUMENT
    assert f"`{frames.FRAME_MAGIC:#x}`" in DOCUMENT
    assert f"`{segments.HEADER_MAGIC.decode()}`" in DOCUMENT
    assert f"`{segments.TRAILER_MAGIC.decode()}`" in DOCUMENT


def test_records_have_the_documented_fields_in_the_documented_order() -> None:
    fields = ", ".join(records.LogRecord._fields)
    assert f"`[{fields}]`" in " ".join(DOCUMENT.split())


def test_defaults_are_those_of_the_code() -> None:
    assert f"of {LOG_SEGMENT_BYTES // MIB} MiB (`log_segment_bytes`)" in DOCUMENT
    assert f"`disk_reserve_bytes` ({DISK_RESERVE_BYTES // MIB} MiB)" in DOCUMENT
    assert f"more than {LOG_BYTES_MAX // (1024 * MIB)} GiB" in DOCUMENT
    assert f"{rocksdb.BLOCK_CACHE_BYTES // MIB} MiB block cache" in DOCUMENT
    assert f"write buffers of {rocksdb.WRITE_BUFFER_BYTES // MIB} MiB" in DOCUMENT
    assert f'{{"format": {data_directory.FORMAT}}}' in DOCUMENT
