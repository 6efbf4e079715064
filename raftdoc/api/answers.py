"""The parts that answers are made of: header lines and JSON bodies, as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

import orjson

from raftdoc.api.exchange import JSON, Call, Response
from raftdoc.database.requests import Request
from raftdoc.document import DocumentId
from raftdoc.statemachine.outcome import Outcome

DATES_KEPT: Final = 4096


@lru_cache(maxsize=DATES_KEPT)
def http_date(time_s: int) -> bytes:
    """Return seconds since 1970 as in `Date` and `Last-Modified`."""
    return formatdate(time_s, usegmt=True).encode()


def json_response(value: Mapping[str, Any], status: int = 200, fields: bytes = b"") -> Response:
    return Response(status, JSON + fields, orjson.dumps(value))


def state_fields(request: Request) -> bytes:
    """Return the header lines that say which state answered: token, leader, staleness."""
    indexes = request.indexes
    if not indexes:
        return b""
    if len(indexes) == 1:
        fields = b"Raftdoc-Index: %d:%d\r\n" % indexes[0]
        if request.leader is not None:
            fields += b"Raftdoc-Leader: %b\r\n" % request.leader.encode()
    else:
        fields = b"Raftdoc-Index: %b\r\n" % b",".join(b"%d:%d" % pair for pair in indexes)
    if request.staleness_ms is not None:
        fields += b"Raftdoc-Staleness: %dms\r\n" % request.staleness_ms
    return fields


def replay_fields(call: Call, outcome: Outcome, retention_ms: int) -> bytes:
    """Return the header lines about the idempotency key of a write that was decided."""
    if call.request.idempotency is None:
        return b""
    fields = b""
    if outcome.time_ms:
        fields = b"Idempotency-Expires: %b\r\n" % http_date((outcome.time_ms + retention_ms) // 1000)
    return fields + b"Idempotency-Replayed: true\r\n" if outcome.replayed else fields


def location(path: str, id: DocumentId) -> bytes:
    """Return the header line that says where a document is, below the path of its collection's documents."""
    if isinstance(id, str):
        return b"Location: %b/%b\r\n" % (path.encode(), quote(id, safe="").encode())
    return b"Location: %b/%b?id_type=json\r\n" % (path.encode(), quote(orjson.dumps(id), safe="").encode())
