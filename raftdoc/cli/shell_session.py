"""What the commands of the shell do: each takes the parts of a line and returns what is printed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from raftdoc.cli.commands import table
from raftdoc.cli.shell_words import BadLine, Json
from raftdoc.cli.status import describe
from raftdoc.client.blocking import Client, Collection, Database

SHOWN_MAX: Final = 20
"""Documents that `find` shows; `--limit` asks for more."""

COMPLETION_S_MAX: Final = 1.0
"""How long the Tab key may wait for the cluster."""
ENDS: Final = ("exit", "quit")

Part = str | Json


@dataclass
class ShellSession:
    """A client, and the database that is in use."""

    client: Client
    database_name: str | None = None

    @property
    def database(self) -> Database:
        if self.database_name is None:
            raise BadLine("no database is in use: `use NAME` chooses one, `dbs` lists them")
        return self.client.database(self.database_name)

    def collection(self, name: str) -> Collection[dict[str, Any]]:
        return self.database.collection(name)

    def database_names(self) -> dict[str, str]:
        """Return the databases there are, and how many replicas each has, for completion."""
        return {info.name: f"{len(info.replicas)} replicas" for info in self.client.databases()}

    def collection_names(self) -> dict[str, str]:
        """Return the collections there are, and how many documents each has, for completion."""
        if self.database_name is None:
            return {}
        infos = self.database.with_options(timeout_s=COMPLETION_S_MAX).collections()
        return {info.name: f"{info.document_count} documents" for info in infos}


class Command(NamedTuple):
    usage: str
    """Words in capitals are values; those in brackets may be left out."""
    help: str
    run: Callable[..., str]
    """Called with the session and one argument for each word of the usage."""


def pretty(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def lines(values: Iterable[object]) -> str:
    return "\n".join(orjson.dumps(value).decode() for value in values)


# Commands -----------------------------------------------------------------------------------------


def use(session: ShellSession, name: str) -> str:
    known = [info.name for info in session.client.databases()]
    if name not in known:
        raise BadLine(f"there is no database {name}; `create {name}` makes it. There are: {', '.join(known) or 'none'}")
    session.database_name = name
    return f"using {name}"


def dbs(session: ShellSession) -> str:
    infos = session.client.databases()
    return table(("DATABASE", "GROUP", "REPLICAS"), [(i.name, i.group, ", ".join(i.replicas)) for i in infos])


def create(session: ShellSession, name: str) -> str:
    session.client.create_database(name)
    session.database_name = name
    return f"created {name}; using it"


def collections(session: ShellSession) -> str:
    infos = session.database.collections()
    rows = [(info.name, info.document_count, info.document_bytes) for info in infos]
    return table(("COLLECTION", "DOCUMENTS", "BYTES"), rows)


def get(session: ShellSession, collection: str, id: object) -> str:
    found = session.collection(collection).get_versioned(_id(id))
    return "no such document" if found is None else f"{pretty(found.document)}\nrevision {found.revision}"


def put(session: ShellSession, collection: str, id: object, document: object) -> str:
    result = session.collection(collection).put(_id(id), _object(document, "a document"))
    return f"{'created' if result.created else 'replaced'}, revision {result.revision}"


def insert(session: ShellSession, collection: str, document: object) -> str:
    if isinstance(document, list):
        result = session.collection(collection).insert_many(document)
        return f"inserted {len(result.inserted_ids)}"
    id = session.collection(collection).insert_one(_object(document, "a document")).inserted_id
    return f"inserted {orjson.dumps(id).decode()}"


def delete(session: ShellSession, collection: str, id: object) -> str:
    return "deleted" if session.collection(collection).delete(_id(id)) else "no such document"


def find(
    session: ShellSession, collection: str, filter: object = None, sort: object = None, limit: object = None
) -> str:
    count = SHOWN_MAX if limit is None else _number(limit)
    cursor = session.collection(collection).find(_object(filter or {}, "a filter")).limit(count + 1)
    if sort is not None:
        cursor = cursor.sort(_object(sort, "a sort"))
    documents = cursor.to_list()
    more = f"\n(there are more: give a limit above {count})" if len(documents) > count else ""
    return lines(documents[:count]) + more if documents else "nothing matches"


def update(session: ShellSession, collection: str, filter: object, change: object) -> str:
    if not isinstance(change, dict | list):
        raise BadLine('an update is a JSON object of operators, such as {"$set": {"seen": true}}, or a pipeline')
    result = session.collection(collection).update_many(_object(filter, "a filter"), change)
    return f"matched {result.matched_count}, modified {result.modified_count}"


def indexes(session: ShellSession, collection: str) -> str:
    rows = [
        (index["name"], orjson.dumps(index["fields"]).decode(), index["state"], index["entry_count"])
        for index in session.collection(collection).indexes()
    ]
    return table(("INDEX", "FIELDS", "STATE", "ENTRIES"), rows)


def index(session: ShellSession, collection: str, fields: object) -> str:
    name = session.collection(collection).create_index(_object(fields, "the fields of an index"))
    return f"building {name}; `indexes {collection}` tells when it is ready"


def count(session: ShellSession, collection: str, filter: object = None) -> str:
    return str(session.collection(collection).count_documents(_object(filter or {}, "a filter")))


def aggregate(session: ShellSession, collection: str, pipeline: object) -> str:
    if not isinstance(pipeline, list):
        raise BadLine("a pipeline is a JSON array of stages")
    return lines(session.collection(collection).aggregate(pipeline)) or "nothing"


def explain(session: ShellSession, collection: str, filter: object = None) -> str:
    return pretty(session.collection(collection).find(_object(filter or {}, "a filter")).explain())


def status(session: ShellSession) -> str:
    return describe(session.client.cluster())


def help(session: ShellSession, command: str | None = None) -> str:
    if command is not None:
        known = COMMANDS.get(command)
        if known is None:
            raise _no_command(command)
        return f"{known.usage}\n{known.help}"
    rows = [(known.usage, known.help) for known in COMMANDS.values()]
    return table(("COMMAND", ""), [*rows, (ENDS[0], "end the shell; so does Ctrl-D")])


def _no_command(name: str) -> BadLine:
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    return BadLine(f"there is no command {name}; " + (f"is it `{near[0]}`? " if near else "") + "`help` lists them")


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadLine(f"{what} is a JSON object, such as {{}}")
    return value


def _id(value: object) -> Any:
    """Return an id: a word is a string, unless it begins with `=`."""
    if isinstance(value, str) and value.startswith("="):
        try:
            return orjson.loads(value[1:])
        except ValueError:
            raise BadLine(f"{value[1:]} is no JSON; an id that is a string is written as it is") from None
    return value


def _number(value: object) -> int:
    if isinstance(value, str) and value.isdecimal() and int(value) > 0:
        return int(value)
    raise BadLine(f"{value} is no count: a whole number above 0")


COMMANDS: Final[dict[str, Command]] = {
    "dbs": Command("dbs", "list the databases", dbs),
    "use": Command("use NAME", "work in this database", use),
    "create": Command("create NAME", "create a database and work in it", create),
    "collections": Command("collections", "list the collections of the database", collections),
    "get": Command("get COLLECTION ID", 'show a document; 7 is the id "7", =7 the number', get),
    "put": Command("put COLLECTION ID DOCUMENT", "create or replace a document", put),
    "insert": Command("insert COLLECTION DOCUMENT", "create a document, or the documents of a JSON array", insert),
    "delete": Command("delete COLLECTION ID", "delete a document", delete),
    "update": Command("update COLLECTION FILTER UPDATE", "update all documents that match", update),
    "indexes": Command("indexes COLLECTION", "list the indexes of a collection", indexes),
    "index": Command("index COLLECTION FIELDS", 'build an index: index orders {"customer": 1}', index),
    "find": Command("find COLLECTION [FILTER] [SORT] [LIMIT]", "show the documents that match", find),
    "count": Command("count COLLECTION [FILTER]", "count the documents that match", count),
    "aggregate": Command("aggregate COLLECTION PIPELINE", "show what a pipeline makes of the documents", aggregate),
    "explain": Command("explain COLLECTION [FILTER]", "show how a query is answered, and what it costs", explain),
    "status": Command("status", "show nodes, groups and leaders", status),
    "help": Command("help [COMMAND]", "show this, or one command", help),
}


def run_line(session: ShellSession, parts: list[Part]) -> str:
    """Run one line that is not empty; return what it prints.

    Raises:
        BadLine: no such command, or other arguments than its usage has.
        RaftdocError: of the client.
    """
    name, *arguments = parts
    if not isinstance(name, str):
        raise BadLine("a line begins with a command; `help` lists them")
    command = COMMANDS.get(name)
    if command is None:
        raise _no_command(name)
    words = command.usage.split()[1:]
    needed = sum(not word.startswith("[") for word in words)
    if not needed <= len(arguments) <= len(words):
        raise BadLine(f"usage: {command.usage} ({command.help})")
    return command.run(session, *[part.value if isinstance(part, Json) else part for part in arguments])
