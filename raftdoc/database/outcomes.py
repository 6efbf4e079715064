"""Turns an outcome that is not ok into the error that its code names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal

from raftdoc.document import DocumentId
from raftdoc.errors import CATALOGUE, Conflict, DuplicateKey, NotFound, NotIndexable, RaftdocError, StateCorrupt
from raftdoc.statemachine.outcome import Outcome
from raftdoc.statemachine.update_steps import error_of_reason

What = Literal["database", "collection", "document", "index", "node", "operation", "request", "group"]
WHAT: Final[tuple[What, ...]] = ("database", "collection", "document", "index", "node", "operation", "request", "group")


def result_of(outcome: Outcome, names: dict[str, str]) -> Outcome:
    """Return the outcome if it is ok.

    `names` gives what is spoken of: {"database": ..., "collection": ..., "document": ...}.

    Raises:
        RaftdocError: of the class that the code names. `replayed` on it is the outcome's.
    """
    if outcome.is_ok:
        return outcome
    error = error_of(outcome.code, names, outcome.data)
    error.replayed = outcome.replayed
    raise error


def result_of_items(outcome: Outcome, names: dict[str, str], items: Sequence[DocumentId]) -> Outcome:
    """Return the outcome of an atomic command over these documents if it is ok.

    Raises:
        RaftdocError: its detail says which item was refused.
    """
    data = outcome.data
    position = data.get("position") if isinstance(data, dict) else None
    if outcome.is_ok or position is None:
        return result_of(outcome, names)
    try:
        return result_of(outcome, {**names, "document": str(items[position])})
    except RaftdocError as error:
        error.detail = f"item {position + 1}, document {items[position]}: {error.detail}"
        raise


@contextmanager
def applied() -> Iterator[None]:
    """Let what is raised inside say that the write before it took effect: only what was to follow it failed."""
    try:
        yield
    except RaftdocError as error:
        error.outcome = "applied"
        raise


def error_of(code: str, names: dict[str, str], data: Any = None) -> RaftdocError:
    """Return the error of a code that apply decided; `data` is that of the outcome."""
    if isinstance(data, dict) and "index" in data:
        return _refusal_of_index(code, data)
    if isinstance(data, dict) and "detail" in data:
        return error_of_reason(code, data)
    for what in WHAT:
        if code == f"{what}_not_found":
            return NotFound(what, names.get(what, ""))
    cls = CATALOGUE.get(code)
    if cls is None:
        return StateCorrupt(f"apply answered an unknown code {code!r}")
    return cls(DETAILS.get(code, Conflict.title).format_map(_Names(names)))


def _refusal_of_index(code: str, data: dict[str, Any]) -> RaftdocError:
    index = data["index"]
    detail = data.get("detail", f"the index {index} refuses the document")
    if code == DuplicateKey.code:
        return DuplicateKey(detail, index=index, key=data.get("key"))
    return NotIndexable(detail, index=index, mongo_code=data.get("mongo_code", 0))


class _Names(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


DETAILS = {
    "duplicate_key": "a document with the id {document} exists in {collection}",
    "precondition_failed": "document {document} is not at the revision that the request names",
    "key_reused": "the idempotency key was used before, for a request with other content",
    "key_expired": "the idempotency key is older than what is remembered: whether it was used is not known",
    "key_ahead": "the idempotency key carries a time more than five minutes ahead",
    "conflict": "it exists with other options",
    "other_cluster": "the node belongs to another cluster than this one",
    "node_id_used": "the id {node} is, or was, another node's: ids are never used again",
    "change_pending": "another node joins or leaves now; wait until it is done, or remove it",
    "quorum_at_risk": "without node {node} nobody would be left",
    "limit_reached": "a documented limit of the cluster is reached",
}
