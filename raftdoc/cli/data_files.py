"""Files of documents: NDJSON, a JSON array or CSV, plain, gzip or zstd; read and written a document at a time."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

import orjson
import zstandard

FORMATS: Final = ("ndjson", "json", "csv")
STANDARD: Final = "-"
"""The name that stands for standard input and output."""


CHUNK_BYTES: Final = 64 * 1024
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""What some programs begin a file of UTF-8 with; no part of the first name or document."""


class BadFile(ValueError):
    """The message says what cannot be read, and where."""


def format_of(name: str) -> str | None:
    """Return the format that a file name ends in, before its compression; None: none that is known."""
    path = Path(name)
    if path.suffix in (".gz", ".zst"):
        path = path.with_suffix("")
    suffix = {".jsonl": "ndjson"}.get(path.suffix, path.suffix.removeprefix("."))
    return suffix if suffix in FORMATS else None


class Input(NamedTuple):
    """A file that is being read."""

    file: IO[bytes]
    """Decompressed."""
    raw: IO[bytes] | None
    """As it is stored; None: the standard input."""

    def share(self) -> float | None:
        """Return how much of the file has been read, from 0 to 1; None: its size is not known."""
        if self.raw is None:
            return None
        size = os.fstat(self.raw.fileno()).st_size
        # Not `tell`: another thread may be reading.
        return os.lseek(self.raw.fileno(), 0, os.SEEK_CUR) / size if size else None


@contextmanager
def open_input(name: str) -> Iterator[Input]:
    """Open a file for reading.

    Raises:
        OSError: it cannot be opened.
    """
    if name == STANDARD:
        yield Input(sys.stdin.buffer, None)
        return
    with Path(name).open("rb") as raw:
        if name.endswith(".gz"):
            with gzip.open(raw, "rb") as inner:
                yield Input(cast("IO[bytes]", inner), raw)
        elif name.endswith(".zst"):
            yield Input(io.BufferedReader(_ZstdInput(raw)), raw)
        else:
            yield Input(raw, raw)


class _ZstdInput(io.RawIOBase):
    """A zstd file, decompressed; unlike the library's own reader it notices that the end is missing."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._file.read(CHUNK_BYTES)
            if not data and not self._frame.eof:
                raise EOFError("the compressed file ends in the middle")
            if not data:
                return 0
            self._feed(data)
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def _feed(self, data: bytes) -> None:
        while data:
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._ready += self._frame.decompress(data)
            data = self._frame.unused_data


@contextmanager
def open_output(name: str) -> Iterator[IO[bytes]]:
    """Open a file for writing, compressed as its name says. It appears under its name when whole, or not at all."""
    if name == STANDARD:
        yield sys.stdout.buffer
        return
    part = Path(f"{name}.part")
    try:
        with part.open("wb") as raw, _compressed(raw, name) as file:
            yield file
        part.rename(name)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _compressed(raw: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    if name.endswith(".gz"):
        with gzip.open(raw, "wb") as inner:
            yield cast("IO[bytes]", inner)
    elif name.endswith(".zst"):
        with zstandard.ZstdCompressor().stream_writer(raw, closefd=False) as writer:
            yield cast("IO[bytes]", writer)
    else:
        yield raw


# Reading ------------------------------------------------------------------------------------------


def read_documents(file: IO[bytes], kind: str, *, infer: bool) -> Iterator[bytes]:
    """Yield the documents of a file as JSON texts. `infer`: fields of CSV that look like JSON values become those.

    Raises:
        BadFile: names line or position.
    """
    match kind:
        case "ndjson":
            return _ndjson(file)
        case "json":
            return _json_array(file)
        case _:
            return _csv(file, _inferred if infer else str)


def _without_mark(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines, the first one without a byte order mark."""
    for number, line in enumerate(file):
        yield line if number else line.removeprefix(BYTE_ORDER_MARK)


def _ndjson(file: IO[bytes]) -> Iterator[bytes]:
    try:
        for number, line in enumerate(_without_mark(file), 1):
            if text := line.strip():
                _check_json(text, number)
                yield text
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise BadFile(f"the file cannot be read on: {error}") from error


def _check_json(text: bytes, number: int) -> None:
    """Raise if a line is no JSON: the cluster would say so too, but not where in the file it is.

    Raises:
        BadFile: names the line.
    """
    try:
        orjson.loads(text)
    except ValueError as error:
        raise BadFile(f"line {number} is no JSON: {error}") from None


def _json_array(file: IO[bytes]) -> Iterator[bytes]:
    import ijson

    try:
        for count, document in enumerate(ijson.items(file, "item"), 1):
            if not isinstance(document, dict):
                raise BadFile(f"element {count} of the array is no object")
            yield orjson.dumps(document, _double)
    except (ijson.JSONError, OSError, EOFError, zstandard.ZstdError, TypeError) as error:
        raise BadFile(f"the file is no JSON array of objects: {error}") from error


def _double(number: Any) -> float:
    """Return a number with a fraction or an exponent, which the parser hands over as a Decimal."""
    if math.isinf(double := float(number)):
        raise TypeError(f"{number} is larger than a number of JSON can be here")
    return double


def _csv(file: IO[bytes], convert: Callable[[str], Any]) -> Iterator[bytes]:
    rows = csv.DictReader((line.decode() for line in _without_mark(file)), strict=True)
    try:
        for row in rows:
            if None in row or None in row.values():
                raise BadFile(f"line {rows.line_num} has another number of fields than the first")
            yield orjson.dumps({name: convert(text) for name, text in row.items()})
    except (csv.Error, UnicodeDecodeError, OSError, EOFError, zstandard.ZstdError) as error:
        raise BadFile(f"line {rows.line_num}: {error}") from error


def _inferred(text: str) -> Any:
    """Return the JSON value that a text looks like: null where it is empty; else the text."""
    if text == "":
        return None
    if text[0] in "-0123456789tfn{[":
        try:
            return orjson.loads(text)
        except ValueError:
            return text
    return text


# Writing ------------------------------------------------------------------------------------------


def write_documents(file: IO[bytes], kind: str, documents: Iterable[dict[str, Any]], fields: list[str] | None) -> int:
    """Write documents; return how many. CSV has the columns `fields`, which it needs, and writes the rest as JSON."""
    match kind:
        case "ndjson":
            return _write_ndjson(file, documents)
        case "json":
            return _write_array(file, documents)
        case _:
            assert fields, "CSV needs its columns"
            return _write_csv(file, documents, fields)


def _write_ndjson(file: IO[bytes], documents: Iterable[dict[str, Any]]) -> int:
    count = 0
    for document in documents:
        file.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
        count += 1
    return count


def _write_array(file: IO[bytes], documents: Iterable[dict[str, Any]]) -> int:
    count = 0
    file.write(b"[")
    for document in documents:
        file.write((b",\n" if count else b"\n") + orjson.dumps(document))
        count += 1
    file.write(b"\n]\n")
    return count


def _write_csv(file: IO[bytes], documents: Iterable[dict[str, Any]], fields: list[str]) -> int:
    count = 0
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    rows = csv.writer(text)
    rows.writerow(fields)
    for document in documents:
        rows.writerow([_cell(document.get(name)) for name in fields])
        count += 1
    text.detach()
    return count


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
