"""What databases and collections need of a client: the seam that keeps their modules apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from raftdoc.client.call import Answer
from raftdoc.client.options import CallOptions


class Caller(Protocol):
    async def call(
        self, method: str, path: str, options: CallOptions, *, is_write: bool = False, **details: Any
    ) -> Answer:
        """Send a request and return its answer; `details` are those of `make_call`."""
        ...

    def stream(
        self, method: str, path: str, options: CallOptions, *, is_write: bool = False, **details: Any
    ) -> AsyncIterator[bytes]:
        """Send a request and yield the body of its answer as it arrives."""
        ...
