"""The first lines of an answer, made once a second for each status."""

from __future__ import annotations

from http import HTTPStatus

from raftdoc.api.answers import http_date
from raftdoc.ids import NodeId


class Heads:
    """Status line, `Date` and `Raftdoc-Node`. Somebody has to call `set_time` every second."""

    def __init__(self, node: NodeId) -> None:
        self._node = node.encode()
        self._date = b""
        self._heads: dict[int, bytes] = {}

    def set_time(self, time_s: int) -> None:
        """Date the answers from now on. Seconds since 1970."""
        date = http_date(time_s)
        if date != self._date:
            self._date = date
            self._heads.clear()

    def of(self, status: int) -> bytes:
        """Return the lines for a status."""
        try:
            return self._heads[status]
        except KeyError:
            return self._make(status)

    def _make(self, status: int) -> bytes:
        phrase = HTTPStatus(status).phrase.encode()
        head = b"HTTP/1.1 %d %b\r\nDate: %b\r\nRaftdoc-Node: %b\r\n" % (status, phrase, self._date, self._node)
        self._heads[status] = head
        return head
