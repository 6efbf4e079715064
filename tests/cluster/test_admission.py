"""Which data directory may speak for a node id."""

from __future__ import annotations

from collections.abc import Mapping
from errno import ENOSPC

import pytest

from raftdoc.cluster.admission import Admission
from raftdoc.ids import NodeId, StoreId

N2 = NodeId("n2")


class Record:
    """What is durable; the disk may be full."""

    def __init__(self) -> None:
        self.stores: dict[NodeId, StoreId] = {}
        self.is_full = False

    def save(self, stores: Mapping[NodeId, StoreId]) -> None:
        if self.is_full:
            raise OSError(ENOSPC, "no space")
        self.stores = dict(stores)


def test_first_directory_seen_is_remembered_and_another_refused() -> None:
    record = Record()
    admission = Admission({}, record.save)
    assert admission.admit(N2, StoreId("a")) is None
    assert record.stores == {N2: "a"}
    refusal = admission.admit(N2, StoreId("b"))
    assert refusal is not None
    assert "cluster replace n2" in refusal
    assert admission.admit(N2, StoreId("a")) is None


def test_nobody_is_let_in_who_could_not_be_remembered() -> None:
    record = Record()
    admission = Admission({}, record.save)
    record.is_full = True
    for _ in range(2):
        with pytest.raises(OSError, match="no space"):
            admission.admit(N2, StoreId("a"))
    record.is_full = False
    assert admission.admit(N2, StoreId("b")) is None
    assert record.stores == {N2: "b"}
