"""The operations that change documents in place, as data: a part of the table in `operations`."""

from __future__ import annotations

from typing import Final

from raftdoc.api.operation import COLLECTION, DOCUMENT, NDJSON, Access, Answer, Body, Operation

_REPLAY = ("Idempotency-Replayed", "Idempotency-Expires")

WRITE_OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        id="patch_document",
        method="PATCH",
        path=DOCUMENT,
        summary="Change a document: by a merge patch, a JSON patch, or update operators.",
        access=Access.WRITE,
        query=("id_type",),
        preconditions=(b"if-match",),
        body=Body.PATCH,
        answers=(Answer(200, "It was changed, or had that state already.", "Written", headers=("ETag", *_REPLAY)),),
        errors=(409, 412),
    ),
    Operation(
        id="update_documents",
        method="POST",
        path=COLLECTION + "/update",
        summary="Update the documents that a filter means, or the first of them.",
        access=Access.WRITE,
        query=("atomic",),
        body=Body.OBJECT,
        request="UpdateRequest",
        answers=(
            Answer(200, "What became of it.", "Updated", headers=_REPLAY),
            Answer(207, "Some documents did not take the update.", "Updated", headers=_REPLAY),
        ),
        errors=(409, 413),
    ),
    Operation(
        id="delete_documents",
        method="POST",
        path=COLLECTION + "/delete",
        summary="Delete the documents that a filter means, or the first of them.",
        access=Access.WRITE,
        query=("atomic",),
        body=Body.OBJECT,
        request="DeleteRequest",
        answers=(Answer(200, "How many are gone.", "Deleted", headers=_REPLAY),),
        errors=(409, 413),
    ),
    Operation(
        id="find_and_modify",
        method="POST",
        path=COLLECTION + "/find-and-modify",
        summary="Update, replace or delete one document, and show it as it was or as it is then.",
        access=Access.WRITE,
        body=Body.OBJECT,
        request="FindAndModifyRequest",
        answers=(Answer(200, "The document, null if there was none.", "FoundAndModified", headers=_REPLAY),),
        errors=(409, 413),
    ),
    Operation(
        id="write_bulk",
        method="POST",
        path=COLLECTION + "/bulk",
        summary="Insert, replace, update and delete documents by id, one a line.",
        access=Access.WRITE,
        query=("ordered", "atomic"),
        body=Body.LINES,
        answers=(
            Answer(200, "All were done; one line for each.", "BulkResults", (NDJSON,), _REPLAY),
            Answer(207, "Some were not; one line for each that was tried.", "BulkResults", (NDJSON,), _REPLAY),
        ),
        errors=(409, 413, 422),
    ),
)
