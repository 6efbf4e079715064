"""One HTTP request and what came of it. A connection serves one request, so that nothing is ever sent twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from jepsen_lite.one_request import Broken, Unreachable, exchange
from raftdoc.ids import GroupId, Index, NodeId, Term
from raftdoc.simulation.history import RaftPosition

REVISION_ORDINAL_BITS = 20
GRACE_S = 0.5
"""Beyond the deadline that the node was given."""
DATABASE = "/v1/dbs/jepsen"
MERGE_PATCH = "application/merge-patch+json"

Outcome: TypeAlias = Literal["ok", "fail", "info"]


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: Any = None
    """JSON; bytes are sent as they are."""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_read(self) -> bool:
        """Whether it can change nothing."""
        return self.method == "GET" or self.path.rsplit("/", 1)[-1] in {"query", "count", "get-many"}

    @property
    def id(self) -> str | None:
        return self.headers.get("Idempotency-Key")


class Answer(NamedTuple):
    """What a request came to. `status` is 0 where no answer came."""

    status: int
    headers: Mapping[str, str]
    body: Any
    outcome: Outcome
    error: str | None
    node: str

    @property
    def token(self) -> str | None:
        """The token of what the answer includes."""
        return self.headers.get("Raftdoc-Index")

    @property
    def revision(self) -> int | None:
        return revision_of(self.headers.get("ETag"))

    @property
    def raft(self) -> RaftPosition | None:
        """Where in the log it comes from: a write's own entry, or the state that a read saw."""
        if self.token is None or "," in self.token:
            return None
        group, index = (int(part) for part in self.token.split(":"))
        node = NodeId(self.headers.get("Raftdoc-Node", self.node))
        return RaftPosition(GroupId(group), Index(index), Term(0), node)


def revision_of(etag: str | None) -> int | None:
    """Return the revision that an entity tag stands for."""
    return None if etag is None else int(etag.strip('"'), 16)


def position_of(etag: str, group: int) -> RaftPosition:
    """Return the entry of the write that made a revision."""
    revision = revision_of(etag)
    assert revision is not None
    ordinal = revision & (1 << REVISION_ORDINAL_BITS) - 1
    return RaftPosition(GroupId(group), Index(revision >> REVISION_ORDINAL_BITS), Term(0), NodeId(""), ordinal)


async def send(port: int, node: str, request: Request, timeout_s: float) -> Answer:
    """Send a request to where a node is reached, and return its answer, whatever becomes of it."""
    body = request.body
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Raftdoc-Timeout": f"{int(timeout_s * 1000)}ms", **request.headers}
    if data is not None:
        headers.setdefault("Content-Type", "application/json")
    try:
        async with asyncio.timeout(timeout_s + GRACE_S):
            reply = await exchange(port, request.method, request.path, headers, data)
    except Unreachable as error:
        return Answer(0, {}, None, "fail", f"unreachable: {error.errno}", node)
    except TimeoutError:
        return lost(request, "timeout", node)
    except Broken as error:
        return lost(request, f"broken: {error}", node)
    return judge(request, reply.status, reply.headers, reply.body, node)


def lost(request: Request, error: str, node: str) -> Answer:
    """Return what is known where no answer came: of a read, that it changed nothing; of a write, nothing."""
    return Answer(0, {}, None, "fail" if request.is_read else "info", error, node)


def judge(request: Request, status: int, headers: Mapping[str, str], text: bytes, node: str) -> Answer:
    """Return what an answer says of its request."""
    try:
        body = json.loads(text) if text and "ndjson" not in headers.get("Content-Type", "") else text
    except ValueError:
        return lost(request, "no JSON", node)
    if status < 400:
        return Answer(status, headers, body, "ok", None, node)
    if not isinstance(body, dict) or "code" not in body:
        return lost(request, f"status {status} without a problem", node)
    is_certain = request.is_read or body.get("outcome") == "not_applied"
    return Answer(status, headers, body, "fail" if is_certain else "info", str(body["code"]), node)
