"""What takes its time, by id: the first word of the id says who knows how far it is.

    join-n4 · drain-n4 · remove-n4      a node, by the catalog
    index-7-1-2                         a build, by the state of its group
    rebalance-3                         a pass, by the catalog
    update-7-018bcfe5                   an update in chunks, by what is remembered under its idempotency key

Nothing is remembered here: what is told follows from replicated state, so any node tells it, after any failover.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from raftdoc.database.requests import OperationInfo, Request
from raftdoc.errors import NotFound

Finder: TypeAlias = Callable[[Request, str], Awaitable[OperationInfo]]
"""Returns how far the operation of an id is, or raises NotFound."""


class Operations:
    def __init__(self, finders: Mapping[str, Finder]) -> None:
        """`finders` has the first word of the ids that each one knows."""
        self._finders = finders

    async def get(self, request: Request, id: str) -> OperationInfo:
        """Return how far an operation is.

        Raises:
            NotFound: there is no such operation.
        """
        finder = self._finders.get(id.partition("-")[0])
        if finder is None:
            raise NotFound("operation", id)
        return await finder(request, id)
