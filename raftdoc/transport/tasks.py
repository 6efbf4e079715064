"""Tasks that live as long as the transport does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


def spawn(work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
    """Run work as a task whose failure is a bug that the loop's exception handler hears of at once.

    Links come and go with `set_peers`, so no TaskGroup's block could span them.
    """
    task = asyncio.get_running_loop().create_task(work, name=name)
    task.add_done_callback(_surface)
    return task


def _surface(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        task.get_loop().call_exception_handler({"message": f"{task.get_name()} failed", "exception": task.exception()})
