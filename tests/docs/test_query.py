"""docs/query.md names every operator, accumulator and stage, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from raftdoc.query.accumulators.table import ACCUMULATORS
from raftdoc.query.aggregate import STAGES
from raftdoc.query.expression import operator_builders

MANUAL = (Path(__file__).resolve().parents[2] / "docs" / "query.md").read_text()
REFUSED = {"$function", "$accumulator", "$meta"}


def _section(title: str) -> str:
    return MANUAL.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def _names(text: str) -> set[str]:
    return set(re.findall(r"`(\$[a-zA-Z0-9]+)`", text))


def test_every_operator_of_expressions_is_documented_and_no_other() -> None:
    table = "".join(line for line in _section("Expressions").splitlines() if line.startswith("|"))
    assert _names(table) == operator_builders().keys() - REFUSED


def test_every_stage_and_accumulator_is_documented_and_no_other() -> None:
    stages, _, rest = _section("Pipelines").partition("Accumulators:")
    table = "".join(line for line in stages.splitlines() if line.startswith("|"))
    assert _names(table) == STAGES.keys()
    assert _names(rest.split("\n\n", 1)[0]) == ACCUMULATORS
