"""Files of documents: NDJSON, a JSON array or CSV, plain, gzip or zstd; read and written a document at a time."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, cast

import orjson
import zstandard

FORMATS: Final = ("ndjson", "json", "csv")
STANDARD: Final = "-"
"""The name that stands for standard input and output."""


CHUNK_BYTES: Final = 64 * 1024


class BadFile(ValueError):
    """The message says what cannot be read, and where."""


def format_of(name: str) -> str | None:
    """Return the format that a file name ends in, before its compression; None: none that is known."""
    path = Path(name)
    if path.suffix in (".gz", ".zst"):
        path = path.with_suffix("")
    suffix = {".jsonl": "ndjson"}.get(path.suffix, path.suffix.removeprefix("."))
    return suffix if suffix in FORMATS else None


@contextmanager
def open_input(name: str) -> Iterator[IO[bytes]]:
    """Open a file for reading, decompressed.

    Raises:
        OSError: it cannot be opened.
    """
    if name == STANDARD:
        yield sys.stdin.buffer
        return
    with Path(name).open("rb") as file:
        if name.endswith(".gz"):
            with gzip.open(file, "rb") as inner:
                yield cast("IO[bytes]", inner)
        elif name.endswith(".zst"):
            yield io.BufferedReader(_ZstdInput(file))
        else:
            yield file


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
    """Open a file for writing, compressed as its name says. It appears under its name when it is whole."""
    if name == STANDARD:
        yield sys.stdout.buffer
        return
    part = Path(f"{name}.part")
    with part.open("wb") as file:
        if name.endswith(".gz"):
            with gzip.open(file, "wb") as inner:
                yield cast("IO[bytes]", inner)
        elif name.endswith(".zst"):
            with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as writer:
                yield cast("IO[bytes]", writer)
        else:
            yield file
    part.rename(name)


# Reading ------------------------------------------------------------------------------------------


def read_documents(file: IO[bytes], kind: str, *, infer: bool) -> Iterator[bytes]:
    """Yield the documents of a file as JSON texts. `infer`: fields of CSV that look like JSON scalars become those.

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


def _ndjson(file: IO[bytes]) -> Iterator[bytes]:
    try:
        for line in file:
            if text := line.strip():
                yield text
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise BadFile(f"the file cannot be read on: {error}") from error


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
    rows = csv.DictReader((line.decode() for line in file), strict=True)
    try:
        for row in rows:
            if None in row or None in row.values():
                raise BadFile(f"line {rows.line_num} has another number of fields than the first")
            yield orjson.dumps({name: convert(text) for name, text in row.items()})
    except (csv.Error, UnicodeDecodeError, OSError, EOFError, zstandard.ZstdError) as error:
        raise BadFile(f"line {rows.line_num}: {error}") from error


def _inferred(text: str) -> Any:
    """Return the JSON scalar that a text looks like: a number, true, false, null or empty; else the text."""
    if text == "":
        return None
    if text[0] in "-0123456789tfn":
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
