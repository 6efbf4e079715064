"""`raftdoc simulate` says how a seed went, and how to see it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from raftdoc.cli.main import main
from raftdoc.simulation.seed_result import SeedResult
from raftdoc.simulation.worker import encode_result


def test_seed_that_keeps_every_promise(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seed", "3"]) == 0
    assert "1 of 1 seeds, 0 failed" in capsys.readouterr().out


def test_trace_draws_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seed", "3", "--trace"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["time", "ms"]
    assert lines[-1].startswith("seed 3: ok")


def test_trace_is_of_one_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seed", "3", "--seeds", "2", "--trace"]) == 2
    assert "--trace" in capsys.readouterr().err


def test_failed_seed_says_how_to_repeat_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sweep.jsonl"
    broken = SeedResult(3, "cores", False, "InvariantBroken: I1: two leaders", 1, "", {}, 0, [])
    path.write_bytes(encode_result(broken) + b"\n")
    assert main(["simulate", "--seed", "3", "--resume", str(path)]) == 1
    out = capsys.readouterr().out
    assert "seed 3: InvariantBroken: I1" in out
    assert "raftdoc simulate --level cores --seed 3 --trace" in out


def test_level_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["simulate", "--seed", "3", "--level", "galaxies"])
    assert "galaxies" in capsys.readouterr().err
