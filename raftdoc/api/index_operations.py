"""The operations on indexes, as data: a part of the table in `operations`."""

from __future__ import annotations

from typing import Final

from raftdoc.api.operation import COLLECTION, Access, Answer, Body, Operation

INDEXES: Final = COLLECTION + "/indexes"
INDEX: Final = INDEXES + "/{index}"

_REPLAY = ("Idempotency-Replayed", "Idempotency-Expires")

INDEX_OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        id="list_indexes",
        method="GET",
        path=INDEXES,
        summary="List the indexes of a collection, in the order they were made.",
        access=Access.READ,
        answers=(Answer(200, "All of them, those that are not ready included.", "Indexes"),),
    ),
    Operation(
        id="create_index",
        method="POST",
        path=INDEXES,
        summary="Create an index. It is built in the background; until it is ready it refuses and answers nothing.",
        access=Access.WRITE,
        body=Body.OPTIONS,
        request="IndexRequest",
        answers=(
            Answer(201, "It was created.", "Index", headers=("Location", *_REPLAY)),
            Answer(200, "The same index was there.", "Index", headers=_REPLAY),
        ),
        errors=(409,),
    ),
    Operation(
        id="get_index",
        method="GET",
        path=INDEX,
        summary="Show an index and how far its build is.",
        access=Access.READ,
        answers=(Answer(200, "What it is.", "Index"),),
    ),
    Operation(
        id="delete_index",
        method="DELETE",
        path=INDEX,
        summary="Delete an index.",
        access=Access.WRITE,
        answers=(Answer(204, "It is gone.", headers=_REPLAY),),
    ),
)
