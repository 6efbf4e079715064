"""Parsing what clients send: at once where it is small, in a thread where it is large, so that nobody waits for it.

A document takes some 10 ms per MiB, one that was made to take long 25 times that, and may be set to have 16 MiB:
on the loop it would cost a leader its lease, and then its office. A thread shares Python's lock with the loop, which
has it back every 0.2 ms.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from raftdoc.api.exchange import Call, Later, Reply
from raftdoc.errors import DeadlineExceeded, OverBudget
from raftdoc.limits import NS_PER_S, PARSE_QUEUE_BYTES_MAX, PARSED_AT_ONCE_BYTES_MAX

T = TypeVar("T")


def is_large(text: bytes) -> bool:
    """Return whether parsing it may hold the loop longer than anything should."""
    return len(text) > PARSED_AT_ONCE_BYTES_MAX


class Parser:
    """Of one server. Has one thread, made when it is first needed: two would only take the lock from each other."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="parser")
        self._waiting_bytes = 0

    async def parse(self, parse: Callable[[bytes], T], text: bytes, deadline_ns: int) -> T:
        """Return what `parse` makes of a text; it must touch nothing that the loop touches. Raises as it does.

        Raises:
            OverBudget: too much waits to be parsed already; nothing was done.
            DeadlineExceeded: it was not parsed in time; nothing was done.
        """
        if not is_large(text):
            return parse(text)
        if self._waiting_bytes and self._waiting_bytes + len(text) > PARSE_QUEUE_BYTES_MAX:
            raise OverBudget("too many large bodies wait to be parsed")
        self._waiting_bytes += len(text)
        try:
            async with asyncio.timeout((deadline_ns - self._now_ns()) / NS_PER_S):
                return await asyncio.get_running_loop().run_in_executor(self._executor, parse, text)
        except TimeoutError:
            raise DeadlineExceeded("the body was not parsed before the deadline") from None
        finally:
            self._waiting_bytes -= len(text)

    def then(
        self, call: Call, parse: Callable[[bytes], T], act: Callable[[Call, T], Later]
    ) -> Later | Awaitable[Reply]:
        """Act upon what the body of a call says; where that is known at once, at once."""
        if is_large(call.body):
            return self._act_later(call, parse, act)
        return act(call, parse(call.body))

    async def _act_later(self, call: Call, parse: Callable[[bytes], T], act: Callable[[Call, T], Later]) -> Reply:
        return await settle(call, act(call, await self.parse(parse, call.body, call.request.deadline_ns)))

    def close(self) -> None:
        """Begin nothing more. What is being parsed is for nobody by now; the process waits for its end."""
        self._executor.shutdown(wait=False, cancel_futures=True)


async def settle(call: Call, later: Later) -> Reply:
    """Return the reply that waits for something once that is there."""
    return later.finish(call, await later.awaitable)
