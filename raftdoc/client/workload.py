"""What a load consists of: requests encoded before the clock starts, joined from a few pieces each."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

Workload = Literal["put", "get", "mixed", "bulk", "mixed-scan"]
WORKLOADS: tuple[Workload, ...] = ("put", "get", "mixed", "bulk", "mixed-scan")
COLLECTION = "c"
SCAN = b'{"filter":{"a":-1},"limit":1}'
"""No document matches, and no index helps: each scan reads the whole collection."""
_ENVELOPE_BYTES = len(b'{"a":1,"b":""}')


class Target(NamedTuple):
    """Where a connection goes."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Target:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url!r} is not a URL such as http://127.0.0.1:8101")
        return cls(parts.hostname, parts.port or 80)


def document(document_bytes: int) -> bytes:
    """Return a document without `_id` that is this many bytes long (at least the envelope)."""
    return b'{"a":1,"b":"' + b"x" * max(0, document_bytes - _ENVELOPE_BYTES) + b'"}'


class Requests:
    """Makes the requests of one run; a generator for each connection comes from `source`."""

    def __init__(
        self, workload: Workload, database: str, *, key_count: int, document_bytes: int, batch: int, seed: int
    ):
        self.workload = workload
        self.documents_per_request = batch if workload == "bulk" else 1
        self._batch = batch
        self._random = random.Random(seed)
        self.path = f"/v1/dbs/{database}/collections/{COLLECTION}/docs"
        self._path = self.path.encode()
        self._keys = [b"k%d" % number for number in range(1, key_count + 1)]
        self._document = document(document_bytes)
        self._run = b"%016x" % self._random.getrandbits(64)
        self._bulk_count = 0

    def source(self, target: Target) -> Callable[[], bytes]:
        """Return a function that makes the next request to send to target."""
        host = f" HTTP/1.1\r\nHost: {target.host}:{target.port}\r\n".encode()
        put = self._keyed(b"PUT ", host + self._entity(b"application/json", len(self._document)) + self._document)
        get = self._keyed(b"GET ", host + b"\r\n")
        chance = self._random.random
        match self.workload:
            case "put":
                return put
            case "get" | "mixed-scan":
                return get
            case "mixed":
                return lambda: put() if chance() < 0.5 else get()
            case "bulk":
                return lambda: self._bulk(host)

    def scan(self, target: Target) -> Callable[[], bytes]:
        """Return a function that makes a scan of the whole collection."""
        path = self._path.removesuffix(b"/docs") + b"/query"
        host = f" HTTP/1.1\r\nHost: {target.host}:{target.port}\r\nRaftdoc-Timeout: 600s\r\n".encode()
        request = b"POST " + path + host + self._entity(b"application/json", len(SCAN)) + SCAN
        return lambda: request

    def _keyed(self, verb: bytes, rest: bytes) -> Callable[[], bytes]:
        head, keys, count, chance = verb + self._path + b"/", self._keys, len(self._keys), self._random.random
        return lambda: head + keys[int(chance() * count)] + rest

    @staticmethod
    def _entity(media_type: bytes, length: int) -> bytes:
        return b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n" % (media_type, length)

    def _bulk(self, host: bytes) -> bytes:
        """Return a POST of a batch of documents under ids that no run has used before."""
        first = self._bulk_count
        self._bulk_count += self._batch
        lines = self._lines([b"%s-%d" % (self._run, number) for number in range(first, first + self._batch)])
        return b"POST " + self._path + host + self._entity(b"application/x-ndjson", len(lines)) + lines

    def _lines(self, ids: list[bytes]) -> bytes:
        rest = b'",' + self._document[1:] + b"\n"
        return b"".join([b'{"_id":"' + each + rest for each in ids])

    def fill(self, batch: int) -> list[bytes]:
        """Return the NDJSON bodies that create every key."""
        starts = range(0, len(self._keys), batch)
        return [self._lines(self._keys[start : start + batch]) for start in starts]
