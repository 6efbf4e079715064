"""What goes into requests and what comes out of answers, for collections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import orjson

from raftdoc.client.call import JSON_PATCH, MERGE_PATCH, Answer, segment_of
from raftdoc.client.errors import BulkWriteError, InvalidUse
from raftdoc.client.values import BulkWriteResult, DocumentId, Json, OperationResult, WriteResult

Projection: TypeAlias = "Mapping[str, Any] | Sequence[str]"
"""As a document, or the names of the fields to show."""
T = TypeVar("T")


def path_segment(text: str) -> str:
    """Return an id as a segment of a path.

    Raises:
        InvalidUse: it cannot be one.
    """
    if text in {"", ".", ".."}:
        raise InvalidUse(f"{text!r} cannot be the id of a document")
    return segment_of(text)


def results_of(answer: Answer) -> tuple[OperationResult, ...]:
    """Return the results of an answer with one JSON line each.

    Raises:
        InvalidAnswer: it has others.
    """
    try:
        return tuple([_result_of(orjson.loads(line)) for line in answer.body.splitlines() if line])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise answer.invalid(f"the answer is no list of results: {error!r}") from None


def _result_of(line: Mapping[str, Any]) -> OperationResult:
    get = line.get
    return OperationResult(line["status"], get("_id"), get("etag"), bool(get("modified")), get("error"))


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
    body = answer.object()
    is_replayed = answer.fields.get("Idempotency-Replayed") == "true"
    return WriteResult(body.get("_id", id), answer.checked(body, "etag", str), answer.status == 201, is_replayed)


def projection_document(projection: Projection | None) -> dict[str, Any] | None:
    """Return a projection as the API takes it.

    Raises:
        InvalidUse: it is none.
    """
    if projection is None or isinstance(projection, Mapping):
        return None if projection is None else dict(projection)
    return dict.fromkeys(list_of(projection, "a projection is a document, or a list of the names of fields"), 1)


def list_of(values: Iterable[T], rule: str) -> list[T]:
    """Return values that are not the letters of a string or the names of a document.

    Raises:
        InvalidUse: they are, or are none; says the rule.
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InvalidUse(f"{rule}, not {values!r:.60}")
    return list(values)


def patch_content(patch: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> tuple[str, Json]:
    """Return the media type and the value of a patch.

    Raises:
        InvalidUse: it is none.
    """
    if isinstance(patch, Mapping):
        return MERGE_PATCH, dict(patch)
    return JSON_PATCH, list_of(patch, "a patch is a dict, or a list of operations")


def filter_document(filter: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a filter as the API takes it; None matches all.

    Raises:
        InvalidUse: it is none.
    """
    return {} if filter is None else chosen_by(filter)


def chosen_by(filter: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filter of a write: one that is forgotten must not mean all documents.

    Raises:
        InvalidUse: it is none.
    """
    if not isinstance(filter, Mapping):
        raise InvalidUse(f"a filter is a dict, not {filter!r:.60}")
    return dict(filter)
