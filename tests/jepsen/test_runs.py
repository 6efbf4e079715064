"""Short runs against real nodes, and the same by a harness that was tampered with: it has to notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from .harness import run, tampered
from .recorded import healthy, write_run

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]


@pytest.mark.parametrize(
    ("workload", "nemesis"),
    [
        ("register", "kill"),
        ("register", "partition-leader"),
        ("counter", "pause,clock-jump,loss"),
        ("set", "power-loss"),
        ("duplicates", "answers-lost"),
        ("index-scan", "membership-churn"),
    ],
)
def test_a_short_run_is_ok(tmp_path: Path, workload: str, nemesis: str) -> None:
    ran = run(
        "run", "--workload", workload, "--nemesis", nemesis, "--seed", "1", "--seconds", "8", "--store", str(tmp_path)
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (directory,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert (directory / "report.html").exists()
    again = run("check", str(directory))
    assert again.returncode == 0, again.stdout + again.stderr
    exported = run("export", "--edn", str(directory))
    assert ":process :nemesis" in exported.stdout


def test_a_checker_that_ignores_what_is_unknown_turns_the_run_red(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", healthy())
    assert run("check", str(directory)).returncode == 0
    harness = tampered(
        tmp_path,
        "judge.py",
        "events, operations(events), effects_of",
        "events, [one for one in operations(events) if one.type != 'info'], effects_of",
    )
    ran = run("check", str(directory), harness=harness)
    assert ran.returncode == 1, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("module", "old", "new", "nemesis", "red"),
    [
        pytest.param(
            "clients.py",
            "        answer = await self.send(request, node)\n        shared.exchanges",
            "        answer = await self.send(request, node)\n"
            "        shared.recorder.events[invoked.index] = invoked._replace(time=shared.clock.now_ns())\n"
            "        shared.exchanges",
            "kill",
            "was recorded after its request had left",
            id="a recorder that stamps late",
        ),
        pytest.param(
            "nemesis.py",
            "value: Any = await fault.start(self._world)",
            "value: Any = None",
            "kill",
            "no node noticed kill",
            id="a nemesis that does nothing",
        ),
        pytest.param(
            "exchange.py",
            'None, "fail" if request.is_read else "info", error',
            'None, "fail", error',
            "answers-lost",
            "failed for certain, and took effect",
            id="a swallowed exception",
        ),
    ],
)
def test_a_harness_that_was_tampered_with_turns_the_run_red(
    tmp_path: Path, module: str, old: str, new: str, nemesis: str, red: str
) -> None:
    harness = tampered(tmp_path, module, old, new)
    store = str(tmp_path / "runs")
    options = ("--workload", "register", "--nemesis", nemesis, "--seed", "1", "--seconds", "5", "--store", store)
    ran = run("run", *options, harness=harness)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert red in ran.stdout
