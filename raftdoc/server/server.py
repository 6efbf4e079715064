"""The composition root of a real node: starts the parts, waits for a signal, drains and stops them.

Stopping: new proposals are refused and leadership is handed over, requests under way end, then everything is
closed from the top down. A second signal ends the node at once, as `kill -9` would, which is safe as well.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from typing import Any

import uvloop

from raftdoc.errors import Fatal
from raftdoc.server.crash import crash, refuse_optimised_python, watch_threads
from raftdoc.server.descriptors import claim_descriptors
from raftdoc.server.runtime import Runtime
from raftdoc.server.settings import Settings

log = logging.getLogger("raftdoc.server")

GIL_SWITCH_INTERVAL_S = 0.0002
"""With the default of 5 ms a finished fsync waits for a busy loop that long: measured 5.6 ms against 0.6 ms."""

GC_ALLOCATIONS = 20_000
EXIT_INTERRUPTED = 130


def run(settings: Settings) -> int:
    """Run one node until SIGTERM or SIGINT; return the exit code.

    Raises:
        Fatal: the node could not be started; nothing was changed that the next start does not repair.
    """
    refuse_optimised_python()
    claim_descriptors()
    watch_threads()
    sys.setswitchinterval(GIL_SWITCH_INTERVAL_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    stopping = asyncio.Event()
    _watch_signals(stopping)
    asyncio.get_running_loop().set_exception_handler(_unexpected)
    runtime = Runtime.open(settings, on_fatal=crash)
    try:
        async with asyncio.TaskGroup() as tasks:
            living = tasks.create_task(_live(runtime, settings))
            await stopping.wait()
            log.info("node drains node=%s", settings.node)
            living.cancel()
            await runtime.drain(settings.drain_timeout_ms)
    except BaseExceptionGroup as errors:
        # What is raised within `except*` becomes a group again in the Python 3.11.2 of Debian 12.
        fatal, _ = errors.split(Fatal)
        if fatal is None:
            raise
        raise _first(fatal) from None
    finally:
        await runtime.close()
    log.info("node stopped node=%s", settings.node)
    return 0


def _first(errors: BaseExceptionGroup[Fatal]) -> BaseException:
    """Return the first error of a group, in however many groups it came."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _live(runtime: Runtime, settings: Settings) -> None:
    """Start, then look after the catalog until cancelled."""
    await runtime.start()
    _calm_collector()
    log.info("node serves node=%s http=%s peer=%s", settings.node, settings.http_advertise, settings.peer)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(runtime.steward.run())
        tasks.create_task(runtime.conductor.run())
        tasks.create_task(runtime.index_driver.run())


def _calm_collector() -> None:
    """Leave what is there for good out of garbage collection, and collect less often: requests make no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 20)


def _unexpected(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Take an exception that no code waits for: fatal where it says that the state cannot be trusted."""
    error = context.get("exception")
    if isinstance(error, AssertionError | Fatal):
        crash(error)
    log.error("unexpected error message=%s", context.get("message"), exc_info=error)


def _watch_signals(stopping: asyncio.Event) -> None:
    """Set `stopping` at the first SIGTERM or SIGINT; a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            log.warning("a second signal: the node ends at once")
            os._exit(EXIT_INTERRUPTED)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
