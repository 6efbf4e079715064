"""Which writes are sent again."""

from __future__ import annotations

import pytest

from raftdoc.database.router import is_repeatable
from raftdoc.errors import DiskFull, Draining, NoLeader, NotLeader, OutcomeUnknown, OverBudget, RaftdocError
from raftdoc.ids import GroupId

CERTAIN = (NotLeader(GroupId(1), None), NoLeader("none"), Draining("it stops"))


def test_write_of_which_nobody_knows_is_sent_again_only_under_a_key() -> None:
    unknown = OutcomeUnknown("the link broke")
    assert is_repeatable(unknown, has_key=True)
    assert not is_repeatable(unknown, has_key=False)


@pytest.mark.parametrize("error", CERTAIN, ids=lambda error: error.code)
def test_write_that_certainly_did_not_happen_is_sent_again(error: RaftdocError) -> None:
    assert is_repeatable(error, has_key=True)
    assert is_repeatable(error, has_key=False)


@pytest.mark.parametrize("error", [OverBudget("full"), DiskFull("full")], ids=lambda error: error.code)
def test_write_that_was_refused_for_want_of_room_is_its_callers_to_repeat(error: RaftdocError) -> None:
    assert not is_repeatable(error, has_key=True)
