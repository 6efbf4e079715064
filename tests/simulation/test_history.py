"""Histories survive the file, and what is no history is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from raftdoc.simulation.history import (
    NEMESIS,
    Event,
    HistoryInvalid,
    Recorder,
    decode_event,
    encode_event,
    operations,
    read_history,
    write_history,
)

from .histories import position


def recorded() -> list[Event]:
    recorder = Recorder()
    put = recorder.invoke(1, 0, "put", "k", [1, None], id="abc")
    fault = recorder.invoke(2, NEMESIS, "crash", None, "n1")
    get = recorder.invoke(3, 1, "get", "k", None)
    recorder.complete(put, 4, "ok", None, revision=7, raft=position(9))
    recorder.complete(get, 5, "info", None, error="timeout")
    recorder.complete(fault, 6, "ok", None)
    return recorder.events


def test_history_is_the_same_after_the_file(tmp_path: Path) -> None:
    events = recorded()
    write_history(tmp_path / "history.jsonl", events)
    assert list(read_history(tmp_path / "history.jsonl")) == events


def test_line_has_only_what_there_is() -> None:
    line = encode_event(recorded()[2])
    assert line == b'{"index":2,"time":3,"process":1,"type":"invoke","f":"get","key":"k","value":null}'


def test_operations_pair_what_a_process_began_with_its_end() -> None:
    put, get = operations(recorded())
    assert (put.f, put.type, put.start, put.stop, put.id, put.revision) == ("put", "ok", 0, 3, "abc", 7)
    assert (get.type, get.start, get.stop, get.error) == ("info", 2, None, "timeout")


def test_operation_without_its_end_is_unknown() -> None:
    (put,) = operations(recorded()[:1])
    assert (put.type, put.stop) == ("info", None)


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"{}", b'{"index":0,"time":0,"process":0,"type":"done","f":"","key":"","value":0}']
)
def test_line_that_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(HistoryInvalid):
        decode_event(line)


def test_process_does_one_thing_at_a_time() -> None:
    recorder = Recorder()
    recorder.invoke(0, 0, "put", "k", 1)
    recorder.invoke(0, 0, "put", "k", 2)
    with pytest.raises(HistoryInvalid):
        operations(recorder.events)


def test_completion_needs_its_invocation() -> None:
    with pytest.raises(HistoryInvalid):
        operations(recorded()[3:])
