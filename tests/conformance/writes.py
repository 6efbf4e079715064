"""`insert`, `update`, `delete` and `findAndModify` of the recorded cases, as the commands that the API proposes."""

from __future__ import annotations

from typing import Any

import orjson

from raftdoc.database.outcomes import error_of
from raftdoc.database.update_plan import Found, Plan, Wanted
from raftdoc.document import id_key
from raftdoc.statemachine import commands
from raftdoc.statemachine.outcome import Outcome
from raftdoc.statemachine.update_steps import Answer as Shown
from raftdoc.statemachine.update_steps import Step

from .database import NOW_MS, Database

Answer = dict[str, Any]


def insert(database: Database, command: Answer) -> Answer:
    """Answer `{"insert": c, "documents": [...]}`."""
    database.insert(command["insert"], command["documents"])
    return {"n": len(command["documents"]), "ok": 1.0}


def update(database: Database, command: Answer) -> Answer:
    """Answer `{"update": c, "updates": [{"q": f, "u": u, "multi": m, "upsert": b, "arrayFilters": [...]}]}`."""
    total = {"n": 0, "nModified": 0, "ok": 1.0}
    upserted = []
    for place, one in enumerate(command["updates"]):
        wanted = Wanted(
            filter=one.get("q", {}),
            update=one.get("u"),
            array_filters=one.get("arrayFilters"),
            upsert=one.get("upsert", False),
            multi=one.get("multi", False),
            new_id=database.new_id(),
        )
        changed = change(database, command["update"], wanted)
        total["n"] += changed["n"]
        total["nModified"] += changed["nModified"]
        if changed["upserted"] is not None:
            upserted.append({"index": place, "_id": changed["upserted"]})
    return {**total, "upserted": upserted} if upserted else total


def delete(database: Database, command: Answer) -> Answer:
    """Answer `{"delete": c, "deletes": [{"q": f, "limit": 0 | 1}]}`."""
    count = 0
    for one in command["deletes"]:
        wanted = Wanted(filter=one.get("q", {}), is_delete=True, multi=not one.get("limit"))
        count += change(database, command["delete"], wanted)["n"]
    return {"n": count, "ok": 1.0}


def find_and_modify(database: Database, command: Answer) -> Answer:
    """Answer `{"findAndModify": c, "query": f, "update": u, "new": b, "fields": p}`, or with `"remove": true`."""
    wanted = Wanted(
        filter=command.get("query") or {},
        update=command.get("update"),
        array_filters=command.get("arrayFilters"),
        is_delete=command.get("remove", False),
        upsert=command.get("upsert", False),
        sort=command.get("sort"),
        answer=Shown.AFTER if command.get("new") else Shown.BEFORE,
        projection=command.get("fields"),
        new_id=database.new_id(),
    )
    changed = change(database, command["findAndModify"], wanted)
    state: Answer = {"n": changed["n"]}
    if not wanted.is_delete:
        state["updatedExisting"] = changed["upserted"] is None and changed["n"] > 0
    return {"lastErrorObject": state, "value": changed["value"], "ok": 1.0}


def change(database: Database, collection: str, wanted: Wanted) -> Answer:
    """Do what is wanted to the documents that it means, one command for each.

    Raises:
        RaftdocError: a document does not take it; those before it are changed.
    """
    plan = Plan(wanted, NOW_MS)
    database.create_collection(collection)
    totals: Answer = {"n": 0, "nModified": 0, "upserted": None, "value": None}
    for found in _found(database, collection, plan):
        outcome = _modify(database, collection, plan, plan.step(found))
        totals["n"] += 1
        totals["nModified"] += bool(outcome.data["modified"])
        _show(totals, plan, outcome)
    if not totals["n"] and wanted.upsert:
        step, id_ = plan.upsert_step()
        outcome = _modify(database, collection, plan, step)
        totals.update(n=1, upserted=id_)
        _show(totals, plan, outcome)
    return totals


def _found(database: Database, collection: str, plan: Plan) -> list[Found]:
    listed, _ = database.machine.list_documents(collection, limit=1 << 30, bytes_max=1 << 40)
    found = []
    for stored in listed:
        document = orjson.loads(stored.body)
        if plan.matches(document):
            found.append(Found(id_key(document["_id"]), stored.revision, document))
    if plan.sort is not None:
        sort = plan.sort
        found.sort(key=lambda one: sort.total_key(one.document))
    return found if plan.wanted.multi else found[:1]


def _modify(database: Database, collection: str, plan: Plan, step: Step) -> Outcome:
    outcome = database.apply(commands.modify(collection, step, plan.changes(), answer=plan.wanted.answer))
    if not outcome.is_ok:
        raise error_of(outcome.code, {"collection": collection}, outcome.data)
    return outcome


def _show(totals: Answer, plan: Plan, outcome: Outcome) -> None:
    document = outcome.data.get("document")
    if document is not None:
        totals["value"] = orjson.loads(plan.shown(document))
