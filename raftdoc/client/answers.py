"""What an answer is: raftdoc's own, a problem, or something that no node has said."""

from __future__ import annotations

from typing import Final

import orjson

from raftdoc.client.connection import Head
from raftdoc.client.errors import InvalidAnswer, RaftdocError, error_of_problem
from raftdoc.client.nodes import NodeState

NODE_FIELD: Final = "Raftdoc-Node"
"""Every answer of a node has it; what has not comes from a proxy, or from another server altogether."""
RETRIED_STATUSES: Final = frozenset({429, 503})
PROBLEM_JSON: Final = "application/problem+json"


def check_origin(head: Head, node: NodeState) -> None:
    """Raise if no node of raftdoc has said this.

    Raises:
        InvalidAnswer: whatever it is, what it says about the request is worth nothing.
    """
    if head.field(NODE_FIELD) is None:
        kind = head.field("Content-Type") or "nothing"
        raise InvalidAnswer(
            f"{node.url} is no raftdoc node: it answered {head.status} with {kind[:60]}", status=head.status
        )


def problem_of(head: Head, node: NodeState, body: bytes, *, is_bare: bool) -> RaftdocError:
    """Return the exception for an answer that is no success. `is_bare`: it answers HEAD, and its status says all."""
    if is_bare:
        status = head.status
        bare = {"code": f"status_{status}", "outcome": "not_applied", "retryable": status in RETRIED_STATUSES}
        return error_of_problem(status, bare, retry_after_s=_retry_after_s(head))
    if (head.field("Content-Type") or "").startswith(PROBLEM_JSON):
        try:
            problem = orjson.loads(body)
        except ValueError:
            problem = None
        if isinstance(problem, dict):
            return error_of_problem(head.status, problem, retry_after_s=_retry_after_s(head))
    return InvalidAnswer(f"{node.url} answered {head.status}, and no problem document with it", status=head.status)


def _retry_after_s(head: Head) -> float:
    text = head.field("Retry-After") or ""
    return float(text) if text.isdecimal() else 0.0
