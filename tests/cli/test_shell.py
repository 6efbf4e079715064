"""`raftdoc shell`: lines are cut, run, and answered; what is wrong is said and ends a script."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.cli.shell_completion import wanted
from raftdoc.cli.shell_session import COMMANDS
from raftdoc.cli.shell_words import BadLine, Json, cut, is_open
from raftdoc.testing import LocalCluster

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict | list | str))


@given(VALUES, VALUES)
def test_words_and_values_come_back_as_they_were_written(one: object, other: object) -> None:
    line = f"put  orders {json.dumps(one)}\t{json.dumps(other)} 42 "
    assert cut(line) == ["put", "orders", Json(one), Json(other), "42"]
    assert not is_open(line)


@pytest.mark.parametrize("line", ['put c 1 {"a": 1', 'find c {"a": [', "[1, 2"])
def test_a_line_goes_on_while_a_bracket_is_open(line: str) -> None:
    assert is_open(line)


def test_brackets_inside_a_text_do_not_count() -> None:
    assert not is_open(r'put c 1 {"a": "{[\"{"}')


@pytest.mark.parametrize("line", ["{a: 1}", '{"a": NaN}', '{"a": 1}{"b": 2}', '"open'])
def test_what_is_no_json_is_said_with_its_place(line: str) -> None:
    with pytest.raises(BadLine, match="column"):
        cut(line)


def test_every_command_says_how_it_is_used() -> None:
    assert all(command.usage.split()[0] == name and command.help for name, command in COMMANDS.items())


def test_a_comment_is_no_command() -> None:
    assert cut("  # count orders") == []
    assert cut("get orders #1") == ["get", "orders", "#1"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("", "COMMAND"),
        ("fi", "COMMAND"),
        ("find ", "COLLECTION"),
        ("find or", "COLLECTION"),
        ("find orders {} ", "SORT"),
        ("use ", "NAME"),
        ("help fi", "COMMAND"),
        ("status ", ""),
        ("nothing of the kind ", ""),
    ],
)
def test_completion_offers_what_the_usage_has_at_that_place(line: str, kind: str) -> None:
    assert wanted(line) == kind


@pytest.mark.parametrize("url", ["foo", "http://127.0.0.1", "ftp://127.0.0.1:1"])
def test_what_is_no_address_is_a_mistake_in_the_command(url: str) -> None:
    done = raftdoc("shell", "--url", url, "-c", "dbs")
    assert done.returncode == 2
    assert "an address is http://host:port" in done.stderr
    assert "Traceback" not in done.stderr


def raftdoc(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "raftdoc", *words]
    return subprocess.run(command, capture_output=True, text=True, input="", timeout=60, check=False)


def shell(cluster: LocalCluster, *lines: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    flags = [part for line in lines for part in ("-c", line)]
    command = [sys.executable, "-m", "raftdoc", "shell", "--url", cluster.urls[0], *flags]
    return subprocess.run(command, capture_output=True, text=True, input=text or "", timeout=60, check=False)


@pytest.mark.processes
def test_commands_run_against_a_cluster(raftdoc_cluster: LocalCluster) -> None:
    done = shell(
        raftdoc_cluster,
        "create shelled",
        'put orders 42 {"item": "ink"}',
        "put orders =7 {}",
        "get orders 42",
        "get orders =7",
        'update orders {"item": "ink"} {"$set": {"qty": 3}}',
        'index orders {"qty": 1}',
        "indexes orders",
        "delete orders 43",
        "collections",
        "status",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "created shelled" in done.stdout
    assert '"item": "ink"' in done.stdout
    assert '"_id": 7' in done.stdout
    assert "matched 1, modified 1" in done.stdout
    assert "qty_1" in done.stdout
    assert "no such document" in done.stdout
    assert "orders" in done.stdout
    assert "(catalog)" in done.stdout


@pytest.mark.processes
def test_lines_of_the_standard_input_run_in_order_until_one_fails(raftdoc_cluster: LocalCluster) -> None:
    text = 'create piped\nput c a {"x":\n 1}\nget c a\nput c\nget c never\n'
    done = shell(raftdoc_cluster, text=text)
    assert done.returncode == 1
    assert '"x": 1' in done.stdout
    assert "usage: put COLLECTION ID DOCUMENT" in done.stderr
    assert "no such document" not in done.stdout


@pytest.mark.processes
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("collections", "no database is in use"),
        ("use nowhere", "there is no database nowhere"),
        ("fetch c a", "there is no command fetch"),
        ("help fetch", "there is no command fetch"),
        ("create ..", "invalid_name"),
    ],
)
def test_what_is_wrong_is_said_and_how_to_go_on(raftdoc_cluster: LocalCluster, line: str, said: str) -> None:
    done = shell(raftdoc_cluster, line)
    assert done.returncode == 1
    assert said in done.stderr
