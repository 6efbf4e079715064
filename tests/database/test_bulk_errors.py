"""A bulk of which no part has an answer: what is raised is true of all its parts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from raftdoc.database.bulk import CHUNK_DOCUMENTS, Bulk
from raftdoc.database.bulk_writes import BulkItem, BulkWrites
from raftdoc.database.requests import Request
from raftdoc.errors import NoLeader, OutcomeUnknown, RaftdocError
from raftdoc.ids import GroupId
from raftdoc.limits import MIB, NS_PER_S
from raftdoc.statemachine import update_steps
from raftdoc.statemachine.update_steps import Mode

COUNT = 3 * CHUNK_DOCUMENTS


class Failing:
    """Stands where commands are sent: the second is lost sight of, the others certainly do not happen."""

    def __init__(self) -> None:
        self._sent = 0

    async def write(self, *_: Any, **__: Any) -> Any:
        self._sent += 1
        raise OutcomeUnknown("lost sight of") if self._sent == 2 else NoLeader("there is none")


class Here:
    """Stands where the database is found."""

    async def find(self, *_: Any) -> Any:
        return SimpleNamespace(group=GroupId(1))


async def create() -> None:
    items = [(f"d{n}", b"{}") for n in range(COUNT)]
    await Bulk(Failing(), Here()).create(Request(NS_PER_S), "db", "c", items, atomic=False)  # type: ignore[arg-type]


async def write() -> None:
    items = [BulkItem(n, update_steps.insert(n, b"{}"), None, 2) for n in range(COUNT)]
    bulk = BulkWrites(Failing())  # type: ignore[arg-type]
    await bulk.write(Request(NS_PER_S), "db", "c", items, mode=Mode.UNORDERED, bytes_max=MIB)


@pytest.mark.parametrize("send", [create, write])
async def test_bulk_of_which_one_chunk_may_have_happened_is_unknown(send: Any) -> None:
    with pytest.raises(RaftdocError) as raised:
        await send()
    assert raised.value.outcome == "unknown"
