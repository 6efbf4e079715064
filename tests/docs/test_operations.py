"""docs/operations.md is complete: settings, metrics, commands, exit codes and the errors an operator meets."""

from __future__ import annotations

import re

from raftdoc.cli.main import COMMANDS, build_parser
from raftdoc.errors import Fatal
from raftdoc.server.settings import SETTINGS, Setting

from .manual import manual, metrics_of_source

OPERATIONS = "docs/operations.md"


def setting_row(setting: Setting) -> str:
    return f"| `{setting.name}` | {setting.default_shown} | {setting.help} |"


def test_every_setting_has_its_row() -> None:
    rows = [setting_row(setting) for setting in SETTINGS]
    missing = [row for row in rows if row not in manual(OPERATIONS).splitlines()]
    assert not missing, "the table of settings is not that of the source; it has to hold:\n" + "\n".join(rows)


def test_manual_has_no_setting_that_does_not_exist() -> None:
    section = manual(OPERATIONS).split("## Settings")[1].split("\n## ")[0]
    named = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert named == [setting.name for setting in SETTINGS]


def test_every_metric_has_its_row() -> None:
    rows = [f"| `{metric.name}` | {metric.help} |" for metric in metrics_of_source()]
    missing = [row for row in rows if row not in manual(OPERATIONS).splitlines()]
    assert not missing, "the table of metrics is not that of the source; it has to hold:\n" + "\n".join(rows)


def test_manual_has_no_metric_that_does_not_exist() -> None:
    section = manual(OPERATIONS).split("## Metrics")[1].split("\n## ")[0]
    named = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `raftdoc_")]
    assert named == [metric.name for metric in metrics_of_source()]


def test_every_command_is_explained() -> None:
    text = manual(OPERATIONS)
    commands = re.findall(r"^    (\w+) ", build_parser().format_help(), re.MULTILINE)
    assert len(commands) == len(COMMANDS)
    assert [command for command in commands if f"`raftdoc {command}`" not in text] == []


def test_every_error_that_stops_a_node_is_explained() -> None:
    text = manual(OPERATIONS)
    assert [error.code for error in Fatal.__subclasses__() if f"`{error.code}`" not in text] == []
