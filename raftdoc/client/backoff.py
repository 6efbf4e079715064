"""When to send again, and how long to wait before: pure, the client's only rules for it.

What certainly did not happen may always be sent again; what may have happened only if it does no harm: a read, or
a write with an idempotency key. Waits have full jitter, so that clients which failed together do not come back
together; and retries are a small share of all calls, so that they never double the load of a cluster in trouble.
"""

from __future__ import annotations

from random import Random
from typing import Final

from raftdoc.client.errors import (
    DeadlineExceeded,
    InvalidAnswer,
    OutcomeUnknown,
    RaftdocError,
    TimedOut,
    Unreachable,
    Untrusted,
)

BACKOFF_S_MIN: Final = 0.02
BACKOFF_S_MAX: Final = 1.0
BUDGET_MAX: Final = 32.0
"""Retries that may be saved up: a failover of some seconds is bridged, an outage of minutes is not hammered."""


class RetryBudget:
    """A bucket that every call fills by `rate` and every retry empties by one."""

    __slots__ = ("_left", "_rate")

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left = BUDGET_MAX

    def on_call(self) -> None:
        self._left = min(BUDGET_MAX, self._left + self._rate)

    def take(self) -> bool:
        """Take one retry; False: there is none."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


def may_repeat(error: RaftdocError, *, is_safe: bool, is_alone: bool) -> bool:
    """Return whether the same request may be sent again.

    `is_safe`: doing it twice is doing it once. `is_alone`: no node is left that this call has not asked.
    """
    if isinstance(error, Untrusted):
        return not is_alone
    if isinstance(error, OutcomeUnknown | InvalidAnswer):
        return is_safe
    if isinstance(error, DeadlineExceeded):
        # The deadline that the server saw was the call's own.
        return False
    return error.retryable and (is_safe or error.outcome == "not_applied")


def wait_s(attempt: int, error: RaftdocError, random: Random) -> float:
    """Return how long to wait after the attempt, from 0, that ended in error."""
    if isinstance(error, Unreachable) and attempt == 0:
        # Another node is there at once.
        return 0.0
    ceiling = min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2**attempt)
    return random.uniform(0, ceiling)


def final_error(error: RaftdocError, *, was_unknown: bool) -> RaftdocError:
    """Return what the caller gets: an earlier attempt whose fate is not known outweighs a later refusal."""
    if was_unknown and error.outcome != "unknown":
        return OutcomeUnknown(
            f"an earlier attempt was lost sight of; the last one ended in: {error.detail}",
            status=error.status,
            problem=error.problem,
            node=error.node,
            request_id=error.request_id,
            idempotency_key=error.idempotency_key,
        )
    if isinstance(error, TimedOut):
        return DeadlineExceeded(f"the deadline passed; last: {error.detail}")
    return error
