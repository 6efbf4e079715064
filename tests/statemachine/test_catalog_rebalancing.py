"""Rebalancing passes in the catalog: one at a time, numbered, and not ended by who means another."""

from __future__ import annotations

from raftdoc.statemachine import commands
from raftdoc.statemachine.catalog_machine import CatalogMachine, RebalancingRecord

from .test_catalog_membership import KEYS, Catalog


def test_a_second_pass_is_the_one_that_is_open() -> None:
    catalog = Catalog("n1")
    first, again = catalog.one(commands.begin_rebalancing(3)), catalog.one(commands.begin_rebalancing(9))
    assert (first.data, first.created, again.data, again.created) == (1, True, 1, False)
    assert catalog.machine.rebalancing == RebalancingRecord(1, 3, is_open=True)


def test_a_pass_that_is_over_stays_so_and_the_next_has_a_number_of_its_own() -> None:
    catalog = Catalog("n1")
    catalog.one(commands.begin_rebalancing(3))
    assert catalog.code(commands.end_rebalancing(1, note="why")) == catalog.code(commands.end_rebalancing(1)) == "ok"
    ended = RebalancingRecord(1, 3, is_open=False, note="why")
    assert catalog.machine.rebalancing == CatalogMachine(catalog.engine, KEYS).rebalancing == ended
    assert catalog.one(commands.begin_rebalancing(5)).data == 2


def test_who_means_another_pass_ends_none() -> None:
    catalog = Catalog("n1")
    assert catalog.code(commands.end_rebalancing(0)) == "conflict"
    catalog.one(commands.begin_rebalancing(3))
    catalog.one(commands.end_rebalancing(1))
    catalog.one(commands.begin_rebalancing(3))
    assert catalog.code(commands.end_rebalancing(1)) == catalog.code(commands.end_rebalancing(3)) == "conflict"
    assert catalog.machine.rebalancing.is_open
