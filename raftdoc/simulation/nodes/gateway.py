"""How clients reach a process: the way there takes time, and so does the way back, if there is one.

The server's side of a call is a task of the process: it dies with it, and waits while it is paused. A client that gives
up hangs up, and the task is cancelled, as that of a HTTP request is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from inspect import isawaitable
from random import Random
from typing import Any, TypeAlias

from raftdoc.ids import NodeId
from raftdoc.limits import NS_PER_S
from raftdoc.simulation.nodes.event_loop import VirtualLoop
from raftdoc.simulation.nodes.network import Network
from raftdoc.simulation.nodes.process import Process

Ask: TypeAlias = Callable[[Process], Awaitable[Any] | Any]


class Refused(Exception):
    """Nobody listens there: nothing was done."""


class Lost(Exception):
    """The connection broke: nobody knows."""


class Gateway:
    def __init__(
        self, loop: VirtualLoop, network: Network, processes: Mapping[NodeId, Process], random: Random
    ) -> None:
        self._loop = loop
        self._network = network
        self._processes = processes
        self._random = random
        self.loses_answers = False
        self.lost_count = 0

    async def call(self, node: NodeId, ask: Ask) -> Any:
        """Return what a process answers.

        Raises:
            Refused, Lost: it has no process, or its process died meanwhile.
            Exception: whatever the product raises.
        """
        await asyncio.sleep(self._network.delay_ns() / NS_PER_S)
        process = self._processes.get(node)
        if process is None or not process.is_serving:
            raise Refused(node)
        answer: asyncio.Future[Any] = self._loop.create_future()
        process.calls[answer] = None
        task = self._loop.create_task(_serve(process, ask), context=process.context.copy())
        process.serving[task] = None
        task.add_done_callback(partial(self._answered, process, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            process.calls.pop(answer, None)
            self._loop.call_soon(task.cancel, context=process.context.copy())
            raise

    def _answered(self, process: Process, answer: asyncio.Future[Any], task: asyncio.Task[Any]) -> None:
        """Send the answer back; it may be lost on the way."""
        process.serving.pop(task, None)
        error = None if task.cancelled() else task.exception()
        if answer.done() or task.cancelled():
            process.calls.pop(answer, None)
        elif self.loses_answers and self._random.random() < 0.5:
            self.lost_count += 1
        else:
            value = None if error is not None else task.result()
            self._loop.after_ns(self._network.delay_ns(), self._arrive, process, answer, value, error)

    def _arrive(self, process: Process, answer: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
        process.calls.pop(answer, None)
        if answer.done():
            return
        if error is None:
            answer.set_result(value)
        else:
            answer.set_exception(error)

    def hang_up(self, process: Process) -> None:
        """Tell those who wait for a process that it is gone."""
        calls, process.calls = process.calls, {}
        for answer in calls:
            if not answer.done():
                answer.set_exception(Lost(process.id))


async def _serve(process: Process, ask: Ask) -> Any:
    answer = ask(process)
    return await answer if isawaitable(answer) else answer
