"""`raftdoc export`: the documents of a collection, or those that a filter means, into a file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from raftdoc.cli.commands import EXIT_BAD_NEWS, EXIT_USAGE, Subparsers, add_command, add_url, complain, urls_of
from raftdoc.cli.data_files import FORMATS, STANDARD, format_of, open_output, write_documents
from raftdoc.cli.progress import Progress

if TYPE_CHECKING:
    from raftdoc.client.blocking import Cursor

DESCRIPTION = """\
Writes NDJSON, a JSON array or CSV, plain, .gz or .zst, as the file's name says.

  raftdoc export shop orders orders.ndjson.zst
  raftdoc export shop orders - --format ndjson --filter '{"state": "open"}'
  raftdoc export shop orders orders.csv --fields _id,customer,total

Documents come in the order of their ids, page by page, while writes go on: each page is as new as its own moment.
A file appears under its name when it is whole; until then it is NAME.part, which goes when the export fails.
A field of CSV that is no text is written as JSON.

Exit code 0: all is written. 1: the cluster refused or was lost. 2: the file cannot be written.
"""


def add_parser(commands: Subparsers) -> None:
    parser = add_command(commands, "export", run, summary="write documents to a file", description=DESCRIPTION)
    add_url(parser)
    parser.add_argument("database")
    parser.add_argument("collection")
    parser.add_argument("file", help="a file, or - for the standard output")
    parser.add_argument("--format", choices=FORMATS, help="default: what the file's name ends in")
    parser.add_argument("--filter", metavar="JSON", help="only documents that match")
    parser.add_argument("--fields", metavar="NAME,NAME", help="only these fields; needed for CSV")


def run(arguments: argparse.Namespace) -> int:
    from raftdoc.client.blocking import Client
    from raftdoc.client.errors import RaftdocError

    kind = arguments.format or format_of(arguments.file)
    fields = arguments.fields.split(",") if arguments.fields else None
    fault = _fault(arguments, kind, fields)
    if fault is not None:
        complain(fault)
        return EXIT_USAGE
    assert kind is not None
    try:
        with Client(urls_of(arguments)) as client, open_output(arguments.file) as file, Progress("documents") as shown:
            docs = client.database(arguments.database).collection(arguments.collection)
            cursor = docs.find(json.loads(arguments.filter or "{}"), fields)
            # To count what a filter means may cost as much as to export it.
            total = None if arguments.filter else docs.estimated_document_count()
            count = write_documents(file, kind, _counted(cursor, shown, total), fields)
    except BrokenPipeError:
        # Whoever reads has seen enough: no fault of the file.
        raise
    except OSError as error:
        complain(f"{arguments.file} cannot be written: {error}")
        return EXIT_USAGE
    except RaftdocError as error:
        complain(f"{error.code}: {error.detail}")
        return EXIT_BAD_NEWS
    if arguments.file != STANDARD:
        print(f"{count} documents written to {arguments.file}")
    return 0


def _fault(arguments: argparse.Namespace, kind: str | None, fields: list[str] | None) -> str | None:
    """Return what is wrong with the arguments."""
    if kind is None:
        return f"what is to be written does not show in the name {arguments.file}: say --format"
    if kind == "csv" and not fields:
        return "CSV has columns: name them with --fields"
    try:
        is_object = isinstance(json.loads(arguments.filter or "{}"), dict)
    except ValueError as error:
        return f"--filter is no JSON: {error}"
    return None if is_object else "--filter is a JSON object"


def _counted(cursor: Cursor[dict[str, Any]], progress: Progress, total: int | None) -> Iterator[dict[str, Any]]:
    for count, document in enumerate(cursor, 1):
        yield document
        progress.show(count, count / total if total else None)
