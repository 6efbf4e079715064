"""Every planted fault is caught: by its directed test, and most of them by a few random worlds too."""

from __future__ import annotations

import sys

import pytest

from raftdoc.raft import Raft
from tests.planting import StaleFault

from .mutants import MUTANTS
from .planting import Mutant, directed_test_catches, planted, seed_that_catches

CHEAP = tuple(mutant for mutant in MUTANTS if 0 < mutant.seeds <= 40)
SEEDS_MAX = 400
"""Any change of the core draws other worlds: what it took once may take longer the next time."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_directed_test_catches_the_mutant(mutant: Mutant) -> None:
    assert directed_test_catches(mutant), mutant.test


@pytest.mark.parametrize("mutant", CHEAP, ids=lambda mutant: mutant.name)
def test_random_worlds_catch_the_mutant(mutant: Mutant) -> None:
    assert seed_that_catches(mutant, SEEDS_MAX) is not None


def test_at_least_ten_mutants_are_caught_by_random_worlds_in_ci() -> None:
    assert len(CHEAP) >= 10


def test_text_that_is_not_there_exactly_once_fails_loudly() -> None:
    for old in ("no such text", "self"):
        with pytest.raises(StaleFault), planted(Mutant("stale", "lease", old, "", "")):
            pass


def test_planting_leaves_no_trace() -> None:
    before = sys.modules["raftdoc.raft.core"]
    with planted(MUTANTS[0]):
        assert sys.modules["raftdoc.raft.core"] is not before
    assert sys.modules["raftdoc.raft.core"] is before
    assert before.Raft is Raft
