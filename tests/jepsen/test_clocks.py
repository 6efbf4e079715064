"""libfaketime sets the wall clock of a process that runs, and leaves alone what its timers and leases count from."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jepsen_lite.cluster import Node
from jepsen_lite.faults.clocks import FAKE_TIME, FakeTime

PROGRAM = """
import sys, time
for _ in sys.stdin:
    print(time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME), flush=True)
"""
CLOCKS = (time.CLOCK_REALTIME, time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME)
FAR_S = 100.0


def errors_s(process: subprocess.Popen[str]) -> list[float]:
    """Return how far the clocks of a process are from ours: wall clock, monotonic, since boot."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    read = [float(word) for word in process.stdout.readline().split()]
    return [one - time.clock_gettime(clock) for one, clock in zip(read, CLOCKS, strict=True)]


@pytest.mark.skipif(FAKE_TIME.available() is not None, reason=str(FAKE_TIME.available()))
@pytest.mark.parametrize("jump_s", [1000.0, -1000.0])
def test_the_wall_clock_of_a_running_process_jumps_alone(tmp_path: Path, jump_s: float) -> None:
    path = tmp_path / "n1.faketime"
    path.write_text(FAKE_TIME.text(0.0, 1.0))
    node = Node("n1", 0, 0)
    FAKE_TIME.equip(node, path)
    environment = {**os.environ, **node.environment}
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert all(abs(error) < FAR_S for error in errors_s(process))
        path.write_text(FAKE_TIME.text(jump_s * 1000, 1.0))
        wall, *others = errors_s(process)
        assert abs(wall - jump_s) < FAR_S
        assert all(abs(error) < FAR_S for error in others)
        path.write_text(FAKE_TIME.text(0.0, 1.0))
        assert abs(errors_s(process)[0]) < FAR_S
        process.communicate(timeout=30)


def test_without_the_library_the_fault_says_why_it_cannot_be_had(tmp_path: Path) -> None:
    reason = FakeTime(roots=(tmp_path,)).available()
    assert reason is not None
    assert "faketime" in reason


def test_two_libraries_stand_before_the_c_library_together() -> None:
    node = Node("n1", 0, 0)
    node.preload("/a.so")
    node.preload("/b.so")
    assert node.environment["LD_PRELOAD"] == "/a.so /b.so"
