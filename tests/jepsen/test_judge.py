"""What the judge makes of run directories that were written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jepsen_lite.judge import judge
from jepsen_lite.views.report import write_report

from raftdoc.simulation.checkers.verdict import Verdict

from .recorded import healthy, write_run


def verdicts(directory: Path) -> dict[str, str]:
    return {one.checker: one.verdict.value for one in judge(directory).reports}


def test_a_healthy_run_is_ok(tmp_path: Path) -> None:
    judgement = judge(write_run(tmp_path, healthy()))
    assert judgement.verdict is Verdict.OK, judgement


def test_a_read_of_a_value_that_was_overwritten_is_illegal(tmp_path: Path) -> None:
    run = healthy()
    run.complete(run.invoke(3, "get", None), "ok", 3)
    assert verdicts(write_run(tmp_path, run))["linearizability"] == "illegal"


def test_an_acknowledged_write_whose_key_is_unknown_is_illegal(tmp_path: Path) -> None:
    run = healthy()
    del run.requests["k3"]
    assert verdicts(write_run(tmp_path, run))["resolution"] == "illegal"


def test_a_cluster_that_was_not_asked_about_its_keys_leaves_the_verdict_unknown(tmp_path: Path) -> None:
    directory = write_run(tmp_path, healthy(), troubles=["after healing: n1 is not ready"])
    (directory / "requests.json").unlink()
    found = verdicts(directory)
    assert (found["witness"], found["resolution"]) == ("unknown", "unknown")
    assert judge(directory).verdict is Verdict.UNKNOWN


def test_a_write_that_failed_for_certain_and_took_effect_is_illegal(tmp_path: Path) -> None:
    run = healthy()
    run.complete(run.invoke(0, "put", 55, "failed"), "fail", 55, "no_leader")
    assert verdicts(write_run(tmp_path, run))["resolution"] == "illegal"


def test_an_update_that_meant_no_document_is_no_effect_of_a_refused_cas(tmp_path: Path) -> None:
    run = healthy()
    run.recorder.complete(run.invoke(0, "cas", [7, 8], "refused"), run.tick(), "fail", [7, 8], error="cas-mismatch")
    run.exchanges[-1][2] = run.now_ns
    run.requests["refused"] = {"outcome": "applied", "status": 200, "etag": None, "index": "1:9"}
    judgement = judge(write_run(tmp_path, run))
    assert judgement.verdict is Verdict.OK, judgement


def test_a_fault_that_nobody_noticed_leaves_the_verdict_unknown(tmp_path: Path) -> None:
    assert verdicts(write_run(tmp_path, healthy(), seen={"kill": 0}))["sanity"] == "unknown"


def test_what_the_harness_raised_leaves_the_verdict_unknown(tmp_path: Path) -> None:
    assert verdicts(write_run(tmp_path, healthy(), troubles=["the harness raised KeyError('v')"]))["run"] == "unknown"


def test_an_invocation_recorded_after_its_request_left_leaves_the_verdict_unknown(tmp_path: Path) -> None:
    run = healthy()
    run.exchanges[4][1] -= 1
    assert verdicts(write_run(tmp_path, run))["sanity"] == "unknown"


def test_a_checker_that_raises_leaves_the_verdict_unknown(tmp_path: Path) -> None:
    directory = write_run(tmp_path, healthy())
    (directory / "requests.json").write_text(
        '{"lost": {"outcome": "applied", "status": 200, "etag": "no number", "index": "1:1"}}'
    )
    with pytest.raises(ValueError, match="invalid literal"):
        judge(directory)


def test_an_error_that_no_client_may_meet_is_illegal(tmp_path: Path) -> None:
    run = healthy()
    run.recorder.complete(run.invoke(3, "get", None), run.tick(), "fail", None, error="internal")
    assert verdicts(write_run(tmp_path, run))["errors"] == "illegal"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"exits": [{"node": "n2", "code": 70, "is_ordered": False}]}, "ended by itself"),
        ({"inspected": {"n1": {"code": 65, "error": "checksum"}}}, "does not open"),
        ({"sockets": {"n1": 12, "n3": 400}}, "n3 had 400 sockets open"),
    ],
)
def test_a_node_that_ends_does_not_open_or_leaks_is_illegal(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    directory = write_run(tmp_path, healthy())
    found = json.loads((directory / "run.json").read_text())
    (directory / "run.json").write_text(json.dumps({**found, **change}))
    report = next(one for one in judge(directory).reports if one.checker == "cluster")
    assert report.verdict is Verdict.ILLEGAL
    assert words in report.details[0]


def test_replicas_that_differ_at_equal_applied_index_are_illegal(tmp_path: Path) -> None:
    directory = write_run(tmp_path, healthy())
    found = json.loads((directory / "run.json").read_text())
    found["inspected"]["n2"]["groups"][0]["digest"] = {"r": "2"}
    (directory / "run.json").write_text(json.dumps(found))
    assert verdicts(directory)["cluster"] == "illegal"


@pytest.mark.parametrize(("place", "verdict"), [(7, "illegal"), (10, "ok")])
def test_logs_agree_on_every_entry_that_is_committed(tmp_path: Path, place: int, verdict: str) -> None:
    directory = write_run(tmp_path, healthy())
    entries = [f"entry {index}" for index in range(1, 12)]
    other = [*entries[:place], "another", *entries[place + 1 :]]
    logs = {
        "n1": {"1": {"first": 1, "digests": entries, "terms": [[1, 1]]}},
        "n2": {"1": {"first": 4, "digests": other[3:], "terms": [[4, 1]]}},
    }
    (directory / "logs.json").write_text(json.dumps(logs))
    assert verdicts(directory)["cluster"] == verdict


def test_a_traceback_in_a_log_is_illegal(tmp_path: Path) -> None:
    directory = write_run(tmp_path, healthy())
    (directory / "nodes" / "n1.log").write_text("x\nTraceback (most recent call last):\n  boom\n")
    assert verdicts(directory)["cluster"] == "illegal"


def test_the_report_shows_the_key_that_is_not_linearizable(tmp_path: Path) -> None:
    run = healthy()
    run.complete(run.invoke(3, "get", None), "ok", 3)
    directory = write_run(tmp_path / "run", run)
    judge(directory)
    text = write_report(directory).read_text()
    assert "nothing that is marked" in text
    assert "get(r0: None)=3" in text
    assert "run/report.html" in (tmp_path / "index.html").read_text()
