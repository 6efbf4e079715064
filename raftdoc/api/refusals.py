"""The log of requests that were refused: enough for an operator to find who sends what, never a flood."""

from __future__ import annotations

import logging
from typing import Final

from raftdoc.api.exchange import Call
from raftdoc.errors import RaftdocError
from raftdoc.limits import NS_PER_S

log = logging.getLogger("raftdoc.api")

LOGGED_STATUSES: Final = frozenset({400, 413, 415, 417, 431})
"""Refusals that an operator wants to see: something sends what it should not."""
LINES_PER_S_MAX: Final = 20


class RefusalLog:
    """Writes a line for each refusal, up to so many a second, and then how many it left out."""

    def __init__(self) -> None:
        self._second = 0
        self._written = 0
        self._left_out = 0

    def note(self, call: Call, status: int, error: RaftdocError) -> None:
        """Log a refusal. The call has its request id."""
        if status not in LOGGED_STATUSES:
            return
        second = call.started_ns // NS_PER_S
        if second != self._second:
            self._begin(second)
        if self._written >= LINES_PER_S_MAX:
            self._left_out += 1
            return
        self._written += 1
        log.info(
            "request refused request_id=%s status=%d code=%s method=%s target=%s detail=%s",
            call.request_id,
            status,
            error.code,
            call.message.method,
            call.message.path[:200],
            error.detail[:300],
        )

    def _begin(self, second: int) -> None:
        if self._left_out:
            log.info("more requests refused count=%d", self._left_out)
        self._second, self._written, self._left_out = second, 0, 0
