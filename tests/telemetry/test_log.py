"""Log lines: one event a line, fields that can be searched for, in either form."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.telemetry.log import EVENTS_MAX, Format, JsonFormatter, RepeatGate, TextFormatter, configure


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """A stream for the log; afterwards the logger is as it was."""
    root = logging.getLogger("raftdoc")
    before = (root.handlers, root.level, root.propagate)
    yield io.StringIO()
    root.handlers, root.level, root.propagate = before


def record(template: object, *arguments: object, level: int = logging.INFO) -> logging.LogRecord:
    made = logging.LogRecord("raftdoc.raft", level, __file__, 1, template, arguments, None)
    made.created = 1_700_000_000.25
    return made


HEAD = "time=2023-11-14T22:13:20.250Z level=info logger=raft "


@pytest.mark.parametrize(
    ("template", "arguments", "line"),
    [
        ("role changed group=%d role=%s", (3, "LEADER"), 'event="role changed" group=3 role=LEADER'),
        ("started", (), "event=started"),
        ("lost peer=%s reason=%s", ("n2", "no route"), 'event=lost peer=n2 reason="no route"'),
        ("slow seconds=%.2f", (1.23456,), "event=slow seconds=1.23"),
        ("leader=%s", (None,), 'event="" leader=None'),
        ("got %d of %d", (1, 2), 'event="got 1 of 2"'),
        ("peer=%s is %s", ("n2", "gone"), 'event="peer=n2 is gone"'),
        ("all of 100%", (), 'event="all of 100%"'),
        ("odd value=%s", ('a "b"\nlevel=error',), 'event=odd value="a \\"b\\"\\nlevel=error"'),
        ("odd value=%s", ("",), 'event=odd value=""'),
        ("odd value=%s", ("\x1b[2J\u202e",), 'event=odd value="\\u001b[2J\\u202e"'),
    ],
)
def test_text_lines(template: str, arguments: tuple[object, ...], line: str) -> None:
    assert TextFormatter().format(record(template, *arguments)) == HEAD + line


def test_a_node_that_shares_its_stream_is_named() -> None:
    assert " node=n2 logger=raft " in TextFormatter("n2").format(record("started"))


def test_json_lines_have_the_fields_as_members() -> None:
    line = JsonFormatter("n2").format(record("role changed group=%d leader=%s ratio=%.1f", 3, None, 0.55))
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "info",
        "node": "n2",
        "logger": "raft",
        "event": "role changed",
        "group": 3,
        "leader": None,
        "ratio": 0.6,
    }


@given(st.text(max_size=50))
def test_whatever_a_value_is_it_stays_on_one_line(value: str) -> None:
    made = record("refused detail=%s code=%s", value, "x")
    text, as_json = TextFormatter().format(made), JsonFormatter().format(made)
    assert len(text.splitlines()) == len(as_json.splitlines()) == 1
    assert text.endswith(" code=x")
    assert json.loads(as_json)["detail"] == value
    assert (text + as_json).isascii()


def test_values_of_foreign_types_are_written_as_text() -> None:
    assert json.loads(JsonFormatter().format(record("at path=%s", st)))["path"] == str(st)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_is_kept(stream: io.StringIO, log_format: Format) -> None:
    configure(stream, log_format=log_format)
    try:
        raise ValueError("the cause")
    except ValueError:
        logging.getLogger("raftdoc.crash").critical("node stops", exc_info=True)
    written = stream.getvalue()
    assert "ValueError: the cause" in written
    if log_format == "json":
        assert "ValueError: the cause" in json.loads(written)["trace"]


def test_configuring_again_takes_the_place_of_the_first(stream: io.StringIO) -> None:
    first = io.StringIO()
    configure(first, level="debug")
    configure(stream, level="warning")
    logging.getLogger("raftdoc.raft").info("not shown")
    logging.getLogger("raftdoc.raft").warning("shown")
    assert first.getvalue() == ""
    assert len(stream.getvalue().splitlines()) == 1


def test_the_loggers_of_other_libraries_are_left_alone(stream: io.StringIO) -> None:
    configure(stream)
    logging.getLogger("other").warning("not ours")
    assert stream.getvalue() == ""


def test_a_repeated_event_passes_once_until_time_or_change() -> None:
    gate = RepeatGate(repeat_after_ns=100)
    assert gate.opens("n2", "refused", 0)
    assert not gate.opens("n2", "refused", 99)
    assert gate.opens("n2", "unreachable", 50)
    assert not gate.opens("n2", "refused", 60)
    assert gate.opens("n3", "refused", 60)
    assert gate.opens("n2", "refused", 100)
    assert not gate.opens("n2", "refused", 150)


def test_a_reset_key_is_new_and_others_are_not() -> None:
    gate = RepeatGate(repeat_after_ns=100)
    for key in ("n2", "n3"):
        assert gate.opens(key, "refused", 0)
    gate.reset("n2")
    assert gate.opens("n2", "refused", 1)
    assert not gate.opens("n3", "refused", 1)


def test_the_memory_of_events_is_bounded() -> None:
    gate = RepeatGate(repeat_after_ns=100)
    for number in range(EVENTS_MAX + 1):
        assert gate.opens(number, "x", 0)
    assert gate.opens(0, "x", 1)
    assert not gate.opens(EVENTS_MAX, "x", 1)
