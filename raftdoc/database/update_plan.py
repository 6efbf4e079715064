"""How an update, a deletion or a find-and-modify by filter is to be done. Pure: chance and the clock come in.

    plan = Plan(wanted, now_ms)
    plan.by_id_step()          one command, its operators and the rest of its filter run at apply; None: not possible
    plan.step(found)           for a document that was found here: guarded by its revision
    plan.upsert_step()         for none

Runs at apply: what is comparison and logic. Pipelines, regular expressions and expressions run here instead, and the
command carries the new document: apply then checks the revision only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import orjson

from raftdoc.document import DocumentId, JsonValue, check_id, encode_value, id_key, parse_document
from raftdoc.document.path import is_object
from raftdoc.errors import InvalidQuery
from raftdoc.limits import DOCUMENT_BYTES_MAX
from raftdoc.query.ast import And, Compare, Node
from raftdoc.query.context import PAUSE_STEPS, Context
from raftdoc.query.dates import tagged_date
from raftdoc.query.filter import parse_filter
from raftdoc.query.projection import parse_projection
from raftdoc.query.sort import Sort, parse_sort
from raftdoc.query.update import Update, parse_update
from raftdoc.query.update_guard import is_portable
from raftdoc.query.update_upsert import document_from
from raftdoc.statemachine import update_steps
from raftdoc.statemachine.update_steps import Answer, ChangeKind, EncodedChange, Step

FAILED_TO_PARSE = 9
ID_PATH = ("_id",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a caller asks for. Pointers in errors name the members `filter`, `update`, and so on."""

    filter: JsonValue
    update: JsonValue = None
    array_filters: JsonValue = None
    is_delete: bool = False
    upsert: bool = False
    multi: bool = False
    atomic: bool = False
    """Of several: all in one command, or none."""
    sort: JsonValue = None
    """Which one of several, where not all are meant."""
    answer: Answer = Answer.NONE
    projection: JsonValue = None
    """Of the document in the answer."""
    new_id: DocumentId = ""
    """Of a document that an upsert makes, if nothing else gives it one."""
    named: DocumentId | None = None
    """The filter is this id and nothing else: that there is no such document is an error."""
    if_match: int | None = None
    """The revision that the one document has to have."""
    bytes_max: int = DOCUMENT_BYTES_MAX


class Found(NamedTuple):
    """A document that the filter matched, as it was."""

    key: bytes
    revision: int
    document: dict[str, JsonValue]
    size: int = 0
    """Of its JSON, in bytes."""


class Plan:
    def __init__(self, wanted: Wanted, now_ms: int) -> None:
        """Check what is wanted.

        Raises:
            InvalidQuery: the filter, the update, the array filters or the sort is none.
        """
        self.wanted = wanted
        self.context = Context(now=tagged_date(now_ms, ""))
        self._rested_at = self.context.budget.steps_left
        self.filter = parse_filter(wanted.filter, "/filter")
        self.sort: Sort | None = None if wanted.sort is None else parse_sort(wanted.sort, "/sort")
        self._projection = None if wanted.projection is None else parse_projection(wanted.projection, "/projection")
        if self._projection is not None:
            self._projection.check_filter(self.filter)
        self._update: Update | None = None
        if not wanted.is_delete:
            self._update = parse_update(wanted.update, wanted.array_filters, "/update")
            if wanted.multi and self._update.is_replacement:
                detail = "a replacement is for one document, not for many"
                raise InvalidQuery(detail, pointer="/update", mongo_code=FAILED_TO_PARSE)
        self._change_size = 0 if wanted.is_delete else len(orjson.dumps(wanted.update))
        self._has_portable_filter = is_portable(self.filter.root)

    @property
    def change_size(self) -> int:
        """By how many bytes a document may grow, about."""
        return self._change_size

    @property
    def runs_at_apply(self) -> bool:
        """Whether the change itself is done at apply; else the new document is made here."""
        update = self._update
        return update is None or (update.is_portable and (self._has_portable_filter or not update.uses_position))

    def rest(self) -> bool:
        """Tell that a document is done with; return whether the loop should have its turn before the next."""
        budget = self.context.budget
        budget.rest()
        # A pipeline over one document takes its pauses for itself.
        is_due = self._rested_at - budget.steps_left > PAUSE_STEPS
        if is_due:
            self._rested_at = budget.steps_left
        return is_due

    def matches(self, document: dict[str, JsonValue]) -> bool:
        """Return whether a document is meant; call `rest` before the next one."""
        return self.filter.matches(document, self.context)

    def shown(self, document: bytes) -> bytes:
        """Return what the answer shows of a document (JSON, or null).

        Raises:
            InvalidQuery: an expression of the projection cannot take a value of the document.
        """
        if self._projection is None or document == b"null":
            return document
        self.rest()
        return orjson.dumps(self._projection.apply(orjson.loads(document), self.filter, self.context))

    def changes(self) -> list[EncodedChange]:
        """Return the changes that the steps of this plan refer to."""
        if not self.runs_at_apply:
            return []
        guard = self.wanted.filter if self._has_portable_filter else None
        body = {} if self._update is None else self.wanted.update
        return [update_steps.change(ChangeKind.UPDATE, body, array_filters=self.wanted.array_filters, guard=guard)]

    def by_id_step(self) -> Step | None:
        """Return the step that does it all at apply: the filter names the id, and all of it can be judged there."""
        if not self.runs_at_apply or not self._has_portable_filter or self.wanted.multi:
            return None
        key = _id_key(self.filter.root)
        if key is None:
            return None
        expected = self.wanted.if_match
        if self._update is None:
            return update_steps.delete(key, expected=expected, change=0)
        base = self._base() if self.wanted.upsert else None
        if base is not None and id_key(base["_id"]) != key:  # type: ignore[arg-type]  # checked by _base
            return None
        return update_steps.update(key, expected=expected, base=None if base is None else orjson.dumps(base))

    def step(self, found: Found) -> Step:
        """Return the step for a document that matched: done if it still has its revision. Call `rest` before the next.

        Raises:
            UpdateRefused: the document does not take an update that is done here.
        """
        if self._update is None:
            return update_steps.delete(found.key, expected=found.revision)
        if self.runs_at_apply:
            return update_steps.update(found.key, expected=found.revision)
        return update_steps.replace(found.key, self._changed(found.document, is_insert=False), expected=found.revision)

    def upsert_step(self) -> tuple[Step, DocumentId]:
        """Return the step that makes the new document, unless there is one of its id by then; and that id.

        Raises:
            InvalidQuery, InvalidId: the filter and the update make none.
        """
        base = self._base()
        id_ = check_id(base["_id"])
        if self.runs_at_apply:
            return update_steps.update(id_key(id_), expected=0, base=orjson.dumps(base)), id_
        return update_steps.insert(id_, self._changed(base, is_insert=True)), id_

    def _base(self) -> dict[str, JsonValue]:
        """Return what the new document starts from, with the `_id` that it will have."""
        assert self._update is not None
        base = document_from(self.filter.root, id_only=self._update.is_replacement)
        made = self._applied(base, is_insert=True)
        id_ = check_id(made.get("_id", self.wanted.new_id))
        base = {"_id": id_, **base}
        parse_document(encode_value(base), bytes_max=self.wanted.bytes_max)
        return base

    def _changed(self, document: dict[str, JsonValue], *, is_insert: bool) -> bytes:
        after = self._applied(document, is_insert=is_insert)
        return parse_document(encode_value(after), bytes_max=self.wanted.bytes_max).normal

    def _applied(self, document: dict[str, JsonValue], *, is_insert: bool) -> dict[str, JsonValue]:
        assert self._update is not None
        bytes_max = self.wanted.bytes_max
        return self._update.apply(
            document, filter=self.filter, context=self.context, is_insert=is_insert, bytes_max=bytes_max
        )


def _conjuncts(node: Node) -> tuple[Node, ...]:
    return node.children if isinstance(node, And) else (node,)


def _id_key(root: Node) -> bytes | None:
    """Return the key of the one id that a filter names."""
    for node in _conjuncts(root):
        if isinstance(node, Compare) and node.path == ID_PATH and node.op == "$eq":
            return _key_of(node.value)
    return None


def _key_of(value: JsonValue) -> bytes | None:
    """Return the key of a value that can be an id: null, arrays and objects are nobody's."""
    if value is None or isinstance(value, list) or is_object(value):
        return None
    return id_key(value)
