"""What goes into requests and what comes out of answers, for collections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from raftdoc.client.call import Answer, path_of
from raftdoc.client.errors import BulkWriteError, InvalidUse
from raftdoc.client.values import BulkWriteResult, DocumentId, OperationResult, WriteResult

Projection: TypeAlias = "Mapping[str, Any] | Sequence[str]"
"""As a document, or the names of the fields to show."""


def path_segment(text: str) -> str:
    """Return an id as a segment of a path.

    Raises:
        InvalidUse: it cannot be one.
    """
    if text in ("", ".", ".."):
        raise InvalidUse(f"{text!r} cannot be the id of a document")
    return path_of(text)[4:]


def results_of(answer: Answer) -> tuple[OperationResult, ...]:
    """Return the results of an answer with one JSON line each."""
    return tuple(
        OperationResult(
            line.get("status", 0), line.get("_id"), line.get("etag"), bool(line.get("modified")), line.get("error")
        )
        for line in map(orjson.loads, answer.body.splitlines())
        if line
    )


def bulk_result(kinds: Sequence[str], results: Sequence[OperationResult]) -> BulkWriteResult:
    """Return what the results of operations of these kinds add up to.

    Raises:
        BulkWriteError: one of them failed, or was not tried.
    """
    if len(results) < len(kinds) or any(result.error is not None for result in results):
        done = sum(result.error is None for result in results)
        raise BulkWriteError(f"{done} of {len(kinds)} operations were done", results=tuple(results))
    paired = list(zip(kinds, results, strict=True))
    changed = [(kind, result) for kind, result in paired if kind in ("replace", "update")]
    upserted = sum(result.status == 201 for _, result in changed)
    return BulkWriteResult(
        results=tuple(results),
        inserted_count=kinds.count("insert"),
        matched_count=len(changed) - upserted,
        modified_count=sum(result.modified and result.status != 201 for _, result in changed),
        deleted_count=kinds.count("delete"),
        upserted_count=upserted,
    )


def if_match(revision: str | None) -> list[tuple[str, str]]:
    return [] if revision is None else [("If-Match", revision)]


def written(answer: Answer, id: DocumentId) -> WriteResult:
    body = answer.json()
    is_replayed = answer.fields.get("Idempotency-Replayed") == "true"
    return WriteResult(body.get("_id", id), body["etag"], answer.status == 201, is_replayed)


def projection_document(projection: Projection | None) -> dict[str, Any] | None:
    if projection is None or isinstance(projection, Mapping):
        return None if projection is None else dict(projection)
    return dict.fromkeys(projection, 1)
