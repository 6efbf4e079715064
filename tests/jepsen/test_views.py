"""The pages of a run say where each operation was, and lead from a verdict to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jepsen_lite.judge import judge
from jepsen_lite.views import timeline
from jepsen_lite.views.report import write_report

from .recorded import healthy, write_run


def test_the_timeline_tells_the_place_and_the_term_of_a_write(tmp_path: Path) -> None:
    run = healthy()
    directory = write_run(tmp_path, run)
    log = {"first": 1, "digests": ["same"] * 60, "terms": [[1, 1], [3, 7]]}
    (directory / "logs.json").write_text(json.dumps({"n1": {"1": log}}))
    judge(directory)
    write_report(directory)
    text = (directory / "timeline.html").read_text()
    assert "key k0\ngroup 1, index 3, term 7" in text
    assert "key lost\ngroup 1, index 2, term 1" in text


def test_an_operation_of_a_verdict_leads_to_its_place_in_the_timeline(tmp_path: Path) -> None:
    run = healthy()
    wrong = run.invoke(3, "get", None)
    run.complete(wrong, "ok", 3)
    directory = write_run(tmp_path, run)
    judge(directory)
    assert f'href="timeline.html#e{wrong.index}"' in write_report(directory).read_text()
    assert f'id="e{wrong.index}"' in (directory / "timeline.html").read_text()


@pytest.mark.parametrize(("event", "page"), [(0, "timeline.html"), (2999, "timeline.html"), (3000, "timeline-2.html")])
def test_a_long_history_is_told_in_pages(event: int, page: str) -> None:
    assert timeline.page_of(event) == page


def test_a_fault_has_a_lane_that_says_what_it_hit(tmp_path: Path) -> None:
    directory = write_run(tmp_path, healthy())
    judge(directory)
    text = write_report(directory).read_text()
    assert "What was broken" in text
    assert "kill for 2." in text
