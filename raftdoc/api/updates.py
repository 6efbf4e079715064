"""Updates, deletions and find-and-modify by filter: a JSON object in, a JSON object out."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Any, Final

import orjson

from raftdoc.api.answers import json_response, replay_fields
from raftdoc.api.backend import DocumentBackend
from raftdoc.api.bodies import parse_object
from raftdoc.api.documents import checked_name
from raftdoc.api.errors import describe
from raftdoc.api.exchange import JSON, Call, Later, Reply, Response
from raftdoc.api.generated_ids import IdSource, derived_id
from raftdoc.api.parsing import Parser
from raftdoc.api.preconditions import tag_of
from raftdoc.api.settings import HttpSettings
from raftdoc.api.targets import read_flag
from raftdoc.database.update_plan import Wanted
from raftdoc.database.update_task import Changed
from raftdoc.document import DocumentId
from raftdoc.errors import InvalidRequest, UnknownOption
from raftdoc.statemachine.outcome import Outcome
from raftdoc.statemachine.update_steps import Answer

UPDATE_MEMBERS: Final = frozenset({"filter", "update", "array_filters", "sort", "upsert", "multi"})
DELETE_MEMBERS: Final = frozenset({"filter", "sort", "multi"})
MODIFY_MEMBERS: Final = frozenset(
    {"filter", "update", "delete", "array_filters", "sort", "projection", "upsert", "return"}
)
ANSWERS: Final = {"before": Answer.BEFORE, "after": Answer.AFTER}


class Updates:
    def __init__(self, backend: DocumentBackend, settings: HttpSettings, ids: IdSource, parser: Parser) -> None:
        self._backend = backend
        self._parser = parser
        self._retention_ms = settings.idempotency_retention_ms
        self._bytes_max = settings.document_bytes_max
        self._ids = ids

    def update(self, call: Call) -> Later | Awaitable[Reply]:
        return self._parser.then(call, partial(Members, known=UPDATE_MEMBERS), self._update)

    def delete(self, call: Call) -> Later | Awaitable[Reply]:
        return self._parser.then(call, partial(Members, known=DELETE_MEMBERS), self._delete)

    def find_and_modify(self, call: Call) -> Later | Awaitable[Reply]:
        return self._parser.then(call, partial(Members, known=MODIFY_MEMBERS), self._find_and_modify)

    def _update(self, call: Call, members: Members) -> Later:
        multi, atomic = _extent(call, members)
        wanted = Wanted(
            filter=members.needed("filter"),
            update=members.needed("update"),
            array_filters=members.optional("array_filters"),
            sort=_sort(members, multi=multi),
            upsert=members.flag("upsert"),
            multi=multi,
            atomic=atomic,
            new_id=self._new_id(call),
            bytes_max=self._bytes_max,
        )
        return self._change(call, wanted, self._updated)

    def _delete(self, call: Call, members: Members) -> Later:
        multi, atomic = _extent(call, members)
        sort = _sort(members, multi=multi)
        wanted = Wanted(filter=members.needed("filter"), is_delete=True, sort=sort, multi=multi, atomic=atomic)
        return self._change(call, wanted, self._deleted)

    def _find_and_modify(self, call: Call, members: Members) -> Later:
        is_delete = members.flag("delete")
        if is_delete:
            members.refuse(("update", "array_filters", "upsert", "return"), "has no meaning for a deletion")
        shown = members.optional("return") or "before"
        if shown not in ANSWERS:
            raise InvalidRequest("return is before or after", pointer="/return")
        wanted = Wanted(
            filter=members.needed("filter"),
            update=None if is_delete else members.needed("update"),
            array_filters=members.optional("array_filters"),
            is_delete=is_delete,
            upsert=members.flag("upsert"),
            sort=members.optional("sort"),
            projection=members.optional("projection"),
            answer=ANSWERS[shown],
            new_id=self._new_id(call),
            bytes_max=self._bytes_max,
        )
        return self._change(call, wanted, self._found)

    def _change(self, call: Call, wanted: Wanted, finish: Any) -> Later:
        database, collection = map(checked_name, call.parameters)
        return Later(self._backend.change_documents(call.request, database, collection, wanted), finish)

    def _new_id(self, call: Call) -> DocumentId:
        """Return the id of a document that an upsert may make: a retry names the same."""
        idempotency = call.request.idempotency
        if idempotency is None:
            return self._ids.next_id()
        return derived_id(idempotency.key, call.path, 0, call.body)

    def _fields(self, call: Call, changed: Changed) -> str:
        return replay_fields(
            call, Outcome("ok", replayed=changed.replayed, time_ms=changed.time_ms), self._retention_ms
        )

    def _updated(self, call: Call, changed: Changed) -> Response:
        body: dict[str, Any] = {
            "matched": changed.matched,
            "modified": changed.modified,
            "upserted_id": changed.upserted_id,
        }
        if changed.refused:
            body["refused"] = changed.refused
            body["errors"] = [{"_id": id_, "error": describe(error)} for id_, error in changed.errors]
        body |= _operation(changed)
        return json_response(body, 207 if changed.refused else 200, self._fields(call, changed))

    def _deleted(self, call: Call, changed: Changed) -> Response:
        return json_response({"deleted": changed.modified} | _operation(changed), 200, self._fields(call, changed))

    def _found(self, call: Call, changed: Changed) -> Response:
        tag = orjson.dumps(tag_of(changed.revision).decode() if changed.revision else None)
        head = b'{"matched":%d,"modified":%d,"upserted_id":%b,"etag":%b,"document":' % (
            changed.matched,
            changed.modified,
            orjson.dumps(changed.upserted_id),
            tag,
        )
        return Response(200, JSON + self._fields(call, changed), head + (changed.document or b"null") + b"}")


def _operation(changed: Changed) -> dict[str, Any]:
    return {} if changed.operation is None else {"operation": changed.operation}


class Members:
    """The members of a body."""

    def __init__(self, body: bytes, known: frozenset[str]) -> None:
        """Check their names.

        Raises:
            MalformedJson, InvalidRequest: the body is no JSON object.
            UnknownOption: a member that means nothing here.
        """
        self._members: dict[str, Any] = parse_object(body)
        for name in self._members:
            if name not in known:
                place = name.replace("~", "~0").replace("/", "~1")
                raise UnknownOption(f"there is no member {name[:100]!r} here", pointer=f"/{place}")

    def needed(self, name: str) -> Any:
        if name not in self._members:
            raise InvalidRequest(f"the member {name} is missing", pointer=f"/{name}")
        return self._members[name]

    def optional(self, name: str) -> Any:
        return self._members.get(name)

    def flag(self, name: str) -> bool:
        value = self._members.get(name, False)
        if not isinstance(value, bool):
            raise InvalidRequest(f"{name} is true or false", pointer=f"/{name}")
        return value

    def refuse(self, names: tuple[str, ...], why: str) -> None:
        for name in names:
            if name in self._members:
                raise InvalidRequest(f"{name} {why}", pointer=f"/{name}")


def _extent(call: Call, members: Members) -> tuple[bool, bool]:
    """Return whether many documents are meant, and whether all or none."""
    multi, atomic = members.flag("multi"), read_flag(call.query, "atomic", default=False)
    if atomic and not multi:
        raise InvalidRequest("atomic is for many documents: one is always all or nothing", pointer="/multi")
    return multi, atomic


def _sort(members: Members, *, multi: bool) -> Any:
    if multi:
        members.refuse(("sort",), "says which one of several: it has no meaning for all of them")
    return members.optional("sort")
