"""Every checker finds what it is for, and leaves alone what is right."""

from __future__ import annotations

import pytest

from raftdoc.simulation.checkers.linearizability import check_linearizability
from raftdoc.simulation.checkers.models import REGISTER
from raftdoc.simulation.checkers.resolution import resolve, settled
from raftdoc.simulation.checkers.sanity import check_sanity
from raftdoc.simulation.checkers.sessions import check_sessions
from raftdoc.simulation.checkers.sets import check_counter, check_set
from raftdoc.simulation.checkers.verdict import Verdict, worst
from raftdoc.simulation.checkers.witness import check_witness
from raftdoc.simulation.history import NEMESIS, Operation, RaftPosition, Recorder

from .histories import operation, position


def test_witness_accepts_the_order_of_the_log() -> None:
    history = [
        operation("put", 1, 0, 3, at=5),
        operation("put", 2, 1, 2, at=4),
        operation("get", None, 4, 5, result=1, at=5),
        operation("stale-get", None, 6, 7, result=2, at=4),
    ]
    assert check_witness(history, REGISTER).verdict is Verdict.OK


def test_witness_refuses_a_value_that_the_log_does_not_explain() -> None:
    history = [operation("put", 1, 0, 1, at=4), operation("get", None, 2, 3, result=2, at=4)]
    assert check_witness(history, REGISTER).verdict is Verdict.ILLEGAL


def test_witness_refuses_a_stale_read_that_is_called_linearizable() -> None:
    history = [
        operation("put", 1, 0, 1, at=4),
        operation("put", 2, 2, 3, at=5),
        operation("get", None, 4, 5, result=1, at=4),
    ]
    assert check_witness(history, REGISTER).verdict is Verdict.ILLEGAL


def test_witness_does_not_judge_around_an_unresolved_write() -> None:
    history = [
        operation("put", 1, 0, None, type="info", id="a"),
        operation("get", None, 1, 2, result=1, at=6),
    ]
    assert check_witness(history, REGISTER).verdict is Verdict.UNKNOWN
    assert check_witness(history, REGISTER, placed={"a": position(5)}).verdict is Verdict.OK
    assert check_witness(history, REGISTER, placed={}).verdict is Verdict.ILLEGAL


def test_witness_does_not_judge_two_commands_of_one_entry_whose_order_is_not_known() -> None:
    first = operation("put", 1, 0, 10, at=5)
    second = operation("put", 2, 1, 11, at=5)
    seen = operation("get", None, 12, 13, result=1, at=5)
    assert check_witness([first, second, seen], REGISTER).verdict is Verdict.UNKNOWN
    ordered = [first._replace(raft=position(5, 1)), second._replace(raft=position(5, 0)), seen]
    assert check_witness(ordered, REGISTER).verdict is Verdict.OK


def test_resolution_places_what_was_unknown() -> None:
    history = [
        operation("put", 1, 0, None, type="info", id="a"),
        operation("put", 2, 1, None, type="info", id="b"),
        operation("put", 3, 2, 3, id="c", at=8),
    ]
    resolution = resolve(history, {"a": [position(5)], "c": [position(8)]})
    assert resolution.report.verdict is Verdict.OK
    assert resolution.placed == {"a": position(5)}
    assert (resolution.applied_count, resolution.never_count) == (1, 1)


@pytest.mark.parametrize(
    ("one", "effects"),
    [
        (operation("put", 1, 0, 1, id="a", at=5), {}),
        (operation("put", 1, 0, 1, id="a", at=5), {"a": [position(5), position(9)]}),
        (operation("put", 1, 0, 1, id="a", at=5), {"a": [position(6)]}),
        (operation("put", 1, 0, 1, id="a", type="fail", error="not_leader"), {"a": [position(5)]}),
        (operation("put", 1, 0, None, id="a", type="info"), {"a": [position(5), position(9)]}),
        (operation("get", None, 0, 1), {"z": [position(5)]}),
    ],
    ids=["lost", "twice", "elsewhere", "failed and applied", "unknown and twice", "phantom"],
)
def test_resolution_finds(one: Operation, effects: dict[str, list[RaftPosition]]) -> None:
    assert resolve([one], effects).report.verdict is Verdict.ILLEGAL


def test_unknown_write_was_done_before_an_answer_from_behind_its_place_in_the_log() -> None:
    history = [
        operation("put", 1, 0, None, type="info", id="a"),
        operation("put", 2, 1, None, type="info", id="b"),
        operation("put", 3, 2, None, type="info", id="c"),
        operation("get", None, 3, 4, result=1, at=5),
        operation("get", None, 5, 6, result=3, at=8),
        operation("get", None, 7, 9, result=3, at=8),
    ]
    found = settled(history, resolve(history, {"a": [position(5)], "c": [position(9)]}))
    assert [(one.id, one.type, one.stop) for one in found if one.f == "put"] == [("a", "ok", 6), ("c", "info", None)]
    assert check_linearizability(found, REGISTER).verdict is Verdict.OK


def test_unknown_write_that_took_effect_has_to_be_seen_from_then_on() -> None:
    history = [
        operation("put", 1, 0, None, type="info", id="a"),
        operation("get", None, 1, 2, result=None, at=8),
        operation("get", None, 3, 4, result=None, at=9),
    ]
    resolution = resolve(history, {"a": [position(5)]})
    assert check_linearizability(history, REGISTER).verdict is Verdict.OK
    assert check_linearizability(settled(history, resolution), REGISTER).verdict is Verdict.ILLEGAL


def adds_and_read(elements: list[int]) -> list[Operation]:
    return [
        operation("add", 1, 0, 1),
        operation("add", 2, 2, None, type="info"),
        operation("add", 3, 3, 4, type="fail", error="not_leader"),
        operation("read", None, 5, 6, result=elements),
    ]


@pytest.mark.parametrize("elements", [[1], [1, 2]])
def test_set_may_have_what_is_unknown(elements: list[int]) -> None:
    assert check_set(adds_and_read(elements)).verdict is Verdict.OK


@pytest.mark.parametrize("elements", [[], [2], [1, 3], [1, 4], [1, 1]])
def test_set_refuses_what_is_lost_or_from_nowhere_or_twice(elements: list[int]) -> None:
    assert check_set(adds_and_read(elements)).verdict is Verdict.ILLEGAL


def test_set_without_a_last_read_is_undecided() -> None:
    assert check_set(adds_and_read([1])[:3]).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(("number", "verdict"), [(5, Verdict.OK), (2, Verdict.OK), (1, Verdict.ILLEGAL)])
def test_counter_lies_between_what_must_and_what_may_have_been_added(number: int, verdict: Verdict) -> None:
    history = [
        operation("add", 5, 0, 1),
        operation("add", -3, 2, None, type="info"),
        operation("read", None, 3, 4, result=number),
    ]
    assert check_counter(history).verdict is verdict


def test_sessions_find_a_client_that_goes_back() -> None:
    history = [operation("put", 1, 0, 1, at=5), operation("get", None, 2, 3, result=None, at=4)]
    assert check_sessions(history, lambda one: one.process).verdict is Verdict.ILLEGAL
    assert check_sessions(history, lambda one: one.start).verdict is Verdict.OK


def test_sessions_leave_alone_what_was_under_way_at_once() -> None:
    history = [operation("put", 1, 0, 3, at=5), operation("get", None, 1, 2, result=None, at=4)]
    assert check_sessions(history, lambda one: 1).verdict is Verdict.OK


def test_sanity_wants_a_load_and_faults_that_were_felt() -> None:
    recorder = Recorder()
    put = recorder.invoke(0, 0, "put", "k", 1)
    fault = recorder.invoke(1, NEMESIS, "crash", None, "n1")
    recorder.complete(put, 2, "ok", None)
    recorder.complete(fault, 3, "ok", None)
    events = recorder.events
    assert check_sanity(events, ok_min={"put": 1}, faults_seen={"crash": 1}).verdict is Verdict.OK
    assert check_sanity(events, ok_min={"put": 2}).verdict is Verdict.UNKNOWN
    assert check_sanity(events, ok_min={}, faults_seen={"crash": 0}).verdict is Verdict.UNKNOWN
    assert check_sanity(events[1:2], ok_min={}).verdict is Verdict.UNKNOWN


def test_sanity_does_not_accept_a_run_of_unknown_outcomes() -> None:
    recorder = Recorder()
    recorder.complete(recorder.invoke(0, 0, "put", "k", 1), 1, "info", None)
    assert check_sanity(recorder.events, ok_min={}, unknown_share_max=0.5).verdict is Verdict.UNKNOWN


def test_gravest_verdict_counts() -> None:
    assert worst([Verdict.OK, Verdict.ILLEGAL, Verdict.UNKNOWN]) is Verdict.ILLEGAL
    assert worst([]) is Verdict.OK
