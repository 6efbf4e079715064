"""`raftdoc import`: the documents of a file into a collection, in batches that are never done twice."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from raftdoc.cli.commands import (
    EXIT_BAD_NEWS,
    EXIT_USAGE,
    Subparsers,
    add_command,
    add_url,
    complain,
    urls_of,
    whole_number,
)
from raftdoc.cli.data_files import FORMATS, STANDARD, BadFile, format_of, open_input, read_documents
from raftdoc.cli.progress import Progress

if TYPE_CHECKING:
    from raftdoc.client.client import AsyncClient

DESCRIPTION = """\
Reads NDJSON, a JSON array or CSV with a head line, plain, .gz or .zst, and creates a document for each.

  raftdoc import shop orders orders.ndjson.zst
  raftdoc import shop orders orders.csv --infer
  zcat dump.gz | raftdoc import shop orders - --format ndjson

Every batch has an idempotency key made of the file's content, the target and its place: run the same command again
after an interruption, and nothing is done twice; what is done already is passed over quickly. The database is created
if it is not there.

Exit code 0: every document is there. 1: some could not be created (the first are named). 2: the file cannot be read.
"""
BATCH_DOCUMENTS: Final = 1000
BATCH_BYTES: Final = 4 * 1024 * 1024
BATCHES_IN_FLIGHT: Final = 4
FAULTS_SHOWN: Final = 10
FINGERPRINT_BYTES: Final = 1024 * 1024


@dataclass
class Tally:
    created: int = 0
    replayed: int = 0
    failed: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        return self.created + self.replayed + self.failed


def add_parser(commands: Subparsers) -> None:
    parser = add_command(commands, "import", run, summary="create documents from a file", description=DESCRIPTION)
    add_url(parser)
    parser.add_argument("database")
    parser.add_argument("collection")
    parser.add_argument("file", help="a file, or - for the standard input")
    parser.add_argument("--format", choices=FORMATS, help="default: what the file's name ends in")
    parser.add_argument("--infer", action="store_true", help="CSV: make numbers, true, objects, ... of what looks so")
    parser.add_argument(
        "--skip", type=whole_number(0, 10**12), default=0, help="pass over so many documents at the start"
    )


def run(arguments: argparse.Namespace) -> int:
    from raftdoc.client.errors import RaftdocError

    kind = arguments.format or format_of(arguments.file)
    if kind is None:
        complain(f"what {arguments.file} holds does not show in its name: say --format")
        return EXIT_USAGE
    tally = Tally()
    try:
        asyncio.run(_import(arguments, kind, tally))
    except (BadFile, OSError) as error:
        there = tally.created + tally.replayed
        complain(str(error), *([f"{there} documents before it are there"] if there else []))
        return EXIT_USAGE
    except RaftdocError as error:
        complain(
            f"{error.code}: {error.detail}", f"run the same again, or go on with --skip {arguments.skip + tally.done}"
        )
        return EXIT_BAD_NEWS
    except KeyboardInterrupt:
        complain(f"given up after {tally.done} documents: run the same again, and it goes on there")
        raise
    complain(*tally.faults)
    print(f"{tally.created} created, {tally.replayed} done before, {tally.failed} failed")
    return EXIT_BAD_NEWS if tally.failed else 0


async def _import(arguments: argparse.Namespace, kind: str, tally: Tally) -> None:
    from raftdoc.client.client import AsyncClient
    from raftdoc.client.options import CallOptions

    seed = _fingerprint(arguments)
    async with AsyncClient(urls_of(arguments), call_options=CallOptions(timeout_s=60)) as client:
        await client.create_database(arguments.database)
        with open_input(arguments.file) as source, Progress("documents") as progress:
            documents = islice(read_documents(source.file, kind, infer=arguments.infer), arguments.skip, None)
            batches = _cut(documents)
            pending: deque[tuple[asyncio.Task[None], float | None]] = deque()
            first = arguments.skip

            async def finish_oldest() -> None:
                # In order: what is said to be done is all that stands before it.
                task, share = pending[0]
                await task
                pending.popleft()
                progress.show(tally.done, share)

            try:
                async for position, batch in _numbered(batches):
                    key = f"{seed}-{arguments.skip}-{position}"
                    task = asyncio.ensure_future(_send(client, arguments, key, batch, first, tally))
                    pending.append((task, source.share()))
                    first += len(batch)
                    if len(pending) >= BATCHES_IN_FLIGHT:
                        await finish_oldest()
                while pending:
                    await finish_oldest()
            finally:
                for task, _ in pending:
                    task.cancel()


async def _numbered(batches: Iterator[list[bytes]]) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Yield the batches with their places, each read in a thread: a file may be slow."""
    position = 0
    while batch := await asyncio.to_thread(next, batches, None):
        yield position, batch
        position += 1


async def _send(
    client: AsyncClient, arguments: argparse.Namespace, key: str, batch: list[bytes], first: int, tally: Tally
) -> None:
    """Create the documents of a batch, of which the first is at offset `first` of the file."""
    from raftdoc.client.call import NDJSON, path_of
    from raftdoc.client.errors import InvalidRequest
    from raftdoc.client.exchange import results_of
    from raftdoc.client.options import CallOptions

    path = path_of("dbs", arguments.database, "collections", arguments.collection, "docs")
    details: dict[str, Any] = {"body": b"\n".join(batch), "media": NDJSON, "accept": NDJSON, "key": key}
    try:
        answer = await client.call(
            "POST", path, CallOptions(timeout_s=60), is_write=True, database=arguments.database, **details
        )
    except InvalidRequest as error:
        place = f"the {len(batch)} documents from number {first + 1} on"
        if error.code == "key_reused":
            raise BadFile(f"{place} are others than in an earlier import of this file: it has changed") from error
        # Its line is one of the batch, not of the file.
        raise BadFile(f"of {place}, {error.detail}") from error
    is_replayed = answer.fields.get("Idempotency-Replayed") == "true"
    for result in results_of(answer):
        if result.error is not None:
            tally.failed += 1
            if len(tally.faults) < FAULTS_SHOWN:
                tally.faults.append(f"_id {result.id!r}: {result.error.get('code')}")
        elif is_replayed:
            tally.replayed += 1
        else:
            tally.created += 1


def _cut(documents: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield the documents in batches: the same ones for the same file."""
    batch: list[bytes] = []
    byte_count = 0
    for document in documents:
        if batch and (len(batch) >= BATCH_DOCUMENTS or byte_count + len(document) > BATCH_BYTES):
            yield batch
            batch, byte_count = [], 0
        batch.append(document)
        byte_count += len(document)
    if batch:
        yield batch


def _fingerprint(arguments: argparse.Namespace) -> str:
    """Return what the keys of this import begin with: another file, or another target, has other keys.

    The standard input cannot be read twice: its keys are those of its target alone, and of this run.
    """
    digest = hashlib.blake2b(digest_size=12)
    digest.update(f"{arguments.database}/{arguments.collection}/{arguments.infer}".encode())
    if arguments.file == STANDARD:
        from raftdoc.client.call import new_key

        digest.update(new_key().encode())
    else:
        path = Path(arguments.file)
        digest.update(str(path.stat().st_size).encode())
        with path.open("rb") as file:
            digest.update(file.read(FINGERPRINT_BYTES))
            file.seek(max(0, path.stat().st_size - FINGERPRINT_BYTES))
            digest.update(file.read(FINGERPRINT_BYTES))
    return f"import-{digest.hexdigest()}"
