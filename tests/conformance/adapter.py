"""The engine behind the HTTP API, for `judge.py` of the recorded cases: one step of a case in, one answer out.

    DATA=../shared/conformance
    python $DATA/judge.py --adapter tests.conformance.adapter:connect $DATA/query_cases.jsonl.gz

Documents lie in a DatabaseMachine over the memory engine, put there by commands in entries as the log has them;
queries run through the planner and the executor that answer HTTP requests. Only the outer form is turned here:
a recorded case says `{"find": c, "filter": ...}` where the API says `POST C/query`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raftdoc.errors import InvalidDocument, InvalidQuery, RaftdocError, UnknownOption

from .database import Database
from .reads import aggregate, count, distinct, find
from .writes import delete, find_and_modify, insert, update

Step = dict[str, Any]
Answer = dict[str, Any]

BAD_VALUE = 2
COMMAND_NOT_FOUND = 59


class Refused(Exception):
    """A step that the engine refused; `code` is the dialect's number."""

    def __init__(self, error: RaftdocError) -> None:
        super().__init__(f"{getattr(error, 'pointer', '')}: {error.detail}")
        self.code = _code_of(error)


def _code_of(error: RaftdocError) -> int:
    number = getattr(error, "mongo_code", None)
    if isinstance(number, int):
        return number
    return BAD_VALUE if isinstance(error, InvalidDocument) else 0


class Engine:
    """One empty database, to which the steps of one case are given in turn."""

    def __init__(self) -> None:
        self._database = Database()

    def __call__(self, step: Step) -> Answer:
        """Return what the judge wants to see of a step.

        Raises:
            Refused: the engine refused it.
        """
        try:
            return self._do(step)
        except RaftdocError as error:
            raise Refused(error) from error

    def _do(self, step: Step) -> Answer:
        match step["op"]:
            case "create":
                self._database.create_collection(step["coll"])
            case "drop":
                self._database.drop_collection(step["coll"])
            case "insert":
                self._database.insert(step["coll"], step["docs"])
            case "createIndex":
                self._database.create_index(step["coll"], step["keys"], step.get("options") or {})
            case _:
                return self._command(step["cmd"])
        return {"ok": 1.0}

    def _command(self, command: Answer) -> Answer:
        name = next(iter(command))
        run = COMMANDS.get(name)
        if run is None:
            raise InvalidQuery(f"there is no command {name!r}", pointer="", mongo_code=COMMAND_NOT_FOUND)
        if "collation" in command:
            raise UnknownOption("there are no collations", pointer="/collation")
        return run(self._database, command)


COMMANDS: dict[str, Callable[[Database, Answer], Answer]] = {
    "find": find,
    "aggregate": aggregate,
    "count": count,
    "distinct": distinct,
    "insert": insert,
    "update": update,
    "delete": delete,
    "findAndModify": find_and_modify,
}


def connect() -> Engine:
    """Return a fresh, empty engine."""
    return Engine()
