"""An asyncio event loop on virtual time: nothing waits, nothing blocks, one seed decides every order.

When nothing is ready, time jumps to the next timer. Each round runs what is ready, in the order in which it came or in
one that is drawn. What a dead process had scheduled never runs; what a paused one has waits until it goes on: every
handle belongs to the life in whose context it was made (`OWNER`).

`run_in_executor` runs the work in the loop, some time later, and tells of its end some time after that.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from random import Random
from typing import Any, Final, Protocol

from raftdoc.errors import RaftdocError
from raftdoc.limits import NS_PER_S

WORK_NS_MAX: Final = 20_000_000
"""Of work that the product does in a thread: until it begins, and until it is heard of."""
TASKS_KEPT_MAX: Final = 4096
"""How many are kept before those that are over are let go of."""


class Life(Protocol):
    """What the loop asks of the process that a handle belongs to."""

    is_dead: bool
    is_crashed: bool
    """It ended without a word: what it leaves is nobody's fault."""
    is_paused: bool
    held: list[Any]
    """Handles that were due while it was paused."""


OWNER: ContextVar[Life | None] = ContextVar("owner", default=None)


class Stuck(RuntimeError):
    """Nothing is ready and nothing is scheduled: whoever runs the loop waits for ever."""


class VirtualLoop(asyncio.BaseEventLoop):
    """`now_ns` is the time of the world; it moves between handles, and by `spend`."""

    def __init__(self, random: Random, *, is_shuffling: bool) -> None:
        super().__init__()
        self.now_ns = 0
        self.steps = 0
        self.errors: list[str] = []
        """Exceptions that nobody took care of."""
        self._random = random
        self._is_shuffling = is_shuffling
        self._handles: deque[Any] = deque()
        self._timers: list[tuple[int, int, Any]] = []
        self._sequence = 0
        self._tasks: list[tuple[asyncio.Task[Any], Life | None]] = []
        """Those that are not over, and some that are: nothing is left to the collector of garbage."""
        self._dropped: list[Any] = []
        """Handles of the dead: only for `bury`."""
        self._is_ending = False
        self.set_exception_handler(self._note_error)

    def time(self) -> float:
        return self.now_ns / NS_PER_S

    def spend(self, duration_ns: int) -> None:
        """Let time pass for what runs now."""
        self.now_ns += duration_ns

    def resume(self, life: Life) -> None:
        """Have what a paused process missed run now."""
        held, life.held = life.held, []
        self._handles.extend(held)

    def bury(self) -> None:
        """From now on let even the dead run, and note nothing: so that their tasks come to an end."""
        self._is_ending = True
        self._handles.extend(self._dropped)

    def unfinished(self) -> list[tuple[asyncio.Task[Any], Life | None]]:
        """Return the tasks that are not over, oldest first, and whose they are."""
        self._tasks = [(task, owner) for task, owner in self._tasks if not task.done()]
        return self._tasks.copy()

    # What asyncio asks of a loop --------------------------------------------------------------------

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = events.Handle(callback, args, self, context)
        self._handles.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at_ns(round(when * NS_PER_S), callback, *args, context=context)

    def call_at_ns(
        self, when_ns: int, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at a time of the world."""
        timer = events.TimerHandle(when_ns / NS_PER_S, callback, args, self, context)
        self._sequence += 1
        heapq.heappush(self._timers, (when_ns, self._sequence, timer))
        return timer

    def after_ns(
        self, delay_ns: int, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back after a while."""
        return self.call_at_ns(self.now_ns + delay_ns, callback, *args, context=context)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], *, name: object = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().create_task(coro, name=name, context=context)
        self._tasks.append((task, OWNER.get() if context is None else context.get(OWNER)))
        if len(self._tasks) > TASKS_KEPT_MAX:
            self.unfinished()
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run the work some time later, as a thread would; its errors are those of disks and of the product."""
        future = self.create_future()
        self.after_ns(self._random.randrange(WORK_NS_MAX), self._work, future, func, args)
        return future

    def _work(self, future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        delay_ns = self._random.randrange(WORK_NS_MAX)
        try:
            result = func(*args)
        except (OSError, RaftdocError) as error:
            self.after_ns(delay_ns, _fail, future, error)
        else:
            self.after_ns(delay_ns, _finish, future, result)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a cancelled timer is passed over when its time has come."""

    def _run_once(self) -> None:
        handles, timers = self._handles, self._timers
        if not handles:
            while timers and timers[0][2].cancelled():
                heapq.heappop(timers)
            if not timers:
                raise Stuck(f"nothing is left to happen at {self.now_ns} ns")
            self.now_ns = max(self.now_ns, timers[0][0])
        while timers and timers[0][0] <= self.now_ns:
            handles.append(heapq.heappop(timers)[2])
        batch = list(handles)
        handles.clear()
        if self._is_shuffling and len(batch) > 1:
            self._random.shuffle(batch)
        for handle in batch:
            self._run(handle)

    def _run(self, handle: Any) -> None:
        if handle.cancelled():
            return
        owner = handle._context.get(OWNER)
        if owner is not None and not self._is_ending:
            if owner.is_dead:
                self._dropped.append(handle)
                return
            if owner.is_paused:
                owner.held.append(handle)
                return
        self.steps += 1
        handle._run()

    def _note_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self._is_ending:
            error = context.get("exception")
            self.errors.append(f"{context['message']}: {error!r}")


def _finish(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
