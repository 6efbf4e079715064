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
def http_date(time_s: int) -> str:
    """Return seconds since 1970 as in `Date` and `Last-Modified`."""
    return formatdate(time_s, usegmt=True)


def json_response(value: Mapping[str, Any], status: int = 200, fields: str = "") -> Response:
    return Response(status, JSON + fields, orjson.dumps(value))


def state_fields(request: Request) -> str:
    """Return the header lines that say which state answered: token, leader, staleness."""
    indexes = request.indexes
    if not indexes:
        return ""
    if len(indexes) == 1:
        ((group, index),) = indexes
        fields = f"Raftdoc-Index: {group}:{index}\r\n"
        if request.leader is not None:
            fields += f"Raftdoc-Leader: {request.leader}\r\n"
    else:
        fields = "Raftdoc-Index: " + ",".join(f"{group}:{index}" for group, index in indexes) + "\r\n"
    if request.staleness_ms is not None:
        fields += f"Raftdoc-Staleness: {request.staleness_ms}ms\r\n"
    return fields


def replay_fields(call: Call, outcome: Outcome, retention_ms: int) -> str:
    """Return the header lines about the idempotency key of a write that was decided."""
    if call.request.idempotency is None:
        return ""
    fields = ""
    if outcome.time_ms:
        fields = f"Idempotency-Expires: {http_date((outcome.time_ms + retention_ms) // 1000)}\r\n"
    return fields + "Idempotency-Replayed: true\r\n" if outcome.replayed else fields


def location(path: str, id: DocumentId) -> str:
    """Return the header line that says where a document is, below the path of its collection's documents."""
    if isinstance(id, str):
        return f"Location: {path}/{quote(id, safe='')}\r\n"
    return f"Location: {path}/{quote(orjson.dumps(id), safe='')}?id_type=json\r\n"
