"""The command line teaches: help for every command, the nearest name for a wrong one, telling exit codes."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from raftdoc.cli.main import COMMANDS, build_parser, main
from raftdoc.server.settings import SETTINGS

NAMES = re.findall(r"^    (\w+) ", build_parser().format_help(), re.MULTILINE)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAFTDOC_")}
    command = [sys.executable, "-m", "raftdoc", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=inherited | environment, timeout=60)


def test_without_arguments_the_commands_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert len(NAMES) == len(COMMANDS)
    assert all(f"\n    {name}" in shown for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself_and_its_exit_codes_are_known(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: raftdoc {name}" in shown
    assert len(shown.splitlines()) > 10


def test_help_of_serve_shows_every_setting_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for setting in SETTINGS:
        assert setting.flag in shown
        # argparse breaks lines at hyphens, too.
        assert setting.help.replace("- ", "-") in shown.replace("- ", "-"), setting.name
        assert f"({setting.default_shown})" in shown, setting.name


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["serve", "--elektion-timeout-ms", "9"],
            "unknown argument --elektion-timeout-ms; did you mean --election-timeout-ms?",
        ),
        (["dev", "--node", "3"], "unknown argument --node; did you mean --nodes?"),
        (["dev", "--nodes", "many"], "'many' is not a whole number from 1 to 9"),
        (["dev", "--port", "80"], "'80' is not a whole number from"),
        (["bench", "--workload", "put", "--connections", "0"], "'0' is not a whole number from 1"),
        (["dev", "--data", "d", "--ephemeral"], "not allowed with argument"),
    ],
)
def test_wrong_call_is_told_and_ends_with_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


def test_wrong_settings_are_all_told_and_end_with_78() -> None:
    ended = run("serve", "--node", "n1", "--http", "0.0.0.0:80", RAFTDOC_READS="maybe")
    assert ended.returncode == 78
    assert ended.stdout == ""
    for words in ("reads, given by the environment", "cluster_id is not set", "data is not set", "say --insecure"):
        assert words in ended.stderr


@pytest.mark.parametrize("command", ["status", "bench"])
def test_cluster_that_does_not_answer_is_told_and_ends_with_69(command: str, unused_tcp_port: int) -> None:
    ended = run(command, "--url", f"http://127.0.0.1:{unused_tcp_port}")
    assert ended.returncode == 69
    assert ended.stdout == ""
    assert f"http://127.0.0.1:{unused_tcp_port}" in ended.stderr
    assert "raftdoc dev" in ended.stderr


def test_reader_that_leaves_early_is_no_error() -> None:
    program = f"{sys.executable} -m raftdoc serve --help | head -1"
    ended = subprocess.run(["bash", "-o", "pipefail", "-c", program], capture_output=True, text=True, check=False)
    assert ended.stderr == ""
