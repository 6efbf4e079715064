"""When the client sends again, and how long it waits: rules that need no network."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.client import errors
from raftdoc.client.backoff import BACKOFF_S_MAX, BUDGET_MAX, RetryBudget, final_error, may_repeat, wait_s

REFUSED = errors.error_of_problem(503, {"code": "no_leader", "retryable": True, "outcome": "not_applied"})
FINAL = errors.error_of_problem(409, {"code": "duplicate_key", "retryable": False, "outcome": "not_applied"})


@given(st.integers(0, 60), st.integers())
def test_waits_are_spread_over_the_whole_time_up_to_a_bound_that_doubles(attempt: int, seed: int) -> None:
    random = Random(seed)
    waits_s = [wait_s(attempt, REFUSED, random) for _ in range(200)]
    bound_s = min(BACKOFF_S_MAX, 0.02 * 2**attempt)
    assert 0 <= min(waits_s) < bound_s * 0.2
    assert bound_s * 0.8 < max(waits_s) <= bound_s


def test_after_a_node_that_is_not_there_another_is_asked_at_once() -> None:
    assert wait_s(0, errors.Unreachable("x"), Random(1)) == 0
    assert wait_s(1, errors.Unreachable("x"), Random(1)) > 0


@given(st.lists(st.booleans(), max_size=400))
def test_retries_are_at_most_a_tenth_of_the_calls_beyond_what_was_saved(wants: list[bool]) -> None:
    budget, taken = RetryBudget(0.1), 0
    for want in wants:
        budget.on_call()
        taken += want and budget.take()
    assert taken <= BUDGET_MAX + 0.1 * len(wants)


def test_a_budget_that_is_spent_gives_one_retry_for_ten_calls() -> None:
    budget = RetryBudget(0.1)
    while budget.take():
        pass
    taken = 0
    for _ in range(1000):
        budget.on_call()
        taken += budget.take()
    assert 98 <= taken <= 100


@pytest.mark.parametrize(
    ("error", "is_safe", "is_alone", "repeats"),
    [
        (errors.Unreachable("x"), False, True, True),
        (errors.OutcomeUnknown("x"), False, False, False),
        (errors.OutcomeUnknown("x"), True, False, True),
        (errors.Lost("x"), False, False, False),
        (errors.Lost("x"), True, False, True),
        (errors.DeadlineExceeded("x"), True, False, False),
        (errors.WrongCluster("x"), True, False, False),
        (errors.InvalidUse("x"), True, False, False),
        (errors.Untrusted("x"), False, False, True),
        (errors.Untrusted("x"), True, True, False),
        (REFUSED, False, True, True),
        (FINAL, True, False, False),
    ],
)
def test_what_may_have_happened_is_sent_again_only_where_twice_is_once(
    error: errors.RaftdocError, is_safe: bool, is_alone: bool, repeats: bool
) -> None:
    assert may_repeat(error, is_safe=is_safe, is_alone=is_alone) is repeats


def test_a_refusal_whose_outcome_is_unknown_is_repeated_only_where_twice_is_once() -> None:
    error = errors.error_of_problem(503, {"code": "draining", "retryable": True, "outcome": "unknown"})
    assert may_repeat(error, is_safe=True, is_alone=False)
    assert not may_repeat(error, is_safe=False, is_alone=False)


def test_the_final_error_says_unknown_when_any_attempt_was() -> None:
    assert final_error(FINAL, was_unknown=False) is FINAL
    lost = final_error(FINAL, was_unknown=True)
    assert isinstance(lost, errors.OutcomeUnknown)
    assert (lost.outcome, lost.status, lost.problem) == ("unknown", FINAL.status, FINAL.problem)


@pytest.mark.parametrize("outcome", [None, 7, "maybe", ["applied"]])
def test_an_outcome_that_is_none_of_the_three_is_unknown(outcome: object) -> None:
    error = errors.error_of_problem(500, {"code": "internal", "outcome": outcome, "retryable": "false"})
    assert (error.outcome, error.retryable) == ("unknown", False)
