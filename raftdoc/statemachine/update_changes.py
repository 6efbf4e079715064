"""What a change makes of a stored document, inside apply: the same on every replica.

It knows no clock but log time. What a change reads is the document at hand and the command, nothing else.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

import orjson

from raftdoc.document import JsonValue, compare, encode_value, id_key, parse_document
from raftdoc.document.patch import PatchOperation, apply_json_patch, apply_merge_patch, parse_json_patch
from raftdoc.errors import PatchConflict
from raftdoc.query.context import Context
from raftdoc.query.dates import tagged_date
from raftdoc.query.filter import Filter, parse_filter
from raftdoc.query.update import Update, parse_update
from raftdoc.statemachine.update_steps import ChangeKind, EncodedChange

Document: TypeAlias = "dict[str, JsonValue]"


class Change:
    """A change of a command, parsed: done to any number of documents."""

    __slots__ = ("_body", "_bytes_max", "_guard", "_kind", "_now_ms", "_parsed")

    def __init__(self, encoded: EncodedChange, *, bytes_max: int, now_ms: int) -> None:
        """Parse a change. `now_ms` is log time, bytes_max that of a document.

        Raises:
            InvalidRequest: it is none; the proposer has checked that.
        """
        kind, body, array_filters, guard = encoded
        self._kind = ChangeKind(kind)
        self._bytes_max = bytes_max
        self._now_ms = now_ms
        self._body: JsonValue = orjson.loads(body)
        self._guard: Filter | None = None if guard is None else parse_filter(orjson.loads(guard), "/filter")
        self._parsed: Update | tuple[PatchOperation, ...] | None = None
        match self._kind:
            case ChangeKind.UPDATE:
                filters = None if array_filters is None else orjson.loads(array_filters)
                self._parsed = parse_update(self._body, filters, "/update")
            case ChangeKind.JSON_PATCH:
                self._parsed = parse_json_patch(self._body)
            case ChangeKind.MERGE_PATCH:
                pass
            case _:
                assert_never(self._kind)

    def matches(self, document: Document) -> bool:
        """Return whether the guard lets a document pass."""
        return self._guard is None or self._guard.matches(document)

    def changed(self, document: Document, *, is_insert: bool) -> bytes | None:
        """Return the normal bytes of the changed document; None: nothing changes.

        Raises:
            UpdateRefused, PatchConflict: the document does not take the change.
            InvalidRequest: the result is no document, or too large.
        """
        after = self._apply(document, is_insert=is_insert)
        if after is document:
            return None
        # First what bounds its depth: everything below goes through all levels.
        encode_value(after)
        if not isinstance(after, dict) or "_id" not in after or compare(after["_id"], document["_id"]):
            raise PatchConflict("a document is an object, and a change keeps its _id", pointer="/_id")
        if next(iter(after)) != "_id":
            after = {"_id": document["_id"], **after}
        after["_id"] = document["_id"]
        parsed = parse_document(encode_value(after), bytes_max=self._bytes_max)
        assert parsed.id is not None
        assert id_key(parsed.id) == id_key(document["_id"]), parsed.id  # type: ignore[arg-type]  # it is stored
        return parsed.normal

    def _apply(self, document: Document, *, is_insert: bool) -> JsonValue:
        parsed = self._parsed
        if isinstance(parsed, Update):
            context = Context(now=tagged_date(self._now_ms, "/update"))
            return parsed.apply(
                document, filter=self._guard, context=context, is_insert=is_insert, bytes_max=self._bytes_max
            )
        if parsed is None:
            after = apply_merge_patch(document, self._body)
        else:
            after = apply_json_patch(document, parsed, bytes_max=self._bytes_max)
        return document if encode_value(after) == orjson.dumps(document) else after
