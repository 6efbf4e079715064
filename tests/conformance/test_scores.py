"""The ratchet: of the recorded cases no area may score less than it did.

`scores.json` holds for each area how many value cases pass, how many error cases are refused, and how many of these
with the right number. A rise is written there in the commit that brings it:

    python -m tests.conformance.test_scores
"""

from __future__ import annotations

import collections
import gzip
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from .adapter import connect

SCORES = Path(__file__).with_name("scores.json")
DATA = next(
    (found for above in Path(__file__).resolve().parents if (found := above / "shared" / "conformance").is_dir()), None
)

TARGETS = {"value": 0.92, "refused": 0.95, "number": 0.80}
"""What is promised of the whole, in shares."""

Score = tuple[int, int, int]
"""Value cases passed, error cases refused, error cases with the right number."""


def _judge(place: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("recorded_cases_judge", place / "judge.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def play(place: Path) -> tuple[dict[str, Score], collections.Counter[str]]:
    """Replay every case. Second: how many cases there are of each kind."""
    judge = _judge(place)
    board: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0, 0])
    totals: collections.Counter[str] = collections.Counter()
    with gzip.open(place / "query_cases.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            kind, passed, coded, _ = judge.run(connect, case)
            score = board[judge.area_of(case["id"])]
            score[0 if kind == "value" else 1] += passed
            score[2] += coded
            totals[kind] += 1
    return {area: (score[0], score[1], score[2]) for area, score in sorted(board.items())}, totals


@pytest.fixture(scope="module")
def played() -> tuple[dict[str, Score], collections.Counter[str]]:
    if DATA is None or not (DATA / "query_cases.jsonl.gz").exists():
        pytest.skip("the recorded cases (shared/conformance/query_cases.jsonl.gz) are not beside the repository")
    return play(DATA)


def test_no_area_scores_less_than_it_did(played) -> None:
    board, _ = played
    reached = {area: tuple(score) for area, score in json.loads(SCORES.read_text()).items()}
    fallen = {
        area: (score, board.get(area))
        for area, score in reached.items()
        if any(now < then for now, then in zip(board.get(area, (0, 0, 0)), score, strict=True))
    }
    assert fallen == {}


def test_the_whole_is_above_what_is_promised(played) -> None:
    board, totals = played
    value, refused, number = (sum(score[place] for score in board.values()) for place in range(3))
    shares = {
        "value": value / totals["value"],
        "refused": refused / totals["error"],
        "number": number / totals["error"],
    }
    assert {name: share for name, share in shares.items() if share < TARGETS[name]} == {}


def _write() -> None:
    assert DATA is not None
    board, _ = play(DATA)
    rows = ",\n".join(f"  {json.dumps(area)}: {json.dumps(list(score))}" for area, score in board.items())
    SCORES.write_text(f"{{\n{rows}\n}}\n")


if __name__ == "__main__":
    _write()
