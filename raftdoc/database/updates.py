"""Updates and deletions by filter, patches, and bulks of them: commands that change documents in place.

One document by its id is one command: operators, and the rest of the filter, run at apply. All else is looked for here
and sent as chunks of (id, revision): apply checks the revision, and what has changed meanwhile is looked at again. Each
document of a chunk stands for itself, unless the whole is atomic and then one command.

Under an idempotency key each chunk has a key derived from it. What a retry finds may be other documents, so it is
the recorded outcomes that say how far the first attempt came: where to go on, and which documents were missed.
"""

from __future__ import annotations

from collections.abc import Awaitable

from raftdoc.database.queries import Queries
from raftdoc.database.reads import Reads
from raftdoc.database.requests import Request
from raftdoc.database.update_plan import Plan, Wanted
from raftdoc.database.update_search import Search
from raftdoc.database.update_task import Changed, UpdateTask
from raftdoc.database.writes import Writes
from raftdoc.document import DocumentId, JsonValue, id_key
from raftdoc.errors import RaftdocError
from raftdoc.statemachine import commands, update_steps
from raftdoc.statemachine.outcome import Outcome
from raftdoc.statemachine.update_steps import ChangeKind


class Updates:
    def __init__(self, writes: Writes, reads: Reads, queries: Queries) -> None:
        self._writes = writes
        self._reads = reads
        self._queries = queries

    def patch(
        self,
        request: Request,
        database: str,
        collection: str,
        id: DocumentId,
        *,
        kind: ChangeKind,
        body: JsonValue,
        if_match: int | None,
        bytes_max: int,
    ) -> Awaitable[Outcome]:
        """Do a patch to one document, inside the log. `body` is checked; an update is portable."""
        step = update_steps.update(id_key(id), expected=commands.expected_revision(if_match))
        change = update_steps.change(kind, body)
        command = commands.modify(collection, step, [change], bytes_max=bytes_max, idempotency=request.idempotency)
        return self._writes.write(request, database, command, collection=collection, document=id)

    async def change(self, request: Request, database: str, collection: str, wanted: Wanted) -> Changed:
        """Update or delete the documents that a filter means, or the first of them.

        Raises:
            InvalidQuery: what is wanted cannot be understood.
            UpdateRefused: a document does not take it, and nothing was done.
            NotFound: the database, or the collection where nothing is to be made in it.
            TooLarge: it is to be atomic, and more than one command can do.
        """
        plan = Plan(wanted, self._reads.wall_ms())
        search = Search(self._queries, self._reads, request, database, collection, plan)
        task = UpdateTask(self._writes, search, request, database, collection, plan)
        if not wanted.multi:
            return _shown(plan, await task.change_one())
        return await (task.change_atomically() if wanted.atomic else task.change_chunks())


def _shown(plan: Plan, changed: Changed) -> Changed:
    """Return what became of a find-and-modify with the document as its projection shows it."""
    if changed.document is not None:
        try:
            changed.document = plan.shown(changed.document)
        except RaftdocError as error:
            error.outcome = "applied"
            raise
    return changed
