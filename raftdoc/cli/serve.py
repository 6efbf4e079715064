"""`raftdoc serve`: run one node, told by flags, environment or a TOML file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from raftdoc.cli.commands import Subparsers, add_command, complain
from raftdoc.errors import Fatal, InvalidSettings
from raftdoc.server.settings import SETTINGS, Setting, Settings

DESCRIPTION = """\
Every setting can be given in three places; the later one wins:
  1. a TOML file (--config, or the variable RAFTDOC_CONFIG)   election_timeout_ms = 1000
  2. the environment                                          RAFTDOC_ELECTION_TIMEOUT_MS=1000
  3. a flag                                                   --election-timeout-ms 1000
Sizes may be written 64MiB, durations 500ms, 30s, 5m, 24h.

The first of three nodes, its two neighbours being told alike:
  raftdoc serve --node n1 --cluster-id shop --data /var/lib/raftdoc/n1 --secret-file /etc/raftdoc/secret \\
      --peers n1=127.0.0.1:7101,n2=127.0.0.1:7102,n3=127.0.0.1:7103

SIGTERM hands leadership over, ends the requests under way and stops; a second one stops at once, which is safe too.
"""

SETTING = "setting_"
"""Before the names of settings among the parsed arguments."""


def add_parser(commands: Subparsers) -> None:
    parser = add_command(commands, "serve", run, summary="run one node", description=DESCRIPTION)
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file of settings")
    settings = parser.add_argument_group("settings")
    for setting in SETTINGS:
        _add_flag(settings, setting)


def _add_flag(parser: argparse._ArgumentGroup, setting: Setting) -> None:
    text = f"{setting.help} ({setting.default_shown})".replace("%", "%%")
    name = SETTING + setting.name
    if setting.is_switch:
        parser.add_argument(
            setting.flag, dest=name, nargs="?", const=True, default=argparse.SUPPRESS, metavar="true|false", help=text
        )
    elif setting.is_repeatable:
        parser.add_argument(
            setting.flag, dest=name, action="append", default=argparse.SUPPRESS, metavar=setting.metavar, help=text
        )
    else:
        parser.add_argument(setting.flag, dest=name, default=argparse.SUPPRESS, metavar=setting.metavar, help=text)


def run(arguments: argparse.Namespace) -> int:
    from raftdoc.server.config import load_settings
    from raftdoc.server.crash import exit_code

    try:
        return _serve(load_settings(_flags(arguments), arguments.config))
    except InvalidSettings as error:
        complain(*error.faults, "every setting is explained by `raftdoc serve --help`")
        return exit_code(error)
    except Fatal as error:
        complain(f"{error.title}: {error.detail}")
        return exit_code(error)


def _flags(arguments: argparse.Namespace) -> dict[str, object]:
    given = vars(arguments).items()
    return {name.removeprefix(SETTING): value for name, value in given if name.startswith(SETTING)}


def _serve(settings: Settings) -> int:
    # Only now: a wrong setting is told without loading all of a node.
    from raftdoc.server.server import run as run_node
    from raftdoc.telemetry.log import configure

    configure(sys.stderr, log_format=settings.log_format, level=settings.log_level)
    return run_node(settings)
