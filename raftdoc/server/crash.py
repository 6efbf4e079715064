"""The end of a node that cannot trust itself any more: say why, then stop at once.

A dead replica is safe, a wrong one is not. Nothing is flushed, closed or handed over on the way out: the log
on disk is all that the next start needs.
"""

from __future__ import annotations

import logging
import os
import sys
import threading

from raftdoc.errors import DiskFailed, Fatal, InvalidSettings, LogCorrupt, StateCorrupt

log = logging.getLogger("raftdoc.crash")

EXIT_BUG = 70
EXIT_DATA = 65
EXIT_DISK = 74
EXIT_SETTINGS = 78


def exit_code(error: BaseException) -> int:
    """Return the exit code for an error, after sysexits: 65 data, 70 bug, 74 disk, 78 settings or identity."""
    if isinstance(error, LogCorrupt | StateCorrupt):
        return EXIT_DATA
    if isinstance(error, DiskFailed):
        return EXIT_DISK
    if isinstance(error, Fatal | InvalidSettings):
        return EXIT_SETTINGS
    return EXIT_BUG


def crash(error: BaseException) -> None:
    """Log the error and end the process. Does not return."""
    if isinstance(error, Fatal):
        log.critical("node stops code=%s detail=%s", error.code, error.detail)
    else:
        log.critical("node stops: a bug, please report it", exc_info=error)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(exit_code(error))


def watch_threads() -> None:
    """End the process where a thread ends with an error: what it did not do nobody else will."""
    threading.excepthook = _thread_ended


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None:
        crash(ended.exc_value)


def refuse_optimised_python() -> None:
    """Refuse `python -O`: the assertions are part of the safety of the data.

    Raises:
        InvalidSettings: assertions are off.
    """
    if not __debug__:
        raise InvalidSettings("python -O removes the assertions that protect the data; start without it")
