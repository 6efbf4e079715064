"""The ratchet: of the recorded cases no area may score less than it did.

`scores.json` holds for each area the value cases that pass and all there are, the error cases that are refused, those
of them with the right number, and all there are. A rise is written there, and into docs/query.md, in the commit that
brings it:

    python -m tests.conformance.test_scores
"""

from __future__ import annotations

import collections
import gzip
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from .adapter import connect

SCORES = Path(__file__).with_name("scores.json")
MANUAL = Path(__file__).resolve().parents[2] / "docs" / "query.md"
DATA = next(
    (found for above in Path(__file__).resolve().parents if (found := above / "shared" / "conformance").is_dir()), None
)

TARGETS = {"value": 0.92, "refused": 0.95, "number": 0.80}
"""What is promised of the whole, in shares."""


class Score(NamedTuple):
    value: int
    values: int
    """Of how many."""
    refused: int
    number: int
    errors: int
    """Of how many."""


def _judge(place: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("recorded_cases_judge", place / "judge.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def play(place: Path) -> dict[str, Score]:
    """Replay every case."""
    judge = _judge(place)
    board: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    with gzip.open(place / "query_cases.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            kind, passed, coded, _ = judge.run(connect, case)
            counts = board[judge.area_of(case["id"])]
            counts["values" if kind == "value" else "errors"] += 1
            counts["value" if kind == "value" else "refused"] += passed
            counts["number"] += coded
    return {area: Score(*(counts[name] for name in Score._fields)) for area, counts in sorted(board.items())}


def recorded() -> dict[str, Score]:
    """Return what was reached before."""
    return {area: Score(*counts) for area, counts in json.loads(SCORES.read_text()).items()}


def whole(board: dict[str, Score]) -> Score:
    """Return the sum of all areas."""
    return Score(*map(sum, zip(*board.values(), strict=True)))


@pytest.fixture(scope="module")
def played() -> dict[str, Score]:
    if DATA is None or not (DATA / "query_cases.jsonl.gz").exists():
        pytest.skip("the recorded cases (shared/conformance/query_cases.jsonl.gz) are not beside the repository")
    return play(DATA)


def test_no_area_scores_less_than_it_did(played) -> None:
    fallen = {
        area: (then, played.get(area))
        for area, then in recorded().items()
        if area not in played or any(now < before for now, before in zip(played[area], then, strict=True))
    }
    assert fallen == {}


def test_the_whole_is_above_what_is_promised(played) -> None:
    total = whole(played)
    shares = {
        "value": total.value / total.values,
        "refused": total.refused / total.errors,
        "number": total.number / total.errors,
    }
    assert {name: share for name, share in shares.items() if share < TARGETS[name]} == {}


def test_the_scoreboard_of_the_documentation_is_the_recorded_one() -> None:
    text = MANUAL.read_text()
    rows = [*recorded().items(), ("all", whole(recorded()))]
    assert [row for row in map(row_of, rows) if row not in text] == []


def row_of(scored: tuple[str, Score]) -> str:
    """Return the line of an area in the scoreboard of docs/query.md."""
    area, score = scored
    return f"| {area} | {score.value} / {score.values} | {score.refused} / {score.errors} | {score.number} |"


def _write() -> None:
    assert DATA is not None
    board = play(DATA)
    lines = ",\n".join(f"  {json.dumps(area)}: {json.dumps(list(score))}" for area, score in board.items())
    SCORES.write_text(f"{{\n{lines}\n}}\n")
    print("\n".join(map(row_of, [*board.items(), ("all", whole(board))])))  # noqa: T201 - for docs/query.md


if __name__ == "__main__":
    _write()
