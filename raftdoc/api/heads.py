"""The first lines of an answer, made once a second for each status."""

from __future__ import annotations

from http import HTTPStatus

from raftdoc.api.answers import http_date
from raftdoc.ids import NodeId


class Heads:
    """Status line, `Date` and `Raftdoc-Node`. Somebody has to call `set_time` every second."""

    def __init__(self, node: NodeId) -> None:
        self._node = node
        self._date = ""
        self._heads: dict[int, str] = {}

    def set_time(self, time_s: int) -> None:
        """Date the answers from now on. Seconds since 1970."""
        date = http_date(time_s)
        if date != self._date:
            self._date = date
            self._heads.clear()

    def of(self, status: int) -> str:
        """Return the lines for a status."""
        try:
            return self._heads[status]
        except KeyError:
            return self._make(status)

    def _make(self, status: int) -> str:
        phrase = HTTPStatus(status).phrase
        head = f"HTTP/1.1 {status} {phrase}\r\nDate: {self._date}\r\nRaftdoc-Node: {self._node}\r\n"
        self._heads[status] = head
        return head
