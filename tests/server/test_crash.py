"""The end of a node that cannot trust itself: whatever part of it finds out."""

from __future__ import annotations

import subprocess
import sys

from raftdoc.server.crash import EXIT_BUG

THREAD = """
from threading import Thread
from raftdoc.server.crash import watch_threads

def fail():
    assert False, "the log is not what it was"

watch_threads()
thread = Thread(target=fail)
thread.start()
thread.join()
"""


def test_a_thread_that_ends_with_an_error_ends_the_node() -> None:
    ended = subprocess.run([sys.executable, "-c", THREAD], capture_output=True, text=True, check=False)
    assert ended.returncode == EXIT_BUG, ended.stderr
    assert "the log is not what it was" in ended.stderr
